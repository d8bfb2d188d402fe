/* Workbooks that are written: their parts, as minizip unpacks them, text and numbers, the same bytes, CSV of every kind, what is refused.
 */
#include <minizip/unzip.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"

#include "xlsx_write.h"

static char folder[64];

static const char *in(const char *name) {
  static char path[8][128];
  static int turn;
  char *p = path[turn++ & 7];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static const char *put(const char *name, const char *text) {
  const char *path = in(name);
  FILE *f = fopen(path, "wb");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
  return path;
}

/* A part as text, in one buffer. */
static const char *part(const char *book, const char *name) {
  static char text[1 << 20];
  unzFile zip = unzOpen(book);
  ck_assert_msg(zip != NULL, "%s is no archive", book);
  ck_assert_msg(unzLocateFile(zip, name, 1) == UNZ_OK, "%s has no %s", book, name);
  ck_assert_int_eq(unzOpenCurrentFile(zip), UNZ_OK);
  int n = unzReadCurrentFile(zip, text, sizeof text - 1);
  ck_assert_int_ge(n, 0);
  ck_assert_int_eq(unzCloseCurrentFile(zip), UNZ_OK); /* the checksum is right */
  unzClose(zip);
  text[n] = '\0';
  return text;
}

#define HAS(text, wanted) ck_assert_msg(strstr(text, wanted) != NULL, "\"%s\" is not in:\n%.2000s", wanted, text)

START_TEST(parts) {
  static const char *const cells[] = {"Subject",          "Onset", NULL, "A & B", "01", "46", "", "<\"x\">\x01", "0",
                                      "1234567890123456", "4+9",   "/"};
  char error[512] = "untouched";
  ck_assert_int_eq(xlsx_write(in("a.xlsx"), "MICRO_ONLY", cells, 3, 4, error), 0);
  ck_assert_str_eq(error, "untouched");
  HAS(part(in("a.xlsx"), "xl/workbook.xml"), "<sheet name=\"MICRO_ONLY\" sheetId=\"1\" r:id=\"rId1\"/>");
  HAS(part(in("a.xlsx"), "xl/_rels/workbook.xml.rels"), "Target=\"worksheets/sheet1.xml\"");
  HAS(part(in("a.xlsx"), "_rels/.rels"), "Target=\"xl/workbook.xml\"");
  HAS(part(in("a.xlsx"), "[Content_Types].xml"), "PartName=\"/xl/sharedStrings.xml\"");
  HAS(part(in("a.xlsx"), "xl/worksheets/sheet1.xml"),
      "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c><c r=\"D1\" t=\"s\"><v>2</v></c></row>"
      "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>3</v></c><c r=\"B2\"><v>46</v></c><c r=\"D2\" t=\"s\"><v>4</v></c></row>"
      "<row r=\"3\"><c r=\"A3\"><v>0</v></c><c r=\"B3\" t=\"s\"><v>5</v></c><c r=\"C3\" t=\"s\"><v>6</v></c><c r=\"D3\" "
      "t=\"s\"><v>7</v></c>"
      "</row></sheetData>");
  const char *strings = part(in("a.xlsx"), "xl/sharedStrings.xml");
  HAS(strings, "count=\"8\" uniqueCount=\"8\"><si><t xml:space=\"preserve\">Subject</t></si><si><t xml:space=\"preserve\">Onset</t></si>");
  HAS(strings, ">A &amp; B</t></si><si><t xml:space=\"preserve\">01</t></si><si><t xml:space=\"preserve\">&lt;&quot;x&quot;&gt;?</t></si>");
  HAS(strings, ">1234567890123456</t></si><si><t xml:space=\"preserve\">4+9</t></si><si><t xml:space=\"preserve\">/</t></si></sst>");
}
END_TEST

START_TEST(columns_beyond_z) {
  static const char *cells[703];
  char error[512];
  cells[25] = "1", cells[26] = "2", cells[701] = "3", cells[702] = "4";
  ck_assert_int_eq(xlsx_write(in("wide.xlsx"), "Sheet1", cells, 1, 703, error), 0);
  HAS(part(in("wide.xlsx"), "xl/worksheets/sheet1.xml"),
      "<c r=\"Z1\"><v>1</v></c><c r=\"AA1\"><v>2</v></c><c r=\"ZZ1\"><v>3</v></c><c r=\"AAA1\"><v>4</v></c>");
}
END_TEST

/* Quotes, line ends of both kinds, empty rows, rows of different lengths, a byte order mark. */
START_TEST(csv) {
  char error[512];
  put("t.csv", "\xEF\xBB\xBFSubject,Filename,,\"Onset, first\"\r\n\r\n01,\"say \"\"f\"\"\",,7\n\"two\nlines\",x,y,8,extra");
  ck_assert_msg(!xlsx_write_csv(in("t.xlsx"), "Sheet1", in("t.csv"), error), "%s", error);
  HAS(part(in("t.xlsx"), "xl/worksheets/sheet1.xml"),
      "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c><c r=\"D1\" t=\"s\"><v>2</v></c></row><row "
      "r=\"2\"></row>"
      "<row r=\"3\"><c r=\"A3\" t=\"s\"><v>3</v></c><c r=\"B3\" t=\"s\"><v>4</v></c><c r=\"D3\"><v>7</v></c></row>"
      "<row r=\"4\"><c r=\"A4\" t=\"s\"><v>5</v></c><c r=\"B4\" t=\"s\"><v>6</v></c><c r=\"C4\" t=\"s\"><v>7</v></c><c "
      "r=\"D4\"><v>8</v></c>"
      "<c r=\"E4\" t=\"s\"><v>8</v></c></row>");
  const char *strings = part(in("t.xlsx"), "xl/sharedStrings.xml");
  HAS(strings, ">Subject<");
  HAS(strings, ">Onset, first<");
  HAS(strings, ">say &quot;f&quot;<");
  HAS(strings, ">two\nlines<");
  /* again: the same bytes */
  ck_assert_int_eq(xlsx_write_csv(in("u.xlsx"), "Sheet1", in("t.csv"), error), 0);
  char command[400];
  snprintf(command, sizeof command, "cmp -s %s %s", in("t.xlsx"), in("u.xlsx"));
  ck_assert_int_eq(system(command), 0);
}
END_TEST

#define REFUSED(call, what)                                                                                                                \
  do {                                                                                                                                     \
    ck_assert_int_eq(call, 1);                                                                                                             \
    HAS(error, what);                                                                                                                      \
  } while (0)

START_TEST(refusals) {
  static const char *const cells[] = {"x"};
  char error[512];
  REFUSED(xlsx_write(in("no.xlsx"), "", cells, 1, 1, error), "no name of a sheet");
  REFUSED(xlsx_write(in("no.xlsx"), "a/b", cells, 1, 1, error), "no name of a sheet");
  REFUSED(xlsx_write(in("no.xlsx"), "a name that is longer than 31 let", cells, 1, 1, error), "no name of a sheet");
  REFUSED(xlsx_write(in("no.xlsx"), "s", cells, 0, 1, error), "no row");
  REFUSED(xlsx_write(in("none/no.xlsx"), "s", cells, 1, 1, error), "none/no.xlsx: No such file");
  /* a disk that is full, in small; without the signal that goes with it */
  struct rlimit limit, none;
  getrlimit(RLIMIT_FSIZE, &none);
  limit = none, limit.rlim_cur = 300;
  void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  int failed = xlsx_write(in("no.xlsx"), "s", cells, 1, 1, error);
  setrlimit(RLIMIT_FSIZE, &none);
  signal(SIGXFSZ, before);
  REFUSED(failed, "no.xlsx: cannot be written to its end");
  REFUSED(xlsx_write_csv(in("no.xlsx"), "s", in("none.csv"), error), "none.csv: No such file");
  put("open.csv", "a,\"b\nc");
  REFUSED(xlsx_write_csv(in("no.xlsx"), "s", in("open.csv"), error), "open.csv: is not CSV");
  put("behind.csv", "a,\"b\"c\n");
  REFUSED(xlsx_write_csv(in("no.xlsx"), "s", in("behind.csv"), error), "behind.csv: is not CSV");
  put("empty.csv", "");
  REFUSED(xlsx_write_csv(in("no.xlsx"), "s", in("empty.csv"), error), "no row");
  ck_assert_int_ne(access(in("no.xlsx"), F_OK), 0);
}
END_TEST

static int run(const char *arguments) {
  char command[600];
  snprintf(command, sizeof command, "%s %s 2>%s", CSV2XLSX, arguments, in("errors"));
  int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(program) {
  char arguments[400];
  put("p.csv", "a,1\n");
  snprintf(arguments, sizeof arguments, "%s %s --sheet MICRO_ONLY", in("p.csv"), in("p.xlsx"));
  ck_assert_int_eq(run(arguments), 0);
  HAS(part(in("p.xlsx"), "xl/workbook.xml"), "MICRO_ONLY");
  snprintf(arguments, sizeof arguments, "%s %s", in("p.csv"), in("p.xlsx"));
  ck_assert_int_eq(run(arguments), 0);
  HAS(part(in("p.xlsx"), "xl/workbook.xml"), "Sheet1");
  snprintf(arguments, sizeof arguments, "%s %s", in("absent.csv"), in("p.xlsx"));
  ck_assert_int_eq(run(arguments), 1);
  ck_assert_int_eq(run(""), 2);
  ck_assert_int_eq(run("a b c"), 2);
  ck_assert_int_eq(run("a b --sheet"), 2);
  ck_assert_int_eq(run("--no-such"), 2);
  ck_assert_int_eq(run("--help"), 0);
}
END_TEST

int main(void) {
  strcpy(folder, "/tmp/efme-xlsx-XXXXXX");
  if (!mkdtemp(folder)) perror(folder), exit(EXIT_FAILURE);
  Suite *suite = suite_create("xlsx_write");
  TCase *t = tcase_create("xlsx_write");
  tcase_add_test(t, parts);
  tcase_add_test(t, columns_beyond_z);
  tcase_add_test(t, csv);
  tcase_add_test(t, refusals);
  tcase_add_test(t, program);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  char command[100];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(command);
  return result;
}
