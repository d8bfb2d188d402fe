/* efme-csv2xlsx FILE.csv FILE.xlsx [--sheet NAME]: a table as a workbook; the sheet is called Sheet1 (as CASME II's) unless it is named
 * (SAMM's: MICRO_ONLY). Exit code 0; 1 where it fails, with the reason on standard error; 2 for a wrong command line. */
#include <stdio.h>
#include <string.h>

#include "xlsx_write.h"

static int usage(const char *why) {
  fprintf(stderr, "%s%susage: efme-csv2xlsx FILE.csv FILE.xlsx [--sheet NAME]\n", why, *why ? "\n" : "");
  return 2;
}

int main(int argc, char **argv) {
  const char *files[2], *sheet = "Sheet1";
  int count = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--sheet")) {
      if (++i == argc) return usage("--sheet: a name is missing");
      sheet = argv[i];
    } else if (argv[i][0] == '-' || count == 2) return usage(argv[i]);
    else files[count++] = argv[i];
  }
  if (count != 2) return usage("");
  char error[512];
  if (!xlsx_write_csv(files[1], sheet, files[0], error)) return 0;
  fprintf(stderr, "efme-csv2xlsx: %s\n", error);
  return 1;
}
