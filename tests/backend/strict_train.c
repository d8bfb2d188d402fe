/* Inference, training, resuming and evaluating through the public API, once on the CPU backend and once on the strict one
 * (strict/strict.h): the same bits. And a device that is lost at any run ends in EFME_E_BACKEND, with nothing spoilt. */
#include "backend/strict/control.h"
#include "train/fixture.h"

enum { CPU, STRICT, BACKENDS };
static efme_context *contexts[BACKENDS];
static struct strict_control *control;

static void setup(void) {
  contexts[CPU] = fx_context_on("cpu", 2);
  contexts[STRICT] = fx_context_on("strict", 2);
  ck_assert_str_eq(efme_context_backend(contexts[STRICT]), "strict");
  control = strict_hold();
}

static void teardown(void) {
  for (int b = 0; b < BACKENDS; b++) efme_context_release(contexts[b]);
  ck_assert_uint_eq(control->refused, 0);
  ck_assert_uint_gt(control->most_deferred, 3); /* it did put off what it may */
}

/* ---- inference ---- */

#define IMAGES 7
#define HEIGHT 33
#define WIDTH 46

struct inference {
  float logits[2][IMAGES * 3], probabilities[2][IMAGES * 3], by_image[IMAGES * 3];
  efme_prediction results[IMAGES];
  float gap[40], expansion[17 * 23 * 96];
};

static void pixels(float *out, size_t count) {
  uint32_t state = 5;
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    out[i] = (float)(state >> 24);
  }
}

static void images(efme_context *context, efme_image *out[IMAGES], const float *values) {
  for (uint32_t i = 0; i < IMAGES; i++) { /* of several sizes, grey and coloured */
    uint32_t w = 30 + 9 * i, h = 50 - 3 * i, colours = i % 2 ? 3 : 1;
    uint8_t *bytes = malloc((size_t)w * h * colours);
    for (size_t k = 0; k < (size_t)w * h * colours; k++) bytes[k] = (uint8_t)values[k + i];
    ck_ok(efme_image_from_pixels(&out[i], context, bytes, colours == 3 ? EFME_PIXEL_RGB8 : EFME_PIXEL_GREY8, w, h, 0));
    free(bytes);
  }
}

static void infer(efme_context *context, struct inference *out) {
  efme_model_options options = EFME_MODEL_OPTIONS_INIT;
  static const char *const taps[] = {"gap", "block2a_expand_activation"};
  efme_model *model = NULL;
  efme_predictor *plain[2] = {NULL, NULL}, *tapped = NULL;
  efme_image *list[IMAGES];
  static float x[IMAGES * HEIGHT * WIDTH * 3];
  uint32_t dims[4];
  memset(out, 0, sizeof *out);
  options.cut = 3, options.height = HEIGHT, options.width = WIDTH, options.seed = 8;
  options.class_names = efme_classes_meg3(), options.class_count = 3;
  ck_ok(efme_model_create(&model, context, &options));
  pixels(x, sizeof x / sizeof *x);
  for (uint32_t k = 0; k < 2; k++) { /* both live and share the packed weights; batches of 3, 3, 1 and one by one */
    efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
    o.max_batch = k ? 1 : 3, o.threads = k;
    ck_ok(efme_predictor_create(&plain[k], model, &o));
  }
  for (int k = 0; k < 2; k++) ck_ok(efme_predictor_run(plain[k], x, IMAGES, out->logits[k], out->probabilities[k]));
  efme_predictor_release(plain[0]);
  images(context, list, x);
  ck_ok(efme_predictor_run_images(plain[1], list, IMAGES, out->results, out->by_image));
  efme_predictor_release(plain[1]);
  for (int i = 0; i < IMAGES; i++) efme_image_release(list[i]);
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  o.taps = taps, o.tap_count = 2;
  ck_ok(efme_predictor_create(&tapped, model, &o));
  ck_ok(efme_predictor_run(tapped, x, 1, NULL, NULL));
  ck_ok(efme_predictor_tap(tapped, "gap", out->gap, sizeof out->gap / sizeof(float), dims));
  ck_assert_uint_eq(dims[3], 40);
  ck_ok(efme_predictor_tap(tapped, "block2a_expand_activation", out->expansion, sizeof out->expansion / sizeof(float), dims));
  ck_assert_uint_eq(dims[1] * dims[2] * dims[3], sizeof out->expansion / sizeof(float));
  efme_predictor_release(tapped);
  efme_model_release(model);
}

START_TEST(inference) {
  static struct inference got[BACKENDS];
  for (int b = 0; b < BACKENDS; b++) infer(contexts[b], &got[b]);
  ck_assert(memcmp(&got[CPU], &got[STRICT], sizeof got[0]) == 0);
  ck_assert(memcmp(got[CPU].logits[0], got[CPU].logits[1], sizeof got[0].logits[0]) == 0);
  for (int i = 0; i < IMAGES; i++) ck_assert(got[CPU].results[i].status == EFME_OK && got[CPU].results[i].confidence > 0);
}
END_TEST

/* ---- training ---- */

/* The paper's: focal loss with factors, penalty, dropout; a head on cached features, then all layers with BN fixed. */
static efme_recipe *transfer(efme_context *context) {
  efme_recipe *recipe = fx_recipe(context, "paper-transfer");
  efme_train_options o = fx_options(recipe);
  o.feature_variants = 2;
  fx_set(recipe, o);
  ck_ok(efme_recipe_clear_phases(recipe));
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 3, 1, 1, EFME_ADAM, 1e-2);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 2, 0, 1, EFME_ADAM, 1e-3);
  return recipe;
}

/* BN updating, drop-connect, all of augmentation, averaged weights, a phase for each optimizer. */
static efme_recipe *scratch(efme_context *context) {
  efme_recipe *recipe = fx_updating(context);
  efme_train_options o = fx_options(recipe);
  o.ema_decay = 0.8f;
  o.label_smoothing = 0.1f;
  fx_set(recipe, o);
  static const uint32_t kinds[] = {EFME_ADAM, EFME_SGD, EFME_ADAMW, EFME_RMSPROP};
  for (int i = 0; i < 4; i++) fx_phase(context, recipe, EFME_SCOPE_ALL, i ? 1 : 2, 0, i == 1, kinds[i], 1e-3);
  return recipe;
}

/* A head whose trunk runs every time, on fresh augmentation. */
static efme_recipe *live_head(efme_context *context) {
  efme_recipe *recipe = transfer(context);
  efme_train_options o = fx_options(recipe);
  o.feature_variants = 0;
  fx_set(recipe, o);
  return recipe;
}

static efme_recipe *(*const recipes[])(efme_context *) = {transfer, scratch, live_head};

/* A run of one recipe and what it leaves. */
struct training {
  efme_dataset *train, *validation;
  efme_model *model;
  efme_recipe *recipe;
  efme_trainer *trainer;
};

static void begin(struct training *t, int backend, int recipe, const char *checkpoint) {
  efme_context *context = contexts[backend];
  t->train = fx_dataset(context, 0, 21, 3, 1); /* batches of 8, 8, 5 */
  t->validation = fx_dataset(context, 21, 9, 3, 1);
  t->model = fx_model(context, 2, 5);
  t->recipe = recipes[recipe](context);
  t->trainer = NULL;
  ck_ok(efme_trainer_create(&t->trainer, t->model, t->recipe, t->train, t->validation));
  if (checkpoint) ck_ok(efme_trainer_set_checkpoint(t->trainer, checkpoint, 1e-9)); /* after every step */
}

static void end(struct training *t) {
  efme_trainer_release(t->trainer);
  efme_recipe_release(t->recipe);
  efme_model_release(t->model);
  efme_dataset_release(t->train);
  efme_dataset_release(t->validation);
}

static void same(const struct training *a, const struct training *b, const char *what) {
  size_t count, n;
  float *x = fx_result(a->trainer, &count), *y = fx_result(b->trainer, &n);
  ck_assert_uint_eq(count, n);
  fx_same_bits(x, y, count, what);
  free(x);
  free(y);
  ck_assert_uint_eq(efme_trainer_epoch_count(a->trainer), efme_trainer_epoch_count(b->trainer));
  for (uint32_t i = 0; i < efme_trainer_epoch_count(a->trainer); i++) {
    efme_epoch e = EFME_EPOCH_INIT, f = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(a->trainer, i, &e));
    ck_ok(efme_trainer_epoch(b->trainer, i, &f));
    e.seconds = f.seconds = 0;
    ck_assert_msg(memcmp(&e, &f, sizeof e) == 0, "%s: line %u of the history differs", what, i);
  }
}

START_TEST(training) {
  struct training t[BACKENDS];
  uint64_t recorded = control->recorded, replayed = control->replayed;
  for (int b = 0; b < BACKENDS; b++) {
    begin(&t[b], b, _i, NULL);
    ck_ok(efme_trainer_run(t[b].trainer, NULL, NULL));
  }
  same(&t[CPU], &t[STRICT], "trained");
  /* Each phase records main for batches of 8 and of 5 and update once; all later steps are replays of these. */
  uint64_t phases = 0, epochs = efme_trainer_epoch_count(t[STRICT].trainer);
  for (uint32_t i = 0; i < epochs; i++) {
    efme_epoch e = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(t[STRICT].trainer, i, &e));
    phases = e.phase + 1;
  }
  ck_assert_uint_eq(control->recorded - recorded, 3 * phases);
  ck_assert_uint_eq(control->replayed - replayed, 6 * epochs - 3 * phases);
  for (int b = 0; b < BACKENDS; b++) end(&t[b]);
}
END_TEST

/* Stopped at a callback and resumed by another trainer, on the same backend or on the other one. */
START_TEST(resuming) {
  static const struct {
    uint32_t recipe, at;
    int first, then;
  } cases[] = {{0, 2, STRICT, STRICT}, {0, 14, STRICT, CPU}, {0, 14, CPU, STRICT},
               {1, 1, STRICT, STRICT}, {1, 6, CPU, STRICT},  {1, 9, STRICT, CPU}};
  struct training whole, t;
  char what[80];
  const char *path = fx_path("strict_resume");
  begin(&whole, CPU, (int)cases[_i].recipe, NULL);
  ck_ok(efme_trainer_run(whole.trainer, NULL, NULL));
  struct fx_cancel cancel = {.at = cases[_i].at};
  begin(&t, cases[_i].first, (int)cases[_i].recipe, path);
  ck_fails(efme_trainer_run(t.trainer, fx_progress, &cancel), EFME_E_CANCELLED, "cancelled");
  end(&t);
  begin(&t, cases[_i].then, (int)cases[_i].recipe, path);
  ck_ok(efme_trainer_run(t.trainer, NULL, NULL));
  snprintf(what, sizeof what, "recipe %u resumed after callback %u", cases[_i].recipe, cases[_i].at);
  same(&whole, &t, what);
  end(&t);
  end(&whole);
  remove(path);
}
END_TEST

/* ---- a lost device ---- */

START_TEST(lost_in_training) {
  struct training whole, t;
  const char *path = fx_path("strict_lost");
  begin(&whole, CPU, _i, NULL);
  ck_ok(efme_trainer_run(whole.trainer, NULL, NULL));
  uint32_t losses = 0;
  for (int64_t at = 1;; at = at * 2 + 1, losses++) {
    efme_context_release(contexts[STRICT]); /* a lost device stays lost */
    contexts[STRICT] = fx_context_on("strict", 2);
    remove(path);
    begin(&t, STRICT, _i, path);
    control->fail_in = at;
    efme_status status = efme_trainer_run(t.trainer, NULL, NULL);
    control->fail_in = 0;
    if (status == EFME_OK) break;
    ck_assert_msg(status == EFME_E_BACKEND && strstr(efme_last_error(), "the device is lost"), "lost at run %d: %s", (int)at,
                  efme_last_error());
    efme_model *model = (efme_model *)1;
    ck_fails(efme_trainer_run(t.trainer, NULL, NULL), EFME_E_BACKEND, "lost"); /* told again, not worse */
    ck_fails(efme_trainer_model(&model, t.trainer), EFME_E_BACKEND, "lost");
    ck_assert(model == (efme_model *)1);
    end(&t);
    /* The checkpoint of before is whole: another device goes on with the same bits. */
    begin(&t, CPU, _i, path);
    ck_ok(efme_trainer_run(t.trainer, NULL, NULL));
    same(&whole, &t, "after a lost device");
    end(&t);
  }
  ck_assert_uint_ge(losses, 4);
  end(&t);
  end(&whole);
  remove(path);
}
END_TEST

START_TEST(lost_in_inference) {
  efme_context *context = fx_context_on("strict", 2);
  efme_model *model = fx_model(context, 2, 5);
  efme_predictor *predictor = NULL;
  efme_image *image = NULL;
  static float x[SIDE * SIDE * 3];
  float logits[3] = {7, 7, 7};
  efme_prediction result;
  pixels(x, sizeof x / sizeof *x);
  control->fail_in = 1;
  ck_fails(efme_predictor_create(&predictor, model, NULL), EFME_E_BACKEND, "lost");
  ck_assert_ptr_null(predictor);
  efme_model_release(model);
  efme_context_release(context);
  context = fx_context_on("strict", 2);
  model = fx_model(context, 2, 5);
  ck_ok(efme_predictor_create(&predictor, model, NULL));
  control->fail_in = 1;
  ck_fails(efme_predictor_run(predictor, x, 1, logits, NULL), EFME_E_BACKEND, "lost");
  ck_assert(logits[0] == 7 && logits[2] == 7);
  uint8_t grey[SIDE * SIDE] = {0};
  ck_ok(efme_image_from_pixels(&image, context, grey, EFME_PIXEL_GREY8, SIDE, SIDE, 0));
  ck_fails(efme_predictor_run_images(predictor, &image, 1, &result, NULL), EFME_E_BACKEND, "lost");
  efme_image_release(image);
  efme_predictor_release(predictor);
  efme_model_release(model);
  efme_context_release(context);
}
END_TEST

int main(void) {
  setenv("EFME_BACKEND_DIR", STRICT_DIR, 1);
  Suite *suite = suite_create("strict_train");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_set_timeout(t, 0);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, inference);
  tcase_add_loop_test(t, training, 0, 3);
  tcase_add_loop_test(t, resuming, 0, 6);
  tcase_add_loop_test(t, lost_in_training, 0, 2);
  tcase_add_test(t, lost_in_inference);
  return test_run(suite);
}
