/* What a context handle holds: the allocator, the log and the opened backend. Every layer that keeps a context pointer
 * reaches them through this; it keeps the context alive with efme_context_retain (efme/context.h). */
#ifndef EFME_BACKEND_CONTEXT_H
#define EFME_BACKEND_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "util/util.h"

struct efme_context {
  atomic_uint references;
  struct efme_allocator allocator;
  efme_log_fn log; /* NULL: none */
  void *log_user;
  uint32_t log_level;
  pthread_mutex_t log_lock; /* recursive: a log callback may call the library, which may log */
  char name[96];            /* as asked for: "cuda:0"; backend.host.device points into it */
  struct efme_backend backend;
};

/* One line at this level, if the caller wants such lines. Any thread. */
void efme_context_log(struct efme_context *context, efme_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline const struct efme_allocator *efme_context_allocator(const struct efme_context *context) { return &context->allocator; }

#endif
