/* The geometry of efme_face_align. */
#ifndef EFME_FACE_ALIGN_H
#define EFME_FACE_ALIGN_H

#include "efme/align.h"
#include "io/image.h"

/* options filled in, no zero sides. */
efme_status efme_align_options_check(efme_align_options *o, const efme_align_options *options);
/* map, angle and scale, from arguments that are checked; scale may come out as no finite number, or 0, where the points are those of no
 * face. */
void efme_align_map(efme_alignment *out, const struct efme_pixels *image, const float box[4], const float *points, uint32_t count,
                    const efme_align_options *o);
/* The share of result pixels whose centres lie beyond the image. */
double efme_align_outside(const double map[6], const struct efme_pixels *image, const efme_align_options *o);

#endif
