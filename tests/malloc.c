/* See malloc.h. glibc lets a program define these functions for everything in the process, and has its own under other names. */
#include "malloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__has_feature)
#define HAS(x) __has_feature(x)
#else
#define HAS(x) 0
#endif

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !HAS(address_sanitizer) && \
    !HAS(thread_sanitizer) && !HAS(memory_sanitizer)

static atomic_long calls;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static void count(void) { atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed); }

void *malloc(size_t size) { return count(), __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return count(), __libc_calloc(n, size); }
void *realloc(void *p, size_t size) { return count(), __libc_realloc(p, size); }
void *aligned_alloc(size_t alignment, size_t size) { return count(), __libc_memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
  count();
  void *p = __libc_memalign(alignment, size);
  if (!p) return ENOMEM;
  *out = p;
  return 0;
}

int malloc_counted(void) { return 1; }
long malloc_calls(void) { return atomic_load(&calls); }
void *malloc_apart(size_t size, size_t alignment) { return __libc_memalign(alignment, size); }

#else

int malloc_counted(void) { return 0; }
long malloc_calls(void) { return 0; }
void *malloc_apart(size_t size, size_t alignment) {
  void *p = NULL;
  return posix_memalign(&p, alignment, size) ? NULL : p;
}

#endif
