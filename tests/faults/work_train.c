/* A training: a head, then all layers, BN updating, averages, the best epoch kept; its last file is the trained weights. */
#include "work.h"

#include "train/fixture.h"

efme_status work_train(const char *folder, double seconds, efme_train_progress_fn progress) {
  char checkpoint[256], weights[256];
  snprintf(checkpoint, sizeof checkpoint, "%s/run.checkpoint", folder), snprintf(weights, sizeof weights, "%s/trained.safetensors", folder);
  if (access(weights, F_OK) == 0) return remove(checkpoint), EFME_OK; /* an earlier life has come to the end */
  efme_context *context = fx_context(1);
  efme_dataset *train = fx_dataset(context, 0, 40, 3, 1), *validation = fx_dataset(context, 40, 12, 3, 1);
  efme_model *start = fx_model(context, 3, 5), *trained = NULL;
  efme_recipe *recipe = fx_updating(context);
  efme_trainer *trainer = NULL;
  efme_train_options o = fx_options(recipe);
  o.ema_decay = 0.9f;
  fx_set(recipe, o);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 20, 0, 1, EFME_ADAM, 1e-2);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 20, 0, 1, EFME_RMSPROP, 1e-3);
  efme_status status = efme_trainer_create(&trainer, start, recipe, train, validation);
  if (!status) status = efme_trainer_set_checkpoint(trainer, checkpoint, seconds);
  if (!status) status = efme_trainer_run(trainer, progress, NULL);
  if (!status) status = efme_trainer_model(&trained, trainer);
  if (!status) status = efme_model_save(trained, weights, EFME_WEIGHTS_F32);
  if (!status) remove(checkpoint); /* it holds how long epochs took */
  efme_model_release(trained), efme_model_release(start);
  efme_trainer_release(trainer), efme_recipe_release(recipe);
  efme_dataset_release(train), efme_dataset_release(validation);
  efme_context_release(context);
  return status;
}
