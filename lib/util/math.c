/* exp, log, sin, cos and pow in double, with the same bits on every C library and compiler: numeric paths call no libm.
 *
 * Each uses a plain Taylor series on a small interval, with what rounds away in the leading terms carried in a second
 * double ("hi + lo"). Only + - * / and the square root instruction are used, all correctly rounded by IEEE 754, and the
 * library is compiled without contraction, so results do not depend on the machine. Measured error against the C library's
 * (tests/util/test_math.c): below 0.8 ulp for each of them, denormal results included. */
#include <float.h>
#include <string.h>

#include "util/util.h"

struct dd {
  double hi, lo;
}; /* an unevaluated sum, |lo| <= ulp(hi) */

static struct dd two_sum(double a, double b) {
  double s = a + b, t = s - a;
  return (struct dd){s, (a - (s - t)) + (b - t)};
}

/* Veltkamp's split: 26 and 27 bits. |a| < 2^996. */
static struct dd split(double a) {
  double c = 134217729.0 * a, hi = c - (c - a);
  return (struct dd){hi, a - hi};
}

/* Dekker's product: exact unless it underflows. */
static struct dd two_product(double a, double b) {
  struct dd x = split(a), y = split(b);
  double p = a * b;
  return (struct dd){p, ((x.hi * y.hi - p) + x.hi * y.lo + x.lo * y.hi) + x.lo * y.lo};
}

static struct dd dd_multiply(struct dd a, struct dd b) {
  struct dd p = two_product(a.hi, b.hi);
  return two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static struct dd dd_add(struct dd a, struct dd b) {
  struct dd s = two_sum(a.hi, b.hi);
  return two_sum(s.hi, s.lo + (a.lo + b.lo));
}

static double from_bits(uint64_t u) {
  double d;
  memcpy(&d, &u, sizeof d);
  return d;
}

static uint64_t to_bits(double d) {
  uint64_t u;
  memcpy(&u, &d, sizeof u);
  return u;
}

#define INFINITE from_bits(0x7ff0000000000000u)
#define NOT_A_NUMBER from_bits(0x7ff8000000000000u)

/* 2^k for -1022 <= k <= 1023. */
static double power_of_two(int k) { return from_bits((uint64_t)(k + 1023) << 52); }

/* v 2^k, rounded once: v lies in [0.5, 2] and only the last factor can leave the normal range. */
static double scale(double v, int k) {
  if (k > 1023) return v * power_of_two(1023) * power_of_two(k - 1023);
  if (k < -1021) return v * power_of_two(k + 200) * power_of_two(-200);
  return v * power_of_two(k);
}

static int round_to_int(double v) { return (int)(v < 0 ? v - 0.5 : v + 0.5); }

/* ln 2 in two parts; the first has 42 bits, so that its product with an exponent is exact. */
#define LN2_HI 0x1.62e42fefa3800p-1
#define LN2_LO 0x1.ef35793c76730p-45

/* e^(hi + lo): k = nearest of x / ln 2, r = x - k ln 2 with |r| <= 0.347, e^r = 1 + r + r^2/2! + ... + r^13/13!; the first
 * term left out is 4e-18. */
static double exp_dd(double hi, double lo) {
  if (hi > 709.8) return INFINITE;
  if (hi < -745.2) return 0;
  int k = round_to_int(hi * 0x1.71547652b82fep+0);
  struct dd r = two_sum(hi - k * LN2_HI, lo - k * LN2_LO);
  static const double c[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                             1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
  double x = r.hi, p = c[0];
  for (size_t i = 1; i < EFME_COUNT(c); i++) p = p * x + c[i];
  struct dd s = two_sum(1.0, x);
  return scale(s.hi + (s.lo + (r.lo + x * r.lo + x * x * p)), k);
}

double efme_exp(double x) {
  if (x != x) return x;
  return exp_dd(x, 0);
}

/* ln x for finite x > 0 to about 2^-65 relative. x = 2^k m with m in [sqrt 1/2, sqrt 2], s = (m - 1)/(m + 1) with
 * |s| <= 0.172, ln m = 2 (s + s^3/3 + s^5/5 + ...). The first two terms are carried double, the rest is below 2^-12 of them. */
static struct dd log_dd(double x) {
  int k = 0;
  if (x < DBL_MIN) {
    x *= power_of_two(54);
    k = -54;
  }
  uint64_t u = to_bits(x);
  k += (int)(u >> 52) - 1023;
  double m = from_bits((u & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m > 0x1.6a09e667f3bcdp+0) {
    m *= 0.5;
    k++;
  }
  double n = m - 1; /* exact */
  struct dd d = two_sum(m, 1);
  double q = n / d.hi;
  struct dd back = two_product(q, d.hi);
  struct dd s = two_sum(q, (((n - back.hi) - back.lo) - q * d.lo) / d.hi);
  struct dd s2 = dd_multiply(s, s);
  struct dd s3 = dd_multiply(s2, s);
  double z = s2.hi, p = 2.0 / 25;
  for (int i = 23; i >= 5; i -= 2) p = p * z + 2.0 / i;
  struct dd two_thirds = {0x1.5555555555555p-1, 0x1.5555555555555p-55};
  struct dd result = dd_add(dd_multiply(s3, two_thirds), (struct dd){s3.hi * z * p, 0});
  result = dd_add((struct dd){2 * s.hi, 2 * s.lo}, result);
  return dd_add(two_sum(k * LN2_HI, k * LN2_LO), result);
}

double efme_log(double x) {
  if (x != x || x < 0) return NOT_A_NUMBER;
  if (x == 0) return -INFINITE;
  if (x > DBL_MAX) return x;
  struct dd r = log_dd(x);
  return r.hi + r.lo;
}

double efme_pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y || x < 0) return NOT_A_NUMBER;
  if (x == 0 || x > DBL_MAX) return (x == 0) == (y > 0) ? 0 : INFINITE;
  /* |ln x| is 1.1e-16 at least, so beyond this y the answer is one of the ends; it also keeps the products finite. */
  if (y > 0x1p65 || y < -0x1p65) return (x > 1) == (y > 0) ? INFINITE : 0;
  struct dd l = log_dd(x);
  double rough = l.hi * y;
  if (rough > 710 || rough < -746) return rough > 0 ? INFINITE : 0;
  struct dd p = two_product(l.hi, y);
  p = two_sum(p.hi, p.lo + l.lo * y);
  return exp_dd(p.hi, p.lo);
}

double efme_sqrt(double x) { return __builtin_sqrt(x); }

/* r = x - n pi/2 with |r| <= 0.786 to 2^-113 absolute: pi/2 in four parts, the first three of 33 bits, so that their
 * products with n < 2^17 are exact. */
static struct dd reduce(double x, int *n) {
  *n = round_to_int(x * 0x1.45f306dc9c883p-1);
  double k = *n;
  struct dd r = {x - k * 0x1.921fb54400000p+0, 0}; /* exact: both are multiples of one small power of two */
  r = two_sum(r.hi, -k * 0x1.0b4611a600000p-34);
  r = dd_add(r, (struct dd){-k * 0x1.3198a2e000000p-69, 0});
  return dd_add(r, (struct dd){-k * 0x1.b839a252049c1p-104, 0});
}

/* r - r^3/3! + ... + r^19/19! */
static double sin_kernel(struct dd r) {
  double z = r.hi * r.hi, p = -1.0 / 121645100408832000;
  static const double c[] = {1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
                             1.0 / 362880,          -1.0 / 5040,          1.0 / 120,        -1.0 / 6};
  for (size_t i = 0; i < EFME_COUNT(c); i++) p = p * z + c[i];
  return r.hi + (r.lo * (1 - 0.5 * z) + r.hi * z * p);
}

/* 1 - r^2/2! + ... + r^18/18!; the square is carried double because half of it is as large as 0.31. */
static double cos_kernel(struct dd r) {
  struct dd square = two_product(r.hi, r.hi);
  double z = square.hi, p = -1.0 / 6402373705728000;
  static const double c[] = {1.0 / 20922789888000, -1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24};
  for (size_t i = 0; i < EFME_COUNT(c); i++) p = p * z + c[i];
  struct dd s = two_sum(1, -0.5 * z);
  return s.hi + (s.lo + (z * z * p - 0.5 * square.lo - r.hi * r.lo));
}

static double quadrant(struct dd r, int n) {
  double v = n & 1 ? cos_kernel(r) : sin_kernel(r);
  return n & 2 ? -v : v;
}

double efme_sin(double x) {
  if (!(x >= -1e5 && x <= 1e5)) return NOT_A_NUMBER;
  if (x > -1e-8 && x < 1e-8) return x;
  int n;
  struct dd r = reduce(x, &n);
  return quadrant(r, n);
}

double efme_cos(double x) {
  if (!(x >= -1e5 && x <= 1e5)) return NOT_A_NUMBER;
  int n;
  struct dd r = reduce(x, &n);
  return quadrant(r, n + 1);
}
