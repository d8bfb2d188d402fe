/* The three networks as data: layers in order, with the names that facenet-pytorch's weights have. The last layers (probability,
 * regression, landmarks) read the same input and are one product; the softmax over two logits is done on the host. */
#include "face/mtcnn.h"

#define CONV(k, name, n, slopes)                                                                                                           \
  { EFME_FACE_CONV, k, {{name, n}}, slopes }
#define POOL(k)                                                                                                                            \
  { EFME_FACE_POOL, k, {{NULL, 0}}, NULL }
#define DENSE(name, n, slopes)                                                                                                             \
  { EFME_FACE_DENSE, 1, {{name, n}}, slopes }

const struct efme_face_network efme_face_networks[EFME_FACE_NETS] = {
    {"pnet",
     12,
     {CONV(3, "conv1", 10, "prelu1"),
      POOL(2),
      CONV(3, "conv2", 16, "prelu2"),
      CONV(3, "conv3", 32, "prelu3"),
      {EFME_FACE_CONV, 1, {{"conv4_1", 2}, {"conv4_2", 4}}, NULL}}},
    {"rnet",
     24,
     {CONV(3, "conv1", 28, "prelu1"),
      POOL(3),
      CONV(3, "conv2", 48, "prelu2"),
      POOL(3),
      CONV(2, "conv3", 64, "prelu3"),
      DENSE("dense4", 128, "prelu4"),
      {EFME_FACE_DENSE, 1, {{"dense5_1", 2}, {"dense5_2", 4}}, NULL}}},
    {"onet",
     48,
     {CONV(3, "conv1", 32, "prelu1"),
      POOL(3),
      CONV(3, "conv2", 64, "prelu2"),
      POOL(3),
      CONV(3, "conv3", 64, "prelu3"),
      POOL(2),
      CONV(2, "conv4", 128, "prelu4"),
      DENSE("dense5", 256, "prelu5"),
      {EFME_FACE_DENSE, 1, {{"dense6_1", 2}, {"dense6_2", 4}, {"dense6_3", 10}}, NULL}}},
};

/* Windows of k at a stride of 2; one that is cut at the edge counts, if it begins inside. */
static int32_t pooled(int32_t n, int32_t k) { return n <= k ? 1 : (n - k + 1) / 2 + 1; }

uint32_t efme_face_shapes(struct efme_face_shape shapes[EFME_FACE_LAYERS], const struct efme_face_network *net, int32_t h, int32_t w) {
  int32_t c = 3;
  uint32_t count = 0;
  for (const struct efme_face_layer *l = net->layers; count < EFME_FACE_LAYERS && l->kind; l++, count++) {
    struct efme_face_shape *s = &shapes[count];
    s->k = l->kind == EFME_FACE_CONV ? l->k * l->k * c : l->kind == EFME_FACE_DENSE ? h * w * c : 0;
    s->n = 0;
    for (int i = 0; i < EFME_FACE_PARTS; i++) s->n += l->parts[i].outputs;
    if (l->kind == EFME_FACE_POOL) h = pooled(h, l->k), w = pooled(w, l->k);
    else if (l->kind == EFME_FACE_CONV) h -= l->k - 1, w -= l->k - 1, c = s->n;
    else h = w = 1, c = s->n;
    s->h = h, s->w = w, s->c = c;
  }
  return count;
}
