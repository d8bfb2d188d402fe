/* Inside of the linter: findings, and the pass over the content of all frames. */
#ifndef EFME_RELEASE_LINT_H
#define EFME_RELEASE_LINT_H

#include "release/release.h"

struct efme_lint {
  atomic_uint refs;
  efme_context *context; /* retained */
  const struct efme_allocator *allocator;
  struct efme_strings strings;
  efme_finding *findings;
  size_t count, capacity;
};

/* A finding of a clip of a scan, or (EFME_NO_CLIP) of the release; message is copied. */
efme_status efme_lint_add(efme_lint *lint, uint32_t severity, const char *code, const struct efme_scan *scan, size_t clip,
                          const char *message);

/* ---- content.c ---- */
/* Reads every frame of `count` scans: sizes, damage, bytes that two subjects share. */
efme_status efme_lint_content(efme_lint *lint, const struct efme_scan *scans, uint32_t count, const efme_dataset_options *options);

#endif
