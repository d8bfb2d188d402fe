/* Released archives of micro-expression sets: readers of their folders and annotation tables, the MEGC 2019 composite, and a linter.
 *
 * A release is named by efme_release_name. Annotation tables are read as CSV; efme-xlsx2csv (tools/xlsx) makes one of an official workbook.
 * A sample is a clip, its image the apex frame; keys, subjects and clips are in the organisers' spelling ("smic/s01/s01_ne_01"), native
 * labels as the set spells them. Further columns (efme_dataset_field): "au", "annotated_apex" as in the table, "folder" of the frames, and
 * "warning", "" where nothing is wrong with the clip. docs/releases.md has every layout, column and quirk. */
#ifndef EFME_RELEASE_H
#define EFME_RELEASE_H

#include "efme/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names of the releases: "smic-hs", "smic-e", "casme2", "samm", "casme", "casme-squared", "casme3", "mmew", "4dme". */
EFME_API uint32_t efme_release_count(void);
EFME_API const char *efme_release_name(uint32_t index);

/* Which frame of a clip is its apex. */
typedef enum efme_apex_rule {
  EFME_APEX_DEFAULT = 0,      /* ANNOTATED, or MIDDLE_FRAME for a release that annotates none (SMIC) */
  EFME_APEX_ANNOTATED = 1,    /* of the table; where a row has none: MIDDLE_FRAME, with a warning */
  EFME_APEX_MIDDLE_FRAME = 2, /* frames[n / 2] of the n frames that are there from onset to offset, in order of number (Eq. 1) */
  EFME_APEX_COLUMN = 3,       /* column apex_column of the table, as ANNOTATED */
  EFME_APEX_DIFFERENCE = 4    /* of onset..offset, the frame with the largest mean absolute difference from the onset frame (the first such);
                                 decodes them all */
} efme_apex_rule;

typedef struct efme_release_options {
  size_t struct_size;
  const char *name;        /* of the release; needed */
  const char *root;        /* folder of the unpacked archive; needed */
  const char *table;       /* annotation table, CSV; NULL: looked for in root under its official names. SMIC-HS has none */
  const char *layout;      /* "raw", "selected", "cropped": which of the release's trees; NULL: the first that is there */
  const char *apex_column; /* for COLUMN, as the table's header has it; else NULL */
  uint32_t apex;           /* efme_apex_rule */
  uint32_t outside_middle; /* a table's apex that lies outside onset..offset: 0 that frame, 1 MIDDLE_FRAME; a warning both times */
} efme_release_options;

#define EFME_RELEASE_OPTIONS_INIT { sizeof(efme_release_options), NULL, NULL, NULL, NULL, NULL, 0, 0 }

/* Classes: the native labels in byte order. options may be NULL; lenient leaves a bad row or a clip without frames out. Errors: NOT_FOUND (no
 * such release); IO; FORMAT: a folder that is looked for and is not there, a header that is not found, an empty table, a row twice or of
 * two versions of the table, a label that is unknown, a clip without its frames; UNSUPPORTED (a workbook where a CSV is needed); LIMIT;
 * CANCELLED. */
EFME_API efme_status efme_dataset_open_release(efme_dataset **out, efme_context *context, const efme_release_options *release,
                                               const efme_dataset_options *options);

typedef struct efme_megc2019_options {
  size_t struct_size;
  const char *truth;      /* the organisers' CSV: its clips and labels in place of the rules, for codings without a rule; or NULL */
  const efme_dataset_options *dataset; /* NULL: defaults */
  uint32_t partial;       /* 0: other clips than the organisers' are an error; 1: what is there, differences are logged as warnings */
  uint32_t reserved;      /* 0 */
} efme_megc2019_options;

#define EFME_MEGC2019_OPTIONS_INIT { sizeof(efme_megc2019_options), NULL, NULL, 0, 0 }

/* The composite of MEGC 2019 (See et al., FG 2019): 442 clips of 68 subjects, 250 negative, 109 positive, 83 surprise. By rules: all of
 * SMIC-HS; of CASME II disgust, repression, happiness and surprise whose apex is a number behind the onset, without the three clips of sub24
 * that the coding of 2019 calls surprise; of SAMM all but Other. The three releases must be "smic-hs", "casme2" and "samm". Errors: those
 * of efme_dataset_open_release; MISMATCH, saying what differs, where counts (by rules) or clips (of truth) are not the organisers'. */
EFME_API efme_status efme_dataset_open_megc2019(efme_dataset **out, efme_context *context, const efme_release_options *smic,
                                                const efme_release_options *casme2, const efme_release_options *samm,
                                                const efme_megc2019_options *options);
/* The organisers' ground truth (db,subject,clip,label; no header; 0 negative, 1 positive, 2 surprise; empty rows count for nothing) as a
 * dataset without images: reading a sample answers UNSUPPORTED. Errors: IO, FORMAT naming line and field, LIMIT, CANCELLED. */
EFME_API efme_status efme_dataset_open_megc2019_truth(efme_dataset **out, efme_context *context, const char *path,
                                                      const efme_dataset_options *options);

/* Samples of one that the other lacks and labels (class names) that differ, by key: how two codings of a set, or a composite and the
 * organisers' list are compared. A line each, or JSON (json not 0), released with efme_string_free; text may be NULL. */
EFME_API efme_status efme_dataset_compare(const efme_dataset *dataset, const efme_dataset *other, int json, uint64_t *differences,
                                          char **text);

/* ---- linter: reports what is wrong with releases, and repairs nothing ---- */
typedef struct efme_lint efme_lint;

typedef enum efme_severity {
  EFME_SEVERITY_NOTE = 1,    /* worth knowing: a known defect of the release, subjects that only their dataset tells apart */
  EFME_SEVERITY_WARNING = 2, /* the clip can be read, but something does not fit */
  EFME_SEVERITY_ERROR = 3    /* the clip, or the release, cannot be read */
} efme_severity;

/* Strings live as long as the efme_lint, "" where they do not apply. */
typedef struct efme_finding {
  size_t struct_size;
  const char *code;    /* "apex-outside", "frames-missing", ...: docs/releases.md lists them */
  const char *dataset, *subject, *clip; /* canonical: "casme2", "casme2/sub05", "EP09_05f" */
  const char *message; /* one sentence, with file or folder */
  uint64_t row;        /* of the table, 1 = first after the header; 0 where there is none */
  uint32_t severity;   /* efme_severity */
  uint32_t reserved;   /* 0 */
} efme_finding;

#define EFME_FINDING_INIT { sizeof(efme_finding), NULL, NULL, NULL, NULL, NULL, 0, 0, 0 }

/* Looks at count (>= 1) releases, in order, all frames included: sizes from headers, and bytes that two subjects share. releases[i] may be
 * of one set. options: progress ("files") and limits; may be NULL; lenient is not taken (nothing stops at a bad row). A release that
 * cannot be read at all is a finding. Errors: NOT_FOUND (no such release), IO where a file system fails, CANCELLED. */
EFME_API efme_status efme_lint_run(efme_lint **out, efme_context *context, const efme_release_options *const *releases, uint32_t count,
                                   const efme_dataset_options *options);
EFME_API efme_lint *efme_lint_retain(efme_lint *lint);
EFME_API void efme_lint_release(efme_lint *lint);
/* Findings of at least this severity. */
EFME_API uint64_t efme_lint_count(const efme_lint *lint, efme_severity least);
EFME_API efme_status efme_lint_finding(const efme_lint *lint, uint64_t index, efme_finding *out);
/* All findings, a line each and a last line with their number, or JSON (json not 0). Release with efme_string_free. */
EFME_API efme_status efme_lint_text(const efme_lint *lint, int json, char **out);

#ifdef __cplusplus
}
#endif
#endif
