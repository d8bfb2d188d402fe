/* The trainer against Keras, by public calls alone: a model imported from Keras' weights, the golden images as a dataset of the program, a
 * recipe of ten epochs of one step. Each epoch's loss and the weights at the end must be those that Keras had, in each of four ways to train;
 * the plans below have been judged op by op (tests/net), this is the way from a recipe to them. */
#include <math.h>

#include "fixture.h"
#include "net/golden.h"

#define IMAGES 6
#define BYTES (48 * 48 * 3)

static efme_context *context;
static void setup(void) { context = fx_context(2); }
static void teardown(void) { efme_context_release(context); }

/* ---- the golden batch as a dataset ---- */

struct images {
  const float *x;
  const int32_t *y;
};

static efme_status describe(efme_sample *sample, uint64_t index, void *user) {
  static char clip[16];
  const struct images *images = user;
  snprintf(clip, sizeof clip, "%d", (int)index);
  sample->dataset = "golden";
  sample->clip = clip;
  sample->label = images->y[index];
  return EFME_OK;
}

static efme_status read_image(efme_image **out, efme_context *c, uint64_t index, void *user) {
  const struct images *images = user;
  uint8_t pixels[BYTES];
  for (int i = 0; i < BYTES; i++) {
    pixels[i] = (uint8_t)images->x[index * BYTES + (uint64_t)i];
    if ((float)pixels[i] != images->x[index * BYTES + (uint64_t)i]) return efme_fail(EFME_E_INTERNAL, "a pixel is no whole number");
  }
  return efme_image_from_pixels(out, c, pixels, EFME_PIXEL_RGB8, 48, 48, 0);
}

static efme_dataset *open_images(struct images *images) {
  efme_dataset_callbacks c = {.struct_size = sizeof c,
                              .count = IMAGES,
                              .describe = describe,
                              .read = read_image,
                              .user = images,
                              .class_names = efme_classes_meg3(),
                              .class_count = 3};
  efme_dataset *dataset = NULL;
  ck_ok(efme_dataset_create(&dataset, context, &c));
  return dataset;
}

static efme_model *import(const char *path, uint32_t cut) {
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  efme_model *model = NULL;
  o.cut = cut;
  o.height = o.width = 48;
  o.class_names = efme_classes_meg3();
  o.class_count = 3;
  ck_ok(efme_model_import(&model, context, path, "keras", &o));
  return model;
}

/* ---- recipes ---- */

struct way {
  const char *name;
  uint32_t scope, bn_update, entropy;
  double rate, decay;
};
static const struct way ways[] = {
    {"head", EFME_SCOPE_HEAD, 0, 0, 1e-3, 0},
    {"bnfixed", EFME_SCOPE_ALL, 0, 0, 1e-4, 0},
    {"bntrain", EFME_SCOPE_ALL, 1, 0, 1e-3, 0},
    {"bnfixed_ce_decay", EFME_SCOPE_ALL, 0, 1, 1e-3, 0.01},
};

/* The paper's preset without its chance: no dropout, no augmentation. */
static efme_recipe *recipe_of(const struct way *w, uint32_t variants) {
  efme_recipe *recipe = NULL;
  ck_ok(efme_recipe_create(&recipe, context, "paper-pretrain"));
  efme_train_options o = fx_options(recipe);
  o.batch = IMAGES;
  o.bn_mode = w->bn_update ? EFME_BN_UPDATE : EFME_BN_FIXED;
  o.dropout = o.flip = o.photometric = 0.0f;
  o.feature_variants = variants;
  if (w->entropy) o.gamma = 0.0f, o.alpha = NULL;
  fx_set(recipe, o);
  efme_optimizer_options oo = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  oo.learning_rate = w->rate;
  oo.decay = w->decay;
  oo.schedule = w->decay > 0 ? EFME_SCHEDULE_TIME : EFME_SCHEDULE_CONSTANT;
  ck_ok(efme_optimizer_create(&phase.optimizer, context, &oo));
  phase.scope = w->scope;
  phase.epochs = 10;
  ck_ok(efme_recipe_clear_phases(recipe));
  ck_ok(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  return recipe;
}

/* ---- the comparison ---- */

/* float32 in another order of sums: a few units of rounding of the largest value; a rate that is one step late is off a hundred times as far. */
#define TOLERANCE 3e-6

static void judge(const char *file, const char *name, const double *ours, const float *golden, size_t count) {
  double most = 0.0, scale = 0.0;
  for (size_t i = 0; i < count; i++) {
    double e = fabs(ours[i] - (double)golden[i]);
    if (!(e <= most)) most = e; /* a NaN sticks */
    scale = fmax(scale, fabs((double)golden[i]));
  }
  printf("%s %s: off by %.1e of %.3g\n", file, name, most, scale);
  ck_assert_msg(most <= TOLERANCE * scale, "%s %s: %g away from a tensor of size %g", file, name, most, scale);
}

static void judge_weights(const char *file, const struct way *w, const struct golden *g, const efme_model *model, const char *theirs,
                          const char *ours) {
  char name[64];
  size_t count;
  snprintf(name, sizeof name, "steps/%s/%s", w->name, theirs);
  const float *golden = golden_f32(g, name, &count);
  float *values = malloc(count * sizeof *values);
  double *wide = malloc(count * sizeof *wide);
  ck_ok(efme_model_get(model, ours, values, count));
  for (size_t i = 0; i < count; i++) wide[i] = values[i];
  judge(file, name, wide, golden, count);
  free(values);
  free(wide);
}

static void train(const char *file, uint32_t cut, const struct way *w, uint32_t variants) {
  char path[96], name[64];
  struct golden g;
  size_t count;
  snprintf(path, sizeof path, "golden/%s.safetensors", file);
  golden_open(&g, test_shared(path));
  struct images images = {golden_f32(&g, "x", &count), golden_find(&g, "y", &count, NULL)};
  ck_assert_uint_eq(count, IMAGES);
  snprintf(path, sizeof path, "golden/%s_weights.safetensors", file);
  efme_model *model = import(test_shared(path), cut), *end = NULL;
  efme_dataset *dataset = open_images(&images);
  efme_recipe *recipe = recipe_of(w, variants);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, dataset, NULL));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  ck_ok(efme_trainer_model(&end, trainer));
  double losses[10];
  for (uint32_t i = 0; i < 10; i++) {
    efme_epoch line = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(trainer, i, &line));
    losses[i] = line.loss;
  }
  snprintf(name, sizeof name, "steps/%s/losses", w->name);
  judge(file, name, losses, golden_f32(&g, name, &count), 10);
  judge_weights(file, w, &g, end, "head_kernel", "head/kernel");
  if (w->scope == EFME_SCOPE_ALL) judge_weights(file, w, &g, end, "stem_conv", "stem_conv/kernel");
  efme_model_release(end);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_dataset_release(dataset);
  efme_model_release(model);
  golden_close(&g);
}

START_TEST(as_keras_trains) {
  static const struct {
    const char *file;
    uint32_t cut;
  } files[] = {{"cut3_48", 3}, {"cut5_48", 5}};
  if (test_absent("golden/README.md")) return;
  const struct way *w = &ways[_i % 4];
  train(files[_i / 4].file, files[_i / 4].cut, w, 0);
  if (w->scope == EFME_SCOPE_HEAD) train(files[_i / 4].file, files[_i / 4].cut, w, 11); /* on cached features */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("keras");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_loop_test(tc, as_keras_trains, 0, 8);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
