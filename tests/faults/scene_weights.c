/* Models and weight files: made, loaded in every way, imported from three frameworks' names, saved over an older file; predictors. */
#include "faults.h"

#include "net/provenance.h"
#include "weights/foreign_file.h"

static efme_model *model;
static uint8_t *file; /* a weight file of ours */
static size_t file_size;
static const char *const formats[] = {"keras.safetensors", "timm.safetensors", "torchvision.safetensors"};

static efme_model_options small(void) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = 2, o.height = o.width = 32;
  o.class_names = efme_classes_meg3(), o.class_count = 3;
  return o;
}

static void open_scene(void) {
  efme_model_options o = small();
  ok(efme_model_create(&model, faults_context, &o));
  const uint64_t seen[] = {9, 5, 7};
  ok(efme_model_set_metadata(model, "description", "two\nlines"));
  ok(efme_provenance_add_dataset(model->provenance, "fer2013"));
  ok(efme_provenance_add_subject(model->provenance, "casme2/sub01"));
  ok(efme_provenance_add_contents(model->provenance, seen, 3));
  ok(efme_model_save(model, at("ours.safetensors"), EFME_WEIGHTS_F32));
  ok(efme_file_read(&file, &file_size, &efme_allocator_libc, at("ours.safetensors"), 1u << 30));
  for (uint32_t f = 0; f < EFME_IMPORT_COUNT; f++) {
    struct foreign *foreign = calloc(1, sizeof *foreign);
    make_foreign(foreign, model, f, 0);
    ok(efme_st_write(&efme_allocator_libc, at(formats[f]), foreign->tensors, foreign->count, EFME_ST_F32, NULL, 0));
    free_foreign(foreign);
    free(foreign);
  }
}

static void close_scene(void) {
  efme_model_release(model);
  efme_mem_free(&efme_allocator_libc, file);
}

/* ---- in ---- */

static efme_status create(uint64_t *hash, int which) {
  efme_model *m = NOTHING;
  efme_model_options o = small();
  (void)which;
  efme_status status = efme_model_create(&m, faults_context, &o);
  return took_model(hash, status, m);
}

static efme_status load(uint64_t *hash, int which) {
  efme_model *m = NOTHING;
  (void)which;
  efme_status status = efme_model_load(&m, faults_context, at("ours.safetensors"), NULL);
  return took_model(hash, status, m);
}

static efme_status load_changed(uint64_t *hash, int which) {
  static const char *const names[] = {"calm", "tense"};
  efme_model *m = NOTHING;
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  (void)which;
  o.cut = 1, o.head = EFME_HEAD_RESET, o.class_names = names, o.class_count = 2, o.height = o.width = 48;
  efme_status status = efme_model_load(&m, faults_context, at("ours.safetensors"), &o);
  return took_model(hash, status, m);
}

static efme_status load_memory(uint64_t *hash, int which) {
  efme_model *m = NOTHING;
  (void)which;
  efme_status status = efme_model_load_memory(&m, faults_context, file, file_size, NULL);
  return took_model(hash, status, m);
}

static efme_status read_pieces(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  (void)user;
  *got = offset >= file_size ? 0 : EFME_MIN(EFME_MIN(size, (size_t)10000), file_size - (size_t)offset);
  if (*got) memcpy(buffer, file + offset, *got);
  return EFME_OK;
}

static efme_status load_stream(uint64_t *hash, int which) {
  efme_model *m = NOTHING;
  (void)which;
  efme_status status = efme_model_load_stream(&m, faults_context, read_pieces, NULL, NULL);
  return took_model(hash, status, m);
}

static efme_status import(uint64_t *hash, int format) {
  efme_model *m = NOTHING;
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.class_names = efme_classes_meg3(), o.class_count = 3;
  efme_status status = efme_model_import(&m, faults_context, at(formats[format]), NULL, &o);
  return took_model(hash, status, m);
}

static efme_status clone_model(uint64_t *hash, int which) {
  efme_model *m = NOTHING;
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  (void)which;
  o.cut = 1, o.head = EFME_HEAD_RESET;
  efme_status status = efme_model_clone(&m, model, &o);
  return took_model(hash, status, m);
}

static efme_model *written;

static void make_copy(int which) {
  (void)which;
  ok(efme_model_clone(&written, model, NULL));
}

static void drop_copy(void) { efme_model_release(written); }

/* A field that is there keeps its value until the new one has its place. */
static efme_status set_metadata(uint64_t *hash, int which) {
  (void)which;
  efme_status status = efme_model_set_metadata(written, "description", "three");
  if (!status) status = efme_model_set_metadata(written, "licence", "MIT");
  const char *now = efme_model_metadata(written, "description");
  must(!status || !strcmp(now, "two\nlines") || !strcmp(now, "three"), "description is \"%s\"", now);
  if (status) return status;
  add_text(hash, now);
  add_text(hash, efme_model_metadata(written, "licence"));
  return EFME_OK;
}

/* ---- out ---- */

static void make_old(int which) {
  (void)which;
  write_text(at("saved/old.safetensors"), "what was there before");
}

static void drop_saved(void) { remove_tree(at("saved")); }

static efme_status save(uint64_t *hash, int type) {
  efme_status status = efme_model_save(model, at("saved/old.safetensors"), (uint32_t)type);
  uint64_t now = 0, old = 0;
  add_tree(&now, at("saved"));
  if (!status) return add_bytes(hash, &now, sizeof now), EFME_OK;
  add_text(&old, "old.safetensors"); /* and nothing else */
  add_text(&old, "what was there before");
  must(now == old, "a save that failed (%s) changed its folder", efme_last_error());
  return status;
}

/* ---- predictors ---- */

static efme_predictor *predictor;

static efme_status make_predictor(efme_predictor **out) {
  static const char *const taps[] = {"gap", "block1a_se_excite"};
  efme_predictor_options o = EFME_PREDICTOR_OPTIONS_INIT;
  o.max_batch = 3, o.taps = taps, o.tap_count = 2;
  return efme_predictor_create(out, model, &o);
}

static efme_status create_predictor(uint64_t *hash, int which) {
  efme_predictor *p = NOTHING;
  char *text = NOTHING;
  (void)which;
  efme_status status = make_predictor(&p);
  if (status) return untouched(status, p);
  status = efme_predictor_plan(p, &text);
  efme_predictor_release(p);
  return took_text(hash, status, text);
}

static efme_image *face;

static void open_predictor(int which) {
  uint8_t pixels[40 * 30];
  (void)which;
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
  ok(make_predictor(&predictor));
  ok(efme_image_from_pixels(&face, faults_context, pixels, EFME_PIXEL_GREY8, 40, 30, 0));
}

static void close_predictor(void) {
  efme_predictor_release(predictor);
  efme_image_release(face);
}

/* Nothing is allocated, so nothing can fail. */
static efme_status predict(uint64_t *hash, int which) {
  efme_image *images[5] = {face, face, face, face, face};
  efme_prediction results[5];
  float probabilities[15], tap[1024];
  uint32_t dims[4];
  (void)which;
  efme_status status = efme_predictor_run_images(predictor, images, 5, results, probabilities);
  if (!status) status = efme_predictor_tap(predictor, "gap", tap, 1024, dims);
  if (status) return status;
  for (int i = 0; i < 5; i++) ok(results[i].status);
  add_bytes(hash, probabilities, sizeof probabilities);
  add_bytes(hash, dims, sizeof dims);
  return EFME_OK;
}

static const struct scenario scenarios[] = {
    {"create a model", 0, NULL, create, NULL, 0},
    {"load weights", 0, NULL, load, NULL, 0},
    {"load weights, another cut and head", 0, NULL, load_changed, NULL, 0},
    {"load weights from memory", 0, NULL, load_memory, NULL, 0},
    {"load weights from a callback", 0, NULL, load_stream, NULL, 0},
    {"import Keras", EFME_IMPORT_KERAS, NULL, import, NULL, 0},
    {"import timm", EFME_IMPORT_TIMM, NULL, import, NULL, 0},
    {"import torchvision", EFME_IMPORT_TORCHVISION, NULL, import, NULL, 0},
    {"clone", 0, NULL, clone_model, NULL, 0},
    {"set metadata", 0, make_copy, set_metadata, drop_copy, 0},
    {"save float32", EFME_WEIGHTS_F32, make_old, save, drop_saved, 0},
    {"save float16", EFME_WEIGHTS_F16, make_old, save, drop_saved, 0},
    {"save bfloat16", EFME_WEIGHTS_BF16, make_old, save, drop_saved, 0},
    {"create a predictor", 0, NULL, create_predictor, NULL, 0},
    {"predict", 0, open_predictor, predict, close_predictor, NONE},
};
const struct scene scene_weights = {open_scene, close_scene, scenarios, sizeof scenarios / sizeof scenarios[0]};
