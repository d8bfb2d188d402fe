/* Strings that live and die together: a result holds some for each of its rows, and frees them at once. */
#ifndef EFME_EVAL_POOL_H
#define EFME_EVAL_POOL_H

#include "util/util.h"

struct efme_pool {
  const struct efme_allocator *allocator;
  struct efme_pool_block *blocks;
};

void efme_pool_init(struct efme_pool *pool, const struct efme_allocator *a);
/* A NUL-terminated copy of n bytes; NULL with NOMEM's text. */
const char *efme_pool_add_n(struct efme_pool *pool, const char *s, size_t n);
const char *efme_pool_add(struct efme_pool *pool, const char *s);
/* "a/b" */
const char *efme_pool_join(struct efme_pool *pool, const char *a, const char *b);
void efme_pool_free(struct efme_pool *pool);

#endif
