/* Errors, memory, growing text, and numbers in any locale. */
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>

#include "heap.h"
#include "test.h"
#include "util/util.h"

/* ---- errors ---- */
START_TEST(error_text) {
  ck_assert_int_eq(efme_fail(EFME_E_IO, "%s: row %d", "a.csv", 7), EFME_E_IO);
  ck_assert_str_eq(efme_last_error(), "a.csv: row 7");
  ck_assert_int_eq(efme_fail_prefix(EFME_E_FORMAT, "fold %d", 3), EFME_E_FORMAT);
  ck_assert_str_eq(efme_last_error(), "fold 3: a.csv: row 7");
  efme_fail(EFME_E_IO, "again: %s", efme_last_error()); /* its own text as an argument */
  ck_assert_str_eq(efme_last_error(), "again: fold 3: a.csv: row 7");
  char saved[512];
  efme_error_save(saved);
  efme_fail(EFME_E_IO, "other");
  efme_error_restore(saved);
  ck_assert_str_eq(efme_last_error(), "again: fold 3: a.csv: row 7");
}
END_TEST

static void *fail_elsewhere(void *user) {
  const char *before = efme_last_error();
  int empty = before[0] == '\0';
  efme_fail(EFME_E_IO, "elsewhere");
  efme_error_save(user);
  return empty ? user : NULL;
}

START_TEST(error_text_per_thread) {
  char text[512];
  pthread_t thread;
  void *empty;
  efme_fail(EFME_E_IO, "here");
  ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, text), 0);
  pthread_join(thread, &empty);
  ck_assert_ptr_nonnull(empty); /* a new thread has none */
  ck_assert_str_eq(efme_last_error(), "here");
  efme_error_restore(text); /* how a worker's text comes over */
  ck_assert_str_eq(efme_last_error(), "elsewhere");
}
END_TEST

START_TEST(error_text_is_cut) {
  char large[2000];
  memset(large, 'x', sizeof large - 1);
  large[sizeof large - 1] = '\0';
  efme_fail(EFME_E_IO, "%s", large);
  ck_assert_uint_eq(strlen(efme_last_error()), 511);
  efme_fail_prefix(EFME_E_IO, "p");
  ck_assert_uint_eq(strlen(efme_last_error()), 511);
  ck_assert(strncmp(efme_last_error(), "p: xxx", 6) == 0);
  efme_fail_prefix(EFME_E_IO, "%s", large);
  ck_assert_uint_lt(strlen(efme_last_error()), 512);
}
END_TEST

START_TEST(status_names) {
  ck_assert_str_eq(efme_status_name(EFME_OK), "EFME_OK");
  ck_assert_str_eq(efme_status_name(EFME_E_FORMAT), "EFME_E_FORMAT");
  ck_assert_str_eq(efme_status_name(EFME_E_INTERNAL), "EFME_E_INTERNAL");
  ck_assert_str_eq(efme_status_name((efme_status)-16), "unknown status");
  ck_assert_str_eq(efme_status_name((efme_status)1), "unknown status");
}
END_TEST

struct options {
  size_t struct_size;
  uint32_t a, b;
};

START_TEST(options_load) {
  const struct options defaults = {sizeof defaults, 11, 22};
  struct options o;
  struct {
    struct options known;
    uint32_t more[2];
  } newer = {{sizeof newer, 1, 2}, {0, 0}};
  ck_assert_int_eq(efme_options_load(&o, sizeof o, NULL, &defaults, "o"), EFME_OK);
  ck_assert(o.a == 11 && o.b == 22 && o.struct_size == sizeof o);
  ck_assert_int_eq(efme_options_load(&o, sizeof o, &newer, &defaults, "o"), EFME_OK);
  ck_assert(o.a == 1 && o.b == 2 && o.struct_size == sizeof o);
  newer.more[1] = 0x100; /* one unknown byte set: the second of it */
  ck_assert_int_eq(efme_options_load(&o, sizeof o, &newer, &defaults, "my_options"), EFME_E_ARGUMENT);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "my_options"));
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "byte 21"));
  struct {
    size_t struct_size;
    uint32_t a;
  } older = {12, 5};
  ck_assert_int_eq(efme_options_load(&o, sizeof o, &older, &defaults, "o"), EFME_OK);
  ck_assert(o.a == 5 && o.b == 22);
  const size_t wrong[] = {0, 7, 65537, SIZE_MAX};
  for (size_t i = 0; i < 4; i++) {
    older.struct_size = wrong[i];
    ck_assert_int_eq(efme_options_load(&o, sizeof o, &older, &defaults, "o"), EFME_E_ARGUMENT);
  }
  ck_assert(o.a == 5 && o.b == 22); /* untouched */
}
END_TEST

START_TEST(struct_store) {
  const struct options value = {sizeof value, 3, 4};
  struct options out = {12, 0, 99};
  ck_assert_int_eq(efme_struct_store(&out, &value, sizeof value, "out"), EFME_OK);
  ck_assert(out.struct_size == 12 && out.a == 3 && out.b == 99);
  out.struct_size = 4;
  ck_assert_int_eq(efme_struct_store(&out, &value, sizeof value, "out"), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_struct_store(NULL, &value, sizeof value, "out"), EFME_E_ARGUMENT);
}
END_TEST

/* ---- memory ---- */
START_TEST(memory) {
  const struct efme_allocator *a = &efme_allocator_libc;
  for (size_t size = 0; size < 200; size += 33) {
    char *p = efme_mem_alloc(a, size, "test");
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq((uintptr_t)p % 64, 0);
    efme_mem_free(a, p);
  }
  efme_mem_free(a, NULL);
  ck_assert_ptr_null(efme_mem_array(a, SIZE_MAX / 2, 3, "the lot"));
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "for the lot"));
  ck_assert_ptr_null(efme_mem_alloc(a, SIZE_MAX - 3, "too much"));
  ck_assert_ptr_nonnull(strstr(efme_last_error(), "out of memory: 18446744073709551612 bytes for too much"));
  uint32_t *z = efme_mem_calloc(a, 100, 4, "zeros");
  for (int i = 0; i < 100; i++) ck_assert_uint_eq(z[i], 0);
  efme_mem_free(a, z);
  char *s = efme_mem_strndup(a, "efficient", 3);
  ck_assert_str_eq(s, "eff");
  efme_mem_free(a, s);
}
END_TEST

START_TEST(memory_grows) {
  struct heap heap = {.refuse_from = 4, .refuse = 1}; /* the fourth allocation */
  struct efme_allocator a = {heap_alloc, heap_free, &heap};
  int *items = NULL;
  size_t capacity = 0, n = 0;
  efme_status status = EFME_OK;
  for (; n < 1000; n++) {
    status = efme_mem_grow(&a, (void **)&items, &capacity, n + 1, sizeof *items, "items");
    if (status) break;
    items[n] = (int)n;
  }
  ck_assert_int_eq(status, EFME_E_NOMEM);
  ck_assert_uint_eq(n, capacity);
  for (size_t i = 0; i < n; i++) ck_assert_int_eq(items[i], (int)i);
  ck_assert_int_eq(efme_mem_grow(&a, (void **)&items, &capacity, SIZE_MAX, sizeof *items, "items"), EFME_E_NOMEM);
  ck_assert_int_eq(heap.live, 1);
  efme_mem_free(&a, items);
  ck_assert_int_eq(heap.live, 0);
}
END_TEST

START_TEST(text_grows) {
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "a");
  efme_text_printf(&t, "[%d %s]", 5, "x");
  efme_text_double(&t, 0.1, 17);
  efme_text_add(&t, " ");
  efme_text_fixed(&t, 2.0 / 3, 3);
  char *out;
  size_t size;
  ck_assert_int_eq(efme_text_take(&t, &out, &size), EFME_OK);
  ck_assert_str_eq(out, "a[5 x]0.10000000000000001 0.667");
  ck_assert_uint_eq(size, strlen(out));
  efme_mem_free(&efme_allocator_libc, out);
  ck_assert_int_eq(efme_text_take(&t, &out, NULL), EFME_OK); /* nothing added is the empty text */
  ck_assert_str_eq(out, "");
  efme_mem_free(&efme_allocator_libc, out);
}
END_TEST

START_TEST(text_failure_sticks) {
  struct heap heap = {.refuse_from = 3, .refuse = 1};
  struct efme_allocator a = {heap_alloc, heap_free, &heap};
  struct efme_text t;
  efme_text_init(&t, &a);
  for (int i = 0; i < 1000; i++) efme_text_add(&t, "some text ");
  char *out = NULL;
  ck_assert_int_eq(efme_text_take(&t, &out, NULL), EFME_E_NOMEM);
  ck_assert_ptr_null(out);
  ck_assert_int_eq(heap.live, 0);
}
END_TEST

START_TEST(words) {
  ck_assert(efme_equal_words("Surprise", "sURPRISE") && efme_equal_words("", ""));
  ck_assert(!efme_equal_words("surprise", "surprised") && !efme_equal_words("surprised", "surprise") && !efme_equal_words("", "a"));
  ck_assert(!efme_equal_words("[", "{") && !efme_equal_words("@", "`")); /* neighbours of A..Z are no letters */
  ck_assert(efme_equal_words_n("EMOTION,pixels", 7, "emotion") && efme_equal_words_n("x", 0, ""));
  ck_assert(!efme_equal_words_n("EMOTION,pixels", 6, "emotion") && !efme_equal_words_n("EMOTION,pixels", 8, "emotion"));
}
END_TEST

START_TEST(csv_fields) {
  static const char *const cases[][2] = {
      {"plain", "plain"},   {"", ""},          {"a,b", "\"a,b\""}, {"say \"x\"", "\"say \"\"x\"\"\""}, {"two\nlines", "\"two\nlines\""},
      {" pad", "\" pad\""}, {"\"", "\"\"\"\""}};
  for (size_t i = 0; i < EFME_COUNT(cases); i++) {
    struct efme_text t;
    efme_text_init(&t, &efme_allocator_libc);
    efme_text_csv(&t, cases[i][0]);
    char *out;
    ck_assert_int_eq(efme_text_take(&t, &out, NULL), EFME_OK);
    ck_assert_str_eq(out, cases[i][1]);
    efme_mem_free(&efme_allocator_libc, out);
  }
}
END_TEST

/* ---- numbers ---- */
static int u64(const char *s, uint64_t *v) { return efme_parse_u64(s, strlen(s), v); }
static int i64(const char *s, int64_t *v) { return efme_parse_i64(s, strlen(s), v); }
static int f64(const char *s, double *v) { return efme_parse_double(s, strlen(s), v); }

START_TEST(integers) {
  uint64_t u = 5;
  int64_t i = 5;
  ck_assert(u64("0", &u) && u == 0);
  ck_assert(u64("18446744073709551615", &u) && u == UINT64_MAX);
  ck_assert(i64("-9223372036854775808", &i) && i == INT64_MIN);
  ck_assert(i64("+9223372036854775807", &i) && i == INT64_MAX);
  u = 5, i = 5;
  static const char *const bad_u[] = {"", " 1", "1 ", "-1", "+1", "0x1", "1.0", "18446744073709551616", "99999999999999999999"};
  for (size_t k = 0; k < EFME_COUNT(bad_u); k++) ck_assert_msg(!u64(bad_u[k], &u), "%s", bad_u[k]);
  static const char *const bad_i[] = {"", "-", "+", "--1", "9223372036854775808", "-9223372036854775809"};
  for (size_t k = 0; k < EFME_COUNT(bad_i); k++) ck_assert_msg(!i64(bad_i[k], &i), "%s", bad_i[k]);
  ck_assert(u == 5 && i == 5);
}
END_TEST

static void check_doubles(void) {
  static const char *const good[] = {"0",
                                     "-0",
                                     "1",
                                     "1.5",
                                     ".5",
                                     "5.",
                                     "1e3",
                                     "1E+3",
                                     "1.25e-3",
                                     "-12.5e3",
                                     "+7",
                                     "1e22",
                                     "1e23",
                                     "1e-22",
                                     "1e308",
                                     "1.7976931348623157e308",
                                     "4.9406564584124654e-324",
                                     "2.2250738585072011e-308",
                                     "9007199254740993",
                                     "0.1",
                                     "123456789012345678901234567890",
                                     "1e-400",
                                     "0.000000000000000000000000000000000000000001",
                                     "00001.5",
                                     "1.7976931348623158e308"};
  for (size_t i = 0; i < EFME_COUNT(good); i++) {
    double v = 77;
    ck_assert_msg(f64(good[i], &v), "%s", good[i]);
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double want = strtod_l(good[i], NULL, c);
    freelocale(c);
    ck_assert_msg(memcmp(&v, &want, sizeof v) == 0, "%s: %a, not %a", good[i], v, want);
  }
  static const char *const bad[] = {"",   ".",   "-",   "e5",   "1e",   "1e+",   "1,5",    "1.5.2", " 1",
                                    "1 ", "inf", "nan", "-inf", "0x10", "1e999", "-1e400", "1f",    "1..2"};
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    double v = 77;
    ck_assert_msg(!f64(bad[i], &v) && v == 77, "%s", bad[i]);
  }
}

static void check_round_trip(void) {
  char text[64];
  for (uint32_t i = 0; i < 20000; i++) {
    uint32_t r[4];
    efme_philox(r, 3, 0, 0, 0, i);
    uint64_t bits = (uint64_t)r[0] << 32 | r[1];
    if ((bits >> 52 & 0x7ff) == 0x7ff) bits ^= (uint64_t)1 << 62;
    double v, back = 0;
    memcpy(&v, &bits, sizeof v);
    size_t n = efme_format_double(text, sizeof text, v, 17);
    ck_assert(n == strlen(text) && efme_parse_double(text, n, &back));
    ck_assert_msg(memcmp(&v, &back, sizeof v) == 0, "%s", text);
  }
}

static void check_format(void) {
  char b[400];
  efme_format_double(b, sizeof b, -1234.5, 6);
  ck_assert_str_eq(b, "-1234.5");
  efme_format_double(b, sizeof b, 1e300, 3);
  ck_assert_str_eq(b, "1e+300");
  efme_format_double(b, sizeof b, (double)INFINITY, 3);
  ck_assert_str_eq(b, "inf");
  efme_format_double(b, sizeof b, -(double)INFINITY, 3);
  ck_assert_str_eq(b, "-inf");
  efme_format_double(b, sizeof b, (double)NAN, 3);
  ck_assert_str_eq(b, "nan");
  efme_format_fixed(b, sizeof b, 1234567.125, 2);
  ck_assert_str_eq(b, "1234567.12");
  ck_assert_uint_eq(efme_format_fixed(b, sizeof b, -1.7976931348623157e308, 40), 351);
  ck_assert_uint_eq(efme_format_double(b, 4, 1.5, 17), 3); /* cut, terminated */
  ck_assert_str_eq(b, "1.5");
  ck_assert_uint_eq(efme_format_double(b, 3, 1.25, 17), 2);
  ck_assert_str_eq(b, "1.");
}

START_TEST(doubles) {
  check_doubles();
  check_round_trip();
  check_format();
}
END_TEST

/* A number longer than any buffer: more digits than a tie between two doubles has, the last of them deciding. */
START_TEST(long_doubles) {
  static char s[5000];
  strcpy(s, "1.00000000000000011102230246251565404236316680908203125"); /* halfway between 1 and the next: to even */
  double v;
  ck_assert(f64(s, &v) && v == 1.0);
  size_t n = strlen(s);
  memset(s + n, '0', 4000);
  s[n + 4000] = '1';
  s[n + 4001] = '\0';
  ck_assert(f64(s, &v) && v == 1.0 + 0x1p-52);
  memset(s, '0', 4000);
  strcpy(s + 4000, "12.5");
  ck_assert(f64(s, &v) && v == 12.5);
}
END_TEST

/* The same under a locale with a decimal comma, made here because few machines have one installed. */
START_TEST(decimal_comma) {
  char dir[] = "/tmp/efme-locale-XXXXXX", command[256];
  ck_assert_ptr_nonnull(mkdtemp(dir));
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1", dir, dir);
  int made = system(command) == 0;
  setenv("LOCPATH", dir, 1);
  if (made && setlocale(LC_ALL, "de_DE.UTF-8")) {
    char b[32];
    snprintf(b, sizeof b, "%.1f", 1.5);
    ck_assert_str_eq(b, "1,5"); /* it really is in force */
    check_doubles();
    check_round_trip();
    check_format();
  } else {
    printf("SKIP: no locale with a decimal comma can be made here\n");
    test_skips++;
  }
  setlocale(LC_ALL, "C");
  unsetenv("LOCPATH");
  snprintf(command, sizeof command, "rm -r %s", dir);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("util_text");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_test(t, error_text);
  tcase_add_test(t, error_text_per_thread);
  tcase_add_test(t, error_text_is_cut);
  tcase_add_test(t, status_names);
  tcase_add_test(t, options_load);
  tcase_add_test(t, struct_store);
  tcase_add_test(t, memory);
  tcase_add_test(t, memory_grows);
  tcase_add_test(t, text_grows);
  tcase_add_test(t, text_failure_sticks);
  tcase_add_test(t, words);
  tcase_add_test(t, csv_fields);
  tcase_add_test(t, integers);
  tcase_add_test(t, doubles);
  tcase_add_test(t, long_doubles);
  tcase_add_test(t, decimal_comma);
  return test_run(suite);
}
