/* The image handle: pixels that never change, shared by counting. */
#include <stdio.h>
#include <string.h>

#include "io/image.h"

efme_status efme_image_new(efme_image **out, efme_context *context, const struct efme_allocator *a, struct efme_pixels *px,
                           uint32_t orientation, const char *decoder) {
  efme_image *image = efme_mem_calloc(a, 1, sizeof *image, "image");
  if (!image) {
    efme_pixels_free(px, a);
    return EFME_E_NOMEM;
  }
  atomic_init(&image->refs, 1);
  image->context = efme_context_retain(context);
  image->allocator = a;
  image->px = *px;
  image->orientation = orientation;
  snprintf(image->decoder, sizeof image->decoder, "%s", decoder);
  memset(px, 0, sizeof *px);
  *out = image;
  return EFME_OK;
}
