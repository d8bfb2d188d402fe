/* Memory of a plan: from the op list follow lifetimes, from lifetimes offsets. Values are placed largest first, each at
 * the lowest 64-byte aligned offset where nothing placed before it lives at the same time. */
#include "net/build.h"

#include <stdlib.h>
#include <string.h>

/* Ops of a claimed group may run in any order or at once: whatever they touch lives through the whole group. */
static void touch(struct efme_value *v, uint32_t list, uint32_t first, uint32_t last, int in_group) {
  if (!v->used) {
    v->used = 1, v->list = (uint8_t)list, v->first = first, v->last = last, v->inner = (uint8_t)in_group;
    return;
  }
  if (!in_group || v->first != first) v->inner = 0;
  v->first = EFME_MIN(v->first, first);
  v->last = EFME_MAX(v->last, last);
}

static void lifetimes(struct efme_builder *b, const struct efme_plan_list *list, uint32_t number) {
  size_t end = 0, start = 0; /* of the present group, header included */
  for (size_t i = 0; i < list->count; i++) {
    const struct efme_op *op = &list->ops[i];
    if (op->kind == EFME_OP_GROUP) start = i, end = i + op->n_children + 1;
    int in = i < end;
    for (int r = 0; r < EFME_T_COUNT; r++) {
      const struct efme_tensor *t = &op->t[r];
      if (t->arena != EFME_ARENA_ACT) continue;
      struct efme_value *v = &b->values[t->offset / 64];
      touch(v, number, (uint32_t)(in ? start : i), (uint32_t)(in ? end - 1 : i), in && op->kind != EFME_OP_GROUP);
      if (v->pinned) v->last = (uint32_t)list->count - 1, v->inner = 0;
    }
  }
}

struct placed {
  uint64_t begin, end;
  uint32_t first, last;
};

static int by_size(const void *x, const void *y) {
  const struct efme_value *a = *(const struct efme_value *const *)x, *c = *(const struct efme_value *const *)y;
  if (a->size != c->size) return a->size < c->size ? 1 : -1;
  return a < c ? -1 : 1; /* order of creation */
}

/* `done` is sorted by begin: one pass finds the lowest gap. */
static uint64_t find_gap(const struct placed *done, size_t count, const struct efme_value *v, uint64_t size) {
  uint64_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (done[i].last < v->first || done[i].first > v->last) continue;
    if (done[i].begin >= at + size) break;
    at = EFME_MAX(at, done[i].end);
  }
  return at;
}

static uint64_t place(struct efme_value **order, size_t count, struct placed *done) {
  uint64_t total = 0;
  qsort(order, count, sizeof *order, by_size);
  for (size_t i = 0; i < count; i++) {
    uint64_t size = (EFME_MAX(order[i]->size, 1) + 63) / 64 * 64;
    struct placed p = {find_gap(done, i, order[i], size), 0, order[i]->first, order[i]->last};
    p.end = p.begin + size;
    order[i]->offset = p.begin;
    total = EFME_MAX(total, p.end);
    size_t k = i;
    while (k > 0 && done[k - 1].begin > p.begin) done[k] = done[k - 1], k--;
    done[k] = p;
  }
  return total;
}

/* A value inside a group has no memory, only a name that its leaves share (backend.h, GROUP). */
#define INNER (UINT64_C(1) << 62)

static void rewrite_tensor(const struct efme_builder *b, struct efme_tensor *t) {
  if (t->arena != EFME_ARENA_ACT) return;
  const struct efme_value *v = &b->values[t->offset / 64];
  t->offset = v->inner ? INNER | t->offset : v->offset;
}

static void rewrite(const struct efme_builder *b, struct efme_plan_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    for (int r = 0; r < EFME_T_COUNT; r++) rewrite_tensor(b, &list->ops[i].t[r]);
  }
}

static void record(struct efme_builder *b) {
  struct efme_plan *p = b->plan;
  p->buffers = efme_mem_calloc(p->allocator, b->value_count, sizeof *p->buffers, "plan");
  if (!p->buffers) {
    b->status = EFME_E_NOMEM;
    return;
  }
  for (size_t i = 0; i < b->value_count; i++) {
    const struct efme_value *v = &b->values[i];
    if (!v->used || v->inner) continue;
    struct efme_plan_buffer *out = &p->buffers[p->buffer_count++];
    memcpy(out->name, v->name, sizeof v->name);
    out->arena = EFME_ARENA_ACT, out->list = v->list;
    out->first = v->first, out->last = v->last, out->offset = v->offset, out->size = v->size;
  }
}

void efme_b_layout(struct efme_builder *b) {
  if (b->status) return;
  struct efme_plan *p = b->plan;
  lifetimes(b, &p->prepare, 0);
  lifetimes(b, &p->main, 1);
  struct efme_value **order = efme_mem_array(p->allocator, b->value_count, sizeof *order, "plan");
  struct placed *done = efme_mem_array(p->allocator, b->value_count, sizeof *done, "plan");
  b->status = order && done ? EFME_OK : EFME_E_NOMEM;
  for (uint32_t list = 0; list < 2 && !b->status; list++) {
    size_t count = 0;
    for (size_t i = 0; i < b->value_count; i++) {
      if (b->values[i].used && !b->values[i].inner && b->values[i].list == list) order[count++] = &b->values[i];
    }
    uint64_t total = place(order, count, done);
    if (list == 0) p->prepare_act = total;
    p->size[EFME_ARENA_ACT] = EFME_MAX(p->size[EFME_ARENA_ACT], total);
  }
  efme_mem_free(p->allocator, order);
  efme_mem_free(p->allocator, done);
  if (b->status) return;
  rewrite(b, &p->prepare);
  rewrite(b, &p->main);
  for (uint32_t i = 0; i < p->tap_count; i++) rewrite_tensor(b, &p->taps[i].tensor);
  rewrite_tensor(b, &p->features);
  rewrite_tensor(b, &p->logits);
  record(b);
}
