/* Shared by the data tests: a context, a scratch folder, files in it. */
#ifndef EFME_DATA_TEST_H
#define EFME_DATA_TEST_H

#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include "efme/dataset.h"
#include "test.h"
#include "util/util.h"

static inline efme_context *data_context(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *c = NULL;
  o.backend = "cpu", o.threads = 1;
  if (efme_context_create(&c, &o)) fprintf(stderr, "no context: %s\n", efme_last_error()), exit(EXIT_FAILURE);
  return c;
}

/* ---- a scratch folder, one a program ---- */
static char scratch_root[64];

static inline const char *scratch(const char *name) {
  static char path[8][512];
  static int turn;
  if (!scratch_root[0]) {
    strcpy(scratch_root, "/tmp/efme-data-XXXXXX");
    if (!mkdtemp(scratch_root)) perror("mkdtemp"), exit(EXIT_FAILURE);
  }
  char *p = path[turn++ & 7];
  snprintf(p, sizeof path[0], "%s/%s", scratch_root, name);
  return p;
}

static inline void scratch_clean(void) {
  char command[128];
  if (!scratch_root[0]) return;
  snprintf(command, sizeof command, "rm -rf '%s'", scratch_root);
  if (system(command)) perror(command);
  scratch_root[0] = 0;
}

/* Writes a file below the scratch folder, folders included; returns its path. */
static inline const char *put_file(const char *name, const void *data, size_t size) {
  const char *path = scratch(name);
  char folder[512];
  snprintf(folder, sizeof folder, "%s", path);
  *strrchr(folder, '/') = 0;
  if (efme_dir_create(&efme_allocator_libc, folder) || efme_file_write(&efme_allocator_libc, path, data, size))
    fprintf(stderr, "%s\n", efme_last_error()), exit(EXIT_FAILURE);
  return path;
}

static inline const char *put_text(const char *name, const char *text) { return put_file(name, text, strlen(text)); }

/* A grey square whose pixels are a function of `value`. */
static inline const char *put_image(const char *name, uint32_t side, uint32_t value) {
  static uint8_t file[70000];
  int n = snprintf((char *)file, sizeof file, "P5 %u %u 255\n", side, side);
  for (uint32_t i = 0; i < side * side; i++) file[(uint32_t)n + i] = (uint8_t)(value * 31 + i * (value % 7 + 1));
  return put_file(name, file, (size_t)n + side * side);
}

#define assert_ok(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
/* The call fails with this status, and its text holds the word. */
#define assert_fails(call, status, word)                                                                                                   \
  do {                                                                                                                                     \
    efme_status assert_status = (call);                                                                                                    \
    ck_assert_msg(assert_status == (status), "%s gave %s (%s), expected %s", #call, efme_status_name(assert_status), efme_last_error(),    \
                  #status);                                                                                                                \
    ck_assert_msg(strstr(efme_last_error(), word) != NULL, "\"%s\" does not say \"%s\"", efme_last_error(), word);                         \
  } while (0)

/* What a progress callback saw last. */
struct progress {
  uint64_t calls, done, total;
  char what[16];
};

static inline int note_progress(const char *what, uint64_t done, uint64_t total, void *user) {
  struct progress *p = user;
  ck_assert_uint_ge(done, p->done);
  ck_assert(total == 0 || total == done); /* unknown until the end */
  p->calls++, p->done = done, p->total = total;
  snprintf(p->what, sizeof p->what, "%s", what);
  return 0;
}

static inline efme_sample sample_of(const efme_dataset *d, uint64_t i) {
  efme_sample s = EFME_SAMPLE_INIT;
  assert_ok(efme_dataset_sample(d, i, &s));
  return s;
}

static inline efme_dataset *synthetic(efme_context *context, uint32_t subjects, uint32_t samples, uint32_t size) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *d = NULL;
  o.subjects = subjects, o.samples_per_subject = samples, o.size = size;
  assert_ok(efme_dataset_open_synthetic(&d, context, &o));
  return d;
}

#endif
