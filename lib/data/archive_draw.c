/* Frames of a synthetic clip: one face, pose and light, its expression rising from nothing at the onset to the apex and gone at the offset.
 */
#include <string.h>

#include "data/archive.h"
#include "util/util.h"

#define SCALE .85 /* of a portrait that fills its picture: some background on all sides */
#define SWAY .005 /* how far the head moves, in half heights: a third of a pixel of 120 */
#define PI 3.14159265358979323846

/* Half a cosine up, half a cosine down. */
static double strength(const struct efme_archive_clip *c, uint32_t number) {
  if (number <= c->onset || number >= c->offset) return 0;
  double part =
      number <= c->apex ? (double)(number - c->onset) / (c->apex - c->onset) : (double)(c->offset - number) / (c->offset - c->apex);
  return c->intensity * .5 * (1 - efme_cos(PI * part));
}

static double brightness(const struct efme_colour *c) { return .299 * c->r + .587 * c->g + .114 * c->b; }

/* Darker in the same hue where it is brighter than `most`. */
static void darken_to(struct efme_colour *c, double most) {
  double now = brightness(c), k = now > most ? most / now : 1;
  c->r *= k, c->g *= k, c->b *= k;
}

/* Detectors know faces by dark eyes, brows and lips on lighter skin, and the source's people need not have them: fair brows on a dark face
 * are no brows to MTCNN. Here brows and lips are darker than the skin, which is not of the darkest, and the camera is a better one. */
static void make_plain(struct efme_portrait *f) {
  static const struct efme_colour lighter = {.90, .72, .59};
  double t = brightness(&f->skin) < .6 ? 1.2 * (.6 - brightness(&f->skin)) : 0;
  f->skin.r += (lighter.r - f->skin.r) * t, f->skin.g += (lighter.g - f->skin.g) * t, f->skin.b += (lighter.b - f->skin.b) * t;
  darken_to(&f->hair_colour, .5 * brightness(&f->skin));
  darken_to(&f->lip, .72 * brightness(&f->skin));
  darken_to(&f->iris, .2);
  if (f->brow_thick < .026) f->brow_thick = .026;
  f->noise *= .5;
}

void efme_archive_portrait(struct efme_portrait *f, const struct efme_archive *archive, const struct efme_archive_clip *c,
                           uint32_t number) {
  uint32_t who = 0x52000000u + (uint32_t)c->set * 1000 + c->person; /* nobody of the synthetic source's first billion */
  efme_portrait_make(f, archive->options.seed, who, c->attempt << 16 | c->sample, c->emotion->expression, strength(c, number));
  f->frame = number - (c->onset - c->around);
  make_plain(f);
  f->scale *= SCALE;
  f->shift_x += SWAY * efme_sin(.45 * f->frame + f->back_phase);
  f->shift_y += SWAY * efme_sin(.31 * f->frame + 2 * f->back_phase);
}

efme_status efme_archive_pixels(struct efme_pixels *px, const struct efme_archive *archive, enum efme_archive_set set) {
  return efme_pixels_alloc(px, archive->allocator, archive->options.width, archive->options.height, set == EFME_ARCHIVE_SAMM ? 1 : 3);
}

efme_status efme_archive_frame(uint8_t **file, size_t *size, struct efme_pixels *px, const struct efme_archive *archive,
                               const struct efme_archive_clip *c, uint32_t number) {
  struct efme_portrait f;
  efme_archive_portrait(&f, archive, c, number);
  efme_portrait_draw(px->data, px->width, px->height, px->channels, &f);
  return efme_image_encode_pixels(file, size, archive->allocator, px, c->set == EFME_ARCHIVE_SMIC ? EFME_IMAGE_BMP : EFME_IMAGE_JPEG,
                                  archive->options.quality);
}

/* One drawing, as a reader will see it. */
static efme_status ask(const struct efme_archive *archive, const struct efme_archive_clip *c, const char *path) {
  struct efme_pixels px;
  uint8_t *file = NULL;
  size_t size = 0;
  efme_image *image = NULL;
  efme_status status = efme_archive_pixels(&px, archive, c->set);
  if (status) return status;
  status = efme_archive_frame(&file, &size, &px, archive, c, c->apex);
  efme_pixels_free(&px, archive->allocator);
  if (!status) {
    char decoder[32];
    uint32_t orientation;
    efme_image_options o;
    status = efme_image_options_load(&o, NULL);
    if (!status) status = efme_image_decode_pixels(&px, &orientation, decoder, archive->allocator, file, size, path, &o);
    if (!status) status = efme_image_new(&image, archive->context, archive->allocator, &px, orientation, decoder);
    efme_mem_free(archive->allocator, file);
  }
  if (status) return status;
  status = archive->options.accept(image, archive->options.accept_user);
  efme_image_release(image);
  return status;
}

efme_status efme_archive_accept(struct efme_archive *archive) {
  const efme_synthetic_release_options *o = &archive->options;
  efme_status status = EFME_OK;
  for (uint32_t i = 0; o->accept && i < archive->count && !status; i++) {
    struct efme_archive_clip *c = &archive->clips[i];
    char path[EFME_ARCHIVE_PATH];
    efme_archive_frame_path(path, c, c->apex);
    while ((status = ask(archive, c, path)) == EFME_E_NOT_FOUND && ++c->attempt < o->attempts) {
    }
    if (status == EFME_E_NOT_FOUND) status = efme_fail(status, "%s: none of %u drawings was accepted", path, o->attempts);
    if (!status) status = efme_archive_progress(archive, "faces", i + 1, archive->count);
  }
  return status;
}
