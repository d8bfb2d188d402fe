/* Binary PGM (P5) and PPM (P6), read by ourselves: stb_image 2.27 takes 16-bit samples in the machine's byte order, keeps
 * maxima below 255 unscaled and does not notice a short file. Header: magic, width, height, maximum, separated by
 * white space and # comments, then one white space and the rows; samples above 255 take two bytes, high first. */
#include "io/image.h"

const char efme_pnm_name[] = "efme pnm";

static int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The next number, at most 7 digits; 0 on success. */
static int header_number(uint32_t *out, const uint8_t *data, size_t size, size_t *at) {
  size_t p = *at;
  while (p < size && (is_space(data[p]) || data[p] == '#'))
    if (data[p] == '#')
      while (p < size && data[p] != '\n' && data[p] != '\r') p++;
    else p++;
  uint32_t v = 0, digits = 0;
  for (; p < size && data[p] >= '0' && data[p] <= '9'; p++) {
    if (++digits > 7) return 1;
    v = v * 10 + (uint32_t)(data[p] - '0');
  }
  *out = v;
  *at = p;
  return digits == 0;
}

efme_status efme_pnm_walk(struct efme_image_header *h, const uint8_t *data, size_t size, uint64_t max_pixels) {
  size_t at = 2;
  h->components = h->channels = data[1] == '6' ? 3 : 1;
  if (header_number(&h->width, data, size, &at)) return efme_fail(EFME_E_FORMAT, "PNM: bad width");
  if (header_number(&h->height, data, size, &at)) return efme_fail(EFME_E_FORMAT, "PNM: bad height");
  if (header_number(&h->maximum, data, size, &at) || h->maximum == 0 || h->maximum > 65535)
    return efme_fail(EFME_E_FORMAT, "PNM: the maximum is not a number from 1 to 65535");
  if (at >= size || !is_space(data[at])) return efme_fail(EFME_E_FORMAT, "PNM: truncated header");
  h->data_offset = at + 1;
  efme_status status = efme_image_check_size(h->width, h->height, max_pixels);
  if (status) return status;
  uint64_t bytes = (uint64_t)h->width * h->height * h->components * (h->maximum > 255 ? 2 : 1);
  if (size - h->data_offset < bytes)
    return efme_fail(EFME_E_FORMAT, "PNM: truncated: %zu bytes of samples, %llu expected", size - h->data_offset,
                     (unsigned long long)bytes);
  return EFME_OK;
}

efme_status efme_pnm_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h, const uint8_t *data,
                            size_t size) {
  (void)size;
  efme_status status = efme_pixels_alloc(out, a, h->width, h->height, h->channels);
  if (status) return status;
  const uint8_t *p = data + h->data_offset;
  size_t n = efme_pixels_bytes(out);
  uint32_t maximum = h->maximum;
  for (size_t i = 0; i < n; i++) {
    uint32_t v = maximum > 255 ? (uint32_t)p[2 * i] << 8 | p[2 * i + 1] : p[i];
    if (v > maximum) v = maximum;
    /* 65535 keeps the high byte as other formats do; the rest is scaled and rounded */
    out->data[i] = (uint8_t)(maximum == 255 ? v : maximum == 65535 ? v >> 8 : (v * 255 + maximum / 2) / maximum);
  }
  return EFME_OK;
}
