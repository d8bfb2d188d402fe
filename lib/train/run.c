/* The run: phases of epochs of steps. The position says all about where it stands, so that going on after a cancel is the
 * same code as starting: each loop begins at what the position holds. */
#include <math.h>
#include <string.h>

#include "train/state.h"

static efme_status save_if_due(struct efme_trainer *t, int always) {
  if (!t->checkpoint || (!always && efme_seconds() - t->saved_at < t->checkpoint_seconds)) return EFME_OK;
  return efme_checkpoint_save(t);
}

static efme_status begin_phase(struct efme_trainer *t) {
  efme_status status = efme_engine_begin(t);
  if (status) return status;
  if (!t->position.running) {
    memset(&t->position.stopping, 0, sizeof t->position.stopping);
    t->position.phase_step = 0;
    t->position.running = 1;
  }
  return EFME_OK;
}

/* The weights so far into t->scratch. A step may have spoilt them after its loss was found good: seen before anybody gets them. */
static efme_status read_finite(struct efme_trainer *t) {
  efme_status status = efme_weights_read(t, t->scratch);
  return status ? status : efme_weights_finite(t, t->scratch);
}

/* Takes the last good weights' copy. */
static efme_status begin_epoch(struct efme_trainer *t) {
  struct efme_exec *e = t->engine.train;
  efme_status status = read_finite(t);
  if (status) return status;
  memcpy(t->good, t->scratch, efme_trainer_params(t)->total * sizeof *t->good);
  if (t->position.step == 0) {
    memset(t->position.sums, 0, sizeof t->position.sums);
    t->position.penalty = 0.0;
  }
  t->epoch_started = efme_seconds();
  status = efme_exec_write(e, &e->plan->sums, 0, t->position.sums, sizeof t->position.sums);
  return status ? status : efme_engine_epoch(t);
}

static efme_status train_steps(struct efme_trainer *t) {
  while (t->position.step < t->engine.steps) {
    efme_status status = efme_train_step(t);
    if (status) return status;
    efme_report_step(t, "train", t->position.step, t->engine.steps);
    status = save_if_due(t, 0);
    if (status) return status;
    if (t->stop || (t->cancel && efme_trainer_ranks(t) == 1)) return efme_cancelled();
  }
  return EFME_OK;
}

static efme_status note_epoch(struct efme_trainer *t, const struct efme_validated *v) {
  struct efme_position *p = &t->position;
  const struct efme_trainer_phase *phase = &t->phases[p->phase];
  int has = t->validation.count != 0;
  efme_status status =
      efme_mem_grow(t->allocator, (void **)&t->history, &t->history_capacity, t->history_count + 1, sizeof *t->history, "history");
  if (status) return status;
  if (has && phase->restore_best && (!p->stopping.has_best || v->loss < p->stopping.best)) {
    status = efme_weights_read(t, t->best);
    if (status) return status;
  }
  efme_epoch line = EFME_EPOCH_INIT;
  line.phase = p->phase;
  line.epoch = p->epoch;
  line.loss = (p->sums[0] + p->penalty) / p->sums[1];
  line.accuracy = p->sums[2] / p->sums[1];
  line.validation_loss = v->loss;
  line.validation_uf1 = v->uf1;
  line.validation_uar = v->uar;
  line.seconds = efme_seconds() - t->epoch_started;
  if (has) line.best = (uint32_t)efme_stopping_add(&p->stopping, v->loss, p->epoch, phase->patience);
  t->history[t->history_count++] = line;
  return EFME_OK;
}

static efme_status run_epoch(struct efme_trainer *t) {
  struct efme_validated v = {NAN, NAN, NAN};
  efme_status status = begin_epoch(t);
  if (!status) status = train_steps(t);
  if (!status) status = efme_group_statistics(t);
  if (!status) status = read_finite(t);
  if (!status && t->validation.count) status = efme_validate(t, &v);
  if (!status) status = note_epoch(t, &v);
  if (status) return status;
  efme_report(t, EFME_TRAIN_EPOCH, "train", t->position.step, t->engine.steps, &v);
  t->position.epoch++;
  t->position.total_epoch++;
  t->position.step = 0;
  return efme_group_agree(t);
}

static void last_validation(const struct efme_trainer *t, struct efme_validated *v) {
  const efme_epoch *line = &t->history[t->history_count - 1];
  *v = (struct efme_validated){line->validation_loss, line->validation_uf1, line->validation_uar};
}

static efme_status end_phase(struct efme_trainer *t) {
  const struct efme_trainer_phase *phase = &t->phases[t->position.phase];
  int restore = phase->restore_best && t->position.stopping.has_best;
  efme_status status = restore ? EFME_OK : efme_weights_read(t, t->scratch);
  if (!status) status = efme_weights_write(t, restore ? t->best : t->scratch);
  if (status) return status;
  efme_engine_end(t);
  struct efme_validated v;
  last_validation(t, &v);
  efme_report(t, EFME_TRAIN_PHASE, "train", 0, 0, &v);
  t->position.phase++;
  t->position.epoch = 0;
  t->position.running = 0;
  t->position.plan = 0;
  memset(t->position.sums, 0, sizeof t->position.sums);
  t->position.penalty = 0.0;
  return efme_group_agree(t);
}

static efme_status run_phase(struct efme_trainer *t) {
  efme_status status = t->engine.ready ? EFME_OK : begin_phase(t);
  const struct efme_trainer_phase *phase = &t->phases[t->position.phase];
  while (!status && t->position.epoch < phase->epochs && !t->position.stopping.stopped) {
    status = run_epoch(t);
    if (!status && t->stop) return efme_cancelled();
    if (!status) status = save_if_due(t, !t->sparse);
  }
  if (!status) status = end_phase(t);
  if (!status && t->stop) return efme_cancelled();
  return status;
}

/* Once, before the first step: a checkpoint's state, and rank 0's weights on every rank. */
static efme_status start(struct efme_trainer *t) {
  if (t->begun) return EFME_OK;
  efme_status status = EFME_OK;
  if (t->checkpoint) status = efme_dataset_contents(t->train_set, &t->contents[0]);
  if (!status && t->checkpoint && t->validation_set) status = efme_dataset_contents(t->validation_set, &t->contents[1]);
  if (!status && t->checkpoint) status = efme_checkpoint_load(t);
  if (!status) status = efme_group_broadcast(t);
  if (!status) t->begun = 1;
  return status;
}

efme_status efme_train_run(struct efme_trainer *t) {
  efme_status status = start(t);
  t->cancel = t->stop = 0;
  t->saved_at = t->rate_started = t->reported_at = efme_seconds();
  t->rate_images = 0;
  while (!status && t->position.phase < t->phase_count) {
    status = run_phase(t);
    if (!status) status = save_if_due(t, !t->sparse);
  }
  if (t->engine.loader) efme_loader_stop(t->engine.loader);
  if (status == EFME_E_CANCELLED) {
    char text[512];
    efme_error_save(text);
    efme_status saved = save_if_due(t, 1);
    if (saved) status = saved;
    else efme_error_restore(text);
  }
  if (status == EFME_E_NUMERIC) { /* sticky: what is on the device is of no use */
    t->failed = 1;
    strncpy(t->failure, efme_last_error(), sizeof t->failure - 1);
    efme_engine_end(t);
  }
  return status;
}
