/* Plans: a network and a purpose become lists of op descriptors with planned memory. A plan is data, a pure function of
 * (backend's answers to supports, architecture, options); it touches no device. exec.h runs it.
 *
 * Lists, each run in order, each prepared as one program:
 *   prepare  what follows from the weights and stays: BN folded, weights packed, fixed BN statistics. Run after weights change.
 *   main     one batch: input, forward, and in training loss, penalty and backward. GRADS is complete at its end (+=, so it
 *            starts from zeros: OPTIMIZER leaves zeros, else the caller clears it).
 *   update   optimizer and EMA over parameter ranges. Between main and update the caller may allreduce GRADS.
 * Tensor conventions: conv kernel n,h,w,c = kh,kw,C,N; matrix 1,1,K,N; depthwise kernel 1,kh,kw,C; vector 1,1,1,C;
 * STAT and SUMS 1,1,2,C; batched vector max_batch,1,1,C with EFME_TENSOR_BATCHED. */
#ifndef EFME_NET_PLAN_H
#define EFME_NET_PLAN_H

#include "backend/backend.h"
#include "efme/trainer.h"
#include "net/arch.h"
#include "net/params.h"

enum efme_plan_mode {
  EFME_PLAN_FEATURES = 1, /* input -> pooled features */
  EFME_PLAN_INFER = 2,    /* input -> logits, probabilities */
  EFME_PLAN_EVALUATE = 3, /* INFER + loss, and penalty: validation */
  EFME_PLAN_TRAIN = 4     /* forward, loss, penalty, backward [, update] */
};

struct efme_plan_options { /* zeros are legal everywhere but mode and max_batch */
  uint32_t mode;
  uint32_t scope; /* efme_scope. ALL: every trainable tensor. HEAD: head/kernel and head/bias; the trunk runs as in INFER (BN
                   * folded), backward stops at the features */
  uint32_t max_batch;
  uint32_t from_features; /* 1: the input is batched f32 [C] features, no trunk (scope HEAD where it trains) */

  /* The staged input. Without augmentation and with an f32 source of the model's size no INPUT op is needed. */
  uint32_t source_dtype;                     /* efme_dtype: EFME_F32 (0) or EFME_U8, values 0..255 */
  uint32_t source_h, source_w, source_c;     /* 0: the model's height, width, 3 */
  uint32_t augment, per_variant;             /* INPUT's flags AUGMENT, PER_VARIANT */
  float augmentation[7];                     /* INPUT's f[] */

  uint32_t bn_update;   /* TRAIN, scope ALL: batch statistics, moving ones updated; 0: BN fixed at the moving statistics */
  float dropout;        /* rate before the head; TRAIN only */
  float dropconnect;    /* scale of the spec's rates: 1 = 0.2 b / 16, 0 = off; TRAIN, scope ALL only */

  /* Loss: EVALUATE and TRAIN. gamma 0 is cross-entropy. */
  float gamma, smoothing;
  uint32_t alpha;          /* 1: IO tensor `alpha`, f32 [classes], written once by the caller; 0: all ones */
  uint32_t soft_targets;   /* 1: IO tensor `targets`, batched f32 [classes], beside the labels */
  uint32_t sample_weights; /* 1: IO tensor `sample_weights`, batched f32 [1] */
  float l1, l2;            /* on head/kernel; both 0: no penalty op, `penalty` absent */

  uint32_t update;         /* TRAIN: 1: the update list exists */
  uint32_t optimizer;      /* efme_optimizer_kind */
  float optimizer_f[2][4]; /* OPTIMIZER's f[0..3] for trunk and head */
  uint32_t ema;            /* 1: EMA of all weights, BN statistics included, at OPT offset efme_plan.ema */

  uint32_t keep_activations; /* 1: activations stay in memory until backward; 0: recomputed from convolution outputs */
  uint32_t no_groups;        /* 1: no GROUP is offered (tests; results must not depend on it beyond rounding) */
  /* Tapped tensors are kept to the end of main; folding and fusion stop where they must. Layers as Keras names them
   * ("stem_conv", "block2a_se_excite", "block2b_add", "gap"), "grad:LAYER" for the loss gradient by that output (TRAIN, scope ALL). */
  const char *const *taps;
  uint32_t tap_count;
};

struct efme_plan_list {
  struct efme_op *ops;
  size_t count, capacity;
};

struct efme_plan_constant { /* device data that is neither weight nor input: written by exec when it is created */
  struct efme_tensor tensor;
  float values[3];
  uint32_t count;
};

struct efme_plan_tap {
  char name[64];
  struct efme_tensor tensor; /* in ACT, or IO */
};

struct efme_plan_buffer { /* one planned tensor, for print and tests */
  char name[56];
  uint8_t arena;
  uint8_t list;         /* 0 prepare, 1 main */
  uint16_t pad;
  uint32_t first, last; /* ops that define and last use it */
  uint64_t offset, size;
};

struct efme_plan {
  const struct efme_allocator *allocator;
  struct efme_arch arch;
  struct efme_params params;        /* own table */
  struct efme_plan_options options; /* taps not kept: see taps below */
  struct efme_plan_list prepare, main, update;
  size_t backward;                  /* index in main of the first op after the loss; main.count where there is none */
  uint64_t size[EFME_ARENA_COUNT];  /* bytes of each region; ACT covers main and prepare */
  uint64_t prepare_act;             /* bytes of ACT that prepare alone needs */
  uint64_t moment1, moment2, ema;   /* offsets in OPT, bytes; same layout as GRADS, ema as WEIGHTS; UINT64_MAX where absent */

  /* arena NONE where the mode has no such tensor */
  struct efme_tensor input;          /* IO batched: staged pixels, or features with from_features */
  struct efme_tensor labels;         /* IO batched i32 [1] */
  struct efme_tensor ids;            /* IO batched i32 [1]: the samples' indices, generator's `sample` */
  struct efme_tensor targets, sample_weights, alpha;
  struct efme_tensor features;       /* batched f32 [C], pooled; in IO for mode FEATURES, else ACT, valid only if tapped as "gap" */
  struct efme_tensor logits, probabilities; /* IO batched f32 [classes] */
  struct efme_tensor losses;         /* IO batched f32 [1]: L_n */
  struct efme_tensor sums;           /* IO f64 [4] +=: sum L_n, images, correct, batches; the caller clears it */
  struct efme_tensor penalty;        /* IO f64 [1] */
  struct efme_tensor step;           /* STEP */

  struct efme_plan_tap *taps;
  uint32_t tap_count;
  struct efme_plan_constant constants[4];
  uint32_t constant_count;
  char (*layers)[48];                /* names that efme_op.layer indexes */
  uint32_t layer_count, layer_capacity;
  struct efme_plan_buffer *buffers;
  uint32_t buffer_count;
  uint32_t group_count;              /* fused groups the backend claimed */
};

/* Errors: ARGUMENT (options), NOT_FOUND (a tap), UNSUPPORTED (an op that the backend declines; names layer and op), NOMEM. */
efme_status efme_plan_create(struct efme_plan **out, const struct efme_allocator *a, const struct efme_backend *backend,
                             const struct efme_arch *arch, const struct efme_plan_options *options);
void efme_plan_free(struct efme_plan *plan); /* NULL allowed */
/* Ops with their shapes, then buffers with lifetimes and offsets, then totals. */
efme_status efme_plan_print(const struct efme_plan *plan, char **text); /* efme_mem_free with the plan's allocator */
/* Of what is computed: the same for every backend, thread count and memory layout. Stands in checkpoints. */
uint64_t efme_plan_hash(const struct efme_plan *plan);
const struct efme_plan_tap *efme_plan_find_tap(const struct efme_plan *plan, const char *name); /* NULL: no such tap */
const char *efme_op_name(uint32_t kind);
uint64_t efme_tensor_bytes(const struct efme_tensor *t); /* of the planned maximum */
static inline int efme_tensor_present(const struct efme_tensor *t) { return t->arena != EFME_ARENA_NONE; }

#endif
