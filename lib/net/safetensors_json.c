/* See safetensors_json.h. Every read is bounded by size, whatever the text says. */
#include "net/safetensors_json.h"

#include <string.h>

#include "net/model.h"

efme_status efme_pull_fail(const struct efme_pull *j, const char *what) {
  return efme_fail(EFME_E_FORMAT, "%s: header, byte %zu: %s", j->source, j->at, what);
}

/* The next byte that is not blank, 0 at the end (a NUL byte is no JSON either). */
static char peek(struct efme_pull *j) {
  while (j->at < j->size && (j->text[j->at] == ' ' || j->text[j->at] == '\t' || j->text[j->at] == '\n' || j->text[j->at] == '\r')) j->at++;
  return j->at < j->size ? j->text[j->at] : '\0';
}

efme_status efme_pull_open(struct efme_pull *j, struct efme_pull_list *list, char open) {
  if (peek(j) != open) return efme_pull_fail(j, open == '{' ? "an object is expected" : "a list is expected");
  j->at++;
  list->close = open == '{' ? '}' : ']';
  list->started = 0;
  return EFME_OK;
}

efme_status efme_pull_more(struct efme_pull *j, struct efme_pull_list *list, int *more) {
  char c = peek(j);
  if (c == list->close) {
    j->at++;
    *more = 0;
    return EFME_OK;
  }
  if (list->started) {
    if (c != ',') return efme_pull_fail(j, "a comma or the end is expected");
    j->at++;
    if (peek(j) == list->close) return efme_pull_fail(j, "a comma before the end");
  }
  list->started = 1;
  *more = 1;
  return EFME_OK;
}

static efme_status read_hex(struct efme_pull *j, uint32_t *out) {
  uint32_t v = 0;
  for (int i = 0; i < 4; i++) {
    if (j->at >= j->size) return efme_pull_fail(j, "the text ends inside an escape");
    char c = j->text[j->at++];
    uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                 : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                 : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                        : 16;
    if (d == 16) return efme_pull_fail(j, "four hex digits are expected behind \\u");
    v = v * 16 + d;
  }
  *out = v;
  return EFME_OK;
}

static void put_utf8(struct efme_pull *j, uint32_t c) {
  if (c < 0x80) {
    *j->strings++ = (char)c;
  } else if (c < 0x800) {
    *j->strings++ = (char)(0xc0 | c >> 6);
    *j->strings++ = (char)(0x80 | (c & 63));
  } else if (c < 0x10000) {
    *j->strings++ = (char)(0xe0 | c >> 12);
    *j->strings++ = (char)(0x80 | (c >> 6 & 63));
    *j->strings++ = (char)(0x80 | (c & 63));
  } else {
    *j->strings++ = (char)(0xf0 | c >> 18);
    *j->strings++ = (char)(0x80 | (c >> 12 & 63));
    *j->strings++ = (char)(0x80 | (c >> 6 & 63));
    *j->strings++ = (char)(0x80 | (c & 63));
  }
}

/* \uXXXX, or a surrogate pair of two: 12 characters for 4 bytes, so decoding never grows. */
static efme_status read_unicode(struct efme_pull *j) {
  uint32_t c;
  efme_status status = read_hex(j, &c);
  if (status) return status;
  if (c >= 0xd800 && c < 0xdc00) {
    uint32_t low;
    if (j->size - j->at < 6 || j->text[j->at] != '\\' || j->text[j->at + 1] != 'u') return efme_pull_fail(j, "half of a surrogate pair");
    j->at += 2;
    status = read_hex(j, &low);
    if (status) return status;
    if (low < 0xdc00 || low > 0xdfff) return efme_pull_fail(j, "half of a surrogate pair");
    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
  } else if (c >= 0xdc00 && c < 0xe000) {
    return efme_pull_fail(j, "half of a surrogate pair");
  }
  if (c == 0) return efme_pull_fail(j, "a NUL inside a string");
  put_utf8(j, c);
  return EFME_OK;
}

static efme_status read_escape(struct efme_pull *j) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (j->at >= j->size) return efme_pull_fail(j, "the text ends inside a string");
  char c = j->text[j->at++];
  if (c == 'u') return read_unicode(j);
  const char *p = c ? strchr(from, c) : NULL;
  if (!p) return efme_pull_fail(j, "an unknown escape");
  *j->strings++ = to[p - from];
  return EFME_OK;
}

efme_status efme_pull_string(struct efme_pull *j, const char **out, int key) {
  if (peek(j) != '"') return efme_pull_fail(j, key ? "a key is expected" : "a string is expected");
  j->at++;
  char *start = j->strings;
  for (;;) {
    if (j->at >= j->size) return efme_pull_fail(j, "the text ends inside a string");
    char c = j->text[j->at++];
    if (c == '"') break;
    if ((unsigned char)c < 0x20) return efme_pull_fail(j, "a control character inside a string");
    if (c != '\\') *j->strings++ = c;
    else if (read_escape(j)) return EFME_E_FORMAT;
  }
  if (!efme_utf8_valid(start, (size_t)(j->strings - start))) return efme_pull_fail(j, "a string that is not UTF-8");
  *j->strings++ = '\0'; /* the quotes were two bytes: room for it */
  if (key) {
    if (peek(j) != ':') return efme_pull_fail(j, "a colon is expected");
    j->at++;
  }
  *out = start;
  return EFME_OK;
}

efme_status efme_pull_u64(struct efme_pull *j, uint64_t *out) {
  peek(j);
  size_t start = j->at;
  while (j->at < j->size && ((j->text[j->at] >= '0' && j->text[j->at] <= '9') || strchr("+-.eE", j->text[j->at]))) {
    if (j->text[j->at] == '\0') break; /* strchr finds the terminator */
    j->at++;
  }
  const char *s = j->text + start;
  size_t n = j->at - start;
  if (n == 0 || (n > 1 && s[0] == '0') || !efme_parse_u64(s, n, out)) {
    j->at = start;
    return efme_pull_fail(j, "a whole number below 2^64 is expected");
  }
  return EFME_OK;
}

efme_status efme_pull_end(struct efme_pull *j) {
  peek(j);
  return j->at < j->size ? efme_pull_fail(j, "something follows the end") : EFME_OK;
}

void efme_pull_write_string(struct efme_text *t, const char *s) {
  efme_text_add_n(t, "\"", 1);
  for (const char *start = s;; s++) {
    unsigned char c = (unsigned char)*s;
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    efme_text_add_n(t, start, (size_t)(s - start));
    if (c == '\0') break;
    if (c == '"' || c == '\\') efme_text_printf(t, "\\%c", c);
    else efme_text_printf(t, "\\u%04x", c);
    start = s + 1;
  }
  efme_text_add_n(t, "\"", 1);
}
