/* Which backends there are: the built-in CPU one and modules. Opening one by name, and listing their devices.
 *
 * "auto" means the first usable of cuda and cpu, decided once, here; nothing switches later. An explicit name never falls
 * back. */
#include <string.h>

#include "backend/module.h"
#include "util/util.h"

static efme_status host_fail(efme_status status, const char *message) { return efme_fail(status, "%s", message); }

static efme_status open_api(struct efme_backend *out, const struct efme_backend_api *api, const char *device,
                            const struct efme_backend_host *host) {
  out->api = api;
  out->be = NULL;
  out->host = *host;
  out->host.size = sizeof out->host;
  out->host.abi = EFME_BACKEND_ABI;
  out->host.device = device;
  out->host.fail = host_fail;
  efme_fail(EFME_E_BACKEND, "backend %s failed without a reason", api->name); /* in case it sets none; restored on success */
  efme_status status = api->open(&out->be, &out->host);
  if (status) memset(out, 0, sizeof *out);
  return status;
}

static efme_status open_named(struct efme_backend *out, const char *name, const struct efme_backend_host *host) {
  const char *colon = strchr(name, ':');
  size_t n = colon ? (size_t)(colon - name) : strlen(name);
  if (colon && !colon[1]) return efme_fail(EFME_E_ARGUMENT, "backend: \"%.64s\" names no device behind its colon", name);
  if (n == 3 && memcmp(name, "cpu", 3) == 0) {
    if (colon) return efme_fail(EFME_E_ARGUMENT, "backend: \"%.64s\": cpu has no devices to choose from", name);
    return open_api(out, &efme_cpu_backend, NULL, host);
  }
  const struct efme_backend_api *api = NULL;
  efme_status status = efme_module_load(&api, name, n);
  return status ? status : open_api(out, api, colon ? colon + 1 : NULL, host);
}

static efme_status open_any(struct efme_backend *out, const char *name, const struct efme_backend_host *host, char chosen[256]) {
  if (name && strcmp(name, "auto") != 0) {
    efme_status status = open_named(out, name, host);
    return status == EFME_OK || status == EFME_E_ARGUMENT ? status : efme_fail_prefix(status, "backend \"%.64s\"", name);
  }
  if (open_named(out, "cuda", host) == EFME_OK) {
    snprintf(chosen, 256, "backend auto: computing on %.64s", out->api->name);
    return EFME_OK;
  }
  snprintf(chosen, 256, "backend auto: computing on the CPU, for %.200s", efme_error_text());
  return open_named(out, "cpu", host);
}

efme_status efme_backend_open(struct efme_backend *out, const char *name, const struct efme_backend_host *host, char chosen[256]) {
  char error[512];
  efme_error_save(error);
  chosen[0] = '\0';
  efme_status status = open_any(out, name, host, chosen);
  if (!status) efme_error_restore(error); /* what auto tried in vain is no failed call */
  return status;
}

void efme_backend_close(struct efme_backend *b) {
  if (b->api) b->api->close(b->be);
  memset(b, 0, sizeof *b);
}

#define EFME_MODULES 32 /* more modules than this are not listed */

static void set_text(char *to, size_t size, const char *text) { snprintf(to, size, "%s", text); }

/* A module that cannot be used is one device whose reason says why. */
static void unusable(efme_device_info *out, const char *name, const char *reason) {
  efme_device_info info = EFME_DEVICE_INFO_INIT;
  set_text(info.name, sizeof info.name, name);
  set_text(info.reason, sizeof info.reason, reason);
  *out = info;
}

/* Counts the devices of one table and fills *out where index falls among them. */
static uint32_t list_api(efme_device_info *out, const struct efme_backend_api *api, const char *name, uint32_t index) {
  uint32_t count = api->device_count();
  if (count == 0) {
    if (index == 0) unusable(out, name, "no device found");
    return 1;
  }
  if (index >= count) return count;
  efme_device_info info = EFME_DEVICE_INFO_INIT;
  set_text(info.name, sizeof info.name, name);
  if (api->device_info(index, &info)) unusable(&info, name, efme_error_text());
  *out = info;
  return count;
}

/* Walks every device up to index; returns how many there are if index is beyond all. */
static uint32_t list_all(efme_device_info *out, uint32_t index) {
  uint32_t seen = list_api(out, &efme_cpu_backend, "cpu", index);
  char names[EFME_MODULES + 1][EFME_MODULE_NAME], error[512];
  uint32_t modules = efme_module_list(names, EFME_MODULES);
  efme_error_save(error); /* looking at a broken module is no failed call */
  for (uint32_t i = 0; i < modules && seen <= index; i++) {
    const struct efme_backend_api *api = NULL;
    if (efme_module_load(&api, names[i], strlen(names[i])) == EFME_OK) {
      seen += list_api(out, api, names[i], index - seen);
    } else {
      if (seen == index) unusable(out, names[i], efme_error_text());
      seen++;
    }
  }
  efme_error_restore(error);
  return seen;
}

uint32_t efme_device_count(void) {
  efme_device_info info;
  return list_all(&info, UINT32_MAX);
}

efme_status efme_device_get(efme_device_info *out, uint32_t index) {
  efme_device_info info = EFME_DEVICE_INFO_INIT;
  uint32_t seen = list_all(&info, index);
  if (seen <= index) return efme_fail(EFME_E_ARGUMENT, "device index %u: there are %u devices", index, seen);
  return efme_struct_store(out, &info, sizeof info, "efme_device_info");
}
