/* What stands in files and reports, and what the audit refuses or flags where no public call can bring it about; damaged and foreign
 * files; scores of data set apart. harness.c plays the field's errors through the public API. */
#include <cjson/cJSON.h>
#include <locale.h>

#include "data/loader.h"
#include "eval/evaluator.h" /* to break what no public call can */
#include "loso_fixture.h"
#include "net/model.h"
#include "net/provenance.h"

static char *audit(const efme_result *r) {
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  return text;
}

static efme_status make(efme_evaluator **e, const struct lf *f, const char *folder) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  o.workers = 2;
  o.folder = folder;
  return efme_evaluator_create(e, f->model, f->dataset, f->plan, f->recipe, &o);
}

/* ---- reports ---- */

START_TEST(files_agree) {
  /* metrics.json, predictions.csv and the log say the same as the result; log and table read back to the same scores, clean. */
  struct lf f;
  lf_make(&f, 2, 1, 1);
  char *folder = test_folder();
  efme_result *r = lf_run(&f, 2, folder), *again = NULL;
  const char *json = test_path(folder, "metrics.json"), *csv = test_path(folder, "predictions.csv"), *log = test_path(folder, "log.txt");
  OK(efme_result_write(r, json, csv, log));
  efme_scores s = EFME_SCORES_INIT, t = EFME_SCORES_INIT;
  OK(efme_result_scores(r, NULL, &s));
  ck_assert_uint_eq(s.samples, SAMPLES);
  for (int table = 0; table < 2; table++) {
    if (table) OK(efme_result_from_csv(&again, f.context, csv, NULL, 3, f.dataset));
    else OK(efme_result_from_log(&again, f.context, log, NULL, 3, f.dataset));
    OK(efme_result_scores(again, NULL, &t));
    ck_assert_int_eq(memcmp(&s, &t, sizeof s), 0);
    ck_assert_int_eq(efme_result_clean(again), 1);
    efme_result_release(again);
  }
  char *text = test_read(json, NULL);
  cJSON *root = cJSON_Parse(text);
  ck_assert_ptr_nonnull(root);
  const cJSON *scores = cJSON_GetObjectItem(root, "scores"), *checks = cJSON_GetObjectItem(root, "audit");
  ck_assert_double_eq(cJSON_GetObjectItem(scores, "uf1")->valuedouble, s.uf1);
  ck_assert_double_eq(cJSON_GetObjectItem(scores, "uar")->valuedouble, s.uar);
  ck_assert_double_eq(cJSON_GetObjectItem(scores, "accuracy")->valuedouble, s.accuracy);
  ck_assert_ptr_nonnull(cJSON_GetObjectItem(scores, "mean_precision")); /* error 5: side by side */
  ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(scores, "classes")), 3);
  ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(root, "datasets")), 2);
  ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(checks, "folds")), PEOPLE);
  ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(checks, "subjects")), PEOPLE);
  ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(checks, "checked"), "every_sample_tested_once")));
  ck_assert_int_eq(cJSON_GetObjectItem(checks, "configurations_tried")->valueint, 1);
  HAS(text, "by construction");
  LACKS(text, "fold_average"); /* error 6: pooled only */
  LACKS(text, "fold-average");
  const char *members[] = {"recipe", "start_weights", "maker", "library", "class_names"};
  for (size_t i = 0; i < 5; i++) ck_assert_msg(cJSON_GetObjectItem(root, members[i]) != NULL, "metrics.json has no %s", members[i]);
  ck_assert_ptr_nonnull(cJSON_GetObjectItem(cJSON_GetObjectItem(root, "maker"), "decoder"));
  /* error 2: one checksum, that of the start weights, in every fold */
  efme_model_info info = EFME_MODEL_INFO_INIT;
  OK(efme_model_get_info(f.model, &info));
  char sum[24];
  snprintf(sum, sizeof sum, "%016llx", (unsigned long long)info.checksum);
  const cJSON *fold;
  cJSON_ArrayForEach(fold, cJSON_GetObjectItem(checks, "folds")) {
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(fold, "start_checksum")), sum);
    ck_assert_int_eq(cJSON_GetObjectItem(fold, "test")->valueint, EACH);
    ck_assert_int_eq(cJSON_GetObjectItem(fold, "train")->valueint + cJSON_GetObjectItem(fold, "validation")->valueint, SAMPLES - EACH);
  }
  cJSON_Delete(root);
  free(text);
  text = test_read(csv, NULL);
  HAS(text, "dataset,subject,clip,fold,truth,predicted,truth_name,predicted_name,p:negative,p:positive,p:surprise\n");
  HAS(text, "even,even/s1,c0,even/s1,0,");
  free(text);
  text = test_read(log, NULL);
  ck_assert_int_eq(strncmp(text, "even s1\nc0 0 ", 13), 0);
  HAS(text, "odd s4\nc0 0 ");
  free(text);
  OK(efme_result_text(r, &text));
  HAS(text, "leave-one-subject-out over 5 subjects, 30 samples");
  HAS(text, "recipe head+changed");
  HAS(text, "prec.    recall");
  efme_string_free(text);
  FAILS(EFME_E_IO, efme_result_write(r, test_path(folder, "no/such/folder.json"), NULL, NULL), "folder.json");
  efme_result_release(r);
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

START_TEST(probabilities_round_trip) {
  /* Through a fold's file, bit for bit: results from memory and from files are the same. */
  struct lf f;
  lf_make(&f, 1, 2, 0);
  char *folder = test_folder();
  efme_result *r = lf_run(&f, 1, folder), *back = lf_run(&f, 1, folder);
  lf_same(r, back);
  efme_result_release(r);
  efme_result_release(back);
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

/* All written forms of a result, one after the other; the same bits from memory and from the folds' files. */
static char *forms(const efme_result *r, const char *folder) {
  const char *paths[] = {test_path(folder, "f.json"), test_path(folder, "f.csv"), test_path(folder, "f.log")};
  OK(efme_result_write(r, paths[0], paths[1], paths[2]));
  char *all = calloc(1, 1 << 20), *text = NULL;
  for (int i = 0; i < 3; i++) {
    text = test_read(paths[i], NULL);
    strcat(all, text);
    free(text);
  }
  OK(efme_result_text(r, &text));
  strcat(all, text);
  efme_string_free(text);
  return all;
}

START_TEST(decimal_comma) {
  /* Files written and read under a locale with a decimal comma have the same bytes. */
  char *folder = test_folder(), command[512];
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1", folder, folder);
  int made = system(command) == 0;
  struct lf f;
  lf_make(&f, 1, 1, 0);
  char *run = test_folder();
  efme_result *r = lf_run(&f, 1, run), *again = NULL;
  char *plain = forms(r, folder);
  setenv("LOCPATH", folder, 1);
  if (made && setlocale(LC_ALL, "de_DE.UTF-8")) {
    char b[32];
    snprintf(b, sizeof b, "%.1f", 1.5);
    ck_assert_str_eq(b, "1,5"); /* it really is in force */
    again = lf_run(&f, 1, run); /* from the folds' files */
    char *comma = forms(again, folder);
    lf_same(r, again);
    ck_assert(!strcmp(plain, comma));
    efme_result_release(again);
    OK(efme_result_from_csv(&again, f.context, test_path(folder, "f.csv"), NULL, 3, f.dataset));
    ck_assert_int_eq(efme_result_clean(again), 1);
    efme_result_release(again);
    free(comma);
    setlocale(LC_ALL, "C");
  } else {
    printf("SKIP: no locale with a decimal comma can be made here\n");
    test_skips++;
  }
  unsetenv("LOCPATH");
  efme_result_release(r);
  free(plain);
  test_remove(run);
  free(run);
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

/* ---- errors of the field ---- */

START_TEST(error2_other_start_weights) {
  /* A fold that started elsewhere cannot be in a result; the trainer's own report of its start is what counts. */
  struct lf f;
  lf_make(&f, 1, 1, 0);
  efme_evaluator *e = lf_evaluator(&f, 1, NULL);
  efme_result *r = NULL;
  OK(efme_evaluator_run(e, NULL, NULL));
  e->folds[3].start_checksum ^= 1;
  FAILS(EFME_E_LEAK, efme_evaluator_result(&r, e), "fold odd/s2 started from weights");
  efme_evaluator_release(e);
  e = lf_evaluator(&f, 1, NULL);
  e->start_checksum ^= 1;
  FAILS(EFME_E_INTERNAL, efme_evaluator_run(e, NULL, NULL), "it would start from weights");
  efme_evaluator_release(e);
  /* and the start weights cannot change while an evaluator holds them */
  e = lf_evaluator(&f, 1, NULL);
  float bias[3] = {1, 2, 3};
  FAILS(EFME_E_BUSY, efme_model_set(f.model, "head/bias", bias, 3), "");
  efme_evaluator_release(e);
  OK(efme_model_set(f.model, "head/bias", bias, 3));
  lf_free(&f);
}
END_TEST

START_TEST(validation_without_a_class) {
  /* Two subjects: one trains, none is left to validate; said, not hidden. */
  struct lf f;
  lf_make(&f, 1, 1, 0);
  efme_dataset_release(f.dataset);
  efme_fold_plan_release(f.plan);
  f.data.people = 2;
  f.dataset = lf_open(f.context, &f.data);
  OK(efme_fold_plan_loso(&f.plan, f.dataset, NULL));
  efme_result *r = lf_run(&f, 1, NULL);
  char *text = audit(r);
  HAS(text, "in 2 folds validation lacks a class, first in fold even/s1: negative, positive, surprise");
  ck_assert_int_eq(efme_result_clean(r), 0);
  efme_string_free(text);
  efme_result_release(r);
  lf_free(&f);
}
END_TEST

START_TEST(unknown_provenance) {
  struct lf f;
  lf_make(&f, 1, 1, 0);
  f.model->provenance->known = 0;
  efme_result *r = lf_run(&f, 1, NULL);
  ck_assert_int_eq(efme_result_clean(r), 0);
  char *text = audit(r);
  HAS(text, "\"unknown-provenance\"");
  HAS(text, "\"tested_data_unseen_by_start_weights\": \"unknown\"");
  efme_string_free(text);
  efme_result_release(r);
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *e = NULL;
  o.refuse_unknown = 1;
  FAILS(EFME_E_LEAK, efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o), "unknown provenance");
  ck_assert_ptr_null(e);
  lf_free(&f);
}
END_TEST

START_TEST(seen_without_subjects) {
  /* Start weights that trained on samples of a tested dataset that named no subject: whose they were cannot be told. */
  struct lf f;
  lf_make(&f, 1, 1, 0);
  OK(efme_provenance_add_sample(f.model->provenance, "odd", ""));
  efme_result *r = lf_run(&f, 1, NULL);
  ck_assert_int_eq(efme_result_clean(r), 0);
  char *text = audit(r);
  HAS(text, "\"unknown-provenance\"");
  HAS(text, "the weights have seen samples of odd that named no subject: odd/s2 may be among them");
  HAS(text, "\"tested_data_unseen_by_start_weights\": \"unknown\"");
  LACKS(text, "seen other subjects of odd");
  efme_string_free(text);
  efme_result_release(r);
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *e = NULL;
  o.refuse_unknown = 1;
  FAILS(EFME_E_LEAK, efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o), "named no subject");
  r = NULL;
  OK(efme_evaluate(&r, f.model, f.dataset, NULL));
  ck_assert_int_eq(efme_result_clean(r), 0);
  efme_result_release(r);
  /* one that has seen another set so, as FER2013 is, has no such doubt */
  efme_model *other = lf_model(f.context);
  OK(efme_provenance_add_sample(other->provenance, "fer2013", ""));
  OK(efme_evaluator_create(&e, other, f.dataset, f.plan, f.recipe, &o));
  efme_evaluator_release(e);
  efme_model_release(other);
  lf_free(&f);
}
END_TEST

/* ---- folders ---- */

START_TEST(another_run_refused_by_field) {
  struct lf f, g;
  lf_make(&f, 1, 1, 0);
  char *folder = test_folder();
  efme_evaluator *e = NULL;
  efme_result_release(lf_run(&f, 1, folder));
  /* recipe */
  g = f;
  g.recipe = lf_recipe(f.context, 2, 0);
  FAILS(EFME_E_MISMATCH, make(&e, &g, folder), "run.json belongs to another run: phase 1 epochs is 1 there, 2 here");
  efme_recipe_release(g.recipe);
  /* start weights */
  g = f;
  OK(efme_model_clone(&g.model, f.model, NULL));
  const float bias[3] = {.1f, .2f, .3f};
  OK(efme_model_set(g.model, "head/bias", bias, 3));
  FAILS(EFME_E_MISMATCH, make(&e, &g, folder), "start weights is");
  efme_model_release(g.model);
  /* plan */
  g = f;
  efme_fold_options o = EFME_FOLD_OPTIONS_INIT;
  o.seed = 5;
  OK(efme_fold_plan_loso(&g.plan, f.dataset, &o));
  FAILS(EFME_E_MISMATCH, make(&e, &g, folder), "plan fingerprint is");
  efme_fold_plan_release(g.plan);
  /* data */
  g = f;
  lf_data_init(&g.data);
  g.data.replaced = 1;
  g.dataset = lf_open(f.context, &g.data);
  OK(efme_fold_plan_loso(&g.plan, g.dataset, NULL));
  FAILS(EFME_E_MISMATCH, make(&e, &g, folder), "dataset fingerprint is");
  /* the same samples with other pixels */
  struct lf h = f;
  lf_data_init(&h.data);
  h.data.noise = 5;
  h.dataset = lf_open(f.context, &h.data);
  OK(efme_fold_plan_loso(&h.plan, h.dataset, NULL));
  FAILS(EFME_E_MISMATCH, make(&e, &h, folder), "dataset pixels is");
  efme_fold_plan_release(h.plan);
  efme_dataset_release(h.dataset);
  ck_assert_ptr_null(e);
  /* merging asks the same */
  char *other = test_folder();
  OK(make(&e, &g, other));
  FAILS(EFME_E_MISMATCH, efme_evaluator_merge(e, folder), "dataset fingerprint is");
  efme_evaluator_release(e);
  efme_fold_plan_release(g.plan);
  efme_dataset_release(g.dataset);
  test_remove(other);
  free(other);
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

static void expect_damage(const struct lf *f, const char *folder, efme_status status, const char *part) {
  efme_evaluator *e = NULL;
  FAILS(status, make(&e, f, folder), part);
  HAS(efme_last_error(), "fold-0001-even_s3.json");
  ck_assert_ptr_null(e);
}

START_TEST(damaged_fold_files) {
  struct lf f;
  lf_make(&f, 1, 1, 0);
  char *folder = test_folder();
  efme_result_release(lf_run(&f, 1, folder));
  const char *path = test_path(folder, "fold-0001-even_s3.json");
  size_t size;
  char *good = test_read(path, &size), *bad = malloc(size + 64);
  test_write(path, good, 0);
  expect_damage(&f, folder, EFME_E_FORMAT, "truncated");
  for (size_t n = 1; n < size; n += size / 9) {
    test_write(path, good, n);
    expect_damage(&f, folder, EFME_E_FORMAT, "truncated");
  }
  test_write(path, good, size - 1);
  expect_damage(&f, folder, EFME_E_FORMAT, "truncated");
  for (size_t at = 10; at < size - 30; at += size / 17) {
    memcpy(bad, good, size);
    bad[at] ^= 1;
    test_write(path, bad, size);
    expect_damage(&f, folder, EFME_E_FORMAT, "content hash");
  }
  memcpy(bad, good, size);
  memcpy(bad + size, "more", 4);
  test_write(path, bad, size + 4);
  expect_damage(&f, folder, EFME_E_FORMAT, "content hash is not at the end");
  remove(path);
  mkdir(path, 0777);
  expect_damage(&f, folder, EFME_E_IO, "");
  remove(path);
  /* a file whose hash fits but whose content does not: another version, another fold, a truth that is not the data's */
  static const struct {
    const char *from, *to;
    efme_status status;
    const char *error;
  } edits[] = {
      {"efme-fold 1", "efme-fold 2", EFME_E_UNSUPPORTED, "format `efme-fold 2`"},
      {"efme-fold 1", "efme-bold 1", EFME_E_FORMAT, "not a fold's file"},
      {"\"fold\": \"even/s3\"", "\"fold\": \"even/s5\"", EFME_E_MISMATCH, "another fold"},
      {"\"truth\": 0", "\"truth\": 1", EFME_E_MISMATCH, "truth of even/s3/c0 is not the dataset's"},
      {"\"probabilities\": \"0", "\"probabilities\": \"x", EFME_E_FORMAT, "probabilities"},
      {"\"start_checksum\": \"", "\"start_checksum\": \"0", EFME_E_FORMAT, "a field is missing"},
      {"phase 1 epochs 1", "phase 1 epochs 3", EFME_E_MISMATCH, "phase 1 epochs is 3 there, 1 here"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    const char *mark = ",\n  \"content_hash\"", *end = strstr(good, mark), *at = strstr(good, edits[i].from);
    ck_assert_msg(at != NULL, "%s", edits[i].from);
    int n = snprintf(bad, size + 64, "%.*s%s%.*s", (int)(at - good), good, edits[i].to, (int)(end - at - (long)strlen(edits[i].from)),
                     at + strlen(edits[i].from));
    n += snprintf(bad + n, size + 64 - (size_t)n, "%s: \"%016llx\"\n}\n", mark, (unsigned long long)efme_hash64(bad, (size_t)n, 0));
    test_write(path, bad, (size_t)n);
    expect_damage(&f, folder, edits[i].status, edits[i].error);
  }
  /* a fold with other predictions than the one that is here */
  test_write(path, good, size);
  efme_evaluator *e = lf_evaluator(&f, 1, folder);
  char *other = test_folder();
  test_write(test_path(other, "run.json"), "{}", 2);
  FAILS(EFME_E_FORMAT, efme_evaluator_merge(e, other), "run.json: damaged");
  remove(test_path(other, "run.json"));
  char *first = strstr(good, "\"end_checksum\": \"") + 17;
  *first = *first == '0' ? '1' : '0';
  char *end = strstr(good, ",\n  \"content_hash\"");
  sprintf(end, ",\n  \"content_hash\": \"%016llx\"\n}\n", (unsigned long long)efme_hash64(good, (size_t)(end - good), 0));
  test_write(test_path(other, "fold-0001-even_s3.json"), good, strlen(good));
  FAILS(EFME_E_MISMATCH, efme_evaluator_merge(e, other), "fold even/s3 differs");
  ck_assert_uint_eq(efme_evaluator_done(e), PEOPLE);
  efme_evaluator_release(e);
  free(good);
  free(bad);
  test_remove(other);
  free(other);
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

START_TEST(configurations_counted) {
  /* Another recipe in the same folder needs the folds of the first removed; that both were tried stays on record. */
  struct lf f, g;
  lf_make(&f, 1, 1, 0);
  char *folder = test_folder();
  efme_result_release(lf_run(&f, 1, folder));
  remove(test_path(folder, "run.json"));
  for (uint32_t i = 0; i < PEOPLE; i++) {
    char name[64];
    snprintf(name, sizeof name, "fold-%04u-%c%s_s%d.json", i, i < 3 ? 'e' : 'o', i < 3 ? "ven" : "dd",
             i < 3 ? (int)(2 * i + 1) : (int)(2 * i - 4));
    ck_assert_int_eq(remove(test_path(folder, name)), 0);
  }
  g = f;
  g.recipe = lf_recipe(f.context, 2, 0);
  efme_result *r = lf_run(&g, 1, folder);
  char *text = audit(r);
  HAS(text, "\"configurations_tried\": 2");
  HAS(text, "a choice on the test subjects");
  efme_string_free(text);
  efme_result_release(r);
  text = test_read(test_path(folder, "configurations.txt"), NULL);
  HAS(text, "recipe head+changed, start ");
  free(text);
  efme_recipe_release(g.recipe);
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

START_TEST(recipe_changed_later) {
  /* The evaluator has a copy: changes after creation reach no fold. */
  struct lf f;
  lf_make(&f, 1, 1, 0);
  efme_result *plain = lf_run(&f, 1, NULL), *r = NULL;
  efme_evaluator *e = lf_evaluator(&f, 1, NULL);
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  OK(efme_recipe_get_options(f.recipe, &o));
  o.seed = 999;
  OK(efme_recipe_set_options(f.recipe, &o));
  OK(efme_recipe_clear_phases(f.recipe));
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  lf_same(plain, r);
  efme_result_release(plain);
  efme_result_release(r);
  efme_evaluator_release(e);
  FAILS(EFME_E_ARGUMENT, make(&e, &f, NULL), "no phases");
  lf_free(&f);
}
END_TEST

START_TEST(arguments) {
  struct lf f;
  lf_make(&f, 1, 1, 0);
  efme_evaluator *e = NULL;
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(NULL, f.model, f.dataset, f.plan, f.recipe, NULL), "out is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, NULL, f.dataset, f.plan, f.recipe, NULL), "start is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, NULL, f.plan, f.recipe, NULL), "dataset is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, f.dataset, NULL, f.recipe, NULL), "plan is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, f.dataset, f.plan, NULL, NULL), "recipe is NULL");
  o.shard = 3;
  o.shards = 3;
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o), "shard is 3 of 3");
  o.shard = 0;
  o.workers = 257;
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o), "workers is 257");
  o.workers = 1;
  o.folder = "";
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o), "folder is empty");
  struct {
    efme_evaluator_options o;
    uint32_t more[4];
  } larger = {EFME_EVALUATOR_OPTIONS_INIT, {0, 0, 7, 0}};
  larger.o.struct_size = sizeof larger;
  FAILS(EFME_E_ARGUMENT, efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &larger.o), "this version knows");
  larger.more[2] = 0;
  OK(efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &larger.o)); /* unknown bytes of zero do no harm */
  FAILS(EFME_E_ARGUMENT, efme_evaluator_merge(e, NULL), "folder is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluator_result(NULL, e), "out is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluator_run(NULL, NULL, NULL), "evaluator is NULL");
  efme_evaluator_release(efme_evaluator_retain(e));
  efme_evaluator_release(e);
  efme_evaluator_release(NULL);
  ck_assert_uint_eq(efme_evaluator_done(NULL), 0);
  e = NULL;
  /* another data set than the plan's; other classes; another context; a folder that is a file */
  struct lf_data data;
  lf_data_init(&data);
  data.people = 4;
  efme_dataset *fewer = lf_open(f.context, &data);
  FAILS(EFME_E_MISMATCH, efme_evaluator_create(&e, f.model, fewer, f.plan, f.recipe, NULL),
        "the plan was made for 30 samples, the dataset has 24");
  efme_dataset_release(fewer);
  lf_data_init(&data);
  data.stride = 7;
  efme_dataset *shuffled = lf_open(f.context, &data);
  FAILS(EFME_E_MISMATCH, efme_evaluator_create(&e, f.model, shuffled, f.plan, f.recipe, NULL),
        "the plan was made for another dataset: sample 1");
  efme_dataset_release(shuffled);
  lf_data_init(&data);
  data.twin = 9;
  efme_dataset *images = lf_open(f.context, &data); /* the same keys; the plan's audit knew other images */
  FAILS(EFME_E_MISMATCH, efme_evaluator_create(&e, f.model, images, f.plan, f.recipe, NULL), "odd/s2/c3 here, with another class or image");
  efme_dataset_release(images);
  efme_model_options mo = EFME_MODEL_OPTIONS_INIT;
  static const char *const swapped[] = {"negative", "surprise", "positive"};
  mo.cut = 2;
  mo.height = mo.width = SIDE;
  mo.class_names = swapped;
  mo.class_count = 3;
  efme_model *other = NULL;
  OK(efme_model_create(&other, f.context, &mo));
  FAILS(EFME_E_MISMATCH, efme_evaluator_create(&e, other, f.dataset, f.plan, f.recipe, NULL),
        "class 1 is 'positive' in the dataset, 'surprise' in the start weights");
  efme_model_release(other);
  char *folder = test_folder();
  const char *file = test_path(folder, "file");
  test_write(file, "x", 1);
  o = (efme_evaluator_options)EFME_EVALUATOR_OPTIONS_INIT;
  o.folder = file;
  if (efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o) == EFME_OK) {
    ck_assert_int_eq(efme_evaluator_run(e, NULL, NULL), EFME_E_IO);
    efme_evaluator_release(e);
  }
  HAS(efme_last_error(), "file");
  test_remove(folder);
  free(folder);
  lf_free(&f);
}
END_TEST

/* ---- data set apart ---- */

static int cancel_at_once(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)user;
  ck_assert_str_eq(what, "images");
  ck_assert_uint_le(done, total);
  return 1;
}

START_TEST(data_set_apart) {
  struct lf f;
  lf_make(&f, 1, 1, 0);
  efme_model *model = lf_trained_on(&f, 2, 4, -1); /* s3 .. s6, even and odd: s3 is "even", so even/s3, odd/s4, even/s5, odd/s6 */
  efme_result *r = NULL;
  efme_evaluate_options o = EFME_EVALUATE_OPTIONS_INIT;
  FAILS(EFME_E_LEAK, efme_evaluate(&r, model, f.dataset, NULL), "the weights have seen subject even/s3, which the tested data holds");
  HAS(efme_last_error(), "they have seen 18 of 30 samples");
  o.exclude_seen = 1;
  OK(efme_evaluate(&r, model, f.dataset, &o));
  ck_assert_uint_eq(efme_result_count(r), 2 * EACH); /* s1 and s2 */
  ck_assert_int_eq(efme_result_clean(r), 0);
  char *text = audit(r);
  HAS(text, "18 of 30 samples are left out of the scores because the weights have seen their subject or pixels, first even/s3/c0");
  HAS(text, "\"seen_and_left_out\": 18");
  efme_string_free(text);
  efme_result_release(r);
  r = NULL;
  efme_dataset *apart = NULL, *known = NULL;
  const uint64_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7};
  const uint64_t others[] = {12, 13};
  OK(efme_dataset_subset(&apart, f.dataset, rows, 8));
  OK(efme_dataset_subset(&known, f.dataset, others, 2));
  OK(efme_evaluate(&r, model, apart, NULL));
  ck_assert_uint_eq(efme_result_count(r), 8);
  ck_assert_int_eq(efme_result_clean(r), 1);
  /* the same probabilities as a predictor's */
  efme_predictor *p = NULL;
  OK(efme_predictor_create(&p, model, NULL));
  for (uint64_t i = 0; i < 8; i++) {
    efme_image *image = NULL;
    efme_prediction prediction;
    float probabilities[3];
    efme_tested t = EFME_TESTED_INIT;
    OK(efme_dataset_read(apart, i, &image));
    OK(efme_predictor_run_images(p, &image, 1, &prediction, probabilities));
    OK(efme_result_tested(r, i, &t));
    ck_assert_int_eq(t.predicted, prediction.label);
    ck_assert_int_eq(memcmp(t.probabilities, probabilities, sizeof probabilities), 0);
    efme_image_release(image);
  }
  efme_predictor_release(p);
  char *folder = test_folder();
  OK(efme_result_write(r, test_path(folder, "m.json"), test_path(folder, "p.csv"), test_path(folder, "l.txt")));
  text = test_read(test_path(folder, "m.json"), NULL);
  cJSON *root = cJSON_Parse(text);
  ck_assert_ptr_nonnull(cJSON_GetObjectItem(root, "weights"));
  cJSON_Delete(root);
  free(text);
  OK(efme_result_text(r, &text));
  HAS(text, "one model on data set apart");
  efme_string_free(text);
  efme_result_release(r);
  r = NULL;
  FAILS(EFME_E_LEAK, efme_evaluate(&r, model, known, &o), "have seen all 2 tested samples");
  o.progress = cancel_at_once;
  FAILS(EFME_E_CANCELLED, efme_evaluate(&r, model, apart, &o), "8 of 8");
  FAILS(EFME_E_ARGUMENT, efme_evaluate(&r, NULL, apart, NULL), "model is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluate(&r, model, NULL, NULL), "tested is NULL");
  FAILS(EFME_E_ARGUMENT, efme_evaluate(NULL, model, apart, NULL), "out is NULL");
  o = (efme_evaluate_options)EFME_EVALUATE_OPTIONS_INIT;
  o.exclude_seen = 2;
  FAILS(EFME_E_ARGUMENT, efme_evaluate(&r, model, apart, &o), "exclude_seen");
  model->provenance->known = 0;
  o.exclude_seen = 0;
  o.refuse_unknown = 1;
  FAILS(EFME_E_LEAK, efme_evaluate(&r, model, apart, &o), "unknown provenance");
  o.exclude_seen = 1;
  FAILS(EFME_E_LEAK, efme_evaluate(&r, model, apart, &o), "unknown provenance");
  o.refuse_unknown = 0;
  o.exclude_seen = 0;
  OK(efme_evaluate(&r, model, apart, &o));
  ck_assert_int_eq(efme_result_clean(r), 0);
  efme_result_release(r);
  test_remove(folder);
  free(folder);
  efme_dataset_release(apart);
  efme_dataset_release(known);
  efme_model_release(model);
  lf_free(&f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("audit");
  TCase *t = tcase_create("audit");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, files_agree);
  tcase_add_test(t, probabilities_round_trip);
  tcase_add_test(t, decimal_comma);
  tcase_add_test(t, error2_other_start_weights);
  tcase_add_test(t, validation_without_a_class);
  tcase_add_test(t, unknown_provenance);
  tcase_add_test(t, seen_without_subjects);
  tcase_add_test(t, another_run_refused_by_field);
  tcase_add_test(t, damaged_fold_files);
  tcase_add_test(t, configurations_counted);
  tcase_add_test(t, recipe_changed_later);
  tcase_add_test(t, arguments);
  tcase_add_test(t, data_set_apart);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
