/* Threads of the host: two contexts that know nothing of each other, and one model under everything at once. The results must be those
 * of a single thread; what races shows under the thread sanitizer. */
#include "test.h"

#include <pthread.h>

#include "everything.h"
#include "util/util.h"

static char folder[64];

static efme_context *context_of(uint32_t threads) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.backend = "cpu", o.threads = threads;
  if (efme_context_create(&c, &o)) fprintf(stderr, "%s\n", efme_last_error()), abort();
  return c;
}

/* ---- thread-local variables of the host lie in every thread's stack ---- */

static _Thread_local volatile char large[3 << 20];

START_TEST(large_thread_locals) {
  large[0] = 1;
  efme_context *c = context_of(3);
  ck_assert_uint_eq(efme_context_threads(c), 3);
  efme_context_release(c);
}
END_TEST

/* ---- two contexts ---- */

struct host {
  char folder[96];
  uint32_t threads;
  struct everything e;
};

static void *all_of_it(void *arg) {
  struct host *h = arg;
  efme_context *c = context_of(h->threads);
  everything_run(&h->e, c, h->folder);
  efme_context_release(c);
  return NULL;
}

START_TEST(two_contexts) {
  static struct host hosts[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    snprintf(hosts[i].folder, sizeof hosts[i].folder, "%s/%d", folder, i);
    hosts[i].threads = 2 + (uint32_t)i;
    ck_assert_int_eq(efme_dir_create(&efme_allocator_libc, hosts[i].folder), EFME_OK);
    ck_assert_int_eq(pthread_create(&threads[i], NULL, all_of_it, &hosts[i]), 0);
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  const char *line = everything_differs(&hosts[0].e, &hosts[1].e);
  ck_assert_msg(!line, "%s differs between two contexts that ran at once", line);
  ck_assert_uint_ge(hosts[0].e.count, 150);
}
END_TEST

/* ---- one context, one model, one dataset, one plan: predictors, a trainer, an evaluator and readers of everything ---- */

#define SIDE 32
#define TURNS 3

struct shared {
  efme_context *context;
  efme_model *model;
  efme_dataset *data;
  efme_recipe *recipe;
  efme_fold_plan *plan;
  uint64_t answers[4][TURNS]; /* by job: what its turns gave */
};

struct job {
  struct shared *s;
  int kind;
};

static void check(efme_status status) {
  if (status) fprintf(stderr, "%s\n", efme_last_error()), abort();
}

static uint64_t predict(const struct shared *s) {
  efme_predictor *p = NULL;
  efme_image *images[6];
  efme_prediction results[6];
  float probabilities[18];
  check(efme_predictor_create(&p, s->model, NULL));
  for (uint64_t i = 0; i < 6; i++) check(efme_dataset_read(s->data, i, &images[i]));
  check(efme_predictor_run_images(p, images, 6, results, probabilities));
  for (int i = 0; i < 6; i++) efme_image_release(images[i]);
  efme_predictor_release(p);
  return efme_hash64(probabilities, sizeof probabilities, 0);
}

static uint64_t train(const struct shared *s) {
  efme_trainer *t = NULL;
  efme_model *m = NULL;
  efme_model_info info = EFME_MODEL_INFO_INIT;
  check(efme_trainer_create(&t, s->model, s->recipe, s->data, NULL));
  check(efme_trainer_run(t, NULL, NULL));
  check(efme_trainer_model(&m, t));
  check(efme_model_get_info(m, &info));
  efme_model_release(m);
  efme_trainer_release(t);
  return info.checksum;
}

static uint64_t evaluate(const struct shared *s) {
  efme_evaluator *e = NULL;
  efme_result *r = NULL;
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_scores scores = EFME_SCORES_INIT;
  o.workers = 2;
  check(efme_evaluator_create(&e, s->model, s->data, s->plan, s->recipe, &o));
  check(efme_evaluator_run(e, NULL, NULL));
  check(efme_evaluator_result(&r, e));
  check(efme_result_scores(r, NULL, &scores));
  efme_result_release(r);
  efme_evaluator_release(e);
  return efme_hash64(&scores, sizeof scores, 0);
}

/* Asks what may be asked from any thread, and gets an error of its own. */
static uint64_t ask(const struct shared *s) {
  efme_sample sample = EFME_SAMPLE_INIT;
  efme_model *held = efme_model_retain(s->model);
  float value = 0;
  uint64_t fingerprint = efme_dataset_fingerprint(s->data);
  for (uint64_t i = 0; i < efme_dataset_count(s->data); i++) check(efme_dataset_sample(s->data, i, &sample));
  if (efme_model_get(held, "no such tensor", &value, 1) != EFME_E_NOT_FOUND || !strstr(efme_last_error(), "no such tensor")) abort();
  efme_model_release(held);
  return fingerprint ^ efme_fold_plan_count(s->plan);
}

static uint64_t (*const kinds[])(const struct shared *) = {predict, train, evaluate, ask};

static void *work(void *arg) {
  struct job *j = arg;
  for (int turn = 0; turn < TURNS; turn++) j->s->answers[j->kind][turn] = kinds[j->kind](j->s);
  return NULL;
}

static void make(struct shared *s) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_model_options mo = EFME_MODEL_OPTIONS_INIT;
  efme_train_options to = EFME_TRAIN_OPTIONS_INIT;
  efme_phase phase = EFME_PHASE_INIT;
  s->context = context_of(2);
  o.subjects = 3, o.samples_per_subject = 6, o.size = SIDE;
  mo.cut = 2, mo.height = mo.width = SIDE, mo.class_names = efme_classes_meg3(), mo.class_count = 3;
  check(efme_dataset_open_synthetic(&s->data, s->context, &o));
  check(efme_model_create(&s->model, s->context, &mo));
  check(efme_recipe_create(&s->recipe, s->context, "scratch"));
  check(efme_recipe_get_options(s->recipe, &to));
  to.batch = 6;
  check(efme_recipe_set_options(s->recipe, &to));
  check(efme_recipe_clear_phases(s->recipe));
  check(efme_optimizer_create(&phase.optimizer, s->context, NULL));
  check(efme_recipe_add_phase(s->recipe, &phase));
  efme_optimizer_release(phase.optimizer);
  check(efme_fold_plan_loso(&s->plan, s->data, NULL));
}

START_TEST(one_model_for_all) {
  struct shared s;
  pthread_t threads[4];
  struct job jobs[4];
  memset(&s, 0, sizeof s);
  make(&s);
  for (int i = 0; i < 4; i++) {
    jobs[i] = (struct job){&s, i};
    ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
  }
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  for (int kind = 0; kind < 4; kind++) {
    uint64_t alone = kinds[kind](&s);
    for (int turn = 0; turn < TURNS; turn++)
      ck_assert_msg(s.answers[kind][turn] == alone, "job %d, turn %d: another result than alone", kind, turn);
  }
  efme_fold_plan_release(s.plan);
  efme_recipe_release(s.recipe);
  efme_model_release(s.model);
  efme_dataset_release(s.data);
  efme_context_release(s.context);
}
END_TEST

int main(void) {
  strcpy(folder, "/tmp/efme-threads-XXXXXX");
  if (!mkdtemp(folder)) return perror(folder), EXIT_FAILURE;
  Suite *suite = suite_create("threads");
  TCase *t = tcase_create("threads");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, large_thread_locals);
  tcase_add_test(t, two_contexts);
  tcase_add_test(t, one_model_for_all);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(folder);
  return result;
}
