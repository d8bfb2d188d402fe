/* The evaluator: folds of one plan, each trained from the same start weights and tested on what it never saw.
 *
 * What a fold computes is a function of dataset, plan, recipe, start weights and the fold's name. Workers, shards, resuming
 * and merging only decide who computes it and when. A finished fold is a struct efme_fold_record, in memory and, with a
 * folder, in a file of its own. */
#ifndef EFME_EVAL_EVALUATOR_H
#define EFME_EVAL_EVALUATOR_H

#include <pthread.h>
#include <stdatomic.h>

#include "util/json.h"
#include "eval/plan.h"
#include "eval/result.h"
#include "train/recipe.h"
#include "train/trainer.h"

/* What two runs must agree on for their folds to belong together, as text, a line `NAME VALUE` each: the first line that
 * differs names the field. */
struct efme_run_identity {
  char *lines;
  uint64_t hash; /* of lines */
};

/* Who computed a fold; folds of one run may differ in it. */
struct efme_maker {
  char library[24], backend[64], device[128], decoder[96];
  uint32_t cpu_level;
};

#define EFME_DOUBT 512u /* bytes */

/* One finished fold. */
struct efme_fold_record {
  int done;
  float *probabilities;    /* [tested][classes], in the order of the plan's test part */
  uint64_t start_checksum; /* of the weights that this fold really started from */
  uint64_t end_checksum;   /* of the weights it was tested with */
  uint64_t seed;
  uint32_t epochs;
  uint32_t choice;   /* of the evaluator's recipes */
  double *inner_uf1; /* of each recipe; NULL where there is no choice */
  char *history; /* a line for each epoch, for readers of the file */
  struct efme_maker maker;
};

struct efme_evaluator {
  atomic_uint references;
  efme_context *context;
  const struct efme_allocator *allocator;
  efme_model *start; /* held */
  uint64_t start_checksum;
  char doubt[EFME_DOUBT]; /* of the start weights' provenance, "" where all is known */
  efme_dataset *dataset;
  uint64_t contents; /* efme_dataset_contents */
  efme_fold_plan *plan;
  efme_recipe **recipes; /* copies of our own: the recipe, then the alternatives that a fold may choose instead */
  uint32_t recipe_count, inner_folds;
  uint32_t classes, workers, shard, shards;
  char *folder; /* NULL: memory only */
  double checkpoint_seconds;
  struct efme_run_identity identity;
  struct efme_maker maker;
  struct efme_fold_record *folds;
  atomic_uint done;
  atomic_int running;
  int written; /* the folder's run file stands */
  struct efme_train_shared *shared;
  uint64_t *tried; /* identity hashes of all configurations that have tested a fold in this folder and those merged */
  size_t tried_count, tried_capacity;
};

/* ---- evaluator.c: options are complete ---- */
efme_status efme_evaluator_make(efme_evaluator **out, efme_model *start, const efme_dataset *dataset, const efme_fold_plan *plan,
                                const efme_recipe *recipe, const efme_evaluator_options *options);
void efme_evaluator_destroy(efme_evaluator *e);
int efme_evaluator_has_fold(const efme_evaluator *e, uint32_t fold); /* of this shard */
/* The samples of one part of a fold as a view of the dataset; *out NULL where there are none. */
efme_status efme_evaluator_view(efme_dataset **out, const efme_evaluator *e, uint32_t fold, efme_fold_part part);
/* Takes the record over (and leaves *record empty) unless the fold is done already. */
void efme_evaluator_put(efme_evaluator *e, uint32_t fold, struct efme_fold_record *record);
void efme_fold_record_free(struct efme_fold_record *record, const struct efme_allocator *a);
/* Library, device and decoders at work here. */
efme_status efme_maker_fill(struct efme_maker *maker, efme_context *context, const efme_dataset *dataset);

/* ---- identity.c ---- */
efme_status efme_identity_make(struct efme_run_identity *out, const efme_evaluator *e);
/* MISMATCH naming the first field that differs; `who` is the file that holds the other lines. */
efme_status efme_identity_compare(const struct efme_run_identity *mine, const char *lines, const char *who);

/* ---- choose.c: the recipe of a fold, and what reports say of it; nothing where there is one recipe ---- */
/* Sets choice and inner_uf1, from the fold's training and validation samples alone. */
efme_status efme_fold_choose(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, efme_train_progress_fn progress, void *user);
/* Members "recipe" and "alternatives"; "choice" of the audit; the note. */
efme_status efme_json_recipes(struct efme_json *j, const efme_evaluator *e);
void efme_json_choice(struct efme_json *j, const efme_evaluator *e);
efme_status efme_choice_find(struct efme_result *r, const efme_evaluator *e);

/* ---- fold.c: one fold from start to finish, on the calling thread ---- */
efme_status efme_fold_train(struct efme_fold_record *out, efme_evaluator *e, uint32_t fold, uint32_t threads,
                            efme_train_progress_fn progress, void *user);

/* ---- fold_file.c ---- */
/* "FOLDER/fold-0003-casme2_sub01.json" */
char *efme_fold_path(const efme_evaluator *e, const char *folder, uint32_t fold, const char *suffix);
efme_status efme_fold_write(const efme_evaluator *e, uint32_t fold, const struct efme_fold_record *record);
/* A finished fold needs its checkpoint no more. */
efme_status efme_fold_drop_checkpoint(const efme_evaluator *e, uint32_t fold);
/* NOT_FOUND where there is no such file. */
efme_status efme_fold_read(struct efme_fold_record *out, const efme_evaluator *e, const char *folder, uint32_t fold);

/* ---- folder.c ---- */
/* Checks that the folder is this run's (run.json, where there is one) and loads its folds and the configurations tried. */
efme_status efme_folder_open(efme_evaluator *e);
/* Makes the folder and its run.json. */
efme_status efme_folder_begin(efme_evaluator *e);
/* Notes that this configuration has tested a fold. */
efme_status efme_folder_note(efme_evaluator *e);
efme_status efme_folder_merge(efme_evaluator *e, const char *folder);

/* ---- runner.c ---- */
/* The folds listed, `workers` at a time. */
efme_status efme_evaluator_work(efme_evaluator *e, const uint32_t *folds, uint32_t count, efme_train_progress_fn progress, void *user);

/* ---- audit.c ---- */
efme_status efme_evaluator_report(struct efme_result **out, const efme_evaluator *e);
/* Start weights against tested samples; LEAK naming what they have seen. */
efme_status efme_provenance_check(const efme_model *model, const efme_dataset *tested, const struct efme_fold_plan *plan,
                                  int refuse_unknown);
/* Why nobody can tell what the weights know of the tested samples; "" where it can be told. */
efme_status efme_provenance_doubt(char out[EFME_DOUBT], const efme_model *model, const efme_dataset *tested);
/* Members "checksum", "provenance", ... of a model as JSON. */
void efme_json_model(struct efme_json *j, const char *name, const efme_model *model);
void efme_json_maker(struct efme_json *j, const char *name, const struct efme_maker *maker);

#endif
