/* Scores: pure functions over a confusion matrix, the same for the trainer's validation, the evaluator and foreign logs.
 *
 * counts[truth * classes + predicted]. With TP, FP, FN of a class summed over all tested samples
 *   precision = TP/(TP+FP)   recall = TP/(TP+FN)   F1 = 2TP/(2TP+FP+FN)     each 0 where its denominator is 0
 *   UF1 = mean over classes of F1     UAR = mean over classes of recall     accuracy = sum TP / samples
 * Every quotient has a counted numerator that is part of its denominator, so all lie in [0, 1] by construction. Sums run in
 * class order in double, so equal counts give equal bits. A class without samples counts 0 in UF1 and UAR. */
#ifndef EFME_EVAL_SCORES_H
#define EFME_EVAL_SCORES_H

#include "efme/evaluator.h"

/* Adds one sample; 1, or 0 where a label lies outside 0 .. classes-1 and nothing was counted. */
int efme_confusion_add(uint64_t *counts, uint32_t classes, int32_t truth, int32_t predicted);
/* No samples: every score 0. struct_size is set. */
void efme_confusion_scores(efme_scores *out, const uint64_t *counts, uint32_t classes);
/* name is left NULL. */
void efme_confusion_class(efme_class_scores *out, const uint64_t *counts, uint32_t classes, uint32_t index);
/* Mean of the classes' precision: what error 5 of the field prints as "UAR". */
double efme_confusion_mean_precision(const uint64_t *counts, uint32_t classes);

#endif
