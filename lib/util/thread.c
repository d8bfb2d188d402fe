/* Threads of the library's own. Signals are the business of the host's threads: on ours all are blocked but those that tell of a fault in the
 * thread itself, which a host's crash handler must get to see. */
#include <pthread.h>
#include <signal.h>

#include "util/util.h"

int efme_thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (size_t i = 0; i < EFME_COUNT(faults); i++) sigdelset(&blocked, faults[i]);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  int failed = pthread_create(thread, attributes, run, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failed;
}
