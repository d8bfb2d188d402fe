/* Models: the network's description, its weights and where they come from.
 *
 * The architecture is EfficientNet-B0 (Tan and Le, 2019) cut after stage `cut`, with a global average pool, dropout and a dense
 * softmax head; cut after stage 5 it is Efficient-ME (Ab Razak and Sahran, 2023). Any number of threads may read a model. It is
 * immutable while predictors, trainers or evaluators hold it: changing it then answers EFME_E_BUSY, as holding it does while it is
 * being changed. No thread may read one while another changes it. Tensor names are `layer/variable` as Keras spells them
 * ("block2a_expand_conv/kernel", "head/bias"); layouts: convolutions HWIO, depthwise HWC1, dense IO, float32. Strings of a model live
 * as long as it does. */
#ifndef EFME_MODEL_H
#define EFME_MODEL_H

#include "efme/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct efme_model efme_model;

/* How pixels 0..255 become network input: y = (x/255 - mean) / d, mean = .485 .456 .406. */
typedef enum efme_normalisation {
  EFME_NORM_STD = 0,      /* d = .229 .224 .225 (Keras since the fix, timm, torchvision) */
  EFME_NORM_VARIANCE = 1, /* d = .229^2 ..: for weights trained with a division by the variance itself */
  EFME_NORM_SQRT_STD = 2, /* d = sqrt(.229) ..: Keras of the time when its weight files held std as the variance */
  EFME_NORM_UNIT = 3      /* y = x/255 */
} efme_normalisation;

typedef enum efme_padding {
  EFME_PAD_KERAS = 0,    /* stride 2 pads one less at top and left for even sizes */
  EFME_PAD_SYMMETRIC = 1 /* k/2 on all sides (timm efficientnet_b0, torchvision) */
} efme_padding;

/* KEEP takes the head as it is. RESET draws a new one from seed, for class_names. */
typedef enum efme_head_mode { EFME_HEAD_KEEP = 0, EFME_HEAD_RESET = 1 } efme_head_mode;

typedef struct efme_model_options {
  size_t struct_size;
  uint32_t cut;             /* 1..7: last stage kept */
  uint32_t top;             /* 1: with B0's 1280-channel top convolution (needs cut 7), 0: without */
  uint32_t height, width;   /* of the input in pixels, 32..4096 each */
  const char *const *class_names; /* class_count distinct UTF-8 names of 1..255 bytes without control characters */
  uint32_t class_count;     /* 2..1024 */
  uint32_t normalisation;   /* efme_normalisation */
  uint32_t padding;         /* efme_padding */
  float bn_epsilon;         /* (0, 1): added to the variance */
  float bn_momentum;        /* [0, 1): moving = momentum * moving + (1 - momentum) * batch */
  uint32_t reserved;        /* 0 */
  uint64_t seed;            /* of the initial weights (Keras' initialisers) */
} efme_model_options;

/* Efficient-ME for 48 x 48; class_names must be set: efme_classes_meg3 is {"negative", "positive", "surprise"}. */
#define EFME_MODEL_OPTIONS_INIT { sizeof(efme_model_options), 5, 0, 48, 48, NULL, 0, EFME_NORM_STD, EFME_PAD_KERAS, 1e-3f, 0.99f, 0, 1 }
EFME_API const char *const *efme_classes_meg3(void); /* 3 static names */

typedef struct efme_load_options {
  size_t struct_size;
  uint32_t cut;            /* 0: as the file, with its top if it has one; 1..7: the trunk ends after this stage, without top; where that
                              shortens it the head must be RESET */
  uint32_t head;           /* efme_head_mode; RESET draws a new head from seed */
  uint32_t height, width;  /* of the input, 32..4096; 0: as the file (import: 224) */
  const char *const *class_names; /* class_count, as in efme_model_options; NULL: as the file; other names or another count need RESET */
  uint32_t class_count;    /* 0 where class_names is NULL */
  int32_t normalisation;   /* -1: as the file (import: EFME_NORM_STD) */
  int32_t padding;         /* -1: as the file (import: Keras names EFME_PAD_KERAS, timm and torchvision EFME_PAD_SYMMETRIC; timm's tf_
                              weights need it said) */
  float bn_epsilon;        /* (0, 1); 0: as the file (import: Keras 1e-3, others 1e-5) */
  uint64_t seed;           /* of a new head */
  uint32_t ignore_checksum; /* 1: a wrong content hash is a warning in the log, and makes the provenance unknown; 0: it is MISMATCH */
  uint32_t reserved;       /* 0 */
} efme_load_options;

#define EFME_LOAD_OPTIONS_INIT { sizeof(efme_load_options), 0, EFME_HEAD_KEEP, 0, 0, NULL, 0, -1, -1, 0.0f, 1, 0, 0 }

/* Of the numbers in a file; F16 and BF16 are rounded to nearest even. */
typedef enum efme_weight_type { EFME_WEIGHTS_F32 = 0, EFME_WEIGHTS_F16 = 1, EFME_WEIGHTS_BF16 = 2 } efme_weight_type;

/* ---- make, load, save; options may be NULL but for create, which needs class_names ---- */
/* New weights, drawn from seed; their provenance is known, and empty. */
EFME_API efme_status efme_model_create(efme_model **out, efme_context *context, const efme_model_options *options);
/* libefme's own format: safetensors with metadata (docs/weights.md). Errors, of all four, with the tensor or field and the reason: IO;
 * FORMAT; LIMIT; UNSUPPORTED (a newer format, another architecture); MISMATCH (shapes, types, content hash; what the options ask of the
 * file: a later cut, other classes without RESET); NUMERIC (a weight that is not finite or a variance below 0). */
EFME_API efme_status efme_model_load(efme_model **out, efme_context *context, const char *path, const efme_load_options *options);
/* The same from size bytes, which are not kept. */
EFME_API efme_status efme_model_load_memory(efme_model **out, efme_context *context, const void *data, size_t size, const efme_load_options *options);
/* Fills buffer with up to size bytes from offset; *got less than size means the end. Called in rising order of offset, on the calling
 * thread, not after the load has returned. Any status but EFME_OK ends the load and is what it answers. */
typedef efme_status (*efme_read_fn)(void *buffer, uint64_t offset, size_t size, size_t *got, void *user);
EFME_API efme_status efme_model_load_stream(efme_model **out, efme_context *context, efme_read_fn read, void *user, const efme_load_options *options);
/* Foreign weights: safetensors with names of "keras", "timm" or "torchvision" (format NULL: recognised by the names). Without a head in
 * the file, or with a 1000-class one, RESET and class names are needed. The file may hold more stages than cut. Provenance: unknown. */
EFME_API efme_status efme_model_import(efme_model **out, efme_context *context, const char *path, const char *format, const efme_load_options *options);
/* Written atomically. type: efme_weight_type. Errors: IO; LIMIT (metadata); NUMERIC where a weight is not finite, a variance below 0, or a
 * value does not fit type. */
EFME_API efme_status efme_model_save(const efme_model *model, const char *path, uint32_t type);
/* A new model with the same weights, metadata and provenance that may be changed; options as for a load. Errors: MISMATCH. */
EFME_API efme_status efme_model_clone(efme_model **out, const efme_model *model, const efme_load_options *options);
EFME_API efme_model *efme_model_retain(efme_model *model);
EFME_API void efme_model_release(efme_model *model);

/* ---- questions ---- */
typedef struct efme_model_info {
  size_t struct_size;
  uint32_t cut, top, height, width, class_count, feature_count; /* as in efme_model_options; feature_count: inputs of the head */
  uint32_t normalisation, padding;
  float bn_epsilon, bn_momentum;
  uint32_t layer_count, tensor_count;
  uint64_t parameters;  /* as Keras counts: BN statistics and the 7 of Normalization included */
  uint64_t trainable;   /* those of parameters that training changes */
  uint64_t multiply_adds; /* of one image */
  uint64_t checksum;    /* XXH64 of all weights */
} efme_model_info;

#define EFME_MODEL_INFO_INIT { sizeof(efme_model_info), 0, 0, 0, 0, 0, 0, 0, 0, 0.0f, 0.0f, 0, 0, 0, 0, 0, 0 }

typedef struct efme_layer_info {
  size_t struct_size;
  const char *name;   /* as Keras */
  const char *kind;   /* "rescaling", "normalization", "conv", "depthwise", "batchnorm", "activation", "pool", "multiply", "dropout",
                         "add", "dense" */
  uint32_t height, width, channels; /* of the output */
  uint32_t reserved;
  uint64_t parameters, multiply_adds; /* of one image */
} efme_layer_info;

#define EFME_LAYER_INFO_INIT { sizeof(efme_layer_info), NULL, NULL, 0, 0, 0, 0, 0, 0 }

EFME_API efme_status efme_model_get_info(const efme_model *model, efme_model_info *out);
/* index: below layer_count, in the order of the network. */
EFME_API efme_status efme_model_layer(const efme_model *model, uint32_t index, efme_layer_info *out);
EFME_API const char *efme_model_class_name(const efme_model *model, uint32_t index);
/* index: below tensor_count. Name and four dimensions (unused ones 1); name or dims may be NULL. */
EFME_API efme_status efme_model_tensor(const efme_model *model, uint32_t index, const char **name, uint32_t dims[4]);
/* Copies count floats out of or into the tensor called name; count must be its size. After a set the weights' provenance is unknown: the
 * values may come from a model that has seen anything. Any values are taken: what is not finite shows as NUMERIC where the model
 * predicts images, trains or is saved. Errors: NOT_FOUND; MISMATCH (count); BUSY (set). */
EFME_API efme_status efme_model_get(const efme_model *model, const char *name, float *values, size_t count);
EFME_API efme_status efme_model_set(efme_model *model, const char *name, const float *values, size_t count);

/* ---- metadata: free text fields kept in the file: "licence", "description", "start_weights", "recipe", ... ---- */
/* NULL where absent; valid until this key is set or the model released. */
EFME_API const char *efme_model_metadata(const efme_model *model, const char *key);
/* key: UTF-8 of 1..255 bytes; "efme.*" and "__*" are the library's own: ARGUMENT. value: UTF-8 of at most 1 MiB, copied; NULL removes.
 * Errors: BUSY; LIMIT beyond 512 entries. */
EFME_API efme_status efme_model_set_metadata(efme_model *model, const char *key, const char *value);

/* ---- provenance: what the weights have seen ---- */
/* 1 known (trained here or nothing seen yet), 0 unknown (imported from elsewhere, a tensor set by the program, a file loaded in spite of
 * a wrong hash, or start weights that another rank sent). */
EFME_API int efme_model_provenance_known(const efme_model *model);
/* 1 if the weights have seen this subject key, or any sample of this pixel_hash (efme_sample); 0 if not (ask provenance_known first). */
EFME_API int efme_model_has_seen_subject(const efme_model *model, const char *subject);
EFME_API int efme_model_has_seen_content(const efme_model *model, uint64_t pixel_hash);
/* Datasets that they have seen samples of: "fer2013". */
EFME_API uint32_t efme_model_seen_dataset_count(const efme_model *model);
EFME_API const char *efme_model_seen_dataset(const efme_model *model, uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
