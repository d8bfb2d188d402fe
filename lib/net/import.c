/* Weights of other libraries, from safetensors: names by import_names.c, layouts brought to ours
 *
 *   PyTorch convolution  [N][C][kh][kw]  -> HWIO [kh][kw][C][N]
 *   PyTorch depthwise    [C][1][kh][kw]  -> [kh][kw][C][1]
 *   PyTorch linear       [N][C]          -> IO [C][N]
 *
 * Keras' layouts are ours. The file may hold more stages than are wanted; but every tensor in it must be one of B0's, so
 * that another network with similar names (B1's first blocks look like B0's) is seen. What such weights have been trained
 * on is unknown: their provenance says so. */
#include <string.h>

#include "backend/context.h"
#include "net/weights.h"

/* The entry of a parameter under any of its names. */
static const struct efme_st_entry *find_param(const struct efme_st_reader *r, const char *name, uint32_t format) {
  char foreign[96];
  for (uint32_t i = 0; efme_import_name(foreign, name, format, i); i++) {
    const struct efme_st_entry *e = efme_st_find(r, foreign);
    if (e) return e;
  }
  return NULL;
}

static efme_status find_format(uint32_t *out, const struct efme_st_reader *r, const char *format) {
  for (uint32_t f = 0; f < EFME_IMPORT_COUNT; f++) {
    if (format ? strcmp(format, efme_import_format_name(f)) == 0 : find_param(r, "stem_conv/kernel", f) != NULL) {
      *out = f;
      return EFME_OK;
    }
  }
  if (format) return efme_fail(EFME_E_ARGUMENT, "format \"%.32s\": known are keras, timm and torchvision", format);
  return efme_fail(EFME_E_FORMAT, "%s: its names are not those of Keras, timm or torchvision: no stem convolution", r->source.name);
}

/* What network the file holds: the stages that are there without a gap, and the head's classes. */
static efme_status find_arch(struct efme_arch *arch, const struct efme_st_reader *r, uint32_t format) {
  char name[96];
  memset(arch, 0, sizeof *arch);
  for (uint32_t stage = 1; stage <= 8; stage++) {
    efme_import_stage_name(name, stage, format);
    if (!efme_st_find(r, name)) break;
    if (stage <= 7) arch->cut = stage;
    else arch->top = 1;
  }
  if (arch->cut == 0) return efme_fail(EFME_E_FORMAT, "%s: tensor \"%s\" is missing", r->source.name, name);
  const struct efme_st_entry *head = find_param(r, "head/kernel", format);
  if (head && head->rank == 2) arch->classes = (uint32_t)EFME_MIN(head->dims[format == EFME_IMPORT_KERAS ? 1 : 0], (uint64_t)UINT32_MAX);
  arch->height = arch->width = 224;
  arch->normalisation = EFME_NORM_STD;
  arch->padding = format == EFME_IMPORT_KERAS ? EFME_PAD_KERAS : EFME_PAD_SYMMETRIC;
  arch->bn_epsilon = format == EFME_IMPORT_KERAS ? 1e-3f : 1e-5f;
  arch->bn_momentum = 0.99f;
  return EFME_OK;
}

/* Shape of a parameter in a foreign file. */
static uint32_t foreign_shape(uint64_t dims[4], const struct efme_param *p, uint32_t format) {
  uint64_t ours[4];
  uint32_t rank = efme_param_shape(ours, p);
  static const int conv[4] = {3, 2, 0, 1}, depthwise[4] = {2, 3, 0, 1}, dense[2] = {1, 0};
  const int *order = format == EFME_IMPORT_KERAS       ? NULL
                     : p->kind == EFME_PARAM_CONV      ? conv
                     : p->kind == EFME_PARAM_DEPTHWISE ? depthwise
                     : rank == 2                       ? dense
                                                       : NULL;
  for (uint32_t i = 0; i < rank; i++) dims[i] = ours[order ? order[i] : (int)i];
  return rank;
}

/* [outer][inner] to [inner][outer]: with inner = C kh kw and HWIO wanted, the inner index is permuted too. */
static void transpose(float *out, const float *in, const struct efme_param *p) {
  uint64_t area = (uint64_t)p->dims[0] * p->dims[1], c = p->dims[2], n = p->dims[3];
  if (p->kind == EFME_PARAM_DEPTHWISE) c = 1, n = p->dims[2];
  for (uint64_t o = 0; o < n; o++)
    for (uint64_t i = 0; i < c; i++)
      for (uint64_t k = 0; k < area; k++) out[(k * c + i) * n + o] = in[(o * c + i) * area + k];
}

/* Which parameter of the wanted network an entry is; whole: that of the whole B0, to tell later stages from strangers. */
struct mapping {
  const struct efme_param *param; /* NULL: not wanted */
  int known;
};

static efme_status map_entries(struct mapping *map, const struct efme_st_reader *r, const struct efme_model *m, uint32_t format, int reset,
                               const struct efme_params *whole) {
  for (size_t i = 0; i < r->count; i++) map[i].known = efme_import_ignored(r->entries[i].name, format);
  for (uint32_t i = 0; i < whole->count; i++) {
    const struct efme_st_entry *e = find_param(r, whole->items[i].name, format);
    const struct efme_param *p = efme_params_find(&m->params, whole->items[i].name);
    if (p && p->head && reset) p = NULL;
    if (e) map[e - r->entries].known = 1;
    if (!p) continue;
    if (!e) {
      char name[96];
      efme_import_name(name, p->name, format, 0);
      return efme_fail(EFME_E_FORMAT, "%s: tensor \"%s\" is missing", r->source.name, name);
    }
    uint64_t dims[4];
    uint32_t rank = foreign_shape(dims, p, format);
    efme_status status = efme_st_expect(r, e, dims, rank);
    if (status) return status;
    map[e - r->entries].param = p;
  }
  for (size_t i = 0; i < r->count; i++)
    if (!map[i].known)
      return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\" is none of EfficientNet-B0's under %s names", r->source.name,
                       r->entries[i].name, efme_import_format_name(format));
  return EFME_OK;
}

static efme_status read_mapped(struct efme_model *m, struct efme_st_reader *r, const struct mapping *map, uint32_t format) {
  const struct efme_allocator *a = efme_context_allocator(m->context);
  uint64_t most = 0;
  for (uint32_t i = 0; i < m->params.count; i++) most = EFME_MAX(most, m->params.items[i].count);
  float *scratch = efme_mem_array(a, (size_t)most, sizeof *scratch, "a tensor");
  if (!scratch) return EFME_E_NOMEM;
  efme_status status = EFME_OK;
  for (size_t i = 0; !status && i < r->count; i++) {
    const struct efme_param *p = map[i].param;
    if (!p) continue;
    int moves =
        format != EFME_IMPORT_KERAS && (p->kind == EFME_PARAM_CONV || p->kind == EFME_PARAM_DEPTHWISE || p->kind == EFME_PARAM_DENSE);
    status = efme_st_read(r, &r->entries[i], moves ? scratch : m->weights + p->offset, NULL);
    if (!status && moves) transpose(m->weights + p->offset, scratch, p);
  }
  efme_mem_free(a, scratch);
  return status ? status : efme_st_finish(r);
}

/* All names of B0, top and any head; the class count only sizes the head, whose shape is not looked at here. */
static efme_status whole_params(struct efme_params *out, const struct efme_allocator *a, const struct efme_arch *arch) {
  struct efme_arch whole = *arch;
  whole.cut = 7;
  whole.top = 1;
  whole.classes = 2;
  return efme_params_create(out, a, &whole);
}

static efme_status note_source(struct efme_model *m, const struct efme_st_reader *r, uint32_t format) {
  const char *slash = strrchr(r->source.name, '/');
  char text[400];
  snprintf(text, sizeof text, "%s names, imported from %.300s", efme_import_format_name(format), slash ? slash + 1 : r->source.name);
  return efme_utf8_valid(text, strlen(text)) ? efme_model_put_metadata(m, "source", text) : EFME_OK;
}

static efme_status import_model(struct efme_model **out, struct efme_context *context, struct efme_st_reader *r, const char *format_name,
                                const efme_load_options *o) {
  const struct efme_allocator *a = efme_context_allocator(context);
  uint32_t format = 0;
  struct efme_arch arch;
  struct efme_load_target target;
  struct efme_params whole;
  efme_status status = find_format(&format, r, format_name);
  if (!status) status = find_arch(&arch, r, format);
  if (!status) status = efme_load_resolve(&target, o, &arch, NULL, r->source.name);
  if (!status) status = whole_params(&whole, a, &arch);
  if (status) return status;
  struct efme_model *m = NULL;
  struct mapping *map = efme_mem_calloc(a, r->count, sizeof *map, "tensor table");
  status = map ? efme_model_new(&m, context, &target.arch, target.class_names, 0) : EFME_E_NOMEM;
  if (!status) status = map_entries(map, r, m, format, target.reset, &whole);
  if (!status) status = read_mapped(m, r, map, format);
  if (!status) status = efme_model_check_weights(m, r->source.name);
  if (!status && target.reset) efme_model_init_weights(m, o->seed, 1);
  if (!status) status = efme_load_note(m, &target, &arch);
  if (!status) status = note_source(m, r, format);
  efme_mem_free(a, map);
  efme_params_free(&whole, a);
  if (!status) *out = m;
  else if (m) efme_model_free(m);
  return status;
}

efme_status efme_weights_import(struct efme_model **out, struct efme_context *context, const struct efme_st_source *source,
                                const char *format, const efme_load_options *options) {
  struct efme_st_reader r;
  efme_status status = efme_st_open(&r, efme_context_allocator(context), source);
  if (status) return status;
  status = import_model(out, context, &r, format, options);
  efme_st_close(&r);
  return status;
}
