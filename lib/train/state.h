/* Inside of a trainer. What a checkpoint holds is in efme_position, the history and the weight-sized arrays; all else
 * follows from model, data and recipe. */
#ifndef EFME_TRAIN_STATE_H
#define EFME_TRAIN_STATE_H

#include <stdatomic.h>

#include "backend/context.h"
#include "net/exec.h"
#include "net/model.h"
#include "train/features.h"
#include "train/recipe.h"
#include "train/samples.h"
#include "train/schedule.h"
#include "train/trainer.h"

/* Where a run stands. Plain numbers without padding: written to checkpoints as it is. */
struct efme_position {
  uint32_t phase, epoch; /* epoch of the phase; phase = phases: finished */
  uint32_t running;      /* 1: the phase has begun (moments, EMA and best belong to it) */
  uint32_t total_epoch;  /* epochs begun before this one, over all phases: the generator's `epoch` */
  uint64_t step;         /* batches of the epoch that are done */
  uint64_t phase_step;   /* optimizer steps of the phase that are done */
  struct efme_stopping stopping;
  double sums[4]; /* of the epoch's LOSS so far: loss, images, correct, batches */
  double penalty; /* sum over images of the penalty at their step */
  uint64_t plan;  /* efme_plan_hash of the phase's training plan, 0 before it began */
};

struct efme_trainer_phase {
  uint32_t scope, epochs, patience, restore_best;
  efme_optimizer_options optimizer;
};

/* Plans and executions of one phase; everything is allocated when the phase begins. */
struct efme_engine {
  int ready, cached; /* cached: a head phase on features */
  uint64_t steps;    /* of an epoch */
  struct efme_plan *train_plan, *eval_plan;
  struct efme_exec *train, *eval;                       /* eval NULL without validation data */
  struct efme_loader *loader, *eval_loader;             /* NULL where cached */
  const struct efme_features *features, *eval_features; /* where cached; owned by the trainer or shared */
  struct efme_order_item *order;                        /* where cached: of the epoch that order_epoch names */
  uint32_t order_epoch;
  float *rows;           /* [group batch][features], where cached */
  int32_t *ids, *labels; /* [group batch] */
  float *outputs;        /* [eval batch][classes] */
  float *exchange;       /* gradients and a flag, for collectives */
};

struct efme_trainer {
  atomic_uint references;
  efme_context *context;
  const struct efme_allocator *allocator;
  efme_model *model; /* held */
  uint64_t start_checksum;
  char recipe[48];
  efme_train_options options; /* alpha and collectives point into the trainer */
  float *alpha;
  efme_collectives collectives;
  struct efme_trainer_phase *phases;
  uint32_t phase_count;
  efme_dataset *train_set, *validation_set; /* as given; validation may be NULL */
  uint64_t contents[2];                     /* efme_dataset_contents of the two; known once a checkpoint is wanted */
  struct efme_part train, validation;
  struct efme_train_shared *shared;
  uint32_t max_threads, loader_threads;
  int sparse;        /* checkpoints by time and on cancel only */
  uint64_t run_seed; /* of order, dropout and augmentation by epoch; options.seed unless a fold has its own */

  void *weights;                     /* device, params.total floats */
  void *averaged;                    /* device: EMA weights for validation, NULL without EMA */
  float *best;                       /* host: weights of the phase's best epoch */
  float *good;                       /* host: weights at the start of the epoch, given out once a loss is not finite */
  float *scratch;                    /* host: weights on their way */
  struct efme_features *features[2]; /* own caches: train, validation */
  struct efme_position position;
  efme_epoch *history;
  size_t history_count, history_capacity;
  struct efme_engine engine;

  char *checkpoint; /* path, NULL: none */
  double checkpoint_seconds, saved_at;
  float *resume[3]; /* moments and EMA of a loaded checkpoint until its phase's engine stands */

  int foreign_start; /* another rank's weights replaced the model's: the story of these is not known here */
  int running, begun, failed;
  char failure[256];
  int cancel; /* a callback asked to stop */
  int stop;   /* and every rank knows */
  efme_train_progress_fn progress;
  void *progress_user;
  double reported_at, rate_started, epoch_started;
  uint64_t rate_images;
};

static inline const struct efme_params *efme_trainer_params(const struct efme_trainer *t) { return &t->model->params; }
static inline uint32_t efme_trainer_ranks(const struct efme_trainer *t) {
  return t->options.collectives ? t->options.collectives->ranks : 1;
}

/* ---- what folds share (shared.c) ---- */
struct efme_train_shared {
  atomic_uint references;
  efme_context *context;
  struct efme_samples *samples;
  struct efme_features *features; /* filled as far as head phases ask for variants, or NULL */
  uint64_t seed;                  /* of the features */
  float augmentation[7];          /* INPUT's f[] */
};

/* ---- engine.c ---- */
/* Plans and buffers of the phase at hand; features that a cached head phase needs are made epoch by epoch (efme_engine_epoch). */
efme_status efme_engine_begin(struct efme_trainer *t);
void efme_engine_end(struct efme_trainer *t);
/* INPUT's f[] from the options. */
void efme_augmentation(float out[7], const efme_train_options *options);
/* Gets ready for the epoch and step of the position: feature variant, loader. CANCELLED while features are computed. */
efme_status efme_engine_epoch(struct efme_trainer *t);
/* A plan of mode FEATURES over staged samples, its execution on `weights` (a device buffer); both to be freed by the caller, also on
 * failure. */
efme_status efme_engine_features(struct efme_plan **plan, struct efme_exec **exec, const efme_model *model,
                                 const efme_train_options *options, const struct efme_samples *samples, void *weights,
                                 uint32_t max_threads);
/* A plan of mode EVALUATE, over staged samples or cached features (samples NULL). borrow may be NULL. */
efme_status efme_engine_evaluate(struct efme_plan **plan, struct efme_exec **exec, const struct efme_trainer *t,
                                 const struct efme_samples *samples, void *weights, struct efme_exec *lender);
#define EFME_EVALUATE_BATCH 32 /* images at once where nothing is trained; results do not depend on it */

/* ---- step.c ---- */
/* One batch: stage, forward, backward, collectives, update. NUMERIC before the weights change. */
efme_status efme_train_step(struct efme_trainer *t);

/* ---- collectives.c: all do nothing for a single rank ---- */
/* Gradients of the group's batch in place of this rank's; count of total samples were its own. A loss that is not finite on one rank clears
 * *finite on all, a wish to cancel sets t->stop on all. */
efme_status efme_group_reduce(struct efme_trainer *t, uint32_t count, uint32_t total, int *finite);
/* At an epoch's end: the mean of the ranks' moving statistics, so that all validate the same network. */
efme_status efme_group_statistics(struct efme_trainer *t);
/* Sets t->stop where any rank wishes to cancel (also for a single rank). */
efme_status efme_group_agree(struct efme_trainer *t);
/* Rank 0's weights on every rank. */
efme_status efme_group_broadcast(struct efme_trainer *t);

/* ---- validate.c ---- */
struct efme_validated {
  double loss, uf1, uar;
};
/* On the weights that count (averaged where EMA is on). */
efme_status efme_validate(struct efme_trainer *t, struct efme_validated *out);

/* ---- run.c ---- */
/* All that efme_trainer_run does between its argument checks. */
efme_status efme_train_run(struct efme_trainer *t);

/* ---- publish.c ---- */
efme_status efme_train_publish(efme_model **out, const struct efme_trainer *t);

/* ---- weights.c: host and device ---- */
/* The weights that count: averaged where EMA is on and a phase runs. params.total floats. */
efme_status efme_weights_read(const struct efme_trainer *t, float *out);
efme_status efme_weights_write(struct efme_trainer *t, const float *values);
/* NUMERIC naming the step after which a weight is not finite. */
efme_status efme_weights_finite(const struct efme_trainer *t, const float *values);
/* The device buffer that has them, brought up to date. */
efme_status efme_weights_counting(struct efme_trainer *t, void **buffer);

/* ---- progress.c ---- */
double efme_seconds(void);
/* Calls back; a wish to cancel is kept in t->cancel. */
void efme_report(struct efme_trainer *t, uint32_t event, const char *what, uint64_t step, uint64_t steps,
                 const struct efme_validated *validated);
/* The same at most four times a second, or every log_every steps. */
void efme_report_step(struct efme_trainer *t, const char *what, uint64_t step, uint64_t steps);
efme_status efme_cancelled(void);

/* ---- checkpoint.c ---- */
/* What a checkpoint must agree on, a line each: start weights, architecture, data, options, phases. */
void efme_identity(const struct efme_trainer *t, struct efme_text *text);
efme_status efme_checkpoint_save(struct efme_trainer *t);
/* Where the file is there: position, history, weights. Out-of-place: the trainer is as it was on failure. */
efme_status efme_checkpoint_load(struct efme_trainer *t);

#endif
