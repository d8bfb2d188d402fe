/* libefme's own files, damaged: cut at every byte of the header, changed at any byte, described wrongly. */
#include "files.h"

START_TEST(every_truncation) { /* each byte of the header, and around each 997th of the data */
  efme_model *m = make_used_model(1), *back = NULL;
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F16), EFME_OK);
  size_t size;
  uint8_t *file = slurp(at("m"), &size);
  uint64_t header;
  memcpy(&header, file, 8);
  for (size_t n = 0; n < size; n += n < header + 16 ? 1 : 997) {
    struct stream s = {file, n, 4096, 0, 0, -1, EFME_OK};
    ck_assert_int_eq(efme_model_load_memory(&back, context, file, n, NULL), EFME_E_FORMAT);
    expect_text("truncated");
    ck_assert_int_eq(efme_model_load_stream(&back, context, read_stream, &s, NULL), EFME_E_FORMAT);
    expect_text("truncated");
    ck_assert_ptr_null(back);
  }
  free(file);
  efme_model_release(m);
}
END_TEST

START_TEST(any_changed_byte_is_seen) {
  efme_model *m = make_used_model(1), *back = NULL;
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_BF16), EFME_OK);
  size_t size;
  uint8_t *file = slurp(at("m"), &size);
  uint64_t header;
  memcpy(&header, file, 8);
  for (size_t i = 0; i < size; i += i < header + 8 ? 1 : 101) {
    if (i >= 8 && i < header + 8 && file[i] == ' ') continue; /* the padding may be any blank */
    file[i] ^= i < 8 ? 1 : 0x01;
    efme_status status = efme_model_load_memory(&back, context, file, size, NULL);
    ck_assert_msg(status != EFME_OK, "byte %zu of %zu", i, size);
    if (i >= header + 8) {
      ck_assert_int_eq(status, EFME_E_MISMATCH);
      expect_text("content hash is");
    }
    file[i] ^= 0x01;
  }
  ck_assert_int_eq(efme_model_load_memory(&back, context, file, size, NULL), EFME_OK);
  ck_assert_int_eq(efme_model_provenance_known(back), 1);
  efme_model_release(back);
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.ignore_checksum = 1;
  file[size - 1] ^= 0x40; /* a variance of 1 becomes infinite */
  ck_assert_int_eq(efme_model_load_memory(&back, context, file, size, &o), EFME_E_NUMERIC);
  expect_text("/moving_variance\": element 15 is not finite");
  file[size - 1] ^= 0x40 ^ 0x04;
  ck_assert_int_eq(efme_model_load_memory(&back, context, file, size, &o), EFME_OK);
  ck_assert_ptr_nonnull(strstr(log_line, "content hash is"));
  ck_assert_int_eq(efme_model_provenance_known(back), 0); /* somebody put other weights under the old story */
  efme_model_release(back);
  free(file);
  efme_model_release(m);
}
END_TEST

/* ---- metadata, with the file rewritten by the same writer ---- */

struct change {
  const char *key, *value;
  efme_status status;
  const char *text;
};

static efme_status load_changed(const efme_model *m, const char *key, const char *value, const char *skip_tensor) {
  struct efme_st_pair *pairs;
  size_t count;
  char *text, hash[17];
  ck_assert_int_eq(efme_weights_meta_write(&pairs, &count, &text, &efme_allocator_libc, m), EFME_OK);
  int hashed = key == NULL || strcmp(key, EFME_WEIGHTS_HASH_KEY) != 0;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (key && strcmp(pairs[i].key, key) == 0) {
      if (!value) continue;
      pairs[i].value = value;
    }
    pairs[kept++] = pairs[i];
  }
  struct efme_st_tensor tensors[64];
  size_t n = 0;
  for (uint32_t i = 0; i < m->params.count; i++) {
    const struct efme_param *p = &m->params.items[i];
    if (skip_tensor && strcmp(skip_tensor, p->name) == 0) continue;
    struct efme_st_tensor t = {p->name, m->weights + p->offset, {0}, p->count, 0};
    t.rank = efme_param_shape(t.dims, p);
    tensors[n++] = t;
  }
  uint64_t sum, pair_sum = 0;
  ck_assert_int_eq(efme_st_hash_tensors(&sum, &efme_allocator_libc, tensors, n, EFME_ST_F32), EFME_OK);
  for (size_t i = 0; i < kept; i++) pair_sum += efme_st_hash_pair(pairs[i].key, pairs[i].value);
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)efme_st_hash(sum, pair_sum));
  if (hashed || value) pairs[kept++] = (struct efme_st_pair){EFME_WEIGHTS_HASH_KEY, hashed ? hash : value};
  ck_assert_int_eq(efme_st_write(&efme_allocator_libc, at("changed"), tensors, n, EFME_ST_F32, pairs, kept), EFME_OK);
  efme_mem_free(&efme_allocator_libc, pairs);
  efme_mem_free(&efme_allocator_libc, text);
  efme_model *back = NULL;
  efme_status status = efme_model_load(&back, context, at("changed"), NULL);
  if (status == EFME_OK) efme_model_release(back);
  else ck_assert_ptr_null(back);
  return status;
}

START_TEST(wrong_metadata) {
  efme_model *m = make_used_model(1);
  static const struct change changes[] = {
      {"efme.format", NULL, EFME_E_FORMAT, "not a libefme model file"},
      {"efme.format", "2.0", EFME_E_UNSUPPORTED, "format version 2.0, this library reads 1.x"},
      {"efme.format", "1.7", EFME_OK, ""},
      {"efme.format", "one", EFME_E_FORMAT, "\"efme.format\": \"one\""},
      {"efme.format", "0.9", EFME_E_UNSUPPORTED, "0.9"},
      {"efme.architecture", "resnet", EFME_E_UNSUPPORTED, "architecture \"resnet\""},
      {"efme.cut", NULL, EFME_E_FORMAT, "metadata \"efme.cut\" is missing"},
      {"efme.cut", "9", EFME_E_FORMAT, "cut is 9"},
      {"efme.cut", "-1", EFME_E_FORMAT, "\"efme.cut\": \"-1\""},
      {"efme.cut", "2", EFME_E_FORMAT, "tensor \"block2a_expand_conv/kernel\" is missing"},
      {"efme.top", "1", EFME_E_FORMAT, "top needs cut 7"},
      {"efme.input", "48", EFME_E_FORMAT, "\"efme.input\": \"48\""},
      {"efme.input", "48x", EFME_E_FORMAT, "efme.input"},
      {"efme.input", "9999x48", EFME_E_FORMAT, "height is 9999"},
      {"efme.classes", "a\nb", EFME_E_MISMATCH, "tensor \"head/kernel\": wrong shape [16, 3], not [16, 2]"},
      {"efme.classes", "a\nb\na", EFME_E_FORMAT, "both \"a\""},
      {"efme.classes", "a", EFME_E_FORMAT, "class count is 1"},
      {"efme.normalisation", "none", EFME_E_FORMAT, "efme.normalisation"},
      {"efme.padding", "", EFME_E_FORMAT, "efme.padding"},
      {"efme.bn_epsilon", "1e-3x", EFME_E_FORMAT, "efme.bn_epsilon"},
      {"efme.bn_epsilon", "0", EFME_E_FORMAT, "bn_epsilon"},
      {"efme.bn_momentum", "nan", EFME_E_FORMAT, "efme.bn_momentum"},
      {"efme.provenance", NULL, EFME_E_FORMAT, "efme.provenance"},
      {"efme.provenance", "", EFME_E_FORMAT, "efme.provenance"},
      {"efme.hash", NULL, EFME_E_FORMAT, "metadata \"efme.hash\" is missing"},
      {"efme.hash", "0123", EFME_E_FORMAT, "efme.hash"},
      {"efme.hash", "0123456789abcdeg", EFME_E_FORMAT, "efme.hash"},
      {"efme.hash", "0123456789abcdef", EFME_E_MISMATCH, "the file says 0123456789abcdef"},
      {"efme.library", NULL, EFME_OK, ""}};
  for (size_t i = 0; i < EFME_COUNT(changes); i++) {
    efme_status status = load_changed(m, changes[i].key, changes[i].value, NULL);
    ck_assert_msg(status == changes[i].status, "%s = %s: %d %s", changes[i].key, changes[i].value, status, efme_last_error());
    if (status) {
      expect_text(changes[i].text);
      expect_text(at("changed"));
    }
  }
  ck_assert_int_eq(load_changed(m, NULL, NULL, NULL), EFME_OK);
  ck_assert_int_eq(load_changed(m, NULL, NULL, "block1a_bn/beta"), EFME_E_FORMAT);
  expect_text("tensor \"block1a_bn/beta\" is missing");
  efme_model_release(m);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights_damaged");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, every_truncation);
  tcase_add_test(t, any_changed_byte_is_seen);
  tcase_add_test(t, wrong_metadata);
  return test_run(suite);
}
