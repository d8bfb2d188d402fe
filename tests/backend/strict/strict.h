/* The strict backend: a module of the tests that computes with the CPU's kernels and keeps to the letter of the contract in
 * backend.h, where the CPU backend is kinder than a device would be.
 *
 * memory.c  every buffer lies in a mapping of its own, filled with NaN, which nobody can touch except while a run or a copy
 *           that names it is being done; a run gets it writable only where one of its ops writes. The handle is the address of
 *           a page that is never accessible, so that using it as memory ends in SIGSEGV at once.
 * queue.c   run, copy and copy_in are noted and done when copy_out, sync, free or release asks. Then ACT is poisoned before
 *           every run, since nothing may live there from one run to the next.
 * record.c  a program's bindings are those of its first run; the first step on a buffer of gradients is kept and replayed for
 *           all later ones. What would have been another step is refused.
 * strict.c  the table.
 *
 * A mistake that a device would not report ends the process, with a line that says which. */
#ifndef EFME_TEST_STRICT_H
#define EFME_TEST_STRICT_H

#include <pthread.h>

#include "backend/backend.h"

/* What tests read and set: symbol `strict_control` of the loaded module. Counts go on over all contexts. */
struct strict_control {
  _Atomic uint64_t buffers, copies_in, runs; /* made */
  _Atomic uint64_t recorded, replayed;       /* runs of training programs: the first of each program and batch size, and all later */
  _Atomic uint64_t refused;
  _Atomic uint64_t most_deferred;        /* longest queue */
  _Atomic uint64_t kinds[EFME_OP_COUNT]; /* ops done */
  _Atomic int64_t fail_in;               /* > 0: that run from now on loses the device, when it is done: nothing but errors from then on */
};
#define STRICT_CONTROL "strict_control"
extern struct strict_control strict_control;

enum strict_part { STRICT_OTHER = -1, STRICT_MAIN = 0, STRICT_UPDATE = 1 }; /* of a training step */

struct strict_program {
  struct strict_program *next;
  void *inner; /* the CPU backend's */
  uint32_t references;
  int released; /* by the library: lives on in a recorded step or in the queue only */
  enum strict_part part;
  uint32_t max_batch;
  struct efme_op *ops;
  size_t count;
  uint64_t extent[EFME_ARENA_COUNT]; /* bytes of each region that its ops reach */
  uint32_t writes;                   /* bit by region */
  struct efme_bindings bindings;     /* of its first run; size 0: none yet */
  uint8_t *seen;                     /* [max_batch + 1] batch sizes run so far */
};

struct strict_buffer {
  struct strict_buffer *next;
  char *map, *data; /* data ends at the page behind the mapping's own */
  size_t map_size, size;
  struct strict_program *step[2]; /* where it has gradients: the recorded step */
};

struct strict_entry {
  enum { STRICT_RUN, STRICT_COPY, STRICT_COPY_IN } kind;
  struct strict_program *program;
  uint32_t batch;
  struct strict_buffer *dst, *src;
  size_t dst_offset, src_offset, size;
  char *bytes; /* what copy_in was given */
};

struct strict {
  struct efme_backend_host host;
  void *inner;
  pthread_mutex_t lock;
  struct strict_buffer *buffers;
  struct strict_program *programs;
  struct strict_entry *queue;
  size_t count, capacity;
  int lost;
};

/* Prints the line and aborts. */
_Noreturn void strict_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* host->fail with BACKEND. */
efme_status strict_fail(struct strict *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- memory.c; all under the lock ---- */
efme_status strict_buffer_create(struct strict *s, void **handle, size_t size);
void strict_buffer_destroy(struct strict *s, struct strict_buffer *b);
struct strict_buffer *strict_buffer_find(struct strict *s, const void *handle, const char *what); /* dies where there is none */
void strict_buffer_open(struct strict_buffer *b, int writable);                                   /* until closed */
void strict_buffer_close(struct strict_buffer *b);
void strict_buffer_poison(struct strict_buffer *b); /* while open */

/* ---- queue.c; all under the lock ---- */
void strict_defer(struct strict *s, struct strict_entry entry);
/* Does all that was deferred. */
efme_status strict_flush(struct strict *s);

/* ---- record.c; all under the lock ---- */
void strict_describe(struct strict_program *p);
/* The program to run with its recorded bindings, or an error where this run differs from the recorded one. */
efme_status strict_admit(struct strict *s, struct strict_program **p, const struct efme_bindings *b);
void strict_program_drop(struct strict *s, struct strict_program *p);

#endif
