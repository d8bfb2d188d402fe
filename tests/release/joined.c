/* What the library draws as releases, it reads as releases: the composite comes out of a synthetic set as out of a real one, and the linter
 * has nothing against it but what was put in on purpose. */
#include "eval/eval_test.h"

static efme_context *context;
static char *folder;
static char smic[512], casme2[512], samm[512];

static void setup(void) {
  context = test_context(2);
  folder = test_folder();
  snprintf(smic, sizeof smic, "%s/SMIC", folder), snprintf(casme2, sizeof casme2, "%s/CASME2", folder),
      snprintf(samm, sizeof samm, "%s/SAMM", folder);
  OK(efme_synthetic_release_write(context, folder, NULL));
}

static void teardown(void) {
  efme_context_release(context);
  test_remove(folder);
  free(folder);
}

static efme_release_options release(const char *name, const char *root) {
  efme_release_options o = EFME_RELEASE_OPTIONS_INIT;
  o.name = name, o.root = root;
  return o;
}

START_TEST(composite) {
  static const uint64_t wanted[] = {250, 109, 83};
  efme_release_options a = release("smic-hs", smic), b = release("casme2", casme2), c = release("samm", samm);
  efme_dataset *set = NULL;
  OK(efme_dataset_open_megc2019(&set, context, &a, &b, &c, NULL));
  uint64_t counts[3];
  ck_assert_uint_eq(efme_dataset_count(set), 442);
  ck_assert_uint_eq(efme_dataset_subject_count(set), 68);
  ck_assert_uint_eq(efme_dataset_class_count(set), 3);
  OK(efme_dataset_class_counts(set, counts, 3));
  for (uint32_t k = 0; k < 3; k++) {
    static const char *const names[] = {"negative", "positive", "surprise"};
    ck_assert_str_eq(efme_dataset_class_name(set, k), names[k]);
    ck_assert_uint_eq(counts[k], wanted[k]);
  }
  for (uint64_t i = 0; i < 442; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    efme_image *image = NULL;
    const char *warning = NULL;
    OK(efme_dataset_sample(set, i, &s));
    ck_assert(s.onset >= 0 && s.onset <= s.apex && s.apex <= s.offset);
    OK(efme_dataset_field(set, i, "warning", &warning));
    ck_assert_str_eq(warning, "");
    OK(efme_dataset_read(set, i, &image));
    efme_image_release(image);
  }
  efme_dataset_release(set);
}
END_TEST

START_TEST(linter) {
  efme_release_options o[3] = {release("smic-hs", smic), release("casme2", casme2), release("samm", samm)};
  const efme_release_options *list[3] = {&o[0], &o[1], &o[2]};
  efme_lint *lint = NULL;
  OK(efme_lint_run(&lint, context, list, 3, NULL));
  uint32_t missing = 0, equal = 0;
  for (uint64_t i = 0; i < efme_lint_count(lint, EFME_SEVERITY_NOTE); i++) {
    efme_finding f = EFME_FINDING_INIT;
    OK(efme_lint_finding(lint, i, &f));
    if (f.severity == EFME_SEVERITY_NOTE) continue;
    if (!strcmp(f.code, "apex-missing") && !strcmp(f.clip, "EP12_01f")) missing++;
    else if (!strcmp(f.code, "apex-is-onset") && !strcmp(f.clip, "EP09_05f")) equal++;
    else ck_abort_msg("%s %s/%s: %s", f.code, f.subject, f.clip, f.message);
  }
  ck_assert(missing == 1 && equal == 1); /* as in the real table */
  ck_assert_uint_eq(efme_lint_count(lint, EFME_SEVERITY_ERROR), 0);
  efme_lint_release(lint);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("joined");
  TCase *t = tcase_create("all");
  tcase_add_unchecked_fixture(t, setup, teardown);
  tcase_set_timeout(t, 300);
  tcase_add_test(t, composite);
  tcase_add_test(t, linter);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
