/* Drawing a synthetic face: every pixel's place in face coordinates, then layers from back to front, each with a coverage
 * 0..1 that falls off over one pixel (that is the anti-aliasing). Only + - * / sqrt and our own sine, so that a picture is
 * the same on every machine. */
#include <string.h>

#include "data/portrait.h"
#include "util/util.h"

/* One pixel being painted. */
struct point {
  double x, y;           /* face coordinates */
  double pixel;          /* size of a pixel there */
  double back_x, back_y; /* direction of the background's stripes */
  struct efme_colour c;
};

static double clamp01(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

static void paint(struct point *p, struct efme_colour c, double alpha) {
  if (alpha <= 0) return;
  p->c.r += (c.r - p->c.r) * alpha, p->c.g += (c.g - p->c.g) * alpha, p->c.b += (c.b - p->c.b) * alpha;
}

static void darken(struct point *p, double factor, double alpha) {
  if (alpha <= 0) return;
  double k = 1 + (factor - 1) * alpha;
  p->c.r *= k, p->c.g *= k, p->c.b *= k;
}

/* Coverage of what lies at signed distance d (negative inside). */
static double inside(const struct point *p, double d) { return clamp01(.5 - d / p->pixel); }
/* Coverage of the band from..to at v; a band thinner than a pixel covers only part of it. */
static double band(const struct point *p, double v, double from, double to) {
  if (to <= from) return 0;
  double low = v - p->pixel * .5, high = v + p->pixel * .5;
  double covered = (high < to ? high : to) - (low > from ? low : from);
  return covered <= 0 ? 0 : clamp01(covered / p->pixel);
}

static double length2(double x, double y) { return efme_sqrt(x * x + y * y); }

/* First-order distance to an ellipse around the origin. */
static double ellipse(double x, double y, double a, double b) {
  double k0 = length2(x / a, y / b), k1 = length2(x / (a * a), y / (b * b));
  return k1 > 1e-9 ? k0 * (k0 - 1) / k1 : -(a < b ? a : b);
}

static double segment(double x, double y, double x0, double y0, double x1, double y1) {
  double dx = x1 - x0, dy = y1 - y0, t = clamp01(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy));
  return length2(x - x0 - t * dx, y - y0 - t * dy);
}

static double stroke(const struct point *p, double distance, double half) { return band(p, distance, -half, half); }

/* The head: between an ellipse and a squarer curve, narrower towards the chin. */
static double head(const struct efme_portrait *f, double x, double y, double grow) {
  double a = f->width * (y > 0 ? 1 - f->taper * y * y : 1) + grow, b = 1 + grow;
  double u = x / a, v = y / b, u2 = u * u, v2 = v * v;
  double round = efme_sqrt(u2 + v2), square = efme_sqrt(efme_sqrt(u2 * u2 + v2 * v2)), k = round + (square - round) * f->square * .6;
  return (k - 1) * (round > 1e-9 ? length2(x, y) / round : a);
}

static void background(struct point *p, const struct efme_portrait *f, double sx, double sy) {
  double t = sx * p->back_x + sy * p->back_y;
  p->c = f->back[0];
  paint(p, f->back[1], clamp01(.5 + .5 * efme_sin(t * f->back_wave + f->back_phase)));
  /* shoulders */
  double d = ellipse(p->x * .85, p->y - 2.0, 1.35, .95);
  paint(p, f->cloth, inside(p, d));
}

/* Round shading of the head. */
static double shade(const struct efme_portrait *f, double x, double y) {
  double nx = x / (f->width * 1.08), ny = y / 1.1, r2 = nx * nx + ny * ny, nz = r2 < 1 ? efme_sqrt(1 - r2) : 0;
  double lz = .8, norm = efme_sqrt(f->light_x * f->light_x + f->light_y * f->light_y + lz * lz);
  double dot = (nx * f->light_x + ny * f->light_y + nz * lz) / norm;
  return f->ambient + f->diffuse * (dot > 0 ? dot : 0);
}

static void back_hair(struct point *p, const struct efme_portrait *f) {
  if (f->hair == EFME_HAIR_NONE) return;
  double d = ellipse(p->x, p->y + .16, f->width * f->hair_size, .9 * f->hair_size);
  if (f->hair == EFME_HAIR_LONG) {
    double side = (p->x < 0 ? -p->x : p->x) - f->width * f->hair_size, low = p->y - 1.05, high = -.2 - p->y;
    double box = side > low ? side : low;
    if (high > box) box = high;
    if (box < d) d = box;
  }
  double k = .85 * shade(f, p->x, p->y);
  paint(p, (struct efme_colour){f->hair_colour.r * k, f->hair_colour.g * k, f->hair_colour.b * k}, inside(p, d));
}

/* Soft dark or light spot: 1 in the middle, 0 from radius 1 on. */
static double spot(double x, double y, double a, double b) {
  double r = 1 - (x * x / (a * a) + y * y / (b * b));
  return r > 0 ? r * r : 0;
}

static void draw_nose(struct point *p, const struct efme_portrait *f, double x, double y) {
  double w = f->nose_width, ny = f->nose_y, lit = f->light_x > 0 ? -1 : 1; /* the shadow lies away from the light */
  darken(p, .8, .7 * spot(x - lit * w * .75, y - ny * .4, w * .6, .32));
  darken(p, .72, spot(x, y - ny - .045, w * 1.25, .05));
  for (int i = -1; i <= 1; i += 2) darken(p, .35, .8 * inside(p, ellipse(x - i * w * .52, y - ny - .02, w * .26, .02)));
  if (f->wrinkle > 0)
    for (int k = 0; k < 3; k++)
      darken(p, .62, f->wrinkle * stroke(p, segment(x, y, -.09, f->eye_y + .06 + .05 * k, .09, f->eye_y + .06 + .05 * k), .009));
}

static void draw_eye(struct point *p, const struct efme_portrait *f, double x, double y) {
  static const struct efme_colour white = {.93, .92, .90}, dark = {.05, .04, .04};
  double u = x / f->eye_width, arc = 1 - u * u;
  darken(p, .86, .8 * spot(x, y, f->eye_width * 1.5, .16));
  if (u < -1.15 || u > 1.15) return;
  double upper = -f->eye_upper * arc, lower = f->eye_lower * arc;
  if (arc > 0) {
    double in = band(p, y, upper, lower);
    paint(p, white, in);
    double gx = x - f->gaze_x, gy = y - f->gaze_y + f->eye_upper * .1, r = f->iris_size;
    paint(p, f->iris, in * inside(p, length2(gx, gy) - r));
    paint(p, dark, in * inside(p, length2(gx, gy) - r * .5));
    paint(p, white, .9 * in * inside(p, length2(gx + r * .35, gy + r * .35) - r * .2));
    darken(p, .62, band(p, y, lower, lower + .012));
  }
  double edge = arc > 0 ? upper : 0;
  paint(p, dark, .85 * band(p, y, edge - .02, edge + .006) * clamp01((1.08 - (u < 0 ? -u : u)) * 8));
}

/* Mirrored so that the nose lies at negative x. */
static void draw_brow(struct point *p, const struct efme_portrait *f, double x, double y) {
  double u = (x - .015) / f->brow_length, t = (u + 1) * .5;
  if (u < -1.2 || u > 1.2) return;
  double middle = -f->brow_gap - f->brow_raise + f->brow_inner * (1 - t) - f->brow_tilt * t - f->brow_arch * (1 - u * u);
  double half = f->brow_thick * (1 - .45 * t),
         end = clamp01((1 - u) * f->brow_length / p->pixel + .5) * clamp01((u + 1) * f->brow_length / p->pixel + .5);
  struct efme_colour c = {f->hair_colour.r * .7, f->hair_colour.g * .7, f->hair_colour.b * .7};
  paint(p, c, .9 * end * band(p, y, middle - half, middle + half));
}

static void draw_mouth(struct point *p, const struct efme_portrait *f, double x, double y) {
  static const struct efme_colour hollow = {.16, .04, .05}, teeth = {.93, .91, .86};
  double u = x / f->mouth_width, arc = 1 - u * u;
  darken(p, .85, .7 * spot(x, y - f->open - f->lip_low - .05, f->mouth_width * .7, .04)); /* under the lower lip */
  if (arc <= 0) return;
  double line = f->corner * (.4 - u * u), top = line - .3 * f->open * arc, bottom = line + .7 * f->open * arc;
  double bow = u < 0 ? -u : u, lip_top = top - f->lip_up * arc * (1 - .35 * spot(bow, 0, .22, 1));
  struct efme_colour upper = {f->lip.r * .86, f->lip.g * .86, f->lip.b * .86};
  paint(p, upper, band(p, y, lip_top, top));
  paint(p, f->lip, band(p, y, bottom, bottom + f->lip_low * arc));
  if (f->open > 0) {
    paint(p, hollow, band(p, y, top, bottom));
    paint(p, teeth, .95 * band(p, y, top, top + (bottom - top) * f->teeth * .75));
  }
  paint(p, hollow, .8 * band(p, y, top - .007, top + .007));
}

static void draw_folds(struct point *p, const struct efme_portrait *f, double x, double y) {
  double side = x < 0 ? -x : x;
  if (f->fold > 0) /* from the nose round the corner of the mouth */
    darken(p, .66,
           f->fold * stroke(p, segment(side, y, f->nose_width * 1.2, f->nose_y, f->mouth_width * 1.28, f->mouth_y - f->corner * .5), .014));
  if (f->frown > 0) darken(p, .55, f->frown * stroke(p, segment(side, y, .035, f->eye_y - f->brow_gap - .04, .045, f->eye_y - .06), .011));
}

static void draw_beard(struct point *p, const struct efme_portrait *f, double x, double y) {
  double low = inside(p, f->nose_y + .14 - y - .22 * x * x / (f->width * f->width));
  double free = inside(p, -ellipse(x, y - f->mouth_y - f->open * .25, f->mouth_width * 1.15, .06 + f->lip_low + f->open * .6));
  paint(p, f->hair_colour, .6 * low * free);
}

static void front_hair(struct point *p, const struct efme_portrait *f, double x, double y) {
  double x2 = x * x / (f->width * f->width), line;
  switch (f->hair) {
  case EFME_HAIR_NONE:
    return;
  case EFME_HAIR_FRINGE:
    line = f->hairline + .2 + .05 * x2;
    break;
  case EFME_HAIR_PARTED:
    line = f->hairline + .32 * (x + f->width * .4) * (x + f->width * .4) / f->width;
    break;
  case EFME_HAIR_LONG:
    line = f->hairline + .5 * x2 * x2;
    break;
  default:
    line = f->hairline - .06 + .3 * x2 * x2;
  }
  paint(p, f->hair_colour, inside(p, (y - line) * .8));
}

static void draw_glasses(struct point *p, const struct efme_portrait *f, double x, double y) {
  static const struct efme_colour frame = {.08, .08, .10};
  double side = x < 0 ? -x : x, r = f->eye_width * 1.32, d = ellipse(side - f->eye_x, y - f->eye_y - .02, r, r * .85);
  paint(p, frame, .9 * stroke(p, d, .016));
  if (side < f->eye_x - r) paint(p, frame, .9 * stroke(p, y - f->eye_y, .016));
  if (side > f->eye_x + r && side < f->width) paint(p, frame, .9 * stroke(p, y - f->eye_y, .014));
}

static void draw_face(struct point *p, const struct efme_portrait *f) {
  double x = p->x, y = p->y, side = x < 0 ? -x : x;
  if (f->hair != EFME_HAIR_LONG) paint(p, f->skin, inside(p, ellipse(side - f->width, y - .02, .09, .16)));
  paint(p, (struct efme_colour){f->skin.r * .8, f->skin.g * .8, f->skin.b * .8},
        inside(p, side - .36) * inside(p, .5 - y) * inside(p, y - 1.35));
  double d = head(f, x, y, 0), in = inside(p, d);
  if (in > 0) {
    struct efme_colour behind = p->c;
    p->c = f->skin;
    /* Features lie in front of the head: turning it moves them by their depth. */
    double mouth_x = x - f->yaw * .85, mouth_y = y - f->pitch * .85, eye_y = y - f->pitch * .6, eye_x = x - f->yaw * .6;
    draw_nose(p, f, x - f->yaw * 1.2, y - f->pitch * 1.1);
    if (f->beard) draw_beard(p, f, mouth_x, mouth_y);
    draw_folds(p, f, mouth_x, mouth_y);
    draw_mouth(p, f, mouth_x, mouth_y - f->mouth_y);
    double eye_side = eye_x < 0 ? -1 : 1;
    draw_eye(p, f, eye_x - eye_side * f->eye_x, eye_y - f->eye_y);
    draw_brow(p, f, eye_side * eye_x - f->eye_x, eye_y - f->eye_y);
    front_hair(p, f, x - f->yaw * .3, y - f->pitch * .3);
    double k = shade(f, x, y);
    p->c.r *= k, p->c.g *= k, p->c.b *= k;
    struct efme_colour front = p->c;
    p->c = behind;
    paint(p, front, in);
  }
  if (f->glasses) draw_glasses(p, f, x - f->yaw * .6, y - f->pitch * .6);
}

/* Sum of four uniform numbers, scaled to unit variance: four of 16 bits from one pixel's counter for each channel. */
static double noise(const uint32_t w[4], int channel) {
  uint32_t a = w[channel], b = w[3] >> (channel * 8);
  double sum = (double)(a & 0x3FF) + (double)(a >> 10 & 0x3FF) + (double)(a >> 20 & 0x3FF) + (double)((b & 0xFF) * 4);
  return (sum - 2046) * (1.0 / 590.0);
}

static uint8_t to_byte(double v) { return v <= 0 ? 0 : v >= 1 ? 255 : (uint8_t)(v * 255 + .5); }

void efme_portrait_draw(uint8_t *out, uint32_t width, uint32_t height, uint32_t channels, const struct efme_portrait *f) {
  double middle_x = width * .5, middle_y = height * .5, half = EFME_MIN(width, height) * .5, c = efme_cos(f->angle), s = efme_sin(f->angle);
  struct point p = {.pixel = 1 / (half * f->scale), .back_x = efme_cos(f->back_angle), .back_y = efme_sin(f->back_angle)};
  for (uint32_t j = 0; j < height; j++)
    for (uint32_t i = 0; i < width; i++) {
      double sx = (i + .5 - middle_x) / half, sy = (j + .5 - middle_y) / half;
      double tx = (sx - f->shift_x) / f->scale, ty = (sy - f->shift_y) / f->scale;
      p.x = c * tx + s * ty, p.y = c * ty - s * tx;
      background(&p, f, sx, sy);
      back_hair(&p, f);
      draw_face(&p, f);
      uint32_t w[4];
      efme_philox(w, f->seed, EFME_RNG_SYNTHETIC, f->sample[0] + 1, f->sample[1], 0x1000000u + (f->frame << 20) + j * width + i);
      double r = p.c.r * f->cast.r * f->gain + f->offset, g = p.c.g * f->cast.g * f->gain + f->offset,
             b = p.c.b * f->cast.b * f->gain + f->offset;
      if (channels == 1) *out++ = to_byte(.299 * r + .587 * g + .114 * b + f->noise * noise(w, 0));
      else {
        *out++ = to_byte(r + f->noise * noise(w, 0));
        *out++ = to_byte(g + f->noise * noise(w, 1));
        *out++ = to_byte(b + f->noise * noise(w, 2));
      }
    }
}
