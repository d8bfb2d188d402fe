/* See rig.h. */
#include "net/rig.h"

#include "cpu/ref/ref.h"

static int reference_supports(void *be, const struct efme_op *op, uint32_t max_batch, struct efme_op_needs *needs) {
  (void)be, (void)max_batch;
  uint32_t required, optional;
  efme_ref_roles(op->kind, op->flags, &required, &optional);
  memset(needs, 0, sizeof *needs);
  return op->kind == EFME_OP_GROUP ? 0 : required != 0;
}

static const struct efme_backend_api reference_api = {
    .size = sizeof reference_api, .abi = EFME_BACKEND_ABI, .name = "reference", .supports = reference_supports};
const struct efme_backend rig_reference = {&reference_api, NULL, {0}};

struct efme_tensor rig_param(const struct rig *r, uint32_t arena, const char *name) {
  const struct efme_param *p = efme_params_find(&r->plan->params, name);
  ck_assert_msg(p != NULL, "no parameter %s", name);
  struct efme_tensor t;
  memset(&t, 0, sizeof t);
  t.arena = (uint8_t)arena, t.dtype = EFME_F32;
  t.n = t.h = t.w = 1, t.c = (int32_t)p->count;
  t.offset = p->offset * sizeof(float);
  return t;
}

/* A tensor that only a claimed group touches has a name instead of a place: here each gets one behind the planned region. */
static void place_inner(struct rig *r, struct efme_op *op) {
  const uint64_t inner = (uint64_t)1 << 62;
  for (int i = 0; i < EFME_T_COUNT; i++) {
    struct efme_tensor *t = &op->t[i];
    if (t->arena != EFME_ARENA_ACT || !(t->offset & inner)) continue;
    ck_assert_uint_lt((t->offset & ~inner) / 64, EFME_COUNT(r->inner));
    uint64_t *place = &r->inner[(t->offset & ~inner) / 64];
    if (!*place) {
      *place = r->act_end;
      r->act_end += (efme_tensor_bytes(t) + 63) / 64 * 64;
    }
    t->offset = *place;
  }
}

static void twin_open(struct rig *r) {
  const struct efme_plan_list *lists[3] = {&r->plan->prepare, &r->plan->main, &r->plan->update};
  r->act_end = r->plan->size[EFME_ARENA_ACT];
  for (int i = 0; i < 3; i++) {
    r->twin[i].count = lists[i]->count;
    r->twin[i].ops = calloc(lists[i]->count + 1, sizeof(struct efme_op));
    ck_assert_ptr_nonnull(r->twin[i].ops);
    for (size_t k = 0; k < lists[i]->count; k++) {
      r->twin[i].ops[k] = lists[i]->ops[k];
      place_inner(r, &r->twin[i].ops[k]);
      efme_ref_double(&r->twin[i].ops[k]);
    }
  }
  for (int a = 1; a < EFME_ARENA_COUNT; a++) {
    size_t size = 2 * (a == EFME_ARENA_ACT ? r->act_end : r->plan->size[a]) + 64;
    r->base[a] = aligned_alloc(64, (size + 63) / 64 * 64);
    ck_assert_ptr_nonnull(r->base[a]);
    memset(r->base[a], a == EFME_ARENA_ACT ? 0xff : 0, size); /* NaN where nothing was written yet */
  }
  for (uint32_t i = 0; i < r->plan->constant_count; i++)
    rig_put(r, &r->plan->constants[i].tensor, r->plan->constants[i].values, r->plan->constants[i].count);
}

void rig_open(struct rig *r, struct efme_backend *backend, const struct efme_arch *arch, const struct efme_plan_options *options) {
  memset(r, 0, sizeof *r);
  const struct efme_backend *planner = backend ? backend : &rig_reference;
  efme_status status = efme_plan_create(&r->plan, &efme_allocator_libc, planner, arch, options);
  ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
  if (!planner->api->run) {
    twin_open(r);
    return;
  }
  status = efme_exec_create(&r->exec, &efme_allocator_libc, backend, r->plan, 0, NULL);
  ck_assert_msg(status == EFME_OK, "%s", efme_last_error());
}

void rig_close(struct rig *r) {
  efme_exec_free(r->exec);
  for (int a = 1; a < EFME_ARENA_COUNT; a++) free(r->base[a]);
  for (int i = 0; i < 3; i++) free(r->twin[i].ops);
  efme_plan_free(r->plan);
  memset(r, 0, sizeof *r);
}

static const size_t sizes[4] = {4, 1, 4, 8};

void rig_put(struct rig *r, const struct efme_tensor *t, const void *values, size_t count) {
  ck_assert_uint_le(count * sizes[t->dtype], efme_tensor_bytes(t));
  if (r->exec) {
    ck_assert_msg(efme_exec_write(r->exec, t, 0, values, count * sizes[t->dtype]) == EFME_OK, "%s", efme_last_error());
    return;
  }
  char *p = r->base[t->arena] + 2 * t->offset;
  if (t->dtype != EFME_F32) memcpy(p, values, count * sizes[t->dtype]);
  else
    for (size_t i = 0; i < count; i++) ((double *)p)[i] = ((const float *)values)[i];
}

void rig_get(struct rig *r, const struct efme_tensor *t, double *values, size_t count) {
  ck_assert_uint_le(count * sizes[t->dtype], efme_tensor_bytes(t));
  if (!r->exec) {
    const char *p = r->base[t->arena] + 2 * t->offset;
    for (size_t i = 0; i < count; i++) values[i] = t->dtype == EFME_I32 ? ((const int32_t *)p)[i] : ((const double *)p)[i];
    return;
  }
  char *p = malloc(count * sizes[t->dtype] + 8);
  ck_assert_ptr_nonnull(p);
  ck_assert_msg(efme_exec_read(r->exec, t, 0, p, count * sizes[t->dtype]) == EFME_OK, "%s", efme_last_error());
  for (size_t i = 0; i < count; i++)
    values[i] = t->dtype == EFME_F64 ? ((double *)p)[i] : t->dtype == EFME_I32 ? ((int32_t *)p)[i] : ((float *)p)[i];
  free(p);
}

void rig_clear(struct rig *r, const struct efme_tensor *t) {
  if (r->exec) ck_assert_int_eq(efme_exec_clear(r->exec, t->arena, t->offset, efme_tensor_bytes(t)), EFME_OK);
  else memset(r->base[t->arena] + 2 * t->offset, 0, 2 * efme_tensor_bytes(t));
}

void rig_weights(struct rig *r, const float *weights) {
  uint64_t total = r->plan->params.total;
  if (r->exec) {
    ck_assert_msg(efme_exec_write_region(r->exec, EFME_ARENA_WEIGHTS, 0, weights, total * sizeof(float)) == EFME_OK, "%s",
                  efme_last_error());
  } else {
    for (uint64_t i = 0; i < total; i++) ((double *)r->base[EFME_ARENA_WEIGHTS])[i] = weights[i];
  }
  rig_prepare(r);
}

void rig_step(struct rig *r, const struct efme_step *step) {
  if (r->exec) ck_assert_int_eq(efme_exec_set_step(r->exec, step), EFME_OK);
  else memcpy(r->base[EFME_ARENA_STEP], step, sizeof *step);
}

static void run_twin(struct rig *r, int list, uint32_t batch) {
  void *base[EFME_ARENA_COUNT];
  for (int a = 0; a < EFME_ARENA_COUNT; a++) base[a] = r->base[a];
  for (size_t i = 0; i < r->twin[list].count; i++) {
    const struct efme_op *op = &r->twin[list].ops[i];
    efme_status status = efme_ref_run(op, base, batch);
    ck_assert_msg(status == EFME_OK, "op %zu of layer %s: %s", i, r->plan->layers[op->layer], efme_last_error());
  }
}

void rig_prepare(struct rig *r) {
  if (r->exec) ck_assert_msg(efme_exec_prepare(r->exec) == EFME_OK, "%s", efme_last_error());
  else run_twin(r, 0, 1);
}

void rig_main(struct rig *r, uint32_t batch) {
  if (r->exec) ck_assert_msg(efme_exec_main(r->exec, batch) == EFME_OK, "%s", efme_last_error());
  else run_twin(r, 1, batch);
}

void rig_update(struct rig *r) {
  if (r->exec) ck_assert_msg(efme_exec_update(r->exec) == EFME_OK, "%s", efme_last_error());
  else run_twin(r, 2, 1);
}

/* ---- data ---- */

struct efme_arch rig_arch(uint32_t cut, uint32_t top, uint32_t classes, uint32_t height, uint32_t width) {
  struct efme_arch a = {cut, top, classes, height, width, EFME_NORM_STD, EFME_PAD_KERAS, 1e-3f, 0.99f};
  return a;
}

struct efme_arch rig_variant(uint32_t index) {
  static const struct {
    uint32_t cut, top, classes, height, width, padding;
  } all[RIG_VARIANTS] = {{1, 0, 2, 32, 39, EFME_PAD_SYMMETRIC},  {2, 0, 7, 45, 34, EFME_PAD_SYMMETRIC},
                         {3, 0, 4, 33, 40, EFME_PAD_SYMMETRIC},  {4, 0, 3, 44, 37, EFME_PAD_KERAS},
                         {5, 0, 2, 35, 51, EFME_PAD_KERAS},      {6, 0, 5, 38, 33, EFME_PAD_KERAS},
                         {7, 0, 11, 33, 36, EFME_PAD_SYMMETRIC}, {7, 1, 3, 34, 41, EFME_PAD_KERAS}};
  struct efme_arch a = rig_arch(all[index].cut, all[index].top, all[index].classes, all[index].height, all[index].width);
  a.padding = all[index].padding;
  if (index & 1) a.bn_epsilon = 1e-5f;
  return a;
}

float *rig_floats(size_t count) {
  float *p = calloc(count + 1, sizeof *p);
  ck_assert_ptr_nonnull(p);
  return p;
}

double *rig_doubles(size_t count) {
  double *p = calloc(count + 1, sizeof *p);
  ck_assert_ptr_nonnull(p);
  return p;
}

/* About normal: the sum of four uniforms. */
static float draw(uint64_t seed, uint32_t tensor, uint32_t i) {
  uint32_t w[4];
  efme_philox(w, seed, EFME_RNG_SYNTHETIC, 0, tensor, i);
  return (efme_unit_f32(w[0]) + efme_unit_f32(w[1]) + efme_unit_f32(w[2]) + efme_unit_f32(w[3]) - 2.0f) * 1.732f;
}

float *rig_random_weights(const struct efme_arch *arch, uint64_t seed, uint64_t *count) {
  struct efme_params p;
  ck_assert_int_eq(efme_params_create(&p, &efme_allocator_libc, arch), EFME_OK);
  float *w = rig_floats(p.total);
  for (uint32_t k = 0; k < p.count; k++) {
    const struct efme_param *t = &p.items[k];
    float fan = (float)(t->kind == EFME_PARAM_DEPTHWISE ? t->dims[0] * t->dims[1] : t->dims[0] * t->dims[1] * t->dims[2]);
    for (uint32_t i = 0; i < t->count; i++) {
      float z = draw(seed, k, i);
      float v = z * 1.4f / (float)efme_sqrt((double)fan);
      if (t->kind == EFME_PARAM_GAMMA) v = 1.0f + 0.2f * z;
      if (t->kind == EFME_PARAM_BETA || t->kind == EFME_PARAM_BIAS || t->kind == EFME_PARAM_MEAN) v = 0.2f * z;
      if (t->kind == EFME_PARAM_VARIANCE) v = 1.0f + 0.3f * (z > 0 ? z : -z);
      w[t->offset + i] = v;
    }
  }
  if (count) *count = p.total;
  efme_params_free(&p, &efme_allocator_libc);
  return w;
}

float *rig_random_pixels(size_t count, uint64_t seed) {
  float *x = rig_floats(count);
  for (size_t i = 0; i < count; i++) {
    uint32_t w[4];
    efme_philox(w, seed, EFME_RNG_SYNTHETIC, 1, (uint32_t)(i >> 20), (uint32_t)(i & 0xfffff));
    x[i] = 255.0f * efme_unit_f32(w[0]);
  }
  return x;
}

/* ---- the CPU backend ---- */

struct efme_backend *rig_shared;

struct efme_backend *rig_cpu_level(uint32_t threads, uint32_t level) {
  struct efme_backend *b = calloc(1, sizeof *b);
  struct efme_backend_host host;
  char fallback[256] = "";
  ck_assert_ptr_nonnull(b);
  memset(&host, 0, sizeof host);
  host.size = sizeof host, host.abi = EFME_BACKEND_ABI;
  host.threads = threads;
  host.cpu_level = level;
  host.alloc = efme_allocator_libc.alloc, host.free = efme_allocator_libc.free, host.alloc_user = efme_allocator_libc.user;
  ck_assert_msg(efme_backend_open(b, test_backend(), &host, fallback) == EFME_OK, "%s", efme_last_error());
  return b;
}

struct efme_backend *rig_cpu(uint32_t threads) {
  return rig_cpu_level(threads, EFME_CPU_AUTO);
}

void rig_cpu_close(struct efme_backend *backend) {
  efme_backend_close(backend);
  free(backend);
}

static void open_shared(void) { rig_shared = rig_cpu(2); }
static void close_shared(void) { rig_cpu_close(rig_shared); }

void rig_fixture(TCase *t) { tcase_add_unchecked_fixture(t, open_shared, close_shared); }

struct efme_backend *rig_levels[3];
uint32_t rig_level_count;

static void close_levels(void) {
  while (rig_level_count) rig_cpu_close(rig_levels[--rig_level_count]);
}

/* A level that the CPU lacks is lowered to one that stands already. */
static void open_levels(void) {
  for (uint32_t level = EFME_CPU_BASELINE; level <= EFME_CPU_AVX512; level++) {
    struct efme_backend *b = rig_cpu_level(2, level);
    if (b->api->level(b->be) == level) rig_levels[rig_level_count++] = b;
    else rig_cpu_close(b);
  }
  ck_assert_uint_gt(rig_level_count, 0);
}

void rig_levels_fixture(TCase *t) { tcase_add_unchecked_fixture(t, open_levels, close_levels); }

const char *rig_level_name(uint32_t index) {
  static const char *const names[] = {"?", "baseline", "avx2", "avx512"};
  uint32_t level = rig_levels[index]->api->level(rig_levels[index]->be);
  return level < EFME_COUNT(names) ? names[level] : names[0];
}
