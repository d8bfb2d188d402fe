/* Ops that read the step block: dropout, drop-connect, optimizer, EMA; and FOLD, against expectations written out here. On the reference
 * and on each CPU level. */
#include "test.h"

#include <math.h>

#include "efme/optimizer.h"
#include "run.h"
#include "util/util.h"

static float *f32(struct kernel_job *j, int role) { return kernel_job_at(j, role); }
static struct efme_step *step_of(struct kernel_job *j) { return kernel_job_at(j, EFME_T_STEP); }
static void ids(struct kernel_job *j, int first) {
  for (uint32_t b = 0; b < j->c.batch; b++) ((int32_t *)kernel_job_at(j, EFME_T_ID))[b] = first + (int)b;
}

/* ---- dropout ---- */

static void dropout_open(struct kernel_job *j, uint32_t batch, float rate) {
  struct kernel_case c = kernel_case_begin(EFME_OP_DROPOUT, batch);
  kernel_batched(&c, EFME_T_X, 1, 1, 1001), kernel_batched(&c, EFME_T_Y, 1, 1, 1001);
  kernel_ids(&c);
  c.op.f[0] = rate;
  c.op.i[0] = 3;
  strcpy(c.name, "DROPOUT");
  kernel_job_open(j, &c, 0);
  ids(j, 10);
}

START_TEST(dropout) {
  static const float rates[] = {0, 0.2f, 0.5f};
  for (int r = 0; r < 3; r++) {
    struct kernel_job j;
    int dropped = 0;
    dropout_open(&j, 20, rates[r]);
    if (kernel_job_run(&j, _i)) {
      const struct efme_step *s = step_of(&j);
      for (uint32_t i = 0; i < 20020; i++) {
        uint32_t word[4], e = i % 1001;
        efme_philox(word, s->seed, EFME_RNG_DROPOUT, s->epoch, 10 + i / 1001, 3u << 16 | e >> 2);
        int drop = efme_unit_f32(word[e & 3]) < rates[r];
        double want = drop ? 0 : f32(&j, EFME_T_X)[i] / (1 - (double)rates[r]);
        ck_assert_double_eq_tol(f32(&j, EFME_T_Y)[i], want, 2e-7 * fabs(want) + 1e-30);
        dropped += drop;
      }
      double sigma = sqrt(20020 * (double)rates[r] * (1 - (double)rates[r]));
      ck_assert_double_eq_tol(dropped, 20020 * (double)rates[r], 4 * sigma + 1e-9);
    }
    kernel_job_close(&j);
  }
}
END_TEST

/* Another epoch, sample, seed or stream: another mask. The same: the same. */
START_TEST(dropout_streams) {
  struct kernel_job j;
  float first[1001];
  dropout_open(&j, 1, 0.5f);
  if (kernel_job_run(&j, _i)) {
    memcpy(first, f32(&j, EFME_T_Y), sizeof first);
    for (int change = 0; change < 5; change++) {
      struct efme_step kept = *step_of(&j);
      if (change == 1) step_of(&j)->epoch++;
      if (change == 2) step_of(&j)->seed++;
      if (change == 3) ids(&j, 11);
      if (change == 4) j.c.op.i[0]++;
      kernel_job_run(&j, _i);
      int differ = 0;
      for (int i = 0; i < 1001; i++) differ += (f32(&j, EFME_T_Y)[i] == 0) != (first[i] == 0);
      if (change == 0) ck_assert_int_eq(differ, 0);
      else ck_assert_msg(differ > 400 && differ < 600, "change %d: %d of 1001 differ", change, differ);
      *step_of(&j) = kept;
      ids(&j, 10);
    }
  }
  kernel_job_close(&j);
}
END_TEST

/* ---- drop-connect: a whole image or nothing, RES always ---- */
START_TEST(drop_connect) {
  struct kernel_case c = kernel_case_begin(EFME_OP_BN_ACT, 400);
  struct kernel_job j;
  int dropped = 0;
  kernel_batched(&c, EFME_T_X, 1, 2, 3), kernel_batched(&c, EFME_T_Y, 1, 2, 3), kernel_batched(&c, EFME_T_RES, 1, 2, 3);
  kernel_param(&c, EFME_T_STAT, EFME_ARENA_ACT, 2, 1, 1, 3);
  for (int r = EFME_T_GAMMA; r <= EFME_T_BETA; r++) kernel_param(&c, r, EFME_ARENA_WEIGHTS, 1, 1, 1, 3);
  kernel_ids(&c);
  c.op.flags = EFME_OP_DROPCONNECT_ON;
  c.op.f[0] = 0.2f;
  c.op.i[0] = 11;
  strcpy(c.name, "drop-connect");
  kernel_job_open(&j, &c, 0);
  ids(&j, 1000);
  if (kernel_job_run(&j, _i)) {
    const float *stat = f32(&j, EFME_T_STAT), *gamma = f32(&j, EFME_T_GAMMA), *beta = f32(&j, EFME_T_BETA);
    for (uint32_t i = 0; i < 2400; i++) {
      uint32_t word[4], k = i % 3;
      efme_philox(word, step_of(&j)->seed, EFME_RNG_DROPCONNECT, step_of(&j)->epoch, 1000 + i / 6, 11);
      int drop = efme_unit_f32(word[0]) < 0.2f;
      double z = gamma[k] * ((double)f32(&j, EFME_T_X)[i] - stat[k]) * stat[3 + k] + beta[k],
             want = f32(&j, EFME_T_RES)[i] + (drop ? 0 : z / 0.8);
      ck_assert_double_eq_tol(f32(&j, EFME_T_Y)[i], want, 2e-6);
      if (drop) ck_assert(f32(&j, EFME_T_Y)[i] == f32(&j, EFME_T_RES)[i]);
      dropped += drop && i % 6 == 0;
    }
    ck_assert_double_eq_tol(dropped, 80, 32); /* 4 sigma */
  }
  kernel_job_close(&j);
}
END_TEST

/* ---- optimizer ---- */

struct scalar { /* one weight, followed in double by Keras' own order of operations */
  double w, m, v;
};

static void expected(struct scalar *s, int kind, double g, double lr, int t) {
  double alpha = lr * sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t));
  if (kind == EFME_ADAMW) s->w -= lr * 0.01 * s->w;
  if (kind == EFME_ADAM || kind == EFME_ADAMW) {
    s->m += (g - s->m) * (1 - 0.9);
    s->v += (g * g - s->v) * (1 - 0.999);
    s->w -= s->m * alpha / (sqrt(s->v) + 1e-7);
  } else if (kind == EFME_SGD) {
    s->m = 0.9 * s->m - lr * g;
    s->w += s->m;
  } else {
    s->v = 0.9 * s->v + (1 - 0.9) * g * g;
    s->w -= lr * g / (sqrt(s->v) + 1e-7);
  }
}

START_TEST(optimizers) {
  int kind = _i / KERNEL_RUNNERS, runner = _i % KERNEL_RUNNERS, n = 37;
  struct kernel_case c = kernel_case_begin(EFME_OP_OPTIMIZER, 1);
  struct kernel_job j;
  struct scalar s[37];
  static const float adam[] = {0.9f, 0.999f, 1e-7f, 0.01f};
  memcpy(c.op.f, adam, sizeof adam);
  c.op.i[0] = kind;
  kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, 1, n), kernel_param(&c, EFME_T_DW, EFME_ARENA_GRADS, 1, 1, 1, n);
  if (kind != EFME_RMSPROP) kernel_param(&c, EFME_T_X, EFME_ARENA_OPT, 1, 1, 1, n);
  if (kind != EFME_SGD) kernel_param(&c, EFME_T_Y, EFME_ARENA_OPT, 1, 1, 1, n);
  c.op.t[EFME_T_STEP] = (struct efme_tensor){EFME_ARENA_STEP, EFME_U8, 0, 1, 1, 1, sizeof(struct efme_step), 0, 0};
  strcpy(c.name, "OPTIMIZER");
  kernel_job_open(&j, &c, 0);
  for (int i = 0; i < n; i++) {
    s[i] = (struct scalar){f32(&j, EFME_T_W)[i], 0, 0};
    if (kind != EFME_RMSPROP) f32(&j, EFME_T_X)[i] = 0;
    if (kind != EFME_SGD) f32(&j, EFME_T_Y)[i] = 0;
  }
  for (int t = 1; t <= 5; t++) {
    step_of(&j)->lr = 0.01f / (float)t; /* a schedule: a velocity must hold the old rates */
    step_of(&j)->correct1 = (float)(1 / (1 - pow(0.9, t)));
    step_of(&j)->correct2 = (float)(1 / (1 - pow(0.999, t)));
    for (int i = 0; i < n; i++) {
      f32(&j, EFME_T_DW)[i] = i == 5 ? 0 : (float)(kernel_noise((uint64_t)t, (uint64_t)i) * pow(10, i % 5 - 3));
      expected(&s[i], kind, f32(&j, EFME_T_DW)[i], step_of(&j)->lr, t);
    }
    if (!kernel_job_run(&j, runner)) break;
    for (int i = 0; i < n; i++) {
      ck_assert_msg(fabs(f32(&j, EFME_T_W)[i] - s[i].w) <= 1e-6, "optimizer %d, step %d, weight %d: %.9g, expected %.9g", kind, t, i,
                    f32(&j, EFME_T_W)[i], s[i].w);
      ck_assert(f32(&j, EFME_T_DW)[i] == 0);
    }
  }
  kernel_job_close(&j);
}
END_TEST

START_TEST(ema) {
  struct kernel_case c = kernel_case_begin(EFME_OP_EMA, 1);
  struct kernel_job j;
  float before[50];
  kernel_param(&c, EFME_T_X, EFME_ARENA_WEIGHTS, 1, 1, 1, 50), kernel_param(&c, EFME_T_Y, EFME_ARENA_OPT, 1, 1, 1, 50);
  c.op.t[EFME_T_STEP] = (struct efme_tensor){EFME_ARENA_STEP, EFME_U8, 0, 1, 1, 1, sizeof(struct efme_step), 0, 0};
  kernel_job_open(&j, &c, 0);
  memcpy(before, f32(&j, EFME_T_Y), sizeof before);
  step_of(&j)->ema_decay = 0.75f;
  if (kernel_job_run(&j, _i))
    for (int i = 0; i < 50; i++) ck_assert_float_eq_tol(f32(&j, EFME_T_Y)[i], 0.75f * before[i] + 0.25f * f32(&j, EFME_T_X)[i], 4e-7f);
  kernel_job_close(&j);
}
END_TEST

/* FOLD is right if the folded product equals product, then BN with the same statistics: x w s + b = gamma (x w - mean) / sqrt(var + eps) +
 * beta. */
START_TEST(fold) {
  struct kernel_case c = kernel_case_begin(EFME_OP_FOLD, 1);
  struct kernel_job j;
  int cin = 5, n = 19;
  c.op.f[1] = 1e-3f;
  kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, cin, n), kernel_param(&c, EFME_T_Y, EFME_ARENA_PACKED, 1, 1, cin, n);
  kernel_param(&c, EFME_T_BIAS, EFME_ARENA_PACKED, 1, 1, 1, n);
  for (int r = EFME_T_GAMMA; r <= EFME_T_VAR; r++) kernel_param(&c, r, EFME_ARENA_WEIGHTS, 1, 1, 1, n);
  kernel_job_open(&j, &c, 0);
  if (kernel_job_run(&j, _i))
    for (int k = 0; k < n; k++) {
      double plain = 0, folded = f32(&j, EFME_T_BIAS)[k];
      for (int i = 0; i < cin; i++) {
        plain += kernel_noise(1, (uint64_t)i) * f32(&j, EFME_T_W)[i * n + k];
        folded += kernel_noise(1, (uint64_t)i) * f32(&j, EFME_T_Y)[i * n + k];
      }
      double s = f32(&j, EFME_T_GAMMA)[k] / sqrt(f32(&j, EFME_T_VAR)[k] + (double)1e-3f);
      double want = s * (plain - f32(&j, EFME_T_MEAN)[k]) + f32(&j, EFME_T_BETA)[k];
      ck_assert_double_eq_tol(folded, want, 4e-6 * fmax(1, fabs(s)));
    }
  kernel_job_close(&j);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("step_ops");
  TCase *all = tcase_create("step");
  tcase_add_loop_test(all, dropout, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, dropout_streams, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, drop_connect, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, optimizers, 0, 4 * KERNEL_RUNNERS);
  tcase_add_loop_test(all, ema, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, fold, 0, KERNEL_RUNNERS);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
