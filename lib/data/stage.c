/* The stage: every sample as bytes of one size, kept where there is room. See loader.h. */
#include <stdatomic.h>
#include <string.h>

#include "data/dataset.h"
#include "data/loader.h"

enum { EMPTY = 0, BEING_FILLED = 1, FILLED = 2 };

struct efme_stage {
  atomic_uint refs;
  efme_dataset *dataset; /* retained */
  const struct efme_allocator *allocator;
  struct efme_stage_info info;
  int in_memory; /* staged bytes are the store's own */
  uint8_t *cache;
  _Atomic unsigned char *state; /* [count] of the cache */
};

/* 1 where every sample is known to be grey. Stores of one kind are asked once; files are opened, up to the first that has colours. */
static efme_status count_channels(struct efme_stage *s) {
  const efme_dataset *d = s->dataset;
  const struct efme_store *known = NULL;
  s->info.channels = 1;
  for (uint64_t i = 0; i < d->count && s->info.channels == 1; i++) {
    const struct efme_store *store = efme_item_store(d, i);
    if (store == known) continue;
    struct efme_size size;
    efme_status status = efme_item_size(d, i, &size);
    if (status) return status;
    if (store->size.width) known = store;
    if (size.channels != 1) s->info.channels = 3;
  }
  s->info.sample_bytes = (size_t)s->info.width * s->info.height * s->info.channels;
  return EFME_OK;
}

static int all_in_memory(const struct efme_stage *s) {
  const efme_dataset *d = s->dataset;
  for (uint32_t i = 0; i < d->store_count; i++) {
    const struct efme_store *t = d->stores[i];
    if (!t->source->bytes || t->size.width != s->info.width || t->size.height != s->info.height || t->size.channels != s->info.channels)
      return 0;
  }
  return 1;
}

static efme_status make_cache(struct efme_stage *s, uint64_t cache_bytes) {
  uint64_t bytes;
  s->in_memory = all_in_memory(s);
  if (!s->in_memory && (__builtin_mul_overflow((uint64_t)s->info.sample_bytes, s->info.count, &bytes) || bytes > cache_bytes))
    return EFME_OK;
  s->info.cached = 1;
  if (s->in_memory) return EFME_OK;
  s->cache = efme_mem_alloc(s->allocator, (size_t)bytes, "staged samples");
  s->state = efme_mem_array(s->allocator, s->info.count, sizeof *s->state, "staged samples");
  if (!s->cache || !s->state) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < s->info.count; i++) atomic_init(&s->state[i], EMPTY);
  return EFME_OK;
}

efme_status efme_stage_create(struct efme_stage **out, const efme_dataset *dataset, uint32_t width, uint32_t height, uint64_t cache_bytes) {
  if (!width || !height) return efme_fail(EFME_E_ARGUMENT, "an input of %u x %u", width, height);
  const struct efme_allocator *a = dataset->allocator;
  struct efme_stage *s = efme_mem_calloc(a, 1, sizeof *s, "stage");
  if (!s) return EFME_E_NOMEM;
  atomic_init(&s->refs, 1);
  s->allocator = a;
  s->dataset = efme_dataset_retain((efme_dataset *)(uintptr_t)dataset);
  s->info.width = width, s->info.height = height, s->info.count = dataset->count;
  efme_status status = count_channels(s);
  if (!status) status = make_cache(s, cache_bytes);
  if (status) {
    efme_stage_release(s);
    return status;
  }
  *out = s;
  return EFME_OK;
}

struct efme_stage *efme_stage_retain(struct efme_stage *s) {
  if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
  return s;
}

void efme_stage_release(struct efme_stage *s) {
  if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
  efme_dataset *d = s->dataset;
  efme_mem_free(s->allocator, s->cache);
  efme_mem_free(s->allocator, (void *)s->state);
  efme_mem_free(s->allocator, s);
  efme_dataset_release(d);
}

void efme_stage_get_info(const struct efme_stage *s, struct efme_stage_info *out) { *out = s->info; }

const efme_dataset *efme_stage_dataset(const struct efme_stage *s) { return s->dataset; }

/* An image in the stage's size and channels. */
static efme_status fit(const struct efme_stage *s, const efme_image *image, uint8_t *dst) {
  const struct efme_pixels *px = &image->px;
  uint32_t w = s->info.width, h = s->info.height;
  if (px->channels > s->info.channels) return efme_fail(EFME_E_MISMATCH, "was grey and now has colours");
  if (px->channels == s->info.channels) return efme_pixels_resize(dst, w, h, px->data, px->width, px->height, px->channels, s->allocator);
  size_t n = (size_t)w * h;
  uint8_t *grey = efme_mem_alloc(s->allocator, n, "staged sample");
  if (!grey) return EFME_E_NOMEM;
  efme_status status = efme_pixels_resize(grey, w, h, px->data, px->width, px->height, 1, s->allocator);
  for (size_t i = 0; i < n && !status; i++, dst += 3) dst[0] = dst[1] = dst[2] = grey[i];
  efme_mem_free(s->allocator, grey);
  return status;
}

static efme_status make_sample(struct efme_stage *s, uint64_t index, uint8_t *dst) {
  efme_image *image;
  efme_status status = efme_item_read(s->dataset, index, &image);
  if (status) return status;
  status = fit(s, image, dst);
  efme_image_release(image);
  if (!status) return EFME_OK;
  char name[256];
  efme_item_name(s->dataset, index, name);
  return efme_fail_prefix(status, "%s", name);
}

efme_status efme_stage_read(struct efme_stage *s, uint64_t index, uint8_t *dst) {
  size_t n = s->info.sample_bytes;
  if (index >= s->info.count)
    return efme_fail(EFME_E_ARGUMENT, "sample %llu of %llu", (unsigned long long)index, (unsigned long long)s->info.count);
  if (s->in_memory) {
    const struct efme_store *store = efme_item_store(s->dataset, index);
    memcpy(dst, store->source->bytes(store, s->dataset->items[index].record), n);
    return EFME_OK;
  }
  if (!s->cache) return make_sample(s, index, dst);
  unsigned char state = atomic_load_explicit(&s->state[index], memory_order_acquire);
  if (state == FILLED) {
    memcpy(dst, s->cache + index * n, n);
    return EFME_OK;
  }
  efme_status status = make_sample(s, index, dst);
  state = EMPTY;
  if (!status &&
      atomic_compare_exchange_strong_explicit(&s->state[index], &state, BEING_FILLED, memory_order_relaxed, memory_order_relaxed)) {
    memcpy(s->cache + index * n, dst, n);
    atomic_store_explicit(&s->state[index], FILLED, memory_order_release);
  }
  return status;
}
