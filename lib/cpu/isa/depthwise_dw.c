/* Weight gradient of the depthwise convolution: DW[ky,kx,c] += sum over b, oy, ox of X[b,iy,ix,c] DY[b,oy,ox,c].
 *
 * Channels in the vector. Two forms, chosen by shape:
 *   rows   3 x 3 and 5 x 5 over wide images: one accumulator a tap, all in registers; each vector of DY is read once for up to
 *          MAX_ROWS x kw taps. Tap rows that fall outside the image are left out, columns are tested at the border only.
 *   taps   everything else, tiny images above all: one tap at a time over all outputs that it has in some images, for four channel
 *          vectors at once, so that four sums run side by side. So many images that their part of X and DY stays in the first cache.
 * Float sums run over about FLUSH outputs (at least a row; twice as many in the second form), then go to double. The images are cut
 * into at most 16 groups of at least some 256 outputs; a group's sums lie in WS, in double, and are merged in index order. */
#include "cpu/isa/kernel.h"

#define GROUPS 16
#define FLUSH 128

enum { V_GROUPS, V_BLOCKS };

static int64_t groups_of(const struct efme_op *op, uint32_t batch) {
  int64_t images = images_of(&op->t[EFME_T_DY], batch);
  return EFME_MIN(EFME_MIN(images, (int64_t)GROUPS), ceil_div(images * pixels_of(&op->t[EFME_T_DY]), 256));
}

static void dw_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  int64_t taps = (int64_t)op->kh * op->kw, channels = round_up(op->t[EFME_T_DY].c, VL);
  needs->workspace = (size_t)(groups_of(op, max_batch) * taps * channels) * sizeof(double);
}

static void dw_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *dy = shape(c, EFME_T_DY);
  int64_t vectors = ceil_div(dy->c, VL);
  c->v[V_GROUPS] = groups_of(c->op, c->batch);
  c->v[V_BLOCKS] = c->threads > 1 ? EFME_MIN(ceil_div(vectors, 4), ceil_div(8 * (int64_t)c->threads, c->v[V_GROUPS])) : 1;
  c->count[0] = (uint32_t)(c->v[V_GROUPS] * c->v[V_BLOCKS]);
  c->count[1] = (uint32_t)ceil_div(vectors, 4);
  c->serial = count_of(dy, c->batch) * c->op->kh * c->op->kw < SMALL_WORK * 4;
}

/* What a task works on. */
struct work {
  const struct efme_op *op;
  const float *x, *dy;
  int64_t channels, height, width, out_height, out_width;
  int64_t i0, i1; /* images */
  double *sums;   /* [kh kw][ld] of this group */
  int64_t ld;
};

/* ---- rows ---- */
#if VL == 16
#define MAX_ROWS 5
#else
#define MAX_ROWS 3 /* 3 x 3 + DY in 16 registers; 5 x 5 goes two rows at a time */
#endif

#define TAPS3(F, r) F(r, 0) F(r, 1) F(r, 2)
#define TAPS5(F, r) F(r, 0) F(r, 1) F(r, 2) F(r, 3) F(r, 4)
#define ROWS1(F, G) G(F, 0)
#define ROWS2(F, G) ROWS1(F, G) G(F, 1)
#define ROWS3(F, G) ROWS2(F, G) G(F, 2)
#define ROWS5(F, G) ROWS3(F, G) G(F, 3) G(F, 4)

#define OPEN(r, t) vf s##r##t = acc[(r) * taps + (t)];
#define CLOSE(r, t) acc[(r) * taps + (t)] = s##r##t;
#define MUL(r, t) s##r##t = vfma(vload(in[r] + (at + (t)) * channels), g, s##r##t);
#define MUL_INSIDE(r, t) if ((uint64_t)(at + (t)) < (uint64_t)width) MUL(r, t)

/* One row of DY against R rows of X, T taps each. Output j reads the pixels at .. at + T - 1, at = j step + first. */
#define ROW_SUMS(R, T)                                                                                                                       \
  INLINE void row_sums_##R##_##T(const float *const *in, const float *dy, int64_t channels, int64_t first, int64_t width, int64_t count,     \
                                 const int64_t step, vf *acc) {                                                                              \
    enum { taps = T };                                                                                                                       \
    ROWS##R(OPEN, TAPS##T) for (int64_t j = 0, at = first; j < count; j++, at += step) {                                                     \
      vf g = vload(dy + j * channels);                                                                                                       \
      if (at >= 0 && at + taps <= width) { ROWS##R(MUL, TAPS##T) }                                                                           \
      else { ROWS##R(MUL_INSIDE, TAPS##T) }                                                                                                  \
    }                                                                                                                                        \
    ROWS##R(CLOSE, TAPS##T)                                                                                                                  \
  }

ROW_SUMS(1, 3)
ROW_SUMS(3, 3)
ROW_SUMS(1, 5)
#if MAX_ROWS == 5
ROW_SUMS(5, 5)
#else
ROW_SUMS(2, 5)
#endif

/* Row oy of DY of one image against the tap rows k0 .. k1 - 1, all inside the image. in[]: X's rows for k0, .. */
INLINE void rows_some(const float *const *in, const float *dy, const struct work *k, int64_t rows, const int taps, const int64_t step, vf *acc) {
  int64_t c = k->channels, first = -k->op->pad_left, r = 0;
  if (taps == 3) {
    for (; r + 3 <= rows; r += 3) row_sums_3_3(in + r, dy, c, first, k->width, k->out_width, step, acc + r * 3);
    for (; r < rows; r++) row_sums_1_3(in + r, dy, c, first, k->width, k->out_width, step, acc + r * 3);
  } else {
#if MAX_ROWS == 5
    for (; r + 5 <= rows; r += 5) row_sums_5_5(in + r, dy, c, first, k->width, k->out_width, step, acc + r * 5);
#else
    for (; r + 2 <= rows; r += 2) row_sums_2_5(in + r, dy, c, first, k->width, k->out_width, step, acc + r * 5);
#endif
    for (; r < rows; r++) row_sums_1_5(in + r, dy, c, first, k->width, k->out_width, step, acc + r * 5);
  }
}

/* All taps of one full channel vector. */
INLINE void rows_form(const struct work *k, int64_t channel, const int taps, const int64_t step) {
  vf acc[25];
  int64_t outputs = 0;
  for (int i = 0; i < taps * taps; i++) acc[i] = vset(0.0f);
  for (int64_t image = k->i0; image < k->i1; image++)
    for (int64_t oy = 0; oy < k->out_height; oy++) {
      const float *in[5];
      int64_t rows = 0, k0 = EFME_MAX(k->op->pad_top - oy * step, (int64_t)0);
      for (int64_t iy = oy * step + k0 - k->op->pad_top; k0 + rows < taps && iy < k->height; iy++)
        in[rows++] = k->x + ((image * k->height + iy) * k->width) * k->channels + channel;
      const float *dy = k->dy + ((image * k->out_height + oy) * k->out_width) * k->channels + channel;
      rows_some(in, dy, k, rows, taps, step, acc + EFME_MIN(k0, (int64_t)taps) * taps);
      outputs += k->out_width;
      if (outputs < FLUSH && !(image == k->i1 - 1 && oy == k->out_height - 1)) continue;
      for (int i = 0; i < taps * taps; i++) {
        vadd_double(k->sums + i * k->ld + channel, acc[i]);
        acc[i] = vset(0.0f);
      }
      outputs = 0;
    }
}

/* ---- taps ---- */

/* Tap (ky, kx) of n channel vectors over images i0 .. i1 - 1: the outputs that it has are y0 .. y1 - 1 by x0 .. x1 - 1. */
INLINE void tap_images(const struct work *k, int64_t i0, int64_t i1, int64_t channel, int lanes, const int n, int64_t ky, int64_t kx) {
  int64_t s = k->op->stride, up = k->op->pad_top - ky, left = k->op->pad_left - kx, step = s * k->channels; /* input = output s - up, - left */
  int64_t y0 = up > 0 ? ceil_div(up, s) : 0, y1 = EFME_MIN(k->out_height, k->height - 1 + up < 0 ? 0 : (k->height - 1 + up) / s + 1);
  int64_t x0 = left > 0 ? ceil_div(left, s) : 0, x1 = EFME_MIN(k->out_width, k->width - 1 + left < 0 ? 0 : (k->width - 1 + left) / s + 1);
  vf a0 = vset(0.0f), a1 = a0, a2 = a0, a3 = a0;
  double *sums = k->sums + (ky * k->op->kw + kx) * k->ld + channel;
  int64_t last = i1 * k->out_height - 1, outputs = 0;
  if (x0 >= x1) return;
  for (int64_t row = i0 * k->out_height; row <= last; row++) {
    int64_t image = row / k->out_height, y = row % k->out_height;
    if (y >= y0 && y < y1) {
      const float *dy = k->dy + ((image * k->out_height + y) * k->out_width + x0) * k->channels + channel;
      const float *x = k->x + ((image * k->height + y * s - up) * k->width + x0 * s - left) * k->channels + channel;
      for (int64_t j = x0; j < x1; j++, dy += k->channels, x += step) {
        a0 = vfma(vget(x, lanes), vget(dy, lanes), a0);
        if (n == 1) continue;
        a1 = vfma(vload(x + VL), vload(dy + VL), a1);
        a2 = vfma(vload(x + 2 * VL), vload(dy + 2 * VL), a2);
        a3 = vfma(vload(x + 3 * VL), vload(dy + 3 * VL), a3);
      }
    }
    outputs += k->out_width;
    if (outputs < 2 * FLUSH && row < last) continue;
    vadd_double(sums, a0);
    a0 = vset(0.0f), outputs = 0;
    if (n == 1) continue;
    vadd_double(sums + VL, a1);
    vadd_double(sums + 2 * VL, a2);
    vadd_double(sums + 3 * VL, a3);
    a1 = a2 = a3 = a0;
  }
}

static void taps_form(const struct work *k, int64_t channel, int64_t end) {
  int n = channel + 4 * VL <= end ? 4 : 1, lanes = (int)EFME_MIN(end - channel, (int64_t)VL);
  int64_t pixels = k->height * k->width + k->out_height * k->out_width, step = EFME_MAX(32768 / (pixels * 4 * VL * 4), (int64_t)1);
  step = EFME_MIN(step, EFME_MAX(2 * FLUSH / (k->out_height * k->out_width), (int64_t)1));
  for (int64_t i0 = k->i0; i0 < k->i1; i0 += step)
    for (int64_t ky = 0; ky < k->op->kh; ky++)
      for (int64_t kx = 0; kx < k->op->kw; kx++) {
        int64_t i1 = EFME_MIN(i0 + step, k->i1);
        if (n == 4) tap_images(k, i0, i1, channel, VL, 4, ky, kx);
        else if (lanes == VL) tap_images(k, i0, i1, channel, VL, 1, ky, kx);
        else tap_images(k, i0, i1, channel, lanes, 1, ky, kx);
      }
}

/* ---- tasks: a group of images by a range of channels ---- */
static int rows_fit(const struct work *k) {
  const struct efme_op *op = k->op;
  return op->kh == op->kw && (op->kw == 3 || op->kw == 5) && op->stride <= 2 && k->out_width >= 5;
}

static void dw_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *x = shape(c, EFME_T_X), *dy = shape(c, EFME_T_DY);
  int64_t group = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], vectors = ceil_div(dy->c, VL), images = images_of(dy, c->batch);
  int64_t v0 = part(vectors, c->v[V_BLOCKS], block), v1 = part(vectors, c->v[V_BLOCKS], block + 1), ld = vectors * VL;
  int64_t taps = (int64_t)op->kh * op->kw, end = EFME_MIN(v1 * VL, (int64_t)dy->c);
  struct work k = {op, f32(c, EFME_T_X), f32(c, EFME_T_DY), dy->c, x->h, x->w, dy->h, dy->w, part(images, c->v[V_GROUPS], group),
                   part(images, c->v[V_GROUPS], group + 1), (double *)c->t[EFME_T_WS] + group * taps * ld, ld};
  for (int64_t tap = 0; tap < taps; tap++) memset(k.sums + tap * ld + v0 * VL, 0, (size_t)((v1 - v0) * VL) * sizeof *k.sums);
  for (int64_t at = v0 * VL; at < end;) {
    int rows = rows_fit(&k) && at + VL <= end;
    if (rows && op->kw == 3 && op->stride == 1) rows_form(&k, at, 3, 1);
    else if (rows && op->kw == 3) rows_form(&k, at, 3, 2);
    else if (rows && op->stride == 1) rows_form(&k, at, 5, 1);
    else if (rows) rows_form(&k, at, 5, 2);
    else taps_form(&k, at, end);
    at += !rows && at + 4 * VL <= end ? 4 * VL : VL;
  }
}

/* DW += the groups' sums, four channel vectors a task. */
static void dw_merge(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  int64_t channels = shape(c, EFME_T_DY)->c, ld = round_up(channels, VL), taps = (int64_t)op->kh * op->kw;
  int64_t first = index * (int64_t)(4 * VL), last = EFME_MIN(first + 4 * VL, channels);
  const double *ws = c->t[EFME_T_WS];
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
