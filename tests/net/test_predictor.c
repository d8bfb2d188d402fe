/* Predictors through the public API: results, batches, taps, whole images, many threads on one model, memory, errors. */
#include <math.h>
#include <pthread.h>

#include "efme/dataset.h"
#include "efme/predictor.h"
#include "heap.h"
#include "net/rig.h"
#include "net/model.h"

static struct heap heap;

static efme_context *make_context(uint32_t threads) {
  efme_context *c = NULL;
  ck_assert_msg(heap_context(&c, &heap, threads) == EFME_OK, "%s", efme_last_error());
  return c;
}

static efme_model *make_model(efme_context *c, uint32_t cut, uint32_t h, uint32_t w) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *m = NULL;
  o.cut = cut, o.height = h, o.width = w;
  o.class_names = efme_classes_meg3(), o.class_count = 3;
  ck_assert_msg(efme_model_create(&m, c, &o) == EFME_OK, "%s", efme_last_error());
  struct efme_arch arch = rig_arch(cut, 0, 3, h, w); /* livelier than fresh weights */
  float *weights = rig_random_weights(&arch, 21, NULL);
  ck_assert_uint_eq(m->params.total,
                    m->params.items[m->params.count - 1].offset + (m->params.items[m->params.count - 1].count + 15) / 16 * 16);
  memcpy(m->weights, weights, m->params.total * sizeof *weights);
  free(weights);
  return m;
}

static efme_predictor *make_predictor(efme_model *m, uint32_t max_batch, uint32_t threads) {
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  efme_predictor *p = NULL;
  o.max_batch = max_batch, o.threads = threads;
  ck_assert_msg(efme_predictor_create(&p, m, &o) == EFME_OK, "%s", efme_last_error());
  return p;
}

/* Against the double twin, in every batching, with and without the optional outputs. */
START_TEST(test_results) {
  enum { N = 23 };
  efme_context *c = make_context(2);
  efme_model *m = make_model(c, 3, 48, 57);
  size_t image = 48 * 57 * 3;
  float *x = rig_random_pixels(N * image, 9), first[N * 3], first_p[N * 3];
  static const uint32_t batches[] = {1, 4, 16, N, 4096};
  for (size_t b = 0; b < EFME_COUNT(batches); b++) {
    efme_predictor *p = make_predictor(m, batches[b], (uint32_t)(b % 3));
    float logits[N * 3], probs[N * 3];
    ck_assert_int_eq(efme_predictor_run(p, x, N, logits, probs), EFME_OK);
    if (b == 0) memcpy(first, logits, sizeof first), memcpy(first_p, probs, sizeof first_p);
    ck_assert(memcmp(first, logits, sizeof first) == 0 && memcmp(first_p, probs, sizeof probs) == 0);
    memset(probs, 0, sizeof probs);
    ck_assert_int_eq(efme_predictor_run(p, x, N, NULL, probs), EFME_OK);
    ck_assert(memcmp(first_p, probs, sizeof probs) == 0);
    ck_assert_int_eq(efme_predictor_run(p, x + image, 1, logits, NULL), EFME_OK);
    ck_assert(memcmp(first + 3, logits, 3 * sizeof *logits) == 0);
    efme_predictor_release(p);
  }
  struct rig r;
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = N};
  rig_open(&r, NULL, &m->arch, &o);
  rig_weights(&r, m->weights);
  rig_put(&r, &r.plan->input, x, N * image);
  rig_main(&r, N);
  double truth[N * 3];
  rig_get(&r, &r.plan->logits, truth, N * 3);
  for (int i = 0; i < N * 3; i++)
    ck_assert_msg(fabs(truth[i] - (double)first[i]) < 2e-5, "logit %d: %g, expected %g", i, (double)first[i], truth[i]);
  rig_close(&r);
  free(x);
  efme_model_release(m);
  efme_context_release(c);
  ck_assert_int_eq(atomic_load(&heap.live), 0);
}
END_TEST

/* ---- 8 threads, one model ---- */

struct worker {
  efme_model *model;
  const float *x;
  uint32_t index;
  int failed;
  float logits[5 * 3];
};

static void *work(void *arg) {
  struct worker *w = arg;
  for (int turn = 0; turn < 3; turn++) { /* predictors come and go while others run */
    efme_predictor *p = NULL;
    efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
    o.max_batch = 1 + w->index % 5, o.threads = w->index % 3;
    if (efme_predictor_create(&p, w->model, &o)) return w->failed = 1, NULL;
    for (int k = 0; k < 40; k++) { /* often enough that two of them meet at the context's own threads */
      if (efme_predictor_run(p, w->x, 5, w->logits, NULL)) w->failed = 1;
    }
    efme_predictor_release(p);
  }
  return NULL;
}

START_TEST(test_threads_share_model) {
  efme_context *c = make_context(2);
  efme_model *m = make_model(c, 3, 48, 48);
  float *x = rig_random_pixels(5 * 48 * 48 * 3, 3), alone[15];
  efme_predictor *p = make_predictor(m, 5, 1);
  ck_assert_int_eq(efme_predictor_run(p, x, 5, alone, NULL), EFME_OK);
  efme_predictor_release(p);
  struct worker w[8];
  pthread_t threads[8];
  for (uint32_t i = 0; i < 8; i++) {
    w[i] = (struct worker){.model = m, .x = x, .index = i};
    ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &w[i]), 0);
  }
  for (int i = 0; i < 8; i++) {
    pthread_join(threads[i], NULL);
    ck_assert_int_eq(w[i].failed, 0);
    ck_assert(memcmp(w[i].logits, alone, sizeof alone) == 0);
  }
  ck_assert_ptr_null(m->shares);
  ck_assert_uint_eq(atomic_load(&m->users), 0);
  free(x);
  efme_context_release(c); /* any order */
  efme_model_release(m);
  ck_assert_int_eq(atomic_load(&heap.live), 0);
}
END_TEST

/* Packed weights exist once: a second predictor costs its activations only. A held model cannot change. */
START_TEST(test_shared_weights) {
  efme_context *c = make_context(1);
  efme_model *m = make_model(c, 5, 48, 48);
  efme_predictor *p = make_predictor(m, 1, 0);
  struct efme_share *share = m->shares;
  ck_assert_ptr_nonnull(share);
  long before = atomic_load(&heap.bytes);
  efme_predictor *q = make_predictor(m, 1, 0);
  long second = atomic_load(&heap.bytes) - before;
  ck_assert_ptr_eq(m->shares, share);
  ck_assert_int_lt(second, 3000000); /* weights alone are 3.5 MB */
  float v[3] = {1, 2, 3};
  ck_assert_int_eq(efme_model_set(m, "head/bias", v, 3), EFME_E_BUSY);
  efme_predictor_release(p);
  ck_assert_int_eq(efme_model_set(m, "head/bias", v, 3), EFME_E_BUSY);
  /* other taps unfold other layers: other packed weights */
  static const char *const taps[] = {"stem_conv"};
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  o.taps = taps, o.tap_count = 1;
  ck_assert_int_eq(efme_predictor_create(&p, m, &o), EFME_OK);
  ck_assert_ptr_ne(m->shares, share);
  efme_model_release(m); /* predictors keep it alive */
  float *x = rig_random_pixels(48 * 48 * 3, 3), a[3], b[3];
  ck_assert_int_eq(efme_predictor_run(p, x, 1, a, NULL), EFME_OK);
  ck_assert_int_eq(efme_predictor_run(q, x, 1, b, NULL), EFME_OK);
  for (int i = 0; i < 3; i++) ck_assert(fabsf(a[i] - b[i]) < 1e-4f);
  efme_predictor_release(p);
  efme_predictor_retain(q);
  efme_predictor_release(q);
  ck_assert_int_eq(efme_model_set(m, "head/bias", v, 3), EFME_E_BUSY);
  efme_model_retain(m);
  efme_predictor_release(q);
  ck_assert_int_eq(efme_model_set(m, "head/bias", v, 3), EFME_OK);
  efme_model_release(m);
  efme_context_release(c);
  free(x);
  ck_assert_int_eq(atomic_load(&heap.live), 0);
}
END_TEST

/* ---- taps ---- */

START_TEST(test_taps) {
  efme_context *c = make_context(2);
  efme_model *m = make_model(c, 2, 48, 40);
  static const char *const taps[] = {"gap", "block2b_add", "stem_conv", "head"};
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  efme_predictor *p = NULL;
  o.max_batch = 2, o.taps = taps, o.tap_count = 4;
  ck_assert_int_eq(efme_predictor_create(&p, m, &o), EFME_OK);
  uint32_t dims[4] = {9, 9, 9, 9};
  ck_assert_int_eq(efme_predictor_tap(p, "gap", NULL, 0, dims), EFME_E_STATE);
  ck_assert_uint_eq(dims[0], 9);
  float *x = rig_random_pixels(3 * 48 * 40 * 3, 5), logits[9];
  ck_assert_int_eq(efme_predictor_run(p, x, 3, logits, NULL), EFME_OK);
  ck_assert_int_eq(efme_predictor_tap(p, "block2b_add", NULL, 0, dims), EFME_OK);
  ck_assert(dims[0] == 1 && dims[1] == 12 && dims[2] == 10 && dims[3] == 24); /* 3 images in batches of 2: the last had one */
  float add[12 * 10 * 24], gap[24], head[3];
  ck_assert_int_eq(efme_predictor_tap(p, "block2b_add", add, 2879, dims), EFME_E_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "block2b_add"));
  ck_assert_int_eq(efme_predictor_tap(p, "block2b_add", add, 2880, NULL), EFME_OK);
  ck_assert_int_eq(efme_predictor_tap(p, "gap", gap, 24, dims), EFME_OK);
  ck_assert(dims[1] == 1 && dims[3] == 24);
  for (int ch = 0; ch < 24; ch++) { /* gap is the mean of the last layer */
    double sum = 0;
    for (int i = 0; i < 120; i++) sum += (double)add[i * 24 + ch];
    ck_assert(fabs(sum / 120 - (double)gap[ch]) < 1e-5);
  }
  ck_assert_int_eq(efme_predictor_tap(p, "head", head, 3, NULL), EFME_OK);
  ck_assert(memcmp(head, logits + 6, sizeof head) == 0);
  ck_assert_int_eq(efme_predictor_tap(p, "block1a_bn", NULL, 0, dims), EFME_E_NOT_FOUND);
  ck_assert_int_eq(efme_predictor_tap(p, NULL, NULL, 0, dims), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_tap(p, "gap", NULL, 0, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_tap(NULL, "gap", NULL, 0, dims), EFME_E_ARGUMENT);
  char *text = NULL;
  ck_assert_int_eq(efme_predictor_plan(p, &text), EFME_OK);
  ck_assert_ptr_nonnull(strstr(text, "block2b_add"));
  ck_assert_ptr_nonnull(strstr(text, "total"));
  efme_string_free(text);
  ck_assert_int_eq(efme_predictor_plan(NULL, &text), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_plan(p, NULL), EFME_E_ARGUMENT);
  efme_predictor_release(p);
  efme_model_release(m);
  efme_context_release(c);
  free(x);
  ck_assert_int_eq(atomic_load(&heap.live), 0);
}
END_TEST

/* ---- whole images ---- */

static efme_image *make_image(efme_context *c, uint32_t w, uint32_t h, int grey, uint64_t seed) {
  size_t n = (size_t)w * h * (grey ? 1 : 3);
  float *x = rig_random_pixels(n, seed);
  uint8_t *bytes = malloc(n);
  efme_image *image = NULL;
  for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)x[i];
  ck_assert_int_eq(efme_image_from_pixels(&image, c, bytes, grey ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, w, h, 0), EFME_OK);
  free(x), free(bytes);
  return image;
}

/* The public way by hand: resize, replicate grey, run. */
static void by_hand(efme_predictor *p, const efme_image *image, uint32_t h, uint32_t w, float probs[3]) {
  efme_image *small = NULL;
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  ck_assert_int_eq(efme_image_resize(&small, image, w, h), EFME_OK);
  ck_assert_int_eq(efme_image_get_info(small, &info), EFME_OK);
  const uint8_t *px = efme_image_pixels(small);
  float *x = rig_floats((size_t)w * h * 3);
  for (size_t i = 0; i < (size_t)w * h * 3; i++) x[i] = px[info.channels == 1 ? i / 3 : i];
  ck_assert_int_eq(efme_predictor_run(p, x, 1, NULL, probs), EFME_OK);
  free(x);
  efme_image_release(small);
}

START_TEST(test_images) {
  enum { N = 7 };
  efme_context *c = make_context(2);
  efme_model *m = make_model(c, 3, 48, 40);
  efme_predictor *p = make_predictor(m, 3, 0);
  efme_image *images[N] = {make_image(c, 40, 48, 0, 1), make_image(c, 120, 90, 0, 2), NULL,
                           make_image(c, 30, 70, 1, 3), make_image(c, 1, 1, 1, 4),    make_image(c, 900, 2, 0, 5),
                           make_image(c, 40, 48, 1, 6)};
  efme_prediction r[N];
  float probs[N * 3];
  memset(r, 0x55, sizeof r);
  long before = atomic_load(&heap.calls);
  ck_assert_int_eq(efme_predictor_run_images(p, images, N, r, probs), EFME_OK);
  ck_assert_int_eq(efme_predictor_run_images(p, images, N, r, probs), EFME_OK);
  ck_assert_int_eq(atomic_load(&heap.calls), before); /* resizing included */
  for (int i = 0; i < N; i++) {
    if (i == 2) {
      ck_assert_int_eq(r[i].status, EFME_E_ARGUMENT);
      continue;
    }
    float expect[3];
    by_hand(p, images[i], 48, 40, expect);
    ck_assert_int_eq(r[i].status, EFME_OK);
    ck_assert_msg(memcmp(expect, probs + 3 * i, sizeof expect) == 0, "image %d", i);
    int label = expect[1] > expect[0] ? 1 : 0;
    label = expect[2] > expect[label] ? 2 : label;
    ck_assert_int_eq(r[i].label, label);
    ck_assert(r[i].confidence == expect[label]);
  }
  ck_assert_int_eq(efme_predictor_run_images(p, images + 2, 1, r, NULL), EFME_OK);
  ck_assert_int_eq(r[0].status, EFME_E_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "images[0]"));
  /* weights that are no numbers: the image says so */
  efme_predictor_release(p);
  m->weights[m->params.trunk_end] = NAN;
  p = make_predictor(m, 3, 0);
  ck_assert_int_eq(efme_predictor_run_images(p, images, 2, r, NULL), EFME_OK);
  ck_assert(r[0].status == EFME_E_NUMERIC && r[1].status == EFME_E_NUMERIC);
  for (int i = 0; i < N; i++) efme_image_release(images[i]);
  efme_predictor_release(p);
  efme_model_release(m);
  efme_context_release(c);
  ck_assert_int_eq(atomic_load(&heap.live), 0);
}
END_TEST

/* ---- errors ---- */

static void refused(efme_model *m, const efme_predictor_options *o, efme_status status, const char *word) {
  efme_predictor *p = (efme_predictor *)&heap;
  ck_assert_int_eq(efme_predictor_create(&p, m, o), status);
  ck_assert_msg(strstr(efme_last_error(), word) != NULL, "\"%s\" does not say %s", efme_last_error(), word);
  ck_assert_ptr_eq(p, (efme_predictor *)&heap);
  ck_assert_uint_eq(atomic_load(&m->users), 0);
}

START_TEST(test_errors) {
  efme_context *c = make_context(1);
  efme_model *m = make_model(c, 1, 32, 32);
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  static const char *const unknown[] = {"block5a_add"}, *const null[] = {NULL};
  o.max_batch = 0, refused(m, &o, EFME_E_ARGUMENT, "max_batch"), o.max_batch = 4097, refused(m, &o, EFME_E_ARGUMENT, "max_batch"),
  o.max_batch = 1;
  o.threads = 257, refused(m, &o, EFME_E_ARGUMENT, "threads"), o.threads = 0;
  o.tap_count = 1, refused(m, &o, EFME_E_ARGUMENT, "taps");
  o.taps = unknown, refused(m, &o, EFME_E_NOT_FOUND, "block5a_add");
  o.taps = null, refused(m, &o, EFME_E_ARGUMENT, "tap 0"), o.taps = NULL, o.tap_count = 0;
  o.reserved = 1, refused(m, &o, EFME_E_ARGUMENT, "reserved"), o.reserved = 0;
  o.struct_size = 4, refused(m, &o, EFME_E_ARGUMENT, "efme_predictor_options"), o.struct_size = sizeof o;
  struct {
    efme_predictor_options o;
    uint64_t later;
  } grown = {o, 1};
  grown.o.struct_size = sizeof grown;
  refused(m, &grown.o, EFME_E_ARGUMENT, "efme_predictor_options");
  ck_assert_int_eq(efme_predictor_create(NULL, m, NULL), EFME_E_ARGUMENT);
  efme_predictor *p = NULL;
  ck_assert_int_eq(efme_predictor_create(&p, NULL, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_create(&p, m, NULL), EFME_OK);
  float x[32 * 32 * 3] = {0}, out[3];
  efme_prediction r;
  efme_image *image = NULL;
  ck_assert_int_eq(efme_predictor_run(NULL, x, 1, out, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_run(p, NULL, 1, out, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_run(p, x, 0, out, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_run_images(NULL, &image, 1, &r, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_run_images(p, NULL, 1, &r, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_run_images(p, &image, 1, NULL, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_predictor_run_images(p, &image, 0, &r, NULL), EFME_E_ARGUMENT);
  ck_assert_ptr_null(efme_predictor_retain(NULL));
  efme_predictor_release(NULL);
  efme_predictor_release(p);
  efme_model_release(m);
  efme_context_release(c);
  ck_assert_int_eq(atomic_load(&heap.live), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("predictor");
  TCase *t = tcase_create("predictor");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, test_results);
  tcase_add_test(t, test_threads_share_model);
  tcase_add_test(t, test_shared_weights);
  tcase_add_test(t, test_taps);
  tcase_add_test(t, test_images);
  tcase_add_test(t, test_errors);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
