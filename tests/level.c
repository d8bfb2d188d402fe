/* EFME_TEST_LEVEL=1..3 (an efme_cpu_level) in the environment makes every test program take this CPU for one that has no higher level, so
 * that the whole list can be run at each. Every test is linked with --wrap=efme_cpu_level_best; the library reads no such variable. */
#include <stdint.h>
#include <stdlib.h>

uint32_t __real_efme_cpu_level_best(void);
uint32_t __wrap_efme_cpu_level_best(void);

uint32_t __wrap_efme_cpu_level_best(void) {
  const char *text = getenv("EFME_TEST_LEVEL");
  uint32_t best = __real_efme_cpu_level_best(), most = text ? (uint32_t)atoi(text) : best;
  return most && most < best ? most : best;
}
