/* A pull reader for the JSON of safetensors headers: the caller says what must come next. No tree, no allocation: strings
 * are decoded into memory that the caller gives. Strict: what the grammar (RFC 8259) does not allow is an error. */
#ifndef EFME_NET_SAFETENSORS_JSON_H
#define EFME_NET_SAFETENSORS_JSON_H

#include "util/util.h"

struct efme_json {
  const char *text, *source; /* source: the file's name, for errors */
  size_t size, at;
  char *strings; /* next free byte for decoded strings; `size` bytes in all always suffice */
};

/* After efme_json_open('{'), call efme_json_more before each member: *more is 0 once the closing bracket is read. */
struct efme_json_list {
  char close;
  int started;
};
efme_status efme_json_open(struct efme_json *j, struct efme_json_list *list, char open);
efme_status efme_json_more(struct efme_json *j, struct efme_json_list *list, int *more);
/* A string, decoded, NUL-terminated (one with a NUL inside is refused); with key 1 the colon behind it too. */
efme_status efme_json_string(struct efme_json *j, const char **out, int key);
/* A whole number without sign, fraction or exponent. */
efme_status efme_json_u64(struct efme_json *j, uint64_t *out);
/* Nothing but blanks may follow. */
efme_status efme_json_end(struct efme_json *j);
efme_status efme_json_fail(const struct efme_json *j, const char *what);

/* Writing: s in quotes, escaped. */
void efme_json_write_string(struct efme_text *t, const char *s);

#endif
