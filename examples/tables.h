/* Annotation tables: official workbooks turned into the CSV that the library reads. */
#ifndef EXAMPLES_TABLES_H
#define EXAMPLES_TABLES_H

#include <stddef.h>

/* The table of a release as CSV, in path: `table` where it is one; else made in out/tables from that workbook or, where table is NULL and
 * root has no CSV, from the one workbook in root. path is "" where the library is to look for itself. 0, with a message printed, where that
 * fails. */
int table_as_csv(char *path, size_t size, const char *program, const char *root, const char *table, const char *out);

#endif
