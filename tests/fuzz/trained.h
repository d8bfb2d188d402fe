/* Tiny things to train and evaluate, for the formats that only exist beside a run: three people with three images each, a network
 * of one stage. */
#ifndef EFME_TESTS_FUZZ_TRAINED_H
#define EFME_TESTS_FUZZ_TRAINED_H

#include "fuzz.h"

#define TRAINED_SIDE 32
#define TRAINED_PEOPLE 3

#define TRAINED_OK(call) FUZZ_CHECK((call) == EFME_OK, "setting up")

static inline efme_status trained_describe(efme_sample *s, uint64_t index, void *user) {
  static char subject[8], clip[8]; /* copied before the next call */
  (void)user;
  snprintf(subject, sizeof subject, "p%u", (unsigned)(index / 3));
  snprintf(clip, sizeof clip, "c%u", (unsigned)(index % 3));
  s->dataset = "own", s->subject = subject, s->clip = clip;
  s->label = (int32_t)(index % 3);
  return EFME_OK;
}

static inline efme_status trained_image(efme_image **out, efme_context *context, uint64_t index, void *user) {
  (void)user;
  uint8_t pixels[TRAINED_SIDE * TRAINED_SIDE];
  for (uint32_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * (index % 3 + 1) * 7 + index * 11);
  return efme_image_from_pixels(out, context, pixels, EFME_PIXEL_GREY8, TRAINED_SIDE, TRAINED_SIDE, 0);
}

static inline efme_dataset *trained_dataset(void) {
  efme_dataset_callbacks c = {sizeof c, 3 * TRAINED_PEOPLE, trained_describe, trained_image, NULL, NULL, efme_classes_meg3(), 3, 0};
  efme_dataset *d = NULL;
  TRAINED_OK(efme_dataset_create(&d, fuzz_context(), &c));
  return d;
}

static inline efme_model *trained_model(void) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *m = NULL;
  o.cut = 1, o.height = o.width = TRAINED_SIDE, o.class_names = efme_classes_meg3(), o.class_count = 3;
  TRAINED_OK(efme_model_create(&m, fuzz_context(), &o));
  return m;
}

static inline void trained_phase(efme_recipe *recipe, uint32_t scope, uint32_t epochs, uint32_t kind) {
  efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase p = EFME_PHASE_INIT;
  o.kind = kind;
  TRAINED_OK(efme_optimizer_create(&p.optimizer, fuzz_context(), &o));
  p.scope = scope, p.epochs = epochs, p.patience = 2, p.restore_best = 1;
  TRAINED_OK(efme_recipe_add_phase(recipe, &p));
  efme_optimizer_release(p.optimizer);
}

/* `head` epochs on cached features, then `all` epochs of all layers; 0 leaves a phase out. */
static inline efme_recipe *trained_recipe(uint32_t head, uint32_t all, float ema) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  TRAINED_OK(efme_recipe_create(&recipe, fuzz_context(), "head"));
  TRAINED_OK(efme_recipe_get_options(recipe, &o));
  o.batch = 4, o.feature_variants = 2, o.log_every = 1, o.ema_decay = ema;
  TRAINED_OK(efme_recipe_set_options(recipe, &o));
  TRAINED_OK(efme_recipe_clear_phases(recipe));
  if (head) trained_phase(recipe, EFME_SCOPE_HEAD, head, EFME_ADAM);
  if (all) trained_phase(recipe, EFME_SCOPE_ALL, all, EFME_SGD);
  return recipe;
}

/* Cancels at the callback that *user counts down to. */
static inline int trained_stop(const efme_train_progress *progress, void *user) {
  uint32_t *left = user;
  (void)progress;
  return (*left)-- == 0;
}

#endif
