/* Executions: heads on cached features, evaluation, every switch of training against the double-precision twin, borrowing, bounds; nothing
 * is allocated once planned, and any allocation may fail. */
#include "heap.h"
#include "net/feed.h"

#include <math.h>

/* Features computed once, then the head on them, are the bits of the whole network with a frozen trunk. */
START_TEST(test_head_from_features) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48);
  float *w = rig_random_weights(&arch, 5, NULL);
  struct efme_plan_options whole = {.mode = EFME_PLAN_TRAIN,
                                    .scope = EFME_SCOPE_HEAD,
                                    .max_batch = 5,
                                    .gamma = 2,
                                    .dropout = 0.5f,
                                    .l1 = 0.01f,
                                    .l2 = 0.01f,
                                    .update = 1,
                                    .optimizer_f = {{0}, {0.9f, 0.999f, 1e-7f}}};
  struct efme_plan_options head = whole, features = {.mode = EFME_PLAN_FEATURES, .max_batch = 5},
                           infer = {.mode = EFME_PLAN_INFER, .max_batch = 5};
  struct rig a, b, f, i;
  head.from_features = 1;
  rig_open(&a, rig_shared, &arch, &whole);
  rig_open(&b, rig_shared, &arch, &head);
  rig_open(&f, rig_shared, &arch, &features);
  rig_open(&i, rig_shared, &arch, &infer);
  rig_weights(&a, w), rig_weights(&b, w), rig_weights(&f, w), rig_weights(&i, w);
  feed_inputs(&a, 5), feed_inputs(&f, 5), feed_inputs(&i, 5);
  rig_main(&f, 5);
  float *v = feed_get(&f, &f.plan->features, 5 * 40);
  feed_inputs(&b, 5);
  rig_put(&b, &b.plan->input, v, 5 * 40);
  feed_train(&a, 5, 3);
  feed_train(&b, 5, 3);
  uint64_t n = a.plan->params.total;
  float *wa = feed_region(&a, EFME_ARENA_WEIGHTS, n), *wb = feed_region(&b, EFME_ARENA_WEIGHTS, n);
  ck_assert(memcmp(wa, wb, n * sizeof *wa) == 0);
  ck_assert(memcmp(wa, w, a.plan->params.trunk_end * sizeof *wa) == 0); /* the trunk is frozen */
  ck_assert(memcmp(wa + a.plan->params.trunk_end, w + a.plan->params.trunk_end, 120 * sizeof *wa) != 0);
  /* INFER from features gives INFER's logits */
  struct efme_plan_options on_features = {.mode = EFME_PLAN_INFER, .max_batch = 5, .from_features = 1};
  struct rig h;
  rig_open(&h, rig_shared, &arch, &on_features);
  rig_weights(&h, w);
  rig_put(&h, &h.plan->input, v, 5 * 40);
  rig_main(&h, 5), rig_main(&i, 5);
  float *la = feed_get(&h, &h.plan->logits, 15), *lb = feed_get(&i, &i.plan->logits, 15);
  ck_assert(memcmp(la, lb, 15 * sizeof *la) == 0);
  free(w), free(v), free(wa), free(wb), free(la), free(lb);
  rig_close(&a), rig_close(&b), rig_close(&f), rig_close(&i), rig_close(&h);
}
END_TEST

/* EVALUATE: logits of INFER, loss of TRAIN without dropout, sums over batches. */
START_TEST(test_evaluate) {
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  float *w = rig_random_weights(&arch, 6, NULL);
  struct efme_plan_options eval = {.mode = EFME_PLAN_EVALUATE, .max_batch = 4, .gamma = 2, .alpha = 1, .l1 = 0.01f, .l2 = 0.02f};
  struct efme_plan_options fixed = eval;
  fixed.mode = EFME_PLAN_TRAIN;
  struct rig e, t;
  rig_open(&e, rig_shared, &arch, &eval);
  rig_open(&t, rig_shared, &arch, &fixed);
  rig_weights(&e, w), rig_weights(&t, w);
  feed_inputs(&e, 4), feed_inputs(&t, 4);
  rig_main(&t, 4), rig_main(&e, 4), rig_main(&e, 3);
  double a[4], b[4], pa, pb, losses[4];
  rig_get(&e, &e.plan->sums, a, 4), rig_get(&t, &t.plan->sums, b, 4);
  rig_get(&e, &e.plan->penalty, &pa, 1), rig_get(&t, &t.plan->penalty, &pb, 1);
  rig_get(&e, &e.plan->losses, losses, 3);
  ck_assert(a[1] == 7 && a[3] == 2 && b[1] == 4 && b[3] == 1);
  ck_assert(fabs(a[0] - b[0] - losses[0] - losses[1] - losses[2]) < 1e-5 * a[0]);
  ck_assert(pa == pb && pa > 0);
  rig_close(&e), rig_close(&t);
  free(w);
}
END_TEST

/* ---- float32 against the double twin, everything on, each optimizer ---- */

static double worst(const double *a, const double *b, size_t n, double *scale) {
  double most = 0;
  *scale = 0;
  for (size_t i = 0; i < n; i++) {
    double e = fabs(a[i] - b[i]);
    if (!(e <= most)) most = e;
    *scale = fmax(*scale, fabs(a[i]));
  }
  return most;
}

START_TEST(test_everything_agrees) {
  struct efme_arch arch = rig_arch(2 + (uint32_t)(_i == 1), 0, 3, 43, 38);
  float *w = rig_random_weights(&arch, 7, NULL);
  struct efme_plan_options o = feed_everything(4);
  struct rig r[2];
  o.optimizer = (uint32_t)_i;
  o.bn_update = _i != 2;
  o.per_variant = _i == 3;
  for (int k = 0; k < 2; k++) {
    rig_open(&r[k], k ? rig_shared : NULL, &arch, &o);
    rig_weights(&r[k], w);
    feed_inputs(&r[k], 4);
    struct efme_step s = feed_step(2);
    rig_step(&r[k], &s);
    rig_main(&r[k], 4);
  }
  /* gradients, tensor by tensor, before the update; those that are zero in exact arithmetic against the largest of all */
  double all = 0;
  for (uint32_t i = 0; i < r[0].plan->params.count; i++) {
    const struct efme_param *p = &r[0].plan->params.items[i];
    if (!p->trainable) continue;
    struct efme_tensor t = rig_param(&r[0], EFME_ARENA_GRADS, p->name);
    double *a = rig_doubles(p->count), *b = rig_doubles(p->count), scale;
    rig_get(&r[0], &t, a, p->count), rig_get(&r[1], &t, b, p->count);
    double most = worst(a, b, p->count, &scale);
    all = fmax(all, scale);
    ck_assert_msg(most <= 3e-5 * scale + 1e-6 * all, "gradient of %s: %g off, largest %g", p->name, most, scale);
    free(a), free(b);
  }
  ck_assert(all > 1e-4);
  double a[12], b[12], scale;
  rig_get(&r[0], &r[0].plan->losses, a, 4), rig_get(&r[1], &r[1].plan->losses, b, 4);
  ck_assert(worst(a, b, 4, &scale) <= 1e-5 * scale);
  rig_get(&r[0], &r[0].plan->probabilities, a, 12), rig_get(&r[1], &r[1].plan->probabilities, b, 12);
  ck_assert(worst(a, b, 12, &scale) <= 1e-5);
  for (int k = 0; k < 2; k++) rig_update(&r[k]);
  /* after the update weights moved alike, where the gradient is not noise, and gradients are zero again */
  struct efme_tensor head = rig_param(&r[0], EFME_ARENA_WEIGHTS, "head/kernel"), grad = rig_param(&r[0], EFME_ARENA_GRADS, "head/kernel");
  double *p = rig_doubles(200), *q = rig_doubles(200);
  size_t n = (size_t)head.c;
  rig_get(&r[0], &head, p, n), rig_get(&r[1], &head, q, n);
  ck_assert(worst(p, q, n, &scale) <= 1e-5 * scale);
  rig_get(&r[0], &grad, p, n), rig_get(&r[1], &grad, q, n);
  for (size_t i = 0; i < n; i++) ck_assert(p[i] == 0 && q[i] == 0);
  free(p), free(q), free(w);
  rig_close(&r[0]), rig_close(&r[1]);
}
END_TEST

/* ---- allocation ---- */

START_TEST(test_no_allocation) {
  struct heap heap = {0};
  struct efme_backend b;
  struct efme_backend_host host = {
      .size = sizeof host, .abi = EFME_BACKEND_ABI, .threads = 1 + (uint32_t)_i, .alloc = heap_alloc, .free = heap_free, .alloc_user = &heap};
  struct efme_allocator a = {heap_alloc, heap_free, &heap};
  char fallback[256];
  ck_assert_msg(efme_backend_open(&b, "cpu", &host, fallback) == EFME_OK, "%s", efme_last_error());
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 41);
  struct efme_plan_options modes[] = {
      feed_everything(5), {.mode = EFME_PLAN_INFER, .max_batch = 5}, {.mode = EFME_PLAN_FEATURES, .max_batch = 5}};
  float *w = rig_random_weights(&arch, 3, NULL);
  for (size_t m = 0; m < EFME_COUNT(modes); m++) {
    struct rig r;
    memset(&r, 0, sizeof r);
    ck_assert_int_eq(efme_plan_create(&r.plan, &a, &b, &arch, &modes[m]), EFME_OK);
    ck_assert_int_eq(efme_exec_create(&r.exec, &a, &b, r.plan, 0, NULL), EFME_OK);
    long before = atomic_load(&heap.calls);
    ck_assert_int_gt(before, 0);
    rig_weights(&r, w);
    feed_inputs(&r, 5);
    if (m == 0) feed_train(&r, 5, 2), feed_train(&r, 2, 1);
    else rig_main(&r, 5), rig_main(&r, 1);
    struct efme_step s = feed_step(0);
    rig_step(&r, &s);
    rig_prepare(&r);
    ck_assert_int_eq(atomic_load(&heap.calls), before);
    rig_close(&r);
  }
  free(w);
  efme_backend_close(&b);
}
END_TEST

struct exec_job {
  const struct efme_allocator *a;
  struct efme_backend *b;
  const struct efme_plan *plan;
};

static efme_status make_exec(void *user) {
  const struct exec_job *j = user;
  struct efme_exec *e = NULL;
  efme_status status = efme_exec_create(&e, j->a, j->b, j->plan, 0, NULL);
  efme_exec_free(e);
  return status;
}

START_TEST(test_out_of_memory) {
  struct heap heap = {0};
  struct efme_backend b;
  struct efme_backend_host host = {
      .size = sizeof host, .abi = EFME_BACKEND_ABI, .threads = 1, .alloc = heap_alloc, .free = heap_free, .alloc_user = &heap};
  struct efme_allocator a = {heap_alloc, heap_free, &heap};
  char fallback[256];
  ck_assert_int_eq(efme_backend_open(&b, "cpu", &host, fallback), EFME_OK);
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  struct efme_plan_options o = feed_everything(3);
  struct efme_plan *plan = NULL;
  ck_assert_int_eq(efme_plan_create(&plan, &a, &b, &arch, &o), EFME_OK);
  struct exec_job job = {&a, &b, plan};
  ck_assert_int_gt(heap_exhaust(&heap, make_exec, &job), 7);
  efme_plan_free(plan);
  efme_backend_close(&b);
  ck_assert_int_eq(heap.live, 0);
}
END_TEST

/* ---- borrowing and bounds ---- */

START_TEST(test_borrow) {
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  struct efme_plan_options train_options = {
      .mode = EFME_PLAN_TRAIN, .max_batch = 4, .update = 1, .optimizer = 2, .optimizer_f = {{0.5f}, {0.5f}}};
  struct efme_plan_options infer_options = {.mode = EFME_PLAN_INFER, .max_batch = 4};
  float *w = rig_random_weights(&arch, 8, NULL);
  struct rig t, own;
  struct efme_plan *plan = NULL;
  struct efme_exec *e = NULL;
  struct efme_exec_borrow lend;
  rig_open(&t, rig_shared, &arch, &train_options);
  rig_weights(&t, w);
  feed_inputs(&t, 4);
  feed_train(&t, 4, 1);
  ck_assert_int_eq(efme_plan_create(&plan, &efme_allocator_libc, rig_shared, &arch, &infer_options), EFME_OK);
  efme_exec_lend(t.exec, 1u << EFME_ARENA_WEIGHTS | 1u << EFME_ARENA_ACT, &lend);
  ck_assert_int_eq(efme_exec_create(&e, &efme_allocator_libc, rig_shared, plan, 0, &lend), EFME_OK);
  ck_assert_ptr_eq(e->buffer[EFME_ARENA_ACT], t.exec->buffer[EFME_ARENA_ACT]);
  struct rig i = {.plan = plan, .exec = e};
  rig_prepare(&i);
  feed_inputs(&i, 4);
  rig_main(&i, 4);
  float *a = feed_get(&i, &plan->logits, 12), *after = feed_region(&t, EFME_ARENA_WEIGHTS, plan->params.total);
  rig_open(&own, rig_shared, &arch, &infer_options);
  rig_weights(&own, after);
  feed_inputs(&own, 4);
  rig_main(&own, 4);
  float *b = feed_get(&own, &own.plan->logits, 12);
  ck_assert(memcmp(a, b, 12 * sizeof *a) == 0);
  /* too small: ACT is replaced, anything else is refused */
  struct efme_exec *small = NULL;
  lend.size[EFME_ARENA_ACT] = 64;
  ck_assert_int_eq(efme_exec_create(&small, &efme_allocator_libc, rig_shared, plan, 0, &lend), EFME_OK);
  ck_assert_ptr_ne(small->buffer[EFME_ARENA_ACT], t.exec->buffer[EFME_ARENA_ACT]);
  efme_exec_free(small);
  lend.size[EFME_ARENA_WEIGHTS] = 64;
  ck_assert_int_eq(efme_exec_create(&small, &efme_allocator_libc, rig_shared, plan, 0, &lend), EFME_E_INTERNAL);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "weights"));
  /* bounds */
  float f = 0;
  ck_assert_int_eq(efme_exec_write(e, &plan->logits, efme_tensor_bytes(&plan->logits), &f, 4), EFME_E_INTERNAL);
  ck_assert_int_eq(efme_exec_read(e, &plan->losses, 0, &f, 4), EFME_E_INTERNAL); /* INFER has none */
  ck_assert_int_eq(efme_exec_write_region(e, EFME_ARENA_IO, e->size[EFME_ARENA_IO] - 2, &f, 4), EFME_E_INTERNAL);
  ck_assert_int_eq(efme_exec_main(e, 5), EFME_E_INTERNAL);
  ck_assert_int_eq(efme_exec_main(e, 0), EFME_E_INTERNAL);
  rig_close(&i), rig_close(&t), rig_close(&own);
  free(w), free(a), free(b), free(after);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("exec");
  TCase *t = tcase_create("exec");
  tcase_set_timeout(t, 0);
  rig_fixture(t);
  tcase_add_test(t, test_head_from_features);
  tcase_add_test(t, test_evaluate);
  tcase_add_loop_test(t, test_everything_agrees, 0, 4);
  tcase_add_loop_test(t, test_no_allocation, 0, 2);
  tcase_add_test(t, test_out_of_memory);
  tcase_add_test(t, test_borrow);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
