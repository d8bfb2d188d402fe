/* Validation, and predictions of a trainer: unaugmented samples through the inference form of the network, with the weights that
 * count. Loss sums run on the device in double over batches of a fixed size in canonical order; scores come from counts. */
#include <math.h>
#include <string.h>

#include "eval/scores.h"
#include "train/state.h"

static int32_t argmax(const float *values, uint32_t count) {
  uint32_t best = 0;
  for (uint32_t c = 1; c < count; c++)
    if (values[c] > values[best]) best = c;
  return (int32_t)best;
}

/* ---- batches: pixels from a loader, or rows of the feature cache ---- */

struct source {
  struct efme_loader *loader; /* NULL: cached */
  const struct efme_samples *samples;
  const uint64_t *positions;
  uint64_t count, done;
  const struct efme_features *features;
};

static efme_status next(struct source *s, struct efme_exec *e, float *rows, int32_t *labels, uint32_t *count) {
  const void *input;
  uint64_t bytes;
  *count = 0;
  if (s->loader) {
    const struct efme_loader_batch *batch;
    efme_status status = efme_loader_next(s->loader, &batch);
    if (status || !batch) return status;
    *count = batch->count;
    memcpy(labels, batch->labels, batch->count * sizeof *labels);
    input = batch->pixels;
    bytes = s->samples->info.sample_bytes;
  } else {
    *count = (uint32_t)EFME_MIN((uint64_t)EFME_EVALUATE_BATCH, s->count - s->done);
    uint32_t width = s->features->width;
    for (uint32_t i = 0; i < *count; i++) {
      uint64_t position = s->positions[s->done + i], row = efme_features_row(s->features, position);
      if (row == UINT64_MAX) return efme_fail(EFME_E_INTERNAL, "a sample without cached features");
      memcpy(rows + (size_t)i * width, s->features->values[0] + row * width, width * sizeof *rows);
      labels[i] = s->samples->labels[position];
    }
    input = rows;
    bytes = width * sizeof *rows;
  }
  s->done += *count;
  if (!*count) return EFME_OK;
  efme_status status = efme_exec_write(e, &e->plan->input, 0, input, *count * bytes);
  for (uint32_t i = 0; i < *count; i++)
    if (labels[i] < 0) labels[i] = 0; /* a sample to be predicted has no label; its loss is not used */
  if (!status) status = efme_exec_write(e, &e->plan->labels, 0, labels, *count * sizeof *labels);
  return status ? status : efme_exec_main(e, *count);
}

/* ---- validation ---- */

static efme_status batches(struct efme_trainer *t, struct source *s, uint64_t *counts) {
  struct efme_engine *g = &t->engine;
  struct efme_exec *e = g->eval;
  uint32_t classes = t->model->arch.classes, n;
  efme_status status;
  while (!(status = next(s, e, g->rows, g->labels, &n)) && n) {
    status = efme_exec_read(e, &e->plan->logits, 0, g->outputs, (uint64_t)n * classes * sizeof *g->outputs);
    if (status) return status;
    for (uint32_t i = 0; i < n; i++) efme_confusion_add(counts, classes, g->labels[i], argmax(g->outputs + (size_t)i * classes, classes));
    efme_report_step(t, "validate", s->done, t->validation.count);
    if (t->cancel && efme_trainer_ranks(t) == 1) return efme_cancelled();
  }
  return status;
}

static efme_status finish(struct efme_trainer *t, const uint64_t *counts, struct efme_validated *out) {
  struct efme_exec *e = t->engine.eval;
  double sums[4], penalty = 0.0;
  efme_status status = efme_exec_read(e, &e->plan->sums, 0, sums, sizeof sums);
  if (!status && efme_tensor_present(&e->plan->penalty)) status = efme_exec_read(e, &e->plan->penalty, 0, &penalty, sizeof penalty);
  if (status) return status;
  efme_scores scores = EFME_SCORES_INIT;
  efme_confusion_scores(&scores, counts, t->model->arch.classes);
  out->loss = sums[0] / sums[1] + (t->options.penalty_in_validation ? penalty : 0.0);
  out->uf1 = scores.uf1;
  out->uar = scores.uar;
  if (isfinite(out->loss)) return EFME_OK;
  return efme_fail(EFME_E_NUMERIC,
                   "the validation loss is not finite after step %llu of epoch %u of phase %u; the last good weights are kept",
                   (unsigned long long)t->position.step, t->position.epoch + 1, t->position.phase + 1);
}

efme_status efme_validate(struct efme_trainer *t, struct efme_validated *out) {
  struct efme_engine *g = &t->engine;
  struct source s = {g->eval_loader, t->validation.samples, t->validation.positions, t->validation.count, 0, g->eval_features};
  uint32_t classes = t->model->arch.classes;
  void *weights;
  uint64_t *counts = efme_mem_calloc(t->allocator, (size_t)classes * classes, sizeof *counts, "confusion counts");
  if (!counts) return EFME_E_NOMEM;
  efme_status status = efme_weights_counting(t, &weights);
  if (!status) status = efme_exec_prepare(g->eval);
  if (!status) status = efme_exec_clear(g->eval, EFME_ARENA_IO, g->eval->plan->sums.offset, sizeof(double[4]));
  if (!status && s.loader) status = efme_loader_start(s.loader, EFME_LOADER_SEQUENTIAL, 0, 0);
  if (!status) status = batches(t, &s, counts);
  if (s.loader) efme_loader_stop(s.loader);
  if (!status) status = finish(t, counts, out);
  efme_mem_free(t->allocator, counts);
  return status;
}

/* ---- predictions ---- */

struct prediction {
  struct efme_samples *samples; /* a reference */
  uint64_t *positions;          /* in the view's order */
  struct efme_plan *plan;
  struct efme_exec *exec;
  struct efme_loader *loader;
  float *rows;
  int32_t *labels;
};

static efme_status find_positions(struct prediction *p, const struct efme_allocator *a, const efme_dataset *dataset, uint64_t count) {
  p->positions = efme_mem_array(a, count, sizeof *p->positions, "samples to predict");
  if (!p->positions) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < count; i++) {
    efme_sample sample = EFME_SAMPLE_INIT;
    efme_status status = efme_dataset_sample(dataset, i, &sample);
    if (status) return status;
    p->positions[i] = efme_samples_find(p->samples, sample.key);
    if (p->positions[i] == UINT64_MAX) return EFME_E_NOT_FOUND; /* no text: the caller stages the view itself */
  }
  return EFME_OK;
}

static efme_status choose_samples(struct efme_trainer *t, struct prediction *p, const efme_dataset *dataset, uint64_t count) {
  efme_status status = EFME_E_NOT_FOUND;
  if (t->shared) {
    p->samples = efme_samples_retain(t->shared->samples);
    status = find_positions(p, t->allocator, dataset, count);
    if (status != EFME_E_NOT_FOUND) return status;
    efme_samples_release(p->samples);
    p->samples = NULL;
    efme_mem_free(t->allocator, p->positions);
    p->positions = NULL;
  }
  status = efme_samples_create(&p->samples, dataset, t->model->arch.height, t->model->arch.width);
  return status ? status : find_positions(p, t->allocator, dataset, count);
}

/* Cached features serve where the trunk is still that of the start. */
static efme_status usable_features(struct efme_trainer *t, const struct prediction *p, const struct efme_features **out) {
  *out = NULL;
  if (!t->shared || !t->shared->features || p->samples != t->shared->samples) return EFME_OK;
  efme_status status = efme_weights_read(t, t->scratch);
  if (!status && efme_trunk_checksum(t->scratch, efme_trainer_params(t)) == t->shared->features->trunk) *out = t->shared->features;
  return status;
}

static efme_status predict_all(struct efme_trainer *t, struct prediction *p, uint64_t count, float *probabilities) {
  struct source s = {NULL, p->samples, p->positions, count, 0, NULL};
  uint32_t classes = t->model->arch.classes, n;
  void *weights;
  efme_status status = usable_features(t, p, &s.features);
  if (!status) status = efme_weights_counting(t, &weights);
  if (!status) status = efme_engine_evaluate(&p->plan, &p->exec, t, s.features ? NULL : p->samples, weights, NULL);
  if (!status) status = efme_exec_prepare(p->exec);
  size_t width = s.features ? s.features->width : 0;
  if (!status) {
    p->rows = efme_mem_array(t->allocator, EFME_EVALUATE_BATCH, width * sizeof *p->rows, "features of a batch");
    p->labels = efme_mem_array(t->allocator, EFME_EVALUATE_BATCH, sizeof *p->labels, "labels of a batch");
    if (!p->rows || !p->labels) status = EFME_E_NOMEM;
  }
  struct efme_loader_options o = {.batch = EFME_EVALUATE_BATCH, .threads = t->loader_threads};
  if (!status && !s.features) status = efme_loader_create(&p->loader, p->samples->stage, p->positions, count, &o);
  if (!status && p->loader) status = efme_loader_start(p->loader, EFME_LOADER_SEQUENTIAL, 0, 0);
  s.loader = p->loader;
  while (!status && s.done < count) {
    uint64_t first = s.done;
    status = next(&s, p->exec, p->rows, p->labels, &n);
    if (!status && !n) status = efme_fail(EFME_E_INTERNAL, "the loader ended before its samples");
    if (!status)
      status = efme_exec_read(p->exec, &p->exec->plan->probabilities, 0, probabilities + first * classes,
                              (uint64_t)n * classes * sizeof *probabilities);
  }
  return status;
}

efme_status efme_trainer_predict(efme_trainer *trainer, const efme_dataset *dataset, float *probabilities) {
  if (trainer->running) return efme_fail(EFME_E_STATE, "efme_trainer_predict: the trainer runs");
  if (trainer->failed) return efme_fail(EFME_E_STATE, "efme_trainer_predict: %s", trainer->failure);
  struct prediction p = {0};
  uint64_t count = efme_dataset_count(dataset);
  struct efme_fpenv env;
  efme_fpenv_enter(&env);
  efme_status status = choose_samples(trainer, &p, dataset, count);
  if (!status) status = predict_all(trainer, &p, count, probabilities);
  efme_fpenv_leave(&env);
  efme_loader_destroy(p.loader);
  efme_exec_free(p.exec);
  efme_plan_free(p.plan);
  efme_mem_free(trainer->allocator, p.rows);
  efme_mem_free(trainer->allocator, p.labels);
  efme_mem_free(trainer->allocator, p.positions);
  efme_samples_release(p.samples);
  return status;
}
