/* Scores against scikit-learn's on 40 cases, and by hand; printed rows that cannot be. */
#include <cjson/cJSON.h>

#include "eval_test.h"

static void ck_array(const cJSON *array, double (*of)(const efme_class_scores *), const efme_class_scores *classes, uint32_t n) {
  ck_assert_int_eq(cJSON_GetArraySize(array), (int)n);
  for (uint32_t c = 0; c < n; c++) ck_assert_double_eq_tol(cJSON_GetArrayItem(array, (int)c)->valuedouble, of(&classes[c]), 1e-12);
}

static double f1_of(const efme_class_scores *c) { return c->f1; }
static double recall_of(const efme_class_scores *c) { return c->recall; }
static double precision_of(const efme_class_scores *c) { return c->precision; }

static int32_t *labels(const cJSON *array) {
  int n = cJSON_GetArraySize(array), i = 0;
  int32_t *out = malloc((size_t)(n + 1) * sizeof *out);
  const cJSON *item;
  cJSON_ArrayForEach(item, array) out[i++] = item->valueint;
  return out;
}

/* The same predictions through the CSV reader, for the scores by class. */
static efme_result *through_csv(efme_context *context, const char *folder, const int32_t *truth, const int32_t *predicted, int n,
                                uint32_t classes) {
  const char *path = test_path(folder, "case.csv");
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  fprintf(f, "dataset,subject,clip,truth,predicted\n");
  for (int i = 0; i < n; i++) fprintf(f, "made,p%d,c%d,%d,%d\n", i % 7, i, truth[i], predicted[i]);
  fclose(f);
  efme_result *r = NULL;
  OK(efme_result_from_csv(&r, context, path, NULL, classes, NULL));
  return r;
}

START_TEST(golden) {
  if (test_absent("golden/scores.json")) return;
  char *text = test_read(test_shared("golden/scores.json"), NULL);
  cJSON *root = cJSON_Parse(text);
  const cJSON *cases = cJSON_GetObjectItem(root, "cases"), *one;
  ck_assert_int_eq(cJSON_GetArraySize(cases), 40);
  efme_context *context = test_context(1);
  char *folder = test_folder();
  cJSON_ArrayForEach(one, cases) {
    uint32_t classes = (uint32_t)cJSON_GetObjectItem(one, "classes")->valueint;
    int n = cJSON_GetArraySize(cJSON_GetObjectItem(one, "truth"));
    int32_t *truth = labels(cJSON_GetObjectItem(one, "truth")), *predicted = labels(cJSON_GetObjectItem(one, "pred"));
    efme_scores s = EFME_SCORES_INIT;
    OK(efme_score(&s, truth, predicted, (uint64_t)n, classes));
    ck_assert_uint_eq(s.samples, (uint64_t)n);
    ck_assert_double_eq_tol(s.uf1, cJSON_GetObjectItem(one, "uf1")->valuedouble, 1e-12);
    ck_assert_double_eq_tol(s.uar, cJSON_GetObjectItem(one, "uar_sklearn")->valuedouble, 1e-12);
    ck_assert_double_eq_tol(s.accuracy, cJSON_GetObjectItem(one, "accuracy")->valuedouble, 1e-12);
    efme_result *r = through_csv(context, folder, truth, predicted, n, classes);
    efme_scores t = EFME_SCORES_INIT;
    OK(efme_result_scores(r, NULL, &t));
    ck_assert_int_eq(memcmp(&s, &t, sizeof s), 0);
    uint64_t counts[64];
    OK(efme_result_confusion(r, NULL, counts, 64));
    efme_class_scores by_class[8];
    uint32_t present = 0;
    for (uint32_t c = 0; c < classes; c++) {
      by_class[c] = (efme_class_scores)EFME_CLASS_SCORES_INIT;
      OK(efme_result_class_scores(r, "made", c, &by_class[c]));
      present += by_class[c].samples > 0;
      const cJSON *row = cJSON_GetArrayItem(cJSON_GetObjectItem(one, "confusion"), (int)c);
      for (uint32_t p = 0; p < classes; p++)
        ck_assert_uint_eq(counts[c * classes + p], (uint64_t)cJSON_GetArrayItem(row, (int)p)->valueint);
    }
    ck_array(cJSON_GetObjectItem(one, "f1"), f1_of, by_class, classes);
    ck_array(cJSON_GetObjectItem(one, "recall"), recall_of, by_class, classes);
    ck_array(cJSON_GetObjectItem(one, "precision"), precision_of, by_class, classes);
    ck_assert_uint_eq(present, s.classes_present);
    ck_assert_int_eq(efme_result_clean(r), present == classes); /* a class that never occurs is flagged */
    efme_result_release(r);
    free(truth);
    free(predicted);
  }
  test_remove(folder);
  free(folder);
  efme_context_release(context);
  cJSON_Delete(root);
  free(text);
}
END_TEST

START_TEST(by_hand) {
  const int32_t truth[] = {0, 0, 0, 1, 1, 0}, predicted[] = {0, 0, 1, 1, 0, 0};
  efme_scores s = EFME_SCORES_INIT;
  OK(efme_score(&s, truth, predicted, 6, 3));
  /* class 0: TP 3, FP 1, FN 1; class 1: TP 1, FP 1, FN 1; class 2: nothing */
  ck_assert_double_eq_tol(s.uf1, (6.0 / 8 + 2.0 / 4 + 0) / 3, 1e-15);
  ck_assert_double_eq_tol(s.uar, (3.0 / 4 + 1.0 / 2 + 0) / 3, 1e-15);
  ck_assert_double_eq_tol(s.uf1_present, (6.0 / 8 + 2.0 / 4) / 2, 1e-15);
  ck_assert_double_eq_tol(s.uar_present, (3.0 / 4 + 1.0 / 2) / 2, 1e-15);
  ck_assert_double_eq_tol(s.accuracy, 4.0 / 6, 1e-15);
  ck_assert_double_eq_tol(s.weighted_f1, (4 * 6.0 / 8 + 2 * 2.0 / 4) / 6, 1e-15);
  ck_assert_uint_eq(s.classes_present, 2);
  efme_scores none = EFME_SCORES_INIT;
  OK(efme_score(&none, NULL, NULL, 0, 3));
  ck_assert_double_eq(none.uf1, 0.0);
}
END_TEST

START_TEST(perfect_is_one) {
  /* Sums of ones stay exact and no score can exceed 1, whatever the number of classes. */
  for (uint32_t classes = 2; classes <= 1024; classes = classes * 3 + 1) {
    int32_t *labels_ = malloc(classes * sizeof *labels_);
    for (uint32_t c = 0; c < classes; c++) labels_[c] = (int32_t)c;
    efme_scores s = EFME_SCORES_INIT;
    OK(efme_score(&s, labels_, labels_, classes, classes));
    ck_assert_double_eq(s.uf1, 1.0);
    ck_assert_double_eq(s.uar, 1.0);
    ck_assert_double_eq(s.accuracy, 1.0);
    free(labels_);
  }
}
END_TEST

START_TEST(bad_arguments) {
  const int32_t good[] = {0, 1}, bad[] = {0, 3}, negative[] = {-1, 0};
  efme_scores s = EFME_SCORES_INIT;
  s.uf1 = 7;
  FAILS(EFME_E_ARGUMENT, efme_score(&s, good, bad, 2, 3), "predicted[1] = 3");
  FAILS(EFME_E_ARGUMENT, efme_score(&s, negative, good, 2, 3), "truth[0] = -1");
  FAILS(EFME_E_ARGUMENT, efme_score(&s, good, good, 2, 1), "classes is 1");
  FAILS(EFME_E_ARGUMENT, efme_score(&s, NULL, good, 2, 3), "truth is NULL");
  FAILS(EFME_E_ARGUMENT, efme_score(NULL, good, good, 2, 3), "out is NULL");
  ck_assert_double_eq(s.uf1, 7);
  s.struct_size = 0;
  FAILS(EFME_E_ARGUMENT, efme_score(&s, good, good, 2, 3), "struct_size");
}
END_TEST

/* ---- printed rows ---- */

static uint32_t check(const efme_printed_row *row, char **text) {
  uint32_t findings = 77;
  OK(efme_check_printed_row(text, &findings, row));
  uint32_t lines = 0;
  for (const char *p = *text; *p; p++) lines += *p == '\n';
  ck_assert_uint_eq(lines, findings);
  return findings;
}

START_TEST(uar_above_one) {
  /* Error 1: the paper's best row. */
  static const uint64_t samples[3] = {250, 109, 83};
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.uf1 = .985;
  row.uar = 1.178;
  char *text = NULL;
  ck_assert_uint_eq(check(&row, &text), 1);
  HAS(text, "UAR 1.178 exceeds 1");
  HAS(text, "substring");
  LACKS(text, "1.1966");
  efme_string_free(text);
  row.class_samples = samples;
  row.classes = 3;
  ck_assert_uint_eq(check(&row, &text), 1);
  HAS(text, "273/137/103");
  HAS(text, "1.1966");
  HAS(text, "0.984");
  efme_string_free(text);
}
END_TEST

START_TEST(mean_precision_as_uar) {
  /* Error 5. */
  const double recall[] = {.9, .6, .65}, precision[] = {.8, .72, .79}, f1[] = {.847, .655, .713};
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.classes = 3;
  row.class_recall = recall;
  row.class_precision = precision;
  row.class_f1 = f1;
  row.uf1 = .738;
  row.uar = .770;
  char *text = NULL;
  ck_assert_uint_eq(check(&row, &text), 1);
  HAS(text, "UAR 0.770 equals the mean precision 0.770; the mean recall, which is the UAR, is 0.717");
  efme_string_free(text);
  row.uar = .717;
  ck_assert_uint_eq(check(&row, &text), 0);
  ck_assert_str_eq(text, "");
  efme_string_free(text);
  row.uar = .74;
  ck_assert_uint_eq(check(&row, &text), 1);
  HAS(text, "is not the mean of the classes' recall, 0.717");
  efme_string_free(text);
}
END_TEST

START_TEST(figures_that_cannot_go_together) {
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  char *text = NULL;
  row.uf1 = .9;
  row.uar = .8;
  ck_assert_uint_eq(check(&row, &text), 1); /* 2 * .8 / 1.8 = .889 */
  HAS(text, "UF1 is at most 2 UAR/(1+UAR) = 0.889");
  efme_string_free(text);
  row.uar = .819;
  ck_assert_uint_eq(check(&row, &text), 0);
  efme_string_free(text);

  const uint64_t samples[] = {20, 10};
  const double recall[] = {.95, .333};
  row = (efme_printed_row)EFME_PRINTED_ROW_INIT;
  row.classes = 2;
  row.class_samples = samples;
  row.class_recall = recall;
  ck_assert_uint_eq(check(&row, &text), 1); /* .333 is no k/10 */
  HAS(text, "class 1: recall 0.333 is not a number of 10 samples by 10");
  efme_string_free(text);
  row.class_recall = NULL;
  row.uar = .5;
  row.accuracy = .70;
  row.decimals = 2;
  ck_assert_uint_eq(check(&row, &text), 1); /* 1/3 to 2/3 */
  HAS(text, "it lies between 0.330 and 0.670");
  efme_string_free(text);
  row.accuracy = .66;
  ck_assert_uint_eq(check(&row, &text), 0);
  efme_string_free(text);

  const double f1[] = {.5, .5}, precision[] = {.9, .5}, recalls[] = {.9, .5};
  row = (efme_printed_row)EFME_PRINTED_ROW_INIT;
  row.classes = 2;
  row.class_f1 = f1;
  row.class_precision = precision;
  row.class_recall = recalls;
  row.uf1 = .7;
  ck_assert_uint_eq(check(&row, &text), 2);
  HAS(text, "class 0: F1 0.500 is not 2PR/(P+R) = 0.900");
  HAS(text, "UF1 0.700 is not the mean of the classes' F1, 0.500");
  efme_string_free(text);
}
END_TEST

START_TEST(true_rows_pass) {
  /* Rows rounded from real confusion matrices are never accused, at any number of decimals. */
  uint32_t state = 12345;
  for (int turn = 0; turn < 2000; turn++) {
    uint32_t classes = 2 + (uint32_t)turn % 4;
    uint64_t counts[25] = {0}, samples[5] = {0};
    int32_t truth[400], predicted[400];
    for (int i = 0; i < 400; i++) {
      state = state * 1664525u + 1013904223u;
      truth[i] = (int32_t)((state >> 16) % classes);
      state = state * 1664525u + 1013904223u;
      predicted[i] = (state >> 30) ? truth[i] : (int32_t)((state >> 16) % classes);
      counts[(uint32_t)truth[i] * classes + (uint32_t)predicted[i]]++;
      samples[truth[i]]++;
    }
    efme_scores s = EFME_SCORES_INIT;
    OK(efme_score(&s, truth, predicted, 400, classes));
    double f1[5], recall[5], precision[5], scale = pow(10, 1 + turn % 4);
    for (uint32_t c = 0; c < classes; c++) {
      uint64_t column = 0, tp = counts[c * classes + c];
      for (uint32_t k = 0; k < classes; k++) column += counts[k * classes + c];
      f1[c] = round(scale * 2.0 * (double)tp / (double)(column + samples[c])) / scale;
      recall[c] = round(scale * (double)tp / (double)samples[c]) / scale;
      precision[c] = round(scale * (double)tp / (double)column) / scale;
    }
    efme_printed_row row = EFME_PRINTED_ROW_INIT;
    row.uf1 = round(s.uf1 * scale) / scale;
    row.uar = round(s.uar * scale) / scale;
    row.accuracy = round(s.accuracy * scale) / scale;
    row.decimals = 1 + (uint32_t)turn % 4;
    row.classes = classes;
    row.class_samples = samples;
    if (turn % 2) row.class_f1 = f1, row.class_recall = recall, row.class_precision = precision;
    char *text = NULL;
    ck_assert_msg(check(&row, &text) == 0, "turn %d: %s", turn, text);
    efme_string_free(text);
  }
}
END_TEST

START_TEST(row_arguments) {
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  char *text = NULL;
  uint32_t findings = 0;
  row.uar = NAN;
  ck_assert_uint_eq(check(&row, &text), 0);
  efme_string_free(text);
  text = NULL;
  FAILS(EFME_E_ARGUMENT, efme_check_printed_row(&text, &findings, NULL), "row is NULL");
  FAILS(EFME_E_ARGUMENT, efme_check_printed_row(NULL, &findings, &row), "out is NULL");
  row.decimals = 0;
  FAILS(EFME_E_ARGUMENT, efme_check_printed_row(&text, &findings, &row), "decimals is 0");
  row.decimals = 3;
  row.classes = 5000;
  FAILS(EFME_E_ARGUMENT, efme_check_printed_row(&text, &findings, &row), "classes is 5000");
  struct {
    efme_printed_row row;
    uint64_t more;
  } larger = {EFME_PRINTED_ROW_INIT, 1};
  larger.row.struct_size = sizeof larger;
  FAILS(EFME_E_ARGUMENT, efme_check_printed_row(&text, &findings, &larger.row), "this version knows");
  ck_assert_ptr_null(text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("scores");
  TCase *t = tcase_create("scores");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, golden);
  tcase_add_test(t, by_hand);
  tcase_add_test(t, perfect_is_one);
  tcase_add_test(t, bad_arguments);
  tcase_add_test(t, uar_above_one);
  tcase_add_test(t, mean_precision_as_uar);
  tcase_add_test(t, figures_that_cannot_go_together);
  tcase_add_test(t, true_rows_pass);
  tcase_add_test(t, row_arguments);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
