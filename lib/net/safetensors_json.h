/* A pull reader for the JSON of safetensors headers: the caller says what must come next. No tree, no allocation: strings
 * are decoded into memory that the caller gives. Strict: what the grammar (RFC 8259) does not allow is an error. */
#ifndef EFME_NET_SAFETENSORS_JSON_H
#define EFME_NET_SAFETENSORS_JSON_H

#include "util/util.h"

struct efme_pull {
  const char *text, *source; /* source: the file's name, for errors */
  size_t size, at;
  char *strings; /* next free byte for decoded strings; `size` bytes in all always suffice */
};

/* After efme_pull_open('{'), call efme_pull_more before each member: *more is 0 once the closing bracket is read. */
struct efme_pull_list {
  char close;
  int started;
};
efme_status efme_pull_open(struct efme_pull *j, struct efme_pull_list *list, char open);
efme_status efme_pull_more(struct efme_pull *j, struct efme_pull_list *list, int *more);
/* A string, decoded, NUL-terminated (one with a NUL inside is refused); with key 1 the colon behind it too. */
efme_status efme_pull_string(struct efme_pull *j, const char **out, int key);
/* A whole number without sign, fraction or exponent. */
efme_status efme_pull_u64(struct efme_pull *j, uint64_t *out);
/* Nothing but blanks may follow. */
efme_status efme_pull_end(struct efme_pull *j);
efme_status efme_pull_fail(const struct efme_pull *j, const char *what);

/* Writing: s in quotes, escaped. */
void efme_pull_write_string(struct efme_text *t, const char *s);

#endif
