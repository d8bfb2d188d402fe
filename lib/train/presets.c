/* The named recipes as data. Numbers of "paper-..." are the paper's where it states them (Ab Razak and Sahran, 2023), else
 * the published scripts' or our documented defaults; "scratch", "head" and "fine-tune" are our own. */
#include <string.h>

#include "train/recipe.h"

/* Inverse of the class sizes, scaled to sum 1, as the paper gives them: negative, positive, surprise. */
static const float alpha_meg3[3] = {0.27f, 0.35f, 0.38f};

/* Of our own recipes: plain cross-entropy and no penalty. With gamma 2 and l1 = l2 = 0.01 a head that starts from nothing
 * stays near chance (PyTorch with the same settings: UF1 .30 on FER2013); the paper starts from ImageNet weights. */
#define OWN(batch_, bn_, drop_connect_, contrast_, rotation_, scale_, shift_)                                                              \
  {                                                                                                                                        \
    .struct_size = sizeof(efme_train_options), .seed = 1, .batch = batch_, .bn_mode = bn_, .dropout = 0.5f, .drop_connect = drop_connect_, \
    .flip = 0.5f, .photometric = 0.5f, .brightness = 0.2f, .contrast = contrast_, .rotation = rotation_, .scale = scale_, .shift = shift_, \
    .feature_variants = 11                                                                                                                 \
  }
/* Of the paper: focal loss and penalty. */
#define RECIPE(batch_, bn_, drop_connect_, contrast_, rotation_, scale_, shift_)                                                           \
  {                                                                                                                                        \
    .struct_size = sizeof(efme_train_options), .seed = 1, .batch = batch_, .bn_mode = bn_, .gamma = 2.0f, .alpha = alpha_meg3,             \
    .alpha_count = 3, .penalty_in_validation = 1, .l1 = 0.01f, .l2 = 0.01f, .dropout = 0.5f, .drop_connect = drop_connect_, .flip = 0.5f,  \
    .photometric = 0.5f, .brightness = 0.2f, .contrast = contrast_, .rotation = rotation_, .scale = scale_, .shift = shift_,               \
    .feature_variants = 11                                                                                                                 \
  }
#define ADAM(schedule_, rate_, decay_, warmup_)                                                                                            \
  {                                                                                                                                        \
    .struct_size = sizeof(efme_optimizer_options), .kind = EFME_ADAM, .schedule = schedule_, .learning_rate = rate_, .beta1 = 0.9,         \
    .beta2 = 0.999, .epsilon = 1e-7, .momentum = 0.9, .rho = 0.9, .weight_decay = 0.01, .decay = decay_, .final_ratio = 0.0,               \
    .warmup_steps = warmup_                                                                                                                \
  }
#define PAPER RECIPE(16, EFME_BN_FIXED, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f)
#define CONSTANT(rate_) ADAM(EFME_SCHEDULE_CONSTANT, rate_, 0.0, 0)

static const struct efme_preset presets[] = {
    {"paper-pretrain", PAPER, {{EFME_SCOPE_HEAD, 100, 10, 1, CONSTANT(1e-3)}, {EFME_SCOPE_ALL, 100, 10, 1, CONSTANT(1e-4)}}, 1, 1, 5},
    {"paper-transfer",
     PAPER,
     {{EFME_SCOPE_HEAD, 15, 2, 1, CONSTANT(1e-3)}, {EFME_SCOPE_ALL, 20, 2, 1, ADAM(EFME_SCHEDULE_TIME, 1e-4, 1e-6, 0)}},
     5,
     5,
     1},
    {"scratch",
     OWN(32, EFME_BN_UPDATE, 0.2f, 0.2f, 10.0f, 0.1f, 0.08f),
     {{EFME_SCOPE_ALL, 20, 0, 0, ADAM(EFME_SCHEDULE_COSINE, 2e-3, 0.0, EFME_WARMUP_EPOCH)}},
     1,
     0,
     1},
    {"head", OWN(16, EFME_BN_FIXED, 0.0f, 0.2f, 10.0f, 0.1f, 0.08f), {{EFME_SCOPE_HEAD, 30, 5, 1, CONSTANT(1e-3)}}, 1, 0, 1},
    {"fine-tune", OWN(16, EFME_BN_FIXED, 0.0f, 0.2f, 10.0f, 0.1f, 0.08f), {{EFME_SCOPE_ALL, 3, 0, 0, CONSTANT(1e-4)}}, 1, 0, 1},
};

const struct efme_preset *efme_preset_get(uint32_t index) { return index < EFME_COUNT(presets) ? &presets[index] : NULL; }

const struct efme_preset *efme_preset_find(const char *name) {
  for (size_t i = 0; i < EFME_COUNT(presets); i++)
    if (strcmp(presets[i].name, name) == 0) return &presets[i];
  return NULL;
}
