/* Parameters of a synthetic face: identity from (seed, subject), everything else from (seed, subject, sample). Ranges were
 * chosen so that the classes cannot be told by brightness or by fixed pixels, and need eyes, brows and mouth together:
 * people differ at rest by as much as a weak expression moves them, and every class has open and closed mouths. */
#include "data/portrait.h"

#include "util/util.h"

/* Numbers in sequence from one counter of the generator. */
struct stream {
  uint64_t seed;
  uint32_t epoch, sample, element, left, word[4];
};

static double unit(struct stream *s) {
  if (!s->left) {
    efme_philox(s->word, s->seed, EFME_RNG_SYNTHETIC, s->epoch, s->sample, s->element++);
    s->left = 4;
  }
  return (double)s->word[--s->left] * (1.0 / 4294967296.0);
}

static double range(struct stream *s, double low, double high) { return low + (high - low) * unit(s); }
static uint32_t chance(struct stream *s, double p) { return unit(s) < p; }

static struct efme_colour mix(struct efme_colour a, struct efme_colour b, double t) {
  return (struct efme_colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

/* A point on the way through a row of colours. */
static struct efme_colour ramp(const struct efme_colour *row, uint32_t n, double t) {
  double at = t * (n - 1);
  uint32_t i = (uint32_t)at;
  if (i > n - 2) i = n - 2;
  return mix(row[i], row[i + 1], at - i);
}

static void identity(struct efme_portrait *f, struct stream *s) {
  static const struct efme_colour skins[] = {{.97, .84, .75}, {.90, .72, .59}, {.74, .55, .41}, {.50, .35, .26}};
  static const struct efme_colour hairs[] = {{.07, .06, .06}, {.22, .14, .09}, {.42, .27, .14}, {.72, .56, .32}, {.62, .61, .60}};
  static const struct efme_colour irises[] = {{.20, .12, .07}, {.33, .24, .12}, {.28, .40, .30}, {.30, .44, .60}};
  f->width = range(s, .66, .80), f->square = range(s, 0, .7), f->taper = range(s, 0, .22);
  f->skin = ramp(skins, 4, unit(s));
  f->hair_colour = ramp(hairs, 5, unit(s));
  f->iris = ramp(irises, 4, unit(s));
  f->lip = mix(f->skin, (struct efme_colour){.66, .22, .24}, range(s, .25, .75));
  f->hair = (uint32_t)range(s, 0, 4.999);
  f->glasses = chance(s, .2), f->beard = chance(s, .18);
  f->hairline = range(s, -.72, -.52), f->hair_size = range(s, 1.06, 1.22);
  f->eye_x = range(s, .27, .34), f->eye_y = range(s, -.14, -.03), f->eye_width = range(s, .135, .175);
  f->eye_open = range(s, .055, .08), f->iris_size = range(s, .056, .068);
  f->brow_gap = range(s, .16, .24), f->brow_thick = range(s, .018, .042), f->brow_length = range(s, .17, .22);
  f->brow_tilt = range(s, -.03, .05), f->brow_arch = range(s, .0, .06);
  f->nose_width = range(s, .085, .13), f->nose_y = range(s, .20, .30);
  f->mouth_y = range(s, .52, .60), f->mouth_width = range(s, .20, .27);
  f->lip_up = range(s, .02, .042), f->lip_low = range(s, .03, .055), f->corner = range(s, -.03, .03);
}

/* Three kinds of unpleasant: anger draws the brows down and together, sadness lifts their inner ends and drops the
 * corners, disgust lifts the upper lip and wrinkles the nose. */
static void negative(struct efme_portrait *f, struct stream *s, enum efme_expression expression, double t) {
  double kind = unit(s), opened = chance(s, .4) ? range(s, .04, .11) : 0;
  if (expression == EFME_EXPRESSION_NEGATIVE)
    expression = kind < 1.0 / 3 ? EFME_EXPRESSION_ANGER : kind < 2.0 / 3 ? EFME_EXPRESSION_SADNESS : EFME_EXPRESSION_DISGUST;
  f->open += t * opened;
  f->teeth = range(s, .2, 1);
  if (expression == EFME_EXPRESSION_ANGER) {
    f->brow_inner += t * .095, f->brow_raise -= t * .045, f->frown = t;
    f->eye_upper *= 1 - .22 * t, f->eye_lower *= 1 - .2 * t;
    f->corner -= t * .055, f->lip_up *= 1 - .5 * t, f->lip_low *= 1 - .4 * t;
  } else if (expression == EFME_EXPRESSION_SADNESS) {
    f->brow_inner -= t * .095, f->frown = .4 * t;
    f->eye_upper *= 1 - .2 * t;
    f->corner -= t * .12, f->mouth_width *= 1 - .06 * t, f->lip_low *= 1 + .2 * t;
  } else {
    f->brow_raise -= t * .05, f->brow_inner += t * .045, f->wrinkle = t, f->fold = .8 * t;
    f->eye_upper *= 1 - .32 * t, f->eye_lower *= 1 - .3 * t;
    f->corner -= t * .075, f->mouth_y -= t * .03, f->lip_up *= 1 + .4 * t;
  }
}

static void positive(struct efme_portrait *f, struct stream *s, double t) {
  double opened = chance(s, .5) ? range(s, .05, .13) : 0;
  f->corner += t * range(s, .10, .14), f->mouth_width *= 1 + t * range(s, .16, .30);
  f->open += t * opened, f->teeth = range(s, .3, 1);
  f->eye_lower *= 1 - .45 * t, f->eye_upper *= 1 - .12 * t;
  f->fold = t, f->brow_raise += t * range(s, -.01, .025);
}

static void surprise(struct efme_portrait *f, struct stream *s, double t) {
  double opened = chance(s, .75) ? range(s, .09, .19) : range(s, .0, .04);
  f->brow_raise += t * range(s, .085, .13), f->brow_arch += t * .035;
  f->eye_upper *= 1 + t * range(s, .45, .75), f->eye_lower *= 1 + .2 * t;
  f->open += t * opened, f->teeth = range(s, 0, .35);
  f->mouth_width *= 1 - .24 * t, f->corner -= t * .01;
}

/* What no expression explains: blinks, speech, habits. */
static void nuisance(struct efme_portrait *f, struct stream *s) {
  f->eye_upper = f->eye_open * range(s, .8, 1.12), f->eye_lower = f->eye_open * range(s, .45, .65);
  f->brow_raise = range(s, -.015, .015), f->brow_inner = range(s, -.012, .012);
  f->corner += range(s, -.012, .012);
  f->open = chance(s, .35) ? range(s, .01, .05) : 0;
  f->teeth = range(s, 0, 1);
  f->gaze_x = range(s, -.035, .035), f->gaze_y = range(s, -.012, .012);
}

static struct efme_colour any_colour(struct stream *s, double low, double high) {
  struct efme_colour c; /* one after the other: an initialiser's parts have no order in C */
  c.r = range(s, low, high), c.g = range(s, low, high), c.b = range(s, low, high);
  double grey = (c.r + c.g + c.b) / 3;
  return mix(c, (struct efme_colour){grey, grey, grey}, .4);
}

static void view(struct efme_portrait *f, struct stream *s) {
  f->angle = range(s, -.17, .17), f->scale = range(s, .84, 1);
  f->shift_x = range(s, -.08, .08), f->shift_y = range(s, -.07, .09);
  f->yaw = range(s, -.14, .14), f->pitch = range(s, -.08, .08);
  f->light_x = range(s, -1, 1), f->light_y = range(s, -1, .35);
  f->ambient = range(s, .45, .75), f->diffuse = range(s, .3, .75);
  f->gain = range(s, .65, 1.1), f->offset = range(s, -.03, .14), f->noise = range(s, .008, .032);
  f->cast.r = range(s, .9, 1.08), f->cast.g = range(s, .94, 1.04), f->cast.b = range(s, .9, 1.08);
  f->back[0] = any_colour(s, .02, .98), f->back[1] = any_colour(s, .02, .98);
  f->cloth = any_colour(s, .03, .95);
  f->back_angle = range(s, 0, 6.28), f->back_wave = range(s, .5, 6), f->back_phase = range(s, 0, 6.28);
}

void efme_portrait_make(struct efme_portrait *f, uint64_t seed, uint32_t number, uint32_t sample, enum efme_expression expression,
                        double intensity) {
  *f = (struct efme_portrait){.seed = seed, .sample = {sample, number}};
  struct stream who = {.seed = seed, .sample = number};
  identity(f, &who);
  struct stream s = {.seed = seed, .epoch = sample + 1, .sample = number};
  nuisance(f, &s);
  view(f, &s);
  struct stream e = {.seed = seed, .epoch = sample + 1, .sample = number, .element = 0x10000}; /* apart: the same view at every strength */
  if (expression == EFME_EXPRESSION_POSITIVE) positive(f, &e, intensity);
  else if (expression == EFME_EXPRESSION_SURPRISE) surprise(f, &e, intensity);
  else negative(f, &e, expression, intensity);
}

/* Face to pixel coordinates. */
static void project(double *px, double *py, double x, double y, uint32_t width, uint32_t height, const struct efme_portrait *f) {
  double half = EFME_MIN(width, height) * .5, c = efme_cos(f->angle), s = efme_sin(f->angle);
  *px = width * .5 + half * (f->shift_x + f->scale * (c * x - s * y));
  *py = height * .5 + half * (f->shift_y + f->scale * (s * x + c * y));
}

void efme_portrait_truth(float box[4], float eyes[4], uint32_t width, uint32_t height, const struct efme_portrait *f) {
  /* The face without the skull's top: an ellipse from above the brows to the chin. */
  double c = efme_cos(f->angle), s = efme_sin(f->angle), top = -.55, a = f->width, b = (1 - top) / 2, x, y;
  double scale = EFME_MIN(width, height) * .5 * f->scale;
  project(&x, &y, 0, (1 + top) / 2, width, height, f);
  double w = scale * efme_sqrt(a * a * c * c + b * b * s * s), h = scale * efme_sqrt(a * a * s * s + b * b * c * c);
  box[0] = (float)(x - w), box[1] = (float)(y - h), box[2] = (float)(2 * w), box[3] = (float)(2 * h);
  for (int i = 0; i < 2; i++) {
    project(&x, &y, (i ? f->eye_x : -f->eye_x) + f->yaw * .6, f->eye_y + f->pitch * .6, width, height, f);
    eyes[2 * i] = (float)x, eyes[2 * i + 1] = (float)y;
  }
}
