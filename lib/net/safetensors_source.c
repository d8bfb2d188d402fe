/* Where safetensors come from: a file or memory (the host's callback is a source by itself), and the content hash. */
#include "net/safetensors.h"

#include <string.h>
#include <unistd.h>

/* ---- sources ---- */

struct path_source {
  int fd;
  const char *path;
};

static efme_status read_path(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  const struct path_source *p = user;
  /* Offsets rise, but leave out what is not wanted. */
  if (lseek(p->fd, (off_t)offset, SEEK_SET) < 0) return efme_fail_errno(p->path, "move in it");
  return efme_file_read_some(p->fd, buffer, size, got, p->path);
}

efme_status efme_st_source_path(struct efme_st_source *out, const struct efme_allocator *a, const char *path) {
  struct path_source *p = efme_mem_alloc(a, sizeof *p, "a file");
  if (!p) return EFME_E_NOMEM;
  uint64_t size;
  efme_status status = efme_file_open(&p->fd, &size, path);
  if (status) {
    efme_mem_free(a, p);
    return status;
  }
  p->path = path;
  *out = (struct efme_st_source){read_path, p, size, path};
  return EFME_OK;
}

void efme_st_source_close(struct efme_st_source *source, const struct efme_allocator *a) {
  struct path_source *p = source->user;
  close(p->fd);
  efme_mem_free(a, p);
}

static efme_status read_memory(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  const struct efme_st_memory *m = user;
  *got = offset >= m->size ? 0 : (size_t)EFME_MIN((uint64_t)size, m->size - offset);
  if (*got) memcpy(buffer, m->data + offset, *got);
  return EFME_OK;
}

void efme_st_source_memory(struct efme_st_source *out, struct efme_st_memory *memory) {
  *out = (struct efme_st_source){read_memory, memory, memory->size, "weights in memory"};
}

/* ---- hashes ---- */

uint64_t efme_st_hash_tensor(const char *name, uint32_t dtype, const void *bytes, size_t size) {
  return efme_hash64(bytes, size, efme_hash64(name, strlen(name), dtype));
}

uint64_t efme_st_hash_pair(const char *key, const char *value) {
  return efme_hash64(value, strlen(value), efme_hash64(key, strlen(key), EFME_ST_COUNT));
}

uint64_t efme_st_hash(uint64_t tensors, uint64_t pairs) {
  const uint64_t both[2] = {tensors, pairs};
  return efme_hash64(both, sizeof both, 0);
}
