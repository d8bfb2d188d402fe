/* CONV_DW: DW[kh kw C, N] += windows(X SCALE + SHIFT)^T DY, the stem's weight gradient.
 *
 * For each row of outputs the input rows are made ready (window.h); tap row ky of DW then is an outer product of runs of that
 * buffer with the row of DY. Rows of outputs are cut into at most 16 groups of at least some 256 outputs by shape alone, each
 * with a partial DW in WS (where DW is under 256 KB), merged in index order. A task is a group by a panel of columns. */
#include "cpu/isa/outer.h"
#include "cpu/isa/window.h"

#define GROUPS 16
#define PARTIAL_LIMIT 65536 /* elements of DW */

enum { V_K, V_N, V_GROUPS, V_PANELS };

static int64_t depth_of(const struct efme_op *op) { return (int64_t)op->kh * op->kw * op->t[EFME_T_X].c; }

static int64_t groups_of(const struct efme_op *op, uint32_t batch) {
  const struct efme_tensor *dy = &op->t[EFME_T_DY];
  int64_t rows = images_of(dy, batch) * dy->h;
  if (depth_of(op) * dy->c > PARTIAL_LIMIT) return 1;
  return EFME_MIN(EFME_MIN(rows, (int64_t)GROUPS), ceil_div(rows * dy->w, 256));
}

static void dw_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  int64_t groups = groups_of(op, max_batch);
  needs->workspace = groups > 1 ? (size_t)(groups * depth_of(op) * round_up(op->t[EFME_T_DY].c, VL)) * sizeof(float) : 0;
}

static void dw_begin(struct efme_cpu_call *c) {
  const struct efme_tensor *dy = shape(c, EFME_T_DY);
  c->v[V_K] = depth_of(c->op);
  c->v[V_N] = dy->c;
  c->v[V_GROUPS] = groups_of(c->op, c->batch);
  c->v[V_PANELS] = ceil_div(dy->c, TILE_N);
  c->count[0] = (uint32_t)(c->v[V_GROUPS] * c->v[V_PANELS]);
  c->count[1] = c->v[V_GROUPS] > 1 ? (uint32_t)c->v[V_K] : 0;
  c->serial = count_of(dy, c->batch) * c->v[V_K] < SMALL_WORK * 8;
}

/* What one run of `count` outputs gives to the columns n0 .. of DW (or a partial one). */
static void run_sums(const struct window *w, const float *stage, int64_t line, const float *dy, int64_t count, int64_t n, int64_t n0, float *sum,
                     int64_t ldc, int64_t columns) {
  float tile[TILE_M * TILE_N] __attribute__((aligned(64)));
  int64_t run = w->op->kw * w->channels, tiles = ceil_div(run, TILE_M), step = w->op->stride * w->channels;
  int nv = (int)EFME_MIN((int64_t)TILE_V, ceil_div(n - n0, VL)), tail = (int)EFME_MIN(n - n0 - (nv - 1) * VL, (int64_t)VL);
  for (int64_t ky = 0; ky < w->op->kh; ky++)
    for (int64_t t = 0; t < tiles; t++) {
      int64_t k0 = part(run, tiles, t), rows = part(run, tiles, t + 1) - k0;
      tile_outer[rows - 1][nv - 1](stage + ky * line + k0, step, dy + n0, n, count, tail, tile);
      add_tile(sum + (ky * run + k0) * ldc, ldc, tile, (int)rows, nv, n0, columns);
    }
}

static void dw_task(const struct efme_cpu_call *c, uint32_t index) {
  const struct efme_tensor *dy = shape(c, EFME_T_DY);
  int64_t group = index / c->v[V_PANELS], n0 = index % c->v[V_PANELS] * TILE_N, n = c->v[V_N], groups = c->v[V_GROUPS], rows = images_of(dy, c->batch) * dy->h;
  int64_t ldc = n, columns = n;
  float *sum = f32(c, EFME_T_DW), stage[WINDOW_FLOATS] __attribute__((aligned(64)));
  if (groups > 1) {
    ldc = columns = round_up(n, VL);
    sum = f32(c, EFME_T_WS) + group * c->v[V_K] * ldc;
    for (int64_t k = 0; k < c->v[V_K]; k++) memset(sum + k * ldc + n0, 0, (size_t)EFME_MIN((int64_t)TILE_N, ldc - n0) * sizeof *sum);
  }
  struct window w;
  window_open(&w, c);
  int64_t step = window_outputs(&w, 1);
  for (int64_t row = part(rows, groups, group); row < part(rows, groups, group + 1); row++)
    for (int64_t ox = 0; ox < dy->w; ox += step) {
      int64_t count = EFME_MIN(step, dy->w - ox), line = window_rows(&w, stage, row / dy->h, row % dy->h, ox, count);
      run_sums(&w, stage, line, f32(c, EFME_T_DY) + (row * dy->w + ox) * n, count, n, n0, sum, ldc, columns);
    }
}

static void dw_merge(const struct efme_cpu_call *c, uint32_t index) {
  merge_row(f32(c, EFME_T_DW), f32(c, EFME_T_WS), c->v[V_GROUPS], c->v[V_K], round_up(c->v[V_N], VL), c->v[V_N], index);
}

EFME_TABLE(conv_dw) = {
    {EFME_OP_CONV_DW, dw_needs, dw_begin, {dw_task, dw_merge}},
    {0, NULL, NULL, {NULL}},
};
