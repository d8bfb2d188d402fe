/* The trunk as it infers: batch norms folded into the convolutions in front of them, activations and residuals as
 * epilogues. A tap takes apart only the layer that it looks into. Also the input op, which training shares. */
#include <string.h>

#include "net/build.h"

/* One convolution with its BN and activation, and what its layers are called. */
struct unit {
  struct efme_op op;                  /* CONV, MATMUL or DWCONV with X, W, geometry, [GATE]; no BIAS, no activation */
  const char *layer;                  /* "block2a" */
  const char *conv, *bn, *activation; /* suffixes; activation NULL: none */
  int32_t h, w, c;
  struct efme_tensor pool; /* asked for if present */
  struct efme_tensor residual;
  int unfold; /* a tap needs the convolution's own output */
  int inner;  /* taps of this unit lie inside a block */
};

struct unit_out {
  struct efme_tensor y, raw; /* raw: the convolution's own output where the unit was taken apart */
  struct efme_bn bn;
};

static struct efme_tensor bn_act(struct efme_builder *b, const struct efme_bn *bn, struct efme_tensor x, uint16_t act, const struct unit *u,
                                 const char *name, const struct efme_tensor *gate) {
  struct efme_op op = efme_b_op(b, EFME_OP_BN_ACT, bn->name);
  op.act = act;
  efme_b_bn_roles(&op, bn, x);
  op.t[EFME_T_Y] = efme_b_batched(b, u->layer, name, u->h, u->w, u->c);
  if (gate) op.t[EFME_T_GATE] = *gate;
  else op.t[EFME_T_POOL] = u->pool;
  efme_b_emit(b, &b->plan->main, &op);
  return op.t[EFME_T_Y];
}

/* Convolution, then BN on its own with the stored statistics. */
static struct unit_out unit_apart(struct efme_builder *b, struct unit *u, struct efme_bn bn) {
  struct unit_out out;
  memset(&out, 0, sizeof out);
  out.raw = u->op.t[EFME_T_Y] = efme_b_batched(b, u->layer, u->conv, u->h, u->w, u->c);
  efme_b_emit_weighted(b, &u->op, 1);
  efme_b_tap(b, u->layer, u->conv, out.raw, u->inner);
  efme_b_bn_stat(b, &bn, NULL);
  out.bn = bn;
  if (!u->activation || efme_b_wants(b, u->layer, u->bn)) {
    struct unit plain = *u;
    if (u->activation) memset(&plain.pool, 0, sizeof plain.pool);
    out.y = bn_act(b, &bn, out.raw, EFME_ACT_NONE, &plain, u->bn, NULL);
    efme_b_tap(b, u->layer, u->bn, out.y, u->inner);
  }
  if (u->activation) out.y = bn_act(b, &bn, out.raw, EFME_ACT_SWISH, u, u->activation, NULL);
  return out;
}

static struct efme_tensor add(struct efme_builder *b, const char *layer, struct efme_tensor x, struct efme_tensor residual) {
  struct efme_op op = efme_b_op(b, EFME_OP_ADD, layer);
  op.t[EFME_T_X] = x, op.t[EFME_T_RES] = residual;
  op.t[EFME_T_Y] = efme_b_batched(b, layer, "_add", x.h, x.w, x.c);
  efme_b_emit(b, &b->plan->main, &op);
  return op.t[EFME_T_Y];
}

static struct unit_out unit_run(struct efme_builder *b, struct unit *u) {
  struct efme_bn bn = efme_b_bn(b, u->layer, u->bn);
  struct unit_out out;
  int residual = efme_tensor_present(&u->residual), linear = !u->activation;
  int wants_conv = efme_b_wants(b, u->layer, u->conv) || u->unfold;
  int wants_bn = efme_b_wants(b, u->layer, u->bn) || (residual && efme_b_wants(b, u->layer, "_drop"));
  if (wants_conv || (wants_bn && !linear)) {
    out = unit_apart(b, u, bn);
  } else {
    memset(&out, 0, sizeof out);
    u->op.act = linear ? EFME_ACT_NONE : EFME_ACT_SWISH;
    u->op.t[EFME_T_POOL] = u->pool;
    int added = linear && residual && !wants_bn;
    if (added) u->op.t[EFME_T_RES] = u->residual;
    out.y = u->op.t[EFME_T_Y] = efme_b_batched(b, u->layer, added ? "_add" : linear ? u->bn : u->activation, u->h, u->w, u->c);
    efme_b_emit_folded(b, &u->op, &bn);
    if (added) return out;
  }
  if (u->activation) efme_b_tap(b, u->layer, u->activation, out.y, u->inner);
  if (linear) efme_b_tap(b, u->layer, u->bn, out.y, residual);
  if (linear && residual) {
    efme_b_tap(b, u->layer, "_drop", out.y, 1);
    out.y = add(b, u->layer, out.y, u->residual);
  }
  return out;
}

static struct unit unit_make(struct efme_builder *b, uint32_t kind, const char *layer, const char *conv, const char *bn,
                             const char *activation, struct efme_tensor x, int32_t h, int32_t w, int32_t c) {
  struct unit u;
  char name[64];
  memset(&u, 0, sizeof u);
  u.layer = layer, u.conv = conv, u.bn = bn, u.activation = activation;
  u.h = h, u.w = w, u.c = c;
  efme_b_join(name, layer, conv);
  u.op = efme_b_op(b, kind, name);
  u.op.t[EFME_T_X] = x;
  u.op.t[EFME_T_W] = efme_b_param(b, name, "/kernel");
  return u;
}

static void geometry(struct efme_op *op, int32_t kernel, int32_t stride, int32_t top, int32_t left) {
  op->kh = op->kw = kernel;
  op->stride = stride;
  op->pad_top = top, op->pad_left = left;
}

/* One dense layer of squeeze-and-excite. */
static struct efme_tensor se_dense(struct efme_builder *b, const struct efme_block *k, const char *suffix, struct efme_tensor x, int32_t c,
                                   uint16_t act) {
  char name[64];
  efme_b_join(name, k->name, suffix);
  struct efme_op op = efme_b_op(b, EFME_OP_MATMUL, name);
  op.act = act;
  op.t[EFME_T_X] = x;
  op.t[EFME_T_W] = efme_b_param(b, name, "/kernel");
  op.t[EFME_T_BIAS] = efme_b_param(b, name, "/bias");
  op.t[EFME_T_Y] = efme_b_batched(b, k->name, suffix, 1, 1, c);
  efme_b_emit_weighted(b, &op, 1);
  efme_b_tap(b, k->name, suffix, op.t[EFME_T_Y], 1);
  return op.t[EFME_T_Y];
}

static struct efme_tensor block(struct efme_builder *b, const struct efme_block *k, struct efme_tensor x) {
  uint32_t taps = b->inner_taps;
  size_t begin = efme_b_group_begin(b, k->name);
  struct efme_tensor in = x;
  if (k->expand > 1) {
    struct unit e = unit_make(b, EFME_OP_MATMUL, k->name, "_expand_conv", "_expand_bn", "_expand_activation", x, k->in_h, k->in_w, k->mid);
    e.inner = 1;
    in = unit_run(b, &e).y;
  }
  struct unit d = unit_make(b, EFME_OP_DWCONV, k->name, "_dwconv", "_bn", "_activation", in, k->out_h, k->out_w, k->mid);
  geometry(&d.op, k->kernel, k->stride, k->pad_top, k->pad_left);
  d.pool = efme_b_batched(b, k->name, "_se_squeeze", 1, 1, k->mid);
  d.unfold = efme_b_wants(b, k->name, "_se_excite");
  d.inner = 1;
  struct unit_out dw = unit_run(b, &d);
  size_t split = b->plan->main.count;
  efme_b_tap(b, k->name, "_se_squeeze", d.pool, 1);
  struct efme_tensor s = se_dense(b, k, "_se_reduce", d.pool, k->se, EFME_ACT_SWISH);
  struct efme_tensor gate = se_dense(b, k, "_se_expand", s, k->mid, EFME_ACT_SIGMOID);
  if (d.unfold) efme_b_tap(b, k->name, "_se_excite", bn_act(b, &dw.bn, dw.raw, EFME_ACT_SWISH, &d, "_se_excite", &gate), 1);
  struct unit p = unit_make(b, EFME_OP_MATMUL, k->name, "_project_conv", "_project_bn", NULL, dw.y, k->out_h, k->out_w, k->out);
  p.op.t[EFME_T_GATE] = gate;
  p.inner = 1;
  if (k->residual) p.residual = x;
  struct efme_tensor y = unit_run(b, &p).y;
  efme_b_group_end(b, begin, split, taps);
  if (k->residual) efme_b_tap(b, k->name, "_add", y, 0);
  return y;
}

/* Staged pixels -> f32 image of the model's size in 0..255; the normalisation is the stem's prologue. */
static void input(struct efme_builder *b) {
  const struct efme_plan_options *o = &b->plan->options;
  int32_t h = (int32_t)b->plan->arch.height, w = (int32_t)b->plan->arch.width;
  b->image = b->plan->input;
  if (!o->augment && o->source_dtype == EFME_F32 && b->image.h == h && b->image.w == w && b->image.c == 3) return;
  struct efme_op op = efme_b_op(b, EFME_OP_INPUT, "input");
  op.t[EFME_T_X] = b->plan->input;
  op.t[EFME_T_Y] = b->image = efme_b_batched(b, "input", "", h, w, 3);
  if (o->augment) {
    op.flags = EFME_OP_AUGMENT | (o->per_variant ? (uint32_t)EFME_OP_PER_VARIANT : 0u);
    memcpy(op.f, o->augmentation, sizeof o->augmentation);
    op.t[EFME_T_ID] = b->plan->ids;
    op.t[EFME_T_STEP] = b->plan->step;
  }
  efme_b_emit(b, &b->plan->main, &op);
}

struct efme_op efme_b_stem(struct efme_builder *b, uint32_t kind) {
  struct efme_op op = efme_b_op(b, kind, "stem_conv");
  int32_t h, w, top, left;
  efme_conv_geometry((int32_t)b->plan->arch.height, 3, 2, b->plan->arch.padding, &h, &top);
  efme_conv_geometry((int32_t)b->plan->arch.width, 3, 2, b->plan->arch.padding, &w, &left);
  geometry(&op, 3, 2, top, left);
  if (kind == EFME_OP_CONV) input(b);
  op.t[EFME_T_X] = b->image;
  op.t[EFME_T_SCALE] = b->scale, op.t[EFME_T_SHIFT] = b->shift;
  return op;
}

struct efme_tensor efme_b_pool(struct efme_builder *b, struct efme_tensor x) {
  struct efme_op op = efme_b_op(b, EFME_OP_POOL, "gap");
  op.t[EFME_T_X] = x;
  op.t[EFME_T_Y] = efme_b_features(b, x.c);
  efme_b_emit(b, &b->plan->main, &op);
  efme_b_tap(b, "gap", "", op.t[EFME_T_Y], 0);
  return op.t[EFME_T_Y];
}

struct efme_tensor efme_b_features(struct efme_builder *b, int32_t c) {
  if (b->plan->options.mode != EFME_PLAN_FEATURES) return efme_b_batched(b, "gap", "", 1, 1, c);
  return efme_b_fixed(b, EFME_ARENA_IO, efme_b_batched_shape(b, EFME_F32, 1, 1, c));
}

struct efme_tensor efme_b_infer_trunk(struct efme_builder *b) {
  struct efme_op stem = efme_b_stem(b, EFME_OP_CONV);
  int32_t h, w, pad;
  efme_conv_geometry((int32_t)b->plan->arch.height, 3, 2, b->plan->arch.padding, &h, &pad);
  efme_conv_geometry((int32_t)b->plan->arch.width, 3, 2, b->plan->arch.padding, &w, &pad);
  struct unit s = unit_make(b, EFME_OP_CONV, "stem", "_conv", "_bn", "_activation", b->image, h, w, 32);
  stem.t[EFME_T_W] = s.op.t[EFME_T_W];
  s.op = stem;
  struct efme_tensor x = unit_run(b, &s).y;
  for (uint32_t i = 0; i < b->block_count; i++) x = block(b, &b->blocks[i], x);
  if (b->plan->arch.top) {
    struct unit t = unit_make(b, EFME_OP_MATMUL, "top", "_conv", "_bn", "_activation", x, x.h, x.w, 1280);
    x = unit_run(b, &t).y;
  }
  return efme_b_pool(b, x);
}
