/* Work that was asked for and is not done yet; see strict.h. */
#include <stdlib.h>
#include <string.h>

#include "strict.h"

void strict_defer(struct strict *s, struct strict_entry entry) {
  if (s->count == s->capacity) {
    s->capacity = s->capacity ? 2 * s->capacity : 64;
    s->queue = realloc(s->queue, s->capacity * sizeof *s->queue);
    if (!s->queue) strict_die("no memory for the queue");
  }
  s->queue[s->count++] = entry;
  if (s->count > strict_control.most_deferred) strict_control.most_deferred = s->count;
}

/* Opens what the program reaches, and nothing else. */
static efme_status run(struct strict *s, const struct strict_program *p, uint32_t batch) {
  struct efme_bindings b = p->bindings;
  struct strict_buffer *buffers[EFME_ARENA_COUNT] = {NULL};
  b.batch = batch;
  for (int a = 0; a < EFME_ARENA_COUNT; a++) {
    b.arena[a] = NULL;
    if (!p->extent[a]) continue;
    buffers[a] = strict_buffer_find(s, p->bindings.arena[a], "a deferred run");
    strict_buffer_open(buffers[a], a == EFME_ARENA_ACT || (p->writes >> a & 1));
    b.arena[a] = buffers[a]->data;
  }
  if (buffers[EFME_ARENA_ACT]) strict_buffer_poison(buffers[EFME_ARENA_ACT]);
  efme_status status = efme_cpu_backend.run(s->inner, p->inner, &b);
  for (int a = 0; a < EFME_ARENA_COUNT; a++)
    if (buffers[a]) strict_buffer_close(buffers[a]);
  for (size_t i = 0; i < p->count; i++) strict_control.kinds[p->ops[i].kind]++;
  if (strict_control.fail_in && --strict_control.fail_in == 0) s->lost = 1;
  return status;
}

static efme_status perform(struct strict *s, const struct strict_entry *e) {
  if (e->kind == STRICT_RUN) return run(s, e->program, e->batch);
  const char *from = e->bytes;
  strict_buffer_open(e->dst, 1);
  if (e->src && e->src != e->dst) strict_buffer_open(e->src, 0);
  if (e->src) from = e->src->data + e->src_offset;
  memmove(e->dst->data + e->dst_offset, from, e->size);
  if (e->src && e->src != e->dst) strict_buffer_close(e->src);
  strict_buffer_close(e->dst);
  return EFME_OK;
}

efme_status strict_flush(struct strict *s) {
  efme_status status = EFME_OK;
  for (size_t i = 0; i < s->count; i++) {
    struct strict_entry *e = &s->queue[i];
    if (!status && !s->lost) status = perform(s, e);
    if (e->kind == STRICT_RUN) strict_program_drop(s, e->program);
    free(e->bytes);
  }
  s->count = 0;
  if (status) s->lost = 1;
  return s->lost ? strict_fail(s, "strict: the device is lost") : EFME_OK;
}
