/* Import of foreign names: every value of the golden files at its transposed place; what does not fit is refused by name. */
#include "common.h"
#include "foreign_file.h"

static efme_context *context;
static void setup(void) { context = make_context(); }
static void teardown(void) { efme_context_release(context); }

static efme_load_options reset_options(void) {
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.head = EFME_HEAD_RESET;
  o.class_names = NAMES, o.class_count = 3;
  return o;
}

/* Compares element by element, with indices written out from the layouts' definitions: [h][w][c][n] ours, [n][c][h][w] theirs. */
static void compare(const float *ours, const float *theirs, const struct efme_param *p, int torch, const char *name) {
  uint32_t H = p->dims[0], W = p->dims[1], C = p->dims[2], N = p->dims[3];
  for (uint32_t h = 0; h < H; h++)
    for (uint32_t w = 0; w < W; w++)
      for (uint32_t c = 0; c < C; c++)
        for (uint32_t n = 0; n < N; n++) {
          size_t a = ((size_t)(h * W + w) * C + c) * N + n, b = a;
          if (torch && p->kind == EFME_PARAM_DEPTHWISE) b = ((size_t)c * H + h) * W + w; /* [c][0][h][w] */
          else if (torch) b = (((size_t)n * C + c) * H + h) * W + w;
          if (ours[a] != theirs[b]) ck_abort_msg("%s: element %zu is %g, not %g", name, a, (double)ours[a], (double)theirs[b]);
        }
}

static void check_file(const char *file, uint32_t format, uint32_t cut, int keep) {
  const char *path = test_shared(file);
  struct efme_st_source source;
  struct efme_st_reader r;
  ck_assert_msg(efme_st_source_path(&source, &efme_allocator_libc, path) == EFME_OK, "%s", efme_last_error());
  ck_assert_msg(efme_st_open(&r, &efme_allocator_libc, &source) == EFME_OK, "%s", efme_last_error());
  efme_load_options o = reset_options();
  if (keep) o.head = EFME_HEAD_KEEP;
  o.cut = cut;
  for (int named = 0; named < 2; named++) {
    efme_model *m = NULL;
    ck_assert_msg(efme_model_import(&m, context, path, named ? efme_import_format_name(format) : NULL, &o) == EFME_OK, "%s",
                  efme_last_error());
    for (uint32_t i = 0; i < m->params.count; i++) {
      const struct efme_param *p = &m->params.items[i];
      if (p->head && !keep) continue;
      char name[96];
      ck_assert(efme_import_name(name, p->name, format, 0));
      const struct efme_st_entry *e = efme_st_find(&r, name);
      ck_assert_msg(e != NULL && e->count == p->count, "%s: %s", path, name);
      float *theirs = malloc(e->count * sizeof *theirs);
      ck_assert_int_eq(efme_st_read(&r, e, theirs, NULL), EFME_OK);
      compare(m->weights + p->offset, theirs, p, format != EFME_IMPORT_KERAS, p->name);
      free(theirs);
    }
    ck_assert_int_eq(efme_model_provenance_known(m), 0);
    ck_assert_ptr_nonnull(strstr(efme_model_metadata(m, "source"), efme_import_format_name(format)));
    ck_assert(m->arch.padding == (format == EFME_IMPORT_KERAS ? EFME_PAD_KERAS : EFME_PAD_SYMMETRIC));
    ck_assert(m->arch.bn_epsilon == (format == EFME_IMPORT_KERAS ? 1e-3f : 1e-5f));
    efme_model_release(m);
  }
  efme_st_close(&r);
  efme_st_source_close(&source, &efme_allocator_libc);
}

START_TEST(keras) {
  if (test_absent("golden/cut3_48_weights.safetensors")) return;
  check_file("golden/cut3_48_weights.safetensors", EFME_IMPORT_KERAS, 0, 1);
  check_file("golden/cut5_48_weights.safetensors", EFME_IMPORT_KERAS, 0, 1);
  check_file("golden/cut5_224_weights.safetensors", EFME_IMPORT_KERAS, 5, 1);
  check_file("golden/cut3_75x57_weights.safetensors", EFME_IMPORT_KERAS, 3, 1);
  check_file("golden/b0_64_weights.safetensors", EFME_IMPORT_KERAS, 0, 1);
}
END_TEST

START_TEST(torch) {
  if (test_absent("golden/timm_efficientnet_b0_stage1to5.safetensors")) return;
  check_file("golden/timm_efficientnet_b0_stage1to5.safetensors", EFME_IMPORT_TIMM, 0, 0);
  check_file("golden/timm_tf_efficientnet_b0_stage1to5.safetensors", EFME_IMPORT_TIMM, 5, 0);
  check_file("golden/torchvision_efficientnet_b0_stage1to5.safetensors", EFME_IMPORT_TORCHVISION, 0, 0);
  check_file("golden/torchvision_efficientnet_b0_stage1to5.safetensors", EFME_IMPORT_TORCHVISION, 3, 0);
}
END_TEST

START_TEST(any_cut_of_b0) {
  if (test_absent("golden/b0_64_weights.safetensors")) return;
  for (uint32_t cut = 1; cut <= 7; cut++) {
    check_file("golden/b0_64_weights.safetensors", EFME_IMPORT_KERAS, cut, 0);
    efme_load_options o = reset_options();
    efme_model *m = NULL;
    o.cut = cut, o.height = 33, o.width = 190;
    ck_assert_int_eq(efme_model_import(&m, context, test_shared("golden/b0_64_weights.safetensors"), NULL, &o), EFME_OK);
    ck_assert(m->arch.cut == cut && m->arch.top == 0 && m->arch.height == 33 && m->arch.width == 190 && m->arch.classes == 3);
    efme_model_release(m);
  }
}
END_TEST

START_TEST(options_of_an_import) {
  if (test_absent("golden/timm_tf_efficientnet_b0_stage1to5.safetensors")) return;
  const char *path = test_shared("golden/timm_tf_efficientnet_b0_stage1to5.safetensors");
  efme_load_options o = reset_options();
  o.padding = EFME_PAD_KERAS, o.bn_epsilon = 1e-3f, o.normalisation = EFME_NORM_SQRT_STD;
  efme_model *m = NULL, *back = NULL;
  ck_assert_int_eq(efme_model_import(&m, context, path, "timm", &o), EFME_OK);
  ck_assert(m->arch.padding == EFME_PAD_KERAS && m->arch.bn_epsilon == 1e-3f && m->arch.normalisation == EFME_NORM_SQRT_STD &&
            m->arch.height == 224);
  char saved[] = "/tmp/efme-import-XXXXXX";
  close(mkstemp(saved));
  ck_assert_int_eq(efme_model_save(m, saved, EFME_WEIGHTS_F32), EFME_OK); /* all of it stands in our own file */
  ck_assert_int_eq(efme_model_load(&back, context, saved, NULL), EFME_OK);
  ck_assert_int_eq(memcmp(&m->arch, &back->arch, sizeof m->arch), 0);
  ck_assert_uint_eq(checksum(m), checksum(back));
  ck_assert_int_eq(efme_model_provenance_known(back), 0);
  unlink(saved);
  efme_model_release(m), efme_model_release(back);

  o = reset_options(), o.head = EFME_HEAD_KEEP;
  ck_assert_int_eq(efme_model_import(&m, context, path, NULL, &o), EFME_E_MISMATCH);
  expect_text("has no head");
  o = reset_options(), o.class_names = NULL, o.class_count = 0;
  ck_assert_int_eq(efme_model_import(&m, context, path, NULL, &o), EFME_E_ARGUMENT);
  expect_text("class_names are needed");
  o = reset_options(), o.cut = 6;
  ck_assert_int_eq(efme_model_import(&m, context, path, NULL, &o), EFME_E_MISMATCH);
  expect_text("trunk ends after stage 5");
  o = reset_options();
  ck_assert_int_eq(efme_model_import(&m, context, path, "keras", &o), EFME_E_FORMAT);
  expect_text("block1a_project_conv/kernel");
  ck_assert_int_eq(efme_model_import(&m, context, path, "caffe", &o), EFME_E_ARGUMENT);
  expect_text("keras, timm and torchvision");
  ck_assert_int_eq(efme_model_import(&m, context, "/no/such/file", NULL, &o), EFME_E_IO);
  ck_assert_int_eq(efme_model_import(&m, context, NULL, NULL, &o), EFME_E_ARGUMENT);
  o = reset_options(), o.head = EFME_HEAD_KEEP;
  static const char *const two[] = {"a", "b"};
  o.class_names = two, o.class_count = 2;
  ck_assert_int_eq(efme_model_import(&m, context, test_shared("golden/cut3_48_weights.safetensors"), NULL, &o), EFME_E_MISMATCH);
  expect_text("its head has 3 classes, 2 are asked for");
}
END_TEST

/* ---- files made here, so that nothing of this needs the golden ones ---- */

static char path[64];
static void write_foreign(const struct foreign *f, uint32_t dtype) {
  ck_assert_msg(efme_st_write(&efme_allocator_libc, path, f->tensors, f->count, dtype, NULL, 0) == EFME_OK, "%s", efme_last_error());
}

static struct foreign *setup_foreign(const efme_model *m, uint32_t format, uint32_t alternative) {
  strcpy(path, "/tmp/efme-foreign-XXXXXX");
  close(mkstemp(path));
  struct foreign *f = calloc(1, sizeof *f);
  make_foreign(f, m, format, alternative);
  return f;
}

START_TEST(there_and_back) { /* whole B0 with its top and head in each format and type */
  efme_model *m = make_model(context, 7, 1, 11);
  for (uint32_t format = 0; format < EFME_IMPORT_COUNT; format++)
    for (uint32_t alternative = 0; alternative < (format == EFME_IMPORT_KERAS ? 2u : 1u); alternative++) {
      struct foreign *f = setup_foreign(m, format, alternative);
      write_foreign(f, EFME_ST_F32);
      efme_load_options o = EFME_LOAD_OPTIONS_INIT;
      o.class_names = NAMES, o.class_count = 3;
      efme_model *back = NULL;
      ck_assert_msg(efme_model_import(&back, context, path, NULL, &o) == EFME_OK, "%s", efme_last_error());
      ck_assert_uint_eq(checksum(m), checksum(back));
      ck_assert(back->arch.top == 1 && back->arch.cut == 7);
      efme_model_release(back);
      if (format == EFME_IMPORT_TIMM) {
        write_foreign(f, EFME_ST_BF16);
        ck_assert_int_eq(efme_model_import(&back, context, path, NULL, &o), EFME_OK);
        efme_model_release(back);
      }
      free_foreign(f);
      free(f);
      unlink(path);
    }
  efme_model_release(m);
}
END_TEST

/* ImageNet's head of 1000 classes in each format: it is left where it is, and a new one made; kept it needs its 1000 names. */
START_TEST(head_of_1000) {
  static char texts[1000][8];
  const char *names[1000];
  for (int i = 0; i < 1000; i++) snprintf(texts[i], sizeof texts[i], "c%d", i), names[i] = texts[i];
  efme_model_options mo = EFME_MODEL_OPTIONS_INIT;
  efme_model *m = NULL, *back = NULL;
  mo.cut = 7, mo.top = 1, mo.class_names = names, mo.class_count = 1000;
  ck_assert_int_eq(efme_model_create(&m, context, &mo), EFME_OK);
  for (uint32_t format = 0; format < EFME_IMPORT_COUNT; format++) {
    struct foreign *f = setup_foreign(m, format, 0);
    write_foreign(f, EFME_ST_F32);
    efme_load_options o = reset_options();
    ck_assert_msg(efme_model_import(&back, context, path, NULL, &o) == EFME_OK, "%s", efme_last_error());
    ck_assert(back->arch.top == 1 && back->arch.classes == 3);
    ck_assert_mem_eq(back->weights, m->weights, m->params.trunk_end * sizeof *m->weights);
    ck_assert_ptr_nonnull(strstr(efme_model_metadata(back, "load"), "head=reset"));
    efme_model_release(back);
    o.head = EFME_HEAD_KEEP;
    ck_assert_int_eq(efme_model_import(&back, context, path, NULL, &o), EFME_E_MISMATCH);
    expect_text("its head has 1000 classes, 3 are asked for");
    o.class_names = names, o.class_count = 1000;
    ck_assert_int_eq(efme_model_import(&back, context, path, NULL, &o), EFME_OK);
    ck_assert_uint_eq(checksum(m), checksum(back));
    efme_model_release(back);
    free_foreign(f);
    free(f);
    unlink(path);
  }
  efme_model_release(m);
}
END_TEST

static void refuse(const struct foreign *f, efme_status status, const char *text) {
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.class_names = NAMES, o.class_count = 3;
  efme_model *back = NULL;
  write_foreign(f, EFME_ST_F32);
  ck_assert_int_eq(efme_model_import(&back, context, path, NULL, &o), status);
  ck_assert_ptr_null(back);
  expect_text(text);
  expect_text(path);
}

START_TEST(wrong_files) {
  efme_model *m = make_model(context, 2, 0, 1);
  struct foreign *f = setup_foreign(m, EFME_IMPORT_TIMM, 0);
  struct efme_st_tensor last = f->tensors[f->count - 1], *t = &f->tensors[3];
  f->count--;
  refuse(f, EFME_E_FORMAT, "is missing"); /* the last statistics */
  f->count++;
  f->tensors[f->count] = last;
  f->tensors[f->count].name = "blocks.0.1.conv_dw.weight"; /* B1's */
  f->count++;
  refuse(f, EFME_E_FORMAT, "tensor \"blocks.0.1.conv_dw.weight\" is none of EfficientNet-B0's under timm names");
  f->count--;
  for (size_t i = 0; i < f->count; i++)
    if (strcmp(f->tensors[i].name, "blocks.1.0.conv_pw.weight") == 0) t = &f->tensors[i];
  t->dims[0] = 16, t->dims[1] = 96; /* transposed */
  refuse(f, EFME_E_MISMATCH, "tensor \"blocks.1.0.conv_pw.weight\": wrong shape [16, 96, 1, 1], not [96, 16, 1, 1]");
  t->dims[0] = 96, t->dims[1] = 16;
  const char *name = f->tensors[0].name;
  f->tensors[0].name = "something.else";
  refuse(f, EFME_E_FORMAT, "not those of Keras, timm or torchvision");
  f->tensors[0].name = name;
  free_foreign(f);
  free(f);
  unlink(path);
  efme_model_release(m);
}
END_TEST

START_TEST(wrong_type) {
  const char *header = "{\"conv_stem.weight\":{\"dtype\":\"F64\",\"shape\":[32,3,3,3],\"data_offsets\":[0,6912]},"
                       "\"blocks.0.0.conv_pw.weight\":{\"dtype\":\"F32\",\"shape\":[16,32,1,1],\"data_offsets\":[6912,8960]}}";
  size_t size;
  uint8_t *file = build_file(&size, header, 8960);
  strcpy(path, "/tmp/efme-foreign-XXXXXX");
  close(mkstemp(path));
  ck_assert_int_eq(efme_file_write(&efme_allocator_libc, path, file, size), EFME_OK);
  efme_load_options o = reset_options();
  efme_model *back = NULL;
  ck_assert_int_eq(efme_model_import(&back, context, path, NULL, &o), EFME_E_MISMATCH);
  expect_text("tensor \"conv_stem.weight\": wrong type F64");
  free(file);
  unlink(path);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights_import");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, keras);
  tcase_add_test(t, torch);
  tcase_add_test(t, any_cut_of_b0);
  tcase_add_test(t, options_of_an_import);
  tcase_add_test(t, there_and_back);
  tcase_add_test(t, head_of_1000);
  tcase_add_test(t, wrong_files);
  tcase_add_test(t, wrong_type);
  return test_run(suite);
}
