/* PNG from pixels: each row by the filter whose differences are smallest in sum (PNG specification, 12.8), then Deflate. stb_image_write
 * deflates, but for the rest it has settings in writable memory. */
#include <stdlib.h>
#include <string.h>

#include "io/image.h"

static uint8_t paeth(int a, int b, int c) {
  int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
  return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* One row of n bytes by filter `type`; above is a row of zeros for the first. Returns the sum of the differences. */
static uint64_t filter(uint8_t *out, const uint8_t *row, const uint8_t *above, size_t n, size_t channels, int type) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i++) {
    int left = i < channels ? 0 : row[i - channels], up = above[i], corner = i < channels ? 0 : above[i - channels], guess = 0;
    if (type == 1) guess = left;
    else if (type == 2) guess = up;
    else if (type == 3) guess = (left + up) / 2;
    else if (type == 4) guess = paeth(left, up, corner);
    out[i] = (uint8_t)(row[i] - guess);
    sum += out[i] < 128 ? out[i] : 256u - out[i];
  }
  return sum;
}

/* Filtered rows, each behind the number of its filter; scratch: one row, and one of zeros. */
static void filter_rows(uint8_t *out, uint8_t *scratch, const struct efme_pixels *px) {
  size_t n = (size_t)px->width * px->channels;
  const uint8_t *above = scratch + n;
  memset(scratch + n, 0, n);
  for (uint32_t y = 0; y < px->height; y++, out += n + 1) {
    const uint8_t *row = px->data + y * n;
    uint64_t best = UINT64_MAX;
    for (int type = 0; type < 5; type++) {
      uint64_t sum = filter(scratch, row, above, n, px->channels, type);
      if (sum >= best) continue;
      best = sum, out[0] = (uint8_t)type;
      memcpy(out + 1, scratch, n);
    }
    above = row;
  }
}

efme_status efme_png_encode(uint8_t **out, size_t *size, const struct efme_allocator *a, const struct efme_pixels *px) {
  size_t n = (size_t)px->width * px->channels, rows_size = (n + 1) * px->height, zlib_size;
  uint8_t *rows = efme_mem_alloc(a, rows_size + 2 * n, "an encoded image"), *zlib;
  if (!rows) return EFME_E_NOMEM;
  filter_rows(rows, rows + rows_size, px);
  efme_status status = efme_stb_deflate(&zlib, &zlib_size, a, rows, rows_size);
  efme_mem_free(a, rows);
  if (status) return status;
  status = efme_png_pack(out, size, a, px, zlib, zlib_size);
  efme_mem_free(a, zlib);
  return status;
}
