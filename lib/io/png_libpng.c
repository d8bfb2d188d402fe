/* PNG through libpng (EFME_PNG=ON), the choice for untrusted files. It reads the reduced copy that png.c makes, so no
 * text, profile or unknown chunk ever reaches it, and takes its memory from the caller's allocator. */
#ifdef EFME_WITH_PNG
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "io/image.h"

const char efme_libpng_name[] = "libpng " PNG_LIBPNG_VER_STRING;

/* Everything that longjmp may leave lies in here, so that no local of the jumping frame matters. */
struct job {
  const struct efme_allocator *allocator;
  const uint8_t *data;
  size_t size, at;
  png_structp png;
  png_infop info;
  struct efme_pixels px;
  int exhausted; /* the allocator said no, whatever libpng makes of it */
  char text[160];
};

static void on_error(png_structp png, png_const_charp text) {
  struct job *j = png_get_error_ptr(png);
  snprintf(j->text, sizeof j->text, "%s", text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void on_read(png_structp png, png_bytep to, size_t n) {
  struct job *j = png_get_io_ptr(png);
  if (n > j->size - j->at) png_error(png, "truncated");
  memcpy(to, j->data + j->at, n);
  j->at += n;
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t n) {
  struct job *j = png_get_mem_ptr(png);
  void *p = efme_mem_alloc(j->allocator, n, "libpng");
  if (!p) j->exhausted = 1;
  return p;
}

static void on_free(png_structp png, png_voidp p) {
  struct job *j = png_get_mem_ptr(png);
  efme_mem_free(j->allocator, p);
}

static void run(struct job *j, const struct efme_image_header *h) {
  png_set_read_fn(j->png, j, on_read);
  png_set_user_limits(j->png, EFME_IMAGE_MAX_SIDE, EFME_IMAGE_MAX_SIDE);
  png_read_info(j->png, j->info);
  if (h->depth == 16) png_set_strip_16(j->png); /* the high byte */
  if (h->color_type == 3) png_set_palette_to_rgb(j->png);
  else if (h->depth < 8) png_set_expand_gray_1_2_4_to_8(j->png);
  if (h->color_type & 4) png_set_strip_alpha(j->png);
  int passes = png_set_interlace_handling(j->png);
  png_read_update_info(j->png, j->info);
  size_t row = (size_t)h->width * h->channels;
  if (png_get_rowbytes(j->png, j->info) != row) png_error(j->png, "rows of an unexpected size");
  memset(j->px.data, 0, row * h->height);
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < h->height; y++) png_read_row(j->png, j->px.data + y * row, NULL);
  png_read_end(j->png, NULL);
}

static efme_status decode(struct job *j, const struct efme_image_header *h) {
  j->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, on_warning, j, on_malloc, on_free);
  if (j->png) j->info = png_create_info_struct(j->png);
  if (!j->info) return j->exhausted ? EFME_E_NOMEM : efme_fail(EFME_E_INTERNAL, "PNG: libpng cannot start");
  if (setjmp(png_jmpbuf(j->png))) return j->exhausted ? EFME_E_NOMEM : efme_fail(EFME_E_FORMAT, "PNG: %s", j->text);
  run(j, h);
  return EFME_OK; /* where exhausted, efme_mem_alloc has set the text */
}

efme_status efme_libpng_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h,
                               const uint8_t *data, size_t size) {
  struct job *j = efme_mem_calloc(a, 1, sizeof *j, "PNG");
  if (!j) return EFME_E_NOMEM;
  j->allocator = a;
  uint8_t *reduced = NULL;
  efme_status status = efme_png_reduce(&reduced, &j->size, a, h, data, size);
  j->data = reduced;
  if (!status) status = efme_pixels_alloc(&j->px, a, h->width, h->height, h->channels);
  if (!status) status = decode(j, h);
  if (j->png) png_destroy_read_struct(&j->png, &j->info, NULL);
  efme_mem_free(a, reduced);
  if (status) efme_pixels_free(&j->px, a);
  else *out = j->px;
  efme_mem_free(a, j);
  return status;
}
#else
typedef int efme_png_libpng_is_off; /* ISO C wants something here */
#endif
