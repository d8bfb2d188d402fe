/* See exec.h. Creation allocates and prepares; everything after it only copies and runs. */
#include "net/exec.h"

#include <string.h>

static const char *const region_names[EFME_ARENA_COUNT] = {
    "", "weights", "packed weights", "gradients", "optimizer state", "activations", "inputs", "step"};

static efme_status make_region(struct efme_exec *e, uint32_t arena, uint64_t size, const struct efme_exec_borrow *borrow) {
  if (borrow && borrow->buffer[arena]) {
    if (borrow->size[arena] >= size) {
      e->buffer[arena] = borrow->buffer[arena];
      e->size[arena] = borrow->size[arena];
      return EFME_OK;
    }
    if (arena != EFME_ARENA_ACT)
      return efme_fail(EFME_E_INTERNAL, "borrowed region for %s has %llu bytes, %llu are needed", region_names[arena],
                       (unsigned long long)borrow->size[arena], (unsigned long long)size);
  }
  if (size == 0) return EFME_OK;
  efme_status status = e->backend->api->alloc(e->backend->be, &e->buffer[arena], (size_t)size);
  if (status) return efme_fail_prefix(status, "%s", region_names[arena]);
  e->size[arena] = size;
  e->owned |= 1u << arena;
  return EFME_OK;
}

static efme_status prepare_list(struct efme_exec *e, void **program, const struct efme_plan_list *list) {
  if (list->count == 0) return EFME_OK;
  return e->backend->api->prepare(e->backend->be, program, list->ops, list->count, e->plan->options.max_batch);
}

static efme_status clear_own(struct efme_exec *e) {
  static const uint32_t cleared[] = {EFME_ARENA_GRADS, EFME_ARENA_OPT, EFME_ARENA_IO, EFME_ARENA_STEP};
  efme_status status = EFME_OK;
  for (size_t i = 0; i < EFME_COUNT(cleared) && !status; i++) {
    if (e->owned >> cleared[i] & 1) status = efme_exec_clear(e, cleared[i], 0, e->size[cleared[i]]);
  }
  for (uint32_t i = 0; i < e->plan->constant_count && !status; i++) {
    const struct efme_plan_constant *c = &e->plan->constants[i];
    if (e->owned >> EFME_ARENA_PACKED & 1) status = efme_exec_write(e, &c->tensor, 0, c->values, c->count * sizeof(float));
  }
  return status;
}

efme_status efme_exec_create(struct efme_exec **out, const struct efme_allocator *a, struct efme_backend *backend,
                             const struct efme_plan *plan, uint32_t max_threads, const struct efme_exec_borrow *borrow) {
  struct efme_exec *e = efme_mem_calloc(a, 1, sizeof *e, "execution");
  if (!e) return EFME_E_NOMEM;
  e->allocator = a;
  e->backend = backend;
  e->plan = plan;
  e->max_threads = max_threads;
  efme_status status = EFME_OK;
  for (uint32_t r = 1; r < EFME_ARENA_COUNT && !status; r++) status = make_region(e, r, plan->size[r], borrow);
  if (!status) status = clear_own(e);
  if (!status && !(borrow && borrow->buffer[EFME_ARENA_PACKED])) status = prepare_list(e, &e->prepare, &plan->prepare);
  if (!status) status = prepare_list(e, &e->main, &plan->main);
  if (!status) status = prepare_list(e, &e->update, &plan->update);
  if (status) {
    efme_exec_free(e);
    return status;
  }
  *out = e;
  return EFME_OK;
}

void efme_exec_free(struct efme_exec *e) {
  if (!e) return;
  const struct efme_backend_api *api = e->backend->api;
  void *programs[] = {e->prepare, e->main, e->update};
  for (size_t i = 0; i < EFME_COUNT(programs); i++) {
    if (programs[i]) api->release(e->backend->be, programs[i]);
  }
  for (uint32_t r = 1; r < EFME_ARENA_COUNT; r++) {
    if (e->owned >> r & 1) api->free(e->backend->be, e->buffer[r]);
  }
  efme_mem_free(e->allocator, e);
}

void efme_exec_lend(const struct efme_exec *e, uint32_t arenas, struct efme_exec_borrow *out) {
  memset(out, 0, sizeof *out);
  for (uint32_t r = 1; r < EFME_ARENA_COUNT; r++) {
    if (!(arenas >> r & 1)) continue;
    out->buffer[r] = e->buffer[r];
    out->size[r] = e->size[r];
  }
}

static efme_status run(struct efme_exec *e, void *program, uint32_t batch) {
  if (!program) return EFME_OK;
  struct efme_bindings b;
  memset(&b, 0, sizeof b);
  b.size = sizeof b;
  b.batch = batch;
  b.max_threads = e->max_threads;
  b.lanes = 1;
  memcpy(b.arena, e->buffer, sizeof b.arena);
  return e->backend->api->run(e->backend->be, program, &b);
}

efme_status efme_exec_prepare(struct efme_exec *e) { return run(e, e->prepare, 1); }

efme_status efme_exec_main(struct efme_exec *e, uint32_t batch) {
  if (batch < 1 || batch > e->plan->options.max_batch)
    return efme_fail(EFME_E_INTERNAL, "batch of %u images, planned for 1..%u", (unsigned)batch, (unsigned)e->plan->options.max_batch);
  return run(e, e->main, batch);
}

efme_status efme_exec_update(struct efme_exec *e) { return run(e, e->update, 1); }

/* ---- memory ---- */

static efme_status bounds(const struct efme_exec *e, uint32_t arena, uint64_t offset, uint64_t bytes) {
  if (arena > 0 && arena < EFME_ARENA_COUNT && offset <= e->size[arena] && bytes <= e->size[arena] - offset) return EFME_OK;
  return efme_fail(EFME_E_INTERNAL, "%llu bytes at %llu lie outside the region for %s", (unsigned long long)bytes,
                   (unsigned long long)offset, arena < EFME_ARENA_COUNT ? region_names[arena] : "nothing");
}

efme_status efme_exec_write_region(struct efme_exec *e, uint32_t arena, uint64_t offset, const void *src, uint64_t bytes) {
  efme_status status = bounds(e, arena, offset, bytes);
  if (status || bytes == 0) return status;
  return e->backend->api->copy_in(e->backend->be, e->buffer[arena], (size_t)offset, src, (size_t)bytes);
}

efme_status efme_exec_read_region(struct efme_exec *e, uint32_t arena, uint64_t offset, void *dst, uint64_t bytes) {
  efme_status status = bounds(e, arena, offset, bytes);
  if (status || bytes == 0) return status;
  return e->backend->api->copy_out(e->backend->be, e->buffer[arena], (size_t)offset, dst, (size_t)bytes);
}

efme_status efme_exec_clear(struct efme_exec *e, uint32_t arena, uint64_t offset, uint64_t bytes) {
  static const uint8_t zeros[4096];
  efme_status status = EFME_OK;
  while (bytes && !status) {
    uint64_t n = EFME_MIN(bytes, sizeof zeros);
    status = efme_exec_write_region(e, arena, offset, zeros, n);
    offset += n, bytes -= n;
  }
  return status;
}

static efme_status inside(const struct efme_tensor *t, uint64_t offset, uint64_t bytes) {
  if (t->arena && offset <= efme_tensor_bytes(t) && bytes <= efme_tensor_bytes(t) - offset) return EFME_OK;
  return efme_fail(EFME_E_INTERNAL, "%llu bytes at %llu do not lie in a tensor of %llu", (unsigned long long)bytes,
                   (unsigned long long)offset, (unsigned long long)efme_tensor_bytes(t));
}

efme_status efme_exec_write(struct efme_exec *e, const struct efme_tensor *t, uint64_t offset, const void *src, uint64_t bytes) {
  efme_status status = inside(t, offset, bytes);
  return status ? status : efme_exec_write_region(e, t->arena, t->offset + offset, src, bytes);
}

efme_status efme_exec_read(struct efme_exec *e, const struct efme_tensor *t, uint64_t offset, void *dst, uint64_t bytes) {
  efme_status status = inside(t, offset, bytes);
  return status ? status : efme_exec_read_region(e, t->arena, t->offset + offset, dst, bytes);
}

efme_status efme_exec_set_step(struct efme_exec *e, const struct efme_step *step) {
  return efme_exec_write_region(e, EFME_ARENA_STEP, 0, step, sizeof *step);
}
