/* Views that keep some of the samples: filtered, balanced, split by ratio or by subject, listed, joined. What is drawn is
 * drawn by a key of each sample's (or subject's) own, the smallest win, so that no order of evaluation matters. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

struct drawn {
  uint64_t key;
  uint64_t index;
  int32_t label;
};

static uint64_t draw(uint64_t seed, uint32_t purpose, uint64_t position, uint32_t element) {
  uint32_t w[4];
  efme_philox(w, seed, purpose, 0, (uint32_t)position, element);
  return (uint64_t)w[0] << 32 | w[1];
}

/* By key, so that the order of rows chooses nobody; rows that name no subject (FER2013's) by position. */
static uint64_t draw_sample(const efme_dataset *d, uint64_t seed, uint32_t purpose, uint64_t position) {
  const struct efme_record *r = efme_item_record(d, position);
  if (!r->subject[0]) return draw(seed, purpose, position, 0);
  uint64_t h = efme_hash64(r->key, strlen(r->key), 0);
  return draw(seed, purpose, h, (uint32_t)(h >> 32));
}

static int by_label_then_key(const void *a, const void *b) {
  const struct drawn *x = a, *y = b;
  if (x->label != y->label) return x->label < y->label ? -1 : 1;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* Every sample with its key, class by class, smallest key first; counts[c + 1] samples of class c (c from EFME_NO_CLASS). */
static struct drawn *draw_all(const efme_dataset *d, uint64_t seed, uint32_t purpose, uint64_t *counts) {
  struct drawn *list = efme_mem_array(d->allocator, d->count, sizeof *list, "drawing samples");
  if (!list) return NULL;
  for (uint64_t i = 0; i < d->count; i++) {
    list[i] = (struct drawn){draw_sample(d, seed, purpose, i), i, d->labels[i]};
    counts[d->labels[i] + 1]++;
  }
  qsort(list, d->count, sizeof *list, by_label_then_key);
  return list;
}

/* The samples whose flag is (or is not) set, in order. */
static efme_status view_of_flags(efme_dataset **out, const efme_dataset *d, const uint8_t *flags, uint8_t wanted) {
  uint64_t *indices = efme_mem_array(d->allocator, d->count, sizeof *indices, "samples"), n = 0;
  if (!indices) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < d->count; i++)
    if (flags[i] == wanted) indices[n++] = i;
  efme_status status = efme_dataset_view(out, d, indices, n, NULL, NULL, 0);
  efme_mem_free(d->allocator, indices);
  return status;
}

/* Both parts or neither. */
static efme_status two_views(efme_dataset **first, efme_dataset **second, const efme_dataset *d, const uint8_t *flags) {
  efme_dataset *a, *b;
  efme_status status = view_of_flags(&a, d, flags, 0);
  if (status) return status;
  status = view_of_flags(&b, d, flags, 1);
  if (status) {
    efme_dataset_release(a);
    return status;
  }
  *first = a;
  *second = b;
  return EFME_OK;
}

efme_status efme_dataset_filter(efme_dataset **out, const efme_dataset *d, const char *column, const char *value, int invert) {
  if (!out || !d || !column || !value)
    return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !d ? "dataset" : !column ? "column" : "value");
  if (!efme_dataset_has_column(d, column)) return efme_fail(EFME_E_NOT_FOUND, "no column \"%s\" in the dataset", column);
  uint8_t *flags = efme_mem_alloc(d->allocator, d->count, "samples");
  if (!flags) return EFME_E_NOMEM;
  uint64_t kept = 0;
  for (uint64_t i = 0; i < d->count; i++) {
    flags[i] = (strcmp(efme_item_field(d, i, column), value) == 0) != (invert != 0);
    kept += flags[i];
  }
  efme_status status = kept ? view_of_flags(out, d, flags, 1)
                            : efme_fail(EFME_E_NOT_FOUND, "no sample whose %s is %s\"%s\"", column, invert ? "not " : "", value);
  efme_mem_free(d->allocator, flags);
  return status;
}

efme_status efme_dataset_balance(efme_dataset **out, const efme_dataset *d, uint64_t per_class, uint64_t seed) {
  if (!out || !d) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : "dataset");
  if (!d->class_count) return efme_fail(EFME_E_MISMATCH, "the dataset has no classes to balance");
  uint64_t counts[EFME_MAX_CLASSES + 1] = {0}, smallest = UINT64_MAX;
  struct drawn *list = draw_all(d, seed, EFME_RNG_BALANCE, counts);
  uint8_t *flags = efme_mem_calloc(d->allocator, d->count, 1, "samples");
  efme_status status = list && flags ? EFME_OK : EFME_E_NOMEM;
  for (uint32_t c = 0; c < d->class_count && !status; c++) {
    smallest = EFME_MIN(smallest, counts[c + 1]);
    if (!counts[c + 1] || counts[c + 1] < per_class)
      status = efme_fail(EFME_E_MISMATCH, "class \"%s\" has %llu samples, %llu are wanted", d->class_names[c],
                         (unsigned long long)counts[c + 1], (unsigned long long)EFME_MAX(per_class, 1u));
  }
  uint64_t at = counts[0], n = per_class ? per_class : smallest; /* samples without class are left out */
  for (uint32_t c = 0; c < d->class_count && !status; at += counts[c + 1], c++)
    for (uint64_t k = 0; k < n; k++) flags[list[at + k].index] = 1;
  if (!status) status = view_of_flags(out, d, flags, 1);
  efme_mem_free(d->allocator, list);
  efme_mem_free(d->allocator, flags);
  return status;
}

static efme_status check_split(efme_dataset **first, efme_dataset **second, const efme_dataset *d, double ratio) {
  if (!first || !second || !d) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !first ? "first" : !second ? "second" : "dataset");
  if (!(ratio > 0 && ratio < 1)) return efme_fail(EFME_E_ARGUMENT, "ratio is not between 0 and 1");
  return EFME_OK;
}

efme_status efme_dataset_split(efme_dataset **first, efme_dataset **second, const efme_dataset *d, double ratio, uint64_t seed) {
  EFME_FPENV_DEFAULT;
  efme_status status = check_split(first, second, d, ratio);
  if (status) return status;
  uint64_t counts[EFME_MAX_CLASSES + 1] = {0}, taken = 0, at = 0;
  struct drawn *list = draw_all(d, seed, EFME_RNG_SPLIT, counts);
  uint8_t *flags = efme_mem_calloc(d->allocator, d->count, 1, "samples");
  status = list && flags ? EFME_OK : EFME_E_NOMEM;
  for (uint32_t c = 0; c <= d->class_count && !status; at += counts[c], c++) {
    uint64_t n = (uint64_t)(ratio * (double)counts[c]);
    for (uint64_t k = 0; k < n; k++) flags[list[at + k].index] = 1;
    taken += n;
  }
  if (!status && !taken)
    status =
        efme_fail(EFME_E_MISMATCH, "%llu samples are too few for such a split: the second part is empty", (unsigned long long)d->count);
  if (!status) status = two_views(first, second, d, flags);
  efme_mem_free(d->allocator, list);
  efme_mem_free(d->allocator, flags);
  return status;
}

/* ---- whole subjects ---- */

struct subjects {
  const efme_dataset *d;
  uint32_t *of;      /* [count] subject of each sample */
  uint64_t *samples; /* [subjects][classes] */
  uint32_t *holders; /* [classes] subjects of the first part that have the class */
  uint8_t *chosen;   /* [subjects] */
  uint8_t *present;  /* [classes] in the second part */
  struct drawn *order;
};

static int subject_compare(const void *key, const void *item) { return strcmp(key, *(const char *const *)item); }

static efme_status count_subjects(struct subjects *s) {
  const efme_dataset *d = s->d;
  const char *last = NULL;
  uint32_t at = 0, classes = d->class_count;
  for (uint64_t i = 0; i < d->count; i++) {
    const char *name = efme_item_record(d, i)->subject;
    if (!name[0]) {
      char text[256];
      efme_item_name(d, i, text);
      return efme_fail(EFME_E_MISMATCH, "%s has no subject: such data is split by column or by ratio", text);
    }
    if (name != last)
      at =
          (uint32_t)((const char *const *)bsearch(name, d->subjects, d->subject_count, sizeof *d->subjects, subject_compare) - d->subjects);
    last = name;
    s->of[i] = at;
    if (d->labels[i] != EFME_NO_CLASS) s->samples[(size_t)at * (classes + 1) + (uint32_t)d->labels[i]]++;
    s->samples[(size_t)at * (classes + 1) + classes]++; /* all of them */
  }
  for (uint32_t k = 0; k < d->subject_count; k++)
    for (uint32_t c = 0; c < classes; c++) s->holders[c] += s->samples[(size_t)k * (classes + 1) + c] != 0;
  return EFME_OK;
}

/* Whether a subject may go: the first part keeps every class it has, and the second part still wants samples or a class. */
static int may_move(const struct subjects *s, const uint64_t *samples, int enough, uint32_t left) {
  int wanted = !enough;
  if (left < 2) return 0;
  for (uint32_t c = 0; c < s->d->class_count; c++) {
    if (!samples[c]) continue;
    if (s->holders[c] < 2) return 0;
    if (!s->present[c]) wanted = 1;
  }
  return wanted;
}

static uint64_t choose(struct subjects *s, double ratio) {
  const efme_dataset *d = s->d;
  uint64_t taken = 0;
  uint32_t left = d->subject_count;
  for (uint32_t k = 0; k < d->subject_count; k++) {
    uint64_t subject = s->order[k].index;
    const uint64_t *samples = s->samples + subject * (d->class_count + 1);
    if (!may_move(s, samples, (double)taken >= ratio * (double)d->count, left)) continue;
    s->chosen[subject] = 1;
    taken += samples[d->class_count];
    left--;
    for (uint32_t c = 0; c < d->class_count; c++)
      if (samples[c]) s->present[c] = 1, s->holders[c]--;
  }
  return taken;
}

efme_status efme_dataset_split_subjects(efme_dataset **first, efme_dataset **second, const efme_dataset *d, double ratio, uint64_t seed) {
  EFME_FPENV_DEFAULT;
  efme_status status = check_split(first, second, d, ratio);
  if (status) return status;
  if (d->subject_count == 1) return efme_fail(EFME_E_MISMATCH, "%s is the only subject: there is nothing to split", d->subjects[0]);
  const struct efme_allocator *a = d->allocator;
  size_t n = d->subject_count;
  struct subjects s = {.d = d};
  s.of = efme_mem_array(a, d->count, sizeof *s.of, "subjects");
  s.samples = efme_mem_calloc(a, n, (d->class_count + 1) * sizeof *s.samples, "subjects");
  s.holders = efme_mem_calloc(a, d->class_count, sizeof *s.holders, "subjects");
  s.chosen = efme_mem_calloc(a, n, 1, "subjects");
  s.present = efme_mem_calloc(a, d->class_count, 1, "subjects");
  s.order = efme_mem_array(a, n, sizeof *s.order, "subjects");
  uint8_t *flags = efme_mem_alloc(a, d->count, "samples");
  status = s.of && s.samples && s.holders && s.chosen && s.present && s.order && flags ? EFME_OK : EFME_E_NOMEM;
  if (!status) status = count_subjects(&s);
  if (!status) {
    for (size_t k = 0; k < n; k++) s.order[k] = (struct drawn){draw(seed, EFME_RNG_SPLIT, k, 1), k, 0};
    qsort(s.order, n, sizeof *s.order, by_label_then_key);
    if (!choose(&s, ratio))
      status = efme_fail(EFME_E_MISMATCH, "the %zu subjects cannot be split: each is the only one with one of its classes", n);
  }
  if (!status) {
    for (uint64_t i = 0; i < d->count; i++) flags[i] = s.chosen[s.of[i]];
    status = two_views(first, second, d, flags);
  }
  efme_mem_free(a, s.of), efme_mem_free(a, s.samples), efme_mem_free(a, s.holders), efme_mem_free(a, s.chosen);
  efme_mem_free(a, s.present), efme_mem_free(a, s.order), efme_mem_free(a, flags);
  return status;
}

/* ---- lists ---- */

efme_status efme_dataset_subset(efme_dataset **out, const efme_dataset *d, const uint64_t *indices, uint64_t count) {
  if (!out || !d || !indices) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !d ? "dataset" : "indices");
  if (!count) return efme_fail(EFME_E_ARGUMENT, "count is 0: a dataset has at least one sample");
  uint8_t *seen = efme_mem_calloc(d->allocator, d->count, 1, "samples");
  if (!seen) return EFME_E_NOMEM;
  efme_status status = EFME_OK;
  for (uint64_t i = 0; i < count && !status; i++) {
    if (indices[i] >= d->count)
      status = efme_fail(EFME_E_ARGUMENT, "indices[%llu] is %llu, there are %llu samples", (unsigned long long)i,
                         (unsigned long long)indices[i], (unsigned long long)d->count);
    else if (seen[indices[i]]++)
      status = efme_fail(EFME_E_ARGUMENT, "indices[%llu]: sample %llu stands twice", (unsigned long long)i, (unsigned long long)indices[i]);
  }
  if (!status) status = efme_dataset_view(out, d, indices, count, NULL, NULL, 0);
  efme_mem_free(d->allocator, seen);
  return status;
}

static int by_key(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static efme_status check_keys(const efme_dataset *d) {
  const char **keys = efme_mem_array(d->allocator, d->count, sizeof *keys, "sample keys");
  if (!keys) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < d->count; i++) keys[i] = efme_item_record(d, i)->key;
  qsort(keys, d->count, sizeof *keys, by_key);
  efme_status status = EFME_OK;
  for (uint64_t i = 1; i < d->count && !status; i++)
    if (!strcmp(keys[i - 1], keys[i])) status = efme_fail(EFME_E_MISMATCH, "sample %s stands in two of the datasets", keys[i]);
  efme_mem_free(d->allocator, (void *)keys);
  return status;
}

static efme_status check_parts(const efme_dataset *const *datasets, uint32_t count, uint64_t *samples, uint32_t *stores) {
  for (uint32_t k = 0; k < count; k++) {
    const efme_dataset *d = datasets[k];
    if (!d) return efme_fail(EFME_E_ARGUMENT, "datasets[%u] is NULL", k);
    if (d->context != datasets[0]->context) return efme_fail(EFME_E_ARGUMENT, "datasets[%u] is of another context", k);
    if (d->class_count != datasets[0]->class_count)
      return efme_fail(EFME_E_MISMATCH, "datasets[%u] has %u classes, datasets[0] has %u", k, d->class_count, datasets[0]->class_count);
    for (uint32_t c = 0; c < d->class_count; c++)
      if (strcmp(d->class_names[c], datasets[0]->class_names[c]))
        return efme_fail(EFME_E_MISMATCH, "class %u of datasets[%u] is \"%s\", of datasets[0] \"%s\"", c, k, d->class_names[c],
                         datasets[0]->class_names[c]);
    *samples += d->count;
    *stores += d->store_count;
  }
  return *samples > INT32_MAX ? efme_fail(EFME_E_LIMIT, "%llu samples together", (unsigned long long)*samples) : EFME_OK;
}

efme_status efme_dataset_concat(efme_dataset **out, const efme_dataset *const *datasets, uint32_t count) {
  if (!out || !datasets) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : "datasets");
  if (!count) return efme_fail(EFME_E_ARGUMENT, "count is 0");
  uint64_t samples = 0, at = 0;
  uint32_t stores = 0;
  efme_status status = check_parts(datasets, count, &samples, &stores);
  if (status) return status;
  efme_dataset *d = efme_dataset_new(datasets[0]->context, samples, stores);
  if (!d) return EFME_E_NOMEM;
  for (uint32_t k = 0; k < count; k++) {
    const efme_dataset *part = datasets[k];
    uint32_t base = d->store_count; /* a store that two parts share stands twice: harmless */
    for (uint32_t i = 0; i < part->store_count; i++) d->stores[d->store_count++] = efme_store_retain(part->stores[i]);
    for (uint64_t i = 0; i < part->count; i++, at++) {
      d->items[at] = (struct efme_item){base + part->items[i].store, part->items[i].record};
      d->labels[at] = part->labels[i];
    }
  }
  status = efme_dataset_seal(d, datasets[0]->class_names, datasets[0]->class_count);
  if (!status) status = check_keys(d);
  if (status) efme_dataset_release(d);
  else *out = d;
  return status;
}
