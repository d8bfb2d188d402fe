/* What a run is: dataset, plan, start weights, network, classes and recipes, as lines that can be compared one by one. */
#include <string.h>

#include "backend/context.h"
#include "eval/evaluator.h"
#include "net/model.h"

static void hex_line(struct efme_text *t, const char *name, uint64_t value) {
  efme_text_printf(t, "%s %016llx\n", name, (unsigned long long)value);
}

static void recipe_lines(struct efme_text *t, const char *recipe_prefix, const efme_recipe *recipe, uint32_t classes) {
  efme_train_options options = recipe->options;
  if (recipe->alpha_preset && classes != 3) options.alpha = NULL, options.alpha_count = 0;
  efme_train_options_lines(t, recipe_prefix, &options);
  efme_text_printf(t, "%sphases %zu\n", recipe_prefix, recipe->phase_count);
  for (size_t i = 0; i < recipe->phase_count; i++) {
    const efme_phase *p = &recipe->phases[i];
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%sphase %zu ", recipe_prefix, i + 1);
    efme_text_printf(t, "%sscope %s\n%sepochs %u\n%spatience %u\n%srestore_best %u\n", prefix, p->scope == EFME_SCOPE_HEAD ? "head" : "all",
                     prefix, p->epochs, prefix, p->patience, prefix, p->restore_best);
    efme_optimizer_options_lines(t, prefix, &p->optimizer->options);
  }
}

/* The recipe, and what a fold may choose instead, numbered from 1. */
static void choice_lines(struct efme_text *t, const efme_evaluator *e) {
  recipe_lines(t, "", e->recipes[0], e->classes);
  if (e->recipe_count > 1) efme_text_printf(t, "alternatives %u\ninner folds %u\n", e->recipe_count - 1, e->inner_folds);
  for (uint32_t i = 1; i < e->recipe_count; i++) {
    char prefix[32];
    snprintf(prefix, sizeof prefix, "alternative %u ", i);
    recipe_lines(t, prefix, e->recipes[i], e->classes);
  }
}

/* Line ends would break the form. */
static void class_line(struct efme_text *t, uint32_t c, const char *name) {
  efme_text_printf(t, "class %u ", c);
  for (const char *s = name; *s; s++)
    if (*s == '\n' || *s == '\\') efme_text_add(t, *s == '\n' ? "\\n" : "\\\\");
    else efme_text_add_n(t, s, 1);
  efme_text_add(t, "\n");
}

efme_status efme_identity_make(struct efme_run_identity *out, const efme_evaluator *e) {
  const struct efme_arch *a = &e->start->arch;
  struct efme_text t;
  size_t size = 0;
  efme_text_init(&t, e->allocator);
  hex_line(&t, "dataset fingerprint", efme_dataset_fingerprint(e->dataset));
  efme_text_printf(&t, "dataset samples %llu\n", (unsigned long long)efme_dataset_count(e->dataset));
  hex_line(&t, "dataset pixels", e->contents);
  efme_text_printf(&t, "plan kind %s\nplan folds %u\n", e->plan->kind, e->plan->count);
  hex_line(&t, "plan fingerprint", e->plan->fingerprint);
  hex_line(&t, "start weights", e->start_checksum);
  efme_text_printf(&t, "network cut %u\nnetwork top %u\nnetwork input %u x %u\nnetwork normalisation %u\nnetwork padding %u\n", a->cut,
                   a->top, a->height, a->width, a->normalisation, a->padding);
  efme_text_add(&t, "network batch norm epsilon ");
  efme_text_double(&t, (double)a->bn_epsilon, 9);
  efme_text_add(&t, "\nnetwork batch norm momentum ");
  efme_text_double(&t, (double)a->bn_momentum, 9);
  efme_text_add(&t, "\n");
  for (uint32_t c = 0; c < e->classes; c++) class_line(&t, c, efme_dataset_class_name(e->dataset, c));
  choice_lines(&t, e);
  efme_status status = efme_text_take(&t, &out->lines, &size);
  if (status == EFME_OK) out->hash = efme_hash64(out->lines, size, 0);
  return status;
}

/* ---- comparing ---- */

static size_t line_length(const char *s) { return strcspn(s, "\n"); }

/* Bytes that two lines share up to the last space: the field's name. */
static int shared_name(const char *a, size_t n, const char *b, size_t m) {
  size_t same = 0, name = 0;
  while (same < n && same < m && a[same] == b[same]) {
    if (a[same] == ' ') name = same;
    same++;
  }
  return (int)name;
}

efme_status efme_identity_compare(const struct efme_run_identity *mine, const char *lines, const char *who) {
  const char *x = mine->lines, *y = lines;
  while (*x || *y) {
    size_t n = line_length(x), m = line_length(y);
    if (n != m || memcmp(x, y, n)) {
      int name = shared_name(x, n, y, m);
      if (!name)
        return efme_fail(EFME_E_MISMATCH, "%s belongs to another run: it has `%.*s` where this one has `%.*s`", who, (int)EFME_MIN(m, 100u),
                         y, (int)EFME_MIN(n, 100u), x);
      return efme_fail(EFME_E_MISMATCH, "%s belongs to another run: %.*s is %.*s there, %.*s here", who, name, x,
                       (int)EFME_MIN(m - name - 1, 100u), y + name + 1, (int)EFME_MIN(n - name - 1, 100u), x + name + 1);
    }
    x += n + (x[n] == '\n');
    y += m + (y[m] == '\n');
  }
  return EFME_OK;
}
