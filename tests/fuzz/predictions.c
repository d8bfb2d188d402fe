/* Tables of predictions as CSV. */
#include "foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  foreign_try(data, size, efme_result_from_csv, efme_result_csv);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const char plain[] = "dataset,subject,clip,fold,truth,predicted,truth_name,predicted_name,p:0\n"
                              "casme2,casme2/sub01,EP01_1,casme2/sub01,0,0,0,0,0.5\ncasme2,sub01,EP02,fold 3,1,2,1,2,1e-3\n"
                              "smic,s11,s11_1,s1,0,1,,,\n";
  static const char odd[] = "predicted,truth,clip,subject,dataset\r\npositive,0,\"a,\"\"b\"\"\",,own\r\n1,negative,\"\n\",p 1,SMIC\r\n";
  emit("plain.csv", plain, sizeof plain - 1, SIZE_MAX);
  emit("odd.csv", odd, sizeof odd - 1, SIZE_MAX);
}
