/* Every backward op of the reference against central differences of its forward op, in double: the proof that the reference, which judges
 * the kernels, is right. The objective is the sum of each output times fixed noise. Tolerance: 3e-8 of the largest gradient. */
#include "test.h"

#include <math.h>

#include "run.h"

#define tape kernel_job /* an op in double precision with its memory, filled */

static void tape_open(struct tape *t, const struct kernel_case *c) { kernel_job_open(t, c, 1); }
static void tape_close(struct tape *t) { kernel_job_close(t); }
static double *at(struct tape *t, int role) { return kernel_job_at(t, role); }
static size_t count(struct tape *t, int role) { return kernel_job_count(t, role); }
static void run(struct tape *t) { kernel_job_run(t, 0); }
static void set(struct tape *to, int role, struct tape *from, int from_role) {
  ck_assert_uint_eq(count(to, role), count(from, from_role));
  memcpy(at(to, role), at(from, from_role), count(to, role) * sizeof(double));
}
static void zero(struct tape *t, int role) { memset(at(t, role), 0, count(t, role) * sizeof(double)); }

/* Weight of output element i in the objective; what a backward op gets as that output's gradient. */
static double weight(int role, size_t i) { return kernel_noise(99 + (uint64_t)role, i); }
static void weights(struct tape *t, int role, int of) {
  for (size_t i = 0; i < count(t, role); i++) at(t, role)[i] = weight(of, i);
}
static double weighted(struct tape *t, int role) {
  double sum = 0;
  for (size_t i = 0; i < count(t, role); i++) sum += weight(role, i) * at(t, role)[i];
  return sum;
}

typedef double (*objective_fn)(void *user);

/* At most 80 elements of x, evenly chosen, the last one among them. */
static void check(const char *name, const char *what, double *x, size_t n, const double *gradient, objective_fn f, void *user) {
  double largest = 0, h = 1e-5, worst = 0;
  size_t step = n / 80 + 1, worst_at = 0;
  for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(gradient[i]));
  ck_assert_msg(n > 0 && largest > 0 && isfinite(largest), "%s by %s: no gradient", name, what);
  for (size_t k = 0; k < n; k += step) {
    size_t i = n - 1 - k;
    double kept = x[i], up, down;
    x[i] = kept + h;
    up = f(user);
    x[i] = kept - h;
    down = f(user);
    x[i] = kept;
    double error = fabs((up - down) / (2 * h) - gradient[i]);
    if (!(error <= worst)) worst = error, worst_at = i;
  }
  ck_assert_msg(worst <= 3e-8 * fmax(largest, 1), "%s by %s[%zu]: differences are %.3g off, gradient %.9g", name, what, worst_at, worst,
                gradient[worst_at]);
}

static double run_weighted(void *user) {
  run(user);
  return weighted(user, EFME_T_Y);
}

/* Compares role d of a back tape that has run with differences by role `by` of the forward tape. */
static void check_role(struct tape *forward, int by, struct tape *back, int d) {
  check(forward->c.name, efme_ref_role_name(by), at(forward, by), count(forward, by), at(back, d), run_weighted, forward);
}

/* ---- convolutions ---- */

static void window(struct kernel_case *c, int k, int stride, int top, int left) {
  c->op.kh = c->op.kw = k;
  c->op.stride = stride;
  c->op.pad_top = top;
  c->op.pad_left = left;
  snprintf(c->name, sizeof c->name, "%s k%d s%d pad %d %d", efme_ref_kind_name(c->op.kind), k, stride, top, left);
}

START_TEST(convolution) {
  for (int form = 0; form < 8; form++) {
    int k = form & 1 ? 5 : 3, stride = form & 2 ? 2 : 1, top = form & 4 ? 0 : k / 2;
    struct kernel_case f = kernel_case_begin(EFME_OP_CONV, 2), b = kernel_case_begin(EFME_OP_CONV_DW, 2);
    struct tape forward, back;
    int oh = (7 + stride - 1) / stride, ow = (6 + stride - 1) / stride;
    kernel_batched(&f, EFME_T_X, 7, 6, 3), kernel_batched(&b, EFME_T_X, 7, 6, 3);
    kernel_batched(&f, EFME_T_Y, oh, ow, 4), kernel_batched(&b, EFME_T_DY, oh, ow, 4);
    kernel_param(&f, EFME_T_W, EFME_ARENA_WEIGHTS, k, k, 3, 4), kernel_param(&b, EFME_T_DW, EFME_ARENA_GRADS, k, k, 3, 4);
    for (int r = EFME_T_SCALE; r <= EFME_T_SHIFT && form & 1; r++)
      kernel_param(&f, r, EFME_ARENA_WEIGHTS, 1, 1, 1, 3), kernel_param(&b, r, EFME_ARENA_WEIGHTS, 1, 1, 1, 3);
    window(&f, k, stride, top, k / 2), window(&b, k, stride, top, k / 2);
    tape_open(&forward, &f), tape_open(&back, &b);
    for (int r = EFME_T_X; r == EFME_T_X || (r <= EFME_T_SHIFT && form & 1); r = r == EFME_T_X ? EFME_T_SCALE : r + 1)
      set(&back, r, &forward, r);
    weights(&back, EFME_T_DY, EFME_T_Y);
    zero(&back, EFME_T_DW);
    run(&back);
    check_role(&forward, EFME_T_W, &back, EFME_T_DW);
    double first = at(&back, EFME_T_DW)[5];
    run(&back); /* += */
    ck_assert_double_eq_tol(at(&back, EFME_T_DW)[5], 2 * first, 1e-12 * fabs(first));
    tape_close(&forward), tape_close(&back);
  }
}
END_TEST

START_TEST(depthwise) {
  for (int form = 0; form < 16; form++) {
    int k = form & 1 ? 5 : 3, stride = form & 2 ? 2 : 1, top = form & 4 ? k / 2 - 1 : k / 2, h = form & 8 ? 6 : 7;
    struct kernel_case f = kernel_case_begin(EFME_OP_DWCONV, 2), x = kernel_case_begin(EFME_OP_DWCONV_DX, 2),
                       w = kernel_case_begin(EFME_OP_DWCONV_DW, 2);
    struct tape forward, dx, dw;
    int oh = (h + stride - 1) / stride, ow = (5 + stride - 1) / stride;
    kernel_batched(&f, EFME_T_X, h, 5, 3), kernel_batched(&w, EFME_T_X, h, 5, 3), kernel_batched(&x, EFME_T_DX, h, 5, 3);
    kernel_batched(&f, EFME_T_Y, oh, ow, 3), kernel_batched(&w, EFME_T_DY, oh, ow, 3), kernel_batched(&x, EFME_T_DY, oh, ow, 3);
    kernel_param(&f, EFME_T_W, EFME_ARENA_WEIGHTS, 1, k, k, 3), kernel_param(&x, EFME_T_W, EFME_ARENA_WEIGHTS, 1, k, k, 3);
    kernel_param(&w, EFME_T_DW, EFME_ARENA_GRADS, 1, k, k, 3);
    window(&f, k, stride, top, k / 2), window(&x, k, stride, top, k / 2), window(&w, k, stride, top, k / 2);
    tape_open(&forward, &f), tape_open(&dx, &x), tape_open(&dw, &w);
    set(&dx, EFME_T_W, &forward, EFME_T_W);
    set(&dw, EFME_T_X, &forward, EFME_T_X);
    weights(&dx, EFME_T_DY, EFME_T_Y), weights(&dw, EFME_T_DY, EFME_T_Y);
    zero(&dw, EFME_T_DW);
    run(&dx), run(&dw);
    check_role(&forward, EFME_T_X, &dx, EFME_T_DX);
    check_role(&forward, EFME_T_W, &dw, EFME_T_DW);
    tape_close(&forward), tape_close(&dx), tape_close(&dw);
  }
}
END_TEST

/* DW, DB with and without a gate; the data gradient is MATMUL with the same matrix TRANSPOSED. */
START_TEST(product) {
  for (int gated = 0; gated < 2; gated++) {
    struct kernel_case f = kernel_case_begin(EFME_OP_MATMUL, 3), b = kernel_case_begin(EFME_OP_MATMUL_DW, 3),
                       d = kernel_case_begin(EFME_OP_MATMUL, 3);
    struct tape forward, back, data;
    f.terms = 5;
    kernel_batched(&f, EFME_T_X, 2, 3, 5), kernel_batched(&b, EFME_T_X, 2, 3, 5), kernel_batched(&d, EFME_T_Y, 2, 3, 5);
    kernel_batched(&f, EFME_T_Y, 2, 3, 4), kernel_batched(&b, EFME_T_DY, 2, 3, 4), kernel_batched(&d, EFME_T_X, 2, 3, 4);
    kernel_param(&f, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, 5, 4), kernel_param(&d, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, 5, 4);
    kernel_param(&b, EFME_T_DW, EFME_ARENA_GRADS, 1, 1, 5, 4), kernel_param(&b, EFME_T_DB, EFME_ARENA_GRADS, 1, 1, 1, 4);
    kernel_param(&f, EFME_T_BIAS, EFME_ARENA_WEIGHTS, 1, 1, 1, 4);
    kernel_batched(&f, EFME_T_RES, 2, 3, 4);
    if (gated) kernel_batched(&f, EFME_T_GATE, 1, 1, 5), kernel_batched(&b, EFME_T_GATE, 1, 1, 5);
    d.op.flags = EFME_OP_TRANSPOSED;
    strcpy(f.name, gated ? "gated product" : "product");
    tape_open(&forward, &f), tape_open(&back, &b), tape_open(&data, &d);
    set(&back, EFME_T_X, &forward, EFME_T_X);
    if (gated) set(&back, EFME_T_GATE, &forward, EFME_T_GATE);
    set(&data, EFME_T_W, &forward, EFME_T_W);
    weights(&back, EFME_T_DY, EFME_T_Y), weights(&data, EFME_T_X, EFME_T_Y);
    zero(&back, EFME_T_DW), zero(&back, EFME_T_DB);
    run(&back), run(&data);
    check_role(&forward, EFME_T_W, &back, EFME_T_DW);
    check_role(&forward, EFME_T_BIAS, &back, EFME_T_DB);
    if (!gated) check_role(&forward, EFME_T_X, &data, EFME_T_Y);
    tape_close(&forward), tape_close(&back), tape_close(&data);
  }
}
END_TEST

/* ---- batch normalisation: BN_STAT and BN_ACT as one function of X, GAMMA, BETA, GATE ---- */

struct bn {
  struct tape stat, act, reduce, dx, gate;
};

static double bn_objective(void *user) {
  struct bn *n = user;
  if (!(n->stat.c.op.flags & EFME_OP_FIXED)) set(&n->stat, EFME_T_X, &n->act, EFME_T_X);
  run(&n->stat);
  set(&n->act, EFME_T_STAT, &n->stat, EFME_T_STAT);
  run(&n->act);
  return weighted(&n->act, EFME_T_Y) + weighted(&n->act, EFME_T_POOL);
}

static struct kernel_case bn_case(int kind, int act, uint32_t flags, int full) {
  struct kernel_case c = kernel_case_begin(kind, 3);
  int back = kind == EFME_OP_BN_REDUCE || kind == EFME_OP_BN_DX;
  c.op.f[1] = kind == EFME_OP_BN_STAT ? 1e-3f : 0;
  c.op.act = (uint16_t)act;
  c.op.flags = flags;
  if (kind == EFME_OP_GATE_DX) c.op.flags = 0;
  if (kind != EFME_OP_BN_STAT || !(flags & EFME_OP_FIXED)) kernel_batched(&c, EFME_T_X, 2, 3, 4);
  kernel_param(&c, EFME_T_STAT, EFME_ARENA_ACT, 2, 1, 1, 4);
  if (kind == EFME_OP_BN_STAT) {
    c.op.flags &= EFME_OP_FIXED;
    for (int r = EFME_T_MEAN; r <= EFME_T_VAR && flags & EFME_OP_FIXED; r++) kernel_param(&c, r, EFME_ARENA_WEIGHTS, 1, 1, 1, 4);
    return c;
  }
  for (int r = EFME_T_GAMMA; r <= EFME_T_BETA; r++) kernel_param(&c, r, EFME_ARENA_WEIGHTS, 1, 1, 1, 4);
  if (kind != EFME_OP_BN_ACT) kernel_batched(&c, EFME_T_DY, 2, 3, 4);
  if (kind == EFME_OP_GATE_DX) {
    kernel_batched(&c, EFME_T_DX, 1, 1, 4);
    return c;
  }
  kernel_batched(&c, EFME_T_POOL, 1, 1, 4);
  if (full) kernel_batched(&c, EFME_T_GATE, 1, 1, 4);
  if (kind == EFME_OP_BN_ACT) kernel_batched(&c, EFME_T_Y, 2, 3, 4);
  if (kind == EFME_OP_BN_ACT && full) kernel_batched(&c, EFME_T_RES, 2, 3, 4);
  if (kind == EFME_OP_BN_DX) kernel_batched(&c, EFME_T_DX, 2, 3, 4);
  if (back) c.op.t[EFME_T_SUMS] = (struct efme_tensor){EFME_ARENA_ACT, EFME_F64, 0, 2, 1, 1, 4, 0, 0};
  if (kind == EFME_OP_BN_REDUCE)
    for (int r = EFME_T_DW; r <= EFME_T_DB; r++) kernel_param(&c, r, EFME_ARENA_GRADS, 1, 1, 1, 4);
  if (flags & EFME_OP_DROPCONNECT_ON) {
    kernel_ids(&c);
    c.op.f[0] = 0.4f;
    c.op.i[0] = 2;
  }
  return c;
}

START_TEST(normalisation) {
  int act = _i % 3, full = _i / 3 % 2;
  uint32_t flags = (_i / 6 % 2 ? EFME_OP_FIXED : 0u) | (_i / 12 % 2 ? EFME_OP_DROPCONNECT_ON : 0u);
  static const int kinds[] = {EFME_OP_BN_STAT, EFME_OP_BN_ACT, EFME_OP_BN_REDUCE, EFME_OP_BN_DX, EFME_OP_GATE_DX};
  struct bn n;
  struct tape *tapes = &n.stat;
  for (int k = 0; k < 5; k++) {
    struct kernel_case c = bn_case(kinds[k], act, flags, full);
    snprintf(c.name, sizeof c.name, "BN act %d flags %u full %d", act, flags, full);
    tape_open(&tapes[k], &c);
  }
  bn_objective(&n);
  for (int k = 2; k < 5; k++) {
    for (int r = EFME_T_X; r < EFME_T_COUNT; r++)
      if ((r == EFME_T_X || r == EFME_T_GATE || r == EFME_T_STAT || r == EFME_T_GAMMA || r == EFME_T_BETA) && tapes[k].c.op.t[r].arena)
        set(&tapes[k], r, &n.act, r);
    if (tapes[k].c.op.t[EFME_T_ID].arena)
      memcpy(at(&tapes[k], EFME_T_ID), at(&n.act, EFME_T_ID), 3 * sizeof(int32_t)); /* the same samples drop */
    weights(&tapes[k], EFME_T_DY, EFME_T_Y);
    if (k < 4) weights(&tapes[k], EFME_T_POOL, EFME_T_POOL);
  }
  zero(&n.reduce, EFME_T_DW), zero(&n.reduce, EFME_T_DB);
  run(&n.reduce);
  set(&n.dx, EFME_T_SUMS, &n.reduce, EFME_T_SUMS);
  run(&n.dx), run(&n.gate);
  check(n.act.c.name, "X", at(&n.act, EFME_T_X), count(&n.act, EFME_T_X), at(&n.dx, EFME_T_DX), bn_objective, &n);
  check(n.act.c.name, "GAMMA", at(&n.act, EFME_T_GAMMA), 4, at(&n.reduce, EFME_T_DW), bn_objective, &n);
  check(n.act.c.name, "BETA", at(&n.act, EFME_T_BETA), 4, at(&n.reduce, EFME_T_DB), bn_objective, &n);
  if (full && !(flags & EFME_OP_DROPCONNECT_ON))
    check(n.act.c.name, "GATE", at(&n.act, EFME_T_GATE), count(&n.act, EFME_T_GATE), at(&n.gate, EFME_T_DX), bn_objective, &n);
  for (int k = 0; k < 5; k++) tape_close(&tapes[k]);
}
END_TEST

/* ---- one input, one output ---- */

static void pair(int kind, int back, int act, int h, int w) {
  struct kernel_case f = kernel_case_begin(kind, 2), b = kernel_case_begin(back, 2);
  struct tape forward, backward;
  int y = kind == EFME_OP_POOL, data = kind == EFME_OP_DROPOUT ? EFME_T_X : EFME_T_DY, out = kind == EFME_OP_DROPOUT ? EFME_T_Y : EFME_T_DX;
  f.op.act = b.op.act = (uint16_t)act;
  f.op.f[0] = b.op.f[0] = 0.3f;
  kernel_batched(&f, EFME_T_X, h, w, 5), kernel_batched(&b, out, h, w, 5);
  kernel_batched(&f, EFME_T_Y, y ? 1 : h, y ? 1 : w, 5), kernel_batched(&b, data, y ? 1 : h, y ? 1 : w, 5);
  if (back == EFME_OP_ACT_DX) kernel_batched(&b, EFME_T_X, h, w, 5);
  if (kind == EFME_OP_DROPOUT) kernel_ids(&f), kernel_ids(&b);
  snprintf(f.name, sizeof f.name, "%s act %d", efme_ref_kind_name(kind), act);
  tape_open(&forward, &f), tape_open(&backward, &b);
  if (back == EFME_OP_ACT_DX) set(&backward, EFME_T_X, &forward, EFME_T_X);
  weights(&backward, data, EFME_T_Y);
  run(&backward);
  check_role(&forward, EFME_T_X, &backward, out);
  tape_close(&forward), tape_close(&backward);
}

START_TEST(elementwise) {
  for (int act = 0; act < 3; act++) pair(EFME_OP_ACT, EFME_OP_ACT_DX, act, 4, 3);
  pair(EFME_OP_POOL, EFME_OP_POOL_DX, 0, 3, 5);
  pair(EFME_OP_DROPOUT, EFME_OP_DROPOUT, 0, 2, 3);
}
END_TEST

/* ---- loss and penalty ---- */

static double mean_loss(void *user) {
  struct tape *t = user;
  double sum = 0;
  run(t);
  for (size_t i = 0; i < t->c.batch; i++) sum += at(t, EFME_T_Y)[i];
  return sum / t->c.batch;
}

START_TEST(loss) {
  static const float gamma[] = {0, 0.5f, 1, 2, 5};
  for (int form = 0; form < 5 * 16; form++) {
    struct kernel_case c = kernel_case_begin(EFME_OP_LOSS, 6);
    struct tape t;
    double gradient[6 * 4];
    c.op.f[0] = gamma[form / 16];
    c.op.f[1] = form & 1 ? 0.15f : 0;
    kernel_batched(&c, EFME_T_X, 1, 1, 4), kernel_batched(&c, EFME_T_DX, 1, 1, 4);
    kernel_batched(&c, EFME_T_Y, 1, 1, 1);
    c.op.t[EFME_T_SUMS] = (struct efme_tensor){EFME_ARENA_ACT, EFME_F64, 0, 1, 1, 1, 4, 0, 0};
    if (form & 2) kernel_batched(&c, EFME_T_SCALE, 1, 1, 4);
    else kernel_batched(&c, EFME_T_W, 1, 1, 1), c.op.t[EFME_T_W].dtype = EFME_I32;
    if (form & 4) kernel_batched(&c, EFME_T_GATE, 1, 1, 1);
    if (form & 8) kernel_param(&c, EFME_T_BIAS, EFME_ARENA_WEIGHTS, 1, 1, 1, 4);
    snprintf(c.name, sizeof c.name, "LOSS form %d", form);
    tape_open(&t, &c);
    for (size_t i = 0; form & 2 && i < 24; i++) at(&t, EFME_T_SCALE)[i] = 0.1 + 0.2 * (double)(i * 7 % 4);
    for (size_t i = 0; i < 24; i++) at(&t, EFME_T_X)[i] = (i < 4 ? 12 : 2) * kernel_noise(3, i);
    run(&t);
    memcpy(gradient, at(&t, EFME_T_DX), sizeof gradient);
    check(c.name, "X", at(&t, EFME_T_X), 24, gradient, mean_loss, &t);
    tape_close(&t);
  }
}
END_TEST

static double penalty_value(void *user) {
  run(user);
  return at(user, EFME_T_SUMS)[0];
}

START_TEST(penalty) {
  struct kernel_case c = kernel_case_begin(EFME_OP_PENALTY, 1);
  struct tape t;
  double gradient[30];
  c.op.f[0] = 0.01f, c.op.f[1] = 0.02f;
  kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, 1, 30), kernel_param(&c, EFME_T_DW, EFME_ARENA_GRADS, 1, 1, 1, 30);
  c.op.t[EFME_T_SUMS] = (struct efme_tensor){EFME_ARENA_ACT, EFME_F64, 0, 1, 1, 1, 1, 0, 0};
  strcpy(c.name, "PENALTY");
  tape_open(&t, &c);
  zero(&t, EFME_T_DW);
  run(&t);
  memcpy(gradient, at(&t, EFME_T_DW), sizeof gradient);
  check(c.name, "W", at(&t, EFME_T_W), 30, gradient, penalty_value, &t);
  at(&t, EFME_T_W)[7] = 0; /* no slope at zero */
  zero(&t, EFME_T_DW);
  run(&t);
  ck_assert(at(&t, EFME_T_DW)[7] == 0);
  tape_close(&t);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("gradients");
  TCase *all = tcase_create("gradients");
  tcase_add_test(all, convolution);
  tcase_add_test(all, depthwise);
  tcase_add_test(all, product);
  tcase_add_loop_test(all, normalisation, 0, 24);
  tcase_add_test(all, elementwise);
  tcase_add_test(all, loss);
  tcase_add_test(all, penalty);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
