/* What the parts of the xlsx reader share. */
#ifndef EFME_TOOLS_XLSX_INSIDE_H
#define EFME_TOOLS_XLSX_INSIDE_H

#include <expat.h>
#include <minizip/unzip.h>

#include "xlsx.h"

struct xlsx_sheet {
  char *name, *part;
};

struct xlsx {
  char *name;     /* of the file, for errors */
  uint8_t *owned; /* the file, where xlsx_open read it */
  const uint8_t *data;
  size_t size;
  struct xlsx_limits limits;
  unzFile zip;
  uint64_t unpacked; /* so far */
  struct xlsx_sheet *sheets;
  size_t sheet_count;
  char *strings_part; /* NULL: none */
  char *text;         /* shared strings, a NUL behind each */
  size_t text_size, text_capacity;
  size_t *strings; /* offsets into text */
  size_t string_count, string_capacity;
  int strings_read;
  char *error; /* the caller's */
};

/* Sets the error "NAME: PART: text" (part NULL: without) and returns status. */
enum xlsx_status xlsx_fail(struct xlsx *book, enum xlsx_status status, const char *part, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum xlsx_status xlsx_no_memory(struct xlsx *book);
/* Grows an array to hold `need` items of `size` bytes. 0: no memory. */
int xlsx_grow(void **items, size_t *capacity, size_t need, size_t size);
char *xlsx_copy(const char *text, size_t n);

/* ---- zip.c ---- */
enum xlsx_status xlsx_zip_open(struct xlsx *book);
int xlsx_zip_has(struct xlsx *book, const char *part);

/* ---- part.c: one part through expat ---- */
struct xlsx_part {
  struct xlsx *book;
  const char *name;
  XML_Parser parser;
  enum xlsx_status status;                                                          /* what a handler found wrong */
  void (*start)(struct xlsx_part *p, const char *element, const char **attributes); /* element: without its prefix */
  void (*end)(struct xlsx_part *p, const char *element);
  void (*text)(struct xlsx_part *p, const char *text, size_t n); /* may be NULL */
  void *user;
};
enum xlsx_status xlsx_parse(struct xlsx_part *part);
/* A handler's way to stop: the first status stays. */
void xlsx_stop(struct xlsx_part *part, enum xlsx_status status);
/* Value of the attribute, its prefix aside; NULL: absent. */
const char *xlsx_attribute(const char **attributes, const char *name);

/* ---- strings.c ---- */
enum xlsx_status xlsx_read_strings(struct xlsx *book);

#endif
