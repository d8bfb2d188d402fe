/* calls.c: the system calls that the library makes on files, counted in this process; one of them can fail, be interrupted or cut short,
 * or be the last thing that the process does. */
#ifndef EFME_TEST_FAULTS_CALLS_H
#define EFME_TEST_FAULTS_CALLS_H

enum calls_fault {
  CALLS_ERROR,       /* the call fails, with an error that fits it: no space, no permission, a broken disk, too many files */
  CALLS_INTERRUPTED, /* EINTR, where a signal can do that: open, read, write, fsync */
  CALLS_SHORT        /* read and write do one byte */
};

/* From now on calls that such a fault can befall are counted, and it befalls the one with this number from 1 on; 0: none. */
void calls_arm(enum calls_fault fault, long number);
/* How many there were. */
long calls_disarm(void);
/* The call that it befell: "write"; NULL if none. */
const char *calls_hit(void);

#endif
