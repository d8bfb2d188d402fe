/* A synthetic release onto the disk: clips are dealt to threads one by one, and no file depends on which thread writes it. Frames are not
 * synced one by one: thousands of them count only together, and the tables, which come last, are. */
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "data/archive.h"
#include "util/util.h"

#define MAX_THREADS 64u

struct writing {
  const struct efme_archive *archive;
  pthread_t caller;
  atomic_uint next, done;
  atomic_int stop;
  pthread_mutex_t lock; /* of what is below */
  efme_status status;   /* of the first clip, in their order, that failed; clips behind it may not have been tried */
  uint32_t bad;
  char text[512];
};

efme_status efme_archive_progress(const struct efme_archive *archive, const char *what, uint64_t done, uint64_t total) {
  const efme_synthetic_release_options *o = &archive->options;
  if (!o->progress || !o->progress(what, done, total, o->progress_user)) return EFME_OK;
  return efme_fail(EFME_E_CANCELLED, "cancelled after %llu of %llu %s", (unsigned long long)done, (unsigned long long)total, what);
}

static efme_status write_frames(struct writing *w, const struct efme_archive_clip *c, struct efme_pixels *px) {
  const struct efme_archive *archive = w->archive;
  const struct efme_allocator *a = archive->allocator;
  efme_status status = EFME_OK;
  for (uint32_t n = c->onset - c->around; n <= c->offset + c->around && !status && !atomic_load(&w->stop); n++) {
    char name[EFME_ARCHIVE_PATH];
    uint8_t *file;
    size_t size;
    status = efme_archive_frame(&file, &size, px, archive, c, n);
    if (status) return status;
    efme_archive_frame_path(name, c, n);
    char *path = efme_path_join(a, archive->folder, name);
    status = path ? efme_file_create(path, file, size) : EFME_E_NOMEM;
    efme_mem_free(a, path);
    efme_mem_free(a, file);
  }
  return status;
}

static efme_status write_clip(struct writing *w, const struct efme_archive_clip *c) {
  const struct efme_archive *archive = w->archive;
  const struct efme_allocator *a = archive->allocator;
  char name[EFME_ARCHIVE_PATH];
  struct efme_pixels px;
  efme_archive_clip_path(name, c);
  char *path = efme_path_join(a, archive->folder, name);
  efme_status status = path ? efme_dir_create(a, path) : EFME_E_NOMEM;
  efme_mem_free(a, path);
  if (!status) status = efme_archive_pixels(&px, archive, c->set);
  if (status) return status;
  status = write_frames(w, c, &px);
  efme_pixels_free(&px, a);
  return status;
}

static void note(struct writing *w, efme_status status, uint32_t clip) {
  pthread_mutex_lock(&w->lock);
  if (!w->status || clip < w->bad) {
    w->status = status, w->bad = clip;
    efme_error_save(w->text);
  }
  pthread_mutex_unlock(&w->lock);
  atomic_store(&w->stop, 1);
}

/* One clip; a task of the host's parallel_for, too. */
static void do_clip(void *arg, uint32_t index) {
  EFME_FPENV_DEFAULT;
  struct writing *w = arg;
  if (atomic_load(&w->stop)) return;
  efme_status status = write_clip(w, &w->archive->clips[index]);
  if (status) {
    note(w, status, index);
    return;
  }
  uint32_t done = atomic_fetch_add(&w->done, 1) + 1;
  if (!pthread_equal(pthread_self(), w->caller) || done == w->archive->count || atomic_load(&w->stop))
    return; /* the last one is told at the end */
  status = efme_archive_progress(w->archive, "clips", done, w->archive->count);
  if (status) note(w, status, index);
}

static void *work(void *arg) {
  struct writing *w = arg;
  for (uint32_t i; !atomic_load(&w->stop) && (i = atomic_fetch_add(&w->next, 1)) < w->archive->count;) do_clip(w, i);
  return NULL;
}

static efme_status write_clips(const struct efme_archive *archive) {
  struct writing w = {.archive = archive, .caller = pthread_self()};
  pthread_t threads[MAX_THREADS];
  uint32_t wanted = EFME_MIN(efme_context_threads(archive->context), MAX_THREADS), started = 0;
  const struct efme_backend_host *host = &archive->context->backend.host;
  atomic_init(&w.next, 0), atomic_init(&w.done, 0), atomic_init(&w.stop, 0);
  pthread_mutex_init(&w.lock, NULL);
  if (host->parallel_for) host->parallel_for(do_clip, &w, archive->count, host->parallel_user);
  else {
    while (started + 1 < wanted && started + 1 < archive->count && !efme_thread_create(&threads[started], NULL, work, &w)) started++;
    work(&w); /* fewer threads than asked for, or none, is slower and nothing else */
    for (uint32_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
  }
  pthread_mutex_destroy(&w.lock);
  if (!w.status) return efme_archive_progress(archive, "clips", archive->count, archive->count);
  efme_error_restore(w.text);
  return w.status;
}

/* Makes the folder; one that holds anything is refused. */
static efme_status open_folder(const struct efme_archive *archive) {
  efme_status status = efme_dir_create(archive->allocator, archive->folder);
  if (status) return status;
  DIR *dir;
  do dir = opendir(archive->folder);
  while (!dir && errno == EINTR);
  if (!dir) return efme_fail_errno(archive->folder, "open folder");
  struct dirent *e;
  do {
    errno = 0;
    e = readdir(dir);
  } while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
  if (e) status = efme_fail(EFME_E_STATE, "%s: is not empty: \"%s\" is in it", archive->folder, e->d_name);
  else if (errno) status = efme_fail_errno(archive->folder, "read folder");
  closedir(dir);
  return status;
}

efme_status efme_archive_write(struct efme_archive *archive) {
  EFME_FPENV_DEFAULT;
  efme_status status = efme_archive_plan(archive);
  if (!status) status = open_folder(archive);
  if (!status) status = efme_archive_accept(archive);
  if (!status) status = write_clips(archive);
  if (!status) status = efme_archive_tables(archive);
  efme_mem_free(archive->allocator, archive->clips);
  return status;
}
