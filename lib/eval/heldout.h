/* One model on data set apart. */
#ifndef EFME_EVAL_HELDOUT_H
#define EFME_EVAL_HELDOUT_H

#include "eval/result.h"

/* Classes agree and every sample has one: the caller has checked. options are complete. */
efme_status efme_heldout(struct efme_result **out, efme_model *model, const efme_dataset *tested, const efme_evaluate_options *options);

#endif
