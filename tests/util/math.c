/* Elementary functions against the C library in extended precision; hashes and generator against published vectors. */
#include <float.h>
#include <math.h>

#include "test.h"
#include "util/util.h"

/* Distance in units of the last place of a double near want. */
static double ulps(double got, long double want) {
  double w = (double)want;
  if (isinf(w) || isinf(got)) return w == got ? 0 : INFINITY;
  int e;
  frexp(w, &e);
  if (e < -1021) e = -1021;
  return (double)fabsl(((long double)got - want) / ldexpl(1, e - 53));
}

static double uniform(uint32_t i, uint32_t stream, double low, double high) {
  uint32_t r[4];
  efme_philox(r, 42, stream, 0, 0, i);
  return low + (high - low) * efme_unit_f64(r[0], r[1]);
}

enum { N = 100000 };
#define BOUND 0.8 /* what lib/util/math.c states */

static double worst(double (*ours)(double), long double (*theirs)(long double), double low, double high, int logarithmic) {
  double most = 0;
  for (uint32_t i = 0; i < N; i++) {
    double x = uniform(i, 1, low, high);
    if (logarithmic) x = (double)expl(x);
    most = fmax(most, ulps(ours(x), theirs(x)));
  }
  return most;
}

START_TEST(exponential) {
  double a = worst(efme_exp, expl, -708, 709.7, 0), b = worst(efme_exp, expl, -2, 2, 0), c = worst(efme_exp, expl, -745, -700, 0);
  printf("exp: %.3f %.3f %.3f ulp\n", a, b, c);
  ck_assert(a < BOUND && b < BOUND && c < BOUND);
  ck_assert(efme_exp(0) == 1 && efme_exp(1000) == INFINITY && efme_exp(-1000) == 0);
  ck_assert(efme_exp(INFINITY) == INFINITY && efme_exp(-INFINITY) == 0 && isnan(efme_exp(NAN)));
  ck_assert(efme_exp(709.782712893384) < INFINITY && efme_exp(-745.1) > 0 && efme_exp(1e-300) == 1);
}
END_TEST

START_TEST(logarithm) {
  double a = worst(efme_log, logl, -745, 709, 1), b = worst(efme_log, logl, -0.1, 0.1, 1), c = worst(efme_log, logl, -1e-9, 1e-9, 1);
  printf("log: %.3f %.3f %.3f ulp\n", a, b, c);
  ck_assert(a < BOUND && b < BOUND && c < BOUND);
  ck_assert(efme_log(1) == 0 && efme_log(0) == -INFINITY && efme_log(INFINITY) == INFINITY);
  ck_assert(isnan(efme_log(-1)) && isnan(efme_log(NAN)) && ulps(efme_log(DBL_TRUE_MIN), logl(DBL_TRUE_MIN)) < BOUND);
}
END_TEST

START_TEST(circular) {
  double m[6] = {worst(efme_sin, sinl, -1e5, 1e5, 0), worst(efme_sin, sinl, -4, 4, 0), worst(efme_sin, sinl, -1e-6, 1e-6, 0),
                 worst(efme_cos, cosl, -1e5, 1e5, 0), worst(efme_cos, cosl, -4, 4, 0), worst(efme_cos, cosl, -1e-6, 1e-6, 0)};
  printf("sin: %.3f %.3f %.3f ulp, cos: %.3f %.3f %.3f ulp\n", m[0], m[1], m[2], m[3], m[4], m[5]);
  for (int i = 0; i < 6; i++) ck_assert(m[i] < BOUND);
  /* The doubles next to multiples of pi/2, where the reduction cancels most. */
  double most = 0;
  for (int n = 1; n < 63000; n++) {
    double x = (double)(n * 1.57079632679489661923132169163975144L);
    most = fmax(most, fmax(ulps(efme_sin(x), sinl(x)), ulps(efme_cos(x), cosl(x))));
  }
  printf("sin, cos at multiples of pi/2: %.3f ulp\n", most);
  ck_assert(most < BOUND);
  ck_assert(efme_sin(0) == 0 && efme_cos(0) == 1 && signbit(efme_sin(-0.0)));
  ck_assert(isnan(efme_sin(1e6)) && isnan(efme_cos(NAN)));
}
END_TEST

START_TEST(power) {
  double most = 0, extreme = 0;
  for (uint32_t i = 0; i < N; i++) {
    double x = uniform(i, 2, 0, i & 1 ? 10 : 1), y = uniform(i, 3, -5, 5);
    most = fmax(most, ulps(efme_pow(x, y), powl(x, y)));
    double b = (double)expl(uniform(i, 4, -700, 700)), e = uniform(i, 5, -1, 1) * 745 / fabs(log(b));
    extreme = fmax(extreme, ulps(efme_pow(b, e), powl(b, e)));
  }
  printf("pow: %.3f ulp, over the whole range %.3f ulp\n", most, extreme);
  ck_assert(most < BOUND && extreme < BOUND);
  ck_assert(efme_pow(0, 0) == 1 && efme_pow(0, 2) == 0 && efme_pow(0, -1) == INFINITY && efme_pow(1, NAN) == 1 && efme_pow(NAN, 0) == 1);
  ck_assert(efme_pow(2, 10) == 1024 && efme_pow(0.5, 2) == 0.25 && efme_pow(10, 3) == 1000 && efme_pow(7, 1) == 7);
  ck_assert(isnan(efme_pow(-2, 2)) && efme_pow(2, 1e300) == INFINITY && efme_pow(2, -1e300) == 0 && efme_pow(0.5, INFINITY) == 0);
  ck_assert(efme_pow(INFINITY, 2) == INFINITY && efme_pow(INFINITY, -2) == 0 && efme_pow(2, 1024) == INFINITY && efme_pow(2, -1074) > 0);
  ck_assert(efme_pow(0.999, 1e5) > 0 && efme_sqrt(2) == sqrt(2));
}
END_TEST

START_TEST(philox) { /* known answers that come with Random123 */
  static const struct {
    uint32_t c[4], k[2], want[4];
  } vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  for (size_t i = 0; i < EFME_COUNT(vectors); i++) {
    uint32_t out[4];
    efme_philox(out, (uint64_t)vectors[i].k[1] << 32 | vectors[i].k[0], vectors[i].c[3], vectors[i].c[2], vectors[i].c[1], vectors[i].c[0]);
    ck_assert_mem_eq(out, vectors[i].want, sizeof out);
  }
  ck_assert(efme_unit_f32(~0u) < 1 && efme_unit_f32(0) == 0 && efme_unit_f64(~0u, ~0u) < 1 && efme_unit_f64(1u << 31, 0) == 0.5);
}
END_TEST

START_TEST(sha256) { /* FIPS 180-4's examples, and one of a million letters */
  static const struct {
    const char *text;
    int times;
    const char *want;
  } vectors[] = {
      {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"aaaaaaaaaaaaaaaaaaaaaaaaa", 40000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  for (size_t i = 0; i < EFME_COUNT(vectors); i++) {
    struct efme_sha256 s;
    efme_sha256_init(&s);
    for (int k = 0; k < vectors[i].times; k++) efme_sha256_add(&s, vectors[i].text, strlen(vectors[i].text));
    uint8_t digest[32];
    char hex[65];
    efme_sha256_end(&s, digest);
    efme_hex(hex, digest, 32);
    ck_assert_str_eq(hex, vectors[i].want);
  }
}
END_TEST

START_TEST(hash64) { /* published values of XXH64, seed 0; then: every byte and the seed count, at every length */
  ck_assert_uint_eq(efme_hash64("", 0, 0), 0xef46db3751d8e999u);
  ck_assert_uint_eq(efme_hash64("a", 1, 0), 0xd24ec4f1a98c6e5bu);
  ck_assert_uint_eq(efme_hash64("abc", 3, 0), 0x44bc2cf5ad770999u);
  ck_assert_uint_eq(efme_hash64("Nobody inspects the spammish repetition", 39, 0), 0xfbcea83c8a378bf1u);
  uint8_t bytes[100];
  for (int i = 0; i < 100; i++) bytes[i] = (uint8_t)(i * 37);
  for (size_t n = 0; n <= 99; n++) {
    uint64_t h = efme_hash64(bytes, n, 1);
    ck_assert(h != efme_hash64(bytes, n, 2) && h != efme_hash64(bytes, n + 1, 1));
    for (size_t k = 0; k < n; k++) {
      bytes[k] ^= 0x80;
      ck_assert(h != efme_hash64(bytes, n, 1));
      bytes[k] ^= 0x80;
    }
    ck_assert(h == efme_hash64(bytes, n, 1));
  }
}
END_TEST

#if defined(__x86_64__)
#include <xmmintrin.h>

START_TEST(environment) { /* the host flushes denormals and rounds down: neither is in force while we compute, both are back after */
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040 | 0x2000);
  unsigned host = _mm_getcsr() & ~0x3fu;
  struct efme_fpenv saved;
  efme_fpenv_enter(&saved);
  volatile double small = DBL_MIN, half = 0.5, third = 3, one = 1;
  volatile int denormal = small * half > 0; /* volatile: computed here, not behind the next call */
  volatile double rounded = one / third * third;
  efme_fpenv_leave(&saved);
  unsigned after = _mm_getcsr() & ~0x3fu;
  _mm_setcsr(before);
  ck_assert(denormal && rounded == 1);
  ck_assert_uint_eq(after, host);
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("util_math");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_test(t, exponential);
  tcase_add_test(t, logarithm);
  tcase_add_test(t, circular);
  tcase_add_test(t, power);
  tcase_add_test(t, philox);
  tcase_add_test(t, sha256);
  tcase_add_test(t, hash64);
#if defined(__x86_64__)
  tcase_add_test(t, environment);
#endif
  return test_run(suite);
}
