/* Training of whole networks against Keras, at every level of this CPU: loss, logits and every gradient of one pass, moving statistics
 * after it, and ten Adam steps in four modes with the weights after them. */
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

static void trial_ready(struct trial *t, const struct data *d, const struct efme_plan_options *o) {
  static const float alpha[3] = {0.27f, 0.35f, 0.38f};
  trial_open(t, &d->arch, o, d->weights);
  trial_put(t, TRIAL_PIXELS, d->x, d->pixels);
  trial_put(t, TRIAL_LABELS, d->y, d->batch);
  trial_put(t, TRIAL_ALPHA, alpha, 3);
}

static void judge_all(struct trial *t, const struct variant *v, const struct data *d, const char *mode, const char *part, uint32_t arena) {
  char prefix[64], what[64];
  snprintf(prefix, sizeof prefix, "%s/%s/", mode, part);
  void *state = NULL;
  int seen = 0, all = 0;
  double floor = arena == EFME_ARENA_GRADS ? 2e-6 * golden_most(&d->g, prefix) : 0;
  snprintf(what, sizeof what, "%s %s", v->name, mode);
  for (const char *n; (n = golden_next(&d->g, prefix, &state)); seen++) {
    size_t count;
    const float *golden = golden_f32(&d->g, n, &count);
    struct efme_tensor p = rig_param(&t->rig[0], arena, n + strlen(prefix));
    ck_assert_uint_eq((size_t)p.c, count);
    trial_judge_tensor(t, what, n, &p, golden, count, floor);
  }
  ck_assert_int_gt(seen, 3);
  const struct efme_params *params = &t->rig[0].plan->params;
  for (uint32_t i = 0; i < params->count; i++) all += params->items[i].trainable;
  if (arena == EFME_ARENA_GRADS) ck_assert_int_eq(seen, all); /* every trainable variable has been judged */
}

static void gradients(const struct variant *v, int update) {
  if (test_absent("golden/README.md")) return;
  const char *mode = update ? "bntrain" : "bnfixed";
  struct data d;
  struct trial t;
  data_open(&d, v);
  struct efme_plan_options o = focal(&d);
  o.bn_update = (uint32_t)update;
  trial_ready(&t, &d, &o);
  trial_main(&t, o.max_batch);
  char name[64];
  size_t count;
  double losses[TRIAL_MOST];
  trial_losses(&t, losses);
  snprintf(name, sizeof name, "%s/loss", mode);
  trial_judge_scalars(&t, v->name, name, losses, golden_f32(&d.g, name, &count));
  snprintf(name, sizeof name, "%s/logits", mode);
  const float *logits = golden_f32(&d.g, name, &count);
  trial_judge_tensor(&t, v->name, name, &t.rig[0].plan->logits, logits, count, 0);
  judge_all(&t, v, &d, mode, "grad", EFME_ARENA_GRADS);
  if (update) judge_all(&t, v, &d, mode, "after", EFME_ARENA_WEIGHTS);
  trial_close(&t);
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

/* Keras' Adam; losses[rig][step]. */
static void take_steps(struct trial *t, const struct steps *m, double losses[TRIAL_MOST][10]) {
  double b1 = 1, b2 = 1, now[TRIAL_MOST];
  for (uint32_t i = 0; i < 10; i++) {
    struct efme_step s;
    memset(&s, 0, sizeof s);
    b1 *= 0.9, b2 *= 0.999;
    s.step = i;
    s.lr = (float)(m->lr / (1 + m->decay * i));
    s.correct1 = (float)(1 / (1 - b1)), s.correct2 = (float)(1 / (1 - b2));
    for (uint32_t k = 0; k < t->count; k++) rig_step(&t->rig[k], &s);
    trial_main(t, t->rig[0].plan->options.max_batch);
    trial_losses(t, now);
    for (uint32_t k = 0; k < t->count; k++) losses[k][i] = now[k], rig_update(&t->rig[k]);
  }
}

static void steps(const struct variant *v, const struct steps *m) {
  if (test_absent("golden/README.md")) return;
  struct data d;
  struct trial t;
  data_open(&d, v);
  struct efme_plan_options o = focal(&d);
  o.scope = m->scope, o.bn_update = m->bn_update;
  if (m->entropy) o.gamma = 0, o.alpha = 0;
  double losses[TRIAL_MOST][10], *each[TRIAL_MOST];
  for (int k = 0; k < TRIAL_MOST; k++) each[k] = losses[k];
  trial_ready(&t, &d, &o);
  take_steps(&t, m, losses);
  static const char *const after[][2] = {{"head_kernel", "head/kernel"}, {"stem_conv", "stem_conv/kernel"}};
  char name[64];
  size_t count;
  snprintf(name, sizeof name, "steps/%s/losses", m->name);
  const float *golden = golden_f32(&d.g, name, &count);
  ck_assert_uint_eq(count, 10);
  trial_judge(&t, v->name, name, each, golden, count, 0);
  for (int i = 0; i < (m->scope == EFME_SCOPE_HEAD ? 1 : 2); i++) {
    snprintf(name, sizeof name, "steps/%s/%s", m->name, after[i][0]);
    golden = golden_f32(&d.g, name, &count);
    struct efme_tensor p = rig_param(&t.rig[0], EFME_ARENA_WEIGHTS, after[i][1]);
    trial_judge_tensor(&t, v->name, name, &p, golden, count, 0);
  }
  trial_close(&t);
  data_close(&d);
}

START_TEST(test_steps) { steps(&variants[_i / 4], &modes[_i % 4]); }
END_TEST

int main(void) {
  Suite *suite = suite_create("golden training");
  TCase *t = tcase_create("train");
  tcase_set_timeout(t, 0);
  rig_levels_fixture(t);
  tcase_add_loop_test(t, test_bn_fixed, 0, 2);
  tcase_add_loop_test(t, test_bn_update, 0, 2);
  tcase_add_loop_test(t, test_steps, 0, 8);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
