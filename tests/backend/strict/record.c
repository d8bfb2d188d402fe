/* What a program is, and which runs of it are admitted; see strict.h.
 *
 * A training step is two programs that have the same buffer of gradients: one that computes them and one that applies them.
 * The first of each is kept with that buffer, and done again for every later run, whatever program the library hands in; that
 * one must be the same to the byte. Batches may differ: a device records one step for each size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/roles.h"
#include "strict.h"

static uint64_t bytes_of(const struct efme_tensor *t) {
  static const uint8_t width[] = {4, 1, 4, 8};
  return (uint64_t)t->n * (uint64_t)t->h * (uint64_t)t->w * (uint64_t)t->c * width[t->dtype & 3];
}

void strict_describe(struct strict_program *p) {
  p->part = STRICT_OTHER;
  for (size_t i = 0; i < p->count; i++) {
    const struct efme_op *op = &p->ops[i];
    for (int r = 0; r < EFME_T_COUNT; r++) {
      const struct efme_tensor *t = &op->t[r];
      uint64_t end = t->offset + bytes_of(t);
      if (t->arena == EFME_ARENA_NONE) continue;
      if (end > p->extent[t->arena]) p->extent[t->arena] = end;
      if (op_writes(op, r)) p->writes |= 1u << t->arena;
    }
    if (op->kind == EFME_OP_OPTIMIZER) p->part = STRICT_UPDATE;
  }
  if (p->part == STRICT_OTHER && p->extent[EFME_ARENA_GRADS]) p->part = STRICT_MAIN;
}

/* What differs between two bindings but the batch; NULL: nothing. */
static const char *difference(const struct efme_bindings *a, const struct efme_bindings *b) {
  static const char *const regions[EFME_ARENA_COUNT] = {"no region",       "weights",     "packed weights", "gradients",
                                                        "optimizer state", "activations", "inputs",         "the step block"};
  for (int i = 0; i < EFME_ARENA_COUNT; i++)
    if (a->arena[i] != b->arena[i] || a->lane_stride[i] != b->lane_stride[i]) return regions[i];
  if (a->max_threads != b->max_threads) return "threads";
  return a->lanes != b->lanes ? "lanes" : NULL;
}

static efme_status refuse(struct strict *s, const char *what, const char *which) {
  strict_control.refused++;
  return strict_fail(s, "strict: a run differs from the recorded one in %s%s", what, which);
}

/* Regions are bound to live buffers that are large enough. */
static efme_status check_buffers(struct strict *s, const struct strict_program *p, const struct efme_bindings *b) {
  for (int a = 1; a < EFME_ARENA_COUNT; a++) {
    if (!p->extent[a]) continue;
    if (!b->arena[a]) return strict_fail(s, "strict: region %d is not bound", a);
    if (strict_buffer_find(s, b->arena[a], "run")->size < p->extent[a]) return strict_fail(s, "strict: region %d is too small", a);
  }
  return EFME_OK;
}

static efme_status same_step(struct strict *s, struct strict_program **p, const struct efme_bindings *b) {
  struct strict_buffer *grads = strict_buffer_find(s, b->arena[EFME_ARENA_GRADS], "run");
  struct strict_program *first = grads->step[(*p)->part];
  if (!first) {
    (*p)->references++;
    grads->step[(*p)->part] = *p;
    return EFME_OK;
  }
  if (first->count != (*p)->count) return refuse(s, "its number of ops", "");
  if (memcmp(first->ops, (*p)->ops, first->count * sizeof *first->ops) != 0) return refuse(s, "its descriptors", "");
  *p = first;
  return EFME_OK;
}

efme_status strict_admit(struct strict *s, struct strict_program **p, const struct efme_bindings *b) {
  efme_status status = check_buffers(s, *p, b);
  if (!status && (*p)->part != STRICT_OTHER) status = same_step(s, p, b);
  if (status) return status;
  struct strict_program *q = *p;
  if (b->size < sizeof *b || b->batch < 1 || b->batch > q->max_batch) return strict_fail(s, "strict: a batch that was not prepared");
  if (!q->bindings.size) q->bindings = *b;
  const char *what = difference(&q->bindings, b);
  if (what) return refuse(s, "its bindings: ", what);
  if (q->part != STRICT_OTHER) {
    if (q->seen[b->batch]) strict_control.replayed++;
    else strict_control.recorded++;
  }
  q->seen[b->batch] = 1;
  return EFME_OK;
}

void strict_program_drop(struct strict *s, struct strict_program *p) {
  if (--p->references) return;
  struct strict_program **link = &s->programs;
  while (*link != p) link = &(*link)->next;
  *link = p->next;
  efme_cpu_backend.release(s->inner, p->inner);
  free(p->ops);
  free(p->seen);
  free(p);
}
