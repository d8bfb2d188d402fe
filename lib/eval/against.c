/* A printed row against predictions: where a figure is not the pooled score, the ways of averaging that the field is known
 * to use instead are tried, and the one that gives it is named. */
#include "eval/printed.h"
#include "eval/scores.h"

/* A figure and what it may be instead. */
struct candidate {
  const char *what;
  double value;
};

struct comparison {
  struct efme_text *out;
  uint32_t *findings;
  double tolerance;
  int decimals;
};

static int near_to(double a, double b, double tolerance) { return a - b <= tolerance && b - a <= tolerance; }

static void compare(struct comparison *c, const char *name, double printed, double pooled, const struct candidate *others, size_t count) {
  if (!(printed >= 0.0) || near_to(printed, pooled, c->tolerance)) return;
  (*c->findings)++;
  efme_text_printf(c->out, "%s ", name);
  efme_text_fixed(c->out, printed, c->decimals);
  efme_text_add(c->out, " is not what the predictions give, ");
  efme_text_fixed(c->out, pooled, EFME_MAX(c->decimals, 4));
  size_t named = 0;
  for (size_t i = 0; i < count; i++) {
    if (!near_to(printed, others[i].value, c->tolerance)) continue;
    efme_text_add(c->out, named++ ? ", or " : ": it is ");
    efme_text_add(c->out, others[i].what);
    efme_text_add(c->out, " (");
    efme_text_fixed(c->out, others[i].value, EFME_MAX(c->decimals, 4));
    efme_text_add(c->out, ")");
  }
  efme_text_add(c->out, named ? "\n" : ": no known way of averaging gives it\n");
}

static double harmonic(double a, double b) { return a + b > 0.0 ? 2.0 * a * b / (a + b) : 0.0; }

/* Right predictions by the samples there are. */
static double accuracy_over(const struct efme_result *r) {
  uint64_t right = 0, samples = 0;
  for (uint32_t c = 0; c < r->classes; c++) {
    right += r->counts[(size_t)c * r->classes + c];
    samples += r->foreign.expected_counts[c];
  }
  return samples ? (double)right / (double)samples : 0.0;
}

static void compare_classes(struct comparison *c, const struct efme_result *r, const efme_printed_row *row) {
  const double *printed[3] = {row->class_f1, row->class_recall, row->class_precision};
  static const char *const names[3] = {"F1", "recall", "precision"};
  for (uint32_t i = 0; i < row->classes; i++) {
    efme_class_scores one;
    efme_confusion_class(&one, r->counts, r->classes, i);
    const double values[3] = {one.f1, one.recall, one.precision};
    for (int k = 0; k < 3; k++) {
      char name[600];
      snprintf(name, sizeof name, "%s of class %s", names[k], r->class_names[i]);
      const struct candidate others[] = {{"its recall", one.recall}, {"its precision", one.precision}, {"its F1", one.f1}};
      if (printed[k]) compare(c, name, printed[k][i], values[k], others, EFME_COUNT(others));
    }
  }
}

static void compare_scores(struct comparison *c, const struct efme_result *r, const efme_printed_row *row,
                           const struct efme_fold_means *m) {
  efme_scores s, d = EFME_SCORES_INIT;
  efme_confusion_scores(&s, r->counts, r->classes);
  double precision = efme_confusion_mean_precision(r->counts, r->classes);
  double over = s.uar, right = s.accuracy;
  d = s;
  if (r->foreign.present) {
    efme_confusion_scores(&d, r->foreign.distinct, r->classes);
    over = efme_result_uar_over(r->counts, r->classes, r->foreign.expected_counts);
    right = accuracy_over(r);
  }
  const struct candidate uar[] = {{"the mean precision", precision},
                                  {"the mean of the folds' own UAR, a per-fold average", m->uar},
                                  {"the mean of the folds' UAR over the classes each has, a per-fold average", m->uar_present},
                                  {"the sum over all lines divided by samples that are not the tested ones", over},
                                  {"the UAR over the distinct clips", d.uar},
                                  {"the UAR over the classes that occur", s.uar_present},
                                  {"the accuracy", s.accuracy}};
  const struct candidate uf1[] = {{"the mean of the folds' own UF1, a per-fold average", m->uf1},
                                  {"the mean of the folds' UF1 over the classes each has, a per-fold average", m->uf1_present},
                                  {"the F1 weighted by the classes' samples", s.weighted_f1},
                                  {"the harmonic mean of mean precision and mean recall", harmonic(precision, s.uar)},
                                  {"the UF1 over the distinct clips", d.uf1},
                                  {"the UF1 over the classes that occur", s.uf1_present},
                                  {"the accuracy (micro-averaged F1)", s.accuracy}};
  const struct candidate accuracy[] = {{"the mean of the folds' own accuracy, a per-fold average", m->accuracy},
                                       {"right lines divided by samples that are not the tested ones", right},
                                       {"the accuracy over the distinct clips", d.accuracy},
                                       {"the UAR", s.uar}};
  compare(c, "UF1", row->uf1, s.uf1, uf1, EFME_COUNT(uf1));
  compare(c, "UAR", row->uar, s.uar, uar, EFME_COUNT(uar));
  compare(c, "accuracy", row->accuracy, s.accuracy, accuracy, EFME_COUNT(accuracy));
}

efme_status efme_printed_against(struct efme_text *out, uint32_t *findings, const struct efme_result *r, const efme_printed_row *row) {
  struct efme_fold_means m;
  efme_status status = efme_result_fold_means(&m, r);
  if (status) return status;
  struct comparison c = {out, findings, 0.5, (int)row->decimals};
  for (uint32_t i = 0; i < row->decimals; i++) c.tolerance /= 10.0;
  c.tolerance += 1e-9;
  compare_scores(&c, r, row, &m);
  compare_classes(&c, r, row);
  return EFME_OK;
}
