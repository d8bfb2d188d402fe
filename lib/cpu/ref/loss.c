/* SOFTMAX: Y = softmax(X f[0]) over the last dimension.
 * LOSS: focal loss on logits X [B][N], gamma = f[0], label smoothing f[1]. With p = softmax(X), q = 1 - p, l = log p:
 *   t_c = (1 - f[1]) target_c + f[1]/N;   L_b = -GATE_b sum_c t_c ALPHA_c q_c^gamma l_c
 *   G_c = dL/dl_c = -GATE_b t_c ALPHA_c (q_c^gamma - gamma q_c^(gamma-1) p_c l_c)
 *   dL/dX_k = sum_c G_c ([c = k] - p_k) = G_k q_k - p_k sum over c != k of G_c;   DX = that / B
 * q and l are made from sums of the other classes' exponentials, never as 1 - p or log(p): full precision at any confidence. With
 * one label the sum over c != k is S - G_k = 0 exactly where k is the label.
 * target is SCALE where it is given, else the one-hot of W; the label whose hits are counted is W where given, else SCALE's argmax.
 * A label outside 0 .. N-1 is a target of zeros. Ties of argmax go to the lowest class. */
#include "cpu/ref/ref.h"

#include "util/util.h"

/* What a row of logits gives: largest, its class, and the sum of exp(x_j - largest) over the other classes. */
struct row {
  const struct efme_ref_view *x;
  int64_t first, n, top;
  double factor, largest, rest;
};

static int64_t argmax(const struct efme_ref_view *v, int64_t first, int64_t n) {
  int64_t top = 0;
  for (int64_t c = 1; c < n; c++)
    if (efme_ref_get(v, first + c) > efme_ref_get(v, first + top)) top = c;
  return top;
}

static double shifted(const struct row *r, int64_t c) { return efme_ref_get(r->x, r->first + c) * r->factor - r->largest; }

static struct row row_open(const struct efme_ref_view *x, int64_t first, int64_t n, double factor) {
  struct row r = {x, first, n, argmax(x, first, n), factor, 0, 0};
  if (factor < 0) /* the largest product is the smallest logit's */
    for (int64_t c = 0; c < n; c++)
      if (efme_ref_get(x, first + c) < efme_ref_get(x, first + r.top)) r.top = c;
  r.largest = efme_ref_get(x, first + r.top) * factor;
  for (int64_t c = 0; c < n; c++)
    if (c != r.top) r.rest += efme_exp(shifted(&r, c));
  return r;
}

static double row_p(const struct row *r, int64_t c) { return efme_exp(shifted(r, c)) / (1 + r->rest); }

/* The other classes' share: the largest is among them unless c is the largest itself, so nothing cancels. */
static double row_q(const struct row *r, int64_t c) {
  double others = c == r->top ? r->rest : 1 + (r->rest - efme_exp(shifted(r, c)));
  return others / (1 + r->rest);
}

/* log(1 + y) for y >= 0: the rounding error of 1 + y is divided out. */
static double log1p_(double y) {
  double u = 1 + y;
  return u - 1 == 0 ? y : efme_log(u) * (y / (u - 1));
}

static double row_log(const struct row *r, int64_t c) { return shifted(r, c) - log1p_(r->rest); }

efme_status efme_ref_softmax(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  efme_status status = efme_ref_need_like(a, EFME_T_Y, EFME_T_X);
  if (status) return status;
  for (int64_t first = 0; first < x->count; first += x->c) {
    struct row r = row_open(x, first, x->c, a->op->f[0]);
    for (int64_t c = 0; c < x->c; c++) efme_ref_set(y, first + c, row_p(&r, c));
  }
  return EFME_OK;
}

static double power(double q, double gamma) { return gamma == 0 ? 1 : q > 0 ? efme_pow(q, gamma) : 0; }

/* -t_c ALPHA_c GATE_b: the factor of class c in image b's loss. */
static double factor(const struct efme_ref_args *a, int64_t b, int64_t c, int64_t label) {
  const struct efme_ref_view *soft = &a->t[EFME_T_SCALE];
  int64_t n = a->t[EFME_T_X].c;
  double smooth = a->op->f[1], target = soft->p ? efme_ref_get(soft, b * n + c) : (double)(c == label);
  target = (1 - smooth) * target + smooth / (double)n;
  return -target * efme_ref_get_or(&a->t[EFME_T_BIAS], c, 1) * efme_ref_get_or(&a->t[EFME_T_GATE], b, 1);
}

static double slope(const struct efme_ref_args *a, const struct row *r, int64_t b, int64_t c, int64_t label) {
  double gamma = a->op->f[0], q = row_q(r, c), s = power(q, gamma);
  if (gamma != 0 && q > 0) s -= gamma * s / q * row_p(r, c) * row_log(r, c);
  return factor(a, b, c, label) * s;
}

static efme_status check(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X];
  int64_t rows = x->n;
  efme_status status;
  if (x->h != 1 || x->w != 1 || x->n != a->batch) return efme_ref_bad(a, "X is not batched 1 x 1 x N");
  if (!a->t[EFME_T_W].p && !a->t[EFME_T_SCALE].p) return efme_ref_bad(a, "neither labels (W) nor soft targets (SCALE)");
  if ((status = efme_ref_need_count(a, EFME_T_Y, rows)) || (status = efme_ref_need_count(a, EFME_T_W, rows)) ||
      (status = efme_ref_need_count(a, EFME_T_GATE, rows)) || (status = efme_ref_need_count(a, EFME_T_BIAS, x->c)))
    return status;
  if ((status = efme_ref_need_like(a, EFME_T_SCALE, EFME_T_X)) || (status = efme_ref_need_like(a, EFME_T_DX, EFME_T_X)) ||
      (status = efme_ref_need_like(a, EFME_T_P, EFME_T_X)))
    return status;
  return efme_ref_need_count(a, EFME_T_SUMS, 4);
}

efme_status efme_ref_loss(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *labels = &a->t[EFME_T_W], *soft = &a->t[EFME_T_SCALE];
  const struct efme_ref_view *dx = &a->t[EFME_T_DX], *p = &a->t[EFME_T_P], *sums = &a->t[EFME_T_SUMS];
  int64_t n = x->c;
  double total = 0, hits = 0;
  efme_status status = check(a);
  if (status) return status;
  for (int64_t b = 0; b < x->n; b++) {
    struct row r = row_open(x, b * n, n, 1);
    int64_t label = labels->p ? ((const int32_t *)labels->p)[b] : argmax(soft, b * n, n);
    double loss = 0;
    for (int64_t c = 0; c < n; c++) {
      double f = factor(a, b, c, label);
      if (f != 0) loss += f * power(row_q(&r, c), a->op->f[0]) * row_log(&r, c);
    }
    double slopes = 0;
    for (int64_t c = 0; dx->p && c < n; c++) slopes += slope(a, &r, b, c, label);
    for (int64_t k = 0; dx->p && k < n; k++) {
      double own = slope(a, &r, b, k, label);
      efme_ref_set(dx, b * n + k, (own * row_q(&r, k) - row_p(&r, k) * (slopes - own)) / (double)a->batch);
    }
    for (int64_t c = 0; p->p && c < n; c++) efme_ref_set(p, b * n + c, row_p(&r, c));
    efme_ref_set(&a->t[EFME_T_Y], b, loss);
    total += loss;
    hits += r.top == label;
  }
  efme_ref_add(sums, 0, total);
  efme_ref_add(sums, 1, (double)a->batch);
  efme_ref_add(sums, 2, hits);
  efme_ref_add(sums, 3, 1);
  return EFME_OK;
}
