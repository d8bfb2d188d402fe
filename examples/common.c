/* What the example programs share. See common.h. */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) { (void)signal_number, interrupted = 1; }
int program_interrupted(void) { return interrupted; }

static void print_log(efme_log_level level, const char *message, void *user) {
  (void)user;
  fprintf(stderr, "%s%s\n", level == EFME_LOG_ERROR ? "error: " : level == EFME_LOG_WARNING ? "warning: " : "", message);
}

efme_status program_start(efme_context **out, uint32_t threads) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt;
  action.sa_flags = (int)SA_RESETHAND; /* the second Ctrl-C ends the program at once */
  sigaction(SIGINT, &action, NULL);
  efme_context_options options = EFME_CONTEXT_OPTIONS_INIT;
  options.threads = threads;
  options.log = print_log;
  return efme_context_create(out, &options);
}

int program_failed(const char *program, const char *what, efme_status status) {
  if (status == EFME_E_CANCELLED) {
    fprintf(stderr, "%s: %s: interrupted\n", program, what);
    return EXIT_INTERRUPTED;
  }
  fprintf(stderr, "%s: %s: %s (%s)\n", program, what, efme_last_error(), efme_status_name(status));
  return EXIT_FAILED;
}

int program_ended(const char *program, int code) {
  int before = ferror(stdout);
  if (!fflush(stdout) && !before) return code;
  fprintf(stderr, "%s: standard output: %s\n", program, strerror(errno));
  return code == EXIT_DONE ? EXIT_FAILED : code;
}

/* ---- command lines ---- */

void usage_error(const char *program, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", program);
  vfprintf(stderr, format, args);
  fputs("; see --help\n", stderr);
  va_end(args);
  exit(EXIT_USAGE);
}

double option_number(const char *program, const char *option, const char *text, double low, double high) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= low && value <= high))
    usage_error(program, "%s takes a number from %g to %g, not '%s'", option, low, high, text);
  return value;
}

uint64_t option_whole(const char *program, const char *option, const char *text, uint64_t low, uint64_t high) {
  uint64_t value = 0;
  const char *p = text;
  for (; *p >= '0' && *p <= '9' && value <= (high - (uint64_t)(*p - '0')) / 10; p++) value = 10 * value + (uint64_t)(*p - '0');
  if (p == text || *p != '\0' || value < low || value > high)
    usage_error(program, "%s takes a whole number from %llu to %llu, not '%s'", option, (unsigned long long)low, (unsigned long long)high,
                text);
  return value;
}

static void add_where(const char *program, struct data_choice *choice, const char *text) {
  int most = (int)(sizeof choice->where / sizeof choice->where[0]);
  if (choice->where_count == most) usage_error(program, "--where may be given %d times at most", most);
  choice->where[choice->where_count++] = text;
}

int option_data(const char *program, struct data_choice *choice, int o, const char *text) {
  if (o == 'd') choice->spec = text;
  else if (o == 'm') choice->map = text;
  else if (o == 'w') add_where(program, choice, text);
  else if (o == 'x') choice->without = text;
  else if (o == 'b') choice->balance = 1, choice->balance_seed = option_whole(program, "--balance", text, 0, UINT64_MAX);
  else return 0;
  return 1;
}

/* ---- progress ---- */

int show_training(const efme_train_progress *p, void *user) {
  (void)user;
  int terminal = isatty(STDOUT_FILENO);
  if (p->event == EFME_TRAIN_STEP && terminal)
    printf("\r\033[K%s phase %u/%u epoch %u/%u step %llu/%llu  loss %.4f  %.0f images/s  %.0f s left", p->what, p->phase + 1, p->phases,
           p->epoch + 1, p->epochs, (unsigned long long)p->step, (unsigned long long)p->steps, p->loss, p->images_per_second,
           p->seconds_left);
  if (p->event == EFME_TRAIN_EPOCH) {
    printf("%s%s phase %u/%u epoch %u/%u  loss %.4f  accuracy %.3f", terminal ? "\r\033[K" : "", p->what, p->phase + 1, p->phases,
           p->epoch + 1, p->epochs, p->loss, p->accuracy);
    if (p->has_validation) printf("  validation: loss %.4f UF1 %.3f UAR %.3f", p->validation_loss, p->validation_uf1, p->validation_uar);
    printf("  %.0f images/s\n", p->images_per_second);
  }
  fflush(stdout);
  return interrupted;
}

int show_folds(const efme_train_progress *p, void *user) {
  if (p->event == EFME_TRAIN_STEP) return show_training(p, user);
  if (p->event == EFME_TRAIN_PHASE && p->phase + 1 == p->phases) {
    printf("%s%s  loss %.4f", isatty(STDOUT_FILENO) ? "\r\033[K" : "", p->what, p->loss);
    if (p->has_validation) printf("  validation UF1 %.3f", p->validation_uf1);
    printf("\n");
    fflush(stdout);
  }
  return interrupted;
}

int show_count(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)user;
  if (isatty(STDOUT_FILENO)) {
    printf("\r\033[K%s %llu/%llu", what, (unsigned long long)done, (unsigned long long)total);
    if (done == total) printf("\r\033[K");
    fflush(stdout);
  }
  return interrupted;
}

/* ---- datasets ---- */

static efme_status open_synthetic(efme_dataset **out, efme_context *context, const char *settings) {
  efme_synthetic_options options = EFME_SYNTHETIC_OPTIONS_INIT;
  const char *me = "--data synthetic";
  char copy[256];
  if (strlen(settings) >= sizeof copy) usage_error(me, "the settings are too long");
  strcpy(copy, settings);
  for (char *save, *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
    char *equals = strchr(item, '=');
    if (!equals) usage_error(me, "'%s' is not name=value", item);
    *equals = '\0';
    const char *value = equals + 1;
    if (!strcmp(item, "subjects")) options.subjects = (uint32_t)option_whole(me, item, value, 1, 10000);
    else if (!strcmp(item, "samples")) options.samples_per_subject = (uint32_t)option_whole(me, item, value, 1, 10000);
    else if (!strcmp(item, "size")) options.size = (uint32_t)option_whole(me, item, value, 32, 1024);
    else if (!strcmp(item, "seed")) options.seed = option_whole(me, item, value, 0, UINT64_MAX);
    else if (!strcmp(item, "first")) options.first_subject = (uint32_t)option_whole(me, item, value, 0, 4000000000u);
    else if (!strcmp(item, "min")) options.intensity_min = (float)option_number(me, item, value, 0, 1);
    else if (!strcmp(item, "max")) options.intensity_max = (float)option_number(me, item, value, 0, 1);
    else usage_error(me, "there is no setting '%s'", item);
  }
  return efme_dataset_open_synthetic(out, context, &options);
}

static efme_status open_source(efme_dataset **out, efme_context *context, const char *spec) {
  efme_dataset_options options = EFME_DATASET_OPTIONS_INIT;
  options.progress = show_count;
  const char *path = strchr(spec, ':');
  size_t length = path ? (size_t)(path - spec) : strlen(spec);
  path = path ? path + 1 : "";
  static const struct {
    const char *name;
    efme_status (*open)(efme_dataset **, efme_context *, const char *, const efme_dataset_options *);
  } readers[] = {{"fer2013", efme_dataset_open_fer2013},
                 {"ck48", efme_dataset_open_ck48},
                 {"ckplus", efme_dataset_open_ckplus},
                 {"manifest", efme_dataset_open_manifest}};
  if (length == strlen("synthetic") && !strncmp(spec, "synthetic", length)) return open_synthetic(out, context, path);
  for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
    if (length == strlen(readers[i].name) && !strncmp(spec, readers[i].name, length)) return readers[i].open(out, context, path, &options);
  usage_error("--data", "there is no dataset kind '%.*s'", (int)length, spec);
}

/* Puts `next` in the place of `*current` if making it went well. */
static efme_status step_view(efme_dataset **current, efme_dataset *next, efme_status status) {
  if (status != EFME_OK) return status;
  efme_dataset_release(*current);
  *current = next;
  return EFME_OK;
}

/* The samples where COLUMN=VALUE, or COLUMN!=VALUE, holds. */
static efme_status filter(efme_dataset **out, const efme_dataset *data, const char *condition) {
  char column[64];
  const char *equals = strchr(condition, '=');
  int invert = equals && equals > condition && equals[-1] == '!';
  size_t length = equals ? (size_t)(equals - condition) - (size_t)invert : 0;
  if (!length || length >= sizeof column)
    usage_error("--where, --without, --test", "expected COLUMN=VALUE or COLUMN!=VALUE, not '%s'", condition);
  snprintf(column, sizeof column, "%.*s", (int)length, condition);
  return efme_dataset_filter(out, data, column, equals + 1, invert);
}

efme_status data_open(efme_dataset **out, efme_context *context, const struct data_choice *choice) {
  efme_dataset *data = NULL, *mapped = NULL;
  efme_status status = open_source(&data, context, choice->spec);
  const char *map = choice->map ? choice->map : "meg3";
  if (status == EFME_OK && strcmp(map, "none") && strncmp(choice->spec, "synthetic", 9)) {
    const efme_label_map *known = efme_label_map_builtin(map);
    if (!known) usage_error("--map", "there is no label map '%s'", map);
    status = efme_dataset_map_labels(&mapped, data, known);
    status = step_view(&data, mapped, status);
  }
  if (status == EFME_OK) *out = data;
  else efme_dataset_release(data);
  return status;
}

/* Leaves out the images that also occur where the condition holds in all, and says how many. */
static efme_status leave_out(efme_dataset **data, const efme_dataset *all, const char *condition) {
  efme_dataset *other = NULL, *rest = NULL;
  unsigned long long before = efme_dataset_count(*data);
  efme_status status = filter(&other, all, condition);
  if (status == EFME_OK) status = efme_dataset_without(&rest, *data, other);
  efme_dataset_release(other);
  status = step_view(data, rest, status);
  if (status == EFME_OK)
    printf("%llu samples left out: their images also occur where %s\n", before - (unsigned long long)efme_dataset_count(*data), condition);
  return status;
}

efme_status data_select(efme_dataset **out, const efme_dataset *all, const struct data_choice *choice) {
  efme_dataset *data = efme_dataset_retain((efme_dataset *)all), *next = NULL;
  efme_status status = EFME_OK;
  for (int i = 0; i < choice->where_count && status == EFME_OK; i++) {
    status = filter(&next, data, choice->where[i]);
    status = step_view(&data, next, status);
  }
  if (choice->without && status == EFME_OK) status = leave_out(&data, all, choice->without);
  if (choice->balance && status == EFME_OK) {
    status = efme_dataset_balance(&next, data, 0, choice->balance_seed);
    status = step_view(&data, next, status);
  }
  if (status == EFME_OK) *out = data;
  else efme_dataset_release(data);
  return status;
}

/* ---- recipes ---- */

/* Adds a phase of `from` to `to`, with other epochs or another rate where they are given. */
static efme_status copy_phase(efme_recipe *to, const efme_recipe *from, uint32_t index, efme_context *context, uint32_t epochs,
                              double rate) {
  efme_phase phase = EFME_PHASE_INIT;
  efme_optimizer_options rule = EFME_OPTIMIZER_OPTIONS_INIT;
  efme_optimizer *optimizer = NULL;
  efme_status status = efme_recipe_get_phase(from, index, &phase);
  if (status == EFME_OK) status = efme_optimizer_get_options(phase.optimizer, &rule);
  if (epochs) phase.epochs = epochs;
  if (rate > 0) rule.learning_rate = rate;
  if (status == EFME_OK) status = efme_optimizer_create(&optimizer, context, &rule);
  phase.optimizer = optimizer;
  if (status == EFME_OK) status = efme_recipe_add_phase(to, &phase);
  efme_optimizer_release(optimizer);
  return status;
}

static efme_status change_phases(efme_recipe **recipe, efme_context *context, uint32_t epochs, double rate) {
  efme_recipe *changed = NULL;
  efme_status status = efme_recipe_clone(&changed, *recipe);
  if (status == EFME_OK) status = efme_recipe_clear_phases(changed);
  for (uint32_t i = 0; i < efme_recipe_phase_count(*recipe) && status == EFME_OK; i++)
    status = copy_phase(changed, *recipe, i, context, epochs, rate);
  if (status != EFME_OK) {
    efme_recipe_release(changed);
    return status;
  }
  efme_recipe_release(*recipe);
  *recipe = changed;
  return EFME_OK;
}

efme_status recipe_open(efme_recipe **out, efme_context *context, const char *preset, uint32_t epochs, uint32_t batch, double rate,
                        const uint64_t *seed) {
  efme_recipe *recipe = NULL;
  efme_status status = efme_recipe_create(&recipe, context, preset);
  if (status == EFME_OK && (batch || seed)) {
    efme_train_options options = EFME_TRAIN_OPTIONS_INIT;
    status = efme_recipe_get_options(recipe, &options);
    if (batch) options.batch = batch;
    if (seed) options.seed = *seed;
    if (status == EFME_OK) status = efme_recipe_set_options(recipe, &options);
  }
  if (status == EFME_OK && (epochs || rate > 0)) status = change_phases(&recipe, context, epochs, rate);
  if (status != EFME_OK) {
    efme_recipe_release(recipe);
    return status;
  }
  *out = recipe;
  return EFME_OK;
}
