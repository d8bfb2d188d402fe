/* Writes JSON into a growing text: indented, in the order of the calls, the same bytes in any locale.
 *
 * Numbers carry as many digits as read back to the same value. Strings come out as valid UTF-8: a byte that is none of it
 * becomes U+FFFD, since names of files may hold anything. 64-bit identities are strings of 16 hex digits, because many
 * readers keep numbers as doubles. Failures stick in the text. */
#ifndef EFME_UTIL_JSON_H
#define EFME_UTIL_JSON_H

#include "util/util.h"

struct efme_json {
  struct efme_text *text;
  int depth;
  int first; /* nothing stands in the present object or array yet */
};

void efme_json_init(struct efme_json *j, struct efme_text *text);
/* kind: '{' or '['. name NULL inside arrays and at the top. */
void efme_json_open(struct efme_json *j, const char *name, char kind);
void efme_json_close(struct efme_json *j, char kind);                            /* '}' or ']' */
void efme_json_string(struct efme_json *j, const char *name, const char *value); /* NULL: null */
void efme_json_u64(struct efme_json *j, const char *name, uint64_t value);
void efme_json_hex(struct efme_json *j, const char *name, uint64_t value);
void efme_json_double(struct efme_json *j, const char *name, double value); /* not finite: null */
void efme_json_float(struct efme_json *j, const char *name, float value);   /* 9 digits: reads back to the same float */
void efme_json_bool(struct efme_json *j, const char *name, int value);
/* JSON text made elsewhere, put in as it is; name NULL in an object: whole members. Space around it is left out. */
void efme_json_raw(struct efme_json *j, const char *name, const char *json);
/* One line: "[1, 2, 3]". */
void efme_json_u64s(struct efme_json *j, const char *name, const uint64_t *values, size_t count);
void efme_json_floats(struct efme_json *j, const char *name, const float *values, size_t count);

/* ---- reading (json_parse.c) ---- */
struct cJSON;
/* NOMEM or FORMAT, without the file's name. */
efme_status efme_json_parse(struct cJSON **out, const char *text, size_t size);

#endif
