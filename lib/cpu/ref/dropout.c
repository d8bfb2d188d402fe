/* DROPOUT: Y = X keep, element e of image b: keep = 0 where u < f[0], else 1/(1 - f[0]);
 * u = unit of word (e & 3) of philox(seed, DROPOUT, epoch, ID[b], i[0] << 16 | e >> 2). The same op on a gradient is its backward. */
#include "cpu/ref/ref.h"

#include "util/util.h"

efme_status efme_ref_dropout(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  int64_t size = x->h * x->w * x->c;
  uint32_t stream = (uint32_t)a->op->i[0] << 16;
  efme_status status;
  if ((status = efme_ref_need_like(a, EFME_T_Y, EFME_T_X)) || (status = efme_ref_need_count(a, EFME_T_ID, a->batch))) return status;
  if (x->n != a->batch) return efme_ref_bad(a, "X is not batched");
  for (int64_t i = 0; i < x->count; i++) {
    uint32_t word[4], e = (uint32_t)(i % size);
    efme_philox(word, a->step->seed, EFME_RNG_DROPOUT, a->step->epoch, (uint32_t)((const int32_t *)a->t[EFME_T_ID].p)[i / size],
                stream | e >> 2);
    int drop = efme_unit_f32(word[e & 3]) < a->op->f[0];
    efme_ref_set(y, i, drop ? 0 : efme_ref_get(x, i) / (1 - (double)a->op->f[0]));
  }
  return EFME_OK;
}
