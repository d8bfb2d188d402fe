/* The rows of a sheet. Cells may be missing, rows too; what there is must stand in order, as Excel writes it. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

enum kind { NUMBER, SHARED, INLINE, TEXT, TRUTH };

struct cell {
  size_t offset; /* into text, or of a shared string */
  int shared;
};

struct sheet {
  xlsx_row_fn fn;
  void *user;
  char *text; /* of the row's cells, a NUL behind each */
  size_t text_size, text_capacity;
  struct cell *cells; /* of the row, up to the last that is there */
  size_t cell_count, cell_capacity;
  const char **row; /* what the function gets */
  size_t row_capacity, widest;
  uint32_t number, column; /* of the row and the cell at hand, from 1 */
  uint64_t given;          /* bytes and cells handed out */
  size_t begin;            /* of the cell's text */
  enum kind kind;
  int in_data, in_row, in_cell, in_value, in_phonetic;
};

static void put_reference(char out[16], uint32_t row, uint32_t column) {
  char letters[8];
  int n = 0, at = 0;
  for (; column && n < 7; column = (column - 1) / 26) letters[n++] = (char)('A' + (column - 1) % 26);
  while (n) out[at++] = letters[--n];
  uint32_t digits = 1;
  while (row / digits >= 10) digits *= 10;
  for (; digits && at < 15; digits /= 10) out[at++] = (char)('0' + row / digits % 10);
  out[at] = '\0';
}

static void fail_cell(struct xlsx_part *p, enum xlsx_status status, const char *what) {
  struct sheet *s = p->user;
  char reference[16];
  put_reference(reference, s->number, s->column);
  xlsx_stop(p, xlsx_fail(p->book, status, p->name, "cell %s: %s", reference, what));
}

static void stop_memory(struct xlsx_part *p) { xlsx_stop(p, xlsx_no_memory(p->book)); }

/* "AB12" to 28 and 12; 0: it is something else. */
static int parse_reference(const char *text, uint32_t *column, uint32_t *row) {
  uint64_t c = 0, r = 0;
  for (; *text >= 'A' && *text <= 'Z' && c < 1000000; text++) c = c * 26 + (uint64_t)(*text - 'A' + 1);
  for (; *text >= '0' && *text <= '9' && r < 100000000; text++) r = r * 10 + (uint64_t)(*text - '0');
  *column = (uint32_t)c, *row = (uint32_t)r;
  return c && r && !*text;
}

static int parse_number(const char *text, uint32_t *out) {
  uint64_t v = 0;
  const char *p = text;
  for (; *p >= '0' && *p <= '9' && v < 100000000; p++) v = v * 10 + (uint64_t)(*p - '0');
  *out = (uint32_t)v;
  return p > text && !*p;
}

/* ---- handing out ---- */

static const char *cell_text(const struct xlsx *b, const struct sheet *s, size_t i) {
  if (s->cells[i].offset == SIZE_MAX) return "";
  return s->cells[i].shared ? b->text + b->strings[s->cells[i].offset] : s->text + s->cells[i].offset;
}

static void give(struct xlsx_part *p, uint32_t number, size_t count) {
  struct sheet *s = p->user;
  if (count > s->widest) s->widest = count;
  void *items = (void *)s->row;
  int grown = xlsx_grow(&items, &s->row_capacity, s->widest + 1, sizeof *s->row);
  s->row = items;
  if (!grown) {
    stop_memory(p);
    return;
  }
  for (size_t i = 0; i < s->widest; i++) {
    s->row[i] = i < count ? cell_text(p->book, s, i) : "";
    s->given += 1 + strlen(s->row[i]);
  }
  s->given++;
  if (s->given > p->book->limits.text) {
    s->column = 1;
    fail_cell(p, XLSX_LIMIT, "the sheet's text is too long: strings that are named again and again?");
  } else if (s->fn(number, s->row, s->widest, s->user))
    xlsx_stop(p, xlsx_fail(p->book, XLSX_STOPPED, p->name, "stopped at row %u", number));
}

/* ---- elements ---- */

static void start_row(struct xlsx_part *p, const char **attributes) {
  struct sheet *s = p->user;
  const char *r = xlsx_attribute(attributes, "r");
  uint32_t number = s->number + 1;
  if (s->in_row || (r && !parse_number(r, &number))) {
    xlsx_stop(p, xlsx_fail(p->book, XLSX_FORMAT, p->name, "row \"%.32s\" behind row %u: not a row's number", r ? r : "", s->number));
    return;
  }
  if (number > p->book->limits.rows) {
    xlsx_stop(p, xlsx_fail(p->book, XLSX_LIMIT, p->name, "row %u: at most %u are read", number, p->book->limits.rows));
    return;
  }
  if (number <= s->number) {
    xlsx_stop(p, xlsx_fail(p->book, XLSX_FORMAT, p->name, "row %u stands behind row %u", number, s->number));
    return;
  }
  while (s->number + 1 < number && !p->status) give(p, ++s->number, 0);
  s->number = number, s->column = 0, s->cell_count = 0, s->text_size = 0, s->in_row = 1;
}

/* Where the cell stands; 0: refused. */
static int place_cell(struct xlsx_part *p, const char *reference) {
  struct sheet *s = p->user;
  uint32_t column = s->column + 1, row = s->number, before = s->column;
  if (reference && !parse_reference(reference, &column, &row)) {
    s->column = before + 1;
    return fail_cell(p, XLSX_FORMAT, "its reference is not like A1"), 0;
  }
  s->column = column;
  if (row != s->number) return fail_cell(p, XLSX_FORMAT, "its reference names another row"), 0;
  if (column > p->book->limits.columns) return fail_cell(p, XLSX_LIMIT, "too many columns"), 0;
  if (column <= before) return fail_cell(p, XLSX_FORMAT, "stands behind a cell to its right, or twice"), 0;
  return 1;
}

static void start_cell(struct xlsx_part *p, const char **attributes) {
  struct sheet *s = p->user;
  const char *type = xlsx_attribute(attributes, "t");
  if (!s->in_row || s->in_cell || !place_cell(p, xlsx_attribute(attributes, "r"))) return;
  void *items = s->cells;
  int grown = xlsx_grow(&items, &s->cell_capacity, s->column, sizeof *s->cells);
  s->cells = items;
  if (!grown) {
    stop_memory(p);
    return;
  }
  while (s->cell_count < s->column) s->cells[s->cell_count++] = (struct cell){SIZE_MAX, 0};
  s->kind = !type || !strcmp(type, "n")  ? NUMBER
            : !strcmp(type, "s")         ? SHARED
            : !strcmp(type, "inlineStr") ? INLINE
            : !strcmp(type, "b")         ? TRUTH
                                         : TEXT; /* str: of a formula; e: an error; d: a date */
  s->begin = s->text_size, s->in_cell = 1;
}

static void add_text(struct xlsx_part *p, const char *text, size_t n) {
  struct sheet *s = p->user;
  if (!s->in_value || s->in_phonetic) return;
  if (s->text_size - s->begin + n > p->book->limits.cell) {
    fail_cell(p, XLSX_LIMIT, "too long");
    return;
  }
  void *items = s->text;
  int grown = xlsx_grow(&items, &s->text_capacity, s->text_size + n + 1, 1);
  s->text = items;
  if (!grown) {
    stop_memory(p);
    return;
  }
  memcpy(s->text + s->text_size, text, n);
  s->text_size += n;
}

/* "46.0" is 46. */
static size_t without_point_zero(const char *text, size_t n) {
  size_t k = 0;
  while (k < n && ((text[k] >= '0' && text[k] <= '9') || (k == 0 && text[k] == '-'))) k++;
  if (k == n || k == 0 || text[k] != '.') return n;
  for (size_t i = k + 1; i < n; i++)
    if (text[i] != '0') return n;
  return k;
}

static void end_cell(struct xlsx_part *p) {
  struct sheet *s = p->user;
  struct cell *c = &s->cells[s->cell_count - 1];
  uint32_t index;
  s->in_cell = 0;
  if (s->text_size == s->begin) return;
  if (s->kind == TRUTH) {
    int yes = s->text[s->begin] == '1';
    s->text_size = s->begin, s->in_value = 1;
    add_text(p, yes ? "TRUE" : "FALSE", yes ? 4 : 5);
    s->in_value = 0;
  }
  if (s->kind == NUMBER) s->text_size = s->begin + without_point_zero(s->text + s->begin, s->text_size - s->begin);
  if (p->status) return;
  s->text[s->text_size++] = '\0';
  *c = (struct cell){s->begin, 0};
  if (s->kind != SHARED) return;
  if (!parse_number(s->text + s->begin, &index) || index >= p->book->string_count) {
    fail_cell(p, XLSX_FORMAT, "names a shared string that is not there");
    return;
  }
  s->text_size = s->begin;
  *c = (struct cell){index, 1};
}

static void start(struct xlsx_part *p, const char *element, const char **attributes) {
  struct sheet *s = p->user;
  if (!strcmp(element, "sheetData")) s->in_data = 1;
  else if (!s->in_data) return;
  else if (!strcmp(element, "row")) start_row(p, attributes);
  else if (!strcmp(element, "c")) start_cell(p, attributes);
  else if (!strcmp(element, "rPh")) s->in_phonetic = 1;
  else if (s->in_cell && !strcmp(element, s->kind == INLINE ? "t" : "v")) s->in_value = 1;
}

static void end(struct xlsx_part *p, const char *element) {
  struct sheet *s = p->user;
  if (!strcmp(element, "v") || !strcmp(element, "t")) s->in_value = 0;
  else if (!strcmp(element, "rPh")) s->in_phonetic = 0;
  else if (!strcmp(element, "c") && s->in_cell) end_cell(p);
  else if (!strcmp(element, "row") && s->in_row) s->in_row = 0, give(p, s->number, s->cell_count);
  else if (!strcmp(element, "sheetData")) s->in_data = 0;
}

enum xlsx_status xlsx_rows(struct xlsx *b, size_t sheet, xlsx_row_fn row, void *user, char error[512]) {
  struct sheet s = {.fn = row, .user = user};
  b->error = error;
  if (sheet >= b->sheet_count) return xlsx_fail(b, XLSX_SHEET, NULL, "no sheet %zu, there are %zu", sheet, b->sheet_count);
  struct xlsx_part p = {.book = b, .name = b->sheets[sheet].part, .start = start, .end = end, .text = add_text, .user = &s};
  enum xlsx_status status = xlsx_read_strings(b);
  if (!status) status = xlsx_parse(&p);
  free(s.text), free(s.cells), free((void *)s.row);
  return status;
}
