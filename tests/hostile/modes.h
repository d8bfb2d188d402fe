/* What a host program may have done to its threads before it calls: other rounding, denormals flushed, exceptions that trap, another
 * locale. Set by name, and asked for again afterwards. x86 has two sets of such modes, the SSE unit's and the old x87's; the C library
 * looks at the latter when it prints a number. */
#ifndef EFME_TESTS_HOSTILE_MODES_H
#define EFME_TESTS_HOSTILE_MODES_H

#include <fenv.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#define MODES_X86 1
#else
#define MODES_X86 0
#endif

struct modes {
  int rounding;
  uint32_t mxcsr; /* without the flags that computing leaves */
  uint16_t x87;
};

static inline struct modes modes_now(void) {
  struct modes m = {fegetround(), 0, 0};
#if MODES_X86
  m.mxcsr = _mm_getcsr() & ~0x3Fu;
  __asm__ volatile("fnstcw %0" : "=m"(m.x87));
#endif
  return m;
}

static inline int modes_same(struct modes a, struct modes b) { return a.rounding == b.rounding && a.mxcsr == b.mxcsr && a.x87 == b.x87; }

/* The names are joined by commas: "flush,upward". Returns 0 where this machine has no such mode. "default" undoes all of them. */
static inline int modes_set_one(const char *name) {
  static const struct {
    const char *name;
    int rounding;
  } rounding[] = {{"upward", FE_UPWARD}, {"downward", FE_DOWNWARD}, {"zero", FE_TOWARDZERO}};
  for (size_t i = 0; i < sizeof rounding / sizeof *rounding; i++)
    if (!strcmp(name, rounding[i].name)) return fesetround(rounding[i].rounding) == 0;
  if (!strcmp(name, "default")) return fesetenv(FE_DFL_ENV) == 0;
#if MODES_X86
  if (!strcmp(name, "flush")) return _mm_setcsr(_mm_getcsr() | 0x8040u), 1; /* FTZ and DAZ */
  if (!strcmp(name, "single")) {                                            /* x87 computes with 24 bits */
    uint16_t word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    word &= (uint16_t)~0x300u;
    __asm__ volatile("fldcw %0" : : "m"(word));
    return 1;
  }
#endif
#ifdef __GLIBC__
  if (!strcmp(name, "trap")) return feclearexcept(FE_ALL_EXCEPT), feenableexcept(FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW) >= 0;
#endif
  return 0;
}

static inline int modes_set(const char *names) {
  char copy[128], *rest = NULL;
  snprintf(copy, sizeof copy, "%s", names);
  for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
    if (!modes_set_one(name)) return 0;
  return 1;
}

#endif
