/* Structure of a JPEG, checked before a decoder sees it: markers, frame, tables, number and cost of the scans, and that
 * the file reaches its end marker. What passes here costs bounded time and memory in either decoder. */
#include <string.h>

#include "io/image.h"

/* Scans decode at most this many pixels altogether (16 scans of the largest default image), and there are no more than
 * MAX_SCANS of them: a progressive file of a few kilobytes may otherwise ask for hours. Encoders write about ten. */
#define MAX_SCAN_PIXELS (1ull << 30)
#define MAX_SCANS 256u

enum {
  M_SOF0 = 0xC0,
  M_SOF1 = 0xC1,
  M_SOF2 = 0xC2,
  M_DHT = 0xC4,
  M_JPG = 0xC8,
  M_DAC = 0xCC,
  M_SOF15 = 0xCF,
  M_RST0 = 0xD0,
  M_RST7 = 0xD7,
  M_SOI = 0xD8,
  M_EOI = 0xD9,
  M_SOS = 0xDA,
  M_DQT = 0xDB,
  M_DNL = 0xDC,
  M_APP1 = 0xE1,
  M_APP14 = 0xEE
};

struct walk {
  struct efme_image_header *h;
  uint64_t max_pixels;
  uint8_t ids[4];
  uint32_t frame, scans, transform; /* transform: Adobe's byte + 1, 0 where absent */
  size_t entropy;                   /* bytes of entropy-coded data */
};

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

/* p, n: a segment's content without its length. */
static efme_status frame(struct walk *w, uint32_t marker, const uint8_t *p, size_t n) {
  if (w->frame) return efme_fail(EFME_E_FORMAT, "JPEG: a second frame");
  if (marker > M_SOF2) return efme_fail(EFME_E_UNSUPPORTED, "JPEG: coding process SOF%u is not supported", marker - M_SOF0);
  if (n < 6) return efme_fail(EFME_E_FORMAT, "JPEG: truncated frame header");
  if (p[0] != 8) return efme_fail(EFME_E_UNSUPPORTED, "JPEG: %u bits a sample are not supported", p[0]);
  struct efme_image_header *h = w->h;
  h->height = get16(p + 1);
  h->width = get16(p + 3);
  h->components = p[5];
  if (h->height == 0) return efme_fail(EFME_E_UNSUPPORTED, "JPEG: a height that comes after the image is not supported");
  efme_status status = efme_image_check_size(h->width, h->height, w->max_pixels);
  if (status) return status;
  if (h->components != 1 && h->components != 3 && h->components != 4)
    return efme_fail(EFME_E_UNSUPPORTED, "JPEG: %u components are not supported", h->components);
  if (n != 6 + 3 * (size_t)h->components) return efme_fail(EFME_E_FORMAT, "JPEG: frame header of %zu bytes", n);
  uint32_t most_h = 1, most_v = 1;
  for (uint32_t i = 0; i < h->components; i++) {
    uint32_t sh = p[7 + 3 * i] >> 4, sv = p[7 + 3 * i] & 15;
    if (sh < 1 || sh > 4 || sv < 1 || sv > 4) return efme_fail(EFME_E_FORMAT, "JPEG: sampling factor %u x %u", sh, sv);
    if (p[8 + 3 * i] > 3) return efme_fail(EFME_E_FORMAT, "JPEG: quantization table %u", p[8 + 3 * i]);
    most_h = EFME_MAX(most_h, sh), most_v = EFME_MAX(most_v, sv);
    w->ids[i] = p[6 + 3 * i];
  }
  for (uint32_t i = 0; i < h->components; i++) /* stb_image reads past its rows where a ratio is not whole */
    if (most_h % (p[7 + 3 * i] >> 4) || most_v % (p[7 + 3 * i] & 15))
      return efme_fail(EFME_E_UNSUPPORTED, "JPEG: fractional sampling ratios are not supported");
  h->channels = h->components == 1 ? 1 : 3;
  w->frame = 1;
  return EFME_OK;
}

/* Huffman tables: at most 256 codes of lengths that form a prefix code (stb_image writes beyond its table otherwise). */
static efme_status huffman(const uint8_t *p, size_t n) {
  while (n >= 17) {
    uint32_t codes = 0, space = 0;
    for (int i = 0; i < 16; i++) codes += p[1 + i], space = 2 * space + p[1 + i];
    if ((p[0] >> 4) > 1 || (p[0] & 15) > 3 || codes > 256 || space > 65536 || n < 17 + codes)
      return efme_fail(EFME_E_FORMAT, "JPEG: damaged Huffman table");
    p += 17 + codes, n -= 17 + codes;
  }
  return n ? efme_fail(EFME_E_FORMAT, "JPEG: damaged Huffman table") : EFME_OK;
}

static efme_status scan(struct walk *w, const uint8_t *p, size_t n) {
  if (!w->frame) return efme_fail(EFME_E_FORMAT, "JPEG: a scan before the frame header");
  if (n < 1 || p[0] < 1 || p[0] > w->h->components || n != 4 + 2 * (size_t)p[0])
    return efme_fail(EFME_E_FORMAT, "JPEG: damaged scan header");
  for (uint32_t i = 0; i < p[0]; i++) {
    if (!memchr(w->ids, p[1 + 2 * i], w->h->components)) return efme_fail(EFME_E_FORMAT, "JPEG: a scan of an unknown component");
    if ((p[2 + 2 * i] >> 4) > 3 || (p[2 + 2 * i] & 15) > 3) return efme_fail(EFME_E_FORMAT, "JPEG: a scan with an unknown table");
  }
  w->scans++;
  if (w->scans > MAX_SCANS || w->scans * (uint64_t)w->h->width * w->h->height > MAX_SCAN_PIXELS)
    return efme_fail(EFME_E_LIMIT, "JPEG: %u scans of %u x %u pixels are more than is decoded", w->scans, w->h->width, w->h->height);
  return EFME_OK;
}

static efme_status segment(struct walk *w, uint32_t marker, const uint8_t *p, size_t n) {
  if (marker == M_DHT) return huffman(p, n);
  if (marker == M_SOS) return scan(w, p, n);
  if (marker == M_DAC) return efme_fail(EFME_E_UNSUPPORTED, "JPEG: arithmetic coding is not supported");
  if (marker == M_DNL) return efme_fail(EFME_E_UNSUPPORTED, "JPEG: a height that comes after the image is not supported");
  if (marker >= M_SOF0 && marker <= M_SOF15 && marker != M_JPG) return frame(w, marker, p, n);
  if (marker == M_APP1 && n > 6 && !memcmp(p, "Exif\0", 6) && w->h->orientation == 1)
    w->h->orientation = efme_exif_orientation(p + 6, n - 6);
  if (marker == M_APP14 && n >= 12 && !memcmp(p, "Adobe", 5)) w->transform = p[11] + 1u;
  return EFME_OK;
}

/* End of the entropy-coded data at `at`: the next marker that is neither a stuffed byte nor a restart. */
static size_t skip_entropy(const uint8_t *data, size_t size, size_t at) {
  while (at < size) {
    const uint8_t *ff = memchr(data + at, 0xFF, size - at);
    if (!ff || (size_t)(ff - data) + 1 >= size) return size;
    at = (size_t)(ff - data);
    uint8_t next = data[at + 1];
    if (next == 0 || (next >= M_RST0 && next <= M_RST7)) at += 2;
    else if (next == 0xFF) at++;
    else return at;
  }
  return size;
}

efme_status efme_jpeg_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels) {
  struct walk w = {.h = h, .max_pixels = max_pixels};
  size_t at = 2;
  for (;;) {
    if (at + 2 > size) return efme_fail(EFME_E_FORMAT, "JPEG: truncated: no end marker in %zu bytes", size);
    if (data[at] != 0xFF) return efme_fail(EFME_E_FORMAT, "JPEG: no marker at byte %zu", at);
    uint32_t marker = data[at + 1];
    if (marker == 0xFF) {
      at++;
      continue;
    }
    if (marker == M_EOI) break;
    if (marker < M_SOF0 || (marker >= M_RST0 && marker <= M_SOI))
      return efme_fail(EFME_E_FORMAT, "JPEG: misplaced marker %02X at byte %zu", marker, at);
    size_t left = size - at - 2;
    if (left < 2 || get16(data + at + 2) > left) return efme_fail(EFME_E_FORMAT, "JPEG: truncated segment %02X at byte %zu", marker, at);
    uint32_t length = get16(data + at + 2);
    if (length < 2) return efme_fail(EFME_E_FORMAT, "JPEG: segment %02X of %u bytes at byte %zu", marker, length, at);
    efme_status status = segment(&w, marker, data + at + 4, length - 2);
    if (status) return status;
    at += 2 + length;
    if (marker == M_SOS) {
      size_t end = skip_entropy(data, size, at);
      w.entropy += end - at;
      at = end;
    }
  }
  if (!w.frame || !w.scans) return efme_fail(EFME_E_FORMAT, "JPEG: no image before the end marker");
  /* A block of 64 pixels takes a bit of the first scan at the very least. */
  if ((uint64_t)w.entropy * 512 + 4096 < (uint64_t)h->width * h->height)
    return efme_fail(EFME_E_FORMAT, "JPEG: truncated: %zu bytes cannot hold %u x %u pixels", w.entropy, h->width, h->height);
  h->inverted = h->components == 4 && w.transform != 0;
  return EFME_OK;
}
