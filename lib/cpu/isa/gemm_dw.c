/* MATMUL_DW: DW[K,N] += (X GATE)^T DY;  DB[N] += column sums of DY.
 *
 * The sum runs over M rows, up to 200 000, while DW is small. M is walked in chunks that stay in the second cache; a chunk's
 * sum of a tile is made in float registers (at most 512 terms) and added to the running sum. Where DW is small (under 64
 * KB) M is also cut into at most 16 groups whose running sums lie in WS and are merged in index order, in double; where it is
 * large, tasks are ranges of K and add into DW itself. Everything about the cut follows from M, K and N alone.
 * With a gate a chunk's rows of the left matrix are first multiplied by it, in WS: one area a task. */
#include "cpu/isa/outer.h"

struct cut {
  int64_t m, k, n;
  int64_t chunk;     /* rows a chunk */
  int64_t groups;    /* of chunks, a partial DW each where more than 1 */
  int64_t ranges;    /* of K */
  int64_t staged;    /* floats of a task's prepared rows, 0: X is read in place */
  int64_t ldc;       /* row length of a partial DW */
};

#define PARTIAL_LIMIT 16384 /* elements of DW up to which groups are made */
#define GROUPS 16

static struct cut cut_groups(const struct efme_op *op, uint32_t batch, int64_t groups) {
  const struct efme_tensor *x = &op->t[EFME_T_X], *dy = &op->t[EFME_T_DY];
  struct cut s = {images_of(dy, batch) * pixels_of(dy), x->c, dy->c, 0, 1, 1, 0, 0};
  int64_t tiles = ceil_div(s.k, TILE_M);
  s.chunk = EFME_MAX(EFME_MIN(49152 / (s.k + s.n), (int64_t)512), (int64_t)32);
  if (s.k * s.n <= PARTIAL_LIMIT) s.groups = groups ? groups : EFME_MIN(ceil_div(s.m, s.chunk), (int64_t)GROUPS);
  s.ranges = EFME_MIN(tiles, ceil_div(GROUPS, s.groups));
  s.ldc = round_up(s.n, VL);
  if (op->t[EFME_T_GATE].arena != EFME_ARENA_NONE) s.staged = s.chunk * ceil_div(tiles, s.ranges) * TILE_M;
  return s;
}

static struct cut cut_of(const struct efme_op *op, uint32_t batch) { return cut_groups(op, batch, 0); }

static size_t partial_floats(const struct cut *s) { return s->groups > 1 ? (size_t)(s->groups * s->k * s->ldc) : 0; }

/* Fewer images make fewer groups, which may need more room for prepared rows: the most of all. */
static void dw_needs(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs) {
  size_t most = 0;
  for (int64_t groups = cut_of(op, max_batch).groups; groups > 0; groups--) {
    struct cut s = cut_groups(op, max_batch, groups);
    most = EFME_MAX(most, partial_floats(&s) + (size_t)(s.groups * s.ranges * s.staged));
  }
  needs->workspace = most * sizeof(float);
}

static void dw_begin(struct efme_cpu_call *c) {
  struct cut s = cut_of(c->op, c->batch);
  c->count[0] = (uint32_t)(s.groups * s.ranges);
  c->count[1] = s.groups > 1 ? (uint32_t)ceil_div(s.k, TILE_M) : 0;
  c->count[2] = c->t[EFME_T_DB] ? (uint32_t)ceil_div(s.n, VL) : 0;
  c->serial = s.m * s.k * s.n < SMALL_WORK * 8;
}

/* ---- making rows ready: out[m - m0][k - k0] for a range of K ---- */
static void stage_gated(const struct efme_cpu_call *c, float *out, int64_t width, int64_t m0, int64_t m1, int64_t k0, int64_t k1) {
  int64_t pixels = pixels_of(shape(c, EFME_T_X)), k = shape(c, EFME_T_X)->c;
  for (int64_t m = m0; m < m1; m++, out += width) {
    const float *x = f32(c, EFME_T_X) + m * k, *gate = f32(c, EFME_T_GATE) + m / pixels * k;
    for (int64_t i = k0; i < k1; i += VL) {
      int lanes = (int)EFME_MIN(k1 - i, (int64_t)VL);
      vput(out + i - k0, vget(x + i, lanes) * vget(gate + i, lanes), lanes);
    }
  }
}

/* ---- one chunk ---- */
/* C[k0..k1)[0..n) += sum over the chunk's rows; a is at row m0, column k0. */
static void chunk_sum(const struct cut *s, const float *a, int64_t lda, const float *b, int64_t rows, int64_t k0, int64_t k1, float *c,
                      int64_t ldc, int64_t columns) {
  float tile[TILE_M * TILE_N] __attribute__((aligned(64)));
  for (int64_t n0 = 0; n0 < s->n; n0 += TILE_N) {
    int nv = (int)EFME_MIN((int64_t)TILE_V, ceil_div(s->n - n0, VL));
    int tail = (int)EFME_MIN(s->n - n0 - (nv - 1) * VL, (int64_t)VL);
    for (int64_t k = k0; k < k1; k += TILE_M) {
      int height = (int)EFME_MIN(k1 - k, (int64_t)TILE_M);
      tile_outer[height - 1][nv - 1](a + k - k0, lda, b + n0, s->n, rows, tail, tile);
      add_tile(c + k * ldc, ldc, tile, height, nv, n0, columns);
    }
  }
}

static void dw_task(const struct efme_cpu_call *c, uint32_t index) {
  struct cut s = cut_of(c->op, c->batch);
  int64_t group = index / s.ranges, range = index % s.ranges, tiles = ceil_div(s.k, TILE_M), chunks = ceil_div(s.m, s.chunk);
  int64_t k0 = part(tiles, s.ranges, range) * TILE_M, k1 = EFME_MIN(part(tiles, s.ranges, range + 1) * TILE_M, s.k);
  int64_t c0 = part(chunks, s.groups, group), c1 = part(chunks, s.groups, group + 1);
  float *ws = f32(c, EFME_T_WS), *sum = f32(c, EFME_T_DW), *stage = NULL;
  int64_t ldc = s.n, columns = s.n, width = k1 - k0;
  if (s.groups > 1) {
    sum = ws + group * s.k * s.ldc;
    ldc = columns = s.ldc;
    memset(sum + k0 * ldc, 0, (size_t)((k1 - k0) * ldc) * sizeof *sum);
  }
  if (s.staged) stage = ws + partial_floats(&s) + index * s.staged;
  for (int64_t chunk = c0; chunk < c1; chunk++) {
    int64_t m0 = chunk * s.chunk, m1 = EFME_MIN(m0 + s.chunk, s.m);
    const float *a = stage, *b = f32(c, EFME_T_DY) + m0 * s.n;
    if (stage) stage_gated(c, stage, width, m0, m1, k0, k1);
    else a = f32(c, EFME_T_X) + m0 * s.k + k0;
    chunk_sum(&s, a, stage ? width : s.k, b, m1 - m0, k0, k1, sum, ldc, columns);
  }
}

/* DW += the groups' partial sums, TILE_M rows a task. */
static void dw_merge(const struct efme_cpu_call *c, uint32_t index) {
  struct cut s = cut_of(c->op, c->batch);
  int64_t k0 = index * (int64_t)TILE_M, k1 = EFME_MIN(k0 + TILE_M, s.k);
  for (int64_t k = k0; k < k1; k++) merge_row(f32(c, EFME_T_DW), f32(c, EFME_T_WS), s.groups, s.k, s.ldc, s.n, k);
}

/* DB += column sums: float lanes over 16 rows, then double. */
static void db_task(const struct efme_cpu_call *c, uint32_t index) {
  struct cut s = cut_of(c->op, c->batch);
  int64_t n = index * (int64_t)VL;
  int lanes = (int)EFME_MIN(s.n - n, (int64_t)VL);
  const float *dy = f32(c, EFME_T_DY) + n;
  float total[VL], *to = f32(c, EFME_T_DB) + n;
  double sum[VL] = {0};
  for (int64_t m = 0; m < s.m; m += 16) {
    vf run = vset(0.0f);
    for (int64_t i = m; i < EFME_MIN(m + 16, s.m); i++) run += vget(dy + i * s.n, lanes);
    vadd_double(sum, run);
  }
  for (int i = 0; i < VL; i++) total[i] = (float)sum[i];
  vput(to, vget(to, lanes) + vload(total), lanes);
}

EFME_TABLE(gemm_dw) = {
    {EFME_OP_MATMUL_DW, dw_needs, dw_begin, {dw_task, dw_merge, db_task}},
    {0, NULL, NULL, {NULL}},
};
