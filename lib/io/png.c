/* Structure of a PNG, checked before a decoder sees it: chunks, their checksums, sizes; a reduced copy that holds
 * only what the pixels need; and the chunks of a file that is written. Decoders thus never meet text, profiles or unknown chunks, and every
 * palette is complete. */
#include <string.h>

#include "io/image.h"

static uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
static void put32(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
}

/* CRC-32 as in the PNG specification, annex D; the table lives on the stack of its caller. */
struct crc {
  uint32_t table[256];
};

static void crc_init(struct crc *c) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t v = i;
    for (int k = 0; k < 8; k++) v = v & 1 ? 0xEDB88320u ^ v >> 1 : v >> 1;
    c->table[i] = v;
  }
}

static uint32_t crc_of(const struct crc *c, const uint8_t *p, size_t n) {
  uint32_t v = 0xFFFFFFFFu;
  for (size_t i = 0; i < n; i++) v = c->table[(v ^ p[i]) & 255] ^ v >> 8;
  return ~v;
}

#define IHDR 0x49484452u
#define PLTE 0x504C5445u
#define IDAT 0x49444154u
#define IEND 0x49454E44u
#define CGBI 0x43674249u
#define EXIF 0x65584966u

static efme_status header(struct efme_image_header *h, const uint8_t *p, uint32_t n, uint64_t max_pixels) {
  if (n != 13) return efme_fail(EFME_E_FORMAT, "PNG: header of %u bytes", n);
  h->width = get32(p), h->height = get32(p + 4);
  h->depth = p[8], h->color_type = p[9], h->interlaced = p[12];
  efme_status status = efme_image_check_size(h->width, h->height, max_pixels);
  if (status) return status;
  /* Allowed depths by colour type, as a mask of bits 1, 2, 4, 8, 16. */
  static const uint8_t depths[7] = {1 | 2 | 4 | 8 | 16, 0, 8 | 16, 1 | 2 | 4 | 8, 8 | 16, 0, 8 | 16};
  if (h->color_type > 6 || !h->depth || (h->depth & (h->depth - 1)) || !(depths[h->color_type] & h->depth))
    return efme_fail(EFME_E_FORMAT, "PNG: colour type %u with %u bits", h->color_type, h->depth);
  if (p[10] || p[11] || p[12] > 1) return efme_fail(EFME_E_FORMAT, "PNG: unknown compression, filter or interlace method");
  h->channels = h->color_type == 0 || h->color_type == 4 ? 1 : 3;
  return EFME_OK;
}

/* Bytes of the decompressed rows; interlacing only adds to it. */
static uint64_t raw_bytes(const struct efme_image_header *h) {
  static const uint8_t samples[7] = {1, 0, 3, 1, 2, 0, 4};
  return (((uint64_t)h->width * h->depth * samples[h->color_type] + 7) / 8 + 1) * h->height;
}

static efme_status chunk(struct efme_image_header *h, uint32_t type, const uint8_t *data, size_t at, uint32_t n, int *idat_ended,
                         uint64_t max_pixels) {
  if (type == IHDR) return at == 8 ? header(h, data + 16, n, max_pixels) : efme_fail(EFME_E_FORMAT, "PNG: a second header");
  if (at == 8)
    return efme_fail(type == CGBI ? EFME_E_UNSUPPORTED : EFME_E_FORMAT,
                     type == CGBI ? "PNG: Apple's CgBI form is not supported" : "PNG: no header");
  if (type == PLTE) {
    if (h->palette || h->data_bytes || n == 0 || n % 3 || n > 768) return efme_fail(EFME_E_FORMAT, "PNG: misplaced or damaged palette");
    h->palette = n / 3;
    h->data_offset = at + 8;
  } else if (type == IDAT) {
    if (*idat_ended) return efme_fail(EFME_E_FORMAT, "PNG: image data in two places");
    h->data_bytes += n;
  } else if (type == EXIF && h->orientation == 1) h->orientation = efme_exif_orientation(data + at + 8, n);
  else if (!(type >> 24 & 0x20) && type != IEND) return efme_fail(EFME_E_UNSUPPORTED, "PNG: unknown critical chunk at byte %zu", at);
  if (type != IDAT && h->data_bytes) *idat_ended = 1;
  return EFME_OK;
}

efme_status efme_png_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels) {
  struct crc crc;
  crc_init(&crc);
  size_t at = 8;
  int idat_ended = 0;
  for (uint32_t type = 0; type != IEND;) {
    if (size - at < 12) return efme_fail(EFME_E_FORMAT, "PNG: truncated: no end chunk in %zu bytes", size);
    uint32_t n = get32(data + at);
    type = get32(data + at + 4);
    if (n > size - at - 12) return efme_fail(EFME_E_FORMAT, "PNG: truncated chunk at byte %zu", at);
    /* Ancillary chunks may be damaged, as far as we are concerned. */
    if (!(type >> 24 & 0x20) && crc_of(&crc, data + at + 4, n + 4) != get32(data + at + 8 + n))
      return efme_fail(EFME_E_FORMAT, "PNG: wrong checksum of the chunk at byte %zu", at);
    efme_status status = chunk(h, type, data, at, n, &idat_ended, max_pixels);
    if (status) return status;
    at += 12 + (size_t)n;
  }
  if (h->color_type == 3 && !h->palette) return efme_fail(EFME_E_FORMAT, "PNG: no palette");
  if (h->data_bytes > INT32_MAX - 4096) return efme_fail(EFME_E_LIMIT, "PNG: %zu bytes of image data", h->data_bytes);
  /* Deflate shrinks to 1/1032 at the very best: a match of 258 bytes in two bits. */
  if (raw_bytes(h) > 1032 * (uint64_t)h->data_bytes)
    return efme_fail(EFME_E_FORMAT, "PNG: truncated: %zu bytes cannot hold %u x %u pixels", h->data_bytes, h->width, h->height);
  return EFME_OK;
}

/* Writes one chunk around its content at p + 8 and returns what follows. */
static uint8_t *seal(const struct crc *crc, uint8_t *p, uint32_t type, size_t n) {
  put32(p, (uint32_t)n);
  put32(p + 4, type);
  put32(p + 8 + n, crc_of(crc, p + 4, n + 4));
  return p + 12 + n;
}

/* Signature, header, palette (filled up with black to all that `depth` bits can name), the image data as one chunk, end.
 * Transparency is left out: alpha is dropped anyway. */
efme_status efme_png_reduce(uint8_t **out, size_t *out_size, const struct efme_allocator *a, const struct efme_image_header *h,
                            const uint8_t *data, size_t size) {
  struct crc crc;
  crc_init(&crc);
  size_t palette = h->color_type == 3 ? (size_t)3 << h->depth : 0;
  size_t total = 8 + 25 + (palette ? palette + 12 : 0) + h->data_bytes + 12 + 12;
  uint8_t *copy = efme_mem_alloc(a, total, "PNG");
  if (!copy) return EFME_E_NOMEM;
  memcpy(copy, data, 8 + 25);
  uint8_t *p = copy + 8 + 25;
  if (palette) {
    memset(p + 8, 0, palette);
    memcpy(p + 8, data + h->data_offset, EFME_MIN(palette, (size_t)h->palette * 3));
    p = seal(&crc, p, PLTE, palette);
  }
  uint8_t *to = p + 8;
  for (size_t at = 8; at < size;) {
    uint32_t n = get32(data + at), type = get32(data + at + 4);
    if (type == IDAT && n) memcpy(to, data + at + 8, n), to += n;
    if (type == IEND) break;
    at += 12 + (size_t)n;
  }
  p = seal(&crc, p, IDAT, h->data_bytes);
  p = seal(&crc, p, IEND, 0);
  *out = copy;
  *out_size = (size_t)(p - copy);
  return EFME_OK;
}

efme_status efme_png_pack(uint8_t **out, size_t *out_size, const struct efme_allocator *a, const struct efme_pixels *px,
                          const uint8_t *zlib, size_t size) {
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  struct crc crc;
  crc_init(&crc);
  uint8_t *file = efme_mem_calloc(a, 1, sizeof signature + 25 + 12 + size + 12, "an encoded image");
  if (!file) return EFME_E_NOMEM;
  memcpy(file, signature, sizeof signature);
  uint8_t *p = file + sizeof signature;
  put32(p + 8, px->width), put32(p + 12, px->height);
  p[16] = 8, p[17] = px->channels == 1 ? 0 : 2; /* bits; grey or RGB; compression, filter and interlace methods are 0 */
  p = seal(&crc, p, IHDR, 13);
  memcpy(p + 8, zlib, size);
  p = seal(&crc, p, IDAT, size);
  p = seal(&crc, p, IEND, 0);
  *out = file;
  *out_size = (size_t)(p - file);
  return EFME_OK;
}
