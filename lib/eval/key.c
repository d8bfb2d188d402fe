/* Keys of foreign logs and tables; see key.h. */
#include <string.h>

#include "data/keys.h"
#include "eval/key.h"

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
  return efme_key_set(copy);
}

efme_status efme_key_split(struct efme_strings *pool, const char **dataset, const char **rest, const char *text) {
  const char *slash = strchr(text, '/');
  *dataset = NULL;
  if (!slash) return EFME_OK;
  const char *front = efme_strings_add(pool, text, (size_t)(slash - text));
  *dataset = front ? efme_key_dataset(pool, front) : NULL;
  *rest = slash + 1;
  return *dataset ? EFME_OK : EFME_E_NOMEM;
}

const char *efme_key_subject(struct efme_strings *pool, const char *dataset, const char *text) {
  const char *front, *rest;
  char bare[32];
  if (efme_key_split(pool, &front, &rest, text)) return NULL;
  if (front && !strcmp(front, dataset)) text = rest;
  return efme_key_join(pool, dataset, efme_key_bare_subject(bare, dataset, text));
}

/* The subject at the front of a clip of a dataset whose clips tell it. */
static int clip_number(const struct efme_key_form *form, const char *clip, const char **digits, size_t *count, const char **tail) {
  *tail = form && form->clip_tells ? strchr(clip, '_') : NULL;
  return *tail && efme_key_number(form, clip, (size_t)(*tail - clip), digits, count);
}

const char *efme_key_clip(struct efme_strings *pool, const char *dataset, const char *text) {
  const struct efme_key_form *form = efme_key_form(dataset);
  const char *digits = NULL, *tail;
  char subject[32], *made = NULL;
  size_t count = 0;
  if (!clip_number(form, text, &digits, &count, &tail)) return efme_key_copy(pool, text);
  efme_key_spell(subject, form, digits, count);
  struct efme_text t;
  efme_text_init(&t, pool->allocator);
  efme_text_add(&t, subject);
  efme_text_add(&t, tail);
  if (efme_text_take(&t, &made, NULL)) return NULL;
  const char *kept = efme_key_copy(pool, made);
  efme_mem_free(pool->allocator, made);
  return kept;
}

efme_status efme_key_subject_of_clip(struct efme_strings *pool, const char **out, const char *dataset, const char *clip) {
  const struct efme_key_form *form = efme_key_form(dataset);
  const char *digits = NULL, *tail;
  char subject[32];
  size_t count = 0;
  *out = NULL;
  if (!clip_number(form, clip, &digits, &count, &tail)) return EFME_OK;
  efme_key_spell(subject, form, digits, count);
  *out = efme_key_join(pool, dataset, subject);
  return *out ? EFME_OK : EFME_E_NOMEM;
}

int efme_key_substring(const char *part, const char *whole) {
  const char *a = strchr(part, '/'), *b = strchr(whole, '/');
  if (!a || !b || a - part != b - whole || memcmp(part, whole, (size_t)(a - part)) || !strcmp(a, b)) return 0;
  char dataset[32];
  if ((size_t)(a - part) >= sizeof dataset) return strstr(b + 1, a + 1) != NULL;
  memcpy(dataset, part, (size_t)(a - part));
  dataset[a - part] = '\0';
  const struct efme_key_form *form = efme_key_form(dataset);
  const char *x = a + 1, *y = b + 1;
  size_t n = strlen(x), m = strlen(y);
  /* On disk numbers of SMIC stand unpadded, so that is how the search meets them; the prefix is part of both. */
  if (form && *form->prefix && efme_key_number(form, a + 1, strlen(a + 1), &x, &n) && efme_key_number(form, b + 1, strlen(b + 1), &y, &m))
    return n < m && !memcmp(x, y, n);
  return strstr(y, x) != NULL;
}
