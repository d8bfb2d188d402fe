/* Weights between host and device, and which of them count: with EMA on, the averaged ones of what the phase trains. What a
 * phase holds fixed is taken from the weights themselves, since averaging equal numbers may round them away. */
#include <math.h>
#include <string.h>

#include "train/state.h"

/* Ranges that the running phase changes, in floats; 0 where no averages are kept. */
static int averaged_ranges(const struct efme_trainer *t, uint64_t first[2], uint64_t end[2]) {
  const struct efme_params *p = efme_trainer_params(t);
  if (!t->engine.ready || t->engine.train->plan->ema == UINT64_MAX) return 0;
  const struct efme_plan_options *o = &t->engine.train->plan->options;
  first[0] = o->scope == EFME_SCOPE_HEAD ? p->trunk_end : 0;
  end[0] = p->head_end;
  first[1] = p->head_end;
  end[1] = p->total;
  return o->scope == EFME_SCOPE_ALL && o->bn_update ? 2 : 1;
}

efme_status efme_weights_write(struct efme_trainer *t, const float *values) {
  const struct efme_backend *b = &t->context->backend;
  return b->api->copy_in(b->be, t->weights, 0, values, efme_trainer_params(t)->total * sizeof *values);
}

efme_status efme_weights_read(const struct efme_trainer *t, float *out) {
  uint64_t bytes = efme_trainer_params(t)->total * sizeof *out, first[2], end[2];
  if (t->failed) {
    memcpy(out, t->good, bytes);
    return EFME_OK;
  }
  const struct efme_backend *b = &t->context->backend;
  efme_status status = b->api->copy_out(b->be, t->weights, 0, out, bytes);
  int ranges = averaged_ranges(t, first, end);
  for (int i = 0; i < ranges && !status; i++)
    status = efme_exec_read_region(t->engine.train, EFME_ARENA_OPT, t->engine.train->plan->ema + first[i] * sizeof *out, out + first[i],
                                   (end[i] - first[i]) * sizeof *out);
  return status;
}

efme_status efme_weights_finite(const struct efme_trainer *t, const float *values) {
  const struct efme_position *p = &t->position;
  for (uint64_t i = 0; i < efme_trainer_params(t)->total; i++)
    if (!isfinite(values[i]))
      return efme_fail(EFME_E_NUMERIC, "a weight is not finite %s step %llu of epoch %u of phase %u; the last good weights are kept",
                       p->step ? "after" : "before", (unsigned long long)EFME_MAX(p->step, 1u), p->epoch + 1, p->phase + 1);
  return EFME_OK;
}

efme_status efme_weights_counting(struct efme_trainer *t, void **buffer) {
  uint64_t bytes = efme_trainer_params(t)->total * sizeof(float), first[2], end[2];
  int ranges = averaged_ranges(t, first, end);
  const struct efme_backend *b = &t->context->backend;
  *buffer = ranges ? t->averaged : t->weights;
  efme_status status = ranges ? b->api->copy(b->be, t->averaged, 0, t->weights, 0, bytes) : EFME_OK;
  for (int i = 0; i < ranges && !status; i++)
    status = b->api->copy(b->be, t->averaged, first[i] * sizeof(float), t->engine.train->buffer[EFME_ARENA_OPT],
                          t->engine.train->plan->ema + first[i] * sizeof(float), (end[i] - first[i]) * sizeof(float));
  return status;
}
