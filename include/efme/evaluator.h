/* Fold plans, the evaluator and its results: leave-one-subject-out that cannot lie.
 *
 * Every sample is tested exactly once, by a model that started from the same weights and never saw the tested subject. True
 * and false positives are summed over all folds; UF1 = mean over classes of 2TP/(2TP+FP+FN), UAR = mean of TP/n (See et
 * al., MEGC 2019). A class that no tested sample has counts 0 in both and is flagged. No public call lets the tested
 * subject influence which epoch is kept. docs/evaluation.md says how all is done.
 *
 * Plans and results never change, and any thread may use them; their strings and arrays live as long as they do. An evaluator serves one
 * thread at a time and answers STATE to another. */
#ifndef EFME_EVALUATOR_H
#define EFME_EVALUATOR_H

#include "efme/context.h"
#include "efme/dataset.h"
#include "efme/model.h"
#include "efme/trainer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_fold_plan efme_fold_plan;
typedef struct efme_evaluator efme_evaluator;
typedef struct efme_result efme_result;

typedef enum efme_validation {
  EFME_VALIDATE_SUBJECTS = 0, /* whole subjects (default) */
  EFME_VALIDATE_RANDOM = 1,   /* random samples, as the paper's scripts do: the report flags it */
  EFME_VALIDATE_NONE = 2      /* no early stopping */
} efme_validation;

typedef struct efme_fold_options {
  size_t struct_size;
  uint32_t validation;  /* efme_validation */
  uint32_t reserved;    /* 0 */
  double ratio;         /* validation's part of the training samples, (0, 1) */
  uint64_t seed;        /* of what is drawn: validation, and subjects of one size of efme_fold_plan_grouped */
} efme_fold_options;

#define EFME_FOLD_OPTIONS_INIT { sizeof(efme_fold_options), EFME_VALIDATE_SUBJECTS, 0, 0.2, 1 }

/* ---- plans: data, audited alike, the same whatever the order of the dataset's rows. Creation decodes every image once for its content
 * hash. Errors: MISMATCH naming subject, sample or class (one subject only, a sample without subject or class, a class without any
 * sample, a fold whose training samples lack one), LEAK (a subject or content on both sides, naming both samples), those of reading.
 * Validation that cannot hold every class is no error: the audit says so. One dataset only: filter it first (efme_dataset_filter by
 * "dataset"). options may be NULL ---- */
/* Each subject tested by a model trained on the others. */
EFME_API efme_status efme_fold_plan_loso(efme_fold_plan **out, const efme_dataset *dataset, const efme_fold_options *options);
/* k folds of whole subjects, 2 .. their number, as even in samples as a greedy deal makes them. */
EFME_API efme_status efme_fold_plan_grouped(efme_fold_plan **out, const efme_dataset *dataset, uint32_t k, const efme_fold_options *options);
/* Each source dataset tested by a model trained on the others. */
EFME_API efme_status efme_fold_plan_datasets(efme_fold_plan **out, const efme_dataset *dataset, const efme_fold_options *options);
/* fold_of[i]: the fold that tests sample i of the dataset, 0 .. folds-1, folds 2..1000000. Every sample needs one, every fold a sample; a
 * subject may stand in one fold only. */
EFME_API efme_status efme_fold_plan_custom(efme_fold_plan **out, const efme_dataset *dataset, const uint32_t *fold_of, uint32_t folds,
                                           const efme_fold_options *options);
EFME_API efme_fold_plan *efme_fold_plan_retain(efme_fold_plan *plan);
EFME_API void efme_fold_plan_release(efme_fold_plan *plan);
EFME_API uint32_t efme_fold_plan_count(const efme_fold_plan *plan);
/* LOSO: the subject, "casme2/sub01"; leave-one-dataset-out: the dataset; others: "fold 0" and on. */
EFME_API const char *efme_fold_plan_name(const efme_fold_plan *plan, uint32_t fold);
typedef enum efme_fold_part { EFME_PART_TRAIN = 0, EFME_PART_VALIDATION = 1, EFME_PART_TEST = 2 } efme_fold_part;
/* Sample indices of one part of one fold, in the order of the canonical sample keys. */
EFME_API efme_status efme_fold_plan_part(const efme_fold_plan *plan, uint32_t fold, efme_fold_part part, const uint64_t **indices, uint64_t *count);

/* ---- running ---- */
typedef struct efme_evaluator_options {
  size_t struct_size;
  uint32_t workers;     /* folds at a time, each with one thread, at most 256; 0: the context's threads. Results do not depend on it */
  uint32_t shard, shards; /* this run does folds with index % shards == shard, below shards; shards 0 or 1: all */
  uint32_t refuse_unknown; /* 1: start weights of unknown provenance are refused (LEAK); 0: the audit says `unknown` */
  const char *folder;   /* per-fold results and checkpoints, made where it is not there; an interrupted run goes on. NULL: memory only */
  /* Grid search that cannot leak: where there are alternatives, every fold chooses for itself, by UF1 pooled over inner_folds folds of whole
   * subjects of its own training and validation samples, among the recipe and these. The first of equals wins; the tested subject has no part. */
  const efme_recipe *const *alternatives; /* copied; NULL: no choice */
  uint32_t alternative_count;             /* at most 255 */
  uint32_t inner_folds;                   /* 2 .. the fewest subjects that a fold has on its training side; 0: 5 */
  double checkpoint_seconds; /* a fold under way is saved so often, in folder: what a kill costs at most. Up to 1e9; 0: 60 */
} efme_evaluator_options;

#define EFME_EVALUATOR_OPTIONS_INIT { sizeof(efme_evaluator_options), 0, 0, 0, 0, NULL, NULL, 0, 0, 0.0 }

/* start: weights every fold starts from, held. recipe is copied. options may be NULL. Errors: LEAK where start has seen a tested subject or
 * tested content (named); MISMATCH (classes; a plan of another dataset; a folder that belongs to another run: names the field); ARGUMENT (a
 * recipe without phases or with several ranks); BUSY (start is being changed); IO, FORMAT, UNSUPPORTED (what lies in the folder); those of
 * reading. */
EFME_API efme_status efme_evaluator_create(efme_evaluator **out, efme_model *start, const efme_dataset *dataset, const efme_fold_plan *plan,
                                           const efme_recipe *recipe, const efme_evaluator_options *options);
EFME_API efme_evaluator *efme_evaluator_retain(efme_evaluator *evaluator);
EFME_API void efme_evaluator_release(efme_evaluator *evaluator);
/* All folds of the shard that are not done. progress may be NULL; it runs on the calling thread. CANCELLED or an error of one fold,
 * those of efme_trainer_run and of the folder: what is done stays, run may be called again. */
EFME_API efme_status efme_evaluator_run(efme_evaluator *evaluator, efme_train_progress_fn progress, void *user);
/* One fold only, of whatever shard; nothing where it is done. */
EFME_API efme_status efme_evaluator_run_fold(efme_evaluator *evaluator, uint32_t fold, efme_train_progress_fn progress, void *user);
/* Adds finished folds from the folder of another shard of the same run, all of which are read and compared before any is taken. Errors:
 * MISMATCH (another run; a fold that differs), NOT_FOUND (no finished fold), IO, FORMAT, UNSUPPORTED. */
EFME_API efme_status efme_evaluator_merge(efme_evaluator *evaluator, const char *folder);
/* Folds that are done. Any thread. */
EFME_API uint32_t efme_evaluator_done(const efme_evaluator *evaluator);
/* Errors: STATE while folds are missing (how many, the first's name); LEAK where the audit fails. */
EFME_API efme_status efme_evaluator_result(efme_result **out, efme_evaluator *evaluator);

/* ---- one model on data set apart (FER2013's PrivateTest): the same audit, no training ---- */
typedef struct efme_evaluate_options {
  size_t struct_size;
  uint32_t refuse_unknown; /* 1: weights of unknown provenance are refused (LEAK); 0: the audit says `unknown` */
  uint32_t exclude_seen;   /* 0: one sample whose subject or content the weights have seen refuses the whole score (LEAK); 1: such samples
                              are left out of the score, counted and flagged (FER2013 repeats 557 images across its splits) */
  efme_progress_fn progress; /* "images"; may cancel */
  void *progress_user;
} efme_evaluate_options;

#define EFME_EVALUATE_OPTIONS_INIT { sizeof(efme_evaluate_options), 0, 0, NULL, NULL }

/* Errors: LEAK naming the sample or subject that the weights have seen (or where exclude_seen leaves nothing), MISMATCH (class names; a
 * sample without class), BUSY (model is being changed), NUMERIC (a prediction is not a number), CANCELLED, those of reading. options may be
 * NULL. */
EFME_API efme_status efme_evaluate(efme_result **out, efme_model *model, const efme_dataset *tested, const efme_evaluate_options *options);

/* ---- results ---- */
typedef struct efme_scores {
  size_t struct_size;
  uint32_t classes, classes_present; /* present: with at least one tested sample */
  uint64_t samples;                  /* tested; where 0 all scores are 0 */
  double uf1, uar, accuracy;         /* all in [0, 1] */
  double uf1_present, uar_present;   /* means over the classes that occur */
  double weighted_f1;                /* mean of F1, weighted by the classes' samples */
} efme_scores;
#define EFME_SCORES_INIT { sizeof(efme_scores), 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0 }

typedef struct efme_class_scores {
  size_t struct_size;
  const char *name;
  uint64_t samples, tp, fp, fn;
  double precision, recall, f1; /* tp/(tp+fp), tp/samples, 2tp/(2tp+fp+fn); 0 where the denominator is 0 */
} efme_class_scores;
#define EFME_CLASS_SCORES_INIT { sizeof(efme_class_scores), NULL, 0, 0, 0, 0, 0.0, 0.0, 0.0 }

typedef struct efme_tested {
  size_t struct_size;
  const char *key, *dataset, *subject, *clip, *fold; /* fold: its name, "" where there are no folds */
  int32_t truth, predicted;   /* 0 .. classes-1 */
  const float *probabilities; /* classes of them, NULL for foreign results */
} efme_tested;
#define EFME_TESTED_INIT { sizeof(efme_tested), NULL, NULL, NULL, NULL, NULL, 0, 0, NULL }

EFME_API efme_result *efme_result_retain(efme_result *result);
EFME_API void efme_result_release(efme_result *result);
/* dataset: one of efme_result_dataset, NULL: all. Errors, of all three: NOT_FOUND. */
EFME_API efme_status efme_result_scores(const efme_result *result, const char *dataset, efme_scores *out);
EFME_API efme_status efme_result_class_scores(const efme_result *result, const char *dataset, uint32_t index, efme_class_scores *out);
/* counts[truth * classes + predicted], for which there is room for capacity. */
EFME_API efme_status efme_result_confusion(const efme_result *result, const char *dataset, uint64_t *counts, uint32_t capacity);
/* Tested samples. */
EFME_API uint64_t efme_result_count(const efme_result *result);
EFME_API efme_status efme_result_tested(const efme_result *result, uint64_t index, efme_tested *out);
/* Source datasets of the tested samples. */
EFME_API uint32_t efme_result_dataset_count(const efme_result *result);
EFME_API const char *efme_result_dataset(const efme_result *result, uint32_t index);
/* 1: nothing is wrong; 0: flags stand in the audit. docs/evaluation.md lists them. */
EFME_API int efme_result_clean(const efme_result *result);
/* metrics.json (scores, audit, recipe, start weights, device, versions), predictions.csv, the official MEGC 2019 log; NULL skips. Each is
 * written atomically, in this order; where one fails those before it are there. Errors: IO. */
EFME_API efme_status efme_result_write(const efme_result *result, const char *json_path, const char *csv_path, const char *log_path);
/* A page for people, and the audit alone as JSON. Release with efme_string_free. */
EFME_API efme_status efme_result_text(const efme_result *result, char **out);
EFME_API efme_status efme_result_audit_json(const efme_result *result, char **out);

/* ---- scoring what others computed; no model needed ---- */
/* Plain arrays: count labels 0 .. classes-1, classes 2..1024. Errors: ARGUMENT naming the index. Any thread. */
EFME_API efme_status efme_score(efme_scores *out, const int32_t *truth, const int32_t *predicted, uint64_t count, uint32_t classes);
/* An official log (`casme2 sub01`, then `EP02_01f 1 1`). class_names may be NULL (expected's, or "0", "1", ..). expected may be NULL:
 * else every sample of it must occur exactly once. A clip tested twice, by a fold of another subject, or missing is a flag in the audit,
 * and the scores over the distinct clips are printed beside. efme_result_write gives the log back byte for byte. Errors: IO, FORMAT
 * naming file and line, MISMATCH. */
EFME_API efme_status efme_result_from_log(efme_result **out, efme_context *context, const char *path, const char *const *class_names, uint32_t classes,
                                          const efme_dataset *expected);
/* The same of a CSV with columns dataset, subject, clip, truth, predicted (names or numbers), optional fold; others are passed over, so
 * predictions.csv reads back (without its probabilities). */
EFME_API efme_status efme_result_from_csv(efme_result **out, efme_context *context, const char *path, const char *const *class_names, uint32_t classes,
                                          const efme_dataset *expected);

/* A row of a printed table against what is possible. Values NaN or negative where not printed. */
typedef struct efme_printed_row {
  size_t struct_size;
  double uf1, uar, accuracy;
  const double *class_f1, *class_recall, *class_precision; /* classes each, or NULL */
  const uint64_t *class_samples; /* classes, or NULL */
  uint32_t classes;              /* 0..1024; 0: no class values */
  uint32_t decimals;             /* 1..15 printed digits after the point: rounding allowed */
} efme_printed_row;
#define EFME_PRINTED_ROW_INIT { sizeof(efme_printed_row), -1.0, -1.0, -1.0, NULL, NULL, NULL, NULL, 0, 3 }
/* *out: one line for each of *findings ("UAR 1.178 exceeds 1: ...", "UAR equals the mean precision ..."), "" if the row is possible.
 * Release with efme_string_free. docs/evaluation.md has the inequalities. Any thread. */
EFME_API efme_status efme_check_printed_row(char **out, uint32_t *findings, const efme_printed_row *row);
/* The same, and against the predictions that a log or CSV holds: a figure that these do not give is named, with what it is instead where
 * that is recognised: mean precision, an average over folds, denominators that are not the tested counts, another mean. class_* and
 * classes of row may be left out. Errors: MISMATCH (classes). */
EFME_API efme_status efme_result_check_row(char **out, uint32_t *findings, const efme_result *result, const efme_printed_row *row);

#ifdef __cplusplus
}
#endif
#endif
