/* What a checkpoint must agree on with the run that would go on from it, as text: one line a field, so that the first line
 * that differs names it. */
#include "train/state.h"

static void data_line(struct efme_text *text, const char *name, const efme_dataset *d, uint64_t contents) {
  if (d)
    efme_text_printf(text, "%s fingerprint %016llx of %llu samples\n%s pixels %016llx\n", name,
                     (unsigned long long)efme_dataset_fingerprint(d), (unsigned long long)efme_dataset_count(d), name,
                     (unsigned long long)contents);
  else efme_text_printf(text, "%s none\n", name);
}

static void float_line(struct efme_text *text, const char *name, double v) {
  efme_text_printf(text, "%s ", name);
  efme_text_double(text, v, 9);
  efme_text_add(text, "\n");
}

void efme_identity(const struct efme_trainer *t, struct efme_text *text) {
  const struct efme_arch *a = &t->model->arch;
  efme_text_printf(text, "start weights %016llx\n", (unsigned long long)t->start_checksum);
  efme_text_printf(text, "cut %u\ntop %u\ninput %u x %u\nnormalisation %u\npadding %u\n", a->cut, a->top, a->height, a->width,
                   a->normalisation, a->padding);
  float_line(text, "batch norm epsilon", a->bn_epsilon);
  float_line(text, "batch norm momentum", a->bn_momentum);
  for (uint32_t c = 0; c < a->classes; c++) efme_text_printf(text, "class %u %s\n", c, t->model->class_names[c]);
  data_line(text, "training data", t->train_set, t->contents[0]);
  data_line(text, "validation data", t->validation_set, t->contents[1]);
  efme_train_options_lines(text, "", &t->options);
  efme_text_printf(text, "seed of the run %llu\n", (unsigned long long)t->run_seed);
  efme_text_printf(text, "phases %u\n", t->phase_count);
  for (uint32_t i = 0; i < t->phase_count; i++) {
    const struct efme_trainer_phase *p = &t->phases[i];
    char prefix[32];
    snprintf(prefix, sizeof prefix, "phase %u ", i + 1);
    efme_text_printf(text, "%sscope %s\n%sepochs %u\n%spatience %u\n%srestore_best %u\n", prefix,
                     p->scope == EFME_SCOPE_HEAD ? "head" : "all", prefix, p->epochs, prefix, p->patience, prefix, p->restore_best);
    efme_optimizer_options_lines(text, prefix, &p->optimizer);
  }
}
