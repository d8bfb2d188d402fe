/* api_arguments: fold plans, evaluators and results. */
#include "api/arguments.h"

/* ---- evaluator.h ---- */

START_TEST(plans) {
  efme_fold_options o = EFME_FOLD_OPTIONS_INIT;
  efme_fold_plan *made = NULL;
  uint32_t fold_of[24];
  for (uint32_t i = 0; i < 24; i++) fold_of[i] = i / 12;
  efme_fold_options bad_kind = o, bad_ratio = o;
  bad_kind.validation = 3, bad_ratio.ratio = NAN;
  WITHOUT(out, efme_fold_plan_loso, NULL, data, &o);
  WITHOUT(dataset, efme_fold_plan_loso, &out.plan, NULL, &o);
  REFUSED(ARGUMENT, "validation is 3", efme_fold_plan_loso, &out.plan, data, &bad_kind);
  REFUSED(ARGUMENT, "ratio", efme_fold_plan_loso, &out.plan, data, &bad_ratio);
  WITHOUT(out, efme_fold_plan_datasets, NULL, data, &o);
  WITHOUT(dataset, efme_fold_plan_datasets, &out.plan, NULL, &o);
  REFUSED(MISMATCH, "", efme_fold_plan_datasets, &out.plan, data, NULL); /* one source only */
  note("efme_fold_plan_datasets", "options");
  WITHOUT(out, efme_fold_plan_grouped, NULL, data, 2, &o);
  WITHOUT(dataset, efme_fold_plan_grouped, &out.plan, NULL, 2, &o);
  REFUSED(ARGUMENT, "k is 1", efme_fold_plan_grouped, &out.plan, data, 1, &o);
  REFUSED(ARGUMENT, "k is 5", efme_fold_plan_grouped, &out.plan, data, 5, &o);
  WITHOUT(out, efme_fold_plan_custom, NULL, data, fold_of, 2, &o);
  WITHOUT(dataset, efme_fold_plan_custom, &out.plan, NULL, fold_of, 2, &o);
  WITHOUT(fold_of, efme_fold_plan_custom, &out.plan, data, NULL, 2, &o);
  REFUSED(ARGUMENT, "folds is 1", efme_fold_plan_custom, &out.plan, data, fold_of, 1, &o);
  ALLOWED(options, efme_fold_plan_loso, efme_fold_plan_loso(&made, data, NULL) == EFME_OK);
  efme_fold_plan_release(made);
  ALLOWED(options, efme_fold_plan_grouped, efme_fold_plan_grouped(&made, data, 2, NULL) == EFME_OK);
  efme_fold_plan_release(made);
  ALLOWED(options, efme_fold_plan_custom, efme_fold_plan_custom(&made, data, fold_of, 2, NULL) == EFME_OK);
  efme_fold_plan_release(made);
  fold_of[3] = 2;
  REFUSED(ARGUMENT, "fold_of[3]", efme_fold_plan_custom, &out.plan, data, fold_of, 2, &o);
  ALLOWED(plan, efme_fold_plan_retain, efme_fold_plan_retain(NULL) == NULL);
  ALLOWED(plan, efme_fold_plan_release, (efme_fold_plan_release(NULL), 1));
  ALLOWED(plan, efme_fold_plan_count, efme_fold_plan_count(NULL) == 0);
  ALLOWED(plan, efme_fold_plan_name, !efme_fold_plan_name(NULL, 0) && !efme_fold_plan_name(plan, 4));
  WITHOUT(plan, efme_fold_plan_part, NULL, 0, EFME_PART_TEST, &out.indices, &out.count);
  WITHOUT(indices, efme_fold_plan_part, plan, 0, EFME_PART_TEST, NULL, &out.count);
  WITHOUT(count, efme_fold_plan_part, plan, 0, EFME_PART_TEST, &out.indices, NULL);
  REFUSED(ARGUMENT, "fold is 4", efme_fold_plan_part, plan, 4, EFME_PART_TEST, &out.indices, &out.count);
  REFUSED(ARGUMENT, "part is 3", efme_fold_plan_part, plan, 0, (efme_fold_part)3, &out.indices, &out.count);
}
END_TEST

START_TEST(evaluators) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *made = NULL;
  WITHOUT(out, efme_evaluator_create, NULL, model, data, plan, recipe, &o);
  WITHOUT(start, efme_evaluator_create, &out.evaluator, NULL, data, plan, recipe, &o);
  WITHOUT(dataset, efme_evaluator_create, &out.evaluator, model, NULL, plan, recipe, &o);
  WITHOUT(plan, efme_evaluator_create, &out.evaluator, model, data, NULL, recipe, &o);
  WITHOUT(recipe, efme_evaluator_create, &out.evaluator, model, data, plan, NULL, &o);
  ALLOWED(options, efme_evaluator_create, efme_evaluator_create(&made, model, data, plan, recipe, NULL) == EFME_OK);
  REFUSED(ARGUMENT, "another context", efme_evaluator_create, &out.evaluator, other_model, data, plan, recipe, NULL);
  REFUSED(MISMATCH, "", efme_evaluator_create, &out.evaluator, model, two_classes, plan, recipe, NULL);
  REFUSED(ARGUMENT, "no phases", efme_evaluator_create, &out.evaluator, model, data, plan, empty_recipe, NULL);
  o.workers = 257;
  REFUSED(ARGUMENT, "workers is 257", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  const efme_recipe *some[] = {recipe, NULL};
  o.workers = 0, o.alternatives = some, o.alternative_count = 2;
  REFUSED(ARGUMENT, "alternatives[1] is NULL", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.alternative_count = 256;
  REFUSED(ARGUMENT, "255 alternatives", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.alternative_count = 1, o.inner_folds = 1;
  REFUSED(ARGUMENT, "inner_folds is 1", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.inner_folds = 0, o.checkpoint_seconds = -1.0;
  REFUSED(ARGUMENT, "checkpoint_seconds must be", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.checkpoint_seconds = 0.0, o.alternatives = NULL;
  REFUSED(ARGUMENT, "alternatives is NULL", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.alternative_count = 0, o.shard = 2, o.shards = 2;
  REFUSED(ARGUMENT, "shard is 2 of 2", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.shard = o.shards = 0, o.folder = "";
  REFUSED(ARGUMENT, "folder is empty", efme_evaluator_create, &out.evaluator, model, data, plan, recipe, &o);
  o.folder = in_folder("table.csv"); /* a file */
  efme_evaluator *nowhere = NULL;
  OK(efme_evaluator_create(&nowhere, model, data, plan, recipe, &o));
  REFUSED(IO, "table.csv", efme_evaluator_run, nowhere, NULL, NULL); /* before anything is trained */
  efme_evaluator_release(nowhere);
  ALLOWED(evaluator, efme_evaluator_retain, efme_evaluator_retain(NULL) == NULL);
  ALLOWED(evaluator, efme_evaluator_release, (efme_evaluator_release(NULL), 1));
  ALLOWED(evaluator, efme_evaluator_done, efme_evaluator_done(NULL) == 0);
  WITHOUT(evaluator, efme_evaluator_run, NULL, NULL, NULL);
  WITHOUT(evaluator, efme_evaluator_run_fold, NULL, 0, NULL, NULL);
  REFUSED(ARGUMENT, "fold is 4", efme_evaluator_run_fold, made, 4, NULL, NULL);
  REFUSED(CANCELLED, "", efme_evaluator_run, made, stop_training, NULL);
  ALLOWED(progress, efme_evaluator_run_fold, efme_evaluator_run_fold(made, 0, NULL, NULL) == EFME_OK);
  note("efme_evaluator_run_fold", "user"), note("efme_evaluator_run", "user");
  WITHOUT(evaluator, efme_evaluator_merge, NULL, folder);
  WITHOUT(folder, efme_evaluator_merge, made, NULL);
  REFUSED(ARGUMENT, "folder is NULL or empty", efme_evaluator_merge, made, "");
  REFUSED(NOT_FOUND, "absent", efme_evaluator_merge, made, in_folder("absent"));
  WITHOUT(out, efme_evaluator_result, NULL, made);
  WITHOUT(evaluator, efme_evaluator_result, &out.result, NULL);
  REFUSED(STATE, "3 of 4 folds", efme_evaluator_result, &out.result, made);
  ALLOWED(progress, efme_evaluator_run, efme_evaluator_run(made, NULL, NULL) == EFME_OK);
  efme_evaluator_release(made);

  efme_evaluate_options e = EFME_EVALUATE_OPTIONS_INIT;
  efme_result *scored = NULL;
  WITHOUT(out, efme_evaluate, NULL, model, data, &e);
  WITHOUT(model, efme_evaluate, &out.result, NULL, data, &e);
  WITHOUT(tested, efme_evaluate, &out.result, model, NULL, &e);
  ALLOWED(options, efme_evaluate, efme_evaluate(&scored, model, data, NULL) == EFME_OK);
  efme_result_release(scored);
  REFUSED(ARGUMENT, "another context", efme_evaluate, &out.result, model, other_data, NULL);
  REFUSED(MISMATCH, "2 classes", efme_evaluate, &out.result, model, two_classes, NULL);
  e.exclude_seen = 2;
  REFUSED(ARGUMENT, "exclude_seen", efme_evaluate, &out.result, model, data, &e);
  e.exclude_seen = 0, e.progress = stop_reading;
  REFUSED(CANCELLED, "", efme_evaluate, &out.result, model, data, &e);
}
END_TEST

START_TEST(results) {
  ALLOWED(result, efme_result_retain, efme_result_retain(NULL) == NULL);
  ALLOWED(result, efme_result_release, (efme_result_release(NULL), 1));
  ALLOWED(result, efme_result_count, efme_result_count(NULL) == 0);
  ALLOWED(result, efme_result_dataset_count, efme_result_dataset_count(NULL) == 0);
  ALLOWED(result, efme_result_dataset, !efme_result_dataset(NULL, 0) && !efme_result_dataset(result, 1));
  ALLOWED(result, efme_result_clean, efme_result_clean(NULL) == 0);
  WITHOUT(result, efme_result_scores, NULL, NULL, &out.scores);
  WITHOUT(out, efme_result_scores, result, NULL, NULL);
  ALLOWED(dataset, efme_result_scores, efme_result_scores(result, NULL, &(efme_scores)EFME_SCORES_INIT) == EFME_OK);
  REFUSED(NOT_FOUND, "no-such", efme_result_scores, result, "no-such", &out.scores);
  WITHOUT(result, efme_result_class_scores, NULL, NULL, 0, &out.class_scores);
  WITHOUT(out, efme_result_class_scores, result, NULL, 0, NULL);
  ALLOWED(dataset, efme_result_class_scores,
          efme_result_class_scores(result, NULL, 0, &(efme_class_scores)EFME_CLASS_SCORES_INIT) == EFME_OK);
  REFUSED(ARGUMENT, "index 3", efme_result_class_scores, result, NULL, 3, &out.class_scores);
  WITHOUT(result, efme_result_confusion, NULL, NULL, out.counts, 9);
  WITHOUT(counts, efme_result_confusion, result, NULL, NULL, 9);
  uint64_t counts[9];
  ALLOWED(dataset, efme_result_confusion, efme_result_confusion(result, NULL, counts, 9) == EFME_OK && counts[5] == 1);
  REFUSED(ARGUMENT, "capacity 8", efme_result_confusion, result, NULL, out.counts, 8);
  WITHOUT(result, efme_result_tested, NULL, 0, &out.tested);
  WITHOUT(out, efme_result_tested, result, 0, NULL);
  REFUSED(ARGUMENT, "index 2", efme_result_tested, result, 2, &out.tested);
  const char *bad = in_folder("no/such");
  WITHOUT(result, efme_result_write, NULL, bad, NULL, NULL);
  note("efme_result_write", "json_path"), note("efme_result_write", "csv_path"), note("efme_result_write", "log_path");
  OK(efme_result_write(result, NULL, NULL, NULL));
  REFUSED(IO, "no/such", efme_result_write, result, bad, NULL, NULL);
  REFUSED(IO, "no/such", efme_result_write, result, NULL, bad, NULL);
  REFUSED(IO, "no/such", efme_result_write, result, NULL, NULL, bad);
  WITHOUT(result, efme_result_text, NULL, &out.text);
  WITHOUT(out, efme_result_text, result, NULL);
  WITHOUT(result, efme_result_audit_json, NULL, &out.text);
  WITHOUT(out, efme_result_audit_json, result, NULL);

  static const int32_t truth[] = {0, 1}, wrong[] = {0, 3};
  WITHOUT(out, efme_score, NULL, truth, truth, 2, 3);
  WITHOUT(truth, efme_score, &out.scores, NULL, truth, 2, 3);
  WITHOUT(predicted, efme_score, &out.scores, truth, NULL, 2, 3);
  REFUSED(ARGUMENT, "predicted[1] = 3", efme_score, &out.scores, truth, wrong, 2, 3);
  REFUSED(ARGUMENT, "classes is 1", efme_score, &out.scores, truth, truth, 2, 1);
  REFUSED(ARGUMENT, "classes is 1025", efme_score, &out.scores, truth, truth, 2, 1025);
  const char *table = in_folder("table.csv"), *log = put("log.txt", "casme2 sub01\nEP02_01f 1 1\n");
  efme_result *made = NULL;
#define FOREIGN(function, file)                                                                                                            \
  WITHOUT(out, function, NULL, context, file, classes3, 3, NULL);                                                                          \
  WITHOUT(context, function, &out.result, NULL, file, classes3, 3, NULL);                                                                  \
  WITHOUT(path, function, &out.result, context, NULL, classes3, 3, NULL);                                                                  \
  ALLOWED(class_names, function, function(&made, context, file, NULL, 3, NULL) == EFME_OK);                                                \
  note(#function, "expected"); /* as here */                                                                                               \
  efme_result_release(made);                                                                                                               \
  REFUSED(ARGUMENT, "classes is 1", function, &out.result, context, file, classes3, 1, NULL);                                              \
  REFUSED(IO, "absent", function, &out.result, context, in_folder("absent"), classes3, 3, NULL);                                           \
  REFUSED(FORMAT, "empty.txt", function, &out.result, context, put("empty.txt", "\n"), classes3, 3, NULL);                                 \
  REFUSED(MISMATCH, "", function, &out.result, context, file, NULL, 3, two_classes)
  FOREIGN(efme_result_from_csv, table);
  FOREIGN(efme_result_from_log, log);

  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.uf1 = .5;
  WITHOUT(out, efme_check_printed_row, NULL, &out.number, &row);
  WITHOUT(findings, efme_check_printed_row, &out.text, NULL, &row);
  WITHOUT(row, efme_check_printed_row, &out.text, &out.number, NULL);
  WITHOUT(out, efme_result_check_row, NULL, &out.number, result, &row);
  WITHOUT(findings, efme_result_check_row, &out.text, NULL, result, &row);
  WITHOUT(result, efme_result_check_row, &out.text, &out.number, NULL, &row);
  WITHOUT(row, efme_result_check_row, &out.text, &out.number, result, NULL);
  row.decimals = 0;
  REFUSED(ARGUMENT, "decimals is 0", efme_check_printed_row, &out.text, &out.number, &row);
  row.decimals = 3, row.classes = 2;
  REFUSED(MISMATCH, "2 classes", efme_result_check_row, &out.text, &out.number, result, &row);
}
END_TEST

void add_evaluation_tests(TCase *t) {
  tcase_add_test(t, plans);
  tcase_add_test(t, evaluators);
  tcase_add_test(t, results);
}
