/* A context, files in memory, and small safetensors built from text. */
#ifndef EFME_TESTS_WEIGHTS_COMMON_H
#define EFME_TESTS_WEIGHTS_COMMON_H

#include "backend/context.h"
#include "efme/efme.h"
#include "net/safetensors.h"
#include "net/weights.h"
#include "test.h"

#define NAMES efme_classes_meg3()

static inline efme_context *make_context(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu";
  o.threads = 1;
  efme_context *context = NULL;
  ck_assert_msg(efme_context_create(&context, &o) == EFME_OK, "%s", efme_last_error());
  return context;
}

static inline efme_model *make_model(efme_context *context, uint32_t cut, uint32_t top, uint64_t seed) {
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = cut, o.top = top, o.seed = seed;
  o.class_names = NAMES, o.class_count = 3;
  efme_model *model = NULL;
  ck_assert_msg(efme_model_create(&model, context, &o) == EFME_OK, "%s", efme_last_error());
  return model;
}

static inline uint64_t checksum(const efme_model *model) {
  efme_model_info info = EFME_MODEL_INFO_INIT;
  ck_assert_int_eq(efme_model_get_info(model, &info), EFME_OK);
  return info.checksum;
}

/* length, header, data_size zero bytes; *size gets the whole. Free with free. */
static inline uint8_t *build_file(size_t *size, const char *header, size_t data_size) {
  uint64_t n = strlen(header);
  uint8_t *file = calloc(1, 8 + n + data_size + 1);
  memcpy(file, &n, 8);
  memcpy(file + 8, header, n);
  *size = 8 + n + data_size;
  return file;
}

static inline void expect_text(const char *part) {
  ck_assert_msg(strstr(efme_last_error(), part) != NULL, "\"%s\" does not say \"%s\"", efme_last_error(), part);
}

#endif
