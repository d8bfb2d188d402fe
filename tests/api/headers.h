/* What include/efme declares, read from the headers themselves: so that a test that walks "every function" or "every struct"
 * fails when one is added that it does not know. */
#ifndef EFME_API_HEADERS_H
#define EFME_API_HEADERS_H

#include <stddef.h>

struct declared_function {
  char name[64];
  char pointers[12][32]; /* names of the parameters that may be NULL as far as C goes */
  int pointer_count;
};

/* A struct that begins with struct_size. */
struct declared_struct {
  char name[64];
  char fields[32][32]; /* in order, struct_size first */
  int field_count;
};

size_t declared_functions(struct declared_function *out, size_t capacity);
size_t declared_structs(struct declared_struct *out, size_t capacity);

/* Offset of a field (or the whole size where field is NULL), from tests/abi/layout.txt, which the test abi_layout keeps true. */
size_t declared_offset(const char *name, const char *field);

#endif
