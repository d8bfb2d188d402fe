/* A dataset that a fuzz target opened answers every question that one can be asked. */
#ifndef EFME_TESTS_FUZZ_DATASET_H
#define EFME_TESTS_FUZZ_DATASET_H

#include "fuzz.h"

/* Errors of reading a sample's image name its file. */
static inline void fuzz_use_dataset(const efme_dataset *d) {
  uint64_t count = efme_dataset_count(d);
  uint32_t classes = efme_dataset_class_count(d);
  char *text = NULL;
  FUZZ_CHECK(count >= 1 && classes >= 1 && classes <= EFME_MAX_CLASSES, "%llu samples, %u classes", (unsigned long long)count, classes);
  for (uint32_t c = 0; c < classes; c++) FUZZ_CHECK(efme_dataset_class_name(d, c), "class %u", c);
  for (uint64_t i = 0; i < count; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    FUZZ_CHECK(efme_dataset_sample(d, i, &s) == EFME_OK, "sample %llu", (unsigned long long)i);
    FUZZ_CHECK(s.label >= 0 && (uint32_t)s.label < classes && *s.key && *s.dataset && *s.clip, "sample %llu", (unsigned long long)i);
    size_t n = strlen(s.key), m = strlen(s.clip);
    FUZZ_CHECK(m < n && !strcmp(s.key + n - m, s.clip) && s.key[n - m - 1] == '/', "clip %s is not the tail of %s", s.clip, s.key);
    FUZZ_CHECK(!*s.subject || !strncmp(s.subject, s.dataset, strlen(s.dataset)), "subject %s of %s", s.subject, s.dataset);
  }
  for (int json = 0; json < 2; json++) {
    FUZZ_CHECK(efme_dataset_describe(d, json, &text) == EFME_OK && *text, "describe");
    if (json) fuzz_check_json(text);
    efme_string_free(text);
  }
  efme_image *image = NULL;
  efme_sample s = EFME_SAMPLE_INIT;
  FUZZ_CHECK(efme_dataset_sample(d, count - 1, &s) == EFME_OK, "sample");
  fuzz_status(efme_dataset_read(d, count - 1, &image), FUZZ_MAY(FORMAT) | FUZZ_MAY(UNSUPPORTED), s.path);
  efme_image_release(image);
  efme_dataset *view = NULL;
  if (fuzz_status(efme_dataset_map_labels(&view, d, efme_label_map_builtin("meg3")), FUZZ_MAY(MISMATCH), "") == EFME_OK)
    efme_dataset_release(view);
}

#endif
