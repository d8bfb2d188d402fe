/* Samples in canonical order, staged: what training and validation read.
 *
 * A view keeps its reader's order, which shuffled rows of a file change; training sees the samples sorted by key instead.
 * The generator's `sample` is a hash of the key, so that augmentation and dropout of a sample are the same in every view. */
#ifndef EFME_TRAIN_SAMPLES_H
#define EFME_TRAIN_SAMPLES_H

#include <stdatomic.h>

#include "backend/context.h"
#include "data/loader.h"
#include "util/util.h"

/* The view of all samples in the order of their keys. */
efme_status efme_dataset_by_key(efme_dataset **out, const efme_dataset *dataset);

struct efme_samples { /* constant after creation; any threads */
  atomic_uint references;
  struct efme_allocator allocator;
  efme_dataset *dataset;    /* sorted by key */
  struct efme_stage *stage; /* of that view */
  struct efme_stage_info info;
  uint64_t count;
  const char **keys; /* [count], rising; they live in the dataset */
  int32_t *ids;      /* [count] generator's `sample` */
  int32_t *labels;   /* [count] */
};

efme_status efme_samples_create(struct efme_samples **out, const efme_dataset *dataset, uint32_t height, uint32_t width);
struct efme_samples *efme_samples_retain(struct efme_samples *samples);
void efme_samples_release(struct efme_samples *samples); /* NULL allowed */
/* Position of a key, or UINT64_MAX. */
uint64_t efme_samples_find(const struct efme_samples *samples, const char *key);

/* Some of the samples, in canonical order. */
struct efme_part {
  struct efme_samples *samples; /* a reference */
  uint64_t *positions;          /* [count], rising */
  uint64_t count;
};
/* The samples of `view` among `samples`. Errors: MISMATCH naming a sample that is not there or has another label there. */
efme_status efme_part_create(struct efme_part *out, struct efme_samples *samples, const efme_dataset *view);
void efme_part_free(struct efme_part *part); /* safe on a zeroed one */

#endif
