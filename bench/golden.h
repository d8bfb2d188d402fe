/* Reads float tensors out of a safetensors file, so that a benchmark can check what it times. */
#ifndef BENCH_GOLDEN_H
#define BENCH_GOLDEN_H

#include <stddef.h>

struct golden_tensor {
  float *values; /* free() */
  size_t count;
  long dims[4]; /* missing ones 1 */
};

/* 1 if `name` is a float32 tensor of the file; else 0 with *error saying why. */
int golden_read(struct golden_tensor *out, const char *path, const char *name, const char **error);

#endif
