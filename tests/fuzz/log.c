/* The official log of MEGC 2019. */
#include "foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  foreign_try(data, size, efme_result_from_log, efme_result_log);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const char plain[] = "casme2 sub01\nEP01_1 0 0\nEP02 1 2\ncasme2 sub02\nEP01_1 2 2\nsmic s1\ns1_2 0 1\ns11_1 0 0\n";
  static const char odd[] = "CASMEII 1\r\nEP%2001 0 0\r\n\r\nsamm -\r\n006_1_2\t 02 1\r\na%zz%25 1 1\r\nown -\r\nx 0 0";
  emit("plain.log", plain, sizeof plain - 1, SIZE_MAX);
  emit("odd.log", odd, sizeof odd - 1, SIZE_MAX);
}
