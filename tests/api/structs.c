/* Every public struct that begins with struct_size, as a caller of an older, this, and a newer version of the library has it.
 *
 * Options: an older caller's end where a field begins, and no byte behind that is read (the block ends there, for the address
 * sanitizer); the rest are defaults. A newer caller's unknown bytes must be zero. `reserved` must be zero. Filled structs: no more
 * is written than the caller knows, and what is written is the same. The last test reads the headers: no struct is left out. */
#include <efme/efme.h>

#include "api/headers.h"
#include "face/weights.h"
#include "test.h"

#define OK(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())

static efme_context *context;
static efme_dataset *data;
static efme_model *model;
static efme_recipe *recipe;
static efme_optimizer *optimizer;
static efme_fold_plan *plan;
static efme_trainer *trainer;
static efme_result *result;
static efme_image *image;
static efme_face_detector *detector;
static char folder[64];
static efme_release_options good_release = EFME_RELEASE_OPTIONS_INIT;
static const efme_megc2019_options good_megc2019 = EFME_MEGC2019_OPTIONS_INIT;
static const char release_rows[] = "Subject,Filename,Onset,Apex,Offset,Emotion\n1,EP1,1,2,3,happiness\n";
static efme_lint *lint;
static const char pgm[] = "P5 1 1 255\nx";
static size_t sample_size, progress_size; /* as callbacks get them */

static const char *put(const char *name, const char *text) {
  static char path[2][160];
  static int turn;
  char *p = path[turn ^= 1];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  FILE *f = fopen(p, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
  return p;
}

static efme_status describe(efme_sample *s, uint64_t index, void *user) {
  (void)user;
  sample_size = s->struct_size;
  s->native_label = index % 2 ? "a" : "b";
  return EFME_OK;
}

static efme_status read_pixels(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)index, (void)user;
  return efme_image_decode(out, c, pgm, sizeof pgm - 1, NULL, NULL);
}

static int note_progress(const efme_train_progress *p, void *user) {
  (void)user;
  progress_size = p->struct_size;
  return 0;
}

/* ---- options: each with good values, and a call that takes them ---- */

static efme_status use_context(const void *o) {
  efme_context *made = NULL;
  efme_status status = efme_context_create(&made, o);
  efme_context_release(made);
  return status;
}

static efme_status use_image(const void *o) {
  efme_image *made = NULL;
  efme_status status = efme_image_decode(&made, context, pgm, sizeof pgm - 1, NULL, o);
  efme_image_release(made);
  return status;
}

static const float face_box[4] = {4, 4, 20, 20};

static efme_status use_align(const void *o) {
  efme_image *made = NULL;
  efme_status status = efme_face_align(&made, image, face_box, NULL, 0, o, NULL);
  efme_image_release(made);
  return status;
}

static efme_status use_save(const void *o) {
  char path[160];
  snprintf(path, sizeof path, "%s/saved.png", folder);
  return efme_image_save(image, path, o);
}

static efme_status prepare_whole(const efme_prepare_options *o, efme_prepared *what) {
  char path[160];
  snprintf(path, sizeof path, "%s/prepared", folder);
  return efme_prepare(data, path, o, what);
}
static efme_status use_prepare(const void *o) { return prepare_whole(o, NULL); }

static efme_status open_data(const efme_dataset_options *o) {
  char path[160];
  efme_dataset *made = NULL;
  snprintf(path, sizeof path, "%s/manifest.csv", folder);
  efme_status status = efme_dataset_open_manifest(&made, context, path, o);
  efme_dataset_release(made);
  return status;
}
static efme_status use_dataset(const void *o) { return open_data(o); }

static efme_status use_image_of_dataset(const void *o) {
  efme_dataset_options outer = EFME_DATASET_OPTIONS_INIT;
  outer.image = o;
  return open_data(&outer);
}

static efme_status use_synthetic(const void *o) {
  efme_dataset *made = NULL;
  efme_status status = efme_dataset_open_synthetic(&made, context, o);
  efme_dataset_release(made);
  return status;
}

static efme_status use_release(const void *o) {
  efme_dataset *made = NULL;
  efme_status status = efme_dataset_open_release(&made, context, o, NULL);
  efme_dataset_release(made);
  return status;
}

/* Whole is no composite of one clip each: that its counts are told is how far it came. */
static efme_status use_megc2019(const void *o) {
  efme_release_options r[3] = {good_release, good_release, good_release};
  efme_dataset *made = NULL;
  r[0].name = "smic-hs", r[0].table = NULL, r[2].name = "samm", r[2].table = put("samm.csv", release_rows);
  efme_status status = efme_dataset_open_megc2019(&made, context, &r[0], &r[1], &r[2], o);
  efme_dataset_release(made);
  return status == EFME_E_MISMATCH ? EFME_OK : status;
}

/* A file stands where the folder should be, and options are looked at first: good ones meet it. */
static efme_status use_synthetic_release(const void *o) {
  char path[160];
  snprintf(path, sizeof path, "%s/one.pgm", folder);
  efme_status status = efme_synthetic_release_write(context, path, o);
  return status == EFME_E_IO ? EFME_OK : status;
}

static efme_status use_callbacks(const void *o) {
  efme_dataset *made = NULL;
  efme_status status = efme_dataset_create(&made, context, o);
  efme_dataset_release(made);
  return status;
}

static efme_status use_label_map(const void *o) {
  efme_dataset *made = NULL;
  efme_status status = efme_dataset_map_labels(&made, data, o);
  efme_dataset_release(made);
  return status;
}

static efme_status use_folds(const void *o) {
  efme_fold_plan *made = NULL;
  efme_status status = efme_fold_plan_loso(&made, data, o);
  efme_fold_plan_release(made);
  return status;
}

static efme_status use_evaluator(const void *o) {
  efme_evaluator *made = NULL;
  efme_status status = efme_evaluator_create(&made, model, data, plan, recipe, o);
  efme_evaluator_release(made);
  return status;
}

static efme_status use_evaluate(const void *o) {
  efme_result *made = NULL;
  efme_status status = efme_evaluate(&made, model, data, o);
  efme_result_release(made);
  return status;
}

static efme_status use_row(const void *o) {
  char *text = NULL;
  uint32_t findings;
  efme_status status = efme_check_printed_row(&text, &findings, o);
  efme_string_free(text);
  return status;
}

static efme_status use_model(const void *o) {
  efme_model *made = NULL;
  efme_status status = efme_model_create(&made, context, o);
  efme_model_release(made);
  return status;
}

static efme_status use_load(const void *o) {
  efme_model *made = NULL;
  efme_status status = efme_model_clone(&made, model, o);
  efme_model_release(made);
  return status;
}

static efme_status use_optimizer(const void *o) {
  efme_optimizer *made = NULL;
  efme_status status = efme_optimizer_create(&made, context, o);
  efme_optimizer_release(made);
  return status;
}

static efme_status use_predictor(const void *o) {
  efme_predictor *made = NULL;
  efme_status status = efme_predictor_create(&made, model, o);
  efme_predictor_release(made);
  return status;
}

static efme_status use_face(const void *o) {
  efme_face_detector *made = NULL;
  size_t size;
  const void *weights = face_weights(0, NULL, &size);
  efme_status status = efme_face_detector_create_memory(&made, context, weights, size, o);
  efme_face_detector_release(made);
  return status;
}

static efme_status use_train(const void *o) {
  efme_recipe *made = NULL;
  OK(efme_recipe_create(&made, context, "head"));
  efme_status status = efme_recipe_set_options(made, o);
  efme_recipe_release(made);
  return status;
}

static efme_status use_collectives(const void *o) {
  efme_train_options outer = EFME_TRAIN_OPTIONS_INIT;
  outer.collectives = o;
  return use_train(&outer);
}

static efme_status use_phase(const void *o) {
  efme_recipe *made = NULL;
  OK(efme_recipe_create(&made, context, "head"));
  efme_status status = efme_recipe_add_phase(made, o);
  efme_recipe_release(made);
  return status;
}

static const char *const classes[] = {"negative", "positive", "surprise"};
static const efme_label_rule rules[] = {{"*", "negative"}};
static const efme_context_options good_context = EFME_CONTEXT_OPTIONS_INIT;
static const efme_image_options good_image = EFME_IMAGE_OPTIONS_INIT;
static const efme_align_options good_align = EFME_ALIGN_OPTIONS_INIT;
static efme_prepare_options good_prepare = EFME_PREPARE_OPTIONS_INIT;
static const efme_image_save_options good_save = EFME_IMAGE_SAVE_OPTIONS_INIT;
static const efme_dataset_options good_dataset = EFME_DATASET_OPTIONS_INIT;
static const efme_synthetic_options good_synthetic = EFME_SYNTHETIC_OPTIONS_INIT;
static const efme_synthetic_release_options good_synthetic_release = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
static const efme_dataset_callbacks good_callbacks = {sizeof good_callbacks, 4, describe, read_pixels, NULL, NULL, NULL, 0, 0};
static const efme_label_map good_map = {sizeof good_map, classes, 3, 1, rules};
static const efme_fold_options good_folds = EFME_FOLD_OPTIONS_INIT;
static const efme_evaluator_options good_evaluator = EFME_EVALUATOR_OPTIONS_INIT;
static const efme_evaluate_options good_evaluate = EFME_EVALUATE_OPTIONS_INIT;
static const efme_printed_row good_row = EFME_PRINTED_ROW_INIT;
static efme_model_options good_model = EFME_MODEL_OPTIONS_INIT;
static const efme_load_options good_load = EFME_LOAD_OPTIONS_INIT;
static const efme_optimizer_options good_optimizer = EFME_OPTIMIZER_OPTIONS_INIT;
static const efme_predictor_options good_predictor = EFME_PREDICTOR_OPTIONS_INIT;
static const efme_face_options good_face = EFME_FACE_OPTIONS_INIT;
static const efme_train_options good_train = EFME_TRAIN_OPTIONS_INIT;
static const efme_collectives good_collectives = {sizeof good_collectives, 0, 1, NULL, NULL, NULL, NULL};
static efme_phase good_phase = EFME_PHASE_INIT;

static const struct options_case {
  const char *name;
  size_t size;
  const void *good;
  efme_status (*use)(const void *);
  const char *needs; /* last field that has no default */
} options_cases[] = {
#define CASE(type, good, use, needs)                                                                                                       \
  { #type, sizeof(type), &good, use, needs }
    CASE(efme_context_options, good_context, use_context, NULL),
    CASE(efme_image_options, good_image, use_image, NULL),
    CASE(efme_image_options, good_image, use_image_of_dataset, NULL),
    CASE(efme_align_options, good_align, use_align, NULL),
    CASE(efme_prepare_options, good_prepare, use_prepare, "whole"),
    CASE(efme_image_save_options, good_save, use_save, NULL),
    CASE(efme_dataset_options, good_dataset, use_dataset, NULL),
    CASE(efme_synthetic_options, good_synthetic, use_synthetic, NULL),
    CASE(efme_release_options, good_release, use_release, "root"),
    CASE(efme_megc2019_options, good_megc2019, use_megc2019, NULL),
    CASE(efme_synthetic_release_options, good_synthetic_release, use_synthetic_release, NULL),
    CASE(efme_dataset_callbacks, good_callbacks, use_callbacks, "read"),
    CASE(efme_label_map, good_map, use_label_map, "rules"),
    CASE(efme_fold_options, good_folds, use_folds, NULL),
    CASE(efme_evaluator_options, good_evaluator, use_evaluator, NULL),
    CASE(efme_evaluate_options, good_evaluate, use_evaluate, NULL),
    CASE(efme_printed_row, good_row, use_row, NULL),
    CASE(efme_model_options, good_model, use_model, "class_count"),
    CASE(efme_load_options, good_load, use_load, NULL),
    CASE(efme_optimizer_options, good_optimizer, use_optimizer, NULL),
    CASE(efme_predictor_options, good_predictor, use_predictor, NULL),
    CASE(efme_face_options, good_face, use_face, NULL),
    CASE(efme_train_options, good_train, use_train, NULL),
    CASE(efme_collectives, good_collectives, use_collectives, "ranks"),
    CASE(efme_phase, good_phase, use_phase, "optimizer"),
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- filled structs ---- */

static efme_status fill_device(void *out) { return efme_device_get(out, 0); }
static efme_status fill_image(void *out) { return efme_image_get_info(image, out); }
static efme_status fill_prepared(void *what) { return prepare_whole(&good_prepare, what); }
static efme_status fill_alignment(void *what) {
  efme_image *made = NULL;
  efme_status status = efme_face_align(&made, image, face_box, NULL, 0, NULL, what);
  efme_image_release(made);
  return status;
}
static efme_status fill_sample(void *out) { return efme_dataset_sample(data, 5, out); }
static efme_status fill_finding(void *out) { return efme_lint_finding(lint, 0, out); }
static efme_status fill_model(void *out) { return efme_model_get_info(model, out); }
static efme_status fill_layer(void *out) { return efme_model_layer(model, 2, out); }
static efme_status fill_optimizer(void *out) { return efme_optimizer_get_options(optimizer, out); }
static efme_status fill_train(void *out) { return efme_recipe_get_options(recipe, out); }
static efme_status fill_phase(void *out) { return efme_recipe_get_phase(recipe, 0, out); }
static efme_status fill_epoch(void *out) { return efme_trainer_epoch(trainer, 0, out); }
static efme_status fill_scores(void *out) { return efme_result_scores(result, NULL, out); }
static efme_status fill_class(void *out) { return efme_result_class_scores(result, NULL, 1, out); }
static efme_status fill_tested(void *out) { return efme_result_tested(result, 1, out); }
static efme_status fill_face(void *out) { return efme_face_detector_face(detector, 0, out); }
static efme_status fill_score(void *out) {
  static const int32_t truth[] = {0, 1, 1}, predicted[] = {0, 1, 0};
  return efme_score(out, truth, predicted, 3, 2);
}

static const struct filled_case {
  const char *name;
  size_t size;
  efme_status (*fill)(void *);
} filled_cases[] = {
    {"efme_device_info", sizeof(efme_device_info), fill_device},
    {"efme_image_info", sizeof(efme_image_info), fill_image},
    {"efme_alignment", sizeof(efme_alignment), fill_alignment},
    {"efme_prepared", sizeof(efme_prepared), fill_prepared},
    {"efme_face", sizeof(efme_face), fill_face},
    {"efme_sample", sizeof(efme_sample), fill_sample},
    {"efme_finding", sizeof(efme_finding), fill_finding},
    {"efme_model_info", sizeof(efme_model_info), fill_model},
    {"efme_layer_info", sizeof(efme_layer_info), fill_layer},
    {"efme_optimizer_options", sizeof(efme_optimizer_options), fill_optimizer},
    {"efme_train_options", sizeof(efme_train_options), fill_train},
    {"efme_phase", sizeof(efme_phase), fill_phase},
    {"efme_epoch", sizeof(efme_epoch), fill_epoch},
    {"efme_scores", sizeof(efme_scores), fill_scores},
    {"efme_scores", sizeof(efme_scores), fill_score},
    {"efme_class_scores", sizeof(efme_class_scores), fill_class},
    {"efme_tested", sizeof(efme_tested), fill_tested},
};

static struct declared_struct declared[64];
static size_t declared_count;

static const struct declared_struct *find(const char *name) {
  for (size_t i = 0; i < declared_count; i++)
    if (!strcmp(declared[i].name, name)) return &declared[i];
  ck_abort_msg("no header has %s", name);
  return NULL;
}

/* One clip of CASME II and a table that is found by its name; one of SMIC and of SAMM. */
static void put_release(void) {
  static const char *const folders[] = {"r/CASME2-RAW/sub01/EP1", "r/HS/s1/negative/s1_ne_01", "r/SAMM/001/EP1"};
  static char root[100];
  char command[200];
  for (size_t i = 0; i < COUNT(folders); i++) {
    snprintf(command, sizeof command, "mkdir -p %s/%s", folder, folders[i]);
    ck_assert_int_eq(system(command), 0);
    for (int n = 1; n <= 3; n++) {
      char name[64];
      snprintf(name, sizeof name, "%s/%d.pgm", folders[i], n);
      put(name, pgm);
    }
  }
  put("r/CASME2-coding-20140508.csv", release_rows);
  snprintf(root, sizeof root, "%s/r", folder);
  good_release.name = "casme2", good_release.root = root;
}

static void setup(void) {
  strcpy(folder, "/tmp/efme-api-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  put("one.pgm", pgm);
  put("manifest.csv", "path,label,subject,dataset\none.pgm,happy,s,d\n");
  declared_count = declared_structs(declared, COUNT(declared));
  put_release();
  efme_context_options co = EFME_CONTEXT_OPTIONS_INIT;
  co.backend = "cpu", co.threads = 1;
  OK(efme_context_create(&context, &co));
  efme_synthetic_options so = EFME_SYNTHETIC_OPTIONS_INIT;
  so.subjects = 4, so.samples_per_subject = 6, so.size = 32;
  OK(efme_dataset_open_synthetic(&data, context, &so));
  OK(efme_dataset_read(data, 0, &image));
  efme_release_options absent = {sizeof absent, "samm", "/nowhere", NULL, NULL, NULL, 0, 0};
  const efme_release_options *const linted = &absent;
  OK(efme_lint_run(&lint, context, &linted, 1, NULL));
  size_t size;
  uint32_t faces;
  const void *weights = face_weights(1, NULL, &size);
  efme_face_options fo = EFME_FACE_OPTIONS_INIT;
  fo.min_face_size = 20;
  OK(efme_face_detector_create_memory(&detector, context, weights, size, &fo));
  OK(efme_face_detector_run(detector, image, &faces));
  good_prepare.whole = 1;
  good_model.cut = 1, good_model.height = good_model.width = 32, good_model.class_names = classes, good_model.class_count = 3;
  OK(efme_model_create(&model, context, &good_model));
  OK(efme_optimizer_create(&optimizer, context, NULL));
  good_phase.optimizer = optimizer;
  OK(efme_recipe_create(&recipe, context, "fine-tune"));
  OK(efme_fold_plan_loso(&plan, data, NULL));
  OK(efme_trainer_create(&trainer, model, recipe, data, NULL));
  OK(efme_trainer_run(trainer, note_progress, NULL));
  OK(efme_result_from_csv(&result, context, put("t.csv", "dataset,subject,clip,truth,predicted\nd,d/s,c,0,0\nd,d/t,e,1,2\n"), classes, 3,
                          NULL));
}

static void teardown(void) {
  efme_result_release(result), efme_trainer_release(trainer), efme_fold_plan_release(plan), efme_recipe_release(recipe);
  efme_optimizer_release(optimizer), efme_model_release(model), efme_image_release(image), efme_dataset_release(data);
  efme_lint_release(lint), efme_face_detector_release(detector), efme_context_release(context);
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

/* ---- tests ---- */

static void set_size(void *block, size_t size) { memcpy(block, &size, sizeof size); }

static void expect_argument(efme_status status, const char *name, const char *word) {
  ck_assert_msg(status == EFME_E_ARGUMENT, "%s: %s", name, efme_status_name(status));
  ck_assert_msg(strstr(efme_last_error(), name) && strstr(efme_last_error(), word), "%s: %s", name, efme_last_error());
}

START_TEST(options_of_a_newer_caller) {
  const struct options_case *c = &options_cases[_i];
  enum { MORE = 24 };
  unsigned char *block = calloc(1, c->size + MORE);
  memcpy(block, c->good, c->size);
  set_size(block, c->size + MORE);
  ck_assert_msg(c->use(block) == EFME_OK, "%s with zeros behind it: %s", c->name, efme_last_error());
  for (size_t i = c->size; i < c->size + MORE; i++) {
    block[i] = 0x80;
    expect_argument(c->use(block), c->name, "this version knows");
    block[i] = 0;
  }
  static const size_t wrong[] = {0, 1, 7, 65537, SIZE_MAX};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    set_size(block, wrong[i]);
    expect_argument(c->use(block), c->name, "struct_size");
  }
  free(block);
}
END_TEST

START_TEST(options_of_an_older_caller) {
  const struct options_case *c = &options_cases[_i];
  const struct declared_struct *d = find(c->name);
  ck_assert_uint_eq(declared_offset(c->name, NULL), c->size);
  int needed = c->needs ? 1 : 0;
  for (int k = 1; k <= d->field_count; k++) {
    size_t size = k < d->field_count ? declared_offset(c->name, d->fields[k]) : c->size;
    unsigned char *block = malloc(size);
    memcpy(block, c->good, size);
    set_size(block, size);
    if (needed && !strcmp(d->fields[k - 1], c->needs)) needed = 0;
    efme_status status = c->use(block);
    if (needed)
      ck_assert_msg(status == EFME_E_ARGUMENT || status == EFME_E_MISMATCH, "%s up to %s: %s", c->name, d->fields[k - 1],
                    efme_status_name(status));
    else ck_assert_msg(status == EFME_OK, "%s up to %s: %s", c->name, d->fields[k - 1], efme_last_error());
    free(block);
  }
  ck_assert_int_eq(needed, 0);
}
END_TEST

START_TEST(reserved_is_zero) {
  const struct options_case *c = &options_cases[_i];
  const struct declared_struct *d = find(c->name);
  for (int k = 0; k < d->field_count; k++) {
    if (strcmp(d->fields[k], "reserved")) continue;
    unsigned char *block = malloc(c->size);
    memcpy(block, c->good, c->size);
    block[declared_offset(c->name, "reserved")] = 1;
    ck_assert_msg(c->use(block) == EFME_E_ARGUMENT, "%s.reserved = 1 was accepted", c->name);
    ck_assert_msg(strstr(efme_last_error(), "reserved") != NULL, "%s: %s", c->name, efme_last_error());
    free(block);
  }
}
END_TEST

static unsigned char *pattern(size_t size, size_t struct_size) {
  unsigned char *block = malloc(size);
  memset(block, 0x5A, size);
  set_size(block, struct_size);
  return block;
}

START_TEST(filled_for_every_caller) {
  const struct filled_case *c = &filled_cases[_i];
  const struct declared_struct *d = find(c->name);
  enum { MORE = 24 };
  unsigned char *whole = pattern(c->size + MORE, c->size + MORE), *untouched = pattern(c->size + MORE, c->size + MORE);
  ck_assert_msg(c->fill(whole) == EFME_OK, "%s of a newer caller: %s", c->name, efme_last_error());
  ck_assert_msg(!memcmp(whole, untouched, sizeof(size_t)), "%s: struct_size was changed", c->name);
  ck_assert_msg(memcmp(whole, untouched, c->size) != 0, "%s: nothing was written", c->name);
  ck_assert_msg(!memcmp(whole + c->size, untouched + c->size, MORE), "%s: written beyond what is known", c->name);
  for (int k = 1; k <= d->field_count; k++) {
    size_t size = k < d->field_count ? declared_offset(c->name, d->fields[k]) : c->size;
    unsigned char *block = pattern(c->size + MORE, size);
    ck_assert_msg(c->fill(block) == EFME_OK, "%s up to %s: %s", c->name, d->fields[k - 1], efme_last_error());
    ck_assert_msg(!memcmp(block + sizeof(size_t), whole + sizeof(size_t), size - sizeof(size_t)), "%s up to %s: other values", c->name,
                  d->fields[k - 1]);
    ck_assert_msg(!memcmp(block + size, untouched + size, c->size + MORE - size), "%s: written beyond a caller's %s", c->name,
                  d->fields[k - 1]);
    free(block);
  }
  static const size_t wrong[] = {0, 1, 7, 65537, SIZE_MAX};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    unsigned char *block = pattern(c->size, wrong[i]), *before = pattern(c->size, wrong[i]);
    expect_argument(c->fill(block), c->name, "struct_size");
    ck_assert_msg(!memcmp(block, before, c->size), "%s: written in spite of an error", c->name);
    free(block), free(before);
  }
  free(whole), free(untouched);
}
END_TEST

/* What callbacks get says how large it is. */
START_TEST(callbacks_are_told) {
  ck_assert_int_eq(use_callbacks(&good_callbacks), EFME_OK);
  ck_assert_uint_eq(sample_size, sizeof(efme_sample));
  ck_assert_uint_eq(progress_size, sizeof(efme_train_progress));
}
END_TEST

START_TEST(no_struct_is_left_out) {
  ck_assert_uint_ge(declared_count, 30);
  for (size_t i = 0; i < declared_count; i++) {
    int known = !strcmp(declared[i].name, "efme_train_progress"); /* callbacks_are_told */
    for (size_t k = 0; k < COUNT(options_cases); k++) known |= !strcmp(declared[i].name, options_cases[k].name);
    for (size_t k = 0; k < COUNT(filled_cases); k++) known |= !strcmp(declared[i].name, filled_cases[k].name);
    ck_assert_msg(known, "%s is in no list of this file", declared[i].name);
  }
  printf("%zu structs\n", declared_count);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api_structs");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 300);
  suite_add_tcase(suite, t);
  tcase_add_unchecked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, options_of_a_newer_caller, 0, COUNT(options_cases));
  tcase_add_loop_test(t, options_of_an_older_caller, 0, COUNT(options_cases));
  tcase_add_loop_test(t, reserved_is_zero, 0, COUNT(options_cases));
  tcase_add_loop_test(t, filled_for_every_caller, 0, COUNT(filled_cases));
  tcase_add_test(t, callbacks_are_told);
  tcase_add_test(t, no_struct_is_left_out);
  return test_run(suite);
}
