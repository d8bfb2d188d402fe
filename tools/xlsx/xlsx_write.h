/* Writes a table as an .xlsx workbook of one sheet: how the annotation tables of synthetic releases get the form of the official ones. Not
 * a part of libefme: it needs minizip. */
#ifndef EFME_TOOLS_XLSX_WRITE_H
#define EFME_TOOLS_XLSX_WRITE_H

#include <stddef.h>

/* rows * columns cells of UTF-8, row by row; NULL and "" are no cell. Whole numbers without leading zeros become numbers, all else text.
 * The same cells give the same bytes. 0; or 1 with what is wrong in error, beginning with path, and no file left. */
int xlsx_write(const char *path, const char *sheet, const char *const *cells, size_t rows, size_t columns, char error[512]);

/* The same from a CSV file (RFC 4180), empty rows included, of at most 16 MiB. */
int xlsx_write_csv(const char *path, const char *sheet, const char *csv, char error[512]);

#endif
