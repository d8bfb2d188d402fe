/* What the kernel files share: the vector type, the table's name for this ISA, and how work is cut. */
#ifndef EFME_CPU_KERNEL_H
#define EFME_CPU_KERNEL_H

#include "cpu/cpu.h"
#include "cpu/isa/vec.h"
#include "util/util.h"

/* EFME_ISA (baseline, avx2, avx512) comes from CMake: each object exports one table, efme_cpu_<file>_<isa>. */
#define EFME_JOIN_(file, isa) efme_cpu_##file##_##isa
#define EFME_JOIN(file, isa) EFME_JOIN_(file, isa)
#define EFME_TABLE(file)                                                                                                                     \
  extern const struct efme_cpu_kernel EFME_JOIN(file, EFME_ISA)[];                                                                           \
  const struct efme_cpu_kernel EFME_JOIN(file, EFME_ISA)[]

/* Below this many elementary operations an op is done by the caller alone: about 5 us. */
#define SMALL_WORK 60000

INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
INLINE int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

INLINE const struct efme_tensor *shape(const struct efme_cpu_call *c, int role) { return &c->op->t[role]; }
INLINE float *f32(const struct efme_cpu_call *c, int role) { return c->t[role]; }
INLINE int64_t images_of(const struct efme_tensor *t, uint32_t batch) { return t->flags & EFME_TENSOR_BATCHED ? (int64_t)batch : t->n; }
INLINE int64_t pixels_of(const struct efme_tensor *t) { return (int64_t)t->h * t->w; }
INLINE int64_t count_of(const struct efme_tensor *t, uint32_t batch) { return images_of(t, batch) * pixels_of(t) * t->c; }

/* The index-th of `parts` nearly equal pieces of [0, n). */
INLINE int64_t part(int64_t n, int64_t parts, int64_t index) { return n * index / parts; }

#endif
