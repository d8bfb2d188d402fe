/* The walker: runs cases through a backend's table and judges them by the reference. For each case and level:
 *   - the result agrees with the reference within kernel_limit();
 *   - 1, 2, 3 and 7 threads, and a host's parallel_for that runs the tasks backwards, give the same bits;
 *   - an image's bits do not depend on its place in the batch, nor on the batch (where the op is no reduction over it);
 *   - nothing is written outside the tensors, and inputs stay as they were; nothing is read past an end (it would fault). */
#ifndef EFME_KERNELS_WALK_H
#define EFME_KERNELS_WALK_H

#include <stdio.h>

#include "cases.h"

enum { WALK_BACKENDS = 5 };

struct walk {
  const struct efme_backend_api *api;
  uint32_t level;   /* in use */
  int direct;       /* buffers are host memory: guard pages can be used */
  int threads_only; /* rows and batches are left out: they run no other code at once */
  void *be[WALK_BACKENDS];
  struct efme_backend_host host[WALK_BACKENDS];
  FILE *out; /* NULL: silent */
  unsigned long cases, failures;
  double worst[EFME_OP_COUNT]; /* error in parts of the limit, and where */
  char worst_case[EFME_OP_COUNT][160];
  char first[512]; /* the first failure */
};

/* What runs now, for a fault handler. */
extern char walk_running[256];

/* Opens the backend at a level with each thread count. 0: cannot. */
int walk_open(struct walk *w, const struct efme_backend_api *api, uint32_t level, int direct, FILE *out);
void walk_close(struct walk *w);
/* Walks every case of a kind (0: all) over `count` opened walks; the reference is run once a case. */
void walk_run(struct walk *w, int count, int kind);
/* Seconds of one run of a case, best of many, with `threads` (an index into be: 0 = 1, 1 = 2). Negative: not supported. */
double walk_time(struct walk *w, const struct kernel_case *c, int which);

/* Largest error allowed in role of c. *relative: each element by its own size, else by *scale, the tensor's largest. */
double kernel_limit(const struct kernel_case *c, int role, int *relative, double *floor_scale);

#endif
