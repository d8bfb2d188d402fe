/* The feature cache of head phases: one pass of the trunk a variant, in canonical order. */
#include "train/features.h"

#include <string.h>

uint64_t efme_trunk_checksum(const float *weights, const struct efme_params *params) {
  uint64_t hash = efme_hash64(weights, params->trunk_end * sizeof *weights, 0);
  return efme_hash64(weights + params->head_end, (params->total - params->head_end) * sizeof *weights, hash);
}

efme_status efme_features_create(struct efme_features **out, const struct efme_part *part, uint32_t variants, uint32_t width,
                                 uint64_t trunk) {
  const struct efme_allocator *a = &part->samples->allocator;
  struct efme_features *f = efme_mem_calloc(a, 1, sizeof *f, "feature cache");
  if (!f) return EFME_E_NOMEM;
  f->allocator = *a;
  f->part.samples = efme_samples_retain(part->samples);
  f->part.count = part->count;
  f->variants = variants;
  f->width = width;
  f->trunk = trunk;
  f->part.positions = efme_mem_array(a, part->count, sizeof *f->part.positions, "feature cache");
  f->values = efme_mem_calloc(a, variants, sizeof *f->values, "feature cache");
  if (!f->part.positions || !f->values) {
    efme_features_free(f);
    return EFME_E_NOMEM;
  }
  if (part->count) memcpy(f->part.positions, part->positions, part->count * sizeof *part->positions);
  *out = f;
  return EFME_OK;
}

void efme_features_free(struct efme_features *f) {
  if (!f) return;
  struct efme_allocator a = f->allocator;
  for (uint32_t v = 0; f->values && v < f->variants; v++) efme_mem_free(&a, f->values[v]);
  efme_mem_free(&a, f->values);
  struct efme_part part = f->part;
  efme_mem_free(&a, f);
  efme_part_free(&part);
}

uint64_t efme_features_row(const struct efme_features *f, uint64_t position) {
  uint64_t low = 0, high = f->part.count;
  while (low < high) {
    uint64_t mid = low + (high - low) / 2;
    if (f->part.positions[mid] == position) return mid;
    if (f->part.positions[mid] < position) low = mid + 1;
    else high = mid;
  }
  return UINT64_MAX;
}

static efme_status run_batches(struct efme_features *f, float *values, int32_t *ids, struct efme_loader *loader,
                               const struct efme_features_job *job) {
  struct efme_exec *e = job->exec;
  const struct efme_loader_batch *batch;
  uint64_t done = 0;
  efme_status status;
  while (!(status = efme_loader_next(loader, &batch)) && batch) {
    for (uint32_t i = 0; i < batch->count; i++) ids[i] = f->part.samples->ids[batch->ids[i]];
    status = efme_exec_write(e, &e->plan->input, 0, batch->pixels, (uint64_t)batch->count * f->part.samples->info.sample_bytes);
    if (!status && efme_tensor_present(&e->plan->ids)) status = efme_exec_write(e, &e->plan->ids, 0, ids, batch->count * sizeof *ids);
    if (!status) status = efme_exec_main(e, batch->count);
    if (!status)
      status = efme_exec_read(e, &e->plan->features, 0, values + done * f->width, (uint64_t)batch->count * f->width * sizeof *values);
    if (status) return status;
    done += batch->count;
    if (job->progress && job->progress(done, f->part.count, job->user))
      return efme_fail(EFME_E_CANCELLED, "cancelled while features were computed");
  }
  return status;
}

efme_status efme_features_fill(struct efme_features *f, uint32_t variant, const struct efme_features_job *job) {
  if (f->values[variant]) return EFME_OK;
  uint32_t max_batch = job->exec->plan->options.max_batch;
  struct efme_step step = {.seed = job->seed, .variant = variant};
  struct efme_loader_options options = {.batch = max_batch, .threads = job->loader_threads};
  struct efme_loader *loader = NULL;
  float *values = efme_mem_array(&f->allocator, f->part.count, f->width * sizeof *values, "features");
  int32_t *ids = efme_mem_array(&f->allocator, max_batch, sizeof *ids, "features");
  efme_status status = values && ids ? EFME_OK : EFME_E_NOMEM;
  if (!status && efme_tensor_present(&job->exec->plan->step)) status = efme_exec_set_step(job->exec, &step);
  if (!status) status = efme_loader_create(&loader, f->part.samples->stage, f->part.positions, f->part.count, &options);
  if (!status) status = efme_loader_start(loader, EFME_LOADER_SEQUENTIAL, 0, 0);
  if (!status) status = run_batches(f, values, ids, loader, job);
  efme_loader_destroy(loader);
  efme_mem_free(&f->allocator, ids);
  if (status) {
    efme_mem_free(&f->allocator, values);
    return status;
  }
  f->values[variant] = values;
  return EFME_OK;
}
