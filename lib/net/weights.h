/* Weight files: libefme's own format, and the import of others' names. */
#ifndef EFME_NET_WEIGHTS_H
#define EFME_NET_WEIGHTS_H

#include "net/model.h"
#include "net/safetensors.h"

/* What a load makes out of what is there and what is asked for. */
struct efme_load_target {
  struct efme_arch arch;
  const char *const *class_names;
  int reset; /* the head is drawn, not read */
};

/* from: what the weights are, classes 0 where they have no head; from_names NULL where the classes have no names. what: their name, for
 * errors. */
efme_status efme_load_resolve(struct efme_load_target *out, const efme_load_options *options, const struct efme_arch *from,
                              const char *const *from_names, const char *what);
/* Metadata "load": what was changed on the way in ("head=reset cut=5 of 7 input=48x48 of 224x224"), if anything was. */
efme_status efme_load_note(struct efme_model *model, const struct efme_load_target *target, const struct efme_arch *from);

/* Native format, any source. */
efme_status efme_weights_load(struct efme_model **out, struct efme_context *context, const struct efme_st_source *source,
                              const efme_load_options *options);
efme_status efme_weights_save(const struct efme_model *model, const char *path, uint32_t type);
/* Foreign names; format NULL: recognised. */
efme_status efme_weights_import(struct efme_model **out, struct efme_context *context, const struct efme_st_source *source,
                                const char *format, const efme_load_options *options);
/* The part of a model that options ask for, as a new one. */
efme_status efme_weights_clone(struct efme_model **out, const struct efme_model *model, const efme_load_options *options);

/* Shape of a parameter in a file: HWIO, HWC1, IO, N. Returns the rank. */
uint32_t efme_param_shape(uint64_t dims[4], const struct efme_param *p);

/* ---- import_names.c ---- */
enum efme_import_format { EFME_IMPORT_KERAS, EFME_IMPORT_TIMM, EFME_IMPORT_TORCHVISION, EFME_IMPORT_COUNT };
const char *efme_import_format_name(uint32_t format);
/* The foreign name of parameter `name` ("block2a_expand_conv/kernel"); alternative 0 is the usual one, others may exist. 0: no such
 * alternative. */
int efme_import_name(char out[96], const char *name, uint32_t format, uint32_t alternative);
/* 1 for what is no weight: counters, Keras' normalization layer. */
int efme_import_ignored(const char *name, uint32_t format);
/* The tensor whose presence tells that stage 1..7, 8 the top, is in the file. */
void efme_import_stage_name(char out[96], uint32_t stage, uint32_t format);

/* ---- weights_meta.c: the description of a model as metadata ---- */
struct efme_weights_meta {
  struct efme_arch arch;
  char *text; /* holds the class names */
  const char **class_names;
  struct efme_provenance *provenance;
  uint64_t hash;
};
efme_status efme_weights_meta_read(struct efme_weights_meta *out, const struct efme_allocator *a, const struct efme_st_reader *r);
void efme_weights_meta_free(struct efme_weights_meta *m, const struct efme_allocator *a);
#define EFME_WEIGHTS_HASH_KEY "efme.hash"
int efme_weights_reserved_key(const char *key);
/* All pairs but the hash: the description, then the model's own metadata; their texts live in *text. One more
 * pair has room. Free both. */
efme_status efme_weights_meta_write(struct efme_st_pair **pairs, size_t *count, char **text, const struct efme_allocator *a,
                                    const struct efme_model *model);

#endif
