/* efme-loso: leave-one-subject-out from given start weights, with pooled scores and the leak audit. */
#include "common.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: efme-loso --data SPEC --weights FILE [options]\n"
    "Trains one model a subject on all other subjects, from the same start weights, and scores each on its own subject.\n\n" DATA_HELP
    "  --weights FILE       start weights; --reset-head draws a new head; --size N another input side\n"
    "  --preset NAME        head (default: the head alone, on cached features), fine-tune, paper-transfer, scratch\n"
    "  --epochs N  --batch N  --seed N   change the preset\n"
    "  --folds K            K folds of whole subjects instead of one a subject\n"
    "  --datasets           one fold for each source dataset\n"
    "  --choose K           each fold chooses among Adam, AdamW, SGD and RMSprop, without alpha and with the paper's, by K folds of its "
    "own\n"
    "                       training subjects\n"
    "  --validation KIND    subjects (default), random (as the paper's scripts; flagged), none\n"
    "  --workers N          folds at a time, a thread each; 0: one per CPU. Results do not depend on it\n"
    "  --shard I/N          do only folds I, I+N, ... ; --merge DIR adds those of another shard\n"
    "  --out DIR            metrics.json, predictions.csv, log.txt and the folds' files; an interrupted run goes on\n"
    "Exit codes: 0 done and clean, 1 failed, 2 wrong usage, 3 interrupted, 4 done but the audit has flags.\n";

enum { EXIT_FLAGGED = 4, MOST_MERGES = 256 };

struct choice {
  struct data_choice data;
  const char *weights, *preset, *out, *merge[MOST_MERGES];
  int merges, reset_head, by_dataset;
  uint32_t folds, choose, validation, workers, shard, shards, epochs, batch, size;
  uint64_t seed;
  int has_seed;
};

static void parse(struct choice *c, int argc, char **argv) {
  static const struct option options[] = {DATA_OPTIONS,
                                          {"weights", 1, 0, 'W'},
                                          {"reset-head", 0, 0, 'R'},
                                          {"size", 1, 0, 'z'},
                                          {"preset", 1, 0, 'p'},
                                          {"epochs", 1, 0, 'e'},
                                          {"batch", 1, 0, 'B'},
                                          {"seed", 1, 0, 'S'},
                                          {"folds", 1, 0, 'f'},
                                          {"datasets", 0, 0, 'D'},
                                          {"choose", 1, 0, 'c'},
                                          {"validation", 1, 0, 'v'},
                                          {"workers", 1, 0, 'j'},
                                          {"shard", 1, 0, 's'},
                                          {"merge", 1, 0, 'M'},
                                          {"out", 1, 0, 'o'},
                                          {"help", 0, 0, 'h'},
                                          {0, 0, 0, 0}};
  static const char *const kinds[] = {"subjects", "random", "none"};
  const char *me = "efme-loso";
  char rest;
  for (int o; (o = getopt_long(argc, argv, "o:j:h", options, NULL)) != -1;)
    if (!option_data(me, &c->data, o, optarg)) switch (o) {
      case 'W':
        c->weights = optarg;
        break;
      case 'R':
        c->reset_head = 1;
        break;
      case 'z':
        c->size = (uint32_t)option_whole(me, "--size", optarg, 32, 4096);
        break;
      case 'p':
        c->preset = optarg;
        break;
      case 'e':
        c->epochs = (uint32_t)option_whole(me, "--epochs", optarg, 1, 1000000);
        break;
      case 'B':
        c->batch = (uint32_t)option_whole(me, "--batch", optarg, 1, 4096);
        break;
      case 'S':
        c->seed = option_whole(me, "--seed", optarg, 0, UINT64_MAX), c->has_seed = 1;
        break;
      case 'f':
        c->folds = (uint32_t)option_whole(me, "--folds", optarg, 2, 1000000);
        break;
      case 'D':
        c->by_dataset = 1;
        break;
      case 'c':
        c->choose = (uint32_t)option_whole(me, "--choose", optarg, 2, 1000000);
        break;
      case 'v':
        for (c->validation = 0; c->validation < 3 && strcmp(optarg, kinds[c->validation]); c->validation++) {
        }
        if (c->validation == 3) usage_error(me, "--validation takes subjects, random or none, not '%s'", optarg);
        break;
      case 'j':
        c->workers = (uint32_t)option_whole(me, "--workers", optarg, 0, 256);
        break;
      case 's':
        if (sscanf(optarg, "%9u/%9u%c", &c->shard, &c->shards, &rest) != 2 || c->shard >= c->shards)
          usage_error(me, "--shard takes I/N with I below N, not '%s'", optarg);
        break;
      case 'M':
        if (c->merges == MOST_MERGES) usage_error(me, "--merge may be given %d times at most", MOST_MERGES);
        c->merge[c->merges++] = optarg;
        break;
      case 'o':
        c->out = optarg;
        break;
      case 'h':
        fputs(help, stdout);
        exit(program_ended("efme-loso", EXIT_DONE));
      default:
        exit(EXIT_USAGE);
      }
  if (!c->data.spec || !c->weights || optind != argc) usage_error(me, "needs --data and --weights and nothing else");
  if (c->folds && c->by_dataset) usage_error(me, "--folds and --datasets exclude each other");
}

static efme_status make_plan(efme_fold_plan **out, const efme_dataset *data, const struct choice *c) {
  efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
  options.validation = c->validation;
  if (c->has_seed) options.seed = c->seed;
  if (c->by_dataset) return efme_fold_plan_datasets(out, data, &options);
  if (c->folds) return efme_fold_plan_grouped(out, data, c->folds, &options);
  return efme_fold_plan_loso(out, data, &options);
}

/* The recipe with another optimizer in all its phases, and the paper's alpha. */
static efme_status make_candidate(efme_recipe **out, efme_context *context, const efme_recipe *base, uint32_t kind, int paper_alpha) {
  static const float alpha[3] = {0.27f, 0.35f, 0.38f};
  efme_train_options options = EFME_TRAIN_OPTIONS_INIT;
  efme_status status = efme_recipe_clone(out, base);
  if (status == EFME_OK) status = efme_recipe_get_options(*out, &options);
  if (paper_alpha) options.alpha = alpha, options.alpha_count = 3;
  if (status == EFME_OK) status = efme_recipe_set_options(*out, &options);
  if (status == EFME_OK) status = efme_recipe_clear_phases(*out);
  for (uint32_t i = 0; i < efme_recipe_phase_count(base) && status == EFME_OK; i++) {
    efme_phase phase = EFME_PHASE_INIT;
    efme_optimizer_options o = EFME_OPTIMIZER_OPTIONS_INIT;
    status = efme_recipe_get_phase(base, i, &phase);
    if (status == EFME_OK) status = efme_optimizer_get_options(phase.optimizer, &o);
    o.kind = kind;
    if (kind == EFME_SGD) o.learning_rate *= 10; /* its steps are not scaled to the gradient */
    if (status == EFME_OK) status = efme_optimizer_create(&phase.optimizer, context, &o);
    if (status != EFME_OK) break;
    status = efme_recipe_add_phase(*out, &phase);
    efme_optimizer_release(phase.optimizer);
  }
  return status;
}

/* What --choose chooses among besides the recipe itself. */
static efme_status make_candidates(efme_recipe *out[8], uint32_t *count, efme_context *context, const efme_recipe *base, uint32_t classes) {
  efme_status status = EFME_OK;
  for (int alpha = 0; alpha < (classes == 3 ? 2 : 1); alpha++)
    for (uint32_t kind = EFME_ADAM; kind <= EFME_RMSPROP && status == EFME_OK; kind++)
      if (alpha || kind != EFME_ADAM) status = make_candidate(&out[(*count)++], context, base, kind, alpha);
  return status;
}

static efme_status load_start(efme_model **out, efme_context *context, const efme_dataset *data, const struct choice *c) {
  const char *names[EFME_MAX_CLASSES];
  efme_load_options options = EFME_LOAD_OPTIONS_INIT;
  options.height = options.width = c->size;
  if (c->reset_head) {
    options.head = EFME_HEAD_RESET;
    options.class_count = efme_dataset_class_count(data);
    for (uint32_t i = 0; i < options.class_count; i++) names[i] = efme_dataset_class_name(data, i);
    options.class_names = names;
  }
  return efme_model_load(out, context, c->weights, &options);
}

/* metrics.json, predictions.csv and log.txt in the output folder. */
static efme_status write_result(const efme_result *result, const char *folder) {
  static const char *const names[] = {"metrics.json", "predictions.csv", "log.txt"};
  char paths[3][4096];
  for (int i = 0; i < 3; i++) snprintf(paths[i], sizeof paths[i], "%s/%s", folder, names[i]);
  return efme_result_write(result, paths[0], paths[1], paths[2]);
}

int main(int argc, char **argv) {
  struct choice c;
  memset(&c, 0, sizeof c);
  parse(&c, argc, argv);
  efme_context *context = NULL;
  efme_dataset *all = NULL, *data = NULL;
  efme_model *start = NULL;
  efme_recipe *recipe = NULL, *others[8] = {NULL};
  efme_fold_plan *plan = NULL;
  efme_evaluator *evaluator = NULL;
  efme_result *result = NULL;
  char *text = NULL;
  const char *what = "start";
  int clean = 1;
  efme_status status = program_start(&context, 0);
  if (status == EFME_OK) what = c.data.spec, status = data_open(&all, context, &c.data);
  if (status == EFME_OK) status = data_select(&data, all, &c.data);
  if (status == EFME_OK) what = c.weights, status = load_start(&start, context, data, &c);
  if (status == EFME_OK)
    what = "recipe",
    status = recipe_open(&recipe, context, c.preset ? c.preset : "head", c.epochs, c.batch, 0, c.has_seed ? &c.seed : NULL);
  if (status == EFME_OK) what = "fold plan", status = make_plan(&plan, data, &c);
  efme_evaluator_options options = EFME_EVALUATOR_OPTIONS_INIT;
  options.workers = c.workers, options.shard = c.shard, options.shards = c.shards, options.folder = c.out;
  options.alternatives = (const efme_recipe *const *)others, options.inner_folds = c.choose;
  if (status == EFME_OK && c.choose)
    what = "--choose", status = make_candidates(others, &options.alternative_count, context, recipe, efme_dataset_class_count(data));
  if (status == EFME_OK) what = "evaluator", status = efme_evaluator_create(&evaluator, start, data, plan, recipe, &options);
  for (int i = 0; i < c.merges && status == EFME_OK; i++) what = c.merge[i], status = efme_evaluator_merge(evaluator, c.merge[i]);
  if (status == EFME_OK) {
    printf("%u folds, %u done; recipe %s from %s, backend %s\n", efme_fold_plan_count(plan), efme_evaluator_done(evaluator),
           efme_recipe_preset(recipe), c.weights, efme_context_backend(context));
    what = "folds", status = efme_evaluator_run(evaluator, show_folds, NULL);
  }
  if (status == EFME_OK && efme_evaluator_done(evaluator) < efme_fold_plan_count(plan)) {
    printf("%u of %u folds are done; merge the other shards to score\n", efme_evaluator_done(evaluator), efme_fold_plan_count(plan));
  } else if (status == EFME_OK) {
    what = "result", status = efme_evaluator_result(&result, evaluator);
    if (status == EFME_OK) status = efme_result_text(result, &text);
    if (status == EFME_OK) printf("%s", text), clean = efme_result_clean(result);
    if (status == EFME_OK && c.out) what = c.out, status = write_result(result, c.out);
    if (status == EFME_OK && c.out) printf("wrote %s/metrics.json, predictions.csv, log.txt\n", c.out);
  }
  int code = status == EFME_OK ? clean ? EXIT_DONE : EXIT_FLAGGED : program_failed("efme-loso", what, status);
  efme_string_free(text);
  efme_result_release(result);
  efme_evaluator_release(evaluator);
  efme_fold_plan_release(plan);
  efme_recipe_release(recipe);
  for (int i = 0; i < 8; i++) efme_recipe_release(others[i]);
  efme_model_release(start);
  efme_dataset_release(data);
  efme_dataset_release(all);
  efme_context_release(context);
  return program_ended("efme-loso", code);
}
