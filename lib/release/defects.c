/* Defects of the releases that are known, by name: what other readers of these sets repair on their own, this library tells. Sources:
 * docs/releases.md. */
#include <string.h>

#include "release/release.h"

/* Noted for the clip, or the row of that number, where `finding` was found of it; "": wherever it stands; "absent": where it does not;
 * "label=X": where it is called X. */
struct defect {
  const char *release, *code, *subject, *clip;
  uint64_t row; /* 0: by subject and clip */
  const char *finding, *text;
};

static const struct defect defects[] = {
    {"casme2", "casme2-apex-slash", "sub04", "EP12_01f", 0, "apex-missing", "the table has \"/\" for its apex; it is in no composite"},
    {"casme2", "casme2-apex-is-onset", "sub05", "EP09_05f", 0, "apex-is-onset", "apex and onset are one frame; it is in no composite"},
    {"casme2", "casme2-apex-is-offset", "sub05", "EP16_04f", 0, "apex-is-offset", "apex and offset are one frame"},
    {"casme2", "casme2-cropped-short", "sub16", "EP01_08", 0, "frames-missing", "the cropped folder ends at frame 96, the offset is 110"},
    {"casme2", "casme2-offset", "sub07", "EP06_01", 0, "frames-missing", "other readers set its offset to 91"},
    {"casme2", "casme2-relabelled", "sub24", "EP07_01", 0, "label=surprise", "sadness in the coding of 2014; not in the composite"},
    {"casme2", "casme2-relabelled", "sub24", "EP07_04f", 0, "label=surprise", "sadness in the coding of 2014; not in the composite"},
    {"casme2", "casme2-relabelled", "sub24", "EP10_03", 0, "label=surprise", "sadness in the coding of 2014; not in the composite"},
    {"samm", "samm-apex", "028", "028_4_1", 0, "apex-outside", "known of version 2 of the table; other readers take frame 1105 or 1113"},
    {"samm", "samm-apex", "032", "032_3_1", 0, "apex-outside", "known of version 2 of the table; other readers take frame 4945 or 4930"},
    {"samm", "samm-apex", "032", "032_3_2", 0, "apex-outside", "other readers take frame 5130"},
    {"samm", "samm-offset", "013", "013_1_9", 0, "frames-missing", "other readers set its offset to 5739"},
    {"smic-hs", "smic-cropped-empty", "s18", "s18_sur_03", 0, "clip-empty", "reported of the cropped release"},
    {"smic-hs", "smic-cropped-frames", "s03", "s03_po_08", 0, "frames-gap", "reported of the cropped release: frames are missing"},
    {"smic-hs", "smic-cropped-frames", "s03", "s03_sur_01", 0, "frames-gap", "reported of the cropped release: frames are missing"},
    {"smic-hs", "smic-cropped-frames", "s03", "s03_sur_05", 0, "frames-gap", "reported of the cropped release: frames are missing"},
    {"smic-hs", "smic-cropped-frames", "s03", "s03_ne_16", 0, "frames-gap", "reported of the cropped release: frames are missing"},
    {"smic-e", "smic-e-label", "s18", "s18_sur_03", 0, "label=negative", "negative in the table; surprise by name and in the ground truth"},
    {"smic-e", "smic-e-merged", "s01", "s01_ne_02", 0, "absent", "a second interval of another row"},
    {"smic-e", "smic-e-merged", "s02", "s02_sur_05", 0, "absent", "a second interval of another row"},
    {"smic-e", "smic-e-merged", "s03", "s03_ne_03", 0, "absent", "a second interval of another row"},
    {"smic-e", "smic-e-merged", "s03", "s03_ne_20", 0, "absent", "a second interval of another row"},
    {"smic-e", "smic-e-merged", "s04", "s04_ne_05", 0, "absent", "a second interval of another row"},
    {"smic-e", "smic-e-merged", "s04", "s04_ne_06", 0, "absent", "a second interval of another row"},
    {"smic-e", "smic-e-merged", "s09", "s09_sur_02", 0, "absent", "a second interval of another row"},
    {"casme", "casme-interval", "", "", 41, "", "other readers set onset 100, apex 120, offset 149"},
    {"casme", "casme-interval", "", "", 43, "", "other readers set onset 101, apex 110, offset 119"},
    {"casme", "casme-interval", "", "", 44, "", "other readers set onset 57, apex 65, offset 74"},
    {"casme", "casme-interval", "", "", 55, "", "other readers set offset 40"},
    {"casme", "casme-interval", "", "", 141, "", "other readers set offset 142"},
    {"casme3", "casme3-interval", "", "", 129, "", "other readers set apex 160"},
    {"casme3", "casme3-interval", "", "", 709, "", "other readers set offset 34"},
    {"casme3", "casme3-interval", "", "", 750, "", "other readers set onset 2647"},
    {"casme3", "casme3-interval", "", "", 751, "", "other readers set onset and apex 1"},
    {"casme3", "casme3-interval", "", "", 797, "", "other readers set offset 1845"},
    {"casme3", "casme3-interval", "", "", 799, "", "other readers set offset 2403"},
    {"4dme", "4dme-swapped", "", "", 145, "", "action units and emotion of rows 145 and 146 are swapped"},
    {"4dme", "4dme-swapped", "", "", 146, "", "action units and emotion of rows 145 and 146 are swapped"},
};

/* Rows of MMEW whose apex and offset other readers replace. */
static const uint16_t mmew_rows[] = {34, 36, 37, 38, 39, 40, 41, 42, 43, 143, 144, 146, 147, 149, 155, 157};

static int was_found(const struct efme_scan *s, size_t clip, const char *code) {
  for (size_t i = 0; i < s->issue_count; i++)
    if (s->issues[i].clip == clip && !strcmp(s->issues[i].code, code)) return 1;
  return 0;
}

static int holds(const struct efme_scan *s, size_t i, const char *finding) {
  if (!*finding) return 1;
  if (!strncmp(finding, "label=", 6)) return efme_equal_words(s->clips[i].label, finding + 6);
  return was_found(s, i, finding);
}

static efme_status note(struct efme_scan *s, const struct defect *d) {
  efme_status status = EFME_OK;
  int there = 0;
  for (size_t i = 0; i < s->count && !status; i++) {
    const struct efme_clip *c = &s->clips[i];
    if (d->row ? c->row != d->row : strcmp(c->subject, d->subject) || strcmp(c->clip, d->clip)) continue;
    there = 1;
    if (strcmp(d->finding, "absent") && holds(s, i, d->finding))
      status = efme_scan_issue(s, EFME_SEVERITY_NOTE, EFME_OK, d->code, i, "a known defect: %s", d->text);
  }
  if (!status && !there && !strcmp(d->finding, "absent"))
    status = efme_scan_issue(s, EFME_SEVERITY_NOTE, EFME_OK, d->code, EFME_NO_CLIP,
                             "%s: a known defect: %s is not a row of its own, but %s", s->table, d->clip, d->text);
  return status;
}

efme_status efme_scan_defects(struct efme_scan *s) {
  efme_status status = EFME_OK;
  for (size_t k = 0; k < EFME_COUNT(defects) && !status; k++)
    if (!strcmp(defects[k].release, s->form->name)) status = note(s, &defects[k]);
  for (size_t k = 0; k < EFME_COUNT(mmew_rows) && !status && !strcmp(s->form->name, "mmew"); k++) {
    const struct defect d = {"mmew", "mmew-interval", "", "", mmew_rows[k], "", "other readers estimate apex and offset anew"};
    status = note(s, &d);
  }
  return status;
}
