/* What every layer may use: memory, errors, text, files, hashes, random numbers, numbers and exact little maths.
 * Leaf: includes public headers only. */
#ifndef EFME_UTIL_H
#define EFME_UTIL_H

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "efme/context.h"
#include "efme/status.h"

/* ---- errors (error.c) ---- */
/* Sets this thread's text and returns status, so that `return efme_fail(...)` is the idiom. Long text is cut, never overflows. */
efme_status efme_fail(efme_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts `prefix: ` before the present text (used to add a file name on the way up); returns status. */
efme_status efme_fail_prefix(efme_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Copies this thread's text out and puts it in on another thread: how a worker's error reaches its caller. */
void efme_error_save(char text[512]);
void efme_error_restore(const char text[512]);
const char *efme_error_text(void); /* what efme_last_error answers */

/* Loads a struct_size'd options struct: fills *dst from defaults (dst_size bytes) and then min(src size, dst_size) bytes of src.
 * src NULL: the defaults. Non-zero bytes beyond what we know, or a struct_size below 8: EFME_E_ARGUMENT naming `what`. */
efme_status efme_options_load(void *dst, size_t dst_size, const void *src, const void *defaults, const char *what);
/* For out-structs: checks struct_size and copies min(size) bytes of src behind it, keeping the caller's struct_size. */
efme_status efme_struct_store(void *out, const void *src, size_t src_size, const char *what);

/* ---- memory (memory.c) ---- */
struct efme_allocator {
  efme_alloc_fn alloc;
  efme_free_fn free;
  void *user;
};
extern const struct efme_allocator efme_allocator_libc; /* const: no mutable state */
/* All are 64-byte aligned, overflow checked, and set EFME_E_NOMEM's text ("out of memory: N bytes for WHAT") on NULL. size 0 gives a valid pointer. */
void *efme_mem_alloc(const struct efme_allocator *a, size_t size, const char *what);
void *efme_mem_calloc(const struct efme_allocator *a, size_t count, size_t size, const char *what);
void *efme_mem_array(const struct efme_allocator *a, size_t count, size_t size, const char *what);
/* Grows an array of `size`-byte items so that at least `need` fit; *capacity in items; keeps the first *capacity items. */
efme_status efme_mem_grow(const struct efme_allocator *a, void **items, size_t *capacity, size_t need, size_t size, const char *what);
char *efme_mem_strdup(const struct efme_allocator *a, const char *s);
char *efme_mem_strndup(const struct efme_allocator *a, const char *s, size_t n);
void efme_mem_free(const struct efme_allocator *a, void *p); /* NULL allowed */

/* ---- growing text (text.c); the first failure sticks and is reported by efme_text_take ---- */
struct efme_text {
  const struct efme_allocator *allocator;
  char *data; /* NUL terminated once non-NULL */
  size_t size, capacity;
  int failed;
};
void efme_text_init(struct efme_text *t, const struct efme_allocator *a);
void efme_text_add(struct efme_text *t, const char *s);
void efme_text_add_n(struct efme_text *t, const char *s, size_t n);
void efme_text_printf(struct efme_text *t, const char *format, ...) __attribute__((format(printf, 2, 3))); /* no %f: locale */
void efme_text_double(struct efme_text *t, double v, int digits); /* "%.{digits}g" with a dot in any locale; digits 17 round-trips */
void efme_text_fixed(struct efme_text *t, double v, int decimals);
void efme_text_csv(struct efme_text *t, const char *field); /* quoted where needed */
void efme_text_json(struct efme_text *t, const char *s);  /* a JSON string with its quotes; a byte that is no UTF-8 becomes U+FFFD */
efme_status efme_text_take(struct efme_text *t, char **out, size_t *size); /* the caller frees *out; size may be NULL */
void efme_text_free(struct efme_text *t);
/* Bytes of the well-formed UTF-8 sequence at s, of which n bytes may be read; 0 where there is none. */
size_t efme_utf8_length(const char *s, size_t n);
/* 1 where the words are equal but for the case of A..Z: strcasecmp asks the locale, in which I may not be the capital of i. */
int efme_equal_words(const char *a, const char *b);
int efme_equal_words_n(const char *a, size_t n, const char *b); /* the n bytes at a */
/* Text for the caller of the library, released with efme_string_free (string.c). */
efme_status efme_string_export(char **out, const struct efme_allocator *a, const char *text, size_t size);
efme_status efme_text_export(struct efme_text *t, char **out); /* takes t; the first failure is reported here */

/* ---- numbers without the locale (number.c) ---- */
int efme_parse_u64(const char *s, size_t n, uint64_t *out);   /* whole field, decimal; 1 on success */
int efme_parse_i64(const char *s, size_t n, int64_t *out);
int efme_parse_hex64(const char *s, uint64_t *out);           /* 16 lower-case digits at s; what follows is not looked at */
int efme_parse_double(const char *s, size_t n, double *out);  /* whole field; inf and nan refused */
/* "%.{digits}g" into buffer, always with '.'; returns the length. */
size_t efme_format_double(char *buffer, size_t size, double v, int digits);
/* The same for "%.{decimals}f". */
size_t efme_format_fixed(char *buffer, size_t size, double v, int decimals);

/* ---- files (file.c, atomic.c); opened O_CLOEXEC, EINTR repeated, a directory or pipe refused by name ---- */
/* open() with these flags and O_CLOEXEC; never gives one of the standard descriptors 0 to 2. -1 and errno on failure. */
int efme_fd_open(const char *path, int flags);
ssize_t efme_fd_write(int fd, const void *data, size_t size); /* as write(), EINTR repeated, no SIGXFSZ */
/* IO, or NOMEM where errno says so: "PATH: cannot VERB: " and the reason. */
efme_status efme_fail_errno(const char *path, const char *verb);
/* Whole file, NUL put behind it. limit in bytes: beyond it EFME_E_LIMIT. Errors name path. */
efme_status efme_file_read(uint8_t **data, size_t *size, const struct efme_allocator *a, const char *path, uint64_t limit);
/* For reading piece by piece: a regular file's descriptor (close() it) and size; then up to `capacity` bytes, *n = 0 at the end. */
efme_status efme_file_open(int *fd, uint64_t *size, const char *path);
efme_status efme_file_read_some(int fd, void *buffer, size_t capacity, size_t *n, const char *path);
/* Written beside the target and renamed on commit, fsync'd first: a reader sees the old file or the whole new one. */
struct efme_atomic_file {
  const struct efme_allocator *allocator;
  char *path, *temporary;
  int fd, named; /* named: temporary stands in its directory */
  efme_status status; /* first failure sticks */
};
efme_status efme_atomic_open(struct efme_atomic_file *f, const struct efme_allocator *a, const char *path);
efme_status efme_atomic_write(struct efme_atomic_file *f, const void *data, size_t size);
efme_status efme_atomic_commit(struct efme_atomic_file *f); /* on failure the temporary file is gone */
void efme_atomic_abort(struct efme_atomic_file *f);         /* safe after commit and on a zeroed struct */
efme_status efme_file_write(const struct efme_allocator *a, const char *path, const void *data, size_t size); /* all of it, atomically */
/* A new file, not synced: one of many that count only together. Fails where there is a file of that name. */
efme_status efme_file_create(const char *path, const void *data, size_t size);
efme_status efme_atomic_remove(const struct efme_allocator *a, const char *path); /* and what a killed writer of it has left */
/* line and a line end, added in one write; the file is made where there is none. Lines of at most 500 bytes. */
efme_status efme_file_append_line(const char *path, const char *line);
/* What has this name, links followed. What cannot be found out is an error: it may be there. */
enum efme_file_kind { EFME_NO_FILE = 0, EFME_REGULAR_FILE, EFME_FOLDER, EFME_OTHER_FILE };
efme_status efme_file_look(enum efme_file_kind *out, const char *path);
efme_status efme_dir_create(const struct efme_allocator *a, const char *path); /* like mkdir -p; an existing one is fine */
/* "dir/name" */
char *efme_path_join(const struct efme_allocator *a, const char *dir, const char *name);

/* ---- threads (thread.c) ---- */
/* pthread_create, with the host's signals blocked. */
int efme_thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *arg);

/* ---- hashes (hash.c) ---- */
uint64_t efme_hash64(const void *data, size_t size, uint64_t seed); /* fast, not cryptographic; same on every machine; documented in the file */
struct efme_sha256 { uint32_t state[8]; uint64_t length; uint8_t block[64]; };
void efme_sha256_init(struct efme_sha256 *s);
void efme_sha256_add(struct efme_sha256 *s, const void *data, size_t size);
void efme_sha256_end(struct efme_sha256 *s, uint8_t digest[32]);
void efme_hex(char *out, const uint8_t *bytes, size_t n); /* 2n characters and a NUL */

/* ---- random numbers (philox.c): Philox4x32-10 (Salmon et al., SC'11). Counter (element, sample, epoch, purpose), key = seed. Holds no state. ---- */
enum efme_purpose {
  EFME_RNG_INIT = 1,     /* weight initialisation: sample = parameter index */
  EFME_RNG_BALANCE = 2,  /* which samples a balanced view keeps */
  EFME_RNG_SPLIT = 3,    /* ratio and subject splits, folds */
  EFME_RNG_ORDER = 4,    /* order of samples in an epoch */
  EFME_RNG_AUGMENT = 5,  /* augmentation of one sample */
  EFME_RNG_DROPOUT = 6,  /* element = stream << 16 | unit */
  EFME_RNG_DROPCONNECT = 7,
  EFME_RNG_SYNTHETIC = 8
};
void efme_philox(uint32_t out[4], uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t sample, uint32_t element);
/* [0, 1) with 24 bits. */
static inline float efme_unit_f32(uint32_t x) { return (float)(x >> 8) * (1.0f / 16777216.0f); }
/* [0, 1) with 53 bits. */
static inline double efme_unit_f64(uint32_t hi, uint32_t lo) { return (double)((((uint64_t)hi << 32) | lo) >> 11) * (1.0 / 9007199254740992.0); }

/* ---- elementary functions of our own (math.c), the same bits on every libc; double, error below 1 ulp where finite ---- */
double efme_exp(double x);
double efme_log(double x);
double efme_cos(double x); /* |x| <= 1e5 */
double efme_sin(double x);
double efme_pow(double x, double y); /* x >= 0 */
double efme_sqrt(double x);          /* the instruction */

/* ---- floating-point environment (fpenv.c): round to nearest, denormals kept, exceptions masked while we compute ---- */
struct efme_fpenv { uint32_t mxcsr; uint16_t x87; uint64_t fpcr; };
void efme_fpenv_enter(struct efme_fpenv *saved);
void efme_fpenv_leave(const struct efme_fpenv *saved);
static inline struct efme_fpenv efme_fpenv_take(void) {
  struct efme_fpenv saved;
  efme_fpenv_enter(&saved);
  return saved;
}
/* A declaration: the default environment up to the end of the block, by whatever way it is left. */
#define EFME_FPENV_DEFAULT __attribute__((cleanup(efme_fpenv_leave), unused)) const struct efme_fpenv efme_fpenv_host = efme_fpenv_take()

#define EFME_MIN(a, b) ((a) < (b) ? (a) : (b))
#define EFME_MAX(a, b) ((a) > (b) ? (a) : (b))
#define EFME_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
