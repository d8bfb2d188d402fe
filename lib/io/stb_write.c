/* stb_image_write, in this file only: JPEG, BMP and Deflate into memory, every name local to the file. It does not look at what its
 * allocations give, so a failed one leaves it by longjmp; all it holds then are blocks, which are listed. No settings are changed: bytes
 * depend on pixels and quality alone. */
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/image.h"

/* Stands before each block of stb_image_write's. */
struct block {
  struct block *next, *before;
};
#define HEAD 64 /* keeps alignment */

/* One call of it; its memory hooks carry no user pointer. */
struct job {
  const struct efme_allocator *allocator;
  struct block *blocks;
  void *data; /* what was written so far */
  size_t size, capacity;
  jmp_buf exhausted;
};
static _Thread_local struct job *job;

static void *write_malloc(size_t size) {
  struct block *b = efme_mem_alloc(job->allocator, size + HEAD, "stb_image_write");
  if (!b) longjmp(job->exhausted, 1);
  *b = (struct block){job->blocks, NULL};
  if (b->next) b->next->before = b;
  job->blocks = b;
  return (uint8_t *)b + HEAD;
}

static void write_free(void *ptr) {
  if (!ptr) return;
  struct block *b = (struct block *)(void *)((uint8_t *)ptr - HEAD);
  if (b->next) b->next->before = b->before;
  *(b->before ? &b->before->next : &job->blocks) = b->next;
  efme_mem_free(job->allocator, b);
}

static void *write_realloc(void *ptr, size_t old, size_t size) {
  void *p = write_malloc(size);
  if (ptr) memcpy(p, ptr, EFME_MIN(old, size));
  write_free(ptr);
  return p;
}

static void append(void *context, void *data, int size) {
  struct job *j = context;
  if (efme_mem_grow(j->allocator, &j->data, &j->capacity, j->size + (size_t)size, 1, "an encoded image")) longjmp(j->exhausted, 1);
  memcpy((uint8_t *)j->data + j->size, data, (size_t)size);
  j->size += (size_t)size;
}

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(x) ((void)0)
#define STBIW_MALLOC(size) write_malloc(size)
#define STBIW_REALLOC_SIZED(ptr, old, size) write_realloc(ptr, old, size)
#define STBIW_FREE(ptr) write_free(ptr)
#pragma GCC diagnostic ignored "-Wunused-function" /* told at the end of the file, so not within push and pop */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#define DEFLATE_EFFORT 8 /* stb_image_write's own default: places looked at for a match */

/* What one call does. No local of it changes behind setjmp. */
struct order {
  enum { DEFLATE, JPEG, BMP } what;
  uint8_t *data;
  size_t size; /* DEFLATE */
  int width, height, channels, quality;
};

static int carry_out(struct job *j, const struct order *o) {
  if (setjmp(j->exhausted)) return 0;
  if (o->what == JPEG) return stbi_write_jpg_to_func(append, j, o->width, o->height, o->channels, o->data, o->quality);
  if (o->what == BMP) return stbi_write_bmp_to_func(append, j, o->width, o->height, o->channels, o->data);
  int size = 0;
  void *stream = stbi_zlib_compress(o->data, (int)o->size, &size, DEFLATE_EFFORT);
  append(j, stream, size);
  return 1;
}

static efme_status run(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct order *o) {
  struct job *j = efme_mem_calloc(a, 1, sizeof *j, "stb_image_write");
  if (!j) return EFME_E_NOMEM;
  j->allocator = a;
  job = j;
  int done = carry_out(j, o);
  while (j->blocks) write_free((uint8_t *)j->blocks + HEAD);
  job = NULL;
  if (done) *out = j->data, *size = j->size;
  else efme_mem_free(a, j->data);
  efme_mem_free(a, j);
  return done ? EFME_OK : EFME_E_NOMEM; /* with the allocator's text: nothing else makes it fail */
}

efme_status efme_stb_deflate(uint8_t **out, size_t *size, const struct efme_allocator *a, uint8_t *data, size_t data_size) {
  return run(out, size, a, &(struct order){.what = DEFLATE, .data = data, .size = data_size});
}

efme_status efme_stb_encode(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px,
                            enum efme_image_kind kind, uint32_t quality) {
  return run(
      out, size, a,
      &(struct order){kind == EFME_IMAGE_JPEG ? JPEG : BMP, px->data, 0, (int)px->width, (int)px->height, (int)px->channels, (int)quality});
}
