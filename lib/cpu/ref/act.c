/* Activations.
 *   swish(x) = x s, s = 1 / (1 + exp(-x)); swish' = s (1 + x (1 - s))
 *   sigmoid(x) = s;                        sigmoid' = s (1 - s)
 *   prelu(x) = x where x > 0, else GAMMA[c] x: inference only
 * ACT: Y = act(X).   ACT_DX: DX = DY act'(X), X the pre-activation. */
#include "cpu/ref/ref.h"

#include "util/util.h"

static double sigmoid(double x) { return 1 / (1 + efme_exp(-x)); }

double efme_ref_act(int act, double x) {
  if (act == EFME_ACT_SWISH) return x * sigmoid(x);
  if (act == EFME_ACT_SIGMOID) return sigmoid(x);
  return x;
}

double efme_ref_act_slope(int act, double x) {
  double s = sigmoid(x), q = sigmoid(-x); /* q = 1 - s without the cancellation */
  if (act == EFME_ACT_SWISH) return s * (1 + x * q);
  if (act == EFME_ACT_SIGMOID) return s * q;
  return 1;
}

double efme_ref_act_of(const struct efme_ref_args *a, int64_t c, double x) {
  if (a->op->act != EFME_ACT_PRELU) return efme_ref_act(a->op->act, x);
  return x > 0 ? x : efme_ref_get(&a->t[EFME_T_GAMMA], c) * x;
}

efme_status efme_ref_activation(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  efme_status status = efme_ref_need_like(a, EFME_T_Y, EFME_T_X);
  if (status) return status;
  for (int64_t i = 0; i < y->count; i++) efme_ref_set(y, i, efme_ref_act(a->op->act, efme_ref_get(x, i)));
  return EFME_OK;
}

efme_status efme_ref_activation_dx(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *dy = &a->t[EFME_T_DY], *dx = &a->t[EFME_T_DX];
  efme_status status;
  if ((status = efme_ref_need_like(a, EFME_T_DY, EFME_T_X)) || (status = efme_ref_need_like(a, EFME_T_DX, EFME_T_X))) return status;
  for (int64_t i = 0; i < dx->count; i++) efme_ref_set(dx, i, efme_ref_get(dy, i) * efme_ref_act_slope(a->op->act, efme_ref_get(x, i)));
  return EFME_OK;
}
