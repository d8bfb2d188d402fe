/* What the example programs share: naming a dataset on the command line, progress, exit codes. Public API only. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <efme/efme.h>

/* Exit codes of all programs. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 3 };

/* The dataset that a command line asks for. */
struct data_choice {
  const char *spec;     /* fer2013:PATH, ck48:PATH, ckplus:PATH, manifest:PATH or synthetic[:name=value,...] */
  const char *map;      /* label map, "meg3" if NULL; "none" keeps the set's own classes */
  const char *where[8]; /* column=value, all must hold */
  int where_count;
  const char *without; /* column=value: images that are also among these are left out */
  int balance;         /* as many of each class as the smallest has */
  uint64_t balance_seed;
};

#define DATA_HELP                                                                                                                          \
  "  --data SPEC          fer2013:PATH  ck48:PATH  ckplus:PATH  manifest:PATH\n"                                                           \
  "                       synthetic[:subjects=24,samples=24,size=48,seed=1,min=0.6,max=1,first=0]\n"                                       \
  "  --map NAME           label map: meg3 (default), fer7, none\n"                                                                         \
  "  --where COLUMN=VALUE keep these samples only (!= for the others); may be repeated\n"                                                  \
  "  --without COLUMN=VALUE  leave out images that also occur where this holds (FER2013 repeats images across its splits)\n"               \
  "  --balance SEED       as many samples of each class as the smallest has\n"

/* Opens and maps labels; errors as the library's. */
efme_status data_open(efme_dataset **out, efme_context *context, const struct data_choice *choice);
/* What choice keeps of an opened set. */
efme_status data_select(efme_dataset **out, const efme_dataset *all, const struct data_choice *choice);

/* A preset with the command line's changes: 0 and NULL leave what the preset says. */
efme_status recipe_open(efme_recipe **out, efme_context *context, const char *preset, uint32_t epochs, uint32_t batch, double rate,
                        const uint64_t *seed);

/* Context with the log on standard error; Ctrl-C makes every progress callback cancel, a second one ends the program. */
efme_status program_start(efme_context **out, uint32_t threads);

/* For efme_trainer_run and efme_evaluator_run: one line that rewrites itself on a terminal, a line an epoch otherwise. */
int show_training(const efme_train_progress *progress, void *user);
/* The same with a line a fold rather than an epoch. */
int show_folds(const efme_train_progress *progress, void *user);

/* Prints `program: what: the library's text` and gives the exit code that fits. */
int program_failed(const char *program, const char *what, efme_status status);

/* The exit code that main gives: EXIT_FAILED instead of EXIT_DONE where what was printed did not reach its end (a full disk). */
int program_ended(const char *program, int code);

/* 1 after Ctrl-C. */
int program_interrupted(void);

/* For what counts rows, files or images: one line that rewrites itself on a terminal, nothing otherwise. */
int show_count(const char *what, uint64_t done, uint64_t total, void *user);

/* ---- command lines: on nonsense these print and end the program with EXIT_USAGE ---- */
void usage_error(const char *program, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));
double option_number(const char *program, const char *option, const char *text, double low, double high);
uint64_t option_whole(const char *program, const char *option, const char *text, uint64_t low, uint64_t high);
/* The options of DATA_HELP: their rows in getopt_long's table, and what takes one; 0 where o is another option. */
#define DATA_OPTIONS {"data", 1, 0, 'd'}, {"map", 1, 0, 'm'}, {"where", 1, 0, 'w'}, {"without", 1, 0, 'x'}, {"balance", 1, 0, 'b'}
int option_data(const char *program, struct data_choice *choice, int o, const char *text);

#endif
