/* Buffers that only the backend can touch; see strict.h. A mapping is
 *
 *   guard | pages that hold the data, which ends where they end | guard
 *
 * and its first page's address is the handle. So an access before, behind or outside run and copy ends the process. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "strict.h"

#define ALIGN 64

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static void protect(struct strict_buffer *b, int protection) {
  if (mprotect(b->map + page(), b->map_size - 2 * page(), protection)) strict_die("mprotect failed");
}

efme_status strict_buffer_create(struct strict *s, void **handle, size_t size) {
  struct strict_buffer *b = calloc(1, sizeof *b);
  size_t inner = round_up(round_up(size ? size : 1, ALIGN), page());
  if (!b) return s->host.fail(EFME_E_NOMEM, "strict: no memory");
  b->size = size;
  b->map_size = inner + 2 * page();
  b->map = mmap(NULL, b->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (b->map == MAP_FAILED) {
    free(b);
    return s->host.fail(EFME_E_NOMEM, "strict: no memory for a buffer");
  }
  b->data = b->map + page() + inner - round_up(size ? size : 1, ALIGN);
  strict_buffer_open(b, 1);
  strict_buffer_poison(b);
  strict_buffer_close(b);
  b->next = s->buffers;
  s->buffers = b;
  strict_control.buffers++;
  *handle = b->map;
  return EFME_OK;
}

void strict_buffer_destroy(struct strict *s, struct strict_buffer *b) {
  struct strict_buffer **link = &s->buffers;
  while (*link != b) link = &(*link)->next;
  *link = b->next;
  for (int i = 0; i < 2; i++)
    if (b->step[i]) strict_program_drop(s, b->step[i]);
  munmap(b->map, b->map_size);
  free(b);
}

struct strict_buffer *strict_buffer_find(struct strict *s, const void *handle, const char *what) {
  struct strict_buffer *b = s->buffers;
  while (b && b->map != handle) b = b->next;
  if (!b) strict_die("%s: no buffer of this backend", what);
  return b;
}

void strict_buffer_open(struct strict_buffer *b, int writable) { protect(b, writable ? PROT_READ | PROT_WRITE : PROT_READ); }
void strict_buffer_close(struct strict_buffer *b) { protect(b, PROT_NONE); }

/* Bytes of ones are a NaN as float and as double, and -1 as an integer. */
void strict_buffer_poison(struct strict_buffer *b) { memset(b->data, 0xff, b->size); }
