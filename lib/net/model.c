/* Models without files: making, copying, freeing, the rule that a held model does not change, checksum and metadata. */
#include "net/model.h"

#include <math.h>
#include <string.h>

#include "backend/context.h"
#include "net/provenance.h"

/* `users` while a change is under way: any holder that counts itself in sees a number above this. */
#define EFME_CHANGING 0x80000000u

const struct efme_allocator *efme_model_allocator(const struct efme_model *model) { return efme_context_allocator(model->context); }

int efme_utf8_valid(const char *text, size_t size) {
  for (size_t i = 0; i < size;) {
    size_t n = efme_utf8_length(text + i, size - i);
    if (n == 0) return 0;
    i += n;
  }
  return 1;
}

/* Names are shown, compared and written one a line: no control characters. */
efme_status efme_class_names_check(const char *const *names, uint32_t count) {
  if (!names) return efme_fail(EFME_E_ARGUMENT, "class_names is NULL");
  for (uint32_t i = 0; i < count; i++) {
    if (!names[i] || !names[i][0]) return efme_fail(EFME_E_ARGUMENT, "class_names[%u] is empty", i);
    size_t n = strlen(names[i]);
    if (n > 255) return efme_fail(EFME_E_ARGUMENT, "class_names[%u] is longer than 255 bytes", i);
    if (!efme_utf8_valid(names[i], n)) return efme_fail(EFME_E_ARGUMENT, "class_names[%u] is not UTF-8", i);
    for (size_t k = 0; k < n; k++)
      if ((unsigned char)names[i][k] < 0x20 || names[i][k] == 0x7f)
        return efme_fail(EFME_E_ARGUMENT, "class_names[%u] holds a control character", i);
    for (uint32_t k = 0; k < i; k++)
      if (strcmp(names[i], names[k]) == 0) return efme_fail(EFME_E_ARGUMENT, "class_names[%u] and [%u] are both \"%.64s\"", k, i, names[i]);
  }
  return EFME_OK;
}

static efme_status copy_names(struct efme_model *m, const char *const *names) {
  const struct efme_allocator *a = efme_context_allocator(m->context);
  m->class_names = efme_mem_calloc(a, m->arch.classes, sizeof *m->class_names, "class names");
  if (!m->class_names) return EFME_E_NOMEM;
  for (uint32_t i = 0; i < m->arch.classes; i++)
    if (!(m->class_names[i] = efme_mem_strdup(a, names[i]))) return EFME_E_NOMEM;
  return EFME_OK;
}

static efme_status fill_model(struct efme_model *m, const char *const *class_names, int known) {
  const struct efme_allocator *a = efme_context_allocator(m->context);
  efme_status status = efme_params_create(&m->params, a, &m->arch);
  if (!status) status = efme_summary_create(&m->summary, a, &m->arch);
  if (!status) status = copy_names(m, class_names);
  if (!status) status = efme_provenance_create(&m->provenance, a, known);
  if (status) return status;
  m->weights = efme_mem_calloc(a, m->params.total, sizeof *m->weights, "weights");
  return m->weights ? EFME_OK : EFME_E_NOMEM;
}

efme_status efme_model_new(struct efme_model **out, struct efme_context *context, const struct efme_arch *arch,
                           const char *const *class_names, int provenance_known) {
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  efme_status status = efme_arch_blocks(blocks, &count, arch); /* checks every field */
  if (!status) status = efme_class_names_check(class_names, arch->classes);
  if (status) return status;
  struct efme_model *m = efme_mem_calloc(efme_context_allocator(context), 1, sizeof *m, "a model");
  if (!m) return EFME_E_NOMEM;
  atomic_init(&m->references, 1);
  atomic_init(&m->users, 0);
  m->context = efme_context_retain(context);
  m->arch = *arch;
  status = fill_model(m, class_names, provenance_known);
  if (status) efme_model_free(m);
  else *out = m;
  return status;
}

void efme_model_free(struct efme_model *m) {
  struct efme_context *context = m->context;
  const struct efme_allocator *a = efme_context_allocator(context);
  for (uint32_t i = 0; m->class_names && i < m->arch.classes; i++) efme_mem_free(a, m->class_names[i]);
  efme_mem_free(a, m->class_names);
  for (size_t i = 0; i < m->metadata_count; i++) {
    efme_mem_free(a, m->metadata[i].key);
    efme_mem_free(a, m->metadata[i].value);
  }
  efme_mem_free(a, m->metadata);
  efme_provenance_free(m->provenance);
  efme_summary_free(&m->summary, a);
  efme_params_free(&m->params, a);
  efme_mem_free(a, m->weights);
  efme_mem_free(a, m);
  efme_context_release(context);
}

efme_status efme_model_copy_story(struct efme_model *to, const struct efme_model *from) {
  struct efme_provenance *p = NULL;
  efme_status status = efme_provenance_clone(&p, efme_context_allocator(to->context), from->provenance);
  if (status) return status;
  efme_provenance_free(to->provenance);
  to->provenance = p;
  for (size_t i = 0; !status && i < from->metadata_count; i++)
    status = efme_model_put_metadata(to, from->metadata[i].key, from->metadata[i].value);
  return status;
}

efme_status efme_model_copy(struct efme_model **out, const struct efme_model *model) {
  struct efme_model *m = NULL;
  efme_status status = efme_model_new(&m, model->context, &model->arch, (const char *const *)model->class_names, 0);
  if (status) return status;
  memcpy(m->weights, model->weights, model->params.total * sizeof *m->weights);
  status = efme_model_copy_story(m, model);
  if (status) efme_model_free(m);
  else *out = m;
  return status;
}

efme_status efme_model_hold(struct efme_model *model) {
  if (atomic_fetch_add_explicit(&model->users, 1, memory_order_acq_rel) >= EFME_CHANGING) {
    atomic_fetch_sub_explicit(&model->users, 1, memory_order_acq_rel);
    return efme_fail(EFME_E_BUSY, "the model is being changed by another thread");
  }
  atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
  return EFME_OK;
}

void efme_model_unhold(struct efme_model *model) {
  if (!model) return;
  atomic_fetch_sub_explicit(&model->users, 1, memory_order_acq_rel);
  efme_model_release(model);
}

efme_status efme_model_change_begin(struct efme_model *model) {
  unsigned none = 0;
  if (atomic_compare_exchange_strong_explicit(&model->users, &none, EFME_CHANGING, memory_order_acq_rel, memory_order_acquire))
    return EFME_OK;
  return efme_fail(EFME_E_BUSY, "the model is held by a predictor, trainer or evaluator, or being changed, and cannot be changed now");
}

void efme_model_change_end(struct efme_model *model) { atomic_fetch_sub_explicit(&model->users, EFME_CHANGING, memory_order_acq_rel); }

uint64_t efme_model_checksum(const struct efme_model *model) {
  return efme_hash64(model->weights, model->params.total * sizeof *model->weights, 0);
}

efme_status efme_model_check_weights(const struct efme_model *model, const char *source) {
  for (uint32_t i = 0; i < model->params.count; i++) {
    const struct efme_param *p = &model->params.items[i];
    const float *w = model->weights + p->offset;
    for (uint64_t k = 0; k < p->count; k++) {
      if (isfinite(w[k]) && (p->kind != EFME_PARAM_VARIANCE || w[k] >= 0)) continue;
      return efme_fail(EFME_E_NUMERIC, "%s: tensor \"%s\": element %llu is %s", source, p->name, (unsigned long long)k,
                       isfinite(w[k]) ? "a negative variance" : "not finite");
    }
  }
  return EFME_OK;
}

const char *efme_model_find_metadata(const struct efme_model *model, const char *key) {
  for (size_t i = 0; i < model->metadata_count; i++)
    if (strcmp(model->metadata[i].key, key) == 0) return model->metadata[i].value;
  return NULL;
}

static void remove_metadata(struct efme_model *m, size_t i) {
  const struct efme_allocator *a = efme_context_allocator(m->context);
  efme_mem_free(a, m->metadata[i].key);
  efme_mem_free(a, m->metadata[i].value);
  m->metadata_count--;
  memmove(&m->metadata[i], &m->metadata[i + 1], (m->metadata_count - i) * sizeof m->metadata[0]);
}

efme_status efme_model_put_metadata(struct efme_model *m, const char *key, const char *value) {
  const struct efme_allocator *a = efme_context_allocator(m->context);
  size_t at = 0;
  while (at < m->metadata_count && strcmp(m->metadata[at].key, key) != 0) at++;
  if (!value) {
    if (at < m->metadata_count) remove_metadata(m, at);
    return EFME_OK;
  }
  char *v = efme_mem_strdup(a, value), *k = at < m->metadata_count ? m->metadata[at].key : efme_mem_strdup(a, key);
  void *items = m->metadata;
  efme_status status = v && k ? efme_mem_grow(a, &items, &m->metadata_capacity, at + 1, sizeof m->metadata[0], "metadata") : EFME_E_NOMEM;
  m->metadata = items;
  if (status) {
    efme_mem_free(a, v);
    if (at == m->metadata_count) efme_mem_free(a, k);
    return status;
  }
  if (at == m->metadata_count) m->metadata_count++;
  else efme_mem_free(a, m->metadata[at].value);
  m->metadata[at].key = k;
  m->metadata[at].value = v;
  return EFME_OK;
}
