/* Predictors: one execution state of a model. Any number may share a model; each serves one thread at a time and answers BUSY to
 * another. Nothing is allocated after creation. A result does not depend on the batch an image is in, nor on the number of threads, to
 * the bit. */
#ifndef EFME_PREDICTOR_H
#define EFME_PREDICTOR_H

#include "efme/context.h"
#include "efme/image.h"
#include "efme/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_predictor efme_predictor;

typedef struct efme_predictor_options {
  size_t struct_size;
  uint32_t max_batch;  /* 1..4096 images run at once; larger requests are cut into such batches */
  uint32_t threads;    /* at most so many of the context's, up to 256; 0: all; 1: the calling thread alone */
  const char *const *taps; /* distinct names of layers whose output is kept ("block3b_add", "gap", ...), see efme_predictor_tap */
  uint32_t tap_count;  /* 0..1024 */
  uint32_t reserved;   /* 0 */
} efme_predictor_options;

#define EFME_PREDICTOR_OPTIONS_INIT { sizeof(efme_predictor_options), 1, 0, NULL, 0, 0 }

/* Holds model until it is released. options may be NULL. Errors: NOT_FOUND (a tap); BUSY (model is being changed); UNSUPPORTED (an
 * operation that the backend lacks). */
EFME_API efme_status efme_predictor_create(efme_predictor **out, efme_model *model, const efme_predictor_options *options);
EFME_API efme_predictor *efme_predictor_retain(efme_predictor *predictor);
EFME_API void efme_predictor_release(efme_predictor *predictor);

/* pixels: count (>= 1) images, height x width x 3 RGB floats 0..255 of the model's input size. logits and probabilities: count x
 * class_count each, either may be NULL. Other values are computed with as they are, denormals too. A pixel that is NaN or infinite makes
 * all logits and probabilities of its image NaN, and no other image's; so may finite ones that leave the range of float on the way.
 * Errors: BUSY; where the backend fails, earlier batches of the call are in logits and probabilities. */
EFME_API efme_status efme_predictor_run(efme_predictor *predictor, const float *pixels, uint32_t count, float *logits, float *probabilities);

/* What efme_predictor_run_images says of one image. */
typedef struct efme_prediction {
  efme_status status;   /* of this image; the other fields hold only if EFME_OK. NUMERIC: the probabilities are no numbers */
  int32_t label;        /* class with the highest probability, the lowest index on a tie */
  float confidence;     /* its probability */
  uint32_t reserved;    /* 0 */
} efme_prediction;

/* Whole images of any size, resized to the input as efme_image_resize does, which is how datasets are read too: the same file has the
 * same probabilities in efme_evaluate, to the bit. results: count (>= 1) of them, each with its own status (the call itself is EFME_OK
 * if it could run); probabilities: count x class_count (0 for an image that could not run) or NULL. Errors: as efme_predictor_run. */
EFME_API efme_status efme_predictor_run_images(efme_predictor *predictor, efme_image *const *images, uint32_t count, efme_prediction *results,
                                               float *probabilities);
/* The tapped output for the images of the last run (of its last batch where it was cut): dims = n, h, w, c, values in that order, of
 * which there is room for capacity; values NULL asks for dims only, dims may be NULL too. Errors: NOT_FOUND (no tap of this predictor);
 * STATE before the first run. */
EFME_API efme_status efme_predictor_tap(const efme_predictor *predictor, const char *name, float *values, size_t capacity, uint32_t dims[4]);
/* The memory plan as text: buffers, lifetimes, total. Any thread. Release with efme_string_free. */
EFME_API efme_status efme_predictor_plan(const efme_predictor *predictor, char **out);

#ifdef __cplusplus
}
#endif
#endif
