/* Shared by the image tests: a context whose memory is counted and can be refused, and a writer of small PNGs. */
#ifndef EFME_IO_TEST_H
#define EFME_IO_TEST_H

#include <stdint.h>
#include <time.h>

#include "efme/image.h"
#include "heap.h"
#include "test.h"
#include "util/util.h"

static struct heap test_heap;

static efme_context *test_context(void) {
  efme_context *c = NULL;
  if (heap_context(&c, &test_heap, 1)) fprintf(stderr, "no context: %s\n", efme_last_error()), exit(EXIT_FAILURE);
  return c;
}

/* ---- PNG with stored (uncompressed) rows ---- */
static uint8_t *put32(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8), p[3] = (uint8_t)v;
  return p + 4;
}

static uint8_t *png_chunk(uint8_t *p, const char *type, const uint8_t *data, size_t n) {
  put32(p, (uint32_t)n);
  memcpy(p + 4, type, 4);
  if (n) memmove(p + 8, data, n);
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < n + 4; i++) {
    crc ^= p[4 + i];
    for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
  }
  return put32(p + 8 + n, ~crc);
}

/* stream: what the rows are compressed from, filter bytes included, at most 65535 bytes. palette: colours * 3 bytes or NULL. extra: chunk
 * put before IDAT or NULL. */
static inline size_t png_pack(uint8_t *out, uint32_t w, uint32_t h, int depth, int type, int interlaced, const uint8_t *stream,
                              size_t total, const uint8_t *palette, size_t colours, const char *extra, const uint8_t *extra_data,
                              size_t extra_size) {
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  uint8_t *p = out, header[13], z[70000], *q = z;
  memcpy(p, signature, 8), p += 8;
  put32(put32(header, w), h);
  header[8] = (uint8_t)depth, header[9] = (uint8_t)type, header[10] = header[11] = 0, header[12] = (uint8_t)interlaced;
  p = png_chunk(p, "IHDR", header, 13);
  if (palette) p = png_chunk(p, "PLTE", palette, colours * 3);
  if (extra) p = png_chunk(p, extra, extra_data, extra_size);
  ck_assert_uint_le(total, 65535);
  *q++ = 0x78, *q++ = 1, *q++ = 1;
  *q++ = (uint8_t)total, *q++ = (uint8_t)(total >> 8), *q++ = (uint8_t)~total, *q++ = (uint8_t)(~total >> 8);
  memcpy(q, stream, total), q += total;
  uint32_t a = 1, b = 0;
  for (size_t i = 0; i < total; i++) a = (a + stream[i]) % 65521, b = (b + a) % 65521;
  q = put32(q, b << 16 | a);
  p = png_chunk(p, "IDAT", z, (size_t)(q - z));
  p = png_chunk(p, "IEND", NULL, 0);
  return (size_t)(p - out);
}

/* raw: rows without filter bytes, row_bytes each. */
static inline size_t png_make(uint8_t *out, uint32_t w, uint32_t h, int depth, int type, const uint8_t *raw, size_t row_bytes,
                              const uint8_t *palette, size_t colours, const char *extra, const uint8_t *extra_data, size_t extra_size) {
  uint8_t stream[65536];
  size_t total = (row_bytes + 1) * h;
  ck_assert_uint_le(total, sizeof stream);
  for (uint32_t y = 0; y < h; y++) {
    stream[y * (row_bytes + 1)] = 0;
    memcpy(stream + y * (row_bytes + 1) + 1, raw + y * row_bytes, row_bytes);
  }
  return png_pack(out, w, h, depth, type, 0, stream, total, palette, colours, extra, extra_data, extra_size);
}

/* The same file with another size in its header. */
static inline void png_claim(uint8_t *file, uint32_t w, uint32_t h) {
  put32(put32(file + 16, w), h);
  png_chunk(file + 8, "IHDR", file + 16, 13);
}

static inline efme_image_info info_of(const efme_image *image) {
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  ck_assert_int_eq(efme_image_get_info(image, &info), EFME_OK);
  return info;
}

#define assert_ok(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
/* The call fails with this status, and its text holds each word. */
#define assert_fails(call, status, word)                                                                                                   \
  do {                                                                                                                                     \
    efme_status assert_status = (call);                                                                                                    \
    ck_assert_msg(assert_status == (status), "%s gave %s (%s), expected %s", #call, efme_status_name(assert_status), efme_last_error(),    \
                  #status);                                                                                                                \
    ck_assert_msg(strstr(efme_last_error(), word) != NULL, "\"%s\" does not say \"%s\"", efme_last_error(), word);                         \
  } while (0)

#endif
