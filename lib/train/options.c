/* Checks of what a recipe says, and its two written forms: lines that checkpoints compare one by one, and JSON for reports.
 * One table names every field, so that no form can forget one. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "train/recipe.h"

enum field_type { FIELD_U32, FIELD_U64, FIELD_F32, FIELD_F64 };

struct field {
  const char *name;
  size_t offset;
  enum field_type type;
  double low, high;  /* allowed range */
  unsigned open;     /* OPEN_LOW, OPEN_HIGH: the limit itself is not allowed */
  const char *range; /* as the message spells it */
};

enum { OPEN_LOW = 1, OPEN_HIGH = 2 };
#define ANY -HUGE_VAL, HUGE_VAL, 0, "any number"

#define TRAIN(member) #member, offsetof(efme_train_options, member)
static const struct field train_fields[] = {
    {TRAIN(seed), FIELD_U64, ANY},
    {TRAIN(batch), FIELD_U32, 1, 4096, 0, "1..4096"},
    {TRAIN(bn_mode), FIELD_U32, 0, 1, 0, "an efme_bn_mode"},
    {TRAIN(gamma), FIELD_F32, 0, HUGE_VAL, OPEN_HIGH, ">= 0"},
    {TRAIN(label_smoothing), FIELD_F32, 0, 1, OPEN_HIGH, "[0, 1)"},
    {TRAIN(penalty_in_validation), FIELD_U32, 0, 1, 0, "0 or 1"},
    {TRAIN(l1), FIELD_F32, 0, HUGE_VAL, OPEN_HIGH, ">= 0"},
    {TRAIN(l2), FIELD_F32, 0, HUGE_VAL, OPEN_HIGH, ">= 0"},
    {TRAIN(dropout), FIELD_F32, 0, 1, OPEN_HIGH, "[0, 1)"},
    {TRAIN(drop_connect), FIELD_F32, 0, 1, OPEN_HIGH, "[0, 1)"},
    {TRAIN(flip), FIELD_F32, 0, 1, 0, "[0, 1]"},
    {TRAIN(photometric), FIELD_F32, 0, 1, 0, "[0, 1]"},
    {TRAIN(brightness), FIELD_F32, 0, 1, 0, "[0, 1]"},
    {TRAIN(contrast), FIELD_F32, 0, 1, 0, "[0, 1]"},
    {TRAIN(rotation), FIELD_F32, 0, 180, 0, "0..180 degrees"},
    {TRAIN(scale), FIELD_F32, 0, 1, OPEN_HIGH, "[0, 1)"},
    {TRAIN(shift), FIELD_F32, 0, 1, 0, "[0, 1]"},
    {TRAIN(ema_decay), FIELD_F32, 0, 1, OPEN_HIGH, "[0, 1)"},
    {TRAIN(feature_variants), FIELD_U32, 0, 4096, 0, "0..4096"},
};

#define OPTIMIZER(member) #member, offsetof(efme_optimizer_options, member)
static const struct field optimizer_fields[] = {
    {OPTIMIZER(kind), FIELD_U32, 0, EFME_RMSPROP, 0, "an efme_optimizer_kind"},
    {OPTIMIZER(schedule), FIELD_U32, 0, EFME_SCHEDULE_COSINE, 0, "an efme_schedule"},
    {OPTIMIZER(learning_rate), FIELD_F64, 0, HUGE_VAL, OPEN_LOW | OPEN_HIGH, "> 0"},
    {OPTIMIZER(beta1), FIELD_F64, 0, 1, OPEN_HIGH, "[0, 1)"},
    {OPTIMIZER(beta2), FIELD_F64, 0, 1, OPEN_HIGH, "[0, 1)"},
    {OPTIMIZER(epsilon), FIELD_F64, 0, HUGE_VAL, OPEN_LOW | OPEN_HIGH, "> 0"},
    {OPTIMIZER(momentum), FIELD_F64, 0, 1, OPEN_HIGH, "[0, 1)"},
    {OPTIMIZER(rho), FIELD_F64, 0, 1, OPEN_HIGH, "[0, 1)"},
    {OPTIMIZER(weight_decay), FIELD_F64, 0, HUGE_VAL, OPEN_HIGH, ">= 0"},
    {OPTIMIZER(decay), FIELD_F64, 0, HUGE_VAL, OPEN_HIGH, ">= 0"},
    {OPTIMIZER(final_ratio), FIELD_F64, 0, 1, 0, "[0, 1]"},
    {OPTIMIZER(warmup_steps), FIELD_U64, ANY},
};

static const char *const kind_names[] = {"adam", "adamw", "sgd", "rmsprop"};
static const char *const schedule_names[] = {"constant", "time", "cosine"};
const char *efme_optimizer_kind_name(uint32_t kind) { return kind < EFME_COUNT(kind_names) ? kind_names[kind] : "?"; }
const char *efme_schedule_name(uint32_t schedule) { return schedule < EFME_COUNT(schedule_names) ? schedule_names[schedule] : "?"; }

/* A 64-bit number may lose its last bits here: only ranges are asked of it. */
static double field_value(const struct field *f, const void *base) {
  const char *at = (const char *)base + f->offset;
  uint32_t u32;
  uint64_t u64;
  float f32;
  double f64;
  switch (f->type) {
  case FIELD_U32:
    memcpy(&u32, at, sizeof u32);
    return u32;
  case FIELD_U64:
    memcpy(&u64, at, sizeof u64);
    return (double)u64;
  case FIELD_F32:
    memcpy(&f32, at, sizeof f32);
    return f32;
  default:
    memcpy(&f64, at, sizeof f64);
    return f64;
  }
}

static efme_status check_fields(const struct field *fields, size_t count, const void *base, const char *what) {
  for (size_t i = 0; i < count; i++) {
    const struct field *f = &fields[i];
    double v = field_value(f, base);
    int low = f->open & OPEN_LOW ? v > f->low : v >= f->low, high = f->open & OPEN_HIGH ? v < f->high : v <= f->high;
    if (low && high) continue; /* NaN fails both */
    char text[40];
    efme_format_double(text, sizeof text, v, 9);
    return efme_fail(EFME_E_ARGUMENT, "%s.%s is %s, must be %s", what, f->name, text, f->range);
  }
  return EFME_OK;
}

efme_status efme_optimizer_options_check(const efme_optimizer_options *o) {
  return check_fields(optimizer_fields, EFME_COUNT(optimizer_fields), o, "efme_optimizer_options");
}

static efme_status check_collectives(const efme_collectives *c) {
  if (c->ranks < 1 || c->rank >= c->ranks) return efme_fail(EFME_E_ARGUMENT, "efme_collectives.rank is %u of %u ranks", c->rank, c->ranks);
  if (c->ranks > 1 && (!c->allreduce || !c->broadcast || !c->barrier))
    return efme_fail(EFME_E_ARGUMENT, "efme_collectives: allreduce, broadcast or barrier is NULL");
  return EFME_OK;
}

efme_status efme_train_options_check(const efme_train_options *o) {
  efme_status status = check_fields(train_fields, EFME_COUNT(train_fields), o, "efme_train_options");
  if (status) return status;
  if (o->alpha && (o->alpha_count < 2 || o->alpha_count > EFME_MAX_CLASSES))
    return efme_fail(EFME_E_ARGUMENT, "efme_train_options.alpha_count is %u, must be 2..%d", o->alpha_count, EFME_MAX_CLASSES);
  for (uint32_t i = 0; o->alpha && i < o->alpha_count; i++)
    if (!(o->alpha[i] >= 0.0f && o->alpha[i] < HUGE_VALF))
      return efme_fail(EFME_E_ARGUMENT, "efme_train_options.alpha[%u] must be >= 0 and finite", i);
  return o->collectives ? check_collectives(o->collectives) : EFME_OK;
}

efme_status efme_phase_check(const efme_phase *phase) {
  if (phase->scope > EFME_SCOPE_HEAD) return efme_fail(EFME_E_ARGUMENT, "efme_phase.scope is %u, must be an efme_scope", phase->scope);
  if (phase->epochs < 1 || phase->epochs > 1000000)
    return efme_fail(EFME_E_ARGUMENT, "efme_phase.epochs is %u, must be 1..1000000", phase->epochs);
  if (phase->restore_best > 1) return efme_fail(EFME_E_ARGUMENT, "efme_phase.restore_best is %u, must be 0 or 1", phase->restore_best);
  if (!phase->optimizer) return efme_fail(EFME_E_ARGUMENT, "efme_phase.optimizer is NULL");
  return EFME_OK;
}

/* ---- written forms ---- */

/* The fewest digits that give the same number back. */
static void add_float(struct efme_text *text, double v, int single) {
  char buffer[40];
  for (int digits = 1; digits <= 17; digits++) {
    size_t n = efme_format_double(buffer, sizeof buffer, v, digits);
    double back;
    if (efme_parse_double(buffer, n, &back) && (single ? (float)back == (float)v : back == v)) break;
  }
  efme_text_add(text, buffer);
}

static void add_field(struct efme_text *text, const struct field *f, const void *base) {
  if (f->type == FIELD_U64) {
    uint64_t u64;
    memcpy(&u64, (const char *)base + f->offset, sizeof u64);
    efme_text_printf(text, "%llu", (unsigned long long)u64);
  } else {
    add_float(text, field_value(f, base), f->type == FIELD_F32);
  }
}

static void lines(struct efme_text *text, const char *prefix, const struct field *fields, size_t count, const void *base) {
  for (size_t i = 0; i < count; i++) {
    efme_text_printf(text, "%s%s ", prefix, fields[i].name);
    add_field(text, &fields[i], base);
    efme_text_add(text, "\n");
  }
}

void efme_train_options_lines(struct efme_text *text, const char *prefix, const efme_train_options *o) {
  char name[64];
  snprintf(name, sizeof name, "%soption ", prefix);
  lines(text, name, train_fields, EFME_COUNT(train_fields), o);
  efme_text_printf(text, "%salpha", name);
  for (uint32_t i = 0; o->alpha && i < o->alpha_count; i++) {
    efme_text_add(text, " ");
    add_float(text, o->alpha[i], 1);
  }
  efme_text_printf(text, "%s\n%srank %u of %u\n", o->alpha ? "" : " none", name, o->collectives ? o->collectives->rank : 0,
                   o->collectives ? o->collectives->ranks : 1);
}

void efme_optimizer_options_lines(struct efme_text *text, const char *prefix, const efme_optimizer_options *o) {
  lines(text, prefix, optimizer_fields, EFME_COUNT(optimizer_fields), o);
}

void efme_train_options_json(struct efme_text *text, const efme_train_options *o, const char *indent) {
  for (size_t i = 0; i < EFME_COUNT(train_fields); i++) {
    const struct field *f = &train_fields[i];
    efme_text_printf(text, "%s\"%s\": ", indent, f->name);
    if (f->offset == offsetof(efme_train_options, bn_mode)) efme_text_add(text, o->bn_mode == EFME_BN_FIXED ? "\"fixed\"" : "\"update\"");
    else add_field(text, f, o);
    efme_text_add(text, ",\n");
  }
  efme_text_printf(text, "%s\"alpha\": %s", indent, o->alpha ? "[" : "null");
  for (uint32_t i = 0; o->alpha && i < o->alpha_count; i++) {
    efme_text_add(text, i ? ", " : "");
    add_float(text, o->alpha[i], 1);
  }
  efme_text_printf(text, "%s,\n%s\"ranks\": %u", o->alpha ? "]" : "", indent, o->collectives ? o->collectives->ranks : 1);
}

void efme_optimizer_options_json(struct efme_text *text, const efme_optimizer_options *o) {
  for (size_t i = 0; i < EFME_COUNT(optimizer_fields); i++) {
    const struct field *f = &optimizer_fields[i];
    efme_text_printf(text, "%s\"%s\": ", i ? ", " : "", f->name);
    if (f->offset == offsetof(efme_optimizer_options, kind)) efme_text_printf(text, "\"%s\"", efme_optimizer_kind_name(o->kind));
    else if (f->offset == offsetof(efme_optimizer_options, schedule)) efme_text_printf(text, "\"%s\"", efme_schedule_name(o->schedule));
    else if (f->offset == offsetof(efme_optimizer_options, warmup_steps) && o->warmup_steps == EFME_WARMUP_EPOCH)
      efme_text_add(text, "\"epoch\"");
    else add_field(text, f, o);
  }
}
