/* A file of ours as docs/weights.md describes it, taken apart with cJSON and nothing of the library's reader or writer: header, order,
 * types, shapes, bytes, metadata and the content hash. And limits of what may stand in a file. */
#include <math.h>

#include <cjson/cJSON.h>

#include "files.h"

struct parts {
  uint8_t *file;
  const uint8_t *data;
  size_t data_size;
  cJSON *header;
};

static void take_apart(struct parts *p, const char *path) {
  size_t size;
  uint64_t length;
  p->file = slurp(path, &size);
  ck_assert_uint_gt(size, 8);
  memcpy(&length, p->file, 8);
  ck_assert(length % 8 == 0 && length < size - 8 && p->file[8] == '{');
  p->header = cJSON_ParseWithLength((const char *)p->file + 8, length);
  ck_assert_ptr_nonnull(p->header);
  p->data = p->file + 8 + length;
  p->data_size = size - 8 - length;
}

static void put_away(struct parts *p) {
  cJSON_Delete(p->header);
  free(p->file);
}

static const char *meta(const struct parts *p, const char *key) {
  const cJSON *m = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(p->header, "__metadata__"), key);
  ck_assert_msg(cJSON_IsString(m), "no metadata %s", key);
  return m->valuestring;
}

static uint64_t hash_text(const char *text, uint64_t seed) { return efme_hash64(text, strlen(text), seed); }

/* One tensor: where, what it holds by its type's definition. Returns the end. */
static size_t check_tensor(const struct parts *p, const cJSON *t, const struct efme_model *m, uint32_t type, size_t at, uint64_t *sum) {
  static const char *const types[] = {"F32", "F16", "BF16"};
  const struct efme_param *param = efme_params_find(&m->params, t->string);
  ck_assert_msg(param != NULL, "%s", t->string);
  ck_assert_str_eq(cJSON_GetObjectItem(t, "dtype")->valuestring, types[type]);
  const cJSON *shape = cJSON_GetObjectItem(t, "shape"), *offsets = cJSON_GetObjectItem(t, "data_offsets");
  int conv = strstr(t->string, "conv/kernel") || strstr(t->string, "_se_reduce/kernel") || strstr(t->string, "_se_expand/kernel"),
      dense = strcmp(t->string, "head/kernel") == 0,
      rank = conv    ? 4
             : dense ? 2
                     : 1;
  ck_assert_int_eq(cJSON_GetArraySize(shape), rank);
  for (int i = 0; i < rank; i++) ck_assert_uint_eq((uint32_t)cJSON_GetArrayItem(shape, i)->valuedouble, param->dims[4 - rank + i]);
  size_t width = type ? 2 : 4, begin = (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble,
         end = (size_t)cJSON_GetArrayItem(offsets, 1)->valuedouble;
  ck_assert_uint_eq(begin, at);
  ck_assert_uint_eq(end - begin, param->count * width);
  ck_assert_uint_le(end, p->data_size);
  for (size_t i = 0; i < param->count; i++) {
    const uint8_t *b = p->data + begin + i * width;
    float have, want = m->weights[param->offset + i];
    uint32_t bits = type == EFME_WEIGHTS_F32 ? (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24
                                             : ((uint32_t)b[0] | (uint32_t)b[1] << 8) << 16;
    if (type == EFME_WEIGHTS_F16) { /* sign, 5 bits of exponent, 10 of fraction */
      int e = (int)(bits >> 26 & 31);
      have = ldexpf((float)((e ? 1024 : 0) + (bits >> 16 & 1023)), (e ? e : 1) - 25);
      if (bits >> 31) have = -have;
    } else {
      memcpy(&have, &bits, 4);
    }
    float step = type == EFME_WEIGHTS_F32 ? 0 : fabsf(want) * (type == EFME_WEIGHTS_F16 ? 0x1p-11f : 0x1p-8f) + 0x1p-25f;
    ck_assert_msg(fabsf(have - want) <= step, "%s[%zu]: %g, not %g", t->string, i, (double)have, (double)want);
  }
  *sum += efme_hash64(p->data + begin, end - begin, hash_text(t->string, type));
  return end;
}

START_TEST(as_documented) {
  efme_model *m = make_used_model(2);
  m->arch.normalisation = EFME_NORM_SQRT_STD, m->arch.padding = EFME_PAD_SYMMETRIC;
  static const char *const fixed[][2] = {{"efme.format", "1.0"},
                                         {"efme.architecture", "efficientnet-b0"},
                                         {"efme.cut", "2"},
                                         {"efme.top", "0"},
                                         {"efme.input", "48x48"},
                                         {"efme.classes", "negative\npositive\nsurprise"},
                                         {"efme.normalisation", "sqrt_std"},
                                         {"efme.padding", "symmetric"},
                                         {"efme.library", NULL},
                                         {"licence", "MIT"},
                                         {"description", "two\nlines, \"quoted\" \\ \xc3\xa9"}};
  for (uint32_t type = EFME_WEIGHTS_F32; type <= EFME_WEIGHTS_BF16; type++) {
    struct parts p;
    uint64_t sums[2] = {0, 0};
    size_t at_byte = 0, tensors = 0;
    ck_assert_int_eq(efme_model_save(m, at("m"), type), EFME_OK);
    take_apart(&p, at("m"));
    for (size_t i = 0; i < EFME_COUNT(fixed); i++)
      ck_assert_str_eq(meta(&p, fixed[i][0]), fixed[i][1] ? fixed[i][1] : efme_version_string());
    ck_assert((float)atof(meta(&p, "efme.bn_epsilon")) == 1e-3f && (float)atof(meta(&p, "efme.bn_momentum")) == 0.99f);
    ck_assert(strstr(meta(&p, "efme.provenance"), "casme2/sub01") && strstr(meta(&p, "efme.provenance"), "fer2013"));
    const cJSON *t;
    cJSON_ArrayForEach(t, p.header) {
      if (strcmp(t->string, "__metadata__") == 0) continue;
      at_byte = check_tensor(&p, t, m, type, at_byte, &sums[0]);
      tensors++;
    }
    ck_assert_uint_eq(tensors, m->params.count);
    ck_assert_uint_eq(at_byte, p.data_size);
    cJSON_ArrayForEach(t, cJSON_GetObjectItemCaseSensitive(p.header, "__metadata__")) {
      if (strcmp(t->string, "efme.hash") != 0) sums[1] += hash_text(t->valuestring, hash_text(t->string, 13));
    }
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)efme_hash64(sums, sizeof sums, 0));
    ck_assert_str_eq(meta(&p, "efme.hash"), hash);
    put_away(&p);
  }
  efme_model_release(m);
}
END_TEST

/* ---- what a file may not hold, though it is sound safetensors ---- */

/* The model's own file with something of its header's text replaced by as many bytes. */
static efme_status load_edited(const char *find, const char *replace) {
  size_t size, n = strlen(find);
  ck_assert_uint_eq(n, strlen(replace));
  uint8_t *file = slurp(at("m"), &size), *copy = malloc(size);
  uint64_t length;
  memcpy(&length, file, 8);
  memcpy(copy, file, size);
  int found = 0;
  for (size_t i = 8; !found && i + n <= 8 + length; i++)
    if (memcmp(copy + i, find, n) == 0) memcpy(copy + i, replace, n), found = 1;
  ck_assert_msg(found, "no %s in the header", find);
  efme_model *back = NULL;
  efme_status status = efme_model_load_memory(&back, context, copy, size, NULL);
  ck_assert_ptr_null(back);
  free(file), free(copy);
  return status;
}

START_TEST(wrong_tensors) {
  efme_model *m = make_used_model(1);
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F32), EFME_OK);
  ck_assert_int_eq(load_edited("\"head/bias\":{\"dtype\":\"F32\"", "\"head/bias\":{\"dtype\":\"I32\""), EFME_E_MISMATCH);
  expect_text("tensor \"head/bias\": wrong type I32, not F32, F16 or BF16");
  ck_assert_int_eq(
      load_edited("\"head/kernel\":{\"dtype\":\"F32\",\"shape\":[16,3]", "\"head/kernel\":{\"dtype\":\"F32\",\"shape\":[3,16]"),
      EFME_E_MISMATCH);
  expect_text("tensor \"head/kernel\": wrong shape [3, 16], not [16, 3]");
  ck_assert_int_eq(load_edited("\"stem_bn/gamma\"", "\"stem_bn/gumma\""), EFME_E_FORMAT);
  expect_text("tensor \"stem_bn/gamma\" is missing");
  ck_assert_int_eq(load_edited("\"stem_bn/gamma\"", "\"stem_bn/beta\" "), EFME_E_FORMAT);
  expect_text("tensor \"stem_bn/beta\": is there twice");
  ck_assert_int_eq(load_edited("\"head/bias\":{\"dtype\":\"F32\"", "\"head/bias\":{\"dtype\":\"F16\""), EFME_E_FORMAT);
  expect_text("tensor \"head/bias\": data_offsets span 12 bytes, type and shape need 6");
  efme_model_release(m);
}
END_TEST

/* As many entries as a model may be given, with the library's own note on top, go out and come back; a file with more is refused. */
START_TEST(many_entries) {
  efme_model *m = make_used_model(1), *back = NULL, *again = NULL;
  char key[32];
  for (int i = 0; efme_model_set_metadata(m, (snprintf(key, sizeof key, "k%d", i), key), "v") == EFME_OK; i++) ck_assert_int_lt(i, 512);
  expect_text("a model holds 512 entries at most");
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.head = EFME_HEAD_RESET;
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F32), EFME_OK);
  ck_assert_int_eq(efme_model_load(&back, context, at("m"), &o), EFME_OK);
  ck_assert_str_eq(efme_model_metadata(back, "load"), "head=reset");
  ck_assert_int_eq(efme_model_save(back, at("n"), EFME_WEIGHTS_F32), EFME_OK);
  ck_assert_msg(efme_model_load(&again, context, at("n"), NULL) == EFME_OK, "%s", efme_last_error());
  efme_model_release(back), efme_model_release(again);
  for (int i = 0; i < 480; i++) { /* as no public call would */
    snprintf(key, sizeof key, "m%d", i);
    ck_assert_int_eq(efme_model_put_metadata(m, key, "v"), EFME_OK);
  }
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F32), EFME_OK);
  again = NULL;
  ck_assert_int_eq(efme_model_load(&again, context, at("m"), NULL), EFME_E_LIMIT);
  expect_text("metadata");
  ck_assert_ptr_null(again);
  efme_model_release(m);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights_format");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 120);
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, as_documented);
  tcase_add_test(t, wrong_tensors);
  tcase_add_test(t, many_entries);
  return test_run(suite);
}
