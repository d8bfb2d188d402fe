/* A result: what was tested, what came out, and what the audit found. Made by the evaluator, by efme_evaluate, or from a
 * foreign log or CSV; then constant. */
#ifndef EFME_EVAL_RESULT_H
#define EFME_EVAL_RESULT_H

#include <stdatomic.h>

#include "efme/evaluator.h"
#include "util/json.h"
#include "data/strings.h"

struct efme_outcome {
  const char *key, *dataset, *subject, *clip; /* canonical, as in efme_sample; clip as its source spells it */
  const char *fold;                           /* "casme2/sub01", "fold 3", "" where there are none */
  const char *header;                         /* the log's line above it, NULL: made from dataset and subject */
  int32_t truth, predicted;
  int fold_is_subject; /* foreign: fold is a subject's canonical key */
};

/* Something the audit has to say. code: a short name that programs may look for; docs/evaluation.md lists them. */
struct efme_audit_finding {
  const char *code, *text;
  int flag; /* 1: wrong or doubtful, the result is not clean; 0: said for completeness */
};

/* What a log shows besides its plain scores; foreign results only. */
struct efme_foreign {
  int present;
  int crlf, final_newline;   /* how the log ends its lines */
  const char *source;        /* path */
  uint64_t *expected_counts; /* samples of each class that there are: of `expected`, else distinct clips */
  uint64_t *distinct;        /* confusion over distinct clips */
  uint64_t repeated, wrong_fold, substring, split_subjects, missing, unknown, truth_differs;
};

struct efme_result {
  atomic_uint references;
  efme_context *context;
  const struct efme_allocator *allocator;
  struct efme_strings pool;
  uint32_t classes;
  const char **class_names;
  struct efme_outcome *rows;
  size_t count, capacity;
  float *probabilities; /* count x classes, NULL for foreign results */
  /* made by efme_result_finish */
  const char **datasets; /* byte order */
  uint32_t dataset_count;
  uint64_t *counts; /* [1 + datasets][classes][classes]: pooled first */
  struct efme_audit_finding *findings;
  size_t finding_count, finding_capacity;
  struct efme_foreign foreign;
  const char *title;      /* first line of the text: what this is */
  const char *audit_json; /* members of the audit object, each as `"name": value` with commas between; "" for none */
  const char *run_json;   /* the same for metrics.json: recipe, start weights, device */
  const char *run_text;   /* lines for people */
};

/* class_names are copied; NULL: "0", "1", ... */
efme_status efme_result_new(struct efme_result **out, efme_context *context, const char *const *class_names, uint32_t classes);
void efme_result_destroy(struct efme_result *r);
/* Strings of row are taken as they are: put them into r->pool first. */
efme_status efme_result_add(struct efme_result *r, const struct efme_outcome *row);
/* Takes a finished text into the result's strings. */
efme_status efme_result_keep(const char **out, struct efme_result *r, struct efme_text *t);
efme_status efme_result_find(struct efme_result *r, int flag, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Counts, finds the datasets and flags classes that no sample has. Every label must lie in 0 .. classes-1. */
efme_status efme_result_finish(struct efme_result *r);
/* The confusion of a dataset (NULL: all); NULL where there is none of that name. */
const uint64_t *efme_result_counts(const struct efme_result *r, const char *dataset);

/* Means of each fold's own UF1 and UAR, absent classes counting 0: error 6 of the field. present: over the classes a fold has. */
struct efme_fold_means {
  double uf1, uar, accuracy, uf1_present, uar_present;
  uint64_t folds, one_class; /* one_class: folds with samples of one class only */
};
efme_status efme_result_fold_means(struct efme_fold_means *out, const struct efme_result *r);
/* sum of TP_c / samples_c / classes: may exceed 1 where samples are not the tested counts (error 1). */
double efme_result_uar_over(const uint64_t *counts, uint32_t classes, const uint64_t *samples);

/* ---- forms (report.c, log.c, csv.c) ---- */
efme_status efme_result_metrics(const struct efme_result *r, struct efme_text *out);
efme_status efme_result_audit(const struct efme_result *r, struct efme_text *out);
efme_status efme_result_report(const struct efme_result *r, struct efme_text *out);
efme_status efme_result_log(const struct efme_result *r, struct efme_text *out);
efme_status efme_result_csv(const struct efme_result *r, struct efme_text *out);

/* ---- foreign predictions (log.c, csv.c, folds.c, examine.c) ---- */
efme_status efme_log_read(struct efme_result *r, const char *path);
efme_status efme_csv_read(struct efme_result *r, const char *path);
/* Finds which folds are named after subjects, which may stand in a table as "smic/s01" or "s1". r is finished. */
efme_status efme_result_name_folds(struct efme_result *r);
/* Clips in folds that are not their subject's. */
efme_status efme_result_check_folds(struct efme_result *r);
/* Finishes r, compares the rows with the samples there should be (NULL: unknown), counts, and adds the findings. */
efme_status efme_result_examine(struct efme_result *r, const efme_dataset *expected);

#endif
