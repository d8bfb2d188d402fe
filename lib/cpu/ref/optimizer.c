/* OPTIMIZER: one step over W's elements; g = DW, then DW = 0. lr, correct1 = 1/(1 - b1^t), correct2 = 1/(1 - b2^t) come from STEP.
 *   0 ADAM     m = f[0] m + (1 - f[0]) g;  v = f[1] v + (1 - f[1]) g^2;  W -= lr correct1 / sqrt(correct2) m / (sqrt(v) + f[2])
 *   1 ADAMW    W -= lr f[3] W first, then as ADAM
 *   2 SGD      m = f[0] m - lr g;  W += m                            (velocity; f[0] = 0 is plain SGD)
 *   3 RMSPROP  v = f[0] v + (1 - f[0]) g^2;  W -= lr g / (sqrt(v) + f[2])
 * m is X, v is Y. These are Keras 3's forms: its Adam applies the bias correction to the learning rate, so that epsilon is not
 * corrected; its SGD keeps the learning rate inside the velocity; its AdamW decays the weight before the update. */
#include "cpu/ref/ref.h"

#include "efme/optimizer.h"
#include "util/util.h"

/* One element: w, g and the moments in, w and the moments out. */
static void update(const struct efme_ref_args *a, double g, double *w, double *m, double *v) {
  const float *f = a->op->f;
  double lr = a->step->lr;
  switch (a->op->i[0]) {
  case EFME_ADAMW:
    *w -= lr * f[3] * *w; /* fall through */
  case EFME_ADAM:
    *m = f[0] * *m + (1 - (double)f[0]) * g;
    *v = f[1] * *v + (1 - (double)f[1]) * g * g;
    *w -= lr * a->step->correct1 / efme_sqrt(a->step->correct2) * *m / (efme_sqrt(*v) + f[2]);
    break;
  case EFME_SGD:
    *m = f[0] * *m - lr * g;
    *w += *m;
    break;
  default:
    *v = f[0] * *v + (1 - (double)f[0]) * g * g;
    *w -= lr * g / (efme_sqrt(*v) + f[2]);
  }
}

efme_status efme_ref_optimizer(const struct efme_ref_args *a) {
  const struct efme_ref_view *w = &a->t[EFME_T_W], *dw = &a->t[EFME_T_DW], *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  int64_t kind = a->op->i[0];
  efme_status status;
  if (kind < EFME_ADAM || kind > EFME_RMSPROP) return efme_ref_bad(a, "i[0] is no optimizer kind");
  if (kind != EFME_RMSPROP && !x->p) return efme_ref_bad(a, "first moment X is missing");
  if (kind != EFME_SGD && !y->p) return efme_ref_bad(a, "second moment Y is missing");
  if ((status = efme_ref_need_count(a, EFME_T_DW, w->count)) || (status = efme_ref_need_count(a, EFME_T_X, w->count)) ||
      (status = efme_ref_need_count(a, EFME_T_Y, w->count)))
    return status;
  for (int64_t i = 0; i < w->count; i++) {
    double value = efme_ref_get(w, i), m = efme_ref_get_or(x, i, 0), v = efme_ref_get_or(y, i, 0);
    update(a, efme_ref_get(dw, i), &value, &m, &v);
    efme_ref_set(w, i, value);
    if (x->p) efme_ref_set(x, i, m);
    if (y->p) efme_ref_set(y, i, v);
    efme_ref_set(dw, i, 0);
  }
  return EFME_OK;
}
