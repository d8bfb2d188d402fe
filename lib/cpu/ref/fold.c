/* FOLD: a following BN with stored statistics folded into a kernel whose last dimension is BN's channel:
 *   s[c] = GAMMA[c] / sqrt(VAR[c] + f[1]);  Y[.., c] = W[.., c] s[c];  BIAS[c] = BETA[c] - MEAN[c] s[c] */
#include "cpu/ref/ref.h"

#include "util/util.h"

efme_status efme_ref_fold(const struct efme_ref_args *a) {
  const struct efme_ref_view *w = &a->t[EFME_T_W], *y = &a->t[EFME_T_Y], *gamma = &a->t[EFME_T_GAMMA], *var = &a->t[EFME_T_VAR];
  static const int by_channel[] = {EFME_T_BETA, EFME_T_MEAN, EFME_T_VAR, EFME_T_BIAS};
  int64_t channels = gamma->count;
  efme_status status = efme_ref_need_count(a, EFME_T_Y, w->count);
  if (status) return status;
  for (size_t k = 0; k < EFME_COUNT(by_channel); k++)
    if ((status = efme_ref_need_count(a, by_channel[k], channels))) return status;
  if (channels == 0 || w->count % channels) return efme_ref_bad(a, "W is not a whole number of channels");
  for (int64_t i = 0; i < w->count; i++) {
    int64_t c = i % channels;
    efme_ref_set(y, i, efme_ref_get(w, i) * (efme_ref_get(gamma, c) / efme_sqrt(efme_ref_get(var, c) + a->op->f[1])));
  }
  for (int64_t c = 0; c < channels; c++) {
    double s = efme_ref_get(gamma, c) / efme_sqrt(efme_ref_get(var, c) + a->op->f[1]);
    efme_ref_set(&a->t[EFME_T_BIAS], c, efme_ref_get(&a->t[EFME_T_BETA], c) - efme_ref_get(&a->t[EFME_T_MEAN], c) * s);
  }
  return EFME_OK;
}
