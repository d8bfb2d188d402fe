/* Equal content in a dataset: samples whose file or decoded pixels are the same, and the subjects that they link.
 *
 * Samples are sorted by hash, equal ones in the order of their keys, so equal ones are neighbours and which pairs are told
 * of does not depend on the order of rows; a union of sets over samples makes groups, one over subjects
 * makes units. Hashes have 64 bits: among a million samples a chance collision has probability 3e-8. */
#include <stdlib.h>
#include <string.h>

#include "data/loader.h"
#include "eval/plan.h"

struct hashed {
  uint64_t hash, rank; /* place in the order of the keys */
};

static int by_hash(const void *a, const void *b) {
  const struct hashed *x = a, *y = b;
  if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
  return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static uint32_t root_of(uint32_t *parent, uint32_t i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

/* The smaller number stays the root, so that roots do not depend on the order of unions. */
static void join(uint32_t *parent, uint32_t a, uint32_t b) {
  a = root_of(parent, a);
  b = root_of(parent, b);
  if (a < b) parent[b] = a;
  else parent[a] = b;
}

/* Only pairs that make a group larger are kept: they span it, so a group that lies in one fold pair by pair lies in one. */
static efme_status note_pair(struct efme_fold_plan *p, uint64_t a, uint64_t b, int by_pixels) {
  if (root_of(p->group, (uint32_t)a) == root_of(p->group, (uint32_t)b)) return EFME_OK; /* known by its file already */
  join(p->group, (uint32_t)a, (uint32_t)b);
  if (p->subject[a] == p->subject[b]) {
    p->within++;
    return EFME_OK;
  }
  p->across++;
  join(p->unit, p->subject[a], p->subject[b]);
  efme_status status =
      efme_mem_grow(p->allocator, (void **)&p->pairs, &p->pair_capacity, p->pair_count + 1, sizeof *p->pairs, "pairs of equal samples");
  if (status == EFME_OK) p->pairs[p->pair_count++] = (struct efme_duplicate){a, b, by_pixels};
  return status;
}

static efme_status link_equal(struct efme_fold_plan *p, struct hashed *items, size_t n, int by_pixels) {
  qsort(items, n, sizeof *items, by_hash);
  for (size_t i = 1; i < n; i++) {
    if (items[i].hash != items[i - 1].hash) continue;
    efme_status status = note_pair(p, p->order[items[i - 1].rank], p->order[items[i].rank], by_pixels);
    if (status) return status;
  }
  return EFME_OK;
}

/* One of the two hashes of every sample that has it. */
static efme_status take_hashes(const struct efme_fold_plan *p, struct hashed *items, size_t *n, int pixels) {
  *n = 0;
  for (uint64_t i = 0; i < p->samples; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    efme_status status = efme_dataset_sample(p->dataset, p->order[i], &s);
    if (status) return status;
    uint64_t hash = pixels ? s.pixel_hash : s.file_hash;
    if (pixels && !hash) return efme_fail(EFME_E_INTERNAL, "sample %s has no content hash", s.key);
    if (hash) items[(*n)++] = (struct hashed){hash, i};
  }
  return EFME_OK;
}

/* Samples by unit: a counting sort. */
static void list_members(struct efme_fold_plan *p) {
  memset(p->first, 0, ((size_t)p->subjects + 1) * sizeof *p->first);
  for (uint64_t i = 0; i < p->samples; i++) p->first[p->unit[p->subject[i]] + 1]++;
  for (uint32_t u = 0; u < p->subjects; u++) p->first[u + 1] += p->first[u];
  for (uint64_t i = p->samples; i-- > 0;) { /* in the order of the keys; first[u + 1] runs down to the start of u */
    uint64_t index = p->order[i];
    p->members[--p->first[p->unit[p->subject[index]] + 1]] = index;
  }
  for (uint32_t u = 0; u < p->subjects; u++) p->first[u] = p->first[u + 1];
  p->first[p->subjects] = p->samples;
}

efme_status efme_plan_contents(struct efme_fold_plan *p) {
  efme_status status = efme_dataset_hashes(p->dataset, NULL, NULL);
  if (status) return status;
  for (uint32_t i = 0; i < p->subjects; i++) p->unit[i] = i;
  for (uint64_t i = 0; i < p->samples; i++) p->group[i] = (uint32_t)i;
  struct hashed *items = efme_mem_array(p->allocator, (size_t)p->samples, sizeof *items, "content hashes");
  if (!items) return EFME_E_NOMEM;
  for (int pixels = 0; pixels < 2 && status == EFME_OK; pixels++) {
    size_t n;
    status = take_hashes(p, items, &n, pixels);
    if (status == EFME_OK) status = link_equal(p, items, n, pixels);
  }
  efme_mem_free(p->allocator, items);
  for (uint32_t i = 0; i < p->subjects; i++) p->unit[i] = root_of(p->unit, i);
  for (uint64_t i = 0; i < p->samples; i++) p->group[i] = root_of(p->group, (uint32_t)i);
  list_members(p);
  return status;
}
