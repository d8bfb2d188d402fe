/* Evaluations: five folds on two workers, and three folds that choose between two recipes; their last files are the scores,
 * the predictions and the log. */
#include "eval/loso_fixture.h"

#include "work.h"

static efme_status evaluate(const struct lf *f, const efme_recipe *other, const char *folder, double seconds, efme_train_progress_fn progress) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *evaluator = NULL;
  efme_result *result = NULL;
  char paths[3][256];
  static const char *const names[] = {"metrics.json", "predictions.csv", "log.txt"};
  for (int i = 0; i < 3; i++) snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
  o.workers = 2, o.folder = folder, o.checkpoint_seconds = seconds;
  o.alternatives = &other, o.alternative_count = other != NULL, o.inner_folds = 2;
  efme_status status = efme_evaluator_create(&evaluator, f->model, f->dataset, f->plan, f->recipe, &o);
  if (!status) status = efme_evaluator_run(evaluator, progress, NULL);
  if (!status) status = efme_evaluator_result(&result, evaluator);
  if (!status) status = efme_result_write(result, paths[0], paths[1], paths[2]);
  efme_result_release(result), efme_evaluator_release(evaluator);
  return status;
}

efme_status work_loso(const char *folder, double seconds, efme_train_progress_fn progress) {
  struct lf f;
  lf_make(&f, 1, 30, 20);
  efme_status status = evaluate(&f, NULL, folder, seconds, progress);
  lf_free(&f);
  return status;
}

efme_status work_choice(const char *folder, double seconds, efme_train_progress_fn progress) {
  struct lf f;
  lf_data_init(&f.data);
  f.data.people = 4;
  f.context = test_context(1), f.dataset = lf_open(f.context, &f.data), f.model = lf_model(f.context);
  f.recipe = lf_recipe(f.context, 2, 0);
  ok(efme_fold_plan_grouped(&f.plan, f.dataset, 2, NULL));
  efme_recipe *other = lf_recipe(f.context, 4, 1);
  efme_status status = evaluate(&f, other, folder, seconds, progress);
  efme_recipe_release(other);
  lf_free(&f);
  return status;
}
