/* EXIF orientation: how the camera was held, and the turn that undoes it. A small bounds-checked reader of TIFF's first
 * directory; whatever is damaged counts as "no orientation", because the pixels are still good. */
#include <string.h>

#include "io/image.h"

static uint32_t get16(const uint8_t *p, int big) { return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0]; }
static uint32_t get32(const uint8_t *p, int big) { return big ? get16(p, 1) << 16 | get16(p + 2, 1) : get16(p + 2, 0) << 16 | get16(p, 0); }

#define TAG_ORIENTATION 0x0112u
#define TYPE_SHORT 3u

uint32_t efme_exif_orientation(const uint8_t *tiff, size_t size) {
  if (size < 14) return 1;
  int big = tiff[0] == 'M' && tiff[1] == 'M';
  if (!big && !(tiff[0] == 'I' && tiff[1] == 'I')) return 1;
  if (get16(tiff + 2, big) != 42) return 1;
  size_t at = get32(tiff + 4, big);
  if (at > size - 2) return 1;
  uint32_t entries = get16(tiff + at, big);
  at += 2;
  for (uint32_t i = 0; i < entries && size - at >= 12; i++, at += 12) {
    const uint8_t *e = tiff + at;
    if (get16(e, big) != TAG_ORIENTATION) continue;
    if (get16(e + 2, big) != TYPE_SHORT || get32(e + 4, big) != 1) return 1;
    uint32_t v = get16(e + 8, big);
    return v >= 1 && v <= 8 ? v : 1;
  }
  return 1;
}

/* Where stored pixel (0, 0) and the two steps lead in the stored image, seen from the upright one:
 * 1 as is, 2 mirrored, 3 half turn, 4 upside-down mirror, 5 transposed, 6 turn right by 90 to view, 7 transverse, 8 turn left. */
efme_status efme_pixels_orient(struct efme_pixels *px, const struct efme_allocator *a, uint32_t orientation) {
  if (orientation <= 1 || orientation > 8) return EFME_OK;
  int swap = orientation >= 5;
  struct efme_pixels r;
  efme_status status = efme_pixels_alloc(&r, a, swap ? px->height : px->width, swap ? px->width : px->height, px->channels);
  if (status) return status;
  ptrdiff_t c = (ptrdiff_t)px->channels, row = (ptrdiff_t)px->width * c;
  ptrdiff_t right = (ptrdiff_t)(px->width - 1) * c, bottom = (ptrdiff_t)(px->height - 1) * row;
  /* by orientation 1..8: offset of the upright top-left pixel, step to its right, step down */
  const ptrdiff_t start[9] = {0, 0, right, right + bottom, bottom, 0, bottom, right + bottom, right};
  const ptrdiff_t dx[9] = {0, c, -c, -c, c, row, -row, -row, row};
  const ptrdiff_t dy[9] = {0, row, row, -row, -row, c, c, -c, -c};
  uint8_t *out = r.data;
  for (uint32_t y = 0; y < r.height; y++) {
    ptrdiff_t at = start[orientation] + (ptrdiff_t)y * dy[orientation];
    for (uint32_t x = 0; x < r.width; x++, at += dx[orientation])
      for (ptrdiff_t k = 0; k < c; k++) *out++ = px->data[at + k];
  }
  efme_pixels_free(px, a);
  *px = r;
  return EFME_OK;
}
