/* The reference behind the backend table: for tests that want to see a plan, or the walker itself, run on it. Packs nothing, fuses
 * nothing, works on the caller's thread. */
#include "cpu/ref/ref.h"

#include <string.h>

#include "util/util.h"

struct program {
  size_t count;
  uint32_t max_batch;
  struct efme_op ops[];
};

static uint32_t device_count(void) { return 0; } /* never offered */
static efme_status device_info(uint32_t index, efme_device_info *out) {
  (void)index, (void)out;
  return efme_fail(EFME_E_ARGUMENT, "the reference has no devices");
}

static efme_status open_backend(void **be, const struct efme_backend_host *host) {
  struct efme_backend_host *copy = host->alloc(sizeof *copy, 64, host->alloc_user);
  if (!copy) return host->fail(EFME_E_NOMEM, "out of memory for the reference backend");
  *copy = *host;
  *be = copy;
  return EFME_OK;
}
static void close_backend(void *be) {
  struct efme_backend_host *host = be;
  if (host) host->free(host, host->alloc_user);
}

static uint32_t threads(void *be) { return (void)be, 1; }
static uint32_t level(void *be) { return (void)be, 0; }

static efme_status alloc_buffer(void *be, void **buffer, size_t size) {
  struct efme_backend_host *host = be;
  void *p = host->alloc(size ? size : 1, 64, host->alloc_user);
  if (!p) return host->fail(EFME_E_NOMEM, "out of memory for a buffer of the reference backend");
  *buffer = p;
  return EFME_OK;
}
static void free_buffer(void *be, void *buffer) {
  struct efme_backend_host *host = be;
  if (buffer) host->free(buffer, host->alloc_user);
}
static efme_status copy_in(void *be, void *buffer, size_t offset, const void *src, size_t size) {
  (void)be;
  memcpy((char *)buffer + offset, src, size);
  return EFME_OK;
}
static efme_status copy_out(void *be, const void *buffer, size_t offset, void *dst, size_t size) {
  (void)be;
  memcpy(dst, (const char *)buffer + offset, size);
  return EFME_OK;
}
static efme_status copy(void *be, void *dst, size_t dst_offset, const void *src, size_t src_offset, size_t size) {
  (void)be;
  memmove((char *)dst + dst_offset, (const char *)src + src_offset, size);
  return EFME_OK;
}
static efme_status sync(void *be) { return (void)be, EFME_OK; }

static int supports(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  uint32_t required, optional;
  (void)be, (void)max_batch;
  efme_ref_roles(op->kind, op->flags, &required, &optional);
  memset(needs, 0, sizeof *needs);
  return required != 0;
}

static efme_status prepare(void *be, void **program, const struct efme_op *ops, size_t count, uint32_t max_batch) {
  struct efme_backend_host *host = be;
  struct program *p = host->alloc(sizeof *p + count * sizeof *ops, 64, host->alloc_user);
  if (!p) return host->fail(EFME_E_NOMEM, "out of memory for a program of the reference backend");
  p->count = count;
  p->max_batch = max_batch;
  memcpy(p->ops, ops, count * sizeof *ops);
  *program = p;
  return EFME_OK;
}
static efme_status run(void *be, void *program, const struct efme_bindings *bindings) {
  struct program *p = program;
  (void)be;
  if (bindings->batch < 1 || bindings->batch > p->max_batch) return efme_fail(EFME_E_ARGUMENT, "reference: batch is not 1 .. max_batch");
  return efme_ref_run_list(p->ops, p->count, bindings->arena, bindings->batch);
}
static void release(void *be, void *program) { free_buffer(be, program); }

const struct efme_backend_api efme_ref_backend = {
    .size = sizeof(struct efme_backend_api),
    .abi = EFME_BACKEND_ABI,
    .name = "reference",
    .device_count = device_count,
    .device_info = device_info,
    .open = open_backend,
    .close = close_backend,
    .threads = threads,
    .level = level,
    .alloc = alloc_buffer,
    .free = free_buffer,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .sync = sync,
    .supports = supports,
    .prepare = prepare,
    .run = run,
    .release = release,
};
