/* The walker itself: it passes the reference run through a backend table, and finds each fault planted in a copy of that table. */
#include "test.h"

#include "walk.h"

enum { NONE, WRONG_LAST, BY_THREADS, SPILL, BY_PLACE, CHANGES_INPUT };
static int fault;
static efme_status (*whole_run)(void *be, void *program, const struct efme_bindings *b);
static struct efme_op planted; /* the op under test: ACT on X, Y */

static efme_status faulty_prepare(void *be, void **program, const struct efme_op *ops, size_t count, uint32_t max_batch) {
  planted = ops[0];
  return efme_ref_backend.prepare(be, program, ops, count, max_batch);
}

static efme_status faulty_run(void *be, void *program, const struct efme_bindings *b) {
  const struct efme_tensor *y = &planted.t[EFME_T_Y], *x = &planted.t[EFME_T_X];
  efme_status status = whole_run(be, program, b);
  char *to = (char *)b->arena[y->arena] + y->offset, *from = (char *)b->arena[x->arena] + x->offset;
  size_t count = efme_ref_count(y, b->batch), image = efme_ref_count(y, 1);
  const struct efme_backend_host *host = be;
  if (fault == WRONG_LAST) ((float *)to)[count - 1] += 1e-3f;
  if (fault == BY_THREADS && host->threads == 3) to[0] ^= 1;
  if (fault == SPILL && count % 16) to[4 * count] = 0;
  if (fault == BY_PLACE && b->batch > 1) to[4 * image] ^= 1;
  if (fault == CHANGES_INPUT) from[0] ^= 1;
  return status;
}

static void found(int what, const char *words) {
  struct efme_backend_api api = efme_ref_backend;
  struct walk w;
  whole_run = api.run;
  api.run = faulty_run;
  api.prepare = faulty_prepare;
  fault = what;
  ck_assert(walk_open(&w, &api, 0, 1, NULL));
  walk_run(&w, 1, EFME_OP_ADD);
  walk_close(&w);
  if (!words) {
    ck_assert_msg(w.failures == 0, "%s", w.first);
    return;
  }
  ck_assert_uint_gt(w.failures, 0);
  ck_assert_msg(strstr(w.first, words) != NULL, "%s", w.first);
}

START_TEST(nothing_planted) { found(NONE, NULL); }
END_TEST
START_TEST(wrong_value) { found(WRONG_LAST, "limit"); }
END_TEST
START_TEST(bits_by_threads) { found(BY_THREADS, "other bits than with one thread"); }
END_TEST
START_TEST(write_past_the_end) { found(SPILL, "wrote outside Y"); }
END_TEST
START_TEST(bits_by_place) { found(BY_PLACE, "other bits as image"); }
END_TEST
START_TEST(input_changed) { found(CHANGES_INPUT, "was changed"); }
END_TEST

/* Host memory is moved through copy_in and copy_out for devices: the same verdict. */
START_TEST(device_path) {
  struct walk w;
  ck_assert(walk_open(&w, &efme_ref_backend, 0, 0, NULL));
  walk_run(&w, 1, EFME_OP_SOFTMAX);
  walk_run(&w, 1, EFME_OP_BN_REDUCE);
  walk_close(&w);
  ck_assert_msg(w.failures == 0, "%s", w.first);
  ck_assert_uint_gt(w.cases, 50);
}
END_TEST

/* Compared with itself the error must be nil, and none of the demands may fail. */
START_TEST(reference_against_itself) {
  struct walk w;
  ck_assert(walk_open(&w, &efme_ref_backend, 0, 1, stdout));
  static const int kinds[] = {EFME_OP_BN_STAT, EFME_OP_GATE_DX, EFME_OP_DROPOUT, EFME_OP_LOSS, EFME_OP_PENALTY, EFME_OP_FOLD};
  for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) walk_run(&w, 1, kinds[k]); /* the quick ones, of every form */
  walk_close(&w);
  ck_assert_msg(w.failures == 0, "%s", w.first);
  for (int k = 1; k < EFME_OP_COUNT; k++) ck_assert(w.worst[k] == 0);
}
END_TEST

/* A list of kinds that is complete: a new kind without cases fails here. */
static void count_case(const struct kernel_case *c, void *user) { ((unsigned *)user)[c->op.kind]++; }
START_TEST(every_kind_has_cases) {
  unsigned seen[EFME_OP_COUNT] = {0};
  kernel_cases(0, count_case, seen);
  for (int k = EFME_OP_FILL; k < EFME_OP_PACK; k++) ck_assert_msg(seen[k] >= 10, "%s: %u cases", efme_ref_kind_name(k), seen[k]);
}
END_TEST

/* A descriptor that breaks the table is refused by kind and role, before anything is touched. */
static void refused(const struct efme_op *op, efme_status status, const char *words) {
  static float memory[64];
  void *base[EFME_ARENA_COUNT];
  for (int a = 0; a < EFME_ARENA_COUNT; a++) base[a] = memory;
  ck_assert_int_eq(efme_ref_run(op, base, 2), status);
  ck_assert_msg(strstr(efme_last_error(), words) != NULL, "%s", efme_last_error());
  for (int i = 0; i < 64; i++) ck_assert(memory[i] == 0);
}

START_TEST(reference_refuses) {
  struct kernel_case c = kernel_case_begin(EFME_OP_ADD, 2);
  struct efme_op op;
  for (int r = EFME_T_X; r <= EFME_T_Y; r++) kernel_batched(&c, r, 1, 2, 3);
  kernel_batched(&c, EFME_T_RES, 1, 2, 3);
  op = c.op, op.t[EFME_T_RES].arena = EFME_ARENA_NONE;
  refused(&op, EFME_E_ARGUMENT, "ADD: RES is missing");
  op = c.op, op.t[EFME_T_GATE] = op.t[EFME_T_X];
  refused(&op, EFME_E_ARGUMENT, "ADD: GATE is not one of its roles");
  op = c.op, op.t[EFME_T_Y].w = 1;
  refused(&op, EFME_E_ARGUMENT, "Y is 2 x 1 x 1 x 3, not 2 x 1 x 2 x 3");
  op = c.op, op.t[EFME_T_X].dtype = EFME_I32;
  refused(&op, EFME_E_ARGUMENT, "X has type");
  op = c.op, op.t[EFME_T_X].offset = 4;
  refused(&op, EFME_E_ARGUMENT, "bad offset");
  op = c.op, op.kind = EFME_OP_PACK;
  refused(&op, EFME_E_UNSUPPORTED, "PACK");
  op = c.op, op.kind = EFME_OP_MATMUL, op.t[EFME_T_P] = op.t[EFME_T_X];
  refused(&op, EFME_E_UNSUPPORTED, "packed");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("walker");
  TCase *all = tcase_create("walker");
  tcase_set_timeout(all, 0);
  tcase_add_test(all, nothing_planted);
  tcase_add_test(all, wrong_value);
  tcase_add_test(all, bits_by_threads);
  tcase_add_test(all, write_past_the_end);
  tcase_add_test(all, bits_by_place);
  tcase_add_test(all, input_changed);
  tcase_add_test(all, device_path);
  tcase_add_test(all, reference_against_itself);
  tcase_add_test(all, every_kind_has_cases);
  tcase_add_test(all, reference_refuses);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
