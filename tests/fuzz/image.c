/* Images from memory. A PNG is tried twice, as it is and with its checksums made right, or no damage would ever reach the decoder. */
#include "fuzz.h"

#include "image_seeds.h"
#include "io/jpeg_data.h"

#define MOST_PIXELS (1u << 20)

static uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

static void put32(uint8_t *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t crc_of(const uint8_t *p, size_t n) {
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < n; i++) {
    crc ^= p[i];
    for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
  }
  return ~crc;
}

/* All checksums of a PNG's chunks, as far as there are whole ones. */
static void mend_checksums(uint8_t *png, size_t size) {
  for (size_t at = 8; size - at >= 12;) {
    uint32_t n = get32(png + at);
    if (n > size - at - 12) return;
    put32(png + at + 8 + n, crc_of(png + at + 4, n + 4));
    at += 12 + (size_t)n;
  }
}

/* What was decoded must be usable: every pixel, a crop that reaches out of it, both directions of a resize. */
static void use(const efme_image *image, size_t size) {
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  efme_image *other = NULL;
  FUZZ_CHECK(efme_image_get_info(image, &info) == EFME_OK, "info");
  FUZZ_CHECK(info.width >= 1 && info.height >= 1 && (info.channels == 1 || info.channels == 3), "%u x %u x %u", info.width, info.height,
             info.channels);
  size_t pixels = (size_t)info.width * info.height, sum = 0;
  FUZZ_CHECK(pixels <= MOST_PIXELS, "%u x %u", info.width, info.height);
  FUZZ_CHECK(fuzz_peak() < 48 * pixels + 8 * size + (8u << 20), "%zu bytes for %zu pixels of %zu bytes", fuzz_peak(), pixels, size);
  for (size_t i = 0; i < pixels * info.channels; i++) sum += efme_image_pixels(image)[i];
  FUZZ_CHECK(sum <= pixels * info.channels * 255, "sum");
  FUZZ_CHECK(efme_image_crop(&other, image, -3, (int32_t)info.height - 1, 4 + EFME_MIN(info.width, 60u), 9) == EFME_OK, "crop");
  efme_image_release(other);
  FUZZ_CHECK(efme_image_resize(&other, image, 7, 33) == EFME_OK, "resize");
  efme_image_release(other);
}

static void decode(const uint8_t *data, size_t size) {
  efme_image_options o = EFME_IMAGE_OPTIONS_INIT;
  efme_image *image = NULL;
  o.max_pixels = MOST_PIXELS;
  fuzz_begin((48u << 20) + 8 * size + (16u << 20));
  if (fuzz_status(efme_image_decode(&image, fuzz_context(), data, size, "some.image", &o),
                  FUZZ_MAY(FORMAT) | FUZZ_MAY(UNSUPPORTED) | FUZZ_MAY(LIMIT), "some.image") == EFME_OK)
    use(image, size);
  else FUZZ_CHECK(!image, "out is touched");
  efme_image_release(image);
  fuzz_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_context();
  decode(data, size);
  if (size < 20 || memcmp(data, "\x89PNG\r\n\x1a\n", 8)) return 0;
  uint8_t *copy = malloc(size);
  memcpy(copy, data, size);
  mend_checksums(copy, size);
  if (memcmp(copy, data, size)) decode(copy, size);
  free(copy);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const char pgm[] = "P5\n# a comment\n3 2\n255\nabcdef", ppm[] = "P6 2 1 1000\nabcdefghijkl";
  emit("grey.jpg", test_jpeg_grey, sizeof test_jpeg_grey, SIZE_MAX);
  emit("colour.jpg", test_jpeg_colour, sizeof test_jpeg_colour, SIZE_MAX);
  emit("progressive.jpg", test_jpeg_progressive, sizeof test_jpeg_progressive, SIZE_MAX);
  emit("cmyk.jpg", test_jpeg_cmyk, sizeof test_jpeg_cmyk, SIZE_MAX);
  emit("palette.png", png_palette, sizeof png_palette, SIZE_MAX);
  emit("interlaced.png", png_interlaced, sizeof png_interlaced, SIZE_MAX);
  emit("turned.png", png_turned, sizeof png_turned, SIZE_MAX);
  emit("palette.bmp", bmp_palette, sizeof bmp_palette, SIZE_MAX);
  emit("masks.bmp", bmp_masks, sizeof bmp_masks, SIZE_MAX);
  emit("comment.pgm", pgm, sizeof pgm - 1, SIZE_MAX);
  emit("deep.ppm", ppm, sizeof ppm - 1, SIZE_MAX);
}
