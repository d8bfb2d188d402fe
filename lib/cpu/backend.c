/* The built-in CPU backend: its table, its memory, its device line. A buffer is host memory aligned to 64 bytes from the
 * host's allocator; run() (program.c) has finished when it returns, so sync has nothing to wait for. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpu/cpu.h"
#include "util/util.h"

#define ALIGN 64
#define MAX_THREADS 256

static uint32_t device_count(void) { return 1; }

static efme_status device_info(uint32_t index, efme_device_info *out) {
  if (index != 0 || !out || out->struct_size < sizeof *out) return efme_fail(EFME_E_ARGUMENT, "the CPU backend has device 0 only");
  static const char *const levels[] = {"", "baseline", "AVX2", "AVX-512"};
  char name[64];
  efme_cpu_name(name);
  memset(out->name, 0, sizeof out->name);
  memset(out->reason, 0, sizeof out->reason);
  memcpy(out->name, "cpu", 4);
  snprintf(out->description, sizeof out->description, "%s (%s)", name, levels[efme_cpu_level_best()]);
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  out->memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
  out->usable = 1;
  return EFME_OK;
}

/* The CPUs this process may run on, not those of the machine: containers and taskset narrow them. */
static uint32_t usable_cpus(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (uint32_t)CPU_COUNT(&set);
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (uint32_t)n : 1;
}

static efme_status backend_open(void **be, const struct efme_backend_host *host) {
  if (!be || !host || !host->fail) return efme_fail(EFME_E_ARGUMENT, "CPU backend: no host table");
  if (host->abi != EFME_BACKEND_ABI || host->size < sizeof *host)
    return host->fail(EFME_E_ARGUMENT, "CPU backend: the host's table is of another ABI");
  if (host->cpu_level > EFME_CPU_AVX512) return host->fail(EFME_E_ARGUMENT, "CPU backend: unknown cpu_level");
  if (host->threads > MAX_THREADS) return host->fail(EFME_E_ARGUMENT, "CPU backend: more than 256 threads");
  struct efme_cpu *cpu = host->alloc(sizeof *cpu, ALIGN, host->alloc_user);
  if (!cpu) return host->fail(EFME_E_NOMEM, "out of memory for the CPU backend");
  memset(cpu, 0, sizeof *cpu);
  cpu->host = *host;
  uint32_t best = efme_cpu_level_best();
  cpu->level = host->cpu_level == EFME_CPU_AUTO || host->cpu_level > best ? best : host->cpu_level;
  cpu->threads = host->threads && !host->parallel_for ? host->threads : usable_cpus();
  if (cpu->threads > MAX_THREADS) cpu->threads = MAX_THREADS;
  if (!host->parallel_for && cpu->threads > 1) {
    cpu->pool = efme_cpu_pool_create(&cpu->host, cpu->threads);
    if (!cpu->pool) {
      host->free(cpu, host->alloc_user);
      return EFME_E_NOMEM; /* the pool has said why */
    }
  }
  *be = cpu;
  return EFME_OK;
}

static void backend_close(void *be) {
  struct efme_cpu *cpu = be;
  if (!cpu) return;
  struct efme_backend_host host = cpu->host;
  efme_cpu_pool_destroy(cpu->pool, &host);
  host.free(cpu, host.alloc_user);
}

static uint32_t backend_threads(void *be) { return ((struct efme_cpu *)be)->threads; }
static uint32_t backend_level(void *be) { return ((struct efme_cpu *)be)->level; }

static efme_status buffer_alloc(void *be, void **buffer, size_t size) {
  struct efme_cpu *cpu = be;
  void *p = cpu->host.alloc(size ? size : 1, ALIGN, cpu->host.alloc_user);
  if (!p) {
    char text[96];
    snprintf(text, sizeof text, "out of memory: %zu bytes for a buffer of the CPU backend", size);
    return cpu->host.fail(EFME_E_NOMEM, text);
  }
  *buffer = p;
  return EFME_OK;
}

static void buffer_free(void *be, void *buffer) {
  struct efme_cpu *cpu = be;
  if (buffer) cpu->host.free(buffer, cpu->host.alloc_user);
}

static efme_status buffer_in(void *be, void *buffer, size_t offset, const void *src, size_t size) {
  (void)be;
  if (size) memcpy((char *)buffer + offset, src, size);
  return EFME_OK;
}

static efme_status buffer_out(void *be, const void *buffer, size_t offset, void *dst, size_t size) {
  (void)be;
  if (size) memcpy(dst, (const char *)buffer + offset, size);
  return EFME_OK;
}

static efme_status buffer_copy(void *be, void *dst, size_t dst_offset, const void *src, size_t src_offset, size_t size) {
  (void)be;
  if (size) memmove((char *)dst + dst_offset, (const char *)src + src_offset, size);
  return EFME_OK;
}

static efme_status backend_sync(void *be) {
  (void)be;
  return EFME_OK;
}

const struct efme_backend_api efme_cpu_backend = {
    .size = sizeof(struct efme_backend_api),
    .abi = EFME_BACKEND_ABI,
    .name = "cpu",
    .device_count = device_count,
    .device_info = device_info,
    .open = backend_open,
    .close = backend_close,
    .threads = backend_threads,
    .level = backend_level,
    .alloc = buffer_alloc,
    .free = buffer_free,
    .copy_in = buffer_in,
    .copy_out = buffer_out,
    .copy = buffer_copy,
    .sync = backend_sync,
    .supports = efme_cpu_supports,
    .prepare = efme_cpu_prepare,
    .run = efme_cpu_run,
    .release = efme_cpu_release,
};
