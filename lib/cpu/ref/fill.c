/* FILL: Y = f[0].   ADD: Y = X + RES. Any shapes, equal ones for ADD. */
#include "cpu/ref/ref.h"

efme_status efme_ref_fill(const struct efme_ref_args *a) {
  for (int64_t i = 0; i < a->t[EFME_T_Y].count; i++) efme_ref_set(&a->t[EFME_T_Y], i, a->op->f[0]);
  return EFME_OK;
}

efme_status efme_ref_sum(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y], *res = &a->t[EFME_T_RES];
  efme_status status;
  if ((status = efme_ref_need_like(a, EFME_T_Y, EFME_T_X)) || (status = efme_ref_need_like(a, EFME_T_RES, EFME_T_X))) return status;
  for (int64_t i = 0; i < y->count; i++) efme_ref_set(y, i, efme_ref_get(x, i) + efme_ref_get(res, i));
  return EFME_OK;
}
