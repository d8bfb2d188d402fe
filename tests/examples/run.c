/* See run.h. */
#include "examples/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

struct stream {
  int fd;
  char *text;
  size_t size;
};

static struct stream streams[2];

static void start_stream(struct stream *s, int fd) {
  free(s->text);
  *s = (struct stream){fd, calloc(1, 1), 0};
}

/* Takes what is there; at the end closes. A terminal whose other side is gone answers EIO. */
static void take(struct stream *s) {
  char piece[4096];
  ssize_t n = read(s->fd, piece, sizeof piece);
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) {
    close(s->fd);
    s->fd = -1;
    return;
  }
  s->text = realloc(s->text, s->size + (size_t)n + 1);
  memcpy(s->text + s->size, piece, (size_t)n);
  s->size += (size_t)n;
  s->text[s->size] = '\0';
}

static void open_terminal(int *ours, int *theirs) {
  *ours = posix_openpt(O_RDWR | O_NOCTTY);
  ck_assert_int_ge(*ours, 0);
  ck_assert_int_eq(grantpt(*ours), 0);
  ck_assert_int_eq(unlockpt(*ours), 0);
  *theirs = open(ptsname(*ours), O_RDWR | O_NOCTTY);
  ck_assert_int_ge(*theirs, 0);
}

static pid_t start(const char *program, const char *const *arguments, int how) {
  int out[2], err[2] = {-1, -1};
  size_t count = 0;
  while (arguments[count]) count++;
  const char **argv = calloc(count + 2, sizeof *argv);
  argv[0] = program;
  memcpy(argv + 1, arguments, count * sizeof *argv);
  if (how & RUN_TERMINAL) open_terminal(&out[0], &out[1]);
  else ck_assert(pipe(out) == 0 && pipe(err) == 0);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    int full = how & RUN_FULL ? open("/dev/full", O_WRONLY) : -1;
    signal(SIGPIPE, SIG_DFL);
    if (how & RUN_NO_READER) close(out[0]);
    dup2(full >= 0 ? full : out[1], 1);
    if (how & RUN_CLOSED) close(0), close(1);
    dup2(err[1] >= 0 ? err[1] : out[1], 2);
    for (int fd = 3; fd < 64; fd++) close(fd);
    execv(program, (char *const *)argv);
    _exit(127);
  }
  free(argv);
  close(out[1]);
  if (how & RUN_NO_READER) close(out[0]), out[0] = -1;
  if (err[1] >= 0) close(err[1]);
  start_stream(&streams[0], out[0]), start_stream(&streams[1], err[0]);
  return pid;
}

struct run run_program(const char *program, const char *const *arguments, int how, const char *interrupt_at) {
  pid_t pid = start(program, arguments, how);
  time_t begin = time(NULL);
  while (streams[0].fd >= 0 || streams[1].fd >= 0) {
    struct pollfd fds[2] = {{streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
    poll(fds, 2, 1000);
    for (int i = 0; i < 2; i++)
      if (fds[i].revents) take(&streams[i]);
    if (interrupt_at && strstr(streams[0].text, interrupt_at)) kill(pid, SIGINT), interrupt_at = NULL;
    if (time(NULL) - begin > 60) kill(pid, SIGKILL), begin = time(NULL);
  }
  int status = 0;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  return (struct run){WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), streams[0].text, streams[1].text};
}
