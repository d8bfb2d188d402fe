/* The readers: small sets of our own in every layout, and every failure with the words that its text must hold. */
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

/* As some copies have it: blanks in names and values, another order of columns, other capitals, a byte-order mark, CRLF, quotes nowhere. */
START_TEST(fer_spellings) {
  static const char *const headers[] = {"emotion, Usage, pixels", "\xEF\xBB\xBF emotion,  usage ,pixels",
                                        "Emotion,\" Usage\", Pixels,note"};
  for (size_t k = 0; k < EFME_COUNT(headers); k++) {
    struct efme_text t;
    efme_text_init(&t, &efme_allocator_libc);
    efme_text_printf(&t, "%s\r\n", headers[k]);
    for (int row = 0; row < 4; row++) {
      efme_text_printf(&t, "%d,%s,", row, row == 0 ? "Training" : row == 1 ? " PublicTest" : row == 2 ? "PrivateTest " : "\"Training\"");
      for (int i = 0; i < 2304; i++) efme_text_printf(&t, "%d ", (i + row) % 256);
      efme_text_add(&t, k == 2 ? ",why\r\n" : "\r\n");
    }
    efme_dataset *d;
    assert_ok(efme_dataset_open_fer2013(&d, context, put_file("spelled.csv", t.data, t.size), NULL));
    efme_text_free(&t);
    static const char *const splits[] = {"Training", "PublicTest", "PrivateTest", "Training"};
    ck_assert_uint_eq(efme_dataset_count(d), 4);
    for (uint64_t i = 0; i < 4; i++) {
      efme_image *image;
      ck_assert_str_eq(sample_of(d, i).split, splits[i]);
      ck_assert_int_eq(sample_of(d, i).label, (int)i);
      assert_ok(efme_dataset_read(d, i, &image));
      for (uint64_t p = 0; p < 2304; p++) ck_assert_uint_eq(efme_image_pixels(image)[p], (p + i) % 256);
      efme_image_release(image);
    }
    efme_dataset_release(d);
  }
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
static char *fer_row(const char *emotion, int count, const char *last, const char *usage) {
  struct efme_text t;
  char *text;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_printf(&t, "%s,\"", emotion);
  for (int i = 0; i + 1 < count; i++) efme_text_add(&t, "7 ");
  efme_text_printf(&t, "%s\",%s", last, usage);
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
    char *row = fer_row(rows[i].emotion, rows[i].count, rows[i].last, "Training\n");
    fer_row_fails(row, rows[i].first, rows[i].second);
    efme_mem_free(&efme_allocator_libc, row);
  }
  fer_row_fails("1\n", "1 fields, 3 expected", "row 2");
  static const char *const usages[] = {"", "Trainin", "Private\n"}; /* also what a file cut in its last field looks like */
  for (size_t i = 0; i < EFME_COUNT(usages); i++) {
    char *row = fer_row("1", 2304, "7", usages[i]);
    fer_row_fails(row, "field Usage", i == 0 ? "\"\"" : i == 1 ? "\"Trainin\"" : "\"Private\"");
    efme_mem_free(&efme_allocator_libc, row);
  }
  efme_dataset *d;
  assert_fails(efme_dataset_open_fer2013(&d, context, scratch("nowhere.csv"), NULL), EFME_E_IO, "nowhere.csv");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("empty.csv", ""), NULL), EFME_E_FORMAT, "empty.csv: the file is empty");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("head.csv", "emotion,pixels,Usage\n"), NULL), EFME_E_FORMAT,
               "head.csv: no samples");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("other.csv", "a,b\n1,2\n"), NULL), EFME_E_FORMAT, "column emotion");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("other.csv", "emotion,b\n1,2\n"), NULL), EFME_E_FORMAT, "column pixels");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("other.csv", "emotion,pixels,Split\n"), NULL), EFME_E_FORMAT,
               "column Usage");
  assert_fails(efme_dataset_open_fer2013(&d, context, put_text("test.csv", "pixels\n"), NULL), EFME_E_FORMAT, "column emotion");
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

START_TEST(progress_is_told) {
  struct progress p = {0};
  efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
  o.progress = note_progress, o.progress_user = &p;
  efme_dataset *d;
  assert_ok(efme_dataset_open_fer2013(&d, context, fer_csv("told.csv", 1100, 0), &o));
  efme_dataset_release(d);
  ck_assert(p.calls == 3 && p.done == 1100 && p.total == 1100 && !strcmp(p.what, "rows"));
  memset(&p, 0, sizeof p);
  for (int i = 0; i < 3; i++)
    put_image(i == 0 ? "told/happy/S1_1_1.pgm" : i == 1 ? "told/happy/S1_1_2.pgm" : "told/fear/S2_1_1.pgm", 48, 1);
  assert_ok(efme_dataset_open_ck48(&d, context, scratch("told"), &o));
  efme_dataset_release(d);
  ck_assert(p.calls == 4 && p.done == 3 && p.total == 3 && !strcmp(p.what, "files"));
}
END_TEST

/* Every reader, stopped at every callback. */
static void cancel_everywhere(efme_status (*open)(efme_dataset **, efme_context *, const char *, const efme_dataset_options *),
                              const char *path, int callbacks) {
  for (int k = 0; k <= callbacks; k++) {
    int left = k;
    efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
    o.progress = cancel_after, o.progress_user = &left;
    efme_dataset *d = (efme_dataset *)1;
    efme_status status = open(&d, context, path, &o);
    ck_assert_msg(status == (k < callbacks ? EFME_E_CANCELLED : EFME_OK), "%s, callback %d: %s", path, k, efme_status_name(status));
    if (k == callbacks) efme_dataset_release(d);
    else ck_assert_ptr_eq(d, (efme_dataset *)1);
  }
}

START_TEST(cancel_at_any_callback) {
  cancel_everywhere(efme_dataset_open_fer2013, fer_csv("cancel.csv", 1100, 0), 3);
  put_image("cancel/train/happy/a.pgm", 48, 1), put_image("cancel/test/sad/b.pgm", 48, 1);
  cancel_everywhere(efme_dataset_open_fer2013, scratch("cancel"), 3);
  put_image("cancelck/happy/S1_1_1.pgm", 48, 1), put_image("cancelck/fear/S1_1_1b.pgm", 48, 1);
  cancel_everywhere(efme_dataset_open_ck48, scratch("cancelck"), 3);
  for (int i = 1; i < 3; i++) {
    char name[96];
    snprintf(name, sizeof name, "cancelckp/Emotion/S%d/001/S%d_001_3_emotion.txt", i, i), put_text(name, "5");
    snprintf(name, sizeof name, "cancelckp/cohn-kanade-images/S%d/001/S%d_001_3.png", i, i), put_image(name, 48, 1);
  }
  cancel_everywhere(efme_dataset_open_ckplus, scratch("cancelckp"), 3);
  const char *list = put_text("cancelck/set.csv", "path,label,subject,dataset\nhappy/S1_1_1.pgm,a,s,d\nfear/S1_1_1b.pgm,b,s,d\n");
  cancel_everywhere(efme_dataset_open_manifest, list, 3);
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
  put_image("ck-moved/boredom/S010_009_00000001.pgm", 48, 2);
  assert_fails(efme_dataset_open_ck48(&d, context, scratch("ck-moved"), NULL), EFME_E_FORMAT, "ck-moved/boredom: not one of CK+48's seven");
  unlink(scratch("ck-moved/boredom/S010_009_00000001.pgm")), rmdir(scratch("ck-moved/boredom"));
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
  for (int i = 1; i < 11; i++) { /* frames on the way to the peak, and sequences that have none */
    char name[96];
    snprintf(name, sizeof name, "ckp/cohn-kanade-images/S005/001/S005_001_%08d.png", i), put_image(name, 60, 3);
    snprintf(name, sizeof name, "ckp/cohn-kanade-images/S011/001/S011_001_%08d.png", i), put_image(name, 60, 4);
    snprintf(name, sizeof name, "ckp/cohn-kanade-images/S999/002/S999_002_%08d.png", i), put_image(name, 60, 5);
  }
  efme_dataset *d;
  assert_ok(efme_dataset_open_ckplus(&d, context, scratch("ckp"), NULL));
  ck_assert_uint_eq(efme_dataset_count(d), 2);
  efme_sample s = sample_of(d, 0);
  ck_assert_str_eq(s.native_label, "disgust");
  ck_assert_str_eq(s.subject, "ckplus/S005");
  ck_assert_str_eq(s.key, "ckplus/S005/S005_001_00000011");
  ck_assert(s.onset == 1 && s.apex == 11 && s.offset == 11);
  ck_assert_uint_eq(efme_dataset_subject_count(d), 2);
  ck_assert_str_eq(sample_of(d, 1).native_label, "surprise");
  efme_image *image;
  assert_ok(efme_dataset_read(d, 0, &image));
  ck_assert_uint_eq(efme_image_pixels(image)[1], 31 + 2); /* the peak's pixels */
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

/* Line ends and quotes inside fields, a byte-order mark, blank lines, columns of any name; and a manifest in the working directory. */
START_TEST(manifest_fields) {
  put_image("q/a.pgm", 32, 1), put_image("q/b.pgm", 32, 2);
  const char *path = put_text("q/set.csv", "\xEF\xBB\xBFnote,subject,label,dataset,path,\"two\nlines\"\r\n"
                                           "\"first\r\nsecond \"\"quoted\"\", third\",p1,x,set,a.pgm,\"1\n2\"\r\n\r\n"
                                           "plain,,y,set,./b.pgm,\r\n");
  char before[512];
  ck_assert_ptr_nonnull(getcwd(before, sizeof before));
  for (int here = 0; here < 2; here++) {
    efme_dataset *d;
    const char *value;
    if (here) ck_assert_int_eq(chdir(scratch("q")), 0);
    assert_ok(efme_dataset_open_manifest(&d, context, here ? "set.csv" : path, NULL));
    ck_assert_uint_eq(efme_dataset_count(d), 2);
    assert_ok(efme_dataset_field(d, 0, "note", &value));
    ck_assert_str_eq(value, "first\r\nsecond \"quoted\", third");
    assert_ok(efme_dataset_field(d, 0, "two\nlines", &value));
    ck_assert_str_eq(value, "1\n2");
    assert_ok(efme_dataset_field(d, 1, "two\nlines", &value));
    ck_assert_str_eq(value, "");
    ck_assert_str_eq(sample_of(d, 0).subject, "set/p1");
    ck_assert_str_eq(sample_of(d, 1).subject, ""); /* unknown is allowed; who needs subjects says so */
    ck_assert_uint_eq(sample_of(d, 1).row, 2);
    efme_image *image;
    for (uint64_t i = 0; i < 2; i++) {
      assert_ok(efme_dataset_read(d, i, &image));
      ck_assert_uint_eq(efme_image_pixels(image)[0], 31 * (i + 1));
      efme_image_release(image);
    }
    efme_dataset_release(d);
  }
  ck_assert_int_eq(chdir(before), 0);
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

int main(void) {
  context = data_context();
  Suite *suite = suite_create("readers");
  TCase *t = tcase_create("readers");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, fer_small);
  tcase_add_test(t, fer_duplicates_and_train_csv);
  tcase_add_test(t, fer_spellings);
  tcase_add_test(t, fer_failures);
  tcase_add_test(t, progress_is_told);
  tcase_add_test(t, cancel_at_any_callback);
  tcase_add_test(t, fer_folders);
  tcase_add_test(t, ck48_small);
  tcase_add_test(t, ckplus_tree);
  tcase_add_test(t, manifest);
  tcase_add_test(t, manifest_fields);
  tcase_add_test(t, manifest_failures);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  scratch_clean();
  return result;
}
