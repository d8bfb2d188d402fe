/* See strings.h: a bump allocator with a table of the interned ones. */
#include "data/strings.h"

#include <string.h>

#define BLOCK_BYTES 32768u

struct efme_strings_block {
  struct efme_strings_block *next;
  size_t used, size;
  char data[];
};

void efme_strings_init(struct efme_strings *s, const struct efme_allocator *a) {
  memset(s, 0, sizeof *s);
  s->allocator = a;
}

void efme_strings_free(struct efme_strings *s) {
  for (struct efme_strings_block *b = s->blocks, *next; b; b = next) {
    next = b->next;
    efme_mem_free(s->allocator, b);
  }
  efme_mem_free(s->allocator, s->slots);
  memset(s, 0, sizeof *s);
}

char *efme_strings_add(struct efme_strings *s, const char *text, size_t n) {
  struct efme_strings_block *b = s->blocks;
  if (!b || b->size - b->used < n + 1) {
    size_t size = EFME_MAX((size_t)BLOCK_BYTES, n + 1);
    b = efme_mem_alloc(s->allocator, sizeof *b + size, "strings");
    if (!b) return NULL;
    b->next = s->blocks, b->used = 0, b->size = size;
    s->blocks = b;
  }
  char *to = b->data + b->used;
  if (n) memcpy(to, text, n);
  to[n] = '\0';
  b->used += n + 1;
  return to;
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t find_slot(const struct efme_strings *s, const char *text, size_t n) {
  size_t at = (size_t)efme_hash64(text, n, 0) & (s->slot_count - 1);
  while (s->slots[at] && (strncmp(s->slots[at], text, n) || s->slots[at][n])) at = (at + 1) & (s->slot_count - 1);
  return at;
}

static int grow_slots(struct efme_strings *s) {
  struct efme_strings old = *s;
  size_t count = old.slot_count ? old.slot_count * 2 : 64;
  const char **slots = efme_mem_calloc(s->allocator, count, sizeof *slots, "strings");
  if (!slots) return 0;
  s->slots = slots, s->slot_count = count;
  for (size_t i = 0; i < old.slot_count; i++)
    if (old.slots[i]) slots[find_slot(s, old.slots[i], strlen(old.slots[i]))] = old.slots[i];
  efme_mem_free(s->allocator, old.slots);
  return 1;
}

const char *efme_strings_intern(struct efme_strings *s, const char *text, size_t n) {
  if (2 * (s->used + 1) > s->slot_count && !grow_slots(s)) return NULL;
  size_t at = find_slot(s, text, n);
  if (!s->slots[at]) {
    if (!(s->slots[at] = efme_strings_add(s, text, n))) return NULL;
    s->used++;
  }
  return s->slots[at];
}
