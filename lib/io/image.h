/* Images inside the library: the handle, decoding with its checks, orientation, encoding, resize. Leaf: knows no dataset and no
 * network. */
#ifndef EFME_IO_IMAGE_H
#define EFME_IO_IMAGE_H

#include <stdatomic.h>

#include "efme/image.h"
#include "util/util.h"

/* No side is longer than this: sums of the exact resize stay below 2^53, and JPEG's own limit is one less. */
#define EFME_IMAGE_MAX_SIDE 65536u
#define EFME_IMAGE_MAX_FILE (256ull << 20)
#define EFME_IMAGE_MAX_PIXELS (64ull << 20)

/* Packed rows. data lies inside the block `base`, which is what is freed. */
struct efme_pixels {
  uint32_t width, height, channels; /* channels 1 or 3 */
  uint8_t *data;
  void *base;
};

struct efme_image {
  atomic_uint refs;
  efme_context *context; /* retained */
  const struct efme_allocator *allocator;
  struct efme_pixels px;
  uint32_t orientation;
  char decoder[32];
};

static inline size_t efme_pixels_bytes(const struct efme_pixels *p) { return (size_t)p->width * p->height * p->channels; }
efme_status efme_pixels_alloc(struct efme_pixels *p, const struct efme_allocator *a, uint32_t width, uint32_t height, uint32_t channels);
void efme_pixels_free(struct efme_pixels *p, const struct efme_allocator *a);

/* Makes the handle and takes the pixels over, also on failure. */
efme_status efme_image_new(efme_image **out, efme_context *context, const struct efme_allocator *a, struct efme_pixels *px,
                           uint32_t orientation, const char *decoder);

/* ---- decoding (decode.c) ---- */
enum efme_image_kind { EFME_IMAGE_JPEG = 1, EFME_IMAGE_PNG = 2, EFME_IMAGE_BMP = 3, EFME_IMAGE_PNM = 4 };

/* What the walk over a file's structure found, before any pixel is allocated. */
struct efme_image_header {
  enum efme_image_kind kind;
  uint32_t width, height;                          /* as stored */
  uint32_t channels;                               /* 1 or 3, of the decoded image */
  uint32_t orientation;                            /* 1..8 */
  uint32_t components;                             /* JPEG: 1, 3 or 4; PNM: 1 or 3 */
  uint32_t inverted;                               /* JPEG: Adobe's inverted CMYK */
  uint32_t maximum;                                /* PNM: largest sample value */
  uint32_t color_type, depth, interlaced, palette; /* PNG; palette: entries */
  size_t data_offset;                              /* PNM: first sample; PNG: PLTE's content */
  size_t data_bytes;                               /* PNG: bytes of all IDAT chunks together */
};

/* options filled in (no zero limits). */
efme_status efme_image_options_load(efme_image_options *out, const efme_image_options *options);
/* Checks structure and limits. name stands in errors. */
efme_status efme_image_inspect(struct efme_image_header *h, const uint8_t *data, size_t size, const char *name, uint64_t max_pixels);
/* decoder: its name and version, 32 bytes. */
efme_status efme_image_decode_pixels(struct efme_pixels *out, uint32_t *orientation, char decoder[32], const struct efme_allocator *a,
                                     const uint8_t *data, size_t size, const char *name, const efme_image_options *options);

/* Walks, one a format: fill *h or say what is wrong (without the name, which efme_image_inspect adds). */
efme_status efme_jpeg_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels);
efme_status efme_png_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels);
efme_status efme_bmp_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels);
efme_status efme_pnm_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels);
efme_status efme_image_check_size(uint64_t width, uint64_t height, uint64_t max_pixels);

/* A PNG of the same pixels that holds what a decoder needs and nothing else; see png.c. */
efme_status efme_png_reduce(uint8_t **out, size_t *out_size, const struct efme_allocator *a, const struct efme_image_header *h,
                            const uint8_t *data, size_t size);

/* Decoders: data has passed its walk; out->width, height, channels are set by the caller, data and base by the decoder. */
efme_status efme_stb_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h, const uint8_t *data,
                            size_t size);
extern const char efme_stb_name[];
efme_status efme_turbo_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h,
                              const uint8_t *data, size_t size);
extern const char efme_turbo_name[];
efme_status efme_libpng_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h,
                               const uint8_t *data, size_t size);
extern const char efme_libpng_name[];
efme_status efme_pnm_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h, const uint8_t *data,
                            size_t size);
extern const char efme_pnm_name[];

/* ---- encoding (encode.c, png_write.c, stb_write.c); *out is freed with efme_mem_free ---- */
efme_status efme_image_save_options_load(efme_image_save_options *out, const efme_image_save_options *options);
/* By the ending of a file's name. */
efme_status efme_image_kind_of_name(enum efme_image_kind *out, const char *path, uint32_t channels);
/* quality: 1..100, of a JPEG. */
efme_status efme_image_encode_pixels(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px,
                                     enum efme_image_kind kind, uint32_t quality);
efme_status efme_png_encode(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px);
/* The file around a zlib stream of filtered rows (png.c). */
efme_status efme_png_pack(uint8_t **out, size_t *out_size, const struct efme_allocator *a, const struct efme_pixels *px,
                          const uint8_t *zlib, size_t size);
efme_status efme_stb_deflate(uint8_t **out, size_t *size, const struct efme_allocator *a, uint8_t *data, size_t data_size);
/* JPEG or BMP. */
efme_status efme_stb_encode(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px,
                            enum efme_image_kind kind, uint32_t quality);

/* What makes pixels in this build, decoders and others, in a fixed order: their names from number 1 on, NULL behind the last; the number
 * of a name, 0 where it is none of them. */
const char *efme_decoder_name(uint8_t number);
uint8_t efme_decoder_number(const char *name);

/* EXIF (exif.c): orientation tag of a TIFF block (what follows "Exif\0\0"); 1 where there is none or it is damaged. */
uint32_t efme_exif_orientation(const uint8_t *tiff, size_t size);
/* Turns pixels as orientation 1..8 asks; in and out differ in size for 5..8. */
efme_status efme_pixels_orient(struct efme_pixels *px, const struct efme_allocator *a, uint32_t orientation);

/* ---- resize.c ---- */
/* Area mean where an axis shrinks, bilinear where it grows, exact integers, rounded to nearest (halves up). dst packed
 * width * height * channels; scratch from a. */
efme_status efme_pixels_resize(uint8_t *dst, uint32_t width, uint32_t height, const uint8_t *src, uint32_t src_width, uint32_t src_height,
                               uint32_t channels, const struct efme_allocator *a);

/* ---- warp.c ---- */
/* Result pixel coordinates (u, v) to source ones: x = m[0] u + m[1] v + m[2], y = m[3] u + m[4] v + m[5], a similarity without mirror
 * (m[0] = m[4], m[1] = -m[3]). Bilinear where it grows, exact mean over the turned square where it shrinks, rounded to nearest; outside the
 * source its edge goes on. dst packed width * height * src->channels. */
efme_status efme_pixels_warp(uint8_t *dst, uint32_t width, uint32_t height, const struct efme_pixels *src, const double m[6],
                             const struct efme_allocator *a);

#endif
