/* Recipes chosen inside the folds: what a fold chooses is what anybody gets who evaluates the candidates on its training subjects by hand,
 * the tested subject has no part in it, and interruption, workers, shards and files change nothing. */
#include <cjson/cJSON.h>

#include "loso_fixture.h"
#include "util/util.h"

enum { RECIPES = 3, INNER = 2 };

/* The fixture's run with three recipes: one that cannot learn, two that can. */
struct choosing {
  struct lf f;
  efme_recipe *others[RECIPES - 1];
};

/* A clone whose only phase trains with another optimizer. */
static efme_recipe *variant(const struct lf *f, uint32_t kind, double rate, const float *alpha) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  efme_optimizer_options oo = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  OK(efme_recipe_clone(&recipe, f->recipe));
  OK(efme_recipe_get_options(recipe, &o));
  o.alpha = alpha;
  o.alpha_count = alpha ? 3 : 0;
  OK(efme_recipe_set_options(recipe, &o));
  OK(efme_recipe_get_phase(recipe, 0, &phase));
  oo.kind = kind;
  oo.learning_rate = rate;
  OK(efme_optimizer_create(&phase.optimizer, f->context, &oo));
  OK(efme_recipe_clear_phases(recipe));
  OK(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  return recipe;
}

static void set_phase_rate(struct lf *f, double rate) {
  efme_recipe *still = variant(f, EFME_SGD, rate, NULL);
  efme_recipe_release(f->recipe);
  f->recipe = still;
}

static void make(struct choosing *c, uint32_t threads) {
  static const float alpha[3] = {1.0f, 1.2f, 0.9f};
  lf_make(&c->f, threads, 12, 0);
  c->others[0] = variant(&c->f, EFME_ADAM, 0.05, NULL);
  c->others[1] = variant(&c->f, EFME_RMSPROP, 0.2, alpha);
  set_phase_rate(&c->f, 1e-9);
}

static void free_all(struct choosing *c) {
  for (int i = 0; i < RECIPES - 1; i++) efme_recipe_release(c->others[i]);
  lf_free(&c->f);
}

static efme_evaluator_options options_of(const struct choosing *c, uint32_t workers, const char *folder) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  o.workers = workers;
  o.folder = folder;
  o.alternatives = (const efme_recipe *const *)c->others;
  o.alternative_count = RECIPES - 1;
  o.inner_folds = INNER;
  return o;
}

static efme_evaluator *evaluator(const struct choosing *c, uint32_t workers, const char *folder) {
  efme_evaluator_options o = options_of(c, workers, folder);
  efme_evaluator *e = NULL;
  OK(efme_evaluator_create(&e, c->f.model, c->f.dataset, c->f.plan, c->f.recipe, &o));
  return e;
}

static efme_result *run(const struct choosing *c, uint32_t workers, const char *folder) {
  efme_evaluator *e = evaluator(c, workers, folder);
  efme_result *r = NULL;
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  efme_evaluator_release(e);
  return r;
}

/* What the audit says of each fold. */
struct chosen {
  int recipe;
  double uf1[RECIPES];
  char end[24];
};

static cJSON *audit(const efme_result *r) {
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  cJSON *root = cJSON_Parse(text);
  ck_assert_ptr_nonnull(root);
  efme_string_free(text);
  return root;
}

static void read_chosen(const efme_result *r, struct chosen out[PEOPLE]) {
  cJSON *root = audit(r), *folds = cJSON_GetObjectItem(root, "folds");
  ck_assert_int_eq(cJSON_GetArraySize(folds), PEOPLE);
  for (int i = 0; i < PEOPLE; i++) {
    const cJSON *fold = cJSON_GetArrayItem(folds, i), *uf1 = cJSON_GetObjectItem(fold, "inner_uf1");
    ck_assert_int_eq(cJSON_GetArraySize(uf1), RECIPES);
    out[i].recipe = cJSON_GetObjectItem(fold, "recipe")->valueint;
    for (int k = 0; k < RECIPES; k++) out[i].uf1[k] = cJSON_GetArrayItem(uf1, k)->valuedouble;
    snprintf(out[i].end, sizeof out[i].end, "%s", cJSON_GetStringValue(cJSON_GetObjectItem(fold, "end_checksum")));
  }
  cJSON_Delete(root);
}

/* UF1 of a recipe over folds of a fold's training and validation samples, by public calls alone. */
static double by_hand(const struct lf *f, uint32_t fold, const efme_recipe *recipe) {
  const uint64_t *at = NULL;
  uint64_t n = 0, count = 0, indices[SAMPLES];
  for (int part = EFME_PART_TRAIN; part <= EFME_PART_VALIDATION; part++) {
    OK(efme_fold_plan_part(f->plan, fold, (efme_fold_part)part, &at, &n));
    memcpy(indices + count, at, n * sizeof *at);
    count += n;
  }
  ck_assert_uint_eq(count, SAMPLES - EACH);
  efme_dataset *side = NULL;
  efme_fold_plan *plan = NULL;
  efme_evaluator *e = NULL;
  efme_result *r = NULL;
  efme_scores s = EFME_SCORES_INIT;
  OK(efme_dataset_subset(&side, f->dataset, indices, count));
  OK(efme_fold_plan_grouped(&plan, side, INNER, NULL));
  OK(efme_evaluator_create(&e, f->model, side, plan, recipe, NULL));
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  OK(efme_result_scores(r, NULL, &s));
  efme_result_release(r);
  efme_evaluator_release(e);
  efme_fold_plan_release(plan);
  efme_dataset_release(side);
  return s.uf1;
}

static void check_note(const efme_result *r, const struct chosen chosen[PEOPLE]) {
  cJSON *root = audit(r), *choice = cJSON_GetObjectItem(root, "choice"), *counts = cJSON_GetObjectItem(choice, "folds_that_chose");
  ck_assert_int_eq(cJSON_GetObjectItem(choice, "recipes")->valueint, RECIPES);
  ck_assert_int_eq(cJSON_GetObjectItem(choice, "inner_folds")->valueint, INNER);
  for (int k = 0; k < RECIPES; k++) {
    int times = 0;
    for (int i = 0; i < PEOPLE; i++) times += chosen[i].recipe == k;
    ck_assert_int_eq(cJSON_GetArrayItem(counts, k)->valueint, times);
  }
  cJSON_Delete(root);
  char *text = NULL;
  OK(efme_result_text(r, &text));
  HAS(text, "each fold chose among 3 recipes by 2 folds of its own training subjects; of 5 folds they chose recipe ");
  HAS(text, "or one of 2 alternatives, as each fold chose");
  efme_string_free(text);
}

START_TEST(as_by_hand) {
  struct choosing c;
  make(&c, 2);
  efme_result *r = run(&c, 2, NULL), *plain[RECIPES];
  struct chosen chosen[PEOPLE];
  read_chosen(r, chosen);
  check_note(r, chosen);
  ck_assert_int_eq(efme_result_clean(r), 1); /* a choice inside the training subjects is no leak */
  const efme_recipe *all[RECIPES] = {c.f.recipe, c.others[0], c.others[1]};
  for (int k = 0; k < RECIPES; k++) { /* the whole evaluation with each alone */
    struct lf f = c.f;
    f.recipe = (efme_recipe *)all[k];
    plain[k] = lf_run(&f, 2, NULL);
  }
  for (uint32_t i = 0; i < PEOPLE; i++) {
    int best = 0;
    for (int k = 0; k < RECIPES; k++) {
      ck_assert_double_eq(chosen[i].uf1[k], by_hand(&c.f, i, all[k]));
      if (chosen[i].uf1[k] > chosen[i].uf1[best]) best = k;
    }
    ck_assert_int_eq(chosen[i].recipe, best);                    /* the first of equals */
    ck_assert_int_ne(chosen[i].recipe, 0);                       /* it stays where it was */
    for (uint64_t row = i * EACH; row < (i + 1) * EACH; row++) { /* tested by a model that the chosen recipe alone would have made */
      efme_tested a = EFME_TESTED_INIT, b = EFME_TESTED_INIT;
      OK(efme_result_tested(r, row, &a));
      OK(efme_result_tested(plain[best], row, &b));
      ck_assert_str_eq(a.key, b.key);
      ck_assert_int_eq(memcmp(a.probabilities, b.probabilities, 3 * sizeof(float)), 0);
    }
  }
  for (int k = 0; k < RECIPES; k++) efme_result_release(plain[k]);
  efme_result_release(r);
  free_all(&c);
}
END_TEST

START_TEST(equals_take_the_first) {
  struct choosing c;
  make(&c, 1);
  efme_recipe_release(c.others[0]);
  efme_recipe_release(c.others[1]);
  OK(efme_recipe_clone(&c.others[0], c.f.recipe));
  OK(efme_recipe_clone(&c.others[1], c.f.recipe));
  efme_result *r = run(&c, 1, NULL);
  struct chosen chosen[PEOPLE];
  read_chosen(r, chosen);
  for (int i = 0; i < PEOPLE; i++) ck_assert(chosen[i].recipe == 0 && chosen[i].uf1[0] == chosen[i].uf1[2]);
  efme_result_release(r);
  free_all(&c);
}
END_TEST

/* With other pixels and labels of the tested subject the choice, its scores and the model are the same to the bit. */
START_TEST(tested_subject_has_no_part) {
  struct chosen chosen[2][PEOPLE];
  for (int turn = 0; turn < 2; turn++) {
    struct choosing c;
    make(&c, 2);
    if (turn) {
      efme_dataset_release(c.f.dataset);
      efme_fold_plan_release(c.f.plan);
      c.f.data.replaced = 2; /* even/s3, the second fold */
      c.f.dataset = lf_open(c.f.context, &c.f.data);
      OK(efme_fold_plan_loso(&c.f.plan, c.f.dataset, NULL));
    }
    efme_result *r = run(&c, 2, NULL);
    read_chosen(r, chosen[turn]);
    efme_result_release(r);
    free_all(&c);
  }
  ck_assert_int_eq(memcmp(chosen[0][1].uf1, chosen[1][1].uf1, sizeof chosen[0][1].uf1), 0);
  ck_assert_int_eq(chosen[0][1].recipe, chosen[1][1].recipe);
  ck_assert_str_eq(chosen[0][1].end, chosen[1][1].end);
  int others = 0;
  for (int i = 0; i < PEOPLE; i++) others += i != 1 && strcmp(chosen[0][i].end, chosen[1][i].end) != 0;
  ck_assert_int_ge(others, 2); /* those that train on it are not blind to it */
}
END_TEST

/* ---- files ---- */

static void same_choice(const efme_result *a, const efme_result *b) {
  struct chosen x[PEOPLE], y[PEOPLE];
  memset(x, 0, sizeof x);
  memset(y, 0, sizeof y);
  read_chosen(a, x);
  read_chosen(b, y);
  ck_assert_int_eq(memcmp(x, y, sizeof x), 0);
  lf_same(a, b);
}

START_TEST(interrupted_and_sharded) {
  struct choosing c;
  make(&c, 2);
  efme_result *whole = run(&c, 3, NULL), *r = NULL;
  for (uint32_t at = 0; at < 400; at = at * 3 + 1) {
    char *folder = test_folder();
    struct lf_cancel cancel = {at, 0};
    efme_evaluator *e = evaluator(&c, 1 + at % 2, folder);
    ck_assert_int_eq(efme_evaluator_run(e, lf_cancel, &cancel), EFME_E_CANCELLED);
    efme_evaluator_release(e);
    e = evaluator(&c, 2, folder);
    OK(efme_evaluator_run(e, NULL, NULL));
    OK(efme_evaluator_result(&r, e));
    same_choice(whole, r);
    efme_result_release(r);
    efme_evaluator_release(e);
    e = evaluator(&c, 1, folder); /* from files alone */
    ck_assert_uint_eq(efme_evaluator_done(e), PEOPLE);
    OK(efme_evaluator_result(&r, e));
    same_choice(whole, r);
    efme_result_release(r);
    efme_evaluator_release(e);
    test_remove(folder);
    free(folder);
  }
  char *folders[2] = {test_folder(), test_folder()};
  for (uint32_t s = 0; s < 2; s++) {
    efme_evaluator_options o = options_of(&c, 1, folders[s]);
    efme_evaluator *e = NULL;
    o.shard = s;
    o.shards = 2;
    OK(efme_evaluator_create(&e, c.f.model, c.f.dataset, c.f.plan, c.f.recipe, &o));
    OK(efme_evaluator_run(e, NULL, NULL));
    efme_evaluator_release(e);
  }
  efme_evaluator *e = evaluator(&c, 1, NULL);
  for (int s = 0; s < 2; s++) OK(efme_evaluator_merge(e, folders[s]));
  OK(efme_evaluator_result(&r, e));
  same_choice(whole, r);
  efme_result_release(r);
  efme_evaluator_release(e);
  for (int s = 0; s < 2; s++) test_remove(folders[s]), free(folders[s]);
  efme_result_release(whole);
  free_all(&c);
}
END_TEST

static int inner_names(const efme_train_progress *p, void *user) {
  int *seen = user;
  if (strstr(p->what, "even/s1: recipe 3 of 3, fold 1: train")) seen[0]++;
  if (strstr(p->what, "even/s1: train")) seen[1]++;
  return 0;
}

START_TEST(progress_names_the_recipe) {
  struct choosing c;
  make(&c, 1);
  int seen[2] = {0, 0};
  efme_evaluator *e = evaluator(&c, 1, NULL);
  OK(efme_evaluator_run(e, inner_names, seen));
  ck_assert(seen[0] > 0 && seen[1] > 0);
  efme_evaluator_release(e);
  free_all(&c);
}
END_TEST

/* ---- refusals ---- */

static void refused(const struct choosing *c, const efme_evaluator_options *o, efme_status status, const char *part) {
  efme_evaluator *e = NULL;
  FAILS(status, efme_evaluator_create(&e, c->f.model, c->f.dataset, c->f.plan, c->f.recipe, o), part);
  ck_assert_ptr_null(e);
}

START_TEST(refusals) {
  struct choosing c;
  make(&c, 1);
  char *folder = test_folder();
  efme_result_release(run(&c, 2, folder));
  /* another set of candidates is another run */
  efme_evaluator_options o = options_of(&c, 1, folder);
  o.inner_folds = 3;
  refused(&c, &o, EFME_E_MISMATCH, "inner folds is 2 there, 3 here");
  o = options_of(&c, 1, folder);
  o.alternative_count = 1;
  refused(&c, &o, EFME_E_MISMATCH, "alternatives is 2 there, 1 here");
  o.alternative_count = 0;
  refused(&c, &o, EFME_E_MISMATCH, "run.json belongs to another run");
  efme_recipe *kept = c.others[1], *other = variant(&c.f, EFME_RMSPROP, 0.1, (const float[]){1.0f, 1.2f, 0.9f});
  c.others[1] = other;
  o = options_of(&c, 1, folder);
  refused(&c, &o, EFME_E_MISMATCH, "alternative 2 phase 1 learning_rate is 0.2 there, 0.1 here");
  c.others[1] = kept;
  efme_recipe_release(other);
  /* a file whose choice is not one */
  const char *path = test_path(folder, "fold-0001-even_s3.json");
  size_t size;
  char *good = test_read(path, &size), *bad = malloc(size + 64), *at = strstr(good, "\"recipe\": ");
  ck_assert_ptr_nonnull(at);
  char *end = strstr(good, ",\n  \"content_hash\"");
  at[10] = '7';
  int n = snprintf(bad, size + 64, "%.*s", (int)(end - good), good);
  snprintf(bad + n, size + 64 - (size_t)n, ",\n  \"content_hash\": \"%016llx\"\n}\n", (unsigned long long)efme_hash64(bad, (size_t)n, 0));
  test_write(path, bad, strlen(bad));
  o = options_of(&c, 1, folder);
  refused(&c, &o, EFME_E_FORMAT, "its choice of a recipe");
  free(good);
  free(bad);
  /* arguments */
  o = options_of(&c, 1, NULL);
  o.alternatives = NULL;
  refused(&c, &o, EFME_E_ARGUMENT, "alternatives is NULL");
  const efme_recipe *holes[2] = {c.others[0], NULL};
  o.alternatives = holes;
  refused(&c, &o, EFME_E_ARGUMENT, "alternatives[1] is NULL");
  o = options_of(&c, 1, NULL);
  o.alternative_count = 256;
  refused(&c, &o, EFME_E_ARGUMENT, "more than 255 alternatives");
  o = options_of(&c, 1, NULL);
  o.inner_folds = 1;
  refused(&c, &o, EFME_E_ARGUMENT, "inner_folds is 1");
  efme_recipe *empty = NULL;
  OK(efme_recipe_clone(&empty, c.others[0]));
  OK(efme_recipe_clear_phases(empty));
  const efme_recipe *without[1] = {empty};
  o = options_of(&c, 1, NULL);
  o.alternatives = without;
  o.alternative_count = 1;
  refused(&c, &o, EFME_E_ARGUMENT, "alternatives[0]: the recipe has no phases");
  efme_recipe_release(empty);
  /* more inner folds than training subjects: the fold says so */
  efme_evaluator *e = NULL;
  o = options_of(&c, 1, NULL);
  o.inner_folds = 0; /* 5, of four subjects */
  OK(efme_evaluator_create(&e, c.f.model, c.f.dataset, c.f.plan, c.f.recipe, &o));
  FAILS(EFME_E_ARGUMENT, efme_evaluator_run(e, NULL, NULL), "fold even/s1: choosing a recipe: k is 5, there are 4 subjects");
  efme_evaluator_release(e);
  test_remove(folder);
  free(folder);
  free_all(&c);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("choice");
  TCase *t = tcase_create("choice");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, as_by_hand);
  tcase_add_test(t, equals_take_the_first);
  tcase_add_test(t, tested_subject_has_no_part);
  tcase_add_test(t, interrupted_and_sharded);
  tcase_add_test(t, progress_names_the_recipe);
  tcase_add_test(t, refusals);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
