/* The networks as programs of the backend: a crop of boxes, then layer after layer, activations taking turns between two halves of ACT.
 * The smallest of builders: no planner is needed where every value is read by the next op alone. */
#include <string.h>

#include "face/mtcnn.h"

static uint64_t padded(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

static struct efme_tensor batched(int32_t n, int32_t h, int32_t w, int32_t c) {
  struct efme_tensor t = {EFME_ARENA_ACT, EFME_F32, EFME_TENSOR_BATCHED, n, h, w, c, 0, 0};
  return t;
}

static struct efme_tensor param(uint8_t arena, int32_t w, int32_t c, uint64_t offset) {
  struct efme_tensor t = {arena, EFME_F32, 0, 1, 1, w, c, 0, offset};
  return t;
}

static struct efme_op op_of(int kind, uint32_t layer) {
  struct efme_op op;
  memset(&op, 0, sizeof op);
  op.size = sizeof op;
  op.kind = (uint16_t)kind;
  op.layer = layer;
  return op;
}

static uint64_t bytes_of(const struct efme_tensor *t) {
  return padded((uint64_t)t->n * (uint64_t)t->h * (uint64_t)t->w * (uint64_t)t->c * sizeof(float));
}

/* One layer on x; its weights as they are. */
static struct efme_op layer_op(const struct efme_face_layer *l, const struct efme_face_shape *s, const struct efme_face_place *place,
                               const struct efme_tensor *x, uint32_t index) {
  int window = l->kind == EFME_FACE_CONV && l->k > 1;
  struct efme_op op = op_of(l->kind == EFME_FACE_POOL ? EFME_OP_MAXPOOL : window ? EFME_OP_CONV : EFME_OP_MATMUL, index);
  op.t[EFME_T_X] = *x;
  op.t[EFME_T_Y] = batched(x->n, s->h, s->w, s->c);
  if (l->kind == EFME_FACE_DENSE) { /* the map as one row */
    op.t[EFME_T_X].c = x->h * x->w * x->c;
    op.t[EFME_T_X].h = op.t[EFME_T_X].w = 1;
  }
  if (l->kind == EFME_FACE_POOL || window) op.kh = op.kw = l->k, op.stride = l->kind == EFME_FACE_POOL ? 2 : 1;
  if (l->kind == EFME_FACE_POOL) return op;
  op.t[EFME_T_W] = param(EFME_ARENA_WEIGHTS, s->k, s->n, place->weight);
  op.t[EFME_T_BIAS] = param(EFME_ARENA_WEIGHTS, 1, s->n, place->bias);
  if (l->slopes) op.act = EFME_ACT_PRELU, op.t[EFME_T_GAMMA] = param(EFME_ARENA_WEIGHTS, 1, s->n, place->slopes);
  return op;
}

static efme_status unsupported(const struct efme_face_memory *m, const char *net, const char *what) {
  return efme_fail(EFME_E_UNSUPPORTED, "backend %s does not compute %s of %s", m->backend->api->name, what, net);
}

static const char *layer_name(const struct efme_face_layer *l) { return l->parts[0].name ? l->parts[0].name : "a pooling layer"; }

/* ---- weights ---- */

/* How the backend wants the weights of each layer; *bytes: PACKED in all. */
static efme_status ask_packing(const struct efme_face_memory *m, struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS],
                               uint64_t *bytes) {
  const struct efme_backend_api *api = m->backend->api;
  *bytes = 0;
  for (uint32_t n = 0; n < EFME_FACE_NETS; n++) {
    const struct efme_face_network *net = &efme_face_networks[n];
    struct efme_face_shape shapes[EFME_FACE_LAYERS];
    uint32_t count = efme_face_shapes(shapes, net, net->side, net->side);
    struct efme_tensor x = batched(1, net->side, net->side, 3);
    for (uint32_t i = 0; i < count; i++) {
      struct efme_op_needs needs = {0, 0}, packing = {0, 0};
      struct efme_op op = layer_op(&net->layers[i], &shapes[i], &places[n][i], &x, i), pack = op_of(EFME_OP_PACK, i);
      x = op.t[EFME_T_Y];
      if (!api->supports(m->backend->be, &op, 1, &needs)) return unsupported(m, net->name, layer_name(&net->layers[i]));
      if (!needs.packed) continue;
      pack.t[EFME_T_X] = op.t[EFME_T_W];
      if (!api->supports(m->backend->be, &pack, 1, &packing) || packing.workspace) return unsupported(m, net->name, "the packing");
      places[n][i].packed = *bytes;
      places[n][i].packed_bytes = padded(EFME_MAX(needs.packed, packing.packed));
      *bytes += places[n][i].packed_bytes;
    }
  }
  return EFME_OK;
}

static struct efme_tensor packed_tensor(const struct efme_face_place *place) {
  return param(EFME_ARENA_PACKED, 1, (int32_t)(place->packed_bytes / sizeof(float)), place->packed);
}

static efme_status run(const struct efme_face_memory *m, void *program, uint32_t batch) {
  struct efme_bindings b;
  memset(&b, 0, sizeof b);
  b.size = sizeof b;
  b.batch = batch;
  b.max_threads = m->threads;
  b.lanes = 1;
  memcpy(b.arena, m->buffer, sizeof b.arena);
  return m->backend->api->run(m->backend->be, program, &b);
}

static efme_status pack(const struct efme_face_memory *m, const struct efme_allocator *a,
                        const struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS]) {
  const struct efme_backend_api *api = m->backend->api;
  struct efme_op *ops = efme_mem_array(a, EFME_FACE_NETS * EFME_FACE_LAYERS, sizeof *ops, "face detector");
  size_t count = 0;
  void *program = NULL;
  if (!ops) return EFME_E_NOMEM;
  for (uint32_t n = 0; n < EFME_FACE_NETS; n++) {
    const struct efme_face_network *net = &efme_face_networks[n];
    struct efme_face_shape shapes[EFME_FACE_LAYERS];
    uint32_t layers = efme_face_shapes(shapes, net, net->side, net->side);
    for (uint32_t i = 0; i < layers; i++) {
      if (!places[n][i].packed_bytes) continue;
      ops[count] = op_of(EFME_OP_PACK, i);
      ops[count].t[EFME_T_X] = param(EFME_ARENA_WEIGHTS, shapes[i].k, shapes[i].n, places[n][i].weight);
      ops[count++].t[EFME_T_P] = packed_tensor(&places[n][i]);
    }
  }
  efme_status status = count ? api->prepare(m->backend->be, &program, ops, count, 1) : EFME_OK;
  if (!status && program) status = run(m, program, 1);
  if (!status) status = api->sync(m->backend->be);
  if (program) api->release(m->backend->be, program);
  efme_mem_free(a, ops);
  return status;
}

efme_status efme_face_upload(struct efme_face_memory *m, const struct efme_allocator *a,
                             struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS], const float *flat, uint64_t bytes) {
  const struct efme_backend_api *api = m->backend->api;
  uint64_t packed = 0;
  efme_status status = ask_packing(m, places, &packed);
  if (!status) status = api->alloc(m->backend->be, &m->buffer[EFME_ARENA_WEIGHTS], (size_t)bytes);
  if (!status) status = api->copy_in(m->backend->be, m->buffer[EFME_ARENA_WEIGHTS], 0, flat, (size_t)bytes);
  if (!status && packed) status = api->alloc(m->backend->be, &m->buffer[EFME_ARENA_PACKED], (size_t)packed);
  if (!status) status = pack(m, a, places);
  return status;
}

/* ---- programs ---- */

static struct efme_op crop_op(const struct efme_face_memory *m, const struct efme_pixels *image, int32_t h, int32_t w, uint32_t max_batch) {
  struct efme_op op = op_of(EFME_OP_CROP, 0);
  struct efme_tensor x = {EFME_ARENA_IO, EFME_U8, 0, 1, (int32_t)image->height, (int32_t)image->width, (int32_t)image->channels, 0, 0};
  struct efme_tensor boxes = {EFME_ARENA_IO, EFME_I32, EFME_TENSOR_BATCHED, (int32_t)max_batch, 1, 1, 4, 0, m->image_bytes};
  op.f[0] = 127.5f, op.f[1] = 0.0078125f; /* pixels to -1 .. 1, as the networks were trained */
  op.t[EFME_T_X] = x, op.t[EFME_T_BOX] = boxes;
  op.t[EFME_T_Y] = batched((int32_t)max_batch, h, w, 3);
  return op;
}

/* Asks the backend about an op: hands it packed weights where it wants them, and notes its workspace. */
static efme_status settle(const struct efme_face_memory *m, struct efme_op *op, const struct efme_face_place *place, uint32_t net,
                          const char *name, uint32_t max_batch, uint64_t *workspace) {
  struct efme_op_needs needs = {0, 0};
  if (!m->backend->api->supports(m->backend->be, op, max_batch, &needs)) return unsupported(m, efme_face_networks[net].name, name);
  if (needs.packed > (place ? place->packed_bytes : 0)) return unsupported(m, efme_face_networks[net].name, "packed weights of two sizes");
  if (needs.packed) {
    op->t[EFME_T_P] = packed_tensor(place);
    memset(&op->t[EFME_T_W], 0, sizeof op->t[EFME_T_W]);
  }
  if (needs.workspace) op->t[EFME_T_WS] = param(EFME_ARENA_ACT, 1, (int32_t)((needs.workspace + 3) / 4), 0);
  *workspace = EFME_MAX(*workspace, padded(needs.workspace));
  return EFME_OK;
}

/* Op i writes half i % 2; workspace lies behind both. */
static uint64_t lay_out(struct efme_op *ops, uint32_t count, uint64_t workspace) {
  uint64_t half[2] = {0, 0};
  for (uint32_t i = 0; i < count; i++) half[i % 2] = EFME_MAX(half[i % 2], bytes_of(&ops[i].t[EFME_T_Y]));
  for (uint32_t i = 0; i < count; i++) {
    ops[i].t[EFME_T_Y].offset = i % 2 ? half[0] : 0;
    if (i) ops[i].t[EFME_T_X].offset = i % 2 ? 0 : half[0];
    if (ops[i].t[EFME_T_WS].arena) ops[i].t[EFME_T_WS].offset = half[0] + half[1];
  }
  return half[0] + half[1] + workspace;
}

efme_status efme_face_prepare(struct efme_face_program *out, const struct efme_face_memory *m, const struct efme_face_place *places,
                              uint32_t net, const struct efme_pixels *image, int32_t h, int32_t w, uint32_t max_batch) {
  const struct efme_face_network *network = &efme_face_networks[net];
  struct efme_face_shape shapes[EFME_FACE_LAYERS];
  struct efme_op ops[EFME_FACE_OPS];
  uint32_t count = efme_face_shapes(shapes, network, h, w);
  uint64_t workspace = 0;
  ops[0] = crop_op(m, image, h, w, max_batch);
  efme_status status = settle(m, &ops[0], NULL, net, "the crop", max_batch, &workspace);
  for (uint32_t i = 0; i < count && !status; i++) {
    ops[i + 1] = layer_op(&network->layers[i], &shapes[i], &places[i], &ops[i].t[EFME_T_Y], i + 1);
    status = settle(m, &ops[i + 1], &places[i], net, layer_name(&network->layers[i]), max_batch, &workspace);
  }
  if (status) return status;
  out->max_batch = max_batch;
  out->act_bytes = lay_out(ops, count + 1, workspace);
  out->output = ops[count].t[EFME_T_Y];
  return m->backend->api->prepare(m->backend->be, &out->program, ops, count + 1, max_batch);
}

efme_status efme_face_execute(const struct efme_face_memory *m, const struct efme_face_program *p, const int32_t *boxes, uint32_t batch,
                              float *values) {
  const struct efme_backend_api *api = m->backend->api;
  const struct efme_tensor *y = &p->output;
  size_t bytes = (size_t)batch * (size_t)y->h * (size_t)y->w * (size_t)y->c * sizeof *values;
  efme_status status = api->copy_in(m->backend->be, m->buffer[EFME_ARENA_IO], (size_t)m->image_bytes, boxes, batch * 4 * sizeof *boxes);
  if (!status) status = run(m, p->program, batch);
  return status ? status : api->copy_out(m->backend->be, m->buffer[EFME_ARENA_ACT], (size_t)y->offset, values, bytes);
}

void efme_face_release(const struct efme_face_memory *m, struct efme_face_program *p) {
  if (p->program) m->backend->api->release(m->backend->be, p->program);
  p->program = NULL;
}
