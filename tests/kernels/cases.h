/* The walk's cases: descriptors of every op kind over many shapes, and what their tensors are filled with. */
#ifndef EFME_KERNELS_CASES_H
#define EFME_KERNELS_CASES_H

#include "cpu/ref/ref.h"

struct kernel_case {
  struct efme_op op; /* tensors without offsets; max_batch is batch */
  char name[160];
  uint32_t batch;
  int alias, alias_of; /* role that shares its memory with another one, -1: none */
  double terms;        /* length of the op's sums */
  double flops;        /* multiply-adds counted twice; 0: a matter of memory */
  int hard;            /* BN_STAT: mean far from zero */
};

typedef void (*kernel_case_fn)(const struct kernel_case *c, void *user);
/* Calls fn for each case of a kind, 0: of all. */
void kernel_cases(int kind, kernel_case_fn fn, void *user);
/* The network's own shapes at `side` x `side` pixels, for timing. */
void kernel_time_cases(int kind, int32_t side, uint32_t batch, kernel_case_fn fn, void *user);

/* Fills the tensor of a role for batch images; the same for the same case. Roles that the op only writes are left alone. */
void kernel_fill(const struct kernel_case *c, int role, void *p);
/* Bit r: role r is written / is read and written. */
uint32_t kernel_outputs(const struct efme_op *op);
uint32_t kernel_inouts(const struct efme_op *op);
/* Uniform in (-1.732, 1.732): variance 1. */
double kernel_noise(uint64_t seed, uint64_t i);

/* ---- for building descriptors (cases.c) ---- */
struct kernel_case kernel_case_begin(int kind, uint32_t batch);
void kernel_batched(struct kernel_case *c, int role, int32_t h, int32_t w, int32_t ch);
void kernel_param(struct kernel_case *c, int role, int arena, int32_t n, int32_t h, int32_t w, int32_t ch);
void kernel_ids(struct kernel_case *c);
void kernel_case_end(struct kernel_case *c, const char *note, kernel_case_fn fn, void *user);

#endif
