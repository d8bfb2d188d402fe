/* See player.h. */
#include "net/player.h"

#include "net/roles.h"

struct span {
  uint32_t arena;
  uint64_t begin, end;
};

static struct span span_of(const struct efme_tensor *t) {
  struct span s = {t->arena, t->offset, t->offset + efme_tensor_bytes(t)};
  return s;
}

static int overlap(struct span a, struct span b) { return a.arena == b.arena && a.begin < b.end && b.begin < a.end; }
static int same(struct span a, struct span b) { return a.arena == b.arena && a.begin == b.begin && a.end == b.end; }

struct memory { /* what lies intact where */
  struct span spans[4096];
  size_t count;
};

static int holds(const struct memory *m, struct span s) {
  for (size_t i = 0; i < m->count; i++) {
    if (same(m->spans[i], s)) return 1;
  }
  return 0;
}

static void put(struct memory *m, struct span s) {
  size_t n = 0;
  for (size_t i = 0; i < m->count; i++) {
    if (!overlap(m->spans[i], s)) m->spans[n++] = m->spans[i];
  }
  ck_assert_uint_lt(n, EFME_COUNT(m->spans));
  m->spans[n++] = s;
  m->count = n;
}

static int placed(const struct efme_tensor *t) { return t->arena == EFME_ARENA_ACT || t->arena == EFME_ARENA_PACKED; }

/* DX may be DY itself, RES may be Y itself; otherwise an output touches no input. */
static int may_alias(const struct efme_op *op, int out, int in) {
  if (!same(span_of(&op->t[out]), span_of(&op->t[in]))) return 0;
  return (out == EFME_T_DX && in == EFME_T_DY) || (out == EFME_T_Y && in == EFME_T_RES);
}

static void check_op(const struct efme_plan *p, struct memory *m, const struct efme_op *op, size_t index) {
  for (int r = 0; r < EFME_T_COUNT; r++) {
    const struct efme_tensor *t = &op->t[r];
    if (!t->arena) continue;
    ck_assert_uint_eq(t->offset % 64, 0);
    ck_assert_msg(t->offset + efme_tensor_bytes(t) <= p->size[t->arena], "op %zu role %d lies outside its region", index, r);
    if (!placed(t)) continue;
    if (!op_writes(op, r))
      ck_assert_msg(holds(m, span_of(t)), "op %zu (%s of %s) reads role %d which is not intact", index, efme_op_name(op->kind),
                    p->layers[op->layer], r);
    for (int k = 0; op_writes(op, r) && k < EFME_T_COUNT; k++) {
      if (k == r || !placed(&op->t[k]) || !overlap(span_of(t), span_of(&op->t[k]))) continue;
      ck_assert_msg(may_alias(op, r, k), "op %zu (%s of %s): roles %d and %d overlap", index, efme_op_name(op->kind), p->layers[op->layer],
                    r, k);
    }
  }
  for (int r = 0; r < EFME_T_COUNT; r++) {
    if (placed(&op->t[r]) && op_writes(op, r)) put(m, span_of(&op->t[r]));
  }
}

/* Plays the lists through: each input must still be what its op wrote. */
static void check_memory(const struct efme_plan *p) {
  static struct memory m;
  m.count = 0;
  for (uint32_t i = 0; i < p->constant_count; i++) put(&m, span_of(&p->constants[i].tensor));
  for (size_t i = 0; i < p->prepare.count; i++) check_op(p, &m, &p->prepare.ops[i], i);
  for (int turn = 0; turn < 2; turn++) { /* a second batch finds the same packed weights */
    for (size_t i = 0; i < p->main.count; i++) check_op(p, &m, &p->main.ops[i], i);
    for (uint32_t i = 0; i < p->tap_count; i++) {
      if (p->taps[i].tensor.arena == EFME_ARENA_ACT)
        ck_assert_msg(holds(&m, span_of(&p->taps[i].tensor)), "tap %s is gone", p->taps[i].name);
    }
    for (size_t i = m.count; i-- > 0;) {
      if (m.spans[i].arena == EFME_ARENA_ACT) m.spans[i] = m.spans[--m.count];
    }
  }
  for (size_t i = 0; i < p->update.count; i++) check_op(p, &m, &p->update.ops[i], i);
}

/* The plan's own account of lifetimes agrees with itself, too. */
static void check_buffers(const struct efme_plan *p) {
  for (uint32_t i = 0; i < p->buffer_count; i++) {
    const struct efme_plan_buffer *a = &p->buffers[i];
    for (uint32_t k = 0; k < i; k++) {
      const struct efme_plan_buffer *b = &p->buffers[k];
      if (a->list != b->list || a->first > b->last || b->first > a->last) continue;
      ck_assert_msg(a->offset + a->size <= b->offset || b->offset + b->size <= a->offset, "%s and %s overlap", a->name, b->name);
    }
  }
}

void player_check(const struct efme_plan *plan) {
  check_memory(plan);
  check_buffers(plan);
}

struct efme_plan *player_plan(const struct efme_backend *backend, const struct efme_arch *arch, const struct efme_plan_options *o) {
  struct efme_plan *p = NULL;
  ck_assert_msg(efme_plan_create(&p, &efme_allocator_libc, backend, arch, o) == EFME_OK, "%s", efme_last_error());
  return p;
}
