/* Who validates in a fold.
 *
 * Whole subjects (the default): the units of the training side are drawn in the order of their numbers and taken until the
 * ratio of the samples is reached and every class is there; once the ratio is reached only units with a missing class are
 * taken, and none is taken that would leave training without a class. Random samples (the paper's way): of each class,
 * floor(ratio * n) samples in the order of their draws. */
#include <stdlib.h>
#include <string.h>

#include "eval/plan.h"

struct unit {
  uint64_t draw;
  const char *key; /* of its first subject */
  uint32_t number;
};

struct sample {
  uint64_t draw;
  const char *key;
  uint64_t index;
};

struct division {
  struct efme_fold_plan *p;
  struct efme_fold *fold;
  uint32_t number, classes;
  uint8_t *validates;     /* by dataset index */
  uint64_t *pool, *taken; /* samples of each class outside the test; of these, validating */
  uint64_t pool_count, taken_count;
};

uint64_t efme_plan_draw(uint64_t seed, const char *fold, const char *text) {
  uint64_t h = efme_hash64(text, strlen(text), 0);
  uint32_t out[4];
  efme_philox(out, efme_hash64(fold, strlen(fold), seed), EFME_RNG_SPLIT, 0, (uint32_t)h, (uint32_t)(h >> 32));
  return (uint64_t)out[0] << 32 | out[1];
}

static int in_pool(const struct division *d, uint64_t index) { return d->p->fold_of[index] != d->number; }

static void take(struct division *d, uint64_t index) {
  d->validates[index] = 1;
  d->taken[d->p->labels[index]]++;
  d->taken_count++;
}

/* ---- whole subjects ---- */

static int by_draw(const void *a, const void *b) {
  const struct unit *x = a, *y = b;
  if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
  return strcmp(x->key, y->key);
}

/* Units of the pool in the order of their draws. A unit lies in one fold with all its samples. */
static size_t list_units(const struct division *d, struct unit *units) {
  const struct efme_fold_plan *p = d->p;
  size_t n = 0;
  for (uint32_t u = 0; u < p->subjects; u++) {
    if (p->first[u] == p->first[u + 1] || !in_pool(d, p->members[p->first[u]])) continue;
    const char *key = efme_dataset_subject(p->dataset, u);
    units[n++] = (struct unit){efme_plan_draw(p->options.seed, d->fold->name, key), key, u};
  }
  qsort(units, n, sizeof *units, by_draw);
  return n;
}

static void count_unit(const struct division *d, uint32_t u, uint64_t *counts) {
  const struct efme_fold_plan *p = d->p;
  memset(counts, 0, d->classes * sizeof *counts);
  for (uint64_t i = p->first[u]; i < p->first[u + 1]; i++) counts[p->labels[p->members[i]]]++;
}

static int wanted(const struct division *d, const uint64_t *counts, int reached) {
  int brings = !reached;
  for (uint32_t c = 0; c < d->classes; c++) {
    if (counts[c] && d->taken[c] + counts[c] >= d->pool[c]) return 0; /* training would lack class c */
    brings |= counts[c] && !d->taken[c];
  }
  return brings;
}

static int complete(const struct division *d) {
  for (uint32_t c = 0; c < d->classes; c++)
    if (!d->taken[c]) return 0;
  return 1;
}

static efme_status take_subjects(struct division *d) {
  const struct efme_fold_plan *p = d->p;
  struct unit *units = efme_mem_array(p->allocator, p->subjects, sizeof *units, "subjects of a fold");
  uint64_t *counts = efme_mem_array(p->allocator, d->classes, sizeof *counts, "classes of a subject");
  efme_status status = units && counts ? EFME_OK : EFME_E_NOMEM;
  size_t n = status ? 0 : list_units(d, units);
  double target = p->options.ratio * (double)d->pool_count;
  for (size_t u = 0; u < n; u++) {
    int reached = (double)d->taken_count >= target;
    if (reached && complete(d)) break;
    count_unit(d, units[u].number, counts);
    if (!wanted(d, counts, reached)) continue;
    for (uint64_t i = p->first[units[u].number]; i < p->first[units[u].number + 1]; i++) take(d, p->members[i]);
  }
  efme_mem_free(p->allocator, units);
  efme_mem_free(p->allocator, counts);
  return status;
}

/* ---- random samples ---- */

static int by_sample_draw(const void *a, const void *b) {
  const struct sample *x = a, *y = b;
  if (x->draw != y->draw) return x->draw < y->draw ? -1 : 1;
  return strcmp(x->key, y->key);
}

static efme_status take_samples(struct division *d) {
  const struct efme_fold_plan *p = d->p;
  struct sample *list = efme_mem_array(p->allocator, (size_t)d->pool_count, sizeof *list, "samples of a fold");
  if (!list) return EFME_E_NOMEM;
  for (uint32_t c = 0; c < d->classes; c++) {
    size_t n = 0;
    for (uint64_t i = 0; i < p->samples; i++)
      if (in_pool(d, i) && p->labels[i] == (int32_t)c)
        list[n++] = (struct sample){efme_plan_draw(p->options.seed, d->fold->name, p->keys[i]), p->keys[i], i};
    qsort(list, n, sizeof *list, by_sample_draw);
    size_t wanted_count = (size_t)(p->options.ratio * (double)n); /* rounded down */
    for (size_t i = 0; i < wanted_count; i++) take(d, list[i].index);
  }
  efme_mem_free(p->allocator, list);
  return EFME_OK;
}

/* ---- the three lists ---- */

static efme_status name_lacking(struct division *d) {
  struct efme_text t;
  char *text = NULL;
  efme_text_init(&t, d->p->allocator);
  for (uint32_t c = 0; c < d->classes; c++) {
    if (d->taken[c]) continue;
    if (t.size) efme_text_add(&t, ", ");
    efme_text_add(&t, efme_dataset_class_name(d->p->dataset, c));
  }
  size_t size = t.size;
  efme_status status = efme_text_take(&t, &text, NULL);
  if (status == EFME_OK && size) {
    d->fold->lacks = efme_strings_add(&d->p->strings, text, size);
    if (!d->fold->lacks) status = EFME_E_NOMEM;
  }
  efme_mem_free(d->p->allocator, text);
  return status;
}

static efme_status fill_lists(struct division *d) {
  struct efme_fold_plan *p = d->p;
  d->fold->indices = efme_mem_array(p->allocator, (size_t)p->samples, sizeof *d->fold->indices, "samples of a fold");
  if (!d->fold->indices) return EFME_E_NOMEM;
  uint64_t n = 0;
  for (int part = 0; part < 3; part++) {
    uint64_t first = n;
    for (uint64_t i = 0; i < p->samples; i++) {
      uint64_t index = p->order[i];
      int of = !in_pool(d, index) ? EFME_PART_TEST : d->validates[index] ? EFME_PART_VALIDATION : EFME_PART_TRAIN;
      if (of == part) d->fold->indices[n++] = index;
    }
    d->fold->counts[part] = n - first;
  }
  return EFME_OK;
}

static efme_status divide(struct division *d) {
  const struct efme_fold_plan *p = d->p;
  for (uint64_t i = 0; i < p->samples; i++)
    if (in_pool(d, i)) d->pool[p->labels[i]]++, d->pool_count++;
  for (uint32_t c = 0; c < d->classes; c++)
    if (!d->pool[c])
      return efme_fail(EFME_E_MISMATCH, "fold %s: no training sample has class %s", d->fold->name, efme_dataset_class_name(p->dataset, c));
  efme_status status = EFME_OK;
  if (p->options.validation == EFME_VALIDATE_SUBJECTS) status = take_subjects(d);
  else if (p->options.validation == EFME_VALIDATE_RANDOM) status = take_samples(d);
  if (status == EFME_OK && p->options.validation != EFME_VALIDATE_NONE) status = name_lacking(d);
  return status ? status : fill_lists(d);
}

efme_status efme_plan_divide(struct efme_fold_plan *p, uint32_t fold) {
  struct division d = {.p = p, .fold = &p->folds[fold], .number = fold, .classes = efme_dataset_class_count(p->dataset)};
  d.validates = efme_mem_calloc(p->allocator, (size_t)p->samples, 1, "validation marks");
  d.pool = efme_mem_calloc(p->allocator, d.classes, sizeof *d.pool, "classes of a fold");
  d.taken = efme_mem_calloc(p->allocator, d.classes, sizeof *d.taken, "classes of a fold's validation");
  efme_status status = d.validates && d.pool && d.taken ? divide(&d) : EFME_E_NOMEM;
  efme_mem_free(p->allocator, d.validates);
  efme_mem_free(p->allocator, d.pool);
  efme_mem_free(p->allocator, d.taken);
  return status;
}
