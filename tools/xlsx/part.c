/* One part of the archive, unpacked piece by piece into expat. */
#include <string.h>

#include "inside.h"

#define PIECE 65536
#define FREE_BYTES (1u << 20) /* small parts may shrink as they like */

static const char *local(const char *name) {
  const char *colon = strrchr(name, ':');
  return colon ? colon + 1 : name;
}

const char *xlsx_attribute(const char **attributes, const char *name) {
  for (; attributes[0]; attributes += 2)
    if (!strcmp(local(attributes[0]), name)) return attributes[1];
  return NULL;
}

void xlsx_stop(struct xlsx_part *p, enum xlsx_status status) {
  if (p->status) return;
  p->status = status;
  XML_StopParser(p->parser, XML_FALSE);
}

static void XMLCALL on_start(void *user, const char *name, const char **attributes) {
  struct xlsx_part *p = user;
  if (!p->status) p->start(p, local(name), attributes);
}

static void XMLCALL on_end(void *user, const char *name) {
  struct xlsx_part *p = user;
  if (!p->status) p->end(p, local(name));
}

static void XMLCALL on_text(void *user, const char *text, int n) {
  struct xlsx_part *p = user;
  if (!p->status && p->text) p->text(p, text, (size_t)n);
}

/* Workbooks have none; what comes with one is an attempt. */
static void XMLCALL on_doctype(void *user, const char *name, const char *system, const char *public, int internal) {
  struct xlsx_part *p = user;
  (void)name, (void)system, (void)public, (void)internal;
  xlsx_stop(p, xlsx_fail(p->book, XLSX_FORMAT, p->name, "holds a document type declaration, which no workbook has: refused"));
}

static enum xlsx_status check_sizes(struct xlsx_part *p, uint64_t done, uint64_t packed) {
  struct xlsx *b = p->book;
  if (b->unpacked > b->limits.unpacked)
    return xlsx_fail(b, XLSX_LIMIT, p->name, "more than %llu bytes unpacked: a zip bomb?", (unsigned long long)b->limits.unpacked);
  if (done > FREE_BYTES && done / b->limits.ratio > packed)
    return xlsx_fail(b, XLSX_LIMIT, p->name, "unpacks to more than %u times its %llu bytes: a zip bomb?", b->limits.ratio,
                     (unsigned long long)packed);
  return XLSX_OK;
}

static enum xlsx_status feed(struct xlsx_part *p, uint64_t packed) {
  struct xlsx *b = p->book;
  uint64_t done = 0;
  for (;;) {
    void *buffer = XML_GetBuffer(p->parser, PIECE);
    if (!buffer) return xlsx_no_memory(b);
    int n = unzReadCurrentFile(b->zip, buffer, PIECE);
    if (n < 0) return xlsx_fail(b, XLSX_FORMAT, p->name, "the compressed data is damaged or cut off");
    done += (unsigned)n, b->unpacked += (unsigned)n;
    enum xlsx_status status = check_sizes(p, done, packed);
    if (status) return status;
    if (XML_ParseBuffer(p->parser, n, n == 0) != XML_STATUS_OK) {
      if (p->status) return p->status;
      enum XML_Error code = XML_GetErrorCode(p->parser);
      if (code == XML_ERROR_NO_MEMORY) return xlsx_no_memory(b);
      return xlsx_fail(b, XLSX_FORMAT, p->name, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(p->parser), XML_ErrorString(code));
    }
    if (n == 0) return XLSX_OK;
  }
}

static enum xlsx_status unpack(struct xlsx_part *p) {
  struct xlsx *b = p->book;
  unz_file_info64 info;
  if (unzLocateFile(b->zip, p->name, 1) != UNZ_OK) return xlsx_fail(b, XLSX_FORMAT, p->name, "is not in the archive");
  if (unzGetCurrentFileInfo64(b->zip, &info, NULL, 0, NULL, 0, NULL, 0) != UNZ_OK)
    return xlsx_fail(b, XLSX_FORMAT, p->name, "its entry in the archive is damaged");
  if (info.flag & 1) return xlsx_fail(b, XLSX_FORMAT, p->name, "is encrypted");
  if (unzOpenCurrentFile(b->zip) != UNZ_OK) return xlsx_fail(b, XLSX_FORMAT, p->name, "cannot be unpacked");
  enum xlsx_status status = feed(p, info.compressed_size);
  int closed = unzCloseCurrentFile(b->zip); /* here the checksum is compared */
  if (!status && closed == UNZ_CRCERROR) status = xlsx_fail(b, XLSX_FORMAT, p->name, "the checksum is wrong");
  return status;
}

enum xlsx_status xlsx_parse(struct xlsx_part *p) {
  p->parser = XML_ParserCreate(NULL);
  if (!p->parser) return xlsx_no_memory(p->book);
  XML_SetUserData(p->parser, p);
  XML_SetElementHandler(p->parser, on_start, on_end);
  XML_SetCharacterDataHandler(p->parser, on_text);
  XML_SetStartDoctypeDeclHandler(p->parser, on_doctype);
  enum xlsx_status status = unpack(p);
  XML_ParserFree(p->parser);
  return status;
}
