/* Contexts never meet: some, each in a thread of its own with other threads, another instruction set level, allocator, log and errors,
 * train and predict at the same time what each does alone, to the bit. */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"

enum { WORLDS = 4 };

static pthread_barrier_t *meeting; /* NULL while one lives alone */
static void meet(void) {
  if (meeting) pthread_barrier_wait(meeting);
}

struct world { /* one context and what it left behind */
  uint32_t number, threads, level;
  atomic_long live, allocations, lines;
  atomic_int foreign; /* it was given another's memory to free, or line to log */
  float *weights, logits[3];
  size_t count;
  char error[200];
};

/* Each block knows whose it is. */
struct header {
  struct world *owner;
  void *base;
};

static void *world_alloc(size_t size, size_t alignment, void *user) {
  struct world *w = user;
  size_t room = sizeof(struct header) > alignment ? sizeof(struct header) : alignment;
  void *base;
  if (posix_memalign(&base, alignment, room + size)) return NULL;
  char *p = (char *)base + room;
  ((struct header *)(void *)p)[-1] = (struct header){w, base};
  atomic_fetch_add(&w->live, 1), atomic_fetch_add(&w->allocations, 1);
  return p;
}

static void world_free(void *p, void *user) {
  struct world *w = user;
  struct header h = ((struct header *)p)[-1];
  if (h.owner != w) atomic_store(&w->foreign, 1);
  atomic_fetch_sub(&h.owner->live, 1);
  free(h.base);
}

/* The file that a world keeps its model in; its number in the name tells whose a log line is. */
static const char *world_file(const struct world *w, char path[64]) {
  snprintf(path, 64, "train_world%u_%ld.tmp", w->number, (long)getpid());
  return path;
}

static void world_log(efme_log_level level, const char *message, void *user) {
  struct world *w = user;
  char path[64];
  (void)level;
  if (strstr(message, "train_world") && !strstr(message, world_file(w, path))) atomic_store(&w->foreign, 1);
  if (strstr(message, "content hash")) atomic_fetch_add(&w->lines, 1);
}

/* Saves the model and loads it again with the lowest bit of its last weight changed, which makes a line in the log. */
static void log_something(struct world *w, efme_context *c, const efme_model *model) {
  char path[64];
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  efme_model *back = NULL;
  ck_ok(efme_model_save(model, world_file(w, path), EFME_WEIGHTS_F32));
  FILE *f = fopen(path, "r+b");
  ck_assert(f != NULL && fseek(f, -4, SEEK_END) == 0);
  int low = fgetc(f);
  ck_assert(low != EOF && fseek(f, -4, SEEK_END) == 0 && fputc(low ^ 1, f) != EOF && fclose(f) == 0);
  o.ignore_checksum = 1;
  ck_ok(efme_model_load(&back, c, path, &o));
  efme_model_release(back);
  remove(path);
}

static void live(struct world *w) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.backend = "cpu", o.threads = w->threads, o.cpu_level = w->level;
  o.alloc = world_alloc, o.free = world_free, o.alloc_user = w;
  o.log = world_log, o.log_user = w, o.log_level = EFME_LOG_DEBUG;
  ck_ok(efme_context_create(&c, &o));
  efme_dataset *train = fx_dataset(c, 0, 18, 3, 1);
  efme_model *model = fx_model(c, 1 + w->number % 2, 5 + w->number);
  efme_recipe *recipe = fx_updating(c);
  fx_phase(c, recipe, EFME_SCOPE_ALL, 5, 0, 0, EFME_ADAM, 1e-3);
  meet();
  w->weights = fx_train(model, recipe, train, NULL, &w->count);
  log_something(w, c, model);
  char name[32];
  snprintf(name, sizeof name, "layer%u/kernel", w->number);
  ck_assert_int_eq(efme_model_get(model, name, w->logits, 3), EFME_E_NOT_FOUND); /* its text stays when the others fail, too */
  meet();
  float *pixels = calloc(SIDE * SIDE * 3, sizeof *pixels);
  for (int i = 0; i < SIDE * SIDE * 3; i++) pixels[i] = (float)((i * 7 + (int)w->number * 31) % 256);
  efme_predictor *predictor = NULL;
  ck_ok(efme_predictor_create(&predictor, model, NULL));
  for (int turn = 0; turn < 200; turn++) ck_ok(efme_predictor_run(predictor, pixels, 1, w->logits, NULL));
  snprintf(w->error, sizeof w->error, "%s", efme_last_error());
  free(pixels);
  efme_predictor_release(predictor);
  efme_recipe_release(recipe), efme_model_release(model), efme_dataset_release(train);
  efme_context_release(c);
}

static void *live_in_thread(void *user) { return live(user), NULL; }

static void begin(struct world *w, uint32_t number) {
  memset(w, 0, sizeof *w);
  w->number = number;
  w->threads = 1 + number % 3;
  w->level = 1 + number % 3; /* lowered where the CPU lacks it */
}

START_TEST(contexts_never_meet) {
  static struct world alone[WORLDS], together[WORLDS];
  pthread_t threads[WORLDS];
  for (uint32_t i = 0; i < WORLDS; i++) {
    begin(&alone[i], i), begin(&together[i], i);
    live(&alone[i]);
  }
  pthread_barrier_t barrier;
  ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, WORLDS), 0);
  meeting = &barrier;
  for (uint32_t i = 0; i < WORLDS; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, live_in_thread, &together[i]), 0);
  for (uint32_t i = 0; i < WORLDS; i++) pthread_join(threads[i], NULL);
  meeting = NULL;
  pthread_barrier_destroy(&barrier);
  for (uint32_t i = 0; i < WORLDS; i++) {
    const struct world *a = &alone[i], *b = &together[i];
    char name[32];
    snprintf(name, sizeof name, "layer%u/kernel", i);
    ck_assert_uint_eq(a->count, b->count);
    fx_same_bits(a->weights, b->weights, a->count, "together");
    ck_assert_mem_eq(a->logits, b->logits, sizeof a->logits);
    ck_assert_msg(strstr(b->error, name) != NULL, "the error of thread %u is \"%s\"", i, b->error);
    ck_assert_int_eq(atomic_load(&b->live), 0);
    ck_assert_int_eq(atomic_load(&b->foreign), 0);
    ck_assert_int_gt(atomic_load(&b->allocations), 20);
    ck_assert_int_eq(atomic_load(&b->lines), 1);
    free(a->weights), free(b->weights);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("contexts");
  TCase *t = tcase_create("contexts");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, contexts_never_meet);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
