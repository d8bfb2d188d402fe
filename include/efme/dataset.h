/* Datasets: labelled images with subjects, and views of them.
 *
 * A dataset never changes: every view (labels mapped, filtered, balanced, split) is a new handle that shares the storage of its parent
 * and keeps it alive. Datasets may be used from any threads at once. Every one has at least one sample. Strings of a dataset live as
 * long as it does. A sample keeps its native label; a label map makes the classes of a view. Subjects are canonical keys
 * `dataset/subject` ("casme2/sub01", "samm/006", "ckplus/S005"), compared whole. Samples are kept in the reader's order (folders: byte
 * order of the names) and have a canonical key `dataset/subject/clip` each, unique in a dataset; rows of FER2013, which have no names,
 * are keyed by a hash of what they hold. Keys and fingerprint do not depend on the order of rows, nor does what is drawn by seed, but
 * for samples without a subject (FER2013), which are drawn by their position in the view. */
#ifndef EFME_DATASET_H
#define EFME_DATASET_H

#include "efme/context.h"
#include "efme/image.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_dataset efme_dataset;

#define EFME_MAX_CLASSES 1024 /* of a dataset, a model, a result */
#define EFME_NO_CLASS (-1)    /* the label of a sample whose native label names no class: host programs may describe such */

/* One sample; strings are "" where unknown. */
typedef struct efme_sample {
  size_t struct_size;
  const char *key;     /* canonical: dataset/subject/clip, unique in the dataset */
  const char *dataset; /* "fer2013", "ckplus", "casme2", ... */
  const char *subject; /* canonical key, "" where the set has no subjects (FER2013) */
  const char *clip;
  const char *split;   /* "Training", "PublicTest", ... or "" */
  const char *path;    /* "" where the pixels lie in a table or memory */
  const char *native_label; /* as the set spells it: "happy", "Repression", "6" */
  int32_t label;       /* class of this view, 0 .. class_count-1, or EFME_NO_CLASS */
  int32_t onset, apex, offset; /* frame numbers, -1 where unknown */
  uint64_t row;        /* row of the table (1 = first after the header) or running number (host programs' datasets: index) */
  uint64_t file_hash;  /* XXH64 of the encoded file, 0 where there is none or until it is read */
  uint64_t pixel_hash; /* XXH64 of decoded size and pixels, the same for grey stored in three equal channels; 0 until they are read */
} efme_sample;

#define EFME_SAMPLE_INIT { sizeof(efme_sample), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0 }

typedef struct efme_dataset_options {
  size_t struct_size;
  efme_progress_fn progress;  /* "rows" or "files", total 0 until it is known; may cancel */
  void *progress_user;
  const efme_image_options *image; /* limits for decoding, NULL: defaults */
  uint32_t lenient;           /* 0: the first bad row or file is an error; 1: it is logged, counted and left out */
  uint32_t reserved;          /* 0 */
} efme_dataset_options;

#define EFME_DATASET_OPTIONS_INIT { sizeof(efme_dataset_options), NULL, NULL, NULL, 0, 0 }

/* ---- readers. path is a file or folder; options may be NULL. Errors: IO, FORMAT (naming file, row and field), LIMIT, CANCELLED. Images of
 * a folder or manifest are not decoded before they are needed ---- */

/* FER2013: the official fer2013.csv (emotion,pixels,Usage, in any order), the competition's train.csv (emotion,pixels) or the folder
 * form (train|test/<emotion>/). Native labels "angry" .. "neutral"; classes are fer7 at once. Pixels stay as bytes. */
EFME_API efme_status efme_dataset_open_fer2013(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options);
/* CK+48: seven folders of 48 x 48 PNG, subject = file name up to the first underscore. Classes: the folders, in alphabetical order. */
EFME_API efme_status efme_dataset_open_ck48(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options);
/* The original CK+ tree (cohn-kanade-images/ and Emotion/): peak frame of each labelled sequence, subject = folder. */
EFME_API efme_status efme_dataset_open_ckplus(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options);
/* A manifest CSV with a header: path, label, subject, dataset; optional clip, split, onset, apex, offset; other columns are kept and may
 * be filtered by. Quoted fields and CRLF are taken; relative paths start at the manifest's folder. Classes: the labels in alphabetical
 * order. */
EFME_API efme_status efme_dataset_open_manifest(efme_dataset **out, efme_context *context, const char *path, const efme_dataset_options *options);

/* Seeded parametric faces, labelled negative, positive, surprise: made on the fly, the same on every machine. Subjects are
 * "synthetic/SEED-NUMBER": sets of one seed share those of their subjects whose numbers both have, at whatever intensity. */
typedef struct efme_synthetic_options {
  size_t struct_size;
  uint64_t seed;              /* of identities and pictures */
  uint32_t subjects;          /* 1..10000 identities */
  uint32_t samples_per_subject; /* 1..10000; classes are dealt evenly, a few subjects miss one */
  uint32_t size;              /* side in pixels, 32..1024 */
  float intensity_min;        /* expression strength, uniform in [min, max] within [0, 1]; macro .6 to 1, micro .1 to .3 */
  float intensity_max;
  uint32_t first_subject;     /* number of the first identity: ranges that do not meet share no subject */
  uint32_t channels;          /* 1 or 3 */
  uint32_t reserved;          /* 0 */
} efme_synthetic_options;

#define EFME_SYNTHETIC_OPTIONS_INIT { sizeof(efme_synthetic_options), 1, 24, 24, 48, 0.6f, 1.0f, 0, 3, 0 }

EFME_API efme_status efme_dataset_open_synthetic(efme_dataset **out, efme_context *context, const efme_synthetic_options *options);
/* Where the face of a synthetic sample is, in pixels: box x, y, width, height and the eye centres x, y (image left eye first). Errors:
 * UNSUPPORTED where the sample is not synthetic. */
EFME_API efme_status efme_dataset_synthetic_truth(const efme_dataset *dataset, uint64_t index, float box[4], float eyes[4]);

/* A dataset of the host program. `describe` is called once for each index at creation, in order, on the calling thread; it fills
 * *sample, which comes empty (strings are copied after it returns; row and hashes are not taken). `read` may be called later from any
 * thread, also at the same time for different indices, and makes the image with efme_image_from_pixels or efme_image_decode. Any status
 * but EFME_OK stops the work and is what the call that needed the sample answers. sample->subject may be the canonical key or the name
 * below its dataset; dataset NULL or "": "host"; clip NULL or "": the index; label EFME_NO_CLASS: the class of native_label's name.
 * Names of SMIC, CASME II, SAMM and their subjects are brought into one spelling ("s1" of "SMIC": "smic/s01"), as a manifest's are. */
typedef struct efme_dataset_callbacks {
  size_t struct_size;
  uint64_t count; /* >= 1 */
  efme_status (*describe)(efme_sample *sample, uint64_t index, void *user);
  efme_status (*read)(efme_image **out, efme_context *context, uint64_t index, void *user); /* the caller of read owns *out */
  void (*destroy)(void *user); /* when the last view is gone, not where creation fails; may be NULL */
  void *user;
  const char *const *class_names; /* meaning of sample->label; NULL: from native_label, which is needed then, in byte order */
  uint32_t class_count; /* 1..1024; 0 where class_names is NULL */
  uint32_t reserved;    /* 0 */
} efme_dataset_callbacks;

/* Errors: those of describe; FORMAT (two samples of one key, a `/` in the name of a dataset or subject); LIMIT. */
EFME_API efme_status efme_dataset_create(efme_dataset **out, efme_context *context, const efme_dataset_callbacks *callbacks);

EFME_API efme_dataset *efme_dataset_retain(efme_dataset *dataset);
EFME_API void efme_dataset_release(efme_dataset *dataset);

/* ---- questions ---- */
EFME_API uint64_t efme_dataset_count(const efme_dataset *dataset);
EFME_API uint32_t efme_dataset_class_count(const efme_dataset *dataset);
EFME_API const char *efme_dataset_class_name(const efme_dataset *dataset, uint32_t index);
/* Samples of each class: class_count numbers, for which there is room for capacity. */
EFME_API efme_status efme_dataset_class_counts(const efme_dataset *dataset, uint64_t *counts, uint32_t capacity);
EFME_API uint32_t efme_dataset_subject_count(const efme_dataset *dataset);
/* Canonical keys in byte order. */
EFME_API const char *efme_dataset_subject(const efme_dataset *dataset, uint32_t index);
EFME_API efme_status efme_dataset_sample(const efme_dataset *dataset, uint64_t index, efme_sample *out);
/* A column by name ("key", "path", those of efme_dataset_filter): "" where empty. Errors: NOT_FOUND. */
EFME_API efme_status efme_dataset_field(const efme_dataset *dataset, uint64_t index, const char *column, const char **out);
/* Decodes one sample at its own size. Errors, naming file or row: those of efme_image_load or of the program's read; MISMATCH where the
 * pixels are not those that were read before. */
EFME_API efme_status efme_dataset_read(const efme_dataset *dataset, uint64_t index, efme_image **out);
/* Fingerprint (XXH64) of keys, labels, classes and content references, independent of row order and of where the folder lies. */
EFME_API uint64_t efme_dataset_fingerprint(const efme_dataset *dataset);
/* Samples, subjects, annotated frames and classes of each source, and native labels by class (of what a label map just made, those that it
 * dropped too): the paper's Tables 1 and 2, as text or (json not 0) as JSON. Release with efme_string_free. */
EFME_API efme_status efme_dataset_describe(const efme_dataset *dataset, int json, char **out);

/* ---- views ---- */
/* Native label -> class name, or drop. native "*" catches what no other entry names; class_name NULL drops. */
typedef struct efme_label_rule { const char *native; const char *class_name; } efme_label_rule;
typedef struct efme_label_map {
  size_t struct_size;
  const char *const *class_names; /* the classes and their order: distinct, not empty */
  uint32_t class_count, rule_count; /* 1..1024 classes */
  const efme_label_rule *rules;
} efme_label_map;

/* "meg3": negative, positive, surprise, from the labels of FER2013, CK+, SMIC, CASME II and SAMM (neutral and others dropped); "fer7".
 * Static; NULL, with a text, for other names. */
EFME_API const efme_label_map *efme_label_map_builtin(const char *name);
/* Errors: MISMATCH for a native label that no rule names, with its name, or where every sample is dropped; LIMIT. */
EFME_API efme_status efme_dataset_map_labels(efme_dataset **out, const efme_dataset *dataset, const efme_label_map *map);
/* Samples whose column equals value ("split", "dataset", "subject", "label" = class name, "native_label", "clip" or a manifest's
 * column); invert keeps the others. Errors: NOT_FOUND where there is no such column or nothing is left. */
EFME_API efme_status efme_dataset_filter(efme_dataset **out, const efme_dataset *dataset, const char *column, const char *value, int invert);
/* per_class samples of each class (0: as many as the smallest has), those with the smallest philox(seed, BALANCE, 0, low, high), in the
 * parent's order: low and high are the halves of the XXH64 of the sample's key, or its position and 0 where it has no subject; philox is
 * Philox4x32-10 (Salmon et al., 2011; docs/data.md). Errors: MISMATCH where a class has too few. */
EFME_API efme_status efme_dataset_balance(efme_dataset **out, const efme_dataset *dataset, uint64_t per_class, uint64_t seed);
/* second gets floor(ratio * n) of each class, those with the smallest philox(seed, SPLIT, 0, low, high), as above; first the rest. Both
 * or neither are set. ratio in (0, 1). Errors: MISMATCH where second would be empty. */
EFME_API efme_status efme_dataset_split(efme_dataset **first, efme_dataset **second, const efme_dataset *dataset, double ratio, uint64_t seed);
/* The same ratio, but whole subjects move to second, in the order of philox(seed, SPLIT, 0, index of the subject in byte order, 1),
 * until it has at least ratio of the samples and every class that more than one subject has; no subject is in both. A subject stays
 * where first would lose a class by it. Errors: MISMATCH where there are fewer than two subjects or samples without subject, or nothing
 * can move. */
EFME_API efme_status efme_dataset_split_subjects(efme_dataset **first, efme_dataset **second, const efme_dataset *dataset, double ratio, uint64_t seed);
/* The samples whose pixels no sample of other has: how images that stand in both Training and a test split (FER2013 has hundreds) are
 * taken out of training. Decodes what is not in memory, in both, once. Errors: those of reading; NOT_FOUND where nothing is left. */
EFME_API efme_status efme_dataset_without(efme_dataset **out, const efme_dataset *dataset, const efme_dataset *other);
/* The count (>= 1) samples at indices, in that order; an index may not repeat. */
EFME_API efme_status efme_dataset_subset(efme_dataset **out, const efme_dataset *dataset, const uint64_t *indices, uint64_t count);
/* Count (>= 1) datasets one after the other. Errors: MISMATCH where their classes differ or two have samples of one key; LIMIT. */
EFME_API efme_status efme_dataset_concat(efme_dataset **out, const efme_dataset *const *datasets, uint32_t count);

/* Releases text that the library returned through a char **, with the allocator that it came from. Any thread. */
EFME_API void efme_string_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
