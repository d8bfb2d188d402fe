/* Batch normalisation, backward. factor = GATE keep by image and channel:
 *   dz = (DY factor + POOL / (h w)) act'(z)
 *   BN_REDUCE  SUMS = (sum dz, sum dz xhat); DB += the first, DW += the second
 *   BN_DX      DX = GAMMA rstd (dz - (SUMS0 + xhat SUMS1) / M); FIXED: GAMMA rstd dz
 *   GATE_DX    DX[n,c] = sum over h, w of DY act(z)
 *
 * z is computed again from X: cheaper than keeping it. Rows are cut into chunks by shape (bn.h); a chunk is walked in runs
 * that end where an image ends, since the factors change there. */
#include "cpu/isa/bn.h"

enum { V_ROWS, V_CHUNKS, V_BLOCKS };

INLINE int64_t padded(int64_t channels) { return round_up(channels, VL); }
static int64_t rows_of(const struct efme_op *op, uint32_t batch) { return images_of(&op->t[EFME_T_X], batch) * pixels_of(&op->t[EFME_T_X]); }

static void reduce_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  needs->workspace = (size_t)(most_chunks(rows_of(op, max_batch)) * 2 * padded(op->t[EFME_T_X].c)) * sizeof(double);
}

static void reduce_begin(struct efme_cpu_call *c) {
  int64_t channels = shape(c, EFME_T_X)->c, vectors = ceil_div(channels, VL);
  c->v[V_ROWS] = rows_of(c->op, c->batch);
  c->v[V_CHUNKS] = chunk_count(c->v[V_ROWS]);
  c->v[V_BLOCKS] = c->threads <= 1 ? 1 : EFME_MIN(vectors, ceil_div(8 * (int64_t)c->threads, c->v[V_CHUNKS]));
  c->count[0] = (uint32_t)(c->v[V_CHUNKS] * c->v[V_BLOCKS]);
  c->count[1] = 1;
  c->serial = c->v[V_ROWS] * channels < SMALL_WORK / 4;
}

/* The factors of one image for one channel vector. */
struct factors {
  vf factor, share;
};

INLINE struct factors factors_of(const struct efme_cpu_call *c, int64_t image, int64_t channels, int64_t at, int lanes, float keep) {
  const float *gate = f32(c, EFME_T_GATE), *pool = f32(c, EFME_T_POOL);
  struct factors f;
  f.factor = gate ? vget(gate + image * channels + at, lanes) * vset(keep) : vset(keep);
  f.share = pool ? vget(pool + image * channels + at, lanes) * vset((float)(1.0 / (double)pixels_of(shape(c, EFME_T_X)))) : vset(0.0f);
  return f;
}

/* `count` rows of one image, one channel vector. */
INLINE void reduce_run(const float *x, const float *dy, int64_t channels, int64_t count, struct norm n, struct factors f, int lanes,
                       const int act, vf *s1, vf *s2) {
  vf a = vset(0.0f), b = vset(0.0f);
  for (int64_t i = 0; i < count * channels; i += channels) {
    vf d = vget(x + i, lanes) - n.mean, z = vfma(d, n.a, n.beta);
    vf dz = norm_dz(act, z, vget(dy + i, lanes), f.factor, f.share);
    a += dz;
    b = vfma(dz, d * n.rstd, b);
  }
  *s1 = a;
  *s2 = b;
}

INLINE void reduce_rows(const struct efme_cpu_call *c, int64_t m0, int64_t m1, int64_t v0, int64_t v1, double *t1, double *t2, const int act) {
  int64_t channels = shape(c, EFME_T_X)->c, pixels = pixels_of(shape(c, EFME_T_X));
  for (int64_t m = m0; m < m1;) { /* runs inside one image */
    int64_t image = m / pixels, end = EFME_MIN(EFME_MIN((image + 1) * pixels, m1), m + RUN);
    float keep = keep_of(c, image);
    for (int64_t v = v0; v < v1; v++) {
      int64_t at = v * VL;
      int lanes = (int)EFME_MIN(channels - at, (int64_t)VL);
      const float *x = f32(c, EFME_T_X) + m * channels + at, *dy = f32(c, EFME_T_DY) + m * channels + at;
      struct norm n = norm_load(f32(c, EFME_T_STAT), f32(c, EFME_T_GAMMA), f32(c, EFME_T_BETA), channels, at, lanes);
      struct factors f = factors_of(c, image, channels, at, lanes, keep);
      vf s1, s2;
      if (lanes == VL) reduce_run(x, dy, channels, end - m, n, f, VL, act, &s1, &s2);
      else reduce_run(x, dy, channels, end - m, n, f, lanes, act, &s1, &s2);
      vadd_double(t1 + at, s1);
      vadd_double(t2 + at, s2);
    }
    m = end;
  }
}

static void reduce_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t channels = shape(c, EFME_T_X)->c, vectors = ceil_div(channels, VL), rows = c->v[V_ROWS], blocks = c->v[V_BLOCKS];
  int64_t chunk = index / blocks, block = index % blocks, v0 = part(vectors, blocks, block), v1 = part(vectors, blocks, block + 1);
  int64_t m0 = chunk * chunk_rows(rows), m1 = EFME_MIN(m0 + chunk_rows(rows), rows);
  double *t1 = (double *)c->t[EFME_T_WS] + chunk * 2 * padded(channels), *t2 = t1 + padded(channels);
  memset(t1 + v0 * VL, 0, (size_t)((v1 - v0) * VL) * sizeof *t1);
  memset(t2 + v0 * VL, 0, (size_t)((v1 - v0) * VL) * sizeof *t2);
  if (c->op->act == EFME_ACT_SWISH) reduce_rows(c, m0, m1, v0, v1, t1, t2, EFME_ACT_SWISH);
  else if (c->op->act == EFME_ACT_SIGMOID) reduce_rows(c, m0, m1, v0, v1, t1, t2, EFME_ACT_SIGMOID);
  else reduce_rows(c, m0, m1, v0, v1, t1, t2, EFME_ACT_NONE);
}

static void reduce_merge(const struct efme_cpu_call *c, uint32_t index) {
  int64_t channels = shape(c, EFME_T_X)->c, ld = padded(channels);
  const double *ws = c->t[EFME_T_WS];
  double *sums = c->t[EFME_T_SUMS];
  float *dw = f32(c, EFME_T_DW), *db = f32(c, EFME_T_DB);
  (void)index;
  for (int64_t k = 0; k < channels; k++) {
    double s1 = 0, s2 = 0;
    for (int64_t i = 0; i < c->v[V_CHUNKS]; i++) {
      s1 += ws[i * 2 * ld + k];
      s2 += ws[(i * 2 + 1) * ld + k];
    }
    sums[k] = s1;
    sums[channels + k] = s2;
    if (db) db[k] = (float)((double)db[k] + s1);
    if (dw) dw[k] = (float)((double)dw[k] + s2);
  }
}

/* ---- BN_DX and GATE_DX: a task is an image, or some pixels (BN_DX) or channels (GATE_DX) of it ---- */
enum { D_PARTS, D_IMAGES };

static void split_begin(struct efme_cpu_call *c, int64_t most) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t images = images_of(x, c->batch), want = EFME_MIN(8 * (int64_t)c->threads, ceil_div(count_of(x, c->batch), 4096));
  c->v[D_PARTS] = EFME_MAX(EFME_MIN(most, ceil_div(want, images)), (int64_t)1);
  c->v[D_IMAGES] = c->v[D_PARTS] > 1 ? 1 : ceil_div(images, EFME_MAX(want, (int64_t)1));
  c->count[0] = (uint32_t)(ceil_div(images, c->v[D_IMAGES]) * c->v[D_PARTS]);
  c->serial = count_of(x, c->batch) < SMALL_WORK / 4;
}

static void dx_begin(struct efme_cpu_call *c) { split_begin(c, pixels_of(shape(c, EFME_T_X))); }
static void gate_begin(struct efme_cpu_call *c) { split_begin(c, ceil_div(shape(c, EFME_T_X)->c, 2 * VL)); }

INLINE void dx_run(const float *x, const float *dy, float *dx, int64_t channels, int64_t count, struct norm n, struct factors f, vf s0, vf s1,
                   int lanes, const int act, const int fixed) {
  for (int64_t i = 0; i < count * channels; i += channels) {
    vf d = vget(x + i, lanes) - n.mean, z = vfma(d, n.a, n.beta);
    vf dz = norm_dz(act, z, vget(dy + i, lanes), f.factor, f.share);
    if (!fixed) dz -= vfma(d * n.rstd, s1, s0);
    vput(dx + i, n.a * dz, lanes);
  }
}

/* SUMS / M of one channel vector as floats. */
INLINE vf mean_of(const double *sums, int lanes, double rows) {
  float t[VL] = {0};
  for (int i = 0; i < lanes; i++) t[i] = (float)(sums[i] / rows);
  return vload(t);
}

INLINE void dx_pixels(const struct efme_cpu_call *c, int64_t image, int64_t p0, int64_t p1, const int act, const int fixed) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t channels = x->c, pixels = pixels_of(x), run = EFME_MAX(EFME_MIN(4096 / channels, (int64_t)RUN), (int64_t)8);
  double rows = (double)(images_of(x, c->batch) * pixels);
  const double *sums = c->t[EFME_T_SUMS];
  float keep = keep_of(c, image);
  for (int64_t p = p0; p < p1; p += run)
    for (int64_t at = 0; at < channels; at += VL) {
      int lanes = (int)EFME_MIN(channels - at, (int64_t)VL);
      int64_t i = (image * pixels + p) * channels + at, count = EFME_MIN(run, p1 - p);
      const float *px = f32(c, EFME_T_X) + i, *dy = f32(c, EFME_T_DY) + i;
      struct norm n = norm_load(f32(c, EFME_T_STAT), f32(c, EFME_T_GAMMA), f32(c, EFME_T_BETA), channels, at, lanes);
      struct factors f = factors_of(c, image, channels, at, lanes, keep);
      vf s0 = fixed ? vset(0.0f) : mean_of(sums + at, lanes, rows), s1 = fixed ? vset(0.0f) : mean_of(sums + channels + at, lanes, rows);
      if (lanes == VL) dx_run(px, dy, f32(c, EFME_T_DX) + i, channels, count, n, f, s0, s1, VL, act, fixed);
      else dx_run(px, dy, f32(c, EFME_T_DX) + i, channels, count, n, f, s0, s1, lanes, act, fixed);
    }
}

static void dx_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t images = images_of(shape(c, EFME_T_X), c->batch), pixels = pixels_of(shape(c, EFME_T_X)), parts = c->v[D_PARTS];
  int64_t group = index / parts, piece = index % parts, p0 = part(pixels, parts, piece), p1 = part(pixels, parts, piece + 1);
  int fixed = (c->op->flags & EFME_OP_FIXED) != 0;
  for (int64_t i = group * c->v[D_IMAGES]; i < EFME_MIN((group + 1) * c->v[D_IMAGES], images); i++) {
    if (c->op->act == EFME_ACT_SWISH && fixed) dx_pixels(c, i, p0, p1, EFME_ACT_SWISH, 1);
    else if (c->op->act == EFME_ACT_SWISH) dx_pixels(c, i, p0, p1, EFME_ACT_SWISH, 0);
    else if (c->op->act == EFME_ACT_SIGMOID) dx_pixels(c, i, p0, p1, EFME_ACT_SIGMOID, fixed);
    else dx_pixels(c, i, p0, p1, EFME_ACT_NONE, fixed);
  }
}

/* Sums of one channel vector over an image, float runs of RUN pixels. */
INLINE void gate_column(const struct efme_cpu_call *c, int64_t image, int64_t at, int lanes, const int act) {
  int64_t channels = shape(c, EFME_T_X)->c, pixels = pixels_of(shape(c, EFME_T_X)), first = image * pixels * channels + at;
  const float *x = f32(c, EFME_T_X) + first, *dy = f32(c, EFME_T_DY) + first;
  struct norm n = norm_load(f32(c, EFME_T_STAT), f32(c, EFME_T_GAMMA), f32(c, EFME_T_BETA), channels, at, lanes);
  double sums[VL] = {0};
  for (int64_t p = 0; p < pixels; p += RUN) {
    vf s = vset(0.0f);
    for (int64_t i = p; i < EFME_MIN(p + RUN, pixels); i++)
      s = vfma(vget(dy + i * channels, lanes), vact(act, norm_z(&n, vget(x + i * channels, lanes))), s);
    vadd_double(sums, s);
  }
  for (int i = 0; i < lanes; i++) f32(c, EFME_T_DX)[image * channels + at + i] = (float)sums[i];
}

static void gate_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t images = images_of(shape(c, EFME_T_X), c->batch), channels = shape(c, EFME_T_X)->c, vectors = ceil_div(channels, VL);
  int64_t parts = c->v[D_PARTS], group = index / parts, piece = index % parts;
  for (int64_t i = group * c->v[D_IMAGES]; i < EFME_MIN((group + 1) * c->v[D_IMAGES], images); i++)
    for (int64_t v = part(vectors, parts, piece); v < part(vectors, parts, piece + 1); v++) {
      int lanes = (int)EFME_MIN(channels - v * VL, (int64_t)VL);
      if (c->op->act == EFME_ACT_SWISH && lanes == VL) gate_column(c, i, v * VL, VL, EFME_ACT_SWISH);
      else if (c->op->act == EFME_ACT_SWISH) gate_column(c, i, v * VL, lanes, EFME_ACT_SWISH);
      else if (c->op->act == EFME_ACT_SIGMOID) gate_column(c, i, v * VL, lanes, EFME_ACT_SIGMOID);
      else gate_column(c, i, v * VL, lanes, EFME_ACT_NONE);
    }
}

EFME_TABLE(bn_back) = {
    {EFME_OP_BN_REDUCE, reduce_needs, reduce_begin, {reduce_task, reduce_merge}},
    {EFME_OP_BN_DX, NULL, dx_begin, {dx_task}},
    {EFME_OP_GATE_DX, NULL, gate_begin, {gate_task}},
    {0, NULL, NULL, {NULL}},
};
