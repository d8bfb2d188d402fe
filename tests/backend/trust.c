/* Whom the search for modules trusts: a caller that sets EFME_BACKEND_DIR, argv[0] and the current directory as it likes may
 * lead a program of its own to a module, but never one that runs with more rights than the caller. */
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"

#define NOBODY 65534

static char root[64], program[128], output[2000];

static void setup(void) {
  char command[1200];
  strcpy(root, "/tmp/efme-trust-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  snprintf(program, sizeof program, "%s/probe", root);
  snprintf(command, sizeof command, "chmod 755 %s && cp %s %s && cp %s %s/efme-fake.so && chmod 755 %s %s/efme-fake.so", root, PROBE,
           program, MODULE, root, program, root);
  ck_assert_int_eq(system(command), 0);
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", root);
  ck_assert_int_eq(system(command), 0);
}

/* Runs the probe, as nobody where we are root; its exit code. dir: EFME_BACKEND_DIR, or NULL. */
static int run(const char *argv0, const char *dir, const char *cwd) {
  char variable[200];
  snprintf(variable, sizeof variable, "EFME_BACKEND_DIR=%s", dir ? dir : "");
  char *argv[] = {(char *)(uintptr_t)argv0, NULL};
  char *environment[] = {(char *)(uintptr_t) "ASAN_OPTIONS=detect_leaks=0", dir ? variable : NULL, NULL}; /* no tracing of such a program */
  int ends[2], status = 0;
  fflush(NULL);
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (!child) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]), close(ends[1]);
    if (chdir(cwd) || (geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))) _exit(99);
    execve(program, argv, environment);
    _exit(98);
  }
  close(ends[1]);
  size_t used = 0;
  for (ssize_t n; (n = read(ends[0], output + used, sizeof output - 1 - used)) > 0;) used += (size_t)n;
  output[used] = '\0';
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 4, "status %d: %s", status, output);
  return WEXITSTATUS(status);
}

START_TEST(own_programs) {
  char beside[160];
  snprintf(beside, sizeof beside, "%s/whatever", root);
  ck_assert_int_eq(run("probe", root, "/"), 0); /* said so */
  ck_assert_int_eq(run(beside, NULL, "/"), 0);  /* linked statically: beside the program */
  ck_assert_str_eq(output, "fake\n");
}
END_TEST

/* Modules and program lie in the current directory, and the program is called by a name that leads there. */
START_TEST(current_directory) {
  static const char *const names[] = {"probe", "./probe", "../x/./probe", "", "/"};
  static const char *const dirs[] = {NULL, "", ".", "./", "..", "efme"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (size_t k = 0; k < sizeof dirs / sizeof *dirs; k++) {
      ck_assert_msg(run(names[i], dirs[k], root) == 1, "argv[0] \"%s\", EFME_BACKEND_DIR \"%s\": %s", names[i], dirs[k] ? dirs[k] : "unset",
                    output);
      ck_assert_msg(strstr(output, "no module efme-fake.so in /") != NULL, "%s", output);
    }
}
END_TEST

/* Gives the program an owner or group that its caller is not. 0: this user cannot. */
static int raise_rights(void) {
  if (geteuid() == 0) return chmod(program, 04755) == 0; /* root's, run by nobody */
  gid_t groups[64];
  int count = getgroups(64, groups);
  for (int i = 0; i < count; i++)
    if (groups[i] != getegid()) return chown(program, (uid_t)-1, groups[i]) == 0 && chmod(program, 02755) == 0;
  return 0;
}

START_TEST(programs_with_more_rights) {
  char beside[160];
  snprintf(beside, sizeof beside, "%s/whatever", root);
  if (!raise_rights() || run("probe", NULL, "/") < 2) {
    printf("SKIP: no setuid or setgid program can be made and run here\n");
    test_skips++;
    return;
  }
  const struct { const char *argv0, *dir; } ways[] = {{"probe", root}, {beside, NULL}, {beside, root}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    ck_assert_msg(run(ways[i].argv0, ways[i].dir, root) == 3, "argv[0] %s: %s", ways[i].argv0, output);
    ck_assert_msg(strstr(output, "no module efme-fake.so in /") && !strstr(output, root), "%s", output);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("backend_trust");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, own_programs);
  tcase_add_test(t, current_directory);
  tcase_add_test(t, programs_with_more_rights);
  return test_run(suite);
}
