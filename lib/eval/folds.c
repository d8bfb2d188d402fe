/* The folds of foreign predictions: which subject each is named after, and what they test that they must not.
 *
 * A log names dataset and subject. A table may hold keys ("smic/s1"), bare subjects ("s1") or names of its own ("fold 3"). Bare
 * names are taken for subjects where each of them is one, and one only, whose clips its fold tests. Where that holds of some
 * names, or of subjects that are tested elsewhere, nobody can tell what the names mean: a flag. Whatever they mean, a subject in
 * two folds was tested by a model that could train on it. */
#include <stdlib.h>
#include <string.h>

#include "eval/key.h"
#include "eval/result.h"

/* Rows in some order, for looking at those that belong together. */
struct rows {
  struct efme_outcome **at;
  size_t count;
};

static int compare(const struct efme_outcome *x, const struct efme_outcome *y, int order) { return order ? order : x < y ? -1 : x > y; }

static int by_fold(const void *a, const void *b) {
  const struct efme_outcome *x = *(struct efme_outcome *const *)a, *y = *(struct efme_outcome *const *)b;
  return compare(x, y, strcmp(x->fold, y->fold));
}

static int by_subject(const void *a, const void *b) {
  const struct efme_outcome *x = *(struct efme_outcome *const *)a, *y = *(struct efme_outcome *const *)b;
  int order = strcmp(x->subject, y->subject);
  return compare(x, y, order ? order : strcmp(x->fold, y->fold));
}

/* All rows, or those whose fold is not known to be a subject. */
static efme_status sort_rows(struct rows *out, struct efme_result *r, int bare, int (*order)(const void *, const void *)) {
  out->at = efme_mem_array(r->allocator, r->count, sizeof *out->at, "rows by fold");
  if (!out->at) return EFME_E_NOMEM;
  out->count = 0;
  for (size_t i = 0; i < r->count; i++)
    if (!bare || !r->rows[i].fold_is_subject) out->at[out->count++] = &r->rows[i];
  qsort(out->at, out->count, sizeof *out->at, order);
  return EFME_OK;
}

/* ---- what the names mean ---- */

static efme_status read_keys(struct efme_result *r) {
  for (size_t i = 0; i < r->count; i++) {
    struct efme_outcome *row = &r->rows[i];
    const char *dataset, *subject;
    if (row->fold_is_subject) continue;
    if (efme_key_split(&r->pool, &dataset, &subject, row->fold)) return EFME_E_NOMEM;
    if (!dataset || !efme_result_counts(r, dataset)) continue;
    row->fold = efme_key_subject(&r->pool, dataset, subject);
    if (!row->fold) return EFME_E_NOMEM;
    row->fold_is_subject = 1;
  }
  return EFME_OK;
}

/* A bare name: rows of one fold. */
struct name {
  struct efme_outcome **rows;
  size_t count;
  const char *subject, *second; /* of that name, tested here */
  const char *elsewhere;        /* of that name, tested in other folds only */
};

static int subject_is(const void *key, const void *row) { return strcmp(key, (*(struct efme_outcome *const *)row)->subject); }

static efme_status look_up(struct name *n, struct efme_result *r, const struct rows *subjects) {
  for (size_t i = 0; i < n->count; i++) {
    const struct efme_outcome *row = n->rows[i];
    const char *key = efme_key_subject(&r->pool, row->dataset, row->fold);
    if (!key) return EFME_E_NOMEM;
    if (strcmp(key, row->subject)) {
      if (!n->elsewhere && bsearch(key, subjects->at, subjects->count, sizeof *subjects->at, subject_is)) n->elsewhere = key;
    } else if (!n->subject) n->subject = key;
    else if (strcmp(key, n->subject)) n->second = key;
  }
  return EFME_OK;
}

static efme_status doubt(struct efme_result *r, const struct name *n) {
  const char *fold = n->rows[0]->fold;
  char why[400];
  if (n->second) snprintf(why, sizeof why, "`%.80s` may be %.120s or %.120s", fold, n->subject, n->second);
  else if (n->elsewhere) snprintf(why, sizeof why, "`%.80s` may be %.120s, of whom that fold tests nothing", fold, n->elsewhere);
  else snprintf(why, sizeof why, "`%.80s` is no subject that it tests, others are", fold);
  return efme_result_find(r, 1, "unclear-folds", "fold names may be subjects or not: %s. Name them `dataset/subject`", why);
}

/* The names one by one: what each row's means; *odd, the first that does not mean one subject; whether any is like a subject's. */
static efme_status take_names(const char **meant, struct name *odd, int *like, struct efme_result *r, const struct rows *bare,
                              const struct rows *subjects) {
  for (size_t i = 0, n; i < bare->count; i += n) {
    for (n = 1; i + n < bare->count && !strcmp(bare->at[i + n]->fold, bare->at[i]->fold);) n++;
    struct name name = {.rows = bare->at + i, .count = n};
    efme_status status = look_up(&name, r, subjects);
    if (status) return status;
    for (size_t k = 0; k < n; k++) meant[i + k] = name.subject;
    *like |= name.subject || name.elsewhere;
    if (!odd->count && (!name.subject || name.second)) *odd = name;
  }
  return EFME_OK;
}

static efme_status name_bare(struct efme_result *r, const struct rows *bare, const struct rows *subjects) {
  struct name odd = {0};
  int like = 0;
  const char **meant = efme_mem_array(r->allocator, bare->count, sizeof *meant, "names of folds");
  if (!meant) return EFME_E_NOMEM;
  efme_status status = take_names(meant, &odd, &like, r, bare, subjects);
  for (size_t i = 0; status == EFME_OK && !odd.count && i < bare->count; i++)
    bare->at[i]->fold = meant[i], bare->at[i]->fold_is_subject = 1;
  efme_mem_free(r->allocator, meant);
  return status == EFME_OK && odd.count && like ? doubt(r, &odd) : status;
}

efme_status efme_result_name_folds(struct efme_result *r) {
  struct rows bare = {0}, subjects = {0};
  efme_status status = read_keys(r);
  if (status == EFME_OK) status = sort_rows(&bare, r, 1, by_fold);
  if (status == EFME_OK && bare.count) status = sort_rows(&subjects, r, 0, by_subject);
  if (status == EFME_OK && bare.count) status = name_bare(r, &bare, &subjects);
  efme_mem_free(r->allocator, bare.at);
  efme_mem_free(r->allocator, subjects.at);
  return status;
}

/* ---- what the folds test ---- */

static efme_status find_wrong_folds(struct efme_result *r) {
  const struct efme_outcome *first = NULL, *part = NULL;
  for (size_t i = 0; i < r->count; i++) {
    const struct efme_outcome *row = &r->rows[i];
    if (!*row->subject || !row->fold_is_subject || !strcmp(row->fold, row->subject)) continue;
    r->foreign.wrong_fold++;
    if (!first) first = row;
    if (!efme_key_substring(row->fold, row->subject)) continue;
    r->foreign.substring++;
    if (!part) part = row;
  }
  efme_status status = EFME_OK;
  if (first)
    status = efme_result_find(r, 1, "wrong-fold",
                              "%llu lines test a clip in the fold of another subject, first %s in fold %s: that model was not kept from %s",
                              (unsigned long long)r->foreign.wrong_fold, first->key, first->fold, first->subject);
  if (status == EFME_OK && part)
    status = efme_result_find(
        r, 1, "substring",
        "%llu of these are what a search by substring finds: %s is part of %s (first clip %s); keys must be compared whole",
        (unsigned long long)r->foreign.substring, strchr(part->fold, '/') + 1, strchr(part->subject, '/') + 1, part->clip);
  return status;
}

/* Subjects in two folds, where names do not say whose the folds are. */
static efme_status find_split_subjects(struct efme_result *r) {
  struct rows rows;
  const struct efme_outcome *a = NULL, *b = NULL;
  efme_status status = sort_rows(&rows, r, 0, by_subject);
  if (status) return status;
  for (size_t i = 0, n; i < rows.count; i += n) {
    const struct efme_outcome *first = rows.at[i], *other = NULL;
    int unnamed = 0;
    for (n = 0; i + n < rows.count && !strcmp(rows.at[i + n]->subject, first->subject); n++) {
      if (!other && strcmp(rows.at[i + n]->fold, first->fold)) other = rows.at[i + n];
      unnamed |= !rows.at[i + n]->fold_is_subject;
    }
    if (!*first->subject || !other || !unnamed) continue;
    r->foreign.split_subjects++;
    if (!a) a = first, b = other;
  }
  efme_mem_free(r->allocator, rows.at);
  if (!a) return EFME_OK;
  return efme_result_find(r, 1, "split-subject",
                          "%llu subjects are tested in more than one fold, first %s in %s and in %s: those models could train on it",
                          (unsigned long long)r->foreign.split_subjects, a->subject, a->fold, b->fold);
}

efme_status efme_result_check_folds(struct efme_result *r) {
  efme_status status = find_wrong_folds(r);
  return status ? status : find_split_subjects(r);
}
