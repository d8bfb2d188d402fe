/* CONV: dense convolution (the stem). X [B][H][W][C], W [kh][kw][C][N], Y [B][OH][OW][N]:
 *   Y[b,oy,ox,o] = act(BIAS[o] + sum over ky, kx, c of (X[b,iy,ix,c] SCALE[c] + SHIFT[c]) W[ky,kx,c,o]),
 *   iy = oy stride + ky - pad_top, ix alike; taps outside the image are zero, after scale and shift.
 * CONV_DW: DW[ky,kx,c,o] += sum over b, oy, ox of (X SCALE + SHIFT) DY[b,oy,ox,o]. */
#include "cpu/ref/ref.h"

/* The element's value after scale and shift, zero outside. */
static double tap(const struct efme_ref_args *a, int64_t b, int64_t iy, int64_t ix, int64_t c) {
  const struct efme_ref_view *x = &a->t[EFME_T_X];
  if (iy < 0 || ix < 0 || iy >= x->h || ix >= x->w) return 0;
  double v = efme_ref_get(x, ((b * x->h + iy) * x->w + ix) * x->c + c);
  return v * efme_ref_get_or(&a->t[EFME_T_SCALE], c, 1) + efme_ref_get_or(&a->t[EFME_T_SHIFT], c, 0);
}

static efme_status check(const struct efme_ref_args *a, int out, int weight) {
  const struct efme_op *op = a->op;
  int64_t c = a->t[EFME_T_X].c, n = a->t[out].c;
  efme_status status;
  if (op->kh < 1 || op->kw < 1 || op->stride < 1) return efme_ref_bad(a, "kernel or stride below 1");
  if (a->t[out].n != a->t[EFME_T_X].n) return efme_ref_bad(a, "input and output differ in images");
  if ((status = efme_ref_need_count(a, weight, op->kh * op->kw * c * n)) || (status = efme_ref_need_count(a, EFME_T_SCALE, c)) ||
      (status = efme_ref_need_count(a, EFME_T_SHIFT, c)))
    return status;
  if ((status = efme_ref_need_count(a, EFME_T_GAMMA, n))) return status;
  return efme_ref_need_count(a, EFME_T_BIAS, n);
}

efme_status efme_ref_conv(const struct efme_ref_args *a) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y], *w = &a->t[EFME_T_W];
  efme_status status = check(a, EFME_T_Y, EFME_T_W);
  if (status) return status;
  for (int64_t i = 0; i < y->count; i++) {
    int64_t o = i % y->c, ox = i / y->c % y->w, oy = i / y->c / y->w % y->h, b = i / y->c / y->w / y->h;
    double sum = efme_ref_get_or(&a->t[EFME_T_BIAS], o, 0);
    for (int64_t ky = 0; ky < op->kh; ky++)
      for (int64_t kx = 0; kx < op->kw; kx++)
        for (int64_t c = 0; c < x->c; c++)
          sum += tap(a, b, oy * op->stride + ky - op->pad_top, ox * op->stride + kx - op->pad_left, c) *
                 efme_ref_get(w, ((ky * op->kw + kx) * x->c + c) * y->c + o);
    efme_ref_set(y, i, efme_ref_act_of(a, o, sum));
  }
  return EFME_OK;
}

efme_status efme_ref_conv_dw(const struct efme_ref_args *a) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *x = &a->t[EFME_T_X], *dy = &a->t[EFME_T_DY], *dw = &a->t[EFME_T_DW];
  efme_status status = check(a, EFME_T_DY, EFME_T_DW);
  if (status) return status;
  for (int64_t i = 0; i < dw->count; i++) {
    int64_t o = i % dy->c, c = i / dy->c % x->c, kx = i / dy->c / x->c % op->kw, ky = i / dy->c / x->c / op->kw;
    double sum = 0;
    for (int64_t b = 0; b < dy->n; b++)
      for (int64_t oy = 0; oy < dy->h; oy++)
        for (int64_t ox = 0; ox < dy->w; ox++)
          sum += tap(a, b, oy * op->stride + ky - op->pad_top, ox * op->stride + kx - op->pad_left, c) *
                 efme_ref_get(dy, ((b * dy->h + oy) * dy->w + ox) * dy->c + o);
    efme_ref_add(dw, i, sum);
  }
  return EFME_OK;
}
