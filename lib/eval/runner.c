/* Folds, some at a time. Workers are threads of our own, each with a trainer that computes on its own thread alone; the
 * calling thread only waits, and calls the progress callback, so that callbacks come one at a time and on one thread.
 *
 * A worker hands a report over through a slot. Reports of steps are dropped while the slot is full; those of epochs and
 * phases wait for it. The first error, by the order of folds, is what the caller gets; it stops the other workers at their
 * next report, and what folds are done stays done. */
#include <math.h>
#include <string.h>

#include "eval/evaluator.h"

struct worker {
  struct run *run;
  pthread_t thread;
  uint32_t fold; /* at work on */
  int full;      /* report holds something */
  efme_train_progress report;
  char what[512]; /* "casme2/sub01: train" */
};

struct run {
  efme_evaluator *e;
  const uint32_t *folds; /* to do */
  uint32_t count, next, active;
  int callback; /* 1: there is one */
  pthread_mutex_t lock;
  pthread_cond_t news, room; /* for the calling thread; for workers */
  int stop, cancelled;
  efme_status status; /* of the first fold in order that failed */
  uint32_t failed;
  char error[512];
};

/* ---- on a worker's thread ---- */

static int report(const efme_train_progress *progress, void *user) {
  struct worker *w = user;
  struct run *run = w->run;
  pthread_mutex_lock(&run->lock);
  int wanted = run->callback && !run->stop;
  if (wanted && progress->event == EFME_TRAIN_STEP && w->full) wanted = 0;
  while (wanted && w->full && !run->stop) pthread_cond_wait(&run->room, &run->lock);
  if (wanted && !run->stop) {
    w->report = *progress;
    snprintf(w->what, sizeof w->what, "%s: %s", run->e->plan->folds[w->fold].name, progress->what);
    w->full = 1;
    pthread_cond_signal(&run->news);
  }
  int stop = run->stop;
  pthread_mutex_unlock(&run->lock);
  return stop;
}

/* run->lock is held. */
static void fail(struct run *run, uint32_t place, efme_status status) {
  if (status == EFME_E_CANCELLED && run->stop) return; /* because of another's failure or the callback */
  run->stop = 1;
  pthread_cond_broadcast(&run->room);
  if (run->status && run->failed <= place) return;
  run->status = status;
  run->failed = place;
  efme_error_save(run->error);
}

static void *work(void *arg) {
  EFME_FPENV_DEFAULT;
  struct worker *w = arg;
  struct run *run = w->run;
  pthread_mutex_lock(&run->lock);
  while (!run->stop && run->next < run->count) {
    uint32_t place = run->next++;
    w->fold = run->folds[place];
    pthread_mutex_unlock(&run->lock);
    struct efme_fold_record record;
    memset(&record, 0, sizeof record);
    efme_status status = efme_fold_train(&record, run->e, w->fold, 1, report, w);
    pthread_mutex_lock(&run->lock);
    if (status == EFME_OK) status = efme_folder_note(run->e);
    if (status == EFME_OK) efme_evaluator_put(run->e, w->fold, &record);
    else fail(run, place, status);
    efme_fold_record_free(&record, run->e->allocator);
  }
  run->active--;
  pthread_cond_signal(&run->news);
  pthread_mutex_unlock(&run->lock);
  return NULL;
}

/* ---- on the calling thread ---- */

/* Delivers one report; run->lock is held and let go during the call. */
static int deliver(struct run *run, struct worker *workers, uint32_t count, efme_train_progress_fn progress, void *user) {
  for (uint32_t i = 0; i < count; i++) {
    if (!workers[i].full) continue;
    efme_train_progress now = workers[i].report;
    char what[sizeof workers[i].what];
    memcpy(what, workers[i].what, sizeof what);
    now.what = what;
    workers[i].full = 0;
    pthread_cond_broadcast(&run->room);
    if (run->stop) return 1; /* late news of a run that ends */
    pthread_mutex_unlock(&run->lock);
    int cancel = progress(&now, user);
    pthread_mutex_lock(&run->lock);
    if (cancel) {
      run->stop = run->cancelled = 1;
      pthread_cond_broadcast(&run->room);
    }
    return 1;
  }
  return 0;
}

static efme_status start_workers(struct run *run, struct worker *workers, uint32_t wanted, uint32_t *started) {
  *started = 0;
  for (uint32_t i = 0; i < wanted; i++) {
    workers[i].run = run;
    run->active++;
    if (efme_thread_create(&workers[i].thread, NULL, work, &workers[i])) {
      run->active--;
      break;
    }
    ++*started;
  }
  return *started ? EFME_OK : efme_fail(EFME_E_NOMEM, "no thread can be started for folds"); /* fewer only take longer */
}

static efme_status outcome(const struct run *run) {
  if (run->status) {
    efme_error_restore(run->error);
    return run->status;
  }
  if (!run->cancelled) return EFME_OK;
  return efme_fail(EFME_E_CANCELLED, "the progress callback cancelled the evaluation; %u of %u folds are done", atomic_load(&run->e->done),
                   run->e->plan->count);
}

static efme_status run_workers(struct run *run, struct worker *workers, uint32_t wanted, efme_train_progress_fn progress, void *user) {
  uint32_t started = 0;
  pthread_mutex_lock(&run->lock);
  efme_status status = start_workers(run, workers, wanted, &started);
  while (run->active)
    if (!deliver(run, workers, started, progress, user) && run->active) pthread_cond_wait(&run->news, &run->lock);
  while (deliver(run, workers, started, progress, user)) continue;
  pthread_mutex_unlock(&run->lock);
  for (uint32_t i = 0; i < started; i++) pthread_join(workers[i].thread, NULL);
  return status ? status : outcome(run);
}

/* ---- what all folds share ---- */

struct sharing {
  efme_train_progress_fn progress;
  void *user;
};

static int report_features(const char *what, uint64_t done, uint64_t total, void *user) {
  const struct sharing *s = user;
  if (!s->progress) return 0;
  efme_train_progress p;
  memset(&p, 0, sizeof p);
  p.struct_size = sizeof p;
  p.step = done;
  p.steps = total;
  p.event = EFME_TRAIN_STEP;
  p.validation_loss = p.validation_uf1 = p.validation_uar = NAN; /* nothing is validated yet */
  p.what = what;
  return s->progress(&p, s->user);
}

static efme_status share(efme_evaluator *e, efme_train_progress_fn progress, void *user) {
  struct sharing s = {progress, user};
  if (e->shared) return EFME_OK;
  return efme_train_shared_create(&e->shared, e->start, e->recipes[0], e->dataset, report_features, &s);
}

efme_status efme_evaluator_work(efme_evaluator *e, const uint32_t *folds, uint32_t count, efme_train_progress_fn progress, void *user) {
  if (!count) return EFME_OK;
  efme_status status = efme_folder_begin(e);
  if (status == EFME_OK) status = share(e, progress, user);
  if (status) return status;
  uint32_t wanted = EFME_MIN(EFME_MIN(e->workers, count), 256u);
  struct worker *workers = efme_mem_calloc(e->allocator, wanted, sizeof *workers, "workers");
  if (!workers) return EFME_E_NOMEM;
  struct run run = {.e = e, .folds = folds, .count = count, .callback = progress != NULL};
  pthread_mutex_init(&run.lock, NULL);
  pthread_cond_init(&run.news, NULL);
  pthread_cond_init(&run.room, NULL);
  status = run_workers(&run, workers, wanted, progress, user);
  pthread_cond_destroy(&run.room);
  pthread_cond_destroy(&run.news);
  pthread_mutex_destroy(&run.lock);
  efme_mem_free(e->allocator, workers);
  if (atomic_load(&e->done) == e->plan->count) { /* nothing will ask for it again */
    efme_train_shared_release(e->shared);
    e->shared = NULL;
  }
  return status;
}
