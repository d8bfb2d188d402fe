/* Recipes and training runs, after Ab Razak and Sahran (2023) and of our own; docs/training.md.
 *
 * A recipe says how to train: one set of options and a list of phases. A phase is one `fit`: fresh optimizer state, at most
 * `epochs` passes, early stopping, best weights restored. A trainer works on its own copy of a model's weights; the model
 * stays as it was until efme_trainer_model hands out a new one. The same seed gives the same bits, whatever the thread count.
 *
 * A trainer serves one thread at a time. Threads may share a recipe that none of them changes; a trainer copies it. */
#ifndef EFME_TRAINER_H
#define EFME_TRAINER_H

#include "efme/context.h"
#include "efme/dataset.h"
#include "efme/model.h"
#include "efme/optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_recipe efme_recipe;
typedef struct efme_trainer efme_trainer;

/* FIXED: the moving statistics normalise and stay. UPDATE: those of the batch normalise, the moving ones follow by bn_momentum. */
typedef enum efme_bn_mode { EFME_BN_FIXED = 0, EFME_BN_UPDATE = 1 } efme_bn_mode;
/* What a phase trains. */
typedef enum efme_scope { EFME_SCOPE_ALL = 0, EFME_SCOPE_HEAD = 1 } efme_scope;

/* Several processes that train one network. Every rank is given the same datasets and recipe; a step's batch of ranks x batch samples is
 * cut into slices in rank order, gradients are weighted by their slice and summed by allreduce. BN statistics of a batch stay local, the
 * moving ones are averaged at each epoch's end. A cancel on one rank stops all at the same step. The functions are called on the thread
 * that called efme_trainer_run; a status of theirs that is not EFME_OK ends the run and is what it answers. */
typedef struct efme_collectives {
  size_t struct_size;
  uint32_t rank, ranks; /* 0 .. ranks-1; 1: alone, the functions may be NULL then */
  efme_status (*allreduce)(float *values, size_t count, void *user); /* sum, in place, the same bits on every rank */
  efme_status (*broadcast)(void *data, size_t size, uint32_t root, void *user); /* size bytes of rank root to all */
  efme_status (*barrier)(void *user); /* needed, but not called by this version */
  void *user;
} efme_collectives;

typedef struct efme_train_options {
  size_t struct_size;
  uint64_t seed;             /* of order, augmentation, dropout and drop-connect */
  uint32_t batch;            /* 1..4096; the last partial batch of an epoch is used */
  uint32_t bn_mode;          /* efme_bn_mode; of phases that train all layers */
  /* loss: -sum_c t_c alpha_c (1 - p_c)^gamma log p_c, mean over the batch (Lin et al., 2017); gamma 0 and no alpha: cross-entropy */
  float gamma;               /* >= 0 */
  float label_smoothing;     /* s in [0, 1): t_c = (1 - s) [c is the label] + s / classes (Szegedy et al., 2016) */
  const float *alpha;        /* alpha_count factors >= 0 by class, or NULL for 1; copied */
  uint32_t alpha_count;      /* 2..1024, the model's classes; taken only with alpha */
  uint32_t penalty_in_validation; /* 1: validation loss includes the penalty, as Keras' val_loss does, 0: not */
  float l1, l2;              /* >= 0; penalty of the head kernel: l1 sum|w| + l2 sum w^2 */
  float dropout;             /* [0, 1): before the head (Srivastava et al., 2014) */
  float drop_connect;        /* r in [0, 1): residual block b of B0's 16 (from 0) is left out with probability r b/16 (Huang et al., 2016;
                                Keras has 0.2); 0: off */
  /* augmentation of training samples; factors, angles and shifts are drawn uniformly */
  float flip;                /* probability of a horizontal flip, [0, 1] */
  float photometric;         /* probability of each of brightness and contrast, [0, 1] */
  float brightness, contrast;/* factor in 1 +- this, [0, 1] */
  float rotation;            /* degrees, +-, 0..180 */
  float scale;               /* factor in 1 +- this, [0, 1) */
  float shift;               /* fraction of the side, +-, [0, 1] */
  float ema_decay;           /* d in [0, 1): average a = d a + (1 - d) w after each step, used by validation and result; 0: none */
  uint32_t feature_variants; /* 0..4096; head phases with frozen trunk: V fixed augmentations of each image (variant 0 is plain), features
                                computed once; epoch e, counted over all phases, uses variant e mod V. 0: a fresh augmentation every epoch,
                                trunk run every time */
  uint32_t log_every;        /* progress every this many steps, 0: at most four times a second */
  const efme_collectives *collectives; /* NULL: alone; copied */
} efme_train_options;

#define EFME_TRAIN_OPTIONS_INIT { sizeof(efme_train_options), 1, 16, EFME_BN_FIXED, 2.0f, 0.0f, NULL, 0, 1, 0.01f, 0.01f, 0.5f, 0.0f, 0.5f, 0.5f, 0.2f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 11, 0, NULL }

typedef struct efme_phase {
  size_t struct_size;
  uint32_t scope;      /* efme_scope; HEAD freezes the trunk and its BN */
  uint32_t epochs;     /* at most so many, 1..1000000 */
  uint32_t patience;   /* epochs in a row without a lower validation loss before it stops; 0: never stops early */
  uint32_t restore_best; /* 1: it ends with the weights of the best epoch, where there is validation data, 0: with the last */
  efme_optimizer *optimizer; /* not NULL; the recipe keeps a reference */
} efme_phase;

#define EFME_PHASE_INIT { sizeof(efme_phase), EFME_SCOPE_ALL, 1, 0, 0, NULL }

/* Presets, each a starting point to change:
 *   "paper-pretrain"  5 x (head lr 1e-3, all lr 1e-4), 100 epochs, patience 10, batch 16, BN fixed, focal loss (.27 .35 .38), flip and
 *                     brightness
 *   "paper-transfer"  5 x head (15 epochs, patience 2, lr 1e-3), then 5 x all (20 epochs, patience 2, lr 1e-4, time decay 1e-6), else as
 *                     "paper-pretrain"
 *   "scratch"         all layers, BN updating, drop-connect 0.2, 20 epochs, batch 32, Adam 2e-3 with one epoch of warm-up and cosine, flip,
 *                     brightness, contrast, rotation 10, scale .1, shift .08, cross-entropy, no penalty, no early stopping (the paper's penalty
 *                     and focal loss keep a network without ImageNet weights from learning: measured, docs/training.md)
 *   "head"            head only on cached features, 30 epochs, patience 5, lr 1e-3, loss and augmentation of "scratch"
 *   "fine-tune"       all layers for 3 epochs, BN fixed, lr 1e-4, loss and augmentation of "scratch"
 * The alpha of the paper's presets is used only where the classes are negative, positive, surprise. Errors: NOT_FOUND (preset). */
EFME_API efme_status efme_recipe_create(efme_recipe **out, efme_context *context, const char *preset);
/* An equal recipe that may be changed: how the candidates of a choice are made from one. */
EFME_API efme_status efme_recipe_clone(efme_recipe **out, const efme_recipe *recipe);
EFME_API efme_recipe *efme_recipe_retain(efme_recipe *recipe);
EFME_API void efme_recipe_release(efme_recipe *recipe);
/* Its name, with "+changed" behind it once changed; as long as the recipe. */
EFME_API const char *efme_recipe_preset(const efme_recipe *recipe);
/* alpha and collectives point into the recipe, until its options are set again. */
EFME_API efme_status efme_recipe_get_options(const efme_recipe *recipe, efme_train_options *out);
/* options may not be NULL. */
EFME_API efme_status efme_recipe_set_options(efme_recipe *recipe, const efme_train_options *options);
EFME_API uint32_t efme_recipe_phase_count(const efme_recipe *recipe);
/* optimizer is borrowed from the recipe. */
EFME_API efme_status efme_recipe_get_phase(const efme_recipe *recipe, uint32_t index, efme_phase *out);
EFME_API efme_status efme_recipe_clear_phases(efme_recipe *recipe);
EFME_API efme_status efme_recipe_add_phase(efme_recipe *recipe, const efme_phase *phase);
/* Every option and phase as JSON; what reports print. Release with efme_string_free. */
EFME_API efme_status efme_recipe_describe(const efme_recipe *recipe, char **out);

/* What a progress callback gets; it and its string live for the call only. */
typedef struct efme_train_progress {
  size_t struct_size;
  uint32_t phase, phases;   /* from 0 */
  uint32_t epoch, epochs;   /* of the phase, from 0 */
  uint64_t step, steps;     /* of the epoch */
  uint32_t event;           /* efme_train_event */
  uint32_t has_validation;  /* 1 or 0 */
  double loss;              /* mean over the epoch so far, penalty included */
  double accuracy;          /* of the epoch so far, [0, 1] */
  double validation_loss, validation_uf1, validation_uar; /* at EPOCH and PHASE; NaN without validation data */
  double images_per_second, seconds_left; /* training images of this run; 0 before the first. To the end of the last phase if none stops early */
  const char *what;         /* "train", "features", "validate"; in evaluators the fold's name stands before it */
} efme_train_progress;

/* After a step, an epoch's validation, a phase. */
typedef enum efme_train_event { EFME_TRAIN_STEP = 0, EFME_TRAIN_EPOCH = 1, EFME_TRAIN_PHASE = 2 } efme_train_event;

/* Non-zero cancels. Called on the thread that called run, one at a time. */
typedef int (*efme_train_progress_fn)(const efme_train_progress *progress, void *user);

/* model: start weights, held but not changed; its class names must be those of both datasets. validation may be NULL (no early stopping
 * then). Errors: ARGUMENT (a recipe without phases); MISMATCH (classes; a sample without class, a class without a training sample, named;
 * validation that lacks one; alpha_count); BUSY (model is being changed). */
EFME_API efme_status efme_trainer_create(efme_trainer **out, efme_model *model, const efme_recipe *recipe, const efme_dataset *train,
                                         const efme_dataset *validation);
EFME_API efme_trainer *efme_trainer_retain(efme_trainer *trainer);
EFME_API void efme_trainer_release(efme_trainer *trainer);
/* A checkpoint is written to path after every `seconds` (0..1e9; 0: 60), at each epoch's end and on cancel, atomically. If path exists the
 * run resumes from it, bit-identically; run then answers MISMATCH, naming the field, where it belongs to other data, options or start
 * weights, FORMAT or UNSUPPORTED where it is damaged or of another version. Errors: STATE once the run has begun. */
EFME_API efme_status efme_trainer_set_checkpoint(efme_trainer *trainer, const char *path, double seconds);
/* Trains to the end of the last phase; progress may be NULL. CANCELLED: run may be called again and goes on. NUMERIC: names the step; the
 * weights of that epoch's start are kept, and run answers STATE from then on. Other errors: those of reading samples, IO and the others of
 * a checkpoint, those of collectives. */
EFME_API efme_status efme_trainer_run(efme_trainer *trainer, efme_train_progress_fn progress, void *user);
/* A new model with the weights so far and provenance extended by the training and validation data, which it reads where their hashes are
 * not known yet: errors are those of reading. */
EFME_API efme_status efme_trainer_model(efme_model **out, const efme_trainer *trainer);
/* One line of history for each finished epoch. */
typedef struct efme_epoch {
  size_t struct_size;
  uint32_t phase, epoch; /* from 0 */
  double loss, accuracy, validation_loss, validation_uf1, validation_uar, seconds; /* as in efme_train_progress; seconds of this process */
  uint32_t best; /* 1: the phase's lowest validation loss so far */
  uint32_t reserved;
} efme_epoch;
#define EFME_EPOCH_INIT { sizeof(efme_epoch), 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0 }
/* Finished epochs of all phases. */
EFME_API uint32_t efme_trainer_epoch_count(const efme_trainer *trainer);
EFME_API efme_status efme_trainer_epoch(const efme_trainer *trainer, uint32_t index, efme_epoch *out);

#ifdef __cplusplus
}
#endif
#endif
