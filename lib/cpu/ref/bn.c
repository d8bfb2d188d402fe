/* Batch normalisation with what stands around it; X [B][h][w][C], M = B h w.
 *   BN_STAT    STAT[0] = mean over M, STAT[1] = 1/sqrt(var + f[1]), var biased, two passes;
 *              UPDATE: MEAN = f[0] MEAN + (1 - f[0]) mean, VAR alike; FIXED: STAT from MEAN and VAR.
 *   z = GAMMA xhat + BETA, xhat = (X - mean) rstd, a = act(z)
 *   BN_ACT     POOL[b,c] = spatial mean of a; Y = a GATE keep + RES
 *   BN_REDUCE  dz = (DY GATE keep + POOL / (h w)) act'(z); SUMS = (sum dz, sum dz xhat) over M, and DB += the first, DW += the second
 *   BN_DX      DX = GAMMA rstd (dz - (SUMS0 + xhat SUMS1) / M); FIXED: GAMMA rstd dz
 *   GATE_DX    DX[b,c] = sum over h, w of DY a */
#include "cpu/ref/ref.h"

#include "util/util.h"

double efme_ref_keep(const struct efme_ref_args *a, int64_t n) {
  uint32_t word[4];
  if (!(a->op->flags & EFME_OP_DROPCONNECT_ON)) return 1;
  uint32_t id = (uint32_t)((const int32_t *)a->t[EFME_T_ID].p)[n];
  efme_philox(word, a->step->seed, EFME_RNG_DROPCONNECT, a->step->epoch, id, (uint32_t)a->op->i[0]);
  return efme_unit_f32(word[0]) < a->op->f[0] ? 0 : 1 / (1 - (double)a->op->f[0]);
}

static double xhat(const struct efme_ref_args *a, int64_t i, int64_t c) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *stat = &a->t[EFME_T_STAT];
  return (efme_ref_get(x, i) - efme_ref_get(stat, c)) * efme_ref_get(stat, x->c + c);
}

static double pre(const struct efme_ref_args *a, int64_t i, int64_t c) {
  return efme_ref_get(&a->t[EFME_T_GAMMA], c) * xhat(a, i, c) + efme_ref_get(&a->t[EFME_T_BETA], c);
}

/* Gradient of the loss by z at element i of image b, channel c. */
static double slope(const struct efme_ref_args *a, int64_t i, int64_t b, int64_t c, double keep) {
  const struct efme_ref_view *x = &a->t[EFME_T_X];
  double up = efme_ref_get(&a->t[EFME_T_DY], i) * efme_ref_get_or(&a->t[EFME_T_GATE], b * x->c + c, 1) * keep;
  up += efme_ref_get_or(&a->t[EFME_T_POOL], b * x->c + c, 0) / (double)(x->h * x->w);
  return up * efme_ref_act_slope(a->op->act, pre(a, i, c));
}

static efme_status check(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X];
  static const int by_channel[] = {EFME_T_GAMMA, EFME_T_BETA, EFME_T_MEAN, EFME_T_VAR, EFME_T_DW, EFME_T_DB};
  static const int by_image[] = {EFME_T_GATE, EFME_T_POOL};
  static const int like_x[] = {EFME_T_Y, EFME_T_RES, EFME_T_DY};
  int64_t c = x->p ? x->c : a->t[EFME_T_STAT].count / 2;
  efme_status status;
  if ((status = efme_ref_need_count(a, EFME_T_STAT, 2 * c)) || (status = efme_ref_need_count(a, EFME_T_SUMS, 2 * c)) ||
      (status = efme_ref_need_count(a, EFME_T_ID, a->batch)))
    return status;
  for (size_t k = 0; k < EFME_COUNT(by_channel); k++)
    if ((status = efme_ref_need_count(a, by_channel[k], c))) return status;
  for (size_t k = 0; k < EFME_COUNT(by_image); k++)
    if ((status = efme_ref_need_shape(a, by_image[k], x->n, 1, 1, c))) return status;
  for (size_t k = 0; k < EFME_COUNT(like_x); k++)
    if ((status = efme_ref_need_like(a, like_x[k], EFME_T_X))) return status;
  return EFME_OK;
}

efme_status efme_ref_bn_stat(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *stat = &a->t[EFME_T_STAT], *mm = &a->t[EFME_T_MEAN], *mv = &a->t[EFME_T_VAR];
  int fixed = (a->op->flags & EFME_OP_FIXED) != 0;
  double keep = a->op->f[0];
  efme_status status = check(a);
  if (status) return status;
  int64_t channels = stat->count / 2, rows = fixed ? 0 : x->count / channels;
  for (int64_t c = 0; c < channels; c++) {
    double mean = 0, var = 0;
    for (int64_t m = 0; m < rows; m++) mean += efme_ref_get(x, m * channels + c);
    if (rows) mean /= (double)rows;
    for (int64_t m = 0; m < rows; m++) var += (efme_ref_get(x, m * channels + c) - mean) * (efme_ref_get(x, m * channels + c) - mean);
    if (rows) var /= (double)rows;
    if (fixed) mean = efme_ref_get(mm, c), var = efme_ref_get(mv, c);
    efme_ref_set(stat, c, mean);
    efme_ref_set(stat, channels + c, 1 / efme_sqrt(var + a->op->f[1]));
    if (!fixed && (a->op->flags & EFME_OP_UPDATE)) {
      efme_ref_set(mm, c, keep * efme_ref_get(mm, c) + (1 - keep) * mean);
      efme_ref_set(mv, c, keep * efme_ref_get(mv, c) + (1 - keep) * var);
    }
  }
  return EFME_OK;
}

efme_status efme_ref_bn_act(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y], *pool = &a->t[EFME_T_POOL];
  efme_status status = check(a);
  if (status) return status;
  for (int64_t b = 0; b < x->n; b++) {
    double keep = efme_ref_keep(a, b);
    for (int64_t c = 0; c < x->c; c++) {
      double sum = 0, factor = efme_ref_get_or(&a->t[EFME_T_GATE], b * x->c + c, 1) * keep;
      for (int64_t m = 0; m < x->h * x->w; m++) {
        int64_t i = (b * x->h * x->w + m) * x->c + c;
        double v = efme_ref_act(a->op->act, pre(a, i, c));
        sum += v;
        if (y->p) efme_ref_set(y, i, v * factor + efme_ref_get_or(&a->t[EFME_T_RES], i, 0));
      }
      if (pool->p) efme_ref_set(pool, b * x->c + c, sum / (double)(x->h * x->w));
    }
  }
  return EFME_OK;
}

efme_status efme_ref_bn_reduce(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X];
  efme_status status = check(a);
  if (status) return status;
  for (int64_t c = 0; c < x->c; c++) {
    double sum = 0, sum_xhat = 0;
    for (int64_t b = 0; b < x->n; b++) {
      double keep = efme_ref_keep(a, b);
      for (int64_t m = 0; m < x->h * x->w; m++) {
        int64_t i = (b * x->h * x->w + m) * x->c + c;
        double dz = slope(a, i, b, c, keep);
        sum += dz;
        sum_xhat += dz * xhat(a, i, c);
      }
    }
    efme_ref_set(&a->t[EFME_T_SUMS], c, sum);
    efme_ref_set(&a->t[EFME_T_SUMS], x->c + c, sum_xhat);
    if (a->t[EFME_T_DB].p) efme_ref_add(&a->t[EFME_T_DB], c, sum);
    if (a->t[EFME_T_DW].p) efme_ref_add(&a->t[EFME_T_DW], c, sum_xhat);
  }
  return EFME_OK;
}

efme_status efme_ref_bn_dx(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *dx = &a->t[EFME_T_DX], *sums = &a->t[EFME_T_SUMS];
  int fixed = (a->op->flags & EFME_OP_FIXED) != 0;
  double rows = (double)(x->n * x->h * x->w);
  efme_status status;
  if ((status = check(a)) || (status = efme_ref_need_like(a, EFME_T_DX, EFME_T_X))) return status;
  for (int64_t b = 0; b < x->n; b++) {
    double keep = efme_ref_keep(a, b);
    for (int64_t m = 0; m < x->h * x->w * x->c; m++) {
      int64_t i = b * x->h * x->w * x->c + m, c = m % x->c;
      double dz = slope(a, i, b, c, keep);
      if (!fixed) dz -= (efme_ref_get(sums, c) + xhat(a, i, c) * efme_ref_get(sums, x->c + c)) / rows;
      efme_ref_set(dx, i, efme_ref_get(&a->t[EFME_T_GAMMA], c) * efme_ref_get(&a->t[EFME_T_STAT], x->c + c) * dz);
    }
  }
  return EFME_OK;
}

efme_status efme_ref_gate_dx(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *dx = &a->t[EFME_T_DX];
  efme_status status;
  if ((status = check(a)) || (status = efme_ref_need_shape(a, EFME_T_DX, x->n, 1, 1, x->c))) return status;
  for (int64_t j = 0; j < dx->count; j++) {
    int64_t b = j / x->c, c = j % x->c;
    double sum = 0;
    for (int64_t m = 0; m < x->h * x->w; m++) {
      int64_t i = (b * x->h * x->w + m) * x->c + c;
      sum += efme_ref_get(&a->t[EFME_T_DY], i) * efme_ref_act(a->op->act, pre(a, i, c));
    }
    efme_ref_set(dx, j, sum);
  }
  return EFME_OK;
}
