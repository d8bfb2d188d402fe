/* The linter's pass over files: each is read once, its header looked at and its bytes hashed; no pixel is decoded. */
#include <stdlib.h>
#include <string.h>

#include "release/lint.h"

#define MAX_PAIRS 1000u /* of clips that share a frame */

struct content {
  uint64_t hash;
  uint32_t scan, number;
  size_t clip;
};

struct pair {
  const struct efme_clip *a, *b;
};

struct pass {
  efme_lint *lint;
  const struct efme_scan *scans;
  const efme_dataset_options *options;
  struct content *items;
  size_t count, capacity;
  struct pair *pairs;
  size_t pair_count, pair_capacity;
  uint64_t files;
};

struct seen_size {
  uint32_t width, height;
  int32_t number; /* of the frame that had it */
  int told;
};

static efme_status keep_hash(struct pass *p, uint64_t hash, uint32_t scan, size_t clip, int32_t number) {
  void *items = p->items;
  efme_status status = efme_mem_grow(p->lint->allocator, &items, &p->capacity, p->count + 1, sizeof *p->items, "content hashes");
  p->items = items;
  if (!status) p->items[p->count++] = (struct content){hash, scan, (uint32_t)number, clip};
  return status;
}

static efme_status check_size(struct pass *p, uint32_t scan, size_t clip, const struct efme_image_header *h, int32_t number,
                              struct seen_size *seen) {
  char text[1200];
  if (!seen->width) return *seen = (struct seen_size){h->width, h->height, number, 0}, EFME_OK;
  if (seen->told || (seen->width == h->width && seen->height == h->height)) return EFME_OK;
  seen->told = 1;
  snprintf(text, sizeof text, "%s: frame %d is %u x %u, frame %d is %u x %u", p->scans[scan].clips[clip].folder, seen->number, seen->width,
           seen->height, number, h->width, h->height);
  return efme_lint_add(p->lint, EFME_SEVERITY_WARNING, "frame-size", &p->scans[scan], clip, text);
}

/* What fails of the file system or in a file is a finding. */
static efme_status tell_failure(struct pass *p, efme_status status, const char *code, uint32_t scan, size_t clip) {
  char text[512];
  if (status == EFME_E_NOMEM) return status;
  efme_error_save(text);
  return efme_lint_add(p->lint, EFME_SEVERITY_ERROR, code, &p->scans[scan], clip, text);
}

static efme_status look(struct pass *p, uint32_t scan, size_t clip, const char *path, int32_t number, struct seen_size *seen) {
  const struct efme_scan *s = &p->scans[scan];
  struct efme_image_header h;
  uint8_t *data;
  size_t size;
  efme_status status = efme_file_read(&data, &size, s->allocator, path, s->image.max_file_size);
  if (!status) {
    uint64_t hash = efme_hash64(data, size, 0);
    status = efme_image_inspect(&h, data, size, path, s->image.max_pixels);
    efme_mem_free(s->allocator, data);
    if (!status) {
      status = keep_hash(p, hash, scan, clip, number);
      return status ? status : check_size(p, scan, clip, &h, number, seen);
    }
  }
  return tell_failure(p, status, "frame-unreadable", scan, clip);
}

static efme_status look_at_folder(struct pass *p, uint32_t scan, size_t clip) {
  const struct efme_scan *s = &p->scans[scan];
  const char *folder = s->clips[clip].folder;
  struct efme_frames frames;
  struct seen_size seen = {0};
  efme_status status = efme_frames_list(&frames, s->allocator, folder);
  if (status) return tell_failure(p, status, "frames", scan, clip);
  for (size_t k = 0; k < frames.count && !status; k++) {
    char *path = efme_path_join(s->allocator, folder, frames.items[k].name);
    status = path ? look(p, scan, clip, path, frames.items[k].number, &seen) : EFME_E_NOMEM;
    efme_mem_free(s->allocator, path);
    p->files++;
    if (!status && p->options->progress && p->files % 64 == 0 && p->options->progress("files", p->files, 0, p->options->progress_user))
      status = efme_fail(EFME_E_CANCELLED, "cancelled after %llu files", (unsigned long long)p->files);
  }
  efme_frames_free(&frames, s->allocator);
  return status;
}

/* A folder is looked at for the first of its clips. */
static int is_first(const struct efme_scan *s, size_t clip) {
  for (size_t i = 0; i < clip; i++)
    if (s->clips[i].folder == s->clips[clip].folder) return 0;
  return s->clips[clip].folder != NULL;
}

/* ---- bytes that two subjects share ---- */

static int by_hash(const void *a, const void *b) {
  const struct content *x = a, *y = b;
  if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
  if (x->scan != y->scan) return x->scan < y->scan ? -1 : 1;
  if (x->clip != y->clip) return x->clip < y->clip ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

static const struct efme_clip *clip_of(const struct pass *p, const struct content *c) { return &p->scans[c->scan].clips[c->clip]; }

static int same_subject(const struct pass *p, const struct content *a, const struct content *b) {
  return !strcmp(p->scans[a->scan].form->key.dataset, p->scans[b->scan].form->key.dataset) &&
         !strcmp(clip_of(p, a)->subject, clip_of(p, b)->subject);
}

/* The first frame of each pair of clips. */
static efme_status tell_pair(struct pass *p, const struct content *a, const struct content *b) {
  const struct efme_clip *x = clip_of(p, a), *y = clip_of(p, b);
  char text[1400];
  for (size_t i = p->pair_count; i-- > 0;)
    if (p->pairs[i].a == x && p->pairs[i].b == y) return EFME_OK;
  if (p->pair_count == MAX_PAIRS) return EFME_OK;
  void *items = p->pairs;
  efme_status status = efme_mem_grow(p->lint->allocator, &items, &p->pair_capacity, p->pair_count + 1, sizeof *p->pairs, "findings");
  p->pairs = items;
  if (status) return status;
  p->pairs[p->pair_count++] = (struct pair){x, y};
  snprintf(text, sizeof text, "frame %u of %s and frame %u of %s, another subject's, are one file", b->number, y->folder, a->number,
           x->folder);
  return efme_lint_add(p->lint, EFME_SEVERITY_WARNING, "duplicate-image", &p->scans[b->scan], b->clip, text);
}

static efme_status tell_duplicates(struct pass *p) {
  efme_status status = EFME_OK;
  if (p->count) qsort(p->items, p->count, sizeof *p->items, by_hash);
  for (size_t i = 1, first = 0; i < p->count && !status; i++) {
    if (p->items[i].hash != p->items[first].hash) first = i;
    else if (!same_subject(p, &p->items[first], &p->items[i])) status = tell_pair(p, &p->items[first], &p->items[i]);
  }
  return status;
}

efme_status efme_lint_content(efme_lint *l, const struct efme_scan *scans, uint32_t count, const efme_dataset_options *options) {
  struct pass p = {.lint = l, .scans = scans, .options = options};
  efme_status status = EFME_OK;
  for (uint32_t k = 0; k < count && !status; k++)
    for (size_t i = 0; i < scans[k].count && !status; i++)
      if (is_first(&scans[k], i)) status = look_at_folder(&p, k, i);
  if (!status) status = tell_duplicates(&p);
  if (!status && options->progress && options->progress("files", p.files, p.files, options->progress_user))
    status = efme_fail(EFME_E_CANCELLED, "cancelled after %llu files", (unsigned long long)p.files);
  efme_mem_free(l->allocator, p.items);
  efme_mem_free(l->allocator, p.pairs);
  return status;
}
