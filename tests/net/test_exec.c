/* Whole networks on the working backend: bits do not depend on batch, neighbours or threads; nothing is allocated once planned;
 * everything that training can switch on agrees with the double-precision twin. */
#include "net/rig.h"

#include <math.h>
#include <stdatomic.h>

/* ---- helpers ---- */

static const uint32_t thread_counts[] = {1, 2, 3, 7};

static float *get(struct rig *r, const struct efme_tensor *t, size_t count) {
  float *v = rig_floats(count);
  ck_assert_msg(efme_exec_read(r->exec, t, 0, v, count * sizeof *v) == EFME_OK, "%s", efme_last_error());
  return v;
}

static float *get_region(struct rig *r, uint32_t arena, uint64_t floats) {
  float *v = rig_floats(floats);
  ck_assert_msg(efme_exec_read_region(r->exec, arena, 0, v, floats * sizeof *v) == EFME_OK, "%s", efme_last_error());
  return v;
}

/* A training plan with everything that has a switch switched on. */
static struct efme_plan_options everything(uint32_t batch) {
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = batch, .bn_update = 1, .dropout = 0.5f, .dropconnect = 2.0f, .augment = 1,
                                .source_dtype = EFME_U8, .source_h = 50, .source_w = 44, .source_c = 1, .gamma = 2, .smoothing = 0.1f, .alpha = 1,
                                .soft_targets = 1, .sample_weights = 1, .l1 = 0.01f, .l2 = 0.01f, .update = 1, .ema = 1,
                                .augmentation = {0.5f, 0.5f, 0.2f, 0.2f, 0.2f, 0.1f, 0.05f}};
  for (int i = 0; i < 2; i++) o.optimizer_f[i][0] = 0.9f, o.optimizer_f[i][1] = 0.999f, o.optimizer_f[i][2] = 1e-7f, o.optimizer_f[i][3] = 0.01f;
  return o;
}

static void feed(struct rig *r, uint32_t batch) {
  const struct efme_plan *p = r->plan;
  size_t image = (size_t)p->input.h * (size_t)p->input.w * (size_t)p->input.c;
  float *x = rig_random_pixels(image * batch, 11);
  uint8_t *bytes = malloc(image * batch);
  int32_t labels[64], ids[64];
  float targets[64 * 3], weights[64];
  static const float alpha[3] = {0.27f, 0.35f, 0.38f};
  ck_assert_uint_le(batch, 64);
  ck_assert_uint_eq(p->arch.classes, 3);
  for (size_t i = 0; i < image * batch; i++) bytes[i] = (uint8_t)x[i];
  for (uint32_t i = 0; i < batch; i++) {
    labels[i] = (int32_t)(i * 7 % 3), ids[i] = (int32_t)(1000 - 13 * i), weights[i] = 0.5f + (float)(i % 4);
    for (int c = 0; c < 3; c++) targets[3 * i + (uint32_t)c] = c == labels[i] ? 0.8f : 0.1f;
  }
  rig_put(r, &p->input, p->input.dtype == EFME_U8 ? (const void *)bytes : (const void *)x, image * batch);
  if (p->labels.arena) rig_put(r, &p->labels, labels, batch);
  if (p->ids.arena) rig_put(r, &p->ids, ids, batch);
  if (p->targets.arena) rig_put(r, &p->targets, targets, 3 * batch);
  if (p->sample_weights.arena) rig_put(r, &p->sample_weights, weights, batch);
  if (p->alpha.arena) rig_put(r, &p->alpha, alpha, 3);
  free(x), free(bytes);
}

static struct efme_step step_of(uint32_t i) {
  struct efme_step s = {.seed = 77, .epoch = 1 + i, .variant = i, .step = i, .lr = 1e-3f, .ema_decay = 0.9f};
  s.correct1 = (float)(1 / (1 - pow(0.9, i + 1))), s.correct2 = (float)(1 / (1 - pow(0.999, i + 1)));
  return s;
}

static void train(struct rig *r, uint32_t batch, uint32_t steps) {
  for (uint32_t i = 0; i < steps; i++) {
    struct efme_step s = step_of(i);
    rig_step(r, &s);
    rig_main(r, batch);
    rig_update(r);
  }
}

/* ---- batch and threads ---- */

/* Logits and features of one image are the same bits alone and in any batch and place, by any number of threads. */
START_TEST(test_row_invariance) {
  static const struct { uint32_t cut, top, h, w; } nets[] = {{5, 0, 75, 57}, {3, 0, 48, 48}, {7, 1, 40, 33}, {2, 0, 97, 64}};
  struct efme_arch arch = rig_arch(nets[_i].cut, nets[_i].top, 3, nets[_i].h, nets[_i].w);
  size_t image = (size_t)arch.height * arch.width * 3;
  enum { N = 9 };
  float *w = rig_random_weights(&arch, 1, NULL), *x = rig_random_pixels(N * image, 2), first[N * 3];
  for (int train_plan = 0; train_plan < 2; train_plan++) {
    for (size_t t = 0; t < EFME_COUNT(thread_counts); t++) {
      struct efme_backend *b = rig_cpu(thread_counts[t]);
      struct efme_plan_options o = {.mode = train_plan ? EFME_PLAN_TRAIN : EFME_PLAN_INFER, .max_batch = N};
      struct rig r;
      rig_open(&r, b, &arch, &o);
      rig_weights(&r, w);
      if (t == 0) { /* one by one */
        for (int i = 0; i < N; i++) {
          rig_put(&r, &r.plan->input, x + (size_t)i * image, image);
          rig_main(&r, 1);
          float *v = get(&r, &r.plan->logits, 3);
          memcpy(first + 3 * i, v, 3 * sizeof *v);
          free(v);
        }
      }
      for (uint32_t n = 1; n <= N; n += n < 3 ? 1 : 2) { /* the last n images, so that places differ */
        rig_put(&r, &r.plan->input, x + (N - n) * image, n * image);
        rig_main(&r, n);
        float *v = get(&r, &r.plan->logits, 3 * n);
        ck_assert_msg(memcmp(v, first + 3 * (N - n), 3 * n * sizeof *v) == 0, "%s, %u threads, batch %u", train_plan ? "training" : "inference",
                      thread_counts[t], n);
        free(v);
      }
      rig_close(&r);
      rig_cpu_close(b);
    }
  }
  free(w), free(x);
}
END_TEST

/* Weights, moments, statistics and EMA after three steps of everything: the same bits for any number of threads. */
START_TEST(test_thread_invariance) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 41);
  float *w = rig_random_weights(&arch, 3, NULL), *weights = NULL, *opt = NULL;
  for (size_t t = 0; t < EFME_COUNT(thread_counts); t++) {
    struct efme_backend *b = rig_cpu(thread_counts[t]);
    struct efme_plan_options o = everything(6);
    struct rig r;
    rig_open(&r, b, &arch, &o);
    rig_weights(&r, w);
    ck_assert_int_eq(efme_exec_write_region(r.exec, EFME_ARENA_OPT, r.plan->ema, w, r.plan->params.total * sizeof *w), EFME_OK);
    feed(&r, 6);
    train(&r, 6, 3);
    uint64_t n = r.plan->params.total, m = r.plan->size[EFME_ARENA_OPT] / sizeof(float);
    float *a = get_region(&r, EFME_ARENA_WEIGHTS, n), *c = get_region(&r, EFME_ARENA_OPT, m);
    if (t == 0) {
      weights = a, opt = c;
      ck_assert(memcmp(a, w, n * sizeof *a) != 0 && isfinite(a[0]));
    } else {
      ck_assert_msg(memcmp(a, weights, n * sizeof *a) == 0, "weights differ with %u threads", thread_counts[t]);
      ck_assert_msg(memcmp(c, opt, m * sizeof *c) == 0, "optimizer state differs with %u threads", thread_counts[t]);
      free(a), free(c);
    }
    rig_close(&r);
    rig_cpu_close(b);
  }
  free(w), free(weights), free(opt);
}
END_TEST

/* max_threads of one execution is no more than a smaller share of the pool. */
START_TEST(test_max_threads) {
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  float *w = rig_random_weights(&arch, 3, NULL), *first = NULL;
  for (uint32_t most = 0; most < 3; most++) {
    struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = 5, .bn_update = 1};
    struct rig r;
    rig_open(&r, rig_shared, &arch, &o);
    r.exec->max_threads = most;
    rig_weights(&r, w);
    feed(&r, 5);
    rig_main(&r, 5);
    float *grads = get_region(&r, EFME_ARENA_GRADS, r.plan->params.head_end);
    if (!first) first = grads;
    else {
      ck_assert(memcmp(first, grads, r.plan->params.head_end * sizeof *grads) == 0);
      free(grads);
    }
    rig_close(&r);
  }
  free(w), free(first);
}
END_TEST

/* ---- one plan against another ---- */

/* Kept or made again: the same kernels, the same bits. */
START_TEST(test_keep_activations) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 41);
  float *w = rig_random_weights(&arch, 4, NULL), *first = NULL;
  for (uint32_t keep = 0; keep < 2; keep++) {
    struct efme_plan_options o = everything(4);
    struct rig r;
    o.keep_activations = keep;
    rig_open(&r, rig_shared, &arch, &o);
    rig_weights(&r, w);
    feed(&r, 4);
    train(&r, 4, 2);
    float *a = get_region(&r, EFME_ARENA_WEIGHTS, r.plan->params.total);
    if (!first) first = a;
    else {
      ck_assert(memcmp(first, a, r.plan->params.total * sizeof *a) == 0);
      free(a);
    }
    rig_close(&r);
  }
  free(w), free(first);
}
END_TEST

/* Tapped tensors change nothing else. */
START_TEST(test_taps_change_nothing) {
  static const char *const taps[] = {"stem_bn", "block1a_se_excite", "block2b_drop", "block2a_expand_bn", "grad:block2b_add", "grad:block2a_se_excite",
                                     "grad:stem_activation", "gap", "head", "grad:head"};
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 41);
  float *w = rig_random_weights(&arch, 4, NULL), *first = NULL;
  for (uint32_t tapped = 0; tapped < 2; tapped++) {
    struct efme_plan_options o = everything(4);
    struct rig r;
    o.taps = taps, o.tap_count = tapped * EFME_COUNT(taps);
    rig_open(&r, rig_shared, &arch, &o);
    rig_weights(&r, w);
    feed(&r, 4);
    train(&r, 4, 2);
    float *a = get_region(&r, EFME_ARENA_WEIGHTS, r.plan->params.total);
    if (!first) first = a;
    else {
      ck_assert(memcmp(first, a, r.plan->params.total * sizeof *a) == 0);
      free(a);
    }
    rig_close(&r);
  }
  free(w), free(first);
}
END_TEST

/* Features computed once, then the head on them, are the bits of the whole network with a frozen trunk. */
START_TEST(test_head_from_features) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48);
  float *w = rig_random_weights(&arch, 5, NULL);
  struct efme_plan_options whole = {.mode = EFME_PLAN_TRAIN, .scope = EFME_SCOPE_HEAD, .max_batch = 5, .gamma = 2, .dropout = 0.5f, .l1 = 0.01f, .l2 = 0.01f,
                                    .update = 1, .optimizer_f = {{0}, {0.9f, 0.999f, 1e-7f}}};
  struct efme_plan_options head = whole, features = {.mode = EFME_PLAN_FEATURES, .max_batch = 5}, infer = {.mode = EFME_PLAN_INFER, .max_batch = 5};
  struct rig a, b, f, i;
  head.from_features = 1;
  rig_open(&a, rig_shared, &arch, &whole);
  rig_open(&b, rig_shared, &arch, &head);
  rig_open(&f, rig_shared, &arch, &features);
  rig_open(&i, rig_shared, &arch, &infer);
  rig_weights(&a, w), rig_weights(&b, w), rig_weights(&f, w), rig_weights(&i, w);
  feed(&a, 5), feed(&f, 5), feed(&i, 5);
  rig_main(&f, 5);
  float *v = get(&f, &f.plan->features, 5 * 40);
  feed(&b, 5);
  rig_put(&b, &b.plan->input, v, 5 * 40);
  train(&a, 5, 3);
  train(&b, 5, 3);
  uint64_t n = a.plan->params.total;
  float *wa = get_region(&a, EFME_ARENA_WEIGHTS, n), *wb = get_region(&b, EFME_ARENA_WEIGHTS, n);
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
  float *la = get(&h, &h.plan->logits, 15), *lb = get(&i, &i.plan->logits, 15);
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
  feed(&e, 4), feed(&t, 4);
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
  struct efme_plan_options o = everything(4);
  struct rig r[2];
  o.optimizer = (uint32_t)_i;
  o.bn_update = _i != 2;
  o.per_variant = _i == 3;
  for (int k = 0; k < 2; k++) {
    rig_open(&r[k], k ? rig_shared : NULL, &arch, &o);
    rig_weights(&r[k], w);
    feed(&r[k], 4);
    struct efme_step s = step_of(2);
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

static atomic_long allocations;

static void *count_alloc(size_t size, size_t alignment, void *user) {
  (void)user;
  atomic_fetch_add(&allocations, 1);
  return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
static void count_free(void *p, void *user) { (void)user, free(p); }

START_TEST(test_no_allocation) {
  struct efme_backend b;
  struct efme_backend_host host = {.size = sizeof host, .abi = EFME_BACKEND_ABI, .threads = 1 + (uint32_t)_i, .alloc = count_alloc, .free = count_free};
  struct efme_allocator a = {count_alloc, count_free, NULL};
  char fallback[256];
  ck_assert_msg(efme_backend_open(&b, "cpu", &host, fallback) == EFME_OK, "%s", efme_last_error());
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 41);
  struct efme_plan_options modes[] = {everything(5), {.mode = EFME_PLAN_INFER, .max_batch = 5}, {.mode = EFME_PLAN_FEATURES, .max_batch = 5}};
  float *w = rig_random_weights(&arch, 3, NULL);
  for (size_t m = 0; m < EFME_COUNT(modes); m++) {
    struct rig r;
    memset(&r, 0, sizeof r);
    ck_assert_int_eq(efme_plan_create(&r.plan, &a, &b, &arch, &modes[m]), EFME_OK);
    ck_assert_int_eq(efme_exec_create(&r.exec, &a, &b, r.plan, 0, NULL), EFME_OK);
    long before = atomic_load(&allocations);
    ck_assert_int_gt(before, 0);
    rig_weights(&r, w);
    feed(&r, 5);
    if (m == 0) train(&r, 5, 2), train(&r, 2, 1);
    else rig_main(&r, 5), rig_main(&r, 1);
    struct efme_step s = step_of(0);
    rig_step(&r, &s);
    rig_prepare(&r);
    ck_assert_int_eq(atomic_load(&allocations), before);
    rig_close(&r);
  }
  free(w);
  efme_backend_close(&b);
}
END_TEST

/* Every allocation of an execution may fail, and leaves nothing behind. */
struct failing {
  int left, live;
};
static void *failing_alloc(size_t size, size_t alignment, void *user) {
  struct failing *f = user;
  if (f->left-- <= 0) return NULL;
  f->live++;
  return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
static void failing_free(void *p, void *user) { ((struct failing *)user)->live--, free(p); }

START_TEST(test_out_of_memory) {
  struct failing f = {1000, 0};
  struct efme_backend b;
  struct efme_backend_host host = {.size = sizeof host, .abi = EFME_BACKEND_ABI, .threads = 1, .alloc = failing_alloc, .free = failing_free, .alloc_user = &f};
  struct efme_allocator a = {failing_alloc, failing_free, &f};
  char fallback[256];
  ck_assert_int_eq(efme_backend_open(&b, "cpu", &host, fallback), EFME_OK);
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  struct efme_plan_options o = everything(3);
  struct efme_plan *plan = NULL;
  ck_assert_int_eq(efme_plan_create(&plan, &a, &b, &arch, &o), EFME_OK);
  int live = f.live, n = 0;
  for (efme_status status = EFME_E_NOMEM; status != EFME_OK; n++) {
    struct efme_exec *e = NULL;
    f.left = n;
    status = efme_exec_create(&e, &a, &b, plan, 0, NULL);
    ck_assert_msg(status == EFME_OK || status == EFME_E_NOMEM, "%s", efme_last_error());
    efme_exec_free(e);
    ck_assert_int_eq(f.live, live);
    ck_assert_int_lt(n, 200);
  }
  ck_assert_int_gt(n, 8);
  efme_plan_free(plan);
  efme_backend_close(&b);
  ck_assert_int_eq(f.live, 0);
}
END_TEST

/* ---- borrowing and bounds ---- */

START_TEST(test_borrow) {
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  struct efme_plan_options train_options = {.mode = EFME_PLAN_TRAIN, .max_batch = 4, .update = 1, .optimizer = 2, .optimizer_f = {{0.5f}, {0.5f}}};
  struct efme_plan_options infer_options = {.mode = EFME_PLAN_INFER, .max_batch = 4};
  float *w = rig_random_weights(&arch, 8, NULL);
  struct rig t, own;
  struct efme_plan *plan = NULL;
  struct efme_exec *e = NULL;
  struct efme_exec_borrow lend;
  rig_open(&t, rig_shared, &arch, &train_options);
  rig_weights(&t, w);
  feed(&t, 4);
  train(&t, 4, 1);
  ck_assert_int_eq(efme_plan_create(&plan, &efme_allocator_libc, rig_shared, &arch, &infer_options), EFME_OK);
  efme_exec_lend(t.exec, 1u << EFME_ARENA_WEIGHTS | 1u << EFME_ARENA_ACT, &lend);
  ck_assert_int_eq(efme_exec_create(&e, &efme_allocator_libc, rig_shared, plan, 0, &lend), EFME_OK);
  ck_assert_ptr_eq(e->buffer[EFME_ARENA_ACT], t.exec->buffer[EFME_ARENA_ACT]);
  struct rig i = {.plan = plan, .exec = e};
  rig_prepare(&i);
  feed(&i, 4);
  rig_main(&i, 4);
  float *a = get(&i, &plan->logits, 12), *after = get_region(&t, EFME_ARENA_WEIGHTS, plan->params.total);
  rig_open(&own, rig_shared, &arch, &infer_options);
  rig_weights(&own, after);
  feed(&own, 4);
  rig_main(&own, 4);
  float *b = get(&own, &own.plan->logits, 12);
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
  tcase_add_loop_test(t, test_row_invariance, 0, 4);
  tcase_add_test(t, test_thread_invariance);
  tcase_add_test(t, test_max_threads);
  tcase_add_test(t, test_keep_activations);
  tcase_add_test(t, test_taps_change_nothing);
  tcase_add_test(t, test_head_from_features);
  tcase_add_test(t, test_evaluate);
  tcase_add_loop_test(t, test_everything_agrees, 0, 4);
  tcase_add_loop_test(t, test_no_allocation, 0, 2);
  tcase_add_test(t, test_out_of_memory);
  tcase_add_test(t, test_borrow);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
