/* The trunk as it trains, forward: convolution outputs (before BN) stay for backward, activations are made from them when
 * needed. Statistics come from the batch or, with BN fixed, from prepare. */
#include <string.h>

#include "net/build.h"

static struct efme_op weighted(struct efme_builder *b, uint32_t kind, const char *layer, const char *suffix, struct efme_tensor x) {
  char name[64];
  efme_b_join(name, layer, suffix);
  struct efme_op op = efme_b_op(b, kind, name);
  op.t[EFME_T_X] = x;
  op.t[EFME_T_W] = efme_b_param(b, name, "/kernel");
  return op;
}

/* Emits op with output y and taps it by its layer's name. */
static struct efme_tensor run(struct efme_builder *b, struct efme_op *op, const char *layer, const char *suffix, int32_t h, int32_t w,
                              int32_t c, int inner) {
  op->t[EFME_T_Y] = efme_b_batched(b, layer, suffix, h, w, c);
  efme_b_emit_weighted(b, op, 0);
  efme_b_tap(b, layer, suffix, op->t[EFME_T_Y], inner);
  return op->t[EFME_T_Y];
}

static struct efme_bn statistics(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor z) {
  struct efme_bn bn = efme_b_bn(b, layer, suffix);
  efme_b_bn_stat(b, &bn, b->plan->options.bn_update ? &z : NULL);
  return bn;
}

/* An extra op for a tap on something that training itself never stores: BN without activation, or the gated activation. */
static void tap_bn(struct efme_builder *b, const struct efme_bn *bn, const char *layer, const char *suffix, struct efme_tensor z,
                   const struct efme_op *like) {
  if (!efme_b_wants(b, layer, suffix)) return;
  struct efme_op op = efme_b_op(b, EFME_OP_BN_ACT, bn->name);
  if (like) op = *like;
  efme_b_bn_roles(&op, bn, z);
  op.t[EFME_T_Y] = efme_b_batched(b, layer, suffix, z.h, z.w, z.c);
  efme_b_emit(b, &b->plan->main, &op);
  efme_b_tap(b, layer, suffix, op.t[EFME_T_Y], 1);
}

struct efme_tensor efme_b_activate(struct efme_builder *b, const struct efme_bn *bn, const char *layer, const char *suffix,
                                   struct efme_tensor z, const struct efme_tensor *pool) {
  struct efme_op op = efme_b_op(b, EFME_OP_BN_ACT, bn->name);
  op.act = EFME_ACT_SWISH;
  efme_b_bn_roles(&op, bn, z);
  op.t[EFME_T_Y] = efme_b_batched(b, layer, suffix, z.h, z.w, z.c);
  if (pool) op.t[EFME_T_POOL] = *pool;
  efme_b_emit(b, &b->plan->main, &op);
  return op.t[EFME_T_Y];
}

/* Dense layer of squeeze-and-excite: z kept for backward, then its activation. */
static struct efme_tensor se_dense(struct efme_builder *b, const struct efme_block *k, const char *suffix, struct efme_tensor x, int32_t c,
                                   uint16_t act, struct efme_tensor *z) {
  struct efme_op op = weighted(b, EFME_OP_MATMUL, k->name, suffix, x);
  char name[64];
  op.t[EFME_T_BIAS] = efme_b_param(b, efme_b_join(name, k->name, suffix), "/bias");
  *z = op.t[EFME_T_Y] = efme_b_batched(b, name, " sum", 1, 1, c);
  efme_b_emit_weighted(b, &op, 0);
  struct efme_op a = efme_b_op(b, EFME_OP_ACT, name);
  a.act = act;
  a.t[EFME_T_X] = *z;
  a.t[EFME_T_Y] = efme_b_batched(b, k->name, suffix, 1, 1, c);
  efme_b_emit(b, &b->plan->main, &a);
  efme_b_tap(b, k->name, suffix, a.t[EFME_T_Y], 1);
  return a.t[EFME_T_Y];
}

/* Sample-wise drop-connect of residual block number i; its own backward uses the same attributes. */
void efme_b_drop(struct efme_builder *b, struct efme_op *op, uint32_t i) {
  float rate = b->plan->options.dropconnect * b->blocks[i].drop;
  if (!b->blocks[i].residual || !(rate > 0.0f)) return;
  op->flags |= EFME_OP_DROPCONNECT_ON;
  op->f[0] = rate;
  op->i[0] = (int64_t)i;
  op->t[EFME_T_ID] = b->plan->ids;
  op->t[EFME_T_STEP] = b->plan->step;
}

static void project(struct efme_builder *b, uint32_t i) {
  const struct efme_block *k = &b->blocks[i];
  struct efme_block_state *s = &b->state[i];
  struct efme_op op = weighted(b, EFME_OP_MATMUL, k->name, "_project_conv", s->ad);
  op.t[EFME_T_GATE] = s->gate;
  s->zp = run(b, &op, k->name, "_project_conv", k->out_h, k->out_w, k->out, 1);
  s->bn_p = statistics(b, k->name, "_project_bn", s->zp);
  struct efme_op out = efme_b_op(b, EFME_OP_BN_ACT, s->bn_p.name);
  efme_b_drop(b, &out, i);
  if (k->residual) {
    tap_bn(b, &s->bn_p, k->name, "_project_bn", s->zp, NULL);
    tap_bn(b, &s->bn_p, k->name, "_drop", s->zp, &out);
    out.t[EFME_T_RES] = s->x;
  }
  efme_b_bn_roles(&out, &s->bn_p, s->zp);
  s->out = out.t[EFME_T_Y] = efme_b_batched(b, k->name, efme_b_out_suffix(k), k->out_h, k->out_w, k->out);
  efme_b_emit(b, &b->plan->main, &out);
}

static void block(struct efme_builder *b, uint32_t i, struct efme_tensor x) {
  const struct efme_block *k = &b->blocks[i];
  struct efme_block_state *s = &b->state[i];
  uint32_t taps = b->inner_taps;
  size_t begin = efme_b_group_begin(b, k->name);
  s->x = s->ae = x;
  if (k->expand > 1) {
    struct efme_op op = weighted(b, EFME_OP_MATMUL, k->name, "_expand_conv", x);
    s->ze = run(b, &op, k->name, "_expand_conv", k->in_h, k->in_w, k->mid, 1);
    s->bn_e = statistics(b, k->name, "_expand_bn", s->ze);
    tap_bn(b, &s->bn_e, k->name, "_expand_bn", s->ze, NULL);
    s->ae = efme_b_activate(b, &s->bn_e, k->name, "_expand_activation", s->ze, NULL);
    efme_b_tap(b, k->name, "_expand_activation", s->ae, 1);
  }
  struct efme_op dw = weighted(b, EFME_OP_DWCONV, k->name, "_dwconv", s->ae);
  dw.kh = dw.kw = k->kernel, dw.stride = k->stride, dw.pad_top = k->pad_top, dw.pad_left = k->pad_left;
  s->zd = run(b, &dw, k->name, "_dwconv", k->out_h, k->out_w, k->mid, 1);
  s->bn_d = statistics(b, k->name, "_bn", s->zd);
  tap_bn(b, &s->bn_d, k->name, "_bn", s->zd, NULL);
  s->pool = efme_b_batched(b, k->name, "_se_squeeze", 1, 1, k->mid);
  s->ad = efme_b_activate(b, &s->bn_d, k->name, "_activation", s->zd, &s->pool);
  efme_b_tap(b, k->name, "_activation", s->ad, 1);
  efme_b_tap(b, k->name, "_se_squeeze", s->pool, 1);
  s->s1 = se_dense(b, k, "_se_reduce", s->pool, k->se, EFME_ACT_SWISH, &s->z1);
  s->gate = se_dense(b, k, "_se_expand", s->s1, k->mid, EFME_ACT_SIGMOID, &s->z2);
  struct efme_op gated = efme_b_op(b, EFME_OP_BN_ACT, s->bn_d.name);
  gated.act = EFME_ACT_SWISH;
  gated.t[EFME_T_GATE] = s->gate;
  tap_bn(b, &s->bn_d, k->name, "_se_excite", s->zd, &gated);
  project(b, i);
  efme_b_group_end(b, begin, 0, taps);
  efme_b_tap(b, k->name, efme_b_out_suffix(k), s->out, 0);
}

struct efme_tensor efme_b_train_trunk(struct efme_builder *b) {
  struct efme_op stem = efme_b_stem(b, EFME_OP_CONV);
  int32_t h, w, pad;
  efme_conv_geometry((int32_t)b->plan->arch.height, 3, 2, b->plan->arch.padding, &h, &pad);
  efme_conv_geometry((int32_t)b->plan->arch.width, 3, 2, b->plan->arch.padding, &w, &pad);
  stem.t[EFME_T_W] = efme_b_param(b, "stem_conv", "/kernel");
  b->z_stem = run(b, &stem, "stem", "_conv", h, w, 32, 0);
  b->bn_stem = statistics(b, "stem", "_bn", b->z_stem);
  tap_bn(b, &b->bn_stem, "stem", "_bn", b->z_stem, NULL);
  struct efme_tensor x = efme_b_activate(b, &b->bn_stem, "stem", "_activation", b->z_stem, NULL);
  efme_b_tap(b, "stem", "_activation", x, 0);
  for (uint32_t i = 0; i < b->block_count; i++) {
    block(b, i, x);
    x = b->state[i].out;
  }
  b->trunk_out = x;
  if (!b->plan->arch.top) return efme_b_pool(b, x);
  struct efme_op top = weighted(b, EFME_OP_MATMUL, "top", "_conv", x);
  b->z_top = run(b, &top, "top", "_conv", x.h, x.w, 1280, 0);
  b->bn_top = statistics(b, "top", "_bn", b->z_top);
  tap_bn(b, &b->bn_top, "top", "_bn", b->z_top, NULL);
  struct efme_op act = efme_b_op(b, EFME_OP_BN_ACT, "top_bn");
  act.act = EFME_ACT_SWISH;
  efme_b_bn_roles(&act, &b->bn_top, b->z_top);
  act.t[EFME_T_POOL] = efme_b_features(b, 1280); /* the activation itself is stored only for a tap */
  if (efme_b_wants(b, "top", "_activation")) act.t[EFME_T_Y] = efme_b_batched(b, "top", "_activation", x.h, x.w, 1280);
  efme_b_emit(b, &b->plan->main, &act);
  if (efme_tensor_present(&act.t[EFME_T_Y])) efme_b_tap(b, "top", "_activation", act.t[EFME_T_Y], 0);
  efme_b_tap(b, "gap", "", act.t[EFME_T_POOL], 0);
  return act.t[EFME_T_POOL];
}
