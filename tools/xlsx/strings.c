/* Shared strings: `<si>` with one `<t>`, or several in runs; what stands in `<rPh>` tells how to pronounce it and is no part of the text.
 */
#include <string.h>

#include "inside.h"

struct strings {
  int in_item, in_text, in_phonetic;
};

static void stop_memory(struct xlsx_part *p) { xlsx_stop(p, xlsx_no_memory(p->book)); }

static void add_text(struct xlsx_part *p, const char *text, size_t n) {
  struct xlsx *b = p->book;
  void *items = b->text;
  if (b->text_size + n - b->strings[b->string_count - 1] > b->limits.cell) {
    xlsx_stop(p, xlsx_fail(b, XLSX_LIMIT, p->name, "string %zu: longer than %u bytes", b->string_count, b->limits.cell));
    return;
  }
  int grown = xlsx_grow(&items, &b->text_capacity, b->text_size + n + 1, 1);
  b->text = items;
  if (!grown) {
    stop_memory(p);
    return;
  }
  memcpy(b->text + b->text_size, text, n);
  b->text_size += n;
  b->text[b->text_size] = '\0';
}

static void start(struct xlsx_part *p, const char *element, const char **attributes) {
  struct strings *s = p->user;
  struct xlsx *b = p->book;
  (void)attributes;
  if (!strcmp(element, "rPh")) s->in_phonetic = 1;
  else if (!strcmp(element, "t")) s->in_text = s->in_item && !s->in_phonetic;
  else if (!strcmp(element, "si") && !s->in_item) {
    void *items = b->strings;
    int grown = xlsx_grow(&items, &b->string_capacity, b->string_count + 1, sizeof *b->strings);
    b->strings = items;
    if (!grown) {
      stop_memory(p);
      return;
    }
    s->in_item = 1;
    b->strings[b->string_count++] = b->text_size;
    add_text(p, "", 0);
  }
}

static void end(struct xlsx_part *p, const char *element) {
  struct strings *s = p->user;
  if (!strcmp(element, "rPh")) s->in_phonetic = 0;
  else if (!strcmp(element, "t")) s->in_text = 0;
  else if (!strcmp(element, "si")) s->in_item = 0, p->book->text_size += p->book->string_count > 0; /* keeps the NUL */
}

static void text(struct xlsx_part *p, const char *text, size_t n) {
  struct strings *s = p->user;
  if (s->in_text) add_text(p, text, n);
}

enum xlsx_status xlsx_read_strings(struct xlsx *b) {
  struct strings s = {0};
  struct xlsx_part p = {.book = b, .name = b->strings_part, .start = start, .end = end, .text = text, .user = &s};
  if (b->strings_read || !b->strings_part) return XLSX_OK;
  b->string_count = b->text_size = 0;
  enum xlsx_status status = xlsx_parse(&p);
  b->strings_read = !status;
  return status;
}
