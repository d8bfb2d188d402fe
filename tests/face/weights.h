/* Weights of MTCNN's shapes without a file: for tests that need a detector, and not its judgement. All are zero but what `fill` says; with
 * face_yes every place and box is a face with probability .9999, so that images of any content run through the whole cascade. */
#ifndef EFME_FACE_WEIGHTS_H
#define EFME_FACE_WEIGHTS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct face_tensor {
  const char *name, *shape;
  int count;
} face_tensors[] = {
    {"pnet.conv1.weight", "10,3,3,3", 270},
    {"pnet.conv1.bias", "10", 10},
    {"pnet.prelu1.weight", "10", 10},
    {"pnet.conv2.weight", "16,10,3,3", 1440},
    {"pnet.conv2.bias", "16", 16},
    {"pnet.prelu2.weight", "16", 16},
    {"pnet.conv3.weight", "32,16,3,3", 4608},
    {"pnet.conv3.bias", "32", 32},
    {"pnet.prelu3.weight", "32", 32},
    {"pnet.conv4_1.weight", "2,32,1,1", 64},
    {"pnet.conv4_1.bias", "2", 2},
    {"pnet.conv4_2.weight", "4,32,1,1", 128},
    {"pnet.conv4_2.bias", "4", 4},
    {"rnet.conv1.weight", "28,3,3,3", 756},
    {"rnet.conv1.bias", "28", 28},
    {"rnet.prelu1.weight", "28", 28},
    {"rnet.conv2.weight", "48,28,3,3", 12096},
    {"rnet.conv2.bias", "48", 48},
    {"rnet.prelu2.weight", "48", 48},
    {"rnet.conv3.weight", "64,48,2,2", 12288},
    {"rnet.conv3.bias", "64", 64},
    {"rnet.prelu3.weight", "64", 64},
    {"rnet.dense4.weight", "128,576", 73728},
    {"rnet.dense4.bias", "128", 128},
    {"rnet.prelu4.weight", "128", 128},
    {"rnet.dense5_1.weight", "2,128", 256},
    {"rnet.dense5_1.bias", "2", 2},
    {"rnet.dense5_2.weight", "4,128", 512},
    {"rnet.dense5_2.bias", "4", 4},
    {"onet.conv1.weight", "32,3,3,3", 864},
    {"onet.conv1.bias", "32", 32},
    {"onet.prelu1.weight", "32", 32},
    {"onet.conv2.weight", "64,32,3,3", 18432},
    {"onet.conv2.bias", "64", 64},
    {"onet.prelu2.weight", "64", 64},
    {"onet.conv3.weight", "64,64,3,3", 36864},
    {"onet.conv3.bias", "64", 64},
    {"onet.prelu3.weight", "64", 64},
    {"onet.conv4.weight", "128,64,2,2", 32768},
    {"onet.conv4.bias", "128", 128},
    {"onet.prelu4.weight", "128", 128},
    {"onet.dense5.weight", "256,1152", 294912},
    {"onet.dense5.bias", "256", 256},
    {"onet.prelu5.weight", "256", 256},
    {"onet.dense6_1.weight", "2,256", 512},
    {"onet.dense6_1.bias", "2", 2},
    {"onet.dense6_2.weight", "4,256", 1024},
    {"onet.dense6_2.bias", "4", 4},
    {"onet.dense6_3.weight", "10,256", 2560},
    {"onet.dense6_3.bias", "10", 10},
};
enum { FACE_TENSORS = sizeof face_tensors / sizeof face_tensors[0], FACE_HEADER = 8192, FACE_BYTES = 8 + FACE_HEADER + 4 * 495850 };

/* Changes of a file: a tensor left out, renamed, with another shape or type, or with a value. */
struct face_change {
  const char *tensor, *name, *shape, *type;
  int drop;
  float value; /* of its first element, where name, shape and type are NULL and drop 0 */
};

/* The file's bytes, in a static buffer. */
static inline const void *face_weights(int yes, const struct face_change *change, size_t *size) {
  static unsigned char file[FACE_BYTES + 4096];
  char *header = (char *)file + 8;
  size_t used = 1, at = 0;
  memset(file, 0, sizeof file);
  header[0] = '{';
  for (int i = 0; i < FACE_TENSORS; i++) {
    const struct face_tensor *t = &face_tensors[i];
    const struct face_change *c = change && !strcmp(change->tensor, t->name) ? change : NULL;
    float *values = (float *)(void *)(file + 8 + FACE_HEADER + at);
    if (c && c->drop) continue;
    size_t bytes = 4 * (size_t)t->count;
    used += (size_t)snprintf(header + used, FACE_HEADER - used, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                             used > 1 ? "," : "", c && c->name ? c->name : t->name, c && c->type ? c->type : "F32",
                             c && c->shape ? c->shape : t->shape, at, at + bytes);
    if (yes && strstr(t->name, "_1.bias")) values[0] = -5, values[1] = 5;
    if (c && !c->name && !c->shape && !c->type) values[0] = c->value;
    at += bytes;
  }
  header[used++] = '}';
  memset(header + used, ' ', FACE_HEADER - used);
  for (int i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)FACE_HEADER >> 8 * i);
  *size = 8 + FACE_HEADER + at;
  return file;
}

#endif
