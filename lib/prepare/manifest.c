/* manifest.csv: what datasets are opened from. */
#include "prepare/prepare.h"

static void frame(struct efme_text *t, int32_t number) {
  if (number >= 0) efme_text_printf(t, "%d", (int)number);
  efme_text_add(t, ",");
}

efme_status efme_prepare_manifest(const struct efme_preparation *p) {
  const efme_dataset *set = p->dataset;
  struct efme_text t;
  efme_text_init(&t, p->allocator);
  efme_text_add(&t, "path,label,subject,dataset,clip,split,onset,apex,offset,native_label,source,warning\n");
  for (uint64_t i = 0; i < set->count; i++) {
    const struct efme_decision *d = &p->decisions[i];
    const struct efme_record *r = efme_item_record(set, i);
    if (!d->face) continue;
    const char *before[] = {d->face, efme_prepare_label(p, i), r->subject, r->dataset, r->clip, r->split};
    for (size_t k = 0; k < EFME_COUNT(before); k++) efme_text_csv(&t, before[k]), efme_text_add(&t, ",");
    frame(&t, r->onset), frame(&t, r->apex), frame(&t, r->offset);
    efme_text_csv(&t, r->native), efme_text_add(&t, ",");
    efme_text_csv(&t, r->path), efme_text_add(&t, ",");
    efme_text_csv(&t, d->warning ? d->warning : ""), efme_text_add(&t, "\n");
  }
  return efme_prepare_put(p, "manifest.csv", &t);
}
