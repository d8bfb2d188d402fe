/* Loadable backends: efme-NAME.so, one exported symbol, the same table that the built-in CPU backend fills.
 *
 * Searched in this order: $EFME_BACKEND_DIR, the directory given at build time, then the directory that libefme itself
 * lies in and its subdirectory efme, so that a moved installation finds its modules. All must be absolute: the current
 * directory is never looked at, whatever the environment or argv says. A program that runs with more rights than its caller
 * (setuid, setgid, file capabilities) looks into the directory given at build time only. The first directory that has the
 * file decides. A module is never unloaded: threads or exit handlers of a device runtime may still be in it. */
#include "backend/module.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "util/util.h"

#define PREFIX "efme-"
#define SUFFIX ".so"

static int add_dir(char dirs[EFME_MODULE_DIRS][EFME_MODULE_PATH], int count, const char *dir, size_t n, const char *sub) {
  if (n == 0 || dir[0] != '/' || n + strlen(sub) >= EFME_MODULE_PATH) return count;
  memcpy(dirs[count], dir, n);
  strcpy(dirs[count] + n, sub);
  for (int i = 0; i < count; i++)
    if (strcmp(dirs[i], dirs[count]) == 0) return count;
  return count + 1;
}

int efme_module_dirs(char dirs[EFME_MODULE_DIRS][EFME_MODULE_PATH]) {
  int count = 0, trusted = !getauxval(AT_SECURE);
  const char *chosen = trusted ? getenv("EFME_BACKEND_DIR") : NULL;
  if (chosen) count = add_dir(dirs, count, chosen, strlen(chosen), "");
  count = add_dir(dirs, count, EFME_MODULE_DIR, strlen(EFME_MODULE_DIR), "");
  /* Linked statically this is the program's argv[0], which is whatever the caller says: a bare name is not absolute and left
   * out, and where the caller must not choose it is not asked for at all. */
  Dl_info self;
  if (trusted && dladdr(&efme_allocator_libc, &self) && self.dli_fname) {
    const char *slash = strrchr(self.dli_fname, '/');
    if (slash) {
      size_t n = (size_t)(slash - self.dli_fname);
      count = add_dir(dirs, count, self.dli_fname, n, "/efme");
      count = add_dir(dirs, count, self.dli_fname, n, "");
    }
  }
  return count;
}

int efme_module_name_ok(const char *name, size_t n) {
  if (n == 0 || n >= EFME_MODULE_NAME) return 0;
  for (size_t i = 0; i < n; i++) {
    char c = name[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return 0;
  }
  return 1;
}

static efme_status check_table(const struct efme_backend_api *api, const char *path) {
  if (api->abi != EFME_BACKEND_ABI)
    return efme_fail(EFME_E_BACKEND, "%s: made for backend interface %u, this library has %u", path, api->abi, EFME_BACKEND_ABI);
  if (api->size < sizeof *api) return efme_fail(EFME_E_BACKEND, "%s: its table has %u bytes, %zu are needed", path, api->size, sizeof *api);
  if (!api->name || !api->device_count || !api->device_info || !api->open || !api->close || !api->threads || !api->level || !api->alloc ||
      !api->free || !api->copy_in || !api->copy_out || !api->copy || !api->sync || !api->supports || !api->prepare || !api->run ||
      !api->release)
    return efme_fail(EFME_E_BACKEND, "%s: its table has an empty entry", path);
  return EFME_OK;
}

static efme_status load_file(const struct efme_backend_api **out, const char *path) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    /* The loader's text names the file by itself in most cases. */
    if (reason && strstr(reason, path)) return efme_fail(EFME_E_BACKEND, "%s", reason);
    return efme_fail(EFME_E_BACKEND, "%s: %s", path, reason ? reason : "cannot be loaded");
  }
  void *symbol = dlsym(handle, EFME_BACKEND_ENTRY);
  if (!symbol) return efme_fail(EFME_E_BACKEND, "%s: has no symbol " EFME_BACKEND_ENTRY, path);
  efme_backend_entry_fn entry;
  memcpy(&entry, &symbol, sizeof entry); /* ISO C has no conversion from object to function pointers */
  const char *reason = NULL;
  const struct efme_backend_api *api = entry(EFME_BACKEND_ABI, &reason);
  if (!api) return efme_fail(EFME_E_UNSUPPORTED, "%s: %s", path, reason ? reason : "declined without a reason");
  efme_status status = check_table(api, path);
  if (!status) *out = api;
  return status;
}

efme_status efme_module_load(const struct efme_backend_api **out, const char *name, size_t n) {
  if (!efme_module_name_ok(name, n))
    return efme_fail(EFME_E_ARGUMENT, "backend: \"%.*s\" is not a backend's name", (int)EFME_MIN(n, 64), name);
  char dirs[EFME_MODULE_DIRS][EFME_MODULE_PATH], path[EFME_MODULE_PATH + EFME_MODULE_NAME + 16], tried[300];
  int count = efme_module_dirs(dirs);
  size_t used = 0;
  tried[0] = '\0';
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%.*s/" PREFIX "%.*s" SUFFIX, EFME_MODULE_PATH - 1, dirs[i], (int)n, name);
    struct stat st;
    if (stat(path, &st) == 0) /* opening a pipe would wait for its other end */
      return S_ISREG(st.st_mode) ? load_file(out, path) : efme_fail(EFME_E_BACKEND, "%s: is not a file", path);
    int more = snprintf(tried + used, sizeof tried - used, "%s%.*s", used ? ", " : "", EFME_MODULE_PATH - 1, dirs[i]);
    if (more > 0) used = EFME_MIN(used + (size_t)more, sizeof tried - 1);
  }
  return efme_fail(EFME_E_UNSUPPORTED, "no module " PREFIX "%.*s" SUFFIX " in %s", (int)n, name, used ? tried : "any directory");
}

/* Puts one file name's NAME into the sorted list. */
static uint32_t insert_name(char names[][EFME_MODULE_NAME], uint32_t count, uint32_t capacity, const char *file) {
  size_t n = strlen(file), prefix = strlen(PREFIX), suffix = strlen(SUFFIX);
  if (n <= prefix + suffix || memcmp(file, PREFIX, prefix) != 0 || strcmp(file + n - suffix, SUFFIX) != 0) return count;
  file += prefix;
  n -= prefix + suffix;
  if (!efme_module_name_ok(file, n) || count == capacity) return count;
  char name[EFME_MODULE_NAME] = {0};
  memcpy(name, file, n);
  uint32_t at = 0;
  while (at < count && strcmp(names[at], name) < 0) at++;
  if (at < count && strcmp(names[at], name) == 0) return count;
  memmove(names[at + 1], names[at], (count - at) * sizeof names[0]);
  memcpy(names[at], name, sizeof name);
  return count + 1;
}

uint32_t efme_module_list(char names[][EFME_MODULE_NAME], uint32_t capacity) {
  char dirs[EFME_MODULE_DIRS][EFME_MODULE_PATH];
  int dir_count = efme_module_dirs(dirs);
  uint32_t count = 0;
  for (int i = 0; i < dir_count; i++) {
    DIR *dir = opendir(dirs[i]);
    if (!dir) continue;
    for (const struct dirent *entry; (entry = readdir(dir));) count = insert_name(names, count, capacity, entry->d_name);
    closedir(dir);
  }
  return count;
}
