/* What a dataset holds, in the form of the paper's tables: a line for each source (samples, subjects, annotated frames, classes), as in its
 * Table 1, and the native labels with the class they became, those that were dropped too, as in Table 2. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

struct pair { /* native label in a class */
  const char *native;
  int32_t label;
  uint64_t count;
};

struct summary {
  const char *dataset;
  uint64_t count;
  uint32_t subjects;
  uint64_t frames[3]; /* samples with an onset, an apex, an offset */
  uint64_t *classes;  /* [class_count + 1], the last for samples without class */
};

struct tables {
  const efme_dataset *d;
  struct summary *sources;
  size_t source_count;
  struct pair *pairs;
  size_t pair_count;
};

static int by_native(const void *a, const void *b) {
  const struct pair *x = a, *y = b;
  int order = (x->label > y->label) - (x->label < y->label);
  if (x->label == EFME_NO_CLASS || y->label == EFME_NO_CLASS) order = -order; /* those without class last */
  return order ? order : strcmp(x->native, y->native);
}

static efme_status add_item(struct tables *t, uint64_t i, size_t capacity[2]) {
  const efme_dataset *d = t->d;
  const struct efme_record *r = efme_item_record(d, i);
  size_t s = 0, p = 0;
  while (s < t->source_count && strcmp(t->sources[s].dataset, r->dataset)) s++;
  if (s == t->source_count) {
    void *items = t->sources;
    efme_status status = efme_mem_grow(d->allocator, &items, &capacity[0], s + 1, sizeof *t->sources, "describing");
    t->sources = items;
    if (status) return status;
    t->sources[s] = (struct summary){.dataset = r->dataset};
    if (!(t->sources[s].classes = efme_mem_calloc(d->allocator, d->class_count + 1, sizeof(uint64_t), "describing"))) return EFME_E_NOMEM;
    t->source_count++;
  }
  while (p < t->pair_count && (t->pairs[p].label != d->labels[i] || strcmp(t->pairs[p].native, r->native))) p++;
  if (p == t->pair_count) {
    void *items = t->pairs;
    efme_status status = efme_mem_grow(d->allocator, &items, &capacity[1], p + 1, sizeof *t->pairs, "describing");
    t->pairs = items;
    if (status) return status;
    t->pairs[t->pair_count++] = (struct pair){r->native, d->labels[i], 0};
  }
  t->pairs[p].count++;
  t->sources[s].count++;
  t->sources[s].frames[0] += r->onset >= 0, t->sources[s].frames[1] += r->apex >= 0, t->sources[s].frames[2] += r->offset >= 0;
  t->sources[s].classes[d->labels[i] == EFME_NO_CLASS ? d->class_count : (uint32_t)d->labels[i]]++;
  return EFME_OK;
}

static efme_status build(struct tables *t, const efme_dataset *d) {
  size_t capacity[2] = {0, 0};
  t->d = d;
  for (uint64_t i = 0; i < d->count; i++) {
    efme_status status = add_item(t, i, capacity);
    if (status) return status;
  }
  for (uint32_t k = 0; k < d->subject_count; k++)
    for (size_t s = 0; s < t->source_count; s++) {
      size_t n = strlen(t->sources[s].dataset);
      t->sources[s].subjects += !strncmp(d->subjects[k], t->sources[s].dataset, n) && d->subjects[k][n] == '/';
    }
  qsort(t->pairs, t->pair_count, sizeof *t->pairs, by_native);
  return EFME_OK;
}

static void release(struct tables *t) {
  for (size_t s = 0; s < t->source_count; s++) efme_mem_free(t->d->allocator, t->sources[s].classes);
  efme_mem_free(t->d->allocator, t->sources);
  efme_mem_free(t->d->allocator, t->pairs);
}

static void pad(struct efme_text *text, const char *s, size_t width) {
  size_t n = strlen(s);
  efme_text_add(text, s);
  for (; n < width; n++) efme_text_add(text, " ");
}

static const char *const frame_names[3] = {"onset", "apex", "offset"};

/* "onset apex offset"; a number behind a name where not every sample has that frame. */
static void text_frames(struct efme_text *out, const struct summary *s) {
  char text[96];
  size_t n = 0;
  text[0] = '\0';
  for (size_t k = 0; k < 3; k++) {
    if (!s->frames[k]) continue;
    n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", frame_names[k]);
    if (s->frames[k] < s->count) n += (size_t)snprintf(text + n, sizeof text - n, "(%llu)", (unsigned long long)s->frames[k]);
  }
  pad(out, n ? text : "none", 18);
}

static void text_row(struct efme_text *out, const efme_dataset *d, const struct summary *s) {
  pad(out, s->dataset, 14);
  efme_text_printf(out, "%8llu %9u  ", (unsigned long long)s->count, s->subjects);
  text_frames(out, s);
  const char *comma = "  ";
  for (uint32_t c = 0; c < d->class_count; c++, comma = ", ")
    efme_text_printf(out, "%s%llu %s", comma, (unsigned long long)s->classes[c], d->class_names[c]);
  if (s->classes[d->class_count]) efme_text_printf(out, "%s%llu without class", comma, (unsigned long long)s->classes[d->class_count]);
  efme_text_add(out, "\n");
}

static void write_text(struct efme_text *out, const struct tables *t, const struct summary *all) {
  const efme_dataset *d = t->d;
  efme_text_add(out, "dataset        samples  subjects  annotations         classes\n");
  for (size_t s = 0; s < t->source_count; s++) text_row(out, d, &t->sources[s]);
  if (t->source_count > 1) text_row(out, d, all);
  efme_text_add(out, "\nclass          samples  original labels\n");
  for (size_t p = 0; p < t->pair_count;) {
    int32_t label = t->pairs[p].label;
    pad(out, label == EFME_NO_CLASS ? "none" : d->class_names[label], 14);
    efme_text_printf(out, "%8llu  ", (unsigned long long)all->classes[label == EFME_NO_CLASS ? d->class_count : (uint32_t)label]);
    for (const char *comma = ""; p < t->pair_count && t->pairs[p].label == label; p++, comma = ", ")
      efme_text_printf(out, "%s%s: %llu", comma, t->pairs[p].native, (unsigned long long)t->pairs[p].count);
    efme_text_add(out, "\n");
  }
  uint64_t dropped = 0;
  for (size_t k = 0; k < d->dropped_count; k++) dropped += d->dropped[k].count;
  if (dropped) efme_text_printf(out, "dropped       %8llu  ", (unsigned long long)dropped);
  for (size_t k = 0; k < d->dropped_count; k++)
    efme_text_printf(out, "%s%s: %llu%s", k ? ", " : "", d->dropped[k].native, (unsigned long long)d->dropped[k].count,
                     k + 1 == d->dropped_count ? "\n" : "");
}

static void json_classes(struct efme_text *out, const efme_dataset *d, const uint64_t *classes) {
  efme_text_add(out, "{");
  for (uint32_t c = 0; c < d->class_count; c++) {
    efme_text_add(out, c ? ", " : "");
    efme_text_json(out, d->class_names[c]);
    efme_text_printf(out, ": %llu", (unsigned long long)classes[c]);
  }
  efme_text_printf(out, "}, \"without_class\": %llu", (unsigned long long)classes[d->class_count]);
}

static void write_json(struct efme_text *out, const struct tables *t, const struct summary *all) {
  const efme_dataset *d = t->d;
  efme_text_printf(out, "{\"samples\": %llu, \"subjects\": %u, \"fingerprint\": \"%016llx\", \"classes\": ", (unsigned long long)d->count,
                   d->subject_count, (unsigned long long)efme_dataset_fingerprint(d));
  json_classes(out, d, all->classes);
  efme_text_add(out, ", \"datasets\": [");
  for (size_t s = 0; s < t->source_count; s++) {
    efme_text_add(out, s ? ", {\"name\": " : "{\"name\": ");
    efme_text_json(out, t->sources[s].dataset);
    efme_text_printf(out, ", \"samples\": %llu, \"subjects\": %u, \"classes\": ", (unsigned long long)t->sources[s].count,
                     t->sources[s].subjects);
    json_classes(out, d, t->sources[s].classes);
    for (size_t k = 0; k < 3; k++)
      efme_text_printf(out, "%s\"%s\": %llu", k ? ", " : ", \"annotations\": {", frame_names[k],
                       (unsigned long long)t->sources[s].frames[k]);
    efme_text_add(out, "}}");
  }
  efme_text_add(out, "], \"labels\": [");
  for (size_t p = 0; p < t->pair_count; p++) {
    efme_text_add(out, p ? ", {\"native\": " : "{\"native\": ");
    efme_text_json(out, t->pairs[p].native);
    efme_text_add(out, ", \"class\": ");
    if (t->pairs[p].label == EFME_NO_CLASS) efme_text_add(out, "null");
    else efme_text_json(out, d->class_names[t->pairs[p].label]);
    efme_text_printf(out, ", \"samples\": %llu}", (unsigned long long)t->pairs[p].count);
  }
  efme_text_add(out, "], \"dropped\": [");
  for (size_t k = 0; k < d->dropped_count; k++) {
    efme_text_add(out, k ? ", {\"native\": " : "{\"native\": ");
    efme_text_json(out, d->dropped[k].native);
    efme_text_printf(out, ", \"samples\": %llu}", (unsigned long long)d->dropped[k].count);
  }
  efme_text_add(out, "]}\n");
}

/* The sources together. */
static void add_up(struct summary *all, const struct tables *t) {
  for (size_t s = 0; s < t->source_count; s++) {
    for (size_t k = 0; k < 3; k++) all->frames[k] += t->sources[s].frames[k];
    for (uint32_t c = 0; c <= t->d->class_count; c++) all->classes[c] += t->sources[s].classes[c];
  }
}

efme_status efme_dataset_describe(const efme_dataset *d, int json, char **out) {
  if (!d || !out) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !d ? "dataset" : "out");
  struct tables t = {.d = d};
  uint64_t classes[EFME_MAX_CLASSES + 1] = {0};
  struct summary all = {.dataset = "all", .count = d->count, .subjects = d->subject_count, .classes = classes};
  efme_status status = build(&t, d);
  if (!status) add_up(&all, &t);
  struct efme_text text;
  efme_text_init(&text, d->allocator);
  if (!status) {
    if (json) write_json(&text, &t, &all);
    else write_text(&text, &t, &all);
    status = efme_text_export(&text, out);
  }
  efme_text_free(&text);
  release(&t);
  return status;
}
