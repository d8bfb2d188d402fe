/* Preparation: from nothing, again on what is there, and after a face was lost. */
#include "faults.h"

static efme_dataset *people;

static void open_prepare(void) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  o.subjects = 1, o.samples_per_subject = 2, o.size = 32;
  ok(efme_dataset_open_synthetic(&people, faults_context, &o));
}

static void close_prepare(void) { efme_dataset_release(people); }

static efme_status found(const efme_sample *sample, const efme_image *image, float box[4], float points[10], uint32_t *count, void *user) {
  (void)sample, (void)image, (void)user;
  box[0] = box[1] = 4, box[2] = box[3] = 20;
  points[0] = 8, points[1] = 10, points[2] = 20, points[3] = 11;
  *count = 2;
  return EFME_OK;
}

static efme_status prepare_once(efme_prepared *what) {
  efme_prepare_options o = EFME_PREPARE_OPTIONS_INIT;
  efme_align_options align = EFME_ALIGN_OPTIONS_INIT;
  align.width = align.height = 6; /* what Deflate allocates grows with it */
  o.locate = found, o.align = &align, o.workers = 1;
  return efme_prepare(people, at("prepared"), &o, what);
}

/* Which faces are made and which are kept depends on how far a failed call came: the files do not. */
static efme_status work(uint64_t *hash, int which) {
  efme_prepared n = {.struct_size = sizeof n, .made = 77};
  (void)which;
  efme_status status = prepare_once(&n);
  if (status) {
    must(n.made == 77, "what was touched");
    return status;
  }
  must(n.made + n.kept == 2, "a face is missing");
  add_tree(hash, at("prepared"));
  return EFME_OK;
}

static void make(int which) {
  remove_tree(at("prepared"));
  if (which) ok(prepare_once(NULL));
  if (which == 2) remove_tree(at("prepared/faces"));
}

static void drop(void) { remove_tree(at("prepared")); }

static const struct scenario scenarios[] = {
    {"faces prepared", 0, make, work, drop, LIBC},
    {"faces prepared again", 1, make, work, drop, LIBC},
    {"faces prepared again, the files gone", 2, make, work, drop, LIBC},
};
const struct scene scene_prepare = {open_prepare, close_prepare, scenarios, sizeof scenarios / sizeof scenarios[0]};
