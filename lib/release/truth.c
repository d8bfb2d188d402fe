/* The organisers' ground truth of MEGC 2019: `db,subject,clip,label`, no header, CRLF; one copy has an empty row after each. */
#include <string.h>

#include "release/release.h"

#define MAX_RECORD 4096u

static efme_status truth_read(struct efme_store *s, uint64_t record, efme_image **out) {
  (void)out;
  return efme_fail(EFME_E_UNSUPPORTED, "sample %s has no image: a ground truth has labels alone", s->records[record].key);
}

static const struct efme_source truth_source = {truth_read, NULL, NULL};

static int is_empty(const struct efme_csv *csv) {
  for (size_t i = 0; i < csv->field_count; i++)
    if (efme_csv_field(csv, i)[0]) return 0;
  return 1;
}

static efme_status add_row(struct efme_store *s, const struct efme_csv *csv, uint64_t row) {
  static const char *const sets[] = {"smic", "casme2", "samm"};
  if (csv->field_count != 4) return efme_fail(EFME_E_FORMAT, "%zu fields, 4 expected: db, subject, clip, label", csv->field_count);
  struct efme_row r = EFME_ROW_INIT;
  char subject[32], clip[384];
  const char *label = efme_csv_field(csv, 3);
  size_t k = 0;
  r.dataset = efme_key_set(efme_csv_field(csv, 0));
  while (k < EFME_COUNT(sets) && strcmp(r.dataset, sets[k])) k++;
  if (k == EFME_COUNT(sets)) return efme_fail(EFME_E_FORMAT, "field db: \"%.64s\" is none of smic, casme2, samm", r.dataset);
  if (label[0] < '0' || label[0] > '2' || label[1]) return efme_fail(EFME_E_FORMAT, "field label: \"%.64s\" is not 0, 1 or 2", label);
  r.subject = efme_key_bare_subject(subject, r.dataset, efme_csv_field(csv, 1));
  r.clip = efme_release_clip_name(clip, efme_key_form(r.dataset), efme_csv_field(csv, 2));
  if (!r.subject[0] || !r.clip[0]) return efme_fail(EFME_E_FORMAT, "field %s is empty", r.clip[0] ? "subject" : "clip");
  r.native = label, r.label = label[0] - '0', r.row = row;
  return efme_store_add(s, &r);
}

static efme_status read_rows(struct efme_store *s, struct efme_csv *csv, struct efme_reading *reading) {
  efme_status status = EFME_OK;
  for (uint64_t row = 0; !status;) {
    int more;
    status = efme_csv_next(csv, &more);
    if (status || !more) break;
    if (is_empty(csv)) continue;
    row++;
    status = add_row(s, csv, row);
    if (status)
      status = efme_reading_skip(
          reading, efme_fail_prefix(status, "%s: line %llu (row %llu)", csv->path, (unsigned long long)csv->line, (unsigned long long)row));
    if (!status) status = efme_reading_step(reading, row);
  }
  return status ? status : efme_reading_end(reading);
}

efme_status efme_dataset_open_megc2019_truth(efme_dataset **out, efme_context *context, const char *path,
                                             const efme_dataset_options *options) {
  if (!out || !context || !path) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "path");
  struct efme_reading reading = {.context = context, .what = "rows"};
  efme_image_options image;
  efme_status status = efme_reader_options(&reading.options, &image, options);
  if (status) return status;
  struct efme_store *s;
  struct efme_csv csv;
  status = efme_store_create(&s, context, &reading.options);
  if (status) return status;
  s->source = &truth_source;
  status = efme_csv_open(&csv, s->allocator, path, MAX_RECORD);
  if (!status) {
    status = read_rows(s, &csv, &reading);
    efme_csv_close(&csv);
  }
  if (!status) status = efme_store_finish(s, path);
  const efme_label_map *meg3 = efme_label_map_builtin("meg3");
  if (!status) return efme_dataset_from_store(out, s, meg3->class_names, meg3->class_count);
  efme_store_release(s);
  return status;
}
