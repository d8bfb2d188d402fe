/* Optimizers: rule, constants and schedule. A handle is a description, immutable after creation; each training run keeps
 * its own state, so one handle may serve any number of runs and threads at once.
 *
 * t counts the steps of one phase from 1; g is the gradient of loss and penalty; s is the learning rate of the step.
 *   ADAM     m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= s sqrt(1-b2^t)/(1-b1^t) m / (sqrt(v) + eps)
 *            (Kingma and Ba, 2015, the reordered form at the end of their section 2; Keras')
 *   ADAMW    as ADAM, before it w -= s weight_decay w (Loshchilov and Hutter, 2019; Keras' and PyTorch's form)
 *   SGD      v = momentum v - s g; w += v (Polyak, 1964; Keras' form)
 *   RMSPROP  v = rho v + (1-rho) g^2; w -= s g / (sqrt(v) + eps) (Tieleman and Hinton, 2012; PyTorch's form, Keras has eps inside the root)
 * Schedules over the T steps of a phase, lr the base rate:
 *   CONSTANT s = lr
 *   TIME     s = lr / (1 + decay (t-1)) (the `decay` of Keras' older optimizers)
 *   COSINE   s = lr (f + (1-f) (1 + cos(pi (t-1)/T)) / 2), f = final_ratio (Loshchilov and Hutter, 2017, without restarts)
 * all times min(1, t / warmup_steps) where warmup_steps > 0. */
#ifndef EFME_OPTIMIZER_H
#define EFME_OPTIMIZER_H

#include "efme/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_optimizer efme_optimizer;

typedef enum efme_optimizer_kind { EFME_ADAM = 0, EFME_ADAMW = 1, EFME_SGD = 2, EFME_RMSPROP = 3 } efme_optimizer_kind;
typedef enum efme_schedule { EFME_SCHEDULE_CONSTANT = 0, EFME_SCHEDULE_TIME = 1, EFME_SCHEDULE_COSINE = 2 } efme_schedule;

typedef struct efme_optimizer_options {
  size_t struct_size;
  uint32_t kind;         /* efme_optimizer_kind */
  uint32_t schedule;     /* efme_schedule */
  double learning_rate;  /* lr, > 0 */
  double beta1, beta2;   /* b1, b2 in [0, 1); ADAM, ADAMW */
  double epsilon;        /* eps, > 0; ADAM, ADAMW, RMSPROP */
  double momentum;       /* [0, 1); SGD */
  double rho;            /* [0, 1); RMSPROP */
  double weight_decay;   /* >= 0; ADAMW */
  double decay;          /* >= 0; TIME */
  double final_ratio;    /* [0, 1]; COSINE */
  uint64_t warmup_steps; /* 0: none; EFME_WARMUP_EPOCH: as many as one epoch of the phase has */
} efme_optimizer_options;

/* Known only once data and batch are: efme_optimizer_rate leaves this warm-up out, training does not. */
#define EFME_WARMUP_EPOCH UINT64_MAX

#define EFME_OPTIMIZER_OPTIONS_INIT { sizeof(efme_optimizer_options), EFME_ADAM, EFME_SCHEDULE_CONSTANT, 1e-3, 0.9, 0.999, 1e-7, 0.9, 0.9, 0.01, 0.0, 0.0, 0 }

/* options NULL: the defaults. A field out of range is refused even where the rule or schedule does not use it. */
EFME_API efme_status efme_optimizer_create(efme_optimizer **out, efme_context *context, const efme_optimizer_options *options);
EFME_API efme_optimizer *efme_optimizer_retain(efme_optimizer *optimizer);
EFME_API void efme_optimizer_release(efme_optimizer *optimizer);
EFME_API efme_status efme_optimizer_get_options(const efme_optimizer *optimizer, efme_optimizer_options *out);
/* The learning rate of step t (from 1) of a phase of total steps (taken as t where it is less). */
EFME_API double efme_optimizer_rate(const efme_optimizer *optimizer, uint64_t t, uint64_t total);

#ifdef __cplusplus
}
#endif
#endif
