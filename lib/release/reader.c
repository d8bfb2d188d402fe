/* The dataset of a release: every clip that is kept, its apex frame as the image. */
#include <string.h>

#include "release/release.h"

enum further { FURTHER_AU, FURTHER_APEX, FURTHER_FOLDER, FURTHER_WARNING, FURTHERS };
static const char *const further_names[FURTHERS] = {"au", "annotated_apex", "folder", "warning"};

static efme_status add_values(struct efme_store *st, const char *const values[FURTHERS]) {
  void *items = (void *)st->values;
  efme_status status =
      efme_mem_grow(st->allocator, &items, &st->value_capacity, st->count * FURTHERS, sizeof *st->values, "columns of a release");
  st->values = items;
  for (size_t k = 0; k < FURTHERS && !status; k++) {
    const char *kept = efme_strings_intern(&st->strings, values[k], strlen(values[k]));
    st->values[(st->count - 1) * FURTHERS + k] = kept ? kept : "";
    if (!kept) status = EFME_E_NOMEM;
  }
  return status;
}

/* What is wrong with the clip, sentence by sentence; also told to the log. */
static efme_status warnings_of(char **out, const struct efme_scan *s, size_t clip, size_t from) {
  struct efme_text t;
  efme_text_init(&t, s->allocator);
  for (size_t i = from; i < s->issue_count; i++) {
    if (s->issues[i].clip != clip || s->issues[i].severity != EFME_SEVERITY_WARNING) continue;
    efme_text_printf(&t, "%s%s", t.size ? "; " : "", s->issues[i].message);
    efme_context_log(s->context, EFME_LOG_WARNING, "%s", s->issues[i].message);
  }
  efme_text_add(&t, "");
  return efme_text_take(&t, out, NULL);
}

static efme_status add_clip(struct efme_store *st, struct efme_scan *s, size_t i, size_t from) {
  const struct efme_clip *c = &s->clips[i];
  struct efme_row r = EFME_ROW_INIT;
  char *warnings;
  efme_status status = warnings_of(&warnings, s, i, from);
  if (status) return status;
  r.dataset = s->form->key.dataset, r.subject = c->subject, r.clip = c->clip, r.path = c->file, r.native = c->label;
  r.onset = c->onset, r.apex = c->frame, r.offset = c->offset, r.row = c->row;
  status = efme_store_add_file(st, &r);
  if (status && status != EFME_E_NOMEM && s->table)
    status = efme_fail_prefix(status, "%s: line %llu (row %llu), %s/%s", s->table, (unsigned long long)c->line, (unsigned long long)c->row,
                              c->subject, c->clip);
  if (!status) status = add_values(st, (const char *const[FURTHERS]){c->au, c->apex_text, c->folder, warnings});
  efme_mem_free(s->allocator, warnings);
  return status;
}

static efme_status read_clips(struct efme_store *st, struct efme_scan *s, struct efme_reading *reading, efme_keep_fn keep, void *user) {
  efme_status status = efme_scan_read(s);
  const struct efme_issue *error = status ? NULL : efme_scan_error(s, EFME_NO_CLIP, 0);
  if (error) return efme_fail(error->status, "%s", error->message);
  for (size_t i = 0; i < s->count && !status; i++) {
    size_t from = s->issue_count;
    error = efme_scan_error(s, i, 0); /* of its row: nobody can say whether it would be kept */
    if (!error && keep && !keep(s, &s->clips[i], user)) continue;
    if (!error) {
      status = efme_scan_clip(s, i);
      if (status) return status;
      error = efme_scan_error(s, i, from);
    }
    status = error ? efme_fail(error->status, "%s", error->message) : add_clip(st, s, i, from);
    status = efme_reading_skip(reading, status);
    if (!status) status = efme_reading_step(reading, i + 1);
  }
  return status ? status : efme_reading_end(reading);
}

static efme_status prepare_store(struct efme_store *st, const char *root) {
  st->source = &efme_file_source;
  st->root = efme_strings_add(&st->strings, root, strlen(root));
  st->columns = efme_mem_array(st->allocator, FURTHERS, sizeof *st->columns, "columns of a release");
  if (!st->root || !st->columns) return EFME_E_NOMEM;
  for (size_t k = 0; k < FURTHERS; k++) st->columns[k] = further_names[k];
  st->column_count = FURTHERS;
  return EFME_OK;
}

efme_status efme_release_open(efme_dataset **out, efme_context *context, const efme_release_options *release,
                              const efme_dataset_options *options, efme_keep_fn keep, void *user) {
  struct efme_reading reading = {.context = context, .what = "rows"};
  efme_image_options image;
  efme_status status = efme_reader_options(&reading.options, &image, options);
  if (status) return status;
  struct efme_scan s;
  struct efme_store *st = NULL;
  status = efme_scan_begin(&s, context, release, &image);
  if (!status) status = efme_store_create(&st, context, &reading.options);
  if (!status) status = prepare_store(st, s.options.root);
  if (!status) status = read_clips(st, &s, &reading, keep, user);
  if (!status) status = efme_store_finish(st, s.options.root);
  efme_scan_free(&s);
  if (!status) return efme_dataset_from_store(out, st, NULL, 0);
  efme_store_release(st);
  return status;
}

efme_status efme_dataset_open_release(efme_dataset **out, efme_context *context, const efme_release_options *release,
                                      const efme_dataset_options *options) {
  if (!out || !context || !release) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "release");
  return efme_release_open(out, context, release, options, NULL, NULL);
}
