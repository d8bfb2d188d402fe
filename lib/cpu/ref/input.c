/* INPUT: X [B][sh][sw][1 or 3] u8 or f32 -> Y [B][h][w][3]: resize and, with AUGMENT, geometric and photometric change in one bilinear
 * sample. For the centre of each destination pixel the place in the source is found (backend.h has the formula); the value
 * is bilinear between pixel centres with the edge replicated, grey is replicated to three channels.
 * Without AUGMENT, and for variant 0 of PER_VARIANT, the map is the plain scaling and values are not touched or clamped. */
#include "cpu/ref/ref.h"

#include "util/util.h"

struct change {
  int flip;
  double brightness, contrast, cos_a, sin_a, scale, tx, ty;
};

static void change_draw(struct change *g, const struct efme_ref_args *a, int64_t b) {
  const float *f = a->op->f;
  uint32_t word[12], id = (uint32_t)((const int32_t *)a->t[EFME_T_ID].p)[b];
  uint32_t epoch = (a->op->flags & EFME_OP_PER_VARIANT) ? a->step->variant : a->step->epoch;
  double u[9];
  for (uint32_t k = 0; k < 3; k++) efme_philox(word + 4 * k, a->step->seed, EFME_RNG_AUGMENT, epoch, id, k);
  for (int k = 0; k < 9; k++) u[k] = efme_unit_f32(word[k]);
  double angle = f[4] * (2 * u[4] - 1);
  g->flip = u[0] < f[0];
  g->brightness = u[1] < f[1] ? 1 + f[2] * (2 * u[2] - 1) : 1;
  g->contrast = u[7] < f[1] ? 1 + f[3] * (2 * u[3] - 1) : 1;
  g->cos_a = efme_cos(angle);
  g->sin_a = efme_sin(angle);
  g->scale = 1 + f[5] * (2 * u[5] - 1);
  g->tx = f[6] * (double)a->t[EFME_T_Y].w * (2 * u[6] - 1);
  g->ty = f[6] * (double)a->t[EFME_T_Y].h * (2 * u[8] - 1);
}

static int64_t clamp_index(int64_t i, int64_t size) { return i < 0 ? 0 : i >= size ? size - 1 : i; }

static int64_t floor_index(double v) {
  int64_t i = (int64_t)v;
  return (double)i > v ? i - 1 : i;
}

/* Bilinear value at (sx, sy), pixel centres at .5. */
static double sample(const struct efme_ref_view *x, int64_t b, double sx, double sy, int64_t c) {
  int64_t x0 = floor_index(sx - 0.5), y0 = floor_index(sy - 0.5), pixel[4];
  double fx = sx - 0.5 - (double)x0, fy = sy - 0.5 - (double)y0, v[4];
  for (int k = 0; k < 4; k++) {
    pixel[k] = (b * x->h + clamp_index(y0 + k / 2, x->h)) * x->w + clamp_index(x0 + k % 2, x->w);
    v[k] = efme_ref_get(x, pixel[k] * x->c + (x->c == 1 ? 0 : c));
  }
  return (1 - fy) * ((1 - fx) * v[0] + fx * v[1]) + fy * ((1 - fx) * v[2] + fx * v[3]);
}

efme_status efme_ref_input(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  int augment = (a->op->flags & EFME_OP_AUGMENT) != 0;
  if (y->c != 3 || (x->c != 1 && x->c != 3)) return efme_ref_bad(a, "X has 1 or 3 channels, Y has 3");
  if (x->n != y->n || x->n != a->batch || x->h < 1 || x->w < 1) return efme_ref_bad(a, "X and Y differ in images, or are empty");
  if (augment && (a->op->flags & EFME_OP_PER_VARIANT) && a->step->variant == 0) augment = 0;
  efme_status status = efme_ref_need_count(a, EFME_T_ID, a->batch);
  if (status) return status;
  for (int64_t b = 0; b < y->n; b++) {
    struct change g = {0, 1, 1, 1, 0, 1, 0, 0};
    if (augment) change_draw(&g, a, b);
    for (int64_t i = 0; i < y->h * y->w * 3; i++) {
      double w = (double)y->w, h = (double)y->h;
      double dx = (double)(i / 3 % y->w) + 0.5 - w / 2 - g.tx, dy = (double)(i / 3 / y->w) + 0.5 - h / 2 - g.ty;
      double sx = (g.cos_a * dx + g.sin_a * dy) / g.scale + w / 2, sy = (-g.sin_a * dx + g.cos_a * dy) / g.scale + h / 2;
      if (g.flip) sx = w - sx;
      double v = sample(x, b, sx * ((double)x->w / w), sy * ((double)x->h / h), i % 3);
      if (augment) v = EFME_MIN(EFME_MAX((v * g.brightness - 127.5) * g.contrast + 127.5, 0.0), 255.0);
      efme_ref_set(y, b * y->h * y->w * 3 + i, v);
    }
  }
  return EFME_OK;
}
