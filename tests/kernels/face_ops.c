/* The ops of face detection against expectations written out here: PRELU, MAXPOOL, CROP. On the reference and on each CPU level. */
#include "test.h"

#include <math.h>

#include "run.h"
#include "util/util.h"

static float *f32(struct kernel_job *j, int role) { return kernel_job_at(j, role); }

/* ---- PRELU ---- */

static const float inputs[] = {2, -3, 0, -0.0f, 1e30f, -1e30f, NAN, INFINITY}, slopes[] = {0.25f, -1, 0};

/* One row an input, weights 1: what the activation gets is the input itself. */
static void prelu_open(struct kernel_job *j, int kind) {
  struct kernel_case c = kernel_case_begin(kind, 1);
  c.op.act = EFME_ACT_PRELU;
  c.op.kh = c.op.kw = c.op.stride = kind == EFME_OP_CONV;
  kernel_batched(&c, EFME_T_X, 2, 4, 1), kernel_batched(&c, EFME_T_Y, 2, 4, 3);
  kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, 1, 3), kernel_param(&c, EFME_T_GAMMA, EFME_ARENA_WEIGHTS, 1, 1, 1, 3);
  strcpy(c.name, "PRELU");
  kernel_job_open(j, &c, 0);
  memcpy(f32(j, EFME_T_X), inputs, sizeof inputs);
  memcpy(f32(j, EFME_T_GAMMA), slopes, sizeof slopes);
  for (int i = 0; i < 3; i++) f32(j, EFME_T_W)[i] = 1;
}

START_TEST(prelu) {
  static const int kinds[] = {EFME_OP_CONV, EFME_OP_MATMUL};
  for (int k = 0; k < 2; k++) {
    struct kernel_job j;
    prelu_open(&j, kinds[k]);
    if (kernel_job_run(&j, _i))
      for (int i = 0; i < 24; i++) {
        float x = inputs[i / 3], want = x > 0 ? x : slopes[i % 3] * x, got = f32(&j, EFME_T_Y)[i];
        ck_assert_msg(got == want || (want != want && got != got), "x %g slope %g: %g, not %g", (double)x, (double)slopes[i % 3],
                      (double)got, (double)want);
      }
    kernel_job_close(&j);
  }
}
END_TEST

/* ---- MAXPOOL ---- */

/* 4 rows of 5 values r * 10 + column, in two channels of opposite sign. */
static void pool_open(struct kernel_job *j, int k, int h, int w) {
  struct kernel_case c = kernel_case_begin(EFME_OP_MAXPOOL, 1);
  c.op.kh = c.op.kw = k;
  c.op.stride = 2;
  kernel_batched(&c, EFME_T_X, 4, 5, 2), kernel_batched(&c, EFME_T_Y, h, w, 2);
  strcpy(c.name, "MAXPOOL");
  kernel_job_open(j, &c, 0);
  for (int i = 0; i < 40; i++) f32(j, EFME_T_X)[i] = (float)((i / 10 * 10 + i / 2 % 5) * (i % 2 ? -1 : 1));
}

static void pool_expect(int runner, int k, int h, int w, const float *most, const float *least) {
  struct kernel_job j;
  pool_open(&j, k, h, w);
  if (kernel_job_run(&j, runner))
    for (int i = 0; i < h * w; i++) {
      ck_assert_float_eq(f32(&j, EFME_T_Y)[2 * i], most[i]);
      ck_assert_float_eq(f32(&j, EFME_T_Y)[2 * i + 1], -least[i]);
    }
  kernel_job_close(&j);
}

START_TEST(maxpool) {
  static const float floor2[] = {11, 13, 31, 33}, ceil2[] = {11, 13, 14, 31, 33, 34}, ceil3[] = {22, 24, 32, 34};
  static const float low_floor2[] = {0, 2, 20, 22}, low_ceil2[] = {0, 2, 4, 20, 22, 24};
  pool_expect(_i, 2, 2, 2, floor2, low_floor2);
  pool_expect(_i, 2, 2, 3, ceil2, low_ceil2); /* the last column's windows are cut */
  pool_expect(_i, 3, 2, 2, ceil3, low_floor2);
}
END_TEST

/* A NaN anywhere in a window, first or last; infinities. */
START_TEST(maxpool_odd_numbers) {
  struct kernel_job j;
  pool_open(&j, 2, 2, 2);
  float *x = f32(&j, EFME_T_X);
  x[0] = NAN;           /* row 0, column 0 */
  x[2 * (5 + 3)] = NAN; /* row 1, column 3: the last of its window */
  for (int i = 0; i < 4; i++) x[2 * ((2 + i / 2) * 5 + i % 2)] = -INFINITY;
  if (kernel_job_run(&j, _i)) {
    const float *y = f32(&j, EFME_T_Y);
    ck_assert(isnan(y[0]) && isnan(y[2]));
    ck_assert(y[4] == -INFINITY && y[6] == 33);
    ck_assert(y[1] == 0 && y[3] == -2);
  }
  kernel_job_close(&j);
}
END_TEST

/* ---- CROP ---- */

static void crop_open(struct kernel_job *j, uint32_t boxes, int h, int w, int channels, int dtype, int to_h, int to_w) {
  struct kernel_case c = kernel_case_begin(EFME_OP_CROP, boxes);
  c.op.f[0] = 100, c.op.f[1] = 0.5f;
  kernel_param(&c, EFME_T_X, EFME_ARENA_IO, 1, h, w, channels);
  c.op.t[EFME_T_X].dtype = (uint8_t)dtype;
  kernel_batched(&c, EFME_T_BOX, 1, 1, 4);
  c.op.t[EFME_T_BOX].dtype = EFME_I32;
  kernel_batched(&c, EFME_T_Y, to_h, to_w, 3);
  strcpy(c.name, "CROP");
  kernel_job_open(j, &c, 0);
  for (int i = 0; i < h * w * channels; i++) {
    int value = (i / channels) * (i / channels) % 250 + i % channels;
    if (dtype == EFME_U8) ((uint8_t *)kernel_job_at(j, EFME_T_X))[i] = (uint8_t)value;
    else f32(j, EFME_T_X)[i] = (float)value;
  }
}
static void put_box(struct kernel_job *j, int n, int x0, int y0, int x1, int y1) {
  int32_t *box = (int32_t *)kernel_job_at(j, EFME_T_BOX) + 4 * n;
  box[0] = x0, box[1] = y0, box[2] = x1, box[3] = y1;
}

/* 5 columns to 3: windows [0,2) [1,4) [3,5), as PyTorch's adaptive pooling has them. */
START_TEST(crop_shrinks) {
  static const float want[] = {0.5f, 14 / 3.0f, 12.5f};
  static const int types[] = {EFME_U8, EFME_F32};
  for (int t = 0; t < 2; t++)
    for (int channels = 1; channels <= 3; channels += 2) {
      struct kernel_job j;
      crop_open(&j, 1, 1, 5, channels, types[t], 1, 3);
      put_box(&j, 0, 0, 0, 5, 1);
      if (kernel_job_run(&j, _i))
        for (int i = 0; i < 9; i++)
          ck_assert_float_eq_tol(f32(&j, EFME_T_Y)[i], (want[i / 3] + (channels == 3 ? (float)(i % 3) : 0) - 100) / 2, 1e-5f);
      kernel_job_close(&j);
    }
}
END_TEST

/* 2 rows to 4: each twice. Two boxes of one image. */
START_TEST(crop_grows) {
  struct kernel_job j;
  crop_open(&j, 2, 3, 4, 1, EFME_U8, 4, 1);
  put_box(&j, 0, 1, 1, 2, 3), put_box(&j, 1, 3, 0, 4, 2);
  static const float want[] = {25, 25, 81, 81, 9, 9, 49, 49};
  if (kernel_job_run(&j, _i))
    for (int i = 0; i < 24; i++) ck_assert_float_eq(f32(&j, EFME_T_Y)[i], (want[i / 3] - 100) / 2);
  kernel_job_close(&j);
}
END_TEST

/* What a box has outside the image is cut off; a pixel stays. */
START_TEST(crop_outside) {
  struct kernel_job j;
  static const int32_t lost[][4] = {
      {-9, -9, 1, 1}, {3, 2, 99, 99}, {50, 50, 60, 60}, {-7, 2, -3, 9}, {2, 1, 2, 1}, {3, 2, 0, 0}, {INT32_MIN, INT32_MIN, INT32_MAX, 1}};
  static const float want[] = {0, 121, 121, 64, 36, 121, 3.5f}; /* the last one: the mean of 0 1 4 9 */
  enum { COUNT = sizeof want / sizeof want[0] };
  crop_open(&j, COUNT, 3, 4, 1, EFME_U8, 1, 1);
  for (int n = 0; n < COUNT; n++) put_box(&j, n, lost[n][0], lost[n][1], lost[n][2], lost[n][3]);
  if (kernel_job_run(&j, _i))
    for (int i = 0; i < COUNT * 3; i++)
      ck_assert_msg(f32(&j, EFME_T_Y)[i] == (want[i / 3] - 100) / 2, "box %d: %g", i / 3, (double)f32(&j, EFME_T_Y)[i]);
  kernel_job_close(&j);
}
END_TEST

/* White pixels, more rows than 16-bit sums hold and a window wider than the kernel's row of sums. */
START_TEST(crop_of_large_windows) {
  static const int sizes[][2] = {{600, 40}, {3, 9000}, {1, 2049}};
  for (int s = 0; s < 3; s++) {
    struct kernel_job j;
    crop_open(&j, 1, sizes[s][0], sizes[s][1], 3, EFME_U8, 1, 2);
    memset(kernel_job_at(&j, EFME_T_X), 255, (size_t)sizes[s][0] * (size_t)sizes[s][1] * 3);
    put_box(&j, 0, 0, 0, sizes[s][1], sizes[s][0]);
    if (kernel_job_run(&j, _i))
      for (int i = 0; i < 6; i++) ck_assert_float_eq(f32(&j, EFME_T_Y)[i], 77.5f);
    kernel_job_close(&j);
  }
}
END_TEST

/* ---- what the CPU backend refuses ---- */

static efme_status host_fail(efme_status status, const char *message) { return efme_fail(status, "%s", message); }

static void refused(const struct kernel_case *c, const char *words) {
  struct efme_backend_host host = {.size = sizeof host, .abi = EFME_BACKEND_ABI, .threads = 1, .fail = host_fail};
  struct efme_op_needs needs;
  void *be = NULL, *program = NULL;
  struct efme_op op = c->op;
  size_t size[EFME_ARENA_COUNT];
  kernel_layout(&op, c->batch, -1, -1, size);
  host.alloc = efme_allocator_libc.alloc, host.free = efme_allocator_libc.free;
  ck_assert_int_eq(efme_cpu_backend.open(&be, &host), EFME_OK);
  ck_assert_int_eq(efme_cpu_backend.supports(be, &op, c->batch, &needs), 0);
  ck_assert_int_eq(efme_cpu_backend.prepare(be, &program, &op, 1, c->batch), EFME_E_UNSUPPORTED);
  ck_assert_msg(strstr(efme_last_error(), words) != NULL, "%s", efme_last_error());
  efme_cpu_backend.close(be);
}

START_TEST(refusals) {
  struct kernel_job j;
  struct kernel_case c;
  prelu_open(&j, EFME_OP_MATMUL);
  c = j.c, kernel_job_close(&j);
  c.op.act = EFME_ACT_SWISH, refused(&c, "GAMMA: not without PRELU");
  c.op.act = EFME_ACT_PRELU, c.op.t[EFME_T_GAMMA].c = 2, refused(&c, "GAMMA: wrong number of elements");
  c.op.t[EFME_T_GAMMA].arena = EFME_ARENA_NONE, refused(&c, "GAMMA: missing");
  pool_open(&j, 2, 2, 2);
  c = j.c, kernel_job_close(&j);
  c.op.act = EFME_ACT_PRELU, refused(&c, "PRELU is of CONV and MATMUL only");
  c.op.act = 0, c.op.pad_left = 1, refused(&c, "MAXPOOL has no padding");
  c.op.pad_left = 0, c.op.t[EFME_T_Y].w = 4, refused(&c, "Y: a window without elements");
  crop_open(&j, 2, 3, 4, 1, EFME_U8, 4, 1);
  c = j.c, kernel_job_close(&j);
  c.op.t[EFME_T_X].c = 2, refused(&c, "X: 1 or 3 channels");
  c.op.t[EFME_T_X].c = 1, c.op.t[EFME_T_X].flags = EFME_TENSOR_BATCHED, refused(&c, "X: one image, not batched");
  c.op.t[EFME_T_X].flags = 0, c.op.t[EFME_T_BOX].dtype = EFME_F32, refused(&c, "BOX: wrong element type");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("face_ops");
  TCase *all = tcase_create("face");
  tcase_add_loop_test(all, prelu, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, maxpool, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, maxpool_odd_numbers, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, crop_shrinks, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, crop_grows, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, crop_outside, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, crop_of_large_windows, 0, KERNEL_RUNNERS);
  tcase_add_test(all, refusals);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
