/* A plan from its options: named inputs and outputs, the walk over the network, layout; and the plan's hash. */
#include "net/plan.h"

#include <string.h>

#include "efme/model.h"
#include "net/build.h"

static efme_status check(const struct efme_plan_options *o) {
  int train = o->mode == EFME_PLAN_TRAIN;
  if (o->mode < EFME_PLAN_FEATURES || o->mode > EFME_PLAN_TRAIN)
    return efme_fail(EFME_E_ARGUMENT, "plan: mode %u is not known", (unsigned)o->mode);
  if (o->scope > EFME_SCOPE_HEAD) return efme_fail(EFME_E_ARGUMENT, "plan: scope %u is not known", (unsigned)o->scope);
  if (o->max_batch < 1 || o->max_batch > 4096)
    return efme_fail(EFME_E_ARGUMENT, "plan: max_batch is %u, must be 1..4096", (unsigned)o->max_batch);
  if (o->source_dtype > EFME_U8) return efme_fail(EFME_E_ARGUMENT, "plan: pixels are f32 or u8");
  if (o->source_c && o->source_c != 1 && o->source_c != 3)
    return efme_fail(EFME_E_ARGUMENT, "plan: pixels have 1 or 3 channels, not %u", (unsigned)o->source_c);
  if (o->source_h > 4096 || o->source_w > 4096) return efme_fail(EFME_E_LIMIT, "plan: staged pixels are larger than 4096 x 4096");
  if (!(o->dropout >= 0.0f && o->dropout < 1.0f)) return efme_fail(EFME_E_ARGUMENT, "plan: dropout must lie in [0, 1)");
  if (!(o->dropconnect >= 0.0f && o->dropconnect <= 5.0f)) return efme_fail(EFME_E_ARGUMENT, "plan: dropconnect must lie in [0, 5]");
  if (o->bn_update && (!train || o->scope == EFME_SCOPE_HEAD))
    return efme_fail(EFME_E_ARGUMENT, "plan: bn_update needs TRAIN of all layers");
  if (o->from_features && (o->mode == EFME_PLAN_FEATURES || (train && o->scope != EFME_SCOPE_HEAD)))
    return efme_fail(EFME_E_ARGUMENT, "plan: features as input leave only the head");
  if (o->optimizer > 3) return efme_fail(EFME_E_ARGUMENT, "plan: optimizer %u is not known", (unsigned)o->optimizer);
  if ((o->update || o->ema) && !train) return efme_fail(EFME_E_ARGUMENT, "plan: only TRAIN updates weights");
  return EFME_OK;
}

static struct efme_tensor io(struct efme_builder *b, uint32_t dtype, int32_t c) {
  return efme_b_fixed(b, EFME_ARENA_IO, efme_b_batched_shape(b, dtype, 1, 1, c));
}

/* d of y = (x/255 - mean)/d by variant; the stem reads x scale + shift. */
static void normalisation(struct efme_builder *b) {
  static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
  struct efme_plan *p = b->plan;
  struct efme_plan_constant *scale = &p->constants[p->constant_count++], *shift = &p->constants[p->constant_count++];
  scale->count = shift->count = 3;
  for (int c = 0; c < 3; c++) {
    double m = mean[c], d = std[c];
    if (p->arch.normalisation == EFME_NORM_VARIANCE) d = d * d;
    if (p->arch.normalisation == EFME_NORM_SQRT_STD) d = efme_sqrt(d);
    if (p->arch.normalisation == EFME_NORM_UNIT) m = 0, d = 1;
    scale->values[c] = (float)(1 / (255 * d));
    shift->values[c] = (float)(-m / d);
  }
  b->scale = scale->tensor = efme_b_fixed(b, EFME_ARENA_PACKED, efme_b_shape(EFME_ARENA_PACKED, EFME_F32, 1, 1, 1, 3));
  b->shift = shift->tensor = efme_b_fixed(b, EFME_ARENA_PACKED, efme_b_shape(EFME_ARENA_PACKED, EFME_F32, 1, 1, 1, 3));
}

static void named_tensors(struct efme_builder *b) {
  struct efme_plan *p = b->plan;
  const struct efme_plan_options *o = &p->options;
  int32_t classes = (int32_t)p->arch.classes;
  int loss = o->mode == EFME_PLAN_EVALUATE || o->mode == EFME_PLAN_TRAIN;
  int32_t h = (int32_t)(o->source_h ? o->source_h : p->arch.height), w = (int32_t)(o->source_w ? o->source_w : p->arch.width);
  p->step = efme_b_shape(EFME_ARENA_STEP, EFME_U8, 1, 1, 1, (int32_t)sizeof(struct efme_step));
  p->size[EFME_ARENA_STEP] = 64;
  p->size[EFME_ARENA_WEIGHTS] = p->params.total * sizeof(float);
  if (o->mode == EFME_PLAN_TRAIN) p->size[EFME_ARENA_GRADS] = p->params.head_end * sizeof(float);
  if (o->from_features) p->input = io(b, EFME_F32, (int32_t)efme_params_find(&p->params, "head/kernel")->dims[2]);
  else p->input = efme_b_fixed(b, EFME_ARENA_IO, efme_b_batched_shape(b, o->source_dtype, h, w, o->source_c ? (int32_t)o->source_c : 3));
  if (o->augment || o->mode == EFME_PLAN_TRAIN) p->ids = io(b, EFME_I32, 1);
  if (!loss) return;
  p->labels = io(b, EFME_I32, 1);
  if (o->soft_targets) p->targets = io(b, EFME_F32, classes);
  if (o->sample_weights) p->sample_weights = io(b, EFME_F32, 1);
  if (o->alpha) p->alpha = efme_b_fixed(b, EFME_ARENA_IO, efme_b_shape(EFME_ARENA_IO, EFME_F32, 1, 1, 1, classes));
  p->sums = efme_b_fixed(b, EFME_ARENA_IO, efme_b_shape(EFME_ARENA_IO, EFME_F64, 1, 1, 1, 4));
  if (o->l1 != 0.0f || o->l2 != 0.0f) p->penalty = efme_b_fixed(b, EFME_ARENA_IO, efme_b_shape(EFME_ARENA_IO, EFME_F64, 1, 1, 1, 1));
}

/* Weights that training changes are packed in every step, before anything else. */
static void prepend_packs(struct efme_builder *b) {
  struct efme_plan_list *m = &b->plan->main;
  size_t n = b->packs.count;
  if (b->status || n == 0) return;
  b->status = efme_mem_grow(b->plan->allocator, (void **)&m->ops, &m->capacity, m->count + n, sizeof *m->ops, "plan");
  if (b->status) return;
  memmove(m->ops + n, m->ops, m->count * sizeof *m->ops);
  memcpy(m->ops, b->packs.ops, n * sizeof *m->ops);
  m->count += n;
  b->plan->backward += n;
}

static void walk(struct efme_builder *b) {
  struct efme_plan *p = b->plan;
  const struct efme_plan_options *o = &p->options;
  int train = o->mode == EFME_PLAN_TRAIN;
  named_tensors(b);
  if (o->from_features) p->features = p->input;
  else {
    normalisation(b);
    p->features = train && o->scope == EFME_SCOPE_ALL ? efme_b_train_trunk(b) : efme_b_infer_trunk(b);
  }
  if (o->mode != EFME_PLAN_FEATURES) efme_b_head(b, p->features);
  p->backward = p->main.count;
  if (train) {
    struct efme_tensor dfeatures = efme_b_head_backward(b, p->features);
    if (o->scope == EFME_SCOPE_ALL) efme_b_backward_trunk(b, dfeatures);
    efme_b_update(b);
  }
  prepend_packs(b);
}

static efme_status load_taps(struct efme_builder *b, const struct efme_plan_options *o) {
  struct efme_plan *p = b->plan;
  p->taps = efme_mem_calloc(p->allocator, o->tap_count, sizeof *p->taps, "plan");
  b->tap_bound = efme_mem_calloc(p->allocator, o->tap_count, 1, "plan");
  if (!p->taps || !b->tap_bound) return EFME_E_NOMEM;
  for (uint32_t i = 0; i < o->tap_count; i++) {
    size_t n = o->taps && o->taps[i] ? strlen(o->taps[i]) : 0;
    if (n == 0) return efme_fail(EFME_E_ARGUMENT, "tap %u has no name", (unsigned)i);
    if (n >= sizeof p->taps[i].name) return efme_fail(EFME_E_NOT_FOUND, "tap \"%.60s...\": no such layer", o->taps[i]);
    memcpy(p->taps[i].name, o->taps[i], n);
    for (uint32_t k = 0; k < i; k++) {
      if (strcmp(p->taps[k].name, p->taps[i].name) == 0)
        return efme_fail(EFME_E_ARGUMENT, "tap \"%s\" is asked for twice", p->taps[i].name);
    }
    p->tap_count++;
  }
  return EFME_OK;
}

static efme_status find_unbound(const struct efme_builder *b) {
  for (uint32_t i = 0; i < b->plan->tap_count; i++) {
    if (!b->tap_bound[i]) return efme_fail(EFME_E_NOT_FOUND, "tap \"%s\": this network has no such layer output", b->plan->taps[i].name);
  }
  return EFME_OK;
}

static efme_status build(struct efme_builder *b, const struct efme_plan_options *options) {
  struct efme_plan *p = b->plan;
  efme_status status = efme_arch_blocks(b->blocks, &b->block_count, &p->arch);
  if (!status) status = check(options);
  if (!status) status = efme_params_create(&p->params, p->allocator, &p->arch);
  if (!status) status = load_taps(b, options);
  if (status) return status;
  walk(b);
  if (!b->status) b->status = find_unbound(b);
  efme_b_layout(b);
  return b->status;
}

efme_status efme_plan_create(struct efme_plan **out, const struct efme_allocator *a, const struct efme_backend *backend,
                             const struct efme_arch *arch, const struct efme_plan_options *options) {
  struct efme_plan *p = efme_mem_calloc(a, 1, sizeof *p, "plan");
  struct efme_builder *b = efme_mem_calloc(a, 1, sizeof *b, "plan");
  efme_status status = p && b ? EFME_OK : EFME_E_NOMEM;
  if (p) p->allocator = a;
  if (!status) {
    p->arch = *arch;
    p->options = *options;
    p->options.taps = NULL;
    p->moment1 = p->moment2 = p->ema = UINT64_MAX;
    b->plan = p;
    b->backend = backend;
    status = build(b, options);
    efme_mem_free(a, b->packs.ops);
    efme_mem_free(a, b->values);
    efme_mem_free(a, b->tap_bound);
  }
  efme_mem_free(a, b);
  if (status) {
    efme_plan_free(p);
    return status;
  }
  *out = p;
  return EFME_OK;
}

void efme_plan_free(struct efme_plan *p) {
  if (!p) return;
  const struct efme_allocator *a = p->allocator;
  efme_params_free(&p->params, a);
  efme_mem_free(a, p->prepare.ops);
  efme_mem_free(a, p->main.ops);
  efme_mem_free(a, p->update.ops);
  efme_mem_free(a, p->taps);
  efme_mem_free(a, p->layers);
  efme_mem_free(a, p->buffers);
  efme_mem_free(a, p);
}

const struct efme_plan_tap *efme_plan_find_tap(const struct efme_plan *plan, const char *name) {
  for (uint32_t i = 0; i < plan->tap_count; i++) {
    if (strcmp(plan->taps[i].name, name) == 0) return &plan->taps[i];
  }
  return NULL;
}

/* ---- hash: what is computed, not how a backend lays it out ---- */

static uint64_t hash_list(const struct efme_plan_list *list, uint64_t seed) {
  for (size_t i = 0; i < list->count; i++) {
    struct efme_op op = list->ops[i];
    if (op.kind == EFME_OP_PACK || op.kind == EFME_OP_GROUP) continue;
    op.layer = 0; /* names are indexed in order of use, groups included */
    memset(&op.t[EFME_T_WS], 0, sizeof op.t[0]);
    if (op.kind != EFME_OP_LOSS) memset(&op.t[EFME_T_P], 0, sizeof op.t[0]);
    for (int r = 0; r < EFME_T_COUNT; r++) {
      struct efme_tensor *t = &op.t[r];
      int weight = r == EFME_T_W && (op.kind == EFME_OP_MATMUL || op.kind == EFME_OP_CONV); /* there or packed */
      if (weight) memset(t, 0, sizeof *t);
      if (t->arena == EFME_ARENA_ACT || t->arena == EFME_ARENA_PACKED) t->offset = 0, t->arena = EFME_ARENA_ACT;
    }
    seed = efme_hash64(&op, sizeof op, seed);
  }
  return efme_hash64("|", 1, seed);
}

uint64_t efme_plan_hash(const struct efme_plan *plan) {
  uint64_t h = hash_list(&plan->prepare, 1);
  h = hash_list(&plan->main, h);
  return hash_list(&plan->update, h);
}
