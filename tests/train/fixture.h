/* What the trainer's tests share: a tiny data set of the host program with three patterns to tell apart, small models, runs
 * that can be cancelled at any callback, and comparison of weights by bits. */
#ifndef EFME_TEST_TRAIN_FIXTURE_H
#define EFME_TEST_TRAIN_FIXTURE_H

#include "efme/efme.h"
#include "test.h"

#define SIDE 32

#define ck_ok(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
#define ck_fails(call, status, text)                                                                                                       \
  do {                                                                                                                                     \
    efme_status got_ = (call);                                                                                                             \
    ck_assert_msg(got_ == (status), "%s: %s, wanted %s (%s)", #call, efme_status_name(got_), #status, efme_last_error());                  \
    ck_assert_msg(strstr(efme_last_error(), (text)) != NULL, "'%s' does not name '%s'", efme_last_error(), (text));                        \
  } while (0)

efme_context *fx_context(uint32_t threads); /* test_backend() */
efme_context *fx_context_on(const char *backend, uint32_t threads);

/* count samples from number `first` on, classes in turn (only `classes` of the three occur), six subjects; stride permutes the
 * order (coprime to count). Sample i has the same key and pixels in every data set that holds it. */
extern uint32_t fx_noise; /* another value: other pixels of the same samples, of what is read from then on */
efme_dataset *fx_dataset(efme_context *context, uint32_t first, uint32_t count, uint32_t classes, uint32_t stride);
efme_model *fx_model(efme_context *context, uint32_t cut, uint64_t seed);

/* "scratch" or "head" and so on, shrunk: batch 8, log_every 1, seed 3. */
efme_recipe *fx_recipe(efme_context *context, const char *preset);
efme_train_options fx_options(const efme_recipe *recipe);
void fx_set(efme_recipe *recipe, efme_train_options options);
void fx_phase(efme_context *context, efme_recipe *recipe, uint32_t scope, uint32_t epochs, uint32_t patience, uint32_t restore_best,
              uint32_t kind, double rate);
/* No phases yet. fixed: BN fixed, cached features (3 variants); else BN updating, drop-connect. */
efme_recipe *fx_fixed(efme_context *context);
efme_recipe *fx_updating(efme_context *context);

/* Weights of a model, all tensors one after the other; free(). */
float *fx_weights(const efme_model *model, size_t *count);
float *fx_result(const efme_trainer *trainer, size_t *count);
void fx_same_bits(const float *a, const float *b, size_t count, const char *what);

/* Cancels at the callback with this number (from 0), UINT32_MAX: never. */
struct fx_cancel {
  uint32_t at, calls;
  efme_train_progress last;
};
int fx_progress(const efme_train_progress *progress, void *user);

/* A whole run: weights of its end; free(). */
float *fx_train(efme_model *model, const efme_recipe *recipe, const efme_dataset *train, const efme_dataset *validation, size_t *count);
/* A path in a fresh folder, and its removal. */
const char *fx_path(const char *name);

#endif
