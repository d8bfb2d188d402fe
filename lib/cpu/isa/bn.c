/* Batch normalisation, forward.
 *   BN_STAT  STAT = (mean, 1/sqrt(biased variance + eps)) of X over its rows; UPDATE moves MEAN, VAR; FIXED takes them instead
 *   BN_ACT   a = act(z); POOL = spatial mean of a; Y = a GATE keep + RES
 *
 * The variance is made in one pass from sums of (x - p) and (x - p)^2. p is the mean of 8 rows spread over the batch, near enough
 * to the true mean that next to nothing cancels. Partial sums lie in WS, [chunk][2][channels], and are merged in index order. */
#include "cpu/isa/bn.h"

/* ---- BN_STAT ---- */
enum { V_ROWS, V_CHUNKS, V_BLOCKS };

INLINE int64_t padded(int64_t channels) { return round_up(channels, VL); }

static int64_t rows_of(const struct efme_op *op, uint32_t batch) { return images_of(&op->t[EFME_T_X], batch) * pixels_of(&op->t[EFME_T_X]); }

static void stat_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  if (op->flags & EFME_OP_FIXED) return;
  needs->workspace = (size_t)(most_chunks(rows_of(op, max_batch)) * 2 * padded(op->t[EFME_T_X].c)) * sizeof(double);
}

static void stat_begin(struct efme_cpu_call *c) {
  int fixed = (c->op->flags & EFME_OP_FIXED) != 0;
  int64_t channels = fixed ? count_of(shape(c, EFME_T_STAT), 1) / 2 : shape(c, EFME_T_X)->c, vectors = ceil_div(channels, VL);
  c->v[V_ROWS] = fixed ? 0 : rows_of(c->op, c->batch);
  c->v[V_CHUNKS] = fixed ? 0 : chunk_count(c->v[V_ROWS]);
  c->v[V_BLOCKS] = fixed || c->threads <= 1 ? 1 : EFME_MIN(vectors, ceil_div(8 * (int64_t)c->threads, c->v[V_CHUNKS]));
  c->count[0] = (uint32_t)(c->v[V_CHUNKS] * c->v[V_BLOCKS]);
  c->count[1] = 1;
  c->serial = c->v[V_ROWS] * channels < SMALL_WORK;
}

/* p of one channel vector. */
INLINE vf pivot_of(const float *x, int64_t channels, int64_t rows, int lanes) {
  vf sum = vset(0.0f);
  for (int64_t i = 0; i < 8; i++) sum += vget(x + part(rows, 8, i) * channels, lanes);
  return sum * vset(0.125f);
}

INLINE void stat_block(const float *x, int64_t channels, int64_t rows, int64_t m0, int64_t m1, const int n, int lanes, double *s1,
                       double *s2) {
  vf p[4];
  for (int i = 0; i < n; i++) p[i] = pivot_of(x + i * VL, channels, rows, lanes);
  for (int64_t m = m0; m < m1; m += RUN) {
    vf a[4], b[4];
    for (int i = 0; i < n; i++) a[i] = b[i] = vset(0.0f);
    int64_t end = EFME_MIN(m + RUN, m1);
    for (int64_t r = m; r < end; r++)
      for (int i = 0; i < n; i++) {
        vf d = vget(x + r * channels + i * VL, lanes) - p[i];
        a[i] += d;
        b[i] = vfma(d, d, b[i]);
      }
    for (int i = 0; i < n; i++) {
      vadd_double(s1 + i * VL, a[i]);
      vadd_double(s2 + i * VL, b[i]);
    }
  }
}

static void stat_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t channels = shape(c, EFME_T_X)->c, vectors = ceil_div(channels, VL), rows = c->v[V_ROWS];
  int64_t chunk = index / c->v[V_BLOCKS], block = index % c->v[V_BLOCKS], v = part(vectors, c->v[V_BLOCKS], block);
  int64_t v1 = part(vectors, c->v[V_BLOCKS], block + 1), m0 = chunk * chunk_rows(rows), m1 = EFME_MIN(m0 + chunk_rows(rows), rows);
  const float *x = f32(c, EFME_T_X);
  double *s1 = (double *)c->t[EFME_T_WS] + chunk * 2 * padded(channels), *s2 = s1 + padded(channels);
  memset(s1 + v * VL, 0, (size_t)((v1 - v) * VL) * sizeof *s1);
  memset(s2 + v * VL, 0, (size_t)((v1 - v) * VL) * sizeof *s2);
  for (; v < v1;) {
    int64_t at = v * VL;
    int n = v + 4 <= v1 && at + 4 * VL <= channels ? 4 : 1;
    if (n == 4) stat_block(x + at, channels, rows, m0, m1, 4, VL, s1 + at, s2 + at);
    else stat_block(x + at, channels, rows, m0, m1, 1, (int)EFME_MIN(channels - at, (int64_t)VL), s1 + at, s2 + at);
    v += n;
  }
}

static void stat_merge(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  int fixed = (op->flags & EFME_OP_FIXED) != 0;
  int64_t channels = count_of(shape(c, EFME_T_STAT), 1) / 2, rows = c->v[V_ROWS], ld = padded(channels);
  float *stat = f32(c, EFME_T_STAT), *moving = f32(c, EFME_T_MEAN), *moving_var = f32(c, EFME_T_VAR);
  const double *ws = c->t[EFME_T_WS];
  (void)index;
  float pivot[VL];
  for (int64_t k = 0; k < channels; k++) {
    double mean, var;
    if (!fixed && k % VL == 0) vstore(pivot, pivot_of(f32(c, EFME_T_X) + k, channels, rows, (int)EFME_MIN(channels - k, (int64_t)VL)));
    if (fixed) {
      mean = moving[k];
      var = moving_var[k];
    } else {
      double s1 = 0, s2 = 0;
      for (int64_t i = 0; i < c->v[V_CHUNKS]; i++) {
        s1 += ws[i * 2 * ld + k];
        s2 += ws[(i * 2 + 1) * ld + k];
      }
      double d = s1 / (double)rows;
      mean = (double)pivot[k % VL] + d;
      var = s2 / (double)rows - d * d;
      if (var < 0) var = 0; /* rounding of a constant channel; NaN passes */
    }
    stat[k] = (float)mean;
    stat[channels + k] = (float)(1.0 / efme_sqrt(var + (double)op->f[1]));
    if (!fixed && (op->flags & EFME_OP_UPDATE)) {
      double old = (double)op->f[0];
      moving[k] = (float)(old * (double)moving[k] + (1.0 - old) * mean);
      moving_var[k] = (float)(old * (double)moving_var[k] + (1.0 - old) * var);
    }
  }
}

/* ---- BN_ACT: a task is some pixels of one image, or (where POOL is wanted) some channels of all its pixels ---- */
enum { A_PARTS, A_IMAGES };

static void act_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t images = images_of(x, c->batch), vectors = ceil_div(x->c, VL), most = c->t[EFME_T_POOL] ? ceil_div(vectors, 4) : pixels_of(x);
  int64_t want = EFME_MIN(8 * (int64_t)c->threads, ceil_div(count_of(x, c->batch), 8192));
  c->v[A_PARTS] = EFME_MAX(EFME_MIN(most, ceil_div(want, images)), (int64_t)1);
  c->v[A_IMAGES] = c->v[A_PARTS] > 1 ? 1 : ceil_div(images, EFME_MAX(want, (int64_t)1));
  c->count[0] = (uint32_t)(ceil_div(images, c->v[A_IMAGES]) * c->v[A_PARTS]);
  c->serial = count_of(x, c->batch) < SMALL_WORK / 2;
}

/* What one image brings. */
struct act_args {
  const float *x, *gate, *res;
  float *y;
  float keep;
  int64_t channels;
};

enum { POOL_ONLY, STORE, STORE_ADD };

/* `count` pixels of one channel vector, from x on; returns the sum of act(z). Everything in registers: y may alias anything. */
INLINE vf act_column(const float *x, float *y, const float *res, int64_t channels, int64_t count, struct norm n, vf factor, int lanes,
                     const int act, const int form) {
  vf sum = vset(0.0f);
  for (int64_t i = 0; i < count * channels; i += channels) {
    vf v = vact(act, norm_z(&n, vget(x + i, lanes)));
    sum += v;
    if (form == POOL_ONLY) continue;
    v = v * factor;
    if (form == STORE_ADD) v += vget(res + i, lanes);
    vput(y + i, v, lanes);
  }
  return sum;
}

INLINE vf act_form(const struct act_args *a, int64_t first, int64_t count, struct norm n, vf factor, int lanes, const int act) {
  const float *x = a->x + first;
  if (!a->y) return act_column(x, NULL, NULL, a->channels, count, n, factor, lanes, act, POOL_ONLY);
  if (!a->res) return act_column(x, a->y + first, NULL, a->channels, count, n, factor, lanes, act, STORE);
  return act_column(x, a->y + first, a->res + first, a->channels, count, n, factor, lanes, act, STORE_ADD);
}

INLINE void act_image(const struct efme_cpu_call *c, const struct act_args *a, int64_t p0, int64_t p1, int64_t v0, int64_t v1, float *pool,
                      const int act) {
  double sums[VL * 64];
  int64_t pixels = pixels_of(shape(c, EFME_T_X)), channels = a->channels;
  for (int64_t b0 = v0; b0 < v1; b0 += 64) {
    int64_t b1 = EFME_MIN(b0 + 64, v1);
    memset(sums, 0, (size_t)((b1 - b0) * VL) * sizeof *sums);
    /* some 16 KB of X at a time; the run is part of the sum's order, so it follows from the channels alone */
    int64_t run = EFME_MAX(EFME_MIN(4096 / channels, (int64_t)RUN), (int64_t)4);
    for (int64_t p = p0; p < p1; p += run)
      for (int64_t v = b0; v < b1; v++) {
        int64_t at = v * VL, count = EFME_MIN(run, p1 - p);
        int lanes = (int)EFME_MIN(channels - at, (int64_t)VL);
        struct norm n = norm_load(f32(c, EFME_T_STAT), f32(c, EFME_T_GAMMA), f32(c, EFME_T_BETA), channels, at, lanes);
        vf factor = a->gate ? vget(a->gate + at, lanes) * vset(a->keep) : vset(a->keep), sum;
        if (lanes == VL) sum = act_form(a, p * channels + at, count, n, factor, VL, act);
        else sum = act_form(a, p * channels + at, count, n, factor, lanes, act);
        if (pool) vadd_double(sums + (v - b0) * VL, sum);
      }
    for (int64_t k = b0 * VL; pool && k < EFME_MIN(b1 * VL, channels); k++) pool[k] = (float)(sums[k - b0 * VL] / (double)pixels);
  }
}

static void act_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  int64_t images = images_of(x, c->batch), pixels = pixels_of(x), channels = x->c, vectors = ceil_div(channels, VL);
  int64_t group = index / c->v[A_PARTS], piece = index % c->v[A_PARTS], parts = c->v[A_PARTS];
  for (int64_t i = group * c->v[A_IMAGES]; i < EFME_MIN((group + 1) * c->v[A_IMAGES], images); i++) {
    int64_t at = i * pixels * channels, p0 = 0, p1 = pixels, v0 = 0, v1 = vectors;
    float *y = f32(c, EFME_T_Y), *pool = f32(c, EFME_T_POOL);
    const float *gate = f32(c, EFME_T_GATE), *res = f32(c, EFME_T_RES);
    struct act_args a = {f32(c, EFME_T_X) + at, gate ? gate + i * channels : NULL, res ? res + at : NULL, y ? y + at : NULL, keep_of(c, i),
                         channels};
    if (pool) v0 = part(vectors, parts, piece), v1 = part(vectors, parts, piece + 1), pool += i * channels;
    else p0 = part(pixels, parts, piece), p1 = part(pixels, parts, piece + 1);
    if (c->op->act == EFME_ACT_SWISH) act_image(c, &a, p0, p1, v0, v1, pool, EFME_ACT_SWISH);
    else if (c->op->act == EFME_ACT_SIGMOID) act_image(c, &a, p0, p1, v0, v1, pool, EFME_ACT_SIGMOID);
    else act_image(c, &a, p0, p1, v0, v1, pool, EFME_ACT_NONE);
  }
}

EFME_TABLE(bn) = {
    {EFME_OP_BN_STAT, stat_needs, stat_begin, {stat_task, stat_merge}},
    {EFME_OP_BN_ACT, NULL, act_begin, {act_task}},
    {0, NULL, NULL, {NULL}},
};
