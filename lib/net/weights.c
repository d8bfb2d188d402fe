/* libefme's own model files: safetensors whose tensors are exactly the parameter table's, with the model's description as
 * metadata (weights_meta.c). Every byte of weights and metadata stands under a content hash, checked at each load. */
#include "net/weights.h"

#include <string.h>

#include "backend/context.h"
#include "net/provenance.h"

uint32_t efme_param_shape(uint64_t dims[4], const struct efme_param *p) {
  uint32_t rank = p->kind == EFME_PARAM_CONV || p->kind == EFME_PARAM_DEPTHWISE ? 4 : p->kind == EFME_PARAM_DENSE ? 2 : 1;
  for (uint32_t i = 0; i < rank; i++) dims[i] = p->dims[4 - rank + i];
  return rank;
}

/* Every tensor must be one of the table, with its shape, and every one of the table must be there. */
static efme_status check_tensors(const struct efme_st_reader *r, const struct efme_params *params) {
  for (uint32_t i = 0; i < params->count; i++)
    if (!efme_st_find(r, params->items[i].name))
      return efme_fail(EFME_E_FORMAT, "%s: tensor \"%s\" is missing", r->source.name, params->items[i].name);
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_param *p = efme_params_find(params, r->entries[i].name);
    if (!p) return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\" does not belong to this network", r->source.name, r->entries[i].name);
    uint64_t dims[4];
    uint32_t rank = efme_param_shape(dims, p);
    efme_status status = efme_st_expect(r, &r->entries[i], dims, rank);
    if (status) return status;
  }
  return EFME_OK;
}

/* Reads all tensors of the file, in its order: those the model has into it, the others for the hash only. */
static efme_status read_tensors(struct efme_model *m, struct efme_st_reader *r, int reset, uint64_t *sum) {
  const struct efme_allocator *a = efme_context_allocator(m->context);
  uint64_t most = 0;
  for (size_t i = 0; i < r->count; i++) most = EFME_MAX(most, r->entries[i].count);
  float *scratch = efme_mem_array(a, (size_t)most, sizeof *scratch, "a tensor");
  if (!scratch) return EFME_E_NOMEM;
  efme_status status = EFME_OK;
  for (size_t i = 0; !status && i < r->count; i++) {
    const struct efme_param *p = efme_params_find(&m->params, r->entries[i].name);
    int wanted = p && !(p->head && reset);
    uint64_t hash = 0;
    status = efme_st_read(r, &r->entries[i], wanted ? m->weights + p->offset : scratch, &hash);
    *sum += hash;
  }
  efme_mem_free(a, scratch);
  return status ? status : efme_st_finish(r);
}

/* *changed: the hash is wrong, but the caller wants the file all the same. */
static efme_status check_hash(int *changed, struct efme_context *context, const struct efme_st_reader *r, uint64_t want, uint64_t tensors,
                              int ignore) {
  uint64_t pairs = 0;
  for (size_t i = 0; i < r->metadata_count; i++)
    if (strcmp(r->metadata[i].key, EFME_WEIGHTS_HASH_KEY) != 0) pairs += efme_st_hash_pair(r->metadata[i].key, r->metadata[i].value);
  uint64_t have = efme_st_hash(tensors, pairs);
  if (have == want) return EFME_OK;
  if (ignore) {
    efme_context_log(context, EFME_LOG_WARNING, "%s: content hash is %016llx, the file says %016llx: it was changed after it was written",
                     r->source.name, (unsigned long long)have, (unsigned long long)want);
    *changed = 1;
    return EFME_OK;
  }
  return efme_fail(EFME_E_MISMATCH, "%s: content hash is %016llx, the file says %016llx: it is damaged or was changed", r->source.name,
                   (unsigned long long)have, (unsigned long long)want);
}

/* What may be set may come back with what the library has added meanwhile; and still be written and read (EFME_ST_METADATA_LIMIT). */
enum { MOST_ENTRIES = EFME_MODEL_METADATA_LIMIT + 64 };

static efme_status take_story(struct efme_model *m, const struct efme_st_reader *r, struct efme_weights_meta *meta) {
  efme_provenance_free(m->provenance);
  m->provenance = meta->provenance;
  meta->provenance = NULL;
  efme_status status = EFME_OK;
  for (size_t i = 0; !status && i < r->metadata_count; i++) {
    if (efme_weights_reserved_key(r->metadata[i].key)) continue;
    if (m->metadata_count == MOST_ENTRIES)
      return efme_fail(EFME_E_LIMIT, "%s: metadata \"%.64s\": more than %u entries", r->source.name, r->metadata[i].key,
                       (unsigned)MOST_ENTRIES);
    status = efme_model_put_metadata(m, r->metadata[i].key, r->metadata[i].value);
  }
  return status;
}

static efme_status load_model(struct efme_model **out, struct efme_context *context, struct efme_st_reader *r,
                              struct efme_weights_meta *meta, const efme_load_options *o) {
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_load_target target;
  struct efme_params params; /* of the file */
  efme_status status = efme_load_resolve(&target, o, &meta->arch, meta->class_names, r->source.name);
  if (!status) status = efme_params_create(&params, a, &meta->arch);
  if (status) return status;
  struct efme_model *m = NULL;
  uint64_t sum = 0;
  int changed = 0;
  status = check_tensors(r, &params);
  if (!status) status = efme_model_new(&m, context, &target.arch, target.class_names, 0);
  if (!status) status = read_tensors(m, r, target.reset, &sum);
  if (!status) status = check_hash(&changed, context, r, meta->hash, sum, (int)o->ignore_checksum);
  if (!status) status = efme_model_check_weights(m, r->source.name);
  if (!status && target.reset) efme_model_init_weights(m, o->seed, 1);
  if (!status) status = take_story(m, r, meta);
  if (!status && changed) m->provenance->known = 0;
  if (!status) status = efme_load_note(m, &target, &meta->arch);
  efme_params_free(&params, a);
  if (!status) *out = m;
  else if (m) efme_model_free(m);
  return status;
}

efme_status efme_weights_load(struct efme_model **out, struct efme_context *context, const struct efme_st_source *source,
                              const efme_load_options *options) {
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_st_reader r;
  struct efme_weights_meta meta;
  efme_status status = efme_st_open(&r, a, source);
  if (status) return status;
  status = efme_weights_meta_read(&meta, a, &r);
  if (!status) {
    status = load_model(out, context, &r, &meta, options);
    efme_weights_meta_free(&meta, a);
  }
  efme_st_close(&r);
  return status;
}

efme_status efme_weights_save(const struct efme_model *model, const char *path, uint32_t type) {
  const struct efme_allocator *a = efme_context_allocator(model->context);
  struct efme_st_pair *pairs;
  size_t count;
  char *text, hash[17];
  efme_status status = efme_model_check_weights(model, path);
  if (!status) status = efme_weights_meta_write(&pairs, &count, &text, a, model);
  if (status) return status;
  struct efme_st_tensor *tensors = efme_mem_calloc(a, model->params.count, sizeof *tensors, "tensor table");
  if (!tensors) status = EFME_E_NOMEM;
  for (uint32_t i = 0; tensors && i < model->params.count; i++) {
    const struct efme_param *p = &model->params.items[i];
    tensors[i].name = p->name;
    tensors[i].values = model->weights + p->offset;
    tensors[i].count = p->count;
    tensors[i].rank = efme_param_shape(tensors[i].dims, p);
  }
  uint64_t tensor_sum = 0, pair_sum = 0;
  if (!status) status = efme_st_hash_tensors(&tensor_sum, a, tensors, model->params.count, type);
  if (!status) {
    for (size_t i = 0; i < count; i++) pair_sum += efme_st_hash_pair(pairs[i].key, pairs[i].value);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)efme_st_hash(tensor_sum, pair_sum));
    pairs[count] = (struct efme_st_pair){EFME_WEIGHTS_HASH_KEY, hash};
    status = efme_st_write(a, path, tensors, model->params.count, type, pairs, count + 1);
  }
  if (status == EFME_E_NUMERIC) status = efme_fail_prefix(status, "%s", path);
  efme_mem_free(a, tensors);
  efme_mem_free(a, pairs);
  efme_mem_free(a, text);
  return status;
}

efme_status efme_weights_clone(struct efme_model **out, const struct efme_model *model, const efme_load_options *options) {
  struct efme_load_target target;
  struct efme_model *m = NULL;
  efme_status status = efme_load_resolve(&target, options, &model->arch, (const char *const *)model->class_names, "the model");
  if (!status) status = efme_model_new(&m, model->context, &target.arch, target.class_names, 0);
  if (status) return status;
  for (uint32_t i = 0; i < m->params.count; i++) {
    const struct efme_param *p = &m->params.items[i];
    if (p->head && target.reset) continue;
    const struct efme_param *from = efme_params_find(&model->params, p->name);
    memcpy(m->weights + p->offset, model->weights + from->offset, p->count * sizeof *m->weights);
  }
  if (target.reset) efme_model_init_weights(m, options->seed, 1);
  status = efme_model_copy_story(m, model);
  if (!status) status = efme_load_note(m, &target, &model->arch);
  if (status) efme_model_free(m);
  else *out = m;
  return status;
}
