/* The thread pool: the caller works too, every thread starts with its own contiguous share of the tasks (so that what one
 * op wrote is read by the same core in the next) and takes from the others' shares when its own is used up.
 *
 * One atomic word carries everything: the job's number in the upper half, and below it a bit "open", a bit "somebody
 * sleeps" and the count of threads inside. A worker joins an open job by adding one to the word it read (so it cannot join
 * a job that has been closed or replaced meanwhile) and leaves by taking it off again; the caller closes the job when all
 * tasks are taken and waits for the count to fall to zero. A worker that the system wakes late finds the job closed: nobody
 * ever waits for a thread that has no task. Only acquire/release operations, no fences, so tsan can follow.
 *
 * An idle worker spins for about 20 us (a plan's ops follow each other closer than that) and then sleeps on a condition. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sched.h>

#include "cpu/cpu.h"
#include "util/util.h"

#define OPEN 0x80000000u
#define SLEEPS 0x40000000u
#define INSIDE 0x0000FFFFu
#define SPIN_NS 20000
#define STACK_BYTES (1u << 20)   /* kernels keep at most 128 KB on the stack; sanitizers need several times that */
#define STACK_LIMIT (256u << 20) /* for a host whose thread-local variables, which lie in each stack, leave no room in less */

struct share {
  _Atomic uint32_t next;
  uint32_t end;
  char pad[56]; /* a cache line each */
};

struct worker {
  struct efme_cpu_pool *pool;
  pthread_t thread;
  uint32_t index; /* 1 ..; the caller is 0 */
};

struct efme_cpu_pool {
  _Atomic uint64_t state;
  _Atomic uint32_t stop, busy;
  uint32_t started;
  char pad0[40];
  /* the job: written while closed and empty, read by those inside */
  efme_cpu_task_fn task;
  void *arg;
  uint32_t threads;
  char pad1[44];
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  struct share *shares;
  struct worker *workers;
};

static inline void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Takes tasks, first from share `self`, then from the others, until none is left. */
static void work(struct efme_cpu_pool *pool, uint32_t self) {
  for (uint32_t i = 0; i < pool->threads; i++) {
    uint32_t k = self + i < pool->threads ? self + i : self + i - pool->threads;
    struct share *share = &pool->shares[k];
    while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
      uint32_t index = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
      if (index >= share->end) break;
      pool->task(pool->arg, index);
    }
  }
}

/* Waits for a job other than `seen`; returns the word that shows it, or 0 to stop. */
static uint64_t await_job(struct efme_cpu_pool *pool, uint32_t seen) {
  int64_t until = now_ns() + SPIN_NS;
  for (uint32_t i = 1;; i++) {
    uint64_t s = atomic_load_explicit(&pool->state, memory_order_acquire);
    if (atomic_load_explicit(&pool->stop, memory_order_acquire)) return 0;
    if ((uint32_t)(s >> 32) != seen) return s;
    pause_cpu();
    if ((i & 31) == 0 && now_ns() > until) break;
  }
  pthread_mutex_lock(&pool->mutex);
  uint64_t s = atomic_load_explicit(&pool->state, memory_order_acquire);
  while ((uint32_t)(s >> 32) == seen && !atomic_load_explicit(&pool->stop, memory_order_acquire)) {
    /* The bit goes in only while the job is still the old one, so the caller that publishes the next one sees it; it then
     * takes the mutex to wake us, which it gets once we wait. */
    if ((s & SLEEPS) || atomic_compare_exchange_strong_explicit(&pool->state, &s, s | SLEEPS, memory_order_acq_rel, memory_order_acquire))
      pthread_cond_wait(&pool->wake, &pool->mutex);
    s = atomic_load_explicit(&pool->state, memory_order_acquire);
  }
  pthread_mutex_unlock(&pool->mutex);
  return atomic_load_explicit(&pool->stop, memory_order_acquire) ? 0 : s;
}

static void *worker_main(void *arg) {
  struct worker *w = arg;
  struct efme_cpu_pool *pool = w->pool;
  struct efme_fpenv saved;
  efme_fpenv_enter(&saved);
  uint32_t seen = 0;
  for (;;) {
    uint64_t s = await_job(pool, seen);
    if (!s) break;
    seen = (uint32_t)(s >> 32);
    int joined = 0;
    while (!joined && (uint32_t)(s >> 32) == seen && (s & OPEN))
      joined = atomic_compare_exchange_weak_explicit(&pool->state, &s, s + 1, memory_order_acq_rel, memory_order_acquire);
    if (!joined) continue;
    if (w->index < pool->threads) work(pool, w->index);
    atomic_fetch_sub_explicit(&pool->state, 1, memory_order_release);
  }
  efme_fpenv_leave(&saved);
  return NULL;
}

void efme_cpu_pool_run(struct efme_cpu_pool *pool, efme_cpu_task_fn task, void *arg, uint32_t count, uint32_t threads) {
  if (threads > pool->started + 1) threads = pool->started + 1;
  if (threads > count) threads = count;
  if (threads <= 1) {
    for (uint32_t i = 0; i < count; i++) task(arg, i);
    return;
  }
  pool->task = task;
  pool->arg = arg;
  pool->threads = threads;
  for (uint32_t i = 0; i < threads; i++) {
    atomic_store_explicit(&pool->shares[i].next, (uint32_t)((uint64_t)count * i / threads), memory_order_relaxed);
    pool->shares[i].end = (uint32_t)((uint64_t)count * (i + 1) / threads);
  }
  uint64_t old = atomic_load_explicit(&pool->state, memory_order_relaxed);
  uint32_t number = (uint32_t)(old >> 32) + 1;
  if (number == 0) number = 1; /* 0 is what a new worker has seen */
  old = atomic_exchange_explicit(&pool->state, (uint64_t)number << 32 | OPEN, memory_order_acq_rel);
  if (old & SLEEPS) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
  }
  work(pool, 0);
  uint64_t s = atomic_fetch_and_explicit(&pool->state, ~(uint64_t)OPEN, memory_order_acq_rel);
  for (uint32_t i = 1; s & INSIDE; i++) {
    pause_cpu();
    if ((i & 1023) == 0) sched_yield(); /* the thread we wait for may want this very core */
    s = atomic_load_explicit(&pool->state, memory_order_acquire);
  }
}

int efme_cpu_pool_enter(struct efme_cpu_pool *pool) { return !atomic_exchange_explicit(&pool->busy, 1, memory_order_acquire); }

void efme_cpu_pool_leave(struct efme_cpu_pool *pool) { atomic_store_explicit(&pool->busy, 0, memory_order_release); }

static int start(struct efme_cpu_pool *pool, uint32_t count) {
  pthread_attr_t attributes;
  size_t stack = STACK_BYTES;
  if (pthread_attr_init(&attributes)) return 0;
  pthread_attr_setstacksize(&attributes, stack);
  int failed = 0;
  for (uint32_t i = 0; i < count && !failed; i++) {
    struct worker *w = &pool->workers[i];
    w->pool = pool;
    w->index = i + 1;
    failed = efme_thread_create(&w->thread, &attributes, worker_main, w);
    while (failed == EINVAL && stack < STACK_LIMIT && !pthread_attr_setstacksize(&attributes, stack *= 4))
      failed = efme_thread_create(&w->thread, &attributes, worker_main, w);
    if (!failed) pool->started++;
  }
  pthread_attr_destroy(&attributes);
  return !failed;
}

struct efme_cpu_pool *efme_cpu_pool_create(const struct efme_backend_host *host, uint32_t threads) {
  size_t head = (sizeof(struct efme_cpu_pool) + 63) / 64 * 64, shares = threads * sizeof(struct share);
  char *memory = host->alloc(head + shares + threads * sizeof(struct worker), 64, host->alloc_user);
  if (!memory) {
    host->fail(EFME_E_NOMEM, "out of memory for the threads of the CPU backend");
    return NULL;
  }
  struct efme_cpu_pool *pool = (struct efme_cpu_pool *)(void *)memory;
  memset(pool, 0, sizeof *pool);
  pool->shares = (struct share *)(void *)(memory + head);
  pool->workers = (struct worker *)(void *)(memory + head + shares);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  if (start(pool, threads - 1)) return pool;
  efme_cpu_pool_destroy(pool, host);
  host->fail(EFME_E_NOMEM, "CPU backend: cannot start its threads");
  return NULL;
}

void efme_cpu_pool_destroy(struct efme_cpu_pool *pool, const struct efme_backend_host *host) {
  if (!pool) return;
  pthread_mutex_lock(&pool->mutex);
  atomic_store_explicit(&pool->stop, 1, memory_order_release);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->mutex);
  for (uint32_t i = 0; i < pool->started; i++) pthread_join(pool->workers[i].thread, NULL);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->mutex);
  host->free(pool, host->alloc_user);
}
