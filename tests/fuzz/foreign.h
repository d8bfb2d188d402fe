/* Predictions of others: what both their forms have in common. */
#ifndef EFME_TESTS_FUZZ_FOREIGN_H
#define EFME_TESTS_FUZZ_FOREIGN_H

#include "eval/result.h"
#include "fuzz.h"

typedef efme_status (*foreign_read_fn)(efme_result **, efme_context *, const char *, const char *const *, uint32_t, const efme_dataset *);
typedef efme_status (*foreign_write_fn)(const struct efme_result *, struct efme_text *);

/* Four samples there should be. */
static inline efme_status foreign_describe(efme_sample *s, uint64_t index, void *user) {
  static const char *const subjects[] = {"sub01", "sub01", "sub02", "s11"}, *const clips[] = {"EP01_1", "EP02", "EP01_1", "s11_1"};
  (void)user;
  s->dataset = index < 3 ? "casme2" : "smic";
  s->subject = subjects[index], s->clip = clips[index];
  s->label = (int32_t)index % 3;
  return EFME_OK;
}

static inline efme_status foreign_image(efme_image **out, efme_context *context, uint64_t index, void *user) {
  (void)user;
  uint8_t pixel = (uint8_t)index;
  return efme_image_from_pixels(out, context, &pixel, EFME_PIXEL_GREY8, 1, 1, 0);
}

static inline const efme_dataset *foreign_expected(void) {
  static efme_dataset *expected;
  efme_dataset_callbacks c = {sizeof c, 4, foreign_describe, foreign_image, NULL, NULL, efme_classes_meg3(), 3, 0};
  if (!expected) FUZZ_CHECK(efme_dataset_create(&expected, fuzz_context(), &c) == EFME_OK, "expected");
  return expected;
}

static inline int foreign_unit(double v) { return v >= 0.0 && v <= 1.0; }

static inline void foreign_use(const efme_result *r) {
  efme_scores s = EFME_SCORES_INIT;
  char *text = NULL;
  uint32_t findings = 0;
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  FUZZ_CHECK(efme_result_scores(r, NULL, &s) == EFME_OK && s.samples == efme_result_count(r) && s.samples, "scores");
  FUZZ_CHECK(foreign_unit(s.uf1) && foreign_unit(s.uar) && foreign_unit(s.accuracy) && foreign_unit(s.weighted_f1) &&
                 foreign_unit(s.uf1_present) && foreign_unit(s.uar_present),
             "UF1 %g UAR %g accuracy %g", s.uf1, s.uar, s.accuracy);
  uint64_t samples = 0;
  for (uint32_t d = 0; d < efme_result_dataset_count(r); d++) {
    efme_scores one = EFME_SCORES_INIT;
    FUZZ_CHECK(efme_result_scores(r, efme_result_dataset(r, d), &one) == EFME_OK && one.samples, "dataset %u", d);
    samples += one.samples;
  }
  FUZZ_CHECK(samples == s.samples, "datasets hold %llu of %llu", (unsigned long long)samples, (unsigned long long)s.samples);
  FUZZ_CHECK(efme_result_text(r, &text) == EFME_OK, "text");
  efme_string_free(text);
  FUZZ_CHECK(efme_result_audit_json(r, &text) == EFME_OK, "audit");
  fuzz_check_json(text);
  efme_string_free(text);
  row.uf1 = s.uf1, row.uar = s.uar, row.accuracy = s.accuracy, row.decimals = 9;
  FUZZ_CHECK(efme_result_check_row(&text, &findings, r, &row) == EFME_OK && !findings, "its own scores are doubted: %s", text);
  efme_string_free(text);
}

/* What the form writes reads back to the same, and is written the same again. */
static inline void foreign_again(const efme_result *r, foreign_read_fn read, foreign_write_fn write) {
  struct efme_text first, second;
  efme_result *again = NULL;
  efme_text_init(&first, r->allocator), efme_text_init(&second, r->allocator);
  FUZZ_CHECK(write(r, &first) == EFME_OK, "write");
  FUZZ_CHECK(read(&again, fuzz_context(), fuzz_write("again", first.data, first.size), NULL, r->classes, NULL) == EFME_OK,
             "what was written:\n%.3000s", first.data);
  FUZZ_CHECK(write(again, &second) == EFME_OK, "write");
  FUZZ_CHECK(first.size == second.size && !memcmp(first.data, second.data, first.size), "written:\n%.3000s\nthen:\n%.3000s", first.data,
             second.data);
  FUZZ_CHECK(r->count == again->count, "%zu, then %zu rows", r->count, again->count);
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_outcome *a = &r->rows[i], *b = &again->rows[i];
    FUZZ_CHECK(a->truth == b->truth && a->predicted == b->predicted && !strcmp(a->key, b->key) && !strcmp(a->fold, b->fold),
               "row %zu: %s %s, then %s %s", i, a->key, a->fold, b->key, b->fold);
  }
  efme_text_free(&first), efme_text_free(&second);
  efme_result_release(again);
}

static inline void foreign_try(const uint8_t *data, size_t size, foreign_read_fn read, foreign_write_fn write) {
  const efme_dataset *expected = foreign_expected();
  const char *path = fuzz_write("input", data, size);
  efme_result *r = NULL;
  fuzz_begin((4u << 20) + 4096 * size);
  if (fuzz_status(read(&r, fuzz_context(), path, NULL, 4, NULL), FUZZ_MAY(FORMAT) | FUZZ_MAY(LIMIT), "input") == EFME_OK) {
    foreign_use(r);
    foreign_again(r, read, write);
    efme_result_release(r);
  } else FUZZ_CHECK(!r, "out");
  r = NULL;
  if (fuzz_status(read(&r, fuzz_context(), path, NULL, 3, expected), FUZZ_MAY(FORMAT) | FUZZ_MAY(LIMIT), "input") == EFME_OK)
    foreign_use(r);
  efme_result_release(r);
  fuzz_end();
}

#endif
