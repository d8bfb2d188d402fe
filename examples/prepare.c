/* efme-prepare: released archives, or any dataset of photos, become a folder of aligned faces with a manifest. */
#include "common.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

static const char help[] =
    "Usage: efme-prepare --out FOLDER (--smic DIR --casme2 DIR --samm DIR | --data SPEC) [options]\n"
    "Finds the face of every sample, turns it upright, cuts it out, and writes FOLDER/faces/*.png, manifest.csv (for --data "
    "manifest:...),\n"
    "decisions.json and faces.html, a page of all faces to look through. Called again it does only what changed or was not done.\n\n"
    "  --smic DIR, --casme2 DIR, --samm DIR   the unpacked archives SMIC-HS, CASME II and SAMM: all three make the 442 clips of the\n"
    "                       MEGC 2019 composite; one alone is taken whole, as far as its labels are negative, positive or surprise\n"
    "  --casme2-table FILE, --samm-table FILE annotation table, .xlsx or .csv; else it is looked for in DIR\n"
    "  --truth FILE         the organisers' list of clips and labels, in place of the rules that give the same\n"
    "  --apex RULE          annotated (default; SMIC: the middle frame), middle, difference\n" DATA_HELP
    "  --mode MODE          rotated (default), paper, similarity\n"
    "  --size N             side of a face in pixels (224)\n"
    "  --whole              images are faces already: no detection, only resized\n"
    "  --detector FILE      weights of the face detector, if not where tools/mtcnn.py puts them\n"
    "  --min-face N         smallest face in pixels that is looked for (40)\n"
    "  --skip               leave out samples without a face or unreadable; faces.html shows them\n"
    "  --workers N          samples at a time (one per thread)\n"
    "  --threads N          0: one per CPU\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 interrupted (go on with the same command).\n";

static const char me[] = "efme-prepare";

enum { SMIC, CASME2, SAMM, RELEASES };
static const char *const release_names[RELEASES] = {"smic-hs", "casme2", "samm"};

struct choice {
  struct data_choice data;
  efme_release_options release[RELEASES];
  const char *out, *truth, *detector;
  efme_align_options align;
  uint32_t whole, skip, workers, threads, min_face;
};

static uint32_t one_of(const char *option, const char *text, const char *const *words, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (!strcmp(text, words[i])) return i;
  usage_error(me, "%s cannot be '%s'", option, text);
}

enum {
  ROOT = 256,
  TABLE = ROOT + RELEASES,
  OUT = TABLE + RELEASES,
  TRUTH,
  APEX,
  MODE,
  SIZE,
  WHOLE,
  DETECTOR,
  MIN_FACE,
  SKIP,
  WORKERS,
  THREADS
};

static void parse(struct choice *c, int argc, char **argv) {
  static const struct option options[] = {{"smic", 1, 0, ROOT + SMIC},
                                          {"casme2", 1, 0, ROOT + CASME2},
                                          {"samm", 1, 0, ROOT + SAMM},
                                          {"casme2-table", 1, 0, TABLE + CASME2},
                                          {"samm-table", 1, 0, TABLE + SAMM},
                                          {"out", 1, 0, OUT},
                                          {"truth", 1, 0, TRUTH},
                                          {"apex", 1, 0, APEX},
                                          {"mode", 1, 0, MODE},
                                          {"size", 1, 0, SIZE},
                                          {"whole", 0, 0, WHOLE},
                                          {"detector", 1, 0, DETECTOR},
                                          {"min-face", 1, 0, MIN_FACE},
                                          {"skip", 0, 0, SKIP},
                                          {"workers", 1, 0, WORKERS},
                                          {"threads", 1, 0, THREADS},
                                          {"help", 0, 0, 'h'},
                                          DATA_OPTIONS,
                                          {0, 0, 0, 0}};
  static const char *const modes[] = {"rotated", "paper", "similarity"}, *const rules[] = {"annotated", "middle", "difference"};
  static const uint32_t apex[] = {EFME_APEX_DEFAULT, EFME_APEX_MIDDLE_FRAME, EFME_APEX_DIFFERENCE};
  int roots = 0;
  for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
    if (o >= ROOT && o < ROOT + RELEASES) c->release[o - ROOT].root = optarg, roots++;
    else if (o >= TABLE && o < TABLE + RELEASES) c->release[o - TABLE].table = optarg;
    else if (o == OUT) c->out = optarg;
    else if (o == TRUTH) c->truth = optarg;
    else if (o == APEX)
      for (int i = 0; i < RELEASES; i++) c->release[i].apex = apex[one_of("--apex", optarg, rules, 3)];
    else if (o == MODE) c->align.mode = one_of("--mode", optarg, modes, 3);
    else if (o == SIZE) c->align.width = c->align.height = (uint32_t)option_whole(me, "--size", optarg, 16, 4096);
    else if (o == WHOLE) c->whole = 1;
    else if (o == DETECTOR) c->detector = optarg;
    else if (o == MIN_FACE) c->min_face = (uint32_t)option_whole(me, "--min-face", optarg, 12, 65536);
    else if (o == SKIP) c->skip = 1;
    else if (o == WORKERS) c->workers = (uint32_t)option_whole(me, "--workers", optarg, 0, 64);
    else if (o == THREADS) c->threads = (uint32_t)option_whole(me, "--threads", optarg, 0, 256);
    else if (o == 'h') fputs(help, stdout), exit(program_ended(me, EXIT_DONE));
    else if (!option_data(me, &c->data, o, optarg)) exit(EXIT_USAGE);
  }
  if (optind != argc) usage_error(me, "'%s' is one word too many", argv[optind]);
  if (!c->out) usage_error(me, "needs --out");
  if (!c->data.spec == !roots) usage_error(me, "needs either --smic, --casme2, --samm or --data");
  if (roots == 2) usage_error(me, "the composite needs all of --smic, --casme2 and --samm");
  for (int i = 0; i < RELEASES; i++)
    if (c->release[i].table && !c->release[i].root)
      usage_error(me, "--%s-table without --%s", i == SAMM ? "samm" : "casme2", i == SAMM ? "samm" : "casme2");
}

/* Workbooks become CSV tables in the output folder: the library reads those only. 0 where that failed. */
static int make_tables(struct choice *c) {
  static char paths[RELEASES][4096];
  for (int i = 0; i < RELEASES; i++) {
    if (!c->release[i].root || i == SMIC) continue;
    if (!table_as_csv(paths[i], sizeof paths[i], me, c->release[i].root, c->release[i].table, c->out)) return 0;
    if (*paths[i]) c->release[i].table = paths[i];
  }
  return 1;
}

static efme_status open_releases(efme_dataset **out, efme_context *context, const struct choice *c) {
  efme_dataset_options options = EFME_DATASET_OPTIONS_INIT;
  efme_megc2019_options composite = EFME_MEGC2019_OPTIONS_INIT;
  options.progress = show_count, options.lenient = c->skip;
  composite.truth = c->truth, composite.dataset = &options, composite.partial = c->skip;
  const efme_release_options *r = c->release;
  if (r[SMIC].root && r[CASME2].root) return efme_dataset_open_megc2019(out, context, &r[SMIC], &r[CASME2], &r[SAMM], &composite);
  efme_dataset *whole = NULL;
  int one = r[SMIC].root ? SMIC : r[CASME2].root ? CASME2 : SAMM;
  efme_status status = efme_dataset_open_release(&whole, context, &r[one], &options);
  if (status == EFME_OK) status = efme_dataset_map_labels(out, whole, efme_label_map_builtin("meg3"));
  efme_dataset_release(whole);
  return status;
}

static efme_status open_data(efme_dataset **out, efme_context *context, struct choice *c) {
  if (!c->data.spec) return open_releases(out, context, c);
  efme_dataset *all = NULL;
  efme_status status = data_open(&all, context, &c->data);
  if (status == EFME_OK) status = data_select(out, all, &c->data);
  efme_dataset_release(all);
  return status;
}

/* One for each sample that is worked on at once: samples side by side are faster than the threads of one. */
static efme_status open_detectors(efme_face_detector *out[64], uint32_t *count, efme_context *context, const struct choice *c) {
  efme_face_options options = EFME_FACE_OPTIONS_INIT;
  efme_status status = EFME_OK;
  uint32_t wanted = c->workers ? c->workers : efme_context_threads(context) < 64 ? efme_context_threads(context) : 64;
  if (c->min_face) options.min_face_size = c->min_face;
  options.threads = 1;
  for (; !c->whole && *count < wanted && status == EFME_OK; *count += status == EFME_OK)
    status = efme_face_detector_create(&out[*count], context, c->detector, &options);
  return status;
}

static void report(const struct choice *c, const efme_dataset *data, const efme_prepared *n) {
  char *table = NULL;
  if (efme_dataset_describe(data, 0, &table) == EFME_OK) printf("%s\n", table), efme_string_free(table);
  printf("%llu faces in %s: %llu made, %llu kept; %llu samples left out, %llu with a warning\n", (unsigned long long)(n->made + n->kept),
         c->out, (unsigned long long)n->made, (unsigned long long)n->kept, (unsigned long long)n->left_out, (unsigned long long)n->warned);
  printf("look through %s/faces.html; train and test with --data manifest:%s/manifest.csv\n", c->out, c->out);
}

int main(int argc, char **argv) {
  struct choice c = {.align = EFME_ALIGN_OPTIONS_INIT};
  for (int i = 0; i < RELEASES; i++) {
    c.release[i] = (efme_release_options)EFME_RELEASE_OPTIONS_INIT;
    c.release[i].name = release_names[i];
  }
  parse(&c, argc, argv);
  efme_context *context = NULL;
  efme_dataset *data = NULL;
  efme_face_detector *detectors[64];
  uint32_t detector_count = 0;
  efme_prepare_options options = EFME_PREPARE_OPTIONS_INIT;
  efme_prepared done = EFME_PREPARED_INIT;
  const char *what = "start";
  efme_status status = program_start(&context, c.threads);
  if (status == EFME_OK) what = "face detector", status = open_detectors(detectors, &detector_count, context, &c);
  int tables = status == EFME_OK && make_tables(&c); /* says itself what is wrong */
  if (tables) what = "data", status = open_data(&data, context, &c);
  if (detector_count) options.detectors = detectors, options.detector_count = detector_count;
  else options.workers = c.workers;
  options.align = &c.align, options.whole = c.whole, options.lenient = c.skip;
  options.progress = show_count;
  if (data) what = c.out, status = efme_prepare(data, c.out, &options, &done);
  int code = status != EFME_OK ? program_failed(me, what, status) : tables ? EXIT_DONE : EXIT_FAILED;
  if (code == EXIT_DONE) report(&c, data, &done);
  while (detector_count) efme_face_detector_release(detectors[--detector_count]);
  efme_dataset_release(data);
  efme_context_release(context);
  return program_ended(me, code);
}
