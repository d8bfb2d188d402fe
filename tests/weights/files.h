/* A context whose warnings are kept, a folder for files, a model with a past. */
#ifndef EFME_TESTS_WEIGHTS_FILES_H
#define EFME_TESTS_WEIGHTS_FILES_H

#include "common.h"
#include "net/provenance.h"

static efme_context *context;
static char root[64];
static char log_line[1200];

static inline void take_log(efme_log_level level, const char *message, void *user) {
  (void)user;
  if (level == EFME_LOG_WARNING) snprintf(log_line, sizeof log_line, "%s", message);
}

static inline void setup(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu", o.threads = 1, o.log = take_log;
  ck_assert_int_eq(efme_context_create(&context, &o), EFME_OK);
  strcpy(root, "/tmp/efme-native-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  log_line[0] = '\0';
}

static inline void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", root);
  ck_assert_int_eq(system(command), 0);
  efme_context_release(context);
}

static inline const char *at(const char *name) {
  static char path[4][200];
  static int turn;
  char *p = path[turn++ & 3];
  snprintf(p, sizeof path[0], "%s/%s", root, name);
  return p;
}

/* A small model with a past, text to escape, and values that no initialiser draws. */
static inline efme_model *make_used_model(uint32_t cut) {
  efme_model *m = make_model(context, cut, 0, 3);
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", "MIT"), EFME_OK);
  ck_assert_int_eq(efme_model_set_metadata(m, "description", "two\nlines, \"quoted\" \\ \xc3\xa9"), EFME_OK);
  const uint64_t hashes[] = {9, 5, 0xffffffffffffffffu};
  efme_provenance_add_dataset(m->provenance, "fer2013");
  efme_provenance_add_subject(m->provenance, "casme2/sub01");
  efme_provenance_add_contents(m->provenance, hashes, 3);
  float mean[32];
  for (int i = 0; i < 32; i++) mean[i] = (float)i / 7 - 2;
  ck_assert_int_eq(efme_model_set(m, "stem_bn/moving_mean", mean, 32), EFME_OK);
  m->provenance->known = 1; /* as if they had been trained here */
  return m;
}

static inline uint8_t *slurp(const char *path, size_t *size) {
  uint8_t *bytes, *copy;
  ck_assert_msg(efme_file_read(&bytes, size, &efme_allocator_libc, path, 1 << 26) == EFME_OK, "%s", efme_last_error());
  copy = malloc(*size ? *size : 1); /* exactly so large: the sanitizer sees a byte too far */
  memcpy(copy, bytes, *size);
  efme_mem_free(&efme_allocator_libc, bytes);
  return copy;
}

struct stream {
  const uint8_t *data;
  size_t size, piece;
  uint64_t last;
  int backwards, fail_at;
  efme_status status;
};

static inline efme_status read_stream(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  struct stream *s = user;
  if (offset < s->last) s->backwards = 1;
  s->last = offset;
  if (s->fail_at-- == 0) return s->status;
  size_t n = offset >= s->size ? 0 : EFME_MIN(size, s->size - (size_t)offset);
  n = EFME_MIN(n, s->piece);
  if (n) memcpy(buffer, s->data + offset, n);
  *got = n;
  return EFME_OK;
}

#endif
