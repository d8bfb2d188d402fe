/* What the planner's parts share while a plan is being built. Private to lib/net's own files.
 *
 * A tensor in ACT has no place yet: its offset is 64 x its value number until layout.c gives it one. Errors stick in
 * `status`; every function is a no-op after the first. */
#ifndef EFME_NET_BUILD_H
#define EFME_NET_BUILD_H

#include "net/plan.h"

struct efme_value { /* an ACT tensor to be placed */
  char name[56];
  uint64_t size, offset;
  uint32_t first, last; /* ops of its list */
  uint8_t list;         /* 0 prepare, 1 main */
  uint8_t pinned;       /* tapped: lives to the end */
  uint8_t used;
  uint8_t inner;        /* touched only inside one claimed group: gets no memory */
};

struct efme_bn { /* one batch normalisation: its tensors in WEIGHTS and the statistics in use */
  char name[64];
  struct efme_tensor gamma, beta, mean, variance, stat;
};

struct efme_block_state { /* what forward leaves for backward */
  struct efme_tensor x, ze, ae, zd, ad, pool, z1, s1, z2, gate, zp, out;
  struct efme_bn bn_e, bn_d, bn_p;
};

struct efme_builder {
  struct efme_plan *plan;
  const struct efme_backend *backend;
  efme_status status;
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t block_count;
  struct efme_plan_list packs; /* PACK ops of weights that training changes: put before main at the end */
  struct efme_value *values;
  size_t value_count, value_capacity;
  uint32_t inner_taps;         /* taps bound so far that lie inside a block */
  uint8_t *tap_bound;
  struct efme_tensor scale, shift; /* normalisation of the input */
  struct efme_tensor image;        /* what the stem reads */
  /* training */
  struct efme_block_state state[EFME_MAX_BLOCKS];
  struct efme_bn bn_stem, bn_top;
  struct efme_tensor z_stem, z_top, trunk_out, dropped, dlogits;
};

/* ---- build.c: tensors ---- */
struct efme_tensor efme_b_shape(uint32_t arena, uint32_t dtype, int32_t n, int32_t h, int32_t w, int32_t c);
struct efme_tensor efme_b_value(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor shape); /* in ACT */
struct efme_tensor efme_b_batched(struct efme_builder *b, const char *layer, const char *suffix, int32_t h, int32_t w, int32_t c);
struct efme_tensor efme_b_fixed(struct efme_builder *b, uint32_t arena, struct efme_tensor shape); /* next place in PACKED, IO */
struct efme_tensor efme_b_batched_shape(const struct efme_builder *b, uint32_t dtype, int32_t h, int32_t w, int32_t c);
struct efme_tensor efme_b_param(struct efme_builder *b, const char *layer, const char *variable);  /* in WEIGHTS */
struct efme_tensor efme_b_grad(struct efme_tensor param);                                          /* its place in GRADS */

/* ---- build.c: ops ---- */
struct efme_op efme_b_op(struct efme_builder *b, uint32_t kind, const char *layer);
/* Asks the backend, adds WS, appends. For CONV and MATMUL: packs W where asked, in prepare if `constant`, else at the start of main. */
void efme_b_emit(struct efme_builder *b, struct efme_plan_list *list, struct efme_op *op);
void efme_b_emit_weighted(struct efme_builder *b, struct efme_op *op, int constant);
/* CONV, MATMUL or DWCONV whose W and BIAS are bn folded into param. */
void efme_b_emit_folded(struct efme_builder *b, struct efme_op *op, const struct efme_bn *bn);
size_t efme_b_group_begin(struct efme_builder *b, const char *layer);
/* Offers ops from `begin` as a group, unless taps were bound inside since `inner_taps`; when declined, `split` (0: none) cuts it
 * into two smaller offers. */
void efme_b_group_end(struct efme_builder *b, size_t begin, size_t split, uint32_t inner_taps);
struct efme_bn efme_b_bn(struct efme_builder *b, const char *layer, const char *suffix);
void efme_b_bn_stat(struct efme_builder *b, struct efme_bn *bn, const struct efme_tensor *x); /* x NULL: fixed */
void efme_b_bn_roles(struct efme_op *op, const struct efme_bn *bn, struct efme_tensor x);
int efme_b_wants(const struct efme_builder *b, const char *layer, const char *suffix);
void efme_b_tap(struct efme_builder *b, const char *layer, const char *suffix, struct efme_tensor t, int inner);
int efme_b_pinned(const struct efme_builder *b, struct efme_tensor t);
const char *efme_b_join(char out[64], const char *layer, const char *suffix);
const char *efme_b_out_suffix(const struct efme_block *block); /* "_add" or "_project_bn" */

/* ---- the walks ---- */
struct efme_tensor efme_b_infer_trunk(struct efme_builder *b);  /* plan_infer.c: -> features */
/* CONV or CONV_DW with everything that it reads; CONV makes the input op first. */
struct efme_op efme_b_stem(struct efme_builder *b, uint32_t kind);
struct efme_tensor efme_b_features(struct efme_builder *b, int32_t c); /* where the pooled features go */
struct efme_tensor efme_b_pool(struct efme_builder *b, struct efme_tensor x);
struct efme_tensor efme_b_train_trunk(struct efme_builder *b);  /* plan_forward.c */
/* swish(BN(z)) [and its spatial mean]. */
struct efme_tensor efme_b_activate(struct efme_builder *b, const struct efme_bn *bn, const char *layer, const char *suffix,
                                   struct efme_tensor z, const struct efme_tensor *pool);
void efme_b_drop(struct efme_builder *b, struct efme_op *op, uint32_t block); /* drop-connect's attributes, where the block has it */
void efme_b_backward_trunk(struct efme_builder *b, struct efme_tensor dfeatures); /* plan_backward.c */
void efme_b_head(struct efme_builder *b, struct efme_tensor features);            /* plan_head.c: dense, loss, penalty */
/* The gradient by the features, absent for scope HEAD. */
struct efme_tensor efme_b_head_backward(struct efme_builder *b, struct efme_tensor features);
void efme_b_update(struct efme_builder *b);                                       /* plan_head.c */

/* ---- layout.c ---- */
void efme_b_layout(struct efme_builder *b); /* places values, rewrites offsets, fills plan->buffers and sizes */

#endif
