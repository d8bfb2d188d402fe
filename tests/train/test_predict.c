/* Predict is evaluate, on the same files, to the bit: whatever size a file has and whatever else lies in its dataset, the trainer (that is
 * how validation and LOSO folds read), a stage that folds share, efme_evaluate and a predictor see the same pixels. */
#include "fixture.h"
#include "train/state.h"
#include "util/util.h"

static efme_context *context;
static char folder[] = "/tmp/efme-predict-XXXXXX";

/* Smaller than the input, larger, one of each, of its size, larger in grey; in one axis or in both. */
#define FORMS 6u
static const struct {
  uint32_t width, height, channels;
} forms[FORMS] = {{20, 27, 1}, {70, 50, 3}, {21, 80, 3}, {SIDE, SIDE, 3}, {90, 33, 1}, {31, 30, 3}};
#define EACH 3u /* files of a form */
#define FILES (FORMS * EACH)

/* File n is of form n % FORMS and of class n / FORMS. */
static const char *path_of(uint32_t n) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%u.pnm", folder, n);
  return path;
}

static void setup(void) {
  context = fx_context(2);
  static uint8_t file[90 * 90 * 3 + 32];
  for (uint32_t n = 0; n < FILES; n++) {
    uint32_t w = forms[n % FORMS].width, h = forms[n % FORMS].height, channels = forms[n % FORMS].channels;
    int head = snprintf((char *)file, 32, "P%c %u %u 255\n", channels == 1 ? '5' : '6', w, h);
    for (uint32_t i = 0; i < w * h * channels; i++) file[(uint32_t)head + i] = (uint8_t)(efme_hash64(&i, sizeof i, n) >> 24);
    ck_ok(efme_file_write(&efme_allocator_libc, path_of(n), file, (size_t)head + (size_t)w * h * channels));
  }
}

static void teardown(void) { efme_context_release(context); }

/* The files of one form, or all of them. */
static efme_dataset *open_files(uint32_t form) {
  struct efme_text t;
  char path[160];
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "path,label,subject,dataset\n");
  for (uint32_t n = 0; n < FILES; n++)
    if (form == FORMS || n % FORMS == form) efme_text_printf(&t, "%u.pnm,%s,p%u,files\n", n, efme_classes_meg3()[n / FORMS], n % 4);
  snprintf(path, sizeof path, "%s/%u.csv", folder, form);
  ck_ok(efme_file_write(&efme_allocator_libc, path, t.data, t.size));
  efme_text_free(&t);
  efme_dataset *d = NULL;
  ck_ok(efme_dataset_open_manifest(&d, context, path, NULL));
  return d;
}

static uint32_t number_of(const char *key) { return (uint32_t)atoi(strrchr(key, '/') + 1); }

/* Each file on its own through a predictor. */
static void predict_files(efme_model *model, float out[FILES][3]) {
  efme_predictor *p = NULL;
  ck_ok(efme_predictor_create(&p, model, NULL));
  for (uint32_t n = 0; n < FILES; n++) {
    efme_image *image = NULL;
    efme_prediction r;
    ck_ok(efme_image_load(&image, context, path_of(n), NULL));
    ck_ok(efme_predictor_run_images(p, &image, 1, &r, out[n]));
    ck_ok(r.status);
    efme_image_release(image);
  }
  efme_predictor_release(p);
}

static void same(const float *got, const float expected[3], const char *who, uint32_t set, const char *key) {
  ck_assert_msg(!memcmp(got, expected, 3 * sizeof *got), "%s, set %u, %s: %.9g, the predictor says %.9g", who, set, key, (double)got[0],
                (double)expected[0]);
}

static void check_trainer(efme_trainer *trainer, const efme_dataset *d, uint32_t set, float expected[FILES][3]) {
  float got[FILES][3];
  ck_ok(efme_trainer_predict(trainer, d, got[0]));
  for (uint64_t i = 0; i < efme_dataset_count(d); i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    ck_ok(efme_dataset_sample(d, i, &s));
    same(got[i], expected[number_of(s.key)], "the trainer", set, s.key);
  }
}

static void check_evaluate(efme_model *model, const efme_dataset *d, uint32_t set, float expected[FILES][3]) {
  efme_result *r = NULL;
  ck_ok(efme_evaluate(&r, model, d, NULL));
  ck_assert_uint_eq(efme_result_count(r), efme_dataset_count(d));
  for (uint64_t i = 0; i < efme_result_count(r); i++) {
    efme_tested t = EFME_TESTED_INIT;
    ck_ok(efme_result_tested(r, i, &t));
    same(t.probabilities, expected[number_of(t.key)], "efme_evaluate", set, t.key);
  }
  efme_result_release(r);
}

START_TEST(trainer_evaluate_predictor) {
  efme_dataset *train = fx_dataset(context, 0, 20, 3, 1);
  efme_model *model = fx_model(context, 2, 5), *trained = NULL;
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_ADAM, 1e-3);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  ck_ok(efme_trainer_model(&trained, trainer));
  float expected[FILES][3];
  predict_files(trained, expected);
  for (uint32_t set = 0; set <= FORMS; set++) { /* of one size each, then all together */
    efme_dataset *d = open_files(set);
    check_trainer(trainer, d, set, expected);
    check_evaluate(trained, d, set, expected);
    efme_dataset_release(d);
  }
  efme_trainer_release(trainer), efme_recipe_release(recipe);
  efme_model_release(trained), efme_model_release(model);
  efme_dataset_release(train);
}
END_TEST

/* As folds read: pixels, or features, that were staged once for all of them. */
START_TEST(shared_by_folds) {
  efme_dataset *all = open_files(FORMS);
  efme_model *model = fx_model(context, 2, 5);
  float expected[FILES][3];
  predict_files(model, expected);
  for (int features = 0; features < 2; features++) {
    efme_recipe *recipe = fx_fixed(context);
    fx_phase(context, recipe, features ? EFME_SCOPE_HEAD : EFME_SCOPE_ALL, 1, 0, 0, EFME_ADAM, 1e-3);
    struct efme_trainer_extra extra = {.max_threads = 1};
    efme_trainer *trainer = NULL;
    ck_ok(efme_train_shared_create(&extra.shared, model, recipe, all, NULL, NULL));
    ck_ok(efme_trainer_create_internal(&trainer, model, recipe, all, NULL, &extra)); /* not trained: its weights are the model's */
    check_trainer(trainer, all, FORMS, expected);
    efme_trainer_release(trainer), efme_train_shared_release(extra.shared), efme_recipe_release(recipe);
  }
  efme_model_release(model), efme_dataset_release(all);
}
END_TEST

int main(void) {
  if (!mkdtemp(folder)) return perror(folder), EXIT_FAILURE;
  Suite *suite = suite_create("predict");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_unchecked_fixture(tc, setup, teardown);
  tcase_add_test(tc, trainer_evaluate_predictor);
  tcase_add_test(tc, shared_by_folds);
  suite_add_tcase(suite, tc);
  int result = test_run(suite);
  char command[64];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(command);
  return result;
}
