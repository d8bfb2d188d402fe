/* Whole reads, atomic writes, directories: each failure says which path and why, and leaves nothing behind. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"
#include "util/util.h"

static char root[64];
static const struct efme_allocator *const libc_memory = &efme_allocator_libc;

static const char *at(const char *name) {
  static char path[4][600];
  static int turn;
  char *p = path[turn++ & 3];
  snprintf(p, sizeof path[0], "%s/%s", root, name);
  return p;
}

static int entries(const char *dir) {
  int n = 0;
  DIR *d = opendir(dir);
  ck_assert_ptr_nonnull(d);
  while (readdir(d)) n++;
  closedir(d);
  return n - 2;
}

static void setup(void) {
  strcpy(root, "/tmp/efme-file-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", root);
  ck_assert_int_eq(system(command), 0);
}

static void expect_read_error(const char *path, uint64_t limit, efme_status status, const char *reason) {
  uint8_t *data = (uint8_t *)1;
  size_t size = 7;
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, path, limit), status);
  ck_assert(data == (uint8_t *)1 && size == 7);
  ck_assert_msg(strstr(efme_last_error(), path) && strstr(efme_last_error(), reason), "%s", efme_last_error());
}

START_TEST(round_trip) {
  uint8_t *data;
  size_t size;
  ck_assert_int_eq(efme_file_write(libc_memory, at("f"), "hello", 5), EFME_OK);
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("f"), 5), EFME_OK);
  ck_assert(size == 5 && memcmp(data, "hello", 6) == 0);
  efme_mem_free(libc_memory, data);
  ck_assert_int_eq(efme_file_write(libc_memory, at("f"), "", 0), EFME_OK); /* replaced */
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("f"), 0), EFME_OK);
  ck_assert(size == 0 && data[0] == 0);
  efme_mem_free(libc_memory, data);
  ck_assert_int_eq(entries(root), 1);
  struct stat st;
  mode_t mask = umask(0);
  umask(mask);
  ck_assert_int_eq(stat(at("f"), &st), 0);
  ck_assert_uint_eq(st.st_mode & 0777, 0666 & ~mask);
}
END_TEST

START_TEST(read_errors) {
  expect_read_error(at("absent"), 100, EFME_E_IO, "cannot open");
  expect_read_error(root, 100, EFME_E_IO, "is a directory");
  ck_assert_int_eq(mkfifo(at("pipe"), 0600), 0);
  expect_read_error(at("pipe"), 100, EFME_E_IO, "not a regular file"); /* and does not wait */
  expect_read_error("/dev/null", 100, EFME_E_IO, "not a regular file");
  ck_assert_int_eq(efme_file_write(libc_memory, at("six"), "123456", 6), EFME_OK);
  expect_read_error(at("six"), 5, EFME_E_LIMIT, "larger than the limit of 5 bytes");
}
END_TEST

START_TEST(file_of_unknown_size) { /* /proc says 0 */
  uint8_t *data;
  size_t size;
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, "/proc/self/status", 1 << 20), EFME_OK);
  ck_assert_uint_gt(size, 100);
  ck_assert_uint_eq(strlen((char *)data), size);
  efme_mem_free(libc_memory, data);
  expect_read_error("/proc/self/status", 10, EFME_E_LIMIT, "limit of 10");
}
END_TEST

START_TEST(old_file_until_commit) {
  ck_assert_int_eq(efme_file_write(libc_memory, at("f"), "old", 3), EFME_OK);
  struct efme_atomic_file f;
  ck_assert_int_eq(efme_atomic_open(&f, libc_memory, at("f")), EFME_OK);
  ck_assert(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
  ck_assert_int_eq(efme_atomic_write(&f, "newer", 5), EFME_OK);
  uint8_t *data;
  size_t size;
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("f"), 10), EFME_OK);
  ck_assert_str_eq((char *)data, "old");
  efme_mem_free(libc_memory, data);
  ck_assert_int_eq(efme_atomic_commit(&f), EFME_OK);
  efme_atomic_abort(&f);
  ck_assert_int_eq(efme_atomic_write(&f, "x", 1), EFME_E_STATE);
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("f"), 10), EFME_OK);
  ck_assert_str_eq((char *)data, "newer");
  efme_mem_free(libc_memory, data);
  ck_assert_int_eq(efme_atomic_open(&f, libc_memory, at("f")), EFME_OK);
  efme_atomic_write(&f, "lost", 4);
  efme_atomic_abort(&f);
  ck_assert_int_eq(entries(root), 1);
  struct efme_atomic_file zero;
  memset(&zero, 0, sizeof zero);
  efme_atomic_abort(&zero);
}
END_TEST

/* Two processes that write one file at the same time: neither fails, and every reader sees a whole file of one of them. */
START_TEST(two_writers) {
  enum { SIZE = 5000, TIMES = 300 };
  static char mine[SIZE];
  fflush(NULL);
  pid_t child = fork();
  memset(mine, child ? 'a' : 'b', SIZE);
  for (int i = 0; i < TIMES; i++) {
    efme_status status = efme_file_write(libc_memory, at("f"), mine, SIZE);
    if (!child && status) _exit(1);
    if (!child) continue;
    uint8_t *data;
    size_t size;
    ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
    ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("f"), SIZE), EFME_OK);
    ck_assert_uint_eq(size, SIZE);
    for (size_t k = 1; k < SIZE; k++) ck_assert_msg(data[k] == data[0], "byte %zu is of another file", k);
    efme_mem_free(libc_memory, data);
  }
  if (!child) _exit(0);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  ck_assert_int_eq(entries(root), 1);
}
END_TEST

START_TEST(write_errors) {
  struct efme_atomic_file f;
  ck_assert_int_eq(efme_atomic_open(&f, libc_memory, at("no/such/f")), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "no/such/f"));
  efme_atomic_abort(&f);
  ck_assert_int_eq(efme_file_write(libc_memory, root, "x", 1), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "is a directory"));
  ck_assert_int_eq(efme_file_write(libc_memory, "", "x", 1), EFME_E_IO);
  ck_assert_int_eq(efme_atomic_open(&f, libc_memory, at("f")), EFME_OK);
  int full = open("/dev/full", O_WRONLY); /* a disk without room */
  if (full >= 0) {
    dup2(full, f.fd);
    close(full);
    ck_assert_int_eq(efme_atomic_write(&f, "x", 1), EFME_E_IO);
    ck_assert_ptr_nonnull(strstr(efme_last_error(), "cannot write"));
    ck_assert_int_eq(efme_atomic_write(&f, "x", 1), EFME_E_IO);
    ck_assert_int_eq(efme_atomic_commit(&f), EFME_E_IO);
  }
  efme_atomic_abort(&f);
  ck_assert_int_eq(entries(root), 0);
}
END_TEST

/* A program without standard output: what it prints must not land in the file. */
START_TEST(closed_descriptors) {
  fflush(stdout);
  int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10), read_fd = -1;
  uint64_t size;
  struct efme_atomic_file f;
  close(STDOUT_FILENO);
  efme_status written = efme_atomic_open(&f, libc_memory, at("f"));
  int fd = f.fd;
  if (!written) efme_atomic_write(&f, "x", 1), written = efme_atomic_commit(&f);
  efme_status opened = efme_file_open(&read_fd, &size, at("f"));
  int still_closed = fcntl(STDOUT_FILENO, F_GETFD) < 0;
  dup2(saved, STDOUT_FILENO);
  close(saved);
  if (read_fd > STDERR_FILENO) close(read_fd);
  ck_assert(written == EFME_OK && opened == EFME_OK);
  ck_assert_int_gt(fd, STDERR_FILENO);
  ck_assert_int_gt(read_fd, STDERR_FILENO);
  ck_assert(still_closed);
}
END_TEST

/* Killed while it writes, a process leaves nothing where files can be without a name. */
START_TEST(killed_while_writing) {
  int probe = open(root, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
  if (probe >= 0) close(probe);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (!child) {
    struct efme_atomic_file f;
    if (!efme_atomic_open(&f, libc_memory, at("f"))) efme_atomic_write(&f, "half", 4);
    kill(getpid(), SIGKILL);
  }
  int how;
  ck_assert_int_eq(waitpid(child, &how, 0), child);
  ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
  if (probe < 0) printf("SKIP: %s cannot hold files without a name\n", root), test_skips++;
  else ck_assert_int_eq(entries(root), 0);
}
END_TEST

/* A line goes behind the others, also behind half a one. */
START_TEST(lines) {
  uint8_t *data;
  size_t size;
  ck_assert_int_eq(efme_file_append_line(at("lines"), "one"), EFME_OK);
  FILE *f = fopen(at("lines"), "a");
  ck_assert_ptr_nonnull(f);
  fputs("tw", f);
  fclose(f);
  ck_assert_int_eq(efme_file_append_line(at("lines"), "three"), EFME_OK);
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("lines"), 100), EFME_OK);
  ck_assert_str_eq((char *)data, "one\ntw\nthree\n");
  efme_mem_free(libc_memory, data);
  ck_assert_int_eq(efme_file_append_line(root, "x"), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), root));
}
END_TEST

/* What cannot be found out is not taken for absent. */
START_TEST(kinds) {
  enum efme_file_kind kind = EFME_OTHER_FILE;
  ck_assert_int_eq(efme_file_write(libc_memory, at("f"), "x", 1), EFME_OK);
  ck_assert(efme_file_look(&kind, at("absent")) == EFME_OK && kind == EFME_NO_FILE);
  ck_assert(efme_file_look(&kind, at("f/below")) == EFME_OK && kind == EFME_NO_FILE);
  ck_assert(efme_file_look(&kind, at("f")) == EFME_OK && kind == EFME_REGULAR_FILE);
  ck_assert(efme_file_look(&kind, root) == EFME_OK && kind == EFME_FOLDER);
  ck_assert(efme_file_look(&kind, "/dev/null") == EFME_OK && kind == EFME_OTHER_FILE);
  ck_assert_int_eq(symlink("loop", at("loop")), 0);
  ck_assert_int_eq(efme_file_look(&kind, at("loop")), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "loop"));
}
END_TEST

START_TEST(long_name) { /* the temporary's name does not grow with it */
  char name[256];
  memset(name, 'n', 255);
  name[255] = '\0';
  ck_assert_int_eq(efme_file_write(libc_memory, at(name), "x", 1), EFME_OK);
  ck_assert_int_eq(access(at(name), F_OK), 0);
}
END_TEST

START_TEST(relative_path) {
  char before[600];
  ck_assert_ptr_nonnull(getcwd(before, sizeof before));
  ck_assert_int_eq(chdir(root), 0);
  ck_assert_int_eq(efme_file_write(libc_memory, "plain", "x", 1), EFME_OK);
  ck_assert_int_eq(efme_dir_create(libc_memory, "a/b"), EFME_OK);
  ck_assert_int_eq(chdir(before), 0);
  ck_assert_int_eq(access(at("plain"), F_OK), 0);
  ck_assert_int_eq(access(at("a/b"), F_OK), 0);
}
END_TEST

/* A new file or none: what is there is never written over. */
START_TEST(new_files) {
  uint8_t *data;
  size_t size;
  ck_assert_int_eq(efme_file_create(at("new"), "abc", 3), EFME_OK);
  ck_assert_int_eq(efme_file_read(&data, &size, libc_memory, at("new"), 100), EFME_OK);
  ck_assert_uint_eq(size, 3);
  ck_assert_mem_eq(data, "abc", 3);
  efme_mem_free(libc_memory, data);
  ck_assert_int_eq(efme_file_create(at("new"), "xy", 2), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "/new: cannot create: File exists"));
  ck_assert_int_eq(efme_file_create(at("none/new"), "xy", 2), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "none/new: cannot create: No such file"));
  ck_assert_int_eq(efme_file_create(at("empty"), NULL, 0), EFME_OK);
  ck_assert_int_eq(entries(root), 2);
}
END_TEST

START_TEST(directories) {
  ck_assert_int_eq(efme_dir_create(libc_memory, at("a/b//c/")), EFME_OK);
  ck_assert_int_eq(efme_dir_create(libc_memory, at("a/b/c")), EFME_OK);
  ck_assert_int_eq(efme_file_write(libc_memory, at("a/f"), "x", 1), EFME_OK);
  ck_assert_int_eq(efme_dir_create(libc_memory, at("a/f")), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "is not a directory"));
  ck_assert_int_eq(efme_dir_create(libc_memory, at("a/f/g")), EFME_E_IO);
  ck_assert_int_eq(efme_dir_create(libc_memory, "/proc/efme/x"), EFME_E_IO);
  static const char *const joins[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
  for (size_t i = 0; i < EFME_COUNT(joins); i++) {
    char *p = efme_path_join(libc_memory, joins[i][0], joins[i][1]);
    ck_assert_str_eq(p, joins[i][2]);
    efme_mem_free(libc_memory, p);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("util_file");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, round_trip);
  tcase_add_test(t, read_errors);
  tcase_add_test(t, file_of_unknown_size);
  tcase_add_test(t, old_file_until_commit);
  tcase_add_test(t, two_writers);
  tcase_add_test(t, write_errors);
  tcase_add_test(t, closed_descriptors);
  tcase_add_test(t, killed_while_writing);
  tcase_add_test(t, lines);
  tcase_add_test(t, kinds);
  tcase_add_test(t, long_name);
  tcase_add_test(t, relative_path);
  tcase_add_test(t, new_files);
  tcase_add_test(t, directories);
  return test_run(suite);
}
