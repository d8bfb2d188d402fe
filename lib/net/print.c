/* A plan as text: ops in order with their shapes, then what lies in memory when. */
#include <inttypes.h>
#include <string.h>

#include "net/plan.h"

static const char *const op_names[EFME_OP_COUNT] = {
    "none",      "FILL",    "ADD",    "INPUT",     "CONV",      "CONV_DW", "MATMUL", "MATMUL_DW", "DWCONV", "DWCONV_DX",
    "DWCONV_DW", "BN_STAT", "BN_ACT", "BN_REDUCE", "BN_DX",     "GATE_DX", "ACT",    "ACT_DX",    "POOL",   "POOL_DX",
    "MAXPOOL",   "CROP",    "DROPOUT",   "SOFTMAX", "LOSS",   "PENALTY",   "OPTIMIZER", "EMA",     "FOLD",   "PACK",      "GROUP"};
static const char *const role_names[EFME_T_COUNT] = {"x",     "y",    "w",     "packed", "bias", "res",  "gate", "scale",
                                                     "shift", "stat", "gamma", "beta",   "mean", "var",  "dy",   "dx",
                                                     "dw",    "db",   "pool",  "sums",   "id",   "step", "ws",   "box"};
static const char *const arena_names[EFME_ARENA_COUNT] = {"-", "weights", "packed", "grads", "opt", "act", "io", "step"};
static const char *const act_names[] = {"", " swish", " sigmoid", " prelu"};

const char *efme_op_name(uint32_t kind) { return kind < EFME_OP_COUNT ? op_names[kind] : "unknown"; }

static void print_op(struct efme_text *t, const struct efme_plan *p, size_t index, const struct efme_op *op) {
  efme_text_printf(t, "%4zu %-10s %-26s%s", index, efme_op_name(op->kind), op->layer < p->layer_count ? p->layers[op->layer] : "?",
                   act_names[op->act < EFME_COUNT(act_names) ? op->act : 0]);
  if (op->kind == EFME_OP_GROUP) efme_text_printf(t, " of %u", (unsigned)op->n_children);
  if (op->kh) efme_text_printf(t, " k%d s%d", (int)op->kh, (int)op->stride);
  for (int r = 0; r < EFME_T_COUNT; r++) {
    const struct efme_tensor *x = &op->t[r];
    if (x->arena == EFME_ARENA_NONE) continue;
    efme_text_printf(t, " %s=%s[%s%d,%d,%d,%d]", role_names[r], x->arena < EFME_ARENA_COUNT ? arena_names[x->arena] : "?",
                     x->flags & EFME_TENSOR_BATCHED ? "b" : "", (int)x->n, (int)x->h, (int)x->w, (int)x->c);
  }
  efme_text_add(t, "\n");
}

static void print_list(struct efme_text *t, const struct efme_plan *p, const char *name, const struct efme_plan_list *list) {
  efme_text_printf(t, "%s: %zu ops\n", name, list->count);
  for (size_t i = 0; i < list->count; i++) print_op(t, p, i, &list->ops[i]);
}

efme_status efme_plan_print(const struct efme_plan *p, char **text) {
  static const char *const modes[] = {"", "features", "infer", "evaluate", "train"};
  struct efme_text t;
  efme_text_init(&t, p->allocator);
  efme_text_printf(&t, "plan: %s%s%s, cut %u%s, %u x %u, %u classes, batch up to %u, hash %016" PRIx64 "\n", modes[p->options.mode & 7],
                   p->options.scope == EFME_SCOPE_HEAD ? " head" : "", p->options.from_features ? " from features" : "",
                   (unsigned)p->arch.cut, p->arch.top ? " with top" : "", (unsigned)p->arch.height, (unsigned)p->arch.width,
                   (unsigned)p->arch.classes, (unsigned)p->options.max_batch, efme_plan_hash(p));
  print_list(&t, p, "prepare", &p->prepare);
  print_list(&t, p, "main", &p->main);
  print_list(&t, p, "update", &p->update);
  efme_text_printf(&t, "buffers: list, first..last op, offset, bytes, name\n");
  for (uint32_t i = 0; i < p->buffer_count; i++) {
    const struct efme_plan_buffer *b = &p->buffers[i];
    efme_text_printf(&t, "  %s %4u..%-4u %12" PRIu64 " %12" PRIu64 "  %s\n", b->list ? "main   " : "prepare", (unsigned)b->first,
                     (unsigned)b->last, b->offset, b->size, b->name);
  }
  for (uint32_t i = 0; i < p->tap_count; i++)
    efme_text_printf(&t, "tap %s: [b%d,%d,%d,%d]\n", p->taps[i].name, (int)p->taps[i].tensor.n, (int)p->taps[i].tensor.h,
                     (int)p->taps[i].tensor.w, (int)p->taps[i].tensor.c);
  uint64_t total = 0;
  for (int a = 1; a < EFME_ARENA_COUNT; a++) {
    efme_text_printf(&t, "%-8s %12" PRIu64 " bytes\n", arena_names[a], p->size[a]);
    total += p->size[a];
  }
  efme_text_printf(&t, "total    %12" PRIu64 " bytes; %u ops fused into groups of the backend's\n", total, (unsigned)p->group_count);
  return efme_text_take(&t, text, NULL);
}
