/* Images that are written: what comes back through our decoders, that bytes are the same everywhere, limits, memory and disks. */
#include <fenv.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io_test.h"

#include "efme/dataset.h" /* efme_string_free */
#include "io/image.h"

static efme_context *context;
static char folder[64];

static void setup(void) {
  memset(&test_heap, 0, sizeof test_heap);
  context = test_context();
}

static void teardown(void) {
  efme_context_release(context);
  ck_assert_int_eq(test_heap.live, 0);
}

static const char *in(const char *name) {
  static char path[4][160];
  static int turn;
  char *p = path[turn++ & 3];
  if (!folder[0]) {
    strcpy(folder, "/tmp/efme-save-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
  }
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

enum look { SMOOTH, NOISE, FLAT };

static efme_image *make(uint32_t width, uint32_t height, uint32_t channels, enum look look) {
  uint8_t *pixels = malloc((size_t)width * height * channels), *p = pixels;
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++)
      for (uint32_t c = 0; c < channels; c++) {
        uint32_t w[4];
        efme_philox(w, 5, 1, c, y, x);
        *p++ = (uint8_t)(look == NOISE ? w[0] & 255 : look == FLAT ? 77 : 60 + (x * 2 + y + c * 40) % 130 / (1 + c % 2) + w[0] % 5);
      }
  efme_image *image;
  assert_ok(efme_image_from_pixels(&image, context, pixels, channels == 1 ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, width, height, 0));
  free(pixels);
  return image;
}

static const uint32_t sizes[][2] = {{1, 1}, {1, 7}, {9, 1}, {2, 2}, {17, 13}, {64, 64}, {161, 119}, {640, 480}};

/* PNG, BMP and PNM give the pixels back; BMP and JPEG a grey image as three equal channels. */
START_TEST(round_trips) {
  static const struct {
    const char *name;
    uint32_t grey; /* channels in which a grey image comes back */
  } forms[] = {{"a.png", 1}, {"a.BMP", 3}, {"a.pnm", 1}};
  size_t tried = 0;
  for (size_t f = 0; f < EFME_COUNT(forms); f++)
    for (size_t s = 0; s < EFME_COUNT(sizes); s++)
      for (uint32_t channels = 1; channels <= 3; channels += 2)
        for (enum look look = SMOOTH; look <= FLAT; look++) {
          efme_image *image = make(sizes[s][0], sizes[s][1], channels, look), *back;
          const char *path = in(forms[f].name);
          assert_ok(efme_image_save(image, path, NULL));
          assert_ok(efme_image_load(&back, context, path, NULL));
          efme_image_info info = info_of(back);
          ck_assert(info.width == sizes[s][0] && info.height == sizes[s][1]);
          ck_assert_uint_eq(info.channels, channels == 3 ? 3 : forms[f].grey);
          const uint8_t *a = efme_image_pixels(image), *b = efme_image_pixels(back);
          size_t n = (size_t)info.width * info.height * info.channels;
          size_t wrong = 0; /* a check a byte takes long */
          for (size_t i = 0; i < n; i++) wrong += b[i] != a[info.channels == channels ? i : i / 3];
          ck_assert_msg(!wrong, "%s, %u x %u x %u: %zu bytes differ", path, info.width, info.height, channels, wrong);
          efme_image_release(back), efme_image_release(image);
          tried++;
        }
  ck_assert_uint_eq(tried, 3 * 8 * 2 * 3);
}
END_TEST

/* Smooth pictures with a little noise, of sides that are and are not multiples of 16. */
START_TEST(jpeg_is_close) {
  static const struct {
    uint32_t quality;
    double grey, colour; /* mean difference in grey levels of what libjpeg writes of the same pictures (Pillow, the same subsampling) */
  } wanted[] = {{100, .093, .484}, {95, .998, 1.982}, {90, 1.377, 3.901}, {50, 2.775, 5.812}};
  for (size_t q = 0; q < EFME_COUNT(wanted); q++)
    for (uint32_t channels = 1; channels <= 3; channels += 2) {
      efme_image *image = make(161, 119, channels, SMOOTH), *back;
      efme_image_save_options o = EFME_IMAGE_SAVE_OPTIONS_INIT;
      o.quality = wanted[q].quality;
      assert_ok(efme_image_save(image, in("a.jpg"), &o));
      assert_ok(efme_image_load(&back, context, in("a.jpg"), NULL));
      efme_image_info info = info_of(back);
      ck_assert(info.width == 161 && info.height == 119 && info.channels == 3);
      const uint8_t *a = efme_image_pixels(image), *b = efme_image_pixels(back);
      double sum = 0;
      for (size_t i = 0; i < 161 * 119 * 3; i++) sum += abs(b[i] - a[channels == 3 ? i : i / 3]);
      double mean = sum / (161 * 119 * 3);
      struct stat st;
      ck_assert_int_eq(stat(in("a.jpg"), &st), 0);
      printf("JPEG quality %u, %u channels: %ld bytes, mean difference %.2f\n", wanted[q].quality, channels, (long)st.st_size, mean);
      ck_assert(mean > 0 && mean < 1.05 * (channels == 3 ? wanted[q].colour : wanted[q].grey));
      size_t coloured = 0;
      for (size_t i = 0; channels == 1 && i < 161 * 119; i++) coloured += b[3 * i] != b[3 * i + 1] || b[3 * i] != b[3 * i + 2];
      ck_assert_uint_eq(coloured, 0);
      efme_image_release(back), efme_image_release(image);
    }
  for (size_t s = 0; s < EFME_COUNT(sizes); s++) {
    efme_image *image = make(sizes[s][0], sizes[s][1], 3, FLAT), *back;
    assert_ok(efme_image_save(image, in("b.JPEG"), NULL));
    assert_ok(efme_image_load(&back, context, in("b.JPEG"), NULL));
    efme_image_info info = info_of(back);
    ck_assert(info.width == sizes[s][0] && info.height == sizes[s][1]);
    int far = 0;
    for (size_t i = 0; i < (size_t)info.width * info.height * 3; i++) far |= abs(efme_image_pixels(back)[i] - 77) > 1;
    ck_assert(!far);
    efme_image_release(back), efme_image_release(image);
  }
}
END_TEST

#define EXPECTED_PNG 0x6585d76e69507a0bu
#define EXPECTED_JPEG 0x20c7e870ee1b852fu
#define EXPECTED_BMP 0x53bc03ce034d1b00u
#define EXPECTED_PNM 0x44c529bb80f8f4bbu

/* Files hash to what they hash to everywhere, whatever the rounding mode is; memory and file hold the same. */
START_TEST(same_bytes_everywhere) {
  static const struct {
    uint32_t format;
    const char *name;
    uint64_t hash;
  } forms[] = {{EFME_FILE_PNG, "h.png", EXPECTED_PNG},
               {EFME_FILE_JPEG, "h.jpg", EXPECTED_JPEG},
               {EFME_FILE_BMP, "h.bmp", EXPECTED_BMP},
               {EFME_FILE_PNM, "h.ppm", EXPECTED_PNM}};
  static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  efme_image *image = make(161, 119, 3, SMOOTH);
  for (size_t f = 0; f < EFME_COUNT(forms); f++)
    for (size_t m = 0; m < EFME_COUNT(modes); m++) {
      efme_image_save_options o = EFME_IMAGE_SAVE_OPTIONS_INIT;
      o.format = forms[f].format;
      char *data = NULL;
      size_t size = 0, file_size;
      uint8_t *file;
      fesetround(modes[m]);
      efme_status status = efme_image_encode(&data, &size, image, &o);
      ck_assert_int_eq(fegetround(), modes[m]);
      fesetround(FE_TONEAREST);
      ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
      uint64_t hash = efme_hash64(data, size, 0);
      ck_assert_msg(hash == forms[f].hash, "%s hashes to 0x%016llxu", forms[f].name, (unsigned long long)hash);
      o.format = EFME_FILE_AUTO;
      assert_ok(efme_image_save(image, in(forms[f].name), &o));
      assert_ok(efme_file_read(&file, &file_size, &efme_allocator_libc, in(forms[f].name), 1u << 30));
      ck_assert_uint_eq(file_size, size);
      ck_assert_mem_eq(file, data, size);
      efme_mem_free(&efme_allocator_libc, file);
      efme_string_free(data);
    }
  efme_image_release(image);
}
END_TEST

/* The option wins over the name; a name that says nothing is refused without it. */
START_TEST(formats_by_name_and_option) {
  efme_image *grey = make(4, 3, 1, NOISE), *colour = make(4, 3, 3, NOISE), *back;
  efme_image_save_options o = EFME_IMAGE_SAVE_OPTIONS_INIT;
  o.format = EFME_FILE_PNG;
  assert_ok(efme_image_save(grey, in("x.jpg"), &o));
  assert_ok(efme_image_load(&back, context, in("x.jpg"), NULL));
  ck_assert_mem_eq(efme_image_pixels(back), efme_image_pixels(grey), 12);
  efme_image_release(back);
  assert_ok(efme_image_save(grey, in("x.pgm"), NULL));
  assert_ok(efme_image_save(colour, in("x.ppm"), NULL));
  assert_fails(efme_image_save(colour, in("y.pgm"), NULL), EFME_E_ARGUMENT, "y.pgm: the image is coloured");
  assert_fails(efme_image_save(grey, in("y.ppm"), NULL), EFME_E_ARGUMENT, "y.ppm: the image is grey");
  assert_fails(efme_image_save(grey, in("y.gif"), NULL), EFME_E_ARGUMENT, "y.gif: neither");
  assert_fails(efme_image_save(grey, in("y"), NULL), EFME_E_ARGUMENT, "neither");
  assert_fails(efme_image_save(grey, in("png"), NULL), EFME_E_ARGUMENT, "neither");
  assert_fails(efme_image_save(grey, "/tmp/a.png/y", NULL), EFME_E_ARGUMENT, "neither"); /* the folder's ending is not the file's */
  ck_assert_int_ne(access(in("y.pgm"), F_OK), 0);
  efme_image_release(colour), efme_image_release(grey);
}
END_TEST

START_TEST(refusals) {
  efme_image *image = make(4, 3, 1, NOISE), *wide, *huge;
  efme_image_save_options o = EFME_IMAGE_SAVE_OPTIONS_INIT;
  char *data = (char *)1;
  size_t size = 7;
  assert_fails(efme_image_save(NULL, "a.png", NULL), EFME_E_ARGUMENT, "image is NULL");
  assert_fails(efme_image_save(image, NULL, NULL), EFME_E_ARGUMENT, "path is NULL");
  assert_fails(efme_image_encode(&data, &size, image, NULL), EFME_E_ARGUMENT, "format is 0");
  o.format = 5;
  assert_fails(efme_image_save(image, in("a.png"), &o), EFME_E_ARGUMENT, "format is 5");
  o.format = EFME_FILE_JPEG, o.quality = 0;
  assert_fails(efme_image_encode(&data, &size, image, &o), EFME_E_ARGUMENT, "quality is 0");
  o.quality = 101;
  assert_fails(efme_image_encode(&data, &size, image, &o), EFME_E_ARGUMENT, "quality is 101");
  o.quality = 50;
  uint8_t *line = calloc(65536, 1);
  assert_ok(efme_image_from_pixels(&wide, context, line, EFME_PIXEL_GREY8, 65536, 1, 0));
  assert_fails(efme_image_encode(&data, &size, wide, &o), EFME_E_LIMIT, "65536 x 1");
  assert_fails(efme_image_save(wide, in("wide.jpg"), NULL), EFME_E_LIMIT, "wide.jpg: an image of 65536 x 1: no side of a JPEG");
  assert_ok(efme_image_save(wide, in("wide.png"), NULL));
  free(line);
  /* more than the limit comes only from a decoder that was told to take more: here the size alone, without pixels */
  struct efme_image *forged = efme_mem_calloc(&efme_allocator_libc, 1, sizeof *forged, "image");
  *forged = *wide, forged->px.height = 1025;
  huge = forged;
  for (o.format = EFME_FILE_JPEG; o.format <= EFME_FILE_PNM; o.format++)
    assert_fails(efme_image_encode(&data, &size, huge, &o), EFME_E_LIMIT, "65536 x 1025");
  efme_mem_free(&efme_allocator_libc, forged);
  ck_assert_ptr_eq(data, (char *)1);
  ck_assert_uint_eq(size, 7);
  efme_image_release(wide), efme_image_release(image);
}
END_TEST

START_TEST(places_that_cannot_be_written) {
  efme_image *image = make(40, 30, 3, NOISE), *back;
  assert_fails(efme_image_save(image, in("none/a.png"), NULL), EFME_E_IO, "none/a.png: cannot");
  ck_assert_int_eq(mkdir(in("folder.png"), 0700), 0);
  assert_fails(efme_image_save(image, in("folder.png"), NULL), EFME_E_IO, "folder.png: cannot be written: is a directory");
  struct rlimit limit, none;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &none), 0);
  limit = none, limit.rlim_cur = 100;
  setrlimit(RLIMIT_FSIZE, &limit);
  efme_status status = efme_image_save(image, in("long.png"), NULL);
  setrlimit(RLIMIT_FSIZE, &none);
  ck_assert_int_eq(status, EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "long.png: cannot write: File too large"));
  ck_assert_int_ne(access(in("long.png"), F_OK), 0);
  assert_fails(efme_image_save(image, "/proc/a.png", NULL), EFME_E_IO, "/proc/a.png");
  /* what was there before is there still */
  assert_ok(efme_image_save(image, in("kept.png"), NULL));
  heap_refuse(&test_heap, 1, 1000000);
  ck_assert_int_eq(efme_image_save(image, in("kept.png"), NULL), EFME_E_NOMEM);
  heap_refuse(&test_heap, 0, 0);
  assert_ok(efme_image_load(&back, context, in("kept.png"), NULL));
  efme_image_release(back), efme_image_release(image);
}
END_TEST

static efme_image *kept;
static efme_status encode_kept(void *user) {
  efme_image_save_options o = EFME_IMAGE_SAVE_OPTIONS_INIT;
  char *data;
  size_t size;
  o.format = *(const uint32_t *)user;
  efme_status status = efme_image_encode(&data, &size, kept, &o);
  if (!status) efme_string_free(data);
  return status;
}

START_TEST(memory_runs_out) {
  kept = make(9, 7, 3, SMOOTH);
  for (uint32_t format = EFME_FILE_JPEG; format <= EFME_FILE_PNM; format++) {
    long refused = heap_exhaust(&test_heap, encode_kept, &format);
    printf("format %u: %ld allocations, each refused once\n", format, refused);
    ck_assert_int_ge(refused, format == EFME_FILE_PNG ? 20 : 2);
  }
  efme_image_release(kept);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("save");
  TCase *t = tcase_create("save");
  tcase_set_timeout(t, 120);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, round_trips);
  tcase_add_test(t, jpeg_is_close);
  tcase_add_test(t, same_bytes_everywhere);
  tcase_add_test(t, formats_by_name_and_option);
  tcase_add_test(t, refusals);
  tcase_add_test(t, places_that_cannot_be_written);
  tcase_add_test(t, memory_runs_out);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  char command[100];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (folder[0] && system(command)) perror(command);
  return result;
}
