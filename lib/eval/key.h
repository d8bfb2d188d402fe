/* Canonical keys for what others wrote: the official csv says subject `6` and `s01`, a disk `s1`, a log `006`.
 *
 *   smic    s + at least two digits, also at the front of clips ("s1_ne_01" is "s01_ne_01")
 *   casme2  sub + at least two digits
 *   samm    at least three digits
 * Dataset names compare without case; other datasets' subjects stay as they are. Keys are then compared whole. */
#ifndef EFME_EVAL_KEY_H
#define EFME_EVAL_KEY_H

#include "data/strings.h"

/* A copy of text; "a/b". NULL with NOMEM's text, here and below. */
const char *efme_key_copy(struct efme_strings *pool, const char *text);
const char *efme_key_join(struct efme_strings *pool, const char *a, const char *b);
const char *efme_key_dataset(struct efme_strings *pool, const char *text);
/* The canonical subject "smic/s01"; text may already be one. */
const char *efme_key_subject(struct efme_strings *pool, const char *dataset, const char *text);
const char *efme_key_clip(struct efme_strings *pool, const char *dataset, const char *text);
/* The subject that a clip's own name tells ("smic/s11" of "s11_ne_01", "samm/006" of "006_1_2"); *out NULL where it tells none. */
efme_status efme_key_subject_of_clip(struct efme_strings *pool, const char **out, const char *dataset, const char *clip);
/* 1: the scripts' path search for `part` also finds `whole` ("smic/s01", as "s1", in "smic/s11"). Both canonical. */
int efme_key_substring(const char *part, const char *whole);

#endif
