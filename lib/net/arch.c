/* The architecture table: EfficientNet-B0 (width 1, depth 1) after Tan and Le, 2019, cut after stage `cut`, and the
 * geometry of its convolutions. Everything else about a network is derived from what stands here. */
#include "net/arch.h"

#include <string.h>

#include "efme/model.h"
#include "util/util.h"

struct stage {
  int32_t repeats, kernel, stride, expand, in, out;
};

static const struct stage stages[7] = {
    {1, 3, 1, 1, 32, 16},  {2, 3, 2, 6, 16, 24},   {2, 5, 2, 6, 24, 40},   {3, 3, 2, 6, 40, 80},
    {3, 5, 1, 6, 80, 112}, {4, 5, 2, 6, 112, 192}, {1, 3, 1, 6, 192, 320},
};

/* Keras pads stride 2 explicitly: k/2 at the end of each axis and one less than that at its start where the size is even;
 * the frameworks that pad k/2 on all sides get the same output size, ceil(size/stride). */
void efme_conv_geometry(int32_t size, int32_t kernel, int32_t stride, uint32_t padding, int32_t *out, int32_t *pad) {
  *out = (size + stride - 1) / stride;
  *pad = kernel / 2;
  if (stride == 2 && padding == EFME_PAD_KERAS && size % 2 == 0) *pad -= 1;
}

static efme_status check(const struct efme_arch *a) {
  if (a->cut < 1 || a->cut > 7) return efme_fail(EFME_E_ARGUMENT, "cut is %u, must be 1..7", (unsigned)a->cut);
  if (a->top > 1) return efme_fail(EFME_E_ARGUMENT, "top is %u, must be 0 or 1", (unsigned)a->top);
  if (a->top && a->cut != 7) return efme_fail(EFME_E_ARGUMENT, "top needs cut 7, cut is %u", (unsigned)a->cut);
  if (a->classes < 2 || a->classes > 1024) return efme_fail(EFME_E_ARGUMENT, "class count is %u, must be 2..1024", (unsigned)a->classes);
  if (a->height < 32 || a->height > 4096) return efme_fail(EFME_E_ARGUMENT, "height is %u, must be 32..4096", (unsigned)a->height);
  if (a->width < 32 || a->width > 4096) return efme_fail(EFME_E_ARGUMENT, "width is %u, must be 32..4096", (unsigned)a->width);
  if (a->normalisation > EFME_NORM_UNIT) return efme_fail(EFME_E_ARGUMENT, "normalisation is %u, not known", (unsigned)a->normalisation);
  if (a->padding > EFME_PAD_SYMMETRIC) return efme_fail(EFME_E_ARGUMENT, "padding is %u, not known", (unsigned)a->padding);
  if (!(a->bn_epsilon > 0.0f && a->bn_epsilon < 1.0f)) return efme_fail(EFME_E_ARGUMENT, "bn_epsilon must lie in (0, 1)");
  if (!(a->bn_momentum >= 0.0f && a->bn_momentum < 1.0f)) return efme_fail(EFME_E_ARGUMENT, "bn_momentum must lie in [0, 1)");
  return EFME_OK;
}

static void block_name(char name[16], uint32_t stage, int32_t repeat) {
  memcpy(name, "block", 5);
  name[5] = (char)('0' + stage);
  name[6] = (char)('a' + repeat);
  name[7] = 0;
}

efme_status efme_arch_blocks(struct efme_block blocks[EFME_MAX_BLOCKS], uint32_t *count, const struct efme_arch *arch) {
  efme_status status = check(arch);
  if (status) return status;
  int32_t h, w, pad;
  efme_conv_geometry((int32_t)arch->height, 3, 2, arch->padding, &h, &pad);
  efme_conv_geometry((int32_t)arch->width, 3, 2, arch->padding, &w, &pad);
  uint32_t n = 0;
  for (uint32_t s = 0; s < arch->cut; s++) {
    for (int32_t r = 0; r < stages[s].repeats; r++) {
      struct efme_block *b = &blocks[n];
      memset(b, 0, sizeof *b);
      block_name(b->name, s + 1, r);
      b->kernel = stages[s].kernel;
      b->stride = r ? 1 : stages[s].stride;
      b->expand = stages[s].expand;
      b->in = r ? stages[s].out : stages[s].in;
      b->out = stages[s].out;
      b->mid = b->in * b->expand;
      b->se = EFME_MAX(1, b->in / 4);
      b->in_h = h, b->in_w = w;
      efme_conv_geometry(h, b->kernel, b->stride, arch->padding, &b->out_h, &b->pad_top);
      efme_conv_geometry(w, b->kernel, b->stride, arch->padding, &b->out_w, &b->pad_left);
      b->residual = b->stride == 1 && b->in == b->out;
      b->drop = 0.2f * (float)n / 16.0f;
      h = b->out_h, w = b->out_w;
      n++;
    }
  }
  *count = n;
  return EFME_OK;
}
