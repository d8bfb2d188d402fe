/* Workbooks: the bytes as a whole file, and (their checksums right) as the sheet, the shared strings and the list of sheets of one. Limits
 * are small, so that they are met. */
#include "fuzz.h"

#include "xlsx.h"
#include "xlsx/book.h"

static const struct xlsx_limits limits = {
    .file = 1u << 20, .unpacked = 1u << 20, .text = 1u << 20, .ratio = 50, .cell = 1000, .rows = 200, .columns = 50, .parts = 20};

struct seen {
  uint32_t rows;
  size_t widest;
  uint64_t bytes;
};

static int look(uint32_t row, const char *const *cells, size_t count, void *user) {
  struct seen *s = user;
  FUZZ_CHECK(row == s->rows + 1 && row <= limits.rows, "row %u behind %u", row, s->rows);
  FUZZ_CHECK(count >= s->widest && count <= limits.columns, "row %u: %zu cells", row, count);
  for (size_t i = 0; i < count; i++) {
    size_t n = strlen(cells[i]);
    FUZZ_CHECK(n <= limits.cell, "row %u, cell %zu: %zu bytes", row, i, n);
    s->bytes += 1 + n;
  }
  FUZZ_CHECK(s->bytes <= limits.text, "%llu bytes", (unsigned long long)s->bytes);
  s->rows = row, s->widest = count;
  return 0;
}

static void judge(enum xlsx_status status, const char *error) {
  FUZZ_CHECK(status == XLSX_OK || status == XLSX_FORMAT || status == XLSX_LIMIT, "%d: %s", status, error);
  FUZZ_CHECK(!status || !strncmp(error, "input: ", 7), "\"%s\" does not begin with the name", error);
  fuzz_accepted += !status;
}

static void read_book(const void *data, size_t size) {
  char error[512] = "";
  struct xlsx *b = NULL;
  enum xlsx_status status = xlsx_open_memory(&b, data, size, "input", &limits, error);
  judge(status, error);
  if (status) return;
  FUZZ_CHECK(xlsx_sheet_count(b) >= 1 && xlsx_sheet_count(b) <= limits.parts, "%zu sheets", xlsx_sheet_count(b));
  for (size_t i = 0; i < xlsx_sheet_count(b) && i < 3; i++) {
    struct seen s = {0};
    FUZZ_CHECK(xlsx_sheet_name(b, i), "sheet %zu", i);
    judge(xlsx_rows(b, i, look, &s, error), error);
  }
  xlsx_close(b);
}

static void read_as(const char *part, const uint8_t *data, size_t size) {
  static const char *const names[] = {"xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"};
  static const char *const texts[] = {
      "<workbook xmlns:r=\"r\"><sheets><sheet name=\"s\" sheetId=\"1\" r:id=\"a\"/></sheets></workbook>",
      "<Relationships><Relationship Id=\"a\" Type=\"w\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"b\" "
      "Type=\"x/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>",
      BOOK_STRINGS, BOOK_SHEET};
  struct book b = {0};
  for (size_t k = 0; k < 4; k++) {
    if (strcmp(names[k], part)) book_text(&b, names[k], texts[k]);
    else book_part(&b, part, data, size);
  }
  book_end(&b);
  read_book(b.data, b.size);
  book_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  read_book(data, size);
  if (size > 65535 || (size > 1 && !memcmp(data, "PK", 2))) return 0;
  read_as("xl/worksheets/sheet1.xml", data, size);
  read_as("xl/sharedStrings.xml", data, size);
  read_as("xl/workbook.xml", data, size);
  read_as("xl/_rels/workbook.xml.rels", data, size);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const char book[] = "<workbook xmlns:r=\"r\"><sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"a\"/></sheets></workbook>";
  static const char relations[] = "<Relationships><Relationship Id=\"a\" Type=\"w\" Target=\"/xl/worksheets/sheet1.xml\"/></Relationships>";
  struct book whole;
  book_make(&whole, "<sst><si><t>x</t></si></sst>", BOOK_SHEET, strlen(BOOK_SHEET));
  emit("sheet.xml", BOOK_SHEET, strlen(BOOK_SHEET), SIZE_MAX);
  emit("strings.xml", BOOK_STRINGS, strlen(BOOK_STRINGS), SIZE_MAX);
  emit("workbook.xml", book, sizeof book - 1, SIZE_MAX);
  emit("relations.xml", relations, sizeof relations - 1, SIZE_MAX);
  emit("whole.xlsx", whole.data, whole.size, 60);
  book_free(&whole);
}
