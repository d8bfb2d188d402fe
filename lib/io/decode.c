/* From a file's bytes to upright pixels: which format it is, its walk, the decoder this build has for it, orientation. */
#include <stdio.h>
#include <string.h>

#include "io/image.h"

efme_status efme_pixels_alloc(struct efme_pixels *p, const struct efme_allocator *a, uint32_t width, uint32_t height, uint32_t channels) {
  size_t bytes;
  if (__builtin_mul_overflow((size_t)width * channels, (size_t)height, &bytes))
    return efme_fail(EFME_E_LIMIT, "image of %u x %u pixels", width, height);
  void *base = efme_mem_alloc(a, bytes, "pixels");
  if (!base) return EFME_E_NOMEM;
  *p = (struct efme_pixels){width, height, channels, base, base};
  return EFME_OK;
}

void efme_pixels_free(struct efme_pixels *p, const struct efme_allocator *a) {
  efme_mem_free(a, p->base);
  memset(p, 0, sizeof *p);
}

efme_status efme_image_options_load(efme_image_options *out, const efme_image_options *options) {
  static const efme_image_options defaults = EFME_IMAGE_OPTIONS_INIT;
  efme_status status = efme_options_load(out, sizeof *out, options, &defaults, "efme_image_options");
  if (status) return status;
  if (out->ignore_orientation > 1)
    return efme_fail(EFME_E_ARGUMENT, "efme_image_options.ignore_orientation: %u is not 0 or 1", out->ignore_orientation);
  if (out->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_image_options.reserved is not 0");
  if (!out->max_file_size) out->max_file_size = EFME_IMAGE_MAX_FILE;
  if (!out->max_pixels) out->max_pixels = EFME_IMAGE_MAX_PIXELS;
  return EFME_OK;
}

efme_status efme_image_check_size(uint64_t width, uint64_t height, uint64_t max_pixels) {
  if (width == 0 || height == 0)
    return efme_fail(EFME_E_FORMAT, "an image of %llu x %llu pixels", (unsigned long long)width, (unsigned long long)height);
  if (width > EFME_IMAGE_MAX_SIDE || height > EFME_IMAGE_MAX_SIDE)
    return efme_fail(EFME_E_LIMIT, "image of %llu x %llu: no side may be longer than %u", (unsigned long long)width,
                     (unsigned long long)height, EFME_IMAGE_MAX_SIDE);
  if (width * height > max_pixels)
    return efme_fail(EFME_E_LIMIT, "image of %llu x %llu: more than the limit of %llu pixels", (unsigned long long)width,
                     (unsigned long long)height, (unsigned long long)max_pixels);
  return EFME_OK;
}

static efme_status walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (size == 0) return efme_fail(EFME_E_FORMAT, "the file is empty");
  if (size >= 8 && !memcmp(data, png, 8)) return h->kind = EFME_IMAGE_PNG, efme_png_walk(h, data, size, max_pixels);
  if (size >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF)
    return h->kind = EFME_IMAGE_JPEG, efme_jpeg_walk(h, data, size, max_pixels);
  if (size >= 2 && data[0] == 'B' && data[1] == 'M') return h->kind = EFME_IMAGE_BMP, efme_bmp_walk(h, data, size, max_pixels);
  if (size >= 2 && data[0] == 'P' && (data[1] == '5' || data[1] == '6'))
    return h->kind = EFME_IMAGE_PNM, efme_pnm_walk(h, data, size, max_pixels);
  /* A cut signature says more than "unknown". */
  if (size < 8 && !memcmp(data, png, size)) return efme_fail(EFME_E_FORMAT, "PNG: truncated in its signature");
  if (size < 3 && data[0] == 0xFF) return efme_fail(EFME_E_FORMAT, "JPEG: truncated in its signature");
  return efme_fail(EFME_E_UNSUPPORTED, "not a JPEG, PNG, BMP, binary PGM or PPM image");
}

efme_status efme_image_inspect(struct efme_image_header *h, const uint8_t *data, size_t size, const char *name, uint64_t max_pixels) {
  memset(h, 0, sizeof *h);
  h->orientation = 1;
  efme_status status = walk(h, data, size, max_pixels);
  return status ? efme_fail_prefix(status, "%s", name) : EFME_OK;
}

static const char *const decoder_names[] = {efme_stb_name,
#ifdef EFME_WITH_JPEG
                                            efme_turbo_name,
#endif
#ifdef EFME_WITH_PNG
                                            efme_libpng_name,
#endif
                                            efme_pnm_name,    "pixels", "synthetic"};

const char *efme_decoder_name(uint8_t number) {
  return number >= 1 && number <= EFME_COUNT(decoder_names) ? decoder_names[number - 1] : NULL;
}

uint8_t efme_decoder_number(const char *name) {
  for (uint8_t i = 0; i < EFME_COUNT(decoder_names); i++)
    if (!strcmp(name, decoder_names[i])) return (uint8_t)(i + 1);
  return 0;
}

typedef efme_status (*decoder_fn)(struct efme_pixels *, const struct efme_allocator *, const struct efme_image_header *, const uint8_t *,
                                  size_t);

static decoder_fn choose(enum efme_image_kind kind, const char **name) {
#ifdef EFME_WITH_JPEG
  if (kind == EFME_IMAGE_JPEG) return *name = efme_turbo_name, efme_turbo_decode;
#endif
#ifdef EFME_WITH_PNG
  if (kind == EFME_IMAGE_PNG) return *name = efme_libpng_name, efme_libpng_decode;
#endif
  if (kind == EFME_IMAGE_PNM) return *name = efme_pnm_name, efme_pnm_decode;
  return *name = efme_stb_name, efme_stb_decode;
}

efme_status efme_image_decode_pixels(struct efme_pixels *out, uint32_t *orientation, char decoder[32], const struct efme_allocator *a,
                                     const uint8_t *data, size_t size, const char *name, const efme_image_options *options) {
  if (size > options->max_file_size)
    return efme_fail(EFME_E_LIMIT, "%s: %zu bytes, more than the limit of %llu", name, size, (unsigned long long)options->max_file_size);
  struct efme_image_header h;
  efme_status status = efme_image_inspect(&h, data, size, name, options->max_pixels);
  if (status) return status;
  const char *decoder_name;
  decoder_fn decode = choose(h.kind, &decoder_name);
  struct efme_pixels px = {h.width, h.height, h.channels, NULL, NULL};
  status = decode(&px, a, &h, data, size);
  if (status) return efme_fail_prefix(status, "%s", name);
  if (!options->ignore_orientation) status = efme_pixels_orient(&px, a, h.orientation);
  if (status) {
    efme_pixels_free(&px, a);
    return efme_fail_prefix(status, "%s", name);
  }
  *out = px;
  *orientation = h.orientation;
  snprintf(decoder, 32, "%s", decoder_name);
  return EFME_OK;
}
