/* PENALTY: SUMS[0] = f[0] sum |W| + f[1] sum W^2, set; DW += f[0] sign(W) + 2 f[1] W, sign(0) = 0. W of any shape. */
#include "cpu/ref/ref.h"

efme_status efme_ref_penalty(const struct efme_ref_args *a) {
  const struct efme_ref_view *w = &a->t[EFME_T_W], *dw = &a->t[EFME_T_DW];
  double l1 = a->op->f[0], l2 = a->op->f[1], sum = 0, squares = 0;
  efme_status status;
  if ((status = efme_ref_need_count(a, EFME_T_DW, w->count)) || (status = efme_ref_need_count(a, EFME_T_SUMS, 1))) return status;
  for (int64_t i = 0; i < w->count; i++) {
    double v = efme_ref_get(w, i), sign = (double)((v > 0) - (v < 0));
    sum += sign * v;
    squares += v * v;
    if (dw->p) efme_ref_add(dw, i, l1 * sign + 2 * l2 * v);
  }
  efme_ref_set(&a->t[EFME_T_SUMS], 0, l1 * sum + l2 * squares);
  return EFME_OK;
}
