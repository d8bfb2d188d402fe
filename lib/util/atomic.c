/* Files that a reader never sees half done: written beside the target, brought to disk, renamed over it.
 *
 * Until it is whole the new file has no name where the system can do that (O_TMPFILE). It then gets one made of its target's for the moment
 * before it is renamed: what a process that is killed just then leaves goes when the target is next written or removed. Elsewhere a killed
 * process leaves a file ".efme-*.tmp". */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/util.h"

#define NAME_BYTES 96 /* of a temporary name, which does not hold the target's: that may be as long as the file system allows */
#define ATTEMPTS 1000u

/* Length of the part of path up to and with its last slash. */
static size_t dir_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

static void set_name(struct efme_atomic_file *f, unsigned attempt) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  snprintf(f->temporary + dir_length(f->temporary), NAME_BYTES, ".efme-%ld-%lx-%lx-%x.tmp", (long)getpid(), (long)now.tv_nsec,
           (long)((uintptr_t)&now >> 4 & 0xffffff), attempt);
}

static void set_name_of_target(char *temporary, const char *path) {
  const char *name = path + dir_length(path);
  snprintf(temporary + dir_length(path), NAME_BYTES, ".efme-%016llx.tmp", (unsigned long long)efme_hash64(name, strlen(name), 0));
}

/* Opens the target's directory itself, or in it. */
static int open_directory(struct efme_atomic_file *f, int flags) {
  size_t dir = dir_length(f->temporary);
  char first = f->temporary[dir];
  f->temporary[dir] = '\0';
  int fd = efme_fd_open(dir ? f->temporary : ".", flags);
  f->temporary[dir] = first;
  return fd;
}

/* ---- a file without a name, and its first one ---- */

#ifdef O_TMPFILE

#define LINK_BYTES 40
static void set_link(char link[LINK_BYTES], int fd) { snprintf(link, LINK_BYTES, "/proc/self/fd/%d", fd); }

static int create_unnamed(struct efme_atomic_file *f) {
  char link[LINK_BYTES];
  int fd = open_directory(f, O_RDWR | O_TMPFILE);
  if (fd < 0) return -1; /* not on this file system; or an error that the named file meets, too */
  set_link(link, fd);
  if (access(link, F_OK) == 0) return fd;
  close(fd); /* no /proc: it could never get a name */
  return -1;
}

/* 1: in place; 0: the system does not link this file; -1: failed, errno set. Of two processes that write the same target at the same
 * time each puts a whole file in place, its own or the other's, and the last one is that of the last. */
static int put_unnamed(struct efme_atomic_file *f) {
  char link[LINK_BYTES];
  set_link(link, f->fd);
  set_name_of_target(f->temporary, f->path);
  for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (linkat(AT_FDCWD, link, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW) == 0) {
      if (rename(f->temporary, f->path) == 0) return 1;
      if (errno == ENOENT) continue; /* another process took it for a leftover, or for its own */
      int error = errno;
      unlink(f->temporary);
      errno = error;
      return -1;
    }
    if (errno != EEXIST) return 0;
    unlink(f->temporary); /* a leftover */
  }
  return -1;
}

#else

static int create_unnamed(struct efme_atomic_file *f) {
  (void)f;
  return -1;
}

static int put_unnamed(struct efme_atomic_file *f) {
  (void)f;
  return 0;
}

#endif

/* With the mode that the process's umask gives, which mkostemp would not. */
static int create_named(struct efme_atomic_file *f) {
  int fd = -1;
  for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
    set_name(f, attempt);
    fd = efme_fd_open(f->temporary, O_RDWR | O_CREAT | O_EXCL);
    if (fd >= 0 || errno != EEXIST) break;
  }
  f->named = fd >= 0;
  return fd;
}

static efme_status write_all(int fd, const char *path, const void *data, size_t size) {
  const char *p = data;
  while (size) {
    ssize_t n = efme_fd_write(fd, p, EFME_MIN(size, (size_t)1 << 30));
    if (n <= 0) return efme_fail_errno(path, "write");
    p += n;
    size -= (size_t)n;
  }
  return EFME_OK;
}

static efme_status sync_file(int fd, const char *path) {
  int failed;
  do failed = fsync(fd);
  while (failed && errno == EINTR);
  return failed ? efme_fail_errno(path, "write to disk") : EFME_OK;
}

/* Where a sandbox lets no file be linked: its bytes into one that has a name. */
static efme_status copy_to_named(struct efme_atomic_file *f) {
  char buffer[16384];
  int from = f->fd;
  off_t at = 0;
  f->fd = create_named(f);
  efme_status status = f->fd < 0 ? efme_fail_errno(f->path, "create a file beside it") : EFME_OK;
  while (!status) {
    ssize_t n = pread(from, buffer, sizeof buffer, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = efme_fail_errno(f->path, "read back");
    if (n <= 0) break;
    status = write_all(f->fd, f->path, buffer, (size_t)n);
    at += n;
  }
  close(from);
  return status ? status : sync_file(f->fd, f->path);
}

static efme_status put_in_place(struct efme_atomic_file *f) {
  int put = f->named ? 0 : put_unnamed(f);
  if (put > 0) return EFME_OK;
  if (put == 0 && !f->named) {
    efme_status status = copy_to_named(f);
    if (status) return status;
  }
  if (put < 0 || rename(f->temporary, f->path)) return efme_fail_errno(f->path, "put the new file in place");
  f->named = 0; /* there is no file of that name any more */
  return EFME_OK;
}

/* ---- from open to commit ---- */

static void free_paths(struct efme_atomic_file *f) {
  efme_mem_free(f->allocator, f->temporary);
  efme_mem_free(f->allocator, f->path);
  f->path = f->temporary = NULL;
}

efme_status efme_atomic_open(struct efme_atomic_file *f, const struct efme_allocator *a, const char *path) {
  memset(f, 0, sizeof *f);
  f->allocator = a;
  f->fd = -1;
  struct stat st;
  if (!*path) return f->status = efme_fail(EFME_E_IO, "an empty path cannot be written");
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
    return f->status =
               efme_fail(EFME_E_IO, "%s: cannot be written: %s", path, S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file");
  size_t dir = dir_length(path);
  f->temporary = efme_mem_alloc(a, dir + NAME_BYTES, "a path");
  f->path = efme_mem_strdup(a, path);
  if (!f->temporary || !f->path) {
    free_paths(f);
    return f->status = EFME_E_NOMEM;
  }
  memcpy(f->temporary, path, dir);
  f->temporary[dir] = '\0';
  f->fd = create_unnamed(f);
  if (f->fd < 0) f->fd = create_named(f);
  if (f->fd < 0) {
    f->status = efme_fail_errno(f->path, "create a file beside it");
    free_paths(f);
  }
  return f->status;
}

efme_status efme_atomic_write(struct efme_atomic_file *f, const void *data, size_t size) {
  if (!f->status) f->status = write_all(f->fd, f->path, data, size);
  return f->status;
}

/* The new name survives a power cut only when the directory is on disk too; where that cannot be asked for, so be it. */
static void sync_directory(struct efme_atomic_file *f) {
  int fd = open_directory(f, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  while (fsync(fd) && errno == EINTR) {
  }
  close(fd);
}

efme_status efme_atomic_commit(struct efme_atomic_file *f) {
  if (!f->status) f->status = sync_file(f->fd, f->path);
  if (!f->status) f->status = put_in_place(f);
  efme_status status = f->status;
  if (!status) sync_directory(f);
  efme_atomic_abort(f);
  return status;
}

void efme_atomic_abort(struct efme_atomic_file *f) {
  if (f->temporary) {
    if (f->fd >= 0) close(f->fd);
    if (f->named) unlink(f->temporary);
    free_paths(f);
  }
  efme_status status = f->status;
  memset(f, 0, sizeof *f);
  f->status = status ? status : EFME_E_STATE; /* nothing can be written to it any more */
}

efme_status efme_atomic_remove(const struct efme_allocator *a, const char *path) {
  size_t dir = dir_length(path);
  char *temporary = efme_mem_alloc(a, dir + NAME_BYTES, "a path");
  if (!temporary) return EFME_E_NOMEM;
  memcpy(temporary, path, dir);
  set_name_of_target(temporary, path);
  unlink(temporary);
  unlink(path);
  efme_mem_free(a, temporary);
  return EFME_OK;
}

efme_status efme_file_write(const struct efme_allocator *a, const char *path, const void *data, size_t size) {
  struct efme_atomic_file f;
  efme_status status = efme_atomic_open(&f, a, path);
  if (status) return status;
  efme_atomic_write(&f, data, size);
  return efme_atomic_commit(&f);
}

efme_status efme_file_create(const char *path, const void *data, size_t size) {
  int fd = efme_fd_open(path, O_WRONLY | O_CREAT | O_EXCL);
  if (fd < 0) return efme_fail_errno(path, "create");
  efme_status status = write_all(fd, path, data, size);
  if (close(fd) && !status && errno != EINTR) status = efme_fail_errno(path, "write"); /* some file systems tell of a full disk here */
  if (status) unlink(path);
  return status;
}
