/* The trunk backward, blocks in reverse. What is kept from forward: block inputs, convolution outputs, statistics and the small
 * vectors of squeeze-and-excite; activations are made again where a weight gradient needs them. A gradient is written in
 * place of the one it follows from, unless a tap holds that one. */
#include <string.h>

#include "net/build.h"

/* dz -> gradient of a layer's weights. */
static void weight_gradient(struct efme_builder *b, uint32_t kind, const char *layer, const char *suffix, struct efme_tensor x,
                            struct efme_tensor dy, const struct efme_tensor *gate, int bias, const struct efme_block *k) {
  char name[64];
  efme_b_join(name, layer, suffix);
  struct efme_op op = efme_b_op(b, kind, name);
  op.t[EFME_T_X] = x;
  op.t[EFME_T_DY] = dy;
  op.t[EFME_T_DW] = efme_b_grad(efme_b_param(b, name, "/kernel"));
  if (bias) op.t[EFME_T_DB] = efme_b_grad(efme_b_param(b, name, "/bias"));
  if (gate) op.t[EFME_T_GATE] = *gate;
  if (k) op.kh = op.kw = k->kernel, op.stride = k->stride, op.pad_top = k->pad_top, op.pad_left = k->pad_left;
  efme_b_emit(b, &b->plan->main, &op);
}

/* dy W^T, [+ accumulate]. */
static struct efme_tensor data_gradient(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor dy,
                                        struct efme_tensor like, const struct efme_tensor *accumulate) {
  char name[64];
  efme_b_join(name, layer, suffix);
  struct efme_op op = efme_b_op(b, EFME_OP_MATMUL, name);
  op.flags = EFME_OP_TRANSPOSED;
  op.t[EFME_T_X] = dy;
  op.t[EFME_T_W] = efme_b_param(b, name, "/kernel");
  if (accumulate) op.t[EFME_T_RES] = *accumulate;
  op.t[EFME_T_Y] = accumulate && !efme_b_pinned(b, *accumulate) ? *accumulate : efme_b_batched(b, name, " dx", like.h, like.w, like.c);
  efme_b_emit_weighted(b, &op, 0);
  return op.t[EFME_T_Y];
}

/* What BN_REDUCE and BN_DX read beside X and DY. */
struct bn_extra {
  uint16_t act;
  const struct efme_tensor *gate, *pool;
  int block; /* drop-connect of this block, -1 none */
};

static struct efme_tensor bn_backward(struct efme_builder *b, const struct efme_bn *bn, struct efme_tensor z, struct efme_tensor dy,
                                      struct bn_extra x, int in_place) {
  struct efme_op op = efme_b_op(b, EFME_OP_BN_REDUCE, bn->name);
  op.act = x.act;
  efme_b_bn_roles(&op, bn, z);
  op.t[EFME_T_DY] = dy;
  if (x.gate) op.t[EFME_T_GATE] = *x.gate;
  if (x.pool) op.t[EFME_T_POOL] = *x.pool;
  if (x.block >= 0) efme_b_drop(b, &op, (uint32_t)x.block);
  op.t[EFME_T_SUMS] = efme_b_value(b, bn->name, " sums", efme_b_shape(EFME_ARENA_ACT, EFME_F64, 1, 1, 2, z.c));
  struct efme_op dx = op;
  op.t[EFME_T_DW] = efme_b_grad(bn->gamma);
  op.t[EFME_T_DB] = efme_b_grad(bn->beta);
  efme_b_emit(b, &b->plan->main, &op);
  dx.kind = EFME_OP_BN_DX;
  if (!b->plan->options.bn_update) dx.flags |= EFME_OP_FIXED;
  dx.t[EFME_T_DX] = in_place && !efme_b_pinned(b, dy) ? dy : efme_b_batched(b, bn->name, " dx", z.h, z.w, z.c);
  efme_b_emit(b, &b->plan->main, &dx);
  return dx.t[EFME_T_DX];
}

static void tap_gradient(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor t, int inner) {
  char name[64];
  efme_b_join(name, "grad:", layer);
  efme_b_tap(b, name, suffix, t, inner);
}

static struct efme_tensor act_dx(struct efme_builder *b, const char *layer, uint16_t act, struct efme_tensor z, struct efme_tensor dy) {
  struct efme_op op = efme_b_op(b, EFME_OP_ACT_DX, layer);
  op.act = act;
  op.t[EFME_T_X] = z;
  op.t[EFME_T_DY] = dy;
  op.t[EFME_T_DX] = efme_b_batched(b, layer, " dz", z.h, z.w, z.c);
  efme_b_emit(b, &b->plan->main, &op);
  return op.t[EFME_T_DX];
}

/* From the gradient by the gated activation to the one by the squeezed vector. */
static struct efme_tensor se_backward(struct efme_builder *b, uint32_t i, struct efme_tensor dgated) {
  const struct efme_block *k = &b->blocks[i];
  const struct efme_block_state *s = &b->state[i];
  char name[64];
  struct efme_op gate = efme_b_op(b, EFME_OP_GATE_DX, efme_b_join(name, k->name, "_se_excite"));
  gate.act = EFME_ACT_SWISH;
  efme_b_bn_roles(&gate, &s->bn_d, s->zd);
  gate.t[EFME_T_DY] = dgated;
  gate.t[EFME_T_DX] = efme_b_batched(b, name, " dgate", 1, 1, k->mid);
  efme_b_emit(b, &b->plan->main, &gate);
  tap_gradient(b, k->name, "_se_expand", gate.t[EFME_T_DX], 1);
  struct efme_tensor dz2 = act_dx(b, efme_b_join(name, k->name, "_se_expand"), EFME_ACT_SIGMOID, s->z2, gate.t[EFME_T_DX]);
  weight_gradient(b, EFME_OP_MATMUL_DW, k->name, "_se_expand", s->s1, dz2, NULL, 1, NULL);
  struct efme_tensor ds1 = data_gradient(b, k->name, "_se_expand", dz2, s->s1, NULL);
  tap_gradient(b, k->name, "_se_reduce", ds1, 1);
  struct efme_tensor dz1 = act_dx(b, efme_b_join(name, k->name, "_se_reduce"), EFME_ACT_SWISH, s->z1, ds1);
  weight_gradient(b, EFME_OP_MATMUL_DW, k->name, "_se_reduce", s->pool, dz1, NULL, 1, NULL);
  return data_gradient(b, k->name, "_se_reduce", dz1, s->pool, NULL);
}

/* Down to the gradient by the depthwise convolution's output. */
static struct efme_tensor project_backward(struct efme_builder *b, uint32_t i, struct efme_tensor dout) {
  const struct efme_block *k = &b->blocks[i];
  struct efme_block_state *s = &b->state[i];
  struct bn_extra plain = {EFME_ACT_NONE, NULL, NULL, (int)i};
  struct efme_tensor dzp = bn_backward(b, &s->bn_p, s->zp, dout, plain, !k->residual); /* the skip still needs dout */
  tap_gradient(b, k->name, "_project_conv", dzp, 1);
  if (!b->plan->options.keep_activations) s->ad = efme_b_activate(b, &s->bn_d, k->name, "_activation again", s->zd, NULL);
  weight_gradient(b, EFME_OP_MATMUL_DW, k->name, "_project_conv", s->ad, dzp, &s->gate, 0, NULL);
  struct efme_tensor dgated = data_gradient(b, k->name, "_project_conv", dzp, s->zd, NULL);
  tap_gradient(b, k->name, "_se_excite", dgated, 1);
  struct efme_tensor dpool = se_backward(b, i, dgated);
  struct bn_extra gated = {EFME_ACT_SWISH, &s->gate, &dpool, -1};
  struct efme_tensor dzd = bn_backward(b, &s->bn_d, s->zd, dgated, gated, 1);
  tap_gradient(b, k->name, "_dwconv", dzd, 1);
  return dzd;
}

static struct efme_tensor block_backward(struct efme_builder *b, uint32_t i, struct efme_tensor dout) {
  const struct efme_block *k = &b->blocks[i];
  struct efme_block_state *s = &b->state[i];
  char name[64];
  uint32_t taps = b->inner_taps;
  size_t begin = efme_b_group_begin(b, k->name);
  struct efme_tensor dzd = project_backward(b, i, dout);
  /* block1a's depthwise reads the stem's activation, made again like an expansion's */
  const struct efme_bn *bn_in = k->expand > 1 ? &s->bn_e : &b->bn_stem;
  struct efme_tensor z_in = k->expand > 1 ? s->ze : b->z_stem;
  if (!b->plan->options.keep_activations) s->ae = efme_b_activate(b, bn_in, k->name, "_expand_activation again", z_in, NULL);
  weight_gradient(b, EFME_OP_DWCONV_DW, k->name, "_dwconv", s->ae, dzd, NULL, 0, k);
  struct efme_op dw = efme_b_op(b, EFME_OP_DWCONV_DX, efme_b_join(name, k->name, "_dwconv"));
  dw.kh = dw.kw = k->kernel, dw.stride = k->stride, dw.pad_top = k->pad_top, dw.pad_left = k->pad_left;
  dw.t[EFME_T_DY] = dzd;
  dw.t[EFME_T_W] = efme_b_param(b, name, "/kernel");
  dw.t[EFME_T_DX] = efme_b_batched(b, name, " dx", k->in_h, k->in_w, k->mid);
  efme_b_emit(b, &b->plan->main, &dw);
  struct efme_tensor dx = dw.t[EFME_T_DX];
  if (k->expand > 1) {
    tap_gradient(b, k->name, "_expand_activation", dx, 1);
    struct bn_extra swish = {EFME_ACT_SWISH, NULL, NULL, -1};
    struct efme_tensor dze = bn_backward(b, &s->bn_e, s->ze, dx, swish, 1);
    tap_gradient(b, k->name, "_expand_conv", dze, 1);
    weight_gradient(b, EFME_OP_MATMUL_DW, k->name, "_expand_conv", s->x, dze, NULL, 0, NULL);
    dx = data_gradient(b, k->name, "_expand_conv", dze, s->x, k->residual ? &dout : NULL);
  }
  efme_b_group_end(b, begin, 0, taps);
  return dx;
}

static void stem_backward(struct efme_builder *b, struct efme_tensor dy) {
  struct bn_extra swish = {EFME_ACT_SWISH, NULL, NULL, -1};
  tap_gradient(b, "stem", "_activation", dy, 0);
  struct efme_op op = efme_b_stem(b, EFME_OP_CONV_DW);
  op.t[EFME_T_DY] = bn_backward(b, &b->bn_stem, b->z_stem, dy, swish, 1);
  tap_gradient(b, "stem", "_conv", op.t[EFME_T_DY], 0);
  op.t[EFME_T_DW] = efme_b_grad(efme_b_param(b, "stem_conv", "/kernel"));
  efme_b_emit(b, &b->plan->main, &op);
}

void efme_b_backward_trunk(struct efme_builder *b, struct efme_tensor dfeatures) {
  struct efme_tensor last = b->plan->arch.top ? b->z_top : b->trunk_out;
  struct efme_op pool = efme_b_op(b, EFME_OP_POOL_DX, "gap");
  tap_gradient(b, "gap", "", dfeatures, 0);
  pool.t[EFME_T_DY] = dfeatures;
  pool.t[EFME_T_DX] = efme_b_batched(b, "gap", " dx", last.h, last.w, last.c);
  efme_b_emit(b, &b->plan->main, &pool);
  struct efme_tensor dx = pool.t[EFME_T_DX];
  if (b->plan->arch.top) {
    struct bn_extra swish = {EFME_ACT_SWISH, NULL, NULL, -1};
    tap_gradient(b, "top", "_activation", dx, 0);
    dx = bn_backward(b, &b->bn_top, b->z_top, dx, swish, 1);
    tap_gradient(b, "top", "_conv", dx, 0);
    weight_gradient(b, EFME_OP_MATMUL_DW, "top", "_conv", b->trunk_out, dx, NULL, 0, NULL);
    dx = data_gradient(b, "top", "_conv", dx, b->trunk_out, NULL);
  }
  for (uint32_t i = b->block_count; i-- > 0;) {
    tap_gradient(b, b->blocks[i].name, efme_b_out_suffix(&b->blocks[i]), dx, 0);
    dx = block_backward(b, i, dx);
  }
  stem_backward(b, dx);
}
