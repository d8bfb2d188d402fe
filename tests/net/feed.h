/* What the tests of executions share: a training plan with every switch on, its inputs, and reading back floats. */
#ifndef EFME_TEST_NET_FEED_H
#define EFME_TEST_NET_FEED_H

#include "net/rig.h"

float *feed_get(struct rig *r, const struct efme_tensor *t, size_t count); /* free() */
float *feed_region(struct rig *r, uint32_t arena, uint64_t floats);
/* A training plan with everything that has a switch switched on. */
struct efme_plan_options feed_everything(uint32_t batch);
void feed_inputs(struct rig *r, uint32_t batch); /* whatever the plan has: pixels or features, labels, ids, targets, weights, alpha */
struct efme_step feed_step(uint32_t i);
void feed_train(struct rig *r, uint32_t batch, uint32_t steps);

#endif
