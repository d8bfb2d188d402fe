/* Dropout, dense layer, loss and penalty, their backward, and the ops that change weights. */
#include <string.h>

#include "net/build.h"

static int training(const struct efme_builder *b) { return b->plan->options.mode == EFME_PLAN_TRAIN; }

static struct efme_tensor dropout(struct efme_builder *b, struct efme_tensor x, const char *name) {
  if (!training(b) || !(b->plan->options.dropout > 0.0f)) return x;
  struct efme_op op = efme_b_op(b, EFME_OP_DROPOUT, "dropout");
  op.f[0] = b->plan->options.dropout;
  op.t[EFME_T_X] = x;
  op.t[EFME_T_Y] = efme_b_batched(b, "dropout", name, 1, 1, x.c);
  op.t[EFME_T_ID] = b->plan->ids;
  op.t[EFME_T_STEP] = b->plan->step;
  efme_b_emit(b, &b->plan->main, &op);
  return op.t[EFME_T_Y];
}

static struct efme_tensor io(struct efme_builder *b, uint32_t dtype, int32_t c) {
  return efme_b_fixed(b, EFME_ARENA_IO, efme_b_batched_shape(b, dtype, 1, 1, c));
}

static void loss(struct efme_builder *b) {
  struct efme_plan *p = b->plan;
  struct efme_op op = efme_b_op(b, EFME_OP_LOSS, "loss");
  int32_t classes = (int32_t)p->arch.classes;
  p->losses = io(b, EFME_F32, 1);
  op.f[0] = p->options.gamma, op.f[1] = p->options.smoothing;
  op.t[EFME_T_X] = p->logits;
  op.t[EFME_T_Y] = p->losses;
  op.t[EFME_T_W] = p->labels;
  op.t[EFME_T_SUMS] = p->sums;
  op.t[EFME_T_SCALE] = p->targets;
  op.t[EFME_T_GATE] = p->sample_weights;
  op.t[EFME_T_BIAS] = p->alpha;
  op.t[EFME_T_P] = p->probabilities;
  if (training(b)) op.t[EFME_T_DX] = b->dlogits = efme_b_batched(b, "head", " dy", 1, 1, classes);
  efme_b_emit(b, &p->main, &op);
  if (efme_tensor_present(&p->penalty)) {
    struct efme_op penalty = efme_b_op(b, EFME_OP_PENALTY, "penalty");
    penalty.f[0] = p->options.l1, penalty.f[1] = p->options.l2;
    penalty.t[EFME_T_W] = efme_b_param(b, "head", "/kernel");
    penalty.t[EFME_T_SUMS] = p->penalty;
    if (training(b)) penalty.t[EFME_T_DW] = efme_b_grad(penalty.t[EFME_T_W]);
    efme_b_emit(b, &p->main, &penalty);
  }
}

void efme_b_head(struct efme_builder *b, struct efme_tensor features) {
  struct efme_plan *p = b->plan;
  int32_t classes = (int32_t)p->arch.classes;
  struct efme_op op = efme_b_op(b, EFME_OP_MATMUL, "head");
  b->dropped = dropout(b, features, "");
  op.t[EFME_T_X] = b->dropped;
  op.t[EFME_T_W] = efme_b_param(b, "head", "/kernel");
  op.t[EFME_T_BIAS] = efme_b_param(b, "head", "/bias");
  op.t[EFME_T_Y] = p->logits = io(b, EFME_F32, classes);
  p->probabilities = io(b, EFME_F32, classes);
  efme_b_emit_weighted(b, &op, !training(b));
  efme_b_tap(b, "head", "", p->logits, 0);
  if (p->options.mode != EFME_PLAN_INFER) {
    loss(b);
    return;
  }
  struct efme_op softmax = efme_b_op(b, EFME_OP_SOFTMAX, "softmax");
  softmax.f[0] = 1.0f;
  softmax.t[EFME_T_X] = p->logits;
  softmax.t[EFME_T_Y] = p->probabilities;
  efme_b_emit(b, &p->main, &softmax);
}

struct efme_tensor efme_b_head_backward(struct efme_builder *b, struct efme_tensor features) {
  struct efme_tensor none;
  struct efme_op op = efme_b_op(b, EFME_OP_MATMUL_DW, "head");
  memset(&none, 0, sizeof none);
  efme_b_tap(b, "grad:head", "", b->dlogits, 0);
  op.t[EFME_T_X] = b->dropped;
  op.t[EFME_T_DY] = b->dlogits;
  op.t[EFME_T_DW] = efme_b_grad(efme_b_param(b, "head", "/kernel"));
  op.t[EFME_T_DB] = efme_b_grad(efme_b_param(b, "head", "/bias"));
  efme_b_emit(b, &b->plan->main, &op);
  if (b->plan->options.scope == EFME_SCOPE_HEAD) return none;
  struct efme_op dx = efme_b_op(b, EFME_OP_MATMUL, "head");
  dx.flags = EFME_OP_TRANSPOSED;
  dx.t[EFME_T_X] = b->dlogits;
  dx.t[EFME_T_W] = efme_b_param(b, "head", "/kernel");
  dx.t[EFME_T_Y] = efme_b_batched(b, "head", " dx", 1, 1, features.c);
  efme_b_emit_weighted(b, &dx, 0);
  return dropout(b, dx.t[EFME_T_Y], " dx");
}

/* ---- weights ---- */

static struct efme_tensor range(uint32_t arena, uint64_t base, uint64_t first, uint64_t end) {
  struct efme_tensor t = efme_b_shape(arena, EFME_F32, 1, 1, 1, (int32_t)(end - first));
  t.offset = base + first * sizeof(float);
  return t;
}

static void optimizer(struct efme_builder *b, uint64_t first, uint64_t end, const float f[4]) {
  struct efme_plan *p = b->plan;
  struct efme_op op = efme_b_op(b, EFME_OP_OPTIMIZER, first < p->params.trunk_end ? "trunk" : "head");
  op.i[0] = (int64_t)p->options.optimizer;
  memcpy(op.f, f, 4 * sizeof *f);
  op.t[EFME_T_W] = range(EFME_ARENA_WEIGHTS, 0, first, end);
  op.t[EFME_T_DW] = range(EFME_ARENA_GRADS, 0, first, end);
  if (p->moment1 != UINT64_MAX) op.t[EFME_T_X] = range(EFME_ARENA_OPT, p->moment1, first, end);
  if (p->moment2 != UINT64_MAX) op.t[EFME_T_Y] = range(EFME_ARENA_OPT, p->moment2, first, end);
  op.t[EFME_T_STEP] = p->step;
  efme_b_emit(b, &p->update, &op);
}

/* SGD has a velocity only, RMSprop a second moment only. */
enum { SGD = 2, RMSPROP = 3 };

void efme_b_update(struct efme_builder *b) {
  struct efme_plan *p = b->plan;
  const struct efme_plan_options *o = &p->options;
  uint64_t bytes = p->params.head_end * sizeof(float), at = 0;
  if (o->update && o->optimizer != RMSPROP) p->moment1 = at, at += bytes;
  if (o->update && o->optimizer != SGD) p->moment2 = at, at += bytes;
  if (o->ema) p->ema = at, at += p->params.total * sizeof(float);
  p->size[EFME_ARENA_OPT] = at;
  if (o->update) {
    int same = memcmp(o->optimizer_f[0], o->optimizer_f[1], sizeof o->optimizer_f[0]) == 0;
    uint64_t trunk = p->params.trunk_end, end = p->params.head_end;
    if (o->scope == EFME_SCOPE_HEAD) optimizer(b, trunk, end, o->optimizer_f[1]);
    else if (same) optimizer(b, 0, end, o->optimizer_f[0]);
    else optimizer(b, 0, trunk, o->optimizer_f[0]), optimizer(b, trunk, end, o->optimizer_f[1]);
  }
  if (o->ema) {
    struct efme_op op = efme_b_op(b, EFME_OP_EMA, "ema");
    op.t[EFME_T_X] = range(EFME_ARENA_WEIGHTS, 0, 0, p->params.total);
    op.t[EFME_T_Y] = range(EFME_ARENA_OPT, p->ema, 0, p->params.total);
    op.t[EFME_T_STEP] = p->step;
    efme_b_emit(b, &p->update, &op);
  }
}
