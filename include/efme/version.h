/* Version of the headers; efme_version() answers that of the library in use. The build system reads the numbers from here. */
#ifndef EFME_VERSION_H
#define EFME_VERSION_H

#include <stdint.h>

#include "efme/export.h"

#define EFME_VERSION_MAJOR 0
#define EFME_VERSION_MINOR 1
#define EFME_VERSION_PATCH 0

/* One number that orders versions: major * 1000000 + minor * 1000 + patch. */
#define EFME_VERSION (EFME_VERSION_MAJOR * 1000000 + EFME_VERSION_MINOR * 1000 + EFME_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* The library's EFME_VERSION at run time. Any thread. */
EFME_API uint32_t efme_version(void);

/* "0.1.0"; a static string. Any thread. */
EFME_API const char *efme_version_string(void);

#ifdef __cplusplus
}
#endif
#endif
