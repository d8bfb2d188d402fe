/* The strict backend's table; see strict.h. Every function takes the one lock, so that calls of all threads stand in one
 * order, and checks what a device would take for granted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strict.h"

struct strict_control strict_control;

_Noreturn void strict_die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("strict backend: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

efme_status strict_fail(struct strict *s, const char *format, ...) {
  char text[200];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return s->host.fail(EFME_E_BACKEND, text);
}

static struct strict *enter(void *be) {
  struct strict *s = be;
  pthread_mutex_lock(&s->lock);
  return s;
}

static efme_status leave(struct strict *s, efme_status status) {
  pthread_mutex_unlock(&s->lock);
  return status;
}

static efme_status lost(struct strict *s) { return strict_fail(s, "strict: the device is lost"); }

static uint32_t device_count(void) { return 1; }

static efme_status device_info(uint32_t index, efme_device_info *out) {
  if (index) return EFME_E_ARGUMENT;
  snprintf(out->description, sizeof out->description, "the CPU, by the letter");
  out->usable = 1;
  return EFME_OK;
}

static efme_status backend_open(void **be, const struct efme_backend_host *host) {
  struct strict *s = calloc(1, sizeof *s);
  if (!s) return host->fail(EFME_E_NOMEM, "strict: no memory");
  s->host = *host;
  efme_status status = efme_cpu_backend.open(&s->inner, &s->host);
  if (status) {
    free(s);
    return status;
  }
  pthread_mutex_init(&s->lock, NULL);
  *be = s;
  return EFME_OK;
}

static void backend_close(void *be) {
  struct strict *s = enter(be);
  strict_flush(s);
  if (s->buffers || s->programs) strict_die("closed with %s left", s->buffers ? "a buffer" : "a program");
  efme_cpu_backend.close(s->inner);
  leave(s, EFME_OK);
  pthread_mutex_destroy(&s->lock);
  free(s->queue);
  free(s);
}

static uint32_t threads(void *be) { return efme_cpu_backend.threads(((struct strict *)be)->inner); }
static uint32_t level(void *be) { return efme_cpu_backend.level(((struct strict *)be)->inner); }

/* ---- memory ---- */

static efme_status buffer_alloc(void *be, void **handle, size_t size) {
  struct strict *s = enter(be);
  return leave(s, s->lost ? lost(s) : strict_buffer_create(s, handle, size));
}

static void buffer_free(void *be, void *handle) {
  if (!handle) return;
  struct strict *s = enter(be);
  struct strict_buffer *b = strict_buffer_find(s, handle, "free");
  strict_flush(s);
  strict_buffer_destroy(s, b);
  leave(s, EFME_OK);
}

static struct strict_buffer *range(struct strict *s, const void *handle, size_t offset, size_t size, const char *what) {
  struct strict_buffer *b = strict_buffer_find(s, handle, what);
  if (offset > b->size || size > b->size - offset) strict_die("%s: %zu bytes at %zu of %zu", what, size, offset, b->size);
  return b;
}

static efme_status copy_in(void *be, void *handle, size_t offset, const void *src, size_t size) {
  struct strict *s = enter(be);
  struct strict_buffer *b = range(s, handle, offset, size, "copy_in");
  if (s->lost) return leave(s, lost(s));
  char *bytes = malloc(size + 1);
  if (!bytes) strict_die("no memory for a copy");
  memcpy(bytes, src, size);
  strict_control.copies_in++;
  strict_defer(s, (struct strict_entry){.kind = STRICT_COPY_IN, .dst = b, .dst_offset = offset, .size = size, .bytes = bytes});
  return leave(s, EFME_OK);
}

static efme_status copy_out(void *be, const void *handle, size_t offset, void *dst, size_t size) {
  struct strict *s = enter(be);
  struct strict_buffer *b = range(s, handle, offset, size, "copy_out");
  efme_status status = strict_flush(s);
  if (status) return leave(s, status);
  strict_buffer_open(b, 0);
  memcpy(dst, b->data + offset, size);
  strict_buffer_close(b);
  return leave(s, EFME_OK);
}

static efme_status copy(void *be, void *dst, size_t dst_offset, const void *src, size_t src_offset, size_t size) {
  struct strict *s = enter(be);
  struct strict_entry e = {.kind = STRICT_COPY, .dst_offset = dst_offset, .src_offset = src_offset, .size = size};
  e.dst = range(s, dst, dst_offset, size, "copy");
  e.src = range(s, src, src_offset, size, "copy");
  if (s->lost) return leave(s, lost(s));
  strict_defer(s, e);
  return leave(s, EFME_OK);
}

static efme_status backend_sync(void *be) {
  struct strict *s = enter(be);
  return leave(s, strict_flush(s));
}

/* ---- programs ---- */

static int supports(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  return efme_cpu_backend.supports(((struct strict *)be)->inner, op, max_batch, needs);
}

static efme_status prepare(void *be, void **program, const struct efme_op *ops, size_t count, uint32_t max_batch) {
  struct strict *s = enter(be);
  if (s->lost) return leave(s, lost(s));
  struct strict_program *p = calloc(1, sizeof *p);
  if (p) p->ops = malloc(count * sizeof *ops + 1), p->seen = calloc(1, (size_t)max_batch + 1);
  if (!p || !p->ops || !p->seen) strict_die("no memory for a program");
  efme_status status = efme_cpu_backend.prepare(s->inner, &p->inner, ops, count, max_batch);
  if (status) {
    free(p->ops), free(p->seen), free(p);
    return leave(s, status);
  }
  memcpy(p->ops, ops, count * sizeof *ops);
  p->count = count;
  p->max_batch = max_batch;
  p->references = 1;
  strict_describe(p);
  p->next = s->programs;
  s->programs = p;
  *program = p;
  return leave(s, EFME_OK);
}

static struct strict_program *known(struct strict *s, void *program, const char *what) {
  struct strict_program *p = s->programs;
  while (p && p != program) p = p->next;
  if (!p || p->released) strict_die("%s: no program of this backend", what);
  return p;
}

static efme_status run(void *be, void *program, const struct efme_bindings *bindings) {
  struct strict *s = enter(be);
  struct strict_program *p = known(s, program, "run");
  efme_status status = s->lost ? lost(s) : strict_admit(s, &p, bindings);
  if (status) return leave(s, status);
  p->references++; /* until it is done */
  strict_control.runs++;
  strict_defer(s, (struct strict_entry){.kind = STRICT_RUN, .program = p, .batch = bindings->batch});
  return leave(s, EFME_OK);
}

static void release(void *be, void *program) {
  if (!program) return;
  struct strict *s = enter(be);
  struct strict_program *p = known(s, program, "release");
  p->released = 1;
  strict_program_drop(s, p);
  leave(s, EFME_OK);
}

static const struct efme_backend_api api = {
    .size = sizeof api,
    .abi = EFME_BACKEND_ABI,
    .name = "strict",
    .device_count = device_count,
    .device_info = device_info,
    .open = backend_open,
    .close = backend_close,
    .threads = threads,
    .level = level,
    .alloc = buffer_alloc,
    .free = buffer_free,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .sync = backend_sync,
    .supports = supports,
    .prepare = prepare,
    .run = run,
    .release = release,
};

const struct efme_backend_api *efme_backend_entry(uint32_t abi, const char **reason);
const struct efme_backend_api *efme_backend_entry(uint32_t abi, const char **reason) {
  *reason = abi == EFME_BACKEND_ABI ? NULL : "strict: made for another interface";
  return abi == EFME_BACKEND_ABI ? &api : NULL;
}
