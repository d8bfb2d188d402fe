/* Plays a plan through, knowing only what each role of an op reads and writes: every input must still be what its op wrote. */
#ifndef EFME_TEST_NET_PLAYER_H
#define EFME_TEST_NET_PLAYER_H

#include "net/rig.h"

void player_check(const struct efme_plan *plan); /* regions, overlaps, taps, and the plan's own account of lifetimes; ck_asserts */
/* Must succeed. */
struct efme_plan *player_plan(const struct efme_backend *backend, const struct efme_arch *arch, const struct efme_plan_options *o);

#endif
