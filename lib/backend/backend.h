/* The backend seam: one table of functions over plain-data op descriptors.
 *
 * A backend owns memory (opaque buffers), answers which ops it supports, prepares a list of ops into a program and runs
 * it. Everything that inference and training do is an op, so a backend that fills this table has all of both, may defer
 * work until sync, and may record a program once and replay it: whatever changes from step to step lies in device memory
 * (struct efme_step and the input tensors), never in a descriptor. The library touches device memory only through
 * copy_in / copy_out / copy. The built-in CPU backend (lib/cpu) and loadable modules fill the same table.
 *
 * Numbers: float32 storage; reductions longer than a dot product in double, in an order that depends on shapes and batch
 * only. The result for one image never depends on the rest of the batch except through batch statistics. */
#ifndef EFME_BACKEND_H
#define EFME_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "efme/context.h"
#include "efme/status.h"

#define EFME_BACKEND_ABI 2u

/* Memory regions. A tensor names its region and an offset; run() binds regions to buffers. */
enum efme_arena {
  EFME_ARENA_NONE = 0,    /* "no tensor": an optional role left out */
  EFME_ARENA_WEIGHTS = 1, /* parameters and BN statistics, canonical layout (net/params.h) */
  EFME_ARENA_PACKED = 2,  /* what FOLD and PACK make from the weights; constant while a model infers */
  EFME_ARENA_GRADS = 3,   /* gradients, same offsets as the trainable part of WEIGHTS */
  EFME_ARENA_OPT = 4,     /* optimizer moments and EMA */
  EFME_ARENA_ACT = 5,     /* activations and workspace of one execution */
  EFME_ARENA_IO = 6,      /* inputs, labels, per-sample results */
  EFME_ARENA_STEP = 7,    /* struct efme_step */
  EFME_ARENA_COUNT = 8
};

enum efme_dtype { EFME_F32 = 0, EFME_U8 = 1, EFME_I32 = 2, EFME_F64 = 3 };

/* Dense NHWC. A BATCHED tensor has bindings.batch images of h x w x c (n is the planned maximum); others have n of them. */
enum { EFME_TENSOR_BATCHED = 1 };
struct efme_tensor {
  uint8_t arena, dtype;
  uint16_t flags;
  int32_t n, h, w, c;
  uint32_t reserved;
  uint64_t offset; /* bytes from the region's base, a multiple of 64 */
};

/* PRELU: x where x > 0, else GAMMA[c] x: of CONV and MATMUL only, and they need GAMMA for it. */
enum efme_act { EFME_ACT_NONE = 0, EFME_ACT_SWISH = 1, EFME_ACT_SIGMOID = 2, EFME_ACT_PRELU = 3 };

/* Roles: indices into efme_op.t. What each kind reads and writes stands beside it below; roles not named must be absent
 * (arena NONE), those in [brackets] are optional. */
enum efme_role {
  EFME_T_X = 0,      /* input activation */
  EFME_T_Y = 1,      /* output activation */
  EFME_T_W = 2,      /* weight, canonical layout */
  EFME_T_P = 3,      /* packed weight */
  EFME_T_BIAS = 4,   /* [N] */
  EFME_T_RES = 5,    /* added to the output, shape of Y; may be Y itself (accumulate) */
  EFME_T_GATE = 6,   /* batched 1 x 1 x C factor */
  EFME_T_SCALE = 7,  /* [C] */
  EFME_T_SHIFT = 8,  /* [C] */
  EFME_T_STAT = 9,   /* [2][C]: mean, 1/sqrt(variance + epsilon) */
  EFME_T_GAMMA = 10, /* [C] */
  EFME_T_BETA = 11,  /* [C] */
  EFME_T_MEAN = 12,  /* [C] moving mean */
  EFME_T_VAR = 13,   /* [C] moving variance */
  EFME_T_DY = 14,    /* gradient of the output */
  EFME_T_DX = 15,    /* gradient of the input */
  EFME_T_DW = 16,    /* parameter gradient, += */
  EFME_T_DB = 17,    /* second parameter gradient, += */
  EFME_T_POOL = 18,  /* batched 1 x 1 x C: spatial mean (forward), or its gradient (backward) */
  EFME_T_SUMS = 19,  /* [2][C] f64 of BN backward */
  EFME_T_ID = 20,    /* batched i32 [1]: the sample's index, the generator's `sample` */
  EFME_T_STEP = 21,  /* struct efme_step */
  EFME_T_WS = 22,    /* scratch of efme_op_needs.workspace bytes, garbage before and after */
  EFME_T_BOX = 23,   /* batched i32 [4]: x0 y0 x1 y1, the last two excluded */
  EFME_T_COUNT = 24
};

/* M = batch * h * w rows of the tensor at hand. act' is the derivative at the pre-activation. All formulas in float64 are
 * what lib/cpu/ref computes. f[] and i[] are attributes by the names below.
 *
 * kind              formula
 * FILL              Y = f[0]
 * ADD               Y = X + RES
 * INPUT             Y[n,y,x,:] f32 h x w x 3 from X u8 or f32, sh x sw x {1,3}: one bilinear sample (pixel centres, edge
 *                   replicated) of the resized and, with flag AUGMENT, transformed image; grey is replicated. Identity where sizes agree and
 *                   AUGMENT is off. With AUGMENT needs ID, STEP; f[] = flip probability, photometric probability, brightness,
 *                   contrast, rotation (radians), scale, shift (fraction of the side). Draws u0..u7 = unit_f32 of
 *                   philox(seed, AUGMENT, step.epoch, id, 0) and (.., 1), words in order: flip if u0 < f[0]; brightness
 *                   b = 1 + f[2](2u2-1) if u1 < f[1] else 1; contrast k = 1 + f[3](2u3-1) if u7 < f[1] else 1; angle a = f[4](2u4-1); scale s = 1 + f[5](2u5-1);
 *                   shift tx = f[6] w (2u6-1), ty = f[6] h (2v-1), v = unit_f32 of word 0 of (.., 2). With c = size/2, destination centre (x+.5, y+.5),
 *                   d = (x+.5-c_w-tx, y+.5-c_h-ty): source (before flip) = R(-a) d / s + c, R(-a) = [cos a, sin a; -sin a, cos a]; flip mirrors x
 *                   (x' = w - x); then scaled by sw/w, sh/h. Value = clamp(((v b) - 127.5) k + 127.5, 0, 255).
 *                   flag PER_VARIANT: epoch is taken from step.variant instead of step.epoch (fixed variants for cached features; variant 0 = no augmentation)
 * CONV              Y = act(conv(X * SCALE + SHIFT, W) + BIAS); W [kh][kw][C][N] (HWIO); zero padding *after* scale/shift.
 *                   X, W or P, Y, [SCALE, SHIFT], [BIAS], [GAMMA: slopes [N] of PRELU]. kh kw stride pad_top pad_left; bottom/right padding
 *                   follows from Y's size.
 * CONV_DW           DW += gradient of CONV's kernel. X, DY, DW, [SCALE, SHIFT], WS
 * MATMUL            Y[M,N] = act((X * GATE) W + BIAS) + RES; W [K][N], flag TRANSPOSED: W is stored [N][K]. X, W or P, Y, [BIAS],
 *                   [GATE: by image, over K], [RES], [GAMMA: slopes [N] of PRELU]. 1x1 convolutions, dense layers (h = w = 1) and their data gradients.
 * MATMUL_DW         DW[K,N] += (X * GATE)^T DY; DB[N] += column sums of DY. X, DY, DW, [GATE], [DB], WS
 * DWCONV            Y = act(depthwise(X, W) + BIAS); W [kh][kw][C]; POOL = spatial mean of Y. X, W, Y, [BIAS], [POOL]
 * DWCONV_DX         DX = gradient by X. DY, W, DX
 * DWCONV_DW         DW += gradient by W. X, DY, DW, WS
 * BN_STAT           STAT = mean and 1/sqrt(biased variance + f[1]) of X over M; flag UPDATE: MEAN, VAR = f[0] old + (1-f[0]) batch
 *                   (biased variance). flag FIXED: STAT from MEAN and VAR instead (no X). X, STAT, [MEAN, VAR], WS
 * BN_ACT            z = GAMMA (X - mean) rstd + BETA; a = act(z); POOL = spatial mean of a; Y = a * GATE * keep + RES.
 *                   flag DROPCONNECT: keep = 0 where u < f[0], else 1/(1-f[0]), u = unit_f32 of word 0 of philox(seed, DROPCONNECT,
 *                   step.epoch, id, i[0]). X, STAT, GAMMA, BETA, [Y], [POOL], [GATE], [RES], [ID, STEP]. Y may be absent (POOL only).
 * BN_REDUCE         dz = (DY * GATE * keep + POOL / (h w)) act'(z); SUMS = (sum dz, sum dz xhat) over M; DB += sum dz (beta), DW += sum dz xhat (gamma).
 *                   X, STAT, GAMMA, BETA, DY, SUMS, [DW, DB], [GATE], [POOL], [ID, STEP], WS
 * BN_DX             DX = GAMMA rstd (dz - (SUMS0 + xhat SUMS1) / M); flag FIXED: GAMMA rstd dz. roles of BN_REDUCE, DX. DX may be DY itself.
 * GATE_DX           DX[n,c] = sum over h,w of DY * act(z), z as BN_ACT. X, STAT, GAMMA, BETA, DY, DX (batched 1x1xC)
 * ACT               Y = act(X).   ACT_DX: DX = DY * act'(X)
 * POOL              Y[n,c] = spatial mean of X.   POOL_DX: DX = DY / (h w), DX's h, w
 * MAXPOOL           Y = largest of X's kh x kw window, stride; windows begin at (y stride, x stride) and are cut at X's edge, each has an
 *                   element: whether a last, partial window counts follows from Y's size. A NaN in the window gives NaN. Inference only: no gradient.
 * CROP              Y[n] f32 h x w x 3 = (mean - f[0]) f[1] of box n of the one image X (n = 1, not batched, u8 or f32, {1,3} channels; grey is
 *                   replicated): output (y, x) is the plain mean over rows floor(y H/h) .. ceil((y+1) H/h) of the box's H rows, columns alike. A box
 *                   is first cut to X, at least one pixel of it stays: x0 = min(max(x0, 0), w-1), x1 = min(max(x1, x0+1), w), y alike. Inference
 *                   only. X, BOX, Y
 * DROPOUT           Y = X * keep, keep by element: 0 where u < f[0] else 1/(1-f[0]); u = word (e & 3) of philox(seed, DROPOUT, step.epoch,
 *                   id, i[0] << 16 | e >> 2), e the element's index in its image. Its own gradient. X, Y, ID, STEP
 * SOFTMAX           Y = softmax(X * f[0])
 * LOSS              t = label-smoothed target: (1-f[1]) target + f[1]/N; target = one-hot of W i32 (batched [1]) or SCALE f32 (batched [N]);
 *                   L_n = -GATE_n sum_c t_c ALPHA_c (1-p_c)^f[0] log p_c, p = softmax(X). Y[n] = L_n; DX = d(mean over the batch of L)/dX;
 *                   SUMS f64 [4] += (sum L_n, batch, count of argmax = label, 1). X logits, Y, SUMS, [W], [SCALE], [GATE: per-sample weight [1]],
 *                   [BIAS: ALPHA [N], absent = 1], [DX], [P: probabilities]. Ties of argmax go to the lowest class.
 * PENALTY           SUMS f64 [1] = f[0] sum|W| + f[1] sum W^2 (set); DW += f[0] sign(W) + 2 f[1] W. W, SUMS, [DW], WS
 * OPTIMIZER         i[0] kind; W -= update(DW, X = first moment, Y = second moment) over W's elements, then DW = 0. Uses STEP. f[] = b1 (or
 *                   momentum, or rho), b2, epsilon, decoupled weight decay (times lr). See enum efme_optimizer_kind in efme/optimizer.h for the formulas.
 * EMA               Y = d Y + (1-d) X, d = step.ema_decay. X, Y, STEP
 * FOLD              Y = W * s, BIAS = BETA - MEAN s, s = GAMMA/sqrt(VAR + f[1]) along the last dimension. W, GAMMA, BETA, MEAN, VAR, Y, BIAS
 * PACK              P = backend's own layout of matrix X [K][N] (flag TRANSPOSED: for use by MATMUL TRANSPOSED) of efme_op_needs.packed bytes
 * GROUP             the next n_children ops as one fused op; see efme_backend_api.supports. [WS]. Once claimed, its leaves have no WS of their own, and
 *                   ACT tensors that only they touch have no memory: bit 62 of the offset is set, equal offsets name the same tensor. */
enum efme_op_kind {
  EFME_OP_FILL = 1, EFME_OP_ADD, EFME_OP_INPUT, EFME_OP_CONV, EFME_OP_CONV_DW, EFME_OP_MATMUL, EFME_OP_MATMUL_DW,
  EFME_OP_DWCONV, EFME_OP_DWCONV_DX, EFME_OP_DWCONV_DW, EFME_OP_BN_STAT, EFME_OP_BN_ACT, EFME_OP_BN_REDUCE,
  EFME_OP_BN_DX, EFME_OP_GATE_DX, EFME_OP_ACT, EFME_OP_ACT_DX, EFME_OP_POOL, EFME_OP_POOL_DX, EFME_OP_MAXPOOL, EFME_OP_CROP, EFME_OP_DROPOUT,
  EFME_OP_SOFTMAX, EFME_OP_LOSS, EFME_OP_PENALTY, EFME_OP_OPTIMIZER, EFME_OP_EMA, EFME_OP_FOLD, EFME_OP_PACK,
  EFME_OP_GROUP, EFME_OP_COUNT
};

enum efme_op_flag {
  EFME_OP_TRANSPOSED = 1, EFME_OP_UPDATE = 2, EFME_OP_FIXED = 4, EFME_OP_DROPCONNECT_ON = 8, EFME_OP_AUGMENT = 16, EFME_OP_PER_VARIANT = 32
};

struct efme_op {
  uint32_t size; /* sizeof(struct efme_op) */
  uint16_t kind, act;
  uint32_t flags;
  int32_t kh, kw, stride, pad_top, pad_left;
  uint32_t n_children; /* GROUP only */
  uint32_t layer;      /* index into the plan's layer names, for messages */
  float f[8];
  int64_t i[2];
  struct efme_tensor t[EFME_T_COUNT];
};

/* Device-resident scalars of one step, written by the host through copy_in before the step's program runs. */
struct efme_step {
  uint64_t seed;
  uint32_t epoch, variant;
  uint64_t step;             /* optimizer steps taken before this one */
  float lr;                  /* learning rate of this step, schedule applied */
  float correct1, correct2;  /* Adam: 1/(1 - b1^t), 1/(1 - b2^t), t = step + 1 of the phase */
  float ema_decay;
  uint32_t reserved[4];
};

struct efme_op_needs {
  size_t workspace; /* bytes of WS */
  size_t packed;    /* PACK: bytes of P. MATMUL, CONV: non-zero asks the planner to add a PACK op and hand P instead of W */
};

/* What the host gives a backend; lives as long as the backend. */
struct efme_backend_host {
  uint32_t size, abi; /* sizeof, EFME_BACKEND_ABI */
  uint32_t threads, cpu_level;
  efme_alloc_fn alloc;
  efme_free_fn free;
  void *alloc_user;
  efme_parallel_for_fn parallel_for; /* NULL: the backend makes its own pool of `threads` */
  void *parallel_user;
  const char *device; /* what follows the colon of "cuda:0", or NULL */
  void (*log)(void *log_user, int level, const char *message);
  void *log_user;
  efme_status (*fail)(efme_status status, const char *message); /* sets the calling thread's error text, returns status */
};

/* Regions bound for one run. Buffers come from alloc of the same backend. */
struct efme_bindings {
  uint32_t size;
  uint32_t batch;       /* images in this run, 1 .. the max_batch of prepare */
  uint32_t max_threads; /* 0: as many as the backend has; 1: the caller alone */
  uint32_t lanes;       /* 1 */
  void *arena[EFME_ARENA_COUNT];
  uint64_t lane_stride[EFME_ARENA_COUNT]; /* bytes between lanes of a region; unused with one lane */
};

/* All functions may be called from any thread; run() of one program or on one set of regions is not called twice at once.
 * `be` is the backend, errors are reported through host->fail.
 *
 * When what is done. Calls take effect one after the other, in the order in which they were made, but a backend may put off
 * run, copy and copy_in until copy_out or sync asks.
 *   - What a call was given is its caller's again when it returns: prepare has copied the ops, run the bindings, copy_in the
 *     bytes at src. So whatever the host changes afterwards is seen by later runs only, and only if it is copied in again.
 *   - free and release may name what put-off work still needs; the backend does that work first, or keeps it.
 *   - What fails late is answered by the copy_out or sync that waits for it. The backend may then be of no more use, and
 *     answer every later call with an error; free, release and close stay allowed.
 *   - Fresh memory holds anything, NaN included. ACT holds anything whenever a run begins: what a run left there is there for
 *     copy_out and copy until the next run on it. A run writes a region only where one of its ops has an output there.
 *   - A program is bound to the same buffers, lanes and threads in all of its runs; `batch` alone may differ. The programs of
 *     a training step, known by their GRADS, stay the same as long as that buffer. So a backend may record each program once
 *     for each batch size (two in an epoch: the full one and the last) and replay it. */
struct efme_backend_api {
  uint32_t size, abi; /* sizeof(struct efme_backend_api), EFME_BACKEND_ABI */
  const char *name;
  uint32_t (*device_count)(void);
  efme_status (*device_info)(uint32_t index, efme_device_info *out);
  efme_status (*open)(void **be, const struct efme_backend_host *host);
  void (*close)(void *be);
  uint32_t (*threads)(void *be);
  uint32_t (*level)(void *be); /* efme_cpu_level in use, 0 where it means nothing */
  efme_status (*alloc)(void *be, void **buffer, size_t size); /* contents undefined */
  void (*free)(void *be, void *buffer);
  efme_status (*copy_in)(void *be, void *buffer, size_t offset, const void *src, size_t size);
  efme_status (*copy_out)(void *be, const void *buffer, size_t offset, void *dst, size_t size); /* waits for what writes it */
  efme_status (*copy)(void *be, void *dst, size_t dst_offset, const void *src, size_t src_offset, size_t size);
  efme_status (*sync)(void *be);
  /* 1: will run op as described and fills *needs; 0: will not. For a GROUP, op[1] .. op[n_children] are its leaves; a
   * declined group is lowered to them. Needs no device memory. */
  int (*supports)(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs);
  /* Checks and copies the list; all later allocation is forbidden. */
  efme_status (*prepare)(void *be, void **program, const struct efme_op *ops, size_t count, uint32_t max_batch);
  efme_status (*run)(void *be, void *program, const struct efme_bindings *bindings);
  void (*release)(void *be, void *program);
};

/* The one symbol of a module: the table for this ABI, or NULL with *reason set. Must not start a device. */
#define EFME_BACKEND_ENTRY "efme_backend_entry"
typedef const struct efme_backend_api *(*efme_backend_entry_fn)(uint32_t abi, const char **reason);

/* ---- registry.c: what the library itself uses ---- */
extern const struct efme_backend_api efme_cpu_backend; /* lib/cpu */

struct efme_backend { /* an opened backend */
  const struct efme_backend_api *api;
  void *be;
  struct efme_backend_host host;
};
/* Opens `name` ("cpu", "cuda:0", "auto", a module's name); for auto, `chosen` is the line for the log, else "". */
efme_status efme_backend_open(struct efme_backend *out, const char *name, const struct efme_backend_host *host, char chosen[256]);
void efme_backend_close(struct efme_backend *b);

#endif
