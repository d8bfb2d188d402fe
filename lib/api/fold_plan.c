/* Fold plans: argument checks. */
#include "eval/plan.h"

static efme_status load_options(efme_fold_options *o, const efme_fold_options *given, const char *who) {
  static const efme_fold_options defaults = EFME_FOLD_OPTIONS_INIT;
  efme_status status = efme_options_load(o, sizeof *o, given, &defaults, "efme_fold_options");
  if (status) return status;
  if (o->validation > EFME_VALIDATE_NONE) return efme_fail(EFME_E_ARGUMENT, "%s: validation is %u, must be 0..2", who, o->validation);
  if (o->reserved) return efme_fail(EFME_E_ARGUMENT, "%s: reserved is %u, must be 0", who, o->reserved);
  if (!(o->ratio > 0.0 && o->ratio < 1.0)) return efme_fail(EFME_E_ARGUMENT, "%s: ratio must lie between 0 and 1", who);
  return EFME_OK;
}

static efme_status make(efme_fold_plan **out, const efme_dataset *dataset, enum efme_plan_kind kind, const uint32_t *fold_of,
                        uint32_t folds, const efme_fold_options *given, const char *who) {
  EFME_FPENV_DEFAULT;
  efme_fold_options options;
  if (!out || !dataset) return efme_fail(EFME_E_ARGUMENT, "%s: %s is NULL", who, out ? "dataset" : "out");
  efme_status status = load_options(&options, given, who);
  if (status) return status;
  return efme_fold_plan_build(out, dataset, kind, fold_of, folds, &options);
}

efme_status efme_fold_plan_loso(efme_fold_plan **out, const efme_dataset *dataset, const efme_fold_options *options) {
  return make(out, dataset, EFME_PLAN_LOSO, NULL, 0, options, "efme_fold_plan_loso");
}

efme_status efme_fold_plan_grouped(efme_fold_plan **out, const efme_dataset *dataset, uint32_t k, const efme_fold_options *options) {
  if (k < 2) return efme_fail(EFME_E_ARGUMENT, "efme_fold_plan_grouped: k is %u, must be at least 2", k);
  return make(out, dataset, EFME_PLAN_GROUPED, NULL, k, options, "efme_fold_plan_grouped");
}

efme_status efme_fold_plan_datasets(efme_fold_plan **out, const efme_dataset *dataset, const efme_fold_options *options) {
  return make(out, dataset, EFME_PLAN_DATASETS, NULL, 0, options, "efme_fold_plan_datasets");
}

efme_status efme_fold_plan_custom(efme_fold_plan **out, const efme_dataset *dataset, const uint32_t *fold_of, uint32_t folds,
                                  const efme_fold_options *options) {
  if (!fold_of) return efme_fail(EFME_E_ARGUMENT, "efme_fold_plan_custom: fold_of is NULL");
  if (folds < 2 || folds > 1000000) return efme_fail(EFME_E_ARGUMENT, "efme_fold_plan_custom: folds is %u, must be 2..1000000", folds);
  return make(out, dataset, EFME_PLAN_CUSTOM, fold_of, folds, options, "efme_fold_plan_custom");
}

efme_fold_plan *efme_fold_plan_retain(efme_fold_plan *plan) {
  if (plan) atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
  return plan;
}

void efme_fold_plan_release(efme_fold_plan *plan) {
  if (plan && atomic_fetch_sub_explicit(&plan->references, 1, memory_order_acq_rel) == 1) efme_plan_destroy(plan);
}

uint32_t efme_fold_plan_count(const efme_fold_plan *plan) { return plan ? plan->count : 0; }

const char *efme_fold_plan_name(const efme_fold_plan *plan, uint32_t fold) {
  return plan && fold < plan->count ? plan->folds[fold].name : NULL;
}

efme_status efme_fold_plan_part(const efme_fold_plan *plan, uint32_t fold, efme_fold_part part, const uint64_t **indices, uint64_t *count) {
  if (!plan || !indices || !count)
    return efme_fail(EFME_E_ARGUMENT, "efme_fold_plan_part: %s is NULL", !plan ? "plan" : !indices ? "indices" : "count");
  if (fold >= plan->count) return efme_fail(EFME_E_ARGUMENT, "efme_fold_plan_part: fold is %u, there are %u", fold, plan->count);
  if ((unsigned)part > EFME_PART_TEST) return efme_fail(EFME_E_ARGUMENT, "efme_fold_plan_part: part is %d, must be 0..2", (int)part);
  const struct efme_fold *f = &plan->folds[fold];
  const uint64_t *at = f->indices;
  for (int k = 0; k < (int)part; k++) at += f->counts[k];
  *indices = at;
  *count = f->counts[part];
  return EFME_OK;
}
