/* What the files of the test api_arguments share: every out-parameter there is, the macros that make a call and judge it, and one
 * valid thing of each kind. Public API only. */
#ifndef EFME_API_ARGUMENTS_H
#define EFME_API_ARGUMENTS_H

#include <efme/efme.h>

#include <math.h>

#include "test.h"

extern struct outs {
  efme_context *context;
  efme_image *image;
  efme_model *model;
  efme_predictor *predictor;
  efme_face_detector *detector;
  efme_dataset *data, *data2;
  efme_optimizer *optimizer;
  efme_recipe *recipe;
  efme_fold_plan *plan;
  efme_trainer *trainer;
  efme_evaluator *evaluator;
  efme_result *result;
  efme_lint *lint;
  efme_finding finding;
  efme_device_info device;
  efme_image_info image_info;
  efme_alignment alignment;
  efme_prepared prepared;
  efme_sample sample;
  efme_model_info model_info;
  efme_layer_info layer;
  efme_face face;
  efme_optimizer_options optimizer_options;
  efme_train_options train_options;
  efme_phase phase;
  efme_epoch epoch;
  efme_scores scores;
  efme_class_scores class_scores;
  efme_tested tested;
  efme_prediction prediction[2];
  char *text;
  const char *name;
  const uint64_t *indices;
  uint64_t count, counts[16];
  float floats[16], box[4], eyes[4];
  uint32_t number, dims[4];
} out;

/* Fills every out-parameter with a pattern, and the error text with one that no call under test gives. */
void prepare(void);
/* Remembers that a function was called, with NULL for `parameter` (which may be NULL itself: just called). */
void note(const char *function, const char *parameter);
/* That status, that word in the text, and nothing written. */
void check_refused(const char *call, efme_status got, efme_status wanted, const char *word);
/* A success leaves the text of the last failure alone. */
void check_good(int good, const char *what);

/* REFUSED(IO, "word", efme_image_load, &out.image, context, "/none", NULL): that status, that word, nothing written. */
#define REFUSED(status, word, function, ...)                                                                                               \
  (prepare(), note(#function, NULL), check_refused(#function "(" #__VA_ARGS__ ")", function(__VA_ARGS__), EFME_E_##status, word))
/* The same where `parameter` is NULL: refused by its name. */
#define WITHOUT(parameter, function, ...)                                                                                                  \
  (prepare(), note(#function, #parameter),                                                                                                 \
   check_refused(#function "(" #__VA_ARGS__ ")", function(__VA_ARGS__), EFME_E_ARGUMENT, #parameter " is NULL"))
/* A NULL (or anything else) that is allowed, and what it then gives. */
#define ALLOWED(parameter, function, condition) (prepare(), note(#function, #parameter), check_good(condition, #condition))
#define OK(call) (prepare(), check_good((call) == EFME_OK, #call " == EFME_OK"))

/* ---- one valid thing of each kind ---- */

extern efme_context *context, *other_context;
extern efme_image *image;
extern efme_model *model, *other_model;
extern efme_predictor *predictor;
extern efme_dataset *data, *other_data, *two_classes;
extern efme_optimizer *optimizer;
extern efme_recipe *recipe, *empty_recipe;
extern efme_fold_plan *plan;
extern efme_trainer *trainer;
extern efme_evaluator *evaluator;
extern efme_result *result;
extern char folder[64]; /* scratch */
extern const char *const classes3[3], *const classes2[2];

const char *in_folder(const char *name);
/* A file below the scratch folder, the folders on its way included. */
const char *put(const char *name, const char *text);
efme_model_options model_options(void);
efme_model *make_model(efme_context *c);
/* Eight samples of two subjects and two classes. */
efme_dataset_callbacks callbacks(void);
int stop_reading(const char *what, uint64_t done, uint64_t total, void *user);
int stop_training(const efme_train_progress *p, void *user);

void add_model_tests(TCase *t);
void add_data_tests(TCase *t);
void add_release_tests(TCase *t);
void add_evaluation_tests(TCase *t);

#endif
