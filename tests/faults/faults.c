/* The loop over failures, and what scenes share. See faults.h. */
#include "faults.h"

#include "util/util.h"

struct heap faults_heap;
efme_context *faults_context;

/* ---- the loop ---- */

static const struct scene *const scenes[] = {&scene_context, &scene_images,  &scene_face,  &scene_weights, &scene_data,
                                             &scene_release, &scene_prepare, &scene_train, &scene_eval};
static const char untold[] = "(no text was set)";

static void make(const struct scenario *s) {
  if (s->make) s->make(s->which);
}

static void drop(const struct scenario *s) {
  if (s->drop) s->drop();
}

/* Runs it with failure `number`; returns 0 once that was not reached. */
static int one_failure(const struct scenario *s, const struct injector *in, long number, uint64_t expected) {
  long live = atomic_load(&faults_heap.live), libc = malloc_live();
  uint64_t hash = 0, again = 0;
  make(s);
  efme_fail(EFME_E_INTERNAL, "%s", untold);
  in->arm(number);
  efme_status status = s->work(&hash, s->which);
  long chances = in->disarm();
  int reached = number && chances >= number;
  ck_assert_msg(reached || status == EFME_OK, "%s, nothing fails: %s", s->name, efme_last_error());
  ck_assert_msg(status || hash == expected, "%s, %s %ld: goes through with other results", s->name, in->name, number);
  ck_assert_msg(!reached || in->fits(status), "%s, %s %ld: %s, %s", s->name, in->name, number, efme_status_name(status), efme_last_error());
  ck_assert_msg(!status || strcmp(efme_last_error(), untold), "%s, %s %ld: no error text", s->name, in->name, number);
  if (status) {
    char text[512];
    efme_error_save(text);
    status = s->work(&again, s->which);
    ck_assert_msg(status == EFME_OK, "%s, %s %ld (%s), then again: %s, %s", s->name, in->name, number, text, efme_status_name(status),
                  efme_last_error());
    ck_assert_msg(again == expected, "%s, %s %ld (%s): other results afterwards", s->name, in->name, number, text);
  }
  drop(s);
  ck_assert_msg(atomic_load(&faults_heap.live) == live, "%s, %s %ld: %ld blocks are left", s->name, in->name, number,
                atomic_load(&faults_heap.live) - live);
  ck_assert_msg(number < 2 || malloc_live() == libc, "%s, %s %ld: %ld blocks of the C library are left", s->name, in->name, number,
                malloc_live() - libc);
  return reached;
}

long faults_run(const struct scenario *s, const struct injector *in) {
  uint64_t expected = 0;
  make(s);
  efme_status status = s->work(&expected, s->which);
  ck_assert_msg(status == EFME_OK, "%s: %s", s->name, efme_last_error());
  drop(s);
  one_failure(s, in, 0, expected); /* what the process keeps for good is there now */
  long n = 1;
  while (one_failure(s, in, n, expected)) n++;
  return n - 1;
}

void faults_all(const struct injector *in) {
  long failures = 0, operations = 0;
  for (size_t i = 0; i < EFME_COUNT(scenes); i++) {
    ok(heap_context(&faults_context, &faults_heap, 1));
    if (scenes[i]->open) scenes[i]->open();
    for (size_t k = 0; k < scenes[i]->count; k++) {
      const struct scenario *s = &scenes[i]->scenarios[k];
      long n = faults_run(s, in);
      if (in->of_libc && s->may != LIBC) ck_assert_msg(n == 0, "%s: %ld allocations past the context's allocator", s->name, n);
      if (s->may == NONE) ck_assert_msg(n == 0, "%s: %ld allocations", s->name, n);
      printf("  %-44s %5ld\n", s->name, n);
      fflush(stdout);
      failures += n, operations++;
    }
    if (scenes[i]->close) scenes[i]->close();
    efme_context_release(faults_context);
    ck_assert_int_eq(faults_heap.live, 0);
  }
  printf("%s: %ld operations, %ld failures\n", in->name, operations, failures);
}

/* ---- what came out ---- */

void add_model(uint64_t *hash, const efme_model *model) {
  efme_model_info info = EFME_MODEL_INFO_INIT;
  ok(efme_model_get_info(model, &info));
  add_bytes(hash, &info, sizeof info);
  for (uint32_t c = 0; c < info.class_count; c++) add_text(hash, efme_model_class_name(model, c));
}

void add_image(uint64_t *hash, const efme_image *image) {
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  ok(efme_image_get_info(image, &info));
  add_bytes(hash, &info, sizeof info);
  add_bytes(hash, efme_image_pixels(image), (size_t)info.width * info.height * info.channels);
}

/* All strings of all samples, and the pixels where they are to be read. */
void add_dataset(uint64_t *hash, const efme_dataset *d, int pixels) {
  malloc_paused++; /* reading allocates */
  for (uint32_t c = 0; c < efme_dataset_class_count(d); c++) add_text(hash, efme_dataset_class_name(d, c));
  for (uint64_t i = 0; i < efme_dataset_count(d); i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    ok(efme_dataset_sample(d, i, &s));
    const char *const texts[] = {s.key, s.dataset, s.subject, s.clip, s.split, s.path, s.native_label};
    for (size_t k = 0; k < EFME_COUNT(texts); k++) add_text(hash, texts[k]);
    add_bytes(hash, &s.label, sizeof s.label);
    efme_image *image;
    if (!pixels) continue;
    ok(efme_dataset_read(d, i, &image));
    add_image(hash, image);
    efme_image_release(image);
  }
  malloc_paused--;
}

efme_status untouched(efme_status status, const void *p) {
  must(p == NOTHING, "an out-parameter was touched");
  return status;
}

efme_status took_model(uint64_t *hash, efme_status status, efme_model *model) {
  if (status) return untouched(status, model);
  add_model(hash, model);
  efme_model_release(model);
  return EFME_OK;
}

efme_status took_image(uint64_t *hash, efme_status status, efme_image *image) {
  if (status) return untouched(status, image);
  add_image(hash, image);
  efme_image_release(image);
  return EFME_OK;
}

efme_status took_dataset(uint64_t *hash, efme_status status, efme_dataset *dataset, int pixels) {
  if (status) return untouched(status, dataset);
  add_dataset(hash, dataset, pixels);
  efme_dataset_release(dataset);
  return EFME_OK;
}

efme_status took_text(uint64_t *hash, efme_status status, char *text) {
  if (status) return untouched(status, text);
  add_text(hash, text);
  efme_string_free(text);
  return EFME_OK;
}
