/* Two datasets, sample by sample: what one lacks, and where labels differ. */
#include <stdlib.h>
#include <string.h>

#include "release/release.h"

struct side {
  const char *key, *label;
};

static int by_key(const void *a, const void *b) { return strcmp(((const struct side *)a)->key, ((const struct side *)b)->key); }

static struct side *sides_of(const efme_dataset *d) {
  struct side *list = efme_mem_array(d->allocator, d->count, sizeof *list, "samples");
  if (!list) return NULL;
  for (uint64_t i = 0; i < d->count; i++)
    list[i] = (struct side){efme_item_record(d, i)->key, d->labels[i] == EFME_NO_CLASS ? "" : d->class_names[d->labels[i]]};
  qsort(list, d->count, sizeof *list, by_key);
  return list;
}

/* a or b NULL: the sample is in the other alone. */
static void tell(struct efme_text *t, int json, uint64_t number, const struct side *a, const struct side *b) {
  if (!json) {
    if (a && b) efme_text_printf(t, "%s: %s in the first, %s in the second\n", a->key, a->label, b->label);
    else efme_text_printf(t, "%s (%s): in the %s alone\n", a ? a->key : b->key, a ? a->label : b->label, a ? "first" : "second");
    return;
  }
  efme_text_add(t, number ? ",\n  {\"key\": " : "\n  {\"key\": ");
  efme_text_json(t, a ? a->key : b->key);
  const struct side *const sides[2] = {a, b};
  for (int k = 0; k < 2; k++) {
    efme_text_add(t, k ? ", \"second\": " : ", \"first\": ");
    if (sides[k]) efme_text_json(t, sides[k]->label);
    else efme_text_add(t, "null");
  }
  efme_text_add(t, "}");
}

static uint64_t merge(struct efme_text *t, int json, const struct side *a, uint64_t na, const struct side *b, uint64_t nb) {
  uint64_t i = 0, k = 0, found = 0;
  while (i < na || k < nb) {
    int order = i == na ? 1 : k == nb ? -1 : strcmp(a[i].key, b[k].key);
    if (order || strcmp(a[i].label, b[k].label)) tell(t, json, found++, order <= 0 ? &a[i] : NULL, order >= 0 ? &b[k] : NULL);
    i += order <= 0, k += order >= 0;
  }
  return found;
}

efme_status efme_dataset_compare(const efme_dataset *d, const efme_dataset *other, int json, uint64_t *differences, char **text) {
  if (!d || !other || !differences) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !d ? "dataset" : !other ? "other" : "differences");
  struct side *a = sides_of(d), *b = a ? sides_of(other) : NULL;
  struct efme_text t;
  efme_text_init(&t, d->allocator);
  efme_status status = a && b ? EFME_OK : EFME_E_NOMEM;
  uint64_t found = 0;
  if (!status) {
    efme_text_add(&t, json ? "[" : "");
    found = merge(&t, json, a, d->count, b, other->count);
    efme_text_add(&t, json ? found ? "\n]\n" : "]\n" : "");
    if (text) status = efme_text_export(&t, text);
  }
  efme_text_free(&t);
  efme_mem_free(d->allocator, a);
  efme_mem_free(d->allocator, b);
  if (!status) *differences = found;
  return status;
}
