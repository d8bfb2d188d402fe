/* decisions.json. What an earlier call decided holds where the settings are the same, the source has the same bytes, and the face's file is
 * what was written. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "prepare/prepare.h"
#include "util/json.h"

#define EFME_DECISIONS_FORMAT "efme-prepared 1"
#define DECISIONS_LIMIT (1ull << 30)

/* ---- writing ---- */

efme_status efme_prepare_put(const struct efme_preparation *p, const char *name, struct efme_text *text) {
  char *data = NULL, *path = NULL;
  size_t size = 0;
  efme_status status = efme_text_take(text, &data, &size);
  if (status == EFME_OK && !(path = efme_path_join(p->allocator, p->folder, name))) status = EFME_E_NOMEM;
  if (status == EFME_OK) status = efme_file_write(p->allocator, path, data, size);
  efme_mem_free(p->allocator, path), efme_mem_free(p->allocator, data);
  return status;
}

static void write_decision(struct efme_json *j, const struct efme_preparation *p, uint64_t i) {
  const struct efme_decision *d = &p->decisions[i];
  const struct efme_record *record = efme_item_record(p->dataset, i);
  efme_json_open(j, NULL, '{');
  efme_json_string(j, "key", record->key);
  if (*record->path) efme_json_string(j, "source", record->path);
  efme_json_hex(j, "source_hash", d->source_hash);
  if (record->apex >= 0) efme_json_u64(j, "apex", (uint64_t)record->apex);
  if (d->error) efme_json_string(j, "error", d->error);
  else {
    efme_json_string(j, "face", d->face);
    efme_json_hex(j, "face_hash", d->face_hash);
    efme_json_u64(j, "faces_found", d->faces);
    if (!p->options.whole) {
      efme_json_floats(j, "box", d->box, 4);
      efme_json_floats(j, "points", d->points, 2 * (size_t)d->point_count);
      efme_json_float(j, "score", d->score);
      efme_json_double(j, "angle", d->angle);
      efme_json_double(j, "scale", d->scale);
      efme_json_double(j, "outside", d->outside);
    }
    if (d->warning) efme_json_string(j, "warning", d->warning);
  }
  efme_json_close(j, '}');
}

efme_status efme_decisions_write(const struct efme_preparation *p) {
  struct efme_text t;
  struct efme_json j;
  efme_text_init(&t, p->allocator);
  efme_json_init(&j, &t);
  efme_json_open(&j, NULL, '{');
  efme_json_string(&j, "format", EFME_DECISIONS_FORMAT);
  efme_json_string(&j, "settings", p->settings);
  efme_json_open(&j, "samples", '[');
  for (uint64_t i = 0; i < p->dataset->count; i++)
    if (p->decisions[i].known) write_decision(&j, p, i);
  efme_json_close(&j, ']');
  efme_json_close(&j, '}');
  return efme_prepare_put(p, "decisions.json", &t);
}

/* ---- reading ---- */

static const char *word(const cJSON *object, const char *name) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}
static double number(const cJSON *object, const char *name) {
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
  return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

static uint64_t hex(const cJSON *object, const char *name) {
  const char *text = word(object, name);
  uint64_t value = 0;
  return text && efme_parse_hex64(text, &value) ? value : 0;
}

static uint32_t floats(float *out, uint32_t most, const cJSON *object, const char *name) {
  uint32_t n = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(object, name)) {
    if (n == most || !cJSON_IsNumber(item)) return 0;
    out[n++] = (float)item->valuedouble;
  }
  return n;
}

/* 1 where the file has these bytes. */
static efme_status same_file(int *same, const struct efme_preparation *p, const char *path, uint64_t hash) {
  uint8_t *data = NULL;
  size_t size = 0;
  enum efme_file_kind kind = EFME_NO_FILE;
  *same = 0;
  efme_status status = efme_file_look(&kind, path);
  if (status || kind != EFME_REGULAR_FILE) return status;
  status = efme_file_read(&data, &size, p->allocator, path, EFME_IMAGE_MAX_FILE);
  if (status == EFME_OK) *same = efme_hash64(data, size, 0) == hash;
  efme_mem_free(p->allocator, data);
  return status == EFME_E_LIMIT ? EFME_OK : status;
}

static efme_status same_source(int *same, const struct efme_preparation *p, uint64_t i, uint64_t hash) {
  const struct efme_record *record = efme_item_record(p->dataset, i);
  efme_image *image = NULL;
  efme_sample sample = EFME_SAMPLE_INIT;
  if (*record->path) return same_file(same, p, record->path, hash);
  *same = 0;
  efme_status status = efme_item_read(p->dataset, i, &image);
  if (status == EFME_OK) status = efme_dataset_sample(p->dataset, i, &sample);
  if (status == EFME_OK) *same = (sample.file_hash ? sample.file_hash : sample.pixel_hash) == hash;
  efme_image_release(image);
  return p->options.lenient && status != EFME_E_NOMEM && status != EFME_E_IO ? EFME_OK : status; /* the look at it will say so */
}

static efme_status same_face(int *same, const struct efme_preparation *p, const char *face, uint64_t hash) {
  char *path = efme_path_join(p->allocator, p->folder, face);
  if (!path) return EFME_E_NOMEM;
  efme_status status = same_file(same, p, path, hash);
  efme_mem_free(p->allocator, path);
  return status;
}

static char *copy(const struct efme_preparation *p, const char *text, efme_status *status) {
  char *made = text ? efme_mem_strdup(p->allocator, text) : NULL;
  if (text && !made) *status = EFME_E_NOMEM;
  return made;
}

static efme_status read_decision(struct efme_preparation *p, uint64_t i, const cJSON *item) {
  struct efme_decision d;
  int same = 0;
  const char *face = word(item, "face"), *error = word(item, "error");
  memset(&d, 0, sizeof d);
  d.source_hash = hex(item, "source_hash"), d.face_hash = hex(item, "face_hash");
  if ((!face && !error) || (error && !p->options.lenient)) return EFME_OK;
  efme_status status = same_source(&same, p, i, d.source_hash);
  if (status == EFME_OK && same && face) status = same_face(&same, p, face, d.face_hash);
  if (status || !same) return status;
  d.faces = (uint32_t)number(item, "faces_found");
  d.point_count = floats(d.points, 10, item, "points") / 2;
  if (!p->options.whole && face && floats(d.box, 4, item, "box") != 4) return EFME_OK;
  d.score = (float)number(item, "score"), d.angle = number(item, "angle"), d.scale = number(item, "scale"),
  d.outside = number(item, "outside");
  d.face = copy(p, face, &status), d.error = copy(p, error, &status), d.warning = copy(p, word(item, "warning"), &status);
  if (status) {
    efme_decision_clear(&d, p->allocator);
    return status;
  }
  d.known = d.kept = 1;
  efme_decision_clear(&p->decisions[i], p->allocator); /* a key that stands twice: the last holds */
  p->decisions[i] = d;
  return EFME_OK;
}

struct place {
  const char *key;
  uint64_t index;
};

static int by_key(const void *a, const void *b) { return strcmp(((const struct place *)a)->key, ((const struct place *)b)->key); }

static efme_status match(struct efme_preparation *p, const cJSON *samples) {
  uint64_t count = p->dataset->count;
  efme_status status = EFME_OK;
  const cJSON *item;
  struct place *places = efme_mem_array(p->allocator, count, sizeof *places, "decisions");
  if (!places) return EFME_E_NOMEM;
  for (uint64_t i = 0; i < count; i++) places[i] = (struct place){efme_item_record(p->dataset, i)->key, i};
  qsort(places, count, sizeof *places, by_key);
  cJSON_ArrayForEach(item, samples) {
    struct place wanted = {word(item, "key"), 0};
    const struct place *found = wanted.key ? bsearch(&wanted, places, count, sizeof *places, by_key) : NULL;
    if (found && (status = read_decision(p, found->index, item))) break;
  }
  efme_mem_free(p->allocator, places);
  return status;
}

efme_status efme_decisions_read(struct efme_preparation *p) {
  uint8_t *data = NULL;
  size_t size = 0;
  cJSON *root = NULL;
  enum efme_file_kind kind = EFME_NO_FILE;
  char *path = efme_path_join(p->allocator, p->folder, "decisions.json");
  if (!path) return EFME_E_NOMEM;
  efme_status status = efme_file_look(&kind, path);
  if (status == EFME_OK && kind) {
    status = efme_file_read(&data, &size, p->allocator, path, DECISIONS_LIMIT);
    if (status == EFME_OK && (status = efme_json_parse(&root, (const char *)data, size))) efme_fail_prefix(status, "%s", path);
    const char *format = word(root, "format"), *settings = word(root, "settings");
    if (status == EFME_OK && (!format || strcmp(format, EFME_DECISIONS_FORMAT) || !settings))
      status = efme_fail(EFME_E_FORMAT, "%s: not the decisions of a preparation, %s: `format` is %s", path, EFME_DECISIONS_FORMAT,
                         format ? format : "missing");
    if (status == EFME_OK && !strcmp(settings, p->settings)) status = match(p, cJSON_GetObjectItemCaseSensitive(root, "samples"));
  }
  cJSON_Delete(root);
  efme_mem_free(p->allocator, data), efme_mem_free(p->allocator, path);
  return status;
}
