/* Initial values as Keras draws them for EfficientNet, from Philox: the value of element i of parameter p depends on
 * (seed, p, i) alone.
 *
 *   convolutions  VarianceScaling(2, fan_out, truncated normal): N(0, s^2) cut at 2 s, s = sqrt(2/fan_out)/0.87962566103423978,
 *                 where the divisor is the standard deviation of the unit normal cut at 2. fan_out = kh kw times the last
 *                 dimension: N for HWIO kernels, 1 for depthwise ones (HWC1), squeeze-and-excite included.
 *   dense         Glorot uniform, as Keras' Dense by itself: U(-l, l), l = sqrt(6/(I + N)). EfficientNet's own rule for its
 *                 1000 classes, VarianceScaling(1/3, fan_out), gives l = .58 for 3 classes: logits so large that learning starts late
 *   biases 0; BN gamma 1, beta 0, moving mean 0, moving variance 1 */
#include <string.h>

#include "net/model.h"

/* A unit normal cut at +-2: both values of a Box-Muller pair are tried, then the next pair (1 in 480 needs one). */
static double truncated_normal(uint64_t seed, uint32_t parameter, uint32_t element) {
  for (uint32_t attempt = 0;; attempt++) {
    uint32_t r[4];
    efme_philox(r, seed, EFME_RNG_INIT, attempt, parameter, element);
    double radius = efme_sqrt(-2 * efme_log(1 - efme_unit_f64(r[0], r[1])));
    double angle = 6.283185307179586 * efme_unit_f64(r[2], r[3]);
    double z = radius * efme_cos(angle);
    if (z >= -2 && z <= 2) return z;
    z = radius * efme_sin(angle);
    if (z >= -2 && z <= 2) return z;
  }
}

static void fill(float *w, uint64_t count, float value) {
  for (uint64_t i = 0; i < count; i++) w[i] = value;
}

static void draw(float *w, const struct efme_param *p, uint32_t index, uint64_t seed) {
  uint32_t last = p->kind == EFME_PARAM_DEPTHWISE ? 1 : p->dims[3];
  double fan_out = (double)p->dims[0] * p->dims[1] * last;
  double deviation = efme_sqrt(2 / fan_out) / 0.87962566103423978, limit = efme_sqrt(6.0 / (p->dims[2] + p->dims[3]));
  for (uint32_t i = 0; i < p->count; i++) {
    if (p->kind == EFME_PARAM_DENSE) {
      uint32_t r[4];
      efme_philox(r, seed, EFME_RNG_INIT, 0, index, i);
      w[i] = (float)(limit * (2 * efme_unit_f64(r[0], r[1]) - 1));
    } else {
      w[i] = (float)(deviation * truncated_normal(seed, index, i));
    }
  }
}

void efme_model_init_weights(struct efme_model *model, uint64_t seed, int head_only) {
  for (uint32_t i = 0; i < model->params.count; i++) {
    const struct efme_param *p = &model->params.items[i];
    if (head_only && !p->head) continue;
    float *w = model->weights + p->offset;
    switch (p->kind) {
    case EFME_PARAM_CONV:
    case EFME_PARAM_DEPTHWISE:
    case EFME_PARAM_DENSE:
      draw(w, p, i, seed);
      break;
    case EFME_PARAM_GAMMA:
    case EFME_PARAM_VARIANCE:
      fill(w, p->count, 1);
      break;
    default:
      fill(w, p->count, 0);
      break;
    }
  }
}
