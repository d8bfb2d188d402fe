/* Reading safetensors: the header is checked completely before a tensor is touched, so that what it says can be trusted
 * (names once each, sizes that follow from type and shape, ranges that tile the data) as far as the source really has it. */
#include "net/safetensors.h"

#include <string.h>

#include "net/safetensors_json.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights are read and written as they lie in memory, which must be little-endian"
#endif

static const struct {
  const char *name;
  uint32_t size;
} dtypes[EFME_ST_COUNT] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8}, {"I32", 4}, {"I16", 2},
                           {"I8", 1},  {"U64", 8}, {"U32", 4},  {"U16", 2}, {"U8", 1},  {"BOOL", 1}};

const char *efme_st_dtype_name(uint32_t dtype) { return dtype < EFME_ST_COUNT ? dtypes[dtype].name : "?"; }

static efme_status fail_tensor(const struct efme_st_reader *r, const char *name, const char *reason) {
  return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": %s", r->source.name, name, reason);
}

/* Exactly size bytes at offset; *got is less only at the end of the source. */
static efme_status read_source(struct efme_st_reader *r, void *buffer, uint64_t offset, size_t size, size_t *got) {
  *got = 0;
  while (*got < size) {
    size_t n = 0;
    efme_status status = r->source.read((char *)buffer + *got, offset + *got, size - *got, &n, r->source.user);
    if (status) return status;
    if (n == 0) break;
    if (n > size - *got) return efme_fail(EFME_E_ARGUMENT, "%s: the read callback gave more bytes than it was asked for", r->source.name);
    *got += n;
  }
  return EFME_OK;
}

/* ---- header ---- */

static efme_status parse_shape(struct efme_pull *j, struct efme_st_entry *e) {
  struct efme_pull_list list;
  int more;
  efme_status status = efme_pull_open(j, &list, '[');
  e->rank = 0;
  while (!status && !(status = efme_pull_more(j, &list, &more)) && more) {
    if (e->rank == EFME_ST_RANK) return efme_pull_fail(j, "a shape of more than 8 dimensions");
    status = efme_pull_u64(j, &e->dims[e->rank++]);
  }
  return status;
}

static efme_status parse_offsets(struct efme_pull *j, struct efme_st_entry *e) {
  struct efme_pull_list list;
  int more, n = 0;
  uint64_t v[2] = {0, 0};
  efme_status status = efme_pull_open(j, &list, '[');
  while (!status && !(status = efme_pull_more(j, &list, &more)) && more) {
    if (n == 2) return efme_pull_fail(j, "data_offsets of more than two numbers");
    status = efme_pull_u64(j, &v[n++]);
  }
  if (status) return status;
  if (n != 2) return efme_pull_fail(j, "data_offsets must be two numbers");
  e->begin = v[0];
  e->end = v[1];
  return EFME_OK;
}

static efme_status parse_dtype(struct efme_pull *j, const struct efme_st_reader *r, struct efme_st_entry *e) {
  const char *name;
  efme_status status = efme_pull_string(j, &name, 0);
  if (status) return status;
  for (e->dtype = 0; e->dtype < EFME_ST_COUNT; e->dtype++)
    if (strcmp(dtypes[e->dtype].name, name) == 0) return EFME_OK;
  return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": unknown type \"%.32s\"", r->source.name, e->name, name);
}

/* {"dtype": .., "shape": [..], "data_offsets": [..]}, each once, in any order. */
static efme_status parse_entry(struct efme_pull *j, const struct efme_st_reader *r, struct efme_st_entry *e) {
  static const char *const keys[3] = {"dtype", "shape", "data_offsets"};
  struct efme_pull_list list;
  int more, seen[3] = {0, 0, 0};
  efme_status status = efme_pull_open(j, &list, '{');
  while (!status && !(status = efme_pull_more(j, &list, &more)) && more) {
    const char *key;
    status = efme_pull_string(j, &key, 1);
    if (status) return status;
    int k = 0;
    while (k < 3 && strcmp(keys[k], key) != 0) k++;
    if (k == 3) return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": unknown key \"%.32s\"", r->source.name, e->name, key);
    if (seen[k]++) return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": \"%s\" is there twice", r->source.name, e->name, keys[k]);
    status = k == 0 ? parse_dtype(j, r, e) : k == 1 ? parse_shape(j, e) : parse_offsets(j, e);
  }
  for (int k = 0; !status && k < 3; k++)
    if (!seen[k]) status = efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": \"%s\" is missing", r->source.name, e->name, keys[k]);
  return status ? efme_fail_prefix(status, "tensor \"%.200s\"", e->name) : EFME_OK;
}

static efme_status parse_metadata(struct efme_pull *j, struct efme_st_reader *r) {
  struct efme_pull_list list;
  int more;
  efme_status status = efme_pull_open(j, &list, '{');
  while (!status && !(status = efme_pull_more(j, &list, &more)) && more) {
    if (r->metadata_count == EFME_ST_METADATA_LIMIT) return efme_fail(EFME_E_LIMIT, "%s: too many metadata entries", r->source.name);
    void *items = r->metadata;
    status = efme_mem_grow(r->allocator, &items, &r->metadata_capacity, r->metadata_count + 1, sizeof *r->metadata, "metadata");
    r->metadata = items;
    if (status) return status;
    struct efme_st_pair *p = &r->metadata[r->metadata_count];
    status = efme_pull_string(j, &p->key, 1);
    if (!status) status = efme_pull_string(j, &p->value, 0);
    if (status) return status;
    if (efme_st_metadata(r, p->key)) return efme_fail(EFME_E_FORMAT, "%s: metadata key \"%.64s\" is there twice", r->source.name, p->key);
    r->metadata_count++;
  }
  return status;
}

static efme_status check_entry(const struct efme_st_reader *r, struct efme_st_entry *e) {
  uint64_t count = 1, bytes;
  for (uint32_t i = 0; i < e->rank; i++)
    if (__builtin_mul_overflow(count, e->dims[i], &count)) return fail_tensor(r, e->name, "its shape is larger than any memory");
  if (__builtin_mul_overflow(count, (uint64_t)dtypes[e->dtype].size, &bytes))
    return fail_tensor(r, e->name, "its shape is larger than any memory");
  if (e->begin > e->end) return fail_tensor(r, e->name, "its data_offsets run backwards");
  if (e->end - e->begin != bytes)
    return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": data_offsets span %llu bytes, type and shape need %llu", r->source.name,
                     e->name, (unsigned long long)(e->end - e->begin), (unsigned long long)bytes);
  e->count = count;
  return EFME_OK;
}

static efme_status parse_tensors(struct efme_pull *j, struct efme_st_reader *r) {
  struct efme_pull_list list;
  int more, metadata = 0;
  efme_status status = efme_pull_open(j, &list, '{');
  while (!status && !(status = efme_pull_more(j, &list, &more)) && more) {
    const char *key;
    status = efme_pull_string(j, &key, 1);
    if (status) return status;
    if (strcmp(key, "__metadata__") == 0) {
      if (metadata++) return efme_fail(EFME_E_FORMAT, "%s: \"__metadata__\" is there twice", r->source.name);
      status = parse_metadata(j, r);
      continue;
    }
    if (r->count == EFME_ST_ENTRY_LIMIT) return efme_fail(EFME_E_LIMIT, "%s: more than %u tensors", r->source.name, EFME_ST_ENTRY_LIMIT);
    void *items = r->entries;
    status = efme_mem_grow(r->allocator, &items, &r->capacity, r->count ? r->count + 1 : 384, sizeof *r->entries, "tensor table");
    r->entries = items;
    if (status) return status;
    struct efme_st_entry *e = &r->entries[r->count];
    memset(e, 0, sizeof *e);
    e->name = key;
    status = parse_entry(j, r, e);
    if (!status) status = check_entry(r, e);
    r->count++;
  }
  return status ? status : efme_pull_end(j);
}

/* ---- order: a heap sort, because the C library's may allocate behind the allocator's back ---- */

static int entry_before(const struct efme_st_entry *a, const struct efme_st_entry *b) {
  if (a->begin != b->begin) return a->begin < b->begin;
  return a->end < b->end; /* empty tensors first */
}

static void sift_entries(struct efme_st_entry *e, size_t root, size_t n) {
  for (size_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && entry_before(&e[child], &e[child + 1])) child++;
    if (!entry_before(&e[root], &e[child])) return;
    struct efme_st_entry t = e[root];
    e[root] = e[child];
    e[child] = t;
  }
}

static void sort_entries(struct efme_st_entry *e, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift_entries(e, i, n);
  for (size_t i = n; i-- > 1;) {
    struct efme_st_entry t = e[0];
    e[0] = e[i];
    e[i] = t;
    sift_entries(e, 0, i);
  }
}

static void sift_names(const struct efme_st_entry *e, uint32_t *index, size_t root, size_t n) {
  for (size_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && strcmp(e[index[child]].name, e[index[child + 1]].name) < 0) child++;
    if (strcmp(e[index[root]].name, e[index[child]].name) >= 0) return;
    uint32_t t = index[root];
    index[root] = index[child];
    index[child] = t;
  }
}

static void sort_names(const struct efme_st_entry *e, uint32_t *index, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift_names(e, index, i, n);
  for (size_t i = n; i-- > 1;) {
    uint32_t t = index[0];
    index[0] = index[i];
    index[i] = t;
    sift_names(e, index, 0, i);
  }
}

/* ---- the table as a whole ---- */

#define FIRST_PIECE (1u << 16) /* of a header whose length cannot be checked; ours have some 50 KB */

static efme_status check_names(struct efme_st_reader *r) {
  r->by_name = efme_mem_array(r->allocator, r->count, sizeof *r->by_name, "tensor table");
  if (!r->by_name) return EFME_E_NOMEM;
  for (size_t i = 0; i < r->count; i++) r->by_name[i] = (uint32_t)i;
  sort_names(r->entries, r->by_name, r->count);
  for (size_t i = 1; i < r->count; i++) {
    const char *name = r->entries[r->by_name[i]].name;
    if (strcmp(r->entries[r->by_name[i - 1]].name, name) == 0) return fail_tensor(r, name, "is there twice");
  }
  return EFME_OK;
}

/* The ranges must tile the data: each starts where the one before ends, and the file ends with the last. */
static efme_status check_ranges(const struct efme_st_reader *r) {
  uint64_t at = 0;
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_st_entry *e = &r->entries[i];
    if (e->begin < at)
      return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": overlaps \"%.200s\"", r->source.name, e->name, r->entries[i - 1].name);
    if (e->begin > at)
      return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": a hole of %llu bytes before it", r->source.name, e->name,
                       (unsigned long long)(e->begin - at));
    at = e->end;
  }
  if (r->source.size == EFME_ST_UNKNOWN) return EFME_OK;
  uint64_t have = r->source.size - r->data;
  for (size_t i = 0; i < r->count; i++)
    if (r->entries[i].end > have)
      return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": truncated: its data ends at byte %llu, the file has %llu", r->source.name,
                       r->entries[i].name, (unsigned long long)r->entries[i].end, (unsigned long long)have);
  if (have > at)
    return efme_fail(EFME_E_FORMAT, "%s: oversized: %llu bytes follow the last tensor", r->source.name, (unsigned long long)(have - at));
  return EFME_OK;
}

/* The header's n bytes. Where the size of the source is not known its length may be a lie: memory then follows what really comes. */
static efme_status read_text(struct efme_st_reader *r, uint64_t n) {
  size_t have = 0, capacity = 0, got;
  while (have < n) {
    size_t next = r->source.size != EFME_ST_UNKNOWN ? (size_t)n : (size_t)EFME_MIN(n, EFME_MAX(2 * (uint64_t)have, FIRST_PIECE));
    void *text = r->header;
    efme_status status = efme_mem_grow(r->allocator, &text, &capacity, next, 1, "weights header");
    r->header = text;
    if (!status) status = read_source(r, r->header + have, 8 + have, next - have, &got);
    if (status) return status;
    if (got < next - have)
      return efme_fail(EFME_E_FORMAT, "%s: truncated: %zu bytes of a header of %llu", r->source.name, have + got, (unsigned long long)n);
    have = next;
  }
  return EFME_OK;
}

static efme_status read_header(struct efme_st_reader *r) {
  uint8_t length[8];
  size_t got;
  efme_status status = read_source(r, length, 0, 8, &got);
  if (status) return status;
  if (got < 8) return efme_fail(EFME_E_FORMAT, "%s: truncated: %zu bytes, not even a header length", r->source.name, got);
  uint64_t n;
  memcpy(&n, length, 8);
  if (n < 2) return efme_fail(EFME_E_FORMAT, "%s: header length %llu is too short to be one", r->source.name, (unsigned long long)n);
  if (n > EFME_ST_HEADER_LIMIT)
    return efme_fail(EFME_E_LIMIT, "%s: header length %llu is beyond the limit of %u; is it a safetensors file?", r->source.name,
                     (unsigned long long)n, EFME_ST_HEADER_LIMIT);
  if (r->source.size != EFME_ST_UNKNOWN && n > r->source.size - 8)
    return efme_fail(EFME_E_FORMAT, "%s: truncated: header length %llu, the file has %llu bytes behind it", r->source.name,
                     (unsigned long long)n, (unsigned long long)(r->source.size - 8));
  status = read_text(r, n);
  if (status) return status;
  r->strings = efme_mem_alloc(r->allocator, n, "weights header");
  if (!r->strings) return EFME_E_NOMEM;
  r->data = 8 + n;
  struct efme_pull j = {r->header, r->source.name, n, 0, r->strings};
  status = parse_tensors(&j, r);
  efme_mem_free(r->allocator, r->header);
  r->header = NULL;
  return status;
}

efme_status efme_st_open(struct efme_st_reader *r, const struct efme_allocator *a, const struct efme_st_source *source) {
  memset(r, 0, sizeof *r);
  r->allocator = a;
  r->source = *source;
  efme_status status = read_header(r);
  if (!status) {
    sort_entries(r->entries, r->count);
    status = check_names(r);
  }
  if (!status) status = check_ranges(r);
  if (status) efme_st_close(r);
  return status;
}

void efme_st_close(struct efme_st_reader *r) {
  efme_mem_free(r->allocator, r->header);
  efme_mem_free(r->allocator, r->strings);
  efme_mem_free(r->allocator, r->entries);
  efme_mem_free(r->allocator, r->by_name);
  efme_mem_free(r->allocator, r->metadata);
  efme_mem_free(r->allocator, r->raw);
  const struct efme_allocator *a = r->allocator;
  memset(r, 0, sizeof *r);
  r->allocator = a;
}

const struct efme_st_entry *efme_st_find(const struct efme_st_reader *r, const char *name) {
  size_t low = 0, high = r->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const struct efme_st_entry *e = &r->entries[r->by_name[middle]];
    int c = strcmp(name, e->name);
    if (c == 0) return e;
    if (c < 0) high = middle;
    else low = middle + 1;
  }
  return NULL;
}

const char *efme_st_metadata(const struct efme_st_reader *r, const char *key) {
  for (size_t i = 0; i < r->metadata_count; i++)
    if (strcmp(r->metadata[i].key, key) == 0) return r->metadata[i].value;
  return NULL;
}

/* ---- tensors ---- */

static void shape_text(char *out, size_t size, const uint64_t *dims, uint32_t rank) {
  size_t n = (size_t)snprintf(out, size, "[");
  for (uint32_t i = 0; i < rank && n + 24 < size; i++)
    n += (size_t)snprintf(out + n, size - n, i ? ", %llu" : "%llu", (unsigned long long)dims[i]);
  snprintf(out + n, size - n, "]");
}

efme_status efme_st_expect(const struct efme_st_reader *r, const struct efme_st_entry *e, const uint64_t *dims, uint32_t rank) {
  if (e->dtype > EFME_ST_BF16)
    return efme_fail(EFME_E_MISMATCH, "%s: tensor \"%.200s\": wrong type %s, not F32, F16 or BF16", r->source.name, e->name,
                     efme_st_dtype_name(e->dtype));
  int same = e->rank == rank;
  for (uint32_t i = 0; same && i < rank; i++) same = e->dims[i] == dims[i];
  if (same) return EFME_OK;
  char have[192], want[192];
  shape_text(have, sizeof have, e->dims, e->rank);
  shape_text(want, sizeof want, dims, rank);
  return efme_fail(EFME_E_MISMATCH, "%s: tensor \"%.200s\": wrong shape %s, not %s", r->source.name, e->name, have, want);
}

efme_status efme_st_read(struct efme_st_reader *r, const struct efme_st_entry *e, float *values, uint64_t *hash) {
  if (e->dtype > EFME_ST_BF16) return fail_tensor(r, e->name, "is not of a float type that can be read");
  uint64_t size = e->end - e->begin;
  size_t got;
  efme_status status = size > PTRDIFF_MAX ? fail_tensor(r, e->name, "larger than any memory")
                                          : efme_mem_grow(r->allocator, &r->raw, &r->raw_capacity, (size_t)size, 1, "a tensor");
  if (!status) status = read_source(r, r->raw, r->data + e->begin, (size_t)size, &got);
  if (status) return status;
  if (got < size)
    return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\": truncated: %zu of its %llu bytes are there", r->source.name, e->name, got,
                     (unsigned long long)size);
  if (hash) *hash = efme_st_hash_tensor(e->name, e->dtype, r->raw, (size_t)size);
  if (e->dtype == EFME_ST_F32) memcpy(values, r->raw, (size_t)size);
  else efme_halves_decode(values, r->raw, e->count, e->dtype);
  return EFME_OK;
}

efme_status efme_st_finish(struct efme_st_reader *r) {
  if (r->source.size != EFME_ST_UNKNOWN) return EFME_OK; /* seen by check_ranges */
  char extra;
  size_t got;
  uint64_t end = r->count ? r->entries[r->count - 1].end : 0;
  efme_status status = read_source(r, &extra, r->data + end, 1, &got);
  if (!status && got) status = efme_fail(EFME_E_FORMAT, "%s: oversized: bytes follow the last tensor", r->source.name);
  return status;
}
