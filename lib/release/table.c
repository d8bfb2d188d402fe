/* Annotation tables: which file it is, where its header stands, what its rows say. Columns are known by the words of their names, blanks
 * and case aside, since copies of one table differ in both; preambles above the header are skipped. */
#include <string.h>
#include <unistd.h>

#include "release/release.h"

#define MAX_RECORD (1u << 20)
#define HEADER_ROWS 64u
#define MAX_INTERVALS 3u

enum column { SUBJECT, CLIP, ONSET, APEX, OFFSET, LABEL, AU, ONSET2, OFFSET2, ONSET3, OFFSET3, COLUMNS };
static const char *const column_words[COLUMNS] = {"subject|subid|sub",
                                                  "filename|foldname|video",
                                                  "onsetframe|onsetf|onset",
                                                  "apexframe|apexf1|apexf|apex",
                                                  "offsetframe|offsetf|offset",
                                                  "estimatedemotion|emotion",
                                                  "actionunits|actionunit|aus|au",
                                                  "onset2f",
                                                  "offset2f",
                                                  "onset3f",
                                                  "offset3f"};
static const char *const column_names[COLUMNS] = {"Subject",      "Filename", "Onset",    "Apex",    "Offset",  "Emotion",
                                                  "Action Units", "Onset2F",  "Offset2F", "Onset3F", "Offset3F"};
#define ABSENT SIZE_MAX

struct table {
  struct efme_scan *scan;
  struct efme_csv csv;
  size_t column[COLUMNS];  /* field index */
  char cell[COLUMNS][256]; /* of the row at hand, blanks around it gone */
  uint64_t row;
};

/* ---- the file ---- */

static int ends_with(const char *text, const char *ending) {
  size_t n = strlen(text), k = strlen(ending);
  return n >= k && efme_equal_words(text + n - k, ending);
}

static efme_status refuse_workbook(const char *path) {
  return efme_fail(EFME_E_UNSUPPORTED, "%s: is a workbook, and tables are read as CSV: make one with `efme-xlsx2csv %s`", path, path);
}

/* A zip file's or an old Excel file's first bytes. */
static efme_status check_content(const char *path) {
  static const uint8_t zip[4] = {'P', 'K', 3, 4}, ole[4] = {0xD0, 0xCF, 0x11, 0xE0};
  uint8_t head[4] = {0};
  int fd;
  uint64_t size;
  size_t n = 0;
  efme_status status = efme_file_open(&fd, &size, path);
  if (status) return status;
  status = efme_file_read_some(fd, head, sizeof head, &n, path);
  close(fd);
  if (status) return status;
  return !memcmp(head, zip, 4) || !memcmp(head, ole, 4) ? refuse_workbook(path) : EFME_OK;
}

static int is_official(const struct efme_form *form, const char *file, const char *ending) {
  for (size_t k = 0; k < EFME_COUNT(form->tables) && form->tables[k]; k++) {
    size_t n = strlen(form->tables[k]);
    if (strlen(file) > n && efme_equal_words_n(file, n, form->tables[k]) && efme_equal_words(file + n, ending)) return 1;
  }
  return 0;
}

static efme_status choose_table(const char **csv, struct efme_scan *s, char *const *names, size_t count) {
  const char *root = s->options.root, *workbook = NULL;
  for (size_t i = 0; i < count; i++) {
    if (is_official(s->form, names[i], ".xlsx") || is_official(s->form, names[i], ".xls")) workbook = names[i];
    if (!is_official(s->form, names[i], ".csv")) continue;
    if (*csv)
      return efme_fail(EFME_E_FORMAT, "%s: two annotation tables in it, %s and %s: name the one that is meant", root, *csv, names[i]);
    *csv = names[i];
  }
  if (*csv) return EFME_OK;
  if (workbook) return efme_fail_prefix(refuse_workbook(workbook), "%s", root);
  return efme_fail(EFME_E_FORMAT, "%s: no annotation table in it: looked for %s.csv%s%s%s", root, s->form->tables[0],
                   s->form->tables[1] ? ", " : "", s->form->tables[1] ? s->form->tables[1] : "",
                   s->form->tables[1] ? ".csv and others" : "");
}

static efme_status find_table(struct efme_scan *s) {
  if (s->options.table) {
    s->table = s->options.table;
    return ends_with(s->table, ".xlsx") || ends_with(s->table, ".xls") ? refuse_workbook(s->table) : EFME_OK;
  }
  char **names;
  size_t count;
  const char *csv = NULL;
  efme_status status = efme_list_folder(&names, &count, s->allocator, s->options.root, EFME_LIST_FILES);
  if (status) return status;
  status = choose_table(&csv, s, names, count);
  if (!status) {
    char *path = efme_path_join(s->allocator, s->options.root, csv);
    s->table = path ? efme_scan_intern(s, path) : NULL;
    if (!s->table) status = EFME_E_NOMEM;
    efme_mem_free(s->allocator, path);
  }
  efme_mem_free(s->allocator, names);
  return status;
}

/* ---- the header ---- */

/* Letters and digits of a name, in lower case. */
static void squeeze(char out[64], const char *text) {
  size_t n = 0;
  for (; *text && n < 63; text++) {
    char c = *text;
    if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out[n++] = c;
  }
  out[n] = '\0';
}

static int is_column(const char *text, enum column k) {
  char word[64];
  squeeze(word, text);
  return efme_word_of(column_words[k], word);
}

static int needs(const struct efme_scan *s, enum column k) {
  if (k == APEX)
    return s->options.apex == EFME_APEX_ANNOTATED || s->options.apex == EFME_APEX_COLUMN ||
           (s->options.apex == EFME_APEX_DEFAULT && !(s->form->flags & EFME_FORM_NO_APEX));
  return k <= LABEL;
}

/* Sets the columns from the record at hand; returns how many of the needed ones it has, and one that it lacks. */
static size_t try_header(struct table *t, enum column *lacks) {
  size_t found = 0;
  *lacks = COLUMNS;
  for (enum column k = 0; k < COLUMNS; k++) {
    t->column[k] = ABSENT;
    for (size_t i = 0; i < t->csv.field_count && t->column[k] == ABSENT; i++) {
      const char *name = efme_csv_field(&t->csv, i);
      char a[64], b[64];
      if (k == APEX && t->scan->options.apex == EFME_APEX_COLUMN) {
        squeeze(a, name), squeeze(b, t->scan->options.apex_column);
        if (!strcmp(a, b)) t->column[k] = i;
      } else if (is_column(name, k)) t->column[k] = i;
    }
    if (t->column[k] != ABSENT) found += (size_t)needs(t->scan, k);
    else if (needs(t->scan, k)) *lacks = k;
  }
  return found;
}

static const char *column_name(const struct efme_scan *s, enum column k) {
  return k == APEX && s->options.apex == EFME_APEX_COLUMN ? s->options.apex_column : column_names[k];
}

static efme_status find_header(struct table *t) {
  size_t best = 0;
  enum column best_lacks = SUBJECT, lacks;
  uint64_t best_line = 0;
  for (uint32_t r = 0; r < HEADER_ROWS; r++) {
    int more;
    efme_status status = efme_csv_next(&t->csv, &more);
    if (status) return status;
    if (!more) {
      if (r == 0) return efme_fail(EFME_E_FORMAT, "%s: the file is empty", t->csv.path);
      break;
    }
    size_t found = try_header(t, &lacks);
    if (lacks == COLUMNS) return EFME_OK;
    if (found > best) best = found, best_lacks = lacks, best_line = t->csv.line;
  }
  if (best >= 3)
    return efme_fail(EFME_E_FORMAT, "%s: no header found: line %llu looks like one, but has no column \"%s\"", t->csv.path,
                     (unsigned long long)best_line, column_name(t->scan, best_lacks));
  return efme_fail(
      EFME_E_FORMAT,
      "%s: no header found in the first %u rows: a row with the columns Subject, Filename, Onset, Offset and Emotion is looked for",
      t->csv.path, HEADER_ROWS);
}

/* Columns in a fixed order. */
static void fixed_columns(struct table *t) {
  char word[64];
  size_t i = 0;
  for (enum column k = 0; k < COLUMNS; k++) t->column[k] = ABSENT;
  for (const char *p = t->scan->form->columns; *p; i++) {
    size_t n = strcspn(p, ",");
    memcpy(word, p, n), word[n] = '\0';
    for (enum column k = 0; k < COLUMNS; k++)
      if (efme_word_of(column_words[k], word)) t->column[k] = i;
    p += n + (p[n] == ',');
  }
}

/* ---- rows ---- */

static void take_cell(struct table *t, enum column k) {
  const char *text = t->column[k] < t->csv.field_count ? efme_csv_field(&t->csv, t->column[k]) : "";
  while (*text && strchr(" \t\r\n", *text)) text++;
  size_t n = strlen(text);
  while (n && strchr(" \t\r\n", text[n - 1])) n--;
  n = EFME_MIN(n, sizeof t->cell[k] - 1);
  memcpy(t->cell[k], text, n);
  t->cell[k][n] = '\0';
}

static int is_blank(const struct table *t) {
  for (size_t i = 0; i < t->csv.field_count; i++)
    for (const char *p = efme_csv_field(&t->csv, i); *p; p++)
      if (!strchr(" \t\r\n", *p)) return 0;
  return 1;
}

/* "46", and "46.0" as spreadsheets that were saved by other programs have it. */
static int frame_number(const char *text, int32_t *out) {
  double v;
  if (!text[0] || !efme_parse_double(text, strlen(text), &v) || !(v >= 0 && v <= INT32_MAX) || v != (double)(int32_t)v) return 0;
  *out = (int32_t)v;
  return 1;
}

/* A subject or clip that a spreadsheet took for a number: "1.0". */
static void drop_point_zero(char *text) {
  size_t n = strlen(text);
  if (n > 2 && !strcmp(text + n - 2, ".0") && strspn(text, "0123456789") == n - 2) text[n - 2] = '\0';
}

static efme_status check_label(struct efme_scan *s, size_t i) {
  const struct efme_clip *c = &s->clips[i];
  if (!c->label[0]) return efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "label-unknown", i, "the emotion is empty");
  if (s->form->labels && !efme_word_of(s->form->labels, c->label))
    return efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "label-unknown", i, "unknown label \"%.64s\", none of %s", c->label,
                           s->form->labels);
  return EFME_OK;
}

static efme_status add_interval(struct table *t, enum column onset, enum column offset, unsigned number) {
  struct efme_scan *s = t->scan;
  char name[320];
  struct efme_clip c = {.onset = -1, .apex = -1, .offset = -1, .line = t->csv.line, .row = t->row};
  int has_onset = frame_number(t->cell[onset], &c.onset), has_offset = frame_number(t->cell[offset], &c.offset);
  frame_number(t->cell[APEX], &c.apex);
  c.subject = efme_scan_subject(s, t->cell[SUBJECT]);
  c.name = efme_scan_intern(s, t->cell[CLIP]);
  snprintf(name, sizeof name, number > 1 ? "%s-%u" : "%s", t->cell[CLIP], number);
  if (s->form->flags & EFME_FORM_CLIP_ONSET) snprintf(name, sizeof name, "%s_%s", t->cell[CLIP], t->cell[onset]);
  c.clip = efme_scan_clip_name(s, name);
  c.label = efme_scan_intern(s, t->cell[LABEL]);
  c.au = efme_scan_intern(s, t->cell[AU]);
  c.apex_text = efme_scan_intern(s, t->cell[APEX]);
  if (!c.subject || !c.name || !c.clip || !c.label || !c.au || !c.apex_text) return EFME_E_NOMEM;
  size_t i = s->count;
  efme_status status = efme_scan_add(s, &c);
  if (!status && (!t->cell[SUBJECT][0] || !t->cell[CLIP][0]))
    status =
        efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "row", i, "%s is empty", t->cell[SUBJECT][0] ? "the clip" : "the subject");
  else if (!status && (strchr(c.subject, '/') || strchr(c.name, '/')))
    status = efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "row", i, "a / in the name of a subject or clip");
  else if (!status && (!has_onset || !has_offset))
    status = efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "row", i, "%s \"%.64s\" is not a frame number",
                             has_onset ? "offset" : "onset", t->cell[has_onset ? offset : onset]);
  return status ? status : check_label(s, i);
}

static efme_status add_row(struct table *t) {
  for (enum column k = 0; k < COLUMNS; k++) take_cell(t, k);
  drop_point_zero(t->cell[SUBJECT]), drop_point_zero(t->cell[CLIP]);
  if (t->column[SUBJECT] != ABSENT && is_column(t->cell[SUBJECT], SUBJECT) && is_column(t->cell[CLIP], CLIP))
    return efme_fail(EFME_E_FORMAT, "%s: line %llu: a second header: are two versions of the annotation mixed?", t->csv.path,
                     (unsigned long long)t->csv.line);
  static const enum column intervals[MAX_INTERVALS][2] = {{ONSET, OFFSET}, {ONSET2, OFFSET2}, {ONSET3, OFFSET3}};
  efme_status status = EFME_OK;
  for (unsigned k = 0; k < MAX_INTERVALS && !status; k++) {
    int32_t v = 0;
    if (k && (!frame_number(t->cell[intervals[k][0]], &v) || v == 0)) continue; /* there is no such interval */
    status = add_interval(t, intervals[k][0], intervals[k][1], k + 1);
  }
  return status;
}

static efme_status read_rows(struct table *t) {
  efme_status status = EFME_OK;
  if (t->scan->form->flags & EFME_FORM_NO_HEADER) fixed_columns(t);
  else status = find_header(t);
  while (!status) {
    int more;
    status = efme_csv_next(&t->csv, &more);
    if (status || !more) break;
    if (is_blank(t)) continue;
    t->row++;
    status = add_row(t);
  }
  if (!status && !t->row) status = efme_fail(EFME_E_FORMAT, "%s: no row of annotation in it", t->csv.path);
  return status;
}

int efme_clip_relabelled(const struct efme_clip *c) {
  return !strcmp(c->subject, "sub24") && (!strcmp(c->clip, "EP07_01") || !strcmp(c->clip, "EP07_04f") || !strcmp(c->clip, "EP10_03"));
}

static efme_status check_coding(struct efme_scan *s) {
  unsigned surprise = 0, sadness = 0;
  if (strcmp(s->form->name, "casme2") != 0) return EFME_OK;
  for (size_t i = 0; i < s->count; i++)
    if (efme_clip_relabelled(&s->clips[i]))
      surprise += efme_equal_words(s->clips[i].label, "surprise"), sadness += efme_equal_words(s->clips[i].label, "sadness");
  s->later_coding = surprise != 0;
  if (!surprise || !sadness) return EFME_OK;
  return efme_fail(
      EFME_E_FORMAT,
      "%s: of EP07_01, EP07_04f and EP10_03 of sub24 %u are surprise as in the coding of 2019 and %u sadness as in that of 2014: "
      "two versions of the annotation are mixed",
      s->table, surprise, sadness);
}

efme_status efme_scan_table(struct efme_scan *s) {
  struct table *t = efme_mem_calloc(s->allocator, 1, sizeof *t, "annotation table");
  if (!t) return EFME_E_NOMEM;
  t->scan = s;
  efme_status status = find_table(s);
  if (!status) status = check_content(s->table);
  if (!status) status = efme_csv_open(&t->csv, s->allocator, s->table, MAX_RECORD);
  if (!status) {
    status = read_rows(t);
    efme_csv_close(&t->csv);
  }
  if (!status) status = check_coding(s);
  efme_mem_free(s->allocator, t);
  return status;
}
