/* What the folds of one evaluation read together: staged pixels, and the features of the trunk they all start from. */
#include <string.h>

#include "train/state.h"

struct shared_progress {
  efme_progress_fn call;
  void *user;
  uint64_t before, total; /* images of variants that are done, of all */
};

static int report(uint64_t done, uint64_t total, void *user) {
  struct shared_progress *p = user;
  (void)total;
  return p->call ? p->call("features", p->before + done, p->total, p->user) : 0;
}

static efme_status fill_variants(struct efme_features *f, const struct efme_features_job *job, uint32_t variants) {
  struct shared_progress *p = job->user;
  for (uint32_t v = 0; v < variants; v++) {
    p->before = v * f->part.count;
    efme_status status = efme_features_fill(f, v, job);
    if (status) return status;
  }
  return EFME_OK;
}

/* Epochs that folds can ask variants of: those of the head phases before the first that changes the trunk. */
static uint32_t head_epochs(const efme_recipe *recipe) {
  uint64_t epochs = 0;
  for (size_t i = 0; i < recipe->phase_count && recipe->phases[i].scope == EFME_SCOPE_HEAD; i++) epochs += recipe->phases[i].epochs;
  return (uint32_t)EFME_MIN(epochs, UINT32_MAX);
}

static efme_status compute(struct efme_train_shared *s, efme_model *model, const efme_recipe *recipe, struct shared_progress *progress) {
  const efme_train_options *o = &recipe->options;
  const struct efme_backend *b = &model->context->backend;
  const struct efme_param *kernel = efme_params_find(&model->params, "head/kernel");
  struct efme_part all = {0};
  struct efme_plan *plan = NULL;
  struct efme_exec *exec = NULL;
  void *weights = NULL;
  efme_status status = efme_part_create(&all, s->samples, s->samples->dataset);
  if (!status)
    status =
        efme_features_create(&s->features, &all, o->feature_variants, kernel->dims[2], efme_trunk_checksum(model->weights, &model->params));
  if (!status) status = b->api->alloc(b->be, &weights, model->params.total * sizeof(float));
  if (!status) status = b->api->copy_in(b->be, weights, 0, model->weights, model->params.total * sizeof(float));
  if (!status) status = efme_engine_features(&plan, &exec, model, o, s->samples, weights, 0);
  struct efme_features_job job = {exec, o->seed, EFME_MIN(efme_context_threads(model->context), 4u), report, progress};
  uint32_t variants = EFME_MIN(o->feature_variants, head_epochs(recipe));
  progress->total = variants * all.count;
  if (!status) status = fill_variants(s->features, &job, variants);
  efme_exec_free(exec);
  efme_plan_free(plan);
  if (weights) b->api->free(b->be, weights);
  efme_part_free(&all);
  return status;
}

efme_status efme_train_shared_create(struct efme_train_shared **out, efme_model *model, const efme_recipe *recipe,
                                     const efme_dataset *dataset, efme_progress_fn progress, void *user) {
  const struct efme_allocator *a = &model->context->allocator;
  if (efme_dataset_context(dataset) != model->context)
    return efme_fail(EFME_E_ARGUMENT, "the dataset belongs to another context than the model");
  struct efme_train_shared *s = efme_mem_calloc(a, 1, sizeof *s, "what folds share");
  if (!s) return EFME_E_NOMEM;
  atomic_init(&s->references, 1);
  s->context = efme_context_retain(model->context);
  s->seed = recipe->options.seed;
  efme_augmentation(s->augmentation, &recipe->options);
  struct shared_progress p = {progress, user, 0, 0};
  struct efme_fpenv env;
  efme_fpenv_enter(&env);
  efme_status status = efme_samples_create(&s->samples, dataset, model->arch.height, model->arch.width);
  int cached = recipe->options.feature_variants && recipe->phase_count && recipe->phases[0].scope == EFME_SCOPE_HEAD;
  if (!status && cached) status = compute(s, model, recipe, &p);
  efme_fpenv_leave(&env);
  if (status) {
    efme_train_shared_release(s);
    return status;
  }
  *out = s;
  return EFME_OK;
}

struct efme_train_shared *efme_train_shared_retain(struct efme_train_shared *shared) {
  if (shared) atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
  return shared;
}

void efme_train_shared_release(struct efme_train_shared *shared) {
  if (!shared || atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1) return;
  efme_context *context = shared->context;
  efme_features_free(shared->features);
  efme_samples_release(shared->samples);
  efme_mem_free(&context->allocator, shared);
  efme_context_release(context);
}
