/* Annotation tables of a synthetic release in the official columns, as CSV, and the truth beside the three folders. */
#include <stdio.h>
#include <string.h>

#include "data/archive.h"
#include "util/util.h"

static const char synthetic_note[] = "Synthetic release written by libefme: drawn faces and no real person";

static void casme2_row(struct efme_text *t, const struct efme_archive_clip *c) {
  efme_text_printf(t, "%02u,%s,,%u,", c->subject, c->name, c->onset);
  if (c->quirk == EFME_ARCHIVE_NO_APEX) efme_text_add(t, "/");
  else efme_text_printf(t, "%u", c->quirk == EFME_ARCHIVE_APEX_IS_ONSET ? c->onset : c->apex);
  efme_text_printf(t, ",%u,,%s,%s\n", c->offset, c->emotion->units, c->emotion->name);
}

static void samm_row(struct efme_text *t, const struct efme_archive_clip *c) {
  efme_text_printf(t, "%03u,%s,%c,%u,%u,%u,%u,1/2,%s,%s,%s,\n", c->subject, c->name, c->name[4], c->onset, c->apex, c->offset,
                   c->offset - c->onset + 1, c->emotion->units, c->emotion->name, c->emotion->objective);
}

/* The header stands in row 14. */
static void samm_preamble(struct efme_text *t) {
  static const char empty[] = ",,,,,,,,,,,\n";
  efme_text_printf(t, "%s%s", synthetic_note, empty);
  for (int row = 2; row <= 13; row++) efme_text_add(t, row == 3 ? "Frame numbers are those of the files,,,,,,,,,,,\n" : empty);
  efme_text_add(t, "Subject,Filename,Inducement Code,Onset Frame,Apex Frame,Offset Frame,Duration,Micro,Action Units,Estimated Emotion,"
                   "Objective Classes,Notes\n");
}

static void truth_row(struct efme_text *t, const struct efme_archive *archive, const struct efme_archive_clip *c) {
  static const char *const datasets[EFME_ARCHIVE_SETS] = {"smic", "casme2", "samm"};
  char subject[16], path[EFME_ARCHIVE_PATH];
  float box[4], eyes[4];
  struct efme_portrait f;
  efme_archive_portrait(&f, archive, c, c->apex);
  efme_portrait_truth(box, eyes, archive->options.width, archive->options.height, &f);
  efme_archive_subject(subject, c);
  efme_archive_frame_path(path, c, c->apex);
  efme_text_printf(t, "%s,%s,%s,%s,%s,%u,%u,%u,%s", datasets[c->set], subject, c->name, c->emotion->label, c->emotion->name, c->onset,
                   c->apex, c->offset, path);
  for (int k = 0; k < 4; k++) efme_text_add(t, ","), efme_text_fixed(t, (double)box[k], 3);
  for (int k = 0; k < 4; k++) efme_text_add(t, ","), efme_text_fixed(t, (double)eyes[k], 3);
  efme_text_add(t, ","), efme_text_fixed(t, c->intensity, 4);
  efme_text_printf(t, ",%u\n", c->attempt);
}

/* Rows of the two tables that quirks drop count for nothing in the composite: no label. */
static const struct efme_archive_clip *without_label(struct efme_archive_clip *copy, struct efme_archive_emotion *emotion,
                                                     const struct efme_archive_clip *c) {
  if (c->quirk == EFME_ARCHIVE_PLAIN) return c;
  *copy = *c, *emotion = *c->emotion;
  emotion->label = "", copy->emotion = emotion;
  return copy;
}

static efme_status put(const struct efme_archive *archive, const char *name, struct efme_text *t) {
  char *text;
  size_t size;
  efme_status status = efme_text_take(t, &text, &size);
  if (status) return status;
  char *path = efme_path_join(archive->allocator, archive->folder, name);
  status = path ? efme_file_write(archive->allocator, path, text, size) : EFME_E_NOMEM;
  efme_mem_free(archive->allocator, path);
  efme_mem_free(archive->allocator, text);
  return status;
}

efme_status efme_archive_tables(const struct efme_archive *archive) {
  struct efme_text casme2, samm, truth;
  efme_text_init(&casme2, archive->allocator), efme_text_init(&samm, archive->allocator), efme_text_init(&truth, archive->allocator);
  efme_text_add(&casme2, "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\n");
  samm_preamble(&samm);
  efme_text_add(&truth, "dataset,subject,clip,label,emotion,onset,apex,offset,path,x,y,width,height,left_eye_x,left_eye_y,right_eye_x,"
                        "right_eye_y,intensity,attempt\n");
  for (uint32_t i = 0; i < archive->count; i++) {
    const struct efme_archive_clip *c = &archive->clips[i];
    struct efme_archive_clip copy;
    struct efme_archive_emotion emotion;
    if (c->set == EFME_ARCHIVE_CASME2) casme2_row(&casme2, c);
    if (c->set == EFME_ARCHIVE_SAMM) samm_row(&samm, c);
    truth_row(&truth, archive, without_label(&copy, &emotion, c));
  }
  efme_status status = put(archive, "CASME2/CASME2-coding-20140508.csv", &casme2);
  if (!status) status = put(archive, "SAMM/SAMM_Micro_FACS_Codes_v2.csv", &samm);
  if (!status) status = put(archive, "truth.csv", &truth);
  efme_text_free(&casme2), efme_text_free(&samm), efme_text_free(&truth);
  return status;
}
