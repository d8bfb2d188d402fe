/* Faces: where they are in an image, with five landmarks, by MTCNN (Zhang et al., IEEE Signal Processing Letters 23, 2016).
 *
 * The boxes are facenet-pytorch's of the same pixels (docs/faces.md has the proof). The weights are those of that package, 2 MB under
 * the MIT licence; they are no part of the library: `python3 tools/mtcnn.py` fetches them.
 *
 * A detector serves one thread at a time and answers BUSY to another. It keeps what it needs for the last image size: a stream of images
 * of one size allocates nothing after the first, until one brings more candidates than any before. The result has the same bits
 * whatever the number of threads and the images before. */
#ifndef EFME_FACE_H
#define EFME_FACE_H

#include "efme/context.h"
#include "efme/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_face_detector efme_face_detector;

typedef struct efme_face_options {
  size_t struct_size;
  uint32_t min_face_size; /* pixels, 12..65536: the smallest face that is looked for. Half of it takes four times the time */
  float thresholds[3];    /* 0..1: least probability of a face after each of the three networks */
  float scale_factor;     /* .1 to .95: from one level of the image pyramid to the next */
  uint32_t max_faces;     /* so many of the largest; 0: all */
  uint32_t region_x, region_y, region_width, region_height; /* pixels: the part of each image that is searched; all 0: the whole image */
  uint32_t threads;       /* at most so many of the context's, up to 256; 0: all; 1: the calling thread alone */
  uint32_t reserved;      /* 0 */
} efme_face_options;

#define EFME_FACE_OPTIONS_INIT { sizeof(efme_face_options), 40, { 0.6f, 0.7f, 0.7f }, 0.709f, 0, 0, 0, 0, 0, 0, 0 }

/* Coordinates in pixels from the image's top left corner; a box may reach beyond the image. */
typedef struct efme_face {
  size_t struct_size;
  float x, y, width, height;
  float score;         /* probability of a face, 0..1 */
  float landmarks[10]; /* x, y of the left eye (left in the image), right eye, nose, left corner of the mouth, right corner */
  uint32_t reserved;   /* 0 */
} efme_face;

#define EFME_FACE_INIT { sizeof(efme_face), 0, 0, 0, 0, 0, { 0 }, 0 }

/* path: weights as tools/mtcnn.py writes them (safetensors); NULL: mtcnn.safetensors in $EFME_MODEL_DIR, else in the directory of models
 * that the library was installed with. options may be NULL. Errors: IO (the text names the command that fetches the weights, where
 * path is NULL and they are nowhere); FORMAT, MISMATCH, LIMIT, NUMERIC, all with the tensor; UNSUPPORTED (an operation that the backend lacks). */
EFME_API efme_status efme_face_detector_create(efme_face_detector **out, efme_context *context, const char *path, const efme_face_options *options);
/* The same from size bytes, which are not kept. */
EFME_API efme_status efme_face_detector_create_memory(efme_face_detector **out, efme_context *context, const void *data, size_t size,
                                                      const efme_face_options *options);
EFME_API efme_face_detector *efme_face_detector_retain(efme_face_detector *detector);
EFME_API void efme_face_detector_release(efme_face_detector *detector);

/* Looks for faces; *count is how many, to be asked for with efme_face_detector_face. Errors: NOT_FOUND where there is no face, and *count is
 * then 0, an exception to the rule that out-parameters are untouched; ARGUMENT too where the region does not lie in the image; BUSY.
 * After any other error the detector has no faces. */
EFME_API efme_status efme_face_detector_run(efme_face_detector *detector, const efme_image *image, uint32_t *count);
/* Face `index` of the last run, largest box first. Errors: ARGUMENT (index); BUSY. */
EFME_API efme_status efme_face_detector_face(const efme_face_detector *detector, uint32_t index, efme_face *out);

#ifdef __cplusplus
}
#endif
#endif
