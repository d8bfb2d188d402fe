/* What EfficientNet-B0's tensors are called elsewhere. From a canonical name ("block2a_expand_conv/kernel") to
 *
 *   Keras        the same; also "predictions" for the head and "depthwise_kernel" (Keras 2)
 *   timm         conv_stem, bn1; blocks.S.R.{conv_pw, bn1, conv_dw, bn2, se.conv_reduce, se.conv_expand, conv_pwl, bn3}, where the
 *                blocks that do not expand have {conv_dw, bn1, se.., conv_pw, bn2}; conv_head, bn2; classifier
 *   torchvision  features.0.{0,1}; features.S.R.block.N.{0,1}, N counting expand, depthwise, se (block.N.fc1, fc2), project;
 *                features.8.{0,1}; classifier.1
 *
 * with PyTorch's variables weight, bias, running_mean, running_var. */
#include <string.h>

#include "net/weights.h"

static const char *const format_names[EFME_IMPORT_COUNT] = {"keras", "timm", "torchvision"};

const char *efme_import_format_name(uint32_t format) { return format < EFME_IMPORT_COUNT ? format_names[format] : "?"; }

/* The parts of a block, in the order in which they run. */
enum part { EXPAND_CONV, EXPAND_BN, DWCONV, BN, SE_REDUCE, SE_EXPAND, PROJECT_CONV, PROJECT_BN, PARTS };
static const char *const part_names[PARTS] = {"expand_conv", "expand_bn", "dwconv",       "bn",
                                              "se_reduce",   "se_expand", "project_conv", "project_bn"};

static const char *torch_variable(const char *variable) {
  if (strcmp(variable, "bias") == 0 || strcmp(variable, "beta") == 0) return "bias";
  if (strcmp(variable, "moving_mean") == 0) return "running_mean";
  if (strcmp(variable, "moving_variance") == 0) return "running_var";
  return "weight"; /* kernel, gamma */
}

static const char *timm_part(int part, int expands) {
  static const char *const with[PARTS] = {"conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"};
  static const char *const without[PARTS] = {"", "", "conv_dw", "bn1", "se.conv_reduce", "se.conv_expand", "conv_pw", "bn2"};
  return expands ? with[part] : without[part];
}

static void torchvision_part(char out[16], int part, int expands) {
  static const int step[PARTS] = {0, 0, 1, 1, 2, 2, 3, 3};
  static const char *const tail[PARTS] = {"0", "1", "0", "1", "fc1", "fc2", "0", "1"};
  snprintf(out, 16, "%d.%s", step[part] - !expands, tail[part]);
}

/* "blockSR_PART" apart; 0 if the layer is none of a block. */
static int split_block(const char *layer, size_t n, int *stage, int *repeat, int *part) {
  if (n < 9 || memcmp(layer, "block", 5) != 0 || layer[7] != '_') return 0;
  *stage = layer[5] - '0';
  *repeat = layer[6] - 'a';
  for (*part = 0; *part < PARTS; (*part)++)
    if (strlen(part_names[*part]) == n - 8 && memcmp(part_names[*part], layer + 8, n - 8) == 0) return 1;
  return 0;
}

static int is_layer(const char *layer, size_t n, const char *name) { return strlen(name) == n && memcmp(layer, name, n) == 0; }

static int keras_name(char out[96], const char *name, const char *slash, uint32_t alternative) {
  if (alternative == 0) return snprintf(out, 96, "%s", name) > 0;
  if (alternative > 1) return 0;
  size_t n = (size_t)(slash - name);
  if (is_layer(name, n, "head")) return snprintf(out, 96, "predictions%s", slash) > 0;
  if (n > 6 && memcmp(slash - 6, "dwconv", 6) == 0) return snprintf(out, 96, "%.*s/depthwise_kernel", (int)n, name) > 0;
  return 0;
}

int efme_import_name(char out[96], const char *name, uint32_t format, uint32_t alternative) {
  static const struct {
    const char *layer, *timm, *torchvision;
  } singles[] = {{"stem_conv", "conv_stem", "features.0.0"},
                 {"stem_bn", "bn1", "features.0.1"},
                 {"top_conv", "conv_head", "features.8.0"},
                 {"top_bn", "bn2", "features.8.1"},
                 {"head", "classifier", "classifier.1"}};
  const char *slash = strchr(name, '/');
  if (!slash) return 0;
  if (format == EFME_IMPORT_KERAS) return keras_name(out, name, slash, alternative);
  if (alternative) return 0;
  size_t n = (size_t)(slash - name);
  const char *variable = torch_variable(slash + 1);
  for (size_t i = 0; i < EFME_COUNT(singles); i++)
    if (is_layer(name, n, singles[i].layer))
      return snprintf(out, 96, "%s.%s", format == EFME_IMPORT_TIMM ? singles[i].timm : singles[i].torchvision, variable) > 0;
  int stage, repeat, part;
  if (!split_block(name, n, &stage, &repeat, &part)) return 0;
  int expands = stage > 1; /* of B0's blocks only stage 1 does not expand */
  if (format == EFME_IMPORT_TIMM) return snprintf(out, 96, "blocks.%d.%d.%s.%s", stage - 1, repeat, timm_part(part, expands), variable) > 0;
  char inner[16];
  torchvision_part(inner, part, expands);
  return snprintf(out, 96, "features.%d.%d.block.%s.%s", stage, repeat, inner, variable) > 0;
}

int efme_import_ignored(const char *name, uint32_t format) {
  if (format == EFME_IMPORT_KERAS) return strncmp(name, "normalization", 13) == 0 || strncmp(name, "rescaling", 9) == 0;
  const char *dot = strrchr(name, '.');
  return dot && strcmp(dot, ".num_batches_tracked") == 0;
}

void efme_import_stage_name(char out[96], uint32_t stage, uint32_t format) {
  char name[32];
  if (stage == 8) snprintf(name, sizeof name, "top_conv/kernel");
  else snprintf(name, sizeof name, "block%ua_project_conv/kernel", stage);
  efme_import_name(out, name, format, 0);
}
