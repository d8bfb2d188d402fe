/* Truths of a composite data set: the organisers' csv of MEGC 2019 or made by hand, as a data set with images of the
 * test's own or none. */
#ifndef EFME_EVAL_TRUTHS_H
#define EFME_EVAL_TRUTHS_H

#include "eval_test.h"

static const char *const meg3[] = {"negative", "positive", "surprise"};

struct truths {
  uint64_t count;
  struct {
    char dataset[16], subject[16], clip[32];
    int32_t label;
  } items[512];
};

static inline efme_status truths_describe(efme_sample *s, uint64_t index, void *user) {
  const struct truths *t = user;
  s->dataset = t->items[index].dataset;
  s->subject = t->items[index].subject;
  s->clip = t->items[index].clip;
  s->label = t->items[index].label;
  return EFME_OK;
}

static inline efme_status truths_no_image(efme_image **out, efme_context *context, uint64_t index, void *user) {
  (void)out, (void)context, (void)index, (void)user;
  return EFME_E_UNSUPPORTED;
}

/* read NULL: images that cannot be read. */
static inline efme_dataset *truths_open(efme_context *context, struct truths *t,
                                        efme_status (*read)(efme_image **out, efme_context *context, uint64_t index, void *user)) {
  efme_dataset_callbacks c = {sizeof c, t->count, truths_describe, read ? read : truths_no_image, NULL, t, meg3, 3, 0};
  efme_dataset *d = NULL;
  OK(efme_dataset_create(&d, context, &c));
  return d;
}
static inline efme_dataset *truths_dataset(efme_context *context, struct truths *t) { return truths_open(context, t, NULL); }

/* The organisers' csv: `casme2,sub01,EP02_01f,1`; the second file has empty rows between. */
static inline struct truths *load_megc(const char *name) {
  struct truths *t = calloc(1, sizeof *t);
  char *text = test_read(test_shared(name), NULL);
  for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
    if (line[0] == ',') continue;
    ck_assert_uint_lt(t->count, 512);
    ck_assert_int_eq(sscanf(line, "%15[^,],%15[^,],%31[^,],%d", t->items[t->count].dataset, t->items[t->count].subject,
                            t->items[t->count].clip, &t->items[t->count].label),
                     4);
    t->count++;
  }
  free(text);
  return t;
}

#endif
