/* What foreign predictions show about how they were made: clips tested twice, missing or unknown clips, labels that differ,
 * denominators. What their folds show is in folds.c.
 *
 * Every comparison is of whole canonical keys. Rows and expected samples are sorted by key once; all is n log n. */
#include <stdlib.h>
#include <string.h>

#include "eval/key.h"
#include "eval/result.h"
#include "eval/scores.h"

/* A sample there should be. */
struct expected {
  const char *key, *dataset, *subject, *clip; /* canonical */
  int32_t label;
  uint32_t tested;
};

struct examination {
  struct efme_result *r;
  struct expected *items, **by_clip; /* by key; the same by dataset and clip */
  size_t count;
};

static int by_key(const void *a, const void *b) { return strcmp(((const struct expected *)a)->key, ((const struct expected *)b)->key); }

static int clip_order(const struct expected *x, const char *dataset, const char *clip) {
  int order = strcmp(x->dataset, dataset);
  return order ? order : strcmp(x->clip, clip);
}

static int by_clip(const void *a, const void *b) {
  const struct expected *x = *(struct expected *const *)a, *y = *(struct expected *const *)b;
  int order = clip_order(x, y->dataset, y->clip);
  return order ? order : strcmp(x->key, y->key);
}

/* ---- what there should be ---- */

static efme_status take_expected(struct examination *e, struct expected *out, const efme_dataset *dataset, uint64_t index) {
  struct efme_strings *pool = &e->r->pool;
  efme_sample s = EFME_SAMPLE_INIT;
  efme_status status = efme_dataset_sample(dataset, index, &s);
  if (status) return status;
  if (s.label < 0) return efme_fail(EFME_E_MISMATCH, "expected sample %s has no class; map its labels first", s.key);
  out->label = s.label;
  out->dataset = efme_key_dataset(pool, s.dataset);
  out->clip = out->dataset ? efme_key_clip(pool, out->dataset, s.clip) : NULL;
  out->subject = !out->clip ? NULL : *s.subject ? efme_key_subject(pool, out->dataset, s.subject) : "";
  out->key = out->subject ? efme_key_join(pool, *out->subject ? out->subject : out->dataset, out->clip) : NULL;
  return out->key ? EFME_OK : EFME_E_NOMEM;
}

static efme_status load_expected(struct examination *e, const efme_dataset *dataset) {
  const struct efme_result *r = e->r;
  if (efme_dataset_class_count(dataset) != r->classes)
    return efme_fail(EFME_E_MISMATCH, "expected has %u classes, the predictions %u", efme_dataset_class_count(dataset), r->classes);
  for (uint32_t c = 0; c < r->classes; c++)
    if (strcmp(efme_dataset_class_name(dataset, c), r->class_names[c]))
      return efme_fail(EFME_E_MISMATCH, "class %u: expected calls it %s, the caller %s", c, efme_dataset_class_name(dataset, c),
                       r->class_names[c]);
  e->count = (size_t)efme_dataset_count(dataset);
  e->items = efme_mem_array(r->allocator, e->count, sizeof *e->items, "expected samples");
  e->by_clip = efme_mem_array(r->allocator, e->count, sizeof *e->by_clip, "expected samples by clip");
  if (!e->items || !e->by_clip) return EFME_E_NOMEM;
  memset(e->items, 0, e->count * sizeof *e->items);
  for (size_t i = 0; i < e->count; i++) {
    efme_status status = take_expected(e, &e->items[i], dataset, i);
    if (status) return status;
  }
  qsort(e->items, e->count, sizeof *e->items, by_key);
  for (size_t i = 0; i < e->count; i++) e->by_clip[i] = &e->items[i];
  qsort(e->by_clip, e->count, sizeof *e->by_clip, by_clip);
  return EFME_OK;
}

/* A sample of this dataset and clip, of whatever subject: the only one, or the one whose subject the fold's name is part of. */
static struct expected *find_clip(const struct examination *e, const struct efme_outcome *row, const char *clip) {
  size_t low = 0, high = e->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (clip_order(e->by_clip[middle], row->dataset, clip) < 0) low = middle + 1;
    else high = middle;
  }
  struct expected *only = NULL;
  for (size_t n = 0; low < e->count && !clip_order(e->by_clip[low], row->dataset, clip); low++, n++) {
    if (efme_key_substring(row->fold, e->by_clip[low]->subject)) return e->by_clip[low];
    only = n ? NULL : e->by_clip[low];
  }
  return only;
}

static efme_status match_rows(struct examination *e) {
  struct efme_result *r = e->r;
  struct efme_outcome *first_unknown = NULL, *first_differs = NULL;
  for (size_t i = 0; i < r->count; i++) {
    struct efme_outcome *row = &r->rows[i];
    struct expected wanted = {.key = row->key};
    struct expected *found = bsearch(&wanted, e->items, e->count, sizeof *e->items, by_key);
    if (!found) {
      const char *clip = efme_key_clip(&r->pool, row->dataset, row->clip);
      if (!clip) return EFME_E_NOMEM;
      found = find_clip(e, row, clip);
      if (found) row->key = found->key, row->subject = found->subject;
    }
    if (!found) {
      r->foreign.unknown++;
      if (!first_unknown) first_unknown = row;
      continue;
    }
    found->tested++;
    if (found->label == row->truth) continue;
    r->foreign.truth_differs++;
    if (!first_differs) first_differs = row;
  }
  efme_status status = EFME_OK;
  if (first_unknown)
    status = efme_result_find(r, 1, "unknown-clip", "%llu lines test clips that the expected set does not hold, first %s",
                              (unsigned long long)r->foreign.unknown, first_unknown->key);
  if (status == EFME_OK && first_differs)
    status = efme_result_find(r, 1, "truth-differs", "%llu lines state another truth than the expected set, first %s (%s)",
                              (unsigned long long)r->foreign.truth_differs, first_differs->key, r->class_names[first_differs->truth]);
  return status;
}

static efme_status find_missing(struct examination *e) {
  const struct expected *first = NULL;
  for (size_t i = 0; i < e->count; i++) {
    if (e->items[i].tested) continue;
    e->r->foreign.missing++;
    if (!first) first = &e->items[i];
  }
  if (!first) return EFME_OK;
  return efme_result_find(e->r, 1, "missing", "%llu of %zu expected samples are not tested, first %s",
                          (unsigned long long)e->r->foreign.missing, e->count, first->key);
}

/* ---- what the rows alone show ---- */

static int rows_by_key(const void *a, const void *b) {
  const struct efme_outcome *x = *(struct efme_outcome *const *)a, *y = *(struct efme_outcome *const *)b;
  int order = strcmp(x->key, y->key);
  return order ? order : x < y ? -1 : x > y;
}

/* Of the rows of one key, the one in its own subject's fold, else the first. */
static void count_distinct(struct efme_result *r, struct efme_outcome **group, size_t n) {
  const struct efme_outcome *kept = group[0];
  for (size_t i = n; i-- > 0;)
    if (!strcmp(group[i]->fold, group[i]->subject)) kept = group[i];
  efme_confusion_add(r->foreign.distinct, r->classes, kept->truth, kept->predicted);
}

static efme_status find_repeats(struct efme_result *r) {
  struct efme_outcome **order = efme_mem_array(r->allocator, r->count, sizeof *order, "rows by key");
  if (!order) return EFME_E_NOMEM;
  for (size_t i = 0; i < r->count; i++) order[i] = &r->rows[i];
  qsort(order, r->count, sizeof *order, rows_by_key);
  struct efme_outcome *first = NULL, *again = NULL;
  for (size_t i = 0, n; i < r->count; i += n) {
    for (n = 1; i + n < r->count && !strcmp(order[i + n]->key, order[i]->key);) n++;
    count_distinct(r, order + i, n);
    r->foreign.repeated += n - 1;
    if (n > 1 && !first) first = order[i], again = order[i + 1];
  }
  efme_mem_free(r->allocator, order);
  if (!first) return EFME_OK;
  return efme_result_find(r, 1, "tested-twice", "%llu of %zu lines test a clip that another line tests too, first %s (folds %s and %s)",
                          (unsigned long long)r->foreign.repeated, r->count, first->key, first->fold, again->fold);
}

/* ---- counts and what follows from them ---- */

static void join_numbers(struct efme_text *t, const uint64_t *numbers, uint32_t n) {
  for (uint32_t c = 0; c < n; c++) efme_text_printf(t, c ? "/%llu" : "%llu", (unsigned long long)numbers[c]);
}

/* Error 1 in numbers: what a UAR over the samples there are could reach. */
static efme_status find_denominators(struct efme_result *r) {
  uint64_t *tested = efme_mem_calloc(r->allocator, r->classes, sizeof *tested, "tested samples of the classes");
  if (!tested) return EFME_E_NOMEM;
  double ceiling = 0.0;
  int differ = 0;
  for (uint32_t c = 0; c < r->classes; c++) {
    for (uint32_t p = 0; p < r->classes; p++) tested[c] += r->counts[(size_t)c * r->classes + p];
    if (r->foreign.expected_counts[c]) ceiling += (double)tested[c] / (double)r->foreign.expected_counts[c] / r->classes;
    differ |= tested[c] != r->foreign.expected_counts[c];
  }
  struct efme_text t;
  efme_text_init(&t, r->allocator);
  efme_text_add(&t, "tested samples of the classes are ");
  join_numbers(&t, tested, r->classes);
  efme_text_add(&t, ", there are ");
  join_numbers(&t, r->foreign.expected_counts, r->classes);
  efme_text_add(&t, "; a UAR over the latter could reach ");
  efme_text_fixed(&t, ceiling, 4);
  efme_text_add(&t, ", with these predictions it reads ");
  efme_text_fixed(&t, efme_result_uar_over(r->counts, r->classes, r->foreign.expected_counts), 4);
  efme_mem_free(r->allocator, tested);
  char *text = NULL;
  efme_status status = efme_text_take(&t, &text, NULL);
  if (status == EFME_OK && differ) status = efme_result_find(r, 1, "denominators", "%s", text);
  efme_mem_free(r->allocator, text);
  return status;
}

static efme_status note_comparisons(struct efme_result *r) {
  struct efme_fold_means m;
  efme_status status = efme_result_fold_means(&m, r);
  char uf1[32], uar[32], precision[32];
  if (status == EFME_OK && m.folds > 1) {
    efme_format_fixed(uf1, sizeof uf1, m.uf1, 4);
    efme_format_fixed(uar, sizeof uar, m.uar, 4);
    status = efme_result_find(r, 0, "fold-average",
                              "a mean over the %llu folds, %llu of which have one class only, would read UF1 %s, UAR %s: not a score",
                              (unsigned long long)m.folds, (unsigned long long)m.one_class, uf1, uar);
  }
  efme_format_fixed(precision, sizeof precision, efme_confusion_mean_precision(r->counts, r->classes), 4);
  if (status == EFME_OK) status = efme_result_find(r, 0, "mean-precision", "mean precision is %s: not the UAR", precision);
  return status;
}

static efme_status examine(struct examination *e, const efme_dataset *expected) {
  struct efme_result *r = e->r;
  efme_status status = EFME_OK;
  r->foreign.distinct = efme_mem_calloc(r->allocator, (size_t)r->classes * r->classes, sizeof(uint64_t), "confusion over distinct clips");
  r->foreign.expected_counts = efme_mem_calloc(r->allocator, r->classes, sizeof(uint64_t), "samples of the classes");
  if (!r->foreign.distinct || !r->foreign.expected_counts) return EFME_E_NOMEM;
  status = efme_result_finish(r);
  if (status == EFME_OK) status = efme_result_name_folds(r);
  if (status == EFME_OK && expected) status = load_expected(e, expected);
  if (status == EFME_OK && expected) status = match_rows(e);
  if (status == EFME_OK && expected) status = find_missing(e);
  if (status == EFME_OK) status = efme_result_check_folds(r);
  if (status == EFME_OK) status = find_repeats(r);
  for (size_t i = 0; status == EFME_OK && i < e->count; i++) r->foreign.expected_counts[e->items[i].label]++;
  for (size_t i = 0; status == EFME_OK && !expected && i < (size_t)r->classes * r->classes; i++)
    r->foreign.expected_counts[i / r->classes] += r->foreign.distinct[i];
  if (status == EFME_OK) status = find_denominators(r);
  if (status == EFME_OK) status = note_comparisons(r);
  return status;
}

efme_status efme_result_examine(struct efme_result *r, const efme_dataset *expected) {
  struct examination e = {r, NULL, NULL, 0};
  efme_status status = examine(&e, expected);
  efme_mem_free(r->allocator, e.items);
  efme_mem_free(r->allocator, e.by_clip);
  return status;
}
