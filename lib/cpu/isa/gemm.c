/* MATMUL, CONV and PACK: products with a packed right-hand matrix.
 *
 *   MATMUL  Y[M,N] = act((X GATE) W + BIAS) + RES      M = images h w rows
 *   CONV    Y = act(conv(X SCALE + SHIFT, W) + BIAS)   the same product; a row of the left matrix is a window of X
 *   PACK    P = W in panels of TILE_N columns: [panel][k][TILE_N], the last panel as many vectors wide as it needs, its
 *           missing columns zero. TRANSPOSED: W is stored [N][K].
 *
 * Where a descriptor brings W and no P, phase 0 packs it into the program's scratch. X is read in place; with a gate, or
 * as a convolution (window.h), a few rows at a time are first made ready on the stack. A task is a block of rows by a range of
 * panels: every output has one sum over k in ascending order, so the cut may follow the number of threads. */
#include "cpu/isa/tile.h"
#include "cpu/isa/window.h"

TILES(TILE_MUL)
static const tile_mul_fn tile_mul[TILE_M][TILE_V] = TILE_TABLE(tile_mul);

enum { V_M, V_K, V_N, V_ROWS, V_ROW_BLOCKS, V_PANEL_BLOCKS, V_PACK }; /* call.v of MATMUL and CONV */

#define STAGE_K 1024       /* with a gate: so many k at a time */

/* ---- panels ---- */
INLINE int64_t panels_of(int64_t n) { return ceil_div(n, TILE_N); }
INLINE int64_t panel_vectors(int64_t n, int64_t p) { return EFME_MIN((int64_t)TILE_V, ceil_div(n - p * TILE_N, VL)); }
static size_t packed_bytes(int64_t k, int64_t n) { return (size_t)(k * round_up(n, VL)) * sizeof(float); }

static void pack_panel(float *out, const float *w, int64_t k, int64_t n, int64_t p, int transposed) {
  int64_t width = panel_vectors(n, p) * VL, n0 = p * TILE_N, columns = EFME_MIN(width, n - n0);
  out += p * TILE_N * k;
  for (int64_t i = 0; i < k; i++, out += width) {
    if (!transposed) memcpy(out, w + i * n + n0, (size_t)columns * sizeof *out);
    else
      for (int64_t j = 0; j < columns; j++) out[j] = w[(n0 + j) * k + i];
    for (int64_t j = columns; j < width; j++) out[j] = 0;
  }
}

/* The matrix of a PACK op: its last dimension is what is stored contiguously. */
static void pack_dims(const struct efme_op *op, int64_t *k, int64_t *n) {
  const struct efme_tensor *x = &op->t[EFME_T_X];
  int64_t rows = (int64_t)x->n * x->h * x->w;
  *k = op->flags & EFME_OP_TRANSPOSED ? x->c : rows;
  *n = op->flags & EFME_OP_TRANSPOSED ? rows : x->c;
}

static void pack_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  int64_t k, n;
  (void)max_batch;
  pack_dims(op, &k, &n);
  needs->packed = packed_bytes(k, n);
}

static void pack_begin(struct efme_cpu_call *c) {
  pack_dims(c->op, &c->v[V_K], &c->v[V_N]);
  c->count[0] = (uint32_t)panels_of(c->v[V_N]);
  c->serial = c->v[V_K] * c->v[V_N] < SMALL_WORK / 4;
}

static void pack_task(const struct efme_cpu_call *c, uint32_t index) {
  pack_panel(f32(c, EFME_T_P), f32(c, EFME_T_X), c->v[V_K], c->v[V_N], index, (c->op->flags & EFME_OP_TRANSPOSED) != 0);
}

/* ---- what MATMUL and CONV share ---- */
static void product_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  (void)max_batch;
  int64_t k = op->t[EFME_T_X].c;
  if (op->kind == EFME_OP_CONV) k *= (int64_t)op->kh * op->kw;
  needs->packed = packed_bytes(k, op->t[EFME_T_Y].c);
  if (op->t[EFME_T_P].arena == EFME_ARENA_NONE) needs->scratch = needs->packed;
}

/* Cuts M rows x the panels into tasks: blocks of rows whose left matrix stays in the first cache; fewer rows, then fewer
 * panels a block while there are not some four tasks a thread. */
static void product_begin(struct efme_cpu_call *c, int64_t m, int64_t k, int64_t n, int64_t row_step) {
  int64_t panels = panels_of(n), want = 4 * (int64_t)c->threads;
  int64_t rows = EFME_MAX(6144 / k, (int64_t)1);
  rows = EFME_MIN(rows, (int64_t)128);
  if (c->threads > 1) rows = EFME_MIN(rows, ceil_div(m, want));
  rows = round_up(rows, row_step);
  c->v[V_M] = m;
  c->v[V_K] = k;
  c->v[V_N] = n;
  c->v[V_ROWS] = rows;
  c->v[V_ROW_BLOCKS] = ceil_div(m, rows);
  c->v[V_PANEL_BLOCKS] = c->threads > 1 ? EFME_MIN(panels, ceil_div(want, c->v[V_ROW_BLOCKS])) : 1;
  c->v[V_PACK] = c->t[EFME_T_P] == NULL;
  c->count[0] = c->v[V_PACK] ? (uint32_t)panels : 0;
  c->count[1] = (uint32_t)(c->v[V_ROW_BLOCKS] * c->v[V_PANEL_BLOCKS]);
  c->serial = m * k * n < SMALL_WORK * 8;
}

static void product_pack(const struct efme_cpu_call *c, uint32_t index) {
  pack_panel((float *)(void *)c->scratch, f32(c, EFME_T_W), c->v[V_K], c->v[V_N], index, (c->op->flags & EFME_OP_TRANSPOSED) != 0);
}

INLINE const float *product_packed(const struct efme_cpu_call *c) {
  return c->v[V_PACK] ? (const float *)(const void *)c->scratch : f32(c, EFME_T_P);
}

/* A tile's sums to their place: rows m0.., columns of panel p. */
INLINE void finish(const struct efme_cpu_call *c, const float *tile, int64_t m0, int rows, int64_t p, int nv, const int act) {
  int64_t n = c->v[V_N], n0 = p * TILE_N;
  const float *bias = f32(c, EFME_T_BIAS), *res = f32(c, EFME_T_RES), *slopes = act == EFME_ACT_PRELU ? f32(c, EFME_T_GAMMA) : NULL;
  float *y = f32(c, EFME_T_Y);
  for (int v = 0; v < nv; v++) {
    int64_t column = n0 + v * VL;
    int lanes = (int)EFME_MIN(n - column, (int64_t)VL);
    vf b = bias ? vget(bias + column, lanes) : vset(0.0f), slope = slopes ? vget(slopes + column, lanes) : vset(0.0f);
    for (int r = 0; r < rows; r++) {
      int64_t at = (m0 + r) * n + column;
      vf sum = vload(tile + (r * nv + v) * VL) + b, value = act == EFME_ACT_PRELU ? vprelu(slope, sum) : vact(act, sum);
      if (res) value += vget(res + at, lanes);
      vput(y + at, value, lanes);
    }
  }
}

static void finish_tile(const struct efme_cpu_call *c, const float *tile, int64_t m0, int rows, int64_t p, int nv) {
  if (c->op->act == EFME_ACT_SWISH) finish(c, tile, m0, rows, p, nv, EFME_ACT_SWISH);
  else if (c->op->act == EFME_ACT_SIGMOID) finish(c, tile, m0, rows, p, nv, EFME_ACT_SIGMOID);
  else if (c->op->act == EFME_ACT_PRELU) finish(c, tile, m0, rows, p, nv, EFME_ACT_PRELU);
  else finish(c, tile, m0, rows, p, nv, EFME_ACT_NONE);
}

/* ---- MATMUL ---- */
static void matmul_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *x = shape(c, EFME_T_X);
  product_begin(c, images_of(x, c->batch) * pixels_of(x), x->c, shape(c, EFME_T_Y)->c, TILE_M);
}

static void matmul_plain(const struct efme_cpu_call *c, int64_t m0, int64_t m1, int64_t p0, int64_t p1) {
  int64_t k = c->v[V_K];
  const float *x = f32(c, EFME_T_X), *packed = product_packed(c);
  float tile[TILE_M * TILE_N] __attribute__((aligned(64)));
  for (int64_t p = p0; p < p1; p++) {
    int nv = (int)panel_vectors(c->v[V_N], p);
    for (int64_t m = m0; m < m1; m += TILE_M) {
      int rows = (int)EFME_MIN(m1 - m, (int64_t)TILE_M);
      tile_mul[rows - 1][nv - 1](x + m * k, k, 1, 0, k, packed + p * TILE_N * k, tile, 0);
      finish_tile(c, tile, m, rows, p, nv);
    }
  }
}

/* stage[r][0..k) = X[m + r][k0..] * GATE of that row's image */
static void stage_gated(const struct efme_cpu_call *c, float *stage, int64_t m, int rows, int64_t k0, int64_t k) {
  int64_t width = c->v[V_K], pixels = pixels_of(shape(c, EFME_T_X));
  for (int r = 0; r < rows; r++) {
    const float *x = f32(c, EFME_T_X) + (m + r) * width + k0, *gate = f32(c, EFME_T_GATE) + (m + r) / pixels * width + k0;
    for (int64_t i = 0; i < k; i += VL) {
      int lanes = (int)EFME_MIN(k - i, (int64_t)VL);
      vput(stage + r * k + i, vget(x + i, lanes) * vget(gate + i, lanes), lanes);
    }
  }
}

static void matmul_gated(const struct efme_cpu_call *c, int64_t m0, int64_t m1, int64_t p0, int64_t p1) {
  int64_t k = c->v[V_K];
  const float *packed = product_packed(c);
  float stage[TILE_M * STAGE_K] __attribute__((aligned(64))), tile[TILE_M * TILE_N] __attribute__((aligned(64)));
  for (int64_t m = m0; m < m1; m += TILE_M) {
    int rows = (int)EFME_MIN(m1 - m, (int64_t)TILE_M);
    if (k <= STAGE_K) stage_gated(c, stage, m, rows, 0, k);
    for (int64_t p = p0; p < p1; p++) {
      int nv = (int)panel_vectors(c->v[V_N], p);
      for (int64_t k0 = 0; k0 < k; k0 += STAGE_K) {
        int64_t part_k = EFME_MIN(k - k0, (int64_t)STAGE_K);
        if (k > STAGE_K) stage_gated(c, stage, m, rows, k0, part_k);
        tile_mul[rows - 1][nv - 1](stage, part_k, 1, 0, part_k, packed + p * TILE_N * k + k0 * nv * VL, tile, k0 > 0);
      }
      finish_tile(c, tile, m, rows, p, nv);
    }
  }
}

static void matmul_task(const struct efme_cpu_call *c, uint32_t index) {
  int64_t row = index / c->v[V_PANEL_BLOCKS], column = index % c->v[V_PANEL_BLOCKS], panels = panels_of(c->v[V_N]);
  int64_t m0 = row * c->v[V_ROWS], m1 = EFME_MIN(m0 + c->v[V_ROWS], c->v[V_M]);
  int64_t p0 = part(panels, c->v[V_PANEL_BLOCKS], column), p1 = part(panels, c->v[V_PANEL_BLOCKS], column + 1);
  if (c->t[EFME_T_GATE]) matmul_gated(c, m0, m1, p0, p1);
  else matmul_plain(c, m0, m1, p0, p1);
}

/* ---- CONV: a task is a row of outputs ---- */
static void conv_begin(struct efme_cpu_call *c) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *y = shape(c, EFME_T_Y);
  int64_t k = (int64_t)op->kh * op->kw * shape(c, EFME_T_X)->c;
  product_begin(c, images_of(y, c->batch) * pixels_of(y), k, y->c, 1);
  c->v[V_ROWS] = y->w;
  c->v[V_PANEL_BLOCKS] = 1;
  c->count[1] = (uint32_t)(images_of(y, c->batch) * y->h);
}

static void conv_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_op *op = c->op;
  const struct efme_tensor *y = shape(c, EFME_T_Y);
  float stage[WINDOW_FLOATS] __attribute__((aligned(64))), tile[TILE_M * TILE_N] __attribute__((aligned(64)));
  struct window w;
  window_open(&w, c);
  int64_t k = c->v[V_K], outputs = window_outputs(&w, TILE_M), step = op->stride * w.channels;
  for (int64_t x0 = 0; x0 < y->w; x0 += outputs) {
    int64_t count = EFME_MIN(outputs, y->w - x0), line = window_rows(&w, stage, index / y->h, index % y->h, x0, count);
    for (int64_t p = 0; p < panels_of(c->v[V_N]); p++) {
      int nv = (int)panel_vectors(c->v[V_N], p);
      for (int64_t x = 0; x < count; x += TILE_M) {
        int rows = (int)EFME_MIN(count - x, (int64_t)TILE_M);
        tile_mul[rows - 1][nv - 1](stage + x * step, step, op->kh, line, op->kw * w.channels, product_packed(c) + p * TILE_N * k, tile, 0);
        finish_tile(c, tile, index * (int64_t)y->w + x0 + x, rows, p, nv);
      }
    }
  }
}

EFME_TABLE(gemm) = {
    {EFME_OP_PACK, pack_needs, pack_begin, {pack_task}},
    {EFME_OP_MATMUL, product_needs, matmul_begin, {product_pack, matmul_task}},
    {EFME_OP_CONV, product_needs, conv_begin, {product_pack, conv_task}},
    {0, NULL, NULL, {NULL}},
};
