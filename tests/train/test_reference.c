/* Whole head phases against a program in double precision that is written from the formulas of efme/trainer.h and efme/optimizer.h and
 * shares nothing with the library but the features it reads, the generator and exp and log of the C library: order, variants, dropout,
 * losses with alpha, gamma and smoothing, penalty, the four optimizers, schedules by the step of their phase, averages, validation, early
 * stopping and what is restored. */
#include <math.h>

#include "fixture.h"
#include "train/state.h"
#include "util/util.h"

#define F 24 /* features of cut 2 */
#define C 3
#define W (F * C + C) /* kernel, then bias */
#define TRAIN 20
#define VALIDATION 9
#define BATCH 8 /* 8, 8 and 4 */
#define STEPS 3

struct plan { /* of one case; zeros: not used */
  const char *name;
  efme_optimizer_options optimizer;
  uint32_t phases, epochs, patience, restore, variants;
  double gamma, smoothing, l1, l2, dropout, ema;
  float alpha[C];
  int has_alpha, penalty_in_validation, no_validation;
};

/* What the kind at hand does not use is zero. */
static const struct plan plans[] = {
    {.name = "Adam, focal with alpha and penalty, two phases",
     .optimizer = {.kind = EFME_ADAM, .learning_rate = 0.02, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-7},
     .phases = 2,
     .epochs = 4,
     .variants = 3,
     .gamma = 2.0,
     .l1 = 0.01,
     .l2 = 0.01,
     .dropout = 0.5,
     .alpha = {.27f, .35f, .38f},
     .has_alpha = 1,
     .penalty_in_validation = 1},
    {.name = "AdamW with time decay, gamma below one, smoothing",
     .optimizer = {.kind = EFME_ADAMW,
                   .learning_rate = 0.05,
                   .beta1 = 0.9,
                   .beta2 = 0.999,
                   .epsilon = 1e-2,
                   .weight_decay = 0.3,
                   .schedule = EFME_SCHEDULE_TIME,
                   .decay = 0.2},
     .phases = 2,
     .epochs = 5,
     .restore = 1,
     .variants = 2,
     .gamma = 0.5,
     .smoothing = 0.1,
     .l2 = 0.002,
     .dropout = 0.2},
    {.name = "SGD with momentum, warm-up by epoch and cosine",
     .optimizer = {.kind = EFME_SGD,
                   .learning_rate = 0.3,
                   .epsilon = 1,
                   .momentum = 0.8,
                   .schedule = EFME_SCHEDULE_COSINE,
                   .final_ratio = 0.1,
                   .warmup_steps = EFME_WARMUP_EPOCH},
     .phases = 2,
     .epochs = 4,
     .variants = 1,
     .l1 = 0.003,
     .dropout = 0.3,
     .alpha = {2.0f, .5f, 1.0f},
     .has_alpha = 1,
     .penalty_in_validation = 1},
    {.name = "RMSprop, warm-up of five steps, averages, early stopping",
     .optimizer = {.kind = EFME_RMSPROP, .learning_rate = 0.1, .rho = 0.7, .epsilon = 1e-3, .warmup_steps = 5},
     .phases = 2,
     .epochs = 12,
     .patience = 2,
     .restore = 1,
     .variants = 3,
     .gamma = 2.0,
     .smoothing = 0.05,
     .l2 = 0.05,
     .dropout = 0.5,
     .ema = 0.7,
     .penalty_in_validation = 1},
    {.name = "Adam of large steps, early stopping, no averages",
     .optimizer = {.kind = EFME_ADAM, .learning_rate = 0.3, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-7},
     .phases = 3,
     .epochs = 12,
     .patience = 1,
     .restore = 1,
     .variants = 11,
     .l1 = 0.001,
     .l2 = 0.001,
     .penalty_in_validation = 1},
    {.name = "plain SGD, averages, nothing to validate on",
     .optimizer = {.kind = EFME_SGD, .learning_rate = 0.2, .epsilon = 1},
     .phases = 2,
     .epochs = 3,
     .patience = 1,
     .restore = 1,
     .variants = 2,
     .gamma = 5.0,
     .smoothing = 0.3,
     .ema = 0.9,
     .no_validation = 1},
};

/* ---- the program ---- */

struct program {
  const struct plan *plan;
  const efme_trainer *library; /* features, labels and ids are read from it */
  uint64_t seed;
  double w[W], m[W], v[W], average[W], best[W];
  uint32_t total_epoch;
  efme_epoch history[64];
  uint32_t epochs, stopped_early, best_inside;
};

static void draw(uint32_t words[4], const struct program *p, uint32_t purpose, uint32_t sample, uint32_t element) {
  efme_philox(words, p->seed, purpose, p->total_epoch, sample, element);
}

static void order_of(const struct program *p, uint32_t order[TRAIN]) {
  uint64_t keys[TRAIN];
  for (uint32_t k = 0; k < TRAIN; k++) {
    uint32_t words[4], at = k;
    draw(words, p, EFME_RNG_ORDER, k, 0);
    uint64_t key = (uint64_t)words[0] << 32 | words[1];
    for (; at && keys[at - 1] > key; at--) keys[at] = keys[at - 1], order[at] = order[at - 1];
    keys[at] = key;
    order[at] = k;
  }
}

/* Loss of one row; its gradient by the logits, from dL/dp_c and dp_c/dx_k. */
static double loss_of(const struct plan *o, const double logits[C], int label, double gradient[C]) {
  double p[C], sum = 0, loss = 0, dp[C];
  for (int c = 0; c < C; c++) sum += p[c] = exp(logits[c]);
  for (int c = 0; c < C; c++) {
    p[c] /= sum;
    double t = (1 - o->smoothing) * (c == label) + o->smoothing / C, a = o->has_alpha ? (double)o->alpha[c] : 1.0;
    loss -= t * a * pow(1 - p[c], o->gamma) * log(p[c]);
    dp[c] = -t * a * (pow(1 - p[c], o->gamma) / p[c] - (o->gamma ? o->gamma * pow(1 - p[c], o->gamma - 1) * log(p[c]) : 0));
  }
  for (int k = 0; k < C; k++) {
    gradient[k] = 0;
    for (int c = 0; c < C; c++) gradient[k] += dp[c] * p[c] * ((c == k) - p[k]);
  }
  return loss;
}

static int logits_of(const double w[W], const double x[F], double logits[C]) {
  int top = 0;
  for (int c = 0; c < C; c++) {
    logits[c] = w[F * C + c];
    for (int f = 0; f < F; f++) logits[c] += x[f] * w[f * C + c];
    if (logits[c] > logits[top]) top = c;
  }
  return top;
}

static double penalty_of(const struct plan *o, const double w[W]) {
  double sum = 0;
  for (int i = 0; i < F * C; i++) sum += o->l1 * fabs(w[i]) + o->l2 * w[i] * w[i];
  return sum;
}

static double rate_of(const efme_optimizer_options *o, uint64_t t, uint64_t total) {
  const double pi = acos(-1.0);
  double rate = o->learning_rate;
  if (o->schedule == EFME_SCHEDULE_TIME) rate /= 1 + o->decay * (double)(t - 1);
  if (o->schedule == EFME_SCHEDULE_COSINE)
    rate *= o->final_ratio + (1 - o->final_ratio) * (1 + cos(pi * (double)(t - 1) / (double)total)) / 2;
  double warm = o->warmup_steps == EFME_WARMUP_EPOCH ? STEPS : (double)o->warmup_steps;
  return warm ? rate * fmin(1.0, (double)t / warm) : rate;
}

static void update(struct program *p, const double g[W], uint64_t t) {
  const efme_optimizer_options *o = &p->plan->optimizer;
  double rate = rate_of(o, t, (uint64_t)STEPS * p->plan->epochs);
  for (int i = 0; i < W; i++) {
    double *w = &p->w[i], *m = &p->m[i], *v = &p->v[i];
    switch (o->kind) {
    case EFME_ADAMW:
      *w *= 1 - rate * o->weight_decay; /* fall through */
    case EFME_ADAM:
      *m = o->beta1 * *m + (1 - o->beta1) * g[i];
      *v = o->beta2 * *v + (1 - o->beta2) * g[i] * g[i];
      *w -= rate * sqrt(1 - pow(o->beta2, (double)t)) / (1 - pow(o->beta1, (double)t)) * *m / (sqrt(*v) + o->epsilon);
      break;
    case EFME_SGD:
      *v = o->momentum * *v - rate * g[i];
      *w += *v;
      break;
    default:
      *v = o->rho * *v + (1 - o->rho) * g[i] * g[i];
      *w -= rate * g[i] / (sqrt(*v) + o->epsilon);
    }
    p->average[i] = p->plan->ema * p->average[i] + (1 - p->plan->ema) * *w;
  }
}

/* Features of a training sample in this epoch, thinned by dropout. */
static void input_of(const struct program *p, uint32_t place, double x[F]) {
  const struct efme_features *f = p->library->features[0];
  const float *row = f->values[p->total_epoch % p->plan->variants] + (size_t)place * F;
  uint32_t id = (uint32_t)p->library->train.samples->ids[p->library->train.positions[place]], words[4];
  for (uint32_t k = 0; k < F; k++) {
    if (k % 4 == 0) draw(words, p, EFME_RNG_DROPOUT, id, k / 4);
    int dropped = p->plan->dropout > 0 && (words[k % 4] >> 8) / 16777216.0 < (double)(float)p->plan->dropout;
    x[k] = dropped ? 0 : (double)row[k] / (1 - p->plan->dropout);
  }
}

static void step(struct program *p, const uint32_t *places, uint32_t count, uint64_t t, double *losses, double *hits) {
  double g[W] = {0}, x[F], logits[C], dx[C];
  *losses += penalty_of(p->plan, p->w) * count;
  for (uint32_t i = 0; i < count; i++) {
    int label = p->library->train.samples->labels[p->library->train.positions[places[i]]];
    input_of(p, places[i], x);
    *hits += logits_of(p->w, x, logits) == label;
    *losses += loss_of(p->plan, logits, label, dx);
    for (int c = 0; c < C; c++) {
      for (int f = 0; f < F; f++) g[f * C + c] += x[f] * dx[c] / count;
      g[F * C + c] += dx[c] / count;
    }
  }
  for (int i = 0; i < F * C; i++) g[i] += p->plan->l1 * ((p->w[i] > 0) - (p->w[i] < 0)) + 2 * p->plan->l2 * p->w[i];
  update(p, g, t);
}

static const double *counting(const struct program *p) { return p->plan->ema > 0 ? p->average : p->w; }

static void validate(const struct program *p, efme_epoch *line) {
  double counts[C][C] = {{0}}, x[F], logits[C], dx[C];
  const struct efme_part *part = &p->library->validation;
  line->validation_loss = p->plan->penalty_in_validation ? penalty_of(p->plan, counting(p)) : 0;
  for (uint32_t i = 0; i < VALIDATION; i++) {
    int label = part->samples->labels[part->positions[i]];
    for (int f = 0; f < F; f++) x[f] = p->library->features[1]->values[0][i * F + (uint32_t)f];
    counts[label][logits_of(counting(p), x, logits)]++;
    line->validation_loss += loss_of(p->plan, logits, label, dx) / VALIDATION;
  }
  for (int c = 0; c < C; c++) {
    double row = 0, column = 0;
    for (int k = 0; k < C; k++) row += counts[c][k], column += counts[k][c];
    line->validation_uf1 += 2 * counts[c][c] / (row + column) / C;
    line->validation_uar += counts[c][c] / row / C;
  }
}

/* One fit: fresh moments and averages, its own step count, its own best. */
static void phase(struct program *p, uint32_t number) {
  double lowest = INFINITY;
  uint32_t waited = 0, best = 0, e = 0;
  uint64_t t = 0;
  memset(p->m, 0, sizeof p->m);
  memset(p->v, 0, sizeof p->v);
  memcpy(p->average, p->w, sizeof p->w);
  for (; e < p->plan->epochs && !(p->plan->patience && waited >= p->plan->patience); e++, p->total_epoch++) {
    uint32_t order[TRAIN];
    efme_epoch line = {.phase = number, .epoch = e};
    order_of(p, order);
    for (uint32_t at = 0; at < TRAIN; at += BATCH) step(p, order + at, EFME_MIN(BATCH, TRAIN - at), ++t, &line.loss, &line.accuracy);
    line.loss /= TRAIN;
    line.accuracy /= TRAIN;
    if (!p->plan->no_validation) {
      validate(p, &line);
      line.best = line.validation_loss < lowest;
      waited = line.best ? 0 : waited + 1;
      if (line.best) lowest = line.validation_loss, best = e, memcpy(p->best, counting(p), sizeof p->best);
    }
    p->history[p->epochs++] = line;
  }
  p->stopped_early += e < p->plan->epochs;
  p->best_inside += best > 0 && best + 1 < e;
  memcpy(p->w, p->plan->restore && !p->plan->no_validation ? p->best : counting(p), sizeof p->w);
}

/* ---- the comparison ---- */

static efme_recipe *recipe_of(efme_context *context, const struct plan *o) {
  efme_recipe *recipe = fx_fixed(context);
  efme_train_options t = fx_options(recipe);
  t.batch = BATCH;
  t.seed = 9;
  t.gamma = (float)o->gamma, t.label_smoothing = (float)o->smoothing, t.l1 = (float)o->l1, t.l2 = (float)o->l2;
  t.dropout = (float)o->dropout, t.ema_decay = (float)o->ema, t.feature_variants = o->variants;
  t.penalty_in_validation = (uint32_t)o->penalty_in_validation;
  t.alpha = o->has_alpha ? o->alpha : NULL;
  t.alpha_count = o->has_alpha ? C : 0;
  fx_set(recipe, t);
  efme_phase ph = EFME_PHASE_INIT;
  efme_optimizer_options oo = o->optimizer;
  oo.struct_size = sizeof oo;
  ck_ok(efme_optimizer_create(&ph.optimizer, context, &oo));
  ph.scope = EFME_SCOPE_HEAD, ph.epochs = o->epochs, ph.patience = o->patience, ph.restore_best = o->restore;
  for (uint32_t i = 0; i < o->phases; i++) ck_ok(efme_recipe_add_phase(recipe, &ph));
  efme_optimizer_release(ph.optimizer);
  return recipe;
}

static void head_of(const efme_model *model, double w[W]) {
  float kernel[F * C], bias[C];
  ck_ok(efme_model_get(model, "head/kernel", kernel, F * C));
  ck_ok(efme_model_get(model, "head/bias", bias, C));
  for (int i = 0; i < W; i++) w[i] = i < F * C ? kernel[i] : bias[i - F * C];
}

/* float32 storage and sums against double: a few units of rounding for each of some forty steps. */
#define LOSS_TOLERANCE 2e-6
#define WEIGHT_TOLERANCE(way) (1e-6 * (way) + 2e-7) /* of the farthest way a weight went, and of storing weights below one */

static void same_line(const struct plan *o, uint32_t i, const efme_epoch *a, const efme_epoch *b) {
  ck_assert_msg(a->phase == b->phase && a->epoch == b->epoch && a->best == b->best,
                "%s: line %u is phase %u epoch %u best %u, not %u %u %u", o->name, i, a->phase, a->epoch, a->best, b->phase, b->epoch,
                b->best);
  const double x[] = {a->loss, a->accuracy, a->validation_loss, a->validation_uf1, a->validation_uar};
  const double y[] = {b->loss, b->accuracy, b->validation_loss, b->validation_uf1, b->validation_uar};
  for (int k = 0; k < (o->no_validation ? 2 : 5); k++)
    ck_assert_msg(fabs(x[k] - y[k]) <= LOSS_TOLERANCE * fmax(1.0, fabs(y[k])), "%s: line %u, number %d is %.9g, not %.9g", o->name, i, k,
                  x[k], y[k]);
  for (int k = 2; k < (o->no_validation ? 5 : 2); k++) ck_assert(isnan(x[k]));
}

static void compare(const struct plan *o, const efme_trainer *trainer, const efme_model *start, struct program *p) {
  efme_model *end = NULL;
  double got[W], begun[W], farthest = 0, apart = 0;
  ck_ok(efme_trainer_model(&end, trainer));
  head_of(end, got);
  head_of(start, begun);
  efme_model_release(end);
  for (uint32_t i = 0; i < o->phases; i++) phase(p, i);
  ck_assert_msg(efme_trainer_epoch_count(trainer) == p->epochs, "%s: %u epochs, not %u", o->name, efme_trainer_epoch_count(trainer),
                p->epochs);
  for (uint32_t i = 0; i < p->epochs; i++) {
    efme_epoch line = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(trainer, i, &line));
    same_line(o, i, &line, &p->history[i]);
  }
  for (int i = 0; i < W; i++) {
    farthest = fmax(farthest, fabs(p->w[i] - begun[i]));
    apart = fmax(apart, fabs(p->w[i] - got[i]));
  }
  printf("%s: weights went %.3g, apart %.1e of it\n", o->name, farthest, apart / farthest);
  ck_assert_msg(farthest > 0.01 && apart <= WEIGHT_TOLERANCE(farthest), "%s: weights went %.3g, they are %.3g apart", o->name, farthest,
                apart);
}

START_TEST(head_phases) {
  const struct plan *o = &plans[_i];
  efme_context *context = fx_context(1);
  efme_dataset *train = fx_dataset(context, 0, TRAIN, C, 1), *validation = fx_dataset(context, TRAIN, VALIDATION, C, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = recipe_of(context, o);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, o->no_validation ? NULL : validation));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  struct program *p = calloc(1, sizeof *p);
  p->plan = o;
  p->library = trainer;
  p->seed = 9;
  head_of(model, p->w);
  compare(o, trainer, model, p);
  if (o->patience && !o->no_validation)
    ck_assert_msg(p->stopped_early && p->best_inside, "%s: this case is to stop early behind a best epoch", o->name);
  free(p);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
  efme_context_release(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reference");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_loop_test(tc, head_phases, 0, (int)(sizeof plans / sizeof *plans));
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
