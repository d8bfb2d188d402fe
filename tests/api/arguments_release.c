/* api_arguments: releases of datasets, the composite and the linter. */
#include "api/arguments.h"

#define TABLE "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Estimated Emotion\n01,EP02_01f,1,2,3,happiness\n"

static efme_release_options release(const char *name, const char *root, const char *table) {
  efme_release_options o = EFME_RELEASE_OPTIONS_INIT;
  o.name = name, o.root = root, o.table = table;
  return o;
}

START_TEST(releases_opened) {
  char root[160], table[160];
  efme_dataset_options wrong = EFME_DATASET_OPTIONS_INIT, stop = EFME_DATASET_OPTIONS_INIT;
  efme_dataset *made = NULL;
  wrong.lenient = 2, stop.progress = stop_reading;
  for (int n = 1; n <= 3; n++) {
    char name[64];
    snprintf(name, sizeof name, "release/CASME2-RAW/sub01/EP02_01f/img%d.jpg", n);
    put(name, "P5 1 1 255\nx");
  }
  snprintf(root, sizeof root, "%s", in_folder("release"));
  snprintf(table, sizeof table, "%s", put("release/coding.csv", TABLE));
  ALLOWED(count, efme_release_count, efme_release_count() == 9);
  ALLOWED(name, efme_release_name, efme_release_name(9) == NULL);
  efme_release_options good = release("casme2", root, table), bad = release("casme2", root, table);
  const efme_release_options smic = release("smic-hs", root, NULL), samm = release("samm", root, table);
  WITHOUT(out, efme_dataset_open_release, NULL, context, &good, NULL);
  WITHOUT(context, efme_dataset_open_release, &out.data, NULL, &good, NULL);
  WITHOUT(release, efme_dataset_open_release, &out.data, context, NULL, NULL);
  ALLOWED(options, efme_dataset_open_release, efme_dataset_open_release(&made, context, &good, NULL) == EFME_OK);
  efme_dataset_release(made);
  REFUSED(ARGUMENT, "lenient", efme_dataset_open_release, &out.data, context, &good, &wrong);
  REFUSED(CANCELLED, "", efme_dataset_open_release, &out.data, context, &good, &stop);
  bad.name = "casme4";
  REFUSED(NOT_FOUND, "casme4", efme_dataset_open_release, &out.data, context, &bad, NULL);
  bad = good, bad.layout = "colour";
  REFUSED(NOT_FOUND, "colour", efme_dataset_open_release, &out.data, context, &bad, NULL);
  bad = good, bad.root = in_folder("absent");
  REFUSED(IO, "absent", efme_dataset_open_release, &out.data, context, &bad, NULL);
  bad = good, bad.outside_middle = 2;
  REFUSED(ARGUMENT, "outside_middle", efme_dataset_open_release, &out.data, context, &bad, NULL);
  bad = good, bad.apex = 5;
  REFUSED(ARGUMENT, "apex is 5", efme_dataset_open_release, &out.data, context, &bad, NULL);
  bad = good, bad.apex_column = "x";
  REFUSED(ARGUMENT, "apex_column", efme_dataset_open_release, &out.data, context, &bad, NULL);

  WITHOUT(out, efme_dataset_open_megc2019, NULL, context, &smic, &good, &samm, NULL);
  WITHOUT(context, efme_dataset_open_megc2019, &out.data, NULL, &smic, &good, &samm, NULL);
  WITHOUT(smic, efme_dataset_open_megc2019, &out.data, context, NULL, &good, &samm, NULL);
  WITHOUT(casme2, efme_dataset_open_megc2019, &out.data, context, &smic, NULL, &samm, NULL);
  WITHOUT(samm, efme_dataset_open_megc2019, &out.data, context, &smic, &good, NULL, NULL);
  note("efme_dataset_open_megc2019", "options"); /* as here */
  REFUSED(FORMAT, "no clip of smic-hs", efme_dataset_open_megc2019, &out.data, context, &smic, &good, &samm, NULL);
  REFUSED(ARGUMENT, "needs \"smic-hs\"", efme_dataset_open_megc2019, &out.data, context, &samm, &good, &smic, NULL);
  efme_megc2019_options o = EFME_MEGC2019_OPTIONS_INIT;
  o.partial = 2;
  REFUSED(ARGUMENT, "partial", efme_dataset_open_megc2019, &out.data, context, &smic, &good, &samm, &o);
  o.partial = 0, o.truth = in_folder("absent.csv");
  REFUSED(IO, "absent.csv", efme_dataset_open_megc2019, &out.data, context, &smic, &good, &samm, &o);
}
END_TEST

START_TEST(truths_compared) {
  efme_dataset_options wrong = EFME_DATASET_OPTIONS_INIT, stop = EFME_DATASET_OPTIONS_INIT;
  efme_dataset *truth = NULL;
  wrong.lenient = 2, stop.progress = stop_reading;
  const char *path = put("truth.csv", "smic,s01,s01_ne_01,0\n");
  WITHOUT(out, efme_dataset_open_megc2019_truth, NULL, context, path, NULL);
  WITHOUT(context, efme_dataset_open_megc2019_truth, &out.data, NULL, path, NULL);
  WITHOUT(path, efme_dataset_open_megc2019_truth, &out.data, context, NULL, NULL);
  ALLOWED(options, efme_dataset_open_megc2019_truth, efme_dataset_open_megc2019_truth(&truth, context, path, NULL) == EFME_OK);
  REFUSED(ARGUMENT, "lenient", efme_dataset_open_megc2019_truth, &out.data, context, path, &wrong);
  REFUSED(CANCELLED, "", efme_dataset_open_megc2019_truth, &out.data, context, path, &stop);
  REFUSED(IO, "absent.csv", efme_dataset_open_megc2019_truth, &out.data, context, in_folder("absent.csv"), NULL);
  REFUSED(UNSUPPORTED, "no image", efme_dataset_read, truth, 0, &out.image);
  WITHOUT(dataset, efme_dataset_compare, NULL, truth, 0, &out.count, &out.text);
  WITHOUT(other, efme_dataset_compare, truth, NULL, 0, &out.count, &out.text);
  WITHOUT(differences, efme_dataset_compare, truth, truth, 0, NULL, &out.text);
  uint64_t n = 9;
  ALLOWED(text, efme_dataset_compare, efme_dataset_compare(truth, truth, 0, &n, NULL) == EFME_OK && n == 0);
  efme_dataset_release(truth);
}
END_TEST

START_TEST(releases_linted) {
  efme_dataset_options wrong = EFME_DATASET_OPTIONS_INIT, stop = EFME_DATASET_OPTIONS_INIT;
  wrong.lenient = 2, stop.progress = stop_reading;
  efme_release_options absent = release("samm", "/nowhere", NULL), unknown = release("sam", "/nowhere", NULL);
  const efme_release_options *const one[] = {&absent}, *const hole[] = {&absent, NULL}, *const other[] = {&unknown};
  efme_lint *lint = NULL;
  WITHOUT(out, efme_lint_run, NULL, context, one, 1, NULL);
  WITHOUT(context, efme_lint_run, &out.lint, NULL, one, 1, NULL);
  WITHOUT(releases, efme_lint_run, &out.lint, context, NULL, 1, NULL);
  REFUSED(ARGUMENT, "count is 0", efme_lint_run, &out.lint, context, one, 0, NULL);
  REFUSED(ARGUMENT, "releases[1] is NULL", efme_lint_run, &out.lint, context, hole, 2, NULL);
  REFUSED(NOT_FOUND, "\"sam\"", efme_lint_run, &out.lint, context, other, 1, NULL);
  REFUSED(ARGUMENT, "lenient", efme_lint_run, &out.lint, context, one, 1, &wrong);
  REFUSED(CANCELLED, "", efme_lint_run, &out.lint, context, one, 1, &stop);
  ALLOWED(options, efme_lint_run, efme_lint_run(&lint, context, one, 1, NULL) == EFME_OK);
  ALLOWED(lint, efme_lint_count, efme_lint_count(NULL, EFME_SEVERITY_NOTE) == 0 && efme_lint_count(lint, EFME_SEVERITY_ERROR) == 1);
  WITHOUT(lint, efme_lint_finding, NULL, 0, &out.finding);
  WITHOUT(out, efme_lint_finding, lint, 0, NULL);
  REFUSED(ARGUMENT, "index is 1", efme_lint_finding, lint, 1, &out.finding);
  WITHOUT(lint, efme_lint_text, NULL, 0, &out.text);
  WITHOUT(out, efme_lint_text, lint, 0, NULL);
  ALLOWED(lint, efme_lint_retain, efme_lint_retain(NULL) == NULL);
  ALLOWED(lint, efme_lint_release, (efme_lint_release(NULL), 1));
  efme_lint_release(lint);
}
END_TEST

void add_release_tests(TCase *t) {
  tcase_add_test(t, releases_opened);
  tcase_add_test(t, truths_compared);
  tcase_add_test(t, releases_linted);
}
