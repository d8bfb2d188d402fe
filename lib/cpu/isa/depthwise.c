/* Depthwise convolution, forward and by its input. X [B][H][W][C], W [kh][kw][C]:
 *   DWCONV     Y = act(depthwise(X, W) + BIAS), POOL = spatial mean of Y
 *   DWCONV_DX  DX[iy,ix] = sum over the taps that reach it of DY W
 *
 * Both are the same walk. An output row is a sum over some input rows and some taps of each; along the row, outputs in
 * which all taps lie inside are made several at a time with channels in the vector (`inner`), the others one by one with
 * several channel vectors (`edge`). The gradient with stride s is s x s interleaved walks: outputs of one residue class of
 * (y, x) see only the taps of the matching class, in reverse order, and step s apart.
 * A task is an image by a range of channel vectors, so the spatial mean needs no merging. */
#include "cpu/isa/kernel.h"

/* One class of outputs along one row: output j = 0 .. count-1 lies at out + j out_step; its taps t read in + (j in_step + first + t)
 * pixels, where a pixel must lie in [0, width). */
struct walk {
  const float *in[255], *w[255]; /* by window row: input row, its first tap's weights */
  int rows, taps;
  int64_t in_step, first, width;
  int64_t w_step;   /* floats from tap to tap, negative when reversed */
  int64_t out_step; /* floats from output to output */
  int64_t count, channels;
  int act;
};

INLINE vf load_bias(const float *bias, int64_t c, int lanes) { return bias ? vget(bias + c, lanes) : vset(0.0f); }

/* Outputs j0 .. j1 - 1, one at a time; taps outside are left out. Adds them to *sum. */
static void edge(const struct walk *k, float *out, const float *bias, int64_t c, int lanes, int64_t j0, int64_t j1, vf *sum) {
  vf b = load_bias(bias, c, lanes);
  for (int64_t j = j0; j < j1; j++) {
    int64_t at = j * k->in_step + k->first;
    int t0 = (int)EFME_MIN(EFME_MAX(-at, (int64_t)0), (int64_t)k->taps), t1 = (int)EFME_MIN((int64_t)k->taps, k->width - at);
    vf y = b;
    for (int r = 0; r < k->rows; r++)
      for (int t = t0; t < t1; t++) y = vfma(vget(k->in[r] + (at + t) * k->channels + c, lanes), vget(k->w[r] + t * k->w_step + c, lanes), y);
    y = vact(k->act, y);
    *sum += y;
    vput(out + j * k->out_step + c, y, lanes);
  }
}

/* N outputs from j on, all taps inside. T taps, stride S between outputs: both known to the compiler where it matters. */
INLINE void inner(const struct walk *k, float *out, vf b, int64_t c, int lanes, int64_t j, const int n, const int taps, const int64_t step, vf *sum) {
  vf y[8];
  for (int i = 0; i < n; i++) y[i] = b;
  for (int r = 0; r < k->rows; r++) {
    const float *in = k->in[r] + (j * step + k->first) * k->channels + c, *w = k->w[r] + c;
    for (int t = 0; t < taps; t++) {
      vf weight = vget(w + t * k->w_step, lanes);
      for (int i = 0; i < n; i++) y[i] = vfma(vget(in + (i * step + t) * k->channels, lanes), weight, y[i]);
    }
  }
  for (int i = 0; i < n; i++) {
    y[i] = vact(k->act, y[i]);
    *sum += y[i];
    vput(out + (j + i) * k->out_step + c, y[i], lanes);
  }
}

INLINE void span(const struct walk *k, float *out, const float *bias, int64_t c, int lanes, int64_t j0, int64_t j1, const int taps,
                 const int64_t step, vf *sum) {
  vf b = load_bias(bias, c, lanes);
  int64_t j = j0;
  for (; j + 4 <= j1; j += 4) inner(k, out, b, c, lanes, j, 4, taps, step, sum);
  for (; j < j1; j++) inner(k, out, b, c, lanes, j, 1, taps, step, sum);
}

/* One row of outputs for channels c .. c + lanes - 1; returns their sum. */
static vf walk_row(const struct walk *k, float *out, const float *bias, int64_t c, int lanes) {
  vf sum = vset(0.0f);
  /* outputs whose taps all lie inside: j in_step + first >= 0 and + taps <= width */
  int64_t j0 = k->first < 0 ? ceil_div(-k->first, k->in_step) : 0, room = k->width - k->taps - k->first;
  int64_t j1 = room < 0 ? 0 : room / k->in_step + 1;
  j0 = EFME_MIN(j0, k->count);
  j1 = EFME_MAX(EFME_MIN(j1, k->count), j0);
  edge(k, out, bias, c, lanes, 0, j0, &sum);
  if (lanes == VL && k->taps == 3 && k->in_step == 1) span(k, out, bias, c, VL, j0, j1, 3, 1, &sum);
  else if (lanes == VL && k->taps == 3 && k->in_step == 2) span(k, out, bias, c, VL, j0, j1, 3, 2, &sum);
  else if (lanes == VL && k->taps == 5 && k->in_step == 1) span(k, out, bias, c, VL, j0, j1, 5, 1, &sum);
  else if (lanes == VL && k->taps == 5 && k->in_step == 2) span(k, out, bias, c, VL, j0, j1, 5, 2, &sum);
  else if (lanes == VL && k->taps == 2 && k->in_step == 1) span(k, out, bias, c, VL, j0, j1, 2, 1, &sum);
  else if (lanes == VL && k->taps == 1 && k->in_step == 1) span(k, out, bias, c, VL, j0, j1, 1, 1, &sum);
  else span(k, out, bias, c, lanes, j0, j1, k->taps, k->in_step, &sum);
  edge(k, out, bias, c, lanes, j1, k->count, &sum);
  return sum;
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

static void dwconv_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  int64_t image = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], channels = x->c, vectors = ceil_div(channels, VL);
  int64_t c0 = part(vectors, c->v[V_BLOCKS], block) * VL, c1 = EFME_MIN(part(vectors, c->v[V_BLOCKS], block + 1) * VL, channels);
  const float *in = f32(c, EFME_T_X) + image * pixels_of(x) * channels, *bias = f32(c, EFME_T_BIAS);
  float *out = f32(c, EFME_T_Y) + image * pixels_of(y) * channels, *pool = f32(c, EFME_T_POOL);
  double mean[VL * 256]; /* c1 - c0 at a time; more channels go in turns */
  struct walk k;
  k.taps = op->kw, k.in_step = op->stride, k.first = -op->pad_left, k.width = x->w;
  k.w_step = k.out_step = k.channels = channels;
  k.count = y->w, k.act = op->act;
  for (int64_t b0 = c0; b0 < c1; b0 += VL * 256) {
    int64_t b1 = EFME_MIN(b0 + VL * 256, c1);
    memset(mean, 0, (size_t)round_up(b1 - b0, VL) * sizeof *mean);
    for (int64_t oy = 0; oy < y->h; oy++) {
      k.rows = 0;
      for (int64_t ky = 0; ky < op->kh; ky++) {
        int64_t iy = oy * op->stride + ky - op->pad_top;
        if (iy < 0 || iy >= x->h) continue;
        k.in[k.rows] = in + iy * x->w * channels;
        k.w[k.rows++] = f32(c, EFME_T_W) + ky * op->kw * channels;
      }
      for (int64_t v = b0; v < b1; v += VL)
        vadd_double(mean + (v - b0), walk_row(&k, out + oy * y->w * channels, bias, v, (int)EFME_MIN(c1 - v, (int64_t)VL)));
    }
    for (int64_t v = b0; pool && v < b1; v++) pool[image * channels + v] = (float)(mean[v - b0] / (double)pixels_of(y));
  }
}

static void dx_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *dx = shape(c, EFME_T_DX), *dy = shape(c, EFME_T_DY);
  int64_t image = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], channels = dx->c, vectors = ceil_div(channels, VL), s = op->stride;
  int64_t c0 = part(vectors, c->v[V_BLOCKS], block) * VL, c1 = EFME_MIN(part(vectors, c->v[V_BLOCKS], block + 1) * VL, channels);
  const float *in = f32(c, EFME_T_DY) + image * pixels_of(dy) * channels, *w = f32(c, EFME_T_W);
  float *out = f32(c, EFME_T_DX) + image * pixels_of(dx) * channels;
  struct walk k;
  k.in_step = 1, k.width = dy->w, k.channels = channels, k.act = EFME_ACT_NONE;
  k.w_step = -s * channels, k.out_step = s * channels;
  for (int64_t iy = 0; iy < dx->h; iy++)
    for (int64_t ix = 0; ix < EFME_MIN(s, (int64_t)dx->w); ix++) { /* residue class of x */
      int64_t low = (ix + op->pad_left) % s, last = low < op->kw ? low + (op->kw - 1 - low) / s * s : -1; /* its taps: low, low + s .. last */
      k.taps = last < 0 ? 0 : (int)((last - low) / s + 1);
      k.first = last < 0 ? 0 : (ix + op->pad_left - last) / s;
      k.count = ceil_div(dx->w - ix, s);
      k.rows = 0;
      for (int64_t ky = (iy + op->pad_top) % s; ky < op->kh && last >= 0; ky += s) {
        int64_t oy = (iy + op->pad_top - ky) / s;
        if (iy + op->pad_top - ky < 0 || oy >= dy->h) continue;
        k.in[k.rows] = in + oy * dy->w * channels;
        k.w[k.rows++] = w + (ky * op->kw + last) * channels;
      }
      for (int64_t v = c0; v < c1; v += VL) walk_row(&k, out + (iy * dx->w + ix) * channels, NULL, v, (int)EFME_MIN(c1 - v, (int64_t)VL));
    }
}

EFME_TABLE(depthwise) = {
    {EFME_OP_DWCONV, NULL, dwconv_begin, {dwconv_task}},
    {EFME_OP_DWCONV_DX, NULL, dx_begin, {dx_task}},
    {0, NULL, NULL, {NULL}},
};
