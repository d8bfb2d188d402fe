/* What optimizer and recipe handles hold, the checks of their options, and the presets. */
#ifndef EFME_TRAIN_RECIPE_H
#define EFME_TRAIN_RECIPE_H

#include <stdatomic.h>

#include "efme/trainer.h"
#include "util/util.h"

struct efme_optimizer { /* constant after creation */
  atomic_uint references;
  efme_context *context;
  efme_optimizer_options options;
};

struct efme_recipe { /* one thread at a time while it changes; trainers take a copy */
  atomic_uint references;
  efme_context *context;
  const struct efme_preset *preset;
  char name[48];              /* the preset's, "+changed" behind it once changed */
  efme_train_options options; /* alpha and collectives point to what follows */
  float *alpha;
  uint32_t alpha_preset; /* 1: alpha came with the preset and is used for the three classes only */
  efme_collectives collectives;
  efme_phase *phases;
  size_t phase_count, phase_capacity;
};

/* ---- presets.c ---- */
struct efme_preset_phase {
  uint32_t scope, epochs, patience, restore_best;
  efme_optimizer_options optimizer;
};
struct efme_preset {
  const char *name;
  efme_train_options options;
  struct efme_preset_phase phases[2];
  uint32_t first, second; /* `rounds` times: first x phases[0], then second x phases[1] */
  uint32_t rounds;
};
const struct efme_preset *efme_preset_find(const char *name); /* NULL: no such preset */
const struct efme_preset *efme_preset_get(uint32_t index);    /* NULL behind the last */

/* ---- options.c: ARGUMENT naming the field ---- */
efme_status efme_optimizer_options_check(const efme_optimizer_options *o);
efme_status efme_train_options_check(const efme_train_options *o);
efme_status efme_phase_check(const efme_phase *phase);
/* Names for reports; "?" out of range. */
const char *efme_optimizer_kind_name(uint32_t kind);
const char *efme_schedule_name(uint32_t schedule);
/* One line "PREFIXoption NAME VALUE" for each option, floats with all their digits: what checkpoints compare. Collectives by rank and
 * ranks. */
void efme_train_options_lines(struct efme_text *text, const char *prefix, const efme_train_options *o);
void efme_optimizer_options_lines(struct efme_text *text, const char *prefix, const efme_optimizer_options *o);
/* The same as members of a JSON object, without the braces. */
void efme_train_options_json(struct efme_text *text, const efme_train_options *o, const char *indent);
void efme_optimizer_options_json(struct efme_text *text, const efme_optimizer_options *o);

#endif
