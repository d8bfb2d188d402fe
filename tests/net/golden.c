/* See golden.h. */
#include "net/golden.h"

#include <cJSON.h>
#include <math.h>

void golden_open(struct golden *g, const char *path) {
  memset(g, 0, sizeof *g);
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "%s", path);
  fseek(f, 0, SEEK_END);
  g->size = (size_t)ftell(f);
  rewind(f);
  g->data = malloc(g->size + 1);
  ck_assert_ptr_nonnull(g->data);
  ck_assert_uint_eq(fread(g->data, 1, g->size, f), g->size);
  fclose(f);
  uint64_t length;
  memcpy(&length, g->data, 8);
  ck_assert_uint_lt(length, g->size);
  g->header = cJSON_ParseWithLength(g->data + 8, length);
  ck_assert_ptr_nonnull(g->header);
}

void golden_close(struct golden *g) {
  cJSON_Delete(g->header);
  free(g->data);
}

const void *golden_find(const struct golden *g, const char *name, size_t *count, uint32_t dims[4]) {
  const cJSON *t = cJSON_GetObjectItemCaseSensitive(g->header, name);
  if (!t) return NULL;
  const cJSON *shape = cJSON_GetObjectItem(t, "shape"), *offsets = cJSON_GetObjectItem(t, "data_offsets"), *d;
  uint64_t header;
  memcpy(&header, g->data, 8);
  size_t n = 1, i = 0;
  for (int k = 0; dims && k < 4; k++) dims[k] = 1;
  cJSON_ArrayForEach(d, shape) {
    n *= (size_t)d->valuedouble;
    if (dims && i < 4) dims[i] = (uint32_t)d->valuedouble;
    i++;
  }
  size_t begin = (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble, end = (size_t)cJSON_GetArrayItem(offsets, 1)->valuedouble;
  ck_assert_uint_eq(end - begin, n * 4); /* F32 or I32 */
  ck_assert_uint_le(8 + header + end, g->size);
  *count = n;
  return g->data + 8 + header + begin;
}

const float *golden_f32(const struct golden *g, const char *name, size_t *count) {
  const void *p = golden_find(g, name, count, NULL);
  ck_assert_msg(p != NULL, "golden file has no %s", name);
  return p;
}

const char *golden_next(const struct golden *g, const char *prefix, void **state) {
  const cJSON *t = *state ? ((const cJSON *)*state)->next : ((const cJSON *)g->header)->child;
  while (t && strncmp(t->string, prefix, strlen(prefix)) != 0) t = t->next;
  *state = (void *)(uintptr_t)t;
  return t ? t->string : NULL;
}

float *golden_weights(const struct golden *g, const struct efme_arch *arch) {
  struct efme_params p;
  ck_assert_int_eq(efme_params_create(&p, &efme_allocator_libc, arch), EFME_OK);
  float *w = rig_floats(p.total);
  for (uint32_t i = 0; i < p.count; i++) {
    size_t count;
    const float *values = golden_f32(g, p.items[i].name, &count);
    ck_assert_uint_eq(count, p.items[i].count);
    memcpy(w + p.items[i].offset, values, count * sizeof *w);
  }
  efme_params_free(&p, &efme_allocator_libc);
  return w;
}

struct distance golden_distance(const double *ours, const float *golden, size_t count) {
  struct distance d = {0, 0};
  for (size_t i = 0; i < count; i++) {
    double e = fabs(ours[i] - (double)golden[i]), s = fabs((double)golden[i]);
    if (!(e <= d.most)) d.most = e; /* a NaN sticks */
    if (s > d.scale) d.scale = s;
  }
  return d;
}

void golden_judge(const char *what, const char *name, const double *reference, const double *f32, const float *golden, size_t count,
                  double floor) {
  struct distance r = golden_distance(reference, golden, count);
  double limit = 4 * r.most + 2e-6 * r.scale;
  printf("%-10s %-40s max %.3e  double reference off by %.2e", what, name, r.scale, r.most);
  if (f32) printf("  float32 off by %.2e of %.2e", golden_distance(f32, golden, count).most, limit);
  printf("\n");
  ck_assert_msg(r.most <= 1e-4 * r.scale + floor, "%s %s: the double reference is %g away from the golden tensor of size %g", what, name,
                r.most, r.scale);
  if (f32) {
    struct distance d = golden_distance(f32, golden, count);
    ck_assert_msg(d.most <= limit, "%s %s: float32 is %g away, %g allowed", what, name, d.most, limit);
  }
}

double golden_most(const struct golden *g, const char *prefix) {
  double most = 0;
  void *state = NULL;
  for (const char *n; (n = golden_next(g, prefix, &state));) {
    size_t count;
    const float *v = golden_f32(g, n, &count);
    for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)v[i]));
  }
  return most;
}
