/* Checkpoints: all that a run needs to go on bit-identically, written atomically.
 *
 * A file is a list of sections {tag of 8 characters, u64 bytes, payload, zeros up to a multiple of 8}:
 *   "EFMECKPT" u32 version, u32 byte-order mark          first
 *   "identity" text of identity.c                        compared line by line
 *   "position" struct efme_position
 *   "history " efme_epoch lines as u32 pairs and doubles
 *   "weights " "best    " "moment1 " "moment2 " "ema     " float32; the last four as far as the running phase has them
 *   "end     " u64 hash                                  of all bytes before this section, section by section
 * Little-endian machines only: another order is refused by the mark. Data order, augmentation and dropout are functions of
 * seed and position (Philox), so no generator state is kept; cached features are computed again. */
#include <string.h>

#include "train/state.h"

#define CHECKPOINT_VERSION 1u
#define BYTE_ORDER_MARK 0x01020304u
#define CHECKPOINT_LIMIT (4ull << 30)

_Static_assert(sizeof(struct efme_position) == 104, "efme_position has no padding");

struct history_line {
  uint32_t phase, epoch, best, zero;
  double loss, accuracy, validation_loss, uf1, uar, seconds;
};

/* ---- writing ---- */

struct writer {
  struct efme_atomic_file file;
  uint64_t hash;
  efme_status status;
};

static void put(struct writer *w, const void *data, size_t size) {
  if (w->status) return;
  w->hash = efme_hash64(data, size, w->hash);
  w->status = efme_atomic_write(&w->file, data, size);
}

static void section(struct writer *w, const char *tag, const void *data, uint64_t size) {
  struct {
    char tag[8];
    uint64_t size;
  } head;
  const uint64_t zeros = 0;
  memcpy(head.tag, tag, 8);
  head.size = size;
  put(w, &head, sizeof head);
  if (size) put(w, data, size);
  if (size % 8) put(w, &zeros, 8 - size % 8);
}

static void put_history(struct writer *w, const struct efme_trainer *t) {
  struct history_line *lines = efme_mem_calloc(t->allocator, t->history_count, sizeof *lines, "history");
  if (!lines) {
    w->status = EFME_E_NOMEM;
    return;
  }
  for (size_t i = 0; i < t->history_count; i++) {
    const efme_epoch *e = &t->history[i];
    lines[i] = (struct history_line){e->phase,           e->epoch,          e->best,           0,         e->loss, e->accuracy,
                                     e->validation_loss, e->validation_uf1, e->validation_uar, e->seconds};
  }
  section(w, "history ", lines, t->history_count * sizeof *lines);
  efme_mem_free(t->allocator, lines);
}

static void put_device(struct writer *w, struct efme_trainer *t, const char *tag, uint64_t offset, uint64_t count) {
  if (w->status || offset == UINT64_MAX) return;
  w->status = efme_exec_read_region(t->engine.train, EFME_ARENA_OPT, offset, t->scratch, count * sizeof *t->scratch);
  section(w, tag, t->scratch, count * sizeof *t->scratch);
}

static void put_all(struct writer *w, struct efme_trainer *t) {
  const struct efme_backend *b = &t->context->backend;
  const struct efme_params *p = efme_trainer_params(t);
  const uint32_t version[2] = {CHECKPOINT_VERSION, BYTE_ORDER_MARK};
  struct efme_text text;
  char *identity = NULL;
  size_t size = 0;
  efme_text_init(&text, t->allocator);
  efme_identity(t, &text);
  w->status = efme_text_take(&text, &identity, &size);
  section(w, "EFMECKPT", version, sizeof version);
  section(w, "identity", identity, size);
  efme_mem_free(t->allocator, identity);
  section(w, "position", &t->position, sizeof t->position);
  if (!w->status) put_history(w, t);
  if (!w->status) w->status = b->api->copy_out(b->be, t->weights, 0, t->scratch, p->total * sizeof *t->scratch);
  if (!w->status) w->status = efme_weights_finite(t, t->scratch); /* the file that is there is better than such a one */
  section(w, "weights ", t->scratch, p->total * sizeof *t->scratch);
  if (t->position.running) {
    if (t->position.stopping.has_best) section(w, "best    ", t->best, p->total * sizeof *t->best);
    put_device(w, t, "moment1 ", t->engine.train_plan->moment1, p->head_end);
    put_device(w, t, "moment2 ", t->engine.train_plan->moment2, p->head_end);
    put_device(w, t, "ema     ", t->engine.train_plan->ema, p->total);
  }
  uint64_t hash = w->hash;
  section(w, "end     ", &hash, sizeof hash);
}

efme_status efme_checkpoint_save(struct efme_trainer *t) {
  struct writer w = {.hash = 0};
  efme_status status = efme_atomic_open(&w.file, t->allocator, t->checkpoint);
  if (status) return efme_fail_prefix(status, "checkpoint");
  put_all(&w, t);
  if (w.status) {
    efme_atomic_abort(&w.file);
    return efme_fail_prefix(w.status, "checkpoint '%s'", t->checkpoint);
  }
  status = efme_atomic_commit(&w.file);
  t->saved_at = efme_seconds();
  return status ? efme_fail_prefix(status, "checkpoint") : EFME_OK;
}

/* ---- reading ---- */

struct part {
  const char *tag;
  const uint8_t *data;
  uint64_t size;
};
enum { VERSION, IDENTITY, POSITION, HISTORY, WEIGHTS, BEST, MOMENT1, MOMENT2, EMA, END, PARTS };

static efme_status damaged(const struct efme_trainer *t, const char *why) {
  return efme_fail(EFME_E_FORMAT, "checkpoint '%s': %s", t->checkpoint, why);
}

/* Cuts the file into its sections and checks the hash, which was taken piece by piece as the writer put them. */
static efme_status parse(const struct efme_trainer *t, const uint8_t *data, size_t size, struct part parts[PARTS]) {
  static const char *const tags[PARTS] = {"EFMECKPT", "identity", "position", "history ", "weights ",
                                          "best    ", "moment1 ", "moment2 ", "ema     ", "end     "};
  uint64_t hash = 0;
  size_t at = 0;
  for (int i = 0; i < PARTS; i++) parts[i].tag = tags[i];
  if (size < 16 || memcmp(data, tags[VERSION], 8) != 0) return damaged(t, "this is no checkpoint");
  while (!parts[END].data) {
    uint64_t bytes;
    if (size - at < 16) return damaged(t, "it is truncated");
    memcpy(&bytes, data + at + 8, sizeof bytes);
    if (bytes > size - at - 16 || (bytes + 7) / 8 * 8 > size - at - 16) return damaged(t, "it is truncated");
    int kind = 0;
    while (kind < PARTS && memcmp(data + at, tags[kind], 8) != 0) kind++;
    if (kind == PARTS || parts[kind].data) return damaged(t, "it has an unknown or repeated section");
    parts[kind].data = data + at + 16;
    parts[kind].size = bytes;
    if (kind != END) {
      hash = efme_hash64(data + at, 16, hash);
      if (bytes) hash = efme_hash64(data + at + 16, bytes, hash);
      if (bytes % 8) hash = efme_hash64(data + at + 16 + bytes, 8 - bytes % 8, hash);
    }
    at += 16 + (bytes + 7) / 8 * 8;
  }
  uint64_t stored;
  if (parts[END].size != sizeof stored || at != size) return damaged(t, "it has bytes behind its end");
  memcpy(&stored, parts[END].data, sizeof stored);
  return stored == hash ? EFME_OK : damaged(t, "its content hash is wrong");
}

static efme_status check_version(const struct efme_trainer *t, const struct part *p) {
  uint32_t version[2];
  if (p->size != sizeof version) return damaged(t, "its version is unreadable");
  memcpy(version, p->data, sizeof version);
  if (version[1] != BYTE_ORDER_MARK) return damaged(t, "it was written by a machine of another byte order");
  if (version[0] != CHECKPOINT_VERSION)
    return efme_fail(EFME_E_UNSUPPORTED, "checkpoint '%s' has version %u, this library reads %u", t->checkpoint, version[0],
                     CHECKPOINT_VERSION);
  return EFME_OK;
}

static int line_length(const char *s, size_t n) {
  const char *end = n ? memchr(s, '\n', n) : NULL;
  return (int)EFME_MIN(end ? (size_t)(end - s) : n, 120u);
}

static efme_status check_identity(const struct efme_trainer *t, const struct part *p) {
  struct efme_text text;
  char *own;
  size_t size;
  efme_text_init(&text, t->allocator);
  efme_identity(t, &text);
  efme_status status = efme_text_take(&text, &own, &size);
  if (status) return status;
  const char *theirs = (const char *)p->data;
  size_t same = 0, line = 0, n = EFME_MIN(size, (size_t)p->size);
  while (same < n && own[same] == theirs[same])
    if (own[same++] == '\n') line = same;
  if (same != size || size != p->size)
    status = efme_fail(EFME_E_MISMATCH, "checkpoint '%s' belongs to another run: '%.*s' there, '%.*s' here", t->checkpoint,
                       line_length(theirs + line, (size_t)p->size - line), theirs + line, line_length(own + line, size - line), own + line);
  efme_mem_free(t->allocator, own);
  return status;
}

static efme_status check_position(const struct efme_trainer *t, const struct part *p, struct efme_position *out) {
  if (p->size != sizeof *out) return damaged(t, "its position has another size");
  memcpy(out, p->data, sizeof *out);
  if (out->phase > t->phase_count || out->running > 1 || (out->phase == t->phase_count && out->running))
    return damaged(t, "its position lies outside the recipe");
  uint64_t group = (uint64_t)t->options.batch * efme_trainer_ranks(t), steps = (t->train.count + group - 1) / group;
  if (out->phase < t->phase_count && (out->epoch > t->phases[out->phase].epochs || out->step > steps))
    return damaged(t, "its position lies outside the phase");
  /* a phase that has ended, or has stopped early, has had an epoch */
  if (out->total_epoch < (uint64_t)out->phase + out->epoch || (out->running && out->stopping.stopped && !out->epoch))
    return damaged(t, "its position has fewer epochs than it needs");
  return EFME_OK;
}

/* Which arrays there must be follows from the position and the optimizer. */
static efme_status check_arrays(const struct efme_trainer *t, const struct part parts[PARTS], const struct efme_position *p) {
  const struct efme_params *params = efme_trainer_params(t);
  uint32_t kind = p->running ? t->phases[p->phase].optimizer.kind : 0;
  const int wanted[] = {1, p->running && p->stopping.has_best, p->running && kind != EFME_RMSPROP, p->running && kind != EFME_SGD,
                        p->running && t->options.ema_decay > 0.0f};
  const uint64_t count[] = {params->total, params->total, params->head_end, params->head_end, params->total};
  for (int i = 0; i < 5; i++) {
    const struct part *part = &parts[WEIGHTS + i];
    if (wanted[i] ? !part->data || part->size != count[i] * sizeof(float) : part->data != NULL)
      return efme_fail(EFME_E_FORMAT, "checkpoint '%s': section '%s' is absent, unasked for or of the wrong size", t->checkpoint,
                       part->tag);
  }
  if (!parts[HISTORY].data || parts[HISTORY].size != (uint64_t)p->total_epoch * sizeof(struct history_line))
    return damaged(t, "its history has not a line for each epoch");
  return EFME_OK;
}

static efme_status take_history(struct efme_trainer *t, const struct part *p) {
  size_t count = (size_t)(p->size / sizeof(struct history_line));
  efme_status status = efme_mem_grow(t->allocator, (void **)&t->history, &t->history_capacity, count, sizeof *t->history, "history");
  if (status) return status;
  for (size_t i = 0; i < count; i++) {
    struct history_line l;
    memcpy(&l, p->data + i * sizeof l, sizeof l);
    t->history[i] =
        (efme_epoch){sizeof(efme_epoch), l.phase, l.epoch, l.loss, l.accuracy, l.validation_loss, l.uf1, l.uar, l.seconds, l.best, 0};
  }
  t->history_count = count;
  return EFME_OK;
}

static efme_status take(struct efme_trainer *t, const struct part parts[PARTS], const struct efme_position *position) {
  efme_status status = EFME_OK;
  for (int i = 0; i < 3 && !status; i++) {
    const struct part *p = &parts[MOMENT1 + i];
    if (!p->data) continue;
    efme_mem_free(t->allocator, t->resume[i]);
    t->resume[i] = efme_mem_alloc(t->allocator, (size_t)p->size, "state of a checkpoint");
    if (!t->resume[i]) return EFME_E_NOMEM;
    memcpy(t->resume[i], p->data, (size_t)p->size);
  }
  status = take_history(t, &parts[HISTORY]);
  if (status) return status;
  /* payloads lie at multiples of 8 only: by way of an aligned buffer */
  memcpy(t->good, parts[WEIGHTS].data, (size_t)parts[WEIGHTS].size);
  status = efme_weights_write(t, t->good);
  if (status) return status;
  if (parts[BEST].data) memcpy(t->best, parts[BEST].data, (size_t)parts[BEST].size);
  t->position = *position;
  return EFME_OK;
}

efme_status efme_checkpoint_load(struct efme_trainer *t) {
  uint8_t *data;
  size_t size;
  struct part parts[PARTS] = {{0}};
  struct efme_position position = {0};
  enum efme_file_kind there = EFME_NO_FILE;
  efme_status status = efme_file_look(&there, t->checkpoint);
  if (!status && !there) return EFME_OK; /* a new run */
  if (!status) status = efme_file_read(&data, &size, t->allocator, t->checkpoint, CHECKPOINT_LIMIT);
  if (status) return efme_fail_prefix(status, "checkpoint");
  status = parse(t, data, size, parts);
  if (!status) status = check_version(t, &parts[VERSION]);
  if (!status && (!parts[IDENTITY].data || !parts[POSITION].data)) status = damaged(t, "it has no identity or position");
  if (!status) status = check_identity(t, &parts[IDENTITY]);
  if (!status) status = check_position(t, &parts[POSITION], &position);
  if (!status) status = check_arrays(t, parts, &position);
  if (!status) status = take(t, parts, &position);
  efme_mem_free(t->allocator, data);
  return status;
}
