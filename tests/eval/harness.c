/* The seven errors of the field (spec section 4), played: through the public API as a careless or cheating user would, and in files of
 * others. What happens is the table of docs/evaluation.md, which this program compares byte for byte, or rewrites with --write. Beside each
 * error stands the honest counterpart, which passes. */
#include <cjson/cJSON.h>

#include "loso_fixture.h"
#include "truths.h"
#include "util/util.h" /* efme_hash64, to forge a fold's file */

#define DOCS EFME_SOURCE_DIR "/docs/evaluation.md"
#define BEGIN "<!-- harness: begin -->\n"
#define END "<!-- harness: end -->\n"
#define MEGC "data/megc2019/combined_3class_gt.csv"

/* ---- what happens ---- */

struct outcome {
  char what[256], words[4096];
};

static void also(struct outcome *o, const char *what, const char *words) {
  size_t n = strlen(o->what), m = strlen(o->words);
  snprintf(o->what + n, sizeof o->what - n, "%s%s", n ? ", " : "", what);
  snprintf(o->words + m, sizeof o->words - m, "%s%s", m && *words ? "; " : "", words);
}

/* No call does it; what is said next is of the nearest thing that a user can do. */
static void no_such_call(struct outcome *o) { strcpy(o->what, "impossible: no such call; the nearest is "); }

static void refused(struct outcome *o, efme_status got, efme_status expected, const char *part) {
  char what[512];
  ck_assert_msg(got == expected, "%s, not %s: %s", efme_status_name(got), efme_status_name(expected), efme_last_error());
  HAS(efme_last_error(), part);
  snprintf(what, sizeof what, "%srefused (`%s`)", o->what, efme_status_name(got));
  o->what[0] = '\0';
  also(o, what, efme_last_error());
}

/* A finding of the audit by its code. */
static void found(struct outcome *o, const efme_result *r, int flag, const char *code, const char *part) {
  char *page = NULL, mark[64], what[64];
  OK(efme_result_text(r, &page));
  snprintf(mark, sizeof mark, "  %s %s: ", flag ? "FLAG" : "note", code);
  char *at = strstr(page, mark);
  ck_assert_msg(at != NULL, "no `%s` in:\n%s", mark, page);
  at += strlen(mark);
  at[strcspn(at, "\n")] = '\0';
  HAS(at, part);
  if (flag) ck_assert_int_eq(efme_result_clean(r), 0);
  snprintf(what, sizeof what, "%s `%s`", flag ? "flagged" : "noted", code);
  also(o, what, at);
  efme_string_free(page);
}

/* Printed figures, against a result or alone. findings 0: nothing can be known. */
static void printed(struct outcome *o, const efme_result *r, const efme_printed_row *row, uint32_t findings, const char *part) {
  char *text = NULL;
  uint32_t n = 77;
  if (r) OK(efme_result_check_row(&text, &n, r, row));
  else OK(efme_check_printed_row(&text, &n, row));
  ck_assert_ptr_nonnull(text);
  ck_assert_msg(n == findings, "%u findings: %s", n, text);
  HAS(text, part);
  if (o && n) {
    text[strcspn(text, "\n")] = '\0';
    also(o, "recognised", text);
  }
  efme_string_free(text);
}

static void clean(const efme_result *r) {
  char *page = NULL;
  OK(efme_result_text(r, &page));
  ck_assert_msg(efme_result_clean(r) == 1, "%s", page);
  efme_string_free(page);
}

/* ---- what is played on ---- */

static struct lf f;
static char *folder;

static void set_up(void) {
  lf_make(&f, 1, 1, 0);
  folder = test_folder();
}

static void tear_down(void) {
  lf_free(&f);
  test_remove(folder);
  free(folder);
}

/* The data once more, after f.data has been changed. */
static void reopen(void) {
  efme_dataset_release(f.dataset);
  efme_fold_plan_release(f.plan);
  f.plan = NULL;
  f.dataset = lf_open(f.context, &f.data);
}

static efme_status create(efme_evaluator **e, efme_model *start, const char *where, uint32_t refuse_unknown) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  o.workers = 1;
  o.folder = where;
  o.refuse_unknown = refuse_unknown;
  *e = NULL;
  return efme_evaluator_create(e, start, f.dataset, f.plan, f.recipe, &o);
}

/* A whole run from these start weights. */
static efme_result *run_from(efme_model *start) {
  struct lf g = f;
  g.model = start;
  return lf_run(&g, 1, NULL);
}

static efme_dataset *part_of(uint32_t fold, int tested) {
  uint64_t at[SAMPLES], n = 0;
  efme_dataset *d = NULL;
  for (int part = tested ? EFME_PART_TEST : EFME_PART_TRAIN; part <= (tested ? EFME_PART_TEST : EFME_PART_VALIDATION); part++) {
    const uint64_t *p = NULL;
    uint64_t count = 0;
    OK(efme_fold_plan_part(f.plan, fold, (efme_fold_part)part, &p, &count));
    memcpy(at + n, p, count * sizeof *p);
    n += count;
  }
  OK(efme_dataset_subset(&d, f.dataset, at, n));
  return d;
}

static efme_model *train(efme_model *start, const efme_recipe *recipe, const efme_dataset *data, const efme_dataset *validation) {
  efme_trainer *t = NULL;
  efme_model *model = NULL;
  OK(efme_trainer_create(&t, start, recipe, data, validation));
  OK(efme_trainer_run(t, NULL, NULL));
  OK(efme_trainer_model(&model, t));
  efme_trainer_release(t);
  return model;
}

/* The log of a program of one's own that commits error 2, 3, 4 or 7 (0: none) with trainer and predictor. */
static char *own_loop(int error) {
  char *log = calloc(1, 1 << 14), *end = log;
  efme_model *start = error == 7 ? lf_trained_on(&f, 0, PEOPLE, -1) : efme_model_retain(f.model);
  for (uint32_t fold = 0; fold < PEOPLE; fold++) {
    efme_dataset *rest = part_of(fold, 0), *tested = part_of(fold, 1), *training = NULL, *validation = NULL;
    efme_predictor *p = NULL;
    int32_t best[EACH];
    int most = -1;
    if (error == 3) OK(efme_dataset_split(&training, &validation, rest, .3, 5));
    for (uint32_t epochs = 1; epochs <= (error == 4 ? 4 : 1); epochs++) {
      efme_recipe *recipe = lf_recipe(f.context, epochs, 0);
      efme_model *model = train(start, recipe, training ? training : rest, validation);
      int right = 0;
      int32_t label[EACH];
      OK(efme_predictor_create(&p, model, NULL));
      for (uint64_t i = 0; i < EACH; i++) {
        efme_image *image = NULL;
        efme_prediction prediction;
        efme_sample s = EFME_SAMPLE_INIT;
        OK(efme_dataset_read(tested, i, &image));
        OK(efme_predictor_run_images(p, &image, 1, &prediction, NULL));
        OK(efme_dataset_sample(tested, i, &s));
        label[i] = prediction.label;
        right += label[i] == s.label;
        efme_image_release(image);
      }
      efme_predictor_release(p);
      if (right > most) most = right, memcpy(best, label, sizeof best);
      if (error == 2) efme_model_release(start), start = efme_model_retain(model);
      efme_model_release(model);
      efme_recipe_release(recipe);
    }
    for (uint64_t i = 0; i < EACH; i++) {
      efme_sample s = EFME_SAMPLE_INIT;
      OK(efme_dataset_sample(tested, i, &s));
      if (!i) end += sprintf(end, "%.*s %s\n", (int)strcspn(s.subject, "/"), s.subject, strchr(s.subject, '/') + 1);
      end += sprintf(end, "%s %d %d\n", strrchr(s.key, '/') + 1, s.label, best[i]);
    }
    efme_dataset_release(rest);
    efme_dataset_release(tested);
    efme_dataset_release(training);
    efme_dataset_release(validation);
  }
  efme_model_release(start);
  return log;
}

/* Log, table and figures of such a loop are in order, as those of an honest one are. */
static void not_in_files(struct outcome *o, int error) {
  char *log = own_loop(error);
  efme_result *r = truths_from_log(f.context, folder, log, f.dataset), *table = NULL;
  clean(r);
  OK(efme_result_write(r, NULL, test_path(folder, "t.csv"), NULL));
  OK(efme_result_from_csv(&table, f.context, test_path(folder, "t.csv"), meg3, 3, f.dataset));
  clean(table);
  efme_scores s = EFME_SCORES_INIT;
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  OK(efme_result_scores(r, NULL, &s));
  row.uf1 = round(s.uf1 * 1e3) / 1e3, row.uar = round(s.uar * 1e3) / 1e3;
  printed(NULL, NULL, &row, 0, "");
  printed(NULL, r, &row, 0, "");
  efme_result_release(table);
  efme_result_release(r);
  /* what they can show is still looked for: a clip of another subject */
  strcat(log, "c0 0 0\n");
  strstr(log, "even s3\n")[6] = '1';
  r = truths_from_log(f.context, folder, log, f.dataset);
  ck_assert_int_eq(efme_result_clean(r), 0);
  efme_result_release(r);
  free(log);
  also(o, "cannot be seen there", "");
}
static void files2(struct outcome *o) { not_in_files(o, 2); }
static void files3(struct outcome *o) { not_in_files(o, 3); }
static void files4(struct outcome *o) { not_in_files(o, 4); }
static void files7(struct outcome *o) { not_in_files(o, 7); }

/* ---- 1: subjects by substring, a UAR above 1, denominators written down ---- */

static void twelve_people(void) {
  f.data.people = 12; /* s1 is part of s10, s11 and s12; s1 and s11 are "even" */
  reopen();
}

static void part_of_a_key(struct outcome *o) {
  efme_dataset *d = NULL;
  twelve_people();
  refused(o, efme_dataset_filter(&d, f.dataset, "subject", "even/s", 0), EFME_E_NOT_FOUND, "even/s");
  OK(efme_dataset_filter(&d, f.dataset, "subject", "even/s1", 0)); /* not s11 */
  ck_assert_uint_eq(efme_dataset_count(d), EACH);
  efme_dataset_release(d);
}

static void clips_in_two_folds(struct outcome *o) {
  uint32_t fold_of[12 * EACH];
  twelve_people();
  for (uint32_t i = 0; i < 12 * EACH; i++) fold_of[i] = i / EACH;
  OK(efme_fold_plan_custom(&f.plan, f.dataset, fold_of, 12, NULL));
  efme_fold_plan_release(f.plan);
  f.plan = NULL;
  for (uint32_t i = 10 * EACH; i < 10 * EACH + 3; i++) fold_of[i] = 0;
  no_such_call(o);
  refused(o, efme_fold_plan_custom(&f.plan, f.dataset, fold_of, 12, NULL), EFME_E_LEAK, "even/s11");
}

static void clips_added_again(struct outcome *o) {
  efme_dataset *both = NULL, *again = NULL;
  twelve_people();
  OK(efme_dataset_filter(&again, f.dataset, "subject", "even/s11", 0));
  const efme_dataset *list[] = {f.dataset, again};
  refused(o, efme_dataset_concat(&both, list, 2), EFME_E_MISMATCH, "even/s11/c0");
  efme_dataset_release(again);
}

static void denominators_of_ones_own(struct outcome *o) {
  /* 513 predictions, all right; and each only as it is. */
  static const int there[3] = {273, 137, 103};
  int32_t truth[513];
  char text[96];
  efme_scores s = EFME_SCORES_INIT;
  for (int c = 0, i = 0; c < 3; c++)
    for (int k = 0; k < there[c]; k++) truth[i++] = c;
  OK(efme_score(&s, truth, truth, 513, 3));
  ck_assert_double_eq(s.uar, 1.0);
  snprintf(text, sizeof text, "UAR %.4f over %d/%d/%d", s.uar, there[0], there[1], there[2]);
  no_such_call(o);
  strcat(o->what, "`efme_score`, which counts them");
  also(o, "[0, 1] by construction", text);
}

static void substring_log(struct outcome *o) {
  /* Fold s1 also tests the clips of s11, which fold s11 tests again; with and without the list of what there is. */
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
  efme_dataset *expected = truths_dataset(f.context, t);
  static const char log[] = "smic s1\ns1_ne_01 0 0\ns1_po_01 1 1\ns11_ne_01 0 0\ns11_sur_01 2 2\nsmic s11\ns11_ne_01 0 0\ns11_sur_01 2 0\n";
  for (int known = 0; known < 2; known++) {
    struct outcome one = {"", ""};
    efme_result *r = truths_from_log(f.context, folder, log, known ? expected : NULL);
    found(&one, r, 1, "substring", "s01 is part of s11");
    found(&one, r, 1, "wrong-fold", "smic/s11/s11_ne_01 in fold smic/s01");
    found(&one, r, 1, "tested-twice",
          "2 of 6 lines test a clip that another line tests too, first smic/s11/s11_ne_01 (folds smic/s01 and smic/s11)");
    found(&one, r, 1, "denominators", "tested samples of the classes are 3/1/2, there are 2/1/1");
    /* all lines: recall 3/3, 1/1, 1/2; distinct: 2/2, 1/1, 0/1; over the samples there are: 3/2, 1/1, 1/1 */
    efme_scores s = EFME_SCORES_INIT;
    OK(efme_result_scores(r, NULL, &s));
    ck_assert_double_eq_tol(s.uar, 2.5 / 3, 1e-12);
    efme_printed_row row = EFME_PRINTED_ROW_INIT;
    row.uar = 1.167;
    printed(NULL, r, &row, 2, "UAR 1.167 exceeds 1");
    printed(NULL, r, &row, 2, "the sum over all lines divided by samples that are not the tested ones (1.1667)");
    row.uar = .667;
    printed(NULL, r, &row, 1, "the UAR over the distinct clips");
    char *text = NULL;
    OK(efme_result_audit_json(r, &text));
    HAS(text, "\"by_substring\": 2");
    LACKS(text, "\"missing\",");
    efme_string_free(text);
    efme_result_release(r);
    if (known) *o = one;
  }
  efme_result *r =
      truths_from_log(f.context, folder, "smic s1\ns1_ne_01 0 0\ns1_po_01 1 1\nsmic s11\ns11_ne_01 0 0\ns11_sur_01 2 0\n", expected);
  clean(r);
  efme_result_release(r);
  efme_dataset_release(expected);
  free(t);
}

/* The organisers' truths in the folds that a search makes, or whole, all predicted right. */
static efme_result *megc(int by_substring) {
  struct truths *t = load_megc(MEGC);
  ck_assert_uint_eq(t->count, 442);
  efme_dataset *expected = truths_dataset(f.context, t);
  char *log = megc_log(t, by_substring);
  efme_result *r = truths_from_log(f.context, folder, log, expected);
  ck_assert_uint_eq(efme_result_count(r), by_substring ? 513 : 442);
  if (!by_substring) clean(r);
  free(log);
  efme_dataset_release(expected);
  free(t);
  return r;
}

static void substring_megc(struct outcome *o) {
  efme_result_release(megc(0));
  efme_result *r = megc(1);
  found(o, r, 1, "denominators", "are 273/137/103, there are 250/109/83; a UAR over the latter could reach 1.1966");
  found(o, r, 1, "tested-twice", "71 of 513 lines test a clip that another line tests too");
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  HAS(text, "\"by_substring\": 71");
  HAS(text, "\"in_wrong_fold\": 71");
  efme_string_free(text);
  efme_result_release(r);
}

static void substring_csv(struct outcome *o) {
  static const char head[] =
      "dataset,subject,clip,fold,truth,predicted\nsmic,s1,s1_ne_01,s1,0,0\nsmic,s2,s2_po_01,s2,1,1\nsmic,s11,s11_ne_01,s11,0,0\n";
  static const char more[] = "smic,s11,s11_ne_01,s1,0,0\n";
  const char *path = test_path(folder, "some.csv");
  char text[512];
  efme_result *r = NULL;
  test_write(path, head, strlen(head));
  OK(efme_result_from_csv(&r, f.context, path, NULL, 2, NULL));
  clean(r);
  efme_result_release(r);
  test_write(path, text, (size_t)sprintf(text, "%s%s", head, more));
  OK(efme_result_from_csv(&r, f.context, path, NULL, 2, NULL));
  found(o, r, 1, "substring", "s01 is part of s11 (first clip s11_ne_01)");
  found(o, r, 1, "tested-twice", "smic/s11/s11_ne_01");
  efme_result_release(r);
}

static void uar_above_one(struct outcome *o) {
  static const uint64_t samples[3] = {250, 109, 83};
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.uf1 = .985;
  row.classes = 3;
  row.class_samples = samples;
  row.uar = .985;
  printed(NULL, NULL, &row, 0, "");
  row.uar = 1.178;
  printed(o, NULL, &row, 1, "1.1966");
}

static void ceiling_against_log(struct outcome *o) {
  efme_result *r = megc(1);
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.decimals = 4;
  row.uar = 1;
  printed(NULL, r, &row, 0, "");
  row.uar = 1.1966;
  printed(o, r, &row, 2, "the sum over all lines divided by samples that are not the tested ones (1.1966)");
  efme_result_release(r);
}

/* ---- 2: start weights not loaded anew ---- */

static void weights_carried_on(struct outcome *o) {
  efme_dataset *rest = part_of(0, 0), *first = part_of(0, 1), *second = part_of(1, 1);
  efme_model *model = train(f.model, f.recipe, rest, NULL);
  efme_result *r = NULL;
  OK(efme_evaluate(&r, model, first, NULL)); /* its own subject it may be tested on */
  clean(r);
  efme_result_release(r);
  r = NULL;
  no_such_call(o);
  refused(o, efme_evaluate(&r, model, second, NULL), EFME_E_LEAK, "have seen all 6 tested samples, first even/s3/c0");
  efme_model_release(model);
  efme_dataset_release(rest);
  efme_dataset_release(first);
  efme_dataset_release(second);
}

static void start_changed_under_way(struct outcome *o) {
  const float bias[3] = {1, 2, 3};
  efme_evaluator *e = NULL;
  OK(create(&e, f.model, NULL, 0));
  OK(efme_evaluator_run_fold(e, 0, NULL, NULL));
  refused(o, efme_model_set(f.model, "head/bias", bias, 3), EFME_E_BUSY, "");
  efme_evaluator_release(e);
  OK(efme_model_set(f.model, "head/bias", bias, 3));
}

static void folder_of_another_start(struct outcome *o) {
  efme_evaluator *e = NULL;
  efme_model *other = lf_trained_on(&f, 20, 2, -1);
  OK(create(&e, f.model, folder, 0));
  OK(efme_evaluator_run_fold(e, 0, NULL, NULL));
  efme_evaluator_release(e);
  refused(o, create(&e, other, folder, 0), EFME_E_MISMATCH, "start weights is");
  ck_assert_ptr_null(e);
  OK(create(&e, f.model, folder, 0)); /* the same start goes on */
  ck_assert_uint_eq(efme_evaluator_done(e), 1);
  /* and a shard that started elsewhere */
  char *shard = test_folder();
  efme_evaluator *s = NULL;
  OK(create(&s, other, shard, 0));
  OK(efme_evaluator_run_fold(s, 1, NULL, NULL));
  efme_evaluator_release(s);
  FAILS(EFME_E_MISMATCH, efme_evaluator_merge(e, shard), "start weights is");
  test_remove(shard);
  free(shard);
  efme_evaluator_release(e);
  efme_model_release(other);
}

static void forged_fold_file(struct outcome *o) {
  static const char mark[] = ",\n  \"content_hash\"";
  efme_evaluator *e = NULL;
  size_t size;
  efme_result_release(lf_run(&f, 1, folder));
  char *text = test_read(test_path(folder, "fold-0001-even_s3.json"), &size), *at = strstr(text, "\"start_checksum\": \"") + 19;
  at[0] = at[0] == '0' ? '1' : '0';
  char *end = strstr(text, mark);
  sprintf(end, "%s: \"%016llx\"\n}\n", mark, (unsigned long long)efme_hash64(text, (size_t)(end - text), 0));
  test_write(test_path(folder, "fold-0001-even_s3.json"), text, strlen(text));
  free(text);
  refused(o, create(&e, f.model, folder, 0), EFME_E_MISMATCH, "fold-0001-even_s3.json: the fold started from weights");
  ck_assert_ptr_null(e);
}

/* ---- 3: validation by clip ---- */

static void random_validation(struct outcome *o) {
  efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
  for (uint32_t kind = 0; kind < 3; kind++) {
    char *text = NULL;
    efme_fold_plan_release(f.plan);
    options.validation = kind;
    OK(efme_fold_plan_loso(&f.plan, f.dataset, &options));
    efme_result *r = lf_run(&f, 1, NULL);
    OK(efme_result_audit_json(r, &text));
    if (kind == EFME_VALIDATE_RANDOM) {
      found(o, r, 1, "random-validation", "");
      HAS(text, "\"validation_disjoint_from_training_by_subject_file_and_pixels\": false");
    } else {
      LACKS(text, "random-validation");
      clean(r);
    }
    if (kind == EFME_VALIDATE_NONE) HAS(text, "\"no-validation\"");
    efme_string_free(text);
    efme_result_release(r);
  }
}

static void validation_of_ones_own(struct outcome *o) {
  /* A trainer of one's own takes any validation data; what comes of it is no leave-one-subject-out. */
  efme_dataset *rest = part_of(0, 0), *tested = part_of(0, 1), *training = NULL, *validation = NULL;
  efme_result *r = NULL;
  char *text = NULL;
  OK(efme_dataset_split(&training, &validation, rest, .3, 5));
  efme_model *model = train(f.model, f.recipe, training, validation);
  OK(efme_evaluate(&r, model, tested, NULL));
  clean(r);
  OK(efme_result_text(r, &text));
  HAS(text, "one model on data set apart");
  LACKS(text, "leave-one-subject-out");
  also(o, "cannot be seen; the result says what it is", "one model on data set apart");
  efme_string_free(text);
  efme_result_release(r);
  efme_model_release(model);
  efme_dataset_release(rest);
  efme_dataset_release(tested);
  efme_dataset_release(training);
  efme_dataset_release(validation);
}

/* ---- 4: the epoch that the tested subject likes best ---- */

struct peek {
  efme_evaluator *e;
  efme_status status;
  char words[512];
};

static int peek_at_an_epoch(const efme_train_progress *p, void *user) {
  struct peek *k = user;
  efme_result *r = NULL;
  if (p->event != EFME_TRAIN_EPOCH) return 0;
  k->status = efme_evaluator_result(&r, k->e);
  snprintf(k->words, sizeof k->words, "%s", efme_last_error());
  return 1;
}

static void scores_while_it_trains(struct outcome *o) {
  struct peek k = {NULL, EFME_OK, ""};
  efme_result *r = NULL;
  efme_recipe_release(f.recipe);
  f.recipe = lf_recipe(f.context, 3, 0); /* the reports of the second epoch and of the phase wait for the first: no fold gets to its end */
  OK(create(&k.e, f.model, NULL, 0));
  FAILS(EFME_E_CANCELLED, efme_evaluator_run(k.e, peek_at_an_epoch, &k), "");
  ck_assert_int_eq(k.status, EFME_E_STATE);
  no_such_call(o);
  refused(o, efme_evaluator_result(&r, k.e), EFME_E_STATE, "even/s1");
  OK(efme_evaluator_run(k.e, NULL, NULL));
  OK(efme_evaluator_result(&r, k.e));
  clean(r);
  efme_result_release(r);
  efme_evaluator_release(k.e);
}

static void validated_on_the_tested(struct outcome *o) {
  efme_dataset *rest = part_of(0, 0), *tested = part_of(0, 1);
  efme_model *model = train(f.model, f.recipe, rest, tested), *honest = train(f.model, f.recipe, rest, NULL);
  efme_result *r = NULL;
  refused(o, efme_evaluate(&r, model, tested, NULL), EFME_E_LEAK, "have seen all 6 tested samples, first even/s1/c0");
  OK(efme_evaluate(&r, honest, tested, NULL));
  clean(r);
  efme_result_release(r);
  efme_model_release(model);
  efme_model_release(honest);
  efme_dataset_release(rest);
  efme_dataset_release(tested);
}

static void epochs_tried_in_a_folder(struct outcome *o) {
  /* The folds go, the record of what was tried stays. */
  struct lf g = f;
  efme_result_release(lf_run(&f, 1, folder));
  DIR *dir = opendir(folder);
  for (struct dirent *e; (e = readdir(dir));)
    if (strstr(e->d_name, ".json")) remove(test_path(folder, e->d_name));
  closedir(dir);
  g.recipe = lf_recipe(f.context, 3, 0);
  efme_result *r = lf_run(&g, 1, folder);
  found(o, r, 0, "configurations", "a choice on the test subjects");
  efme_result_release(r);
  efme_recipe_release(g.recipe);
}

static void epochs_tried_elsewhere(struct outcome *o) {
  struct lf g = f;
  g.recipe = lf_recipe(f.context, 3, 0);
  efme_result *a = lf_run(&f, 1, NULL), *b = lf_run(&g, 1, NULL);
  clean(a);
  clean(b);
  also(o, "cannot be seen", "");
  efme_result_release(a);
  efme_result_release(b);
  efme_recipe_release(g.recipe);
}

static void epochs_as_candidates(struct outcome *o) {
  efme_evaluator_options options = EFME_EVALUATOR_OPTIONS_INIT;
  efme_recipe *same = NULL; /* equal candidates: the first of equals wins on every machine */
  efme_evaluator *e = NULL;
  efme_result *r = NULL;
  OK(efme_recipe_clone(&same, f.recipe));
  const efme_recipe *others[] = {same};
  options.alternatives = others;
  options.alternative_count = 1;
  options.inner_folds = 2;
  OK(efme_evaluator_create(&e, f.model, f.dataset, f.plan, f.recipe, &options));
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  clean(r);
  found(o, r, 0, "nested-choice", "");
  efme_result_release(r);
  efme_evaluator_release(e);
  efme_recipe_release(same);
}

/* ---- 5: average precision called UAR ---- */

/* STSTNet's published log, by its counts. */
static efme_result *ststnet(void) {
  const int counts[3][3] = {{219, 22, 9}, {40, 62, 7}, {21, 3, 59}};
  char *log = truths_log(counts);
  efme_result *r = truths_from_log(f.context, folder, log, NULL);
  free(log);
  return r;
}

static void both_are_printed(struct outcome *o) {
  efme_result *r = ststnet();
  char words[96];
  OK(efme_result_write(r, test_path(folder, "m.json"), NULL, NULL));
  char *text = test_read(test_path(folder, "m.json"), NULL);
  cJSON *root = cJSON_Parse(text);
  const cJSON *scores = cJSON_GetObjectItem(root, "scores");
  snprintf(words, sizeof words, "\"uar\": %.4f, \"mean_precision\": %.4f", cJSON_GetObjectItem(scores, "uar")->valuedouble,
           cJSON_GetObjectItem(scores, "mean_precision")->valuedouble);
  ck_assert_str_eq(words, "\"uar\": 0.7186, \"mean_precision\": 0.7605");
  no_such_call(o);
  strcat(o->what, "to copy the wrong one of two figures");
  also(o, "each under its name", words);
  cJSON_Delete(root);
  free(text);
  efme_result_release(r);
}

static void precision_against_log(struct outcome *o) {
  efme_result *r = ststnet();
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.decimals = 4;
  row.uf1 = .7353;
  row.uar = .7186;
  printed(NULL, r, &row, 0, "");
  row.uar = .7605;
  printed(o, r, &row, 1, "UAR 0.7605 is not what the predictions give, 0.7186: it is the mean precision (0.7605)");
  efme_result_release(r);
}

static void precision_with_class_values(struct outcome *o) {
  const double recall[] = {.876, .569, .711}, precision[] = {.782, .713, .787};
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.classes = 3;
  row.class_recall = recall;
  row.class_precision = precision;
  row.uar = .719;
  printed(NULL, NULL, &row, 0, "");
  row.uar = .761;
  printed(o, NULL, &row, 1, "equals the mean precision");
}

static void precision_alone(struct outcome *o) {
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.decimals = 4;
  row.uf1 = .7353;
  row.uar = .7605;
  printed(o, NULL, &row, 0, "");
  also(o, "cannot be seen: the two figures can go together", "");
  row.uar = .55;
  printed(NULL, NULL, &row, 1, "");
}

/* ---- 6: scores averaged over folds ---- */

static void scores_of_one_fold(struct outcome *o) {
  efme_result *r = lf_run(&f, 1, NULL);
  efme_scores s = EFME_SCORES_INIT;
  no_such_call(o);
  refused(o, efme_result_scores(r, "even/s1", &s), EFME_E_NOT_FOUND, "even/s1");
  OK(efme_result_scores(r, "even", &s));
  ck_assert_uint_eq(s.samples, 3 * EACH);
  efme_result_release(r);
}

static void folds_averaged_by_hand(struct outcome *o) {
  /* efme_score fold by fold, the mean of it printed */
  efme_result *r = ststnet();
  uint64_t n = efme_result_count(r);
  double mean = 0;
  int folds = 0;
  for (uint64_t i = 0; i < n; folds++) {
    int32_t truth[5], predicted[5];
    uint64_t k = 0;
    for (; k < 5 && i < n; k++, i++) {
      efme_tested t = EFME_TESTED_INIT;
      OK(efme_result_tested(r, i, &t));
      truth[k] = t.truth, predicted[k] = t.predicted;
    }
    efme_scores s = EFME_SCORES_INIT;
    OK(efme_score(&s, truth, predicted, k, 3));
    mean += s.uf1;
  }
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.uf1 = .735;
  printed(NULL, r, &row, 0, "");
  row.uf1 = round(mean / folds * 1e3) / 1e3;
  printed(o, r, &row, 1, "per-fold average");
  efme_result_release(r);
}

static void average_of_a_perfect_log(struct outcome *o) {
  efme_result *r = megc(0);
  efme_scores s = EFME_SCORES_INIT;
  OK(efme_result_scores(r, NULL, &s));
  ck_assert_double_eq(s.uf1, 1.0);
  found(o, r, 0, "fold-average", "a mean over the 68 folds, 23 of which have one class only, would read UF1 0.6324, UAR 0.6324");
  efme_result_release(r);
}

static void average_against_log(struct outcome *o) {
  efme_result *r = megc(0);
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.uf1 = row.uar = 1;
  printed(NULL, r, &row, 0, "");
  row.uar = -1;
  row.uf1 = .632;
  printed(o, r, &row, 1, "a per-fold average (0.6324)");
  efme_result_release(r);
}

static void average_alone(struct outcome *o) {
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  row.uf1 = row.uar = .632;
  printed(o, NULL, &row, 0, "");
  also(o, "cannot be seen: such figures can be", "");
  row.uf1 = .9;
  printed(NULL, NULL, &row, 1, "");
}

/* ---- 7: start weights that know the tested subject ---- */

static void trained_on_the_tested(struct outcome *o) {
  efme_model *seen = lf_trained_on(&f, 4, 2, -1), *others = lf_trained_on(&f, 20, 2, -1); /* even/s5, odd/s6; two of whom none is tested */
  efme_evaluator *e = NULL;
  refused(o, create(&e, seen, NULL, 0), EFME_E_LEAK, "have seen subject even/s5, which fold even/s5 tests");
  ck_assert_ptr_null(e);
  efme_result *r = run_from(others);
  struct outcome note = {"", ""};
  found(&note, r, 0, "seen-dataset", "");
  clean(r);
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  HAS(text, "\"tested_data_unseen_by_start_weights\": \"yes\"");
  efme_string_free(text);
  efme_result_release(r);
  efme_model_release(seen);
  efme_model_release(others);
}

/* The same people under another set's name, or as nobody in particular. */
static efme_status describe_renamed(efme_sample *s, uint64_t index, void *user) {
  efme_status status = lf_describe(s, index, user);
  s->dataset = "renamed";
  return status;
}
static efme_status describe_nameless(efme_sample *s, uint64_t index, void *user) {
  static char clip[16]; /* copied by the library before the next call */
  efme_status status = lf_describe(s, index, user);
  snprintf(clip, sizeof clip, "n%u", (unsigned)index);
  s->subject = NULL;
  s->clip = clip;
  return status;
}

static efme_model *trained_as(efme_status (*describe)(efme_sample *s, uint64_t index, void *user), struct lf_data *data) {
  efme_dataset_callbacks c = {sizeof c, SAMPLES, describe, lf_read, NULL, data, lf_classes, 3, 0};
  efme_dataset *d = NULL;
  OK(efme_dataset_create(&d, f.context, &c));
  efme_model *model = train(f.model, f.recipe, d, NULL);
  efme_dataset_release(d);
  return model;
}

static void same_pixels_renamed(struct outcome *o) {
  struct lf_data data;
  efme_evaluator *e = NULL;
  lf_data_init(&data);
  efme_model *seen = trained_as(describe_renamed, &data);
  refused(o, create(&e, seen, NULL, 0), EFME_E_LEAK, "have seen the pixels of sample even/s1/c0, which fold even/s1 tests");
  efme_model_release(seen);
  data.noise = 5; /* other pixels under other names are other people */
  seen = trained_as(describe_renamed, &data);
  efme_result *r = run_from(seen);
  clean(r);
  efme_result_release(r);
  efme_model_release(seen);
}

static void trained_without_names(struct outcome *o) {
  struct lf_data data;
  efme_evaluator *e = NULL;
  lf_data_init(&data);
  data.noise = 5;
  efme_model *seen = trained_as(describe_nameless, &data);
  efme_result *r = run_from(seen);
  found(o, r, 1, "unknown-provenance", "named no subject");
  efme_result_release(r);
  FAILS(EFME_E_LEAK, create(&e, seen, NULL, 1), "named no subject"); /* where unknown weights are refused */
  efme_model_release(seen);
}

static void unknown(struct outcome *o, efme_model *model) {
  efme_evaluator *e = NULL;
  efme_result *r = run_from(model);
  found(o, r, 1, "unknown-provenance", "");
  efme_result_release(r);
  FAILS(EFME_E_LEAK, create(&e, model, NULL, 1), "unknown provenance");
}

static void copied_weights(struct outcome *o) {
  /* Tensor by tensor into a fresh model: they bring no story along. */
  efme_model *seen = lf_trained_on(&f, 4, 2, -1), *fresh = lf_model(f.context);
  efme_evaluator *e = NULL;
  OK(create(&e, fresh, NULL, 1)); /* fresh weights are known */
  efme_evaluator_release(e);
  efme_model_info info = EFME_MODEL_INFO_INIT;
  OK(efme_model_get_info(seen, &info));
  for (uint32_t i = 0; i < info.tensor_count; i++) {
    const char *name = NULL;
    uint32_t d[4];
    OK(efme_model_tensor(seen, i, &name, d));
    size_t n = (size_t)d[0] * d[1] * d[2] * d[3];
    float *values = malloc(n * sizeof *values);
    OK(efme_model_get(seen, name, values, n));
    OK(efme_model_set(fresh, name, values, n));
    free(values);
  }
  unknown(o, fresh);
  efme_model_release(fresh);
  efme_model_release(seen);
}

/* A model file in which the trained subject has another name. */
static const char *edited_file(void) {
  efme_model *seen = lf_trained_on(&f, 4, 2, -1), *back = NULL;
  const char *path = test_path(folder, "seen.safetensors");
  size_t size;
  int edits = 0;
  OK(efme_model_save(seen, path, EFME_WEIGHTS_F32));
  efme_model_release(seen);
  OK(efme_model_load(&back, f.context, path, NULL));
  ck_assert_int_eq(efme_model_has_seen_subject(back, "even/s5"), 1); /* the story travels with the file */
  efme_evaluator *e = NULL;
  FAILS(EFME_E_LEAK, create(&e, back, NULL, 0), "have seen subject even/s5");
  efme_model_release(back);
  char *bytes = test_read(path, &size);
  for (size_t i = 0; i + 7 < size; i++)
    if (!memcmp(bytes + i, "even/s5", 7)) bytes[i + 6] = '9', edits++;
  ck_assert_int_gt(edits, 0);
  test_write(path, bytes, size);
  free(bytes);
  return path;
}

static void edited_provenance(struct outcome *o) {
  efme_model *back = NULL;
  refused(o, efme_model_load(&back, f.context, edited_file(), NULL), EFME_E_MISMATCH, "hash");
}

static void edited_and_loaded(struct outcome *o) {
  efme_load_options options = EFME_LOAD_OPTIONS_INIT;
  efme_model *back = NULL;
  options.ignore_checksum = 1;
  OK(efme_model_load(&back, f.context, edited_file(), &options));
  unknown(o, back);
  efme_model_release(back);
}

static void equal_pixels(struct outcome *o) {
  f.data.twin = 9; /* odd/s2/c3 shows even/s1/c0 */
  reopen();
  refused(o, efme_fold_plan_loso(&f.plan, f.dataset, NULL), EFME_E_LEAK, "samples even/s1/c0 and odd/s2/c3 have the same pixels");
  OK(efme_fold_plan_grouped(&f.plan, f.dataset, 3, NULL));
  efme_result *r = lf_run(&f, 1, NULL);
  struct outcome flag = {"", ""};
  found(&flag, r, 1, "duplicates-across-subjects", "");
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  HAS(text, "\"across_subjects\": 1");
  efme_string_free(text);
  efme_result_release(r);
}

/* ---- the table ---- */

static const struct {
  int error;
  const char *played;
  void (*play)(struct outcome *o);
  const char *data; /* below shared; where it is absent the row stays as it stands */
} rows[] = {
    {1, "API: samples of a part of a subject's key (`even/s`)", part_of_a_key, NULL},
    {1, "API: fold s1 tests clips of s11, fold s11 the others", clips_in_two_folds, NULL},
    {1, "API: the clips of s11 in the data a second time", clips_added_again, NULL},
    {1, "API: 513 predictions over 250/109/83", denominators_of_ones_own, NULL},
    {1, "log: fold s1 tests the clips of s11 as well", substring_log, NULL},
    {1, "log: all of MEGC 2019 by substring", substring_megc, MEGC},
    {1, "CSV: the same with bare subjects as folds", substring_csv, NULL},
    {1, "printed row: the paper's UF1 .985, UAR 1.178", uar_above_one, NULL},
    {1, "printed row with that log: UAR 1.1966", ceiling_against_log, MEGC},
    {2, "API: a fold's weights go on into the next fold", weights_carried_on, NULL},
    {2, "API: start weights changed between two folds", start_changed_under_way, NULL},
    {2, "API: a folder or shard continued from other start weights", folder_of_another_start, NULL},
    {2, "file of a fold: another start written in, its hash made anew", forged_fold_file, NULL},
    {2, "log, CSV, printed row of such a run", files2, NULL},
    {3, "API: `EFME_VALIDATE_RANDOM`", random_validation, NULL},
    {3, "API: a trainer of one's own with random validation clips", validation_of_ones_own, NULL},
    {3, "log, CSV, printed row of such a run", files3, NULL},
    {4, "API: scores of the tested subject at an epoch's end", scores_while_it_trains, NULL},
    {4, "API: a trainer of one's own, the tested subject as validation", validated_on_the_tested, NULL},
    {4, "API: runs of 1 and 3 epochs in a folder, the better kept", epochs_tried_in_a_folder, NULL},
    {4, "API: the same without a folder or in two", epochs_tried_elsewhere, NULL},
    {4, "API: numbers of epochs as candidates (honest: each fold's own subjects choose)", epochs_as_candidates, NULL},
    {4, "log, CSV, printed row of such a run", files4, NULL},
    {5, "API: mean precision under the name UAR", both_are_printed, NULL},
    {5, "printed row with the log: STSTNet's UAR .7605", precision_against_log, NULL},
    {5, "printed row with class values", precision_with_class_values, NULL},
    {5, "printed row alone: UF1 .7353, UAR .7605", precision_alone, NULL},
    {6, "API: the scores of one fold", scores_of_one_fold, NULL},
    {6, "API: `efme_score` on each fold, the mean printed beside the log", folds_averaged_by_hand, NULL},
    {6, "log: all of MEGC 2019 right", average_of_a_perfect_log, MEGC},
    {6, "printed row with that log: UF1 .632", average_against_log, MEGC},
    {6, "printed row alone: UF1 and UAR .632", average_alone, NULL},
    {7, "API: start weights trained on a tested subject", trained_on_the_tested, NULL},
    {7, "API: trained on the tested images under other names", same_pixels_renamed, NULL},
    {7, "API: trained on samples of the tested set without subjects", trained_without_names, NULL},
    {7, "API: such weights copied tensor by tensor", copied_weights, NULL},
    {7, "API: one image under two subjects", equal_pixels, NULL},
    {7, "model file: the subject's name edited", edited_provenance, NULL},
    {7, "model file: the same, loaded in spite of its hash", edited_and_loaded, NULL},
    {7, "log, CSV, printed row of such a run", files7, NULL},
};
#define ROWS (sizeof rows / sizeof *rows)
static char *lines[ROWS];
static int rewrite;

/* One cell: no folder of the test, no checksums, at most 200 characters, cut at a word. */
static void cell(char *out, size_t size, const char *words) {
  size_t n = 0, token = 0;
  for (const char *p = words; *p && n + 8 < size;) {
    if (!strncmp(p, "efme-eval-", 10)) {
      p += strcspn(p, "/ ");
      p += *p == '/';
      n = token;
      continue;
    }
    if (strspn(p, "0123456789abcdef") == 16) {
      n += (size_t)sprintf(out + n, "..");
      p += 16;
      continue;
    }
    if (*p == '|') out[n++] = '\\';
    out[n++] = *p == '\n' ? ' ' : *p;
    if (strchr(" `'(", *p++)) token = n;
  }
  out[n] = '\0';
  if (n <= 200) return;
  for (n = 200; n && out[n] != ' ';) n--;
  strcpy(out + n, " ...");
}

START_TEST(play) {
  struct outcome o = {"", ""};
  char words[4096], line[8192];
  if (rows[_i].data && test_absent(rows[_i].data)) return;
  rows[_i].play(&o);
  cell(words, sizeof words, o.words);
  snprintf(line, sizeof line, "| %d | %s | %s | %s |\n", rows[_i].error, rows[_i].played, o.what, words);
  lines[_i] = strdup(line);
}
END_TEST

/* The line that the table has for a row whose data is absent. */
static void kept_line(char *out, size_t size, const char *table, size_t row) {
  char mark[256];
  snprintf(mark, sizeof mark, "| %d | %s | ", rows[row].error, rows[row].played);
  const char *at = strstr(table, mark);
  ck_assert_msg(at != NULL, "the table lacks `%s`", mark);
  snprintf(out, size, "%.*s", (int)strcspn(at, "\n") + 1, at);
}

START_TEST(table_of_the_docs) {
  static char made[ROWS * 1024] = "\n| error | played by | what happens | in the library's words |\n|---|---|---|---|\n";
  size_t size, at = 0;
  char *docs = test_read(DOCS, &size), *begin = strstr(docs, BEGIN), *end = strstr(docs, END);
  ck_assert_msg(begin && end && begin < end, DOCS " lacks the lines " BEGIN END);
  begin += strlen(BEGIN);
  for (size_t i = 0; i < ROWS; i++) {
    size_t n = strlen(made);
    ck_assert_msg(lines[i] || (rows[i].data && access(test_shared(rows[i].data), R_OK)), "row %zu was not played to its end", i);
    if (lines[i]) snprintf(made + n, sizeof made - n, "%s", lines[i]);
    else kept_line(made + n, sizeof made - n, begin, i);
  }
  strcat(made, "\n");
  if (rewrite) {
    FILE *out = fopen(DOCS, "wb");
    ck_assert_ptr_nonnull(out);
    fprintf(out, "%.*s%s%s", (int)(begin - docs), docs, made, end);
    ck_assert_int_eq(fclose(out), 0);
  } else {
    while (made[at] && made[at] == begin[at]) at++;
    while (at && made[at - 1] != '\n') at--;
    ck_assert_msg(strlen(made) == (size_t)(end - begin) && !strncmp(made, begin, strlen(made)),
                  DOCS " is not what happened. To rewrite it: test_eval_harness --write\nhappened: %.*s\nstands:   %.*s",
                  (int)strcspn(made + at, "\n"), made + at, (int)strcspn(begin + at, "\n"), begin + at);
  }
  free(docs);
  for (size_t i = 0; i < ROWS; i++) free(lines[i]);
}
END_TEST

int main(int argc, char **argv) {
  rewrite = argc > 1 && !strcmp(argv[1], "--write");
  Suite *suite = suite_create("harness");
  TCase *plays = tcase_create("plays"), *table = tcase_create("table");
  tcase_set_timeout(plays, 120);
  tcase_add_checked_fixture(plays, set_up, tear_down);
  tcase_add_loop_test(plays, play, 0, ROWS);
  tcase_add_test(table, table_of_the_docs);
  suite_add_tcase(suite, plays);
  suite_add_tcase(suite, table);
  return test_run(suite);
}
