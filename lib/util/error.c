/* The error text of each thread, and the loading of option structs, whose only outcome besides a copy is such a text. */
#include <string.h>

#include "util/util.h"

/* The one piece of thread state in the library: what efme_last_error answers. */
static _Thread_local char efme_error_buffer[512];

const char *efme_error_text(void) { return efme_error_buffer; }

efme_status efme_fail(efme_status status, const char *format, ...) {
  /* Formatted aside, because an argument may be the present text itself. */
  char text[sizeof efme_error_buffer];
  va_list args;
  va_start(args, format);
  if (vsnprintf(text, sizeof text, format, args) < 0) text[0] = '\0';
  va_end(args);
  memcpy(efme_error_buffer, text, sizeof text);
  return status;
}

efme_status efme_fail_prefix(efme_status status, const char *format, ...) {
  char text[sizeof efme_error_buffer];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  size_t used = n < 0 ? 0 : EFME_MIN((size_t)n, sizeof text - 3);
  memcpy(text + used, ": ", 2);
  used += 2;
  size_t rest = EFME_MIN(strlen(efme_error_buffer), sizeof text - 1 - used); /* cut where it does not fit */
  memcpy(text + used, efme_error_buffer, rest);
  text[used + rest] = '\0';
  memcpy(efme_error_buffer, text, sizeof text);
  return status;
}

void efme_error_save(char text[512]) { memcpy(text, efme_error_buffer, sizeof efme_error_buffer); }

void efme_error_restore(const char text[512]) {
  memcpy(efme_error_buffer, text, sizeof efme_error_buffer);
  efme_error_buffer[sizeof efme_error_buffer - 1] = '\0';
}

/* No options struct of any version comes near this; a larger struct_size is an uninitialised one. */
#define EFME_STRUCT_LIMIT 65536u

static efme_status struct_size(size_t *size, const void *s, const char *what) {
  memcpy(size, s, sizeof *size);
  if (*size < sizeof *size || *size > EFME_STRUCT_LIMIT)
    return efme_fail(EFME_E_ARGUMENT, "%s: struct_size %zu is not a size; start from its _INIT macro", what, *size);
  return EFME_OK;
}

efme_status efme_options_load(void *dst, size_t dst_size, const void *src, const void *defaults, const char *what) {
  size_t size = dst_size;
  if (src) {
    efme_status status = struct_size(&size, src, what);
    if (status) return status;
    for (size_t i = dst_size; i < size; i++)
      if (((const unsigned char *)src)[i])
        return efme_fail(EFME_E_ARGUMENT, "%s: byte %zu is set, but this version knows %zu bytes only", what, i, dst_size);
  }
  memcpy(dst, defaults, dst_size);
  if (src) memcpy(dst, src, EFME_MIN(size, dst_size));
  memcpy(dst, &dst_size, sizeof dst_size);
  return EFME_OK;
}

efme_status efme_struct_store(void *out, const void *src, size_t src_size, const char *what) {
  if (!out) return efme_fail(EFME_E_ARGUMENT, "%s: out is NULL", what);
  size_t size;
  efme_status status = struct_size(&size, out, what);
  if (status) return status;
  memcpy(out, src, EFME_MIN(size, src_size));
  memcpy(out, &size, sizeof size);
  return EFME_OK;
}
