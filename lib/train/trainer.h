/* What evaluators reach of a trainer besides efme/trainer.h: what folds over one dataset share, and predictions without
 * publishing a model.
 *
 * Draws of order, augmentation and dropout depend on a sample's key, never on its place in a view, so that a fold trained
 * from shared data has the bits of the same fold trained alone. */
#ifndef EFME_TRAIN_TRAINER_H
#define EFME_TRAIN_TRAINER_H

#include "efme/trainer.h"
#include "util/util.h"

/* ---- what all folds over one dataset read: pixels staged once and, where the recipe's first phase is a head phase on
 * cached features, those features of the start trunk, computed once. Constant after creation; any threads ---- */
struct efme_train_shared;

/* dataset: all samples that any fold will use. Runs the trunk over it with all threads; progress "features" may cancel. */
efme_status efme_train_shared_create(struct efme_train_shared **out, efme_model *model, const efme_recipe *recipe,
                                     const efme_dataset *dataset, efme_progress_fn progress, void *user);
struct efme_train_shared *efme_train_shared_retain(struct efme_train_shared *shared);
void efme_train_shared_release(struct efme_train_shared *shared); /* NULL allowed */

/* ---- a trainer as a fold's worker ---- */
struct efme_trainer_extra {
  struct efme_train_shared *shared; /* NULL: none. Its dataset must hold every sample of train and validation */
  uint32_t max_threads;             /* 0: all of the context's; 1: the calling thread alone (no loader threads either) */
  uint32_t allow_missing;           /* 1: train or validation may lack a class (the fold's report says so) */
  uint32_t reseed; /* 1: order, dropout and augmentation by epoch draw from `seed`, so that folds differ; cached features, which
                      folds share, stay with the recipe's seed */
  uint64_t seed;
  uint32_t sparse_checkpoints; /* 1: checkpoints by time and on cancel only, not at each epoch's end and at the run's end: folds are many
                                  and short */
};

/* efme_trainer_create with more; extra may be NULL. */
efme_status efme_trainer_create_internal(efme_trainer **out, efme_model *model, const efme_recipe *recipe, const efme_dataset *train,
                                         const efme_dataset *validation, const struct efme_trainer_extra *extra);
/* Probabilities by the weights so far: count x classes in the view's order. dataset: of the shared one, or any other with
 * the model's classes or without labels. Not during run. */
efme_status efme_trainer_predict(efme_trainer *trainer, const efme_dataset *dataset, float *probabilities);
/* Checksum of the weights it started from, as efme_model_info.checksum. */
uint64_t efme_trainer_start_checksum(const efme_trainer *trainer);

#endif
