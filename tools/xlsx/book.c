/* The workbook: which sheets there are, in which parts of the archive. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

/* ---- errors and memory ---- */

enum xlsx_status xlsx_fail(struct xlsx *b, enum xlsx_status status, const char *part, const char *format, ...) {
  int n = snprintf(b->error, 512, "%.300s: %.100s%s", b->name, part ? part : "", part ? ": " : "");
  va_list args;
  va_start(args, format);
  if (n > 0 && n < 512) vsnprintf(b->error + n, 512 - (size_t)n, format, args);
  va_end(args);
  return status;
}

enum xlsx_status xlsx_no_memory(struct xlsx *b) { return xlsx_fail(b, XLSX_MEMORY, NULL, "out of memory"); }

int xlsx_grow(void **items, size_t *capacity, size_t need, size_t size) {
  if (need <= *capacity) return 1;
  size_t n = *capacity < 16 ? 16 : *capacity * 2;
  if (n < need) n = need;
  void *p = n > SIZE_MAX / size ? NULL : realloc(*items, n * size);
  if (!p) return 0;
  *items = p, *capacity = n;
  return 1;
}

char *xlsx_copy(const char *text, size_t n) {
  char *p = malloc(n + 1);
  if (p) memcpy(p, text, n), p[n] = '\0';
  return p;
}

/* ---- relations: identifier to part ---- */

struct relation {
  char *id, *part;
  int strings, document; /* what it points at */
};

struct relations {
  struct relation *items;
  size_t count, capacity;
  const char *base; /* folder that targets start from */
};

static int ends_with(const char *text, const char *ending) {
  size_t n = strlen(text), k = strlen(ending);
  return n >= k && !strcmp(text + n - k, ending);
}

/* "/xl/x.xml" from the root, "x.xml" from the base. */
static char *resolve(const char *base, const char *target) {
  size_t n = *target == '/' ? 0 : strlen(base), k = strlen(target += *target == '/');
  char *p = malloc(n + k + 1);
  if (p) memcpy(p, base, n), memcpy(p + n, target, k + 1);
  return p;
}

static void relation_start(struct xlsx_part *p, const char *element, const char **attributes) {
  struct relations *r = p->user;
  const char *id = xlsx_attribute(attributes, "Id"), *type = xlsx_attribute(attributes, "Type"),
             *target = xlsx_attribute(attributes, "Target");
  if (strcmp(element, "Relationship") || !id || !type || !target) return;
  if (r->count >= p->book->limits.parts) {
    xlsx_stop(p, xlsx_fail(p->book, XLSX_LIMIT, p->name, "more than %u relations", p->book->limits.parts));
    return;
  }
  void *items = r->items;
  int grown = xlsx_grow(&items, &r->capacity, r->count + 1, sizeof *r->items);
  r->items = items;
  if (!grown) {
    xlsx_stop(p, xlsx_no_memory(p->book));
    return;
  }
  struct relation *made = &r->items[r->count++];
  *made = (struct relation){xlsx_copy(id, strlen(id)), resolve(r->base, target), ends_with(type, "/sharedStrings"),
                            ends_with(type, "/officeDocument")};
  if (!made->id || !made->part) xlsx_stop(p, xlsx_no_memory(p->book));
}

static void nothing_ends(struct xlsx_part *p, const char *element) { (void)p, (void)element; }

static void free_relations(struct relations *r) {
  for (size_t i = 0; i < r->count; i++) free(r->items[i].id), free(r->items[i].part);
  free(r->items);
}

static enum xlsx_status read_relations(struct xlsx *b, struct relations *r, const char *part, const char *base) {
  struct xlsx_part p = {.book = b, .name = part, .start = relation_start, .end = nothing_ends, .user = r};
  r->base = base;
  return xlsx_parse(&p);
}

/* ---- sheets ---- */

static void sheet_start(struct xlsx_part *p, const char *element, const char **attributes) {
  struct xlsx *b = p->book;
  const struct relations *r = p->user;
  const char *name = xlsx_attribute(attributes, "name"), *id = NULL;
  if (strcmp(element, "sheet")) return;
  for (const char **a = attributes; a[0]; a += 2) /* "r:id", not "sheetId" */
    if (ends_with(a[0], ":id")) id = a[1];
  size_t i = 0;
  while (id && i < r->count && strcmp(r->items[i].id, id)) i++;
  if (!name || !id || i == r->count) {
    xlsx_stop(p, xlsx_fail(b, XLSX_FORMAT, p->name, "sheet \"%.64s\" has no part", name ? name : ""));
    return;
  }
  if (b->sheet_count >= b->limits.parts) {
    xlsx_stop(p, xlsx_fail(b, XLSX_LIMIT, p->name, "more than %u sheets", b->limits.parts));
    return;
  }
  struct xlsx_sheet *sheets = realloc(b->sheets, (b->sheet_count + 1) * sizeof *sheets);
  if (sheets) b->sheets = sheets;
  struct xlsx_sheet made = {xlsx_copy(name, strlen(name)), xlsx_copy(r->items[i].part, strlen(r->items[i].part))};
  if (sheets) b->sheets[b->sheet_count++] = made;
  else free(made.name), free(made.part);
  if (!sheets || !made.name || !made.part) xlsx_stop(p, xlsx_no_memory(b));
}

/* Folder of a part, with its slash; and the part that holds its relations. */
static enum xlsx_status read_workbook(struct xlsx *b, const char *part) {
  const char *slash = strrchr(part, '/');
  size_t n = slash ? (size_t)(slash + 1 - part) : 0;
  char *base = xlsx_copy(part, n);
  size_t size = strlen(part) + 16;
  char *rels = malloc(size);
  struct relations r = {0};
  enum xlsx_status status = base && rels ? XLSX_OK : xlsx_no_memory(b);
  if (!status) {
    snprintf(rels, size, "%s_rels/%s.rels", base, part + n);
    status = read_relations(b, &r, rels, base);
  }
  struct xlsx_part p = {.book = b, .name = part, .start = sheet_start, .end = nothing_ends, .user = &r};
  if (!status) status = xlsx_parse(&p);
  for (size_t i = 0; i < r.count && !status && !b->strings_part; i++)
    if (r.items[i].strings && !(b->strings_part = xlsx_copy(r.items[i].part, strlen(r.items[i].part)))) status = xlsx_no_memory(b);
  if (!status && !b->sheet_count) status = xlsx_fail(b, XLSX_FORMAT, part, "no sheet in it");
  free_relations(&r);
  free(base), free(rels);
  return status;
}

static enum xlsx_status read_book(struct xlsx *b) {
  static const char usual[] = "xl/workbook.xml";
  struct relations r = {0};
  const char *part = usual;
  enum xlsx_status status = xlsx_zip_open(b);
  if (!status && xlsx_zip_has(b, "_rels/.rels")) status = read_relations(b, &r, "_rels/.rels", "");
  for (size_t i = 0; i < r.count; i++)
    if (r.items[i].document) part = r.items[i].part;
  if (!status && !xlsx_zip_has(b, part)) status = xlsx_fail(b, XLSX_FORMAT, NULL, "is not an .xlsx workbook: no part %.100s in it", part);
  if (!status) status = read_workbook(b, part);
  free_relations(&r);
  return status;
}

/* ---- the handle ---- */

static enum xlsx_status make(struct xlsx **out, const char *name, const struct xlsx_limits *limits, char error[512]) {
  static const struct xlsx_limits defaults = XLSX_LIMITS_INIT;
  struct xlsx *b = calloc(1, sizeof *b);
  if (b) b->name = xlsx_copy(name, strlen(name));
  if (!b || !b->name) {
    free(b);
    snprintf(error, 512, "%.400s: out of memory", name);
    return XLSX_MEMORY;
  }
  b->limits = limits ? *limits : defaults;
  b->error = error;
  *out = b;
  return XLSX_OK;
}

void xlsx_close(struct xlsx *b) {
  if (!b) return;
  if (b->zip) unzClose(b->zip);
  for (size_t i = 0; i < b->sheet_count; i++) free(b->sheets[i].name), free(b->sheets[i].part);
  free(b->sheets), free(b->strings_part), free(b->text), free(b->strings), free(b->owned), free(b->name);
  free(b);
}

static enum xlsx_status finish(struct xlsx **out, struct xlsx *b) {
  enum xlsx_status status = b->size > b->limits.file
                                ? xlsx_fail(b, XLSX_LIMIT, NULL, "larger than %llu bytes", (unsigned long long)b->limits.file)
                                : read_book(b);
  if (status) xlsx_close(b);
  else *out = b;
  return status;
}

enum xlsx_status xlsx_open_memory(struct xlsx **out, const void *data, size_t size, const char *name, const struct xlsx_limits *limits,
                                  char error[512]) {
  struct xlsx *b;
  enum xlsx_status status = make(&b, name, limits, error);
  if (status) return status;
  b->data = data, b->size = size;
  return finish(out, b);
}

/* The whole file, or one byte more than the limit. */
static enum xlsx_status read_file(struct xlsx *b) {
  FILE *f = fopen(b->name, "rbe");
  if (!f) return xlsx_fail(b, XLSX_FILE, NULL, "cannot be opened");
  size_t capacity = 0;
  int failed = 0;
  while (!feof(f) && !failed && b->size <= b->limits.file) {
    void *p = b->owned;
    if (!xlsx_grow(&p, &capacity, b->size + 65536, 1)) {
      fclose(f);
      return xlsx_no_memory(b);
    }
    b->owned = p;
    b->size += fread(b->owned + b->size, 1, 65536, f);
    failed = ferror(f);
  }
  fclose(f);
  b->data = b->owned;
  return failed ? xlsx_fail(b, XLSX_FILE, NULL, "cannot be read") : XLSX_OK;
}

enum xlsx_status xlsx_open(struct xlsx **out, const char *path, const struct xlsx_limits *limits, char error[512]) {
  struct xlsx *b;
  enum xlsx_status status = make(&b, path, limits, error);
  if (!status && (status = read_file(b))) xlsx_close(b);
  return status ? status : finish(out, b);
}

size_t xlsx_sheet_count(const struct xlsx *b) { return b->sheet_count; }

const char *xlsx_sheet_name(const struct xlsx *b, size_t sheet) { return sheet < b->sheet_count ? b->sheets[sheet].name : NULL; }
