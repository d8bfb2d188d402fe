/* Label maps: the built-in ones, and making the view that a map asks for. */
#include <string.h>

#include "data/dataset.h"

static const char *const meg3_classes[] = {"negative", "positive", "surprise"};
/* Spellings of FER2013, CK+, SMIC, CASME II and SAMM; spec section 3 and the organisers' composition. */
static const efme_label_rule meg3_rules[] = {{"negative", "negative"},
                                             {"Negative", "negative"},
                                             {"angry", "negative"},
                                             {"anger", "negative"},
                                             {"Anger", "negative"},
                                             {"Angry", "negative"},
                                             {"contempt", "negative"},
                                             {"Contempt", "negative"},
                                             {"disgust", "negative"},
                                             {"Disgust", "negative"},
                                             {"fear", "negative"},
                                             {"Fear", "negative"},
                                             {"sad", "negative"},
                                             {"Sad", "negative"},
                                             {"sadness", "negative"},
                                             {"Sadness", "negative"},
                                             {"repression", "negative"},
                                             {"Repression", "negative"},
                                             {"positive", "positive"},
                                             {"Positive", "positive"},
                                             {"happy", "positive"},
                                             {"Happy", "positive"},
                                             {"happiness", "positive"},
                                             {"Happiness", "positive"},
                                             {"surprise", "surprise"},
                                             {"Surprise", "surprise"},
                                             {"neutral", NULL},
                                             {"Neutral", NULL},
                                             {"other", NULL},
                                             {"Other", NULL},
                                             {"others", NULL},
                                             {"Others", NULL}};
static const efme_label_map meg3 = {sizeof meg3, meg3_classes, 3, EFME_COUNT(meg3_rules), meg3_rules};

static const char *const fer7_classes[] = {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"};
/* Contempt, which CK+ and SAMM have, is none of FER2013's. */
static const efme_label_rule fer7_rules[] = {
    {"angry", "angry"},     {"anger", "angry"},       {"Anger", "angry"},       {"Angry", "angry"},     {"disgust", "disgust"},
    {"Disgust", "disgust"}, {"fear", "fear"},         {"Fear", "fear"},         {"happy", "happy"},     {"Happy", "happy"},
    {"happiness", "happy"}, {"Happiness", "happy"},   {"sad", "sad"},           {"Sad", "sad"},         {"sadness", "sad"},
    {"Sadness", "sad"},     {"surprise", "surprise"}, {"Surprise", "surprise"}, {"neutral", "neutral"}, {"Neutral", "neutral"},
    {"contempt", NULL},     {"Contempt", NULL},       {"repression", NULL},     {"Repression", NULL},   {"other", NULL},
    {"Other", NULL},        {"others", NULL},         {"Others", NULL}};
static const efme_label_map fer7 = {sizeof fer7, fer7_classes, 7, EFME_COUNT(fer7_rules), fer7_rules};

const efme_label_map *efme_label_map_builtin(const char *name) {
  if (name && !strcmp(name, "meg3")) return &meg3;
  if (name && !strcmp(name, "fer7")) return &fer7;
  efme_fail(EFME_E_NOT_FOUND, "no label map \"%.64s\"; there are meg3 and fer7", name ? name : "");
  return NULL;
}

static efme_status check_map(const efme_label_map *m) {
  if (!m->class_names || !m->class_count) return efme_fail(EFME_E_ARGUMENT, "the label map has no classes");
  if (m->class_count > EFME_MAX_CLASSES)
    return efme_fail(EFME_E_LIMIT, "%u classes, at most %d are possible", m->class_count, EFME_MAX_CLASSES);
  if (!m->rules && m->rule_count) return efme_fail(EFME_E_ARGUMENT, "the label map's rules are NULL");
  for (uint32_t i = 0; i < m->class_count; i++) {
    if (!m->class_names[i] || !m->class_names[i][0]) return efme_fail(EFME_E_ARGUMENT, "the label map's class %u has no name", i);
    for (uint32_t k = 0; k < i; k++)
      if (!strcmp(m->class_names[i], m->class_names[k]))
        return efme_fail(EFME_E_ARGUMENT, "the label map names class \"%s\" twice", m->class_names[i]);
  }
  for (uint32_t i = 0; i < m->rule_count; i++)
    if (!m->rules[i].native) return efme_fail(EFME_E_ARGUMENT, "rule %u of the label map has no native label", i);
  return EFME_OK;
}

/* Class of a native label, EFME_NO_CLASS where it is dropped. */
static efme_status class_of(const efme_label_map *m, const char *native, int32_t *label) {
  const efme_label_rule *rule = NULL, *rest = NULL;
  for (uint32_t i = 0; i < m->rule_count && !rule; i++) {
    if (!strcmp(m->rules[i].native, native)) rule = &m->rules[i];
    else if (!strcmp(m->rules[i].native, "*")) rest = &m->rules[i];
  }
  if (!rule) rule = rest;
  if (!rule) return efme_fail(EFME_E_MISMATCH, "no rule of the label map names the label \"%s\"", native);
  *label = EFME_NO_CLASS;
  if (!rule->class_name) return EFME_OK;
  for (uint32_t i = 0; i < m->class_count; i++)
    if (!strcmp(m->class_names[i], rule->class_name)) return *label = (int32_t)i, EFME_OK;
  return efme_fail(EFME_E_ARGUMENT, "a rule of the label map names \"%s\", which is none of its classes", rule->class_name);
}

/* What a map leaves of a dataset. */
struct mapped {
  uint64_t *kept, count;
  int32_t *labels; /* [count] */
  struct efme_dropped *dropped;
  size_t dropped_count, dropped_capacity;
};

static efme_status drop(struct mapped *out, const efme_dataset *d, const char *native) {
  size_t k = 0;
  while (k < out->dropped_count && strcmp(out->dropped[k].native, native)) k++;
  if (k == out->dropped_count) {
    void *items = out->dropped;
    efme_status status = efme_mem_grow(d->allocator, &items, &out->dropped_capacity, k + 1, sizeof *out->dropped, "dropped labels");
    out->dropped = items;
    if (status) return status;
    out->dropped[out->dropped_count++] = (struct efme_dropped){native, 0};
  }
  out->dropped[k].count++;
  return EFME_OK;
}

static efme_status apply(struct mapped *out, const efme_dataset *d, const efme_label_map *m) {
  int32_t label = EFME_NO_CLASS;
  const char *last = NULL;
  out->kept = efme_mem_array(d->allocator, d->count, sizeof *out->kept, "samples");
  out->labels = efme_mem_array(d->allocator, d->count, sizeof *out->labels, "labels");
  efme_status status = out->kept && out->labels ? EFME_OK : EFME_E_NOMEM;
  for (uint64_t i = 0; i < d->count && !status; i++) {
    const char *native = efme_item_record(d, i)->native;
    if (native != last) status = class_of(m, native, &label);
    last = native;
    if (status == EFME_E_MISMATCH) {
      char name[256];
      efme_item_name(d, i, name);
      return efme_fail_prefix(status, "%s", name);
    }
    if (status) break;
    if (label == EFME_NO_CLASS) status = drop(out, d, native);
    else out->kept[out->count] = i, out->labels[out->count++] = label;
  }
  if (!status && !out->count) status = efme_fail(EFME_E_MISMATCH, "the label map drops every sample");
  return status;
}

efme_status efme_dataset_map_labels(efme_dataset **out, const efme_dataset *d, const efme_label_map *map) {
  if (!out || !d || !map) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !d ? "dataset" : "map");
  static const efme_label_map none = {sizeof none, NULL, 0, 0, NULL};
  efme_label_map m;
  efme_status status = efme_options_load(&m, sizeof m, map, &none, "efme_label_map");
  if (!status) status = check_map(&m);
  if (status) return status;
  struct mapped r = {0};
  efme_dataset *view;
  status = apply(&r, d, &m);
  if (!status) status = efme_dataset_view(&view, d, r.kept, r.count, r.labels, m.class_names, m.class_count);
  if (!status) {
    view->dropped = r.dropped, view->dropped_count = r.dropped_count;
    r.dropped = NULL;
    *out = view;
  }
  efme_mem_free(d->allocator, r.kept);
  efme_mem_free(d->allocator, r.labels);
  efme_mem_free(d->allocator, r.dropped);
  return status;
}
