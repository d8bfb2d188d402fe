/* libefme's own files: the same back from path, memory and stream in three types; every way a file can be wrong. */
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "common.h"
#include "net/provenance.h"

static efme_context *context;
static char root[64];
static char log_line[1200];

static void take_log(efme_log_level level, const char *message, void *user) {
  (void)user;
  if (level == EFME_LOG_WARNING) snprintf(log_line, sizeof log_line, "%s", message);
}

static void setup(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu", o.threads = 1, o.log = take_log;
  ck_assert_int_eq(efme_context_create(&context, &o), EFME_OK);
  strcpy(root, "/tmp/efme-native-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  log_line[0] = '\0';
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", root);
  ck_assert_int_eq(system(command), 0);
  efme_context_release(context);
}

static const char *at(const char *name) {
  static char path[4][200];
  static int turn;
  char *p = path[turn++ & 3];
  snprintf(p, sizeof path[0], "%s/%s", root, name);
  return p;
}

/* A small model with a past, text to escape, and values that no initialiser draws. */
static efme_model *make_used_model(uint32_t cut) {
  efme_model *m = make_model(context, cut, 0, 3);
  ck_assert_int_eq(efme_model_set_metadata(m, "licence", "MIT"), EFME_OK);
  ck_assert_int_eq(efme_model_set_metadata(m, "description", "two\nlines, \"quoted\" \\ \xc3\xa9"), EFME_OK);
  const uint64_t hashes[] = {9, 5, 0xffffffffffffffffu};
  efme_provenance_add_dataset(m->provenance, "fer2013");
  efme_provenance_add_subject(m->provenance, "casme2/sub01");
  efme_provenance_add_contents(m->provenance, hashes, 3);
  float mean[32];
  for (int i = 0; i < 32; i++) mean[i] = (float)i / 7 - 2;
  ck_assert_int_eq(efme_model_set(m, "stem_bn/moving_mean", mean, 32), EFME_OK);
  return m;
}

static uint8_t *slurp(const char *path, size_t *size) {
  uint8_t *bytes, *copy;
  ck_assert_msg(efme_file_read(&bytes, size, &efme_allocator_libc, path, 1 << 26) == EFME_OK, "%s", efme_last_error());
  copy = malloc(*size ? *size : 1); /* exactly so large: the sanitizer sees a byte too far */
  memcpy(copy, bytes, *size);
  efme_mem_free(&efme_allocator_libc, bytes);
  return copy;
}

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
  ck_assert(efme_model_provenance_known(back) == 1 && efme_model_has_seen_subject(back, "casme2/sub01") && !efme_model_has_seen_subject(back, "casme2/sub0"));
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

struct stream { const uint8_t *data; size_t size, piece; uint64_t last; int backwards, fail_at; efme_status status; };

static efme_status read_stream(void *buffer, uint64_t offset, size_t size, size_t *got, void *user) {
  struct stream *s = user;
  if (offset < s->last) s->backwards = 1;
  s->last = offset;
  if (s->fail_at-- == 0) return s->status;
  size_t n = offset >= s->size ? 0 : EFME_MIN(size, s->size - (size_t)offset);
  n = EFME_MIN(n, s->piece);
  if (n) memcpy(buffer, s->data + offset, n);
  *got = n;
  return EFME_OK;
}

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
  efme_model_release(back);
  file[size - 1] ^= 0x40;
  efme_load_options o = EFME_LOAD_OPTIONS_INIT;
  o.ignore_checksum = 1;
  ck_assert_int_eq(efme_model_load_memory(&back, context, file, size, &o), EFME_OK);
  ck_assert_ptr_nonnull(strstr(log_line, "content hash is"));
  efme_model_release(back);
  free(file);
  efme_model_release(m);
}
END_TEST

/* ---- metadata, with the file rewritten by the same writer ---- */

struct change { const char *key, *value; efme_status status; const char *text; };

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
      {"efme.format", NULL, EFME_E_FORMAT, "not a libefme model file"}, {"efme.format", "2.0", EFME_E_UNSUPPORTED, "format version 2.0, this library reads 1.x"},
      {"efme.format", "1.7", EFME_OK, ""}, {"efme.format", "one", EFME_E_FORMAT, "\"efme.format\": \"one\""}, {"efme.format", "0.9", EFME_E_UNSUPPORTED, "0.9"},
      {"efme.architecture", "resnet", EFME_E_UNSUPPORTED, "architecture \"resnet\""}, {"efme.cut", NULL, EFME_E_FORMAT, "metadata \"efme.cut\" is missing"},
      {"efme.cut", "9", EFME_E_FORMAT, "cut is 9"}, {"efme.cut", "-1", EFME_E_FORMAT, "\"efme.cut\": \"-1\""}, {"efme.cut", "2", EFME_E_FORMAT, "tensor \"block2a_expand_conv/kernel\" is missing"},
      {"efme.top", "1", EFME_E_FORMAT, "top needs cut 7"}, {"efme.input", "48", EFME_E_FORMAT, "\"efme.input\": \"48\""}, {"efme.input", "48x", EFME_E_FORMAT, "efme.input"},
      {"efme.input", "9999x48", EFME_E_FORMAT, "height is 9999"}, {"efme.classes", "a\nb", EFME_E_MISMATCH, "tensor \"head/kernel\": wrong shape [16, 3], not [16, 2]"},
      {"efme.classes", "a\nb\na", EFME_E_FORMAT, "both \"a\""}, {"efme.classes", "a", EFME_E_FORMAT, "class count is 1"}, {"efme.normalisation", "none", EFME_E_FORMAT, "efme.normalisation"},
      {"efme.padding", "", EFME_E_FORMAT, "efme.padding"}, {"efme.bn_epsilon", "1e-3x", EFME_E_FORMAT, "efme.bn_epsilon"}, {"efme.bn_epsilon", "0", EFME_E_FORMAT, "bn_epsilon"},
      {"efme.bn_momentum", "nan", EFME_E_FORMAT, "efme.bn_momentum"}, {"efme.provenance", NULL, EFME_E_FORMAT, "efme.provenance"}, {"efme.provenance", "", EFME_E_FORMAT, "efme.provenance"},
      {"efme.hash", NULL, EFME_E_FORMAT, "metadata \"efme.hash\" is missing"}, {"efme.hash", "0123", EFME_E_FORMAT, "efme.hash"}, {"efme.hash", "0123456789abcdeg", EFME_E_FORMAT, "efme.hash"},
      {"efme.hash", "0123456789abcdef", EFME_E_MISMATCH, "the file says 0123456789abcdef"}, {"efme.library", NULL, EFME_OK, ""}};
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
  ck_assert(back->arch.height == 224 && back->arch.normalisation == EFME_NORM_VARIANCE && back->arch.padding == EFME_PAD_SYMMETRIC && back->arch.bn_epsilon == 1e-5f);
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

/* Every allocation of a load may fail: an error, nothing left behind, and success in the end. */
static long granted, live;
static void *counted_alloc(size_t size, size_t alignment, void *user) {
  (void)user;
  void *p;
  if (granted-- <= 0 || posix_memalign(&p, alignment, size)) return NULL;
  live++;
  return p;
}
static void counted_free(void *p, void *user) {
  (void)user;
  live--;
  free(p);
}

START_TEST(memory_failures) {
  efme_model *m = make_used_model(1);
  ck_assert_int_eq(efme_model_save(m, at("m"), EFME_WEIGHTS_F32), EFME_OK);
  efme_context_options co = EFME_CONTEXT_OPTIONS_INIT;
  co.backend = "cpu", co.threads = 1, co.alloc = counted_alloc, co.free = counted_free;
  granted = 1000;
  efme_context *counted = NULL;
  ck_assert_int_eq(efme_context_create(&counted, &co), EFME_OK);
  long before = live;
  efme_status status = EFME_E_NOMEM;
  long n = 0;
  for (; status; n++) {
    efme_model *back = NULL;
    granted = n;
    status = efme_model_load(&back, counted, at("m"), NULL);
    ck_assert(status == EFME_OK || status == EFME_E_NOMEM);
    if (status == EFME_OK) {
      granted = 0;
      ck_assert_int_eq(efme_model_save(back, at("o"), EFME_WEIGHTS_F16), EFME_E_NOMEM);
      efme_model_release(back);
    }
    ck_assert_int_eq(live, before);
    ck_assert_int_lt(n, 200);
  }
  printf("a load allocates %ld times\n", n - 1);
  efme_context_release(counted);
  ck_assert_int_eq(live, 0);
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
  tcase_add_test(t, every_truncation);
  tcase_add_test(t, any_changed_byte_is_seen);
  tcase_add_test(t, wrong_metadata);
  tcase_add_test(t, options);
  tcase_add_test(t, whole_b0);
  tcase_add_test(t, wrong_arguments);
  tcase_add_test(t, memory_failures);
  return test_run(suite);
}
