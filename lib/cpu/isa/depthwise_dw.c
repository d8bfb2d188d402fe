/* Weight gradient of the depthwise convolution: DW[ky,kx,c] += sum over b, oy, ox of X[b,iy,ix,c] DY[b,oy,ox,c].
 *
 * Channels in the vector, one accumulator a tap. Float sums run over at most FLUSH outputs (or one row, where that is longer), then go
 * to double. The images are cut into at most 16 groups; a group's sums lie in WS, in double, and are merged in index order. */
#include "cpu/isa/kernel.h"

#define GROUPS 16
#define FLUSH 128

enum { V_GROUPS, V_BLOCKS };

static int64_t groups_of(const struct efme_op *op, uint32_t batch) { return EFME_MIN(images_of(&op->t[EFME_T_DY], batch), (int64_t)GROUPS); }

static void dw_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  int64_t taps = (int64_t)op->kh * op->kw, channels = round_up(op->t[EFME_T_DY].c, VL);
  needs->workspace = (size_t)(groups_of(op, max_batch) * taps * channels) * sizeof(double);
}

static void dw_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *dy = shape(c, EFME_T_DY);
  int64_t vectors = ceil_div(dy->c, VL);
  c->v[V_GROUPS] = groups_of(c->op, c->batch);
  c->v[V_BLOCKS] = c->threads > 1 ? EFME_MIN(vectors, ceil_div(8 * (int64_t)c->threads, c->v[V_GROUPS])) : 1;
  c->count[0] = (uint32_t)(c->v[V_GROUPS] * c->v[V_BLOCKS]);
  c->count[1] = (uint32_t)vectors;
  c->serial = count_of(dy, c->batch) * c->op->kh * c->op->kw < SMALL_WORK * 4;
}

/* Adds what the outputs of row oy give to tap row ky, taps kx0 .. kx0 + n - 1 <= 5 of them, to acc. */
INLINE void row_taps(const struct efme_op *op, const struct efme_tensor *x, const struct efme_tensor *dy, const float *in, const float *grad,
                     int64_t kx0, const int n, const int64_t step, int lanes, vf *acc) {
  int64_t channels = x->c, first = kx0 - op->pad_left;
  int64_t j0 = first < 0 ? ceil_div(-first, step) : 0, room = x->w - n - first, j1 = room < 0 ? 0 : room / step + 1;
  j0 = EFME_MIN(j0, (int64_t)dy->w);
  j1 = EFME_MAX(EFME_MIN(j1, (int64_t)dy->w), j0);
  vf sum[5];
  for (int t = 0; t < n; t++) sum[t] = acc[t];
  for (int64_t j = 0; j < dy->w; j++) {
    vf g = vget(grad + j * channels, lanes);
    int64_t at = j * step + first;
    if (j >= j0 && j < j1)
      for (int t = 0; t < n; t++) sum[t] = vfma(vget(in + (at + t) * channels, lanes), g, sum[t]);
    else
      for (int t = 0; t < n; t++)
        if (at + t >= 0 && at + t < x->w) sum[t] = vfma(vget(in + (at + t) * channels, lanes), g, sum[t]);
  }
  for (int t = 0; t < n; t++) acc[t] = sum[t];
}

static void row_any(const struct efme_op *op, const struct efme_tensor *x, const struct efme_tensor *dy, const float *in, const float *grad,
                    int lanes, vf *acc) {
  for (int kx = 0; kx < op->kw; kx += 5) {
    int n = EFME_MIN(op->kw - kx, 5);
    if (n == 5 && lanes == VL && op->stride == 1) row_taps(op, x, dy, in, grad, kx, 5, 1, VL, acc + kx);
    else if (n == 5 && lanes == VL && op->stride == 2) row_taps(op, x, dy, in, grad, kx, 5, 2, VL, acc + kx);
    else if (n == 3 && lanes == VL && op->stride == 1) row_taps(op, x, dy, in, grad, kx, 3, 1, VL, acc + kx);
    else if (n == 3 && lanes == VL && op->stride == 2) row_taps(op, x, dy, in, grad, kx, 3, 2, VL, acc + kx);
    else
      for (int t = 0; t < n; t++) row_taps(op, x, dy, in, grad, kx + t, 1, op->stride, lanes, acc + kx + t);
  }
}

/* One tap row of one channel vector over the images i0 .. i1 - 1, into sums[kw][VL]. */
static void tap_row(const struct efme_cpu_call *c, int64_t i0, int64_t i1, int64_t ky, int64_t channel, int lanes, double *sums, int64_t ld) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *x = shape(c, EFME_T_X), *dy = shape(c, EFME_T_DY);
  vf acc[255];
  int64_t outputs = 0;
  for (int kx = 0; kx < op->kw; kx++) acc[kx] = vset(0.0f);
  for (int64_t image = i0; image < i1; image++)
    for (int64_t oy = 0; oy < dy->h; oy++) {
      int64_t iy = oy * op->stride + ky - op->pad_top;
      if (iy >= 0 && iy < x->h)
        row_any(op, x, dy, f32(c, EFME_T_X) + ((image * x->h + iy) * x->w) * x->c + channel,
                f32(c, EFME_T_DY) + ((image * dy->h + oy) * dy->w) * x->c + channel, lanes, acc);
      outputs += dy->w;
      if (outputs < FLUSH && !(image == i1 - 1 && oy == dy->h - 1)) continue;
      for (int kx = 0; kx < op->kw; kx++) {
        vadd_double(sums + kx * ld, acc[kx]);
        acc[kx] = vset(0.0f);
      }
      outputs = 0;
    }
}

static void dw_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *dy = shape(c, EFME_T_DY);
  int64_t group = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], vectors = ceil_div(dy->c, VL), images = images_of(dy, c->batch);
  int64_t v0 = part(vectors, c->v[V_BLOCKS], block), v1 = part(vectors, c->v[V_BLOCKS], block + 1), ld = vectors * VL;
  int64_t i0 = part(images, c->v[V_GROUPS], group), i1 = part(images, c->v[V_GROUPS], group + 1);
  double *ws = (double *)c->t[EFME_T_WS] + group * op->kh * op->kw * ld;
  for (int64_t tap = 0; tap < (int64_t)op->kh * op->kw; tap++) memset(ws + tap * ld + v0 * VL, 0, (size_t)((v1 - v0) * VL) * sizeof *ws);
  for (int64_t v = v0; v < v1; v++)
    for (int64_t ky = 0; ky < op->kh; ky++)
      tap_row(c, i0, i1, ky, v * VL, (int)EFME_MIN(dy->c - v * VL, (int64_t)VL), ws + ky * op->kw * ld + v * VL, ld);
}

static void dw_merge(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  int64_t channels = shape(c, EFME_T_DY)->c, ld = round_up(channels, VL), taps = (int64_t)op->kh * op->kw;
  const double *ws = c->t[EFME_T_WS];
  int64_t first = index * (int64_t)VL, last = EFME_MIN(first + VL, channels);
  for (int64_t tap = 0; tap < taps; tap++)
    for (int64_t k = first; k < last; k++) {
      double sum = 0;
      for (int64_t g = 0; g < c->v[V_GROUPS]; g++) sum += ws[(g * taps + tap) * ld + k];
      f32(c, EFME_T_DW)[tap * channels + k] += (float)sum;
    }
}

EFME_TABLE(depthwise_dw) = {
    {EFME_OP_DWCONV_DW, dw_needs, dw_begin, {dw_task, dw_merge}},
    {0, NULL, NULL, {NULL}},
};
