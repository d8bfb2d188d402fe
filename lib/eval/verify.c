/* The audit of the finished lists, the same for every kind of plan, whoever made it: every sample is tested exactly once;
 * in each fold the parts are disjoint by sample; no tested subject and no tested content stands in training or validation;
 * training and validation share no subject and no content either, unless the caller asked for a random split. */
#include <string.h>

#include "eval/plan.h"

struct verifier {
  const struct efme_fold_plan *p;
  uint8_t *tested;                     /* by sample, over all folds */
  uint8_t *subjects, *groups, *places; /* parts met in this fold: bit 1 << part */
};

static const char *const part_names[3] = {"training", "validation", "test"};

/* Two parts in one mask that must not meet, as a mask; 0: fine. */
static int meets(const struct efme_fold_plan *p, int mask) {
  int test = 1 << EFME_PART_TEST, inner = 1 << EFME_PART_TRAIN | 1 << EFME_PART_VALIDATION;
  if ((mask & test) && (mask & inner)) return 1;
  return (mask & inner) == inner && p->options.validation != EFME_VALIDATE_RANDOM;
}

static const char *other_part(int mask, int part) {
  for (int k = 0; k < 3; k++)
    if (k != part && (mask & 1 << k)) return part_names[k];
  return part_names[part];
}

static efme_status verify_sample(struct verifier *v, const struct efme_fold *fold, int part, uint64_t index) {
  const struct efme_fold_plan *p = v->p;
  int bit = 1 << part;
  if (index >= p->samples || v->places[index])
    return efme_fail(EFME_E_INTERNAL, "fold %s: sample %llu stands in it twice", fold->name, (unsigned long long)index);
  v->places[index] = (uint8_t)bit;
  v->subjects[p->subject[index]] |= (uint8_t)bit;
  v->groups[p->group[index]] |= (uint8_t)bit;
  if (part == EFME_PART_TEST && v->tested[index]++)
    return efme_fail(EFME_E_INTERNAL, "sample %s is tested in two folds, one is %s", p->keys[index], fold->name);
  int subject = v->subjects[p->subject[index]], group = v->groups[p->group[index]];
  if (meets(p, subject))
    return efme_fail(EFME_E_LEAK, "fold %s: subject %s stands in %s and in %s", fold->name,
                     efme_dataset_subject(p->dataset, p->subject[index]), part_names[part], other_part(subject, part));
  if (meets(p, group))
    return efme_fail(EFME_E_LEAK, "fold %s: the content of %s stands in %s and in %s", fold->name, p->keys[index], part_names[part],
                     other_part(group, part));
  return EFME_OK;
}

static efme_status verify_fold(struct verifier *v, const struct efme_fold *fold) {
  const struct efme_fold_plan *p = v->p;
  memset(v->subjects, 0, p->subjects);
  memset(v->groups, 0, (size_t)p->samples);
  memset(v->places, 0, (size_t)p->samples);
  const uint64_t *at = fold->indices;
  for (int part = 0; part < 3; part++)
    for (uint64_t i = 0; i < fold->counts[part]; i++) {
      efme_status status = verify_sample(v, fold, part, *at++);
      if (status) return status;
    }
  if (!fold->counts[EFME_PART_TEST]) return efme_fail(EFME_E_ARGUMENT, "fold %s tests no sample", fold->name);
  return EFME_OK;
}

static efme_status verify(struct verifier *v) {
  const struct efme_fold_plan *p = v->p;
  for (uint32_t f = 0; f < p->count; f++) {
    efme_status status = verify_fold(v, &p->folds[f]);
    if (status) return status;
  }
  for (uint64_t i = 0; i < p->samples; i++)
    if (!v->tested[i]) return efme_fail(EFME_E_INTERNAL, "sample %s is tested in no fold", p->keys[i]);
  return EFME_OK;
}

efme_status efme_plan_verify(const struct efme_fold_plan *p) {
  struct verifier v = {.p = p};
  size_t n = (size_t)p->samples;
  v.tested = efme_mem_calloc(p->allocator, n, 1, "plan audit");
  v.places = efme_mem_calloc(p->allocator, n, 1, "plan audit");
  v.groups = efme_mem_calloc(p->allocator, n, 1, "plan audit");
  v.subjects = efme_mem_calloc(p->allocator, p->subjects, 1, "plan audit");
  efme_status status = v.tested && v.places && v.groups && v.subjects ? verify(&v) : EFME_E_NOMEM;
  efme_mem_free(p->allocator, v.tested);
  efme_mem_free(p->allocator, v.places);
  efme_mem_free(p->allocator, v.groups);
  efme_mem_free(p->allocator, v.subjects);
  return status;
}
