/* The file of a finished fold: JSON that people and programs can read, closed by a hash of all bytes before it, so that a
 * truncated or altered file is refused by name. Probabilities are strings of decimal numbers with 9 digits: they read back
 * to the same float without any reader's idea of a decimal point. */
#include <cjson/cJSON.h>
#include <string.h>

#include "eval/evaluator.h"

#define EFME_FOLD_FORMAT "efme-fold 1"
static const char hash_mark[] = ",\n  \"content_hash\": \"";

char *efme_fold_path(const efme_evaluator *e, const char *folder, uint32_t fold, const char *suffix) {
  char name[128];
  size_t n = (size_t)snprintf(name, sizeof name, "fold-%04u-", fold), kept = 0;
  for (const char *s = e->plan->folds[fold].name; *s && kept < 60; s++, kept++) {
    int plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '-';
    name[n++] = plain ? *s : '_';
  }
  snprintf(name + n, sizeof name - n, ".%s", suffix);
  return efme_path_join(e->allocator, folder, name);
}

efme_status efme_fold_drop_checkpoint(const efme_evaluator *e, uint32_t fold) {
  char *path = efme_fold_path(e, e->folder, fold, "checkpoint");
  efme_status status = path ? efme_atomic_remove(e->allocator, path) : EFME_E_NOMEM;
  efme_mem_free(e->allocator, path);
  return status;
}

/* ---- writing ---- */

static void json_lines(struct efme_json *j, const char *name, const char *lines) {
  efme_json_open(j, name, '[');
  for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
    n = strcspn(lines, "\n");
    char *line = efme_mem_strndup(j->text->allocator, lines, n);
    if (line) efme_json_string(j, NULL, line);
    else j->text->failed = 1;
    efme_mem_free(j->text->allocator, line);
  }
  efme_json_close(j, ']');
}

static void json_probabilities(struct efme_json *j, const struct efme_allocator *a, const float *p, uint32_t classes) {
  struct efme_text t;
  char *text = NULL;
  efme_text_init(&t, a);
  for (uint32_t c = 0; c < classes; c++) {
    if (c) efme_text_add(&t, " ");
    efme_text_double(&t, (double)p[c], 9);
  }
  if (efme_text_take(&t, &text, NULL) == EFME_OK) efme_json_string(j, "probabilities", text);
  else j->text->failed = 1;
  efme_mem_free(a, text);
}

static efme_status json_tested(struct efme_json *j, const efme_evaluator *e, uint32_t fold, const float *probabilities) {
  const uint64_t *indices = NULL;
  uint64_t count = 0;
  efme_status status = efme_fold_plan_part(e->plan, fold, EFME_PART_TEST, &indices, &count);
  efme_json_open(j, "tested", '[');
  for (uint64_t i = 0; i < count && status == EFME_OK; i++) {
    const char *key = e->plan->keys[indices[i]];
    efme_json_open(j, NULL, '{');
    efme_json_string(j, "key", key);
    efme_json_hex(j, "key_hash", efme_hash64(key, strlen(key), 0)); /* exact, whatever bytes a key has */
    efme_json_u64(j, "truth", (uint64_t)e->plan->labels[indices[i]]);
    json_probabilities(j, e->allocator, probabilities + i * e->classes, e->classes);
    efme_json_close(j, '}');
  }
  efme_json_close(j, ']');
  return status;
}

void efme_json_maker(struct efme_json *j, const char *name, const struct efme_maker *maker) {
  efme_json_open(j, name, '{');
  efme_json_string(j, "library", maker->library);
  efme_json_string(j, "backend", maker->backend);
  efme_json_string(j, "device", maker->device);
  efme_json_u64(j, "cpu_level", maker->cpu_level);
  efme_json_string(j, "decoder", maker->decoder);
  efme_json_close(j, '}');
}

/* Where folds choose their recipe: which, and the inner UF1 of each. */
static void json_choice(struct efme_json *j, const efme_evaluator *e, const struct efme_fold_record *r) {
  char uf1[40];
  if (!r->inner_uf1) return;
  efme_json_u64(j, "recipe", r->choice);
  efme_json_open(j, "inner_uf1", '[');
  for (uint32_t i = 0; i < e->recipe_count; i++) {
    efme_format_double(uf1, sizeof uf1, r->inner_uf1[i], 17);
    efme_json_string(j, NULL, uf1);
  }
  efme_json_close(j, ']');
}

static efme_status make_text(struct efme_text *t, const efme_evaluator *e, uint32_t fold, const struct efme_fold_record *r) {
  struct efme_json j;
  efme_json_init(&j, t);
  efme_json_open(&j, NULL, '{');
  efme_json_string(&j, "format", EFME_FOLD_FORMAT);
  efme_json_string(&j, "fold", e->plan->folds[fold].name);
  efme_json_u64(&j, "index", fold);
  json_lines(&j, "run", e->identity.lines);
  efme_json_maker(&j, "maker", &r->maker);
  efme_json_u64(&j, "train_samples", e->plan->folds[fold].counts[EFME_PART_TRAIN]);
  efme_json_u64(&j, "validation_samples", e->plan->folds[fold].counts[EFME_PART_VALIDATION]);
  efme_json_hex(&j, "start_checksum", r->start_checksum);
  efme_json_hex(&j, "end_checksum", r->end_checksum);
  efme_json_hex(&j, "seed", r->seed);
  efme_json_u64(&j, "epochs", r->epochs);
  json_choice(&j, e, r);
  efme_json_string(&j, "history_columns", "phase epoch loss accuracy validation_loss validation_uf1 validation_uar");
  json_lines(&j, "history", r->history);
  efme_status status = json_tested(&j, e, fold, r->probabilities);
  if (status == EFME_OK && t->failed) status = efme_fail(EFME_E_NOMEM, "out of memory: a fold's file");
  return status;
}

efme_status efme_fold_write(const efme_evaluator *e, uint32_t fold, const struct efme_fold_record *record) {
  struct efme_text t;
  char *text = NULL, *path = efme_fold_path(e, e->folder, fold, "json");
  size_t size = 0;
  efme_text_init(&t, e->allocator);
  efme_status status = path ? make_text(&t, e, fold, record) : EFME_E_NOMEM;
  if (status == EFME_OK) {
    uint64_t hash = efme_hash64(t.data, t.size, 0);
    efme_text_printf(&t, "%s%016llx\"\n}\n", hash_mark, (unsigned long long)hash);
    status = efme_text_take(&t, &text, &size);
  }
  efme_text_free(&t);
  if (status == EFME_OK) status = efme_file_write(e->allocator, path, text, size);
  efme_mem_free(e->allocator, text);
  efme_mem_free(e->allocator, path);
  return status;
}

/* ---- reading ---- */

struct reader {
  const efme_evaluator *e;
  const char *path;
  const cJSON *root;
  uint32_t fold;
};

static efme_status damaged(const struct reader *in, const char *what) {
  return efme_fail(EFME_E_FORMAT, "%s: damaged fold file: %s", in->path, what);
}

/* The last line's hash over all before it. */
static efme_status check_hash(const struct reader *in, const char *text, size_t size) {
  size_t tail = strlen(hash_mark) + 16 + 4; /* the hash and "\n}\n */
  if (size < tail) return damaged(in, "truncated");
  const char *mark = text + size - tail;
  if (memcmp(mark, hash_mark, strlen(hash_mark)) || strcmp(mark + strlen(hash_mark) + 16, "\"\n}\n"))
    return damaged(in, "truncated, its content hash is not at the end");
  char expected[20];
  snprintf(expected, sizeof expected, "%016llx", (unsigned long long)efme_hash64(text, (size_t)(mark - text), 0));
  if (memcmp(mark + strlen(hash_mark), expected, 16)) return damaged(in, "its content hash is wrong");
  return EFME_OK;
}

static const char *string_of(const cJSON *object, const char *name) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int hex_of(const cJSON *object, const char *name, uint64_t *out) {
  const char *s = string_of(object, name);
  return s && strlen(s) == 16 && efme_parse_hex64(s, out);
}

static int u32_of(const cJSON *object, const char *name, uint32_t *out) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
  if (!cJSON_IsNumber(item) || item->valuedouble < 0.0 || item->valuedouble > 4294967295.0) return 0;
  *out = (uint32_t)item->valuedouble;
  return (double)*out == item->valuedouble;
}

/* Lines of a JSON array joined again. */
static efme_status lines_of(const struct reader *in, char **out, const char *name) {
  const cJSON *array = cJSON_GetObjectItemCaseSensitive(in->root, name), *item;
  struct efme_text t;
  if (!cJSON_IsArray(array)) return damaged(in, name);
  efme_text_init(&t, in->e->allocator);
  cJSON_ArrayForEach(item, array) {
    if (!cJSON_IsString(item)) {
      efme_text_free(&t);
      return damaged(in, name);
    }
    efme_text_add(&t, item->valuestring);
    efme_text_add(&t, "\n");
  }
  return efme_text_take(&t, out, NULL);
}

static efme_status check_run(const struct reader *in) {
  char *lines = NULL;
  efme_status status = lines_of(in, &lines, "run");
  if (status == EFME_OK) status = efme_identity_compare(&in->e->identity, lines, in->path);
  efme_mem_free(in->e->allocator, lines);
  return status;
}

static efme_status read_choice(const struct reader *in, struct efme_fold_record *r) {
  const efme_evaluator *e = in->e;
  const cJSON *array = cJSON_GetObjectItemCaseSensitive(in->root, "inner_uf1"), *item;
  if (e->recipe_count == 1) return EFME_OK;
  if (!u32_of(in->root, "recipe", &r->choice) || r->choice >= e->recipe_count || (uint32_t)cJSON_GetArraySize(array) != e->recipe_count)
    return damaged(in, "its choice of a recipe");
  r->inner_uf1 = efme_mem_calloc(e->allocator, e->recipe_count, sizeof *r->inner_uf1, "scores of recipes");
  if (!r->inner_uf1) return EFME_E_NOMEM;
  double *at = r->inner_uf1;
  cJSON_ArrayForEach(item, array) {
    const char *text = cJSON_GetStringValue(item);
    if (!text || !efme_parse_double(text, strlen(text), at++)) return damaged(in, "inner_uf1");
  }
  return EFME_OK;
}

static void copy_text(char *out, size_t size, const char *text) { snprintf(out, size, "%s", text ? text : ""); }

static void read_maker(const struct reader *in, struct efme_maker *m) {
  const cJSON *object = cJSON_GetObjectItemCaseSensitive(in->root, "maker");
  copy_text(m->library, sizeof m->library, string_of(object, "library"));
  copy_text(m->backend, sizeof m->backend, string_of(object, "backend"));
  copy_text(m->device, sizeof m->device, string_of(object, "device"));
  copy_text(m->decoder, sizeof m->decoder, string_of(object, "decoder"));
  if (!u32_of(object, "cpu_level", &m->cpu_level)) m->cpu_level = 0;
}

static int read_probabilities(float *out, const char *text, uint32_t classes) {
  for (uint32_t c = 0; c < classes; c++) {
    size_t n = strcspn(text, " ");
    double v;
    if (!efme_parse_double(text, n, &v) || v < 0.0 || v > 1.0) return 0;
    out[c] = (float)v;
    text += n;
    if (*text == ' ' && c + 1 < classes) text++;
  }
  return *text == '\0';
}

static efme_status read_tested(const struct reader *in, float *out) {
  const efme_evaluator *e = in->e;
  const cJSON *array = cJSON_GetObjectItemCaseSensitive(in->root, "tested"), *item;
  const uint64_t *indices = NULL;
  uint64_t count = 0, i = 0;
  efme_status status = efme_fold_plan_part(e->plan, in->fold, EFME_PART_TEST, &indices, &count);
  if (status) return status;
  if (!cJSON_IsArray(array) || (uint64_t)cJSON_GetArraySize(array) != count)
    return damaged(in, "not as many tested samples as the fold has");
  cJSON_ArrayForEach(item, array) {
    const char *key = e->plan->keys[indices[i]], *text = string_of(item, "probabilities");
    uint64_t hash = 0;
    uint32_t truth = 0;
    if (!hex_of(item, "key_hash", &hash) || hash != efme_hash64(key, strlen(key), 0))
      return efme_fail(EFME_E_MISMATCH, "%s: tested sample %llu is not %s", in->path, (unsigned long long)i, key);
    if (!u32_of(item, "truth", &truth) || truth != (uint32_t)e->plan->labels[indices[i]])
      return efme_fail(EFME_E_MISMATCH, "%s: truth of %s is not the dataset's", in->path, key);
    if (!text || !read_probabilities(out + i * e->classes, text, e->classes)) return damaged(in, "probabilities");
    i++;
  }
  return EFME_OK;
}

static efme_status read_record(const struct reader *in, struct efme_fold_record *r) {
  const efme_evaluator *e = in->e;
  const char *format = string_of(in->root, "format"), *name = string_of(in->root, "fold");
  if (!format || strncmp(format, EFME_FOLD_FORMAT, 9)) return damaged(in, "not a fold's file");
  if (strcmp(format, EFME_FOLD_FORMAT))
    return efme_fail(EFME_E_UNSUPPORTED, "%s: format `%.40s`, this version reads " EFME_FOLD_FORMAT, in->path, format);
  efme_status status = check_run(in);
  if (status) return status;
  if (!name || strcmp(name, e->plan->folds[in->fold].name)) return efme_fail(EFME_E_MISMATCH, "%s: it holds another fold", in->path);
  if (!hex_of(in->root, "start_checksum", &r->start_checksum) || !hex_of(in->root, "end_checksum", &r->end_checksum) ||
      !hex_of(in->root, "seed", &r->seed) || !u32_of(in->root, "epochs", &r->epochs))
    return damaged(in, "a field is missing");
  if (r->start_checksum != e->start_checksum)
    return efme_fail(EFME_E_MISMATCH, "%s: the fold started from weights %016llx, the run's are %016llx", in->path,
                     (unsigned long long)r->start_checksum, (unsigned long long)e->start_checksum);
  read_maker(in, &r->maker);
  status = read_choice(in, r);
  if (status == EFME_OK) status = lines_of(in, &r->history, "history");
  if (status) return status;
  r->probabilities =
      efme_mem_array(e->allocator, (size_t)e->plan->folds[in->fold].counts[EFME_PART_TEST] * e->classes, sizeof(float), "predictions");
  return r->probabilities ? read_tested(in, r->probabilities) : EFME_E_NOMEM;
}

/* More than the file of this fold can have: what it holds is known, and the JSON reader takes dozens of bytes for one. Names may be escaped
 * sixfold, a probability takes less than 24 characters, an epoch's line less than 256. */
static uint64_t largest_file(const struct reader *in) {
  const efme_evaluator *e = in->e;
  const uint64_t *indices = NULL;
  uint64_t count = 0, bytes = (1u << 20) + 6 * strlen(e->identity.lines);
  for (uint32_t i = 0; i < e->recipe_count; i++)
    for (size_t k = 0; k < e->recipes[i]->phase_count; k++) bytes += 256ull * e->recipes[i]->phases[k].epochs;
  if (efme_fold_plan_part(e->plan, in->fold, EFME_PART_TEST, &indices, &count)) return bytes;
  for (uint64_t i = 0; i < count; i++) bytes += 256 + 6 * strlen(e->plan->keys[indices[i]]) + 24ull * e->classes;
  return bytes;
}

static efme_status read_file(struct reader *in, struct efme_fold_record *r) {
  uint8_t *data = NULL;
  size_t size = 0;
  efme_status status = efme_file_read(&data, &size, in->e->allocator, in->path, largest_file(in));
  if (status) return status;
  status = check_hash(in, (const char *)data, size);
  cJSON *root = NULL;
  if (status == EFME_OK && (status = efme_json_parse(&root, (const char *)data, size))) status = efme_fail_prefix(status, "%s", in->path);
  in->root = root;
  if (status == EFME_OK) status = read_record(in, r);
  cJSON_Delete(root);
  efme_mem_free(in->e->allocator, data);
  return status;
}

efme_status efme_fold_read(struct efme_fold_record *out, const efme_evaluator *e, const char *folder, uint32_t fold) {
  enum efme_file_kind there = EFME_NO_FILE;
  struct efme_fold_record r;
  memset(&r, 0, sizeof r);
  char *path = efme_fold_path(e, folder, fold, "json");
  if (!path) return EFME_E_NOMEM;
  efme_status status = efme_file_look(&there, path);
  if (status == EFME_OK && !there) status = efme_fail(EFME_E_NOT_FOUND, "%s: no such file", path);
  struct reader in = {e, path, NULL, fold};
  if (status == EFME_OK) status = read_file(&in, &r);
  efme_mem_free(e->allocator, path);
  if (status) {
    efme_fold_record_free(&r, e->allocator);
    return status;
  }
  r.done = 1;
  *out = r;
  return EFME_OK;
}
