/* Execution of a plan: buffers from the backend for its regions and its prepared programs. All device memory is reached
 * through the backend's copy functions. Nothing is allocated after creation. One thread at a time. */
#ifndef EFME_NET_EXEC_H
#define EFME_NET_EXEC_H

#include "net/plan.h"

/* Regions that somebody else owns (a model's packed weights, another exec's weights); NULL: the exec makes its own. A borrowed
 * ACT that is too small is replaced by an own one, any other borrowed region must be large enough. */
struct efme_exec_borrow {
  void *buffer[EFME_ARENA_COUNT];
  uint64_t size[EFME_ARENA_COUNT];
};

struct efme_exec {
  const struct efme_allocator *allocator;
  struct efme_backend *backend;
  const struct efme_plan *plan; /* the caller's; outlives the exec */
  void *buffer[EFME_ARENA_COUNT];
  uint64_t size[EFME_ARENA_COUNT];
  uint32_t owned; /* bit per region */
  uint32_t max_threads;
  void *prepare, *main, *update; /* programs, NULL where the list is empty */
};

/* max_threads: 0 all of the backend's, 1 the caller alone. borrow may be NULL. Own GRADS, OPT and IO are cleared, an own PACKED has the
 * plan's constants. Who lends PACKED has prepared it, with a plan of the same prepare list: efme_exec_prepare then does nothing. */
efme_status efme_exec_create(struct efme_exec **out, const struct efme_allocator *a, struct efme_backend *backend,
                             const struct efme_plan *plan, uint32_t max_threads, const struct efme_exec_borrow *borrow);
void efme_exec_free(struct efme_exec *e); /* NULL allowed */
/* What this exec can lend: the regions in `arenas` (bits 1 << arena). */
void efme_exec_lend(const struct efme_exec *e, uint32_t arenas, struct efme_exec_borrow *out);

efme_status efme_exec_prepare(struct efme_exec *e);                /* after the weights were set or updated; no-op without a list */
efme_status efme_exec_main(struct efme_exec *e, uint32_t batch);   /* forward [loss, backward] */
efme_status efme_exec_update(struct efme_exec *e);                 /* optimizer [EMA] */

/* Host memory to and from a tensor of the plan, `bytes` from `offset` bytes behind its start. Writes before a run are seen by it. */
efme_status efme_exec_write(struct efme_exec *e, const struct efme_tensor *t, uint64_t offset, const void *src, uint64_t bytes);
efme_status efme_exec_read(struct efme_exec *e, const struct efme_tensor *t, uint64_t offset, void *dst, uint64_t bytes);
/* The same for a region: whole flat WEIGHTS, GRADS, OPT. */
efme_status efme_exec_write_region(struct efme_exec *e, uint32_t arena, uint64_t offset, const void *src, uint64_t bytes);
efme_status efme_exec_read_region(struct efme_exec *e, uint32_t arena, uint64_t offset, void *dst, uint64_t bytes);
efme_status efme_exec_clear(struct efme_exec *e, uint32_t arena, uint64_t offset, uint64_t bytes); /* writes zeros */
efme_status efme_exec_set_step(struct efme_exec *e, const struct efme_step *step);

#endif
