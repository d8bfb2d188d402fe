/* efme_dataset_*: the questions. Readers, views and descriptions have their own files in lib/data. */
#include "efme/dataset.h"

#include <string.h>

#include "data/dataset.h"

uint64_t efme_dataset_count(const efme_dataset *d) { return d ? d->count : 0; }

uint32_t efme_dataset_class_count(const efme_dataset *d) { return d ? d->class_count : 0; }

const char *efme_dataset_class_name(const efme_dataset *d, uint32_t index) {
  return d && index < d->class_count ? d->class_names[index] : NULL;
}

efme_status efme_dataset_class_counts(const efme_dataset *d, uint64_t *counts, uint32_t capacity) {
  if (!d || !counts) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !d ? "dataset" : "counts");
  if (capacity < d->class_count) return efme_fail(EFME_E_ARGUMENT, "capacity is %u, there are %u classes", capacity, d->class_count);
  memset(counts, 0, d->class_count * sizeof *counts);
  for (uint64_t i = 0; i < d->count; i++)
    if (d->labels[i] != EFME_NO_CLASS) counts[d->labels[i]]++;
  return EFME_OK;
}

uint32_t efme_dataset_subject_count(const efme_dataset *d) { return d ? d->subject_count : 0; }

const char *efme_dataset_subject(const efme_dataset *d, uint32_t index) {
  return d && index < d->subject_count ? d->subjects[index] : NULL;
}

static efme_status check_index(const efme_dataset *d, uint64_t index, const void *out) {
  if (!d || !out) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !d ? "dataset" : "out");
  if (index >= d->count)
    return efme_fail(EFME_E_ARGUMENT, "index is %llu, there are %llu samples", (unsigned long long)index, (unsigned long long)d->count);
  return EFME_OK;
}

efme_status efme_dataset_sample(const efme_dataset *d, uint64_t index, efme_sample *out) {
  efme_status status = check_index(d, index, out);
  if (status) return status;
  const struct efme_record *r = efme_item_record(d, index);
  _Atomic uint64_t *hashes = efme_item_store(d, index)->hashes + 2 * (size_t)d->items[index].record;
  efme_sample s = EFME_SAMPLE_INIT;
  s.key = r->key, s.dataset = r->dataset, s.subject = r->subject, s.clip = r->clip, s.split = r->split, s.path = r->path;
  s.native_label = r->native;
  s.label = d->labels[index];
  s.onset = r->onset, s.apex = r->apex, s.offset = r->offset;
  s.row = r->row;
  s.file_hash = atomic_load_explicit(&hashes[0], memory_order_relaxed);
  s.pixel_hash = atomic_load_explicit(&hashes[1], memory_order_relaxed);
  return efme_struct_store(out, &s, sizeof s, "efme_sample");
}

efme_status efme_dataset_field(const efme_dataset *d, uint64_t index, const char *column, const char **out) {
  efme_status status = check_index(d, index, out);
  if (status) return status;
  if (!column) return efme_fail(EFME_E_ARGUMENT, "column is NULL");
  if (!efme_dataset_has_column(d, column)) return efme_fail(EFME_E_NOT_FOUND, "no column \"%s\" in the dataset", column);
  *out = efme_item_field(d, index, column);
  return EFME_OK;
}

efme_status efme_dataset_read(const efme_dataset *d, uint64_t index, efme_image **out) {
  efme_status status = check_index(d, index, out);
  if (status) return status;
  return efme_item_read(d, index, out);
}

/* A hash of each sample's key, class and content reference; their sum and a mixed sum do not depend on the order. */
uint64_t efme_dataset_fingerprint(const efme_dataset *d) {
  if (!d) return 0;
  uint64_t sums[3] = {0, 0, d->count};
  for (uint64_t i = 0; i < d->count; i++) {
    const struct efme_store *s = efme_item_store(d, i);
    const struct efme_record *r = efme_item_record(d, i);
    const char *path = r->path;
    size_t n = strlen(s->root);
    if (n && !strncmp(path, s->root, n)) path += n; /* moving the folder changes nothing */
    while (*path == '/') path++;
    uint64_t h = efme_hash64(r->key, strlen(r->key), s->contents ? s->contents[d->items[i].record] : 0);
    h = efme_hash64(path, strlen(path), h);
    h = efme_hash64(r->native, strlen(r->native), h + (uint64_t)(d->labels[i] + 1));
    sums[0] += h;
    sums[1] += h * (h | 1);
  }
  uint64_t h = efme_hash64(sums, sizeof sums, 0);
  for (uint32_t c = 0; c < d->class_count; c++) h = efme_hash64(d->class_names[c], strlen(d->class_names[c]), h);
  return h;
}
