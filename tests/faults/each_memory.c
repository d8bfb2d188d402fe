/* Memory that runs out: every allocation of every operation refused in turn, once alone and once with all behind it, then every one that
 * the C library and cJSON make, and every start of a thread. */
#include <limits.h>

#include "faults.h"

static void refuse_one(long number) { heap_refuse(&faults_heap, number, 1); }
static void refuse_rest(long number) { heap_refuse(&faults_heap, number, LONG_MAX); }

static long disarm(void) {
  long calls = atomic_load(&faults_heap.calls);
  heap_refuse(&faults_heap, 0, 0);
  return calls;
}

/* The text says that memory is out. */
static int nomem(efme_status status) { return status == EFME_E_NOMEM && strstr(efme_last_error(), "memory"); }
/* Or that no thread can be started, which the C library answers for the same reason; or it goes another way. */
static int nomem_or_other_way(efme_status status) {
  return !status || nomem(status) || (status == EFME_E_NOMEM && strstr(efme_last_error(), "thread"));
}

static const struct injector allocation = {"allocation refused", refuse_one, disarm, nomem, 0};
static const struct injector memory_gone = {"no memory from allocation", refuse_rest, disarm, nomem, 0};
static long malloc_disarm(void) {
  long calls = malloc_calls();
  malloc_refuse(0);
  return calls;
}

static long threads_disarm(void) {
  long calls = threads_calls();
  threads_refuse(0);
  return calls;
}

static const struct injector libc_allocation = {"C library's allocation refused", malloc_refuse, malloc_disarm, nomem_or_other_way, 1};
static const struct injector thread = {"thread refused", threads_refuse, threads_disarm, nomem_or_other_way, 0};

START_TEST(each_allocation) { faults_all(&allocation); }
END_TEST

START_TEST(all_from_one_on) { faults_all(&memory_gone); }
END_TEST

START_TEST(each_of_the_c_library) {
  if (malloc_interposed()) faults_all(&libc_allocation);
  else printf("SKIP: malloc cannot be interposed in this build\n"), test_skips++;
}
END_TEST

START_TEST(each_thread) {
  if (malloc_interposed()) faults_all(&thread);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("faults_memory");
  faults_add(suite, "each", each_allocation);
  faults_add(suite, "rest", all_from_one_on);
  faults_add(suite, "libc", each_of_the_c_library);
  faults_add(suite, "threads", each_thread);
  return test_run(suite);
}
