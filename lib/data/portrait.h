/* One parametric face: what the synthetic source and synthetic releases draw. Face coordinates: origin in the middle of the head, x to the
 * image's right, y down, the chin at y = 1. Angles in radians, colours 0..1. */
#ifndef EFME_DATA_PORTRAIT_H
#define EFME_DATA_PORTRAIT_H

#include <stdint.h>

struct efme_colour {
  double r, g, b;
};

/* NEGATIVE is one of the last three, by chance. */
enum efme_expression {
  EFME_EXPRESSION_NEGATIVE = 0,
  EFME_EXPRESSION_POSITIVE = 1,
  EFME_EXPRESSION_SURPRISE = 2,
  EFME_EXPRESSION_ANGER = 3,
  EFME_EXPRESSION_SADNESS = 4,
  EFME_EXPRESSION_DISGUST = 5
};
enum efme_hair { EFME_HAIR_NONE = 0, EFME_HAIR_SHORT = 1, EFME_HAIR_FRINGE = 2, EFME_HAIR_PARTED = 3, EFME_HAIR_LONG = 4 };

struct efme_portrait {
  /* who: the same for every sample of a subject */
  double width, square, taper; /* half width of the head, squareness 0..1, narrowing of the jaw */
  struct efme_colour skin, hair_colour, iris, lip;
  uint32_t hair, glasses, beard;
  double hairline, hair_size;
  double eye_x, eye_y, eye_width, eye_open, iris_size;
  double brow_gap, brow_thick, brow_length, brow_tilt, brow_arch; /* gap above the eye; tilt: outer end up */
  double nose_width, nose_y;
  double mouth_y, mouth_width, lip_up, lip_low, corner; /* corner: ends of the mouth up */
  /* what it does: moved by expression and chance */
  double brow_raise, brow_inner, eye_upper, eye_lower, open, teeth, frown, fold, wrinkle, gaze_x, gaze_y;
  /* how it is seen */
  double angle, scale, shift_x, shift_y, yaw, pitch;
  double light_x, light_y, ambient, diffuse, gain, offset, noise;
  struct efme_colour cast, back[2], cloth;
  double back_angle, back_wave, back_phase;
  uint64_t seed;
  uint32_t sample[2]; /* generator counters of the pixel noise */
  uint32_t frame;     /* of a sequence, below 4000: noise of its own */
};

/* Face `number` of `seed` in its sample-th picture, showing `expression` at `intensity` 0..1. */
void efme_portrait_make(struct efme_portrait *f, uint64_t seed, uint32_t number, uint32_t sample, enum efme_expression expression,
                        double intensity);
/* channels 1 or 3, packed. The head's size and place are those of the largest square in the picture's middle. */
void efme_portrait_draw(uint8_t *out, uint32_t width, uint32_t height, uint32_t channels, const struct efme_portrait *f);
/* Box x, y, width, height and the two eye centres, in pixels. */
void efme_portrait_truth(float box[4], float eyes[4], uint32_t width, uint32_t height, const struct efme_portrait *f);

#endif
