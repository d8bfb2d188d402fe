/* efme-pretrain: trains Efficient-ME on a dataset, from scratch or from given weights, and writes the weights. */
#include "common.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: efme-pretrain --data SPEC --out FILE [options]\n"
    "Trains Efficient-ME and writes its weights as safetensors with their provenance.\n\n" DATA_HELP
    "  --validate RATIO     hold this part of the samples out for validation (whole subjects where there are any)\n"
    "  --test COLUMN=VALUE  afterwards score the samples of SPEC where this holds; images seen in training are left out, and counted\n"
    "  --preset NAME        scratch (default), paper-pretrain, paper-transfer, head, fine-tune\n"
    "  --start FILE         start weights; --reset-head draws a new head\n"
    "  --cut N  --size N    stage 1..7 after which B0 is cut (5), input side in pixels (48)\n"
    "  --epochs N  --batch N  --seed N  --rate X   change the preset\n"
    "  --checkpoint FILE    written every minute and on Ctrl-C; if it exists the run goes on from it\n"
    "  --threads N          0: one per CPU\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 interrupted (the checkpoint is valid).\n";

struct choice {
  struct data_choice data;
  const char *out, *preset, *start, *checkpoint, *test;
  double validate, rate;
  uint32_t cut, size, epochs, batch, threads;
  uint64_t seed;
  int has_seed, reset_head;
};

static void parse(struct choice *c, int argc, char **argv) {
  static const struct option options[] = {DATA_OPTIONS,
                                          {"validate", 1, 0, 'v'},
                                          {"test", 1, 0, 'T'},
                                          {"preset", 1, 0, 'p'},
                                          {"start", 1, 0, 's'},
                                          {"reset-head", 0, 0, 'R'},
                                          {"cut", 1, 0, 'c'},
                                          {"size", 1, 0, 'z'},
                                          {"epochs", 1, 0, 'e'},
                                          {"batch", 1, 0, 'B'},
                                          {"seed", 1, 0, 'S'},
                                          {"rate", 1, 0, 'r'},
                                          {"checkpoint", 1, 0, 'k'},
                                          {"threads", 1, 0, 't'},
                                          {"out", 1, 0, 'o'},
                                          {"help", 0, 0, 'h'},
                                          {0, 0, 0, 0}};
  const char *me = "efme-pretrain";
  for (int o; (o = getopt_long(argc, argv, "o:h", options, NULL)) != -1;)
    if (!option_data(me, &c->data, o, optarg)) switch (o) {
      case 'v':
        c->validate = option_number(me, "--validate", optarg, 0.01, 0.9);
        break;
      case 'T':
        c->test = optarg;
        break;
      case 'p':
        c->preset = optarg;
        break;
      case 's':
        c->start = optarg;
        break;
      case 'R':
        c->reset_head = 1;
        break;
      case 'c':
        c->cut = (uint32_t)option_whole(me, "--cut", optarg, 1, 7);
        break;
      case 'z':
        c->size = (uint32_t)option_whole(me, "--size", optarg, 32, 4096);
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
      case 'r':
        c->rate = option_number(me, "--rate", optarg, 1e-12, 1e3);
        break;
      case 'k':
        c->checkpoint = optarg;
        break;
      case 't':
        c->threads = (uint32_t)option_whole(me, "--threads", optarg, 0, 256);
        break;
      case 'o':
        c->out = optarg;
        break;
      case 'h':
        fputs(help, stdout);
        exit(program_ended("efme-pretrain", EXIT_DONE));
      default:
        exit(EXIT_USAGE);
      }
  if (!c->data.spec || !c->out || optind != argc) usage_error(me, "needs --data and --out and nothing else");
}

/* Hours of training must not end at a folder that is not there. */
static int can_write(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  if (slash && slash - path + 1 >= (ptrdiff_t)sizeof folder) return 0;
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
  return access(folder, W_OK) == 0;
}

static efme_status make_model(efme_model **out, efme_context *context, const efme_dataset *data, const struct choice *c) {
  const char *names[EFME_MAX_CLASSES];
  uint32_t classes = efme_dataset_class_count(data);
  for (uint32_t i = 0; i < classes; i++) names[i] = efme_dataset_class_name(data, i);
  if (c->start) {
    efme_load_options options = EFME_LOAD_OPTIONS_INIT;
    options.height = options.width = c->size;
    options.cut = c->cut;
    if (c->reset_head) options.head = EFME_HEAD_RESET, options.class_names = names, options.class_count = classes, options.seed = c->seed;
    return efme_model_load(out, context, c->start, &options);
  }
  efme_model_options options = EFME_MODEL_OPTIONS_INIT;
  if (c->cut) options.cut = c->cut;
  if (c->size) options.height = options.width = c->size;
  options.class_names = names;
  options.class_count = classes;
  if (c->has_seed) options.seed = c->seed;
  return efme_model_create(out, context, &options);
}

/* Splits off the validation part; data becomes the training part. */
static efme_status hold_out(efme_dataset **data, efme_dataset **validation, double ratio, uint64_t seed) {
  efme_dataset *train = NULL;
  efme_status status = efme_dataset_subject_count(*data) > 1 ? efme_dataset_split_subjects(&train, validation, *data, ratio, seed)
                                                             : efme_dataset_split(&train, validation, *data, ratio, seed);
  if (status != EFME_OK) return status;
  efme_dataset_release(*data);
  *data = train;
  return EFME_OK;
}

int main(int argc, char **argv) {
  struct choice c;
  memset(&c, 0, sizeof c);
  parse(&c, argc, argv);
  if (!can_write(c.out)) {
    fprintf(stderr, "efme-pretrain: %s: its folder is not there or cannot be written to\n", c.out);
    return EXIT_FAILED;
  }
  efme_context *context = NULL;
  efme_dataset *all = NULL, *data = NULL, *validation = NULL, *test = NULL;
  efme_recipe *recipe = NULL;
  efme_model *start = NULL, *trained = NULL;
  efme_trainer *trainer = NULL;
  efme_result *result = NULL;
  char *text = NULL;
  const char *what = "start";
  efme_evaluate_options scoring = EFME_EVALUATE_OPTIONS_INIT;
  scoring.exclude_seen = 1, scoring.progress = show_count;
  efme_status status = program_start(&context, c.threads);
  if (status == EFME_OK) what = c.data.spec, status = data_open(&all, context, &c.data);
  if (status == EFME_OK) status = data_select(&data, all, &c.data);
  struct data_choice held = {.where = {c.test}, .where_count = 1};
  if (status == EFME_OK && c.test) what = c.test, status = data_select(&test, all, &held);
  if (status == EFME_OK && c.validate > 0) what = "validation", status = hold_out(&data, &validation, c.validate, c.seed);
  if (status == EFME_OK) what = "describe", status = efme_dataset_describe(data, 0, &text);
  if (status == EFME_OK) printf("training data\n%s\n", text);
  if (status == EFME_OK)
    what = "recipe",
    status = recipe_open(&recipe, context, c.preset ? c.preset : "scratch", c.epochs, c.batch, c.rate, c.has_seed ? &c.seed : NULL);
  if (status == EFME_OK) what = c.start ? c.start : "model", status = make_model(&start, context, data, &c);
  if (status == EFME_OK) what = "trainer", status = efme_trainer_create(&trainer, start, recipe, data, validation);
  if (status == EFME_OK && c.checkpoint) what = c.checkpoint, status = efme_trainer_set_checkpoint(trainer, c.checkpoint, 60);
  if (status == EFME_OK) {
    printf("recipe %s, %s, %u threads, backend %s\n", efme_recipe_preset(recipe), c.start ? c.start : "from scratch",
           efme_context_threads(context), efme_context_backend(context));
    what = "training", status = efme_trainer_run(trainer, show_training, NULL);
  }
  if (status == EFME_OK) what = "result", status = efme_trainer_model(&trained, trainer);
  if (status == EFME_OK) what = c.out, status = efme_model_save(trained, c.out, EFME_WEIGHTS_F32);
  if (status == EFME_OK) printf("wrote %s\n", c.out);
  efme_string_free(text), text = NULL;
  if (status == EFME_OK && test) {
    what = c.test, status = efme_evaluate(&result, trained, test, &scoring);
    if (status == EFME_OK) what = "scores", status = efme_result_text(result, &text);
    if (status == EFME_OK) printf("test on %s\n%s", c.test, text);
  }
  int code = status == EFME_OK ? EXIT_DONE : program_failed("efme-pretrain", what, status);
  efme_string_free(text);
  efme_result_release(result);
  efme_trainer_release(trainer);
  efme_model_release(trained);
  efme_model_release(start);
  efme_recipe_release(recipe);
  efme_dataset_release(test);
  efme_dataset_release(validation);
  efme_dataset_release(data);
  efme_dataset_release(all);
  efme_context_release(context);
  return program_ended("efme-pretrain", code);
}
