/* MTCNN's weights from safetensors, as tools/mtcnn.py writes them: convolutions [out][in][h][w], dense weights [out][in] over a map
 * flattened as c, h, w. Ours are matrices [in][out] over h, w, c. Every tensor of the file must be one of the networks', with its shape,
 * and none may be missing. */
#include <string.h>

#include "face/mtcnn.h"

uint64_t efme_face_layout(struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS]) {
  uint64_t at = 0;
  memset(places, 0, EFME_FACE_NETS * sizeof places[0]);
  for (uint32_t n = 0; n < EFME_FACE_NETS; n++) {
    const struct efme_face_network *net = &efme_face_networks[n];
    struct efme_face_shape shapes[EFME_FACE_LAYERS];
    uint32_t count = efme_face_shapes(shapes, net, net->side, net->side);
    for (uint32_t i = 0; i < count; i++) {
      uint64_t row = ((uint64_t)shapes[i].n * sizeof(float) + 63) / 64 * 64;
      if (!shapes[i].k) continue;
      places[n][i].weight = at, at += ((uint64_t)shapes[i].k * (uint64_t)shapes[i].n * sizeof(float) + 63) / 64 * 64;
      places[n][i].bias = at, at += row;
      places[n][i].slopes = at, at += net->layers[i].slopes ? row : 0;
    }
  }
  return at;
}

/* One tensor of the file and where it goes: column `column` of a matrix of `n` columns and k rows, or of a vector (k = 1). */
struct slot {
  char name[48];
  uint64_t dims[4];
  uint32_t rank;
  int32_t n, column, pixels, channels; /* rows of the matrix are (pixel, channel); the file has (channel, pixel) */
  uint64_t at;                         /* bytes */
};

static void vector_slot(struct slot *s, int32_t n, int32_t outputs, int32_t column, uint64_t at) {
  s->dims[0] = (uint64_t)outputs, s->rank = 1;
  s->n = n, s->column = column, s->pixels = s->channels = 1;
  s->at = at;
}

/* The slots of one layer; `in` is its input. */
static uint32_t layer_slots(struct slot *slots, const struct efme_face_network *net, const struct efme_face_layer *l,
                            const struct efme_face_shape *in, const struct efme_face_shape *out, const struct efme_face_place *place) {
  uint32_t count = 0;
  int32_t column = 0, conv = l->kind == EFME_FACE_CONV;
  for (int i = 0; i < EFME_FACE_PARTS && l->parts[i].name; column += l->parts[i++].outputs) {
    struct slot *s = &slots[count++];
    snprintf(s->name, sizeof s->name, "%s.%s.weight", net->name, l->parts[i].name);
    s->rank = conv ? 4 : 2;
    s->dims[0] = (uint64_t)l->parts[i].outputs;
    s->dims[1] = (uint64_t)(conv ? in->c : out->k);
    s->dims[2] = s->dims[3] = l->k;
    s->n = out->n, s->column = column;
    s->pixels = conv ? l->k * l->k : in->h * in->w;
    s->channels = in->c;
    s->at = place->weight;
    s = &slots[count++];
    snprintf(s->name, sizeof s->name, "%s.%s.bias", net->name, l->parts[i].name);
    vector_slot(s, out->n, l->parts[i].outputs, column, place->bias);
  }
  if (l->slopes) {
    struct slot *s = &slots[count++];
    snprintf(s->name, sizeof s->name, "%s.%s.weight", net->name, l->slopes);
    vector_slot(s, out->n, out->n, 0, place->slopes);
  }
  return count;
}

enum { SLOTS = 64, LAYER_SLOTS = 2 * EFME_FACE_PARTS + 1 };

static uint32_t all_slots(struct slot slots[SLOTS], const struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS]) {
  uint32_t count = 0;
  memset(slots, 0, SLOTS * sizeof slots[0]);
  for (uint32_t n = 0; n < EFME_FACE_NETS; n++) {
    const struct efme_face_network *net = &efme_face_networks[n];
    struct efme_face_shape shapes[EFME_FACE_LAYERS + 1] = {{net->side, net->side, 3, 0, 0}}; /* in front: the input */
    uint32_t layers = efme_face_shapes(shapes + 1, net, net->side, net->side);
    for (uint32_t i = 0; i < layers && count + LAYER_SLOTS <= SLOTS; i++)
      count += layer_slots(slots + count, net, &net->layers[i], &shapes[i], &shapes[i + 1], &places[n][i]);
  }
  return count;
}

static const struct slot *find(const struct slot *slots, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (!strcmp(slots[i].name, name)) return &slots[i];
  return NULL;
}

static efme_status check(const struct efme_st_reader *r, const struct slot *slots, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (!efme_st_find(r, slots[i].name)) return efme_fail(EFME_E_FORMAT, "%s: tensor \"%s\" is missing", r->source.name, slots[i].name);
  for (size_t i = 0; i < r->count; i++) {
    const struct slot *s = find(slots, count, r->entries[i].name);
    if (!s) return efme_fail(EFME_E_FORMAT, "%s: tensor \"%.200s\" does not belong to MTCNN", r->source.name, r->entries[i].name);
    efme_status status = efme_st_expect(r, &r->entries[i], s->dims, s->rank);
    if (status) return status;
  }
  return EFME_OK;
}

/* values [outputs][channels][pixels] into columns of the matrix. 0: one is not finite. */
static int scatter(float *flat, const struct slot *s, const float *values) {
  float *to = flat + s->at / sizeof(float) + s->column;
  for (uint64_t o = 0; o < s->dims[0]; o++)
    for (int32_t c = 0; c < s->channels; c++)
      for (int32_t p = 0; p < s->pixels; p++, values++) {
        if (!(*values - *values == 0)) return 0;
        to[((int64_t)p * s->channels + c) * s->n + (int64_t)o] = *values;
      }
  return 1;
}

static efme_status read_all(float *flat, struct efme_st_reader *r, const struct slot *slots, uint32_t count, float *values) {
  for (size_t i = 0; i < r->count; i++) {
    const struct slot *s = find(slots, count, r->entries[i].name);
    efme_status status = efme_st_read(r, &r->entries[i], values, NULL);
    if (status) return status;
    if (!scatter(flat, s, values))
      return efme_fail(EFME_E_NUMERIC, "%s: tensor \"%s\" has a value that is not finite", r->source.name, s->name);
  }
  return efme_st_finish(r);
}

efme_status efme_face_read_weights(float *flat, const struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS],
                                   const struct efme_allocator *a, const struct efme_st_source *source) {
  struct slot slots[SLOTS];
  struct efme_st_reader r;
  uint32_t count = all_slots(slots, places);
  uint64_t most = 0;
  efme_status status = efme_st_open(&r, a, source);
  if (status) return status;
  status = check(&r, slots, count);
  for (size_t i = 0; i < r.count; i++) most = EFME_MAX(most, r.entries[i].count);
  float *values = status ? NULL : efme_mem_array(a, (size_t)most, sizeof *values, "a tensor");
  if (!status && !values) status = EFME_E_NOMEM;
  if (!status) status = read_all(flat, &r, slots, count, values);
  efme_mem_free(a, values);
  efme_st_close(&r);
  return status;
}
