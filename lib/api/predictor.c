/* The predictor handle: argument checks, batches, images resized to the input, taps. Creation plans, allocates and packs; the
 * calls after it allocate nothing. */
#include "efme/predictor.h"

#include <string.h>

#include "backend/context.h"
#include "efme/dataset.h"
#include "io/image.h"
#include "net/model.h"
#include "net/share.h"

struct efme_predictor {
  atomic_uint references;
  atomic_uint busy;
  efme_model *model;
  struct efme_plan *plan;
  struct efme_share *share;
  struct efme_exec *exec;
  uint32_t last_batch; /* images of the last run, 0: none yet; what taps hold */
  float *image;        /* one image of the input size, as the network reads it */
  uint8_t *resized;
  float *probabilities; /* max_batch x classes */
  uint32_t *slots;      /* which image lies in which place of the batch */
  uint8_t *scratch;     /* all that a resize may ask for */
  size_t scratch_size, scratch_used;
};

static const struct efme_allocator *allocator(const struct efme_predictor *p) { return efme_context_allocator(p->model->context); }

/* ---- creation ---- */

/* Largest batch that runs at once: what more images would gain in parallel work they lose in cache. Taps need the whole one. */
static uint32_t chunk(const efme_predictor_options *o, const struct efme_arch *arch) {
  uint64_t images = (uint64_t)16 * 48 * 48 / ((uint64_t)arch->height * arch->width);
  uint64_t most = EFME_MAX(images, 4);
  return o->tap_count || o->max_batch < most ? o->max_batch : (uint32_t)most;
}

/* Bytes that efme_pixels_resize takes for an image of any allowed size: spans and weights of both axes, two lines, sums. */
static size_t resize_scratch(const struct efme_arch *arch) {
  size_t h = arch->height, w = arch->width;
  return 12 * (h + w) + 4 * (2 * (size_t)EFME_IMAGE_MAX_SIDE + h + w) + 2 * 12 * w + 24 * w + 4096;
}

static efme_status allocate(struct efme_predictor *p) {
  const struct efme_allocator *a = allocator(p);
  const struct efme_arch *arch = &p->model->arch;
  size_t values = (size_t)arch->height * arch->width * 3, batch = p->plan->options.max_batch;
  p->scratch_size = resize_scratch(arch);
  p->image = efme_mem_array(a, values, sizeof *p->image, "predictor");
  p->resized = efme_mem_array(a, values, 1, "predictor");
  p->probabilities = efme_mem_array(a, batch * arch->classes, sizeof *p->probabilities, "predictor");
  p->slots = efme_mem_array(a, batch, sizeof *p->slots, "predictor");
  p->scratch = efme_mem_alloc(a, p->scratch_size, "predictor");
  return p->image && p->resized && p->probabilities && p->slots && p->scratch ? EFME_OK : EFME_E_NOMEM;
}

static efme_status build(struct efme_predictor *p, const efme_predictor_options *o) {
  struct efme_plan_options plan = {.mode = EFME_PLAN_INFER, .taps = o->taps, .tap_count = o->tap_count};
  struct efme_backend *backend = &p->model->context->backend;
  struct efme_exec_borrow borrow;
  plan.max_batch = chunk(o, &p->model->arch);
  efme_status status = efme_plan_create(&p->plan, allocator(p), backend, &p->model->arch, &plan);
  if (!status) status = allocate(p);
  if (!status) status = efme_share_acquire(&p->share, p->model, p->plan);
  if (status) return status;
  efme_share_lend(p->share, &borrow);
  return efme_exec_create(&p->exec, allocator(p), backend, p->plan, o->threads, &borrow);
}

static void destroy(struct efme_predictor *p) {
  const struct efme_allocator *a = allocator(p);
  struct efme_model *model = p->model;
  efme_exec_free(p->exec);
  efme_share_release(model, p->share);
  efme_plan_free(p->plan);
  efme_mem_free(a, p->image);
  efme_mem_free(a, p->resized);
  efme_mem_free(a, p->probabilities);
  efme_mem_free(a, p->slots);
  efme_mem_free(a, p->scratch);
  struct efme_context *context = efme_context_retain(model->context); /* the allocator outlives the model */
  efme_mem_free(a, p);
  efme_model_unhold(model);
  efme_context_release(context);
}

efme_status efme_predictor_create(efme_predictor **out, efme_model *model, const efme_predictor_options *options) {
  EFME_FPENV_DEFAULT;
  static const efme_predictor_options defaults = EFME_PREDICTOR_OPTIONS_INIT;
  efme_predictor_options o;
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  if (!model) return efme_fail(EFME_E_ARGUMENT, "model is NULL");
  efme_status status = efme_options_load(&o, sizeof o, options, &defaults, "efme_predictor_options");
  if (status) return status;
  if (o.max_batch < 1 || o.max_batch > 4096) return efme_fail(EFME_E_ARGUMENT, "max_batch is %u, must be 1..4096", (unsigned)o.max_batch);
  if (o.threads > 256) return efme_fail(EFME_E_ARGUMENT, "threads is %u, must be 0..256", (unsigned)o.threads);
  if (o.tap_count && !o.taps) return efme_fail(EFME_E_ARGUMENT, "taps is NULL, tap_count is %u", (unsigned)o.tap_count);
  if (o.tap_count > 1024) return efme_fail(EFME_E_ARGUMENT, "tap_count is %u, at most 1024", (unsigned)o.tap_count);
  if (o.reserved) return efme_fail(EFME_E_ARGUMENT, "efme_predictor_options.reserved is not 0");
  status = efme_model_hold(model);
  if (status) return status;
  struct efme_predictor *p = efme_mem_calloc(efme_context_allocator(model->context), 1, sizeof *p, "predictor");
  if (!p) {
    efme_model_unhold(model);
    return EFME_E_NOMEM;
  }
  atomic_init(&p->references, 1);
  p->model = model;
  status = build(p, &o);
  if (status) {
    destroy(p);
    return status;
  }
  *out = p;
  return EFME_OK;
}

efme_predictor *efme_predictor_retain(efme_predictor *predictor) {
  if (predictor) atomic_fetch_add_explicit(&predictor->references, 1, memory_order_relaxed);
  return predictor;
}

void efme_predictor_release(efme_predictor *predictor) {
  if (predictor && atomic_fetch_sub_explicit(&predictor->references, 1, memory_order_acq_rel) == 1) destroy(predictor);
}

/* ---- runs ---- */

static efme_status enter(struct efme_predictor *p) {
  if (atomic_exchange_explicit(&p->busy, 1, memory_order_acquire)) return efme_fail(EFME_E_BUSY, "predictor is in use by another thread");
  return EFME_OK;
}

static efme_status leave(struct efme_predictor *p, efme_status status) {
  atomic_store_explicit(&p->busy, 0, memory_order_release);
  return status;
}

/* The staged images through the network. */
static efme_status run_batch(struct efme_predictor *p, uint32_t n, float *logits, float *probabilities) {
  uint64_t bytes = (uint64_t)n * p->model->arch.classes * sizeof(float);
  efme_status status = efme_exec_main(p->exec, n);
  if (!status) p->last_batch = n;
  if (!status && logits) status = efme_exec_read(p->exec, &p->plan->logits, 0, logits, bytes);
  if (!status && probabilities) status = efme_exec_read(p->exec, &p->plan->probabilities, 0, probabilities, bytes);
  return status;
}

efme_status efme_predictor_run(efme_predictor *p, const float *pixels, uint32_t count, float *logits, float *probabilities) {
  if (!p) return efme_fail(EFME_E_ARGUMENT, "predictor is NULL");
  if (!pixels) return efme_fail(EFME_E_ARGUMENT, "pixels is NULL");
  if (count == 0) return efme_fail(EFME_E_ARGUMENT, "count is 0");
  efme_status status = enter(p);
  if (status) return status;
  size_t values = (size_t)p->model->arch.height * p->model->arch.width * 3, classes = p->model->arch.classes;
  for (uint32_t at = 0; at < count && !status;) {
    uint32_t n = EFME_MIN(count - at, p->plan->options.max_batch);
    status = efme_exec_write(p->exec, &p->plan->input, 0, pixels + at * values, n * values * sizeof(float));
    if (!status) status = run_batch(p, n, logits ? logits + at * classes : NULL, probabilities ? probabilities + at * classes : NULL);
    at += n;
  }
  return leave(p, status);
}

/* An allocator over the predictor's scratch: gives, never takes back; emptied before each image. */
static void *scratch_alloc(size_t size, size_t alignment, void *user) {
  struct efme_predictor *p = user;
  uintptr_t base = (uintptr_t)p->scratch, at = (base + p->scratch_used + alignment - 1) / alignment * alignment;
  if (at - base > p->scratch_size || size > p->scratch_size - (at - base)) return NULL;
  p->scratch_used = at - base + size;
  return p->scratch + (at - base);
}

static void scratch_free(void *ptr, void *user) { (void)ptr, (void)user; }

/* Resizes an image and puts it into place `slot` of the batch. */
static efme_status stage(struct efme_predictor *p, const efme_image *image, uint32_t index, uint32_t slot) {
  if (!image) return efme_fail(EFME_E_ARGUMENT, "images[%u] is NULL", (unsigned)index);
  const struct efme_arch *arch = &p->model->arch;
  const struct efme_pixels *px = &image->px;
  const struct efme_allocator scratch = {scratch_alloc, scratch_free, p};
  size_t pixels = (size_t)arch->height * arch->width;
  p->scratch_used = 0;
  efme_status status = efme_pixels_resize(p->resized, arch->width, arch->height, px->data, px->width, px->height, px->channels, &scratch);
  if (status) return efme_fail_prefix(status, "images[%u]", (unsigned)index);
  for (size_t i = 0; i < pixels; i++) {
    for (size_t c = 0; c < 3; c++) p->image[3 * i + c] = (float)p->resized[px->channels == 1 ? i : 3 * i + c];
  }
  return efme_exec_write(p->exec, &p->plan->input, slot * pixels * 3 * sizeof(float), p->image, pixels * 3 * sizeof(float));
}

static efme_prediction judge(const float *probabilities, uint32_t classes) {
  efme_prediction r;
  memset(&r, 0, sizeof r);
  for (uint32_t c = 1; c < classes; c++) {
    if (probabilities[c] > probabilities[r.label]) r.label = (int32_t)c;
  }
  r.confidence = probabilities[r.label];
  if (!(r.confidence > 0.0f && r.confidence <= 1.0f)) r.status = efme_fail(EFME_E_NUMERIC, "the network's output is not a number");
  return r;
}

/* Runs the n staged images and hands their results to where they belong. */
static efme_status flush(struct efme_predictor *p, uint32_t n, efme_prediction *results, float *probabilities) {
  uint32_t classes = p->model->arch.classes;
  efme_status status = n ? run_batch(p, n, NULL, p->probabilities) : EFME_OK;
  for (uint32_t i = 0; i < n && !status; i++) {
    const float *row = p->probabilities + (size_t)i * classes;
    results[p->slots[i]] = judge(row, classes);
    if (probabilities) memcpy(probabilities + (size_t)p->slots[i] * classes, row, classes * sizeof *row);
  }
  return status;
}

efme_status efme_predictor_run_images(efme_predictor *p, efme_image *const *images, uint32_t count, efme_prediction *results,
                                      float *probabilities) {
  EFME_FPENV_DEFAULT;
  if (!p) return efme_fail(EFME_E_ARGUMENT, "predictor is NULL");
  if (!images) return efme_fail(EFME_E_ARGUMENT, "images is NULL");
  if (!results) return efme_fail(EFME_E_ARGUMENT, "results is NULL");
  if (count == 0) return efme_fail(EFME_E_ARGUMENT, "count is 0");
  efme_status status = enter(p);
  if (status) return status;
  uint32_t n = 0, classes = p->model->arch.classes;
  for (uint32_t i = 0; i < count && !status; i++) {
    efme_status one = stage(p, images[i], i, n);
    if (one == EFME_OK) p->slots[n++] = i;
    else if (one == EFME_E_BACKEND) status = one;
    else {
      memset(&results[i], 0, sizeof results[i]);
      results[i].status = one;
      if (probabilities) memset(probabilities + (size_t)i * classes, 0, classes * sizeof *probabilities);
    }
    if (!status && n == p->plan->options.max_batch) {
      status = flush(p, n, results, probabilities);
      n = 0;
    }
  }
  if (!status) status = flush(p, n, results, probabilities);
  return leave(p, status);
}

/* ---- questions ---- */

efme_status efme_predictor_tap(const efme_predictor *p, const char *name, float *values, size_t capacity, uint32_t dims[4]) {
  if (!p) return efme_fail(EFME_E_ARGUMENT, "predictor is NULL");
  if (!name) return efme_fail(EFME_E_ARGUMENT, "name is NULL");
  if (!dims && !values) return efme_fail(EFME_E_ARGUMENT, "values and dims are both NULL");
  const struct efme_plan_tap *tap = efme_plan_find_tap(p->plan, name);
  if (!tap) return efme_fail(EFME_E_NOT_FOUND, "\"%.60s\" is not a tap of this predictor", name);
  if (p->last_batch == 0) return efme_fail(EFME_E_STATE, "nothing has been run yet");
  const struct efme_tensor *t = &tap->tensor;
  size_t need = (size_t)p->last_batch * (size_t)t->h * (size_t)t->w * (size_t)t->c;
  if (values && capacity < need) return efme_fail(EFME_E_ARGUMENT, "tap \"%s\" has %zu values, capacity is %zu", name, need, capacity);
  efme_status status = values ? efme_exec_read(p->exec, t, 0, values, need * sizeof(float)) : EFME_OK;
  if (status || !dims) return status;
  dims[0] = p->last_batch, dims[1] = (uint32_t)t->h, dims[2] = (uint32_t)t->w, dims[3] = (uint32_t)t->c;
  return EFME_OK;
}

efme_status efme_predictor_plan(const efme_predictor *p, char **out) {
  char *text;
  if (!p) return efme_fail(EFME_E_ARGUMENT, "predictor is NULL");
  if (!out) return efme_fail(EFME_E_ARGUMENT, "out is NULL");
  efme_status status = efme_plan_print(p->plan, &text);
  if (status) return status;
  status = efme_string_export(out, allocator(p), text, strlen(text));
  efme_mem_free(allocator(p), text);
  return status;
}
