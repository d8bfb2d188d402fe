/* The composite of MEGC 2019 as the organisers list it, 442 clips of 68 subjects in three sets, with drawn images in place of the
 * licence-gated frames: every kind of plan over it, and a whole run whose log and scores are those of the challenge. */
#include "truths.h"

#define CSV "data/megc2019/combined_3class_gt.csv"
#define SIDE 32

static efme_context *context;
static struct truths *truths;
static efme_dataset *all;

/* Noise of the clip's own under a pattern of its class. */
static efme_status draw(efme_image **out, efme_context *c, uint64_t index, void *user) {
  const struct truths *t = user;
  uint8_t pixels[SIDE * SIDE];
  uint32_t state = (uint32_t)index * 2654435761u + 1;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      state = state * 1664525u + 1013904223u;
      int label = t->items[index].label, wave = label == 0 ? x / 4 % 2 : label == 1 ? y / 4 % 2 : (x + y) / 4 % 2;
      pixels[y * SIDE + x] = (uint8_t)(60 + 60 * wave + (state >> 24) % 90);
    }
  return efme_image_from_pixels(out, c, pixels, EFME_PIXEL_GREY8, SIDE, SIDE, 0);
}

static void set_up(void) {
  context = test_context(2);
  truths = test_absent(CSV) ? NULL : load_megc(CSV);
  if (truths) all = truths_open(context, truths, draw);
}

static void tear_down(void) {
  efme_dataset_release(all);
  all = NULL;
  efme_context_release(context);
  free(truths);
}

/* ---- plans ---- */

static efme_sample sample_of(const efme_dataset *d, uint64_t index) {
  efme_sample s = EFME_SAMPLE_INIT;
  OK(efme_dataset_sample(d, index, &s));
  return s;
}

struct counts {
  uint64_t samples, of_class[3];
};

/* What stands in one part; `mark`s it in part_of[subject]. */
static struct counts count_part(const efme_fold_plan *p, const efme_dataset *d, uint32_t fold, efme_fold_part part, int *tested) {
  const uint64_t *at = NULL;
  struct counts c = {0};
  OK(efme_fold_plan_part(p, fold, part, &at, &c.samples));
  for (uint64_t i = 0; i < c.samples; i++) {
    c.of_class[sample_of(d, at[i]).label]++;
    if (tested) tested[at[i]]++;
  }
  return c;
}

static uint64_t shared_subjects(const efme_fold_plan *p, const efme_dataset *d, uint32_t fold, efme_fold_part a, efme_fold_part b) {
  const uint64_t *x = NULL, *y = NULL;
  uint64_t n = 0, m = 0, shared = 0;
  OK(efme_fold_plan_part(p, fold, a, &x, &n));
  OK(efme_fold_plan_part(p, fold, b, &y, &m));
  for (uint64_t i = 0; i < n; i++)
    for (uint64_t k = 0; k < m; k++) shared += !strcmp(sample_of(d, x[i]).subject, sample_of(d, y[k]).subject);
  return shared;
}

/* What every plan keeps; by_subject: its validation has whole subjects, a fifth of the samples, and every class of these data. */
static void check(const efme_fold_plan *p, const efme_dataset *d, uint32_t folds, int by_subject) {
  int tested[512] = {0};
  uint64_t n = efme_dataset_count(d);
  ck_assert_uint_eq(efme_fold_plan_count(p), folds);
  for (uint32_t f = 0; f < folds; f++) {
    struct counts train = count_part(p, d, f, EFME_PART_TRAIN, NULL), validation = count_part(p, d, f, EFME_PART_VALIDATION, NULL);
    struct counts test = count_part(p, d, f, EFME_PART_TEST, tested);
    ck_assert_uint_eq(train.samples + validation.samples + test.samples, n);
    ck_assert_uint_eq(shared_subjects(p, d, f, EFME_PART_TEST, EFME_PART_TRAIN), 0);
    ck_assert_uint_eq(shared_subjects(p, d, f, EFME_PART_TEST, EFME_PART_VALIDATION), 0);
    if (by_subject) {
      ck_assert_uint_eq(shared_subjects(p, d, f, EFME_PART_TRAIN, EFME_PART_VALIDATION), 0);
      ck_assert_double_ge((double)validation.samples, .2 * (double)(train.samples + validation.samples));
    }
    for (int c = 0; c < 3; c++) ck_assert(train.of_class[c] && validation.of_class[c]);
  }
  for (uint64_t i = 0; i < n; i++) ck_assert_int_eq(tested[i], 1);
}

static efme_dataset *only(const char *dataset) {
  efme_dataset *d = NULL;
  OK(efme_dataset_filter(&d, all, "dataset", dataset, 0));
  return d;
}

START_TEST(plans) {
  if (!truths) return;
  static const char *const sets[] = {"casme2", "samm", "smic"};
  static const uint64_t samples[] = {145, 133, 164};
  static const uint32_t subjects[] = {24, 28, 16};
  efme_fold_plan *p = NULL;
  uint64_t counts[3];
  ck_assert_uint_eq(efme_dataset_count(all), 442);
  OK(efme_dataset_class_counts(all, counts, 3));
  ck_assert(counts[0] == 250 && counts[1] == 109 && counts[2] == 83);
  OK(efme_fold_plan_loso(&p, all, NULL));
  check(p, all, 68, 1);
  ck_assert_str_eq(efme_fold_plan_name(p, 0), "casme2/sub01");
  ck_assert_str_eq(efme_fold_plan_name(p, 24), "samm/006"); /* the csv says 6 */
  ck_assert_str_eq(efme_fold_plan_name(p, 67), "smic/s20");
  efme_fold_plan_release(p);
  efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
  options.validation = EFME_VALIDATE_RANDOM;
  OK(efme_fold_plan_loso(&p, all, &options));
  check(p, all, 68, 0);
  efme_fold_plan_release(p);
  OK(efme_fold_plan_grouped(&p, all, 10, NULL));
  check(p, all, 10, 1);
  efme_fold_plan_release(p);
  OK(efme_fold_plan_datasets(&p, all, NULL));
  check(p, all, 3, 1);
  for (uint32_t f = 0; f < 3; f++) {
    ck_assert_str_eq(efme_fold_plan_name(p, f), sets[f]);
    ck_assert_uint_eq(count_part(p, all, f, EFME_PART_TEST, NULL).samples, samples[f]);
  }
  efme_fold_plan_release(p);
  for (int s = 0; s < 3; s++) { /* one set only */
    efme_dataset *d = only(sets[s]);
    OK(efme_fold_plan_loso(&p, d, NULL));
    check(p, d, subjects[s], 1);
    efme_fold_plan_release(p);
    efme_dataset_release(d);
  }
  uint32_t fold_of[512];
  for (uint64_t i = 0; i < 442; i++) fold_of[i] = (uint32_t)(sample_of(all, i).subject[6] % 4); /* any rule that keeps subjects whole */
  OK(efme_fold_plan_custom(&p, all, fold_of, 4, NULL));
  check(p, all, 4, 1);
  efme_fold_plan_release(p);
  p = NULL;
  fold_of[0] ^= 1; /* one clip of casme2/sub01 alone */
  FAILS(EFME_E_LEAK, efme_fold_plan_custom(&p, all, fold_of, 4, NULL), "subject casme2/sub01 is tested in");
  ck_assert_ptr_null(p);
}
END_TEST

/* ---- a run ---- */

static efme_recipe *small_recipe(void) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  OK(efme_recipe_create(&recipe, context, "head"));
  OK(efme_recipe_get_options(recipe, &o));
  o.feature_variants = 1;
  OK(efme_recipe_set_options(recipe, &o));
  OK(efme_recipe_clear_phases(recipe));
  OK(efme_optimizer_create(&phase.optimizer, context, NULL));
  phase.scope = EFME_SCOPE_HEAD;
  phase.epochs = 3;
  phase.restore_best = 1;
  OK(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  return recipe;
}

static efme_model *small_model(void) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *model = NULL;
  o.cut = 1;
  o.height = o.width = SIDE;
  o.class_names = meg3;
  o.class_count = 3;
  OK(efme_model_create(&model, context, &o));
  return model;
}

/* The scores of one set are those of its rows alone, and all of them those of all rows. */
static void check_scores(const efme_result *r, const char *dataset, uint64_t samples) {
  int32_t truth[512], predicted[512];
  uint64_t n = 0;
  for (uint64_t i = 0; i < efme_result_count(r); i++) {
    efme_tested t = EFME_TESTED_INIT;
    OK(efme_result_tested(r, i, &t));
    if (dataset && strcmp(t.dataset, dataset)) continue;
    truth[n] = t.truth;
    predicted[n++] = t.predicted;
  }
  efme_scores s = EFME_SCORES_INIT, want = EFME_SCORES_INIT;
  ck_assert_uint_eq(n, samples);
  OK(efme_score(&want, truth, predicted, n, 3));
  OK(efme_result_scores(r, dataset, &s));
  ck_assert_int_eq(memcmp(&s, &want, sizeof s), 0);
}

/* 68 lines `dataset subject` as the challenge writes them, each before its clips. */
static void check_log(const char *text) {
  char header[64];
  for (uint64_t i = 0; i < truths->count; i++) {
    int samm = !strcmp(truths->items[i].dataset, "samm");
    if (samm) snprintf(header, sizeof header, "\nsamm %03d\n", atoi(truths->items[i].subject));
    else snprintf(header, sizeof header, "\n%s %s\n", truths->items[i].dataset, truths->items[i].subject);
    const char *at = !strncmp(text, header + 1, strlen(header + 1)) ? text : strstr(text, header);
    ck_assert_msg(at != NULL, "no line `%s`", header + 1);
    ck_assert_ptr_null(strstr(at + 1, header));
    char clip[64];
    snprintf(clip, sizeof clip, "\n%s %d ", truths->items[i].clip, truths->items[i].label);
    ck_assert_msg(strstr(at, clip) != NULL, "no line `%s` below %s", clip + 1, header + 1);
  }
}

START_TEST(whole_run) {
  if (!truths) return;
  char *folder = test_folder();
  efme_model *model = small_model();
  efme_recipe *recipe = small_recipe();
  efme_fold_plan *plan = NULL;
  efme_evaluator *e = NULL;
  efme_result *r = NULL, *again = NULL;
  OK(efme_fold_plan_loso(&plan, all, NULL));
  OK(efme_evaluator_create(&e, model, all, plan, recipe, NULL));
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  ck_assert_int_eq(efme_result_clean(r), 1);
  check_scores(r, NULL, 442);
  check_scores(r, "smic", 164);
  check_scores(r, "casme2", 145);
  check_scores(r, "samm", 133);
  OK(efme_result_write(r, NULL, NULL, test_path(folder, "log.txt")));
  char *text = test_read(test_path(folder, "log.txt"), NULL);
  check_log(text);
  free(text);
  OK(efme_result_from_log(&again, context, test_path(folder, "log.txt"), meg3, 3, all));
  ck_assert_int_eq(efme_result_clean(again), 1);
  ck_assert_uint_eq(efme_result_count(again), 442);
  check_scores(again, "smic", 164);
  efme_result_release(again);
  efme_result_release(r);
  efme_evaluator_release(e);
  efme_fold_plan_release(plan);
  efme_recipe_release(recipe);
  efme_model_release(model);
  test_remove(folder);
  free(folder);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("megc");
  TCase *t = tcase_create("megc");
  tcase_set_timeout(t, 300);
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_add_test(t, plans);
  tcase_add_test(t, whole_run);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
