/* stb_image, in this file only: JPEG, PNG and BMP from memory, every name local to the file. It sees what our walks have
 * passed, its memory comes zeroed from the caller's allocator and is bounded by what the image can need. */
#include <stdint.h>
#include <string.h>

#include "io/image.h"

/* Stands before each block of stb_image's. */
struct block {
  struct block *next, *before;
  size_t size;
};
#define HEAD 64 /* keeps alignment */

/* Where stb_image's memory comes from during one call; stb_image's hooks carry no user pointer. */
struct account {
  const struct efme_allocator *allocator;
  size_t used, limit;
  int refused, exhausted; /* by the limit; by the allocator. stb_image tells neither by its reason in every case */
  struct block *blocks;
};
static _Thread_local struct account *account;

static void *stb_malloc(size_t size) {
  if (size > account->limit - account->used) {
    account->refused = 1;
    return NULL;
  }
  struct block *b = efme_mem_calloc(account->allocator, 1, size + HEAD, "stb_image"); /* zeroed: damaged files then decode the same everywhere */
  if (!b) {
    account->exhausted = 1;
    return NULL;
  }
  b->size = size;
  b->next = account->blocks;
  if (b->next) b->next->before = b;
  account->blocks = b;
  account->used += size;
  return (uint8_t *)b + HEAD;
}

static void stb_free(void *ptr) {
  if (!ptr) return;
  struct block *b = (struct block *)(void *)((uint8_t *)ptr - HEAD);
  if (b->next) b->next->before = b->before;
  *(b->before ? &b->before->next : &account->blocks) = b->next;
  account->used -= b->size;
  efme_mem_free(account->allocator, b);
}

/* stb_image forgets some blocks where it fails. */
static void free_forgotten(const void *kept) {
  for (struct block *b = account->blocks, *next; b; b = next) {
    uint8_t *ptr = (uint8_t *)b + HEAD;
    next = b->next;
    if (ptr != kept) stb_free(ptr);
  }
}

static void *stb_realloc(void *ptr, size_t old, size_t size) {
  void *p = stb_malloc(size);
  if (!p) return NULL;
  if (ptr) memcpy(p, ptr, EFME_MIN(old, size));
  stb_free(ptr);
  return p;
}

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_FAILURE_USERMSG
#define STBI_ASSERT(x) ((void)0)
#define STBI_MALLOC(size) stb_malloc(size)
#define STBI_REALLOC_SIZED(ptr, old, size) stb_realloc(ptr, old, size)
#define STBI_FREE(ptr) stb_free(ptr)
#define STBI_MAX_DIMENSIONS 65536
#pragma GCC diagnostic ignored "-Wunused-function" /* told at the end of the file, so not within push and pop */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

const char efme_stb_name[] = "stb_image " EFME_STB_VERSION; /* the build reads it from the header's first line */

/* What decoding may hold at once: coefficients and planes of a progressive JPEG, raw and expanded rows of a 16-bit PNG,
 * stb_image's own doubling buffers. */
static size_t memory_limit(const struct efme_image_header *h, size_t size) {
  uint64_t limit = (uint64_t)h->width * h->height * 40 + (uint64_t)(h->width + h->height + 64) * 4096 + 4 * (uint64_t)size + (1u << 20);
  return limit > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)limit;
}

efme_status efme_stb_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h, const uint8_t *data,
                            size_t size) {
  if (size > INT32_MAX) return efme_fail(EFME_E_LIMIT, "%zu bytes are more than stb_image takes", size);
  uint8_t *reduced = NULL;
  if (h->kind == EFME_IMAGE_PNG) {
    size_t n = 0;
    efme_status status = efme_png_reduce(&reduced, &n, a, h, data, size);
    if (status) return status;
    data = reduced, size = n;
  }
  struct account mine = {a, 0, memory_limit(h, size), 0, 0, NULL};
  account = &mine;
  int width = 0, height = 0, components = 0;
  stbi_uc *pixels = stbi_load_from_memory(data, (int)size, &width, &height, &components, (int)h->channels);
  free_forgotten(pixels);
  account = NULL;
  efme_mem_free(a, reduced);
  if (!pixels) {
    if (mine.refused) return efme_fail(EFME_E_LIMIT, "decoding takes more memory than an image of %u x %u should", h->width, h->height);
    if (mine.exhausted) return EFME_E_NOMEM; /* efme_mem_calloc has set the text */
    const char *reason = stbi_failure_reason();
    return efme_fail(EFME_E_FORMAT, "%s", reason ? reason : "damaged");
  }
  out->data = pixels;
  out->base = pixels - HEAD;
  if ((uint32_t)width != h->width || (uint32_t)height != h->height) {
    efme_pixels_free(out, a);
    return efme_fail(EFME_E_FORMAT, "two different sizes in one file");
  }
  out->width = h->width, out->height = h->height, out->channels = h->channels;
  return EFME_OK;
}
