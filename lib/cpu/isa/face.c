/* What face detection needs beyond the other networks:
 *   MAXPOOL  Y = largest of a window of X, cut at its edge
 *   CROP     Y[n] = (mean - f[0]) f[1] over the cells of box n of one image X: overlapping whole windows of rows and columns
 *
 * A task is a row of outputs. CROP of 8-bit pixels first adds up the rows of its window, column by column, then the columns of
 * each cell: sums are exact integers, so their order is free. */
#include "cpu/isa/kernel.h"

static void rows_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *y = shape(c, EFME_T_Y);
  c->count[0] = (uint32_t)(images_of(y, c->batch) * y->h);
  c->serial = count_of(y, c->batch) < SMALL_WORK / 4;
}

/* ---- MAXPOOL ---- */
INLINE vf larger(vf most, vf x) { return vselect((x > most) | (x != x), x, most); }

static void maxpool_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  int64_t channels = x->c, line = (int64_t)x->w * channels, top = index % y->h * (int64_t)op->stride;
  int64_t high = EFME_MIN((int64_t)op->kh, x->h - top);
  const float *in = f32(c, EFME_T_X) + (index / y->h * (int64_t)x->h + top) * line;
  float *out = f32(c, EFME_T_Y) + index * (int64_t)y->w * channels;
  for (int64_t i = 0; i < y->w; i++, out += channels) {
    int64_t left = i * op->stride, wide = EFME_MIN((int64_t)op->kw, x->w - left);
    for (int64_t at = 0; at < channels; at += VL) {
      int lanes = (int)EFME_MIN(channels - at, (int64_t)VL);
      const float *p = in + left * channels + at;
      vf most = vget(p, lanes);
      for (int64_t j = 0; j < high; j++)
        for (int64_t k = 0; k < wide; k++) most = larger(most, vget(p + j * line + k * channels, lanes));
      vput(out + at, most, lanes);
    }
  }
}

/* ---- CROP ---- */
#define CROP_VALUES 6144 /* column sums on the stack: 24 KB, 2048 RGB pixels */

struct crop {
  int64_t x0, y0, wide, high; /* the box, cut to the image */
  int64_t from, rows;         /* the task's window of rows, from the image's top */
};

INLINE int64_t cell_begin(int64_t i, int64_t n, int64_t m) { return i * n / m; }
INLINE int64_t cell_end(int64_t i, int64_t n, int64_t m) { return ((i + 1) * n + m - 1) / m; }
INLINE int64_t clamped(int64_t v, int64_t low, int64_t high) { return EFME_MIN(EFME_MAX(v, low), high); }

static struct crop crop_of(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  const int32_t *box = (const int32_t *)c->t[EFME_T_BOX] + 4 * (int64_t)(index / (uint32_t)y->h);
  struct crop b;
  int64_t row = index % (uint32_t)y->h;
  b.x0 = clamped(box[0], 0, x->w - 1), b.wide = clamped(box[2], b.x0 + 1, x->w) - b.x0;
  b.y0 = clamped(box[1], 0, x->h - 1), b.high = clamped(box[3], b.y0 + 1, x->h) - b.y0;
  b.from = b.y0 + cell_begin(row, b.high, y->h);
  b.rows = b.y0 + cell_end(row, b.high, y->h) - b.from;
  return b;
}

/* The plain way, pixel by pixel: float images, and windows too large for the sums on the stack. */
static void crop_cell(const struct efme_cpu_call *c, const struct crop *b, int64_t from, int64_t to, float *out) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t channels = x->c;
  for (int64_t k = 0; k < channels; k++) {
    double sum = 0;
    for (int64_t j = b->from; j < b->from + b->rows; j++)
      for (int64_t i = (j * x->w + from) * channels + k; i < (j * x->w + to) * channels; i += channels)
        sum += x->dtype == EFME_U8 ? (double)((const uint8_t *)c->t[EFME_T_X])[i] : (double)f32(c, EFME_T_X)[i];
    out[k] = (float)((sum / (double)(b->rows * (to - from)) - (double)c->op->f[0]) * (double)c->op->f[1]);
  }
  if (channels == 1) out[1] = out[2] = out[0];
}

/* sums[i] = the sum of column i over `rows` lines of n bytes. 256 rows at a time fit 16 bits. */
static void column_sums(uint32_t *sums, const uint8_t *in, int64_t stride, int64_t rows, int64_t n) {
  uint16_t few[CROP_VALUES];
  memset(sums, 0, (size_t)n * sizeof *sums);
  for (int64_t j = 0; j < rows; j += 256) {
    int64_t last = EFME_MIN(j + 256, rows);
    for (int64_t i = 0; i < n; i++) few[i] = in[j * stride + i];
    for (int64_t r = j + 1; r < last; r++)
      for (int64_t i = 0; i < n; i++) few[i] = (uint16_t)(few[i] + in[r * stride + i]);
    for (int64_t i = 0; i < n; i++) sums[i] += few[i];
  }
}

INLINE void crop_sums(const struct efme_cpu_call *c, const uint32_t *sums, int64_t rows, int64_t from, int64_t to, const int channels,
                      float *out) {
  uint64_t sum[3] = {0, 0, 0};
  for (int64_t i = from; i < to; i++)
    for (int k = 0; k < channels; k++) sum[k] += sums[i * channels + k];
  double share = 1.0 / (double)(rows * (to - from));
  for (int k = 0; k < channels; k++) out[k] = (float)(((double)sum[k] * share - (double)c->op->f[0]) * (double)c->op->f[1]);
  if (channels == 1) out[1] = out[2] = out[0];
}

static void crop_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  struct crop b = crop_of(c, index);
  int64_t channels = x->c, room = CROP_VALUES / channels;
  float *out = f32(c, EFME_T_Y) + index * (int64_t)y->w * 3;
  uint32_t sums[CROP_VALUES];
  for (int64_t i = 0; i < y->w;) {
    int64_t first = cell_begin(i, b.wide, y->w), next = i;
    while (x->dtype == EFME_U8 && next < y->w && cell_end(next, b.wide, y->w) - first <= room) next++;
    if (next == i) {
      crop_cell(c, &b, b.x0 + first, b.x0 + cell_end(i, b.wide, y->w), out + 3 * i);
      i++;
      continue;
    }
    const uint8_t *in = (const uint8_t *)c->t[EFME_T_X] + (b.from * x->w + b.x0 + first) * channels;
    column_sums(sums, in, x->w * channels, b.rows, (cell_end(next - 1, b.wide, y->w) - first) * channels);
    for (; i < next; i++) {
      int64_t from = cell_begin(i, b.wide, y->w) - first, to = cell_end(i, b.wide, y->w) - first;
      if (channels == 1) crop_sums(c, sums, b.rows, from, to, 1, out + 3 * i);
      else crop_sums(c, sums, b.rows, from, to, 3, out + 3 * i);
    }
  }
}

EFME_TABLE(face) = {
    {EFME_OP_MAXPOOL, NULL, rows_begin, {maxpool_task}},
    {EFME_OP_CROP, NULL, rows_begin, {crop_task}},
    {0, NULL, NULL, {NULL}},
};
