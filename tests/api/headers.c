/* A reader of the public headers, just good enough for their style: no nested structs, one declaration between semicolons. */
#include "headers.h"

#include <ctype.h>
#include <glob.h>

#include "test.h"

/* The file without comments and preprocessor lines, line ends as blanks; free it. */
static char *read_header(const char *path) {
  FILE *f = fopen(path, "rb");
  ck_assert_msg(f != NULL, "%s", path);
  static char raw[1 << 17];
  size_t n = fread(raw, 1, sizeof raw - 1, f), k = 0;
  fclose(f);
  raw[n] = '\0';
  char *text = calloc(1, n + 1);
  for (size_t i = 0; i < n;) {
    if (raw[i] == '/' && raw[i + 1] == '*') {
      i = (size_t)(strstr(raw + i + 2, "*/") - raw) + 2;
      text[k++] = ' ';
    } else if (raw[i] == '#' && (i == 0 || raw[i - 1] == '\n')) {
      while (i < n && (raw[i] != '\n' || raw[i - 1] == '\\')) i++;
    } else {
      text[k++] = isspace((unsigned char)raw[i]) ? ' ' : raw[i];
      i++;
    }
  }
  return text;
}

static int is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* The last identifier of s[0..n), behind which only an array's brackets may stand. */
static void last_name(char *out, size_t size, const char *s, size_t n) {
  const char *bracket = memchr(s, '[', n);
  if (bracket) n = (size_t)(bracket - s);
  while (n && !is_name(s[n - 1])) n--;
  size_t begin = n;
  while (begin && is_name(s[begin - 1])) begin--;
  ck_assert_uint_lt(n - begin, size);
  memcpy(out, s + begin, n - begin);
  out[n - begin] = '\0';
}

static void add_parameter(struct declared_function *f, const char *s, size_t n) {
  int pointer = memchr(s, '*', n) || memchr(s, '[', n) || memmem(s, n, "_fn ", 4);
  if (!pointer) return;
  ck_assert_int_lt(f->pointer_count, 12);
  last_name(f->pointers[f->pointer_count++], sizeof f->pointers[0], s, n);
}

/* s: what stands between EFME_API and the semicolon. */
static void parse_function(struct declared_function *f, const char *s, size_t n) {
  memset(f, 0, sizeof *f);
  const char *open = memchr(s, '(', n), *close = s + n;
  ck_assert_ptr_nonnull(open);
  while (*close != ')') close--;
  last_name(f->name, sizeof f->name, s, (size_t)(open - s));
  for (const char *p = open + 1; p < close;) {
    const char *comma = memchr(p, ',', (size_t)(close - p)), *end = comma ? comma : close;
    add_parameter(f, p, (size_t)(end - p));
    p = end + 1;
  }
}

struct list {
  void *items;
  size_t count, capacity;
};

static void take_functions(struct list *list, const char *text) {
  struct declared_function *items = list->items;
  for (const char *at = text; (at = strstr(at, "EFME_API "));) {
    at += strlen("EFME_API ");
    const char *end = strchr(at, ';');
    ck_assert_ptr_nonnull(end);
    ck_assert_uint_lt(list->count, list->capacity);
    parse_function(&items[list->count++], at, (size_t)(end - at));
  }
}

/* s: a struct's body. */
static int parse_struct(struct declared_struct *out, const char *s, size_t n) {
  out->field_count = 0;
  for (const char *p = s, *stop = s + n; p < stop;) {
    const char *end = memchr(p, ';', (size_t)(stop - p));
    if (!end) break;
    const char *function = memmem(p, (size_t)(end - p), "(*", 2);
    const char *from = p, *to = end;
    if (function) from = function + 2, to = memchr(from, ')', (size_t)(end - from));
    while (from < to) { /* "uint32_t a, b": a name before each comma */
      const char *comma = function ? NULL : memchr(from, ',', (size_t)(to - from)), *stop_name = comma ? comma : to;
      ck_assert_int_lt(out->field_count, 32);
      last_name(out->fields[out->field_count++], sizeof out->fields[0], from, (size_t)(stop_name - from));
      from = stop_name + 1;
    }
    p = end + 1;
  }
  return out->field_count && !strcmp(out->fields[0], "struct_size");
}

static void take_structs(struct list *list, const char *text) {
  struct declared_struct *items = list->items;
  for (const char *at = text; (at = strstr(at, "typedef struct "));) {
    at += strlen("typedef struct ");
    const char *open = strpbrk(at, "{;");
    if (!open || *open == ';') continue; /* an opaque handle */
    const char *close = strchr(open, '}');
    ck_assert_uint_lt(list->count, list->capacity);
    struct declared_struct *item = &items[list->count];
    last_name(item->name, sizeof item->name, at, (size_t)(open - at));
    list->count += (size_t)parse_struct(item, open + 1, (size_t)(close - open - 1));
  }
}

static size_t walk(void (*take)(struct list *, const char *), void *items, size_t capacity) {
  struct list list = {items, 0, capacity};
  glob_t found;
  ck_assert_int_eq(glob(EFME_SOURCE_DIR "/include/efme/*.h", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    if (strstr(found.gl_pathv[i], "/export.h")) continue; /* it defines EFME_API */
    char *text = read_header(found.gl_pathv[i]);
    take(&list, text);
    free(text);
  }
  globfree(&found);
  return list.count;
}

size_t declared_functions(struct declared_function *out, size_t capacity) { return walk(take_functions, out, capacity); }

size_t declared_structs(struct declared_struct *out, size_t capacity) { return walk(take_structs, out, capacity); }

size_t declared_offset(const char *name, const char *field) {
  char wanted[128], line[160];
  FILE *f = fopen(EFME_SOURCE_DIR "/tests/abi/layout.txt", "r");
  ck_assert_ptr_nonnull(f);
  int n = field ? snprintf(wanted, sizeof wanted, "%s.%s ", name, field) : snprintf(wanted, sizeof wanted, "%s: size ", name);
  long offset = -1;
  while (offset < 0 && fgets(line, sizeof line, f))
    if (!strncmp(line, wanted, (size_t)n)) offset = atol(line + n);
  fclose(f);
  ck_assert_msg(offset >= 0, "tests/abi/layout.txt has no %s", wanted);
  return (size_t)offset;
}
