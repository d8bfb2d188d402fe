/* From pixels to a file's bytes: which format, its limits, and PNM, which is a header and the pixels. */
#include <stdio.h>
#include <string.h>

#include "io/image.h"

#define JPEG_MAX_SIDE 65535u /* two bytes in its header */

_Static_assert(EFME_FILE_JPEG == (int)EFME_IMAGE_JPEG && EFME_FILE_PNG == (int)EFME_IMAGE_PNG && EFME_FILE_BMP == (int)EFME_IMAGE_BMP &&
                   EFME_FILE_PNM == (int)EFME_IMAGE_PNM,
               "the public numbers are those of efme_image_kind");

efme_status efme_image_save_options_load(efme_image_save_options *out, const efme_image_save_options *options) {
  static const efme_image_save_options defaults = EFME_IMAGE_SAVE_OPTIONS_INIT;
  static const char what[] = "efme_image_save_options";
  efme_status status = efme_options_load(out, sizeof *out, options, &defaults, what);
  if (status) return status;
  if (out->format > EFME_FILE_PNM) return efme_fail(EFME_E_ARGUMENT, "%s.format is %u, not an efme_file_format", what, out->format);
  if (out->quality < 1 || out->quality > 100) return efme_fail(EFME_E_ARGUMENT, "%s.quality is %u, not 1..100", what, out->quality);
  return EFME_OK;
}

efme_status efme_image_kind_of_name(enum efme_image_kind *out, const char *path, uint32_t channels) {
  static const struct {
    const char *ending;
    enum efme_image_kind kind;
    uint32_t channels; /* 0: any */
  } known[] = {{"png", EFME_IMAGE_PNG, 0}, {"jpg", EFME_IMAGE_JPEG, 0}, {"jpeg", EFME_IMAGE_JPEG, 0}, {"bmp", EFME_IMAGE_BMP, 0},
               {"pnm", EFME_IMAGE_PNM, 0}, {"pgm", EFME_IMAGE_PNM, 1},  {"ppm", EFME_IMAGE_PNM, 3}};
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  for (size_t i = 0; dot && i < EFME_COUNT(known); i++) {
    if (!efme_equal_words(dot + 1, known[i].ending)) continue;
    if (known[i].channels && known[i].channels != channels)
      return efme_fail(EFME_E_ARGUMENT, "%s: the image is %s, which is not written as .%s", path, channels == 1 ? "grey" : "coloured",
                       known[i].ending);
    *out = known[i].kind;
    return EFME_OK;
  }
  return efme_fail(EFME_E_ARGUMENT, "%s: neither options nor name (.png, .jpg, .bmp, .pgm, .ppm, .pnm) say which format", path);
}

static efme_status encode_pnm(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px) {
  char header[48];
  size_t n = (size_t)snprintf(header, sizeof header, "P%d\n%u %u\n255\n", px->channels == 1 ? 5 : 6, px->width, px->height);
  size_t bytes = efme_pixels_bytes(px);
  uint8_t *data = efme_mem_alloc(a, n + bytes, "an encoded image");
  if (!data) return EFME_E_NOMEM;
  memcpy(data, header, n);
  memcpy(data + n, px->data, bytes);
  *out = data, *size = n + bytes;
  return EFME_OK;
}

efme_status efme_image_encode_pixels(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px,
                                     enum efme_image_kind kind, uint32_t quality) {
  if ((uint64_t)px->width * px->height > EFME_IMAGE_MAX_PIXELS) /* stb_image_write counts in int */
    return efme_fail(EFME_E_LIMIT, "an image of %u x %u: more than the %llu pixels that are written", px->width, px->height,
                     (unsigned long long)EFME_IMAGE_MAX_PIXELS);
  if (kind == EFME_IMAGE_JPEG && (px->width > JPEG_MAX_SIDE || px->height > JPEG_MAX_SIDE))
    return efme_fail(EFME_E_LIMIT, "an image of %u x %u: no side of a JPEG may be longer than %u", px->width, px->height, JPEG_MAX_SIDE);
  EFME_FPENV_DEFAULT;
  if (kind == EFME_IMAGE_PNM) return encode_pnm(out, size, a, px);
  if (kind == EFME_IMAGE_PNG) return efme_png_encode(out, size, a, px);
  return efme_stb_encode(out, size, a, px, kind, quality);
}
