/* Weight files of other frameworks, made from a model of ours. */
#ifndef EFME_TESTS_WEIGHTS_FOREIGN_FILE_H
#define EFME_TESTS_WEIGHTS_FOREIGN_FILE_H

#include <stdlib.h>
#include <string.h>

#include "net/model.h"
#include "net/safetensors.h"
#include "net/weights.h"

struct foreign {
  struct efme_st_tensor tensors[400];
  char names[400][96];
  size_t count;
};

/* A foreign file of a model of ours, in this format; values moved to its layout. */
static inline void make_foreign(struct foreign *f, const efme_model *m, uint32_t format, uint32_t alternative) {
  f->count = 0;
  for (uint32_t i = 0; i < m->params.count; i++) {
    const struct efme_param *p = &m->params.items[i];
    struct efme_st_tensor *t = &f->tensors[f->count];
    if (!alternative || !efme_import_name(f->names[f->count], p->name, format, alternative))
      efme_import_name(f->names[f->count], p->name, format, 0);
    float *values = malloc(p->count * sizeof *values);
    memcpy(values, m->weights + p->offset, p->count * sizeof *values);
    memset(t, 0, sizeof *t);
    t->rank = efme_param_shape(t->dims, p);
    t->count = p->count;
    t->name = f->names[f->count];
    uint64_t H = p->dims[0], W = p->dims[1], C = p->dims[2], N = p->dims[3];
    if (format != EFME_IMPORT_KERAS && t->rank > 1) {
      int depthwise = p->kind == EFME_PARAM_DEPTHWISE;
      for (uint64_t k = 0; k < H * W; k++)
        for (uint64_t c = 0; c < C; c++)
          for (uint64_t n = 0; n < N; n++)
            values[depthwise ? c * H * W + k : (n * C + c) * H * W + k] = m->weights[p->offset + (k * C + c) * N + n];
      const uint64_t conv[4] = {N, C, H, W}, dw[4] = {C, 1, H, W}, dense[4] = {N, C, 0, 0};
      memcpy(t->dims, depthwise ? dw : t->rank == 2 ? dense : conv, sizeof conv);
    }
    t->values = values;
    f->count++;
  }
}

static inline void free_foreign(struct foreign *f) {
  for (size_t i = 0; i < f->count; i++) free((void *)(uintptr_t)f->tensors[i].values);
}

#endif
