/* Everything that the library computes, reads and writes, small, as a list of names and hashes: two runs may be compared line by line.
 * A result that may differ between two runs (seconds) is left out of what is hashed. */
#ifndef EFME_TESTS_HOSTILE_EVERYTHING_H
#define EFME_TESTS_HOSTILE_EVERYTHING_H

#include "efme/efme.h"

struct everything {
  size_t count;
  struct {
    char name[48];
    uint64_t hash;
  } lines[256];
  void (*after)(const char *call); /* after each call of the library; NULL: nothing */
};

/* Appends to e what `context` makes of it all; files go to `folder`, which is there. */
void everything_run(struct everything *e, efme_context *context, const char *folder);
/* The first line that differs, or NULL. */
const char *everything_differs(const struct everything *a, const struct everything *b);

#endif
