/* Growing text for reports, CSV and JSON: additions need no check, the first failure sticks and efme_text_take tells. */
#include <string.h>

#include "util/util.h"

void efme_text_init(struct efme_text *t, const struct efme_allocator *a) {
  memset(t, 0, sizeof *t);
  t->allocator = a;
}

/* Makes room for n more bytes and the NUL. */
static int reserve(struct efme_text *t, size_t n) {
  if (t->failed) return 0;
  if (n >= SIZE_MAX - t->size || efme_mem_grow(t->allocator, (void **)&t->data, &t->capacity, t->size + n + 1, 1, "text")) t->failed = 1;
  return !t->failed;
}

void efme_text_add_n(struct efme_text *t, const char *s, size_t n) {
  if (!reserve(t, n)) return;
  if (n) memcpy(t->data + t->size, s, n);
  t->size += n;
  t->data[t->size] = '\0';
}

void efme_text_add(struct efme_text *t, const char *s) { efme_text_add_n(t, s, strlen(s)); }

void efme_text_printf(struct efme_text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (n < 0) t->failed = 1;
  if (n < 0 || !reserve(t, (size_t)n)) return;
  va_start(args, format);
  vsnprintf(t->data + t->size, (size_t)n + 1, format, args);
  va_end(args);
  t->size += (size_t)n;
}

void efme_text_double(struct efme_text *t, double v, int digits) {
  char buffer[64];
  efme_text_add_n(t, buffer, efme_format_double(buffer, sizeof buffer, v, digits));
}

void efme_text_fixed(struct efme_text *t, double v, int decimals) {
  char buffer[384]; /* DBL_MAX has 309 digits before the point; 40 behind it at most */
  efme_text_add_n(t, buffer, efme_format_fixed(buffer, sizeof buffer, v, decimals));
}

void efme_text_csv(struct efme_text *t, const char *field) {
  /* Quoted where a reader would otherwise split or trim it. */
  size_t n = strlen(field);
  if (!strpbrk(field, ",\"\r\n;\t") && (n == 0 || (field[0] != ' ' && field[n - 1] != ' '))) {
    efme_text_add_n(t, field, n);
    return;
  }
  efme_text_add_n(t, "\"", 1);
  for (const char *q; (q = strchr(field, '"')); field = q + 1) {
    efme_text_add_n(t, field, (size_t)(q - field) + 1);
    efme_text_add_n(t, "\"", 1);
  }
  efme_text_add(t, field);
  efme_text_add_n(t, "\"", 1);
}

size_t efme_utf8_length(const char *text, size_t n) {
  const unsigned char *s = (const unsigned char *)text;
  if (n == 0) return 0;
  if (s[0] < 0x80) return 1;
  size_t length = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
  if (s[0] > 0xf4 || length == 0 || length > n) return 0;
  uint32_t code = s[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (s[i] & 0x3fu);
  }
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  return code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

int efme_equal_words_n(const char *a, size_t n, const char *b) {
  for (size_t i = 0; i < n; i++)
    if (!b[i] || lower(a[i]) != lower(b[i])) return 0;
  return b[n] == '\0';
}

int efme_equal_words(const char *a, const char *b) { return efme_equal_words_n(a, strlen(a), b); }

void efme_text_json(struct efme_text *t, const char *s) {
  efme_text_add_n(t, "\"", 1);
  while (*s) {
    unsigned char c = (unsigned char)*s;
    size_t n = efme_utf8_length(s, strnlen(s, 4));
    if (c == '"' || c == '\\') efme_text_printf(t, "\\%c", c);
    else if (c == '\n') efme_text_add(t, "\\n");
    else if (c < 0x20 || c == 0x7f) efme_text_printf(t, "\\u%04x", c);
    else if (n) efme_text_add_n(t, s, n);
    else efme_text_add(t, "\xef\xbf\xbd");
    s += n ? n : 1;
  }
  efme_text_add_n(t, "\"", 1);
}

efme_status efme_text_take(struct efme_text *t, char **out, size_t *size) {
  if (!t->failed && !t->data) reserve(t, 0);
  if (t->failed) {
    efme_text_free(t);
    return efme_fail(EFME_E_NOMEM, "out of memory: a growing text");
  }
  t->data[t->size] = '\0';
  *out = t->data;
  if (size) *size = t->size;
  efme_text_init(t, t->allocator);
  return EFME_OK;
}

void efme_text_free(struct efme_text *t) {
  efme_mem_free(t->allocator, t->data);
  efme_text_init(t, t->allocator);
}
