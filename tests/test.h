/* What every test program shares: where the extra data lies, a plain skip that is counted, and the runner. EFME_TEST_MODES in the
 * environment runs a program in other floating-point modes ("flush,upward", see hostile/modes.h). */
#ifndef EFME_TEST_H
#define EFME_TEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hostile/modes.h"

static int test_skips;

/* Path below ../shared (or EFME_SHARED), in a static buffer. */
static inline const char *test_shared(const char *name) {
  static char path[8][1024];
  static int turn;
  char *p = path[turn++ & 7];
  const char *dir = getenv("EFME_SHARED");
  snprintf(p, sizeof path[0], "%s/%s", dir ? dir : EFME_SHARED_DIR, name);
  return p;
}

/* The backend that a program's contexts are made with: "cpu", or what EFME_TEST_BACKEND names. */
static inline const char *test_backend(void) {
  const char *name = getenv("EFME_TEST_BACKEND");
  return name ? name : "cpu";
}

/* `if (test_absent("data/fer2013")) return;` says so and counts. */
static inline int test_absent(const char *name) {
  const char *path = test_shared(name);
  if (access(path, R_OK) == 0) return 0;
  printf("SKIP: %s is not here\n", path);
  test_skips++;
  return 1;
}

/* Runs without forking so that sanitizers see everything and skips are counted; prints the count and gives main's result. */
static inline int test_run(Suite *suite) {
  const char *modes = getenv("EFME_TEST_MODES");
  if (modes && !modes_set(modes)) printf("SKIP: this machine has no modes `%s`\n", modes), test_skips++;
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_NOFORK);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  printf("skipped: %d\n", test_skips);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
