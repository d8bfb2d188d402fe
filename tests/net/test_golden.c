/* Whole networks against the golden values of Keras, at every level of this CPU: logits, probabilities, activations and losses of every
 * variant. */
#include "net/golden.h"

struct variant {
  const char *name;
  uint32_t cut, top, height, width;
};
static const struct variant variants[] = {
    {"cut3_48", 3, 0, 48, 48},    {"cut5_48", 5, 0, 48, 48}, {"cut5_224", 5, 0, 224, 224},
    {"cut3_75x57", 3, 0, 75, 57}, {"b0_64", 7, 1, 64, 64},
};

static void open_pair(struct golden *g, struct golden *w, const char *name) {
  char path[128];
  snprintf(path, sizeof path, "golden/%s.safetensors", name);
  golden_open(g, test_shared(path));
  snprintf(path, sizeof path, "golden/%s_weights.safetensors", name);
  golden_open(w, test_shared(path));
}

struct data {
  struct golden g, w;
  struct efme_arch arch;
  float *weights;
  const float *x;
  const int32_t *y;
  size_t pixels, batch;
};

static void data_open(struct data *d, const struct variant *v) {
  open_pair(&d->g, &d->w, v->name);
  d->arch = rig_arch(v->cut, v->top, 3, v->height, v->width);
  d->weights = golden_weights(&d->w, &d->arch);
  d->x = golden_f32(&d->g, "x", &d->pixels);
  d->y = golden_find(&d->g, "y", &d->batch, NULL);
  ck_assert_uint_eq(d->pixels, d->batch * v->height * v->width * 3);
}

static void data_close(struct data *d) {
  free(d->weights);
  golden_close(&d->g), golden_close(&d->w);
}

/* Inference with all of the file's activations tapped (many: folding stops) or none. */
static void infer(const struct variant *v, int tapped) {
  if (test_absent("golden/README.md")) return;
  struct data d;
  struct trial t;
  data_open(&d, v);
  const char *taps[32];
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .taps = taps, .max_batch = (uint32_t)d.batch};
  void *state = NULL;
  for (const char *n; tapped && (n = golden_next(&d.g, "act/", &state));) taps[o.tap_count++] = n + 4;
  ck_assert_int_eq(tapped, o.tap_count > 0);
  trial_open(&t, &d.arch, &o, d.weights);
  trial_put(&t, TRIAL_PIXELS, d.x, d.pixels);
  trial_main(&t, o.max_batch);
  size_t count;
  const float *logits = golden_f32(&d.g, "logits", &count);
  trial_judge_tensor(&t, v->name, "logits", &t.rig[0].plan->logits, logits, count, 0);
  const float *probs = golden_f32(&d.g, "probs", &count);
  trial_judge_tensor(&t, v->name, "probs", &t.rig[0].plan->probabilities, probs, count, 0);
  for (uint32_t i = 0; i < o.tap_count; i++) {
    char name[64];
    snprintf(name, sizeof name, "act/%s", taps[i]);
    const float *golden = golden_f32(&d.g, name, &count);
    trial_judge_tap(&t, v->name, name, taps[i], golden, count);
  }
  trial_close(&t);
  data_close(&d);
}

START_TEST(test_infer) { infer(&variants[_i], 0); }
END_TEST

START_TEST(test_activations) { infer(&variants[_i], 1); }
END_TEST

/* The losses of validation: focal and cross-entropy, each as it stands in the file, and the penalty. */
START_TEST(test_losses) {
  if (test_absent("golden/README.md")) return;
  static const float alpha[3] = {0.27f, 0.35f, 0.38f};
  const struct variant *v = &variants[_i];
  struct data d;
  data_open(&d, v);
  for (int focal = 0; focal < 2; focal++) {
    struct efme_plan_options o = {.mode = EFME_PLAN_EVALUATE, .max_batch = (uint32_t)d.batch};
    if (focal) o.gamma = 2, o.alpha = 1;
    else o.l1 = o.l2 = 0.01f;
    struct trial t;
    double losses[TRIAL_MOST], penalty[TRIAL_MOST] = {0};
    size_t count;
    trial_open(&t, &d.arch, &o, d.weights);
    trial_put(&t, TRIAL_PIXELS, d.x, d.pixels);
    trial_put(&t, TRIAL_LABELS, d.y, d.batch);
    trial_put(&t, TRIAL_ALPHA, alpha, 3);
    trial_main(&t, o.max_batch);
    trial_losses(&t, losses);
    for (uint32_t i = 0; i < t.count && !focal; i++) {
      rig_get(&t.rig[i], &t.rig[i].plan->penalty, &penalty[i], 1);
      losses[i] -= penalty[i];
    }
    if (!focal) trial_judge_scalars(&t, v->name, "penalty", penalty, golden_f32(&d.g, "penalty", &count));
    trial_judge_scalars(&t, v->name, focal ? "focal" : "ce", losses, golden_f32(&d.g, focal ? "focal" : "ce", &count));
    trial_close(&t);
  }
  data_close(&d);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("golden");
  TCase *t = tcase_create("infer");
  tcase_set_timeout(t, 0);
  rig_levels_fixture(t);
  tcase_add_loop_test(t, test_infer, 0, (int)EFME_COUNT(variants));
  tcase_add_loop_test(t, test_activations, 0, (int)EFME_COUNT(variants));
  tcase_add_loop_test(t, test_losses, 0, (int)EFME_COUNT(variants));
  suite_add_tcase(suite, t);
  return test_run(suite);
}
