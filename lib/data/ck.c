/* CK+ in its two forms. CK+48: seven folders of 48 x 48 images S005_001_00000009.png, the last three frames of each
 * labelled sequence. The original tree: cohn-kanade-images/S005/001/S005_001_00000001.png .. and a label file
 * Emotion/S005/001/S005_001_00000011_emotion.txt for 327 of the 593 sequences; its number is the peak, the last frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

/* What the folders are called is what the labels are called. */
static efme_status add_image(struct efme_store *s, const char *folder, const char *label, const char *name) {
  const char *mark = strchr(name, '_');
  const char *dot = strrchr(name, '.');
  if (!mark || mark == name || mark - name > 31)
    return efme_fail(EFME_E_FORMAT, "%s/%s: no subject ahead of an underscore in the name", folder, name);
  char subject[32];
  snprintf(subject, sizeof subject, "%.*s", (int)(mark - name), name);
  const struct efme_allocator *a = s->allocator;
  char *path = efme_path_join(a, folder, name), *clip = efme_mem_strndup(a, name, (size_t)(dot - name));
  struct efme_row r = EFME_ROW_INIT;
  r.dataset = "ckplus", r.subject = subject, r.clip = clip, r.path = path, r.native = label, r.row = s->count + 1;
  efme_status status = path && clip ? efme_store_add_file(s, &r) : EFME_E_NOMEM;
  efme_mem_free(a, path), efme_mem_free(a, clip);
  return status;
}

static efme_status add_folder(struct efme_store *s, const char *root, const char *label, struct efme_reading *reading) {
  const struct efme_allocator *a = s->allocator;
  char *folder = efme_path_join(a, root, label);
  char **names = NULL;
  size_t count = 0;
  efme_status status = folder ? efme_list_folder(&names, &count, a, folder, EFME_LIST_FILES) : EFME_E_NOMEM;
  size_t images = 0;
  for (size_t i = 0; i < count && !status; i++) {
    if (!efme_is_image_name(names[i])) continue;
    images++;
    status = efme_reading_skip(reading, add_image(s, folder, label, names[i]));
    if (!status) status = efme_reading_step(reading, reading->done + 1);
  }
  if (!status && !images)
    status = efme_reading_skip(reading, efme_fail(EFME_E_FORMAT, "%s: no image in it: class %s has no sample", folder, label));
  efme_mem_free(a, names);
  efme_mem_free(a, folder);
  return status;
}

/* The seven folders of CK+48 in alphabetical order, happiness under either name. */
static efme_status read_ck48(struct efme_store *s, const char *path, struct efme_reading *reading) {
  static const char *const known[] = {"anger", "contempt", "disgust", "fear", "happy", "happiness", "sadness", "surprise"};
  char **names;
  size_t count, used = 0;
  efme_status status = efme_list_folder(&names, &count, s->allocator, path, EFME_LIST_FOLDERS);
  if (status) return status;
  for (size_t i = 0; i < count && !status; i++) {
    size_t k = 0;
    while (k < EFME_COUNT(known) && strcmp(names[i], known[k])) k++;
    if (k == EFME_COUNT(known))
      status = efme_reading_skip(reading, efme_fail(EFME_E_FORMAT, "%s/%s: not one of CK+48's seven emotions", path, names[i]));
    else status = add_folder(s, path, names[i], reading), used++;
  }
  efme_mem_free(s->allocator, names);
  if (!status && !used) return efme_fail(EFME_E_FORMAT, "%s: none of CK+48's folders (anger, contempt, ...) in it", path);
  return status ? status : efme_reading_end(reading);
}

/* ---- the original tree ---- */

/* Names in Emotion/: 0 neutral 1 anger .. 7 surprise. */
static const char *const emotions[8] = {"neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"};

/* The one number of a label file, written as a float. */
static efme_status read_emotion(const struct efme_allocator *a, const char *path, uint32_t *emotion) {
  uint8_t *data;
  size_t size;
  efme_status status = efme_file_read(&data, &size, a, path, 4096);
  if (status) return status;
  const char *text = (const char *)data;
  while (size && strchr(" \t\r\n", text[size - 1])) size--;
  while (size && strchr(" \t\r\n", *text)) text++, size--;
  double v;
  if (!efme_parse_double(text, size, &v) || v < 0 || v > 7 || v != (double)(uint32_t)v)
    status = efme_fail(EFME_E_FORMAT, "%s: \"%.*s\" is not a label from 0 to 7", path, (int)EFME_MIN(size, 32u), text);
  else *emotion = (uint32_t)v;
  efme_mem_free(a, data);
  return status;
}

/* images: cohn-kanade-images/S005/001; file: the label file's name, which begins with the peak frame's. */
static efme_status add_sequence(struct efme_store *s, const char *labels, const char *images, const char *subject, const char *file) {
  static const char ending[] = "_emotion.txt";
  size_t n = strlen(file), e = sizeof ending - 1;
  if (n <= e || strcmp(file + n - e, ending)) return EFME_OK; /* other files lie there too */
  const struct efme_allocator *a = s->allocator;
  char *label_path = efme_path_join(a, labels, file), *clip = efme_mem_strndup(a, file, n - e);
  uint32_t emotion = 0;
  efme_status status = label_path && clip ? read_emotion(a, label_path, &emotion) : EFME_E_NOMEM;
  efme_mem_free(a, label_path);
  struct efme_text name;
  efme_text_init(&name, a);
  efme_text_printf(&name, "%s/%s.png", images, clip ? clip : "");
  char *path = NULL;
  if (!status) status = efme_text_take(&name, &path, NULL);
  if (!status) {
    const char *number = strrchr(clip, '_');
    int64_t frame = -1;
    if (!number || !efme_parse_i64(number + 1, strlen(number + 1), &frame) || frame < 0 || frame > INT32_MAX) frame = -1;
    struct efme_row r = EFME_ROW_INIT;
    r.dataset = "ckplus", r.subject = subject, r.clip = clip, r.path = path, r.native = emotions[emotion], r.row = s->count + 1;
    r.apex = r.offset = (int32_t)frame, r.onset = frame > 0 ? 1 : -1;
    status = efme_store_add_file(s, &r);
  }
  efme_text_free(&name);
  efme_mem_free(a, path), efme_mem_free(a, clip);
  return status;
}

static efme_status add_subject(struct efme_store *s, const char *labels, const char *images, const char *subject,
                               struct efme_reading *reading) {
  const struct efme_allocator *a = s->allocator;
  char *folder = efme_path_join(a, labels, subject);
  char **sequences = NULL;
  size_t count = 0;
  efme_status status = folder ? efme_list_folder(&sequences, &count, a, folder, EFME_LIST_FOLDERS) : EFME_E_NOMEM;
  for (size_t i = 0; i < count && !status; i++) {
    char *sequence = efme_path_join(a, folder, sequences[i]);
    char *relative = efme_path_join(a, subject, sequences[i]);
    char *frames = relative ? efme_path_join(a, images, relative) : NULL;
    char **files = NULL;
    size_t n = 0;
    status = sequence && frames ? efme_list_folder(&files, &n, a, sequence, EFME_LIST_FILES) : EFME_E_NOMEM;
    for (size_t k = 0; k < n && !status; k++) status = efme_reading_skip(reading, add_sequence(s, sequence, frames, subject, files[k]));
    if (!status) status = efme_reading_step(reading, reading->done + 1);
    efme_mem_free(a, files), efme_mem_free(a, frames), efme_mem_free(a, relative), efme_mem_free(a, sequence);
  }
  efme_mem_free(a, sequences);
  efme_mem_free(a, folder);
  return status;
}

static efme_status read_ckplus(struct efme_store *s, const char *path, struct efme_reading *reading) {
  const struct efme_allocator *a = s->allocator;
  char *labels = efme_path_join(a, path, "Emotion"), *images = efme_path_join(a, path, "cohn-kanade-images");
  efme_status status = labels && images ? EFME_OK : EFME_E_NOMEM;
  int there = 0;
  if (!status) status = efme_is_folder(&there, path);
  if (!status && !there) status = efme_fail(EFME_E_IO, "%s: no such folder", path);
  if (!status) status = efme_is_folder(&there, labels);
  if (!status && !there) status = efme_fail(EFME_E_FORMAT, "%s: no folder Emotion in it", path);
  if (!status) status = efme_is_folder(&there, images);
  if (!status && !there) status = efme_fail(EFME_E_FORMAT, "%s: no folder cohn-kanade-images in it", path);
  char **subjects = NULL;
  size_t count = 0;
  if (!status) status = efme_list_folder(&subjects, &count, a, labels, EFME_LIST_FOLDERS);
  for (size_t i = 0; i < count && !status; i++) status = add_subject(s, labels, images, subjects[i], reading);
  efme_mem_free(a, subjects);
  efme_mem_free(a, labels), efme_mem_free(a, images);
  return status ? status : efme_reading_end(reading);
}

static efme_status open_with(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options,
                             efme_status (*read)(struct efme_store *, const char *, struct efme_reading *)) {
  if (!out || !context || !path) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "path");
  struct efme_reading reading = {.context = context, .what = "files"};
  efme_image_options image;
  efme_status status = efme_reader_options(&reading.options, &image, options);
  if (status) return status;
  struct efme_store *s;
  status = efme_store_create(&s, context, &reading.options);
  if (status) return status;
  s->source = &efme_file_source;
  s->root = efme_strings_add(&s->strings, path, strlen(path));
  status = s->root ? read(s, path, &reading) : EFME_E_NOMEM;
  if (!status) status = efme_store_finish(s, path);
  if (!status) return efme_dataset_from_store(out, s, NULL, 0);
  efme_store_release(s);
  return status;
}

efme_status efme_dataset_open_ck48(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options) {
  return open_with(out, context, path, options, read_ck48);
}

efme_status efme_dataset_open_ckplus(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options) {
  return open_with(out, context, path, options, read_ckplus);
}
