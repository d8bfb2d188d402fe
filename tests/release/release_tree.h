/* Releases as their owners lay them out, with frames of one pixel: folders, names, tables and every quirk of them that is known, about
 * clips that a list names as the organisers' ground truth does. */
#ifndef EFME_RELEASE_TREE_H
#define EFME_RELEASE_TREE_H

#include "data/data_test.h"
#include "efme/release.h"

#define GROUND_TRUTH "data/megc2019/combined_3class_gt.csv"

struct item {
  char dataset[12], subject[12], clip[32]; /* as the organisers' CSV spells them */
  int label;
};

struct list {
  size_t count;
  struct item items[512];
};

static inline void list_line(struct list *l, const char *line) {
  struct item *i = &l->items[l->count];
  if (sscanf(line, "%11[^,],%11[^,],%31[^,],%d", i->dataset, i->subject, i->clip, &i->label) == 4) l->count++;
}

/* The organisers' CSV; the second copy has rows of commas between. */
static inline struct list *list_read(const char *path) {
  struct list *l = calloc(1, sizeof *l);
  char line[256];
  FILE *f = fopen(path, "r");
  ck_assert_msg(f != NULL, "%s", path);
  while (fgets(line, sizeof line, f)) list_line(l, line);
  fclose(f);
  return l;
}

/* What stands in no shared folder: a few clips of each set, in the spelling of the whole. */
static inline struct list *list_small(void) {
  static const char *const lines[] = {
      "casme2,sub01,EP02_01f,1", "casme2,sub02,EP01_11f,0", "casme2,sub04,EP13_02f,0", "casme2,sub05,EP12_03f,0", "casme2,sub11,EP13_02f,2",
      "casme2,sub24,EP08_02,1",  "samm,6,006_1_2,0",        "samm,6,006_1_3,1",        "samm,11,011_1_1,2",       "samm,28,028_4_1,2",
      "samm,32,032_3_1,0",       "smic,s01,s01_ne_01,0",    "smic,s01,s01_po_01,1",    "smic,s05,s05_sur_01,2",   "smic,s12,s12_ne_03,0",
      "smic,s18,s18_sur_03,2",   "smic,s19,s19_po_01,1",    "smic,s20,s20_ne_02,0",    "smic,s11,s11_ne_01,0"};
  struct list *l = calloc(1, sizeof *l);
  for (size_t i = 0; i < EFME_COUNT(lines); i++) list_line(l, lines[i]);
  return l;
}

static inline size_t list_of(const struct list *l, const char *dataset) {
  size_t n = 0;
  for (size_t i = 0; i < l->count; i++) n += !strcmp(l->items[i].dataset, dataset);
  return n;
}

/* ---- files: links to one picture, in memory where there is such a file system, for speed ---- */

static inline void tree_begin(void) {
  strcpy(scratch_root, "/dev/shm/efme-data-XXXXXX");
  if (!mkdtemp(scratch_root)) scratch_root[0] = 0; /* in /tmp then */
}

static inline void tree_folder(const char *path) {
  if (efme_dir_create(&efme_allocator_libc, path)) fprintf(stderr, "%s\n", efme_last_error()), exit(EXIT_FAILURE);
}

static inline void tree_link(const char *folder, const char *format, ...) {
  static char original[512], name[600];
  if (!scratch_root[0] || access(original, R_OK)) snprintf(original, sizeof original, "%s", put_text("pixel.pgm", "P5 1 1 255\nx"));
  va_list args;
  va_start(args, format);
  size_t n = (size_t)snprintf(name, sizeof name, "%s/", folder);
  vsnprintf(name + n, sizeof name - n, format, args);
  va_end(args);
  if (link(original, name)) perror(name), exit(EXIT_FAILURE);
}

/* Options whose paths outlive scratch()'s turns. */
static inline efme_release_options release(const char *name, const char *root, const char *table) {
  static char kept[16][512];
  static unsigned turn;
  efme_release_options o = EFME_RELEASE_OPTIONS_INIT;
  const char *const paths[2] = {root, table};
  const char **const fields[2] = {&o.root, &o.table};
  o.name = name;
  for (int k = 0; k < 2; k++)
    if (paths[k]) *fields[k] = strcpy(kept[turn++ % 16], paths[k]);
  return o;
}

/* ---- SMIC-HS ---- */

enum smic_layout { SMIC_MICRO, SMIC_FLAT, SMIC_CROPPED };

static inline const char *smic_label(const char *clip) {
  return strstr(clip, "_ne_") ? "negative" : strstr(clip, "_po_") ? "positive" : "surprise";
}

/* First frame, which no padding hides the width of: six digits, seven for s12, s18 and some of s5, eight for s19 and s20; some clips pass
 * from one width to the next. */
static inline int smic_first(const struct item *i, size_t index) {
  int subject = atoi(i->subject + 1);
  if (subject == 12 || subject == 18 || (subject == 5 && index % 2)) return 1308866 + (int)index * 40;
  if (subject >= 19) return 10559740 + (int)index * 40;
  return index % 5 == 0 ? 999997 : 308866 + (int)index * 40;
}
static inline int smic_count(size_t index) { return 5 + (int)(index % 4); }
static inline int smic_apex(const struct item *i, size_t index) { return smic_first(i, index) + smic_count(index) / 2; }

/* "s01_ne_01" lies in s1/.../s1_ne_01. */
static inline void smic_build(const char *root, const struct list *l, enum smic_layout layout) {
  for (size_t k = 0; k < l->count; k++) {
    const struct item *i = &l->items[k];
    if (strcmp(i->dataset, "smic")) continue;
    char folder[512];
    int subject = atoi(i->subject + 1);
    snprintf(folder, sizeof folder, "%s/%s/s%d/%s%s/s%d%s", root, layout == SMIC_CROPPED ? "SMIC_all_cropped/HS" : "HS", subject,
             layout == SMIC_FLAT ? "" : "micro/", smic_label(i->clip), subject, strchr(i->clip, '_'));
    tree_folder(folder);
    for (int n = 0; n < smic_count(k); n++)
      tree_link(folder, layout == SMIC_CROPPED ? "reg_image%d.bmp" : "image%d.bmp", smic_first(i, k) + n);
    if (k % 7) continue;
    snprintf(folder, sizeof folder, "%s/%s/s%d/non_micro/s%d_n_%02zu", root, layout == SMIC_CROPPED ? "SMIC_all_cropped/HS" : "HS", subject,
             subject, k);
    tree_folder(folder);
    tree_link(folder, "image%d.bmp", 1);
    tree_link(folder, "Thumbs.db");
  }
}

/* ---- CASME II ---- */

static inline int casme2_onset(size_t k) { return 5 + (int)(k % 95); }
static inline int casme2_apex(size_t k) { return casme2_onset(k) + 2 + (int)(k % 2); }
static inline int casme2_offset(size_t k) { return casme2_onset(k) + 5; }

struct casme2_layout {
  const char *folder, *prefix;
  int outside; /* frames around the interval */
};
static const struct casme2_layout casme2_raw = {"CASME2-RAW", "img", 2}, casme2_selected = {"CASME2_RAW_selected", "img", 0},
                                  casme2_cropped = {"Cropped", "reg_img", 0};

static inline void casme2_clip(const char *root, const struct casme2_layout *t, const char *subject, const char *clip, int onset,
                               int offset) {
  char folder[512];
  snprintf(folder, sizeof folder, "%s/%s/%s/%s", root, t->folder, subject, clip);
  tree_folder(folder);
  for (int n = EFME_MAX(onset - t->outside, 1); n <= offset + t->outside; n++) tree_link(folder, "%s%d.jpg", t->prefix, n);
}

/* What the table has and the composite has not: others, fear, sadness, the one without an apex and the one whose apex is its onset. */
struct extra {
  const char *subject, *clip, *emotion, *apex;
};
static const struct extra casme2_extra[] = {
    {"04", "EP12_01f", "disgust", "/"},  {"05", "EP09_05f", "disgust", "69"}, {"24", "EP07_01", "sadness", "72"},
    {"24", "EP07_04f", "sadness", "72"}, {"24", "EP10_03", "sadness", "72"},  {"13", "EP99_01", "sadness", "72"},
    {"14", "EP99_02", "sadness", "72"},  {"15", "EP99_03", "sadness", "72"},  {"16", "EP99_04", "sadness", "72"},
    {"17", "EP99_05", "fear", "72"},     {"19", "EP99_06", "fear", "72"},     {"10", "EP99_07", "others", "72"},
    {"18", "EP99_08", "others", "72"}};
#define CASME2_OTHERS 97 /* more of them, to 99 and 255 rows */

static inline void casme2_build(const char *root, const struct list *l, const struct casme2_layout *t) {
  for (size_t k = 0; k < l->count; k++)
    if (!strcmp(l->items[k].dataset, "casme2"))
      casme2_clip(root, t, l->items[k].subject, l->items[k].clip, casme2_onset(k), casme2_offset(k));
  for (size_t k = 0; k < EFME_COUNT(casme2_extra); k++) {
    char subject[12];
    snprintf(subject, sizeof subject, "sub%s", casme2_extra[k].subject);
    casme2_clip(root, t, subject, casme2_extra[k].clip, 69, 74);
  }
}

enum coding { CODING_2014, CODING_2019, CODING_UPDATED };

static inline const char *casme2_emotion(const struct item *i, int *negatives) {
  if (i->label == 1) return "happiness";
  if (i->label == 2) return "surprise";
  return (*negatives)++ < 27 ? "repression" : "disgust";
}

/* The sheet as efme-xlsx2csv prints it: two columns without a name, subjects as "01" (int_subjects: as 1). */
static inline void casme2_table(const char *path, const struct list *l, enum coding coding, int int_subjects) {
  FILE *f = fopen(path, "w");
  int negatives = 0, row = 0;
  fprintf(f, "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\r\n");
  for (size_t k = 0; k < l->count; k++) {
    const struct item *i = &l->items[k];
    if (strcmp(i->dataset, "casme2")) continue;
    int subject = atoi(i->subject + 3);
    fprintf(f, int_subjects ? "%d" : "%02d", subject);
    fprintf(f, ",%s,,%d,%d,%d,,%s,%s\r\n", i->clip, casme2_onset(k), casme2_apex(k), casme2_offset(k),
            k % 9 == 0    ? "\"4+5, L10\""
            : k % 11 == 0 ? "15?"
                          : "12",
            casme2_emotion(i, &negatives));
    row++;
  }
  for (size_t k = 0; k < EFME_COUNT(casme2_extra); k++) {
    const struct extra *e = &casme2_extra[k];
    int relabelled = coding != CODING_2014 && !strcmp(e->subject, "24");
    fprintf(f, "%s,%s,,69,%s,74,,4,%s\r\n", e->subject, e->clip, coding == CODING_UPDATED && e->apex[0] == '/' ? "71" : e->apex,
            relabelled ? "surprise" : e->emotion);
  }
  for (int k = 0; k < CASME2_OTHERS; k++) fprintf(f, "%02d,EP98_%02d,,1,3,9,,,others\r\n", 1 + k % 26, k); /* their folders are not here */
  if (coding == CODING_UPDATED) fprintf(f, "24,EP02_07,,69,71,74,,4,disgust\r\n");
  fprintf(f, ",,,,,,,,\r\n");
  fclose(f);
}

/* ---- SAMM ---- */

static inline int samm_onset(size_t k) { return k % 4 ? 562 + 10 * (int)k : 9997; } /* some pass from four digits to five */
static inline int samm_apex(size_t k) { return samm_onset(k) + 2; }
static inline int samm_offset(size_t k) { return samm_onset(k) + 5; }

/* The apex of these two lies outside the interval in version 2 of the table. */
static inline int samm_is_outside(const struct item *i) { return !strcmp(i->clip, "028_4_1") || !strcmp(i->clip, "032_3_1"); }

static inline void samm_clip(const char *root, const char *clip, int onset, int offset, int digits) {
  char folder[512];
  snprintf(folder, sizeof folder, "%s/SAMM/%.3s/%s", root, clip, clip);
  tree_folder(folder);
  for (int n = onset; n <= offset; n++) tree_link(folder, "%.3s_%0*d.jpg", clip, digits, n);
}

static inline void samm_build(const char *root, const struct list *l) {
  for (size_t k = 0; k < l->count; k++) {
    const struct item *i = &l->items[k];
    if (!strcmp(i->dataset, "samm")) samm_clip(root, i->clip, samm_onset(k), samm_offset(k) + 3, k % 3 ? 4 : 5);
  }
  samm_clip(root, "025_3_1", 1, 6, 4);
}

/* anger 57, contempt 12, disgust 9, fear 8, sadness 6 of the 92 negative clips */
static inline const char *samm_emotion(const struct item *i, int *negatives) {
  if (i->label == 1) return "Happiness";
  if (i->label == 2) return "Surprise";
  int n = (*negatives)++;
  return n < 57 ? "Anger" : n < 69 ? "Contempt" : n < 78 ? "Disgust" : n < 86 ? "Fear" : "Sadness";
}

struct samm_table {
  int preamble; /* rows above the header: 13 in v2, 0 in 20181215 */
  int padded;   /* "006" or 6 */
  const char *other;
  const char *ending; /* of numbers: "" or ".0" */
};
static const struct samm_table samm_v2 = {13, 1, "Other", ""}, samm_2018 = {0, 1, "Others", ""}, samm_resaved = {13, 0, "Other", ".0"};

static inline void samm_table(const char *path, const struct list *l, const struct samm_table *t) {
  FILE *f = fopen(path, "w");
  int negatives = 0;
  for (int k = 0; k < t->preamble; k++)
    fprintf(f, k % 3 ? "\"Notes, %d\",,,,,,,,,,,\n" : "Subject numbers and Apex Frame are explained below %d,,,,,,,,,,,\n", k);
  fprintf(f, "Subject,Filename,Inducement Code,Onset Frame,Apex Frame,Offset Frame,Duration,Micro,Action Units,Estimated Emotion,"
             "Objective Classes,Notes\n");
  for (size_t k = 0; k < l->count; k++) {
    const struct item *i = &l->items[k];
    if (strcmp(i->dataset, "samm")) continue;
    int apex = samm_is_outside(i) ? samm_offset(k) + 2 : samm_apex(k);
    fprintf(f, t->padded ? "%03d" : "%d", atoi(i->subject));
    fprintf(f, ",%s,1,%d%s,%d%s,%d%s,6,Micro - 1/2,%s,%s,III,\"a note,\nof two lines\"\n", i->clip, samm_onset(k), t->ending, apex,
            t->ending, samm_offset(k), t->ending, k % 13 == 0 ? "R12 or R15" : "A/B", samm_emotion(i, &negatives));
  }
  fprintf(f, "025,025_3_1,1,1,3,6,6,Micro,4,%s,VII,\n", t->other);
  for (int k = 0; k < 25; k++) fprintf(f, "%03d,%03d_9_%d,1,1,3,6,6,Micro,4,%s,VII,\n", 6 + k % 4, 6 + k % 4, k, t->other);
  fclose(f);
}

#endif
