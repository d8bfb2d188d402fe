/* Checkpoints of a small run, as they are and with their content hash made right. One that is taken must be good for the rest of the
 * run: to its end, to a loss that is not finite, or to the plan that it does not fit. */
#include "trained.h"

#include "train/state.h"

static struct {
  efme_dataset *data;
  efme_model *model;
  efme_recipe *recipe;
} run;

static void set_up(void) {
  if (run.data) return;
  run.data = trained_dataset();
  run.model = trained_model();
  run.recipe = trained_recipe(2, 1, 0.5f);
}

static efme_trainer *trainer_of(const char *path) {
  efme_trainer *t = NULL;
  TRAINED_OK(efme_trainer_create(&t, run.model, run.recipe, run.data, run.data));
  TRAINED_OK(efme_trainer_set_checkpoint(t, path, 1e9));
  t->sparse = 1; /* written on cancel only */
  return t;
}

#define BAD (FUZZ_MAY(FORMAT) | FUZZ_MAY(MISMATCH) | FUZZ_MAY(UNSUPPORTED) | FUZZ_MAY(LIMIT))

static void resume(const uint8_t *data, size_t size) {
  fuzz_begin((8u << 20) + 4 * size);
  efme_trainer *t = trainer_of(fuzz_write("input", data, size));
  uint32_t left = 60;
  efme_status status = efme_trainer_run(t, trained_stop, &left);
  unsigned later = t->begun ? FUZZ_MAY(NUMERIC) | FUZZ_MAY(CANCELLED) | FUZZ_MAY(MISMATCH) : 0;
  fuzz_status(status, BAD | later, t->begun ? "" : "input");
  if (status == EFME_OK) {
    efme_model *model = NULL;
    FUZZ_CHECK(efme_trainer_epoch_count(t) >= t->phase_count, "a phase without an epoch");
    FUZZ_CHECK(efme_trainer_model(&model, t) == EFME_OK, "publishing");
    efme_model_release(model);
    for (uint32_t i = 0; i < efme_trainer_epoch_count(t); i++) {
      efme_epoch line = EFME_EPOCH_INIT;
      FUZZ_CHECK(efme_trainer_epoch(t, i, &line) == EFME_OK, "epoch %u", i);
    }
  }
  efme_trainer_release(t);
  fuzz_end();
}

/* The sections up to the end, as far as they are whole, and an end that fits them. Returns the size. */
static size_t mend_hash(uint8_t *out, const uint8_t *data, size_t size) {
  size_t at = 0;
  uint64_t bytes, hash = 0;
  const uint64_t eight = 8;
  while (size - at >= 16 && memcmp(data + at, "end     ", 8)) {
    memcpy(&bytes, data + at + 8, 8);
    if (bytes > size - at - 16 || (bytes + 7) / 8 * 8 > size - at - 16) break;
    hash = efme_hash64(data + at, 16, hash);
    if (bytes) hash = efme_hash64(data + at + 16, bytes, hash);
    if (bytes % 8) hash = efme_hash64(data + at + 16 + bytes, 8 - bytes % 8, hash);
    at += 16 + (bytes + 7) / 8 * 8;
  }
  if (at) memcpy(out, data, at);
  memcpy(out + at, "end     ", 8);
  memcpy(out + at + 8, &eight, 8);
  memcpy(out + at + 16, &hash, 8);
  return at + 24;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  set_up();
  resume(data, size);
  uint8_t *mended = malloc(size + 24);
  size_t n = mend_hash(mended, data, size);
  if (n != size || memcmp(mended, data, n)) resume(mended, n);
  free(mended);
  return 0;
}

void fuzz_seeds(fuzz_emit_fn emit) {
  static const uint32_t stops[] = {1, 5, 9, 13}; /* in both phases, within an epoch and between two */
  set_up();
  for (size_t i = 0; i < EFME_COUNT(stops); i++) {
    char name[16], seed[32];
    uint32_t left = stops[i];
    uint8_t *data = NULL;
    size_t size = 0;
    snprintf(name, sizeof name, "stop%u", stops[i]);
    snprintf(seed, sizeof seed, "%s.checkpoint", name);
    const char *path = fuzz_write(seed, "", 0);
    remove(path);
    efme_trainer *t = trainer_of(path);
    FUZZ_CHECK(efme_trainer_run(t, trained_stop, &left) == EFME_E_CANCELLED, "stop %u", stops[i]);
    efme_trainer_release(t);
    TRAINED_OK(efme_file_read(&data, &size, &efme_allocator_libc, path, 1 << 22));
    const uint8_t *weights = memmem(data, size, "weights ", 8);
    emit(name, data, size, i ? 64 : (size_t)(weights - data) + 16);
    efme_mem_free(&efme_allocator_libc, data);
  }
}
