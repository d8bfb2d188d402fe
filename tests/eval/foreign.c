/* Logs and tables of others: read, written back byte for byte, scored, and what is odd in them named. harness.c plays the
 * errors of the field in them. */
#include "truths.h"

static char *audit(const efme_result *r) {
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  return text;
}

/* ---- the log ---- */

START_TEST(log_and_back) {
  static const char *const logs[] = {
      "casme2 sub01\nEP02_01f 1 1\nEP19_05f 0 0\nsmic s01\ns01_ne_01 0 2\nsamm 006\n006_1_2 0 0\n",
      "casme2 sub01\nEP02_01f 1 1\nsamm 037\n037_3_2 0 0",
      "SMIC s1\r\ns1_ne_01 0 2\r\ns1_ne_02 0 2\r\nsamm 6\r\n6_1_2 2 0\r\n",
      "casme2 sub01\nEP02_01f 1 1\ncasme2 sub01\nEP02_02f 1 1\n",
      "own a%20b\nclip%20one%25 1 2\n",
  };
  efme_context *context = test_context(1);
  char *folder = test_folder();
  for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
    efme_result *r = truths_from_log(context, folder, logs[i], NULL);
    OK(efme_result_write(r, NULL, NULL, test_path(folder, "again.log")));
    size_t size;
    char *again = test_read(test_path(folder, "again.log"), &size);
    ck_assert_str_eq(again, logs[i]);
    ck_assert_uint_eq(size, strlen(logs[i]));
    free(again);
    efme_result_release(r);
  }
  efme_result *r = truths_from_log(context, folder, logs[2], NULL);
  efme_tested t = EFME_TESTED_INIT;
  OK(efme_result_tested(r, 0, &t));
  ck_assert_str_eq(t.key, "smic/s01/s01_ne_01");
  ck_assert_str_eq(t.subject, "smic/s01");
  ck_assert_str_eq(t.fold, "smic/s01");
  ck_assert_str_eq(t.dataset, "smic");
  ck_assert_str_eq(t.clip, "s1_ne_01");
  ck_assert_int_eq(t.truth, 0);
  ck_assert_int_eq(t.predicted, 2);
  ck_assert_ptr_null(t.probabilities);
  OK(efme_result_tested(r, 2, &t));
  ck_assert_str_eq(t.key, "samm/006/006_1_2");
  FAILS(EFME_E_ARGUMENT, efme_result_tested(r, 3, &t), "there are 3");
  ck_assert_uint_eq(efme_result_dataset_count(r), 2);
  ck_assert_str_eq(efme_result_dataset(r, 0), "samm");
  efme_scores s = EFME_SCORES_INIT;
  OK(efme_result_scores(r, "smic", &s));
  ck_assert_uint_eq(s.samples, 2);
  FAILS(EFME_E_NOT_FOUND, efme_result_scores(r, "casme2", &s), "`casme2`");
  efme_result_release(r);
  r = truths_from_log(context, folder, logs[4], NULL);
  OK(efme_result_tested(r, 0, &t));
  ck_assert_str_eq(t.subject, "own/a b");
  ck_assert_str_eq(t.clip, "clip one%");
  efme_result_release(r);
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

START_TEST(damaged_logs) {
  static const struct {
    const char *text, *error;
  } cases[] = {
      {"", "no tested clip"},
      {"casme2 sub01\n", "no tested clip"},
      {"EP02_01f 1 1\n", "line 1: a clip before"},
      {"casme2 sub01\nEP02_01f 1 1\n\nEP02_02f 3 1\n", "line 4: truth `3` is not a class 0..2"},
      {"casme2 sub01\nEP02_01f 1 -1\n", "line 2: prediction `-1`"},
      {"casme2 sub01\nEP02_01f 1 one\n", "line 2: prediction `one`"},
      {"casme2 sub01 x y\n", "line 1: 4 fields"},
      {"casme2\n", "line 1: 1 fields"},
  };
  efme_context *context = test_context(1);
  char *folder = test_folder();
  const char *path = test_path(folder, "damaged.log");
  efme_result *r = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    test_write(path, cases[i].text, strlen(cases[i].text));
    FAILS(EFME_E_FORMAT, efme_result_from_log(&r, context, path, meg3, 3, NULL), cases[i].error);
    ck_assert(strstr(efme_last_error(), "damaged.log"));
  }
  test_write(path, "a b\nc\0d 1 1\n", 12);
  FAILS(EFME_E_FORMAT, efme_result_from_log(&r, context, path, meg3, 3, NULL), "not a text file");
  FAILS(EFME_E_IO, efme_result_from_log(&r, context, test_path(folder, "none.log"), meg3, 3, NULL), "none.log");
  FAILS(EFME_E_ARGUMENT, efme_result_from_log(&r, context, path, meg3, 1, NULL), "classes is 1");
  FAILS(EFME_E_ARGUMENT, efme_result_from_log(&r, context, NULL, meg3, 3, NULL), "path is NULL");
  FAILS(EFME_E_ARGUMENT, efme_result_from_log(&r, NULL, path, meg3, 3, NULL), "context is NULL");
  FAILS(EFME_E_ARGUMENT, efme_result_from_log(NULL, context, path, meg3, 3, NULL), "out is NULL");
  ck_assert_ptr_null(r);
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

/* ---- the table ---- */

START_TEST(tables) {
  static const struct {
    const char *text;
    int rows;
    const char *error;
  } cases[] = {
      {"dataset,subject,clip,truth,predicted\nsmic,s1,s1_ne_01,0,2\n", 1, NULL},
      {"\xef\xbb\xbf"
       "clip,predicted,truth,subject,dataset,note\r\n\"a \"\"quoted\"\", one\",surprise,negative,9,own,\"x\ny\"\r\n\r\nb,0,1,9,own,\r\n",
       2, NULL},
      {"dataset,subject,clip,fold,truth,predicted\nsamm,6,006_1_2,samm/6,0,0\nsamm,6,006_1_3,fold 3,0,0\n", 2, NULL},
      {"dataset,subject,clip,truth\n", 0, "no column predicted"},
      {"dataset,subject,clip,truth,predicted\n", 0, "no row"},
      {"dataset,subject,clip,truth,truth,predicted\n", 0, "column truth stands twice"},
      {"dataset,subject,clip,truth,predicted\na,b,c,0\n", 0, "line 2: 4 fields, the header has 5"},
      {"dataset,subject,clip,truth,predicted\na,b,c,0,happy\n", 0, "line 2: predicted `happy`"},
      {"dataset,subject,clip,truth,predicted\na,b,c,3,0\n", 0, "line 2: truth `3`"},
      {"", 0, "empty"},
  };
  efme_context *context = test_context(1);
  char *folder = test_folder();
  const char *path = test_path(folder, "some.csv");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    efme_result *r = NULL;
    test_write(path, cases[i].text, strlen(cases[i].text));
    if (cases[i].error) {
      FAILS(EFME_E_FORMAT, efme_result_from_csv(&r, context, path, meg3, 3, NULL), cases[i].error);
      continue;
    }
    OK(efme_result_from_csv(&r, context, path, meg3, 3, NULL));
    ck_assert_int_eq((int)efme_result_count(r), cases[i].rows);
    efme_tested t = EFME_TESTED_INIT;
    OK(efme_result_tested(r, 0, &t));
    if (i == 1) ck_assert_str_eq(t.key, "own/9/a \"quoted\", one");
    if (i == 1) ck_assert_int_eq(t.predicted, 2);
    if (i == 2) ck_assert_str_eq(t.fold, "samm/006");
    /* what was read, written and read again is the same */
    OK(efme_result_write(r, test_path(folder, "m.json"), test_path(folder, "again.csv"), test_path(folder, "again.log")));
    efme_result *again = NULL;
    OK(efme_result_from_csv(&again, context, test_path(folder, "again.csv"), meg3, 3, NULL));
    ck_assert_uint_eq(efme_result_count(again), efme_result_count(r));
    for (uint64_t k = 0; k < efme_result_count(r); k++) {
      efme_tested a = EFME_TESTED_INIT, b = EFME_TESTED_INIT;
      OK(efme_result_tested(r, k, &a));
      OK(efme_result_tested(again, k, &b));
      ck_assert_str_eq(a.key, b.key);
      ck_assert_str_eq(a.fold, b.fold);
      ck_assert_str_eq(a.subject, b.subject);
      ck_assert_int_eq(a.truth, b.truth);
      ck_assert_int_eq(a.predicted, b.predicted);
    }
    efme_result_release(again);
    efme_result_release(r);
  }
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

/* ---- spec section 4 in logs ---- */

START_TEST(expected_of_megc2019) {
  /* The second file of the organisers lacks one clip; then a log that ends early. */
  if (test_absent("data/megc2019/combined_3class_gt.csv")) return;
  struct truths *t = load_megc("data/megc2019/combined_3class_gt.csv"), *second = load_megc("data/megc2019/combined_3class_gt-2.csv");
  ck_assert_uint_eq(second->count, 441);
  efme_context *context = test_context(1);
  char *folder = test_folder(), *whole = megc_log(t, 0), *text;
  efme_dataset *expected = truths_dataset(context, t), *fewer = truths_dataset(context, second);
  efme_result *r = truths_from_log(context, folder, whole, fewer);
  text = audit(r);
  HAS(text, "1 lines test clips that the expected set does not hold, first samm/032/032_3_1");
  efme_string_free(text);
  efme_result_release(r);
  *strstr(whole, "casme2 sub02") = '\0';
  r = truths_from_log(context, folder, whole, expected);
  text = audit(r);
  HAS(text, "439 of 442 expected samples are not tested, first casme2/sub02/EP01_11f");
  efme_string_free(text);
  efme_result_release(r);
  efme_dataset_release(fewer);
  efme_dataset_release(expected);
  free(second);
  free(t);
  free(whole);
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

START_TEST(names_of_folds) {
  /* A table's folds may be keys, bare subjects or names of its own: whichever, error 1 does not escape, and nobody is accused wrongly. */
  static const struct {
    const char *rows;  /* dataset,subject,clip,fold */
    const char *found; /* in the audit; NULL: clean */
    int substring;
  } cases[] = {
      {"smic,s1,s1_ne_01,s1;smic,s11,s11_ne_01,s1;smic,s11,s11_ne_01,s11", "s01 is part of s11 (first clip s11_ne_01)", 1},
      {"smic,1,s1_ne_01,1;smic,11,s11_ne_01,1;smic,11,s11_ne_01,11", "smic/s11/s11_ne_01 in fold smic/s01", 1},
      {"smic,s1,s1_ne_01,SMIC/s1;smic,s11,s11_ne_01,SMIC/1", "smic/s11/s11_ne_01 in fold smic/s01", 1},
      {"own,ann,a,ann;own,joe,b,ann", "own/joe/b in fold own/ann", 0},
      {"own,ann,a,ann;own,joann,b,ann;own,joann,b,joann", "ann is part of joann", 1},
      {"smic,s1,s1_ne_01,s1;casme2,sub03,EP01,s1", "casme2/sub03/EP01 in fold smic/s01", 0},
      {"smic,s1,s1_ne_01,smic/s1;casme2,sub03,EP01,smic/s1", "casme2/sub03/EP01 in fold smic/s01", 0},
      /* the subject is the fold's as well */
      {"smic,s1,s1_ne_01,s1;smic,s1,s11_ne_01,s1;smic,s11,s11_ne_01,s11", "s01 is part of s11 (first clip s11_ne_01)", 1},
      /* names that may mean this or that */
      {"smic,1,s1_ne_01,1;casme2,1,EP01,1", "`1` may be smic/s01 or casme2/sub01", 0},
      {"smic,s1,s1_ne_01,s2;smic,s2,s2_ne_01,s1", "`s1` may be smic/s01, of whom that fold tests nothing", 0},
      {"smic,s1,s1_ne_01,s1;smic,s2,s2_ne_01,rest", "`rest` is no subject that it tests, others are", 0},
      /* names that say nothing */
      {"smic,s1,s1_ne_01,fold 0;smic,s11,s11_ne_01,fold 0;smic,s11,s11_ne_02,fold 1",
       "1 subjects are tested in more than one fold, first smic/s11 in fold 0 and in fold 1", 0},
      /* and what is in order */
      {"smic,s1,s1_ne_01,s1;smic,s11,s11_ne_01,s11;casme2,1,EP01,sub01;samm,6,006_1_2,006", NULL, 0},
      {"SMIC,SMIC/s1,s1_ne_01,smic/s01;smic,s11,s11_ne_01,SMIC/s11", NULL, 0},
      {"smic,s1,s1_ne_01,fold 0;smic,s11,s11_ne_01,fold 0;smic,s2,s2_ne_01,fold 1/2", NULL, 0},
      {"smic,s1,s1_ne_01,smic;casme2,1,EP01,casme2", NULL, 0},
  };
  efme_context *context = test_context(1);
  char *folder = test_folder();
  const char *path = test_path(folder, "some.csv");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char table[512] = "dataset,subject,clip,fold,truth,predicted\n", *end = table + strlen(table);
    int rows = 0;
    for (const char *row = cases[i].rows; *row;) {
      size_t n = strcspn(row, ";");
      end += sprintf(end, "%.*s,%d,0\n", (int)n, row, rows++ % 2);
      row += n + (row[n] == ';');
    }
    efme_result *r = NULL;
    test_write(path, table, strlen(table));
    OK(efme_result_from_csv(&r, context, path, NULL, 2, NULL));
    char *text = audit(r);
    ck_assert_msg(efme_result_clean(r) == !cases[i].found, "%s: %s", cases[i].rows, text);
    if (cases[i].found) HAS(text, cases[i].found);
    char count[32];
    snprintf(count, sizeof count, "\"by_substring\": %d,", cases[i].substring);
    HAS(text, count);
    efme_string_free(text);
    efme_result_release(r);
  }
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

START_TEST(printed_against_log) {
  /* Error 5 with counts alone: precision printed as UAR. Then others, each named. */
  const int counts[3][3] = {{200, 30, 20}, {40, 60, 9}, {25, 8, 50}};
  efme_context *context = test_context(1);
  char *folder = test_folder();
  char *log = truths_log(counts);
  efme_result *r = truths_from_log(context, folder, log, NULL);
  double precision = (200.0 / 265 + 60.0 / 98 + 50.0 / 79) / 3, recall = (200.0 / 250 + 60.0 / 109 + 50.0 / 83) / 3;
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.decimals = 4;
  row.uar = round(precision * 1e4) / 1e4;
  char *text = NULL;
  uint32_t findings = 0;
  OK(efme_result_check_row(&text, &findings, r, &row));
  ck_assert_uint_eq(findings, 1);
  HAS(text, "it is the mean precision");
  efme_string_free(text);
  row.uar = round(recall * 1e4) / 1e4;
  OK(efme_result_check_row(&text, &findings, r, &row));
  ck_assert_uint_eq(findings, 0);
  ck_assert_str_eq(text, "");
  efme_string_free(text);
  row.uar = .9;
  row.accuracy = .5;
  OK(efme_result_check_row(&text, &findings, r, &row));
  HAS(text, "UAR 0.9000 is not what the predictions give, 0.6510: no known way of averaging gives it");
  HAS(text, "accuracy 0.5000 is not what the predictions give");
  efme_string_free(text);
  row = (efme_printed_row)EFME_PRINTED_ROW_INIT;
  row.uf1 = .701; /* accuracy, 310/442 */
  OK(efme_result_check_row(&text, &findings, r, &row));
  HAS(text, "the accuracy (micro-averaged F1)");
  efme_string_free(text);
  const double f1[] = {.777, .551, .617};
  row = (efme_printed_row)EFME_PRINTED_ROW_INIT;
  row.classes = 3;
  row.class_f1 = f1;
  OK(efme_result_check_row(&text, &findings, r, &row));
  HAS(text, "F1 of class positive 0.551 is not what the predictions give, 0.5797: no known");
  efme_string_free(text);
  row.classes = 2;
  FAILS(EFME_E_MISMATCH, efme_result_check_row(&text, &findings, r, &row), "row has 2 classes, the result 3");
  efme_result_release(r);
  free(log);
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

START_TEST(expected_must_fit) {
  struct truths *t = calloc(1, sizeof *t);
  t->count = 2;
  for (int i = 0; i < 2; i++) {
    strcpy(t->items[i].dataset, "own");
    sprintf(t->items[i].subject, "p%d", i);
    strcpy(t->items[i].clip, "c");
    t->items[i].label = i;
  }
  efme_context *context = test_context(1);
  char *folder = test_folder();
  efme_dataset *expected = truths_dataset(context, t);
  const char *path = test_path(folder, "some.log");
  test_write(path, "own p0\nc 0 1\nown p1\nc 0 1\n", 26);
  efme_result *r = NULL;
  OK(efme_result_from_log(&r, context, path, NULL, 3, expected)); /* names come from expected */
  efme_class_scores c = EFME_CLASS_SCORES_INIT;
  OK(efme_result_class_scores(r, NULL, 1, &c));
  ck_assert_str_eq(c.name, "positive");
  char *text = audit(r);
  HAS(text, "1 lines state another truth than the expected set, first own/p1/c (negative)");
  HAS(text, "no tested sample has class surprise");
  efme_string_free(text);
  OK(efme_result_text(r, &text));
  HAS(text, "FLAG truth-differs");
  HAS(text, "[0, 1] by construction");
  efme_string_free(text);
  efme_result_release(r);
  r = NULL;
  static const char *const other[] = {"negative", "happy", "surprise"};
  FAILS(EFME_E_MISMATCH, efme_result_from_log(&r, context, path, other, 3, expected), "expected calls it positive, the caller happy");
  FAILS(EFME_E_MISMATCH, efme_result_from_log(&r, context, path, NULL, 4, expected), "expected has 3");
  ck_assert_ptr_null(r);
  efme_dataset_release(expected);
  free(t);
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("foreign");
  TCase *t = tcase_create("foreign");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, log_and_back);
  tcase_add_test(t, damaged_logs);
  tcase_add_test(t, tables);
  tcase_add_test(t, expected_of_megc2019);
  tcase_add_test(t, names_of_folds);
  tcase_add_test(t, printed_against_log);
  tcase_add_test(t, expected_must_fit);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
