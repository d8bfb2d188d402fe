/* What the two dense weight gradients share: the outer-product tiles, adding a tile to a matrix, merging partial matrices. */
#ifndef EFME_CPU_OUTER_H
#define EFME_CPU_OUTER_H

#include "cpu/isa/tile.h"

TILES(TILE_OUTER)
static const tile_outer_fn tile_outer[TILE_M][TILE_V] = TILE_TABLE(tile_outer);

/* C[0..rows)[n0..) += tile; `columns` is where C's rows end for us. */
INLINE void add_tile(float *c, int64_t ldc, const float *tile, int rows, int nv, int64_t n0, int64_t columns) {
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < nv; v++) {
      int lanes = (int)EFME_MIN(columns - n0 - v * VL, (int64_t)VL);
      float *to = c + r * ldc + n0 + v * VL;
      vput(to, vget(to, lanes) + vload(tile + (r * nv + v) * VL), lanes);
    }
}

/* Row k of DW [K][n] += the sum of row k of `groups` partial matrices [K][ldc], in double, in index order. */
INLINE void merge_row(float *dw, const float *partial, int64_t groups, int64_t rows, int64_t ldc, int64_t n, int64_t k) {
  for (int64_t i = 0; i < n; i += VL) {
    int lanes = (int)EFME_MIN(n - i, (int64_t)VL);
    double sum[VL] = {0};
    float total[VL], *to = dw + k * n + i;
    for (int64_t g = 0; g < groups; g++) vadd_double(sum, vload(partial + (g * rows + k) * ldc + i));
    for (int j = 0; j < VL; j++) total[j] = (float)sum[j];
    vput(to, vget(to, lanes) + vload(total), lanes);
  }
}

#endif
