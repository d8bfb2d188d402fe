/* Numbers and amounts that no sane file has: pixels and weights that are NaN, infinite, denormal or huge, labels out of range, the
 * smallest training there is, ten thousand predictions, files with more of everything than there may be. */
#include "test.h"

#include <math.h>

#include "efme/efme.h"
#include "util/util.h"

#define SIDE 32
#define PIXELS (SIDE * SIDE * 3)

#define OK(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
#define FAILS(call, status, word)                                                                                                          \
  do {                                                                                                                                     \
    efme_status got_ = (call);                                                                                                             \
    ck_assert_msg(got_ == (status), "%s: %s, %s", #call, efme_status_name(got_), efme_last_error());                                       \
    ck_assert_msg(strstr(efme_last_error(), word) != NULL, "`%s` is not in: %s", word, efme_last_error());                                 \
  } while (0)

static efme_context *context;
static char folder[64];

static const char *at(const char *name) {
  static char paths[4][128];
  static int turn;
  char *p = paths[turn++ & 3];
  snprintf(p, sizeof paths[0], "%s/%s", folder, name);
  return p;
}

static void put(const char *path, const struct efme_text *t) { OK(efme_file_write(&efme_allocator_libc, path, t->data, t->size)); }

static efme_context *context_at(uint32_t level) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.backend = "cpu", o.threads = 2, o.cpu_level = level;
  OK(efme_context_create(&c, &o));
  return c;
}

static efme_model *model_of(efme_context *c, uint32_t cut) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *m = NULL;
  o.cut = cut, o.height = o.width = SIDE, o.class_names = efme_classes_meg3(), o.class_count = 3;
  OK(efme_model_create(&m, c, &o));
  return m;
}

static efme_predictor *predictor_of(efme_model *m, uint32_t batch) {
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  efme_predictor *p = NULL;
  o.max_batch = batch;
  OK(efme_predictor_create(&p, m, &o));
  return p;
}

/* ---- pixels ---- */

static int numbers(const float *v, size_t n) {
  int count = 0;
  for (size_t i = 0; i < n; i++) count += isfinite(v[i]) != 0;
  return count;
}

static int nans(const float *v, size_t n) {
  int count = 0;
  for (size_t i = 0; i < n; i++) count += isnan(v[i]) != 0;
  return count;
}

/* The middle image of three has this pixel. */
static void try_pixel(efme_predictor *p, float *x, size_t place, float value, const float *usual) {
  float logits[9], probabilities[9], kept = x[PIXELS + place];
  x[PIXELS + place] = value;
  OK(efme_predictor_run(p, x, 3, logits, probabilities));
  x[PIXELS + place] = kept;
  ck_assert_msg(!memcmp(logits, usual, 3 * sizeof *logits) && !memcmp(logits + 6, usual + 6, 3 * sizeof *logits),
                "a pixel of %g changes other images", (double)value);
  if (!isfinite(value)) {
    ck_assert_msg(nans(logits + 3, 3) == 3 && nans(probabilities + 3, 3) == 3, "a pixel of %g at %zu gives %g %g %g", (double)value, place,
                  (double)probabilities[3], (double)probabilities[4], (double)probabilities[5]);
    return;
  }
  float sum = probabilities[3] + probabilities[4] + probabilities[5];
  ck_assert_msg(nans(probabilities + 3, 3) == 3 || (numbers(logits + 3, 3) == 3 && fabsf(sum - 1) < 1e-6f), "a pixel of %g gives %g %g %g",
                (double)value, (double)probabilities[3], (double)probabilities[4], (double)probabilities[5]);
}

START_TEST(extreme_pixels) { /* at every level: least and greatest of vectors drop a NaN unless somebody has thought of it */
  static const float values[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e30f, -1e30f, 1e-40f};
  static const size_t places[] = {0, 1, PIXELS / 2 + 31, PIXELS - 1};
  static float x[3 * PIXELS];
  for (size_t i = 0; i < EFME_COUNT(x); i++) x[i] = (float)(i * 37 % 256);
  for (uint32_t level = EFME_CPU_BASELINE; level <= EFME_CPU_AVX512; level++)
    for (uint32_t cut = 1; cut <= 7; cut += 3) {
      efme_context *c = context_at(level);
      efme_model *m = model_of(c, cut);
      efme_predictor *p = predictor_of(m, 3);
      float usual[9];
      OK(efme_predictor_run(p, x, 3, usual, NULL));
      for (size_t v = 0; v < EFME_COUNT(values); v++)
        for (size_t k = 0; k < EFME_COUNT(places); k++) try_pixel(p, x, places[k], values[v], usual);
      /* denormals are numbers: not flushed to zero, they are still nothing beside 1 */
      float tiny[9], zero[9];
      for (size_t i = 0; i < PIXELS; i++) x[i] = 1e-41f;
      OK(efme_predictor_run(p, x, 1, tiny, NULL));
      for (size_t i = 0; i < PIXELS; i++) x[i] = 0.0f;
      OK(efme_predictor_run(p, x, 1, zero, NULL));
      ck_assert_mem_eq(tiny, zero, 3 * sizeof *tiny);
      for (size_t i = 0; i < PIXELS; i++) x[i] = (float)(i * 37 % 256);
      efme_predictor_release(p);
      efme_model_release(m);
      efme_context_release(c);
    }
}
END_TEST

/* ---- weights ---- */

static void set(efme_model *m, const char *name, size_t count, size_t element, float value) {
  float *values = malloc(count * sizeof *values);
  OK(efme_model_get(m, name, values, count));
  values[element] = value;
  OK(efme_model_set(m, name, values, count));
  free(values);
}

static efme_image *grey(uint8_t tone) {
  uint8_t pixels[SIDE * SIDE];
  efme_image *image = NULL;
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(tone + i * 7);
  OK(efme_image_from_pixels(&image, context, pixels, EFME_PIXEL_GREY8, SIDE, SIDE, 0));
  return image;
}

START_TEST(extreme_weights_in_memory) { /* set takes what it is given; the prediction says */
  static const struct {
    const char *name;
    size_t count, element;
    float value;
    efme_status status;
  } cases[] = {{"stem_conv/kernel", 864, 5, NAN, EFME_E_NUMERIC},
               {"stem_conv/kernel", 864, 5, INFINITY, EFME_E_NUMERIC},
               {"stem_bn/moving_variance", 32, 3, -1, EFME_E_NUMERIC},
               {"stem_bn/gamma", 32, 3, 1e30f, EFME_OK},
               {"block1a_se_reduce/bias", 8, 0, NAN, EFME_E_NUMERIC},
               {"block1a_se_expand/bias", 32, 0, 1e30f, EFME_OK},
               {"block1a_se_expand/bias", 32, 0, -1e30f, EFME_OK},
               {"head/bias", 3, 1, NAN, EFME_E_NUMERIC},
               {"head/bias", 3, 1, INFINITY, EFME_E_NUMERIC},
               {"head/bias", 3, 1, 1e30f, EFME_OK},
               {"head/bias", 3, 1, -INFINITY, EFME_OK},
               {"head/kernel", 48, 7, 1e-42f, EFME_OK},
               {"stem_bn/moving_variance", 32, 3, 1e30f, EFME_OK},
               {"stem_bn/moving_variance", 32, 3, 0, EFME_OK}};
  efme_image *image = grey(3);
  for (size_t i = 0; i < EFME_COUNT(cases); i++) {
    efme_model *m = model_of(context, 1);
    set(m, cases[i].name, cases[i].count, cases[i].element, cases[i].value);
    efme_predictor *p = predictor_of(m, 1);
    efme_prediction r;
    float probabilities[3];
    OK(efme_predictor_run_images(p, &image, 1, &r, probabilities));
    ck_assert_msg(r.status == cases[i].status, "%s = %g: %s, %g %g %g", cases[i].name, (double)cases[i].value, efme_status_name(r.status),
                  (double)probabilities[0], (double)probabilities[1], (double)probabilities[2]);
    efme_predictor_release(p);
    efme_model_release(m);
  }
  efme_image_release(image);
}
END_TEST

START_TEST(extreme_weights_in_files) { /* are refused, by tensor and element, whoever wrote them */
  static const struct {
    const char *name;
    size_t count, element;
    float value;
    const char *text; /* NULL: taken */
  } cases[] = {{"stem_conv/kernel", 864, 5, NAN, "tensor \"stem_conv/kernel\": element 5 is not finite"},
               {"head/bias", 3, 2, -INFINITY, "tensor \"head/bias\": element 2 is not finite"},
               {"stem_bn/moving_variance", 32, 31, -1e-30f, "tensor \"stem_bn/moving_variance\": element 31 is a negative variance"},
               {"stem_bn/moving_mean", 32, 31, -1e30f, NULL},
               {"head/kernel", 48, 0, 1e-45f, NULL}};
  efme_model *good = model_of(context, 1), *m = NULL;
  const char *path = at("extreme");
  for (size_t i = 0; i < EFME_COUNT(cases); i++) {
    OK(efme_model_save(good, path, EFME_WEIGHTS_F32));
    OK(efme_model_clone(&m, good, NULL));
    set(m, cases[i].name, cases[i].count, cases[i].element, cases[i].value);
    efme_status status = efme_model_save(m, path, EFME_WEIGHTS_F32);
    ck_assert_int_eq(status, cases[i].text ? EFME_E_NUMERIC : EFME_OK);
    if (cases[i].text) ck_assert_msg(strstr(efme_last_error(), cases[i].text) && strstr(efme_last_error(), path), "%s", efme_last_error());
    efme_model_release(m);
    OK(efme_model_load(&m, context, path, NULL)); /* what was there, or the new one */
    float *values = malloc(cases[i].count * sizeof *values);
    OK(efme_model_get(m, cases[i].name, values, cases[i].count));
    if (!cases[i].text) ck_assert(values[cases[i].element] == cases[i].value); /* denormals too */
    free(values);
    efme_model_release(m);
  }
  /* Written by another program: the bytes of the file changed, with libefme's names and as Keras' weights. */
  OK(efme_model_save(good, path, EFME_WEIGHTS_F32));
  uint8_t *data = NULL;
  size_t size = 0;
  uint64_t header;
  const float nan = NAN;
  OK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1 << 24));
  memcpy(&header, data, 8);
  memcpy(data + 8 + header, &nan, 4);
  OK(efme_file_write(&efme_allocator_libc, path, data, size));
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  m = NULL;
  FAILS(efme_model_load(&m, context, path, NULL), EFME_E_MISMATCH, "content hash"); /* first of all it is another's */
  o.ignore_checksum = 1;
  FAILS(efme_model_load(&m, context, path, &o), EFME_E_NUMERIC, "element 0 is not finite");
  o.class_names = efme_classes_meg3(), o.class_count = 3;
  FAILS(efme_model_import(&m, context, path, "keras", &o), EFME_E_NUMERIC, "element 0 is not finite");
  ck_assert_ptr_null(m);
  efme_mem_free(&efme_allocator_libc, data);
  efme_model_release(good);
}
END_TEST

/* ---- training ---- */

struct host {
  const int32_t *labels;
  uint32_t subjects;
};

static efme_status describe(efme_sample *s, uint64_t index, void *user) {
  static char subject[16]; /* copied before the next call */
  const struct host *h = user;
  snprintf(subject, sizeof subject, "p%u", (unsigned)(index % h->subjects));
  s->dataset = "own", s->subject = subject, s->label = h->labels[index];
  return EFME_OK;
}

static efme_status read_tone(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)user, (void)c;
  *out = grey((uint8_t)(index * 40));
  return EFME_OK;
}

static efme_status dataset_of(efme_dataset **out, struct host *h, uint64_t count) {
  efme_dataset_callbacks c = {sizeof c, count, describe, read_tone, NULL, h, efme_classes_meg3(), 3, 0};
  return efme_dataset_create(out, context, &c);
}

START_TEST(labels_out_of_range) {
  static const int32_t bad[] = {3, -2, INT32_MAX, INT32_MIN};
  efme_dataset *d = NULL;
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    int32_t labels[3] = {0, bad[i], 2};
    struct host h = {labels, 3};
    char word[64];
    snprintf(word, sizeof word, "label %d", bad[i]);
    FAILS(dataset_of(&d, &h, 3), EFME_E_ARGUMENT, word);
    efme_scores s = EFME_SCORES_INIT;
    FAILS(efme_score(&s, labels, labels, 3, 3), EFME_E_ARGUMENT, "truth[1]");
  }
  ck_assert_ptr_null(d);
  /* no class is allowed in a dataset, but not in training */
  int32_t labels[4] = {0, 1, 2, EFME_NO_CLASS};
  struct host h = {labels, 4};
  efme_model *m = model_of(context, 1);
  efme_recipe *recipe = NULL;
  efme_trainer *t = NULL;
  OK(dataset_of(&d, &h, 4));
  OK(efme_recipe_create(&recipe, context, "fine-tune"));
  FAILS(efme_trainer_create(&t, m, recipe, d, NULL), EFME_E_MISMATCH, "training sample own/p3/3 has no class");
  ck_assert_ptr_null(t);
  efme_recipe_release(recipe);
  efme_dataset_release(d);
  efme_model_release(m);
}
END_TEST

static efme_recipe *recipe_of(const char *preset, uint32_t batch, uint32_t scope, double rate, uint32_t epochs) {
  efme_recipe *recipe = NULL;
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  efme_optimizer_options oo = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  OK(efme_recipe_create(&recipe, context, preset));
  OK(efme_recipe_get_options(recipe, &o));
  o.batch = batch;
  OK(efme_recipe_set_options(recipe, &o));
  OK(efme_recipe_clear_phases(recipe));
  oo.learning_rate = rate;
  OK(efme_optimizer_create(&phase.optimizer, context, &oo));
  phase.scope = scope, phase.epochs = epochs;
  OK(efme_recipe_add_phase(recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  return recipe;
}

/* Every weight of a trained model is a number, and it saves. */
static void check_trained(const efme_trainer *t) {
  efme_model *m = NULL;
  OK(efme_trainer_model(&m, t));
  OK(efme_model_save(m, at("trained"), EFME_WEIGHTS_F32)); /* refuses what is not finite */
  efme_model_release(m);
}

/* One image of each class, one image a step, batch statistics of one pixel a channel where the whole network has shrunk it. */
START_TEST(smallest_training) {
  static const int32_t labels[3] = {0, 1, 2};
  struct host h = {labels, 3};
  efme_dataset *d = NULL;
  OK(dataset_of(&d, &h, 3));
  for (int all = 0; all < 2; all++)
    for (uint32_t cut = 1; cut <= 7; cut += 6) {
      efme_model *m = model_of(context, cut);
      efme_recipe *recipe = recipe_of(all ? "scratch" : "head", 1, all ? EFME_SCOPE_ALL : EFME_SCOPE_HEAD, 1e-3, 2);
      efme_trainer *t = NULL;
      OK(efme_trainer_create(&t, m, recipe, d, d));
      OK(efme_trainer_run(t, NULL, NULL));
      ck_assert_uint_eq(efme_trainer_epoch_count(t), 2);
      check_trained(t);
      efme_trainer_release(t);
      efme_recipe_release(recipe);
      efme_model_release(m);
    }
  efme_dataset_release(d);
}
END_TEST

/* Gradients and steps that leave the range: the run says so, or ends with numbers. */
START_TEST(extreme_training) {
  static const int32_t labels[6] = {0, 1, 2, 0, 1, 2};
  static const struct {
    const char *tensor;
    size_t count;
    float weight;
    double rate;
    int ends; /* 1: to the end, 0: NUMERIC, -1: either */
  } cases[] = {{"head/bias", 3, NAN, 1e-3, 0},         {"head/bias", 3, INFINITY, 1e-3, 0},  {"head/kernel", 48, 1e30f, 1e-3, -1},
               {"stem_bn/gamma", 32, 1e30f, 1e-3, -1}, {"head/kernel", 48, 1e-40f, 1e-3, 1}, {"head/bias", 3, 0, 1e30, -1},
               {"head/bias", 3, 0, 1e300, 0},          {"head/bias", 3, 0, 1e-300, 1},       {"stem_bn/moving_variance", 32, -1, 1e-3, -1}};
  struct host h = {labels, 2};
  efme_dataset *d = NULL;
  OK(dataset_of(&d, &h, 6));
  for (size_t i = 0; i < EFME_COUNT(cases); i++)
    for (int all = 0; all < 2; all++) {
      efme_model *m = model_of(context, 1);
      efme_recipe *recipe = recipe_of(all ? "scratch" : "head", 2, all ? EFME_SCOPE_ALL : EFME_SCOPE_HEAD, cases[i].rate, 2);
      efme_trainer *t = NULL;
      set(m, cases[i].tensor, cases[i].count, 1, cases[i].weight);
      OK(efme_trainer_create(&t, m, recipe, d, NULL));
      efme_status status = efme_trainer_run(t, NULL, NULL);
      ck_assert_msg(cases[i].ends < 0 ? status == EFME_OK || status == EFME_E_NUMERIC
                                      : status == (cases[i].ends ? EFME_OK : EFME_E_NUMERIC),
                    "%s = %g, rate %g, %s: %s %s", cases[i].tensor, (double)cases[i].weight, cases[i].rate, all ? "all" : "head",
                    efme_status_name(status), efme_last_error());
      if (status == EFME_OK && cases[i].weight >= 0) check_trained(t);
      if (status) FAILS(efme_trainer_run(t, NULL, NULL), EFME_E_STATE, "not finite");
      efme_trainer_release(t);
      efme_recipe_release(recipe);
      efme_model_release(m);
    }
  efme_dataset_release(d);
}
END_TEST

/* ---- amounts ---- */

static long resident(void) { /* KiB */
  long pages = 0, ignored;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%ld %ld", &ignored, &pages) != 2) pages = 0;
  if (f) fclose(f);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MEMORY 0 /* the sanitizer's own memory grows with the work */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MEMORY 0
#endif
#endif
#ifndef OWN_MEMORY
#define OWN_MEMORY 1
#endif

static void predict_once(efme_predictor *p, uint32_t i) {
  efme_image *image = grey((uint8_t)i);
  efme_prediction r;
  OK(efme_predictor_run_images(p, &image, 1, &r, NULL));
  ck_assert_int_eq(r.status, EFME_OK);
  efme_image_release(image);
}

START_TEST(ten_thousand_predictions) {
  efme_model *m = model_of(context, 1);
  efme_predictor *p = predictor_of(m, 1);
  for (uint32_t i = 0; i < 500; i++) predict_once(p, i);
  long before = resident();
  for (uint32_t i = 0; i < 10000; i++) predict_once(p, i);
  long after = resident();
  efme_predictor_release(p);
  for (uint32_t i = 0; i < 200; i++) { /* predictors come and go */
    p = predictor_of(m, 1 + i % 4);
    predict_once(p, i);
    efme_predictor_release(p);
  }
  long ended = resident();
  printf("resident: %ld KiB before, %ld after 10000 predictions, %ld after 200 predictors\n", before, after, ended);
  if (OWN_MEMORY && before) {
    ck_assert_int_le(after - before, 256);
    ck_assert_int_le(ended - before, 1024);
  }
  efme_model_release(m);
}
END_TEST

START_TEST(more_than_there_may_be) { /* of datasets: lists by dataset would grow with every row */
  struct efme_text manifest, table;
  efme_text_init(&manifest, &efme_allocator_libc), efme_text_init(&table, &efme_allocator_libc);
  efme_text_add(&manifest, "path,label,subject,dataset,clip\n"), efme_text_add(&table, "dataset,subject,clip,truth,predicted\n");
  static const char image[] = "P5 1 1 255\nx";
  OK(efme_file_write(&efme_allocator_libc, at("i.pgm"), image, sizeof image - 1));
  for (unsigned i = 0; i < 1025; i++) {
    if (i == 1024) { /* so many are possible */
      efme_dataset *d = NULL;
      efme_result *r = NULL;
      put(at("m.csv"), &manifest), put(at("t.csv"), &table);
      OK(efme_dataset_open_manifest(&d, context, at("m.csv"), NULL));
      OK(efme_result_from_csv(&r, context, at("t.csv"), NULL, 2, NULL));
      ck_assert_uint_eq(efme_result_dataset_count(r), 1024);
      efme_result_release(r);
      efme_dataset_release(d);
    }
    for (int k = 0; k < 2; k++) {
      efme_text_printf(&manifest, "i.pgm,%s,p,set%u,c%d\n", k ? "a" : "b", i, k);
      efme_text_printf(&table, "set%u,p,c%d,%d,1\n", i, k, k);
    }
  }
  efme_dataset *d = NULL;
  efme_result *r = NULL;
  put(at("m.csv"), &manifest), put(at("t.csv"), &table);
  FAILS(efme_dataset_open_manifest(&d, context, at("m.csv"), NULL), EFME_E_LIMIT, "m.csv: samples of 1025 datasets");
  FAILS(efme_result_from_csv(&r, context, at("t.csv"), NULL, 2, NULL), EFME_E_LIMIT, "t.csv: predictions of more than 1024 datasets");
  efme_text_free(&manifest), efme_text_free(&table);
}
END_TEST

int main(void) {
  strcpy(folder, "/tmp/efme-extremes-XXXXXX");
  if (!mkdtemp(folder)) return perror(folder), EXIT_FAILURE;
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu", o.threads = 2;
  if (efme_context_create(&context, &o)) return fprintf(stderr, "%s\n", efme_last_error()), EXIT_FAILURE;
  Suite *suite = suite_create("extremes");
  TCase *t = tcase_create("extremes");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, extreme_pixels);
  tcase_add_test(t, extreme_weights_in_memory);
  tcase_add_test(t, extreme_weights_in_files);
  tcase_add_test(t, labels_out_of_range);
  tcase_add_test(t, smallest_training);
  tcase_add_test(t, extreme_training);
  tcase_add_test(t, ten_thousand_predictions);
  tcase_add_test(t, more_than_there_may_be);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(folder);
  return result;
}
