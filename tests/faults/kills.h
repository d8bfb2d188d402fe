/* Work that is killed and started again until it is done. Each life is a process of its own; what it does is written into a log that
 * outlives it. */
#ifndef EFME_TEST_FAULTS_KILLS_H
#define EFME_TEST_FAULTS_KILLS_H

#include "faults.h"

/* Everything from the first object to the last file, in folder; checkpoints every so many seconds. Exits where it fails. */
typedef void (*kills_work)(const char *folder, double seconds);
void kills_train(const char *folder, double seconds);
void kills_loso(const char *folder, double seconds);   /* two workers */
void kills_choice(const char *folder, double seconds); /* LOSO in which folds choose their recipe */

/* The callback that work gives to its run: logs every step. */
int kills_progress(const efme_train_progress *progress, void *user);

#endif
