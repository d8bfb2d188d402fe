/* Preparation: the files are those that the calls in turn give, the same for any number of workers; what holds is kept and what changed is
 * made anew; cancelled work goes on; every failure names its file. */
#include <stdatomic.h>
#include <sys/stat.h>

#include "eval/eval_test.h"
#include "util/util.h"

enum { SUBJECTS = 4, EACH = 5, SAMPLES = SUBJECTS * EACH };

static efme_context *context;
static efme_dataset *drawn; /* portraits with known boxes */
static efme_dataset *files; /* the same as files below `folder` */
static char *folder;
static char out[512];
static atomic_uint asked;
static int without = -1; /* this photo has none */

static const char *in_folder(const char *format, ...) {
  static char path[4][700];
  static int turn;
  char *p = path[turn++ & 3], name[256];
  va_list list;
  va_start(list, format);
  vsnprintf(name, sizeof name, format, list);
  va_end(list);
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static void write_text(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
}

static char *read_text(const char *path) {
  uint8_t *data = NULL;
  size_t size;
  OK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1u << 24));
  return (char *)data;
}

/* Photos as files: a sample each of the drawn set, in a manifest. */
static void open_files(void) {
  char *text = NULL;
  size_t size = 0;
  FILE *f = open_memstream(&text, &size);
  fputs("path,label,subject,dataset,clip,apex\n", f);
  for (uint64_t i = 0; i < SAMPLES; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    OK(efme_dataset_sample(drawn, i, &s));
    fprintf(f, "photo%02d.png,%s,s%d,photos,c<%d>,%d\n", (int)i, s.native_label, (int)(i / EACH), (int)i, (int)i + 7);
    if (access(in_folder("photo%02d.png", (int)i), F_OK) == 0) continue;
    efme_image *image = NULL;
    OK(efme_dataset_read(drawn, i, &image));
    OK(efme_image_save(image, in_folder("photo%02d.png", (int)i), NULL));
    efme_image_release(image);
  }
  fclose(f);
  write_text(in_folder("photos.csv"), text);
  free(text);
  efme_dataset_release(files);
  OK(efme_dataset_open_manifest(&files, context, in_folder("photos.csv"), NULL));
}

static void setup(void) {
  without = -1;
  context = test_context(3);
  folder = test_folder();
  snprintf(out, sizeof out, "%s/out", folder);
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  o.subjects = SUBJECTS, o.samples_per_subject = EACH, o.size = 96;
  OK(efme_dataset_open_synthetic(&drawn, context, &o));
  files = NULL;
  open_files();
}

static void teardown(void) {
  efme_dataset_release(files), efme_dataset_release(drawn);
  efme_context_release(context);
  test_remove(folder);
  free(folder);
}

/* ---- who finds the faces ---- */

static int number_of(const efme_sample *s) { return atoi(strstr(s->path, "photo") + 5); }

static efme_status locate(const efme_sample *s, const efme_image *image, float box[4], float points[10], uint32_t *count, void *user) {
  (void)image, (void)user;
  atomic_fetch_add(&asked, 1);
  if (number_of(s) == without) return EFME_E_NOT_FOUND;
  OK(efme_dataset_synthetic_truth(drawn, (uint64_t)number_of(s), box, points));
  *count = 2;
  return EFME_OK;
}

static efme_prepare_options located(uint32_t workers) {
  efme_prepare_options o = EFME_PREPARE_OPTIONS_INIT;
  static efme_align_options align = EFME_ALIGN_OPTIONS_INIT;
  align.width = align.height = 48;
  o.locate = locate, o.align = &align, o.workers = workers;
  return o;
}

static efme_prepared prepared(const efme_prepare_options *o) {
  efme_prepared n = EFME_PREPARED_INIT;
  OK(efme_prepare(files, out, o, &n));
  return n;
}

/* ---- the files ---- */

START_TEST(faces_are_aligned) {
  efme_prepare_options o = located(2);
  efme_prepared n = prepared(&o);
  ck_assert(n.made == SAMPLES && !n.kept && !n.left_out);
  efme_dataset *faces = NULL;
  char manifest[600];
  snprintf(manifest, sizeof manifest, "%s/manifest.csv", out);
  OK(efme_dataset_open_manifest(&faces, context, manifest, NULL));
  ck_assert_uint_eq(efme_dataset_count(faces), SAMPLES);
  for (uint64_t i = 0; i < SAMPLES; i++) {
    efme_sample a = EFME_SAMPLE_INIT, b = EFME_SAMPLE_INIT;
    efme_image *photo = NULL, *face = NULL, *want = NULL;
    float box[4], eyes[4];
    OK(efme_dataset_sample(files, i, &a)), OK(efme_dataset_sample(faces, i, &b));
    ck_assert_str_eq(a.key, b.key);
    ck_assert_str_eq(a.native_label, b.native_label);
    ck_assert_str_eq(a.subject, b.subject);
    ck_assert_int_eq(a.apex, b.apex);
    const char *source = NULL;
    OK(efme_dataset_field(faces, i, "source", &source));
    ck_assert_str_eq(a.path, source);
    OK(efme_dataset_read(files, i, &photo)), OK(efme_dataset_read(faces, i, &face));
    OK(efme_dataset_synthetic_truth(drawn, i, box, eyes));
    OK(efme_face_align(&want, photo, box, eyes, 2, o.align, NULL));
    ck_assert_mem_eq(efme_image_pixels(face), efme_image_pixels(want), 48 * 48 * 3);
    efme_image_release(photo), efme_image_release(face), efme_image_release(want);
  }
  efme_dataset_release(faces);
  char *decisions = read_text(in_folder("out/decisions.json")), *sheet = read_text(in_folder("out/faces.html"));
  HAS(decisions, "\"format\": \"efme-prepared 1\"");
  HAS(decisions, "48 x 48, rotated, faces by the program");
  HAS(decisions, "\"key\": \"photos/s0/c<0>\"");
  HAS(sheet, "c&lt;7&gt;");
  LACKS(sheet, "c<7>");
  HAS(sheet, "20 samples, 0 left out");
  HAS(sheet, "src=\"faces/photos-s1-c-7--");
  free(decisions), free(sheet);
}
END_TEST

START_TEST(whole_images) {
  efme_prepare_options o = EFME_PREPARE_OPTIONS_INIT;
  o.whole = 1;
  efme_prepared n = EFME_PREPARED_INIT;
  OK(efme_prepare(drawn, out, &o, &n)); /* no files there: pixels are hashed */
  ck_assert(n.made == SAMPLES && !n.kept);
  n = (efme_prepared)EFME_PREPARED_INIT;
  OK(efme_prepare(drawn, out, &o, &n));
  ck_assert(!n.made && n.kept == SAMPLES);
  char *decisions = read_text(in_folder("out/decisions.json"));
  HAS(decisions, "224 x 224, whole images");
  LACKS(decisions, "\"box\"");
  free(decisions);
}
END_TEST

static uint64_t hash_of_files(void) {
  static const char *const names[] = {"decisions.json", "manifest.csv", "faces.html"};
  uint64_t hash = 0;
  for (size_t i = 0; i < 3; i++) {
    char *text = read_text(in_folder("out/%s", names[i]));
    hash = efme_hash64(text, strlen(text), hash);
    free(text);
  }
  return hash; /* decisions.json holds a hash of each face's file */
}

START_TEST(any_number_of_workers) {
  uint64_t hash = 0;
  for (uint32_t workers = 1; workers <= 7; workers += 2) {
    efme_prepare_options o = located(workers);
    test_remove(out);
    prepared(&o);
    if (workers > 1) ck_assert_uint_eq(hash_of_files(), hash);
    hash = hash_of_files();
  }
}
END_TEST

/* ---- again ---- */

START_TEST(only_what_changed) {
  efme_prepare_options o = located(2);
  prepared(&o);
  uint64_t hash = hash_of_files();
  atomic_store(&asked, 0);
  efme_prepared n = prepared(&o);
  ck_assert(!n.made && n.kept == SAMPLES);
  ck_assert_uint_eq(atomic_load(&asked), 0);
  ck_assert_uint_eq(hash_of_files(), hash);
  /* a face that was touched, and one that is gone */
  char *manifest = read_text(in_folder("out/manifest.csv"));
  char first[200], second[200];
  ck_assert_int_eq(sscanf(manifest, "%*[^\n] %199[^,]%*[^\n] %199[^,]", first, second), 2);
  write_text(in_folder("out/%s", first), "other bytes");
  ck_assert_int_eq(unlink(in_folder("out/%s", second)), 0);
  free(manifest);
  n = prepared(&o);
  ck_assert(n.made == 2 && n.kept == SAMPLES - 2);
  ck_assert_uint_eq(hash_of_files(), hash);
  /* a photo that is another now */
  efme_image *image = NULL;
  OK(efme_dataset_read(drawn, 3, &image));
  OK(efme_image_save(image, in_folder("photo09.png"), NULL));
  efme_image_release(image);
  open_files();
  n = prepared(&o);
  ck_assert(n.made == 1 && n.kept == SAMPLES - 1);
  ck_assert_uint_ne(hash_of_files(), hash);
  /* other settings */
  efme_align_options align = *o.align;
  align.mode = EFME_ALIGN_PAPER;
  o.align = &align;
  n = prepared(&o);
  ck_assert(n.made == SAMPLES && !n.kept);
}
END_TEST

static int cancel_behind(const char *what, uint64_t done, uint64_t total, void *user) {
  ck_assert_str_eq(what, "faces");
  ck_assert_uint_eq(total, SAMPLES);
  return done >= *(uint64_t *)user;
}

START_TEST(cancelled_and_resumed) {
  efme_prepare_options o = located(2);
  prepared(&o);
  uint64_t hash = hash_of_files();
  for (uint64_t most = 0; most <= SAMPLES; most += 4) {
    efme_prepared n = {.struct_size = sizeof n, .made = 77};
    test_remove(out);
    o.progress = cancel_behind, o.progress_user = &most;
    FAILS(EFME_E_CANCELLED, efme_prepare(files, out, &o, &n), "of 20 samples are done");
    ck_assert_uint_eq(n.made, 77);
    o.progress = NULL;
    n = prepared(&o);
    ck_assert_uint_ge(n.kept, most);
    ck_assert_uint_eq(n.made + n.kept, SAMPLES);
    ck_assert_uint_eq(hash_of_files(), hash);
  }
}
END_TEST

/* ---- failures ---- */

START_TEST(no_face) {
  efme_prepare_options o = located(2);
  without = 11;
  FAILS(EFME_E_NOT_FOUND, efme_prepare(files, out, &o, NULL), "photo11.png: no face in the image of 96 x 96");
  o.lenient = 1;
  efme_prepared n = prepared(&o);
  ck_assert(n.left_out == 1 && n.made + n.kept == SAMPLES - 1);
  char *decisions = read_text(in_folder("out/decisions.json")), *sheet = read_text(in_folder("out/faces.html")),
       *manifest = read_text(in_folder("out/manifest.csv"));
  HAS(decisions, "photo11.png: no face in the image of 96 x 96\"");
  HAS(sheet, "1 left out");
  HAS(sheet, "<figure class=\"error\">");
  LACKS(manifest, "c<11>");
  unsigned before = atomic_load(&asked);
  free(decisions), free(sheet), free(manifest);
  n = prepared(&o);
  ck_assert(n.left_out == 1 && n.kept == SAMPLES - 1); /* nor is it asked again */
  ck_assert_uint_eq(atomic_load(&asked), before);
  o.lenient = 0;
  FAILS(EFME_E_NOT_FOUND, efme_prepare(files, out, &o, NULL), "photo11.png: no face in the image of 96 x 96");
  without = -1;
  n = prepared(&o);
  ck_assert(n.made == 1 && n.kept == SAMPLES - 1);
}
END_TEST

START_TEST(bad_photos) {
  efme_prepare_options o = located(3);
  write_text(in_folder("photo04.png"), "\x89PNG\r\n\x1a\nno more");
  ck_assert_int_eq(unlink(in_folder("photo17.png")), 0);
  FAILS(EFME_E_FORMAT, efme_prepare(files, out, &o, NULL), "photo04.png");
  o.lenient = 1;
  FAILS(EFME_E_IO, efme_prepare(files, out, &o, NULL), "photo17.png"); /* may be there again tomorrow */
  efme_image *image = NULL;
  OK(efme_dataset_read(drawn, 17, &image));
  OK(efme_image_save(image, in_folder("photo17.png"), NULL));
  efme_image_release(image);
  efme_prepared n = prepared(&o);
  ck_assert(n.left_out == 1 && n.made + n.kept == SAMPLES - 1);
}
END_TEST

START_TEST(bad_folders) {
  efme_prepare_options o = located(2);
  write_text(out, "a file");
  FAILS(EFME_E_IO, efme_prepare(files, out, &o, NULL), "/out");
  unlink(out);
  prepared(&o);
  write_text(in_folder("out/decisions.json"), "{\"format\": \"efme-prepared 2\", \"settings\": \"\"}");
  FAILS(EFME_E_FORMAT, efme_prepare(files, out, &o, NULL), "`format` is efme-prepared 2");
  write_text(in_folder("out/decisions.json"), "{\"format\": ");
  FAILS(EFME_E_FORMAT, efme_prepare(files, out, &o, NULL), "out/decisions.json");
  unlink(in_folder("out/decisions.json"));
  test_remove(in_folder("out/faces"));
  write_text(in_folder("out/faces"), "a file");
  FAILS(EFME_E_IO, efme_prepare(files, out, &o, NULL), "out/faces");
}
END_TEST

START_TEST(nonsense) {
  efme_prepare_options o = EFME_PREPARE_OPTIONS_INIT;
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, out, NULL, NULL), "who finds the faces");
  o.whole = 2;
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, out, &o, NULL), "whole is neither 0 nor 1");
  o = located(65);
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, out, &o, NULL), "workers is 65");
  o = located(1);
  o.whole = 1;
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, out, &o, NULL), "who finds the faces");
  o = located(0);
  o.locate = NULL;
  efme_face_detector *none[1] = {NULL};
  o.detectors = none;
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, out, &o, NULL), "detector_count is 0, and detectors is not NULL");
  o.detector_count = 1;
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, out, &o, NULL), "detectors[0] is NULL");
  FAILS(EFME_E_ARGUMENT, efme_prepare(NULL, out, &o, NULL), "dataset is NULL");
  FAILS(EFME_E_ARGUMENT, efme_prepare(files, NULL, &o, NULL), "folder is NULL");
  ck_assert_int_ne(access(out, F_OK), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("prepare");
  TCase *c = tcase_create("all");
  tcase_add_checked_fixture(c, setup, teardown);
  tcase_set_timeout(c, 300);
  tcase_add_test(c, faces_are_aligned);
  tcase_add_test(c, whole_images);
  tcase_add_test(c, any_number_of_workers);
  tcase_add_test(c, only_what_changed);
  tcase_add_test(c, cancelled_and_resumed);
  tcase_add_test(c, no_face);
  tcase_add_test(c, bad_photos);
  tcase_add_test(c, bad_folders);
  tcase_add_test(c, nonsense);
  suite_add_tcase(suite, c);
  return test_run(suite);
}
