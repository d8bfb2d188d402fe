/* The official log of MEGC 2019, read and written.
 *
 *   casme2 sub01        dataset and subject of the fold
 *   EP02_01f 1 1        clip, truth, prediction; one for each tested clip
 *
 * What stands in a file is kept as it is spelt, so that it goes out again byte for byte (line ends, blank lines left out of
 * that promise); canonical keys are made beside. A name with a space, a control character or a percent sign is written
 * with %XX in its place, an empty subject as "-". */
#include <string.h>

#include "eval/key.h"
#include "eval/result.h"

/* ---- writing ---- */

static void write_name(struct efme_text *t, const char *name) {
  if (!*name) efme_text_add(t, "-");
  for (const unsigned char *s = (const unsigned char *)name; *s; s++)
    if (*s <= ' ' || *s == '%' || *s == 0x7f) efme_text_printf(t, "%%%02X", *s);
    else efme_text_add_n(t, (const char *)s, 1);
}

/* "casme2 sub01" of the canonical key. */
static void write_header(struct efme_text *t, const struct efme_outcome *row) {
  size_t n = strlen(row->dataset);
  const char *subject = row->subject;
  if (!strncmp(subject, row->dataset, n) && subject[n] == '/') subject += n + 1;
  write_name(t, row->dataset);
  efme_text_add(t, " ");
  write_name(t, subject);
}

static int same_header(const struct efme_outcome *a, const struct efme_outcome *b) {
  if (a->header || b->header) return a->header == b->header; /* one copy for each line of the file */
  return !strcmp(a->dataset, b->dataset) && !strcmp(a->subject, b->subject) && !strcmp(a->fold, b->fold);
}

efme_status efme_result_log(const struct efme_result *r, struct efme_text *out) {
  const char *end = r->foreign.crlf ? "\r\n" : "\n";
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_outcome *row = &r->rows[i];
    if (i == 0 || !same_header(row, row - 1)) {
      if (row->header) efme_text_add(out, row->header);
      else write_header(out, row);
      efme_text_add(out, end);
    }
    write_name(out, row->clip);
    efme_text_printf(out, " %d %d", (int)row->truth, (int)row->predicted);
    if (i + 1 < r->count || !r->foreign.present || r->foreign.final_newline) efme_text_add(out, end);
  }
  return out->failed ? efme_fail(EFME_E_NOMEM, "out of memory: the log's text") : EFME_OK;
}

/* ---- reading ---- */

struct field {
  char *at;
  size_t n;
};

/* Fields of a line, at most max of them kept; returns how many there are. */
static size_t split(struct field *fields, size_t max, char *line, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n;) {
    while (i < n && (line[i] == ' ' || line[i] == '\t')) i++;
    size_t start = i;
    while (i < n && line[i] != ' ' && line[i] != '\t') i++;
    if (i == start) break;
    if (count < max) fields[count] = (struct field){line + start, i - start};
    count++;
  }
  return count;
}

static int hex_value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* Undoes write_name in place and ends the field. The byte behind it is a space or the line's end. */
static char *unescape(struct field f) {
  size_t to = 0;
  for (size_t i = 0; i < f.n; i++) {
    int high = f.at[i] == '%' && i + 2 < f.n ? hex_value(f.at[i + 1]) : -1, low = high >= 0 ? hex_value(f.at[i + 2]) : -1;
    int byte = low >= 0 ? high * 16 + low : 0;
    if (byte && (byte <= ' ' || byte == '%' || byte == 0x7f)) f.at[to++] = (char)byte, i += 2;
    else f.at[to++] = f.at[i];
  }
  f.at[to] = '\0';
  return f.at;
}

struct reader {
  struct efme_result *result;
  const char *path;
  uint64_t line;
  const char *header, *dataset, *fold; /* of the fold that the lines below belong to; without subjects the fold is the dataset */
};

static efme_status read_header(struct reader *in, struct field *fields, const char *line, size_t n) {
  struct efme_strings *pool = &in->result->pool;
  in->fold = NULL;
  in->header = efme_strings_add(pool, line, n);
  in->dataset = in->header ? efme_key_dataset(pool, unescape(fields[0])) : NULL;
  char *subject = unescape(fields[1]);
  if (in->dataset) in->fold = strcmp(subject, "-") ? efme_key_subject(pool, in->dataset, subject) : in->dataset;
  return in->fold ? EFME_OK : EFME_E_NOMEM;
}

static efme_status read_label(const struct reader *in, int32_t *out, struct field f, const char *what) {
  uint64_t v;
  if (!efme_parse_u64(f.at, f.n, &v) || v >= in->result->classes)
    return efme_fail(EFME_E_FORMAT, "%s line %llu: %s `%.*s` is not a class 0..%u", in->path, (unsigned long long)in->line, what,
                     (int)EFME_MIN(f.n, 40u), f.at, in->result->classes - 1);
  *out = (int32_t)v;
  return EFME_OK;
}

static efme_status read_clip(struct reader *in, struct field *fields) {
  struct efme_strings *pool = &in->result->pool;
  struct efme_outcome row = {0};
  if (!in->header)
    return efme_fail(EFME_E_FORMAT, "%s line %llu: a clip before the first `dataset subject` line", in->path, (unsigned long long)in->line);
  efme_status status = read_label(in, &row.truth, fields[1], "truth");
  if (status == EFME_OK) status = read_label(in, &row.predicted, fields[2], "prediction");
  if (status) return status;
  row.header = in->header;
  row.dataset = in->dataset;
  row.fold = in->fold;
  row.fold_is_subject = in->fold != in->dataset;
  row.clip = efme_key_copy(pool, unescape(fields[0]));
  const char *clip = row.clip ? efme_key_clip(pool, row.dataset, row.clip) : NULL;
  if (!clip || efme_key_subject_of_clip(pool, &row.subject, row.dataset, clip)) return EFME_E_NOMEM;
  if (!row.subject) row.subject = row.fold == row.dataset ? "" : row.fold;
  row.key = efme_key_join(pool, *row.subject ? row.subject : row.dataset, clip);
  return row.key ? efme_result_add(in->result, &row) : EFME_E_NOMEM;
}

static efme_status read_line(struct reader *in, char *line, size_t n) {
  struct field fields[3];
  size_t count = split(fields, EFME_COUNT(fields), line, n);
  if (count == 0) return EFME_OK;
  if (count == 2) return read_header(in, fields, line, n);
  if (count == 3) return read_clip(in, fields);
  return efme_fail(EFME_E_FORMAT, "%s line %llu: %zu fields; `dataset subject` has two, `clip truth prediction` three", in->path,
                   (unsigned long long)in->line, count);
}

static efme_status read_lines(struct efme_result *r, const char *path, char *data, size_t size) {
  struct reader in = {r, path, 0, NULL, NULL, NULL};
  r->foreign.present = 1;
  r->foreign.final_newline = size > 0 && data[size - 1] == '\n';
  if (memchr(data, '\0', size)) return efme_fail(EFME_E_FORMAT, "%s: not a text file", path);
  for (size_t at = 0; at < size;) {
    char *line = data + at, *newline = memchr(line, '\n', size - at);
    size_t n = newline ? (size_t)(newline - line) : size - at;
    at += n + 1;
    in.line++;
    if (n && line[n - 1] == '\r') {
      n--;
      r->foreign.crlf = 1;
    }
    efme_status status = read_line(&in, line, n);
    if (status) return status;
  }
  if (!r->count) return efme_fail(EFME_E_FORMAT, "%s: no tested clip in it", path);
  return EFME_OK;
}

#define EFME_LOG_LIMIT (256ull << 20) /* bytes: some million lines */

efme_status efme_log_read(struct efme_result *r, const char *path) {
  uint8_t *data = NULL;
  size_t size = 0;
  efme_status status = efme_file_read(&data, &size, r->allocator, path, EFME_LOG_LIMIT);
  if (status) return status;
  status = read_lines(r, path, (char *)data, size);
  efme_mem_free(r->allocator, data);
  return status;
}
