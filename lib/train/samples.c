/* Sorting samples by key. An own heap sort: qsort may allocate behind the caller's back. */
#include "train/samples.h"

#include <string.h>

struct keyed {
  const char *key;
  uint64_t index;
};

static void sift_keys(struct keyed *v, uint64_t root, uint64_t count) {
  for (uint64_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && strcmp(v[child].key, v[child + 1].key) < 0) child++;
    if (strcmp(v[root].key, v[child].key) >= 0) return;
    struct keyed t = v[root];
    v[root] = v[child];
    v[child] = t;
  }
}

static void sort_keys(struct keyed *v, uint64_t count) {
  for (uint64_t i = count / 2; i-- > 0;) sift_keys(v, i, count);
  for (uint64_t end = count; end-- > 1;) {
    struct keyed t = v[0];
    v[0] = v[end];
    v[end] = t;
    sift_keys(v, 0, end);
  }
}

efme_status efme_dataset_by_key(efme_dataset **out, const efme_dataset *dataset) {
  const struct efme_allocator *a = efme_context_allocator(efme_dataset_context(dataset));
  uint64_t count = efme_dataset_count(dataset);
  struct keyed *items = efme_mem_array(a, count, sizeof *items, "order of samples");
  uint64_t *indices = efme_mem_array(a, count, sizeof *indices, "order of samples");
  efme_status status = items && indices ? EFME_OK : EFME_E_NOMEM;
  for (uint64_t i = 0; i < count && !status; i++) {
    efme_sample sample = EFME_SAMPLE_INIT;
    status = efme_dataset_sample(dataset, i, &sample);
    items[i] = (struct keyed){sample.key, i};
  }
  if (!status) {
    sort_keys(items, count);
    for (uint64_t i = 0; i < count; i++) indices[i] = items[i].index;
    status = efme_dataset_subset(out, dataset, indices, count);
  }
  efme_mem_free(a, items);
  efme_mem_free(a, indices);
  return status;
}

static efme_status fill_tables(struct efme_samples *s) {
  s->keys = efme_mem_array(&s->allocator, s->count, sizeof *s->keys, "keys of samples");
  s->ids = efme_mem_array(&s->allocator, s->count, sizeof *s->ids, "ids of samples");
  s->labels = efme_mem_array(&s->allocator, s->count, sizeof *s->labels, "labels of samples");
  if (!s->keys || !s->ids || !s->labels) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < s->count; i++) {
    efme_sample sample = EFME_SAMPLE_INIT;
    efme_status status = efme_dataset_sample(s->dataset, i, &sample);
    if (status) return status;
    s->keys[i] = sample.key;
    s->ids[i] = (int32_t)(efme_hash64(sample.key, strlen(sample.key), 0) & 0x7fffffff);
    s->labels[i] = sample.label;
  }
  return EFME_OK;
}

efme_status efme_samples_create(struct efme_samples **out, const efme_dataset *dataset, uint32_t height, uint32_t width) {
  const struct efme_allocator *a = efme_context_allocator(efme_dataset_context(dataset));
  struct efme_samples *s = efme_mem_calloc(a, 1, sizeof *s, "samples");
  if (!s) return EFME_E_NOMEM;
  s->allocator = *a;
  atomic_init(&s->references, 1);
  s->count = efme_dataset_count(dataset);
  efme_status status = s->count > UINT32_MAX ? efme_fail(EFME_E_LIMIT, "a dataset of more than 2^32 samples") : EFME_OK;
  if (!status) status = efme_dataset_by_key(&s->dataset, dataset);
  if (!status) status = fill_tables(s);
  if (!status) status = efme_stage_create(&s->stage, s->dataset, width, height, EFME_STAGE_CACHE);
  if (status) {
    efme_samples_release(s);
    return status;
  }
  efme_stage_get_info(s->stage, &s->info);
  *out = s;
  return EFME_OK;
}

struct efme_samples *efme_samples_retain(struct efme_samples *samples) {
  if (samples) atomic_fetch_add_explicit(&samples->references, 1, memory_order_relaxed);
  return samples;
}

void efme_samples_release(struct efme_samples *samples) {
  if (!samples || atomic_fetch_sub_explicit(&samples->references, 1, memory_order_acq_rel) != 1) return;
  /* the view goes last, its context with it: the allocator must not be used after */
  struct efme_allocator a = samples->allocator;
  struct efme_stage *stage = samples->stage;
  efme_dataset *dataset = samples->dataset;
  efme_mem_free(&a, samples->keys);
  efme_mem_free(&a, samples->ids);
  efme_mem_free(&a, samples->labels);
  efme_mem_free(&a, samples);
  efme_stage_release(stage);
  efme_dataset_release(dataset);
}

uint64_t efme_samples_find(const struct efme_samples *samples, const char *key) {
  uint64_t low = 0, high = samples->count;
  while (low < high) {
    uint64_t mid = low + (high - low) / 2;
    int order = strcmp(samples->keys[mid], key);
    if (order == 0) return mid;
    if (order < 0) low = mid + 1;
    else high = mid;
  }
  return UINT64_MAX;
}

/* ---- parts ---- */

static void mark_view(uint8_t *marks, const struct efme_samples *s, const efme_dataset *view, efme_status *status) {
  uint64_t count = efme_dataset_count(view);
  for (uint64_t i = 0; i < count && !*status; i++) {
    efme_sample sample = EFME_SAMPLE_INIT;
    *status = efme_dataset_sample(view, i, &sample);
    if (*status) return;
    uint64_t at = efme_samples_find(s, sample.key);
    if (at == UINT64_MAX) *status = efme_fail(EFME_E_MISMATCH, "sample '%s' is not in the shared dataset", sample.key);
    else if (s->labels[at] != sample.label)
      *status = efme_fail(EFME_E_MISMATCH, "sample '%s' has class %d, but %d in the shared dataset", sample.key, (int)sample.label,
                          (int)s->labels[at]);
    else marks[at] = 1;
  }
}

efme_status efme_part_create(struct efme_part *out, struct efme_samples *samples, const efme_dataset *view) {
  const struct efme_allocator *a = &samples->allocator;
  struct efme_part part = {0};
  uint64_t count = efme_dataset_count(view);
  uint8_t *marks = efme_mem_calloc(a, samples->count, 1, "samples of a part");
  part.positions = efme_mem_array(a, count, sizeof *part.positions, "samples of a part");
  efme_status status = marks && part.positions ? EFME_OK : EFME_E_NOMEM;
  if (!status) mark_view(marks, samples, view, &status);
  for (uint64_t i = 0; i < samples->count && !status; i++)
    if (marks[i]) part.positions[part.count++] = i;
  efme_mem_free(a, marks);
  if (status) {
    efme_mem_free(a, part.positions);
    return status;
  }
  part.samples = efme_samples_retain(samples);
  *out = part;
  return EFME_OK;
}

void efme_part_free(struct efme_part *part) {
  if (!part->samples) return;
  efme_mem_free(&part->samples->allocator, part->positions);
  efme_samples_release(part->samples);
  memset(part, 0, sizeof *part);
}
