/* efme_face_align: arguments are checked here; lib/face has the geometry, lib/io the pixels. */
#include "efme/align.h"

#include <math.h>

#include "face/align.h"

#define MAX_CUT 262144.0 /* four times the longest side of an image */

static efme_status check_face(const float box[4], const float *points, uint32_t count, const efme_align_options *o) {
  if (count != 0 && count != 2 && count != 5) return efme_fail(EFME_E_ARGUMENT, "point_count is %u: 0, 2 or 5", count);
  if (count && !points) return efme_fail(EFME_E_ARGUMENT, "points is NULL");
  for (uint32_t i = 0; i < 2 * count; i++)
    if (!isfinite(points[i])) return efme_fail(EFME_E_ARGUMENT, "points[%u] is no finite number", i);
  if (count && points[0] == points[2] && points[1] == points[3])
    return efme_fail(EFME_E_ARGUMENT, "both eyes are at %g, %g", points[0], points[1]);
  if (o->mode == EFME_ALIGN_SIMILARITY)
    return count ? EFME_OK : efme_fail(EFME_E_ARGUMENT, "points are NULL, EFME_ALIGN_SIMILARITY goes by them");
  if (!box) return efme_fail(EFME_E_ARGUMENT, "box is NULL");
  for (uint32_t i = 0; i < 4; i++)
    if (!isfinite(box[i])) return efme_fail(EFME_E_ARGUMENT, "box[%u] is no finite number", i);
  if (!(box[2] > 0.0f && box[3] > 0.0f)) return efme_fail(EFME_E_ARGUMENT, "the box is empty: %g x %g", box[2], box[3]);
  return EFME_OK;
}

efme_status efme_face_align(efme_image **out, const efme_image *image, const float box[4], const float *points, uint32_t point_count,
                            const efme_align_options *options, efme_alignment *what) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  efme_align_options o;
  efme_status status = efme_align_options_check(&o, options);
  if (!status) status = check_face(box, points, point_count, &o);
  if (status) return status;
  const struct efme_pixels *in = &image->px;
  efme_alignment done = EFME_ALIGNMENT_INIT;
  efme_align_map(&done, in, box, points, point_count, &o);
  if (!isfinite(done.scale) || !(done.scale > 0.0)) return efme_fail(EFME_E_ARGUMENT, "the points are those of no face");
  double cut = done.scale * EFME_MAX(o.width, o.height);
  if (cut > MAX_CUT) return efme_fail(EFME_E_LIMIT, "the face is cut from %.0f pixels, at most %.0f are allowed", cut, MAX_CUT);
  done.outside = efme_align_outside(done.map, in, &o);
  if (done.outside == 1.0) return efme_fail(EFME_E_ARGUMENT, "the face lies outside the image of %u x %u", in->width, in->height);
  struct efme_pixels px;
  status = efme_pixels_alloc(&px, image->allocator, o.width, o.height, in->channels);
  if (status) return status;
  status = efme_pixels_warp(px.data, o.width, o.height, in, done.map, image->allocator);
  if (!status && what) status = efme_struct_store(what, &done, sizeof done, "efme_alignment");
  if (!status) return efme_image_new(out, image->context, image->allocator, &px, image->orientation, image->decoder);
  efme_pixels_free(&px, image->allocator);
  return status;
}
