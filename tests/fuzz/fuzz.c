/* See fuzz.h. */
#include "fuzz.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/model.h"

char fuzz_at[1100];

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) {
  va_list args;
  fprintf(stderr, "%s:%d: %s\n  ", file, line, condition);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\n  last error: %s\n%s%s\n", efme_last_error(), *fuzz_at ? "  at " : "", fuzz_at);
  abort();
}

/* ---- memory ---- */

#define HEAD 64 /* in front of each block: its size */

static atomic_size_t live, peak;
static size_t bound = SIZE_MAX, before;
static atomic_size_t refused;

static void *counted_alloc(size_t size, size_t alignment, void *user) {
  (void)user;
  char *p;
  size_t now = atomic_fetch_add(&live, size) + size;
  if (now > bound || alignment > HEAD || posix_memalign((void **)&p, HEAD, size + HEAD)) {
    atomic_fetch_sub(&live, size);
    atomic_store(&refused, size);
    return NULL;
  }
  for (size_t most = atomic_load(&peak); now > most && !atomic_compare_exchange_weak(&peak, &most, now);) continue;
  memcpy(p, &size, sizeof size);
  return p + HEAD;
}

static void counted_free(void *ptr, void *user) {
  (void)user;
  size_t size;
  memcpy(&size, (char *)ptr - HEAD, sizeof size);
  atomic_fetch_sub(&live, size);
  free((char *)ptr - HEAD);
}

efme_context *fuzz_context(void) {
  static efme_context *context;
  if (context) return context;
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu", o.threads = 1, o.alloc = counted_alloc, o.free = counted_free;
  FUZZ_CHECK(efme_context_create(&context, &o) == EFME_OK, "no context");
  return context;
}

void fuzz_begin(size_t memory) {
  before = atomic_load(&live);
  bound = before + memory;
  atomic_store(&peak, before);
  atomic_store(&refused, 0);
}

size_t fuzz_peak(void) { return atomic_load(&peak) - before; }

void fuzz_end(void) {
  FUZZ_CHECK(!atomic_load(&refused), "%zu bytes more were asked for, %zu held, %zu allowed", atomic_load(&refused), atomic_load(&live),
             bound);
  FUZZ_CHECK(atomic_load(&live) == before, "%zu bytes are held, %zu were before", atomic_load(&live), before);
  bound = SIZE_MAX;
}

/* ---- errors ---- */

unsigned long fuzz_accepted;

efme_status fuzz_status(efme_status status, unsigned allowed, const char *word) {
  fuzz_accepted += status == EFME_OK;
  if (status == EFME_OK) return status;
  FUZZ_CHECK(status > -32 && (allowed >> -status & 1), "status %s", efme_status_name(status));
  FUZZ_CHECK(*efme_last_error(), "no text");
  FUZZ_CHECK(strstr(efme_last_error(), word), "`%s` is not in the text", word);
  return status;
}

/* ---- files ---- */

static char folder[256];

static void remove_folder(void) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(folder);
}

const char *fuzz_folder(void) {
  if (*folder) return folder;
  const char *base = getenv("TMPDIR");
  if (access("/dev/shm", W_OK) == 0) base = "/dev/shm";
  snprintf(folder, sizeof folder, "%s/efme-fuzz-XXXXXX", base ? base : "/tmp");
  FUZZ_CHECK(mkdtemp(folder), "%s", folder);
  atexit(remove_folder);
  return folder;
}

const char *fuzz_write(const char *name, const void *data, size_t size) {
  static char paths[4][300];
  static int turn;
  char *path = paths[turn++ & 3];
  snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder(), name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  FUZZ_CHECK(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size), "%s", path);
  close(fd);
  return path;
}

/* ---- results ---- */

void fuzz_check_json(const char *text) {
  FUZZ_CHECK(efme_utf8_valid(text, strlen(text)), "not UTF-8: %.2000s", text);
  const char *end = NULL;
  cJSON *root = cJSON_ParseWithOpts(text, &end, 1);
  FUZZ_CHECK(root, "not JSON: %.2000s", text);
  cJSON_Delete(root);
}

uint32_t fuzz_draw(const uint8_t *data, size_t size, uint32_t index) {
  uint32_t r[4];
  efme_philox(r, efme_hash64(data, size, 0), 0, 0, 0, index);
  return r[0];
}
