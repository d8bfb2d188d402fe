/* A fuzz target as an ordinary test: its seeds, each with all damage that can be listed, and the inputs that once found something.
 *
 *   test_fuzz_NAME                  the test; old findings are in FUZZ_FINDINGS, a file each
 *   test_fuzz_NAME --write FOLDER   the seeds as files, for libFuzzer
 *   test_fuzz_NAME --run FILE...    these inputs alone
 *
 * Damage to a seed: cut at every byte, every byte of its header changed to several others, every length field's place filled with huge
 * numbers, numbers in text made huge, negative or empty, lines doubled, lost and joined, bytes of the rest changed here and there. An
 * input that stops the program is left in FUZZ_NAME.failed in the working directory. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 4 /* for one input; sanitizers and a busy machine included */

static const uint8_t *now_data;
static size_t now_size;
static unsigned long runs;

/* ---- one input ---- */

/* A crash, an abort or a hang: says where, keeps the input, and dies of the signal. */
static void on_signal(int number) {
  static const char name[] = "fuzz_" FUZZ_NAME ".failed";
  FILE *f = fopen(name, "wb"); /* not safe in a handler, but nothing is lost any more */
  if (f) fwrite(now_data, 1, now_size, f), fclose(f);
  fprintf(stderr, "signal %d at %s; the input is in %s\n", number, fuzz_at, name);
  signal(number, SIG_DFL);
  raise(number);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1); /* not a byte more: sanitizers and valgrind see a step too far */
  if (size) memcpy(exact, data, size);
  now_data = exact, now_size = size;
  double started = seconds();
  LLVMFuzzerTestOneInput(exact, size);
  double took = seconds() - started;
  FUZZ_CHECK(took < SECONDS, "%.1f seconds", took);
  runs++;
  free(exact);
}

/* ---- damage ---- */

struct seed {
  const char *name;
  const uint8_t *data;
  size_t size, header;
  uint8_t *copy; /* room for size + 64 */
};

static void say(const struct seed *s, const char *what, size_t at, int value) {
  snprintf(fuzz_at, sizeof fuzz_at, "seed %s, %s at %zu (%d)", s->name, what, at, value);
}

static void cut(const struct seed *s) {
  size_t coarse = s->size / 64 + 1;
  for (size_t n = 0; n < s->size; n += n < s->header ? 1 : coarse) {
    say(s, "cut", n, 0);
    run(s->data, n);
  }
}

static void change_bytes(const struct seed *s) {
  static const uint8_t values[] = {0, 1, 2, 3, 0xff, '0', '9', '-', ',', '"', '\n', ' '};
  size_t coarse = s->size / 64 + 1;
  memcpy(s->copy, s->data, s->size);
  for (size_t i = 0; i < s->size; i += i < s->header ? 1 : coarse) {
    uint8_t old = s->data[i];
    for (size_t k = 0; k < sizeof values + 3; k++) {
      uint8_t v = k < sizeof values ? values[k] : (uint8_t)(old ^ (k == sizeof values ? 1 : k == sizeof values + 1 ? 0x20 : 0x80));
      if (v == old) continue;
      say(s, "byte changed", i, v);
      s->copy[i] = v;
      run(s->copy, s->size);
    }
    s->copy[i] = old;
  }
}

/* What may be a length, little or big endian: 2, 4 or 8 bytes of it huge. */
static void change_lengths(const struct seed *s) {
  static const struct {
    uint8_t n, bytes[8];
  } values[] = {{2, {0xff, 0xff}},
                {4, {0xff, 0xff, 0xff, 0xff}},
                {4, {0x7f, 0xff, 0xff, 0xff}},
                {4, {0xff, 0xff, 0xff, 0x7f}},
                {4, {0, 0, 0, 0x80}},
                {4, {0, 0, 0xff, 0x03}},
                {8, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
                {8, {0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};
  for (size_t k = 0; k < EFME_COUNT(values); k++)
    for (size_t i = 0; i + values[k].n <= EFME_MIN(s->size, s->header); i++) {
      memcpy(s->copy, s->data, s->size);
      memcpy(s->copy + i, values[k].bytes, values[k].n);
      say(s, "a huge length", i, (int)k);
      run(s->copy, s->size);
    }
}

/* Bytes begin .. end of the seed replaced by n others. */
static void replace(const struct seed *s, size_t begin, size_t end, const void *by, size_t n) {
  memcpy(s->copy, s->data, begin);
  if (n) memcpy(s->copy + begin, by, n);
  memcpy(s->copy + begin + n, s->data + end, s->size - end);
  run(s->copy, begin + n + s->size - end);
}

static int is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

static void change_numbers(const struct seed *s) {
  static const char *const values[] = {"", "0", "-1", "4294967296", "18446744073709551616", "1e999", "nan", "007", "0x7fffffff"};
  for (size_t i = 0, end, count = 0; i < EFME_MIN(s->size, s->header) && count < 200; i = end) {
    for (end = i + 1; is_digit(s->data[i]) && end < s->size && is_digit(s->data[end]);) end++;
    if (!is_digit(s->data[i])) continue;
    count++;
    for (size_t k = 0; k < EFME_COUNT(values); k++) {
      say(s, "a number replaced", i, (int)k);
      replace(s, i, end, values[k], strlen(values[k]));
    }
  }
}

/* Lines, and what lies between other marks that repeat: lost, doubled. */
static void change_pieces(const struct seed *s) {
  static const char marks[] = "\n,{} ";
  uint8_t *twice = malloc(2 * s->size + 1);
  for (const char *mark = marks; *mark; mark++)
    for (size_t i = 0, end, count = 0; i < EFME_MIN(s->size, s->header) && count < 100; i = end, count++) {
      const uint8_t *next = memchr(s->data + i, *mark, s->size - i);
      end = next ? (size_t)(next - s->data) + 1 : s->size;
      say(s, "a piece lost", i, *mark);
      replace(s, i, end, NULL, 0);
      say(s, "a piece doubled", i, *mark);
      memcpy(twice, s->data, end);
      memcpy(twice + end, s->data + i, s->size - i);
      run(twice, end + s->size - i);
      if (!next) break;
      say(s, "a mark lost", end - 1, *mark);
      replace(s, end - 1, end, NULL, 0);
    }
  free(twice);
}

static void damage(const char *name, const void *data, size_t size, size_t header) {
  struct seed s = {name, data, size, EFME_MIN(size, header), malloc(size + 64)};
  unsigned long accepted = fuzz_accepted;
  say(&s, "as it is", 0, 0);
  run(data, size);
  FUZZ_CHECK(fuzz_accepted > accepted || !strncmp(name, "bad", 3), "a good input is refused");
  cut(&s);
  change_bytes(&s);
  change_lengths(&s);
  change_numbers(&s);
  change_pieces(&s);
  free(s.copy);
}

/* ---- files ---- */

static void run_file(const char *path) {
  uint8_t *data = NULL;
  size_t size = 0;
  snprintf(fuzz_at, sizeof fuzz_at, "%s", path);
  FUZZ_CHECK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1 << 30) == EFME_OK, "%s", path);
  run(data, size);
  efme_mem_free(&efme_allocator_libc, data);
}

static unsigned run_folder(const char *path) {
  unsigned count = 0;
  DIR *dir = opendir(path);
  if (!dir && errno == ENOENT) return 0; /* nothing has been found with this target yet */
  FUZZ_CHECK(dir, "%s", path);
  for (struct dirent *e; (e = readdir(dir));) {
    char name[1024];
    if (e->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%s", path, e->d_name);
    run_file(name);
    count++;
  }
  closedir(dir);
  return count;
}

static const char *write_to;

static void write_seed(const char *name, const void *data, size_t size, size_t header) {
  (void)header;
  char path[1024];
  snprintf(path, sizeof path, "%s/%s", write_to, name);
  FILE *f = fopen(path, "wb");
  FUZZ_CHECK(f && fwrite(data, 1, size, f) == size && !fclose(f), "%s", path);
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "--write")) {
    write_to = argv[2];
    fuzz_seeds(write_seed);
    return EXIT_SUCCESS;
  }
  signal(SIGABRT, on_signal);
  signal(SIGALRM, on_signal);
#ifndef __SANITIZE_ADDRESS__ /* whose report says more */
  signal(SIGSEGV, on_signal);
  signal(SIGFPE, on_signal);
#endif
  alarm(550); /* a hang, before ctest's own limit */
  if (argc > 2 && !strcmp(argv[1], "--run")) {
    for (int i = 2; i < argc; i++) run_file(argv[i]);
    printf("%lu inputs\n", runs);
    return EXIT_SUCCESS;
  }
  unsigned found = run_folder(FUZZ_FINDINGS);
  fuzz_seeds(damage);
  printf("fuzz_" FUZZ_NAME ": %lu inputs, %u of them old findings; %lu times something was accepted\n", runs, found, fuzz_accepted);
  return EXIT_SUCCESS;
}
