/* Content hashes, by which the audit finds the same picture under two names: of the encoded file and of the decoded
 * pixels. They are noted whenever a sample is read, so that an audit after training reads little again; and a sample that is
 * read once more must have the pixels that it had, or what was audited would not be what trains and is tested. */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "data/loader.h"

static int is_grey(const uint8_t *rgb, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (rgb[3 * i] != rgb[3 * i + 1] || rgb[3 * i] != rgb[3 * i + 2]) return 0;
  return 1;
}

/* A grey picture is the same one in a file that has three equal channels, so its grey bytes are hashed, block by block. */
#define GREY_BLOCK 4096u
static uint64_t grey_hash(const uint8_t *pixels, size_t count, uint32_t channels, uint64_t h) {
  uint8_t block[GREY_BLOCK];
  for (size_t at = 0; at < count; at += GREY_BLOCK) {
    size_t n = EFME_MIN(count - at, (size_t)GREY_BLOCK);
    for (size_t i = 0; i < n; i++) block[i] = pixels[(at + i) * channels];
    h = efme_hash64(block, n, h);
  }
  return h;
}

uint64_t efme_pixel_hash(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels) {
  uint64_t size = (uint64_t)width << 40 | (uint64_t)height << 16;
  size_t count = (size_t)width * height;
  if (channels == 1 || (channels == 3 && is_grey(pixels, count))) return grey_hash(pixels, count, channels, size | 1);
  return efme_hash64(pixels, count * channels, size | channels);
}

void efme_store_note_hash(struct efme_store *s, uint64_t record, int which, uint64_t hash) {
  if (!s->hashes) return;
  atomic_store_explicit(&s->hashes[2 * record + (unsigned)which], hash ? hash : 1, memory_order_relaxed); /* 0 means "not yet" */
}

static uint64_t noted(const struct efme_store *s, uint64_t record, int which) {
  return atomic_load_explicit(&s->hashes[2 * record + (unsigned)which], memory_order_relaxed);
}

/* Whoever reads first notes the hash, whoever reads later must find it again. */
static efme_status check_pixels(const efme_dataset *d, uint64_t index, const struct efme_pixels *px) {
  struct efme_store *s = efme_item_store(d, index);
  uint64_t hash = efme_pixel_hash(px->data, px->width, px->height, px->channels), before = 0;
  if (!hash) hash = 1; /* 0 means "not yet" */
  _Atomic uint64_t *at = &s->hashes[2 * d->items[index].record + 1];
  if (atomic_compare_exchange_strong_explicit(at, &before, hash, memory_order_relaxed, memory_order_relaxed) || before == hash)
    return EFME_OK;
  char name[256];
  efme_item_name(d, index, name);
  return efme_fail(EFME_E_MISMATCH, "%s has other pixels than when it was first read: a dataset may not change while it is open", name);
}

efme_status efme_item_read(const efme_dataset *d, uint64_t index, efme_image **out) {
  struct efme_store *s = efme_item_store(d, index);
  uint64_t record = d->items[index].record;
  efme_image *image;
  efme_status status = s->source->read(s, record, &image);
  if (status) return status;
  atomic_store_explicit(&s->decoders[record], efme_decoder_number(image->decoder), memory_order_relaxed);
  status = check_pixels(d, index, &image->px);
  if (status) efme_image_release(image);
  else *out = image;
  return status;
}

uint8_t efme_item_decoder(const efme_dataset *d, uint64_t index) {
  return atomic_load_explicit(&efme_item_store(d, index)->decoders[d->items[index].record], memory_order_relaxed);
}

static efme_status hash_one(const efme_dataset *d, uint64_t i) {
  struct efme_store *s = efme_item_store(d, i);
  uint64_t record = d->items[i].record;
  if (noted(s, record, 1)) return EFME_OK;
  const uint8_t *bytes = s->source->bytes ? s->source->bytes(s, record) : NULL;
  if (bytes) {
    efme_store_note_hash(s, record, 1, efme_pixel_hash(bytes, s->size.width, s->size.height, s->size.channels));
    return EFME_OK;
  }
  efme_image *image;
  efme_status status = efme_item_read(d, i, &image);
  if (!status) efme_image_release(image);
  return status;
}

efme_status efme_dataset_hashes(const efme_dataset *d, efme_progress_fn progress, void *user) {
  for (uint64_t i = 0; i < d->count; i++) {
    efme_status status = hash_one(d, i);
    if (status) return status;
    if (progress && (i % 64 == 63 || i + 1 == d->count) && progress("files", i + 1, d->count, user))
      return efme_fail(EFME_E_CANCELLED, "cancelled after hashing %llu files", (unsigned long long)i + 1);
  }
  return EFME_OK;
}

/* Order of samples left out by a sum. */
efme_status efme_dataset_contents(const efme_dataset *d, uint64_t *out) {
  uint64_t sum = 0;
  efme_status status = efme_dataset_hashes(d, NULL, NULL);
  for (uint64_t i = 0; i < d->count && !status; i++) {
    const char *key = efme_item_record(d, i)->key;
    sum += efme_hash64(key, strlen(key), noted(efme_item_store(d, i), d->items[i].record, 1));
  }
  if (!status) *out = sum;
  return status;
}

static int by_hash(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

efme_status efme_dataset_without(efme_dataset **out, const efme_dataset *d, const efme_dataset *other) {
  if (!out || !d || !other) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !d ? "dataset" : "other");
  efme_status status = efme_dataset_hashes(other, NULL, NULL);
  if (!status) status = efme_dataset_hashes(d, NULL, NULL);
  if (status) return status;
  uint64_t *gone = efme_mem_array(d->allocator, other->count, sizeof *gone, "content hashes");
  uint64_t *kept = gone ? efme_mem_array(d->allocator, d->count, sizeof *kept, "samples") : NULL, count = 0;
  if (!kept) status = EFME_E_NOMEM;
  for (uint64_t i = 0; i < other->count && !status; i++) gone[i] = noted(efme_item_store(other, i), other->items[i].record, 1);
  if (!status) qsort(gone, other->count, sizeof *gone, by_hash);
  for (uint64_t i = 0; i < d->count && !status; i++) {
    uint64_t hash = noted(efme_item_store(d, i), d->items[i].record, 1);
    if (!bsearch(&hash, gone, other->count, sizeof *gone, by_hash)) kept[count++] = i;
  }
  if (!status)
    status = count ? efme_dataset_view(out, d, kept, count, NULL, NULL, 0)
                   : efme_fail(EFME_E_NOT_FOUND, "every sample's pixels are in the other dataset");
  efme_mem_free(d->allocator, kept);
  efme_mem_free(d->allocator, gone);
  return status;
}

efme_status efme_item_size(const efme_dataset *d, uint64_t index, struct efme_size *out) {
  struct efme_store *s = efme_item_store(d, index);
  *out = s->size;
  if (s->size.width || s->source != &efme_file_source) return EFME_OK;
  const char *path = s->records[d->items[index].record].path;
  uint8_t *data;
  size_t size;
  efme_status status = efme_file_read(&data, &size, s->allocator, path, s->image.max_file_size);
  if (status) return status;
  struct efme_image_header h;
  status = efme_image_inspect(&h, data, size, path, s->image.max_pixels);
  efme_mem_free(s->allocator, data);
  if (status) return status;
  int turned = h.orientation >= 5 && !s->image.ignore_orientation;
  *out = (struct efme_size){turned ? h.height : h.width, turned ? h.width : h.height, h.channels};
  return EFME_OK;
}
