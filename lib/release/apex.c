/* Which frame of a clip is its apex. */
#include <stdlib.h>
#include <string.h>

#include "release/release.h"

static efme_status take(struct efme_scan *s, size_t i, const struct efme_frame *frame) {
  struct efme_clip *c = &s->clips[i];
  char *path = efme_path_join(s->allocator, c->folder, frame->name);
  const char *kept = path ? efme_scan_intern(s, path) : NULL;
  efme_mem_free(s->allocator, path);
  if (!kept) return EFME_E_NOMEM;
  c->file = kept, c->frame = frame->number;
  return EFME_OK;
}

static efme_status none_there(struct efme_scan *s, size_t i, const struct efme_frames *f) {
  const struct efme_clip *c = &s->clips[i];
  return efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "interval-empty", i,
                         "none of the frames %d to %d is in %s, which has %d to %d", c->onset, c->offset, c->folder, f->items[0].number,
                         f->items[f->count - 1].number);
}

/* Eq. 1. */
static efme_status middle(struct efme_scan *s, size_t i, const struct efme_frames *f) {
  size_t first, end;
  efme_frames_range(f, s->clips[i].onset, s->clips[i].offset, &first, &end);
  return first < end ? take(s, i, &f->items[first + (end - first) / 2]) : none_there(s, i, f);
}

static efme_status annotated(struct efme_scan *s, size_t i, const struct efme_frames *f) {
  const struct efme_clip *c = &s->clips[i];
  if (c->apex < 0 || (s->options.outside_middle && (c->apex < c->onset || c->apex > c->offset))) return middle(s, i, f);
  const struct efme_frame *frame = efme_frames_find(f, c->apex);
  if (frame) return take(s, i, frame);
  return efme_scan_issue(s, EFME_SEVERITY_ERROR, EFME_E_FORMAT, "apex-frame-missing", i,
                         "its apex, frame %d, is not in %s, which has %d to %d", c->apex, c->folder, f->items[0].number,
                         f->items[f->count - 1].number);
}

/* ---- largest difference from the onset frame ---- */

static efme_status load(efme_image **out, struct efme_scan *s, const char *folder, const char *name) {
  char *path = efme_path_join(s->allocator, folder, name);
  efme_status status = path ? efme_image_load(out, s->context, path, &s->image) : EFME_E_NOMEM;
  efme_mem_free(s->allocator, path);
  return status;
}

/* Sum over pixels and channels: of one size, sums are in the order of means. */
static efme_status difference(uint64_t *sum, const efme_image *a, const efme_image *b, const char *name) {
  if (a->px.width != b->px.width || a->px.height != b->px.height || a->px.channels != b->px.channels)
    return efme_fail(EFME_E_FORMAT, "%s has another size or other channels than the onset frame", name);
  size_t n = efme_pixels_bytes(&a->px);
  *sum = 0;
  for (size_t k = 0; k < n; k++) *sum += (uint64_t)abs((int)a->px.data[k] - (int)b->px.data[k]);
  return EFME_OK;
}

static efme_status farthest(struct efme_scan *s, size_t i, const struct efme_frames *f) {
  const char *folder = s->clips[i].folder;
  size_t first, end, best;
  efme_frames_range(f, s->clips[i].onset, s->clips[i].offset, &first, &end);
  if (first == end) return none_there(s, i, f);
  efme_image *onset = NULL, *image = NULL;
  uint64_t most = 0, sum = 0;
  best = first;
  efme_status status = load(&onset, s, folder, f->items[first].name);
  for (size_t k = first + 1; k < end && !status; k++) {
    status = load(&image, s, folder, f->items[k].name);
    if (status) break;
    status = difference(&sum, onset, image, f->items[k].name);
    efme_image_release(image);
    if (!status && sum > most) most = sum, best = k;
  }
  efme_image_release(onset);
  return status ? efme_scan_catch(s, status, "frame-unreadable", i) : take(s, i, &f->items[best]);
}

efme_status efme_scan_apex(struct efme_scan *s, size_t i, const struct efme_frames *f) {
  switch (s->options.apex) {
  case EFME_APEX_DEFAULT:
    return s->form->flags & EFME_FORM_NO_APEX ? middle(s, i, f) : annotated(s, i, f);
  case EFME_APEX_MIDDLE_FRAME:
    return middle(s, i, f);
  case EFME_APEX_DIFFERENCE:
    return farthest(s, i, f);
  default:
    return annotated(s, i, f);
  }
}
