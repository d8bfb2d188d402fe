/* Alignment: a face of a photo, turned upright, cut out and brought to the network's input size in one step.
 *
 * One interpolation from the source's pixels: the exact mean over what a result pixel covers where the face shrinks, bilinear where it
 * grows; at angle 0 the rule of efme_image_resize. Beyond the source its edge goes on. Points are in pixels of the source, x to the right,
 * y down, pixel (i, j) covers [i, i+1) x [j, j+1). Any thread. docs/alignment.md shows the modes. */
#ifndef EFME_ALIGN_H
#define EFME_ALIGN_H

#include "efme/context.h"
#include "efme/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum efme_align_mode {
  /* The image is turned until the eyes are level, the box with it; cut is the square around the box's centre whose side is the box's
   * height. */
  EFME_ALIGN_ROTATED = 0,
  /* As the paper's scripts do: the image is turned about its own centre (Eq. 2), and cut where the box was before. The further the face
   * from the centre, the further off. For comparison with the paper. */
  EFME_ALIGN_PAPER = 1,
  /* The similarity (rotation, scale, shift) that brings the five points nearest, by least squares, to those of an upright face: the
   * template of ArcFace's 112 x 112 (Deng et al., 2019), scaled. Eyes alone are brought to its eyes. */
  EFME_ALIGN_SIMILARITY = 2
} efme_align_mode;

typedef struct efme_align_options {
  size_t struct_size;
  uint32_t mode; /* efme_align_mode */
  uint32_t width,
      height;        /* of the result, 1..4096; 0: 224. Where they differ the cut is as wide as its height asks, and nothing is stretched */
  uint32_t reserved; /* 0 */
} efme_align_options;

#define EFME_ALIGN_OPTIONS_INIT                                                                                                            \
  { sizeof(efme_align_options), EFME_ALIGN_ROTATED, 224, 224, 0 }

/* What was done. */
typedef struct efme_alignment {
  size_t struct_size;
  double angle;   /* by which the source's face was turned: radians, clockwise on the screen; atan2 of the eyes, 0 without points */
  double scale;   /* source pixels a result pixel; above 1 the face shrinks */
  double map[6];  /* result coordinates (u, v) to source: x = map[0] u + map[1] v + map[2], y = map[3] u + map[4] v + map[5] */
  double outside; /* share 0..1 of the result that lies beyond the source */
} efme_alignment;

#define EFME_ALIGNMENT_INIT                                                                                                                \
  { sizeof(efme_alignment), 0.0, 0.0, {0.0, 0.0, 0.0, 0.0, 0.0, 0.0}, 0.0 }

/* box: x, y, width, height, as efme_face.box; not used by SIMILARITY, which takes NULL too. points: point_count pairs x, y: 5 (the eyes,
 * image left first, nose, corners of the mouth, image left first), 2 (the eyes), or 0: upright as it is, which SIMILARITY refuses. options
 * and what may be NULL. The result has the source's channels. Errors: ARGUMENT (numbers that are no finite ones, an empty box, one or a
 * face wholly outside the image, eyes in one place); LIMIT (the cut is more than 262144
 * pixels wide or high). */
EFME_API efme_status efme_face_align(efme_image **out, const efme_image *image, const float box[4], const float *points,
                                     uint32_t point_count, const efme_align_options *options, efme_alignment *what);

#ifdef __cplusplus
}
#endif
#endif
