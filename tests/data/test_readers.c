/* The readers: small sets of our own in every layout, every failure with the words that its text must hold, and the real
 * FER2013 and CK+48 with the counts that are published. */
#include <fcntl.h>

#include "data_test.h"

static efme_context *context;

/* ---- FER2013 ---- */
static void add_row(struct efme_text *t, int emotion, int seed, const char *usage) {
  efme_text_printf(t, "%d,\"", emotion);
  for (int i = 0; i < 2304; i++) efme_text_printf(t, "%s%d", i ? " " : "", (seed * 17 + i * (seed % 5 + 1)) % 256);
  efme_text_printf(t, usage ? "\",%s\n" : "\"\n", usage);
}

static const char *fer_csv(const char *name, int rows, int shuffled) {
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "emotion,pixels,Usage\n");
  for (int i = 0; i < rows; i++) {
    int k = shuffled ? (i * 7 + 3) % rows : i;
    add_row(&t, k % 7, k, k % 3 == 2 ? "PublicTest" : "Training");
  }
  const char *path = put_file(name, t.data, t.size);
  efme_text_free(&t);
  return path;
}

START_TEST(fer_small) {
  efme_dataset *d, *s;
  assert_ok(efme_dataset_open_fer2013(&d, context, fer_csv("fer.csv", 20, 0), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 20);
  ck_assert_uint_eq(efme_dataset_class_count(d), 7);
  ck_assert_str_eq(efme_dataset_class_name(d, 3), "happy");
  ck_assert_ptr_null(efme_dataset_class_name(d, 7));
  ck_assert_uint_eq(efme_dataset_subject_count(d), 0);
  efme_sample a = sample_of(d, 9);
  ck_assert_str_eq(a.dataset, "fer2013");
  ck_assert_str_eq(a.native_label, "fear");
  ck_assert_str_eq(a.split, "Training");
  ck_assert_str_eq(a.subject, "");
  ck_assert_int_eq(a.label, 2);
  ck_assert_uint_eq(a.row, 10);
  efme_image *image;
  assert_ok(efme_dataset_read(d, 9, &image));
  for (int i = 0; i < 2304; i++) ck_assert_uint_eq(efme_image_pixels(image)[i], (9 * 17 + i * 5) % 256);
  efme_image_release(image);
  /* the order of rows is in nothing but the order */
  assert_ok(efme_dataset_open_fer2013(&s, context, fer_csv("shuffled.csv", 20, 1), NULL));
  ck_assert_uint_eq(efme_dataset_fingerprint(d), efme_dataset_fingerprint(s));
  ck_assert_str_ne(sample_of(s, 0).key, sample_of(d, 0).key);
  ck_assert_str_eq(sample_of(s, 0).key, sample_of(d, 3).key);
  efme_dataset_release(s);
  assert_ok(efme_dataset_open_fer2013(&s, context, fer_csv("more.csv", 21, 0), NULL));
  ck_assert_uint_ne(efme_dataset_fingerprint(d), efme_dataset_fingerprint(s));
  efme_dataset_release(s);
  efme_dataset_release(d);
}
END_TEST

START_TEST(fer_duplicates_and_train_csv) {
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "emotion, pixels\r\n"); /* some copies have the blank */
  for (int i = 0; i < 6; i++) add_row(&t, i == 5, i < 4 ? 1 : 2, NULL);
  efme_dataset *d;
  assert_ok(efme_dataset_open_fer2013(&d, context, put_file("train.csv", t.data, t.size), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 6);
  ck_assert_str_eq(sample_of(d, 0).split, "Training");
  for (uint64_t i = 0; i < 6; i++)
    for (uint64_t k = 0; k < i; k++) ck_assert_str_ne(sample_of(d, i).key, sample_of(d, k).key);
  ck_assert_ptr_nonnull(strstr(sample_of(d, 3).key, "-4"));
  efme_dataset_release(d);
  efme_text_free(&t);
}
END_TEST

static void fer_row_fails(const char *row, const char *first, const char *second) {
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "emotion,pixels,Usage\n");
  add_row(&t, 1, 1, "Training");
  efme_text_add(&t, row);
  efme_dataset *d = (efme_dataset *)1;
  const char *path = put_file("bad.csv", t.data, t.size);
  assert_fails(efme_dataset_open_fer2013(&d, context, path, NULL), EFME_E_FORMAT, first);
  ck_assert_msg(strstr(efme_last_error(), second) && strstr(efme_last_error(), "bad.csv: line 3 (row 2)"), "%s", efme_last_error());
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  efme_dataset_options lenient = EFME_DATASET_OPTIONS_INIT; /* or the row is left out */
  lenient.lenient = 1;
  assert_ok(efme_dataset_open_fer2013(&d, context, path, &lenient));
  ck_assert_uint_eq(efme_dataset_count(d), 1);
  efme_dataset_release(d);
  efme_text_free(&t);
}

/* One row with `count` pixels, the last of them written as `last`. */
static char *fer_row(const char *emotion, int count, const char *last) {
  struct efme_text t;
  char *text;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_printf(&t, "%s,\"", emotion);
  for (int i = 0; i + 1 < count; i++) efme_text_add(&t, "7 ");
  efme_text_printf(&t, "%s\",Training\n", last);
  assert_ok(efme_text_take(&t, &text, NULL));
  return text;
}

START_TEST(fer_failures) {
  static const struct {
    const char *emotion;
    int count;
    const char *last, *first, *second;
  } rows[] = {{"1", 2303, "7", "field pixels", "2303 values, 2304 expected"},
              {"1", 2305, "7", "field pixels", "2305 values"},
              {"1", 2304, "x", "field pixels", "value 2304"},
              {"1", 2304, "256", "field pixels", "value 2304 is 256"},
              {"1", 2304, "-1", "field pixels", "value 2304"},
              {"1", 2304, "1234", "field pixels", "value 2304"},
              {"7", 2304, "7", "field emotion", "\"7\""},
              {"x", 2304, "7", "field emotion", "\"x\""},
              {"", 2304, "7", "field emotion", "\"\""}};
  for (size_t i = 0; i < EFME_COUNT(rows); i++) {
    char *row = fer_row(rows[i].emotion, rows[i].count, rows[i].last);
    fer_row_fails(row, rows[i].first, rows[i].second);
    efme_mem_free(&efme_allocator_libc, row);
  }
  fer_row_fails("1\n", "1 fields, 3 expected", "row 2");
  efme_dataset *d;
  assert_fails(efme_dataset_open_fer2013(&d, context, scratch("nowhere.csv"), NULL), EFME_E_IO, "nowhere.csv");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("empty.csv", ""), NULL), EFME_E_FORMAT, "empty.csv: the file is empty");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("head.csv", "emotion,pixels,Usage\n"), NULL), EFME_E_FORMAT,
               "head.csv: no samples");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("other.csv", "a,b\n1,2\n"), NULL), EFME_E_FORMAT, "column emotion");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("other.csv", "emotion,b\n1,2\n"), NULL), EFME_E_FORMAT, "column pixels");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("cut.csv", "emotion,pixels\n1,\"3 4"), NULL), EFME_E_FORMAT,
               "inside quotes");
  assert_fails(efme_dataset_open_fer2013(NULL, context, "x", NULL), EFME_E_ARGUMENT, "out");
  assert_fails(efme_dataset_open_fer2013(&d, NULL, "x", NULL), EFME_E_ARGUMENT, "context");
  assert_fails(efme_dataset_open_fer2013(&d, context, NULL, NULL), EFME_E_ARGUMENT, "path");
  struct {
    efme_dataset_options o;
    uint64_t later;
  } longer = {EFME_DATASET_OPTIONS_INIT, 1};
  longer.o.struct_size = sizeof longer;
  assert_fails(efme_dataset_open_fer2013(&d, context, "x", &longer.o), EFME_E_ARGUMENT, "efme_dataset_options");
}
END_TEST

static int cancel_after(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)what, (void)total;
  int *left = user;
  return done > 0 && (*left)-- <= 0;
}

START_TEST(cancel_at_any_callback) {
  const char *csv = fer_csv("cancel.csv", 1100, 0);
  for (int k = 0;; k++) {
    int left = k;
    efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
    o.progress = cancel_after, o.progress_user = &left;
    efme_dataset *d = (efme_dataset *)1;
    efme_status status = efme_dataset_open_fer2013(&d, context, csv, &o);
    if (status == EFME_OK) {
      ck_assert_int_ge(k, 2);
      efme_dataset_release(d);
      break;
    }
    ck_assert_int_eq(status, EFME_E_CANCELLED);
    ck_assert_ptr_eq(d, (efme_dataset *)1);
  }
}
END_TEST

START_TEST(fer_folders) {
  put_image("ferdir/train/happy/Training_1.pgm", 48, 1);
  put_image("ferdir/train/happy/Training_2.pgm", 48, 2);
  put_image("ferdir/train/angry/Training_1.pgm", 48, 3);
  put_image("ferdir/test/sad/PrivateTest_9.pgm", 48, 4);
  put_image("ferdir/test/sad/PublicTest_8.pgm", 48, 5);
  put_image("ferdir/test/sad/other.pgm", 48, 6);
  put_text("ferdir/test/sad/notes.txt", "not an image");
  efme_dataset *d;
  assert_ok(efme_dataset_open_fer2013(&d, context, scratch("ferdir"), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 6);
  uint64_t counts[7];
  assert_ok(efme_dataset_class_counts(d, counts, 7));
  ck_assert(counts[0] == 1 && counts[3] == 2 && counts[4] == 3 && counts[1] == 0);
  ck_assert_str_eq(sample_of(d, 0).native_label, "angry");
  ck_assert_str_eq(sample_of(d, 3).split, "PrivateTest");
  ck_assert_str_eq(sample_of(d, 4).split, "PublicTest");
  ck_assert_str_eq(sample_of(d, 5).split, "Test");
  ck_assert_str_eq(sample_of(d, 0).key, "fer2013//Training/angry/Training_1.pgm");
  efme_dataset_release(d);
  put_image("ferdir/test/bored/a.pgm", 48, 6);
  assert_fails(efme_dataset_open_fer2013(&d, context, scratch("ferdir"), NULL), EFME_E_FORMAT, "bored");
  put_text("nofer/x/y", "");
  assert_fails(efme_dataset_open_fer2013(&d, context, scratch("nofer"), NULL), EFME_E_FORMAT, "nofer");
}
END_TEST

/* ---- CK+ ---- */
START_TEST(ck48_small) {
  put_image("ck/happy/S010_001_00000001.pgm", 48, 1);
  put_image("ck/happy/S011_001_00000001.pgm", 48, 2);
  put_image("ck/anger/S010_002_00000005.pgm", 48, 3);
  efme_dataset *d;
  assert_ok(efme_dataset_open_ck48(&d, context, scratch("ck"), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 3);
  ck_assert_uint_eq(efme_dataset_subject_count(d), 2);
  ck_assert_str_eq(efme_dataset_subject(d, 0), "ckplus/S010");
  ck_assert_str_eq(efme_dataset_class_name(d, 0), "anger");
  ck_assert_str_eq(sample_of(d, 0).key, "ckplus/S010/S010_002_00000005");
  ck_assert_str_eq(sample_of(d, 0).clip, "S010_002_00000005");
  uint64_t fingerprint = efme_dataset_fingerprint(d);
  efme_dataset_release(d);
  ck_assert_int_eq(rename(scratch("ck"), scratch("ck-moved")), 0); /* where it lies is not what it is */
  assert_ok(efme_dataset_open_ck48(&d, context, scratch("ck-moved"), NULL));
  ck_assert_uint_eq(efme_dataset_fingerprint(d), fingerprint);
  efme_dataset_release(d);
  put_image("ck-moved/happy/nosubject.pgm", 48, 2);
  assert_fails(efme_dataset_open_ck48(&d, context, scratch("ck-moved"), NULL), EFME_E_FORMAT, "nosubject.pgm");
  efme_dataset_options lenient = EFME_DATASET_OPTIONS_INIT;
  lenient.lenient = 1;
  assert_ok(efme_dataset_open_ck48(&d, context, scratch("ck-moved"), &lenient));
  ck_assert_uint_eq(efme_dataset_count(d), 3);
  efme_dataset_release(d);
  unlink(scratch("ck-moved/happy/nosubject.pgm"));
  put_text("ck-moved/fear/readme", "");
  assert_fails(efme_dataset_open_ck48(&d, context, scratch("ck-moved"), NULL), EFME_E_FORMAT, "class fear has no sample");
  unlink(scratch("ck-moved/fear/readme")), rmdir(scratch("ck-moved/fear"));
  put_text("ck-moved/anger/S010_003_1.png", "");
  assert_fails(efme_dataset_open_ck48(&d, context, scratch("ck-moved"), NULL), EFME_E_FORMAT, "S010_003_1.png: the file is empty");
  assert_fails(efme_dataset_open_ck48(&d, context, scratch("none"), NULL), EFME_E_IO, "none");
}
END_TEST

START_TEST(ckplus_tree) {
  put_image("ckp/cohn-kanade-images/S005/001/S005_001_00000011.png", 60, 1); /* a PGM under that name: content decides */
  put_image("ckp/cohn-kanade-images/S010/004/S010_004_00000019.png", 60, 2);
  put_text("ckp/Emotion/S005/001/S005_001_00000011_emotion.txt", "   3.0000000e+00\n");
  put_text("ckp/Emotion/S010/004/S010_004_00000019_emotion.txt", "   7.0000000e+00\n");
  put_text("ckp/Emotion/S011/001/notes", "a sequence without label is an empty folder");
  efme_dataset *d;
  assert_ok(efme_dataset_open_ckplus(&d, context, scratch("ckp"), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 2);
  efme_sample s = sample_of(d, 0);
  ck_assert_str_eq(s.native_label, "disgust");
  ck_assert_str_eq(s.subject, "ckplus/S005");
  ck_assert_str_eq(s.key, "ckplus/S005/S005_001_00000011");
  ck_assert_int_eq(s.apex, 11);
  ck_assert_str_eq(sample_of(d, 1).native_label, "surprise");
  efme_image *image;
  assert_ok(efme_dataset_read(d, 1, &image));
  efme_image_release(image);
  efme_dataset_release(d);
  put_text("ckp/Emotion/S010/004/S010_004_00000019_emotion.txt", "  8.5\n");
  assert_fails(efme_dataset_open_ckplus(&d, context, scratch("ckp"), NULL), EFME_E_FORMAT, "8.5");
  put_text("ckp/Emotion/S010/004/S010_004_00000019_emotion.txt", "");
  assert_fails(efme_dataset_open_ckplus(&d, context, scratch("ckp"), NULL), EFME_E_FORMAT, "S010_004_00000019_emotion.txt");
  put_text("ckp/Emotion/S010/004/S010_004_00000020_emotion.txt", "1");
  unlink(scratch("ckp/Emotion/S010/004/S010_004_00000019_emotion.txt"));
  assert_fails(efme_dataset_open_ckplus(&d, context, scratch("ckp"), NULL), EFME_E_IO, "S010_004_00000020.png");
  assert_fails(efme_dataset_open_ckplus(&d, context, scratch("ckp/Emotion"), NULL), EFME_E_FORMAT, "no folder Emotion");
}
END_TEST

/* ---- manifest ---- */
START_TEST(manifest) {
  put_image("m/a.pgm", 32, 1), put_image("m/b,c.pgm", 40, 2), put_image("m/sub/d.pgm", 32, 3);
  char text[2048];
  snprintf(text, sizeof text,
           "path,camera,label,subject,dataset,clip,split,onset,apex,offset\r\n"
           "a.pgm,left,Happiness,s1,SMIC,s1_po_01,train,1,5,9\r\n"
           "\"b,c.pgm\",\"the \"\"right\"\" one\",Anger,6,samm,,test,,,\r\n"
           "%s,,negative,sub1,CASME II,EP01,,,7,\r\n",
           scratch("m/sub/d.pgm"));
  efme_dataset *d, *f;
  assert_ok(efme_dataset_open_manifest(&d, context, put_text("m/set.csv", text), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 3);
  ck_assert_str_eq(sample_of(d, 0).key, "smic/s01/s1_po_01");
  ck_assert_str_eq(sample_of(d, 1).key, "samm/006/b,c.pgm");
  ck_assert_str_eq(sample_of(d, 2).key, "casme2/sub01/EP01");
  ck_assert(sample_of(d, 0).onset == 1 && sample_of(d, 0).apex == 5 && sample_of(d, 0).offset == 9 && sample_of(d, 1).apex == -1);
  ck_assert_str_eq(efme_dataset_class_name(d, 0), "Anger");
  ck_assert_str_eq(efme_dataset_class_name(d, 2), "negative");
  ck_assert_int_eq(sample_of(d, 0).label, 1);
  const char *value;
  assert_ok(efme_dataset_field(d, 1, "camera", &value));
  ck_assert_str_eq(value, "the \"right\" one");
  assert_ok(efme_dataset_field(d, 1, "split", &value));
  ck_assert_str_eq(value, "test");
  assert_fails(efme_dataset_field(d, 1, "nothing", &value), EFME_E_NOT_FOUND, "nothing");
  assert_ok(efme_dataset_filter(&f, d, "camera", "left", 0));
  ck_assert_uint_eq(efme_dataset_count(f), 1);
  efme_dataset_release(f);
  efme_image *image;
  for (uint64_t i = 0; i < 3; i++) {
    assert_ok(efme_dataset_read(d, i, &image));
    efme_image_release(image);
  }
  efme_dataset_release(d);
}
END_TEST

static void manifest_fails(const char *text, efme_status status, const char *word) {
  efme_dataset *d = (efme_dataset *)1;
  assert_fails(efme_dataset_open_manifest(&d, context, put_text("m/bad.csv", text), NULL), status, word);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "bad.csv"));
  ck_assert_ptr_eq(d, (efme_dataset *)1);
}

START_TEST(manifest_failures) {
  put_image("m/a.pgm", 32, 1), put_image("m/b.pgm", 32, 2);
  manifest_fails("", EFME_E_FORMAT, "empty");
  manifest_fails("path,label,subject\na.pgm,x,y\n", EFME_E_FORMAT, "no column \"dataset\"");
  manifest_fails("path,path,label,subject,dataset\n", EFME_E_FORMAT, "\"path\" stands twice");
  manifest_fails("path,label,subject,dataset\n", EFME_E_FORMAT, "no samples");
  manifest_fails("path,label,subject,dataset\na.pgm,x,y,z\nc.pgm,x,y,z\n", EFME_E_IO, "line 3 (row 2)");
  manifest_fails("path,label,subject,dataset\na.pgm,x,y\n", EFME_E_FORMAT, "line 2 (row 1): 3 fields, the header has 4");
  manifest_fails("path,label,subject,dataset\na.pgm,,y,z\n", EFME_E_FORMAT, "line 2 (row 1): field label is empty");
  manifest_fails("path,label,subject,dataset\na.pgm,x,y,\n", EFME_E_FORMAT, "field dataset is empty");
  manifest_fails("path,label,subject,dataset\na.pgm,x,y,z/w\n", EFME_E_FORMAT, "z/w");
  manifest_fails("path,label,subject,dataset\na.pgm,x,y/w,z\n", EFME_E_FORMAT, "y/w");
  manifest_fails("path,label,subject,dataset,apex\na.pgm,x,y,z,five\n", EFME_E_FORMAT, "field apex: \"five\"");
  manifest_fails("path,label,subject,dataset\na.pgm,x,y,z\nb.pgm,x,y,z\na.pgm,x,y,z\n", EFME_E_FORMAT, "rows 1 and 3");
  manifest_fails("path,label,subject,dataset,clip\na.pgm,x,s1,smic,c\nb.pgm,x,01,SMIC,c\n", EFME_E_FORMAT,
                 "smic/s01/c"); /* two spellings of one subject */
  efme_dataset *d;              /* what is damaged inside is found when it is read, and named */
  put_text("m/broken.png", "\x89PNG\r\n\x1a\nrest");
  assert_ok(efme_dataset_open_manifest(&d, context, put_text("m/late.csv", "path,label,subject,dataset\nbroken.png,x,y,z\n"), NULL));
  efme_image *image = (efme_image *)1;
  assert_fails(efme_dataset_read(d, 0, &image), EFME_E_FORMAT, "broken.png");
  ck_assert_ptr_eq(image, (efme_image *)1);
  efme_dataset_release(d);
}
END_TEST

/* ---- the real sets ---- */
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

static long resident_kb(void) {
  long pages = 0, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (f) fclose(f);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
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
  long before = resident_kb();
  assert_ok(efme_dataset_open_fer2013(&d, context, path, NULL));
  long used = resident_kb() - before;
  printf("FER2013: %ld kB resident\n", used);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  ck_assert_int_le(used, 100 * 1000);
#endif
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
  efme_dataset_release(part);
  assert_ok(efme_dataset_balance(&part, m, 0, 1));
  ck_assert_uint_eq(efme_dataset_count(part), 12006);
  char *text;
  assert_ok(efme_dataset_describe(m, 0, &text));
  ck_assert_ptr_nonnull(strstr(text, "16698 negative, 8989 positive, 4002 surprise"));
  ck_assert_ptr_nonnull(strstr(text, "angry: 4953, disgust: 547, fear: 5121, sad: 6077"));
  efme_string_free(text);
  efme_dataset_release(part), efme_dataset_release(m), efme_dataset_release(d);
}
END_TEST

START_TEST(real_ck48) {
  if (test_absent("data/ck48")) return;
  efme_dataset *d, *m;
  assert_ok(efme_dataset_open_ck48(&d, context, test_shared("data/ck48"), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 981);
  ck_assert_uint_eq(efme_dataset_subject_count(d), 118);
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
  Suite *suite = suite_create("readers");
  TCase *t = tcase_create("readers");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, real_fer2013); /* first: it measures the process */
  tcase_add_test(t, fer_small);
  tcase_add_test(t, fer_duplicates_and_train_csv);
  tcase_add_test(t, fer_failures);
  tcase_add_test(t, cancel_at_any_callback);
  tcase_add_test(t, fer_folders);
  tcase_add_test(t, ck48_small);
  tcase_add_test(t, ckplus_tree);
  tcase_add_test(t, manifest);
  tcase_add_test(t, manifest_failures);
  tcase_add_test(t, real_ck48);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  scratch_clean();
  return result;
}
