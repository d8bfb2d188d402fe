/* See tables.h. */
#include "tables.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#ifdef WITH_XLSX
#include <xlsx.h> /* tools/xlsx */
#endif

static int ends_with(const char *name, const char *end) {
  size_t n = strlen(name), m = strlen(end);
  if (n < m) return 0;
  for (size_t i = 0; i < m; i++) {
    char c = name[n - m + i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != end[i]) return 0;
  }
  return 1;
}

static int failed(const char *program, const char *path, const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program, path, what);
  return 0;
}

/* The workbook in root, "" where there is none or a CSV lies beside; several are refused. */
static int find_workbook(char *path, size_t size, const char *program, const char *root) {
  int books = 0, tables = 0;
  DIR *folder = opendir(root);
  *path = '\0';
  if (!folder) return 1; /* the library says so better */
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] == '.' || entry->d_name[0] == '~') continue;
    tables += ends_with(entry->d_name, ".csv");
    if (ends_with(entry->d_name, ".xlsx") && ++books) snprintf(path, size, "%s/%s", root, entry->d_name);
  }
  closedir(folder);
  if (tables) *path = '\0';
  if (!tables && books > 1) return failed(program, root, "several workbooks; name one with the option for the table");
  return 1;
}

#ifdef WITH_XLSX
/* The sheet of that release's clips, where a workbook has several. */
static size_t sheet_of(const struct xlsx *book) {
  static const char *const known[] = {"MICRO_ONLY", "HS", "Sheet1"};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    for (size_t i = 0; i < xlsx_sheet_count(book); i++)
      if (!strcmp(xlsx_sheet_name(book, i), known[k])) return i;
  return 0;
}

static int convert(const char *program, const char *workbook, const char *path) {
  char error[512] = "";
  struct xlsx *book = NULL;
  if (xlsx_open(&book, workbook, NULL, error)) return fprintf(stderr, "%s: %s\n", program, error), 0;
  FILE *csv = fopen(path, "w");
  if (!csv) {
    xlsx_close(book);
    return failed(program, path, strerror(errno));
  }
  enum xlsx_status status = xlsx_rows(book, sheet_of(book), xlsx_put_csv, csv, error);
  xlsx_close(book);
  int written = !ferror(csv);
  written = fclose(csv) == 0 && written;
  if (status == XLSX_OK && written) return printf("%s: made of %s\n", path, workbook), 1;
  remove(path);
  return status && status != XLSX_STOPPED ? (fprintf(stderr, "%s: %s\n", program, error), 0) : failed(program, path, strerror(errno));
}
#else
static int convert(const char *program, const char *workbook, const char *path) {
  (void)path;
  return failed(program, workbook, "this build reads no workbooks (it lacks minizip and expat); save the sheet as CSV and name it");
}
#endif

int table_as_csv(char *path, size_t size, const char *program, const char *root, const char *table, const char *out) {
  char found[4096];
  *path = '\0';
  if (table && !ends_with(table, ".xlsx")) return snprintf(path, size, "%s", table), 1;
  if (!table) {
    if (!find_workbook(found, sizeof found, program, root)) return 0;
    if (!*found) return 1;
    table = found;
  }
  const char *name = strrchr(table, '/') ? strrchr(table, '/') + 1 : table;
  if (mkdir(out, 0777) && errno != EEXIST) return failed(program, out, strerror(errno));
  snprintf(path, size, "%s/tables", out);
  if (mkdir(path, 0777) && errno != EEXIST) return failed(program, path, strerror(errno));
  snprintf(path, size, "%s/tables/%.*s.csv", out, (int)(strlen(name) - strlen(".xlsx")), name);
  return convert(program, table, path);
}
