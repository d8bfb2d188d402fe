/* Preparation from the inside: the decision on each sample, and the four kinds of files in the folder. */
#ifndef EFME_PREPARE_PREPARE_H
#define EFME_PREPARE_PREPARE_H

#include "data/dataset.h"
#include "efme/prepare.h"
#include "util/util.h"

/* What was decided on a sample. Strings are owned, NULL where there is none. */
struct efme_decision {
  int known;            /* it was looked at, now or in an earlier call */
  int kept;             /* ... in an earlier call */
  uint64_t source_hash; /* XXH64 of the file's bytes; of the pixels where there is no file */
  uint32_t faces;       /* found */
  uint32_t point_count;
  float box[4], points[10], score; /* score: of a detected face, else 0 */
  double angle, scale, outside;
  char *face;         /* below the folder: "faces/NAME.png" */
  uint64_t face_hash; /* of the file's bytes */
  char *warning, *error;
};

struct efme_preparation {
  const efme_dataset *dataset;
  const struct efme_allocator *allocator;
  const char *folder;
  efme_prepare_options options;
  efme_align_options align;
  char *settings;                  /* one line; decisions made with another are made anew */
  struct efme_decision *decisions; /* [dataset->count] */
};

void efme_decision_clear(struct efme_decision *d, const struct efme_allocator *a);

/* ---- decide.c ---- */
/* Looks at sample i with this detector (NULL: none is needed) and writes its face. A lenient call's failures end up in the decision. On
 * failure *out is empty. Several threads at once. */
efme_status efme_prepare_decide(const struct efme_preparation *p, uint64_t i, struct efme_decision *out, efme_face_detector *detector);

/* ---- decisions.c ---- */
efme_status efme_decisions_read(struct efme_preparation *p); /* of an earlier call, as far as they still hold; no file: none */
efme_status efme_decisions_write(const struct efme_preparation *p);
/* Takes the text and writes it to name in the folder. */
efme_status efme_prepare_put(const struct efme_preparation *p, const char *name, struct efme_text *text);

/* ---- run.c ---- */
efme_status efme_prepare_run(struct efme_preparation *p);

/* ---- manifest.c, sheet.c ---- */
/* The name of sample i's class, its native label where it has none. */
static inline const char *efme_prepare_label(const struct efme_preparation *p, uint64_t i) {
  int32_t label = p->dataset->labels[i];
  return label >= 0 ? p->dataset->class_names[label] : efme_item_record(p->dataset, i)->native;
}
efme_status efme_prepare_manifest(const struct efme_preparation *p);
efme_status efme_prepare_sheet(const struct efme_preparation *p);

#endif
