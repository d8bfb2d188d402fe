/* Which clips a synthetic release has: subjects and classes as in the composite of MEGC 2019, everything else drawn by seed. Clip names
 * have the official form with numbers that the real sets do not use (episodes from 21, stimuli 8 and 9, SMIC's clips from 51), so that
 * nobody takes a drawn clip for a real one; the two rows whose defects are known by name keep theirs. */
#include <stdio.h>
#include <string.h>

#include "data/archive.h"
#include "util/util.h"

/* Counts: docs/data.md; the last of each set are in no composite. Happiness comes as it is spelled in each table. */
static const struct efme_archive_emotion smic[] = {{"negative", EFME_EXPRESSION_NEGATIVE, 70, "negative", "", ""},
                                                   {"positive", EFME_EXPRESSION_POSITIVE, 51, "positive", "", ""},
                                                   {"surprise", EFME_EXPRESSION_SURPRISE, 43, "surprise", "", ""}};
static const struct efme_archive_emotion casme2[] = {{"disgust", EFME_EXPRESSION_DISGUST, 61, "negative", "4+9", ""},
                                                     {"repression", EFME_EXPRESSION_SADNESS, 27, "negative", "15+17", ""},
                                                     {"happiness", EFME_EXPRESSION_POSITIVE, 32, "positive", "6+12", ""},
                                                     {"surprise", EFME_EXPRESSION_SURPRISE, 25, "surprise", "1+2+25", ""},
                                                     {"others", EFME_EXPRESSION_ANGER, 9, "", "4", ""},
                                                     {"sadness", EFME_EXPRESSION_SADNESS, 4, "", "1+15", ""},
                                                     {"fear", EFME_EXPRESSION_SADNESS, 2, "", "1+4", ""}};
static const struct efme_archive_emotion samm[] = {
    {"Anger", EFME_EXPRESSION_ANGER, 57, "negative", "4+7", "3"},       {"Contempt", EFME_EXPRESSION_DISGUST, 12, "negative", "L14", "7"},
    {"Disgust", EFME_EXPRESSION_DISGUST, 9, "negative", "9+10", "4"},   {"Fear", EFME_EXPRESSION_SADNESS, 8, "negative", "1+4+20", "6"},
    {"Sadness", EFME_EXPRESSION_SADNESS, 6, "negative", "1+15", "5"},   {"Happiness", EFME_EXPRESSION_POSITIVE, 26, "positive", "12", "1"},
    {"Surprise", EFME_EXPRESSION_SURPRISE, 15, "surprise", "1+2", "2"}, {"Other", EFME_EXPRESSION_ANGER, 8, "", "4 or 7", "7"}};

static const uint8_t smic_subjects[] = {1, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 14, 15, 18, 19, 20};
static const uint8_t casme2_subjects[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26};
static const uint8_t samm_subjects[] = {6,  7,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                        21, 22, 23, 24, 26, 28, 30, 31, 32, 33, 34, 35, 36, 37};

static const struct set {
  const struct efme_archive_emotion *emotions;
  uint32_t emotion_count;
  const uint8_t *subjects;
  uint32_t subject_count;
} sets[EFME_ARCHIVE_SETS] = {{smic, EFME_COUNT(smic), smic_subjects, EFME_COUNT(smic_subjects)},
                             {casme2, EFME_COUNT(casme2), casme2_subjects, EFME_COUNT(casme2_subjects)},
                             {samm, EFME_COUNT(samm), samm_subjects, EFME_COUNT(samm_subjects)}};
#define MAX_SUBJECTS 28u
#define MAX_CLIPS 180u /* of a set */

/* What is drawn; apart from the counters of portraits, which begin at 0. */
enum draw { DEAL = 0x52000000, PEOPLE, OWNER, FRAMES, APEX, ONSET, WIDTH, FORM, INTENSITY };

/* 0 .. below-1. */
static uint32_t draw(uint64_t seed, enum efme_archive_set set, enum draw what, uint32_t i, uint32_t below) {
  uint32_t w[4];
  efme_philox(w, seed, EFME_RNG_SYNTHETIC, (uint32_t)what, (uint32_t)set, i);
  return (uint32_t)((uint64_t)w[0] * below >> 32);
}

static void shuffle(uint32_t *list, uint32_t n, uint64_t seed, enum efme_archive_set set, enum draw what) {
  for (uint32_t i = n; i-- > 1;) {
    uint32_t k = draw(seed, set, what, i, i + 1), kept = list[i];
    list[i] = list[k], list[k] = kept;
  }
}

/* People differ much in how many clips they give: of the subjects in a drawn order the r-th has weight 840 / (r + 1). */
static uint32_t draw_owner(const uint32_t *people, uint32_t n, uint64_t seed, enum efme_archive_set set, uint32_t i) {
  uint32_t total = 0, r = 0;
  for (uint32_t k = 0; k < n; k++) total += 840 / (k + 1);
  uint32_t at = draw(seed, set, OWNER, i, total);
  while (at >= 840 / (r + 1)) at -= 840 / (r + 1), r++;
  return people[r];
}

/* ---- one clip ---- */

/* Digits of SMIC's numbers: 6, 7 for some subjects, 8 for two. */
static uint32_t smic_scale(const struct efme_archive_clip *c) {
  if (c->subject == 19 || c->subject == 20) return 10000000;
  return c->subject == 12 || c->subject == 18 || (c->subject == 5 && c->sample % 2) ? 1000000 : 100000;
}

static void number_frames(struct efme_archive_clip *c, const efme_synthetic_release_options *o, uint32_t id) {
  uint32_t n = o->frames_min + draw(o->seed, c->set, FRAMES, id, o->frames_max - o->frames_min + 1);
  uint32_t low = EFME_MAX(n * 35 / 100, 1), high = EFME_MIN(n * 65 / 100, n - 2),
           apex = low + draw(o->seed, c->set, APEX, id, high - low + 1);
  c->digits = 1;
  if (c->set == EFME_ARCHIVE_SMIC) {
    apex = n / 2; /* SMIC has no column for it: where its readers take it from (Eq. 1 of the paper) */
    c->onset = smic_scale(c) + draw(o->seed, c->set, ONSET, id, smic_scale(c) * 8);
  } else if (c->set == EFME_ARCHIVE_CASME2) {
    c->around = 3;
    c->onset = 1 + c->around + draw(o->seed, c->set, ONSET, id, 117); /* names of one and two, or two and three digits in some folders */
  } else {
    c->digits = draw(o->seed, c->set, WIDTH, id, 133) < 31 ? 5 : 4; /* as often as in the release */
    c->onset = 100 + draw(o->seed, c->set, ONSET, id, c->digits == 5 ? 20000 : 9700);
  }
  c->apex = c->onset + apex;
  c->offset = c->onset + n - 1;
}

/* count: of this subject's clips of this class so far. */
static void name_clip(struct efme_archive_clip *c, uint64_t seed, uint32_t id, uint32_t count) {
  if (c->set == EFME_ARCHIVE_SMIC)
    snprintf(c->name, sizeof c->name, "s%u_%s_%02u", c->subject,
             *c->emotion->name == 'n'   ? "ne"
             : *c->emotion->name == 'p' ? "po"
                                        : "sur",
             51 + count);
  else if (c->quirk != EFME_ARCHIVE_PLAIN)
    snprintf(c->name, sizeof c->name, "%s", c->quirk == EFME_ARCHIVE_NO_APEX ? "EP12_01f" : "EP09_05f");
  else if (c->set == EFME_ARCHIVE_CASME2)
    snprintf(c->name, sizeof c->name, "EP%02u_%02u%s", 21 + c->sample / 9, 1 + c->sample % 9, draw(seed, c->set, FORM, id, 2) ? "f" : "");
  else snprintf(c->name, sizeof c->name, "%03u_%u_%u", c->subject, 8 + c->sample % 2, 1 + c->sample / 2);
}

/* ---- a set ---- */

/* Clips without numbers and names, in the order in which they are dealt: each subject gets one that counts before any gets a second. */
static uint32_t deal(struct efme_archive_clip *clips, enum efme_archive_set set, uint64_t seed) {
  const struct set *s = &sets[set];
  uint32_t emotions[MAX_CLIPS], people[MAX_SUBJECTS], counted = 0, n = 0;
  for (uint32_t e = 0; e < s->emotion_count; e++)
    for (uint32_t k = 0; k < s->emotions[e].count; k++) emotions[n++] = e, counted += *s->emotions[e].label != '\0';
  shuffle(emotions, counted, seed, set, DEAL); /* those that do not count stand last */
  for (uint32_t k = 0; k < s->subject_count; k++) people[k] = k;
  shuffle(people, s->subject_count, seed, set, PEOPLE);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t person = i < s->subject_count ? people[i] : draw_owner(people, s->subject_count, seed, set, i);
    clips[i] = (struct efme_archive_clip){.set = set, .emotion = &s->emotions[emotions[i]], .person = person};
  }
  if (set == EFME_ARCHIVE_CASME2) { /* sub04 and sub05 */
    clips[n++] = (struct efme_archive_clip){.set = set, .emotion = &casme2[0], .quirk = EFME_ARCHIVE_NO_APEX, .person = 3};
    clips[n++] = (struct efme_archive_clip){.set = set, .emotion = &casme2[0], .quirk = EFME_ARCHIVE_APEX_IS_ONSET, .person = 4};
  }
  return n;
}

static void plan_set(struct efme_archive *archive, struct efme_archive_clip *dealt, enum efme_archive_set set) {
  const efme_synthetic_release_options *o = &archive->options;
  uint32_t n = deal(dealt, set, o->seed);
  for (uint32_t person = 0; person < sets[set].subject_count; person++) {
    uint32_t sample = 0, of_class[3] = {0, 0, 0}; /* of SMIC's */
    for (uint32_t i = 0; i < n; i++) {
      struct efme_archive_clip c = dealt[i];
      if (c.person != person) continue;
      c.subject = sets[set].subjects[person];
      c.sample = sample++;
      number_frames(&c, o, i);
      name_clip(&c, o->seed, i, set == EFME_ARCHIVE_SMIC ? of_class[c.emotion - smic]++ : 0);
      uint32_t w = draw(o->seed, set, INTENSITY, i, UINT32_MAX);
      c.intensity = (double)o->intensity_min + ((double)o->intensity_max - (double)o->intensity_min) * w * (1.0 / 4294967296.0);
      if ((!o->subjects || person < o->subjects) && (!o->clips || c.sample < o->clips)) archive->clips[archive->count++] = c;
    }
  }
}

efme_status efme_archive_plan(struct efme_archive *archive) {
  const struct efme_allocator *a = archive->allocator;
  struct efme_archive_clip *dealt = efme_mem_array(a, MAX_CLIPS, sizeof *dealt, "a synthetic release");
  archive->clips = efme_mem_array(a, (size_t)EFME_ARCHIVE_SETS * MAX_CLIPS, sizeof *dealt, "a synthetic release");
  efme_status status = dealt && archive->clips ? EFME_OK : EFME_E_NOMEM;
  for (int set = 0; set < EFME_ARCHIVE_SETS && !status; set++) plan_set(archive, dealt, (enum efme_archive_set)set);
  efme_mem_free(a, dealt);
  return status;
}

/* ---- names ---- */

void efme_archive_subject(char name[16], const struct efme_archive_clip *c) {
  static const char *const forms[EFME_ARCHIVE_SETS] = {"s%u", "sub%02u", "%03u"};
  snprintf(name, 16, forms[c->set], c->subject);
}

void efme_archive_clip_path(char path[EFME_ARCHIVE_PATH], const struct efme_archive_clip *c) {
  char subject[16];
  efme_archive_subject(subject, c);
  if (c->set == EFME_ARCHIVE_SMIC) snprintf(path, EFME_ARCHIVE_PATH, "SMIC/HS/%s/micro/%s/%s", subject, c->emotion->name, c->name);
  else snprintf(path, EFME_ARCHIVE_PATH, "%s/%s/%s", c->set == EFME_ARCHIVE_CASME2 ? "CASME2/CASME2-RAW" : "SAMM/SAMM", subject, c->name);
}

void efme_archive_frame_path(char path[EFME_ARCHIVE_PATH], const struct efme_archive_clip *c, uint32_t number) {
  char frame[32];
  if (c->set == EFME_ARCHIVE_SAMM) snprintf(frame, sizeof frame, "/%03u_%0*u.jpg", c->subject, c->digits, number);
  else snprintf(frame, sizeof frame, c->set == EFME_ARCHIVE_SMIC ? "/image%u.bmp" : "/img%u.jpg", number);
  efme_archive_clip_path(path, c);
  size_t n = strlen(path);
  snprintf(path + n, EFME_ARCHIVE_PATH - n, "%s", frame);
}
