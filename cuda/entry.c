/* The CUDA module's one exported symbol. Until its kernels exist it declines with the reason, which is what an explicit
 * "cuda" then fails with and what "auto" logs. It is C, and links nothing of CUDA, until then. */
#include "backend/backend.h"

__attribute__((visibility("default"))) const struct efme_backend_api *efme_backend_entry(uint32_t abi, const char **reason);

const struct efme_backend_api *efme_backend_entry(uint32_t abi, const char **reason) {
  if (abi != EFME_BACKEND_ABI) *reason = "unsupported: this module was made for another backend interface";
  else *reason = "unsupported: this build has no CUDA kernels yet";
  return NULL;
}
