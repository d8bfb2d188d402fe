/* Images: every decoder, with turning, what makes images from images, and every format that is written. */
#include "faults.h"

#include "fuzz/image_seeds.h"
#include "io/jpeg_data.h"

#define FILE_OF(array) array, sizeof array
static const char pnm_colour[] = "P6 2 2 255\n\1\2\3\4\5\6\7\10\11\12\13\14", pnm_deep[] = "P5 2 1 65535\n\x12\x34\xFF\x01";
static const struct {
  const void *data;
  size_t size;
} files[] = {{FILE_OF(png_palette)},    {FILE_OF(png_interlaced)},   {FILE_OF(png_turned)},
             {FILE_OF(test_jpeg_grey)}, {FILE_OF(test_jpeg_colour)}, {FILE_OF(test_jpeg_progressive)},
             {FILE_OF(test_jpeg_cmyk)}, {FILE_OF(bmp_palette)},      {FILE_OF(bmp_masks)},
             {FILE_OF(pnm_colour)},     {FILE_OF(pnm_deep)}};

static efme_status decode(uint64_t *hash, int file) {
  efme_image *image = NOTHING;
  efme_status status = efme_image_decode(&image, faults_context, files[file].data, files[file].size, "seed", NULL);
  return took_image(hash, status, image);
}

static void put_file(int file) { write_bytes(at("image"), files[file].data, files[file].size); }

static efme_status load(uint64_t *hash, int file) {
  efme_image *image = NOTHING;
  (void)file;
  efme_status status = efme_image_load(&image, faults_context, at("image"), NULL);
  return took_image(hash, status, image);
}

static efme_status from_pixels(uint64_t *hash, int which) {
  efme_image *image = NOTHING;
  (void)which;
  efme_status status = efme_image_from_pixels(&image, faults_context, png_palette, EFME_PIXEL_BGRA8, 4, 3, 0);
  return took_image(hash, status, image);
}

static efme_image *photo;

static void make_photo(int which) {
  (void)which;
  ok(efme_image_decode(&photo, faults_context, FILE_OF(test_jpeg_colour), "seed", NULL));
}

static void drop_photo(void) { efme_image_release(photo); }

static efme_status crop(uint64_t *hash, int which) {
  efme_image *image = NOTHING;
  (void)which;
  efme_status status = efme_image_crop(&image, photo, -3, 2, 40, 9);
  return took_image(hash, status, image);
}

static efme_status resize(uint64_t *hash, int side) {
  efme_image *image = NOTHING;
  efme_status status = efme_image_resize(&image, photo, (uint32_t)side, 13);
  return took_image(hash, status, image);
}

static efme_status encode(uint64_t *hash, int format) {
  efme_image_save_options o = EFME_IMAGE_SAVE_OPTIONS_INIT;
  char *data = NOTHING;
  size_t size = 77;
  o.format = (uint32_t)format;
  efme_status status = efme_image_encode(&data, &size, photo, &o);
  if (status) {
    must(size == 77, "an out-parameter was touched");
    return untouched(status, data);
  }
  add_bytes(hash, data, size);
  efme_string_free(data);
  return EFME_OK;
}

static efme_status save(uint64_t *hash, int which) {
  (void)which;
  efme_status status = efme_image_save(photo, at("photo.png"), NULL);
  if (!status) add_file(hash, at("photo.png"));
  return status;
}

#ifdef EFME_WITH_JPEG
#define JPEG_LIBC LIBC /* libjpeg takes its memory from malloc */
#else
#define JPEG_LIBC 0
#endif
static const struct scenario scenarios[] = {
    {"decode PNG, palette", 0, NULL, decode, NULL, 0},
    {"decode PNG, 16 bits interlaced", 1, NULL, decode, NULL, 0},
    {"decode PNG, turned by EXIF", 2, NULL, decode, NULL, 0},
    {"decode JPEG, grey", 3, NULL, decode, NULL, JPEG_LIBC},
    {"decode JPEG, colour", 4, NULL, decode, NULL, JPEG_LIBC},
    {"decode JPEG, progressive", 5, NULL, decode, NULL, JPEG_LIBC},
    {"decode JPEG, CMYK", 6, NULL, decode, NULL, JPEG_LIBC},
    {"decode BMP, palette", 7, NULL, decode, NULL, 0},
    {"decode BMP, masks", 8, NULL, decode, NULL, 0},
    {"decode PPM", 9, NULL, decode, NULL, 0},
    {"decode PGM, 16 bits", 10, NULL, decode, NULL, 0},
    {"load PNG", 2, put_file, load, NULL, 0},
    {"load JPEG", 4, put_file, load, NULL, JPEG_LIBC},
    {"image from pixels", 0, NULL, from_pixels, NULL, 0},
    {"crop", 0, make_photo, crop, drop_photo, 0},
    {"resize, smaller", 7, make_photo, resize, drop_photo, 0},
    {"resize, larger", 50, make_photo, resize, drop_photo, 0},
    {"encode JPEG", EFME_FILE_JPEG, make_photo, encode, drop_photo, 0},
    {"encode PNG", EFME_FILE_PNG, make_photo, encode, drop_photo, 0},
    {"encode BMP", EFME_FILE_BMP, make_photo, encode, drop_photo, 0},
    {"encode PPM", EFME_FILE_PNM, make_photo, encode, drop_photo, 0},
    {"save PNG", 0, make_photo, save, drop_photo, 0},
};
const struct scene scene_images = {NULL, NULL, scenarios, sizeof scenarios / sizeof scenarios[0]};
