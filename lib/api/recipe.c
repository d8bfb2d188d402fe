/* The recipe handle: a preset's data, then whatever the caller changes. */
#include <string.h>

#include "backend/context.h"
#include "train/recipe.h"

static const struct efme_allocator *allocator(const efme_recipe *r) { return efme_context_allocator(r->context); }

static efme_status append_phase(efme_recipe *r, const efme_phase *phase) {
  efme_status status =
      efme_mem_grow(allocator(r), (void **)&r->phases, &r->phase_capacity, r->phase_count + 1, sizeof *r->phases, "phases of a recipe");
  if (status) return status;
  r->phases[r->phase_count] = *phase;
  efme_optimizer_retain(phase->optimizer);
  r->phase_count++;
  return EFME_OK;
}

static efme_status append_preset(efme_recipe *r, const struct efme_preset_phase *p, uint32_t times) {
  if (!times) return EFME_OK;
  efme_optimizer *optimizer;
  efme_status status = efme_optimizer_create(&optimizer, r->context, &p->optimizer);
  efme_phase phase = {sizeof phase, p->scope, p->epochs, p->patience, p->restore_best, optimizer};
  if (status) return status;
  for (uint32_t i = 0; i < times && !status; i++) status = append_phase(r, &phase);
  efme_optimizer_release(optimizer);
  return status;
}

/* Takes options that are checked; alpha and collectives are still the caller's. */
static efme_status take_options(efme_recipe *r, const efme_train_options *o) {
  float *alpha = NULL;
  if (o->alpha) {
    alpha = efme_mem_array(allocator(r), o->alpha_count, sizeof *alpha, "alpha of a recipe");
    if (!alpha) return EFME_E_NOMEM;
    memcpy(alpha, o->alpha, o->alpha_count * sizeof *alpha);
  }
  efme_mem_free(allocator(r), r->alpha);
  r->alpha = alpha;
  int has_collectives = o->collectives != NULL;
  if (has_collectives) r->collectives = *o->collectives;
  r->options = *o;
  r->options.alpha = alpha;
  if (!alpha) r->options.alpha_count = 0;
  r->options.collectives = has_collectives ? &r->collectives : NULL;
  return EFME_OK;
}

efme_status efme_recipe_create(efme_recipe **out, efme_context *context, const char *preset) {
  if (!out || !context || !preset)
    return efme_fail(EFME_E_ARGUMENT, "efme_recipe_create: %s is NULL", !out ? "out" : !context ? "context" : "preset");
  const struct efme_preset *p = efme_preset_find(preset);
  if (!p)
    return efme_fail(EFME_E_NOT_FOUND,
                     "efme_recipe_create: no preset '%s'; there are paper-pretrain, paper-transfer, scratch, head, fine-tune", preset);
  efme_recipe *r = efme_mem_calloc(efme_context_allocator(context), 1, sizeof *r, "recipe");
  if (!r) return EFME_E_NOMEM;
  atomic_init(&r->references, 1);
  r->context = efme_context_retain(context);
  r->preset = p;
  memcpy(r->name, p->name, strlen(p->name) + 1);
  efme_status status = take_options(r, &p->options);
  r->alpha_preset = r->alpha != NULL;
  for (uint32_t round = 0; round < p->rounds && !status; round++) {
    status = append_preset(r, &p->phases[0], p->first);
    if (!status) status = append_preset(r, &p->phases[1], p->second);
  }
  if (status) {
    efme_recipe_release(r);
    return status;
  }
  *out = r;
  return EFME_OK;
}

/* Optimizers are constant, so both may hold them. */
efme_status efme_recipe_clone(efme_recipe **out, const efme_recipe *recipe) {
  if (!out || !recipe) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_clone: %s is NULL", out ? "recipe" : "out");
  efme_recipe *r = efme_mem_calloc(allocator(recipe), 1, sizeof *r, "recipe");
  if (!r) return EFME_E_NOMEM;
  atomic_init(&r->references, 1);
  r->context = efme_context_retain(recipe->context);
  r->preset = recipe->preset;
  memcpy(r->name, recipe->name, sizeof r->name);
  efme_status status = take_options(r, &recipe->options);
  r->alpha_preset = recipe->alpha_preset;
  for (size_t i = 0; i < recipe->phase_count && !status; i++) status = append_phase(r, &recipe->phases[i]);
  if (status) efme_recipe_release(r);
  else *out = r;
  return status;
}

efme_recipe *efme_recipe_retain(efme_recipe *recipe) {
  if (recipe) atomic_fetch_add_explicit(&recipe->references, 1, memory_order_relaxed);
  return recipe;
}

static void drop_phases(efme_recipe *r) {
  for (size_t i = 0; i < r->phase_count; i++) efme_optimizer_release(r->phases[i].optimizer);
  r->phase_count = 0;
}

void efme_recipe_release(efme_recipe *recipe) {
  if (!recipe || atomic_fetch_sub_explicit(&recipe->references, 1, memory_order_acq_rel) != 1) return;
  efme_context *context = recipe->context;
  drop_phases(recipe);
  efme_mem_free(efme_context_allocator(context), recipe->phases);
  efme_mem_free(efme_context_allocator(context), recipe->alpha);
  efme_mem_free(efme_context_allocator(context), recipe);
  efme_context_release(context);
}

/* Idempotent: the name says that something differs, describe says what. */
static void mark_changed(efme_recipe *r) {
  static const char suffix[] = "+changed";
  size_t n = strlen(r->preset->name);
  if (n + sizeof suffix <= sizeof r->name) memcpy(r->name + n, suffix, sizeof suffix);
}

const char *efme_recipe_preset(const efme_recipe *recipe) { return recipe ? recipe->name : NULL; }

efme_status efme_recipe_get_options(const efme_recipe *recipe, efme_train_options *out) {
  if (!recipe) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_get_options: recipe is NULL");
  return efme_struct_store(out, &recipe->options, sizeof recipe->options, "efme_train_options");
}

efme_status efme_recipe_set_options(efme_recipe *recipe, const efme_train_options *options) {
  EFME_FPENV_DEFAULT;
  static const efme_train_options defaults = EFME_TRAIN_OPTIONS_INIT;
  static const efme_collectives none = {.struct_size = sizeof none};
  if (!recipe || !options) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_set_options: %s is NULL", recipe ? "options" : "recipe");
  efme_train_options o;
  efme_collectives collectives;
  efme_status status = efme_options_load(&o, sizeof o, options, &defaults, "efme_train_options");
  if (!status && o.collectives) {
    status = efme_options_load(&collectives, sizeof collectives, o.collectives, &none, "efme_collectives");
    o.collectives = &collectives;
  }
  if (!status) status = efme_train_options_check(&o);
  if (status) return status;
  /* what get_options gave out and comes back is still the preset's alpha */
  int preset = recipe->alpha_preset && o.alpha == recipe->alpha && o.alpha_count == recipe->options.alpha_count;
  status = take_options(recipe, &o);
  if (status) return status;
  recipe->alpha_preset = (uint32_t)preset;
  mark_changed(recipe);
  return EFME_OK;
}

uint32_t efme_recipe_phase_count(const efme_recipe *recipe) { return recipe ? (uint32_t)recipe->phase_count : 0; }

efme_status efme_recipe_get_phase(const efme_recipe *recipe, uint32_t index, efme_phase *out) {
  if (!recipe) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_get_phase: recipe is NULL");
  if (index >= recipe->phase_count)
    return efme_fail(EFME_E_ARGUMENT, "efme_recipe_get_phase: index %u, the recipe has %zu phases", index, recipe->phase_count);
  return efme_struct_store(out, &recipe->phases[index], sizeof recipe->phases[index], "efme_phase");
}

efme_status efme_recipe_clear_phases(efme_recipe *recipe) {
  if (!recipe) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_clear_phases: recipe is NULL");
  drop_phases(recipe);
  mark_changed(recipe);
  return EFME_OK;
}

efme_status efme_recipe_add_phase(efme_recipe *recipe, const efme_phase *phase) {
  static const efme_phase defaults = EFME_PHASE_INIT;
  if (!recipe || !phase) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_add_phase: %s is NULL", recipe ? "phase" : "recipe");
  efme_phase p;
  efme_status status = efme_options_load(&p, sizeof p, phase, &defaults, "efme_phase");
  if (!status) status = efme_phase_check(&p);
  if (!status) status = append_phase(recipe, &p);
  if (!status) mark_changed(recipe);
  return status;
}

efme_status efme_recipe_describe(const efme_recipe *recipe, char **out) {
  EFME_FPENV_DEFAULT;
  if (!recipe || !out) return efme_fail(EFME_E_ARGUMENT, "efme_recipe_describe: %s is NULL", recipe ? "out" : "recipe");
  struct efme_text t;
  efme_text_init(&t, allocator(recipe));
  efme_text_printf(&t, "{\n  \"preset\": \"%s\",\n  \"alpha_for_three_classes_only\": %s,\n  \"options\": {\n", recipe->name,
                   recipe->alpha_preset ? "true" : "false");
  efme_train_options_json(&t, &recipe->options, "    ");
  efme_text_add(&t, "\n  },\n  \"phases\": [");
  for (size_t i = 0; i < recipe->phase_count; i++) {
    const efme_phase *p = &recipe->phases[i];
    efme_text_printf(&t, "%s\n    {\"scope\": \"%s\", \"epochs\": %u, \"patience\": %u, \"restore_best\": %u, \"optimizer\": {",
                     i ? "," : "", p->scope == EFME_SCOPE_HEAD ? "head" : "all", p->epochs, p->patience, p->restore_best);
    efme_optimizer_options_json(&t, &p->optimizer->options);
    efme_text_add(&t, "}}");
  }
  efme_text_add(&t, "\n  ]\n}\n");
  return efme_text_export(&t, out);
}
