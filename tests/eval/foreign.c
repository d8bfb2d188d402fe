/* Logs and tables of others: read, written back byte for byte, scored, and the errors of the field recognised in them. */
#include "truths.h"

static efme_result *from_log(efme_context *context, const char *folder, const char *text, const efme_dataset *expected) {
  const char *path = test_path(folder, "some.log");
  test_write(path, text, strlen(text));
  efme_result *r = NULL;
  OK(efme_result_from_log(&r, context, path, meg3, 3, expected));
  return r;
}

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
    efme_result *r = from_log(context, folder, logs[i], NULL);
    OK(efme_result_write(r, NULL, NULL, test_path(folder, "again.log")));
    size_t size;
    char *again = test_read(test_path(folder, "again.log"), &size);
    ck_assert_str_eq(again, logs[i]);
    ck_assert_uint_eq(size, strlen(logs[i]));
    free(again);
    efme_result_release(r);
  }
  efme_result *r = from_log(context, folder, logs[2], NULL);
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
  r = from_log(context, folder, logs[4], NULL);
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

START_TEST(substring_subjects) {
  /* Error 1 in small: fold s1 also tests the clips of s11, which fold s11 tests again. */
  struct truths *t = calloc(1, sizeof *t);
  static const char *const clips[] = {"s01_ne_01", "s01_po_01", "s11_ne_01", "s11_sur_01"};
  static const int32_t labels[] = {0, 1, 0, 2};
  for (int i = 0; i < 4; i++) {
    strcpy(t->items[i].dataset, "smic");
    memcpy(t->items[i].subject, clips[i], 3);
    strcpy(t->items[i].clip, clips[i]);
    t->items[i].label = labels[i];
  }
  t->count = 4;
  efme_context *context = test_context(1);
  char *folder = test_folder();
  efme_dataset *expected = truths_dataset(context, t);
  static const char log[] = "smic s1\ns1_ne_01 0 0\ns1_po_01 1 1\ns11_ne_01 0 0\ns11_sur_01 2 2\nsmic s11\ns11_ne_01 0 0\ns11_sur_01 2 0\n";
  for (int known = 0; known < 2; known++) {
    efme_result *r = from_log(context, folder, log, known ? expected : NULL);
    ck_assert_int_eq(efme_result_clean(r), 0);
    char *text = audit(r);
    HAS(text, "\"tested-twice\"");
    HAS(text, "2 of 6 lines test a clip that another line tests too, first smic/s11/s11_ne_01 (folds smic/s01 and smic/s11)");
    HAS(text, "\"wrong-fold\"");
    HAS(text, "smic/s11/s11_ne_01 in fold smic/s01");
    HAS(text, "\"substring\"");
    HAS(text, "s01 is part of s11");
    HAS(text, "tested samples of the classes are 3/1/2, there are 2/1/1");
    LACKS(text, "\"missing\",");
    HAS(text, "\"by_substring\": 2");
    efme_string_free(text);
    /* all lines: recall 3/3, 1/1, 1/2; distinct: 2/2, 1/1, 0/1; over the samples there are: 3/2, 1/1, 1/1 */
    efme_scores s = EFME_SCORES_INIT;
    OK(efme_result_scores(r, NULL, &s));
    ck_assert_double_eq_tol(s.uar, 2.5 / 3, 1e-12);
    efme_printed_row row = EFME_PRINTED_ROW_INIT;
    uint32_t findings = 0;
    row.uar = 1.167;
    OK(efme_result_check_row(&text, &findings, r, &row));
    ck_assert_uint_eq(findings, 2);
    HAS(text, "UAR 1.167 exceeds 1");
    HAS(text, "the sum over all lines divided by samples that are not the tested ones (1.1667)");
    efme_string_free(text);
    row.uar = .667;
    OK(efme_result_check_row(&text, &findings, r, &row));
    HAS(text, "the UAR over the distinct clips");
    efme_string_free(text);
    efme_result_release(r);
  }
  efme_dataset_release(expected);
  free(t);
  test_remove(folder);
  free(folder);
  efme_context_release(context);
}
END_TEST

START_TEST(megc2019_by_substring) {
  /* Error 1 in full: the organisers' truths, the folds a search by substring makes, all predicted right. */
  if (test_absent("data/megc2019/combined_3class_gt.csv")) return;
  struct truths *t = load_megc("data/megc2019/combined_3class_gt.csv");
  ck_assert_uint_eq(t->count, 442);
  efme_context *context = test_context(1);
  char *folder = test_folder();
  efme_dataset *expected = truths_dataset(context, t);
  char *log = malloc(1 << 20), *whole = malloc(1 << 20);
  size_t n = 0, m = 0;
  for (uint64_t i = 0; i < t->count; i++) {
    if (i && !strcmp(t->items[i].subject, t->items[i - 1].subject) && !strcmp(t->items[i].dataset, t->items[i - 1].dataset)) continue;
    int smic = !strcmp(t->items[i].dataset, "smic"), number = smic ? atoi(t->items[i].subject + 1) : 0;
    char disk[24];
    snprintf(disk, sizeof disk, "s%d", number);
    n += (size_t)sprintf(log + n, "%s %s\n", t->items[i].dataset, smic ? disk : t->items[i].subject);
    m += (size_t)sprintf(whole + m, "%s %s\n", t->items[i].dataset, t->items[i].subject);
    for (uint64_t k = 0; k < t->count; k++) {
      if (strcmp(t->items[k].dataset, t->items[i].dataset)) continue;
      char other[24];
      snprintf(other, sizeof other, "s%d", smic ? atoi(t->items[k].subject + 1) : 0);
      int same = !strcmp(t->items[k].subject, t->items[i].subject);
      if (smic ? strstr(other, disk) != NULL : same)
        n += (size_t)sprintf(log + n, "%s %d %d\n", t->items[k].clip, t->items[k].label, t->items[k].label);
      if (same) m += (size_t)sprintf(whole + m, "%s %d %d\n", t->items[k].clip, t->items[k].label, t->items[k].label);
    }
  }
  efme_result *r = from_log(context, folder, log, expected);
  ck_assert_uint_eq(efme_result_count(r), 513);
  char *text = audit(r);
  HAS(text, "are 273/137/103, there are 250/109/83; a UAR over the latter could reach 1.1966, with these predictions it reads 1.1966");
  HAS(text, "71 of 513 lines test a clip that another line tests too");
  HAS(text, "\"by_substring\": 71");
  HAS(text, "\"in_wrong_fold\": 71");
  efme_string_free(text);
  efme_result_release(r);

  /* Compared whole, the same truths are clean; 23 of 68 folds have one class, and a mean over folds calls all right .632 (error 6). */
  r = from_log(context, folder, whole, expected);
  ck_assert_uint_eq(efme_result_count(r), 442);
  ck_assert_int_eq(efme_result_clean(r), 1);
  text = audit(r);
  HAS(text, "a mean over the 68 folds, 23 of which have one class only, would read UF1 0.6324, UAR 0.6324");
  efme_string_free(text);
  efme_scores s = EFME_SCORES_INIT;
  OK(efme_result_scores(r, NULL, &s));
  ck_assert_double_eq(s.uf1, 1.0);
  efme_class_scores c = EFME_CLASS_SCORES_INIT;
  OK(efme_result_class_scores(r, "samm", 2, &c));
  ck_assert_uint_eq(c.samples, 15);
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  uint32_t findings = 0;
  row.uf1 = .632;
  OK(efme_result_check_row(&text, &findings, r, &row));
  ck_assert_uint_eq(findings, 1);
  HAS(text, "a per-fold average (0.6324)");
  efme_string_free(text);
  row.uf1 = 1.0;
  row.uar = 1.0;
  OK(efme_result_check_row(&text, &findings, r, &row));
  ck_assert_uint_eq(findings, 0);
  efme_string_free(text);
  efme_result_release(r);

  /* The second file of the organisers lacks one clip. */
  struct truths *second = load_megc("data/megc2019/combined_3class_gt-2.csv");
  ck_assert_uint_eq(second->count, 441);
  efme_dataset *fewer = truths_dataset(context, second);
  r = from_log(context, folder, whole, fewer);
  text = audit(r);
  HAS(text, "1 lines test clips that the expected set does not hold, first samm/032/032_3_1");
  efme_string_free(text);
  efme_result_release(r);
  *strstr(whole, "casme2 sub02") = '\0';
  r = from_log(context, folder, whole, expected);
  text = audit(r);
  HAS(text, "439 of 442 expected samples are not tested, first casme2/sub02/EP01_11f");
  efme_string_free(text);
  efme_result_release(r);
  efme_dataset_release(fewer);
  efme_dataset_release(expected);
  free(second);
  free(t);
  free(log);
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

/* A log with this confusion, in folds of five lines. */
static char *log_of(const int counts[3][3]) {
  char *log = malloc(1 << 16);
  size_t n = 0;
  int line = 0;
  for (int truth = 0; truth < 3; truth++)
    for (int predicted = 0; predicted < 3; predicted++)
      for (int k = 0; k < counts[truth][predicted]; k++, line++) {
        if (line % 5 == 0) n += (size_t)sprintf(log + n, "own p%d\n", line / 5);
        n += (size_t)sprintf(log + n, "c%d %d %d\n", line, truth, predicted);
      }
  return log;
}

START_TEST(printed_against_log) {
  /* Error 5 with counts alone: precision printed as UAR. Then errors 6 and others, each named. */
  const int counts[3][3] = {{200, 30, 20}, {40, 60, 9}, {25, 8, 50}};
  efme_context *context = test_context(1);
  char *folder = test_folder();
  char *log = log_of(counts);
  efme_result *r = from_log(context, folder, log, NULL);
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

START_TEST(published_log) {
  /* The counts of STSTNet's published log: its UAR is .7186, the .7605 of the paper is the mean precision. */
  const int counts[3][3] = {{219, 22, 9}, {40, 62, 7}, {21, 3, 59}};
  efme_context *context = test_context(1);
  char *folder = test_folder(), *log = log_of(counts), *text = NULL;
  efme_result *r = from_log(context, folder, log, NULL);
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  uint32_t findings = 0;
  row.decimals = 4;
  row.uf1 = .7353;
  row.uar = .7186;
  OK(efme_result_check_row(&text, &findings, r, &row));
  ck_assert_uint_eq(findings, 0);
  efme_string_free(text);
  row.uar = .7605;
  OK(efme_result_check_row(&text, &findings, r, &row));
  ck_assert_uint_eq(findings, 1);
  HAS(text, "UAR 0.7605 is not what the predictions give, 0.7186: it is the mean precision (0.7605)");
  efme_string_free(text);
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
  tcase_add_test(t, substring_subjects);
  tcase_add_test(t, megc2019_by_substring);
  tcase_add_test(t, names_of_folds);
  tcase_add_test(t, printed_against_log);
  tcase_add_test(t, published_log);
  tcase_add_test(t, expected_must_fit);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
