/* Training of whole networks against Keras: loss, logits and every gradient of one pass, moving statistics after it, and ten
 * Adam steps in four modes with the weights after them. */
#include "net/golden.h"

struct variant {
  const char *name;
  uint32_t cut;
};
static const struct variant variants[] = {{"cut3_48", 3}, {"cut5_48", 5}};

struct data {
  struct golden g, w;
  struct efme_arch arch;
  float *weights;
  const float *x;
  const int32_t *y;
  size_t pixels, batch;
};

static void data_open(struct data *d, const struct variant *v) {
  char path[128];
  snprintf(path, sizeof path, "golden/%s.safetensors", v->name);
  golden_open(&d->g, test_shared(path));
  snprintf(path, sizeof path, "golden/%s_weights.safetensors", v->name);
  golden_open(&d->w, test_shared(path));
  d->arch = rig_arch(v->cut, 0, 3, 48, 48);
  d->weights = golden_weights(&d->w, &d->arch);
  d->x = golden_f32(&d->g, "x", &d->pixels);
  d->y = golden_find(&d->g, "y", &d->batch, NULL);
}

static void data_close(struct data *d) {
  free(d->weights);
  golden_close(&d->g);
  golden_close(&d->w);
}

static struct efme_plan_options focal(const struct data *d) {
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .gamma = 2.0f, .alpha = 1, .l1 = 0.01f, .l2 = 0.01f, .update = 1};
  for (int i = 0; i < 2; i++) o.optimizer_f[i][0] = 0.9f, o.optimizer_f[i][1] = 0.999f, o.optimizer_f[i][2] = 1e-7f;
  o.max_batch = (uint32_t)d->batch;
  return o;
}

static void rig_ready(struct rig *r, struct efme_backend *backend, const struct data *d, const struct efme_plan_options *o) {
  static const float alpha[3] = {0.27f, 0.35f, 0.38f};
  rig_open(r, backend, &d->arch, o);
  rig_weights(r, d->weights);
  rig_put(r, &r->plan->input, d->x, d->pixels);
  rig_put(r, &r->plan->labels, d->y, d->batch);
  if (o->alpha) rig_put(r, &r->plan->alpha, alpha, 3);
}

/* One batch; the loss with its penalty. */
static double pass(struct rig *r, const struct data *d) {
  double sums[4], penalty;
  rig_clear(r, &r->plan->sums);
  rig_main(r, (uint32_t)d->batch);
  rig_get(r, &r->plan->sums, sums, 4);
  rig_get(r, &r->plan->penalty, &penalty, 1);
  ck_assert(sums[1] == (double)d->batch && sums[3] == 1);
  return sums[0] / sums[1] + penalty;
}

static void judge_one(const char *what, const char *name, struct rig *ref, struct rig *f32, const struct efme_tensor *t,
                      const float *golden, size_t count, double floor) {
  double *a = rig_doubles(count), *b = rig_doubles(count);
  rig_get(ref, t, a, count);
  if (f32) {
    struct efme_tensor same = *t; /* parameters and IO have the same place in both plans */
    rig_get(f32, &same, b, count);
  }
  golden_judge(what, name, a, f32 ? b : NULL, golden, count, floor);
  free(a), free(b);
}

static void judge_all(const struct variant *v, const struct data *d, struct rig *ref, struct rig *f32, const char *mode, const char *part,
                      uint32_t arena) {
  char prefix[64], what[64];
  snprintf(prefix, sizeof prefix, "%s/%s/", mode, part);
  void *state = NULL;
  int seen = 0;
  double floor = arena == EFME_ARENA_GRADS ? 2e-6 * golden_most(&d->g, prefix) : 0;
  snprintf(what, sizeof what, "%s %s", v->name, mode);
  for (const char *n; (n = golden_next(&d->g, prefix, &state)); seen++) {
    size_t count;
    const float *golden = golden_f32(&d->g, n, &count);
    struct efme_tensor t = rig_param(ref, arena, n + strlen(prefix));
    ck_assert_uint_eq((size_t)t.c, count);
    judge_one(what, n, ref, f32, &t, golden, count, floor);
  }
  ck_assert_int_gt(seen, 0);
  if (arena == EFME_ARENA_GRADS) { /* every trainable variable has been judged */
    int trainable = 0;
    for (uint32_t i = 0; i < ref->plan->params.count; i++) trainable += ref->plan->params.items[i].trainable;
    ck_assert_int_eq(seen, trainable);
  }
}

static void gradients(const struct variant *v, int update) {
  if (test_absent("golden/README.md")) return;
  const char *mode = update ? "bntrain" : "bnfixed";
  struct data d;
  data_open(&d, v);
  struct efme_plan_options o = focal(&d);
  o.bn_update = (uint32_t)update;
  struct rig ref, f32;
  rig_ready(&ref, NULL, &d, &o);
  if (rig_shared) rig_ready(&f32, rig_shared, &d, &o);
  double a = pass(&ref, &d), b = rig_shared ? pass(&f32, &d) : 0;
  char name[64];
  size_t count;
  snprintf(name, sizeof name, "%s/loss", mode);
  golden_judge(v->name, name, &a, rig_shared ? &b : NULL, golden_f32(&d.g, name, &count), 1, 0);
  snprintf(name, sizeof name, "%s/logits", mode);
  const float *logits = golden_f32(&d.g, name, &count);
  judge_one(v->name, name, &ref, rig_shared ? &f32 : NULL, &ref.plan->logits, logits, count, 0);
  judge_all(v, &d, &ref, rig_shared ? &f32 : NULL, mode, "grad", EFME_ARENA_GRADS);
  if (update) judge_all(v, &d, &ref, rig_shared ? &f32 : NULL, mode, "after", EFME_ARENA_WEIGHTS);
  rig_close(&ref);
  if (rig_shared) rig_close(&f32);
  data_close(&d);
}

START_TEST(test_bn_fixed) { gradients(&variants[_i], 0); }
END_TEST
START_TEST(test_bn_update) { gradients(&variants[_i], 1); }
END_TEST

struct steps {
  const char *name;
  uint32_t scope, bn_update, entropy;
  double lr, decay;
};
static const struct steps modes[] = {
    {"head", EFME_SCOPE_HEAD, 0, 0, 1e-3, 0},
    {"bnfixed", EFME_SCOPE_ALL, 0, 0, 1e-4, 0},
    {"bntrain", EFME_SCOPE_ALL, 1, 0, 1e-3, 0},
    {"bnfixed_ce_decay", EFME_SCOPE_ALL, 0, 1, 1e-3, 0.01},
};

static void take_steps(struct rig *r, const struct data *d, const struct steps *m, double losses[10]) {
  double b1 = 1, b2 = 1;
  for (uint32_t i = 0; i < 10; i++) {
    struct efme_step s;
    memset(&s, 0, sizeof s);
    b1 *= 0.9, b2 *= 0.999;
    s.step = i;
    s.lr = (float)(m->lr / (1 + m->decay * i));
    s.correct1 = (float)(1 / (1 - b1)), s.correct2 = (float)(1 / (1 - b2));
    rig_step(r, &s);
    losses[i] = pass(r, d);
    rig_update(r);
  }
}

static void steps(const struct variant *v, const struct steps *m) {
  if (test_absent("golden/README.md")) return;
  struct data d;
  data_open(&d, v);
  struct efme_plan_options o = focal(&d);
  o.scope = m->scope, o.bn_update = m->bn_update;
  if (m->entropy) o.gamma = 0, o.alpha = 0;
  struct rig ref, f32;
  double a[10], b[10] = {0};
  rig_ready(&ref, NULL, &d, &o);
  take_steps(&ref, &d, m, a);
  if (rig_shared) {
    rig_ready(&f32, rig_shared, &d, &o);
    take_steps(&f32, &d, m, b);
  }
  static const char *const after[][2] = {{"head_kernel", "head/kernel"}, {"stem_conv", "stem_conv/kernel"}};
  char name[64];
  size_t count;
  snprintf(name, sizeof name, "steps/%s/losses", m->name);
  golden_judge(v->name, name, a, rig_shared ? b : NULL, golden_f32(&d.g, name, &count), 10, 0);
  for (int i = 0; i < (m->scope == EFME_SCOPE_HEAD ? 1 : 2); i++) {
    snprintf(name, sizeof name, "steps/%s/%s", m->name, after[i][0]);
    const float *golden = golden_f32(&d.g, name, &count);
    struct efme_tensor t = rig_param(&ref, EFME_ARENA_WEIGHTS, after[i][1]);
    judge_one(v->name, name, &ref, rig_shared ? &f32 : NULL, &t, golden, count, 0);
  }
  rig_close(&ref);
  if (rig_shared) rig_close(&f32);
  data_close(&d);
}

START_TEST(test_steps) { steps(&variants[_i / 4], &modes[_i % 4]); }
END_TEST

int main(void) {
  Suite *suite = suite_create("golden training");
  TCase *t = tcase_create("train");
  tcase_set_timeout(t, 0);
  rig_fixture(t);
  tcase_add_loop_test(t, test_bn_fixed, 0, 2);
  tcase_add_loop_test(t, test_bn_update, 0, 2);
  tcase_add_loop_test(t, test_steps, 0, 8);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  return result;
}
