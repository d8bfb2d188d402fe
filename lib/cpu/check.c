/* Is a descriptor well formed? Kernels trust what they get, so every size that they rely on is compared here, once, at
 * prepare: roles that a kind needs or may have, element types, and the relations between shapes. */
#include <stdio.h>

#include "cpu/cpu.h"

#define B(role) (1u << EFME_T_##role)

struct rule {
  uint32_t required, optional;
};

#define BN_IN (B(X) | B(STAT) | B(GAMMA) | B(BETA))
#define BN_BACK (B(DW) | B(DB) | B(GATE) | B(POOL) | B(ID) | B(STEP))

static const struct rule rules[EFME_OP_COUNT] = {
    [EFME_OP_FILL] = {B(Y), 0},
    [EFME_OP_ADD] = {B(X) | B(RES) | B(Y), 0},
    [EFME_OP_INPUT] = {B(X) | B(Y), B(ID) | B(STEP)},
    [EFME_OP_CONV] = {B(X) | B(Y), B(W) | B(P) | B(SCALE) | B(SHIFT) | B(BIAS) | B(GAMMA)},
    [EFME_OP_CONV_DW] = {B(X) | B(DY) | B(DW), B(SCALE) | B(SHIFT)},
    [EFME_OP_MATMUL] = {B(X) | B(Y), B(W) | B(P) | B(BIAS) | B(GATE) | B(RES) | B(GAMMA)},
    [EFME_OP_MATMUL_DW] = {B(X) | B(DY) | B(DW), B(GATE) | B(DB)},
    [EFME_OP_DWCONV] = {B(X) | B(W) | B(Y), B(BIAS) | B(POOL)},
    [EFME_OP_DWCONV_DX] = {B(DY) | B(W) | B(DX), 0},
    [EFME_OP_DWCONV_DW] = {B(X) | B(DY) | B(DW), 0},
    [EFME_OP_BN_STAT] = {B(STAT), B(X) | B(MEAN) | B(VAR)},
    [EFME_OP_BN_ACT] = {BN_IN, B(Y) | B(POOL) | B(GATE) | B(RES) | B(ID) | B(STEP)},
    [EFME_OP_BN_REDUCE] = {BN_IN | B(DY) | B(SUMS), BN_BACK},
    [EFME_OP_BN_DX] = {BN_IN | B(DY) | B(DX), BN_BACK | B(SUMS)},
    [EFME_OP_GATE_DX] = {BN_IN | B(DY) | B(DX), 0},
    [EFME_OP_ACT] = {B(X) | B(Y), 0},
    [EFME_OP_ACT_DX] = {B(X) | B(DY) | B(DX), 0},
    [EFME_OP_POOL] = {B(X) | B(Y), 0},
    [EFME_OP_POOL_DX] = {B(DY) | B(DX), 0},
    [EFME_OP_MAXPOOL] = {B(X) | B(Y), 0},
    [EFME_OP_CROP] = {B(X) | B(BOX) | B(Y), 0},
    [EFME_OP_DROPOUT] = {B(X) | B(Y) | B(ID) | B(STEP), 0},
    [EFME_OP_SOFTMAX] = {B(X) | B(Y), 0},
    [EFME_OP_LOSS] = {B(X) | B(Y) | B(SUMS), B(W) | B(SCALE) | B(GATE) | B(BIAS) | B(DX) | B(P)},
    [EFME_OP_PENALTY] = {B(W) | B(SUMS), B(DW)},
    [EFME_OP_OPTIMIZER] = {B(W) | B(DW) | B(STEP), B(X) | B(Y)},
    [EFME_OP_EMA] = {B(X) | B(Y) | B(STEP), 0},
    [EFME_OP_FOLD] = {B(W) | B(GAMMA) | B(BETA) | B(MEAN) | B(VAR) | B(Y) | B(BIAS), 0},
    [EFME_OP_PACK] = {B(X), B(P)},
};

static const char *const names[EFME_T_COUNT] = {"X",     "Y",    "W",   "P",  "BIAS", "RES", "GATE", "SCALE", "SHIFT", "STAT", "GAMMA", "BETA",
                                                "MEAN",  "VAR",  "DY",  "DX", "DW",   "DB",  "POOL", "SUMS",  "ID",    "STEP", "WS",    "BOX"};

/* The state of one check: the first complaint is kept. */
struct check {
  const struct efme_op *op;
  char *message;
  size_t size;
  int ok;
};

static int complain(struct check *k, const char *what, int role) {
  if (k->ok) snprintf(k->message, k->size, "%s%s%s", role >= 0 ? names[role] : "", role >= 0 ? ": " : "", what);
  k->ok = 0;
  return 0;
}

static int has(const struct check *k, int role) { return k->op->t[role].arena != EFME_ARENA_NONE; }

static int64_t image_elements(const struct efme_tensor *t) { return (int64_t)t->h * t->w * t->c; }

static int64_t elements(const struct efme_tensor *t) { return t->n * image_elements(t); }

static size_t bytes(const struct efme_tensor *t) {
  static const uint8_t width[] = {4, 1, 4, 8};
  return (size_t)elements(t) * width[t->dtype];
}

static void tensor(struct check *k, int role) {
  const struct efme_tensor *t = &k->op->t[role];
  if (t->arena >= EFME_ARENA_COUNT) complain(k, "unknown memory region", role);
  else if (t->dtype > EFME_F64) complain(k, "unknown element type", role);
  else if (t->n < 1 || t->h < 1 || t->w < 1 || t->c < 1) complain(k, "a dimension is below 1", role);
  else if ((int64_t)t->h * t->w > INT32_MAX || image_elements(t) > INT32_MAX || elements(t) > (int64_t)1 << 40) complain(k, "too large", role);
  else if (t->offset % 64 && role != EFME_T_WS) complain(k, "offset is no multiple of 64", role);
}

static void dtype(struct check *k, int role, int want) {
  if (has(k, role) && k->op->t[role].dtype != want) complain(k, "wrong element type", role);
}

/* Everything but the roles named here is float32. */
static void dtypes(struct check *k) {
  uint16_t kind = k->op->kind;
  for (int r = 0; r < EFME_T_COUNT; r++) {
    if (r == EFME_T_SUMS) dtype(k, r, EFME_F64);
    else if (r == EFME_T_ID || r == EFME_T_BOX || (r == EFME_T_W && kind == EFME_OP_LOSS)) dtype(k, r, EFME_I32);
    else if (r == EFME_T_X && (kind == EFME_OP_INPUT || kind == EFME_OP_CROP)) {
      if (k->op->t[r].dtype != EFME_U8 && k->op->t[r].dtype != EFME_F32) complain(k, "wrong element type", r);
    } else if (r != EFME_T_STEP && r != EFME_T_WS && !(r == EFME_T_P && kind != EFME_OP_LOSS)) dtype(k, r, EFME_F32);
  }
}

/* role holds `count` elements that are not per image. */
static void vector(struct check *k, int role, int64_t count) {
  if (!has(k, role)) return;
  const struct efme_tensor *t = &k->op->t[role];
  if (t->flags & EFME_TENSOR_BATCHED) complain(k, "must not be batched", role);
  else if (elements(t) != count) complain(k, "wrong number of elements", role);
}

/* a and b hold the same images: both batched or the same n. */
static void images(struct check *k, int a, int b) {
  if (!has(k, a) || !has(k, b)) return;
  const struct efme_tensor *p = &k->op->t[a], *q = &k->op->t[b];
  if ((p->flags ^ q->flags) & EFME_TENSOR_BATCHED || (!(p->flags & EFME_TENSOR_BATCHED) && p->n != q->n)) complain(k, "another number of images", b);
}

static void same(struct check *k, int a, int b) {
  if (!has(k, a) || !has(k, b)) return;
  const struct efme_tensor *p = &k->op->t[a], *q = &k->op->t[b];
  images(k, a, b);
  if (p->h != q->h || p->w != q->w || p->c != q->c) complain(k, "another shape", b);
}

/* role is 1 x 1 x c for each image of `of`. */
static void per_image(struct check *k, int role, int of, int64_t c) {
  if (!has(k, role)) return;
  images(k, of, role);
  if (image_elements(&k->op->t[role]) != c) complain(k, "wrong number of elements in an image", role);
}

static void window(struct check *k, int in, int out) {
  const struct efme_op *op = k->op;
  images(k, in, out);
  if (op->kh < 1 || op->kw < 1 || op->kh > 255 || op->kw > 255 || op->stride < 1 || op->stride > 255) complain(k, "bad window or stride", -1);
  else if (op->pad_top < 0 || op->pad_left < 0 || op->pad_top >= op->kh || op->pad_left >= op->kw) complain(k, "bad padding", -1);
}

static void rows_match(struct check *k, int a, int b) {
  images(k, a, b);
  if (k->op->t[a].h != k->op->t[b].h || k->op->t[a].w != k->op->t[b].w) complain(k, "another number of rows", b);
}

/* The slopes of PRELU: there exactly where the activation asks for them. */
static void slopes(struct check *k, int64_t n) {
  int prelu = k->op->act == EFME_ACT_PRELU;
  if (prelu != has(k, EFME_T_GAMMA)) complain(k, prelu ? "missing" : "not without PRELU", EFME_T_GAMMA);
  vector(k, EFME_T_GAMMA, n);
}

static void conv_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  int back = op->kind == EFME_OP_CONV_DW, y = back ? EFME_T_DY : EFME_T_Y;
  int64_t c = op->t[EFME_T_X].c, n = op->t[y].c;
  window(k, EFME_T_X, y);
  if ((int64_t)op->kh * op->kw * c > EFME_CPU_MAX_WINDOW) complain(k, "window times channels above 12288", -1);
  if (!back && has(k, EFME_T_W) == has(k, EFME_T_P)) complain(k, "needs W or P", -1);
  vector(k, back ? EFME_T_DW : EFME_T_W, (int64_t)op->kh * op->kw * c * n);
  vector(k, EFME_T_SCALE, c);
  vector(k, EFME_T_SHIFT, c);
  if (back) return;
  vector(k, EFME_T_BIAS, n);
  slopes(k, n);
}

static void matmul_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  int back = op->kind == EFME_OP_MATMUL_DW, y = back ? EFME_T_DY : EFME_T_Y;
  int64_t c = op->t[EFME_T_X].c, n = op->t[y].c;
  rows_match(k, EFME_T_X, y);
  if (!back && has(k, EFME_T_W) == has(k, EFME_T_P)) complain(k, "needs W or P", -1);
  vector(k, back ? EFME_T_DW : EFME_T_W, c * n);
  per_image(k, EFME_T_GATE, EFME_T_X, c);
  if (back) vector(k, EFME_T_DB, n);
  else {
    vector(k, EFME_T_BIAS, n);
    slopes(k, n);
    same(k, EFME_T_Y, EFME_T_RES);
  }
}

static void depthwise_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  int in = op->kind == EFME_OP_DWCONV_DX ? EFME_T_DX : EFME_T_X, out = op->kind == EFME_OP_DWCONV ? EFME_T_Y : EFME_T_DY;
  int64_t c = op->t[in].c;
  window(k, in, out);
  if (op->t[out].c != c) complain(k, "another number of channels", out);
  vector(k, op->kind == EFME_OP_DWCONV_DW ? EFME_T_DW : EFME_T_W, (int64_t)op->kh * op->kw * c);
  if (op->kind == EFME_OP_DWCONV) {
    vector(k, EFME_T_BIAS, c);
    per_image(k, EFME_T_POOL, EFME_T_Y, c);
  }
}

static void bn_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  int fixed = (op->flags & EFME_OP_FIXED) != 0, stat = op->kind == EFME_OP_BN_STAT;
  int64_t c = has(k, EFME_T_X) ? op->t[EFME_T_X].c : elements(&op->t[EFME_T_STAT]) / 2;
  vector(k, EFME_T_STAT, 2 * c);
  for (int r = EFME_T_GAMMA; r <= EFME_T_VAR; r++) vector(k, r, c);
  if (stat && !fixed && !has(k, EFME_T_X)) complain(k, "missing", EFME_T_X);
  if (stat && (fixed || (op->flags & EFME_OP_UPDATE)) && !(has(k, EFME_T_MEAN) && has(k, EFME_T_VAR))) complain(k, "missing", EFME_T_MEAN);
  if (stat) return;
  if (op->kind == EFME_OP_GATE_DX) per_image(k, EFME_T_DX, EFME_T_X, c);
  else same(k, EFME_T_X, EFME_T_DX);
  same(k, EFME_T_X, EFME_T_Y);
  same(k, EFME_T_X, EFME_T_DY);
  same(k, EFME_T_X, EFME_T_RES);
  per_image(k, EFME_T_GATE, EFME_T_X, c);
  per_image(k, EFME_T_POOL, EFME_T_X, c);
  vector(k, EFME_T_DW, c);
  vector(k, EFME_T_DB, c);
  vector(k, EFME_T_SUMS, 2 * c);
  if (op->kind == EFME_OP_BN_DX && !fixed && !has(k, EFME_T_SUMS)) complain(k, "missing", EFME_T_SUMS);
  if ((op->flags & EFME_OP_DROPCONNECT_ON) && !(has(k, EFME_T_ID) && has(k, EFME_T_STEP))) complain(k, "drop-connect needs ID and STEP", -1);
  per_image(k, EFME_T_ID, EFME_T_X, 1);
}

static void loss_shapes(struct check *k) {
  int64_t n = image_elements(&k->op->t[EFME_T_X]);
  if (k->op->t[EFME_T_X].c != n) complain(k, "not 1 x 1", EFME_T_X);
  if (!has(k, EFME_T_W) && !has(k, EFME_T_SCALE)) complain(k, "needs labels in W or targets in SCALE", -1);
  per_image(k, EFME_T_Y, EFME_T_X, 1);
  per_image(k, EFME_T_W, EFME_T_X, 1);
  per_image(k, EFME_T_GATE, EFME_T_X, 1);
  per_image(k, EFME_T_SCALE, EFME_T_X, n);
  per_image(k, EFME_T_DX, EFME_T_X, n);
  per_image(k, EFME_T_P, EFME_T_X, n);
  vector(k, EFME_T_BIAS, n);
  vector(k, EFME_T_SUMS, 4);
}

static void input_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  int32_t c = op->t[EFME_T_X].c;
  images(k, EFME_T_X, EFME_T_Y);
  if (c != 1 && c != 3) complain(k, "1 or 3 channels", EFME_T_X);
  if (op->t[EFME_T_Y].c != 3) complain(k, "3 channels", EFME_T_Y);
  if ((op->flags & EFME_OP_AUGMENT) && !(has(k, EFME_T_ID) && has(k, EFME_T_STEP))) complain(k, "augmentation needs ID and STEP", -1);
  per_image(k, EFME_T_ID, EFME_T_X, 1);
}

static void maxpool_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  const struct efme_tensor *x = &op->t[EFME_T_X], *y = &op->t[EFME_T_Y];
  window(k, EFME_T_X, EFME_T_Y);
  if (op->pad_top || op->pad_left) complain(k, "MAXPOOL has no padding", -1);
  if (x->c != y->c) complain(k, "another number of channels", EFME_T_Y);
  if ((int64_t)(y->h - 1) * op->stride >= x->h || (int64_t)(y->w - 1) * op->stride >= x->w) complain(k, "a window without elements", EFME_T_Y);
}

static void crop_shapes(struct check *k) {
  const struct efme_tensor *x = &k->op->t[EFME_T_X];
  if (x->flags & EFME_TENSOR_BATCHED || x->n != 1) complain(k, "one image, not batched", EFME_T_X);
  if (x->c != 1 && x->c != 3) complain(k, "1 or 3 channels", EFME_T_X);
  if (k->op->t[EFME_T_Y].c != 3) complain(k, "3 channels", EFME_T_Y);
  per_image(k, EFME_T_BOX, EFME_T_Y, 4);
}

/* W, DW, X, Y: whatever is there has as many elements as `of`. */
static void range_shapes(struct check *k, int of) {
  int64_t n = elements(&k->op->t[of]);
  vector(k, EFME_T_W, n);
  vector(k, EFME_T_DW, n);
  vector(k, EFME_T_X, n);
  vector(k, EFME_T_Y, n);
}

static void other_shapes(struct check *k) {
  const struct efme_op *op = k->op;
  switch (op->kind) {
  case EFME_OP_ADD: same(k, EFME_T_Y, EFME_T_RES); /* fall through */
  case EFME_OP_ACT:
  case EFME_OP_DROPOUT:
  case EFME_OP_SOFTMAX: same(k, EFME_T_X, EFME_T_Y); break;
  case EFME_OP_ACT_DX: same(k, EFME_T_X, EFME_T_DY), same(k, EFME_T_X, EFME_T_DX); break;
  case EFME_OP_POOL: per_image(k, EFME_T_Y, EFME_T_X, op->t[EFME_T_X].c); break;
  case EFME_OP_POOL_DX: per_image(k, EFME_T_DY, EFME_T_DX, op->t[EFME_T_DX].c); break;
  case EFME_OP_MAXPOOL: maxpool_shapes(k); break;
  case EFME_OP_CROP: crop_shapes(k); break;
  case EFME_OP_LOSS: loss_shapes(k); break;
  case EFME_OP_INPUT: input_shapes(k); break;
  case EFME_OP_PENALTY: range_shapes(k, EFME_T_W), vector(k, EFME_T_SUMS, 1); break;
  case EFME_OP_OPTIMIZER: range_shapes(k, EFME_T_W); break;
  case EFME_OP_EMA: range_shapes(k, EFME_T_X); break;
  case EFME_OP_FOLD: {
    int64_t c = op->t[EFME_T_W].c, n = elements(&op->t[EFME_T_W]);
    vector(k, EFME_T_Y, n);
    for (int r = EFME_T_GAMMA; r <= EFME_T_VAR; r++) vector(k, r, c);
    vector(k, EFME_T_BIAS, c);
    break;
  }
  default: break;
  }
  if (op->kind == EFME_OP_DROPOUT) per_image(k, EFME_T_ID, EFME_T_X, 1);
}

static void shapes(struct check *k) {
  switch (k->op->kind) {
  case EFME_OP_CONV:
  case EFME_OP_CONV_DW: conv_shapes(k); break;
  case EFME_OP_MATMUL:
  case EFME_OP_MATMUL_DW: matmul_shapes(k); break;
  case EFME_OP_DWCONV:
  case EFME_OP_DWCONV_DX:
  case EFME_OP_DWCONV_DW: depthwise_shapes(k); break;
  case EFME_OP_BN_STAT:
  case EFME_OP_BN_ACT:
  case EFME_OP_BN_REDUCE:
  case EFME_OP_BN_DX:
  case EFME_OP_GATE_DX: bn_shapes(k); break;
  default: other_shapes(k); break;
  }
}

int efme_cpu_check(const struct efme_op *op, const struct efme_cpu_needs *needs, char *message, size_t size) {
  struct check k = {op, message, size, 1};
  if (op->kind == 0 || op->kind >= EFME_OP_COUNT || !rules[op->kind].required) return complain(&k, "unknown kind", -1);
  if (op->act > EFME_ACT_PRELU) return complain(&k, "unknown activation", -1);
  if (op->act == EFME_ACT_PRELU && op->kind != EFME_OP_CONV && op->kind != EFME_OP_MATMUL) return complain(&k, "PRELU is of CONV and MATMUL only", -1);
  const struct rule *rule = &rules[op->kind];
  for (int r = 0; r < EFME_T_COUNT; r++) {
    int allowed = ((rule->required | rule->optional | B(WS)) >> r) & 1;
    if (has(&k, r) && !allowed) complain(&k, "not a role of this kind", r);
    else if (has(&k, r)) tensor(&k, r);
    else if (rule->required >> r & 1) complain(&k, "missing", r);
  }
  if (!k.ok) return 0;
  dtypes(&k);
  shapes(&k);
  if (!needs) return k.ok;
  /* At prepare the sizes that we asked for must be there as well. */
  if (needs->workspace && (!has(&k, EFME_T_WS) || bytes(&op->t[EFME_T_WS]) < needs->workspace)) complain(&k, "missing or too small", EFME_T_WS);
  if (op->kind == EFME_OP_PACK && !has(&k, EFME_T_P)) complain(&k, "missing", EFME_T_P);
  if (op->kind != EFME_OP_LOSS && has(&k, EFME_T_P) && bytes(&op->t[EFME_T_P]) < needs->packed) complain(&k, "too small", EFME_T_P);
  return k.ok;
}
