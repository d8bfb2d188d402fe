/* LOSS: focal loss on logits X [B][N], gamma = f[0], label smoothing f[1], in double: N is a few classes.
 *   t_c = (1 - f[1]) target_c + f[1]/N;  p = softmax(X);  L = -GATE sum_c t_c ALPHA_c q_c^gamma log p_c,  q = 1 - p
 *   dL/dX_k = sum_c g_c ([c = k] - p_k) = g_k q_k - p_k sum over c != k of g_c
 *   g_c = dL/d log p_c = -GATE t_c ALPHA_c (q_c^gamma - gamma q_c^(gamma-1) p_c log p_c)
 * The largest exponential is 1; `rest` is the sum of the others. q_c and log p_c come from it without 1 - p or log(p), which
 * lose everything once the network is sure. One task: SUMS is added up in the images' order. */
#include "cpu/isa/kernel.h"

/* The softmax of one row, without storage: N may be any. */
struct row {
  const float *x;
  int64_t n, top;
  double largest, rest;
};

static int64_t argmax(const float *x, int64_t n) {
  int64_t top = 0;
  for (int64_t c = 1; c < n; c++)
    if (x[c] > x[top]) top = c;
  return top;
}

static double weight(const struct row *r, int64_t c) { return efme_exp((double)r->x[c] - r->largest); }

static struct row row_of(const float *x, int64_t n) {
  struct row r = {x, n, argmax(x, n), 0, 0};
  r.largest = x[r.top];
  for (int64_t c = 0; c < n; c++)
    if (c != r.top) r.rest += weight(&r, c);
  return r;
}

/* log(1 + y), y >= 0: what 1 + y lost to rounding is divided out. */
static double log_plus_1(double y) {
  double u = 1 + y;
  return u == 1 ? y : efme_log(u) * (y / (u - 1));
}

struct class_terms {
  double p, q, log_p, focal, slope; /* q^gamma, and d(q^gamma log p)/d(log p) */
};

static struct class_terms terms_of(const struct row *r, int64_t c, double gamma) {
  struct class_terms t;
  double sum = 1 + r->rest, others = 1;
  if (c == r->top) others = r->rest;
  else if (r->n > 2) { /* all but c: rest - own would cancel where c holds nearly all of rest */
    for (int64_t j = 0; j < r->n; j++)
      if (j != c && j != r->top) others += weight(r, j);
  }
  t.p = weight(r, c) / sum;
  t.q = others / sum;
  t.log_p = (double)r->x[c] - r->largest - log_plus_1(r->rest);
  t.focal = gamma == 0 ? 1 : t.q > 0 ? efme_pow(t.q, gamma) : t.q == 0 ? 0 : t.q;
  t.slope = gamma == 0 || !(t.q > 0) ? t.focal : t.focal - gamma * (t.focal / t.q) * t.p * t.log_p;
  return t;
}

/* -GATE t_c ALPHA_c */
static double factor_of(const struct efme_cpu_call *c, int64_t image, int64_t k, int64_t n, int64_t label) {
  const float *soft = f32(c, EFME_T_SCALE), *alpha = f32(c, EFME_T_BIAS), *sample = f32(c, EFME_T_GATE);
  double smooth = (double)c->op->f[1], target = soft ? (double)soft[image * n + k] : (double)(k == label);
  target = (1 - smooth) * target + smooth / (double)n;
  return -target * (alpha ? (double)alpha[k] : 1) * (sample ? (double)sample[image] : 1);
}

static double loss_image(const struct efme_cpu_call *c, int64_t image, int64_t n, int64_t label, int64_t *top) {
  struct row r = row_of(f32(c, EFME_T_X) + image * n, n);
  float *dx = f32(c, EFME_T_DX), *p = f32(c, EFME_T_P);
  double gamma = (double)c->op->f[0], loss = 0;
  *top = r.top;
  for (int64_t k = 0; k < n; k++) {
    struct class_terms t = terms_of(&r, k, gamma);
    double f = factor_of(c, image, k, n, label);
    if (f != 0) loss += f * t.focal * t.log_p;
    if (p) p[image * n + k] = (float)t.p;
    if (!dx) continue;
    double g = f * t.slope * t.q;
    for (int64_t j = 0; j < n; j++) {
      double fj = j == k ? 0 : factor_of(c, image, j, n, label);
      if (fj != 0) g -= t.p * fj * terms_of(&r, j, gamma).slope;
    }
    dx[image * n + k] = (float)(g / (double)c->batch);
  }
  return loss;
}

static void loss_begin(struct efme_cpu_call *c) { c->count[0] = 1; }

static void loss_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t n = pixels_of(x) * x->c, images = images_of(x, c->batch);
  const int32_t *labels = c->t[EFME_T_W];
  const float *soft = f32(c, EFME_T_SCALE);
  double *sums = c->t[EFME_T_SUMS], total = 0, hits = 0;
  (void)index;
  for (int64_t i = 0; i < images; i++) {
    int64_t top, label = labels ? labels[i] : argmax(soft + i * n, n);
    double loss = loss_image(c, i, n, label, &top);
    f32(c, EFME_T_Y)[i] = (float)loss;
    total += loss;
    hits += top == label;
  }
  sums[0] += total;
  sums[1] += (double)images;
  sums[2] += hits;
  sums[3] += 1;
}

EFME_TABLE(loss) = {
    {EFME_OP_LOSS, NULL, loss_begin, {loss_task}},
    {0, NULL, NULL, {NULL}},
};
