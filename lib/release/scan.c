/* One look at an unpacked archive: rows joined with folders, and everything about a clip that does not fit. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "release/release.h"

/* ---- options ---- */

static efme_status check_options(struct efme_scan *s, const efme_release_options *release) {
  static const efme_release_options defaults = EFME_RELEASE_OPTIONS_INIT;
  efme_release_options *o = &s->options;
  efme_status status = efme_options_load(o, sizeof *o, release, &defaults, "efme_release_options");
  if (status) return status;
  if (!o->name || !o->root) return efme_fail(EFME_E_ARGUMENT, "efme_release_options.%s is NULL", o->name ? "root" : "name");
  if (o->apex > EFME_APEX_DIFFERENCE) return efme_fail(EFME_E_ARGUMENT, "efme_release_options.apex is %u, not an efme_apex_rule", o->apex);
  if (o->outside_middle > 1) return efme_fail(EFME_E_ARGUMENT, "efme_release_options.outside_middle is %u, not 0 or 1", o->outside_middle);
  if ((o->apex == EFME_APEX_COLUMN) != (o->apex_column != NULL))
    return efme_fail(EFME_E_ARGUMENT, "efme_release_options.apex_column goes with the rule EFME_APEX_COLUMN alone");
  if (!(s->form = efme_form_find(o->name))) return EFME_E_NOT_FOUND;
  if (s->form->flags & EFME_FORM_NO_TABLE && (o->table || o->apex == EFME_APEX_COLUMN || o->apex == EFME_APEX_ANNOTATED))
    return efme_fail(EFME_E_ARGUMENT, "efme_release_options: %s has no annotation table", o->name);
  if (s->form->flags & EFME_FORM_NO_APEX && o->apex == EFME_APEX_ANNOTATED)
    return efme_fail(EFME_E_ARGUMENT, "efme_release_options.apex: %s annotates no apex", o->name);
  return EFME_OK;
}

/* The options' strings are kept: a scan outlives no call. */
efme_status efme_scan_begin(struct efme_scan *s, efme_context *context, const efme_release_options *release,
                            const efme_image_options *image) {
  memset(s, 0, sizeof *s);
  s->context = context, s->allocator = efme_context_allocator(context), s->image = *image;
  efme_strings_init(&s->strings, s->allocator);
  return check_options(s, release);
}

void efme_scan_free(struct efme_scan *s) {
  efme_mem_free(s->allocator, s->clips);
  efme_mem_free(s->allocator, s->folders);
  efme_mem_free(s->allocator, s->issues);
  efme_strings_free(&s->strings);
}

/* ---- issues ---- */

static efme_status add_issue(struct efme_scan *s, uint32_t severity, efme_status status, const char *code, size_t clip, const char *text) {
  void *items = s->issues;
  efme_status grown = efme_mem_grow(s->allocator, &items, &s->issue_capacity, s->issue_count + 1, sizeof *s->issues, "findings");
  s->issues = items;
  if (grown) return grown;
  const char *message = efme_strings_add(&s->strings, text, strlen(text));
  if (!message) return EFME_E_NOMEM;
  s->issues[s->issue_count++] = (struct efme_issue){severity, status, code, message, clip};
  return EFME_OK;
}

static size_t put_place(char *out, size_t size, const struct efme_scan *s, size_t clip) {
  if (clip == EFME_NO_CLIP) return 0;
  const struct efme_clip *c = &s->clips[clip];
  int n = s->table ? snprintf(out, size, "%s: line %llu (row %llu), %s/%s: ", s->table, (unsigned long long)c->line,
                              (unsigned long long)c->row, c->subject, c->clip)
                   : snprintf(out, size, "%s: ", c->folder);
  return EFME_MIN((size_t)n, size - 1);
}

efme_status efme_scan_issue(struct efme_scan *s, uint32_t severity, efme_status status, const char *code, size_t clip, const char *format,
                            ...) {
  char text[2048];
  size_t n = put_place(text, sizeof text, s, clip);
  va_list args;
  va_start(args, format);
  vsnprintf(text + n, sizeof text - n, format, args);
  va_end(args);
  return add_issue(s, severity, status, code, clip, text);
}

const struct efme_issue *efme_scan_error(const struct efme_scan *s, size_t clip, size_t from) {
  for (size_t i = from; i < s->issue_count; i++)
    if (s->issues[i].clip == clip && s->issues[i].severity == EFME_SEVERITY_ERROR) return &s->issues[i];
  return NULL;
}

efme_status efme_scan_catch(struct efme_scan *s, efme_status status, const char *code, size_t clip) {
  if (!status || status == EFME_E_NOMEM || status == EFME_E_CANCELLED || status == EFME_E_INTERNAL) return status;
  char text[512];
  efme_error_save(text);
  if (clip == EFME_NO_CLIP) return add_issue(s, EFME_SEVERITY_ERROR, status, code, clip, text);
  return efme_scan_issue(s, EFME_SEVERITY_ERROR, status, code, clip, "%s", text);
}

/* ---- table and tree ---- */

efme_status efme_scan_add(struct efme_scan *s, const struct efme_clip *clip) {
  void *items = s->clips;
  efme_status status = efme_mem_grow(s->allocator, &items, &s->capacity, s->count + 1, sizeof *s->clips, "clips");
  s->clips = items;
  if (!status) s->clips[s->count++] = *clip;
  return status;
}

/* Releases without a table: the folders are its rows. */
static efme_status clips_of_folders(struct efme_scan *s) {
  efme_status status = EFME_OK;
  for (size_t i = 0; i < s->folder_count && !status; i++) {
    struct efme_clip_folder *f = &s->folders[i];
    const char *slash = strrchr(f->path, '/');
    struct efme_clip c = {.subject = f->subject,
                          .clip = f->clip,
                          .label = f->label,
                          .au = "",
                          .apex_text = "",
                          .onset = -1,
                          .apex = -1,
                          .offset = -1,
                          .row = i + 1,
                          .folder = f->path,
                          .folder_label = f->label};
    c.name = slash ? slash + 1 : f->path;
    f->used = 1;
    status = efme_scan_add(s, &c);
  }
  return status;
}

struct place {
  const struct efme_clip *clip;
  size_t index;
};

static int by_clip(const void *a, const void *b) {
  const struct place *x = a, *y = b;
  int order = strcmp(x->clip->subject, y->clip->subject);
  if (!order) order = strcmp(x->clip->clip, y->clip->clip);
  return order ? order : (x->index > y->index) - (x->index < y->index);
}

static efme_status note_twice(struct efme_scan *s, const struct efme_clip *first, size_t second) {
  const struct efme_clip *c = &s->clips[second];
  if (!s->table)
    return efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "clip-twice", second, "is clip %s/%s, and so is %s", c->subject, c->clip,
                           first->folder);
  int same = first->onset == c->onset && first->apex == c->apex && first->offset == c->offset && !strcmp(first->label, c->label);
  return efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "clip-twice", second, "stands twice, in row %llu too%s",
                         (unsigned long long)first->row, same ? "" : " with other values: are two versions of the annotation mixed?");
}

static efme_status find_twice(struct efme_scan *s) {
  struct place *sorted = efme_mem_array(s->allocator, s->count, sizeof *sorted, "clips");
  if (!sorted) return EFME_E_NOMEM;
  for (size_t i = 0; i < s->count; i++) sorted[i] = (struct place){&s->clips[i], i};
  qsort(sorted, s->count, sizeof *sorted, by_clip);
  efme_status status = EFME_OK;
  for (size_t i = 1, first = 0; i < s->count && !status; i++) {
    const struct efme_clip *a = sorted[first].clip, *b = sorted[i].clip;
    if (strcmp(a->subject, b->subject) || strcmp(a->clip, b->clip)) first = i;
    else status = note_twice(s, a, sorted[i].index);
  }
  efme_mem_free(s->allocator, sorted);
  return status;
}

efme_status efme_scan_read(struct efme_scan *s) {
  int table = !(s->form->flags & EFME_FORM_NO_TABLE), there = 0;
  efme_status status = efme_is_folder(&there, s->options.root);
  if (!status && !there) status = efme_fail(EFME_E_IO, "%s: no such folder", s->options.root);
  if (!status && table) status = efme_scan_table(s);
  if (status) return efme_scan_catch(s, status, "table", EFME_NO_CLIP);
  status = efme_scan_tree(s);
  if (status) return efme_scan_catch(s, status, "folders", EFME_NO_CLIP);
  if (!table) status = clips_of_folders(s);
  return status ? status : find_twice(s);
}

/* ---- one clip ---- */

/* The frames of row i: the folder of its clip's name, or none. */
static efme_status find_folder(struct efme_scan *s, size_t i) {
  struct efme_clip *c = &s->clips[i];
  if (c->folder) return EFME_OK;
  const char *name = efme_scan_clip_name(s, c->name), *path = NULL;
  if (!name) return EFME_E_NOMEM;
  for (size_t k = 0; k < s->folder_count; k++) {
    struct efme_clip_folder *f = &s->folders[k];
    if ((*f->subject && f->subject != c->subject) || !efme_equal_words(f->clip, name)) continue;
    c->folder = f->path, c->folder_label = f->label, f->used = 1;
    return EFME_OK;
  }
  efme_status status = efme_scan_expected(s, c, &path);
  return status ? status : efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "clip-no-folder", i, "no folder %s", path);
}

/* What the middle of a clip's name says: ne, po or sur. */
static const char *label_of_name(const char *clip) {
  const char *a = strchr(clip, '_');
  if (!a) return "";
  if (!strncmp(a, "_ne_", 4)) return "negative";
  if (!strncmp(a, "_po_", 4)) return "positive";
  return !strncmp(a, "_sur_", 5) ? "surprise" : "";
}

static efme_status check_labels(struct efme_scan *s, size_t i) {
  const struct efme_clip *c = &s->clips[i];
  const char *named = s->form->flags & EFME_FORM_NAME_LABEL ? label_of_name(c->clip) : "";
  efme_status status = EFME_OK;
  if (c->folder_label && c->folder_label[0] && !efme_equal_words(c->folder_label, c->label))
    status =
        efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "label-folder", i, "is called %s and lies in folder %s", c->label, c->folder);
  if (!status && named[0] && !efme_equal_words(named, c->label))
    status = efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "label-name", i, "is called %s, its name says %s", c->label, named);
  if (!status && (strchr(c->au, '?') || strstr(c->au, " or ")))
    status = efme_scan_issue(s, EFME_SEVERITY_NOTE, EFME_OK, "au-unclear", i, "action units \"%.64s\" leave open which", c->au);
  return status;
}

static efme_status check_apex(struct efme_scan *s, size_t i) {
  const struct efme_clip *c = &s->clips[i];
  if (s->form->flags & EFME_FORM_NO_APEX && s->options.apex != EFME_APEX_COLUMN) return EFME_OK;
  if (c->apex < 0)
    return efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "apex-missing", i, "apex \"%.64s\" is not a frame number", c->apex_text);
  if (c->apex < c->onset || c->apex > c->offset)
    return efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "apex-outside", i, "apex %d lies outside onset %d .. offset %d", c->apex,
                           c->onset, c->offset);
  if (c->apex == c->onset)
    return efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "apex-is-onset", i, "apex and onset are both %d", c->apex);
  if (c->apex == c->offset)
    return efme_scan_issue(s, EFME_SEVERITY_NOTE, EFME_OK, "apex-is-offset", i, "apex and offset are both %d", c->apex);
  return EFME_OK;
}

/* Distinct numbers in [first, end). */
static int64_t distinct(const struct efme_frames *f, size_t first, size_t end) {
  int64_t n = 0;
  for (size_t i = first; i < end; i++) n += i == first || f->items[i].number != f->items[i - 1].number;
  return n;
}

static efme_status check_frames(struct efme_scan *s, size_t i, const struct efme_frames *f) {
  const struct efme_clip *c = &s->clips[i];
  int32_t low = f->items[0].number, high = f->items[f->count - 1].number;
  size_t first, end;
  efme_frames_range(f, c->onset, c->offset, &first, &end);
  int64_t missing = (int64_t)c->offset - c->onset + 1 - distinct(f, first, end);
  int64_t gaps = (int64_t)high - low + 1 - distinct(f, 0, f->count);
  efme_status status = EFME_OK;
  if (c->onset > c->offset)
    return efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "interval", i, "onset %d stands behind offset %d", c->onset, c->offset);
  if (missing && s->table)
    status = efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "frames-missing", i,
                             "%lld of the frames %d to %d are not in %s, which has %d to %d", (long long)missing, c->onset, c->offset,
                             c->folder, low, high);
  if (!status && gaps)
    status = efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "frames-gap", i, "%lld numbers between %d and %d have no frame in %s",
                             (long long)gaps, low, high, c->folder);
  for (size_t k = 1; k < f->count && !status; k++)
    if (f->items[k].number == f->items[k - 1].number)
      return efme_scan_issue(s, EFME_SEVERITY_WARNING, EFME_OK, "frame-twice", i, "frame %d is in %s twice, as %s and %s",
                             f->items[k].number, c->folder, f->items[k - 1].name, f->items[k].name);
  return status;
}

efme_status efme_scan_clip(struct efme_scan *s, size_t i) {
  struct efme_clip *c = &s->clips[i];
  struct efme_frames frames = {0};
  if (efme_scan_error(s, i, 0)) return EFME_OK;
  efme_status status = find_folder(s, i);
  if (status || !c->folder) return status;
  status = efme_scan_catch(s, efme_frames_list(&frames, s->allocator, c->folder), "frames", i);
  if (!status && frames.items && !frames.count)
    status = efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "clip-empty", i, "no numbered image in %s", c->folder);
  if (!status && frames.count) {
    if (!s->table) c->onset = frames.items[0].number, c->offset = frames.items[frames.count - 1].number;
    status = check_labels(s, i);
    if (!status) status = check_apex(s, i);
    if (!status) status = check_frames(s, i, &frames);
    if (!status) status = efme_scan_apex(s, i, &frames);
  }
  efme_frames_free(&frames, s->allocator);
  return status;
}
