/* INPUT against expectations that need no bilinear code: identity, mirror, quarter turn, whole-pixel shift, linear ramps, constants. The
 * draws are made here from the generator as the table of backend.h words it. On the reference and on each CPU level. */
#include "test.h"

#include <math.h>

#include "run.h"
#include "util/util.h"

enum { FLIP, PHOTO, BRIGHTNESS, CONTRAST, ROTATION, SCALE, SHIFT };
static const uint64_t seed = 77;

static void in_open(struct kernel_job *j, uint32_t batch, int h, int w, int sh, int sw, int channels, int dtype, uint32_t flags) {
  struct kernel_case c = kernel_case_begin(EFME_OP_INPUT, batch);
  kernel_batched(&c, EFME_T_Y, h, w, 3), kernel_batched(&c, EFME_T_X, sh, sw, channels);
  c.op.t[EFME_T_X].dtype = (uint8_t)dtype;
  c.op.flags = flags;
  if (flags) kernel_ids(&c);
  strcpy(c.name, "INPUT");
  kernel_job_open(j, &c, 0);
  if (!flags) return;
  struct efme_step *step = kernel_job_at(j, EFME_T_STEP);
  step->seed = seed;
  step->epoch = 4;
  step->variant = 9;
  for (uint32_t b = 0; b < batch; b++) ((int32_t *)kernel_job_at(j, EFME_T_ID))[b] = (int32_t)(b * 3 + 1);
}
static float *x_of(struct kernel_job *j) { return kernel_job_at(j, EFME_T_X); }
static float *y_of(struct kernel_job *j) { return kernel_job_at(j, EFME_T_Y); }

/* u_k of a sample: k = 0 .. 7, 8 for the vertical shift. */
static double draw(uint32_t epoch, uint32_t id, int k) {
  uint32_t word[4];
  efme_philox(word, seed, EFME_RNG_AUGMENT, epoch, id, (uint32_t)k / 4);
  return efme_unit_f32(word[k % 4]);
}

START_TEST(identity) {
  struct kernel_job j;
  in_open(&j, 2, 5, 7, 5, 7, 3, EFME_F32, 0);
  x_of(&j)[3] = -4.5f, x_of(&j)[8] = 300; /* not clamped */
  if (kernel_job_run(&j, _i)) ck_assert(memcmp(x_of(&j), y_of(&j), 210 * sizeof(float)) == 0);
  kernel_job_close(&j);
  in_open(&j, 3, 4, 6, 4, 6, 1, EFME_U8, 0);
  if (kernel_job_run(&j, _i))
    for (int i = 0; i < 216; i++) ck_assert(y_of(&j)[i] == ((uint8_t *)kernel_job_at(&j, EFME_T_X))[i / 3]);
  kernel_job_close(&j);
}
END_TEST

START_TEST(resize_by_hand) {
  struct kernel_job j;
  in_open(&j, 1, 1, 4, 1, 2, 1, EFME_F32, 0);
  x_of(&j)[0] = 10, x_of(&j)[1] = 50;
  static const float grown[] = {10, 20, 40, 50};
  if (kernel_job_run(&j, _i))
    for (int i = 0; i < 12; i++) ck_assert_float_eq_tol(y_of(&j)[i], grown[i / 3], 1e-5f);
  kernel_job_close(&j);
  in_open(&j, 1, 2, 1, 4, 1, 3, EFME_U8, 0);
  uint8_t *x = kernel_job_at(&j, EFME_T_X);
  for (int i = 0; i < 12; i++) x[i] = (uint8_t)(10 * (i / 3) * (i / 3) + i % 3);
  if (kernel_job_run(&j, _i))
    for (int c = 0; c < 3; c++) {
      ck_assert_float_eq_tol(y_of(&j)[c], 5 + (float)c, 1e-5f); /* halves: the mean of two pixels */
      ck_assert_float_eq_tol(y_of(&j)[3 + c], 65 + (float)c, 1e-5f);
    }
  kernel_job_close(&j);
}
END_TEST

/* 64 samples: each is its source or its mirror image to the bit, as its draw says. */
START_TEST(mirror) {
  for (int w = 6; w <= 7; w++) {
    struct kernel_job j;
    int flips = 0;
    in_open(&j, 64, 3, w, 3, w, 3, EFME_U8, EFME_OP_AUGMENT);
    j.c.op.f[FLIP] = 0.5f;
    if (kernel_job_run(&j, _i)) {
      for (int b = 0; b < 64; b++) {
        int flip = draw(4, (uint32_t)b * 3 + 1, 0) < 0.5;
        const uint8_t *x = (uint8_t *)kernel_job_at(&j, EFME_T_X) + b * 9 * w;
        for (int y = 0; y < 3; y++)
          for (int i = 0; i < w * 3; i++) {
            int source = flip ? w - 1 - i / 3 : i / 3;
            ck_assert_msg(y_of(&j)[(b * 3 + y) * w * 3 + i] == x[y * w * 3 + source * 3 + i % 3], "image %d row %d column %d", b, y, i / 3);
          }
        flips += flip;
      }
      ck_assert_int_gt(flips, 16);
      ck_assert_int_lt(flips, 48);
    }
    kernel_job_close(&j);
  }
}
END_TEST

/* Rotation by +-90 degrees: with a = +90 the source of (x, y) is (y, n - 1 - x). */
START_TEST(quarter_turn) {
  for (int n = 8; n <= 9; n++) {
    struct kernel_job j;
    double u = 2 * draw(4, 1, 4) - 1;
    in_open(&j, 1, n, n, n, n, 3, EFME_F32, EFME_OP_AUGMENT);
    j.c.op.f[ROTATION] = (float)(1.5707963267948966 / fabs(u));
    if (kernel_job_run(&j, _i))
      for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++) {
          int sx = u > 0 ? y : n - 1 - y, sy = u > 0 ? n - 1 - x : x;
          double want = fmin(fmax(x_of(&j)[(sy * n + sx) * 3 + 1], 0), 255);
          ck_assert_double_eq_tol(y_of(&j)[(y * n + x) * 3 + 1], want, 2e-3);
        }
    kernel_job_close(&j);
  }
}
END_TEST

/* Two pixels to one side, seen on an image that changes along that side only; edges repeat. */
START_TEST(shift) {
  for (int vertical = 0; vertical < 2; vertical++) {
    struct kernel_job j;
    double u = 2 * draw(4, 1, vertical ? 8 : 6) - 1;
    int h = 9, w = 12, size = vertical ? h : w, by = u > 0 ? 2 : -2;
    in_open(&j, 1, h, w, h, w, 1, EFME_F32, EFME_OP_AUGMENT);
    j.c.op.f[SHIFT] = (float)(2 / (size * fabs(u)));
    for (int i = 0; i < h * w; i++) x_of(&j)[i] = (float)(10 * (vertical ? i / w : i % w) + 5);
    if (kernel_job_run(&j, _i))
      for (int i = 0; i < h * w; i++) {
        int source = (vertical ? i / w : i % w) - by;
        source = source < 0 ? 0 : source >= size ? size - 1 : source;
        ck_assert_double_eq_tol(y_of(&j)[i * 3], 10 * source + 5, 2e-3);
      }
    kernel_job_close(&j);
  }
}
END_TEST

/* Scale on a linear ramp, which bilinear sampling reproduces: doubled about the centre. Source and output differ in size. */
START_TEST(scale) {
  struct kernel_job j;
  double u = 2 * draw(4, 1, 5) - 1, s = u > 0 ? 2 : 0.5;
  in_open(&j, 1, 8, 8, 16, 24, 1, EFME_F32, EFME_OP_AUGMENT);
  j.c.op.f[SCALE] = (float)((u > 0 ? 1 : 0.5) / fabs(u));
  for (int i = 0; i < 16 * 24; i++) x_of(&j)[i] = (float)(8 * (i % 24) + 3 * (i / 24));
  if (kernel_job_run(&j, _i))
    for (int i = 0; i < 64; i++) {
      double sx = ((i % 8 + 0.5 - 4) / s + 4) * 3 - 0.5, sy = ((i / 8 + 0.5 - 4) / s + 4) * 2 - 0.5;
      if (sx < 0 || sx > 23 || sy < 0 || sy > 15) continue;
      ck_assert_double_eq_tol(y_of(&j)[i * 3 + 2], 8 * sx + 3 * sy, 2e-3);
    }
  kernel_job_close(&j);
}
END_TEST

/* Constant images: only the light changes. */
START_TEST(light) {
  struct kernel_job j;
  int changed = 0;
  in_open(&j, 40, 2, 3, 2, 3, 3, EFME_F32, EFME_OP_AUGMENT);
  j.c.op.f[PHOTO] = 0.6f, j.c.op.f[BRIGHTNESS] = 0.5f, j.c.op.f[CONTRAST] = 0.5f;
  for (int i = 0; i < 40 * 18; i++) x_of(&j)[i] = (float)(6 * (i / 18));
  if (kernel_job_run(&j, _i)) {
    for (int b = 0; b < 40; b++) {
      uint32_t id = (uint32_t)b * 3 + 1;
      double bright = draw(4, id, 1) < 0.6f ? 1 + 0.5 * (2 * draw(4, id, 2) - 1) : 1;
      double contrast = draw(4, id, 7) < 0.6f ? 1 + 0.5 * (2 * draw(4, id, 3) - 1) : 1;
      double want = fmin(fmax((6 * b * bright - 127.5) * contrast + 127.5, 0), 255);
      for (int i = 0; i < 18; i++) ck_assert_double_eq_tol(y_of(&j)[b * 18 + i], want, 1e-3);
      changed += want != 6 * b;
    }
    ck_assert_int_gt(changed, 20);
    ck_assert_int_lt(changed, 40);
  }
  kernel_job_close(&j);
}
END_TEST

/* Grey is grey written three times, whatever is done to it: a set's other images must not change a sample. */
START_TEST(grey_is_replicated) {
  struct kernel_job grey, colour;
  static const float f[] = {0.5f, 0.7f, 0.2f, 0.3f, 0.3f, 0.15f, 0.1f};
  in_open(&grey, 9, 13, 11, 13, 11, 1, EFME_U8, EFME_OP_AUGMENT), in_open(&colour, 9, 13, 11, 13, 11, 3, EFME_U8, EFME_OP_AUGMENT);
  memcpy(grey.c.op.f, f, sizeof f), memcpy(colour.c.op.f, f, sizeof f);
  const uint8_t *from = kernel_job_at(&grey, EFME_T_X);
  uint8_t *to = kernel_job_at(&colour, EFME_T_X);
  for (int i = 0; i < 9 * 13 * 11 * 3; i++) to[i] = from[i / 3];
  if (kernel_job_run(&grey, _i) && kernel_job_run(&colour, _i))
    ck_assert(memcmp(y_of(&grey), y_of(&colour), 9 * 13 * 11 * 3 * sizeof(float)) == 0);
  kernel_job_close(&grey), kernel_job_close(&colour);
}
END_TEST

/* Variant 0 is the plain image; variant v is what epoch v would give. */
START_TEST(variants) {
  struct kernel_job fixed, by_epoch;
  static const float f[] = {0.5f, 0.7f, 0.2f, 0.3f, 0.3f, 0.15f, 0.1f};
  in_open(&fixed, 5, 6, 6, 6, 6, 3, EFME_U8, EFME_OP_AUGMENT | EFME_OP_PER_VARIANT);
  in_open(&by_epoch, 5, 6, 6, 6, 6, 3, EFME_U8, EFME_OP_AUGMENT);
  memcpy(fixed.c.op.f, f, sizeof f), memcpy(by_epoch.c.op.f, f, sizeof f);
  struct efme_step *step = kernel_job_at(&fixed, EFME_T_STEP);
  step->variant = 0;
  if (kernel_job_run(&fixed, _i)) {
    for (int i = 0; i < 540; i++) ck_assert(y_of(&fixed)[i] == ((uint8_t *)kernel_job_at(&fixed, EFME_T_X))[i]);
    step->variant = 4; /* by_epoch's epoch is 4 */
    step->epoch = 31;
    kernel_job_run(&fixed, _i), kernel_job_run(&by_epoch, _i);
    ck_assert(memcmp(y_of(&fixed), y_of(&by_epoch), 540 * sizeof(float)) == 0);
    ((struct efme_step *)kernel_job_at(&by_epoch, EFME_T_STEP))->epoch = 5;
    kernel_job_run(&by_epoch, _i);
    ck_assert(memcmp(y_of(&fixed), y_of(&by_epoch), 540 * sizeof(float)) != 0);
  }
  kernel_job_close(&fixed), kernel_job_close(&by_epoch);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("input_op");
  TCase *all = tcase_create("input");
  tcase_add_loop_test(all, identity, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, resize_by_hand, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, mirror, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, quarter_turn, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, shift, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, scale, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, light, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, grey_is_replicated, 0, KERNEL_RUNNERS);
  tcase_add_loop_test(all, variants, 0, KERNEL_RUNNERS);
  suite_add_tcase(suite, all);
  return test_run(suite);
}
