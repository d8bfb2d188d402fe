/* A dataset of the host program: its describe function is asked for every sample once, its read function whenever pixels
 * are needed, from any thread. */
#include <stdio.h>
#include <string.h>

#include "data/dataset.h"
#include "data/keys.h"

static efme_status host_read(struct efme_store *s, uint64_t record, efme_image **out) {
  const efme_dataset_callbacks *c = s->state;
  efme_image *image = NULL;
  char text[512];
  efme_error_save(text);
  efme_fail(EFME_E_INTERNAL, "the program's read function failed without a reason"); /* in case it sets none */
  efme_status status = c->read(&image, s->context, s->records[record].row, c->user);
  if (!status && !image) status = efme_fail(EFME_E_ARGUMENT, "the program's read function returned no image");
  if (status) {
    efme_image_release(image);
    return efme_fail_prefix(status, "sample %s (row %llu)", s->records[record].key, (unsigned long long)s->records[record].row);
  }
  efme_error_restore(text);
  *out = image;
  return EFME_OK;
}

static void host_destroy(struct efme_store *s) {
  efme_dataset_callbacks *c = s->state;
  if (c->destroy) c->destroy(c->user);
  efme_mem_free(s->allocator, c);
}

static const struct efme_source host_source = {host_read, NULL, host_destroy};

static const char *text(const char *s) { return s ? s : ""; }

static efme_status add_sample(struct efme_store *s, const efme_dataset_callbacks *c, uint64_t index) {
  efme_sample sample = EFME_SAMPLE_INIT;
  sample.label = EFME_NO_CLASS;
  sample.onset = sample.apex = sample.offset = -1;
  char before[512];
  efme_error_save(before);
  efme_fail(EFME_E_INTERNAL, "the program's describe function failed without a reason");
  efme_status status = c->describe(&sample, index, c->user);
  if (status) return status;
  efme_error_restore(before);
  struct efme_row r = EFME_ROW_INIT;
  char number[32], subject[32];
  snprintf(number, sizeof number, "%llu", (unsigned long long)index);
  r.dataset = sample.dataset && sample.dataset[0] ? efme_key_set(sample.dataset) : "host";
  r.subject = efme_key_bare_subject(subject, r.dataset, text(sample.subject));
  r.clip = sample.clip && sample.clip[0] ? sample.clip : number;
  r.split = text(sample.split), r.path = text(sample.path), r.native = text(sample.native_label);
  r.onset = sample.onset, r.apex = sample.apex, r.offset = sample.offset;
  r.row = index;
  if (c->class_names) {
    if (sample.label < EFME_NO_CLASS || sample.label >= (int32_t)c->class_count)
      return efme_fail(EFME_E_ARGUMENT, "label %d, there are %u classes", sample.label, c->class_count);
    r.label = sample.label;
    if (!r.native[0] && sample.label >= 0) r.native = c->class_names[sample.label];
  } else if (!r.native[0]) return efme_fail(EFME_E_ARGUMENT, "neither a native_label nor class names");
  return efme_store_add(s, &r);
}

static efme_status check(efme_dataset_callbacks *c, const efme_dataset_callbacks *callbacks) {
  static const efme_dataset_callbacks none = {sizeof none, 0, NULL, NULL, NULL, NULL, NULL, 0, 0};
  efme_status status = efme_options_load(c, sizeof *c, callbacks, &none, "efme_dataset_callbacks");
  if (status) return status;
  if (!c->describe || !c->read) return efme_fail(EFME_E_ARGUMENT, "efme_dataset_callbacks.%s is NULL", c->describe ? "read" : "describe");
  if (!c->count) return efme_fail(EFME_E_ARGUMENT, "efme_dataset_callbacks.count is 0");
  if (c->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_dataset_callbacks.reserved is not 0");
  if (!c->class_names != !c->class_count) return efme_fail(EFME_E_ARGUMENT, "class_names and class_count are given together or not at all");
  if (c->class_count > EFME_MAX_CLASSES)
    return efme_fail(EFME_E_LIMIT, "%u classes, at most %d are possible", c->class_count, EFME_MAX_CLASSES);
  for (uint32_t i = 0; i < c->class_count; i++)
    if (!c->class_names[i] || !c->class_names[i][0]) return efme_fail(EFME_E_ARGUMENT, "class_names[%u] is empty", i);
  return EFME_OK;
}

efme_status efme_dataset_create(efme_dataset **out, efme_context *context, const efme_dataset_callbacks *callbacks) {
  if (!out || !context || !callbacks) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "callbacks");
  efme_dataset_callbacks c;
  efme_status status = check(&c, callbacks);
  if (status) return status;
  struct efme_store *s;
  status = efme_store_create(&s, context, NULL);
  if (status) return status;
  for (uint64_t i = 0; i < c.count && !status; i++) {
    status = add_sample(s, &c, i);
    if (status) efme_fail_prefix(status, "sample %llu", (unsigned long long)i);
  }
  if (!status) status = efme_store_finish(s, "the program's dataset");
  if (!status && !(s->state = efme_mem_alloc(s->allocator, sizeof c, "dataset"))) status = EFME_E_NOMEM;
  if (status) {
    efme_store_release(s); /* without destroy: the program still owns `user` */
    return status;
  }
  memcpy(s->state, &c, sizeof c);
  s->source = &host_source;
  efme_dataset *d;
  efme_dataset_callbacks *kept = s->state;
  kept->destroy = NULL;
  status = efme_dataset_from_store(&d, s, c.class_names, c.class_count);
  if (status) return status;
  kept->destroy = c.destroy;
  *out = d;
  return EFME_OK;
}
