/* Which symbols the shared library shows. Every public function carries EFME_API and stands in lib/efme.map. */
#ifndef EFME_EXPORT_H
#define EFME_EXPORT_H

#if defined(__GNUC__)
#define EFME_API __attribute__((visibility("default")))
#else
#define EFME_API
#endif

#endif
