/* Canonical keys (data/keys.h) for what stands in logs and tables of others, clips included: "s1_ne_01" is "s01_ne_01". Dataset names
 * compare without case. */
#ifndef EFME_EVAL_KEY_H
#define EFME_EVAL_KEY_H

#include "data/strings.h"

/* A copy of text; "a/b". NULL with NOMEM's text, here and below. */
const char *efme_key_copy(struct efme_strings *pool, const char *text);
const char *efme_key_join(struct efme_strings *pool, const char *a, const char *b);
const char *efme_key_dataset(struct efme_strings *pool, const char *text);
/* "SMIC/s1": the canonical dataset and what stands behind it; *dataset NULL where there is no slash. */
efme_status efme_key_split(struct efme_strings *pool, const char **dataset, const char **rest, const char *text);
/* The canonical subject "smic/s01"; text may be a key of the dataset, in any spelling. */
const char *efme_key_subject(struct efme_strings *pool, const char *dataset, const char *text);
const char *efme_key_clip(struct efme_strings *pool, const char *dataset, const char *text);
/* The subject that a clip's own name tells ("smic/s11" of "s11_ne_01", "samm/006" of "006_1_2"); *out NULL where it tells none. */
efme_status efme_key_subject_of_clip(struct efme_strings *pool, const char **out, const char *dataset, const char *clip);
/* 1: the scripts' path search for `part` also finds `whole` ("smic/s01", as "s1", in "smic/s11"). Both canonical. */
int efme_key_substring(const char *part, const char *whole);

#endif
