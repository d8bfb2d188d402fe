/* How far a float32 result may lie from the reference's, kind by kind. e = 2^-23. A sum of K products carries about sqrt(K) roundings of
 * its own size; sums that the table wants in double carry those of their terms only. */
#include "walk.h"

#include <math.h>

#define E 1.1920929e-7

double kernel_limit(const struct kernel_case *c, int role, int *relative, double *floor_scale) {
  double act = c->op.act && c->op.act != EFME_ACT_PRELU ? 4 : 1;
  *relative = 0;
  *floor_scale = 1e-30;
  switch (c->op.kind) {
  case EFME_OP_FILL:
  case EFME_OP_POOL_DX:
  case EFME_OP_DROPOUT:
  case EFME_OP_FOLD:
    *relative = c->op.kind != EFME_OP_FOLD || role == EFME_T_Y;
    return 2 * E;
  case EFME_OP_SOFTMAX:
    *relative = 1;
    return 4 * E; /* even where the argument is -140: the difference of two floats is exact in double */
  case EFME_OP_MAXPOOL:
    return 1e-30; /* the same numbers */
  case EFME_OP_CROP:
    return 1 * E;
  case EFME_OP_ACT:
    *relative = 1;
    return 3 * E;
  case EFME_OP_ADD:
  case EFME_OP_EMA:
    return 1 * E;
  case EFME_OP_INPUT:
    *floor_scale = 255;
    return 4 * E;
  case EFME_OP_CONV:
  case EFME_OP_MATMUL:
  case EFME_OP_DWCONV:
  case EFME_OP_DWCONV_DX:
    *floor_scale = role == EFME_T_POOL ? 0.1 : 0.5;
    return (1 + act / 2 + 0.7 * sqrt(c->terms)) * E;
  case EFME_OP_CONV_DW:
  case EFME_OP_MATMUL_DW:
  case EFME_OP_DWCONV_DW:
    *floor_scale = sqrt(c->terms);
    return (4 + 0.25 * sqrt(fmin(c->terms, 1024))) * E;
  case EFME_OP_BN_STAT:
    *floor_scale = 1;
    return 1.5 * E;
  case EFME_OP_BN_ACT:
    *floor_scale = role == EFME_T_POOL ? 0.3 : 1;
    return 4 * E;
  case EFME_OP_BN_REDUCE: /* POOL's share added to a rounded product loses the same part of its last place in every term: .1 e each */
    *floor_scale = sqrt(c->terms);
    return (6 + 0.1 * sqrt(c->terms)) * E;
  case EFME_OP_GATE_DX:
    *floor_scale = sqrt(c->terms);
    return 6 * E;
  case EFME_OP_BN_DX:
    *floor_scale = 1;
    return 4 * E;
  case EFME_OP_LOSS:
    *floor_scale = role == EFME_T_DX ? 1.0 / c->batch : 1;
    return 4 * E;
  case EFME_OP_OPTIMIZER:
    *floor_scale = 1e-3;
    return 4 * E;
  default:
    return 3 * E;
  }
}
