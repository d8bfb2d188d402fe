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

efme_status efme_dataset_map_labels(efme_dataset **out, const efme_dataset *d, const efme_label_map *map) {
  if (!out || !d || !map) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !d ? "dataset" : "map");
  static const efme_label_map none = {sizeof none, NULL, 0, 0, NULL};
  efme_label_map m;
  efme_status status = efme_options_load(&m, sizeof m, map, &none, "efme_label_map");
  if (!status) status = check_map(&m);
  if (status) return status;
  uint64_t *kept = efme_mem_array(d->allocator, d->count, sizeof *kept, "samples"), n = 0;
  int32_t *labels = efme_mem_array(d->allocator, d->count, sizeof *labels, "labels"), label = EFME_NO_CLASS;
  if (!kept || !labels) status = EFME_E_NOMEM;
  const char *last = NULL;
  for (uint64_t i = 0; i < d->count && !status; i++) {
    const char *native = efme_item_record(d, i)->native;
    if (native != last) status = class_of(&m, native, &label);
    last = native;
    if (!status && label != EFME_NO_CLASS) kept[n] = i, labels[n++] = label;
  }
  if (!status && !n) status = efme_fail(EFME_E_MISMATCH, "the label map drops every sample");
  if (!status) status = efme_dataset_view(out, d, kept, n, labels, m.class_names, m.class_count);
  efme_mem_free(d->allocator, kept);
  efme_mem_free(d->allocator, labels);
  return status;
}
