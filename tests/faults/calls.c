/* See calls.h. The program's own definitions come before the C library's for everything that is linked into it. Whatever does not fail
 * goes straight to the kernel. */
#include "calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faults.h"

static atomic_int armed; /* 1 + fault */
static atomic_long calls;
static long wanted;
static const char *hit;
void (*calls_watch)(const char *call, const char *path);

static void watched(const char *call, const char *path) {
  if (calls_watch) calls_watch(call, path);
}

void calls_arm(enum calls_fault fault, long number) {
  wanted = number;
  hit = NULL;
  atomic_store(&calls, 0);
  atomic_store(&armed, 1 + (int)fault);
}

long calls_disarm(void) {
  atomic_store(&armed, 0);
  return atomic_load(&calls);
}

const char *calls_hit(void) { return hit; }

/* ---- what befalls a call ---- */

enum { STREAM = 1, INTERRUPTIBLE = 2 }; /* kinds of calls: moves bytes; a signal may interrupt it */

/* What to do about this call: the fault, or -1 for nothing. */
static int befalls(const char *name, int kind) {
  int fault = atomic_load(&armed) - 1;
  if (fault < 0 || malloc_paused) return -1;
  if (fault == CALLS_INTERRUPTED && !(kind & INTERRUPTIBLE)) return -1;
  if (fault == CALLS_SHORT && !(kind & STREAM)) return -1;
  if (atomic_fetch_add(&calls, 1) + 1 != wanted) return -1;
  hit = name;
  return fault;
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause(); /* the signal takes a moment */
}

/* 1 where the call is not to be made, errno set. */
static int fails(const char *name, int kind, int error) {
  int fault = befalls(name, kind);
  if (fault == CALLS_KILLED) die();
  if (fault != CALLS_ERROR && fault != CALLS_INTERRUPTED) return 0;
  errno = fault == CALLS_ERROR ? error : EINTR;
  return 1;
}

static ssize_t move(const char *name, long number, int fd, const void *data, size_t size, int error) {
  int fault = befalls(name, STREAM | INTERRUPTIBLE);
  if (fault == CALLS_ERROR || fault == CALLS_INTERRUPTED) {
    errno = fault == CALLS_ERROR ? error : EINTR;
    return -1;
  }
  if (fault == CALLS_KILLED) {
    if (number == SYS_write && size > 512) syscall(number, fd, data, size / 2);
    die();
  }
  return syscall(number, fd, data, fault == CALLS_SHORT && size ? 1 : size);
}

/* ---- the calls ---- */

int open(const char *path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {
    va_list args;
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
  }
  if (fails("open", INTERRUPTIBLE, flags & O_CREAT ? EACCES : EMFILE)) return -1;
  if (((flags & O_CREAT) && !(flags & O_APPEND)) || (flags & O_TMPFILE) == O_TMPFILE) watched("open", path);
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t read(int fd, void *data, size_t size) {
  watched("read", "");
  return move("read", SYS_read, fd, data, size, EIO);
}
ssize_t write(int fd, const void *data, size_t size) {
  watched("write", "");
  ssize_t n = move("write", SYS_write, fd, data, size, ENOSPC);
  int e = errno;
  watched("written", "");
  errno = e;
  return n;
}

ssize_t pread(int fd, void *data, size_t size, off_t at) {
  return fails("pread", INTERRUPTIBLE, EIO) ? -1 : syscall(SYS_pread64, fd, data, size, at);
}

off_t lseek(int fd, off_t offset, int whence) { return fails("lseek", 0, EIO) ? -1 : syscall(SYS_lseek, fd, offset, whence); }

/* Never to disk: thousands of files are written, and no power cut is tested. */
int fsync(int fd) {
  (void)fd;
  return fails("fsync", INTERRUPTIBLE, EIO) ? -1 : 0;
}

int rename(const char *from, const char *to) {
  if (fails("rename", 0, EACCES)) return -1;
  int failed = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  if (!failed) watched("rename", to);
  return failed;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  return fails("linkat", 0, EPERM) ? -1 : (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

/* unlink is left alone: it only ever removes what is of no more use. */

int mkdir(const char *path, mode_t mode) { return fails("mkdir", 0, ENOSPC) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode); }
int access(const char *path, int mode) { return fails("access", 0, EIO) ? -1 : (int)syscall(SYS_faccessat, AT_FDCWD, path, mode); }
int stat(const char *path, struct stat *out) { return fails("stat", 0, EIO) ? -1 : fstatat(AT_FDCWD, path, out, 0); }
int fstat(int fd, struct stat *out) { return fails("fstat", 0, EIO) ? -1 : fstatat(fd, "", out, AT_EMPTY_PATH); }

DIR *opendir(const char *path) {
  static DIR *(*real)(const char *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "opendir");
  return fails("opendir", INTERRUPTIBLE, EMFILE) ? NULL : real(path);
}

struct dirent *readdir(DIR *dir) {
  static struct dirent *(*real)(DIR *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "readdir");
  return fails("readdir", 0, EIO) ? NULL : real(dir);
}
