/* LOSS against the focal loss of another framework (../shared/golden, float64 autograd): the reference in double to 1e-12, the CPU
 * backend to float32's precision. And what the table says beside the formula: sums, hits, ties, labels with soft targets. */
#include "test.h"

#include <math.h>

#include <cjson/cJSON.h>

#include "run.h"

static char *whole_file(const char *path) {
  FILE *f = fopen(path, "rb");
  ck_assert(f != NULL);
  fseek(f, 0, SEEK_END);
  long size = ftell(f);
  rewind(f);
  char *text = malloc((size_t)size + 1);
  ck_assert_uint_eq(fread(text, 1, (size_t)size, f), (size_t)size);
  text[size] = 0;
  fclose(f);
  return text;
}

static struct kernel_case loss_case(uint32_t batch, int n) {
  struct kernel_case c = kernel_case_begin(EFME_OP_LOSS, batch);
  kernel_batched(&c, EFME_T_X, 1, 1, n), kernel_batched(&c, EFME_T_DX, 1, 1, n), kernel_batched(&c, EFME_T_P, 1, 1, n);
  kernel_batched(&c, EFME_T_Y, 1, 1, 1);
  kernel_batched(&c, EFME_T_W, 1, 1, 1);
  c.op.t[EFME_T_W].dtype = EFME_I32;
  kernel_param(&c, EFME_T_BIAS, EFME_ARENA_WEIGHTS, 1, 1, 1, n);
  c.op.t[EFME_T_SUMS] = (struct efme_tensor){EFME_ARENA_ACT, EFME_F64, 0, 1, 1, 1, 4, 0, 0};
  return c;
}

static void put(struct kernel_job *j, int role, size_t i, double v) {
  if (j->c.op.t[role].dtype == EFME_F64) ((double *)kernel_job_at(j, role))[i] = v;
  else ((float *)kernel_job_at(j, role))[i] = (float)v;
}
static double get(struct kernel_job *j, int role, size_t i) {
  if (j->c.op.t[role].dtype == EFME_F64) return ((double *)kernel_job_at(j, role))[i];
  return ((float *)kernel_job_at(j, role))[i];
}

/* One case of the file; twin: in double on the reference. */
static void golden_case(const cJSON *item, int index, int twin, int runner) {
  const cJSON *logits = cJSON_GetObjectItem(item, "logits"), *alpha = cJSON_GetObjectItem(item, "alpha"),
              *grad = cJSON_GetObjectItem(item, "grad");
  int batch = cJSON_GetArraySize(logits), n = cJSON_GetArraySize(alpha);
  struct kernel_case c = loss_case((uint32_t)batch, n);
  struct kernel_job j;
  double mean = 0, want = cJSON_GetObjectItem(item, "loss")->valuedouble, tolerance = twin ? 1e-12 : 2e-6;
  c.op.f[0] = (float)cJSON_GetObjectItem(item, "gamma")->valuedouble;
  snprintf(c.name, sizeof c.name, "golden loss %d", index);
  kernel_job_open(&j, &c, twin);
  for (int b = 0; b < batch; b++) {
    ((int32_t *)kernel_job_at(&j, EFME_T_W))[b] = cJSON_GetArrayItem(cJSON_GetObjectItem(item, "labels"), b)->valueint;
    for (int k = 0; k < n; k++) put(&j, EFME_T_X, (size_t)(b * n + k), cJSON_GetArrayItem(cJSON_GetArrayItem(logits, b), k)->valuedouble);
  }
  for (int k = 0; k < n; k++) put(&j, EFME_T_BIAS, (size_t)k, cJSON_GetArrayItem(alpha, k)->valuedouble);
  if (kernel_job_run(&j, runner)) {
    for (int b = 0; b < batch; b++) mean += get(&j, EFME_T_Y, (size_t)b) / batch;
    ck_assert_msg(fabs(mean - want) <= tolerance * fmax(1, want), "case %d: loss %.17g, golden %.17g", index, mean, want);
    for (int i = 0; i < batch * n; i++) {
      double g = get(&j, EFME_T_DX, (size_t)i), e = cJSON_GetArrayItem(cJSON_GetArrayItem(grad, i / n), i % n)->valuedouble;
      ck_assert_msg(fabs(g - e) <= tolerance, "case %d: gradient %d is %.17g, golden %.17g", index, i, g, e);
    }
  }
  kernel_job_close(&j);
}

static void golden(int twin, int runner) {
  if (test_absent("golden/focal_loss.json")) return;
  char *text = whole_file(test_shared("golden/focal_loss.json"));
  cJSON *root = cJSON_Parse(text);
  const cJSON *item;
  int index = 0;
  ck_assert(root != NULL);
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "cases")) golden_case(item, index++, twin, runner);
  ck_assert_int_ge(index, 10);
  cJSON_Delete(root);
  free(text);
}

START_TEST(golden_double) { golden(1, 0); }
END_TEST
START_TEST(golden_float) { golden(0, _i); }
END_TEST

/* Values worked out by hand: two images, uniform logits, cross-entropy: loss log 3 each, gradient (p - t) / 2. */
START_TEST(by_hand) {
  struct kernel_case c = loss_case(2, 3);
  struct kernel_job j;
  strcpy(c.name, "by hand");
  kernel_job_open(&j, &c, 0);
  for (size_t i = 0; i < 6; i++) put(&j, EFME_T_X, i, 0.25), put(&j, EFME_T_BIAS, i % 3, 1);
  ((int32_t *)kernel_job_at(&j, EFME_T_W))[0] = 0;
  ((int32_t *)kernel_job_at(&j, EFME_T_W))[1] = 2;
  for (size_t i = 0; i < 4; i++) put(&j, EFME_T_SUMS, i, 10); /* += */
  if (kernel_job_run(&j, _i)) {
    for (size_t b = 0; b < 2; b++) ck_assert_double_eq_tol(get(&j, EFME_T_Y, b), 1.0986122886681098, 1e-7);
    for (size_t i = 0; i < 6; i++) {
      ck_assert_double_eq_tol(get(&j, EFME_T_P, i), 1.0 / 3, 1e-7);
      ck_assert_double_eq_tol(get(&j, EFME_T_DX, i), (1.0 / 3 - (i == 0 || i == 5)) / 2, 1e-7);
    }
    ck_assert_double_eq_tol(get(&j, EFME_T_SUMS, 0), 10 + 2 * 1.0986122886681098, 1e-6);
    ck_assert(get(&j, EFME_T_SUMS, 1) == 12);
    ck_assert(get(&j, EFME_T_SUMS, 2) == 11); /* a tie goes to class 0: one hit */
    ck_assert(get(&j, EFME_T_SUMS, 3) == 11);
  }
  kernel_job_close(&j);
}
END_TEST

/* One-hot soft targets give the bits of labels; with both, the target is the soft one and hits count the label. */
START_TEST(soft_targets) {
  struct kernel_case hard = loss_case(4, 5), soft = loss_case(4, 5);
  struct kernel_job a, b;
  hard.op.f[0] = soft.op.f[0] = 2;
  hard.op.f[1] = soft.op.f[1] = 0.1f;
  kernel_batched(&soft, EFME_T_SCALE, 1, 1, 5);
  strcpy(hard.name, "labels"), strcpy(soft.name, "soft");
  kernel_job_open(&a, &hard, 0), kernel_job_open(&b, &soft, 0);
  const int32_t *label = kernel_job_at(&a, EFME_T_W);
  for (size_t i = 0; i < 20; i++) put(&b, EFME_T_SCALE, i, label[i / 5] == (int32_t)(i % 5));
  if (kernel_job_run(&a, _i) && kernel_job_run(&b, _i)) {
    ck_assert(memcmp(kernel_job_at(&a, EFME_T_Y), kernel_job_at(&b, EFME_T_Y), 4 * sizeof(float)) == 0);
    ck_assert(memcmp(kernel_job_at(&a, EFME_T_DX), kernel_job_at(&b, EFME_T_DX), 20 * sizeof(float)) == 0);
    double hits = get(&b, EFME_T_SUMS, 2), first = get(&b, EFME_T_SUMS, 1);
    ck_assert(hits == get(&a, EFME_T_SUMS, 2));
    for (size_t i = 0; i < 20; i++) put(&b, EFME_T_SCALE, i, label[i / 5] != (int32_t)(i % 5) ? 0.25 : 0);
    int32_t wins = 0;
    const float *x = kernel_job_at(&b, EFME_T_X);
    for (int n = 0; n < 4; n++) {
      int best = 0;
      for (int k = 1; k < 5; k++)
        if (x[n * 5 + k] > x[n * 5 + best]) best = k;
      wins += best == label[n];
    }
    kernel_job_run(&b, _i);
    ck_assert(memcmp(kernel_job_at(&a, EFME_T_Y), kernel_job_at(&b, EFME_T_Y), 4 * sizeof(float)) != 0);
    ck_assert(get(&b, EFME_T_SUMS, 2) - hits == wins);
    ck_assert(get(&b, EFME_T_SUMS, 1) - first == 4);
  }
  kernel_job_close(&a), kernel_job_close(&b);
}
END_TEST

/* A loss is linear in its target and its sample's weight: with soft targets it is the mixture of the losses of the labels, with a weight
 * that many times the loss; its gradient too. */
START_TEST(targets_and_weights_are_factors) {
  enum { B = 3, N = 4 };
  static const float weight[B] = {0.5f, 3.0f, 0.0f}, target[B][N] = {{0.1f, 0.2f, 0.3f, 0.4f}, {0, 0, 1, 0}, {0.7f, 0, 0.3f, 0}};
  double value[B] = {0}, gradient[B * N] = {0}, sum = 0;
  for (int label = 0; label <= N; label++) { /* N: all together */
    struct kernel_case c = loss_case(B, N);
    struct kernel_job j;
    c.op.f[0] = 2;
    if (label == N) kernel_batched(&c, EFME_T_SCALE, 1, 1, N), kernel_batched(&c, EFME_T_GATE, 1, 1, 1);
    strcpy(c.name, "factors");
    kernel_job_open(&j, &c, 0);
    for (size_t i = 0; i < B * N; i++) put(&j, EFME_T_X, i, 2 * kernel_noise(5, i));
    for (size_t i = 0; i < N; i++) put(&j, EFME_T_BIAS, i, 0.25 * (double)(i + 1));
    for (size_t i = 0; i < 4; i++) put(&j, EFME_T_SUMS, i, 0);
    for (int b = 0; b < B; b++) ((int32_t *)kernel_job_at(&j, EFME_T_W))[b] = label % N;
    for (size_t i = 0; label == N && i < B * N; i++) put(&j, EFME_T_SCALE, i, (double)target[i / N][i % N]);
    for (size_t i = 0; label == N && i < B; i++) put(&j, EFME_T_GATE, i, (double)weight[i]);
    int ran = kernel_job_run(&j, _i);
    for (size_t b = 0; ran && b < B; b++) {
      if (label < N) value[b] += (double)weight[b] * (double)target[b][label] * get(&j, EFME_T_Y, b);
      else ck_assert_double_eq_tol(get(&j, EFME_T_Y, b), value[b], 1e-6);
      if (label == N) sum += value[b];
    }
    for (size_t i = 0; ran && i < B * N; i++) {
      if (label < N) gradient[i] += (double)weight[i / N] * (double)target[i / N][label] * get(&j, EFME_T_DX, i);
      else ck_assert_double_eq_tol(get(&j, EFME_T_DX, i), gradient[i], 1e-6);
    }
    if (ran && label == N) ck_assert_double_eq_tol(get(&j, EFME_T_SUMS, 0), sum, 1e-6);
    if (ran && label == N) ck_assert(sum > 0.1);
    kernel_job_close(&j);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("loss_golden");
  TCase *all = tcase_create("loss");
  tcase_add_test(all, golden_double);
  tcase_add_loop_test(all, golden_float, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, by_hand, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, soft_targets, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, targets_and_weights_are_factors, 0, KERNEL_RUNNERS);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
