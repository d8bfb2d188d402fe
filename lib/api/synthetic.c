/* efme_synthetic_release_write: arguments are checked here; lib/data does the work. */
#include "efme/synthetic.h"

#include "data/archive.h"

static efme_status check(efme_synthetic_release_options *o, const efme_synthetic_release_options *options) {
  static const efme_synthetic_release_options defaults = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
  static const char what[] = "efme_synthetic_release_options";
  efme_status status = efme_options_load(o, sizeof *o, options, &defaults, what);
  if (status) return status;
  const struct {
    const char *name;
    uint32_t value, low, high;
  } ranges[] = {{"width", o->width, 48, 1024},         {"height", o->height, 48, 1024}, {"frames_min", o->frames_min, 4, 200},
                {"frames_max", o->frames_max, 4, 200}, {"quality", o->quality, 1, 100}, {"attempts", o->attempts, 1, 1000}};
  for (size_t i = 0; i < EFME_COUNT(ranges); i++)
    if (ranges[i].value < ranges[i].low || ranges[i].value > ranges[i].high)
      return efme_fail(EFME_E_ARGUMENT, "%s.%s is %u, not %u..%u", what, ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
  if (o->frames_min > o->frames_max)
    return efme_fail(EFME_E_ARGUMENT, "%s.frames_min is %u, frames_max %u", what, o->frames_min, o->frames_max);
  if (!(o->intensity_min >= 0 && o->intensity_min <= o->intensity_max && o->intensity_max <= 1))
    return efme_fail(EFME_E_ARGUMENT, "%s: intensity_min and intensity_max are not in order within 0..1", what);
  return EFME_OK;
}

efme_status efme_synthetic_release_write(efme_context *context, const char *folder, const efme_synthetic_release_options *options) {
  if (!context) return efme_fail(EFME_E_ARGUMENT, "context is NULL");
  if (!folder) return efme_fail(EFME_E_ARGUMENT, "folder is NULL");
  struct efme_archive archive = {.context = context, .allocator = efme_context_allocator(context), .folder = folder};
  efme_status status = check(&archive.options, options);
  if (!status && !*folder) status = efme_fail(EFME_E_ARGUMENT, "folder is empty");
  return status ? status : efme_archive_write(&archive);
}
