/* The samples, some at a time. Workers are threads of our own, each with its own detector; the calling thread waits, reports progress and
 * renews decisions.json. The error of the first sample in order is what the caller gets. */
#include <string.h>
#include <time.h>

#include "prepare/prepare.h"

#define RENEW_SECONDS 5

struct crew {
  struct efme_preparation *p;
  pthread_mutex_t lock;
  pthread_cond_t news;
  uint64_t next, done;
  uint32_t active;
  int stop;
  efme_status status;
  uint64_t failed; /* sample of status */
  char error[512];
};

struct hand {
  struct crew *crew;
  pthread_t thread;
  efme_face_detector *detector;
};

static void *work(void *arg) {
  EFME_FPENV_DEFAULT;
  struct hand *hand = arg;
  struct crew *crew = hand->crew;
  uint64_t count = crew->p->dataset->count;
  pthread_mutex_lock(&crew->lock);
  while (!crew->stop && crew->next < count) {
    uint64_t i = crew->next++;
    pthread_mutex_unlock(&crew->lock);
    struct efme_decision mine = crew->p->decisions[i]; /* published under the lock: the calling thread writes those that are known */
    efme_status status = EFME_OK;
    if (!mine.known) status = efme_prepare_decide(crew->p, i, &mine, hand->detector);
    pthread_mutex_lock(&crew->lock);
    if (status == EFME_OK) crew->p->decisions[i] = mine, crew->done++;
    else if (!crew->status || i < crew->failed) crew->status = status, crew->failed = i, crew->stop = 1, efme_error_save(crew->error);
    pthread_cond_signal(&crew->news);
  }
  crew->active--;
  pthread_cond_signal(&crew->news);
  pthread_mutex_unlock(&crew->lock);
  return NULL;
}

/* Waits for news at most until `due`; the lock is held. */
static void wait_for_news(struct crew *crew, time_t due) {
  struct timespec until = {due, 0};
  pthread_cond_timedwait(&crew->news, &crew->lock, &until);
}

static time_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec;
}

static efme_status supervise(struct crew *crew) {
  struct efme_preparation *p = crew->p;
  efme_status status = EFME_OK;
  uint64_t told = UINT64_MAX;
  time_t due = now() + RENEW_SECONDS;
  pthread_mutex_lock(&crew->lock);
  for (;;) {
    if (p->options.progress && crew->done != told && status == EFME_OK) {
      told = crew->done;
      pthread_mutex_unlock(&crew->lock);
      int cancel = p->options.progress("faces", told, p->dataset->count, p->options.progress_user);
      pthread_mutex_lock(&crew->lock);
      if (cancel) status = EFME_E_CANCELLED, crew->stop = 1;
    }
    if (!crew->active) break;
    if (p->options.progress && crew->done != told && status == EFME_OK) continue;
    if (now() < due) {
      wait_for_news(crew, due);
      continue;
    }
    efme_status written = efme_decisions_write(p); /* the lock is held: no decision changes meanwhile */
    if (written && !status) status = written, crew->stop = 1, efme_error_save(crew->error);
    due = now() + RENEW_SECONDS;
  }
  pthread_mutex_unlock(&crew->lock);
  return status;
}

static efme_status hire(struct crew *crew, struct hand *hands, uint32_t wanted, uint32_t *hired) {
  for (uint32_t i = 0; i < wanted; i++) {
    hands[i].crew = crew;
    if (crew->p->options.detector_count) hands[i].detector = crew->p->options.detectors[i];
  }
  pthread_mutex_lock(&crew->lock);
  for (; *hired < wanted; ++*hired) {
    crew->active++;
    if (efme_thread_create(&hands[*hired].thread, NULL, work, &hands[*hired])) {
      crew->active--;
      break;
    }
  }
  pthread_mutex_unlock(&crew->lock);
  return *hired ? EFME_OK : efme_fail(EFME_E_NOMEM, "out of memory: no thread can be started"); /* fewer only take longer */
}

static efme_status run(struct crew *crew, struct hand *hands, uint32_t wanted) {
  uint32_t hired = 0;
  efme_status status = hire(crew, hands, wanted, &hired);
  if (status == EFME_OK) status = supervise(crew);
  for (uint32_t i = 0; i < hired; i++) pthread_join(hands[i].thread, NULL);
  if (status == EFME_E_CANCELLED)
    return efme_fail(status, "the progress callback cancelled the preparation; %llu of %llu samples are done",
                     (unsigned long long)crew->done, (unsigned long long)crew->p->dataset->count);
  if (status == EFME_OK) status = crew->status;
  if (status && *crew->error) efme_error_restore(crew->error);
  return status;
}

efme_status efme_prepare_run(struct efme_preparation *p) {
  uint32_t wanted = (uint32_t)EFME_MIN((uint64_t)p->options.workers, p->dataset->count);
  struct crew crew = {.p = p};
  struct hand *hands = efme_mem_calloc(p->allocator, wanted, sizeof *hands, "workers");
  if (!hands) return EFME_E_NOMEM;
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_mutex_init(&crew.lock, NULL);
  pthread_cond_init(&crew.news, &clock);
  pthread_condattr_destroy(&clock);
  efme_status status = run(&crew, hands, wanted);
  pthread_cond_destroy(&crew.news);
  pthread_mutex_destroy(&crew.lock);
  efme_mem_free(p->allocator, hands);
  return status;
}
