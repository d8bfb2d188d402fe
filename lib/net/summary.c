/* Lists the layers from the architecture table. Parameters are counted as Keras prints them: BN's moving statistics and
 * the 7 numbers of Normalization (mean, variance, count) included. Multiply-adds are those of convolutions and of the
 * dense layer, squeeze-and-excite's 1x1 ones included; what is elementwise is not counted. */
#include "net/summary.h"

#include <string.h>

enum { MOST_LAYERS = 12 + EFME_MAX_BLOCKS * 16 };

struct walk {
  struct efme_summary *s;
  uint32_t h, w, c; /* of the last layer's output */
};

static struct efme_layer *add(struct walk *k, const char *block, const char *suffix, const char *kind) {
  struct efme_layer *l = &k->s->items[k->s->count++];
  snprintf(l->name, sizeof l->name, "%.15s%.23s", block, suffix);
  l->kind = kind;
  l->height = k->h;
  l->width = k->w;
  l->channels = k->c;
  return l;
}

/* kernel x kernel x in -> out on the walk's present size; a depthwise one has in = 1. */
static void add_conv(struct walk *k, const char *block, const char *suffix, const char *kind, int32_t kernel, int32_t in, int32_t out,
                     int bias) {
  k->c = (uint32_t)out;
  struct efme_layer *l = add(k, block, suffix, kind);
  uint64_t weights = (uint64_t)kernel * (uint64_t)kernel * (uint64_t)in * (uint64_t)out;
  l->parameters = l->trainable = weights + (bias ? (uint64_t)out : 0);
  l->multiply_adds = weights * k->h * k->w;
}

static void add_bn(struct walk *k, const char *block, const char *suffix) {
  struct efme_layer *l = add(k, block, suffix, "batchnorm");
  l->parameters = (uint64_t)k->c * 4;
  l->trainable = (uint64_t)k->c * 2;
}

static void add_se(struct walk *k, const struct efme_block *b) {
  uint32_t h = k->h, w = k->w;
  k->h = k->w = 1;
  add(k, b->name, "_se_squeeze", "pool");
  add_conv(k, b->name, "_se_reduce", "conv", 1, b->mid, b->se, 1);
  add_conv(k, b->name, "_se_expand", "conv", 1, b->se, b->mid, 1);
  k->h = h, k->w = w;
  add(k, b->name, "_se_excite", "multiply");
}

static void add_block(struct walk *k, const struct efme_block *b) {
  if (b->expand > 1) {
    add_conv(k, b->name, "_expand_conv", "conv", 1, b->in, b->mid, 0);
    add_bn(k, b->name, "_expand_bn");
    add(k, b->name, "_expand_activation", "activation");
  }
  k->h = (uint32_t)b->out_h, k->w = (uint32_t)b->out_w;
  add_conv(k, b->name, "_dwconv", "depthwise", b->kernel, 1, b->mid, 0);
  add_bn(k, b->name, "_bn");
  add(k, b->name, "_activation", "activation");
  add_se(k, b);
  add_conv(k, b->name, "_project_conv", "conv", 1, b->mid, b->out, 0);
  add_bn(k, b->name, "_project_bn");
  if (!b->residual) return;
  if (b->drop > 0) add(k, b->name, "_drop", "dropout");
  add(k, b->name, "_add", "add");
}

static void add_all(struct walk *k, const struct efme_arch *arch, const struct efme_block *blocks, uint32_t count) {
  int32_t h, w, pad;
  add(k, "rescaling", "", "rescaling");
  add(k, "normalization", "", "normalization")->parameters = 7;
  efme_conv_geometry((int32_t)arch->height, 3, 2, arch->padding, &h, &pad);
  efme_conv_geometry((int32_t)arch->width, 3, 2, arch->padding, &w, &pad);
  k->h = (uint32_t)h, k->w = (uint32_t)w;
  add_conv(k, "stem", "_conv", "conv", 3, 3, 32, 0);
  add_bn(k, "stem", "_bn");
  add(k, "stem", "_activation", "activation");
  for (uint32_t i = 0; i < count; i++) add_block(k, &blocks[i]);
  if (arch->top) {
    add_conv(k, "top", "_conv", "conv", 1, blocks[count - 1].out, 1280, 0);
    add_bn(k, "top", "_bn");
    add(k, "top", "_activation", "activation");
  }
  k->h = k->w = 1;
  add(k, "gap", "", "pool");
  add(k, "dropout", "", "dropout");
  add_conv(k, "head", "", "dense", 1, (int32_t)k->c, (int32_t)arch->classes, 1);
}

efme_status efme_summary_create(struct efme_summary *out, const struct efme_allocator *a, const struct efme_arch *arch) {
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  efme_status status = efme_arch_blocks(blocks, &count, arch);
  if (status) return status;
  struct efme_summary s;
  memset(&s, 0, sizeof s);
  s.items = efme_mem_calloc(a, MOST_LAYERS, sizeof *s.items, "layer summary");
  if (!s.items) return EFME_E_NOMEM;
  struct walk k = {&s, arch->height, arch->width, 3};
  add_all(&k, arch, blocks, count);
  for (uint32_t i = 0; i < s.count; i++) {
    s.parameters += s.items[i].parameters;
    s.trainable += s.items[i].trainable;
    s.multiply_adds += s.items[i].multiply_adds;
  }
  *out = s;
  return EFME_OK;
}

void efme_summary_free(struct efme_summary *s, const struct efme_allocator *a) {
  efme_mem_free(a, s->items);
  memset(s, 0, sizeof *s);
}
