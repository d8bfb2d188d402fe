/* Workbooks for tests: a zip archive of stored parts, written byte by byte, so that any of them may be wrong. */
#ifndef EFME_XLSX_BOOK_H
#define EFME_XLSX_BOOK_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct book {
  uint8_t *data;
  size_t size;
  uint8_t directory[4096];
  size_t directory_size;
  unsigned parts;
};

static inline uint32_t book_crc(const uint8_t *p, size_t n) {
  uint32_t c = 0xFFFFFFFFu;
  for (size_t i = 0; i < n; i++) {
    c ^= p[i];
    for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
  }
  return ~c;
}

static inline void book_number(uint8_t *to, uint32_t v, int bytes) {
  for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(v >> (8 * i));
}

/* The 26 bytes that local header and directory share, from "version needed" on. */
static inline void book_entry(uint8_t out[26], const void *data, size_t size, const char *name) {
  memset(out, 0, 26);
  book_number(out, 20, 2);
  book_number(out + 10, book_crc(data, size), 4), book_number(out + 14, (uint32_t)size, 4), book_number(out + 18, (uint32_t)size, 4);
  book_number(out + 22, (uint32_t)strlen(name), 2);
}

static inline void book_append(struct book *b, const void *data, size_t size) {
  b->data = realloc(b->data, b->size + size + 1);
  if (size) memcpy(b->data + b->size, data, size);
  b->size += size;
}

static inline void book_part(struct book *b, const char *name, const void *data, size_t size) {
  uint8_t entry[26], central[46] = "PK\1\2\24";
  size_t n = strlen(name);
  book_entry(entry, data, size, name);
  memcpy(central + 6, entry, 26), book_number(central + 42, (uint32_t)b->size, 4);
  memcpy(b->directory + b->directory_size, central, 46), memcpy(b->directory + b->directory_size + 46, name, n);
  b->directory_size += 46 + n, b->parts++;
  book_append(b, "PK\3\4", 4), book_append(b, entry, 26), book_append(b, name, n), book_append(b, data, size);
}

static inline void book_text(struct book *b, const char *name, const char *text) { book_part(b, name, text, strlen(text)); }

static inline void book_end(struct book *b) {
  uint8_t end[22] = "PK\5\6";
  book_number(end + 8, b->parts, 2), book_number(end + 10, b->parts, 2);
  book_number(end + 12, (uint32_t)b->directory_size, 4), book_number(end + 16, (uint32_t)b->size, 4);
  book_append(b, b->directory, b->directory_size), book_append(b, end, sizeof end);
}

static inline void book_free(struct book *b) { free(b->data), memset(b, 0, sizeof *b); }

/* Relations and a workbook with the sheets "MICRO ONLY" and "second & last". */
#define BOOK_TYPE "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
static inline void book_frame(struct book *b) {
  book_text(b, "_rels/.rels",
            "<?xml version=\"1.0\"?><Relationships><Relationship Id=\"rId1\" Type=\"" BOOK_TYPE
            "/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>");
  book_text(b, "xl/workbook.xml",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><workbook xmlns:r=\"" BOOK_TYPE
            "\"><sheets><sheet name=\"MICRO ONLY\" sheetId=\"3\" r:id=\"rId7\"/>"
            "<sheet name=\"second &amp; last\" sheetId=\"1\" r:id=\"rId8\"/></sheets></workbook>");
  book_text(b, "xl/_rels/workbook.xml.rels",
            "<Relationships><Relationship Id=\"rId7\" Type=\"" BOOK_TYPE
            "/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship Id=\"rId8\" Type=\"" BOOK_TYPE
            "/worksheet\" Target=\"/xl/worksheets/sheet2.xml\"/><Relationship Id=\"rId9\" Type=\"" BOOK_TYPE
            "/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>");
}

/* A whole book: strings (of <sst>), rows of the first sheet (of <sheetData>), and a second sheet. */
static inline void book_make(struct book *b, const char *strings, const void *sheet, size_t sheet_size) {
  memset(b, 0, sizeof *b);
  book_frame(b);
  book_text(b, "xl/sharedStrings.xml", strings);
  book_part(b, "xl/worksheets/sheet1.xml", sheet, sheet_size);
  book_text(b, "xl/worksheets/sheet2.xml", "<worksheet><sheetData><row><c><v>7.00</v></c></row></sheetData></worksheet>");
  book_end(b);
}

#define BOOK_STRINGS                                                                                                                       \
  "<sst><si><t>Subject</t></si><si><r><t>Esti</t></r><r><t xml:space=\"preserve\">mated </t></r><r><t>Emotion</t></r>"                     \
  "<rPh sb=\"0\" eb=\"1\"><t>no</t></rPh></si><si><t/></si><si><t>a \"b\", &lt;c&gt;&#10;d \xC3\xA9</t></si></sst>"
#define BOOK_SHEET                                                                                                                         \
  "<worksheet><dimension ref=\"A1:Z9\"/><sheetData>"                                                                                       \
  "<row r=\"2\" spans=\"1:4\"><c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"C2\" t=\"s\" s=\"4\"><v>1</v></c><c r=\"D2\" "                        \
  "t=\"s\"><v>2</v></c></row>"                                                                                                             \
  "<row r=\"3\"><c r=\"A3\" t=\"inlineStr\"><is><t>006</t></is></c><c r=\"B3\"><f>1+1</f><v>46</v></c><c t=\"b\"><v>1</v></c>"             \
  "<c r=\"D3\" t=\"e\"><v>#N/A</v></c><c r=\"F3\" t=\"str\"><v>sum</v></c></row>"                                                          \
  "<row r=\"5\"><c r=\"B5\"><v>-3.0</v></c><c r=\"C5\"><v>0.5</v></c><c r=\"D5\" t=\"s\"><v>3</v></c></row>"                               \
  "<row/></sheetData><tail><row r=\"1\"/></tail></worksheet>"

#endif
