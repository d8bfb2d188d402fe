/* Making a plan: samples in canonical order, folds by its kind, the refusals, then training and validation of each fold. */
#include <stdlib.h>
#include <string.h>

#include "data/loader.h"
#include "backend/context.h"
#include "eval/plan.h"

static const char *const kinds[] = {"leave-one-subject-out", "folds of whole subjects", "leave-one-dataset-out",
                                    "folds given by the caller"};

/* ---- samples and subjects ---- */

struct keyed {
  const char *key;
  uint64_t index;
};

static int by_key(const void *a, const void *b) { return strcmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key); }

static uint32_t subject_number(const efme_dataset *d, uint32_t count, const char *key) {
  uint32_t low = 0, high = count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (strcmp(efme_dataset_subject(d, middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

static efme_status load_sample(struct efme_fold_plan *p, struct keyed *keyed, uint64_t index) {
  efme_sample s = EFME_SAMPLE_INIT;
  efme_status status = efme_dataset_sample(p->dataset, index, &s);
  if (status) return status;
  if (!*s.subject) return efme_fail(EFME_E_MISMATCH, "sample %s has no subject: folds are made of whole subjects", s.key);
  if (s.label < 0) return efme_fail(EFME_E_MISMATCH, "sample %s has no class: map the labels first", s.key);
  p->subject[index] = subject_number(p->dataset, p->subjects, s.subject);
  p->keys[index] = s.key; /* lives as long as the dataset */
  p->labels[index] = s.label;
  *keyed = (struct keyed){s.key, index};
  return EFME_OK;
}

static efme_status load_samples(struct efme_fold_plan *p) {
  size_t n = (size_t)p->samples;
  p->keys = efme_mem_array(p->allocator, n, sizeof *p->keys, "keys of samples");
  p->labels = efme_mem_array(p->allocator, n, sizeof *p->labels, "classes of samples");
  p->members = efme_mem_array(p->allocator, n, sizeof *p->members, "samples of units");
  p->unit = efme_mem_array(p->allocator, p->subjects, sizeof *p->unit, "units");
  p->first = efme_mem_array(p->allocator, (size_t)p->subjects + 1, sizeof *p->first, "samples of units");
  p->order = efme_mem_array(p->allocator, n, sizeof *p->order, "samples by key");
  p->subject = efme_mem_array(p->allocator, n, sizeof *p->subject, "subjects of samples");
  p->group = efme_mem_array(p->allocator, n, sizeof *p->group, "contents of samples");
  p->fold_of = efme_mem_array(p->allocator, n, sizeof *p->fold_of, "folds of samples");
  struct keyed *keyed = efme_mem_array(p->allocator, n, sizeof *keyed, "keys");
  int ok = p->keys && p->labels && p->members && p->unit && p->first && p->order && p->subject && p->group && p->fold_of && keyed;
  efme_status status = ok ? EFME_OK : EFME_E_NOMEM;
  for (uint64_t i = 0; i < n && status == EFME_OK; i++) status = load_sample(p, &keyed[i], i);
  if (status == EFME_OK) {
    qsort(keyed, n, sizeof *keyed, by_key);
    for (size_t i = 0; i < n; i++) p->order[i] = keyed[i].index;
  }
  efme_mem_free(p->allocator, keyed);
  return status;
}

static efme_status check_dataset(const struct efme_fold_plan *p) {
  uint32_t classes = efme_dataset_class_count(p->dataset);
  if (p->samples == 0) return efme_fail(EFME_E_MISMATCH, "the dataset is empty");
  if (p->samples > UINT32_MAX) return efme_fail(EFME_E_LIMIT, "the dataset has more than %u samples", UINT32_MAX);
  if (classes < 2) return efme_fail(EFME_E_MISMATCH, "the dataset has %u classes, at least 2 are needed; map the labels first", classes);
  return EFME_OK;
}

static efme_status check_subjects(const struct efme_fold_plan *p) {
  if (p->subjects >= 2) return EFME_OK;
  return efme_fail(EFME_E_MISMATCH, "one subject only, %s: nobody else could train", efme_dataset_subject(p->dataset, 0));
}

/* A class that nothing has cannot be learnt or tested. */
static efme_status check_classes(const struct efme_fold_plan *p) {
  uint32_t classes = efme_dataset_class_count(p->dataset);
  uint64_t *counts = efme_mem_calloc(p->allocator, classes, sizeof *counts, "classes");
  if (!counts) return EFME_E_NOMEM;
  efme_status status = efme_dataset_class_counts(p->dataset, counts, classes);
  for (uint32_t c = 0; c < classes && status == EFME_OK; c++)
    if (!counts[c]) status = efme_fail(EFME_E_MISMATCH, "class %s has no sample", efme_dataset_class_name(p->dataset, c));
  efme_mem_free(p->allocator, counts);
  return status;
}

/* ---- folds ---- */

static efme_status new_folds(struct efme_fold_plan *p, uint32_t count) {
  p->folds = efme_mem_calloc(p->allocator, count, sizeof *p->folds, "folds");
  if (!p->folds) return EFME_E_NOMEM;
  p->count = count;
  return EFME_OK;
}

static efme_status name_fold(struct efme_fold_plan *p, uint32_t fold, const char *name) {
  char number[32];
  snprintf(number, sizeof number, "fold %u", fold);
  if (!name) name = number;
  p->folds[fold].name = efme_strings_add(&p->strings, name, strlen(name));
  return p->folds[fold].name ? EFME_OK : EFME_E_NOMEM;
}

static efme_status deal_subjects(struct efme_fold_plan *p) {
  efme_status status = new_folds(p, p->subjects);
  for (uint32_t s = 0; s < p->subjects && status == EFME_OK; s++) status = name_fold(p, s, efme_dataset_subject(p->dataset, s));
  for (uint64_t i = 0; i < p->samples; i++) p->fold_of[i] = p->subject[i];
  return status;
}

/* Datasets in byte order: samples in the order of their keys come dataset by dataset, but a name may begin another's key. */
static efme_status deal_datasets(struct efme_fold_plan *p) {
  efme_status status = new_folds(p, p->subjects); /* at least as many as datasets */
  p->count = 0;
  for (uint64_t i = 0; i < p->samples && status == EFME_OK; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    status = efme_dataset_sample(p->dataset, p->order[i], &s);
    uint32_t f = 0;
    while (f < p->count && strcmp(p->folds[f].name, s.dataset)) f++;
    if (status == EFME_OK && f == p->count) status = name_fold(p, p->count++, s.dataset);
    p->fold_of[p->order[i]] = f;
  }
  if (status == EFME_OK && p->count < 2)
    status = efme_fail(EFME_E_MISMATCH, "one dataset only, %s: no other could train", p->folds[0].name);
  return status;
}

struct dealt {
  uint64_t samples, draw;
  const char *key;
  uint32_t root;
};

static int by_size(const void *a, const void *b) {
  const struct dealt *x = a, *y = b;
  if (x->samples != y->samples) return x->samples > y->samples ? -1 : 1;
  if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
  return strcmp(x->key, y->key);
}

/* The largest unit first, each to the fold with the fewest samples; units of one size in drawn order. */
static efme_status deal_units(struct efme_fold_plan *p, uint32_t k) {
  struct dealt *units = efme_mem_calloc(p->allocator, p->subjects, sizeof *units, "units");
  uint64_t *size = efme_mem_calloc(p->allocator, k, sizeof *size, "sizes of folds");
  uint32_t *fold = efme_mem_calloc(p->allocator, p->subjects, sizeof *fold, "folds of units");
  efme_status status = units && size && fold ? new_folds(p, k) : EFME_E_NOMEM;
  uint32_t n = 0;
  if (status == EFME_OK) {
    for (uint32_t u = 0; u < p->subjects; u++) {
      const char *key = efme_dataset_subject(p->dataset, u);
      if (p->first[u] == p->first[u + 1]) continue; /* counted with an earlier subject */
      units[n++] = (struct dealt){p->first[u + 1] - p->first[u], efme_plan_draw(p->options.seed, "folds", key), key, u};
    }
    qsort(units, n, sizeof *units, by_size);
    if (k > n) status = efme_fail(EFME_E_ARGUMENT, "k is %u, there are %u subjects (those that share images count as one)", k, n);
  }
  for (uint32_t u = 0; u < n && status == EFME_OK; u++) {
    uint32_t best = 0;
    for (uint32_t f = 1; f < k; f++)
      if (size[f] < size[best]) best = f;
    size[best] += units[u].samples;
    fold[units[u].root] = best;
  }
  for (uint64_t i = 0; i < p->samples && status == EFME_OK; i++) p->fold_of[i] = fold[p->unit[p->subject[i]]];
  for (uint32_t f = 0; f < k && status == EFME_OK; f++) status = name_fold(p, f, NULL);
  efme_mem_free(p->allocator, units);
  efme_mem_free(p->allocator, size);
  efme_mem_free(p->allocator, fold);
  return status;
}

static efme_status take_list(struct efme_fold_plan *p, const uint32_t *fold_of, uint32_t folds) {
  efme_status status = new_folds(p, folds);
  for (uint32_t f = 0; f < folds && status == EFME_OK; f++) status = name_fold(p, f, NULL);
  for (uint64_t i = 0; i < p->samples && status == EFME_OK; i++) {
    if (fold_of[i] >= folds)
      status = efme_fail(EFME_E_ARGUMENT, "fold_of[%llu] is %u, folds are 0..%u", (unsigned long long)i, fold_of[i], folds - 1);
    p->fold_of[i] = fold_of[i];
    if (status == EFME_OK) p->folds[fold_of[i]].counts[EFME_PART_TEST]++;
  }
  for (uint32_t f = 0; f < folds && status == EFME_OK; f++)
    if (!p->folds[f].counts[EFME_PART_TEST]) status = efme_fail(EFME_E_ARGUMENT, "fold %u tests no sample", f);
  return status;
}

/* ---- refusals ---- */

static efme_status refuse_split_subjects(const struct efme_fold_plan *p) {
  uint64_t *first = efme_mem_calloc(p->allocator, p->subjects, sizeof *first, "subjects");
  efme_status status = first ? EFME_OK : EFME_E_NOMEM;
  for (uint64_t i = 0; i < p->samples && status == EFME_OK; i++) {
    uint64_t index = p->order[i], *at = &first[p->subject[index]];
    if (!*at) *at = index + 1;
    else if (p->fold_of[*at - 1] != p->fold_of[index])
      status = efme_fail(EFME_E_LEAK, "subject %s is tested in %s (sample %s) and in %s (sample %s): each would train the other's model",
                         efme_dataset_subject(p->dataset, p->subject[index]), p->folds[p->fold_of[*at - 1]].name, p->keys[*at - 1],
                         p->folds[p->fold_of[index]].name, p->keys[index]);
  }
  efme_mem_free(p->allocator, first);
  return status;
}

static efme_status refuse_shared_contents(const struct efme_fold_plan *p) {
  for (size_t i = 0; i < p->pair_count; i++) {
    const struct efme_duplicate *d = &p->pairs[i];
    if (p->fold_of[d->a] == p->fold_of[d->b]) continue;
    return efme_fail(
        EFME_E_LEAK,
        "samples %s and %s have the same %s but are tested in different folds, %s and %s (%llu such repeats in the dataset): leave one out "
        "(efme_dataset_subset, or its row of the manifest), or use a plan that keeps both subjects together (efme_fold_plan_grouped)",
        p->keys[d->a], p->keys[d->b], d->by_pixels ? "pixels" : "file", p->folds[p->fold_of[d->a]].name, p->folds[p->fold_of[d->b]].name,
        (unsigned long long)p->across);
  }
  return EFME_OK;
}

/* ---- all together ---- */

static uint64_t hash_text(const char *text, uint64_t h) { return efme_hash64(text, strlen(text) + 1, h); }

static efme_status set_fingerprint(struct efme_fold_plan *p) {
  uint64_t *hashes = efme_mem_array(p->allocator, (size_t)p->samples, sizeof *hashes, "hashes of keys");
  if (!hashes) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < p->samples; i++) hashes[i] = hash_text(p->keys[i], 0);
  uint64_t ratio;
  memcpy(&ratio, &p->options.ratio, sizeof ratio);
  uint64_t head[] = {p->options.validation, p->options.validation == EFME_VALIDATE_NONE ? 0 : ratio, p->options.seed, p->count, p->samples};
  uint64_t h = efme_hash64(head, sizeof head, hash_text(p->kind, 0));
  for (uint32_t f = 0; f < p->count; f++) {
    const struct efme_fold *fold = &p->folds[f];
    h = efme_hash64(fold->counts, sizeof fold->counts, hash_text(fold->name, h));
    for (uint64_t i = 0; i < p->samples; i++) h = efme_hash64(&hashes[fold->indices[i]], sizeof *hashes, h);
  }
  p->fingerprint = h;
  efme_mem_free(p->allocator, hashes);
  return EFME_OK;
}

static efme_status build(struct efme_fold_plan *p, enum efme_plan_kind kind, const uint32_t *fold_of, uint32_t folds) {
  efme_status status = efme_plan_contents(p);
  if (status) return status;
  if (kind == EFME_PLAN_LOSO) status = deal_subjects(p);
  else if (kind == EFME_PLAN_DATASETS) status = deal_datasets(p);
  else if (kind == EFME_PLAN_GROUPED) status = deal_units(p, folds);
  else status = take_list(p, fold_of, folds);
  if (status == EFME_OK) status = refuse_split_subjects(p);
  if (status == EFME_OK) status = refuse_shared_contents(p);
  for (uint32_t f = 0; f < p->count && status == EFME_OK; f++) status = efme_plan_divide(p, f);
  if (status == EFME_OK) status = efme_plan_verify(p);
  return status ? status : set_fingerprint(p);
}

static efme_status prepare(struct efme_fold_plan *p, enum efme_plan_kind kind, const uint32_t *fold_of, uint32_t folds) {
  efme_status status = check_dataset(p);
  if (status == EFME_OK) status = load_samples(p);
  if (status == EFME_OK) status = check_subjects(p);
  if (status == EFME_OK) status = check_classes(p);
  return status ? status : build(p, kind, fold_of, folds);
}

efme_status efme_fold_plan_build(struct efme_fold_plan **out, const efme_dataset *dataset, enum efme_plan_kind kind,
                                 const uint32_t *fold_of, uint32_t folds, const efme_fold_options *options) {
  const struct efme_allocator *a = efme_context_allocator(efme_dataset_context(dataset));
  struct efme_fold_plan *p = efme_mem_calloc(a, 1, sizeof *p, "fold plan");
  if (!p) return EFME_E_NOMEM;
  atomic_init(&p->references, 1);
  p->allocator = a;
  p->dataset = efme_dataset_retain((efme_dataset *)(uintptr_t)dataset); /* counting references is no change to it */
  p->kind = kinds[kind];
  p->options = *options;
  p->samples = efme_dataset_count(dataset);
  p->subjects = efme_dataset_subject_count(dataset);
  efme_strings_init(&p->strings, a);
  efme_status status = prepare(p, kind, fold_of, folds);
  if (status == EFME_OK) *out = p;
  else efme_plan_destroy(p);
  return status;
}

void efme_plan_destroy(struct efme_fold_plan *p) {
  if (!p) return;
  const struct efme_allocator *a = p->allocator;
  efme_dataset *dataset = p->dataset;
  for (uint32_t f = 0; f < p->count; f++) efme_mem_free(a, p->folds[f].indices);
  efme_mem_free(a, p->folds);
  efme_mem_free(a, p->keys);
  efme_mem_free(a, p->labels);
  efme_mem_free(a, p->members);
  efme_mem_free(a, p->unit);
  efme_mem_free(a, p->first);
  efme_mem_free(a, p->order);
  efme_mem_free(a, p->fold_of);
  efme_mem_free(a, p->subject);
  efme_mem_free(a, p->group);
  efme_mem_free(a, p->pairs);
  efme_strings_free(&p->strings);
  efme_mem_free(a, p);
  efme_dataset_release(dataset); /* last: the allocator is its context's */
}
