/* The composite of MEGC 2019 out of trees in the official layouts, clip by clip against the organisers' list: 442 clips, 68 subjects, under
 * every version of the tables; and a small one, which needs no shared data. */
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
}

static void tear_down(void) { efme_context_release(context), scratch_clean(); }

/* Sample of the item's key, by a search; fails where it is not there. */
static efme_sample sample_of_item(const efme_dataset *d, const struct item *i) {
  char key[96];
  if (!strcmp(i->dataset, "samm")) snprintf(key, sizeof key, "samm/%03d/%s", atoi(i->subject), i->clip);
  else snprintf(key, sizeof key, "%s/%s/%s", i->dataset, i->subject, i->clip);
  for (uint64_t k = 0; k < efme_dataset_count(d); k++)
    if (!strcmp(sample_of(d, k).key, key)) return sample_of(d, k);
  ck_abort_msg("no sample %s", key);
}

/* The number in the sample's file name is the apex that the table (or Eq. 1) gives. */
static void check_apex(const struct item *i, size_t k, const efme_sample *s) {
  int apex = !strcmp(i->dataset, "smic")     ? smic_apex(i, k)
             : !strcmp(i->dataset, "casme2") ? casme2_apex(k)
             : samm_is_outside(i)            ? samm_offset(k) + 2
                                             : samm_apex(k);
  const char *p = strrchr(s->path, '.');
  while (p[-1] >= '0' && p[-1] <= '9') p--;
  ck_assert_msg(atoi(p) == apex && s->apex == apex, "%s: %s, apex %d, expected %d", s->key, s->path, s->apex, apex);
}

static void check_all(const efme_dataset *d, const struct list *l) {
  static const char *const classes[] = {"negative", "positive", "surprise"};
  ck_assert_uint_eq(efme_dataset_count(d), l->count);
  ck_assert_uint_eq(efme_dataset_class_count(d), 3);
  for (uint32_t c = 0; c < 3; c++) ck_assert_str_eq(efme_dataset_class_name(d, c), classes[c]);
  for (size_t k = 0; k < l->count; k++) {
    efme_sample s = sample_of_item(d, &l->items[k]);
    ck_assert_msg(s.label == l->items[k].label, "%s: label %d, %d in the list", s.key, s.label, l->items[k].label);
    check_apex(&l->items[k], k, &s);
  }
}

static efme_dataset *open_composite(const char *smic, const char *casme2, const char *casme2_csv, const char *samm, const char *samm_csv,
                                    int partial) {
  efme_release_options a = release("smic-hs", smic, NULL), b = release("casme2", casme2, casme2_csv), c = release("samm", samm, samm_csv);
  efme_megc2019_options o = EFME_MEGC2019_OPTIONS_INIT;
  efme_dataset *d = NULL;
  o.partial = (uint32_t)partial;
  assert_ok(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o));
  return d;
}

static void build(const struct list *l) {
  smic_build(scratch("micro"), l, SMIC_MICRO);
  casme2_build(scratch("raw"), l, &casme2_raw);
  samm_build(scratch("samm"), l);
  casme2_table(scratch("2014.csv"), l, CODING_2014, 0), casme2_table(scratch("2014i.csv"), l, CODING_2014, 1);
  casme2_table(scratch("2019.csv"), l, CODING_2019, 0), casme2_table(scratch("updated.csv"), l, CODING_UPDATED, 1);
  samm_table(scratch("v2.csv"), l, &samm_v2), samm_table(scratch("2018.csv"), l, &samm_2018);
  samm_table(scratch("resaved.csv"), l, &samm_resaved);
}

/* Every layout and every table at least once. */
static void check_versions(const struct list *l, int partial) {
  smic_build(scratch("flat"), l, SMIC_FLAT), smic_build(scratch("faces"), l, SMIC_CROPPED);
  casme2_build(scratch("selected"), l, &casme2_selected), casme2_build(scratch("crops"), l, &casme2_cropped);
  static const char *const smic[] = {"micro", "flat", "faces", "faces/SMIC_all_cropped", "micro/HS"};
  static const char *const casme2[] = {"raw", "selected", "crops", "raw/CASME2-RAW", "crops/Cropped"};
  static const char *const coding[] = {"2014.csv", "2019.csv", "2014i.csv", "2019.csv", "2014.csv"};
  static const char *const samm[] = {"samm", "samm/SAMM", "samm", "samm", "samm"};
  static const char *const facs[] = {"v2.csv", "2018.csv", "resaved.csv", "2018.csv", "v2.csv"};
  for (size_t k = 0; k < 5; k++) {
    efme_dataset *d = open_composite(scratch(smic[k]), scratch(casme2[k]), scratch(coding[k]), scratch(samm[k]), scratch(facs[k]), partial);
    check_all(d, l);
    efme_dataset_release(d);
  }
}

START_TEST(official) {
  if (test_absent(GROUND_TRUTH)) return;
  struct list *l = list_read(test_shared(GROUND_TRUTH));
  ck_assert(list_of(l, "smic") == 164 && list_of(l, "casme2") == 145 && list_of(l, "samm") == 133);
  build(l);
  check_versions(l, 0);
  efme_dataset *d = open_composite(scratch("micro"), scratch("raw"), scratch("2014.csv"), scratch("samm"), scratch("v2.csv"), 0), *truth;
  uint64_t counts[3], differences = 99;
  assert_ok(efme_dataset_class_counts(d, counts, 3));
  ck_assert(counts[0] == 250 && counts[1] == 109 && counts[2] == 83);
  ck_assert_uint_eq(efme_dataset_subject_count(d), 68);
  assert_ok(efme_dataset_open_megc2019_truth(&truth, context, test_shared(GROUND_TRUTH), NULL));
  char *text;
  assert_ok(efme_dataset_compare(d, truth, 0, &differences, &text));
  ck_assert_msg(differences == 0 && !*text, "%s", text);
  efme_string_free(text);
  efme_dataset_release(truth);
  /* the second copy of the list lacks one clip */
  assert_ok(efme_dataset_open_megc2019_truth(&truth, context, test_shared("data/megc2019/combined_3class_gt-2.csv"), NULL));
  ck_assert_uint_eq(efme_dataset_count(truth), 441);
  assert_ok(efme_dataset_compare(d, truth, 0, &differences, &text));
  ck_assert_str_eq(text, "samm/032/032_3_1 (negative): in the first alone\n");
  ck_assert_uint_eq(differences, 1);
  efme_string_free(text);
  efme_dataset_release(truth), efme_dataset_release(d);
  /* the whole of CASME II: 255 rows, of which the composite takes 145, and only the three relabelled ones differ between codings */
  char line[256], *path = strdup(scratch("2014.csv"));
  int rows = -1, emotions[7] = {0};
  static const char *const names[] = {"others", "disgust", "happiness", "repression", "surprise", "sadness", "fear"};
  FILE *f = fopen(path, "r");
  while (fgets(line, sizeof line, f)) {
    rows += line[0] != ',';
    for (int k = 0; k < 7; k++) emotions[k] += strstr(line, names[k]) != NULL;
  }
  fclose(f), free(path);
  static const int published[7] = {99, 63, 32, 27, 25, 7, 2};
  ck_assert_int_eq(rows, 255);
  for (int k = 0; k < 7; k++) ck_assert_msg(emotions[k] == published[k], "%s: %d", names[k], emotions[k]);
  free(l);
}
END_TEST

/* A coding without a rule: refused with its counts, taken with the organisers' list, and its differences listed. */
START_TEST(updated) {
  if (test_absent(GROUND_TRUTH)) return;
  struct list *l = list_read(test_shared(GROUND_TRUTH));
  build(l);
  casme2_clip(scratch("raw"), &casme2_raw, "sub24", "EP02_07", 69, 74);
  efme_release_options a = release("smic-hs", scratch("micro"), NULL), b = release("casme2", scratch("raw"), scratch("updated.csv")),
                       c = release("samm", scratch("samm"), scratch("v2.csv"));
  efme_megc2019_options o = EFME_MEGC2019_OPTIONS_INIT;
  efme_dataset *d = (efme_dataset *)1, *truth;
  assert_fails(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o), EFME_E_MISMATCH,
               "casme2: 90 negative, 32 positive and 25 surprise of 24 subjects; the organisers' composite has 88, 32 and 25 of 24");
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  o.partial = 1, log_text[0] = 0;
  assert_ok(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o));
  ck_assert_ptr_nonnull(strstr(log_text, "casme2: 90 negative"));
  assert_ok(efme_dataset_open_megc2019_truth(&truth, context, test_shared(GROUND_TRUTH), NULL));
  uint64_t differences;
  char *text;
  assert_ok(efme_dataset_compare(d, truth, 0, &differences, &text));
  ck_assert_str_eq(text, "casme2/sub04/EP12_01f (negative): in the first alone\ncasme2/sub24/EP02_07 (negative): in the first alone\n");
  ck_assert_uint_eq(differences, 2);
  efme_string_free(text);
  assert_ok(efme_dataset_compare(truth, d, 1, &differences, &text));
  ck_assert_str_eq(text, "[\n  {\"key\": \"casme2/sub04/EP12_01f\", \"first\": null, \"second\": \"negative\"},\n"
                         "  {\"key\": \"casme2/sub24/EP02_07\", \"first\": null, \"second\": \"negative\"}\n]\n");
  efme_string_free(text);
  efme_dataset_release(d), efme_dataset_release(truth);
  o = (efme_megc2019_options)EFME_MEGC2019_OPTIONS_INIT, o.truth = test_shared(GROUND_TRUTH);
  assert_ok(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o));
  check_all(d, l);
  efme_dataset_release(d);
  free(l);
}
END_TEST

START_TEST(small) {
  struct list *l = list_small();
  build(l);
  check_versions(l, 1);
  /* whole or not at all, unless a part is asked for */
  efme_release_options a = release("smic-hs", scratch("micro"), NULL), b = release("casme2", scratch("raw"), scratch("2014.csv")),
                       c = release("samm", scratch("samm"), scratch("v2.csv"));
  efme_dataset *d = (efme_dataset *)1;
  assert_fails(efme_dataset_open_megc2019(&d, context, &a, &b, &c, NULL), EFME_E_MISMATCH, "smic-hs: 4 negative, 2 positive");
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  assert_fails(efme_dataset_open_megc2019(&d, context, &b, &a, &c, NULL), EFME_E_ARGUMENT,
               "release \"casme2\", the composite needs \"smic-hs\"");
  free(l);
}
END_TEST

/* Labels and clips of a list of one's own, told where the table says something else. */
START_TEST(own_truth) {
  struct list *l = list_small();
  build(l);
  efme_release_options a = release("smic-hs", scratch("micro"), NULL), b = release("casme2", scratch("raw"), scratch("2019.csv")),
                       c = release("samm", scratch("samm"), scratch("v2.csv"));
  efme_megc2019_options o = EFME_MEGC2019_OPTIONS_INIT;
  efme_dataset *d;
  o.truth = put_text("own.csv", "smic,s1,s1_ne_01,0\r\n,,,\r\ncasme2,1,EP02_01f,0\r\ncasme2,sub17,EP99_05,0\r\nSAMM,006,006_1_3,1\r\n");
  log_text[0] = 0;
  assert_ok(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o));
  ck_assert_uint_eq(efme_dataset_count(d), 4);
  ck_assert_str_eq(sample_of(d, 0).key, "smic/s01/s01_ne_01");
  ck_assert_str_eq(sample_of(d, 1).key, "casme2/sub01/EP02_01f");
  ck_assert(sample_of(d, 1).label == 0 && !strcmp(sample_of(d, 1).native_label, "happiness"));
  ck_assert_str_eq(sample_of(d, 2).native_label, "fear"); /* which the rules leave out */
  ck_assert_msg(strstr(log_text, "casme2/sub01/EP02_01f: the table calls it happiness, the ground truth negative") != NULL, "%s", log_text);
  ck_assert_ptr_null(strstr(log_text, "EP99_05"));
  efme_dataset_release(d);
  o.truth = put_text("more.csv", "smic,s1,s1_ne_01,0\ncasme2,1,EP02_01f,0\nsamm,6,006_1_3,1\nsamm,6,006_9_99,1\n");
  assert_fails(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o), EFME_E_MISMATCH,
               "1 clips of the ground truth are not in the releases: samm/006/006_9_99 (positive)");
  o.partial = 1;
  assert_ok(efme_dataset_open_megc2019(&d, context, &a, &b, &c, &o));
  efme_dataset_release(d);
  free(l);
}
END_TEST

START_TEST(truth_failures) {
  static const struct {
    const char *text, *word;
  } bad[] = {{"casme2,sub01,EP02_01f\n", "line 1 (row 1): 3 fields, 4 expected"},
             {"smic,s01,s01_ne_01,0\ncasme,sub01,EP02_01f,1\n", "line 2 (row 2): field db: \"casme\""},
             {"smic,s01,s01_ne_01,3\n", "field label: \"3\""},
             {"smic,s01,s01_ne_01,\n", "field label: \"\""},
             {"smic,,s01_ne_01,0\n", "field subject is empty"},
             {"smic,s01,,0\n", "field clip is empty"},
             {"smic,s01,s01_ne_01,0\nsmic,s1,s1_ne_01,0\n", "rows 1 and 2 are both sample smic/s01/s01_ne_01"},
             {",,,\n", "no samples"},
             {"", "no samples"}};
  efme_dataset *d = (efme_dataset *)1;
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    assert_fails(efme_dataset_open_megc2019_truth(&d, context, put_text("bad.csv", bad[i].text), NULL), EFME_E_FORMAT, bad[i].word);
    ck_assert_ptr_nonnull(strstr(efme_last_error(), "bad.csv"));
  }
  assert_fails(efme_dataset_open_megc2019_truth(&d, context, scratch("absent.csv"), NULL), EFME_E_IO, "absent.csv");
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  assert_ok(efme_dataset_open_megc2019_truth(&d, context, put_text("good.csv", "smic,s01,s01_ne_01,2\r\n"), NULL));
  efme_image *image;
  assert_fails(efme_dataset_read(d, 0, &image), EFME_E_UNSUPPORTED, "smic/s01/s01_ne_01 has no image");
  ck_assert_str_eq(efme_dataset_class_name(d, (uint32_t)sample_of(d, 0).label), "surprise");
  efme_dataset_release(d);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("composite");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_add_test(t, official);
  tcase_add_test(t, updated);
  tcase_add_test(t, small);
  tcase_add_test(t, own_truth);
  tcase_add_test(t, truth_failures);
  return test_run(suite);
}
