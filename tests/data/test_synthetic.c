/* Synthetic faces: the same pixels everywhere, classes and subjects as promised, truth where the eyes are. */
#include "data_test.h"

#include "data/portrait.h"

static efme_context *context;

#define EXPECTED_COLOUR 0xb61d295c077fce80u
#define EXPECTED_GREY 0x938676062e878ae0u

static uint64_t hash_of(const efme_dataset *d, uint64_t i, uint64_t seed) {
  efme_image *image;
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  assert_ok(efme_dataset_read(d, i, &image));
  assert_ok(efme_image_get_info(image, &info));
  uint64_t h = efme_hash64(efme_image_pixels(image), (size_t)info.width * info.height * info.channels, seed);
  efme_image_release(image);
  return h;
}

START_TEST(same_everywhere) { /* whoever changes the drawing changes the version in synthetic.c, too */
  efme_dataset *d = synthetic(context, 6, 6, 48);
  uint64_t h = 0;
  for (uint64_t i = 0; i < 36; i++) h = hash_of(d, i, h);
  efme_dataset_release(d);
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  o.channels = 1, o.size = 75, o.intensity_min = .1f, o.intensity_max = .3f, o.subjects = 2, o.samples_per_subject = 3, o.seed = 99;
  assert_ok(efme_dataset_open_synthetic(&d, context, &o));
  uint64_t g = 0;
  for (uint64_t i = 0; i < 6; i++) g = hash_of(d, i, g);
  efme_dataset_release(d);
  ck_assert_msg(h == EXPECTED_COLOUR && g == EXPECTED_GREY, "pixels hash to %016llx and %016llx", (unsigned long long)h,
                (unsigned long long)g);
}
END_TEST

START_TEST(subjects_and_classes) {
  efme_dataset *d = synthetic(context, 64, 24, 48);
  uint64_t counts[3];
  assert_ok(efme_dataset_class_counts(d, counts, 3));
  ck_assert_uint_eq(efme_dataset_subject_count(d), 64);
  for (int c = 0; c < 3; c++) ck_assert(counts[c] > 440 && counts[c] < 590);
  ck_assert_str_eq(efme_dataset_class_name(d, 0), "negative");
  ck_assert_str_eq(efme_dataset_class_name(d, 1), "positive");
  ck_assert_str_eq(efme_dataset_class_name(d, 2), "surprise");
  int missing = 0;
  for (uint64_t p = 0; p < 64; p++) { /* dealt evenly: 8 of each, or 12 of two */
    uint32_t n[3] = {0, 0, 0};
    for (uint64_t i = 0; i < 24; i++) n[sample_of(d, p * 24 + i).label]++;
    if (n[0] && n[1] && n[2]) ck_assert(n[0] == 8 && n[1] == 8);
    else missing++, ck_assert(n[0] + n[1] + n[2] == 24 && (n[0] == 12 || n[1] == 12));
  }
  ck_assert(missing >= 2 && missing <= 18);
  efme_dataset_release(d);
}
END_TEST

START_TEST(ranges_meet_where_they_should) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *a, *b;
  o.subjects = 4, o.samples_per_subject = 3;
  assert_ok(efme_dataset_open_synthetic(&a, context, &o));
  o.first_subject = 2;
  assert_ok(efme_dataset_open_synthetic(&b, context, &o));
  ck_assert_str_eq(efme_dataset_subject(a, 2), efme_dataset_subject(b, 0));
  ck_assert_uint_eq(hash_of(a, 6, 0), hash_of(b, 0, 0)); /* subject 2 is subject 2 */
  ck_assert_uint_ne(efme_dataset_fingerprint(a), efme_dataset_fingerprint(b));
  efme_dataset_release(b);
  o.first_subject = 4;
  assert_ok(efme_dataset_open_synthetic(&b, context, &o));
  for (uint32_t i = 0; i < 4; i++)
    for (uint32_t k = 0; k < 4; k++) ck_assert_str_ne(efme_dataset_subject(a, i), efme_dataset_subject(b, k));
  efme_dataset_release(b);
  o.first_subject = 0, o.intensity_min = .1f;
  assert_ok(efme_dataset_open_synthetic(&b, context, &o));
  ck_assert_uint_ne(efme_dataset_fingerprint(a), efme_dataset_fingerprint(b)); /* other pixels under the same keys */
  efme_dataset_release(b);
  o.intensity_min = .6f, o.seed = 2; /* another seed: other people */
  assert_ok(efme_dataset_open_synthetic(&b, context, &o));
  ck_assert_str_ne(efme_dataset_subject(a, 0), efme_dataset_subject(b, 0));
  efme_dataset_release(b), efme_dataset_release(a);
}
END_TEST

START_TEST(truth) {
  efme_dataset *d = synthetic(context, 12, 4, 96), *grey;
  for (uint64_t i = 0; i < 48; i++) {
    float box[4], eyes[4];
    assert_ok(efme_dataset_synthetic_truth(d, i, box, eyes));
    ck_assert(box[2] > 30 && box[3] > 30 && box[2] < 96 && box[3] < 96);
    ck_assert(eyes[0] < eyes[2]);
    for (int e = 0; e < 4; e += 2) /* the eyes lie in the upper part of the box */
      ck_assert(eyes[e] > box[0] && eyes[e] < box[0] + box[2] && eyes[e + 1] > box[1] && eyes[e + 1] < box[1] + .75f * box[3]);
    /* and where they are, the picture has an eye: much contrast within a few pixels */
    efme_image *image;
    assert_ok(efme_dataset_read(d, i, &image));
    for (int e = 0; e < 4; e += 2) {
      int low = 255, high = 0;
      for (int y = -5; y <= 5; y++)
        for (int x = -8; x <= 8; x++) {
          int px = (int)eyes[e] + x, py = (int)eyes[e + 1] + y;
          int v = px < 0 || px > 95 || py < 0 || py > 95 ? 128 : efme_image_pixels(image)[(py * 96 + px) * 3 + 1];
          if (v < low) low = v;
          if (v > high) high = v;
        }
      ck_assert_msg(high - low > 35, "sample %u: contrast %d at an eye", (unsigned)i, high - low);
    }
    efme_image_release(image);
  }
  float box[4], eyes[4];
  assert_fails(efme_dataset_synthetic_truth(d, 48, box, eyes), EFME_E_ARGUMENT, "48");
  assert_fails(efme_dataset_synthetic_truth(d, 0, NULL, eyes), EFME_E_ARGUMENT, "box");
  put_image("t/happy/S1_1_1.pgm", 48, 1);
  assert_ok(efme_dataset_open_ck48(&grey, context, scratch("t"), NULL));
  assert_fails(efme_dataset_synthetic_truth(grey, 0, box, eyes), EFME_E_UNSUPPORTED, "not synthetic");
  efme_dataset_release(grey), efme_dataset_release(d);
}
END_TEST

/* The view does not change with the strength; the expression does, the more the stronger. */
START_TEST(intensity_moves_the_expression_alone) {
  uint8_t a[48 * 48], b[48 * 48], c[48 * 48];
  for (int k = 0; k < 3; k++) {
    struct efme_portrait f[3];
    static const double strength[3] = {0, .3, 1};
    for (int i = 0; i < 3; i++) efme_portrait_make(&f[i], 7, 3, 5, (enum efme_expression)k, strength[i]);
    efme_portrait_draw(a, 48, 48, 1, &f[0]), efme_portrait_draw(b, 48, 48, 1, &f[1]), efme_portrait_draw(c, 48, 48, 1, &f[2]);
    double weak = 0, strong = 0, border = 0;
    for (int i = 0; i < 48 * 48; i++) {
      weak += abs(b[i] - a[i]), strong += abs(c[i] - a[i]);
      if (i < 48 || i % 48 == 0) border += abs(c[i] - a[i]);
    }
    ck_assert(weak > 0 && strong > 1.5 * weak && border == 0);
  }
}
END_TEST

START_TEST(options) {
  efme_dataset *d = (efme_dataset *)1;
  const efme_synthetic_options good = EFME_SYNTHETIC_OPTIONS_INIT;
#define REFUSED(field, value, word)                                                                                                        \
  do {                                                                                                                                     \
    efme_synthetic_options o = good;                                                                                                       \
    o.field = value;                                                                                                                       \
    assert_fails(efme_dataset_open_synthetic(&d, context, &o), EFME_E_ARGUMENT, word);                                                     \
  } while (0)
  REFUSED(subjects, 0, "subjects is 0");
  REFUSED(subjects, 10001, "subjects is 10001");
  REFUSED(samples_per_subject, 0, "samples_per_subject");
  REFUSED(size, 31, "size is 31");
  REFUSED(size, 1025, "size is 1025");
  REFUSED(channels, 2, "channels is 2");
  REFUSED(intensity_min, -.1f, "intensity");
  REFUSED(intensity_max, 1.1f, "intensity");
  REFUSED(intensity_max, .5f, "intensity"); /* below the minimum */
  REFUSED(first_subject, UINT32_MAX, "first_subject");
  REFUSED(struct_size, 4, "efme_synthetic_options");
  assert_fails(efme_dataset_open_synthetic(NULL, context, NULL), EFME_E_ARGUMENT, "out");
  assert_fails(efme_dataset_open_synthetic(&d, NULL, NULL), EFME_E_ARGUMENT, "context");
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  assert_ok(efme_dataset_open_synthetic(&d, context, NULL)); /* NULL: the defaults */
  ck_assert_uint_eq(efme_dataset_count(d), 24 * 24);
  efme_dataset_release(d);
}
END_TEST

int main(void) {
  context = data_context();
  Suite *suite = suite_create("synthetic");
  TCase *t = tcase_create("synthetic");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, same_everywhere);
  tcase_add_test(t, subjects_and_classes);
  tcase_add_test(t, ranges_meet_where_they_should);
  tcase_add_test(t, truth);
  tcase_add_test(t, intensity_moves_the_expression_alone);
  tcase_add_test(t, options);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  scratch_clean();
  return result;
}
