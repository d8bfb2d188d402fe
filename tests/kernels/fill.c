/* What goes into the tensors of a case: unit-variance noise, except where an op's meaning asks for something else. */
#include "cases.h"

#include <math.h>
#include <string.h>

#define B(role) (1u << EFME_T_##role)

static uint64_t mix(uint64_t z) {
  z += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double kernel_noise(uint64_t seed, uint64_t i) { return ((double)(mix(mix(seed) + i) >> 11) / 9007199254740992.0 - 0.5) * 3.4641016; }

uint32_t kernel_outputs(const struct efme_op *op) {
  switch (op->kind) {
  case EFME_OP_CONV_DW:
  case EFME_OP_DWCONV_DW:
    return B(DW);
  case EFME_OP_MATMUL_DW:
    return B(DW) | B(DB);
  case EFME_OP_DWCONV_DX:
  case EFME_OP_BN_DX:
  case EFME_OP_GATE_DX:
  case EFME_OP_ACT_DX:
  case EFME_OP_POOL_DX:
    return B(DX);
  case EFME_OP_BN_STAT:
    return op->flags & EFME_OP_UPDATE ? B(STAT) | B(MEAN) | B(VAR) : B(STAT);
  case EFME_OP_BN_ACT:
  case EFME_OP_DWCONV:
    return B(Y) | B(POOL);
  case EFME_OP_BN_REDUCE:
    return B(SUMS) | B(DW) | B(DB);
  case EFME_OP_LOSS:
    return B(Y) | B(DX) | B(P) | B(SUMS);
  case EFME_OP_PENALTY:
    return B(SUMS) | B(DW);
  case EFME_OP_OPTIMIZER:
    return B(W) | B(DW) | B(X) | B(Y);
  case EFME_OP_FOLD:
    return B(Y) | B(BIAS);
  default:
    return B(Y);
  }
}

uint32_t kernel_inouts(const struct efme_op *op) {
  switch (op->kind) {
  case EFME_OP_BN_STAT:
    return B(MEAN) | B(VAR);
  case EFME_OP_LOSS:
    return B(SUMS);
  case EFME_OP_OPTIMIZER:
    return B(W) | B(DW) | B(X) | B(Y);
  case EFME_OP_EMA:
    return B(Y);
  default:
    return B(DW) | B(DB);
  }
}

static void fill_step(void *p) {
  struct efme_step step;
  memset(&step, 0, sizeof step);
  step.seed = 0x1234567890ABCDEFu;
  step.epoch = 3;
  step.variant = 2;
  step.step = 10;
  step.lr = 1e-2f;
  step.correct1 = (float)(1 / (1 - pow(0.9, 11)));
  step.correct2 = (float)(1 / (1 - pow(0.999, 11)));
  step.ema_decay = 0.97f;
  memcpy(p, &step, sizeof step);
}

/* Element i of a role, u its noise. */
static double value(const struct kernel_case *c, int role, size_t i, double u) {
  const struct efme_op *op = &c->op;
  int ch = op->t[role].c;
  switch (role) {
  case EFME_T_W:
    return op->kind == EFME_OP_OPTIMIZER || op->kind == EFME_OP_PENALTY || op->kind == EFME_OP_FOLD ? u : u / sqrt(c->terms);
  case EFME_T_GATE:
    return 0.5 + 0.28 * u; /* a sigmoid's range */
  case EFME_T_STAT:
    return i < (size_t)ch ? 0.3 * u : 1 + 0.3 * u;
  case EFME_T_GAMMA:
    return op->act == EFME_ACT_PRELU ? 0.3 * u : 1 + 0.4 * u;
  case EFME_T_VAR:
    return 0.05 + u * u;
  case EFME_T_SUMS:
    return op->kind == EFME_OP_BN_DX ? u * sqrt(c->terms) : u;
  case EFME_T_DW:
    return op->kind == EFME_OP_OPTIMIZER && i % 5 == 0 ? 0 : u;
  case EFME_T_Y:
    return op->kind == EFME_OP_OPTIMIZER ? u * u : u;
  case EFME_T_X:
    break;
  default:
    return u;
  }
  switch (op->kind) {
  case EFME_OP_INPUT:
  case EFME_OP_CROP:
    return 127.5 + 73 * u;
  case EFME_OP_BN_STAT:
    return c->hard ? 100 + u : (double)(i % (size_t)ch % 7) + (0.5 + (double)(i % (size_t)ch % 3)) * u;
  case EFME_OP_ACT:
  case EFME_OP_ACT_DX:
    return i % 11 == 0 ? 50 * u : i % 13 == 0 ? 0 : 3 * u;
  case EFME_OP_SOFTMAX:
  case EFME_OP_LOSS:
    return i / (size_t)ch % 3 == 0 ? 40 * u : 2 * u;
  default:
    return u;
  }
}

/* Any box, some of them partly or wholly outside, empty or turned round: what is left of them is defined. */
static int32_t corner(const struct kernel_case *c, size_t i, uint64_t bits) {
  int32_t size = i % 2 ? c->op.t[EFME_T_X].h : c->op.t[EFME_T_X].w;
  if (i / 4 % 3 == 0) return i % 4 < 2 ? 0 : size; /* the whole image */
  return (int32_t)(bits % (uint64_t)(size + size / 2 + 2)) - size / 4;
}

static int32_t integer(const struct kernel_case *c, int role, uint64_t bits) {
  if (role == EFME_T_ID) return (int32_t)(bits % 100000);
  return (int32_t)(bits % (uint64_t)c->op.t[EFME_T_X].c); /* LOSS: the label */
}

/* Soft targets: each row positive with sum 1. */
static void fill_targets(const struct kernel_case *c, float *p, uint64_t seed) {
  size_t n = (size_t)c->op.t[EFME_T_SCALE].c;
  for (size_t b = 0; b < c->batch; b++) {
    double sum = 0;
    for (size_t k = 0; k < n; k++) sum += fabs(kernel_noise(seed, b * n + k));
    for (size_t k = 0; k < n; k++) p[b * n + k] = (float)(fabs(kernel_noise(seed, b * n + k)) / sum);
  }
}

void kernel_fill(const struct kernel_case *c, int role, void *p) {
  const struct efme_tensor *t = &c->op.t[role];
  size_t count = efme_ref_count(t, c->batch);
  uint64_t seed = (uint64_t)role * 1000003u + c->op.kind;
  uint32_t bit = 1u << role;
  if (role == EFME_T_STEP) {
    fill_step(p);
  } else if (role == EFME_T_WS || ((kernel_outputs(&c->op) & bit) && !(kernel_inouts(&c->op) & bit))) {
    return;
  } else if (c->op.kind == EFME_OP_LOSS && role == EFME_T_SCALE) {
    fill_targets(c, p, seed);
  } else {
    for (size_t i = 0; i < count; i++) {
      double u = kernel_noise(seed, i), v = value(c, role, i, u);
      if (t->dtype == EFME_F32) ((float *)p)[i] = (float)v;
      if (t->dtype == EFME_F64) ((double *)p)[i] = v;
      if (t->dtype == EFME_U8) ((uint8_t *)p)[i] = (uint8_t)mix(seed + i);
      if (t->dtype == EFME_I32) ((int32_t *)p)[i] = role == EFME_T_BOX ? corner(c, i, mix(seed + i)) : integer(c, role, mix(seed + i));
    }
  }
}
