/* Files: whole reads with a limit, and writes that a reader never sees half done. Paths are opaque bytes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/util.h"

/* strerror is not thread safe; strerror_r has two shapes. */
#ifdef __GLIBC__
static const char *error_name(int e, char *buffer, size_t size) { return strerror_r(e, buffer, size); }
#else
static const char *error_name(int e, char *buffer, size_t size) { return strerror_r(e, buffer, size) ? "unknown error" : buffer; }
#endif

static efme_status fail_errno(const char *path, const char *verb) {
  char buffer[128];
  int e = errno;
  return efme_fail(EFME_E_IO, "%s: cannot %s: %s", path, verb, error_name(e, buffer, sizeof buffer));
}

/* O_NONBLOCK so that a pipe without a writer is refused instead of waited for; it means nothing for a regular file. */
static efme_status open_regular(int *out, struct stat *st, const char *path) {
  int fd;
  do fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno(path, "open");
  efme_status status = EFME_OK;
  if (fstat(fd, st)) status = fail_errno(path, "examine");
  else if (S_ISDIR(st->st_mode)) status = efme_fail(EFME_E_IO, "%s: is a directory", path);
  else if (!S_ISREG(st->st_mode)) status = efme_fail(EFME_E_IO, "%s: is not a regular file", path);
  if (status) close(fd);
  else *out = fd;
  return status;
}

efme_status efme_file_open(int *fd, uint64_t *size, const char *path) {
  struct stat st;
  efme_status status = open_regular(fd, &st, path);
  if (!status) *size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
  return status;
}

efme_status efme_file_read_some(int fd, void *buffer, size_t capacity, size_t *n, const char *path) {
  ssize_t got;
  do got = read(fd, buffer, EFME_MIN(capacity, (size_t)1 << 30));
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(path, "read");
  *n = (size_t)got;
  return EFME_OK;
}

static efme_status fail_limit(const char *path, uint64_t limit) {
  return efme_fail(EFME_E_LIMIT, "%s: larger than the limit of %llu bytes", path, (unsigned long long)limit);
}

/* Reads to the end of the file, whatever its size was said to be (it may grow, and files in /proc claim 0). */
static efme_status read_all(int fd, void **data, size_t *capacity, size_t *size, const struct efme_allocator *a, const char *path,
                            uint64_t limit) {
  for (;;) {
    if (*size > limit) return fail_limit(path, limit);
    efme_status status = efme_mem_grow(a, data, capacity, *size + 2, 1, path);
    if (status) return status;
    ssize_t n = read(fd, (char *)*data + *size, EFME_MIN(*capacity - *size - 1, (size_t)1 << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path, "read");
    if (n == 0) return EFME_OK;
    *size += (size_t)n;
  }
}

efme_status efme_file_read(uint8_t **data, size_t *size, const struct efme_allocator *a, const char *path, uint64_t limit) {
  int fd = -1;
  struct stat st;
  efme_status status = open_regular(&fd, &st, path);
  if (status) return status;
  void *bytes = NULL;
  size_t capacity = 0, n = 0;
  if (limit > PTRDIFF_MAX / 2) limit = PTRDIFF_MAX / 2;
  if (st.st_size < 0 || (uint64_t)st.st_size > limit) status = fail_limit(path, limit);
  /* One more than the NUL asks for: then the read that finds the end needs no second block. */
  if (!status) status = efme_mem_grow(a, &bytes, &capacity, (size_t)st.st_size + 2, 1, path);
  if (!status) status = read_all(fd, &bytes, &capacity, &n, a, path, limit);
  close(fd);
  if (status) {
    efme_mem_free(a, bytes);
    return status;
  }
  ((uint8_t *)bytes)[n] = 0;
  *data = bytes;
  *size = n;
  return EFME_OK;
}

/* Length of the part of path up to and with its last slash. */
static size_t dir_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Creates the temporary file with the mode that the process's umask gives, which mkostemp would not. A name of its own,
 * not the target's with a suffix: that could be longer than the file system allows. */
static int create_temporary(char *path, size_t size, size_t dir) {
  for (unsigned attempt = 0; attempt < 1000; attempt++) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(path + dir, size - dir, ".efme-%ld-%lx-%lx-%x.tmp", (long)getpid(), (long)now.tv_nsec, (long)((uintptr_t)&now >> 4 & 0xffffff),
             attempt);
    int fd;
    do fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
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
  size_t dir = dir_length(path), size = dir + 96;
  char *temporary = efme_mem_alloc(a, size, "a path");
  f->path = efme_mem_strdup(a, path);
  if (!temporary || !f->path) {
    efme_mem_free(a, temporary);
    efme_mem_free(a, f->path);
    f->path = NULL;
    return f->status = EFME_E_NOMEM;
  }
  memcpy(temporary, path, dir);
  f->fd = create_temporary(temporary, size, dir);
  if (f->fd < 0) {
    f->status = fail_errno(path, "create a file beside it");
    efme_mem_free(a, temporary);
    efme_mem_free(a, f->path);
    f->path = NULL;
    return f->status;
  }
  f->temporary = temporary;
  return EFME_OK;
}

efme_status efme_atomic_write(struct efme_atomic_file *f, const void *data, size_t size) {
  const char *p = data;
  while (!f->status && size) {
    ssize_t n = write(f->fd, p, EFME_MIN(size, (size_t)1 << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      f->status = fail_errno(f->path, "write");
      break;
    }
    p += n;
    size -= (size_t)n;
  }
  return f->status;
}

/* The new name survives a power cut only when the directory is on disk too; where that cannot be asked for, so be it. */
static void sync_directory(struct efme_atomic_file *f) {
  size_t dir = dir_length(f->temporary);
  f->temporary[dir] = '\0';
  int fd = open(dir ? f->temporary : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  close(fd);
}

efme_status efme_atomic_commit(struct efme_atomic_file *f) {
  int synced = -1;
  if (!f->status) {
    do synced = fsync(f->fd);
    while (synced < 0 && errno == EINTR);
    if (synced < 0) f->status = fail_errno(f->path, "write to disk");
  }
  if (!f->status && rename(f->temporary, f->path)) f->status = fail_errno(f->path, "put the new file in place");
  efme_status status = f->status;
  if (!status) {
    close(f->fd);
    sync_directory(f);
    efme_mem_free(f->allocator, f->temporary);
    f->temporary = NULL;
  }
  efme_atomic_abort(f);
  return status;
}

void efme_atomic_abort(struct efme_atomic_file *f) {
  if (f->temporary) {
    close(f->fd);
    unlink(f->temporary);
    efme_mem_free(f->allocator, f->temporary);
  }
  if (f->path) efme_mem_free(f->allocator, f->path);
  efme_status status = f->status;
  memset(f, 0, sizeof *f);
  f->status = status ? status : EFME_E_STATE; /* nothing can be written to it any more */
}

efme_status efme_file_write(const struct efme_allocator *a, const char *path, const void *data, size_t size) {
  struct efme_atomic_file f;
  efme_status status = efme_atomic_open(&f, a, path);
  if (status) return status;
  efme_atomic_write(&f, data, size);
  return efme_atomic_commit(&f);
}

static efme_status create_one(const char *path) {
  struct stat st;
  if (mkdir(path, 0777) == 0) return EFME_OK;
  int e = errno;
  if (stat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode)) return EFME_OK;
    return efme_fail(EFME_E_IO, "%s: exists and is not a directory", path);
  }
  errno = e;
  return fail_errno(path, "create the directory");
}

efme_status efme_dir_create(const struct efme_allocator *a, const char *path) {
  char *p = efme_mem_strdup(a, path);
  if (!p) return EFME_E_NOMEM;
  efme_status status = EFME_OK;
  for (char *slash = p; !status && (slash = strchr(slash + 1, '/'));) {
    *slash = '\0';
    status = create_one(p);
    *slash = '/';
  }
  if (!status) status = create_one(p);
  efme_mem_free(a, p);
  return status;
}

char *efme_path_join(const struct efme_allocator *a, const char *dir, const char *name) {
  size_t d = strlen(dir), n = strlen(name);
  int slash = d && dir[d - 1] != '/';
  char *p = efme_mem_alloc(a, d + n + 2, "a path");
  if (!p) return NULL;
  memcpy(p, dir, d);
  if (slash) p[d++] = '/';
  memcpy(p + d, name, n + 1);
  return p;
}
