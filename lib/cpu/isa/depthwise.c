/* Depthwise convolution, forward and by its input. X [B][H][W][C], W [kh][kw][C]:
 *   DWCONV     Y = act(depthwise(X, W) + BIAS), POOL = spatial mean of Y
 *   DWCONV_DX  DX[iy,ix] = sum over the taps that reach it of DY W
 *
 * Both are the same walk. An output row is a sum over some input rows and some taps of each. It is made for one vector of channels
 * at a time, in blocks of up to 8 neighbouring outputs: 8 independent sums keep the multiply-add units busy. Blocks that
 * touch the border test each tap; the order of an output's sum is rows, then taps, ascending, in any block. The activation is a second
 * pass over the row while it lies in the first cache.
 * The gradient with stride s is s x s interleaved walks: outputs of one residue class of (y, x) see only the taps of the
 * matching class, in reverse order, and step s apart.
 * A task is an image by a range of channel vectors, so the spatial mean needs no merging. */
#include "cpu/isa/kernel.h"

/* One class of outputs along one row: output j = 0 .. count-1 lies at out + j out_step; its tap t reads pixel j in_step + first + t
 * of each input row, or nothing where that lies outside [0, width). */
struct walk {
  const float *in[255], *w[255]; /* by window row: input row, its first tap's weights */
  int rows, taps, in_step;
  int64_t first, width;
  int64_t w_step;   /* floats from tap to tap, negative when reversed */
  int64_t out_step; /* floats from output to output */
  int64_t count, channels;
};

/* Blocks: every sum is a variable of its own (see tile.h). */
#define EACH1(X) X(0)
#define EACH2(X) EACH1(X) X(1)
#define EACH3(X) EACH2(X) X(2)
#define EACH4(X) EACH3(X) X(3)
#define EACH5(X) EACH4(X) X(4)
#define EACH6(X) EACH5(X) X(5)
#define EACH7(X) EACH6(X) X(6)
#define EACH8(X) EACH7(X) X(7)

#define START(i) vf y##i = bias;
#define TAP(i) y##i = vfma(vget(in + (i * step + t) * channels, lanes), weight, y##i);
#define TAP_INSIDE(i) if ((uint64_t)(at + i * step + t) < (uint64_t)k->width) TAP(i)
#define PUT(i) vput(out + i * k->out_step, y##i, lanes);

#define BLOCK(N)                                                                                                                             \
  INLINE void block##N(const struct walk *k, float *out, vf bias, int64_t c, int lanes, int64_t at, const int taps, const int step,          \
                       const int inside) {                                                                                                   \
    const int64_t channels = k->channels;                                                                                                    \
    EACH##N(START)                                                                                                                           \
    for (int r = 0; r < k->rows; r++) {                                                                                                      \
      const float *in = k->in[r] + at * channels + c, *w = k->w[r] + c;                                                                      \
      for (int t = 0; t < taps; t++) {                                                                                                       \
        vf weight = vget(w + t * k->w_step, lanes);                                                                                          \
        if (inside) { EACH##N(TAP) }                                                                                                         \
        else { EACH##N(TAP_INSIDE) }                                                                                                         \
      }                                                                                                                                      \
    }                                                                                                                                        \
    EACH##N(PUT)                                                                                                                             \
  }

BLOCK(1) BLOCK(2) BLOCK(3) BLOCK(4) BLOCK(5) BLOCK(6) BLOCK(7) BLOCK(8)

#define CASE(N)                                                                                                                              \
  case N:                                                                                                                                    \
    if (inside) block##N(k, to, bias, c, lanes, at, taps, step, 1);                                                                          \
    else block##N(k, to, bias, c, lanes, at, taps, step, 0);                                                                                 \
    break;

/* A row of sums for channels c .. c + lanes - 1, in as few and as equal blocks as there can be. taps and step are known to the
 * compiler where it matters. */
INLINE void sums_row(const struct walk *k, float *out, vf bias, int64_t c, int lanes, const int taps, const int step) {
  int64_t blocks = ceil_div(k->count, 8);
  for (int64_t b = 0; b < blocks; b++) {
    int64_t j = part(k->count, blocks, b), n = part(k->count, blocks, b + 1) - j, at = j * step + k->first;
    int inside = at >= 0 && at + (n - 1) * step + taps <= k->width;
    float *to = out + j * k->out_step + c;
    switch (n) { CASE(8) CASE(7) CASE(6) CASE(5) CASE(4) CASE(3) CASE(2) CASE(1) }
  }
}

static void sums(const struct walk *k, float *out, const float *b, int64_t c, int lanes) {
  vf bias = b ? vget(b + c, lanes) : vset(0.0f);
  if (lanes < VL) sums_row(k, out, bias, c, lanes, k->taps, k->in_step);
  else if (k->taps == 3 && k->in_step == 1) sums_row(k, out, bias, c, VL, 3, 1);
  else if (k->taps == 3 && k->in_step == 2) sums_row(k, out, bias, c, VL, 3, 2);
  else if (k->taps == 5 && k->in_step == 1) sums_row(k, out, bias, c, VL, 5, 1);
  else if (k->taps == 5 && k->in_step == 2) sums_row(k, out, bias, c, VL, 5, 2);
  else if (k->taps == 2 && k->in_step == 1) sums_row(k, out, bias, c, VL, 2, 1);
  else if (k->taps == 1 && k->in_step == 1) sums_row(k, out, bias, c, VL, 1, 1);
  else sums_row(k, out, bias, c, VL, k->taps, k->in_step);
}

/* Activates a row of one channel vector in place; returns its sum. */
INLINE vf finish_row(float *y, int64_t channels, int64_t count, int lanes, const int act) {
  vf sum = vset(0.0f);
  for (int64_t i = 0; i < count * channels; i += channels) {
    vf v = vact(act, vget(y + i, lanes));
    sum += v;
    if (act != EFME_ACT_NONE) vput(y + i, v, lanes);
  }
  return sum;
}

static vf finish(float *y, int64_t channels, int64_t count, int lanes, int act) {
  if (act == EFME_ACT_SWISH && lanes == VL) return finish_row(y, channels, count, VL, EFME_ACT_SWISH);
  if (act == EFME_ACT_SWISH) return finish_row(y, channels, count, lanes, EFME_ACT_SWISH);
  if (act == EFME_ACT_SIGMOID) return finish_row(y, channels, count, lanes, EFME_ACT_SIGMOID);
  return finish_row(y, channels, count, lanes, EFME_ACT_NONE);
}

/* ---- tasks: an image by a range of channel vectors ---- */
enum { V_BLOCKS };

static void begin(struct efme_cpu_call *c, const struct efme_tensor *t, int64_t taps) {
  int64_t vectors = ceil_div(t->c, VL), images = images_of(t, c->batch);
  int64_t blocks = EFME_MIN(ceil_div(vectors, 2), ceil_div(8 * (int64_t)c->threads, images));
  c->v[V_BLOCKS] = c->threads > 1 ? EFME_MAX(blocks, (int64_t)1) : 1;
  c->count[0] = (uint32_t)(images * c->v[V_BLOCKS]);
  c->serial = count_of(t, c->batch) * taps < SMALL_WORK * 4;
}

static void dwconv_begin(struct efme_cpu_call *c) { begin(c, shape(c, EFME_T_Y), (int64_t)c->op->kh * c->op->kw); }
static void dx_begin(struct efme_cpu_call *c) { begin(c, shape(c, EFME_T_DY), (int64_t)c->op->kh * c->op->kw); }

/* Output rows that are made one after the other for the same channels: their input rows should fit the first cache together. */
INLINE int64_t band_of(int64_t width, int64_t window, int64_t stride) {
  int64_t fit = 40960 / (width * VL * 4);
  return EFME_MAX((fit - window) / stride + 1, (int64_t)1);
}

static void dwconv_rows(const struct efme_op *op, struct walk *k, const float *in, const float *w, int64_t oy) {
  int64_t height = op->t[EFME_T_X].h;
  k->rows = 0;
  for (int64_t ky = 0; ky < op->kh; ky++) {
    int64_t iy = oy * op->stride + ky - op->pad_top;
    if (iy < 0 || iy >= height) continue;
    k->in[k->rows] = in + iy * k->width * k->channels;
    k->w[k->rows++] = w + ky * op->kw * k->channels;
  }
}

#define POOL_VECTORS 64 /* channels that are pooled together: so many sums lie on the stack */

static void dwconv_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  int64_t image = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], channels = x->c, vectors = ceil_div(channels, VL);
  int64_t c0 = part(vectors, c->v[V_BLOCKS], block) * VL, c1 = EFME_MIN(part(vectors, c->v[V_BLOCKS], block + 1) * VL, channels);
  const float *in = f32(c, EFME_T_X) + image * pixels_of(x) * channels, *bias = f32(c, EFME_T_BIAS);
  float *out = f32(c, EFME_T_Y) + image * pixels_of(y) * channels, *pool = f32(c, EFME_T_POOL);
  double mean[VL * POOL_VECTORS];
  int64_t band = band_of(x->w, op->kh, op->stride);
  struct walk k;
  k.taps = op->kw, k.in_step = op->stride, k.first = -op->pad_left, k.width = x->w;
  k.w_step = k.out_step = k.channels = channels;
  k.count = y->w;
  for (int64_t b0 = c0; b0 < c1; b0 += VL * POOL_VECTORS) {
    int64_t b1 = EFME_MIN(b0 + VL * POOL_VECTORS, c1);
    memset(mean, 0, (size_t)round_up(b1 - b0, VL) * sizeof *mean);
    for (int64_t y0 = 0; y0 < y->h; y0 += band)
      for (int64_t v = b0; v < b1; v += VL)
        for (int64_t oy = y0; oy < EFME_MIN(y0 + band, (int64_t)y->h); oy++) {
          int lanes = (int)EFME_MIN(c1 - v, (int64_t)VL);
          float *row = out + oy * y->w * channels;
          dwconv_rows(op, &k, in, f32(c, EFME_T_W), oy);
          sums(&k, row, bias, v, lanes);
          if (op->act || pool) vadd_double(mean + (v - b0), finish(row + v, channels, y->w, lanes, op->act));
        }
    for (int64_t v = b0; pool && v < b1; v++) pool[image * channels + v] = (float)(mean[v - b0] / (double)pixels_of(y));
  }
}

/* The walk of the outputs ix, ix + s, .. of row iy: taps and window rows of their residue class, reversed. */
static void dx_walk(const struct efme_op *op, struct walk *k, const float *in, const float *w, int64_t iy, int64_t ix) {
  const struct efme_tensor *dy = &op->t[EFME_T_DY];
  int64_t s = op->stride, low = (ix + op->pad_left) % s, last = low < op->kw ? low + (op->kw - 1 - low) / s * s : -1; /* low, low + s .. last */
  k->rows = 0;
  k->taps = last < 0 ? 0 : (int)((last - low) / s + 1);
  k->first = last < 0 ? 0 : (ix + op->pad_left - last) / s;
  k->count = ceil_div(op->t[EFME_T_DX].w - ix, s);
  for (int64_t ky = (iy + op->pad_top) % s; ky < op->kh && last >= 0; ky += s) {
    int64_t oy = (iy + op->pad_top - ky) / s;
    if (iy + op->pad_top - ky < 0 || oy >= dy->h) continue;
    k->in[k->rows] = in + oy * dy->w * k->channels;
    k->w[k->rows++] = w + (ky * op->kw + last) * k->channels;
  }
}

static void dx_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *dx = shape(c, EFME_T_DX), *dy = shape(c, EFME_T_DY);
  int64_t image = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], channels = dx->c, vectors = ceil_div(channels, VL), s = op->stride;
  int64_t c0 = part(vectors, c->v[V_BLOCKS], block) * VL, c1 = EFME_MIN(part(vectors, c->v[V_BLOCKS], block + 1) * VL, channels);
  const float *in = f32(c, EFME_T_DY) + image * pixels_of(dy) * channels;
  float *out = f32(c, EFME_T_DX) + image * pixels_of(dx) * channels;
  int64_t band = s * band_of(dy->w, ceil_div(op->kh, s), 1);
  struct walk k;
  k.in_step = 1, k.width = dy->w, k.channels = channels;
  k.w_step = -s * channels, k.out_step = s * channels;
  for (int64_t y0 = 0; y0 < dx->h; y0 += band)
    for (int64_t v = c0; v < c1; v += VL)
      for (int64_t iy = y0; iy < EFME_MIN(y0 + band, (int64_t)dx->h); iy++)
        for (int64_t ix = 0; ix < EFME_MIN(s, (int64_t)dx->w); ix++) {
          dx_walk(op, &k, in, f32(c, EFME_T_W), iy, ix);
          sums(&k, out + (iy * dx->w + ix) * channels, NULL, v, (int)EFME_MIN(c1 - v, (int64_t)VL));
        }
}

EFME_TABLE(depthwise) = {
    {EFME_OP_DWCONV, NULL, dwconv_begin, {dwconv_task}},
    {EFME_OP_DWCONV_DX, NULL, dx_begin, {dx_task}},
    {0, NULL, NULL, {NULL}},
};
