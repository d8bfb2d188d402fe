/* Memory for one op under test. Each tensor lies alone on its pages, its end against an inaccessible page, an inaccessible page before
 * its first: a read or write past the end faults. What is left on its pages is filled with FF bytes (NaN as a float) and checked
 * afterwards. */
#ifndef EFME_KERNELS_MEMORY_H
#define EFME_KERNELS_MEMORY_H

#include "cpu/ref/ref.h"

struct kernel_memory {
  char *base[EFME_ARENA_COUNT];
  size_t size[EFME_ARENA_COUNT];
};

/* Bytes of a tensor for batch images. */
size_t kernel_bytes(const struct efme_tensor *t, uint32_t batch);
/* Gives every tensor of op but `alias` (-1: none) its offset for max_batch images; alias gets alias_of's place. */
void kernel_layout(struct efme_op *op, uint32_t max_batch, int alias, int alias_of, size_t size[EFME_ARENA_COUNT]);
/* Maps the regions; 0 on failure. */
int kernel_map(struct kernel_memory *m, const struct efme_op *op, uint32_t max_batch, const size_t size[EFME_ARENA_COUNT]);
void kernel_unmap(struct kernel_memory *m);
char *kernel_at(const struct kernel_memory *m, const struct efme_tensor *t);
/* NULL, or the role whose surroundings (bytes beyond `batch` images included) are no longer FF. */
const char *kernel_spill(const struct kernel_memory *m, const struct efme_op *op, uint32_t batch, uint32_t max_batch);

#endif
