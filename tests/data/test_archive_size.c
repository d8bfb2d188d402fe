/* The release that is written by default: its size and time, and that its frames are what docs/data.md says. */
#include "archive_test.h"

#include <sys/resource.h>
#include <time.h>

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

static double cpu_time(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return seconds_of(u.ru_utime) + seconds_of(u.ru_stime);
}

START_TEST(whole_release) {
  efme_context *context;
  efme_image *image;
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  struct timespec begin, end;
  struct table *t = malloc(sizeof *t);
  assert_ok(efme_context_create(&context, NULL));
  double cpu = cpu_time();
  clock_gettime(CLOCK_MONOTONIC, &begin);
  assert_ok(efme_synthetic_release_write(context, scratch("release"), NULL));
  clock_gettime(CLOCK_MONOTONIC, &end);
  cpu = cpu_time() - cpu;
  struct tree tree = tree_of(scratch("release"));
  printf("%zu files, %.1f MB; %.1f s with %u threads, %.1f s of CPU\n", tree.files, (double)tree.bytes / 1e6,
         (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9, efme_context_threads(context), cpu);
  ck_assert_uint_lt(tree.bytes, 200000000);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(NDEBUG)
  ck_assert(cpu < 2 * 60); /* less than a minute of two cores, however busy they are otherwise */
#endif
  read_table(t, scratch("release/truth.csv"));
  uint32_t shown[3] = {0, 0, 0};
  for (size_t r = 1; r < t->rows; r++) {
    char path[600];
    int set = !strcmp(t->cell[r][0], "smic") ? 0 : !strcmp(t->cell[r][0], "casme2") ? 1 : 2;
    snprintf(path, sizeof path, "%s/%s", scratch("release"), t->cell[r][column(t, "path")]);
    assert_ok(efme_image_load(&image, context, path, NULL));
    assert_ok(efme_image_get_info(image, &info));
    ck_assert(info.width == 160 && info.height == 120);
    shown[set] += *t->cell[r][column(t, "label")] != '\0';
    efme_image_release(image);
  }
  ck_assert(shown[0] == 164 && shown[1] == 145 && shown[2] == 133);
  free(t);
  efme_context_release(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("archive_size");
  TCase *c = tcase_create("archive_size");
  tcase_set_timeout(c, 600);
  tcase_add_test(c, whole_release);
  suite_add_tcase(suite, c);
  int result = test_run(suite);
  scratch_clean();
  return result;
}
