/* Files: whole reads with a limit, lines added, directories. Paths are opaque bytes. Writing: atomic.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
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

efme_status efme_fail_errno(const char *path, const char *verb) {
  char buffer[128];
  int e = errno;
  return efme_fail(e == ENOMEM ? EFME_E_NOMEM : EFME_E_IO, "%s: cannot %s: %s", path, verb, error_name(e, buffer, sizeof buffer));
}

int efme_fd_open(const char *path, int flags) {
  int fd;
  do fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
  while (fd < 0 && errno == EINTR);
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  /* One of the standard three, which is closed in this program: what it then prints would land in our file. */
  int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), e = errno;
  close(fd);
  if (moved < 0 && (flags & O_EXCL)) unlink(path);
  errno = e;
  return moved;
}

/* A write past the limit that was set for the process (RLIMIT_FSIZE) sends SIGXFSZ, which by default ends it. That one is taken away, and what
 * remains is the error, EFBIG. */
ssize_t efme_fd_write(int fd, const void *data, size_t size) {
  const struct timespec now = {0, 0};
  sigset_t beyond, before, pending;
  ssize_t n;
  sigemptyset(&beyond);
  sigaddset(&beyond, SIGXFSZ);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &beyond, &before);
  do n = write(fd, data, size);
  while (n < 0 && errno == EINTR);
  int e = errno;
  if (n < 0 && e == EFBIG && !sigismember(&pending, SIGXFSZ))
    while (sigtimedwait(&beyond, NULL, &now) < 0 && errno == EINTR) {
    }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = e;
  return n;
}

/* O_NONBLOCK so that a pipe without a writer is refused instead of waited for; it means nothing for a regular file. */
static efme_status open_regular(int *out, struct stat *st, const char *path) {
  int fd = efme_fd_open(path, O_RDONLY | O_NONBLOCK);
  if (fd < 0) return efme_fail_errno(path, "open");
  efme_status status = EFME_OK;
  if (fstat(fd, st)) status = efme_fail_errno(path, "examine");
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
  if (got < 0) return efme_fail_errno(path, "read");
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
    if (n < 0) return efme_fail_errno(path, "read");
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

efme_status efme_file_append_line(const char *path, const char *line) {
  char text[512];
  int fd = efme_fd_open(path, O_RDWR | O_CREAT | O_APPEND);
  if (fd < 0) return efme_fail_errno(path, "append");
  /* What a full disk or a kill has left of a line stays a line of its own. */
  char last = '\n';
  off_t size = lseek(fd, 0, SEEK_END);
  efme_status status = EFME_OK;
  ssize_t n = 0;
  if (size > 0) {
    do n = pread(fd, &last, 1, size - 1);
    while (n < 0 && errno == EINTR);
  }
  if (size < 0 || n < 0) status = efme_fail_errno(path, "append");
  size_t length = (size_t)snprintf(text, sizeof text, "%s%s\n", last == '\n' ? "" : "\n", line);
  if (!status && length >= sizeof text) status = efme_fail(EFME_E_LIMIT, "%s: a line of %zu bytes", path, length);
  for (size_t at = 0; !status && at < length;) { /* one write, as a rule: lines of two processes do not mix */
    n = efme_fd_write(fd, text + at, length - at);
    if (n > 0) at += (size_t)n;
    else status = efme_fail_errno(path, "append");
  }
  close(fd);
  return status;
}

efme_status efme_file_look(enum efme_file_kind *out, const char *path) {
  struct stat st;
  if (stat(path, &st)) {
    if (errno != ENOENT && errno != ENOTDIR) return efme_fail_errno(path, "look for it");
    *out = EFME_NO_FILE;
  } else {
    *out = S_ISREG(st.st_mode) ? EFME_REGULAR_FILE : S_ISDIR(st.st_mode) ? EFME_FOLDER : EFME_OTHER_FILE;
  }
  return EFME_OK;
}

static efme_status create_one(const char *path) {
  if (mkdir(path, 0777) == 0) return EFME_OK;
  int e = errno;
  enum efme_file_kind kind;
  efme_status status = efme_file_look(&kind, path); /* also where nothing may be made beside a folder that is there */
  if (status || kind == EFME_FOLDER) return status;
  if (kind != EFME_NO_FILE) return efme_fail(EFME_E_IO, "%s: exists and is not a directory", path);
  errno = e;
  return efme_fail_errno(path, "create the directory");
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
