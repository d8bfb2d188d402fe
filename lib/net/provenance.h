/* Provenance: what a set of weights has seen. It grows through every fine-tune and never shrinks, so that the leak audit
 * can refuse weights that know a tested subject.
 *
 * Three sorted sets without repeats: dataset ids ("fer2013"), canonical subject keys ("casme2/sub01"), pixel hashes. A file
 * that says nothing about its past is unknown, and what is trained from it stays unknown. Not shared between threads while
 * it changes; a model's own is constant. */
#ifndef EFME_NET_PROVENANCE_H
#define EFME_NET_PROVENANCE_H

#include "util/util.h"

struct efme_provenance {
  struct efme_allocator allocator;
  int known;                   /* 1: all that these weights saw stands here; 0: they come from elsewhere */
  char **datasets, **subjects; /* in byte order */
  uint64_t *contents;          /* rising */
  size_t dataset_count, subject_count, content_count;
  size_t dataset_capacity, subject_capacity, content_capacity;
};

/* Empty. */
efme_status efme_provenance_create(struct efme_provenance **out, const struct efme_allocator *a, int known);
efme_status efme_provenance_clone(struct efme_provenance **out, const struct efme_allocator *a, const struct efme_provenance *source);
void efme_provenance_free(struct efme_provenance *p); /* NULL allowed */

/* "" and NULL are left out, as is what stands there already. On failure p holds what it held. */
efme_status efme_provenance_add_dataset(struct efme_provenance *p, const char *id);
efme_status efme_provenance_add_subject(struct efme_provenance *p, const char *key);
/* A sample's: where it names no subject, "DATASET/" stands among the subjects, since nobody can tell then who of the set was seen. */
efme_status efme_provenance_add_sample(struct efme_provenance *p, const char *dataset, const char *subject); /* neither is NULL */
/* Any order, repeats allowed; hash 0 ("not computed") is left out. */
efme_status efme_provenance_add_contents(struct efme_provenance *p, const uint64_t *hashes, size_t count);
/* The union; known only if both are. */
efme_status efme_provenance_merge(struct efme_provenance *p, const struct efme_provenance *other);

int efme_provenance_has_dataset(const struct efme_provenance *p, const char *id);
int efme_provenance_has_subject(const struct efme_provenance *p, const char *key);
int efme_provenance_has_content(const struct efme_provenance *p, uint64_t hash);
/* 1: samples of this dataset were seen that named no subject. */
int efme_provenance_has_nameless(const struct efme_provenance *p, const char *dataset);
int efme_provenance_equal(const struct efme_provenance *a, const struct efme_provenance *b);

/* One text, for the "provenance" entry of a file's metadata (the writer of the file escapes it as any string):
 *   efme-provenance 1 known|unknown
 *   d ID            a line each, \\ and \n escaped by a backslash
 *   s SUBJECT
 *   h HASHES        all hashes, 16 hex digits each, one after the other
 * Parsing refuses another major version, unknown lines and what is out of order. */
void efme_provenance_write(const struct efme_provenance *p, struct efme_text *text);
efme_status efme_provenance_parse(struct efme_provenance **out, const struct efme_allocator *a, const char *text, size_t size);

#endif
