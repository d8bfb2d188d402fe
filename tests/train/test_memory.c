/* Memory: a step allocates nothing, everything is given back. What happens when memory runs out: tests/faults. */
#include "fixture.h"
#include "heap.h"

struct steps {
  struct heap *heap;
  uint32_t phase, epoch, counted;
  long before;
};

static int watch(const efme_train_progress *p, void *user) {
  struct steps *s = user;
  long calls = atomic_load(&s->heap->calls);
  if (p->event == EFME_TRAIN_STEP && strcmp(p->what, "train") == 0) {
    if (p->step > 1 && p->phase == s->phase && p->epoch == s->epoch) {
      ck_assert_msg(calls == s->before, "step %d of epoch %u of phase %u made %ld allocations", (int)p->step, p->epoch, p->phase,
                    calls - s->before);
      s->counted++;
    }
    s->phase = p->phase;
    s->epoch = p->epoch;
  }
  s->before = calls;
  return 0;
}

START_TEST(steps_allocate_nothing) {
  struct heap heap = {0};
  efme_context *context = NULL;
  ck_ok(heap_context(&context, &heap, 1));
  efme_dataset *train = fx_dataset(context, 0, 30, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-3);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 2, 0, 0, EFME_ADAM, 1e-3);
  struct steps steps = {.heap = &heap};
  /* one thread alone: a loader thread would read (and decode) ahead while steps run */
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
  ck_ok(efme_trainer_run(trainer, watch, &steps));
  ck_assert_uint_eq(steps.counted, 4 * 3);
  efme_context_release(context); /* in any order */
  efme_trainer_release(trainer);
  efme_model_release(model);
  efme_recipe_release(recipe);
  efme_dataset_release(train);
  ck_assert_int_eq((int)atomic_load(&heap.live), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("train_memory");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_test(tc, steps_allocate_nothing);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
