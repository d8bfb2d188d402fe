/* A model's description as safetensors metadata, keys "efme.*":
 *
 *   efme.format         "1.0": major.minor; a newer major is refused, a newer minor may add keys
 *   efme.architecture   "efficientnet-b0"
 *   efme.cut, efme.top  "5", "0"
 *   efme.input          "48x48": height x width
 *   efme.classes        names, one a line
 *   efme.normalisation  "std", "variance", "sqrt_std", "unit"
 *   efme.padding        "keras", "symmetric"
 *   efme.bn_epsilon, efme.bn_momentum
 *   efme.library        version that wrote the file
 *   efme.provenance     see net/provenance.h
 *   efme.hash           16 hex digits: the content hash of safetensors.h over all else
 *
 * Other keys are the model's own free text ("licence", "start_weights", ...). */
#include <string.h>

#include "efme/version.h"
#include "net/provenance.h"
#include "net/weights.h"

static const char *const normalisations[] = {"std", "variance", "sqrt_std", "unit"};
static const char *const paddings[] = {"keras", "symmetric"};

int efme_weights_reserved_key(const char *key) { return strncmp(key, "efme.", 5) == 0 || strncmp(key, "__", 2) == 0; }

/* ---- reading ---- */

static efme_status fail_value(const struct efme_st_reader *r, const char *key, const char *value) {
  return efme_fail(EFME_E_FORMAT, "%s: metadata \"%s\": \"%.64s\" is not a value it can have", r->source.name, key, value);
}

static efme_status get(const char **out, const struct efme_st_reader *r, const char *key) {
  *out = efme_st_metadata(r, key);
  if (*out) return EFME_OK;
  return efme_fail(EFME_E_FORMAT, "%s: metadata \"%s\" is missing", r->source.name, key);
}

static efme_status get_u32(uint32_t *out, const struct efme_st_reader *r, const char *key) {
  const char *text;
  uint64_t v;
  efme_status status = get(&text, r, key);
  if (status) return status;
  if (!efme_parse_u64(text, strlen(text), &v) || v > UINT32_MAX) return fail_value(r, key, text);
  *out = (uint32_t)v;
  return EFME_OK;
}

static efme_status get_float(float *out, const struct efme_st_reader *r, const char *key) {
  const char *text;
  double v;
  efme_status status = get(&text, r, key);
  if (status) return status;
  if (!efme_parse_double(text, strlen(text), &v)) return fail_value(r, key, text);
  *out = (float)v;
  return EFME_OK;
}

static efme_status get_word(uint32_t *out, const struct efme_st_reader *r, const char *key, const char *const *words, uint32_t count) {
  const char *text;
  efme_status status = get(&text, r, key);
  if (status) return status;
  for (uint32_t i = 0; i < count; i++) {
    if (strcmp(words[i], text) == 0) {
      *out = i;
      return EFME_OK;
    }
  }
  return fail_value(r, key, text);
}

static efme_status get_input(struct efme_arch *arch, const struct efme_st_reader *r) {
  const char *text;
  efme_status status = get(&text, r, "efme.input");
  if (status) return status;
  const char *x = strchr(text, 'x');
  uint64_t h, w;
  if (!x || !efme_parse_u64(text, (size_t)(x - text), &h) || !efme_parse_u64(x + 1, strlen(x + 1), &w) || h > UINT32_MAX || w > UINT32_MAX)
    return fail_value(r, "efme.input", text);
  arch->height = (uint32_t)h;
  arch->width = (uint32_t)w;
  return EFME_OK;
}

static efme_status check_format(const struct efme_st_reader *r) {
  const char *text = efme_st_metadata(r, "efme.format");
  if (!text)
    return efme_fail(EFME_E_FORMAT, "%s: not a libefme model file: metadata \"efme.format\" is missing (others' weights are imported)",
                     r->source.name);
  const char *dot = strchr(text, '.');
  uint64_t major, minor;
  if (!dot || !efme_parse_u64(text, (size_t)(dot - text), &major) || !efme_parse_u64(dot + 1, strlen(dot + 1), &minor))
    return fail_value(r, "efme.format", text);
  if (major != 1) return efme_fail(EFME_E_UNSUPPORTED, "%s: format version %.16s, this library reads 1.x", r->source.name, text);
  efme_status status = get(&text, r, "efme.architecture");
  if (status) return status;
  if (strcmp(text, "efficientnet-b0") == 0) return EFME_OK;
  return efme_fail(EFME_E_UNSUPPORTED, "%s: architecture \"%.64s\", this library has efficientnet-b0", r->source.name, text);
}

static efme_status get_classes(struct efme_weights_meta *m, const struct efme_allocator *a, const struct efme_st_reader *r) {
  const char *text;
  efme_status status = get(&text, r, "efme.classes");
  if (status) return status;
  m->text = efme_mem_strdup(a, text);
  if (!m->text) return EFME_E_NOMEM;
  uint32_t count = 1;
  for (const char *p = text; *p; p++) count += *p == '\n';
  if (count > 1024) return efme_fail(EFME_E_LIMIT, "%s: metadata \"efme.classes\": %u classes, the limit is 1024", r->source.name, count);
  m->class_names = efme_mem_calloc(a, count, sizeof *m->class_names, "class names");
  if (!m->class_names) return EFME_E_NOMEM;
  char *p = m->text;
  for (uint32_t i = 0; i < count; i++) {
    m->class_names[i] = p;
    p += strcspn(p, "\n");
    if (*p) *p++ = '\0';
  }
  m->arch.classes = count;
  return EFME_OK;
}

static efme_status get_hash(struct efme_weights_meta *m, const struct efme_st_reader *r) {
  const char *text;
  efme_status status = get(&text, r, EFME_WEIGHTS_HASH_KEY);
  if (status) return status;
  uint64_t v = 0;
  size_t n = 0;
  for (; text[n]; n++) {
    const char *digits = "0123456789abcdef", *d = strchr(digits, text[n]);
    if (!d || n == 16) return fail_value(r, EFME_WEIGHTS_HASH_KEY, text);
    v = v << 4 | (uint64_t)(d - digits);
  }
  if (n != 16) return fail_value(r, EFME_WEIGHTS_HASH_KEY, text);
  m->hash = v;
  return EFME_OK;
}

static efme_status read_meta(struct efme_weights_meta *m, const struct efme_allocator *a, const struct efme_st_reader *r) {
  const char *text;
  efme_status status = check_format(r);
  if (!status) status = get_u32(&m->arch.cut, r, "efme.cut");
  if (!status) status = get_u32(&m->arch.top, r, "efme.top");
  if (!status) status = get_input(&m->arch, r);
  if (!status) status = get_word(&m->arch.normalisation, r, "efme.normalisation", normalisations, EFME_COUNT(normalisations));
  if (!status) status = get_word(&m->arch.padding, r, "efme.padding", paddings, EFME_COUNT(paddings));
  if (!status) status = get_float(&m->arch.bn_epsilon, r, "efme.bn_epsilon");
  if (!status) status = get_float(&m->arch.bn_momentum, r, "efme.bn_momentum");
  if (!status) status = get_classes(m, a, r);
  if (!status) status = get_hash(m, r);
  if (!status) status = get(&text, r, "efme.provenance");
  if (status) return status;
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  if (efme_arch_blocks(blocks, &count, &m->arch) || efme_class_names_check(m->class_names, m->arch.classes))
    return efme_fail_prefix(EFME_E_FORMAT, "%s: metadata", r->source.name);
  status = efme_provenance_parse(&m->provenance, a, text, strlen(text));
  return status ? efme_fail_prefix(status, "%s: metadata \"efme.provenance\"", r->source.name) : EFME_OK;
}

efme_status efme_weights_meta_read(struct efme_weights_meta *out, const struct efme_allocator *a, const struct efme_st_reader *r) {
  struct efme_weights_meta m;
  memset(&m, 0, sizeof m);
  efme_status status = read_meta(&m, a, r);
  if (status) efme_weights_meta_free(&m, a);
  else *out = m;
  return status;
}

void efme_weights_meta_free(struct efme_weights_meta *m, const struct efme_allocator *a) {
  efme_mem_free(a, m->text);
  efme_mem_free(a, m->class_names);
  efme_provenance_free(m->provenance);
}

/* ---- writing ---- */

enum { OWN_KEYS = 11 };

/* All texts go behind one another into one buffer; a pair's value is first an offset, as the buffer moves while it grows. */
struct builder {
  struct efme_text text;
  struct {
    const char *key;
    size_t at;
  } items[OWN_KEYS];
  size_t count;
};

static void begin(struct builder *b, const char *key) {
  b->items[b->count].key = key;
  b->items[b->count++].at = b->text.size;
}

static void end(struct builder *b) { efme_text_add_n(&b->text, "", 1); }

static void put(struct builder *b, const char *key, const char *value) {
  begin(b, key);
  efme_text_add(&b->text, value);
  end(b);
}

static void put_float(struct builder *b, const char *key, float value) {
  begin(b, key);
  efme_text_double(&b->text, (double)value, 9);
  end(b);
}

static void build(struct builder *b, const struct efme_model *model) {
  const struct efme_arch *arch = &model->arch;
  put(b, "efme.format", "1.0");
  put(b, "efme.architecture", "efficientnet-b0");
  begin(b, "efme.cut");
  efme_text_printf(&b->text, "%u", arch->cut);
  end(b);
  put(b, "efme.top", arch->top ? "1" : "0");
  begin(b, "efme.input");
  efme_text_printf(&b->text, "%ux%u", arch->height, arch->width);
  end(b);
  begin(b, "efme.classes");
  for (uint32_t i = 0; i < arch->classes; i++) efme_text_printf(&b->text, i ? "\n%s" : "%s", model->class_names[i]);
  end(b);
  put(b, "efme.normalisation", normalisations[arch->normalisation]);
  put(b, "efme.padding", paddings[arch->padding]);
  put_float(b, "efme.bn_epsilon", arch->bn_epsilon);
  put_float(b, "efme.bn_momentum", arch->bn_momentum);
  begin(b, "efme.provenance");
  efme_provenance_write(model->provenance, &b->text);
  end(b);
}

efme_status efme_weights_meta_write(struct efme_st_pair **pairs, size_t *count, char **text, const struct efme_allocator *a,
                                    const struct efme_model *model) {
  struct builder b;
  memset(&b, 0, sizeof b);
  efme_text_init(&b.text, a);
  build(&b, model);
  char *buffer;
  efme_status status = efme_text_take(&b.text, &buffer, NULL);
  if (status) return status;
  size_t n = b.count + model->metadata_count + 1;
  struct efme_st_pair *p = efme_mem_array(a, n + 1, sizeof *p, "metadata");
  if (!p) {
    efme_mem_free(a, buffer);
    return EFME_E_NOMEM;
  }
  p[0] = (struct efme_st_pair){"efme.library", efme_version_string()};
  for (size_t i = 0; i < b.count; i++) p[i + 1] = (struct efme_st_pair){b.items[i].key, buffer + b.items[i].at};
  for (size_t i = 0; i < model->metadata_count; i++)
    p[1 + b.count + i] = (struct efme_st_pair){model->metadata[i].key, model->metadata[i].value};
  *pairs = p;
  *count = n;
  *text = buffer;
  return EFME_OK;
}
