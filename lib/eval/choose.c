/* Choosing a recipe inside a fold: grid search that never sees the tested subject.
 *
 * Each candidate is evaluated as any recipe is, by an evaluator of its own over the fold's training and validation samples alone, in
 * folds of whole subjects from the same start weights; the candidate with the highest pooled UF1 trains the fold. All that an evaluation
 * promises (audit, bits, files, resuming) holds for the inner ones because they are evaluations. */
#include <string.h>

#include "eval/evaluator.h"

/* The inner run's reports with the candidate's number before them. */
struct inner_progress {
  efme_train_progress_fn call;
  void *user;
  uint32_t candidate, count;
};

static int report(const efme_train_progress *progress, void *user) {
  const struct inner_progress *p = user;
  char what[512];
  efme_train_progress now = *progress;
  snprintf(what, sizeof what, "recipe %u of %u, %s", p->candidate + 1, p->count, progress->what);
  now.what = what;
  return p->call(&now, p->user);
}

/* The fold's samples but those that it tests. */
static efme_status training_side(efme_dataset **out, const efme_evaluator *e, uint32_t fold) {
  const struct efme_fold *f = &e->plan->folds[fold];
  return efme_dataset_subset(out, e->dataset, f->indices, f->counts[EFME_PART_TRAIN] + f->counts[EFME_PART_VALIDATION]);
}

static efme_status score_of(double *uf1, efme_evaluator *inner, struct inner_progress *progress) {
  efme_result *result = NULL;
  efme_scores scores = EFME_SCORES_INIT;
  efme_status status = efme_evaluator_run(inner, progress->call ? report : NULL, progress);
  if (status == EFME_OK) status = efme_evaluator_result(&result, inner);
  if (status == EFME_OK) status = efme_result_scores(result, NULL, &scores);
  efme_result_release(result);
  *uf1 = scores.uf1;
  return status;
}

static efme_status score_candidate(double *uf1, efme_evaluator *e, uint32_t fold, uint32_t candidate, const efme_dataset *side,
                                   const efme_fold_plan *plan, struct inner_progress *progress) {
  efme_evaluator_options options = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *inner = NULL;
  char suffix[32], *folder = NULL;
  snprintf(suffix, sizeof suffix, "recipe-%u", candidate);
  if (e->folder && !(folder = efme_fold_path(e, e->folder, fold, suffix))) return EFME_E_NOMEM;
  options.workers = 1;
  options.folder = folder;
  options.checkpoint_seconds = e->checkpoint_seconds;
  progress->candidate = candidate;
  efme_status status = efme_evaluator_make(&inner, e->start, side, plan, e->recipes[candidate], &options);
  if (status == EFME_OK) {
    inner->shared = efme_train_shared_retain(e->shared); /* pixels, and features where the candidate has the same augmentation */
    status = score_of(uf1, inner, progress);
    efme_evaluator_destroy(inner);
  }
  efme_mem_free(e->allocator, folder);
  return status;
}

static efme_status score_all(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, const efme_dataset *side,
                             efme_train_progress_fn progress, void *user) {
  struct inner_progress p = {progress, user, 0, e->recipe_count};
  efme_fold_plan *plan = NULL;
  efme_status status = efme_fold_plan_build(&plan, side, EFME_PLAN_GROUPED, NULL, e->inner_folds, &e->plan->options);
  for (uint32_t c = 0; c < e->recipe_count && status == EFME_OK; c++) {
    status = score_candidate(&out->inner_uf1[c], e, fold, c, side, plan, &p);
    if (status == EFME_OK && out->inner_uf1[c] > out->inner_uf1[out->choice]) out->choice = c;
  }
  efme_fold_plan_release(plan);
  return status;
}

efme_status efme_fold_choose(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, efme_train_progress_fn progress, void *user) {
  efme_dataset *side = NULL;
  if (e->recipe_count == 1) return EFME_OK;
  out->inner_uf1 = efme_mem_calloc(e->allocator, e->recipe_count, sizeof *out->inner_uf1, "scores of recipes");
  efme_status status = out->inner_uf1 ? training_side(&side, e, fold) : EFME_E_NOMEM;
  if (status == EFME_OK) status = score_all(out, e, fold, side, progress, user);
  efme_dataset_release(side);
  return status ? efme_fail_prefix(status, "choosing a recipe") : EFME_OK;
}

/* ---- what reports say ---- */

static efme_status json_recipe(struct efme_json *j, const char *name, const efme_recipe *recipe) {
  char *text = NULL;
  efme_status status = efme_recipe_describe(recipe, &text);
  if (status == EFME_OK) efme_json_raw(j, name, text);
  efme_string_free(text);
  return status;
}

efme_status efme_json_recipes(struct efme_json *j, const efme_evaluator *e) {
  efme_status status = json_recipe(j, "recipe", e->recipes[0]);
  if (e->recipe_count == 1) return status;
  efme_json_open(j, "alternatives", '[');
  for (uint32_t i = 1; i < e->recipe_count && status == EFME_OK; i++) status = json_recipe(j, NULL, e->recipes[i]);
  efme_json_close(j, ']');
  return status;
}

static uint32_t times_chosen(const efme_evaluator *e, uint32_t recipe) {
  uint32_t times = 0;
  for (uint32_t f = 0; f < e->plan->count; f++) times += e->folds[f].choice == recipe;
  return times;
}

void efme_json_choice(struct efme_json *j, const efme_evaluator *e) {
  if (e->recipe_count == 1) return;
  efme_json_open(j, "choice", '{');
  efme_json_u64(j, "recipes", e->recipe_count);
  efme_json_u64(j, "inner_folds", e->inner_folds);
  efme_json_string(j, "by", "UF1 pooled over folds of whole subjects of each fold's own training and validation samples");
  efme_json_open(j, "folds_that_chose", '[');
  for (uint32_t i = 0; i < e->recipe_count; i++) efme_json_u64(j, NULL, times_chosen(e, i));
  efme_json_close(j, ']');
  efme_json_close(j, '}');
}

efme_status efme_choice_find(struct efme_result *r, const efme_evaluator *e) {
  struct efme_text t;
  char *text = NULL;
  if (e->recipe_count == 1) return EFME_OK;
  efme_text_init(&t, e->allocator);
  for (uint32_t i = 0; i < e->recipe_count; i++)
    if (times_chosen(e, i)) efme_text_printf(&t, "%s%u in %u", t.size ? ", " : "", i, times_chosen(e, i));
  efme_status status = efme_text_take(&t, &text, NULL);
  if (status == EFME_OK)
    status = efme_result_find(r, 0, "nested-choice",
                              "each fold chose among %u recipes by %u folds of its own training subjects; of %u folds they chose recipe %s",
                              e->recipe_count, e->inner_folds, e->plan->count, text);
  efme_mem_free(e->allocator, text);
  return status;
}
