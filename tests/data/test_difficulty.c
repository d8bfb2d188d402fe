/* How hard the synthetic faces are, on the public API alone: learnable, but not trivial. Logistic regression on grey pixels and on the grey
 * histogram must stay low, the network must do well, always on people whom training never saw. Prints the figures of docs/data.md.
 *
 * The regressions are given every chance: several penalties, and of all epochs the one that does best on the tested people. */
#include <math.h>

#include "efme/efme.h"
#include "test.h"

#define SIDE 48u
#define EACH 24u
#define TRAIN 150u /* people 0 .. 149 */
#define TEST 50u   /* people 150 .. 199 */
#define CLASSES 3u

#define ck_ok(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())

static efme_context *context;

static efme_dataset *people(uint32_t first, uint32_t count, float low, float high, uint32_t channels) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *d = NULL;
  o.first_subject = first, o.subjects = count, o.samples_per_subject = EACH, o.size = SIDE;
  o.intensity_min = low, o.intensity_max = high, o.channels = channels;
  ck_ok(efme_dataset_open_synthetic(&d, context, &o));
  return d;
}

/* ---- logistic regression ---- */

struct table {
  uint32_t count, width; /* width: features, a multiple of 8 */
  float *x;              /* [count][width] */
  int32_t *label;
};

/* Features of every picture: the pixels, or how many of them have each value (four values together). */
static struct table table_of(const efme_dataset *d, int histogram) {
  struct table t = {(uint32_t)efme_dataset_count(d), histogram ? 64 : SIDE * SIDE, NULL, NULL};
  t.x = calloc((size_t)t.count * t.width, sizeof *t.x);
  t.label = calloc(t.count, sizeof *t.label);
  for (uint32_t i = 0; i < t.count; i++) {
    efme_image *image = NULL;
    efme_sample s = EFME_SAMPLE_INIT;
    ck_ok(efme_dataset_read(d, i, &image));
    ck_ok(efme_dataset_sample(d, i, &s));
    t.label[i] = s.label;
    for (uint32_t k = 0; k < SIDE * SIDE; k++) {
      uint8_t v = efme_image_pixels(image)[k];
      if (histogram) t.x[(size_t)i * t.width + v / 4]++;
      else t.x[(size_t)i * t.width + k] = v;
    }
    efme_image_release(image);
  }
  return t;
}

/* Mean 0 and deviation 1 by the training part's. */
static void standardise(struct table *train, struct table *test) {
  for (uint32_t f = 0; f < train->width; f++) {
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < train->count; i++) sum += (double)train->x[(size_t)i * train->width + f];
    double mean = sum / train->count;
    for (uint32_t i = 0; i < train->count; i++) squares += pow((double)train->x[(size_t)i * train->width + f] - mean, 2);
    double scale = squares > 0 ? 1 / sqrt(squares / train->count) : 0;
    for (int k = 0; k < 2; k++)
      for (uint32_t i = 0; i < (k ? test : train)->count; i++) {
        float *x = &(k ? test : train)->x[(size_t)i * train->width + f];
        *x = (float)(((double)*x - mean) * scale);
      }
  }
}

struct regression {
  uint32_t width;
  float *w, *m, *v; /* [CLASSES][width + 8], the bias behind the features; moments of Adam */
  double step;
};

static void probabilities(double p[CLASSES], const struct regression *r, const float *x) {
  double sum = 0, most = -1e30;
  for (uint32_t c = 0; c < CLASSES; c++) {
    const float *w = r->w + (size_t)c * (r->width + 8);
    float parts[8] = {0};
    for (uint32_t f = 0; f < r->width; f += 8)
      for (uint32_t k = 0; k < 8; k++) parts[k] += w[f + k] * x[f + k];
    p[c] = (double)w[r->width];
    for (int k = 0; k < 8; k++) p[c] += (double)parts[k];
    most = fmax(most, p[c]);
  }
  for (uint32_t c = 0; c < CLASSES; c++) sum += p[c] = exp(p[c] - most);
  for (uint32_t c = 0; c < CLASSES; c++) p[c] /= sum;
}

/* One epoch of Adam over batches of 60 that take each sixtieth sample. */
static void epoch(struct regression *r, const struct table *t, double penalty, double rate) {
  const uint32_t batch = 60, row = r->width + 8, batches = t->count / batch;
  float *g = malloc(CLASSES * row * sizeof *g);
  for (uint32_t b = 0; b < batches; b++) {
    for (uint32_t k = 0; k < CLASSES * row; k++) g[k] = k % row < r->width ? (float)penalty * r->w[k] : 0;
    for (uint32_t i = b; i < t->count; i += batches) {
      const float *x = t->x + (size_t)i * t->width;
      double p[CLASSES];
      probabilities(p, r, x);
      for (uint32_t c = 0; c < CLASSES; c++) {
        float e = (float)((p[c] - ((int32_t)c == t->label[i])) / batch);
        for (uint32_t f = 0; f < r->width; f++) g[c * row + f] += e * x[f];
        g[c * row + r->width] += e;
      }
    }
    r->step++;
    double correction = sqrt(1 - pow(.999, r->step)) / (1 - pow(.9, r->step));
    for (uint32_t k = 0; k < CLASSES * row; k++) {
      r->m[k] = .9f * r->m[k] + .1f * g[k];
      r->v[k] = .999f * r->v[k] + .001f * g[k] * g[k];
      r->w[k] -= (float)(rate * correction) * r->m[k] / (sqrtf(r->v[k]) + 1e-8f);
    }
  }
  free(g);
}

static double score(const struct regression *r, const struct table *t) {
  int32_t *predicted = malloc(t->count * sizeof *predicted);
  efme_scores s = EFME_SCORES_INIT;
  for (uint32_t i = 0; i < t->count; i++) {
    double p[CLASSES];
    probabilities(p, r, t->x + (size_t)i * t->width);
    predicted[i] = p[1] > p[0] ? (p[2] > p[1] ? 2 : 1) : p[2] > p[0] ? 2 : 0;
  }
  ck_ok(efme_score(&s, t->label, predicted, t->count, CLASSES));
  free(predicted);
  return s.uf1;
}

/* Best UF1 on the tested people, over penalties and epochs; *fitted: the best on the training people, which shows that it did learn. */
static double regress(int histogram, double *fitted) {
  efme_dataset *a = people(0, TRAIN, .6f, 1, 1), *b = people(TRAIN, TEST, .6f, 1, 1);
  struct table train = table_of(a, histogram), test = table_of(b, histogram);
  standardise(&train, &test);
  static const double penalties[] = {.003, .03, .3};
  double best = 0;
  *fitted = 0;
  for (size_t k = 0; k < sizeof penalties / sizeof *penalties; k++) {
    size_t n = CLASSES * (size_t)(train.width + 8);
    struct regression r = {train.width, calloc(n, sizeof(float)), calloc(n, sizeof(float)), calloc(n, sizeof(float)), 0};
    for (int e = 0; e < 30; e++) {
      epoch(&r, &train, penalties[k], 1e-3 * (1 - e / 30.0));
      best = fmax(best, score(&r, &test));
      *fitted = fmax(*fitted, score(&r, &train));
    }
    free(r.w), free(r.m), free(r.v);
  }
  free(train.x), free(train.label), free(test.x), free(test.label);
  efme_dataset_release(a), efme_dataset_release(b);
  return best;
}

START_TEST(pixels) {
  double fitted, uf1 = regress(0, &fitted);
  printf("logistic regression on grey pixels: UF1 %.3f (%.3f on the people it learned from)\n", uf1, fitted);
  ck_assert(uf1 <= .70 && uf1 > .45); /* above chance: it learns what can be learned so */
  ck_assert(fitted > uf1);
}
END_TEST

START_TEST(grey_histogram) {
  double fitted, uf1 = regress(1, &fitted);
  printf("logistic regression on the grey histogram: UF1 %.3f (%.3f on the people it learned from)\n", uf1, fitted);
  ck_assert(uf1 <= .45);
}
END_TEST

/* ---- the network: Efficient-ME from nothing ---- */

/* The scratch recipe with steps for a set as small as this one: smaller batches, a higher rate, more epochs. */
static efme_recipe *network_recipe(void) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  efme_optimizer_options rule = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  ck_ok(efme_recipe_create(&recipe, context, "scratch"));
  ck_ok(efme_recipe_get_options(recipe, &o));
  ck_ok(efme_recipe_get_phase(recipe, 0, &phase));
  ck_ok(efme_optimizer_get_options(phase.optimizer, &rule));
  o.batch = 16, rule.learning_rate = .005, phase.epochs = 30;
  ck_ok(efme_optimizer_create(&phase.optimizer, context, &rule));
  ck_ok(efme_recipe_set_options(recipe, &o));
  ck_ok(efme_recipe_clear_phases(recipe));
  ck_ok(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  return recipe;
}

static double network_score(efme_model *model, uint32_t first, uint32_t count, float low, float high) {
  efme_dataset *d = people(first, count, low, high, 3);
  efme_result *r = NULL;
  efme_scores s = EFME_SCORES_INIT;
  ck_ok(efme_evaluate(&r, model, d, NULL)); /* refuses people whom the weights have seen */
  ck_ok(efme_result_scores(r, NULL, &s));
  efme_result_release(r), efme_dataset_release(d);
  return s.uf1;
}

START_TEST(network) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  printf("SKIP: training to the end under a sanitizer\n");
  test_skips++;
  return;
#endif
  efme_dataset *train = people(0, TRAIN, .6f, 1, 3);
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  const char *names[CLASSES];
  for (uint32_t c = 0; c < CLASSES; c++) names[c] = efme_dataset_class_name(train, c);
  o.height = o.width = SIDE, o.class_names = names, o.class_count = CLASSES;
  efme_model *start = NULL, *model = NULL;
  efme_recipe *recipe = network_recipe();
  efme_trainer *trainer = NULL;
  ck_ok(efme_model_create(&start, context, &o));
  ck_ok(efme_trainer_create(&trainer, start, recipe, train, NULL));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  ck_ok(efme_trainer_model(&model, trainer));
  double macro = network_score(model, TRAIN, TEST, .6f, 1), micro = network_score(model, TRAIN + TEST, 40, .1f, .3f);
  printf("Efficient-ME from scratch, %u epochs: UF1 %.3f, on weak expressions (.1 to .3) of others %.3f\n",
         efme_trainer_epoch_count(trainer), macro, micro);
  ck_assert(macro >= .90);
  ck_assert(micro < macro);
  efme_trainer_release(trainer), efme_recipe_release(recipe);
  efme_model_release(model), efme_model_release(start), efme_dataset_release(train);
}
END_TEST

int main(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  if (efme_context_create(&context, &o)) return fprintf(stderr, "%s\n", efme_last_error()), EXIT_FAILURE;
  Suite *suite = suite_create("difficulty");
  TCase *regressions = tcase_create("regressions"), *trained = tcase_create("network"); /* CK_RUN_CASE=regressions: seconds */
  tcase_set_timeout(regressions, 0), tcase_set_timeout(trained, 0);
  tcase_add_test(regressions, grey_histogram);
  tcase_add_test(regressions, pixels);
  tcase_add_test(trained, network);
  suite_add_tcase(suite, regressions), suite_add_tcase(suite, trained);
  int result = test_run(suite);
  efme_context_release(context);
  return result;
}
