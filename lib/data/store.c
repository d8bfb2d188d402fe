/* Stores: records and their keys, from the first row to the check that no key stands twice. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

efme_status efme_store_create(struct efme_store **out, efme_context *context, const efme_dataset_options *options) {
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_store *s = efme_mem_calloc(a, 1, sizeof *s, "dataset");
  if (!s) return EFME_E_NOMEM;
  atomic_init(&s->refs, 1);
  s->allocator = a;
  s->root = "";
  efme_strings_init(&s->strings, a);
  efme_status status = efme_image_options_load(&s->image, options ? options->image : NULL);
  if (status) {
    efme_mem_free(a, s);
    return status;
  }
  s->context = efme_context_retain(context);
  *out = s;
  return EFME_OK;
}

struct efme_store *efme_store_retain(struct efme_store *store) {
  atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
  return store;
}

void efme_store_release(struct efme_store *s) {
  if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  const struct efme_allocator *a = s->allocator;
  efme_context *context = s->context;
  if (s->source && s->source->destroy) s->source->destroy(s);
  efme_strings_free(&s->strings);
  efme_mem_free(a, s->records);
  efme_mem_free(a, (void *)s->columns);
  efme_mem_free(a, (void *)s->values);
  efme_mem_free(a, s->contents);
  efme_mem_free(a, (void *)s->hashes);
  efme_mem_free(a, (void *)s->decoders);
  efme_mem_free(a, s);
  efme_context_release(context);
}

/* "dataset/subject/clip"; record->clip points at its tail. */
static efme_status make_key(struct efme_store *s, struct efme_record *r, const struct efme_row *row) {
  size_t nd = strlen(row->dataset), ns = strlen(row->subject), nc = strlen(row->clip);
  char *key = efme_mem_alloc(s->allocator, nd + ns + nc + 3, "sample key");
  if (!key) return EFME_E_NOMEM;
  memcpy(key, row->dataset, nd);
  key[nd] = '/';
  memcpy(key + nd + 1, row->subject, ns);
  size_t subject_end = nd + 1 + ns;
  key[subject_end] = '/';
  memcpy(key + subject_end + 1, row->clip, nc + 1);
  char *kept = efme_strings_add(&s->strings, key, subject_end + 1 + nc);
  r->key = kept;
  r->subject = ns ? efme_strings_intern(&s->strings, key, subject_end) : "";
  efme_mem_free(s->allocator, key);
  if (!kept || !r->subject) return EFME_E_NOMEM;
  r->clip = kept + subject_end + 1;
  return EFME_OK;
}

static const char *intern(struct efme_store *s, const char *text) {
  return text && text[0] ? efme_strings_intern(&s->strings, text, strlen(text)) : "";
}

efme_status efme_store_add(struct efme_store *s, const struct efme_row *row) {
  if (!row->dataset[0]) return efme_fail(EFME_E_FORMAT, "dataset is empty");
  if (strchr(row->dataset, '/')) return efme_fail(EFME_E_FORMAT, "dataset \"%s\" holds a /", row->dataset);
  if (strchr(row->subject, '/')) return efme_fail(EFME_E_FORMAT, "subject \"%s\" holds a /", row->subject);
  if (s->count >= UINT32_MAX) return efme_fail(EFME_E_LIMIT, "more than %u samples", UINT32_MAX);
  void *records = s->records;
  efme_status status = efme_mem_grow(s->allocator, &records, &s->capacity, s->count + 1, sizeof *s->records, "samples");
  s->records = records;
  if (status) return status;
  struct efme_record r = {.onset = row->onset, .apex = row->apex, .offset = row->offset, .label = row->label, .row = row->row};
  status = make_key(s, &r, row);
  if (status) return status;
  r.dataset = intern(s, row->dataset);
  r.split = intern(s, row->split);
  r.native = intern(s, row->native);
  r.path = row->path && row->path[0] ? efme_strings_add(&s->strings, row->path, strlen(row->path)) : "";
  if (!r.dataset || !r.split || !r.native || !r.path) return EFME_E_NOMEM;
  s->records[s->count++] = r;
  return EFME_OK;
}

static int by_key(const void *a, const void *b) {
  const struct efme_record *x = *(const struct efme_record *const *)a, *y = *(const struct efme_record *const *)b;
  int order = strcmp(x->key, y->key);
  return order ? order : (x > y) - (x < y);
}

efme_status efme_store_finish(struct efme_store *s, const char *name) {
  if (!s->count) return efme_fail(EFME_E_FORMAT, "%s: no samples", name);
  struct efme_record **sorted = efme_mem_array(s->allocator, s->count, sizeof *sorted, "sample keys");
  if (!sorted) return EFME_E_NOMEM;
  for (size_t i = 0; i < s->count; i++) sorted[i] = &s->records[i];
  qsort(sorted, s->count, sizeof *sorted, by_key);
  efme_status status = EFME_OK;
  for (size_t i = 1; i < s->count && !status; i++)
    if (!strcmp(sorted[i - 1]->key, sorted[i]->key))
      status = efme_fail(EFME_E_FORMAT, "%s: rows %llu and %llu are both sample %s", name, (unsigned long long)sorted[i - 1]->row,
                         (unsigned long long)sorted[i]->row, sorted[i]->key);
  size_t datasets = 1; /* keys begin with them, so each one's stand together */
  for (size_t i = 1; i < s->count; i++) datasets += sorted[i - 1]->dataset != sorted[i]->dataset; /* interned */
  if (!status && datasets > EFME_MAX_DATASETS)
    status = efme_fail(EFME_E_LIMIT, "%s: samples of %zu datasets, at most %u are possible", name, datasets, EFME_MAX_DATASETS);
  efme_mem_free(s->allocator, sorted);
  if (status) return status;
  s->hashes = efme_mem_array(s->allocator, s->count, 2 * sizeof *s->hashes, "hashes");
  if (!s->hashes) return EFME_E_NOMEM;
  s->decoders = efme_mem_array(s->allocator, s->count, sizeof *s->decoders, "decoders");
  if (!s->decoders) return EFME_E_NOMEM;
  for (size_t i = 0; i < 2 * s->count; i++) atomic_init(&s->hashes[i], 0);
  for (size_t i = 0; i < s->count; i++) atomic_init(&s->decoders[i], 0);
  return EFME_OK;
}
