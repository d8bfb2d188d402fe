/* Memory through the context's allocator: everything the library holds comes from here, so that a host can count, bound
 * or refuse it. Every block is 64-byte aligned, which is what the vector kernels ask for. */
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

#define EFME_ALIGNMENT 64

static void *libc_alloc(size_t size, size_t alignment, void *user) {
  (void)user;
  void *p;
  return posix_memalign(&p, alignment, size) ? NULL : p;
}

static void libc_free(void *ptr, void *user) {
  (void)user;
  free(ptr);
}

const struct efme_allocator efme_allocator_libc = {libc_alloc, libc_free, NULL};

void *efme_mem_alloc(const struct efme_allocator *a, size_t size, const char *what) {
  void *p = NULL;
  if (size <= PTRDIFF_MAX - EFME_ALIGNMENT) p = a->alloc(size ? size : 1, EFME_ALIGNMENT, a->user);
  if (!p) efme_fail(EFME_E_NOMEM, "out of memory: %zu bytes for %s", size, what);
  return p;
}

void *efme_mem_array(const struct efme_allocator *a, size_t count, size_t size, const char *what) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    efme_fail(EFME_E_NOMEM, "out of memory: %zu times %zu bytes for %s", count, size, what);
    return NULL;
  }
  return efme_mem_alloc(a, bytes, what);
}

void *efme_mem_calloc(const struct efme_allocator *a, size_t count, size_t size, const char *what) {
  void *p = efme_mem_array(a, count, size, what);
  if (p) memset(p, 0, count * size);
  return p;
}

efme_status efme_mem_grow(const struct efme_allocator *a, void **items, size_t *capacity, size_t need, size_t size, const char *what) {
  if (need <= *capacity && *items) return EFME_OK;
  size_t wanted = *capacity < SIZE_MAX / 2 ? *capacity * 2 : SIZE_MAX;
  if (wanted < need) wanted = need;
  if (wanted < 8) wanted = 8;
  void *p = efme_mem_array(a, wanted, size, what);
  if (!p) return EFME_E_NOMEM;
  if (*items) {
    memcpy(p, *items, *capacity * size);
    efme_mem_free(a, *items);
  }
  *items = p;
  *capacity = wanted;
  return EFME_OK;
}

char *efme_mem_strndup(const struct efme_allocator *a, const char *s, size_t n) {
  n = strnlen(s, n);
  char *p = efme_mem_alloc(a, n + 1, "text");
  if (!p) return NULL;
  memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

char *efme_mem_strdup(const struct efme_allocator *a, const char *s) { return efme_mem_strndup(a, s, strlen(s)); }

void efme_mem_free(const struct efme_allocator *a, void *p) {
  if (p) a->free(p, a->user);
}
