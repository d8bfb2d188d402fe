/* The architecture as data: what one network is, and the blocks that follow from it (spec: EfficientNet-B0 table). */
#ifndef EFME_NET_ARCH_H
#define EFME_NET_ARCH_H

#include <stdint.h>

#include "efme/status.h"

#define EFME_MAX_BLOCKS 16

struct efme_arch {
  uint32_t cut, top, classes, height, width, normalisation, padding;
  float bn_epsilon, bn_momentum;
};

struct efme_block {
  char name[16]; /* "block2a" */
  int32_t kernel, stride, expand, in, out, mid, se; /* mid = in * expand, se = max(1, in/4) */
  int32_t in_h, in_w, out_h, out_w, pad_top, pad_left;
  int32_t residual; /* stride 1 and in == out */
  float drop;       /* drop-connect rate 0.2 * index / 16 at scale 1 */
};

/* The blocks of arch in order; *count at most EFME_MAX_BLOCKS. Errors: ARGUMENT naming the field. */
efme_status efme_arch_blocks(struct efme_block blocks[EFME_MAX_BLOCKS], uint32_t *count, const struct efme_arch *arch);
/* Output size and leading padding of a convolution with this padding rule. */
void efme_conv_geometry(int32_t size, int32_t kernel, int32_t stride, uint32_t padding, int32_t *out, int32_t *pad);

#endif
