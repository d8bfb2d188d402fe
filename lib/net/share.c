/* See share.h. The list hangs on the model, under the model's own lock; an entry is recognised by the hash of its prepare list. */
#include "net/share.h"

#include <string.h>

#include "backend/context.h"

struct efme_share {
  struct efme_share *next;
  uint32_t users;
  uint64_t key;
  struct efme_exec_borrow regions;
};

/* What prepare does, down to the places in PACKED; names are left out. */
static uint64_t key_of(const struct efme_plan *plan) {
  uint64_t h = plan->size[EFME_ARENA_PACKED];
  for (size_t i = 0; i < plan->prepare.count; i++) {
    struct efme_op op = plan->prepare.ops[i];
    op.layer = 0;
    h = efme_hash64(&op, sizeof op, h);
  }
  return h;
}

/* Runs the prepare list alone: an execution of a plan that has nothing else, whose two regions outlive it. */
static efme_status build(struct efme_share *s, struct efme_model *model, const struct efme_plan *plan) {
  const struct efme_allocator *a = efme_context_allocator(model->context);
  struct efme_backend *backend = &model->context->backend;
  struct efme_plan only = *plan;
  struct efme_exec *e = NULL;
  const uint32_t kept = 1u << EFME_ARENA_WEIGHTS | 1u << EFME_ARENA_PACKED;
  only.main.count = only.update.count = 0;
  for (uint32_t r = 1; r < EFME_ARENA_COUNT; r++) {
    if (!(kept >> r & 1)) only.size[r] = 0;
  }
  only.size[EFME_ARENA_ACT] = plan->prepare_act;
  efme_status status = efme_exec_create(&e, a, backend, &only, 0, NULL);
  if (!status) status = efme_exec_write_region(e, EFME_ARENA_WEIGHTS, 0, model->weights, model->params.total * sizeof(float));
  if (!status) status = efme_exec_prepare(e);
  if (!status) status = backend->api->sync(backend->be);
  if (!status) {
    efme_exec_lend(e, kept, &s->regions);
    e->owned &= ~kept;
  }
  efme_exec_free(e);
  return status;
}

static void destroy(struct efme_share *s, struct efme_model *model) {
  struct efme_backend *backend = &model->context->backend;
  for (uint32_t r = 1; r < EFME_ARENA_COUNT; r++) {
    if (s->regions.buffer[r]) backend->api->free(backend->be, s->regions.buffer[r]);
  }
  efme_mem_free(efme_context_allocator(model->context), s);
}

static efme_status find_or_build(struct efme_share **out, struct efme_model *model, const struct efme_plan *plan) {
  uint64_t key = key_of(plan);
  for (struct efme_share *s = model->shares; s; s = s->next) {
    if (s->key != key) continue;
    s->users++;
    *out = s;
    return EFME_OK;
  }
  struct efme_share *s = efme_mem_calloc(efme_context_allocator(model->context), 1, sizeof *s, "packed weights");
  if (!s) return EFME_E_NOMEM;
  s->users = 1;
  s->key = key;
  efme_status status = build(s, model, plan);
  if (status) {
    destroy(s, model);
    return status;
  }
  s->next = model->shares;
  model->shares = s;
  *out = s;
  return EFME_OK;
}

efme_status efme_share_acquire(struct efme_share **out, struct efme_model *model, const struct efme_plan *plan) {
  pthread_mutex_lock(&model->share_lock);
  efme_status status = find_or_build(out, model, plan);
  pthread_mutex_unlock(&model->share_lock);
  return status;
}

void efme_share_release(struct efme_model *model, struct efme_share *share) {
  if (!share) return;
  pthread_mutex_lock(&model->share_lock);
  if (--share->users == 0) {
    struct efme_share **link = &model->shares;
    while (*link != share) link = &(*link)->next;
    *link = share->next;
    destroy(share, model);
  }
  pthread_mutex_unlock(&model->share_lock);
}

void efme_share_lend(const struct efme_share *share, struct efme_exec_borrow *out) { *out = share->regions; }
