/* Where a face lies: the similarity from the result's coordinates to the source's, for each mode. */
#include "face/align.h"

#include <math.h>

#include "util/util.h"

/* ArcFace's upright face in 112 x 112: eyes, nose, corners of the mouth (Deng et al., 2019). */
static const double arcface[5][2] = {{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041}};
#define ARCFACE_SIDE 112.0

/* Turned by (cosine, sine) times scale about the result's centre, which comes to (x, y). */
static void set_map(double map[6], double cosine, double sine, double scale, const efme_align_options *o, double x, double y) {
  double u = o->width / 2.0, v = o->height / 2.0, c = scale * cosine, s = scale * sine;
  map[0] = c, map[1] = -s, map[2] = x - c * u + s * v;
  map[3] = s, map[4] = c, map[5] = y - s * u - c * v;
}

static void map_box(double map[6], const struct efme_pixels *image, const float box[4], double angle, const efme_align_options *o) {
  double cosine = cos(angle), sine = sin(angle);
  double x = box[0] + box[2] / 2.0, y = box[1] + box[3] / 2.0;
  if (o->mode == EFME_ALIGN_PAPER) { /* the old box in the turned image: its centre turns back about the image's */
    double cx = image->width / 2.0, cy = image->height / 2.0, dx = x - cx, dy = y - cy;
    x = cx + cosine * dx - sine * dy, y = cy + sine * dx + cosine * dy;
  }
  set_map(map, cosine, sine, (double)box[3] / o->height, o, x, y);
}

/* The least squares fit of result = A source + t, inverted. A is [a -b; b a]: linear in a, b once both sides are about their means. */
static void map_points(double map[6], const float *points, uint32_t count, const efme_align_options *o) {
  double scale = o->height / ARCFACE_SIDE, left = (o->width - (double)o->height) / 2.0;
  double px = 0, py = 0, qx = 0, qy = 0, a = 0, b = 0, square = 0;
  for (uint32_t i = 0; i < count; i++)
    px += points[2 * i], py += points[2 * i + 1], qx += arcface[i][0] * scale + left, qy += arcface[i][1] * scale;
  px /= count, py /= count, qx /= count, qy /= count;
  for (uint32_t i = 0; i < count; i++) {
    double dx = points[2 * i] - px, dy = points[2 * i + 1] - py, ex = arcface[i][0] * scale + left - qx, ey = arcface[i][1] * scale - qy;
    a += dx * ex + dy * ey, b += dx * ey - dy * ex, square += dx * dx + dy * dy;
  }
  /* inverse of (a, b) / square as complex numbers */
  double norm = (a * a + b * b) / square, c = a / norm, s = -b / norm;
  map[0] = c, map[1] = -s, map[2] = px - c * qx + s * qy;
  map[3] = s, map[4] = c, map[5] = py - s * qx - c * qy;
}

double efme_align_outside(const double m[6], const struct efme_pixels *image, const efme_align_options *o) {
  uint64_t inside = 0;
  double w = image->width, h = image->height;
  for (uint32_t j = 0; j < o->height; j++)
    for (uint32_t i = 0; i < o->width; i++) {
      double u = i + 0.5, v = j + 0.5, x = m[0] * u + m[1] * v + m[2], y = m[3] * u + m[4] * v + m[5];
      inside += x >= 0.0 && x < w && y >= 0.0 && y < h;
    }
  return 1.0 - (double)inside / ((double)o->width * o->height);
}

void efme_align_map(efme_alignment *out, const struct efme_pixels *image, const float box[4], const float *points, uint32_t count,
                    const efme_align_options *o) {
  if (o->mode == EFME_ALIGN_SIMILARITY) {
    map_points(out->map, points, count, o);
    out->angle = atan2(out->map[3], out->map[0]);
  } else {
    out->angle = count ? atan2((double)points[3] - points[1], (double)points[2] - points[0]) : 0.0;
    map_box(out->map, image, box, out->angle, o);
  }
  out->scale = sqrt(out->map[0] * out->map[0] + out->map[3] * out->map[3]);
}

efme_status efme_align_options_check(efme_align_options *o, const efme_align_options *options) {
  const efme_align_options defaults = EFME_ALIGN_OPTIONS_INIT;
  efme_status status = efme_options_load(o, sizeof *o, options, &defaults, "efme_align_options");
  if (status) return status;
  if (o->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_align_options.reserved is not 0");
  if (o->mode > EFME_ALIGN_SIMILARITY) return efme_fail(EFME_E_ARGUMENT, "efme_align_options.mode is %u", o->mode);
  if (!o->width) o->width = 224;
  if (!o->height) o->height = 224;
  if (o->width > 4096 || o->height > 4096)
    return efme_fail(EFME_E_ARGUMENT, "efme_align_options: %u x %u, a side is at most 4096", o->width, o->height);
  return EFME_OK;
}
