/* Row invariance: an image's result is the same bits alone and in batches of 2 .. 17, in the first place, in the middle and in
 * the last, whatever stands beside it, by 1 .. 7 threads, at every instruction set level: predictions through the public API,
 * features of a frozen trunk with augmentation, and the forward pass of training with fixed BN. Feature caches, folds and shards
 * rest on it. */
#include "cpu/cpu.h"
#include "efme/predictor.h"
#include "net/model.h"
#include "net/rig.h"

enum { IMAGES = 5, BATCH = 17, THREADS = 7 };

static const struct { uint32_t cut, top, h, w; } nets[] = {{5, 0, 33, 41}, {1, 0, 64, 97}, {7, 1, 40, 33}, {3, 0, 50, 37}};

/* Image 0 in three places, others beside it, which change with the batch and the threads. */
static uint32_t image_at(uint32_t place, uint32_t n, uint32_t threads) {
  return place == 0 || place == n / 2 || place == n - 1 ? 0 : 1 + (place + n + threads) % (IMAGES - 1);
}

/* One way to get `width` results of each of the n images in `list`. */
typedef void (*run_fn)(void *how, const uint32_t *list, uint32_t n, float *out);

/* Fills alone[] where threads is 1, else compares with it. */
static void compare(run_fn run, void *how, uint32_t width, uint32_t threads, uint32_t level, float *alone, const char *what) {
  float *out = rig_floats((size_t)BATCH * width);
  for (uint32_t n = 1; n <= BATCH; n++) {
    uint32_t list[BATCH];
    for (uint32_t i = 0; i < n; i++) list[i] = image_at(i, n, threads);
    run(how, list, n, out);
    for (uint32_t i = 0; i < n; i++)
      ck_assert_msg(memcmp(out + (size_t)i * width, alone + (size_t)list[i] * width, width * sizeof *out) == 0,
                    "%s at level %u, %u threads: image %u differs in place %u of %u", what, level, threads, list[i], i, n);
  }
  free(out);
}

static void fill_alone(run_fn run, void *how, uint32_t width, float *alone) {
  for (uint32_t i = 0; i < IMAGES; i++) run(how, &i, 1, alone + (size_t)i * width);
  for (uint32_t i = 1; i < IMAGES; i++) ck_assert(memcmp(alone, alone + (size_t)i * width, width * sizeof *alone) != 0);
}

static int missing(uint32_t level) {
  if (level <= efme_cpu_level_best()) return 0;
  printf("SKIP: this CPU does not have level %u\n", level);
  test_skips++;
  return 1;
}

/* ---- predictions ---- */

struct prediction {
  efme_predictor *predictor;
  const float *pixels;
  size_t image;
  float batch[BATCH * 64 * 97 * 3];
};

static void predict(void *how, const uint32_t *list, uint32_t n, float *out) {
  struct prediction *p = how;
  for (uint32_t i = 0; i < n; i++) memcpy(p->batch + i * p->image, p->pixels + list[i] * p->image, p->image * sizeof(float));
  ck_assert_int_eq(efme_predictor_run(p->predictor, p->batch, n, out, NULL), EFME_OK);
}

static efme_model *make_model(efme_context *c, size_t net) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *m = NULL;
  o.cut = nets[net].cut, o.top = nets[net].top, o.height = nets[net].h, o.width = nets[net].w;
  o.class_names = efme_classes_meg3(), o.class_count = 3;
  ck_assert_msg(efme_model_create(&m, c, &o) == EFME_OK, "%s", efme_last_error());
  float *weights = rig_random_weights(&m->arch, 21, NULL); /* livelier than fresh ones */
  memcpy(m->weights, weights, m->params.total * sizeof *weights);
  free(weights);
  return m;
}

static void check_predictions(size_t net, uint32_t level) {
  static struct prediction p;
  float alone[IMAGES * 3];
  p.image = (size_t)nets[net].h * nets[net].w * 3;
  ck_assert_uint_le(p.image * BATCH, EFME_COUNT(p.batch));
  float *x = rig_random_pixels(IMAGES * p.image, 2);
  p.pixels = x;
  for (uint32_t threads = 1; threads <= THREADS; threads++) {
    efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
    efme_predictor_options q = EFME_PREDICTOR_OPTIONS_INIT;
    efme_context *c = NULL;
    o.backend = test_backend(), o.threads = threads, o.cpu_level = level, q.max_batch = BATCH;
    ck_assert_int_eq(efme_context_create(&c, &o), EFME_OK);
    ck_assert_uint_eq(efme_context_cpu_level(c), level);
    efme_model *m = make_model(c, net);
    ck_assert_int_eq(efme_predictor_create(&p.predictor, m, &q), EFME_OK);
    if (threads == 1) fill_alone(predict, &p, 3, alone);
    compare(predict, &p, 3, threads, level, alone, "prediction");
    efme_predictor_release(p.predictor);
    efme_model_release(m);
    efme_context_release(c);
  }
  free(x);
}

/* ---- plans ---- */

struct planned {
  struct rig rig;
  const struct efme_tensor *result;
  const uint8_t *pixels;
  size_t image;
};

static void forward(void *how, const uint32_t *list, uint32_t n, float *out) {
  struct planned *p = how;
  uint32_t width = (uint32_t)p->result->c;
  uint8_t *batch = malloc(BATCH * p->image);
  int32_t ids[BATCH], labels[BATCH] = {0};
  for (uint32_t i = 0; i < n; i++) {
    memcpy(batch + i * p->image, p->pixels + list[i] * p->image, p->image);
    ids[i] = (int32_t)(7000 + 13 * list[i]); /* the draw follows the sample, not its place */
  }
  rig_put(&p->rig, &p->rig.plan->input, batch, n * p->image);
  if (efme_tensor_present(&p->rig.plan->ids)) rig_put(&p->rig, &p->rig.plan->ids, ids, n);
  if (efme_tensor_present(&p->rig.plan->labels)) rig_put(&p->rig, &p->rig.plan->labels, labels, n);
  rig_main(&p->rig, n);
  ck_assert_int_eq(efme_exec_read(p->rig.exec, p->result, 0, out, (uint64_t)n * width * sizeof *out), EFME_OK);
  free(batch);
}

static void check_plan(size_t net, uint32_t level, uint32_t mode) {
  struct efme_arch arch = rig_arch(nets[net].cut, nets[net].top, 3, nets[net].h, nets[net].w);
  struct efme_plan_options o = {.mode = mode, .max_batch = BATCH, .source_dtype = EFME_U8, .source_h = 48, .source_w = 41, .source_c = 1};
  struct efme_step step = {.seed = 5, .variant = 2};
  static const float augmentation[7] = {0.5f, 0.7f, 0.2f, 0.2f, 0.2f, 0.1f, 0.1f};
  if (mode == EFME_PLAN_FEATURES) {
    o.augment = o.per_variant = 1;
    memcpy(o.augmentation, augmentation, sizeof augmentation);
  }
  struct planned p = {.image = 48 * 41};
  float *w = rig_random_weights(&arch, 1, NULL), *x = rig_random_pixels(IMAGES * p.image, 3), *alone = NULL;
  uint8_t *bytes = malloc(IMAGES * p.image);
  for (size_t i = 0; i < IMAGES * p.image; i++) bytes[i] = (uint8_t)x[i];
  p.pixels = bytes;
  for (uint32_t threads = 1; threads <= THREADS; threads++) {
    struct efme_backend *b = rig_cpu_level(threads, level);
    rig_open(&p.rig, b, &arch, &o);
    p.result = mode == EFME_PLAN_FEATURES ? &p.rig.plan->features : &p.rig.plan->logits;
    rig_weights(&p.rig, w);
    rig_step(&p.rig, &step);
    uint32_t width = (uint32_t)p.result->c;
    if (!alone) {
      alone = rig_floats((size_t)IMAGES * width);
      fill_alone(forward, &p, width, alone);
    }
    compare(forward, &p, width, threads, level, alone, mode == EFME_PLAN_FEATURES ? "features" : "training");
    rig_close(&p.rig);
    rig_cpu_close(b);
  }
  free(w), free(x), free(alone), free(bytes);
}

/* ---- */

START_TEST(predictions) {
  uint32_t level = (uint32_t)_i % 3 + 1;
  if (!missing(level)) check_predictions((size_t)_i / 3, level);
}
END_TEST

START_TEST(frozen_features) {
  uint32_t level = (uint32_t)_i % 3 + 1;
  if (!missing(level)) check_plan((size_t)_i / 3, level, EFME_PLAN_FEATURES);
}
END_TEST

START_TEST(training_forward) {
  uint32_t level = (uint32_t)_i % 3 + 1;
  if (!missing(level)) check_plan((size_t)_i / 3, level, EFME_PLAN_TRAIN);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rows");
  TCase *t = tcase_create("rows");
  tcase_set_timeout(t, 0);
  tcase_add_loop_test(t, predictions, 0, 3 * 2);
  tcase_add_loop_test(t, frozen_features, 0, 3 * EFME_COUNT(nets));
  tcase_add_loop_test(t, training_forward, 0, 3);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
