/* MAXPOOL: X [B][H][W][C] -> Y [B][h][w][C], the largest of the window that begins at (y stride, x stride), cut at X's edge. A NaN
 * wins. Inference only. */
#include "cpu/ref/ref.h"

#include "util/util.h"

static double largest(const struct efme_ref_args *a, int64_t b, int64_t y, int64_t x, int64_t c) {
  const struct efme_ref_view *in = &a->t[EFME_T_X];
  int64_t y1 = EFME_MIN(y + a->op->kh, in->h), x1 = EFME_MIN(x + a->op->kw, in->w);
  double most = efme_ref_get(in, ((b * in->h + y) * in->w + x) * in->c + c);
  for (int64_t i = y; i < y1; i++)
    for (int64_t j = x; j < x1; j++) {
      double v = efme_ref_get(in, ((b * in->h + i) * in->w + j) * in->c + c);
      if (v > most || v != v) most = v;
    }
  return most;
}

efme_status efme_ref_maxpool(const struct efme_ref_args *a) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  if (op->kh < 1 || op->kw < 1 || op->stride < 1 || op->pad_top || op->pad_left) return efme_ref_bad(a, "bad window or stride, or padding");
  if (y->n != x->n || y->c != x->c) return efme_ref_bad(a, "input and output differ in images or channels");
  if ((y->h - 1) * op->stride >= x->h || (y->w - 1) * op->stride >= x->w) return efme_ref_bad(a, "a window without elements");
  for (int64_t i = 0; i < y->count; i++)
    efme_ref_set(y, i, largest(a, i / y->c / y->w / y->h, i / y->c / y->w % y->h * op->stride, i / y->c % y->w * op->stride, i % y->c));
  return EFME_OK;
}
