/* See boxes.h. */
#include "face/boxes.h"

#include "util/util.h"

/* ---- order: a heap sort, since the C library's sorting may allocate ---- */

static int before(const struct efme_face_box *boxes, uint32_t a, uint32_t b) {
  if (boxes[a].score > boxes[b].score) return 1;
  return boxes[a].score == boxes[b].score && a < b;
}

/* The heap's root is what comes last. */
static void sift(uint32_t *order, const struct efme_face_box *boxes, size_t at, size_t n) {
  uint32_t moved = order[at];
  for (size_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(boxes, order[child], order[child + 1])) child++;
    if (!before(boxes, moved, order[child])) break;
    order[at] = order[child];
  }
  order[at] = moved;
}

void efme_face_sort(uint32_t *order, const struct efme_face_box *boxes, size_t n) {
  for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
  for (size_t i = n / 2; i-- > 0;) sift(order, boxes, i, n);
  for (size_t end = n; end-- > 1;) {
    uint32_t last = order[0];
    order[0] = order[end];
    order[end] = last;
    sift(order, boxes, 0, end);
  }
}

/* ---- suppression ---- */

static float common(const struct efme_face_box *a, const struct efme_face_box *b, float pixel) {
  float w = EFME_MIN(a->x1, b->x1) - EFME_MAX(a->x0, b->x0) + pixel, h = EFME_MIN(a->y1, b->y1) - EFME_MAX(a->y0, b->y0) + pixel;
  return w > 0 && h > 0 ? w * h : 0;
}

static float area(const struct efme_face_box *a, float pixel) { return (a->x1 - a->x0 + pixel) * (a->y1 - a->y0 + pixel); }

float efme_face_union_share(const struct efme_face_box *a, const struct efme_face_box *b) {
  float both = common(a, b, 0);
  return both / (area(a, 0) + area(b, 0) - both);
}

static float minimum_share(const struct efme_face_box *a, const struct efme_face_box *b) {
  float one = area(a, 1), other = area(b, 1);
  return common(a, b, 1) / EFME_MIN(one, other);
}

size_t efme_face_suppress(struct efme_face_box *boxes, size_t n, float limit, enum efme_face_overlap overlap, uint32_t *order,
                          struct efme_face_box *kept) {
  size_t count = 0;
  efme_face_sort(order, boxes, n);
  for (size_t i = 0; i < n; i++) {
    const struct efme_face_box *b = &boxes[order[i]];
    int covered = 0;
    for (size_t k = 0; k < count && !covered; k++)
      covered = (overlap == EFME_FACE_UNION ? efme_face_union_share(&kept[k], b) : minimum_share(&kept[k], b)) > limit;
    if (!covered) kept[count++] = *b;
  }
  for (size_t i = 0; i < count; i++) boxes[i] = kept[i];
  return count;
}

/* ---- moves ---- */

void efme_face_regress(struct efme_face_box *b, float pixel) {
  float w = b->x1 - b->x0 + pixel, h = b->y1 - b->y0 + pixel;
  b->x0 += b->offsets[0] * w, b->y0 += b->offsets[1] * h;
  b->x1 += b->offsets[2] * w, b->y1 += b->offsets[3] * h;
}

void efme_face_square(struct efme_face_box *b) {
  float w = b->x1 - b->x0, h = b->y1 - b->y0, side = EFME_MAX(w, h);
  b->x0 = b->x0 + w * 0.5f - side * 0.5f, b->y0 = b->y0 + h * 0.5f - side * 0.5f;
  b->x1 = b->x0 + side, b->y1 = b->y0 + side;
}

/* Towards zero; what no int holds, and NaN, become a number outside every image. */
static int32_t whole(float v) { return v > -1e9f && v < 1e9f ? (int32_t)v : v > 0 ? 1000000000 : -1000000000; }

/* Coordinates count from 1 here, as in the MATLAB original: [x0, x1] with both ends. */
int efme_face_pixels(int32_t out[4], const struct efme_face_box *b, int32_t width, int32_t height) {
  out[0] = EFME_MAX(whole(b->x0), 1) - 1, out[1] = EFME_MAX(whole(b->y0), 1) - 1;
  out[2] = EFME_MIN(whole(b->x1), width), out[3] = EFME_MIN(whole(b->y1), height);
  return out[2] > out[0] && out[3] > out[1];
}

void efme_face_place_points(struct efme_face_box *b) {
  float w = b->x1 - b->x0 + 1, h = b->y1 - b->y0 + 1;
  for (int i = 0; i < 5; i++) b->points[i] = w * b->points[i] + b->x0 - 1, b->points[5 + i] = h * b->points[5 + i] + b->y0 - 1;
}

float efme_face_probability(float no, float yes) { return (float)(1 / (1 + efme_exp((double)no - (double)yes))); }
