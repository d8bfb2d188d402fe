/* predictions.csv, written, and such tables of others, read.
 *
 * Written: dataset, subject, clip, fold, truth, predicted (numbers), truth_name, predicted_name and, where there are any,
 * one probability a class as p:NAME with 9 digits, which read back to the same float. Read: columns by name, in any order;
 * fields quoted where needed, LF or CRLF; a label is a class name or its number. */
#include <string.h>

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
    const struct efme_row *row = &r->rows[i];
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

struct table {
  struct efme_result *result;
  const char *path;
  char *at, *end;
  uint64_t line;              /* of the present record's first byte */
  uint64_t next_line;
  char *fields[COLUMNS];      /* of the present record, NUL-terminated */
  int32_t place[COLUMNS];     /* column's number in the file, -1: not there */
  uint32_t width;             /* fields of the header */
};

/* One field of the record, unquoted in place; *last tells that the record ends behind it. */
static efme_status next_field(struct table *t, char **out, int *last) {
  char *from = t->at, *to = t->at;
  *out = to;
  if (from < t->end && *from == '"') {
    for (from++;; from++) {
      if (from >= t->end) return efme_fail(EFME_E_FORMAT, "%s line %llu: a quoted field does not end", t->path, (unsigned long long)t->line);
      if (*from == '"' && (from + 1 >= t->end || from[1] != '"')) break;
      from += *from == '"';
      t->next_line += *from == '\n';
      *to++ = *from;
    }
    from++;
  } else {
    while (from < t->end && *from != ',' && *from != '\n' && *from != '\r') *to++ = *from++;
  }
  char *tail = to;
  if (from < t->end && *from == '\r') from++;
  *last = from >= t->end || *from == '\n';
  if (!*last && *from != ',')
    return efme_fail(EFME_E_FORMAT, "%s line %llu: text behind a quoted field, or a lone carriage return", t->path, (unsigned long long)t->line);
  t->next_line += from < t->end && *from == '\n';
  t->at = from < t->end ? from + 1 : from;
  *tail = '\0'; /* the separator's place, or the NUL behind the file */
  return EFME_OK;
}

static efme_status read_head(struct table *t) {
  for (int c = 0; c < COLUMNS; c++) t->place[c] = -1;
  t->line = t->next_line;
  if (t->end - t->at >= 3 && !memcmp(t->at, "\xef\xbb\xbf", 3)) t->at += 3;
  for (int last = 0; !last; t->width++) {
    char *name;
    efme_status status = next_field(t, &name, &last);
    if (status) return status;
    for (int c = 0; c < COLUMNS; c++)
      if (!strcmp(name, column_names[c])) {
        if (t->place[c] >= 0) return efme_fail(EFME_E_FORMAT, "%s: column %s stands twice in the header", t->path, name);
        t->place[c] = (int32_t)t->width;
      }
  }
  for (int c = 0; c < FOLD; c++)
    if (t->place[c] < 0)
      return efme_fail(EFME_E_FORMAT, "%s: no column %s in the header; needed are dataset, subject, clip, truth, predicted", t->path, column_names[c]);
  return EFME_OK;
}

/* *any 0: an empty line. */
static efme_status read_record(struct table *t, int *any) {
  uint32_t count = 0;
  int last = 0, empty = 0;
  t->line = t->next_line;
  t->fields[FOLD] = NULL;
  for (; !last; count++) {
    char *field;
    efme_status status = next_field(t, &field, &last);
    if (status) return status;
    empty = count == 0 && !*field;
    for (int c = 0; c < COLUMNS; c++)
      if (t->place[c] == (int32_t)count) t->fields[c] = field;
  }
  *any = !(count == 1 && empty);
  if (*any && count != t->width)
    return efme_fail(EFME_E_FORMAT, "%s line %llu: %u fields, the header has %u", t->path, (unsigned long long)t->line, count, t->width);
  return EFME_OK;
}

static efme_status read_label(const struct table *t, int32_t *out, enum column column) {
  const struct efme_result *r = t->result;
  const char *text = t->fields[column];
  for (uint32_t c = 0; c < r->classes; c++)
    if (!strcmp(text, r->class_names[c])) {
      *out = (int32_t)c;
      return EFME_OK;
    }
  uint64_t v;
  if (efme_parse_u64(text, strlen(text), &v) && v < r->classes) {
    *out = (int32_t)v;
    return EFME_OK;
  }
  return efme_fail(EFME_E_FORMAT, "%s line %llu: %s `%.40s` is neither a class name nor 0..%u", t->path, (unsigned long long)t->line, column_names[column],
                   text, r->classes - 1);
}

static efme_status add_record(struct table *t) {
  struct efme_pool *pool = &t->result->pool;
  struct efme_row row = {0};
  efme_status status = read_label(t, &row.truth, TRUTH);
  if (status == EFME_OK) status = read_label(t, &row.predicted, PREDICTED);
  if (status) return status;
  row.dataset = efme_key_dataset(pool, t->fields[DATASET]);
  if (!row.dataset) return EFME_E_NOMEM;
  row.subject = *t->fields[SUBJECT] ? efme_key_subject(pool, row.dataset, t->fields[SUBJECT]) : "";
  row.clip = efme_pool_add(pool, t->fields[CLIP]);
  const char *clip = row.clip ? efme_key_clip(pool, row.dataset, row.clip) : NULL;
  if (!row.subject || !clip) return EFME_E_NOMEM;
  row.key = efme_pool_join(pool, *row.subject ? row.subject : row.dataset, clip);
  const char *fold = t->fields[FOLD];
  if (!fold) row.fold = row.subject;
  else row.fold = strchr(fold, '/') ? efme_key_subject(pool, row.dataset, fold) : efme_pool_add(pool, fold);
  return row.key && row.fold ? efme_result_add(t->result, &row) : EFME_E_NOMEM;
}

efme_status efme_csv_read(struct efme_result *r, const char *path, char *data, size_t size) {
  struct table t = {.result = r, .path = path, .at = data, .end = data + size, .next_line = 1};
  r->foreign.present = r->foreign.final_newline = 1;
  if (memchr(data, '\0', size)) return efme_fail(EFME_E_FORMAT, "%s: not a text file", path);
  efme_status status = read_head(&t);
  while (status == EFME_OK && t.at < t.end) {
    int any;
    status = read_record(&t, &any);
    if (status == EFME_OK && any) status = add_record(&t);
  }
  if (status == EFME_OK && !r->count) status = efme_fail(EFME_E_FORMAT, "%s: no row below the header", path);
  return status;
}
