/* A leave-one-subject-out of three people and a held-out score, once on the CPU backend and once on the strict one: the same
 * bits, and the same files of predictions. A lost device ends it, and another goes on from its folder. */
#include "backend/strict/control.h"
#include "eval/loso_fixture.h"

static void make(struct lf *f, const char *backend) {
  lf_data_init(&f->data);
  f->data.people = 3;
  f->context = test_context_on(backend, 2);
  f->dataset = lf_open(f->context, &f->data);
  f->model = lf_model(f->context);
  f->recipe = lf_recipe(f->context, 2, 2);
  OK(efme_fold_plan_loso(&f->plan, f->dataset, NULL));
}

/* predictions.csv or the log; free(). */
static char *file_of(const efme_result *r, int log) {
  char *folder = test_folder();
  const char *path = test_path(folder, "file");
  OK(efme_result_write(r, NULL, log ? NULL : path, log ? path : NULL));
  char *text = test_read(path, NULL);
  test_remove(folder);
  free(folder);
  return text;
}

START_TEST(loso) {
  struct lf f[2];
  efme_result *r[2];
  for (int b = 0; b < 2; b++) {
    make(&f[b], b ? "strict" : "cpu");
    r[b] = lf_run(&f[b], 2, NULL);
  }
  ck_assert_uint_eq(efme_result_count(r[0]), 3 * EACH);
  lf_same(r[0], r[1]);
  struct strict_control *control = strict_hold();
  ck_assert_uint_eq(control->refused, 0);
  ck_assert_uint_eq(control->recorded, 3 * 2 * 2); /* folds, phases, main and update: one batch an epoch */
  ck_assert_uint_eq(control->replayed, 3 * 2 * 2); /* the second epoch of each */
  for (int log = 0; log < 2; log++) {
    char *text[2] = {file_of(r[0], log), file_of(r[1], log)};
    ck_assert_str_eq(text[0], text[1]);
    free(text[0]);
    free(text[1]);
  }
  for (int b = 0; b < 2; b++) {
    efme_result_release(r[b]);
    lf_free(&f[b]);
  }
}
END_TEST

START_TEST(held_out) {
  efme_result *r[2];
  for (int b = 0; b < 2; b++) {
    struct lf f;
    make(&f, b ? "strict" : "cpu");
    OK(efme_evaluate(&r[b], f.model, f.dataset, NULL));
    lf_free(&f);
  }
  lf_same(r[0], r[1]);
  for (int b = 0; b < 2; b++) efme_result_release(r[b]);
}
END_TEST

START_TEST(lost_device) {
  struct lf f;
  make(&f, "cpu");
  efme_result *whole = lf_run(&f, 2, NULL), *r = NULL;
  lf_free(&f);
  char *folder = test_folder();
  make(&f, "strict");
  struct strict_control *control = strict_hold();
  efme_evaluator *e = lf_evaluator(&f, 2, folder);
  control->fail_in = 60;
  FAILS(EFME_E_BACKEND, efme_evaluator_run(e, NULL, NULL), "the device is lost");
  ck_assert_int_eq(control->fail_in, 0);
  ck_assert_uint_lt(efme_evaluator_done(e), 3);
  efme_evaluator_release(e);
  lf_free(&f);
  make(&f, "cpu");
  e = lf_evaluator(&f, 2, folder);
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  lf_same(whole, r);
  efme_result_release(r);
  efme_evaluator_release(e);
  efme_result_release(whole);
  lf_free(&f);
  test_remove(folder);
  free(folder);
}
END_TEST

int main(void) {
  setenv("EFME_BACKEND_DIR", STRICT_DIR, 1);
  Suite *suite = suite_create("strict_loso");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_set_timeout(t, 0);
  tcase_add_test(t, loso);
  tcase_add_test(t, held_out);
  tcase_add_test(t, lost_device);
  return test_run(suite);
}
