/* One plan run in one of two ways behind the same functions: on a backend through exec.h, or re-typed to double on the reference
 * (backend NULL, or one without a run function: then that one plans). Every test of a whole network is written once and run on
 * both. */
#ifndef EFME_TEST_NET_RIG_H
#define EFME_TEST_NET_RIG_H

#include "efme/model.h"
#include "net/exec.h"
#include "test.h"

struct rig {
  struct efme_plan *plan;
  struct efme_exec *exec;       /* NULL: the double-precision twin */
  char *base[EFME_ARENA_COUNT]; /* twin only */
  struct efme_plan_list twin[3];
  uint64_t inner[2048], act_end; /* places of tensors that a group keeps to itself */
};

/* A backend that runs nothing but supports every op of the table without workspace, packing or groups: for plans of the reference. */
extern const struct efme_backend rig_reference;

/* The working backend (test_backend) with two threads for all tests of a program; rig_fixture opens and closes it. */
extern struct efme_backend *rig_shared;
void rig_fixture(TCase *t);
/* The same at every level that this CPU has, the lowest first. */
extern struct efme_backend *rig_levels[3];
extern uint32_t rig_level_count;
void rig_levels_fixture(TCase *t);
const char *rig_level_name(uint32_t index); /* into rig_levels */
/* The working CPU backend with so many threads; ck_asserts that it opens. */
struct efme_backend *rig_cpu(uint32_t threads);
struct efme_backend *rig_cpu_level(uint32_t threads, uint32_t level); /* efme_cpu_level */
void rig_cpu_close(struct efme_backend *backend);

void rig_open(struct rig *r, struct efme_backend *backend, const struct efme_arch *arch, const struct efme_plan_options *options);
void rig_close(struct rig *r);
void rig_weights(struct rig *r, const float *weights); /* plan->params.total floats; then prepare */
/* Whole tensors: f32 or i32 or f64 or u8 from the host's array of `count` elements. */
void rig_put(struct rig *r, const struct efme_tensor *t, const void *values, size_t count);
void rig_get(struct rig *r, const struct efme_tensor *t, double *values, size_t count); /* converted to double */
void rig_step(struct rig *r, const struct efme_step *step);
void rig_prepare(struct rig *r);
void rig_main(struct rig *r, uint32_t batch);
void rig_update(struct rig *r);
void rig_clear(struct rig *r, const struct efme_tensor *t);
/* The tensor of a parameter in WEIGHTS or GRADS. */
struct efme_tensor rig_param(const struct rig *r, uint32_t arena, const char *name);

struct efme_arch rig_arch(uint32_t cut, uint32_t top, uint32_t classes, uint32_t height, uint32_t width);
/* Every cut, and whole B0 with its top: other sizes (small, hardly one square), class counts, paddings. */
enum { RIG_VARIANTS = 8 };
struct efme_arch rig_variant(uint32_t index);
/* Weights of a network with its own little generator: Keras' scales, BN statistics near 0 and 1. Release with free(). */
float *rig_random_weights(const struct efme_arch *arch, uint64_t seed, uint64_t *count);
float *rig_random_pixels(size_t count, uint64_t seed); /* 0..255; free() */
float *rig_floats(size_t count);                       /* zeros; ck_assert'ed */
double *rig_doubles(size_t count);

#endif
