/* CSV after RFC 4180, read piece by piece so that a file of any size needs one record's memory: fields in quotes may hold
 * commas, line ends and doubled quotes; lines end in LF or CRLF; a byte-order mark is skipped; empty lines are not records. */
#include <string.h>
#include <unistd.h>

#include "data/dataset.h"

#define BUFFER_BYTES (256u << 10)

efme_status efme_csv_open(struct efme_csv *csv, const struct efme_allocator *a, const char *path, size_t max_record) {
  memset(csv, 0, sizeof *csv);
  csv->allocator = a, csv->path = path, csv->fd = -1, csv->max_record = max_record, csv->next_line = 1;
  uint64_t size;
  efme_status status = efme_file_open(&csv->fd, &size, path);
  if (status) return status;
  if (!(csv->buffer = efme_mem_alloc(a, BUFFER_BYTES, "CSV"))) {
    efme_csv_close(csv);
    return EFME_E_NOMEM;
  }
  return EFME_OK;
}

void efme_csv_close(struct efme_csv *csv) {
  if (csv->fd >= 0) close(csv->fd);
  csv->fd = -1;
  efme_mem_free(csv->allocator, csv->buffer);
  efme_mem_free(csv->allocator, csv->text);
  efme_mem_free(csv->allocator, csv->fields);
  csv->buffer = NULL, csv->text = NULL, csv->fields = NULL;
}

size_t efme_csv_length(const struct efme_csv *csv, size_t i) {
  size_t end = i + 1 < csv->field_count ? csv->fields[i + 1] : csv->text_size;
  return end - csv->fields[i] - 1;
}

static efme_status fill(struct efme_csv *csv) {
  size_t n = 0;
  efme_status status = efme_file_read_some(csv->fd, csv->buffer, BUFFER_BYTES, &n, csv->path);
  csv->begin = 0, csv->end = n;
  csv->ended = n == 0;
  return status;
}

/* n bytes of the field; NUL included by the caller. */
static efme_status add_bytes(struct efme_csv *csv, const void *p, size_t n) {
  if (csv->text_size + n > csv->max_record)
    return efme_fail(EFME_E_LIMIT, "%s: line %llu: longer than %zu bytes", csv->path, (unsigned long long)csv->line, csv->max_record);
  if (csv->text_size + n > csv->text_capacity || !csv->text) {
    void *text = csv->text;
    efme_status status = efme_mem_grow(csv->allocator, &text, &csv->text_capacity, csv->text_size + n, 1, "CSV record");
    csv->text = text;
    if (status) return status;
  }
  memcpy(csv->text + csv->text_size, p, n);
  csv->text_size += n;
  return EFME_OK;
}

static efme_status begin_field(struct efme_csv *csv) {
  void *fields = csv->fields;
  efme_status status =
      efme_mem_grow(csv->allocator, &fields, &csv->field_capacity, csv->field_count + 1, sizeof *csv->fields, "CSV record");
  csv->fields = fields;
  if (!status) csv->fields[csv->field_count++] = csv->text_size;
  return status;
}

enum state { START, PLAIN, QUOTED, QUOTE_IN_QUOTED, END };

/* Bytes of `from` .. `to` that need no thought in this state. */
static size_t plain_run(const uint8_t *p, size_t n, enum state state) {
  size_t i = 0;
  if (state == QUOTED)
    while (i < n && p[i] != '"' && p[i] != '\n' && p[i]) i++;
  else
    while (i < n && p[i] != ',' && p[i] != '\n' && p[i] != '"' && p[i]) i++;
  return i;
}

static efme_status fail_line(struct efme_csv *csv, const char *what) {
  return efme_fail(EFME_E_FORMAT, "%s: line %llu, field %zu: %s", csv->path, (unsigned long long)csv->line, csv->field_count, what);
}

/* The end of a field; a CR before the line's end belongs to the line end. */
static efme_status end_field(struct efme_csv *csv, int line_end, int was_quoted) {
  size_t from = csv->fields[csv->field_count - 1];
  if (line_end && !was_quoted && csv->text_size > from && csv->text[csv->text_size - 1] == '\r') csv->text_size--;
  return add_bytes(csv, "", 1);
}

static efme_status next_byte(struct efme_csv *csv, uint8_t c, enum state *state) {
  efme_status status = EFME_OK;
  if (c == 0) return fail_line(csv, "a NUL byte");
  if (c == '\n') csv->next_line++;
  switch (*state) {
  case QUOTED:
    if (c == '"') *state = QUOTE_IN_QUOTED;
    else status = add_bytes(csv, &c, 1);
    return status;
  case QUOTE_IN_QUOTED:
    if (c == '"') return *state = QUOTED, add_bytes(csv, &c, 1);
    if (c == '\r') return EFME_OK;
    if (c != ',' && c != '\n') return fail_line(csv, "text behind a closing quote");
    break;
  default:
    if (c == '"') {
      if (*state == PLAIN) return fail_line(csv, "a quote inside a field without quotes");
      return *state = QUOTED, EFME_OK;
    }
    if (c != ',' && c != '\n') return *state = PLAIN, add_bytes(csv, &c, 1);
  }
  status = end_field(csv, c == '\n', *state == QUOTE_IN_QUOTED);
  *state = c == '\n' ? END : START;
  return status || c == '\n' ? status : begin_field(csv);
}

static efme_status read_record(struct efme_csv *csv) {
  enum state state = START;
  csv->text_size = csv->field_count = 0;
  csv->line = csv->next_line;
  efme_status status = begin_field(csv);
  while (!status && state != END) {
    if (csv->begin == csv->end) {
      status = fill(csv);
      if (status) return status;
      if (csv->ended) {
        if (state == QUOTED) return fail_line(csv, "the file ends inside quotes");
        return end_field(csv, 1, state == QUOTE_IN_QUOTED);
      }
    }
    if (state != QUOTE_IN_QUOTED) {
      size_t n = plain_run(csv->buffer + csv->begin, csv->end - csv->begin, state);
      if (n) {
        if (state == START) state = PLAIN;
        status = add_bytes(csv, csv->buffer + csv->begin, n);
        csv->begin += n;
        continue;
      }
    }
    status = next_byte(csv, csv->buffer[csv->begin++], &state);
  }
  return status;
}

efme_status efme_csv_next(struct efme_csv *csv, int *more) {
  for (;;) {
    if (csv->begin == csv->end && !csv->ended) {
      efme_status status = fill(csv);
      if (status) return status;
      if (csv->next_line == 1 && csv->end >= 3 && !memcmp(csv->buffer, "\xEF\xBB\xBF", 3)) csv->begin = 3;
    }
    if (csv->ended && csv->begin == csv->end) return *more = 0, EFME_OK;
    efme_status status = read_record(csv);
    if (status) return status;
    if (csv->field_count == 1 && csv->text_size == 1) continue; /* an empty line */
    *more = 1;
    return EFME_OK;
  }
}
