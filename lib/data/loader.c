/* The loader: batches ahead of time. Workers take a few samples at a time from a common counter and fill the slots of a
 * ring; the consumer waits for the slot that is next. Which sample stands where is decided by the order alone, so neither
 * threads nor depth can be seen in what comes out; an error belongs to its place in the order, too. */
#include <pthread.h>
#include <string.h>

#include "data/dataset.h"
#include "data/loader.h"

#define CHUNK 8u /* samples a worker takes at once: copies from the cache are too short for a lock each */
#define MAX_THREADS 64u

struct slot {
  struct efme_loader_batch batch;
  uint8_t *pixels;
  int32_t *labels, *ids;
  uint32_t left;      /* samples not yet there */
  efme_status status; /* of its first bad sample */
  uint32_t bad;
  char text[512];
};

struct efme_loader {
  struct efme_stage *stage;
  struct efme_stage_info info;
  const struct efme_allocator *allocator;
  struct efme_loader_options options;
  uint64_t count, batches;
  uint64_t *indices;             /* NULL: all */
  struct efme_order_item *order; /* [count] places in the list */
  struct slot *slots;
  /* below: under lock */
  pthread_mutex_t lock;
  pthread_cond_t work, ready;
  int synchronised;  /* the three above exist */
  uint64_t next;     /* sample of the epoch that the next worker takes */
  uint64_t released; /* batches that the consumer is done with */
  uint64_t cursor;   /* batch that the consumer gets next */
  int active, quit, held;
  uint32_t busy;
  uint32_t threads;
  pthread_t ids[MAX_THREADS];
};

static uint64_t batch_begin(const struct efme_loader *l, uint64_t b) { return b * l->options.batch; }
static uint64_t batch_end(const struct efme_loader *l, uint64_t b) { return EFME_MIN((b + 1) * l->options.batch, l->count); }
static struct slot *slot_of(struct efme_loader *l, uint64_t b) { return &l->slots[b % l->options.depth]; }

/* Makes batch b's slot ready to be filled. */
static void open_slot(struct efme_loader *l, uint64_t b) {
  if (b >= l->batches) return;
  struct slot *s = slot_of(l, b);
  s->batch.first = batch_begin(l, b);
  s->batch.count = s->left = (uint32_t)(batch_end(l, b) - s->batch.first);
  s->status = EFME_OK;
}

/* Sample `at` of the epoch into its slot. Touches nothing that another worker touches. */
static efme_status fill(struct efme_loader *l, struct slot *s, uint64_t at) {
  uint64_t position = l->order[at].place, index = l->indices ? l->indices[position] : position;
  size_t i = (size_t)(at - s->batch.first);
  s->labels[i] = efme_stage_dataset(l->stage)->labels[index];
  s->ids[i] = (int32_t)index;
  return efme_stage_read(l->stage, index, s->pixels + i * l->info.sample_bytes);
}

static void note_error(struct slot *s, efme_status status, uint32_t place) {
  if (s->status && s->bad <= place) return;
  s->status = status, s->bad = place;
  efme_error_save(s->text);
}

static int work_waits(const struct efme_loader *l) {
  return l->active && l->next < l->count && l->next / l->options.batch < l->released + l->options.depth;
}

static void *worker(void *arg) {
  EFME_FPENV_DEFAULT;
  struct efme_loader *l = arg;
  pthread_mutex_lock(&l->lock);
  for (;;) {
    while (!l->quit && !work_waits(l)) pthread_cond_wait(&l->work, &l->lock);
    if (l->quit) break;
    uint64_t at = l->next, b = at / l->options.batch, end = EFME_MIN(at + CHUNK, batch_end(l, b));
    struct slot *s = slot_of(l, b);
    l->next = end;
    l->busy++;
    pthread_mutex_unlock(&l->lock);
    efme_status status = EFME_OK;
    uint64_t done = at;
    while (done < end && !status) status = fill(l, s, done++);
    pthread_mutex_lock(&l->lock);
    l->busy--;
    if (status) note_error(s, status, (uint32_t)(done - 1 - s->batch.first));
    s->left -= (uint32_t)(end - at);
    if (!s->left || !l->busy) pthread_cond_broadcast(&l->ready);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

static void start_threads(struct efme_loader *l) {
  while (l->threads < l->options.threads && !efme_thread_create(&l->ids[l->threads], NULL, worker, l)) l->threads++;
}

static efme_status check(struct efme_loader_options *o, const struct efme_stage_info *info, const uint64_t *indices, uint64_t count) {
  if (!o->batch) return efme_fail(EFME_E_ARGUMENT, "a batch of 0 samples");
  if (!count) return efme_fail(EFME_E_ARGUMENT, "no samples to load");
  if (count > INT32_MAX || info->count > INT32_MAX) return efme_fail(EFME_E_LIMIT, "%llu samples", (unsigned long long)count);
  for (uint64_t i = 0; indices && i < count; i++)
    if (indices[i] >= info->count)
      return efme_fail(EFME_E_ARGUMENT, "indices[%llu] is %llu of %llu samples", (unsigned long long)i, (unsigned long long)indices[i],
                       (unsigned long long)info->count);
  if (!o->depth) o->depth = 3;
  if (!o->threads) o->depth = 1;
  o->threads = EFME_MIN(o->threads, MAX_THREADS);
  return EFME_OK;
}

static efme_status allocate(struct efme_loader *l, const uint64_t *indices) {
  const struct efme_allocator *a = l->allocator;
  static const char what[] = "loader";
  uint32_t batch = (uint32_t)EFME_MIN((uint64_t)l->options.batch, l->count);
  l->order = efme_mem_array(a, l->count, sizeof *l->order, what);
  l->slots = efme_mem_calloc(a, l->options.depth, sizeof *l->slots, what);
  if (!l->order || !l->slots) return EFME_E_NOMEM;
  if (indices) {
    if (!(l->indices = efme_mem_array(a, l->count, sizeof *indices, what))) return EFME_E_NOMEM;
    memcpy(l->indices, indices, l->count * sizeof *indices);
  }
  for (uint32_t i = 0; i < l->options.depth; i++) {
    struct slot *s = &l->slots[i];
    s->batch.pixels = s->pixels = efme_mem_array(a, batch, l->info.sample_bytes, "a batch");
    s->batch.labels = s->labels = efme_mem_array(a, batch, sizeof *s->labels, "a batch");
    s->batch.ids = s->ids = efme_mem_array(a, batch, sizeof *s->ids, "a batch");
    if (!s->pixels || !s->labels || !s->ids) return EFME_E_NOMEM;
  }
  return EFME_OK;
}

efme_status efme_loader_create(struct efme_loader **out, struct efme_stage *stage, const uint64_t *indices, uint64_t count,
                               const struct efme_loader_options *options) {
  struct efme_stage_info info;
  struct efme_loader_options o = *options;
  efme_stage_get_info(stage, &info);
  if (!indices) count = info.count;
  efme_status status = check(&o, &info, indices, count);
  if (status) return status;
  const struct efme_allocator *a = efme_stage_dataset(stage)->allocator;
  struct efme_loader *l = efme_mem_calloc(a, 1, sizeof *l, "loader");
  if (!l) return EFME_E_NOMEM;
  l->allocator = a;
  l->stage = efme_stage_retain(stage);
  l->info = info, l->options = o;
  l->count = count, l->batches = (count + o.batch - 1) / o.batch;
  status = allocate(l, indices);
  if (!status) {
    pthread_mutex_init(&l->lock, NULL); /* cannot fail with default attributes on the systems we build for */
    pthread_cond_init(&l->work, NULL), pthread_cond_init(&l->ready, NULL);
    l->synchronised = 1;
    start_threads(l); /* fewer than asked for, or none, is slower and nothing else */
  }
  if (status) efme_loader_destroy(l);
  else *out = l;
  return status;
}

void efme_loader_destroy(struct efme_loader *l) {
  if (!l) return;
  if (l->synchronised) {
    pthread_mutex_lock(&l->lock);
    l->quit = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (uint32_t i = 0; i < l->threads; i++) pthread_join(l->ids[i], NULL);
    pthread_mutex_destroy(&l->lock), pthread_cond_destroy(&l->work), pthread_cond_destroy(&l->ready);
  }
  const struct efme_allocator *a = l->allocator;
  for (uint32_t i = 0; l->slots && i < l->options.depth; i++)
    efme_mem_free(a, l->slots[i].pixels), efme_mem_free(a, l->slots[i].labels), efme_mem_free(a, l->slots[i].ids);
  efme_mem_free(a, l->slots), efme_mem_free(a, l->order), efme_mem_free(a, l->indices);
  struct efme_stage *stage = l->stage;
  efme_context *context = efme_context_retain(efme_stage_dataset(stage)->context); /* owns the allocator */
  efme_stage_release(stage);
  efme_mem_free(a, l);
  efme_context_release(context);
}

uint64_t efme_loader_count(const struct efme_loader *l) { return l->count; }
uint64_t efme_loader_batches(const struct efme_loader *l) { return l->batches; }

void efme_loader_stop(struct efme_loader *l) {
  pthread_mutex_lock(&l->lock);
  l->active = 0;
  while (l->busy) pthread_cond_wait(&l->ready, &l->lock);
  pthread_mutex_unlock(&l->lock);
}

efme_status efme_loader_start(struct efme_loader *l, enum efme_loader_order order, uint32_t epoch, uint64_t first_batch) {
  if (first_batch > l->batches)
    return efme_fail(EFME_E_ARGUMENT, "batch %llu of %llu", (unsigned long long)first_batch, (unsigned long long)l->batches);
  efme_loader_stop(l);
  for (uint32_t k = 0; k < l->count; k++) l->order[k] = (struct efme_order_item){0, k};
  if (order == EFME_LOADER_SHUFFLED) efme_order_shuffle(l->order, (uint32_t)l->count, l->options.seed, epoch);
  pthread_mutex_lock(&l->lock);
  l->cursor = l->released = first_batch;
  l->next = batch_begin(l, first_batch);
  l->held = 0;
  for (uint64_t b = first_batch; b < first_batch + l->options.depth; b++) open_slot(l, b);
  l->active = 1;
  pthread_cond_broadcast(&l->work);
  pthread_mutex_unlock(&l->lock);
  return EFME_OK;
}

/* Without threads, and where none could be started: the consumer fills the slot itself. */
static void fill_here(struct efme_loader *l, struct slot *s) {
  for (uint32_t i = 0; i < s->batch.count && !s->status; i++) {
    efme_status status = fill(l, s, s->batch.first + i);
    if (status) note_error(s, status, i);
  }
  s->left = 0;
}

efme_status efme_loader_next(struct efme_loader *l, const struct efme_loader_batch **out) {
  pthread_mutex_lock(&l->lock);
  if (!l->active) {
    pthread_mutex_unlock(&l->lock);
    return efme_fail(EFME_E_STATE, "the loader was not started");
  }
  if (l->held) { /* the caller is done with the batch before */
    l->held = 0;
    open_slot(l, l->released + l->options.depth);
    l->released++;
    pthread_cond_broadcast(&l->work);
  }
  if (l->cursor == l->batches) {
    pthread_mutex_unlock(&l->lock);
    *out = NULL;
    return EFME_OK;
  }
  struct slot *s = slot_of(l, l->cursor);
  if (!l->threads) fill_here(l, s);
  while (s->left) pthread_cond_wait(&l->ready, &l->lock);
  efme_status status = s->status;
  if (!status) l->cursor++, l->held = 1;
  pthread_mutex_unlock(&l->lock);
  if (status) {
    efme_loader_stop(l);
    efme_error_restore(s->text);
    return status;
  }
  *out = &s->batch;
  return EFME_OK;
}
