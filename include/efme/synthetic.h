/* Synthetic releases: SMIC-HS, CASME II and SAMM with drawn faces in the place of people, for those who have no licence for the real ones.
 * Folders, file names and annotation tables are the official ones; docs/data.md has them. */
#ifndef EFME_SYNTHETIC_H
#define EFME_SYNTHETIC_H

#include "efme/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a clip may have this face: image is its apex frame, decoded from what will be written. OK: it may. NOT_FOUND: it is drawn again, in
 * another pose and light; so a detector's answer may be handed on. Any other status stops the work and is what it answers. Called on the
 * thread that called write, clip by clip, before anything is written. */
typedef efme_status (*efme_accept_fn)(const efme_image *image, void *user);

typedef struct efme_synthetic_release_options {
  size_t struct_size;
  uint64_t seed;             /* of faces, clips, names and numbers: the same seed and options give the same bytes, whatever the threads */
  uint32_t width, height;    /* of a frame, 48..1024 */
  uint32_t frames_min, frames_max; /* 4..200: frames from onset to offset, drawn for each clip */
  float intensity_min, intensity_max; /* of the expression at the apex, drawn for each clip, within [0, 1] */
  uint32_t quality;          /* of JPEG, 1..100 */
  uint32_t subjects;         /* of each set its first N; 0: all 16, 24 and 28 */
  uint32_t clips;            /* of each subject its first N; 0: all */
  uint32_t attempts;         /* 1..1000 drawings of a clip, where accept refuses them */
  efme_accept_fn accept;     /* NULL: every face is accepted */
  void *accept_user;
  efme_progress_fn progress; /* "faces" while they are accepted, then "clips"; may cancel */
  void *progress_user;
} efme_synthetic_release_options;

#define EFME_SYNTHETIC_RELEASE_OPTIONS_INIT \
  { sizeof(efme_synthetic_release_options), 1, 160, 120, 8, 14, 0.1f, 0.35f, 90, 0, 0, 100, NULL, NULL, NULL, NULL }

/* Writes SMIC/, CASME2/ and SAMM/ into folder, which is made or must be empty: 442 clips that count in the composite of MEGC 2019, with its
 * classes, and of CASME II and SAMM some that do not. truth.csv beside them has label, box and eyes of every apex frame. It and the tables
 * come last; after a failure the folder holds what was written so far. options may be NULL. Errors: IO; STATE (folder is not empty);
 * NOT_FOUND, naming the clip that accept refused every time; LIMIT; CANCELLED; those of accept. */
EFME_API efme_status efme_synthetic_release_write(efme_context *context, const char *folder, const efme_synthetic_release_options *options);

#ifdef __cplusplus
}
#endif
#endif
