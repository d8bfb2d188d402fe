/* Text that the library hands to its caller: it remembers the allocator it came from, so that efme_string_free needs no
 * context and the string may outlive the one it was made with. */
#include <string.h>

#include "efme/dataset.h"
#include "util/util.h"

/* Lies in front of the text; 64 bytes keep the block's alignment. */
struct owner {
  struct efme_allocator allocator;
};
#define OWNER_BYTES 64

efme_status efme_string_export(char **out, const struct efme_allocator *a, const char *text, size_t size) {
  if (size > SIZE_MAX - OWNER_BYTES - 1) return efme_fail(EFME_E_NOMEM, "out of memory: %zu bytes for text", size);
  char *block = efme_mem_alloc(a, OWNER_BYTES + size + 1, "text");
  if (!block) return EFME_E_NOMEM;
  struct owner owner = {*a};
  memcpy(block, &owner, sizeof owner);
  if (size) memcpy(block + OWNER_BYTES, text, size);
  block[OWNER_BYTES + size] = '\0';
  *out = block + OWNER_BYTES;
  return EFME_OK;
}

efme_status efme_text_export(struct efme_text *t, char **out) {
  char *text;
  size_t size;
  efme_status status = efme_text_take(t, &text, &size);
  if (status) return status;
  status = efme_string_export(out, t->allocator, text, size);
  efme_mem_free(t->allocator, text);
  return status;
}

void efme_string_free(char *text) {
  if (!text) return;
  struct owner owner;
  memcpy(&owner, text - OWNER_BYTES, sizeof owner);
  efme_mem_free(&owner.allocator, text - OWNER_BYTES);
}
