/* The parameter table: every weight of a network, in one flat buffer.
 *
 * Weights, gradients, moments, EMA and checkpoints share these offsets. Order: trunk trainables, head trainables, then BN
 * statistics; each tensor starts at a multiple of 16 floats, the gaps are zero. So "head only" and "all" are ranges. */
#ifndef EFME_NET_PARAMS_H
#define EFME_NET_PARAMS_H

#include "net/arch.h"
#include "util/util.h"

enum efme_param_kind { EFME_PARAM_CONV, EFME_PARAM_DEPTHWISE, EFME_PARAM_DENSE, EFME_PARAM_BIAS, EFME_PARAM_GAMMA, EFME_PARAM_BETA, EFME_PARAM_MEAN, EFME_PARAM_VARIANCE };

struct efme_param {
  char name[64];       /* "block2a_expand_conv/kernel" */
  uint8_t kind;        /* efme_param_kind */
  uint8_t trainable;   /* 0: BN statistics */
  uint8_t head;        /* 1: "head/kernel", "head/bias" */
  uint8_t reserved;
  uint32_t dims[4];    /* HWIO; depthwise HWC1; dense 1,1,I,O; vectors 1,1,1,N */
  uint64_t offset, count; /* in floats */
};

struct efme_params {
  struct efme_param *items;
  uint32_t count;
  uint64_t trunk_end;  /* floats: [0, trunk_end) trunk trainables */
  uint64_t head_end;   /* [trunk_end, head_end) head */
  uint64_t total;      /* [head_end, total) statistics */
};

efme_status efme_params_create(struct efme_params *out, const struct efme_allocator *a, const struct efme_arch *arch);
void efme_params_free(struct efme_params *p, const struct efme_allocator *a);
const struct efme_param *efme_params_find(const struct efme_params *p, const char *name); /* NULL: no such tensor */

#endif
