/* Ops over ranges of parameters.
 *   PENALTY    SUMS = f[0] sum |W| + f[1] sum W^2;  DW += f[0] sign(W) + 2 f[1] W
 *   OPTIMIZER  the formulas of efme/optimizer.h, m = X, v = Y; then DW = 0
 *   EMA        Y = d Y + (1 - d) X, d = step.ema_decay
 *   FOLD       Y = W s, BIAS = BETA - MEAN s, s = GAMMA / sqrt(VAR + f[1]) along the last dimension */
#include "cpu/isa/kernel.h"
#include "efme/optimizer.h"

#define BLOCK 8192

static void range_begin(struct efme_cpu_call *c, int role) {
  c->v[0] = count_of(shape(c, role), c->batch);
  c->count[0] = (uint32_t)ceil_div(c->v[0], BLOCK);
  c->serial = c->v[0] < SMALL_WORK / 4;
}

INLINE int64_t block_of(const struct efme_cpu_call *c, uint32_t index, int64_t *n) {
  int64_t first = index * (int64_t)BLOCK;
  *n = EFME_MIN(c->v[0] - first, (int64_t)BLOCK);
  return first;
}

/* ---- PENALTY: a partial sum a block, merged in order; double from the first addition on ---- */
static void penalty_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  needs->workspace = (size_t)ceil_div(count_of(&op->t[EFME_T_W], max_batch), BLOCK) * sizeof(double);
}

static void penalty_begin(struct efme_cpu_call *c) {
  range_begin(c, EFME_T_W);
  c->count[1] = 1;
}

static void penalty_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t n, first = block_of(c, index, &n);
  const float *w = f32(c, EFME_T_W) + first;
  double l1 = (double)c->op->f[0], l2 = (double)c->op->f[1], sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    double v = (double)w[i];
    sum += v < 0 ? -v : v;
    squares += v * v;
  }
  ((double *)c->t[EFME_T_WS])[index] = l1 * sum + l2 * squares;
  if (!c->t[EFME_T_DW]) return;
  float *dw = f32(c, EFME_T_DW) + first;
  for (int64_t i = 0; i < n; i++) dw[i] += (float)(l1 * (double)((w[i] > 0) - (w[i] < 0)) + 2 * l2 * (double)w[i]);
}

static void penalty_merge(const struct efme_cpu_call *c, uint32_t index) {
  double sum = 0;
  (void)index;
  for (uint32_t i = 0; i < c->count[0]; i++) sum += ((const double *)c->t[EFME_T_WS])[i];
  *(double *)c->t[EFME_T_SUMS] = sum;
}

/* ---- OPTIMIZER ---- */
static void optimizer_begin(struct efme_cpu_call *c) { range_begin(c, EFME_T_W); }

struct update {
  float *w, *g, *m, *v;
  vf b1, b2, eps, lr, alpha, shrink;
};

INLINE void update_block(const struct update *u, int64_t n, const int kind) {
  for (int64_t i = 0; i < n; i += VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    vf w = vget(u->w + i, lanes), g = vget(u->g + i, lanes), one = vset(1.0f);
    if (kind == EFME_ADAM || kind == EFME_ADAMW) {
      vf m = vfma(u->b1, vget(u->m + i, lanes), (one - u->b1) * g), v = vfma(u->b2, vget(u->v + i, lanes), (one - u->b2) * g * g);
      if (kind == EFME_ADAMW) w = w * u->shrink;
      w -= u->alpha * m / (vsqrt(v) + u->eps);
      vput(u->m + i, m, lanes);
      vput(u->v + i, v, lanes);
    } else if (kind == EFME_SGD) {
      vf m = vfma(u->b1, vget(u->m + i, lanes), -(u->lr * g));
      w += m;
      vput(u->m + i, m, lanes);
    } else {
      vf v = vfma(u->b1, vget(u->v + i, lanes), (one - u->b1) * g * g);
      w -= u->lr * g / (vsqrt(v) + u->eps);
      vput(u->v + i, v, lanes);
    }
    vput(u->w + i, w, lanes);
    vput(u->g + i, vset(0.0f), lanes);
  }
}

static void optimizer_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_step *step = c->t[EFME_T_STEP];
  int64_t n, first = block_of(c, index, &n);
  struct update u;
  u.w = f32(c, EFME_T_W) + first;
  u.g = f32(c, EFME_T_DW) + first;
  u.m = c->t[EFME_T_X] ? f32(c, EFME_T_X) + first : NULL;
  u.v = c->t[EFME_T_Y] ? f32(c, EFME_T_Y) + first : NULL;
  u.b1 = vset(op->f[0]), u.b2 = vset(op->f[1]), u.eps = vset(op->f[2]), u.lr = vset(step->lr);
  u.alpha = vset((float)((double)step->lr * (double)step->correct1 / efme_sqrt((double)step->correct2)));
  u.shrink = vset((float)(1.0 - (double)step->lr * (double)op->f[3]));
  if (op->i[0] == EFME_ADAM) update_block(&u, n, EFME_ADAM);
  else if (op->i[0] == EFME_ADAMW) update_block(&u, n, EFME_ADAMW);
  else if (op->i[0] == EFME_SGD) update_block(&u, n, EFME_SGD);
  else update_block(&u, n, EFME_RMSPROP);
}

/* ---- EMA ---- */
static void ema_begin(struct efme_cpu_call *c) { range_begin(c, EFME_T_X); }

static void ema_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t n, first = block_of(c, index, &n);
  float d = ((const struct efme_step *)c->t[EFME_T_STEP])->ema_decay;
  const float *x = f32(c, EFME_T_X) + first;
  float *y = f32(c, EFME_T_Y) + first;
  for (int64_t i = 0; i < n; i += VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    vput(y + i, vfma(vset(d), vget(y + i, lanes), vset(1.0f - d) * vget(x + i, lanes)), lanes);
  }
}

/* ---- FOLD: rows of the kernel; s is made again for each block of rows ---- */
static void fold_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *w = shape(c, EFME_T_W);
  c->v[0] = count_of(w, c->batch) / w->c;
  c->count[0] = (uint32_t)ceil_div(w->c, 64);
  c->serial = count_of(w, c->batch) < SMALL_WORK / 4;
}

static void fold_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t channels = shape(c, EFME_T_W)->c, c0 = index * (int64_t)64, c1 = EFME_MIN(c0 + 64, channels);
  const float *gamma = f32(c, EFME_T_GAMMA), *beta = f32(c, EFME_T_BETA), *mean = f32(c, EFME_T_MEAN), *var = f32(c, EFME_T_VAR);
  double s[64];
  for (int64_t k = c0; k < c1; k++) {
    s[k - c0] = (double)gamma[k] / efme_sqrt((double)var[k] + (double)c->op->f[1]);
    f32(c, EFME_T_BIAS)[k] = (float)((double)beta[k] - (double)mean[k] * s[k - c0]);
  }
  for (int64_t r = 0; r < c->v[0]; r++)
    for (int64_t k = c0; k < c1; k++) f32(c, EFME_T_Y)[r * channels + k] = (float)((double)f32(c, EFME_T_W)[r * channels + k] * s[k - c0]);
}

EFME_TABLE(range) = {
    {EFME_OP_PENALTY, penalty_needs, penalty_begin, {penalty_task, penalty_merge}},
    {EFME_OP_OPTIMIZER, NULL, optimizer_begin, {optimizer_task}},
    {EFME_OP_EMA, NULL, ema_begin, {ema_task}},
    {EFME_OP_FOLD, NULL, fold_begin, {fold_task}},
    {0, NULL, NULL, {NULL}},
};
