/* Register tiles of the matrix products: MR rows x NV vectors of C stay in registers while one dimension is walked.
 *
 *   tile_mul    C[r][j] (+)= sum over k of A[r][k] B[k][j]     A by rows (stride lda), in `segments` runs of `k` elements
 *                                                              (a convolution's window rows); B packed, NV vectors a k
 *   tile_outer  C[r][j] (+)= sum over m of A[m][r] B[m][j]     both by rows: a weight gradient; B's last vector has `tail` lanes
 *
 * Every accumulator is a variable of its own, spelled out by macros: with arrays and unroll pragmas it depends on the
 * compiler whether they live in registers (Clang 14 kept a tile on the stack). One sum has one order, k or m ascending,
 * whatever the tile's size, so rows do not notice which tile they fell into. C is a small dense buffer [MR][NV * VL]. */
#ifndef EFME_CPU_TILE_H
#define EFME_CPU_TILE_H

#include "cpu/isa/kernel.h"

/* The largest tile: accumulators, NV vectors of B and one broadcast must fit the registers (32, 16 and 16 of them). */
#if VL == 16
#define TILE_M 8
#define TILE_V 3
#elif VL == 8
#define TILE_M 6
#define TILE_V 2
#else
#define TILE_M 4
#define TILE_V 2
#endif
#define TILE_N (TILE_V * VL)

#define EACH1(X, V) X(0, V)
#define EACH2(X, V) EACH1(X, V) X(1, V)
#define EACH3(X, V) EACH2(X, V) X(2, V)
#define EACH4(X, V) EACH3(X, V) X(3, V)
#define EACH5(X, V) EACH4(X, V) X(4, V)
#define EACH6(X, V) EACH5(X, V) X(5, V)
#define EACH7(X, V) EACH6(X, V) X(6, V)
#define EACH8(X, V) EACH7(X, V) X(7, V)

#define ONE(r, v) c##r##_##v
#define ROW1(F, r) F(r, 0)
#define ROW2(F, r) F(r, 0) F(r, 1)
#define ROW3(F, r) F(r, 0) F(r, 1) F(r, 2)

#define ZERO(r, v) vf ONE(r, v) = {0};
#define LOAD(r, v) ONE(r, v) = vload(c + (r * nv + v) * VL);
#define SAVE(r, v) vstore(c + (r * nv + v) * VL, ONE(r, v));
#define STEP(r, v) ONE(r, v) = vfma(x##r, b##v, ONE(r, v));
#define ZERO_ROW(r, V) ROW##V(ZERO, r)
#define LOAD_ROW(r, V) ROW##V(LOAD, r)
#define SAVE_ROW(r, V) ROW##V(SAVE, r)
#define LINE(r, V) const float *a##r = a + r * lda;
#define MUL_ROW(r, V) { vf x##r = vset(a##r[i]); ROW##V(STEP, r) }
#define NEXT_ROW(r, V) a##r += segment;
#define OUTER_ROW(r, V) { vf x##r = vset(a[r]); ROW##V(STEP, r) }

#define B1(get) vf b0 = get(0);
#define B2(get) B1(get) vf b1 = get(1);
#define B3(get) B2(get) vf b2 = get(2);
#define PACKED(v) vload(b + v * VL)
#define FULL(v) vload(b + v * VL)
#define PARTLY(v) (v == nv - 1 ? vload_n(b + v * VL, tail) : vload(b + v * VL))

typedef void (*tile_mul_fn)(const float *a, int64_t lda, int64_t segments, int64_t segment, int64_t k, const float *b, float *c, int add);
typedef void (*tile_outer_fn)(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t m, int tail, float *c);

#define TILE_MUL(M, V)                                                                                                                       \
  static void tile_mul_##M##_##V(const float *a, int64_t lda, int64_t segments, int64_t segment, int64_t k, const float *b, float *c, int add) { \
    enum { nv = V };                                                                                                                         \
    EACH##M(ZERO_ROW, V) EACH##M(LINE, V)                                                                                                    \
    if (add) { EACH##M(LOAD_ROW, V) }                                                                                                        \
    for (int64_t s = 0; s < segments; s++) {                                                                                                 \
      for (int64_t i = 0; i < k; i++) {                                                                                                      \
        B##V(PACKED) EACH##M(MUL_ROW, V)                                                                                                     \
        b += nv * VL;                                                                                                                        \
      }                                                                                                                                      \
      EACH##M(NEXT_ROW, V)                                                                                                                   \
    }                                                                                                                                        \
    EACH##M(SAVE_ROW, V)                                                                                                                     \
  }

#define TILE_OUTER(M, V)                                                                                                                     \
  static void tile_outer_##M##_##V(const float *a, int64_t lda, const float *b, int64_t ldb, int64_t m, int tail, float *c) {                \
    enum { nv = V };                                                                                                                         \
    EACH##M(ZERO_ROW, V)                                                                                                                     \
    if (tail == VL) {                                                                                                                        \
      for (int64_t i = 0; i < m; i++, a += lda, b += ldb) { B##V(FULL) EACH##M(OUTER_ROW, V) }                                                \
    } else {                                                                                                                                 \
      for (int64_t i = 0; i < m; i++, a += lda, b += ldb) { B##V(PARTLY) EACH##M(OUTER_ROW, V) }                                              \
    }                                                                                                                                        \
    EACH##M(SAVE_ROW, V)                                                                                                                     \
  }

/* All sizes up to TILE_M x TILE_V of one form, and the table by [rows - 1][vectors - 1]. */
#if VL == 16
#define TILES_V(FORM, V) FORM(1, V) FORM(2, V) FORM(3, V) FORM(4, V) FORM(5, V) FORM(6, V) FORM(7, V) FORM(8, V)
#define TILES(FORM) TILES_V(FORM, 1) TILES_V(FORM, 2) TILES_V(FORM, 3)
#define TILE_ENTRY(name, M) {name##_##M##_1, name##_##M##_2, name##_##M##_3}
#define TILE_TABLE(name)                                                                                                                     \
  {TILE_ENTRY(name, 1), TILE_ENTRY(name, 2), TILE_ENTRY(name, 3), TILE_ENTRY(name, 4),                                                       \
   TILE_ENTRY(name, 5), TILE_ENTRY(name, 6), TILE_ENTRY(name, 7), TILE_ENTRY(name, 8)}
#elif VL == 8
#define TILES_V(FORM, V) FORM(1, V) FORM(2, V) FORM(3, V) FORM(4, V) FORM(5, V) FORM(6, V)
#define TILES(FORM) TILES_V(FORM, 1) TILES_V(FORM, 2)
#define TILE_ENTRY(name, M) {name##_##M##_1, name##_##M##_2}
#define TILE_TABLE(name)                                                                                                                     \
  {TILE_ENTRY(name, 1), TILE_ENTRY(name, 2), TILE_ENTRY(name, 3), TILE_ENTRY(name, 4), TILE_ENTRY(name, 5), TILE_ENTRY(name, 6)}
#else
#define TILES_V(FORM, V) FORM(1, V) FORM(2, V) FORM(3, V) FORM(4, V)
#define TILES(FORM) TILES_V(FORM, 1) TILES_V(FORM, 2)
#define TILE_ENTRY(name, M) {name##_##M##_1, name##_##M##_2}
#define TILE_TABLE(name) {TILE_ENTRY(name, 1), TILE_ENTRY(name, 2), TILE_ENTRY(name, 3), TILE_ENTRY(name, 4)}
#endif

#endif
