/* Safetensors files: 8 bytes of little-endian header length, a JSON header, then the tensors' bytes without gaps.
 *
 * A file is read once, in rising order of offset, so that any source will do: a file, memory, the host's callback. Errors
 * name the source, the tensor and the reason. */
#ifndef EFME_NET_SAFETENSORS_H
#define EFME_NET_SAFETENSORS_H

#include "efme/model.h"
#include "util/util.h"

enum efme_st_dtype {
  EFME_ST_F32 = 0,
  EFME_ST_F16 = 1,
  EFME_ST_BF16 = 2, /* as efme_weight_type */
  EFME_ST_F64,
  EFME_ST_I64,
  EFME_ST_I32,
  EFME_ST_I16,
  EFME_ST_I8,
  EFME_ST_U64,
  EFME_ST_U32,
  EFME_ST_U16,
  EFME_ST_U8,
  EFME_ST_BOOL,
  EFME_ST_COUNT
};

#define EFME_ST_RANK 8
#define EFME_ST_HEADER_LIMIT 0x4000000u /* 64 MiB of JSON */
#define EFME_ST_ENTRY_LIMIT 65536u      /* tensors */
#define EFME_ST_METADATA_LIMIT 1024u

struct efme_st_entry {
  const char *name;
  uint64_t dims[EFME_ST_RANK];
  uint64_t count, begin, end; /* elements; bytes from the start of the data */
  uint32_t rank;
  uint32_t dtype;
};

struct efme_st_pair {
  const char *key, *value;
};

#define EFME_ST_UNKNOWN UINT64_MAX
struct efme_st_source {
  efme_read_fn read;
  void *user;
  uint64_t size;    /* of the whole file, or EFME_ST_UNKNOWN */
  const char *name; /* for errors; must outlive the reader */
};

struct efme_st_reader {
  const struct efme_allocator *allocator;
  struct efme_st_source source;
  char *header, *strings;
  struct efme_st_entry *entries; /* by offset */
  uint32_t *by_name;             /* indices into entries */
  size_t count, capacity;
  struct efme_st_pair *metadata;
  size_t metadata_count, metadata_capacity;
  uint64_t data; /* offset of the data in the file */
  void *raw;     /* bytes of the tensor last read */
  size_t raw_capacity;
};

/* Reads and checks the header. On failure nothing is kept. */
efme_status efme_st_open(struct efme_st_reader *r, const struct efme_allocator *a, const struct efme_st_source *source);
void efme_st_close(struct efme_st_reader *r);
const struct efme_st_entry *efme_st_find(const struct efme_st_reader *r, const char *name); /* NULL: none */
const char *efme_st_metadata(const struct efme_st_reader *r, const char *key);              /* NULL: none */
const char *efme_st_dtype_name(uint32_t dtype);
/* Fails with MISMATCH unless entry has this shape and one of the three float types. */
efme_status efme_st_expect(const struct efme_st_reader *r, const struct efme_st_entry *entry, const uint64_t *dims, uint32_t rank);
/* Reads entry (F32, F16, BF16) into count floats; entries in rising order. hash, if not NULL, gets efme_st_hash_tensor. */
efme_status efme_st_read(struct efme_st_reader *r, const struct efme_st_entry *entry, float *values, uint64_t *hash);
/* After the last tensor: fails if bytes follow the data. */
efme_status efme_st_finish(struct efme_st_reader *r);

/* Sources. The path's must be closed. */
efme_status efme_st_source_path(struct efme_st_source *out, const struct efme_allocator *a, const char *path);
void efme_st_source_close(struct efme_st_source *source, const struct efme_allocator *a);
struct efme_st_memory {
  const uint8_t *data;
  uint64_t size;
};
void efme_st_source_memory(struct efme_st_source *out, struct efme_st_memory *memory); /* memory must outlive it */

/* The content hash: efme_hash64 of two sums, over the tensors (name, type and bytes) and over the metadata (key and value).
 * Sums, so that the order in the file does not matter: another program may write the same content in another order. */
uint64_t efme_st_hash_tensor(const char *name, uint32_t dtype, const void *bytes, size_t size);
uint64_t efme_st_hash_pair(const char *key, const char *value);
uint64_t efme_st_hash(uint64_t tensors, uint64_t pairs);

struct efme_st_tensor { /* to be written */
  const char *name;
  const float *values;
  uint64_t dims[4], count;
  uint32_t rank;
};
/* Sum of the tensors' hashes as they will be written; NUMERIC where a finite value does not fit dtype. */
efme_status efme_st_hash_tensors(uint64_t *sum, const struct efme_allocator *a, const struct efme_st_tensor *tensors, size_t count,
                                 uint32_t dtype);
/* Atomically. */
efme_status efme_st_write(const struct efme_allocator *a, const char *path, const struct efme_st_tensor *tensors, size_t count,
                          uint32_t dtype, const struct efme_st_pair *metadata, size_t metadata_count);
/* To and from 16 bits, rounding to nearest even. */
void efme_halves_encode(void *out, const float *values, uint64_t count, uint32_t dtype);
void efme_halves_decode(float *values, const void *in, uint64_t count, uint32_t dtype);

#endif
