/* Images: decoded pixels, 8 bits a channel, grey or RGB.
 *
 * Formats: JPEG, PNG, BMP, PNM (binary PGM and PPM). EXIF orientation is applied. Alpha is dropped, 16-bit samples keep
 * their high byte (those of PNM are scaled by its maximum), palettes are expanded. No side is longer than 65536. An image never changes
 * after it was made: it may be shared by threads, and all functions may be called on any thread. Written are the same formats. */
#ifndef EFME_IMAGE_H
#define EFME_IMAGE_H

#include "efme/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_image efme_image;

typedef enum efme_pixel_format {
  EFME_PIXEL_GREY8 = 1, /* 1 byte a pixel */
  EFME_PIXEL_RGB8 = 2,  /* 3 bytes, red first */
  EFME_PIXEL_BGR8 = 3,  /* 3 bytes, blue first; stored as RGB */
  EFME_PIXEL_RGBA8 = 4, /* 4 bytes; alpha is dropped */
  EFME_PIXEL_BGRA8 = 5  /* 4 bytes, blue first; alpha is dropped, the rest stored as RGB */
} efme_pixel_format;

typedef struct efme_image_options {
  size_t struct_size;
  uint64_t max_file_size;  /* bytes; 0: 256 MiB. Checked before anything is allocated */
  uint64_t max_pixels;     /* width * height; 0: 64 Mi. Checked from the header, before pixels are allocated */
  uint32_t ignore_orientation; /* 1: EXIF orientation is not applied, 0: it is */
  uint32_t reserved;
} efme_image_options;

#define EFME_IMAGE_OPTIONS_INIT { sizeof(efme_image_options), 0, 0, 0, 0 }

typedef struct efme_image_info {
  size_t struct_size;
  uint32_t width, height; /* pixels, >= 1, after orientation */
  uint32_t channels;      /* 1 grey, 3 RGB */
  uint32_t orientation;   /* EXIF value found in the file, 1..8; 1 where none */
  char decoder[32];       /* "stb_image 2.27", "libjpeg-turbo 2.1.5", "libpng 1.6.39", "efme pnm", "pixels", "synthetic" */
} efme_image_info;

#define EFME_IMAGE_INFO_INIT { sizeof(efme_image_info), 0, 0, 0, 0, "" }

/* Errors: IO, FORMAT, LIMIT, UNSUPPORTED (a format or coding that is not decoded); the text names path. options may be NULL. */
EFME_API efme_status efme_image_load(efme_image **out, efme_context *context, const char *path, const efme_image_options *options);
/* The same from size bytes of memory, which are not kept; name stands in errors and may be NULL. */
EFME_API efme_status efme_image_decode(efme_image **out, efme_context *context, const void *data, size_t size, const char *name,
                                       const efme_image_options *options);
/* Copies raw pixels: height rows of width pixels, row_stride bytes apart (0: packed; may be negative for bottom-up, pixels
 * then points at the top row). Errors: LIMIT beyond 64 Mi pixels or a side of 65536, as for crop and resize. */
EFME_API efme_status efme_image_from_pixels(efme_image **out, efme_context *context, const void *pixels, efme_pixel_format format,
                                            uint32_t width, uint32_t height, ptrdiff_t row_stride);
EFME_API efme_image *efme_image_retain(efme_image *image);
EFME_API void efme_image_release(efme_image *image);
EFME_API efme_status efme_image_get_info(const efme_image *image, efme_image_info *out);
/* Height packed rows of width * channels bytes, from the top; valid as long as the image. */
EFME_API const uint8_t *efme_image_pixels(const efme_image *image);
/* The box x, y, width, height in pixels; parts outside the image repeat its edge. Errors: LIMIT; ARGUMENT where the box is empty or
 * lies wholly outside. */
EFME_API efme_status efme_image_crop(efme_image **out, const efme_image *image, int32_t x, int32_t y, uint32_t width, uint32_t height);
/* Each axis on its own: mean over the covered area where it shrinks, linear between pixel centres (edge repeated) where it grows;
 * rounded to nearest, halves up (docs/data.md has the formulas). What predictors, training and evaluation use. Errors: LIMIT. */
EFME_API efme_status efme_image_resize(efme_image **out, const efme_image *image, uint32_t width, uint32_t height);

/* Formats of files that are written. A grey image has one channel as PNG and PNM, three equal ones as JPEG and BMP. */
typedef enum efme_file_format { EFME_FILE_AUTO = 0, EFME_FILE_JPEG = 1, EFME_FILE_PNG = 2, EFME_FILE_BMP = 3, EFME_FILE_PNM = 4 } efme_file_format;

typedef struct efme_image_save_options {
  size_t struct_size;
  uint32_t format;  /* efme_file_format; AUTO: by the name's ending, .png .jpg .jpeg .bmp .pnm .pgm (grey) .ppm (RGB) in any case */
  uint32_t quality; /* 1..100, of a JPEG; colours are halved in resolution up to 90 */
} efme_image_save_options;

#define EFME_IMAGE_SAVE_OPTIONS_INIT { sizeof(efme_image_save_options), 0, 95 }

/* Writes path, atomically; the same bytes for the same pixels and options. options may be NULL. Errors: IO; LIMIT beyond 64 Mi pixels
 * or, of a JPEG, a side of 65535; ARGUMENT where the format cannot be told. */
EFME_API efme_status efme_image_save(const efme_image *image, const char *path, const efme_image_save_options *options);
/* The same into memory: *size bytes at *out, released with efme_string_free. options name the format. Errors: LIMIT. */
EFME_API efme_status efme_image_encode(char **out, size_t *size, const efme_image *image, const efme_image_save_options *options);

#ifdef __cplusplus
}
#endif
#endif
