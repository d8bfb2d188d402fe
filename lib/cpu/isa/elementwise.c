/* Ops without neighbours, and small reductions over an image or a row:
 *   FILL Y = f[0];  ADD Y = X + RES;  ACT Y = act(X);  ACT_DX DX = DY act'(X)
 *   POOL Y = spatial mean of X;  POOL_DX DX = DY / (h w);  DROPOUT Y = X keep;  SOFTMAX Y = softmax(X f[0]) */
#include "cpu/isa/kernel.h"

/* ---- element by element: BLOCK elements a task ---- */
#define BLOCK 16384

static void flat_begin(struct efme_cpu_call *c) {
  int role = c->t[EFME_T_Y] ? EFME_T_Y : EFME_T_DX;
  int64_t n = count_of(shape(c, role), c->batch);
  c->v[0] = n;
  c->count[0] = (uint32_t)ceil_div(n, BLOCK);
  c->serial = n < SMALL_WORK / 2;
}

/* The task's elements [first, first + *n). */
INLINE int64_t flat_block(const struct efme_cpu_call *c, uint32_t index, int64_t *n) {
  int64_t first = index * (int64_t)BLOCK;
  *n = EFME_MIN(c->v[0] - first, (int64_t)BLOCK);
  return first;
}

static void fill_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t n, first = flat_block(c, index, &n);
  float *y = f32(c, EFME_T_Y) + first;
  for (int64_t i = 0; i < n; i += VL) vput(y + i, vset(c->op->f[0]), (int)EFME_MIN(n - i, (int64_t)VL));
}

static void add_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t n, first = flat_block(c, index, &n);
  const float *x = f32(c, EFME_T_X) + first, *r = f32(c, EFME_T_RES) + first;
  float *y = f32(c, EFME_T_Y) + first;
  for (int64_t i = 0; i < n; i += VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    vput(y + i, vget(x + i, lanes) + vget(r + i, lanes), lanes);
  }
}

static void act_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t n, first = flat_block(c, index, &n);
  const float *x = f32(c, EFME_T_X) + first;
  float *y = f32(c, EFME_T_Y) + first;
  for (int64_t i = 0; i < n; i += VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    vput(y + i, vact(c->op->act, vget(x + i, lanes)), lanes);
  }
}

static void act_dx_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t n, first = flat_block(c, index, &n);
  const float *x = f32(c, EFME_T_X) + first, *dy = f32(c, EFME_T_DY) + first;
  float *dx = f32(c, EFME_T_DX) + first;
  for (int64_t i = 0; i < n; i += VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    vput(dx + i, vget(dy + i, lanes) * vact_slope(c->op->act, vget(x + i, lanes)), lanes);
  }
}

/* ---- POOL: an image a task; float sums over 64 pixels, then double ---- */
#define RUN 64

static void pool_begin(struct efme_cpu_call *c) {
  c->count[0] = (uint32_t)images_of(shape(c, EFME_T_X), c->batch);
  c->serial = count_of(shape(c, EFME_T_X), c->batch) < SMALL_WORK;
}

static void pool_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *t = shape(c, EFME_T_X);
  int64_t channels = t->c, pixels = pixels_of(t);
  for (int64_t at = 0; at < channels; at += VL) {
    int lanes = (int)EFME_MIN(channels - at, (int64_t)VL);
    const float *x = f32(c, EFME_T_X) + index * pixels * channels + at;
    double sums[VL] = {0};
    for (int64_t p = 0; p < pixels; p += RUN) {
      vf s = vset(0.0f);
      for (int64_t i = p; i < EFME_MIN(p + RUN, pixels); i++) s += vget(x + i * channels, lanes);
      vadd_double(sums, s);
    }
    for (int i = 0; i < lanes; i++) f32(c, EFME_T_Y)[index * channels + at + i] = (float)(sums[i] / (double)pixels);
  }
}

static void pool_dx_begin(struct efme_cpu_call *c) {
  c->count[0] = (uint32_t)images_of(shape(c, EFME_T_DX), c->batch);
  c->serial = count_of(shape(c, EFME_T_DX), c->batch) < SMALL_WORK / 2;
}

static void pool_dx_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *t = shape(c, EFME_T_DX);
  int64_t channels = t->c, pixels = pixels_of(t);
  const float *dy = f32(c, EFME_T_DY) + index * channels;
  float *dx = f32(c, EFME_T_DX) + index * pixels * channels;
  vf count = vset((float)pixels);
  for (int64_t at = 0; at < channels; at += VL) {
    int lanes = (int)EFME_MIN(channels - at, (int64_t)VL);
    vf v = vget(dy + at, lanes) / count;
    for (int64_t p = 0; p < pixels; p++) vput(dx + p * channels + at, v, lanes);
  }
}

/* ---- DROPOUT and SOFTMAX: an image a task ---- */
static void image_begin(struct efme_cpu_call *c) {
  c->count[0] = (uint32_t)images_of(shape(c, EFME_T_X), c->batch);
  c->serial = count_of(shape(c, EFME_T_X), c->batch) < SMALL_WORK / 16;
}

static void dropout_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *t = shape(c, EFME_T_X);
  const struct efme_step *step = c->t[EFME_T_STEP];
  int64_t n = pixels_of(t) * t->c;
  uint32_t stream = (uint32_t)c->op->i[0] << 16, id = (uint32_t)((const int32_t *)c->t[EFME_T_ID])[index];
  const float *x = f32(c, EFME_T_X) + index * n;
  float *y = f32(c, EFME_T_Y) + index * n, up = (float)(1.0 / (1.0 - (double)c->op->f[0]));
  for (int64_t e = 0; e < n; e += 4) {
    uint32_t word[4];
    efme_philox(word, step->seed, EFME_RNG_DROPOUT, step->epoch, id, stream | (uint32_t)(e >> 2));
    for (int64_t k = e; k < EFME_MIN(e + 4, n); k++) y[k] = efme_unit_f32(word[k & 3]) < c->op->f[0] ? 0.0f : x[k] * up;
  }
}

static void softmax_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *t = shape(c, EFME_T_X);
  int64_t n = t->c, rows = pixels_of(t);
  double factor = (double)c->op->f[0];
  for (int64_t r = 0; r < rows; r++) {
    const float *x = f32(c, EFME_T_X) + (index * rows + r) * n;
    float *y = f32(c, EFME_T_Y) + (index * rows + r) * n;
    double top = (double)x[0] * factor, sum = 0;
    for (int64_t k = 1; k < n; k++) top = EFME_MAX(top, (double)x[k] * factor);
    for (int64_t k = 0; k < n; k++) sum += efme_exp((double)x[k] * factor - top);
    for (int64_t k = 0; k < n; k++) y[k] = (float)(efme_exp((double)x[k] * factor - top) / sum);
  }
}

EFME_TABLE(elementwise) = {
    {EFME_OP_FILL, NULL, flat_begin, {fill_task}},
    {EFME_OP_ADD, NULL, flat_begin, {add_task}},
    {EFME_OP_ACT, NULL, flat_begin, {act_task}},
    {EFME_OP_ACT_DX, NULL, flat_begin, {act_dx_task}},
    {EFME_OP_POOL, NULL, pool_begin, {pool_task}},
    {EFME_OP_POOL_DX, NULL, pool_dx_begin, {pool_dx_task}},
    {EFME_OP_DROPOUT, NULL, image_begin, {dropout_task}},
    {EFME_OP_SOFTMAX, NULL, image_begin, {softmax_task}},
    {0, NULL, NULL, {NULL}},
};
