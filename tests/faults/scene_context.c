/* Contexts: memory, locks, threads, the search for modules. */
#include "faults.h"

static efme_status create(uint64_t *hash, int threads) {
  efme_context *c = NOTHING;
  efme_status status = heap_context(&c, &faults_heap, (uint32_t)threads);
  if (status) return untouched(status, c);
  add_text(hash, efme_context_backend(c));
  efme_context_release(c);
  return EFME_OK;
}

/* Looks for CUDA first, and takes the CPU whatever the search says. */
static efme_status create_auto(uint64_t *hash, int which) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NOTHING;
  (void)which;
  o.threads = 1, o.alloc = heap_alloc, o.free = heap_free, o.alloc_user = &faults_heap;
  efme_status status = efme_context_create(&c, &o);
  if (status) return untouched(status, c);
  add_text(hash, efme_context_backend(c));
  efme_context_release(c);
  return EFME_OK;
}

static const struct scenario scenarios[] = {
    {"context of one thread", 1, NULL, create, NULL, 0},
    {"context of three threads", 3, NULL, create, NULL, LIBC},
    {"context, backend auto", 0, NULL, create_auto, NULL, LIBC},
};
const struct scene scene_context = {NULL, NULL, scenarios, sizeof scenarios / sizeof scenarios[0]};
