/* Sets of dataset ids, subject keys and content hashes, kept sorted so that questions are binary searches and two equal
 * pasts are written as the same bytes. */
#include "net/provenance.h"

#include <string.h>

efme_status efme_provenance_create(struct efme_provenance **out, const struct efme_allocator *a, int known) {
  struct efme_provenance *p = efme_mem_calloc(a, 1, sizeof *p, "provenance");
  if (!p) return EFME_E_NOMEM;
  p->allocator = *a;
  p->known = known != 0;
  *out = p;
  return EFME_OK;
}

void efme_provenance_free(struct efme_provenance *p) {
  if (!p) return;
  struct efme_allocator a = p->allocator;
  for (size_t i = 0; i < p->dataset_count; i++) efme_mem_free(&a, p->datasets[i]);
  for (size_t i = 0; i < p->subject_count; i++) efme_mem_free(&a, p->subjects[i]);
  efme_mem_free(&a, p->datasets);
  efme_mem_free(&a, p->subjects);
  efme_mem_free(&a, p->contents);
  efme_mem_free(&a, p);
}

/* Index of the first string not below s; *found tells whether it is s. */
static size_t string_find(char *const *items, size_t count, const char *s, int *found) {
  size_t low = 0, high = count;
  *found = 0;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    int order = strcmp(items[mid], s);
    if (order == 0) {
      *found = 1;
      return mid;
    }
    if (order < 0) low = mid + 1;
    else high = mid;
  }
  return low;
}

static efme_status string_add(const struct efme_allocator *a, char ***items, size_t *count, size_t *capacity, const char *s) {
  if (!s || !*s) return EFME_OK;
  int found;
  size_t at = string_find(*items, *count, s, &found);
  if (found) return EFME_OK;
  efme_status status = efme_mem_grow(a, (void **)items, capacity, *count + 1, sizeof **items, "provenance");
  if (status) return status;
  char *copy = efme_mem_strdup(a, s);
  if (!copy) return EFME_E_NOMEM;
  memmove(*items + at + 1, *items + at, (*count - at) * sizeof **items);
  (*items)[at] = copy;
  ++*count;
  return EFME_OK;
}

efme_status efme_provenance_add_dataset(struct efme_provenance *p, const char *id) {
  return string_add(&p->allocator, &p->datasets, &p->dataset_count, &p->dataset_capacity, id);
}

efme_status efme_provenance_add_subject(struct efme_provenance *p, const char *key) {
  return string_add(&p->allocator, &p->subjects, &p->subject_count, &p->subject_capacity, key);
}

/* Heap sort: no recursion, no hidden allocation. */
static void sift(uint64_t *v, size_t root, size_t count) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && v[child] < v[child + 1]) child++;
    if (v[root] >= v[child]) return;
    uint64_t t = v[root];
    v[root] = v[child];
    v[child] = t;
  }
}

static void sort_hashes(uint64_t *v, size_t count) {
  for (size_t i = count / 2; i-- > 0;) sift(v, i, count);
  for (size_t end = count; end-- > 1;) {
    uint64_t t = v[0];
    v[0] = v[end];
    v[end] = t;
    sift(v, 0, end);
  }
}

efme_status efme_provenance_add_contents(struct efme_provenance *p, const uint64_t *hashes, size_t count) {
  if (count > SIZE_MAX - p->content_count) return efme_fail(EFME_E_LIMIT, "provenance: %zu content hashes", count);
  efme_status status = efme_mem_grow(&p->allocator, (void **)&p->contents, &p->content_capacity, p->content_count + count,
                                     sizeof *p->contents, "provenance");
  if (status) return status;
  size_t n = p->content_count, kept = 0;
  for (size_t i = 0; i < count; i++)
    if (hashes[i]) p->contents[n++] = hashes[i];
  sort_hashes(p->contents, n);
  for (size_t i = 0; i < n; i++)
    if (kept == 0 || p->contents[kept - 1] != p->contents[i]) p->contents[kept++] = p->contents[i];
  p->content_count = kept;
  return EFME_OK;
}

efme_status efme_provenance_add_sample(struct efme_provenance *p, const char *dataset, const char *subject) {
  efme_status status = efme_provenance_add_dataset(p, dataset);
  if (status) return status;
  if (*subject || !*dataset || efme_provenance_has_nameless(p, dataset)) return efme_provenance_add_subject(p, subject);
  char *key = efme_path_join(&p->allocator, dataset, ""); /* "casme2/" */
  status = key ? efme_provenance_add_subject(p, key) : EFME_E_NOMEM;
  efme_mem_free(&p->allocator, key);
  return status;
}

efme_status efme_provenance_merge(struct efme_provenance *p, const struct efme_provenance *other) {
  efme_status status = EFME_OK;
  for (size_t i = 0; !status && i < other->dataset_count; i++) status = efme_provenance_add_dataset(p, other->datasets[i]);
  for (size_t i = 0; !status && i < other->subject_count; i++) status = efme_provenance_add_subject(p, other->subjects[i]);
  if (!status) status = efme_provenance_add_contents(p, other->contents, other->content_count);
  if (!status) p->known = p->known && other->known;
  return status;
}

efme_status efme_provenance_clone(struct efme_provenance **out, const struct efme_allocator *a, const struct efme_provenance *source) {
  struct efme_provenance *p;
  efme_status status = efme_provenance_create(&p, a, source->known);
  if (status) return status;
  status = efme_provenance_merge(p, source);
  if (status) {
    efme_provenance_free(p);
    return status;
  }
  *out = p;
  return EFME_OK;
}

int efme_provenance_has_dataset(const struct efme_provenance *p, const char *id) {
  int found;
  string_find(p->datasets, p->dataset_count, id, &found);
  return found;
}

int efme_provenance_has_subject(const struct efme_provenance *p, const char *key) {
  int found;
  string_find(p->subjects, p->subject_count, key, &found);
  return found;
}

int efme_provenance_has_content(const struct efme_provenance *p, uint64_t hash) {
  size_t low = 0, high = p->content_count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (p->contents[mid] == hash) return 1;
    if (p->contents[mid] < hash) low = mid + 1;
    else high = mid;
  }
  return 0;
}

int efme_provenance_has_nameless(const struct efme_provenance *p, const char *dataset) {
  size_t n = strlen(dataset);
  for (size_t i = 0; i < p->subject_count; i++)
    if (strncmp(p->subjects[i], dataset, n) == 0 && strcmp(p->subjects[i] + n, "/") == 0) return 1;
  return 0;
}

static int strings_equal(char *const *a, size_t count_a, char *const *b, size_t count_b) {
  if (count_a != count_b) return 0;
  for (size_t i = 0; i < count_a; i++)
    if (strcmp(a[i], b[i]) != 0) return 0;
  return 1;
}

int efme_provenance_equal(const struct efme_provenance *a, const struct efme_provenance *b) {
  return a->known == b->known && strings_equal(a->datasets, a->dataset_count, b->datasets, b->dataset_count) &&
         strings_equal(a->subjects, a->subject_count, b->subjects, b->subject_count) && a->content_count == b->content_count &&
         (a->content_count == 0 || memcmp(a->contents, b->contents, a->content_count * sizeof *a->contents) == 0);
}

/* ---- text form ---- */

static void write_string(struct efme_text *t, char tag, const char *s) {
  char head[2] = {tag, ' '};
  efme_text_add_n(t, head, 2);
  for (; *s; s++) {
    if (*s == '\\') efme_text_add_n(t, "\\\\", 2);
    else if (*s == '\n') efme_text_add_n(t, "\\n", 2);
    else efme_text_add_n(t, s, 1);
  }
  efme_text_add_n(t, "\n", 1);
}

void efme_provenance_write(const struct efme_provenance *p, struct efme_text *text) {
  efme_text_add(text, p->known ? "efme-provenance 1 known\n" : "efme-provenance 1 unknown\n");
  for (size_t i = 0; i < p->dataset_count; i++) write_string(text, 'd', p->datasets[i]);
  for (size_t i = 0; i < p->subject_count; i++) write_string(text, 's', p->subjects[i]);
  if (!p->content_count) return;
  efme_text_add(text, "h ");
  for (size_t i = 0; i < p->content_count; i++) {
    uint8_t bytes[8]; /* big endian, so that the digits read as the number */
    char hex[17];
    for (int k = 0; k < 8; k++) bytes[k] = (uint8_t)(p->contents[i] >> (56 - 8 * k));
    efme_hex(hex, bytes, 8);
    efme_text_add_n(text, hex, 16);
  }
  efme_text_add(text, "\n");
}

static efme_status parse_hashes(struct efme_provenance *p, const char *s, size_t n) {
  if (n % 16) return efme_fail(EFME_E_FORMAT, "provenance: content hashes of %zu digits, not a multiple of 16", n);
  if (p->content_count) return efme_fail(EFME_E_FORMAT, "provenance: a second line of content hashes");
  efme_status status = efme_mem_grow(&p->allocator, (void **)&p->contents, &p->content_capacity, n / 16, sizeof *p->contents, "provenance");
  if (status) return status;
  for (size_t i = 0; i < n / 16; i++) {
    uint64_t hash;
    if (!efme_parse_hex64(s + 16 * i, &hash))
      return efme_fail(EFME_E_FORMAT, "provenance: content hash %zu has a character that is no hex digit", i);
    if (hash == 0 || (i && hash <= p->contents[i - 1])) return efme_fail(EFME_E_FORMAT, "provenance: content hash %zu is out of order", i);
    p->contents[i] = hash;
    p->content_count = i + 1;
  }
  return EFME_OK;
}

static efme_status parse_string(struct efme_provenance *p, char tag, const char *s, size_t n) {
  char *plain = efme_mem_alloc(&p->allocator, n + 1, "provenance");
  if (!plain) return EFME_E_NOMEM;
  size_t size = 0;
  efme_status status = EFME_OK;
  for (size_t i = 0; i < n && !status; i++) {
    char c = s[i];
    if (c == '\0') status = efme_fail(EFME_E_FORMAT, "provenance: a NUL inside a name");
    if (c == '\\') {
      c = i + 1 < n ? s[++i] : '\0';
      if (c == 'n') c = '\n';
      else if (c != '\\') status = efme_fail(EFME_E_FORMAT, "provenance: a backslash that escapes nothing");
    }
    plain[size++] = c;
  }
  plain[size] = '\0';
  char **items = tag == 'd' ? p->datasets : p->subjects;
  size_t count = tag == 'd' ? p->dataset_count : p->subject_count;
  if (!status && (size == 0 || (count && strcmp(items[count - 1], plain) >= 0)))
    status = efme_fail(EFME_E_FORMAT, "provenance: '%s' is out of order", plain);
  if (!status) status = tag == 'd' ? efme_provenance_add_dataset(p, plain) : efme_provenance_add_subject(p, plain);
  efme_mem_free(&p->allocator, plain);
  return status;
}

static efme_status parse_lines(struct efme_provenance *p, const char *text, size_t size) {
  while (size) {
    const char *end = memchr(text, '\n', size);
    if (!end) return efme_fail(EFME_E_FORMAT, "provenance: the last line has no end");
    size_t n = (size_t)(end - text);
    efme_status status;
    if (n >= 2 && text[1] == ' ' && (text[0] == 'd' || text[0] == 's')) status = parse_string(p, text[0], text + 2, n - 2);
    else if (n >= 2 && text[0] == 'h' && text[1] == ' ') status = parse_hashes(p, text + 2, n - 2);
    else status = efme_fail(EFME_E_FORMAT, "provenance: a line of an unknown kind");
    if (status) return status;
    text = end + 1;
    size -= n + 1;
  }
  return EFME_OK;
}

efme_status efme_provenance_parse(struct efme_provenance **out, const struct efme_allocator *a, const char *text, size_t size) {
  static const char name[] = "efme-provenance ", known[] = "1 known\n", unknown[] = "1 unknown\n";
  size_t at = sizeof name - 1;
  if (size < at || memcmp(text, name, at) != 0) return efme_fail(EFME_E_FORMAT, "provenance: does not begin with '%s'", name);
  int is_known = size - at >= sizeof known - 1 && memcmp(text + at, known, sizeof known - 1) == 0;
  int is_unknown = size - at >= sizeof unknown - 1 && memcmp(text + at, unknown, sizeof unknown - 1) == 0;
  if (!is_known && !is_unknown) return efme_fail(EFME_E_FORMAT, "provenance: version is not 1, or neither known nor unknown");
  at += is_known ? sizeof known - 1 : sizeof unknown - 1;
  struct efme_provenance *p;
  efme_status status = efme_provenance_create(&p, a, is_known);
  if (status) return status;
  status = parse_lines(p, text + at, size - at);
  if (status) {
    efme_provenance_free(p);
    return status;
  }
  *out = p;
  return EFME_OK;
}
