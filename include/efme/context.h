/* The context: threads, memory, log and backend. Everything else is created from one.
 *
 * There is no global state: two contexts never meet. A context may be used by any number of threads at once; its
 * options are fixed at creation. Handles are reference counted: each child keeps its context alive, so handles may be
 * released in any order. */
#ifndef EFME_CONTEXT_H
#define EFME_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "efme/export.h"
#include "efme/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_context efme_context;

/* Each level includes those before it. */
typedef enum efme_log_level { EFME_LOG_ERROR = 1, EFME_LOG_WARNING = 2, EFME_LOG_INFO = 3, EFME_LOG_DEBUG = 4 } efme_log_level;

/* Receives one line without a line end; message lives for the call only. Called from any thread of the library, one at a time per
 * context. */
typedef void (*efme_log_fn)(efme_log_level level, const char *message, void *user);

/* Returns size bytes aligned to alignment (a power of two, at least 16) or NULL. Called from any thread. */
typedef void *(*efme_alloc_fn)(size_t size, size_t alignment, void *user);
/* Releases what efme_alloc_fn returned; ptr is never NULL. Called from any thread. */
typedef void (*efme_free_fn)(void *ptr, void *user);

/* Runs task(arg, index) once for every index below count, in any order, on any threads, and returns when all have ended.
 * Results never depend on how it does so. Called on each thread that computes, by several at once where several do. */
typedef void (*efme_task_fn)(void *arg, uint32_t index);
typedef void (*efme_parallel_for_fn)(efme_task_fn task, void *arg, uint32_t count, void *user);

/* Progress of long work. Runs on the thread that made the call, one at a time. Return non-zero to cancel: the call then
 * answers EFME_E_CANCELLED and the object stays valid. done and total are in the unit that `what` names, which lives for the call only. */
typedef int (*efme_progress_fn)(const char *what, uint64_t done, uint64_t total, void *user);

/* Highest instruction set level that the CPU backend may use. A level the CPU lacks is lowered to what it has. Bits of
 * results are promised for one build at one level. */
typedef enum efme_cpu_level { EFME_CPU_AUTO = 0, EFME_CPU_BASELINE = 1, EFME_CPU_AVX2 = 2, EFME_CPU_AVX512 = 3 } efme_cpu_level;

typedef struct efme_context_options {
  size_t struct_size;                /* sizeof(efme_context_options) */
  uint32_t threads;                  /* 1..256; 0: one per CPU this process may run on, as always where parallel_for is given */
  uint32_t cpu_level;                /* efme_cpu_level */
  const char *backend;               /* "cpu", "cuda", "cuda:N", "auto" (NULL: "auto"), or a backend module's name; at most 95 bytes */
  efme_log_fn log;                   /* NULL: no log at all */
  void *log_user;
  uint32_t log_level;                /* highest efme_log_level delivered; 0: EFME_LOG_INFO */
  uint32_t reserved;                 /* 0 */
  efme_alloc_fn alloc;               /* both or neither; NULL: the C library's */
  efme_free_fn free;
  void *alloc_user;
  efme_parallel_for_fn parallel_for; /* the host's own; NULL: a pool of the context */
  void *parallel_user;
} efme_context_options;

#define EFME_CONTEXT_OPTIONS_INIT { sizeof(efme_context_options), 0, 0, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL }

/* options may be NULL for the defaults. Any thread. Errors: UNSUPPORTED or BACKEND where an explicitly named backend cannot be
 * used (the text says why); "auto" says in one log line what it took, and why where that is the CPU. */
EFME_API efme_status efme_context_create(efme_context **out, const efme_context_options *options);
/* Adds a reference and returns context. NULL is allowed, here and in every retain and release. */
EFME_API efme_context *efme_context_retain(efme_context *context);
/* Drops a reference; the last one, children included, frees the context and joins its threads. */
EFME_API void efme_context_release(efme_context *context);

/* "cpu" or the module's name; valid as long as the context. "" for NULL. */
EFME_API const char *efme_context_backend(const efme_context *context);
/* The level in use: EFME_CPU_BASELINE.. for the CPU backend, 0 for others. */
EFME_API uint32_t efme_context_cpu_level(const efme_context *context);
/* Threads the context computes with, the caller's included; where the host's parallel_for is used, how many its work is cut for. */
EFME_API uint32_t efme_context_threads(const efme_context *context);

typedef struct efme_device_info {
  size_t struct_size;
  char name[64];         /* what efme_context_options.backend takes: "cpu", "cuda:0" */
  char description[128]; /* the CPU's or GPU's own name */
  uint64_t memory;       /* bytes of the device (CPU: of the machine); 0 unknown */
  uint32_t usable;       /* 1, or 0 with the reason in `reason` */
  uint32_t reserved;
  char reason[256];
} efme_device_info;

#define EFME_DEVICE_INFO_INIT { sizeof(efme_device_info), "", "", 0, 0, 0, "" }

/* Devices of every backend that is built in or found as a module, usable or not; looked for anew by each call. Looking does not start a
 * device. Any thread. */
EFME_API uint32_t efme_device_count(void);
/* index: below efme_device_count(). Any thread. */
EFME_API efme_status efme_device_get(efme_device_info *out, uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
