/* Bits of training on the working backend: they do not depend on threads, nor on what is kept in memory or tapped. Those of single
 * images: test_rows.c. */
#include "net/feed.h"

#include <math.h>

static const uint32_t thread_counts[] = {1, 2, 3, 7};

/* ---- threads ---- */

/* Weights, moments, statistics and EMA after three steps of everything: the same bits for any number of threads. */
START_TEST(test_thread_invariance) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 41);
  float *w = rig_random_weights(&arch, 3, NULL), *weights = NULL, *opt = NULL;
  for (size_t t = 0; t < EFME_COUNT(thread_counts); t++) {
    struct efme_backend *b = rig_cpu(thread_counts[t]);
    struct efme_plan_options o = feed_everything(6);
    struct rig r;
    rig_open(&r, b, &arch, &o);
    rig_weights(&r, w);
    ck_assert_int_eq(efme_exec_write_region(r.exec, EFME_ARENA_OPT, r.plan->ema, w, r.plan->params.total * sizeof *w), EFME_OK);
    feed_inputs(&r, 6);
    feed_train(&r, 6, 3);
    uint64_t n = r.plan->params.total, m = r.plan->size[EFME_ARENA_OPT] / sizeof(float);
    float *a = feed_region(&r, EFME_ARENA_WEIGHTS, n), *c = feed_region(&r, EFME_ARENA_OPT, m);
    if (t == 0) {
      weights = a, opt = c;
      ck_assert(memcmp(a, w, n * sizeof *a) != 0 && isfinite(a[0]));
    } else {
      ck_assert_msg(memcmp(a, weights, n * sizeof *a) == 0, "weights differ with %u threads", thread_counts[t]);
      ck_assert_msg(memcmp(c, opt, m * sizeof *c) == 0, "optimizer state differs with %u threads", thread_counts[t]);
      free(a), free(c);
    }
    rig_close(&r);
    rig_cpu_close(b);
  }
  free(w), free(weights), free(opt);
}
END_TEST

/* max_threads of one execution is no more than a smaller share of the pool. */
START_TEST(test_max_threads) {
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  float *w = rig_random_weights(&arch, 3, NULL), *first = NULL;
  for (uint32_t most = 0; most < 3; most++) {
    struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = 5, .bn_update = 1};
    struct rig r;
    rig_open(&r, rig_shared, &arch, &o);
    r.exec->max_threads = most;
    rig_weights(&r, w);
    feed_inputs(&r, 5);
    rig_main(&r, 5);
    float *grads = feed_region(&r, EFME_ARENA_GRADS, r.plan->params.head_end);
    if (!first) first = grads;
    else {
      ck_assert(memcmp(first, grads, r.plan->params.head_end * sizeof *grads) == 0);
      free(grads);
    }
    rig_close(&r);
  }
  free(w), free(first);
}
END_TEST

/* ---- one plan against another ---- */

/* Kept or made again: the same kernels, the same bits. */
START_TEST(test_keep_activations) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 41);
  float *w = rig_random_weights(&arch, 4, NULL), *first = NULL;
  for (uint32_t keep = 0; keep < 2; keep++) {
    struct efme_plan_options o = feed_everything(4);
    struct rig r;
    o.keep_activations = keep;
    rig_open(&r, rig_shared, &arch, &o);
    rig_weights(&r, w);
    feed_inputs(&r, 4);
    feed_train(&r, 4, 2);
    float *a = feed_region(&r, EFME_ARENA_WEIGHTS, r.plan->params.total);
    if (!first) first = a;
    else {
      ck_assert(memcmp(first, a, r.plan->params.total * sizeof *a) == 0);
      free(a);
    }
    rig_close(&r);
  }
  free(w), free(first);
}
END_TEST

/* Tapped tensors change nothing else. */
START_TEST(test_taps_change_nothing) {
  static const char *const taps[] = {"stem_bn",
                                     "block1a_se_excite",
                                     "block2b_drop",
                                     "block2a_expand_bn",
                                     "grad:block2b_add",
                                     "grad:block2a_se_excite",
                                     "grad:stem_activation",
                                     "gap",
                                     "head",
                                     "grad:head"};
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 41);
  float *w = rig_random_weights(&arch, 4, NULL), *first = NULL;
  for (uint32_t tapped = 0; tapped < 2; tapped++) {
    struct efme_plan_options o = feed_everything(4);
    struct rig r;
    o.taps = taps, o.tap_count = tapped * EFME_COUNT(taps);
    rig_open(&r, rig_shared, &arch, &o);
    rig_weights(&r, w);
    feed_inputs(&r, 4);
    feed_train(&r, 4, 2);
    float *a = feed_region(&r, EFME_ARENA_WEIGHTS, r.plan->params.total);
    if (!first) first = a;
    else {
      ck_assert(memcmp(first, a, r.plan->params.total * sizeof *a) == 0);
      free(a);
    }
    rig_close(&r);
  }
  free(w), free(first);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bits");
  TCase *t = tcase_create("bits");
  tcase_set_timeout(t, 0);
  rig_fixture(t);
  tcase_add_test(t, test_thread_invariance);
  tcase_add_test(t, test_max_threads);
  tcase_add_test(t, test_keep_activations);
  tcase_add_test(t, test_taps_change_nothing);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
