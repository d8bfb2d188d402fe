/* api_arguments: models, predictors, recipes and trainers. */
#include "api/arguments.h"

static efme_status no_stream(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  (void)buffer, (void)offset, (void)size, (void)got, (void)user;
  return EFME_E_IO;
}

/* ---- model.h ---- */

START_TEST(models_made) {
  efme_model_options o = model_options();
  efme_load_options l = EFME_LOAD_OPTIONS_INIT;
  efme_model *made = NULL;
  ALLOWED(-, efme_classes_meg3, !strcmp(efme_classes_meg3()[2], "surprise"));
  WITHOUT(out, efme_model_create, NULL, context, &o);
  WITHOUT(context, efme_model_create, &out.model, NULL, &o);
  WITHOUT(options, efme_model_create, &out.model, context, NULL);
  o.cut = 8;
  REFUSED(ARGUMENT, "cut is 8", efme_model_create, &out.model, context, &o);

  const char *path = in_folder("model.safetensors");
  WITHOUT(model, efme_model_save, NULL, path, EFME_WEIGHTS_F32);
  WITHOUT(path, efme_model_save, model, NULL, EFME_WEIGHTS_F32);
  REFUSED(ARGUMENT, "type is 3", efme_model_save, model, path, 3);
  REFUSED(IO, "no/such", efme_model_save, model, in_folder("no/such"), EFME_WEIGHTS_F32);
  OK(efme_model_save(model, path, EFME_WEIGHTS_F32));

  WITHOUT(out, efme_model_load, NULL, context, path, &l);
  WITHOUT(context, efme_model_load, &out.model, NULL, path, &l);
  WITHOUT(path, efme_model_load, &out.model, context, NULL, &l);
  ALLOWED(options, efme_model_load, efme_model_load(&made, context, path, NULL) == EFME_OK);
  efme_model_release(made);
  REFUSED(IO, "absent", efme_model_load, &out.model, context, in_folder("absent"), NULL);
  l.cut = 8;
  REFUSED(ARGUMENT, "cut", efme_model_load, &out.model, context, path, &l);
  l.cut = 0, l.head = 2;
  REFUSED(ARGUMENT, "head", efme_model_load, &out.model, context, path, &l);
  l.head = 0, l.normalisation = 4;
  REFUSED(ARGUMENT, "normalisation", efme_model_load, &out.model, context, path, &l);
  l.normalisation = -1, l.padding = 2;
  REFUSED(ARGUMENT, "padding", efme_model_load, &out.model, context, path, &l);
  l.padding = -1, l.height = 31, l.width = 32;
  REFUSED(ARGUMENT, "height", efme_model_load, &out.model, context, path, &l);
  l.height = 32, l.width = 4097;
  REFUSED(ARGUMENT, "width", efme_model_load, &out.model, context, path, &l);
  l.height = l.width = 0, l.bn_epsilon = NAN;
  REFUSED(ARGUMENT, "bn_epsilon", efme_model_load, &out.model, context, path, &l);
  l.bn_epsilon = 0, l.ignore_checksum = 2;
  REFUSED(ARGUMENT, "ignore_checksum", efme_model_load, &out.model, context, path, &l);
  l.ignore_checksum = 0, l.class_names = classes2, l.class_count = 2;
  REFUSED(MISMATCH, "RESET", efme_model_load, &out.model, context, path, &l);
  l.class_names = NULL;
  REFUSED(ARGUMENT, "class_names", efme_model_load, &out.model, context, path, &l);

  WITHOUT(out, efme_model_load_memory, NULL, context, "x", 1, NULL);
  WITHOUT(context, efme_model_load_memory, &out.model, NULL, "x", 1, NULL);
  WITHOUT(data, efme_model_load_memory, &out.model, context, NULL, 1, NULL);
  note("efme_model_load_memory", "options"); /* as below */
  REFUSED(FORMAT, "", efme_model_load_memory, &out.model, context, "x", 1, NULL);
  REFUSED(FORMAT, "", efme_model_load_memory, &out.model, context, "x", 0, NULL);
  WITHOUT(out, efme_model_load_stream, NULL, context, no_stream, NULL, NULL);
  WITHOUT(context, efme_model_load_stream, &out.model, NULL, no_stream, NULL, NULL);
  WITHOUT(read, efme_model_load_stream, &out.model, context, NULL, NULL, NULL);
  note("efme_model_load_stream", "options"), note("efme_model_load_stream", "user");
  REFUSED(IO, "callback", efme_model_load_stream, &out.model, context, no_stream, NULL, NULL);
  WITHOUT(out, efme_model_import, NULL, context, path, NULL, NULL);
  WITHOUT(context, efme_model_import, &out.model, NULL, path, NULL, NULL);
  WITHOUT(path, efme_model_import, &out.model, context, NULL, NULL, NULL);
  note("efme_model_import", "format"), note("efme_model_import", "options");
  REFUSED(IO, "absent", efme_model_import, &out.model, context, in_folder("absent"), NULL, NULL);
  REFUSED(ARGUMENT, "no-such-format", efme_model_import, &out.model, context, path, "no-such-format", NULL);

  WITHOUT(out, efme_model_clone, NULL, model, NULL);
  WITHOUT(model, efme_model_clone, &out.model, NULL, NULL);
  ALLOWED(options, efme_model_clone, efme_model_clone(&made, model, NULL) == EFME_OK);
  efme_model_release(made);
  l = (efme_load_options)EFME_LOAD_OPTIONS_INIT, l.cut = 3;
  REFUSED(MISMATCH, "cut 3", efme_model_clone, &out.model, model, &l);
  ALLOWED(model, efme_model_retain, efme_model_retain(NULL) == NULL);
  ALLOWED(model, efme_model_release, (efme_model_release(NULL), 1));
}
END_TEST

START_TEST(models_asked) {
  WITHOUT(model, efme_model_get_info, NULL, &out.model_info);
  WITHOUT(out, efme_model_get_info, model, NULL);
  WITHOUT(model, efme_model_layer, NULL, 0, &out.layer);
  WITHOUT(out, efme_model_layer, model, 0, NULL);
  REFUSED(ARGUMENT, "layer index", efme_model_layer, model, 100000, &out.layer);
  ALLOWED(model, efme_model_class_name, efme_model_class_name(NULL, 0) == NULL && efme_model_class_name(model, 3) == NULL);
  WITHOUT(model, efme_model_tensor, NULL, 0, &out.name, out.dims);
  uint32_t dims[4];
  const char *name;
  ALLOWED(name, efme_model_tensor, efme_model_tensor(model, 0, NULL, dims) == EFME_OK && dims[0] == 3);
  ALLOWED(dims, efme_model_tensor, efme_model_tensor(model, 0, &name, NULL) == EFME_OK && name);
  REFUSED(ARGUMENT, "tensor index", efme_model_tensor, model, 100000, &out.name, out.dims);
  WITHOUT(model, efme_model_get, NULL, "head/bias", out.floats, 3);
  WITHOUT(name, efme_model_get, model, NULL, out.floats, 3);
  WITHOUT(values, efme_model_get, model, "head/bias", NULL, 3);
  REFUSED(NOT_FOUND, "head/nothing", efme_model_get, model, "head/nothing", out.floats, 3);
  REFUSED(MISMATCH, "head/bias", efme_model_get, model, "head/bias", out.floats, 4);
  efme_model *own = make_model(context);
  static const float bias[4];
  WITHOUT(model, efme_model_set, NULL, "head/bias", bias, 3);
  WITHOUT(name, efme_model_set, own, NULL, bias, 3);
  WITHOUT(values, efme_model_set, own, "head/bias", NULL, 3);
  REFUSED(NOT_FOUND, "head/nothing", efme_model_set, own, "head/nothing", bias, 3);
  REFUSED(MISMATCH, "head/bias", efme_model_set, own, "head/bias", bias, 2);
  REFUSED(BUSY, "", efme_model_set, model, "head/bias", bias, 3); /* a predictor, a trainer and an evaluator hold it */
  ALLOWED(model, efme_model_metadata, efme_model_metadata(NULL, "k") == NULL);
  ALLOWED(key, efme_model_metadata, efme_model_metadata(model, NULL) == NULL);
  WITHOUT(model, efme_model_set_metadata, NULL, "k", "v");
  WITHOUT(key, efme_model_set_metadata, own, NULL, "v");
  ALLOWED(value, efme_model_set_metadata, efme_model_set_metadata(own, "k", NULL) == EFME_OK);
  REFUSED(ARGUMENT, "efme.cut", efme_model_set_metadata, own, "efme.cut", "v");
  REFUSED(BUSY, "", efme_model_set_metadata, model, "k", "v");
  ALLOWED(model, efme_model_provenance_known, efme_model_provenance_known(NULL) == 0);
  ALLOWED(model, efme_model_has_seen_subject, efme_model_has_seen_subject(NULL, "a/b") == 0);
  ALLOWED(subject, efme_model_has_seen_subject, efme_model_has_seen_subject(model, NULL) == 0);
  ALLOWED(model, efme_model_has_seen_content, efme_model_has_seen_content(NULL, 1) == 0);
  ALLOWED(model, efme_model_seen_dataset_count, efme_model_seen_dataset_count(NULL) == 0);
  ALLOWED(model, efme_model_seen_dataset, efme_model_seen_dataset(NULL, 0) == NULL && efme_model_seen_dataset(model, 0) == NULL);
  efme_model_release(own);
}
END_TEST

/* ---- predictor.h ---- */

START_TEST(predictors) {
  static const float pixels[32 * 32 * 3];
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  efme_predictor *made = NULL;
  WITHOUT(out, efme_predictor_create, NULL, model, &o);
  WITHOUT(model, efme_predictor_create, &out.predictor, NULL, &o);
  ALLOWED(options, efme_predictor_create, efme_predictor_create(&made, model, NULL) == EFME_OK);
  o.max_batch = 0;
  REFUSED(ARGUMENT, "max_batch is 0", efme_predictor_create, &out.predictor, model, &o);
  o.max_batch = 1, o.tap_count = 1;
  REFUSED(ARGUMENT, "taps", efme_predictor_create, &out.predictor, model, &o);
  ALLOWED(predictor, efme_predictor_retain, efme_predictor_retain(NULL) == NULL);
  ALLOWED(predictor, efme_predictor_release, (efme_predictor_release(NULL), 1));

  WITHOUT(predictor, efme_predictor_run, NULL, pixels, 1, out.floats, NULL);
  WITHOUT(pixels, efme_predictor_run, made, NULL, 1, out.floats, NULL);
  REFUSED(ARGUMENT, "count is 0", efme_predictor_run, made, pixels, 0, out.floats, out.floats + 3);
  float values[3];
  ALLOWED(logits, efme_predictor_run, efme_predictor_run(made, pixels, 1, NULL, values) == EFME_OK);
  ALLOWED(probabilities, efme_predictor_run, efme_predictor_run(made, pixels, 1, values, NULL) == EFME_OK);
  WITHOUT(predictor, efme_predictor_run_images, NULL, &image, 1, out.prediction, out.floats);
  WITHOUT(images, efme_predictor_run_images, made, NULL, 1, out.prediction, out.floats);
  WITHOUT(results, efme_predictor_run_images, made, &image, 1, NULL, out.floats);
  REFUSED(ARGUMENT, "count is 0", efme_predictor_run_images, made, &image, 0, out.prediction, out.floats);
  efme_prediction one;
  ALLOWED(probabilities, efme_predictor_run_images, efme_predictor_run_images(made, &image, 1, &one, NULL) == EFME_OK);

  REFUSED(STATE, "nothing has been run", efme_predictor_tap, predictor, "gap", out.floats, 16, out.dims);
  static const float whole[32 * 32 * 3];
  OK(efme_predictor_run(predictor, whole, 1, NULL, NULL));
  WITHOUT(predictor, efme_predictor_tap, NULL, "gap", out.floats, 16, out.dims);
  WITHOUT(name, efme_predictor_tap, predictor, NULL, out.floats, 16, out.dims);
  float gap[16];
  uint32_t dims[4];
  ALLOWED(values, efme_predictor_tap, efme_predictor_tap(predictor, "gap", NULL, 0, dims) == EFME_OK && dims[3] == 16);
  ALLOWED(dims, efme_predictor_tap, efme_predictor_tap(predictor, "gap", gap, 16, NULL) == EFME_OK);
  REFUSED(ARGUMENT, "both NULL", efme_predictor_tap, predictor, "gap", NULL, 0, NULL);
  REFUSED(NOT_FOUND, "head_x", efme_predictor_tap, predictor, "head_x", out.floats, 16, out.dims);
  REFUSED(ARGUMENT, "capacity is 15", efme_predictor_tap, predictor, "gap", out.floats, 15, out.dims);
  WITHOUT(predictor, efme_predictor_plan, NULL, &out.text);
  WITHOUT(out, efme_predictor_plan, predictor, NULL);
  efme_predictor_release(made);
}
END_TEST

/* ---- optimizer.h, trainer.h ---- */

START_TEST(recipes) {
  efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_optimizer *made = NULL;
  WITHOUT(out, efme_optimizer_create, NULL, context, &o);
  WITHOUT(context, efme_optimizer_create, &out.optimizer, NULL, &o);
  ALLOWED(options, efme_optimizer_create, efme_optimizer_create(&made, context, NULL) == EFME_OK);
  efme_optimizer_release(made);
  o.learning_rate = 0;
  REFUSED(ARGUMENT, "learning_rate", efme_optimizer_create, &out.optimizer, context, &o);
  ALLOWED(optimizer, efme_optimizer_retain, efme_optimizer_retain(NULL) == NULL);
  ALLOWED(optimizer, efme_optimizer_release, (efme_optimizer_release(NULL), 1));
  ALLOWED(optimizer, efme_optimizer_rate, efme_optimizer_rate(NULL, 1, 1) == 0.0);
  WITHOUT(optimizer, efme_optimizer_get_options, NULL, &out.optimizer_options);
  WITHOUT(out, efme_optimizer_get_options, optimizer, NULL);

  WITHOUT(out, efme_recipe_create, NULL, context, "head");
  WITHOUT(context, efme_recipe_create, &out.recipe, NULL, "head");
  WITHOUT(preset, efme_recipe_create, &out.recipe, context, NULL);
  REFUSED(NOT_FOUND, "no-such", efme_recipe_create, &out.recipe, context, "no-such");
  WITHOUT(out, efme_recipe_clone, NULL, recipe);
  WITHOUT(recipe, efme_recipe_clone, &out.recipe, NULL);
  ALLOWED(recipe, efme_recipe_retain, efme_recipe_retain(NULL) == NULL);
  ALLOWED(recipe, efme_recipe_release, (efme_recipe_release(NULL), 1));
  ALLOWED(recipe, efme_recipe_preset, efme_recipe_preset(NULL) == NULL);
  ALLOWED(recipe, efme_recipe_phase_count, efme_recipe_phase_count(NULL) == 0);
  efme_train_options t = EFME_TRAIN_OPTIONS_INIT;
  WITHOUT(recipe, efme_recipe_get_options, NULL, &out.train_options);
  WITHOUT(out, efme_recipe_get_options, recipe, NULL);
  WITHOUT(recipe, efme_recipe_set_options, NULL, &t);
  WITHOUT(options, efme_recipe_set_options, recipe, NULL);
  t.batch = 0;
  REFUSED(ARGUMENT, "batch is 0", efme_recipe_set_options, recipe, &t);
  efme_phase p = EFME_PHASE_INIT;
  WITHOUT(recipe, efme_recipe_get_phase, NULL, 0, &out.phase);
  WITHOUT(out, efme_recipe_get_phase, recipe, 0, NULL);
  REFUSED(ARGUMENT, "index 1", efme_recipe_get_phase, recipe, 1, &out.phase);
  WITHOUT(recipe, efme_recipe_clear_phases, NULL);
  WITHOUT(recipe, efme_recipe_add_phase, NULL, &p);
  WITHOUT(phase, efme_recipe_add_phase, recipe, NULL);
  REFUSED(ARGUMENT, "optimizer is NULL", efme_recipe_add_phase, recipe, &p);
  WITHOUT(recipe, efme_recipe_describe, NULL, &out.text);
  WITHOUT(out, efme_recipe_describe, recipe, NULL);
  ck_assert_str_eq(efme_recipe_preset(recipe), "head"); /* nothing of this changed it */
}
END_TEST

START_TEST(trainers) {
  efme_trainer *made = NULL;
  WITHOUT(out, efme_trainer_create, NULL, model, recipe, data, NULL);
  WITHOUT(model, efme_trainer_create, &out.trainer, NULL, recipe, data, NULL);
  WITHOUT(recipe, efme_trainer_create, &out.trainer, model, NULL, data, NULL);
  WITHOUT(train, efme_trainer_create, &out.trainer, model, recipe, NULL, NULL);
  ALLOWED(validation, efme_trainer_create, efme_trainer_create(&made, model, recipe, data, NULL) == EFME_OK);
  REFUSED(ARGUMENT, "no phases", efme_trainer_create, &out.trainer, model, empty_recipe, data, NULL);
  REFUSED(MISMATCH, "2 classes", efme_trainer_create, &out.trainer, model, recipe, two_classes, NULL);
  REFUSED(ARGUMENT, "another context", efme_trainer_create, &out.trainer, model, recipe, other_data, NULL);
  REFUSED(ARGUMENT, "another context", efme_trainer_create, &out.trainer, model, recipe, data, other_data);
  ALLOWED(trainer, efme_trainer_retain, efme_trainer_retain(NULL) == NULL);
  ALLOWED(trainer, efme_trainer_release, (efme_trainer_release(NULL), 1));
  ALLOWED(trainer, efme_trainer_epoch_count, efme_trainer_epoch_count(NULL) == 0);
  WITHOUT(trainer, efme_trainer_set_checkpoint, NULL, "c", 1);
  WITHOUT(path, efme_trainer_set_checkpoint, made, NULL, 1);
  REFUSED(ARGUMENT, "path is NULL or empty", efme_trainer_set_checkpoint, made, "", 1);
  REFUSED(ARGUMENT, "seconds", efme_trainer_set_checkpoint, made, "c", -1);
  REFUSED(ARGUMENT, "seconds", efme_trainer_set_checkpoint, made, "c", NAN);
  WITHOUT(trainer, efme_trainer_run, NULL, NULL, NULL);
  REFUSED(CANCELLED, "", efme_trainer_run, made, stop_training, NULL);
  ALLOWED(progress, efme_trainer_run, efme_trainer_run(made, NULL, NULL) == EFME_OK);
  note("efme_trainer_run", "user");
  REFUSED(STATE, "begun", efme_trainer_set_checkpoint, made, "c", 1);
  WITHOUT(out, efme_trainer_model, NULL, trainer);
  WITHOUT(trainer, efme_trainer_model, &out.model, NULL);
  WITHOUT(trainer, efme_trainer_epoch, NULL, 0, &out.epoch);
  WITHOUT(out, efme_trainer_epoch, made, 0, NULL);
  REFUSED(ARGUMENT, "there are 0 epochs", efme_trainer_epoch, trainer, 0, &out.epoch);
  efme_trainer_release(made);
}
END_TEST

void add_model_tests(TCase *t) {
  tcase_add_test(t, models_made);
  tcase_add_test(t, models_asked);
  tcase_add_test(t, predictors);
  tcase_add_test(t, recipes);
  tcase_add_test(t, trainers);
}
