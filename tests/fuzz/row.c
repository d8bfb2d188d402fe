/* Rows of printed tables: any doubles, any counts. Bytes: decimals, classes, which arrays there are, then the figures. */
#include "fuzz.h"

#include "net/model.h"

#define MOST 64

struct reader {
  const uint8_t *at;
  size_t left;
};

static void take(struct reader *in, void *out, size_t n) {
  memset(out, 0, n);
  size_t have = EFME_MIN(n, in->left);
  if (have) memcpy(out, in->at, have);
  in->at += have, in->left -= have;
}

static const double *take_array(struct reader *in, double *values, uint32_t n, int there) {
  for (uint32_t i = 0; there && i < n; i++) take(in, &values[i], sizeof values[i]);
  return there ? values : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct reader in = {data, size};
  efme_printed_row row = EFME_PRINTED_ROW_INIT;
  uint8_t head[3];
  double f1[MOST], recall[MOST], precision[MOST];
  uint64_t samples[MOST];
  take(&in, head, sizeof head);
  row.decimals = head[0], row.classes = head[1] % (MOST + 1);
  take(&in, &row.uf1, 8), take(&in, &row.uar, 8), take(&in, &row.accuracy, 8);
  row.class_f1 = take_array(&in, f1, row.classes, head[2] & 1);
  row.class_recall = take_array(&in, recall, row.classes, head[2] & 2);
  row.class_precision = take_array(&in, precision, row.classes, head[2] & 4);
  for (uint32_t i = 0; i < row.classes; i++) take(&in, &samples[i], sizeof samples[i]);
  if (head[2] & 8) row.class_samples = samples;
  char *text = NULL;
  uint32_t findings = 0, lines = 0;
  efme_status status = fuzz_status(efme_check_printed_row(&text, &findings, &row), FUZZ_MAY(ARGUMENT), "decimals");
  FUZZ_CHECK(!status == (row.decimals >= 1 && row.decimals <= 15), "decimals %u", row.decimals);
  if (status) return 0;
  for (const char *s = text; *s; s++) lines += *s == '\n';
  FUZZ_CHECK(lines == findings && efme_utf8_valid(text, strlen(text)), "%u findings in\n%s", findings, text);
  efme_string_free(text);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  const double good[12] = {.7353, .7186, .7692, .8, .6, .8, .876, .569, .7108, .7821, .7126, .7867};
  const uint64_t megc[3] = {250, 109, 83};
  uint8_t file[3 + sizeof good + sizeof megc] = {4, 3, 15};
  memcpy(file + 3, good, sizeof good);
  memcpy(file + 3 + sizeof good, megc, sizeof megc);
  emit("megc", file, sizeof file, SIZE_MAX);
  const double odd[3] = {1.178, 1.2, -1};
  memcpy(file + 3, odd, sizeof odd);
  file[0] = 3, file[2] = 8;
  memcpy(file + 3 + sizeof odd, megc, sizeof megc);
  emit("substring", file, 3 + sizeof odd + sizeof megc, SIZE_MAX);
}
