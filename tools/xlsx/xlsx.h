/* Reads tables out of .xlsx workbooks, for programs that turn official annotation tables into CSV. Not a part of libefme: it needs minizip
 * and expat. Nothing in a file is trusted: limits hold for what is unpacked, for cells, rows, columns and text that is handed out; document
 * type declarations, and with them entities, are refused. A book serves one thread at a time. */
#ifndef EFME_TOOLS_XLSX_H
#define EFME_TOOLS_XLSX_H

#include <stddef.h>
#include <stdint.h>

enum xlsx_status {
  XLSX_OK = 0,
  XLSX_FILE,   /* cannot be opened or read */
  XLSX_FORMAT, /* is no workbook, or a damaged one */
  XLSX_LIMIT,  /* larger than a limit */
  XLSX_SHEET,  /* no such sheet */
  XLSX_MEMORY,
  XLSX_STOPPED /* the row function asked to */
};

struct xlsx_limits {
  uint64_t file;     /* bytes of the file */
  uint64_t unpacked; /* bytes of all parts that are read, unpacked */
  uint64_t text;     /* bytes of text and number of cells that one call of xlsx_rows hands out: shared strings may be named often */
  uint32_t ratio;    /* of one part, unpacked : packed, once it has unpacked a MiB. Sheets come to 10 or 50, bombs to 1000 */
  uint32_t cell;     /* bytes of one cell; Excel stores 32767 characters */
  uint32_t rows, columns, parts;
};
#define XLSX_LIMITS_INIT                                                                                                                   \
  { 64u << 20, 256u << 20, 256u << 20, 200, 131072, 1048576, 16384, 4096 }

struct xlsx;

/* limits NULL: the defaults. A failure is told in error (512 bytes), beginning with path or name: "FILE: PART: cell B7: what". data is not
 * copied and must stay until xlsx_close. */
enum xlsx_status xlsx_open(struct xlsx **out, const char *path, const struct xlsx_limits *limits, char error[512]);
enum xlsx_status xlsx_open_memory(struct xlsx **out, const void *data, size_t size, const char *name, const struct xlsx_limits *limits,
                                  char error[512]);
void xlsx_close(struct xlsx *book);

size_t xlsx_sheet_count(const struct xlsx *book);
const char *xlsx_sheet_name(const struct xlsx *book, size_t sheet); /* NULL beyond the last */

/* A row, from 1 on without a gap, up to the last one of the sheet: count cells, those that the file lacks "". Text as UTF-8, numbers as the
 * file writes them (a whole one without ".0"), truth values TRUE and FALSE. Non-zero stops. */
typedef int (*xlsx_row_fn)(uint32_t row, const char *const *cells, size_t count, void *user);
enum xlsx_status xlsx_rows(struct xlsx *book, size_t sheet, xlsx_row_fn row, void *user, char error[512]);

/* A row function: as a line of CSV to user, a FILE. */
int xlsx_put_csv(uint32_t row, const char *const *cells, size_t count, void *file);

#endif
