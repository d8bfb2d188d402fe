/* The reference: every op kind of backend.h's table in its plainest form, scalar, one file an op family.
 *
 * It is the judge of the fast kernels, never used by a context. All arithmetic is double; a value is rounded once, when it is
 * stored. Wherever a role may be EFME_F32 it may also be EFME_F64 here (and nowhere else), so that a whole plan can be re-typed and run in
 * double precision: efme_ref_double() does that to a descriptor. PACK and the packed role P of MATMUL and CONV belong to one
 * backend's own layout and are refused; GROUP is nothing by itself, its children follow it. */
#ifndef EFME_CPU_REF_H
#define EFME_CPU_REF_H

#include "backend/backend.h"

/* Runs one op for `batch` images. base[] are plain host pointers, one a region, 64-byte aligned; regions not used may be NULL.
 * Errors: ARGUMENT for an op that breaks the table (roles, types, shapes), UNSUPPORTED for PACK and packed weights. */
efme_status efme_ref_run(const struct efme_op *op, void *const base[EFME_ARENA_COUNT], uint32_t batch);
/* Runs a list in order; a GROUP is its children. */
efme_status efme_ref_run_list(const struct efme_op *ops, size_t count, void *const base[EFME_ARENA_COUNT], uint32_t batch);

/* Makes the double-precision twin of an op: F32 tensors become F64 and every offset doubles, so a set of regions of twice the size, laid
 * out alike, holds the twin's tensors. The step block and u8, i32 tensors keep their types (and move with the rest). */
void efme_ref_double(struct efme_op *op);

/* The same as a backend table (backend.c), F32 or F64 plans alike. */
extern const struct efme_backend_api efme_ref_backend;

/* "MATMUL", "DX" and so on, "?" for other numbers. */
const char *efme_ref_kind_name(int kind);
const char *efme_ref_role_name(int role);
/* Bit r set: role r must be there / may be there. Both zero for a kind that is not of the table. */
void efme_ref_roles(int kind, uint32_t flags, uint32_t *required, uint32_t *optional);
/* Elements of a tensor in a run of `batch` images, and bytes of one element. */
size_t efme_ref_count(const struct efme_tensor *t, uint32_t batch);
size_t efme_ref_element(int dtype);

/* ---- what the op files share ---- */
struct efme_ref_view {
  void *p; /* NULL: the role is absent */
  int dtype;
  int64_t n, h, w, c, count;
};
struct efme_ref_args {
  const struct efme_op *op;
  struct efme_ref_view t[EFME_T_COUNT];
  const struct efme_step *step;
  int64_t batch;
};

static inline double efme_ref_get(const struct efme_ref_view *v, int64_t i) {
  switch (v->dtype) {
  case EFME_F32:
    return ((const float *)v->p)[i];
  case EFME_F64:
    return ((const double *)v->p)[i];
  case EFME_I32:
    return ((const int32_t *)v->p)[i];
  default:
    return ((const uint8_t *)v->p)[i];
  }
}
/* Outputs are floating point; efme_ref_run has checked it. */
static inline void efme_ref_set(const struct efme_ref_view *v, int64_t i, double x) {
  if (v->dtype == EFME_F64) ((double *)v->p)[i] = x;
  else ((float *)v->p)[i] = (float)x;
}
static inline void efme_ref_add(const struct efme_ref_view *v, int64_t i, double x) { efme_ref_set(v, i, efme_ref_get(v, i) + x); }
/* An absent role counts as `absent`. */
static inline double efme_ref_get_or(const struct efme_ref_view *v, int64_t i, double absent) { return v->p ? efme_ref_get(v, i) : absent; }

/* act(x) and its derivative at x (act.c). */
double efme_ref_act(int act, double x);
/* The same where PRELU is allowed: channel c of CONV or MATMUL. */
double efme_ref_act_of(const struct efme_ref_args *a, int64_t c, double x);
double efme_ref_act_slope(int act, double x);
/* Drop-connect's factor of image n: 1 without the flag (bn.c). */
double efme_ref_keep(const struct efme_ref_args *a, int64_t n);

/* Shape checks: a role that is absent passes. They set the error text. */
efme_status efme_ref_need_count(const struct efme_ref_args *a, int role, int64_t count);
efme_status efme_ref_need_shape(const struct efme_ref_args *a, int role, int64_t n, int64_t h, int64_t w, int64_t c);
efme_status efme_ref_need_like(const struct efme_ref_args *a, int role, int like);
efme_status efme_ref_bad(const struct efme_ref_args *a, const char *what);

typedef efme_status (*efme_ref_fn)(const struct efme_ref_args *a);
efme_status efme_ref_fill(const struct efme_ref_args *a);
efme_status efme_ref_sum(const struct efme_ref_args *a);
efme_status efme_ref_input(const struct efme_ref_args *a);
efme_status efme_ref_conv(const struct efme_ref_args *a);
efme_status efme_ref_conv_dw(const struct efme_ref_args *a);
efme_status efme_ref_matmul(const struct efme_ref_args *a);
efme_status efme_ref_matmul_dw(const struct efme_ref_args *a);
efme_status efme_ref_dwconv(const struct efme_ref_args *a);
efme_status efme_ref_dwconv_dx(const struct efme_ref_args *a);
efme_status efme_ref_dwconv_dw(const struct efme_ref_args *a);
efme_status efme_ref_bn_stat(const struct efme_ref_args *a);
efme_status efme_ref_bn_act(const struct efme_ref_args *a);
efme_status efme_ref_bn_reduce(const struct efme_ref_args *a);
efme_status efme_ref_bn_dx(const struct efme_ref_args *a);
efme_status efme_ref_gate_dx(const struct efme_ref_args *a);
efme_status efme_ref_activation(const struct efme_ref_args *a);
efme_status efme_ref_activation_dx(const struct efme_ref_args *a);
efme_status efme_ref_pool(const struct efme_ref_args *a);
efme_status efme_ref_pool_dx(const struct efme_ref_args *a);
efme_status efme_ref_maxpool(const struct efme_ref_args *a);
efme_status efme_ref_crop(const struct efme_ref_args *a);
efme_status efme_ref_dropout(const struct efme_ref_args *a);
efme_status efme_ref_softmax(const struct efme_ref_args *a);
efme_status efme_ref_loss(const struct efme_ref_args *a);
efme_status efme_ref_penalty(const struct efme_ref_args *a);
efme_status efme_ref_optimizer(const struct efme_ref_args *a);
efme_status efme_ref_ema(const struct efme_ref_args *a);
efme_status efme_ref_fold(const struct efme_ref_args *a);

#endif
