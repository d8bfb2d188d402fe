/* See fixture.h. */
#include "fixture.h"

#include <sys/stat.h>

#include "util/util.h"

efme_context *fx_context(uint32_t threads) { return fx_context_on(test_backend(), threads); }

efme_context *fx_context_on(const char *backend, uint32_t threads) {
  efme_context_options options = EFME_CONTEXT_OPTIONS_INIT;
  options.threads = threads;
  options.backend = backend;
  efme_context *context = NULL;
  ck_ok(efme_context_create(&context, &options));
  return context;
}

/* ---- data ---- */

struct source {
  uint32_t first, count, classes, stride;
  char text[4][64];
};

static uint32_t number(const struct source *s, uint64_t index) { return s->first + (uint32_t)(index * s->stride % s->count); }

static efme_status describe(efme_sample *sample, uint64_t index, void *user) {
  struct source *s = user;
  uint32_t n = number(s, index);
  snprintf(s->text[0], sizeof s->text[0], "s%02u", n / 3 % 6);
  snprintf(s->text[1], sizeof s->text[1], "c%05u", n);
  sample->dataset = "toy";
  sample->subject = s->text[0];
  sample->clip = s->text[1];
  sample->label = (int32_t)(n % s->classes);
  sample->row = n;
  return EFME_OK;
}

uint32_t fx_noise = 78;

/* Stripes across, stripes down or a chequered board, of varying strength, offset and noise. */
static efme_status read_image(efme_image **out, efme_context *context, uint64_t index, void *user) {
  const struct source *s = user;
  uint32_t n = number(s, index), words[4];
  uint8_t pixels[SIDE * SIDE];
  efme_philox(words, 77, EFME_RNG_SYNTHETIC, 0, n, 0);
  uint32_t shift = words[0] % 8, level = 90 + words[1] % 60, strength = 25 + words[2] % 40;
  for (uint32_t y = 0; y < SIDE; y++)
    for (uint32_t x = 0; x < SIDE; x++) {
      uint32_t noise[4], a = (x + shift) / 4 % 2, b = (y + shift) / 4 % 2, k = n % s->classes;
      efme_philox(noise, fx_noise, EFME_RNG_SYNTHETIC, 0, n, y * SIDE + x);
      uint32_t bit = k == 0 ? a : k == 1 ? b : a ^ b;
      pixels[y * SIDE + x] = (uint8_t)(level + bit * strength + noise[0] % 30);
    }
  return efme_image_from_pixels(out, context, pixels, EFME_PIXEL_GREY8, SIDE, SIDE, 0);
}

efme_dataset *fx_dataset(efme_context *context, uint32_t first, uint32_t count, uint32_t classes, uint32_t stride) {
  struct source *source = calloc(1, sizeof *source);
  *source = (struct source){.first = first, .count = count, .classes = classes, .stride = stride};
  efme_dataset_callbacks callbacks = {.struct_size = sizeof callbacks,
                                      .count = count,
                                      .describe = describe,
                                      .read = read_image,
                                      .destroy = free,
                                      .user = source,
                                      .class_names = efme_classes_meg3(),
                                      .class_count = 3};
  efme_dataset *dataset = NULL;
  ck_ok(efme_dataset_create(&dataset, context, &callbacks));
  return dataset;
}

/* ---- models and recipes ---- */

efme_model *fx_model(efme_context *context, uint32_t cut, uint64_t seed) {
  efme_model_options options = EFME_MODEL_OPTIONS_INIT;
  options.cut = cut;
  options.height = options.width = SIDE;
  options.class_names = efme_classes_meg3();
  options.class_count = 3;
  options.seed = seed;
  efme_model *model = NULL;
  ck_ok(efme_model_create(&model, context, &options));
  return model;
}

efme_train_options fx_options(const efme_recipe *recipe) {
  efme_train_options options = {.struct_size = sizeof options};
  ck_ok(efme_recipe_get_options(recipe, &options));
  return options;
}

void fx_set(efme_recipe *recipe, efme_train_options options) { ck_ok(efme_recipe_set_options(recipe, &options)); }

efme_recipe *fx_recipe(efme_context *context, const char *preset) {
  efme_recipe *recipe = NULL;
  ck_ok(efme_recipe_create(&recipe, context, preset));
  efme_train_options options = fx_options(recipe);
  options.batch = 8;
  options.seed = 3;
  options.log_every = 1;
  fx_set(recipe, options);
  return recipe;
}

void fx_phase(efme_context *context, efme_recipe *recipe, uint32_t scope, uint32_t epochs, uint32_t patience, uint32_t restore_best,
              uint32_t kind, double rate) {
  efme_optimizer_options options = EFME_OPTIMIZER_OPTIONS_INIT;
  options.kind = kind;
  options.learning_rate = rate;
  efme_phase phase = EFME_PHASE_INIT;
  ck_ok(efme_optimizer_create(&phase.optimizer, context, &options));
  phase.scope = scope;
  phase.epochs = epochs;
  phase.patience = patience;
  phase.restore_best = restore_best;
  ck_ok(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
}

efme_recipe *fx_fixed(efme_context *context) {
  efme_recipe *recipe = fx_recipe(context, "head");
  efme_train_options options = fx_options(recipe);
  options.feature_variants = 3;
  fx_set(recipe, options);
  ck_ok(efme_recipe_clear_phases(recipe));
  return recipe;
}

efme_recipe *fx_updating(efme_context *context) {
  efme_recipe *recipe = fx_recipe(context, "scratch");
  ck_ok(efme_recipe_clear_phases(recipe));
  return recipe;
}

/* ---- weights ---- */

float *fx_weights(const efme_model *model, size_t *count) {
  efme_model_info info = EFME_MODEL_INFO_INIT;
  ck_ok(efme_model_get_info(model, &info));
  float *all = NULL;
  *count = 0;
  for (uint32_t i = 0; i < info.tensor_count; i++) {
    const char *name;
    uint32_t dims[4];
    ck_ok(efme_model_tensor(model, i, &name, dims));
    size_t n = (size_t)dims[0] * dims[1] * dims[2] * dims[3];
    all = realloc(all, (*count + n) * sizeof *all);
    ck_ok(efme_model_get(model, name, all + *count, n));
    *count += n;
  }
  return all;
}

float *fx_result(const efme_trainer *trainer, size_t *count) {
  efme_model *model = NULL;
  ck_ok(efme_trainer_model(&model, trainer));
  float *weights = fx_weights(model, count);
  efme_model_release(model);
  return weights;
}

void fx_same_bits(const float *a, const float *b, size_t count, const char *what) {
  size_t differ = 0, first = 0;
  for (size_t i = count; i-- > 0;)
    if (memcmp(&a[i], &b[i], sizeof *a)) differ++, first = i;
  ck_assert_msg(differ == 0, "%s: %zu of %zu weights differ, the first is number %zu: %.9g against %.9g", what, differ, count, first,
                a[first], b[first]);
}

int fx_progress(const efme_train_progress *progress, void *user) {
  struct fx_cancel *c = user;
  c->last = *progress;
  return c->calls++ == c->at;
}

float *fx_train(efme_model *model, const efme_recipe *recipe, const efme_dataset *train, const efme_dataset *validation, size_t *count) {
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  float *weights = fx_result(trainer, count);
  efme_trainer_release(trainer);
  return weights;
}

const char *fx_path(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "train_%s_%ld.tmp", name, (long)getpid());
  remove(path);
  return path;
}
