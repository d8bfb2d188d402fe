/* One model on data set apart: FER2013's PrivateTest after training on its Training rows, say. The same audit of what the
 * weights have seen; nothing is trained. Samples are taken in the order of their keys, as everywhere in evaluation. */
#include <string.h>

#include "backend/context.h"
#include "data/loader.h"
#include "efme/predictor.h"
#include "eval/evaluator.h"
#include "eval/heldout.h"
#include "eval/key.h"
#include "eval/scores.h"
#include "net/model.h"
#include "train/samples.h"

#define EFME_HELDOUT_BATCH 32u

struct heldout {
  efme_model *model;
  efme_dataset *tested; /* in the order of the keys */
  const efme_evaluate_options *o;
  struct efme_result *r;
  efme_predictor *predictor;
  uint64_t count, left_out;
  uint8_t *seen; /* by index */
  uint64_t *all; /* confusion over all samples, the seen ones too */
  char first_seen[256];
  char doubt[EFME_DOUBT];
};

/* Subject or content; with exclude_seen such samples are left out, else the first refuses the score. */
static efme_status mark_seen(struct heldout *h) {
  efme_status status = efme_provenance_doubt(h->doubt, h->model, h->tested);
  if (status == EFME_OK && h->o->refuse_unknown && *h->doubt) status = efme_provenance_check(h->model, h->tested, NULL, 1);
  if (status == EFME_OK) status = efme_dataset_hashes(h->tested, NULL, NULL);
  for (uint64_t i = 0; i < h->count && status == EFME_OK; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    status = efme_dataset_sample(h->tested, i, &s);
    if (status) break;
    h->seen[i] = (*s.subject && efme_model_has_seen_subject(h->model, s.subject)) || efme_model_has_seen_content(h->model, s.pixel_hash);
    if (h->seen[i] && !h->left_out++) snprintf(h->first_seen, sizeof h->first_seen, "%s", s.key);
  }
  if (status || !h->left_out) return status;
  if (h->left_out == h->count) return efme_fail(EFME_E_LEAK, "the weights have seen all %llu tested samples, first %s", (unsigned long long)h->count, h->first_seen);
  if (h->o->exclude_seen) return EFME_OK;
  status = efme_provenance_check(h->model, h->tested, NULL, 0); /* names subject or sample */
  return efme_fail(status, "%s; they have seen %llu of %llu samples (exclude_seen leaves such out)", efme_last_error(), (unsigned long long)h->left_out,
                   (unsigned long long)h->count);
}

static efme_status take(struct heldout *h, uint64_t index, const efme_prediction *p, const float *probabilities) {
  struct efme_result *r = h->r;
  efme_sample s = EFME_SAMPLE_INIT;
  efme_status status = efme_dataset_sample(h->tested, index, &s);
  if (status) return status;
  if (p->status) return efme_fail_prefix(p->status, "sample %s", s.key);
  efme_confusion_add(h->all, r->classes, s.label, p->label);
  if (h->seen[index]) return EFME_OK;
  struct efme_outcome row = {.fold = "", .truth = s.label, .predicted = p->label};
  row.key = efme_key_copy(&r->pool, s.key);
  row.dataset = efme_key_copy(&r->pool, s.dataset);
  row.subject = efme_key_copy(&r->pool, s.subject);
  row.clip = efme_key_copy(&r->pool, s.clip);
  if (!row.key || !row.dataset || !row.subject || !row.clip) return EFME_E_NOMEM;
  memcpy(r->probabilities + r->count * r->classes, probabilities, r->classes * sizeof *probabilities);
  return efme_result_add(r, &row);
}

static efme_status predict_batch(struct heldout *h, uint64_t first, uint32_t n, float *probabilities) {
  efme_image *images[EFME_HELDOUT_BATCH] = {NULL};
  efme_prediction predictions[EFME_HELDOUT_BATCH];
  efme_status status = EFME_OK;
  for (uint32_t i = 0; i < n && status == EFME_OK; i++) status = efme_dataset_read(h->tested, first + i, &images[i]);
  if (status == EFME_OK) status = efme_predictor_run_images(h->predictor, images, n, predictions, probabilities);
  for (uint32_t i = 0; i < n; i++) efme_image_release(images[i]);
  for (uint32_t i = 0; i < n && status == EFME_OK; i++)
    status = take(h, first + i, &predictions[i], probabilities + (size_t)i * h->r->classes);
  return status;
}

static efme_status predict(struct heldout *h) {
  efme_predictor_options options = EFME_PREDICTOR_OPTIONS_INIT;
  options.max_batch = EFME_HELDOUT_BATCH;
  float *probabilities =
      efme_mem_array(h->r->allocator, (size_t)EFME_HELDOUT_BATCH * h->r->classes, sizeof *probabilities, "probabilities");
  efme_status status = probabilities ? efme_predictor_create(&h->predictor, h->model, &options) : EFME_E_NOMEM;
  for (uint64_t first = 0; first < h->count && status == EFME_OK; first += EFME_HELDOUT_BATCH) {
    status = predict_batch(h, first, (uint32_t)EFME_MIN(h->count - first, (uint64_t)EFME_HELDOUT_BATCH), probabilities);
    uint64_t done = EFME_MIN(first + EFME_HELDOUT_BATCH, h->count);
    if (status == EFME_OK && h->o->progress && h->o->progress("images", done, h->count, h->o->progress_user))
      status = efme_fail(EFME_E_CANCELLED, "the progress callback cancelled after %llu of %llu images", (unsigned long long)done,
                         (unsigned long long)h->count);
  }
  efme_predictor_release(h->predictor);
  efme_mem_free(h->r->allocator, probabilities);
  return status;
}

static efme_status find(struct heldout *h) {
  efme_status status = EFME_OK;
  if (*h->doubt) status = efme_result_find(h->r, 1, "unknown-provenance", "%s", h->doubt);
  if (status || !h->left_out) return status;
  efme_scores s;
  char uf1[32], uar[32];
  efme_confusion_scores(&s, h->all, h->r->classes);
  efme_format_fixed(uf1, sizeof uf1, s.uf1, 4);
  efme_format_fixed(uar, sizeof uar, s.uar, 4);
  return efme_result_find(h->r, 1, "seen-excluded",
                          "%llu of %llu samples are left out of the scores because the weights have seen their subject or pixels, first "
                          "%s; with them: UF1 %s, UAR %s",
                          (unsigned long long)h->left_out, (unsigned long long)h->count, h->first_seen, uf1, uar);
}

static efme_status describe(struct heldout *h) {
  struct efme_maker maker;
  struct efme_text t;
  struct efme_json j;
  efme_status status = efme_maker_fill(&maker, h->r->context, h->tested);
  if (status) return status;
  efme_text_init(&t, h->r->allocator);
  efme_json_init(&j, &t);
  j.depth = 1;
  efme_json_model(&j, "weights", h->model);
  efme_json_maker(&j, "maker", &maker);
  status = efme_result_keep(&h->r->run_json, h->r, &t);
  if (status) return status;
  efme_text_init(&t, h->r->allocator);
  efme_json_init(&j, &t);
  j.depth = 2;
  efme_json_hex(&j, "dataset_fingerprint", efme_dataset_fingerprint(h->tested));
  efme_json_string(&j, "tested_data_unseen_by_weights", *h->doubt ? "unknown" : "yes");
  efme_json_u64(&j, "seen_and_left_out", h->left_out);
  status = efme_result_keep(&h->r->audit_json, h->r, &t);
  if (status) return status;
  efme_text_init(&t, h->r->allocator);
  efme_text_printf(&t, "  weights %016llx (provenance %s)\n  %s on %s, decoder %s, library %s\n",
                   (unsigned long long)efme_model_checksum(h->model), *h->doubt ? "unknown" : "known",
                   maker.backend, *maker.device ? maker.device : "an unnamed device", maker.decoder, maker.library);
  return efme_result_keep(&h->r->run_text, h->r, &t);
}

static efme_status evaluate(struct heldout *h) {
  const struct efme_allocator *a = h->r->allocator;
  h->seen = efme_mem_calloc(a, (size_t)h->count, 1, "seen samples");
  h->all = efme_mem_calloc(a, (size_t)h->r->classes * h->r->classes, sizeof *h->all, "confusion matrix");
  h->r->probabilities = efme_mem_array(a, (size_t)h->count * h->r->classes, sizeof(float), "probabilities");
  efme_status status = h->seen && h->all && h->r->probabilities ? mark_seen(h) : EFME_E_NOMEM;
  if (status == EFME_OK) status = predict(h);
  if (status == EFME_OK) status = efme_result_finish(h->r);
  if (status == EFME_OK) status = find(h);
  if (status == EFME_OK) status = describe(h);
  efme_mem_free(a, h->seen);
  efme_mem_free(a, h->all);
  return status;
}

efme_status efme_heldout(struct efme_result **out, efme_model *model, const efme_dataset *tested, const efme_evaluate_options *options) {
  const char *names[EFME_MAX_CLASSES];
  struct heldout h = {.model = model, .o = options, .count = efme_dataset_count(tested)};
  uint32_t classes = efme_dataset_class_count(tested);
  for (uint32_t c = 0; c < classes; c++) names[c] = efme_dataset_class_name(tested, c);
  efme_status status = efme_dataset_by_key(&h.tested, tested);
  if (status == EFME_OK) status = efme_result_new(&h.r, efme_dataset_context(tested), names, classes);
  if (status == EFME_OK) {
    h.r->title = "one model on data set apart";
    status = evaluate(&h);
  }
  if (status == EFME_OK) *out = h.r;
  else efme_result_destroy(h.r);
  efme_dataset_release(h.tested);
  return status;
}
