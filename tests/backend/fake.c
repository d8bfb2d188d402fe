/* A backend module that does nothing; FAKE_* says in which way it is wrong. */
#include <string.h>

#include "backend/backend.h"

const struct efme_backend_api *efme_backend_entry(uint32_t abi, const char **reason);

#ifdef FAKE_UNRESOLVED
uint32_t efme_nobody_has_this(void);
#endif

static uint32_t device_count(void) {
#if defined(FAKE_NO_DEVICE)
  return 0;
#elif defined(FAKE_UNRESOLVED)
  return efme_nobody_has_this();
#else
  return 2;
#endif
}

static efme_status device_info(uint32_t index, efme_device_info *out) {
  memcpy(out->name, index ? "fake:1" : "fake:0", 7);
  memcpy(out->description, "a device of the tests", 22);
  out->memory = 1000 + index;
  out->usable = 1;
  return EFME_OK;
}

static efme_status open_fake(void **be, const struct efme_backend_host *host) {
#ifdef FAKE_OPEN_FAILS
  (void)be;
  return host->fail(EFME_E_BACKEND, "the fake device is on fire");
#elif defined(FAKE_OPEN_SILENT)
  (void)be;
  (void)host;
  return EFME_E_BACKEND;
#else
  if (host->device && strcmp(host->device, "0") != 0 && strcmp(host->device, "1") != 0)
    return host->fail(EFME_E_BACKEND, "no such fake device");
  host->log(host->log_user, EFME_LOG_DEBUG, "fake opens");
  char *p = host->alloc(64, 64, host->alloc_user);
  if (!p) return host->fail(EFME_E_NOMEM, "no memory for the fake");
  *be = p;
  memcpy(p, &host, sizeof host); /* host must outlive this */
  return EFME_OK;
#endif
}

static void close_fake(void *be) {
  struct efme_backend_host *host;
  memcpy(&host, be, sizeof host);
  host->free(be, host->alloc_user);
}

static uint32_t threads(void *be) { return (void)be, 1; }
static uint32_t level(void *be) { return (void)be, 0; }
static efme_status alloc_buffer(void *be, void **buffer, size_t size) { return (void)be, (void)buffer, (void)size, EFME_E_UNSUPPORTED; }
static void free_buffer(void *be, void *buffer) { (void)be, (void)buffer; }
static efme_status copy_in(void *be, void *b, size_t o, const void *s, size_t n) {
  return (void)be, (void)b, (void)o, (void)s, (void)n, EFME_E_UNSUPPORTED;
}
static efme_status copy_out(void *be, const void *b, size_t o, void *d, size_t n) {
  return (void)be, (void)b, (void)o, (void)d, (void)n, EFME_E_UNSUPPORTED;
}
static efme_status copy(void *be, void *d, size_t o, const void *s, size_t p, size_t n) {
  return (void)be, (void)d, (void)o, (void)s, (void)p, (void)n, EFME_E_UNSUPPORTED;
}
static efme_status sync_fake(void *be) { return (void)be, EFME_OK; }
static int supports(void *be, const struct efme_op *op, uint32_t m, struct efme_op_needs *n) {
  return (void)be, (void)op, (void)m, (void)n, 0;
}
static efme_status prepare(void *be, void **p, const struct efme_op *o, size_t c, uint32_t m) {
  return (void)be, (void)p, (void)o, (void)c, (void)m, EFME_E_UNSUPPORTED;
}
__attribute__((unused)) static efme_status run(void *be, void *p, const struct efme_bindings *b) {
  return (void)be, (void)p, (void)b, EFME_E_UNSUPPORTED;
}
static void release(void *be, void *p) { (void)be, (void)p; }

#ifndef FAKE_SIZE
#define FAKE_SIZE sizeof(struct efme_backend_api)
#endif
#ifndef FAKE_ABI
#define FAKE_ABI EFME_BACKEND_ABI
#endif
#ifdef FAKE_HOLE
#define RUN NULL
#else
#define RUN run
#endif

__attribute__((unused)) static const struct efme_backend_api api = {
    FAKE_SIZE,   FAKE_ABI, "fake",   device_count, device_info, open_fake, close_fake, threads, level,  alloc_buffer,
    free_buffer, copy_in,  copy_out, copy,         sync_fake,   supports,  prepare,    RUN,     release};

#ifndef FAKE_NO_ENTRY
const struct efme_backend_api *efme_backend_entry(uint32_t abi, const char **reason) {
  (void)abi;
#if defined(FAKE_DECLINES)
  *reason = "unsupported: the fake has the day off";
  return NULL;
#elif defined(FAKE_SILENT)
  (void)reason;
  return NULL;
#else
  (void)reason;
  return &api;
#endif
}
#else
const struct efme_backend_api *const efme_backend_table = &api;
#endif
