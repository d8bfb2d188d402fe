/* What a result looks like: metrics.json, the audit alone, and a page for people. Scores are printed as counted; nothing is
 * averaged over folds anywhere. */
#include <string.h>

#include "efme/version.h"
#include "eval/result.h"
#include "eval/scores.h"

static const char by_construction[] =
    "each score is a mean of quotients of a count by a count that includes it, summed over all folds: it lies in [0, 1] by construction";

/* ---- JSON ---- */

static void json_classes(struct efme_json *j, const struct efme_result *r, const uint64_t *counts) {
  efme_json_open(j, "classes", '[');
  for (uint32_t c = 0; c < r->classes; c++) {
    efme_class_scores one;
    efme_confusion_class(&one, counts, r->classes, c);
    efme_json_open(j, NULL, '{');
    efme_json_string(j, "name", r->class_names[c]);
    efme_json_u64(j, "samples", one.samples);
    efme_json_u64(j, "tp", one.tp);
    efme_json_u64(j, "fp", one.fp);
    efme_json_u64(j, "fn", one.fn);
    efme_json_double(j, "precision", one.precision);
    efme_json_double(j, "recall", one.recall);
    efme_json_double(j, "f1", one.f1);
    efme_json_close(j, '}');
  }
  efme_json_close(j, ']');
}

static void json_scores(struct efme_json *j, const struct efme_result *r, const char *name, const uint64_t *counts) {
  efme_scores s;
  efme_confusion_scores(&s, counts, r->classes);
  efme_json_open(j, name, '{');
  efme_json_u64(j, "samples", s.samples);
  efme_json_double(j, "uf1", s.uf1);
  efme_json_double(j, "uar", s.uar);
  efme_json_double(j, "accuracy", s.accuracy);
  efme_json_double(j, "mean_precision", efme_confusion_mean_precision(counts, r->classes));
  efme_json_double(j, "weighted_f1", s.weighted_f1);
  efme_json_u64(j, "classes_present", s.classes_present);
  efme_json_double(j, "uf1_present", s.uf1_present);
  efme_json_double(j, "uar_present", s.uar_present);
  json_classes(j, r, counts);
  efme_json_open(j, "confusion", '['); /* rows: truth */
  for (uint32_t c = 0; c < r->classes; c++) efme_json_u64s(j, NULL, counts + (size_t)c * r->classes, r->classes);
  efme_json_close(j, ']');
  efme_json_close(j, '}');
}

static void json_foreign(struct efme_json *j, const struct efme_result *r) {
  const struct efme_foreign *f = &r->foreign;
  efme_json_open(j, "foreign", '{');
  efme_json_string(j, "source", f->source);
  efme_json_u64(j, "tested_again", f->repeated);
  efme_json_u64(j, "in_wrong_fold", f->wrong_fold);
  efme_json_u64(j, "by_substring", f->substring);
  efme_json_u64(j, "split_subjects", f->split_subjects);
  efme_json_u64(j, "missing", f->missing);
  efme_json_u64(j, "unknown", f->unknown);
  efme_json_u64(j, "other_truth", f->truth_differs);
  efme_json_u64s(j, "expected_samples", f->expected_counts, r->classes);
  json_scores(j, r, "distinct_clips", f->distinct);
  efme_json_close(j, '}');
}

int efme_result_clean(const efme_result *r) {
  for (size_t i = 0; r && i < r->finding_count; i++)
    if (r->findings[i].flag) return 0;
  return r != NULL;
}

static void json_audit(struct efme_json *j, const struct efme_result *r, const char *name) {
  efme_json_open(j, name, '{');
  if (!name) efme_json_string(j, "format", "efme-audit 1");
  efme_json_bool(j, "clean", efme_result_clean(r));
  efme_json_u64(j, "tested_samples", r->count);
  efme_json_open(j, "findings", '[');
  for (size_t i = 0; i < r->finding_count; i++) {
    efme_json_open(j, NULL, '{');
    efme_json_string(j, "kind", r->findings[i].flag ? "flag" : "note");
    efme_json_string(j, "code", r->findings[i].code);
    efme_json_string(j, "text", r->findings[i].text);
    efme_json_close(j, '}');
  }
  efme_json_close(j, ']');
  if (r->foreign.present) json_foreign(j, r);
  if (*r->audit_json) efme_json_raw(j, NULL, r->audit_json);
  efme_json_close(j, '}');
}

efme_status efme_result_audit(const struct efme_result *r, struct efme_text *out) {
  struct efme_json j;
  efme_json_init(&j, out);
  json_audit(&j, r, NULL);
  return out->failed ? efme_fail(EFME_E_NOMEM, "out of memory: the audit's text") : EFME_OK;
}

efme_status efme_result_metrics(const struct efme_result *r, struct efme_text *out) {
  struct efme_json j;
  efme_json_init(&j, out);
  efme_json_open(&j, NULL, '{');
  efme_json_string(&j, "format", "efme-metrics 1");
  efme_json_string(&j, "library", efme_version_string());
  efme_json_string(&j, "what", r->title);
  efme_json_string(&j, "range", by_construction);
  efme_json_open(&j, "class_names", '[');
  for (uint32_t c = 0; c < r->classes; c++) efme_json_string(&j, NULL, r->class_names[c]);
  efme_json_close(&j, ']');
  json_scores(&j, r, "scores", r->counts);
  efme_json_open(&j, "datasets", '{');
  for (uint32_t d = 0; d < r->dataset_count; d++) json_scores(&j, r, r->datasets[d], efme_result_counts(r, r->datasets[d]));
  efme_json_close(&j, '}');
  json_audit(&j, r, "audit");
  if (*r->run_json) efme_json_raw(&j, NULL, r->run_json);
  efme_json_close(&j, '}');
  return out->failed ? efme_fail(EFME_E_NOMEM, "out of memory: the metrics' text") : EFME_OK;
}

/* ---- for people ---- */

static void text_number(struct efme_text *t, double v) {
  efme_text_add(t, "   ");
  efme_text_fixed(t, v, 4);
}

static void text_scores(struct efme_text *t, const struct efme_result *r, const char *name, int width, const uint64_t *counts) {
  efme_scores s;
  efme_confusion_scores(&s, counts, r->classes);
  efme_text_printf(t, "  %-*s %8llu", width, name, (unsigned long long)s.samples);
  text_number(t, s.uf1);
  text_number(t, s.uar);
  text_number(t, s.accuracy);
  if (s.classes_present < s.classes && s.samples) {
    efme_text_printf(t, "   (over the %u classes that occur: UF1 ", s.classes_present);
    efme_text_fixed(t, s.uf1_present, 4);
    efme_text_add(t, ", UAR ");
    efme_text_fixed(t, s.uar_present, 4);
    efme_text_add(t, ")");
  }
  efme_text_add(t, "\n");
}

static int name_width(const struct efme_result *r) {
  size_t width = 8;
  for (uint32_t d = 0; d < r->dataset_count; d++) width = EFME_MAX(width, strlen(r->datasets[d]));
  for (uint32_t c = 0; c < r->classes; c++) width = EFME_MAX(width, strlen(r->class_names[c]));
  return (int)EFME_MIN(width, 40u);
}

static void text_classes(struct efme_text *t, const struct efme_result *r, int width) {
  efme_text_printf(t, "  %-*s %8s   %-6s   %-6s   %-6s   predicted as\n", width, "class", "samples", "prec.", "recall", "F1");
  for (uint32_t c = 0; c < r->classes; c++) {
    efme_class_scores one;
    efme_confusion_class(&one, r->counts, r->classes, c);
    efme_text_printf(t, "  %-*s %8llu", width, r->class_names[c], (unsigned long long)one.samples);
    text_number(t, one.precision);
    text_number(t, one.recall);
    text_number(t, one.f1);
    efme_text_add(t, "  ");
    for (uint32_t p = 0; p < r->classes; p++) efme_text_printf(t, " %6llu", (unsigned long long)r->counts[(size_t)c * r->classes + p]);
    efme_text_add(t, "\n");
  }
}

static void text_findings(struct efme_text *t, const struct efme_result *r) {
  size_t flags = 0;
  for (size_t i = 0; i < r->finding_count; i++) flags += r->findings[i].flag != 0;
  if (flags) efme_text_printf(t, "audit: %zu flag%s\n", flags, flags == 1 ? "" : "s");
  else efme_text_add(t, "audit: clean\n");
  for (int flag = 1; flag >= 0; flag--)
    for (size_t i = 0; i < r->finding_count; i++)
      if (r->findings[i].flag == flag)
        efme_text_printf(t, "  %s %s: %s\n", flag ? "FLAG" : "note", r->findings[i].code, r->findings[i].text);
}

efme_status efme_result_report(const struct efme_result *r, struct efme_text *out) {
  int width = name_width(r);
  efme_text_printf(out, "%s\n", r->title);
  if (*r->run_text) efme_text_add(out, r->run_text);
  efme_text_printf(out, "  %-*s %8s   %-6s   %-6s   %-6s\n", width, "scores", "samples", "UF1", "UAR", "accuracy");
  text_scores(out, r, "all", width, r->counts);
  for (uint32_t d = 0; r->dataset_count > 1 && d < r->dataset_count; d++)
    text_scores(out, r, r->datasets[d], width, efme_result_counts(r, r->datasets[d]));
  if (r->foreign.present && r->foreign.repeated) text_scores(out, r, "distinct", width, r->foreign.distinct);
  text_classes(out, r, width);
  text_findings(out, r);
  efme_text_printf(out, "  %s\n", by_construction);
  return out->failed ? efme_fail(EFME_E_NOMEM, "out of memory: the report's text") : EFME_OK;
}
