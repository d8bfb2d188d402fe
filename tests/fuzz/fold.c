/* The files of an evaluator's folder: a finished fold, as it is and with its content hash made right; run.json; configurations.txt. */
#include "trained.h"

#include <sys/stat.h>

#include "eval/evaluator.h"

static struct {
  efme_evaluator *evaluator;
  char folder[3][300]; /* with a fold, with run.json, with configurations.txt */
} run;

static efme_evaluator *evaluator_of(const char *folder) {
  efme_dataset *data = trained_dataset();
  efme_model *model = trained_model();
  efme_recipe *recipe = trained_recipe(1, 0, 0.0f);
  efme_fold_plan *plan = NULL;
  efme_evaluator *e = NULL;
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_fold_options f = EFME_FOLD_OPTIONS_INIT;
  f.validation = EFME_VALIDATE_NONE;
  o.folder = folder, o.workers = 1;
  TRAINED_OK(efme_fold_plan_loso(&plan, data, &f));
  TRAINED_OK(efme_evaluator_create(&e, model, data, plan, recipe, &o));
  efme_fold_plan_release(plan);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(data);
  return e;
}

static void set_up(void) {
  if (run.evaluator) return;
  for (int i = 0; i < 3; i++) {
    snprintf(run.folder[i], sizeof run.folder[i], "%s/%d", fuzz_folder(), i);
    mkdir(run.folder[i], 0777);
  }
  run.evaluator = evaluator_of(run.folder[0]);
}

#define BAD (FUZZ_MAY(FORMAT) | FUZZ_MAY(MISMATCH) | FUZZ_MAY(UNSUPPORTED) | FUZZ_MAY(LIMIT))

static void read_fold(const uint8_t *data, size_t size) {
  const efme_evaluator *e = run.evaluator;
  struct efme_fold_record record = {0};
  fuzz_write("0/fold-0000-own_p0.json", data, size);
  fuzz_begin((1u << 20) + 16 * size);
  if (fuzz_status(efme_fold_read(&record, e, run.folder[0], 0), BAD, "fold-0000-own_p0.json") == EFME_OK) {
    FUZZ_CHECK(record.done && record.history, "record");
    for (uint32_t i = 0; i < 3 * e->classes; i++)
      FUZZ_CHECK(record.probabilities[i] >= 0.0f && record.probabilities[i] <= 1.0f, "probability %g", (double)record.probabilities[i]);
    efme_fold_record_free(&record, e->allocator);
  }
  fuzz_end();
}

/* What stands before the hash, and a hash that fits it. */
static void read_mended(const uint8_t *data, size_t size) {
  static const char mark[] = ",\n  \"content_hash\": \"";
  const uint8_t *cut = memmem(data, size, mark, sizeof mark - 1);
  size_t n = cut ? (size_t)(cut - data) : size;
  char *text = malloc(n + 64);
  if (n) memcpy(text, data, n);
  int tail = sprintf(text + n, "%s%016llx\"\n}\n", mark, (unsigned long long)efme_hash64(data, n, 0));
  if (n + (size_t)tail != size || memcmp(text, data, size)) read_fold((const uint8_t *)text, n + (size_t)tail);
  free(text);
}

/* The folder as the evaluator finds it when it is made. */
static void open_folder(int which, const char *name, const uint8_t *data, size_t size) {
  efme_evaluator *e = run.evaluator;
  char *own = e->folder;
  fuzz_write(name, data, size);
  fuzz_begin((1u << 20) + 16 * size);
  e->folder = run.folder[which];
  fuzz_status(efme_folder_open(e), BAD, strrchr(name, '/'));
  e->folder = own;
  efme_mem_free(e->allocator, e->tried);
  e->tried = NULL, e->tried_count = e->tried_capacity = 0;
  fuzz_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  set_up();
  read_fold(data, size);
  read_mended(data, size);
  open_folder(1, "1/run.json", data, size);
  open_folder(2, "2/configurations.txt", data, size);
  return 0;
}

static void emit_file(fuzz_emit_fn emit, const char *name, size_t header) {
  char path[300];
  uint8_t *data = NULL;
  size_t size = 0;
  snprintf(path, sizeof path, "%s/seeds/%s", fuzz_folder(), name);
  TRAINED_OK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1 << 20));
  emit(name, data, size, header);
  efme_mem_free(&efme_allocator_libc, data);
}

void fuzz_seeds(fuzz_emit_fn emit) {
  char folder[300];
  snprintf(folder, sizeof folder, "%s/seeds", fuzz_folder());
  efme_evaluator *e = evaluator_of(folder);
  TRAINED_OK(efme_evaluator_run(e, NULL, NULL));
  efme_evaluator_release(e);
  emit_file(emit, "fold-0000-own_p0.json", 1000);
  emit_file(emit, "run.json", 500);
  emit_file(emit, "configurations.txt", SIZE_MAX);
}
