/* float32 to float16 and bfloat16 and back, by bits: the same on every machine. */
#include <string.h>

#include "net/safetensors.h"

static uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

static float float_of(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* v >> shift, rounded to nearest, ties to even. */
static uint32_t round_shift(uint32_t v, uint32_t shift) {
  uint32_t half = 1u << (shift - 1), rest = v & ((1u << shift) - 1);
  v >>= shift;
  return v + (rest > half || (rest == half && (v & 1)));
}

static uint16_t to_f16(float f) {
  uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* from 65520 on: infinite */
  if (magnitude >= 0x38800000) return (uint16_t)(sign | round_shift(magnitude - 0x38000000, 13));
  if (magnitude < 0x33000000) return (uint16_t)sign; /* below half the smallest denormal */
  uint32_t shift = 126 - (magnitude >> 23);          /* 14 .. 24: bits below 2^-24 */
  return (uint16_t)(sign | round_shift((magnitude & 0x7fffff) | 0x800000, shift));
}

static float from_f16(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
  if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13);
  if (exponent) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
  float denormal = (float)fraction * 0x1p-24f;
  return sign ? -denormal : denormal;
}

static uint16_t to_bf16(float f) {
  uint32_t u = bits_of(f);
  if ((u & 0x7fffffff) > 0x7f800000) return (uint16_t)(u >> 16 | 0x40);
  return (uint16_t)round_shift(u, 16);
}

void efme_halves_encode(void *out, const float *values, uint64_t count, uint32_t dtype) {
  uint16_t *to = out;
  for (uint64_t i = 0; i < count; i++) to[i] = dtype == EFME_ST_F16 ? to_f16(values[i]) : to_bf16(values[i]);
}

void efme_halves_decode(float *values, const void *in, uint64_t count, uint32_t dtype) {
  const uint16_t *from = in;
  for (uint64_t i = 0; i < count; i++) values[i] = dtype == EFME_ST_F16 ? from_f16(from[i]) : float_of((uint32_t)from[i] << 16);
}
