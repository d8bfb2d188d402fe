/* INPUT: X [B][sh][sw][1 or 3] u8 or f32 -> Y [B][h][w][3] f32, resized and, with AUGMENT, moved, turned, mirrored and
 * changed in light, by one bilinear sample a pixel (backend.h has the formula and the draws).
 *
 * Places are computed in double: a float would be off by 1e-5 pixels at the far end of a row, which times a step of 255 shows. Where
 * source and destination agree in size and nothing is augmented, a pixel is copied. A task is a row of an image. */
#include "cpu/isa/kernel.h"

/* Source place = (ax x + bx y + cx, ay x + by y + cy) for the destination pixel (x, y), in source pixels with centres at .5, less .5.
 * Value: v gain + offset, clamped where augmented. */
struct map {
  double ax, bx, cx, ay, by, cy;
  float brightness, contrast;
  int clamp;
};

static void input_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *y = shape(c, EFME_T_Y);
  c->count[0] = (uint32_t)(images_of(y, c->batch) * y->h);
  c->serial = count_of(y, c->batch) < SMALL_WORK / 2;
}

/* The map without augmentation: the plain scaling of one image to the other's size. */
static struct map plain_map(const struct efme_tensor *x, const struct efme_tensor *y) {
  double fx = (double)x->w / y->w, fy = (double)x->h / y->h;
  struct map m = {fx, 0, 0.5 * fx - 0.5, 0, fy, 0.5 * fy - 0.5, 1, 1, 0};
  return m;
}

static struct map drawn_map(const struct efme_cpu_call *c, int64_t image) {
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  const struct efme_step *step = c->t[EFME_T_STEP];
  const float *f = c->op->f;
  uint32_t word[12], id = (uint32_t)((const int32_t *)c->t[EFME_T_ID])[image];
  uint32_t epoch = c->op->flags & EFME_OP_PER_VARIANT ? step->variant : step->epoch;
  double u[9], w = y->w, h = y->h;
  for (uint32_t k = 0; k < 3; k++) efme_philox(word + 4 * k, step->seed, EFME_RNG_AUGMENT, epoch, id, k);
  for (int k = 0; k < 9; k++) u[k] = (double)efme_unit_f32(word[k]);
  int flip = u[0] < (double)f[0], bright = u[1] < (double)f[1], contrast = u[7] < (double)f[1];
  double angle = (double)f[4] * (2 * u[4] - 1), scale = 1 + (double)f[5] * (2 * u[5] - 1), cosine = efme_cos(angle) / scale,
         sine = efme_sin(angle) / scale;
  double x0 = 0.5 - w / 2 - (double)f[6] * w * (2 * u[6] - 1), y0 = 0.5 - h / 2 - (double)f[6] * h * (2 * u[8] - 1);
  double fx = (double)x->w / w, fy = (double)x->h / h, sign = flip ? -1 : 1;
  struct map m;
  /* sx = cosine dx + sine dy + w/2 (mirrored: w - sx), dx = x + x0; sy = -sine dx + cosine dy + h/2 */
  m.ax = sign * cosine * fx;
  m.bx = sign * sine * fx;
  m.cx = sign * (cosine * x0 + sine * y0) * fx + w / 2 * fx - 0.5;
  m.ay = -sine * fy;
  m.by = cosine * fy;
  m.cy = (-sine * x0 + cosine * y0 + h / 2) * fy - 0.5;
  m.brightness = bright ? (float)(1 + (double)f[2] * (2 * u[2] - 1)) : 1.0f;
  m.contrast = contrast ? (float)(1 + (double)f[3] * (2 * u[3] - 1)) : 1.0f;
  m.clamp = 1;
  return m;
}

INLINE float read_value(const void *x, const int u8, int64_t i) { return u8 ? (float)((const uint8_t *)x)[i] : ((const float *)x)[i]; }

/* Pixel and fraction of a place; the edge is replicated. */
INLINE void locate(double place, int64_t size, int64_t *low, int64_t *high, float *fraction) {
  int64_t i = (int64_t)place;
  if ((double)i > place) i--;
  *fraction = (float)(place - (double)i);
  *low = EFME_MIN(EFME_MAX(i, (int64_t)0), size - 1);
  *high = EFME_MIN(EFME_MAX(i + 1, (int64_t)0), size - 1);
}

INLINE void sample_row(const void *x, const int u8, const int grey, const struct efme_tensor *t, const struct map *m, int64_t row, int64_t width,
                       float *y) {
  const int64_t c = grey ? 1 : 3;
  for (int64_t i = 0; i < width; i++) {
    int64_t x0, x1, y0, y1;
    float fx, fy;
    locate(m->ax * (double)i + m->bx * (double)row + m->cx, t->w, &x0, &x1, &fx);
    locate(m->ay * (double)i + m->by * (double)row + m->cy, t->h, &y0, &y1, &fy);
    for (int64_t k = 0; k < c; k++) {
      float a = read_value(x, u8, (y0 * t->w + x0) * c + k), b = read_value(x, u8, (y0 * t->w + x1) * c + k);
      float d = read_value(x, u8, (y1 * t->w + x0) * c + k), e = read_value(x, u8, (y1 * t->w + x1) * c + k);
      float v = (1 - fy) * ((1 - fx) * a + fx * b) + fy * ((1 - fx) * d + fx * e);
      if (m->clamp) {
        v = (v * m->brightness - 127.5f) * m->contrast + 127.5f;
        v = v < 0 ? 0 : v > 255 ? 255 : v;
      }
      y[i * 3 + k] = v;
    }
    if (grey) y[i * 3 + 1] = y[i * 3 + 2] = y[i * 3];
  }
}

INLINE void copy_row(const void *x, const int u8, const int grey, int64_t first, int64_t width, float *y) {
  if (!grey)
    for (int64_t i = 0; i < width * 3; i++) y[i] = read_value(x, u8, first * 3 + i);
  else
    for (int64_t i = 0; i < width; i++) y[i * 3] = y[i * 3 + 1] = y[i * 3 + 2] = read_value(x, u8, first + i);
}

static void input_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *x = shape(c, EFME_T_X), *y = shape(c, EFME_T_Y);
  const struct efme_step *step = c->t[EFME_T_STEP];
  int64_t image = index / y->h, row = index % y->h;
  int grey = x->c == 1, u8 = x->dtype == EFME_U8, augment = (c->op->flags & EFME_OP_AUGMENT) != 0;
  if (augment && (c->op->flags & EFME_OP_PER_VARIANT) && step->variant == 0) augment = 0;
  const char *in = (const char *)c->t[EFME_T_X] + image * pixels_of(x) * x->c * (u8 ? 1 : 4);
  float *out = f32(c, EFME_T_Y) + index * (int64_t)y->w * 3;
  if (!augment && x->h == y->h && x->w == y->w) {
    if (u8 && grey) copy_row(in, 1, 1, row * x->w, x->w, out);
    else if (u8) copy_row(in, 1, 0, row * x->w, x->w, out);
    else if (grey) copy_row(in, 0, 1, row * x->w, x->w, out);
    else copy_row(in, 0, 0, row * x->w, x->w, out);
    return;
  }
  struct map m = augment ? drawn_map(c, image) : plain_map(x, y);
  if (u8 && grey) sample_row(in, 1, 1, x, &m, row, y->w, out);
  else if (u8) sample_row(in, 1, 0, x, &m, row, y->w, out);
  else if (grey) sample_row(in, 0, 1, x, &m, row, y->w, out);
  else sample_row(in, 0, 0, x, &m, row, y->w, out);
}

EFME_TABLE(input) = {
    {EFME_OP_INPUT, NULL, input_begin, {input_task}},
    {0, NULL, NULL, {NULL}},
};
