/* The context: refused options, the host's log, references. */
#include <pthread.h>

#include "backend/context.h"
#include "efme/context.h"
#include "heap.h"
#include "test.h"

static void refuse(efme_context_options o, const char *what) {
  efme_context *context = (efme_context *)1;
  ck_assert_int_eq(efme_context_create(&context, &o), EFME_E_ARGUMENT);
  ck_assert(context == (efme_context *)1);
  ck_assert_msg(strstr(efme_last_error(), what) != NULL, "%s", efme_last_error());
}

START_TEST(wrong_options) {
  const efme_context_options good = EFME_CONTEXT_OPTIONS_INIT;
  efme_context_options o = good;
  o.threads = 257, refuse(o, "threads is 257");
  o = good, o.cpu_level = 4, refuse(o, "cpu_level is 4");
  o = good, o.log_level = 5, refuse(o, "log_level is 5");
  o = good, o.reserved = 1, refuse(o, "reserved");
  o = good, o.alloc = heap_alloc, refuse(o, "alloc and free");
  o = good, o.free = heap_free, refuse(o, "alloc and free");
  o = good, o.struct_size = 3, refuse(o, "struct_size 3");
  struct {
    efme_context_options o;
    char more[8];
  } newer = {EFME_CONTEXT_OPTIONS_INIT, {0, 0, 1, 0, 0, 0, 0, 0}};
  newer.o.struct_size = sizeof newer;
  efme_context *context = NULL;
  ck_assert_int_eq(efme_context_create(&context, &newer.o), EFME_E_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "efme_context_options"));
  newer.more[2] = 0;
  newer.o.backend = "cpu";
  ck_assert_int_eq(efme_context_create(&context, &newer.o), EFME_OK);
  efme_context_release(context);
  ck_assert_int_eq(efme_context_create(NULL, NULL), EFME_E_ARGUMENT);
}
END_TEST

START_TEST(references) {
  efme_context *context = NULL;
  ck_assert_int_eq(efme_context_create(&context, NULL), EFME_OK);
  ck_assert_ptr_eq(efme_context_retain(context), context);
  efme_context_release(context);
  ck_assert_str_eq(efme_context_backend(context), "cpu");
  ck_assert_uint_ge(efme_context_threads(context), 1);
  ck_assert_uint_ge(efme_context_cpu_level(context), EFME_CPU_BASELINE);
  ck_assert_uint_le(efme_context_cpu_level(context), EFME_CPU_AVX512);
  efme_context_release(context);
  ck_assert_ptr_null(efme_context_retain(NULL));
  efme_context_release(NULL);
  ck_assert_str_eq(efme_context_backend(NULL), "");
}
END_TEST

START_TEST(chosen_threads_and_level) {
  for (uint32_t n = 1; n <= 3; n++) {
    efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
    o.backend = "cpu";
    o.threads = n;
    o.cpu_level = EFME_CPU_BASELINE;
    efme_context *context = NULL;
    ck_assert_int_eq(efme_context_create(&context, &o), EFME_OK);
    ck_assert_uint_eq(efme_context_threads(context), n);
    ck_assert_uint_eq(efme_context_cpu_level(context), EFME_CPU_BASELINE);
    efme_context_release(context);
  }
}
END_TEST

struct log {
  efme_context *context;
  int lines, inside, depth, overlap;
  char last[2000];
};

static void take_line(efme_log_level level, const char *message, void *user) {
  struct log *log = user;
  log->lines++;
  if (log->inside++ && !log->depth) log->overlap = 1;
  snprintf(log->last, sizeof log->last, "%d %s", (int)level, message);
  if (log->depth == 0 && strcmp(message, "again") == 0) { /* a callback that calls what logs */
    log->depth++;
    efme_context_log(log->context, EFME_LOG_ERROR, "inner");
    log->depth--;
  }
  log->inside--;
}

static void *log_much(void *user) {
  struct log *log = user;
  for (int i = 0; i < 2000; i++) efme_context_log(log->context, EFME_LOG_INFO, "line %d", i);
  return NULL;
}

START_TEST(log_lines) {
  struct log log = {0};
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu";
  o.log = take_line, o.log_user = &log;
  ck_assert_int_eq(efme_context_create(&log.context, &o), EFME_OK);
  efme_context_log(log.context, EFME_LOG_WARNING, "%d images", 3);
  ck_assert_str_eq(log.last, "2 3 images");
  int before = log.lines;
  efme_context_log(log.context, EFME_LOG_DEBUG, "not asked for");
  ck_assert_int_eq(log.lines, before);
  efme_context_log(log.context, EFME_LOG_INFO, "again");
  ck_assert_int_eq(log.lines, before + 2);
  pthread_t threads[4];
  before = log.lines;
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, log_much, &log), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  ck_assert_int_eq(log.lines, before + 8000);
  ck_assert_int_eq(log.overlap, 0); /* one at a time */
  efme_context_release(log.context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("backend_context");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_test(t, wrong_options);
  tcase_add_test(t, references);
  tcase_add_test(t, chosen_threads_and_level);
  tcase_add_test(t, log_lines);
  return test_run(suite);
}
