/* Our own golden dump (tests/golden, made from PyTorch by make.py), which is always here, at every level of this CPU: inference,
 * activations, gradients by weights and by activations, moving statistics, two Adam steps, and the identities that tapped gradients must
 * obey. */
#include "net/golden.h"

#include <math.h>

static struct golden g;
static struct efme_arch arch;
static float *weights;
static const float *x;
static const int32_t *y;
static size_t pixels, batch;

static void setup(void) {
  golden_open(&g, EFME_SOURCE_DIR "/tests/golden/cut2_33x40.safetensors");
  arch = rig_arch(2, 0, 3, 33, 40);
  weights = golden_weights(&g, &arch);
  x = golden_f32(&g, "x", &pixels);
  y = golden_find(&g, "y", &batch, NULL);
}

static void teardown(void) {
  free(weights);
  golden_close(&g);
}

static void ready(struct trial *t, const struct efme_arch *a, const struct efme_plan_options *o) {
  static const float alpha[3] = {0.27f, 0.35f, 0.38f};
  trial_open(t, a, o, weights);
  trial_put(t, TRIAL_PIXELS, x, pixels);
  trial_put(t, TRIAL_LABELS, y, batch);
  trial_put(t, TRIAL_ALPHA, alpha, 3);
}

static void judge(struct trial *t, const char *name, const struct efme_tensor *tensor, double floor) {
  size_t count;
  const float *golden = golden_f32(&g, name, &count);
  trial_judge_tensor(t, "small", name, tensor, golden, count, floor);
}

static void judge_tap(struct trial *t, const char *prefix, const char *name, const char *tap) {
  char full[96];
  size_t count;
  snprintf(full, sizeof full, "%s%s", prefix, name);
  const float *golden = golden_f32(&g, full, &count);
  trial_judge_tap(t, "small", full, tap, golden, count);
}

START_TEST(test_infer) {
  const char *taps[16];
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = 2, .taps = taps};
  void *state = NULL;
  for (const char *n; (n = golden_next(&g, "act/", &state));) taps[o.tap_count++] = n + 4;
  for (int tapped = 0; tapped < 2; tapped++) {
    struct trial t;
    struct efme_plan_options with = o;
    if (!tapped) with.tap_count = 0;
    ready(&t, &arch, &with);
    trial_main(&t, 2);
    judge(&t, "logits", &t.rig[0].plan->logits, 0);
    judge(&t, "probs", &t.rig[0].plan->probabilities, 0);
    for (uint32_t i = 0; i < with.tap_count; i++) judge_tap(&t, "act/", taps[i], taps[i]);
    trial_close(&t);
  }
}
END_TEST

/* Symmetric padding and timm's epsilon. */
START_TEST(test_symmetric) {
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = 2};
  struct efme_arch a = arch;
  struct trial t;
  a.padding = EFME_PAD_SYMMETRIC, a.bn_epsilon = 1e-5f;
  ready(&t, &a, &o);
  trial_main(&t, 2);
  judge(&t, "symmetric/logits", &t.rig[0].plan->logits, 0);
  trial_close(&t);
}
END_TEST

static struct efme_plan_options focal(int update) {
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = 2, .gamma = 2, .alpha = 1, .l1 = 0.01f, .l2 = 0.01f, .update = 1};
  for (int i = 0; i < 2; i++) o.optimizer_f[i][0] = 0.9f, o.optimizer_f[i][1] = 0.999f, o.optimizer_f[i][2] = 1e-7f;
  o.bn_update = (uint32_t)update;
  return o;
}

static void judge_params(struct trial *t, const char *prefix, uint32_t arena, double floor) {
  void *state = NULL;
  int seen = 0;
  for (const char *n; (n = golden_next(&g, prefix, &state)); seen++) {
    struct efme_tensor p = rig_param(&t->rig[0], arena, n + strlen(prefix));
    judge(t, n, &p, floor);
  }
  ck_assert_int_gt(seen, 3);
}

/* Gradients by weights, tapped or not, activations kept or made again; by activations; moving statistics. */
static void gradients(int update, int tapped, int keep) {
  const char *mode = update ? "bntrain" : "bnfixed";
  char prefix[64], storage[16][64];
  const char *taps[16];
  struct efme_plan_options o = focal(update);
  void *state = NULL;
  o.taps = taps;
  o.keep_activations = (uint32_t)keep;
  snprintf(prefix, sizeof prefix, "%s/dact/", mode);
  for (const char *n; tapped && (n = golden_next(&g, prefix, &state)); o.tap_count++) {
    snprintf(storage[o.tap_count], sizeof storage[0], "grad:%s", n + strlen(prefix));
    taps[o.tap_count] = storage[o.tap_count];
  }
  struct trial t;
  double losses[TRIAL_MOST];
  size_t count;
  char name[64];
  ready(&t, &arch, &o);
  trial_main(&t, 2);
  trial_losses(&t, losses);
  snprintf(name, sizeof name, "%s/loss", mode);
  trial_judge_scalars(&t, "small", name, losses, golden_f32(&g, name, &count));
  for (uint32_t i = 0; i < o.tap_count; i++) judge_tap(&t, prefix, taps[i] + 5, taps[i]);
  snprintf(prefix, sizeof prefix, "%s/grad/", mode);
  judge_params(&t, prefix, EFME_ARENA_GRADS, 2e-6 * golden_most(&g, prefix));
  if (update) judge_params(&t, "bntrain/after/", EFME_ARENA_WEIGHTS, 0);
  trial_close(&t);
}

START_TEST(test_gradients) { gradients(_i & 1, _i >> 1 & 1, _i >> 2); }
END_TEST

START_TEST(test_steps) {
  const char *mode = _i ? "bntrain" : "bnfixed";
  struct efme_plan_options o = focal(_i);
  struct trial t;
  double losses[TRIAL_MOST][2], now[TRIAL_MOST], *each[TRIAL_MOST], b1 = 1, b2 = 1;
  ready(&t, &arch, &o);
  for (uint32_t i = 0; i < 2; i++) {
    b1 *= 0.9, b2 *= 0.999;
    struct efme_step s = {.step = i, .lr = 1e-3f, .correct1 = (float)(1 / (1 - b1)), .correct2 = (float)(1 / (1 - b2))};
    for (uint32_t k = 0; k < t.count; k++) rig_step(&t.rig[k], &s);
    trial_main(&t, 2);
    trial_losses(&t, now);
    for (uint32_t k = 0; k < t.count; k++) losses[k][i] = now[k], each[k] = losses[k], rig_update(&t.rig[k]);
  }
  char name[64];
  size_t count;
  snprintf(name, sizeof name, "steps/%s/losses", mode);
  const float *golden = golden_f32(&g, name, &count);
  trial_judge(&t, "small", name, each, golden, count, 0);
  snprintf(name, sizeof name, "steps/%s/after/", mode);
  judge_params(&t, name, EFME_ARENA_WEIGHTS, 0);
  trial_close(&t);
}
END_TEST

/* ---- identities ---- */

static void channel_sums(struct rig *r, const char *tap, double *sums, size_t channels) {
  const struct efme_plan_tap *t = efme_plan_find_tap(r->plan, tap);
  ck_assert_ptr_nonnull(t);
  ck_assert_int_eq(t->tensor.c, (int32_t)channels);
  size_t count = 2 * (size_t)t->tensor.h * (size_t)t->tensor.w * channels;
  double *v = rig_doubles(count);
  rig_get(r, &t->tensor, v, count);
  memset(sums, 0, channels * sizeof *sums);
  for (size_t i = 0; i < count; i++) sums[i % channels] += v[i];
  free(v);
}

static const char *param_name(char out[64], const char *layer, const char *variable) {
  snprintf(out, 64, "%s%s", layer, variable);
  return out;
}

/* With fixed BN, the gradient by a convolution's output sums, by channel, to gamma rstd times the gradient by beta; by a linear BN's output
 * to the gradient by beta itself. */
START_TEST(test_tap_identities) {
  static const struct {
    const char *tap, *bn;
    uint32_t channels, linear;
  } cases[] = {{"grad:stem_conv", "stem_bn", 32, 0},
               {"grad:block1a_dwconv", "block1a_bn", 32, 0},
               {"grad:block2a_dwconv", "block2a_bn", 96, 0},
               {"grad:block2b_expand_conv", "block2b_expand_bn", 144, 0},
               {"grad:block2b_project_conv", "block2b_project_bn", 24, 0},
               {"grad:block2b_add", "block2b_project_bn", 24, 1},
               {"grad:block2a_project_bn", "block2a_project_bn", 24, 1},
               {"grad:block1a_project_bn", "block1a_project_bn", 16, 1}};
  const char *taps[EFME_COUNT(cases)];
  for (size_t i = 0; i < EFME_COUNT(cases); i++) taps[i] = cases[i].tap;
  struct efme_plan_options o = focal(0);
  o.taps = taps, o.tap_count = EFME_COUNT(cases);
  struct trial p;
  ready(&p, &arch, &o);
  struct rig *ref = &p.rig[0];
  rig_main(ref, 2);
  for (size_t i = 0; i < EFME_COUNT(cases); i++) {
    double sums[144], beta[144], gamma[144], variance[144];
    char name[64];
    channel_sums(ref, cases[i].tap, sums, cases[i].channels);
    struct efme_tensor t = rig_param(ref, EFME_ARENA_GRADS, param_name(name, cases[i].bn, "/beta"));
    rig_get(ref, &t, beta, cases[i].channels);
    t = rig_param(ref, EFME_ARENA_WEIGHTS, param_name(name, cases[i].bn, "/gamma"));
    rig_get(ref, &t, gamma, cases[i].channels);
    t = rig_param(ref, EFME_ARENA_WEIGHTS, param_name(name, cases[i].bn, "/moving_variance"));
    rig_get(ref, &t, variance, cases[i].channels);
    for (uint32_t c = 0; c < cases[i].channels; c++) {
      double expect = beta[c] * (cases[i].linear ? 1 : gamma[c] / sqrt(variance[c] + (double)arch.bn_epsilon));
      ck_assert_msg(fabs(sums[c] - expect) <= 1e-12 + 1e-9 * fabs(expect), "%s channel %u: %g, expected %g", cases[i].tap, c, sums[c],
                    expect);
    }
  }
  trial_close(&p);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("small golden");
  TCase *t = tcase_create("small");
  tcase_set_timeout(t, 0);
  rig_levels_fixture(t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, test_infer);
  tcase_add_test(t, test_symmetric);
  tcase_add_loop_test(t, test_gradients, 0, 8);
  tcase_add_loop_test(t, test_steps, 0, 2);
  tcase_add_test(t, test_tap_identities);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
