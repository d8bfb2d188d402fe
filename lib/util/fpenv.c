/* A host may have switched on flush-to-zero, another rounding or trapping exceptions. Results must not depend on that, so
 * every entry that computes, and every worker, puts the default state in and the host's back. On x86 that is the state of two
 * units: SSE's, which computes, and the x87's, after whose rounding the C library prints and reads numbers. */
#include "util/util.h"

#if defined(__x86_64__) || defined(__i386__)

#include <xmmintrin.h>

#define EFME_MXCSR_DEFAULT 0x1F80u /* all exceptions masked, to nearest, denormals kept, no flags */
#define EFME_X87_DEFAULT 0x037Fu   /* the same, 64 bits of precision */

void efme_fpenv_enter(struct efme_fpenv *saved) {
  const uint16_t x87 = EFME_X87_DEFAULT;
  saved->mxcsr = _mm_getcsr();
  saved->fpcr = 0;
  __asm__ volatile("fnstcw %0" : "=m"(saved->x87));
  _mm_setcsr(EFME_MXCSR_DEFAULT);
  if (saved->x87 != x87) __asm__ volatile("fldcw %0" : : "m"(x87));
}

void efme_fpenv_leave(const struct efme_fpenv *saved) {
  if (saved->x87 != EFME_X87_DEFAULT) __asm__ volatile("fldcw %0" : : "m"(saved->x87));
  _mm_setcsr(saved->mxcsr);
}

#elif defined(__aarch64__)

void efme_fpenv_enter(struct efme_fpenv *saved) {
  uint64_t old, zero = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  __asm__ volatile("msr fpcr, %0" : : "r"(zero));
  saved->mxcsr = saved->x87 = 0;
  saved->fpcr = old;
}

void efme_fpenv_leave(const struct efme_fpenv *saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved->fpcr)); }

#else /* the environment is left as the host has it */

void efme_fpenv_enter(struct efme_fpenv *saved) {
  saved->mxcsr = saved->x87 = 0;
  saved->fpcr = 0;
}

void efme_fpenv_leave(const struct efme_fpenv *saved) { (void)saved; }

#endif
