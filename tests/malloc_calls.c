/* See malloc_calls.h. glibc lets a program define these functions for everything in the process, and has its own under other names. */
#include "malloc_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

int malloc_paused;

#if defined(__GLIBC__) && !defined(MALLOC_NOT_INTERPOSED)

struct counter {
  atomic_long calls;
  long refused;
};
static struct counter allocations, threads;
static atomic_long live;
#ifdef MALLOC_ASAN
static pthread_t counted_thread; /* a thread's start takes memory for the sanitizer, which cannot do without */
#define COUNTED pthread_equal(pthread_self(), counted_thread)
#define REAL(name) __interceptor_##name
#else
#define COUNTED 1
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *p, size_t size);
void *REAL(memalign)(size_t alignment, size_t size);
void REAL(free)(void *p);

static void start(struct counter *c, long number) {
  atomic_store(&c->calls, 0);
  c->refused = number;
}

static int refuse(struct counter *c, int error) {
  if (malloc_paused || !COUNTED || atomic_fetch_add(&c->calls, 1) + 1 != c->refused) return 0;
  errno = error;
  return 1;
}

static void *kept(void *p) {
  if (p) atomic_fetch_add(&live, 1);
  return p;
}

void *malloc(size_t size) { return refuse(&allocations, ENOMEM) ? NULL : kept(REAL(malloc)(size)); }
void *calloc(size_t count, size_t size) { return refuse(&allocations, ENOMEM) ? NULL : kept(REAL(calloc)(count, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return refuse(&allocations, ENOMEM) ? NULL : kept(REAL(memalign)(alignment, size)); }

void *realloc(void *p, size_t size) {
  if (refuse(&allocations, ENOMEM)) return NULL;
  return p ? REAL(realloc)(p, size) : kept(REAL(malloc)(size));
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  void *p = aligned_alloc(alignment, size);
  if (p) *out = p;
  return p ? 0 : ENOMEM;
}

void free(void *p) {
  if (p) atomic_fetch_sub(&live, 1);
  REAL(free)(p);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg) {
  static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  return refuse(&threads, EAGAIN) ? EAGAIN : real(thread, attributes, run, arg);
}

int malloc_interposed(void) { return 1; }
long malloc_calls(void) { return atomic_load(&allocations.calls); }
long threads_calls(void) { return atomic_load(&threads.calls); }

long malloc_live(void) {
#ifdef MALLOC_ASAN
  return 0; /* it takes blocks by ways of its own that come back through free */
#else
  return atomic_load(&live);
#endif
}

void malloc_refuse(long number) {
#ifdef MALLOC_ASAN
  counted_thread = pthread_self();
#endif
  start(&allocations, number);
}

void threads_refuse(long number) {
#ifdef MALLOC_ASAN
  counted_thread = pthread_self();
#endif
  start(&threads, number);
}

int malloc_apart(void **out, size_t alignment, size_t size) {
  *out = REAL(memalign)(alignment, size);
  return *out ? 0 : ENOMEM;
}

void malloc_apart_free(void *p) { REAL(free)(p); }

#else

int malloc_interposed(void) { return 0; }
long malloc_calls(void) { return 0; }
long malloc_live(void) { return 0; }
void malloc_refuse(long number) { (void)number; }
void threads_refuse(long number) { (void)number; }
long threads_calls(void) { return 0; }
int malloc_apart(void **out, size_t alignment, size_t size) { return posix_memalign(out, alignment, size); }
void malloc_apart_free(void *p) { free(p); }

#endif
