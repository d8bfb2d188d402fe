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

/* A log of the truths, all predicted right. by_substring: folds hold what a search for the subject's name on disk finds in the paths, so
 * fold s1 of SMIC tests s11 too. */
static inline char *megc_log(const struct truths *t, int by_substring) {
  char *log = malloc(1 << 20);
  size_t n = 0;
  for (uint64_t i = 0; i < t->count; i++) {
    if (i && !strcmp(t->items[i].subject, t->items[i - 1].subject) && !strcmp(t->items[i].dataset, t->items[i - 1].dataset)) continue;
    int search = by_substring && !strcmp(t->items[i].dataset, "smic");
    char name[24], other[24];
    snprintf(name, sizeof name, "%s", t->items[i].subject);
    if (search) snprintf(name, sizeof name, "s%d", atoi(t->items[i].subject + 1));
    n += (size_t)sprintf(log + n, "%s %s\n", t->items[i].dataset, name);
    for (uint64_t k = 0; k < t->count; k++) {
      if (strcmp(t->items[k].dataset, t->items[i].dataset)) continue;
      snprintf(other, sizeof other, "s%d", atoi(t->items[k].subject + 1));
      if (search ? strstr(other, name) != NULL : !strcmp(t->items[k].subject, t->items[i].subject))
        n += (size_t)sprintf(log + n, "%s %d %d\n", t->items[k].clip, t->items[k].label, t->items[k].label);
    }
  }
  return log;
}

/* A log as a file of the folder, read. */
static inline efme_result *truths_from_log(efme_context *context, const char *folder, const char *text, const efme_dataset *expected) {
  const char *path = test_path(folder, "some.log");
  test_write(path, text, strlen(text));
  efme_result *r = NULL;
  OK(efme_result_from_log(&r, context, path, meg3, 3, expected));
  return r;
}

/* A log with this confusion, in folds of five lines. */
static inline char *truths_log(const int counts[3][3]) {
  char *log = malloc(1 << 16);
  size_t n = 0;
  int line = 0;
  for (int truth = 0; truth < 3; truth++)
    for (int predicted = 0; predicted < 3; predicted++)
      for (int k = 0; k < counts[truth][predicted]; k++, line++) {
        if (line % 5 == 0) n += (size_t)sprintf(log + n, "own p%d\n", line / 5);
        n += (size_t)sprintf(log + n, "c%d %d %d\n", line, truth, predicted);
      }
  return log;
}

#endif
