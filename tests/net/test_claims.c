/* Who runs what: every descriptor that the planner can emit is claimed by the CPU backend at every instruction set level of
 * this CPU, by a kernel of that very level, and prepared. Counted, kind by kind, over all cuts, sizes, modes, BN modes,
 * optimizers and augmentations; the symbols that abi_symbols looks for show that the reference is not even in the library. */
#include "cpu/cpu.h"
#include "net/rig.h"

#define LEVELS EFME_CPU_AVX512

static struct count {
  uint64_t asked, declined; /* by the planner, while it planned */
  uint64_t emitted, claimed;
} counts[LEVELS + 1][EFME_OP_COUNT];
static uint64_t plans;

/* The CPU backend, whose answers are counted. */
static struct efme_backend counting;
static struct efme_backend_api counting_api;
static uint32_t level;

static int counted_supports(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  int claimed = efme_cpu_backend.supports(be, op, max_batch, needs);
  struct count *c = &counts[level][op->kind < EFME_OP_COUNT ? op->kind : 0];
  c->asked++;
  c->declined += !claimed;
  return claimed;
}

/* A kernel belongs to its level if no other level has it. */
static void check_kernel(uint16_t kind) {
  const struct efme_cpu_kernel *kernel = efme_cpu_kernel_find(level, kind);
  ck_assert_msg(kernel != NULL && kernel->kind == kind && kernel->begin, "level %u has no kernel for %s", level, efme_op_name(kind));
  for (uint32_t other = EFME_CPU_BASELINE; other <= efme_cpu_level_best(); other++) {
    if (other == level) continue;
    const struct efme_cpu_kernel *theirs = efme_cpu_kernel_find(other, kind);
    ck_assert_msg(theirs != kernel && theirs->begin != kernel->begin, "levels %u and %u share the kernel for %s", level, other,
                  efme_op_name(kind));
  }
}

static void check_list(const struct efme_plan *p, const struct efme_plan_list *list) {
  void *be = counting.be, *program = NULL;
  for (size_t i = 0; i < list->count; i++) {
    const struct efme_op *op = &list->ops[i];
    struct efme_op_needs needs;
    struct count *c = &counts[level][op->kind];
    c->emitted++;
    c->claimed += efme_cpu_backend.supports(be, op, p->options.max_batch, &needs) == 1;
    ck_assert_msg(c->claimed == c->emitted, "op %s of layer %s is emitted and not claimed", efme_op_name(op->kind), p->layers[op->layer]);
  }
  if (!list->count) return;
  ck_assert_msg(efme_cpu_backend.prepare(be, &program, list->ops, list->count, p->options.max_batch) == EFME_OK, "%s", efme_last_error());
  efme_cpu_backend.release(be, program);
}

static void check(const struct efme_arch *arch, const struct efme_plan_options *o) {
  struct efme_plan *p = NULL;
  efme_status status = efme_plan_create(&p, &efme_allocator_libc, &counting, arch, o);
  ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
  check_list(p, &p->prepare);
  check_list(p, &p->main);
  check_list(p, &p->update);
  efme_plan_free(p);
  plans++;
}

/* ---- the variants ---- */

static const struct efme_plan_options inference[] = {
    {.mode = EFME_PLAN_INFER, .max_batch = 1},
    {.mode = EFME_PLAN_INFER, .max_batch = 17, .source_dtype = EFME_U8, .source_c = 1},
    {.mode = EFME_PLAN_INFER, .max_batch = 3, .from_features = 1},
    {.mode = EFME_PLAN_FEATURES, .max_batch = 5, .source_dtype = EFME_U8, .source_h = 48, .source_w = 61, .source_c = 3},
    {.mode = EFME_PLAN_FEATURES,
     .max_batch = 2,
     .augment = 1,
     .per_variant = 1,
     .augmentation = {0.5f, 0.5f, 0.2f, 0.2f, 0.2f, 0.1f, 0.1f}},
    {.mode = EFME_PLAN_EVALUATE, .max_batch = 4, .gamma = 2, .alpha = 1, .l1 = 0.1f, .l2 = 0.1f, .source_dtype = EFME_U8},
    {.mode = EFME_PLAN_EVALUATE, .max_batch = 4, .from_features = 1, .soft_targets = 1, .sample_weights = 1},
};

/* One switch of a bit each, over a training plan. */
static struct efme_plan_options training(uint32_t scope, uint32_t from_features, uint32_t bits, uint32_t optimizer) {
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = 3 + (bits & 1), .scope = scope, .from_features = from_features};
  o.update = 1, o.optimizer = optimizer;
  for (int i = 0; i < 2; i++) o.optimizer_f[i][0] = o.optimizer_f[i][1] = 0.9f, o.optimizer_f[i][2] = 1e-7f;
  if (bits & 1) o.dropout = 0.5f, o.gamma = 2, o.smoothing = 0.1f, o.alpha = 1;
  if (bits & 2) o.l1 = 0.01f, o.l2 = 0.01f, o.ema = 1;
  if (bits & 4) o.soft_targets = o.sample_weights = 1;
  if (!from_features && (bits & 8)) { /* by epoch, or by variant */
    static const float augmentation[7] = {0.5f, 0.5f, 0.2f, 0.2f, 0.2f, 0.1f, 0.1f};
    o.augment = 1, o.per_variant = bits & 1;
    o.source_dtype = EFME_U8, o.source_h = 50, o.source_w = 44, o.source_c = bits & 1 ? 3 : 1;
    memcpy(o.augmentation, augmentation, sizeof augmentation);
  }
  if (scope == EFME_SCOPE_ALL) {
    o.bn_update = bits >> 4 & 1;
    o.dropconnect = bits & 4 ? 1 : 0;
    o.keep_activations = bits >> 1 & 1;
  }
  return o;
}

static void check_arch(const struct efme_arch *arch, uint32_t turn) {
  static const char *const taps[] = {"stem_bn", "block1a_se_excite", "gap", "grad:stem_activation", "grad:gap"};
  for (size_t i = 0; i < EFME_COUNT(inference); i++) check(arch, &inference[i]);
  for (uint32_t optimizer = EFME_ADAM; optimizer <= EFME_RMSPROP; optimizer++)
    for (uint32_t bn = 0; bn < 2; bn++) /* and the other switches in turn: all of their settings occur, not in all company */
      for (uint32_t part = 0; part < 2; part++) {
        struct efme_plan_options all = training(EFME_SCOPE_ALL, 0, (turn * 5 + optimizer * 7 + part * 9) % 16 | bn << 4, optimizer);
        struct efme_plan_options head = training(EFME_SCOPE_HEAD, part, (turn * 3 + optimizer * 5 + bn * 8) % 16, optimizer);
        check(arch, &all);
        check(arch, &head);
      }
  struct efme_plan_options tapped = training(EFME_SCOPE_ALL, 0, turn % 32, EFME_ADAM);
  tapped.taps = taps, tapped.tap_count = EFME_COUNT(taps);
  check(arch, &tapped);
}

START_TEST(every_descriptor_is_claimed) {
  static const uint32_t sizes[][2] = {{32, 32}, {33, 41}, {48, 48}, {75, 57}, {224, 224}, {97, 320}};
  level = (uint32_t)_i;
  if (level > efme_cpu_level_best()) {
    printf("SKIP: this CPU does not have level %u\n", level);
    test_skips++;
    return;
  }
  struct efme_backend *cpu = rig_cpu_level(1, level);
  ck_assert_uint_eq(cpu->api->level(cpu->be), level);
  counting_api = efme_cpu_backend;
  counting_api.supports = counted_supports;
  counting = *cpu;
  counting.api = &counting_api;
  plans = 0;
  for (uint32_t cut = 1; cut <= 7; cut++)
    for (uint32_t top = 0; top <= (cut == 7); top++)
      for (uint32_t s = 0; s < EFME_COUNT(sizes); s++) {
        struct efme_arch arch = rig_arch(cut, top, s % 3 ? 3 : 7, sizes[s][0], sizes[s][1]);
        arch.padding = s & 2 ? EFME_PAD_SYMMETRIC : EFME_PAD_KERAS;
        arch.normalisation = s % 4;
        check_arch(&arch, cut + s);
      }
  rig_cpu_close(cpu);
  uint64_t emitted = 0, kinds = 0;
  for (uint16_t kind = 1; kind < EFME_OP_COUNT; kind++) {
    const struct count *c = &counts[level][kind];
    if (c->emitted)
      printf("level %u %-12s %7llu emitted, %llu claimed\n", level, efme_op_name(kind), (unsigned long long)c->emitted,
             (unsigned long long)c->claimed);
    ck_assert_uint_eq(c->claimed, c->emitted);
    emitted += c->emitted, kinds += c->emitted != 0;
    if (kind == EFME_OP_GROUP) { /* offered, and never claimed by this backend */
      ck_assert_uint_gt(c->asked, 0);
      ck_assert_uint_eq(c->declined, c->asked);
      continue;
    }
    ck_assert_msg(c->declined == 0, "%s was declined %llu times", efme_op_name(kind), (unsigned long long)c->declined);
    check_kernel(kind);
    /* The planner's vocabulary: all kinds but these (two are of face detection, lib/face) are covered, so a kind that joins it has to be
     * looked for here. */
    int unused = kind == EFME_OP_FILL || kind == EFME_OP_ADD || kind == EFME_OP_MAXPOOL || kind == EFME_OP_CROP;
    ck_assert_msg(unused == (c->emitted == 0), "%s: %llu emitted", efme_op_name(kind), (unsigned long long)c->emitted);
  }
  printf("level %u: %llu plans, %llu descriptors of %llu kinds, all claimed\n", level, (unsigned long long)plans,
         (unsigned long long)emitted, (unsigned long long)kinds);
}
END_TEST

/* The levels take the same decisions: a plan is the same at each, but for what a kernel needs. */
START_TEST(levels_agree) {
  for (uint32_t a = EFME_CPU_BASELINE + 1; a <= efme_cpu_level_best(); a++)
    for (int kind = 1; kind < EFME_OP_COUNT; kind++) ck_assert_uint_eq(counts[a][kind].emitted, counts[EFME_CPU_BASELINE][kind].emitted);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("claims");
  TCase *t = tcase_create("claims");
  tcase_set_timeout(t, 0);
  tcase_add_loop_test(t, every_descriptor_is_claimed, EFME_CPU_BASELINE, LEVELS + 1);
  tcase_add_test(t, levels_agree);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
