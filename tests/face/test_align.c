/* Alignment: the pixels against a mean over clipped polygons, the geometry of each mode against what it promises, the paper's three steps
 * beside the one of ours, and what is refused. */
#include <cjson/cJSON.h>
#include <fenv.h>
#include <math.h>
#include <time.h>

#include "efme/align.h"
#include "efme/dataset.h"
#include "heap.h"
#include "io/image.h"
#include "test.h"

static struct heap heap;
static efme_context *context;
static uint64_t state = 7;

static void setup(void) {
  memset(&heap, 0, sizeof heap);
  ck_assert_int_eq(heap_context(&context, &heap, 1), EFME_OK);
}

static void teardown(void) {
  efme_context_release(context);
  ck_assert_int_eq(heap.live, 0);
}

#define assert_ok(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
#define assert_fails(call, status, text)                                                                                                   \
  do {                                                                                                                                     \
    ck_assert_int_eq((call), status);                                                                                                      \
    ck_assert_msg(strstr(efme_last_error(), text) != NULL, "%s: \"%s\" lacks \"%s\"", #call, efme_last_error(), text);                     \
  } while (0)

static double uniform(double low, double high) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return low + (high - low) * (double)(state >> 11) / 9007199254740992.0;
}

static efme_image *noise(uint32_t width, uint32_t height, uint32_t channels) {
  uint8_t *pixels = malloc((size_t)width * height * channels);
  efme_image *image = NULL;
  for (size_t i = 0; i < (size_t)width * height * channels; i++) pixels[i] = (uint8_t)uniform(0, 256);
  assert_ok(efme_image_from_pixels(&image, context, pixels, channels == 1 ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, width, height, 0));
  free(pixels);
  return image;
}

/* ---- the pixels ---- */

static double value_at(const efme_image *image, int64_t x, int64_t y, uint32_t k) {
  x = EFME_MIN(EFME_MAX(x, 0), (int64_t)image->px.width - 1), y = EFME_MIN(EFME_MAX(y, 0), (int64_t)image->px.height - 1);
  return image->px.data[((size_t)y * image->px.width + (size_t)x) * image->px.channels + k];
}

/* Keeps what lies on the side sign (coordinate - at) >= 0. */
static int clip(double out[][2], double in[][2], int n, int axis, double at, double sign) {
  int m = 0;
  for (int i = 0; i < n; i++) {
    const double *p = in[i], *q = in[(i + 1) % n];
    double a = sign * (p[axis] - at), b = sign * (q[axis] - at);
    if (a >= 0) out[m][0] = p[0], out[m][1] = p[1], m++;
    if ((a < 0) != (b < 0)) {
      double t = a / (a - b);
      out[m][0] = p[0] + t * (q[0] - p[0]), out[m][1] = p[1] + t * (q[1] - p[1]), m++;
    }
  }
  return m;
}

static double common_area(double square[4][2], int64_t x, int64_t y) {
  double a[12][2], b[12][2], area = 0;
  memcpy(a, square, 4 * sizeof *a);
  int n = clip(b, a, 4, 0, (double)x, 1);
  n = clip(a, b, n, 0, (double)x + 1, -1);
  n = clip(b, a, n, 1, (double)y, 1);
  n = clip(a, b, n, 1, (double)y + 1, -1);
  for (int i = 0; i < n; i++) area += a[i][0] * a[(i + 1) % n][1] - a[(i + 1) % n][0] * a[i][1];
  return fabs(area) / 2;
}

static double reference(const efme_image *image, const double m[6], uint32_t i, uint32_t j, uint32_t k) {
  double scale = hypot(m[0], m[3]), sum = 0;
  double square[4][2], low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  if (scale <= 1.0) {
    double x = m[0] * (i + .5) + m[1] * (j + .5) + m[2] - .5, y = m[3] * (i + .5) + m[4] * (j + .5) + m[5] - .5, fx = floor(x),
           fy = floor(y);
    for (int b = 0; b < 2; b++)
      for (int a = 0; a < 2; a++)
        sum += value_at(image, (int64_t)fx + a, (int64_t)fy + b, k) * (a ? x - fx : 1 - (x - fx)) * (b ? y - fy : 1 - (y - fy));
    return sum;
  }
  for (int c = 0; c < 4; c++) {
    double u = i + (c == 1 || c == 2), v = j + (c >= 2);
    square[c][0] = m[0] * u + m[1] * v + m[2], square[c][1] = m[3] * u + m[4] * v + m[5];
    for (int d = 0; d < 2; d++) low[d] = fmin(low[d], square[c][d]), high[d] = fmax(high[d], square[c][d]);
  }
  for (int64_t y = (int64_t)floor(low[1]); (double)y < high[1]; y++)
    for (int64_t x = (int64_t)floor(low[0]); (double)x < high[0]; x++) sum += common_area(square, x, y) * value_at(image, x, y, k);
  return sum / (scale * scale);
}

START_TEST(pixels_are_exact) {
  static const double angles[] = {0, 1e-12, 1e-6, .01, .3, M_PI / 4, M_PI / 2, 2, M_PI, -.02, -M_PI / 2, -2.9};
  uint8_t *got = malloc(24 * 20 * 3);
  double worst = 0;
  uint64_t compared = 0;
  for (uint32_t channels = 1; channels <= 3; channels += 2)
    for (uint32_t n = 0; n < 120; n++) {
      efme_image *image = noise(3 + n % 37, 2 + n % 29, channels);
      double angle = n < 24 ? angles[n % 12] : uniform(-M_PI, M_PI), scale = n % 4 == 0   ? uniform(.05, 1)
                                                                             : n % 4 == 1 ? 1 + uniform(0, 1e-3)
                                                                                          : uniform(1, 6);
      double c = scale * cos(angle), s = scale * sin(angle), m[6] = {c, -s, uniform(-20, 50), s, c, uniform(-20, 40)};
      assert_ok(efme_pixels_warp(got, 24, 20, &image->px, m, image->allocator));
      for (uint32_t j = 0, e = 0; j < 20; j++)
        for (uint32_t i = 0; i < 24; i++)
          for (uint32_t k = 0; k < channels; k++, e++, compared++) worst = fmax(worst, fabs(got[e] - reference(image, m, i, j, k)));
      efme_image_release(image);
    }
  printf("%llu pixels: at most %.9f grey levels from the mean over clipped polygons\n", (unsigned long long)compared, worst);
  ck_assert_double_le(worst, .5 + 1e-7); /* rounding to whole levels */
  free(got);
}
END_TEST

/* Upright on whole pixels it is crop and resize. */
START_TEST(upright_is_resize) {
  efme_image *image = noise(90, 80, 3), *got = NULL, *cut = NULL, *want = NULL;
  static const float boxes[][4] = {{10, 12, 60, 60}, {10, 12, 30, 60}, {-20, 5, 70, 70}, {30, 40, 90, 90}, {3, 4, 20, 20}};
  for (uint32_t b = 0; b < 5; b++) {
    const float *box = boxes[b];
    efme_align_options o = EFME_ALIGN_OPTIONS_INIT;
    o.width = o.height = 32;
    efme_alignment what = EFME_ALIGNMENT_INIT;
    assert_ok(efme_face_align(&got, image, box, NULL, 0, &o, &what));
    assert_ok(efme_image_crop(&cut, image, (int32_t)(box[0] - (box[3] - box[2]) / 2), (int32_t)box[1], (uint32_t)box[3], (uint32_t)box[3]));
    assert_ok(efme_image_resize(&want, cut, 32, 32));
    for (uint32_t e = 0; e < 32 * 32 * 3; e++) { /* where it grows, the rim sees what lies beyond the box */
      uint32_t i = e / 3 % 32, j = e / 96, rim = box[3] < 32 && (i == 0 || j == 0 || i == 31 || j == 31);
      if (!rim) ck_assert_msg(got->px.data[e] == want->px.data[e], "box %u, value %u: %u, not %u", b, e, got->px.data[e], want->px.data[e]);
    }
    ck_assert_double_eq_tol(what.scale, box[3] / 32, 1e-12);
    ck_assert_double_eq(what.angle, 0);
    efme_image_release(got), efme_image_release(cut), efme_image_release(want);
  }
  efme_image_release(image);
}
END_TEST

START_TEST(any_rounding_mode) {
  static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  static const float box[4] = {20, 15, 50, 60}, eyes[4] = {30, 33, 62, 40};
  efme_image *image = noise(97, 83, 3), *want = NULL, *got = NULL;
  assert_ok(efme_face_align(&want, image, box, eyes, 2, NULL, NULL));
  for (int i = 0; i < 3; i++) {
    fesetround(modes[i]);
    efme_status status = efme_face_align(&got, image, box, eyes, 2, NULL, NULL);
    int mode = fegetround();
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(status, EFME_OK);
    ck_assert_int_eq(mode, modes[i]);
    ck_assert_mem_eq(efme_image_pixels(got), efme_image_pixels(want), 224 * 224 * 3);
    efme_image_release(got);
  }
  efme_image_release(want), efme_image_release(image);
}
END_TEST

/* ---- the geometry ---- */

/* Source point to result point. */
static void into(double out[2], const efme_alignment *a, double x, double y) {
  double dx = x - a->map[2], dy = y - a->map[5], square = a->map[0] * a->map[0] + a->map[3] * a->map[3];
  out[0] = (a->map[0] * dx + a->map[3] * dy) / square, out[1] = (-a->map[3] * dx + a->map[0] * dy) / square;
}

static efme_alignment align(efme_image *image, uint32_t mode, uint32_t width, uint32_t height, const float *box, const float *points,
                            uint32_t count) {
  efme_align_options o = EFME_ALIGN_OPTIONS_INIT;
  efme_alignment what = EFME_ALIGNMENT_INIT;
  efme_image *made = NULL;
  o.mode = mode, o.width = width, o.height = height;
  assert_ok(efme_face_align(&made, image, box, points, count, &o, &what));
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  assert_ok(efme_image_get_info(made, &info));
  ck_assert(info.width == width && info.height == height && info.channels == image->px.channels);
  efme_image_release(made);
  return what;
}

START_TEST(rotated_turns_the_face) {
  static const float box[4] = {40, 20, 36, 48};
  efme_image *image = noise(160, 120, 1);
  for (int n = 0; n < 40; n++) {
    double angle = n * M_PI / 20 - M_PI, d[2], e[2];
    float eyes[4] = {(float)(58 - 8 * cos(angle)), (float)(40 - 8 * sin(angle)), (float)(58 + 8 * cos(angle)),
                     (float)(40 + 8 * sin(angle))};
    efme_alignment a = align(image, EFME_ALIGN_ROTATED, 60, 48, box, eyes, 2);
    into(d, &a, eyes[0], eyes[1]), into(e, &a, eyes[2], eyes[3]);
    ck_assert_double_eq_tol(d[1], e[1], 1e-4); /* level, image left first */
    ck_assert_double_eq_tol(e[0] - d[0], 16 / a.scale, 1e-4);
    ck_assert_double_eq_tol(a.scale, 1, 1e-12);
    into(d, &a, 58, 44); /* the box's middle is the result's */
    ck_assert_double_eq_tol(d[0], 30, 1e-9);
    ck_assert_double_eq_tol(d[1], 24, 1e-9);
    ck_assert_double_eq_tol(remainder(a.angle - angle, 2 * M_PI), 0, 1e-6);
  }
  efme_image_release(image);
}
END_TEST

START_TEST(paper_turns_the_image) {
  static const float box[4] = {40, 20, 36, 48};
  efme_image *image = noise(160, 120, 1);
  for (int n = 0; n < 9; n++) {
    double angle = (n - 4) * .1, p[2];
    float eyes[4] = {50, 40, (float)(50 + 16 * cos(angle)), (float)(40 + 16 * sin(angle))};
    efme_alignment a = align(image, EFME_ALIGN_PAPER, 24, 24, box, eyes, 2);
    for (int k = 0; k < 20; k++) {
      double x = uniform(0, 160), y = uniform(0, 120);
      /* turned about the middle of the image, then minus the corner of the square, then shrunk */
      double u = 80 + cos(angle) * (x - 80) + sin(angle) * (y - 60), v = 60 - sin(angle) * (x - 80) + cos(angle) * (y - 60);
      into(p, &a, x, y);
      ck_assert_double_eq_tol(p[0], (u - (40 - (48 - 36) / 2.0)) / 2, 1e-4);
      ck_assert_double_eq_tol(p[1], (v - 20) / 2, 1e-4);
    }
  }
  efme_image_release(image);
}
END_TEST

static const double face_112[5][2] = {{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}};

static double misfit(const float points[10], double a, double b, double x, double y) {
  double sum = 0;
  for (int i = 0; i < 5; i++) {
    double dx = a * points[2 * i] - b * points[2 * i + 1] + x - 2 * face_112[i][0],
           dy = b * points[2 * i] + a * points[2 * i + 1] + y - 2 * face_112[i][1];
    sum += dx * dx + dy * dy;
  }
  return sum;
}

START_TEST(similarity_is_least_squares) {
  efme_image *image = noise(400, 400, 1);
  for (int n = 0; n < 20; n++) {
    double angle = uniform(-1, 1), scale = uniform(.5, 2), x = uniform(50, 200), y = uniform(50, 200), p[2];
    float points[10];
    for (int i = 0; i < 5; i++) {
      points[2 * i] = (float)(scale * (cos(angle) * face_112[i][0] - sin(angle) * face_112[i][1]) + x);
      points[2 * i + 1] = (float)(scale * (sin(angle) * face_112[i][0] + cos(angle) * face_112[i][1]) + y);
    }
    efme_alignment a = align(image, EFME_ALIGN_SIMILARITY, 224, 224, NULL, points, 5);
    for (int i = 0; i < 5; i++) { /* the very template is found again */
      into(p, &a, points[2 * i], points[2 * i + 1]);
      ck_assert_double_eq_tol(p[0], 2 * face_112[i][0], 1e-3);
      ck_assert_double_eq_tol(p[1], 2 * face_112[i][1], 1e-3);
    }
    ck_assert_double_eq_tol(a.scale, scale / 2, 1e-5);
    ck_assert_double_eq_tol(a.angle, angle, 1e-5);
    for (int i = 0; i < 10; i++) points[i] += (float)uniform(-8, 8);
    a = align(image, EFME_ALIGN_SIMILARITY, 224, 224, NULL, points, 5);
    double square = a.scale * a.scale, c = a.map[0] / square, s = -a.map[3] / square, at[2];
    into(at, &a, 0, 0);
    double best = misfit(points, c, s, at[0], at[1]);
    for (int k = 0; k < 8; k++) { /* no neighbour is nearer */
      double step = k & 1 ? 1e-3 : -1e-3, move = k & 1 ? .1 : -.1;
      ck_assert_double_lt(
          best, misfit(points, c + (k / 2 == 0) * step, s + (k / 2 == 1) * step, at[0] + (k / 2 == 2) * move, at[1] + (k / 2 == 3) * move));
    }
    a = align(image, EFME_ALIGN_SIMILARITY, 300, 224, NULL, points, 2); /* the eyes alone, in the middle of a wider result */
    for (int i = 0; i < 2; i++) {
      into(p, &a, points[2 * i], points[2 * i + 1]);
      ck_assert_double_eq_tol(p[0], 38 + 2 * face_112[i][0], 1e-3);
      ck_assert_double_eq_tol(p[1], 2 * face_112[i][1], 1e-3);
    }
  }
  efme_image_release(image);
}
END_TEST

START_TEST(outside_is_counted) {
  efme_image *image = noise(100, 100, 1);
  static const float half[4] = {50, 0, 100, 100}, inside[4] = {10, 10, 50, 50};
  ck_assert_double_eq(align(image, EFME_ALIGN_ROTATED, 50, 50, half, NULL, 0).outside, .5);
  ck_assert_double_eq(align(image, EFME_ALIGN_ROTATED, 50, 50, inside, NULL, 0).outside, 0);
  efme_image_release(image);
}
END_TEST

/* ---- the paper's three steps ---- */

/* Turns the whole image, bilinear, to whole grey levels; cuts the old box's square; shrinks by area. */
static efme_image *three_steps(efme_image *image, const float box[4], double angle, uint32_t side) {
  uint32_t w = image->px.width, h = image->px.height, c = image->px.channels;
  uint8_t *turned = malloc((size_t)w * h * c);
  efme_image *whole = NULL, *cut = NULL, *out = NULL;
  double m[6] = {cos(angle), -sin(angle), 0, sin(angle), cos(angle), 0};
  m[2] = w / 2.0 - m[0] * w / 2.0 - m[1] * h / 2.0, m[5] = h / 2.0 - m[3] * w / 2.0 - m[4] * h / 2.0;
  for (uint32_t j = 0; j < h; j++)
    for (uint32_t i = 0; i < w; i++)
      for (uint32_t k = 0; k < c; k++) {
        double x = m[0] * (i + .5) + m[1] * (j + .5) + m[2] - .5, y = m[3] * (i + .5) + m[4] * (j + .5) + m[5] - .5, fx = floor(x),
               fy = floor(y), sum = 0;
        for (int b = 0; b < 2; b++)
          for (int a = 0; a < 2; a++)
            sum += value_at(image, (int64_t)fx + a, (int64_t)fy + b, k) * (a ? x - fx : 1 - (x - fx)) * (b ? y - fy : 1 - (y - fy));
        turned[((size_t)j * w + i) * c + k] = (uint8_t)(sum + .5);
      }
  assert_ok(efme_image_from_pixels(&whole, context, turned, c == 1 ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, w, h, 0));
  free(turned);
  uint32_t size = (uint32_t)(box[3] + .5f);
  assert_ok(efme_image_crop(&cut, whole, (int32_t)floorf(box[0] + (box[2] - box[3]) / 2 + .5f), (int32_t)floorf(box[1] + .5f), size, size));
  assert_ok(efme_image_resize(&out, cut, side, side));
  efme_image_release(whole), efme_image_release(cut);
  return out;
}

static double mean_difference(const efme_image *a, const efme_image *b) {
  size_t n = efme_pixels_bytes(&a->px);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += abs(a->px.data[i] - b->px.data[i]);
  return sum / (double)n;
}

struct difference {
  double sum, worst, angle, seconds;
  uint32_t count;
};

/* The scripts cut at whole pixels; so must the one step where the two are compared. */
static void compare_steps(struct difference *d, efme_image *image, const float exact[4], const float eyes[4], uint32_t side) {
  float box[4];
  efme_image *one = NULL;
  efme_align_options o = EFME_ALIGN_OPTIONS_INIT;
  efme_alignment a = EFME_ALIGNMENT_INIT;
  struct timespec begin, end;
  for (int k = 0; k < 4; k++) box[k] = roundf(exact[k]);
  box[2] += fmodf(box[2] + box[3], 2);
  o.mode = EFME_ALIGN_PAPER, o.width = o.height = side;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  assert_ok(efme_face_align(&one, image, box, eyes, 2, &o, &a));
  clock_gettime(CLOCK_MONOTONIC, &end);
  efme_image *three = three_steps(image, box, a.angle, side);
  double now = mean_difference(one, three);
  d->sum += now, d->worst = fmax(d->worst, now), d->angle = fmax(d->angle, fabs(a.angle)), d->count++;
  d->seconds += (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
  efme_image_release(one), efme_image_release(three);
}

static void tell(const struct difference *d, const char *of, uint32_t side) {
  printf(
      "%u %s to %u x %u, turned by up to %.0f degrees: one step and the scripts' three differ by %.3f grey levels on average, %.3f for the "
      "worst; %.1f ms each\n",
      d->count, of, side, side, d->angle * 180 / M_PI, d->sum / d->count, d->worst, 1e3 * d->seconds / d->count);
}

START_TEST(three_steps_on_drawn_faces) {
  efme_synthetic_options s = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *data = NULL;
  s.subjects = 10, s.samples_per_subject = 3, s.size = 320, s.channels = 1;
  assert_ok(efme_dataset_open_synthetic(&data, context, &s));
  for (uint32_t side = 48; side <= 224; side += 176) {
    struct difference d = {0};
    for (uint64_t i = 0; i < 30; i++) {
      float box[4], eyes[4];
      efme_image *image = NULL;
      assert_ok(efme_dataset_read(data, i, &image));
      assert_ok(efme_dataset_synthetic_truth(data, i, box, eyes));
      compare_steps(&d, image, box, eyes, side);
      efme_image_release(image);
    }
    tell(&d, "drawn faces", side);
    ck_assert_double_gt(d.angle, .02);
    ck_assert_double_lt(d.worst, 2.5);
  }
  efme_dataset_release(data);
}
END_TEST

/* The faces that another program found. */
START_TEST(three_steps_on_photos) {
  if (test_absent("golden/faces_facenet_pytorch.json") || test_absent("data/faces")) return;
  char *text = NULL;
  size_t size = 0;
  FILE *file = fopen(test_shared("golden/faces_facenet_pytorch.json"), "r");
  FILE *memory = open_memstream(&text, &size);
  for (int c; (c = getc(file)) != EOF;) putc(c, memory);
  fclose(file), fclose(memory);
  cJSON *root = cJSON_Parse(text);
  free(text);
  for (uint32_t side = 48; side <= 224; side += 176) {
    struct difference d = {0};
    for (const cJSON *photo = cJSON_GetObjectItem(root, "images")->child; photo; photo = photo->next) {
      char path[256];
      efme_image *image = NULL;
      snprintf(path, sizeof path, "data/faces/%s", photo->string);
      assert_ok(efme_image_load(&image, context, test_shared(path), NULL));
      for (const cJSON *face = cJSON_GetObjectItem(photo, "faces")->child; face; face = face->next) {
        const cJSON *corner = cJSON_GetObjectItem(face, "box_xyxy")->child, *point = cJSON_GetObjectItem(face, "landmarks")->child;
        float x = (float)corner->valuedouble, y = (float)corner->next->valuedouble;
        float box[4] = {x, y, (float)corner->next->next->valuedouble - x, (float)corner->next->next->next->valuedouble - y};
        float eyes[4] = {(float)point->child->valuedouble, (float)point->child->next->valuedouble, (float)point->next->child->valuedouble,
                         (float)point->next->child->next->valuedouble};
        if (cJSON_GetObjectItem(face, "score")->valuedouble > .9) compare_steps(&d, image, box, eyes, side);
      }
      efme_image_release(image);
    }
    tell(&d, "faces on photos", side);
    ck_assert_uint_ge(d.count, 40);
  }
  cJSON_Delete(root);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(refused) {
  efme_image *image = noise(40, 30, 3), *made = (efme_image *)1;
  static const float box[4] = {5, 5, 20, 20}, eyes[4] = {10, 10, 20, 11}, same[4] = {3, 4, 3, 4}, nan_eyes[4] = {1, NAN, 2, 3};
  static const float empty[4] = {5, 5, 20, 0}, negative[4] = {5, 5, -1, 5}, far[4] = {1000, 5, 20, 20},
                     wide[4] = {-200000, -200000, 500000, 500000};
  static const float infinite[4] = {5, INFINITY, 20, 20};
  efme_align_options o = EFME_ALIGN_OPTIONS_INIT;
  assert_fails(efme_face_align(NULL, image, box, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "out is NULL");
  assert_fails(efme_face_align(&made, NULL, box, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "image is NULL");
  assert_fails(efme_face_align(&made, image, NULL, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "box is NULL");
  assert_fails(efme_face_align(&made, image, box, NULL, 2, NULL, NULL), EFME_E_ARGUMENT, "points is NULL");
  assert_fails(efme_face_align(&made, image, box, eyes, 3, NULL, NULL), EFME_E_ARGUMENT, "point_count is 3");
  assert_fails(efme_face_align(&made, image, box, same, 2, NULL, NULL), EFME_E_ARGUMENT, "both eyes are at 3, 4");
  assert_fails(efme_face_align(&made, image, box, nan_eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "points[1]");
  assert_fails(efme_face_align(&made, image, empty, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "the box is empty: 20 x 0");
  assert_fails(efme_face_align(&made, image, negative, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "the box is empty");
  assert_fails(efme_face_align(&made, image, infinite, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "box[1]");
  assert_fails(efme_face_align(&made, image, far, eyes, 2, NULL, NULL), EFME_E_ARGUMENT, "outside the image of 40 x 30");
  assert_fails(efme_face_align(&made, image, wide, eyes, 2, NULL, NULL), EFME_E_LIMIT, "500000");
  o.mode = EFME_ALIGN_SIMILARITY;
  assert_fails(efme_face_align(&made, image, box, NULL, 0, &o, NULL), EFME_E_ARGUMENT, "points are NULL");
  o.mode = 3;
  assert_fails(efme_face_align(&made, image, box, eyes, 2, &o, NULL), EFME_E_ARGUMENT, "mode is 3");
  o.mode = 0, o.width = 5000;
  assert_fails(efme_face_align(&made, image, box, eyes, 2, &o, NULL), EFME_E_ARGUMENT, "5000 x 224");
  o.width = 224, o.reserved = 1;
  assert_fails(efme_face_align(&made, image, box, eyes, 2, &o, NULL), EFME_E_ARGUMENT, "reserved");
  efme_alignment small = {.struct_size = 4};
  assert_fails(efme_face_align(&made, image, box, eyes, 2, NULL, &small), EFME_E_ARGUMENT, "efme_alignment");
  ck_assert_ptr_eq(made, (efme_image *)1);
  efme_image_release(image);
}
END_TEST

static efme_status align_once(void *image) {
  static const float box[4] = {5, 5, 400, 400}, eyes[4] = {10, 10, 200, 30};
  efme_image *made = NULL;
  efme_status status = efme_face_align(&made, image, box, eyes, 2, NULL, NULL);
  efme_image_release(made);
  return status;
}

START_TEST(memory_runs_out) {
  efme_image *image = noise(500, 450, 3);
  ck_assert_int_ge(heap_exhaust(&heap, align_once, image), 3);
  efme_image_release(image);
}
END_TEST

int main(void) {
  const struct {
    const char *name;
    const TTest *test;
  } cases[] = {{"pixels", pixels_are_exact},      {"upright", upright_is_resize},
               {"rounding", any_rounding_mode},   {"rotated", rotated_turns_the_face},
               {"paper", paper_turns_the_image},  {"similarity", similarity_is_least_squares},
               {"outside", outside_is_counted},   {"drawn", three_steps_on_drawn_faces},
               {"photos", three_steps_on_photos}, {"refused", refused},
               {"memory", memory_runs_out}};
  Suite *suite = suite_create("align");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    TCase *c = tcase_create(cases[i].name);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, cases[i].test);
    suite_add_tcase(suite, c);
  }
  return test_run(suite);
}
