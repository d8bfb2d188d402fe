/* Optimizer and recipe handles: presets exactly as efme/trainer.h says, ranges of every option, JSON, what counts as changed. */
#include <cjson/cJSON.h>
#include <math.h>

#include "fixture.h"

static efme_context *context;

static void setup(void) { context = fx_context(1); }
static void teardown(void) { efme_context_release(context); }

/* Early stopping, where there is patience, goes with the best weights restored. */
static void check_phase(const efme_recipe *recipe, uint32_t index, uint32_t scope, uint32_t epochs, uint32_t patience, double rate) {
  efme_phase phase = {.struct_size = sizeof phase};
  ck_ok(efme_recipe_get_phase(recipe, index, &phase));
  ck_assert_uint_eq(phase.scope, scope);
  ck_assert_uint_eq(phase.epochs, epochs);
  ck_assert_uint_eq(phase.patience, patience);
  ck_assert_uint_eq(phase.restore_best, patience > 0);
  efme_optimizer_options o = {.struct_size = sizeof o};
  ck_ok(efme_optimizer_get_options(phase.optimizer, &o));
  ck_assert_uint_eq(o.kind, EFME_ADAM);
  ck_assert_double_eq(o.learning_rate, rate);
  ck_assert_double_eq(o.beta1, 0.9);
  ck_assert_double_eq(o.beta2, 0.999);
  ck_assert_double_eq(o.epsilon, 1e-7);
}

static void check_schedule(const efme_recipe *recipe, uint32_t index, uint32_t schedule, double decay, uint64_t warmup) {
  efme_phase phase = {.struct_size = sizeof phase};
  efme_optimizer_options o = {.struct_size = sizeof o};
  ck_ok(efme_recipe_get_phase(recipe, index, &phase));
  ck_ok(efme_optimizer_get_options(phase.optimizer, &o));
  ck_assert_uint_eq(o.schedule, schedule);
  ck_assert_double_eq(o.decay, decay);
  ck_assert_double_eq(o.final_ratio, 0.0);
  ck_assert(o.warmup_steps == warmup);
}

/* paper: focal loss, alpha and penalty; our own ones have neither. */
static efme_recipe *preset(const char *name, uint32_t phases, uint32_t batch, uint32_t bn, int paper) {
  efme_recipe *recipe = NULL;
  ck_ok(efme_recipe_create(&recipe, context, name));
  ck_assert_str_eq(efme_recipe_preset(recipe), name);
  ck_assert_uint_eq(efme_recipe_phase_count(recipe), phases);
  efme_train_options o = fx_options(recipe);
  ck_assert_uint_eq(o.batch, batch);
  ck_assert_uint_eq(o.bn_mode, bn);
  ck_assert_float_eq(o.gamma, paper ? 2.0f : 0.0f);
  ck_assert_uint_eq(o.alpha_count, paper ? 3 : 0);
  if (paper) ck_assert(o.alpha[0] == 0.27f && o.alpha[1] == 0.35f && o.alpha[2] == 0.38f);
  ck_assert(o.l1 == (paper ? 0.01f : 0.0f) && o.l2 == (paper ? 0.01f : 0.0f));
  ck_assert_uint_eq(o.penalty_in_validation, paper);
  ck_assert(o.flip == 0.5f && o.photometric == 0.5f && o.brightness == 0.2f && o.dropout == 0.5f);
  ck_assert(o.label_smoothing == 0.0f && o.ema_decay == 0.0f && o.feature_variants == 11 && o.seed == 1);
  ck_assert_ptr_null(o.collectives);
  if (paper) /* flip and brightness, nothing else; its BN never updates, so drop-connect is off too */
    ck_assert(o.contrast == 0.0f && o.rotation == 0.0f && o.scale == 0.0f && o.shift == 0.0f && o.drop_connect == 0.0f);
  else ck_assert(o.contrast == 0.2f && o.rotation == 10.0f && o.scale == 0.1f && o.shift == 0.08f);
  return recipe;
}

START_TEST(presets) {
  efme_recipe *r = preset("paper-pretrain", 10, 16, EFME_BN_FIXED, 1);
  for (uint32_t i = 0; i < 10; i += 2) {
    check_phase(r, i, EFME_SCOPE_HEAD, 100, 10, 1e-3);
    check_phase(r, i + 1, EFME_SCOPE_ALL, 100, 10, 1e-4);
    check_schedule(r, i, EFME_SCHEDULE_CONSTANT, 0.0, 0);
    check_schedule(r, i + 1, EFME_SCHEDULE_CONSTANT, 0.0, 0);
  }
  ck_assert_float_eq(fx_options(r).drop_connect, 0.0f);
  efme_recipe_release(r);

  r = preset("paper-transfer", 10, 16, EFME_BN_FIXED, 1);
  for (uint32_t i = 0; i < 5; i++) {
    check_phase(r, i, EFME_SCOPE_HEAD, 15, 2, 1e-3);
    check_schedule(r, i, EFME_SCHEDULE_CONSTANT, 0.0, 0);
  }
  for (uint32_t i = 5; i < 10; i++) {
    check_schedule(r, i, EFME_SCHEDULE_TIME, 1e-6, 0);
    check_phase(r, i, EFME_SCOPE_ALL, 20, 2, 1e-4);
    efme_phase phase = {.struct_size = sizeof phase};
    ck_ok(efme_recipe_get_phase(r, i, &phase));
    for (uint64_t t = 1; t < 100000; t *= 7)
      ck_assert_double_eq_tol(efme_optimizer_rate(phase.optimizer, t, 100000), 1e-4 / (1.0 + 1e-6 * (double)(t - 1)), 1e-18);
  }
  efme_recipe_release(r);

  r = preset("scratch", 1, 32, EFME_BN_UPDATE, 0);
  check_phase(r, 0, EFME_SCOPE_ALL, 20, 0, 2e-3);
  efme_train_options o = fx_options(r);
  ck_assert(o.drop_connect == 0.2f && o.rotation == 10.0f && o.scale == 0.1f && o.shift == 0.08f && o.contrast == 0.2f);
  efme_phase phase = {.struct_size = sizeof phase};
  efme_optimizer_options oo = {.struct_size = sizeof oo};
  ck_ok(efme_recipe_get_phase(r, 0, &phase));
  ck_ok(efme_optimizer_get_options(phase.optimizer, &oo));
  ck_assert_uint_eq(oo.schedule, EFME_SCHEDULE_COSINE);
  ck_assert(oo.warmup_steps == EFME_WARMUP_EPOCH);
  ck_assert_uint_eq(phase.restore_best, 0);
  efme_recipe_release(r);

  r = preset("head", 1, 16, EFME_BN_FIXED, 0);
  check_phase(r, 0, EFME_SCOPE_HEAD, 30, 5, 1e-3);
  ck_assert_uint_eq(fx_options(r).feature_variants, 11);
  efme_recipe_release(r);
  r = preset("fine-tune", 1, 16, EFME_BN_FIXED, 0);
  check_phase(r, 0, EFME_SCOPE_ALL, 3, 0, 1e-4);
  efme_recipe_release(r);

  r = NULL;
  ck_fails(efme_recipe_create(&r, context, "papre"), EFME_E_NOT_FOUND, "papre");
  ck_fails(efme_recipe_create(&r, context, NULL), EFME_E_ARGUMENT, "preset");
  ck_assert_ptr_null(r);
}
END_TEST

START_TEST(train_option_ranges) {
  efme_recipe *r = NULL;
  ck_ok(efme_recipe_create(&r, context, "head"));
  const efme_train_options good = fx_options(r);
#define REFUSED(field, value)                                                                                                              \
  do {                                                                                                                                     \
    efme_train_options bad = good;                                                                                                         \
    bad.field = value;                                                                                                                     \
    ck_fails(efme_recipe_set_options(r, &bad), EFME_E_ARGUMENT, "." #field);                                                               \
  } while (0)
  REFUSED(batch, 0);
  REFUSED(batch, 4097);
  REFUSED(bn_mode, 2);
  REFUSED(gamma, -0.5f);
  REFUSED(gamma, NAN);
  REFUSED(gamma, INFINITY);
  REFUSED(label_smoothing, 1.0f);
  REFUSED(penalty_in_validation, 2);
  REFUSED(l1, -1.0f);
  REFUSED(l2, NAN);
  REFUSED(dropout, 1.0f);
  REFUSED(drop_connect, 1.0f);
  REFUSED(flip, 1.5f);
  REFUSED(photometric, -0.1f);
  REFUSED(brightness, 1.1f);
  REFUSED(contrast, -1.0f);
  REFUSED(rotation, 181.0f);
  REFUSED(scale, 1.0f);
  REFUSED(shift, 2.0f);
  REFUSED(ema_decay, 1.0f);
  REFUSED(feature_variants, 4097);
  efme_train_options zero = {.struct_size = sizeof zero, .batch = 1}; /* zero is literally zero */
  ck_ok(efme_recipe_set_options(r, &zero));
  efme_train_options back = fx_options(r);
  ck_assert_float_eq(back.gamma, 0.0f);
  ck_assert_float_eq(back.dropout, 0.0f);
  ck_assert(back.seed == 0);
  ck_assert_ptr_null(back.alpha);
  const float factors[2] = {0.5f, -1.0f};
  efme_train_options bad = good;
  bad.alpha = factors;
  bad.alpha_count = 2;
  ck_fails(efme_recipe_set_options(r, &bad), EFME_E_ARGUMENT, "alpha[1]");
  bad.alpha_count = 1;
  ck_fails(efme_recipe_set_options(r, &bad), EFME_E_ARGUMENT, "alpha_count");
  efme_collectives alone = {sizeof alone, 2, 2, NULL, NULL, NULL, NULL};
  bad = good;
  bad.alpha = NULL;
  bad.collectives = &alone;
  ck_fails(efme_recipe_set_options(r, &bad), EFME_E_ARGUMENT, "rank");
  alone.rank = 0;
  ck_fails(efme_recipe_set_options(r, &bad), EFME_E_ARGUMENT, "allreduce");
  struct {
    efme_train_options known;
    uint64_t later;
  } longer = {.known = good, .later = 0};
  longer.known.alpha = NULL;
  longer.known.struct_size = sizeof longer;
  ck_ok(efme_recipe_set_options(r, &longer.known));
  longer.later = 1;
  ck_fails(efme_recipe_set_options(r, &longer.known), EFME_E_ARGUMENT, "efme_train_options");
  efme_recipe_release(r);
}
END_TEST

START_TEST(optimizer_ranges) {
  efme_optimizer *o = NULL;
#define REFUSED_OPTIMIZER(field, value)                                                                                                    \
  do {                                                                                                                                     \
    efme_optimizer_options bad = EFME_OPTIMIZER_OPTIONS_INIT;                                                                              \
    bad.field = value;                                                                                                                     \
    ck_fails(efme_optimizer_create(&o, context, &bad), EFME_E_ARGUMENT, "." #field);                                                       \
    ck_assert_ptr_null(o);                                                                                                                 \
  } while (0)
  REFUSED_OPTIMIZER(kind, 4);
  REFUSED_OPTIMIZER(schedule, 3);
  REFUSED_OPTIMIZER(learning_rate, 0.0);
  REFUSED_OPTIMIZER(learning_rate, NAN);
  REFUSED_OPTIMIZER(learning_rate, INFINITY);
  REFUSED_OPTIMIZER(beta1, 1.0);
  REFUSED_OPTIMIZER(beta2, -0.1);
  REFUSED_OPTIMIZER(epsilon, 0.0);
  REFUSED_OPTIMIZER(momentum, 1.0);
  REFUSED_OPTIMIZER(rho, 1.0);
  REFUSED_OPTIMIZER(weight_decay, -1.0);
  REFUSED_OPTIMIZER(decay, -1e-9);
  REFUSED_OPTIMIZER(final_ratio, 1.1);
  ck_fails(efme_optimizer_create(&o, NULL, NULL), EFME_E_ARGUMENT, "context");
  ck_ok(efme_optimizer_create(&o, context, NULL));
  ck_assert_double_eq(efme_optimizer_rate(o, 1, 10), 1e-3);
  ck_assert_double_eq(efme_optimizer_rate(NULL, 1, 10), 0.0);
  ck_assert_ptr_eq(efme_optimizer_retain(o), o);
  efme_optimizer_release(o);
  efme_optimizer_release(o);
  efme_optimizer_release(NULL);
}
END_TEST

START_TEST(phases) {
  efme_recipe *r = NULL;
  ck_ok(efme_recipe_create(&r, context, "fine-tune"));
  efme_phase phase = EFME_PHASE_INIT;
  ck_fails(efme_recipe_add_phase(r, &phase), EFME_E_ARGUMENT, "optimizer");
  ck_assert_str_eq(efme_recipe_preset(r), "fine-tune");
  ck_ok(efme_optimizer_create(&phase.optimizer, context, NULL));
  phase.epochs = 0;
  ck_fails(efme_recipe_add_phase(r, &phase), EFME_E_ARGUMENT, "epochs");
  phase.epochs = 1;
  phase.scope = 2;
  ck_fails(efme_recipe_add_phase(r, &phase), EFME_E_ARGUMENT, "scope");
  phase.scope = EFME_SCOPE_HEAD;
  ck_ok(efme_recipe_add_phase(r, &phase));
  efme_optimizer_release(phase.optimizer); /* the recipe has its own reference */
  ck_assert_str_eq(efme_recipe_preset(r), "fine-tune+changed");
  ck_assert_uint_eq(efme_recipe_phase_count(r), 2);
  check_phase(r, 1, EFME_SCOPE_HEAD, 1, 0, 1e-3);
  efme_phase out = {.struct_size = sizeof out};
  ck_fails(efme_recipe_get_phase(r, 2, &out), EFME_E_ARGUMENT, "index 2");
  ck_ok(efme_recipe_clear_phases(r));
  ck_assert_uint_eq(efme_recipe_phase_count(r), 0);
  efme_recipe_release(r);
}
END_TEST

START_TEST(describe) {
  efme_recipe *r = fx_recipe(context, "paper-transfer");
  char *text = NULL;
  ck_ok(efme_recipe_describe(r, &text));
  cJSON *json = cJSON_Parse(text);
  ck_assert_msg(json != NULL, "not JSON: %s", text);
  ck_assert_str_eq(cJSON_GetObjectItem(json, "preset")->valuestring, "paper-transfer+changed");
  cJSON *options = cJSON_GetObjectItem(json, "options");
  ck_assert_double_eq(cJSON_GetObjectItem(options, "dropout")->valuedouble, 0.5);
  ck_assert_double_eq(cJSON_GetObjectItem(options, "l1")->valuedouble, 0.01);
  ck_assert_double_eq(cJSON_GetArrayItem(cJSON_GetObjectItem(options, "alpha"), 0)->valuedouble, 0.27);
  ck_assert_str_eq(cJSON_GetObjectItem(options, "bn_mode")->valuestring, "fixed");
  cJSON *list = cJSON_GetObjectItem(json, "phases");
  ck_assert_int_eq(cJSON_GetArraySize(list), 10);
  cJSON *last = cJSON_GetObjectItem(cJSON_GetArrayItem(list, 9), "optimizer");
  ck_assert_str_eq(cJSON_GetObjectItem(last, "schedule")->valuestring, "time");
  ck_assert_double_eq(cJSON_GetObjectItem(last, "learning_rate")->valuedouble, 1e-4);
  ck_assert_double_eq(cJSON_GetObjectItem(last, "decay")->valuedouble, 1e-6);
  cJSON_Delete(json);
  efme_string_free(text);
  efme_recipe_release(r);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("recipe");
  TCase *tc = tcase_create("all");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, presets);
  tcase_add_test(tc, train_option_ranges);
  tcase_add_test(tc, optimizer_ranges);
  tcase_add_test(tc, phases);
  tcase_add_test(tc, describe);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
