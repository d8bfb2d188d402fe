/* The programs from outside: what --help says, every exit code that it names, lines for scripts and for terminals, Ctrl-C,
 * and one small way through all of them. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "examples/run.h"
#include "test.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define HAS(text, part) ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%.2000s", part, text)
#define LACKS(text, part) ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in:\n%.2000s", part, text)
#define ENDS(r, wanted)                                                                                                                    \
  ck_assert_msg((r).code == (wanted), "exit code %d, not %d:\n%.2000s\n%.2000s", (r).code, wanted, (r).output, (r).errors)

/* Other people than SOME; small and quick. */
#define OTHERS "synthetic:subjects=6,samples=6,size=32,first=100"
#define SOME "synthetic:subjects=4,samples=6,size=32"

static char folder[64];

static const char *in(const char *name) {
  static char paths[16][160];
  static int turn;
  char *p = paths[turn++ & 15];
  snprintf(p, sizeof paths[0], "%s/%s", folder, name);
  return p;
}

static int exists(const char *path) { return access(path, R_OK) == 0; }

static void put(const char *name, const char *data, size_t size) {
  FILE *f = fopen(in(name), "wb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(data, 1, size, f), size);
  fclose(f);
}

/* The whole file, NUL behind it; free it. */
static char *get(const char *path) {
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "%s is not there", path);
  fseek(f, 0, SEEK_END);
  size_t n = (size_t)ftell(f);
  rewind(f);
  char *data = malloc(n + 1);
  ck_assert_uint_eq(fread(data, 1, n, f), n);
  data[n] = '\0';
  fclose(f);
  return data;
}

static struct run pretrain(const char *name, const char *epochs) {
  return run_program(
      PRETRAIN, ARGS("--data", OTHERS, "--size", "32", "--cut", "1", "--epochs", epochs, "--threads", "1", "--out", in(name)), 0, NULL);
}

static void setup(void) {
  strcpy(folder, "/tmp/efme-examples-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  char pixels[64 * 64 + 32];
  int n = snprintf(pixels, sizeof pixels, "P5 64 64 255\n");
  for (int i = 0; i < 64 * 64; i++) pixels[n + i] = (char)(i * 7);
  put("grey.pgm", pixels, (size_t)n + 64 * 64);
  put("bad.png", "no image", 8);
  struct run r = pretrain("weights", "2");
  ENDS(r, 0);
}

static void teardown(void) {
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}

static const struct program {
  const char *path, *name;
  int codes; /* exit codes 0 .. codes - 1 are documented */
} programs[] = {{PRETRAIN, "efme-pretrain", 4},
                {LOSO, "efme-loso", 5},
                {PREDICT, "efme-predict", 4},
                {RELEASE, "efme-release", 4},
                {PREPARE, "efme-prepare", 4}};

START_TEST(help) {
  const struct program *p = &programs[_i];
  char usage[64], code[16];
  snprintf(usage, sizeof usage, "Usage: %s ", p->name);
  struct run r = run_program(p->path, ARGS("--help"), 0, NULL);
  ENDS(r, 0);
  ck_assert_msg(strncmp(r.output, usage, strlen(usage)) == 0, "%s", r.output);
  ck_assert_str_eq(r.errors, "");
  const char *codes = strstr(r.output, "Exit codes: ");
  ck_assert_ptr_nonnull(codes);
  for (int k = 0; k < p->codes; k++) {
    snprintf(code, sizeof code, " %d ", k);
    HAS(codes, code);
  }
}
END_TEST

static const struct {
  const char *program, *arguments[12], *says;
} wrong_usage[] = {
    {PRETRAIN, {NULL}, "needs --data and --out"},
    {PRETRAIN, {"--data", OTHERS}, "needs --data and --out"},
    {PRETRAIN, {"--data", OTHERS, "--out", "x", "more"}, "and nothing else"},
    {PRETRAIN, {"--no-such-option"}, "no-such-option"},
    {PRETRAIN, {"--data"}, "requires an argument"},
    {PRETRAIN, {"--epochs", "0"}, "--epochs takes a whole number from 1 to 1000000, not '0'"},
    {PRETRAIN, {"--epochs", "2.5"}, "not '2.5'"},
    {PRETRAIN, {"--epochs", "1e3"}, "not '1e3'"},
    {PRETRAIN, {"--epochs", ""}, "not ''"},
    {PRETRAIN, {"--epochs", "-1"}, "not '-1'"},
    {PRETRAIN, {"--seed", "18446744073709551616"}, "--seed takes"},
    {PRETRAIN, {"--cut", "8"}, "--cut takes"},
    {PRETRAIN, {"--size", "31"}, "--size takes"},
    {PRETRAIN, {"--rate", "nan"}, "--rate takes a number"},
    {PRETRAIN, {"--validate", "1"}, "--validate takes a number"},
    {PRETRAIN, {"--threads", "257"}, "--threads takes"},
    {PRETRAIN, {"--data", "nonsense", "--out", "x"}, "no dataset kind 'nonsense'"},
    {PRETRAIN, {"--data", "synthetic:subject=3", "--out", "x"}, "no setting 'subject'"},
    {PRETRAIN, {"--data", "synthetic:subjects", "--out", "x"}, "'subjects' is not name=value"},
    {PRETRAIN, {"--data", "synthetic:subjects=x", "--out", "x"}, "subjects takes"},
    {PRETRAIN, {"--data", OTHERS, "--out", "x", "--where", "label"}, "expected COLUMN=VALUE"},
    {PRETRAIN, {"--data", "manifest:x", "--out", "x", "--map", "no-map"}, NULL}, /* the data are opened first */
    {LOSO, {NULL}, "needs --data and --weights"},
    {LOSO, {"--data", SOME, "--weights", "w", "--validation", "some"}, "--validation takes subjects, random or none, not 'some'"},
    {LOSO, {"--shard", "2/2"}, "--shard takes I/N"},
    {LOSO, {"--shard", "1"}, "--shard takes I/N"},
    {LOSO, {"--shard", "0/2x"}, "--shard takes I/N"},
    {LOSO, {"--data", SOME, "--weights", "w", "--folds", "2", "--datasets"}, "exclude each other"},
    {LOSO, {"--workers", "many"}, "--workers takes"},
    {PREDICT, {NULL}, "needs --weights"},
    {PREDICT, {"--weights", "w"}, "either images or --synthetic"},
    {PREDICT, {"--weights", "w", "--synthetic", "3", "x.png"}, "either images or --synthetic"},
    {PREDICT, {"--weights", "w", "--box", "1,2,3", "x.png"}, "--box takes X,Y,W,H"},
    {PREDICT, {"--weights", "w", "--box", "1,2,3,4,5", "x.png"}, "--box takes X,Y,W,H"},
    {PREDICT, {"--weights", "w", "--box", "0,0,0,4", "x.png"}, "--box takes X,Y,W,H"},
    {PREDICT, {"--weights", "w", "--synthetic", "577"}, "--synthetic takes"},
    {RELEASE, {NULL}, "needs one folder"},
    {RELEASE, {"a", "b"}, "needs one folder"},
    {RELEASE, {"x", "--frame", "160"}, "--frame takes two whole numbers, A,B, not '160'"},
    {RELEASE, {"x", "--frames", "8,14,"}, "--frames takes two whole numbers"},
    {RELEASE, {"x", "--quality", "0"}, "--quality takes"},
    {RELEASE, {"x", "--subjects", "29"}, "--subjects takes"},
    {RELEASE, {"x", "--clips", "0"}, "--clips takes"},
    {RELEASE, {"x", "--seed", "-1"}, "--seed takes"},
    {RELEASE, {"x", "--detector", "y"}, "--detector goes with --detect"},
    {PREPARE, {NULL}, "needs --out"},
    {PREPARE, {"--out", "x"}, "needs either --smic, --casme2, --samm or --data"},
    {PREPARE, {"--out", "x", "--data", "synthetic", "--samm", "y"}, "needs either"},
    {PREPARE, {"--out", "x", "--smic", "y", "--samm", "z"}, "the composite needs all of"},
    {PREPARE, {"--out", "x", "--smic", "y", "--samm-table", "z"}, "--samm-table without --samm"},
    {PREPARE, {"--out", "x", "--smic", "y", "--mode", "upright"}, "--mode cannot be 'upright'"},
    {PREPARE, {"--out", "x", "--smic", "y", "--size", "8"}, "--size takes"},
};

START_TEST(usage) {
  struct run r = run_program(wrong_usage[_i].program, wrong_usage[_i].arguments, 0, NULL);
  if (!wrong_usage[_i].says) {
    ENDS(r, 1);
    return;
  }
  ENDS(r, 2);
  ck_assert_str_eq(r.output, "");
  HAS(r.errors, wrong_usage[_i].says);
}
END_TEST

/* A filter that is silently left out would change the data that a figure is about. */
START_TEST(too_many_conditions) {
  const char *arguments[40] = {"--data", SOME, "--out", "x"};
  for (int i = 4; i < 4 + 18; i += 2) arguments[i] = "--where", arguments[i + 1] = "label=positive";
  struct run r = run_program(PRETRAIN, arguments, 0, NULL);
  ENDS(r, 2);
  HAS(r.errors, "--where may be given 8 times at most");
}
END_TEST

START_TEST(failures) {
  struct run r = run_program(PRETRAIN, ARGS("--data", "fer2013:/no/such.csv", "--out", in("x")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "efme-pretrain: fer2013:/no/such.csv: /no/such.csv: ");
  HAS(r.errors, "(EFME_E_IO)");
  r = run_program(PRETRAIN, ARGS("--data", OTHERS, "--out", in("no/such/folder")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "no/such/folder: its folder is not there");
  LACKS(r.output, "epoch"); /* told before the training */
  r = run_program(PRETRAIN, ARGS("--data", OTHERS, "--preset", "no-such", "--out", in("x")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "no preset 'no-such'");
  r = run_program(PRETRAIN, ARGS("--data", OTHERS, "--where", "label=joy", "--out", in("x")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "\"joy\"");
  ck_assert(!exists(in("x")));
  r = run_program(LOSO, ARGS("--data", SOME, "--weights", in("absent")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "absent");
  /* these weights have seen the tested people */
  r = run_program(LOSO, ARGS("--data", OTHERS, "--weights", in("weights")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "(EFME_E_LEAK)");
  HAS(r.errors, "synthetic/1-00100");
  r = run_program(PREDICT, ARGS("--weights", in("bad.png"), in("grey.pgm")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "bad.png");
  r = run_program(RELEASE, ARGS(folder), 0, NULL); /* it holds our files */
  ENDS(r, 1);
  HAS(r.errors, "is not empty");
  HAS(r.errors, "(EFME_E_STATE)");
  r = run_program(RELEASE, ARGS(in("x"), "--frame", "160,20"), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "height is 20, not 48..1024");
}
END_TEST

/* ---- good runs ---- */

START_TEST(pretrain_for_scripts) {
  struct run r = pretrain("again", "2");
  ENDS(r, 0);
  HAS(r.output, "recipe scratch+changed, from scratch, 1 threads, backend cpu");
  HAS(r.output, "\ntrain phase 1/1 epoch 1/2  loss ");
  HAS(r.output, "\ntrain phase 1/1 epoch 2/2  loss ");
  HAS(r.output, "wrote ");
  LACKS(r.output, "\r");
  LACKS(r.output, "\033");
  char *a = get(in("weights")), *b = get(in("again"));
  ck_assert_msg(!memcmp(a, b, 4096), "two equal runs wrote different files");
  free(a), free(b);
}
END_TEST

/* The line of a step comes when an epoch takes more than a quarter of a second: many people, small batches. Then Ctrl-C. */
/* 1, said and counted, where this system gives no terminals (a bare chroot). */
static int no_terminal(void) {
  int fd = posix_openpt(O_RDWR | O_NOCTTY);
  if (fd >= 0) return close(fd), 0;
  printf("SKIP: no pseudo-terminal can be had here\n");
  test_skips++;
  return 1;
}

START_TEST(pretrain_on_a_terminal) {
  if (no_terminal()) return;
  const char *many = "synthetic:subjects=1000,samples=24,size=32";
  struct run r =
      run_program(PRETRAIN, ARGS("--data", many, "--size", "32", "--cut", "1", "--batch", "2", "--out", in("t")), RUN_TERMINAL, " s left");
  ENDS(r, 3);
  const char *step = strstr(r.output, "\r\033[Ktrain phase 1/1 epoch 1/20 step ");
  ck_assert_msg(step && strstr(step, " images/s ") && strstr(step, " s left"), "%.2000s", r.output);
  HAS(r.output, "training: interrupted");
}
END_TEST

START_TEST(release) {
  const char *const few[] = {in("released"), "--subjects", "2", "--clips", "1", "--frame", "64,48", "--frames", "4,6", "--seed", "7", NULL};
  struct run r = run_program(RELEASE, few, 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "wrote ");
  HAS(r.output, "/released: SMIC/HS, ");
  LACKS(r.output, "\r");
  ck_assert(exists(in("released/SMIC/HS/s1/micro")) && exists(in("released/CASME2/CASME2-RAW/sub01")) &&
            exists(in("released/SAMM/SAMM/006")));
  ck_assert(exists(in("released/CASME2/CASME2-coding-20140508.csv")) && exists(in("released/SAMM/SAMM_Micro_FACS_Codes_v2.csv")));
  char *truth = get(in("released/truth.csv"));
  int lines = 0;
  for (const char *p = truth; (p = strchr(p, '\n')); p++) lines++;
  ck_assert_int_eq(lines, 1 + 3 * 2);
  free(truth);
  /* Ctrl-C once it counts */
  if (no_terminal()) return;
  r = run_program(RELEASE, ARGS(in("stopped"), "--threads", "1"), RUN_TERMINAL, "clips ");
  ENDS(r, 3);
  HAS(r.output, "interrupted");
  ck_assert(!exists(in("stopped/truth.csv")));
}
END_TEST

START_TEST(prepare) {
  const char *const few[] = {in("archives"), "--subjects", "2", "--clips", "2", "--frame", "64,48", "--frames", "4,6", NULL};
  struct run r = run_program(RELEASE, few, 0, NULL);
  ENDS(r, 0);
  const char *const first[] = {"--casme2", in("archives/CASME2"), "--out", in("faces"), "--whole", "--size", "32", NULL};
  r = run_program(PREPARE, first, 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "4 faces in ");
  HAS(r.output, ": 4 made, 0 kept; 0 samples left out");
  LACKS(r.output, "\r");
  ck_assert(exists(in("faces/manifest.csv")) && exists(in("faces/decisions.json")) && exists(in("faces/faces.html")));
  r = run_program(PREPARE, first, 0, NULL);
  ENDS(r, 0);
  HAS(r.output, ": 0 made, 4 kept");
  /* that the composite is not whole is an error, and which command it lacks without a detector */
  const char *const composite[] = {
      "--smic", in("archives/SMIC"), "--casme2", in("archives/CASME2"), "--samm", in("archives/SAMM"), "--out", in("all"), "--whole", NULL};
  r = run_program(PREPARE, composite, 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "EFME_E_MISMATCH");
  const char *const lost[] = {"--casme2", in("archives/CASME2"), "--out", in("lost"), "--detector", in("absent.safetensors"), NULL};
  r = run_program(PREPARE, lost, 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "face detector: ");
  HAS(r.errors, "absent.safetensors");
  ck_assert(!exists(in("lost")));
#ifdef CSV2XLSX
  /* the table as a workbook, as it is released */
  const char *const book[] = {in("archives/CASME2/CASME2-coding-20140508.csv"), in("archives/CASME2/CASME2-coding-20140508.xlsx"), NULL};
  r = run_program(CSV2XLSX, book, 0, NULL);
  ENDS(r, 0);
  ck_assert_int_eq(unlink(in("archives/CASME2/CASME2-coding-20140508.csv")), 0);
  const char *const again[] = {"--casme2", in("archives/CASME2"), "--out", in("books"), "--whole", "--size", "32", NULL};
  r = run_program(PREPARE, again, 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "/books/tables/CASME2-coding-20140508.csv: made of ");
  HAS(r.output, ": 4 made, 0 kept");
  put("archives/CASME2/other.xlsx", "no workbook", 11);
  r = run_program(PREPARE, again, 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "several workbooks");
  const char *const named[] = {
      "--casme2", in("archives/CASME2"), "--out", in("books"), "--whole", "--casme2-table", in("archives/CASME2/other.xlsx"), NULL};
  r = run_program(PREPARE, named, 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "other.xlsx");
#endif
}
END_TEST

START_TEST(loso_then_predict) {
  struct run r = run_program(LOSO, ARGS("--data", SOME, "--weights", in("weights"), "--epochs", "3", "--out", in("run")), 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "4 folds, 0 done; recipe head+changed");
  HAS(r.output, "UF1");
  HAS(r.output, "decoder synthetic");
  HAS(r.output, "/metrics.json, predictions.csv, log.txt\n");
  LACKS(r.output, "\r");
  ck_assert(exists(in("run/metrics.json")) && exists(in("run/predictions.csv")) && exists(in("run/log.txt")));
  char *whole = get(in("run/predictions.csv"));
  /* again: nothing is left to do, and the same comes out */
  r = run_program(LOSO, ARGS("--data", SOME, "--weights", in("weights"), "--epochs", "3", "--out", in("run")), 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "4 folds, 4 done");
  /* in two shards, merged */
  r = run_program(LOSO, ARGS("--data", SOME, "--weights", in("weights"), "--epochs", "3", "--shard", "0/2", "--out", in("a")), 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "2 of 4 folds are done; merge the other shards to score");
  r = run_program(LOSO,
                  ARGS("--data", SOME, "--weights", in("weights"), "--epochs", "3", "--shard", "1/2", "--merge", in("a"), "--out", in("b")),
                  0, NULL);
  ENDS(r, 0);
  char *merged = get(in("b/predictions.csv"));
  ck_assert_str_eq(whole, merged);
  free(whole), free(merged);
  /* done, but with something to say */
  r = run_program(LOSO, ARGS("--data", SOME, "--weights", in("weights"), "--epochs", "1", "--validation", "random"), 0, NULL);
  ENDS(r, 4);
  HAS(r.output, "random");
}
END_TEST

START_TEST(predict_images) {
  struct run r = run_program(PREDICT, ARGS("--weights", in("weights"), in("grey.pgm"), in("bad.png"), in("grey.pgm")), 0, NULL);
  ENDS(r, 1); /* some failed, the others are there */
  HAS(r.errors, "bad.png: ");
  HAS(r.errors, "(EFME_E_UNSUPPORTED)");
  const char *first = strstr(r.output, "grey.pgm: ");
  ck_assert(first && strstr(first + 1, "grey.pgm: "));
  r = run_program(PREDICT, ARGS("--weights", in("weights"), "--synthetic", "3"), 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "(truly ");
  r = run_program(PREDICT, ARGS("--weights", in("weights"), "--box", "8,8,32,32", "--grey", in("grey.pgm")), 0, NULL);
  ENDS(r, 0);
  r = run_program(PREDICT, ARGS("--weights", in("weights"), "--box", "64,0,4,4", in("grey.pgm")), 0, NULL);
  ENDS(r, 1);
  HAS(r.errors, "outside");
  r = run_program(PREDICT, ARGS("--weights", in("weights"), "--json", in("grey.pgm")), 0, NULL);
  ENDS(r, 0);
  cJSON *line = cJSON_Parse(r.output);
  ck_assert_msg(line != NULL, "%s", r.output);
  ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(line, "decoder")), "efme pnm");
  const cJSON *p = cJSON_GetObjectItem(line, "probabilities");
  double sum = 0;
  for (const cJSON *item = p ? p->child : NULL; item; item = item->next) sum += item->valuedouble;
  ck_assert_double_eq_tol(sum, 1, 1e-5);
  ck_assert_ptr_nonnull(cJSON_GetObjectItem(p, cJSON_GetStringValue(cJSON_GetObjectItem(line, "class"))));
  cJSON_Delete(line);
}
END_TEST

/* ---- Ctrl-C ---- */

START_TEST(pretrain_interrupted) {
  const char *const long_run[] = {"--data", OTHERS,  "--size",    "32",           "--cut",          "1", "--epochs",
                                  "100000", "--out", in("never"), "--checkpoint", in("checkpoint"), NULL};
  struct run r = run_program(PRETRAIN, long_run, 0, "epoch 2/100000");
  ENDS(r, 3);
  HAS(r.errors, "efme-pretrain: training: interrupted");
  ck_assert(exists(in("checkpoint")) && !exists(in("never")));
  r = run_program(PRETRAIN, long_run, 0, "train phase 1/1 epoch ");
  ENDS(r, 3);
  LACKS(r.output, "epoch 1/100000"); /* it went on */
}
END_TEST

START_TEST(loso_interrupted) {
  const char *const long_run[] = {"--data",    SOME,        "--weights", in("weights"), "--epochs",    "30", "--preset",
                                  "fine-tune", "--workers", "1",         "--out",       in("stopped"), NULL};
  struct run r = run_program(LOSO, long_run, 0, "synthetic/1-00000");
  ENDS(r, 3);
  HAS(r.errors, "efme-loso: folds: interrupted");
  ck_assert(exists(in("stopped/run.json")) && !exists(in("stopped/metrics.json")));
  r = run_program(LOSO, long_run, 0, NULL);
  ENDS(r, 0);
  HAS(r.output, "4 folds, 1 done");
  ck_assert(exists(in("stopped/metrics.json")));
}
END_TEST

/* More output than a pipe holds, so the program is still at it when the signal comes. */
START_TEST(predict_interrupted) {
  enum { MANY = 5000 };
  const char **arguments = calloc(MANY + 3, sizeof *arguments), *path = in("grey.pgm");
  arguments[0] = "--weights", arguments[1] = in("weights");
  for (int i = 0; i < MANY; i++) arguments[2 + i] = path;
  struct run r = run_program(PREDICT, arguments, 0, "grey.pgm: ");
  ENDS(r, 3);
  HAS(r.errors, "efme-predict: images: interrupted");
  int lines = 0;
  for (const char *p = r.output; (p = strchr(p, '\n')); p++) lines++;
  ck_assert(lines > 0 && lines < MANY);
  free(arguments);
}
END_TEST

/* ---- where the output goes nowhere ---- */

static void same_files(const char *a, const char *b) {
  char command[600];
  snprintf(command, sizeof command, "diff -r %s %s", a, b);
  ck_assert_msg(system(command) == 0, "%s and %s differ", a, b);
}

/* What was computed is there all the same, and a program that could not say so does not claim success. */
START_TEST(output_lost) {
  const char *const sure[] = {"--data", OTHERS, "--size", "32", "--cut", "1", "--epochs", "1", "--out", in("sure"), NULL};
  const char *const lost[] = {"--data", OTHERS, "--size", "32", "--cut", "1", "--epochs", "1", "--out", in("lost"), NULL};
  struct run r = run_program(PRETRAIN, sure, 0, NULL);
  ENDS(r, 0);
  static const int ways[] = {RUN_FULL, RUN_CLOSED};
  for (int i = 0; i < 2; i++) {
    remove(in("lost"));
    r = run_program(PRETRAIN, lost, ways[i], NULL);
    ENDS(r, 1);
    HAS(r.errors, "efme-pretrain: standard output: ");
    same_files(in("sure"), in("lost"));
    r = run_program(PREDICT, ARGS("--weights", in("weights"), in("grey.pgm")), ways[i], NULL);
    ENDS(r, 1);
    HAS(r.errors, "efme-predict: standard output: ");
    r = run_program(LOSO, ARGS("--help"), ways[i], NULL);
    ENDS(r, 1);
  }
}
END_TEST

/* Whoever read the output is gone: the program ends by SIGPIPE as others do, and the run goes on from there. */
START_TEST(reader_gone) {
  const char *const quiet[] = {"--data", SOME, "--weights", in("weights"), "--epochs", "2", "--workers", "1", "--out", in("read"), NULL};
  const char *const piped[] = {"--data", SOME, "--weights", in("weights"), "--epochs", "2", "--workers", "1", "--out", in("unread"), NULL};
  struct run r = run_program(LOSO, quiet, 0, NULL);
  ENDS(r, 0);
  r = run_program(LOSO, piped, RUN_NO_READER, NULL);
  ENDS(r, -SIGPIPE);
  ck_assert(!exists(in("unread/metrics.json")));
  r = run_program(LOSO, piped, 0, NULL);
  ENDS(r, 0);
  same_files(in("read"), in("unread"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("examples");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 600);
  suite_add_tcase(suite, t);
  tcase_add_unchecked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, help, 0, (int)(sizeof programs / sizeof programs[0]));
  tcase_add_loop_test(t, usage, 0, (int)(sizeof wrong_usage / sizeof wrong_usage[0]));
  tcase_add_test(t, too_many_conditions);
  tcase_add_test(t, failures);
  tcase_add_test(t, pretrain_for_scripts);
  tcase_add_test(t, pretrain_on_a_terminal);
  tcase_add_test(t, release);
  tcase_add_test(t, prepare);
  tcase_add_test(t, loso_then_predict);
  tcase_add_test(t, predict_images);
  tcase_add_test(t, pretrain_interrupted);
  tcase_add_test(t, loso_interrupted);
  tcase_add_test(t, predict_interrupted);
  tcase_add_test(t, output_lost);
  tcase_add_test(t, reader_gone);
  return test_run(suite);
}
