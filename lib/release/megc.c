/* The composite of MEGC 2019 out of the three releases. By rules that give the organisers' 442 clips, or by the organisers' own list. */
#include <string.h>

#include "release/release.h"

static const struct part {
  const char *release, *dataset;
  uint64_t classes[3]; /* of the organisers' list */
  uint32_t subjects;
} parts[3] = {{"smic-hs", "smic", {70, 51, 43}, 16}, {"casme2", "casme2", {88, 32, 25}, 24}, {"samm", "samm", {92, 26, 15}, 28}};

/* ---- which clips ---- */

static int by_rules(const struct efme_scan *s, const struct efme_clip *c, void *user) {
  (void)user;
  if (!strcmp(s->form->name, "samm")) return !efme_word_of("other|others", c->label);
  if (strcmp(s->form->name, "casme2") != 0) return 1;
  if (!efme_word_of("disgust|repression|happiness|surprise", c->label) || c->apex < 0 || c->apex <= c->onset) return 0;
  return !(s->later_coding && efme_clip_relabelled(c));
}

static int is_key(const char *key, const char *dataset, const char *subject, const char *clip) {
  size_t n = strlen(dataset), k = strlen(subject);
  return !strncmp(key, dataset, n) && key[n] == '/' && !strncmp(key + n + 1, subject, k) && key[n + 1 + k] == '/' &&
         !strcmp(key + n + k + 2, clip);
}

static int by_truth(const struct efme_scan *s, const struct efme_clip *c, void *user) {
  const efme_dataset *truth = user;
  for (uint64_t i = 0; i < truth->count; i++)
    if (is_key(efme_item_record(truth, i)->key, s->form->key.dataset, c->subject, c->clip)) return 1;
  return 0;
}

/* ---- labels ---- */

/* The truth's labels, for a dataset that has none but its clips. */
static efme_status label_by_truth(efme_dataset **out, const efme_dataset *d, const efme_dataset *truth) {
  const efme_label_map *meg3 = efme_label_map_builtin("meg3");
  int32_t *labels = efme_mem_array(d->allocator, d->count, sizeof *labels, "labels");
  uint64_t *all = labels ? efme_mem_array(d->allocator, d->count, sizeof *all, "samples") : NULL;
  efme_status status = all ? EFME_OK : EFME_E_NOMEM;
  for (uint64_t i = 0; i < d->count && !status; i++) {
    const struct efme_record *r = efme_item_record(d, i);
    all[i] = i, labels[i] = EFME_NO_CLASS;
    for (uint64_t k = 0; k < truth->count && labels[i] == EFME_NO_CLASS; k++)
      if (!strcmp(efme_item_record(truth, k)->key, r->key)) labels[i] = truth->labels[k];
    for (uint32_t k = 0; k < meg3->rule_count; k++) {
      if (strcmp(meg3->rules[k].native, r->native) != 0) continue;
      const char *own = meg3->rules[k].class_name, *theirs = meg3->class_names[labels[i]];
      if (!own || strcmp(own, theirs) != 0)
        efme_context_log(d->context, EFME_LOG_WARNING, "%s: the table calls it %s, the ground truth %s", r->key, r->native, theirs);
    }
  }
  if (!status) status = efme_dataset_view(out, d, all, d->count, labels, meg3->class_names, meg3->class_count);
  efme_mem_free(d->allocator, labels);
  efme_mem_free(d->allocator, all);
  return status;
}

static efme_status open_part(efme_dataset **out, efme_context *context, const efme_release_options *release, const efme_megc2019_options *o,
                             const efme_dataset *truth) {
  efme_dataset *all;
  efme_status status = efme_release_open(&all, context, release, o->dataset, truth ? by_truth : by_rules, (void *)truth);
  if (status) return status;
  status = truth ? label_by_truth(out, all, truth) : efme_dataset_map_labels(out, all, efme_label_map_builtin("meg3"));
  efme_dataset_release(all);
  return status;
}

/* ---- whether it is the organisers' ---- */

/* A difference: an error, or in a partial composite a line of the log. */
static efme_status differ(const efme_dataset *d, int partial, const char *text) {
  if (!partial) return efme_fail(EFME_E_MISMATCH, "%s", text);
  efme_context_log(d->context, EFME_LOG_WARNING, "%s", text);
  return EFME_OK;
}

static efme_status check_counts(const efme_dataset *d, const struct part *p, int partial) {
  uint64_t n[3];
  char text[400];
  efme_status status = efme_dataset_class_counts(d, n, 3);
  if (status || (!memcmp(n, p->classes, sizeof n) && d->subject_count == p->subjects)) return status;
  snprintf(text, sizeof text,
           "%s: %llu negative, %llu positive and %llu surprise of %u subjects; the organisers' composite has %llu, %llu and %llu of %u. "
           "A coding without a rule is matched with the organisers' CSV (efme_megc2019_options.truth)",
           p->release, (unsigned long long)n[0], (unsigned long long)n[1], (unsigned long long)n[2], d->subject_count,
           (unsigned long long)p->classes[0], (unsigned long long)p->classes[1], (unsigned long long)p->classes[2], p->subjects);
  return differ(d, partial, text);
}

/* Clips of the list that no release has. */
static efme_status check_truth(const efme_dataset *d, const efme_dataset *truth, int partial) {
  uint64_t found;
  char *text;
  efme_status status = efme_dataset_compare(truth, d, 0, &found, &text);
  if (status) return status;
  for (char *line = text, *end; found && *line && !status; line = end + 1) {
    end = strchr(line, '\n');
    char told[400];
    snprintf(told, sizeof told, "%llu clips of the ground truth are not in the releases: %.*s", (unsigned long long)found,
             (int)EFME_MIN(end - line, 256), line);
    status = differ(d, partial, told);
  }
  efme_string_free(text);
  return status;
}

/* ---- the call ---- */

static efme_status check_options(efme_megc2019_options *o, const efme_megc2019_options *options,
                                 const efme_release_options *const releases[3]) {
  static const efme_megc2019_options defaults = EFME_MEGC2019_OPTIONS_INIT;
  efme_status status = efme_options_load(o, sizeof *o, options, &defaults, "efme_megc2019_options");
  if (status) return status;
  if (o->partial > 1) return efme_fail(EFME_E_ARGUMENT, "efme_megc2019_options.partial: %u is not 0 or 1", o->partial);
  if (o->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_megc2019_options.reserved is not 0");
  for (size_t k = 0; k < 3; k++) {
    static const efme_release_options none = EFME_RELEASE_OPTIONS_INIT;
    efme_release_options r;
    status = efme_options_load(&r, sizeof r, releases[k], &none, "efme_release_options");
    if (status) return status;
    if (!r.name || strcmp(r.name, parts[k].release) != 0)
      return efme_fail(EFME_E_ARGUMENT, "%s: release \"%.64s\", the composite needs \"%s\"", parts[k].dataset, r.name ? r.name : "",
                       parts[k].release);
  }
  return EFME_OK;
}

efme_status efme_dataset_open_megc2019(efme_dataset **out, efme_context *context, const efme_release_options *smic,
                                       const efme_release_options *casme2, const efme_release_options *samm,
                                       const efme_megc2019_options *options) {
  if (!out || !context || !smic || !casme2 || !samm)
    return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : !smic ? "smic" : !casme2 ? "casme2" : "samm");
  const efme_release_options *const releases[3] = {smic, casme2, samm};
  efme_megc2019_options o;
  efme_dataset *made[3] = {NULL, NULL, NULL}, *truth = NULL, *all = NULL;
  efme_status status = check_options(&o, options, releases);
  if (!status && o.truth) status = efme_dataset_open_megc2019_truth(&truth, context, o.truth, o.dataset);
  for (size_t k = 0; k < 3 && !status; k++) {
    status = open_part(&made[k], context, releases[k], &o, truth);
    if (!status && !truth) status = check_counts(made[k], &parts[k], (int)o.partial);
  }
  if (!status) status = efme_dataset_concat(&all, (const efme_dataset *const *)made, 3);
  if (!status && truth) status = check_truth(all, truth, (int)o.partial);
  if (!status) *out = all;
  else efme_dataset_release(all);
  for (size_t k = 0; k < 3; k++) efme_dataset_release(made[k]);
  efme_dataset_release(truth);
  return status;
}
