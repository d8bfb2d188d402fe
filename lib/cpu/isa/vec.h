/* One vector type at three widths, so that a kernel is written once: vf holds VL floats (16 with AVX-512, 8 with AVX2, 4
 * else). Arithmetic is the compilers' own vector extension. What it lacks is here: multiply-add, partial loads and
 * stores, clamping that keeps NaN, square root, exp.
 *
 * Files that include this are compiled with -ffp-contract=off and say VFMA where they mean it: whether a product is rounded
 * before it is added then never depends on how a compiler unrolled a loop, and an element has the same bits whichever tile,
 * tail or thread made it. Where the machine has no fused instruction VFMA is a product and a sum, on all its paths. */
#ifndef EFME_CPU_VEC_H
#define EFME_CPU_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "backend/backend.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif

#define INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(VL * 4)));
typedef float vf_any __attribute__((vector_size(VL * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(VL * 4)));

INLINE vf vload(const float *p) { return *(const vf_any *)p; }
INLINE void vstore(float *p, vf v) { *(vf_any *)p = v; }

#if VL == 16
INLINE vf vset(float x) { return _mm512_set1_ps(x); }
INLINE vf vfma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf vload_n(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void vstore_n(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
INLINE vf vsqrt(vf x) { return _mm512_sqrt_ps(x); }
/* min and max that answer their second operand where either is NaN */
INLINE vf vmin(vf limit, vf x) { return _mm512_min_ps(limit, x); }
INLINE vf vmax(vf limit, vf x) { return _mm512_max_ps(limit, x); }
#elif VL == 8
static const int32_t tail_mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
INLINE vf vset(float x) { return _mm256_set1_ps(x); }
INLINE __m256i vmask(int n) { return _mm256_loadu_si256((const __m256i_u *)(tail_mask + 8 - n)); }
INLINE vf vfma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf vload_n(const float *p, int n) { return _mm256_maskload_ps(p, vmask(n)); }
INLINE void vstore_n(float *p, vf v, int n) { _mm256_maskstore_ps(p, vmask(n), v); }
INLINE vf vsqrt(vf x) { return _mm256_sqrt_ps(x); }
INLINE vf vmin(vf limit, vf x) { return _mm256_min_ps(limit, x); }
INLINE vf vmax(vf limit, vf x) { return _mm256_max_ps(limit, x); }
#else
INLINE vf vset(float x) { return (vf){x, x, x, x}; }
INLINE vf vfma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf vload_n(const float *p, int n) {
  float t[VL] = {0};
  for (int i = 0; i < n; i++) t[i] = p[i];
  return vload(t);
}
INLINE void vstore_n(float *p, vf v, int n) {
  for (int i = 0; i < n; i++) p[i] = v[i];
}
#if defined(__SSE2__)
INLINE vf vsqrt(vf x) { return _mm_sqrt_ps(x); }
INLINE vf vmin(vf limit, vf x) { return _mm_min_ps(limit, x); }
INLINE vf vmax(vf limit, vf x) { return _mm_max_ps(limit, x); }
#else
INLINE vf vsqrt(vf x) {
  for (int i = 0; i < VL; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
}
INLINE vf vpick(vi yes, vf a, vf b) { return (vf)(((vi)a & yes) | ((vi)b & ~yes)); }
INLINE vf vmin(vf limit, vf x) { return vpick(x > limit, limit, x); }
INLINE vf vmax(vf limit, vf x) { return vpick(x < limit, limit, x); }
#endif
#endif

/* n lanes of a row whose rest may not be touched; n >= VL: all. */
INLINE vf vget(const float *p, int n) { return n >= VL ? vload(p) : vload_n(p, n); }
INLINE void vput(float *p, vf v, int n) {
  if (n >= VL) vstore(p, v);
  else vstore_n(p, v, n);
}

/* sum[0..VL) += v in double */
INLINE void vadd_double(double *sum, vf v) {
#if VL == 16
  _mm512_storeu_pd(sum, _mm512_add_pd(_mm512_loadu_pd(sum), _mm512_cvtps_pd(_mm512_castps512_ps256(v))));
  _mm512_storeu_pd(sum + 8, _mm512_add_pd(_mm512_loadu_pd(sum + 8), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1))));
#elif VL == 8
  _mm256_storeu_pd(sum, _mm256_add_pd(_mm256_loadu_pd(sum), _mm256_cvtps_pd(_mm256_castps256_ps128(v))));
  _mm256_storeu_pd(sum + 4, _mm256_add_pd(_mm256_loadu_pd(sum + 4), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))));
#else
  for (int i = 0; i < VL; i++) sum[i] += (double)v[i];
#endif
}

/* e^x. x = n ln 2 + r, |r| <= ln 2 / 2, ln 2 in two parts (the first has 9 significant bits, so n times it is exact);
 * e^r = 1 + r + r^2 q(r), q the minimax polynomial of degree 4 (relative error of e^r 2^-28, found by the exchange
 * algorithm). Below -104 the result is 0 or the last denormal, above 88.8 infinity; NaN stays NaN. */
INLINE vf vexp(vf x) {
  const vf magic = vset(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  x = vmin(vset(89.0f), vmax(vset(-104.0f), x));
  vf shifted = vfma(x, vset(1.44269504f), magic), n = shifted - magic;
  vf r = vfma(n, vset(-0.693359375f), x);
  r = vfma(n, vset(2.12194440e-4f), r);
  vf q = vfma(r, vset(1.3814467e-3f), vset(8.3687808e-3f));
  q = vfma(q, r, vset(4.1668393e-2f));
  q = vfma(q, r, vset(1.6666520e-1f));
  q = vfma(q, r, vset(4.9999994e-1f));
  vf e = vfma(q * r, r, r) + vset(1.0f);
#if VL == 16
  return _mm512_scalef_ps(e, n);
#else
  /* 2^n in two factors: n reaches 128 and -150, beyond the exponents of one float */
  vi whole = (vi)shifted - (vi)magic, half = whole >> 1, rest = whole - half;
  return e * (vf)((half + 127) << 23) * (vf)((rest + 127) << 23);
#endif
}

/* 1/(1 + e^-x) and x times it: at most 4 ulp on [-80, 80] (measured 2.5). Infinities and NaN as IEEE arithmetic says. */
INLINE vf vsigmoid(vf x) { return vset(1.0f) / (vset(1.0f) + vexp(-x)); }
INLINE vf vswish(vf x) { return x / (vset(1.0f) + vexp(-x)); }

INLINE vf vact(int act, vf x) { return act == EFME_ACT_SWISH ? vswish(x) : act == EFME_ACT_SIGMOID ? vsigmoid(x) : x; }

/* act'(x). 1 - s is e/(1 + e), without cancellation; where e is infinite that is 1, and s is 0. */
INLINE vf vact_slope(int act, vf x) {
  if (act == EFME_ACT_NONE) return vset(1.0f);
  vf e = vexp(-x), s = vset(1.0f) / (vset(1.0f) + e), q = vmin(e * s, vset(1.0f));
  return act == EFME_ACT_SWISH ? s * vfma(x, q, vset(1.0f)) : s * q;
}

#endif
