/* Have these weights seen what they are to be tested on? Error 7 of the field: a model tuned on a subject, tested on it. */
#include <string.h>

#include "backend/context.h"
#include "data/loader.h"
#include "eval/evaluator.h"
#include "net/model.h"
#include "net/provenance.h"

/* "fold casme2/sub01 tests" or "the tested data holds". */
static void place_of(char *out, size_t size, const struct efme_fold_plan *plan, uint64_t index) {
  if (plan) snprintf(out, size, "fold %s tests", plan->folds[plan->fold_of[index]].name);
  else snprintf(out, size, "the tested data holds");
}

efme_status efme_provenance_doubt(char out[EFME_DOUBT], const efme_model *model, const efme_dataset *tested) {
  out[0] = '\0';
  if (!efme_model_provenance_known(model)) snprintf(out, EFME_DOUBT, "what the weights have seen is unknown: the tested samples may be among it");
  for (uint64_t i = 0; i < efme_dataset_count(tested) && !*out; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    efme_status status = efme_dataset_sample(tested, i, &s);
    if (status) return status;
    if (*s.subject && efme_provenance_has_nameless(model->provenance, s.dataset))
      snprintf(out, EFME_DOUBT, "the weights have seen samples of %s that named no subject: %s may be among them", s.dataset, s.subject);
  }
  return EFME_OK;
}

efme_status efme_provenance_check(const efme_model *model, const efme_dataset *tested, const struct efme_fold_plan *plan,
                                  int refuse_unknown) {
  char doubt[EFME_DOUBT];
  efme_status status = efme_provenance_doubt(doubt, model, tested);
  if (status == EFME_OK && refuse_unknown && *doubt) status = efme_fail(EFME_E_LEAK, "weights of unknown provenance: %s", doubt);
  if (status == EFME_OK) status = efme_dataset_hashes(tested, NULL, NULL);
  for (uint64_t i = 0; i < efme_dataset_count(tested) && status == EFME_OK; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    char place[256];
    status = efme_dataset_sample(tested, i, &s);
    if (status) break;
    place_of(place, sizeof place, plan, i);
    if (*s.subject && efme_model_has_seen_subject(model, s.subject))
      status = efme_fail(EFME_E_LEAK, "the weights have seen subject %s, which %s (sample %s)", s.subject, place, s.key);
    else if (efme_model_has_seen_content(model, s.pixel_hash))
      status = efme_fail(EFME_E_LEAK, "the weights have seen the pixels of sample %s, which %s", s.key, place);
  }
  return status;
}

void efme_json_model(struct efme_json *j, const char *name, const efme_model *model) {
  static const char *const fields[] = {"description", "licence", "recipe", "start_weights"};
  const struct efme_arch *a = &model->arch;
  efme_json_open(j, name, '{');
  efme_json_hex(j, "checksum", efme_model_checksum(model));
  for (size_t i = 0; i < EFME_COUNT(fields); i++)
    if (efme_model_metadata(model, fields[i])) efme_json_string(j, fields[i], efme_model_metadata(model, fields[i]));
  efme_json_u64(j, "cut", a->cut);
  efme_json_u64(j, "top", a->top);
  efme_json_u64(j, "height", a->height);
  efme_json_u64(j, "width", a->width);
  efme_json_u64(j, "normalisation", a->normalisation);
  efme_json_string(j, "provenance", efme_model_provenance_known(model) ? "known" : "unknown");
  efme_json_open(j, "seen_datasets", '[');
  for (uint32_t i = 0; i < efme_model_seen_dataset_count(model); i++) efme_json_string(j, NULL, efme_model_seen_dataset(model, i));
  efme_json_close(j, ']');
  efme_json_close(j, '}');
}
