/* Scores of a confusion matrix; see scores.h for the formulas. Two passes over at most classes^2 counts, no memory. */
#include "eval/scores.h"

static double quotient(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : 0.0; }

int efme_confusion_add(uint64_t *counts, uint32_t classes, int32_t truth, int32_t predicted) {
  if (truth < 0 || predicted < 0 || (uint32_t)truth >= classes || (uint32_t)predicted >= classes) return 0;
  counts[(size_t)truth * classes + (size_t)predicted]++;
  return 1;
}

void efme_confusion_class(efme_class_scores *out, const uint64_t *counts, uint32_t classes, uint32_t index) {
  const efme_class_scores zero = EFME_CLASS_SCORES_INIT;
  *out = zero;
  uint64_t predicted = 0;
  for (uint32_t c = 0; c < classes; c++) {
    out->samples += counts[(size_t)index * classes + c];
    predicted += counts[(size_t)c * classes + index];
  }
  out->tp = counts[(size_t)index * classes + index];
  out->fn = out->samples - out->tp;
  out->fp = predicted - out->tp;
  out->precision = quotient(out->tp, predicted);
  out->recall = quotient(out->tp, out->samples);
  out->f1 = quotient(2 * out->tp, 2 * out->tp + out->fp + out->fn);
}

void efme_confusion_scores(efme_scores *out, const uint64_t *counts, uint32_t classes) {
  const efme_scores zero = EFME_SCORES_INIT;
  *out = zero;
  out->classes = classes;
  uint64_t right = 0;
  double f1 = 0.0, recall = 0.0, weighted = 0.0;
  for (uint32_t c = 0; c < classes; c++) {
    efme_class_scores one;
    efme_confusion_class(&one, counts, classes, c);
    out->samples += one.samples;
    right += one.tp;
    if (one.samples) out->classes_present++;
    f1 += one.f1; /* 0 for a class without samples */
    recall += one.recall;
    weighted += one.f1 * (double)one.samples;
  }
  if (!out->samples) return;
  out->accuracy = quotient(right, out->samples);
  out->uf1 = f1 / classes;
  out->uar = recall / classes;
  out->uf1_present = f1 / out->classes_present;
  out->uar_present = recall / out->classes_present;
  out->weighted_f1 = weighted / (double)out->samples;
}

double efme_confusion_mean_precision(const uint64_t *counts, uint32_t classes) {
  double sum = 0.0;
  for (uint32_t c = 0; c < classes; c++) {
    efme_class_scores one;
    efme_confusion_class(&one, counts, classes, c);
    sum += one.precision;
  }
  return classes ? sum / classes : 0.0;
}
