/* Results: argument checks of what asks, writes and scores. */
#include <string.h>

#include "backend/context.h"
#include "eval/key.h"
#include "eval/printed.h"
#include "eval/result.h"
#include "eval/scores.h"

efme_result *efme_result_retain(efme_result *result) {
  if (result) atomic_fetch_add_explicit(&result->references, 1, memory_order_relaxed);
  return result;
}

void efme_result_release(efme_result *result) {
  if (result && atomic_fetch_sub_explicit(&result->references, 1, memory_order_acq_rel) == 1) efme_result_destroy(result);
}

/* ---- questions ---- */

static efme_status find_counts(const uint64_t **counts, const efme_result *result, const char *dataset, const char *who) {
  if (!result) return efme_fail(EFME_E_ARGUMENT, "%s: result is NULL", who);
  *counts = efme_result_counts(result, dataset);
  return *counts ? EFME_OK : efme_fail(EFME_E_NOT_FOUND, "%s: no tested sample of a dataset `%s`", who, dataset);
}

efme_status efme_result_scores(const efme_result *result, const char *dataset, efme_scores *out) {
  EFME_FPENV_DEFAULT;
  const uint64_t *counts = NULL;
  efme_status status = find_counts(&counts, result, dataset, "efme_result_scores");
  if (status) return status;
  efme_scores s;
  efme_confusion_scores(&s, counts, result->classes);
  return efme_struct_store(out, &s, sizeof s, "efme_scores");
}

efme_status efme_result_class_scores(const efme_result *result, const char *dataset, uint32_t index, efme_class_scores *out) {
  EFME_FPENV_DEFAULT;
  const uint64_t *counts = NULL;
  efme_status status = find_counts(&counts, result, dataset, "efme_result_class_scores");
  if (status) return status;
  if (index >= result->classes)
    return efme_fail(EFME_E_ARGUMENT, "efme_result_class_scores: index %u, there are %u classes", index, result->classes);
  efme_class_scores s;
  efme_confusion_class(&s, counts, result->classes, index);
  s.name = result->class_names[index];
  return efme_struct_store(out, &s, sizeof s, "efme_class_scores");
}

efme_status efme_result_confusion(const efme_result *result, const char *dataset, uint64_t *out, uint32_t capacity) {
  const uint64_t *counts = NULL;
  efme_status status = find_counts(&counts, result, dataset, "efme_result_confusion");
  if (status) return status;
  uint64_t need = (uint64_t)result->classes * result->classes;
  if (!out) return efme_fail(EFME_E_ARGUMENT, "efme_result_confusion: counts is NULL");
  if (capacity < need)
    return efme_fail(EFME_E_ARGUMENT, "efme_result_confusion: capacity %u, %llu counts are needed", capacity, (unsigned long long)need);
  memcpy(out, counts, (size_t)need * sizeof *out);
  return EFME_OK;
}

uint64_t efme_result_count(const efme_result *result) { return result ? result->count : 0; }

efme_status efme_result_tested(const efme_result *result, uint64_t index, efme_tested *out) {
  if (!result) return efme_fail(EFME_E_ARGUMENT, "efme_result_tested: result is NULL");
  if (index >= result->count)
    return efme_fail(EFME_E_ARGUMENT, "efme_result_tested: index %llu, there are %zu tested samples", (unsigned long long)index,
                     result->count);
  const struct efme_outcome *row = &result->rows[index];
  efme_tested t = EFME_TESTED_INIT;
  t.key = row->key;
  t.dataset = row->dataset;
  t.subject = row->subject;
  t.clip = row->clip;
  t.fold = row->fold;
  t.truth = row->truth;
  t.predicted = row->predicted;
  if (result->probabilities) t.probabilities = result->probabilities + (size_t)index * result->classes;
  return efme_struct_store(out, &t, sizeof t, "efme_tested");
}

uint32_t efme_result_dataset_count(const efme_result *result) { return result ? result->dataset_count : 0; }

const char *efme_result_dataset(const efme_result *result, uint32_t index) {
  return result && index < result->dataset_count ? result->datasets[index] : NULL;
}

/* ---- forms ---- */

typedef efme_status (*form_fn)(const struct efme_result *, struct efme_text *);

static efme_status export_form(const efme_result *result, char **out, form_fn form, const char *who) {
  EFME_FPENV_DEFAULT;
  if (!result || !out) return efme_fail(EFME_E_ARGUMENT, "%s: %s is NULL", who, result ? "out" : "result");
  struct efme_text t;
  efme_text_init(&t, result->allocator);
  efme_status status = form(result, &t);
  if (status == EFME_OK) status = efme_text_export(&t, out);
  else efme_text_free(&t);
  return status;
}

efme_status efme_result_text(const efme_result *result, char **out) {
  return export_form(result, out, efme_result_report, "efme_result_text");
}

efme_status efme_result_audit_json(const efme_result *result, char **out) {
  return export_form(result, out, efme_result_audit, "efme_result_audit_json");
}

static efme_status write_form(const efme_result *result, const char *path, form_fn form) {
  EFME_FPENV_DEFAULT;
  if (!path) return EFME_OK;
  struct efme_text t;
  char *text = NULL;
  size_t size = 0;
  efme_text_init(&t, result->allocator);
  efme_status status = form(result, &t);
  if (status == EFME_OK) status = efme_text_take(&t, &text, &size);
  else efme_text_free(&t);
  if (status == EFME_OK) status = efme_file_write(result->allocator, path, text, size);
  efme_mem_free(result->allocator, text);
  return status;
}

efme_status efme_result_write(const efme_result *result, const char *json_path, const char *csv_path, const char *log_path) {
  if (!result) return efme_fail(EFME_E_ARGUMENT, "efme_result_write: result is NULL");
  efme_status status = write_form(result, json_path, efme_result_metrics);
  if (status == EFME_OK) status = write_form(result, csv_path, efme_result_csv);
  if (status == EFME_OK) status = write_form(result, log_path, efme_result_log);
  return status;
}

/* ---- what others computed ---- */

efme_status efme_score(efme_scores *out, const int32_t *truth, const int32_t *predicted, uint64_t count, uint32_t classes) {
  EFME_FPENV_DEFAULT;
  if (!out) return efme_fail(EFME_E_ARGUMENT, "efme_score: out is NULL");
  if (count && (!truth || !predicted)) return efme_fail(EFME_E_ARGUMENT, "efme_score: %s is NULL", truth ? "predicted" : "truth");
  if (classes < 2 || classes > EFME_MAX_CLASSES)
    return efme_fail(EFME_E_ARGUMENT, "efme_score: classes is %u, must be 2..%d", classes, EFME_MAX_CLASSES);
  uint64_t *counts = efme_mem_calloc(&efme_allocator_libc, (size_t)classes * classes, sizeof *counts, "confusion matrix");
  if (!counts) return EFME_E_NOMEM;
  efme_status status = EFME_OK;
  for (uint64_t i = 0; i < count && status == EFME_OK; i++)
    if (!efme_confusion_add(counts, classes, truth[i], predicted[i]))
      status = efme_fail(EFME_E_ARGUMENT, "efme_score: truth[%llu] = %d, predicted[%llu] = %d, classes are 0..%u", (unsigned long long)i,
                         (int)truth[i], (unsigned long long)i, (int)predicted[i], classes - 1);
  efme_scores s;
  if (status == EFME_OK) efme_confusion_scores(&s, counts, classes);
  efme_mem_free(&efme_allocator_libc, counts);
  return status ? status : efme_struct_store(out, &s, sizeof s, "efme_scores");
}

typedef efme_status (*read_fn)(struct efme_result *, const char *);

static efme_status read_foreign(struct efme_result *r, const char *path, const efme_dataset *expected, read_fn read) {
  r->foreign.source = efme_key_copy(&r->pool, path);
  if (!r->foreign.source) return EFME_E_NOMEM;
  efme_status status = read(r, path);
  return status ? status : efme_result_examine(r, expected);
}

static efme_status from_foreign(efme_result **out, efme_context *context, const char *path, const char *const *class_names,
                                uint32_t classes, const efme_dataset *expected, read_fn read, const char *who, const char *title) {
  EFME_FPENV_DEFAULT;
  if (!out || !context || !path) return efme_fail(EFME_E_ARGUMENT, "%s: %s is NULL", who, !out ? "out" : !context ? "context" : "path");
  if (classes < 2 || classes > EFME_MAX_CLASSES)
    return efme_fail(EFME_E_ARGUMENT, "%s: classes is %u, must be 2..%d", who, classes, EFME_MAX_CLASSES);
  const char *names[EFME_MAX_CLASSES];
  for (uint32_t c = 0; class_names && c < classes; c++)
    if (!class_names[c]) return efme_fail(EFME_E_ARGUMENT, "%s: class_names[%u] is NULL", who, c);
  if (!class_names && expected) {
    if (efme_dataset_class_count(expected) != classes)
      return efme_fail(EFME_E_MISMATCH, "%s: classes is %u, expected has %u", who, classes, efme_dataset_class_count(expected));
    for (uint32_t c = 0; c < classes; c++) names[c] = efme_dataset_class_name(expected, c);
    class_names = names;
  }
  struct efme_result *r = NULL;
  efme_status status = efme_result_new(&r, context, class_names, classes);
  if (status) return status;
  r->title = title;
  status = read_foreign(r, path, expected, read);
  if (status == EFME_OK) *out = r;
  else efme_result_destroy(r);
  return status;
}

efme_status efme_result_from_log(efme_result **out, efme_context *context, const char *path, const char *const *class_names,
                                 uint32_t classes, const efme_dataset *expected) {
  return from_foreign(out, context, path, class_names, classes, expected, efme_log_read, "efme_result_from_log",
                      "predictions of a foreign log");
}

efme_status efme_result_from_csv(efme_result **out, efme_context *context, const char *path, const char *const *class_names,
                                 uint32_t classes, const efme_dataset *expected) {
  return from_foreign(out, context, path, class_names, classes, expected, efme_csv_read, "efme_result_from_csv",
                      "predictions of a foreign table");
}

/* ---- printed rows ---- */

static efme_status load_row(efme_printed_row *row, const efme_printed_row *given, const char *who) {
  static const efme_printed_row defaults = EFME_PRINTED_ROW_INIT;
  if (!given) return efme_fail(EFME_E_ARGUMENT, "%s: row is NULL", who);
  efme_status status = efme_options_load(row, sizeof *row, given, &defaults, "efme_printed_row");
  if (status) return status;
  if (row->decimals < 1 || row->decimals > 15) return efme_fail(EFME_E_ARGUMENT, "%s: decimals is %u, must be 1..15", who, row->decimals);
  if (row->classes > EFME_MAX_CLASSES)
    return efme_fail(EFME_E_ARGUMENT, "%s: classes is %u, at most %d", who, row->classes, EFME_MAX_CLASSES);
  return EFME_OK;
}

static efme_status check_row(char **out, uint32_t *findings, const struct efme_result *r, const efme_printed_row *given, const char *who) {
  EFME_FPENV_DEFAULT;
  efme_printed_row row;
  if (!out || !findings) return efme_fail(EFME_E_ARGUMENT, "%s: %s is NULL", who, out ? "findings" : "out");
  efme_status status = load_row(&row, given, who);
  if (status) return status;
  if (r && row.classes && row.classes != r->classes)
    return efme_fail(EFME_E_MISMATCH, "%s: row has %u classes, the result %u", who, row.classes, r->classes);
  uint32_t found = 0;
  struct efme_text t;
  efme_text_init(&t, r ? r->allocator : &efme_allocator_libc);
  efme_printed_possible(&t, &found, &row);
  if (r) status = efme_printed_against(&t, &found, r, &row);
  if (status == EFME_OK) status = efme_text_export(&t, out);
  else efme_text_free(&t);
  if (status == EFME_OK) *findings = found;
  return status;
}

efme_status efme_check_printed_row(char **out, uint32_t *findings, const efme_printed_row *row) {
  return check_row(out, findings, NULL, row, "efme_check_printed_row");
}

efme_status efme_result_check_row(char **out, uint32_t *findings, const efme_result *result, const efme_printed_row *row) {
  if (!result) return efme_fail(EFME_E_ARGUMENT, "efme_result_check_row: result is NULL");
  return check_row(out, findings, result, row, "efme_result_check_row");
}
