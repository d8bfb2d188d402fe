/* efme-csv2xlsx: a table as a workbook. */
#include <stdio.h>
#include <string.h>

#include "xlsx_write.h"

static const char help[] =
    "Usage: efme-csv2xlsx FILE.csv FILE.xlsx [--sheet NAME]\n"
    "Makes a workbook of a table. The sheet is called Sheet1, or as NAME says: CASME II's is Sheet1, SAMM's MICRO_ONLY.\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

static int usage(const char *why) {
  fprintf(stderr, "efme-csv2xlsx: %s; see --help\n", why);
  return 2;
}

int main(int argc, char **argv) {
  const char *files[2], *sheet = "Sheet1";
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--sheet")) {
      if (++i == argc) return usage("--sheet needs a name");
      sheet = argv[i];
    } else if (!strcmp(argv[i], "--help")) return fputs(help, stdout) < 0 || fflush(stdout);
    else if (argv[i][0] == '-') return usage("there is no such option");
    else if (count == 2) return usage("needs a table and a workbook");
    else files[count++] = argv[i];
  }
  if (count != 2) return usage("needs a table and a workbook");
  char error[512];
  if (!xlsx_write_csv(files[1], sheet, files[0], error)) return 0;
  fprintf(stderr, "efme-csv2xlsx: %s\n", error);
  return 1;
}
