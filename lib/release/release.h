/* Inside of the readers of releases. A form is one row of the table of releases; a scan is one look at an unpacked archive: the rows of its
 * annotation table, the folders of clips that are there, and what is wrong. Reader, composite and linter differ in what they do with it. */
#ifndef EFME_RELEASE_RELEASE_H
#define EFME_RELEASE_RELEASE_H

#include "data/dataset.h"
#include "data/keys.h"
#include "efme/release.h"

/* ---- forms.c ---- */
#define EFME_FORM_TREES 8u

enum efme_form_flag {
  EFME_FORM_NO_TABLE = 1,   /* clips, labels and intervals come from the folders */
  EFME_FORM_NO_APEX = 2,    /* nothing is annotated: Eq. 1 */
  EFME_FORM_NO_HEADER = 4,  /* the table has none: columns are in the order of `columns` */
  EFME_FORM_CLIP_ONSET = 8, /* a subject has several rows of one clip: "CLIP_ONSET" is the key */
  EFME_FORM_NAME_LABEL = 16 /* clips are called SUBJECT_ne|po|sur_NUMBER */
};

/* One way in which the archive may lie there: `pattern` below `folder` below the root. Of pattern, S is a subject's folder, L a label's, C
 * a clip's; the rest are names. */
struct efme_form_tree {
  const char *layout, *folder, *pattern;
};

struct efme_form {
  const char *name;
  struct efme_key_form key; /* its dataset is the samples' */
  const char *tables[6];    /* official names, without ending; ends with NULL */
  const char *labels;       /* the known ones, "|" between, compared without case; NULL: any */
  const char *columns;      /* NO_HEADER's */
  uint32_t flags;
  struct efme_form_tree trees[EFME_FORM_TREES];
};

const struct efme_form *efme_form_find(const char *name);
/* Whether text is one of the words "a|b|c", case aside. */
int efme_word_of(const char *words, const char *text);

/* ---- a scan ---- */
#define EFME_NO_CLIP SIZE_MAX

struct efme_issue {
  uint32_t severity;
  efme_status status; /* what a reader answers, where severity is ERROR */
  const char *code, *message;
  size_t clip; /* EFME_NO_CLIP: of the whole release */
};

struct efme_clip {
  const char *subject, *clip;         /* canonical, without dataset */
  const char *name;                   /* as the table or folder spells the clip */
  const char *label, *au, *apex_text; /* as in the table */
  int32_t onset, apex, offset;        /* apex: annotated, -1 where that is no number */
  uint64_t line, row;
  const char *folder, *folder_label; /* NULL: not found */
  const char *file;                  /* the apex frame's path */
  int32_t frame;                     /* the apex frame's number */
};

/* A clip's folder that is there. */
struct efme_clip_folder {
  const char *subject; /* canonical; "" where the tree has no subjects */
  const char *clip, *label, *path;
  int used;
};

struct efme_scan {
  efme_context *context;
  const struct efme_allocator *allocator;
  const struct efme_form *form;
  efme_release_options options;
  efme_image_options image;
  struct efme_strings strings;
  const char *table; /* path, NULL: none */
  const char *place; /* folder that the tree's pattern starts in */
  const struct efme_form_tree *tree;
  struct efme_clip *clips;
  size_t count, capacity;
  struct efme_clip_folder *folders;
  size_t folder_count, folder_capacity;
  struct efme_issue *issues;
  size_t issue_count, issue_capacity;
  int later_coding; /* CASME II: the table is of the coding that calls three clips of sub24 surprise */
};

/* Checks the options and fills *scan; efme_scan_free frees it, also after a failure. */
efme_status efme_scan_begin(struct efme_scan *scan, efme_context *context, const efme_release_options *release,
                            const efme_image_options *image);
void efme_scan_free(struct efme_scan *scan);
/* Table and tree. What stops a reader is an issue, and EFME_OK all the same; only what stops a linter too is a status. */
efme_status efme_scan_read(struct efme_scan *scan);
/* Clip i: finds its frames, notes what is wrong, chooses the apex (file NULL where that cannot be). */
efme_status efme_scan_clip(struct efme_scan *scan, size_t clip);
/* message is the table's line or the clip's folder and the text; of EFME_NO_CLIP the text alone. */
efme_status efme_scan_issue(struct efme_scan *scan, uint32_t severity, efme_status status, const char *code, size_t clip,
                            const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The first ERROR of a clip (EFME_NO_CLIP: of the release) from number `from` on, or NULL. */
const struct efme_issue *efme_scan_error(const struct efme_scan *scan, size_t clip, size_t from);
/* status, where it is of memory or the like; else the present error text becomes an ERROR, and EFME_OK. */
efme_status efme_scan_catch(struct efme_scan *scan, efme_status status, const char *code, size_t clip);

/* ---- table.c ---- */
efme_status efme_scan_table(struct efme_scan *scan);
/* One of the three clips of CASME II that its coding of 2019 calls surprise, that of 2014 sadness. */
int efme_clip_relabelled(const struct efme_clip *clip);
efme_status efme_scan_add(struct efme_scan *scan, const struct efme_clip *clip);
const char *efme_scan_intern(struct efme_scan *scan, const char *text);
/* Canonical spellings; NULL: no memory. A subject that is no number of the form stays as it is. */
const char *efme_scan_subject(struct efme_scan *scan, const char *text);
const char *efme_scan_clip_name(struct efme_scan *scan, const char *text);
/* "s1_ne_01" to "s01_ne_01", where clips begin with their subject; text itself else. At most 383 bytes. */
const char *efme_release_clip_name(char out[384], const struct efme_key_form *form, const char *text);

/* ---- tree.c ---- */
efme_status efme_scan_tree(struct efme_scan *scan);
/* A path of the tree as its pattern would have it, for messages. */
efme_status efme_scan_expected(struct efme_scan *scan, const struct efme_clip *clip, const char **path);

struct efme_frame {
  int32_t number;
  const char *name; /* in names */
};
struct efme_frames {
  struct efme_frame *items; /* by number, then name */
  size_t count;
  char **names;
};
/* Image files of a folder by the last number in their names; files without a number are left out. */
efme_status efme_frames_list(struct efme_frames *out, const struct efme_allocator *a, const char *folder);
void efme_frames_free(struct efme_frames *f, const struct efme_allocator *a);
/* The frame of a number, or NULL. */
const struct efme_frame *efme_frames_find(const struct efme_frames *f, int32_t number);
/* First and one past the last of those in onset..offset. */
void efme_frames_range(const struct efme_frames *f, int32_t onset, int32_t offset, size_t *first, size_t *end);

/* ---- apex.c ---- */
/* Sets clip->frame and ->file, or notes why not. */
efme_status efme_scan_apex(struct efme_scan *scan, size_t clip, const struct efme_frames *frames);

/* ---- defects.c ---- */
/* Notes the defects that are known of this release, where it has them. */
efme_status efme_scan_defects(struct efme_scan *scan);

/* ---- reader.c ---- */
/* Which clips are taken; NULL: all. */
typedef int (*efme_keep_fn)(const struct efme_scan *scan, const struct efme_clip *clip, void *user);
efme_status efme_release_open(efme_dataset **out, efme_context *context, const efme_release_options *release,
                              const efme_dataset_options *options, efme_keep_fn keep, void *user);

#endif
