/* The trainer handle: argument checks; the work is lib/train's. */
#include "efme/trainer.h"

#include <string.h>

#include "train/state.h"

efme_status efme_trainer_create(efme_trainer **out, efme_model *model, const efme_recipe *recipe, const efme_dataset *train,
                                const efme_dataset *validation) {
  const char *missing = !out ? "out" : !model ? "model" : !recipe ? "recipe" : !train ? "train" : NULL;
  if (missing) return efme_fail(EFME_E_ARGUMENT, "efme_trainer_create: %s is NULL", missing);
  return efme_trainer_create_internal(out, model, recipe, train, validation, NULL);
}

efme_status efme_trainer_set_checkpoint(efme_trainer *trainer, const char *path, double seconds) {
  if (!trainer || !path || !*path)
    return efme_fail(EFME_E_ARGUMENT, "efme_trainer_set_checkpoint: %s", !trainer ? "trainer is NULL" : "path is NULL or empty");
  if (!(seconds >= 0.0 && seconds <= 1e9)) return efme_fail(EFME_E_ARGUMENT, "efme_trainer_set_checkpoint: seconds must be 0 .. 1e9");
  if (trainer->begun || trainer->running) return efme_fail(EFME_E_STATE, "efme_trainer_set_checkpoint: the run has begun");
  char *copy = efme_mem_strdup(trainer->allocator, path);
  if (!copy) return EFME_E_NOMEM;
  efme_mem_free(trainer->allocator, trainer->checkpoint);
  trainer->checkpoint = copy;
  trainer->checkpoint_seconds = seconds > 0.0 ? seconds : 60.0;
  return EFME_OK;
}

efme_status efme_trainer_run(efme_trainer *trainer, efme_train_progress_fn progress, void *user) {
  if (!trainer) return efme_fail(EFME_E_ARGUMENT, "efme_trainer_run: trainer is NULL");
  if (trainer->running) return efme_fail(EFME_E_STATE, "efme_trainer_run: called from within its own run");
  if (trainer->failed) return efme_fail(EFME_E_STATE, "efme_trainer_run: the run has failed: %s", trainer->failure);
  trainer->running = 1;
  trainer->progress = progress;
  trainer->progress_user = user;
  struct efme_fpenv env;
  efme_fpenv_enter(&env);
  efme_status status = efme_train_run(trainer);
  efme_fpenv_leave(&env);
  trainer->progress = NULL;
  trainer->running = 0;
  return status;
}

efme_status efme_trainer_model(efme_model **out, const efme_trainer *trainer) {
  EFME_FPENV_DEFAULT;
  if (!out || !trainer) return efme_fail(EFME_E_ARGUMENT, "efme_trainer_model: %s is NULL", out ? "trainer" : "out");
  return efme_train_publish(out, trainer);
}

uint32_t efme_trainer_epoch_count(const efme_trainer *trainer) { return trainer ? (uint32_t)trainer->history_count : 0; }

efme_status efme_trainer_epoch(const efme_trainer *trainer, uint32_t index, efme_epoch *out) {
  if (!trainer) return efme_fail(EFME_E_ARGUMENT, "efme_trainer_epoch: trainer is NULL");
  if (index >= trainer->history_count)
    return efme_fail(EFME_E_ARGUMENT, "efme_trainer_epoch: index %u, there are %zu epochs", index, trainer->history_count);
  return efme_struct_store(out, &trainer->history[index], sizeof trainer->history[index], "efme_epoch");
}
