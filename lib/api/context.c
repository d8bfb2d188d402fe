/* The context handle: checks the options, opens the backend, counts references. */
#include "backend/context.h"

#include <sched.h>
#include <string.h>

#include "efme/context.h"

#define EFME_MAX_THREADS 256

/* CPUs this process may run on. */
static uint32_t cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return 1;
  int n = CPU_COUNT(&set);
  return (uint32_t)EFME_MAX(1, EFME_MIN(n, EFME_MAX_THREADS));
}

static efme_status check_options(const efme_context_options *o) {
  if (o->threads > EFME_MAX_THREADS)
    return efme_fail(EFME_E_ARGUMENT, "threads is %u, at most %d are possible", o->threads, EFME_MAX_THREADS);
  if (o->cpu_level > EFME_CPU_AVX512) return efme_fail(EFME_E_ARGUMENT, "cpu_level is %u, not an efme_cpu_level", o->cpu_level);
  if (o->log_level > EFME_LOG_DEBUG) return efme_fail(EFME_E_ARGUMENT, "log_level is %u, not an efme_log_level", o->log_level);
  if (o->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_context_options.reserved is %u, it must be 0", o->reserved);
  if (!o->alloc != !o->free) return efme_fail(EFME_E_ARGUMENT, "alloc and free are given together or not at all");
  if (o->backend && strlen(o->backend) >= sizeof((efme_context *)0)->name)
    return efme_fail(EFME_E_ARGUMENT, "backend: \"%.64s...\" is not a backend's name", o->backend);
  return EFME_OK;
}

static void backend_log(void *user, int level, const char *message) { efme_context_log(user, (efme_log_level)level, "%s", message); }

static efme_status init_lock(pthread_mutex_t *lock) {
  pthread_mutexattr_t attributes;
  if (pthread_mutexattr_init(&attributes)) return efme_fail(EFME_E_NOMEM, "out of memory: a lock");
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  int failed = pthread_mutex_init(lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  return failed ? efme_fail(EFME_E_NOMEM, "out of memory: a lock") : EFME_OK;
}

static efme_status open_backend(efme_context *c, const efme_context_options *o) {
  struct efme_backend_host host;
  memset(&host, 0, sizeof host);
  host.threads = o->threads ? o->threads : cpu_count();
  host.cpu_level = o->cpu_level;
  host.alloc = c->allocator.alloc;
  host.free = c->allocator.free;
  host.alloc_user = c->allocator.user;
  host.parallel_for = o->parallel_for;
  host.parallel_user = o->parallel_user;
  host.log = backend_log;
  host.log_user = c;
  char chosen[256];
  efme_status status = efme_backend_open(&c->backend, o->backend ? c->name : NULL, &host, chosen);
  if (!status && chosen[0]) efme_context_log(c, EFME_LOG_INFO, "%s", chosen);
  return status;
}

efme_status efme_context_create(efme_context **out, const efme_context_options *options) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  static const efme_context_options defaults = EFME_CONTEXT_OPTIONS_INIT;
  efme_context_options o;
  efme_status status = efme_options_load(&o, sizeof o, options, &defaults, "efme_context_options");
  if (!status) status = check_options(&o);
  if (status) return status;
  struct efme_allocator allocator = efme_allocator_libc;
  if (o.alloc) allocator = (struct efme_allocator){o.alloc, o.free, o.alloc_user};
  efme_context *c = efme_mem_calloc(&allocator, 1, sizeof *c, "a context");
  if (!c) return EFME_E_NOMEM;
  atomic_init(&c->references, 1);
  c->allocator = allocator;
  c->log = o.log;
  c->log_user = o.log_user;
  c->log_level = o.log_level ? o.log_level : EFME_LOG_INFO;
  if (o.backend) strcpy(c->name, o.backend); /* its length is checked */
  status = init_lock(&c->log_lock);
  if (status) {
    efme_mem_free(&allocator, c);
    return status;
  }
  status = open_backend(c, &o);
  if (status) {
    pthread_mutex_destroy(&c->log_lock);
    efme_mem_free(&allocator, c);
    return status;
  }
  *out = c;
  return EFME_OK;
}

efme_context *efme_context_retain(efme_context *context) {
  if (context) atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
  return context;
}

void efme_context_release(efme_context *context) {
  if (!context || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1) return;
  efme_backend_close(&context->backend);
  pthread_mutex_destroy(&context->log_lock);
  struct efme_allocator allocator = context->allocator;
  efme_mem_free(&allocator, context);
}

void efme_context_log(struct efme_context *context, efme_log_level level, const char *format, ...) {
  if (!context->log || (uint32_t)level > context->log_level) return;
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  pthread_mutex_lock(&context->log_lock);
  context->log(level, text, context->log_user);
  pthread_mutex_unlock(&context->log_lock);
}

const char *efme_context_backend(const efme_context *context) { return context ? context->backend.api->name : ""; }

uint32_t efme_context_cpu_level(const efme_context *context) { return context ? context->backend.api->level(context->backend.be) : 0; }

uint32_t efme_context_threads(const efme_context *context) { return context ? context->backend.api->threads(context->backend.be) : 0; }
