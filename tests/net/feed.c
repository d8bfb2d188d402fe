/* See feed.h. */
#include "net/feed.h"

#include <math.h>

float *feed_get(struct rig *r, const struct efme_tensor *t, size_t count) {
  float *v = rig_floats(count);
  ck_assert_msg(efme_exec_read(r->exec, t, 0, v, count * sizeof *v) == EFME_OK, "%s", efme_last_error());
  return v;
}

float *feed_region(struct rig *r, uint32_t arena, uint64_t floats) {
  float *v = rig_floats(floats);
  ck_assert_msg(efme_exec_read_region(r->exec, arena, 0, v, floats * sizeof *v) == EFME_OK, "%s", efme_last_error());
  return v;
}

struct efme_plan_options feed_everything(uint32_t batch) {
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN,
                                .max_batch = batch,
                                .bn_update = 1,
                                .dropout = 0.5f,
                                .dropconnect = 2.0f,
                                .augment = 1,
                                .source_dtype = EFME_U8,
                                .source_h = 50,
                                .source_w = 44,
                                .source_c = 1,
                                .gamma = 2,
                                .smoothing = 0.1f,
                                .alpha = 1,
                                .soft_targets = 1,
                                .sample_weights = 1,
                                .l1 = 0.01f,
                                .l2 = 0.01f,
                                .update = 1,
                                .ema = 1,
                                .augmentation = {0.5f, 0.5f, 0.2f, 0.2f, 0.2f, 0.1f, 0.05f}};
  for (int i = 0; i < 2; i++)
    o.optimizer_f[i][0] = 0.9f, o.optimizer_f[i][1] = 0.999f, o.optimizer_f[i][2] = 1e-7f, o.optimizer_f[i][3] = 0.01f;
  return o;
}

void feed_inputs(struct rig *r, uint32_t batch) {
  const struct efme_plan *p = r->plan;
  size_t image = (size_t)p->input.h * (size_t)p->input.w * (size_t)p->input.c;
  float *x = rig_random_pixels(image * batch, 11);
  uint8_t *bytes = malloc(image * batch);
  enum { MOST = 16 };
  int32_t labels[64], ids[64], classes = (int32_t)p->arch.classes;
  float targets[64 * MOST], weights[64], alpha[MOST];
  ck_assert_uint_le(batch, 64);
  ck_assert_int_le(classes, MOST);
  for (size_t i = 0; i < image * batch; i++) bytes[i] = (uint8_t)x[i];
  for (uint32_t i = 0; i < batch; i++) {
    labels[i] = (int32_t)(i * 7) % classes, ids[i] = (int32_t)(1000 - 13 * i), weights[i] = 0.5f + (float)(i % 4);
    for (int32_t c = 0; c < classes; c++) targets[(int32_t)i * classes + c] = c == labels[i] ? 0.8f : 0.2f / (float)(classes - 1);
  }
  for (int32_t c = 0; c < classes; c++) alpha[c] = c % 3 == 0 ? 0.27f : c % 3 == 1 ? 0.35f : 0.38f;
  rig_put(r, &p->input, p->input.dtype == EFME_U8 ? (const void *)bytes : (const void *)x, image * batch);
  if (p->labels.arena) rig_put(r, &p->labels, labels, batch);
  if (p->ids.arena) rig_put(r, &p->ids, ids, batch);
  if (p->targets.arena) rig_put(r, &p->targets, targets, (size_t)classes * batch);
  if (p->sample_weights.arena) rig_put(r, &p->sample_weights, weights, batch);
  if (p->alpha.arena) rig_put(r, &p->alpha, alpha, (size_t)classes);
  free(x), free(bytes);
}

struct efme_step feed_step(uint32_t i) {
  struct efme_step s = {.seed = 77, .epoch = 1 + i, .variant = i, .step = i, .lr = 1e-3f, .ema_decay = 0.9f};
  s.correct1 = (float)(1 / (1 - pow(0.9, i + 1))), s.correct2 = (float)(1 / (1 - pow(0.999, i + 1)));
  return s;
}

void feed_train(struct rig *r, uint32_t batch, uint32_t steps) {
  for (uint32_t i = 0; i < steps; i++) {
    struct efme_step s = feed_step(i);
    rig_step(r, &s);
    rig_main(r, batch);
    rig_update(r);
  }
}
