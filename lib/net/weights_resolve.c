/* What a load makes: the file's network, changed as the options ask, or the reason why that cannot be. */
#include <string.h>

#include "net/weights.h"

static efme_status resolve_cut(struct efme_load_target *t, const efme_load_options *o, const struct efme_arch *from, const char *what) {
  if (o->cut == 0) return EFME_OK;
  if (o->cut > 7) return efme_fail(EFME_E_ARGUMENT, "cut is %u, must be 0..7", o->cut);
  if (o->cut > from->cut)
    return efme_fail(EFME_E_MISMATCH, "%s: its trunk ends after stage %u, cut %u is asked for", what, from->cut, o->cut);
  if (o->cut == from->cut && !from->top) return EFME_OK;
  t->arch.cut = o->cut;
  t->arch.top = 0;
  if (!t->reset)
    return efme_fail(EFME_E_ARGUMENT, "%s: cut %u leaves the head without its inputs: head must be EFME_HEAD_RESET", what, o->cut);
  return EFME_OK;
}

static efme_status resolve_classes(struct efme_load_target *t, const efme_load_options *o, const struct efme_arch *from,
                                   const char *const *from_names, const char *what) {
  if (!t->reset && from->classes == 0) return efme_fail(EFME_E_MISMATCH, "%s: has no head: head must be EFME_HEAD_RESET", what);
  if (!o->class_names) {
    if (o->class_count) return efme_fail(EFME_E_ARGUMENT, "class_count is %u, but class_names is NULL", o->class_count);
    if (!from_names) return efme_fail(EFME_E_ARGUMENT, "%s: says nothing about classes: class_names are needed", what);
    t->class_names = from_names;
    return EFME_OK;
  }
  t->class_names = o->class_names;
  t->arch.classes = o->class_count;
  if (t->reset) return EFME_OK;
  if (o->class_count != from->classes)
    return efme_fail(EFME_E_MISMATCH, "%s: its head has %u classes, %u are asked for; EFME_HEAD_RESET makes a new head", what,
                     from->classes, o->class_count);
  for (uint32_t i = 0; from_names && i < o->class_count; i++) {
    if (!o->class_names[i]) return efme_fail(EFME_E_ARGUMENT, "class_names[%u] is NULL", i);
    if (strcmp(o->class_names[i], from_names[i]) != 0)
      return efme_fail(EFME_E_MISMATCH, "%s: class %u is \"%.64s\", \"%.64s\" is asked for; EFME_HEAD_RESET makes a new head", what, i,
                       from_names[i], o->class_names[i]);
  }
  return EFME_OK;
}

efme_status efme_load_resolve(struct efme_load_target *out, const efme_load_options *o, const struct efme_arch *from,
                              const char *const *from_names, const char *what) {
  struct efme_load_target t = {*from, NULL, o->head == EFME_HEAD_RESET};
  if (o->head > EFME_HEAD_RESET) return efme_fail(EFME_E_ARGUMENT, "head is %u, not an efme_head_mode", o->head);
  if (o->ignore_checksum > 1) return efme_fail(EFME_E_ARGUMENT, "ignore_checksum is %u, must be 0 or 1", o->ignore_checksum);
  if (o->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_load_options.reserved is %u, must be 0", o->reserved);
  if (o->normalisation < -1 || o->normalisation > EFME_NORM_UNIT)
    return efme_fail(EFME_E_ARGUMENT, "normalisation is %d, not known", o->normalisation);
  if (o->padding < -1 || o->padding > EFME_PAD_SYMMETRIC) return efme_fail(EFME_E_ARGUMENT, "padding is %d, not known", o->padding);
  efme_status status = resolve_cut(&t, o, from, what);
  if (!status) status = resolve_classes(&t, o, from, from_names, what);
  if (status) return status;
  if (o->height) t.arch.height = o->height;
  if (o->width) t.arch.width = o->width;
  if (o->normalisation >= 0) t.arch.normalisation = (uint32_t)o->normalisation;
  if (o->padding >= 0) t.arch.padding = (uint32_t)o->padding;
  if (o->bn_epsilon != 0) t.arch.bn_epsilon = o->bn_epsilon;
  *out = t;
  return EFME_OK;
}

efme_status efme_load_note(struct efme_model *model, const struct efme_load_target *target, const struct efme_arch *from) {
  const struct efme_arch *to = &target->arch;
  struct efme_text t;
  efme_text_init(&t, efme_model_allocator(model));
  if (target->reset) efme_text_add(&t, " head=reset");
  if (to->cut != from->cut || to->top != from->top)
    efme_text_printf(&t, " cut=%u of %u%s", to->cut, from->cut, from->top ? " with top" : "");
  if (to->height != from->height || to->width != from->width)
    efme_text_printf(&t, " input=%ux%u of %ux%u", to->height, to->width, from->height, from->width);
  if (target->reset && to->classes != from->classes) efme_text_printf(&t, " classes=%u of %u", to->classes, from->classes);
  if (to->normalisation != from->normalisation) efme_text_printf(&t, " normalisation=%u of %u", to->normalisation, from->normalisation);
  if (to->padding != from->padding) efme_text_printf(&t, " padding=%u of %u", to->padding, from->padding);
  if (to->bn_epsilon != from->bn_epsilon) efme_text_add(&t, " bn_epsilon changed");
  if (!t.size && !t.failed) return EFME_OK;
  char *text;
  efme_status status = efme_text_take(&t, &text, NULL);
  if (status) return status;
  status = efme_model_put_metadata(model, "load", text + 1);
  efme_mem_free(efme_model_allocator(model), text);
  return status;
}
