/* Resize, each axis on its own.
 *
 * An axis that shrinks from n to m: output i is the mean over [i n/m, (i+1) n/m). One that grows: output i samples the
 * line between pixel centres at (i + 1/2) n/m - 1/2, the edge repeated. Both have rational weights: with D = n (area)
 * or 2m (bilinear) they are integers that add up to D. So sums are exact integers and the result, rounded to nearest
 * (halves up), is the same on every machine. Sides are at most 2^16, hence Dx Dy <= 2^34. */
#include <string.h>

#include "io/image.h"

/* Weights of one axis: output i is sum over k < count of weight[first_weight + k] * source[first + k], divided by D. */
struct span {
  uint32_t first, count, first_weight;
};
struct axis {
  uint32_t divisor;
  struct span *spans;
  uint32_t *weights;
};

static efme_status axis_build(struct axis *axis, uint32_t n, uint32_t m, const struct efme_allocator *a) {
  /* area: each output touches at most n/m + 2 sources, and all together at most n + m; bilinear: two each */
  size_t most = m < n ? (size_t)n + m : 2 * (size_t)m;
  axis->spans = efme_mem_array(a, m, sizeof *axis->spans, "resize");
  axis->weights = efme_mem_array(a, most, sizeof *axis->weights, "resize");
  if (!axis->spans || !axis->weights) return EFME_E_NOMEM;
  uint32_t used = 0;
  axis->divisor = m == n ? 1 : m < n ? n : 2 * m;
  for (uint32_t i = 0; i < m; i++) {
    struct span *s = &axis->spans[i];
    s->first_weight = used;
    if (m == n) {
      s->first = i, s->count = 1;
      axis->weights[used++] = 1;
    } else if (m < n) { /* in units of 1/m source pixels: [i n, (i+1) n) over pixels [k m, (k+1) m) */
      uint64_t from = (uint64_t)i * n, to = from + n;
      s->first = (uint32_t)(from / m);
      uint32_t end = (uint32_t)((to + m - 1) / m);
      s->count = end - s->first;
      for (uint64_t k = s->first; k < end; k++) axis->weights[used++] = (uint32_t)(EFME_MIN(to, (k + 1) * m) - EFME_MAX(from, k * m));
    } else { /* position in units of 1/(2m): (2i+1) n - m */
      int64_t at = (int64_t)(2 * (uint64_t)i + 1) * n - m;
      int64_t low = at < 0 ? -1 : at / (2 * (int64_t)m);
      uint32_t part = (uint32_t)(at - low * 2 * (int64_t)m);
      if (low < 0 || low + 1 >= (int64_t)n) {
        s->first = low < 0 ? 0 : n - 1, s->count = 1;
        axis->weights[used++] = 2 * m;
      } else {
        s->first = (uint32_t)low, s->count = 2;
        axis->weights[used++] = 2 * m - part;
        axis->weights[used++] = part;
      }
    }
  }
  return EFME_OK;
}

/* One source row through the horizontal axis: sums below 255 * 2^17. */
static void row_sums(uint32_t *out, const uint8_t *row, const struct axis *x, uint32_t width, uint32_t channels) {
  for (uint32_t i = 0; i < width; i++) {
    const struct span *s = &x->spans[i];
    const uint32_t *w = x->weights + s->first_weight;
    const uint8_t *p = row + (size_t)s->first * channels;
    if (channels == 1) {
      uint32_t sum = 0;
      for (uint32_t k = 0; k < s->count; k++) sum += w[k] * p[k];
      *out++ = sum;
    } else {
      uint32_t r = 0, g = 0, b = 0;
      for (uint32_t k = 0; k < s->count; k++, p += 3) r += w[k] * p[0], g += w[k] * p[1], b += w[k] * p[2];
      out[0] = r, out[1] = g, out[2] = b;
      out += 3;
    }
  }
}

/* floor((2 sum + D) / 2D). The quotient in double is exact enough: it is below 2^9 and differs from an integer by at
 * least 2^-35 where it is none, so a correctly rounded division cannot reach the next integer. */
static void divide_row(uint8_t *dst, const uint64_t *sums, size_t n, double divisor) {
  for (size_t i = 0; i < n; i++) dst[i] = (uint8_t)((2.0 * (double)sums[i] + divisor) / (2.0 * divisor));
}

efme_status efme_pixels_resize(uint8_t *dst, uint32_t width, uint32_t height, const uint8_t *src, uint32_t src_width, uint32_t src_height,
                               uint32_t channels, const struct efme_allocator *a) {
  size_t row = (size_t)width * channels, src_row = (size_t)src_width * channels;
  if (width == src_width && height == src_height) {
    memcpy(dst, src, row * height);
    return EFME_OK;
  }
  struct axis x = {0}, y = {0};
  uint32_t *line[2] = {NULL, NULL}; /* horizontal sums of the two source rows last used: neighbours share them */
  uint64_t *sums = NULL;
  efme_status status = axis_build(&x, src_width, width, a);
  if (!status) status = axis_build(&y, src_height, height, a);
  if (!status &&
      (!(line[0] = efme_mem_array(a, row, 2 * sizeof **line, "resize")) || !(sums = efme_mem_array(a, row, sizeof *sums, "resize"))))
    status = EFME_E_NOMEM;
  if (!status) {
    struct efme_fpenv fpenv; /* the host may round otherwise */
    efme_fpenv_enter(&fpenv);
    line[1] = line[0] + row;
    int64_t held[2] = {-1, -1};
    double divisor = (double)x.divisor * (double)y.divisor;
    for (uint32_t j = 0; j < height; j++) {
      const struct span *s = &y.spans[j];
      memset(sums, 0, row * sizeof *sums);
      for (uint32_t k = 0; k < s->count; k++) {
        uint32_t at = s->first + k, slot = at & 1;
        if (held[slot] != at) {
          row_sums(line[slot], src + (size_t)at * src_row, &x, width, channels);
          held[slot] = at;
        }
        uint64_t w = y.weights[s->first_weight + k];
        for (size_t i = 0; i < row; i++) sums[i] += w * line[slot][i];
      }
      divide_row(dst + (size_t)j * row, sums, row, divisor);
    }
    efme_fpenv_leave(&fpenv);
  }
  efme_mem_free(a, line[0]);
  efme_mem_free(a, sums);
  efme_mem_free(a, x.spans), efme_mem_free(a, x.weights);
  efme_mem_free(a, y.spans), efme_mem_free(a, y.weights);
  return status;
}
