/* Every exported function with what it must refuse: each pointer NULL, numbers out of range, things of another context, and
 * failures from deeper down. A refused call leaves every out-parameter as it was, to the byte, and says what was wrong.
 *
 * The last test reads the public headers and wants every function, and every pointer among its parameters, to have been tried:
 * who adds a function adds it here. Public API only. */
#include "api/arguments.h"

#include <sys/stat.h>

#include "api/headers.h"
#include "face/weights.h"

struct outs out;
static struct outs before;

void prepare(void) {
  memset(&out, 0x5A, sizeof out);
#define SIZED(member) out.member.struct_size = sizeof out.member
  SIZED(device), SIZED(image_info), SIZED(alignment), SIZED(sample), SIZED(model_info), SIZED(layer), SIZED(face), SIZED(optimizer_options);
  SIZED(train_options), SIZED(prepared);
  SIZED(phase), SIZED(epoch), SIZED(scores), SIZED(class_scores), SIZED(tested);
  memcpy(&before, &out, sizeof out);
  efme_evaluator_run_fold(NULL, 0, NULL, NULL);
}

/* ---- what was tried ---- */

static struct { const char *function, *parameter; /* parameter NULL: only called */ } tried[2000];
static size_t tried_count;

void note(const char *function, const char *parameter) {
  ck_assert_uint_lt(tried_count, sizeof tried / sizeof tried[0]);
  tried[tried_count].function = function, tried[tried_count++].parameter = parameter;
}

static int was_tried(const char *function, const char *parameter) {
  for (size_t i = 0; i < tried_count; i++)
    if (!strcmp(tried[i].function, function) && (!parameter || (tried[i].parameter && !strcmp(tried[i].parameter, parameter)))) return 1;
  return 0;
}

void check_refused(const char *call, efme_status got, efme_status wanted, const char *word) {
  ck_assert_msg(got == wanted, "%s: %s (%s), not %s", call, efme_status_name(got), efme_last_error(), efme_status_name(wanted));
  ck_assert_msg(strstr(efme_last_error(), word) != NULL, "%s: \"%s\" does not say \"%s\"", call, efme_last_error(), word);
  ck_assert_msg(!strstr(efme_last_error(), "run_fold") || strstr(call, "run_fold"), "%s set no text", call);
  ck_assert_msg(!memcmp(&out, &before, sizeof out), "%s: failed, and yet something was written", call);
}

void check_good(int good, const char *what) {
  ck_assert_msg(good, "%s: %s", what, efme_last_error());
  if (strstr(what, "== EFME_OK")) ck_assert_msg(strstr(efme_last_error(), "run_fold"), "%s left a text: %s", what, efme_last_error());
}

/* ---- one valid thing of each kind ---- */

efme_context *context, *other_context;
efme_image *image;
efme_model *model, *other_model;
efme_predictor *predictor;
efme_dataset *data, *other_data, *two_classes;
efme_optimizer *optimizer;
efme_recipe *recipe, *empty_recipe;
efme_fold_plan *plan;
efme_trainer *trainer;
efme_evaluator *evaluator;
efme_result *result;
char folder[64];
const char *const classes3[] = {"negative", "positive", "surprise"}, *const classes2[] = {"a", "b"};

const char *in_folder(const char *name) {
  static char paths[64][256];
  static int turn;
  char *p = paths[turn++ & 63];
  snprintf(p, sizeof paths[0], "%s/%s", folder, name);
  return p;
}

const char *put(const char *name, const char *text) {
  const char *path = in_folder(name);
  char part[256];
  for (const char *slash = strchr(path + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    mkdir(part, 0700);
  }
  FILE *f = fopen(path, "w");
  ck_assert_ptr_nonnull(f);
  fputs(text, f);
  fclose(f);
  return path;
}

static efme_context *make_context(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.backend = "cpu", o.threads = 1;
  OK(efme_context_create(&c, &o));
  return c;
}

efme_model_options model_options(void) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = 1, o.height = o.width = 32, o.class_names = classes3, o.class_count = 3;
  return o;
}

efme_model *make_model(efme_context *c) {
  efme_model_options o = model_options();
  efme_model *m = NULL;
  OK(efme_model_create(&m, c, &o));
  return m;
}

static efme_dataset *make_data(efme_context *c) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *d = NULL;
  o.subjects = 4, o.samples_per_subject = 6, o.size = 32;
  OK(efme_dataset_open_synthetic(&d, c, &o));
  return d;
}

static efme_status describe(efme_sample *s, uint64_t index, void *user) {
  s->subject = user ? "one" : index % 2 ? "odd" : "even";
  s->native_label = index % 4 < 2 ? "a" : "b";
  return EFME_OK;
}

static efme_status read_pixels(efme_image **made, efme_context *c, uint64_t index, void *user) {
  (void)user;
  unsigned char pixels[4] = {(unsigned char)index, 1, 2, 3};
  return efme_image_from_pixels(made, c, pixels, EFME_PIXEL_GREY8, 2, 2, 0);
}

efme_dataset_callbacks callbacks(void) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 8, .describe = describe, .read = read_pixels};
  return c;
}

int stop_reading(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)what, (void)done, (void)total, (void)user;
  return 1;
}

int stop_training(const efme_train_progress *p, void *user) {
  (void)p, (void)user;
  return 1;
}

static void setup(void) {
  strcpy(folder, "/tmp/efme-api-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  context = make_context(), other_context = make_context();
  model = make_model(context), other_model = make_model(other_context);
  data = make_data(context), other_data = make_data(other_context);
  const efme_dataset_callbacks host = callbacks();
  OK(efme_dataset_create(&two_classes, context, &host));
  put("fer.csv", "emotion,pixels\n0,1 2 3\n");
  OK(efme_dataset_read(data, 0, &image));
  static const char *const taps[] = {"gap"};
  efme_predictor_options po = EFME_PREDICTOR_OPTIONS_INIT;
  po.taps = taps, po.tap_count = 1;
  OK(efme_predictor_create(&predictor, model, &po));
  OK(efme_optimizer_create(&optimizer, context, NULL));
  OK(efme_recipe_create(&recipe, context, "head"));
  OK(efme_recipe_create(&empty_recipe, context, "head"));
  OK(efme_recipe_clear_phases(empty_recipe));
  OK(efme_fold_plan_loso(&plan, data, NULL));
  OK(efme_trainer_create(&trainer, model, recipe, data, NULL));
  OK(efme_evaluator_create(&evaluator, model, data, plan, recipe, NULL));
  OK(efme_result_from_csv(&result, context, put("table.csv", "dataset,subject,clip,truth,predicted\nd,d/s,c,0,0\nd,d/t,e,1,2\n"), classes3,
                          3, NULL));
}

static void teardown(void) {
  efme_result_release(result), efme_evaluator_release(evaluator), efme_trainer_release(trainer), efme_fold_plan_release(plan);
  efme_recipe_release(recipe), efme_recipe_release(empty_recipe), efme_optimizer_release(optimizer), efme_predictor_release(predictor);
  efme_image_release(image), efme_dataset_release(data), efme_dataset_release(other_data), efme_dataset_release(two_classes);
  efme_model_release(model), efme_model_release(other_model), efme_context_release(context), efme_context_release(other_context);
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

/* ---- version.h, status.h, context.h ---- */

START_TEST(contexts) {
  ALLOWED(-, efme_version, efme_version() == EFME_VERSION);
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", EFME_VERSION_MAJOR, EFME_VERSION_MINOR, EFME_VERSION_PATCH);
  ALLOWED(-, efme_version_string, !strcmp(efme_version_string(), version));
  ALLOWED(-, efme_status_name, !strcmp(efme_status_name((efme_status)99), "unknown status"));
  ALLOWED(-, efme_last_error, efme_last_error() != NULL);

  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  WITHOUT(out, efme_context_create, NULL, &o);
  efme_context *made = NULL;
  ALLOWED(options, efme_context_create, efme_context_create(&made, NULL) == EFME_OK && made);
  efme_context_release(made);
  o.threads = 257;
  REFUSED(ARGUMENT, "threads is 257", efme_context_create, &out.context, &o);
  o.threads = 0, o.backend = "absent";
  REFUSED(UNSUPPORTED, "efme-absent.so", efme_context_create, &out.context, &o);
  ALLOWED(context, efme_context_retain, efme_context_retain(NULL) == NULL);
  ALLOWED(context, efme_context_release, (efme_context_release(NULL), 1));
  ALLOWED(context, efme_context_backend, !strcmp(efme_context_backend(NULL), ""));
  ALLOWED(context, efme_context_cpu_level, efme_context_cpu_level(NULL) == 0);
  ALLOWED(context, efme_context_threads, efme_context_threads(NULL) == 0);

  ALLOWED(-, efme_device_count, efme_device_count() >= 1);
  WITHOUT(out, efme_device_get, NULL, 0);
  REFUSED(ARGUMENT, "device index 100", efme_device_get, &out.device, 100);
}
END_TEST

/* ---- image.h ---- */

START_TEST(images) {
  static const unsigned char pixels[48];
  efme_image_options o = EFME_IMAGE_OPTIONS_INIT;
  efme_image *made = NULL;
  const char *path = put("one.pgm", "P5 1 1 255\nx");
  WITHOUT(out, efme_image_load, NULL, context, path, &o);
  WITHOUT(context, efme_image_load, &out.image, NULL, path, &o);
  WITHOUT(path, efme_image_load, &out.image, context, NULL, &o);
  ALLOWED(options, efme_image_load, efme_image_load(&made, context, path, NULL) == EFME_OK);
  efme_image_release(made);
  REFUSED(IO, "absent.png", efme_image_load, &out.image, context, in_folder("absent.png"), NULL);
  REFUSED(FORMAT, "empty.png", efme_image_load, &out.image, context, put("empty.png", ""), NULL);
  o.ignore_orientation = 2;
  REFUSED(ARGUMENT, "ignore_orientation", efme_image_load, &out.image, context, path, &o);

  WITHOUT(out, efme_image_decode, NULL, context, "P5 1 1 255\nx", 12, "n", NULL);
  WITHOUT(context, efme_image_decode, &out.image, NULL, "P5 1 1 255\nx", 12, "n", NULL);
  WITHOUT(data, efme_image_decode, &out.image, context, NULL, 12, "n", NULL);
  ALLOWED(name, efme_image_decode, efme_image_decode(&made, context, "P5 1 1 255\nx", 12, NULL, NULL) == EFME_OK);
  note("efme_image_decode", "options");
  efme_image_release(made);
  REFUSED(UNSUPPORTED, "some name", efme_image_decode, &out.image, context, "GIF89a..", 8, "some name", NULL);
  REFUSED(FORMAT, "empty", efme_image_decode, &out.image, context, NULL, 0, NULL, NULL);

  WITHOUT(out, efme_image_from_pixels, NULL, context, pixels, EFME_PIXEL_RGB8, 4, 4, 0);
  WITHOUT(context, efme_image_from_pixels, &out.image, NULL, pixels, EFME_PIXEL_RGB8, 4, 4, 0);
  WITHOUT(pixels, efme_image_from_pixels, &out.image, context, NULL, EFME_PIXEL_RGB8, 4, 4, 0);
  REFUSED(ARGUMENT, "format", efme_image_from_pixels, &out.image, context, pixels, (efme_pixel_format)0, 4, 4, 0);
  REFUSED(ARGUMENT, "format", efme_image_from_pixels, &out.image, context, pixels, (efme_pixel_format)6, 4, 4, 0);
  REFUSED(ARGUMENT, "width is 0", efme_image_from_pixels, &out.image, context, pixels, EFME_PIXEL_RGB8, 0, 4, 0);
  REFUSED(ARGUMENT, "height is 0", efme_image_from_pixels, &out.image, context, pixels, EFME_PIXEL_RGB8, 4, 0, 0);
  REFUSED(LIMIT, "65537", efme_image_from_pixels, &out.image, context, pixels, EFME_PIXEL_RGB8, 65537, 1, 0);
  REFUSED(ARGUMENT, "row_stride", efme_image_from_pixels, &out.image, context, pixels, EFME_PIXEL_RGB8, 4, 4, 11);
  REFUSED(ARGUMENT, "row_stride", efme_image_from_pixels, &out.image, context, pixels, EFME_PIXEL_RGB8, 4, 4, -11);

  ALLOWED(image, efme_image_retain, efme_image_retain(NULL) == NULL);
  ALLOWED(image, efme_image_release, (efme_image_release(NULL), 1));
  ALLOWED(image, efme_image_pixels, efme_image_pixels(NULL) == NULL);
  WITHOUT(image, efme_image_get_info, NULL, &out.image_info);
  WITHOUT(out, efme_image_get_info, image, NULL);

  WITHOUT(out, efme_image_crop, NULL, image, 0, 0, 4, 4);
  WITHOUT(image, efme_image_crop, &out.image, NULL, 0, 0, 4, 4);
  REFUSED(ARGUMENT, "empty", efme_image_crop, &out.image, image, 0, 0, 0, 4);
  REFUSED(ARGUMENT, "outside", efme_image_crop, &out.image, image, 32, 0, 4, 4);
  REFUSED(ARGUMENT, "outside", efme_image_crop, &out.image, image, INT32_MIN, INT32_MIN, 4, 4);
  REFUSED(ARGUMENT, "outside", efme_image_crop, &out.image, image, INT32_MAX, INT32_MAX, UINT32_MAX, UINT32_MAX);
  REFUSED(LIMIT, "65536", efme_image_crop, &out.image, image, 0, 0, UINT32_MAX, UINT32_MAX);
  WITHOUT(out, efme_image_resize, NULL, image, 4, 4);
  WITHOUT(image, efme_image_resize, &out.image, NULL, 4, 4);
  REFUSED(ARGUMENT, "width is 0", efme_image_resize, &out.image, image, 0, 4);
  REFUSED(ARGUMENT, "height is 0", efme_image_resize, &out.image, image, 4, 0);
  REFUSED(LIMIT, "65537", efme_image_resize, &out.image, image, 65537, 1);

  efme_image_save_options save = EFME_IMAGE_SAVE_OPTIONS_INIT;
  save.format = EFME_FILE_PNG;
  WITHOUT(image, efme_image_save, NULL, in_folder("saved"), &save);
  WITHOUT(path, efme_image_save, image, NULL, &save);
  ALLOWED(options, efme_image_save, efme_image_save(image, in_folder("saved.png"), NULL) == EFME_OK);
  REFUSED(IO, "absent/saved.png", efme_image_save, image, in_folder("absent/saved.png"), NULL);
  REFUSED(ARGUMENT, "which format", efme_image_save, image, in_folder("saved"), NULL);
  size_t *size = (size_t *)&out.count;
  WITHOUT(out, efme_image_encode, NULL, size, image, &save);
  WITHOUT(size, efme_image_encode, &out.text, NULL, image, &save);
  WITHOUT(image, efme_image_encode, &out.text, size, NULL, &save);
  note("efme_image_encode", "options"); /* as here: without a name a format must be given */
  REFUSED(ARGUMENT, "format is 0", efme_image_encode, &out.text, size, image, NULL);
  save.quality = 101;
  REFUSED(ARGUMENT, "quality is 101", efme_image_encode, &out.text, size, image, &save);
}
END_TEST

/* ---- align.h ---- */

START_TEST(alignment) {
  static const float box[4] = {4, 4, 8, 8}, eyes[4] = {6, 6, 10, 7};
  efme_align_options o = EFME_ALIGN_OPTIONS_INIT;
  efme_image *made = NULL;
  WITHOUT(out, efme_face_align, NULL, image, box, eyes, 2, &o, NULL);
  WITHOUT(image, efme_face_align, &out.image, NULL, box, eyes, 2, &o, NULL);
  WITHOUT(box, efme_face_align, &out.image, image, NULL, eyes, 2, &o, &out.alignment);
  WITHOUT(points, efme_face_align, &out.image, image, box, NULL, 2, &o, &out.alignment);
  ALLOWED(options, efme_face_align, efme_face_align(&made, image, box, NULL, 0, NULL, NULL) == EFME_OK);
  note("efme_face_align", "what");
  efme_image_release(made);
  REFUSED(ARGUMENT, "point_count is 4", efme_face_align, &out.image, image, box, eyes, 4, &o, &out.alignment);
  o.mode = 7;
  REFUSED(ARGUMENT, "mode is 7", efme_face_align, &out.image, image, box, eyes, 2, &o, &out.alignment);
}
END_TEST

/* ---- face.h ---- */

START_TEST(faces) {
  efme_face_options o = EFME_FACE_OPTIONS_INIT;
  efme_face_detector *made = NULL;
  size_t size;
  const void *weights = face_weights(1, NULL, &size);
  const char *path = in_folder("mtcnn.safetensors");
  FILE *f = fopen(path, "wb");
  ck_assert(f != NULL && fwrite(weights, 1, size, f) == size && fclose(f) == 0);
  WITHOUT(out, efme_face_detector_create, NULL, context, path, &o);
  WITHOUT(context, efme_face_detector_create, &out.detector, NULL, path, &o);
  setenv("EFME_MODEL_DIR", "/no/such/folder", 1);
  note("efme_face_detector_create", "path");
  if (access("/usr/local/share/efme/models/mtcnn.safetensors", R_OK)) REFUSED(IO, "tools/mtcnn.py", efme_face_detector_create, &out.detector, context, NULL, &o);
  setenv("EFME_MODEL_DIR", folder, 1);
  ALLOWED(options, efme_face_detector_create, efme_face_detector_create(&made, context, NULL, NULL) == EFME_OK);
  efme_face_detector_release(made);
  REFUSED(IO, "absent", efme_face_detector_create, &out.detector, context, in_folder("absent"), &o);
  WITHOUT(out, efme_face_detector_create_memory, NULL, context, weights, size, &o);
  WITHOUT(context, efme_face_detector_create_memory, &out.detector, NULL, weights, size, &o);
  WITHOUT(data, efme_face_detector_create_memory, &out.detector, context, NULL, size, &o);
  ALLOWED(options, efme_face_detector_create_memory, efme_face_detector_create_memory(&made, context, weights, size, NULL) == EFME_OK);
#define WRONG(field, value, word)                                                                                                          \
  do {                                                                                                                                     \
    efme_face_options wrong = EFME_FACE_OPTIONS_INIT;                                                                                      \
    wrong.field = value;                                                                                                                   \
    REFUSED(ARGUMENT, word, efme_face_detector_create, &out.detector, context, path, &wrong);                                              \
  } while (0)
  WRONG(min_face_size, 11, "min_face_size is 11");
  WRONG(min_face_size, 65537, "min_face_size is 65537");
  WRONG(thresholds[1], 1.5f, "thresholds[1]");
  WRONG(thresholds[2], NAN, "thresholds[2]");
  WRONG(scale_factor, .99f, "scale_factor");
  WRONG(scale_factor, NAN, "scale_factor");
  WRONG(threads, 257, "threads is 257");
  WRONG(region_x, 1, "region is empty");
  WRONG(reserved, 1, "reserved");
  ALLOWED(detector, efme_face_detector_retain, efme_face_detector_retain(NULL) == NULL);
  ALLOWED(detector, efme_face_detector_release, (efme_face_detector_release(NULL), 1));

  uint32_t count = 7;
  WITHOUT(detector, efme_face_detector_run, NULL, image, &out.number);
  WITHOUT(image, efme_face_detector_run, made, NULL, &out.number);
  WITHOUT(count, efme_face_detector_run, made, image, NULL);
  WITHOUT(detector, efme_face_detector_face, NULL, 0, &out.face);
  WITHOUT(out, efme_face_detector_face, made, 0, NULL);
  REFUSED(ARGUMENT, "index is 0", efme_face_detector_face, made, 0, &out.face);
  ck_assert_int_eq(efme_face_detector_run(made, image, &count), EFME_E_NOT_FOUND); /* 32 pixels: smaller than any face */
  ck_assert_uint_eq(count, 0);
  efme_face_detector_release(made);
  o.min_face_size = 20, o.region_width = 33, o.region_height = 10;
  OK(efme_face_detector_create(&made, context, path, &o));
  REFUSED(ARGUMENT, "the region 0, 0, 33 x 10", efme_face_detector_run, made, image, &out.number);
  efme_face_detector_release(made);
}
END_TEST

/* ---- prepare.h ---- */

START_TEST(preparation) {
  efme_prepare_options o = EFME_PREPARE_OPTIONS_INIT;
  o.whole = 1;
  WITHOUT(dataset, efme_prepare, NULL, in_folder("prepared"), &o, &out.prepared);
  WITHOUT(folder, efme_prepare, data, NULL, &o, &out.prepared);
  REFUSED(ARGUMENT, "who finds the faces", efme_prepare, data, in_folder("prepared"), NULL, &out.prepared);
  note("efme_prepare", "options");
  ALLOWED(what, efme_prepare, efme_prepare(data, in_folder("prepared"), &o, NULL) == EFME_OK);
  o.lenient = 2;
  REFUSED(ARGUMENT, "lenient", efme_prepare, data, in_folder("prepared"), &o, &out.prepared);
}
END_TEST

/* ---- nothing was forgotten ---- */

START_TEST(every_function_and_pointer) {
  static struct declared_function declared[300];
  size_t count = declared_functions(declared, 300), pointers = 0;
  ck_assert_uint_ge(count, 153);
  for (size_t i = 0; i < count; i++) {
    const struct declared_function *f = &declared[i];
    ck_assert_msg(was_tried(f->name, NULL), "%s was never called", f->name);
    for (int k = 0; k < f->pointer_count; k++, pointers++)
      ck_assert_msg(was_tried(f->name, f->pointers[k]), "%s: NULL was never tried for %s", f->name, f->pointers[k]);
  }
  printf("%zu functions, %zu pointers\n", count, pointers);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api_arguments");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 300);
  suite_add_tcase(suite, t);
  tcase_add_unchecked_fixture(t, setup, teardown);
  tcase_add_test(t, contexts);
  tcase_add_test(t, images);
  tcase_add_test(t, alignment);
  tcase_add_test(t, preparation);
  tcase_add_test(t, faces);
  add_model_tests(t);
  add_data_tests(t);
  add_release_tests(t);
  add_evaluation_tests(t);
  tcase_add_test(t, every_function_and_pointer); /* last */
  return test_run(suite);
}
