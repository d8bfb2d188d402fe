/* Releases: their readers on small trees that are written here, the composite, comparing, the linter. */
#include "faults.h"

#include "util/util.h"

static void write_frames(const char *folder, const char *format, int low, int high) {
  char path[300], name[100], text[32];
  for (int n = low; n <= high; n++) {
    snprintf(name, sizeof name, format, n);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(text, sizeof text, "P5 2 1 255\n%c%c", 'a' + n % 20, 'a' + (int)strlen(folder) % 20);
    write_text(at(path), text);
  }
}

static efme_dataset *truth, *other;

static void open_scene(void) {
  write_frames("rel/HS/s1/micro/negative/s1_ne_01", "image%d.bmp", 998, 1003);
  write_frames("rel/HS/s2/micro/positive/s2_ne_01", "image%d.bmp", 1, 4); /* its name says something else */
  write_frames("rel/CASME2-RAW/sub01/EP02_01f", "img%d.jpg", 1, 9);
  write_frames("rel/CASME2-RAW/sub04/EP12_01f", "img%d.jpg", 1, 9);
  write_frames("rel/SAMM/006/006_1_2", "006_%05d.jpg", 1, 9);
  write_text(at("rel/CASME2-coding-20140508.csv"), "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\n"
                                                   "01,EP02_01f,,2,5,9,,12,happiness\n4,EP12_01f,,2,/,12,,15?,disgust\n");
  write_text(at("rel/samm.csv"),
             "two,rows\nof preamble,\nSubject,Filename,Onset Frame,Apex Frame,Offset Frame,Action Units,Estimated Emotion\n"
             "006,006_1_2,1,7,6,4,Anger\n");
  write_text(at("rel/truth.csv"), "smic,s01,s01_ne_01,0\r\n,,,\r\ncasme2,sub01,EP02_01f,1\r\nsamm,6,006_1_2,0\r\n");
  write_text(at("rel/other.csv"), "smic,s01,s01_ne_01,2\ncasme2,sub02,EP02_01f,1\n");
  ok(efme_dataset_open_megc2019_truth(&truth, faults_context, at("rel/truth.csv"), NULL));
  ok(efme_dataset_open_megc2019_truth(&other, faults_context, at("rel/other.csv"), NULL));
}

static void close_scene(void) {
  efme_dataset_release(truth), efme_dataset_release(other);
  remove_tree(at("rel"));
}

static efme_release_options release(const char *name) {
  static char root[300], table[300];
  efme_release_options o = EFME_RELEASE_OPTIONS_INIT;
  snprintf(root, sizeof root, "%s", at("rel")), snprintf(table, sizeof table, "%s", at("rel/samm.csv"));
  o.name = name, o.root = root;
  if (!strcmp(name, "samm")) o.table = table;
  return o;
}

static const char *const names[] = {"smic-hs", "casme2", "samm"};

static efme_status read_release(uint64_t *hash, int which) {
  efme_release_options o = release(names[which % 3]);
  efme_dataset *d = NOTHING;
  if (which >= 3) o.apex = EFME_APEX_DIFFERENCE;
  efme_status status = efme_dataset_open_release(&d, faults_context, &o, NULL);
  return took_dataset(hash, status, d, 1);
}

static efme_status composite(uint64_t *hash, int by_truth) {
  efme_release_options a = release("smic-hs"), b = release("casme2"), c = release("samm");
  efme_megc2019_options o = EFME_MEGC2019_OPTIONS_INIT;
  efme_dataset *d = NOTHING;
  o.partial = 1;
  if (by_truth) o.truth = at("rel/truth.csv");
  efme_status status = efme_dataset_open_megc2019(&d, faults_context, &a, &b, &c, &o);
  return took_dataset(hash, status, d, 1);
}

static efme_status read_truth(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_open_megc2019_truth(&d, faults_context, at("rel/truth.csv"), NULL);
  return took_dataset(hash, status, d, 0);
}

static efme_status compare(uint64_t *hash, int json) {
  char *text = NOTHING;
  uint64_t n = 99;
  efme_status status = efme_dataset_compare(truth, other, json, &n, &text);
  must(status ? n == 99 : n == 4, "%llu differences", (unsigned long long)n);
  return took_text(hash, status, text);
}

static efme_status lint(uint64_t *hash, int which) {
  efme_release_options o[3] = {release("smic-hs"), release("casme2"), release("samm")};
  const efme_release_options *const list[3] = {&o[0], &o[1], &o[2]};
  efme_lint *l = NOTHING;
  (void)which;
  efme_status status = efme_lint_run(&l, faults_context, list, 3, NULL);
  if (status) return untouched(status, l);
  for (uint64_t i = 0; i < efme_lint_count(l, EFME_SEVERITY_NOTE) && !status; i++) {
    efme_finding f = EFME_FINDING_INIT;
    ok(efme_lint_finding(l, i, &f));
    if (f.severity == EFME_SEVERITY_ERROR) status = efme_fail(EFME_E_IO, "%s", f.message); /* a call that fails is told as a finding */
    const char *const texts[] = {f.code, f.dataset, f.subject, f.clip, f.message};
    for (size_t k = 0; k < EFME_COUNT(texts); k++) add_text(hash, texts[k]);
  }
  efme_lint_release(l);
  return status;
}

static efme_lint *linted;

static void make_lint(int which) {
  efme_release_options o = release("casme2");
  const efme_release_options *const list = &o;
  (void)which;
  ok(efme_lint_run(&linted, faults_context, &list, 1, NULL));
}

static void drop_lint(void) { efme_lint_release(linted); }

static efme_status lint_text(uint64_t *hash, int json) {
  char *text = NOTHING;
  efme_status status = efme_lint_text(linted, json, &text);
  return took_text(hash, status, text);
}

static const struct scenario scenarios[] = {
    {"read SMIC-HS", 0, NULL, read_release, NULL, LIBC},
    {"read CASME II", 1, NULL, read_release, NULL, LIBC},
    {"read SAMM", 2, NULL, read_release, NULL, LIBC},
    {"read SMIC-HS, apex by difference", 3, NULL, read_release, NULL, LIBC},
    {"composite by rules", 0, NULL, composite, NULL, LIBC},
    {"composite by the organisers' list", 1, NULL, composite, NULL, LIBC},
    {"read the organisers' list", 0, NULL, read_truth, NULL, LIBC},
    {"compare two datasets", 0, NULL, compare, NULL, LIBC},
    {"compare two datasets as JSON", 1, NULL, compare, NULL, LIBC},
    {"lint three releases", 0, NULL, lint, NULL, LIBC},
    {"print findings", 0, make_lint, lint_text, drop_lint, 0},
    {"print findings as JSON", 1, make_lint, lint_text, drop_lint, 0},
};
const struct scene scene_release = {open_scene, close_scene, scenarios, sizeof scenarios / sizeof scenarios[0]};
