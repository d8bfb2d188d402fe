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

/* One plan in every form that is judged: trial.rig[0] is the double-precision reference, the others float32 at each level of this CPU
 * (rig_levels_fixture must run). What is fed is fed to all. */
enum { TRIAL_MOST = 4 };
struct trial {
  struct rig rig[TRIAL_MOST];
  uint32_t count;
};
void trial_open(struct trial *t, const struct efme_arch *arch, const struct efme_plan_options *options, const float *weights);
void trial_close(struct trial *t);
enum trial_input { TRIAL_PIXELS, TRIAL_LABELS, TRIAL_ALPHA };
void trial_put(struct trial *t, enum trial_input what, const void *values, size_t count); /* nothing where the plan has no such input */
void trial_main(struct trial *t, uint32_t batch);
/* Loss of the last batch, penalty included; clears the sums. */
void trial_losses(struct trial *t, double losses[TRIAL_MOST]);

/* Prints how far the reference and each float32 result are from golden, and asserts the rule: float32 within 4 x the reference's distance
 * + 2e-6 max|golden|; and the reference within 2e-5 max|golden| + floor, so that an error common to all cannot widen it. `floor` is for
 * gradients that are zero in exact arithmetic (a BN's shift in front of another BN), where a golden tensor is but the framework's
 * rounding. values[i] are those of rig[i]. */
void trial_judge(const struct trial *t, const char *what, const char *name, double *const values[], const float *golden, size_t count,
                 double floor);
void trial_judge_scalars(const struct trial *t, const char *what, const char *name, const double values[TRIAL_MOST], const float *golden);
/* A tensor that has its place in IO, WEIGHTS or GRADS, the same in all plans. */
void trial_judge_tensor(struct trial *t, const char *what, const char *name, const struct efme_tensor *tensor, const float *golden,
                        size_t count, double floor);
void trial_judge_tap(struct trial *t, const char *what, const char *name, const char *tap, const float *golden, size_t count);
double golden_most(const struct golden *g, const char *prefix); /* largest |value| of all tensors with this prefix */

#endif
