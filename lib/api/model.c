/* The model handle: argument checks around lib/net's models and weight files. */
#include "efme/model.h"

#include <string.h>

#include "backend/context.h"
#include "net/model.h"
#include "net/provenance.h"
#include "net/weights.h"

const char *const *efme_classes_meg3(void) {
  static const char *const names[3] = {"negative", "positive", "surprise"};
  return names;
}

static efme_status is_null(const char *what) { return efme_fail(EFME_E_ARGUMENT, "%s is NULL", what); }

static efme_status check_maker(const void *out, const void *context) {
  if (!out) return is_null("out");
  return context ? EFME_OK : is_null("context");
}

static efme_status load_options(efme_load_options *o, const efme_load_options *options) {
  static const efme_load_options defaults = EFME_LOAD_OPTIONS_INIT;
  return efme_options_load(o, sizeof *o, options, &defaults, "efme_load_options");
}

/* ---- make, load, save ---- */

efme_status efme_model_create(efme_model **out, efme_context *context, const efme_model_options *options) {
  EFME_FPENV_DEFAULT;
  static const efme_model_options defaults = EFME_MODEL_OPTIONS_INIT;
  efme_model_options o;
  efme_status status = check_maker(out, context);
  if (!status && !options) status = efme_fail(EFME_E_ARGUMENT, "options is NULL: class_names must be given");
  if (!status) status = efme_options_load(&o, sizeof o, options, &defaults, "efme_model_options");
  if (!status && o.reserved) status = efme_fail(EFME_E_ARGUMENT, "efme_model_options.reserved is %u, must be 0", o.reserved);
  if (status) return status;
  const struct efme_arch arch = {o.cut, o.top, o.class_count, o.height, o.width, o.normalisation, o.padding, o.bn_epsilon, o.bn_momentum};
  struct efme_model *m = NULL;
  status = efme_model_new(&m, context, &arch, o.class_names, 1);
  if (status) return status;
  efme_model_init_weights(m, o.seed, 0);
  *out = m;
  return EFME_OK;
}

efme_status efme_model_load(efme_model **out, efme_context *context, const char *path, const efme_load_options *options) {
  EFME_FPENV_DEFAULT;
  efme_load_options o;
  struct efme_st_source source;
  efme_status status = check_maker(out, context);
  if (!status && !path) status = is_null("path");
  if (!status) status = load_options(&o, options);
  if (!status) status = efme_st_source_path(&source, efme_context_allocator(context), path);
  if (status) return status;
  status = efme_weights_load(out, context, &source, &o);
  efme_st_source_close(&source, efme_context_allocator(context));
  return status;
}

efme_status efme_model_load_memory(efme_model **out, efme_context *context, const void *data, size_t size,
                                   const efme_load_options *options) {
  EFME_FPENV_DEFAULT;
  efme_load_options o;
  struct efme_st_memory memory = {data, size};
  struct efme_st_source source;
  efme_status status = check_maker(out, context);
  if (!status && !data) status = is_null("data");
  if (!status) status = load_options(&o, options);
  if (status) return status;
  efme_st_source_memory(&source, &memory);
  return efme_weights_load(out, context, &source, &o);
}

struct stream {
  efme_read_fn read;
  void *user;
};

/* The host cannot set our error text, so its failures get one here. */
static efme_status read_stream(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  const struct stream *s = user;
  efme_status status = s->read(buffer, offset, size, got, s->user);
  if (status == EFME_OK) return EFME_OK;
  const char *name = efme_status_name(status);
  if (name[0] == 'u') status = EFME_E_IO; /* no code of ours */
  return efme_fail(status, "the read callback answered %s at byte %llu", name, (unsigned long long)offset);
}

efme_status efme_model_load_stream(efme_model **out, efme_context *context, efme_read_fn read, void *user,
                                   const efme_load_options *options) {
  EFME_FPENV_DEFAULT;
  efme_load_options o;
  efme_status status = check_maker(out, context);
  if (!status && !read) status = is_null("read");
  if (!status) status = load_options(&o, options);
  if (status) return status;
  struct stream stream = {read, user};
  const struct efme_st_source source = {read_stream, &stream, EFME_ST_UNKNOWN, "weights from a callback"};
  return efme_weights_load(out, context, &source, &o);
}

efme_status efme_model_import(efme_model **out, efme_context *context, const char *path, const char *format,
                              const efme_load_options *options) {
  EFME_FPENV_DEFAULT;
  efme_load_options o;
  struct efme_st_source source;
  efme_status status = check_maker(out, context);
  if (!status && !path) status = is_null("path");
  if (!status) status = load_options(&o, options);
  if (!status) status = efme_st_source_path(&source, efme_context_allocator(context), path);
  if (status) return status;
  status = efme_weights_import(out, context, &source, format, &o);
  efme_st_source_close(&source, efme_context_allocator(context));
  return status;
}

efme_status efme_model_save(const efme_model *model, const char *path, uint32_t type) {
  EFME_FPENV_DEFAULT;
  if (!model) return is_null("model");
  if (!path) return is_null("path");
  if (type > EFME_WEIGHTS_BF16) return efme_fail(EFME_E_ARGUMENT, "type is %u, not an efme_weight_type", type);
  return efme_weights_save(model, path, type);
}

efme_status efme_model_clone(efme_model **out, const efme_model *model, const efme_load_options *options) {
  EFME_FPENV_DEFAULT;
  efme_load_options o;
  if (!out) return is_null("out");
  if (!model) return is_null("model");
  efme_status status = load_options(&o, options);
  return status ? status : efme_weights_clone(out, model, &o);
}

efme_model *efme_model_retain(efme_model *model) {
  if (model) atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
  return model;
}

void efme_model_release(efme_model *model) {
  if (model && atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) == 1) efme_model_free(model);
}

/* ---- questions ---- */

efme_status efme_model_get_info(const efme_model *model, efme_model_info *out) {
  if (!model) return is_null("model");
  const struct efme_arch *a = &model->arch;
  const struct efme_param *head = efme_params_find(&model->params, "head/kernel");
  const efme_model_info info = {sizeof info,
                                a->cut,
                                a->top,
                                a->height,
                                a->width,
                                a->classes,
                                head ? head->dims[2] : 0,
                                a->normalisation,
                                a->padding,
                                a->bn_epsilon,
                                a->bn_momentum,
                                model->summary.count,
                                model->params.count,
                                model->summary.parameters,
                                model->summary.trainable,
                                model->summary.multiply_adds,
                                efme_model_checksum(model)};
  return efme_struct_store(out, &info, sizeof info, "efme_model_info");
}

efme_status efme_model_layer(const efme_model *model, uint32_t index, efme_layer_info *out) {
  if (!model) return is_null("model");
  if (index >= model->summary.count) return efme_fail(EFME_E_ARGUMENT, "layer index %u: there are %u layers", index, model->summary.count);
  const struct efme_layer *l = &model->summary.items[index];
  const efme_layer_info info = {sizeof info, l->name, l->kind, l->height, l->width, l->channels, 0, l->parameters, l->multiply_adds};
  return efme_struct_store(out, &info, sizeof info, "efme_layer_info");
}

const char *efme_model_class_name(const efme_model *model, uint32_t index) {
  return model && index < model->arch.classes ? model->class_names[index] : NULL;
}

efme_status efme_model_tensor(const efme_model *model, uint32_t index, const char **name, uint32_t dims[4]) {
  if (!model) return is_null("model");
  if (index >= model->params.count) return efme_fail(EFME_E_ARGUMENT, "tensor index %u: there are %u tensors", index, model->params.count);
  if (name) *name = model->params.items[index].name;
  if (dims) memcpy(dims, model->params.items[index].dims, sizeof model->params.items[index].dims);
  return EFME_OK;
}

static efme_status find_tensor(const struct efme_param **out, const efme_model *model, const char *name, const void *values, size_t count) {
  if (!model) return is_null("model");
  if (!name) return is_null("name");
  if (!values) return is_null("values");
  const struct efme_param *p = efme_params_find(&model->params, name);
  if (!p) return efme_fail(EFME_E_NOT_FOUND, "the model has no tensor \"%.64s\"", name);
  if (count != p->count)
    return efme_fail(EFME_E_MISMATCH, "tensor \"%s\" has %llu values, not %zu", p->name, (unsigned long long)p->count, count);
  *out = p;
  return EFME_OK;
}

efme_status efme_model_get(const efme_model *model, const char *name, float *values, size_t count) {
  const struct efme_param *p = NULL;
  efme_status status = find_tensor(&p, model, name, values, count);
  if (!status) memcpy(values, model->weights + p->offset, count * sizeof *values);
  return status;
}

efme_status efme_model_set(efme_model *model, const char *name, const float *values, size_t count) {
  const struct efme_param *p = NULL;
  efme_status status = find_tensor(&p, model, name, values, count);
  if (!status) status = efme_model_change_begin(model);
  if (status) return status;
  memcpy(model->weights + p->offset, values, count * sizeof *values);
  model->provenance->known = 0; /* nobody can tell where the values come from */
  efme_model_change_end(model);
  return EFME_OK;
}

/* ---- metadata ---- */

const char *efme_model_metadata(const efme_model *model, const char *key) {
  return model && key ? efme_model_find_metadata(model, key) : NULL;
}

efme_status efme_model_set_metadata(efme_model *model, const char *key, const char *value) {
  if (!model) return is_null("model");
  if (!key) return is_null("key");
  size_t n = strlen(key);
  if (n == 0 || n > 255 || !efme_utf8_valid(key, n)) return efme_fail(EFME_E_ARGUMENT, "a metadata key is UTF-8 of 1 to 255 bytes");
  if (efme_weights_reserved_key(key)) return efme_fail(EFME_E_ARGUMENT, "metadata key \"%s\": efme.* and __* are the library's own", key);
  if (value && (strlen(value) > 1u << 20 || !efme_utf8_valid(value, strlen(value))))
    return efme_fail(EFME_E_ARGUMENT, "metadata \"%s\": its value must be UTF-8 of at most 1 MiB", key);
  efme_status status = efme_model_change_begin(model);
  if (status) return status;
  if (value && !efme_model_find_metadata(model, key) && model->metadata_count >= EFME_MODEL_METADATA_LIMIT)
    status = efme_fail(EFME_E_LIMIT, "metadata \"%s\": a model holds %u entries at most", key, EFME_MODEL_METADATA_LIMIT);
  if (!status) status = efme_model_put_metadata(model, key, value);
  efme_model_change_end(model);
  return status;
}

/* ---- provenance ---- */

int efme_model_provenance_known(const efme_model *model) { return model && model->provenance->known; }

int efme_model_has_seen_subject(const efme_model *model, const char *subject) {
  return model && subject && efme_provenance_has_subject(model->provenance, subject);
}

int efme_model_has_seen_content(const efme_model *model, uint64_t pixel_hash) {
  return model && efme_provenance_has_content(model->provenance, pixel_hash);
}

uint32_t efme_model_seen_dataset_count(const efme_model *model) { return model ? (uint32_t)model->provenance->dataset_count : 0; }

const char *efme_model_seen_dataset(const efme_model *model, uint32_t index) {
  return model && index < model->provenance->dataset_count ? model->provenance->datasets[index] : NULL;
}
