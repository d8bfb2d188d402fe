/* Depthwise convolution, X [B][H][W][C], W [kh][kw][C], Y [B][OH][OW][C]:
 *   DWCONV     Y[b,oy,ox,c] = act(BIAS[c] + sum over ky, kx of X[b,iy,ix,c] W[ky,kx,c]), iy = oy stride + ky - pad_top, ix alike, zero
 * outside; POOL[b,c] = mean over oy, ox of Y before Y is rounded DWCONV_DX  DX[b,iy,ix,c] = sum over the (oy, ky), (ox, kx) that reach it
 * of DY W DWCONV_DW  DW[ky,kx,c] += sum over b, oy, ox of X[b,iy,ix,c] DY[b,oy,ox,c] */
#include "cpu/ref/ref.h"

static efme_status check(const struct efme_ref_args *a, int in, int out, int weight) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *x = &a->t[in], *y = &a->t[out];
  efme_status status;
  if (op->kh < 1 || op->kw < 1 || op->stride < 1) return efme_ref_bad(a, "kernel or stride below 1");
  if (x->n != y->n || x->c != y->c) return efme_ref_bad(a, "input and output differ in images or channels");
  if ((status = efme_ref_need_count(a, weight, op->kh * op->kw * x->c)) || (status = efme_ref_need_count(a, EFME_T_BIAS, x->c)))
    return status;
  return efme_ref_need_shape(a, EFME_T_POOL, x->n, 1, 1, x->c);
}

static double at(const struct efme_ref_view *x, int64_t b, int64_t y, int64_t xx, int64_t c) {
  if (y < 0 || xx < 0 || y >= x->h || xx >= x->w) return 0;
  return efme_ref_get(x, ((b * x->h + y) * x->w + xx) * x->c + c);
}

efme_status efme_ref_dwconv(const struct efme_ref_args *a) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y], *w = &a->t[EFME_T_W], *pool = &a->t[EFME_T_POOL];
  efme_status status = check(a, EFME_T_X, EFME_T_Y, EFME_T_W);
  if (status) return status;
  for (int64_t i = 0; i < y->n * y->c; i++) {
    int64_t c = i % y->c, b = i / y->c;
    double mean = 0;
    for (int64_t o = 0; o < y->h * y->w; o++) {
      int64_t oy = o / y->w, ox = o % y->w;
      double sum = efme_ref_get_or(&a->t[EFME_T_BIAS], c, 0);
      for (int64_t ky = 0; ky < op->kh; ky++)
        for (int64_t kx = 0; kx < op->kw; kx++)
          sum += at(x, b, oy * op->stride + ky - op->pad_top, ox * op->stride + kx - op->pad_left, c) *
                 efme_ref_get(w, (ky * op->kw + kx) * x->c + c);
      sum = efme_ref_act(op->act, sum);
      mean += sum;
      efme_ref_set(y, (b * y->h * y->w + o) * y->c + c, sum);
    }
    if (pool->p) efme_ref_set(pool, i, mean / (double)(y->h * y->w));
  }
  return EFME_OK;
}

efme_status efme_ref_dwconv_dx(const struct efme_ref_args *a) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *dx = &a->t[EFME_T_DX], *dy = &a->t[EFME_T_DY], *w = &a->t[EFME_T_W];
  efme_status status = check(a, EFME_T_DX, EFME_T_DY, EFME_T_W);
  if (status) return status;
  for (int64_t i = 0; i < dx->count; i++) {
    int64_t c = i % dx->c, ix = i / dx->c % dx->w, iy = i / dx->c / dx->w % dx->h, b = i / dx->c / dx->w / dx->h;
    double sum = 0;
    for (int64_t ky = 0; ky < op->kh; ky++)
      for (int64_t kx = 0; kx < op->kw; kx++) {
        int64_t oy = iy + op->pad_top - ky, ox = ix + op->pad_left - kx; /* stride times the output's place */
        if (oy < 0 || ox < 0 || oy % op->stride || ox % op->stride) continue;
        sum += at(dy, b, oy / op->stride, ox / op->stride, c) * efme_ref_get(w, (ky * op->kw + kx) * dx->c + c);
      }
    efme_ref_set(dx, i, sum);
  }
  return EFME_OK;
}

efme_status efme_ref_dwconv_dw(const struct efme_ref_args *a) {
  const struct efme_op *op = a->op;
  const struct efme_ref_view *x = &a->t[EFME_T_X], *dy = &a->t[EFME_T_DY], *dw = &a->t[EFME_T_DW];
  efme_status status = check(a, EFME_T_X, EFME_T_DY, EFME_T_DW);
  if (status) return status;
  for (int64_t i = 0; i < dw->count; i++) {
    int64_t c = i % x->c, kx = i / x->c % op->kw, ky = i / x->c / op->kw;
    double sum = 0;
    for (int64_t b = 0; b < dy->n; b++)
      for (int64_t oy = 0; oy < dy->h; oy++)
        for (int64_t ox = 0; ox < dy->w; ox++)
          sum += at(x, b, oy * op->stride + ky - op->pad_top, ox * op->stride + kx - op->pad_left, c) * at(dy, b, oy, ox, c);
    efme_ref_add(dw, i, sum);
  }
  return EFME_OK;
}
