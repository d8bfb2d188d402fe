/* Evaluation: plans, three folds in memory and in a folder, what reads them back, results and their files, predictions of others. */
#include "eval/loso_fixture.h"

#include "faults.h"

static struct lf f;
static efme_result *result;

static void open_scene(void) {
  lf_data_init(&f.data);
  f.data.people = 3;
  f.context = faults_context;
  f.dataset = lf_open(f.context, &f.data);
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = 1, o.height = o.width = SIDE, o.class_names = lf_classes, o.class_count = 3;
  ok(efme_model_create(&f.model, f.context, &o));
  f.recipe = lf_recipe(f.context, 1, 1);
  ok(efme_fold_plan_loso(&f.plan, f.dataset, NULL));
  result = lf_run(&f, 1, at("finished"));
  ok(efme_result_write(result, NULL, at("predictions.csv"), at("log.txt")));
}

static void close_scene(void) {
  efme_result_release(result);
  efme_fold_plan_release(f.plan);
  efme_recipe_release(f.recipe);
  efme_model_release(f.model);
  efme_dataset_release(f.dataset);
  remove_tree(at("finished"));
}

static efme_status took_result(uint64_t *hash, efme_status status, efme_result *r) {
  char *text = NULL;
  if (status) return untouched(status, r);
  malloc_paused++;
  ok(efme_result_text(r, &text));
  add_text(hash, text);
  efme_string_free(text);
  ok(efme_result_audit_json(r, &text));
  add_text(hash, text);
  efme_string_free(text);
  malloc_paused--;
  efme_result_release(r);
  return EFME_OK;
}

/* ---- plans ---- */

static efme_status plan(uint64_t *hash, int kind) {
  efme_fold_plan *p = NOTHING;
  static const uint32_t fold_of[18] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  efme_fold_options o = EFME_FOLD_OPTIONS_INIT;
  if (kind == 4) o.validation = EFME_VALIDATE_RANDOM;
  efme_status status = kind == 1   ? efme_fold_plan_grouped(&p, f.dataset, 2, &o)
                       : kind == 2 ? efme_fold_plan_datasets(&p, f.dataset, &o)
                       : kind == 3 ? efme_fold_plan_custom(&p, f.dataset, fold_of, 2, &o)
                                   : efme_fold_plan_loso(&p, f.dataset, &o);
  if (status) return untouched(status, p);
  for (uint32_t k = 0; k < efme_fold_plan_count(p); k++)
    for (int part = 0; part < 3; part++) {
      const uint64_t *indices;
      uint64_t count;
      ok(efme_fold_plan_part(p, k, (efme_fold_part)part, &indices, &count));
      add_bytes(hash, indices, count * sizeof *indices);
    }
  efme_fold_plan_release(p);
  return EFME_OK;
}

/* ---- runs ---- */

static efme_evaluator *evaluator;
static const char *run_folder(void) { return at("run"); }

static efme_status create(efme_evaluator **out, const char *folder) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  o.workers = 1, o.folder = folder;
  return efme_evaluator_create(out, f.model, f.dataset, f.plan, f.recipe, &o);
}

/* which: 0 in memory, 1 in the finished run's folder, where folds are read back. */
static efme_status open_evaluator(uint64_t *hash, int which) {
  efme_evaluator *e = NOTHING;
  efme_status status = create(&e, which ? at("finished") : NULL);
  if (status) return untouched(status, e);
  uint32_t done = efme_evaluator_done(e);
  add_bytes(hash, &done, sizeof done);
  efme_evaluator_release(e);
  return EFME_OK;
}

static void make_evaluator(int in_folder) {
  remove_tree(run_folder());
  ok(create(&evaluator, in_folder ? run_folder() : NULL));
}

static void drop_evaluator(void) { efme_evaluator_release(evaluator); }

static void add_result_of(uint64_t *hash, efme_evaluator *e) {
  efme_result *r = NULL;
  malloc_paused++;
  ok(efme_evaluator_result(&r, e));
  malloc_paused--;
  took_result(hash, EFME_OK, r);
}

static efme_status run(uint64_t *hash, int in_folder) {
  efme_status status = efme_evaluator_run(evaluator, NULL, NULL);
  if (status) return status;
  add_result_of(hash, evaluator);
  if (in_folder) add_tree(hash, run_folder());
  return EFME_OK;
}

static efme_status merge(uint64_t *hash, int in_folder) {
  efme_status status = efme_evaluator_merge(evaluator, at("finished"));
  if (status) return status;
  add_result_of(hash, evaluator);
  if (in_folder) add_tree(hash, run_folder());
  return EFME_OK;
}

static void make_finished(int which) {
  (void)which;
  ok(create(&evaluator, at("finished")));
  ck_assert_uint_eq(efme_evaluator_done(evaluator), 3);
}

static efme_status report(uint64_t *hash, int which) {
  efme_result *r = NOTHING;
  (void)which;
  efme_status status = efme_evaluator_result(&r, evaluator);
  return took_result(hash, status, r);
}

static efme_status held_out(uint64_t *hash, int which) {
  efme_result *r = NOTHING;
  (void)which;
  efme_status status = efme_evaluate(&r, f.model, f.dataset, NULL);
  return took_result(hash, status, r);
}

/* ---- what comes out ---- */

static void make_old(int which) {
  static const char *const names[] = {"out/metrics.json", "out/predictions.csv", "out/log.txt"};
  (void)which;
  for (int i = 0; i < 3; i++) write_text(at(names[i]), "old");
}

static void drop_out(void) { remove_tree(at("out")); }

static efme_status write_result(uint64_t *hash, int which) {
  (void)which;
  efme_status status = efme_result_write(result, at("out/metrics.json"), at("out/predictions.csv"), at("out/log.txt"));
  uint64_t now = 0;
  if (status) return status;
  add_tree(&now, at("out"));
  add_bytes(hash, &now, sizeof now);
  return EFME_OK;
}

static efme_status text(uint64_t *hash, int audit) {
  char *t = NOTHING;
  efme_status status = audit ? efme_result_audit_json(result, &t) : efme_result_text(result, &t);
  return took_text(hash, status, t);
}

/* ---- what others computed ---- */

static efme_status foreign(uint64_t *hash, int csv) {
  efme_result *r = NOTHING;
  efme_status status = csv ? efme_result_from_csv(&r, f.context, at("predictions.csv"), lf_classes, 3, f.dataset)
                           : efme_result_from_log(&r, f.context, at("log.txt"), NULL, 3, f.dataset);
  return took_result(hash, status, r);
}

static efme_status check_row(uint64_t *hash, int against) {
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  char *t = NOTHING;
  uint32_t findings = 77;
  row.uf1 = 0.9, row.uar = 1.178, row.accuracy = 0.5;
  efme_status status = against ? efme_result_check_row(&t, &findings, result, &row) : efme_check_printed_row(&t, &findings, &row);
  must(!status || findings == 77, "findings were touched");
  return took_text(hash, status, t);
}

static efme_status score(uint64_t *hash, int which) {
  static const int32_t truth[] = {0, 1, 2, 1}, predicted[] = {0, 1, 1, 1};
  efme_scores s = EFME_SCORES_INIT;
  (void)which;
  s.uf1 = 77.0;
  efme_status status = efme_score(&s, truth, predicted, 4, 3);
  must(!status || s.uf1 == 77.0, "scores were touched");
  if (status) return status;
  add_bytes(hash, &s, sizeof s);
  return EFME_OK;
}

static const struct scenario scenarios[] = {
    {"leave-one-subject-out plan", 0, NULL, plan, NULL, LIBC},
    {"plan of grouped folds", 1, NULL, plan, NULL, LIBC},
    {"leave-one-dataset-out plan", 2, NULL, plan, NULL, LIBC},
    {"plan of the caller's folds", 3, NULL, plan, NULL, LIBC},
    {"plan with random validation", 4, NULL, plan, NULL, LIBC},
    {"create an evaluator", 0, NULL, open_evaluator, NULL, LIBC},
    {"create an evaluator of a finished run", 1, NULL, open_evaluator, NULL, LIBC},
    {"three folds", 0, make_evaluator, run, drop_evaluator, LIBC},
    {"three folds in a folder", 1, make_evaluator, run, drop_evaluator, LIBC},
    {"merge three folds", 1, make_evaluator, merge, drop_evaluator, LIBC},
    {"result", 0, make_finished, report, drop_evaluator, LIBC},
    {"score data set apart", 0, NULL, held_out, NULL, LIBC},
    {"write a result", 0, make_old, write_result, drop_out, 0},
    {"result as text", 0, NULL, text, NULL, 0},
    {"audit as JSON", 1, NULL, text, NULL, 0},
    {"predictions from a log", 0, NULL, foreign, NULL, LIBC},
    {"predictions from a table", 1, NULL, foreign, NULL, LIBC},
    {"check a printed row", 0, NULL, check_row, NULL, LIBC},
    {"check a printed row against predictions", 1, NULL, check_row, NULL, 0},
    {"score arrays", 0, NULL, score, NULL, LIBC},
};
const struct scene scene_eval = {open_scene, close_scene, scenarios, sizeof scenarios / sizeof scenarios[0]};
