/* The linter's handle: what every scan found, the subjects that only their dataset tells apart, and the text of it all. */
#include "release/lint.h"

#include <string.h>

static const char *text_of(efme_lint *l, const char *text) { return *text ? efme_strings_intern(&l->strings, text, strlen(text)) : ""; }

efme_status efme_lint_add(efme_lint *l, uint32_t severity, const char *code, const struct efme_scan *s, size_t clip, const char *message) {
  void *items = l->findings;
  efme_status status = efme_mem_grow(l->allocator, &items, &l->capacity, l->count + 1, sizeof *l->findings, "findings");
  l->findings = items;
  if (status) return status;
  const struct efme_clip *c = clip == EFME_NO_CLIP ? NULL : &s->clips[clip];
  char subject[400] = "";
  if (c) snprintf(subject, sizeof subject, "%s/%s", s->form->key.dataset, c->subject);
  efme_finding f = EFME_FINDING_INIT;
  f.code = code, f.severity = severity, f.row = c && s->table ? c->row : 0;
  f.dataset = s->form->key.dataset, f.subject = text_of(l, subject), f.clip = text_of(l, c ? c->clip : "");
  f.message = text_of(l, message);
  if (!f.subject || !f.clip || !f.message) return EFME_E_NOMEM;
  l->findings[l->count++] = f;
  return EFME_OK;
}

/* ---- one release ---- */

static efme_status scan_all(efme_lint *l, struct efme_scan *s) {
  efme_status status = efme_scan_read(s);
  for (size_t i = 0; i < s->count && !status && !efme_scan_error(s, EFME_NO_CLIP, 0); i++) status = efme_scan_clip(s, i);
  if (!status && !efme_scan_error(s, EFME_NO_CLIP, 0)) status = efme_scan_defects(s);
  for (size_t k = 0; k < s->issue_count && !status; k++)
    status = efme_lint_add(l, s->issues[k].severity, s->issues[k].code, s, s->issues[k].clip, s->issues[k].message);
  for (size_t k = 0; k < s->folder_count && s->table && !status; k++) {
    if (s->folders[k].used) continue;
    char text[1024];
    snprintf(text, sizeof text, "%s: no row of %s is about it", s->folders[k].path, s->table);
    status = efme_lint_add(l, EFME_SEVERITY_NOTE, "folder-no-row", s, EFME_NO_CLIP, text);
  }
  return status;
}

/* ---- subjects ---- */

/* The first clip of each subject by number; a number's place is found again in the other set. */
static int number_in(const struct efme_scan *s, size_t clip, const char **digits, size_t *n) {
  const char *subject = s->clips[clip].subject;
  return efme_key_number(&s->form->key, subject, strlen(subject), digits, n);
}

static int is_first(const struct efme_scan *s, size_t clip) {
  for (size_t i = 0; i < clip; i++)
    if (s->clips[i].subject == s->clips[clip].subject) return 0;
  return 1;
}

static int has_number(const struct efme_scan *s, const char *digits, size_t n) {
  const char *own;
  size_t k;
  for (size_t i = 0; i < s->count; i++)
    if (number_in(s, i, &own, &k) && k == n && !memcmp(own, digits, n)) return 1;
  return 0;
}

static efme_status collide(efme_lint *l, const struct efme_scan *a, const struct efme_scan *b) {
  char list[256] = "", message[512];
  size_t used = 0, found = 0, n;
  const char *digits;
  if (!strcmp(a->form->key.dataset, b->form->key.dataset)) return EFME_OK; /* one set: they are the same people */
  for (size_t i = 0; i < a->count; i++) {
    if (!is_first(a, i) || !number_in(a, i, &digits, &n) || !has_number(b, digits, n)) continue;
    if (used < sizeof list - 32) used += (size_t)snprintf(list + used, sizeof list - used, "%s%.*s", found ? ", " : "", (int)n, digits);
    found++;
  }
  if (!found) return EFME_OK;
  snprintf(message, sizeof message, "%zu subjects of %s and %s have one number (%s): key them by dataset and subject", found,
           a->form->key.dataset, b->form->key.dataset, list);
  return efme_lint_add(l, EFME_SEVERITY_NOTE, "subject-collision", a, EFME_NO_CLIP, message);
}

/* ---- the call ---- */

static efme_status run(efme_lint *l, struct efme_scan *scans, const efme_release_options *const *releases, uint32_t count,
                       const efme_dataset_options *options, const efme_image_options *image) {
  efme_status status = EFME_OK;
  uint32_t begun = 0;
  for (; begun < count && !status; begun++) status = efme_scan_begin(&scans[begun], l->context, releases[begun], image);
  for (uint32_t k = 0; k < count && !status; k++) status = scan_all(l, &scans[k]);
  for (uint32_t i = 0; i < count && !status; i++)
    for (uint32_t k = i + 1; k < count && !status; k++) status = collide(l, &scans[i], &scans[k]);
  if (!status) status = efme_lint_content(l, scans, count, options);
  for (uint32_t k = 0; k < begun; k++) efme_scan_free(&scans[k]);
  return status;
}

static efme_status make(efme_lint **out, efme_context *context) {
  const struct efme_allocator *a = efme_context_allocator(context);
  efme_lint *l = efme_mem_calloc(a, 1, sizeof *l, "lint");
  if (!l) return EFME_E_NOMEM;
  atomic_init(&l->refs, 1);
  l->context = efme_context_retain(context);
  l->allocator = a;
  efme_strings_init(&l->strings, a);
  *out = l;
  return EFME_OK;
}

efme_status efme_lint_run(efme_lint **out, efme_context *context, const efme_release_options *const *releases, uint32_t count,
                          const efme_dataset_options *options) {
  if (!out || !context || !releases) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : !context ? "context" : "releases");
  if (!count || count > EFME_MAX_DATASETS) return efme_fail(EFME_E_ARGUMENT, "count is %u, not 1..%u", count, EFME_MAX_DATASETS);
  for (uint32_t k = 0; k < count; k++)
    if (!releases[k]) return efme_fail(EFME_E_ARGUMENT, "releases[%u] is NULL", k);
  efme_dataset_options o;
  efme_image_options image;
  efme_lint *l;
  efme_status status = efme_reader_options(&o, &image, options);
  if (!status) status = make(&l, context);
  if (status) return status;
  char before[512]; /* what was found is no failure of this call */
  efme_error_save(before);
  struct efme_scan *scans = efme_mem_calloc(l->allocator, count, sizeof *scans, "lint");
  status = scans ? run(l, scans, releases, count, &o, &image) : EFME_E_NOMEM;
  efme_mem_free(l->allocator, scans);
  if (status) {
    efme_lint_release(l);
    return status;
  }
  efme_error_restore(before);
  *out = l;
  return EFME_OK;
}

efme_lint *efme_lint_retain(efme_lint *lint) {
  if (lint) atomic_fetch_add_explicit(&lint->refs, 1, memory_order_relaxed);
  return lint;
}

void efme_lint_release(efme_lint *l) {
  if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1) return;
  efme_context *context = l->context;
  efme_mem_free(l->allocator, l->findings);
  efme_strings_free(&l->strings);
  efme_mem_free(l->allocator, l);
  efme_context_release(context);
}

uint64_t efme_lint_count(const efme_lint *lint, efme_severity least) {
  uint64_t n = 0;
  for (size_t i = 0; lint && i < lint->count; i++) n += lint->findings[i].severity >= (uint32_t)least;
  return n;
}

efme_status efme_lint_finding(const efme_lint *lint, uint64_t index, efme_finding *out) {
  if (!lint || !out) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !lint ? "lint" : "out");
  if (index >= lint->count)
    return efme_fail(EFME_E_ARGUMENT, "index is %llu, there are %zu findings", (unsigned long long)index, lint->count);
  return efme_struct_store(out, &lint->findings[index], sizeof *out, "efme_finding");
}

/* ---- text ---- */

static const char *severity_name(uint32_t severity) {
  return severity == EFME_SEVERITY_ERROR ? "error" : severity == EFME_SEVERITY_WARNING ? "warning" : "note";
}

static void put_json(struct efme_text *t, const efme_finding *f) {
  const char *const names[] = {"severity", "code", "dataset", "subject", "clip", "message"};
  const char *const values[] = {severity_name(f->severity), f->code, f->dataset, f->subject, f->clip, f->message};
  for (size_t k = 0; k < EFME_COUNT(names); k++) {
    efme_text_printf(t, "%s\"%s\": ", k ? ", " : "{", names[k]);
    efme_text_json(t, values[k]);
  }
  efme_text_printf(t, ", \"row\": %llu}", (unsigned long long)f->row);
}

efme_status efme_lint_text(const efme_lint *l, int json, char **out) {
  if (!l || !out) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !l ? "lint" : "out");
  struct efme_text t;
  efme_text_init(&t, l->allocator);
  unsigned long long n[4] = {0};
  for (size_t i = 0; i < l->count; i++) n[l->findings[i].severity]++;
  if (json) efme_text_printf(&t, "{\"errors\": %llu, \"warnings\": %llu, \"notes\": %llu, \"findings\": [", n[3], n[2], n[1]);
  for (size_t i = 0; i < l->count; i++) {
    const efme_finding *f = &l->findings[i];
    if (json) {
      efme_text_add(&t, i ? ",\n  " : "\n  ");
      put_json(&t, f);
    } else efme_text_printf(&t, "%s: %s: %s\n", severity_name(f->severity), f->code, f->message);
  }
  if (json) efme_text_add(&t, l->count ? "\n]}\n" : "]}\n");
  else efme_text_printf(&t, "%llu errors, %llu warnings, %llu notes\n", n[3], n[2], n[1]);
  return efme_text_export(&t, out);
}
