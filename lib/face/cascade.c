/* The cascade, as facenet-pytorch 2.6.0 runs it: pyramid, P-Net, suppression within a scale (.5) and over all (.7), R-Net and O-Net each
 * with a threshold and suppression, boxes moved by the regression and made square in between. */
#include <string.h>

#include "face/mtcnn.h"

#define WHAT "face detector"
enum { WINDOW = 12, STRIDE = 2, LEVELS = 64 };
enum { MAP_VALUES = 6, VALUES = 16 };                          /* of a place of P-Net; of a box, R-Net's 6 and O-Net's 16 */
static const uint32_t max_batch[EFME_FACE_NETS] = {1, 32, 16}; /* activations of so many boxes stay in the caches */
static const float same_scale = 0.5f, all_scales = 0.7f;

struct level {
  float scale;
  struct efme_face_program program;
};

struct efme_mtcnn {
  const struct efme_allocator *a;
  struct efme_context *context;
  struct efme_mtcnn_options options;
  uint64_t weights_hash; /* XXH64 of the flat region */
  struct efme_face_memory memory;
  struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS];
  struct efme_pixels size; /* width, height and channels of the last image; 0: none */
  struct level levels[LEVELS];
  uint32_t level_count;
  struct efme_face_program nets[EFME_FACE_NETS]; /* R- and O-Net */
  int32_t region[4];                             /* x y width height in the last image */
  float *map;                                    /* P-Net's output for a level */
  uint32_t *places_of;                           /* by place of a level: its candidate's number, from 1 on */
  struct efme_face_box *boxes, *kept;            /* candidates; what suppression keeps */
  uint32_t *order;
  size_t box_room, kept_room, order_room, count;
};

/* ---- candidates ---- */

static efme_status reserve(struct efme_mtcnn *m, size_t need) {
  efme_status status = efme_mem_grow(m->a, (void **)&m->boxes, &m->box_room, need, sizeof *m->boxes, WHAT);
  if (!status) status = efme_mem_grow(m->a, (void **)&m->kept, &m->kept_room, need, sizeof *m->kept, WHAT);
  return status ? status : efme_mem_grow(m->a, (void **)&m->order, &m->order_room, need, sizeof *m->order, WHAT);
}

static void suppress(struct efme_mtcnn *m, float limit, enum efme_face_overlap overlap) {
  m->count = efme_face_suppress(m->boxes, m->count, limit, overlap, m->order, m->kept);
}

/* ---- what depends on the image's size ---- */

static void forget_size(struct efme_mtcnn *m) {
  for (uint32_t i = 0; i < m->level_count; i++) efme_face_release(&m->memory, &m->levels[i].program);
  for (uint32_t n = 0; n < EFME_FACE_NETS; n++) efme_face_release(&m->memory, &m->nets[n]);
  m->level_count = 0;
  memset(&m->size, 0, sizeof m->size);
  efme_mem_free(m->a, m->map), m->map = NULL;
  efme_mem_free(m->a, m->places_of), m->places_of = NULL;
  for (int arena = EFME_ARENA_ACT; arena <= EFME_ARENA_IO; arena++) {
    if (m->memory.buffer[arena]) m->memory.backend->api->free(m->memory.backend->be, m->memory.buffer[arena]);
    m->memory.buffer[arena] = NULL;
  }
}

/* The pyramid: the smallest face becomes P-Net's window, and so on until the image is smaller than that. */
static efme_status make_levels(struct efme_mtcnn *m, const struct efme_pixels *image, uint64_t *act) {
  double scale = (double)WINDOW / m->options.min_face, side = (double)EFME_MIN(m->region[2], m->region[3]) * scale;
  size_t most = 1;
  efme_status status = EFME_OK;
  for (; side >= WINDOW && m->level_count < LEVELS && !status; scale *= (double)m->options.factor, side *= (double)m->options.factor) {
    int32_t h = (int32_t)(m->region[3] * scale + 1), w = (int32_t)(m->region[2] * scale + 1);
    struct level *l = &m->levels[m->level_count];
    status = efme_face_prepare(&l->program, &m->memory, m->places[EFME_PNET], EFME_PNET, image, h, w, max_batch[EFME_PNET]);
    if (status) break;
    l->scale = (float)scale;
    *act = EFME_MAX(*act, l->program.act_bytes);
    most = EFME_MAX(most, (size_t)l->program.output.h * (size_t)l->program.output.w);
    m->level_count++;
  }
  if (status) return status;
  m->map = efme_mem_array(m->a, most, MAP_VALUES * sizeof *m->map, WHAT);
  m->places_of = efme_mem_array(m->a, most, sizeof *m->places_of, WHAT);
  return m->map && m->places_of ? EFME_OK : EFME_E_NOMEM;
}

static efme_status make_buffers(struct efme_mtcnn *m, uint64_t act) {
  const struct efme_backend *b = m->memory.backend;
  efme_status status = b->api->alloc(b->be, &m->memory.buffer[EFME_ARENA_ACT], (size_t)act);
  return status ? status
                : b->api->alloc(b->be, &m->memory.buffer[EFME_ARENA_IO],
                                (size_t)m->memory.image_bytes + max_batch[EFME_RNET] * 4 * sizeof(int32_t));
}

static efme_status set_region(struct efme_mtcnn *m, const struct efme_pixels *image) {
  const uint32_t *r = m->options.region;
  int all = !r[0] && !r[1] && !r[2] && !r[3];
  if (!all && ((uint64_t)r[0] + r[2] > image->width || (uint64_t)r[1] + r[3] > image->height))
    return efme_fail(EFME_E_ARGUMENT, "the region %u, %u, %u x %u does not lie in the image of %u x %u", r[0], r[1], r[2], r[3],
                     image->width, image->height);
  for (int i = 0; i < 4; i++) m->region[i] = (int32_t)r[i];
  if (all) m->region[2] = (int32_t)image->width, m->region[3] = (int32_t)image->height;
  return EFME_OK;
}

static efme_status set_size(struct efme_mtcnn *m, const struct efme_pixels *image) {
  if (m->size.width == image->width && m->size.height == image->height && m->size.channels == image->channels) return EFME_OK;
  efme_status status = set_region(m, image);
  if (status) return status;
  uint64_t act = 1;
  forget_size(m);
  m->memory.image_bytes = (efme_pixels_bytes(image) + 63) / 64 * 64;
  status = make_levels(m, image, &act);
  for (uint32_t n = EFME_RNET; n <= EFME_ONET && !status; n++) {
    int32_t side = efme_face_networks[n].side;
    status = efme_face_prepare(&m->nets[n], &m->memory, m->places[n], n, image, side, side, max_batch[n]);
    act = EFME_MAX(act, m->nets[n].act_bytes);
  }
  if (!status) status = make_buffers(m, act);
  if (status) {
    forget_size(m);
    return efme_fail_prefix(status, "an image of %u x %u", image->width, image->height);
  }
  m->size = *image;
  m->size.data = m->size.base = NULL;
  return EFME_OK;
}

/* ---- P-Net ---- */

/* Where the threshold lies in logits, less a little: what is below needs no exponential. */
static float logit_below(float threshold) {
  if (threshold <= 0) return -1e30f;
  if (threshold >= 1) return 10;
  return (float)(efme_log((double)threshold / (1 - (double)threshold)) - 1e-3);
}

/* Places of a level above the threshold become boxes behind those that are there. */
static efme_status collect(struct efme_mtcnn *m, const struct level *l, size_t first) {
  int32_t h = l->program.output.h, w = l->program.output.w;
  float threshold = m->options.thresholds[0], low = logit_below(threshold);
  for (int32_t y = 0; y < h; y++)
    for (int32_t x = 0; x < w; x++) {
      const float *v = m->map + ((size_t)y * (size_t)w + (size_t)x) * MAP_VALUES;
      m->places_of[(size_t)y * (size_t)w + (size_t)x] = 0;
      if (!(v[1] - v[0] >= low)) continue;
      float score = efme_face_probability(v[0], v[1]);
      if (!(score >= threshold)) continue;
      efme_status status = reserve(m, m->count + 1);
      if (status) return status;
      struct efme_face_box *b = &m->boxes[m->count++];
      memset(b, 0, sizeof *b);
      b->x0 = (float)(int32_t)((float)(STRIDE * x + 1) / l->scale), b->y0 = (float)(int32_t)((float)(STRIDE * y + 1) / l->scale);
      b->x1 = (float)(int32_t)((float)(STRIDE * x + WINDOW) / l->scale), b->y1 = (float)(int32_t)((float)(STRIDE * y + WINDOW) / l->scale);
      b->score = score;
      b->points[0] = (float)x, b->points[1] = (float)y; /* where it came from, for suppress_level */
      memcpy(b->offsets, v + 2, sizeof b->offsets);
      m->places_of[(size_t)y * (size_t)w + (size_t)x] = (uint32_t)(m->count - first);
    }
  return EFME_OK;
}

/* Suppression within a level: its boxes are all of one size, but for rounding, so those that share more than half lie within a third of a
 * window, 4 pixels or 2 places; 3 are looked at. Kept are as many as in the general form, in the same order. */
static void suppress_level(struct efme_mtcnn *m, const struct level *l, size_t first) {
  enum { REACH = 3 };
  struct efme_face_box *boxes = m->boxes + first;
  size_t n = m->count - first, count = 0;
  int32_t h = l->program.output.h, w = l->program.output.w;
  efme_face_sort(m->order, boxes, n);
  for (size_t i = 0; i < n; i++) {
    struct efme_face_box *b = &boxes[m->order[i]];
    if (b->score < 0) continue; /* covered */
    m->kept[count++] = *b;
    int32_t x = (int32_t)b->points[0], y = (int32_t)b->points[1];
    for (int32_t j = EFME_MAX(y - REACH, 0); j <= EFME_MIN(y + REACH, h - 1); j++)
      for (int32_t k = EFME_MAX(x - REACH, 0); k <= EFME_MIN(x + REACH, w - 1); k++) {
        uint32_t other = m->places_of[(size_t)j * (size_t)w + (size_t)k];
        if (other && efme_face_union_share(b, &boxes[other - 1]) > same_scale) boxes[other - 1].score = -1; /* b too */
      }
  }
  memcpy(boxes, m->kept, count * sizeof *boxes);
  m->count = first + count;
}

static efme_status propose(struct efme_mtcnn *m) {
  const int32_t *r = m->region, box[4] = {r[0], r[1], r[0] + r[2], r[1] + r[3]};
  m->count = 0;
  for (uint32_t i = 0; i < m->level_count; i++) {
    size_t first = m->count;
    efme_status status = efme_face_execute(&m->memory, &m->levels[i].program, box, 1, m->map);
    if (!status) status = collect(m, &m->levels[i], first);
    if (status) return status;
    suppress_level(m, &m->levels[i], first);
  }
  suppress(m, all_scales, EFME_FACE_UNION);
  for (size_t i = 0; i < m->count; i++) {
    efme_face_regress(&m->boxes[i], 0);
    efme_face_square(&m->boxes[i]);
  }
  return EFME_OK;
}

/* ---- R- and O-Net ---- */

/* Runs boxes first .. first + n - 1 (each with pixels) and keeps those above the threshold, from *kept on. */
static efme_status judge(struct efme_mtcnn *m, uint32_t net, const int32_t (*pixels)[4], size_t first, uint32_t n, size_t *kept) {
  float values[32 * VALUES];
  int32_t width = m->nets[net].output.c;
  efme_status status = efme_face_execute(&m->memory, &m->nets[net], pixels[0], n, values);
  for (uint32_t i = 0; i < n && !status; i++) {
    const float *v = values + (int32_t)i * width;
    struct efme_face_box b = m->boxes[first + i];
    b.score = efme_face_probability(v[0], v[1]);
    if (!(b.score > m->options.thresholds[net])) continue;
    memcpy(b.offsets, v + 2, sizeof b.offsets);
    if (net == EFME_ONET) memcpy(b.points, v + 6, sizeof b.points);
    m->boxes[(*kept)++] = b;
  }
  return status;
}

static efme_status refine(struct efme_mtcnn *m, uint32_t net) {
  int32_t pixels[32][4];
  size_t with = 0, kept = 0;
  for (size_t i = 0; i < m->count; i++) { /* boxes without a pixel in the image go first */
    int32_t p[4];
    if (efme_face_pixels(p, &m->boxes[i], m->region[2], m->region[3])) m->boxes[with++] = m->boxes[i];
  }
  for (size_t first = 0; first < with;) {
    uint32_t n = (uint32_t)EFME_MIN(with - first, (size_t)max_batch[net]);
    for (uint32_t i = 0; i < n; i++) {
      efme_face_pixels(pixels[i], &m->boxes[first + i], m->region[2], m->region[3]);
      for (int k = 0; k < 4; k++) pixels[i][k] += m->region[k % 2];
    }
    efme_status status = judge(m, net, (const int32_t(*)[4])pixels, first, n, &kept);
    if (status) return status;
    first += n;
  }
  m->count = kept;
  return EFME_OK;
}

/* ---- results ---- */

static float area(const struct efme_face_box *b) { return (b->x1 - b->x0) * (b->y1 - b->y0); }

/* Largest first, and into the image's coordinates. */
static void finish(struct efme_mtcnn *m) {
  for (size_t i = 1; i < m->count; i++) /* a few */
    for (size_t k = i; k && area(&m->boxes[k]) > area(&m->boxes[k - 1]); k--) {
      struct efme_face_box b = m->boxes[k];
      m->boxes[k] = m->boxes[k - 1], m->boxes[k - 1] = b;
    }
  if (m->options.max_faces) m->count = EFME_MIN(m->count, (size_t)m->options.max_faces);
  float x = (float)m->region[0], y = (float)m->region[1];
  for (size_t i = 0; i < m->count; i++) {
    struct efme_face_box *b = &m->boxes[i];
    b->x0 += x, b->x1 += x, b->y0 += y, b->y1 += y;
    for (int k = 0; k < 5; k++) b->points[k] += x, b->points[5 + k] += y;
  }
}

efme_status efme_mtcnn_run(struct efme_mtcnn *m, const struct efme_pixels *image, const struct efme_face_box **faces, uint32_t *count) {
  const struct efme_backend *b = m->memory.backend;
  efme_status status = set_size(m, image);
  if (!status) status = b->api->copy_in(b->be, m->memory.buffer[EFME_ARENA_IO], 0, image->data, efme_pixels_bytes(image));
  if (!status) status = reserve(m, 1);
  if (!status) status = propose(m);
  if (!status) status = refine(m, EFME_RNET);
  if (status) return status;
  suppress(m, all_scales, EFME_FACE_UNION);
  for (size_t i = 0; i < m->count; i++) {
    efme_face_regress(&m->boxes[i], 1);
    efme_face_square(&m->boxes[i]);
  }
  status = refine(m, EFME_ONET);
  if (status) return status;
  for (size_t i = 0; i < m->count; i++) {
    efme_face_place_points(&m->boxes[i]);
    efme_face_regress(&m->boxes[i], 1);
  }
  suppress(m, all_scales, EFME_FACE_MINIMUM);
  finish(m);
  *faces = m->boxes;
  *count = (uint32_t)m->count;
  return EFME_OK;
}

/* ---- creation ---- */

efme_status efme_mtcnn_create(struct efme_mtcnn **out, struct efme_context *context, const struct efme_st_source *source,
                              const struct efme_mtcnn_options *options) {
  const struct efme_allocator *a = efme_context_allocator(context);
  struct efme_mtcnn *m = efme_mem_calloc(a, 1, sizeof *m, WHAT);
  if (!m) return EFME_E_NOMEM;
  m->a = a;
  m->context = context;
  m->options = *options;
  m->memory.backend = &context->backend;
  m->memory.threads = options->threads;
  uint64_t bytes = efme_face_layout(m->places);
  float *flat = efme_mem_calloc(a, (size_t)bytes, 1, WHAT);
  efme_status status =
      flat ? efme_face_read_weights(flat, (const struct efme_face_place(*)[EFME_FACE_LAYERS])m->places, a, source) : EFME_E_NOMEM;
  if (!status) m->weights_hash = efme_hash64(flat, bytes, 0);
  if (!status) status = efme_face_upload(&m->memory, a, m->places, flat, bytes);
  efme_mem_free(a, flat);
  if (status) {
    efme_mtcnn_free(m);
    return status;
  }
  *out = m;
  return EFME_OK;
}

void efme_mtcnn_free(struct efme_mtcnn *m) {
  if (!m) return;
  forget_size(m);
  for (int arena = EFME_ARENA_WEIGHTS; arena <= EFME_ARENA_PACKED; arena++)
    if (m->memory.buffer[arena]) m->memory.backend->api->free(m->memory.backend->be, m->memory.buffer[arena]);
  efme_mem_free(m->a, m->boxes);
  efme_mem_free(m->a, m->kept);
  efme_mem_free(m->a, m->order);
  efme_mem_free(m->a, m);
}

void efme_mtcnn_describe(const struct efme_mtcnn *m, struct efme_text *out) {
  const struct efme_mtcnn_options *o = &m->options;
  efme_text_printf(out, "mtcnn %016llx, faces from %u px, thresholds", (unsigned long long)m->weights_hash, o->min_face);
  for (int i = 0; i < 3; i++) efme_text_add(out, " "), efme_text_double(out, (double)o->thresholds[i], 9);
  efme_text_add(out, ", factor "), efme_text_double(out, (double)o->factor, 9);
  if (o->max_faces) efme_text_printf(out, ", at most %u", o->max_faces);
  if (o->region[2]) efme_text_printf(out, ", in %u %u %u %u", o->region[0], o->region[1], o->region[2], o->region[3]);
}
