/* Weight files: as libefme's own from memory and from a callback in pieces, and as foreign ones. The content hash is passed over, or
 * nothing changed would ever be looked at. */
#include "fuzz.h"

#include "net/model.h"
#include "net/weights.h"

struct stream {
  const uint8_t *data;
  size_t size;
};

/* 700 bytes at most each time, from any offset. */
static efme_status read_some(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  const struct stream *s = user;
  *got = offset >= s->size ? 0 : EFME_MIN(EFME_MIN(size, (size_t)700), s->size - (size_t)offset);
  if (*got) memcpy(buffer, s->data + offset, *got);
  return EFME_OK;
}

#define BAD (FUZZ_MAY(FORMAT) | FUZZ_MAY(MISMATCH) | FUZZ_MAY(UNSUPPORTED) | FUZZ_MAY(LIMIT) | FUZZ_MAY(NUMERIC))

/* A loaded model answers every question. */
static uint64_t use(const efme_model *model) {
  efme_model_info info = EFME_MODEL_INFO_INIT;
  const char *name;
  uint32_t dims[4];
  FUZZ_CHECK(efme_model_get_info(model, &info) == EFME_OK, "info");
  FUZZ_CHECK(info.class_count >= 2 && info.cut >= 1 && info.cut <= 7 && info.height >= 32 && info.width <= 4096, "%u classes, cut %u",
             info.class_count, info.cut);
  for (uint32_t i = 0; i < info.tensor_count; i++) FUZZ_CHECK(efme_model_tensor(model, i, &name, dims) == EFME_OK, "tensor %u", i);
  for (uint32_t c = 0; c < info.class_count; c++) FUZZ_CHECK(*efme_model_class_name(model, c), "class %u", c);
  for (uint32_t d = 0; d < efme_model_seen_dataset_count(model); d++) FUZZ_CHECK(*efme_model_seen_dataset(model, d), "dataset %u", d);
  return info.checksum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  efme_model *model = NULL, *streamed = NULL;
  struct stream stream = {data, size};
  efme_context *context = fuzz_context();
  o.ignore_checksum = 1;
  fuzz_begin((64u << 20) + 64 * size); /* B0 whole and its table are below 40 MiB */
  efme_status status = fuzz_status(efme_model_load_memory(&model, context, data, size, &o), BAD, "weights in memory");
  FUZZ_CHECK(!status == !!model, "out");
  efme_status other = fuzz_status(efme_model_load_stream(&streamed, context, read_some, &stream, &o), BAD, "weights from a callback");
  FUZZ_CHECK(!status == !other, "%s in pieces, %s at once", efme_status_name(other), efme_status_name(status));
  if (model) FUZZ_CHECK(use(model) == use(streamed), "other weights in pieces");
  efme_model_release(model);
  efme_model_release(streamed);

  struct efme_st_memory memory = {data, size};
  struct efme_st_source source;
  model = NULL;
  o.head = EFME_HEAD_RESET, o.class_names = efme_classes_meg3(), o.class_count = 3;
  efme_st_source_memory(&source, &memory);
  if (fuzz_status(efme_weights_import(&model, context, &source, NULL, &o), BAD, "weights in memory") == EFME_OK) use(model);
  efme_model_release(model);
  fuzz_end();
  return 0;
}

/* ---- seeds ---- */

static void emit_text(fuzz_emit_fn emit, const char *name, const char *header, size_t data) {
  uint64_t n = strlen(header);
  uint8_t *file = calloc(1, 8 + n + data);
  memcpy(file, &n, 8);
  memcpy(file + 8, header, n);
  emit(name, file, 8 + n + data, SIZE_MAX);
  free(file);
}

static void emit_model(fuzz_emit_fn emit, const char *name, uint32_t type) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  efme_model *model = NULL;
  uint8_t *data = NULL;
  size_t size = 0;
  uint64_t header;
  o.cut = 1, o.class_names = efme_classes_meg3(), o.class_count = 3;
  const char *path = fuzz_write("model", "", 0);
  FUZZ_CHECK(efme_model_create(&model, fuzz_context(), &o) == EFME_OK, "model");
  FUZZ_CHECK(efme_model_set_metadata(model, "licence", "\"MIT\" \\ \xc3\xa9") == EFME_OK, "metadata");
  FUZZ_CHECK(efme_model_save(model, path, type) == EFME_OK, "save");
  FUZZ_CHECK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1 << 20) == EFME_OK, "read");
  memcpy(&header, data, 8);
  emit(name, data, size, type == EFME_WEIGHTS_F16 ? 8 + (size_t)header : 64);
  efme_mem_free(&efme_allocator_libc, data);
  efme_model_release(model);
}

void fuzz_seeds(fuzz_emit_fn emit) {
  emit_text(emit, "bad one",
            "{\"__metadata__\":{\"efme.format\":\"1.0\",\"k\":\"\\u00e9\\ud83d\\ude00\\n\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],"
            "\"data_offsets\":[0,24]},\"b\":{\"data_offsets\":[24,26],\"shape\":[],\"dtype\":\"BF16\"}}   ",
            26);
  emit_text(emit, "bad timm", "{\"conv_stem.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[0,4]}}", 4);
  emit_model(emit, "half", EFME_WEIGHTS_F16);
  emit_model(emit, "float", EFME_WEIGHTS_F32);
}
