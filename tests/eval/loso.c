/* The runner: the same bits for any workers, resumed, in shards, in any order of rows; what the tested subject cannot do. */
#include <cjson/cJSON.h>
#include <pthread.h>

#include "loso_fixture.h"

START_TEST(workers_do_not_matter) {
  /* One, two and three workers, contexts of one and of three threads, head phases on shared features and all layers. */
  efme_result *first = NULL;
  static const uint32_t threads[] = {1, 3, 3, 2}, workers[] = {1, 2, 3, 5};
  for (int turn = 0; turn < 4; turn++) {
    struct lf f;
    lf_make(&f, threads[turn], 2, 1);
    efme_result *r = lf_run(&f, workers[turn], NULL);
    if (first) lf_same(first, r);
    else first = efme_result_retain(r);
    efme_result_release(r);
    lf_free(&f); /* the result outlives all it was made of */
  }
  ck_assert_uint_eq(efme_result_count(first), SAMPLES);
  efme_scores s = EFME_SCORES_INIT;
  OK(efme_result_scores(first, NULL, &s));
  ck_assert_double_ge(s.uf1, 0.0);
  ck_assert_double_le(s.uf1, 1.0);
  efme_result_release(first);
}
END_TEST

START_TEST(rows_in_any_order) {
  struct lf f, g;
  lf_make(&f, 2, 1, 1);
  efme_result *a = lf_run(&f, 2, NULL), *b = NULL;
  lf_make(&g, 2, 1, 1);
  efme_dataset_release(g.dataset);
  efme_fold_plan_release(g.plan);
  g.data.stride = 7;
  g.dataset = lf_open(g.context, &g.data);
  OK(efme_fold_plan_loso(&g.plan, g.dataset, NULL));
  b = lf_run(&g, 2, NULL);
  lf_same(a, b);
  efme_result_release(a);
  efme_result_release(b);
  lf_free(&f);
  lf_free(&g);
}
END_TEST

/* ---- interrupted ---- */

START_TEST(cancelled_and_resumed) {
  /* Stopped at many different callbacks, with and without a folder, then run to its end: the same bits. */
  struct lf f;
  lf_make(&f, 2, 2, 2);
  efme_result *whole = lf_run(&f, 2, NULL);
  for (uint32_t at = 0; at < 60; at = at * 2 + 1) {
    char *folder = test_folder();
    for (int kept = 0; kept < 2; kept++) {
      struct lf_cancel cancel = {at, 0};
      efme_evaluator *e = lf_evaluator(&f, 1 + at % 2, kept ? folder : NULL);
      efme_result *r = NULL;
      efme_status status = efme_evaluator_run(e, lf_cancel, &cancel);
      ck_assert_int_eq(status, EFME_E_CANCELLED);
      ck_assert_uint_lt(efme_evaluator_done(e), PEOPLE);
      HAS(efme_last_error(), "cancelled");
      FAILS(EFME_E_STATE, efme_evaluator_result(&r, e), "folds are missing, first ");
      ck_assert_ptr_null(r);
      if (kept) { /* another process goes on */
        uint32_t done = efme_evaluator_done(e);
        efme_evaluator_release(e);
        e = lf_evaluator(&f, 2, folder);
        ck_assert_uint_eq(efme_evaluator_done(e), done);
      }
      OK(efme_evaluator_run(e, NULL, NULL));
      OK(efme_evaluator_run(e, NULL, NULL)); /* nothing to do */
      OK(efme_evaluator_result(&r, e));
      lf_same(whole, r);
      efme_result_release(r);
      efme_evaluator_release(e);
    }
    /* a finished folder needs no training at all, and holds no checkpoint any more */
    efme_evaluator *e = lf_evaluator(&f, 1, folder);
    ck_assert_uint_eq(efme_evaluator_done(e), PEOPLE);
    efme_result *r = NULL;
    OK(efme_evaluator_result(&r, e));
    lf_same(whole, r);
    efme_result_release(r);
    efme_evaluator_release(e);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) ck_assert_ptr_null(strstr(entry->d_name, "checkpoint"));
    closedir(dir);
    test_remove(folder);
    free(folder);
  }
  efme_result_release(whole);
  lf_free(&f);
}
END_TEST

struct thread_check {
  pthread_t caller;
  int inside, calls, features, named;
};
static int check_thread(const efme_train_progress *p, void *user) {
  struct thread_check *c = user;
  ck_assert(pthread_equal(pthread_self(), c->caller));
  ck_assert_int_eq(c->inside++, 0);
  c->calls++;
  c->features += strcmp(p->what, "features") == 0;
  c->named += strstr(p->what, "/s") && strstr(p->what, ": train");
  ck_assert_uint_eq(p->struct_size, sizeof *p);
  c->inside--;
  return 0;
}

static int run_inside(const efme_train_progress *p, void *user) {
  (void)p;
  ck_assert_int_eq(efme_evaluator_run(user, NULL, NULL), EFME_E_STATE);
  return 0;
}

START_TEST(progress_on_the_calling_thread) {
  struct lf f;
  lf_make(&f, 2, 2, 1);
  struct thread_check c = {.caller = pthread_self()};
  efme_evaluator *e = lf_evaluator(&f, 3, NULL);
  OK(efme_evaluator_run(e, check_thread, &c));
  ck_assert_int_ge(c.calls, PEOPLE * (3 + 2)); /* no epoch or phase is lost */
  ck_assert_int_gt(c.features, 0);
  ck_assert_int_gt(c.named, 0);
  efme_evaluator_release(e);
  e = lf_evaluator(&f, 2, NULL);
  OK(efme_evaluator_run(e, run_inside, e));
  efme_evaluator_release(e);
  lf_free(&f);
}
END_TEST

START_TEST(error_of_a_worker) {
  /* Images that cannot be read any more: the worker's text, with fold and sample, is the caller's; done folds stay, and the run goes on
   * later. */
  struct lf f;
  lf_make(&f, 2, 0, 1); /* no shared features: the workers read */
  efme_evaluator *e = lf_evaluator(&f, 2, NULL);
  atomic_store(&f.data.fail, 1);
  FAILS(EFME_E_IO, efme_evaluator_run(e, NULL, NULL), "fold even/s");
  HAS(efme_last_error(), "sample");
  ck_assert_uint_eq(efme_evaluator_done(e), 0);
  atomic_store(&f.data.fail, 0);
  OK(efme_evaluator_run_fold(e, 2, NULL, NULL));
  OK(efme_evaluator_run(e, NULL, NULL));
  ck_assert_uint_eq(efme_evaluator_done(e), PEOPLE);
  efme_evaluator_release(e);
  lf_free(&f);
}
END_TEST

/* ---- shards ---- */

START_TEST(shards_merged) {
  struct lf f;
  lf_make(&f, 2, 2, 1);
  efme_result *whole = lf_run(&f, 2, NULL), *r = NULL;
  char *folders[4];
  uint32_t sum = 0;
  for (int i = 0; i < 4; i++) folders[i] = test_folder();
  for (uint32_t s = 0; s < 3; s++) {
    efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
    efme_evaluator *e = NULL;
    o.workers = 1 + s;
    o.shard = s;
    o.shards = 3;
    o.folder = folders[s];
    OK(efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &o));
    OK(efme_evaluator_run(e, NULL, NULL));
    sum += efme_evaluator_done(e);
    FAILS(EFME_E_STATE, efme_evaluator_result(&r, e), "of 5 folds are missing");
    efme_evaluator_release(e);
  }
  ck_assert_uint_eq(sum, PEOPLE);
  efme_evaluator *e = lf_evaluator(&f, 1, folders[3]);
  FAILS(EFME_E_NOT_FOUND, efme_evaluator_merge(e, folders[3]), "no finished fold");
  for (int i = 0; i < 3; i++) OK(efme_evaluator_merge(e, folders[i]));
  OK(efme_evaluator_merge(e, folders[1])); /* again: the same bits, no harm */
  OK(efme_evaluator_result(&r, e));
  lf_same(whole, r);
  efme_result_release(r);
  efme_evaluator_release(e);
  e = lf_evaluator(&f, 1, folders[3]); /* merged folds were written here too */
  ck_assert_uint_eq(efme_evaluator_done(e), PEOPLE);
  efme_evaluator_release(e);
  e = lf_evaluator(&f, 1, NULL); /* a single fold elsewhere, then the rest */
  OK(efme_evaluator_run_fold(e, 4, NULL, NULL));
  OK(efme_evaluator_run_fold(e, 4, NULL, NULL));
  ck_assert_uint_eq(efme_evaluator_done(e), 1);
  FAILS(EFME_E_ARGUMENT, efme_evaluator_run_fold(e, 5, NULL, NULL), "fold is 5, there are 5");
  OK(efme_evaluator_merge(e, folders[0]));
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  lf_same(whole, r);
  efme_result_release(r);
  efme_evaluator_release(e);
  for (int i = 0; i < 4; i++) {
    test_remove(folders[i]);
    free(folders[i]);
  }
  efme_result_release(whole);
  lf_free(&f);
}
END_TEST

/* ---- what the tested subject can do: nothing ---- */

/* End checksums by fold from the audit. */
static void end_checksums(const efme_result *r, char out[PEOPLE][24]) {
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  cJSON *root = cJSON_Parse(text);
  const cJSON *folds = cJSON_GetObjectItem(root, "folds");
  ck_assert_int_eq(cJSON_GetArraySize(folds), PEOPLE);
  for (int i = 0; i < PEOPLE; i++)
    snprintf(out[i], 24, "%s", cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(folds, i), "end_checksum")));
  cJSON_Delete(root);
  efme_string_free(text);
}

START_TEST(tested_subject_has_no_influence) {
  /* Error 4: with other pixels and other labels of subject s3, the model that is tested on s3 is the same to the last bit; those that
   * train on s3 change. So nothing of the tested subject can have chosen an epoch. */
  char before[PEOPLE][24], after[PEOPLE][24];
  int trains[PEOPLE] = {0}, trained = 0;
  for (int turn = 0; turn < 2; turn++) {
    struct lf f;
    lf_make(&f, 2, 2, 2);
    if (turn) {
      efme_dataset_release(f.dataset);
      efme_fold_plan_release(f.plan);
      f.data.replaced = 2;
      f.dataset = lf_open(f.context, &f.data);
      OK(efme_fold_plan_loso(&f.plan, f.dataset, NULL));
    }
    efme_result *r = lf_run(&f, 2, NULL);
    end_checksums(r, turn ? after : before);
    for (uint32_t i = 0; i < PEOPLE; i++) {
      const uint64_t *at = NULL;
      uint64_t n = 0;
      OK(efme_fold_plan_part(f.plan, i, EFME_PART_TRAIN, &at, &n));
      for (uint64_t k = 0; k < n; k++) trains[i] |= at[k] / EACH == 2; /* stride 1: rows are samples */
    }
    efme_result_release(r);
    lf_free(&f);
  }
  /* folds: even/s1 even/s3 even/s5 odd/s2 odd/s4 */
  ck_assert_str_eq(before[1], after[1]);
  ck_assert_int_eq(trains[1], 0);
  for (int i = 0; i < PEOPLE; i++) {
    if (trains[i]) ck_assert_str_ne(before[i], after[i]);
    trained += trains[i];
  }
  ck_assert_int_ge(trained, 2);
}
END_TEST

START_TEST(images_that_change) {
  /* A source that shows other images once the audit is over is found out by the first that is read: what trains is what was audited. */
  struct lf f;
  lf_make(&f, 2, 0, 1);
  efme_evaluator *e = lf_evaluator(&f, 2, NULL);
  f.data.noise = 1;
  FAILS(EFME_E_MISMATCH, efme_evaluator_run(e, NULL, NULL), "has other pixels than when it was first read");
  HAS(efme_last_error(), "/s");
  ck_assert_uint_eq(efme_evaluator_done(e), 0);
  f.data.noise = 0;
  OK(efme_evaluator_run(e, NULL, NULL));
  efme_evaluator_release(e);
  lf_free(&f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("loso");
  TCase *t = tcase_create("loso");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, workers_do_not_matter);
  tcase_add_test(t, rows_in_any_order);
  tcase_add_test(t, cancelled_and_resumed);
  tcase_add_test(t, progress_on_the_calling_thread);
  tcase_add_test(t, error_of_a_worker);
  tcase_add_test(t, shards_merged);
  tcase_add_test(t, tested_subject_has_no_influence);
  tcase_add_test(t, images_that_change);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
