/* OPTIMIZER against Keras and PyTorch themselves: tests/golden/optimizers.json, made by the script beside it, has what their optimizers do
 * with six weights in five steps of changing rate, in double precision. Adam, AdamW and SGD with momentum are Keras', RMSprop is PyTorch's
 * (Keras has epsilon inside the root). */
#include "test.h"

#include <math.h>

#include <cjson/cJSON.h>

#include "efme/optimizer.h"
#include "run.h"

#define FILE_NAME EFME_SOURCE_DIR "/tests/golden/optimizers.json"

static double number(const cJSON *item, const char *name) {
  const cJSON *n = cJSON_GetObjectItem(item, name);
  return n ? n->valuedouble : 0.0;
}

static double element(const cJSON *item, const char *name, int i, int k) {
  const cJSON *a = cJSON_GetArrayItem(cJSON_GetObjectItem(item, name), i);
  return cJSON_IsArray(a) ? cJSON_GetArrayItem(a, k)->valuedouble : a->valuedouble;
}

static int kind_of(const cJSON *item) {
  static const char *const names[] = {"adam", "adamw", "sgd", "rmsprop"};
  for (int k = 0; k < 4; k++)
    if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(item, "kind")), names[k])) return k;
  ck_abort_msg("unknown optimizer");
  return -1;
}

/* The op for these weights, with moments of zero. */
static void open_case(struct kernel_job *j, const cJSON *item, int kind, int n) {
  struct kernel_case c = kernel_case_begin(EFME_OP_OPTIMIZER, 1);
  c.op.f[0] = (float)(kind == EFME_SGD ? number(item, "momentum") : kind == EFME_RMSPROP ? number(item, "rho") : number(item, "beta1"));
  c.op.f[1] = (float)number(item, "beta2");
  c.op.f[2] = (float)number(item, "epsilon");
  c.op.f[3] = (float)number(item, "weight_decay");
  c.op.i[0] = kind;
  kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, 1, n), kernel_param(&c, EFME_T_DW, EFME_ARENA_GRADS, 1, 1, 1, n);
  if (kind != EFME_RMSPROP) kernel_param(&c, EFME_T_X, EFME_ARENA_OPT, 1, 1, 1, n);
  if (kind != EFME_SGD) kernel_param(&c, EFME_T_Y, EFME_ARENA_OPT, 1, 1, 1, n);
  c.op.t[EFME_T_STEP] = (struct efme_tensor){EFME_ARENA_STEP, EFME_U8, 0, 1, 1, 1, sizeof(struct efme_step), 0, 0};
  strcpy(c.name, "OPTIMIZER");
  kernel_job_open(j, &c, 0);
  for (int i = 0; i < n; i++) {
    ((float *)kernel_job_at(j, EFME_T_W))[i] = (float)element(item, "weights", i, 0);
    if (kind != EFME_RMSPROP) ((float *)kernel_job_at(j, EFME_T_X))[i] = 0;
    if (kind != EFME_SGD) ((float *)kernel_job_at(j, EFME_T_Y))[i] = 0;
  }
}

/* Keras takes powers of its betas rounded to float32 beside 1 - beta in double, at any precision: with 0.999 its first step is 6.4e-6 too
 * short (checked: the formula with such powers gives Keras' digits). */
#define KERAS_POWERS 7e-6

/* How far a weight has gone up to step t, there and back. */
static double path(const cJSON *item, int t, int i) {
  double sum = fabs(element(item, "after", 0, i) - element(item, "weights", i, 0));
  for (int k = 1; k <= t; k++) sum += fabs(element(item, "after", k, i) - element(item, "after", k - 1, i));
  return sum;
}

static void run_case(const cJSON *item, int index, int runner) {
  struct kernel_job j;
  int kind = kind_of(item), n = cJSON_GetArraySize(cJSON_GetObjectItem(item, "weights"));
  open_case(&j, item, kind, n);
  for (int t = 0; t < cJSON_GetArraySize(cJSON_GetObjectItem(item, "rates")); t++) {
    struct efme_step *step = kernel_job_at(&j, EFME_T_STEP);
    float *w = kernel_job_at(&j, EFME_T_W), *dw = kernel_job_at(&j, EFME_T_DW);
    step->lr = (float)element(item, "rates", t, 0);
    step->correct1 = (float)(1 / (1 - pow((double)(float)number(item, "beta1"), t + 1))); /* as the trainer has them */
    step->correct2 = (float)(1 / (1 - pow((double)(float)number(item, "beta2"), t + 1)));
    for (int i = 0; i < n; i++) dw[i] = (float)element(item, "gradients", t, i);
    if (!kernel_job_run(&j, runner)) break;
    for (int i = 0; i < n; i++) {
      double want = element(item, "after", t, i),
             limit = 1e-6 * fmax(1.0, fabs(want)) + KERAS_POWERS * (kind <= EFME_ADAMW) * path(item, t, i);
      ck_assert_msg(fabs((double)w[i] - want) <= limit, "case %d (%s), step %d, weight %d: %.9g, not %.9g", index,
                    cJSON_GetStringValue(cJSON_GetObjectItem(item, "source")), t + 1, i, (double)w[i], want);
    }
  }
  kernel_job_close(&j);
}

START_TEST(as_in_their_frameworks) {
  FILE *f = fopen(FILE_NAME, "rb");
  ck_assert_msg(f != NULL, "%s", FILE_NAME);
  static char text[1 << 16];
  text[fread(text, 1, sizeof text - 1, f)] = 0;
  fclose(f);
  cJSON *root = cJSON_Parse(text);
  const cJSON *item;
  int index = 0, kinds = 0;
  ck_assert_ptr_nonnull(root);
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "cases")) {
    kinds |= 1 << kind_of(item);
    run_case(item, index++, _i);
  }
  ck_assert_int_eq(kinds, 15);
  cJSON_Delete(root);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("optimizer_golden");
  TCase *all = tcase_create("optimizers");
  tcase_add_loop_test(all, as_in_their_frameworks, 0, KERNEL_RUNNERS);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
