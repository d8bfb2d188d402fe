/* Recipes and training: a head phase on cached features and one of all layers, two steps each, with validation, averages and checkpoints.
 */
#include "faults.h"

#include "train/fixture.h"
#include "train/state.h"

static efme_model *model;
static efme_dataset *train, *validation;
static efme_recipe *recipe;

static void open_scene(void) {
  train = fx_dataset(faults_context, 0, 12, 3, 1); /* two batches */
  validation = fx_dataset(faults_context, 12, 6, 3, 1);
  model = fx_model(faults_context, 1, 5);
  recipe = fx_fixed(faults_context);
  efme_train_options o = fx_options(recipe);
  o.feature_variants = 2, o.ema_decay = 0.9f;
  fx_set(recipe, o);
  fx_phase(faults_context, recipe, EFME_SCOPE_HEAD, 1, 0, 1, EFME_ADAM, 1e-2);
  fx_phase(faults_context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_RMSPROP, 1e-3);
}

static void close_scene(void) {
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train), efme_dataset_release(validation);
}

/* ---- recipes ---- */

static efme_status make_recipe(uint64_t *hash, int which) {
  static const float alpha[] = {.2f, .3f, .5f};
  efme_recipe *r = NOTHING;
  efme_phase phase = EFME_PHASE_INIT;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  char *text = NOTHING;
  (void)which;
  efme_status status = efme_recipe_create(&r, faults_context, "paper-pretrain");
  if (status) return untouched(status, r);
  o.alpha = alpha, o.alpha_count = 3;
  status = efme_recipe_set_options(r, &o);
  phase.optimizer = NOTHING;
  if (!status) status = efme_optimizer_create(&phase.optimizer, faults_context, NULL);
  if (!status) status = efme_recipe_clear_phases(r);
  if (!status) status = efme_recipe_add_phase(r, &phase);
  if (phase.optimizer != NOTHING) efme_optimizer_release(phase.optimizer);
  if (!status) status = efme_recipe_describe(r, &text);
  efme_recipe_release(r);
  return took_text(hash, status, text);
}

/* ---- a run ---- */

static efme_trainer *trainer;

static efme_status create(uint64_t *hash, int which) {
  efme_trainer *t = NOTHING;
  (void)which;
  efme_status status = efme_trainer_create(&t, model, recipe, train, validation);
  if (status) return untouched(status, t);
  uint64_t start = efme_trainer_start_checksum(t);
  add_bytes(hash, &start, sizeof start);
  efme_trainer_release(t);
  return EFME_OK;
}

static const char *checkpoint(void) { return at("run/checkpoint"); }

static int in_second_phase(const efme_train_progress *p, void *user) {
  (void)user;
  return p->phase == 1 && p->event == EFME_TRAIN_STEP;
}

/* which: 0 in memory, 1 with a checkpoint after every step, 2 from a checkpoint in the middle. */
static void make_trainer(int which) {
  ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  if (!which) return;
  remove_tree(at("run"));
  ok(efme_dir_create(&efme_allocator_libc, at("run")));
  ok(efme_trainer_set_checkpoint(trainer, checkpoint(), 1e-9));
  if (which == 1) return;
  ck_assert_int_eq(efme_trainer_run(trainer, in_second_phase, NULL), EFME_E_CANCELLED);
  efme_trainer_release(trainer);
  ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ok(efme_trainer_set_checkpoint(trainer, checkpoint(), 1e-9));
}

static void drop_trainer(void) { efme_trainer_release(trainer); }

static void add_history(uint64_t *hash) {
  for (uint32_t i = 0; i < efme_trainer_epoch_count(trainer); i++) {
    efme_epoch e = EFME_EPOCH_INIT;
    ok(efme_trainer_epoch(trainer, i, &e));
    e.seconds = 0.0;
    add_bytes(hash, &e, sizeof e);
  }
}

/* A checkpoint that cannot be written leaves the one before, and no other file. */
static void check_folder(int which) {
  uint64_t names = 0;
  if (which && access(checkpoint(), F_OK) == 0) remove(checkpoint()), add_tree(&names, at("run"));
  must(!names, "files are left beside the checkpoint");
}

static efme_status run(uint64_t *hash, int which) {
  efme_status status = efme_trainer_run(trainer, NULL, NULL);
  if (status) return status;
  malloc_paused++;
  efme_model *m = NULL;
  ok(efme_trainer_model(&m, trainer));
  malloc_paused--;
  add_history(hash);
  add_model(hash, m);
  efme_model_release(m);
  check_folder(which);
  return EFME_OK;
}

static void make_finished(int which) {
  (void)which;
  make_trainer(0);
  ok(efme_trainer_run(trainer, NULL, NULL));
}

static efme_status publish(uint64_t *hash, int which) {
  efme_model *m = NOTHING;
  (void)which;
  efme_status status = efme_trainer_model(&m, trainer);
  return took_model(hash, status, m);
}

static const struct scenario scenarios[] = {
    {"make a recipe", 0, NULL, make_recipe, NULL, 0},
    {"create a trainer", 0, NULL, create, NULL, 0},
    {"train", 0, make_trainer, run, drop_trainer, 0},
    {"train with checkpoints", 1, make_trainer, run, drop_trainer, 0},
    {"go on from a checkpoint", 2, make_trainer, run, drop_trainer, 0},
    {"trained model", 0, make_finished, publish, drop_trainer, 0},
};
const struct scene scene_train = {open_scene, close_scene, scenarios, sizeof scenarios / sizeof scenarios[0]};
