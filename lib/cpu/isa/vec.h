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

/* Lanes of a where yes, else of b. */
INLINE vf vselect(vi yes, vf a, vf b) { return (vf)(((vi)a & yes) | ((vi)b & ~yes)); }

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
INLINE vf vmin(vf limit, vf x) { return vselect(x > limit, limit, x); }
INLINE vf vmax(vf limit, vf x) { return vselect(x < limit, limit, x); }
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

/* e^-x for |x| <= 104, where 0 and infinity are reached. -x = n ln 2 + r with ln 2 in two parts; the first has 9 significant
 * bits, so n times it is exact. NaN gives NaN.
 *
 * AVX-512: n is a multiple of 1/16, |r| <= ln 2 / 32; 2^n is a table of sixteenths held in one register times a power of two,
 * e^r = 1 + r + r^2/2 + r^3/6 (relative error 2^-27).
 * else: n is whole; e^r = 1 + r (1 + r q(r)), q the minimax polynomial of degree 4 (2^-28, found by the exchange algorithm);
 * 2^n in two factors, since n runs from -150 to 150, beyond the exponents of one float. */
INLINE vf vexp_minus(vf x) {
#if VL == 16
  const vf sixteenths = {1.0f, 1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f, 1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f, 1.75625217f, 1.8340081f, 1.91520655f};
  const vf magic = vset(786432.0f); /* 1.5 * 2^19: adding it rounds to a sixteenth */
  vf shifted = vfma(x, vset(-1.44269504f), magic), n = shifted - magic;
  vf r = vfma(n, vset(2.12194440e-4f), _mm512_fnmsub_ps(n, vset(0.693359375f), x));
  vf q = vfma(vfma(r, vset(1.6666666e-1f), vset(0.5f)), r, vset(1.0f)) * r;
  vf t = _mm512_permutexvar_ps((__m512i)shifted, sixteenths);
  return _mm512_scalef_ps(vfma(q, t, t), n);
#else
  const vf magic = vset(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  vf shifted = vfma(x, vset(-1.44269504f), magic), n = shifted - magic;
  vf r = vfma(n, vset(2.12194440e-4f), vfma(n, vset(-0.693359375f), -x));
  vf q = vfma(r, vset(1.3814467e-3f), vset(8.3687808e-3f));
  q = vfma(q, r, vset(4.1668393e-2f));
  q = vfma(q, r, vset(1.6666520e-1f));
  q = vfma(q, r, vset(4.9999994e-1f));
  q = vfma(q, r, vset(1.0f));
  vi whole = (vi)shifted - (vi)magic, half = whole >> 1, rest = whole - half;
  return vfma(q, r, vset(1.0f)) * (vf)((half + 127) << 23) * (vf)((rest + 127) << 23);
#endif
}

/* x within +-104, NaN kept. */
INLINE vf vclamp(vf x) { return vmin(vset(104.0f), vmax(vset(-104.0f), x)); }
/* The same in one instruction where there is one; it loses NaN, so only for what is combined with x again. */
INLINE vf vclamp_number(vf x) {
#if VL == 16
  return _mm512_range_ps(x, vset(104.0f), 2); /* sign of x, the smaller magnitude */
#else
  return vclamp(x);
#endif
}

/* 1/(1 + e^-x) and x times it: at most 4 ulp on [-80, 80] (measured 3.0 with AVX-512, 2.5 else). Infinities and NaN as IEEE
 * arithmetic says. */
INLINE vf vsigmoid(vf x) { return vset(1.0f) / (vset(1.0f) + vexp_minus(vclamp(x))); }
INLINE vf vswish(vf x) { return x / (vset(1.0f) + vexp_minus(vclamp_number(x))); }

/* x where x > 0, else slope x. A NaN stays. */
INLINE vf vprelu(vf slope, vf x) { return vselect(x > vset(0.0f), x, slope * x); }

INLINE vf vact(int act, vf x) { return act == EFME_ACT_SWISH ? vswish(x) : act == EFME_ACT_SIGMOID ? vsigmoid(x) : x; }

/* act'(x). q = 1 - s is e/(1 + e), without cancellation; where e is infinite that is 1, and s is 0. */
INLINE vf vact_slope(int act, vf x) {
  if (act == EFME_ACT_NONE) return vset(1.0f);
  vf e = vexp_minus(act == EFME_ACT_SWISH ? vclamp_number(x) : vclamp(x)), s = vset(1.0f) / (vset(1.0f) + e), q = vmin(e * s, vset(1.0f));
  return act == EFME_ACT_SWISH ? s * vfma(x, q, vset(1.0f)) : s * q;
}

#endif
