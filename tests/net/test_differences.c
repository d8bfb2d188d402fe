/* Whole networks in double precision against finite differences: the gradient of every weight, and every gradient that can be tapped,
 * for all cuts and whole B0. Golden values have two cuts; this judges what the planner puts together for the others, with dropout,
 * drop-connect, soft targets and sample weights on. */
#include <math.h>

#include "cpu/ref/ref.h"
#include "net/feed.h"

enum { BATCH = 2 };

struct subject {
  struct rig r;
  double *weights, *moved; /* of the region; what forward reads */
  size_t count;
  int bn_update;
};

static struct efme_plan_options options(int bn_update) {
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN,
                                .max_batch = BATCH,
                                .bn_update = (uint32_t)bn_update,
                                .dropout = 0.3f,
                                .dropconnect = 2.0f,
                                .gamma = 2,
                                .smoothing = 0.1f,
                                .alpha = 1,
                                .soft_targets = 1,
                                .sample_weights = 1,
                                .l2 = 0.02f};
  return o;
}

static void subject_open(struct subject *s, const struct efme_arch *arch, const struct efme_plan_options *o) {
  float *w = rig_random_weights(arch, 15, NULL);
  struct efme_step step = feed_step(3);
  memset(s, 0, sizeof *s);
  rig_open(&s->r, NULL, arch, o);
  rig_weights(&s->r, w);
  rig_step(&s->r, &step);
  feed_inputs(&s->r, BATCH);
  s->bn_update = (int)o->bn_update;
  s->count = s->r.plan->params.total;
  s->weights = rig_doubles(s->count), s->moved = rig_doubles(s->count);
  for (size_t i = 0; i < s->count; i++) s->weights[i] = s->moved[i] = (double)w[i];
  free(w);
}

static void subject_close(struct subject *s) {
  rig_close(&s->r);
  free(s->weights), free(s->moved);
}

/* A push to one tensor as soon as forward has written it: what a gradient by that tensor is about. */
struct push {
  const struct efme_tensor *tensor; /* of the plan in single precision, as taps are */
  const double *by;
  double size;
};

/* The op of forward that writes t: the last one, as others may have used the place before. */
static size_t writer(const struct subject *s, const struct efme_tensor *t) {
  static const int roles[] = {EFME_T_Y, EFME_T_POOL};
  for (size_t i = s->r.plan->backward; i-- > 0;) {
    const struct efme_op *op = &s->r.plan->main.ops[i];
    for (size_t k = 0; k < EFME_COUNT(roles); k++) {
      const struct efme_tensor *y = &op->t[roles[k]];
      if (op->kind != EFME_OP_LOSS && y->arena == t->arena && y->offset == t->offset) return i;
    }
  }
  ck_abort_msg("no op writes the tensor");
  return 0;
}

/* The loss with the moved weights; all: backward, too. Weights are set anew, as moving statistics may have changed. */
static double run(struct subject *s, const struct push *push, int all) {
  struct rig *r = &s->r;
  const struct efme_plan *p = r->plan;
  void *base[EFME_ARENA_COUNT];
  for (int a = 0; a < EFME_ARENA_COUNT; a++) base[a] = r->base[a];
  memcpy(base[EFME_ARENA_WEIGHTS], s->moved, s->count * sizeof *s->moved);
  memset(base[EFME_ARENA_GRADS], 0, 2 * p->size[EFME_ARENA_GRADS]);
  rig_prepare(r);
  rig_clear(r, &p->sums);
  size_t at = push ? writer(s, push->tensor) : SIZE_MAX;
  for (size_t i = 0; i < (all ? p->main.count : p->backward); i++) {
    ck_assert_msg(efme_ref_run(&r->twin[1].ops[i], base, BATCH) == EFME_OK, "%s", efme_last_error());
    if (i != at) continue;
    double *v = (double *)(r->base[push->tensor->arena] + 2 * push->tensor->offset);
    for (size_t k = 0; k < efme_tensor_bytes(push->tensor) / sizeof(float); k++) v[k] += push->size * push->by[k];
  }
  double sums[4], penalty;
  rig_get(r, &p->sums, sums, 4), rig_get(r, &p->penalty, &penalty, 1);
  return sums[0] / sums[1] + penalty;
}

/* Uniform, variance 1. */
static double noise(uint32_t stream, size_t i) {
  uint32_t w[4];
  efme_philox(w, 99, EFME_RNG_SYNTHETIC, stream, (uint32_t)(i >> 20), (uint32_t)(i & 0xfffff));
  return ((double)efme_unit_f32(w[0]) - 0.5) * 3.4641016;
}

/* Fourth order, from the values at -2h, -h, h, 2h. */
static double difference(const double v[4], double h) { return (8 * (v[2] - v[1]) - (v[3] - v[0])) / (12 * h); }
static const int places[4] = {-2, -1, 1, 2};

/* ---- weights ---- */

/* Every trainable tensor gets a random direction of its own size; all are moved at once. What each adds to the derivative must be far above
 * the error, or it would hide: only shifts in front of another BN, whose gradient is zero, may. */
static double directions(struct subject *s, uint32_t stream, double *v, double tolerance) {
  const struct efme_params *params = &s->r.plan->params;
  const double *g = (const double *)s->r.base[EFME_ARENA_GRADS];
  double sum = 0;
  for (uint32_t i = 0; i < params->count; i++) {
    const struct efme_param *p = &params->items[i];
    if (!p->trainable) continue;
    double size = 0, share = 0, most = 0;
    for (size_t k = 0; k < p->count; k++) size += s->weights[p->offset + k] * s->weights[p->offset + k];
    size = sqrt(size / (double)p->count);
    for (size_t k = p->offset; k < p->offset + p->count; k++) {
      v[k] = size * noise(stream, k);
      share += g[k] * v[k];
      most = fmax(most, fabs(g[k]));
    }
    ck_assert_msg(fabs(share) > 100 * tolerance || (s->bn_update && strstr(p->name, "_bn/beta") && most < 1e-14),
                  "%s: gradient %g, share %g", p->name, most, share);
    sum += share;
  }
  return sum;
}

START_TEST(test_weights) {
  struct efme_arch arch = rig_variant((uint32_t)_i % RIG_VARIANTS);
  struct efme_plan_options o = options(_i >= RIG_VARIANTS);
  /* batch statistics over a handful of pixels are bent more strongly */
  const double h = o.bn_update ? 5e-6 : 1e-4, tolerance = o.bn_update ? 1e-8 : 2e-11;
  struct subject s;
  subject_open(&s, &arch, &o);
  run(&s, NULL, 1);
  double *v = rig_doubles(s.count), loss[4];
  double expect = directions(&s, (uint32_t)_i, v, tolerance);
  for (int k = 0; k < 4; k++) {
    for (size_t i = 0; i < s.count; i++) s.moved[i] = s.weights[i] + places[k] * h * v[i];
    loss[k] = run(&s, NULL, 0);
  }
  double slope = difference(loss, h);
  printf("cut %u top %u, BN %s: slope %.9g, differences off by %.2g\n", arch.cut, arch.top, o.bn_update ? "updated" : "fixed", expect,
         slope - expect);
  ck_assert_msg(fabs(slope - expect) <= tolerance, "differences give %.15g, the gradients %.15g", slope, expect);
  free(v);
  subject_close(&s);
}
END_TEST

/* ---- tapped gradients ---- */

static double tap_value(const struct subject *s, const struct efme_tensor *t, size_t i) {
  return ((const double *)(s->r.base[t->arena] + 2 * t->offset))[i];
}

static const struct efme_tensor *tap(const struct subject *s, const char *prefix, const char *name) {
  char full[80];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  const struct efme_plan_tap *t = efme_plan_find_tap(s->r.plan, full);
  ck_assert_msg(t != NULL, "no tap %s", full);
  return &t->tensor;
}

/* The layers of a network that backward passes through; names of one for each part of the first and last block of the last stage. */
struct names {
  char text[64][64];
  uint32_t count;
};

static void add(struct names *n, const char *prefix, const char *layer, const char *suffix) {
  snprintf(n->text[n->count++], sizeof n->text[0], "%s%s%s", prefix, layer, suffix);
}

static void list(struct names *n, const struct efme_arch *arch, const struct efme_block *blocks, uint32_t count) {
  static const char *const parts[] = {"_expand_conv", "_expand_activation", "_dwconv", "_se_reduce", "_se_expand", "_project_conv"};
  uint32_t first = count - 1;
  while (first > 0 && blocks[first - 1].name[5] == blocks[count - 1].name[5]) first--;
  n->count = 0;
  if (arch->cut <= 3) add(n, "", "stem", "_conv"), add(n, "", "stem", "_activation");
  add(n, "", "gap", ""), add(n, "", "head", "");
  if (arch->top) add(n, "", "top", "_conv");
  for (uint32_t b = first; b<count; b += count - 1> first ? count - 1 - first : 1) {
    for (size_t i = blocks[b].expand > 1 ? 0 : 2; i < EFME_COUNT(parts); i++) add(n, "", blocks[b].name, parts[i]);
    add(n, "", blocks[b].name, blocks[b].residual ? "_add" : "_project_bn");
  }
}

/* The gradient by an activation, in a random direction: what the tap says after a whole run, then two runs of forward. */
static double tap_slope(const struct subject *s, const char *name, double **direction, uint32_t stream) {
  const struct efme_tensor *x = tap(s, "", name), *g = tap(s, "grad:", name);
  size_t count = efme_tensor_bytes(x) / sizeof(float);
  ck_assert_uint_eq(count, efme_tensor_bytes(g) / sizeof(float));
  double sum = 0, *v = *direction = rig_doubles(count);
  for (size_t i = 0; i < count; i++) v[i] = noise(stream, i), sum += v[i] * tap_value(s, g, i);
  return sum;
}

static void check_tap(struct subject *s, const char *name, const double *direction, double expect) {
  const double h = 2e-5;
  struct push push = {tap(s, "", name), direction, h};
  double loss[4];
  for (int k = 0; k < 4; k++) {
    push.size = places[k] * h;
    loss[k] = run(s, &push, 0);
  }
  double slope = difference(loss, h);
  printf("%-28s %.9g, differences off by %.2g\n", name, expect, slope - expect);
  ck_assert_msg(fabs(slope - expect) <= 2e-10 && fabs(expect) > 1e-4, "grad:%s: differences give %.12g, the tap %.12g", name, slope,
                expect);
}

/* What no op stores in training follows from its neighbour: the gated activation from the projection, the top's from the pool. */
static void check_derived(struct subject *s, const char *block, const struct efme_arch *arch) {
  char name[64];
  snprintf(name, sizeof name, "%s_project_conv", block);
  const struct efme_tensor *dy = tap(s, "grad:", name);
  snprintf(name, sizeof name, "%s_se_excite", block);
  const struct efme_tensor *dx = tap(s, "grad:", name);
  snprintf(name, sizeof name, "%s_project_conv/kernel", block);
  struct efme_tensor w = rig_param(&s->r, EFME_ARENA_WEIGHTS, name);
  size_t n = (size_t)dy->c, k = (size_t)dx->c, rows = efme_tensor_bytes(dy) / sizeof(float) / n;
  ck_assert_uint_eq((size_t)w.c, n * k);
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < k; i++) {
      double sum = 0;
      for (size_t j = 0; j < n; j++) sum += tap_value(s, dy, r * n + j) * tap_value(s, &w, i * n + j);
      ck_assert(fabs(sum - tap_value(s, dx, r * k + i)) <= 1e-14 + 1e-12 * fabs(sum));
    }
  if (!arch->top) return;
  const struct efme_tensor *dpool = tap(s, "grad:", "gap"), *dtop = tap(s, "grad:", "top_activation");
  size_t area = (size_t)dtop->h * (size_t)dtop->w, channels = (size_t)dtop->c;
  for (size_t i = 0; i < BATCH * area * channels; i++)
    ck_assert(fabs(tap_value(s, dpool, i / (area * channels) * channels + i % channels) / (double)area - tap_value(s, dtop, i)) < 1e-15);
}

START_TEST(test_taps) {
  struct efme_arch arch = rig_variant((uint32_t)_i);
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  ck_assert_int_eq(efme_arch_blocks(blocks, &count, &arch), EFME_OK);
  static struct names layers, all;
  list(&layers, &arch, blocks, count);
  all.count = 0;
  for (uint32_t i = 0; i < layers.count; i++) add(&all, "", layers.text[i], ""), add(&all, "grad:", layers.text[i], "");
  add(&all, "grad:", blocks[count - 1].name, "_se_excite");
  if (arch.top) add(&all, "grad:", "top", "_activation");
  const char *taps[64];
  for (uint32_t i = 0; i < all.count; i++) taps[i] = all.text[i];
  struct efme_plan_options o = options(_i & 1);
  o.taps = taps, o.tap_count = all.count;
  struct subject s;
  subject_open(&s, &arch, &o);
  double *direction[EFME_COUNT(layers.text)], expect[EFME_COUNT(layers.text)];
  run(&s, NULL, 1);
  check_derived(&s, blocks[count - 1].name, &arch);
  for (uint32_t i = 0; i < layers.count; i++) expect[i] = tap_slope(&s, layers.text[i], &direction[i], i);
  for (uint32_t i = 0; i < layers.count; i++) {
    check_tap(&s, layers.text[i], direction[i], expect[i]);
    free(direction[i]);
  }
  subject_close(&s);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("differences");
  TCase *t = tcase_create("differences");
  tcase_set_timeout(t, 0);
  tcase_add_loop_test(t, test_weights, 0, 2 * RIG_VARIANTS);
  tcase_add_loop_test(t, test_taps, 0, RIG_VARIANTS);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
