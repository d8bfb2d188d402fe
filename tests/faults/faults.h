/* Faults in turn: an operation is run again and again, each time with one more of its chances to fail taken: allocations, the C library's
 * own allocations, calls to the system. After each failure the same operation must go through on the same objects, with the same bits. */
#ifndef EFME_TEST_FAULTS_H
#define EFME_TEST_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "malloc_calls.h"

/* The heap's blocks go past the counted malloc, and pause with it. */
#define HEAP_TAKE(p, alignment, size) malloc_apart(p, alignment, size)
#define HEAP_GIVE(p) malloc_apart_free(p)
#define HEAP_PAUSED malloc_paused

#include "efme/efme.h"
#include "heap.h"
#include "test.h"

/* A test that takes as long as it takes; to run it alone: CK_RUN_CASE=name. */
static inline void faults_add(Suite *suite, const char *name, const TTest *test) {
  TCase *t = tcase_create(name);
  tcase_set_timeout(t, 0);
  tcase_add_test(t, test);
  suite_add_tcase(suite, t);
}

/* ---- operations ---- */
struct scenario {
  const char *name;
  int which;
  void (*make)(int which); /* the objects that work needs, fresh for each failure; may be NULL */
  /* The operation: on success adds all that it made to *hash, on failure sees that out-parameters are as they were. After a failure it is
   * called again. */
  efme_status (*work)(uint64_t *hash, int which);
  void (*drop)(void);
  enum { LIBC = 1, NONE } may; /* LIBC: the C library or cJSON allocates in it, else it must not. NONE: nothing is allocated at all */
};

/* Operations that share what `open` makes. */
struct scene {
  void (*open)(void), (*close)(void);
  const struct scenario *scenarios;
  size_t count;
};
extern const struct scene scene_context, scene_images, scene_face, scene_weights, scene_data, scene_release, scene_prepare, scene_train, scene_eval;

/* ---- what can fail ---- */
struct injector {
  const char *name;
  void (*arm)(long number); /* from now on chances are counted, and the one with this number fails; 0: none does */
  long (*disarm)(void);     /* how many there were */
  int (*fits)(efme_status); /* whether an operation that met the failure may end so; EFME_OK where it need not notice */
  int of_libc;              /* 1: only operations that may LIBC have any chance */
};

/* One operation with every failure; returns how many there were. */
long faults_run(const struct scenario *scenario, const struct injector *injector);
/* All operations of all scenes; prints a line for each, and the sums. */
void faults_all(const struct injector *injector);

/* ---- files.c ---- */
const char *at(const char *name);    /* in a folder that is removed at the end */
void write_bytes(const char *path, const void *data, size_t size);
void write_text(const char *path, const char *text);
void remove_tree(const char *path);
void add_bytes(uint64_t *hash, const void *data, size_t size);
void add_text(uint64_t *hash, const char *text);
void add_file(uint64_t *hash, const char *path);
void add_tree(uint64_t *hash, const char *path); /* every file below it, by name */

/* ---- what scenes use (faults.c) ---- */
extern struct heap faults_heap;
extern efme_context *faults_context; /* one thread, on the heap */
#define NOTHING ((void *)(uintptr_t)64) /* what out-parameters hold before */
void add_model(uint64_t *hash, const efme_model *model);
void add_image(uint64_t *hash, const efme_image *image);
void add_dataset(uint64_t *hash, const efme_dataset *dataset, int pixels);
/* The call failed and p is NOTHING still. */
efme_status untouched(efme_status status, const void *p);
/* Takes what a call gave over: hashed and released; or *p is NOTHING still. */
efme_status took_model(uint64_t *hash, efme_status status, efme_model *model);
efme_status took_image(uint64_t *hash, efme_status status, efme_image *image);
efme_status took_dataset(uint64_t *hash, efme_status status, efme_dataset *dataset, int pixels);
efme_status took_text(uint64_t *hash, efme_status status, char *text);

/* Check's own macros allocate even where all is well, which work() must not. */
#define must(condition, ...)                                                                                                               \
  do {                                                                                                                                     \
    if (!(condition)) malloc_paused = 1, ck_abort_msg(__VA_ARGS__);                                                                        \
  } while (0)
#define ok(call) must((call) == EFME_OK, "%s: %s", #call, efme_last_error())

#endif
