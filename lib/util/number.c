/* Numbers to text and back, in any locale.
 *
 * The C library's exact conversions do the work; only the radix character depends on the locale, so printing puts a dot
 * in its place and parsing never shows one: "12.5e3" is handed to strtod as "125e2". Common short numbers do not reach
 * strtod at all. No locale object is made, so nothing can fail. */
#include <stdlib.h>
#include <string.h>

#include "util/util.h"

static int is_digit(char c) { return c >= '0' && c <= '9'; }

int efme_parse_u64(const char *s, size_t n, uint64_t *out) {
  if (n == 0) return 0;
  uint64_t v = 0;
  for (size_t i = 0; i < n; i++) {
    if (!is_digit(s[i])) return 0;
    uint64_t d = (uint64_t)(s[i] - '0');
    if (v > (UINT64_MAX - d) / 10) return 0;
    v = v * 10 + d;
  }
  *out = v;
  return 1;
}

int efme_parse_i64(const char *s, size_t n, int64_t *out) {
  if (n == 0) return 0;
  int negative = s[0] == '-';
  size_t skip = negative || s[0] == '+';
  uint64_t v;
  if (!efme_parse_u64(s + skip, n - skip, &v) || v > (uint64_t)INT64_MAX + (uint64_t)negative) return 0;
  *out = negative ? (int64_t)(0 - v) : (int64_t)v;
  return 1;
}

int efme_parse_hex64(const char *s, uint64_t *out) {
  uint64_t v = 0;
  for (int i = 0; i < 16; i++) {
    int d = is_digit(s[i]) ? s[i] - '0' : s[i] >= 'a' && s[i] <= 'f' ? s[i] - 'a' + 10 : -1;
    if (d < 0) return 0;
    v = v << 4 | (uint64_t)d;
  }
  *out = v;
  return 1;
}

/* More significant digits than any tie between doubles has; what follows only matters by being non-zero. */
#define EFME_DIGITS 780

struct decimal {
  char digits[EFME_DIGITS + 32]; /* room for a sticky digit, the exponent and the NUL */
  size_t count;                  /* significant digits kept */
  int64_t exponent;              /* value = digits * 10^exponent */
};

/* The digits of [0-9]*.?[0-9]*; returns the characters used, 0 where there is no digit. */
static size_t scan_digits(struct decimal *d, const char *s, size_t n) {
  int point = 0, any = 0, sticky = 0;
  size_t i = 0;
  for (; i < n; i++) {
    if (s[i] == '.' && !point) {
      point = 1;
      continue;
    }
    if (!is_digit(s[i])) break;
    any = 1;
    if (d->count == 0 && s[i] == '0') {
      d->exponent -= point;
    } else if (d->count < EFME_DIGITS) {
      d->digits[d->count++] = s[i];
      d->exponent -= point;
    } else {
      sticky |= s[i] != '0';
      d->exponent += !point;
    }
  }
  if (sticky) {
    d->digits[d->count++] = '1';
    d->exponent--;
  }
  return any ? i : 0;
}

/* [eE][+-]?[0-9]+ over the whole rest; 0 where it is not that. */
static int scan_exponent(int64_t *exponent, const char *s, size_t n) {
  if (n == 0) return 1;
  if (n < 2 || (s[0] != 'e' && s[0] != 'E')) return 0;
  int negative = s[1] == '-';
  size_t i = 1 + (negative || s[1] == '+');
  if (i == n) return 0;
  int64_t v = 0;
  for (; i < n; i++) {
    if (!is_digit(s[i])) return 0;
    if (v < 100000000) v = v * 10 + (s[i] - '0');
  }
  *exponent += negative ? -v : v;
  return 1;
}

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static double decimal_value(struct decimal *d) {
  if (d->count == 0) return 0;
  if (d->count <= 15 && d->exponent >= -22 && d->exponent <= 22) {
    /* Both factors are exact doubles, so one multiplication or division rounds once: correct. */
    uint64_t v = 0;
    for (size_t i = 0; i < d->count; i++) v = v * 10 + (uint64_t)(d->digits[i] - '0');
    return d->exponent < 0 ? (double)v / powers_of_ten[-d->exponent] : (double)v * powers_of_ten[d->exponent];
  }
  int64_t e = EFME_MAX(EFME_MIN(d->exponent, 100000), -100000);
  snprintf(d->digits + d->count, sizeof d->digits - d->count, "e%d", (int)e);
  return strtod(d->digits, NULL);
}

int efme_parse_double(const char *s, size_t n, double *out) {
  EFME_FPENV_DEFAULT;
  if (n == 0) return 0;
  struct decimal d;
  d.count = 0;
  d.exponent = 0;
  int negative = s[0] == '-';
  size_t skip = negative || s[0] == '+';
  size_t used = scan_digits(&d, s + skip, n - skip);
  if (used == 0 || !scan_exponent(&d.exponent, s + skip + used, n - skip - used)) return 0;
  double v = decimal_value(&d);
  if (v > 1.7976931348623157e308) return 0; /* beyond the finite ones */
  *out = negative ? -v : v;
  return 1;
}

/* Copies text, with whatever stands where only a radix character can replaced by one dot. */
static size_t copy_number(char *buffer, size_t size, const char *text) {
  size_t n = 0;
  for (const char *p = text; *p;) {
    char c = *p;
    if (is_digit(c) || c == '-' || c == '+' || c == 'e') {
      p++;
    } else {
      c = '.';
      while (*p && !is_digit(*p)) p++;
    }
    if (n + 1 < size) buffer[n++] = c;
  }
  if (size) buffer[n] = '\0';
  return n;
}

static size_t copy_text(char *buffer, size_t size, const char *text) {
  size_t n = EFME_MIN(strlen(text), size ? size - 1 : 0);
  if (size) {
    memcpy(buffer, text, n);
    buffer[n] = '\0';
  }
  return n;
}

static const char *special(double v) {
  return v != v ? "nan" : v > 1.7976931348623157e308 ? "inf" : v < -1.7976931348623157e308 ? "-inf" : NULL;
}

size_t efme_format_double(char *buffer, size_t size, double v, int digits) {
  EFME_FPENV_DEFAULT;
  char text[96];
  if (special(v)) return copy_text(buffer, size, special(v));
  snprintf(text, sizeof text, "%.*g", EFME_MAX(1, EFME_MIN(digits, 40)), v);
  return copy_number(buffer, size, text);
}

size_t efme_format_fixed(char *buffer, size_t size, double v, int decimals) {
  EFME_FPENV_DEFAULT;
  char text[384];
  if (special(v)) return copy_text(buffer, size, special(v));
  snprintf(text, sizeof text, "%.*f", EFME_MAX(0, EFME_MIN(decimals, 40)), v);
  return copy_number(buffer, size, text);
}
