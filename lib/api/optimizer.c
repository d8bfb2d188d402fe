/* The optimizer handle: options checked once, constant afterwards. */
#include "efme/optimizer.h"

#include "backend/context.h"
#include "train/recipe.h"
#include "train/schedule.h"

efme_status efme_optimizer_create(efme_optimizer **out, efme_context *context, const efme_optimizer_options *options) {
  EFME_FPENV_DEFAULT;
  static const efme_optimizer_options defaults = EFME_OPTIMIZER_OPTIONS_INIT;
  if (!out || !context) return efme_fail(EFME_E_ARGUMENT, "efme_optimizer_create: %s is NULL", out ? "context" : "out");
  efme_optimizer_options o;
  efme_status status = efme_options_load(&o, sizeof o, options, &defaults, "efme_optimizer_options");
  if (!status) status = efme_optimizer_options_check(&o);
  if (status) return status;
  efme_optimizer *optimizer = efme_mem_calloc(efme_context_allocator(context), 1, sizeof *optimizer, "optimizer");
  if (!optimizer) return EFME_E_NOMEM;
  atomic_init(&optimizer->references, 1);
  optimizer->context = efme_context_retain(context);
  optimizer->options = o;
  *out = optimizer;
  return EFME_OK;
}

efme_optimizer *efme_optimizer_retain(efme_optimizer *optimizer) {
  if (optimizer) atomic_fetch_add_explicit(&optimizer->references, 1, memory_order_relaxed);
  return optimizer;
}

void efme_optimizer_release(efme_optimizer *optimizer) {
  if (!optimizer || atomic_fetch_sub_explicit(&optimizer->references, 1, memory_order_acq_rel) != 1) return;
  efme_context *context = optimizer->context;
  efme_mem_free(efme_context_allocator(context), optimizer);
  efme_context_release(context);
}

efme_status efme_optimizer_get_options(const efme_optimizer *optimizer, efme_optimizer_options *out) {
  if (!optimizer) return efme_fail(EFME_E_ARGUMENT, "efme_optimizer_get_options: optimizer is NULL");
  return efme_struct_store(out, &optimizer->options, sizeof optimizer->options, "efme_optimizer_options");
}

double efme_optimizer_rate(const efme_optimizer *optimizer, uint64_t t, uint64_t total) {
  EFME_FPENV_DEFAULT;
  return optimizer ? efme_schedule_rate(&optimizer->options, t, total, 0) : 0.0;
}
