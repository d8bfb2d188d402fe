/* What ranks exchange: gradients each step, moving statistics each epoch, weights at the start, and the wish to stop. Sums go through
 * host memory, since the table is the host program's; every rank computes the same bits from them. */
#include <string.h>

#include "train/state.h"

static const efme_collectives *group(const struct efme_trainer *t) {
  const efme_collectives *c = t->options.collectives;
  return c && c->ranks > 1 ? c : NULL;
}

static efme_status sum(const efme_collectives *c, float *values, uint64_t count) {
  efme_status status = c->allreduce(values, (size_t)count, c->user);
  return status ? efme_fail(status, "the caller's allreduce failed: %s", efme_status_name(status)) : EFME_OK;
}

/* Each rank's gradient is the mean over its slice, with the penalty's, equal everywhere: weighted by the slice they sum up to the
 * group's. One more number tells whether a rank failed (large) or wants to stop (one each). */
#define FAILED 65536.0f
efme_status efme_group_reduce(struct efme_trainer *t, uint32_t count, uint32_t total, int *finite) {
  const efme_collectives *c = group(t);
  if (!c) return EFME_OK;
  const struct efme_params *p = efme_trainer_params(t);
  uint64_t first = t->phases[t->position.phase].scope == EFME_SCOPE_HEAD ? p->trunk_end : 0, n = p->head_end - first;
  float *values = t->engine.exchange, share = (float)count / (float)total;
  efme_status status = efme_exec_read_region(t->engine.train, EFME_ARENA_GRADS, first * sizeof *values, values, n * sizeof *values);
  if (status) return status;
  for (uint64_t i = 0; i < n; i++) values[i] *= share;
  values[n] = *finite ? (t->cancel ? 1.0f : 0.0f) : FAILED;
  status = sum(c, values, n + 1);
  if (status) return status;
  if (!(values[n] < FAILED)) *finite = 0;
  t->stop = values[n] > 0.0f;
  return efme_exec_write_region(t->engine.train, EFME_ARENA_GRADS, first * sizeof *values, values, n * sizeof *values);
}

efme_status efme_group_statistics(struct efme_trainer *t) {
  const efme_collectives *c = group(t);
  const struct efme_plan *plan = t->engine.train->plan;
  if (!c || !plan->options.bn_update) return EFME_OK;
  const struct efme_params *p = efme_trainer_params(t);
  const struct {
    uint32_t arena;
    uint64_t base;
  } copies[2] = {{EFME_ARENA_WEIGHTS, 0}, {EFME_ARENA_OPT, plan->ema}};
  uint64_t n = p->total - p->head_end, bytes = n * sizeof(float);
  for (int i = 0; i < 2; i++) {
    if (copies[i].base == UINT64_MAX) continue;
    uint64_t at = copies[i].base + p->head_end * sizeof(float);
    efme_status status = efme_exec_read_region(t->engine.train, copies[i].arena, at, t->scratch, bytes);
    if (!status) status = sum(c, t->scratch, n);
    if (status) return status;
    for (uint64_t k = 0; k < n; k++) t->scratch[k] /= (float)c->ranks;
    status = efme_exec_write_region(t->engine.train, copies[i].arena, at, t->scratch, bytes);
    if (status) return status;
  }
  return EFME_OK;
}

efme_status efme_group_agree(struct efme_trainer *t) {
  const efme_collectives *c = group(t);
  float flag = t->cancel ? 1.0f : 0.0f;
  efme_status status = c ? sum(c, &flag, 1) : EFME_OK;
  if (!status) t->stop = flag > 0.0f;
  return status;
}

efme_status efme_group_broadcast(struct efme_trainer *t) {
  const efme_collectives *c = group(t);
  if (!c) return EFME_OK;
  size_t bytes = efme_trainer_params(t)->total * sizeof *t->scratch;
  efme_status status = efme_weights_read(t, t->scratch);
  if (status) return status;
  uint64_t own = efme_hash64(t->scratch, bytes, 0);
  status = c->broadcast(t->scratch, bytes, 0, c->user);
  if (status) return efme_fail(status, "the caller's broadcast failed: %s", efme_status_name(status));
  t->foreign_start = efme_hash64(t->scratch, bytes, 0) != own;
  return efme_weights_write(t, t->scratch);
}
