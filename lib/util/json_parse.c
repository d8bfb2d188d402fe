/* JSON read by cJSON, which answers NULL for damaged text and for want of memory alike. Which of the two it was tells a look at
 * the grammar (RFC 8259) that allocates nothing. What cJSON refuses and our files never have, halves of surrogate pairs and numbers of more
 * than 63 characters, is damage too. */
#include <cjson/cJSON.h>
#include <string.h>

#include "util/json.h"

#define EFME_JSON_DEPTH 64 /* our files have 4 */

/* Each of these gives the end of what it passes over, NULL where the grammar does not allow what is there. */
static const char *value(const char *s, const char *end, int depth);

static const char *blanks(const char *s, const char *end) {
  while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')) s++;
  return s;
}

/* The last byte of what a backslash escapes. */
static const char *escape(const char *s, const char *end) {
  if (++s == end || !*s || !strchr("\"\\/bfnrtu", *s)) return NULL;
  if (*s != 'u') return s;
  if (end - s < 5) return NULL;
  for (int i = 1; i <= 4; i++)
    if (!s[i] || !strchr("0123456789abcdefABCDEF", s[i])) return NULL;
  int half = (s[1] == 'd' || s[1] == 'D') && strchr("89abcdefABCDEF", s[2]);
  return half ? NULL : s + 4;
}

static const char *string(const char *s, const char *end) {
  if (s == end || *s != '"') return NULL;
  for (s++; s < end && *s != '"'; s++) {
    if ((unsigned char)*s < 0x20) return NULL;
    if (*s == '\\' && !(s = escape(s, end))) return NULL;
  }
  return s < end ? s + 1 : NULL;
}

static const char *digits(const char *s, const char *end) {
  const char *start = s;
  while (s < end && *s >= '0' && *s <= '9') s++;
  return s > start ? s : NULL;
}

static const char *number(const char *s, const char *end) {
  if (end - s > 63) end = s + 63;
  if (s < end && *s == '-') s++;
  s = digits(s, end);
  if (s && s < end && *s == '.') s = digits(s + 1, end);
  if (!s || s == end || (*s != 'e' && *s != 'E')) return s;
  s++;
  if (s < end && (*s == '+' || *s == '-')) s++;
  return digits(s, end);
}

static const char *word(const char *s, const char *end) {
  static const char *const words[] = {"true", "false", "null"};
  for (size_t i = 0; i < EFME_COUNT(words); i++) {
    size_t n = strlen(words[i]);
    if ((size_t)(end - s) >= n && !memcmp(s, words[i], n)) return s + n;
  }
  return NULL;
}

static const char *list(const char *s, const char *end, int depth) {
  char close = *s == '{' ? '}' : ']';
  s = blanks(s + 1, end);
  if (s < end && *s == close) return s + 1;
  for (;; s++) {
    if (close == '}') {
      s = string(blanks(s, end), end);
      if (s) s = blanks(s, end);
      if (!s || s == end || *s++ != ':') return NULL;
    }
    s = value(s, end, depth + 1);
    if (s) s = blanks(s, end);
    if (!s || s == end) return NULL;
    if (*s == close) return s + 1;
    if (*s != ',') return NULL;
  }
}

static const char *value(const char *s, const char *end, int depth) {
  s = blanks(s, end);
  if (s == end || depth > EFME_JSON_DEPTH) return NULL;
  if (*s == '{' || *s == '[') return list(s, end, depth);
  if (*s == '"') return string(s, end);
  return *s == '-' || (*s >= '0' && *s <= '9') ? number(s, end) : word(s, end);
}

efme_status efme_json_parse(struct cJSON **out, const char *text, size_t size) {
  cJSON *root = cJSON_ParseWithLength(text, size);
  if (!root && value(text, text + size, 0)) return efme_fail(EFME_E_NOMEM, "out of memory: cJSON, for %zu bytes of JSON", size);
  if (!root) return efme_fail(EFME_E_FORMAT, "damaged: not JSON");
  *out = root;
  return EFME_OK;
}
