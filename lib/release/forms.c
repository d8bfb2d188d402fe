/* The releases that are known, a row each. Sources: docs/releases.md. */
#include <string.h>

#include "release/release.h"

#define SMIC_LABELS "negative|positive|surprise"
#define EMOTIONS "happiness|disgust|surprise|fear|sadness|anger|contempt|repression|tense|other|others"

static const struct efme_form forms[] = {
    {.name = "smic-hs",
     .key = {"smic", "s", 2, 1},
     .labels = SMIC_LABELS,
     .flags = EFME_FORM_NO_TABLE | EFME_FORM_NO_APEX | EFME_FORM_NAME_LABEL,
     .trees = {{"raw", "HS", "S/micro/L/C"},
               {"raw", "", "S/micro/L/C"},
               {"raw", "HS", "S/L/C"},
               {"raw", "", "S/L/C"},
               {"raw", "SMIC_all_raw/HS", "S/micro/L/C"},
               {"cropped", "SMIC_all_cropped/HS", "S/micro/L/C"},
               {"cropped", "SMIC_all_cropped/HS", "S/L/C"}}},
    {.name = "smic-e",
     .key = {"smic", "s", 2, 1},
     .tables = {"SMIC-HS-E_annotation", "SMIC-HS-E_annotation_2019"},
     .labels = SMIC_LABELS,
     .flags = EFME_FORM_NO_APEX | EFME_FORM_NAME_LABEL,
     .trees = {{"raw", "", "S/C"},
               {"raw", "SMIC-HS-E", "S/C"},
               {"raw", "HS_long/SMIC-HS-E", "S/C"},
               {"raw", "SMIC-E_raw image/HS_long/SMIC-HS-E", "S/C"}}},
    {.name = "casme2",
     .key = {"casme2", "sub", 2, 0},
     .tables = {"CASME2-coding-20140508", "CASME2-coding-20190701", "CASME2-coding-updated", "CASME2_label_Ver_2"},
     .labels = EMOTIONS,
     .trees = {{"raw", "CASME2-RAW", "S/C"},
               {"raw", "CASME2_RAW", "S/C"},
               {"selected", "CASME2_RAW_selected", "S/C"},
               {"selected", "CASME2-RAW_selected", "S/C"},
               {"cropped", "Cropped", "S/C"},
               {"raw", "", "S/C"}}},
    {.name = "samm",
     .key = {"samm", "", 3, 1},
     .tables = {"SAMM_Micro_FACS_Codes_v2", "SAMM_20181215_Micro_FACS_Codes_v2"},
     .labels = EMOTIONS,
     .trees = {{"raw", "SAMM", "S/C"}, {"raw", "", "S/C"}, {"cropped", "Cropped", "S/C"}}},
    {.name = "casme",
     .key = {"casme", "sub", 2, 0},
     .tables = {"casme"},
     .labels = EMOTIONS,
     .trees = {{"raw", "", "S/C"}, {"raw", "CASME", "S/C"}, {"cropped", "Cropped", "S/C"}}},
    {.name = "casme-squared",
     .key = {"casme-squared", "s", 2, 0},
     .tables = {"CAS(ME)^2code_final"},
     .columns = "subject,video,onset,apex,offset,au,emotion,type,selfreport",
     .flags = EFME_FORM_NO_HEADER,
     .trees = {{"selected", "selectedpic", "S/C"}, {"raw", "rawpic", "S/C"}, {"cropped", "cropped", "S/C"}}},
    {.name = "casme3",
     .key = {"casme3", "spNO.", 1, 0},
     .tables = {"cas(me)3_part_A_ME_label_JpgIndex_v2"},
     .labels = "happy|sad|" EMOTIONS,
     .flags = EFME_FORM_CLIP_ONSET,
     .trees = {{"raw", "", "S/C/color"}, {"raw", "ME_A", "S/C/color"}, {"cropped", "ME_A_cropped", "S/C/color"}}},
    {.name = "mmew",
     .key = {"mmew", "S", 2, 0},
     .tables = {"MMEW_Micro_Exp"},
     .labels = EMOTIONS,
     .trees = {{"raw", "Micro_Expression", "L/C"}, {"raw", "MMEW/Micro_Expression", "L/C"}, {"raw", "", "L/C"}}},
    {.name = "4dme",
     .key = {"4dme", "sub", 2, 0},
     .tables = {"4DME_Labelling_Micro_release v1"},
     .trees = {{"raw", "gray_micro", "S/C"}, {"cropped", "gray_micro_crop", "S/C"}, {"raw", "", "S/C"}}},
};

const struct efme_form *efme_form_find(const char *name) {
  for (size_t i = 0; i < EFME_COUNT(forms); i++)
    if (!strcmp(forms[i].name, name)) return &forms[i];
  efme_fail(EFME_E_NOT_FOUND, "no release \"%.64s\": efme_release_name lists them", name);
  return NULL;
}

uint32_t efme_release_count(void) { return EFME_COUNT(forms); }

const char *efme_release_name(uint32_t index) { return index < EFME_COUNT(forms) ? forms[index].name : NULL; }

int efme_word_of(const char *words, const char *text) {
  size_t n = strlen(text);
  for (const char *p = words; n && *p;) {
    size_t k = strcspn(p, "|");
    if (k == n && efme_equal_words_n(p, k, text)) return 1;
    p += k + (p[k] == '|');
  }
  return 0;
}
