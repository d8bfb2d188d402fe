/* What scores are worth where nothing can be learnt. Random classifiers on the labels of MEGC 2019: UAR and UF1 are distributed as counting
 * them out says. The evaluator on noise with random labels: no option lifts a score above chance, while a choice made by the tested
 * subjects' own labels, which no option is, does. */
#include "loso_fixture.h"

/* ---- draws ---- */

static uint64_t draw(uint64_t *state) { /* splitmix64 */
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static double uniform(uint64_t *state) { return (double)(draw(state) >> 11) * 0x1p-53; }

static int32_t draw_class(uint64_t *state, const double q[3]) {
  double u = uniform(state);
  return u < q[0] ? 0 : u < q[0] + q[1] ? 1 : 2;
}

struct spread {
  double mean, variance; /* of one, unbiased */
  int n;
};

static struct spread spread_of(const double *x, int n) {
  struct spread s = {0.0, 0.0, n};
  for (int i = 0; i < n; i++) s.mean += x[i] / n;
  for (int i = 0; i < n; i++) s.variance += (x[i] - s.mean) * (x[i] - s.mean) / (n - 1);
  return s;
}

static double error_of(struct spread s) { return sqrt(s.variance / s.n); }

/* ---- random classifiers ---- */

#define CLIPS 442
#define DRAWS 1000
static const int of_class[3] = {250, 109, 83};

/* P(k of n). */
static double binomial(int k, int n, double q) {
  return exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) + k * log(q) + (n - k) * log1p(-q));
}

/* UAR is a mean of independent proportions. */
static double uar_mean(const double q[3]) { return (q[0] + q[1] + q[2]) / 3; }
static double uar_variance(const double q[3]) {
  double v = 0;
  for (int c = 0; c < 3; c++) v += q[c] * (1 - q[c]) / of_class[c] / 9;
  return v;
}

/* E F1^power of a class: TP of its own clips and FP of the others are independent; F1 = 2TP/(TP+FP+n). */
static double f1_moment(int c, const double q[3], int power) {
  int n = of_class[c], others = CLIPS - n;
  double sum = 0;
  for (int tp = 0; tp <= n; tp++) {
    double p = binomial(tp, n, q[c]);
    for (int fp = 0; p > 1e-18 && fp <= others; fp++) sum += p * binomial(fp, others, q[c]) * pow(2.0 * tp / (tp + fp + n), power);
  }
  return sum;
}

/* E F1_a F1_b: with 1/m = integral of t^(m-1) over [0, 1] the expectation is one of a generating function,
 * 4 n_a n_b q_a q_b integral of t^n_a u^n_b (q_a t + q_b u + q_c)^(N-2); by Simpson's rule where it is not 0. */
#define STEPS 1500
static double f1_product(int a, int b, const double q[3]) {
  static double weight[STEPS + 1], t[STEPS + 1], ua[STEPS + 1], ub[STEPS + 1];
  double h = .15 / STEPS, sum = 0;
  for (int i = 0; i <= STEPS; i++) {
    t[i] = .85 + h * i;
    weight[i] = (i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2) * h / 3;
    ua[i] = weight[i] * pow(t[i], of_class[a]), ub[i] = weight[i] * pow(t[i], of_class[b]);
  }
  for (int i = 0; i <= STEPS; i++)
    for (int k = 0; k <= STEPS; k++) sum += ua[i] * ub[k] * exp((CLIPS - 2) * log(q[a] * t[i] + q[b] * t[k] + (1 - q[a] - q[b])));
  return 4.0 * of_class[a] * of_class[b] * q[a] * q[b] * sum;
}

static void uf1_theory(const double q[3], double *mean, double *variance) {
  double first = 0, second = 0;
  for (int c = 0; c < 3; c++) {
    first += f1_moment(c, q, 1) / 3;
    second += f1_moment(c, q, 2) / 9;
    for (int d = 0; d < c; d++) second += 2 * f1_product(c, d, q) / 9;
  }
  *mean = first;
  *variance = second - first * first;
}

static int by_value(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Kolmogorov and Smirnov's distance of sorted UARs from their exact distribution, times the root of their number. */
static double uar_distance(const double *uar, const double q[3]) {
  static double mass[DRAWS + 1], p[3][251];
  memset(mass, 0, sizeof mass);
  for (int c = 0; c < 3; c++)
    for (int k = 0; k <= of_class[c]; k++) p[c][k] = binomial(k, of_class[c], q[c]);
  for (int i = 0; i <= of_class[0]; i++)
    for (int j = 0; j <= of_class[1]; j++)
      for (int k = 0; k <= of_class[2]; k++) {
        double m = p[0][i] * p[1][j] * p[2][k], value = ((double)i / of_class[0] + (double)j / of_class[1] + (double)k / of_class[2]) / 3;
        if (m < 1e-16) continue;
        int low = 0, high = DRAWS; /* the first draw that is not below */
        while (low < high) {
          int middle = (low + high) / 2;
          if (uar[middle] < value - 1e-9) low = middle + 1;
          else high = middle;
        }
        mass[low] += m;
      }
  double cdf = 0, distance = 0;
  for (int i = 0; i < DRAWS; i++) {
    cdf += mass[i];
    if (i + 1 == DRAWS || uar[i + 1] > uar[i] + 1e-9) distance = fmax(distance, fabs(cdf - (i + 1.0) / DRAWS));
  }
  return distance * sqrt(DRAWS);
}

static void check_moments(const char *who, const char *what, const double *sorted, double mean, double variance) {
  struct spread s = spread_of(sorted, DRAWS);
  printf("%s, %s: mean %.4f (theory %.4f), deviation %.4f (%.4f), quantiles 1 %% %.3f, 50 %% %.3f, 99 %% %.3f, most %.3f\n", who, what,
         s.mean, mean, sqrt(s.variance), sqrt(variance), sorted[DRAWS / 100], sorted[DRAWS / 2], sorted[DRAWS - DRAWS / 100],
         sorted[DRAWS - 1]);
  ck_assert_double_lt(fabs(s.mean - mean), 4 * sqrt(variance / DRAWS));
  ck_assert_double_lt(fabs(s.variance / variance - 1), 4 * sqrt(2.0 / (DRAWS - 1)));
}

static void make_labels(int32_t truth[CLIPS]) {
  for (int c = 0, i = 0; c < 3; c++)
    for (int k = 0; k < of_class[c]; k++) truth[i++] = c;
}

START_TEST(random_classifiers) {
  static const struct {
    const char *name;
    double q[3];
  } who[] = {{"uniform", {1 / 3.0, 1 / 3.0, 1 / 3.0}}, {"as the classes occur", {250 / 442.0, 109 / 442.0, 83 / 442.0}}};
  int32_t truth[CLIPS], predicted[CLIPS];
  make_labels(truth);
  for (int w = 0; w < 2; w++) {
    static double uar[DRAWS], uf1[DRAWS];
    for (int seed = 0; seed < DRAWS; seed++) {
      uint64_t state = (uint64_t)seed;
      efme_scores s = EFME_SCORES_INIT;
      for (int i = 0; i < CLIPS; i++) predicted[i] = draw_class(&state, who[w].q);
      OK(efme_score(&s, truth, predicted, CLIPS, 3));
      uar[seed] = s.uar, uf1[seed] = s.uf1;
    }
    qsort(uar, DRAWS, sizeof *uar, by_value);
    qsort(uf1, DRAWS, sizeof *uf1, by_value);
    double mean, variance, distance = uar_distance(uar, who[w].q);
    check_moments(who[w].name, "UAR", uar, uar_mean(who[w].q), uar_variance(who[w].q));
    uf1_theory(who[w].q, &mean, &variance);
    check_moments(who[w].name, "UF1", uf1, mean, variance);
    printf("%s: Kolmogorov-Smirnov %.3f\n", who[w].name, distance);
    ck_assert_double_lt(distance, 1.95); /* one in a thousand exceeds it */
  }
  efme_scores s = EFME_SCORES_INIT;
  memset(predicted, 0, sizeof predicted);
  OK(efme_score(&s, truth, predicted, CLIPS, 3));
  printf("always the first class: UAR %.4f, UF1 %.4f\n", s.uar, s.uf1);
  ck_assert_double_eq_tol(s.uar, 1 / 3.0, 1e-15);
  ck_assert_double_eq_tol(s.uf1, 500 / 692.0 / 3, 1e-15);
}
END_TEST

START_TEST(best_of_100_epochs) {
  /* Error 4 with a classifier that knows nothing: 68 subjects, for each the best of 100 draws by its own accuracy. */
  static const double q[3] = {1 / 3.0, 1 / 3.0, 1 / 3.0};
  int32_t truth[CLIPS], predicted[CLIPS];
  double uf1[20];
  for (int seed = 0; seed < 20; seed++) {
    uint64_t state = (uint64_t)seed;
    efme_scores s = EFME_SCORES_INIT;
    make_labels(truth);
    for (int i = CLIPS - 1; i > 0; i--) {
      int k = (int)(uniform(&state) * (i + 1));
      int32_t kept = truth[i];
      truth[i] = truth[k], truth[k] = kept;
    }
    for (int subject = 0, at = 0; subject < 68; subject++) {
      int n = 6 + subject % 2, most = -1;
      for (int epoch = 0; epoch < 100; epoch++) {
        int32_t guess[7];
        int right = 0;
        for (int i = 0; i < n; i++) guess[i] = draw_class(&state, q), right += guess[i] == truth[at + i];
        if (right > most) most = right, memcpy(predicted + at, guess, (size_t)n * sizeof *guess);
      }
      at += n;
    }
    OK(efme_score(&s, truth, predicted, CLIPS, 3));
    uf1[seed] = s.uf1;
  }
  struct spread s = spread_of(uf1, 20);
  printf("best of 100 epochs by the tested subject: UF1 %.3f +- %.3f\n", s.mean, sqrt(s.variance));
  ck_assert_double_gt(s.mean - 4 * error_of(s), .6);
}
END_TEST

/* ---- the evaluator on noise ---- */

#define CROWD 10
#define OWN 6
#define IMAGES (CROWD * OWN)
#define SEEDS 24

static int32_t noise_label(uint64_t seed, uint64_t index) {
  uint64_t state = seed * 1000003 + index;
  return (int32_t)(draw(&state) % 3);
}

static efme_status noise_describe(efme_sample *s, uint64_t index, void *user) {
  static char subject[16], clip[16]; /* copied by the library before the next call */
  snprintf(subject, sizeof subject, "p%u", (unsigned)(index / OWN));
  snprintf(clip, sizeof clip, "c%u", (unsigned)(index % OWN));
  s->dataset = index / OWN % 2 ? "odd" : "even";
  s->subject = subject;
  s->clip = clip;
  s->label = noise_label(*(const uint64_t *)user, index);
  return EFME_OK;
}

static efme_status noise_read(efme_image **out, efme_context *context, uint64_t index, void *user) {
  uint64_t state = *(const uint64_t *)user << 20 | index;
  uint8_t pixels[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = (uint8_t)(draw(&state) >> 56);
  return efme_image_from_pixels(out, context, pixels, EFME_PIXEL_GREY8, SIDE, SIDE, 0);
}

enum kind { LOSO, GROUPED, DATASETS, CUSTOM };

/* What a user may choose; 0 is a default throughout. */
struct setting {
  const char *name;
  enum kind plan;
  uint32_t validation, plan_seed, head, all, patience, last, choose, shards, threads, refuse, fresh;
  double ratio, rate;
  float gamma, alpha, ema;
  int changes_nothing;
};

static const struct setting settings[] = {
    {.name = "defaults"},
    {.name = "3 workers", .threads = 3, .changes_nothing = 1},
    {.name = "2 shards, merged", .shards = 2, .changes_nothing = 1},
    {.name = "unknown weights refused", .refuse = 1, .changes_nothing = 1},
    {.name = "random validation", .validation = EFME_VALIDATE_RANDOM},
    {.name = "no validation", .validation = EFME_VALIDATE_NONE},
    {.name = "ratio .1", .ratio = .1},
    {.name = "ratio .5", .ratio = .5},
    {.name = "another plan seed", .plan_seed = 77},
    {.name = "40 epochs, patience 20", .head = 40, .patience = 20},
    {.name = "40 epochs, the last kept", .head = 40, .patience = 20, .last = 1},
    {.name = "all layers", .head = 2, .all = 3},
    {.name = "all layers, random validation", .validation = EFME_VALIDATE_RANDOM, .head = 2, .all = 3},
    {.name = "fresh augmentation", .fresh = 1, .head = 3},
    {.name = "focal loss with alpha", .gamma = 2, .alpha = .5f},
    {.name = "averaged weights", .ema = .9f},
    {.name = "choice of 3 recipes", .choose = 1},
    {.name = "choice, random validation", .choose = 1, .validation = EFME_VALIDATE_RANDOM},
    {.name = "4 folds of subjects", .plan = GROUPED},
    {.name = "datasets", .plan = DATASETS},
    {.name = "pairs of subjects", .plan = CUSTOM},
};

static efme_recipe *noise_recipe(efme_context *context, const struct setting *s, double rate, uint64_t seed) {
  const float alpha[3] = {s->alpha, 1, 1};
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  efme_recipe *recipe = lf_recipe(context, 0, 0);
  OK(efme_recipe_get_options(recipe, &o));
  o.seed = seed;
  if (s->fresh) o.feature_variants = 0;
  if (s->alpha > 0) o.alpha = alpha, o.alpha_count = 3;
  if (s->gamma > 0) o.gamma = s->gamma;
  o.ema_decay = s->ema;
  OK(efme_recipe_set_options(recipe, &o));
  for (int scope = 0; scope < 2; scope++) {
    efme_optimizer_options oo = EFME_OPTIMIZER_OPTIONS_INIT;
    efme_phase p = EFME_PHASE_INIT;
    p.epochs = scope ? s->all : s->head ? s->head : 8;
    if (!p.epochs) continue;
    p.scope = scope ? EFME_SCOPE_ALL : EFME_SCOPE_HEAD;
    p.patience = s->patience ? s->patience : 2;
    p.restore_best = !s->last;
    oo.learning_rate = scope ? 1e-3 : rate;
    OK(efme_optimizer_create(&p.optimizer, context, &oo));
    OK(efme_recipe_add_phase(recipe, &p));
    efme_optimizer_release(p.optimizer);
  }
  return recipe;
}

static efme_fold_plan *noise_plan(const efme_dataset *d, const struct setting *s) {
  efme_fold_options o = EFME_FOLD_OPTIONS_INIT;
  efme_fold_plan *p = NULL;
  uint32_t fold_of[IMAGES];
  o.validation = s->validation;
  if (s->ratio > 0) o.ratio = s->ratio;
  if (s->plan_seed) o.seed = s->plan_seed;
  for (uint32_t i = 0; i < IMAGES; i++) fold_of[i] = i / (2 * OWN);
  if (s->plan == LOSO) OK(efme_fold_plan_loso(&p, d, &o));
  if (s->plan == GROUPED) OK(efme_fold_plan_grouped(&p, d, 4, &o));
  if (s->plan == DATASETS) OK(efme_fold_plan_datasets(&p, d, &o));
  if (s->plan == CUSTOM) OK(efme_fold_plan_custom(&p, d, fold_of, CROWD / 2, &o));
  return p;
}

static efme_result *evaluate(struct lf *f, const struct setting *s) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_recipe *others[2] = {noise_recipe(f->context, s, .2, 3), noise_recipe(f->context, s, .01, 4)};
  efme_evaluator *e[2] = {NULL, NULL};
  efme_result *r = NULL;
  char *folders[2] = {NULL, NULL};
  o.workers = s->threads ? s->threads : 1;
  o.shards = s->shards;
  o.refuse_unknown = s->refuse;
  if (s->choose) o.alternatives = (const efme_recipe *const *)others, o.alternative_count = 2, o.inner_folds = 3;
  for (uint32_t k = 0; k < (s->shards ? 2 : 1); k++) {
    if (s->shards) o.folder = folders[k] = test_folder();
    o.shard = k;
    OK(efme_evaluator_create(&e[k], f->model, f->dataset, f->plan, f->recipe, &o));
    OK(efme_evaluator_run(e[k], NULL, NULL));
  }
  if (s->shards) OK(efme_evaluator_merge(e[0], folders[1]));
  OK(efme_evaluator_result(&r, e[0]));
  for (int k = 0; k < 2; k++) {
    efme_recipe_release(others[k]);
    efme_evaluator_release(e[k]);
    if (folders[k]) test_remove(folders[k]);
    free(folders[k]);
  }
  return r;
}

/* A run on the noise of a seed; free it as any lf. */
static void noise_make(struct lf *f, uint64_t *seed, const struct setting *s, uint64_t train_seed) {
  memset(f, 0, sizeof *f);
  f->context = test_context(s->threads ? s->threads : 1);
  efme_dataset_callbacks c = {sizeof c, IMAGES, noise_describe, noise_read, NULL, seed, lf_classes, 3, 0};
  OK(efme_dataset_create(&f->dataset, f->context, &c));
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = 1;
  o.height = o.width = SIDE;
  o.class_names = lf_classes;
  o.class_count = 3;
  OK(efme_model_create(&f->model, f->context, &o));
  f->recipe = noise_recipe(f->context, s, s->rate > 0 ? s->rate : .05, train_seed);
  f->plan = noise_plan(f->dataset, s);
}

static efme_scores noise_scores(uint64_t seed, const struct setting *s) {
  struct lf f;
  efme_scores out = EFME_SCORES_INIT;
  noise_make(&f, &seed, s, seed);
  efme_result *r = evaluate(&f, s);
  OK(efme_result_scores(r, NULL, &out));
  efme_result_release(r);
  lf_free(&f);
  return out;
}

START_TEST(no_option_lifts) {
  /* Labels are drawn evenly and apart from all else, so a prediction that knows nothing of its subject is right in one of three, whatever
   * it is. */
  static double all[3][sizeof settings / sizeof *settings * SEEDS];
  static efme_scores plain[SEEDS];
  int runs = 0;
  for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
    const struct setting *s = &settings[k];
    double accuracy[SEEDS], uar[SEEDS], uf1[SEEDS];
    if (s->changes_nothing) { /* to the bit */
      efme_scores again = noise_scores(0, s);
      ck_assert_msg(!memcmp(&again, &plain[0], sizeof again), "%s: other scores", s->name);
      continue;
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
      efme_scores got = noise_scores(seed, s);
      if (k == 0) plain[seed] = got;
      accuracy[seed] = got.accuracy, uar[seed] = got.uar, uf1[seed] = got.uf1;
      all[0][runs] = got.accuracy, all[1][runs] = got.uar, all[2][runs++] = got.uf1;
    }
    struct spread a = spread_of(accuracy, SEEDS), b = spread_of(uar, SEEDS), c = spread_of(uf1, SEEDS);
    printf("%-30s accuracy %.3f +- %.3f, UAR %.3f +- %.3f, UF1 %.3f +- %.3f\n", s->name, a.mean, error_of(a), b.mean, error_of(b), c.mean,
           error_of(c));
    ck_assert_msg(fabs(a.mean - 1 / 3.0) < 4 * error_of(a), "%s: accuracy", s->name);
    ck_assert_msg(b.mean - 1 / 3.0 < 4 * error_of(b), "%s: UAR", s->name);
    ck_assert_msg(c.mean - 1 / 3.0 < 4 * error_of(c), "%s: UF1", s->name);
  }
  struct spread a = spread_of(all[0], runs), b = spread_of(all[1], runs), c = spread_of(all[2], runs);
  printf("%d runs: accuracy %.3f, UAR %.3f, UF1 %.3f\n", runs, a.mean, b.mean, c.mean);
}
END_TEST

START_TEST(choice_by_the_tested_lifts) {
  /* The same noise, and a user who keeps of 30 runs, fold by fold, the one that the tested subject likes best. */
  enum { CHEATS = 12 };
  double accuracy[CHEATS], honest[CHEATS];
  for (uint64_t seed = 0; seed < CHEATS; seed++) {
    int32_t truth[IMAGES], predicted[IMAGES];
    int most[CROWD];
    double mean = 0;
    efme_scores s = EFME_SCORES_INIT;
    memset(most, -1, sizeof most);
    for (uint64_t run = 0; run < 30; run++) {
      struct lf f;
      noise_make(&f, &seed, &settings[0], run);
      efme_result *r = evaluate(&f, &settings[0]);
      OK(efme_result_scores(r, NULL, &s));
      mean += s.accuracy / 30;
      for (int subject = 0; subject < CROWD; subject++) {
        efme_tested t[OWN];
        int right = 0;
        for (int i = 0; i < OWN; i++) {
          t[i] = (efme_tested)EFME_TESTED_INIT;
          OK(efme_result_tested(r, (uint64_t)(subject * OWN + i), &t[i]));
          ck_assert_str_eq(t[i].fold, t[0].fold);
          right += t[i].truth == t[i].predicted;
        }
        if (right <= most[subject]) continue;
        most[subject] = right;
        for (int i = 0; i < OWN; i++) truth[subject * OWN + i] = t[i].truth, predicted[subject * OWN + i] = t[i].predicted;
      }
      efme_result_release(r);
      lf_free(&f);
    }
    OK(efme_score(&s, truth, predicted, IMAGES, 3));
    accuracy[seed] = s.accuracy, honest[seed] = mean;
  }
  struct spread a = spread_of(accuracy, CHEATS), b = spread_of(honest, CHEATS);
  printf("best of 30 runs by the tested subject: accuracy %.3f +- %.3f; each run %.3f\n", a.mean, error_of(a), b.mean);
  ck_assert_double_gt(a.mean - 4 * error_of(a), 1 / 3.0);
  for (int i = 0; i < CHEATS; i++) honest[i] = accuracy[i] - honest[i];
  struct spread lift = spread_of(honest, CHEATS);
  ck_assert_double_gt(lift.mean - 4 * error_of(lift), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("noise");
  TCase *t = tcase_create("noise");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, random_classifiers);
  tcase_add_test(t, best_of_100_epochs);
  tcase_add_test(t, no_option_lifts);
  tcase_add_test(t, choice_by_the_tested_lifts);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
