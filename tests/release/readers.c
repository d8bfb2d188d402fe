/* Readers of releases: what each makes of its layout and table, the apex rules, and every failure with the words that its text must hold.
 */
#include "release_tree.h"

static efme_context *context;
static char log_text[1 << 16];

static void note_log(efme_log_level level, const char *message, void *user) {
  (void)level, (void)user;
  size_t n = strlen(log_text);
  snprintf(log_text + n, sizeof log_text - n, "%s\n", message);
}

static void set_up(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu", o.threads = 1, o.log = note_log;
  assert_ok(efme_context_create(&context, &o));
  tree_begin();
  log_text[0] = 0;
}

static void tear_down(void) { efme_context_release(context), scratch_clean(); }

static efme_dataset *opened(const efme_release_options *o) {
  efme_dataset *d = NULL;
  assert_ok(efme_dataset_open_release(&d, context, o, NULL));
  return d;
}

static const char *field(const efme_dataset *d, uint64_t i, const char *column) {
  const char *text = NULL;
  assert_ok(efme_dataset_field(d, i, column, &text));
  return text;
}

/* Frames low..high of one clip's folder, as a printf format names them. */
static void frames(const char *folder, const char *format, int low, int high) {
  char name[300];
  for (int n = low; n <= high; n++) {
    size_t at = (size_t)snprintf(name, sizeof name, "%s/", folder);
    snprintf(name + at, sizeof name - at, format, n);
    put_text(name, "P5 1 1 255\nx");
  }
}

static int ends_with(const char *text, const char *ending) {
  size_t n = strlen(text), k = strlen(ending);
  return n >= k && !strcmp(text + n - k, ending);
}

/* One sample is what it should be; path by its end. */
static void check(const efme_dataset *d, uint64_t i, const char *key, const char *label, int onset, int apex, int offset,
                  const char *path) {
  efme_sample s = sample_of(d, i);
  ck_assert_str_eq(s.key, key);
  ck_assert_str_eq(s.native_label, label);
  ck_assert_msg(s.onset == onset && s.apex == apex && s.offset == offset, "%s: %d, %d, %d", key, s.onset, s.apex, s.offset);
  ck_assert_msg(ends_with(s.path, path), "%s: %s", key, s.path);
}

/* ---- a row of the table of releases each ---- */

START_TEST(names) {
  static const char *const known[] = {"smic-hs", "smic-e", "casme2", "samm", "casme", "casme-squared", "casme3", "mmew", "4dme"};
  ck_assert_uint_eq(efme_release_count(), EFME_COUNT(known));
  for (uint32_t i = 0; i < EFME_COUNT(known); i++) ck_assert_str_eq(efme_release_name(i), known[i]);
  ck_assert_ptr_null(efme_release_name(EFME_COUNT(known)));
}
END_TEST

START_TEST(smic_hs) {
  frames("smic/HS/s1/micro/negative/s1_ne_01", "image%d.bmp", 999998, 1000003); /* past the width of the numbers */
  frames("smic/HS/s1/non_micro/s1_n_01", "image%d.bmp", 1, 3);
  frames("smic/HS/s11/micro/surprise/s11_sur_02", "image%d.bmp", 10559740, 10559744);
  put_text("smic/HS/s11/micro/surprise/s11_sur_02/Thumbs.db", "x");
  put_text("smic/HS/s11/micro/surprise/s11_sur_02/notes.png", "no number");
  efme_release_options o = release("smic-hs", scratch("smic"), NULL);
  efme_dataset *d = opened(&o);
  ck_assert_uint_eq(efme_dataset_count(d), 2);
  check(d, 0, "smic/s01/s01_ne_01", "negative", 999998, 1000001, 1000003, "s1_ne_01/image1000001.bmp");
  check(d, 1, "smic/s11/s11_sur_02", "surprise", 10559740, 10559742, 10559744, "image10559742.bmp");
  ck_assert_str_eq(efme_dataset_subject(d, 0), "smic/s01");
  ck_assert_str_eq(field(d, 0, "warning"), "");
  ck_assert_ptr_nonnull(strstr(field(d, 1, "folder"), "HS/s11/micro/surprise/s11_sur_02"));
  efme_dataset_release(d);
  /* its label in the folder, its label in the name */
  frames("smic/HS/s1/micro/positive/s1_ne_02", "image%d.bmp", 1, 4);
  d = opened(&o);
  check(d, 1, "smic/s01/s01_ne_02", "positive", 1, 3, 4, "image3.bmp");
  ck_assert_ptr_nonnull(strstr(field(d, 1, "warning"), "is called positive, its name says negative"));
  ck_assert_ptr_nonnull(strstr(log_text, "s1_ne_02: is called positive"));
  efme_dataset_release(d);
}
END_TEST

#define SMIC_E_HEADER                                                                                                                      \
  "Subject,Filename,,OnsetF,OffsetF,Onset2F,Offset2F,Onset3F,Offset3F,,FirstF,LastF,TotalMF1,TotalMF2,TotalMF3,TotalVL,Emotion\n"

START_TEST(smic_e) {
  frames("e/SMIC-E_raw image/HS_long/SMIC-HS-E/s03/s3_ne_02", "image%d.jpg", 308860, 308900);
  frames("e/SMIC-E_raw image/HS_long/SMIC-HS-E/s18/s18_sur_03", "image%d.jpg", 1308860, 1308880);
  put_text("e/SMIC-HS-E_annotation.csv", SMIC_E_HEADER "3,s3_ne_02,,308866,308876,308880,308889,,,,308860,308900,11,10,,41,negative\n"
                                                       "18,s18_sur_03,,1308866,1308870,,,,,,1308860,1308880,5,,,21,negative\n");
  efme_release_options o = release("smic-e", scratch("e"), NULL);
  efme_dataset *d = opened(&o);
  ck_assert_uint_eq(efme_dataset_count(d), 3);
  check(d, 0, "smic/s03/s03_ne_02", "negative", 308866, 308871, 308876, "s03/s3_ne_02/image308871.jpg");
  check(d, 1, "smic/s03/s03_ne_02-2", "negative", 308880, 308885, 308889, "s03/s3_ne_02/image308885.jpg");
  check(d, 2, "smic/s18/s18_sur_03", "negative", 1308866, 1308868, 1308870, "image1308868.jpg");
  ck_assert_ptr_nonnull(strstr(field(d, 2, "warning"),
                               "SMIC-HS-E_annotation.csv: line 3 (row 2), s18/s18_sur_03: is called negative, its name says surprise"));
  efme_dataset_release(d);
}
END_TEST

#define CASME2_HEADER "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\n"

/* Two clips in the raw tree and the table that is found by its name. */
static void casme2_two(const char *second_apex) {
  char table[400];
  frames("c2/CASME2-RAW/sub01/EP02_01f", "img%d.jpg", 1, 12);
  frames("c2/CASME2-RAW/sub04/EP12_01f", "img%d.jpg", 95, 105);
  snprintf(table, sizeof table, CASME2_HEADER "01,EP02_01f,,3,7,9,,12,happiness\n4,EP12_01f,,98,%s,102,,\"L4 or 5\",disgust\n",
           second_apex);
  put_text("c2/CASME2-coding-20140508.csv", table);
}

START_TEST(casme2) {
  casme2_two("/");
  efme_release_options o = release("casme2", scratch("c2"), NULL);
  efme_dataset *d = opened(&o);
  check(d, 0, "casme2/sub01/EP02_01f", "happiness", 3, 7, 9, "sub01/EP02_01f/img7.jpg");
  ck_assert_str_eq(field(d, 0, "au"), "12");
  ck_assert_str_eq(field(d, 0, "annotated_apex"), "7");
  check(d, 1, "casme2/sub04/EP12_01f", "disgust", 98, 100, 102, "img100.jpg"); /* the middle, and told */
  ck_assert_str_eq(field(d, 1, "annotated_apex"), "/");
  ck_assert_ptr_nonnull(strstr(field(d, 1, "warning"), "apex \"/\" is not a frame number"));
  ck_assert_ptr_nonnull(strstr(log_text, "line 3 (row 2), sub04/EP12_01f: apex \"/\""));
  efme_dataset *clean;
  assert_ok(efme_dataset_filter(&clean, d, "warning", "", 0));
  ck_assert_uint_eq(efme_dataset_count(clean), 1);
  efme_dataset_release(clean), efme_dataset_release(d);
}
END_TEST

START_TEST(apex_outside) {
  casme2_two("104");
  efme_release_options o = release("casme2", scratch("c2"), NULL);
  for (uint32_t middle = 0; middle < 2; middle++) {
    o.outside_middle = middle;
    efme_dataset *d = opened(&o);
    check(d, 1, "casme2/sub04/EP12_01f", "disgust", 98, middle ? 100 : 104, 102, middle ? "img100.jpg" : "img104.jpg");
    ck_assert_ptr_nonnull(strstr(field(d, 1, "warning"), "apex 104 lies outside onset 98 .. offset 102"));
    efme_dataset_release(d);
  }
  casme2_two("98");
  efme_dataset *d = opened(&o);
  ck_assert_ptr_nonnull(strstr(field(d, 1, "warning"), "apex and onset are both 98"));
  efme_dataset_release(d);
}
END_TEST

START_TEST(apex_rules) {
  casme2_two("99");
  efme_release_options o = release("casme2", scratch("c2"), NULL);
  o.apex = EFME_APEX_MIDDLE_FRAME;
  efme_dataset *d = opened(&o);
  check(d, 0, "casme2/sub01/EP02_01f", "happiness", 3, 6, 9, "img6.jpg"); /* frames[7 / 2] of 3..9 */
  check(d, 1, "casme2/sub04/EP12_01f", "disgust", 98, 100, 102, "img100.jpg");
  efme_dataset_release(d);
  o.apex = EFME_APEX_COLUMN, o.apex_column = "Offset Frame";
  d = opened(&o);
  check(d, 0, "casme2/sub01/EP02_01f", "happiness", 3, 9, 9, "img9.jpg");
  efme_dataset_release(d);
  o.apex_column = "Best Frame";
  assert_fails(efme_dataset_open_release(&d, context, &o, NULL), EFME_E_FORMAT,
               "no header found: line 1 looks like one, but has no column \"Best Frame\"");
  o.apex = EFME_APEX_DIFFERENCE, o.apex_column = NULL;
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img5.jpg", "P5 1 1 255\nq");    /* x is 120: 7 away */
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img8.jpg", "P5 1 1 255\n\x10"); /* farther */
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img9.jpg", "P5 1 1 255\n\x10");
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img11.jpg", "P5 1 1 255\n\x01"); /* outside the interval */
  d = opened(&o);
  check(d, 0, "casme2/sub01/EP02_01f", "happiness", 3, 8, 9, "img8.jpg");
  check(d, 1, "casme2/sub04/EP12_01f", "disgust", 98, 98, 102, "img98.jpg"); /* nothing moves */
  efme_dataset_release(d);
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img6.jpg", "P5 2 1 255\nab");
  assert_fails(efme_dataset_open_release(&d, context, &o, NULL), EFME_E_FORMAT, "img6.jpg has another size");
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img6.jpg", "P5 9 9 255\nx");
  assert_fails(efme_dataset_open_release(&d, context, &o, NULL), EFME_E_FORMAT, "img6.jpg");
}
END_TEST

START_TEST(layouts) {
  casme2_two("99");
  frames("c2/Cropped/sub01/EP02_01f", "reg_img%d.jpg", 3, 9);
  frames("c2/Cropped/sub04/EP12_01f", "reg_img%d.jpg", 98, 102);
  efme_release_options o = release("casme2", scratch("c2"), NULL);
  static const struct {
    const char *layout, *path;
  } ways[] = {{NULL, "CASME2-RAW/sub01/EP02_01f/img7.jpg"}, {"raw", "img7.jpg"}, {"cropped", "Cropped/sub01/EP02_01f/reg_img7.jpg"}};
  for (size_t i = 0; i < EFME_COUNT(ways); i++) {
    o.layout = ways[i].layout;
    efme_dataset *d = opened(&o);
    check(d, 0, "casme2/sub01/EP02_01f", "happiness", 3, 7, 9, ways[i].path);
    efme_dataset_release(d);
  }
  efme_dataset *d;
  o.layout = "selected";
  assert_fails(efme_dataset_open_release(&d, context, &o, NULL), EFME_E_FORMAT, "looked for folders like");
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "c2/CASME2_RAW_selected/sub01/EP02_01f"));
  o.layout = "colour";
  assert_fails(efme_dataset_open_release(&d, context, &o, NULL), EFME_E_NOT_FOUND, "casme2 has no layout \"colour\"");
}
END_TEST

START_TEST(samm) {
  frames("samm/006/006_1_2", "006_%05d.jpg", 5562, 5570);
  frames("samm/006/006_1_3", "006_%04d.jpg", 1829, 1840);
  frames("samm/028/028_4_1", "028_%04d.jpg", 9996, 10004);
  put_text("samm.csv",
           "Micro-expressions of SAMM,,,,\n\"two\nlines\",,\nSubject,Filename,Inducement Code,Onset Frame,Apex Frame,Offset Frame,"
           "Duration,Micro,Action Units,Estimated Emotion,Objective Classes,Notes\n"
           "006,006_1_2,1,5562,5565,5569,1,Micro,12,Happiness,III,\n6.0,006_1_3,1,1829.0,1832.0,1840.0,1,Micro,\"R12 or R15\",Anger,III,\n"
           "028,028_4_1,1,9996,10003,10001,1,Micro,4,Surprise,III,\n");
  efme_release_options o = release("samm", scratch("samm"), scratch("samm.csv"));
  efme_dataset *d = opened(&o);
  check(d, 0, "samm/006/006_1_2", "Happiness", 5562, 5565, 5569, "006_05565.jpg");
  check(d, 1, "samm/006/006_1_3", "Anger", 1829, 1832, 1840, "006_1832.jpg");
  check(d, 2, "samm/028/028_4_1", "Surprise", 9996, 10003, 10001, "028_10003.jpg");
  ck_assert_ptr_nonnull(strstr(field(d, 2, "warning"), "apex 10003 lies outside"));
  ck_assert_uint_eq(sample_of(d, 2).row, 3);
  efme_dataset_release(d);
}
END_TEST

START_TEST(others) {
  efme_dataset *d;
  frames("casme/sub01/EP01_5", "EP01_5-%d.jpg", 70, 90);
  put_text("casme/casme.csv", "Subject,Filename,,OnsetF,ApexF1,ApexF2,,OffsetF,AU,Emotion\n1,EP01_5,,73,80,0,,86,4,disgust\n");
  efme_release_options o = release("casme", scratch("casme"), NULL);
  d = opened(&o);
  check(d, 0, "casme/sub01/EP01_5", "disgust", 73, 80, 86, "EP01_5-80.jpg");
  efme_dataset_release(d);

  frames("sq/selectedpic/s01/anger1_1", "img%d.jpg", 556, 580);
  put_text("sq/CAS(ME)^2code_final.csv", "1,anger1_1,557,567,573,4+7,negative,micro-expression,anger\n");
  o = release("casme-squared", scratch("sq"), NULL);
  d = opened(&o);
  check(d, 0, "casme-squared/s01/anger1_1", "negative", 557, 567, 573, "img567.jpg");
  efme_dataset_release(d);

  frames("c3/spNO.1/b/color", "%d.jpg", 170, 230);
  put_text("c3/cas(me)3_part_A_ME_label_JpgIndex_v2.csv", "Subject,Filename,Onset,Apex,Offset,AU,Objective class,emotion\n"
                                                          "spNO.1,b,171,175,180,4,1,disgust\nspNO.1,b,200,204,210,4,1,happy\n");
  o = release("casme3", scratch("c3"), NULL);
  d = opened(&o);
  check(d, 0, "casme3/spNO.1/b_171", "disgust", 171, 175, 180, "spNO.1/b/color/175.jpg");
  check(d, 1, "casme3/spNO.1/b_200", "happy", 200, 204, 210, "spNO.1/b/color/204.jpg");
  efme_dataset_release(d);

  frames("mm/Micro_Expression/happiness/S01-02-001", "%d.jpg", 1, 20);
  frames("mm/Micro_Expression/fear/S05-02-001", "%d.jpg", 1, 20);
  put_text("mm/MMEW_Micro_Exp.csv", "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion,remarks\n"
                                    "1,S01-02-001,1,9,20,12,happiness,\n5,S05-02-001,1,9,20,12,sadness,\n");
  o = release("mmew", scratch("mm"), NULL);
  d = opened(&o);
  check(d, 0, "mmew/S01/S01-02-001", "happiness", 1, 9, 20, "happiness/S01-02-001/9.jpg");
  check(d, 1, "mmew/S05/S05-02-001", "sadness", 1, 9, 20, "fear/S05-02-001/9.jpg");
  ck_assert_ptr_nonnull(strstr(field(d, 1, "warning"), "is called sadness and lies in folder"));
  efme_dataset_release(d);

  frames("4d/gray_micro/sub01/clip3", "%d.jpg", 1, 20);
  put_text("4d/4DME_Labelling_Micro_release v1.csv", "sub_ID,fold_name,Onset,Apex,Offset,AUs,Emotion,Positive,Negative,Surprise,Repression,"
                                                     "Others\nsub01,clip3,2,5,9,AU4(k),Negative,0,1,0,0,0\n");
  o = release("4dme", scratch("4d"), NULL);
  d = opened(&o);
  check(d, 0, "4dme/sub01/clip3", "Negative", 2, 5, 9, "gray_micro/sub01/clip3/5.jpg");
  efme_dataset_release(d);
}
END_TEST

/* ---- failures ---- */

static void fails(const efme_release_options *o, efme_status status, const char *first, const char *second) {
  efme_dataset *d = (efme_dataset *)1;
  assert_fails(efme_dataset_open_release(&d, context, o, NULL), status, first);
  ck_assert_msg(strstr(efme_last_error(), second) != NULL, "\"%s\" does not say \"%s\"", efme_last_error(), second);
  ck_assert_ptr_eq(d, (efme_dataset *)1);
}

/* A table of CASME II over the two clips of casme2_two. */
static void table_fails(const char *rows, const char *first, const char *second) {
  char text[2000];
  snprintf(text, sizeof text, CASME2_HEADER "%s", rows);
  put_text("bad.csv", text);
  efme_release_options o = release("casme2", scratch("c2"), scratch("bad.csv"));
  fails(&o, EFME_E_FORMAT, first, second);
}

START_TEST(wrong_archives) {
  efme_release_options o = release("casme2", scratch("absent"), NULL);
  fails(&o, EFME_E_IO, "absent: no such folder", "");
  casme2_two("99");
  tree_folder(scratch("empty"));
  put_text("empty/CASME2-coding-20140508.csv", CASME2_HEADER "01,EP02_01f,,3,7,9,,12,happiness\n");
  o = release("casme2", scratch("empty"), NULL);
  fails(&o, EFME_E_FORMAT, "empty: no clip of casme2 in it: looked for folders like", "empty/CASME2-RAW/sub01/EP02_01f");
  o = release("smic-hs", scratch("c2"), NULL); /* another set's archive */
  fails(&o, EFME_E_FORMAT, "c2: no clip of smic-hs in it", "c2/HS/s01/micro/LABEL/CLIP");
  o = release("samm", scratch("c2"), NULL);
  fails(&o, EFME_E_FORMAT, "c2: no annotation table in it: looked for SAMM_Micro_FACS_Codes_v2.csv", "");
  table_fails("01,EP02_01f,,3,7,9,,12,happiness\n05,EP09_05f,,3,7,9,,12,others\n", "bad.csv: line 3 (row 2), sub05/EP09_05f: no folder",
              "c2/CASME2-RAW/sub05/EP09_05f");
  tree_folder(scratch("c2/CASME2-RAW/sub05/EP09_05f"));
  table_fails("05,EP09_05f,,3,7,9,,12,others\n", "line 2 (row 1), sub05/EP09_05f: no numbered image in", "c2/CASME2-RAW/sub05/EP09_05f");
  table_fails("01,EP02_01f,,3,40,50,,12,happiness\n", "its apex, frame 40, is not in", "CASME2-RAW/sub01/EP02_01f, which has 1 to 12");
  table_fails("01,EP02_01f,,40,/,50,,12,happiness\n", "none of the frames 40 to 50 is in", "which has 1 to 12");
  o = release("casme4", scratch("c2"), NULL);
  fails(&o, EFME_E_NOT_FOUND, "no release \"casme4\"", "efme_release_name");
}
END_TEST

START_TEST(bad_frames) {
  casme2_two("99");
  efme_release_options o = release("casme2", scratch("c2"), NULL);
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img7.jpg", "");
  fails(&o, EFME_E_FORMAT, "line 2 (row 1), sub01/EP02_01f", "img7.jpg: the file is empty");
  put_text("c2/CASME2-RAW/sub01/EP02_01f/img7.jpg", "P5 9 9 255\nx"); /* found when it is read */
  efme_dataset *d = opened(&o);
  efme_image *image;
  assert_fails(efme_dataset_read(d, 0, &image), EFME_E_FORMAT, "sub01/EP02_01f/img7.jpg");
  efme_dataset_release(d);
  ck_assert_int_eq(unlink(scratch("c2/CASME2-RAW/sub01/EP02_01f/img7.jpg")), 0);
  tree_folder(scratch("c2/CASME2-RAW/sub01/EP02_01f/img7.jpg"));
  fails(&o, EFME_E_FORMAT, "its apex, frame 7, is not in", "sub01/EP02_01f");
  efme_dataset_options lenient = EFME_DATASET_OPTIONS_INIT;
  lenient.lenient = 1;
  assert_ok(efme_dataset_open_release(&d, context, &o, &lenient));
  ck_assert_uint_eq(efme_dataset_count(d), 1);
  ck_assert_ptr_nonnull(strstr(log_text, "left out: "));
  efme_dataset_release(d);
}
END_TEST

START_TEST(bad_tables) {
  casme2_two("99");
  table_fails("01,EP02_01f,,3,7,9,,12,hapiness\n", "line 2 (row 1), sub01/EP02_01f: unknown label \"hapiness\"", "repression");
  table_fails("01,EP02_01f,,3,7,9,,12,\n", "the emotion is empty", "line 2");
  table_fails("01,EP02_01f,,x,7,9,,12,happiness\n", "onset \"x\" is not a frame number", "line 2 (row 1)");
  table_fails("01,EP02_01f,,3,7,,,12,happiness\n", "offset \"\" is not a frame number", "");
  table_fails("01,EP02_01f,,3,7,-9,,12,happiness\n", "offset \"-9\" is not a frame number", "");
  table_fails("01,EP02_01f,,3,7,9.5,,12,happiness\n", "offset \"9.5\" is not a frame number", "");
  table_fails("01,EP02_01f\n", "onset \"\" is not a frame number", "");
  table_fails(",EP02_01f,,3,7,9,,12,happiness\n", "the subject is empty", "line 2");
  table_fails("01,,,3,7,9,,12,happiness\n", "the clip is empty", "line 2");
  table_fails("01,../../x,,3,7,9,,12,happiness\n", "a / in the name", "line 2");
  table_fails("", "bad.csv: no row of annotation in it", "");
  table_fails(",,,,,,,,\n ,\n", "bad.csv: no row of annotation in it", "");
  table_fails("01,EP02_01f,,3,7,9,,12,happiness\n1,EP02_01f,,3,7,9,,12,happiness\n",
              "line 3 (row 2), sub01/EP02_01f: stands twice, in row 1 too", "");
  ck_assert_ptr_null(strstr(efme_last_error(), "mixed"));
  table_fails("01,EP02_01f,,3,7,9,,12,happiness\n1,EP02_01f,,3,8,9,,12,happiness\n", "stands twice, in row 1 too with other values",
              "two versions of the annotation mixed?");
  table_fails("01,EP02_01f,,3,7,9,,12,happiness\n" CASME2_HEADER "04,EP12_01f,,98,99,102,,4,disgust\n", "bad.csv: line 3: a second header",
              "two versions of the annotation mixed?");
  table_fails("24,EP07_01,,3,7,9,,12,surprise\n24,EP10_03,,3,7,9,,12,sadness\n",
              "of sub24 1 are surprise as in the coding of 2019 and 1 sadness", "two versions of the annotation are mixed");
  table_fails("01,\"EP02_01f,,3,7,9,,12,happiness\n", "inside quotes", "bad.csv");
}
END_TEST

START_TEST(bad_headers) {
  casme2_two("99");
  efme_release_options o = release("casme2", scratch("c2"), scratch("h.csv"));
  static const struct {
    const char *text, *word;
  } bad[] = {{"", "h.csv: the file is empty"},
             {"a,b\n1,2\n", "h.csv: no header found in the first 64 rows"},
             {"x\nSubject,Filename,OnsetFrame,ApexFrame,OffsetFrame\n", "line 2 looks like one, but has no column \"Emotion\""},
             {"Subject,Filename,OnsetFrame,OffsetFrame,Estimated Emotion\n", "line 1 looks like one, but has no column \"Apex\""}};
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    put_text("h.csv", bad[i].text);
    fails(&o, EFME_E_FORMAT, bad[i].word, "h.csv");
  }
  put_file("h.csv", "PK\3\4rest", 8);
  fails(&o, EFME_E_UNSUPPORTED, "h.csv: is a workbook", "efme-xlsx2csv");
  o.table = scratch("c2/table.xlsx");
  fails(&o, EFME_E_UNSUPPORTED, "table.xlsx: is a workbook", "efme-xlsx2csv");
  o.table = scratch("absent.csv");
  fails(&o, EFME_E_IO, "absent.csv", "");
  o.table = NULL;
  put_text("c2/CASME2-coding-20190701.csv", CASME2_HEADER);
  fails(&o, EFME_E_FORMAT, "c2: two annotation tables in it, CASME2-coding-20140508.csv and CASME2-coding-20190701.csv", "name the one");
  ck_assert(!unlink(scratch("c2/CASME2-coding-20190701.csv")) && !unlink(scratch("c2/CASME2-coding-20140508.csv")));
  put_text("c2/CASME2-coding-20140508.xlsx", "PK");
  fails(&o, EFME_E_UNSUPPORTED, "CASME2-coding-20140508.xlsx: is a workbook", "c2");
}
END_TEST

/* Two folders of one clip; a table where none belongs; rules that do not fit. */
START_TEST(bad_options) {
  frames("smic/HS/s1/micro/negative/s1_ne_01", "image%d.bmp", 1, 3);
  frames("smic/HS/s01/micro/negative/s01_ne_01", "image%d.bmp", 1, 3);
  efme_release_options o = release("smic-hs", scratch("smic"), NULL);
  fails(&o, EFME_E_FORMAT, "is clip s01/s01_ne_01, and so is", "smic/HS/s1/micro/negative/s1_ne_01");
  o.table = "x.csv";
  fails(&o, EFME_E_ARGUMENT, "smic-hs has no annotation table", "");
  o = release("smic-e", scratch("smic"), "x.csv"), o.apex = EFME_APEX_ANNOTATED;
  fails(&o, EFME_E_ARGUMENT, "smic-e annotates no apex", "");
  o = release("casme2", scratch("smic"), NULL), o.apex = 9;
  fails(&o, EFME_E_ARGUMENT, "apex is 9", "");
  o.apex = EFME_APEX_COLUMN;
  fails(&o, EFME_E_ARGUMENT, "apex_column goes with", "");
  o.apex = 0, o.outside_middle = 2;
  fails(&o, EFME_E_ARGUMENT, "outside_middle is 2", "");
  o = release(NULL, scratch("smic"), NULL);
  fails(&o, EFME_E_ARGUMENT, "efme_release_options.name is NULL", "");
  o = release("samm", NULL, NULL);
  fails(&o, EFME_E_ARGUMENT, "efme_release_options.root is NULL", "");
}
END_TEST

static int cancel_after(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)what, (void)total, (void)done;
  int *left = user;
  return (*left)-- <= 0;
}

START_TEST(told_and_cancelled) {
  casme2_two("99");
  efme_release_options o = release("casme2", scratch("c2"), NULL);
  struct progress p = {0};
  efme_dataset_options options = EFME_DATASET_OPTIONS_INIT;
  options.progress = note_progress, options.progress_user = &p;
  efme_dataset *d;
  assert_ok(efme_dataset_open_release(&d, context, &o, &options));
  efme_dataset_release(d);
  ck_assert(p.calls == 3 && p.done == 2 && p.total == 2 && !strcmp(p.what, "rows"));
  options.progress = cancel_after;
  for (int k = 0; k < 3; k++) {
    int left = k;
    options.progress_user = &left, d = (efme_dataset *)1;
    assert_fails(efme_dataset_open_release(&d, context, &o, &options), EFME_E_CANCELLED, "cancelled after");
    ck_assert_ptr_eq(d, (efme_dataset *)1);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("releases");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, set_up, tear_down);
  const TTest *const tests[] = {names,  smic_hs,        smic_e,     casme2,     apex_outside, apex_rules,  layouts,           samm,
                                others, wrong_archives, bad_frames, bad_tables, bad_headers,  bad_options, told_and_cancelled};
  for (size_t i = 0; i < EFME_COUNT(tests); i++) tcase_add_test(t, tests[i]);
  return test_run(suite);
}
