/* The face detector: made from a file and from memory; a first image, one of another size, one that brings more candidates. */
#include "faults.h"

#include "face/weights.h"

static efme_face_detector *detector;
static efme_image *small, *large;

static efme_image *picture(uint32_t width, uint32_t height) {
  static unsigned char pixels[80 * 100 * 3];
  efme_image *image = NULL;
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (unsigned char)(i * i % 251);
  ok(efme_image_from_pixels(&image, faults_context, pixels, EFME_PIXEL_RGB8, width, height, 0));
  return image;
}

static void open_face(void) {
  size_t size;
  const void *weights = face_weights(1, NULL, &size);
  write_bytes(at("mtcnn.safetensors"), weights, size);
  small = picture(50, 40), large = picture(80, 100);
}

static void close_face(void) { efme_image_release(small), efme_image_release(large); }

static efme_status took(uint64_t *hash, efme_status status, efme_face_detector *made) {
  if (status) return untouched(status, made);
  add_text(hash, "made");
  efme_face_detector_release(made);
  return EFME_OK;
}

static efme_status create(uint64_t *hash, int which) {
  efme_face_detector *made = NOTHING;
  (void)which;
  efme_status status = efme_face_detector_create(&made, faults_context, at("mtcnn.safetensors"), NULL);
  return took(hash, status, made);
}

static efme_status create_memory(uint64_t *hash, int which) {
  efme_face_detector *made = NOTHING;
  size_t size;
  const void *weights = face_weights(which, NULL, &size);
  efme_status status = efme_face_detector_create_memory(&made, faults_context, weights, size, NULL);
  return took(hash, status, made);
}

static efme_status detect(uint64_t *hash, efme_image *image) {
  uint32_t count = 77;
  efme_status status = efme_face_detector_run(detector, image, &count);
  if (status) {
    must(count == 77, "count was touched");
    return status;
  }
  add_bytes(hash, &count, sizeof count);
  for (uint32_t i = 0; i < count; i++) {
    efme_face face = EFME_FACE_INIT;
    ok(efme_face_detector_face(detector, i, &face));
    add_bytes(hash, &face, sizeof face);
  }
  return EFME_OK;
}

static void make_detector(int ran) {
  efme_face_options o = EFME_FACE_OPTIONS_INIT;
  uint64_t hash = 0;
  o.min_face_size = 20;
  ok(efme_face_detector_create(&detector, faults_context, at("mtcnn.safetensors"), &o));
  if (ran) ok(detect(&hash, ran == 1 ? small : large));
}

static void drop_detector(void) { efme_face_detector_release(detector); }

static efme_status run_small(uint64_t *hash, int which) { return (void)which, detect(hash, small); }
static efme_status run_large(uint64_t *hash, int which) { return (void)which, detect(hash, large); }

static const struct scenario scenarios[] = {
    {"face detector from a file", 0, NULL, create, NULL, 0},
    {"face detector from memory", 0, NULL, create_memory, NULL, 0},
    {"faces of a first image", 0, make_detector, run_small, drop_detector, 0},
    {"faces of a larger image", 1, make_detector, run_large, drop_detector, 0},
    {"faces of a smaller image", 2, make_detector, run_small, drop_detector, 0},
    {"faces of an image of the same size", 2, make_detector, run_large, drop_detector, NONE},
};
const struct scene scene_face = {open_face, close_face, scenarios, sizeof scenarios / sizeof scenarios[0]};
