/* Pixels through a similarity map: an upright, evenly scaled result out of a turned part of the source, in one step.
 *
 * The map takes result coordinates (u, v) to source coordinates; pixel (i, j) covers [i, i+1) x [j, j+1) on both sides and the source
 * is continued by its edge. Where the result is no smaller than its part of the source, a pixel is the bilinear sample at its centre.
 * Where it is smaller, a pixel is the mean of the source over the square that it covers there, with each source pixel constant on its
 * own square: at angle 0 the rule of efme_pixels_resize.
 *
 * That mean is exact. In one source row the turned square lies between two edges, linear in y between its corners. With F(x) the sum
 * of the row up to x, the part of the row inside is the integral over y of F(right) - F(left), and along a line that is the mean of F
 * between its ends: from a second running sum G where it is long, cell by cell where it is short. The squares of all pixels have one
 * shape, so they are cut at their corners once. */
#include <math.h>
#include <string.h>

#include "io/image.h"

/* ---- growing ---- */

static void sample(uint8_t *out, const struct efme_pixels *src, double x, double y) {
  double fx = floor(x -= 0.5), fy = floor(y -= 0.5), wx = x - fx, wy = y - fy;
  double right = src->width - 1.0, bottom = src->height - 1.0;
  size_t c = src->channels;
  size_t x0 = (size_t)fmin(fmax(fx, 0.0), right), x1 = (size_t)fmin(fmax(fx + 1.0, 0.0), right);
  size_t y0 = (size_t)fmin(fmax(fy, 0.0), bottom), y1 = (size_t)fmin(fmax(fy + 1.0, 0.0), bottom);
  const uint8_t *top = src->data + y0 * src->width * c, *low = src->data + y1 * src->width * c;
  for (size_t k = 0; k < c; k++) {
    double t = top[x0 * c + k] * (1.0 - wx) + top[x1 * c + k] * wx, l = low[x0 * c + k] * (1.0 - wx) + low[x1 * c + k] * wx;
    out[k] = (uint8_t)(t * (1.0 - wy) + l * wy + 0.5);
  }
}

/* ---- shrinking ---- */

/* What one result pixel covers, about its centre: for y in [from, to] x runs from left to right, each a + b y. */
struct part {
  double from, to, left[2], right[2];
};

static void line(double out[2], const double p[2], const double q[2]) { /* through two points of different y */
  out[1] = (q[0] - p[0]) / (q[1] - p[1]);
  out[0] = p[0] - out[1] * p[1];
}

/* At most three parts of the square with sides (ax, ay) and (-ay, ax), cut at its corners. */
static int square_parts(struct part parts[3], double ax, double ay) {
  double corner[4][2] = {
      {(-ax + ay) / 2, (-ay - ax) / 2}, {(ax + ay) / 2, (ay - ax) / 2}, {(ax - ay) / 2, (ay + ax) / 2}, {(-ax - ay) / 2, (-ay + ax) / 2}};
  int top = 0; /* then clockwise: right, bottom, left */
  for (int k = 1; k < 4; k++)
    if (corner[k][1] < corner[top][1]) top = k;
  const double *t = corner[top], *r = corner[(top + 1) % 4], *b = corner[(top + 2) % 4], *l = corner[(top + 3) % 4];
  double cut[4] = {t[1], fmin(l[1], r[1]), fmax(l[1], r[1]), b[1]};
  int n = 0;
  for (int k = 0; k < 3; k++) {
    double middle = (cut[k] + cut[k + 1]) / 2;
    if (!(cut[k] < middle && middle < cut[k + 1])) continue;
    struct part *p = &parts[n++];
    p->from = cut[k], p->to = cut[k + 1];
    if (middle < l[1]) line(p->left, t, l);
    else line(p->left, l, b);
    if (middle < r[1]) line(p->right, t, r);
    else line(p->right, r, b);
  }
  return n;
}

/* One source row: value, F and G at the left edge of each cell, channels side by side. */
struct row {
  int64_t first, last; /* cells; beyond them the edge goes on */
  uint32_t channels;
  const uint8_t *value;
  double *f, *g;
};

static void row_set(struct row *r, const struct efme_pixels *src, int64_t y) {
  uint32_t c = r->channels;
  const uint8_t *value = src->data + ((size_t)EFME_MIN(EFME_MAX(y, 0), (int64_t)src->height - 1) * src->width + (size_t)r->first) * c;
  if (value == r->value) return; /* the edge goes on */
  r->value = value;
  for (uint32_t k = 0; k < c; k++) r->f[k] = r->g[k] = 0.0;
  for (size_t i = 0, n = (size_t)(r->last - r->first) * c; i < n; i++) {
    r->f[i + c] = r->f[i] + r->value[i];
    r->g[i + c] = r->g[i] + r->f[i] + 0.5 * r->value[i];
  }
}

static int64_t cell_of(const struct row *r, double x) {
  return x >= (double)r->last ? r->last : x < (double)r->first + 1.0 ? r->first : (int64_t)x;
}

/* sum[k] += sign times the mean of F on the way from x0 to x1. */
static void add_edge(double sum[3], const struct row *r, double x0, double x1, double sign) {
  if (x0 > x1) {
    double x = x0;
    x0 = x1, x1 = x;
  }
  int64_t c0 = cell_of(r, x0), c1 = cell_of(r, x1);
  size_t i0 = (size_t)(c0 - r->first) * r->channels, i1 = (size_t)(c1 - r->first) * r->channels;
  double t0 = x0 - (double)c0, t1 = x1 - (double)c1;
  for (uint32_t k = 0; k < r->channels; k++, i0++, i1++) {
    double v0 = r->value[i0], v1 = r->value[i1], f0 = r->f[i0] + v0 * t0, f1 = r->f[i1] + v1 * t1;
    if (c0 == c1) sum[k] += sign * 0.5 * (f0 + f1);
    else if (c1 == c0 + 1) sum[k] += sign * 0.5 * ((f0 + r->f[i1]) * (1.0 - t0) + (r->f[i1] + f1) * t1) / (x1 - x0);
    else sum[k] += sign * (r->g[i1] - r->g[i0] + (r->f[i1] + 0.5 * v1 * t1) * t1 - (r->f[i0] + 0.5 * v0 * t0) * t0) / (x1 - x0);
  }
}

/* What source row y adds to the sum of a result pixel with its centre at (cx, cy). */
static void add_row(double sum[3], const struct row *r, int64_t y, const struct part *parts, int count, double cx, double cy) {
  for (int k = 0; k < count; k++) {
    const struct part *p = &parts[k];
    double from = fmax(p->from, (double)y - cy), to = fmin(p->to, (double)y + 1.0 - cy);
    if (!(from < to)) continue;
    double edge[3] = {0.0, 0.0, 0.0};
    add_edge(edge, r, cx + p->right[0] + p->right[1] * from, cx + p->right[0] + p->right[1] * to, 1.0);
    add_edge(edge, r, cx + p->left[0] + p->left[1] * from, cx + p->left[0] + p->left[1] * to, -1.0);
    for (uint32_t c = 0; c < r->channels; c++) sum[c] += (to - from) * edge[c];
  }
}

/* The i whose centre's y, y0 + slope (i + 1/2), lies within (low, high), a little wider. */
static void columns(uint32_t range[2], uint32_t width, double y0, double slope, double low, double high) {
  range[0] = 0, range[1] = width;
  if (fabs(slope) * width < 1e-9) {
    if (y0 <= low - 1e-6 || y0 >= high + 1e-6) range[1] = 0;
    return;
  }
  double a = (low - y0) / slope, b = (high - y0) / slope;
  range[0] = (uint32_t)fmin(fmax(floor(fmin(a, b) - 1.0), 0.0), width);
  range[1] = (uint32_t)fmin(fmax(ceil(fmax(a, b) + 1.0), 0.0), width);
}

static efme_status shrink(uint8_t *dst, uint32_t width, uint32_t height, const struct efme_pixels *src, const double m[6],
                          const struct efme_allocator *a) {
  uint32_t c = src->channels;
  struct part parts[3];
  int count = square_parts(parts, m[0], m[3]);
  double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
  for (int k = 0; k < 4; k++) { /* corners of the result in the source */
    double u = k & 1 ? width : 0, v = k & 2 ? height : 0, x = m[0] * u + m[1] * v + m[2], y = m[3] * u + m[4] * v + m[5];
    x_low = fmin(x_low, x), x_high = fmax(x_high, x), y_low = fmin(y_low, y), y_high = fmax(y_high, y);
  }
  double right = src->width - 1.0;
  struct row row = {.channels = c,
                    .first = (int64_t)fmin(fmax(floor(x_low) - 1.0, 0.0), right),
                    .last = (int64_t)fmin(fmax(floor(x_high) + 1.0, 0.0), right)};
  size_t cells = (size_t)(row.last - row.first + 1) * c, outputs = (size_t)width * height * c;
  row.f = efme_mem_array(a, cells, 2 * sizeof(double), "warp");
  double *sums = efme_mem_calloc(a, outputs, sizeof(double), "warp");
  efme_status status = row.f && sums ? EFME_OK : EFME_E_NOMEM;
  if (!status) {
    row.g = row.f + cells;
    for (int64_t y = (int64_t)floor(y_low); (double)y < y_high; y++) {
      row_set(&row, src, y);
      for (uint32_t j = 0; j < height; j++) {
        uint32_t range[2];
        double v = j + 0.5, y0 = m[4] * v + m[5];
        columns(range, width, y0, m[3], (double)y - parts[count - 1].to, (double)y + 1.0 - parts[0].from);
        for (uint32_t i = range[0]; i < range[1]; i++)
          add_row(sums + ((size_t)j * width + i) * c, &row, y, parts, count, m[0] * (i + 0.5) + m[1] * v + m[2], y0 + m[3] * (i + 0.5));
      }
    }
    double area = m[0] * m[0] + m[3] * m[3];
    for (size_t i = 0; i < outputs; i++) dst[i] = (uint8_t)(fmin(fmax(sums[i] / area, 0.0), 255.0) + 0.5);
  }
  efme_mem_free(a, row.f), efme_mem_free(a, sums);
  return status;
}

efme_status efme_pixels_warp(uint8_t *dst, uint32_t width, uint32_t height, const struct efme_pixels *src, const double m[6],
                             const struct efme_allocator *a) {
  struct efme_fpenv fpenv; /* the host may round otherwise */
  efme_status status = EFME_OK;
  efme_fpenv_enter(&fpenv);
  if (m[0] * m[0] + m[3] * m[3] > 1.0) status = shrink(dst, width, height, src, m, a);
  else
    for (uint32_t j = 0; j < height; j++)
      for (uint32_t i = 0; i < width; i++, dst += src->channels)
        sample(dst, src, m[0] * (i + 0.5) + m[1] * (j + 0.5) + m[2], m[3] * (i + 0.5) + m[4] * (j + 0.5) + m[5]);
  efme_fpenv_leave(&fpenv);
  return status;
}
