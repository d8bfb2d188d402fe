/* Networks of timm and torchvision, imported and run by the predictor, against those frameworks' own outputs,
 * at every level of this CPU. */
#include "efme/predictor.h"
#include "net/golden.h"
#include "net/model.h"

static efme_context *make_context(uint32_t cpu_level) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.threads = 2, o.backend = "cpu", o.cpu_level = cpu_level;
  ck_assert_msg(efme_context_create(&c, &o) == EFME_OK, "%s", efme_last_error());
  return c;
}

struct foreign {
  const char *name, *stem; /* which of our layers the file's `stem` is */
  uint32_t padding;
};

static float *nhwc(const float *v, const uint32_t d[4]) {
  float *out = rig_floats((size_t)d[0] * d[1] * d[2] * d[3]);
  for (uint32_t n = 0; n < d[0]; n++)
    for (uint32_t c = 0; c < d[1]; c++)
      for (uint32_t i = 0; i < d[2] * d[3]; i++)
        out[((size_t)n * d[2] * d[3] + i) * d[1] + c] = v[((size_t)n * d[1] + c) * d[2] * d[3] + i];
  return out;
}

/* The reference and a predictor at each level, all with the same taps. */
struct sides {
  struct trial trial; /* rig[0] only; the count is that of all sides */
  efme_predictor *predictor[TRIAL_MOST];
};

static void judge_layer(struct sides *s, const char *file, const struct golden *g, const char *name, const char *tap) {
  uint32_t d[4], dims[4];
  size_t count;
  const float *v = golden_find(g, name, &count, d);
  ck_assert_ptr_nonnull(v);
  float *golden = d[2] * d[3] > 1 ? nhwc(v, d) : NULL, *ours = rig_floats(count);
  double *values[TRIAL_MOST] = {NULL};
  for (uint32_t k = 0; k < s->trial.count; k++) values[k] = rig_doubles(count);
  rig_get(&s->trial.rig[0], &efme_plan_find_tap(s->trial.rig[0].plan, tap)->tensor, values[0], count);
  for (uint32_t k = 1; k < s->trial.count; k++) {
    ck_assert_int_eq(efme_predictor_tap(s->predictor[k], tap, ours, count, dims), EFME_OK);
    ck_assert_uint_eq(count, (size_t)dims[0] * dims[1] * dims[2] * dims[3]);
    for (size_t i = 0; i < count; i++) values[k][i] = (double)ours[i];
  }
  trial_judge(&s->trial, file, name, values, golden ? golden : v, count, 0);
  for (uint32_t k = 0; k < s->trial.count; k++) free(values[k]);
  free(golden), free(ours);
}

static efme_model *import(efme_context *c, const struct foreign *f) {
  char path[128];
  efme_model *m = NULL;
  efme_load_options load = EFME_LOAD_OPTIONS_INIT;
  snprintf(path, sizeof path, "golden/%s_stage1to5.safetensors", f->name);
  load.cut = 5, load.height = load.width = 96, load.head = EFME_HEAD_RESET;
  load.class_names = efme_classes_meg3(), load.class_count = 3;
  load.padding = (int32_t)f->padding;
  load.bn_epsilon = f->padding == EFME_PAD_KERAS ? 1e-3f : 0.0f;
  ck_assert_msg(efme_model_import(&m, c, test_shared(path), NULL, &load) == EFME_OK, "%s", efme_last_error());
  return m;
}

START_TEST(test_imported) {
  static const struct foreign files[] = {{"timm_efficientnet_b0", "stem", EFME_PAD_SYMMETRIC},
                                         {"timm_tf_efficientnet_b0", "stem", EFME_PAD_KERAS},
                                         {"torchvision_efficientnet_b0", "stem_after_act", EFME_PAD_SYMMETRIC}};
  if (test_absent("golden/README.md")) return;
  const struct foreign *f = &files[_i];
  char path[128];
  struct golden g;
  snprintf(path, sizeof path, "golden/%s_outputs.safetensors", f->name);
  golden_open(&g, test_shared(path));
  static const char *const taps[] = {"stem_activation", "block3b_add", "block5c_add", "gap"};
  uint32_t d[4];
  size_t count;
  const float *planar = golden_find(&g, "x_nchw", &count, d);
  float *x = nhwc(planar, d);
  struct sides s = {.trial.count = 1 + rig_level_count};
  for (uint32_t k = 1; k < s.trial.count; k++) {
    efme_context *c = make_context(rig_levels[k - 1]->api->level(rig_levels[k - 1]->be));
    efme_model *m = import(c, f);
    efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
    o.max_batch = 2, o.taps = taps, o.tap_count = 4;
    ck_assert_msg(efme_predictor_create(&s.predictor[k], m, &o) == EFME_OK, "%s", efme_last_error());
    ck_assert_int_eq(efme_predictor_run(s.predictor[k], x, 2, NULL, NULL), EFME_OK);
    if (k == 1) {
      struct efme_plan_options plan = {.mode = EFME_PLAN_INFER, .max_batch = 2, .taps = taps, .tap_count = 4};
      rig_open(&s.trial.rig[0], NULL, &m->arch, &plan);
      rig_weights(&s.trial.rig[0], m->weights);
      rig_put(&s.trial.rig[0], &s.trial.rig[0].plan->input, x, count);
      rig_main(&s.trial.rig[0], 2);
    }
    efme_model_release(m);
    efme_context_release(c);
  }
  judge_layer(&s, f->name, &g, f->stem, "stem_activation");
  judge_layer(&s, f->name, &g, "stage3", "block3b_add");
  judge_layer(&s, f->name, &g, "stage5", "block5c_add");
  judge_layer(&s, f->name, &g, "pooled", "gap");
  rig_close(&s.trial.rig[0]);
  for (uint32_t k = 1; k < s.trial.count; k++) efme_predictor_release(s.predictor[k]);
  golden_close(&g);
  free(x);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("imported");
  TCase *t = tcase_create("imported");
  tcase_set_timeout(t, 0);
  rig_levels_fixture(t);
  tcase_add_loop_test(t, test_imported, 0, 3);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
