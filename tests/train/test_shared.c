/* What folds share: a fold trained from shared pixels and features has the bits of the same fold trained alone; predictions by
 * way of cached features are those of the predictor; ids and order depend on keys alone. */
#include <math.h>

#include "fixture.h"
#include "train/state.h"

static efme_context *context;

static void setup(void) { context = fx_context(2); }
static void teardown(void) { efme_context_release(context); }

START_TEST(canonical_order) {
  efme_dataset *a = fx_dataset(context, 0, 13, 3, 1), *b = fx_dataset(context, 0, 13, 3, 5), *larger = fx_dataset(context, 0, 40, 3, 3);
  struct efme_samples *x = NULL, *y = NULL, *z = NULL;
  ck_ok(efme_samples_create(&x, a, SIDE, SIDE));
  ck_ok(efme_samples_create(&y, b, SIDE, SIDE));
  ck_ok(efme_samples_create(&z, larger, SIDE, SIDE));
  ck_assert_uint_eq(x->count, 13);
  for (uint64_t i = 0; i < x->count; i++) {
    ck_assert(i == 0 || strcmp(x->keys[i - 1], x->keys[i]) < 0);
    ck_assert_str_eq(x->keys[i], y->keys[i]);
    ck_assert_int_eq(x->ids[i], y->ids[i]);
    ck_assert_int_eq(x->labels[i], y->labels[i]);
    uint64_t at = efme_samples_find(z, x->keys[i]);
    ck_assert(at != UINT64_MAX);
    ck_assert_int_eq(x->ids[i], z->ids[at]); /* in a larger set too */
    ck_assert_int_ge(x->ids[i], 0);
  }
  ck_assert(efme_samples_find(x, "toy/none") == UINT64_MAX);
  struct efme_part part = {0};
  ck_fails(efme_part_create(&part, x, larger), EFME_E_MISMATCH, "is not in the shared dataset");
  ck_ok(efme_part_create(&part, z, b));
  ck_assert_uint_eq(part.count, 13);
  for (uint64_t i = 1; i < part.count; i++) ck_assert(part.positions[i - 1] < part.positions[i]);
  efme_part_free(&part);
  efme_samples_release(x);
  efme_samples_release(y);
  efme_samples_release(z);
  efme_dataset_release(a);
  efme_dataset_release(b);
  efme_dataset_release(larger);
}
END_TEST

/* The order of cached head phases is the loader's. */
START_TEST(order_is_the_loaders) {
  efme_dataset *d = fx_dataset(context, 0, 23, 3, 1);
  struct efme_samples *s = NULL;
  struct efme_loader *loader = NULL;
  ck_ok(efme_samples_create(&s, d, SIDE, SIDE));
  struct efme_loader_options o = {.batch = 5, .threads = 1, .seed = 9};
  ck_ok(efme_loader_create(&loader, s->stage, NULL, 0, &o));
  for (uint32_t epoch = 0; epoch < 3; epoch++) {
    struct efme_order_item order[23];
    const struct efme_loader_batch *batch;
    uint32_t at = 0, seen[23] = {0};
    efme_order_shuffle(order, 23, 9, epoch);
    ck_ok(efme_loader_start(loader, EFME_LOADER_SHUFFLED, epoch, 0));
    while (1) {
      ck_ok(efme_loader_next(loader, &batch));
      if (!batch) break;
      for (uint32_t i = 0; i < batch->count; i++, at++) {
        ck_assert_uint_eq((uint32_t)batch->ids[i], order[at].place);
        seen[batch->ids[i]]++;
      }
    }
    ck_assert_uint_eq(at, 23);
    for (int i = 0; i < 23; i++) ck_assert_uint_eq(seen[i], 1);
  }
  efme_loader_destroy(loader);
  efme_samples_release(s);
  efme_dataset_release(d);
}
END_TEST

static efme_recipe *recipe_of(int head_first) {
  efme_recipe *recipe = fx_fixed(context);
  if (head_first) fx_phase(context, recipe, EFME_SCOPE_HEAD, 4, 0, 1, EFME_ADAM, 1e-2); /* more epochs than variants */
  fx_phase(context, recipe, EFME_SCOPE_ALL, 1, 0, 0, EFME_ADAM, 1e-3);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-2); /* own features by then */
  return recipe;
}

START_TEST(folds_from_shared_data) {
  efme_dataset *all = fx_dataset(context, 0, 40, 3, 3), *train = fx_dataset(context, 0, 20, 3, 1),
               *validation = fx_dataset(context, 20, 9, 3, 1);
  efme_model *model = fx_model(context, 2, 5);
  for (int head_first = 0; head_first < 2; head_first++) {
    efme_recipe *recipe = recipe_of(head_first);
    size_t count;
    float *alone = fx_train(model, recipe, train, validation, &count);
    struct efme_train_shared *shared = NULL;
    ck_ok(efme_train_shared_create(&shared, model, recipe, all, NULL, NULL));
    ck_assert((shared->features != NULL) == head_first);
    for (uint32_t threads = 0; threads < 2; threads++) {
      struct efme_trainer_extra extra = {.shared = shared, .max_threads = threads};
      efme_trainer *trainer = NULL;
      ck_ok(efme_trainer_create_internal(&trainer, model, recipe, train, validation, &extra));
      ck_ok(efme_trainer_run(trainer, NULL, NULL));
      float *weights = fx_result(trainer, &count);
      fx_same_bits(weights, alone, count, "fold from shared data");
      free(weights);
      efme_trainer_release(trainer);
    }
    efme_train_shared_release(shared);
    free(alone);
    efme_recipe_release(recipe);
  }
  efme_model_release(model);
  efme_dataset_release(all);
  efme_dataset_release(train);
  efme_dataset_release(validation);
}
END_TEST

/* Predictions by three ways: shared features, the trainer on its own stage, the published model's predictor. */
START_TEST(predictions) {
  efme_dataset *all = fx_dataset(context, 0, 40, 3, 3), *train = fx_dataset(context, 0, 20, 3, 1),
               *test = fx_dataset(context, 30, 10, 3, 7);
  efme_model *model = fx_model(context, 2, 5), *trained = NULL;
  efme_recipe *recipe = fx_fixed(context);
  fx_phase(context, recipe, EFME_SCOPE_HEAD, 2, 0, 0, EFME_ADAM, 1e-2);
  struct efme_train_shared *shared = NULL;
  ck_ok(efme_train_shared_create(&shared, model, recipe, all, NULL, NULL));
  float probabilities[3][30];
  for (int i = 0; i < 2; i++) {
    struct efme_trainer_extra extra = {.shared = i ? shared : NULL, .max_threads = (uint32_t)i};
    efme_trainer *trainer = NULL;
    ck_ok(efme_trainer_create_internal(&trainer, model, recipe, train, NULL, &extra));
    ck_ok(efme_trainer_run(trainer, NULL, NULL));
    ck_ok(efme_trainer_predict(trainer, test, probabilities[i]));
    if (i) ck_ok(efme_trainer_model(&trained, trainer));
    efme_trainer_release(trainer);
  }
  efme_predictor *predictor = NULL;
  ck_ok(efme_predictor_create(&predictor, trained, NULL));
  for (uint64_t i = 0; i < 10; i++) {
    efme_image *image = NULL;
    efme_prediction result;
    ck_ok(efme_dataset_read(test, i, &image));
    ck_ok(efme_predictor_run_images(predictor, &image, 1, &result, probabilities[2] + 3 * i));
    ck_ok(result.status);
    efme_image_release(image);
  }
  efme_predictor_release(predictor);
  for (int i = 0; i < 30; i++) {
    ck_assert_msg(probabilities[0][i] == probabilities[1][i], "number %d: %.9g from the stage, %.9g from shared features", i,
                  probabilities[0][i], probabilities[1][i]);
    ck_assert_msg(probabilities[0][i] == probabilities[2][i], "number %d: %.9g from the trainer, %.9g from the predictor", i,
                  probabilities[0][i], probabilities[2][i]);
  }
  efme_train_shared_release(shared);
  efme_model_release(trained);
  efme_model_release(model);
  efme_recipe_release(recipe);
  efme_dataset_release(all);
  efme_dataset_release(train);
  efme_dataset_release(test);
}
END_TEST

static int stop(const char *what, uint64_t done, uint64_t total, void *user) {
  ck_assert_str_eq(what, "features");
  ck_assert(done <= total);
  return ++*(int *)user == 2;
}

START_TEST(shared_cancelled) {
  efme_dataset *all = fx_dataset(context, 0, 40, 3, 3);
  efme_model *model = fx_model(context, 1, 5);
  efme_recipe *recipe = recipe_of(1);
  struct efme_train_shared *shared = NULL;
  int calls = 0;
  ck_fails(efme_train_shared_create(&shared, model, recipe, all, stop, &calls), EFME_E_CANCELLED, "features");
  ck_assert_ptr_null(shared);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(all);
}
END_TEST

START_TEST(missing_classes_allowed_to_folds) {
  efme_dataset *two = fx_dataset(context, 0, 12, 2, 1);
  efme_model *model = fx_model(context, 1, 5);
  efme_recipe *recipe = fx_recipe(context, "fine-tune");
  struct efme_trainer_extra extra = {.max_threads = 1, .allow_missing = 1};
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create_internal(&trainer, model, recipe, two, two, &extra));
  ck_ok(efme_trainer_run(trainer, NULL, NULL));
  efme_epoch e = EFME_EPOCH_INIT;
  ck_ok(efme_trainer_epoch(trainer, 2, &e));
  ck_assert(e.validation_uf1 <= 2.0 / 3.0 + 1e-9 && isfinite(e.validation_loss)); /* the class that is not there counts 0 */
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(two);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("shared");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, canonical_order);
  tcase_add_test(tc, order_is_the_loaders);
  tcase_add_test(tc, folds_from_shared_data);
  tcase_add_test(tc, predictions);
  tcase_add_test(tc, shared_cancelled);
  tcase_add_test(tc, missing_classes_allowed_to_folds);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
