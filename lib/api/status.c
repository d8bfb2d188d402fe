/* Names of the status codes, and the thread's last error. */
#include "efme/status.h"

#include "util/util.h"

const char *efme_status_name(efme_status status) {
  static const char *const names[] = {"EFME_OK",          "EFME_E_ARGUMENT", "EFME_E_NOMEM",       "EFME_E_IO",
                                      "EFME_E_FORMAT",    "EFME_E_LIMIT",    "EFME_E_UNSUPPORTED", "EFME_E_MISMATCH",
                                      "EFME_E_NOT_FOUND", "EFME_E_STATE",    "EFME_E_BUSY",        "EFME_E_CANCELLED",
                                      "EFME_E_NUMERIC",   "EFME_E_LEAK",     "EFME_E_BACKEND",     "EFME_E_INTERNAL"};
  int i = -(int)status;
  return i >= 0 && i < (int)EFME_COUNT(names) ? names[i] : "unknown status";
}

const char *efme_last_error(void) { return efme_error_text(); }
