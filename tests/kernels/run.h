/* One op on guarded memory, run by the reference or by the CPU backend at a level: for tests with expectations of their own. */
#ifndef EFME_KERNELS_RUN_H
#define EFME_KERNELS_RUN_H

#include "cases.h"
#include "memory.h"

/* Who runs: 0 the reference in float32, 1 .. the CPU backend at that efme_cpu_level. */
enum { KERNEL_RUNNERS = 4 };

struct kernel_job {
  struct kernel_case c;
  struct kernel_memory m;
};

/* Places the case's tensors and fills them (kernel_fill); in double where `twin` is set (the reference only). */
void kernel_job_open(struct kernel_job *j, const struct kernel_case *c, int twin);
void kernel_job_close(struct kernel_job *j);
void *kernel_job_at(struct kernel_job *j, int role);
size_t kernel_job_count(struct kernel_job *j, int role); /* elements, 0 where absent */
/* Runs; a failure fails the test. 0: this CPU has no such level. */
int kernel_job_run(struct kernel_job *j, int runner);

#endif
