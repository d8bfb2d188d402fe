/* Every variant of the network (each cut, whole B0 with its top; odd sizes, class counts, paddings, normalisations), float32 at every level
 * of this CPU against the double-precision reference: inference, one step of training, and taps of both kinds of plan against each other.
 */
#include <math.h>

#include "net/feed.h"

enum { BATCH = 3 };

/* Largest difference of a tensor's values in parts of its largest value, or of `least` where that is larger. */
static double off(const double *want, const double *have, size_t count, double least) {
  double most = 0, scale = least;
  for (size_t i = 0; i < count; i++) {
    double e = fabs(want[i] - have[i]);
    if (!(e <= most)) most = e; /* a NaN sticks */
    scale = fmax(scale, fabs(want[i]));
  }
  return most / scale;
}

static double compare(struct rig *want, const struct efme_tensor *a, struct rig *have, const struct efme_tensor *b, size_t count,
                      double least) {
  double *v = rig_doubles(count), *w = rig_doubles(count);
  rig_get(want, a, v, count), rig_get(have, b, w, count);
  double d = off(v, w, count, least);
  free(v), free(w);
  return d;
}

static void ready(struct rig *r, struct efme_backend *backend, const struct efme_arch *arch, const struct efme_plan_options *o) {
  float *w = rig_random_weights(arch, 23, NULL);
  rig_open(r, backend, arch, o);
  rig_weights(r, w);
  feed_inputs(r, BATCH);
  struct efme_step step = feed_step(1);
  rig_step(r, &step);
  free(w);
}

/* ---- inference ---- */

START_TEST(test_infer) {
  struct efme_arch arch = rig_variant((uint32_t)_i);
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = BATCH};
  struct rig ref, r;
  ready(&ref, NULL, &arch, &o);
  rig_main(&ref, BATCH);
  for (uint32_t k = 0; k < rig_level_count; k++) {
    ready(&r, rig_levels[k], &arch, &o);
    rig_main(&r, BATCH);
    double logits = compare(&ref, &ref.plan->logits, &r, &r.plan->logits, BATCH * arch.classes, 0);
    double probs = compare(&ref, &ref.plan->probabilities, &r, &r.plan->probabilities, BATCH * arch.classes, 0);
    printf("cut %u top %u %s: logits off by %.2g, probabilities by %.2g\n", arch.cut, arch.top, rig_level_name(k), logits, probs);
    ck_assert_msg(logits <= 5e-6 && probs <= 5e-6, "%s: %g %g", rig_level_name(k), logits, probs);
    rig_close(&r);
  }
  rig_close(&ref);
}
END_TEST

/* y = (x/255 - m)/d, with m and d as include/efme/model.h says: the variant on x is the unit one on what it makes of x. */
START_TEST(test_normalisation) {
  static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
  struct efme_arch arch = rig_arch(2, 0, 3, 33, 46), unit = arch;
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = 2};
  size_t pixels = 2 * 33 * 46 * 3;
  float *w = rig_random_weights(&arch, 3, NULL), *x = rig_random_pixels(pixels, 4), *y = rig_floats(pixels);
  unit.normalisation = EFME_NORM_UNIT;
  double last[6] = {0};
  for (uint32_t n = EFME_NORM_STD; n <= EFME_NORM_UNIT; n++) {
    struct rig a, b;
    double va[6], vb[6];
    for (size_t i = 0; i < pixels; i++) {
      double s = std[i % 3], d = n == EFME_NORM_STD ? s : n == EFME_NORM_VARIANCE ? s * s : n == EFME_NORM_SQRT_STD ? sqrt(s) : 1;
      y[i] = (float)(255 * ((double)x[i] / 255 - (n == EFME_NORM_UNIT ? 0 : mean[i % 3])) / d);
    }
    arch.normalisation = n;
    rig_open(&a, rig_levels[0], &arch, &o), rig_open(&b, rig_levels[0], &unit, &o);
    rig_weights(&a, w), rig_weights(&b, w);
    rig_put(&a, &a.plan->input, x, pixels), rig_put(&b, &b.plan->input, y, pixels);
    rig_main(&a, 2), rig_main(&b, 2);
    rig_get(&a, &a.plan->logits, va, 6), rig_get(&b, &b.plan->logits, vb, 6);
    ck_assert_msg(off(vb, va, 6, 0) <= 5e-6, "normalisation %u: %g", n, off(vb, va, 6, 0));
    ck_assert(off(last, va, 6, 0) > 1e-3); /* they differ */
    memcpy(last, va, sizeof last);
    rig_close(&a), rig_close(&b);
  }
  free(w), free(x), free(y);
}
END_TEST

/* ---- training ---- */

/* All gradients of one pass and all weights, statistics, moments and averages after the step. Gradients that are zero in exact arithmetic
 * (a shift in front of another BN) are judged by the largest of all. Batch statistics of the last stages are those of a dozen values,
 * which enlarges float32's rounding. */
static void train(uint32_t variant, int bn_update) {
  struct efme_arch arch = rig_variant(variant);
  struct efme_plan_options o = feed_everything(BATCH);
  o.bn_update = (uint32_t)bn_update;
  o.optimizer = 2; /* SGD: a step in proportion to the gradient, where Adam's would turn its noise into one of full size */
  struct rig ref, r;
  ready(&ref, NULL, &arch, &o);
  rig_main(&ref, BATCH);
  const struct efme_params *params = &ref.plan->params;
  double *g = rig_doubles(params->head_end), largest = 0, most = bn_update ? 5e-4 : 1e-5;
  struct efme_tensor all = {.arena = EFME_ARENA_GRADS, .n = 1, .h = 1, .w = 1, .c = (int32_t)params->head_end};
  rig_get(&ref, &all, g, params->head_end);
  for (size_t i = 0; i < params->head_end; i++) largest = fmax(largest, fabs(g[i]));
  struct efme_tensor after = {.arena = EFME_ARENA_WEIGHTS, .n = 1, .h = 1, .w = 1, .c = (int32_t)params->total};
  struct efme_tensor state = {.arena = EFME_ARENA_OPT, .n = 1, .h = 1, .w = 1, .c = (int32_t)(ref.plan->size[EFME_ARENA_OPT] / 4)};
  rig_update(&ref);
  for (uint32_t k = 0; k < rig_level_count; k++) {
    ready(&r, rig_levels[k], &arch, &o);
    rig_main(&r, BATCH);
    double worst = 0;
    for (uint32_t i = 0; i < params->count; i++) {
      const struct efme_param *p = &params->items[i];
      if (!p->trainable) continue;
      double *v = rig_doubles(p->count);
      struct efme_tensor t = rig_param(&r, EFME_ARENA_GRADS, p->name);
      rig_get(&r, &t, v, p->count);
      double d = off(g + p->offset, v, p->count, 1e-2 * largest);
      ck_assert_msg(d <= most, "%s, gradient of %s: %g off", rig_level_name(k), p->name, d);
      worst = fmax(worst, d);
      free(v);
    }
    double losses = compare(&ref, &ref.plan->losses, &r, &r.plan->losses, BATCH, 0);
    rig_update(&r);
    double weights = compare(&ref, &after, &r, &after, params->total, 0);
    double moments = compare(&ref, &state, &r, &state, (size_t)state.c, 0);
    printf("cut %u top %u, BN %s, %s: gradients off by %.2g, losses by %.2g, weights after by %.2g, moments by %.2g\n", arch.cut, arch.top,
           bn_update ? "updated" : "fixed", rig_level_name(k), worst, losses, weights, moments);
    ck_assert(losses <= most / 3 && weights <= most / 30 && moments <= most / 30);
    rig_close(&r);
  }
  rig_close(&ref);
  free(g);
}

START_TEST(test_train) { train((uint32_t)_i % RIG_VARIANTS, _i >= RIG_VARIANTS); }
END_TEST

/* ---- taps ---- */

/* Every layer that can be tapped, as Keras names them. */
static uint32_t list(char names[][32], const struct efme_arch *arch) {
  static const char *const parts[] = {"_expand_conv", "_expand_bn", "_expand_activation", "_dwconv",    "_bn",           "_activation",
                                      "_se_squeeze",  "_se_reduce", "_se_expand",         "_se_excite", "_project_conv", "_project_bn",
                                      "_drop",        "_add"};
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count, n = 0;
  ck_assert_int_eq(efme_arch_blocks(blocks, &count, arch), EFME_OK);
  for (int top = 0; top < 2 && top <= (int)arch->top; top++)
    for (int i = 0; i < 3; i++) snprintf(names[n++], 32, "%s%s", top ? "top" : "stem", i == 0 ? "_conv" : i == 1 ? "_bn" : "_activation");
  for (uint32_t b = 0; b < count; b++)
    for (size_t i = blocks[b].expand > 1 ? 0 : 3; i < EFME_COUNT(parts) - (blocks[b].residual ? 0u : 2u); i++)
      snprintf(names[n++], 32, "%.8s%s", blocks[b].name, parts[i]);
  snprintf(names[n++], 32, "gap"), snprintf(names[n++], 32, "head");
  return n;
}

/* Two planners that share little: with BN fixed and nothing dropped, a layer's output is the same in training and in inference, where
 * folding stops for it, and from the first to the last digit near what inference gives with no tap at all. */
START_TEST(test_taps) {
  static char names[320][32];
  const char *taps[320];
  struct efme_arch arch = rig_variant((uint32_t)_i);
  struct efme_plan_options infer = {.mode = EFME_PLAN_INFER, .max_batch = BATCH}, bare = infer,
                           training = {.mode = EFME_PLAN_TRAIN, .max_batch = BATCH};
  infer.taps = training.taps = taps;
  infer.tap_count = training.tap_count = list(names, &arch);
  for (uint32_t i = 0; i < infer.tap_count; i++) taps[i] = names[i];
  struct rig a, b, c, f;
  ready(&a, NULL, &arch, &infer), ready(&b, NULL, &arch, &training), ready(&c, NULL, &arch, &bare),
      ready(&f, rig_levels[0], &arch, &training);
  rig_main(&a, BATCH), rig_main(&b, BATCH), rig_main(&c, BATCH), rig_main(&f, BATCH);
  for (uint32_t i = 0; i < infer.tap_count; i++) {
    const struct efme_tensor *x = &efme_plan_find_tap(a.plan, taps[i])->tensor, *y = &efme_plan_find_tap(b.plan, taps[i])->tensor,
                             *z = &efme_plan_find_tap(f.plan, taps[i])->tensor;
    size_t count = efme_tensor_bytes(x) / sizeof(float);
    ck_assert(x->h == y->h && x->w == y->w && x->c == y->c);
    double d = compare(&a, x, &b, y, count, 0), e = compare(&b, y, &f, z, count, 0);
    ck_assert_msg(d <= 1e-12, "%s: training is %g off inference", taps[i], d);
    ck_assert_msg(e <= 5e-6, "%s: float32 is %g off", taps[i], e);
  }
  ck_assert(compare(&a, &a.plan->logits, &c, &c.plan->logits, BATCH * arch.classes, 0) <= 1e-12);
  rig_close(&a), rig_close(&b), rig_close(&c), rig_close(&f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("variants");
  TCase *t = tcase_create("variants");
  tcase_set_timeout(t, 0);
  rig_levels_fixture(t);
  tcase_add_loop_test(t, test_infer, 0, RIG_VARIANTS);
  tcase_add_test(t, test_normalisation);
  tcase_add_loop_test(t, test_train, 0, 2 * RIG_VARIANTS);
  tcase_add_loop_test(t, test_taps, 0, RIG_VARIANTS);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
