/* Structure of a BMP, checked before stb_image sees it: that the rows lie inside the file and that every pixel's colour is
 * in the palette (stb_image would read palette entries that were never set). */
#include "io/image.h"

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

/* Every index of the rows below `colours`. bits 1, 4 or 8. */
static efme_status check_indices(const struct efme_image_header *h, const uint8_t *rows, size_t stride, uint32_t bits, uint32_t colours) {
  for (uint32_t y = 0; y < h->height; y++) {
    const uint8_t *row = rows + (size_t)y * stride;
    for (uint32_t x = 0; x < h->width; x++) {
      uint32_t bit = x * bits, v = row[bit >> 3] >> (8 - bits - (bit & 7)) & ((1u << bits) - 1);
      if (v >= colours) return efme_fail(EFME_E_FORMAT, "BMP: row %u names colour %u of a palette of %u", y, v, colours);
    }
  }
  return EFME_OK;
}

efme_status efme_bmp_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels) {
  if (size < 26) return efme_fail(EFME_E_FORMAT, "BMP: truncated header");
  uint32_t offset = get32(data + 10), header = get32(data + 14);
  if (header != 12 && header != 40 && header != 56 && header != 108 && header != 124)
    return efme_fail(EFME_E_UNSUPPORTED, "BMP: header of %u bytes is not supported", header);
  if (size < 14 + (size_t)header) return efme_fail(EFME_E_FORMAT, "BMP: truncated header");
  int32_t width, height;
  uint32_t bits, compression = 0;
  if (header == 12) {
    width = (int32_t)get16(data + 18), height = (int32_t)get16(data + 20);
    bits = get16(data + 24);
  } else {
    width = (int32_t)get32(data + 18), height = (int32_t)get32(data + 22);
    bits = get16(data + 28);
    compression = get32(data + 30);
  }
  if (compression != 0 && compression != 3) return efme_fail(EFME_E_UNSUPPORTED, "BMP: compression %u is not supported", compression);
  if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
    return efme_fail(EFME_E_FORMAT, "BMP: %u bits a pixel", bits);
  if (compression == 3 && bits != 16 && bits != 32) return efme_fail(EFME_E_FORMAT, "BMP: colour masks with %u bits a pixel", bits);
  if (width <= 0 || height == 0 || height == INT32_MIN) return efme_fail(EFME_E_FORMAT, "BMP: size %d x %d", width, height);
  h->width = (uint32_t)width;
  h->height = (uint32_t)(height < 0 ? -height : height);
  h->channels = 3;
  efme_status status = efme_image_check_size(h->width, h->height, max_pixels);
  if (status) return status;

  /* What lies before the rows: file header, info header, masks, palette. */
  uint32_t before = 14 + header + (compression == 3 && (header == 40 || header == 56) ? 12 : 0);
  if (offset < before || offset > size) return efme_fail(EFME_E_FORMAT, "BMP: rows at byte %u of %zu", offset, size);
  size_t stride = ((size_t)h->width * bits + 31) / 32 * 4, last = ((size_t)h->width * bits + 7) / 8;
  uint64_t need = (uint64_t)stride * (h->height - 1) + last;
  if (size - offset < need)
    return efme_fail(EFME_E_FORMAT, "BMP: truncated: %zu bytes of rows, %llu expected", size - offset, (unsigned long long)need);
  if (bits > 8) return EFME_OK;
  uint32_t colours = (offset - before) / (header == 12 ? 3 : 4);
  if (colours == 0 || colours > 256) return efme_fail(EFME_E_FORMAT, "BMP: a palette of %u colours", colours);
  return colours < 1u << bits ? check_indices(h, data + offset, stride, bits, colours) : EFME_OK;
}
