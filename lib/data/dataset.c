/* The dataset handle: making views over stores, and finding things in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "data/loader.h"

efme_dataset *efme_dataset_new(efme_context *context, uint64_t count, uint32_t stores) {
  const struct efme_allocator *a = efme_context_allocator(context);
  efme_dataset *d = efme_mem_calloc(a, 1, sizeof *d, "dataset");
  if (!d) return NULL;
  atomic_init(&d->refs, 1);
  d->context = efme_context_retain(context);
  d->allocator = a;
  d->count = count;
  efme_strings_init(&d->strings, a);
  d->items = efme_mem_array(a, count, sizeof *d->items, "samples");
  d->labels = efme_mem_array(a, count, sizeof *d->labels, "labels");
  d->stores = efme_mem_calloc(a, stores, sizeof *d->stores, "dataset");
  if (d->items && d->labels && d->stores) return d;
  efme_dataset_release(d);
  return NULL;
}

void efme_dataset_release(efme_dataset *d) {
  if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1) return;
  const struct efme_allocator *a = d->allocator;
  efme_context *context = d->context;
  for (uint32_t i = 0; i < d->store_count; i++) efme_store_release(d->stores[i]);
  efme_mem_free(a, d->stores);
  efme_mem_free(a, d->items);
  efme_mem_free(a, d->labels);
  efme_mem_free(a, (void *)d->class_names);
  efme_mem_free(a, (void *)d->subjects);
  efme_mem_free(a, d->dropped);
  efme_strings_free(&d->strings);
  efme_mem_free(a, d);
  efme_context_release(context);
}

efme_dataset *efme_dataset_retain(efme_dataset *d) {
  if (d) atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
  return d;
}

efme_context *efme_dataset_context(const efme_dataset *d) { return d->context; }

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Distinct strings of the items, in byte order, without "". */
static efme_status distinct(const char ***out, uint32_t *n_out, const efme_dataset *d, size_t offset) {
  const char **list = efme_mem_array(d->allocator, d->count, sizeof *list, "names");
  if (!list) return EFME_E_NOMEM;
  size_t n = 0;
  for (uint64_t i = 0; i < d->count; i++) {
    const char *s = *(const char *const *)((const char *)efme_item_record(d, i) + offset);
    if (s[0] && !(n && list[n - 1] == s)) list[n++] = s; /* neighbours are often equal */
  }
  qsort(list, n, sizeof *list, by_text);
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (!kept || strcmp(list[kept - 1], list[i])) list[kept++] = list[i];
  *out = list;
  *n_out = (uint32_t)kept;
  return EFME_OK;
}

static efme_status set_classes(efme_dataset *d, const char *const *names, uint32_t count) {
  if (!count) return EFME_OK;
  if (count > EFME_MAX_CLASSES) return efme_fail(EFME_E_LIMIT, "%u classes, at most %d are possible", count, EFME_MAX_CLASSES);
  d->class_names = efme_mem_array(d->allocator, count, sizeof *d->class_names, "classes");
  if (!d->class_names) return EFME_E_NOMEM;
  for (uint32_t i = 0; i < count; i++)
    if (!(d->class_names[i] = efme_strings_add(&d->strings, names[i], strlen(names[i])))) return EFME_E_NOMEM;
  d->class_count = count;
  return EFME_OK;
}

efme_status efme_dataset_seal(efme_dataset *d, const char *const *class_names, uint32_t class_count) {
  efme_status status = set_classes(d, class_names, class_count);
  return status ? status : distinct(&d->subjects, &d->subject_count, d, offsetof(struct efme_record, subject));
}

int32_t efme_dataset_find_class(const efme_dataset *d, const char *name, size_t n) {
  for (uint32_t i = 0; i < d->class_count; i++)
    if (!strncmp(d->class_names[i], name, n) && !d->class_names[i][n]) return (int32_t)i;
  return EFME_NO_CLASS;
}

/* Class of each item that was given none, from its native label. Equal labels are one pointer, and often neighbours. */
static void label_by_native(efme_dataset *d) {
  const char *last = NULL;
  int32_t label = EFME_NO_CLASS;
  for (uint64_t i = 0; i < d->count; i++) {
    const char *native = efme_item_record(d, i)->native;
    if (d->labels[i] != EFME_NO_CLASS) continue;
    if (native != last) label = efme_dataset_find_class(d, native, strlen(native));
    last = native;
    d->labels[i] = label;
  }
}

efme_status efme_dataset_from_store(efme_dataset **out, struct efme_store *store, const char *const *class_names, uint32_t class_count) {
  efme_dataset *d = efme_dataset_new(store->context, store->count, 1);
  if (!d) {
    efme_store_release(store);
    return EFME_E_NOMEM;
  }
  d->stores[d->store_count++] = store;
  for (uint64_t i = 0; i < d->count; i++) {
    d->items[i] = (struct efme_item){0, (uint32_t)i};
    d->labels[i] = store->records[i].label;
  }
  const char **natives = NULL;
  efme_status status = EFME_OK;
  if (!class_names) {
    status = distinct(&natives, &class_count, d, offsetof(struct efme_record, native));
    class_names = natives;
  }
  if (!status) status = efme_dataset_seal(d, class_names, class_count);
  efme_mem_free(d->allocator, (void *)natives);
  if (status) {
    efme_dataset_release(d);
    return status;
  }
  label_by_native(d);
  *out = d;
  return EFME_OK;
}

efme_status efme_dataset_view(efme_dataset **out, const efme_dataset *parent, const uint64_t *indices, uint64_t count,
                              const int32_t *labels, const char *const *class_names, uint32_t class_count) {
  efme_dataset *d = efme_dataset_new(parent->context, count, parent->store_count);
  if (!d) return EFME_E_NOMEM;
  for (uint32_t i = 0; i < parent->store_count; i++) d->stores[d->store_count++] = efme_store_retain(parent->stores[i]);
  for (uint64_t i = 0; i < count; i++) {
    d->items[i] = parent->items[indices[i]];
    d->labels[i] = labels ? labels[i] : parent->labels[indices[i]];
  }
  efme_status status =
      efme_dataset_seal(d, class_names ? class_names : parent->class_names, class_names ? class_count : parent->class_count);
  if (status) {
    efme_dataset_release(d);
    return status;
  }
  *out = d;
  return EFME_OK;
}

int efme_dataset_has_column(const efme_dataset *d, const char *column) {
  static const char *const known[] = {"key", "dataset", "subject", "clip", "split", "path", "label", "native_label"};
  for (size_t i = 0; i < EFME_COUNT(known); i++)
    if (!strcmp(column, known[i])) return 1;
  for (uint32_t s = 0; s < d->store_count; s++)
    for (size_t c = 0; c < d->stores[s]->column_count; c++)
      if (!strcmp(column, d->stores[s]->columns[c])) return 1;
  return 0;
}

const char *efme_item_field(const efme_dataset *d, uint64_t i, const char *column) {
  const struct efme_store *s = efme_item_store(d, i);
  const struct efme_record *r = efme_item_record(d, i);
  if (!strcmp(column, "key")) return r->key;
  if (!strcmp(column, "dataset")) return r->dataset;
  if (!strcmp(column, "subject")) return r->subject;
  if (!strcmp(column, "clip")) return r->clip;
  if (!strcmp(column, "split")) return r->split;
  if (!strcmp(column, "path")) return r->path;
  if (!strcmp(column, "native_label")) return r->native;
  if (!strcmp(column, "label")) return d->labels[i] == EFME_NO_CLASS ? "" : d->class_names[d->labels[i]];
  for (size_t c = 0; c < s->column_count; c++)
    if (!strcmp(column, s->columns[c])) return s->values[(size_t)d->items[i].record * s->column_count + c];
  return "";
}

void efme_item_name(const efme_dataset *d, uint64_t i, char name[256]) {
  const struct efme_record *r = efme_item_record(d, i);
  if (r->path[0]) snprintf(name, 256, "%s", r->path);
  else snprintf(name, 256, "sample %s (row %llu)", r->key, (unsigned long long)r->row);
}
