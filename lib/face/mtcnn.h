/* MTCNN (Zhang et al., IEEE SPL 23, 2016): three small networks in a cascade. P-Net looks at every place of a pyramid of the image, R-Net
 * and O-Net at what it has found, each at twice the size; O-Net gives five landmarks too.
 *
 * Device memory is reached through the backend's table alone. Weights are packed once. What depends on the image's size (programs,
 * activations) is kept for the last size: a stream of equal images prepares once, and a cascade never grows but with size or candidates.
 * One thread at a time. */
#ifndef EFME_FACE_MTCNN_H
#define EFME_FACE_MTCNN_H

#include "backend/context.h"
#include "efme/face.h"
#include "face/boxes.h"
#include "io/image.h"
#include "net/safetensors.h"

enum { EFME_PNET, EFME_RNET, EFME_ONET, EFME_FACE_NETS };
enum { EFME_FACE_LAYERS = 10, EFME_FACE_PARTS = 3 };

/* ---- the networks as data (networks.c) ---- */
enum efme_face_kind { EFME_FACE_END = 0, EFME_FACE_CONV, EFME_FACE_POOL, EFME_FACE_DENSE };
struct efme_face_layer {
  uint8_t kind, k; /* POOL: stride 2, a last partial window counts; CONV: stride 1, no padding */
  struct {
    const char *name;
    int32_t outputs;
  } parts[EFME_FACE_PARTS]; /* layers of the file that are computed as one: a last layer and its siblings */
  const char *slopes;       /* PReLU's tensor in the file; NULL: none */
};
struct efme_face_network {
  const char *name; /* in the file: "pnet" */
  int32_t side;     /* of the input; P-Net's is its window, any larger image will do */
  struct efme_face_layer layers[EFME_FACE_LAYERS];
};
extern const struct efme_face_network efme_face_networks[EFME_FACE_NETS];

/* Shapes of a layer in an input of some size. */
struct efme_face_shape {
  int32_t h, w, c; /* output */
  int32_t k, n;    /* the weights as a matrix, 0 for POOL */
};
/* Fills shapes for the network's layers; returns how many there are. */
uint32_t efme_face_shapes(struct efme_face_shape shapes[EFME_FACE_LAYERS], const struct efme_face_network *net, int32_t h, int32_t w);

/* ---- weights (weights.c) ---- */
struct efme_face_place { /* bytes from the region's base */
  uint64_t weight, bias, slopes;
  uint64_t packed, packed_bytes; /* in PACKED; 0 bytes: W is read as it is */
};
/* Where each layer's weights lie in the flat region; returns its bytes. */
uint64_t efme_face_layout(struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS]);
/* Reads and checks all tensors into the flat region; errors name the source and the tensor. */
efme_status efme_face_read_weights(float *flat, const struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS],
                                   const struct efme_allocator *a, const struct efme_st_source *source);

/* ---- programs (program.c) ---- */
struct efme_face_program {
  void *program;
  uint32_t max_batch;
  uint64_t act_bytes;        /* of ACT that it uses */
  struct efme_tensor output; /* of the last layer, in ACT */
};
enum { EFME_FACE_OPS = EFME_FACE_LAYERS + 1 };

/* Buffers and sizes that a program's descriptors refer to. */
struct efme_face_memory {
  struct efme_backend *backend;
  void *buffer[EFME_ARENA_COUNT];
  uint64_t size[EFME_ARENA_COUNT];
  uint64_t image_bytes; /* IO: the image, then the boxes */
  uint32_t threads;
};

/* Weights to the device, packed there as the backend likes. Fills the places' packed fields. */
efme_status efme_face_upload(struct efme_face_memory *m, const struct efme_allocator *a,
                             struct efme_face_place places[EFME_FACE_NETS][EFME_FACE_LAYERS], const float *flat, uint64_t bytes);
/* CROP to h x w, then the network, for up to max_batch boxes of an image. */
efme_status efme_face_prepare(struct efme_face_program *out, const struct efme_face_memory *m, const struct efme_face_place *places,
                              uint32_t net, const struct efme_pixels *image, int32_t h, int32_t w, uint32_t max_batch);
/* One run; boxes: batch x 4. values: the last layer's output, batch x h x w x c. */
efme_status efme_face_execute(const struct efme_face_memory *m, const struct efme_face_program *p, const int32_t *boxes, uint32_t batch,
                              float *values);
void efme_face_release(const struct efme_face_memory *m, struct efme_face_program *p);

/* ---- the cascade (cascade.c) ---- */
struct efme_mtcnn_options {
  uint32_t min_face, max_faces, threads;
  float thresholds[3], factor;
  uint32_t region[4]; /* x y width height; 0 0 0 0: the whole image */
};
struct efme_mtcnn;
efme_status efme_mtcnn_create(struct efme_mtcnn **out, struct efme_context *context, const struct efme_st_source *source,
                              const struct efme_mtcnn_options *options);
void efme_mtcnn_free(struct efme_mtcnn *m); /* NULL allowed */
/* All that a result depends on but the image, in a line: what was made by it is known again. */
void efme_mtcnn_describe(const struct efme_mtcnn *m, struct efme_text *out);
void efme_face_detector_settings(const efme_face_detector *detector, struct efme_text *out); /* the same (lib/api/face.c) */
/* *faces: m's own, valid until its next run, largest first. None: EFME_OK with *count 0. */
efme_status efme_mtcnn_run(struct efme_mtcnn *m, const struct efme_pixels *image, const struct efme_face_box **faces, uint32_t *count);

#endif
