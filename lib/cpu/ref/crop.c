/* CROP: Y [B][h][w][3] = (mean - f[0]) f[1] over the cells of box n of one image X [H][W][1 or 3]. The box's rows are shared out as
 * overlapping whole windows, floor(y H/h) .. ceil((y+1) H/h), every pixel with the same weight; columns alike. So it shrinks by area and
 * repeats pixels where it grows. Inference only. */
#include "cpu/ref/ref.h"

#include "util/util.h"

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return EFME_MIN(EFME_MAX(v, low), high); }

efme_status efme_ref_crop(const struct efme_ref_args *a) {
  const struct efme_ref_view *x = &a->t[EFME_T_X], *y = &a->t[EFME_T_Y];
  const int32_t *boxes = a->t[EFME_T_BOX].p;
  if (x->n != 1 || (x->c != 1 && x->c != 3) || y->c != 3 || y->n != a->batch)
    return efme_ref_bad(a, "X is one image of 1 or 3 channels, Y has 3");
  efme_status status = efme_ref_need_count(a, EFME_T_BOX, 4 * a->batch);
  if (status) return status;
  for (int64_t i = 0; i < y->count; i++) {
    const int32_t *box = boxes + 4 * (i / 3 / y->w / y->h);
    int64_t x0 = clamp(box[0], 0, x->w - 1), x1 = clamp(box[2], x0 + 1, x->w), y0 = clamp(box[1], 0, x->h - 1),
            y1 = clamp(box[3], y0 + 1, x->h);
    int64_t row = i / 3 / y->w % y->h, column = i / 3 % y->w, high = y1 - y0, wide = x1 - x0, count = 0;
    double sum = 0;
    for (int64_t j = row * high / y->h; j < ((row + 1) * high + y->h - 1) / y->h; j++)
      for (int64_t k = column * wide / y->w; k < ((column + 1) * wide + y->w - 1) / y->w; k++, count++)
        sum += efme_ref_get(x, ((y0 + j) * x->w + x0 + k) * x->c + (x->c == 1 ? 0 : i % 3));
    efme_ref_set(y, i, (sum / (double)count - (double)a->op->f[0]) * (double)a->op->f[1]);
  }
  return EFME_OK;
}
