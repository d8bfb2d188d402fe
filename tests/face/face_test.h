/* Shared by the tests of the face detector: a context, the detector of the weights in ../shared, comparisons. */
#ifndef EFME_FACE_TEST_H
#define EFME_FACE_TEST_H

#include <efme/efme.h>

#include <math.h>

#include "heap.h"
#include "test.h"

#define FACE_WEIGHTS "data/mtcnn/mtcnn.safetensors"
#define OK(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
#define FAILS(call, status, word)                                                                                                          \
  do {                                                                                                                                     \
    efme_status fails_status = (call);                                                                                                     \
    ck_assert_msg(fails_status == (status), "%s gave %s (%s)", #call, efme_status_name(fails_status), efme_last_error());                  \
    ck_assert_msg(strstr(efme_last_error(), word) != NULL, "\"%s\" does not say \"%s\"", efme_last_error(), word);                         \
  } while (0)

enum { MOST_FACES = 512 };
struct found {
  uint32_t count;
  efme_face faces[MOST_FACES];
};

/* What the detector finds; NOT_FOUND is no face. */
static inline struct found find_faces(efme_face_detector *detector, const efme_image *image) {
  struct found f = {99, {{0}}};
  efme_status status = efme_face_detector_run(detector, image, &f.count);
  ck_assert_msg(status == EFME_OK || (status == EFME_E_NOT_FOUND && f.count == 0), "%s", efme_last_error());
  ck_assert_uint_le(f.count, MOST_FACES);
  for (uint32_t i = 0; i < f.count; i++) {
    f.faces[i] = (efme_face)EFME_FACE_INIT;
    OK(efme_face_detector_face(detector, i, &f.faces[i]));
  }
  return f;
}

static inline double share_of(const efme_face *a, const efme_face *b) {
  double w = fmin((double)a->x + a->width, (double)b->x + b->width) - fmax(a->x, b->x);
  double h = fmin((double)a->y + a->height, (double)b->y + b->height) - fmax(a->y, b->y);
  double both = w > 0 && h > 0 ? w * h : 0;
  return both / ((double)a->width * a->height + (double)b->width * b->height - both);
}

#endif
