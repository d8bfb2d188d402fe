/* The walk's cases, kind by kind. Lists rotate against each other, so that every channel count meets every option and every spatial
 * size within a walk of seconds. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "util/util.h"

static const int32_t channels[] = {1, 3, 4, 6, 10, 16, 20, 28, 32, 40, 96, 144, 240, 480, 672, 1152, 1280};
static const uint32_t batches[] = {1, 2, 3, 5, 8, 16, 17, 4, 7};
static const int32_t sides[][2] = {{1, 1}, {3, 5}, {6, 6}, {7, 7}, {1, 9}, {12, 12}, {9, 1}, {13, 11}, {24, 24}, {5, 30}};
#define CHANNELS EFME_COUNT(channels)
#define EACH_CHANNEL(k) for (size_t k = 0; k < CHANNELS; k++)

struct spot { /* a place on the rotating lists */
  uint32_t batch;
  int32_t h, w;
};

/* The i-th place whose tensor of ch channels has at most `limit` elements. */
static struct spot spot(size_t i, int64_t ch, int64_t limit) {
  struct spot s = {batches[i * 5 % EFME_COUNT(batches)], sides[i * 3 % EFME_COUNT(sides)][0], sides[i * 3 % EFME_COUNT(sides)][1]};
  while ((int64_t)s.batch * s.h * s.w * ch > limit && s.h * s.w > 1) {
    if (s.h >= s.w) s.h = (s.h + 1) / 2;
    else s.w = (s.w + 1) / 2;
  }
  return s;
}

/* Tensors too large for one thread's while: kernels cut these, whatever their channels. */
static const int32_t cut_channels[] = {1, 10, 28, 144, 672};
static struct spot cut_spot(size_t i) {
  static const int32_t side[] = {220, 71, 42, 19, 8}; /* about 150 000 elements in three images, not square */
  return (struct spot){3, side[i], side[i] + 1};
}

struct kernel_case kernel_case_begin(int kind, uint32_t batch) {
  struct kernel_case c;
  memset(&c, 0, sizeof c);
  c.op.size = sizeof c.op;
  c.op.kind = (uint16_t)kind;
  c.batch = batch;
  c.alias = c.alias_of = -1;
  c.terms = 1;
  return c;
}

static struct efme_tensor tensor(int arena, int dtype, int flags, int32_t n, int32_t h, int32_t w, int32_t c) {
  struct efme_tensor t = {(uint8_t)arena, (uint8_t)dtype, (uint16_t)flags, n, h, w, c, 0, 0};
  return t;
}

void kernel_batched(struct kernel_case *c, int role, int32_t h, int32_t w, int32_t ch) {
  c->op.t[role] = tensor(EFME_ARENA_ACT, EFME_F32, EFME_TENSOR_BATCHED, (int32_t)c->batch, h, w, ch);
}

void kernel_param(struct kernel_case *c, int role, int arena, int32_t n, int32_t h, int32_t w, int32_t ch) {
  c->op.t[role] = tensor(arena, EFME_F32, 0, n, h, w, ch);
}

static void vector(struct kernel_case *c, int role, int32_t ch) {
  kernel_param(c, role, role == EFME_T_DW || role == EFME_T_DB ? EFME_ARENA_GRADS : EFME_ARENA_WEIGHTS, 1, 1, 1, ch);
}

void kernel_ids(struct kernel_case *c) {
  c->op.t[EFME_T_ID] = tensor(EFME_ARENA_IO, EFME_I32, EFME_TENSOR_BATCHED, (int32_t)c->batch, 1, 1, 1);
  c->op.t[EFME_T_STEP] = tensor(EFME_ARENA_STEP, EFME_U8, 0, 1, 1, 1, sizeof(struct efme_step));
}

static void sums(struct kernel_case *c, int32_t n, int32_t ch) { c->op.t[EFME_T_SUMS] = tensor(EFME_ARENA_ACT, EFME_F64, 0, n, 1, 1, ch); }

void kernel_case_end(struct kernel_case *c, const char *note, kernel_case_fn fn, void *user) {
  int used = snprintf(c->name, sizeof c->name, "%s b%u", efme_ref_kind_name(c->op.kind), c->batch);
  static const int shown[] = {EFME_T_X, EFME_T_W, EFME_T_Y, EFME_T_DY, EFME_T_DX, EFME_T_DW};
  for (size_t k = 0; k < EFME_COUNT(shown) && used < 120; k++) {
    const struct efme_tensor *t = &c->op.t[shown[k]];
    if (t->arena)
      used += snprintf(c->name + used, sizeof c->name - (size_t)used, " %s %dx%dx%d", efme_ref_role_name(shown[k]), t->h, t->w, t->c);
  }
  snprintf(c->name + used, sizeof c->name - (size_t)used, " act%d flags%u %s", c->op.act, c->op.flags, note);
  fn(c, user);
}

/* ---- products ---- */

static void matmul(int32_t k, int32_t n, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = kernel_case_begin(EFME_OP_MATMUL, s.batch);
  int flip = turn % 3 == 1;
  c.op.act = (uint16_t)(turn % 4 == 2 ? 0 : turn % 5 == 3 ? EFME_ACT_PRELU : turn % 3);
  if (c.op.act == EFME_ACT_PRELU) vector(&c, EFME_T_GAMMA, n);
  c.op.flags = flip ? EFME_OP_TRANSPOSED : 0;
  c.terms = k;
  c.flops = 2.0 * s.batch * s.h * s.w * k * n;
  kernel_batched(&c, EFME_T_X, s.h, s.w, k);
  kernel_batched(&c, EFME_T_Y, s.h, s.w, n);
  kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, 1, 1, flip ? n : k, flip ? k : n);
  if (turn & 1) vector(&c, EFME_T_BIAS, n);
  if (turn / 2 & 1) kernel_batched(&c, EFME_T_GATE, 1, 1, k);
  if (turn / 4 & 1) kernel_batched(&c, EFME_T_RES, s.h, s.w, n);
  if (turn / 4 % 4 == 1) c.alias = EFME_T_RES, c.alias_of = EFME_T_Y;
  kernel_case_end(&c, c.alias >= 0 ? "Y+=" : turn / 4 & 1 ? "res" : "", fn, user);
}

static void matmul_cases(kernel_case_fn fn, void *user) {
  size_t turn = 0;
  EACH_CHANNEL(i)
  EACH_CHANNEL(j) {
    int64_t limit = EFME_MAX(8000000 / channels[i] / channels[j], 17);
    matmul(channels[i], channels[j], spot(turn, 1, limit), turn, fn, user);
    turn += turn % 5 ? 1 : 2; /* out of step with both lists */
  }
  for (int32_t hw = 1; hw <= 40; hw++) /* every row tail */
    matmul(20, 24, (struct spot){1, hw, 1}, (size_t)hw, fn, user);
  for (int32_t n = 1; n <= 70; n++) matmul(19, n, (struct spot){2, 3, 3}, (size_t)n * 3, fn, user);
}

static void matmul_dw(int32_t k, int32_t n, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = kernel_case_begin(EFME_OP_MATMUL_DW, s.batch);
  c.terms = (double)s.batch * s.h * s.w;
  c.flops = 2.0 * c.terms * k * n;
  kernel_batched(&c, EFME_T_X, s.h, s.w, k);
  kernel_batched(&c, EFME_T_DY, s.h, s.w, n);
  kernel_param(&c, EFME_T_DW, EFME_ARENA_GRADS, 1, 1, k, n);
  if (turn & 1) vector(&c, EFME_T_DB, n);
  if (turn / 2 & 1) kernel_batched(&c, EFME_T_GATE, 1, 1, k);
  kernel_case_end(&c, turn & 1 ? "db" : "", fn, user);
}

static void matmul_dw_cases(kernel_case_fn fn, void *user) {
  size_t turn = 0;
  EACH_CHANNEL(i)
  EACH_CHANNEL(j) {
    matmul_dw(channels[i], channels[j], spot(turn, 1, EFME_MAX(6000000 / channels[i] / channels[j], 17)), turn, fn, user);
    turn += turn % 5 ? 1 : 2;
  }
  matmul_dw(16, 24, (struct spot){17, 56, 55}, 3, fn, user); /* a long sum */
}

static void conv(int kind, int32_t cin, int32_t cout, int32_t k, int32_t stride, struct spot s, size_t turn, kernel_case_fn fn,
                 void *user) {
  struct kernel_case c = kernel_case_begin(kind, s.batch);
  int back = kind == EFME_OP_CONV_DW;
  c.op.kh = c.op.kw = k;
  c.op.stride = stride;
  c.op.pad_top = turn % 3 == 2 ? 0 : k / 2;
  c.op.pad_left = turn % 4 == 3 ? 0 : k / 2;
  int32_t oh = (s.h + stride - 1) / stride, ow = (s.w + stride - 1) / stride;
  c.terms = back ? (double)s.batch * oh * ow : k * k * cin;
  c.flops = 2.0 * s.batch * oh * ow * k * k * cin * cout;
  kernel_batched(&c, EFME_T_X, s.h, s.w, cin);
  kernel_batched(&c, back ? EFME_T_DY : EFME_T_Y, oh, ow, cout);
  kernel_param(&c, back ? EFME_T_DW : EFME_T_W, back ? EFME_ARENA_GRADS : EFME_ARENA_WEIGHTS, k, k, cin, cout);
  if (turn & 1) vector(&c, EFME_T_SCALE, cin), vector(&c, EFME_T_SHIFT, cin);
  if (turn / 2 & 1 && !back) vector(&c, EFME_T_BIAS, cout), c.op.act = turn / 4 & 1 ? EFME_ACT_PRELU : EFME_ACT_SWISH;
  if (c.op.act == EFME_ACT_PRELU) vector(&c, EFME_T_GAMMA, cout);
  char note[64];
  snprintf(note, sizeof note, "k%d s%d pad%d,%d%s", k, stride, c.op.pad_top, c.op.pad_left, turn & 1 ? " scaled" : "");
  kernel_case_end(&c, note, fn, user);
}

static void conv_cases(int kind, kernel_case_fn fn, void *user) {
  static const int32_t inputs[] = {3, 1, 4, 7}, outputs[] = {32, 1, 3, 10, 16, 40, 96};
  size_t turn = 0;
  for (size_t i = 0; i < EFME_COUNT(inputs); i++)
    for (size_t j = 0; j < EFME_COUNT(outputs); j++)
      for (int32_t k = 3; k <= 5; k += 2)
        for (int32_t stride = 1; stride <= 2; stride++, turn++)
          conv(kind, inputs[i], outputs[j], k, stride, spot(turn, outputs[j], 9000), turn, fn, user);
  conv(kind, 3, 32, 3, 2, (struct spot){2, 75, 57}, 3, fn, user); /* the stem, odd and not square */
  conv(kind, 3, 32, 3, 2, (struct spot){3, 48, 48}, 5, fn, user);
}

static void depthwise(int kind, int32_t ch, int32_t k, int32_t stride, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = kernel_case_begin(kind, s.batch);
  int32_t oh = (s.h + stride - 1) / stride, ow = (s.w + stride - 1) / stride;
  c.op.kh = c.op.kw = k;
  c.op.stride = stride;
  c.op.pad_top = stride == 2 && s.h % 2 == 0 && turn % 2 ? k / 2 - 1 : k / 2; /* Keras' same for even sizes, or symmetric */
  c.op.pad_left = stride == 2 && s.w % 2 == 0 && turn % 2 ? k / 2 - 1 : k / 2;
  c.terms = kind == EFME_OP_DWCONV_DW ? (double)s.batch * oh * ow : k * k;
  c.flops = 2.0 * s.batch * oh * ow * k * k * ch;
  kernel_batched(&c, kind == EFME_OP_DWCONV_DX ? EFME_T_DX : EFME_T_X, s.h, s.w, ch);
  kernel_batched(&c, kind == EFME_OP_DWCONV ? EFME_T_Y : EFME_T_DY, oh, ow, ch);
  kernel_param(&c, kind == EFME_OP_DWCONV_DW ? EFME_T_DW : EFME_T_W, kind == EFME_OP_DWCONV_DW ? EFME_ARENA_GRADS : EFME_ARENA_WEIGHTS, 1,
               k, k, ch);
  if (kind == EFME_OP_DWCONV) {
    c.op.act = (uint16_t)(turn % 3);
    if (turn / 2 & 1) vector(&c, EFME_T_BIAS, ch);
    if (turn / 3 & 1) kernel_batched(&c, EFME_T_POOL, 1, 1, ch);
  }
  char note[64];
  snprintf(note, sizeof note, "k%d s%d pad%d,%d", k, stride, c.op.pad_top, c.op.pad_left);
  kernel_case_end(&c, note, fn, user);
}

static void depthwise_cases(int kind, kernel_case_fn fn, void *user) {
  size_t turn = 0;
  EACH_CHANNEL(i)
  for (int32_t k = 3; k <= 5; k += 2)
    for (int32_t stride = 1; stride <= 2; stride++)
      for (int more = 0; more < 3; more++, turn++) depthwise(kind, channels[i], k, stride, spot(turn, channels[i], 40000), turn, fn, user);
  depthwise(kind, 96, 3, 2, (struct spot){3, 38, 29}, 1, fn, user);
  depthwise(kind, 32, 3, 1, (struct spot){2, 56, 56}, 4, fn, user);
  for (size_t i = 0; i < EFME_COUNT(cut_channels); i++)
    depthwise(kind, cut_channels[i], i & 1 ? 5 : 3, i & 2 ? 2 : 1, cut_spot(i), 2 * i + 1, fn, user);
}

/* ---- batch normalisation ---- */

static struct kernel_case bn_begin(int kind, int32_t ch, struct spot s) {
  struct kernel_case c = kernel_case_begin(kind, s.batch);
  c.op.f[1] = 1e-3f;
  c.terms = (double)s.batch * s.h * s.w;
  kernel_batched(&c, EFME_T_X, s.h, s.w, ch);
  kernel_param(&c, EFME_T_STAT, EFME_ARENA_ACT, 2, 1, 1, ch);
  if (kind == EFME_OP_BN_STAT) return c;
  vector(&c, EFME_T_GAMMA, ch);
  vector(&c, EFME_T_BETA, ch);
  return c;
}

static void bn_stat(int32_t ch, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = bn_begin(EFME_OP_BN_STAT, ch, s);
  c.op.f[0] = 0.99f;
  if (turn % 3) vector(&c, EFME_T_MEAN, ch), vector(&c, EFME_T_VAR, ch);
  if (turn % 3 == 1) c.op.flags = EFME_OP_UPDATE;
  if (turn % 3 == 2) {
    c.op.flags = EFME_OP_FIXED;
    memset(&c.op.t[EFME_T_X], 0, sizeof c.op.t[EFME_T_X]);
  }
  c.hard = turn % 2;
  kernel_case_end(&c, c.hard ? "far mean" : "", fn, user);
}

static void bn_act(int32_t ch, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = bn_begin(EFME_OP_BN_ACT, ch, s);
  c.op.act = (uint16_t)(turn % 3);
  if (turn % 7 != 6) kernel_batched(&c, EFME_T_Y, s.h, s.w, ch);
  if (turn % 7 == 6 || turn % 5 == 1) kernel_batched(&c, EFME_T_POOL, 1, 1, ch);
  if (turn % 7 != 6 && turn & 1) kernel_batched(&c, EFME_T_GATE, 1, 1, ch);
  if (turn % 7 != 6 && turn / 2 & 1) kernel_batched(&c, EFME_T_RES, s.h, s.w, ch);
  if (turn % 7 != 6 && turn / 4 & 1) {
    kernel_ids(&c);
    c.op.flags = EFME_OP_DROPCONNECT_ON;
    c.op.f[0] = 0.4f;
    c.op.i[0] = (int64_t)turn;
  }
  kernel_case_end(&c, "", fn, user);
}

/* Kinds that share BN's backward roles. */
static void bn_back(int kind, int32_t ch, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = bn_begin(kind, ch, s);
  c.op.act = (uint16_t)(turn % 3);
  kernel_batched(&c, EFME_T_DY, s.h, s.w, ch);
  if (kind == EFME_OP_GATE_DX) {
    kernel_batched(&c, EFME_T_DX, 1, 1, ch);
    c.terms = (double)s.h * s.w;
    kernel_case_end(&c, "", fn, user);
    return;
  }
  if (kind == EFME_OP_BN_REDUCE && turn % 4) vector(&c, EFME_T_DW, ch), vector(&c, EFME_T_DB, ch);
  if (turn & 1) kernel_batched(&c, EFME_T_GATE, 1, 1, ch);
  if (turn / 2 & 1) kernel_batched(&c, EFME_T_POOL, 1, 1, ch);
  if (turn / 4 & 1) {
    kernel_ids(&c);
    c.op.flags |= EFME_OP_DROPCONNECT_ON;
    c.op.f[0] = 0.4f;
    c.op.i[0] = (int64_t)turn;
  }
  if (kind == EFME_OP_BN_DX) kernel_batched(&c, EFME_T_DX, s.h, s.w, ch);
  if (kind == EFME_OP_BN_DX && turn % 5 == 4) c.op.flags |= EFME_OP_FIXED;
  if (kind == EFME_OP_BN_REDUCE || !(c.op.flags & EFME_OP_FIXED)) sums(&c, 2, ch);
  if (kind == EFME_OP_BN_DX && turn % 3 == 1) c.alias = EFME_T_DY, c.alias_of = EFME_T_DX;
  kernel_case_end(&c, c.alias >= 0 ? "in place" : "", fn, user);
}

static void bn_one(int kind, int32_t ch, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  if (kind == EFME_OP_BN_STAT) bn_stat(ch, s, turn, fn, user);
  else if (kind == EFME_OP_BN_ACT) bn_act(ch, s, turn, fn, user);
  else bn_back(kind, ch, s, turn, fn, user);
}

static void bn_cases(int kind, kernel_case_fn fn, void *user) {
  size_t turn = 0;
  for (int more = 0; more < 5; more++) EACH_CHANNEL(i) {
      bn_one(kind, channels[i], spot(turn, channels[i], 40000), turn, fn, user);
      turn++;
    }
  for (size_t i = 0; i < EFME_COUNT(cut_channels); i++) {
    bn_one(kind, cut_channels[i], cut_spot(i), 3 * i + 1, fn, user); /* for BN_STAT: far mean and UPDATE */
    bn_one(kind, cut_channels[i], cut_spot(i), 3 * i + 6, fn, user);
  }
}

/* ---- the rest ---- */

static void simple(int kind, int32_t ch, struct spot s, size_t turn, kernel_case_fn fn, void *user) {
  struct kernel_case c = kernel_case_begin(kind, s.batch);
  int back = kind == EFME_OP_ACT_DX || kind == EFME_OP_POOL_DX;
  if (kind == EFME_OP_ACT || kind == EFME_OP_ACT_DX) c.op.act = (uint16_t)(turn % 3);
  c.op.f[0] = kind == EFME_OP_FILL ? (turn & 1 ? 0.0f : -1.25f) : kind == EFME_OP_DROPOUT ? (turn & 1 ? 0.3f : 0.5f) : turn & 1 ? 1.0f : 0.5f;
  c.op.i[0] = (int64_t)turn;
  if (kind == EFME_OP_DROPOUT) kernel_ids(&c);
  if (kind == EFME_OP_POOL) c.terms = (double)s.h * s.w;
  if (kind != EFME_OP_POOL_DX && kind != EFME_OP_FILL) kernel_batched(&c, EFME_T_X, s.h, s.w, ch);
  if (back) kernel_batched(&c, EFME_T_DY, kind == EFME_OP_POOL_DX ? 1 : s.h, kind == EFME_OP_POOL_DX ? 1 : s.w, ch);
  if (back) kernel_batched(&c, EFME_T_DX, s.h, s.w, ch);
  else kernel_batched(&c, EFME_T_Y, kind == EFME_OP_POOL ? 1 : s.h, kind == EFME_OP_POOL ? 1 : s.w, ch);
  if (kind == EFME_OP_ADD) kernel_batched(&c, EFME_T_RES, s.h, s.w, ch);
  if (kind == EFME_OP_ADD && turn & 1) c.alias = EFME_T_RES, c.alias_of = EFME_T_Y;
  kernel_case_end(&c, c.alias >= 0 ? "Y+=" : "", fn, user);
}

static void simple_cases(int kind, kernel_case_fn fn, void *user) {
  size_t turn = 0;
  for (int more = 0; more < 3; more++) EACH_CHANNEL(i) simple(kind, channels[i], spot(turn, channels[i], 40000), turn, fn, user), turn++;
  for (size_t i = 0; i < EFME_COUNT(cut_channels); i++) simple(kind, cut_channels[i], cut_spot(i), i + 1, fn, user);
}

static void input_cases(kernel_case_fn fn, void *user) {
  static const int32_t to[][2] = {{48, 48}, {32, 57}, {33, 32}, {1, 1}, {7, 5}},
                       from[][2] = {{48, 48}, {32, 57}, {19, 40}, {1, 1}, {100, 61}};
  size_t turn = 0;
  for (size_t i = 0; i < EFME_COUNT(to); i++)
    for (size_t j = 0; j < EFME_COUNT(from); j++)
      for (int form = 0; form < 8; form++, turn++) {
        struct kernel_case c = kernel_case_begin(EFME_OP_INPUT, batches[turn % EFME_COUNT(batches)]);
        kernel_batched(&c, EFME_T_Y, to[i][0], to[i][1], 3);
        kernel_batched(&c, EFME_T_X, from[j][0], from[j][1], form & 1 ? 1 : 3);
        c.op.t[EFME_T_X].arena = EFME_ARENA_IO;
        if (form & 2) c.op.t[EFME_T_X].dtype = EFME_U8;
        if (form & 4) {
          static const float f[] = {0.5f, 0.7f, 0.2f, 0.3f, 0.3f, 0.15f, 0.1f};
          kernel_ids(&c);
          memcpy(c.op.f, f, sizeof f);
          c.op.flags = EFME_OP_AUGMENT | (turn % 3 ? 0u : EFME_OP_PER_VARIANT);
        }
        kernel_case_end(&c, form & 2 ? "u8" : "f32", fn, user);
      }
}

static void maxpool(int32_t ch, int32_t k, int32_t stride, int ceil, struct spot s, kernel_case_fn fn, void *user) {
  struct kernel_case c = kernel_case_begin(EFME_OP_MAXPOOL, s.batch);
  int32_t more = ceil ? stride - 1 : 0;
  s.h = EFME_MAX(s.h, k), s.w = EFME_MAX(s.w, k);
  c.op.kh = c.op.kw = k;
  c.op.stride = stride;
  kernel_batched(&c, EFME_T_X, s.h, s.w, ch);
  kernel_batched(&c, EFME_T_Y, (s.h - k + more) / stride + 1, (s.w - k + more) / stride + 1, ch);
  char note[32];
  snprintf(note, sizeof note, "k%d s%d%s", k, stride, ceil ? " ceil" : "");
  kernel_case_end(&c, note, fn, user);
}

static void maxpool_cases(kernel_case_fn fn, void *user) {
  size_t turn = 0;
  EACH_CHANNEL(i)
  for (int32_t k = 2; k <= 3; k++)
    for (int ceil = 0; ceil < 2; ceil++, turn++) maxpool(channels[i], k, turn % 5 ? 2 : 1, ceil, spot(turn, channels[i], 40000), fn, user);
  for (size_t i = 0; i < EFME_COUNT(cut_channels); i++) maxpool(cut_channels[i], 2 + (int32_t)i % 2, 2, 1, cut_spot(i), fn, user);
}

static void crop(int32_t h, int32_t w, int32_t ch, int u8, struct spot to, kernel_case_fn fn, void *user) {
  struct kernel_case c = kernel_case_begin(EFME_OP_CROP, to.batch);
  c.op.f[0] = 127.5f, c.op.f[1] = 0.0078125f;
  c.op.t[EFME_T_X] = tensor(EFME_ARENA_IO, u8 ? EFME_U8 : EFME_F32, 0, 1, h, w, ch);
  c.op.t[EFME_T_BOX] = tensor(EFME_ARENA_IO, EFME_I32, EFME_TENSOR_BATCHED, (int32_t)to.batch, 1, 1, 4);
  kernel_batched(&c, EFME_T_Y, to.h, to.w, 3);
  kernel_case_end(&c, u8 ? "u8" : "f32", fn, user);
}

static void crop_cases(kernel_case_fn fn, void *user) {
  static const int32_t from[][2] = {{1, 1}, {7, 5}, {24, 24}, {61, 100}, {300, 97}, {700, 1}, {9, 5000}}, to[][2] = {{24, 24}, {1, 1}, {12, 17}, {48, 48}, {5, 1}};
  size_t turn = 0;
  for (size_t i = 0; i < EFME_COUNT(from); i++)
    for (size_t j = 0; j < EFME_COUNT(to); j++)
      for (int form = 0; form < 4; form++, turn++)
        crop(from[i][0], from[i][1], form & 1 ? 1 : 3, form & 2, (struct spot){batches[turn % EFME_COUNT(batches)], to[j][0], to[j][1]}, fn, user);
  crop(500, 700, 3, 1, (struct spot){1, 150, 211}, fn, user); /* a level of a pyramid */
}

static void loss_cases(kernel_case_fn fn, void *user) {
  static const int32_t classes[] = {2, 3, 7, 16, 33, 1000};
  for (size_t i = 0; i < EFME_COUNT(classes); i++)
    for (unsigned form = 0; form < 64; form++) {
      struct kernel_case c = kernel_case_begin(EFME_OP_LOSS, batches[(form + i) % EFME_COUNT(batches)]);
      int32_t n = classes[i];
      static const float gamma[] = {2, 0, 0.5f, 1, 5};
      c.op.f[0] = gamma[(form + i) % EFME_COUNT(gamma)];
      c.op.f[1] = form & 1 ? 0.1f : 0;
      c.terms = n;
      kernel_batched(&c, EFME_T_X, 1, 1, n);
      kernel_batched(&c, EFME_T_Y, 1, 1, 1);
      sums(&c, 1, 4);
      if (form & 2) kernel_batched(&c, EFME_T_SCALE, 1, 1, n);
      if (!(form & 2) || form & 32) kernel_batched(&c, EFME_T_W, 1, 1, 1), c.op.t[EFME_T_W].dtype = EFME_I32;
      if (form & 4) kernel_batched(&c, EFME_T_GATE, 1, 1, 1);
      if (form & 8) vector(&c, EFME_T_BIAS, n);
      if (form & 16) kernel_batched(&c, EFME_T_DX, 1, 1, n);
      if (form & 16 || form & 32) kernel_batched(&c, EFME_T_P, 1, 1, n);
      kernel_case_end(&c, form & 2 ? "soft" : "labels", fn, user);
    }
}

/* Ops on ranges of the flat buffers. */
static void range_cases(int kind, kernel_case_fn fn, void *user) {
  static const int32_t sizes[] = {1, 3, 16, 31, 100, 864, 4097, 65853, 300001};
  for (size_t i = 0; i < EFME_COUNT(sizes); i++)
    for (int form = 0; form < (kind == EFME_OP_OPTIMIZER ? 5 : 2); form++) {
      struct kernel_case c = kernel_case_begin(kind, 1);
      int opt = kind == EFME_OP_OPTIMIZER, ema = kind == EFME_OP_EMA;
      static const float adam[] = {0.9f, 0.999f, 1e-7f, 0.01f};
      c.terms = sizes[i];
      memcpy(c.op.f, adam, sizeof adam);
      if (kind == EFME_OP_PENALTY) c.op.f[0] = 0.01f, c.op.f[1] = form ? 0.01f : 0;
      c.op.i[0] = form % 4;
      if (form == 4) c.op.f[0] = 0, c.op.i[0] = 2;
      if (!ema) vector(&c, EFME_T_W, sizes[i]);
      if (opt || form) vector(&c, EFME_T_DW, ema ? 1 : sizes[i]);
      if (ema) memset(&c.op.t[EFME_T_DW], 0, sizeof c.op.t[0]);
      if (kind == EFME_OP_PENALTY) sums(&c, 1, 1);
      if (ema || (opt && c.op.i[0] != 3)) kernel_param(&c, EFME_T_X, ema ? EFME_ARENA_WEIGHTS : EFME_ARENA_OPT, 1, 1, 1, sizes[i]);
      if (ema || (opt && c.op.i[0] != 2)) kernel_param(&c, EFME_T_Y, EFME_ARENA_OPT, 1, 1, 1, sizes[i]);
      if (ema || opt) c.op.t[EFME_T_STEP] = tensor(EFME_ARENA_STEP, EFME_U8, 0, 1, 1, 1, sizeof(struct efme_step));
      char note[32];
      snprintf(note, sizeof note, "form %d", form);
      kernel_case_end(&c, note, fn, user);
    }
}

static void fold_cases(kernel_case_fn fn, void *user) {
  EACH_CHANNEL(i)
  for (int32_t k = 1; k <= 5; k += 2) {
    struct kernel_case c = kernel_case_begin(EFME_OP_FOLD, 1);
    int32_t n = channels[i], cin = k == 1 ? 19 : k == 3 ? 3 : 1;
    c.op.f[1] = 1e-3f;
    kernel_param(&c, EFME_T_W, EFME_ARENA_WEIGHTS, k, k, cin, n);
    kernel_param(&c, EFME_T_Y, EFME_ARENA_PACKED, k, k, cin, n);
    kernel_param(&c, EFME_T_BIAS, EFME_ARENA_PACKED, 1, 1, 1, n);
    for (int r = EFME_T_GAMMA; r <= EFME_T_VAR; r++) vector(&c, r, n);
    kernel_case_end(&c, "", fn, user);
  }
}

static void cases_of(int kind, kernel_case_fn fn, void *user) {
  switch (kind) {
  case EFME_OP_MATMUL:
    matmul_cases(fn, user);
    break;
  case EFME_OP_MATMUL_DW:
    matmul_dw_cases(fn, user);
    break;
  case EFME_OP_CONV:
  case EFME_OP_CONV_DW:
    conv_cases(kind, fn, user);
    break;
  case EFME_OP_DWCONV:
  case EFME_OP_DWCONV_DX:
  case EFME_OP_DWCONV_DW:
    depthwise_cases(kind, fn, user);
    break;
  case EFME_OP_BN_STAT:
  case EFME_OP_BN_ACT:
  case EFME_OP_BN_REDUCE:
  case EFME_OP_BN_DX:
  case EFME_OP_GATE_DX:
    bn_cases(kind, fn, user);
    break;
  case EFME_OP_INPUT:
    input_cases(fn, user);
    break;
  case EFME_OP_LOSS:
    loss_cases(fn, user);
    break;
  case EFME_OP_PENALTY:
  case EFME_OP_OPTIMIZER:
  case EFME_OP_EMA:
    range_cases(kind, fn, user);
    break;
  case EFME_OP_MAXPOOL:
    maxpool_cases(fn, user);
    break;
  case EFME_OP_CROP:
    crop_cases(fn, user);
    break;
  case EFME_OP_FOLD:
    fold_cases(fn, user);
    break;
  default:
    simple_cases(kind, fn, user);
    break;
  }
}

void kernel_cases(int kind, kernel_case_fn fn, void *user) {
  for (int k = EFME_OP_FILL; k < EFME_OP_PACK; k++)
    if (!kind || kind == k) cases_of(k, fn, user);
}

/* ---- timing ---- */

/* side in 224ths of the input: cin, expanded, cout, kernel, stride of each block shape of EfficientNet-B0. */
static const struct {
  int32_t divisor, cin, mid, cout, k, stride;
} blocks[] = {{2, 32, 32, 16, 3, 1},     {2, 16, 96, 24, 3, 2},     {4, 24, 144, 24, 3, 1},     {4, 24, 144, 40, 5, 2},
              {8, 40, 240, 40, 5, 1},    {8, 40, 240, 80, 3, 2},    {16, 80, 480, 80, 3, 1},    {16, 80, 480, 112, 5, 1},
              {16, 112, 672, 112, 5, 1}, {16, 112, 672, 192, 5, 2}, {32, 192, 1152, 192, 5, 1}, {32, 192, 1152, 320, 3, 1}};

void kernel_time_cases(int kind, int32_t side, uint32_t batch, kernel_case_fn fn, void *user) {
  for (size_t i = 0; i < EFME_COUNT(blocks); i++) {
    int32_t in = (side + blocks[i].divisor - 1) / blocks[i].divisor, out = (in + blocks[i].stride - 1) / blocks[i].stride;
    int32_t cin = blocks[i].cin, mid = blocks[i].mid, cout = blocks[i].cout;
    struct spot a = {batch, in, in}, b = {batch, out, out};
    if (!kind || kind == EFME_OP_MATMUL)
      matmul(cin, mid, a, 0, fn, user), matmul(mid, cout, b, 2, fn, user), matmul(cout, mid, b, 1, fn, user);
    if (!kind || kind == EFME_OP_MATMUL_DW) matmul_dw(cin, mid, a, 0, fn, user), matmul_dw(mid, cout, b, 2, fn, user);
    for (int k = EFME_OP_DWCONV; k <= EFME_OP_DWCONV_DW; k++)
      if (!kind || kind == k) depthwise(k, mid, blocks[i].k, blocks[i].stride, a, 9, fn, user);
    if (!kind || kind == EFME_OP_BN_STAT) bn_stat(mid, a, 1, fn, user);
    if (!kind || kind == EFME_OP_BN_ACT) bn_act(mid, a, 1, fn, user);
    for (int k = EFME_OP_BN_REDUCE; k <= EFME_OP_GATE_DX; k++)
      if (!kind || kind == k) bn_back(k, mid, a, 3, fn, user);
  }
  for (int k = EFME_OP_CONV; k <= EFME_OP_CONV_DW; k++)
    if (!kind || kind == k) conv(k, 3, 32, 3, 2, (struct spot){batch, side, side}, 1, fn, user);
}
