/* Which roles of an op are written (backend.h's table); all others are read only. */
#ifndef EFME_TEST_NET_ROLES_H
#define EFME_TEST_NET_ROLES_H

#include "backend/backend.h"

static inline int op_writes(const struct efme_op *op, int role) {
  switch (role) {
  case EFME_T_Y: /* the second moment of OPTIMIZER, too */
  case EFME_T_DX:
  case EFME_T_DW:
  case EFME_T_DB:
  case EFME_T_WS:
    return 1;
  case EFME_T_X:
  case EFME_T_W:
    return op->kind == EFME_OP_OPTIMIZER;
  case EFME_T_POOL:
    return op->kind == EFME_OP_DWCONV || op->kind == EFME_OP_BN_ACT;
  case EFME_T_STAT:
    return op->kind == EFME_OP_BN_STAT;
  case EFME_T_MEAN:
  case EFME_T_VAR:
    return op->kind == EFME_OP_BN_STAT && (op->flags & EFME_OP_UPDATE);
  case EFME_T_SUMS:
    return op->kind == EFME_OP_BN_REDUCE || op->kind == EFME_OP_LOSS || op->kind == EFME_OP_PENALTY;
  case EFME_T_P:
    return op->kind == EFME_OP_PACK || op->kind == EFME_OP_LOSS;
  case EFME_T_BIAS:
    return op->kind == EFME_OP_FOLD;
  default:
    return 0;
  }
}

#endif
