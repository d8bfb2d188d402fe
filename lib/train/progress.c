/* Reports to the caller. Times are of this process alone and decide nothing. */
#include <math.h>
#include <time.h>

#include "train/state.h"

double efme_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

efme_status efme_cancelled(void) { return efme_fail(EFME_E_CANCELLED, "the progress callback cancelled the training run"); }

/* Images still to train on if no phase stops early: of the running phase (none where it ends) and of those behind it. */
static double images_left(const struct efme_trainer *t, uint32_t event) {
  const struct efme_position *p = &t->position;
  double epochs = 0.0, done = p->sums[1] * efme_trainer_ranks(t);
  for (uint32_t i = p->phase + 1; i < t->phase_count; i++) epochs += t->phases[i].epochs;
  if (event == EFME_TRAIN_PHASE || p->phase >= t->phase_count) return epochs * (double)t->train.count;
  return (epochs + t->phases[p->phase].epochs - p->epoch) * (double)t->train.count - EFME_MIN(done, (double)t->train.count);
}

void efme_report(struct efme_trainer *t, uint32_t event, const char *what, uint64_t step, uint64_t steps,
                 const struct efme_validated *validated) {
  if (!t->progress) return;
  const struct efme_position *p = &t->position;
  efme_train_progress r = {.struct_size = sizeof r,
                           .phase = p->phase,
                           .phases = t->phase_count,
                           .epoch = p->epoch,
                           .step = step,
                           .steps = steps,
                           .event = event,
                           .has_validation = t->validation.count != 0,
                           .validation_loss = NAN,
                           .validation_uf1 = NAN,
                           .validation_uar = NAN,
                           .what = what};
  r.epochs = p->phase < t->phase_count ? t->phases[p->phase].epochs : 0;
  if (p->sums[1] > 0.0) {
    r.loss = (p->sums[0] + p->penalty) / p->sums[1];
    r.accuracy = p->sums[2] / p->sums[1];
  }
  if (validated && t->validation.count) {
    r.validation_loss = validated->loss;
    r.validation_uf1 = validated->uf1;
    r.validation_uar = validated->uar;
  }
  double now = efme_seconds(), elapsed = now - t->rate_started;
  if (elapsed > 0.0) r.images_per_second = (double)t->rate_images / elapsed;
  r.seconds_left = r.images_per_second > 0.0 ? images_left(t, event) / r.images_per_second : 0.0;
  t->reported_at = now;
  if (t->progress(&r, t->progress_user)) t->cancel = 1;
}

void efme_report_step(struct efme_trainer *t, const char *what, uint64_t step, uint64_t steps) {
  int due = t->options.log_every ? step % t->options.log_every == 0 : efme_seconds() - t->reported_at >= 0.25;
  if (due) efme_report(t, EFME_TRAIN_STEP, what, step, steps, NULL);
}
