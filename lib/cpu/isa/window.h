/* Rows of a dense convolution's input made ready for the tiles: scaled and shifted, zero outside the image (the padding comes after
 * scale and shift). Windows of neighbouring outputs then are overlapping runs of kw * C floats of each row, stride * C apart:
 * the tiles read them in place and no window is ever copied. */
#ifndef EFME_CPU_WINDOW_H
#define EFME_CPU_WINDOW_H

#include "cpu/isa/kernel.h"

#define WINDOW_FLOATS EFME_CPU_MAX_WINDOW /* the buffer on the stack for kh rows: 48 KB */
#define WINDOW_CHANNELS 16                /* up to so many channels scale and shift are laid out as they repeat along a row */

struct window {
  const struct efme_op *op;
  const float *x, *scale, *shift;
  int64_t channels, height, width;
  int period; /* floats after which the pattern repeats on a vector's border; 0: too many channels */
  float scales[WINDOW_CHANNELS * VL], shifts[WINDOW_CHANNELS * VL];
};

INLINE void window_open(struct window *w, const struct efme_cpu_call *c) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  w->op = c->op;
  w->x = f32(c, EFME_T_X), w->scale = f32(c, EFME_T_SCALE), w->shift = f32(c, EFME_T_SHIFT);
  w->channels = x->c, w->height = x->h, w->width = x->w;
  w->period = (w->scale || w->shift) && x->c <= WINDOW_CHANNELS ? x->c * VL : 0;
  for (int i = 0; i < w->period; i++) {
    w->scales[i] = w->scale ? w->scale[i % x->c] : 1.0f;
    w->shifts[i] = w->shift ? w->shift[i % x->c] : 0.0f;
  }
}

/* out[i] = in[i] scale + shift for n floats that begin with channel 0 */
INLINE void window_normalise(const struct window *w, float *out, const float *in, int64_t n) {
  if (!w->scale && !w->shift) {
    memcpy(out, in, (size_t)n * sizeof *out);
    return;
  }
  int64_t at = 0;
  for (int64_t i = 0; w->period && i < n; i += VL, at = at + VL == w->period ? 0 : at + VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    vput(out + i, vfma(vget(in + i, lanes), vload(w->scales + at), vload(w->shifts + at)), lanes);
  }
  for (int64_t i = 0; !w->period && i < n; i += w->channels)
    for (int64_t c = 0; c < w->channels; c += VL) {
      int lanes = (int)EFME_MIN(w->channels - c, (int64_t)VL);
      vf scale = w->scale ? vget(w->scale + c, lanes) : vset(1.0f), shift = w->shift ? vget(w->shift + c, lanes) : vset(0.0f);
      vput(out + i + c, vfma(vget(in + i + c, lanes), scale, shift), lanes);
    }
}

/* `pixels` pixels of row iy from column ix on. */
INLINE void window_row(const struct window *w, float *out, int64_t image, int64_t iy, int64_t ix, int64_t pixels) {
  int64_t c = w->channels, first = EFME_MIN(EFME_MAX(-ix, (int64_t)0), pixels), last = EFME_MAX(EFME_MIN(w->width - ix, pixels), first);
  if (iy < 0 || iy >= w->height) first = last = pixels;
  memset(out, 0, (size_t)(first * c) * sizeof *out);
  memset(out + last * c, 0, (size_t)((pixels - last) * c) * sizeof *out);
  if (first < last) window_normalise(w, out + first * c, w->x + ((image * w->height + iy) * w->width + ix + first) * c, (last - first) * c);
}

/* The rows under `count` outputs of row oy from ox on, one behind the other; returns the floats of one. */
INLINE int64_t window_rows(const struct window *w, float *out, int64_t image, int64_t oy, int64_t ox, int64_t count) {
  int64_t pixels = (count - 1) * w->op->stride + w->op->kw, line = pixels * w->channels;
  for (int64_t ky = 0; ky < w->op->kh; ky++)
    window_row(w, out + ky * line, image, oy * w->op->stride + ky - w->op->pad_top, ox * w->op->stride - w->op->pad_left, pixels);
  return line;
}

/* So many outputs at a time that their rows fit the buffer; a multiple of `unit` where possible. */
INLINE int64_t window_outputs(const struct window *w, int64_t unit) {
  int64_t fit = WINDOW_FLOATS / (w->op->kh * w->channels), n = EFME_MAX((fit - w->op->kw) / w->op->stride + 1, (int64_t)1);
  return n > unit ? n / unit * unit : n;
}

#endif
