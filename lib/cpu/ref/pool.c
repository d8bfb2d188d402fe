/* Global average pooling. POOL: Y[b,c] = mean over h, w of X[b,h,w,c].   POOL_DX: DX[b,h,w,c] = DY[b,c] / (h w), set. */
#include "cpu/ref/ref.h"

efme_status efme_ref_pool(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  int64_t area = x->h * x->w;
  efme_status status = efme_ref_need_shape(a, EFME_T_Y, x->n, 1, 1, x->c);
  if (status) return status;
  for (int64_t j = 0; j < y->count; j++) {
    double sum = 0;
    for (int64_t m = 0; m < area; m++) sum += efme_ref_get(x, (j / x->c * area + m) * x->c + j % x->c);
    efme_ref_set(y, j, sum / (double)area);
  }
  return EFME_OK;
}

efme_status efme_ref_pool_dx(const struct efme_ref_args *a) {
  const struct efme_ref_view *dx = &a->t[EFME_T_DX], *dy = &a->t[EFME_T_DY];
  int64_t area = dx->h * dx->w;
  efme_status status = efme_ref_need_shape(a, EFME_T_DY, dx->n, 1, 1, dx->c);
  if (status) return status;
  for (int64_t i = 0; i < dx->count; i++) efme_ref_set(dx, i, efme_ref_get(dy, i / (area * dx->c) * dx->c + i % dx->c) / (double)area);
  return EFME_OK;
}
