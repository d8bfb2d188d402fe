/* What the evaluator's tests share: a context, folders of their own, whole files. */
#ifndef EFME_EVAL_TEST_H
#define EFME_EVAL_TEST_H

#include <dirent.h>
#include <math.h>
#include <sys/stat.h>

#include "efme/efme.h"
#include "test.h"

#define OK(call) ck_assert_msg((call) == EFME_OK, "%s: %s", #call, efme_last_error())
#define FAILS(status, call, part)                                                                                                          \
  do {                                                                                                                                     \
    efme_status got_ = (call);                                                                                                             \
    ck_assert_msg(got_ == (status), "%s: %s, %s", #call, efme_status_name(got_), efme_last_error());                                       \
    ck_assert_msg(strstr(efme_last_error(), part) != NULL, "`%s` is not in: %s", part, efme_last_error());                                 \
  } while (0)
#define HAS(text, part) ck_assert_msg(strstr(text, part) != NULL, "`%s` is not in:\n%.1500s", part, text)
#define LACKS(text, part) ck_assert_msg(strstr(text, part) == NULL, "`%s` is in:\n%.1500s", part, text)

static inline efme_context *test_context_on(const char *backend, uint32_t threads) {
  efme_context_options options = EFME_CONTEXT_OPTIONS_INIT;
  options.backend = backend;
  options.threads = threads;
  efme_context *context = NULL;
  OK(efme_context_create(&context, &options));
  return context;
}

static inline efme_context *test_context(uint32_t threads) { return test_context_on(test_backend(), threads); }

static inline void test_remove(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    size_t size = strlen(path) + strlen(e->d_name) + 2;
    char *name = malloc(size);
    snprintf(name, size, "%s/%s", path, e->d_name);
    test_remove(name);
    free(name);
  }
  if (dir) closedir(dir);
  remove(path);
}

/* A fresh folder that goes with test_remove. */
static inline char *test_folder(void) {
  const char *base = getenv("TMPDIR");
  char *path = malloc(256);
  snprintf(path, 256, "%s/efme-eval-XXXXXX", base ? base : "/tmp");
  ck_assert_ptr_nonnull(mkdtemp(path));
  return path;
}

static inline const char *test_path(const char *folder, const char *name) {
  static char paths[8][512];
  static int turn;
  char *p = paths[turn++ & 7];
  snprintf(p, sizeof paths[0], "%s/%s", folder, name);
  return p;
}

static inline void test_write(const char *path, const char *data, size_t size) {
  FILE *f = fopen(path, "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(data, 1, size, f), size);
  fclose(f);
}

/* NUL-terminated; free it. */
static inline char *test_read(const char *path, size_t *size) {
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "%s cannot be opened", path);
  fseek(f, 0, SEEK_END);
  long n = ftell(f);
  rewind(f);
  char *data = malloc((size_t)n + 1);
  ck_assert_uint_eq(fread(data, 1, (size_t)n, f), (size_t)n);
  data[n] = '\0';
  fclose(f);
  if (size) *size = (size_t)n;
  return data;
}

#endif
