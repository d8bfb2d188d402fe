/* Inside of a dataset. A store is what one reader made: records and where their pixels come from; it never changes once
 * built (but for hashes and sizes filled in on first use). A dataset is a view: a list of (store, record) with a class
 * each. Views share stores by counting. */
#ifndef EFME_DATA_DATASET_H
#define EFME_DATA_DATASET_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/context.h"
#include "data/strings.h"
#include "efme/dataset.h"
#include "io/image.h"
#include "util/util.h"

/* Strings are "" where unknown, never NULL, and lie in the store. clip is the tail of key. */
struct efme_record {
  const char *key, *dataset, *subject, *clip, *split, *path, *native;
  int32_t onset, apex, offset;
  int32_t label; /* given by the host program; EFME_NO_CLASS: from native */
  uint64_t row;
};

struct efme_store;

/* Where pixels come from. All functions may be called from several threads at once. */
struct efme_source {
  efme_status (*read)(struct efme_store *store, uint64_t record, efme_image **out);
  /* Packed pixels that lie in memory already, or NULL; the function may be NULL. */
  const uint8_t *(*bytes)(const struct efme_store *store, uint64_t record);
  void (*destroy)(struct efme_store *store);
};

struct efme_size {
  uint32_t width, height; /* 0: unknown */
  uint32_t channels;      /* 0: unknown */
};

struct efme_store {
  atomic_uint refs;
  efme_context *context; /* retained */
  const struct efme_allocator *allocator;
  struct efme_strings strings;
  struct efme_record *records;
  size_t count, capacity;
  const char **columns; /* names of further columns (manifest) */
  const char **values;  /* [count][column_count] */
  size_t column_count, value_capacity;
  uint64_t *contents; /* [count] hash of the sample's content reference, for the fingerprint; NULL: of the path below the root */
  const char *root;   /* folder that was opened: paths below it are fingerprinted without it */
  efme_image_options image;
  const struct efme_source *source;
  void *state;              /* the source's */
  struct efme_size size;    /* of every sample; unknown: look at the file */
  _Atomic uint64_t *hashes;  /* [count][2] file, pixels; 0 not yet */
  _Atomic uint8_t *decoders; /* [count] efme_decoder_number of what made the pixels; 0 not yet */
};

/* Distinct names of source datasets in one reader's file; what is listed by source stays short then. */
#define EFME_MAX_DATASETS 1024u

struct efme_item {
  uint32_t store;
  uint32_t record;
};

/* Samples that a label map left out, by native label. */
struct efme_dropped {
  const char *native;
  uint64_t count;
};

struct efme_dataset {
  atomic_uint refs;
  efme_context *context; /* retained */
  const struct efme_allocator *allocator;
  struct efme_store **stores;
  uint32_t store_count;
  uint64_t count;
  struct efme_item *items;
  int32_t *labels;
  struct efme_strings strings; /* class names */
  const char **class_names;
  uint32_t class_count;
  const char **subjects; /* sorted, distinct, without "" */
  uint32_t subject_count;
  struct efme_dropped *dropped; /* of a view that a label map made, for its description; views of it have none */
  size_t dropped_count;
};

static inline struct efme_store *efme_item_store(const efme_dataset *d, uint64_t i) { return d->stores[d->items[i].store]; }
static inline const struct efme_record *efme_item_record(const efme_dataset *d, uint64_t i) {
  return &efme_item_store(d, i)->records[d->items[i].record];
}

/* ---- store.c ---- */
/* The store is given up with efme_store_release, also while it is being filled. */
efme_status efme_store_create(struct efme_store **out, efme_context *context, const efme_dataset_options *options);
struct efme_store *efme_store_retain(struct efme_store *store);
void efme_store_release(struct efme_store *store);
/* Adds a record: dataset, subject (without dataset, "" none) and clip make the key; strings are copied, NULL is "". */
struct efme_row {
  const char *dataset, *subject, *clip, *split, *path, *native;
  int32_t onset, apex, offset, label;
  uint64_t row;
};
#define EFME_ROW_INIT                                                                                                                      \
  { "", "", "", "", "", "", -1, -1, -1, EFME_NO_CLASS, 0 }
efme_status efme_store_add(struct efme_store *store, const struct efme_row *row);
/* Sets content and size references, checks that there are samples and that keys are unique (text names both rows). */
efme_status efme_store_finish(struct efme_store *store, const char *name);

/* ---- dataset.c ---- */
/* Every record of the store. classes: names and count, NULL: the distinct native labels in byte order. Takes over the
 * caller's reference to the store, also on failure. */
efme_status efme_dataset_from_store(efme_dataset **out, struct efme_store *store, const char *const *class_names, uint32_t class_count);
/* A view of `parent` with `count` items at `indices`; labels NULL: the parent's; names NULL: the parent's. */
efme_status efme_dataset_view(efme_dataset **out, const efme_dataset *parent, const uint64_t *indices, uint64_t count,
                              const int32_t *labels, const char *const *class_names, uint32_t class_count);
/* Puts class names in, sorts out subjects: last steps of making a view. */
efme_status efme_dataset_seal(efme_dataset *d, const char *const *class_names, uint32_t class_count);
efme_dataset *efme_dataset_new(efme_context *context, uint64_t count, uint32_t stores);
/* Values of a column: text of one item, or NULL where no store has such a column. */
const char *efme_item_field(const efme_dataset *d, uint64_t index, const char *column);
int efme_dataset_has_column(const efme_dataset *d, const char *column);
/* Index of a class name, EFME_NO_CLASS where there is none. */
int32_t efme_dataset_find_class(const efme_dataset *d, const char *name, size_t n);
/* Width, height, channels of a sample without decoding it; 0 where that cannot be known. */
efme_status efme_item_size(const efme_dataset *d, uint64_t index, struct efme_size *out);
/* Reads a sample and, in passing, notes its hashes and its decoder. */
efme_status efme_item_read(const efme_dataset *d, uint64_t index, efme_image **out);
uint8_t efme_item_decoder(const efme_dataset *d, uint64_t index); /* efme_decoder_number; 0: not read yet */
uint64_t efme_pixel_hash(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels);
void efme_store_note_hash(struct efme_store *store, uint64_t record, int which, uint64_t hash); /* which: 0 file, 1 pixels */
/* What an error calls this sample: its path, or key and row. */
void efme_item_name(const efme_dataset *d, uint64_t index, char name[256]);

/* ---- files.c: samples that are image files ---- */
extern const struct efme_source efme_file_source;
/* Reader options with defaults; image limits resolved into *image. */
efme_status efme_reader_options(efme_dataset_options *out, efme_image_options *image, const efme_dataset_options *options);
/* Files (not folders, no dot files) or folders of `path`, names in byte order: a NULL-terminated list in one block, free with
 * efme_mem_free. */
enum efme_list_kind { EFME_LIST_FILES = 1, EFME_LIST_FOLDERS = 2 };
efme_status efme_list_folder(char ***out, size_t *count, const struct efme_allocator *a, const char *path, enum efme_list_kind kind);
int efme_is_image_name(const char *name);
efme_status efme_is_folder(int *is, const char *path);
/* Counts what a lenient reader leaves out, and reports progress. */
struct efme_reading {
  efme_context *context;
  efme_dataset_options options;
  const char *what; /* "rows", "files" */
  uint64_t done, total, left_out;
};
/* Status of one row or file: EFME_OK where it was good or may be left out (then logged with efme_last_error's text). */
efme_status efme_reading_skip(struct efme_reading *r, efme_status status);
efme_status efme_reading_step(struct efme_reading *r, uint64_t done); /* progress; CANCELLED */
efme_status efme_reading_end(struct efme_reading *r);
/* Adds one image file: EFME_E_IO where it is missing or empty. */
efme_status efme_store_add_file(struct efme_store *store, struct efme_row *row);

/* ---- labels.c ---- */
extern const efme_label_map efme_label_map_fer7, efme_label_map_meg3;

/* ---- csv.c: RFC 4180 records, read piece by piece ---- */
struct efme_csv {
  const struct efme_allocator *allocator;
  const char *path;
  int fd;
  uint8_t *buffer;
  size_t begin, end;
  int ended;
  uint64_t line; /* of the record last read, 1 = first */
  uint64_t next_line;
  char *text; /* the record's fields, NUL after each */
  size_t text_size, text_capacity;
  size_t *fields; /* offsets into text */
  size_t field_count, field_capacity;
  size_t max_record; /* bytes; longer is EFME_E_LIMIT */
};
efme_status efme_csv_open(struct efme_csv *csv, const struct efme_allocator *a, const char *path, size_t max_record);
/* The next record that is not an empty line; *more 0 at the end. */
efme_status efme_csv_next(struct efme_csv *csv, int *more);
static inline const char *efme_csv_field(const struct efme_csv *csv, size_t i) { return csv->text + csv->fields[i]; }
size_t efme_csv_length(const struct efme_csv *csv, size_t i);
void efme_csv_close(struct efme_csv *csv);

#endif
