/* Making and counting a result; see result.h. */
#include <stdlib.h>
#include <string.h>

#include "backend/context.h"
#include "data/dataset.h"
#include "eval/key.h"
#include "eval/result.h"
#include "eval/scores.h"

efme_status efme_result_new(struct efme_result **out, efme_context *context, const char *const *class_names, uint32_t classes) {
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_result *r = efme_mem_calloc(a, 1, sizeof *r, "result");
  if (!r) return EFME_E_NOMEM;
  atomic_init(&r->references, 1);
  r->context = efme_context_retain(context);
  r->allocator = a;
  r->classes = classes;
  r->title = r->audit_json = r->run_json = r->run_text = "";
  efme_strings_init(&r->pool, a);
  r->class_names = efme_mem_calloc(a, classes, sizeof *r->class_names, "class names");
  int ok = r->class_names != NULL;
  for (uint32_t c = 0; ok && c < classes; c++) {
    char number[16];
    snprintf(number, sizeof number, "%u", c);
    ok = (r->class_names[c] = efme_key_copy(&r->pool, class_names ? class_names[c] : number)) != NULL;
  }
  if (!ok) {
    efme_result_destroy(r);
    return EFME_E_NOMEM;
  }
  *out = r;
  return EFME_OK;
}

efme_status efme_result_keep(const char **out, struct efme_result *r, struct efme_text *t) {
  char *text = NULL;
  efme_status status = efme_text_take(t, &text, NULL);
  if (status) return status;
  *out = efme_key_copy(&r->pool, text);
  efme_mem_free(r->allocator, text);
  return *out ? EFME_OK : EFME_E_NOMEM;
}

void efme_result_destroy(struct efme_result *r) {
  if (!r) return;
  const struct efme_allocator *a = r->allocator;
  efme_context *context = r->context;
  efme_mem_free(a, r->class_names);
  efme_mem_free(a, r->rows);
  efme_mem_free(a, r->probabilities);
  efme_mem_free(a, r->datasets);
  efme_mem_free(a, r->counts);
  efme_mem_free(a, r->findings);
  efme_mem_free(a, r->foreign.expected_counts);
  efme_mem_free(a, r->foreign.distinct);
  efme_strings_free(&r->pool);
  efme_mem_free(a, r);
  efme_context_release(context);
}

efme_status efme_result_add(struct efme_result *r, const struct efme_outcome *row) {
  efme_status status = efme_mem_grow(r->allocator, (void **)&r->rows, &r->capacity, r->count + 1, sizeof *r->rows, "tested samples");
  if (status == EFME_OK) r->rows[r->count++] = *row;
  return status;
}

efme_status efme_result_find(struct efme_result *r, int flag, const char *code, const char *format, ...) {
  char text[1024]; /* a finding is a line; longer names are cut */
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  efme_status status =
      efme_mem_grow(r->allocator, (void **)&r->findings, &r->finding_capacity, r->finding_count + 1, sizeof *r->findings, "audit findings");
  if (status) return status;
  struct efme_audit_finding f = {code, efme_key_copy(&r->pool, text), flag};
  if (!f.text) return EFME_E_NOMEM;
  r->findings[r->finding_count++] = f;
  return EFME_OK;
}

static uint32_t dataset_place(const struct efme_result *r, const char *name, int *found) {
  uint32_t low = 0, high = r->dataset_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (strcmp(r->datasets[middle], name) < 0) low = middle + 1;
    else high = middle;
  }
  *found = low < r->dataset_count && !strcmp(r->datasets[low], name);
  return low;
}

static efme_status list_datasets(struct efme_result *r) {
  size_t capacity = 0;
  for (size_t i = 0; i < r->count; i++) {
    int found;
    uint32_t place = dataset_place(r, r->rows[i].dataset, &found);
    if (found) continue;
    if (r->dataset_count == EFME_MAX_DATASETS)
      return efme_fail(EFME_E_LIMIT, "%s: predictions of more than %u datasets", r->foreign.source ? r->foreign.source : "result",
                       EFME_MAX_DATASETS);
    efme_status status =
        efme_mem_grow(r->allocator, (void **)&r->datasets, &capacity, r->dataset_count + 1, sizeof *r->datasets, "datasets of a result");
    if (status) return status;
    memmove(r->datasets + place + 1, r->datasets + place, (r->dataset_count - place) * sizeof *r->datasets);
    r->datasets[place] = r->rows[i].dataset;
    r->dataset_count++;
  }
  return EFME_OK;
}

static efme_status flag_absent_classes(struct efme_result *r) {
  for (uint32_t c = 0; c < r->classes; c++) {
    efme_class_scores one;
    efme_confusion_class(&one, r->counts, r->classes, c);
    if (one.samples) continue;
    efme_status status =
        efme_result_find(r, 1, "class-not-tested", "no tested sample has class %s: it counts 0 in UF1 and UAR", r->class_names[c]);
    if (status) return status;
  }
  return EFME_OK;
}

efme_status efme_result_finish(struct efme_result *r) {
  efme_status status = list_datasets(r);
  if (status) return status;
  size_t square = (size_t)r->classes * r->classes;
  r->counts = efme_mem_calloc(r->allocator, (1 + (size_t)r->dataset_count) * square, sizeof *r->counts, "confusion matrices");
  if (!r->counts) return EFME_E_NOMEM;
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_outcome *row = &r->rows[i];
    int found;
    uint32_t place = dataset_place(r, row->dataset, &found);
    if (!efme_confusion_add(r->counts, r->classes, row->truth, row->predicted))
      return efme_fail(EFME_E_INTERNAL, "result: %s has label %d, prediction %d", row->key, (int)row->truth, (int)row->predicted);
    efme_confusion_add(r->counts + (1 + place) * square, r->classes, row->truth, row->predicted);
  }
  return flag_absent_classes(r);
}

const uint64_t *efme_result_counts(const struct efme_result *r, const char *dataset) {
  if (!dataset) return r->counts;
  int found;
  uint32_t place = dataset_place(r, dataset, &found);
  return found ? r->counts + (1 + (size_t)place) * r->classes * r->classes : NULL;
}

/* ---- what others print: means over folds, foreign denominators ---- */

struct fold_row {
  const char *fold;
  size_t index;
};

static int by_fold(const void *a, const void *b) {
  const struct fold_row *x = a, *y = b;
  int order = strcmp(x->fold, y->fold);
  return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

static void add_fold(struct efme_fold_means *m, const uint64_t *counts, uint32_t classes) {
  efme_scores s;
  efme_confusion_scores(&s, counts, classes);
  m->uf1 += s.uf1;
  m->uar += s.uar;
  m->accuracy += s.accuracy;
  m->uf1_present += s.uf1_present;
  m->uar_present += s.uar_present;
  m->folds++;
  m->one_class += s.classes_present == 1;
}

efme_status efme_result_fold_means(struct efme_fold_means *out, const struct efme_result *r) {
  struct efme_fold_means m;
  memset(&m, 0, sizeof m);
  size_t square = (size_t)r->classes * r->classes;
  struct fold_row *order = efme_mem_array(r->allocator, r->count, sizeof *order, "rows by fold");
  uint64_t *counts = efme_mem_calloc(r->allocator, square, sizeof *counts, "confusion of a fold");
  if (order && counts) {
    for (size_t i = 0; i < r->count; i++) order[i] = (struct fold_row){r->rows[i].fold, i};
    qsort(order, r->count, sizeof *order, by_fold);
    for (size_t i = 0; i < r->count; i++) {
      const struct efme_outcome *row = &r->rows[order[i].index];
      efme_confusion_add(counts, r->classes, row->truth, row->predicted);
      if (i + 1 < r->count && !strcmp(order[i + 1].fold, order[i].fold)) continue;
      add_fold(&m, counts, r->classes);
      memset(counts, 0, square * sizeof *counts);
    }
    if (m.folds) m.uf1 /= (double)m.folds, m.uar /= (double)m.folds, m.accuracy /= (double)m.folds;
    if (m.folds) m.uf1_present /= (double)m.folds, m.uar_present /= (double)m.folds;
    *out = m;
  }
  int failed = !order || !counts;
  efme_mem_free(r->allocator, order);
  efme_mem_free(r->allocator, counts);
  return failed ? EFME_E_NOMEM : EFME_OK;
}

double efme_result_uar_over(const uint64_t *counts, uint32_t classes, const uint64_t *samples) {
  double sum = 0.0;
  for (uint32_t c = 0; c < classes; c++)
    if (samples[c]) sum += (double)counts[(size_t)c * classes + c] / (double)samples[c];
  return sum / classes;
}
