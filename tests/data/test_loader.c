/* The loader: every thread count gives the same batches, in the order that is defined; stages take the size they should;
 * errors come with the file's name and at their place; stopping and starting anywhere. */
#include <math.h>

#include "data_test.h"

#include "data/dataset.h"
#include "data/loader.h"

static efme_context *context;

static struct efme_stage *make_stage(const efme_dataset *d, uint32_t w, uint32_t h, uint64_t cache) {
  struct efme_stage *s = NULL;
  assert_ok(efme_stage_create(&s, d, w, h, cache));
  return s;
}

/* Hash of everything an epoch hands out; checks the shape of its batches. */
static uint64_t epoch_hash(struct efme_loader *l, const struct efme_stage_info *info, uint32_t batch, enum efme_loader_order order,
                           uint32_t epoch, uint64_t first) {
  const struct efme_loader_batch *b;
  uint64_t h = 0, at = first * batch;
  assert_ok(efme_loader_start(l, order, epoch, first));
  for (;;) {
    assert_ok(efme_loader_next(l, &b));
    if (!b) break;
    ck_assert_uint_eq(b->first, at);
    ck_assert_uint_eq(b->count, EFME_MIN(batch, efme_loader_count(l) - at));
    at += b->count;
    h = efme_hash64(b->pixels, b->count * info->sample_bytes, h);
    h = efme_hash64(b->labels, b->count * sizeof *b->labels, h);
    h = efme_hash64(b->ids, b->count * sizeof *b->ids, h);
  }
  ck_assert_uint_eq(at, efme_loader_count(l));
  assert_ok(efme_loader_next(l, &b)); /* and again */
  ck_assert_ptr_null(b);
  return h;
}

START_TEST(threads_never_matter) {
  static const uint32_t threads[] = {0, 1, 2, 3, 7};
  efme_dataset *d = synthetic(context, 9, 9, 48);
  static const uint64_t some[] = {80, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41};
  for (int kind = 0; kind < 4; kind++) { /* all or a list; cached or not */
    uint64_t expected[3] = {0, 0, 0};
    for (size_t t = 0; t < EFME_COUNT(threads); t++) {
      struct efme_stage *s = make_stage(d, kind & 2 ? 32 : 48, 48, kind & 1 ? 0 : EFME_STAGE_CACHE);
      struct efme_stage_info info;
      efme_stage_get_info(s, &info);
      ck_assert_uint_eq(info.cached, !(kind & 1));
      struct efme_loader_options o = {.batch = 10, .threads = threads[t], .depth = (uint32_t)t, .seed = 5};
      struct efme_loader *l;
      assert_ok(efme_loader_create(&l, s, kind & 2 ? some : NULL, EFME_COUNT(some), &o));
      ck_assert_uint_eq(efme_loader_batches(l), kind & 2 ? 2 : 9);
      uint64_t got[3] = {epoch_hash(l, &info, 10, EFME_LOADER_SEQUENTIAL, 0, 0), epoch_hash(l, &info, 10, EFME_LOADER_SHUFFLED, 0, 0),
                         epoch_hash(l, &info, 10, EFME_LOADER_SHUFFLED, 1, 0)};
      ck_assert(got[0] != got[1] && got[1] != got[2]);
      if (!t) memcpy(expected, got, sizeof got);
      ck_assert_mem_eq(got, expected, sizeof got);
      efme_stage_release(s); /* the loader keeps it */
      ck_assert_uint_eq(epoch_hash(l, &info, 10, EFME_LOADER_SHUFFLED, 1, 0), expected[2]);
      efme_loader_destroy(l);
    }
  }
  efme_dataset_release(d);
}
END_TEST

START_TEST(order_is_as_defined) {
  efme_dataset *d = synthetic(context, 5, 8, 32);
  struct efme_stage *s = make_stage(d, 32, 32, EFME_STAGE_CACHE);
  struct efme_loader_options o = {.batch = 7, .threads = 2, .seed = 77};
  struct efme_loader *l;
  const struct efme_loader_batch *b;
  assert_ok(efme_loader_create(&l, s, NULL, 0, &o));
  for (uint64_t first = 0; first < 6; first += 2) { /* from the start, and resumed */
    assert_ok(efme_loader_start(l, EFME_LOADER_SHUFFLED, 3, first));
    for (assert_ok(efme_loader_next(l, &b)); b;) {
      for (uint32_t i = 0; i < b->count; i++) {
        uint32_t w[4], id = (uint32_t)b->ids[i], rank = 0;
        efme_philox(w, 77, EFME_RNG_ORDER, 3, id, 0);
        uint64_t mine = (uint64_t)w[0] << 32 | w[1];
        for (uint32_t k = 0; k < 40; k++) {
          efme_philox(w, 77, EFME_RNG_ORDER, 3, k, 0);
          rank += ((uint64_t)w[0] << 32 | w[1]) < mine;
        }
        ck_assert_uint_eq(rank, b->first + i);
        ck_assert_int_eq(b->labels[i], sample_of(d, id).label);
        uint8_t pixels[32 * 32 * 3];
        assert_ok(efme_stage_read(s, id, pixels));
        ck_assert_mem_eq(b->pixels + i * sizeof pixels, pixels, sizeof pixels);
      }
      assert_ok(efme_loader_next(l, &b));
    }
  }
  assert_ok(efme_loader_start(l, EFME_LOADER_SEQUENTIAL, 9, 0));
  assert_ok(efme_loader_next(l, &b));
  for (int i = 0; i < 7; i++) ck_assert_int_eq(b->ids[i], i);
  efme_loader_stop(l);
  assert_fails(efme_loader_next(l, &b), EFME_E_STATE, "not started");
  assert_fails(efme_loader_start(l, EFME_LOADER_SEQUENTIAL, 0, 7), EFME_E_ARGUMENT, "batch 7 of 6");
  for (int k = 0; k < 30; k++) { /* left anywhere, begun again */
    assert_ok(efme_loader_start(l, EFME_LOADER_SHUFFLED, (uint32_t)k, 0));
    for (int i = 0; i < k % 7; i++) assert_ok(efme_loader_next(l, &b));
  }
  efme_loader_destroy(l); /* in the middle */
  efme_loader_destroy(NULL);
  struct efme_loader_options none = {.batch = 0};
  uint64_t beyond = 40;
  assert_fails(efme_loader_create(&l, s, NULL, 0, &none), EFME_E_ARGUMENT, "batch");
  assert_fails(efme_loader_create(&l, s, &beyond, 1, &o), EFME_E_ARGUMENT, "40");
  assert_fails(efme_loader_create(&l, s, &beyond, 0, &o), EFME_E_ARGUMENT, "no samples");
  efme_stage_release(s), efme_dataset_release(d);
}
END_TEST

/* ---- sizes ---- */
static efme_dataset *manifest_of(const char *name, const char *const *files, size_t count) {
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "path,label,subject,dataset\n");
  for (size_t i = 0; i < count; i++) efme_text_printf(&t, "%s,x,s%u,set\n", files[i], (unsigned)i);
  efme_dataset *d = NULL;
  assert_ok(efme_dataset_open_manifest(&d, context, put_file(name, t.data, t.size), NULL));
  efme_text_free(&t);
  return d;
}

static struct efme_stage_info size_of(const efme_dataset *d, uint32_t w, uint32_t h) {
  struct efme_stage *s = make_stage(d, w, h, EFME_STAGE_CACHE);
  struct efme_stage_info info;
  efme_stage_get_info(s, &info);
  efme_stage_release(s);
  return info;
}

/* The input's size, whatever the others of the set are; grey where all are. */
START_TEST(stage_sizes) {
  static const char *const same[] = {"a.pgm", "b.pgm"}, *const mixed[] = {"a.pgm", "c.pgm"}, *const colour[] = {"a.pgm", "d.ppm"};
  put_image("l/a.pgm", 40, 1), put_image("l/b.pgm", 40, 2), put_image("l/c.pgm", 32, 3);
  char ppm[40 * 40 * 3 + 20] = "P6 40 40 255\n";
  put_file("l/d.ppm", ppm, 13 + 4800);
  efme_dataset *d = manifest_of("l/same.csv", same, 2);
  struct efme_stage_info i = size_of(d, 48, 50);
  ck_assert(i.width == 48 && i.height == 50 && i.channels == 1 && i.count == 2 && i.sample_bytes == 2400 && i.cached);
  i = size_of(d, 48, 32);
  ck_assert(i.width == 48 && i.height == 32 && i.channels == 1);
  efme_dataset_release(d);
  d = manifest_of("l/mixed.csv", mixed, 2);
  i = size_of(d, 36, 36);
  ck_assert(i.width == 36 && i.height == 36 && i.channels == 1);
  efme_dataset_release(d);
  d = manifest_of("l/colour.csv", colour, 2);
  i = size_of(d, 40, 40);
  ck_assert(i.width == 40 && i.height == 40 && i.channels == 3);
  struct efme_stage *s = make_stage(d, 40, 40, 0); /* grey beside colour is replicated */
  uint8_t pixels[4800];
  efme_image *image;
  assert_ok(efme_stage_read(s, 0, pixels));
  assert_ok(efme_dataset_read(d, 0, &image));
  for (int k = 0; k < 4800; k++) ck_assert_uint_eq(pixels[k], efme_image_pixels(image)[k / 3]);
  efme_image_release(image), efme_stage_release(s), efme_dataset_release(d);
}
END_TEST

/* Every way of resizing is efme_image_resize's, with a cache and without. */
START_TEST(stage_resizes_as_images_do) {
  static const uint32_t sizes[][2] = {{48, 40}, {80, 96}, {48, 96}, {64, 64}};
  efme_dataset *d = synthetic(context, 2, 2, 64);
  for (size_t k = 0; k < 2 * EFME_COUNT(sizes); k++) {
    uint32_t w = sizes[k / 2][0], h = sizes[k / 2][1];
    struct efme_stage *s = make_stage(d, w, h, k & 1 ? EFME_STAGE_CACHE : 0);
    uint8_t *staged = malloc((size_t)w * h * 3);
    efme_image *image, *resized;
    assert_ok(efme_dataset_read(d, 3, &image));
    assert_ok(efme_image_resize(&resized, image, w, h));
    for (int turn = 0; turn < 2; turn++) {
      memset(staged, 0, (size_t)w * h * 3);
      assert_ok(efme_stage_read(s, 3, staged));
      ck_assert_mem_eq(staged, efme_image_pixels(resized), (size_t)w * h * 3);
    }
    efme_image_release(resized), efme_image_release(image), efme_stage_release(s);
    free(staged);
  }
  efme_dataset_release(d);
}
END_TEST

/* ---- errors ---- */
START_TEST(bad_files_are_named_in_order) {
  static const char *const files[] = {"0.pgm", "1.pgm", "2.pgm", "3.pgm", "4.pgm", "5.pgm", "6.pgm", "7.pgm"};
  char name[32];
  for (uint32_t i = 0; i < 8; i++) snprintf(name, sizeof name, "e/%u.pgm", i), put_image(name, 40, i);
  efme_dataset *d = manifest_of("e/set.csv", files, 8);
  for (uint32_t threads = 0; threads < 4; threads++) {
    put_image("e/5.pgm", 40, 5), put_image("e/6.pgm", 40, 6);
    struct efme_stage *s = make_stage(d, 48, 48, 0);
    put_text("e/5.pgm", "P5 40 40 255\ncut short"), put_text("e/6.pgm", "no image");
    struct efme_loader_options o = {.batch = 3, .threads = threads};
    struct efme_loader *l;
    const struct efme_loader_batch *b = NULL, *before;
    assert_ok(efme_loader_create(&l, s, NULL, 0, &o));
    for (int round = 0; round < 3; round++) { /* the first batch is good, the second bad, always by the same file */
      assert_ok(efme_loader_start(l, EFME_LOADER_SEQUENTIAL, 0, 0));
      assert_ok(efme_loader_next(l, &b));
      before = b;
      assert_fails(efme_loader_next(l, &b), EFME_E_FORMAT, "e/5.pgm");
      ck_assert_ptr_eq(b, before);
      assert_fails(efme_loader_next(l, &b), EFME_E_STATE, "not started");
    }
    assert_ok(efme_loader_start(l, EFME_LOADER_SEQUENTIAL, 0, 2));
    assert_fails(efme_loader_next(l, &b), EFME_E_UNSUPPORTED, "e/6.pgm");
    efme_loader_destroy(l), efme_stage_release(s);
    unlink(scratch("e/0.pgm"));
    struct efme_stage *none = (struct efme_stage *)1;
    assert_fails(efme_stage_create(&none, d, 48, 48, 0), EFME_E_IO, "e/0.pgm");
    ck_assert_ptr_eq(none, (struct efme_stage *)1);
    put_image("e/0.pgm", 40, 0);
  }
  efme_dataset_release(d);
}
END_TEST

/* ---- the host's samples, read by many threads at once ---- */
static atomic_int reading, most;

static efme_status host_describe(efme_sample *s, uint64_t index, void *user) {
  (void)index, (void)user;
  s->native_label = "x";
  return EFME_OK;
}

static efme_status host_read(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)user;
  uint8_t pixels[16 * 16];
  int now = atomic_fetch_add(&reading, 1) + 1, seen = atomic_load(&most);
  while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
  }
  usleep(300);
  for (int i = 0; i < 256; i++) pixels[i] = (uint8_t)(index + (uint64_t)i);
  atomic_fetch_sub(&reading, 1);
  return efme_image_from_pixels(out, c, pixels, EFME_PIXEL_GREY8, 16, 16, 0);
}

START_TEST(host_samples) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 60, .describe = host_describe, .read = host_read};
  efme_dataset *d;
  assert_ok(efme_dataset_create(&d, context, &c));
  struct efme_stage *s = make_stage(d, 16, 16, EFME_STAGE_CACHE);
  struct efme_stage_info info;
  efme_stage_get_info(s, &info);
  ck_assert(info.width == 16 && info.height == 16 && info.channels == 3); /* unknown: the input's, in colour */
  struct efme_loader_options o = {.batch = 16, .threads = 4};
  struct efme_loader *l;
  const struct efme_loader_batch *b;
  assert_ok(efme_loader_create(&l, s, NULL, 0, &o));
  for (int epoch = 0; epoch < 2; epoch++) {
    assert_ok(efme_loader_start(l, EFME_LOADER_SHUFFLED, (uint32_t)epoch, 0));
    uint64_t n = 0;
    for (assert_ok(efme_loader_next(l, &b)); b;) {
      for (uint32_t i = 0; i < b->count; i++, n++)
        for (int k = 0; k < 768; k++) ck_assert_uint_eq(b->pixels[i * 768 + (uint32_t)k], (uint8_t)(b->ids[i] + k / 3));
      assert_ok(efme_loader_next(l, &b));
    }
    ck_assert_uint_eq(n, 60);
  }
  ck_assert_int_ge(atomic_load(&most), 2);
  efme_loader_destroy(l), efme_stage_release(s), efme_dataset_release(d);
}
END_TEST

/* Sample 2 fails late, sample 12 of the same batch at once, on another thread: the error is that of the first in order. */
static efme_status host_fail(efme_image **out, efme_context *c, uint64_t index, void *user) {
  if (index == 2) usleep(20000);
  return index == 2 || index == 12 ? EFME_E_IO : host_read(out, c, index, user);
}

START_TEST(the_first_error_in_order_wins) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 40, .describe = host_describe, .read = host_fail};
  efme_dataset *d;
  assert_ok(efme_dataset_create(&d, context, &c));
  for (uint32_t threads = 0; threads < 4; threads++) {
    struct efme_stage *s = make_stage(d, 16, 16, 0);
    struct efme_loader_options o = {.batch = 20, .threads = threads};
    struct efme_loader *l;
    const struct efme_loader_batch *b;
    assert_ok(efme_loader_create(&l, s, NULL, 0, &o));
    assert_ok(efme_loader_start(l, EFME_LOADER_SEQUENTIAL, 0, 0));
    assert_fails(efme_loader_next(l, &b), EFME_E_IO, "sample host//2 (row 2)");
    efme_loader_destroy(l), efme_stage_release(s);
  }
  efme_dataset_release(d);
}
END_TEST

/* Two loaders over one stage, side by side, as folds do. */
START_TEST(loaders_share_a_stage) {
  efme_dataset *d = synthetic(context, 6, 6, 32);
  struct efme_stage *s = make_stage(d, 32, 32, EFME_STAGE_CACHE), *fresh = make_stage(d, 32, 32, 0);
  struct efme_loader_options o = {.batch = 5, .threads = 2};
  struct efme_loader *l[3];
  struct efme_stage_info info;
  efme_stage_get_info(s, &info);
  for (int i = 0; i < 3; i++) assert_ok(efme_loader_create(&l[i], i < 2 ? s : fresh, NULL, 0, &o));
  const struct efme_loader_batch *a, *b, *c;
  for (int i = 0; i < 3; i++) assert_ok(efme_loader_start(l[i], EFME_LOADER_SHUFFLED, 1, 0));
  for (int k = 0; k < 8; k++) {
    assert_ok(efme_loader_next(l[0], &a)), assert_ok(efme_loader_next(l[1], &b)), assert_ok(efme_loader_next(l[2], &c));
    ck_assert_mem_eq(a->pixels, b->pixels, a->count * info.sample_bytes);
    ck_assert_mem_eq(a->pixels, c->pixels, a->count * info.sample_bytes);
  }
  for (int i = 0; i < 3; i++) efme_loader_destroy(l[i]);
  efme_stage_release(s), efme_stage_release(fresh), efme_dataset_release(d);
}
END_TEST

/* ---- hashes ---- */
static int stop_at(const char *what, uint64_t done, uint64_t total, void *user) {
  (void)what, (void)total;
  return done >= *(uint64_t *)user;
}

START_TEST(hashes) {
  static const char *const files[] = {"a.pgm", "b.pgm", "c.pgm", "copy.pgm", "same.pgm"};
  put_image("h/a.pgm", 40, 1), put_image("h/b.pgm", 40, 2), put_image("h/c.pgm", 32, 1), put_image("h/copy.pgm", 40, 1);
  uint8_t file[1700] = "P5 # another file, the same pixels\n40 40 255\n";
  size_t head = strlen((char *)file);
  for (uint32_t i = 0; i < 1600; i++) file[head + i] = (uint8_t)(31 + i * 2);
  put_file("h/same.pgm", file, head + 1600);
  efme_dataset *d = manifest_of("h/set.csv", files, 5);
  ck_assert(sample_of(d, 0).file_hash == 0 && sample_of(d, 0).pixel_hash == 0);
  uint64_t none = 0;
  assert_fails(efme_dataset_hashes(d, stop_at, &none), EFME_E_CANCELLED, "cancelled");
  assert_ok(efme_dataset_hashes(d, NULL, NULL));
  efme_sample s[5];
  for (uint64_t i = 0; i < 5; i++) s[i] = sample_of(d, i), ck_assert(s[i].file_hash && s[i].pixel_hash);
  ck_assert(s[0].file_hash == s[3].file_hash && s[0].pixel_hash == s[3].pixel_hash);
  ck_assert(s[0].file_hash != s[4].file_hash && s[0].pixel_hash == s[4].pixel_hash);
  ck_assert(s[0].pixel_hash != s[1].pixel_hash && s[0].pixel_hash != s[2].pixel_hash);
  efme_dataset_release(d);
  /* grey in one channel and in three is one picture; a grain of colour makes another */
  static const char *const forms[] = {"grey.pgm", "three.ppm", "grain.ppm"};
  static const char *const heads[] = {"P5 90 80 255\n", "P6 90 80 255\n", "P6 90 80 255\n"};
  for (int k = 0; k < 3; k++) {
    uint8_t picture[3 * 90 * 80 + 16];
    size_t n = strlen(strcpy((char *)picture, heads[k]));
    for (uint32_t i = 0; i < 90 * 80; i++)
      for (int c = 0; c < (k ? 3 : 1); c++) picture[n++] = (uint8_t)(i * 7 / 3);
    if (k == 2) picture[n - 1] ^= 1;
    char name[32];
    snprintf(name, sizeof name, "h/%s", forms[k]);
    put_file(name, picture, n);
  }
  d = manifest_of("h/forms.csv", forms, 3);
  assert_ok(efme_dataset_hashes(d, NULL, NULL));
  ck_assert(sample_of(d, 0).pixel_hash == sample_of(d, 1).pixel_hash && sample_of(d, 0).pixel_hash != sample_of(d, 2).pixel_hash);
  efme_dataset_release(d);
  d = synthetic(context, 2, 3, 32); /* noted in passing, and shared by views */
  efme_dataset *f;
  assert_ok(efme_dataset_filter(&f, d, "subject", efme_dataset_subject(d, 1), 0));
  efme_image *image;
  assert_ok(efme_dataset_read(f, 0, &image));
  efme_image_release(image);
  ck_assert(sample_of(d, 3).pixel_hash && !sample_of(d, 2).pixel_hash && !sample_of(d, 3).file_hash);
  efme_dataset_release(f), efme_dataset_release(d);
}
END_TEST

int main(void) {
  context = data_context();
  Suite *suite = suite_create("loader");
  TCase *t = tcase_create("loader");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, threads_never_matter);
  tcase_add_test(t, order_is_as_defined);
  tcase_add_test(t, stage_sizes);
  tcase_add_test(t, stage_resizes_as_images_do);
  tcase_add_test(t, bad_files_are_named_in_order);
  tcase_add_test(t, host_samples);
  tcase_add_test(t, the_first_error_in_order_wins);
  tcase_add_test(t, loaders_share_a_stage);
  tcase_add_test(t, hashes);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  scratch_clean();
  return result;
}
