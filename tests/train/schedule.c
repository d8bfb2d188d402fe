/* Schedules against their closed forms, bias corrections, and the logic of early stopping. */
#include <math.h>

#include "test.h"
#include "train/schedule.h"
#include "util/util.h"

static const double pi = 3.14159265358979323846;

static efme_optimizer_options options(uint32_t schedule, double rate) {
  efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
  o.schedule = schedule;
  o.learning_rate = rate;
  return o;
}

static void near(double a, double b) { ck_assert_msg(fabs(a - b) <= 4e-16 * fabs(b), "%.17g against %.17g", a, b); }

START_TEST(constant) {
  efme_optimizer_options o = options(EFME_SCHEDULE_CONSTANT, 1e-3);
  for (uint64_t t = 1; t < 100; t++) ck_assert_double_eq(efme_schedule_rate(&o, t, 99, 10), 1e-3);
}
END_TEST

START_TEST(time_decay) {
  efme_optimizer_options o = options(EFME_SCHEDULE_TIME, 1e-4);
  o.decay = 1e-6;
  for (uint64_t t = 1; t < 1000000; t = t * 3 + 1) near(efme_schedule_rate(&o, t, 1000000, 10), 1e-4 / (1.0 + 1e-6 * (double)(t - 1)));
  ck_assert_double_eq(efme_schedule_rate(&o, 1, 5, 5), 1e-4);
}
END_TEST

START_TEST(cosine) {
  efme_optimizer_options o = options(EFME_SCHEDULE_COSINE, 0.5);
  o.final_ratio = 0.1;
  const uint64_t total = 400;
  for (uint64_t t = 1; t <= total; t++) {
    double want = 0.5 * (0.1 + 0.9 * (1.0 + cos(pi * (double)(t - 1) / 400.0)) / 2.0);
    double got = efme_schedule_rate(&o, t, total, 40);
    ck_assert_msg(fabs(got - want) < 1e-15, "step %d: %.17g against %.17g", (int)t, got, want);
  }
  near(efme_schedule_rate(&o, 1, total, 40), 0.5);
  near(efme_schedule_rate(&o, 201, total, 40), 0.5 * 0.55);
}
END_TEST

START_TEST(warm_up) {
  efme_optimizer_options o = options(EFME_SCHEDULE_CONSTANT, 1e-3);
  o.warmup_steps = 8;
  for (uint64_t t = 1; t <= 8; t++) near(efme_schedule_rate(&o, t, 100, 10), 1e-3 * (double)t / 8.0);
  ck_assert_double_eq(efme_schedule_rate(&o, 9, 100, 10), 1e-3);
  o.warmup_steps = EFME_WARMUP_EPOCH;
  near(efme_schedule_rate(&o, 5, 100, 20), 1e-3 / 4.0);
  ck_assert_double_eq(efme_schedule_rate(&o, 20, 100, 20), 1e-3);
  ck_assert_double_eq(efme_schedule_rate(&o, 1, 100, 0), 1e-3); /* length of an epoch not known */
  o.schedule = EFME_SCHEDULE_COSINE;                            /* both factors at once */
  near(efme_schedule_rate(&o, 5, 100, 20), 1e-3 * (1.0 + cos(pi * 4.0 / 100.0)) / 2.0 / 4.0);
}
END_TEST

START_TEST(corrections) {
  for (uint64_t t = 1; t <= 2000; t++) {
    double want = 1.0 / (1.0 - pow(0.999, (double)t)), got = efme_schedule_correction(0.999, t);
    ck_assert_msg(fabs(got - want) <= 1e-12 * want, "t %d: %.17g against %.17g", (int)t, got, want);
  }
  ck_assert_double_eq(efme_schedule_correction(0.0, 3), 1.0);
  ck_assert_double_eq(efme_schedule_correction(0.9, 100000), 1.0);
}
END_TEST

START_TEST(stopping) {
  static const double losses[] = {1.0, 0.9, 0.9, 0.95, 0.8, 0.81, 0.82, 0.83, 0.1};
  struct efme_stopping s = {0};
  uint32_t epoch = 0;
  while (!s.stopped) {
    int best = efme_stopping_add(&s, losses[epoch], epoch, 3);
    ck_assert_int_eq(best, epoch == 0 || epoch == 1 || epoch == 4); /* an equal loss is not lower */
    epoch++;
  }
  ck_assert_uint_eq(epoch, 8); /* three epochs in a row not below .8 */
  ck_assert_uint_eq(s.best_epoch, 4);
  ck_assert_double_eq(s.best, 0.8);
}
END_TEST

START_TEST(patience_zero_never_stops) {
  struct efme_stopping s = {0};
  for (uint32_t e = 0; e < 100; e++) efme_stopping_add(&s, 1.0 + e, e, 0);
  ck_assert_uint_eq(s.stopped, 0);
  ck_assert_uint_eq(s.best_epoch, 0);
  struct efme_stopping one = {0};
  efme_stopping_add(&one, 1.0, 0, 1);
  efme_stopping_add(&one, 1.0, 1, 1);
  ck_assert_uint_eq(one.stopped, 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("schedule");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, constant);
  tcase_add_test(tc, time_decay);
  tcase_add_test(tc, cosine);
  tcase_add_test(tc, warm_up);
  tcase_add_test(tc, corrections);
  tcase_add_test(tc, stopping);
  tcase_add_test(tc, patience_zero_never_stops);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
