/* Whole pieces of work whose files can be compared: everything from the first object to the last file, in a folder. Called again in the same
 * folder they go on where they were. */
#ifndef EFME_TEST_FAULTS_WORK_H
#define EFME_TEST_FAULTS_WORK_H

#include "faults.h"

/* Checkpoints every so many seconds. What it made is released on failure too. */
typedef efme_status (*work_fn)(const char *folder, double seconds, efme_train_progress_fn progress);
efme_status work_train(const char *folder, double seconds, efme_train_progress_fn progress);
efme_status work_loso(const char *folder, double seconds, efme_train_progress_fn progress);   /* two workers */
efme_status work_choice(const char *folder, double seconds, efme_train_progress_fn progress); /* LOSO in which folds choose their recipe */

#endif
