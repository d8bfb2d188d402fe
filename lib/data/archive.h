/* Synthetic releases: which clips there are (archive_plan.c), what a frame shows (archive_draw.c), tables (archive_tables.c), folders and
 * threads (archive_write.c). Everything follows from seed and options; a smaller release is a part of the whole one. */
#ifndef EFME_DATA_ARCHIVE_H
#define EFME_DATA_ARCHIVE_H

#include "backend/context.h"
#include "data/portrait.h"
#include "efme/synthetic.h"
#include "io/image.h"

enum efme_archive_set { EFME_ARCHIVE_SMIC = 0, EFME_ARCHIVE_CASME2 = 1, EFME_ARCHIVE_SAMM = 2, EFME_ARCHIVE_SETS = 3 };

/* How one set calls an expression. */
struct efme_archive_emotion {
  const char *name;
  enum efme_expression expression;
  uint32_t count;        /* of clips */
  const char *label;     /* class in the composite, "" where it is left out */
  const char *units;     /* action units */
  const char *objective; /* SAMM's objective class */
};

enum efme_archive_quirk { EFME_ARCHIVE_PLAIN = 0, EFME_ARCHIVE_NO_APEX, EFME_ARCHIVE_APEX_IS_ONSET };

struct efme_archive_clip {
  enum efme_archive_set set;
  const struct efme_archive_emotion *emotion;
  enum efme_archive_quirk quirk; /* of its row in the table */
  uint32_t person;               /* 0 .. of the set */
  uint32_t subject;              /* the number that official names have for it */
  uint32_t sample;               /* among the clips of the subject */
  char name[24];
  uint32_t onset, apex, offset; /* numbers of frames */
  uint32_t around;              /* frames ahead of onset and behind offset */
  int digits;                   /* least of a frame's number */
  double intensity;
  uint32_t attempt; /* drawings that were refused */
};

struct efme_archive {
  efme_context *context;
  const struct efme_allocator *allocator;
  efme_synthetic_release_options options;
  const char *folder;
  struct efme_archive_clip *clips; /* by set, subject, sample */
  uint32_t count;
};

/* ---- archive_plan.c ---- */
efme_status efme_archive_plan(struct efme_archive *archive); /* fills clips */
/* "SMIC/HS/s1/micro/negative/s1_ne_51", and with a number "...66/image559740.bmp" below it. */
#define EFME_ARCHIVE_PATH 160
void efme_archive_clip_path(char path[EFME_ARCHIVE_PATH], const struct efme_archive_clip *clip);
void efme_archive_frame_path(char path[EFME_ARCHIVE_PATH], const struct efme_archive_clip *clip, uint32_t number);
void efme_archive_subject(char name[16], const struct efme_archive_clip *clip); /* "s1", "sub01", "006" */

/* ---- archive_draw.c ---- */
void efme_archive_portrait(struct efme_portrait *f, const struct efme_archive *archive, const struct efme_archive_clip *clip,
                           uint32_t number);
/* The frame's file: BMP for SMIC, JPEG for the others. px: scratch of the frame's size. */
efme_status efme_archive_frame(uint8_t **file, size_t *size, struct efme_pixels *px, const struct efme_archive *archive,
                               const struct efme_archive_clip *clip, uint32_t number);
efme_status efme_archive_pixels(struct efme_pixels *px, const struct efme_archive *archive, enum efme_archive_set set);
/* Draws apex frames until they are accepted. */
efme_status efme_archive_accept(struct efme_archive *archive);

/* ---- archive_tables.c ---- */
efme_status efme_archive_tables(const struct efme_archive *archive);

/* ---- archive_write.c ---- */
efme_status efme_archive_write(struct efme_archive *archive); /* after the options were checked */
efme_status efme_archive_progress(const struct efme_archive *archive, const char *what, uint64_t done, uint64_t total); /* CANCELLED */

#endif
