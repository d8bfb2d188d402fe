/* The real FER2013 and CK+48 with the counts that are published, and what reading FER2013 costs. Needs ../shared. */
#include "data_test.h"

#include "data/loader.h"

static efme_context *context;

/* The unpacked CSV, kept in the build folder; NULL where there is neither it nor xz. */
static const char *real_fer(void) {
  static const char path[] = EFME_BINARY_DIR "/fer2013.csv";
  char command[2048];
  if (access(path, R_OK) == 0) return path;
  if (system("command -v xz >/dev/null 2>&1")) return NULL;
  snprintf(command, sizeof command, "xz -dc '%s' > '%s.%d' && mv '%s.%d' '%s'", test_shared("data/fer2013/fer2013.csv.xz"), path,
           (int)getpid(), path, (int)getpid(), path);
  return system(command) ? NULL : path;
}

/* A number of /proc/self/FILE behind NAME; 0 where there is none. */
static long proc_number(const char *file, const char *name) {
  char path[64], line[256];
  long value = 0;
  snprintf(path, sizeof path, "/proc/self/%s", file);
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, name, strlen(name))) value = atol(line + strlen(name));
  if (f) fclose(f);
  return value;
}

static int by_hash(const void *a, const void *b) {
  const efme_sample *x = a, *y = b;
  return (x->pixel_hash > y->pixel_hash) - (x->pixel_hash < y->pixel_hash);
}

/* Pictures that stand in the set more than once: in all, in more than one split, with more than one label. Each as published. */
static void check_repeats(const efme_dataset *d) {
  uint64_t count = efme_dataset_count(d), groups = 0, across = 0, conflicting = 0;
  efme_sample *s = malloc(count * sizeof *s);
  assert_ok(efme_dataset_hashes(d, NULL, NULL));
  for (uint64_t i = 0; i < count; i++) s[i] = sample_of(d, i);
  qsort(s, count, sizeof *s, by_hash);
  for (uint64_t i = 0, end; i < count; i = end) {
    int splits = 0, labels = 0;
    for (end = i; end < count && s[end].pixel_hash == s[i].pixel_hash; end++)
      splits |= strcmp(s[end].split, s[i].split) != 0, labels |= s[end].label != s[i].label;
    groups += end > i + 1, across += (uint64_t)splits, conflicting += (uint64_t)labels;
  }
  ck_assert_msg(groups == 1516 && across == 557 && conflicting == 57, "%u pictures repeat, %u across splits, %u with two labels",
                (unsigned)groups, (unsigned)across, (unsigned)conflicting);
  free(s);
}

START_TEST(real_fer2013) {
  if (test_absent("data/fer2013/fer2013.csv.xz")) return;
  const char *path = real_fer();
  if (!path) {
    printf("SKIP: no xz to unpack FER2013 with\n");
    test_skips++;
    return;
  }
  efme_dataset *d, *m, *part;
  struct stat st;
  struct progress told = {0};
  efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
  o.progress = note_progress, o.progress_user = &told;
  ck_assert_int_eq(stat(path, &st), 0);
  long before = proc_number("status", "VmRSS:"), read_before = proc_number("io", "rchar:");
  assert_ok(efme_dataset_open_fer2013(&d, context, path, &o));
  long read_after = proc_number("io", "rchar:"), used = proc_number("status", "VmRSS:") - before,
       peak = proc_number("status", "VmHWM:") - before;
  printf("FER2013: %ld kB resident, %ld at most while it was read\n", used, peak);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  ck_assert(used > 0 && used <= 100 * 1000 && peak <= 100 * 1000);
#endif
  if (read_before) ck_assert_int_le(read_after - read_before, st.st_size + 100000); /* one pass */
  ck_assert(told.calls > 50 && told.done == 35887 && told.total == 35887);
  static const uint64_t expected[7] = {4953, 547, 5121, 8989, 6077, 4002, 6198};
  static const struct {
    const char *split;
    uint64_t count;
  } splits[] = {{"Training", 28709}, {"PublicTest", 3589}, {"PrivateTest", 3589}};
  uint64_t counts[7];
  assert_ok(efme_dataset_class_counts(d, counts, 7));
  ck_assert_mem_eq(counts, expected, sizeof expected);
  for (int i = 0; i < 3; i++) {
    assert_ok(efme_dataset_filter(&part, d, "split", splits[i].split, 0));
    ck_assert_uint_eq(efme_dataset_count(part), splits[i].count);
    efme_dataset_release(part);
  }
  assert_ok(efme_dataset_map_labels(&m, d, efme_label_map_builtin("meg3")));
  assert_ok(efme_dataset_class_counts(m, counts, 7));
  ck_assert(counts[0] == 16698 && counts[1] == 8989 && counts[2] == 4002);
  assert_ok(efme_dataset_filter(&part, m, "split", "Training", 0));
  assert_ok(efme_dataset_class_counts(part, counts, 7));
  ck_assert_uint_eq(counts[2], 3171);
  efme_dataset *balanced;
  assert_ok(efme_dataset_balance(&balanced, part, 0, 1));
  ck_assert_uint_eq(efme_dataset_count(balanced), 9513);
  efme_dataset_release(balanced), efme_dataset_release(part);
  assert_ok(efme_dataset_balance(&part, m, 0, 1));
  ck_assert_uint_eq(efme_dataset_count(part), 12006);
  char *text;
  assert_ok(efme_dataset_describe(m, 0, &text));
  ck_assert_ptr_nonnull(strstr(text, "16698 negative, 8989 positive, 4002 surprise"));
  ck_assert_ptr_nonnull(strstr(text, "16698  angry: 4953, disgust: 547, fear: 5121, sad: 6077\n"));
  ck_assert_ptr_nonnull(strstr(text, "dropped           6198  neutral: 6198\n"));
  efme_string_free(text);
  check_repeats(d);
  efme_dataset_release(part), efme_dataset_release(m), efme_dataset_release(d);
}
END_TEST

START_TEST(real_ck48) {
  if (test_absent("data/ck48")) return;
  efme_dataset *d, *m;
  assert_ok(efme_dataset_open_ck48(&d, context, test_shared("data/ck48"), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 981);
  ck_assert_uint_eq(efme_dataset_subject_count(d), 118);
  int sequences = 0; /* S005_001_00000011: three frames each, which no other folder holds */
  for (uint64_t i = 0; i < 981; i++) {
    char prefix[64];
    int first = 1, frames = 0;
    snprintf(prefix, sizeof prefix, "%s", sample_of(d, i).clip);
    *strrchr(prefix, '_') = 0;
    for (uint64_t k = 0; k < 981; k++) {
      efme_sample other = sample_of(d, k);
      if (strncmp(other.clip, prefix, strlen(prefix)) || other.clip[strlen(prefix)] != '_') continue;
      first &= k >= i, frames++;
      ck_assert_int_eq(other.label, sample_of(d, i).label);
    }
    ck_assert_int_eq(frames, 3);
    sequences += first;
  }
  ck_assert_int_eq(sequences, 327);
  static const uint64_t expected[7] = {135, 54, 177, 75, 207, 84, 249};
  uint64_t counts[7];
  assert_ok(efme_dataset_class_counts(d, counts, 7));
  ck_assert_mem_eq(counts, expected, sizeof expected);
  assert_ok(efme_dataset_map_labels(&m, d, efme_label_map_builtin("meg3")));
  assert_ok(efme_dataset_class_counts(m, counts, 7));
  ck_assert(counts[0] == 525 && counts[1] == 207 && counts[2] == 249);
  for (uint64_t i = 0; i < efme_dataset_count(m); i += 97) {
    efme_image *image;
    efme_image_info info = EFME_IMAGE_INFO_INIT;
    assert_ok(efme_dataset_read(m, i, &image));
    assert_ok(efme_image_get_info(image, &info));
    ck_assert(info.width == 48 && info.height == 48 && info.channels == 1);
    efme_image_release(image);
  }
  efme_dataset_release(m), efme_dataset_release(d);
}
END_TEST

int main(void) {
  context = data_context();
  Suite *suite = suite_create("real_sets");
  TCase *t = tcase_create("real_sets");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, real_fer2013); /* first: it measures the process */
  tcase_add_test(t, real_ck48);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  return result;
}
