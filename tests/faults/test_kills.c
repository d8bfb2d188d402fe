/* SIGKILL, at random moments and at every call on files in turn: the work goes on where its last checkpoint stands, and its files come out
 * as those of a run that nobody disturbed, byte for byte. What is done again is counted. */
#include "work.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "calls.h"
#include "train/state.h"
#include "util/util.h"

static const struct job {
  const char *name;
  work_fn work;
} jobs[] = {{"train", work_train}, {"loso", work_loso}, {"choice", work_choice}};
enum { TRAIN, LOSO, CHOICE };

/* ---- the log ---- */

enum { EVENTS = 1 << 16, FOLD = 24 };
struct event {
  enum { STEP = 1, SAVED, OPENED } kind; /* a step is done; a checkpoint is in place; a file is being written */
  char fold[FOLD];                       /* "" where there are none */
  uint64_t position;                     /* of a step, in the order of a run */
  double at;                             /* seconds */
};
struct log {
  atomic_uint count;
  struct event events[EVENTS];
};
static struct log *life; /* of the life that goes on, or went on last */

static void note(int kind, const char *fold, size_t n, uint64_t position) {
  unsigned i = atomic_fetch_add(&life->count, 1);
  if (i >= EVENTS) return;
  struct event *e = &life->events[i];
  for (size_t k = 0; k < n && k < FOLD - 1; k++) e->fold[k] = fold[k] == '/' ? '_' : fold[k];
  e->position = position, e->at = efme_seconds(), e->kind = kind;
}

static int log_progress(const efme_train_progress *p, void *user) {
  const char *colon = strchr(p->what, ':'), *what = colon ? colon + 2 : p->what;
  (void)user;
  if (p->event == EFME_TRAIN_STEP && !strcmp(what, "train"))
    note(STEP, p->what, colon ? (size_t)(colon - p->what) : 0, ((uint64_t)p->phase << 32 | p->epoch) << 16 | p->step);
  return 0;
}

static void watch(const char *call, const char *path) {
  size_t n = strlen(path), suffix = strlen(".checkpoint");
  if (!strcmp(call, "open")) note(OPENED, "", 0, 0);
  if (strcmp(call, "rename")) return;
  if (n > suffix && !strcmp(path + n - suffix, ".checkpoint")) {
    const char *fold = strstr(path, "/fold-");
    fold = fold ? fold + strlen("/fold-0000-") : path + n - suffix;
    note(SAVED, fold, (size_t)(path + n - suffix - fold), 0);
  } else note(SAVED, "-", 1, 0); /* another file */
}

static void open_log(const char *path, int flags) {
  int fd = open(path, O_RDWR | flags, 0600);
  if (fd < 0 || (flags && ftruncate(fd, sizeof *life))) perror(path), exit(EXIT_FAILURE);
  life = mmap(NULL, sizeof *life, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (life == MAP_FAILED) perror(path), exit(EXIT_FAILURE);
}

/* ---- a life: this program, called "test_kills JOB FOLDER SECONDS CALL LOG" ---- */

static char **arguments;

START_TEST(life_of_work) {
  open_log(arguments[5], 0);
  calls_watch = watch;
  calls_arm(CALLS_KILLED, atol(arguments[4]));
  ok(jobs[atoi(arguments[1])].work(arguments[2], atof(arguments[3]), log_progress));
  calls_disarm();
}
END_TEST

/* As a suite of its own, since the fixtures' assertions want to be in one. */
static int live(char **argv) {
  Suite *suite = suite_create("life");
  arguments = argv;
  unsetenv("CK_RUN_CASE"), unsetenv("CK_RUN_SUITE"); /* they choose among the parent's tests */
  faults_add(suite, "work", life_of_work);
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_NOFORK);
  srunner_run_all(runner, CK_SILENT);
  int failed = srunner_ntests_failed(runner);
  if (failed) srunner_print(runner, CK_NORMAL);
  srunner_free(runner);
  return failed;
}

struct run {
  int job;
  double interval; /* of checkpoints */
  uint32_t lives, kills, in_writes;
  uint64_t redone, most_redone;      /* steps, and in one life */
  double longest_redone, longest_gap; /* seconds */
};

/* Starts a life, to be killed after so many seconds (0: never) or at the call with this number (0: at none). 1: it was killed. */
static int one_life(struct run *run, double seconds, long call) {
  char number[4][32];
  snprintf(number[0], 32, "%d", run->job), snprintf(number[1], 32, "%.9f", run->interval), snprintf(number[2], 32, "%ld", call);
  const char *const argv[] = {"/proc/self/exe", number[0], at("run"), number[1], number[2], at("log"), NULL};
  memset(life, 0, sizeof(atomic_uint) + sizeof life->events[0] * EFME_MIN(atomic_load(&life->count) + 1u, (unsigned)EVENTS));
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (!pid) {
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  if (seconds > 0.0) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
    kill(pid, SIGKILL);
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  run->lives++;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%s: a life ended by itself with status %d", jobs[run->job].name, status);
  run->kills++;
  return 1;
}

/* ---- what was done again ---- */

enum { FOLDS = 64, POSITIONS = 4096 };
struct history { /* of a fold, over all lives */
  char fold[FOLD];
  uint64_t reached[POSITIONS];
  uint32_t count;
  uint64_t saved; /* the last one that a checkpoint in place holds */
};
static struct history histories[FOLDS];
static uint32_t history_count;

static struct history *history_of(const char *fold) {
  for (uint32_t i = 0; i < history_count; i++)
    if (!strcmp(histories[i].fold, fold)) return &histories[i];
  ck_assert_uint_lt(history_count, FOLDS);
  strcpy(histories[history_count].fold, fold);
  return &histories[history_count++];
}

static uint32_t unsaved(const struct history *h) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < h->count; i++) n += h->reached[i] > h->saved;
  return n;
}

static int was_reached(const struct history *h, uint64_t position) {
  for (uint32_t i = 0; i < h->count; i++)
    if (h->reached[i] == position) return 1;
  return 0;
}

/* One fold in the log of one life. Steps that an earlier life had reported are done again: no more than it had not saved. And what is
 * not saved when the life ends is less than one interval's work and the step that follows it, by the clock of the life itself: a step that
 * takes long, and whatever else keeps the process from running, shows as a gap between events. */
static void look_at_fold(struct run *run, struct history *h) {
  uint32_t count = EFME_MIN(atomic_load(&life->count), (unsigned)EVENTS), again = 0, allowed = unsaved(h);
  uint64_t position = 0; /* of this life */
  double saved = 0.0, last = 0.0, before = 0.0, first_again = 0.0, last_again = 0.0, gap = 0.0;
  for (uint32_t i = 0; i < count; i++) {
    const struct event *e = &life->events[i];
    if (!e->kind || e->kind == OPENED || strcmp(e->fold, h->fold)) continue;
    if (last > 0.0 && e->at - last > gap) gap = e->at - last;
    if (saved == 0.0) saved = e->at;
    if (e->kind == STEP) position = e->position;
    if (e->kind == SAVED) h->saved = EFME_MAX(h->saved, position), saved = e->at;
    else if (was_reached(h, e->position)) {
      if (!again++) first_again = e->at;
      last_again = e->at;
    } else {
      ck_assert_uint_lt(h->count, POSITIONS);
      h->reached[h->count++] = e->position;
    }
    before = e->kind == STEP ? last : before;
    last = e->at;
  }
  ck_assert_msg(again <= allowed, "%s, fold %s: %u steps were done again, %u were not saved", jobs[run->job].name, h->fold, again, allowed);
  double open = before > saved ? before - saved : 0.0;
  ck_assert_msg(open <= run->interval + gap, "%s, fold %s: %.3f s of work were not saved, checkpoints are due every %.3f s (longest step %.3f s)",
                jobs[run->job].name, h->fold, open, run->interval, gap);
  run->redone += again;
  if (again > run->most_redone) run->most_redone = again;
  if (last_again - first_again > run->longest_redone) run->longest_redone = last_again - first_again;
  if (gap > run->longest_gap) run->longest_gap = gap;
}

static void look_at_life(struct run *run, int killed) {
  uint32_t count = EFME_MIN(atomic_load(&life->count), (unsigned)EVENTS);
  int open = 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct event *e = &life->events[i];
    open += (e->kind == OPENED) - (e->kind == SAVED);
    if (e->kind == STEP) history_of(e->fold);
  }
  for (uint32_t i = 0; i < history_count; i++) look_at_fold(run, &histories[i]);
  run->in_writes += killed && open > 0;
}

/* ---- runs ---- */

/* Of all its files. */
static uint64_t files(void) {
  uint64_t hash = 0;
  add_tree(&hash, at("run"));
  return hash;
}

static void fresh_folder(void) {
  remove_tree(at("run"));
  ok(efme_dir_create(&efme_allocator_libc, at("run")));
  memset(histories, 0, sizeof histories);
  history_count = 0;
}

/* Its files, and how long it takes; *startup: until its first step is done. */
static uint64_t undisturbed(int job, double *seconds, double *startup) {
  struct run run = {.job = job, .interval = 1e9};
  fresh_folder();
  double begin = efme_seconds();
  ck_assert(!one_life(&run, 0.0, 0));
  *seconds = efme_seconds() - begin;
  *startup = *seconds;
  for (uint32_t i = atomic_load(&life->count); i-- > 0;)
    if (i < EVENTS && life->events[i].kind == STEP) *startup = life->events[i].at - begin;
  ck_assert_uint_gt(atomic_load(&life->count), 0);
  ck_assert_uint_lt(atomic_load(&life->count), EVENTS);
  return files();
}

static void tell(const struct run *run, const char *how, uint32_t runs, double seconds) {
  printf("%s, %s: %u runs of %.2f s in %u lives, %u kills, %u of them while a file was written; %llu steps done again, at most %llu in a "
         "life and fold, in %.0f ms (checkpoints every %.0f ms, longest step %.0f ms)\n",
         jobs[run->job].name, how, runs, seconds, run->lives, run->kills, run->in_writes, (unsigned long long)run->redone,
         (unsigned long long)run->most_redone, run->longest_redone * 1e3, run->interval * 1e3, run->longest_gap * 1e3);
}

static uint32_t all_kills, all_in_writes;

static void add_up(const struct run *run) { all_kills += run->kills, all_in_writes += run->in_writes; }

/* Steps that any life has reported so far. */
static uint32_t reached(void) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < history_count; i++) n += histories[i].count;
  return n;
}

/* A life that comes no further than those before it makes the next ones longer: a machine may have become slower than it was measured. */
static void at_random(int job, uint32_t kills) {
  double seconds, startup;
  uint64_t expected = undisturbed(job, &seconds, &startup), random = 88172645463325252u;
  struct run run = {.job = job, .interval = 0.01};
  uint32_t runs = 0;
  for (; run.kills < kills; runs++) {
    ck_assert_msg(runs < 10 * kills, "%s: %u kills in %u runs", jobs[job].name, run.kills, runs);
    fresh_folder();
    for (double longer = 1.0;;) {
      uint32_t before = reached();
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      double share = (double)(random >> 11) / 9007199254740992.0;
      int killed = one_life(&run, longer * (startup * 0.8 + share * (seconds / 8 + startup * 0.4)), 0);
      look_at_life(&run, killed);
      longer = reached() > before ? 1.0 : longer * 1.2;
      if (!killed) break;
    }
    ck_assert_msg(files() == expected, "%s, run %u: after %u kills the files are others than those of an undisturbed run", jobs[job].name, runs,
                  run.kills);
  }
  tell(&run, "at random moments", runs, seconds);
  add_up(&run);
}

/* Life n is killed at its n-th call, so that each comes further than the one before it. */
static void at_calls(int job, double interval) {
  double seconds, startup;
  uint64_t expected = undisturbed(job, &seconds, &startup);
  struct run run = {.job = job, .interval = interval};
  fresh_folder();
  for (int killed = 1; killed;) {
    killed = one_life(&run, 0.0, (long)run.lives + 1);
    look_at_life(&run, killed);
  }
  ck_assert_msg(files() == expected, "%s: after kills at calls 1 to %u the files are others than those of an undisturbed run", jobs[job].name,
                run.kills);
  tell(&run, "at calls on files", 1, seconds);
  add_up(&run);
}

START_TEST(train_at_random) { at_random(TRAIN, 25); }
END_TEST
START_TEST(loso_at_random) { at_random(LOSO, 25); }
END_TEST
START_TEST(train_at_calls) { at_calls(TRAIN, 0.01); }
END_TEST
START_TEST(loso_at_calls) { at_calls(LOSO, 0.01); }
END_TEST
START_TEST(choice_at_calls) { at_calls(CHOICE, 0.01); }
END_TEST

START_TEST(enough) {
  printf("%u kills, %u of them while a file was written\n", all_kills, all_in_writes);
  ck_assert_uint_ge(all_kills, 50);
  ck_assert_uint_ge(all_in_writes, 10);
}
END_TEST

int main(int argc, char **argv) {
  if (argc == 6) return live(argv);
  open_log(at("log"), O_CREAT);
  Suite *suite = suite_create("kills");
  faults_add(suite, "train", train_at_random);
  faults_add(suite, "loso", loso_at_random);
  faults_add(suite, "train_calls", train_at_calls);
  faults_add(suite, "loso_calls", loso_at_calls);
  faults_add(suite, "choice", choice_at_calls);
  if (!getenv("CK_RUN_CASE")) faults_add(suite, "enough", enough);
  return test_run(suite);
}
