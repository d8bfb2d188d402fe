/* Backends by name: what an explicit name fails with, when auto falls back, where modules are looked for and where not. */
#include <dlfcn.h>
#include <sys/stat.h>

#include "backend/context.h"
#include "efme/context.h"
#include "test.h"

static char root[64];
static int lines;
static char last_line[1200];

static void count_line(efme_log_level level, const char *message, void *user) {
  (void)user;
  if (level <= EFME_LOG_INFO) lines++;
  snprintf(last_line, sizeof last_line, "%s", message);
}

static void setup(void) {
  strcpy(root, "/tmp/efme-backend-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  setenv("EFME_BACKEND_DIR", MODULES, 1);
  lines = 0;
  last_line[0] = '\0';
}

static void teardown(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", root);
  ck_assert_int_eq(system(command), 0);
  unsetenv("EFME_BACKEND_DIR");
}

static efme_status open_backend(efme_context **out, const char *name) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = name;
  o.log = count_line;
  return efme_context_create(out, &o);
}

static void expect_failure(const char *name, efme_status status, const char *reason) {
  efme_context *context = (efme_context *)1;
  ck_assert_int_eq(open_backend(&context, name), status);
  ck_assert(context == (efme_context *)1);
  ck_assert_msg(strstr(efme_last_error(), reason) != NULL, "%s: \"%s\" does not say \"%s\"", name, efme_last_error(), reason);
  ck_assert_int_eq(lines, 0); /* an error is not logged too */
}

static void expect_open(const char *name, const char *backend) {
  efme_context *context = NULL;
  ck_assert_msg(open_backend(&context, name) == EFME_OK, "%s", efme_last_error());
  ck_assert_str_eq(efme_context_backend(context), backend);
  efme_context_release(context);
}

START_TEST(good_module) {
  expect_open("fake", "fake");
  expect_open("fake:1", "fake");
  expect_failure("fake:7", EFME_E_BACKEND, "backend \"fake:7\": no such fake device");
  expect_open("long", "fake"); /* made for a later library whose table has more entries behind ours */
  ck_assert_int_eq(lines, 0);
}
END_TEST

START_TEST(wrong_modules) {
  expect_failure("absent", EFME_E_UNSUPPORTED, "no module efme-absent.so in " MODULES);
  expect_failure("noentry", EFME_E_BACKEND, "efme-noentry.so: has no symbol efme_backend_entry");
  expect_failure("wrongabi", EFME_E_BACKEND, "made for backend interface 7, this library has 2");
  expect_failure("short", EFME_E_BACKEND, "its table has 64 bytes");
  expect_failure("unresolved", EFME_E_BACKEND, "efme_nobody_has_this");
  expect_failure("hole", EFME_E_BACKEND, "its table has an empty entry");
  expect_failure("declines", EFME_E_UNSUPPORTED, "efme-declines.so: unsupported: the fake has the day off");
  expect_failure("silent", EFME_E_UNSUPPORTED, "declined without a reason");
  expect_failure("openfails", EFME_E_BACKEND, "backend \"openfails\": the fake device is on fire");
  expect_failure("opensilent", EFME_E_BACKEND, "failed without a reason");
  expect_failure("cuda", EFME_E_UNSUPPORTED, "unsupported: this build has no CUDA kernels yet");
  expect_failure("cuda:1", EFME_E_UNSUPPORTED, "unsupported: this build has no CUDA kernels yet");
}
END_TEST

START_TEST(not_a_module) {
  char path[256];
  setenv("EFME_BACKEND_DIR", root, 1);
  snprintf(path, sizeof path, "%s/efme-text.so", root);
  FILE *f = fopen(path, "w");
  fputs("this is text\n", f);
  fclose(f);
  expect_failure("text", EFME_E_BACKEND, "efme-text.so");
  snprintf(path, sizeof path, "%s/efme-empty.so", root);
  fclose(fopen(path, "w"));
  expect_failure("empty", EFME_E_BACKEND, "efme-empty.so");
  snprintf(path, sizeof path, "%s/efme-folder.so", root);
  ck_assert_int_eq(mkdir(path, 0700), 0);
  expect_failure("folder", EFME_E_BACKEND, "efme-folder.so: is not a file");
  snprintf(path, sizeof path, "%s/efme-pipe.so", root);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  expect_failure("pipe", EFME_E_BACKEND, "efme-pipe.so: is not a file"); /* and does not wait for a writer */
  snprintf(path, sizeof path, "%s/efme-short.so", root);
  ck_assert_ptr_nonnull(f = fopen(path, "w"));
  fputs("\177ELF\2\1\1", f);
  fclose(f);
  expect_failure("short", EFME_E_BACKEND, "efme-short.so");
  snprintf(path, sizeof path, "%s/efme-gone.so", root);
  ck_assert_int_eq(symlink("/nowhere/efme-gone.so", path), 0);
  expect_failure("gone", EFME_E_UNSUPPORTED, "no module efme-gone.so");
  ck_assert_uint_eq(efme_device_count(), 1 + 6); /* all are listed, none is usable */
  efme_device_info info = EFME_DEVICE_INFO_INIT;
  for (uint32_t i = 1; i < 7; i++) {
    ck_assert_int_eq(efme_device_get(&info, i), EFME_OK);
    ck_assert(!info.usable && info.reason[0]);
  }
}
END_TEST

START_TEST(wrong_names) {
  static const char *const names[] = {
      "",
      "CPU",
      "../fake",
      "/tmp/x",
      "a.b",
      "cpu:0",
      "cpu:",
      "fake:",
      ":0",
      "auto:1 2",
      " cpu",
      "a_name_that_is_much_longer_than_any_module_may_be_called",
      "a name so long that it does not even fit where the context keeps it, which is ninety-six bytes and no more"};
  for (size_t i = 0; i < EFME_COUNT(names); i++) {
    if (strncmp(names[i], "auto:", 5) == 0) expect_failure(names[i], EFME_E_UNSUPPORTED, "efme-auto.so");
    else expect_failure(names[i], EFME_E_ARGUMENT, "backend");
  }
}
END_TEST

START_TEST(auto_falls_back_with_one_line) {
  expect_open("auto", "cpu");
  ck_assert_int_eq(lines, 1);
  ck_assert_msg(strstr(last_line, "CPU") && strstr(last_line, "no CUDA kernels yet"), "%s", last_line);
  expect_open(NULL, "cpu");
  ck_assert_int_eq(lines, 2);
  setenv("EFME_BACKEND_DIR", root, 1); /* without any module */
  expect_open("auto", "cpu");
  ck_assert_int_eq(lines, 3);
  ck_assert_msg(strstr(last_line, "no module efme-cuda.so"), "%s", last_line);
  expect_open("cpu", "cpu"); /* asked for: nothing to say */
  ck_assert_int_eq(lines, 3);
}
END_TEST

START_TEST(auto_takes_cuda) {
  char path[256];
  snprintf(path, sizeof path, "%s/efme-cuda.so", root);
  ck_assert_int_eq(symlink(MODULES "/efme-fake.so", path), 0);
  setenv("EFME_BACKEND_DIR", root, 1);
  expect_open("auto", "fake");
  ck_assert_int_eq(lines, 1);
  ck_assert_str_eq(last_line, "backend auto: computing on fake");
}
END_TEST

START_TEST(current_directory_is_never_searched) {
  char before[600];
  ck_assert_ptr_nonnull(getcwd(before, sizeof before));
  ck_assert_int_eq(chdir(MODULES), 0);
  static const char *const settings[] = {NULL, "", ".", "./", "../modules"};
  for (size_t i = 0; i < EFME_COUNT(settings); i++) {
    if (settings[i]) setenv("EFME_BACKEND_DIR", settings[i], 1);
    else unsetenv("EFME_BACKEND_DIR");
    expect_failure("fake", EFME_E_UNSUPPORTED, "no module efme-fake.so");
    ck_assert_uint_eq(efme_device_count(), 1);
  }
  ck_assert_int_eq(chdir(before), 0);
}
END_TEST

/* A copy of the shared library in root, with modules in its subdirectory efme and beside it. */
struct copy {
  void *handle;
  efme_status (*create)(efme_context **, const efme_context_options *);
  void (*release)(efme_context *);
  const char *(*last_error)(void);
};

static void copy_library(void) {
  char command[1200];
  snprintf(command, sizeof command,
           "cp %s %s/libefme.so && mkdir %s/efme && ln -s %s/efme-fake.so %s/efme/ && ln -s %s/efme-declines.so %s/", LIBRARY, root, root,
           MODULES, root, MODULES, root);
  ck_assert_int_eq(system(command), 0);
  unsetenv("EFME_BACKEND_DIR");
}

static void copy_open(struct copy *c, const char *path) {
  c->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(c->handle != NULL, "%s", dlerror());
  void *symbols[3] = {dlsym(c->handle, "efme_context_create"), dlsym(c->handle, "efme_context_release"),
                      dlsym(c->handle, "efme_last_error")};
  memcpy(&c->create, &symbols[0], sizeof symbols[0]);
  memcpy(&c->release, &symbols[1], sizeof symbols[1]);
  memcpy(&c->last_error, &symbols[2], sizeof symbols[2]);
}

/* A moved installation. */
START_TEST(beside_the_library) {
  char library[128];
  struct copy c;
  copy_library();
  snprintf(library, sizeof library, "%s/libefme.so", root);
  copy_open(&c, library);
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *context = NULL;
  o.backend = "fake";
  ck_assert_msg(c.create(&context, &o) == EFME_OK, "%s", c.last_error());
  c.release(context);
  o.backend = "declines";
  ck_assert_int_eq(c.create(&context, &o), EFME_E_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(c.last_error(), "day off"));
  expect_failure("fake", EFME_E_UNSUPPORTED, "no module efme-fake.so"); /* the one linked into this program lies elsewhere */
  dlclose(c.handle);
}
END_TEST

/* The loader found the library by way of the current directory: that is not followed. */
START_TEST(beside_a_relative_library) {
  char before[600];
  struct copy c;
  copy_library();
  ck_assert_ptr_nonnull(getcwd(before, sizeof before));
  ck_assert_int_eq(chdir(root), 0);
  copy_open(&c, "./libefme.so");
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *context = NULL;
  static const char *const names[] = {"fake", "declines"};
  for (int i = 0; i < 2; i++) {
    o.backend = names[i];
    ck_assert_int_eq(c.create(&context, &o), EFME_E_UNSUPPORTED);
    ck_assert_msg(strstr(c.last_error(), "no module") != NULL, "%s", c.last_error());
  }
  dlclose(c.handle);
  ck_assert_int_eq(chdir(before), 0);
}
END_TEST

START_TEST(device_list) {
  uint32_t count = efme_device_count(), fakes = 0, unusable = 0;
  efme_device_info info = EFME_DEVICE_INFO_INIT;
  ck_assert_int_eq(efme_device_get(&info, 0), EFME_OK);
  ck_assert_str_eq(info.name, "cpu");
  ck_assert_uint_eq(info.usable, 1);
  ck_assert_str_ne(info.description, "");
  int cuda = 0, declines = 0;
  for (uint32_t i = 1; i < count; i++) {
    ck_assert_int_eq(efme_device_get(&info, i), EFME_OK);
    ck_assert(info.name[0] && (info.usable || info.reason[0]));
    fakes += strncmp(info.name, "fake:", 5) == 0;
    unusable += !info.usable;
    cuda += strcmp(info.name, "cuda") == 0 && strstr(info.reason, "no CUDA kernels yet");
    declines += strcmp(info.name, "declines") == 0 && strstr(info.reason, "day off");
    if (strcmp(info.name, "fake:1") == 0) ck_assert_uint_eq(info.memory, 1001);
  }
  ck_assert_uint_eq(fakes, 8); /* fake, long, openfails and opensilent show two each: looking starts nothing */
  ck_assert_uint_eq(unusable, 9);
  ck_assert_uint_eq(count, 1 + 8 + 9);
  ck_assert(cuda == 1 && declines == 1);
  info.memory = 5;
  ck_assert_int_eq(efme_device_get(&info, count), EFME_E_ARGUMENT);
  ck_assert_uint_eq(info.memory, 5);
  ck_assert_int_eq(efme_device_get(NULL, 0), EFME_E_ARGUMENT);
}
END_TEST

START_TEST(listing_is_no_error) {
  efme_fail(EFME_E_IO, "before");
  efme_device_count();
  ck_assert_str_eq(efme_last_error(), "before");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("backend_registry");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, good_module);
  tcase_add_test(t, wrong_modules);
  tcase_add_test(t, not_a_module);
  tcase_add_test(t, wrong_names);
  tcase_add_test(t, auto_falls_back_with_one_line);
  tcase_add_test(t, auto_takes_cuda);
  tcase_add_test(t, current_directory_is_never_searched);
  tcase_add_test(t, beside_the_library);
  tcase_add_test(t, beside_a_relative_library);
  tcase_add_test(t, device_list);
  tcase_add_test(t, listing_is_no_error);
  return test_run(suite);
}
