/* calls.c: the system calls that the library makes on files, counted in this process; one of them can fail, be interrupted or cut short,
 * or be the last thing that the process does. */
#ifndef EFME_TEST_FAULTS_CALLS_H
#define EFME_TEST_FAULTS_CALLS_H

enum calls_fault {
  CALLS_ERROR,       /* the call fails, with an error that fits it: no space, no permission, a broken disk, too many files */
  CALLS_INTERRUPTED, /* EINTR, where a signal can do that: open, read, write, fsync */
  CALLS_SHORT,       /* read and write do one byte */
  CALLS_KILLED       /* SIGKILL instead of the call; half way through a write, but for a short line, which the kernel writes whole */
};

/* From now on calls that such a fault can befall are counted, and it befalls the one with this number from 1 on; 0: none. */
void calls_arm(enum calls_fault fault, long number);
/* How many there were. */
long calls_disarm(void);
/* The call that it befell: "write"; NULL if none. */
const char *calls_hit(void);
/* Told when a file is opened to be written ("open"), when one was put in place ("rename") and, with no path, before bytes are read
 * ("read"), before and after bytes are written ("write", "written"); on the thread that does so; may be NULL. */
extern void (*calls_watch)(const char *call, const char *path);

#endif
