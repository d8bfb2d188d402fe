/* Making and freeing a trainer: agreement of classes, copies of options, canonical samples, weights on the device. */
#include <string.h>

#include "train/state.h"

/* ---- checks ---- */

static efme_status check_names(const efme_model *model, const efme_dataset *d, const char *what) {
  uint32_t count = efme_dataset_class_count(d);
  if (count != model->arch.classes)
    return efme_fail(EFME_E_MISMATCH, "the %s dataset has %u classes, the model has %u", what, count, model->arch.classes);
  for (uint32_t c = 0; c < count; c++)
    if (strcmp(efme_dataset_class_name(d, c), model->class_names[c]) != 0)
      return efme_fail(EFME_E_MISMATCH, "class %u is '%s' in the %s dataset, '%s' in the model", c, efme_dataset_class_name(d, c), what,
                       model->class_names[c]);
  return EFME_OK;
}

static efme_status check_present(const efme_dataset *d, const char *what, const struct efme_allocator *a) {
  uint32_t classes = efme_dataset_class_count(d);
  uint64_t *counts = efme_mem_calloc(a, classes, sizeof *counts, "class counts");
  if (!counts) return EFME_E_NOMEM;
  efme_status status = efme_dataset_class_counts(d, counts, classes);
  for (uint32_t c = 0; c < classes && !status; c++)
    if (!counts[c]) status = efme_fail(EFME_E_MISMATCH, "class '%s' has no %s sample", efme_dataset_class_name(d, c), what);
  efme_mem_free(a, counts);
  return status;
}

static efme_status check_labels(const efme_dataset *d, const char *what) {
  for (uint64_t i = 0; i < efme_dataset_count(d); i++) {
    efme_sample sample = EFME_SAMPLE_INIT;
    efme_status status = efme_dataset_sample(d, i, &sample);
    if (status) return status;
    if (sample.label < 0) return efme_fail(EFME_E_MISMATCH, "%s sample %s has no class: map the labels first", what, sample.key);
  }
  return EFME_OK;
}

static efme_status check_dataset(const efme_model *model, const efme_dataset *d, const char *what, int allow_missing) {
  if (efme_dataset_context(d) != model->context)
    return efme_fail(EFME_E_ARGUMENT, "the %s dataset belongs to another context than the model", what);
  efme_status status = check_names(model, d, what);
  if (!status && !efme_dataset_count(d)) status = efme_fail(EFME_E_MISMATCH, "the %s dataset has no samples", what);
  if (!status) status = check_labels(d, what);
  if (!status && !allow_missing) status = check_present(d, what, &model->context->allocator);
  return status;
}

/* ---- recipe ---- */

static int three_classes(const efme_model *model) {
  if (model->arch.classes != 3) return 0;
  for (int c = 0; c < 3; c++)
    if (strcmp(model->class_names[c], efme_classes_meg3()[c]) != 0) return 0;
  return 1;
}

static efme_status take_alpha(struct efme_trainer *t, const efme_recipe *recipe) {
  const efme_train_options *o = &recipe->options;
  t->options.alpha = NULL;
  t->options.alpha_count = 0;
  if (!o->alpha || (recipe->alpha_preset && !three_classes(t->model))) return EFME_OK;
  if (o->alpha_count != t->model->arch.classes)
    return efme_fail(EFME_E_MISMATCH, "efme_train_options.alpha has %u factors, the model %u classes", o->alpha_count,
                     t->model->arch.classes);
  t->alpha = efme_mem_array(t->allocator, o->alpha_count, sizeof *t->alpha, "alpha");
  if (!t->alpha) return EFME_E_NOMEM;
  memcpy(t->alpha, o->alpha, o->alpha_count * sizeof *t->alpha);
  t->options.alpha = t->alpha;
  t->options.alpha_count = o->alpha_count;
  return EFME_OK;
}

static efme_status take_recipe(struct efme_trainer *t, const efme_recipe *recipe) {
  t->options = recipe->options;
  efme_status status = take_alpha(t, recipe);
  if (status) return status;
  if (recipe->options.collectives) {
    t->collectives = *recipe->options.collectives;
    t->options.collectives = &t->collectives;
  }
  memcpy(t->recipe, recipe->name, sizeof t->recipe);
  if (!recipe->phase_count) return efme_fail(EFME_E_ARGUMENT, "the recipe has no phases");
  t->phases = efme_mem_array(t->allocator, recipe->phase_count, sizeof *t->phases, "phases");
  if (!t->phases) return EFME_E_NOMEM;
  t->phase_count = (uint32_t)recipe->phase_count;
  for (uint32_t i = 0; i < t->phase_count; i++) {
    const efme_phase *p = &recipe->phases[i];
    t->phases[i] = (struct efme_trainer_phase){p->scope, p->epochs, p->patience, p->restore_best, p->optimizer->options};
  }
  return EFME_OK;
}

/* ---- data and weights ---- */

static efme_status take_part(struct efme_trainer *t, struct efme_part *part, const efme_dataset *view) {
  if (t->shared) return efme_part_create(part, t->shared->samples, view);
  struct efme_samples *samples;
  efme_status status = efme_samples_create(&samples, view, t->model->arch.height, t->model->arch.width);
  if (status) return status;
  status = efme_part_create(part, samples, view);
  efme_samples_release(samples);
  return status;
}

static efme_status take_data(struct efme_trainer *t, const efme_dataset *train, const efme_dataset *validation) {
  t->train_set = efme_dataset_retain((efme_dataset *)train); /* counted, never changed */
  if (validation) t->validation_set = efme_dataset_retain((efme_dataset *)validation);
  efme_status status = take_part(t, &t->train, train);
  if (!status && validation) status = take_part(t, &t->validation, validation);
  return status;
}

static efme_status take_weights(struct efme_trainer *t) {
  const struct efme_backend *b = &t->context->backend;
  uint64_t total = efme_trainer_params(t)->total;
  t->best = efme_mem_array(t->allocator, total, sizeof *t->best, "best weights");
  t->good = efme_mem_array(t->allocator, total, sizeof *t->good, "last good weights");
  t->scratch = efme_mem_array(t->allocator, total, sizeof *t->scratch, "weights");
  if (!t->best || !t->good || !t->scratch) return EFME_E_NOMEM;
  memcpy(t->good, t->model->weights, total * sizeof *t->good);
  memset(t->best, 0, total * sizeof *t->best);
  t->start_checksum = efme_model_checksum(t->model);
  efme_status status = b->api->alloc(b->be, &t->weights, total * sizeof(float));
  if (!status && t->options.ema_decay > 0.0f) status = b->api->alloc(b->be, &t->averaged, total * sizeof(float));
  return status ? status : efme_weights_write(t, t->model->weights);
}

static uint32_t loader_threads(const struct efme_trainer *t) {
  if (t->max_threads == 1) return 0;
  return EFME_MIN(efme_context_threads(t->context), 4u);
}

static efme_status fill(struct efme_trainer *t, const efme_recipe *recipe, const efme_dataset *train, const efme_dataset *validation,
                        const struct efme_trainer_extra *extra) {
  int allow_missing = extra && extra->allow_missing;
  if (extra) {
    t->shared = efme_train_shared_retain(extra->shared);
    t->max_threads = extra->max_threads;
    t->sparse = extra->sparse_checkpoints != 0;
  }
  t->loader_threads = loader_threads(t);
  efme_status status = check_dataset(t->model, train, "training", allow_missing);
  if (!status && validation) status = check_dataset(t->model, validation, "validation", allow_missing);
  if (!status) status = take_recipe(t, recipe);
  t->run_seed = extra && extra->reseed ? extra->seed : t->options.seed;
  if (!status) status = take_data(t, train, validation);
  if (!status) status = take_weights(t);
  return status;
}

efme_status efme_trainer_create_internal(efme_trainer **out, efme_model *model, const efme_recipe *recipe, const efme_dataset *train,
                                         const efme_dataset *validation, const struct efme_trainer_extra *extra) {
  const struct efme_allocator *a = &model->context->allocator;
  efme_status status = efme_model_hold(model);
  if (status) return status;
  struct efme_trainer *t = efme_mem_calloc(a, 1, sizeof *t, "trainer");
  if (!t) {
    efme_model_unhold(model);
    return EFME_E_NOMEM;
  }
  atomic_init(&t->references, 1);
  t->context = efme_context_retain(model->context);
  t->allocator = a;
  t->model = model;
  struct efme_fpenv env;
  efme_fpenv_enter(&env);
  status = fill(t, recipe, train, validation, extra);
  efme_fpenv_leave(&env);
  if (status) {
    efme_trainer_release(t);
    return status;
  }
  *out = t;
  return EFME_OK;
}

efme_trainer *efme_trainer_retain(efme_trainer *trainer) {
  if (trainer) atomic_fetch_add_explicit(&trainer->references, 1, memory_order_relaxed);
  return trainer;
}

void efme_trainer_release(efme_trainer *t) {
  if (!t || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1) return;
  efme_context *context = t->context;
  const struct efme_backend *b = &context->backend;
  efme_engine_end(t);
  efme_features_free(t->features[0]);
  efme_features_free(t->features[1]);
  if (t->weights) b->api->free(b->be, t->weights);
  if (t->averaged) b->api->free(b->be, t->averaged);
  efme_part_free(&t->train);
  efme_part_free(&t->validation);
  efme_train_shared_release(t->shared);
  efme_dataset_release(t->train_set);
  efme_dataset_release(t->validation_set);
  efme_model_unhold(t->model);
  void *memory[] = {t->alpha,      t->phases,    t->best,      t->good,      t->scratch, t->history,
                    t->checkpoint, t->resume[0], t->resume[1], t->resume[2], t};
  for (size_t i = 0; i < EFME_COUNT(memory); i++) efme_mem_free(&context->allocator, memory[i]);
  efme_context_release(context);
}

uint64_t efme_trainer_start_checksum(const efme_trainer *trainer) { return trainer->start_checksum; }
