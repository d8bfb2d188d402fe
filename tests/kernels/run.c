/* See run.h. */
#include "run.h"

#include <check.h>
#include <string.h>

#include "util/util.h"

void kernel_job_open(struct kernel_job *j, const struct kernel_case *c, int twin) {
  size_t size[EFME_ARENA_COUNT];
  j->c = *c;
  for (int r = 0; twin && r < EFME_T_COUNT; r++)
    if (r != EFME_T_STEP && j->c.op.t[r].arena && j->c.op.t[r].dtype == EFME_F32) j->c.op.t[r].dtype = EFME_F64;
  kernel_layout(&j->c.op, c->batch, c->alias, c->alias_of, size);
  ck_assert(kernel_map(&j->m, &j->c.op, c->batch, size));
  for (int r = 0; r < EFME_T_COUNT; r++)
    if (j->c.op.t[r].arena) kernel_fill(&j->c, r, kernel_job_at(j, r));
}

void kernel_job_close(struct kernel_job *j) { kernel_unmap(&j->m); }

void *kernel_job_at(struct kernel_job *j, int role) {
  ck_assert_msg(j->c.op.t[role].arena != 0, "%s: no %s", j->c.name, efme_ref_role_name(role));
  return kernel_at(&j->m, &j->c.op.t[role]);
}

size_t kernel_job_count(struct kernel_job *j, int role) { return j->c.op.t[role].arena ? efme_ref_count(&j->c.op.t[role], j->c.batch) : 0; }

static efme_status host_fail(efme_status status, const char *message) { return efme_fail(status, "%s", message); }

static int run_cpu(struct kernel_job *j, uint32_t level) {
  struct efme_backend_host host;
  struct efme_bindings bind;
  struct efme_op_needs needs = {0, 0};
  const struct efme_backend_api *api = &efme_cpu_backend;
  void *be = NULL, *program = NULL;
  memset(&host, 0, sizeof host);
  host.size = sizeof host;
  host.abi = EFME_BACKEND_ABI;
  host.threads = 2;
  host.cpu_level = level;
  host.alloc = efme_allocator_libc.alloc;
  host.free = efme_allocator_libc.free;
  host.fail = host_fail;
  ck_assert_msg(api->open(&be, &host) == EFME_OK, "%s", efme_last_error());
  int there = api->level(be) == level;
  if (there) {
    ck_assert(api->supports(be, &j->c.op, j->c.batch, &needs));
    ck_assert_msg(needs.workspace == 0, "%s wants scratch: take another kind for such a test", j->c.name);
    memset(&bind, 0, sizeof bind);
    bind.size = sizeof bind;
    bind.batch = j->c.batch;
    bind.lanes = 1;
    for (int a = 0; a < EFME_ARENA_COUNT; a++) bind.arena[a] = j->m.base[a];
    ck_assert_msg(api->prepare(be, &program, &j->c.op, 1, j->c.batch) == EFME_OK, "%s", efme_last_error());
    ck_assert_msg(api->run(be, program, &bind) == EFME_OK, "%s", efme_last_error());
    api->release(be, program);
  }
  api->close(be);
  return there;
}

int kernel_job_run(struct kernel_job *j, int runner) {
  if (runner) return run_cpu(j, (uint32_t)runner);
  efme_status status = efme_ref_run(&j->c.op, (void *const *)j->m.base, j->c.batch);
  ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
  return 1;
}
