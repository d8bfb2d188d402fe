/* lib/cpu's own seams: what program.c hands to a kernel, what a kernel's table holds, the thread pool and the levels.
 *
 * A kernel is a function `begin`, which cuts the op into phases of independent tasks, and one function a phase. begin runs
 * on the caller; the tasks of a phase run on any threads in any order; a barrier stands between two phases. How an op is
 * cut may depend on the number of threads only where each output is made by one task from inputs alone: partial sums are
 * cut by shape and batch, and merged in index order, so that bits never depend on threads. */
#ifndef EFME_CPU_H
#define EFME_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"

enum { EFME_CPU_PHASES = 3, EFME_CPU_VALUES = 16 };
/* CONV: kh kw C at most; a task prepares its windows on the stack. The stem has 27. */
enum { EFME_CPU_MAX_WINDOW = 12288 };

struct efme_cpu_needs {
  size_t workspace, packed; /* as in struct efme_op_needs */
  size_t scratch;           /* bytes that the program keeps for this op (shared by all its ops: garbage before and after) */
};

/* One op of one run, with its tensors resolved. */
struct efme_cpu_call {
  const struct efme_op *op;
  void *t[EFME_T_COUNT]; /* NULL: absent */
  char *scratch;         /* NULL where the op asked for none */
  uint32_t batch, threads;
  uint32_t serial;                  /* set by begin: too little work to wake anybody */
  uint32_t count[EFME_CPU_PHASES];  /* set by begin: tasks of each phase, 0: none */
  int64_t v[EFME_CPU_VALUES];       /* set by begin for its phases */
};

typedef void (*efme_cpu_needs_fn)(const struct efme_op *op, uint32_t max_batch, struct efme_cpu_needs *needs);
typedef void (*efme_cpu_begin_fn)(struct efme_cpu_call *c);
typedef void (*efme_cpu_phase_fn)(const struct efme_cpu_call *c, uint32_t index);

struct efme_cpu_kernel {
  uint16_t kind; /* efme_op_kind, 0 ends a table */
  efme_cpu_needs_fn needs; /* NULL: nothing */
  efme_cpu_begin_fn begin;
  efme_cpu_phase_fn phase[EFME_CPU_PHASES];
};

/* level.c: the best level of this CPU and operating system, and its own name. */
uint32_t efme_cpu_level_best(void);
void efme_cpu_name(char name[64]);

/* dispatch.c: the kernel of an op kind at a level, NULL where there is none. */
const struct efme_cpu_kernel *efme_cpu_kernel_find(uint32_t level, uint16_t kind);

/* check.c: 1 where the descriptor is well formed; 0 with a message that names the role. */
int efme_cpu_check(const struct efme_op *op, const struct efme_cpu_needs *needs, char *message, size_t size);

/* pool.c */
struct efme_cpu_pool;
typedef void (*efme_cpu_task_fn)(void *arg, uint32_t index);
/* `threads` counts the caller: threads - 1 are started. NULL on failure. */
struct efme_cpu_pool *efme_cpu_pool_create(const struct efme_backend_host *host, uint32_t threads);
void efme_cpu_pool_destroy(struct efme_cpu_pool *pool, const struct efme_backend_host *host);
/* 1: the pool is the caller's until left; 0: somebody else computes on it, run serially. */
int efme_cpu_pool_enter(struct efme_cpu_pool *pool);
void efme_cpu_pool_leave(struct efme_cpu_pool *pool);
/* Runs task(arg, 0 .. count-1) on at most `threads` threads, the caller's included; everything written is seen on return. */
void efme_cpu_pool_run(struct efme_cpu_pool *pool, efme_cpu_task_fn task, void *arg, uint32_t count, uint32_t threads);

/* backend.c's object, seen by program.c */
struct efme_cpu {
  struct efme_backend_host host;
  uint32_t level, threads;
  struct efme_cpu_pool *pool; /* NULL: one thread, or the host's parallel_for */
};

/* program.c: the program part of the backend's table. */
int efme_cpu_supports(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs);
efme_status efme_cpu_prepare(void *be, void **program, const struct efme_op *ops, size_t count, uint32_t max_batch);
efme_status efme_cpu_run(void *be, void *program, const struct efme_bindings *bindings);
void efme_cpu_release(void *be, void *program);

#endif
