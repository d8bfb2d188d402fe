/* The JSON writer; see json.h. */
#include <string.h>

#include "eval/json.h"

void efme_json_init(struct efme_json *j, struct efme_text *text) {
  j->text = text;
  j->depth = 0;
  j->first = 1;
}

static void newline(struct efme_json *j) {
  efme_text_add_n(j->text, "\n", 1);
  for (int i = 0; i < j->depth; i++) efme_text_add_n(j->text, "  ", 2);
}

/* Bytes of the valid UTF-8 sequence at s, 0 where there is none. */
static size_t utf8_length(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80) return 0; /* the NUL ends here too */
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
  if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
  return n;
}

static void quoted(struct efme_json *j, const char *value) {
  efme_text_add_n(j->text, "\"", 1);
  for (const unsigned char *s = (const unsigned char *)value; *s;) {
    size_t n = utf8_length(s);
    if (*s == '"' || *s == '\\') efme_text_printf(j->text, "\\%c", *s);
    else if (*s == '\n') efme_text_add(j->text, "\\n");
    else if (*s < 0x20 || *s == 0x7f) efme_text_printf(j->text, "\\u%04x", *s);
    else if (n) efme_text_add_n(j->text, (const char *)s, n);
    else efme_text_add(j->text, "\xef\xbf\xbd");
    s += n ? n : 1;
  }
  efme_text_add_n(j->text, "\"", 1);
}

/* What stands before a value: the comma, the line and the name. */
static void begin(struct efme_json *j, const char *name) {
  if (j->depth) {
    if (!j->first) efme_text_add_n(j->text, ",", 1);
    newline(j);
  }
  j->first = 0;
  if (name) {
    quoted(j, name);
    efme_text_add_n(j->text, ": ", 2);
  }
}

void efme_json_open(struct efme_json *j, const char *name, char kind) {
  begin(j, name);
  efme_text_add_n(j->text, &kind, 1);
  j->depth++;
  j->first = 1;
}

void efme_json_close(struct efme_json *j, char kind) {
  j->depth--;
  if (!j->first) newline(j);
  efme_text_add_n(j->text, &kind, 1);
  j->first = 0;
  if (!j->depth) efme_text_add_n(j->text, "\n", 1);
}

void efme_json_string(struct efme_json *j, const char *name, const char *value) {
  begin(j, name);
  if (value) quoted(j, value);
  else efme_text_add(j->text, "null");
}

void efme_json_u64(struct efme_json *j, const char *name, uint64_t value) {
  begin(j, name);
  efme_text_printf(j->text, "%llu", (unsigned long long)value);
}

void efme_json_hex(struct efme_json *j, const char *name, uint64_t value) {
  begin(j, name);
  efme_text_printf(j->text, "\"%016llx\"", (unsigned long long)value);
}

static int finite(double v) { return v - v == 0.0; }

void efme_json_double(struct efme_json *j, const char *name, double value) {
  begin(j, name);
  if (finite(value)) efme_text_double(j->text, value, 17);
  else efme_text_add(j->text, "null");
}

void efme_json_float(struct efme_json *j, const char *name, float value) {
  begin(j, name);
  if (finite((double)value)) efme_text_double(j->text, (double)value, 9);
  else efme_text_add(j->text, "null");
}

void efme_json_bool(struct efme_json *j, const char *name, int value) {
  begin(j, name);
  efme_text_add(j->text, value ? "true" : "false");
}

void efme_json_raw(struct efme_json *j, const char *name, const char *json) {
  begin(j, name);
  while (*json == '\n' || *json == ' ') json++;
  size_t n = strlen(json);
  while (n && (json[n - 1] == '\n' || json[n - 1] == ' ')) n--;
  efme_text_add_n(j->text, json, n);
}

void efme_json_u64s(struct efme_json *j, const char *name, const uint64_t *values, size_t count) {
  begin(j, name);
  efme_text_add_n(j->text, "[", 1);
  for (size_t i = 0; i < count; i++) efme_text_printf(j->text, i ? ", %llu" : "%llu", (unsigned long long)values[i]);
  efme_text_add_n(j->text, "]", 1);
}

void efme_json_floats(struct efme_json *j, const char *name, const float *values, size_t count) {
  begin(j, name);
  efme_text_add_n(j->text, "[", 1);
  for (size_t i = 0; i < count; i++) {
    if (i) efme_text_add_n(j->text, ", ", 2);
    efme_text_double(j->text, (double)values[i], 9);
  }
  efme_text_add_n(j->text, "]", 1);
}
