/* JPEG through libjpeg-turbo (EFME_JPEG=ON): about nine times as fast as stb_image, and what to use for untrusted files.
 * Errors come back by longjmp; warnings that mean missing or damaged image data are errors here, as in stb_image.
 * libjpeg-turbo takes its own memory from malloc; max_memory_to_use bounds the arrays that a file can ask for. */
#ifdef EFME_WITH_JPEG
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "io/image.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
const char efme_turbo_name[] = "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION);

struct errors {
  struct jpeg_error_mgr base;
  jmp_buf jump;
  int memory;
  char text[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr c) {
  struct errors *e = (struct errors *)c->err;
  e->memory = e->base.msg_code == JERR_OUT_OF_MEMORY;
  e->base.format_message(c, e->text);
  longjmp(e->jump, 1);
}

/* level -1: damaged data, decoding would go on with invented pixels. Extra bytes and odd markers are harmless. */
static void on_message(j_common_ptr c, int level) {
  int code = c->err->msg_code;
  if (level >= 0) return;
  c->err->num_warnings++;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_MUST_RESYNC ||
      code == JWRN_BOGUS_PROGRESSION)
    on_error(c);
}

static void on_output(j_common_ptr c) { (void)c; }

/* CMYK as Adobe writes it is inverted: then R = C K / 255. */
static void cmyk_row(uint8_t *out, const uint8_t *in, uint32_t width, uint32_t inverted) {
  for (uint32_t x = 0; x < width; x++, in += 4, out += 3)
    for (int k = 0; k < 3; k++) {
      uint32_t c = inverted ? in[k] : 255u - in[k], black = inverted ? in[3] : 255u - in[3];
      out[k] = (uint8_t)((c * black + 127) / 255);
    }
}

/* Everything that longjmp may leave lies in here, so that no local of the jumping frame matters. */
struct job {
  struct jpeg_decompress_struct c;
  struct errors e;
  struct efme_pixels px;
  uint8_t *line; /* one row of CMYK */
};

static void run(struct job *j, const struct efme_image_header *h, const uint8_t *data, size_t size) {
  struct jpeg_decompress_struct *c = &j->c;
  jpeg_mem_src(c, data, (unsigned long)size);
  uint64_t limit = (uint64_t)h->width * h->height * 16 + (8u << 20);
  c->mem->max_memory_to_use = limit > 0x7FFFFFFF ? 0x7FFFFFFF : (long)limit;
  jpeg_read_header(c, TRUE);
  c->out_color_space = h->components == 1 ? JCS_GRAYSCALE : h->components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(c);
  size_t row = (size_t)h->width * h->channels;
  while (c->output_scanline < c->output_height) {
    uint8_t *to = j->px.data + c->output_scanline * row;
    JSAMPROW rows[1] = {j->line ? j->line : to};
    jpeg_read_scanlines(c, rows, 1);
    if (j->line) cmyk_row(to, j->line, h->width, h->inverted);
  }
  jpeg_finish_decompress(c);
}

static efme_status decode(struct job *j, const struct efme_image_header *h, const uint8_t *data, size_t size) {
  j->c.err = jpeg_std_error(&j->e.base);
  j->e.base.error_exit = on_error;
  j->e.base.emit_message = on_message;
  j->e.base.output_message = on_output;
  if (setjmp(j->e.jump)) return efme_fail(j->e.memory ? EFME_E_NOMEM : EFME_E_FORMAT, "JPEG: %s", j->e.text);
  jpeg_create_decompress(&j->c);
  run(j, h, data, size);
  return EFME_OK;
}

efme_status efme_turbo_decode(struct efme_pixels *out, const struct efme_allocator *a, const struct efme_image_header *h,
                              const uint8_t *data, size_t size) {
  struct job *j = efme_mem_calloc(a, 1, sizeof *j, "JPEG");
  if (!j) return EFME_E_NOMEM;
  efme_status status = efme_pixels_alloc(&j->px, a, h->width, h->height, h->channels);
  if (!status && h->components == 4 && !(j->line = efme_mem_array(a, h->width, 4, "JPEG"))) status = EFME_E_NOMEM;
  if (!status) status = decode(j, h, data, size);
  if (j->c.mem) jpeg_destroy_decompress(&j->c);
  efme_mem_free(a, j->line);
  if (status) efme_pixels_free(&j->px, a);
  else *out = j->px;
  efme_mem_free(a, j);
  return status;
}
#else
typedef int efme_jpeg_turbo_is_off; /* ISO C wants something here */
#endif
