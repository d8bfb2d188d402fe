/* LOSS: focal loss on logits X [B][N], gamma = f[0], label smoothing f[1], in double: N is a few classes.
 *   t_c = (1 - f[1]) target_c + f[1]/N;  p = softmax(X);  L = -GATE sum_c t_c ALPHA_c q_c^gamma log p_c,  q = 1 - p
 *   dL/dX_k = sum_c g_c ([c = k] - p_k) = g_k q_k - p_k sum over c != k of g_c
 *   g_c = dL/d log p_c = -GATE t_c ALPHA_c (q_c^gamma - gamma q_c^(gamma-1) p_c log p_c)
 * The largest exponential is 1; `rest` is the sum of the others. q_c and log p_c come from it without 1 - p or log(p), which
 * lose everything once the network is sure; for the same reason the sum over c != k is made of what stands before k and what
 * stands behind it. One task: SUMS is added up in the images' order. The program's scratch holds a row's e, g and sums. */
#include "cpu/isa/kernel.h"

struct row {
  const float *x;
  int64_t n, top;
  double largest, rest, gamma;
  double *e, *g, *behind; /* exp(x - largest), g_c, sum of g over the classes behind c */
};

static int64_t argmax(const float *x, int64_t n) {
  int64_t top = 0;
  for (int64_t c = 1; c < n; c++)
    if (x[c] > x[top]) top = c;
  return top;
}

static void row_open(struct row *r, const float *x) {
  r->x = x;
  r->top = argmax(x, r->n);
  r->largest = x[r->top];
  r->rest = 0;
  for (int64_t c = 0; c < r->n; c++) {
    r->e[c] = efme_exp((double)x[c] - r->largest);
    if (c != r->top) r->rest += r->e[c];
  }
}

/* log(1 + y), y >= 0: what 1 + y lost to rounding is divided out. */
static double log_plus_1(double y) {
  double u = 1 + y;
  return u == 1 ? y : efme_log(u) * (y / (u - 1));
}

static double q_of(const struct row *r, int64_t c) {
  double others = c == r->top ? r->rest : 1 + EFME_MAX(r->rest - r->e[c], 0.0); /* e_c <= 1: nothing cancels */
  return others / (1 + r->rest);
}

static double log_p(const struct row *r, int64_t c) { return (double)r->x[c] - r->largest - log_plus_1(r->rest); }

static double power(double q, double gamma) { return gamma == 0 ? 1 : q > 0 ? efme_pow(q, gamma) : q == 0 ? 0 : q; }

/* -GATE t_c ALPHA_c */
static double factor_of(const struct efme_cpu_call *c, int64_t image, int64_t k, int64_t n, int64_t label) {
  const float *soft = f32(c, EFME_T_SCALE), *alpha = f32(c, EFME_T_BIAS), *sample = f32(c, EFME_T_GATE);
  double smooth = (double)c->op->f[1], target = soft ? (double)soft[image * n + k] : (double)(k == label);
  target = (1 - smooth) * target + smooth / (double)n;
  return -target * (alpha ? (double)alpha[k] : 1) * (sample ? (double)sample[image] : 1);
}

/* The loss of an image, and g. */
static double loss_image(const struct efme_cpu_call *c, struct row *r, int64_t image, int64_t label) {
  double loss = 0;
  for (int64_t k = 0; k < r->n; k++) {
    double f = factor_of(c, image, k, r->n, label), q = q_of(r, k), focal = power(q, r->gamma), slope = focal, l = log_p(r, k);
    if (f != 0) loss += f * focal * l;
    if (r->gamma != 0 && q > 0) slope -= r->gamma * (focal / q) * (r->e[k] / (1 + r->rest)) * l;
    r->g[k] = f != 0 ? f * slope : 0;
  }
  return loss;
}

static void gradient(const struct row *r, float *dx, double batch) {
  double sum = 0;
  for (int64_t k = r->n; k-- > 0; sum += r->g[k]) r->behind[k] = sum;
  sum = 0;
  for (int64_t k = 0; k < r->n; sum += r->g[k++])
    dx[k] = (float)((r->g[k] * q_of(r, k) - r->e[k] / (1 + r->rest) * (sum + r->behind[k])) / batch);
}

static void loss_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  (void)max_batch;
  needs->scratch = (size_t)op->t[EFME_T_X].c * 3 * sizeof(double);
}

static void loss_begin(struct efme_cpu_call *c) { c->count[0] = 1; }

static void loss_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t n = x->c, images = images_of(x, c->batch);
  const int32_t *labels = c->t[EFME_T_W];
  const float *soft = f32(c, EFME_T_SCALE);
  float *dx = f32(c, EFME_T_DX), *p = f32(c, EFME_T_P);
  double *sums = c->t[EFME_T_SUMS], *room = (double *)(void *)c->scratch, total = 0, hits = 0;
  struct row r = {NULL, n, 0, 0, 0, (double)c->op->f[0], room, room + n, room + 2 * n};
  (void)index;
  for (int64_t i = 0; i < images; i++) {
    int64_t label = labels ? labels[i] : argmax(soft + i * n, n);
    row_open(&r, f32(c, EFME_T_X) + i * n);
    double loss = loss_image(c, &r, i, label);
    if (dx) gradient(&r, dx + i * n, (double)c->batch);
    for (int64_t k = 0; p && k < n; k++) p[i * n + k] = (float)(r.e[k] / (1 + r.rest));
    f32(c, EFME_T_Y)[i] = (float)loss;
    total += loss;
    hits += r.top == label;
  }
  sums[0] += total;
  sums[1] += (double)images;
  sums[2] += hits;
  sums[3] += 1;
}

EFME_TABLE(loss) = {
    {EFME_OP_LOSS, loss_needs, loss_begin, {loss_task}},
    {0, NULL, NULL, {NULL}},
};
