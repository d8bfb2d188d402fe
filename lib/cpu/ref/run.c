/* Runs one op: binds its tensors to memory, checks roles and types against the table, calls the op's function. */
#include "cpu/ref/ref.h"

#include <string.h>

#include "util/util.h"

static const efme_ref_fn functions[EFME_OP_COUNT] = {
    [EFME_OP_FILL] = efme_ref_fill,
    [EFME_OP_ADD] = efme_ref_sum,
    [EFME_OP_INPUT] = efme_ref_input,
    [EFME_OP_CONV] = efme_ref_conv,
    [EFME_OP_CONV_DW] = efme_ref_conv_dw,
    [EFME_OP_MATMUL] = efme_ref_matmul,
    [EFME_OP_MATMUL_DW] = efme_ref_matmul_dw,
    [EFME_OP_DWCONV] = efme_ref_dwconv,
    [EFME_OP_DWCONV_DX] = efme_ref_dwconv_dx,
    [EFME_OP_DWCONV_DW] = efme_ref_dwconv_dw,
    [EFME_OP_BN_STAT] = efme_ref_bn_stat,
    [EFME_OP_BN_ACT] = efme_ref_bn_act,
    [EFME_OP_BN_REDUCE] = efme_ref_bn_reduce,
    [EFME_OP_BN_DX] = efme_ref_bn_dx,
    [EFME_OP_GATE_DX] = efme_ref_gate_dx,
    [EFME_OP_ACT] = efme_ref_activation,
    [EFME_OP_ACT_DX] = efme_ref_activation_dx,
    [EFME_OP_POOL] = efme_ref_pool,
    [EFME_OP_POOL_DX] = efme_ref_pool_dx,
    [EFME_OP_MAXPOOL] = efme_ref_maxpool,
    [EFME_OP_CROP] = efme_ref_crop,
    [EFME_OP_DROPOUT] = efme_ref_dropout,
    [EFME_OP_SOFTMAX] = efme_ref_softmax,
    [EFME_OP_LOSS] = efme_ref_loss,
    [EFME_OP_PENALTY] = efme_ref_penalty,
    [EFME_OP_OPTIMIZER] = efme_ref_optimizer,
    [EFME_OP_EMA] = efme_ref_ema,
    [EFME_OP_FOLD] = efme_ref_fold,
};

/* Types a role may have: floating point, except what the table says otherwise. */
static int type_fits(int kind, int role, int dtype) {
  if (role == EFME_T_WS || role == EFME_T_STEP) return 1;
  if (role == EFME_T_SUMS) return dtype == EFME_F64;
  if (role == EFME_T_ID || role == EFME_T_BOX || (kind == EFME_OP_LOSS && role == EFME_T_W)) return dtype == EFME_I32;
  if ((kind == EFME_OP_INPUT || kind == EFME_OP_CROP) && role == EFME_T_X && dtype == EFME_U8) return 1;
  return dtype == EFME_F32 || dtype == EFME_F64;
}

static efme_status bind(struct efme_ref_args *a, int role, void *const base[EFME_ARENA_COUNT]) {
  const struct efme_tensor *t = &a->op->t[role];
  struct efme_ref_view *v = &a->t[role];
  const char *kind = efme_ref_kind_name(a->op->kind), *name = efme_ref_role_name(role);
  if (t->arena >= EFME_ARENA_COUNT || !base[t->arena]) return efme_fail(EFME_E_ARGUMENT, "reference %s: %s has no region", kind, name);
  if (t->offset % 64 || t->n < 0 || t->h < 0 || t->w < 0 || t->c < 0)
    return efme_fail(EFME_E_ARGUMENT, "reference %s: %s has a bad offset or size", kind, name);
  if (!type_fits(a->op->kind, role, t->dtype)) return efme_fail(EFME_E_ARGUMENT, "reference %s: %s has type %d", kind, name, t->dtype);
  v->p = (char *)base[t->arena] + t->offset;
  v->dtype = t->dtype;
  v->n = (t->flags & EFME_TENSOR_BATCHED) ? a->batch : t->n;
  v->h = t->h, v->w = t->w, v->c = t->c;
  v->count = v->n * v->h * v->w * v->c;
  return EFME_OK;
}

efme_status efme_ref_run(const struct efme_op *op, void *const base[EFME_ARENA_COUNT], uint32_t batch) {
  struct efme_ref_args a;
  uint32_t required, optional;
  memset(&a, 0, sizeof a);
  a.op = op;
  a.batch = batch;
  if (op->kind == EFME_OP_GROUP) return EFME_OK;
  if (op->kind >= EFME_OP_COUNT || !functions[op->kind])
    return efme_fail(EFME_E_UNSUPPORTED, "reference: op kind %d (%s)", op->kind, efme_ref_kind_name(op->kind));
  if (op->t[EFME_T_P].arena != EFME_ARENA_NONE && op->kind != EFME_OP_LOSS)
    return efme_fail(EFME_E_UNSUPPORTED, "reference %s: packed weights", efme_ref_kind_name(op->kind));
  efme_ref_roles(op->kind, op->flags, &required, &optional);
  if (op->kind == EFME_OP_CONV || op->kind == EFME_OP_MATMUL) {
    if (op->act == EFME_ACT_PRELU) required |= 1u << EFME_T_GAMMA;
    else optional &= ~(1u << EFME_T_GAMMA);
  } else if (op->act == EFME_ACT_PRELU) {
    return efme_fail(EFME_E_ARGUMENT, "reference %s: PRELU is of CONV and MATMUL only", efme_ref_kind_name(op->kind));
  }
  for (int r = 0; r < EFME_T_COUNT; r++) {
    int there = op->t[r].arena != EFME_ARENA_NONE;
    if (!there && (required >> r & 1))
      return efme_fail(EFME_E_ARGUMENT, "reference %s: %s is missing", efme_ref_kind_name(op->kind), efme_ref_role_name(r));
    if (there && !((required | optional) >> r & 1))
      return efme_fail(EFME_E_ARGUMENT, "reference %s: %s is not one of its roles", efme_ref_kind_name(op->kind), efme_ref_role_name(r));
    if (there) {
      efme_status status = bind(&a, r, base);
      if (status) return status;
    }
  }
  a.step = a.t[EFME_T_STEP].p;
  return functions[op->kind](&a);
}

efme_status efme_ref_run_list(const struct efme_op *ops, size_t count, void *const base[EFME_ARENA_COUNT], uint32_t batch) {
  for (size_t i = 0; i < count; i++) {
    efme_status status = efme_ref_run(&ops[i], base, batch);
    if (status) return efme_fail_prefix(status, "op %llu", (unsigned long long)i);
  }
  return EFME_OK;
}
