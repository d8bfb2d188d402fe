/* Images: raw pixels, every format and depth, orientation, damage of every kind, limits, memory that runs out. Built twice:
 * with the library's decoders and with the other ones. */
#include <fenv.h>

#include "io_test.h"
#include "jpeg_data.h"

#include "io/image.h"

static efme_context *context;

static void setup(void) {
  memset(&test_heap, 0, sizeof test_heap);
  context = test_context();
}

static void teardown(void) {
  efme_context_release(context);
  ck_assert_int_eq(test_heap.live, 0);
}

START_TEST(raw_pixels) {
  static const uint8_t rgba[2][3][4] = {{{1, 2, 3, 9}, {4, 5, 6, 9}, {7, 8, 10, 9}}, {{11, 12, 13, 9}, {14, 15, 16, 9}, {17, 18, 19, 9}}};
  static const uint8_t rgb[18] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  static const uint8_t swapped[18] = {3, 2, 1, 6, 5, 4, 10, 8, 7, 13, 12, 11, 16, 15, 14, 19, 18, 17};
  static const uint8_t turned[18] = {11, 12, 13, 14, 15, 16, 17, 18, 19, 1, 2, 3, 4, 5, 6, 7, 8, 10};
  efme_image *image;
  assert_ok(efme_image_from_pixels(&image, context, rgba, EFME_PIXEL_RGBA8, 3, 2, 0));
  ck_assert_mem_eq(efme_image_pixels(image), rgb, 18);
  efme_image_info info = info_of(image);
  ck_assert(info.width == 3 && info.height == 2 && info.channels == 3 && info.orientation == 1);
  ck_assert_str_eq(info.decoder, "pixels");
  ck_assert_ptr_eq(efme_image_retain(image), image);
  efme_image_release(image);
  efme_image_release(image);
  assert_ok(efme_image_from_pixels(&image, context, rgba, EFME_PIXEL_BGRA8, 3, 2, 12));
  ck_assert_mem_eq(efme_image_pixels(image), swapped, 18);
  efme_image_release(image);
  assert_ok(efme_image_from_pixels(&image, context, swapped, EFME_PIXEL_BGR8, 3, 2, 0));
  ck_assert_mem_eq(efme_image_pixels(image), rgb, 18);
  efme_image_release(image);
  assert_ok(efme_image_from_pixels(&image, context, rgb + 9, EFME_PIXEL_RGB8, 3, 2, -9)); /* bottom-up */
  ck_assert_mem_eq(efme_image_pixels(image), turned, 18);
  efme_image_release(image);
  assert_ok(efme_image_from_pixels(&image, context, rgb, EFME_PIXEL_GREY8, 4, 2, 9));
  ck_assert_mem_eq(efme_image_pixels(image), "\1\2\3\4\13\14\15\16", 8);
  ck_assert_uint_eq(info_of(image).channels, 1);
  efme_image_release(image);
}
END_TEST

START_TEST(bad_arguments) {
  uint8_t pixels[64] = {0};
  efme_image *image = (efme_image *)1, *one;
  assert_ok(efme_image_from_pixels(&one, context, pixels, EFME_PIXEL_GREY8, 8, 8, 0));
  assert_fails(efme_image_from_pixels(NULL, context, pixels, EFME_PIXEL_GREY8, 8, 8, 0), EFME_E_ARGUMENT, "out");
  assert_fails(efme_image_from_pixels(&image, NULL, pixels, EFME_PIXEL_GREY8, 8, 8, 0), EFME_E_ARGUMENT, "context");
  assert_fails(efme_image_from_pixels(&image, context, NULL, EFME_PIXEL_GREY8, 8, 8, 0), EFME_E_ARGUMENT, "pixels");
  assert_fails(efme_image_from_pixels(&image, context, pixels, (efme_pixel_format)7, 8, 8, 0), EFME_E_ARGUMENT, "format");
  assert_fails(efme_image_from_pixels(&image, context, pixels, EFME_PIXEL_GREY8, 0, 8, 0), EFME_E_ARGUMENT, "width");
  assert_fails(efme_image_from_pixels(&image, context, pixels, EFME_PIXEL_GREY8, 8, 0, 0), EFME_E_ARGUMENT, "height");
  assert_fails(efme_image_from_pixels(&image, context, pixels, EFME_PIXEL_GREY8, 8, 8, 7), EFME_E_ARGUMENT, "row_stride");
  assert_fails(efme_image_from_pixels(&image, context, pixels, EFME_PIXEL_GREY8, 70000, 1, 0), EFME_E_LIMIT, "70000");
  assert_fails(efme_image_from_pixels(&image, context, pixels, EFME_PIXEL_GREY8, 60000, 60000, 0), EFME_E_LIMIT, "60000");
  assert_fails(efme_image_load(&image, context, NULL, NULL), EFME_E_ARGUMENT, "path");
  assert_fails(efme_image_decode(&image, context, NULL, 5, NULL, NULL), EFME_E_ARGUMENT, "data");
  assert_fails(efme_image_get_info(NULL, NULL), EFME_E_ARGUMENT, "image");
  assert_fails(efme_image_get_info(one, NULL), EFME_E_ARGUMENT, "out");
  assert_fails(efme_image_crop(&image, one, 8, 0, 2, 2), EFME_E_ARGUMENT, "outside");
  assert_fails(efme_image_crop(&image, one, -2, 0, 2, 2), EFME_E_ARGUMENT, "outside");
  assert_fails(efme_image_crop(&image, one, 0, 0, 0, 2), EFME_E_ARGUMENT, "empty");
  assert_fails(efme_image_crop(&image, one, INT32_MAX, INT32_MIN, 1, UINT32_MAX), EFME_E_ARGUMENT, "outside");
  assert_fails(efme_image_crop(&image, one, 0, 0, UINT32_MAX, UINT32_MAX), EFME_E_LIMIT, "4294967295");
  assert_fails(efme_image_resize(&image, one, 0, 4), EFME_E_ARGUMENT, "width");
  assert_fails(efme_image_resize(&image, one, 4, 70000), EFME_E_LIMIT, "70000");
  efme_image_options o = EFME_IMAGE_OPTIONS_INIT;
  o.ignore_orientation = 2;
  assert_fails(efme_image_decode(&image, context, pixels, 5, NULL, &o), EFME_E_ARGUMENT, "ignore_orientation");
  struct {
    efme_image_options o;
    uint64_t later;
  } longer = {EFME_IMAGE_OPTIONS_INIT, 1};
  longer.o.struct_size = sizeof longer;
  assert_fails(efme_image_decode(&image, context, pixels, 5, NULL, &longer.o), EFME_E_ARGUMENT, "efme_image_options");
  ck_assert_ptr_eq(image, (efme_image *)1);
  ck_assert_ptr_null(efme_image_pixels(NULL));
  ck_assert_ptr_null(efme_image_retain(NULL));
  efme_image_release(NULL);
  efme_image_release(one);
}
END_TEST

START_TEST(crop_repeats_the_edge) {
  static const uint8_t grey[6] = {1, 2, 3, 4, 5, 6}; /* 3 x 2 */
  static const uint8_t expected[5][6] = {
      {1, 1, 1, 2, 3, 3}, {1, 1, 1, 2, 3, 3}, {4, 4, 4, 5, 6, 6}, {4, 4, 4, 5, 6, 6}, {4, 4, 4, 5, 6, 6}};
  efme_image *image, *part;
  assert_ok(efme_image_from_pixels(&image, context, grey, EFME_PIXEL_GREY8, 3, 2, 0));
  assert_ok(efme_image_crop(&part, image, -2, -1, 6, 5));
  ck_assert_mem_eq(efme_image_pixels(part), expected, 30);
  efme_image_release(part);
  assert_ok(efme_image_crop(&part, image, 1, 1, 1, 1));
  ck_assert_uint_eq(efme_image_pixels(part)[0], 5);
  efme_image_release(part);
  efme_image_release(image);
}
END_TEST

/* ---- PNG: every colour type and depth, from rows whose value is known ---- */
#define SIDE 9u
static uint32_t sample_at(uint32_t x, uint32_t y, uint32_t k, uint32_t maximum) { return (x * 37 + y * 101 + k * 71) % (maximum + 1); }

START_TEST(png_depths) {
  static const struct {
    int type, depth, samples;
  } forms[] = {{0, 1, 1}, {0, 2, 1}, {0, 4, 1}, {0, 8, 1}, {0, 16, 1}, {2, 8, 3}, {2, 16, 3}, {3, 1, 1},
               {3, 2, 1}, {3, 4, 1}, {3, 8, 1}, {4, 8, 2}, {4, 16, 2}, {6, 8, 4}, {6, 16, 4}};
  uint8_t palette[768], file[4096], raw[1024];
  for (int i = 0; i < 768; i++) palette[i] = (uint8_t)(i * 7 + 3);
  for (size_t f = 0; f < EFME_COUNT(forms); f++) {
    uint32_t depth = (uint32_t)forms[f].depth, n = (uint32_t)forms[f].samples, maximum = (1u << depth) - 1;
    size_t row = (SIDE * depth * n + 7) / 8;
    memset(raw, 0, sizeof raw);
    for (uint32_t y = 0; y < SIDE; y++)
      for (uint32_t x = 0; x < SIDE; x++)
        for (uint32_t k = 0; k < n; k++) {
          uint32_t v = depth == 16 ? sample_at(x, y, k, 255) * 256 + 77 : sample_at(x, y, k, maximum), bit = (x * n + k) * depth;
          uint8_t *p = raw + y * row + bit / 8;
          if (depth == 16) p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
          else *p = (uint8_t)(*p | v << (8 - depth - bit % 8));
        }
    int indexed = forms[f].type == 3;
    size_t size = png_make(file, SIDE, SIDE, forms[f].depth, forms[f].type, raw, row, indexed ? palette : NULL, 1u << depth, NULL, NULL, 0);
    efme_image *image;
    assert_ok(efme_image_decode(&image, context, file, size, "t.png", NULL));
    uint32_t channels = info_of(image).channels;
    ck_assert_uint_eq(channels, forms[f].type == 0 || forms[f].type == 4 ? 1 : 3);
    for (uint32_t y = 0; y < SIDE; y++)
      for (uint32_t x = 0; x < SIDE; x++)
        for (uint32_t k = 0; k < channels; k++) {
          uint32_t v = depth == 16 ? sample_at(x, y, k, 255) : sample_at(x, y, indexed ? 0 : k, maximum);
          uint32_t expected = indexed ? palette[3 * v + k] : depth == 16 ? v : v * 255 / maximum;
          ck_assert_msg(efme_image_pixels(image)[(y * SIDE + x) * channels + k] == expected, "type %d depth %u at %u, %u: %u, expected %u",
                        forms[f].type, depth, x, y, efme_image_pixels(image)[(y * SIDE + x) * channels + k], expected);
        }
    efme_image_release(image);
  }
}
END_TEST

/* Adam7: the same pixels in seven passes, with widths and heights that leave passes empty. */
START_TEST(png_interlaced) {
  static const struct { int type, depth, samples; } forms[] = {{0, 1, 1}, {0, 8, 1}, {0, 16, 1}, {2, 8, 3}, {3, 4, 1}, {6, 8, 4}};
  static const uint32_t passes[7][4] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  uint8_t palette[48], file[4096], stream[2048];
  for (int i = 0; i < 48; i++) palette[i] = (uint8_t)(i * 5 + 1);
  for (uint32_t side = 1; side <= SIDE; side++)
    for (size_t f = 0; f < EFME_COUNT(forms); f++) {
      uint32_t w = side, h = SIDE + 1 - side, depth = (uint32_t)forms[f].depth, n = (uint32_t)forms[f].samples, maximum = (1u << depth) - 1;
      size_t at = 0;
      memset(stream, 0, sizeof stream);
      for (int p = 0; p < 7; p++)
        for (uint32_t y = passes[p][1]; y < h && passes[p][0] < w; y += passes[p][3]) {
          uint32_t bit = 0;
          at++; /* no filter */
          for (uint32_t x = passes[p][0]; x < w; x += passes[p][2])
            for (uint32_t k = 0; k < n; k++, bit += depth) {
              uint32_t v = sample_at(x, y, k, depth == 16 ? 255 : maximum);
              if (depth == 16) stream[at + bit / 8] = (uint8_t)v;
              else stream[at + bit / 8] = (uint8_t)(stream[at + bit / 8] | v << (8 - depth - bit % 8));
            }
          at += (bit + 7) / 8;
        }
      int indexed = forms[f].type == 3;
      size_t size = png_pack(file, w, h, forms[f].depth, forms[f].type, 1, stream, at, indexed ? palette : NULL, 16, NULL, NULL, 0);
      efme_image *image;
      assert_ok(efme_image_decode(&image, context, file, size, "t.png", NULL));
      uint32_t channels = info_of(image).channels;
      ck_assert(info_of(image).width == w && info_of(image).height == h);
      for (uint32_t i = 0; i < w * h * channels; i++) {
        uint32_t x = i / channels % w, y = i / channels / w, k = i % channels,
                 v = sample_at(x, y, indexed ? 0 : k, depth == 16 ? 255 : maximum);
        uint32_t expected = indexed ? palette[3 * v + k] : depth == 16 ? v : v * 255 / maximum;
        ck_assert_msg(efme_image_pixels(image)[i] == expected, "type %d depth %u, %u x %u at %u, %u: %u, expected %u", forms[f].type, depth,
                      w, h, x, y, efme_image_pixels(image)[i], expected);
      }
      efme_image_release(image);
    }
}
END_TEST

START_TEST(png_short_palette_is_black) { /* an index beyond the palette: the same pixel in both decoders */
  static const uint8_t palette[6] = {200, 100, 50, 10, 20, 30}, raw[2] = {0, 3};
  uint8_t file[512];
  size_t size = png_make(file, 2, 1, 8, 3, raw, 2, palette, 2, NULL, NULL, 0);
  efme_image *image;
  assert_ok(efme_image_decode(&image, context, file, size, NULL, NULL));
  ck_assert_mem_eq(efme_image_pixels(image), "\xC8\x64\x32\0\0\0", 6);
#ifdef EFME_WITH_PNG
  ck_assert_int_eq(strncmp(info_of(image).decoder, "libpng ", 7), 0);
#else
  ck_assert_int_eq(strncmp(info_of(image).decoder, "stb_image ", 10), 0);
#endif
  efme_image_release(image);
}
END_TEST

START_TEST(png_damage) {
  static const uint8_t raw[4] = {1, 2, 3, 4};
  uint8_t file[512], copy[512];
  size_t size = png_make(file, 2, 2, 8, 0, raw, 2, NULL, 0, NULL, NULL, 0);
  efme_image *image = (efme_image *)1;
  for (size_t n = 0; n < size; n++) { /* cut anywhere */
    memcpy(copy, file, n);
    efme_status status = efme_image_decode(&image, context, copy, n, "cut.png", NULL);
    ck_assert_msg(status == EFME_E_FORMAT, "%zu bytes gave %s", n, efme_status_name(status));
    ck_assert_ptr_nonnull(strstr(efme_last_error(), "cut.png"));
  }
  for (size_t i = 8; i < size; i++) { /* any byte of a chunk changed */
    memcpy(copy, file, size);
    copy[i] ^= 0x10;
    ck_assert_int_ne(efme_image_decode(&image, context, copy, size, NULL, NULL), EFME_OK);
  }
  png_claim(file, 0, 2);
  assert_fails(efme_image_decode(&image, context, file, size, NULL, NULL), EFME_E_FORMAT, "0 x 2");
  png_claim(file, 60000, 1000);
  long before = test_heap.peak;
  assert_fails(efme_image_decode(&image, context, file, size, "big.png", NULL), EFME_E_FORMAT, "cannot hold");
  png_claim(file, 9000, 9000);
  assert_fails(efme_image_decode(&image, context, file, size, "big.png", NULL), EFME_E_LIMIT, "big.png");
  ck_assert_int_eq(test_heap.peak, before); /* refused by the header alone */
  size = png_make(file, 2, 2, 8, 5, raw, 2, NULL, 0, NULL, NULL, 0);
  assert_fails(efme_image_decode(&image, context, file, size, NULL, NULL), EFME_E_FORMAT, "colour type 5");
  size = png_make(file, 2, 2, 8, 3, raw, 2, NULL, 0, NULL, NULL, 0);
  assert_fails(efme_image_decode(&image, context, file, size, NULL, NULL), EFME_E_FORMAT, "no palette");
  size = png_make(file, 2, 2, 8, 0, raw, 2, NULL, 0, "ABCD", raw, 4);
  assert_fails(efme_image_decode(&image, context, file, size, NULL, NULL), EFME_E_UNSUPPORTED, "critical chunk");
  size = png_make(file, 2, 2, 8, 0, raw, 2, NULL, 0, "abCd", raw, 4); /* but an ancillary one does no harm */
  assert_ok(efme_image_decode(&image, context, file, size, NULL, NULL));
  ck_assert_mem_eq(efme_image_pixels(image), raw, 4);
  efme_image_release(image);
}
END_TEST

/* ---- JPEG ---- */
static const uint8_t tones[2][3] = {{40, 90, 130}, {170, 210, 250}};

static void check_block(const efme_image *image, uint32_t x, uint32_t y, uint32_t channels, const int expected[3], int tolerance) {
  uint32_t width = info_of(image).width;
  for (uint32_t j = 0; j < 8; j++)
    for (uint32_t i = 0; i < 8; i++)
      for (uint32_t k = 0; k < channels; k++) {
        int v = efme_image_pixels(image)[((8 * y + j) * width + 8 * x + i) * channels + k];
        ck_assert_msg(abs(v - expected[k]) <= tolerance, "block %u, %u channel %u: %d, expected %d", x, y, k, v, expected[k]);
      }
}

START_TEST(jpeg_kinds) {
  static const struct {
    const unsigned char *data;
    size_t size;
    uint32_t channels;
    int tolerance;
  } files[] = {{test_jpeg_grey, sizeof test_jpeg_grey, 1, 2},
               {test_jpeg_colour, sizeof test_jpeg_colour, 3, 6},
               {test_jpeg_progressive, sizeof test_jpeg_progressive, 3, 6},
               {test_jpeg_cmyk, sizeof test_jpeg_cmyk, 3, 4}};
  for (size_t f = 0; f < EFME_COUNT(files); f++) {
    efme_image *image;
    assert_ok(efme_image_decode(&image, context, files[f].data, files[f].size, "t.jpg", NULL));
    efme_image_info info = info_of(image);
    ck_assert(info.width == 24 && info.height == 16 && info.channels == files[f].channels);
#ifdef EFME_WITH_JPEG
    ck_assert_int_eq(strncmp(info.decoder, "libjpeg-turbo ", 14), 0);
#else
    ck_assert_int_eq(strncmp(info.decoder, "stb_image ", 10), 0);
#endif
    for (uint32_t y = 0; y < 2; y++)
      for (uint32_t x = 0; x < 3; x++) {
        int t = tones[y][x], expected[3] = {t, 255 - t, 60};
        check_block(image, x, y, info.channels, expected, files[f].tolerance);
      }
    efme_image_release(image);
  }
}
END_TEST

START_TEST(jpeg_damage) {
  efme_image *image = (efme_image *)1;
  uint8_t copy[1024];
  for (size_t n = 0; n < sizeof test_jpeg_progressive; n++) {
    memcpy(copy, test_jpeg_progressive, n);
    ck_assert_int_eq(efme_image_decode(&image, context, copy, n, "cut.jpg", NULL), EFME_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(efme_last_error(), "cut.jpg"));
  }
  /* 9000 x 9000 in the header: the limit; 8000 x 8000: the few bytes cannot hold it. Neither allocates. */
  memcpy(copy, test_jpeg_grey, sizeof test_jpeg_grey);
  size_t sof = 0;
  while (!(copy[sof] == 0xFF && copy[sof + 1] == 0xC0)) sof++;
  long before = test_heap.peak;
  copy[sof + 5] = copy[sof + 7] = 9000 >> 8, copy[sof + 6] = copy[sof + 8] = 9000 & 255;
  assert_fails(efme_image_decode(&image, context, copy, sizeof test_jpeg_grey, "big.jpg", NULL), EFME_E_LIMIT, "big.jpg");
  copy[sof + 5] = copy[sof + 7] = 8000 >> 8, copy[sof + 6] = copy[sof + 8] = 8000 & 255;
  assert_fails(efme_image_decode(&image, context, copy, sizeof test_jpeg_grey, "big.jpg", NULL), EFME_E_FORMAT, "cannot hold");
  ck_assert_int_eq(test_heap.peak, before);
  memcpy(copy, test_jpeg_grey, sizeof test_jpeg_grey);
  copy[sof + 1] = 0xC9;
  assert_fails(efme_image_decode(&image, context, copy, sizeof test_jpeg_grey, NULL, NULL), EFME_E_UNSUPPORTED, "SOF9");
  ck_assert_ptr_eq(image, (efme_image *)1);
}
END_TEST

/* A progressive file may repeat a scan of a few bytes as often as it likes. */
START_TEST(jpeg_scan_bomb) {
  size_t n = sizeof test_jpeg_progressive, from = 0, scans = 2000;
  for (size_t i = 0; i + 1 < n; i++)
    if (test_jpeg_progressive[i] == 0xFF && test_jpeg_progressive[i + 1] == 0xDA) from = i; /* the last scan */
  size_t length = n - 2 - from;
  uint8_t *file = malloc(n + scans * length);
  memcpy(file, test_jpeg_progressive, n - 2);
  for (size_t i = 0; i < scans; i++) memcpy(file + n - 2 + i * length, test_jpeg_progressive + from, length);
  memcpy(file + n - 2 + scans * length, "\xFF\xD9", 2);
  efme_image *image;
  assert_fails(efme_image_decode(&image, context, file, n + scans * length, "bomb.jpg", NULL), EFME_E_LIMIT, "scans");
  free(file);
}
END_TEST

/* ---- orientation ---- */
static size_t with_exif(uint8_t *out, const unsigned char *jpeg, size_t size, uint32_t orientation, int big, size_t cut) {
  uint8_t exif[32] = "Exif";
  uint8_t *t = exif + 6;
  memcpy(t, big ? "MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\0\0\0" : "II*\0\10\0\0\0\1\0\22\1\3\0\1\0\0\0\0\0\0\0", 22);
  t[big ? 19 : 18] = (uint8_t)orientation;
  size_t n = 6 + 26 - cut;
  memcpy(out, jpeg, 2);
  out[2] = 0xFF, out[3] = 0xE1, out[4] = 0, out[5] = (uint8_t)(n + 2);
  memcpy(out + 6, exif, n);
  memcpy(out + 6 + n, jpeg + 2, size - 2);
  return size + 4 + n;
}

START_TEST(orientation) {
  /* what is seen of blocks a b c / d e f, by EXIF's definition of where row 0 and column 0 lie */
  static const char *const seen[9] = {"", "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "dAebfc", "fcebda", "cfbead"};
  for (uint32_t o = 1; o <= 8; o++)
    for (int big = 0; big < 2; big++)
      for (int ignore = 0; ignore < 2; ignore++) {
        uint8_t file[512];
        size_t size = with_exif(file, test_jpeg_grey, sizeof test_jpeg_grey, o, big, 0);
        efme_image_options options = EFME_IMAGE_OPTIONS_INIT;
        options.ignore_orientation = (uint32_t)ignore;
        efme_image *image;
        assert_ok(efme_image_decode(&image, context, file, size, NULL, &options));
        efme_image_info info = info_of(image);
        ck_assert_uint_eq(info.orientation, o);
        uint32_t columns = o >= 5 && !ignore ? 2 : 3;
        ck_assert_uint_eq(info.width, 8 * columns);
        for (uint32_t i = 0; i < 6; i++) {
          int block = ignore ? (int)i : (seen[o][i] | 32) - 'a', expected[3] = {tones[block / 3][block % 3]};
          check_block(image, i % columns, i / columns, 1, expected, 2);
        }
        efme_image_release(image);
      }
}
END_TEST

START_TEST(orientation_in_png_and_damaged) {
  static const uint8_t raw[2] = {10, 20};
  uint8_t exif[26] = "MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\6\0\0", file[512];
  size_t size = png_make(file, 2, 1, 8, 0, raw, 2, NULL, 0, "eXIf", exif, 26);
  efme_image *image;
  assert_ok(efme_image_decode(&image, context, file, size, NULL, NULL));
  ck_assert(info_of(image).width == 1 && info_of(image).height == 2 && efme_image_pixels(image)[0] == 10);
  efme_image_release(image);
  for (size_t cut = 0; cut <= 26; cut++) { /* a cut EXIF block is as good as none */
    size = with_exif(file, test_jpeg_grey, sizeof test_jpeg_grey, 3, cut & 1, cut);
    assert_ok(efme_image_decode(&image, context, file, size, NULL, NULL));
    ck_assert(info_of(image).orientation == 1 || info_of(image).orientation == 3);
    if (cut > 12) ck_assert_uint_eq(info_of(image).orientation, 1);
    efme_image_release(image);
  }
  uint8_t *block = malloc(64); /* of exact length, so that asan sees a step beyond */
  for (uint32_t seed = 0; seed < 3000; seed++) {
    uint32_t w[4];
    memcpy(block, "II*\0\10\0\0\0", 8);
    for (size_t i = 8; i < 64; i++) efme_philox(w, seed, 99, 0, 0, (uint32_t)i), block[i] = (uint8_t)(w[0] % 5 ? w[1] % 20 : w[1]);
    if (seed & 1) block[4] = (uint8_t)(w[2] % 70);
    uint8_t *tight = malloc(14 + seed % 50);
    memcpy(tight, block, 14 + seed % 50);
    uint32_t o = efme_exif_orientation(tight, 14 + seed % 50);
    ck_assert(o >= 1 && o <= 8);
    free(tight);
  }
  free(block);
}
END_TEST

/* ---- BMP and PNM ---- */
static size_t bmp_make(uint8_t *out, int32_t width, int32_t height, int bits, const uint8_t *palette, uint32_t colours, const uint8_t *rows,
                       size_t bytes) {
  memset(out, 0, 54);
  memcpy(out, "BM", 2);
  uint32_t offset = 54 + 4 * colours;
  const uint32_t words[] = {10, offset, 14, 40, 18, (uint32_t)width, 22, (uint32_t)height};
  for (size_t i = 0; i < 8; i += 2)
    for (int k = 0; k < 4; k++) out[words[i] + (uint32_t)k] = (uint8_t)(words[i + 1] >> 8 * k);
  out[26] = 1, out[28] = (uint8_t)bits;
  if (colours) memcpy(out + 54, palette, 4 * colours);
  memcpy(out + offset, rows, bytes);
  return offset + bytes;
}

START_TEST(bmp) {
  static const uint8_t rows[16] = {3, 2, 1, 6, 5, 4, 0, 0, 9, 8, 7, 12, 11, 10, 0, 0}; /* BGR, bottom row first, padded */
  static const uint8_t palette[8] = {3, 2, 1, 0, 6, 5, 4, 0}, indices[8] = {1, 0, 0, 0, 0, 2, 0, 0};
  uint8_t file[256];
  efme_image *image = NULL;
  size_t size = bmp_make(file, 2, 2, 24, NULL, 0, rows, 16);
  assert_ok(efme_image_decode(&image, context, file, size, "t.bmp", NULL));
  ck_assert_mem_eq(efme_image_pixels(image), "\7\10\11\12\13\14\1\2\3\4\5\6", 12);
  efme_image_release(image);
  size = bmp_make(file, 2, -2, 24, NULL, 0, rows, 16);
  assert_ok(efme_image_decode(&image, context, file, size, "t.bmp", NULL));
  ck_assert_mem_eq(efme_image_pixels(image), "\1\2\3\4\5\6\7\10\11\12\13\14", 12);
  efme_image_release(image);
  size = bmp_make(file, 2, 1, 8, palette, 2, indices, 4);
  assert_ok(efme_image_decode(&image, context, file, size, "t.bmp", NULL));
  ck_assert_mem_eq(efme_image_pixels(image), "\4\5\6\1\2\3", 6);
  efme_image_release(image);
  size = bmp_make(file, 2, 2, 8, palette, 2, indices, 8);
  assert_fails(efme_image_decode(&image, context, file, size, "t.bmp", NULL), EFME_E_FORMAT, "colour 2 of a palette of 2");
  size = bmp_make(file, 2, 2, 24, NULL, 0, rows, 16);
  for (size_t n = 0; n < size - 2; n++) { /* the last row's padding may be missing */
    uint8_t *cut = malloc(n + 1);
    memcpy(cut, file, n);
    ck_assert_int_ne(efme_image_decode(&image, context, cut, n, "cut.bmp", NULL), EFME_OK);
    free(cut);
  }
  size = bmp_make(file, 2, INT32_MIN, 24, NULL, 0, rows, 16);
  assert_fails(efme_image_decode(&image, context, file, size, NULL, NULL), EFME_E_FORMAT, "size");
  file[30] = 1;
  assert_fails(efme_image_decode(&image, context, file, size, NULL, NULL), EFME_E_UNSUPPORTED, "compression 1");
}
END_TEST

static void check_pnm(const char *file, size_t size, const uint8_t *expected, size_t n, uint32_t channels) {
  efme_image *image;
  assert_ok(efme_image_decode(&image, context, file, size, "t.pnm", NULL));
  efme_image_info info = info_of(image);
  ck_assert_uint_eq((size_t)info.width * info.height * info.channels, n);
  ck_assert_uint_eq(info.channels, channels);
  ck_assert_mem_eq(efme_image_pixels(image), expected, n);
  efme_image_release(image);
}

START_TEST(pnm) {
  static const uint8_t two[2] = {17, 34}, high[2] = {0x12, 0xFF}, scaled[2] = {85, 255}, colour[3] = {1, 2, 3};
  check_pnm("P5 2 1 255\n\x11\x22", 13, two, 2, 1);
  check_pnm("P5\n# a comment\n2 # and one here\n1\r\n255 \x11\x22", 44, two, 2, 1);
  check_pnm("P5 2 1 65535\n\x12\x34\xFF\x01", 17, high, 2, 1);
  check_pnm("P5 2 1 3\n\1\3", 11, scaled, 2, 1);
  check_pnm("P6 1 1 255\n\1\2\3", 14, colour, 3, 3);
  efme_image *image;
  static const char *const bad[] = {"P5",
                                    "P5 2 1 255",
                                    "P5 2 1 255\n\1",
                                    "P5 0 1 255\n\1",
                                    "P5 2 1 0\n\1\1",
                                    "P5 2 1 65536\n\1\1\1\1",
                                    "P5 -2 1 255\n\1\1",
                                    "P5 99999999 1 255\n\1",
                                    "P6 1 1 255\n\1\2"};
  for (size_t i = 0; i < EFME_COUNT(bad); i++)
    assert_fails(efme_image_decode(&image, context, bad[i], strlen(bad[i]), "b.pgm", NULL), EFME_E_FORMAT, "b.pgm: ");
  assert_fails(efme_image_decode(&image, context, "P2 1 1 255 7", 12, "b.pgm", NULL), EFME_E_UNSUPPORTED, "b.pgm");
  assert_fails(efme_image_decode(&image, context, "GIF89a.......", 13, "x.gif", NULL), EFME_E_UNSUPPORTED, "x.gif");
}
END_TEST

/* Too large is told from the header: nothing is allocated, not even what the file's few bytes would fill. */
START_TEST(limits_before_allocation) {
  uint8_t file[256];
  static const uint8_t rows[16];
  efme_image *image = (efme_image *)1;
  size_t size = bmp_make(file, 9000, 9000, 24, NULL, 0, rows, 16);
  long peak = test_heap.peak, calls = test_heap.calls;
  assert_fails(efme_image_decode(&image, context, file, size, "big.bmp", NULL), EFME_E_LIMIT, "big.bmp: image of 9000 x 9000");
  size = bmp_make(file, 8000, -8000, 24, NULL, 0, rows, 16);
  assert_fails(efme_image_decode(&image, context, file, size, "big.bmp", NULL), EFME_E_FORMAT, "truncated");
  static const char large[] = "P6 9000 9000 255\n...", side[] = "P5 65537 1 255\n...", cut[] = "P5 8000 8000 255\n...";
  assert_fails(efme_image_decode(&image, context, large, sizeof large, "big.ppm", NULL), EFME_E_LIMIT, "big.ppm: image of 9000 x 9000");
  assert_fails(efme_image_decode(&image, context, side, sizeof side, "big.ppm", NULL), EFME_E_LIMIT, "65537");
  assert_fails(efme_image_decode(&image, context, cut, sizeof cut, "big.ppm", NULL), EFME_E_FORMAT, "truncated");
  efme_image_options o = EFME_IMAGE_OPTIONS_INIT;
  o.max_file_size = sizeof cut - 1;
  assert_fails(efme_image_decode(&image, context, cut, sizeof cut, "big.ppm", &o), EFME_E_LIMIT, "big.ppm");
  ck_assert(test_heap.peak == peak && test_heap.calls == calls && image == (efme_image *)1);
}
END_TEST

START_TEST(files_and_limits) {
  char path[] = "/tmp/efme-image-XXXXXX";
  int fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  efme_image *image = (efme_image *)1;
  assert_fails(efme_image_load(&image, context, path, NULL), EFME_E_FORMAT, "empty");
  ck_assert_ptr_nonnull(strstr(efme_last_error(), path));
  ck_assert_int_eq(write(fd, test_jpeg_colour, sizeof test_jpeg_colour), (int)sizeof test_jpeg_colour);
  close(fd);
  efme_image_options o = EFME_IMAGE_OPTIONS_INIT;
  o.max_file_size = sizeof test_jpeg_colour - 1;
  long calls = test_heap.calls;
  assert_fails(efme_image_load(&image, context, path, &o), EFME_E_LIMIT, path);
  ck_assert_int_eq(test_heap.calls, calls); /* by the file's size alone */
  o.max_file_size = sizeof test_jpeg_colour, o.max_pixels = 24 * 16 - 1;
  assert_fails(efme_image_load(&image, context, path, &o), EFME_E_LIMIT, path);
  ck_assert_ptr_eq(image, (efme_image *)1);
  o.max_pixels = 24 * 16;
  assert_ok(efme_image_load(&image, context, path, &o));
  efme_image_release(image);
  unlink(path);
  assert_fails(efme_image_load(&image, context, path, NULL), EFME_E_IO, path);
  assert_fails(efme_image_load(&image, context, "/tmp", NULL), EFME_E_IO, "/tmp");
}
END_TEST

/* ---- nothing leaks and nothing crashes, whatever fails ---- */
struct file {
  const uint8_t *data;
  size_t size;
};

static efme_status decode_file(void *user) {
  const struct file *f = user;
  efme_image *image = (efme_image *)1;
  efme_status status = efme_image_decode(&image, context, f->data, f->size, "t", NULL);
  if (status) ck_assert_ptr_eq(image, (efme_image *)1);
  else efme_image_release(image);
  return status;
}

START_TEST(memory_runs_out) {
  static const uint8_t raw[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  uint8_t png[512], turned[1024];
  size_t png_size = png_make(png, 2, 2, 8, 2, raw, 6, NULL, 0, NULL, NULL, 0);
  size_t turned_size = with_exif(turned, test_jpeg_progressive, sizeof test_jpeg_progressive, 6, 0, 0);
  struct file files[] = {{png, png_size}, {turned, turned_size}, {test_jpeg_cmyk, sizeof test_jpeg_cmyk}};
  for (size_t f = 0; f < EFME_COUNT(files); f++) ck_assert_int_ge(heap_exhaust(&test_heap, decode_file, &files[f]), 3);
}
END_TEST

/* Bytes changed at random: decodes or errors, under whatever sanitizer runs, from blocks of exact length. */
START_TEST(mutations) {
  static const uint8_t raw[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  uint8_t png[512], bmp_file[256];
  size_t png_size = png_make(png, 2, 2, 8, 2, raw, 6, NULL, 0, NULL, NULL, 0);
  size_t bmp_size = bmp_make(bmp_file, 2, 2, 24, NULL, 0, raw, 12);
  const struct {
    const uint8_t *data;
    size_t size;
  } files[] = {{test_jpeg_grey, sizeof test_jpeg_grey},
               {test_jpeg_colour, sizeof test_jpeg_colour},
               {test_jpeg_progressive, sizeof test_jpeg_progressive},
               {test_jpeg_cmyk, sizeof test_jpeg_cmyk},
               {png, png_size},
               {bmp_file, bmp_size}};
  uint32_t decoded = 0, refused = 0;
  for (uint32_t seed = 0; seed < 6000; seed++) {
    size_t f = seed % EFME_COUNT(files), n = files[f].size;
    uint8_t *copy = malloc(n);
    memcpy(copy, files[f].data, n);
    uint32_t w[4];
    for (uint32_t k = 0; k <= seed % 4; k++) {
      efme_philox(w, seed, 100, 0, 0, k);
      copy[w[0] % n] = w[3] & 1 ? (uint8_t)w[1] : (uint8_t)(copy[w[0] % n] ^ 1u << w[1] % 8);
    }
    efme_image *image;
    if (efme_image_decode(&image, context, copy, n, "m", NULL) == EFME_OK) decoded++, efme_image_release(image);
    else refused++;
    free(copy);
  }
  ck_assert_uint_gt(decoded, 100);
  ck_assert_uint_gt(refused, 1000);
}
END_TEST

/* ---- resize against the definition in double ---- */
static double reference(const uint8_t *src, uint32_t n, uint32_t m, uint32_t i, size_t step) {
  if (m < n) { /* mean over [i n/m, (i+1) n/m) */
    double from = (double)i * n / m, to = (double)(i + 1) * n / m, sum = 0;
    for (uint32_t k = 0; k < n; k++) {
      double a = from > k ? from : k, b = to < k + 1.0 ? to : k + 1.0;
      if (b > a) sum += (b - a) * src[k * step];
    }
    return sum * m / n;
  }
  double at = (i + .5) * n / m - .5;
  if (at < 0) at = 0;
  if (at > n - 1.0) at = n - 1.0;
  uint32_t k = (uint32_t)at, next = k + 1 < n ? k + 1 : k;
  return src[k * step] + (at - k) * ((double)src[next * step] - src[k * step]);
}

START_TEST(resize_matches_the_definition) {
  static const uint32_t sizes[][4] = {{7, 5, 3, 2}, {5, 7, 13, 20},   {48, 48, 224, 224}, {64, 48, 48, 64}, {1, 1, 5, 3},
                                      {9, 1, 1, 4}, {31, 17, 30, 18}, {2, 2, 2, 2},       {100, 90, 1, 1},  {33, 40, 33, 20}};
  for (size_t c = 0; c < 2 * EFME_COUNT(sizes); c++) {
    const uint32_t *z = sizes[c / 2], w = z[0], h = z[1], ow = z[2], oh = z[3], channels = c & 1 ? 3 : 1;
    uint8_t *src = malloc(w * h * channels);
    for (uint32_t i = 0; i < w * h * channels; i++) src[i] = (uint8_t)(efme_hash64(&i, sizeof i, c) >> 20);
    efme_image *image, *out;
    assert_ok(efme_image_from_pixels(&image, context, src, channels == 1 ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, w, h, 0));
    assert_ok(efme_image_resize(&out, image, ow, oh));
    for (uint32_t y = 0; y < oh; y++)
      for (uint32_t x = 0; x < ow; x++)
        for (uint32_t k = 0; k < channels; k++) {
          /* both axes are linear: columns first, in double, by fitting through the rows that matter */
          double value = 0;
          if (oh < h) {
            double from = (double)y * h / oh, to = (double)(y + 1) * h / oh;
            for (uint32_t j = 0; j < h; j++) {
              double a = from > j ? from : j, b = to < j + 1.0 ? to : j + 1.0;
              if (b > a) value += (b - a) * reference(src + (size_t)j * w * channels + k, w, ow, x, channels);
            }
            value = value * oh / h;
          } else {
            double at = (y + .5) * h / oh - .5;
            if (at < 0) at = 0;
            if (at > h - 1.0) at = h - 1.0;
            uint32_t j = (uint32_t)at, next = j + 1 < h ? j + 1 : j;
            double upper = reference(src + (size_t)j * w * channels + k, w, ow, x, channels),
                   lower = reference(src + (size_t)next * w * channels + k, w, ow, x, channels);
            value = upper + (at - j) * (lower - upper);
          }
          double got = efme_image_pixels(out)[((size_t)y * ow + x) * channels + k];
          ck_assert_msg(got - value <= .5 + 1e-9 && value - got <= .5 + 1e-9, "%ux%u -> %ux%u at %u, %u: %g, expected %.9g", w, h, ow, oh,
                        x, y, got, value);
        }
    efme_image_release(out);
    efme_image_release(image);
    free(src);
  }
}
END_TEST

/* What lies halfway is rounded up, in both ways of resizing, whatever the thread's rounding mode is. */
START_TEST(resize_rounds_halves_up) {
  static const uint8_t steps[4] = {0, 1, 6, 7}, two[2] = {10, 12}; /* means 0.5 and 6.5; a quarter of the way from 10 to 12 is 10.5 */
  static const uint8_t shrunk[2] = {1, 7}, grown[4] = {10, 11, 12, 12};
  static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
  efme_image *image, *out;
  for (size_t m = 0; m < EFME_COUNT(modes); m++)
    for (int across = 0; across < 2; across++) {
      fesetround(modes[m]);
      assert_ok(efme_image_from_pixels(&image, context, steps, EFME_PIXEL_GREY8, across ? 4 : 1, across ? 1 : 4, 0));
      assert_ok(efme_image_resize(&out, image, across ? 2 : 1, across ? 1 : 2));
      ck_assert_mem_eq(efme_image_pixels(out), shrunk, 2);
      efme_image_release(out), efme_image_release(image);
      assert_ok(efme_image_from_pixels(&image, context, two, EFME_PIXEL_GREY8, across ? 2 : 1, across ? 1 : 2, 0));
      assert_ok(efme_image_resize(&out, image, across ? 4 : 1, across ? 1 : 4));
      ck_assert_mem_eq(efme_image_pixels(out), grown, 4);
      efme_image_release(out), efme_image_release(image);
      ck_assert_int_eq(fegetround(), modes[m]);
      fesetround(FE_TONEAREST);
    }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("image");
  TCase *t = tcase_create("image");
  tcase_set_timeout(t, 120);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, raw_pixels);
  tcase_add_test(t, bad_arguments);
  tcase_add_test(t, crop_repeats_the_edge);
  tcase_add_test(t, png_depths);
  tcase_add_test(t, png_interlaced);
  tcase_add_test(t, png_short_palette_is_black);
  tcase_add_test(t, png_damage);
  tcase_add_test(t, jpeg_kinds);
  tcase_add_test(t, jpeg_damage);
  tcase_add_test(t, jpeg_scan_bomb);
  tcase_add_test(t, orientation);
  tcase_add_test(t, orientation_in_png_and_damaged);
  tcase_add_test(t, bmp);
  tcase_add_test(t, pnm);
  tcase_add_test(t, limits_before_allocation);
  tcase_add_test(t, files_and_limits);
  tcase_add_test(t, memory_runs_out);
  tcase_add_test(t, mutations);
  tcase_add_test(t, resize_matches_the_definition);
  tcase_add_test(t, resize_rounds_halves_up);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
