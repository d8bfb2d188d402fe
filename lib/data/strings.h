/* Strings of a dataset: many, small, often equal, all freed together. Interned strings are equal exactly when their
 * pointers are. */
#ifndef EFME_DATA_STRINGS_H
#define EFME_DATA_STRINGS_H

#include "util/util.h"

struct efme_strings {
  const struct efme_allocator *allocator;
  struct efme_strings_block *blocks;
  const char **slots; /* open addressing over interned strings, NULL free */
  size_t slot_count, used;
};

void efme_strings_init(struct efme_strings *s, const struct efme_allocator *a);
void efme_strings_free(struct efme_strings *s);
/* n bytes and a NUL; NULL when out of memory. */
char *efme_strings_add(struct efme_strings *s, const char *text, size_t n);
const char *efme_strings_intern(struct efme_strings *s, const char *text, size_t n);

#endif
