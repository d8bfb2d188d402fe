/* Canonical keys of the three sets of MEGC 2019; see key.h. */
#include <string.h>

#include "eval/key.h"

struct form {
  const char *dataset, *prefix;
  size_t digits;  /* padded to */
  int clip_tells; /* clips begin with the subject and an underscore */
};

static const struct form forms[] = {{"smic", "s", 2, 1}, {"casme2", "sub", 2, 0}, {"samm", "", 3, 1}};

static const struct form *form_of(const char *dataset) {
  for (size_t i = 0; i < EFME_COUNT(forms); i++)
    if (!strcmp(forms[i].dataset, dataset)) return &forms[i];
  return NULL;
}

const char *efme_key_copy(struct efme_strings *pool, const char *text) { return efme_strings_add(pool, text, strlen(text)); }

const char *efme_key_join(struct efme_strings *pool, const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  char stack[512], *joined = n + m + 2 <= sizeof stack ? stack : efme_mem_alloc(pool->allocator, n + m + 2, "key");
  if (!joined) return NULL;
  memcpy(joined, a, n);
  joined[n] = '/';
  memcpy(joined + n + 1, b, m + 1);
  const char *kept = efme_strings_add(pool, joined, n + m + 1);
  if (joined != stack) efme_mem_free(pool->allocator, joined);
  return kept;
}

const char *efme_key_dataset(struct efme_strings *pool, const char *text) {
  char *copy = efme_strings_add(pool, text, strlen(text));
  if (!copy) return NULL;
  for (char *p = copy; *p; p++)
    if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
  return strcmp(copy, "casmeii") == 0 ? "casme2" : copy;
}

/* The number in n bytes of text: [prefix]digits, leading zeros dropped; 0 where it is something else. */
static int number_in(const struct form *form, const char *text, size_t n, const char **digits, size_t *count) {
  size_t k = strlen(form->prefix);
  if (n > k && !memcmp(text, form->prefix, k)) text += k, n -= k;
  if (n == 0 || n > 9) return 0;
  for (size_t i = 0; i < n; i++)
    if (text[i] < '0' || text[i] > '9') return 0;
  while (n > 1 && *text == '0') text++, n--;
  *digits = text;
  *count = n;
  return 1;
}

/* "s01" of "1", "s1" or "s01", and tail behind it. */
static const char *padded(struct efme_strings *pool, const struct form *form, const char *digits, size_t count, const char *tail) {
  struct efme_text t;
  efme_text_init(&t, pool->allocator);
  efme_text_add(&t, form->prefix);
  for (size_t i = count; i < form->digits; i++) efme_text_add_n(&t, "0", 1);
  efme_text_add_n(&t, digits, count);
  efme_text_add(&t, tail);
  char *made = NULL;
  if (efme_text_take(&t, &made, NULL)) return NULL;
  const char *kept = efme_key_copy(pool, made);
  efme_mem_free(pool->allocator, made);
  return kept;
}

const char *efme_key_subject(struct efme_strings *pool, const char *dataset, const char *text) {
  size_t n = strlen(dataset);
  if (!strncmp(text, dataset, n) && text[n] == '/') text += n + 1;
  const struct form *form = form_of(dataset);
  const char *digits = NULL;
  size_t count = 0;
  if (form && number_in(form, text, strlen(text), &digits, &count)) {
    text = padded(pool, form, digits, count, "");
    if (!text) return NULL;
  }
  return efme_key_join(pool, dataset, text);
}

/* The subject at the front of a clip of a dataset whose clips tell it. */
static int clip_number(const struct form *form, const char *clip, const char **digits, size_t *count, const char **tail) {
  *tail = form && form->clip_tells ? strchr(clip, '_') : NULL;
  return *tail && number_in(form, clip, (size_t)(*tail - clip), digits, count);
}

const char *efme_key_clip(struct efme_strings *pool, const char *dataset, const char *text) {
  const struct form *form = form_of(dataset);
  const char *digits = NULL, *tail;
  size_t count = 0;
  if (clip_number(form, text, &digits, &count, &tail)) return padded(pool, form, digits, count, tail);
  return efme_key_copy(pool, text);
}

efme_status efme_key_subject_of_clip(struct efme_strings *pool, const char **out, const char *dataset, const char *clip) {
  const struct form *form = form_of(dataset);
  const char *digits = NULL, *tail;
  size_t count = 0;
  *out = NULL;
  if (!clip_number(form, clip, &digits, &count, &tail)) return EFME_OK;
  const char *subject = padded(pool, form, digits, count, "");
  *out = subject ? efme_key_join(pool, dataset, subject) : NULL;
  return *out ? EFME_OK : EFME_E_NOMEM;
}

int efme_key_substring(const char *part, const char *whole) {
  const char *a = strchr(part, '/'), *b = strchr(whole, '/');
  if (!a || !b || a - part != b - whole || memcmp(part, whole, (size_t)(a - part)) || !strcmp(a, b)) return 0;
  char dataset[32];
  if ((size_t)(a - part) >= sizeof dataset) return strstr(b + 1, a + 1) != NULL;
  memcpy(dataset, part, (size_t)(a - part));
  dataset[a - part] = '\0';
  const struct form *form = form_of(dataset);
  const char *x = a + 1, *y = b + 1;
  size_t n = strlen(x), m = strlen(y);
  /* On disk numbers of SMIC stand unpadded, so that is how the search meets them; the prefix is part of both. */
  if (form && *form->prefix && number_in(form, a + 1, strlen(a + 1), &x, &n) && number_in(form, b + 1, strlen(b + 1), &y, &m))
    return n < m && !memcmp(x, y, n);
  return strstr(y, x) != NULL;
}
