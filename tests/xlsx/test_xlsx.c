/* The reader of workbooks and its program: what Excel may write, and what nobody should. */
#include <minizip/zip.h>
#include <sys/wait.h>

#include "book.h"
#include "data/data_test.h"
#include "xlsx.h"

static char error[512];

static int add_row(uint32_t row, const char *const *cells, size_t count, void *user) {
  struct efme_text *t = user;
  efme_text_printf(t, "%u", row);
  for (size_t i = 0; i < count; i++) efme_text_printf(t, "|%s", cells[i]);
  efme_text_add(t, "\n");
  return 0;
}

/* The sheet's rows as "1|a|b" lines; the caller frees. */
static char *rows_of(struct xlsx *b, size_t sheet) {
  struct efme_text t;
  char *text;
  efme_text_init(&t, &efme_allocator_libc);
  enum xlsx_status status = xlsx_rows(b, sheet, add_row, &t, error);
  ck_assert_msg(status == XLSX_OK, "%s", error);
  assert_ok(efme_text_take(&t, &text, NULL));
  return text;
}

static void expect_rows(struct xlsx *b, size_t sheet, const char *expected) {
  char *text = rows_of(b, sheet);
  ck_assert_str_eq(text, expected);
  efme_mem_free(&efme_allocator_libc, text);
}

START_TEST(everything) {
  struct book made;
  struct xlsx *b = NULL;
  book_make(&made, BOOK_STRINGS, BOOK_SHEET, strlen(BOOK_SHEET));
  ck_assert_msg(xlsx_open_memory(&b, made.data, made.size, "x.xlsx", NULL, error) == XLSX_OK, "%s", error);
  ck_assert_uint_eq(xlsx_sheet_count(b), 2);
  ck_assert_str_eq(xlsx_sheet_name(b, 0), "MICRO ONLY");
  ck_assert_str_eq(xlsx_sheet_name(b, 1), "second & last");
  ck_assert_ptr_null(xlsx_sheet_name(b, 2));
  for (int again = 0; again < 2; again++) {
    expect_rows(b, 0,
                "1\n2|Subject||Estimated Emotion|\n3|006|46|TRUE|#N/A||sum\n4||||||\n5||-3|0.5|a \"b\", <c>\nd \xC3\xA9||\n6||||||\n");
    expect_rows(b, 1, "1|7\n");
  }
  ck_assert_int_eq(xlsx_rows(b, 2, add_row, NULL, error), XLSX_SHEET);
  ck_assert_str_eq(error, "x.xlsx: no sheet 2, there are 2");
  xlsx_close(b), book_free(&made);
}
END_TEST

/* Prefixes, as some writers have them; no shared strings; no relations at the root; UTF-16. */
START_TEST(other_writers) {
  struct book made = {0};
  struct xlsx *b = NULL;
  static const char text[] =
      "<?xml version=\"1.0\" encoding=\"UTF-16\"?><x:worksheet xmlns:x=\"y\"><x:sheetData><x:row r=\"1\"><x:c r=\"AB1\" "
      "t=\"inlineStr\"><x:is><x:r><x:t>a</x:t></x:r><x:r><x:t>b</x:t></x:r></x:is></x:c></x:row></x:sheetData></x:worksheet>";
  static uint8_t wide[2 * sizeof text] = {0xFF, 0xFE};
  for (size_t i = 0; i < sizeof text - 1; i++) wide[2 + 2 * i] = (uint8_t)text[i];
  book_text(&made, "xl/workbook.xml",
            "<workbook xmlns:rel=\"r\"><sheets><sheet name=\"s\" sheetId=\"1\" rel:id=\"R\"/></sheets></workbook>");
  book_text(&made, "xl/_rels/workbook.xml.rels", "<Relationships><Relationship Id=\"R\" Type=\"w\" Target=\"s.xml\"/></Relationships>");
  book_part(&made, "xl/s.xml", wide, 2 * (sizeof text - 1) + 2);
  book_end(&made);
  ck_assert_msg(xlsx_open_memory(&b, made.data, made.size, "x.xlsx", NULL, error) == XLSX_OK, "%s", error);
  expect_rows(b, 0, "1||||||||||||||||||||||||||||ab\n"); /* column 28 */
  xlsx_close(b), book_free(&made);
}
END_TEST

/* ---- what is refused ---- */

static enum xlsx_status read_all(const void *data, size_t size, const struct xlsx_limits *limits) {
  struct xlsx *b = (struct xlsx *)1;
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  error[0] = 0;
  enum xlsx_status status = xlsx_open_memory(&b, data, size, "x.xlsx", limits, error);
  if (status) ck_assert_ptr_eq(b, (struct xlsx *)1);
  else {
    status = xlsx_rows(b, 0, add_row, &t, error);
    xlsx_close(b);
  }
  efme_text_free(&t);
  return status;
}

static void refused(const char *strings, const char *sheet, enum xlsx_status expected, const char *words) {
  struct book made;
  book_make(&made, strings, sheet, strlen(sheet));
  enum xlsx_status status = read_all(made.data, made.size, NULL);
  ck_assert_msg(status == expected && strstr(error, words), "%d, \"%s\" instead of \"%s\"", status, error, words);
  book_free(&made);
}

#define SHEET1 "x.xlsx: xl/worksheets/sheet1.xml: "
#define ROWS(text) "<worksheet><sheetData>" text "</sheetData></worksheet>"

START_TEST(sheets_refused) {
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><c r=\"B1\"><v>1</v></c><c r=\"A1\"><v>1</v></c></row>"), XLSX_FORMAT,
          SHEET1 "cell A1: stands behind a cell to its right, or twice");
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><c r=\"B1\"><v>1</v></c><c r=\"B1\"><v>1</v></c></row>"), XLSX_FORMAT, "cell B1: stands behind");
  refused(BOOK_STRINGS, ROWS("<row r=\"4\"><c r=\"B4\"/></row><row r=\"3\"/>"), XLSX_FORMAT, SHEET1 "row 3 stands behind row 4");
  refused(BOOK_STRINGS, ROWS("<row r=\"4\"><c r=\"B5\"/></row>"), XLSX_FORMAT, "cell B4: its reference names another row");
  refused(BOOK_STRINGS, ROWS("<row r=\"4\"><c r=\"4B\"/></row>"), XLSX_FORMAT, "cell A4: its reference is not like A1");
  refused(BOOK_STRINGS, ROWS("<row r=\"4\"><c r=\"$B$4\"/></row>"), XLSX_FORMAT, "its reference is not like A1");
  refused(BOOK_STRINGS, ROWS("<row r=\"x\"/>"), XLSX_FORMAT, "row \"x\" behind row 0: not a row's number");
  refused(BOOK_STRINGS, ROWS("<row r=\"0\"/>"), XLSX_FORMAT, "row 0 stands behind row 0");
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><row r=\"2\"/></row>"), XLSX_FORMAT, "not a row's number");
  refused(BOOK_STRINGS, ROWS("<row r=\"1048577\"/>"), XLSX_LIMIT, SHEET1 "row 1048577: at most 1048576 are read");
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><c r=\"XFE1\"/></row>"), XLSX_LIMIT, "cell XFE1: too many columns");
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><c r=\"ZZZZZZZZZZZZZZ1\"/></row>"), XLSX_FORMAT, "not like A1");
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><c r=\"C1\" t=\"s\"><v>4</v></c></row>"), XLSX_FORMAT,
          SHEET1 "cell C1: names a shared string that is not there");
  refused(BOOK_STRINGS, ROWS("<row r=\"1\"><c r=\"C1\" t=\"s\"><v>-1</v></c></row>"), XLSX_FORMAT,
          "names a shared string that is not there");
  refused(BOOK_STRINGS, "<worksheet><sheetData><row>", XLSX_FORMAT, SHEET1 "line 1: no element found");
  refused(BOOK_STRINGS, "<worksheet>\n<a></b></worksheet>", XLSX_FORMAT, SHEET1 "line 2: mismatched tag");
  refused("<sst><si><t>x", ROWS(""), XLSX_FORMAT, "x.xlsx: xl/sharedStrings.xml: line 1: no element found");
  refused(BOOK_STRINGS, "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]>" ROWS("<row><c t=\"str\"><v>&y;</v></c></row>"),
          XLSX_FORMAT, SHEET1 "holds a document type declaration");
  refused("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><sst/>", ROWS(""), XLSX_FORMAT,
          "xl/sharedStrings.xml: holds a document type declaration");
}
END_TEST

START_TEST(archives_refused) {
  static const struct {
    const char *data, *words;
  } bad[] = {{"", "x.xlsx: is not an .xlsx workbook: no zip archive"},
             {"Subject,Filename\n", "no zip archive"},
             {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "is an old (.xls) or protected workbook"},
             {"PK\3\4 and nothing else", "the zip archive is damaged or cut off"}};
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    ck_assert_int_eq(read_all(bad[i].data, strlen(bad[i].data), NULL), XLSX_FORMAT);
    ck_assert_msg(strstr(error, bad[i].words) != NULL, "%s", error);
  }
  /* cut anywhere: an error, whatever is cut; but for the last three bytes, high bytes and a comment's length that are zero anyhow */
  struct book made;
  book_make(&made, BOOK_STRINGS, BOOK_SHEET, strlen(BOOK_SHEET));
  for (size_t n = 0; n + 3 < made.size; n++) ck_assert_msg(read_all(made.data, n, NULL) == XLSX_FORMAT && error[0], "%zu bytes", n);
  for (size_t at = 0; at + 30 < made.size; at++) /* one letter of the sheet's: its checksum is wrong */
    if (!memcmp(made.data + at, "sum</v>", 7)) made.data[at] = 'S';
  ck_assert_int_eq(read_all(made.data, made.size, NULL), XLSX_FORMAT);
  ck_assert_str_eq(error, SHEET1 "the checksum is wrong");
  book_free(&made);

  book_text(&made, "mimetype", "text"), book_end(&made); /* a zip of something else */
  ck_assert_int_eq(read_all(made.data, made.size, NULL), XLSX_FORMAT);
  ck_assert_str_eq(error, "x.xlsx: is not an .xlsx workbook: no part xl/workbook.xml in it");
  book_free(&made);
  book_frame(&made), book_end(&made);
  ck_assert_int_eq(read_all(made.data, made.size, NULL), XLSX_FORMAT);
  ck_assert_str_eq(error, "x.xlsx: xl/sharedStrings.xml: is not in the archive");
  book_free(&made);
  book_text(&made, "xl/workbook.xml", "<workbook><sheets><sheet name=\"s\" sheetId=\"1\"/></sheets></workbook>");
  book_text(&made, "xl/_rels/workbook.xml.rels", "<Relationships/>"), book_end(&made);
  ck_assert_int_eq(read_all(made.data, made.size, NULL), XLSX_FORMAT);
  ck_assert_str_eq(error, "x.xlsx: xl/workbook.xml: sheet \"s\" has no part");
  book_free(&made);
  book_text(&made, "xl/workbook.xml", "<workbook/>"), book_text(&made, "xl/_rels/workbook.xml.rels", "<Relationships/>"), book_end(&made);
  ck_assert_int_eq(read_all(made.data, made.size, NULL), XLSX_FORMAT);
  ck_assert_str_eq(error, "x.xlsx: xl/workbook.xml: no sheet in it");
  book_free(&made);
}
END_TEST

/* ---- limits ---- */

/* `text`, `times` times, between two others, as a part that is compressed, in a file of the scratch folder. */
static const char *pack(const char *strings_head, const char *head, const char *text, size_t times, const char *tail) {
  struct book frame;
  const char *path = scratch("packed.xlsx");
  book_make(&frame, strings_head, "", 0);
  zipFile z = zipOpen64(path, APPEND_STATUS_CREATE);
  static const char *const names[] = {"_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml",
                                      "xl/worksheets/sheet1.xml"};
  const uint8_t *at = frame.data;
  for (size_t k = 0; k < EFME_COUNT(names); k++) { /* the frame's parts lie one after the other behind their headers of 30 bytes */
    size_t size = at[18] | (size_t)at[19] << 8, n = at[26];
    ck_assert_int_eq(zipOpenNewFileInZip(z, names[k], NULL, NULL, 0, NULL, 0, NULL, Z_DEFLATED, 9), ZIP_OK);
    if (k < 4) ck_assert_int_eq(zipWriteInFileInZip(z, at + 30 + n, (unsigned)size), ZIP_OK);
    else {
      zipWriteInFileInZip(z, head, (unsigned)strlen(head));
      for (size_t i = 0; i < times; i++) zipWriteInFileInZip(z, text, (unsigned)strlen(text));
      zipWriteInFileInZip(z, tail, (unsigned)strlen(tail));
    }
    zipCloseFileInZip(z);
    at += 30 + n + size;
  }
  ck_assert_int_eq(zipClose(z, NULL), ZIP_OK);
  book_free(&frame);
  return path;
}

static enum xlsx_status read_path(const char *path, const struct xlsx_limits *limits) {
  struct xlsx *b;
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  enum xlsx_status status = xlsx_open(&b, path, limits, error);
  if (!status) {
    status = xlsx_rows(b, 0, add_row, &t, error);
    xlsx_close(b);
  }
  efme_text_free(&t);
  return status;
}

static void limited(const char *path, const struct xlsx_limits *limits, const char *words) {
  enum xlsx_status status = read_path(path, limits);
  ck_assert_msg(status == XLSX_LIMIT && strstr(error, words), "%d: %s", status, error);
}

START_TEST(limits_hold) {
  static char block[65537];
  struct xlsx_limits few = XLSX_LIMITS_INIT;
  memset(block, 'x', 65536);
  const char *head = "<worksheet><sheetData><row r=\"1\"><c r=\"B1\" t=\"str\"><v>", *tail = "</v></c></row></sheetData></worksheet>";
  /* a cell of 100 MB, and a bomb of blanks */
  few.ratio = 2000;
  const char *path = pack("<sst/>", head, block, 1600, tail);
  limited(path, &few, "sheet1.xml: cell B1: too long");
  memset(block, ' ', 65536);
  path = pack("<sst/>", "<worksheet>", block, 8192, "</worksheet>");
  limited(path, NULL, "sheet1.xml: unpacks to more than 200 times its ");
  limited(path, &few, "more than 268435456 bytes unpacked: a zip bomb?");
  few = (struct xlsx_limits)XLSX_LIMITS_INIT, few.file = 1000;
  limited(path, &few, "packed.xlsx: larger than 1000 bytes");
  few = (struct xlsx_limits)XLSX_LIMITS_INIT, few.parts = 4;
  limited(path, &few, "5 parts, at most 4 are read");
  /* one long string that is named again and again, and rows as wide as they may be */
  few = (struct xlsx_limits)XLSX_LIMITS_INIT, few.text = 1u << 20;
  char *strings = malloc(40000);
  int n = snprintf(strings, 40000, "<sst><si><t>");
  memset(strings + n, 'y', 30000), strcpy(strings + n + 30000, "</t></si></sst>");
  path = pack(strings, "<worksheet><sheetData>", "<row><c t=\"s\"><v>0</v></c></row>", 100, "</sheetData></worksheet>");
  ck_assert_msg(read_path(path, NULL) == XLSX_OK, "%s", error);
  limited(path, &few, "cell A35: the sheet's text is too long");
  free(strings);
  path = pack("<sst/>", "<worksheet><sheetData><row><c r=\"XFD1\"><v>1</v></c></row>", "<row/>", 100, "</sheetData></worksheet>");
  limited(path, &few, "the sheet's text is too long");
  few.cell = 10;
  path = pack("<sst><si><t>01234567890</t></si></sst>", "<worksheet>", "", 0, "</worksheet>");
  limited(path, &few, "xl/sharedStrings.xml: string 1: longer than 10 bytes");
}
END_TEST

START_TEST(files_refused) {
  ck_assert_int_eq(read_path(scratch("absent.xlsx"), NULL), XLSX_FILE);
  ck_assert_ptr_nonnull(strstr(error, "absent.xlsx: cannot be opened"));
  put_text("folder/x", "x");
  ck_assert_int_eq(read_path(scratch("folder"), NULL), XLSX_FILE);
  ck_assert_ptr_nonnull(strstr(error, "folder: cannot be read"));
}
END_TEST

static int stop_at_two(uint32_t row, const char *const *cells, size_t count, void *user) {
  (void)cells, (void)count, (void)user;
  return row == 2;
}

START_TEST(stopped) {
  struct book made;
  struct xlsx *b = NULL;
  book_make(&made, BOOK_STRINGS, BOOK_SHEET, strlen(BOOK_SHEET));
  ck_assert_int_eq(xlsx_open_memory(&b, made.data, made.size, "x.xlsx", NULL, error), XLSX_OK);
  ck_assert_int_eq(xlsx_rows(b, 0, stop_at_two, NULL, error), XLSX_STOPPED);
  ck_assert_ptr_nonnull(strstr(error, "stopped at row 2"));
  expect_rows(b, 1, "1|7\n");
  xlsx_close(b), book_free(&made);
}
END_TEST

/* ---- the program ---- */

static int run(char *out, size_t size, const char *arguments) {
  char command[1200];
  snprintf(command, sizeof command, XLSX2CSV " %s 2>&1", arguments);
  FILE *f = popen(command, "r");
  ck_assert_ptr_nonnull(f);
  out[fread(out, 1, size - 1, f)] = '\0';
  int status = pclose(f);
  ck_assert(WIFEXITED(status));
  return WEXITSTATUS(status);
}

START_TEST(program) {
  struct book made;
  char arguments[700], out[4096];
  book_make(&made, BOOK_STRINGS, BOOK_SHEET, strlen(BOOK_SHEET));
  char path[512];
  snprintf(path, sizeof path, "%s", put_file("a b.xlsx", made.data, made.size));
  book_free(&made);
#define RUN(code, format)                                                                                                                  \
  snprintf(arguments, sizeof arguments, format, path);                                                                                     \
  ck_assert_msg(run(out, sizeof out, arguments) == code, "%s: %s", arguments, out)
  RUN(0, "'%s'");
  ck_assert_str_eq(out, "\nSubject,,Estimated Emotion,\n006,46,TRUE,#N/A,,sum\n,,,,,\n,-3,0.5,\"a \"\"b\"\", <c>\nd \xC3\xA9\",,\n,,,,,\n");
  RUN(0, "'%s' --sheet 'second & last'");
  ck_assert_str_eq(out, "7\n");
  RUN(0, "--sheet 2 '%s'");
  ck_assert_str_eq(out, "7\n");
  RUN(0, "--list '%s'");
  ck_assert_str_eq(out, "MICRO ONLY\nsecond & last\n");
  RUN(1, "'%s' --sheet HS");
  ck_assert_ptr_nonnull(strstr(out, "a b.xlsx: no sheet \"HS\""));
  RUN(1, "'%s.csv'");
  ck_assert_ptr_nonnull(strstr(out, "a b.xlsx.csv: cannot be opened"));
  RUN(2, "'%s' --sheet");
  RUN(2, "'%s' --fast");
  RUN(2, "'%s' other");
  ck_assert_int_eq(run(out, sizeof out, ""), 2);
  ck_assert_ptr_nonnull(strstr(out, "efme-xlsx2csv: needs a workbook; see --help"));
  RUN(1, "'%s' >/dev/full");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("xlsx");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 300);
  suite_add_tcase(suite, t);
  tcase_add_test(t, everything);
  tcase_add_test(t, other_writers);
  tcase_add_test(t, sheets_refused);
  tcase_add_test(t, archives_refused);
  tcase_add_test(t, limits_hold);
  tcase_add_test(t, files_refused);
  tcase_add_test(t, stopped);
  tcase_add_test(t, program);
  int code = test_run(suite);
  scratch_clean();
  return code;
}
