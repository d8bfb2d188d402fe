/* Model handles: numbers of the specification, initial values, tensors by name, who may change what, clones. */
#include <math.h>
#include <pthread.h>

#include "common.h"

static efme_context *context;
static void setup(void) { context = make_context(); }
static void teardown(void) { efme_context_release(context); }

START_TEST(counts) { /* spec, section 1: with dense(3) where that is meant, so the trunk is three weights and a bias a class less */
  static const struct {
    uint32_t cut, top;
    uint64_t trunk, head, trainable;
    double adds_224, adds_48;
  } want[] = {{5, 0, 867975, 868314, 852147, 243.4, 11.3},
              {3, 0, 68649, 68772, 65853, 113.8, 5.2},
              {7, 1, 4049571, 4049571 + 3843, 0, 384.5, 22.8},
              {7, 0, 3634851, 3634851 + 963, 0, 0, 0}};
  for (size_t i = 0; i < EFME_COUNT(want); i++) {
    efme_model_options o = EFME_MODEL_OPTIONS_INIT;
    o.class_names = NAMES, o.class_count = 3, o.cut = want[i].cut, o.top = want[i].top;
    double adds[2];
    efme_model *drawn = NULL, *m = NULL;
    ck_assert_int_eq(efme_model_create(&drawn, context, &o), EFME_OK);
    for (int size = 0; size < 2; size++) {
      efme_load_options l = EFME_LOAD_OPTIONS_INIT;
      l.height = l.width = size ? 48 : 224;
      ck_assert_int_eq(efme_model_clone(&m, drawn, &l), EFME_OK);
      efme_model_info info = EFME_MODEL_INFO_INIT;
      ck_assert_int_eq(efme_model_get_info(m, &info), EFME_OK);
      ck_assert_uint_eq(info.parameters, want[i].head);
      ck_assert_uint_eq(info.parameters - (info.feature_count + 1) * 3, want[i].trunk);
      if (want[i].trainable) ck_assert_uint_eq(info.trainable, want[i].trainable);
      adds[size] = (double)info.multiply_adds / 1e6;
      uint64_t parameters = 0, multiply_adds = 0, tensors = 0;
      for (uint32_t k = 0; k < info.layer_count; k++) {
        efme_layer_info layer = EFME_LAYER_INFO_INIT;
        ck_assert_int_eq(efme_model_layer(m, k, &layer), EFME_OK);
        ck_assert(layer.name[0] && layer.kind[0] && layer.height && layer.width && layer.channels);
        parameters += layer.parameters;
        multiply_adds += layer.multiply_adds;
      }
      for (uint32_t k = 0; k < info.tensor_count; k++) {
        uint32_t d[4];
        ck_assert_int_eq(efme_model_tensor(m, k, NULL, d), EFME_OK);
        tensors += (uint64_t)d[0] * d[1] * d[2] * d[3];
      }
      ck_assert_uint_eq(parameters, info.parameters);
      ck_assert_uint_eq(multiply_adds, info.multiply_adds);
      ck_assert_uint_eq(tensors + 7, info.parameters); /* Normalization's 7 are no tensors here */
      efme_model_release(m);
    }
    efme_model_release(drawn);
    printf("cut %u top %u: %.3f and %.3f M multiply-adds\n", want[i].cut, want[i].top, adds[0], adds[1]);
    if (want[i].adds_224 > 0) ck_assert(fabs(adds[0] - want[i].adds_224) < 0.0501 && fabs(adds[1] - want[i].adds_48) < 0.0501);
  }
}
END_TEST

START_TEST(layers) { /* cut 3 at 48: sizes as in the golden file's activations */
  efme_model *m = make_model(context, 3, 0, 1);
  static const struct {
    const char *name, *kind;
    uint32_t h, w, c;
  } want[] = {{"stem_conv", "conv", 24, 24, 32},
              {"block1a_dwconv", "depthwise", 24, 24, 32},
              {"block1a_se_excite", "multiply", 24, 24, 32},
              {"block2a_expand_activation", "activation", 24, 24, 96},
              {"block2a_bn", "batchnorm", 12, 12, 96},
              {"block2b_add", "add", 12, 12, 24},
              {"block3b_add", "add", 6, 6, 40},
              {"gap", "pool", 1, 1, 40},
              {"head", "dense", 1, 1, 3}};
  size_t found = 0;
  efme_model_info info = EFME_MODEL_INFO_INIT;
  efme_model_get_info(m, &info);
  for (uint32_t k = 0; k < info.layer_count; k++) {
    efme_layer_info l = EFME_LAYER_INFO_INIT;
    ck_assert_int_eq(efme_model_layer(m, k, &l), EFME_OK);
    for (size_t i = 0; i < EFME_COUNT(want); i++)
      if (strcmp(l.name, want[i].name) == 0) {
        ck_assert(strcmp(l.kind, want[i].kind) == 0 && l.height == want[i].h && l.width == want[i].w && l.channels == want[i].c);
        found++;
      }
  }
  ck_assert_uint_eq(found, EFME_COUNT(want));
  efme_layer_info l = EFME_LAYER_INFO_INIT;
  ck_assert_int_eq(efme_model_layer(m, info.layer_count, &l), EFME_E_ARGUMENT);
  efme_model_release(m);
}
END_TEST

static void moments(const efme_model *m, const char *name, size_t count, double *mean, double *deviation, double *most) {
  float *v = malloc(count * sizeof *v);
  ck_assert_msg(efme_model_get(m, name, v, count) == EFME_OK, "%s", efme_last_error());
  double s = 0, q = 0;
  *most = 0;
  for (size_t i = 0; i < count; i++) {
    s += (double)v[i], q += (double)v[i] * (double)v[i];
    *most = fmax(*most, fabs((double)v[i]));
  }
  *mean = s / (double)count;
  *deviation = sqrt(q / (double)count - *mean * *mean);
  free(v);
}

START_TEST(initial_values) {
  efme_model *m = make_model(context, 5, 0, 7);
  static const struct {
    const char *name;
    size_t count;
    double fan;
  } convs[] = {{"stem_conv/kernel", 864, 9 * 32},           {"block5a_expand_conv/kernel", 80 * 480, 480},
               {"block5c_dwconv/kernel", 25 * 672, 25},     {"block5c_se_reduce/kernel", 672 * 28, 28},
               {"block5c_se_expand/kernel", 672 * 28, 672}, {"block5c_project_conv/kernel", 672 * 112, 112}};
  double mean, deviation, most;
  for (size_t i = 0; i < EFME_COUNT(convs); i++) {
    double want = sqrt(2 / convs[i].fan), error = 4 / sqrt((double)convs[i].count);
    moments(m, convs[i].name, convs[i].count, &mean, &deviation, &most);
    ck_assert_msg(fabs(mean) < error * want && fabs(deviation / want - 1) < error && most <= 2.0001 * want / 0.87962566103423978,
                  "%s: %g %g %g", convs[i].name, mean, deviation / want, most / want);
    ck_assert(most > 1.5 * want);
  }
  moments(m, "head/kernel", 336, &mean, &deviation, &most); /* U(-l, l), l = sqrt(6/115) */
  ck_assert(fabs(deviation - 0.13188) < 0.016 && most <= 0.228416 && most > 0.22 && fabs(mean) < 0.03);
  static const struct {
    const char *name;
    size_t count;
    float value;
  } fixed[] = {{"head/bias", 3, 0},     {"block5c_se_reduce/bias", 28, 0}, {"stem_bn/gamma", 32, 1},
               {"stem_bn/beta", 32, 0}, {"stem_bn/moving_mean", 32, 0},    {"stem_bn/moving_variance", 32, 1}};
  for (size_t i = 0; i < EFME_COUNT(fixed); i++) {
    float v[32];
    ck_assert_int_eq(efme_model_get(m, fixed[i].name, v, fixed[i].count), EFME_OK);
    for (size_t k = 0; k < fixed[i].count; k++) ck_assert(v[k] == fixed[i].value);
  }
  efme_model_release(m);
}
END_TEST

START_TEST(seeds) {
  efme_model *a = make_model(context, 3, 0, 5), *b = make_model(context, 3, 0, 5), *c = make_model(context, 3, 0, 6),
             *d = make_model(context, 5, 0, 5);
  ck_assert_uint_eq(checksum(a), checksum(b));
  ck_assert_uint_ne(checksum(a), checksum(c));
  float x[864], y[864];
  efme_model_get(a, "stem_conv/kernel", x, 864);
  efme_model_get(d, "stem_conv/kernel", y, 864); /* a trunk tensor does not depend on the cut */
  ck_assert_mem_eq(x, y, sizeof x);
  efme_model_release(a), efme_model_release(b), efme_model_release(c), efme_model_release(d);
}
END_TEST

static void refuse(efme_model_options o, const char *text) {
  efme_model *m = (efme_model *)1;
  ck_assert_int_eq(efme_model_create(&m, context, &o), EFME_E_ARGUMENT);
  ck_assert(m == (efme_model *)1);
  expect_text(text);
}

START_TEST(wrong_options) {
  static const char *const same[] = {"a", "b", "a"}, *const empty[] = {"a", ""}, *const null[] = {"a", NULL}, *const odd[] = {"a", "b\nc"},
                           *const bytes[] = {"a", "\xff"};
  efme_model_options good = EFME_MODEL_OPTIONS_INIT, o;
  good.class_names = NAMES, good.class_count = 3;
  o = good, o.cut = 0, refuse(o, "cut is 0");
  o = good, o.cut = 8, refuse(o, "cut is 8");
  o = good, o.top = 1, refuse(o, "top needs cut 7");
  o = good, o.height = 31, refuse(o, "height is 31");
  o = good, o.width = 4097, refuse(o, "width is 4097");
  o = good, o.class_count = 1, refuse(o, "class count is 1");
  o = good, o.class_count = 1025, refuse(o, "class count is 1025");
  o = good, o.class_names = NULL, refuse(o, "class_names is NULL");
  o = good, o.class_names = same, refuse(o, "class_names[0] and [2] are both \"a\"");
  o = good, o.class_names = empty, o.class_count = 2, refuse(o, "class_names[1] is empty");
  o = good, o.class_names = null, o.class_count = 2, refuse(o, "class_names[1] is empty");
  o = good, o.class_names = odd, o.class_count = 2, refuse(o, "control character");
  o = good, o.class_names = bytes, o.class_count = 2, refuse(o, "not UTF-8");
  o = good, o.normalisation = 4, refuse(o, "normalisation is 4");
  o = good, o.padding = 2, refuse(o, "padding is 2");
  o = good, o.bn_epsilon = 0, refuse(o, "bn_epsilon");
  o = good, o.bn_epsilon = NAN, refuse(o, "bn_epsilon");
  o = good, o.bn_momentum = 1, refuse(o, "bn_momentum");
  o = good, o.reserved = 1, refuse(o, "reserved");
  o = good, o.struct_size = 2, refuse(o, "struct_size 2");
  efme_model *m = NULL;
  ck_assert_int_eq(efme_model_create(&m, context, NULL), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_create(&m, NULL, &good), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_create(NULL, context, &good), EFME_E_ARGUMENT);
}
END_TEST

START_TEST(tensors) {
  efme_model *m = make_model(context, 1, 0, 1);
  float v[864], w[864];
  for (int i = 0; i < 864; i++) v[i] = (float)i;
  uint64_t before = checksum(m);
  ck_assert_int_eq(efme_model_set(m, "stem_conv/kernel", v, 863), EFME_E_MISMATCH);
  ck_assert_int_eq(efme_model_provenance_known(m), 1);
  ck_assert_int_eq(efme_model_set(m, "stem_conv/kernel", v, 864), EFME_OK);
  ck_assert_int_eq(efme_model_provenance_known(m), 0); /* the values may be those of weights that have seen anything */
  ck_assert_int_eq(efme_model_get(m, "stem_conv/kernel", w, 864), EFME_OK);
  ck_assert_mem_eq(v, w, sizeof v);
  ck_assert_uint_ne(checksum(m), before);
  ck_assert_int_eq(efme_model_get(m, "stem_conv/bias", w, 1), EFME_E_NOT_FOUND);
  expect_text("no tensor \"stem_conv/bias\"");
  ck_assert_int_eq(efme_model_set(m, "stem_conv/kernel", v, 863), EFME_E_MISMATCH);
  expect_text("has 864 values, not 863");
  ck_assert_int_eq(efme_model_get(m, NULL, w, 1), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_get(m, "head/bias", NULL, 3), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_set(NULL, "head/bias", v, 3), EFME_E_ARGUMENT);
  uint32_t dims[4];
  const char *name;
  ck_assert_int_eq(efme_model_tensor(m, 0, &name, dims), EFME_OK);
  ck_assert_str_eq(name, "stem_conv/kernel");
  ck_assert(dims[0] == 3 && dims[1] == 3 && dims[2] == 3 && dims[3] == 32);
  ck_assert_int_eq(efme_model_tensor(m, 1000, &name, dims), EFME_E_ARGUMENT);
  ck_assert_str_eq(efme_model_class_name(m, 2), "surprise");
  ck_assert_ptr_null(efme_model_class_name(m, 3));
  efme_model_release(m);
}
END_TEST

START_TEST(held_models_do_not_change) {
  efme_model *m = make_model(context, 1, 0, 1);
  const float bias[3] = {1, 2, 3};
  ck_assert_int_eq(efme_model_hold(m), EFME_OK);
  ck_assert_int_eq(efme_model_set(m, "head/bias", bias, 3), EFME_E_BUSY);
  ck_assert_int_eq(efme_model_set_metadata(m, "k", "v"), EFME_E_BUSY);
  efme_model *copy = NULL;
  ck_assert_int_eq(efme_model_clone(&copy, m, NULL), EFME_OK);
  ck_assert_int_eq(efme_model_set(copy, "head/bias", bias, 3), EFME_OK);
  efme_model_release(m); /* the holder keeps it */
  efme_model_unhold(efme_model_retain(m));
  ck_assert_int_eq(efme_model_set(m, "head/bias", bias, 3), EFME_OK);
  ck_assert_int_eq(efme_model_change_begin(m), EFME_OK);
  ck_assert_int_eq(efme_model_hold(m), EFME_E_BUSY);
  ck_assert_int_eq(efme_model_change_begin(m), EFME_E_BUSY);
  efme_model_change_end(m);
  ck_assert_int_eq(efme_model_hold(m), EFME_OK);
  efme_model_unhold(m);
  efme_model_release(m), efme_model_release(copy);
}
END_TEST

/* Some threads hold and read, one changes: nobody ever sees half a change. */
static void *hold_and_read(void *user) {
  efme_model *m = user;
  long torn = 0;
  for (int i = 0; i < 3000; i++) {
    if (efme_model_hold(m)) continue;
    float v[864];
    efme_model_get(m, "stem_conv/kernel", v, 864);
    for (int k = 1; k < 864; k++) torn += v[k] != v[0];
    efme_model_unhold(m);
  }
  return (void *)torn;
}

START_TEST(changes_are_whole) {
  efme_model *m = make_model(context, 1, 0, 1);
  float v[864] = {0};
  ck_assert_int_eq(efme_model_set(m, "stem_conv/kernel", v, 864), EFME_OK);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, hold_and_read, m), 0);
  for (int i = 0; i < 3000; i++) {
    for (int k = 0; k < 864; k++) v[k] = (float)i;
    efme_status status = efme_model_set(m, "stem_conv/kernel", v, 864);
    ck_assert(status == EFME_OK || status == EFME_E_BUSY);
  }
  for (int i = 0; i < 4; i++) {
    void *torn;
    pthread_join(threads[i], &torn);
    ck_assert_ptr_null(torn);
  }
  ck_assert_int_eq(efme_model_set(m, "stem_conv/kernel", v, 864), EFME_OK);
  efme_model_release(m);
}
END_TEST

START_TEST(clones) {
  efme_model *m = make_model(context, 5, 0, 1), *copy = NULL;
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", "MIT"), EFME_OK);
  ck_assert_int_eq(efme_model_clone(&copy, m, NULL), EFME_OK);
  ck_assert_uint_eq(checksum(m), checksum(copy));
  ck_assert_str_eq(efme_model_metadata(copy, "licence"), "MIT");
  ck_assert_ptr_null(efme_model_metadata(copy, "load"));
  ck_assert_int_eq(efme_model_provenance_known(copy), 1);
  efme_model_release(copy);
  static const char *const two[] = {"yes", "no"};
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.cut = 3;
  ck_assert_int_eq(efme_model_clone(&copy, m, &o), EFME_E_ARGUMENT);
  expect_text("EFME_HEAD_RESET");
  o.head = EFME_HEAD_RESET, o.height = 75, o.width = 57, o.class_names = two, o.class_count = 2;
  ck_assert_int_eq(efme_model_clone(&copy, m, &o), EFME_OK);
  efme_model_info info = EFME_MODEL_INFO_INIT;
  efme_model_get_info(copy, &info);
  ck_assert(info.cut == 3 && info.height == 75 && info.width == 57 && info.class_count == 2 && info.feature_count == 40);
  ck_assert_str_eq(efme_model_metadata(copy, "load"), "head=reset cut=3 of 5 input=75x57 of 48x48 classes=2 of 3");
  float x[240 * 40], y[240 * 40];
  efme_model_get(m, "block3b_project_conv/kernel", x, 240 * 40);
  efme_model_get(copy, "block3b_project_conv/kernel", y, 240 * 40);
  ck_assert_mem_eq(x, y, sizeof x);
  efme_model_release(copy), efme_model_release(m);
}
END_TEST

START_TEST(metadata) {
  efme_model *m = make_model(context, 1, 0, 1);
  ck_assert_ptr_null(efme_model_metadata(m, "licence"));
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", "CC0"), EFME_OK);
  ck_assert_int_eq(efme_model_set_metadata(m, "note", "a\nb \"c\""), EFME_OK);
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", "MIT"), EFME_OK);
  ck_assert_str_eq(efme_model_metadata(m, "licence"), "MIT");
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", NULL), EFME_OK);
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", NULL), EFME_OK);
  ck_assert_ptr_null(efme_model_metadata(m, "licence"));
  ck_assert_str_eq(efme_model_metadata(m, "note"), "a\nb \"c\"");
  static const char *const wrong[] = {"", "efme.cut", "__metadata__", "\xff"};
  for (size_t i = 0; i < EFME_COUNT(wrong); i++) ck_assert_int_eq(efme_model_set_metadata(m, wrong[i], "x"), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_set_metadata(m, "k", "\xff"), EFME_E_ARGUMENT);
  ck_assert_int_eq(efme_model_set_metadata(m, NULL, "x"), EFME_E_ARGUMENT);
  efme_model_release(m);
}
END_TEST

START_TEST(handles_outlive_their_makers) {
  efme_context *own = make_context();
  efme_model *m = make_model(own, 1, 0, 1);
  efme_context_release(own);
  ck_assert_uint_ne(checksum(m), 0);
  efme_model_retain(m);
  efme_model_release(m);
  efme_model_release(m);
  efme_model_release(NULL);
  ck_assert_ptr_null(efme_model_retain(NULL));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights_model");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 60);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, counts);
  tcase_add_test(t, layers);
  tcase_add_test(t, initial_values);
  tcase_add_test(t, seeds);
  tcase_add_test(t, wrong_options);
  tcase_add_test(t, tensors);
  tcase_add_test(t, held_models_do_not_change);
  tcase_add_test(t, changes_are_whole);
  tcase_add_test(t, clones);
  tcase_add_test(t, metadata);
  tcase_add_test(t, handles_outlive_their_makers);
  return test_run(suite);
}
