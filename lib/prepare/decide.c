/* One sample: read, the face found, cut, written. */
#include <math.h>
#include <string.h>

#include "prepare/prepare.h"

#define MOSTLY_THERE 0.1 /* of a face beyond the image: above it a warning */

void efme_decision_clear(struct efme_decision *d, const struct efme_allocator *a) {
  efme_mem_free(a, d->face), efme_mem_free(a, d->warning), efme_mem_free(a, d->error);
  memset(d, 0, sizeof *d);
}

/* ---- where the face is ---- */

static efme_status detect(struct efme_decision *d, efme_face_detector *detector, const efme_image *image) {
  efme_face face = EFME_FACE_INIT;
  efme_status status = efme_face_detector_run(detector, image, &d->faces);
  if (status == EFME_OK) status = efme_face_detector_face(detector, 0, &face); /* the largest */
  if (status) return status;
  d->box[0] = face.x, d->box[1] = face.y, d->box[2] = face.width, d->box[3] = face.height;
  memcpy(d->points, face.landmarks, sizeof d->points);
  d->point_count = 5;
  d->score = face.score;
  return EFME_OK;
}

static efme_status find(const struct efme_preparation *p, const efme_sample *sample, struct efme_decision *d, const efme_image *image,
                        efme_face_detector *detector) {
  if (p->options.whole) return EFME_OK;
  if (!p->options.locate) return detect(d, detector, image);
  efme_status status = p->options.locate(sample, image, d->box, d->points, &d->point_count, p->options.locate_user);
  if (status == EFME_OK) d->faces = 1;
  else if (status == EFME_E_NOT_FOUND) efme_fail(status, "no face in the image of %u x %u", image->px.width, image->px.height);
  return status;
}

/* ---- its file ---- */

/* faces/NAME.png: the key in letters that every file system has, told apart by its hash. */
static char *face_name(const struct efme_allocator *a, const char *key) {
  char name[128];
  size_t n = (size_t)snprintf(name, sizeof name, "faces/");
  for (const char *s = key; *s && n < 90; s++) {
    int plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_';
    name[n++] = plain ? *s : '-';
  }
  snprintf(name + n, sizeof name - n, "-%08x.png", (unsigned)efme_hash64(key, strlen(key), 0));
  return efme_mem_strdup(a, name);
}

static efme_status write_face(const struct efme_preparation *p, struct efme_decision *d, const char *key, const efme_image *face) {
  uint8_t *data = NULL;
  size_t size = 0;
  efme_status status = efme_image_encode_pixels(&data, &size, p->allocator, &face->px, EFME_IMAGE_PNG, 0);
  if (status) return status;
  char *path = NULL;
  d->face = face_name(p->allocator, key);
  if (!d->face || !(path = efme_path_join(p->allocator, p->folder, d->face))) status = EFME_E_NOMEM;
  if (status == EFME_OK) status = efme_file_write(p->allocator, path, data, size);
  if (status == EFME_OK) d->face_hash = efme_hash64(data, size, 0);
  efme_mem_free(p->allocator, path), efme_mem_free(p->allocator, data);
  return status;
}

static efme_status cut(efme_image **out, const struct efme_preparation *p, struct efme_decision *d, const efme_image *image) {
  if (p->options.whole) return efme_image_resize(out, image, p->align.width, p->align.height);
  efme_alignment what = EFME_ALIGNMENT_INIT;
  efme_status status = efme_face_align(out, image, d->box, d->point_count ? d->points : NULL, d->point_count, &p->align, &what);
  d->angle = what.angle, d->scale = what.scale, d->outside = what.outside;
  return status;
}

/* ---- what a person should look at ---- */

static efme_status warn(const struct efme_preparation *p, uint64_t i, struct efme_decision *d) {
  struct efme_text t;
  efme_text_init(&t, p->allocator);
  const char *own = efme_item_field(p->dataset, i, "warning");
  if (own && *own) efme_text_add(&t, own);
  if (d->faces > 1) efme_text_printf(&t, "%s%u faces found, the largest taken", t.size ? "; " : "", d->faces);
  if (d->outside > MOSTLY_THERE)
    efme_text_printf(&t, "%s%d %% of the face lie beyond the image", t.size ? "; " : "", (int)(d->outside * 100.0 + 0.5));
  if (t.size || t.failed) return efme_text_take(&t, &d->warning, NULL);
  efme_text_free(&t);
  return EFME_OK;
}

/* ---- all of it ---- */

static efme_status look(const struct efme_preparation *p, uint64_t i, struct efme_decision *d, efme_face_detector *detector) {
  const struct efme_record *record = efme_item_record(p->dataset, i);
  efme_image *image = NULL, *face = NULL;
  efme_status status = efme_item_read(p->dataset, i, &image);
  if (status) return status; /* names the file */
  efme_sample sample = EFME_SAMPLE_INIT;
  status = efme_dataset_sample(p->dataset, i, &sample);
  d->source_hash = sample.file_hash ? sample.file_hash : sample.pixel_hash;
  if (status == EFME_OK) status = find(p, &sample, d, image, detector);
  if (status == EFME_OK) status = cut(&face, p, d, image);
  if (status) {
    char name[256];
    efme_item_name(p->dataset, i, name);
    efme_fail_prefix(status, "%s", name);
  } else status = write_face(p, d, record->key, face);
  if (status == EFME_OK) status = warn(p, i, d);
  efme_image_release(image), efme_image_release(face);
  return status;
}

/* What is the sample's own fault, and not the machine's or the caller's. */
static int of_the_sample(efme_status status) {
  return status == EFME_E_NOT_FOUND || status == EFME_E_FORMAT || status == EFME_E_LIMIT || status == EFME_E_UNSUPPORTED ||
         status == EFME_E_ARGUMENT;
}

efme_status efme_prepare_decide(const struct efme_preparation *p, uint64_t i, struct efme_decision *out, efme_face_detector *detector) {
  memset(out, 0, sizeof *out);
  efme_status status = look(p, i, out, detector);
  if (status && p->options.lenient && of_the_sample(status)) {
    uint64_t hash = out->source_hash;
    efme_decision_clear(out, p->allocator);
    out->source_hash = hash;
    out->error = efme_mem_strdup(p->allocator, efme_last_error());
    status = out->error ? EFME_OK : EFME_E_NOMEM;
  }
  if (status) efme_decision_clear(out, p->allocator);
  else out->known = 1;
  return status;
}
