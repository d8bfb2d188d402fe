/* MATMUL: X [M][K], M = images h w rows; Y [M][N] = act((X GATE) W + BIAS) + RES. W is [K][N], with flag TRANSPOSED stored [N][K].
 * GATE [B][K] is by image. RES may be Y itself: Y += ...
 * MATMUL_DW: DW [K][N] += (X GATE)^T DY; DB [N] += column sums of DY. */
#include "cpu/ref/ref.h"

static double gated(const struct efme_ref_args *a, int64_t m, int64_t k) {
  const struct efme_ref_view *x = &a->t[EFME_T_X];
  return efme_ref_get(x, m * x->c + k) * efme_ref_get_or(&a->t[EFME_T_GATE], m / (x->h * x->w) * x->c + k, 1);
}

static efme_status check(const struct efme_ref_args *a, int out, int weight) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[out];
  efme_status status;
  if ((status = efme_ref_need_shape(a, out, x->n, x->h, x->w, y->c)) || (status = efme_ref_need_count(a, weight, x->c * y->c)) ||
      (status = efme_ref_need_shape(a, EFME_T_GATE, x->n, 1, 1, x->c)) || (status = efme_ref_need_count(a, EFME_T_BIAS, y->c)))
    return status;
  if ((status = efme_ref_need_count(a, EFME_T_DB, y->c)) || (status = efme_ref_need_count(a, EFME_T_GAMMA, y->c))) return status;
  return efme_ref_need_like(a, EFME_T_RES, out);
}

efme_status efme_ref_matmul(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y], *w = &a->t[EFME_T_W];
  int transposed = (a->op->flags & EFME_OP_TRANSPOSED) != 0;
  efme_status status = check(a, EFME_T_Y, EFME_T_W);
  if (status) return status;
  for (int64_t i = 0; i < y->count; i++) {
    int64_t n = i % y->c, m = i / y->c;
    double sum = efme_ref_get_or(&a->t[EFME_T_BIAS], n, 0);
    for (int64_t k = 0; k < x->c; k++) sum += gated(a, m, k) * efme_ref_get(w, transposed ? n * x->c + k : k * y->c + n);
    efme_ref_set(y, i, efme_ref_act_of(a, n, sum) + efme_ref_get_or(&a->t[EFME_T_RES], i, 0));
  }
  return EFME_OK;
}

efme_status efme_ref_matmul_dw(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *dy = &a->t[EFME_T_DY], *dw = &a->t[EFME_T_DW], *db = &a->t[EFME_T_DB];
  int64_t rows = x->n * x->h * x->w;
  efme_status status = check(a, EFME_T_DY, EFME_T_DW);
  if (status) return status;
  for (int64_t i = 0; i < dw->count; i++) {
    double sum = 0;
    for (int64_t m = 0; m < rows; m++) sum += gated(a, m, i / dy->c) * efme_ref_get(dy, m * dy->c + i % dy->c);
    efme_ref_add(dw, i, sum);
  }
  for (int64_t n = 0; db->p && n < dy->c; n++) {
    double sum = 0;
    for (int64_t m = 0; m < rows; m++) sum += efme_ref_get(dy, m * dy->c + n);
    efme_ref_add(db, n, sum);
  }
  return EFME_OK;
}
