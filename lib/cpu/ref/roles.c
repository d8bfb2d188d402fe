/* What stands where: the role lists of backend.h's table as data, names for messages, and the shape checks that the op files use. */
#include "cpu/ref/ref.h"

#include <string.h>

#include "util/util.h"

#define R(role) (1u << EFME_T_##role)
#define BN_IN (R(X) | R(STAT) | R(GAMMA) | R(BETA))

static const struct {
  const char *name;
  uint32_t required, optional;
} kinds[EFME_OP_COUNT] = {
    [EFME_OP_FILL] = {"FILL", R(Y), 0},
    [EFME_OP_ADD] = {"ADD", R(X) | R(RES) | R(Y), 0},
    [EFME_OP_INPUT] = {"INPUT", R(X) | R(Y), R(ID) | R(STEP)},
    [EFME_OP_CONV] = {"CONV", R(X) | R(W) | R(Y), R(P) | R(SCALE) | R(SHIFT) | R(BIAS) | R(GAMMA)},
    [EFME_OP_CONV_DW] = {"CONV_DW", R(X) | R(DY) | R(DW), R(SCALE) | R(SHIFT)},
    [EFME_OP_MATMUL] = {"MATMUL", R(X) | R(W) | R(Y), R(P) | R(BIAS) | R(GATE) | R(RES) | R(GAMMA)},
    [EFME_OP_MATMUL_DW] = {"MATMUL_DW", R(X) | R(DY) | R(DW), R(GATE) | R(DB)},
    [EFME_OP_DWCONV] = {"DWCONV", R(X) | R(W) | R(Y), R(BIAS) | R(POOL)},
    [EFME_OP_DWCONV_DX] = {"DWCONV_DX", R(DY) | R(W) | R(DX), 0},
    [EFME_OP_DWCONV_DW] = {"DWCONV_DW", R(X) | R(DY) | R(DW), 0},
    [EFME_OP_BN_STAT] = {"BN_STAT", R(STAT), R(X) | R(MEAN) | R(VAR)},
    [EFME_OP_BN_ACT] = {"BN_ACT", BN_IN, R(Y) | R(POOL) | R(GATE) | R(RES) | R(ID) | R(STEP)},
    [EFME_OP_BN_REDUCE] = {"BN_REDUCE", BN_IN | R(DY) | R(SUMS), R(DW) | R(DB) | R(GATE) | R(POOL) | R(ID) | R(STEP)},
    [EFME_OP_BN_DX] = {"BN_DX", BN_IN | R(DY) | R(DX), R(SUMS) | R(DW) | R(DB) | R(GATE) | R(POOL) | R(ID) | R(STEP)},
    [EFME_OP_GATE_DX] = {"GATE_DX", BN_IN | R(DY) | R(DX), 0},
    [EFME_OP_ACT] = {"ACT", R(X) | R(Y), 0},
    [EFME_OP_ACT_DX] = {"ACT_DX", R(X) | R(DY) | R(DX), 0},
    [EFME_OP_POOL] = {"POOL", R(X) | R(Y), 0},
    [EFME_OP_POOL_DX] = {"POOL_DX", R(DY) | R(DX), 0},
    [EFME_OP_MAXPOOL] = {"MAXPOOL", R(X) | R(Y), 0},
    [EFME_OP_CROP] = {"CROP", R(X) | R(BOX) | R(Y), 0},
    [EFME_OP_DROPOUT] = {"DROPOUT", R(X) | R(Y) | R(ID) | R(STEP), 0},
    [EFME_OP_SOFTMAX] = {"SOFTMAX", R(X) | R(Y), 0},
    [EFME_OP_LOSS] = {"LOSS", R(X) | R(Y) | R(SUMS), R(W) | R(SCALE) | R(GATE) | R(BIAS) | R(DX) | R(P)},
    [EFME_OP_PENALTY] = {"PENALTY", R(W) | R(SUMS), R(DW)},
    [EFME_OP_OPTIMIZER] = {"OPTIMIZER", R(W) | R(DW) | R(STEP), R(X) | R(Y)},
    [EFME_OP_EMA] = {"EMA", R(X) | R(Y) | R(STEP), 0},
    [EFME_OP_FOLD] = {"FOLD", R(W) | R(GAMMA) | R(BETA) | R(MEAN) | R(VAR) | R(Y) | R(BIAS), 0},
    [EFME_OP_PACK] = {"PACK", 0, 0},
    [EFME_OP_GROUP] = {"GROUP", 0, 0},
};

static const char *const role_names[EFME_T_COUNT] = {"X",     "Y",    "W",     "P",    "BIAS", "RES",  "GATE", "SCALE",
                                                     "SHIFT", "STAT", "GAMMA", "BETA", "MEAN", "VAR",  "DY",   "DX",
                                                     "DW",    "DB",   "POOL",  "SUMS", "ID",   "STEP", "WS",   "BOX"};

const char *efme_ref_kind_name(int kind) { return kind > 0 && kind < EFME_OP_COUNT ? kinds[kind].name : "?"; }
const char *efme_ref_role_name(int role) { return role >= 0 && role < EFME_T_COUNT ? role_names[role] : "?"; }

void efme_ref_roles(int kind, uint32_t flags, uint32_t *required, uint32_t *optional) {
  *required = *optional = 0;
  if (kind <= 0 || kind >= EFME_OP_COUNT) return;
  *required = kinds[kind].required;
  *optional = kinds[kind].optional;
  if (kind == EFME_OP_INPUT && (flags & EFME_OP_AUGMENT)) *required |= R(ID) | R(STEP);
  if (kind == EFME_OP_BN_STAT) *required |= (flags & EFME_OP_FIXED) ? R(MEAN) | R(VAR) : R(X);
  if (kind == EFME_OP_BN_STAT && (flags & EFME_OP_UPDATE)) *required |= R(MEAN) | R(VAR);
  if (kind == EFME_OP_BN_DX && !(flags & EFME_OP_FIXED)) *required |= R(SUMS);
  if (flags & EFME_OP_DROPCONNECT_ON) *required |= R(ID) | R(STEP);
  if (*required) *optional |= R(WS); /* a backend may ask for scratch wherever it likes; it is not used here */
  *optional &= ~*required;
}

size_t efme_ref_element(int dtype) { return dtype == EFME_F64 ? 8 : dtype == EFME_U8 ? 1 : 4; }

size_t efme_ref_count(const struct efme_tensor *t, uint32_t batch) {
  size_t n = (t->flags & EFME_TENSOR_BATCHED) ? batch : (size_t)t->n;
  return n * (size_t)t->h * (size_t)t->w * (size_t)t->c;
}

void efme_ref_double(struct efme_op *op) {
  for (int r = 0; r < EFME_T_COUNT; r++) {
    if (op->t[r].arena == EFME_ARENA_NONE) continue;
    if (op->t[r].dtype == EFME_F32 && op->t[r].arena != EFME_ARENA_STEP) op->t[r].dtype = EFME_F64;
    op->t[r].offset *= 2;
  }
}

efme_status efme_ref_bad(const struct efme_ref_args *a, const char *what) {
  return efme_fail(EFME_E_ARGUMENT, "reference %s: %s", efme_ref_kind_name(a->op->kind), what);
}

efme_status efme_ref_need_count(const struct efme_ref_args *a, int role, int64_t count) {
  if (!a->t[role].p || a->t[role].count == count) return EFME_OK;
  return efme_fail(EFME_E_ARGUMENT, "reference %s: %s has %lld elements, not %lld", efme_ref_kind_name(a->op->kind),
                   efme_ref_role_name(role), (long long)a->t[role].count, (long long)count);
}

efme_status efme_ref_need_shape(const struct efme_ref_args *a, int role, int64_t n, int64_t h, int64_t w, int64_t c) {
  const struct efme_ref_view *v = &a->t[role];
  if (!v->p || (v->n == n && v->h == h && v->w == w && v->c == c)) return EFME_OK;
  return efme_fail(EFME_E_ARGUMENT, "reference %s: %s is %lld x %lld x %lld x %lld, not %lld x %lld x %lld x %lld",
                   efme_ref_kind_name(a->op->kind), efme_ref_role_name(role), (long long)v->n, (long long)v->h, (long long)v->w,
                   (long long)v->c, (long long)n, (long long)h, (long long)w, (long long)c);
}

efme_status efme_ref_need_like(const struct efme_ref_args *a, int role, int like) {
  const struct efme_ref_view *v = &a->t[like];
  return efme_ref_need_shape(a, role, v->n, v->h, v->w, v->c);
}
