/* efme_image_*: arguments are checked here; lib/io does the work. */
#include "efme/image.h"

#include <string.h>

#include "backend/context.h"
#include "io/image.h"

static efme_status decode(efme_image **out, efme_context *context, const uint8_t *data, size_t size, const char *name,
                          const efme_image_options *options) {
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_pixels px;
  uint32_t orientation;
  char decoder[32];
  efme_status status = efme_image_decode_pixels(&px, &orientation, decoder, a, data, size, name, options);
  return status ? status : efme_image_new(out, context, a, &px, orientation, decoder);
}

efme_status efme_image_load(efme_image **out, efme_context *context, const char *path, const efme_image_options *options) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!context) return efme_fail(EFME_E_ARGUMENT, "context is NULL");
  if (!path) return efme_fail(EFME_E_ARGUMENT, "path is NULL");
  efme_image_options o;
  efme_status status = efme_image_options_load(&o, options);
  if (status) return status;
  const struct efme_allocator *a = efme_context_allocator(context);
  uint8_t *data;
  size_t size;
  status = efme_file_read(&data, &size, a, path, o.max_file_size);
  if (status) return status;
  status = decode(out, context, data, size, path, &o);
  efme_mem_free(a, data);
  return status;
}

efme_status efme_image_decode(efme_image **out, efme_context *context, const void *data, size_t size, const char *name,
                              const efme_image_options *options) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!context) return efme_fail(EFME_E_ARGUMENT, "context is NULL");
  if (!data && size) return efme_fail(EFME_E_ARGUMENT, "data is NULL");
  efme_image_options o;
  efme_status status = efme_image_options_load(&o, options);
  if (status) return status;
  return decode(out, context, data ? data : "", size, name ? name : "image in memory", &o);
}

/* Bytes a pixel, and where red, green and blue lie in it; 0 for an unknown format. */
static uint32_t format_layout(efme_pixel_format format, uint32_t rgb[3]) {
  int blue_first = format == EFME_PIXEL_BGR8 || format == EFME_PIXEL_BGRA8;
  rgb[0] = blue_first ? 2 : 0, rgb[1] = 1, rgb[2] = blue_first ? 0 : 2;
  switch (format) {
  case EFME_PIXEL_GREY8:
    return 1;
  case EFME_PIXEL_RGB8:
  case EFME_PIXEL_BGR8:
    return 3;
  case EFME_PIXEL_RGBA8:
  case EFME_PIXEL_BGRA8:
    return 4;
  }
  return 0;
}

efme_status efme_image_from_pixels(efme_image **out, efme_context *context, const void *pixels, efme_pixel_format format, uint32_t width,
                                   uint32_t height, ptrdiff_t row_stride) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!context) return efme_fail(EFME_E_ARGUMENT, "context is NULL");
  if (!pixels) return efme_fail(EFME_E_ARGUMENT, "pixels is NULL");
  uint32_t rgb[3], bytes = format_layout(format, rgb);
  if (!bytes) return efme_fail(EFME_E_ARGUMENT, "format is %d, not an efme_pixel_format", (int)format);
  if (!width || !height) return efme_fail(EFME_E_ARGUMENT, "%s is 0", width ? "height" : "width");
  efme_status status = efme_image_check_size(width, height, EFME_IMAGE_MAX_PIXELS);
  if (status) return status;
  ptrdiff_t packed = (ptrdiff_t)width * (ptrdiff_t)bytes;
  if (row_stride == 0) row_stride = packed;
  if (row_stride < packed && row_stride > -packed) /* rows that overlap */
    return efme_fail(EFME_E_ARGUMENT, "row_stride is %td, a row takes %td bytes", row_stride, packed);
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_pixels px;
  status = efme_pixels_alloc(&px, a, width, height, bytes == 1 ? 1 : 3);
  if (status) return status;
  uint8_t *to = px.data;
  for (uint32_t y = 0; y < height; y++) {
    const uint8_t *row = (const uint8_t *)pixels + (ptrdiff_t)y * row_stride;
    if (bytes == 1) memcpy(to, row, width), to += width;
    else
      for (uint32_t x = 0; x < width; x++, row += bytes, to += 3) to[0] = row[rgb[0]], to[1] = row[rgb[1]], to[2] = row[rgb[2]];
  }
  return efme_image_new(out, context, a, &px, 1, "pixels");
}

efme_image *efme_image_retain(efme_image *image) {
  if (image) atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
  return image;
}

void efme_image_release(efme_image *image) {
  if (!image || atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) != 1) return;
  efme_context *context = image->context;
  efme_pixels_free(&image->px, image->allocator);
  efme_mem_free(image->allocator, image);
  efme_context_release(context);
}

efme_status efme_image_get_info(const efme_image *image, efme_image_info *out) {
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  info.width = image->px.width, info.height = image->px.height, info.channels = image->px.channels;
  info.orientation = image->orientation;
  memcpy(info.decoder, image->decoder, sizeof info.decoder);
  return efme_struct_store(out, &info, sizeof info, "efme_image_info");
}

const uint8_t *efme_image_pixels(const efme_image *image) { return image ? image->px.data : NULL; }

efme_status efme_image_crop(efme_image **out, const efme_image *image, int32_t x, int32_t y, uint32_t width, uint32_t height) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  if (!width || !height) return efme_fail(EFME_E_ARGUMENT, "the box is empty: %u x %u", width, height);
  const struct efme_pixels *in = &image->px;
  if (x >= (int64_t)in->width || y >= (int64_t)in->height || (int64_t)x + width <= 0 || (int64_t)y + height <= 0)
    return efme_fail(EFME_E_ARGUMENT, "the box %d, %d, %u x %u lies outside the image of %u x %u", x, y, width, height, in->width,
                     in->height);
  efme_status status = efme_image_check_size(width, height, EFME_IMAGE_MAX_PIXELS);
  if (status) return status;
  struct efme_pixels px;
  uint32_t c = in->channels;
  status = efme_pixels_alloc(&px, image->allocator, width, height, c);
  if (status) return status;
  for (uint32_t j = 0; j < height; j++) {
    int64_t sy = EFME_MIN(EFME_MAX((int64_t)y + j, 0), (int64_t)in->height - 1);
    const uint8_t *row = in->data + (size_t)sy * in->width * c;
    uint8_t *to = px.data + (size_t)j * width * c;
    for (uint32_t i = 0; i < width; i++, to += c) {
      int64_t sx = EFME_MIN(EFME_MAX((int64_t)x + i, 0), (int64_t)in->width - 1);
      memcpy(to, row + (size_t)sx * c, c);
    }
  }
  return efme_image_new(out, image->context, image->allocator, &px, image->orientation, image->decoder);
}

efme_status efme_image_resize(efme_image **out, const efme_image *image, uint32_t width, uint32_t height) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  if (!width || !height) return efme_fail(EFME_E_ARGUMENT, "%s is 0", width ? "height" : "width");
  efme_status status = efme_image_check_size(width, height, EFME_IMAGE_MAX_PIXELS);
  if (status) return status;
  struct efme_pixels px;
  status = efme_pixels_alloc(&px, image->allocator, width, height, image->px.channels);
  if (status) return status;
  status =
      efme_pixels_resize(px.data, width, height, image->px.data, image->px.width, image->px.height, image->px.channels, image->allocator);
  if (status) {
    efme_pixels_free(&px, image->allocator);
    return status;
  }
  return efme_image_new(out, image->context, image->allocator, &px, image->orientation, image->decoder);
}

efme_status efme_image_save(const efme_image *image, const char *path, const efme_image_save_options *options) {
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  if (!path) return efme_fail(EFME_E_ARGUMENT, "path is NULL");
  efme_image_save_options o;
  efme_status status = efme_image_save_options_load(&o, options);
  enum efme_image_kind kind = (enum efme_image_kind)o.format;
  if (!status && o.format == EFME_FILE_AUTO) status = efme_image_kind_of_name(&kind, path, image->px.channels);
  if (status) return status;
  uint8_t *data;
  size_t size;
  status = efme_image_encode_pixels(&data, &size, image->allocator, &image->px, kind, o.quality);
  if (status) return efme_fail_prefix(status, "%s", path);
  status = efme_file_write(image->allocator, path, data, size);
  efme_mem_free(image->allocator, data);
  return status;
}

efme_status efme_image_encode(char **out, size_t *size, const efme_image *image, const efme_image_save_options *options) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!size) return efme_fail(EFME_E_ARGUMENT, "size is NULL");
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  efme_image_save_options o;
  efme_status status = efme_image_save_options_load(&o, options);
  if (status) return status;
  if (o.format == EFME_FILE_AUTO)
    return efme_fail(EFME_E_ARGUMENT, "efme_image_save_options.format is 0: there is no name to tell it from");
  uint8_t *data;
  size_t bytes;
  status = efme_image_encode_pixels(&data, &bytes, image->allocator, &image->px, (enum efme_image_kind)o.format, o.quality);
  if (status) return status;
  status = efme_string_export(out, image->allocator, (const char *)data, bytes);
  efme_mem_free(image->allocator, data);
  if (!status) *size = bytes;
  return status;
}
