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

/* ---- trials ---- */

void trial_open(struct trial *t, const struct efme_arch *arch, const struct efme_plan_options *options, const float *weights) {
  ck_assert_uint_gt(rig_level_count, 0);
  t->count = 1 + rig_level_count;
  for (uint32_t i = 0; i < t->count; i++) {
    rig_open(&t->rig[i], i ? rig_levels[i - 1] : NULL, arch, options);
    rig_weights(&t->rig[i], weights);
  }
}

void trial_close(struct trial *t) {
  for (uint32_t i = 0; i < t->count; i++) rig_close(&t->rig[i]);
}

void trial_put(struct trial *t, enum trial_input what, const void *values, size_t count) {
  for (uint32_t i = 0; i < t->count; i++) {
    const struct efme_plan *p = t->rig[i].plan;
    const struct efme_tensor *to = what == TRIAL_PIXELS ? &p->input : what == TRIAL_LABELS ? &p->labels : &p->alpha;
    if (efme_tensor_present(to)) rig_put(&t->rig[i], to, values, count);
  }
}

void trial_main(struct trial *t, uint32_t batch) {
  for (uint32_t i = 0; i < t->count; i++) rig_main(&t->rig[i], batch);
}

void trial_losses(struct trial *t, double losses[TRIAL_MOST]) {
  for (uint32_t i = 0; i < t->count; i++) {
    struct rig *r = &t->rig[i];
    double sums[4], penalty = 0;
    rig_get(r, &r->plan->sums, sums, 4);
    if (efme_tensor_present(&r->plan->penalty)) rig_get(r, &r->plan->penalty, &penalty, 1);
    ck_assert(sums[1] == r->plan->options.max_batch && sums[3] == 1);
    losses[i] = sums[0] / sums[1] + penalty;
    rig_clear(r, &r->plan->sums);
  }
}

/* ---- judgement ---- */

/* Largest |a - b|, and largest |golden|. */
struct distance {
  double most, scale;
};

static struct distance distance(const double *ours, const float *golden, size_t count) {
  struct distance d = {0, 0};
  for (size_t i = 0; i < count; i++) {
    double e = fabs(ours[i] - (double)golden[i]), s = fabs((double)golden[i]);
    if (!(e <= d.most)) d.most = e; /* a NaN sticks */
    if (s > d.scale) d.scale = s;
  }
  return d;
}

void trial_judge(const struct trial *t, const char *what, const char *name, double *const values[], const float *golden, size_t count,
                 double floor) {
  struct distance ref = distance(values[0], golden, count);
  double limit = 4 * ref.most + 2e-6 * ref.scale;
  printf("%-14s %-40s max %.3e  double reference off by %.2e  float32 off by", what, name, ref.scale, ref.most);
  for (uint32_t i = 1; i < t->count; i++) printf(" %.2e (%s)", distance(values[i], golden, count).most, rig_level_name(i - 1));
  printf(" of %.2e\n", limit);
  ck_assert_uint_gt(count, 0);
  ck_assert_msg(ref.most <= 2e-5 * ref.scale + floor, "%s %s: the double reference is %g away from the golden tensor of size %g", what,
                name, ref.most, ref.scale);
  for (uint32_t i = 1; i < t->count; i++) {
    double most = distance(values[i], golden, count).most;
    ck_assert_msg(most <= limit, "%s %s: float32 (%s) is %g away, %g allowed", what, name, rig_level_name(i - 1), most, limit);
  }
}

void trial_judge_scalars(const struct trial *t, const char *what, const char *name, const double values[TRIAL_MOST], const float *golden) {
  double copy[TRIAL_MOST], *each[TRIAL_MOST];
  memcpy(copy, values, sizeof copy);
  for (uint32_t i = 0; i < TRIAL_MOST; i++) each[i] = &copy[i];
  trial_judge(t, what, name, each, golden, 1, 0);
}

static void judge_places(struct trial *t, const char *what, const char *name, const struct efme_tensor *const tensors[],
                         const float *golden, size_t count, double floor) {
  double *values[TRIAL_MOST] = {NULL};
  for (uint32_t i = 0; i < t->count; i++) {
    values[i] = rig_doubles(count);
    rig_get(&t->rig[i], tensors[i], values[i], count);
  }
  trial_judge(t, what, name, values, golden, count, floor);
  for (uint32_t i = 0; i < t->count; i++) free(values[i]);
}

void trial_judge_tensor(struct trial *t, const char *what, const char *name, const struct efme_tensor *tensor, const float *golden,
                        size_t count, double floor) {
  const struct efme_tensor *all[TRIAL_MOST] = {tensor, tensor, tensor, tensor};
  ck_assert(tensor->arena == EFME_ARENA_IO || tensor->arena == EFME_ARENA_WEIGHTS || tensor->arena == EFME_ARENA_GRADS);
  judge_places(t, what, name, all, golden, count, floor);
}

void trial_judge_tap(struct trial *t, const char *what, const char *name, const char *tap, const float *golden, size_t count) {
  const struct efme_tensor *all[TRIAL_MOST] = {NULL};
  for (uint32_t i = 0; i < t->count; i++) {
    const struct efme_plan_tap *found = efme_plan_find_tap(t->rig[i].plan, tap);
    ck_assert_msg(found != NULL, "no tap %s", tap);
    all[i] = &found->tensor;
    ck_assert_uint_eq(count, efme_tensor_bytes(all[i]) / sizeof(float)); /* the golden batches are the planned ones */
  }
  judge_places(t, what, name, all, golden, count, 0);
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
