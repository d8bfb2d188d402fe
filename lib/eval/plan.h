/* A fold plan: which samples train, validate and test in each fold. Constant once made.
 *
 * Everything is worked out over the samples in the order of their canonical keys, and every draw hangs on seed, fold name
 * and subject (or sample) key, so that the order of a file's rows changes nothing. Subjects that share an image (by file
 * or by pixels) count as one unit wherever the plan may choose: they are dealt to one fold and validate together. Where
 * the caller's plan puts them into different folds it is refused. */
#ifndef EFME_EVAL_PLAN_H
#define EFME_EVAL_PLAN_H

#include <stdatomic.h>

#include "data/strings.h"
#include "efme/evaluator.h"

struct efme_fold {
  const char *name;
  uint64_t *indices;  /* into the dataset: training, then validation, then test; each in the order of the keys */
  uint64_t counts[3]; /* by efme_fold_part */
  const char *lacks;  /* names of the classes that validation lacks, "a, b"; NULL: none, or no validation wanted */
};

/* Two samples with equal content. */
struct efme_duplicate {
  uint64_t a, b;
  int by_pixels; /* 0: the files are equal, 1: only the pixels */
};

struct efme_fold_plan {
  atomic_uint references;
  efme_dataset *dataset; /* retained */
  const struct efme_allocator *allocator;
  struct efme_strings strings;
  const char *kind; /* "leave-one-subject-out", ... */
  efme_fold_options options;
  struct efme_fold *folds;
  uint32_t count;
  uint64_t fingerprint; /* of kind, options, names and the keys of every part */
  uint64_t samples;
  const char **keys; /* [samples] by dataset index, as are those below but order */
  int32_t *labels;
  uint64_t *order;   /* [samples] dataset indices in the order of the keys */
  uint32_t *fold_of; /* the fold that tests it */
  uint32_t *subject; /* number of its subject in the dataset's list */
  uint32_t *group;   /* equal for samples with equal content */
  uint32_t *unit;    /* [subjects] the first of the subjects that share content with it */
  uint64_t *members; /* [samples] dataset indices by unit, */
  uint64_t *first;   /* [subjects + 1] where those of unit u begin */
  uint32_t subjects;
  uint64_t within;              /* samples that repeat another one of the same subject */
  uint64_t across;              /* samples that repeat one of another subject (of the same fold) */
  struct efme_duplicate *pairs; /* the latter */
  size_t pair_count, pair_capacity;
};

enum efme_plan_kind { EFME_PLAN_LOSO, EFME_PLAN_GROUPED, EFME_PLAN_DATASETS, EFME_PLAN_CUSTOM };

/* fold_of and folds: GROUPED uses folds only, CUSTOM both. options are complete. */
efme_status efme_fold_plan_build(struct efme_fold_plan **out, const efme_dataset *dataset, enum efme_plan_kind kind,
                                 const uint32_t *fold_of, uint32_t folds, const efme_fold_options *options);
void efme_plan_destroy(struct efme_fold_plan *p);

/* ---- contents.c: equal files and pixels ---- */
/* Fills group, unit, members, first, within, across, pairs. */
efme_status efme_plan_contents(struct efme_fold_plan *p);

/* ---- validation.c: training and validation of a fold whose test samples are marked in fold_of ---- */
efme_status efme_plan_divide(struct efme_fold_plan *p, uint32_t fold);

/* ---- verify.c: what any plan must keep, checked on the finished lists. LEAK or INTERNAL naming fold and sample ---- */
efme_status efme_plan_verify(const struct efme_fold_plan *p);

/* A draw for this text in this fold, the same whatever else there is. */
uint64_t efme_plan_draw(uint64_t seed, const char *fold, const char *text);

#endif
