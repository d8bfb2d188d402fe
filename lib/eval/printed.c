/* Is a printed row possible at all?
 *
 * All scores are means of quotients of a count by a count that includes it: none exceeds 1. With r a class's recall,
 * F1 <= 2r/(1+r) (precision at most 1), which is concave, so UF1 <= 2 UAR/(1+UAR) (Jensen). A recall of n samples is k/n.
 * With w the classes' shares of the samples, accuracy = sum w r, whose extremes for a given UAR fill the largest or the
 * smallest shares first. Printed figures are rounded: every comparison allows half a unit of the last digit of each. */
#include "eval/printed.h"

#define EFME_SLACK 1e-9 /* beyond rounding: what decimal fractions lose in binary */

struct check {
  struct efme_text *out;
  uint32_t *findings;
  const efme_printed_row *row;
  double half; /* of a unit of the last printed digit */
};

static int printed(double v) { return v >= 0.0; } /* NaN: no */

static int near_to(double a, double b, double tolerance) { return a - b <= tolerance + EFME_SLACK && b - a <= tolerance + EFME_SLACK; }

static void number(struct check *c, double v) { efme_text_fixed(c->out, v, (int)EFME_MAX(c->row->decimals, 3u)); }

static void begin(struct check *c) { (*c->findings)++; }

static void end(struct check *c) { efme_text_add(c->out, "\n"); }

/* "UAR 1.178" */
static void say(struct check *c, const char *name, double v) {
  efme_text_add(c->out, name);
  efme_text_add(c->out, " ");
  number(c, v);
}

/* ---- nothing exceeds 1 ---- */

/* The composite's classes, and what a search for `s1` and `s2` in paths makes of them: folds s1 (also s11..s19) and s2 (s20). */
static const uint64_t megc_samples[3] = {250, 109, 83}, megc_substring[3] = {273, 137, 103};

static int is_megc(const efme_printed_row *row) {
  if (!row->class_samples || row->classes != 3) return 0;
  for (int i = 0; i < 3; i++)
    if (row->class_samples[i] != megc_samples[i]) return 0;
  return 1;
}

static void explain_uar(struct check *c) {
  efme_text_add(
      c->out, ": UAR is a mean of recalls TP/n, each at most 1. Above 1 the n are not the tested samples: some were tested more than once, "
              "as where clips are found by substring (fold s1 also tests s11 to s19) and n is written down instead of counted");
  if (!is_megc(c->row)) return;
  double ceiling = 0.0;
  for (int i = 0; i < 3; i++) ceiling += (double)megc_substring[i] / (double)megc_samples[i] / 3.0;
  efme_text_add(c->out, ". In MEGC 2019 that search tests 273/137/103 samples for 250/109/83: a ceiling of ");
  efme_text_fixed(c->out, ceiling, 4);
  efme_text_add(c->out, ", of which this is ");
  efme_text_fixed(c->out, c->row->uar / ceiling, 3);
}

static void check_range(struct check *c, const char *name, double v, int is_uar) {
  if (!printed(v) || v - c->half <= 1.0 + EFME_SLACK) return;
  begin(c);
  say(c, name, v);
  efme_text_add(c->out, " exceeds 1");
  if (is_uar) explain_uar(c);
  else efme_text_add(c->out, ": a quotient of a count by a count that includes it cannot");
  end(c);
}

static void check_class_range(struct check *c, const char *name, const double *values) {
  for (uint32_t i = 0; values && i < c->row->classes; i++) {
    if (!printed(values[i]) || values[i] - c->half <= 1.0 + EFME_SLACK) continue;
    begin(c);
    efme_text_printf(c->out, "class %u: ", i);
    say(c, name, values[i]);
    efme_text_add(c->out, " exceeds 1");
    end(c);
  }
}

/* ---- figures that belong together ---- */

/* All classes printed: *mean of them. */
static int class_mean(const struct check *c, const double *values, double *mean) {
  double sum = 0.0;
  if (!values || !c->row->classes) return 0;
  for (uint32_t i = 0; i < c->row->classes; i++) {
    if (!printed(values[i])) return 0;
    sum += values[i];
  }
  *mean = sum / c->row->classes;
  return 1;
}

static void check_bound(struct check *c) {
  const efme_printed_row *row = c->row;
  if (!printed(row->uf1) || !printed(row->uar) || row->uar - c->half > 1.0) return;
  double uar = EFME_MIN(row->uar + c->half, 1.0), bound = 2.0 * uar / (1.0 + uar);
  if (row->uf1 - c->half <= bound + EFME_SLACK) return;
  begin(c);
  say(c, "UF1", row->uf1);
  say(c, " cannot go with UAR", row->uar);
  say(c, ": UF1 is at most 2 UAR/(1+UAR) =", bound);
  end(c);
}

static void check_uf1(struct check *c) {
  double mean = 0.0;
  if (!printed(c->row->uf1) || !class_mean(c, c->row->class_f1, &mean) || near_to(c->row->uf1, mean, 2 * c->half)) return;
  begin(c);
  say(c, "UF1", c->row->uf1);
  say(c, " is not the mean of the classes' F1,", mean);
  end(c);
}

/* Error 5: precision printed as recall. */
static void check_uar(struct check *c) {
  double recall = 0.0, precision = 0.0, uar = c->row->uar;
  if (!printed(uar)) return;
  int has_recall = class_mean(c, c->row->class_recall, &recall), has_precision = class_mean(c, c->row->class_precision, &precision);
  if (has_recall && near_to(uar, recall, 2 * c->half)) return;
  if (has_precision && near_to(uar, precision, 2 * c->half)) {
    begin(c);
    say(c, "UAR", uar);
    say(c, " equals the mean precision", precision);
    if (has_recall) say(c, "; the mean recall, which is the UAR, is", recall);
    else efme_text_add(c->out, "; the recalls are not printed");
    end(c);
  } else if (has_recall) {
    begin(c);
    say(c, "UAR", uar);
    say(c, " is not the mean of the classes' recall,", recall);
    end(c);
  }
}

static double f1_of(double precision, double recall) {
  return precision + recall > 0.0 ? 2.0 * precision * recall / (precision + recall) : 0.0;
}

static double unit(double v) { return EFME_MAX(0.0, EFME_MIN(1.0, v)); }

static void check_f1(struct check *c, uint32_t i) {
  const efme_printed_row *row = c->row;
  if (!row->class_f1 || !row->class_precision || !row->class_recall) return;
  double p = row->class_precision[i], r = row->class_recall[i], f = row->class_f1[i], h = c->half;
  if (!printed(p) || !printed(r) || !printed(f)) return;
  if (f + h + EFME_SLACK >= f1_of(unit(p - h), unit(r - h)) && f - h - EFME_SLACK <= f1_of(unit(p + h), unit(r + h))) return;
  begin(c);
  efme_text_printf(c->out, "class %u: ", i);
  say(c, "F1", f);
  say(c, " is not 2PR/(P+R) =", f1_of(p, r));
  end(c);
}

static void check_recall(struct check *c, uint32_t i) {
  const efme_printed_row *row = c->row;
  if (!row->class_recall || !row->class_samples || !row->class_samples[i]) return;
  double r = row->class_recall[i], n = (double)row->class_samples[i];
  if (!printed(r) || r > 1.0 || n > 1e15) return;
  uint64_t k = (uint64_t)(r * n + 0.5);
  if (near_to((double)k / n, r, c->half)) return;
  begin(c);
  efme_text_printf(c->out, "class %u: ", i);
  say(c, "recall", r);
  efme_text_printf(c->out, " is not a number of %llu samples by %llu", (unsigned long long)row->class_samples[i],
                   (unsigned long long)row->class_samples[i]);
  end(c);
}

/* Extreme of sum w_c r_c for sum r_c = total, r in [0, 1]: picks classes by their share, largest (most) or smallest first. */
static double extreme_accuracy(const efme_printed_row *row, double samples, double total, int most) {
  double sum = 0.0;
  for (uint32_t rank = 0; rank < row->classes && total > 0.0; rank++)
    for (uint32_t i = 0; i < row->classes; i++) {
      uint32_t before = 0; /* classes that come before i in this order */
      for (uint32_t k = 0; k < row->classes; k++) {
        uint64_t a = row->class_samples[k], b = row->class_samples[i];
        before += (most ? a > b : a < b) || (a == b && k < i);
      }
      if (before != rank) continue;
      double taken = EFME_MIN(1.0, total);
      sum += taken * (double)row->class_samples[i] / samples;
      total -= taken;
    }
  return sum;
}

static void check_accuracy(struct check *c) {
  const efme_printed_row *row = c->row;
  double samples = 0.0, sum = 0.0, mean = 0.0;
  if (!printed(row->accuracy) || !row->class_samples) return;
  for (uint32_t i = 0; i < row->classes; i++) samples += (double)row->class_samples[i];
  if (samples <= 0.0) return;
  if (class_mean(c, row->class_recall, &mean)) {
    for (uint32_t i = 0; i < row->classes; i++) sum += row->class_recall[i] * (double)row->class_samples[i] / samples;
    if (near_to(row->accuracy, sum, 2 * c->half)) return;
    begin(c);
    say(c, "accuracy", row->accuracy);
    say(c, " is not what the recalls and samples of the classes give,", sum);
    end(c);
  } else if (printed(row->uar) && row->uar <= 1.0 && row->classes <= 64) {
    double low = extreme_accuracy(row, samples, (row->uar - c->half) * row->classes, 0);
    double high = extreme_accuracy(row, samples, (row->uar + c->half) * row->classes, 1);
    if (row->accuracy + c->half + EFME_SLACK >= low && row->accuracy - c->half - EFME_SLACK <= high) return;
    begin(c);
    say(c, "accuracy", row->accuracy);
    say(c, " cannot go with UAR", row->uar);
    say(c, " and these samples: it lies between", low);
    say(c, " and", high);
    end(c);
  }
}

void efme_printed_possible(struct efme_text *out, uint32_t *findings, const efme_printed_row *row) {
  struct check c = {out, findings, row, 0.5};
  for (uint32_t i = 0; i < row->decimals; i++) c.half /= 10.0;
  check_range(&c, "UF1", row->uf1, 0);
  check_range(&c, "UAR", row->uar, 1);
  check_range(&c, "accuracy", row->accuracy, 0);
  check_class_range(&c, "F1", row->class_f1);
  check_class_range(&c, "recall", row->class_recall);
  check_class_range(&c, "precision", row->class_precision);
  check_bound(&c);
  check_uf1(&c);
  check_uar(&c);
  for (uint32_t i = 0; i < row->classes; i++) {
    check_f1(&c, i);
    check_recall(&c, i);
  }
  check_accuracy(&c);
}
