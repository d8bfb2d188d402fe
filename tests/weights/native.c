/* libefme's own files: the same back from path, memory and stream in three types, or changed as the options ask. */
#include <math.h>

#include "files.h"

static void check_same(const efme_model *a, const efme_model *b) {
  ck_assert_uint_eq(checksum(a), checksum(b));
  ck_assert_int_eq(memcmp(&a->arch, &b->arch, sizeof a->arch), 0);
  for (uint32_t i = 0; i < a->arch.classes; i++) ck_assert_str_eq(efme_model_class_name(a, i), efme_model_class_name(b, i));
  ck_assert_uint_eq(a->metadata_count, b->metadata_count);
  for (size_t i = 0; i < a->metadata_count; i++) ck_assert_str_eq(efme_model_metadata(b, a->metadata[i].key), a->metadata[i].value);
  ck_assert(efme_provenance_equal(a->provenance, b->provenance));
}

START_TEST(round_trip) {
  efme_model *m = make_used_model(3), *back = NULL;
  ck_assert_msg(efme_model_save(m, at("m"), EFME_WEIGHTS_F32) == EFME_OK, "%s", efme_last_error());
  ck_assert_msg(efme_model_load(&back, context, at("m"), NULL) == EFME_OK, "%s", efme_last_error());
  check_same(m, back);
  ck_assert(efme_model_provenance_known(back) == 1 && efme_model_has_seen_subject(back, "casme2/sub01") &&
            !efme_model_has_seen_subject(back, "casme2/sub0"));
  ck_assert(efme_model_has_seen_content(back, 5) && !efme_model_has_seen_content(back, 6));
  ck_assert_uint_eq(efme_model_seen_dataset_count(back), 1);
  ck_assert_str_eq(efme_model_seen_dataset(back, 0), "fer2013");
  ck_assert_ptr_null(efme_model_seen_dataset(back, 1));
  ck_assert_int_eq(efme_model_save(back, at("n"), EFME_WEIGHTS_F32), EFME_OK); /* the same file, to the byte */
  size_t x, y;
  uint8_t *p = slurp(at("m"), &x), *q = slurp(at("n"), &y);
  ck_assert(x == y && memcmp(p, q, x) == 0);
  free(p), free(q);
  efme_model_release(m), efme_model_release(back);
}
END_TEST

START_TEST(half_types) {
  efme_model *m = make_used_model(2);
  for (uint32_t type = EFME_WEIGHTS_F16; type <= EFME_WEIGHTS_BF16; type++) {
    efme_model *back = NULL, *again = NULL;
    ck_assert_int_eq(efme_model_save(m, at("h"), type), EFME_OK);
    ck_assert_msg(efme_model_load(&back, context, at("h"), NULL) == EFME_OK, "%s", efme_last_error());
    double step = type == EFME_WEIGHTS_F16 ? 0x1p-11 : 0x1p-8, worst = 0;
    for (uint64_t i = 0; i < m->params.total; i++) {
      double v = (double)m->weights[i], error = fabs((double)back->weights[i] - v);
      if (error > 0x1p-25) worst = fmax(worst, error / fabs(v));
    }
    printf("type %u: relative error %.2g\n", type, worst);
    ck_assert(worst <= step && worst > step / 8);
    ck_assert_int_eq(efme_model_save(back, at("i"), type), EFME_OK); /* rounded once is rounded */
    ck_assert_int_eq(efme_model_load(&again, context, at("i"), NULL), EFME_OK);
    check_same(back, again);
    efme_model_release(back), efme_model_release(again);
  }
  float large[32] = {1e30f};
  ck_assert_int_eq(efme_model_set(m, "stem_bn/moving_variance", large, 32), EFME_OK);
  ck_assert_int_eq(efme_model_save(m, at("new"), EFME_WEIGHTS_F16), EFME_E_NUMERIC);
  expect_text("tensor \"stem_bn/moving_variance\": element 0 does not fit F16");
  ck_assert_int_ne(access(at("new"), F_OK), 0);
  ck_assert_int_eq(efme_model_save(m, at("new"), EFME_WEIGHTS_BF16), EFME_OK);
  efme_model_release(m);
}
END_TEST

START_TEST(memory_and_stream) {
  efme_model *m = make_used_model(1);
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F32), EFME_OK);
  size_t size;
  uint8_t *file = slurp(at("m"), &size);
  efme_model *back = NULL;
  ck_assert_int_eq(efme_model_load_memory(&back, context, file, size, NULL), EFME_OK);
  check_same(m, back);
  efme_model_release(back);
  for (size_t piece = 1; piece <= 100000; piece *= 99) {
    struct stream s = {file, size, piece, 0, 0, -1, EFME_OK};
    ck_assert_msg(efme_model_load_stream(&back, context, read_stream, &s, NULL) == EFME_OK, "%s", efme_last_error());
    ck_assert_int_eq(s.backwards, 0);
    check_same(m, back);
    efme_model_release(back);
  }
  back = NULL;
  for (int fail_at = 0; fail_at < 5; fail_at++) {
    struct stream s = {file, size, 1 << 20, 0, 0, fail_at, fail_at & 1 ? EFME_E_CANCELLED : (efme_status)77};
    ck_assert_int_eq(efme_model_load_stream(&back, context, read_stream, &s, NULL), fail_at & 1 ? EFME_E_CANCELLED : EFME_E_IO);
    expect_text("the read callback answered");
    ck_assert_ptr_null(back);
  }
  uint8_t *longer = calloc(1, size + 1);
  memcpy(longer, file, size);
  struct stream s = {longer, size + 1, 1 << 20, 0, 0, -1, EFME_OK};
  ck_assert_int_eq(efme_model_load_stream(&back, context, read_stream, &s, NULL), EFME_E_FORMAT);
  expect_text("oversized");
  ck_assert_int_eq(efme_model_load_memory(&back, context, longer, size + 1, NULL), EFME_E_FORMAT);
  expect_text("oversized: 1 bytes");
  free(longer), free(file);
  efme_model_release(m);
}
END_TEST

START_TEST(options) {
  efme_model *m = make_used_model(5), *back = NULL;
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F32), EFME_OK);
  const efme_load_options plain = EFME_LOAD_OPTIONS_INIT;
  efme_load_options o = plain;
  static const char *const others[] = {"negative", "positive", "fear"}, *const two[] = {"x", "y"};
  o.class_names = others, o.class_count = 3;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_MISMATCH);
  expect_text("class 2 is \"surprise\", \"fear\" is asked for");
  o.class_names = two, o.class_count = 2;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_MISMATCH);
  expect_text("its head has 3 classes, 2 are asked for");
  o = plain, o.cut = 7;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_MISMATCH);
  expect_text("its trunk ends after stage 5, cut 7 is asked for");
  o = plain, o.cut = 3;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_ARGUMENT);
  o = plain, o.class_count = 3;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_ARGUMENT);
  o = plain, o.normalisation = 9;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_ARGUMENT);
  o = plain, o.head = 2;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_ARGUMENT);
  o = plain, o.width = 5;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_E_ARGUMENT);
  ck_assert_ptr_null(back);

  o = plain, o.class_names = NAMES, o.class_count = 3, o.cut = 5, o.height = 224, o.width = 224; /* the same, said aloud */
  o.normalisation = EFME_NORM_VARIANCE, o.padding = EFME_PAD_SYMMETRIC, o.bn_epsilon = 1e-5f;
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_OK);
  ck_assert_uint_eq(checksum(back), checksum(m));
  ck_assert(back->arch.height == 224 && back->arch.normalisation == EFME_NORM_VARIANCE && back->arch.padding == EFME_PAD_SYMMETRIC &&
            back->arch.bn_epsilon == 1e-5f);
  ck_assert_ptr_nonnull(strstr(efme_model_metadata(back, "load"), "input=224x224 of 48x48"));
  efme_model_release(back);

  o = plain, o.cut = 3, o.head = EFME_HEAD_RESET, o.class_names = two, o.class_count = 2, o.seed = 4;
  ck_assert_msg(efme_model_load(&back, context, at("m"), &o) == EFME_OK, "%s", efme_last_error());
  efme_model *clone = NULL;
  ck_assert_int_eq(efme_model_clone(&clone, m, &o), EFME_OK); /* the same way to the same model */
  check_same(clone, back);
  ck_assert(efme_model_has_seen_subject(back, "casme2/sub01")); /* a new head forgets nothing */
  efme_model_release(back), efme_model_release(clone);

  o = plain, o.head = EFME_HEAD_RESET;
  uint64_t sums[2];
  for (int i = 0; i < 2; i++) {
    o.seed = (uint64_t)i;
    ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_OK);
    sums[i] = checksum(back);
    ck_assert_str_eq(efme_model_metadata(back, "load"), "head=reset");
    efme_model_release(back);
  }
  ck_assert_uint_ne(sums[0], sums[1]);
  efme_model_release(m);
}
END_TEST

START_TEST(whole_b0) { /* cut 7 of a model with its top is the trunk without it */
  efme_model *m = make_model(context, 7, 1, 1), *back = NULL;
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.cut = 7;
  ck_assert_int_eq(efme_model_clone(&back, m, &o), EFME_E_ARGUMENT);
  o.head = EFME_HEAD_RESET;
  ck_assert_int_eq(efme_model_clone(&back, m, &o), EFME_OK);
  efme_model_info info = EFME_MODEL_INFO_INIT;
  efme_model_get_info(back, &info);
  ck_assert(info.cut == 7 && info.top == 0 && info.feature_count == 320);
  ck_assert_str_eq(efme_model_metadata(back, "load"), "head=reset cut=7 of 7 with top");
  efme_model_release(back), efme_model_release(m);
}
END_TEST

START_TEST(wrong_arguments) {
  efme_model *m = make_model(context, 1, 0, 1), *back = NULL;
  ck_assert_int_eq(efme_model_save(m, at("no/m"), EFME_WEIGHTS_F32), EFME_E_IO);
  expect_text("no/m");
  ck_assert_int_eq(efme_model_save(m, at("m"), 3), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_save(m, NULL, 0), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_save(NULL, at("m"), 0), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_load(&back, context, at("absent"), NULL), EFME_E_IO);
  expect_text("absent");
  ck_assert_int_eq(efme_model_load(&back, context, root, NULL), EFME_E_IO);
  expect_text("is a directory");
  ck_assert_int_eq(efme_model_load(&back, context, NULL, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_load(&back, NULL, "x", NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_load(NULL, context, "x", NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_load_memory(&back, context, NULL, 5, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_load_stream(&back, context, NULL, NULL, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_clone(&back, NULL, NULL), EFME_E_ARGUMENT);
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.reserved = 1;
  ck_assert_int_eq(efme_model_clone(&back, m, &o), EFME_E_ARGUMENT);
  ck_assert_ptr_null(back);
  efme_model_release(m);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights_native");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, round_trip);
  tcase_add_test(t, half_types);
  tcase_add_test(t, memory_and_stream);
  tcase_add_test(t, options);
  tcase_add_test(t, whole_b0);
  tcase_add_test(t, wrong_arguments);
  return test_run(suite);
}
