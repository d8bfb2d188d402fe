/* A manifest: a CSV with a header that names an image, its label, subject and dataset a row. Subjects of the known
 * micro-expression sets are brought into the organisers' spelling, so that "s1", "1" and "s01" are one subject. */
#include <string.h>

#include "data/dataset.h"
#include "data/keys.h"

#define MAX_RECORD (1u << 20)
#define MAX_COLUMNS 256u

enum known { PATH, LABEL, SUBJECT, DATASET, CLIP, SPLIT, ONSET, APEX, OFFSET, KNOWN };
static const char *const known_names[KNOWN] = {"path", "label", "subject", "dataset", "clip", "split", "onset", "apex", "offset"};

struct manifest {
  struct efme_csv csv;
  struct efme_store *store;
  size_t column[KNOWN]; /* field index; `count` where absent */
  size_t further[MAX_COLUMNS];
  size_t count;
  char *folder; /* relative paths start here */
};

static const char *field(const struct manifest *m, enum known k) {
  return m->column[k] < m->count ? efme_csv_field(&m->csv, m->column[k]) : "";
}

static efme_status read_header(struct manifest *m) {
  const struct efme_csv *csv = &m->csv;
  struct efme_store *s = m->store;
  m->count = csv->field_count;
  if (m->count > MAX_COLUMNS)
    return efme_fail(EFME_E_LIMIT, "%s: line 1: %zu columns, at most %u are possible", csv->path, m->count, MAX_COLUMNS);
  for (size_t k = 0; k < KNOWN; k++) m->column[k] = m->count;
  s->columns = efme_mem_array(s->allocator, m->count, sizeof *s->columns, "manifest columns");
  if (!s->columns) return EFME_E_NOMEM;
  for (size_t i = 0; i < m->count; i++) {
    const char *name = efme_csv_field(csv, i);
    for (size_t j = 0; j < i; j++)
      if (!strcmp(name, efme_csv_field(csv, j))) return efme_fail(EFME_E_FORMAT, "%s: line 1: column \"%s\" stands twice", csv->path, name);
    size_t k = 0;
    while (k < KNOWN && strcmp(name, known_names[k])) k++;
    if (k < KNOWN) {
      m->column[k] = i;
      continue;
    }
    m->further[s->column_count] = i;
    const char *kept = efme_strings_intern(&s->strings, name, strlen(name));
    if (!kept) return EFME_E_NOMEM;
    s->columns[s->column_count++] = kept;
  }
  for (size_t k = PATH; k <= DATASET; k++)
    if (m->column[k] == m->count) return efme_fail(EFME_E_FORMAT, "%s: line 1: no column \"%s\"", csv->path, known_names[k]);
  return EFME_OK;
}

static efme_status frame_number(const struct manifest *m, enum known k, int32_t *out) {
  const char *text = field(m, k);
  int64_t v;
  if (!text[0]) return *out = -1, EFME_OK;
  if (!efme_parse_i64(text, strlen(text), &v) || v < 0 || v > INT32_MAX)
    return efme_fail(EFME_E_FORMAT, "field %s: \"%.64s\" is not a frame number", known_names[k], text);
  return *out = (int32_t)v, EFME_OK;
}

/* Values of the further columns of the row that was just added. */
static efme_status keep_values(struct manifest *m) {
  struct efme_store *s = m->store;
  if (!s->column_count) return EFME_OK;
  void *values = (void *)s->values;
  efme_status status =
      efme_mem_grow(s->allocator, &values, &s->value_capacity, s->count * s->column_count, sizeof *s->values, "manifest values");
  s->values = values;
  for (size_t c = 0; c < s->column_count && !status; c++) {
    const char *text = efme_csv_field(&m->csv, m->further[c]);
    const char *kept = efme_strings_intern(&s->strings, text, strlen(text));
    s->values[(s->count - 1) * s->column_count + c] = kept ? kept : "";
    if (!kept) status = EFME_E_NOMEM;
  }
  return status;
}

static efme_status add_row(struct manifest *m, uint64_t row) {
  const struct efme_allocator *a = m->store->allocator;
  if (m->csv.field_count != m->count) return efme_fail(EFME_E_FORMAT, "%zu fields, the header has %zu", m->csv.field_count, m->count);
  static const enum known needed[] = {PATH, LABEL, DATASET};
  for (size_t i = 0; i < EFME_COUNT(needed); i++)
    if (!field(m, needed[i])[0]) return efme_fail(EFME_E_FORMAT, "field %s is empty", known_names[needed[i]]);
  struct efme_row r = EFME_ROW_INIT;
  efme_status status = frame_number(m, ONSET, &r.onset);
  if (!status) status = frame_number(m, APEX, &r.apex);
  if (!status) status = frame_number(m, OFFSET, &r.offset);
  if (status) return status;
  char subject[32];
  if (strlen(field(m, SUBJECT)) > 255) return efme_fail(EFME_E_FORMAT, "field subject is longer than 255 bytes");
  r.dataset = efme_key_set(field(m, DATASET));
  r.subject = efme_key_bare_subject(subject, r.dataset, field(m, SUBJECT));
  r.clip = field(m, CLIP)[0] ? field(m, CLIP) : field(m, PATH);
  r.split = field(m, SPLIT), r.native = field(m, LABEL), r.row = row;
  const char *path = field(m, PATH);
  char *joined = path[0] == '/' || !m->folder[0] ? efme_mem_strdup(a, path) : efme_path_join(a, m->folder, path);
  if (!joined) return EFME_E_NOMEM;
  r.path = joined;
  status = efme_store_add_file(m->store, &r);
  efme_mem_free(a, joined);
  return status ? status : keep_values(m);
}

static efme_status read_rows(struct manifest *m, struct efme_reading *reading) {
  int more;
  efme_status status = efme_csv_next(&m->csv, &more);
  if (status) return status;
  if (!more) return efme_fail(EFME_E_FORMAT, "%s: the file is empty", m->csv.path);
  status = read_header(m);
  for (uint64_t row = 1; !status; row++) {
    status = efme_csv_next(&m->csv, &more);
    if (status || !more) break;
    status = add_row(m, row);
    if (status)
      status = efme_reading_skip(reading, efme_fail_prefix(status, "%s: line %llu (row %llu)", m->csv.path, (unsigned long long)m->csv.line,
                                                           (unsigned long long)row));
    if (!status) status = efme_reading_step(reading, row);
  }
  return status ? status : efme_reading_end(reading);
}

efme_status efme_dataset_open_manifest(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options) {
  if (!out || !context || !path) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "path");
  struct efme_reading reading = {.context = context, .what = "rows"};
  efme_image_options image;
  efme_status status = efme_reader_options(&reading.options, &image, options);
  if (status) return status;
  const struct efme_allocator *a = efme_context_allocator(context);
  struct manifest *m = efme_mem_calloc(a, 1, sizeof *m, "manifest");
  if (!m) return EFME_E_NOMEM;
  m->csv.fd = -1;
  status = efme_store_create(&m->store, context, &reading.options);
  if (!status) {
    const char *slash = strrchr(path, '/');
    size_t n = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    m->folder = efme_mem_strndup(a, path, n);
    m->store->source = &efme_file_source;
    m->store->root = efme_strings_add(&m->store->strings, path, n);
    status = m->folder && m->store->root ? efme_csv_open(&m->csv, a, path, MAX_RECORD) : EFME_E_NOMEM;
  }
  if (!status) {
    status = read_rows(m, &reading);
    efme_csv_close(&m->csv);
  }
  if (!status) status = efme_store_finish(m->store, path);
  if (!status) status = efme_dataset_from_store(out, m->store, NULL, 0);
  else efme_store_release(m->store);
  efme_mem_free(a, m->folder);
  efme_mem_free(a, m);
  return status;
}
