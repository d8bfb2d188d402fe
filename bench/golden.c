/* A safetensors file: 8 bytes of header length, a JSON header, raw little-endian data. See golden.h. */
#include "golden.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find(struct golden_tensor *out, FILE *file, const cJSON *header, uint64_t base, const char *name, const char **error) {
  const cJSON *entry = cJSON_GetObjectItemCaseSensitive(header, name);
  const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype"), *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
  const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
  *error = "no such float32 tensor";
  if (!cJSON_IsString(dtype) || strcmp(dtype->valuestring, "F32") || cJSON_GetArraySize(shape) > 4 || cJSON_GetArraySize(offsets) != 2) return 0;
  struct golden_tensor t = {NULL, 1, {1, 1, 1, 1}};
  for (int i = 0; i < cJSON_GetArraySize(shape); i++) {
    t.dims[i] = (long)cJSON_GetArrayItem(shape, i)->valuedouble;
    t.count *= (size_t)t.dims[i];
  }
  t.values = malloc(t.count * sizeof(float));
  *error = "cannot be read";
  if (!t.values || fseek(file, (long)(base + (uint64_t)cJSON_GetArrayItem(offsets, 0)->valuedouble), SEEK_SET) ||
      fread(t.values, sizeof(float), t.count, file) != t.count) {
    free(t.values);
    return 0;
  }
  *out = t;
  return 1;
}

int golden_read(struct golden_tensor *out, const char *path, const char *name, const char **error) {
  FILE *file = fopen(path, "rb");
  uint64_t length = 0;
  *error = "cannot be opened";
  if (!file) return 0;
  *error = "is not a safetensors file";
  char *text = fread(&length, 8, 1, file) == 1 && length < 16u << 20 ? calloc(1, length + 1) : NULL;
  cJSON *header = text && fread(text, 1, length, file) == length ? cJSON_Parse(text) : NULL;
  int found = header && find(out, file, header, 8 + length, name, error);
  cJSON_Delete(header);
  free(text);
  fclose(file);
  return found;
}
