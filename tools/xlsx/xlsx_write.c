/* See xlsx_write.h. The parts that every reader of workbooks asks for (ECMA-376, part 1), text in shared strings as spreadsheet programs
 * write it. */
#include "xlsx_write.h"

#include <errno.h>
#include <minizip/zip.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_CSV (16u << 20)
#define MOST_ROWS 1048576u /* of a sheet */
#define MOST_COLUMNS 16384u
#define MOST_NAME 31u       /* characters of a sheet's name */
#define DOS_DATE 0x00210000 /* 1 January 1980, 0:00 */

/* A part as it grows; the first failure sticks. */
struct part {
  char *text;
  size_t size, capacity;
  int failed;
};

static void add_n(struct part *p, const char *text, size_t n) {
  if (p->failed) return;
  if (p->capacity - p->size < n) {
    size_t capacity = (p->size + n) * 2 + 4096;
    char *more = realloc(p->text, capacity);
    if (!more) {
      p->failed = 1;
      return;
    }
    p->text = more, p->capacity = capacity;
  }
  memcpy(p->text + p->size, text, n);
  p->size += n;
}

static void add(struct part *p, const char *text) { add_n(p, text, strlen(text)); }

static void addf(struct part *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void addf(struct part *p, const char *format, ...) {
  char text[256]; /* more than any format here gives */
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  add_n(p, text, n < 0 ? 0 : (size_t)n);
}

/* XML has no control characters but tab and line ends. */
static void add_escaped(struct part *p, const char *text) {
  for (; *text; text++) {
    if (*text == '&') add(p, "&amp;");
    else if (*text == '<') add(p, "&lt;");
    else if (*text == '>') add(p, "&gt;");
    else if (*text == '"') add(p, "&quot;");
    else if ((unsigned char)*text < 32 && !strchr("\t\n\r", *text)) add(p, "?");
    else add_n(p, text, 1);
  }
}

static int fail(char error[512], const char *path, const char *what) {
  snprintf(error, 512, "%.300s: %s", path, what);
  return 1;
}

/* ---- parts ---- */

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
#define SPREADSHEET "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
#define RELATIONS "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#define PACKAGE "http://schemas.openxmlformats.org/package/2006/"
#define CONTENT "application/vnd.openxmlformats-officedocument.spreadsheetml."

static const char types[] =
    XML "<Types xmlns=\"" PACKAGE "content-types\"><Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package."
        "relationships+xml\"/><Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" "
        "ContentType=\"" CONTENT "sheet.main+xml\"/><Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType=\"" CONTENT
        "worksheet+xml\"/><Override PartName=\"/xl/sharedStrings.xml\" ContentType=\"" CONTENT "sharedStrings+xml\"/></Types>";
static const char package[] = XML "<Relationships xmlns=\"" PACKAGE "relationships\"><Relationship Id=\"rId1\" Type=\"" RELATIONS
                                  "/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
static const char book[] = XML "<Relationships xmlns=\"" PACKAGE "relationships\"><Relationship Id=\"rId1\" Type=\"" RELATIONS
                               "/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId2\" Type=\"" RELATIONS
                               "/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>";

static void make_workbook(struct part *p, const char *sheet) {
  add(p, XML "<workbook xmlns=\"" SPREADSHEET "\" xmlns:r=\"" RELATIONS "\"><sheets><sheet name=\"");
  add_escaped(p, sheet);
  add(p, "\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>");
}

/* As a spreadsheet program would take it: at most 15 digits, or they are not kept. */
static int is_number(const char *text) {
  size_t n = strlen(text);
  return n && n <= 15 && strspn(text, "0123456789") == n && (n == 1 || *text != '0');
}

static void column_name(char name[8], size_t column) {
  char reversed[8];
  size_t n = 0, i = 0;
  for (column++; column; column = (column - 1) / 26) reversed[n++] = (char)('A' + (column - 1) % 26);
  while (n) name[i++] = reversed[--n];
  name[i] = '\0';
}

/* The sheet, and the text of its cells in their order. */
static void make_sheet(struct part *p, struct part *strings, const char *const *cells, size_t rows, size_t columns) {
  size_t texts = 0;
  for (size_t i = 0; i < rows * columns; i++) texts += cells[i] && *cells[i] && !is_number(cells[i]);
  addf(strings, XML "<sst xmlns=\"" SPREADSHEET "\" count=\"%zu\" uniqueCount=\"%zu\">", texts, texts);
  add(p, XML "<worksheet xmlns=\"" SPREADSHEET "\"><sheetData>");
  texts = 0;
  for (size_t r = 0; r < rows; r++) {
    addf(p, "<row r=\"%zu\">", r + 1);
    for (size_t c = 0; c < columns; c++) {
      const char *text = cells[r * columns + c];
      char name[8];
      if (!text || !*text) continue;
      column_name(name, c);
      if (is_number(text)) {
        addf(p, "<c r=\"%s%zu\"><v>%s</v></c>", name, r + 1, text);
        continue;
      }
      addf(p, "<c r=\"%s%zu\" t=\"s\"><v>%zu</v></c>", name, r + 1, texts++);
      add(strings, "<si><t xml:space=\"preserve\">");
      add_escaped(strings, text);
      add(strings, "</t></si>");
    }
    add(p, "</row>");
  }
  add(p, "</sheetData></worksheet>");
  add(strings, "</sst>");
}

/* ---- the archive ---- */

static int put(zipFile zip, const char *name, const char *text, size_t size) {
  zip_fileinfo info;
  memset(&info, 0, sizeof info);
  info.dosDate = DOS_DATE;
  if (zipOpenNewFileInZip(zip, name, &info, NULL, 0, NULL, 0, NULL, Z_DEFLATED, Z_DEFAULT_COMPRESSION) != ZIP_OK) return 1;
  int failed = zipWriteInFileInZip(zip, text, (unsigned)size) != ZIP_OK; /* parts are far below 4 GiB */
  return (zipCloseFileInZip(zip) != ZIP_OK) | failed;
}

static int put_all(const char *path, const struct part *workbook, const struct part *sheet, const struct part *strings, char error[512]) {
  zipFile zip = zipOpen(path, APPEND_STATUS_CREATE);
  if (!zip) return fail(error, path, strerror(errno));
  int failed =
      put(zip, "[Content_Types].xml", types, sizeof types - 1) || put(zip, "_rels/.rels", package, sizeof package - 1) ||
      put(zip, "xl/workbook.xml", workbook->text, workbook->size) || put(zip, "xl/_rels/workbook.xml.rels", book, sizeof book - 1) ||
      put(zip, "xl/worksheets/sheet1.xml", sheet->text, sheet->size) || put(zip, "xl/sharedStrings.xml", strings->text, strings->size);
  failed |= zipClose(zip, NULL) != ZIP_OK;
  if (!failed) return 0;
  struct stat st;
  if (!lstat(path, &st) && S_ISREG(st.st_mode)) remove(path); /* no device, or whatever else path names */
  return fail(error, path, "cannot be written to its end");
}

int xlsx_write(const char *path, const char *sheet, const char *const *cells, size_t rows, size_t columns, char error[512]) {
  if (!*sheet || strlen(sheet) > MOST_NAME || strpbrk(sheet, "[]:*?/\\")) return fail(error, path, "that is no name of a sheet");
  if (!rows || rows > MOST_ROWS || !columns || columns > MOST_COLUMNS || rows > MOST_CSV / columns)
    return fail(error, path, "there is no row, or there are more cells than a sheet gets");
  struct part workbook = {0}, body = {0}, strings = {0};
  make_workbook(&workbook, sheet);
  make_sheet(&body, &strings, cells, rows, columns);
  int failed = workbook.failed || body.failed || strings.failed ? fail(error, path, "out of memory")
                                                                : put_all(path, &workbook, &body, &strings, error);
  free(workbook.text), free(body.text), free(strings.text);
  return failed;
}

/* ---- CSV ---- */

struct table {
  char *text; /* fields, a NUL behind each */
  const char **cells;
  size_t rows, columns;
};

static int read_file(char **text, size_t *size, const char *path, char error[512]) {
  FILE *f = fopen(path, "rb");
  if (!f) return fail(error, path, strerror(errno));
  *text = malloc(MOST_CSV + 2);
  *size = *text ? fread(*text, 1, MOST_CSV + 1, f) : 0;
  int bad = ferror(f);
  fclose(f);
  if (!*text) return fail(error, path, "out of memory");
  if (bad || *size > MOST_CSV || memchr(*text, '\0', *size)) {
    free(*text);
    return fail(error, path, bad ? "cannot be read" : *size > MOST_CSV ? "is longer than 16 MiB" : "is not text");
  }
  (*text)[*size] = '\0';
  return 0;
}

/* One field from *p on, unquoted in place; *p then stands at what ended it. Returns 0 where quotes are not closed. */
static int take_field(char **p, char **field) {
  char *from = *p, *to = from;
  *field = from;
  if (*from != '"') {
    *p = from + strcspn(from, ",\r\n");
    return 1;
  }
  for (from++; *from; *to++ = *from++) {
    if (*from != '"') continue;
    if (from[1] != '"') break;
    from++;
  }
  if (*from != '"') return 0;
  *to = '\0';
  *p = from + 1;
  return 1;
}

/* With t->cells NULL counts; with room there fills it, and ends the fields in the text. */
static int parse(struct table *t, char *text, int fill, const char *path, char error[512]) {
  size_t row = 0, widest = 0;
  for (char *p = text; *p; row++)
    for (size_t column = 0;; column++) {
      char *field;
      if (!take_field(&p, &field) || (*p && !strchr(",\r\n", *p))) return fail(error, path, "is not CSV: a quoted field does not end");
      char end = *p;
      if (fill) t->cells[row * t->columns + column] = field;
      if (column + 1 > widest) widest = column + 1;
      char *at = p;
      if (end == '\r' && p[1] == '\n') p++;
      if (end) p++;
      if (fill) *at = '\0';
      if (end != ',') break;
    }
  if (!fill) t->rows = row, t->columns = widest;
  return 0;
}

int xlsx_write_csv(const char *path, const char *sheet, const char *csv, char error[512]) {
  struct table t = {0};
  size_t size;
  char *copy = NULL;
  if (read_file(&t.text, &size, csv, error)) return 1;
  if (size >= 3 && !memcmp(t.text, "\xEF\xBB\xBF", 3)) memmove(t.text, t.text + 3, size - 2); /* a byte order mark */
  copy = malloc(size + 1); /* fields are unquoted in place: counted on a copy */
  int failed = !copy;
  if (failed) fail(error, csv, "out of memory");
  else memcpy(copy, t.text, size + 1);
  failed = failed || parse(&t, copy, 0, csv, error);
  free(copy);
  if (!failed && (t.rows > MOST_ROWS || t.columns > MOST_COLUMNS || (t.rows && t.columns > MOST_CSV / t.rows)))
    failed = fail(error, csv, "has more cells than a sheet gets");
  if (!failed && !(t.cells = calloc(t.rows * t.columns + 1, sizeof *t.cells))) failed = fail(error, csv, "out of memory");
  failed = failed || parse(&t, t.text, 1, csv, error) || xlsx_write(path, sheet, t.cells, t.rows, t.columns, error);
  free(t.cells), free(t.text);
  return failed;
}
