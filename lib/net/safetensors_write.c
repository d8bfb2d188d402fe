/* Writing safetensors: the header, padded with blanks to 8 bytes, and the tensors in the order given. */
#include <string.h>

#include "net/safetensors.h"
#include "net/safetensors_json.h"

static size_t bytes_of(uint64_t count, uint32_t dtype) { return (size_t)count * (dtype == EFME_ST_F32 ? 4 : 2); }

/* A float16 ends at 65504: what becomes infinite would be lost without a word. */
static efme_status check_range(const struct efme_st_tensor *t, uint32_t dtype) {
  float limit = dtype == EFME_ST_F16 ? 65520.0f : 0x1.ffp127f;
  for (uint64_t i = 0; dtype != EFME_ST_F32 && i < t->count; i++) {
    float v = t->values[i] < 0 ? -t->values[i] : t->values[i];
    if (v >= limit && v <= 3.402823466e38f)
      return efme_fail(EFME_E_NUMERIC, "tensor \"%s\": element %llu does not fit %s", t->name, (unsigned long long)i,
                       efme_st_dtype_name(dtype));
  }
  return EFME_OK;
}

/* The bytes as they go into the file: the values themselves, or scratch filled from them. */
static const void *encode(void *scratch, const struct efme_st_tensor *t, uint32_t dtype) {
  if (dtype == EFME_ST_F32) return t->values;
  efme_halves_encode(scratch, t->values, t->count, dtype);
  return scratch;
}

static efme_status make_scratch(void **scratch, const struct efme_allocator *a, const struct efme_st_tensor *tensors, size_t count,
                                uint32_t dtype) {
  uint64_t most = 0;
  for (size_t i = 0; dtype != EFME_ST_F32 && i < count; i++) most = EFME_MAX(most, tensors[i].count);
  *scratch = efme_mem_array(a, (size_t)most, 2, "a tensor");
  return *scratch ? EFME_OK : EFME_E_NOMEM;
}

efme_status efme_st_hash_tensors(uint64_t *sum, const struct efme_allocator *a, const struct efme_st_tensor *tensors, size_t count,
                                 uint32_t dtype) {
  void *scratch;
  efme_status status = make_scratch(&scratch, a, tensors, count, dtype);
  uint64_t total = 0;
  for (size_t i = 0; !status && i < count; i++) {
    status = check_range(&tensors[i], dtype);
    if (!status)
      total += efme_st_hash_tensor(tensors[i].name, dtype, encode(scratch, &tensors[i], dtype), bytes_of(tensors[i].count, dtype));
  }
  efme_mem_free(a, scratch);
  if (!status) *sum = total;
  return status;
}

static void write_header(struct efme_text *t, const struct efme_st_tensor *tensors, size_t count, uint32_t dtype,
                         const struct efme_st_pair *metadata, size_t metadata_count) {
  uint64_t at = 0;
  efme_text_add(t, "{\"__metadata__\":{");
  for (size_t i = 0; i < metadata_count; i++) {
    if (i) efme_text_add(t, ",");
    efme_pull_write_string(t, metadata[i].key);
    efme_text_add(t, ":");
    efme_pull_write_string(t, metadata[i].value);
  }
  efme_text_add(t, "}");
  for (size_t i = 0; i < count; i++) {
    uint64_t end = at + bytes_of(tensors[i].count, dtype);
    efme_text_add(t, ",");
    efme_pull_write_string(t, tensors[i].name);
    efme_text_printf(t, ":{\"dtype\":\"%s\",\"shape\":[", efme_st_dtype_name(dtype));
    for (uint32_t k = 0; k < tensors[i].rank; k++) efme_text_printf(t, k ? ",%llu" : "%llu", (unsigned long long)tensors[i].dims[k]);
    efme_text_printf(t, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)end);
    at = end;
  }
  efme_text_add(t, "}");
  while (!t->failed && t->size % 8) efme_text_add(t, " ");
}

efme_status efme_st_write(const struct efme_allocator *a, const char *path, const struct efme_st_tensor *tensors, size_t count,
                          uint32_t dtype, const struct efme_st_pair *metadata, size_t metadata_count) {
  struct efme_text t;
  efme_text_init(&t, a);
  write_header(&t, tensors, count, dtype, metadata, metadata_count);
  char *header;
  size_t size;
  efme_status status = efme_text_take(&t, &header, &size);
  if (status) return status;
  void *scratch = NULL;
  struct efme_atomic_file f;
  status = size > EFME_ST_HEADER_LIMIT
               ? efme_fail(EFME_E_LIMIT, "%s: its header would have %zu bytes, the limit is %u", path, size, EFME_ST_HEADER_LIMIT)
               : make_scratch(&scratch, a, tensors, count, dtype);
  if (!status && !(status = efme_atomic_open(&f, a, path))) {
    uint64_t length = size;
    efme_atomic_write(&f, &length, 8);
    efme_atomic_write(&f, header, size);
    for (size_t i = 0; i < count; i++) efme_atomic_write(&f, encode(scratch, &tensors[i], dtype), bytes_of(tensors[i].count, dtype));
    status = efme_atomic_commit(&f);
  }
  efme_mem_free(a, scratch);
  efme_mem_free(a, header);
  return status;
}
