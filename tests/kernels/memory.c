/* See memory.h. */
#include "memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }
static size_t whole_pages(size_t bytes) { return (bytes + page() - 1) / page() * page(); }
static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t kernel_bytes(const struct efme_tensor *t, uint32_t batch) { return efme_ref_count(t, batch) * efme_ref_element(t->dtype); }

void kernel_layout(struct efme_op *op, uint32_t max_batch, int alias, int alias_of, size_t size[EFME_ARENA_COUNT]) {
  for (int a = 0; a < EFME_ARENA_COUNT; a++) size[a] = page();
  for (int r = 0; r < EFME_T_COUNT; r++) {
    struct efme_tensor *t = &op->t[r];
    if (t->arena == EFME_ARENA_NONE || r == alias) continue;
    size_t bytes = aligned(kernel_bytes(t, max_batch)), room = whole_pages(bytes);
    t->offset = size[t->arena] + room - bytes;
    size[t->arena] += room + page();
  }
  if (alias >= 0) op->t[alias] = op->t[alias_of];
}

int kernel_map(struct kernel_memory *m, const struct efme_op *op, uint32_t max_batch, const size_t size[EFME_ARENA_COUNT]) {
  memset(m, 0, sizeof *m);
  for (int a = 1; a < EFME_ARENA_COUNT; a++) {
    void *p = mmap(NULL, size[a], PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return 0;
    m->base[a] = p;
    m->size[a] = size[a];
  }
  for (int r = 0; r < EFME_T_COUNT; r++) {
    const struct efme_tensor *t = &op->t[r];
    if (t->arena == EFME_ARENA_NONE) continue;
    size_t room = whole_pages(aligned(kernel_bytes(t, max_batch)));
    char *first = m->base[t->arena] + t->offset / page() * page();
    if (mprotect(first, room, PROT_READ | PROT_WRITE)) return 0;
    memset(first, 0xFF, room);
  }
  return 1;
}

void kernel_unmap(struct kernel_memory *m) {
  for (int a = 1; a < EFME_ARENA_COUNT; a++)
    if (m->base[a]) munmap(m->base[a], m->size[a]);
  memset(m, 0, sizeof *m);
}

char *kernel_at(const struct kernel_memory *m, const struct efme_tensor *t) { return m->base[t->arena] + t->offset; }

static int all_ff(const char *p, const char *end) {
  for (; p < end; p++)
    if (*(const unsigned char *)p != 0xFF) return 0;
  return 1;
}

const char *kernel_spill(const struct kernel_memory *m, const struct efme_op *op, uint32_t batch, uint32_t max_batch) {
  for (int r = 0; r < EFME_T_COUNT; r++) {
    const struct efme_tensor *t = &op->t[r];
    if (t->arena == EFME_ARENA_NONE || r == EFME_T_WS) continue;
    const char *first = m->base[t->arena] + t->offset / page() * page(), *at = kernel_at(m, t);
    const char *end = first + whole_pages(aligned(kernel_bytes(t, max_batch)));
    if (!all_ff(first, at) || !all_ff(at + kernel_bytes(t, batch), end)) return efme_ref_role_name(r);
  }
  return NULL;
}
