/* What the batch normalisation kernels share. X is rows x channels, rows = images h w.
 *
 *   z = GAMMA (X - mean) rstd + BETA, computed as (X - mean) a + BETA with a = GAMMA rstd
 *
 * Column sums: a block of channel vectors is walked over at most RUN rows with float accumulators, then added to double.
 * The relative error of a float run of 64 terms is at most 64 * 2^-24 of the sum of magnitudes and falls with the number of
 * runs. */
#ifndef EFME_CPU_BN_H
#define EFME_CPU_BN_H

#include "cpu/isa/kernel.h"

#define RUN 64
#define CHUNKS 64 /* at most so many partial sums */

/* Parameters of one channel vector. */
struct norm {
  vf mean, a, beta, rstd;
};

INLINE struct norm norm_load(const float *stat, const float *gamma, const float *beta, int64_t channels, int64_t c, int lanes) {
  struct norm n;
  n.mean = vget(stat + c, lanes);
  n.rstd = vget(stat + channels + c, lanes);
  n.a = vget(gamma + c, lanes) * n.rstd;
  n.beta = vget(beta + c, lanes);
  return n;
}
INLINE vf norm_z(const struct norm *n, vf x) { return vfma(x - n->mean, n->a, n->beta); }

/* Rows a chunk of partial sums has: a multiple of RUN, at most CHUNKS chunks. */
INLINE int64_t chunk_rows(int64_t rows) { return EFME_MAX(round_up(ceil_div(rows, CHUNKS), RUN), (int64_t)(4 * RUN)); }
INLINE int64_t chunk_count(int64_t rows) { return ceil_div(rows, chunk_rows(rows)); }
/* and for any smaller number of rows */
INLINE int64_t most_chunks(int64_t rows) { return EFME_MIN(ceil_div(rows, 4 * RUN), (int64_t)CHUNKS); }

/* Drop-connect's factor of an image. */
INLINE float keep_of(const struct efme_cpu_call *c, int64_t image) {
  if (!(c->op->flags & EFME_OP_DROPCONNECT_ON)) return 1.0f;
  const struct efme_step *step = c->t[EFME_T_STEP];
  uint32_t word[4];
  efme_philox(word, step->seed, EFME_RNG_DROPCONNECT, step->epoch, (uint32_t)((const int32_t *)c->t[EFME_T_ID])[image],
              (uint32_t)c->op->i[0]);
  return efme_unit_f32(word[0]) < c->op->f[0] ? 0.0f : (float)(1.0 / (1.0 - (double)c->op->f[0]));
}

/* dz: the gradient by z of one element. factor = GATE keep, share = POOL / (h w). */
INLINE vf norm_dz(int act, vf z, vf dy, vf factor, vf share) { return vfma(dy, factor, share) * vact_slope(act, z); }

#endif
