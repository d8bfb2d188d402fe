/* The face detector's handle: argument checks, where the weights lie, the last result. lib/face does the work. */
#include "efme/face.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "backend/context.h"
#include "face/mtcnn.h"

struct efme_face_detector {
  atomic_uint references;
  atomic_uint busy;
  efme_context *context;
  struct efme_mtcnn *cascade;
  const struct efme_face_box *faces; /* the cascade's */
  uint32_t count;
};

/* ---- options ---- */

static int between(float v, float low, float high) { return v >= low && v <= high; }

static efme_status load_options(struct efme_mtcnn_options *out, const efme_face_options *options) {
  static const efme_face_options defaults = EFME_FACE_OPTIONS_INIT;
  efme_face_options o;
  efme_status status = efme_options_load(&o, sizeof o, options, &defaults, "efme_face_options");
  if (status) return status;
  if (o.min_face_size < 12 || o.min_face_size > EFME_IMAGE_MAX_SIDE)
    return efme_fail(EFME_E_ARGUMENT, "min_face_size is %u, must be 12..65536", (unsigned)o.min_face_size);
  for (int i = 0; i < 3; i++)
    if (!between(o.thresholds[i], 0, 1)) return efme_fail(EFME_E_ARGUMENT, "thresholds[%d] is not within 0..1", i);
  if (!between(o.scale_factor, 0.1f, 0.95f)) return efme_fail(EFME_E_ARGUMENT, "scale_factor is not within .1 to .95");
  if (o.threads > 256) return efme_fail(EFME_E_ARGUMENT, "threads is %u, must be 0..256", (unsigned)o.threads);
  if (o.reserved) return efme_fail(EFME_E_ARGUMENT, "efme_face_options.reserved is not 0");
  if ((o.region_x || o.region_y || o.region_width || o.region_height) && !(o.region_width && o.region_height))
    return efme_fail(EFME_E_ARGUMENT, "the region is empty: %u x %u", (unsigned)o.region_width, (unsigned)o.region_height);
  *out = (struct efme_mtcnn_options){o.min_face_size, o.max_faces,
                                     o.threads,       {o.thresholds[0], o.thresholds[1], o.thresholds[2]},
                                     o.scale_factor,  {o.region_x, o.region_y, o.region_width, o.region_height}};
  return EFME_OK;
}

/* ---- where the weights lie ---- */

#define WEIGHTS "mtcnn.safetensors"
enum { PATH_SIZE = 4096 };

/* 1: dir/sub/mtcnn.safetensors is a file; else dir is noted in tried. */
static int try_dir(char path[PATH_SIZE], char *tried, size_t size, const char *dir, size_t n, const char *sub) {
  enum efme_file_kind kind;
  if (n == 0 || dir[0] != '/' || n + strlen(sub) + sizeof "/" WEIGHTS > PATH_SIZE) return 0; /* never below the current directory */
  snprintf(path, PATH_SIZE, "%.*s%s/" WEIGHTS, (int)n, dir, sub);
  if (efme_file_look(&kind, path) == EFME_OK && kind == EFME_REGULAR_FILE) return 1;
  size_t used = strlen(tried);
  snprintf(tried + used, size - used, "%s%.*s%s", used ? ", " : "", (int)n, dir, sub);
  return 0;
}

/* $EFME_MODEL_DIR, the directory given at build time, and that one seen from where libefme itself lies (a moved installation). A program
 * with more rights than its caller looks into the one given at build time only. */
static efme_status find_weights(char path[PATH_SIZE]) {
  char tried[256] = "";
  int trusted = !getauxval(AT_SECURE);
  const char *chosen = trusted ? getenv("EFME_MODEL_DIR") : NULL;
  if (chosen && try_dir(path, tried, sizeof tried, chosen, strlen(chosen), "")) return EFME_OK;
  if (try_dir(path, tried, sizeof tried, EFME_INSTALLED_MODEL_DIR, strlen(EFME_INSTALLED_MODEL_DIR), "")) return EFME_OK;
  Dl_info self;
  if (trusted && dladdr(&efme_allocator_libc, &self) && self.dli_fname) {
    const char *slash = strrchr(self.dli_fname, '/');
    if (slash && try_dir(path, tried, sizeof tried, self.dli_fname, (size_t)(slash - self.dli_fname), "/" EFME_MODELS_FROM_LIB))
      return EFME_OK;
  }
  return efme_fail(
      EFME_E_IO, "the weights of the face detector, " WEIGHTS ", are not in %s: `python3 tools/mtcnn.py` of libefme's sources fetches them",
      tried);
}

/* ---- creation ---- */

static void destroy(struct efme_face_detector *d) {
  efme_context *context = d->context;
  efme_mtcnn_free(d->cascade);
  efme_mem_free(efme_context_allocator(context), d);
  efme_context_release(context);
}

static efme_status create(efme_face_detector **out, efme_context *context, const struct efme_st_source *source,
                          const struct efme_mtcnn_options *options) {
  struct efme_face_detector *d = efme_mem_calloc(efme_context_allocator(context), 1, sizeof *d, "face detector");
  if (!d) return EFME_E_NOMEM;
  atomic_init(&d->references, 1);
  d->context = efme_context_retain(context);
  efme_status status = efme_mtcnn_create(&d->cascade, context, source, options);
  if (status) {
    destroy(d);
    return status;
  }
  *out = d;
  return EFME_OK;
}

efme_status efme_face_detector_create(efme_face_detector **out, efme_context *context, const char *path, const efme_face_options *options) {
  EFME_FPENV_DEFAULT;
  struct efme_mtcnn_options o;
  struct efme_st_source source;
  char found[PATH_SIZE];
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!context) return efme_fail(EFME_E_ARGUMENT, "context is NULL");
  efme_status status = load_options(&o, options);
  if (!status && !path) status = find_weights(found);
  if (!status) status = efme_st_source_path(&source, efme_context_allocator(context), path ? path : found);
  if (status) return status;
  status = create(out, context, &source, &o);
  efme_st_source_close(&source, efme_context_allocator(context));
  return status;
}

efme_status efme_face_detector_create_memory(efme_face_detector **out, efme_context *context, const void *data, size_t size,
                                             const efme_face_options *options) {
  EFME_FPENV_DEFAULT;
  struct efme_mtcnn_options o;
  struct efme_st_memory memory = {data, size};
  struct efme_st_source source;
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!context) return efme_fail(EFME_E_ARGUMENT, "context is NULL");
  if (!data) return efme_fail(EFME_E_ARGUMENT, "data is NULL");
  efme_status status = load_options(&o, options);
  if (status) return status;
  efme_st_source_memory(&source, &memory);
  return create(out, context, &source, &o);
}

efme_face_detector *efme_face_detector_retain(efme_face_detector *detector) {
  if (detector) atomic_fetch_add_explicit(&detector->references, 1, memory_order_relaxed);
  return detector;
}

void efme_face_detector_release(efme_face_detector *detector) {
  if (detector && atomic_fetch_sub_explicit(&detector->references, 1, memory_order_acq_rel) == 1) destroy(detector);
}

void efme_face_detector_settings(const efme_face_detector *detector, struct efme_text *out) { efme_mtcnn_describe(detector->cascade, out); }

/* ---- runs ---- */

static efme_status enter(atomic_uint *busy) {
  if (atomic_exchange_explicit(busy, 1, memory_order_acquire)) return efme_fail(EFME_E_BUSY, "face detector is in use by another thread");
  return EFME_OK;
}

static efme_status leave(atomic_uint *busy, efme_status status) {
  atomic_store_explicit(busy, 0, memory_order_release);
  return status;
}

efme_status efme_face_detector_run(efme_face_detector *d, const efme_image *image, uint32_t *count) {
  EFME_FPENV_DEFAULT;
  if (!d) return efme_fail(EFME_E_ARGUMENT, "detector is NULL");
  if (!image) return efme_fail(EFME_E_ARGUMENT, "image is NULL");
  if (!count) return efme_fail(EFME_E_ARGUMENT, "count is NULL");
  efme_status status = enter(&d->busy);
  if (status) return status;
  d->count = 0;
  uint32_t found = 0;
  status = efme_mtcnn_run(d->cascade, &image->px, &d->faces, &found);
  if (!status) {
    *count = d->count = found;
    if (!found) status = efme_fail(EFME_E_NOT_FOUND, "no face in the image of %u x %u", image->px.width, image->px.height);
  }
  return leave(&d->busy, status);
}

efme_status efme_face_detector_face(const efme_face_detector *detector, uint32_t index, efme_face *out) {
  if (!detector) return efme_fail(EFME_E_ARGUMENT, "detector is NULL");
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  struct efme_face_detector *d = (struct efme_face_detector *)detector; /* busy is the one field that reading changes */
  efme_status status = enter(&d->busy);
  if (status) return status;
  if (index < d->count) {
    const struct efme_face_box *b = &d->faces[index];
    efme_face face = EFME_FACE_INIT;
    face.x = b->x0, face.y = b->y0, face.width = b->x1 - b->x0, face.height = b->y1 - b->y0, face.score = b->score;
    for (int i = 0; i < 5; i++) face.landmarks[2 * i] = b->points[i], face.landmarks[2 * i + 1] = b->points[5 + i];
    status = efme_struct_store(out, &face, sizeof face, "efme_face");
  } else {
    status = efme_fail(EFME_E_ARGUMENT, "index is %u, the last run found %u faces", (unsigned)index, (unsigned)d->count);
  }
  return leave(&d->busy, status);
}
