/* The evaluator handle: argument checks, which folds are to do, and that one run goes on at a time. */
#include <string.h>

#include "data/loader.h"
#include "eval/evaluator.h"
#include "eval/heldout.h"
#include "net/model.h"

static efme_status load_options(efme_evaluator_options *o, const efme_evaluator_options *given) {
  static const efme_evaluator_options defaults = EFME_EVALUATOR_OPTIONS_INIT;
  efme_status status = efme_options_load(o, sizeof *o, given, &defaults, "efme_evaluator_options");
  if (status) return status;
  if (o->workers > 256) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: workers is %u, at most 256", o->workers);
  if (o->shard >= (o->shards ? o->shards : 1))
    return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: shard is %u of %u", o->shard, o->shards);
  if (o->refuse_unknown > 1)
    return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: refuse_unknown is %u, must be 0 or 1", o->refuse_unknown);
  if (o->alternative_count > 255 || (o->alternative_count && !o->alternatives))
    return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: %s", o->alternative_count > 255 ? "more than 255 alternatives" : "alternatives is NULL");
  for (uint32_t i = 0; i < o->alternative_count; i++)
    if (!o->alternatives[i]) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: alternatives[%u] is NULL", i);
  if (o->inner_folds == 1) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: inner_folds is 1, at least 2 are needed");
  if (!(o->checkpoint_seconds >= 0.0 && o->checkpoint_seconds <= 1e9))
    return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: checkpoint_seconds must be 0 .. 1e9");
  if (o->folder && !*o->folder) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: folder is empty");
  return EFME_OK;
}

efme_status efme_evaluator_create(efme_evaluator **out, efme_model *start, const efme_dataset *dataset, const efme_fold_plan *plan,
                                  const efme_recipe *recipe, const efme_evaluator_options *options) {
  EFME_FPENV_DEFAULT;
  efme_evaluator_options o;
  const char *missing = !out ? "out" : !start ? "start" : !dataset ? "dataset" : !plan ? "plan" : !recipe ? "recipe" : NULL;
  if (missing) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_create: %s is NULL", missing);
  efme_status status = load_options(&o, options);
  return status ? status : efme_evaluator_make(out, start, dataset, plan, recipe, &o);
}

efme_evaluator *efme_evaluator_retain(efme_evaluator *evaluator) {
  if (evaluator) atomic_fetch_add_explicit(&evaluator->references, 1, memory_order_relaxed);
  return evaluator;
}

void efme_evaluator_release(efme_evaluator *evaluator) {
  if (evaluator && atomic_fetch_sub_explicit(&evaluator->references, 1, memory_order_acq_rel) == 1) efme_evaluator_destroy(evaluator);
}

/* ---- running ---- */

static efme_status begin(efme_evaluator *e, const char *who) {
  int idle = 0;
  if (!e) return efme_fail(EFME_E_ARGUMENT, "%s: evaluator is NULL", who);
  if (!atomic_compare_exchange_strong(&e->running, &idle, 1)) return efme_fail(EFME_E_STATE, "%s: a run is under way", who);
  return EFME_OK;
}

static void end(efme_evaluator *e) { atomic_store(&e->running, 0); }

efme_status efme_evaluator_run(efme_evaluator *evaluator, efme_train_progress_fn progress, void *user) {
  EFME_FPENV_DEFAULT;
  efme_status status = begin(evaluator, "efme_evaluator_run");
  if (status) return status;
  uint32_t count = 0, *folds = efme_mem_array(evaluator->allocator, evaluator->plan->count, sizeof *folds, "folds to do");
  for (uint32_t f = 0; folds && f < evaluator->plan->count; f++)
    if (efme_evaluator_has_fold(evaluator, f) && !evaluator->folds[f].done) folds[count++] = f;
  status = folds ? efme_evaluator_work(evaluator, folds, count, progress, user) : EFME_E_NOMEM;
  efme_mem_free(evaluator->allocator, folds);
  end(evaluator);
  return status;
}

efme_status efme_evaluator_run_fold(efme_evaluator *evaluator, uint32_t fold, efme_train_progress_fn progress, void *user) {
  EFME_FPENV_DEFAULT;
  efme_status status = begin(evaluator, "efme_evaluator_run_fold");
  if (status) return status;
  if (fold >= evaluator->plan->count)
    status = efme_fail(EFME_E_ARGUMENT, "efme_evaluator_run_fold: fold is %u, there are %u", fold, evaluator->plan->count);
  else if (!evaluator->folds[fold].done) status = efme_evaluator_work(evaluator, &fold, 1, progress, user);
  end(evaluator);
  return status;
}

efme_status efme_evaluator_merge(efme_evaluator *evaluator, const char *folder) {
  EFME_FPENV_DEFAULT;
  if (!folder || !*folder) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_merge: folder is NULL or empty");
  efme_status status = begin(evaluator, "efme_evaluator_merge");
  if (status) return status;
  status = efme_folder_merge(evaluator, folder);
  end(evaluator);
  return status;
}

uint32_t efme_evaluator_done(const efme_evaluator *evaluator) {
  return evaluator ? atomic_load(&((efme_evaluator *)(uintptr_t)evaluator)->done) : 0;
}

static efme_status check_complete(const efme_evaluator *e) {
  uint32_t done = efme_evaluator_done(e);
  for (uint32_t f = 0; f < e->plan->count; f++)
    if (!e->folds[f].done)
      return efme_fail(EFME_E_STATE, "%u of %u folds are missing, first %s", e->plan->count - done, e->plan->count, e->plan->folds[f].name);
  return EFME_OK;
}

efme_status efme_evaluator_result(efme_result **out, efme_evaluator *evaluator) {
  EFME_FPENV_DEFAULT;
  if (!out) return efme_fail(EFME_E_ARGUMENT, "efme_evaluator_result: out is NULL");
  efme_status status = begin(evaluator, "efme_evaluator_result");
  if (status) return status;
  status = check_complete(evaluator);
  if (status == EFME_OK) status = efme_evaluator_report(out, evaluator);
  end(evaluator);
  return status;
}

/* ---- data set apart ---- */

static efme_status check_tested(const efme_model *model, const efme_dataset *tested) {
  uint32_t classes = efme_dataset_class_count(tested);
  if (efme_dataset_context(tested) != model->context)
    return efme_fail(EFME_E_ARGUMENT, "efme_evaluate: the tested dataset belongs to another context than the model");
  if (!efme_dataset_count(tested)) return efme_fail(EFME_E_MISMATCH, "efme_evaluate: the tested dataset is empty");
  if (classes != model->arch.classes)
    return efme_fail(EFME_E_MISMATCH, "efme_evaluate: the tested dataset has %u classes, the model %u", classes, model->arch.classes);
  for (uint32_t c = 0; c < classes; c++)
    if (strcmp(efme_dataset_class_name(tested, c), model->class_names[c]))
      return efme_fail(EFME_E_MISMATCH, "efme_evaluate: class %u is '%s' in the tested dataset, '%s' in the model", c,
                       efme_dataset_class_name(tested, c), model->class_names[c]);
  for (uint64_t i = 0; i < efme_dataset_count(tested); i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    efme_status status = efme_dataset_sample(tested, i, &s);
    if (status) return status;
    if (s.label < 0) return efme_fail(EFME_E_MISMATCH, "efme_evaluate: sample %s has no class", s.key);
  }
  return EFME_OK;
}

efme_status efme_evaluate(efme_result **out, efme_model *model, const efme_dataset *tested, const efme_evaluate_options *options) {
  EFME_FPENV_DEFAULT;
  static const efme_evaluate_options defaults = EFME_EVALUATE_OPTIONS_INIT;
  efme_evaluate_options o;
  const char *missing = !out ? "out" : !model ? "model" : !tested ? "tested" : NULL;
  if (missing) return efme_fail(EFME_E_ARGUMENT, "efme_evaluate: %s is NULL", missing);
  efme_status status = efme_options_load(&o, sizeof o, options, &defaults, "efme_evaluate_options");
  if (status == EFME_OK && (o.refuse_unknown > 1 || o.exclude_seen > 1))
    status = efme_fail(EFME_E_ARGUMENT, "efme_evaluate: %s must be 0 or 1", o.refuse_unknown > 1 ? "refuse_unknown" : "exclude_seen");
  if (status == EFME_OK) status = check_tested(model, tested);
  return status ? status : efme_heldout(out, model, tested, &o);
}
