/* FER2013: the official CSV (emotion,pixels,Usage), the competition's train.csv (emotion,pixels), and the folder form
 * (train|test/<emotion>/). 48 x 48 grey, seven emotions, no subjects.
 *
 * Rows carry no name, so a sample's key is a hash of what the row holds: shuffling the file changes no key. Pixels are kept
 * as bytes in blocks that never move: the whole CSV takes its 83 MB and little more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

#define SIDE 48u
#define PIXELS (SIDE * SIDE)
#define BLOCK_SAMPLES 512u
#define MAX_RECORD (64u << 10) /* 2304 numbers of 3 digits and a blank are 9 kB */

/* Emotion number of the CSV -> name; also the classes. */
static const char *const emotions[7] = {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"};

struct table {
  uint8_t **blocks;
  size_t count, capacity;
};

static const uint8_t *table_bytes(const struct efme_store *s, uint64_t record) {
  const struct table *t = s->state;
  return t->blocks[record / BLOCK_SAMPLES] + (record % BLOCK_SAMPLES) * PIXELS;
}

static efme_status table_read(struct efme_store *s, uint64_t record, efme_image **out) {
  return efme_image_from_pixels(out, s->context, table_bytes(s, record), EFME_PIXEL_GREY8, SIDE, SIDE, 0);
}

static void table_destroy(struct efme_store *s) {
  struct table *t = s->state;
  for (size_t i = 0; i < t->count; i++) efme_mem_free(s->allocator, t->blocks[i]);
  efme_mem_free(s->allocator, t->blocks);
  efme_mem_free(s->allocator, t);
}

static const struct efme_source table_source = {table_read, table_bytes, table_destroy};

static uint8_t *new_row(struct efme_store *s) {
  struct table *t = s->state;
  size_t block = s->count / BLOCK_SAMPLES;
  if (block == t->count) {
    void *blocks = t->blocks;
    efme_status status = efme_mem_grow(s->allocator, &blocks, &t->capacity, block + 1, sizeof *t->blocks, "FER2013");
    t->blocks = blocks;
    if (status || !(t->blocks[block] = efme_mem_alloc(s->allocator, BLOCK_SAMPLES * PIXELS, "FER2013"))) return NULL;
    t->count++;
  }
  return t->blocks[block] + s->count % BLOCK_SAMPLES * PIXELS;
}

/* Blank-separated numbers 0..255, exactly PIXELS of them. */
static efme_status parse_pixels(uint8_t *out, const char *text, size_t n) {
  size_t count = 0, i = 0;
  while (i < n) {
    if (text[i] == ' ') {
      i++;
      continue;
    }
    uint32_t v = 0, digits = 0;
    for (; i < n && text[i] != ' '; i++, digits++) {
      uint32_t d = (uint32_t)(unsigned char)text[i] - '0';
      if (d > 9 || digits == 3) return efme_fail(EFME_E_FORMAT, "field pixels: value %zu is not a number from 0 to 255", count + 1);
      v = v * 10 + d;
    }
    if (v > 255) return efme_fail(EFME_E_FORMAT, "field pixels: value %zu is %u, more than 255", count + 1, v);
    if (count < PIXELS) out[count] = (uint8_t)v;
    count++;
  }
  if (count != PIXELS) return efme_fail(EFME_E_FORMAT, "field pixels: %zu values, %u expected", count, PIXELS);
  return EFME_OK;
}

struct columns {
  size_t emotion, pixels, usage, count; /* usage == count: there is none */
};

/* Blanks around a value, as some copies have them, are not part of it. */
static const char *trimmed(const struct efme_csv *csv, size_t field, size_t *n) {
  const char *text = efme_csv_field(csv, field);
  for (*n = efme_csv_length(csv, field); *n && *text == ' '; text++) --*n;
  while (*n && text[*n - 1] == ' ') --*n;
  return text;
}

/* Only train.csv may lack Usage, and it has two columns: where there are more, test rows would pass for training rows. */
static efme_status read_header(struct columns *c, const struct efme_csv *csv) {
  c->count = csv->field_count;
  c->emotion = c->pixels = c->usage = c->count;
  for (size_t i = 0, n; i < csv->field_count; i++) {
    const char *name = trimmed(csv, i, &n);
    if (efme_equal_words_n(name, n, "emotion")) c->emotion = i;
    else if (efme_equal_words_n(name, n, "pixels")) c->pixels = i;
    else if (efme_equal_words_n(name, n, "usage")) c->usage = i;
  }
  const char *missing = c->emotion == c->count                 ? "emotion"
                        : c->pixels == c->count                ? "pixels"
                        : c->usage == c->count && c->count > 2 ? "Usage"
                                                               : NULL;
  return missing ? efme_fail(EFME_E_FORMAT, "%s: line 1: no column %s; this is not FER2013", csv->path, missing) : EFME_OK;
}

/* Where the rows belong; a name cut short by the end of the file is none of these. */
static const char *const splits[] = {"Training", "PublicTest", "PrivateTest"};

static efme_status read_usage(const char **split, const struct efme_csv *csv, const struct columns *c) {
  size_t n = 0;
  const char *text = c->usage < c->count ? trimmed(csv, c->usage, &n) : NULL;
  *split = text ? NULL : splits[0]; /* train.csv is the training split */
  for (size_t k = 0; k < EFME_COUNT(splits); k++)
    if (text && n == strlen(splits[k]) && !memcmp(text, splits[k], n)) *split = splits[k];
  return *split ? EFME_OK : efme_fail(EFME_E_FORMAT, "field Usage: \"%.32s\" is not Training, PublicTest or PrivateTest", text);
}

static efme_status add_row(struct efme_store *s, const struct efme_csv *csv, const struct columns *c, uint64_t row) {
  if (csv->field_count != c->count) return efme_fail(EFME_E_FORMAT, "%zu fields, %zu expected", csv->field_count, c->count);
  uint64_t emotion;
  if (!efme_parse_u64(efme_csv_field(csv, c->emotion), efme_csv_length(csv, c->emotion), &emotion) || emotion > 6)
    return efme_fail(EFME_E_FORMAT, "field emotion: \"%.32s\" is not a number from 0 to 6", efme_csv_field(csv, c->emotion));
  struct efme_row r = EFME_ROW_INIT;
  efme_status status = read_usage(&r.split, csv, c);
  if (status) return status;
  uint8_t *pixels = new_row(s);
  if (!pixels) return EFME_E_NOMEM;
  status = parse_pixels(pixels, efme_csv_field(csv, c->pixels), efme_csv_length(csv, c->pixels));
  if (status) return status;
  char clip[17];
  uint64_t hash = efme_hash64(r.split, strlen(r.split), efme_hash64(pixels, PIXELS, emotion));
  snprintf(clip, sizeof clip, "%016llx", (unsigned long long)hash);
  r.dataset = "fer2013", r.clip = clip, r.native = emotions[emotion], r.row = row;
  return efme_store_add(s, &r);
}

static int by_key_and_row(const void *a, const void *b) {
  const struct efme_record *x = *(struct efme_record *const *)a, *y = *(struct efme_record *const *)b;
  int order = strcmp(x->key, y->key);
  return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* FER2013 holds rows that are equal in every column: the second such row gets "-2" behind its key. They are
 * interchangeable, so which is which does not matter. */
static efme_status number_duplicates(struct efme_store *s) {
  struct efme_record **sorted = efme_mem_array(s->allocator, s->count, sizeof *sorted, "sample keys");
  if (!sorted) return EFME_E_NOMEM;
  for (size_t i = 0; i < s->count; i++) sorted[i] = &s->records[i];
  qsort(sorted, s->count, sizeof *sorted, by_key_and_row);
  efme_status status = EFME_OK;
  for (size_t i = 0, end; i < s->count && !status; i = end) {
    const char *key = sorted[i]->key;
    for (end = i + 1; end < s->count && !strcmp(sorted[end]->key, key); end++) {
      char name[64];
      int n = snprintf(name, sizeof name, "%s-%zu", key, end - i + 1);
      char *kept = efme_strings_add(&s->strings, name, (size_t)n);
      if (!kept) {
        status = EFME_E_NOMEM;
        break;
      }
      sorted[end]->clip = kept + (sorted[end]->clip - sorted[end]->key);
      sorted[end]->key = kept;
    }
  }
  efme_mem_free(s->allocator, sorted);
  return status;
}

static efme_status read_rows(struct efme_store *s, struct efme_csv *csv, struct efme_reading *reading) {
  int more;
  struct columns columns;
  efme_status status = efme_csv_next(csv, &more);
  if (status) return status;
  if (!more) return efme_fail(EFME_E_FORMAT, "%s: the file is empty", csv->path);
  status = read_header(&columns, csv);
  for (uint64_t row = 1; !status; row++) {
    status = efme_csv_next(csv, &more);
    if (status || !more) break;
    status = add_row(s, csv, &columns, row);
    if (status)
      status = efme_reading_skip(
          reading, efme_fail_prefix(status, "%s: line %llu (row %llu)", csv->path, (unsigned long long)csv->line, (unsigned long long)row));
    if (!status && row % 512 == 0) status = efme_reading_step(reading, row);
    reading->done = row;
  }
  return status ? status : efme_reading_end(reading);
}

static efme_status open_csv(struct efme_store *s, const char *path, struct efme_reading *reading) {
  struct table *t = efme_mem_calloc(s->allocator, 1, sizeof *t, "FER2013");
  if (!t) return EFME_E_NOMEM;
  s->state = t;
  s->source = &table_source;
  s->size = (struct efme_size){SIDE, SIDE, 1};
  struct efme_csv csv;
  efme_status status = efme_csv_open(&csv, s->allocator, path, MAX_RECORD);
  if (status) return status;
  status = read_rows(s, &csv, reading);
  efme_csv_close(&csv);
  return status ? status : number_duplicates(s);
}

static const char *emotion_of_folder(const char *name) {
  for (size_t i = 0; i < EFME_COUNT(emotions); i++)
    if (efme_equal_words(name, emotions[i])) return emotions[i];
  return efme_equal_words(name, "happiness") ? "happy" : efme_equal_words(name, "sadness") ? "sad" : efme_equal_words(name, "anger") ? "angry" : NULL;
}

/* One emotion's folder. Names such as PublicTest_123.jpg tell the split better than the folder does. */
static efme_status add_emotion(struct efme_store *s, const char *folder, const char *split, const char *name,
                               struct efme_reading *reading) {
  const char *emotion = emotion_of_folder(name);
  if (!emotion) return efme_reading_skip(reading, efme_fail(EFME_E_FORMAT, "%s/%s: not one of FER2013's seven emotions", folder, name));
  const struct efme_allocator *a = s->allocator;
  char *path = efme_path_join(a, folder, name);
  char **files = NULL;
  size_t count = 0;
  efme_status status = path ? efme_list_folder(&files, &count, a, path, EFME_LIST_FILES) : EFME_E_NOMEM;
  for (size_t i = 0; i < count && !status; i++) {
    if (!efme_is_image_name(files[i])) continue;
    char *file = efme_path_join(a, path, files[i]);
    char *clip = file ? efme_path_join(a, emotion, files[i]) : NULL;
    struct efme_row r = EFME_ROW_INIT;
    r.split = split;
    for (size_t k = 0; k < EFME_COUNT(splits); k++)
      if (!strncmp(files[i], splits[k], strlen(splits[k])) && files[i][strlen(splits[k])] == '_') r.split = splits[k];
    r.dataset = "fer2013", r.clip = clip, r.path = file, r.native = emotion, r.row = s->count + 1;
    char *unique = clip ? efme_path_join(a, split, clip) : NULL;
    r.clip = unique;
    status = unique ? efme_reading_skip(reading, efme_store_add_file(s, &r)) : EFME_E_NOMEM;
    efme_mem_free(a, unique), efme_mem_free(a, clip), efme_mem_free(a, file);
    if (!status) status = efme_reading_step(reading, reading->done + 1);
  }
  efme_mem_free(a, files);
  efme_mem_free(a, path);
  return status;
}

static efme_status open_folders(struct efme_store *s, const char *path, struct efme_reading *reading) {
  static const char *const folders[2][2] = {{"train", "Training"}, {"test", "Test"}};
  const struct efme_allocator *a = s->allocator;
  reading->what = "files";
  s->source = &efme_file_source;
  if (!(s->root = efme_strings_add(&s->strings, path, strlen(path)))) return EFME_E_NOMEM;
  int found = 0;
  efme_status status = EFME_OK;
  for (int i = 0; i < 2 && !status; i++) {
    char *folder = efme_path_join(a, path, folders[i][0]);
    if (!folder) return EFME_E_NOMEM;
    int there = 0;
    status = efme_is_folder(&there, folder);
    if (!status && there) {
      char **names = NULL;
      size_t count = 0;
      found = 1;
      status = efme_list_folder(&names, &count, a, folder, EFME_LIST_FOLDERS);
      for (size_t k = 0; k < count && !status; k++) status = add_emotion(s, folder, folders[i][1], names[k], reading);
      efme_mem_free(a, names);
    }
    efme_mem_free(a, folder);
  }
  if (!status && !found) return efme_fail(EFME_E_FORMAT, "%s: neither train nor test in it; this is not FER2013", path);
  return status ? status : efme_reading_end(reading);
}

efme_status efme_dataset_open_fer2013(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options) {
  if (!out || !context || !path) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "path");
  struct efme_reading reading = {.context = context, .what = "rows"};
  efme_image_options image;
  efme_status status = efme_reader_options(&reading.options, &image, options);
  if (status) return status;
  struct efme_store *s;
  int folder = 0;
  status = efme_is_folder(&folder, path);
  if (!status) status = efme_store_create(&s, context, &reading.options);
  if (status) return status;
  status = folder ? open_folders(s, path, &reading) : open_csv(s, path, &reading);
  if (!status) status = efme_store_finish(s, path);
  if (!status) return efme_dataset_from_store(out, s, emotions, 7);
  efme_store_release(s);
  return status;
}
