/* The JSON writer; see json.h. */
#include <string.h>

#include "util/json.h"

void efme_json_init(struct efme_json *j, struct efme_text *text) {
  j->text = text;
  j->depth = 0;
  j->first = 1;
}

static void newline(struct efme_json *j) {
  efme_text_add_n(j->text, "\n", 1);
  for (int i = 0; i < j->depth; i++) efme_text_add_n(j->text, "  ", 2);
}

/* What stands before a value: the comma, the line and the name. */
static void begin(struct efme_json *j, const char *name) {
  if (j->depth) {
    if (!j->first) efme_text_add_n(j->text, ",", 1);
    newline(j);
  }
  j->first = 0;
  if (name) {
    efme_text_json(j->text, name);
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
  if (value) efme_text_json(j->text, value);
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
