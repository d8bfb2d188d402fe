/* A host that rounds otherwise, flushes denormals, traps on exceptions or writes its numbers with a comma gets the same bits as any
 * other, and finds its modes as it left them: on the calling thread, in its callbacks' threads, on threads that it lends. */
#include "test.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "everything.h"
#include "modes.h"
#include "util/util.h"

static struct everything usual;
static char folder[64];

/* ---- contexts ---- */

static struct modes host; /* what must be found after each call */

static void check_after(const char *call) {
  if (!strcmp(call, "callback")) return;
  struct modes now = modes_now();
  ck_assert_msg(modes_same(now, host), "after %s: rounding %d, mxcsr %x, x87 %x; before: %d, %x, %x", call, now.rounding, now.mxcsr,
                now.x87, host.rounding, host.mxcsr, host.x87);
}

struct lent {
  efme_task_fn task;
  void *arg;
  uint32_t count;
  _Atomic uint32_t next;
  const char *modes;
};

static unsigned long lent_tasks, lent_bad;

/* One task on a thread of the host, in its modes. */
static void run_task(const struct lent *l, uint32_t index) {
  struct modes before = modes_now();
  l->task(l->arg, index);
  __atomic_add_fetch(&lent_tasks, 1, __ATOMIC_RELAXED);
  if (!modes_same(before, modes_now())) __atomic_add_fetch(&lent_bad, 1, __ATOMIC_RELAXED);
}

static void *lend(void *arg) {
  struct lent *l = arg;
  if (!modes_set(l->modes)) abort();
  for (uint32_t i; (i = l->next++) < l->count;) run_task(l, i);
  return NULL;
}

/* A thread for each call is slow: large jobs get one, others are done on the calling thread, which is set to the host's modes for the time.
 */
static void parallel_for(efme_task_fn task, void *arg, uint32_t count, void *user) {
  struct lent l = {.task = task, .arg = arg, .count = count, .modes = user};
  static unsigned turn;
  pthread_t thread;
  fenv_t library;
  int threaded = turn++ % 64 == 0 && !pthread_create(&thread, NULL, lend, &l);
  fegetenv(&library);
  lend(&l);
  fesetenv(&library);
  if (threaded) pthread_join(thread, NULL);
}

static efme_context *context_of(uint32_t threads, const char *lent_modes) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.backend = "cpu", o.threads = threads;
  if (lent_modes) o.parallel_for = parallel_for, o.parallel_user = (void *)(uintptr_t)lent_modes;
  ck_assert_msg(efme_context_create(&c, &o) == EFME_OK, "%s", efme_last_error());
  return c;
}

/* ---- runs ---- */

/* All of it in these modes: the calling thread's own, and with `lent` those of the host's threads too. */
static void compare(const char *modes, uint32_t threads, int lent, const char *what) {
  static struct everything e;
  memset(&e, 0, sizeof e);
  e.after = check_after;
  ck_assert(modes_set("default"));
  if (!modes_set(modes)) {
    printf("SKIP: this machine has no modes `%s`\n", modes);
    test_skips++;
    modes_set("default");
    return;
  }
  host = modes_now();
  efme_context *c = context_of(threads, lent ? modes : NULL); /* its threads inherit the modes */
  everything_run(&e, c, folder);
  efme_context_release(c);
  check_after("efme_context_release");
  modes_set("default");
  const char *line = everything_differs(&usual, &e);
  ck_assert_msg(!line, "%s, %u threads: %s differs", what, threads, line);
}

START_TEST(usual_modes) { /* what all others are compared with */
  efme_context *c = context_of(1, NULL);
  everything_run(&usual, c, folder);
  efme_context_release(c);
  ck_assert_uint_ge(usual.count, 150);
}
END_TEST

START_TEST(other_modes) {
  static const char *const modes[] = {"upward", "downward", "zero", "flush", "trap", "flush,downward,single,trap"};
  for (size_t i = 0; i < EFME_COUNT(modes); i++) compare(modes[i], i % 2 ? 3 : 1, 0, modes[i]);
}
END_TEST

START_TEST(lent_threads) {
  lent_tasks = lent_bad = 0;
  compare("flush,upward", 2, 1, "flush,upward on lent threads");
  ck_assert_uint_gt(lent_tasks, 1000);
  ck_assert_uint_eq(lent_bad, 0);
}
END_TEST

/* ---- locales ---- */

/* Makes the locale in the test's folder, else asks for the system's. In this order: what the C library has not found once it does not look
 * for again. */
static int take_locale(const char *name, const char *source, const char *charset) {
  char command[300];
  snprintf(command, sizeof command, "localedef -i %s -f %s '%s/%s' >/dev/null 2>&1", source, charset, folder, name);
  int made = system(command);
  if (made != -1 && WEXITSTATUS(made) <= 1) setenv("LOCPATH", folder, 1); /* 1: with warnings */
  else unsetenv("LOCPATH");
  return setlocale(LC_ALL, name) != NULL;
}

START_TEST(other_locales) {
  /* A comma; and Turkish, where the capital of i is another letter. */
  static const char *const locales[][3] = {{"de_DE.UTF-8", "de_DE", "UTF-8"}, {"tr_TR.ISO-8859-9", "tr_TR", "ISO-8859-9"}};
  for (size_t i = 0; i < EFME_COUNT(locales); i++) {
    if (!take_locale(locales[i][0], locales[i][1], locales[i][2])) {
      printf("SKIP: no locale %s, and no localedef that makes it\n", locales[i][0]);
      test_skips++;
      continue;
    }
    char number[32];
    snprintf(number, sizeof number, "%.1f", 0.5);
    ck_assert_str_eq(number, "0,5");
    compare(i ? "upward" : "default", 2, 0, locales[i][0]);
    snprintf(number, sizeof number, "%.1f", 0.5);
    ck_assert_str_eq(number, "0,5"); /* the library has not changed it */
    setlocale(LC_ALL, "C");
  }
}
END_TEST

int main(void) {
  strcpy(folder, "/tmp/efme-modes-XXXXXX");
  if (!mkdtemp(folder)) return perror(folder), EXIT_FAILURE;
  Suite *suite = suite_create("modes");
  TCase *t = tcase_create("modes");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, usual_modes);
  tcase_add_test(t, other_modes);
  tcase_add_test(t, lent_threads);
  tcase_add_test(t, other_locales);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(folder);
  return result;
}
