/* Which instruction set level this CPU and its operating system carry. Built without -m flags, so that it runs anywhere.
 * A CPU flag alone does not suffice: the system must save the wide registers too, which XCR0 tells. */
#include <string.h>

#include "cpu/cpu.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

#if defined(EFME_CPU_X86) /* the wider levels are part of this build */
#define XCR0_AVX 0x06u    /* xmm, ymm */
#define XCR0_AVX512 0xE6u /* and opmask, upper zmm, zmm16..31 */

static uint32_t xcr0(void) {
  uint32_t eax, edx;
  __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0)); /* only after OSXSAVE was seen */
  return eax;
}
#endif

uint32_t efme_cpu_level_best(void) {
#if defined(EFME_CPU_X86)
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) || !(c & bit_FMA)) return EFME_CPU_BASELINE;
  uint32_t saved = xcr0();
  if ((saved & XCR0_AVX) != XCR0_AVX || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2)) return EFME_CPU_BASELINE;
  const uint32_t need = (uint32_t)bit_AVX512F | (uint32_t)bit_AVX512DQ | (uint32_t)bit_AVX512BW | (uint32_t)bit_AVX512VL;
  return (saved & XCR0_AVX512) == XCR0_AVX512 && (b & need) == need ? EFME_CPU_AVX512 : EFME_CPU_AVX2;
#else
  return EFME_CPU_BASELINE;
#endif
}

void efme_cpu_name(char name[64]) {
  uint32_t r[12];
  memset(name, 0, 64);
  if ((uint32_t)__get_cpuid_max(0x80000000u, NULL) >= 0x80000004u) {
    for (uint32_t i = 0; i < 3; i++) __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    char text[49];
    memcpy(text, r, 48);
    text[48] = 0;
    const char *start = text;
    while (*start == ' ') start++;
    size_t n = strlen(start);
    while (n > 0 && start[n - 1] == ' ') n--;
    memcpy(name, start, n);
  }
  if (!name[0]) memcpy(name, "x86 CPU", 8);
}

#else

uint32_t efme_cpu_level_best(void) { return EFME_CPU_BASELINE; }

void efme_cpu_name(char name[64]) {
  memset(name, 0, 64);
  memcpy(name, "CPU", 4);
}

#endif
