/* A printed row of a table, checked: can such figures be, and do the predictions give them? */
#ifndef EFME_EVAL_PRINTED_H
#define EFME_EVAL_PRINTED_H

#include "eval/result.h"

/* Adds one line for each finding. row was checked by the caller (arrays and classes agree). */
void efme_printed_possible(struct efme_text *out, uint32_t *findings, const efme_printed_row *row);
efme_status efme_printed_against(struct efme_text *out, uint32_t *findings, const struct efme_result *r, const efme_printed_row *row);

#endif
