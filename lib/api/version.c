/* The version that was compiled in. */
#include "efme/version.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

uint32_t efme_version(void) { return EFME_VERSION; }

const char *efme_version_string(void) { return TEXT(EFME_VERSION_MAJOR) "." TEXT(EFME_VERSION_MINOR) "." TEXT(EFME_VERSION_PATCH); }
