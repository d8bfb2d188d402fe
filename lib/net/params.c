/* Builds the parameter table: walks the network once, in its order, and lays out trainables of the trunk, of the head,
 * then the BN statistics (see params.h). */
#include "net/params.h"

#include <string.h>

enum { ALIGN_FLOATS = 16, MOST_PARAMS = 8 + EFME_MAX_BLOCKS * 20 };

static void add(struct efme_params *p, const char *layer, const char *variable, int kind, uint32_t d0, uint32_t d1, uint32_t d2,
                uint32_t d3) {
  struct efme_param *t = &p->items[p->count++];
  memset(t, 0, sizeof *t);
  size_t n = strlen(layer), m = strlen(variable);
  memcpy(t->name, layer, n);
  t->name[n] = '/';
  memcpy(t->name + n + 1, variable, m + 1);
  t->kind = (uint8_t)kind;
  t->trainable = kind != EFME_PARAM_MEAN && kind != EFME_PARAM_VARIANCE;
  t->head = strcmp(layer, "head") == 0;
  const uint32_t dims[4] = {d0, d1, d2, d3};
  memcpy(t->dims, dims, sizeof dims);
  t->count = (uint64_t)d0 * d1 * d2 * d3;
}

static void add_bn(struct efme_params *p, const char *layer, uint32_t channels, int statistics) {
  add(p, layer, statistics ? "moving_mean" : "gamma", statistics ? EFME_PARAM_MEAN : EFME_PARAM_GAMMA, 1, 1, 1, channels);
  add(p, layer, statistics ? "moving_variance" : "beta", statistics ? EFME_PARAM_VARIANCE : EFME_PARAM_BETA, 1, 1, 1, channels);
}

/* "block2a" + "_bn" */
static const char *join(char out[64], const char *block, const char *suffix) {
  size_t n = strlen(block);
  memcpy(out, block, n);
  memcpy(out + n, suffix, strlen(suffix) + 1);
  return out;
}

static void add_block(struct efme_params *p, const struct efme_block *b, int statistics) {
  char name[64];
  uint32_t in = (uint32_t)b->in, mid = (uint32_t)b->mid, out = (uint32_t)b->out, se = (uint32_t)b->se, k = (uint32_t)b->kernel;
  if (b->expand > 1) {
    if (!statistics) add(p, join(name, b->name, "_expand_conv"), "kernel", EFME_PARAM_CONV, 1, 1, in, mid);
    add_bn(p, join(name, b->name, "_expand_bn"), mid, statistics);
  }
  if (!statistics) add(p, join(name, b->name, "_dwconv"), "kernel", EFME_PARAM_DEPTHWISE, k, k, mid, 1);
  add_bn(p, join(name, b->name, "_bn"), mid, statistics);
  if (!statistics) {
    add(p, join(name, b->name, "_se_reduce"), "kernel", EFME_PARAM_CONV, 1, 1, mid, se);
    add(p, join(name, b->name, "_se_reduce"), "bias", EFME_PARAM_BIAS, 1, 1, 1, se);
    add(p, join(name, b->name, "_se_expand"), "kernel", EFME_PARAM_CONV, 1, 1, se, mid);
    add(p, join(name, b->name, "_se_expand"), "bias", EFME_PARAM_BIAS, 1, 1, 1, mid);
    add(p, join(name, b->name, "_project_conv"), "kernel", EFME_PARAM_CONV, 1, 1, mid, out);
  }
  add_bn(p, join(name, b->name, "_project_bn"), out, statistics);
}

/* One pass for what is trained, one for the statistics: the same walk keeps both in network order. */
static void add_trunk(struct efme_params *p, const struct efme_arch *arch, const struct efme_block *blocks, uint32_t count,
                      int statistics) {
  if (!statistics) add(p, "stem_conv", "kernel", EFME_PARAM_CONV, 3, 3, 3, 32);
  add_bn(p, "stem_bn", 32, statistics);
  for (uint32_t i = 0; i < count; i++) add_block(p, &blocks[i], statistics);
  if (!arch->top) return;
  if (!statistics) add(p, "top_conv", "kernel", EFME_PARAM_CONV, 1, 1, (uint32_t)blocks[count - 1].out, 1280);
  add_bn(p, "top_bn", 1280, statistics);
}

efme_status efme_params_create(struct efme_params *out, const struct efme_allocator *a, const struct efme_arch *arch) {
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  efme_status status = efme_arch_blocks(blocks, &count, arch);
  if (status) return status;
  struct efme_params p = {0};
  p.items = efme_mem_calloc(a, MOST_PARAMS, sizeof *p.items, "parameter table");
  if (!p.items) return EFME_E_NOMEM;
  add_trunk(&p, arch, blocks, count, 0);
  uint32_t features = arch->top ? 1280u : (uint32_t)blocks[count - 1].out;
  add(&p, "head", "kernel", EFME_PARAM_DENSE, 1, 1, features, arch->classes);
  add(&p, "head", "bias", EFME_PARAM_BIAS, 1, 1, 1, arch->classes);
  add_trunk(&p, arch, blocks, count, 1);
  uint64_t at = 0;
  for (uint32_t i = 0; i < p.count; i++) {
    struct efme_param *t = &p.items[i];
    t->offset = at;
    at += (t->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    if (t->trainable && !t->head) p.trunk_end = at;
    if (t->trainable) p.head_end = at;
  }
  p.total = at;
  *out = p;
  return EFME_OK;
}

void efme_params_free(struct efme_params *p, const struct efme_allocator *a) {
  efme_mem_free(a, p->items);
  memset(p, 0, sizeof *p);
}

const struct efme_param *efme_params_find(const struct efme_params *p, const char *name) {
  for (uint32_t i = 0; i < p->count; i++) {
    if (strcmp(p->items[i].name, name) == 0) return &p->items[i];
  }
  return NULL;
}
