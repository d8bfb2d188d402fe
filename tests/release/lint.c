/* The linter: each finding by its code where it should be and nowhere else, known defects by name, text and JSON. */
#include <cjson/cJSON.h>
#include <sys/wait.h>

#include "release_tree.h"

static efme_context *context;

static void set_up(void) { context = data_context(), tree_begin(); }
static void tear_down(void) { efme_context_release(context), scratch_clean(); }

/* Frames with bytes of their own. */
static void frames(const char *folder, const char *format, int low, int high) {
  static unsigned serial;
  char name[300], text[64];
  for (int n = low; n <= high; n++) {
    size_t at = (size_t)snprintf(name, sizeof name, "%s/", folder);
    snprintf(name + at, sizeof name - at, format, n);
    unsigned v = ++serial;
    int k = snprintf(text, sizeof text, "P5 4 1 255\n");
    for (int i = 0; i < 4; i++) text[k + i] = (char)(v >> (8 * i));
    put_file(name, text, (size_t)k + 4);
  }
}

static efme_lint *linted(const efme_release_options *a, const efme_release_options *b) {
  const efme_release_options *const both[2] = {a, b};
  efme_lint *l = NULL;
  assert_ok(efme_lint_run(&l, context, both, b ? 2 : 1, NULL));
  return l;
}

static efme_finding finding(const efme_lint *l, uint64_t i) {
  efme_finding f = EFME_FINDING_INIT;
  assert_ok(efme_lint_finding(l, i, &f));
  return f;
}

/* Findings of a code; the last is put into *out. */
static int count_of(const efme_lint *l, const char *code, efme_finding *out) {
  int n = 0;
  for (uint64_t i = 0; i < efme_lint_count(l, EFME_SEVERITY_NOTE); i++) {
    efme_finding f = finding(l, i);
    if (strcmp(f.code, code)) continue;
    n++;
    if (out) *out = f;
  }
  return n;
}

static void expect(const efme_lint *l, const char *code, efme_severity severity, const char *subject, const char *clip, const char *words) {
  efme_finding f;
  int n = count_of(l, code, &f);
  ck_assert_msg(n == 1, "%s: %d times", code, n);
  ck_assert_msg(f.severity == (uint32_t)severity, "%s: severity %u", code, f.severity);
  ck_assert_str_eq(f.subject, subject);
  ck_assert_str_eq(f.clip, clip);
  ck_assert_msg(strstr(f.message, words) != NULL, "%s: \"%s\" does not say \"%s\"", code, f.message, words);
}

#define CASME2_HEADER "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\n"

START_TEST(clean) {
  frames("c2/CASME2-RAW/sub01/EP02_01f", "img%d.jpg", 1, 12);
  frames("c2/CASME2-RAW/sub02/EP02_01f", "img%d.jpg", 1, 12);
  put_text("t.csv", CASME2_HEADER "01,EP02_01f,,3,7,9,,12,happiness\n02,EP02_01f,,3,7,9,,12,others\n");
  efme_release_options o = release("casme2", scratch("c2"), scratch("t.csv"));
  efme_lint *l = linted(&o, NULL);
  char *text;
  assert_ok(efme_lint_text(l, 0, &text));
  ck_assert_str_eq(text, "0 errors, 0 warnings, 0 notes\n");
  efme_string_free(text);
  assert_ok(efme_lint_text(l, 1, &text));
  ck_assert_str_eq(text, "{\"errors\": 0, \"warnings\": 0, \"notes\": 0, \"findings\": []}\n");
  efme_string_free(text);
  efme_lint_release(l);
}
END_TEST

/* One clip for each thing that can be wrong with one. */
START_TEST(each_clip) {
  static const char *const clips[] = {"A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09", "A10", "A11"};
  char folder[64];
  for (size_t i = 0; i < EFME_COUNT(clips); i++) {
    snprintf(folder, sizeof folder, "c2/CASME2-RAW/sub03/%s", clips[i]);
    frames(folder, "img%d.jpg", 1, 12);
  }
  unlink(scratch("c2/CASME2-RAW/sub03/A05/img6.jpg"));
  unlink(scratch("c2/CASME2-RAW/sub03/A06/img11.jpg"));
  frames("c2/CASME2-RAW/sub03/A07", "img%02d.jpg", 5, 5);
  put_text("c2/CASME2-RAW/sub03/A08/img10.jpg", "P5 2 2 255\nabcd");
  put_text("c2/CASME2-RAW/sub03/A09/img12.jpg", "P5 9 9 255\nx");
  put_text("c2/CASME2-RAW/sub03/A11/img2.jpg", "P5 4 1 255\nsame"), put_text("c2/CASME2-RAW/sub03/A10/img2.jpg", "P5 4 1 255\nsame");
  frames("c2/CASME2-RAW/sub04/B01", "img%d.jpg", 1, 11);
  put_text("c2/CASME2-RAW/sub04/B01/img12.jpg", "P5 4 1 255\nsame");
  frames("c2/CASME2-RAW/sub04/B09", "img%d.jpg", 1, 3);
  tree_folder(scratch("c2/CASME2-RAW/sub04/B02"));
  put_text("t.csv",
           CASME2_HEADER "03,A01,,3,11,9,,12,happiness\n03,A02,,3,3,9,,12,happiness\n03,A03,,3,9,9,,12,happiness\n"
                         "03,A04,,3,/,9,,15?,happiness\n03,A05,,3,7,9,,12,happiness\n03,A06,,3,7,9,,12,happiness\n"
                         "03,A07,,3,7,9,,12,happiness\n03,A08,,3,7,9,,12,happiness\n03,A09,,3,7,9,,12,happiness\n"
                         "03,A10,,9,7,3,,12,happiness\n03,A11,,3,7,9,,12,hapiness\n04,B01,,3,7,9,,12,others\n"
                         "04,B02,,3,7,9,,12,others\n04,B03,,3,7,9,,12,others\n04,B01,,4,7,9,,12,others\n04,B04,,x,7,9,,12,others\n");
  efme_release_options o = release("casme2", scratch("c2"), scratch("t.csv"));
  efme_lint *l = linted(&o, NULL);
  ck_assert_int_eq(count_of(l, "apex-outside", NULL), 2); /* A01 and, its interval turned round, A10 */
  expect(l, "apex-is-onset", EFME_SEVERITY_WARNING, "casme2/sub03", "A02", "t.csv: line 3 (row 2), sub03/A02: apex and onset are both 3");
  expect(l, "apex-is-offset", EFME_SEVERITY_NOTE, "casme2/sub03", "A03", "both 9");
  expect(l, "apex-missing", EFME_SEVERITY_WARNING, "casme2/sub03", "A04", "apex \"/\"");
  expect(l, "au-unclear", EFME_SEVERITY_NOTE, "casme2/sub03", "A04", "\"15?\"");
  expect(l, "frames-missing", EFME_SEVERITY_WARNING, "casme2/sub03", "A05", "1 of the frames 3 to 9 are not in");
  ck_assert_int_eq(count_of(l, "frames-gap", NULL), 2); /* A05 and A06 */
  expect(l, "frame-twice", EFME_SEVERITY_WARNING, "casme2/sub03", "A07", "frame 5 is in");
  expect(l, "frame-size", EFME_SEVERITY_WARNING, "casme2/sub03", "A08", "A08: frame 1 is 4 x 1, frame 10 is 2 x 2");
  expect(l, "frame-unreadable", EFME_SEVERITY_ERROR, "casme2/sub03", "A09", "A09/img12.jpg");
  expect(l, "interval", EFME_SEVERITY_WARNING, "casme2/sub03", "A10", "onset 9 stands behind offset 3");
  expect(l, "label-unknown", EFME_SEVERITY_ERROR, "casme2/sub03", "A11", "unknown label \"hapiness\"");
  expect(l, "clip-empty", EFME_SEVERITY_ERROR, "casme2/sub04", "B02", "no numbered image in");
  expect(l, "clip-no-folder", EFME_SEVERITY_ERROR, "casme2/sub04", "B03", "no folder");
  expect(l, "clip-twice", EFME_SEVERITY_ERROR, "casme2/sub04", "B01", "in row 12 too with other values");
  expect(l, "row", EFME_SEVERITY_ERROR, "casme2/sub04", "B04", "onset \"x\"");
  expect(l, "duplicate-image", EFME_SEVERITY_WARNING, "casme2/sub04", "B01", "frame 12 of");
  ck_assert_int_eq(count_of(l, "folder-no-row", NULL), 2); /* A11, whose row is bad, and B09 */
  efme_lint_release(l);
}
END_TEST

START_TEST(known_defects) {
  frames("c2/Cropped/sub04/EP12_01f", "reg_img%d.jpg", 1, 6);
  frames("c2/Cropped/sub05/EP09_05f", "reg_img%d.jpg", 69, 75);
  frames("c2/Cropped/sub05/EP16_04f", "reg_img%d.jpg", 69, 75);
  frames("c2/Cropped/sub16/EP01_08", "reg_img%d.jpg", 80, 96);
  frames("c2/Cropped/sub07/EP06_01", "reg_img%d.jpg", 80, 91);
  frames("c2/Cropped/sub24/EP07_01", "reg_img%d.jpg", 1, 6);
  put_text("t.csv", CASME2_HEADER "4,EP12_01f,,1,/,6,,4,disgust\n5,EP09_05f,,69,69,75,,4,disgust\n5,EP16_04f,,69,75,75,,4,others\n"
                                  "16,EP01_08,,80,90,110,,4,others\n7,EP06_01,,80,85,95,,4,others\n24,EP07_01,,1,3,6,,4,surprise\n");
  efme_release_options o = release("casme2", scratch("c2"), scratch("t.csv"));
  efme_lint *l = linted(&o, NULL);
  expect(l, "casme2-apex-slash", EFME_SEVERITY_NOTE, "casme2/sub04", "EP12_01f", "a known defect");
  expect(l, "casme2-apex-is-onset", EFME_SEVERITY_NOTE, "casme2/sub05", "EP09_05f", "a known defect");
  expect(l, "casme2-apex-is-offset", EFME_SEVERITY_NOTE, "casme2/sub05", "EP16_04f", "a known defect");
  expect(l, "casme2-cropped-short", EFME_SEVERITY_NOTE, "casme2/sub16", "EP01_08", "ends at frame 96");
  expect(l, "casme2-offset", EFME_SEVERITY_NOTE, "casme2/sub07", "EP06_01", "91");
  expect(l, "casme2-relabelled", EFME_SEVERITY_NOTE, "casme2/sub24", "EP07_01", "sadness in the coding of 2014");
  efme_lint_release(l);

  frames("samm/028/028_4_1", "028_%04d.jpg", 9996, 10004);
  frames("samm/032/032_3_1", "032_%04d.jpg", 1, 8);
  frames("samm/032/032_3_2", "032_%04d.jpg", 1, 8);
  frames("samm/013/013_1_9", "013_%04d.jpg", 1, 8);
  put_text("s.csv",
           "Subject,Filename,Onset Frame,Apex Frame,Offset Frame,Action Units,Estimated Emotion\n"
           "028,028_4_1,9996,10003,10001,4,Surprise\n032,032_3_1,1,7,6,4,Anger\n032,032_3_2,1,7,6,4,Anger\n013,013_1_9,1,4,9,4,Anger\n");
  o = release("samm", scratch("samm"), scratch("s.csv"));
  l = linted(&o, NULL);
  ck_assert_int_eq(count_of(l, "samm-apex", NULL), 3);
  expect(l, "samm-offset", EFME_SEVERITY_NOTE, "samm/013", "013_1_9", "5739");
  efme_lint_release(l);

  tree_folder(scratch("smic/HS/s18/micro/surprise/s18_sur_03"));
  frames("smic/HS/s3/micro/negative/s3_ne_16", "image%d.bmp", 10, 12), frames("smic/HS/s3/micro/negative/s3_ne_16", "image%d.bmp", 15, 16);
  frames("smic/HS/s3/micro/negative/s3_ne_17", "image%d.bmp", 10, 12);
  o = release("smic-hs", scratch("smic"), NULL);
  l = linted(&o, NULL);
  expect(l, "clip-empty", EFME_SEVERITY_ERROR, "smic/s18", "s18_sur_03", "no numbered image");
  expect(l, "smic-cropped-empty", EFME_SEVERITY_NOTE, "smic/s18", "s18_sur_03", "a known defect");
  expect(l, "smic-cropped-frames", EFME_SEVERITY_NOTE, "smic/s03", "s03_ne_16", "a known defect");
  expect(l, "frames-gap", EFME_SEVERITY_WARNING, "smic/s03", "s03_ne_16", "2 numbers between 10 and 16");
  efme_lint_release(l);

  frames("e/SMIC-HS-E/s18/s18_sur_03", "image%d.jpg", 1, 9);
  put_text("e.csv", "Subject,Filename,OnsetF,OffsetF,Onset2F,Offset2F,Emotion\n18,s18_sur_03,2,5,,,negative\n");
  o = release("smic-e", scratch("e"), scratch("e.csv"));
  l = linted(&o, NULL);
  expect(l, "smic-e-label", EFME_SEVERITY_NOTE, "smic/s18", "s18_sur_03", "surprise by name");
  ck_assert_int_eq(count_of(l, "smic-e-merged", NULL), 7);
  efme_lint_release(l);
}
END_TEST

/* Rows of a table whose clips do not matter: known by their numbers. */
static int defects_of(const char *name, const char *header, const char *row, int rows, const char *code) {
  FILE *f = fopen(scratch("rows.csv"), "w");
  fputs(header, f);
  for (int k = 1; k <= rows; k++) fprintf(f, row, k);
  fclose(f);
  efme_release_options o = release(name, scratch("tree"), scratch("rows.csv"));
  efme_lint *l = linted(&o, NULL);
  int n = count_of(l, code, NULL);
  efme_lint_release(l);
  return n;
}

START_TEST(known_rows) {
  frames("tree/sub01/1", "img%d.jpg", 1, 3), frames("tree/spNO.1/1/color", "%d.jpg", 1, 3), frames("tree/others/1", "%d.jpg", 1, 3);
  ck_assert_int_eq(defects_of("casme", "Subject,Filename,OnsetF,ApexF1,OffsetF,Emotion\n", "1,%d,1,2,3,disgust\n", 189, "casme-interval"),
                   5);
  ck_assert_int_eq(
      defects_of("casme3", "Subject,Filename,Onset,Apex,Offset,emotion\n", "spNO.1,%d,1,2,3,disgust\n", 860, "casme3-interval"), 6);
  ck_assert_int_eq(defects_of("4dme", "sub_ID,fold_name,Onset,Apex,Offset,Emotion\n", "1,%d,1,2,3,Negative\n", 267, "4dme-swapped"), 2);
  ck_assert_int_eq(defects_of("mmew", "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Estimated Emotion\n", "1,%d,1,2,3,others\n", 300,
                              "mmew-interval"),
                   16);
}
END_TEST

/* Two sets: numbers of subjects in common, and one picture in both. A set that cannot be read is a finding, and the other is linted. */
START_TEST(two_releases) {
  frames("c2/CASME2-RAW/sub11/EP02_01f", "img%d.jpg", 1, 12);
  frames("samm/011/011_1_2", "011_%04d.jpg", 1, 12), frames("samm/012/012_1_2", "012_%04d.jpg", 1, 12);
  put_text("c2/CASME2-RAW/sub11/EP02_01f/img4.jpg", "P5 4 1 255\nsame"), put_text("samm/012/012_1_2/012_0001.jpg", "P5 4 1 255\nsame");
  put_text("c.csv", CASME2_HEADER "11,EP02_01f,,3,7,9,,12,happiness\n");
  put_text("s.csv", "Subject,Filename,Onset Frame,Apex Frame,Offset Frame,Action Units,Estimated Emotion\n"
                    "011,011_1_2,1,3,6,4,Surprise\n012,012_1_2,1,3,6,4,Anger\n");
  efme_release_options a = release("casme2", scratch("c2"), scratch("c.csv")), b = release("samm", scratch("samm"), scratch("s.csv"));
  efme_lint *l = linted(&a, &b);
  expect(l, "subject-collision", EFME_SEVERITY_NOTE, "", "", "1 subjects of casme2 and samm have one number (11)");
  expect(l, "duplicate-image", EFME_SEVERITY_WARNING, "samm/012", "012_1_2", "EP02_01f, another subject's, are one file");
  ck_assert_uint_eq(efme_lint_count(l, EFME_SEVERITY_NOTE), 2);
  ck_assert_uint_eq(efme_lint_count(l, EFME_SEVERITY_WARNING), 1);
  ck_assert_uint_eq(efme_lint_count(l, EFME_SEVERITY_ERROR), 0);
  efme_lint_release(l);
  a.root = "/nowhere";
  l = linted(&a, &b);
  expect(l, "table", EFME_SEVERITY_ERROR, "", "", "/nowhere: no such folder");
  ck_assert_str_eq(finding(l, 0).dataset, "casme2");
  ck_assert_uint_eq(efme_lint_count(l, EFME_SEVERITY_NOTE), 1);
  char *text;
  assert_ok(efme_lint_text(l, 0, &text));
  ck_assert_str_eq(text, "error: table: /nowhere: no such folder\n1 errors, 0 warnings, 0 notes\n");
  efme_string_free(text);
  efme_lint_release(l);
}
END_TEST

START_TEST(json) {
  frames("c2/CASME2-RAW/sub04/EP12_01f", "img%d.jpg", 1, 12);
  put_text("t \"1\".csv", CASME2_HEADER "04,EP12_01f,,3,/,9,,12,disgust\n");
  efme_release_options o = release("casme2", scratch("c2"), scratch("t \"1\".csv"));
  efme_lint *l = linted(&o, NULL), *same = efme_lint_retain(l);
  char *text;
  assert_ok(efme_lint_text(l, 1, &text));
  cJSON *root = cJSON_Parse(text), *list = cJSON_GetObjectItem(root, "findings"), *first = cJSON_GetArrayItem(list, 0);
  ck_assert_msg(root != NULL, "%s", text);
  ck_assert_int_eq(cJSON_GetObjectItem(root, "warnings")->valueint, 1);
  ck_assert_int_eq(cJSON_GetObjectItem(root, "notes")->valueint, 1);
  ck_assert_int_eq(cJSON_GetArraySize(list), 2);
  ck_assert_str_eq(cJSON_GetObjectItem(first, "severity")->valuestring, "warning");
  ck_assert_str_eq(cJSON_GetObjectItem(first, "code")->valuestring, "apex-missing");
  ck_assert_str_eq(cJSON_GetObjectItem(first, "subject")->valuestring, "casme2/sub04");
  ck_assert_str_eq(cJSON_GetObjectItem(first, "clip")->valuestring, "EP12_01f");
  ck_assert_int_eq(cJSON_GetObjectItem(first, "row")->valueint, 1);
  ck_assert_ptr_nonnull(strstr(cJSON_GetObjectItem(first, "message")->valuestring, "t \"1\".csv: line 2 (row 1)"));
  cJSON_Delete(root);
  efme_string_free(text);
  efme_lint_release(l), efme_lint_release(same);
}
END_TEST

static int stop(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)done, (void)total, (void)user;
  return !strcmp(what, "files");
}

START_TEST(refused) {
  efme_release_options o = release("nothing", "/nowhere", NULL);
  const efme_release_options *list[2] = {&o, NULL};
  efme_dataset_options options = EFME_DATASET_OPTIONS_INIT;
  efme_lint *l = (efme_lint *)1;
  assert_fails(efme_lint_run(&l, context, list, 1, NULL), EFME_E_NOT_FOUND, "no release \"nothing\"");
  assert_fails(efme_lint_run(&l, context, list, 2, NULL), EFME_E_ARGUMENT, "releases[1] is NULL");
  o.name = "samm", options.progress = stop;
  assert_fails(efme_lint_run(&l, context, list, 1, &options), EFME_E_CANCELLED, "cancelled after");
  ck_assert_ptr_eq(l, (efme_lint *)1);
}
END_TEST

#ifdef LINT
/* Its exit code tells: nothing, something, could not run. */
static int run(char *out, size_t size, const char *format, ...) {
  char command[2000];
  va_list args;
  va_start(args, format);
  size_t n = (size_t)snprintf(command, sizeof command, LINT " ");
  vsnprintf(command + n, sizeof command - n, format, args);
  va_end(args);
  FILE *f = popen(command, "r");
  ck_assert_ptr_nonnull(f);
  out[fread(out, 1, size - 1, f)] = '\0';
  int status = pclose(f);
  ck_assert(WIFEXITED(status));
  return WEXITSTATUS(status);
}

START_TEST(program) {
  char out[4000];
  frames("c2/CASME2-RAW/sub01/EP02_01f", "img%d.jpg", 1, 12);
  const char *root = scratch("c2"), *good = put_text("t.csv", CASME2_HEADER "01,EP02_01f,,3,7,9,,12,happiness\n");
  const char *bad = put_text("bad.csv", CASME2_HEADER "01,EP02_01f,,3,10,9,,12,happiness\n");
  ck_assert_int_eq(run(out, sizeof out, "casme2:%s,table=%s,layout=raw", root, good), 0);
  ck_assert_str_eq(out, "0 errors, 0 warnings, 0 notes\n");
  ck_assert_int_eq(run(out, sizeof out, "casme2:%s,table=%s", root, bad), 1);
  ck_assert_ptr_nonnull(strstr(out, "warning: apex-outside: "));
  ck_assert_int_eq(run(out, sizeof out, "--json casme2:%s,table=%s", root, bad), 1);
  cJSON *parsed = cJSON_Parse(out);
  ck_assert_msg(parsed != NULL, "%s", out);
  cJSON_Delete(parsed);
  ck_assert_int_eq(run(out, sizeof out, "casme2:/nowhere"), 1);
  ck_assert_ptr_nonnull(strstr(out, "error: table: /nowhere: no such folder"));
  ck_assert_int_eq(run(out, sizeof out, "casme9:/nowhere 2>&1"), 2);
  ck_assert_ptr_nonnull(strstr(out, "no release \"casme9\""));
  ck_assert_int_eq(run(out, sizeof out, "casme2:%s,sheet=3", root), 2);
  ck_assert_int_eq(run(out, sizeof out, "casme2"), 2);
  ck_assert_int_eq(run(out, sizeof out, "--fast"), 2);
  ck_assert_int_eq(run(out, sizeof out, "--help"), 0);
  ck_assert_ptr_nonnull(strstr(out, "Exit codes"));
  ck_assert_int_eq(run(out, sizeof out, "casme2:%s,table=%s >/dev/full", root, good), 2);
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("lint");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_add_test(t, clean);
  tcase_add_test(t, each_clip);
  tcase_add_test(t, known_defects);
  tcase_add_test(t, known_rows);
  tcase_add_test(t, two_releases);
  tcase_add_test(t, json);
  tcase_add_test(t, refused);
#ifdef LINT
  tcase_add_test(t, program);
#endif
  return test_run(suite);
}
