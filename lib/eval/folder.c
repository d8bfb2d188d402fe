/* A run's folder:
 *   run.json              what the run is; a folder with another run's is refused, naming the field
 *   fold-*.json           finished folds, each written whole or not at all
 *   fold-*.checkpoint     folds under way
 *   configurations.txt    appended to, never rewritten: a line for each configuration that has tested a fold here. How many
 *                         were tried is part of every audit, since the best of many is not a fair score */
#include <cjson/cJSON.h>
#include <string.h>

#include "eval/evaluator.h"

#define EFME_RUN_FORMAT "efme-run 1"
/* For identity lines of n bytes: those and the recipes as JSON, and a good deal, since another run's file is read to say how it differs. The
 * JSON reader takes dozens of bytes for one. */
#define EFME_RUN_LIMIT(n) (12ull * (n) + (1ull << 20))
#define EFME_TRIED_LIMIT (1ull << 20) /* bytes: more than ten thousand configurations */

/* ---- configurations ---- */

static int is_tried(const efme_evaluator *e, uint64_t hash) {
  for (size_t i = 0; i < e->tried_count; i++)
    if (e->tried[i] == hash) return 1;
  return 0;
}

static efme_status reserve_tried(efme_evaluator *e) {
  return efme_mem_grow(e->allocator, (void **)&e->tried, &e->tried_capacity, e->tried_count + 1, sizeof *e->tried, "configurations tried");
}

static efme_status add_tried(efme_evaluator *e, uint64_t hash) {
  if (is_tried(e, hash)) return EFME_OK;
  efme_status status = reserve_tried(e);
  if (status == EFME_OK) e->tried[e->tried_count++] = hash;
  return status;
}

static efme_status write_tried(efme_evaluator *e, uint64_t hash, const char *what) {
  char line[256];
  if (!e->folder || is_tried(e, hash)) return add_tried(e, hash);
  efme_status status = reserve_tried(e); /* so that nothing can fail between the file and the list */
  if (status) return status;
  char *path = efme_path_join(e->allocator, e->folder, "configurations.txt");
  if (!path) return EFME_E_NOMEM;
  snprintf(line, sizeof line, "%016llx %.200s", (unsigned long long)hash, what);
  status = efme_file_append_line(path, line);
  efme_mem_free(e->allocator, path);
  return status ? status : add_tried(e, hash);
}

efme_status efme_folder_note(efme_evaluator *e) {
  char what[200];
  snprintf(what, sizeof what, "recipe %s, start %016llx, plan %016llx", efme_recipe_preset(e->recipes[0]),
           (unsigned long long)e->start_checksum, (unsigned long long)e->plan->fingerprint);
  return write_tried(e, e->identity.hash, what);
}

/* Adds the lines of a folder's file; into our own file too where it is another folder. */
static efme_status read_tried(efme_evaluator *e, const char *folder, int own) {
  uint8_t *data = NULL;
  size_t size = 0;
  char *path = efme_path_join(e->allocator, folder, "configurations.txt");
  if (!path) return EFME_E_NOMEM;
  enum efme_file_kind there = EFME_NO_FILE;
  efme_status status = efme_file_look(&there, path);
  if (status == EFME_OK && there) status = efme_file_read(&data, &size, e->allocator, path, EFME_TRIED_LIMIT);
  for (char *line = (char *)data; line && *line && status == EFME_OK;) {
    size_t n = strcspn(line, "\n");
    char *next = line + n + (line[n] == '\n');
    uint64_t hash;
    line[n] = '\0';
    if (n >= 16 && efme_parse_hex64(line, &hash)) status = own ? add_tried(e, hash) : write_tried(e, hash, n > 17 ? line + 17 : "");
    line = next;
  }
  efme_mem_free(e->allocator, data);
  efme_mem_free(e->allocator, path);
  return status;
}

/* ---- run.json ---- */

static efme_status write_run(efme_evaluator *e, const char *path) {
  struct efme_text t;
  struct efme_json j;
  char *text = NULL;
  size_t size = 0;
  efme_text_init(&t, e->allocator);
  efme_json_init(&j, &t);
  efme_json_open(&j, NULL, '{');
  efme_json_string(&j, "format", EFME_RUN_FORMAT);
  efme_json_string(&j, "run", e->identity.lines);
  efme_status status = efme_json_recipes(&j, e);
  efme_json_close(&j, '}');
  if (status == EFME_OK) status = efme_text_take(&t, &text, &size);
  else efme_text_free(&t);
  if (status == EFME_OK) status = efme_file_write(e->allocator, path, text, size);
  efme_mem_free(e->allocator, text);
  return status;
}

static efme_status check_run(const efme_evaluator *e, const char *path) {
  uint8_t *data = NULL;
  size_t size = 0;
  efme_status status = efme_file_read(&data, &size, e->allocator, path, EFME_RUN_LIMIT(strlen(e->identity.lines)));
  if (status) return status;
  cJSON *root = NULL;
  status = efme_json_parse(&root, (const char *)data, size);
  if (status) status = efme_fail_prefix(status, "%s", path);
  const char *format = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "format"));
  const char *run = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "run"));
  if (status == EFME_OK && (!format || !run)) status = efme_fail(EFME_E_FORMAT, "%s: damaged: not a run's file", path);
  if (status == EFME_OK && strcmp(format, EFME_RUN_FORMAT))
    status = efme_fail(EFME_E_UNSUPPORTED, "%s: format `%.40s`, this version reads " EFME_RUN_FORMAT, path, format);
  if (status == EFME_OK) status = efme_identity_compare(&e->identity, run, path);
  cJSON_Delete(root);
  efme_mem_free(e->allocator, data);
  return status;
}

efme_status efme_folder_begin(efme_evaluator *e) {
  if (!e->folder || e->written) return EFME_OK;
  char *path = efme_path_join(e->allocator, e->folder, "run.json");
  if (!path) return EFME_E_NOMEM;
  enum efme_file_kind there = EFME_NO_FILE;
  efme_status status = efme_dir_create(e->allocator, e->folder);
  if (status == EFME_OK) status = efme_file_look(&there, path);
  if (status == EFME_OK) status = there ? check_run(e, path) : write_run(e, path);
  efme_mem_free(e->allocator, path);
  e->written = status == EFME_OK;
  return status;
}

/* ---- folds that are there ---- */

static efme_status check_folder(const efme_evaluator *e, const char *folder) {
  char *path = efme_path_join(e->allocator, folder, "run.json");
  if (!path) return EFME_E_NOMEM;
  enum efme_file_kind there = EFME_NO_FILE;
  efme_status status = efme_file_look(&there, path);
  if (status == EFME_OK && there) status = check_run(e, path);
  efme_mem_free(e->allocator, path);
  return status;
}

efme_status efme_folder_open(efme_evaluator *e) {
  char text[512];
  efme_error_save(text); /* that a fold is not there yet is no failure */
  efme_status status = check_folder(e, e->folder);
  if (status == EFME_OK) status = read_tried(e, e->folder, 1);
  for (uint32_t f = 0; f < e->plan->count && status == EFME_OK; f++) {
    struct efme_fold_record record;
    status = efme_fold_read(&record, e, e->folder, f);
    if (status == EFME_OK) {
      efme_evaluator_put(e, f, &record);
      status = efme_fold_drop_checkpoint(e, f); /* a kill may have come between the two files */
    } else if (status == EFME_E_NOT_FOUND) status = EFME_OK, efme_error_restore(text);
  }
  if (status == EFME_OK && atomic_load(&e->done)) status = efme_folder_note(e);
  return status;
}

/* ---- merging: everything is read and compared before anything is taken ---- */

static efme_status compare_fold(const efme_evaluator *e, uint32_t fold, const struct efme_fold_record *other, const char *folder) {
  const struct efme_fold_record *mine = &e->folds[fold];
  size_t bytes = (size_t)e->plan->folds[fold].counts[EFME_PART_TEST] * e->classes * sizeof(float);
  if (!mine->done || (!memcmp(mine->probabilities, other->probabilities, bytes) && mine->end_checksum == other->end_checksum && mine->choice == other->choice))
    return EFME_OK;
  return efme_fail(EFME_E_MISMATCH, "%s: fold %s differs from the one that is here (made on %s level %u there, %s level %u here)", folder,
                   e->plan->folds[fold].name, other->maker.device, other->maker.cpu_level, mine->maker.device, mine->maker.cpu_level);
}

static efme_status read_folds(const efme_evaluator *e, struct efme_fold_record *others, const char *folder) {
  uint32_t found = 0;
  char text[512];
  efme_error_save(text);
  for (uint32_t f = 0; f < e->plan->count; f++) {
    efme_status status = efme_fold_read(&others[f], e, folder, f);
    if (status == EFME_E_NOT_FOUND) {
      efme_error_restore(text);
      continue;
    }
    if (status == EFME_OK) status = compare_fold(e, f, &others[f], folder);
    if (status) return status;
    found++;
  }
  return found ? EFME_OK : efme_fail(EFME_E_NOT_FOUND, "%s: no finished fold of this plan in it", folder);
}

static efme_status take_folds(efme_evaluator *e, struct efme_fold_record *others) {
  efme_status status = efme_folder_begin(e);
  for (uint32_t f = 0; f < e->plan->count && status == EFME_OK; f++) {
    if (!others[f].done || e->folds[f].done) continue;
    if (e->folder) status = efme_fold_write(e, f, &others[f]);
    if (status == EFME_OK) efme_evaluator_put(e, f, &others[f]);
  }
  return status ? status : efme_folder_note(e);
}

efme_status efme_folder_merge(efme_evaluator *e, const char *folder) {
  struct efme_fold_record *others = efme_mem_calloc(e->allocator, e->plan->count, sizeof *others, "folds to merge");
  if (!others) return EFME_E_NOMEM;
  efme_status status = check_folder(e, folder);
  if (status == EFME_OK) status = read_folds(e, others, folder);
  if (status == EFME_OK) status = take_folds(e, others);
  if (status == EFME_OK) status = read_tried(e, folder, 0);
  for (uint32_t f = 0; f < e->plan->count; f++) efme_fold_record_free(&others[f], e->allocator);
  efme_mem_free(e->allocator, others);
  return status;
}
