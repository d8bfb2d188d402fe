/* Disks and files as they misbehave outside of tests: no space, a size limit, read-only, an alarm that interrupts every call, files that are
 * pipes or folders, that go or change while they are open. Work that met an error goes on once its cause is gone, and ends in the files of a
 * run that met none. */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "calls.h"
#include "util/util.h"

static const struct {
  const char *name;
  work_fn work;
} works[] = {{"training", work_train}, {"leave-one-subject-out", work_loso}};
#define WORKS ((int)EFME_COUNT(works))

static const char *run_folder(void) { return at("run"); }

static void fresh_folder(void) {
  remove_tree(run_folder());
  ok(efme_dir_create(&efme_allocator_libc, run_folder()));
}

static uint64_t files(void) {
  uint64_t hash = 0;
  add_tree(&hash, run_folder());
  return hash;
}

/* Of a run that nothing disturbs. */
static uint64_t expected(int i) {
  static uint64_t known[WORKS];
  if (known[i]) return known[i];
  fresh_folder();
  ok(works[i].work(run_folder(), 0.01, NULL));
  known[i] = files();
  remove_tree(run_folder());
  return known[i];
}

/* It failed as input or output does, its text names a file in the run's folder and holds `reason`. */
static void failed(int i, efme_status status, const char *reason) {
  ck_assert_msg(status == EFME_E_IO && strstr(efme_last_error(), run_folder()) && strstr(efme_last_error(), reason), "%s: %s, %s", works[i].name,
                efme_status_name(status), efme_last_error());
}

/* ---- file systems of our own ---- */

static int mounts; /* whether this process may mount */

static void write_map(const char *path, unsigned id) {
  char text[32];
  int fd = open(path, O_WRONLY), n = snprintf(text, sizeof text, "0 %u 1", id);
  if (fd < 0) return;
  if (write(fd, text, (size_t)n) != n) perror(path);
  close(fd);
}

/* Before there are threads: a name space of its own, as root or as root of a user name space. */
static void become_able_to_mount(void) {
  unsigned uid = getuid(), gid = getgid();
  if (unshare(CLONE_NEWNS)) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) return;
    write_map("/proc/self/setgroups", 0); /* refused where it need not be said; the maps then tell */
    write_map("/proc/self/uid_map", uid), write_map("/proc/self/gid_map", gid);
  }
  mounts = mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int cannot_mount(void) {
  if (mounts) return 0;
  printf("SKIP: no file system can be mounted here\n");
  test_skips++;
  return 1;
}

static int mount_disk(unsigned long flags, long kilobytes) {
  char options[48];
  snprintf(options, sizeof options, "size=%ldk", kilobytes);
  return mount("none", run_folder(), "tmpfs", flags, options);
}

/* A disk that is too small again and again: each time it is, it grows a little and the work goes on. */
START_TEST(small_disk) {
  uint64_t files_expected = expected(_i);
  int full = 0;
  if (cannot_mount()) return;
  fresh_folder();
  long size = 4;
  ck_assert_msg(mount_disk(0, size) == 0, "%s", strerror(errno));
  for (efme_status status; (status = works[_i].work(run_folder(), 0.01, NULL)); full++) {
    failed(_i, status, "No space left");
    ck_assert_int_eq(mount_disk(MS_REMOUNT, size += 12 + size / 8), 0);
  }
  uint64_t now = files();
  ck_assert_int_eq(umount(run_folder()), 0);
  printf("%s: full %d times until its disk had %ld KiB\n", works[_i].name, full, size);
  ck_assert_int_ge(full, 5);
  ck_assert_msg(now == files_expected, "%s: other files than on a disk with room", works[_i].name);
}
END_TEST

START_TEST(read_only_disk) {
  uint64_t files_expected = expected(_i);
  if (cannot_mount()) return;
  fresh_folder();
  ck_assert_int_eq(mount_disk(MS_RDONLY, 8192), 0);
  failed(_i, works[_i].work(run_folder(), 0.01, NULL), "Read-only file system");
  ck_assert_int_eq(mount_disk(MS_REMOUNT, 8192), 0);
  ok(works[_i].work(run_folder(), 0.01, NULL));
  uint64_t now = files();
  ck_assert_int_eq(mount_disk(MS_REMOUNT | MS_RDONLY, 8192), 0);
  if (works[_i].work == work_loso) failed(_i, works[_i].work(run_folder(), 0.01, NULL), "Read-only file system"); /* its result cannot be written */
  ck_assert_int_eq(umount(run_folder()), 0);
  ck_assert(now == files_expected);
}
END_TEST

/* ---- a limit on the size of files; SIGXFSZ stays at its default, which ends a process ---- */

static struct rlimit limit, no_limit;
static pthread_mutex_t limit_lock = PTHREAD_MUTEX_INITIALIZER; /* workers write at the same time */

/* For the library's writes only: Check writes files of its own. */
static void limit_writes(const char *call, const char *path) {
  (void)path;
  if (!strcmp(call, "write")) pthread_mutex_lock(&limit_lock), setrlimit(RLIMIT_FSIZE, &limit);
  if (!strcmp(call, "written")) setrlimit(RLIMIT_FSIZE, &no_limit), pthread_mutex_unlock(&limit_lock);
}

START_TEST(size_limit) {
  uint64_t files_expected = expected(_i);
  int reached = 0;
  fresh_folder();
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &no_limit), 0);
  limit = no_limit;
  for (limit.rlim_cur = 0;; limit.rlim_cur += 1000 + limit.rlim_cur / 4, reached++) {
    calls_watch = limit_writes;
    efme_status status = works[_i].work(run_folder(), 0.01, NULL);
    calls_watch = NULL;
    if (!status) break;
    failed(_i, status, "File too large");
  }
  sigset_t pending;
  sigpending(&pending);
  ck_assert(!sigismember(&pending, SIGXFSZ));
  printf("%s: %d limits were too low, one of %lu bytes was not\n", works[_i].name, reached, (unsigned long)limit.rlim_cur);
  ck_assert_int_ge(reached, 5);
  ck_assert(files() == files_expected);
}
END_TEST

/* ---- an alarm every half a millisecond ---- */

static volatile sig_atomic_t alarms;
static void on_alarm(int number) { (void)number, alarms++; }

START_TEST(interrupted) {
  uint64_t files_expected = expected(_i);
  struct sigaction action = {.sa_handler = on_alarm}, before; /* no SA_RESTART */
  struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
  fresh_folder();
  ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
  alarms = 0;
  ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
  efme_status status = works[_i].work(run_folder(), 0.001, NULL);
  ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
  ck_assert_int_eq(sigaction(SIGALRM, &before, NULL), 0);
  ok(status);
  ck_assert_int_gt(alarms, 20);
  ck_assert(files() == files_expected);
}
END_TEST

/* ---- readers of files ---- */

static efme_context *context;
static struct heap heap;

static efme_status open_csv(const char *path) {
  efme_dataset *d = NULL;
  efme_status status = efme_dataset_open_fer2013(&d, context, path, NULL);
  efme_dataset_release(d);
  return status;
}
static efme_status open_manifest(const char *path) {
  efme_dataset *d = NULL;
  efme_status status = efme_dataset_open_manifest(&d, context, path, NULL);
  efme_dataset_release(d);
  return status;
}
static efme_status open_image(const char *path) {
  efme_image *image = NULL;
  efme_status status = efme_image_load(&image, context, path, NULL);
  efme_image_release(image);
  return status;
}
static efme_status open_weights(const char *path) {
  efme_model *model = NULL;
  efme_status status = efme_model_load(&model, context, path, NULL);
  efme_model_release(model);
  return status;
}
static efme_status open_predictions(const char *path) {
  efme_result *r = NULL;
  efme_status status = efme_result_from_csv(&r, context, path, efme_classes_meg3(), 3, NULL);
  efme_result_release(r);
  return status;
}
static efme_status open_log(const char *path) {
  efme_result *r = NULL;
  efme_status status = efme_result_from_log(&r, context, path, NULL, 3, NULL);
  efme_result_release(r);
  return status;
}

static const struct {
  const char *name;
  efme_status (*open)(const char *path);
} readers[] = {{"fer.csv", open_csv},         {"set.csv", open_manifest},        {"1.pgm", open_image},
               {"w.safetensors", open_weights}, {"predictions.csv", open_predictions}, {"log.txt", open_log}};
#define READERS ((int)EFME_COUNT(readers))

static void write_all_kinds(void) {
  enum { PIXELS = 48 * 48 };
  static char row[PIXELS * 4 + 64], image[13 + 64 * 64];
  strcpy(row, "emotion,pixels,Usage\n3,\"");
  for (int i = 0; i < PIXELS; i++) sprintf(row + strlen(row), "%d ", i % 256);
  strcpy(row + strlen(row) - 1, "\",Training\n");
  write_text(at("fer.csv"), row);
  const int n = 13; /* bytes of the header */
  memcpy(image, "P5 64 64 255\n", 13);
  for (int i = 0; i + n < (int)sizeof image; i++) image[i + n] = (char)(i % 251);
  write_bytes(at("1.pgm"), image, sizeof image), write_bytes(at("2.pgm"), image, sizeof image);
  write_text(at("set.csv"), "path,label,subject,dataset\n1.pgm,happiness,s1,d\n2.pgm,happiness,s2,d\n");
  write_text(at("predictions.csv"), "dataset,subject,clip,truth,predicted\nd,s1,a,negative,positive\nd,s1,b,positive,positive\n");
  write_text(at("log.txt"), "casme2 sub01\nEP02_01f 1 1\nEP03_02 0 2\n");
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *model = NULL;
  o.cut = 1, o.height = o.width = 32, o.class_names = efme_classes_meg3(), o.class_count = 3;
  ok(efme_model_create(&model, context, &o));
  ok(efme_model_save(model, at("w.safetensors"), EFME_WEIGHTS_F32));
  efme_model_release(model);
}

static void open_context(void) {
  ok(heap_context(&context, &heap, 1));
  write_all_kinds();
}

static void close_context(void) {
  efme_context_release(context);
  ck_assert_int_eq(heap.live, 0);
}

/* Names the file, whatever the reason. */
static void refused(int i, efme_status status, const char *what) {
  ck_assert_msg(status && status != EFME_E_NOMEM && strstr(efme_last_error(), readers[i].name), "%s, %s: %s, %s", readers[i].name, what,
                efme_status_name(status), efme_last_error());
}

/* Nothing there, a folder, a pipe that nobody writes to, a device; a file is read all the same afterwards. */
START_TEST(no_file_at_all) {
  char path[256], aside[300];
  snprintf(path, sizeof path, "%s", at(readers[_i].name)), snprintf(aside, sizeof aside, "%s.aside", path);
  ok(readers[_i].open(path));
  ck_assert_int_eq(rename(path, aside), 0);
  refused(_i, readers[_i].open(path), "absent");
  ck_assert_int_eq(mkdir(path, 0700), 0);
  refused(_i, readers[_i].open(path), "a folder");
  ck_assert_int_eq(rmdir(path), 0);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  refused(_i, readers[_i].open(path), "a pipe");
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(symlink("/dev/zero", path), 0);
  refused(_i, readers[_i].open(path), "a device");
  ck_assert_int_eq(unlink(path), 0);
  ck_assert_int_eq(rename(aside, path), 0);
  ok(readers[_i].open(path));
}
END_TEST

static const char *victim;
static off_t cut_to;

static void remove_it(const char *call, const char *path) {
  (void)path;
  if (victim && !strcmp(call, "read")) unlink(victim), victim = NULL;
}

static void cut_it(const char *call, const char *path) {
  (void)path;
  if (!victim || strcmp(call, "read")) return;
  if (truncate(victim, cut_to)) perror(victim);
  victim = NULL;
}

/* Between open and read: removed, it is read to its end; cut, it is refused or, where lines are complete, read as far as it goes. */
START_TEST(changed_while_open) {
  char path[256], copy[300];
  snprintf(path, sizeof path, "%s", at(readers[_i].name)), snprintf(copy, sizeof copy, "%s.copy", path);
  uint8_t *data;
  size_t size;
  uint32_t refusals = 0;
  ok(efme_file_read(&data, &size, &efme_allocator_libc, path, 1u << 30));
  victim = path, calls_watch = remove_it;
  efme_status status = readers[_i].open(path);
  calls_watch = NULL;
  ok(status);
  ck_assert_int_ne(access(path, F_OK), 0);
  for (size_t k = 0; k < 40; k++) {
    write_bytes(path, data, size);
    victim = path, cut_to = (off_t)(size * k / 40), calls_watch = cut_it;
    status = readers[_i].open(path);
    calls_watch = NULL;
    ck_assert_ptr_null(victim);
    if (status) refused(_i, status, "cut"), refusals++;
  }
  ck_assert_uint_ge(refusals, readers[_i].open == open_image || readers[_i].open == open_weights ? 40 : 2);
  write_bytes(path, data, size);
  efme_mem_free(&efme_allocator_libc, data);
}
END_TEST

/* The files that a dataset names, after it was opened. */
START_TEST(samples_gone_or_changed) {
  efme_dataset *d = NULL;
  efme_image *image = NULL;
  ok(efme_dataset_open_manifest(&d, context, at("set.csv"), NULL));
  ok(efme_dataset_read(d, 0, &image));
  efme_image_release(image), image = NULL;
  write_text(at("1.pgm"), "P5 2 2 255\nabcd");
  ck_assert_int_eq(efme_dataset_read(d, 0, &image), EFME_E_MISMATCH);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "1.pgm"));
  write_text(at("1.pgm"), "P5 2 2 255\nabc");
  ck_assert_int_eq(efme_dataset_read(d, 0, &image), EFME_E_FORMAT);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "1.pgm"));
  ck_assert_int_eq(unlink(at("2.pgm")), 0);
  ck_assert_int_eq(efme_dataset_read(d, 1, &image), EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "2.pgm"));
  ck_assert_int_eq(mkdir(at("2.pgm"), 0700), 0);
  ck_assert_int_eq(efme_dataset_read(d, 1, &image), EFME_E_IO);
  ck_assert_int_eq(rmdir(at("2.pgm")), 0);
  ck_assert_ptr_null(image);
  efme_dataset_release(d);
}
END_TEST

/* What a run writes and reads back: a pipe or a folder of that name is refused, by name, and nothing is waited for. */
START_TEST(run_files_that_are_none) {
  static const char *const names[][2] = {{"run.checkpoint", ""}, {"run.json", "fold-0000-even_s1.json"}};
  fresh_folder();
  for (int k = 0; k < 2 && *names[_i][k]; k++)
    for (int pipe = 0; pipe < 2; pipe++) {
      char path[300];
      snprintf(path, sizeof path, "%s/%s", run_folder(), names[_i][k]);
      ck_assert_int_eq(pipe ? mkfifo(path, 0600) : mkdir(path, 0700), 0);
      efme_status status = works[_i].work(run_folder(), 0.01, NULL);
      ck_assert_msg(status == EFME_E_IO && strstr(efme_last_error(), names[_i][k]), "%s: %s, %s", names[_i][k], efme_status_name(status),
                    efme_last_error());
      ck_assert_int_eq(remove(path), 0);
    }
  ok(works[_i].work(run_folder(), 0.01, NULL));
  ck_assert(files() == expected(_i));
}
END_TEST

int main(void) {
  become_able_to_mount();
  Suite *suite = suite_create("disk");
  TCase *runs = tcase_create("runs"), *reading = tcase_create("readers");
  tcase_set_timeout(runs, 0), tcase_set_timeout(reading, 0);
  tcase_add_loop_test(runs, small_disk, 0, WORKS);
  tcase_add_loop_test(runs, read_only_disk, 0, WORKS);
  tcase_add_loop_test(runs, size_limit, 0, WORKS);
  tcase_add_loop_test(runs, interrupted, 0, WORKS);
  tcase_add_loop_test(runs, run_files_that_are_none, 0, WORKS);
  tcase_add_checked_fixture(reading, open_context, close_context);
  tcase_add_loop_test(reading, no_file_at_all, 0, READERS);
  tcase_add_loop_test(reading, changed_while_open, 0, READERS);
  tcase_add_test(reading, samples_gone_or_changed);
  suite_add_tcase(suite, runs), suite_add_tcase(suite, reading);
  return test_run(suite);
}
