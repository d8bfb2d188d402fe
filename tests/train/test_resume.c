/* Cancel at every callback of a run, then go on, in memory and from the checkpoint in a fresh trainer: the final weights must
 * have the bits of the undisturbed run. And what a checkpoint refuses. */
#include <math.h>

#include "fixture.h"
#include "train/state.h"

static efme_context *context;
static efme_dataset *train, *validation;
static efme_model *model;

static void setup(void) {
  context = fx_context(2);
  train = fx_dataset(context, 0, 20, 3, 1);
  validation = fx_dataset(context, 20, 9, 3, 1);
  model = fx_model(context, 2, 5);
}

static void teardown(void) {
  efme_dataset_release(train);
  efme_dataset_release(validation);
  efme_model_release(model);
  efme_context_release(context);
}

/* cached head, then all layers with BN fixed; or from scratch with BN updating and EMA. */
static efme_recipe *fixed(void) {
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 3, 1, 1, EFME_ADAM, 0.05);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 2, 0, 1, EFME_RMSPROP, 1e-4);
  return recipe;
}

static efme_recipe *scratch(void) {
  efme_recipe *recipe = fx_updating(context);
  efme_train_options o = fx_options(recipe);
  o.ema_decay = 0.8f;
  fx_set(recipe, o);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 2, 0, 0, EFME_ADAM, 1e-3);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 1, EFME_SGD, 1e-3);
  return recipe;
}

/* Everything at once on cached features: averages, early stopping behind a best epoch, smoothing, AdamW under warm-up and cosine, more
 * epochs than variants. The penalty makes validation better at first, the rate makes it worse soon. */
static efme_recipe *stopping(void) {
  efme_recipe *recipe = fx_fixed(context);
  efme_train_options o = fx_options(recipe);
  o.ema_decay = 0.7f;
  o.label_smoothing = 0.05f;
  o.gamma = 2.0f;
  o.l2 = 0.05f;
  o.penalty_in_validation = 1;
  o.feature_variants = 2;
  fx_set(recipe, o);
  efme_optimizer_options oo = EFME_OPTIMIZER_OPTIONS_INIT;
  oo.kind = EFME_ADAMW;
  oo.schedule = EFME_SCHEDULE_COSINE;
  oo.learning_rate = 0.1;
  oo.warmup_steps = EFME_WARMUP_EPOCH;
  efme_phase phase = {sizeof phase, EFME_SCOPE_HEAD, 12, 2, 1, NULL};
  ck_ok(efme_optimizer_create(&phase.optimizer, context, &oo));
  for (int i = 0; i < 2; i++) ck_ok(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  return recipe;
}

/* The head with the trunk run each time, then all layers from there. */
static efme_recipe *live(void) {
  efme_recipe *recipe = fx_updating(context);
  efme_train_options o = fx_options(recipe);
  o.feature_variants = 0;
  fx_set(recipe, o);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 1, EFME_SGD, 0.05);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_ADAMW, 1e-3);
  return recipe;
}

static efme_trainer *trainer_of(const efme_recipe *recipe, const char *checkpoint) {
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  if (checkpoint) ck_ok(efme_trainer_set_checkpoint(trainer, checkpoint, 1000.0));
  return trainer;
}

static void same_history(const efme_trainer *a, const efme_trainer *b) {
  ck_assert_uint_eq(efme_trainer_epoch_count(a), efme_trainer_epoch_count(b));
  for (uint32_t i = 0; i < efme_trainer_epoch_count(a); i++) {
    efme_epoch x = EFME_EPOCH_INIT, y = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(a, i, &x));
    ck_ok(efme_trainer_epoch(b, i, &y));
    x.seconds = y.seconds = 0.0;
    ck_assert_msg(memcmp(&x, &y, sizeof x) == 0, "line %u of the history differs: loss %.17g against %.17g, validation %.17g against %.17g",
                  i, x.loss, y.loss, x.validation_loss, y.validation_loss);
  }
}

/* Runs with a cancel at callback `at`, then goes on until the end, cancelling never again. */
static void disturbed(const efme_recipe *recipe, uint32_t at, int fresh, const efme_trainer *undisturbed, const float *wanted, size_t count,
                      const char *path) {
  char what[64];
  size_t n;
  struct fx_cancel cancel = {.at = at}, never = {.at = UINT32_MAX};
  efme_trainer *trainer = trainer_of(recipe, fresh ? path : NULL);
  snprintf(what, sizeof what, "cancelled at callback %u, %s", at, fresh ? "resumed from the file" : "continued in memory");
  ck_fails(efme_trainer_run(trainer, fx_progress, &cancel), EFME_E_CANCELLED, "cancelled");
  ck_assert_uint_eq(cancel.calls, at + 1);
  if (fresh) {
    efme_trainer_release(trainer);
    trainer = trainer_of(recipe, path);
  }
  ck_ok(efme_trainer_run(trainer, fx_progress, &never));
  float *got = fx_result(trainer, &n);
  ck_assert_uint_eq(n, count);
  fx_same_bits(got, wanted, count, what);
  same_history(trainer, undisturbed);
  free(got);
  efme_trainer_release(trainer);
  remove(path);
}

static void every_callback(const efme_recipe *recipe) {
  size_t count;
  struct fx_cancel never = {.at = UINT32_MAX};
  const char *path = fx_path("resume");
  efme_trainer *whole = trainer_of(recipe, NULL);
  ck_ok(efme_trainer_run(whole, fx_progress, &never));
  float *wanted = fx_result(whole, &count);
  ck_assert_msg(never.calls > 15, "%u callbacks only", never.calls);
  for (uint32_t at = 0; at < never.calls; at++)
    for (int fresh = 0; fresh < 2; fresh++) disturbed(recipe, at, fresh, whole, wanted, count, path);
  /* a run that has ended stays ended */
  ck_ok(efme_trainer_run(whole, fx_progress, &never));
  free(wanted);
  efme_trainer_release(whole);
}

START_TEST(fixed_recipe) {
  efme_recipe *recipe = fixed();
  every_callback(recipe);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(scratch_recipe) {
  efme_recipe *recipe = scratch();
  every_callback(recipe);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(stopping_recipe) {
  efme_recipe *recipe = stopping();
  efme_trainer *trainer = trainer_of(recipe, NULL);
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  uint32_t count = efme_trainer_epoch_count(trainer), best = 0, phases = 0;
  for (uint32_t i = 0; i < count; i++) {
    efme_epoch e = EFME_EPOCH_INIT;
    ck_ok(efme_trainer_epoch(trainer, i, &e));
    phases = e.phase;
    if (e.best && e.phase == 0) best = e.epoch;
  }
  ck_assert_msg(count < 24 && best > 0 && phases == 1, "%u epochs of 24, the first phase's best is %u", count,
                best); /* it is what it is for */
  efme_trainer_release(trainer);
  every_callback(recipe);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(live_recipe) {
  efme_recipe *recipe = live();
  every_callback(recipe);
  efme_recipe_release(recipe);
}
END_TEST

/* Stopped again and again, each time by a fresh trainer. */
START_TEST(many_interruptions) {
  efme_recipe *recipe = scratch();
  const char *path = fx_path("many");
  size_t count, n;
  float *wanted = fx_train(model, recipe, train, validation, &count);
  uint32_t interruptions = 0;
  for (;; interruptions++) {
    struct fx_cancel cancel = {.at = 2};
    efme_trainer *trainer = trainer_of(recipe, path);
    efme_status status = efme_trainer_run(trainer, fx_progress, &cancel);
    if (status == EFME_OK) {
      float *got = fx_result(trainer, &n);
      fx_same_bits(got, wanted, count, "many interruptions");
      free(got);
      efme_trainer_release(trainer);
      break;
    }
    ck_assert_int_eq(status, EFME_E_CANCELLED);
    efme_trainer_release(trainer);
    ck_assert(interruptions < 100);
  }
  ck_assert_uint_ge(interruptions, 4);
  remove(path);
  free(wanted);
  efme_recipe_release(recipe);
}
END_TEST

/* A checkpoint after every step: whatever file lies there when the process dies, the run ends the same. */
struct copies {
  const char *path;
  uint32_t count;
};

static uint8_t *slurp(const char *path, size_t *size);
static void spit(const char *path, const uint8_t *data, size_t size);

static int copy_file(const efme_train_progress *progress, void *user) {
  struct copies *c = user;
  (void)progress;
  if (access(c->path, R_OK) != 0) return 0;
  char name[300];
  size_t size;
  uint8_t *data = slurp(c->path, &size);
  snprintf(name, sizeof name, "%s.%u", c->path, c->count++);
  spit(name, data, size);
  free(data);
  return 0;
}

START_TEST(timed_checkpoints) {
  efme_recipe *recipe = scratch();
  struct copies copies = {fx_path("timed"), 0};
  size_t count, n;
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_set_checkpoint(trainer, copies.path, 1e-9));
  ck_ok(efme_trainer_run(trainer, copy_file, &copies));
  float *wanted = fx_result(trainer, &count);
  efme_trainer_release(trainer);
  remove(copies.path);
  ck_assert_msg(copies.count > 10, "%u checkpoints only", copies.count);
  for (uint32_t i = 0; i < copies.count; i++) {
    char name[300];
    snprintf(name, sizeof name, "%s.%u", copies.path, i);
    trainer = trainer_of(recipe, name);
    ck_ok(efme_trainer_run(trainer, NULL, NULL));
    float *got = fx_result(trainer, &n);
    fx_same_bits(got, wanted, count, name);
    free(got);
    efme_trainer_release(trainer);
    remove(name);
  }
  free(wanted);
  efme_recipe_release(recipe);
}
END_TEST

/* ---- refusals ---- */

static void write_checkpoint(const efme_recipe *recipe, const char *path) {
  struct fx_cancel cancel = {.at = 4};
  efme_trainer *trainer = trainer_of(recipe, path);
  ck_fails(efme_trainer_run(trainer, fx_progress, &cancel), EFME_E_CANCELLED, "");
  efme_trainer_release(trainer);
}

static void refused(efme_model *m, const efme_recipe *recipe, const efme_dataset *t, const efme_dataset *v, const char *path,
                    const char *field) {
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, m, recipe, t, v));
  ck_ok(efme_trainer_set_checkpoint(trainer, path, 0.0));
  ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_MISMATCH, field);
  efme_trainer_release(trainer);
}

START_TEST(other_options) {
  efme_recipe *recipe = scratch();
  const char *path = fx_path("options");
  write_checkpoint(recipe, path);
  const efme_train_options good = fx_options(recipe);
  const float alpha[3] = {1.0f, 2.0f, 3.0f};
#define CHANGED(field, value)                                                                                                              \
  do {                                                                                                                                     \
    efme_train_options o = good;                                                                                                           \
    o.field = value;                                                                                                                       \
    fx_set(recipe, o);                                                                                                                     \
    refused(model, recipe, train, validation, path, "'option " #field " ");                                                                \
  } while (0)
  CHANGED(seed, good.seed + 1);
  CHANGED(batch, 7);
  CHANGED(bn_mode, EFME_BN_FIXED);
  CHANGED(gamma, 1.5f);
  CHANGED(label_smoothing, 0.1f);
  CHANGED(penalty_in_validation, !good.penalty_in_validation);
  CHANGED(l1, 0.5f);
  CHANGED(l2, 0.5f);
  CHANGED(dropout, 0.25f);
  CHANGED(drop_connect, 0.1f);
  CHANGED(flip, 0.25f);
  CHANGED(photometric, 0.25f);
  CHANGED(brightness, 0.3f);
  CHANGED(contrast, 0.3f);
  CHANGED(rotation, 11.0f);
  CHANGED(scale, 0.2f);
  CHANGED(shift, 0.2f);
  CHANGED(ema_decay, 0.9f);
  CHANGED(feature_variants, 5);
  efme_train_options o = good;
  o.alpha = alpha;
  o.alpha_count = 3;
  fx_set(recipe, o);
  refused(model, recipe, train, validation, path, "'option alpha 1 2 3' here");
  o = good;
  o.log_every = 17; /* decides nothing */
  fx_set(recipe, o);
  efme_trainer *trainer = trainer_of(recipe, path);
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  efme_trainer_release(trainer);
  remove(path);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(other_phases) {
  efme_recipe *recipe = scratch();
  const char *path = fx_path("phases");
  write_checkpoint(recipe, path);
  static const struct {
    const char *field;
    uint32_t scope, epochs, patience, best, kind;
    double rate;
  } cases[] = {{"'phase 2 scope ", EFME_SCOPE_HEAD, 1, 0, 1, EFME_SGD, 1e-3},
               {"'phase 2 epochs ", EFME_SCOPE_ALL, 2, 0, 1, EFME_SGD, 1e-3},
               {"'phase 2 patience ", EFME_SCOPE_ALL, 1, 3, 1, EFME_SGD, 1e-3},
               {"'phase 2 restore_best ", EFME_SCOPE_ALL, 1, 0, 0, EFME_SGD, 1e-3},
               {"'phase 2 kind ", EFME_SCOPE_ALL, 1, 0, 1, EFME_ADAM, 1e-3},
               {"'phase 2 learning_rate ", EFME_SCOPE_ALL, 1, 0, 1, EFME_SGD, 2e-3}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_ok(efme_recipe_clear_phases(recipe));
    fx_phase(context, recipe, EFME_SCOPE_ALL, 2, 0, 0, EFME_ADAM, 1e-3);
    fx_phase(context, recipe, cases[i].scope, cases[i].epochs, cases[i].patience, cases[i].best, cases[i].kind, cases[i].rate);
    refused(model, recipe, train, validation, path, cases[i].field);
  }
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_ADAM, 1e-3);
  refused(model, recipe, train, validation, path, "'phases 2' there, 'phases 3' here");
  remove(path);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(other_data_or_weights) {
  efme_recipe *recipe = scratch();
  const char *path = fx_path("data");
  write_checkpoint(recipe, path);
  efme_dataset *more = fx_dataset(context, 0, 21, 3, 1);
  efme_model *other = fx_model(context, 2, 6);
  refused(model, recipe, more, validation, path, "'training data ");
  refused(model, recipe, train, more, path, "'validation data ");
  refused(model, recipe, train, NULL, path, "'validation data none' here");
  refused(other, recipe, train, validation, path, "'start weights ");
  efme_dataset *shuffled = fx_dataset(context, 0, 20, 3, 7); /* the same samples in another order are the same data */
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, shuffled, validation));
  ck_ok(efme_trainer_set_checkpoint(trainer, path, 0.0));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  efme_trainer_release(trainer);
  efme_dataset_release(shuffled);
  remove(path);
  write_checkpoint(recipe, path);
  fx_noise++; /* the same names and labels, but somebody has replaced the images */
  efme_dataset *repainted = fx_dataset(context, 0, 20, 3, 1);
  refused(model, recipe, repainted, validation, path, "'training data pixels ");
  fx_noise--;
  efme_dataset_release(repainted);
  efme_dataset_release(more);
  efme_model_release(other);
  remove(path);
  efme_recipe_release(recipe);
}
END_TEST

/* ---- damage ---- */

static uint8_t *slurp(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  ck_assert_ptr_nonnull(f);
  fseek(f, 0, SEEK_END);
  *size = (size_t)ftell(f);
  rewind(f);
  uint8_t *data = malloc(*size);
  ck_assert_uint_eq(fread(data, 1, *size, f), *size);
  fclose(f);
  return data;
}

static void spit(const char *path, const uint8_t *data, size_t size) {
  FILE *f = fopen(path, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(data, 1, size, f), size);
  fclose(f);
}

START_TEST(damaged_files) {
  efme_recipe *recipe = scratch();
  const char *path = fx_path("damage");
  write_checkpoint(recipe, path);
  size_t size;
  uint8_t *data = slurp(path, &size);
  efme_trainer *trainer = trainer_of(recipe, path);
  for (size_t n = 0; n < size; n += n < 600 ? 37 : size / 23) {
    spit(path, data, n);
    ck_fails(efme_trainer_run(trainer, NULL, NULL), n ? EFME_E_FORMAT : EFME_E_FORMAT, path);
  }
  for (size_t at = 0; at < size; at += at < 600 ? 11 : size / 41) {
    data[at] ^= 0x40;
    spit(path, data, size);
    efme_status status = efme_trainer_run(trainer, NULL, NULL);
    ck_assert_msg(status == EFME_E_FORMAT, "byte %zu flipped: %s", at, efme_status_name(status));
    data[at] ^= 0x40;
  }
  spit(path, data, size); /* refusals have left the trainer as it was */
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  free(data);
  remove(path);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
}
END_TEST

START_TEST(arguments) {
  efme_recipe *recipe = scratch();
  efme_trainer *trainer = trainer_of(recipe, NULL);
  ck_fails(efme_trainer_set_checkpoint(trainer, NULL, 0.0), EFME_E_ARGUMENT, "path");
  ck_fails(efme_trainer_set_checkpoint(NULL, "x", 0.0), EFME_E_ARGUMENT, "trainer");
  ck_fails(efme_trainer_set_checkpoint(trainer, "x", -1.0), EFME_E_ARGUMENT, "seconds");
  ck_fails(efme_trainer_set_checkpoint(trainer, "x", NAN), EFME_E_ARGUMENT, "seconds");
  ck_ok(efme_trainer_set_checkpoint(trainer, "no-such-folder/checkpoint", 0.0));
  ck_fails(efme_trainer_run(trainer, NULL, NULL), EFME_E_IO, "no-such-folder");
  ck_fails(efme_trainer_set_checkpoint(trainer, "x", 0.0), EFME_E_STATE, "begun");
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
}
END_TEST

static int reentrant(const efme_train_progress *progress, void *user) {
  (void)progress;
  efme_model *m = NULL;
  ck_fails(efme_trainer_run(user, NULL, NULL), EFME_E_STATE, "within");
  ck_ok(efme_trainer_model(&m, user)); /* weights so far may be had at any callback */
  efme_model_release(m);
  return 1;
}

START_TEST(from_within_a_callback) {
  efme_recipe *recipe = fixed();
  efme_trainer *trainer = trainer_of(recipe, NULL);
  ck_fails(efme_trainer_run(trainer, reentrant, trainer), EFME_E_CANCELLED, "cancel");
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("resume");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, fixed_recipe);
  tcase_add_test(tc, scratch_recipe);
  tcase_add_test(tc, stopping_recipe);
  tcase_add_test(tc, live_recipe);
  tcase_add_test(tc, many_interruptions);
  tcase_add_test(tc, timed_checkpoints);
  tcase_add_test(tc, other_options);
  tcase_add_test(tc, other_phases);
  tcase_add_test(tc, other_data_or_weights);
  tcase_add_test(tc, damaged_files);
  tcase_add_test(tc, arguments);
  tcase_add_test(tc, from_within_a_callback);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
