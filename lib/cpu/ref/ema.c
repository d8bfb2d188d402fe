/* EMA: Y = d Y + (1 - d) X, d = step.ema_decay: a moving average of the weights. */
#include "cpu/ref/ref.h"

efme_status efme_ref_ema(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  double d = a->step->ema_decay;
  efme_status status = efme_ref_need_count(a, EFME_T_Y, x->count);
  if (status) return status;
  for (int64_t i = 0; i < x->count; i++) efme_ref_set(y, i, d * efme_ref_get(y, i) + (1 - d) * efme_ref_get(x, i));
  return EFME_OK;
}
