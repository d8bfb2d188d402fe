/* Walks (op x shape x level) on the CPU backend and compares with the reference (walk.h).
 * With no arguments: every case at every level this CPU has, as tests. Otherwise
 *   op_walk [--level 1|2|3] [--kind MATMUL]           the walk, failures printed, worst errors in parts of their limits
 *   op_walk --time [--side 224] [--batch 1] [...]     ms and GFLOP/s of the network's shapes, with 1 and 2 threads */
#include "test.h"

#include <signal.h>

#include "walk.h"

static struct walk walks[3];
static int walk_count;
static int only_kind;

/* A fault says which case it was in. */
static void on_fault(int number) {
  static const char head[] = "\nFAULT (memory outside a tensor was touched) in ";
  ssize_t ignored = write(2, head, sizeof head - 1);
  ignored += write(2, walk_running, strlen(walk_running));
  ignored += write(2, "\n", 1);
  (void)ignored;
  signal(number, SIG_DFL);
  raise(number);
}

#if defined(__SANITIZE_THREAD__)
#define RACES_ONLY 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RACES_ONLY 1
#endif
#endif

static void open_levels(uint32_t only) {
  for (uint32_t level = EFME_CPU_BASELINE; level <= EFME_CPU_AVX512; level++) {
    if (only && level != only) continue;
    struct walk *w = &walks[walk_count];
    if (!walk_open(w, &efme_cpu_backend, level, 1, stdout)) continue;
    if (w->level == level) walk_count++;
    else walk_close(w); /* this CPU lacks it */
  }
#if defined(RACES_ONLY) /* the levels share the code that cuts and hands out work: under the thread sanitizer one will do */
  while (walk_count > 1) walk_close(&walks[--walk_count]);
  walks[0].threads_only = 1;
#endif
}

static void close_levels(void) {
  while (walk_count) walk_close(&walks[--walk_count]);
}

START_TEST(every_case) {
  for (int i = 0; i < walk_count; i++) walks[i].cases = walks[i].failures = 0;
  walk_run(walks, walk_count, _i);
  for (int i = 0; i < walk_count; i++) {
    ck_assert_msg(walks[i].failures == 0, "%lu failures; first: %s", walks[i].failures, walks[i].first);
    ck_assert_msg(walks[i].cases > 0, "%s has no case", efme_ref_kind_name(_i));
  }
}
END_TEST

START_TEST(baseline_is_always_there) {
  ck_assert_int_ge(walk_count, 1);
  ck_assert_uint_eq(walks[0].level, EFME_CPU_BASELINE);
}
END_TEST

static int run_tests(void) {
  Suite *suite = suite_create("op_walk");
  TCase *all = tcase_create("walk");
  tcase_set_timeout(all, 0);
  tcase_add_test(all, baseline_is_always_there);
  tcase_add_loop_test(all, every_case, EFME_OP_FILL, EFME_OP_PACK);
  suite_add_tcase(suite, all);
  return test_run(suite);
}

static void time_case(const struct kernel_case *c, void *user) {
  struct walk *w = user;
  double one = walk_time(w, c, 0), two = walk_time(w, c, 1);
  if (one < 0) return;
  double bytes = 0;
  for (int r = 0; r < EFME_T_COUNT; r++)
    if (c->op.t[r].arena) bytes += (double)efme_ref_count(&c->op.t[r], c->batch) * (double)efme_ref_element(c->op.t[r].dtype);
  printf("level %u  %9.4f ms %7.1f GFLOP/s %6.1f GB/s | 2 threads %9.4f ms  %s\n", w->level, one * 1e3, c->flops / one * 1e-9,
         bytes / one * 1e-9, two * 1e3, c->name);
}

static int usage(void) {
  fprintf(stderr, "usage: op_walk [--level 1|2|3] [--kind NAME] [--time [--side N] [--batch N]]\n");
  return 2;
}

int main(int argc, char **argv) {
  int timing = 0;
  long side = 224, batch = 1, level = 0;
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--time") == 0) timing = 1;
    else if (i + 1 >= argc) return usage();
    else if (strcmp(argv[i], "--side") == 0) side = strtol(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--batch") == 0) batch = strtol(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--level") == 0) level = strtol(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--kind") == 0) {
      for (int k = 1; k < EFME_OP_COUNT; k++)
        if (strcmp(argv[i + 1], efme_ref_kind_name(k)) == 0) only_kind = k;
      if (!only_kind) return usage();
      i++;
    } else return usage();
  }
  open_levels((uint32_t)level);
  int result = 0;
  if (argc == 1) {
    result = run_tests();
  } else if (timing) {
    for (int i = 0; i < walk_count; i++) kernel_time_cases(only_kind, (int32_t)side, (uint32_t)batch, time_case, &walks[i]);
  } else {
    walk_run(walks, walk_count, only_kind);
    for (int i = 0; i < walk_count; i++) {
      printf("level %u: %lu cases, %lu failures\n", walks[i].level, walks[i].cases, walks[i].failures);
      for (int k = 1; k < EFME_OP_PACK; k++)
        if (walks[i].worst[k] > 0)
          printf("  %-10s worst error %.2f of its limit: %s\n", efme_ref_kind_name(k), walks[i].worst[k], walks[i].worst_case[k]);
      result |= walks[i].failures != 0;
    }
  }
  close_levels();
  return result;
}
