/* An allocator for tests, given to a context: it counts calls, blocks and bytes, and refuses what it is told to refuse. Any threads. */
#ifndef EFME_TEST_HEAP_H
#define EFME_TEST_HEAP_H

#include <malloc.h> /* malloc_usable_size */
#include <stdatomic.h>
#include <stdlib.h>

#include "test.h"

#include "efme/context.h"

/* tests/faults counts the C library's own allocations apart from these. */
#ifndef HEAP_TAKE
#define HEAP_TAKE(p, alignment, size) posix_memalign(p, alignment, size)
#define HEAP_GIVE(p) free(p)
#define HEAP_PAUSED 0
#endif

struct heap {
  atomic_long calls;        /* since heap_refuse */
  long refuse_from, refuse; /* of the calls from number refuse_from on (1 is the first) this many get NULL */
  atomic_long live;         /* blocks that are not given back */
  atomic_long bytes, peak;  /* in live blocks, and the most that ever were */
};

static inline void *heap_alloc(size_t size, size_t alignment, void *user) {
  struct heap *h = user;
  long number = HEAP_PAUSED ? 0 : atomic_fetch_add(&h->calls, 1) + 1;
  void *p = NULL;
  if (number && h->refuse_from && number >= h->refuse_from && number - h->refuse_from < h->refuse) return NULL;
  if (HEAP_TAKE(&p, alignment, size)) return NULL;
  atomic_fetch_add(&h->live, 1);
  long usable = (long)malloc_usable_size(p), bytes = atomic_fetch_add(&h->bytes, usable) + usable, peak = atomic_load(&h->peak);
  while (bytes > peak && !atomic_compare_exchange_weak(&h->peak, &peak, bytes)) {
  }
  return p;
}

static inline void heap_free(void *p, void *user) {
  struct heap *h = user;
  atomic_fetch_sub(&h->live, 1);
  atomic_fetch_sub(&h->bytes, (long)malloc_usable_size(p));
  HEAP_GIVE(p);
}

/* Counts calls from 0 again, and refuses `count` of them from number `from` on; from 0: none. */
static inline void heap_refuse(struct heap *h, long from, long count) {
  atomic_store(&h->calls, 0);
  h->refuse_from = from;
  h->refuse = count;
}

/* A context of test_backend() with so many threads, on this heap. */
static inline efme_status heap_context(efme_context **out, struct heap *h, uint32_t threads) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = test_backend(), o.threads = threads;
  o.alloc = heap_alloc, o.free = heap_free, o.alloc_user = h;
  return efme_context_create(out, &o);
}

/* Refuses one allocation of work after the other until it goes through: each time NOMEM with a text, and nothing left behind (work gives
 * back what it made). Returns how many were refused. */
static inline long heap_exhaust(struct heap *h, efme_status (*work)(void *), void *user) {
  for (long k = 1;; k++) {
    long live = atomic_load(&h->live);
    heap_refuse(h, k, 1);
    efme_status status = work(user);
    long calls = atomic_load(&h->calls);
    heap_refuse(h, 0, 0);
    ck_assert_msg(atomic_load(&h->live) == live, "allocation %ld refused: %ld blocks are left", k, atomic_load(&h->live) - live);
    if (calls < k) {
      ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
      return k - 1;
    }
    ck_assert_msg(status == EFME_E_NOMEM, "allocation %ld refused: %s, %s", k, efme_status_name(status), efme_last_error());
    ck_assert_msg(strstr(efme_last_error(), "memory") != NULL, "allocation %ld refused: \"%s\"", k, efme_last_error());
  }
}

#endif
