/* One optimizer step. The host writes the step block and the staged batch; all arithmetic is the plan's. The loss sums are read
 * before the weights change, so that a loss that is not finite never reaches them. */
#include <math.h>
#include <string.h>

#include "train/state.h"

/* The group's batch: every rank sees the same samples and takes its own slice of them. */
struct batch {
  uint32_t first, count, total; /* slice, and samples of the whole group */
  const void *input;
  uint64_t input_bytes; /* of one sample */
};

static efme_status next_pixels(struct efme_trainer *t, struct batch *b) {
  const struct efme_loader_batch *loaded;
  efme_status status = efme_loader_next(t->engine.loader, &loaded);
  if (status) return status;
  if (!loaded) return efme_fail(EFME_E_INTERNAL, "the loader ended before its epoch");
  for (uint32_t i = 0; i < loaded->count; i++) {
    t->engine.ids[i] = t->train.samples->ids[loaded->ids[i]];
    t->engine.labels[i] = loaded->labels[i];
  }
  b->total = loaded->count;
  b->input = loaded->pixels;
  b->input_bytes = t->train.samples->info.sample_bytes;
  return EFME_OK;
}

static efme_status next_features(struct efme_trainer *t, struct batch *b) {
  struct efme_engine *g = &t->engine;
  uint64_t group = (uint64_t)t->options.batch * efme_trainer_ranks(t), at = t->position.step * group;
  uint32_t variant = t->position.total_epoch % t->options.feature_variants, width = g->features->width;
  b->total = (uint32_t)EFME_MIN(group, t->train.count - at);
  for (uint32_t i = 0; i < b->total; i++) {
    uint64_t position = t->train.positions[g->order[at + i].place], row = efme_features_row(g->features, position);
    if (row == UINT64_MAX) return efme_fail(EFME_E_INTERNAL, "a sample without cached features");
    memcpy(g->rows + (size_t)i * width, g->features->values[variant] + row * width, width * sizeof *g->rows);
    g->ids[i] = t->train.samples->ids[position];
    g->labels[i] = t->train.samples->labels[position];
  }
  b->input = g->rows;
  b->input_bytes = width * sizeof *g->rows;
  return EFME_OK;
}

static efme_status write_step(struct efme_trainer *t) {
  const struct efme_trainer_phase *phase = &t->phases[t->position.phase];
  uint64_t n = t->position.phase_step + 1, steps = t->engine.steps;
  struct efme_step s = {
      .seed = t->run_seed, .epoch = t->position.total_epoch, .step = t->position.phase_step, .ema_decay = t->options.ema_decay};
  s.lr = (float)efme_schedule_rate(&phase->optimizer, n, steps * phase->epochs, steps);
  /* of the betas as the op has them: 1 - 0.999f is 5e-5 off 0.001, which a correction by 0.999 would leave in every step */
  s.correct1 = (float)efme_schedule_correction((double)(float)phase->optimizer.beta1, n);
  s.correct2 = (float)efme_schedule_correction((double)(float)phase->optimizer.beta2, n);
  return efme_exec_set_step(t->engine.train, &s);
}

static efme_status forward_backward(struct efme_trainer *t, const struct batch *b) {
  struct efme_exec *e = t->engine.train;
  const struct efme_plan *plan = e->plan;
  if (!b->count) return EFME_OK; /* the group's last batch was too small for this rank */
  efme_status status = efme_exec_write(e, &plan->input, 0, (const char *)b->input + b->first * b->input_bytes, b->count * b->input_bytes);
  if (!status) status = efme_exec_write(e, &plan->labels, 0, t->engine.labels + b->first, b->count * sizeof(int32_t));
  if (!status && efme_tensor_present(&plan->ids))
    status = efme_exec_write(e, &plan->ids, 0, t->engine.ids + b->first, b->count * sizeof(int32_t));
  return status ? status : efme_exec_main(e, b->count);
}

/* Sums of the epoch into the position; 0 where they are not finite. */
static efme_status read_sums(struct efme_trainer *t, uint32_t count, int *finite) {
  struct efme_exec *e = t->engine.train;
  double penalty = 0.0;
  efme_status status = efme_exec_read(e, &e->plan->sums, 0, t->position.sums, sizeof t->position.sums);
  if (!status && count && efme_tensor_present(&e->plan->penalty))
    status = efme_exec_read(e, &e->plan->penalty, 0, &penalty, sizeof penalty);
  *finite = isfinite(t->position.sums[0]) && isfinite(penalty);
  t->position.penalty += penalty * count;
  return status;
}

efme_status efme_train_step(struct efme_trainer *t) {
  struct batch b = {0};
  int finite = 1;
  efme_status status = t->engine.cached ? next_features(t, &b) : next_pixels(t, &b);
  if (status) return status;
  uint32_t rank = t->options.collectives ? t->options.collectives->rank : 0;
  b.first = EFME_MIN(rank * t->options.batch, b.total);
  b.count = EFME_MIN(t->options.batch, b.total - b.first);
  status = write_step(t);
  if (!status) status = forward_backward(t, &b);
  if (!status) status = read_sums(t, b.count, &finite);
  if (!status) status = efme_group_reduce(t, b.count, b.total, &finite);
  if (status) return status;
  if (!finite)
    return efme_fail(EFME_E_NUMERIC, "the loss is not finite at step %llu of epoch %u of phase %u (%s); the last good weights are kept",
                     (unsigned long long)t->position.step + 1, t->position.epoch + 1, t->position.phase + 1,
                     t->phases[t->position.phase].scope == EFME_SCOPE_HEAD ? "head" : "all");
  status = efme_exec_update(t->engine.train);
  if (status) return status;
  t->position.step++;
  t->position.phase_step++;
  t->rate_images += b.total;
  return EFME_OK;
}
