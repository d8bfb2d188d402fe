/* Every damaged or odd file that we have decodes or gives an error that names it, in bounded time and memory; whole
 * photographs decode. Built twice: with the library's decoders and with the other ones. */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "io_test.h"

#include "io/image.h"

static efme_context *context;
static unsigned files, decoded, compared; /* compared: read by two decoders */

/* Address space may not grow beyond `bytes` from here on: what a decoder takes from malloc counts, too. 0 lifts the limit. Sanitizers
 * map terabytes, so they go without. */
static void limit_memory(size_t bytes) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  struct rlimit limit;
  unsigned long pages = 0;
  FILE *f = bytes ? fopen("/proc/self/statm", "r") : NULL;
  if (f && fscanf(f, "%lu", &pages) != 1) pages = 0;
  if (f) fclose(f);
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
  limit.rlim_cur = pages ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes : limit.rlim_max;
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
#else
  (void)bytes;
#endif
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Where this program has libjpeg-turbo or libpng, stb_image reads the same file once more: a PNG has the same pixels to the bit; those of
 * a JPEG differ by the rounding of transform, upsampling and colours, and where a file is damaged one of the two may refuse it. */
static void compare_decoders(const efme_image *image, const struct efme_image_header *h, const uint8_t *data, size_t size,
                             const char *path) {
  if (!strncmp(info_of(image).decoder, "stb", 3) || h->kind == EFME_IMAGE_PNM) return;
  struct efme_pixels px = {h->width, h->height, h->channels, NULL, NULL};
  efme_status status = efme_stb_decode(&px, &efme_allocator_libc, h, data, size);
  if (status && h->kind == EFME_IMAGE_JPEG) return;
  ck_assert_msg(!status, "%s: only stb_image refuses it: %s", path, efme_last_error());
  assert_ok(efme_pixels_orient(&px, &efme_allocator_libc, h->orientation));
  size_t n = efme_pixels_bytes(&px);
  uint64_t sum = 0;
  int most = 0;
  for (size_t i = 0; i < n; i++) {
    int difference = abs((int)px.data[i] - (int)efme_image_pixels(image)[i]);
    sum += (unsigned)difference;
    most = EFME_MAX(most, difference);
  }
  if (h->kind == EFME_IMAGE_PNG) ck_assert_msg(most == 0, "%s: the decoders differ by %d", path, most);
  else
    ck_assert_msg(most <= 8 && (double)sum <= .2 * (double)n, "%s: the decoders differ by %d, %.3f on average", path, most,
                  (double)sum / (double)n);
  efme_pixels_free(&px, &efme_allocator_libc);
  compared++;
}

/* One file: under two seconds of one core (sanitizers included) and within what the pixels that its header claims and its size can ask
 * for; nothing but its own bytes where the header is refused. */
static void try_file(const char *path) {
  efme_image *image = NULL;
  struct efme_image_header h;
  uint8_t *data;
  size_t size;
  assert_ok(efme_file_read(&data, &size, &efme_allocator_libc, path, EFME_IMAGE_MAX_FILE));
  int passes = efme_image_inspect(&h, data, size, path, EFME_IMAGE_MAX_PIXELS) == EFME_OK;
  size_t pixels = passes ? (size_t)h.width * h.height : 0, bound = 48 * pixels + 8 * size + (8u << 20), before = (size_t)test_heap.bytes;
  test_heap.peak = test_heap.bytes;
  double start = cpu_seconds();
  limit_memory(bound + (8u << 20));
  efme_status status = efme_image_load(&image, context, path, NULL);
  limit_memory(0);
  double seconds = cpu_seconds() - start;
  ck_assert_msg(seconds < 2, "%s took %.1f s", path, seconds);
  ck_assert_msg((size_t)test_heap.peak - before < bound, "%s: %zu bytes for %zu pixels", path, (size_t)test_heap.peak - before, pixels);
  files++;
  if (status == EFME_OK) {
    ck_assert(passes);
    efme_image_info info = info_of(image);
    ck_assert_uint_eq((size_t)info.width * info.height, pixels);
    uint32_t sum = 0;
    for (size_t i = 0; i < pixels * info.channels; i++) sum += efme_image_pixels(image)[i];
    decoded += sum != UINT32_MAX;
    compare_decoders(image, &h, data, size, path);
    efme_image_release(image);
  } else {
    ck_assert_msg(status == EFME_E_FORMAT || status == EFME_E_UNSUPPORTED || status == EFME_E_LIMIT, "%s: %s", path, efme_last_error());
    ck_assert_msg(strstr(efme_last_error(), path) != NULL, "\"%s\" does not name %s", efme_last_error(), path);
  }
  ck_assert_uint_eq((size_t)test_heap.bytes, before);
  efme_mem_free(&efme_allocator_libc, data);
}

static void walk(const char *folder) {
  DIR *dir = opendir(folder);
  ck_assert_ptr_nonnull(dir);
  for (struct dirent *e; (e = readdir(dir));) {
    char path[2048];
    struct stat st;
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (stat(path, &st)) continue;
    if (S_ISDIR(st.st_mode)) walk(path);
    else try_file(path);
  }
  closedir(dir);
}

START_TEST(hostile_files) {
  if (test_absent("data/hostile")) return;
  files = decoded = compared = 0;
  walk(test_shared("data/hostile"));
  printf("hostile: %u files, %u decoded, %u of them by two decoders\n", files, decoded, compared);
  ck_assert_uint_ge(files, 1000);
  ck_assert_uint_ge(decoded, 500); /* most of them are odd rather than damaged */
#if defined(EFME_WITH_JPEG) && defined(EFME_WITH_PNG)
  ck_assert_uint_ge(compared, 400);
#endif
}
END_TEST

START_TEST(photographs) {
  if (test_absent("data/faces")) return;
  files = decoded = compared = 0;
  walk(test_shared("data/faces"));
  ck_assert_uint_ge(files, 19);
  ck_assert_uint_eq(decoded, files);
}
END_TEST

int main(void) {
  context = test_context();
  Suite *suite = suite_create("hostile");
  TCase *t = tcase_create("hostile");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, hostile_files);
  tcase_add_test(t, photographs);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  return result;
}
