/* Files that fail: every call to the system that the operations of all scenes make fails in turn, is interrupted by a signal, or moves one
 * byte only. */
#include "calls.h"
#include "faults.h"

static void arm_error(long number) { calls_arm(CALLS_ERROR, number); }
static void arm_interrupted(long number) { calls_arm(CALLS_INTERRUPTED, number); }
static void arm_short(long number) { calls_arm(CALLS_SHORT, number); }

/* The text names our file, or a folder above it. That a read, write or rename has failed cannot be overlooked. */
static int names_file(efme_status status) {
  static const char *const vital[] = {"read", "write", "rename", "lseek"};
  if (status) return status == EFME_E_IO && strstr(efme_last_error(), "/tmp") != NULL;
  for (size_t i = 0; i < sizeof vital / sizeof vital[0]; i++)
    if (calls_hit() && !strcmp(calls_hit(), vital[i])) return 0;
  return 1;
}

/* Repeated or continued: nobody can tell. */
static int passes(efme_status status) { return status == EFME_OK; }

static const struct injector error = {"call failed", arm_error, calls_disarm, names_file, 0};
static const struct injector interrupted = {"call interrupted", arm_interrupted, calls_disarm, passes, 0};
static const struct injector cut_short = {"call cut short", arm_short, calls_disarm, passes, 0};

START_TEST(each_fails) { faults_all(&error); }
END_TEST

START_TEST(each_interrupted) { faults_all(&interrupted); }
END_TEST

START_TEST(each_cut_short) { faults_all(&cut_short); }
END_TEST

int main(void) {
  Suite *suite = suite_create("faults_calls");
  faults_add(suite, "error", each_fails);
  faults_add(suite, "interrupted", each_interrupted);
  faults_add(suite, "short", each_cut_short);
  return test_run(suite);
}
