/* A chain of blocks filled from the front; a string longer than a block gets one of its own. */
#include <string.h>

#include "eval/pool.h"

#define EFME_POOL_BLOCK 16384u

struct efme_pool_block {
  struct efme_pool_block *next;
  size_t used, capacity;
  char data[];
};

void efme_pool_init(struct efme_pool *pool, const struct efme_allocator *a) {
  pool->allocator = a;
  pool->blocks = NULL;
}

static char *reserve(struct efme_pool *pool, size_t n) {
  struct efme_pool_block *b = pool->blocks;
  if (!b || b->capacity - b->used < n) {
    size_t capacity = EFME_MAX((size_t)EFME_POOL_BLOCK, n);
    if (capacity > SIZE_MAX - sizeof *b) {
      efme_fail(EFME_E_NOMEM, "out of memory: %zu bytes for strings", n);
      return NULL;
    }
    b = efme_mem_alloc(pool->allocator, sizeof *b + capacity, "strings");
    if (!b) return NULL;
    b->next = pool->blocks;
    b->used = 0;
    b->capacity = capacity;
    pool->blocks = b;
  }
  char *at = b->data + b->used;
  b->used += n;
  return at;
}

const char *efme_pool_add_n(struct efme_pool *pool, const char *s, size_t n) {
  char *copy = reserve(pool, n + 1);
  if (!copy) return NULL;
  if (n) memcpy(copy, s, n);
  copy[n] = '\0';
  return copy;
}

const char *efme_pool_add(struct efme_pool *pool, const char *s) { return efme_pool_add_n(pool, s, strlen(s)); }

const char *efme_pool_join(struct efme_pool *pool, const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  char *copy = reserve(pool, n + m + 2);
  if (!copy) return NULL;
  memcpy(copy, a, n);
  copy[n] = '/';
  memcpy(copy + n + 1, b, m + 1);
  return copy;
}

void efme_pool_free(struct efme_pool *pool) {
  for (struct efme_pool_block *b = pool->blocks, *next; b; b = next) {
    next = b->next;
    efme_mem_free(pool->allocator, b);
  }
  pool->blocks = NULL;
}
