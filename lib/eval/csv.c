/* predictions.csv, written, and such tables of others, read.
 *
 * Written: dataset, subject, clip, fold, truth, predicted (numbers), truth_name, predicted_name and, where there are any,
 * one probability a class as p:NAME with 9 digits, which read back to the same float. Read: columns by name, in any order;
 * fields quoted where needed, LF or CRLF; a label is a class name or its number. */
#include <string.h>

#include "data/dataset.h"
#include "eval/key.h"
#include "eval/result.h"

/* ---- writing ---- */

static void write_head(const struct efme_result *r, struct efme_text *t) {
  efme_text_add(t, "dataset,subject,clip,fold,truth,predicted,truth_name,predicted_name");
  for (uint32_t c = 0; r->probabilities && c < r->classes; c++) {
    char name[512];
    snprintf(name, sizeof name, "p:%s", r->class_names[c]);
    efme_text_add(t, ",");
    efme_text_csv(t, name);
  }
  efme_text_add(t, "\n");
}

efme_status efme_result_csv(const struct efme_result *r, struct efme_text *out) {
  write_head(r, out);
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_outcome *row = &r->rows[i];
    const char *texts[] = {row->dataset, row->subject, row->clip, row->fold};
    for (size_t k = 0; k < EFME_COUNT(texts); k++) {
      efme_text_csv(out, texts[k]);
      efme_text_add(out, ",");
    }
    efme_text_printf(out, "%d,%d,", (int)row->truth, (int)row->predicted);
    efme_text_csv(out, r->class_names[row->truth]);
    efme_text_add(out, ",");
    efme_text_csv(out, r->class_names[row->predicted]);
    for (uint32_t c = 0; r->probabilities && c < r->classes; c++) {
      efme_text_add(out, ",");
      efme_text_double(out, (double)r->probabilities[i * r->classes + c], 9);
    }
    efme_text_add(out, "\n");
  }
  return out->failed ? efme_fail(EFME_E_NOMEM, "out of memory: the table's text") : EFME_OK;
}

/* ---- reading ---- */

enum column { DATASET, SUBJECT, CLIP, TRUTH, PREDICTED, FOLD, COLUMNS };
static const char *const column_names[COLUMNS] = {"dataset", "subject", "clip", "truth", "predicted", "fold"};

#define EFME_TABLE_RECORD (1u << 20) /* bytes of one row */

struct table {
  struct efme_result *result;
  struct efme_csv csv;
  size_t width;          /* fields of the header */
  size_t place[COLUMNS]; /* a column's number in the file, SIZE_MAX where it is not there */
};

static efme_status read_head(struct table *t) {
  const struct efme_csv *csv = &t->csv;
  for (int c = 0; c < COLUMNS; c++) t->place[c] = SIZE_MAX;
  t->width = csv->field_count;
  for (size_t i = 0; i < t->width; i++)
    for (int c = 0; c < COLUMNS; c++) {
      if (strcmp(efme_csv_field(csv, i), column_names[c])) continue;
      if (t->place[c] != SIZE_MAX) return efme_fail(EFME_E_FORMAT, "%s: column %s stands twice in the header", csv->path, column_names[c]);
      t->place[c] = i;
    }
  for (int c = 0; c < FOLD; c++)
    if (t->place[c] == SIZE_MAX)
      return efme_fail(EFME_E_FORMAT, "%s: no column %s in the header; needed are dataset, subject, clip, truth, predicted", csv->path,
                       column_names[c]);
  return EFME_OK;
}

static const char *field(const struct table *t, enum column column) {
  return t->place[column] == SIZE_MAX ? NULL : efme_csv_field(&t->csv, t->place[column]);
}

static efme_status read_label(const struct table *t, int32_t *out, enum column column) {
  const struct efme_result *r = t->result;
  const char *text = field(t, column);
  uint64_t v;
  for (uint32_t c = 0; c < r->classes; c++)
    if (!strcmp(text, r->class_names[c])) {
      *out = (int32_t)c;
      return EFME_OK;
    }
  if (!efme_parse_u64(text, strlen(text), &v) || v >= r->classes)
    return efme_fail(EFME_E_FORMAT, "%s line %llu: %s `%.40s` is neither a class name nor 0..%u", t->csv.path,
                     (unsigned long long)t->csv.line, column_names[column], text, r->classes - 1);
  *out = (int32_t)v;
  return EFME_OK;
}

static efme_status add_record(struct table *t) {
  struct efme_strings *pool = &t->result->pool;
  struct efme_outcome row = {0};
  if (t->csv.field_count != t->width)
    return efme_fail(EFME_E_FORMAT, "%s line %llu: %zu fields, the header has %zu", t->csv.path, (unsigned long long)t->csv.line,
                     t->csv.field_count, t->width);
  efme_status status = read_label(t, &row.truth, TRUTH);
  if (status == EFME_OK) status = read_label(t, &row.predicted, PREDICTED);
  if (status) return status;
  row.dataset = efme_key_dataset(pool, field(t, DATASET));
  if (!row.dataset) return EFME_E_NOMEM;
  row.subject = *field(t, SUBJECT) ? efme_key_subject(pool, row.dataset, field(t, SUBJECT)) : "";
  row.clip = efme_key_copy(pool, field(t, CLIP));
  row.fold = field(t, FOLD) ? efme_key_copy(pool, field(t, FOLD)) : row.subject;
  row.fold_is_subject = !field(t, FOLD) && row.subject && *row.subject;
  const char *clip = row.clip ? efme_key_clip(pool, row.dataset, row.clip) : NULL, *told;
  if (!row.subject || !row.fold || !clip || efme_key_subject_of_clip(pool, &told, row.dataset, clip)) return EFME_E_NOMEM;
  /* Where the scripts' search wrote the table, its subject is the fold's: s1 for a clip of s11. */
  if (told && efme_key_substring(row.subject, told)) row.subject = told;
  row.key = efme_key_join(pool, *row.subject ? row.subject : row.dataset, clip);
  return row.key ? efme_result_add(t->result, &row) : EFME_E_NOMEM;
}

static efme_status read_rows(struct table *t) {
  int more = 0;
  efme_status status = efme_csv_next(&t->csv, &more);
  if (status == EFME_OK && !more) status = efme_fail(EFME_E_FORMAT, "%s: empty", t->csv.path);
  if (status == EFME_OK) status = read_head(t);
  while (status == EFME_OK && more) {
    status = efme_csv_next(&t->csv, &more);
    if (status == EFME_OK && more) status = add_record(t);
  }
  if (status == EFME_OK && !t->result->count) status = efme_fail(EFME_E_FORMAT, "%s: no row below the header", t->csv.path);
  return status;
}

efme_status efme_csv_read(struct efme_result *r, const char *path) {
  struct table t = {.result = r};
  r->foreign.present = r->foreign.final_newline = 1;
  efme_status status = efme_csv_open(&t.csv, r->allocator, path, EFME_TABLE_RECORD);
  if (status) return status;
  status = read_rows(&t);
  efme_csv_close(&t.csv);
  return status;
}
