/* Every damaged or odd file that we have decodes or gives an error that names it, in bounded time and memory; whole
 * photographs decode. Built twice: with the library's decoders and with the other ones. */
#include <dirent.h>
#include <sys/stat.h>

#include "io_test.h"

static efme_context *context;
static unsigned files, decoded;

/* One file: under two seconds (sanitizers included) and within what its pixels and its size can ask for. */
static void try_file(const char *path, size_t size) {
  efme_image *image = NULL;
  test_memory.peak = test_memory.live;
  size_t before = test_memory.live;
  double start = test_seconds();
  efme_status status = efme_image_load(&image, context, path, NULL);
  double seconds = test_seconds() - start;
  ck_assert_msg(seconds < 2, "%s took %.1f s", path, seconds);
  files++;
  if (status == EFME_OK) {
    efme_image_info info = EFME_IMAGE_INFO_INIT;
    assert_ok(efme_image_get_info(image, &info));
    size_t pixels = (size_t)info.width * info.height;
    ck_assert_msg(test_memory.peak - before < 48 * pixels + 8 * size + (8u << 20), "%s: %zu bytes for %zu pixels", path,
                  test_memory.peak - before, pixels);
    uint32_t sum = 0;
    for (size_t i = 0; i < pixels * info.channels; i++) sum += efme_image_pixels(image)[i];
    decoded += sum != UINT32_MAX;
    efme_image_release(image);
  } else {
    ck_assert_msg(status == EFME_E_FORMAT || status == EFME_E_UNSUPPORTED || status == EFME_E_LIMIT, "%s: %s", path, efme_last_error());
    ck_assert_msg(strstr(efme_last_error(), path) != NULL, "\"%s\" does not name %s", efme_last_error(), path);
    ck_assert_uint_le(test_memory.peak - before, 512u << 20);
  }
  ck_assert_uint_eq(test_memory.live, before);
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
    else try_file(path, (size_t)st.st_size);
  }
  closedir(dir);
}

START_TEST(hostile_files) {
  if (test_absent("data/hostile")) return;
  files = decoded = 0;
  walk(test_shared("data/hostile"));
  printf("hostile: %u files, %u decoded\n", files, decoded);
  ck_assert_uint_ge(files, 1000);
  ck_assert_uint_ge(decoded, 500); /* most of them are odd rather than damaged */
}
END_TEST

START_TEST(photographs) {
  if (test_absent("data/faces")) return;
  files = decoded = 0;
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
