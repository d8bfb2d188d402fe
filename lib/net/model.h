/* What a model handle holds; the api, trainer and evaluator reach it through this. */
#ifndef EFME_NET_MODEL_H
#define EFME_NET_MODEL_H

#include <stdatomic.h>

#include "efme/model.h"
#include "net/arch.h"
#include "net/params.h"

struct efme_provenance; /* net/provenance.h: dataset ids, subject keys, content hashes */

struct efme_model {
  atomic_uint references;
  atomic_uint users; /* predictors, trainers, evaluators that hold it: changing answers BUSY */
  struct efme_context *context;
  struct efme_arch arch;
  struct efme_params params;
  float *weights; /* params.total floats, host memory */
  char **class_names;
  struct efme_provenance *provenance;
  struct { char *key, *value; } *metadata;
  size_t metadata_count, metadata_capacity;
};

uint64_t efme_model_checksum(const struct efme_model *model); /* efme_hash64 of the weights, gaps excluded by being zero */

#endif
