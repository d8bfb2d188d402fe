/* Pooled features of a frozen trunk, computed once for each (sample, augmentation variant) and kept on the host.
 *
 * Variant v is the augmentation drawn with v in the place of the epoch; variant 0 is the plain image. Values depend on trunk
 * weights, seed, augmentation options and the sample alone, not on the batch they were computed in. */
#ifndef EFME_TRAIN_FEATURES_H
#define EFME_TRAIN_FEATURES_H

#include "net/exec.h"
#include "train/samples.h"

struct efme_features {
  struct efme_allocator allocator;
  struct efme_part part; /* what it covers; row k is position part.positions[k] */
  uint32_t variants, width;
  uint64_t trunk; /* efme_trunk_checksum of the weights they were made with */
  float **values; /* [variants] NULL until filled, else [part.count][width] */
};

/* Of all weights but the head's. */
uint64_t efme_trunk_checksum(const float *weights, const struct efme_params *params);

/* Covers part (copied). Nothing is computed yet. */
efme_status efme_features_create(struct efme_features **out, const struct efme_part *part, uint32_t variants, uint32_t width,
                                 uint64_t trunk);
void efme_features_free(struct efme_features *f); /* NULL allowed */

/* Non-zero cancels. */
typedef int (*efme_features_progress)(uint64_t done, uint64_t total, void *user);
struct efme_features_job {
  struct efme_exec *exec; /* plan of mode FEATURES, per_variant, staged u8 pixels; weights set and prepared */
  uint64_t seed;
  uint32_t loader_threads;
  efme_features_progress progress; /* may be NULL */
  void *user;
};
/* Computes one variant; CANCELLED leaves it unfilled. */
efme_status efme_features_fill(struct efme_features *f, uint32_t variant, const struct efme_features_job *job);

/* Row of a position, or UINT64_MAX. */
uint64_t efme_features_row(const struct efme_features *f, uint64_t position);

#endif
