/* What a model handle holds; the api, trainer and evaluator reach it through this. */
#ifndef EFME_NET_MODEL_H
#define EFME_NET_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "efme/model.h"
#include "net/arch.h"
#include "net/params.h"
#include "net/summary.h"

#define EFME_MODEL_METADATA_LIMIT 512u /* entries that a host may set, or a file bring; the library's own come on top */

struct efme_share;
struct efme_provenance; /* net/provenance.h: dataset ids, subject keys, content hashes */

struct efme_model {
  atomic_uint references;
  atomic_uint users; /* predictors, trainers, evaluators that hold it: changing answers BUSY */
  struct efme_context *context;
  struct efme_arch arch;
  struct efme_params params;
  struct efme_summary summary;
  float *weights; /* params.total floats, host memory */
  char **class_names;
  struct efme_provenance *provenance;
  struct { char *key, *value; } *metadata; /* keys are distinct */
  size_t metadata_count, metadata_capacity;
  pthread_mutex_t share_lock; /* zero bytes are an unlocked mutex on every libc we build for */
  struct efme_share *shares;  /* net/share.h: empty while no predictor holds the model */
};

/* A model with one reference, its table, zero weights, its class names and an empty provenance, known or not. Checks arch and names. */
efme_status efme_model_new(struct efme_model **out, struct efme_context *context, const struct efme_arch *arch, const char *const *class_names,
                           int provenance_known);
/* An exact copy, with one reference. */
efme_status efme_model_copy(struct efme_model **out, const struct efme_model *model);
/* Draws Keras' initial values for all tensors, or for the head alone (init.c). */
void efme_model_init_weights(struct efme_model *model, uint64_t seed, int head_only);
/* A predictor, trainer or evaluator holds its model: a reference, and users counted. BUSY while another thread changes it. */
efme_status efme_model_hold(struct efme_model *model);
void efme_model_unhold(struct efme_model *model); /* NULL allowed */
/* Around every change of weights or metadata; begin answers BUSY, with a text, while the model is held or being changed. */
efme_status efme_model_change_begin(struct efme_model *model);
void efme_model_change_end(struct efme_model *model);

const struct efme_allocator *efme_model_allocator(const struct efme_model *model);
/* Frees it whatever its references say: for makers that failed, and efme_model_release. */
void efme_model_free(struct efme_model *model);
/* Replaces provenance and adds the metadata of `from`. */
efme_status efme_model_copy_story(struct efme_model *to, const struct efme_model *from);
/* Metadata without the checks of the public calls; value NULL removes. On failure nothing is changed. */
const char *efme_model_find_metadata(const struct efme_model *model, const char *key);
efme_status efme_model_put_metadata(struct efme_model *model, const char *key, const char *value);
efme_status efme_class_names_check(const char *const *names, uint32_t count); /* non-empty, distinct, one line of UTF-8 each */
int efme_utf8_valid(const char *text, size_t size); /* well-formed, surrogates and overlong forms refused */

/* What a file may hold: finite weights, variances not below 0. NUMERIC naming `source`, tensor and element. */
efme_status efme_model_check_weights(const struct efme_model *model, const char *source);
uint64_t efme_model_checksum(const struct efme_model *model); /* efme_hash64 of the weights, gaps excluded by being zero */

#endif
