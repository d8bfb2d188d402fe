/* Preparation: photos or apex frames become aligned faces in a folder, with a manifest that datasets are opened from, and the reason of
 * every decision. */
#ifndef EFME_PREPARE_H
#define EFME_PREPARE_H

#include "efme/align.h"
#include "efme/dataset.h"
#include "efme/face.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The host's own word on where a face is: box x, y, width, height and *point_count (0, 2 or 5) points as efme_face_align takes them, all in
 * pixels of image. NOT_FOUND: there is none; any other failure ends the work. Called by several threads at once, for different samples. */
typedef efme_status (*efme_locate_fn)(const efme_sample *sample, const efme_image *image, float box[4], float points[10],
                                      uint32_t *point_count, void *user);

typedef struct efme_prepare_options {
  size_t struct_size;
  efme_face_detector *const *detectors; /* detector_count of them, of the same weights and options: so many samples are worked on at once.
                                           The largest face is taken. NULL with locate or whole */
  efme_locate_fn locate;                /* asked in their place; or NULL */
  void *locate_user;
  const efme_align_options *align; /* NULL: defaults */
  efme_progress_fn progress;       /* "faces"; may cancel. What is done stays done */
  void *progress_user;
  uint32_t detector_count; /* 1..64, 0 with locate or whole */
  uint32_t workers;        /* 0..64 samples at a time with locate or whole; 0: as many as the context has threads */
  uint32_t whole;          /* 1: the whole image is the face, and resized; nothing is looked for */
  uint32_t lenient;        /* 0: a sample that cannot be read or has no face is an error that names its file; 1: it is left out, and its
                              decision says why */
} efme_prepare_options;

#define EFME_PREPARE_OPTIONS_INIT                                                                                                          \
  { sizeof(efme_prepare_options), NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0 }

typedef struct efme_prepared {
  size_t struct_size;
  uint64_t made;     /* faces cut in this call */
  uint64_t kept;     /* faces of an earlier call that still hold: same source bytes, same settings, same face file */
  uint64_t left_out; /* the others: without a face, or unreadable (lenient) */
  uint64_t warned;   /* samples with a warning */
} efme_prepared;

#define EFME_PREPARED_INIT                                                                                                                 \
  { sizeof(efme_prepared), 0, 0, 0, 0 }

/* Writes into folder, which is made where it is not there:
 *   faces/NAME.png   a face each, in the source's channels
 *   manifest.csv     path, label (class, or native label where it has none), subject, dataset, clip, split, onset, apex, offset,
 * native_label, source, warning: for efme_dataset_open_manifest decisions.json   for every sample: source file and hash, what was found,
 * box, points, score, angle, scale, share beyond the image, face file and hash, warning or error faces.html       a page with all faces by
 * dataset and subject, those with warnings marked, for a person to look through decisions.json is renewed every few seconds, all files
 * atomically: a call that was cancelled or killed goes on where it was, and a call on what is there does only what has changed. The files
 * are the same for any number of workers. what may be NULL; on failure it is untouched. Errors: NOT_FOUND (no face), IO, FORMAT naming the
 * file; those of align, of the detector and of locate; CANCELLED. */
EFME_API efme_status efme_prepare(const efme_dataset *dataset, const char *folder, const efme_prepare_options *options,
                                  efme_prepared *what);

#ifdef __cplusplus
}
#endif
#endif
