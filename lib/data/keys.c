/* See keys.h. */
#include "data/keys.h"

#include <stdio.h>
#include <string.h>

#include "util/util.h"

static const struct efme_key_form forms[] = {{"smic", "s", 2, 1}, {"casme2", "sub", 2, 0}, {"samm", "", 3, 1}};

const struct efme_key_form *efme_key_form(const char *dataset) {
  for (size_t i = 0; i < EFME_COUNT(forms); i++)
    if (!strcmp(forms[i].dataset, dataset)) return &forms[i];
  return NULL;
}

const char *efme_key_set(const char *text) {
  static const char *const spellings[][2] = {{"smic", "smic"},       {"smic-hs", "smic"},   {"smic_hs", "smic"},    {"casme2", "casme2"},
                                             {"casme ii", "casme2"}, {"casmeii", "casme2"}, {"casme_ii", "casme2"}, {"samm", "samm"},
                                             {"ck+", "ckplus"},      {"ckplus", "ckplus"}};
  for (size_t i = 0; i < EFME_COUNT(spellings); i++)
    if (efme_equal_words(text, spellings[i][0])) return spellings[i][1];
  return text;
}

int efme_key_number(const struct efme_key_form *form, const char *text, size_t n, const char **digits, size_t *count) {
  if (!form) return 0;
  size_t k = strlen(form->prefix);
  if (n > k && efme_equal_words_n(text, k, form->prefix)) text += k, n -= k;
  if (n == 0 || n > 9) return 0;
  for (size_t i = 0; i < n; i++)
    if (text[i] < '0' || text[i] > '9') return 0;
  while (n > 1 && *text == '0') text++, n--;
  *digits = text;
  *count = n;
  return 1;
}

void efme_key_spell(char out[32], const struct efme_key_form *form, const char *digits, size_t count) {
  size_t zeros = count < form->digits ? form->digits - count : 0;
  snprintf(out, 32, "%s%.*s%.*s", form->prefix, (int)zeros, "000", (int)count, digits);
}

const char *efme_key_bare_subject(char out[32], const char *dataset, const char *subject) {
  const struct efme_key_form *form = efme_key_form(dataset);
  const char *digits;
  size_t n = strlen(dataset), count;
  if (!strncmp(subject, dataset, n) && subject[n] == '/') subject += n + 1; /* a canonical key already */
  if (!efme_key_number(form, subject, strlen(subject), &digits, &count)) return subject;
  efme_key_spell(out, form, digits, count);
  return out;
}
