/* faces.html: every face by dataset and subject, for a person to see at once what went wrong. */
#include <string.h>

#include "prepare/prepare.h"

static void escaped(struct efme_text *t, const char *s) {
  for (; *s; s++) switch (*s) {
    case '&':
      efme_text_add(t, "&amp;");
      break;
    case '<':
      efme_text_add(t, "&lt;");
      break;
    case '>':
      efme_text_add(t, "&gt;");
      break;
    case '"':
      efme_text_add(t, "&quot;");
      break;
    default:
      efme_text_add_n(t, s, 1);
    }
}

static void figure(struct efme_text *t, const struct efme_preparation *p, uint64_t i) {
  const struct efme_decision *d = &p->decisions[i];
  const struct efme_record *r = efme_item_record(p->dataset, i);
  const char *note = d->error ? d->error : d->warning;
  efme_text_printf(t, "<figure%s>", d->error ? " class=\"error\"" : note ? " class=\"warning\"" : "");
  if (d->face) {
    efme_text_add(t, "<img loading=\"lazy\" src=\"");
    escaped(t, d->face);
    efme_text_add(t, "\" alt=\"\">");
  }
  efme_text_add(t, "<figcaption>");
  escaped(t, r->clip);
  efme_text_add(t, "<br>");
  escaped(t, efme_prepare_label(p, i));
  if (r->apex >= 0) efme_text_printf(t, ", frame %d", (int)r->apex);
  if (note) efme_text_add(t, "<br><b>"), escaped(t, note), efme_text_add(t, "</b>");
  efme_text_add(t, "</figcaption></figure>\n");
}

/* The samples of one subject, in their order. */
static void subject(struct efme_text *t, const struct efme_preparation *p, const char *name) {
  efme_text_add(t, "<h2>");
  escaped(t, *name ? name : "without subject");
  efme_text_add(t, "</h2>\n<div>\n");
  for (uint64_t i = 0; i < p->dataset->count; i++)
    if (!strcmp(efme_item_record(p->dataset, i)->subject, name)) figure(t, p, i);
  efme_text_add(t, "</div>\n");
}

efme_status efme_prepare_sheet(const struct efme_preparation *p) {
  const efme_dataset *set = p->dataset;
  uint64_t left_out = 0, warned = 0, without = 0;
  struct efme_text t;
  efme_text_init(&t, p->allocator);
  for (uint64_t i = 0; i < set->count; i++) {
    left_out += p->decisions[i].error != NULL, warned += p->decisions[i].warning != NULL;
    without += !*efme_item_record(set, i)->subject;
  }
  efme_text_add(
      &t, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Prepared faces</title>\n<style>\n"
          "body { font: 12px sans-serif; margin: 1em } h2 { font-size: 13px; margin: 1em 0 .2em }\n"
          "div { display: flex; flex-wrap: wrap; gap: 4px } figure { margin: 0; padding: 2px; width: 100px; border: 2px solid #ddd }\n"
          "img { width: 100px } .warning { border-color: #e90 } .error { border-color: #c00 } figcaption { overflow-wrap: anywhere }\n"
          "</style>\n<p>");
  efme_text_printf(&t, "%llu samples, %llu left out, %llu with a warning. ", (unsigned long long)set->count, (unsigned long long)left_out,
                   (unsigned long long)warned);
  escaped(&t, p->settings);
  efme_text_add(&t, "</p>\n");
  for (uint32_t k = 0; k < set->subject_count; k++) subject(&t, p, set->subjects[k]);
  if (without) subject(&t, p, "");
  efme_text_add(&t, "</html>\n");
  return efme_prepare_put(p, "faces.html", &t);
}
