/* Nothing is allocated where it would hurt: not by a predictor once it stands, not by a training step once its samples were
 * read, neither through the context's allocator nor, behind its back, from the C library. A whole epoch takes nothing from the
 * C library. */
#include <stdatomic.h>

#include "fixture.h"
#include "malloc_calls.h"

struct counts {
  long own, libc; /* through the context's allocator; all others */
};

static atomic_long own;

static void *own_alloc(size_t size, size_t alignment, void *user) {
  (void)user;
  atomic_fetch_add(&own, 1);
  void *p;
  return malloc_apart(&p, alignment, size) ? NULL : p;
}
static void own_free(void *p, void *user) { (void)user, malloc_apart_free(p); }

static struct counts now(void) { return (struct counts){atomic_load(&own), malloc_calls()}; }

static efme_context *make_context(uint32_t threads) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *context = NULL;
  o.threads = threads, o.backend = "cpu", o.alloc = own_alloc, o.free = own_free;
  ck_ok(efme_context_create(&context, &o));
  return context;
}

static void count_this_thread(void) { malloc_refuse(0); }

static int cannot_count(void) {
  if (malloc_interposed()) return 0;
  printf("SKIP: calls of malloc cannot be counted in this build; those of the context's allocator are\n");
  test_skips++;
  return 1;
}

/* The counter itself, and a call of libc that asks for memory by itself. */
START_TEST(counts) {
  if (cannot_count()) return;
  long before = malloc_calls();
  char *volatile p = malloc(7);
  free(p);
  ck_assert_int_eq(malloc_calls(), before + 1);
  FILE *f = fopen("/dev/null", "r");
  fclose(f);
  ck_assert_int_gt(malloc_calls(), before + 1);
}
END_TEST

/* ---- predictors ---- */

START_TEST(predictors) {
  static const uint32_t sizes[][2] = {{31, 33}, {300, 20}, {32, 32}, {500, 411}};
  efme_context *context = make_context(1 + 2 * (uint32_t)_i);
  efme_model *model = fx_model(context, 3, 4);
  efme_image *images[8];
  static float x[21 * SIDE * SIDE * 3];
  static uint8_t bytes[500 * 411 * 3];
  float logits[21 * 3], probabilities[21 * 3], gap[21 * 40];
  efme_prediction results[8];
  uint32_t dims[4];
  for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float)(i * 7 % 256);
  for (uint32_t i = 0; i < 8; i++)
    ck_ok(efme_image_from_pixels(&images[i], context, bytes, i < 4 ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, sizes[i % 4][0], sizes[i % 4][1],
                                 0));
  for (uint32_t kind = 0; kind < 4; kind++) {
    static const char *const taps[] = {"gap"};
    efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
    efme_predictor *p = NULL;
    o.max_batch = kind % 2 ? 5 : 21, o.threads = kind / 2;
    o.taps = taps, o.tap_count = kind == 0;
    ck_ok(efme_predictor_create(&p, model, &o));
    efme_image *none[2] = {images[0], NULL};
    int failed = 0; /* Check's own assertions allocate */
    struct counts before = now();
    for (uint32_t n = 1; n <= 21; n += n < 3 ? 1 : 6) failed += efme_predictor_run(p, x, n, logits, probabilities) != EFME_OK;
    failed += efme_predictor_run_images(p, images, 8, results, probabilities) != EFME_OK;
    if (kind == 0) failed += efme_predictor_tap(p, "gap", gap, 21 * 40, dims) != EFME_OK;
    failed += efme_predictor_run_images(p, none, 2, results, NULL) != EFME_OK;
    struct counts after = now();
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(results[1].status, EFME_E_ARGUMENT); /* one that fails does not either */
    ck_assert_msg(after.own == before.own && after.libc == before.libc, "predictor %u: %ld allocations, %ld from libc", kind,
                  after.own - before.own, after.libc - before.libc);
    efme_predictor_release(p);
  }
  for (int i = 0; i < 8; i++) efme_image_release(images[i]);
  efme_model_release(model);
  efme_context_release(context);
}
END_TEST

/* ---- training ---- */

struct steps {
  struct counts last;
  uint32_t phase, epoch, counted, epochs;
  int begun;
};

/* Between two steps of an epoch, but the phase's first, in which samples are read: nothing. Between epochs: nothing from libc. */
static int watch(const efme_train_progress *p, void *user) {
  struct steps *s = user;
  struct counts c = now();
  int same_phase = s->begun && p->phase == s->phase, step = p->event == EFME_TRAIN_STEP && strcmp(p->what, "train") == 0;
  if (same_phase && p->epoch > 0) {
    ck_assert_msg(c.libc == s->last.libc, "epoch %u of phase %u took %ld blocks from libc before its step %d (%s)", p->epoch, p->phase,
                  c.libc - s->last.libc, (int)p->step, p->what);
    if (step && p->step > 1 && p->epoch == s->epoch) {
      ck_assert_msg(c.own == s->last.own, "step %d of epoch %u of phase %u made %ld allocations", (int)p->step, p->epoch, p->phase,
                    c.own - s->last.own);
      s->counted++;
    }
    s->epochs += p->event == EFME_TRAIN_EPOCH;
  }
  s->phase = p->phase;
  s->epoch = p->epoch;
  s->begun = 1;
  s->last = now();
  return 0;
}

enum { CACHED, LIVE, FIXED, UPDATING, KINDS };

static efme_recipe *recipe_of(efme_context *context, int kind) {
  efme_recipe *recipe = kind == UPDATING ? fx_updating(context) : fx_fixed(context);
  efme_train_options o = fx_options(recipe);
  if (kind != CACHED) o.feature_variants = 0;
  if (kind == UPDATING) o.ema_decay = 0.9f;
  fx_set(recipe, o);
  for (uint32_t optimizer = EFME_ADAM; optimizer <= EFME_RMSPROP; optimizer++)
    fx_phase(context, recipe, kind <= LIVE ? EFME_SCOPE_HEAD : EFME_SCOPE_ALL, 4, 0, optimizer == EFME_SGD, optimizer, 1e-4);
  return recipe;
}

START_TEST(training) {
  efme_context *context = make_context(_i % 2 ? 3 : 1);
  efme_dataset *train = fx_dataset(context, 0, 75, 3, 1), *validation = fx_dataset(context, 75, 12, 3, 1);
  efme_model *model = fx_model(context, 1, 5);
  efme_recipe *recipe = recipe_of(context, _i / 2);
  struct steps steps = {.begun = 0};
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, validation));
  ck_ok(efme_trainer_run(trainer, watch, &steps));
  ck_assert_uint_eq(steps.counted, 4 * 3 * 9); /* phases, epochs, steps behind the first */
  ck_assert_uint_eq(steps.epochs, 4 * 3);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
  efme_context_release(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("steady");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_set_timeout(t, 0);
  tcase_add_checked_fixture(t, count_this_thread, NULL);
  tcase_add_test(t, counts);
  tcase_add_loop_test(t, predictors, 0, 2);
  tcase_add_loop_test(t, training, 0, 2 * KINDS);
  return test_run(suite);
}
