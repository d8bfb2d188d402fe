/* efme-xlsx2csv FILE.xlsx [--sheet NAME|NUMBER] [--list]: a sheet of a workbook as CSV on standard output, the first one unless another is
 * named. Exit code 0; 1 where the file cannot be read, with the reason on standard error; 2 for a wrong command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xlsx.h"

static const char help[] = "Usage: efme-xlsx2csv FILE.xlsx [--sheet NAME|NUMBER] [--list] > out.csv\n"
                           "Prints a sheet of a workbook (the first one) as CSV: text as UTF-8, numbers as the file writes them.\n\n"
                           "  --sheet NAME   another sheet, by name or by number from 1 on\n"
                           "  --list         the names of the sheets instead\n"
                           "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

static int usage(const char *why) {
  fprintf(stderr, "efme-xlsx2csv: %s; see --help\n", why);
  return 2;
}

/* By name, else by number from 1. */
static int find_sheet(const struct xlsx *b, const char *name, size_t *out) {
  size_t n = xlsx_sheet_count(b);
  for (*out = 0; *out < n; ++*out)
    if (!strcmp(xlsx_sheet_name(b, *out), name)) return 1;
  char *end;
  unsigned long v = strtoul(name, &end, 10);
  *out = v - 1;
  return *name && !*end && v >= 1 && v <= n;
}

int main(int argc, char **argv) {
  const char *file = NULL, *name = NULL;
  int list = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--sheet")) {
      if (++i == argc) return usage("--sheet needs a name");
      name = argv[i];
    } else if (!strcmp(argv[i], "--list")) list = 1;
    else if (!strcmp(argv[i], "--help")) return fputs(help, stdout) < 0 || fflush(stdout);
    else if (argv[i][0] == '-') return usage("there is no such option");
    else if (file) return usage("needs one workbook");
    else file = argv[i];
  }
  if (!file) return usage("needs a workbook");
  char error[512] = "";
  struct xlsx *b;
  size_t sheet = 0;
  enum xlsx_status status = xlsx_open(&b, file, NULL, error);
  if (status) {
    fprintf(stderr, "%s\n", error);
    return 1;
  }
  for (size_t i = 0; list && i < xlsx_sheet_count(b); i++) printf("%s\n", xlsx_sheet_name(b, i));
  if (!list && name && !find_sheet(b, name, &sheet)) {
    snprintf(error, sizeof error, "%.300s: no sheet \"%.64s\"; --list lists them", file, name);
    status = XLSX_SHEET;
  } else if (!list) status = xlsx_rows(b, sheet, xlsx_put_csv, stdout, error);
  xlsx_close(b);
  if (fflush(stdout) || ferror(stdout)) snprintf(error, sizeof error, "standard output cannot be written"), status = XLSX_FILE;
  if (status) fprintf(stderr, "%s\n", error);
  return status ? 1 : 0;
}
