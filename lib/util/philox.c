/* Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC'11. Ten rounds of two 32 x 32 -> 64 bit products; a function of counter and key alone, so whatever is
 * drawn does not depend on what was drawn before it, nor on the thread that asks. */
#include "util/util.h"

void efme_philox(uint32_t out[4], uint64_t seed, uint32_t purpose, uint32_t epoch, uint32_t sample, uint32_t element) {
  uint32_t c0 = element, c1 = sample, c2 = epoch, c3 = purpose;
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    k0 += 0x9E3779B9u; /* golden ratio */
    k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}
