/* A model's weights and packed weights in device memory, made once and used by all predictors of the model whose plans
 * prepare the same. Lives as long as one of them; the model cannot change meanwhile (model.h: users). */
#ifndef EFME_NET_SHARE_H
#define EFME_NET_SHARE_H

#include "net/exec.h"
#include "net/model.h"

/* Any thread; the first caller builds while others wait. plan is used during the call only. */
efme_status efme_share_acquire(struct efme_share **out, struct efme_model *model, const struct efme_plan *plan);
void efme_share_release(struct efme_model *model, struct efme_share *share); /* NULL allowed */
/* WEIGHTS and PACKED, for efme_exec_create. */
void efme_share_lend(const struct efme_share *share, struct efme_exec_borrow *out);

#endif
