/* Runs a program as a person or a script does: its output into a pipe or a terminal, Ctrl-C at a given word. */
#ifndef EFME_EXAMPLES_RUN_H
#define EFME_EXAMPLES_RUN_H

struct run {
  int code;              /* exit code, or minus the signal that ended it */
  char *output, *errors; /* on a terminal both are in output */
};

/* NO_READER: nobody reads the output. FULL: it goes to a full disk. CLOSED: standard input and output are closed. */
enum { RUN_TERMINAL = 1, RUN_NO_READER = 2, RUN_FULL = 4, RUN_CLOSED = 8 };

/* arguments end with NULL; interrupt_at: when this has been printed the program gets SIGINT (NULL: never). Ends after a minute at
 * most, however the program fares. The texts live until the next run. */
struct run run_program(const char *program, const char *const *arguments, int how, const char *interrupt_at);

#endif
