/* Folders of a release: the tree that is there, its clips, and the frames of one clip, which are known by the integer in their names
 * whatever the padding ("006_05588.jpg" is frame 5588, "img9.jpg" stands before "img10.jpg"). */
#include <stdlib.h>
#include <string.h>

#include "release/release.h"

/* ---- names ---- */

const char *efme_scan_intern(struct efme_scan *s, const char *text) { return efme_strings_intern(&s->strings, text, strlen(text)); }

const char *efme_scan_subject(struct efme_scan *s, const char *text) {
  const char *digits;
  char spelled[32];
  size_t count;
  if (!efme_key_number(&s->form->key, text, strlen(text), &digits, &count)) return efme_scan_intern(s, text);
  efme_key_spell(spelled, &s->form->key, digits, count);
  return efme_scan_intern(s, spelled);
}

const char *efme_release_clip_name(char out[384], const struct efme_key_form *form, const char *text) {
  const char *tail = form && form->clip_tells ? strchr(text, '_') : NULL, *digits;
  char spelled[32];
  size_t count;
  if (!tail || !efme_key_number(form, text, (size_t)(tail - text), &digits, &count)) return text;
  efme_key_spell(spelled, form, digits, count);
  snprintf(out, 384, "%s%s", spelled, tail);
  return out;
}

const char *efme_scan_clip_name(struct efme_scan *s, const char *text) {
  char name[384];
  return efme_scan_intern(s, efme_release_clip_name(name, &s->form->key, text));
}

/* ---- the tree ---- */

struct walk {
  struct efme_scan *scan;
  const char *subject, *label;
};

static efme_status add_folder(struct walk *w, const char *name, const char *path) {
  struct efme_scan *s = w->scan;
  void *items = s->folders;
  efme_status status =
      efme_mem_grow(s->allocator, &items, &s->folder_capacity, s->folder_count + 1, sizeof *s->folders, "folders of a release");
  s->folders = items;
  if (status) return status;
  struct efme_clip_folder f = {w->subject, efme_scan_clip_name(s, name), w->label, efme_scan_intern(s, path), 0};
  if (!f.clip || !f.path) return EFME_E_NOMEM;
  s->folders[s->folder_count++] = f;
  return EFME_OK;
}

/* Length of the pattern's first part, and what is behind it. */
static size_t first_part(const char *pattern, const char **rest) {
  size_t n = strcspn(pattern, "/");
  *rest = pattern + n + (pattern[n] == '/');
  return n;
}

/* Whether a folder called name fits the pattern's first part; sets the walk's subject or label. */
static efme_status fits(struct walk *w, int *yes, const char *part, size_t n, const char *name) {
  struct efme_scan *s = w->scan;
  const char *digits;
  size_t count;
  *yes = 0;
  if (n == 1 && *part == 'S') {
    if (!efme_key_number(&s->form->key, name, strlen(name), &digits, &count)) return EFME_OK;
    if (!(w->subject = efme_scan_subject(s, name))) return EFME_E_NOMEM;
  } else if (n == 1 && *part == 'L') {
    if (s->form->labels && !efme_word_of(s->form->labels, name)) return EFME_OK;
    if (!(w->label = efme_scan_intern(s, name))) return EFME_E_NOMEM;
  } else if (!(n == 1 && *part == 'C') && !efme_equal_words_n(part, n, name)) return EFME_OK;
  *yes = 1;
  return EFME_OK;
}

/* clip: name of the clip's folder where the path is in it already. */
static efme_status walk(struct walk *w, const char *path, const char *pattern, const char *clip) {
  struct efme_scan *s = w->scan;
  if (!*pattern) return add_folder(w, clip, path);
  const char *rest, *subject = w->subject, *label = w->label;
  size_t n = first_part(pattern, &rest), count = 0;
  char **names = NULL;
  efme_status status = efme_list_folder(&names, &count, s->allocator, path, EFME_LIST_FOLDERS);
  for (size_t i = 0; i < count && !status; i++) {
    int yes;
    status = fits(w, &yes, pattern, n, names[i]);
    if (!status && yes) {
      char *inner = efme_path_join(s->allocator, path, names[i]);
      status = inner ? walk(w, inner, rest, n == 1 && *pattern == 'C' ? names[i] : clip) : EFME_E_NOMEM;
      efme_mem_free(s->allocator, inner);
    }
    w->subject = subject, w->label = label;
  }
  efme_mem_free(s->allocator, names);
  return status;
}

static efme_status try_tree(struct efme_scan *s, const struct efme_form_tree *tree) {
  char *joined = *tree->folder ? efme_path_join(s->allocator, s->options.root, tree->folder) : NULL;
  if (*tree->folder && !joined) return EFME_E_NOMEM;
  const char *place = efme_scan_intern(s, joined ? joined : s->options.root);
  efme_mem_free(s->allocator, joined);
  if (!place) return EFME_E_NOMEM;
  int there = 0;
  efme_status status = efme_is_folder(&there, place);
  if (status || !there) return status;
  struct walk w = {s, "", ""};
  status = walk(&w, place, tree->pattern, "");
  if (!status && s->folder_count) s->place = place, s->tree = tree;
  return status;
}

/* "sNN/micro/LABEL/CLIP" for a reader of messages. */
static void explain(struct efme_text *t, const struct efme_scan *s, const struct efme_form_tree *tree, const char *subject,
                    const char *label, const char *clip) {
  efme_text_printf(t, "%s%s%s", s->options.root, *tree->folder ? "/" : "", tree->folder);
  for (const char *p = tree->pattern, *rest; *p; p = rest) {
    size_t n = first_part(p, &rest);
    efme_text_add(t, "/");
    if (n == 1 && *p == 'S') efme_text_add(t, subject);
    else if (n == 1 && *p == 'L') efme_text_add(t, label);
    else if (n == 1 && *p == 'C') efme_text_add(t, clip);
    else efme_text_add_n(t, p, n);
  }
}

static int wanted(const struct efme_scan *s, const struct efme_form_tree *tree) {
  return tree->layout && (!s->options.layout || !*tree->folder || !strcmp(s->options.layout, tree->layout));
}

static efme_status fail_no_tree(struct efme_scan *s) {
  struct efme_text t;
  char *text, subject[32];
  efme_text_init(&t, s->allocator);
  efme_key_spell(subject, &s->form->key, "1", 1);
  int some = 0;
  for (size_t i = 0; i < EFME_FORM_TREES; i++) {
    if (!wanted(s, &s->form->trees[i])) continue;
    efme_text_add(&t, some++ ? ", " : "");
    explain(&t, s, &s->form->trees[i], s->count ? s->clips[0].subject : subject, "LABEL", s->count ? s->clips[0].name : "CLIP");
  }
  efme_status status = efme_text_take(&t, &text, NULL);
  if (status) return status;
  status = efme_fail(EFME_E_FORMAT, "%s: no clip of %s in it: looked for folders like %s", s->options.root, s->form->name, text);
  efme_mem_free(s->allocator, text);
  return status;
}

efme_status efme_scan_tree(struct efme_scan *s) {
  int there = 0, known = !s->options.layout;
  for (size_t i = 0; i < EFME_FORM_TREES && !known; i++)
    known = s->form->trees[i].layout && !strcmp(s->form->trees[i].layout, s->options.layout);
  if (!known) return efme_fail(EFME_E_NOT_FOUND, "%s has no layout \"%.64s\"", s->form->name, s->options.layout);
  efme_status status = efme_is_folder(&there, s->options.root);
  if (!status && !there) return efme_fail(EFME_E_IO, "%s: no such folder", s->options.root);
  for (size_t i = 0; i < EFME_FORM_TREES && !status && !s->tree; i++)
    if (wanted(s, &s->form->trees[i])) status = try_tree(s, &s->form->trees[i]);
  return status || s->tree ? status : fail_no_tree(s);
}

efme_status efme_scan_expected(struct efme_scan *s, const struct efme_clip *clip, const char **path) {
  struct efme_text t;
  char *text;
  efme_text_init(&t, s->allocator);
  explain(&t, s, s->tree, clip->subject, clip->label, clip->name);
  efme_status status = efme_text_take(&t, &text, NULL);
  if (status) return status;
  *path = efme_scan_intern(s, text);
  efme_mem_free(s->allocator, text);
  return *path ? EFME_OK : EFME_E_NOMEM;
}

/* ---- frames ---- */

/* The last run of digits ahead of the ending. */
static int number_of(const char *name, int32_t *out) {
  const char *end = strrchr(name, '.'), *p = end;
  while (p > name && !(p[-1] >= '0' && p[-1] <= '9')) p--;
  end = p;
  while (p > name && p[-1] >= '0' && p[-1] <= '9') p--;
  uint64_t v;
  while (p < end - 1 && *p == '0') p++;
  if (p == end || end - p > 10 || !efme_parse_u64(p, (size_t)(end - p), &v) || v > INT32_MAX) return 0;
  *out = (int32_t)v;
  return 1;
}

static int by_number(const void *a, const void *b) {
  const struct efme_frame *x = a, *y = b;
  return x->number != y->number ? (x->number > y->number ? 1 : -1) : strcmp(x->name, y->name);
}

efme_status efme_frames_list(struct efme_frames *out, const struct efme_allocator *a, const char *folder) {
  size_t count;
  memset(out, 0, sizeof *out);
  efme_status status = efme_list_folder(&out->names, &count, a, folder, EFME_LIST_FILES);
  if (status) return status;
  out->items = efme_mem_array(a, count, sizeof *out->items, "frames");
  if (!out->items) {
    efme_frames_free(out, a);
    return EFME_E_NOMEM;
  }
  for (size_t i = 0; i < count; i++) {
    int32_t number;
    if (efme_is_image_name(out->names[i]) && number_of(out->names[i], &number))
      out->items[out->count++] = (struct efme_frame){number, out->names[i]};
  }
  qsort(out->items, out->count, sizeof *out->items, by_number);
  return EFME_OK;
}

void efme_frames_free(struct efme_frames *f, const struct efme_allocator *a) {
  efme_mem_free(a, f->items);
  efme_mem_free(a, f->names);
  memset(f, 0, sizeof *f);
}

void efme_frames_range(const struct efme_frames *f, int32_t onset, int32_t offset, size_t *first, size_t *end) {
  size_t i = 0;
  while (i < f->count && f->items[i].number < onset) i++;
  *first = i;
  while (i < f->count && f->items[i].number <= offset) i++;
  *end = i;
}

const struct efme_frame *efme_frames_find(const struct efme_frames *f, int32_t number) {
  size_t first, end;
  efme_frames_range(f, number, number, &first, &end);
  return first < end ? &f->items[first] : NULL;
}
