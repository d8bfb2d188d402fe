/* The trainer: it learns, it is deterministic, it refuses what cannot be trained, it stops at a loss that is not finite, and
 * what it publishes knows what it has seen. */
#include <math.h>

#include "fixture.h"

static efme_context *context;

static void setup(void) { context = fx_context(2); }
static void teardown(void) { efme_context_release(context); }

static int flag(const efme_train_progress *progress, void *user) {
  *(efme_train_progress *)user = *progress;
  return 0;
}

/* Sixty samples of three patterns: nothing but a defect keeps training accuracy below .95. */
START_TEST(learns) {
  efme_dataset *train = fx_dataset(context, 0, 60, 3, 1), *validation = fx_dataset(context, 60, 30, 3, 1);
  efme_model *model = fx_model(context, 2, 1);
  efme_recipe *recipe = fx_updating(context);
  efme_train_options o = fx_options(recipe);
  o.rotation = o.scale = o.shift = o.flip = o.photometric = 0.0f; /* a turned stripe is another class */
  o.drop_connect = o.dropout = 0.0f;
  o.batch = 20;
  fx_set(recipe, o);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 30, 0, 1, EFME_ADAM, 3e-3);
  efme_trainer *trainer = NULL;
  efme_train_progress last = {0};
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_run(trainer, flag, &last));
  ck_assert_uint_eq(efme_trainer_epoch_count(trainer), 30);
  efme_epoch first = EFME_EPOCH_INIT, end = EFME_EPOCH_INIT;
  ck_ok(efme_trainer_epoch(trainer, 0, &first));
  ck_ok(efme_trainer_epoch(trainer, 29, &end));
  ck_assert_msg(end.accuracy > 0.95, "training accuracy %.3f after 30 epochs (loss %.3f, validation UF1 %.3f)", end.accuracy, end.loss,
                end.validation_uf1);
  ck_assert_msg(end.loss < first.loss / 2, "loss %.3f, at first %.3f", end.loss, first.loss);
  ck_assert_uint_eq(last.event, EFME_TRAIN_PHASE);
  ck_assert_uint_eq(last.has_validation, 1);
  ck_assert(last.validation_uf1 >= 0.0 && last.validation_uf1 <= 1.0 && last.validation_uar >= 0.0 && last.validation_uar <= 1.0);
  ck_fails(efme_trainer_epoch(trainer, 30, &end), EFME_E_ARGUMENT, "index 30");
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
}
END_TEST

/* ---- determinism ---- */

static float *two_phases(efme_context *c, int cached, uint32_t stride, size_t *count) {
  efme_dataset *train = fx_dataset(c, 0, 26, 3, stride), *validation = fx_dataset(c, 26, 13, 3, stride);
  efme_model *model = fx_model(c, 2, 5);
  efme_recipe *recipe = cached ? fx_fixed(c) : fx_updating(c);
  if (cached) fx_phase(c, recipe, EFME_SCOPE_HEAD, 2, 0, 1, EFME_ADAM, 1e-2);
  fx_phase(c, recipe, EFME_SCOPE_ALL, 2, 0, 0, EFME_ADAM, 1e-3);
  float *weights = fx_train(model, recipe, train, validation, count);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
  return weights;
}

START_TEST(threads_and_row_order_change_nothing) {
  static const uint32_t threads[] = {1, 2, 3, 7};
  for (int cached = 0; cached < 2; cached++) {
    float *first = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
      size_t count;
      efme_context *c = fx_context(threads[i]);
      float *weights = two_phases(c, cached, i % 2 ? 11 : 1, &count); /* 11: the rows in another order */
      efme_context_release(c);
      if (first) fx_same_bits(first, weights, count, cached ? "fixed" : "updating");
      if (!first) first = weights;
      else free(weights);
    }
    free(first);
  }
}
END_TEST

START_TEST(seed_matters) {
  efme_dataset *train = fx_dataset(context, 0, 24, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = fx_updating(context);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_SGD, 1e-2);
  size_t count;
  float *a = fx_train(model, recipe, train, NULL, &count);
  efme_train_options o = fx_options(recipe);
  o.seed++;
  fx_set(recipe, o);
  float *b = fx_train(model, recipe, train, NULL, &count);
  ck_assert(memcmp(a, b, count * sizeof *a) != 0);
  free(a);
  free(b);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* ---- odd shapes of data ---- */

START_TEST(odd_batches) {
  static const struct { uint32_t samples, batch, optimizer; } cases[] = {{6, 64, EFME_ADAMW}, {7, 3, EFME_SGD}, {3, 1, EFME_RMSPROP}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    efme_dataset *train = fx_dataset(context, 0, cases[i].samples, 3, 1);
    efme_model *model = fx_model(context, 2, 5);
    for (int cached = 0; cached < 2; cached++) {
      efme_recipe *recipe = cached ? fx_fixed(context) : fx_updating(context);
      efme_train_options o = fx_options(recipe);
      o.batch = cases[i].batch;
      fx_set(recipe, o);
      fx_phase(context, recipe, cached ? EFME_SCOPE_HEAD : EFME_SCOPE_ALL, 2, 0, 0, cases[i].optimizer, 1e-3);
      size_t count;
      struct fx_cancel never = {.at = UINT32_MAX};
      efme_trainer *trainer = NULL;
      ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
      ck_ok(efme_trainer_run(trainer, fx_progress, &never));
      float *weights = fx_result(trainer, &count);
      for (size_t k = 0; k < count; k++) ck_assert(isfinite(weights[k]));
      free(weights);
      ck_assert_uint_eq(efme_trainer_epoch_count(trainer), 2);
      efme_epoch e = EFME_EPOCH_INIT;
      ck_ok(efme_trainer_epoch(trainer, 1, &e));
      ck_assert(isnan(e.validation_loss) && isfinite(e.loss));
      efme_trainer_release(trainer);
      efme_recipe_release(recipe);
    }
    efme_model_release(model);
    efme_dataset_release(train);
  }
}
END_TEST

/* Classes in one batch: sorted by nothing, a batch of one class happens; here a batch size of one makes every batch so. */
START_TEST(live_head_equals_cached_head) {
  efme_dataset *train = fx_dataset(context, 0, 18, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  size_t count;
  float *weights[2];
  for (int cached = 0; cached < 2; cached++) {
    efme_recipe *recipe = fx_fixed(context);
    efme_train_options o = fx_options(recipe);
    o.feature_variants = cached ? 1 : 0; /* variant 0 is plain: with augmentation off both see the same images */
    o.flip = o.photometric = o.brightness = o.contrast = o.rotation = o.scale = o.shift = 0.0f;
    o.batch = 1;
    fx_set(recipe, o);
    fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-2);
    weights[cached] = fx_train(model, recipe, train, NULL, &count);
    efme_recipe_release(recipe);
  }
  fx_same_bits(weights[0], weights[1], count, "cached features against the trunk run every time");
  free(weights[0]);
  free(weights[1]);
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

START_TEST(head_phase_leaves_the_trunk) {
  efme_dataset *train = fx_dataset(context, 0, 18, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  for (uint32_t variants = 0; variants < 3; variants += 2) {
    efme_recipe *recipe = fx_updating(context);
    efme_train_options o = fx_options(recipe);
    o.feature_variants = variants;
    o.ema_decay = 0.9f;
    fx_set(recipe, o);
    fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-2);
    efme_trainer *trainer = NULL;
    efme_model *trained = NULL;
    ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
    ck_ok(efme_trainer_run(trainer, NULL, NULL));
    ck_ok(efme_trainer_model(&trained, trainer));
    efme_model_info info = EFME_MODEL_INFO_INIT;
    ck_ok(efme_model_get_info(model, &info));
    for (uint32_t i = 0; i < info.tensor_count; i++) {
      const char *name;
      uint32_t dims[4];
      ck_ok(efme_model_tensor(model, i, &name, dims));
      size_t n = (size_t)dims[0] * dims[1] * dims[2] * dims[3];
      float *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
      ck_ok(efme_model_get(model, name, before, n));
      ck_ok(efme_model_get(trained, name, after, n));
      int same = memcmp(before, after, n * sizeof *before) == 0;
      ck_assert_msg(same == (strncmp(name, "head/", 5) != 0), "%s %s", name, same ? "did not change" : "changed");
      free(before);
      free(after);
    }
    efme_model_release(trained);
    efme_trainer_release(trainer);
    efme_recipe_release(recipe);
  }
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* ---- early stopping: a learning rate that spoils the weights at once ---- */

START_TEST(stops_early_and_restores_the_best) {
  efme_dataset *train = fx_dataset(context, 0, 24, 3, 1), *validation = fx_dataset(context, 24, 12, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 40, 2, 1, EFME_SGD, 30.0);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  uint32_t epochs = efme_trainer_epoch_count(trainer), best = 0;
  ck_assert_msg(epochs < 40, "%u epochs with patience 2", epochs);
  double lowest = INFINITY;
  for (uint32_t i = 0; i < epochs; i++) {
    efme_epoch e = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(trainer, i, &e));
    ck_assert_uint_eq(e.best, e.validation_loss < lowest);
    if (e.validation_loss < lowest) lowest = e.validation_loss, best = i;
  }
  ck_assert_uint_eq(epochs, best + 3);
  /* what a run of just so many epochs ends with */
  efme_recipe *shorter = fx_fixed(context);
  fx_phase(context, shorter, EFME_SCOPE_HEAD, best + 1, 0, 0, EFME_SGD, 30.0);
  size_t count;
  float *restored = fx_result(trainer, &count), *wanted = fx_train(model, shorter, train, validation, &count);
  fx_same_bits(restored, wanted, count, "restored");
  free(restored);
  free(wanted);
  efme_recipe_release(shorter);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
}
END_TEST

/* ---- what an option does to a run ---- */

/* Largest change of a weight between a and b. */
static double farthest(const float *a, const float *b, size_t count) {
  double most = 0.0;
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)a[i] - (double)b[i]));
  return most;
}

/* A run of one phase with these options; the same samples and start weights every time. */
static float *with_options(const efme_dataset *train, const efme_model *model, uint32_t scope, const efme_train_options *o, size_t *count) {
  efme_recipe *recipe = fx_updating(context);
  fx_set(recipe, *o);
  fx_phase(context, recipe, scope, 2, 0, 0, EFME_SGD, 0.05);
  float *weights = fx_train((efme_model *)model, recipe, train, NULL, count);
  efme_recipe_release(recipe);
  return weights;
}

/* Each option, changed alone, changes the weights of a run of all layers; drop-connect and BN do so there only, variants in cached head
 * phases only. One that is checked and kept but reaches no plan would leave them as they are. */
START_TEST(every_option_reaches_training) {
  efme_dataset *train = fx_dataset(context, 0, 20, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  static const float alpha[3] = {1.0f, 2.0f, 0.5f};
  efme_recipe *recipe = fx_updating(context);
  const efme_train_options base = fx_options(recipe);
  size_t count;
  float *plain[2] = {with_options(train, model, EFME_SCOPE_ALL, &base, &count), with_options(train, model, EFME_SCOPE_HEAD, &base, &count)};
  /* in all: does it reach a phase of all layers; in head: a cached head phase */
#define CHANGES(in_all, in_head, ...)                                                                                                      \
  do {                                                                                                                                     \
    efme_train_options changed = base;                                                                                                     \
    changed.__VA_ARGS__;                                                                                                                   \
    for (uint32_t scope = 0; scope < 2; scope++) {                                                                                         \
      float *weights = with_options(train, model, scope, &changed, &count);                                                                \
      int differs = memcmp(weights, plain[scope], count * sizeof *weights) != 0;                                                           \
      ck_assert_msg(differs == (scope == EFME_SCOPE_ALL ? in_all : in_head), "%s %s a phase of %s", #__VA_ARGS__,                          \
                    differs ? "changes" : "does not change", scope == EFME_SCOPE_ALL ? "all layers" : "the head");                         \
      free(weights);                                                                                                                       \
    }                                                                                                                                      \
  } while (0)
  CHANGES(1, 1, seed = 4);
  CHANGES(1, 1, batch = 7);
  CHANGES(1, 0, bn_mode = EFME_BN_FIXED);
  CHANGES(1, 1, gamma = 1.0f);
  CHANGES(1, 1, label_smoothing = 0.1f);
  CHANGES(1, 1, alpha = alpha, changed.alpha_count = 3);
  CHANGES(1, 1, l1 = 0.01f);
  CHANGES(1, 1, l2 = 0.01f);
  CHANGES(1, 1, dropout = 0.2f);
  CHANGES(1, 0, drop_connect = 0.9f);
  CHANGES(1, 1, flip = 1.0f);
  CHANGES(1, 1, photometric = 1.0f);
  CHANGES(1, 1, brightness = 0.5f);
  CHANGES(1, 1, contrast = 0.5f);
  CHANGES(1, 1, rotation = 40.0f);
  CHANGES(1, 1, scale = 0.4f);
  CHANGES(1, 1, shift = 0.3f);
  CHANGES(1, 1, ema_decay = 0.5f);
  CHANGES(0, 1, feature_variants = 1);
  CHANGES(0, 1, feature_variants = 0);
  CHANGES(0, 0, penalty_in_validation = 1); /* there is nothing to validate on: test_reference.c has its effect */
  CHANGES(0, 0, log_every = 3);
  free(plain[0]);
  free(plain[1]);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* One step an epoch, and a decay after which only the first step moves anything: the schedule counts the steps of a phase, and each phase
 * counts anew. */
START_TEST(decay_counts_the_steps_of_a_phase) {
  efme_dataset *train = fx_dataset(context, 0, 8, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  size_t count;
  float *start = fx_weights(model, &count), *end[4];
  for (uint32_t i = 0; i < 4; i++) { /* 1 epoch; 3; 3 without decay; 2 phases of 1 */
    efme_recipe *recipe = fx_fixed(context);
    efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
    efme_phase phase = EFME_PHASE_INIT;
    o.kind = EFME_SGD, o.momentum = 0.0, o.learning_rate = 0.5;
    if (i != 2) o.schedule = EFME_SCHEDULE_TIME, o.decay = 1e6;
    ck_ok(efme_optimizer_create(&phase.optimizer, context, &o));
    phase.scope = EFME_SCOPE_HEAD;
    phase.epochs = i == 1 || i == 2 ? 3 : 1;
    for (uint32_t k = 0; k < (i == 3 ? 2u : 1u); k++) ck_ok(efme_recipe_add_phase(recipe, &phase));
    efme_optimizer_release(phase.optimizer);
    end[i] = fx_train(model, recipe, train, NULL, &count);
    efme_recipe_release(recipe);
  }
  double first = farthest(start, end[0], count);
  ck_assert(first > 1e-3);
  ck_assert_msg(farthest(end[0], end[1], count) < 1e-4 * first, "steps 2 and 3 moved a weight by %g, step 1 by %g",
                farthest(end[0], end[1], count), first);
  ck_assert(farthest(end[0], end[2], count) > 0.1 * first);
  ck_assert(farthest(end[0], end[3], count) > 0.1 * first);
  for (int i = 0; i < 4; i++) free(end[i]);
  free(start);
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* Validation loss holds l1 sum|w| + l2 sum w^2 of the head's kernel, or does not, as asked; all else is the same. */
START_TEST(penalty_in_validation) {
  efme_dataset *train = fx_dataset(context, 0, 8, 3, 1), *validation = fx_dataset(context, 24, 12, 3, 1);
  efme_model *model = fx_model(context, 2, 5), *trained = NULL;
  double loss[2], penalty = 0.0;
  for (uint32_t with = 0; with < 2; with++) {
    efme_recipe *recipe = fx_fixed(context);
    efme_train_options o = fx_options(recipe);
    o.l1 = 0.03f, o.l2 = 0.05f, o.penalty_in_validation = with;
    fx_set(recipe, o);
    fx_phase(context, recipe, EFME_SCOPE_HEAD, 1, 0, 0, EFME_SGD, 0.1);
    efme_trainer *trainer = NULL;
    ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
    ck_ok(efme_trainer_run(trainer, NULL, NULL));
    efme_epoch epoch = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(trainer, 0, &epoch));
    loss[with] = epoch.validation_loss;
    if (with) ck_ok(efme_trainer_model(&trained, trainer));
    efme_trainer_release(trainer);
    efme_recipe_release(recipe);
  }
  float kernel[24 * 3]; /* cut 2: 24 features */
  ck_ok(efme_model_get(trained, "head/kernel", kernel, sizeof kernel / sizeof *kernel));
  for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++)
    penalty += 0.03 * fabs((double)kernel[i]) + 0.05 * (double)kernel[i] * (double)kernel[i];
  ck_assert(penalty > 0.01);
  ck_assert_double_eq_tol(loss[1] - loss[0], penalty, 1e-6 * penalty + 1e-9);
  efme_model_release(trained);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refusals) {
  efme_dataset *good = fx_dataset(context, 0, 12, 3, 1), *two = fx_dataset(context, 0, 12, 2, 1), *other = NULL;
  efme_model *model = fx_model(context, 1, 5);
  efme_recipe *recipe = fx_recipe(context, "fine-tune");
  efme_trainer *trainer = NULL;
  ck_fails(efme_trainer_create(&trainer, model, recipe, two, good), EFME_E_MISMATCH, "class 'surprise' has no training sample");
  ck_fails(efme_trainer_create(&trainer, model, recipe, good, two), EFME_E_MISMATCH, "class 'surprise' has no validation sample");
  ck_fails(efme_trainer_create(&trainer, model, recipe, NULL, NULL), EFME_E_ARGUMENT, "train");
  ck_fails(efme_trainer_create(NULL, model, recipe, good, NULL), EFME_E_ARGUMENT, "out");
  ck_fails(efme_trainer_create(&trainer, NULL, recipe, good, NULL), EFME_E_ARGUMENT, "model");
  ck_fails(efme_trainer_create(&trainer, model, NULL, good, NULL), EFME_E_ARGUMENT, "recipe");
  const char *names[] = {"negative", "surprise", "positive"};
  efme_label_rule rules[] = {{"*", "surprise"}};
  efme_label_map map = {.struct_size = sizeof map, .class_names = names, .class_count = 3, .rule_count = 1, .rules = rules};
  ck_ok(efme_dataset_map_labels(&other, good, &map));
  ck_fails(efme_trainer_create(&trainer, model, recipe, other, NULL), EFME_E_MISMATCH,
           "class 1 is 'surprise' in the training dataset, 'positive' in the model");
  const float alpha[] = {1.0f, 2.0f};
  efme_train_options o = fx_options(recipe);
  o.alpha = alpha;
  o.alpha_count = 2;
  fx_set(recipe, o);
  ck_fails(efme_trainer_create(&trainer, model, recipe, good, NULL), EFME_E_MISMATCH, "alpha");
  o.alpha = NULL;
  fx_set(recipe, o);
  ck_ok(efme_recipe_clear_phases(recipe));
  ck_fails(efme_trainer_create(&trainer, model, recipe, good, NULL), EFME_E_ARGUMENT, "phases");
  efme_context *elsewhere = fx_context(1);
  efme_dataset *foreign = fx_dataset(elsewhere, 0, 12, 3, 1);
  ck_fails(efme_trainer_create(&trainer, model, recipe, foreign, NULL), EFME_E_ARGUMENT, "another context");
  ck_assert_ptr_null(trainer);
  ck_fails(efme_trainer_run(NULL, NULL, NULL), EFME_E_ARGUMENT, "trainer");
  efme_dataset_release(foreign);
  efme_context_release(elsewhere);
  efme_dataset_release(other);
  efme_dataset_release(good);
  efme_dataset_release(two);
  efme_model_release(model);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(model_is_held) {
  efme_dataset *train = fx_dataset(context, 0, 12, 3, 1);
  efme_model *model = fx_model(context, 1, 5);
  efme_recipe *recipe = fx_recipe(context, "fine-tune");
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
  float bias[3] = {1.0f, 2.0f, 3.0f};
  ck_assert_int_eq(efme_model_set(model, "head/bias", bias, 3), EFME_E_BUSY);
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  float now[3];
  ck_ok(efme_model_get(model, "head/bias", now, 3));
  ck_assert(now[0] == 0.0f && now[1] == 0.0f && now[2] == 0.0f); /* the trainer worked on its own copy */
  efme_trainer_release(trainer);
  ck_ok(efme_model_set(model, "head/bias", bias, 3));
  efme_model_release(model);
  efme_recipe_release(recipe);
  efme_dataset_release(train);
}
END_TEST

/* ---- losses that are not finite ---- */

static void poison(efme_model *model, const char *name, float value) {
  efme_model_info info = EFME_MODEL_INFO_INIT;
  ck_ok(efme_model_get_info(model, &info));
  for (uint32_t i = 0; i < info.tensor_count; i++) {
    const char *tensor;
    uint32_t dims[4];
    ck_ok(efme_model_tensor(model, i, &tensor, dims));
    if (strcmp(tensor, name)) continue;
    size_t n = (size_t)dims[0] * dims[1] * dims[2] * dims[3];
    float *values = malloc(n * sizeof *values);
    for (size_t k = 0; k < n; k++) values[k] = value;
    ck_ok(efme_model_set(model, name, values, n));
    free(values);
  }
}

START_TEST(not_finite_at_the_start) {
  efme_dataset *train = fx_dataset(context, 0, 12, 3, 1);
  static const float values[] = {NAN, INFINITY, 3e38f};
  for (int i = 0; i < 3; i++)
    for (int cached = 0; cached < 2; cached++) {
      efme_model *model = fx_model(context, 1, 5);
      poison(model, "head/kernel", values[i]);
      efme_recipe *recipe = cached ? fx_fixed(context) : fx_updating(context);
      fx_phase(context, recipe, cached ? EFME_SCOPE_HEAD : EFME_SCOPE_ALL, 4, 0, 0, EFME_ADAM, 1e-3);
      efme_trainer *trainer = NULL;
      ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
      /* huge weights may overflow a step or two later, when an augmented image has the larger feature */
      const char *step = i < 2 ? "step 1 of epoch 1 of phase 1" : "of phase 1";
      ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_NUMERIC, step);
      ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_STATE, step);
      efme_trainer_release(trainer);
      efme_recipe_release(recipe);
      efme_model_release(model);
    }
  efme_dataset_release(train);
}
END_TEST

/* Weights that blow up in the second phase: the first phase's are what is left. */
START_TEST(not_finite_later) {
  efme_dataset *train = fx_dataset(context, 0, 24, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = fx_fixed(context), *first = fx_fixed(context);
  fx_phase(context, first, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-2);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-2);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 3, 0, 0, EFME_SGD, 1e30);
  size_t count;
  float *wanted = fx_train(model, first, train, NULL, &count);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
  ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_NUMERIC, "of epoch 1 of phase 2");
  float *left = fx_result(trainer, &count);
  fx_same_bits(left, wanted, count, "last good weights");
  free(left);
  free(wanted);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_recipe_release(first);
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* A step whose loss was good may still leave weights that are not: nobody gets them, no checkpoint holds them, whether validation or
 * another epoch would have found out or not. One step an epoch, so that the last step of the run is the one. */
START_TEST(not_finite_at_the_end) {
  efme_dataset *train = fx_dataset(context, 0, 8, 3, 1), *validation = fx_dataset(context, 8, 6, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  const char *path = fx_path("not_finite");
  size_t count, n;
  float *start = fx_weights(model, &count);
  for (int i = 0; i < 8; i++) {
    efme_recipe *recipe = i & 1 ? fx_fixed(context) : fx_updating(context);
    fx_phase(context, recipe, i & 1 ? EFME_SCOPE_HEAD : EFME_SCOPE_ALL, 1, 0, i >> 1 & 1, EFME_SGD, 1e300); /* infinite as float32 */
    efme_trainer *trainer = NULL;
    ck_ok(efme_trainer_create(&trainer, model, recipe, train, i & 4 ? validation : NULL));
    ck_ok(efme_trainer_set_checkpoint(trainer, path, 0.0));
    ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_NUMERIC, "a weight is not finite after step 1 of epoch 1 of phase 1");
    float *left = fx_result(trainer, &n);
    fx_same_bits(left, start, count, "last good weights");
    free(left);
    ck_assert_int_ne(access(path, F_OK), 0);
    efme_trainer_release(trainer);
    efme_recipe_release(recipe);
  }
  free(start);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
}
END_TEST

/* Nor does a checkpoint that is due in the middle of an epoch: the one that is there stays. */
START_TEST(not_finite_in_a_checkpoint) {
  efme_dataset *train = fx_dataset(context, 0, 24, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = fx_updating(context);
  const char *path = fx_path("not_finite");
  efme_trainer *trainer = NULL;
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_SGD, 1e300);
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
  ck_ok(efme_trainer_set_checkpoint(trainer, path, 1e-9)); /* after each of three steps */
  ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_NUMERIC, "a weight is not finite after step 1 of epoch 1 of phase 1");
  ck_assert_int_ne(access(path, F_OK), 0);
  ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_STATE, "has failed");
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* ---- progress ---- */

struct watch {
  uint32_t steps, epochs, phases, features, validations;
  double last_left;
};

#define WATCH_TRAIN 20
#define WATCH_BATCH 8 /* 8, 8 and 4 */
static const uint32_t watch_epochs[2] = {3, 2};

/* Where a report says that the run is, how many images must follow. */
static int watch(const efme_train_progress *p, void *user) {
  struct watch *w = user;
  ck_assert_uint_eq(p->struct_size, sizeof *p);
  ck_assert_uint_eq(p->phases, 2);
  ck_assert_uint_eq(p->epochs, watch_epochs[p->phase]);
  ck_assert_uint_eq(p->has_validation, 1);
  int train = strcmp(p->what, "train") == 0, features = strcmp(p->what, "features") == 0;
  double epochs = p->phase == 0 ? watch_epochs[1] : 0, done = WATCH_TRAIN;
  if (p->event == EFME_TRAIN_STEP && train) {
    w->steps++;
    ck_assert_uint_eq(p->steps, 3);
    ck_assert(p->step >= 1 && p->step <= 3);
    ck_assert(isfinite(p->loss) && p->loss > 0.0 && p->accuracy >= 0.0 && p->accuracy <= 1.0);
    if (p->step < 3) done = WATCH_BATCH * (double)p->step;
  } else if (p->event == EFME_TRAIN_STEP) {
    if (features) w->features++, done = 0.0; /* of an epoch to come */
    else w->validations++;
    ck_assert(features || strcmp(p->what, "validate") == 0);
    ck_assert(p->step >= 1 && p->step <= p->steps);
  }
  if (p->event != EFME_TRAIN_STEP) ck_assert(isfinite(p->validation_loss) && p->validation_uf1 <= 1.0 && p->validation_uar <= 1.0);
  else ck_assert(isnan(p->validation_loss) && isnan(p->validation_uf1) && isnan(p->validation_uar));
  w->epochs += p->event == EFME_TRAIN_EPOCH;
  w->phases += p->event == EFME_TRAIN_PHASE;
  double left = p->event == EFME_TRAIN_PHASE ? epochs * WATCH_TRAIN : (epochs + p->epochs - p->epoch) * WATCH_TRAIN - done;
  if (w->steps == 0) {
    ck_assert(p->images_per_second == 0.0 && p->seconds_left == 0.0); /* nothing is known yet */
  } else {
    ck_assert(p->images_per_second > 0.0);
    ck_assert_msg(fabs(p->seconds_left * p->images_per_second - left) < 1e-6, "%s, event %u, epoch %u, step %d: %.9g images left, not %.9g",
                  p->what, p->event, p->epoch, (int)p->step, p->seconds_left * p->images_per_second, left);
  }
  w->last_left = p->seconds_left;
  return 0;
}

START_TEST(progress_says_how_far) {
  efme_dataset *train = fx_dataset(context, 0, WATCH_TRAIN, 3, 1), *validation = fx_dataset(context, WATCH_TRAIN, 9, 3, 1);
  efme_model *model = fx_model(context, 1, 5);
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, watch_epochs[0], 0, 1, EFME_ADAM, 1e-3);
  fx_phase(context, recipe, EFME_SCOPE_ALL, watch_epochs[1], 0, 1, EFME_ADAM, 1e-3);
  efme_trainer *trainer = NULL;
  struct watch w = {.last_left = -1.0};
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_run(trainer, watch, &w));
  ck_assert_uint_eq(w.steps, 15);
  ck_assert_uint_eq(w.epochs, 5);
  ck_assert_uint_eq(w.phases, 2);
  ck_assert_uint_ge(w.features, 4); /* three variants of the training samples, one of the others */
  ck_assert_uint_eq(w.validations, 5);
  ck_assert_double_eq(w.last_left, 0.0);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
}
END_TEST

/* ---- provenance ---- */

START_TEST(provenance_grows) {
  efme_dataset *train = fx_dataset(context, 0, 12, 3, 1), *validation = fx_dataset(context, 12, 3, 3, 1),
               *later = fx_dataset(context, 15, 3, 3, 1);
  efme_model *model = fx_model(context, 1, 5), *once = NULL, *twice = NULL;
  efme_recipe *recipe = fx_updating(context);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_ADAM, 1e-3);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  ck_ok(efme_trainer_model(&once, trainer));
  efme_trainer_release(trainer);
  ck_ok(efme_trainer_create(&trainer, once, recipe, validation, NULL));
  ck_ok(efme_trainer_model(&twice, trainer));
  efme_trainer_release(trainer);
  ck_assert_int_eq(efme_model_provenance_known(model), 1);
  ck_assert_uint_eq(efme_model_seen_dataset_count(model), 0); /* the start is untouched */
  for (int i = 0; i < 2; i++) {
    const efme_model *m = i ? twice : once;
    ck_assert_int_eq(efme_model_provenance_known(m), 1);
    ck_assert_uint_eq(efme_model_seen_dataset_count(m), 1);
    ck_assert_str_eq(efme_model_seen_dataset(m, 0), "toy");
    ck_assert(efme_model_has_seen_subject(m, "toy/s00"));
    ck_assert(efme_model_has_seen_subject(m, "toy/s04")); /* of the validation samples alone */
    ck_assert(!efme_model_has_seen_subject(m, "toy/s0"));
    ck_assert(!efme_model_has_seen_subject(m, "toy/s05"));
    for (uint64_t k = 0; k < 3; k++) {
      efme_sample sample = EFME_SAMPLE_INIT;
      ck_ok(efme_dataset_sample(validation, k, &sample));
      ck_assert(sample.pixel_hash != 0 && efme_model_has_seen_content(m, sample.pixel_hash));
    }
    ck_assert_str_eq(efme_model_metadata(m, "recipe"), "scratch+changed");
    ck_assert_ptr_nonnull(efme_model_metadata(m, "start_weights"));
  }
  efme_model_release(once);
  efme_model_release(twice);
  efme_model_release(model);
  efme_recipe_release(recipe);
  efme_dataset_release(train);
  efme_dataset_release(validation);
  efme_dataset_release(later);
}
END_TEST

/* Alpha of a preset is for negative, positive, surprise; elsewhere the recipe runs without. */
START_TEST(preset_alpha_only_for_its_classes) {
  const char *names[] = {"a", "b"};
  efme_label_rule rules[] = {{"negative", "a"}, {"*", "b"}};
  efme_label_map map = {.struct_size = sizeof map, .class_names = names, .class_count = 2, .rule_count = 2, .rules = rules};
  efme_dataset *all = fx_dataset(context, 0, 12, 3, 1), *mapped = NULL;
  efme_status status = efme_dataset_map_labels(&mapped, all, &map);
  if (status == EFME_OK) {
    efme_model_options options = EFME_MODEL_OPTIONS_INIT;
    options.cut = 1;
    options.height = options.width = SIDE;
    options.class_names = names;
    options.class_count = 2;
    efme_model *model = NULL;
    efme_trainer *trainer = NULL;
    ck_ok(efme_model_create(&model, context, &options));
    efme_recipe *recipe = fx_recipe(context, "paper-transfer");
    ck_ok(efme_trainer_create(&trainer, model, recipe, mapped, NULL));
    efme_trainer_release(trainer);
    efme_recipe_release(recipe);
    efme_model_release(model);
  }
  ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
  efme_dataset_release(mapped);
  efme_dataset_release(all);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("trainer");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, learns);
  tcase_add_test(tc, threads_and_row_order_change_nothing);
  tcase_add_test(tc, seed_matters);
  tcase_add_test(tc, odd_batches);
  tcase_add_test(tc, live_head_equals_cached_head);
  tcase_add_test(tc, head_phase_leaves_the_trunk);
  tcase_add_test(tc, stops_early_and_restores_the_best);
  tcase_add_test(tc, every_option_reaches_training);
  tcase_add_test(tc, decay_counts_the_steps_of_a_phase);
  tcase_add_test(tc, penalty_in_validation);
  tcase_add_test(tc, refusals);
  tcase_add_test(tc, model_is_held);
  tcase_add_test(tc, not_finite_at_the_start);
  tcase_add_test(tc, not_finite_later);
  tcase_add_test(tc, not_finite_at_the_end);
  tcase_add_test(tc, not_finite_in_a_checkpoint);
  tcase_add_test(tc, progress_says_how_far);
  tcase_add_test(tc, provenance_grows);
  tcase_add_test(tc, preset_alpha_only_for_its_classes);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
