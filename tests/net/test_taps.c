/* Taps, refusals, and groups: a backend that claims fused blocks is imitated, and must get the same network. */
#include <math.h>

#include "net/player.h"

/* ---- taps ---- */

static const char *const layer_taps[] = {"stem_conv",
                                         "stem_bn",
                                         "stem_activation",
                                         "block1a_dwconv",
                                         "block1a_bn",
                                         "block1a_activation",
                                         "block1a_se_squeeze",
                                         "block1a_se_reduce",
                                         "block1a_se_expand",
                                         "block1a_se_excite",
                                         "block1a_project_conv",
                                         "block1a_project_bn",
                                         "block2a_expand_conv",
                                         "block2a_expand_bn",
                                         "block2a_expand_activation",
                                         "block2b_project_conv",
                                         "block2b_project_bn",
                                         "block2b_drop",
                                         "block2b_add",
                                         "block7a_project_bn",
                                         "top_conv",
                                         "top_bn",
                                         "top_activation",
                                         "gap",
                                         "head"};
static const char *const gradient_taps[] = {"grad:stem_conv",
                                            "grad:stem_activation",
                                            "grad:block1a_dwconv",
                                            "grad:block1a_se_expand",
                                            "grad:block1a_se_reduce",
                                            "grad:block1a_se_excite",
                                            "grad:block1a_project_conv",
                                            "grad:block1a_project_bn",
                                            "grad:block2b_expand_conv",
                                            "grad:block2b_expand_activation",
                                            "grad:block2b_add",
                                            "grad:block7a_project_bn",
                                            "grad:top_conv",
                                            "grad:top_activation",
                                            "grad:gap",
                                            "grad:head"};

/* Each alone, all together, in inference and training: memory stays right, the tap is found. */
START_TEST(test_taps) {
  struct efme_arch arch = rig_arch(7, 1, 3, 33, 40);
  for (int train = 0; train < 2; train++) {
    struct efme_plan_options o = {
        .mode = train ? EFME_PLAN_TRAIN : EFME_PLAN_INFER, .max_batch = 2, .bn_update = (uint32_t)train, .dropconnect = (float)train};
    const char *all[EFME_COUNT(layer_taps) + EFME_COUNT(gradient_taps)];
    size_t count = EFME_COUNT(layer_taps) + (train ? EFME_COUNT(gradient_taps) : 0);
    memcpy(all, layer_taps, sizeof layer_taps);
    memcpy(all + EFME_COUNT(layer_taps), gradient_taps, sizeof gradient_taps);
    for (size_t i = 0; i <= count; i++) {
      o.taps = i < count ? &all[i] : all;
      o.tap_count = i < count ? 1 : (uint32_t)count;
      struct efme_plan *p = player_plan(&rig_reference, &arch, &o);
      player_check(p);
      for (uint32_t k = 0; k < o.tap_count; k++) {
        const struct efme_plan_tap *t = efme_plan_find_tap(p, o.taps[k]);
        ck_assert_ptr_nonnull(t);
        ck_assert(t->tensor.arena == EFME_ARENA_ACT || t->tensor.arena == EFME_ARENA_IO);
        ck_assert_uint_eq(t->tensor.flags & EFME_TENSOR_BATCHED, EFME_TENSOR_BATCHED);
      }
      efme_plan_free(p);
    }
  }
}
END_TEST

static char refused_marker; /* an out-parameter that must stay as it is */

static void refused(const struct efme_arch *arch, struct efme_plan_options o, efme_status status, const char *word) {
  struct efme_plan *p = (struct efme_plan *)&refused_marker;
  ck_assert_int_eq(efme_plan_create(&p, &efme_allocator_libc, &rig_reference, arch, &o), status);
  ck_assert_msg(strstr(efme_last_error(), word) != NULL, "\"%s\" does not say %s", efme_last_error(), word);
  ck_assert_ptr_eq(p, &refused_marker);
}

START_TEST(test_errors) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48), bad = rig_arch(9, 0, 3, 48, 48);
  static const char *const unknown[] = {"block4a_add"}, *const no_residual[] = {"block1a_add"}, *const twice[] = {"gap", "gap"},
                           *const empty[] = {""};
  static const char *const grad[] = {"grad:stem_conv"};
  const struct efme_plan_options ok = {.mode = EFME_PLAN_INFER, .max_batch = 1};
#define WITH(...) ((struct efme_plan_options){.mode = EFME_PLAN_INFER, .max_batch = 1, __VA_ARGS__})
#define TRAIN(...) ((struct efme_plan_options){.mode = EFME_PLAN_TRAIN, .max_batch = 1, __VA_ARGS__})
  refused(&bad, ok, EFME_E_ARGUMENT, "cut");
  refused(&arch, ((struct efme_plan_options){.max_batch = 1}), EFME_E_ARGUMENT, "mode");
  refused(&arch, ((struct efme_plan_options){.mode = EFME_PLAN_INFER}), EFME_E_ARGUMENT, "max_batch");
  refused(&arch, ((struct efme_plan_options){.mode = EFME_PLAN_INFER, .max_batch = 5000}), EFME_E_ARGUMENT, "max_batch");
  refused(&arch, WITH(.source_c = 2), EFME_E_ARGUMENT, "channels");
  refused(&arch, WITH(.source_h = 5000), EFME_E_LIMIT, "4096");
  refused(&arch, WITH(.bn_update = 1), EFME_E_ARGUMENT, "bn_update");
  refused(&arch, WITH(.update = 1), EFME_E_ARGUMENT, "TRAIN");
  refused(&arch, TRAIN(.dropout = 1.0f), EFME_E_ARGUMENT, "dropout");
  refused(&arch, TRAIN(.dropconnect = -1.0f), EFME_E_ARGUMENT, "dropconnect");
  refused(&arch, TRAIN(.from_features = 1), EFME_E_ARGUMENT, "head");
  refused(&arch, TRAIN(.optimizer = 9), EFME_E_ARGUMENT, "optimizer");
  refused(&arch, WITH(.taps = unknown, .tap_count = 1), EFME_E_NOT_FOUND, "block4a_add");
  refused(&arch, WITH(.taps = no_residual, .tap_count = 1), EFME_E_NOT_FOUND, "block1a_add");
  refused(&arch, WITH(.taps = twice, .tap_count = 2), EFME_E_ARGUMENT, "gap");
  refused(&arch, WITH(.taps = empty, .tap_count = 1), EFME_E_ARGUMENT, "tap 0");
  refused(&arch, WITH(.taps = grad, .tap_count = 1), EFME_E_NOT_FOUND, "grad:stem_conv");
}
END_TEST

/* A backend that lacks one kind of op is told about by layer and op. */
static int no_pool(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  return op->kind != EFME_OP_POOL && rig_reference.api->supports(be, op, max_batch, needs);
}

START_TEST(test_unsupported) {
  struct efme_backend_api api = *rig_reference.api;
  struct efme_backend b = {&api, NULL, {0}};
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48);
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = 1};
  struct efme_plan *p = NULL;
  api.supports = no_pool;
  ck_assert_int_eq(efme_plan_create(&p, &efme_allocator_libc, &b, &arch, &o), EFME_E_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "POOL"));
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "gap"));
}
END_TEST

/* ---- groups ---- */

static uint32_t least_children;

/* Claims groups of at least so many ops, with a workspace of its own. */
static int grouping(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  if (op->kind != EFME_OP_GROUP) return rig_reference.api->supports(be, op, max_batch, needs);
  memset(needs, 0, sizeof *needs);
  needs->workspace = 1000;
  for (uint32_t i = 1; i <= op->n_children; i++) ck_assert_uint_ne(op[i].kind, EFME_OP_GROUP);
  return op->n_children <= least_children;
}

static void run_once(struct rig *r, const struct efme_arch *arch, const struct efme_backend *backend, const struct efme_plan_options *o,
                     double *out) {
  float *w = rig_random_weights(arch, 5, NULL), *x = rig_random_pixels(2 * arch->height * arch->width * 3, 6);
  static const int32_t labels[2] = {2, 0}, ids[2] = {5, 9};
  struct efme_step step = {.seed = 3, .epoch = 2};
  rig_open(r, (struct efme_backend *)(uintptr_t)backend, arch, o);
  rig_weights(r, w);
  rig_step(r, &step);
  rig_put(r, &r->plan->input, x, 2 * (size_t)arch->height * arch->width * 3);
  if (r->plan->labels.arena) rig_put(r, &r->plan->labels, labels, 2);
  if (r->plan->ids.arena) rig_put(r, &r->plan->ids, ids, 2);
  rig_main(r, 2);
  rig_get(r, &r->plan->logits, out, 6);
  if (o->mode == EFME_PLAN_TRAIN) {
    struct efme_tensor g = rig_param(r, EFME_ARENA_GRADS, "stem_conv/kernel");
    rig_get(r, &g, out + 6, 864);
  }
  free(w), free(x);
}

START_TEST(test_groups) {
  struct efme_backend_api api = *rig_reference.api;
  struct efme_backend b = {&api, NULL, {0}};
  struct efme_arch arch = rig_arch(3, 0, 3, 33, 40);
  api.supports = grouping;
  static const struct { uint32_t most, train, groups; } cases[] = {{100, 0, 5}, {4, 0, 9}, {3, 0, 9}, {0, 0, 0}, {100, 1, 10}};
  for (size_t i = 0; i < EFME_COUNT(cases); i++) {
    struct efme_plan_options o = {.mode = cases[i].train ? EFME_PLAN_TRAIN : EFME_PLAN_INFER,
                                  .max_batch = 2,
                                  .bn_update = cases[i].train,
                                  .dropconnect = 2.0f * (float)cases[i].train,
                                  .dropout = 0.3f * (float)cases[i].train};
    double *plain = rig_doubles(870), *grouped = rig_doubles(870);
    struct rig r, s;
    least_children = cases[i].most;
    run_once(&r, &arch, NULL, &o, plain);
    run_once(&s, &arch, &b, &o, grouped);
    ck_assert_uint_eq(s.plan->group_count, cases[i].groups);
    if (cases[i].most == 100) ck_assert_uint_lt(s.plan->size[EFME_ARENA_ACT], r.plan->size[EFME_ARENA_ACT] + 1);
    ck_assert_uint_eq(efme_plan_hash(r.plan), efme_plan_hash(s.plan)); /* what is computed is the same */
    ck_assert(fabs(plain[0]) > 1e-6 && isfinite(plain[869]));
    for (int k = 0; k < 870; k++) ck_assert_msg(plain[k] == grouped[k], "value %d: %g and %g", k, plain[k], grouped[k]);
    rig_close(&r), rig_close(&s);
    free(plain), free(grouped);
  }
}
END_TEST

/* A tap inside a block keeps that block out of groups, and only that one. */
START_TEST(test_tap_stops_group) {
  struct efme_backend_api api = *rig_reference.api;
  struct efme_backend b = {&api, NULL, {0}};
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48);
  static const char *const inside[] = {"block2a_se_expand"}, *const between[] = {"block2b_add", "block1a_project_bn"};
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = 1};
  api.supports = grouping;
  least_children = 100;
  o.taps = inside, o.tap_count = 1;
  struct efme_plan *p = player_plan(&b, &arch, &o);
  ck_assert_uint_eq(p->group_count, 4);
  efme_plan_free(p);
  o.taps = between, o.tap_count = 2;
  p = player_plan(&b, &arch, &o);
  ck_assert_uint_eq(p->group_count, 5);
  efme_plan_free(p);
  o.no_groups = 1;
  p = player_plan(&b, &arch, &o);
  ck_assert_uint_eq(p->group_count, 0);
  efme_plan_free(p);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("taps");
  TCase *t = tcase_create("taps");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, test_taps);
  tcase_add_test(t, test_errors);
  tcase_add_test(t, test_unsupported);
  tcase_add_test(t, test_groups);
  tcase_add_test(t, test_tap_stops_group);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
