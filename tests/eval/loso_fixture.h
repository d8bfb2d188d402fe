/* A tiny leave-one-subject-out for tests: faces of noise with a pattern for each class, a network cut after stage 2, a
 * recipe of seconds. Reads are counted, can be made to fail, and pixels of one subject can be replaced. */
#ifndef EFME_LOSO_FIXTURE_H
#define EFME_LOSO_FIXTURE_H

#include <stdatomic.h>

#include "eval_test.h"

#define PEOPLE 5
#define EACH 6 /* samples of a subject, two of each class */
#define SAMPLES (PEOPLE * EACH)
#define SIDE 32

static const char *const lf_classes[3] = {"negative", "positive", "surprise"};

struct lf_data {
  uint32_t people, stride; /* row i is sample (i * stride) % count; stride coprime to the count */
  uint32_t first;          /* number of the first subject */
  int replaced;            /* subject whose pixels and labels are others, -1: none */
  uint32_t noise;          /* another value: other pixels of the same samples */
  int twin;                /* sample that shows the pixels of sample 0 of subject 0, -1: none */
  atomic_int fail;         /* reads fail while set */
  atomic_int reads[64];    /* by subject number */
};

static inline uint32_t lf_sample(const struct lf_data *d, uint64_t index) { return (uint32_t)(index * d->stride) % (d->people * EACH); }

static inline int lf_label(const struct lf_data *d, uint32_t sample) {
  uint32_t subject = d->first + sample / EACH;
  return (int)(sample % 3 + ((int)subject == d->replaced)) % 3;
}

static efme_status lf_describe(efme_sample *s, uint64_t index, void *user) {
  static char subject[16], clip[16]; /* copied by the library before the next call */
  const struct lf_data *d = user;
  uint32_t sample = lf_sample(d, index);
  snprintf(subject, sizeof subject, "s%u", d->first + sample / EACH + 1);
  snprintf(clip, sizeof clip, "c%u", sample % EACH);
  s->dataset = sample / EACH % 2 ? "odd" : "even";
  s->subject = subject;
  s->clip = clip;
  s->label = lf_label(d, sample);
  return EFME_OK;
}

static efme_status lf_read(efme_image **out, efme_context *context, uint64_t index, void *user) {
  struct lf_data *d = user;
  uint32_t sample = lf_sample(d, index), subject = d->first + sample / EACH;
  atomic_fetch_add(&d->reads[subject & 63], 1);
  if (atomic_load(&d->fail)) return EFME_E_IO;
  if ((int)sample == d->twin) sample = 0, subject = d->first;
  uint8_t pixels[SIDE * SIDE];
  uint32_t state = subject * 977 + sample * 31 + ((int)subject == d->replaced ? 4242 : 1) + d->noise;
  int label = lf_label(d, sample);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      state = state * 1664525u + 1013904223u;
      int wave = label == 0 ? x / 4 % 2 : label == 1 ? y / 4 % 2 : (x + y) / 4 % 2;
      pixels[y * SIDE + x] = (uint8_t)(60 + 90 * wave + (state >> 24) % 60);
    }
  return efme_image_from_pixels(out, context, pixels, EFME_PIXEL_GREY8, SIDE, SIDE, 0);
}

static inline void lf_data_init(struct lf_data *d) {
  memset(d, 0, sizeof *d);
  d->people = PEOPLE;
  d->stride = 1;
  d->replaced = d->twin = -1;
}

static inline efme_dataset *lf_open(efme_context *context, struct lf_data *d) {
  efme_dataset_callbacks c = {sizeof c, (uint64_t)d->people * EACH, lf_describe, lf_read, NULL, d, lf_classes, 3, 0};
  efme_dataset *out = NULL;
  OK(efme_dataset_create(&out, context, &c));
  return out;
}

static inline efme_model *lf_model(efme_context *context) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = 2;
  o.height = o.width = SIDE;
  o.class_names = lf_classes;
  o.class_count = 3;
  efme_model *model = NULL;
  OK(efme_model_create(&model, context, &o));
  return model;
}

static inline void lf_phase(efme_context *context, efme_recipe *recipe, uint32_t scope, uint32_t epochs, double rate) {
  efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase p = EFME_PHASE_INIT;
  o.learning_rate = rate;
  OK(efme_optimizer_create(&p.optimizer, context, &o));
  p.scope = scope;
  p.epochs = epochs;
  p.patience = 2;
  p.restore_best = 1;
  OK(efme_recipe_add_phase(recipe, &p));
  efme_optimizer_release(p.optimizer);
}

/* head epochs on cached features, then epochs of all layers; 0 leaves a phase out. */
static inline efme_recipe *lf_recipe(efme_context *context, uint32_t head, uint32_t all) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  OK(efme_recipe_create(&recipe, context, "head"));
  OK(efme_recipe_get_options(recipe, &o));
  o.batch = 8;
  o.seed = 11;
  o.feature_variants = 2;
  o.log_every = 1;
  OK(efme_recipe_set_options(recipe, &o));
  OK(efme_recipe_clear_phases(recipe));
  if (head) lf_phase(context, recipe, EFME_SCOPE_HEAD, head, 1e-2);
  if (all) lf_phase(context, recipe, EFME_SCOPE_ALL, all, 1e-3);
  return recipe;
}

/* All that an evaluator is made of. */
struct lf {
  efme_context *context;
  struct lf_data data;
  efme_dataset *dataset;
  efme_model *model;
  efme_recipe *recipe;
  efme_fold_plan *plan;
};

static inline void lf_make(struct lf *f, uint32_t threads, uint32_t head, uint32_t all) {
  lf_data_init(&f->data);
  f->context = test_context(threads);
  f->dataset = lf_open(f->context, &f->data);
  f->model = lf_model(f->context);
  f->recipe = lf_recipe(f->context, head, all);
  OK(efme_fold_plan_loso(&f->plan, f->dataset, NULL));
}

static inline void lf_free(struct lf *f) {
  efme_fold_plan_release(f->plan);
  efme_recipe_release(f->recipe);
  efme_model_release(f->model);
  efme_dataset_release(f->dataset);
  efme_context_release(f->context);
}

static inline efme_evaluator *lf_evaluator(const struct lf *f, uint32_t workers, const char *folder) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *e = NULL;
  o.workers = workers;
  o.folder = folder;
  OK(efme_evaluator_create(&e, f->model, f->dataset, f->plan, f->recipe, &o));
  return e;
}

/* A whole run. */
static inline efme_result *lf_run(const struct lf *f, uint32_t workers, const char *folder) {
  efme_evaluator *e = lf_evaluator(f, workers, folder);
  efme_result *r = NULL;
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  efme_evaluator_release(e);
  return r;
}

/* Weights that have been trained on subjects first .. first + people - 1; twin as in lf_data. */
static inline efme_model *lf_trained_on(const struct lf *f, uint32_t first, uint32_t people, int twin) {
  struct lf_data *data = calloc(1, sizeof *data);
  lf_data_init(data);
  data->first = first;
  data->people = people;
  data->twin = twin;
  efme_dataset *d = lf_open(f->context, data);
  efme_trainer *t = NULL;
  efme_model *model = NULL;
  OK(efme_trainer_create(&t, f->model, f->recipe, d, NULL));
  OK(efme_trainer_run(t, NULL, NULL));
  OK(efme_trainer_model(&model, t));
  efme_trainer_release(t);
  efme_dataset_release(d);
  free(data);
  return model;
}

/* Key by key the same, to the bit, whatever the order of rows. */
static inline void lf_same(const efme_result *a, const efme_result *b) {
  ck_assert_uint_eq(efme_result_count(a), efme_result_count(b));
  for (uint64_t i = 0; i < efme_result_count(a); i++) {
    efme_tested x = EFME_TESTED_INIT, y = EFME_TESTED_INIT;
    OK(efme_result_tested(a, i, &x));
    OK(efme_result_tested(b, i, &y));
    ck_assert_str_eq(x.key, y.key);
    ck_assert_str_eq(x.fold, y.fold);
    ck_assert_int_eq(x.truth, y.truth);
    ck_assert_int_eq(x.predicted, y.predicted);
    ck_assert_msg(!memcmp(x.probabilities, y.probabilities, 3 * sizeof(float)), "%s: %.9g %.9g %.9g, %.9g %.9g %.9g", x.key,
                  (double)x.probabilities[0], (double)x.probabilities[1], (double)x.probabilities[2], (double)y.probabilities[0],
                  (double)y.probabilities[1], (double)y.probabilities[2]);
  }
}

/* Cancels at the callback with this number from 0; UINT32_MAX: never. */
struct lf_cancel {
  uint32_t at, calls;
};
static inline int lf_cancel(const efme_train_progress *p, void *user) {
  struct lf_cancel *c = user;
  ck_assert_ptr_nonnull(p->what);
  return c->calls++ >= c->at;
}

#endif
