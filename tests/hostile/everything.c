/* See everything.h. */
#include "everything.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/image_seeds.h"
#include "io/jpeg_data.h"
#include "util/util.h"

#define SIDE 32

static _Thread_local struct everything *all; /* two threads may run it at once */

#define OK(call)                                                                                                                           \
  do {                                                                                                                                     \
    efme_status ok_ = (call);                                                                                                              \
    if (all->after) all->after(#call);                                                                                                     \
    if (ok_) fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, efme_last_error()), abort();                                    \
  } while (0)

static void note(const char *name, const void *data, size_t size) {
  if (all->count == EFME_COUNT(all->lines)) abort();
  snprintf(all->lines[all->count].name, sizeof all->lines[0].name, "%s", name);
  all->lines[all->count++].hash = efme_hash64(data, size, 0);
}

static void note_text(const char *name, char *text) {
  note(name, text, strlen(text));
  efme_string_free(text);
}

/* A file, without the lines that hold times or paths. */
static void note_file(const char *name, const char *path) {
  uint8_t *data = NULL;
  size_t size = 0, kept = 0;
  OK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1 << 24));
  for (size_t at = 0, end; at < size; at = end) {
    const uint8_t *newline = memchr(data + at, '\n', size - at);
    end = newline ? (size_t)(newline - data) + 1 : size;
    if (memmem(data + at, end - at, "seconds", 7) || memmem(data + at, end - at, "content_hash", 12) ||
        memmem(data + at, end - at, "\"source\"", 8))
      continue;
    memmove(data + kept, data + at, end - at);
    kept += end - at;
  }
  note(name, data, kept);
  efme_mem_free(&efme_allocator_libc, data);
}

static const char *at(const char *folder, const char *name) {
  static _Thread_local char paths[8][400];
  static _Thread_local int turn;
  char *p = paths[turn++ & 7];
  snprintf(p, sizeof paths[0], "%s/%s", folder, name);
  return p;
}

static void put(const char *path, const char *text) {
  FILE *f = fopen(path, "wb");
  if (!f || fputs(text, f) < 0 || fclose(f)) perror(path), abort();
}

static void note_weights(const char *name, const efme_model *model) {
  efme_model_info info = EFME_MODEL_INFO_INIT;
  OK(efme_model_get_info(model, &info));
  note(name, &info, sizeof info);
}

/* ---- models ---- */

static efme_model *make_model(efme_context *context, uint32_t cut) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *m = NULL;
  o.cut = cut, o.height = o.width = SIDE, o.class_names = efme_classes_meg3(), o.class_count = 3, o.seed = 4;
  o.bn_momentum = 0.9f; /* not a double */
  OK(efme_model_create(&m, context, &o));
  return m;
}

static void models(efme_context *context, const char *folder) {
  efme_model *m = make_model(context, 3), *other = NULL;
  note_weights("model created", m);
  static const char *const files[] = {"f32", "f16", "bf16"};
  for (uint32_t type = 0; type < 3; type++) {
    const char *path = at(folder, files[type]);
    OK(efme_model_save(m, path, type));
    note_file("model file", path);
    OK(efme_model_load(&other, context, path, NULL));
    note_weights("model loaded", other);
    efme_model_release(other);
  }
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.cut = 2, o.head = EFME_HEAD_RESET, o.seed = 9, o.class_names = efme_classes_meg3(), o.class_count = 3;
  OK(efme_model_clone(&other, m, &o));
  note_weights("model cut", other);
  efme_model_release(other);
  OK(efme_model_import(&other, context, at(folder, "f32"), "keras", &o));
  note_weights("model imported", other);
  efme_model_release(other);
  efme_model_release(m);
}

/* ---- images and data ---- */

static void note_image(const char *name, efme_image *image) {
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  efme_image *small = NULL;
  OK(efme_image_get_info(image, &info));
  note(name, efme_image_pixels(image), (size_t)info.width * info.height * info.channels);
  OK(efme_image_resize(&small, image, 5, 40));
  note("image resized", efme_image_pixels(small), (size_t)5 * 40 * info.channels);
  efme_image_release(small);
  efme_image_release(image);
}

static void images(efme_context *context) {
  static const struct {
    const char *name;
    const void *data;
    size_t size;
  } files[] = {{"colour.jpg", test_jpeg_colour, sizeof test_jpeg_colour},
               {"progressive.jpg", test_jpeg_progressive, sizeof test_jpeg_progressive},
               {"cmyk.jpg", test_jpeg_cmyk, sizeof test_jpeg_cmyk},
               {"grey.jpg", test_jpeg_grey, sizeof test_jpeg_grey},
               {"turned.png", png_turned, sizeof png_turned},
               {"palette.png", png_palette, sizeof png_palette},
               {"interlaced.png", png_interlaced, sizeof png_interlaced},
               {"masks.bmp", bmp_masks, sizeof bmp_masks},
               {"palette.bmp", bmp_palette, sizeof bmp_palette}};
  for (size_t i = 0; i < EFME_COUNT(files); i++) {
    efme_image *image = NULL;
    OK(efme_image_decode(&image, context, files[i].data, files[i].size, files[i].name, NULL));
    note_image(files[i].name, image);
  }
}

static void note_dataset(const char *name, const efme_dataset *d) {
  uint64_t fingerprint = efme_dataset_fingerprint(d);
  char *text = NULL;
  note(name, &fingerprint, sizeof fingerprint);
  OK(efme_dataset_describe(d, 1, &text));
  note_text(name, text);
}

static efme_dataset *faces(efme_context *context, uint64_t seed) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *d = NULL;
  o.seed = seed, o.subjects = 4, o.samples_per_subject = 6, o.size = SIDE;
  OK(efme_dataset_open_synthetic(&d, context, &o));
  return d;
}

/* The original CK+ tree with one sequence: its label is a number with a point. */
static void ckplus(efme_context *context, const char *folder) {
  static const char *const folders[] = {"ck",
                                        "ck/Emotion",
                                        "ck/Emotion/S005",
                                        "ck/Emotion/S005/001",
                                        "ck/cohn-kanade-images",
                                        "ck/cohn-kanade-images/S005",
                                        "ck/cohn-kanade-images/S005/001"};
  for (size_t i = 0; i < EFME_COUNT(folders); i++) mkdir(at(folder, folders[i]), 0777);
  put(at(folder, "ck/Emotion/S005/001/S005_001_00000011_emotion.txt"), "   3.0000000e+00\n");
  put(at(folder, "ck/cohn-kanade-images/S005/001/S005_001_00000011.png"), "x");
  efme_dataset *d = NULL;
  OK(efme_dataset_open_ckplus(&d, context, at(folder, "ck"), NULL));
  char *text = NULL;
  OK(efme_dataset_describe(d, 0, &text));
  note_text("ckplus", text);
  efme_dataset_release(d);
}

/* Words that a locale may spell in capitals of its own: i and I. */
static void manifest(efme_context *context, const char *folder) {
  put(at(folder, "a.PGM"), "P5 2 2 255\nabcd");
  put(at(folder, "m.csv"), "path,label,subject,dataset,onset\na.PGM,HAPPINESS,I1,CASME II,12\na.PGM,surprise,1,SMIC,\n");
  efme_dataset *d = NULL;
  OK(efme_dataset_open_manifest(&d, context, at(folder, "m.csv"), NULL));
  char *text = NULL;
  OK(efme_dataset_describe(d, 0, &text));
  note_text("manifest", text);
  efme_dataset_release(d);
}

static void datasets(efme_context *context, const char *folder) {
  efme_dataset *d = faces(context, 1), *first = NULL, *second = NULL;
  for (uint64_t i = 0; i < 12; i++) {
    efme_image *image = NULL;
    OK(efme_dataset_read(d, i, &image));
    note_image("face", image);
  }
  float box[4], eyes[4];
  OK(efme_dataset_synthetic_truth(d, 5, box, eyes));
  note("face's place", box, sizeof box), note("face's eyes", eyes, sizeof eyes);
  OK(efme_dataset_split(&first, &second, d, 0.3, 2));
  note_dataset("split", first), note_dataset("split", second);
  efme_dataset_release(first), efme_dataset_release(second);
  OK(efme_dataset_split_subjects(&first, &second, d, 0.3, 2));
  note_dataset("split by subjects", first), note_dataset("split by subjects", second);
  efme_dataset_release(first), efme_dataset_release(second);
  efme_dataset_release(d);
  ckplus(context, folder);
  manifest(context, folder);
}

/* ---- predictions ---- */

static void predictions(efme_context *context) {
  static const char *const known[] = {"gap", "block2b_add"};
  efme_model *m = make_model(context, 4);
  efme_dataset *d = faces(context, 3);
  efme_predictor *p = NULL;
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  o.max_batch = 4, o.taps = known, o.tap_count = 2;
  OK(efme_predictor_create(&p, m, &o));
  static _Thread_local float pixels[4 * SIDE * SIDE * 3], values[4 * 8 * 8 * 64];
  float logits[12], probabilities[12];
  for (size_t i = 0; i < EFME_COUNT(pixels); i++) pixels[i] = (float)(i * 2654435761u % 16321u) / 64.0f;
  OK(efme_predictor_run(p, pixels, 4, logits, probabilities));
  note("logits", logits, sizeof logits), note("probabilities", probabilities, sizeof probabilities);
  for (int i = 0; i < 2; i++) {
    uint32_t dims[4];
    OK(efme_predictor_tap(p, known[i], values, EFME_COUNT(values), dims));
    note(known[i], values, (size_t)dims[0] * dims[1] * dims[2] * dims[3] * sizeof *values);
  }
  efme_image *images[3];
  efme_prediction results[3];
  for (uint64_t i = 0; i < 3; i++) OK(efme_dataset_read(d, i, &images[i]));
  OK(efme_predictor_run_images(p, images, 3, results, probabilities));
  note("predictions", results, sizeof results), note("of images", probabilities, 9 * sizeof *probabilities);
  for (int i = 0; i < 3; i++) efme_image_release(images[i]);
  efme_predictor_release(p);
  efme_dataset_release(d);
  efme_model_release(m);
}

/* ---- training ---- */

static void phase(efme_context *context, efme_recipe *recipe, uint32_t scope, uint32_t epochs, uint32_t kind, uint32_t schedule) {
  efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase p = EFME_PHASE_INIT;
  o.kind = kind, o.schedule = schedule, o.learning_rate = 1e-3, o.decay = 1e-3, o.warmup_steps = 3, o.weight_decay = 1e-4;
  OK(efme_optimizer_create(&p.optimizer, context, &o));
  for (uint64_t t = 1; t < 40; t += 6) {
    double rate = efme_optimizer_rate(p.optimizer, t, 40);
    if (all->after) all->after("efme_optimizer_rate");
    note("rate", &rate, sizeof rate);
  }
  p.scope = scope, p.epochs = epochs, p.patience = 2, p.restore_best = 1;
  OK(efme_recipe_add_phase(recipe, &p));
  efme_optimizer_release(p.optimizer);
}

static efme_recipe *make_recipe(efme_context *context, uint32_t head, uint32_t whole) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  OK(efme_recipe_create(&recipe, context, "scratch"));
  OK(efme_recipe_get_options(recipe, &o));
  static const float alpha[] = {.27f, .35f, .38f};
  o.batch = 8, o.seed = 5, o.log_every = 1, o.feature_variants = 2, o.alpha = alpha, o.alpha_count = 3;
  o.gamma = 1.7f, o.label_smoothing = .1f, o.l1 = 1e-4f, o.l2 = 1e-3f, o.ema_decay = .7f;
  OK(efme_recipe_set_options(recipe, &o));
  OK(efme_recipe_clear_phases(recipe));
  if (head) phase(context, recipe, EFME_SCOPE_HEAD, head, EFME_RMSPROP, EFME_SCHEDULE_TIME);
  if (whole) phase(context, recipe, EFME_SCOPE_ALL, whole, EFME_ADAMW, EFME_SCHEDULE_COSINE);
  return recipe;
}

/* Cancels at the callback that *user counts down to. */
static int stop(const efme_train_progress *progress, void *user) {
  uint32_t *left = user;
  (void)progress;
  if (all->after) all->after("callback");
  return (*left)-- == 0;
}

static void note_trained(const char *name, const efme_trainer *t) {
  efme_model *m = NULL;
  OK(efme_trainer_model(&m, t));
  note_weights(name, m);
  efme_model_release(m);
  for (uint32_t i = 0; i < efme_trainer_epoch_count(t); i++) {
    efme_epoch e = EFME_EPOCH_INIT;
    OK(efme_trainer_epoch(t, i, &e));
    e.seconds = 0.0;
    note("epoch", &e, sizeof e);
  }
}

static void training(efme_context *context, const char *folder) {
  efme_model *m = make_model(context, 2);
  efme_dataset *train = faces(context, 1), *validation = faces(context, 2);
  efme_recipe *recipe = make_recipe(context, 2, 2);
  efme_trainer *t = NULL;
  char *text = NULL;
  uint32_t left = 7;
  const char *path = at(folder, "checkpoint");
  remove(path);
  OK(efme_recipe_describe(recipe, &text));
  note_text("recipe", text);
  for (int turn = 0; turn < 2; turn++) { /* stopped, then gone on from the file */
    OK(efme_trainer_create(&t, m, recipe, train, validation));
    OK(efme_trainer_set_checkpoint(t, path, 1e9));
    efme_status status = efme_trainer_run(t, stop, &left);
    if (all->after) all->after("efme_trainer_run");
    if (status != (turn ? EFME_OK : EFME_E_CANCELLED)) fprintf(stderr, "turn %d: %s\n", turn, efme_last_error()), abort();
    if (turn) note_trained("trained", t);
    efme_trainer_release(t);
    left = UINT32_MAX;
  }
  efme_recipe_release(recipe);
  efme_dataset_release(train), efme_dataset_release(validation);
  efme_model_release(m);
}

/* ---- evaluation ---- */

static void note_result(const char *name, const efme_result *r, const char *folder) {
  efme_scores s = EFME_SCORES_INIT;
  char *text = NULL;
  uint32_t findings = 0;
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  OK(efme_result_scores(r, NULL, &s));
  note(name, &s, sizeof s);
  for (uint32_t c = 0; c < s.classes; c++) {
    efme_class_scores one = EFME_CLASS_SCORES_INIT;
    OK(efme_result_class_scores(r, NULL, c, &one));
    one.name = NULL;
    note("class", &one, sizeof one);
  }
  for (uint64_t i = 0; i < efme_result_count(r); i++) {
    efme_tested tested = EFME_TESTED_INIT;
    OK(efme_result_tested(r, i, &tested));
    if (tested.probabilities) note("tested", tested.probabilities, s.classes * sizeof *tested.probabilities);
  }
  OK(efme_result_write(r, at(folder, "metrics.json"), at(folder, "predictions.csv"), at(folder, "official.log")));
  note_file("metrics.json", at(folder, "metrics.json"));
  note_file("predictions.csv", at(folder, "predictions.csv"));
  note_file("official.log", at(folder, "official.log"));
  OK(efme_result_text(r, &text));
  put(at(folder, "text"), text);
  efme_string_free(text);
  note_file("text", at(folder, "text"));
  row.uf1 = .7123, row.uar = .8456, row.accuracy = .51;
  OK(efme_result_check_row(&text, &findings, r, &row));
  note_text("row against result", text);
}

static void evaluation(efme_context *context, const char *folder) {
  efme_model *m = make_model(context, 1);
  efme_dataset *d = faces(context, 7), *apart = faces(context, 8);
  efme_recipe *recipe = make_recipe(context, 1, 1);
  efme_fold_plan *plan = NULL;
  efme_evaluator *e = NULL;
  efme_result *r = NULL;
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  char loso[400], command[500];
  snprintf(loso, sizeof loso, "%s/loso", folder);
  snprintf(command, sizeof command, "rm -rf '%s'", loso);
  o.workers = 2, o.folder = loso;
  if (system(command)) abort();
  OK(efme_fold_plan_loso(&plan, d, NULL));
  OK(efme_evaluator_create(&e, m, d, plan, recipe, &o));
  OK(efme_evaluator_run(e, NULL, NULL));
  OK(efme_evaluator_result(&r, e));
  note_result("loso", r, folder);
  efme_result_release(r);
  efme_evaluator_release(e);
  OK(efme_evaluator_create(&e, m, d, plan, recipe, &o)); /* from its files */
  OK(efme_evaluator_result(&r, e));
  note_result("loso read again", r, folder);
  efme_result_release(r);
  efme_evaluator_release(e);
  OK(efme_result_from_csv(&r, context, at(folder, "predictions.csv"), efme_classes_meg3(), 3, d));
  note_result("from csv", r, folder);
  efme_result_release(r);
  OK(efme_result_from_log(&r, context, at(folder, "official.log"), NULL, 3, NULL));
  note_result("from log", r, folder);
  efme_result_release(r);
  OK(efme_evaluate(&r, m, apart, NULL));
  note_result("apart", r, folder);
  efme_result_release(r);
  efme_fold_plan_release(plan);
  efme_recipe_release(recipe);
  efme_dataset_release(d), efme_dataset_release(apart);
  efme_model_release(m);
}

static void scores(void) {
  enum { N = 97 };
  int32_t truth[N], predicted[N];
  efme_scores s = EFME_SCORES_INIT;
  for (int i = 0; i < N; i++) truth[i] = i % 7 % 3, predicted[i] = i * 5 % 11 % 3;
  OK(efme_score(&s, truth, predicted, N, 3));
  note("score", &s, sizeof s);
  const double f1[] = {.876, .569, .7108}, recall[] = {.8, .6, .8}, precision[] = {.7821, .7126, .7867};
  const uint64_t samples[] = {250, 109, 83};
  efme_printed_row row = {sizeof row, .7353, 1.178, .7, f1, recall, precision, samples, 3, 4};
  char *text = NULL;
  uint32_t findings = 0;
  OK(efme_check_printed_row(&text, &findings, &row));
  note_text("printed row", text);
}

void everything_run(struct everything *e, efme_context *context, const char *folder) {
  all = e;
  models(context, folder);
  images(context);
  datasets(context, folder);
  predictions(context);
  training(context, folder);
  evaluation(context, folder);
  scores();
}

const char *everything_differs(const struct everything *a, const struct everything *b) {
  for (size_t i = 0; i < a->count && i < b->count; i++)
    if (strcmp(a->lines[i].name, b->lines[i].name) || a->lines[i].hash != b->lines[i].hash) return a->lines[i].name;
  return a->count == b->count ? NULL : "the number of results";
}
