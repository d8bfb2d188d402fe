/* Rows as CSV (RFC 4180, lines end with LF). */
#include <stdio.h>
#include <string.h>

#include "xlsx.h"

static void put_field(const char *text, FILE *out) {
  if (!text[strcspn(text, ",\"\r\n")]) {
    fputs(text, out);
    return;
  }
  putc('"', out);
  for (; *text; text++) {
    if (*text == '"') putc('"', out);
    putc(*text, out);
  }
  putc('"', out);
}

int xlsx_put_csv(uint32_t row, const char *const *cells, size_t count, void *file) {
  (void)row;
  for (size_t i = 0; i < count; i++) {
    if (i) putc(',', file);
    put_field(cells[i], file);
  }
  putc('\n', file);
  return ferror((FILE *)file);
}
