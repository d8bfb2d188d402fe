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
    "  --threads N      0: one per CPU. Files do not depend on it\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 interrupted (FOLDER holds a part).\n";

static const char me[] = "efme-release";

static void option_pair(const char *option, const char *text, uint32_t *a, uint32_t *b) {
  char rest;
  if (sscanf(text, "%5u,%5u%c", a, b, &rest) != 2) usage_error(me, "%s takes two whole numbers, A,B, not '%s'", option, text);
}

static const char *parse(efme_synthetic_release_options *o, uint32_t *threads, int argc, char **argv) {
  static const struct option options[] = {{"seed", 1, 0, 's'},    {"frame", 1, 0, 'f'},    {"frames", 1, 0, 'n'},
                                          {"quality", 1, 0, 'q'}, {"subjects", 1, 0, 'p'}, {"clips", 1, 0, 'c'},
                                          {"threads", 1, 0, 't'}, {"help", 0, 0, 'h'},     {0, 0, 0, 0}};
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
  return argv[optind];
}

int main(int argc, char **argv) {
  efme_synthetic_release_options options = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
  uint32_t threads = 0;
  const char *folder = parse(&options, &threads, argc, argv);
  options.progress = show_count;
  efme_context *context = NULL;
  efme_status status = program_start(&context, threads);
  if (status == EFME_OK) status = efme_synthetic_release_write(context, folder, &options);
  int code = status == EFME_OK ? EXIT_DONE : program_failed(me, folder, status);
  if (code == EXIT_DONE)
    printf("wrote %s: SMIC/HS, CASME2/CASME2-RAW and CASME2-coding-20140508.csv, SAMM/SAMM and SAMM_Micro_FACS_Codes_v2.csv, truth.csv\n",
           folder);
  efme_context_release(context);
  return program_ended(me, code);
}
