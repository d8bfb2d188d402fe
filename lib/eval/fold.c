/* One fold: train on training and validation samples from the start weights, then, and only then, read the test samples
 * and predict them. Nothing of the test part reaches the trainer before its last phase has ended. */
#include <string.h>

#include "eval/evaluator.h"
#include "net/model.h"

static efme_status take_history(struct efme_fold_record *out, const efme_trainer *trainer, const struct efme_allocator *a) {
  struct efme_text t;
  efme_text_init(&t, a);
  out->epochs = efme_trainer_epoch_count(trainer);
  for (uint32_t i = 0; i < out->epochs; i++) {
    efme_epoch line = EFME_EPOCH_INIT;
    efme_status status = efme_trainer_epoch(trainer, i, &line);
    if (status) {
      efme_text_free(&t);
      return status;
    }
    const double values[] = {line.loss, line.accuracy, line.validation_loss, line.validation_uf1, line.validation_uar};
    efme_text_printf(&t, "%u %u", line.phase + 1, line.epoch + 1);
    for (size_t k = 0; k < EFME_COUNT(values); k++) {
      efme_text_add(&t, " ");
      efme_text_double(&t, values[k], 9);
    }
    efme_text_add(&t, line.best ? " best\n" : "\n");
  }
  return efme_text_take(&t, &out->history, NULL);
}

static efme_status test(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, efme_trainer *trainer) {
  efme_dataset *tested = NULL;
  uint64_t count = e->plan->folds[fold].counts[EFME_PART_TEST];
  out->probabilities = efme_mem_array(e->allocator, (size_t)count * e->classes, sizeof(float), "predictions of a fold");
  if (!out->probabilities) return EFME_E_NOMEM;
  efme_status status = efme_evaluator_view(&tested, e, fold, EFME_PART_TEST);
  if (status == EFME_OK) status = efme_trainer_predict(trainer, tested, out->probabilities);
  efme_dataset_release(tested);
  return status;
}

/* The weights that predicted, as a model would have them. */
static efme_status end_checksum(uint64_t *out, const efme_trainer *trainer) {
  efme_model *model = NULL;
  efme_status status = efme_trainer_model(&model, trainer);
  if (status == EFME_OK) *out = efme_model_checksum(model);
  efme_model_release(model);
  return status;
}

static efme_status train(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, efme_trainer *trainer, const char *checkpoint,
                         efme_train_progress_fn progress, void *user) {
  out->start_checksum = efme_trainer_start_checksum(trainer);
  if (out->start_checksum != e->start_checksum)
    return efme_fail(EFME_E_INTERNAL, "it would start from weights %016llx, the run's are %016llx", (unsigned long long)out->start_checksum,
                     (unsigned long long)e->start_checksum);
  efme_status status = checkpoint ? efme_trainer_set_checkpoint(trainer, checkpoint, e->checkpoint_seconds) : EFME_OK;
  if (status == EFME_OK) status = efme_trainer_run(trainer, progress, user);
  if (status == EFME_OK) status = take_history(out, trainer, e->allocator);
  if (status == EFME_OK) status = test(out, e, fold, trainer);
  if (status == EFME_OK) status = end_checksum(&out->end_checksum, trainer);
  return status;
}

efme_status efme_fold_train(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, uint32_t threads,
                            efme_train_progress_fn progress, void *user) {
  const char *name = e->plan->folds[fold].name;
  efme_dataset *training = NULL, *validation = NULL;
  efme_trainer *trainer = NULL;
  char *checkpoint = e->folder ? efme_fold_path(e, e->folder, fold, "checkpoint") : NULL;
  out->maker = e->maker;
  efme_status status = e->folder && !checkpoint ? EFME_E_NOMEM : EFME_OK;
  if (status == EFME_OK) status = efme_fold_choose(out, e, fold, progress, user);
  const efme_recipe *recipe = e->recipes[out->choice];
  out->seed = efme_hash64(name, strlen(name), recipe->options.seed);
  struct efme_trainer_extra extra = {
      .shared = e->shared, .max_threads = threads, .allow_missing = 1, .reseed = 1, .seed = out->seed, .sparse_checkpoints = 1};
  if (status == EFME_OK) status = efme_evaluator_view(&training, e, fold, EFME_PART_TRAIN);
  if (status == EFME_OK) status = efme_evaluator_view(&validation, e, fold, EFME_PART_VALIDATION);
  if (status == EFME_OK) status = efme_trainer_create_internal(&trainer, e->start, recipe, training, validation, &extra);
  if (status == EFME_OK) status = train(out, e, fold, trainer, checkpoint, progress, user);
  efme_trainer_release(trainer);
  efme_dataset_release(validation);
  efme_dataset_release(training);
  if (status == EFME_OK && e->folder) status = efme_fold_write(e, fold, out);
  if (status == EFME_OK && e->folder) status = efme_fold_drop_checkpoint(e, fold); /* the fold's file has taken its place */
  efme_mem_free(e->allocator, checkpoint);
  if (status == EFME_OK) out->done = 1;
  return status ? efme_fail_prefix(status, "fold %s", name) : EFME_OK;
}
