/* A new model from a trainer: weights so far, and a provenance that grew by all that training and validation saw. */
#include "net/provenance.h"
#include "train/state.h"

static efme_status add_dataset(struct efme_provenance *p, const struct efme_allocator *a, const efme_dataset *d) {
  uint64_t count = efme_dataset_count(d);
  efme_status status = efme_dataset_hashes(d, NULL, NULL);
  uint64_t *hashes = status ? NULL : efme_mem_array(a, count, sizeof *hashes, "content hashes");
  if (!status && !hashes) status = EFME_E_NOMEM;
  for (uint64_t i = 0; i < count && !status; i++) {
    efme_sample sample = EFME_SAMPLE_INIT;
    status = efme_dataset_sample(d, i, &sample);
    if (!status) status = efme_provenance_add_sample(p, sample.dataset, sample.subject);
    hashes[i] = sample.pixel_hash;
  }
  if (!status) status = efme_provenance_add_contents(p, hashes, count);
  efme_mem_free(a, hashes);
  return status;
}

efme_status efme_train_publish(efme_model **out, const struct efme_trainer *t) {
  efme_model *model;
  efme_status status = efme_model_copy(&model, t->model);
  if (status) return status;
  char start[17];
  snprintf(start, sizeof start, "%016llx", (unsigned long long)t->start_checksum);
  status = efme_weights_read(t, model->weights);
  if (t->foreign_start) model->provenance->known = 0;
  if (!status) status = add_dataset(model->provenance, t->allocator, t->train_set);
  if (!status && t->validation_set) status = add_dataset(model->provenance, t->allocator, t->validation_set);
  if (!status) status = efme_model_set_metadata(model, "recipe", t->recipe);
  if (!status) status = efme_model_set_metadata(model, "start_weights", start);
  if (status) {
    efme_model_release(model);
    return status;
  }
  *out = model;
  return EFME_OK;
}
