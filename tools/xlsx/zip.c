/* The archive: minizip over bytes in memory. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

struct stream {
  const struct xlsx *book;
  uint64_t at;
};

static voidpf open_stream(voidpf opaque, const void *name, int mode) {
  (void)name;
  if ((mode & ZLIB_FILEFUNC_MODE_READWRITEFILTER) != ZLIB_FILEFUNC_MODE_READ) return NULL;
  struct stream *s = calloc(1, sizeof *s);
  if (s) s->book = opaque;
  return s;
}

static uLong read_stream(voidpf opaque, voidpf stream, void *to, uLong n) {
  (void)opaque;
  struct stream *s = stream;
  uint64_t left = s->at < s->book->size ? s->book->size - s->at : 0;
  if (n > left) n = (uLong)left;
  if (n) memcpy(to, s->book->data + s->at, n);
  s->at += n;
  return n;
}

static uLong write_stream(voidpf opaque, voidpf stream, const void *from, uLong n) {
  (void)opaque, (void)stream, (void)from, (void)n;
  return 0;
}

static ZPOS64_T tell_stream(voidpf opaque, voidpf stream) {
  (void)opaque;
  return ((struct stream *)stream)->at;
}

static long seek_stream(voidpf opaque, voidpf stream, ZPOS64_T offset, int origin) {
  (void)opaque;
  struct stream *s = stream;
  uint64_t base = origin == ZLIB_FILEFUNC_SEEK_SET ? 0 : origin == ZLIB_FILEFUNC_SEEK_CUR ? s->at : s->book->size;
  if (offset > s->book->size || base > s->book->size - offset) return -1;
  s->at = base + offset;
  return 0;
}

static int close_stream(voidpf opaque, voidpf stream) {
  (void)opaque;
  free(stream);
  return 0;
}

static int stream_error(voidpf opaque, voidpf stream) {
  (void)opaque, (void)stream;
  return 0;
}

enum xlsx_status xlsx_zip_open(struct xlsx *b) {
  static const uint8_t ole[4] = {0xD0, 0xCF, 0x11, 0xE0};
  if (b->size >= 4 && !memcmp(b->data, ole, 4))
    return xlsx_fail(b, XLSX_FORMAT, NULL, "is an old (.xls) or protected workbook, not an .xlsx: save it as .xlsx");
  if (b->size < 4 || memcmp(b->data, "PK", 2) != 0) return xlsx_fail(b, XLSX_FORMAT, NULL, "is not an .xlsx workbook: no zip archive");
  zlib_filefunc64_def f = {open_stream, read_stream, write_stream, tell_stream, seek_stream, close_stream, stream_error, b};
  unz_global_info64 info;
  b->zip = unzOpen2_64(b->name, &f);
  if (!b->zip || unzGetGlobalInfo64(b->zip, &info) != UNZ_OK)
    return xlsx_fail(b, XLSX_FORMAT, NULL, "is not an .xlsx workbook: the zip archive is damaged or cut off");
  if (info.number_entry > b->limits.parts)
    return xlsx_fail(b, XLSX_LIMIT, NULL, "%llu parts, at most %u are read", (unsigned long long)info.number_entry, b->limits.parts);
  return XLSX_OK;
}

int xlsx_zip_has(struct xlsx *b, const char *part) { return unzLocateFile(b->zip, part, 1) == UNZ_OK; }
