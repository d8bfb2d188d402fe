/* Learning rates and when to stop: pure functions of the position in a phase, so that a resumed run asks nothing of the past. */
#ifndef EFME_TRAIN_SCHEDULE_H
#define EFME_TRAIN_SCHEDULE_H

#include "efme/optimizer.h"

/* Formulas in efme/optimizer.h. t from 1; total: steps of the phase; epoch: steps of one of its epochs, for
 * EFME_WARMUP_EPOCH (0: that warm-up is left out). */
double efme_schedule_rate(const efme_optimizer_options *o, uint64_t t, uint64_t total, uint64_t epoch);
/* 1/(1 - beta^t), Adam's bias correction; 1 for beta 0. */
double efme_schedule_correction(double beta, uint64_t t);

/* Early stopping of one phase, plain data that the checkpoint holds. */
struct efme_stopping {
  double best; /* lowest validation loss so far */
  uint32_t best_epoch;
  uint32_t has_best;
  uint32_t waited; /* epochs since */
  uint32_t stopped;
};

/* Takes the validation loss of `epoch`; returns 1 where it is the best so far. `stopped` is set once patience epochs in a
 * row were not lower (patience 0: never), as Keras' EarlyStopping with min_delta 0. */
int efme_stopping_add(struct efme_stopping *s, double loss, uint32_t epoch, uint32_t patience);

#endif
