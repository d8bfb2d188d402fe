/* A program: the checked and copied list of ops, each with its kernel chosen. Everything a run needs lies in it, one
 * allocation made by prepare; run only resolves tensors, lets the kernel cut the op into tasks and hands them to the
 * threads. */
#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "util/util.h"

struct node {
  struct efme_op op;
  const struct efme_cpu_kernel *kernel;
  uint32_t roles; /* bit r: tensor r is present */
};

struct program {
  size_t count;
  uint32_t max_batch;
  uint32_t arenas; /* bit a: some op uses arena a */
  char *scratch;
  struct node nodes[];
};

static uint32_t present(const struct efme_op *op) {
  uint32_t roles = 0;
  for (uint32_t r = 0; r < EFME_T_COUNT; r++)
    if (op->t[r].arena != EFME_ARENA_NONE) roles |= 1u << r;
  return roles;
}

/* The kernel of op with its needs, or NULL and a message. */
static const struct efme_cpu_kernel *choose(const struct efme_cpu *cpu, const struct efme_op *op, uint32_t max_batch,
                                            struct efme_cpu_needs *needs, char *message, size_t size) {
  memset(needs, 0, sizeof *needs);
  if (op->size != sizeof *op) return snprintf(message, size, "descriptor of another size"), NULL;
  const struct efme_cpu_kernel *kernel = efme_cpu_kernel_find(cpu->level, op->kind);
  if (!kernel) return snprintf(message, size, "kind %u is not one of this backend's", op->kind), NULL;
  if (!efme_cpu_check(op, NULL, message, size)) return NULL;
  if (kernel->needs) kernel->needs(op, max_batch, needs);
  return kernel;
}

int efme_cpu_supports(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  char message[160];
  struct efme_cpu_needs mine;
  if (!choose(be, op, max_batch ? max_batch : 1, &mine, message, sizeof message)) return 0;
  needs->workspace = mine.workspace;
  needs->packed = mine.packed;
  return 1;
}

efme_status efme_cpu_prepare(void *be, void **program, const struct efme_op *ops, size_t count, uint32_t max_batch) {
  struct efme_cpu *cpu = be;
  char message[160], text[256];
  size_t scratch = 0;
  if (max_batch == 0) return cpu->host.fail(EFME_E_ARGUMENT, "CPU backend: max_batch is 0");
  for (size_t i = 0; i < count; i++) {
    struct efme_cpu_needs needs;
    if (!choose(cpu, &ops[i], max_batch, &needs, message, sizeof message) || !efme_cpu_check(&ops[i], &needs, message, sizeof message)) {
      snprintf(text, sizeof text, "CPU backend: op %zu (kind %u, layer %u): %s", i, ops[i].kind, ops[i].layer, message);
      return cpu->host.fail(EFME_E_UNSUPPORTED, text);
    }
    scratch = EFME_MAX(scratch, needs.scratch);
  }
  size_t head = (sizeof(struct program) + count * sizeof(struct node) + 63) / 64 * 64;
  struct program *p = cpu->host.alloc(head + scratch, 64, cpu->host.alloc_user);
  if (!p) return cpu->host.fail(EFME_E_NOMEM, "out of memory for a program of the CPU backend");
  p->count = count;
  p->max_batch = max_batch;
  p->arenas = 0;
  p->scratch = scratch ? (char *)p + head : NULL;
  for (size_t i = 0; i < count; i++) {
    struct node *node = &p->nodes[i];
    node->op = ops[i];
    node->kernel = efme_cpu_kernel_find(cpu->level, ops[i].kind);
    node->roles = present(&ops[i]);
    for (uint32_t r = 0; r < EFME_T_COUNT; r++)
      if (node->roles >> r & 1) p->arenas |= 1u << ops[i].t[r].arena;
  }
  *program = p;
  return EFME_OK;
}

void efme_cpu_release(void *be, void *program) {
  struct efme_cpu *cpu = be;
  if (program) cpu->host.free(program, cpu->host.alloc_user);
}

/* ---- running ---- */
struct phase {
  const struct efme_cpu_call *call;
  efme_cpu_phase_fn fn;
};

static void run_task(void *arg, uint32_t index) {
  const struct phase *p = arg;
  p->fn(p->call, index);
}

/* The same on a thread of the host, whose floating-point state we do not know. */
static void run_foreign_task(void *arg, uint32_t index) {
  const struct phase *p = arg;
  struct efme_fpenv saved;
  efme_fpenv_enter(&saved);
  p->fn(p->call, index);
  efme_fpenv_leave(&saved);
}

static void run_phase(const struct efme_cpu *cpu, int parallel, uint32_t threads, const struct efme_cpu_call *call, uint32_t i,
                      const struct efme_cpu_kernel *kernel) {
  struct phase phase = {call, kernel->phase[i]};
  uint32_t count = call->count[i];
  if (!parallel || call->serial || count <= 1)
    for (uint32_t k = 0; k < count; k++) phase.fn(call, k);
  else if (cpu->host.parallel_for)
    cpu->host.parallel_for(run_foreign_task, &phase, count, cpu->host.parallel_user);
  else
    efme_cpu_pool_run(cpu->pool, run_task, &phase, count, threads);
}

static void run_nodes(const struct efme_cpu *cpu, const struct program *p, const struct efme_bindings *b, int parallel, uint32_t threads) {
  struct efme_cpu_call call;
  memset(&call, 0, sizeof call);
  call.scratch = p->scratch;
  call.batch = b->batch;
  call.threads = parallel ? threads : 1;
  for (size_t i = 0; i < p->count; i++) {
    const struct node *node = &p->nodes[i];
    call.op = &node->op;
    for (uint32_t r = 0; r < EFME_T_COUNT; r++)
      call.t[r] = node->roles >> r & 1 ? (char *)b->arena[node->op.t[r].arena] + node->op.t[r].offset : NULL;
    call.serial = 0;
    for (uint32_t k = 0; k < EFME_CPU_PHASES; k++) call.count[k] = 0;
    node->kernel->begin(&call);
    for (uint32_t k = 0; k < EFME_CPU_PHASES; k++)
      if (call.count[k]) run_phase(cpu, parallel, threads, &call, k, node->kernel);
  }
}

efme_status efme_cpu_run(void *be, void *program, const struct efme_bindings *b) {
  struct efme_cpu *cpu = be;
  const struct program *p = program;
  if (b->size < sizeof *b || b->batch == 0 || b->batch > p->max_batch)
    return cpu->host.fail(EFME_E_ARGUMENT, "CPU backend: the batch is not within what the program was prepared for");
  if (b->lanes > 1) return cpu->host.fail(EFME_E_UNSUPPORTED, "CPU backend: more than one lane");
  for (uint32_t a = 1; a < EFME_ARENA_COUNT; a++)
    if ((p->arenas >> a & 1) && !b->arena[a]) {
      char text[96];
      snprintf(text, sizeof text, "CPU backend: the program uses memory region %u, which is not bound", a);
      return cpu->host.fail(EFME_E_ARGUMENT, text);
    }
  uint32_t threads = b->max_threads && b->max_threads < cpu->threads ? b->max_threads : cpu->threads;
  int parallel = threads > 1 && (cpu->host.parallel_for || (cpu->pool && efme_cpu_pool_enter(cpu->pool)));
  struct efme_fpenv saved;
  efme_fpenv_enter(&saved);
  run_nodes(cpu, p, b, parallel, threads);
  efme_fpenv_leave(&saved);
  if (parallel && !cpu->host.parallel_for) efme_cpu_pool_leave(cpu->pool);
  return EFME_OK;
}
