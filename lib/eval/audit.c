/* The result of a finished run: its predictions in the order of folds and keys, and the leak audit, worked out from what
 * the folds recorded and from the plan's lists, not from what the code meant to do. */
#include <string.h>

#include "backend/context.h"
#include "eval/evaluator.h"
#include "eval/key.h"
#include "net/model.h"
#include "net/provenance.h"

#define EFME_SHOWN_PAIRS 32u

/* ---- predictions ---- */

/* The class with the highest probability, the lowest on a tie. */
static int32_t argmax(const float *p, uint32_t classes) {
  uint32_t best = 0;
  for (uint32_t c = 1; c < classes; c++)
    if (p[c] > p[best]) best = c;
  return (int32_t)best;
}

/* Strings of the dataset live as long as it does; a result may live longer. */
static efme_status copy_sample(struct efme_outcome *row, struct efme_result *r, const efme_dataset *dataset, uint64_t index) {
  efme_sample s = EFME_SAMPLE_INIT;
  efme_status status = efme_dataset_sample(dataset, index, &s);
  if (status) return status;
  row->key = efme_key_copy(&r->pool, s.key);
  row->dataset = efme_key_copy(&r->pool, s.dataset);
  row->subject = efme_key_copy(&r->pool, s.subject);
  row->clip = efme_key_copy(&r->pool, s.clip);
  row->truth = s.label;
  return row->key && row->dataset && row->subject && row->clip ? EFME_OK : EFME_E_NOMEM;
}

static efme_status add_fold(struct efme_result *r, const efme_evaluator *e, uint32_t fold) {
  const uint64_t *indices = NULL;
  uint64_t count = 0;
  efme_status status = efme_fold_plan_part(e->plan, fold, EFME_PART_TEST, &indices, &count);
  const char *name = efme_key_copy(&r->pool, e->plan->folds[fold].name);
  if (status == EFME_OK && !name) status = EFME_E_NOMEM;
  for (uint64_t i = 0; i < count && status == EFME_OK; i++) {
    const float *p = e->folds[fold].probabilities + i * e->classes;
    struct efme_outcome row = {.fold = name, .predicted = argmax(p, e->classes)};
    status = copy_sample(&row, r, e->dataset, indices[i]);
    memcpy(r->probabilities + r->count * e->classes, p, e->classes * sizeof *p);
    if (status == EFME_OK) status = efme_result_add(r, &row);
  }
  return status;
}

/* ---- findings ---- */

static efme_status find_validation(struct efme_result *r, const efme_evaluator *e) {
  const struct efme_fold *first = NULL;
  uint32_t lacking = 0;
  efme_status status = EFME_OK;
  for (uint32_t f = 0; f < e->plan->count; f++) {
    if (!e->plan->folds[f].lacks) continue;
    if (!first) first = &e->plan->folds[f];
    lacking++;
  }
  if (e->plan->options.validation == EFME_VALIDATE_RANDOM)
    status =
        efme_result_find(r, 1, "random-validation",
                         "validation samples were drawn at random, not by subject: early stopping saw faces that it trained on (error 3)");
  if (e->plan->options.validation == EFME_VALIDATE_NONE)
    status = efme_result_find(r, 0, "no-validation", "no validation data: every phase ran to its last epoch");
  if (status == EFME_OK && first)
    status = efme_result_find(r, 1, "validation-lacks-class", "in %u folds validation lacks a class, first in fold %s: %s", lacking,
                              first->name, first->lacks);
  return status;
}

static efme_status find_duplicates(struct efme_result *r, const efme_evaluator *e) {
  const struct efme_fold_plan *p = e->plan;
  efme_status status = EFME_OK;
  if (p->within)
    status = efme_result_find(r, 0, "duplicates", "%llu samples repeat another of the same subject", (unsigned long long)p->within);
  if (status == EFME_OK && p->across)
    status = efme_result_find(r, 1, "duplicates-across-subjects",
                              "%llu samples repeat one of another subject (all on the same side of every fold), first %s and %s",
                              (unsigned long long)p->across, p->keys[p->pairs[0].a], p->keys[p->pairs[0].b]);
  return status;
}

static int same_maker(const struct efme_maker *a, const struct efme_maker *b) {
  return !strcmp(a->library, b->library) && !strcmp(a->backend, b->backend) && !strcmp(a->device, b->device) &&
         a->cpu_level == b->cpu_level && !strcmp(a->decoder, b->decoder);
}

static efme_status find_makers(struct efme_result *r, const efme_evaluator *e) {
  uint32_t others = 0;
  for (uint32_t f = 1; f < e->plan->count; f++) others += !same_maker(&e->folds[0].maker, &e->folds[f].maker);
  if (!others) return EFME_OK;
  return efme_result_find(r, 0, "mixed-devices",
                          "%u folds were computed by another library, device or decoder than the first: bits of a repeated run may differ",
                          others);
}

static int seen_dataset(const efme_evaluator *e, const char *dataset) {
  for (uint32_t i = 0; i < efme_model_seen_dataset_count(e->start); i++)
    if (!strcmp(efme_model_seen_dataset(e->start, i), dataset)) return 1;
  return 0;
}

static efme_status find_provenance(struct efme_result *r, const efme_evaluator *e) {
  efme_status status = EFME_OK;
  if (*e->doubt) status = efme_result_find(r, 1, "unknown-provenance", "start weights %016llx: %s", (unsigned long long)e->start_checksum, e->doubt);
  for (uint32_t d = 0; d < r->dataset_count && status == EFME_OK; d++)
    if (seen_dataset(e, r->datasets[d]) && !efme_provenance_has_nameless(e->start->provenance, r->datasets[d]))
      status =
          efme_result_find(r, 0, "seen-dataset", "the start weights have seen other subjects of %s, none of the tested", r->datasets[d]);
  return status;
}

static efme_status find_configurations(struct efme_result *r, const efme_evaluator *e) {
  if (!e->folder) return efme_result_find(r, 0, "configurations", "configurations tried are not on record: the run has no folder");
  return efme_result_find(r, 0, "configurations", "%zu configuration%s tested here, this one included%s", e->tried_count,
                          e->tried_count == 1 ? "" : "s",
                          e->tried_count > 1 ? ": a choice among them by these scores is a choice on the test subjects" : "");
}

static efme_status check_starts(const efme_evaluator *e) {
  for (uint32_t f = 0; f < e->plan->count; f++)
    if (e->folds[f].start_checksum != e->start_checksum)
      return efme_fail(EFME_E_LEAK, "fold %s started from weights %016llx, not from %016llx (error 2)", e->plan->folds[f].name,
                       (unsigned long long)e->folds[f].start_checksum, (unsigned long long)e->start_checksum);
  return EFME_OK;
}

/* ---- the audit as JSON ---- */

static const char *const validations[] = {"whole subjects", "random samples", "none"};

static void json_plan(struct efme_json *j, const efme_evaluator *e) {
  const struct efme_fold_plan *p = e->plan;
  efme_json_open(j, "plan", '{');
  efme_json_string(j, "kind", p->kind);
  efme_json_hex(j, "fingerprint", p->fingerprint);
  efme_json_hex(j, "dataset_fingerprint", efme_dataset_fingerprint(e->dataset));
  efme_json_string(j, "validation", validations[p->options.validation]);
  efme_json_double(j, "validation_ratio", p->options.ratio);
  efme_json_u64(j, "seed", p->options.seed);
  efme_json_close(j, '}');
  efme_json_open(j, "checked", '{'); /* by efme_plan_verify; a plan that fails has no result */
  efme_json_bool(j, "every_sample_tested_once", 1);
  efme_json_bool(j, "test_disjoint_by_sample_subject_file_and_pixels", 1);
  efme_json_bool(j, "validation_disjoint_from_training_by_subject_file_and_pixels", p->options.validation != EFME_VALIDATE_RANDOM);
  efme_json_bool(j, "start_weights_equal_in_all_folds", 1);
  efme_json_string(j, "tested_data_unseen_by_start_weights", *e->doubt ? "unknown" : "yes");
  efme_json_close(j, '}');
}

static void json_scores(struct efme_json *j, const double *uf1, uint32_t count) {
  efme_json_open(j, "inner_uf1", '[');
  for (uint32_t i = 0; i < count; i++) efme_json_double(j, NULL, uf1[i]);
  efme_json_close(j, ']');
}

static void json_folds(struct efme_json *j, const efme_evaluator *e) {
  efme_json_open(j, "folds", '[');
  for (uint32_t f = 0; f < e->plan->count; f++) {
    const struct efme_fold *fold = &e->plan->folds[f];
    const struct efme_fold_record *r = &e->folds[f];
    efme_json_open(j, NULL, '{');
    efme_json_string(j, "name", fold->name);
    efme_json_u64(j, "train", fold->counts[EFME_PART_TRAIN]);
    efme_json_u64(j, "validation", fold->counts[EFME_PART_VALIDATION]);
    efme_json_u64(j, "test", fold->counts[EFME_PART_TEST]);
    if (fold->lacks) efme_json_string(j, "validation_lacks", fold->lacks);
    efme_json_hex(j, "start_checksum", r->start_checksum);
    efme_json_hex(j, "end_checksum", r->end_checksum);
    efme_json_hex(j, "seed", r->seed);
    efme_json_u64(j, "epochs", r->epochs);
    if (r->inner_uf1) efme_json_u64(j, "recipe", r->choice);
    if (r->inner_uf1) json_scores(j, r->inner_uf1, e->recipe_count);
    if (!same_maker(&r->maker, &e->maker)) efme_json_maker(j, "maker", &r->maker);
    efme_json_close(j, '}');
  }
  efme_json_close(j, ']');
}

static void json_subjects(struct efme_json *j, const efme_evaluator *e) {
  const struct efme_fold_plan *p = e->plan;
  efme_json_open(j, "subjects", '[');
  for (uint64_t i = 0; i < p->samples;) { /* in the order of the keys, so a subject's samples are neighbours */
    uint32_t subject = p->subject[p->order[i]];
    uint64_t count = 0;
    uint32_t fold = p->fold_of[p->order[i]];
    for (; i < p->samples && p->subject[p->order[i]] == subject; i++) count++;
    efme_json_open(j, NULL, '{');
    efme_json_string(j, "subject", efme_dataset_subject(p->dataset, subject));
    efme_json_string(j, "fold", p->folds[fold].name);
    efme_json_u64(j, "samples", count);
    efme_json_close(j, '}');
  }
  efme_json_close(j, ']');
}

static void json_duplicates(struct efme_json *j, const efme_evaluator *e) {
  const struct efme_fold_plan *p = e->plan;
  efme_json_open(j, "duplicates", '{');
  efme_json_u64(j, "within_subjects", p->within);
  efme_json_u64(j, "across_subjects", p->across);
  efme_json_open(j, "across", '[');
  for (size_t i = 0; i < p->pair_count && i < EFME_SHOWN_PAIRS; i++) {
    efme_json_open(j, NULL, '{');
    efme_json_string(j, "a", p->keys[p->pairs[i].a]);
    efme_json_string(j, "b", p->keys[p->pairs[i].b]);
    efme_json_string(j, "equal", p->pairs[i].by_pixels ? "pixels" : "file");
    efme_json_close(j, '}');
  }
  efme_json_close(j, ']');
  efme_json_close(j, '}');
}

static efme_status write_audit(struct efme_result *r, const efme_evaluator *e) {
  struct efme_text t;
  struct efme_json j;
  efme_text_init(&t, r->allocator);
  efme_json_init(&j, &t);
  j.depth = 2;
  json_plan(&j, e);
  efme_json_hex(&j, "start_checksum", e->start_checksum);
  efme_json_u64(&j, "configurations_tried", e->tried_count);
  efme_json_choice(&j, e);
  json_duplicates(&j, e);
  json_folds(&j, e);
  json_subjects(&j, e);
  return efme_result_keep(&r->audit_json, r, &t);
}

static efme_status write_run(struct efme_result *r, const efme_evaluator *e) {
  struct efme_text t;
  struct efme_json j;
  efme_text_init(&t, r->allocator);
  efme_json_init(&j, &t);
  j.depth = 1;
  efme_status status = efme_json_recipes(&j, e);
  efme_json_model(&j, "start_weights", e->start);
  efme_json_maker(&j, "maker", &e->maker);
  if (status == EFME_OK) status = efme_result_keep(&r->run_json, r, &t);
  else efme_text_free(&t);
  if (status) return status;
  efme_text_init(&t, r->allocator);
  efme_text_printf(&t, "  recipe %s", efme_recipe_preset(e->recipes[0]));
  if (e->recipe_count > 1) efme_text_printf(&t, " or one of %u alternatives, as each fold chose", e->recipe_count - 1);
  efme_text_printf(&t, ", start weights %016llx (provenance %s)\n", (unsigned long long)e->start_checksum, *e->doubt ? "unknown" : "known");
  efme_text_printf(&t, "  %u folds (%s), validation: %s; plan %016llx\n", e->plan->count, e->plan->kind,
                   validations[e->plan->options.validation], (unsigned long long)e->plan->fingerprint);
  efme_text_printf(&t, "  %s on %s%s%s, decoder %s, library %s\n", e->maker.backend,
                   *e->maker.device ? e->maker.device : "an unnamed device", e->maker.cpu_level ? ", level " : "",
                   e->maker.cpu_level == 3   ? "AVX-512"
                   : e->maker.cpu_level == 2 ? "AVX2"
                   : e->maker.cpu_level      ? "baseline"
                                             : "",
                   e->maker.decoder, e->maker.library);
  return efme_result_keep(&r->run_text, r, &t);
}

static efme_status fill(struct efme_result *r, const efme_evaluator *e) {
  r->probabilities = efme_mem_array(r->allocator, (size_t)e->plan->samples * e->classes, sizeof(float), "probabilities");
  if (!r->probabilities) return EFME_E_NOMEM;
  efme_status status = EFME_OK;
  for (uint32_t f = 0; f < e->plan->count && status == EFME_OK; f++) status = add_fold(r, e, f);
  if (status == EFME_OK) status = efme_result_finish(r);
  if (status == EFME_OK) status = find_validation(r, e);
  if (status == EFME_OK) status = find_duplicates(r, e);
  if (status == EFME_OK) status = find_provenance(r, e);
  if (status == EFME_OK) status = find_makers(r, e);
  if (status == EFME_OK) status = find_configurations(r, e);
  if (status == EFME_OK) status = efme_choice_find(r, e);
  if (status == EFME_OK) status = write_audit(r, e);
  if (status == EFME_OK) status = write_run(r, e);
  return status;
}

efme_status efme_evaluator_report(struct efme_result **out, const efme_evaluator *e) {
  struct efme_result *r = NULL;
  const char *names[EFME_MAX_CLASSES];
  char title[160];
  efme_status status = efme_plan_verify(e->plan);
  if (status == EFME_OK) status = check_starts(e);
  if (status) return status;
  for (uint32_t c = 0; c < e->classes; c++) names[c] = efme_dataset_class_name(e->dataset, c);
  status = efme_result_new(&r, e->context, names, e->classes);
  if (status) return status;
  snprintf(title, sizeof title, "%s over %u subjects, %llu samples", e->plan->kind, e->plan->subjects,
           (unsigned long long)e->plan->samples);
  r->title = efme_key_copy(&r->pool, title);
  status = r->title ? fill(r, e) : EFME_E_NOMEM;
  if (status == EFME_OK) *out = r;
  else efme_result_destroy(r);
  return status;
}
