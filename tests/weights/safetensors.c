/* The reader of safetensors: what is refused and in which words, at every byte where a file may end; 16-bit conversions. */
#include <math.h>

#include "common.h"
#include "heap.h"
#include "net/safetensors_json.h"

static const struct efme_allocator *const libc_memory = &efme_allocator_libc;

static efme_status open_memory(struct efme_st_reader *r, struct efme_st_memory *m, int size_known) {
  struct efme_st_source source;
  efme_st_source_memory(&source, m);
  if (!size_known) source.size = EFME_ST_UNKNOWN;
  return efme_st_open(r, libc_memory, &source);
}

static efme_status open_text(const char *header, size_t data_size, int size_known) {
  size_t size;
  uint8_t *file = build_file(&size, header, data_size);
  /* A block of exactly its size, so that a read past its end is seen by the sanitizer. */
  uint8_t *exact = malloc(size);
  memcpy(exact, file, size);
  free(file);
  struct efme_st_memory m = {exact, size};
  struct efme_st_reader r;
  efme_status status = open_memory(&r, &m, size_known);
  if (status == EFME_OK) {
    for (size_t i = 0; !status && i < r.count; i++) {
      float values[64];
      if (r.entries[i].dtype <= EFME_ST_BF16 && r.entries[i].count <= 64) status = efme_st_read(&r, &r.entries[i], values, NULL);
    }
    if (!status) status = efme_st_finish(&r);
    efme_st_close(&r);
  }
  free(exact);
  return status;
}

static void refuse(const char *header, size_t data_size, efme_status status, const char *text) {
  ck_assert_msg(open_text(header, data_size, 1) == status, "%s: %s", header, efme_last_error());
  expect_text(text);
}

#define GOOD                                                                                                                               \
  "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[24,26]}}"

START_TEST(good_files) {
  ck_assert_int_eq(open_text(GOOD, 26, 1), EFME_OK);
  ck_assert_int_eq(open_text(GOOD, 26, 0), EFME_OK);
  ck_assert_int_eq(open_text(GOOD " \n\t ", 26, 1), EFME_OK); /* padded */
  ck_assert_int_eq(open_text("{}", 0, 1), EFME_OK);
  ck_assert_int_eq(open_text(" { \"__metadata__\" : { \"k\" : \"v\" , \"l\" : \"\" } , \"e\" : { \"shape\" : [ 0 ] , \"dtype\" : \"F32\" , "
                             "\"data_offsets\" : [ 0 , 0 ] } } ",
                             0, 1),
                   EFME_OK);
  ck_assert_int_eq(
      open_text(
          "{\"z\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[4,12]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
          12, 1),
      EFME_OK);
}
END_TEST

START_TEST(contents) {
  const char *header = "{\"__metadata__\":{\"k\\u00e9\\n\\ud83d\\ude00\":\"\\\"v\\\\\\/"
                       "\"},\"one\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[2,10]},"
                       "\"two\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}";
  size_t size;
  uint8_t *file = build_file(&size, header, 10);
  const float values[2] = {1.5f, -2};
  const uint16_t half = 0x4049;
  memcpy(file + size - 8, values, 8);
  memcpy(file + size - 10, &half, 2);
  struct efme_st_memory m = {file, size};
  struct efme_st_reader r;
  ck_assert_msg(open_memory(&r, &m, 1) == EFME_OK, "%s", efme_last_error());
  ck_assert_str_eq(efme_st_metadata(&r, "k\xc3\xa9\n\xf0\x9f\x98\x80"), "\"v\\/");
  ck_assert_ptr_null(efme_st_metadata(&r, "k"));
  ck_assert_uint_eq(r.count, 2);
  ck_assert_str_eq(r.entries[0].name, "two"); /* by offset */
  ck_assert_ptr_null(efme_st_find(&r, "three"));
  ck_assert_ptr_null(efme_st_find(&r, ""));
  float got[2];
  ck_assert_int_eq(efme_st_read(&r, efme_st_find(&r, "two"), got, NULL), EFME_OK);
  ck_assert(got[0] == 3.140625f);
  uint64_t hash = 0;
  ck_assert_int_eq(efme_st_read(&r, efme_st_find(&r, "one"), got, &hash), EFME_OK);
  ck_assert(got[0] == 1.5f && got[1] == -2);
  ck_assert_uint_eq(hash, efme_st_hash_tensor("one", EFME_ST_F32, values, 8));
  const uint64_t right[] = {2}, wrong[] = {3}, more[] = {2, 1};
  ck_assert_int_eq(efme_st_expect(&r, efme_st_find(&r, "one"), right, 1), EFME_OK);
  ck_assert_int_eq(efme_st_expect(&r, efme_st_find(&r, "one"), wrong, 1), EFME_E_MISMATCH);
  expect_text("tensor \"one\": wrong shape [2], not [3]");
  ck_assert_int_eq(efme_st_expect(&r, efme_st_find(&r, "one"), more, 2), EFME_E_MISMATCH);
  expect_text("wrong shape [2], not [2, 1]");
  efme_st_close(&r);
  free(file);
}
END_TEST

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

START_TEST(wrong_tables) {
  refuse("{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[1]", "[4,8]") "}", 8, EFME_E_FORMAT, "tensor \"b\": overlaps \"a\"");
  refuse("{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[2]", "[0,8]") "}", 8, EFME_E_FORMAT, "overlaps");
  refuse("{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[8,12]") "}", 12, EFME_E_FORMAT, "tensor \"b\": a hole of 4 bytes");
  refuse("{\"a\":" T("F32", "[1]", "[4,8]") "}", 8, EFME_E_FORMAT, "tensor \"a\": a hole");
  refuse("{\"a\":" T("F32", "[1]", "[0,4]") "}", 5, EFME_E_FORMAT, "oversized: 1 bytes follow");
  refuse("{\"a\":" T("F32", "[2]", "[0,8]") "}", 7, EFME_E_FORMAT, "tensor \"a\": truncated: its data ends at byte 8, the file has 7");
  refuse("{\"a\":" T("F32", "[2]", "[0,4]") "}", 4, EFME_E_FORMAT, "tensor \"a\": data_offsets span 4 bytes, type and shape need 8");
  refuse("{\"a\":" T("F32", "[1]", "[4,0]") "}", 4, EFME_E_FORMAT, "tensor \"a\": its data_offsets run backwards");
  refuse("{\"a\":" T("F32", "[4294967296,4294967296]", "[0,4]") "}", 4, EFME_E_FORMAT, "larger than any memory");
  refuse("{\"a\":" T("F32", "[4611686018427387904]", "[0,4]") "}", 4, EFME_E_FORMAT, "larger than any memory");
  refuse("{\"a\":" T("F31", "[1]", "[0,4]") "}", 4, EFME_E_FORMAT, "tensor \"a\": unknown type \"F31\"");
  refuse("{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[4,8]") "}", 8, EFME_E_FORMAT, "tensor \"a\": is there twice");
  refuse("{\"\\u0061\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[4,8]") "}", 8, EFME_E_FORMAT, "tensor \"a\": is there twice");
  refuse("{\"__metadata__\":{},\"__metadata__\":{}}", 0, EFME_E_FORMAT, "\"__metadata__\" is there twice");
  refuse("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, EFME_E_FORMAT, "metadata key \"k\" is there twice");
  refuse("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, EFME_E_FORMAT,
         "\"dtype\" is there twice");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, EFME_E_FORMAT, "tensor \"a\": \"data_offsets\" is missing");
  refuse("{\"a\":{}}", 4, EFME_E_FORMAT, "\"dtype\" is missing");
  refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, EFME_E_FORMAT, "tensor \"a\": unknown key \"x\"");
  refuse("{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, EFME_E_FORMAT, "more than 8 dimensions");
  refuse("{\"a\":" T("F32", "[1]", "[0,4,5]") "}", 4, EFME_E_FORMAT, "more than two numbers");
  refuse("{\"a\":" T("F32", "[1]", "[0]") "}", 4, EFME_E_FORMAT, "must be two numbers");
}
END_TEST

START_TEST(wrong_json) {
  static const char *const cases[][2] = {{"[]", "an object is expected"},
                                         {"{\"a\"}", "a colon"},
                                         {"{\"a\":1}", "an object is expected"},
                                         {"{a:1}", "a key is expected"},
                                         {"{\"a\":{},}", "missing"},
                                         {"{\"__metadata__\":{\"k\":\"v\",}}", "a comma before the end"},
                                         {"{\"__metadata__\":{\"k\":1}}", "a string is expected"},
                                         {"{\"__metadata__\":{\"k\":\"v\" \"l\":\"w\"}}", "a comma or the end"},
                                         {"{\"__metadata__\":{\"k\":null}}", "a string is expected"},
                                         {"{} x", "something follows the end"},
                                         {"{}{}", "something follows the end"},
                                         {"{\"__metadata__\":{\"k\":\"\\x\"}}", "unknown escape"},
                                         {"{\"__metadata__\":{\"k\":\"\\u12g4\"}}", "four hex digits"},
                                         {"{\"__metadata__\":{\"k\":\"\\ud800\"}}", "surrogate"},
                                         {"{\"__metadata__\":{\"k\":\"\\ud800\\u0041\"}}", "surrogate"},
                                         {"{\"__metadata__\":{\"k\":\"\\udc00\"}}", "surrogate"},
                                         {"{\"__metadata__\":{\"k\":\"\\u0000\"}}", "NUL"},
                                         {"{\"__metadata__\":{\"k\":\"\n\"}}", "control character"},
                                         {"{\"__metadata__\":{\"k\":\"\xff\"}}", "not UTF-8"},
                                         {"{\"__metadata__\":{\"k\":\"\xc0\x80\"}}", "not UTF-8"},
                                         {"{\"__metadata__\":{\"k\":\"\xed\xa0\x80\"}}", "not UTF-8"},
                                         {"{\"__metadata__\":{\"k\":\"\xf4\x90\x80\x80\"}}", "not UTF-8"},
                                         {"{\"__metadata__\":{\"k\":\"\xe2\x82\"}}", "not UTF-8"},
                                         {"{\"a\":{\"shape\":[-1]}}", "whole number"},
                                         {"{\"a\":{\"shape\":[1.0]}}", "whole number"},
                                         {"{\"a\":{\"shape\":[1e1]}}", "whole number"},
                                         {"{\"a\":{\"shape\":[01]}}", "whole number"},
                                         {"{\"a\":{\"shape\":[18446744073709551616]}}", "whole number"},
                                         {"{\"a\":{\"shape\":[true]}}", "whole number"},
                                         {"{\"a\":{\"shape\":[[1]]}}", "whole number"},
                                         {"{\"a\":{\"shape\":{}}}", "a list is expected"},
                                         {"{\"a\":{\"shape\":[1 2]}}", "a comma or the end"},
                                         {"  ", "an object is expected"},
                                         {"{\"", "ends inside a string"},
                                         {"{\"\\", "ends inside a string"},
                                         {"{\"\\u00", "ends inside an escape"},
                                         {"{\"a\":{\"shape\":[1", "a comma or the end"},
                                         {"{,}", "a key is expected"}};
  for (size_t i = 0; i < EFME_COUNT(cases); i++) refuse(cases[i][0], 0, EFME_E_FORMAT, cases[i][1]);
}
END_TEST

START_TEST(every_truncation) {
  size_t size;
  uint8_t *file = build_file(&size, GOOD, 26);
  for (int known = 0; known < 2; known++)
    for (size_t n = 0; n < size; n++) {
      uint8_t *cut = malloc(n ? n : 1);
      memcpy(cut, file, n);
      struct efme_st_memory m = {cut, n};
      struct efme_st_reader r;
      efme_status status = open_memory(&r, &m, known);
      if (!status) { /* the source's size is not known: the tensor that lacks bytes is seen when it is read */
        ck_assert(!known && n >= 8 + strlen(GOOD));
        float values[6];
        status = efme_st_read(&r, &r.entries[0], values, NULL);
        if (!status) status = efme_st_read(&r, &r.entries[1], values, NULL);
        expect_text("tensor \"");
        efme_st_close(&r);
      }
      ck_assert_int_eq(status, EFME_E_FORMAT);
      expect_text("truncated");
      free(cut);
    }
  free(file);
}
END_TEST

START_TEST(hostile_lengths) {
  static const struct {
    uint64_t length;
    efme_status status;
  } cases[] = {{0, EFME_E_FORMAT},        {1, EFME_E_FORMAT},         {100, EFME_E_FORMAT},           {0x4000000, EFME_E_FORMAT},
               {0x4000001, EFME_E_LIMIT}, {UINT64_MAX, EFME_E_LIMIT}, {UINT64_MAX - 7, EFME_E_LIMIT}, {(uint64_t)1 << 63, EFME_E_LIMIT}};
  for (size_t i = 0; i < EFME_COUNT(cases); i++)
    for (int known = 0; known < 2; known++) {
      uint8_t file[16] = {0};
      memcpy(file, &cases[i].length, 8);
      struct efme_st_memory m = {file, sizeof file};
      struct efme_st_reader r;
      ck_assert_int_eq(open_memory(&r, &m, known), cases[i].status);
      ck_assert(strstr(efme_last_error(), "header") != NULL);
    }
}
END_TEST

START_TEST(oversized_stream) {
  ck_assert_int_eq(open_text("{\"a\":" T("F32", "[1]", "[0,4]") "}", 5, 0), EFME_E_FORMAT);
  expect_text("oversized");
}
END_TEST

/* Headers damaged at every byte in several ways are answered, whatever the answer, without a fault (under asan). */
START_TEST(damaged_headers) {
  size_t size, refused = 0, tried = 0;
  uint8_t *file = build_file(&size, GOOD, 26);
  static const uint8_t with[] = {0, '"', '{', '}', '[', ',', '9', 0xff, '\\'};
  for (size_t i = 0; i < 8 + strlen(GOOD); i++)
    for (size_t k = 0; k < sizeof with; k++) {
      uint8_t *copy = malloc(size);
      memcpy(copy, file, size);
      copy[i] = with[k];
      struct efme_st_memory m = {copy, size};
      struct efme_st_reader r;
      tried++;
      if (open_memory(&r, &m, 1)) refused++;
      else efme_st_close(&r);
      free(copy);
    }
  ck_assert_uint_gt(refused * 10, tried * 8);
  free(file);
}
END_TEST

START_TEST(many_tensors) { /* more than the limit */
  struct efme_text t;
  efme_text_init(&t, libc_memory);
  efme_text_add(&t, "{");
  for (unsigned i = 0; i <= EFME_ST_ENTRY_LIMIT; i++) efme_text_printf(&t, "%s\"%u\":" T("U8", "[0]", "[0,0]"), i ? "," : "", i);
  efme_text_add(&t, "}");
  refuse(t.data, 0, EFME_E_LIMIT, "more than 65536 tensors");
  efme_text_free(&t);
}
END_TEST

struct open_job {
  struct heap heap;
  struct efme_st_memory memory;
};

static efme_status open_and_read(void *user) {
  struct open_job *j = user;
  const struct efme_allocator a = {heap_alloc, heap_free, &j->heap};
  struct efme_st_source source;
  struct efme_st_reader r;
  float v;
  efme_st_source_memory(&source, &j->memory);
  efme_status status = efme_st_open(&r, &a, &source);
  if (status) return status;
  status = efme_st_read(&r, &r.entries[0], &v, NULL);
  efme_st_close(&r);
  return status;
}

START_TEST(memory_failures) {
  struct open_job job = {0};
  uint8_t *file = build_file(&job.memory.size, "{\"__metadata__\":{\"k\":\"v\"},\"a\":" T("F32", "[1]", "[0,4]") "}", 4);
  job.memory.data = file;
  ck_assert_int_le(heap_exhaust(&job.heap, open_and_read, &job), 7); /* header, strings, tensors, metadata, names, one tensor */
  free(file);
}
END_TEST

START_TEST(halves) {
  for (uint32_t h = 0; h < 65536; h++)
    for (uint32_t dtype = EFME_ST_F16; dtype <= EFME_ST_BF16; dtype++) {
      uint16_t in = (uint16_t)h, back;
      float f;
      efme_halves_decode(&f, &in, 1, dtype);
      efme_halves_encode(&back, &f, 1, dtype);
      if (isnan(f)) {
        efme_halves_decode(&f, &back, 1, dtype);
        ck_assert(isnan(f));
      } else {
        ck_assert_uint_eq(in, back);
      }
    }
#if defined(__FLT16_MANT_DIG__) && defined(__x86_64__) && !defined(__clang__)
  for (uint32_t i = 0; i < 400000; i++) { /* against the compiler's own conversion, near every rounding boundary */
    uint32_t r[4];
    efme_philox(r, 1, 0, 0, 0, i);
    uint32_t bits = (r[0] & 0x80000000u) | ((100 + r[1] % 48) << 23) | (r[0] & 0x7fffff & (i & 1 ? 0x7fffff : ~0xfffu));
    float f;
    memcpy(&f, &bits, 4);
    _Float16 want = (_Float16)f;
    uint16_t w, got;
    memcpy(&w, &want, 2);
    efme_halves_encode(&got, &f, 1, EFME_ST_F16);
    ck_assert_msg(w == got, "%a: %04x, not %04x", (double)f, got, w);
  }
#endif
  static const struct {
    float f;
    uint16_t f16, bf16;
  } cases[] = {{1, 0x3c00, 0x3f80},          {-2, 0xc000, 0xc000},         {65504, 0x7bff, 0x4780},      {65519.996f, 0x7bff, 0x4780},
               {65520, 0x7c00, 0x4780},      {0x1p-24f, 0x0001, 0x3380},   {0x1p-25f, 0, 0x3300},        {0x1.8p-25f, 1, 0x3340},
               {0x1.004p0f, 0x3c01, 0x3f80}, {0x1.002p0f, 0x3c00, 0x3f80}, {0x1.006p0f, 0x3c02, 0x3f80}, {0x1.01p0f, 0x3c04, 0x3f80},
               {0x1.03p0f, 0x3c0c, 0x3f82}};
  for (size_t i = 0; i < EFME_COUNT(cases); i++) {
    uint16_t a, b;
    efme_halves_encode(&a, &cases[i].f, 1, EFME_ST_F16);
    efme_halves_encode(&b, &cases[i].f, 1, EFME_ST_BF16);
    ck_assert_msg(a == cases[i].f16 && b == cases[i].bf16, "%a: %04x %04x", (double)cases[i].f, a, b);
  }
}
END_TEST

/* Strings go out and come back. */
START_TEST(escapes) {
  static const char *const strings[] = {"", "plain", "\"quoted\\\"", "line\nnext\ttab\r", "\x01\x1f", "\xc3\xa9\xf0\x9f\x98\x80", "/"};
  for (size_t i = 0; i < EFME_COUNT(strings); i++) {
    struct efme_text t;
    efme_text_init(&t, libc_memory);
    efme_pull_write_string(&t, strings[i]);
    char decoded[64];
    struct efme_pull j = {t.data, "text", t.size, 0, decoded};
    const char *out;
    ck_assert_int_eq(efme_pull_string(&j, &out, 0), EFME_OK);
    ck_assert_int_eq(efme_pull_end(&j), EFME_OK);
    ck_assert_str_eq(out, strings[i]);
    efme_text_free(&t);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("weights_safetensors");
  TCase *t = tcase_create("all");
  tcase_set_timeout(t, 60);
  suite_add_tcase(suite, t);
  tcase_add_test(t, good_files);
  tcase_add_test(t, contents);
  tcase_add_test(t, wrong_tables);
  tcase_add_test(t, wrong_json);
  tcase_add_test(t, every_truncation);
  tcase_add_test(t, hostile_lengths);
  tcase_add_test(t, oversized_stream);
  tcase_add_test(t, damaged_headers);
  tcase_add_test(t, many_tensors);
  tcase_add_test(t, memory_failures);
  tcase_add_test(t, halves);
  tcase_add_test(t, escapes);
  return test_run(suite);
}
