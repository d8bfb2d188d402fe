/* The arithmetic of boxes against numbers worked out by hand. */
#include "face/boxes.h"

#include <math.h>

#include "test.h"

static struct efme_face_box box(float x0, float y0, float x1, float y1, float score) {
  struct efme_face_box b = {x0, y0, x1, y1, score, {0}, {0}};
  return b;
}

START_TEST(sorted) {
  enum { N = 257 };
  struct efme_face_box b[N];
  uint32_t order[N];
  for (uint32_t i = 0; i < N; i++) b[i] = box(0, 0, 1, 1, (float)(i * 37 % 64)); /* each score about four times */
  for (size_t n = 0; n <= N; n += 1 + n / 8) {
    efme_face_sort(order, b, n);
    for (size_t i = 1; i < n; i++) {
      float one = b[order[i - 1]].score, other = b[order[i]].score;
      ck_assert(one > other || (one == other && order[i - 1] < order[i]));
    }
  }
}
END_TEST

START_TEST(union_and_minimum) {
  struct efme_face_box a = box(0, 0, 10, 10, 1), b = box(5, 0, 15, 10, 1), far = box(20, 20, 30, 30, 1);
  ck_assert_float_eq(efme_face_union_share(&a, &b), 50.0f / 150);
  ck_assert_float_eq(efme_face_union_share(&a, &far), 0);
  struct efme_face_box list[4] = {box(0, 0, 10, 10, .8f), box(1, 0, 11, 10, .9f), box(40, 40, 50, 50, .7f), box(0, 0, 10, 11, .8f)},
                       kept[4];
  uint32_t order[4];
  ck_assert_uint_eq(efme_face_suppress(list, 4, .5f, EFME_FACE_UNION, order, kept), 2);
  ck_assert(list[0].score == .9f && list[1].score == .7f);
  /* A small box within a large one: a quarter of the union, all of the smaller. */
  struct efme_face_box nested[2] = {box(0, 0, 19, 19, .9f), box(5, 5, 14, 14, .8f)};
  ck_assert_uint_eq(efme_face_suppress(nested, 2, .7f, EFME_FACE_UNION, order, kept), 2);
  ck_assert_uint_eq(efme_face_suppress(nested, 2, .7f, EFME_FACE_MINIMUM, order, kept), 1);
  ck_assert(nested[0].score == .9f);
  /* Exactly the limit is kept: 5 of 10 columns. */
  struct efme_face_box edge[2] = {box(0, 0, 9, 9, .9f), box(5, 0, 14, 9, .8f)};
  ck_assert_uint_eq(efme_face_suppress(edge, 2, .5f, EFME_FACE_MINIMUM, order, kept), 2);
  ck_assert_uint_eq(efme_face_suppress(edge, 0, .5f, EFME_FACE_UNION, order, kept), 0);
}
END_TEST

START_TEST(moves) {
  struct efme_face_box a = box(10, 20, 20, 50, 1);
  a.offsets[0] = .1f, a.offsets[1] = -.1f, a.offsets[2] = .5f, a.offsets[3] = 1;
  struct efme_face_box b = a;
  efme_face_regress(&a, 0);
  ck_assert(a.x0 == 11 && a.y0 == 17 && a.x1 == 25 && a.y1 == 80);
  efme_face_regress(&b, 1); /* sides of 11 and 31 */
  ck_assert_float_eq_tol(b.x0, 11.1f, 1e-5f);
  ck_assert_float_eq_tol(b.y0, 16.9f, 1e-5f);
  ck_assert_float_eq_tol(b.x1, 25.5f, 1e-5f);
  ck_assert_float_eq_tol(b.y1, 81, 1e-5f);
  a = box(10, 20, 20, 50, 1);
  efme_face_square(&a);
  ck_assert(a.x0 == 0 && a.x1 == 30 && a.y0 == 20 && a.y1 == 50);
  a = box(9, 4, 18, 23, 1); /* 10 x 20 pixels */
  for (int i = 0; i < 10; i++) a.points[i] = i < 5 ? .5f : .25f;
  efme_face_place_points(&a);
  for (int i = 0; i < 5; i++) ck_assert(a.points[i] == 13 && a.points[5 + i] == 8);
}
END_TEST

static void expect_pixels(struct efme_face_box b, int there, int x0, int y0, int x1, int y1) {
  int32_t p[4];
  ck_assert_int_eq(efme_face_pixels(p, &b, 100, 50), there);
  if (there) ck_assert_msg(p[0] == x0 && p[1] == y0 && p[2] == x1 && p[3] == y1, "%d %d %d %d", p[0], p[1], p[2], p[3]);
}

START_TEST(pixels) {
  expect_pixels(box(10.9f, 20.2f, 30.9f, 40.2f, 1), 1, 9, 19, 30, 40);
  expect_pixels(box(-5.5f, -.5f, 300, 300, 1), 1, 0, 0, 100, 50);
  expect_pixels(box(-20, -20, -5, 10, 1), 0, 0, 0, 0, 0);
  expect_pixels(box(150, 10, 160, 20, 1), 0, 0, 0, 0, 0);
  expect_pixels(box(100, 50, 100, 50, 1), 1, 99, 49, 100, 50);
  expect_pixels(box(-INFINITY, 1, INFINITY, 2, 1), 1, 0, 0, 100, 2);
  expect_pixels(box(NAN, NAN, NAN, NAN, 1), 0, 0, 0, 0, 0);
  expect_pixels(box(1e20f, 0, 1e21f, 10, 1), 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(probability) {
  ck_assert_float_eq(efme_face_probability(2, 2), .5f);
  ck_assert_float_eq_tol(efme_face_probability(0, 2), 0.880797f, 1e-6f);
  ck_assert(efme_face_probability(0, 200) == 1 && efme_face_probability(2000, 0) == 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("face_boxes");
  TCase *t = tcase_create("boxes");
  tcase_add_test(t, sorted);
  tcase_add_test(t, union_and_minimum);
  tcase_add_test(t, moves);
  tcase_add_test(t, pixels);
  tcase_add_test(t, probability);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
