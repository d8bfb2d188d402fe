/* Canonical names of the three sets of MEGC 2019, for all who read them: a disk says `s1`, the organisers' csv `6`, a log `s01`.
 *
 *   smic    s + at least two digits; clips begin with it and an underscore
 *   casme2  sub + at least two digits
 *   samm    at least three digits; clips begin with it and an underscore
 * Other sets' names stay as they are. Keys are then compared whole. */
#ifndef EFME_DATA_KEYS_H
#define EFME_DATA_KEYS_H

#include <stddef.h>

struct efme_key_form {
  const char *dataset, *prefix;
  size_t digits;  /* padded to */
  int clip_tells; /* clips begin with the subject */
};

/* Of a canonical dataset name; NULL: another set. */
const struct efme_key_form *efme_key_form(const char *dataset);
/* The canonical name of a set under the spellings in use, in any case ("CASME II": "casme2"); text itself where it is another. */
const char *efme_key_set(const char *text);
/* The number in n bytes of text, [prefix]digits, without leading zeros; 0 where it is something else. form may be NULL. */
int efme_key_number(const struct efme_key_form *form, const char *text, size_t n, const char **digits, size_t *count);
/* "s01" of such digits, 9 at most. */
void efme_key_spell(char out[32], const struct efme_key_form *form, const char *digits, size_t count);
/* A subject, or its canonical key, of a canonical dataset: what stands behind "dataset/". Either a part of subject or out. */
const char *efme_key_bare_subject(char out[32], const char *dataset, const char *subject);

#endif
