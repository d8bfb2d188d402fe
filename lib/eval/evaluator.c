/* Making an evaluator: agreement of classes and data, the audit of plan and provenance, identity, and what a folder holds
 * already. */
#include <string.h>

#include "backend/context.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "efme/version.h"
#include "eval/evaluator.h"
#include "io/image.h"
#include "net/model.h"

/* ---- checks ---- */

static efme_status check_classes(const efme_model *model, const efme_dataset *d) {
  uint32_t count = efme_dataset_class_count(d);
  if (count != model->arch.classes)
    return efme_fail(EFME_E_MISMATCH, "the dataset has %u classes, the start weights %u", count, model->arch.classes);
  for (uint32_t c = 0; c < count; c++)
    if (strcmp(efme_dataset_class_name(d, c), model->class_names[c]))
      return efme_fail(EFME_E_MISMATCH, "class %u is '%s' in the dataset, '%s' in the start weights", c, efme_dataset_class_name(d, c),
                       model->class_names[c]);
  return EFME_OK;
}

static efme_status compare_sample(const efme_fold_plan *p, const efme_dataset *d, uint64_t i) {
  efme_sample s = EFME_SAMPLE_INIT, planned = EFME_SAMPLE_INIT;
  efme_status status = efme_dataset_sample(d, i, &s);
  if (status == EFME_OK) status = efme_dataset_sample(p->dataset, i, &planned);
  if (status) return status;
  if (!strcmp(s.key, planned.key) && s.label == planned.label && s.pixel_hash == planned.pixel_hash) return EFME_OK;
  return efme_fail(EFME_E_MISMATCH, "the plan was made for another dataset: sample %llu is %s there, %s here%s", (unsigned long long)i,
                   planned.key, s.key, strcmp(s.key, planned.key) ? "" : ", with another class or image");
}

/* The plan's indices must mean the same samples here, and its audit the same images. */
static efme_status check_plan(const efme_fold_plan *p, const efme_dataset *d) {
  if (p->dataset == d) return EFME_OK;
  if (efme_dataset_count(d) != p->samples)
    return efme_fail(EFME_E_MISMATCH, "the plan was made for %llu samples, the dataset has %llu", (unsigned long long)p->samples,
                     (unsigned long long)efme_dataset_count(d));
  efme_status status = efme_dataset_hashes(d, NULL, NULL);
  for (uint64_t i = 0; i < p->samples && status == EFME_OK; i++) status = compare_sample(p, d, i);
  return status;
}

static efme_status check_recipe(const efme_recipe *recipe) {
  if (!recipe->phase_count) return efme_fail(EFME_E_ARGUMENT, "the recipe has no phases");
  if (recipe->options.collectives && recipe->options.collectives->ranks > 1)
    return efme_fail(EFME_E_ARGUMENT, "the recipe's collectives have %u ranks: folds run alone; use shards to spread them",
                     recipe->options.collectives->ranks);
  return EFME_OK;
}

/* ---- who computes ---- */

/* What made the pixels of any sample: the plan, or the score of data set apart, has read them all; of a table that lies in memory, whose
 * pixels were never decoded, one sample of each source dataset is read. */
static efme_status find_decoders(struct efme_maker *maker, const efme_dataset *d) {
  uint8_t seen[256] = {0};
  const char *last = NULL;
  for (uint64_t i = 0; i < efme_dataset_count(d); i++) {
    const char *source = efme_item_record(d, i)->dataset;
    if (!efme_item_decoder(d, i) && (!last || strcmp(last, source))) {
      efme_image *image = NULL;
      efme_status status = efme_dataset_read(d, i, &image);
      if (status) return status;
      efme_image_release(image);
    }
    last = source;
    seen[efme_item_decoder(d, i)] = 1;
  }
  size_t used = 0;
  for (uint8_t k = 1; efme_decoder_name(k); k++) /* in one order, whatever that of the rows */
    if (seen[k] && used < sizeof maker->decoder)
      used += (size_t)snprintf(maker->decoder + used, sizeof maker->decoder - used, "%s%s", used ? ", " : "", efme_decoder_name(k));
  return EFME_OK;
}

efme_status efme_maker_fill(struct efme_maker *maker, efme_context *context, const efme_dataset *dataset) {
  memset(maker, 0, sizeof *maker);
  snprintf(maker->library, sizeof maker->library, "%s", efme_version_string());
  snprintf(maker->backend, sizeof maker->backend, "%s", efme_context_backend(context));
  maker->cpu_level = efme_context_cpu_level(context);
  for (uint32_t i = 0; i < efme_device_count(); i++) {
    efme_device_info info = EFME_DEVICE_INFO_INIT;
    if (efme_device_get(&info, i) != EFME_OK) continue;
    size_t n = strlen(maker->backend);
    if (strncmp(info.name, maker->backend, n) || (info.name[n] && info.name[n] != ':')) continue;
    snprintf(maker->device, sizeof maker->device, "%s", info.description);
    break;
  }
  return find_decoders(maker, dataset);
}

/* ---- making ---- */

static efme_status take_recipes(efme_evaluator *e, const efme_recipe *recipe, const efme_evaluator_options *o) {
  e->recipes = efme_mem_calloc(e->allocator, (size_t)o->alternative_count + 1, sizeof *e->recipes, "recipes");
  if (!e->recipes) return EFME_E_NOMEM;
  e->inner_folds = o->inner_folds ? o->inner_folds : 5;
  efme_status status = EFME_OK;
  for (uint32_t i = 0; i <= o->alternative_count && status == EFME_OK; i++) {
    const efme_recipe *from = i ? o->alternatives[i - 1] : recipe;
    status = check_recipe(from);
    if (status == EFME_OK) status = efme_recipe_clone(&e->recipes[i], from);
    if (status && i) status = efme_fail_prefix(status, "alternatives[%u]", i - 1);
    e->recipe_count = i + 1;
  }
  return status;
}

static efme_status fill(efme_evaluator *e, const efme_recipe *recipe, const efme_evaluator_options *o) {
  efme_status status = efme_plan_verify(e->plan);
  if (status == EFME_OK) status = efme_provenance_check(e->start, e->dataset, e->plan, (int)o->refuse_unknown);
  if (status == EFME_OK) status = efme_provenance_doubt(e->doubt, e->start, e->dataset);
  if (status == EFME_OK) status = efme_dataset_contents(e->dataset, &e->contents);
  if (status == EFME_OK) status = take_recipes(e, recipe, o);
  if (status == EFME_OK) status = efme_maker_fill(&e->maker, e->context, e->dataset);
  if (status == EFME_OK) status = efme_identity_make(&e->identity, e);
  if (status) return status;
  e->folds = efme_mem_calloc(e->allocator, e->plan->count, sizeof *e->folds, "folds of an evaluator");
  if (!e->folds) return EFME_E_NOMEM;
  if (!o->folder) return EFME_OK;
  e->checkpoint_seconds = o->checkpoint_seconds;
  e->folder = efme_mem_strdup(e->allocator, o->folder);
  return e->folder ? efme_folder_open(e) : EFME_E_NOMEM;
}

efme_status efme_evaluator_make(efme_evaluator **out, efme_model *start, const efme_dataset *dataset, const efme_fold_plan *plan,
                                const efme_recipe *recipe, const efme_evaluator_options *options) {
  efme_status status = check_classes(start, dataset);
  if (status == EFME_OK && efme_dataset_context(dataset) != start->context)
    status = efme_fail(EFME_E_ARGUMENT, "the dataset belongs to another context than the start weights");
  if (status == EFME_OK) status = check_plan(plan, dataset);
  if (status == EFME_OK) status = efme_model_hold(start);
  if (status) return status;
  const struct efme_allocator *a = efme_context_allocator(start->context);
  efme_evaluator *e = efme_mem_calloc(a, 1, sizeof *e, "evaluator");
  if (!e) {
    efme_model_unhold(start);
    return EFME_E_NOMEM;
  }
  atomic_init(&e->references, 1);
  e->context = efme_context_retain(start->context);
  e->allocator = a;
  e->start = start;
  e->start_checksum = efme_model_checksum(start);
  e->plan = efme_fold_plan_retain((efme_fold_plan *)(uintptr_t)plan); /* counted, never changed */
  e->dataset = efme_dataset_retain((efme_dataset *)(uintptr_t)dataset);
  e->classes = efme_dataset_class_count(dataset);
  e->workers = options->workers ? options->workers : efme_context_threads(start->context);
  e->shards = options->shards ? options->shards : 1;
  e->shard = options->shard;
  status = fill(e, recipe, options);
  if (status == EFME_OK) *out = e;
  else efme_evaluator_destroy(e);
  return status;
}

void efme_evaluator_destroy(efme_evaluator *e) {
  if (!e) return;
  efme_context *context = e->context;
  const struct efme_allocator *a = e->allocator;
  for (uint32_t f = 0; e->folds && f < e->plan->count; f++) efme_fold_record_free(&e->folds[f], a);
  efme_mem_free(a, e->folds);
  efme_mem_free(a, e->folder);
  efme_mem_free(a, e->tried);
  efme_mem_free(a, e->identity.lines);
  for (uint32_t i = 0; i < e->recipe_count; i++) efme_recipe_release(e->recipes[i]);
  efme_mem_free(a, e->recipes);
  efme_train_shared_release(e->shared);
  efme_fold_plan_release(e->plan);
  efme_dataset_release(e->dataset);
  efme_model_unhold(e->start);
  efme_mem_free(a, e);
  efme_context_release(context);
}

/* ---- folds ---- */

int efme_evaluator_has_fold(const efme_evaluator *e, uint32_t fold) { return fold % e->shards == e->shard; }

efme_status efme_evaluator_view(efme_dataset **out, const efme_evaluator *e, uint32_t fold, efme_fold_part part) {
  const uint64_t *indices = NULL;
  uint64_t count = 0;
  efme_status status = efme_fold_plan_part(e->plan, fold, part, &indices, &count);
  if (status == EFME_OK && count) status = efme_dataset_subset(out, e->dataset, indices, count);
  return status;
}

void efme_fold_record_free(struct efme_fold_record *record, const struct efme_allocator *a) {
  efme_mem_free(a, record->probabilities);
  efme_mem_free(a, record->history);
  efme_mem_free(a, record->inner_uf1);
  memset(record, 0, sizeof *record);
}

void efme_evaluator_put(efme_evaluator *e, uint32_t fold, struct efme_fold_record *record) {
  if (e->folds[fold].done) {
    efme_fold_record_free(record, e->allocator);
    return;
  }
  e->folds[fold] = *record;
  memset(record, 0, sizeof *record);
  atomic_fetch_add(&e->done, 1);
}
