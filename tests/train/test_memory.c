/* Memory: a step allocates nothing, everything is given back, and an allocator that says no at any point ends in EFME_E_NOMEM
 * with nothing lost. */
#include <stdatomic.h>

#include "fixture.h"

struct account {
  atomic_long live, calls;
  long fail_at; /* call that is refused, from 0; -1: none */
};

static void *account_alloc(size_t size, size_t alignment, void *user) {
  struct account *a = user;
  void *p;
  if (atomic_fetch_add(&a->calls, 1) == a->fail_at || posix_memalign(&p, alignment, size)) return NULL;
  atomic_fetch_add(&a->live, 1);
  return p;
}

static void account_free(void *p, void *user) {
  atomic_fetch_sub(&((struct account *)user)->live, 1);
  free(p);
}

static efme_status make_context(efme_context **out, struct account *a) {
  efme_context_options options = EFME_CONTEXT_OPTIONS_INIT;
  options.threads = 1;
  options.backend = "cpu";
  options.alloc = account_alloc;
  options.free = account_free;
  options.alloc_user = a;
  return efme_context_create(out, &options);
}

struct steps {
  struct account *account;
  uint32_t phase, epoch, counted;
  long before;
};

static int watch(const efme_train_progress *p, void *user) {
  struct steps *s = user;
  long calls = atomic_load(&s->account->calls);
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
  struct account account = {.fail_at = -1};
  efme_context *context = NULL;
  ck_ok(make_context(&context, &account));
  efme_dataset *train = fx_dataset(context, 0, 30, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-3);
  fx_phase(context, recipe, EFME_SCOPE_ALL, 2, 0, 0, EFME_ADAM, 1e-3);
  struct steps steps = {.account = &account};
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
  ck_assert_int_eq((int)atomic_load(&account.live), 0);
}
END_TEST

/* All of a run; the first failure's status. Everything made is released. */
static efme_status whole_run(struct account *account, const char *path) {
  efme_context *context = NULL;
  efme_status status = make_context(&context, account);
  if (status) return status;
  efme_model *model = NULL, *result = NULL;
  efme_recipe *recipe = NULL;
  efme_trainer *trainer = NULL;
  long refused = account->fail_at;
  account->fail_at = -1; /* data and model are others' tests */
  efme_dataset *train = fx_dataset(context, 0, 9, 3, 1), *validation = fx_dataset(context, 9, 6, 3, 1);
  model = fx_model(context, 1, 5);
  account->fail_at = refused < 0 ? -1 : refused + atomic_load(&account->calls);
  status = efme_recipe_create(&recipe, context, "paper-transfer");
  if (!status) {
    efme_train_options o = {.struct_size = sizeof o};
    status = efme_recipe_get_options(recipe, &o);
    o.feature_variants = 2;
    o.ema_decay = 0.9f;
    if (!status) status = efme_recipe_set_options(recipe, &o);
    efme_phase phases[2] = {EFME_PHASE_INIT, EFME_PHASE_INIT};
    if (!status) status = efme_optimizer_create(&phases[0].optimizer, context, NULL);
    phases[1].optimizer = phases[0].optimizer;
    phases[0].scope = EFME_SCOPE_HEAD;
    phases[0].restore_best = 1;
    if (!status) status = efme_recipe_clear_phases(recipe);
    for (int i = 0; i < 2 && !status; i++) status = efme_recipe_add_phase(recipe, &phases[i]);
    efme_optimizer_release(phases[0].optimizer);
  }
  if (!status) status = efme_trainer_create(&trainer, model, recipe, train, validation);
  if (!status) status = efme_trainer_set_checkpoint(trainer, path, 0.0);
  if (!status) status = efme_trainer_run(trainer, NULL, NULL);
  if (!status) status = efme_trainer_model(&result, trainer);
  efme_model_release(result);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_dataset_release(validation);
  efme_context_release(context);
  return status;
}

START_TEST(allocator_says_no) {
  struct account account = {.fail_at = -1};
  const char *path = fx_path("memory");
  ck_ok(whole_run(&account, path));
  ck_assert_int_eq((int)atomic_load(&account.live), 0);
  long refusals = 0;
  for (long at = 0;; at += 1 + at / 40) { /* every one at first, then ever fewer */
    remove(path);
    account = (struct account){.fail_at = at};
    efme_status status = whole_run(&account, path);
    ck_assert_msg(atomic_load(&account.live) == 0, "%ld blocks lost when allocation %ld was refused (%s)", (long)account.live, at,
                  efme_last_error());
    if (status == EFME_OK) break;
    ck_assert_msg(status == EFME_E_NOMEM, "allocation %ld refused: %s (%s)", at, efme_status_name(status), efme_last_error());
    refusals++;
  }
  ck_assert_msg(refusals > 50, "%ld refusals only", refusals);
  remove(path);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("train_memory");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_test(tc, steps_allocate_nothing);
  tcase_add_test(tc, allocator_says_no);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
