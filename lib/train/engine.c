/* The execution of one phase: its plans, buffers, loaders and features, made when it begins. */
#include <string.h>

#include "train/state.h"

/* drop_connect of the options is the rate at the end of the whole B0, the plan's is a factor on the spec's 0.2. */
#define DROP_CONNECT_BASE 0.2f
#define RADIANS (3.14159265358979323846 / 180.0)

static void set_source(struct efme_plan_options *o, const struct efme_samples *samples) {
  o->source_dtype = EFME_U8;
  o->source_h = samples->info.height;
  o->source_w = samples->info.width;
  o->source_c = samples->info.channels;
}

void efme_augmentation(float out[7], const efme_train_options *o) {
  const float values[7] = {o->flip, o->photometric, o->brightness, o->contrast, (float)(o->rotation * RADIANS), o->scale, o->shift};
  memcpy(out, values, sizeof values);
}

static void set_augmentation(struct efme_plan_options *o, const efme_train_options *options) {
  efme_augmentation(o->augmentation, options);
  for (int i = 0; i < 7; i++)
    if (o->augmentation[i] != 0.0f) o->augment = 1;
}

static void set_loss(struct efme_plan_options *o, const struct efme_trainer *t) {
  o->gamma = t->options.gamma;
  o->smoothing = t->options.label_smoothing;
  o->alpha = t->alpha != NULL;
  o->l1 = t->options.l1;
  o->l2 = t->options.l2;
}

static void set_optimizer(struct efme_plan_options *o, const efme_optimizer_options *optimizer) {
  float f[4] = {(float)optimizer->beta1, (float)optimizer->beta2, (float)optimizer->epsilon, 0.0f};
  if (optimizer->kind == EFME_ADAMW) f[3] = (float)optimizer->weight_decay;
  if (optimizer->kind == EFME_SGD) f[0] = (float)optimizer->momentum;
  if (optimizer->kind == EFME_RMSPROP) f[0] = (float)optimizer->rho;
  memcpy(o->optimizer_f[0], f, sizeof f);
  memcpy(o->optimizer_f[1], f, sizeof f);
  o->optimizer = optimizer->kind;
  o->update = 1;
}

/* Plan and execution on weights that somebody else owns; scratch memory may be the lender's. */
static efme_status build(struct efme_plan **plan, struct efme_exec **exec, efme_context *context, const struct efme_arch *arch,
                         const struct efme_params *params, const struct efme_plan_options *options, void *weights, uint32_t max_threads,
                         const struct efme_exec *lender) {
  struct efme_exec_borrow borrow;
  memset(&borrow, 0, sizeof borrow);
  if (lender) efme_exec_lend(lender, 1u << EFME_ARENA_ACT, &borrow);
  borrow.buffer[EFME_ARENA_WEIGHTS] = weights;
  borrow.size[EFME_ARENA_WEIGHTS] = params->total * sizeof(float);
  efme_status status = efme_plan_create(plan, &context->allocator, &context->backend, arch, options);
  if (!status) status = efme_exec_create(exec, &context->allocator, &context->backend, *plan, max_threads, &borrow);
  return status;
}

static efme_status write_alpha(struct efme_exec *e, const struct efme_trainer *t) {
  if (!efme_tensor_present(&e->plan->alpha)) return EFME_OK;
  return efme_exec_write(e, &e->plan->alpha, 0, t->alpha, t->model->arch.classes * sizeof *t->alpha);
}

efme_status efme_engine_features(struct efme_plan **plan, struct efme_exec **exec, const efme_model *model,
                                 const efme_train_options *options, const struct efme_samples *samples, void *weights,
                                 uint32_t max_threads) {
  struct efme_plan_options o = {.mode = EFME_PLAN_FEATURES, .max_batch = EFME_EVALUATE_BATCH, .per_variant = 1};
  set_source(&o, samples);
  set_augmentation(&o, options);
  if (!o.augment) o.per_variant = 0;
  efme_status status = build(plan, exec, model->context, &model->arch, &model->params, &o, weights, max_threads, NULL);
  return status ? status : efme_exec_prepare(*exec);
}

efme_status efme_engine_evaluate(struct efme_plan **plan, struct efme_exec **exec, const struct efme_trainer *t,
                                 const struct efme_samples *samples, void *weights, struct efme_exec *lender) {
  struct efme_plan_options o = {.mode = EFME_PLAN_EVALUATE, .max_batch = EFME_EVALUATE_BATCH};
  if (samples) {
    set_source(&o, samples);
  } else {
    o.scope = EFME_SCOPE_HEAD;
    o.from_features = 1;
  }
  set_loss(&o, t);
  efme_status status = build(plan, exec, t->context, &t->model->arch, efme_trainer_params(t), &o, weights, t->max_threads, lender);
  return status ? status : write_alpha(*exec, t);
}

/* ---- features of head phases ---- */

static uint32_t feature_width(const struct efme_trainer *t) {
  const struct efme_param *kernel = efme_params_find(efme_trainer_params(t), "head/kernel");
  return kernel->dims[2];
}

static efme_status own_features(struct efme_trainer *t, uint64_t trunk) {
  const struct efme_part *parts[2] = {&t->train, &t->validation};
  uint32_t variants[2] = {t->options.feature_variants, 1};
  for (int i = 0; i < 2; i++) {
    if (t->features[i] && t->features[i]->trunk == trunk) continue;
    efme_features_free(t->features[i]);
    t->features[i] = NULL;
    if (!parts[i]->count) continue;
    efme_status status = efme_features_create(&t->features[i], parts[i], variants[i], feature_width(t), trunk);
    if (status) return status;
  }
  t->engine.features = t->features[0];
  t->engine.eval_features = t->features[1];
  return EFME_OK;
}

/* Shared features serve while the trunk is the one they were made with. */
static efme_status choose_features(struct efme_trainer *t) {
  const struct efme_backend *b = &t->context->backend;
  efme_status status = b->api->copy_out(b->be, t->weights, 0, t->scratch, efme_trainer_params(t)->total * sizeof(float));
  if (status) return status;
  uint64_t trunk = efme_trunk_checksum(t->scratch, efme_trainer_params(t));
  const struct efme_features *shared = t->shared ? t->shared->features : NULL;
  float augmentation[7];
  efme_augmentation(augmentation, &t->options);
  if (!shared || shared->trunk != trunk || t->shared->seed != t->options.seed || shared->variants != t->options.feature_variants ||
      memcmp(augmentation, t->shared->augmentation, sizeof augmentation) != 0)
    return own_features(t, trunk);
  t->engine.features = t->engine.eval_features = shared;
  return EFME_OK;
}

static int features_progress(uint64_t done, uint64_t total, void *user) {
  struct efme_trainer *t = user;
  efme_report_step(t, "features", done, total);
  /* a rank that stopped here alone would leave the others waiting */
  return t->cancel && efme_trainer_ranks(t) == 1;
}

static efme_status fill(struct efme_trainer *t, struct efme_features *f, uint32_t variant) {
  if (!f || f->values[variant]) return EFME_OK;
  struct efme_plan *plan = NULL;
  struct efme_exec *exec = NULL;
  efme_status status = efme_engine_features(&plan, &exec, t->model, &t->options, f->part.samples, t->weights, t->max_threads);
  struct efme_features_job job = {exec, t->options.seed, t->loader_threads, features_progress, t};
  if (!status) status = efme_features_fill(f, variant, &job);
  efme_exec_free(exec);
  efme_plan_free(plan);
  return status;
}

/* ---- begin, epoch, end ---- */

/* Keeping activations for the backward pass saves some 6 % of a step and costs 1.7 times the memory (measured at 48 and 224 pixels): done
 * where that is little. The values are the same either way. */
#define KEEP_LIMIT (256ull << 20)
static efme_status keep_if_small(const struct efme_trainer *t, struct efme_plan_options *o) {
  struct efme_plan *plan;
  o->keep_activations = 1;
  efme_status status = efme_plan_create(&plan, t->allocator, &t->context->backend, &t->model->arch, o);
  if (status) return status;
  o->keep_activations = plan->size[EFME_ARENA_ACT] <= KEEP_LIMIT;
  efme_plan_free(plan);
  return EFME_OK;
}

static efme_status train_exec(struct efme_trainer *t, const struct efme_trainer_phase *phase) {
  struct efme_engine *g = &t->engine;
  struct efme_plan_options o = {
      .mode = EFME_PLAN_TRAIN, .scope = phase->scope, .max_batch = t->options.batch, .dropout = t->options.dropout};
  if (g->cached) {
    o.from_features = 1;
  } else {
    set_source(&o, t->train.samples);
    set_augmentation(&o, &t->options);
  }
  if (phase->scope == EFME_SCOPE_ALL) {
    o.bn_update = t->options.bn_mode == EFME_BN_UPDATE;
    o.dropconnect = t->options.drop_connect / DROP_CONNECT_BASE;
  }
  set_loss(&o, t);
  set_optimizer(&o, &phase->optimizer);
  o.ema = t->options.ema_decay > 0.0f;
  efme_status status = keep_if_small(t, &o);
  if (!status)
    status = build(&g->train_plan, &g->train, t->context, &t->model->arch, efme_trainer_params(t), &o, t->weights, t->max_threads, NULL);
  if (!status) status = write_alpha(g->train, t);
  return status;
}

static efme_status host_buffers(struct efme_trainer *t) {
  struct efme_engine *g = &t->engine;
  uint64_t group = (uint64_t)t->options.batch * efme_trainer_ranks(t);
  uint32_t lines = (uint32_t)EFME_MAX(group, EFME_EVALUATE_BATCH);
  g->ids = efme_mem_array(t->allocator, lines, sizeof *g->ids, "ids of a batch");
  g->labels = efme_mem_array(t->allocator, lines, sizeof *g->labels, "labels of a batch");
  g->outputs = efme_mem_array(t->allocator, (size_t)EFME_EVALUATE_BATCH * t->model->arch.classes, sizeof *g->outputs, "outputs of a batch");
  if (!g->ids || !g->labels || !g->outputs) return EFME_E_NOMEM;
  if (g->cached) {
    g->rows = efme_mem_array(t->allocator, (size_t)lines * feature_width(t), sizeof *g->rows, "features of a batch");
    g->order = efme_mem_array(t->allocator, t->train.count, sizeof *g->order, "order of an epoch");
    g->order_epoch = UINT32_MAX;
    if (!g->rows || !g->order) return EFME_E_NOMEM;
  }
  if (efme_trainer_ranks(t) > 1) {
    g->exchange = efme_mem_array(t->allocator, efme_trainer_params(t)->head_end + 1, sizeof *g->exchange, "gradients of a group");
    if (!g->exchange) return EFME_E_NOMEM;
  }
  return EFME_OK;
}

static efme_status make_loader(struct efme_loader **out, const struct efme_trainer *t, const struct efme_part *part, uint32_t batch) {
  struct efme_loader_options o = {.batch = batch, .threads = t->loader_threads, .seed = t->run_seed};
  return efme_loader_create(out, part->samples->stage, part->positions, part->count, &o);
}

static efme_status loaders(struct efme_trainer *t) {
  struct efme_engine *g = &t->engine;
  if (g->cached) return EFME_OK;
  efme_status status = make_loader(&g->loader, t, &t->train, t->options.batch * efme_trainer_ranks(t));
  if (!status && t->validation.count) status = make_loader(&g->eval_loader, t, &t->validation, EFME_EVALUATE_BATCH);
  return status;
}

/* Moments and EMA: a fresh phase starts from zero and from the weights, a resumed one from the checkpoint. */
static efme_status begin_state(struct efme_trainer *t) {
  const struct efme_plan *plan = t->engine.train_plan;
  uint64_t at[3] = {plan->moment1, plan->moment2, plan->ema};
  uint64_t count[3] = {efme_trainer_params(t)->head_end, efme_trainer_params(t)->head_end, efme_trainer_params(t)->total};
  int resumed = t->position.running;
  efme_status status = EFME_OK;
  for (int i = 0; i < 3 && !status; i++) {
    if (at[i] == UINT64_MAX) continue;
    const float *values = resumed ? t->resume[i] : NULL;
    if (i == 2 && !resumed) { /* the weights themselves */
      const struct efme_backend *b = &t->context->backend;
      status = b->api->copy(b->be, t->engine.train->buffer[EFME_ARENA_OPT], at[i], t->weights, 0, count[i] * sizeof(float));
    } else if (values) {
      status = efme_exec_write_region(t->engine.train, EFME_ARENA_OPT, at[i], values, count[i] * sizeof(float));
    } else if (resumed) {
      status = efme_fail(EFME_E_INTERNAL, "a running phase without its optimizer state");
    }
  }
  for (int i = 0; i < 3; i++) {
    efme_mem_free(t->allocator, t->resume[i]);
    t->resume[i] = NULL;
  }
  return status;
}

efme_status efme_engine_begin(struct efme_trainer *t) {
  struct efme_engine *g = &t->engine;
  const struct efme_trainer_phase *phase = &t->phases[t->position.phase];
  memset(g, 0, sizeof *g);
  g->cached = phase->scope == EFME_SCOPE_HEAD && t->options.feature_variants > 0;
  uint64_t group = (uint64_t)t->options.batch * efme_trainer_ranks(t);
  g->steps = (t->train.count + group - 1) / group;
  efme_status status = train_exec(t, phase);
  if (!status) status = host_buffers(t);
  if (!status) status = loaders(t);
  if (!status && g->cached) status = choose_features(t);
  void *weights = t->options.ema_decay > 0.0f ? t->averaged : t->weights;
  if (!status && t->validation.count)
    status = efme_engine_evaluate(&g->eval_plan, &g->eval, t, g->cached ? NULL : t->validation.samples, weights, g->train);
  uint64_t hash = status ? 0 : efme_plan_hash(g->train_plan);
  if (!status && t->position.running && t->position.plan != hash)
    status = efme_fail(EFME_E_MISMATCH, "checkpoint '%s' was written by another training plan of phase %u",
                       t->checkpoint ? t->checkpoint : "", t->position.phase + 1);
  if (!status) status = begin_state(t);
  if (!status) status = efme_exec_prepare(g->train);
  if (status) {
    efme_engine_end(t);
    return status;
  }
  t->position.plan = hash;
  g->ready = 1;
  return EFME_OK;
}

void efme_engine_end(struct efme_trainer *t) {
  struct efme_engine *g = &t->engine;
  efme_loader_destroy(g->loader);
  efme_loader_destroy(g->eval_loader);
  efme_exec_free(g->eval); /* before the exec whose memory it borrows */
  efme_exec_free(g->train);
  efme_plan_free(g->eval_plan);
  efme_plan_free(g->train_plan);
  void *memory[] = {g->order, g->rows, g->ids, g->labels, g->outputs, g->exchange};
  for (size_t i = 0; i < EFME_COUNT(memory); i++) efme_mem_free(t->allocator, memory[i]);
  memset(g, 0, sizeof *g);
}

efme_status efme_engine_epoch(struct efme_trainer *t) {
  struct efme_engine *g = &t->engine;
  uint32_t epoch = t->position.total_epoch;
  if (!g->cached) {
    if (t->position.step == g->steps) return EFME_OK; /* resumed before its validation */
    return efme_loader_start(g->loader, EFME_LOADER_SHUFFLED, epoch, t->position.step);
  }
  uint32_t variant = epoch % t->options.feature_variants;
  efme_status status = EFME_OK;
  if (g->features != t->features[0] && !g->features->values[variant])
    status = own_features(t, g->features->trunk); /* shared, but not this variant */
  if (!status && g->features == t->features[0]) status = fill(t, t->features[0], variant);
  if (!status && g->eval_features == t->features[1]) status = fill(t, t->features[1], 0);
  if (!status && g->order_epoch != epoch) {
    efme_order_shuffle(g->order, (uint32_t)t->train.count, t->run_seed, epoch);
    g->order_epoch = epoch;
  }
  return status;
}
