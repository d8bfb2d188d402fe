/* efme-bench: times the public API, one configuration a process, and checks what it timed.
 *
 *   efme-bench infer WEIGHTS GOLDEN CUT SIZE BATCH THREADS    forward passes; logits are held against GOLDEN's `logits` for its `x`
 *   efme-bench detect WEIGHTS IMAGE FACES THREADS            face detection at a least size of 40; FACES must be found
 *   efme-bench train CUT SIZE BATCH THREADS [fixed]           training steps, all layers, BN updating (or fixed); the loss must fall
 *
 * After set-up it prints `ready {...}`. Each line `run SECONDS` on standard input is answered by one JSON line with the
 * median ms an image over that time, so that a driver can interleave it with a peer; end of input ends it. */
#include <efme/efme.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "golden.h"

enum { MAX_SAMPLES = 100000 };
static double samples[MAX_SAMPLES]; /* ms an image of each timed call */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double d = *(const double *)a - *(const double *)b;
  return (d > 0) - (d < 0);
}

static void answer(int n) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  qsort(samples, (size_t)n, sizeof samples[0], ascending);
  printf("{\"ms\":%.5f,\"min\":%.5f,\"calls\":%d,\"rss_mib\":%ld}\n", samples[n / 2], samples[0], n, usage.ru_maxrss / 1024);
  fflush(stdout);
}

static int failed(const char *what) {
  fprintf(stderr, "efme-bench: %s: %s\n", what, efme_last_error());
  return 1;
}

/* Reads the next `run SECONDS`; 0 at the end of input. */
static double next_run(void) {
  char line[64];
  double seconds = 0;
  return fgets(line, sizeof line, stdin) && sscanf(line, "run %lf", &seconds) == 1 ? seconds : 0;
}

/* ---- inference ---- */

/* Largest difference of logits from the golden ones, relative to the largest golden value. */
static double worst_difference(const float *logits, const struct golden_tensor *want, uint32_t batch, uint32_t classes) {
  double worst = 0, scale = 0;
  for (size_t i = 0; i < want->count; i++) scale = fmax(scale, fabs((double)want->values[i]));
  for (uint32_t n = 0; n < batch; n++)
    for (uint32_t k = 0; k < classes; k++) {
      size_t from = (n % (uint32_t)want->dims[0]) * classes + k;
      worst = fmax(worst, fabs((double)logits[n * classes + k] - (double)want->values[from]));
    }
  return worst / scale;
}

static int infer(int argc, char **argv) {
  if (argc != 6) return fputs("infer WEIGHTS GOLDEN CUT SIZE BATCH THREADS\n", stderr), 2;
  uint32_t cut = (uint32_t)atoi(argv[2]), size = (uint32_t)atoi(argv[3]), batch = (uint32_t)atoi(argv[4]), threads = (uint32_t)atoi(argv[5]);
  const char *error;
  struct golden_tensor x, want;
  if (!golden_read(&x, argv[1], "x", &error) || !golden_read(&want, argv[1], "logits", &error)) return fprintf(stderr, "%s %s\n", argv[1], error), 1;
  uint32_t classes = (uint32_t)want.dims[1];
  if (x.dims[1] != (long)size || x.dims[2] != (long)size) return fputs("the golden images have another size\n", stderr), 2;
  efme_context *context = NULL;
  efme_model *model = NULL;
  efme_predictor *predictor = NULL;
  efme_context_options context_options = EFME_CONTEXT_OPTIONS_INIT;
  context_options.threads = threads;
  efme_load_options load = EFME_LOAD_OPTIONS_INIT;
  load.cut = cut, load.height = load.width = size, load.class_names = efme_classes_meg3(), load.class_count = classes;
  efme_predictor_options options = EFME_PREDICTOR_OPTIONS_INIT;
  options.max_batch = batch;
  if (efme_context_create(&context, &context_options) || efme_model_import(&model, context, argv[0], NULL, &load) ||
      efme_predictor_create(&predictor, model, &options))
    return failed("set-up");
  size_t image = (size_t)size * size * 3;
  float *pixels = malloc(batch * image * sizeof(float)), *logits = malloc(batch * classes * sizeof(float));
  if (!pixels || !logits) return 1;
  for (uint32_t n = 0; n < batch; n++) memcpy(pixels + n * image, x.values + (n % (uint32_t)x.dims[0]) * image, image * sizeof(float));
  for (int i = 0; i < 3; i++)
    if (efme_predictor_run(predictor, pixels, batch, logits, NULL)) return failed("warm-up");
  printf("ready {\"what\":\"infer\",\"cpu_level\":%u,\"threads\":%u}\n", efme_context_cpu_level(context), efme_context_threads(context));
  fflush(stdout);
  for (double seconds; (seconds = next_run()) > 0;) {
    int n = 0;
    for (double end = now() + seconds; (now() < end || n < 3) && n < MAX_SAMPLES; n++) {
      double start = now();
      if (efme_predictor_run(predictor, pixels, batch, logits, NULL)) return failed("run");
      samples[n] = (now() - start) * 1e3 / batch;
    }
    double difference = worst_difference(logits, &want, batch, classes);
    if (!(difference < 1e-4)) return fprintf(stderr, "the logits are wrong: %g of the largest golden value\n", difference), 1;
    answer(n);
  }
  efme_predictor_release(predictor);
  efme_model_release(model);
  efme_context_release(context);
  free(pixels), free(logits), free(x.values), free(want.values);
  return 0;
}

/* ---- face detection ---- */

static int detect(int argc, char **argv) {
  if (argc != 4) return fputs("detect WEIGHTS IMAGE FACES THREADS\n", stderr), 2;
  uint32_t want = (uint32_t)atoi(argv[2]), found = 0;
  efme_context *context = NULL;
  efme_face_detector *detector = NULL;
  efme_image *image = NULL;
  efme_context_options context_options = EFME_CONTEXT_OPTIONS_INIT;
  context_options.threads = (uint32_t)atoi(argv[3]);
  if (efme_context_create(&context, &context_options) || efme_face_detector_create(&detector, context, argv[0], NULL) ||
      efme_image_load(&image, context, argv[1], NULL))
    return failed("set-up");
  for (int i = 0; i < 3; i++)
    if (efme_face_detector_run(detector, image, &found)) return failed("warm-up");
  printf("ready {\"what\":\"detect\",\"cpu_level\":%u,\"threads\":%u}\n", efme_context_cpu_level(context), efme_context_threads(context));
  fflush(stdout);
  for (double seconds; (seconds = next_run()) > 0;) {
    int n = 0;
    for (double end = now() + seconds; (now() < end || n < 3) && n < MAX_SAMPLES; n++) {
      double start = now();
      if (efme_face_detector_run(detector, image, &found)) return failed("run");
      samples[n] = (now() - start) * 1e3;
    }
    if (found != want) return fprintf(stderr, "%u faces, not %u\n", found, want), 1;
    answer(n);
  }
  efme_image_release(image);
  efme_face_detector_release(detector);
  efme_context_release(context);
  return 0;
}

/* ---- training ---- */

struct watch {
  double last, end;
  int n;
  uint32_t batch;
};

/* Called after every step: measures while a run lasts, waits for the next one between them. */
static int on_step(const efme_train_progress *p, void *user) {
  struct watch *w = user;
  if (p->event != EFME_TRAIN_STEP || strcmp(p->what, "train")) return 0;
  double t = now();
  if (w->end > 0) {
    if (w->n < MAX_SAMPLES) samples[w->n++] = (t - w->last) * 1e3 / w->batch;
    if (t < w->end || w->n < 3) return w->last = now(), 0;
    answer(w->n);
  } else if (p->step < 3) return 0;
  else {
    printf("ready {\"what\":\"train\"}\n");
    fflush(stdout);
  }
  double seconds = next_run();
  w->n = 0, w->end = now() + seconds, w->last = now();
  return seconds <= 0;
}

static int train(int argc, char **argv) {
  if (argc != 4 && argc != 5) return fputs("train CUT SIZE BATCH THREADS [fixed]\n", stderr), 2;
  uint32_t size = (uint32_t)atoi(argv[1]);
  struct watch watch = {0, 0, 0, (uint32_t)atoi(argv[2])};
  efme_context_options context_options = EFME_CONTEXT_OPTIONS_INIT;
  context_options.threads = (uint32_t)atoi(argv[3]);
  efme_context *context = NULL;
  efme_dataset *data = NULL;
  efme_model *model = NULL;
  efme_recipe *recipe = NULL;
  efme_optimizer *adam = NULL;
  efme_trainer *trainer = NULL;
  efme_synthetic_options faces = EFME_SYNTHETIC_OPTIONS_INIT;
  faces.size = size, faces.subjects = 8, faces.samples_per_subject = 2 * watch.batch;
  efme_model_options net = EFME_MODEL_OPTIONS_INIT;
  net.cut = (uint32_t)atoi(argv[0]), net.height = net.width = size, net.class_names = efme_classes_meg3(), net.class_count = 3;
  efme_train_options options = EFME_TRAIN_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  if (efme_context_create(&context, &context_options) || efme_dataset_open_synthetic(&data, context, &faces) ||
      efme_model_create(&model, context, &net) || efme_recipe_create(&recipe, context, "scratch") || efme_recipe_get_options(recipe, &options) ||
      efme_optimizer_create(&adam, context, NULL))
    return failed("set-up");
  options.batch = watch.batch, options.log_every = 1, options.bn_mode = argc == 5 ? EFME_BN_FIXED : EFME_BN_UPDATE;
  phase.epochs = 1000000, phase.optimizer = adam;
  if (efme_recipe_set_options(recipe, &options) || efme_recipe_clear_phases(recipe) || efme_recipe_add_phase(recipe, &phase) ||
      efme_trainer_create(&trainer, model, recipe, data, NULL))
    return failed("set-up");
  efme_status status = efme_trainer_run(trainer, on_step, &watch);
  if (status != EFME_E_CANCELLED) return failed("training");
  efme_epoch first = EFME_EPOCH_INIT, last = EFME_EPOCH_INIT;
  uint32_t epochs = efme_trainer_epoch_count(trainer);
  int wrong = epochs > 2 && (efme_trainer_epoch(trainer, 0, &first) || efme_trainer_epoch(trainer, epochs - 1, &last) || !(last.loss < first.loss));
  if (wrong) fputs("the loss did not fall\n", stderr);
  efme_trainer_release(trainer);
  efme_optimizer_release(adam);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(data);
  efme_context_release(context);
  return wrong;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "infer")) return infer(argc - 2, argv + 2);
  if (argc > 1 && !strcmp(argv[1], "detect")) return detect(argc - 2, argv + 2);
  if (argc > 1 && !strcmp(argv[1], "train")) return train(argc - 2, argv + 2);
  fputs("efme-bench infer WEIGHTS GOLDEN CUT SIZE BATCH THREADS | detect WEIGHTS IMAGE FACES THREADS | train CUT SIZE BATCH THREADS [fixed]\n", stderr);
  return 2;
}
