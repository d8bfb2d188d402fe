/* A test's hold on the loaded strict module. */
#ifndef EFME_TEST_STRICT_CONTROL_H
#define EFME_TEST_STRICT_CONTROL_H

#include <dlfcn.h>

#include "backend/strict/strict.h"
#include "test.h"

/* The module must have been loaded by the library before. */
static inline struct strict_control *strict_hold(void) {
  void *handle = dlopen(STRICT_DIR "/efme-strict.so", RTLD_NOW | RTLD_NOLOAD);
  ck_assert_msg(handle != NULL, "the strict backend was not loaded: %s", dlerror());
  struct strict_control *control = dlsym(handle, STRICT_CONTROL);
  ck_assert_ptr_nonnull(control);
  dlclose(handle);
  return control;
}

#endif
