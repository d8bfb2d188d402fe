/* The strict backend itself: what it is for, it does. Each promise of backend.h that it holds the library to is broken here on
 * purpose, and it must notice. */
#include <sys/wait.h>

#include "backend/strict/control.h"
#include "util/util.h"

#define VALUES 16
#define BYTES (VALUES * sizeof(float))

static struct efme_backend b;
static struct strict_control *control;

static void setup(void) {
  struct efme_backend_host host = {.size = sizeof host, .abi = EFME_BACKEND_ABI, .threads = 2};
  char fallback[256];
  host.alloc = efme_allocator_libc.alloc, host.free = efme_allocator_libc.free;
  ck_assert_msg(efme_backend_open(&b, "strict", &host, fallback) == EFME_OK, "%s", efme_last_error());
  control = strict_hold();
}

static void teardown(void) { efme_backend_close(&b); }

static void *buffer(size_t size) {
  void *handle = NULL;
  ck_assert_int_eq(b.api->alloc(b.be, &handle, size), EFME_OK);
  return handle;
}

static struct efme_op fill_op(uint32_t arena, float value) {
  struct efme_op op;
  memset(&op, 0, sizeof op);
  op.size = sizeof op;
  op.kind = EFME_OP_FILL;
  op.f[0] = value;
  op.t[EFME_T_Y] = (struct efme_tensor){.arena = (uint8_t)arena, .dtype = EFME_F32, .n = 1, .h = 1, .w = 1, .c = VALUES};
  return op;
}

static void *program(const struct efme_op *op) {
  void *p = NULL;
  ck_assert_msg(b.api->prepare(b.be, &p, op, 1, 4) == EFME_OK, "%s", efme_last_error());
  return p;
}

static struct efme_bindings bind(uint32_t arena, void *handle) {
  struct efme_bindings bindings = {.size = sizeof bindings, .batch = 1, .lanes = 1};
  bindings.arena[arena] = handle;
  return bindings;
}

static void expect(void *handle, float value) {
  float got[VALUES];
  ck_assert_int_eq(b.api->copy_out(b.be, handle, 0, got, BYTES), EFME_OK);
  for (int i = 0; i < VALUES; i++) ck_assert_msg(memcmp(&got[i], &value, sizeof value) == 0, "%g, not %g", (double)got[i], (double)value);
}

static void refused(void *p, const struct efme_bindings *bindings, const char *what) {
  uint64_t before = control->refused;
  ck_assert_int_eq(b.api->run(b.be, p, bindings), EFME_E_BACKEND);
  ck_assert_msg(strstr(efme_last_error(), what) != NULL, "\"%s\" does not say \"%s\"", efme_last_error(), what);
  ck_assert_uint_eq(control->refused, before + 1);
}

/* ---- memory ---- */

START_TEST(fresh_memory_is_poisoned) {
  const uint32_t ones = UINT32_MAX;
  float nan;
  memcpy(&nan, &ones, sizeof nan);
  void *handle = buffer(BYTES);
  expect(handle, nan);
  b.api->free(b.be, handle);
}
END_TEST

static volatile char sink;

/* A child that touches memory behind the table's back; 1 if it lived. */
static int lives(const volatile char *at, int write) {
  fflush(NULL);
  pid_t child = fork();
  ck_assert_int_ge(child, 0);
  if (!child) {
    if (!freopen("/dev/null", "w", stderr)) _exit(2); /* a sanitizer's report would look like a failure of ours */
    if (write) *(volatile char *)(uintptr_t)at = 1;
    else sink = *at;
    _exit(0);
  }
  int status = 0;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(buffers_cannot_be_touched) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *handle = buffer(2 * page), own = 0;
  struct efme_op op = fill_op(EFME_ARENA_IO, 1);
  void *p = program(&op);
  struct efme_bindings bindings = bind(EFME_ARENA_IO, handle);
  ck_assert(lives(&own, 1)); /* the trick itself */
  for (int turn = 0; turn < 2; turn++) {
    for (size_t at = 0; at < 4; at++) { /* the handle's own page, two of data, the guard behind */
      ck_assert_msg(!lives(handle + at * page, 0), "page %zu can be read", at);
      ck_assert_msg(!lives(handle + at * page, 1), "page %zu can be written", at);
    }
    ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK); /* and after a run */
    ck_assert_int_eq(b.api->sync(b.be), EFME_OK);
  }
  b.api->release(b.be, p);
  b.api->free(b.be, handle);
}
END_TEST

/* ---- time ---- */

START_TEST(work_is_deferred_and_captured) {
  float values[VALUES];
  for (int i = 0; i < VALUES; i++) values[i] = 3;
  void *x = buffer(BYTES), *y = buffer(BYTES);
  struct efme_op op = fill_op(EFME_ARENA_IO, 5);
  void *p = program(&op);
  memset(&op, 0, sizeof op); /* the list was copied */
  struct efme_bindings bindings = bind(EFME_ARENA_IO, x);
  uint64_t done = control->kinds[EFME_OP_FILL];
  ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK);
  memset(&bindings, 0, sizeof bindings); /* and so were the bindings */
  ck_assert_int_eq(b.api->copy(b.be, y, 0, x, 0, BYTES), EFME_OK);
  ck_assert_int_eq(b.api->copy_in(b.be, x, 0, values, BYTES), EFME_OK);
  for (int i = 0; i < VALUES; i++) values[i] = 4;        /* and the bytes */
  ck_assert_uint_eq(control->kinds[EFME_OP_FILL], done); /* nothing was done yet */
  b.api->release(b.be, p);
  ck_assert_int_eq(b.api->sync(b.be), EFME_OK);
  ck_assert_uint_eq(control->kinds[EFME_OP_FILL], done + 1);
  expect(y, 5); /* in the order of the calls */
  expect(x, 3);
  b.api->free(b.be, x);
  b.api->free(b.be, y);
}
END_TEST

/* ACT holds nothing from run to run; in other regions a value stays. */
START_TEST(activations_do_not_last) {
  static const uint32_t arenas[] = {EFME_ARENA_ACT, EFME_ARENA_IO};
  for (size_t k = 0; k < 2; k++) {
    struct efme_op op = fill_op(arenas[k], 5), later = fill_op(arenas[k], 6);
    later.t[EFME_T_Y].offset = BYTES;
    void *handle = buffer(2 * BYTES), *p = program(&op), *q = program(&later);
    struct efme_bindings bindings = bind(arenas[k], handle);
    float got;
    ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK);
    expect(handle, 5);
    ck_assert_int_eq(b.api->run(b.be, q, &bindings), EFME_OK);
    ck_assert_int_eq(b.api->copy_out(b.be, handle, 0, &got, sizeof got), EFME_OK);
    ck_assert_msg((got != got) == (k == 0), "region %u: %g", arenas[k], (double)got);
    b.api->release(b.be, p);
    b.api->release(b.be, q);
    b.api->free(b.be, handle);
  }
}
END_TEST

/* ---- recording ---- */

START_TEST(bindings_stay) {
  struct efme_op op = fill_op(EFME_ARENA_IO, 1);
  void *x = buffer(BYTES), *y = buffer(BYTES), *p = program(&op);
  struct efme_bindings bindings = bind(EFME_ARENA_IO, x);
  ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK);
  bindings.batch = 3; /* alone may differ */
  ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK);
  bindings.max_threads = 1;
  refused(p, &bindings, "bindings: threads");
  bindings = bind(EFME_ARENA_IO, y);
  refused(p, &bindings, "bindings: inputs");
  b.api->release(b.be, p);
  b.api->free(b.be, x);
  b.api->free(b.be, y);
}
END_TEST

START_TEST(steps_stay) {
  struct efme_op op = fill_op(EFME_ARENA_GRADS, 1), other = fill_op(EFME_ARENA_GRADS, 2);
  void *grads = buffer(BYTES), *p = program(&op), *same = program(&op), *q = program(&other);
  struct efme_bindings bindings = bind(EFME_ARENA_GRADS, grads);
  uint64_t recorded = control->recorded, replayed = control->replayed;
  ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK);
  b.api->release(b.be, p); /* the recorded step lives on */
  ck_assert_int_eq(b.api->run(b.be, same, &bindings), EFME_OK);
  ck_assert_uint_eq(control->recorded, recorded + 1);
  ck_assert_uint_eq(control->replayed, replayed + 1);
  bindings.batch = 2;
  ck_assert_int_eq(b.api->run(b.be, same, &bindings), EFME_OK);
  ck_assert_uint_eq(control->recorded, recorded + 2);
  refused(q, &bindings, "descriptors");
  expect(grads, 1);
  b.api->release(b.be, same);
  b.api->free(b.be, grads);
  grads = buffer(BYTES); /* another training */
  bindings = bind(EFME_ARENA_GRADS, grads);
  ck_assert_int_eq(b.api->run(b.be, q, &bindings), EFME_OK);
  expect(grads, 2);
  b.api->release(b.be, q);
  b.api->free(b.be, grads);
}
END_TEST

START_TEST(a_lost_device_is_told_late_and_for_good) {
  struct efme_op op = fill_op(EFME_ARENA_IO, 1);
  void *x = buffer(BYTES), *p = program(&op);
  struct efme_bindings bindings = bind(EFME_ARENA_IO, x);
  float got = 7;
  control->fail_in = 1;
  ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_OK);
  ck_assert_int_eq(b.api->copy_out(b.be, x, 0, &got, sizeof got), EFME_E_BACKEND);
  ck_assert(got == 7);
  ck_assert_int_eq(b.api->run(b.be, p, &bindings), EFME_E_BACKEND);
  ck_assert_int_eq(b.api->copy_in(b.be, x, 0, &got, sizeof got), EFME_E_BACKEND);
  ck_assert_int_eq(b.api->sync(b.be), EFME_E_BACKEND);
  b.api->release(b.be, p);
  b.api->free(b.be, x);
}
END_TEST

int main(void) {
  setenv("EFME_BACKEND_DIR", STRICT_DIR, 1);
  Suite *suite = suite_create("strict_seam");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, fresh_memory_is_poisoned);
  tcase_add_test(t, buffers_cannot_be_touched);
  tcase_add_test(t, work_is_deferred_and_captured);
  tcase_add_test(t, activations_do_not_last);
  tcase_add_test(t, bindings_stay);
  tcase_add_test(t, steps_stay);
  tcase_add_test(t, a_lost_device_is_told_late_and_for_good);
  return test_run(suite);
}
