/* What the example programs share. See common.h. */
#include "common.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static void on_interrupt(int signal_number) { (void)signal_number, interrupted = 1; }

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

double option_number(const char *program, const char *option, const char *text, double low, double high) {
  char *end;
  double value = strtod(text, &end);
  if (*text == '\0' || *end != '\0' || !(value >= low && value <= high)) {
    fprintf(stderr, "%s: %s takes a number from %g to %g, not '%s'\n", program, option, low, high, text);
    exit(EXIT_USAGE);
  }
  return value;
}

/* ---- progress ---- */

int show_training(const efme_train_progress *p, void *user) {
  (void)user;
  int terminal = isatty(STDOUT_FILENO);
  if (p->event == EFME_TRAIN_STEP && terminal)
    printf("\r\033[K%s phase %u/%u epoch %u/%u step %llu/%llu  loss %.4f  %.0f images/s  %.0f s left", p->what, p->phase + 1, p->phases,
           p->epoch + 1, p->epochs, (unsigned long long)p->step, (unsigned long long)p->steps, p->loss, p->images_per_second, p->seconds_left);
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

static int show_reading(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)user;
  if (isatty(STDOUT_FILENO)) {
    printf("\r\033[Kreading %s %llu/%llu", what, (unsigned long long)done, (unsigned long long)total);
    if (done == total) printf("\r\033[K");
    fflush(stdout);
  }
  return interrupted;
}

/* ---- datasets ---- */

static efme_status open_synthetic(efme_dataset **out, efme_context *context, const char *settings) {
  efme_synthetic_options options = EFME_SYNTHETIC_OPTIONS_INIT;
  char copy[256];
  snprintf(copy, sizeof copy, "%s", settings);
  for (char *save, *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
    char *equals = strchr(item, '=');
    if (!equals) {
      fprintf(stderr, "synthetic: '%s' is not name=value\n", item);
      exit(EXIT_USAGE);
    }
    *equals = '\0';
    double v = option_number("synthetic", item, equals + 1, 0, 1e9);
    if (!strcmp(item, "subjects")) options.subjects = (uint32_t)v;
    else if (!strcmp(item, "samples")) options.samples_per_subject = (uint32_t)v;
    else if (!strcmp(item, "size")) options.size = (uint32_t)v;
    else if (!strcmp(item, "seed")) options.seed = (uint64_t)v;
    else if (!strcmp(item, "first")) options.first_subject = (uint32_t)v;
    else if (!strcmp(item, "min")) options.intensity_min = (float)v;
    else if (!strcmp(item, "max")) options.intensity_max = (float)v;
    else {
      fprintf(stderr, "synthetic: no setting '%s'\n", item);
      exit(EXIT_USAGE);
    }
  }
  return efme_dataset_open_synthetic(out, context, &options);
}

static efme_status open_source(efme_dataset **out, efme_context *context, const char *spec) {
  efme_dataset_options options = EFME_DATASET_OPTIONS_INIT;
  options.progress = show_reading;
  const char *path = strchr(spec, ':');
  size_t length = path ? (size_t)(path - spec) : strlen(spec);
  path = path ? path + 1 : "";
  static const struct {
    const char *name;
    efme_status (*open)(efme_dataset **, efme_context *, const char *, const efme_dataset_options *);
  } readers[] = {{"fer2013", efme_dataset_open_fer2013}, {"ck48", efme_dataset_open_ck48}, {"ckplus", efme_dataset_open_ckplus}, {"manifest", efme_dataset_open_manifest}};
  if (length == strlen("synthetic") && !strncmp(spec, "synthetic", length)) return open_synthetic(out, context, path);
  for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++)
    if (length == strlen(readers[i].name) && !strncmp(spec, readers[i].name, length)) return readers[i].open(out, context, path, &options);
  fprintf(stderr, "no dataset kind '%.*s'; see --help\n", (int)length, spec);
  exit(EXIT_USAGE);
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
  if (!length || length >= sizeof column) {
    fprintf(stderr, "expected COLUMN=VALUE or COLUMN!=VALUE, not '%s'\n", condition);
    exit(EXIT_USAGE);
  }
  snprintf(column, sizeof column, "%.*s", (int)length, condition);
  return efme_dataset_filter(out, data, column, equals + 1, invert);
}

efme_status data_open(efme_dataset **out, efme_context *context, const struct data_choice *choice) {
  efme_dataset *data = NULL, *mapped = NULL;
  efme_status status = open_source(&data, context, choice->spec);
  const char *map = choice->map ? choice->map : "meg3";
  if (status == EFME_OK && strcmp(map, "none") && strncmp(choice->spec, "synthetic", 9)) {
    const efme_label_map *known = efme_label_map_builtin(map);
    if (!known) {
      fprintf(stderr, "no label map '%s'; see --help\n", map);
      exit(EXIT_USAGE);
    }
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

/* Replaces each phase by itself with other epochs or another rate. */
static efme_status change_phases(efme_recipe *recipe, efme_context *context, uint32_t epochs, double rate) {
  efme_phase phases[32];
  efme_optimizer *made[32] = {NULL};
  uint32_t count = efme_recipe_phase_count(recipe);
  efme_status status = EFME_OK;
  if (count > 32) count = 32;
  for (uint32_t i = 0; i < count && status == EFME_OK; i++) {
    efme_optimizer_options rule = EFME_OPTIMIZER_OPTIONS_INIT;
    phases[i] = (efme_phase)EFME_PHASE_INIT;
    status = efme_recipe_get_phase(recipe, i, &phases[i]);
    if (status == EFME_OK) status = efme_optimizer_get_options(phases[i].optimizer, &rule);
    if (epochs) phases[i].epochs = epochs;
    if (rate > 0) rule.learning_rate = rate;
    if (status == EFME_OK) status = efme_optimizer_create(&made[i], context, &rule);
    phases[i].optimizer = made[i];
  }
  if (status == EFME_OK) status = efme_recipe_clear_phases(recipe);
  for (uint32_t i = 0; i < count && status == EFME_OK; i++) status = efme_recipe_add_phase(recipe, &phases[i]);
  for (uint32_t i = 0; i < count; i++) efme_optimizer_release(made[i]);
  return status;
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
  if (status == EFME_OK && (epochs || rate > 0)) status = change_phases(recipe, context, epochs, rate);
  if (status != EFME_OK) {
    efme_recipe_release(recipe);
    return status;
  }
  *out = recipe;
  return EFME_OK;
}
