/* The tables of every kernel file at every level of this build. No mutable state: a level is chosen when a backend opens. */
#include "cpu/cpu.h"

#define PARTS(isa)                                                                                                                           \
  extern const struct efme_cpu_kernel efme_cpu_gemm_##isa[], efme_cpu_gemm_dw_##isa[], efme_cpu_conv_dw_##isa[], efme_cpu_depthwise_##isa[], \
      efme_cpu_depthwise_dw_##isa[], efme_cpu_bn_##isa[], efme_cpu_bn_back_##isa[], efme_cpu_elementwise_##isa[], efme_cpu_loss_##isa[],     \
      efme_cpu_range_##isa[], efme_cpu_input_##isa[], efme_cpu_face_##isa[];                                                                                     \
  static const struct efme_cpu_kernel *const parts_##isa[] = {                                                                               \
      efme_cpu_gemm_##isa,     efme_cpu_gemm_dw_##isa,     efme_cpu_conv_dw_##isa, efme_cpu_depthwise_##isa, efme_cpu_depthwise_dw_##isa, efme_cpu_bn_##isa,         \
      efme_cpu_bn_back_##isa,  efme_cpu_elementwise_##isa, efme_cpu_loss_##isa,      efme_cpu_range_##isa,        efme_cpu_input_##isa,        efme_cpu_face_##isa,      \
      NULL}

PARTS(baseline);
#if defined(EFME_CPU_X86)
PARTS(avx2);
PARTS(avx512);
#endif

const struct efme_cpu_kernel *efme_cpu_kernel_find(uint32_t level, uint16_t kind) {
  const struct efme_cpu_kernel *const *parts = parts_baseline;
#if defined(EFME_CPU_X86)
  if (level == EFME_CPU_AVX2) parts = parts_avx2;
  if (level == EFME_CPU_AVX512) parts = parts_avx512;
#endif
  (void)level;
  for (; *parts; parts++)
    for (const struct efme_cpu_kernel *k = *parts; k->kind; k++)
      if (k->kind == kind) return k;
  return NULL;
}
