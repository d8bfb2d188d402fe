/* Whole networks against the golden values of Keras: logits and activations of every variant. */
#include "net/golden.h"

struct variant {
  const char *name;
  uint32_t cut, top, height, width;
};
static const struct variant variants[] = {
    {"cut3_48", 3, 0, 48, 48},    {"cut5_48", 5, 0, 48, 48}, {"cut5_224", 5, 0, 224, 224},
    {"cut3_75x57", 3, 0, 75, 57}, {"b0_64", 7, 1, 64, 64},
};

static void open_pair(struct golden *g, struct golden *w, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "golden/%s.safetensors", name);
  golden_open(g, test_shared(path));
  snprintf(path, sizeof path, "golden/%s_weights.safetensors", name);
  golden_open(w, test_shared(path));
}

static void get_tap(struct rig *r, const char *name, uint32_t batch, double **values, size_t *count) {
  const struct efme_plan_tap *tap = efme_plan_find_tap(r->plan, name);
  ck_assert_ptr_nonnull(tap);
  *count = (size_t)batch * (size_t)tap->tensor.h * (size_t)tap->tensor.w * (size_t)tap->tensor.c;
  *values = rig_doubles(*count);
  rig_get(r, &tap->tensor, *values, *count);
}

/* Inference with all of the file's activations tapped (many: folding stops) or none. */
static void infer(const struct variant *v, int tapped) {
  if (test_absent("golden/README.md")) return;
  struct golden g, w;
  open_pair(&g, &w, v->name);
  struct efme_arch arch = rig_arch(v->cut, v->top, 3, v->height, v->width);
  const char *taps[32];
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .taps = taps};
  void *state = NULL;
  for (const char *n; tapped && (n = golden_next(&g, "act/", &state));) taps[o.tap_count++] = n + 4;
  size_t count, pixels;
  const float *x = golden_f32(&g, "x", &pixels), *logits = golden_f32(&g, "logits", &count), *probs = golden_f32(&g, "probs", &count);
  uint32_t batch = (uint32_t)(count / 3);
  o.max_batch = batch;
  float *weights = golden_weights(&w, &arch);
  struct rig ref, f32 = {0};
  double *a = rig_doubles(count), *b = rig_doubles(count);
  rig_open(&ref, NULL, &arch, &o);
  rig_weights(&ref, weights);
  rig_put(&ref, &ref.plan->input, x, pixels);
  rig_main(&ref, batch);
  if (rig_shared) {
    rig_open(&f32, rig_shared, &arch, &o);
    rig_weights(&f32, weights);
    rig_put(&f32, &f32.plan->input, x, pixels);
    rig_main(&f32, batch);
  }
  rig_get(&ref, &ref.plan->logits, a, count);
  if (rig_shared) rig_get(&f32, &f32.plan->logits, b, count);
  golden_judge(v->name, "logits", a, rig_shared ? b : NULL, logits, count, 0);
  rig_get(&ref, &ref.plan->probabilities, a, count);
  if (rig_shared) rig_get(&f32, &f32.plan->probabilities, b, count);
  golden_judge(v->name, "probs", a, rig_shared ? b : NULL, probs, count, 0);
  for (uint32_t i = 0; i < o.tap_count; i++) {
    char name[64];
    double *p, *q = NULL;
    size_t n, m;
    snprintf(name, sizeof name, "act/%s", taps[i]);
    const float *golden = golden_f32(&g, name, &n);
    get_tap(&ref, taps[i], batch, &p, &m);
    ck_assert_uint_eq(n, m);
    if (rig_shared) get_tap(&f32, taps[i], batch, &q, &m);
    golden_judge(v->name, name, p, q, golden, n, 0);
    free(p);
    free(q);
  }
  rig_close(&ref);
  if (rig_shared) rig_close(&f32);
  free(weights), free(a), free(b);
  golden_close(&g), golden_close(&w);
}

START_TEST(test_infer) { infer(&variants[_i], 0); }
END_TEST

START_TEST(test_activations) { infer(&variants[_i], 1); }
END_TEST

int main(void) {
  Suite *suite = suite_create("golden");
  TCase *t = tcase_create("infer");
  tcase_set_timeout(t, 0);
  rig_fixture(t);
  tcase_add_loop_test(t, test_infer, 0, (int)EFME_COUNT(variants));
  tcase_add_loop_test(t, test_activations, 0, (int)EFME_COUNT(variants));
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  return result;
}
