/* FER2013's CSV, strictly and leniently. */
#include "dataset.h"

static void open_csv(const char *path, size_t size, uint32_t lenient) {
  efme_dataset_options o = EFME_DATASET_OPTIONS_INIT;
  efme_dataset *d = NULL;
  o.lenient = lenient;
  fuzz_begin((2u << 20) + 64 * size); /* the reader's buffer, a block of 512 images */
  if (fuzz_status(efme_dataset_open_fer2013(&d, fuzz_context(), path, &o), FUZZ_MAY(FORMAT) | FUZZ_MAY(LIMIT), "input") == EFME_OK)
    fuzz_use_dataset(d);
  efme_dataset_release(d);
  fuzz_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_context();
  const char *path = fuzz_write("input", data, size);
  open_csv(path, size, 0);
  open_csv(path, size, 1);
  return 0;
}

static char *rows(const char *header, int usage, int count, int different) {
  char *text = malloc(64 + (size_t)count * 7000);
  size_t n = (size_t)sprintf(text, "%s\n", header);
  for (int i = 0; i < count; i++) {
    int r = i % different;
    n += (size_t)sprintf(text + n, "%d,", r % 7);
    for (int k = 0; k < 48 * 48; k++) n += (size_t)sprintf(text + n, k ? " %d" : "%d", (k * (r + 3)) % (r == 1 ? 256 : 10));
    n += (size_t)sprintf(text + n, usage ? ",Training\r\n" : "\n");
  }
  return text;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const struct {
    const char *name, *header;
    int usage, count, different;
  } forms[] = {{"official.csv", "emotion,pixels,Usage", 1, 3, 3},
               {"twice.csv", "emotion,pixels,Usage", 1, 3, 1}, /* equal rows: -2, -3 behind their keys */
               {"train.csv", "emotion, pixels", 0, 1, 1}};
  for (size_t i = 0; i < EFME_COUNT(forms); i++) {
    char *text = rows(forms[i].header, forms[i].usage, forms[i].count, forms[i].different);
    emit(forms[i].name, text, strlen(text), 300);
    free(text);
  }
  static const char empty[] = "emotion,pixels,Usage\n0,\"1 2 3\",Training\n";
  emit("bad short.csv", empty, sizeof empty - 1, SIZE_MAX);
}
