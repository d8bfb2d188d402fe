/* malloc and its kin for the whole process: what cJSON, libjpeg and the C library take is counted and can be refused, under
 * AddressSanitizer too, whose own functions then do the work. Elsewhere (another C library, other sanitizers) nothing is interposed. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "faults.h"

static enum { IDLE, MEMORY, THREADS } armed;
static atomic_long calls, live;
static long refused;
static pthread_t armed_by;

static void arm(int what, long number) {
  atomic_store(&calls, 0);
  refused = number;
  armed_by = pthread_self();
  armed = what;
}

void libc_arm(long number) { arm(MEMORY, number); }
void threads_arm(long number) { arm(THREADS, number); }

long libc_disarm(void) {
  armed = IDLE;
  return atomic_load(&calls);
}

/* AddressSanitizer takes blocks by ways of its own that come back through free; its leak check looks at them instead. */
long libc_live(void) {
#ifdef FAULTS_ASAN
  return 0;
#else
  return atomic_load(&live);
#endif
}

#if defined(__GLIBC__) && !defined(FAULTS_NOT_INTERPOSED)

#ifdef FAULTS_ASAN
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t count, size_t size);
void *REAL(realloc)(void *p, size_t size);
void *REAL(memalign)(size_t alignment, size_t size);
void REAL(free)(void *p);

int libc_interposed(void) { return 1; }

static int refuse(void) {
#ifdef FAULTS_ASAN
  if (!pthread_equal(pthread_self(), armed_by)) return 0; /* a thread's start takes memory for the sanitizer, which cannot do without */
#endif
  if (faults_paused || armed != MEMORY || atomic_fetch_add(&calls, 1) + 1 != refused) return 0;
  errno = ENOMEM;
  return 1;
}

typedef int (*create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg) {
  static create_fn real;
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  if (!faults_paused && armed == THREADS && atomic_fetch_add(&calls, 1) + 1 == refused) return EAGAIN;
  return real(thread, attributes, start, arg);
}

static void *counted(void *p) {
  if (p) atomic_fetch_add(&live, 1);
  return p;
}

void *malloc(size_t size) { return refuse() ? NULL : counted(REAL(malloc)(size)); }
void *calloc(size_t count, size_t size) { return refuse() ? NULL : counted(REAL(calloc)(count, size)); }

void *realloc(void *p, size_t size) {
  if (refuse()) return NULL;
  if (!p) return counted(REAL(malloc)(size));
  return REAL(realloc)(p, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  void *p = refuse() ? NULL : counted(REAL(memalign)(alignment, size));
  if (p) *out = p;
  return p ? 0 : ENOMEM;
}

void free(void *p) {
  if (p) atomic_fetch_sub(&live, 1);
  REAL(free)(p);
}

int libc_take(void **out, size_t alignment, size_t size) {
  *out = REAL(memalign)(alignment, size);
  return *out ? 0 : ENOMEM;
}

void libc_give(void *p) { REAL(free)(p); }

#else

int libc_interposed(void) { return 0; }
int libc_take(void **out, size_t alignment, size_t size) { return posix_memalign(out, alignment, size); }
void libc_give(void *p) { free(p); }

#endif
