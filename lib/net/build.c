/* The builder's tools: tensors that get their place later, and ops that are put to the backend as they are made. */
#include "net/build.h"

#include <string.h>

/* ---- tensors ---- */

uint64_t efme_tensor_bytes(const struct efme_tensor *t) {
  static const uint8_t size[4] = {4, 1, 4, 8};
  return (uint64_t)t->n * (uint64_t)t->h * (uint64_t)t->w * (uint64_t)t->c * size[t->dtype & 3];
}

const char *efme_b_join(char out[64], const char *layer, const char *suffix) {
  size_t n = strlen(layer), m = strlen(suffix);
  if (n > 40) n = 40;
  if (m > 22) m = 22;
  memcpy(out, layer, n);
  memcpy(out + n, suffix, m);
  out[n + m] = 0;
  return out;
}

struct efme_tensor efme_b_shape(uint32_t arena, uint32_t dtype, int32_t n, int32_t h, int32_t w, int32_t c) {
  struct efme_tensor t;
  memset(&t, 0, sizeof t);
  t.arena = (uint8_t)arena, t.dtype = (uint8_t)dtype;
  t.n = n, t.h = h, t.w = w, t.c = c;
  return t;
}

struct efme_tensor efme_b_batched_shape(const struct efme_builder *b, uint32_t dtype, int32_t h, int32_t w, int32_t c) {
  struct efme_tensor t = efme_b_shape(EFME_ARENA_ACT, dtype, (int32_t)b->plan->options.max_batch, h, w, c);
  t.flags = EFME_TENSOR_BATCHED;
  return t;
}

struct efme_tensor efme_b_value(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor shape) {
  if (!b->status) {
    b->status = efme_mem_grow(b->plan->allocator, (void **)&b->values, &b->value_capacity, b->value_count + 1, sizeof *b->values, "plan");
  }
  shape.arena = EFME_ARENA_ACT;
  if (b->status) return shape;
  struct efme_value *v = &b->values[b->value_count];
  memset(v, 0, sizeof *v);
  char name[64];
  efme_b_join(name, layer, suffix);
  memcpy(v->name, name, EFME_MIN(strlen(name), sizeof v->name - 1));
  v->size = efme_tensor_bytes(&shape);
  shape.offset = 64 * (uint64_t)b->value_count++;
  return shape;
}

struct efme_tensor efme_b_batched(struct efme_builder *b, const char *layer, const char *suffix, int32_t h, int32_t w, int32_t c) {
  return efme_b_value(b, layer, suffix, efme_b_batched_shape(b, EFME_F32, h, w, c));
}

struct efme_tensor efme_b_fixed(struct efme_builder *b, uint32_t arena, struct efme_tensor shape) {
  shape.arena = (uint8_t)arena;
  shape.offset = b->plan->size[arena];
  b->plan->size[arena] += (efme_tensor_bytes(&shape) + 63) / 64 * 64;
  return shape;
}

struct efme_tensor efme_b_param(struct efme_builder *b, const char *layer, const char *variable) {
  char name[64];
  struct efme_tensor t = efme_b_shape(EFME_ARENA_WEIGHTS, EFME_F32, 1, 1, 1, 1);
  const struct efme_param *p = efme_params_find(&b->plan->params, efme_b_join(name, layer, variable));
  if (!p) {
    if (!b->status) b->status = efme_fail(EFME_E_INTERNAL, "planner: no parameter %s", name);
    return t;
  }
  t.n = (int32_t)p->dims[0], t.h = (int32_t)p->dims[1], t.w = (int32_t)p->dims[2], t.c = (int32_t)p->dims[3];
  if (p->kind == EFME_PARAM_DEPTHWISE) t.n = 1, t.h = (int32_t)p->dims[0], t.w = (int32_t)p->dims[1], t.c = (int32_t)p->dims[2];
  t.offset = p->offset * sizeof(float);
  return t;
}

struct efme_tensor efme_b_grad(struct efme_tensor param) {
  param.arena = EFME_ARENA_GRADS;
  return param;
}

/* ---- taps ---- */

static int tap_index(const struct efme_builder *b, const char *layer, const char *suffix) {
  char name[64];
  efme_b_join(name, layer, suffix);
  for (uint32_t i = 0; i < b->plan->tap_count; i++) {
    if (strcmp(b->plan->taps[i].name, name) == 0) return (int)i;
  }
  return -1;
}

int efme_b_wants(const struct efme_builder *b, const char *layer, const char *suffix) { return tap_index(b, layer, suffix) >= 0; }

void efme_b_tap(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor t, int inner) {
  int i = tap_index(b, layer, suffix);
  if (i < 0 || b->status) return;
  b->plan->taps[i].tensor = t;
  b->tap_bound[i] = 1;
  b->inner_taps += inner ? 1 : 0;
  if (t.arena == EFME_ARENA_ACT) b->values[t.offset / 64].pinned = 1;
}

int efme_b_pinned(const struct efme_builder *b, struct efme_tensor t) {
  return !b->status && t.arena == EFME_ARENA_ACT && b->values[t.offset / 64].pinned;
}

const char *efme_b_out_suffix(const struct efme_block *block) { return block->residual ? "_add" : "_project_bn"; }

/* ---- ops ---- */

static uint32_t layer_index(struct efme_builder *b, const char *layer) {
  struct efme_plan *p = b->plan;
  for (uint32_t i = p->layer_count; i-- > 0;) {
    if (strcmp(p->layers[i], layer) == 0) return i;
  }
  size_t capacity = p->layer_capacity;
  if (!b->status) b->status = efme_mem_grow(p->allocator, (void **)&p->layers, &capacity, p->layer_count + 1u, sizeof *p->layers, "plan");
  if (b->status) return 0;
  p->layer_capacity = (uint32_t)capacity;
  memset(p->layers[p->layer_count], 0, sizeof p->layers[0]);
  memcpy(p->layers[p->layer_count], layer, EFME_MIN(strlen(layer), sizeof p->layers[0] - 1));
  return p->layer_count++;
}

struct efme_op efme_b_op(struct efme_builder *b, uint32_t kind, const char *layer) {
  struct efme_op op;
  memset(&op, 0, sizeof op);
  op.size = sizeof op;
  op.kind = (uint16_t)kind;
  op.layer = layer_index(b, layer);
  return op;
}

static void append(struct efme_builder *b, struct efme_plan_list *list, const struct efme_op *op) {
  if (b->status) return;
  b->status = efme_mem_grow(b->plan->allocator, (void **)&list->ops, &list->capacity, list->count + 1, sizeof *list->ops, "plan");
  if (!b->status) list->ops[list->count++] = *op;
}

static int ask(struct efme_builder *b, const struct efme_op *op, struct efme_op_needs *needs) {
  memset(needs, 0, sizeof *needs);
  return b->backend->api->supports(b->backend->be, op, b->plan->options.max_batch, needs);
}

static int must(struct efme_builder *b, const struct efme_op *op, struct efme_op_needs *needs) {
  if (b->status) return 0;
  if (ask(b, op, needs)) return 1;
  b->status = efme_fail(EFME_E_UNSUPPORTED, "backend %s does not run op %s of layer %s", b->backend->api->name, efme_op_name(op->kind),
                        b->plan->layers[op->layer]);
  return 0;
}

static void add_workspace(struct efme_builder *b, struct efme_op *op, size_t bytes) {
  if (!bytes) return;
  struct efme_tensor shape = efme_b_shape(EFME_ARENA_ACT, EFME_F32, 1, 1, 1, (int32_t)((bytes + 3) / 4));
  op->t[EFME_T_WS] = efme_b_value(b, b->status ? "" : b->plan->layers[op->layer], " workspace", shape);
}

void efme_b_emit(struct efme_builder *b, struct efme_plan_list *list, struct efme_op *op) {
  struct efme_op_needs needs;
  if (!must(b, op, &needs)) return;
  add_workspace(b, op, needs.workspace);
  append(b, list, op);
}

/* Adds the PACK of `matrix` for op to list; the packed tensor stays in PACKED where it is constant, else it is a value of main. */
static struct efme_tensor pack(struct efme_builder *b, const struct efme_op *user, struct efme_tensor matrix, int constant) {
  const char *layer = b->plan->layers[user->layer];
  struct efme_op op = efme_b_op(b, EFME_OP_PACK, layer);
  struct efme_op_needs needs;
  op.flags = user->flags & EFME_OP_TRANSPOSED;
  op.t[EFME_T_X] = matrix;
  if (!must(b, &op, &needs)) return matrix;
  struct efme_tensor shape = efme_b_shape(EFME_ARENA_ACT, EFME_F32, 1, 1, 1, (int32_t)((needs.packed + 3) / 4));
  op.t[EFME_T_P] = constant ? efme_b_fixed(b, EFME_ARENA_PACKED, shape) : efme_b_value(b, layer, " packed", shape);
  efme_b_emit(b, constant ? &b->plan->prepare : &b->packs, &op);
  return op.t[EFME_T_P];
}

void efme_b_emit_weighted(struct efme_builder *b, struct efme_op *op, int constant) {
  struct efme_op_needs needs;
  if (!must(b, op, &needs)) return;
  if (needs.packed) {
    op->t[EFME_T_P] = pack(b, op, op->t[EFME_T_W], constant);
    memset(&op->t[EFME_T_W], 0, sizeof op->t[EFME_T_W]);
  }
  efme_b_emit(b, &b->plan->main, op);
}

void efme_b_emit_folded(struct efme_builder *b, struct efme_op *op, const struct efme_bn *bn) {
  struct efme_op_needs needs;
  struct efme_op fold = efme_b_op(b, EFME_OP_FOLD, bn->name);
  struct efme_tensor source = op->t[EFME_T_W], folded = source;
  fold.f[1] = b->plan->arch.bn_epsilon;
  fold.t[EFME_T_W] = source;
  fold.t[EFME_T_GAMMA] = bn->gamma, fold.t[EFME_T_BETA] = bn->beta;
  fold.t[EFME_T_MEAN] = bn->mean, fold.t[EFME_T_VAR] = bn->variance;
  fold.t[EFME_T_BIAS] = efme_b_fixed(b, EFME_ARENA_PACKED, bn->beta);
  op->t[EFME_T_BIAS] = fold.t[EFME_T_BIAS];
  folded.arena = EFME_ARENA_PACKED, folded.offset = 0;
  op->t[EFME_T_W] = folded; /* asked with this place; where the op wants W packed, the folded kernel is a passing value of prepare */
  if (!must(b, op, &needs)) return;
  folded = needs.packed ? efme_b_value(b, b->plan->layers[op->layer], " folded", folded) : efme_b_fixed(b, EFME_ARENA_PACKED, folded);
  fold.t[EFME_T_Y] = op->t[EFME_T_W] = folded;
  efme_b_emit(b, &b->plan->prepare, &fold);
  if (needs.packed) {
    op->t[EFME_T_P] = pack(b, op, folded, 1);
    memset(&op->t[EFME_T_W], 0, sizeof op->t[EFME_T_W]);
  }
  efme_b_emit(b, &b->plan->main, op);
}

/* ---- groups ---- */

size_t efme_b_group_begin(struct efme_builder *b, const char *layer) {
  struct efme_op op = efme_b_op(b, EFME_OP_GROUP, layer);
  append(b, &b->plan->main, &op);
  return b->plan->main.count - 1;
}

static void insert_or_remove(struct efme_builder *b, size_t at, int insert, uint32_t layer) {
  struct efme_plan_list *m = &b->plan->main;
  if (!insert) {
    memmove(m->ops + at, m->ops + at + 1, (m->count - at - 1) * sizeof *m->ops);
    m->count--;
    return;
  }
  struct efme_op op = efme_b_op(b, EFME_OP_GROUP, b->plan->layers[layer]);
  append(b, m, &op);
  if (b->status) return;
  op = m->ops[m->count - 1];
  memmove(m->ops + at + 1, m->ops + at, (m->count - at - 1) * sizeof *m->ops);
  m->ops[at] = op;
}

/* ops[at] is a GROUP header over the next `children` ops. A claimed group has one workspace for all its leaves. */
static int offer(struct efme_builder *b, size_t at, size_t children) {
  struct efme_op *ops = b->plan->main.ops;
  struct efme_op_needs needs;
  ops[at].n_children = (uint32_t)children;
  if (children < 2 || !ask(b, &ops[at], &needs)) return 0;
  for (size_t i = 1; i <= children; i++) memset(&ops[at + i].t[EFME_T_WS], 0, sizeof ops[at].t[0]);
  add_workspace(b, &ops[at], needs.workspace);
  b->plan->group_count++;
  return 1;
}

void efme_b_group_end(struct efme_builder *b, size_t begin, size_t split, uint32_t inner_taps) {
  if (b->status) return;
  struct efme_plan_list *m = &b->plan->main;
  uint32_t layer = m->ops[begin].layer;
  int allowed = !b->plan->options.no_groups && b->inner_taps == inner_taps;
  if (allowed && offer(b, begin, m->count - begin - 1)) return;
  if (!allowed || !split) {
    insert_or_remove(b, begin, 0, layer);
    return;
  }
  size_t head = offer(b, begin, split - begin - 1) ? split : split - 1; /* where the second part starts */
  if (head == split - 1) insert_or_remove(b, begin, 0, layer);
  insert_or_remove(b, head, 1, layer);
  if (!b->status && !offer(b, head, m->count - head - 1)) insert_or_remove(b, head, 0, layer);
}

/* ---- batch normalisation ---- */

struct efme_bn efme_b_bn(struct efme_builder *b, const char *layer, const char *suffix) {
  struct efme_bn bn;
  memset(&bn, 0, sizeof bn);
  efme_b_join(bn.name, layer, suffix);
  bn.gamma = efme_b_param(b, bn.name, "/gamma");
  bn.beta = efme_b_param(b, bn.name, "/beta");
  bn.mean = efme_b_param(b, bn.name, "/moving_mean");
  bn.variance = efme_b_param(b, bn.name, "/moving_variance");
  return bn;
}

/* Fixed statistics follow from the weights alone: they belong to prepare. */
void efme_b_bn_stat(struct efme_builder *b, struct efme_bn *bn, const struct efme_tensor *x) {
  struct efme_op op = efme_b_op(b, EFME_OP_BN_STAT, bn->name);
  struct efme_tensor shape = efme_b_shape(EFME_ARENA_ACT, EFME_F32, 1, 1, 2, bn->gamma.c);
  op.f[0] = b->plan->arch.bn_momentum, op.f[1] = b->plan->arch.bn_epsilon;
  op.t[EFME_T_MEAN] = bn->mean, op.t[EFME_T_VAR] = bn->variance;
  if (x) {
    op.flags = EFME_OP_UPDATE;
    op.t[EFME_T_X] = *x;
    bn->stat = efme_b_value(b, bn->name, " statistics", shape);
  } else {
    op.flags = EFME_OP_FIXED;
    bn->stat = efme_b_fixed(b, EFME_ARENA_PACKED, shape);
  }
  op.t[EFME_T_STAT] = bn->stat;
  efme_b_emit(b, x ? &b->plan->main : &b->plan->prepare, &op);
}

void efme_b_bn_roles(struct efme_op *op, const struct efme_bn *bn, struct efme_tensor x) {
  op->t[EFME_T_X] = x;
  op->t[EFME_T_STAT] = bn->stat;
  op->t[EFME_T_GAMMA] = bn->gamma;
  op->t[EFME_T_BETA] = bn->beta;
}
