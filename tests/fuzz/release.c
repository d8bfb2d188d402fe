/* Annotation tables of a release, over a tree of two clips: strictly, leniently, through the composite's rules, and linted; and the
 * organisers' list. */
#include "dataset.h"

static efme_release_options options_of(const char *table) {
  efme_release_options o = EFME_RELEASE_OPTIONS_INIT;
  o.name = "casme2", o.root = fuzz_folder(), o.table = table;
  return o;
}

static void open_table(const char *path, size_t size, uint32_t lenient) {
  efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
  efme_release_options r = options_of(path);
  efme_dataset *d = NULL;
  o.lenient = lenient;
  fuzz_begin((4u << 20) + 2048 * size);
  if (fuzz_status(efme_dataset_open_release(&d, fuzz_context(), &r, &o),
                  FUZZ_MAY(FORMAT) | FUZZ_MAY(LIMIT) | FUZZ_MAY(IO) | FUZZ_MAY(UNSUPPORTED), "") == EFME_OK)
    fuzz_use_dataset(d);
  efme_dataset_release(d);
  fuzz_end();
}

static void lint_table(const char *path, size_t size) {
  efme_release_options r = options_of(path);
  const efme_release_options *list = &r;
  efme_lint *l = NULL;
  char *text = NULL;
  fuzz_begin((4u << 20) + 8192 * size);
  fuzz_status(efme_lint_run(&l, fuzz_context(), &list, 1, NULL), 0, "");
  for (int json = 0; json < 2; json++) {
    FUZZ_CHECK(efme_lint_text(l, json, &text) == EFME_OK && *text, "text");
    if (json) fuzz_check_json(text);
    efme_string_free(text);
  }
  efme_lint_release(l);
  fuzz_end();
}

static void open_truth(const char *path, size_t size) {
  efme_dataset *d = NULL;
  uint64_t n = 1;
  fuzz_begin((4u << 20) + 2048 * size);
  if (fuzz_status(efme_dataset_open_megc2019_truth(&d, fuzz_context(), path, NULL), FUZZ_MAY(FORMAT) | FUZZ_MAY(LIMIT), "input") == EFME_OK)
    FUZZ_CHECK(efme_dataset_compare(d, d, 1, &n, NULL) == EFME_OK && n == 0, "%llu differences", (unsigned long long)n);
  efme_dataset_release(d);
  fuzz_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int written;
  fuzz_context();
  if (!written++) {
    char folder[600], name[64];
    for (int k = 0; k < 2; k++) {
      const char *clip = k ? "CASME2-RAW/sub04/EP12_01f" : "CASME2-RAW/sub01/EP02_01f";
      snprintf(folder, sizeof folder, "%s/%s", fuzz_folder(), clip);
      FUZZ_CHECK(efme_dir_create(&efme_allocator_libc, folder) == EFME_OK, "%s", folder);
      for (int n = 1; n <= 9; n++) snprintf(name, sizeof name, "%s/img%d.jpg", clip, n), fuzz_write(name, "P5 1 1 255\nx", 12);
    }
  }
  const char *path = fuzz_write("input", data, size);
  open_table(path, size, 0), open_table(path, size, 1), lint_table(path, size), open_truth(path, size);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const char table[] = "Subject,Filename,,OnsetFrame,ApexFrame,OffsetFrame,,Action Units,Estimated Emotion\n"
                              "01,EP02_01f,,2,5,9,,12,happiness\n4,EP12_01f,,2,/,8,,\"15? or 4\",disgust\n";
  static const char preamble[] =
      "a,b\n\"c\nd\",\nSubject,Filename,Onset Frame,Apex Frame,Offset Frame,Emotion\r\n1.0,EP02_01f,1.0,2,3,others\r\n,,\r\n";
  static const char truth[] = "smic,s01,s01_ne_01,0\r\n,,,\r\ncasme2,sub01,EP02_01f,1\r\nsamm,6,006_1_2,2\r\n";
  emit("table.csv", table, sizeof table - 1, SIZE_MAX);
  emit("preamble.csv", preamble, sizeof preamble - 1, SIZE_MAX);
  emit("truth.csv", truth, sizeof truth - 1, SIZE_MAX);
}
