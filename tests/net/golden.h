/* A reader of safetensors for the golden files: header through cJSON, F32 and I32 only, and the comparison they are for.
 * Deliberately not the library's own reader. */
#ifndef EFME_TEST_NET_GOLDEN_H
#define EFME_TEST_NET_GOLDEN_H

#include "net/rig.h"

struct golden {
  char *data;
  size_t size;
  void *header; /* cJSON */
};

void golden_open(struct golden *g, const char *path);
void golden_close(struct golden *g);
/* The tensor's values and count; NULL where there is none (dims may be NULL). */
const void *golden_find(const struct golden *g, const char *name, size_t *count, uint32_t dims[4]);
const float *golden_f32(const struct golden *g, const char *name, size_t *count); /* ck_asserts that it is there */
/* Keras weights -> flat weights of this architecture. free() */
float *golden_weights(const struct golden *g, const struct efme_arch *arch);
/* Next tensor name with this prefix; *state starts as NULL. */
const char *golden_next(const struct golden *g, const char *prefix, void **state);

/* |a - b| at most, and |golden| at most. */
struct distance {
  double most, scale;
};
struct distance golden_distance(const double *ours, const float *golden, size_t count);
/* Prints how far the double reference and float32 are from golden, and asserts the rule: float32 within 4 x the reference's distance
 * + 2e-6 max|golden|, the reference within 1e-4 max|golden| + floor. f32 may be NULL: reference alone. `floor` is for gradients that
 * are zero in exact arithmetic (a BN's shift in front of another BN), where a golden tensor is but the framework's rounding. */
void golden_judge(const char *what, const char *name, const double *reference, const double *f32, const float *golden, size_t count,
                  double floor);
double golden_most(const struct golden *g, const char *prefix); /* largest |value| of all tensors with this prefix */

#endif
