/* The planner: every variant plans, memory is never shared by two live tensors, text and hash, taps, groups, errors, memory of
 * training. Nothing here computes anything but the groups' test. */
#include "net/rig.h"

#include <math.h>

#include "cpu/ref/ref.h"

/* ---- a list of what each op reads and writes, independent of the planner ---- */

static int writes(const struct efme_op *op, int role) {
  switch (role) {
  case EFME_T_Y: return op->kind != EFME_OP_OPTIMIZER;
  case EFME_T_DX: case EFME_T_WS: return 1;
  case EFME_T_POOL: return op->kind == EFME_OP_DWCONV || op->kind == EFME_OP_BN_ACT;
  case EFME_T_STAT: return op->kind == EFME_OP_BN_STAT;
  case EFME_T_SUMS: return op->kind == EFME_OP_BN_REDUCE;
  case EFME_T_P: return op->kind == EFME_OP_PACK;
  case EFME_T_BIAS: return op->kind == EFME_OP_FOLD;
  default: return 0;
  }
}

struct span {
  uint32_t arena;
  uint64_t begin, end;
};

static struct span span_of(const struct efme_tensor *t) {
  struct span s = {t->arena, t->offset, t->offset + efme_tensor_bytes(t)};
  return s;
}

static int overlap(struct span a, struct span b) { return a.arena == b.arena && a.begin < b.end && b.begin < a.end; }
static int same(struct span a, struct span b) { return a.arena == b.arena && a.begin == b.begin && a.end == b.end; }

struct memory { /* what lies intact where */
  struct span spans[4096];
  size_t count;
};

static int holds(const struct memory *m, struct span s) {
  for (size_t i = 0; i < m->count; i++) {
    if (same(m->spans[i], s)) return 1;
  }
  return 0;
}

static void put(struct memory *m, struct span s) {
  size_t n = 0;
  for (size_t i = 0; i < m->count; i++) {
    if (!overlap(m->spans[i], s)) m->spans[n++] = m->spans[i];
  }
  ck_assert_uint_lt(n, EFME_COUNT(m->spans));
  m->spans[n++] = s;
  m->count = n;
}

static int placed(const struct efme_tensor *t) { return t->arena == EFME_ARENA_ACT || t->arena == EFME_ARENA_PACKED; }

/* DX may be DY itself, RES may be Y itself; otherwise an output touches no input. */
static int may_alias(const struct efme_op *op, int out, int in) {
  if (!same(span_of(&op->t[out]), span_of(&op->t[in]))) return 0;
  return (out == EFME_T_DX && in == EFME_T_DY) || (out == EFME_T_Y && in == EFME_T_RES);
}

static void check_op(const struct efme_plan *p, struct memory *m, const struct efme_op *op, size_t index) {
  for (int r = 0; r < EFME_T_COUNT; r++) {
    const struct efme_tensor *t = &op->t[r];
    if (!t->arena) continue;
    ck_assert_uint_eq(t->offset % 64, 0);
    ck_assert_msg(t->offset + efme_tensor_bytes(t) <= p->size[t->arena], "op %zu role %d lies outside its region", index, r);
    if (!placed(t)) continue;
    if (!writes(op, r)) ck_assert_msg(holds(m, span_of(t)), "op %zu (%s of %s) reads role %d which is not intact", index, efme_op_name(op->kind),
                                      p->layers[op->layer], r);
    for (int k = 0; writes(op, r) && k < EFME_T_COUNT; k++) {
      if (k == r || !placed(&op->t[k]) || !overlap(span_of(t), span_of(&op->t[k]))) continue;
      ck_assert_msg(may_alias(op, r, k), "op %zu (%s of %s): roles %d and %d overlap", index, efme_op_name(op->kind), p->layers[op->layer], r, k);
    }
  }
  for (int r = 0; r < EFME_T_COUNT; r++) {
    if (placed(&op->t[r]) && writes(op, r)) put(m, span_of(&op->t[r]));
  }
}

/* Plays the lists through: each input must still be what its op wrote. */
static void check_memory(const struct efme_plan *p) {
  static struct memory m;
  m.count = 0;
  for (uint32_t i = 0; i < p->constant_count; i++) put(&m, span_of(&p->constants[i].tensor));
  for (size_t i = 0; i < p->prepare.count; i++) check_op(p, &m, &p->prepare.ops[i], i);
  for (int turn = 0; turn < 2; turn++) { /* a second batch finds the same packed weights */
    for (size_t i = 0; i < p->main.count; i++) check_op(p, &m, &p->main.ops[i], i);
    for (uint32_t i = 0; i < p->tap_count; i++) {
      if (p->taps[i].tensor.arena == EFME_ARENA_ACT) ck_assert_msg(holds(&m, span_of(&p->taps[i].tensor)), "tap %s is gone", p->taps[i].name);
    }
    for (size_t i = m.count; i-- > 0;) {
      if (m.spans[i].arena == EFME_ARENA_ACT) m.spans[i] = m.spans[--m.count];
    }
  }
  for (size_t i = 0; i < p->update.count; i++) check_op(p, &m, &p->update.ops[i], i);
}

/* The plan's own account of lifetimes agrees with itself, too. */
static void check_buffers(const struct efme_plan *p) {
  for (uint32_t i = 0; i < p->buffer_count; i++) {
    const struct efme_plan_buffer *a = &p->buffers[i];
    for (uint32_t k = 0; k < i; k++) {
      const struct efme_plan_buffer *b = &p->buffers[k];
      if (a->list != b->list || a->first > b->last || b->first > a->last) continue;
      ck_assert_msg(a->offset + a->size <= b->offset || b->offset + b->size <= a->offset, "%s and %s overlap", a->name, b->name);
    }
  }
}

/* ---- variants ---- */

static struct efme_plan *make(const struct efme_backend *backend, const struct efme_arch *arch, const struct efme_plan_options *o) {
  struct efme_plan *p = NULL;
  ck_assert_msg(efme_plan_create(&p, &efme_allocator_libc, backend, arch, o) == EFME_OK, "%s", efme_last_error());
  return p;
}

static const struct efme_plan_options kinds[] = {
    {.mode = EFME_PLAN_FEATURES, .max_batch = 3, .augment = 1, .per_variant = 1},
    {.mode = EFME_PLAN_FEATURES, .max_batch = 1, .source_dtype = EFME_U8, .source_h = 40, .source_w = 300, .source_c = 1},
    {.mode = EFME_PLAN_INFER, .max_batch = 1},
    {.mode = EFME_PLAN_INFER, .max_batch = 7, .source_dtype = EFME_U8},
    {.mode = EFME_PLAN_INFER, .max_batch = 4, .from_features = 1},
    {.mode = EFME_PLAN_EVALUATE, .max_batch = 5, .gamma = 2, .alpha = 1, .l1 = 0.01f, .soft_targets = 1, .sample_weights = 1},
    {.mode = EFME_PLAN_EVALUATE, .max_batch = 5, .from_features = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 4, .bn_update = 1, .dropout = 0.5f, .dropconnect = 1, .augment = 1, .gamma = 2, .smoothing = 0.1f, .alpha = 1,
     .l1 = 0.01f, .l2 = 0.01f, .update = 1, .ema = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 2, .update = 1, .optimizer = 2, .optimizer_f = {{0.9f}, {0.8f}}},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 2, .update = 1, .optimizer = 3, .keep_activations = 1, .soft_targets = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 3, .scope = EFME_SCOPE_HEAD, .update = 1, .optimizer = 1, .dropout = 0.5f, .sample_weights = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 3, .scope = EFME_SCOPE_HEAD, .from_features = 1, .dropout = 0.5f, .update = 1, .ema = 1},
};


/* All ops of a plan by the CPU backend: it plans at all only if every one is claimed. */
static void check_variant(uint32_t cut, uint32_t top, uint32_t classes, uint32_t h, uint32_t w, uint32_t padding) {
  struct efme_arch arch = rig_arch(cut, top, classes, h, w);
  arch.padding = padding;
  for (size_t k = 0; k < EFME_COUNT(kinds); k++) {
    struct efme_plan *p = make(&rig_reference, &arch, &kinds[k]);
    check_memory(p);
    check_buffers(p);
    ck_assert_uint_le(p->backward, p->main.count);
    ck_assert_int_eq(p->backward < p->main.count, kinds[k].mode == EFME_PLAN_TRAIN);
    if (rig_shared) {
      struct efme_plan *q = make(rig_shared, &arch, &kinds[k]);
      check_memory(q);
      check_buffers(q);
      ck_assert_uint_eq(efme_plan_hash(p), efme_plan_hash(q));
      efme_plan_free(q);
    }
    efme_plan_free(p);
  }
}

START_TEST(test_variants) {
  static const uint32_t sizes[][2] = {{32, 32}, {33, 40}, {48, 48}, {75, 57}, {224, 224}, {64, 321}};
  static const uint32_t classes[] = {2, 3, 7, 1000, 5, 3};
  uint32_t cut = (uint32_t)_i % 7 + 1;
  for (size_t s = 0; s < EFME_COUNT(sizes); s++) {
    check_variant(cut, 0, classes[s], sizes[s][0], sizes[s][1], (uint32_t)s & 1);
    if (cut == 7) check_variant(7, 1, classes[s], sizes[s][0], sizes[s][1], (uint32_t)s & 1);
  }
}
END_TEST

/* ---- the parameter table ---- */

START_TEST(test_parameters) {
  static const struct { uint32_t cut, top, all, trainable; } known[] = {
      {5, 0, 868314 - 7, 852147}, {3, 0, 68772 - 7, 65853}, {7, 1, 4049571 - 7 + 3 * 1281, 0}, {7, 0, 3634851 - 7 + 3 * 321, 0}};
  for (size_t k = 0; k < EFME_COUNT(known); k++) {
    struct efme_arch arch = rig_arch(known[k].cut, known[k].top, 3, 48, 48);
    struct efme_params p;
    ck_assert_int_eq(efme_params_create(&p, &efme_allocator_libc, &arch), EFME_OK);
    uint64_t all = 0, trainable = 0, at = 0;
    for (uint32_t i = 0; i < p.count; i++) {
      const struct efme_param *t = &p.items[i];
      ck_assert_uint_eq(t->offset, at);
      ck_assert_uint_eq(t->count, (uint64_t)t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]);
      ck_assert_int_eq(t->trainable, t->offset < p.head_end);
      ck_assert_int_eq(t->head, t->offset >= p.trunk_end && t->offset < p.head_end);
      ck_assert_ptr_eq(efme_params_find(&p, t->name), t);
      all += t->count, trainable += t->trainable ? t->count : 0;
      at += (t->count + 15) / 16 * 16;
    }
    ck_assert_uint_eq(at, p.total);
    ck_assert_uint_eq(all, known[k].all);
    if (known[k].trainable) ck_assert_uint_eq(trainable, known[k].trainable);
    ck_assert_ptr_null(efme_params_find(&p, "head/kernels"));
    efme_params_free(&p, &efme_allocator_libc);
  }
}
END_TEST

START_TEST(test_arch_errors) {
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  static const struct { struct efme_arch a; const char *word; } bad[] = {
      {{0, 0, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "cut"},     {{8, 0, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "cut"},
      {{5, 1, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "top"},     {{7, 2, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "top"},
      {{5, 0, 1, 48, 48, 0, 0, 1e-3f, 0.99f}, "class"},   {{5, 0, 3, 31, 48, 0, 0, 1e-3f, 0.99f}, "height"},
      {{5, 0, 3, 48, 4097, 0, 0, 1e-3f, 0.99f}, "width"}, {{5, 0, 3, 48, 48, 4, 0, 1e-3f, 0.99f}, "normalisation"},
      {{5, 0, 3, 48, 48, 0, 2, 1e-3f, 0.99f}, "padding"}, {{5, 0, 3, 48, 48, 0, 0, 0.0f, 0.99f}, "bn_epsilon"},
      {{5, 0, 3, 48, 48, 0, 0, 1e-3f, 1.0f}, "bn_momentum"}};
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    ck_assert_int_eq(efme_arch_blocks(blocks, &count, &bad[i].a), EFME_E_ARGUMENT);
    ck_assert_msg(strstr(efme_last_error(), bad[i].word) != NULL, "\"%s\" does not name %s", efme_last_error(), bad[i].word);
  }
  int32_t out, pad;
  efme_conv_geometry(48, 3, 2, EFME_PAD_KERAS, &out, &pad);
  ck_assert_int_eq(out * 10 + pad, 240);
  efme_conv_geometry(75, 5, 2, EFME_PAD_KERAS, &out, &pad);
  ck_assert_int_eq(out * 10 + pad, 382);
  efme_conv_geometry(48, 5, 2, EFME_PAD_SYMMETRIC, &out, &pad);
  ck_assert_int_eq(out * 10 + pad, 242);
}
END_TEST

/* ---- text, hash ---- */

START_TEST(test_print_and_hash) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48);
  for (size_t k = 0; k < EFME_COUNT(kinds); k++) {
    struct efme_plan *p = make(&rig_reference, &arch, &kinds[k]), *q = make(&rig_reference, &arch, &kinds[k]);
    char *a, *b;
    ck_assert_int_eq(efme_plan_print(p, &a), EFME_OK);
    ck_assert_int_eq(efme_plan_print(q, &b), EFME_OK);
    ck_assert_str_eq(a, b);
    ck_assert_ptr_nonnull(strstr(a, "total"));
    ck_assert_ptr_nonnull(strstr(a, "buffers"));
    if (!kinds[k].from_features) ck_assert_ptr_nonnull(strstr(a, "stem_conv"));
    ck_assert_uint_eq(efme_plan_hash(p), efme_plan_hash(q));
    for (size_t j = 0; j < k; j++) {
      struct efme_plan *other = make(&rig_reference, &arch, &kinds[j]);
      ck_assert_uint_ne(efme_plan_hash(p), efme_plan_hash(other));
      efme_plan_free(other);
    }
    efme_mem_free(&efme_allocator_libc, a);
    efme_mem_free(&efme_allocator_libc, b);
    efme_plan_free(p);
    efme_plan_free(q);
  }
}
END_TEST

/* ---- taps ---- */

static const char *const layer_taps[] = {
    "stem_conv", "stem_bn", "stem_activation", "block1a_dwconv", "block1a_bn", "block1a_activation", "block1a_se_squeeze", "block1a_se_reduce",
    "block1a_se_expand", "block1a_se_excite", "block1a_project_conv", "block1a_project_bn", "block2a_expand_conv", "block2a_expand_bn",
    "block2a_expand_activation", "block2b_project_conv", "block2b_project_bn", "block2b_drop", "block2b_add", "block7a_project_bn", "top_conv",
    "top_bn", "top_activation", "gap", "head"};
static const char *const gradient_taps[] = {
    "grad:stem_conv", "grad:stem_activation", "grad:block1a_dwconv", "grad:block1a_se_expand", "grad:block1a_se_reduce", "grad:block1a_se_excite",
    "grad:block1a_project_conv", "grad:block1a_project_bn", "grad:block2b_expand_conv", "grad:block2b_expand_activation", "grad:block2b_add",
    "grad:block7a_project_bn", "grad:top_conv", "grad:top_activation", "grad:gap", "grad:head"};

/* Each alone, all together, in inference and training: memory stays right, the tap is found. */
START_TEST(test_taps) {
  struct efme_arch arch = rig_arch(7, 1, 3, 33, 40);
  for (int train = 0; train < 2; train++) {
    struct efme_plan_options o = {.mode = train ? EFME_PLAN_TRAIN : EFME_PLAN_INFER, .max_batch = 2, .bn_update = (uint32_t)train, .dropconnect = (float)train};
    const char *all[EFME_COUNT(layer_taps) + EFME_COUNT(gradient_taps)];
    size_t count = EFME_COUNT(layer_taps) + (train ? EFME_COUNT(gradient_taps) : 0);
    memcpy(all, layer_taps, sizeof layer_taps);
    memcpy(all + EFME_COUNT(layer_taps), gradient_taps, sizeof gradient_taps);
    for (size_t i = 0; i <= count; i++) {
      o.taps = i < count ? &all[i] : all;
      o.tap_count = i < count ? 1 : (uint32_t)count;
      struct efme_plan *p = make(&rig_reference, &arch, &o);
      check_memory(p);
      check_buffers(p);
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
  static const char *const unknown[] = {"block4a_add"}, *const no_residual[] = {"block1a_add"}, *const twice[] = {"gap", "gap"}, *const empty[] = {""};
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

/* ---- allocation failures ---- */

struct failing {
  int left, live;
};

static void *failing_alloc(size_t size, size_t alignment, void *user) {
  struct failing *f = user;
  if (f->left-- <= 0) return NULL;
  f->live++;
  return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void failing_free(void *p, void *user) {
  ((struct failing *)user)->live--;
  free(p);
}

START_TEST(test_out_of_memory) {
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  struct failing f;
  struct efme_allocator a = {failing_alloc, failing_free, &f};
  int n = 0;
  for (efme_status status = EFME_E_NOMEM; status != EFME_OK; n++) {
    struct efme_plan *p = NULL;
    f.left = n, f.live = 0;
    status = efme_plan_create(&p, &a, &rig_reference, &arch, &kinds[7]);
    ck_assert(status == EFME_OK || status == EFME_E_NOMEM);
    efme_plan_free(p);
    ck_assert_int_eq(f.live, 0);
    ck_assert_int_lt(n, 1000);
  }
  ck_assert_int_gt(n, 5);
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

static void run_once(struct rig *r, const struct efme_arch *arch, const struct efme_backend *backend, const struct efme_plan_options *o, double *out) {
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
    struct efme_plan_options o = {.mode = cases[i].train ? EFME_PLAN_TRAIN : EFME_PLAN_INFER, .max_batch = 2, .bn_update = cases[i].train,
                                  .dropconnect = 2.0f * (float)cases[i].train, .dropout = 0.3f * (float)cases[i].train};
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
  struct efme_plan *p = make(&b, &arch, &o);
  ck_assert_uint_eq(p->group_count, 4);
  efme_plan_free(p);
  o.taps = between, o.tap_count = 2;
  p = make(&b, &arch, &o);
  ck_assert_uint_eq(p->group_count, 5);
  efme_plan_free(p);
  o.no_groups = 1;
  p = make(&b, &arch, &o);
  ck_assert_uint_eq(p->group_count, 0);
  efme_plan_free(p);
}
END_TEST

/* ---- memory of training: at most half of the 2.2 GB that PyTorch needs, all regions together ---- */

START_TEST(test_training_memory) {
  struct efme_arch arch = rig_arch(5, 0, 3, 224, 224);
  for (uint32_t keep = 0; keep < 2; keep++) {
    struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = 16, .bn_update = 1, .gamma = 2, .alpha = 1, .l1 = 0.01f, .l2 = 0.01f, .update = 1,
                                  .dropout = 0.5f, .dropconnect = 1, .augment = 1, .keep_activations = keep};
    struct efme_plan *p = make(rig_shared ? rig_shared : &rig_reference, &arch, &o);
    uint64_t total = 0;
    for (int a = 1; a < EFME_ARENA_COUNT; a++) total += p->size[a];
    printf("training 224 x 224, batch 16, cut 5, %s: %.1f MB, of them activations %.1f\n", keep ? "activations kept" : "activations made again",
           (double)total / 1e6, (double)p->size[EFME_ARENA_ACT] / 1e6);
    ck_assert_uint_le(total, keep ? 900000000u : 520000000u);
    efme_plan_free(p);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("plan");
  TCase *t = tcase_create("plan");
  tcase_set_timeout(t, 0);
  rig_fixture(t);
  tcase_add_loop_test(t, test_variants, 0, 7);
  tcase_add_test(t, test_parameters);
  tcase_add_test(t, test_arch_errors);
  tcase_add_test(t, test_print_and_hash);
  tcase_add_test(t, test_taps);
  tcase_add_test(t, test_errors);
  tcase_add_test(t, test_unsupported);
  tcase_add_test(t, test_out_of_memory);
  tcase_add_test(t, test_groups);
  tcase_add_test(t, test_tap_stops_group);
  tcase_add_test(t, test_training_memory);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  return result;
}
