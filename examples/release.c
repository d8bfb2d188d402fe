/* efme-release: writes SMIC-HS, CASME II and SAMM with drawn faces, in the official layouts, for who has no licence for the real ones. */
#include "common.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: efme-release FOLDER [options]\n"
    "Writes SMIC/, CASME2/ and SAMM/ into FOLDER, which must be empty or not there yet: synthetic clips under the official names, with "
    "the\n"
    "subjects and classes of the MEGC 2019 composite (442 clips, 68 subjects), annotation tables as CSV, and truth.csv with the face of\n"
    "each apex frame.\n\n"
    "  --seed N         other people, clips and numbers (default 1)\n"
    "  --frame W,H      size of a frame in pixels (160,120)\n"
    "  --frames A,B     from A to B frames between onset and offset (8,14)\n"
    "  --quality N      of JPEG, 1 to 100 (90)\n"
    "  --subjects N     only the first N of each set\n"
    "  --clips N        only the first N of each subject\n"
    "  --detect         draw faces that the face detector misses again\n"
    "  --detector FILE  its weights, if not where tools/mtcnn.py puts them; with --detect\n"
    "  --threads N      0: one per CPU. Files do not depend on it\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 interrupted (FOLDER holds a part).\n";

static const char me[] = "efme-release";

static void option_pair(const char *option, const char *text, uint32_t *a, uint32_t *b) {
  char rest;
  if (sscanf(text, "%5u,%5u%c", a, b, &rest) != 2) usage_error(me, "%s takes two whole numbers, A,B, not '%s'", option, text);
}

struct judge {
  int wanted;
  const char *weights;
  efme_face_detector *detector;
};

/* The faces of frames of 160 x 120 are twice as high, of other frames too where they are no smaller. */
static efme_status open_judge(struct judge *judge, efme_context *context) {
  efme_face_options options = EFME_FACE_OPTIONS_INIT;
  options.min_face_size = 24;
  return efme_face_detector_create(&judge->detector, context, judge->weights, &options);
}

static efme_status accept_face(const efme_image *image, void *user) {
  struct judge *judge = user;
  uint32_t count;
  return efme_face_detector_run(judge->detector, image, &count);
}

static const char *parse(efme_synthetic_release_options *o, struct judge *judge, uint32_t *threads, int argc, char **argv) {
  static const struct option options[] = {
      {"seed", 1, 0, 's'},  {"frame", 1, 0, 'f'},   {"frames", 1, 0, 'n'}, {"quality", 1, 0, 'q'},  {"subjects", 1, 0, 'p'},
      {"clips", 1, 0, 'c'}, {"threads", 1, 0, 't'}, {"detect", 0, 0, 'd'}, {"detector", 1, 0, 'D'}, {"help", 0, 0, 'h'},
      {0, 0, 0, 0}};
  for (int k; (k = getopt_long(argc, argv, "h", options, NULL)) != -1;) switch (k) {
    case 's':
      o->seed = option_whole(me, "--seed", optarg, 0, UINT64_MAX);
      break;
    case 'f':
      option_pair("--frame", optarg, &o->width, &o->height);
      break;
    case 'n':
      option_pair("--frames", optarg, &o->frames_min, &o->frames_max);
      break;
    case 'q':
      o->quality = (uint32_t)option_whole(me, "--quality", optarg, 1, 100);
      break;
    case 'p':
      o->subjects = (uint32_t)option_whole(me, "--subjects", optarg, 1, 28);
      break;
    case 'c':
      o->clips = (uint32_t)option_whole(me, "--clips", optarg, 1, 1000);
      break;
    case 'd':
      judge->wanted = 1;
      break;
    case 'D':
      judge->weights = optarg;
      break;
    case 't':
      *threads = (uint32_t)option_whole(me, "--threads", optarg, 0, 256);
      break;
    case 'h':
      fputs(help, stdout);
      exit(program_ended(me, EXIT_DONE));
    default:
      exit(EXIT_USAGE);
    }
  if (optind + 1 != argc) usage_error(me, "needs one folder");
  if (judge->weights && !judge->wanted) usage_error(me, "--detector goes with --detect");
  return argv[optind];
}

int main(int argc, char **argv) {
  efme_synthetic_release_options options = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
  uint32_t threads = 0;
  struct judge judge = {0, NULL, NULL};
  const char *folder = parse(&options, &judge, &threads, argc, argv), *what = folder;
  options.progress = show_count;
  efme_context *context = NULL;
  efme_status status = program_start(&context, threads);
  if (status == EFME_OK && judge.wanted) what = "face detector", status = open_judge(&judge, context);
  if (judge.wanted) options.accept = accept_face, options.accept_user = &judge;
  if (status == EFME_OK) what = folder, status = efme_synthetic_release_write(context, folder, &options);
  int code = status == EFME_OK ? EXIT_DONE : program_failed(me, what, status);
  if (code == EXIT_DONE)
    printf("wrote %s: SMIC/HS, CASME2/CASME2-RAW and CASME2-coding-20140508.csv, SAMM/SAMM and SAMM_Micro_FACS_Codes_v2.csv, truth.csv\n",
           folder);
  efme_face_detector_release(judge.detector);
  efme_context_release(context);
  return program_ended(me, code);
}
