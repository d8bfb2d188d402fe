/* The layers of a network as Keras lists them, with output sizes, parameters and multiply-adds. */
#ifndef EFME_NET_SUMMARY_H
#define EFME_NET_SUMMARY_H

#include "net/arch.h"
#include "util/util.h"

struct efme_layer {
  char name[40];
  const char *kind; /* static */
  uint32_t height, width, channels;
  uint64_t parameters, trainable, multiply_adds;
};

struct efme_summary {
  struct efme_layer *items;
  uint32_t count;
  uint64_t parameters, trainable, multiply_adds; /* sums */
};

efme_status efme_summary_create(struct efme_summary *out, const struct efme_allocator *a, const struct efme_arch *arch);
void efme_summary_free(struct efme_summary *s, const struct efme_allocator *a);

#endif
