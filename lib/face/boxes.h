/* Boxes of the cascade and what is done to them: arithmetic only. All of it is float32, in facenet-pytorch's order of operations, so that
 * the same numbers fall on the same side of a threshold. */
#ifndef EFME_FACE_BOXES_H
#define EFME_FACE_BOXES_H

#include <stddef.h>
#include <stdint.h>

struct efme_face_box {
  float x0, y0, x1, y1, score;
  float offsets[4]; /* regression: of each edge, in sides */
  float points[10]; /* x then y of the five landmarks, in sides of the box until they are placed */
};

/* order[] = 0 .. n-1 by falling score; equal ones by index. */
void efme_face_sort(uint32_t *order, const struct efme_face_box *boxes, size_t n);

/* Non-maximum suppression: boxes[0..n) become those of the best score that no better, kept one covers by more than `limit`, best first;
 * returns how many. UNION: intersection over union; MINIMUM: over the smaller of the two, a pixel added to each side. order and kept have
 * room for n. */
enum efme_face_overlap { EFME_FACE_UNION, EFME_FACE_MINIMUM };
size_t efme_face_suppress(struct efme_face_box *boxes, size_t n, float limit, enum efme_face_overlap overlap, uint32_t *order,
                          struct efme_face_box *kept);
float efme_face_union_share(const struct efme_face_box *a, const struct efme_face_box *b);

/* Moves the edges by the offsets; `pixel` is 1 where a side counts its last pixel (R- and O-Net), 0 where not (P-Net). */
void efme_face_regress(struct efme_face_box *box, float pixel);
/* The square of the longer side about the same centre. */
void efme_face_square(struct efme_face_box *box);
/* Pixels of the box, cut to width x height: x0 y0 x1 y1, the last two excluded. 0: none is left. */
int efme_face_pixels(int32_t out[4], const struct efme_face_box *box, int32_t width, int32_t height);
/* The landmarks from shares of the box to the image. */
void efme_face_place_points(struct efme_face_box *box);
/* softmax(no, yes)[1] */
float efme_face_probability(float no, float yes);

#endif
