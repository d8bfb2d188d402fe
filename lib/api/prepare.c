/* efme_prepare: arguments are checked here; lib/prepare does the work. */
#include "efme/prepare.h"

#include <string.h>

#include "backend/context.h"
#include "efme/version.h"
#include "face/align.h"
#include "face/mtcnn.h"
#include "prepare/prepare.h"

static efme_status check(struct efme_preparation *p, const efme_prepare_options *options) {
  const efme_prepare_options defaults = EFME_PREPARE_OPTIONS_INIT;
  efme_prepare_options *o = &p->options;
  efme_status status = efme_options_load(o, sizeof *o, options, &defaults, "efme_prepare_options");
  if (status) return status;
  if (o->whole > 1 || o->lenient > 1)
    return efme_fail(EFME_E_ARGUMENT, "efme_prepare_options.%s is neither 0 nor 1", o->whole > 1 ? "whole" : "lenient");
  if ((o->whole != 0) + (o->locate != NULL) + (o->detectors != NULL) != 1)
    return efme_fail(EFME_E_ARGUMENT, "efme_prepare_options: who finds the faces? One of detectors, locate and whole must be set");
  if (!o->detectors != !o->detector_count || o->detector_count > 64)
    return efme_fail(EFME_E_ARGUMENT, "efme_prepare_options.detector_count is %u, and detectors is %sNULL", o->detector_count,
                     o->detectors ? "not " : "");
  for (uint32_t i = 0; i < o->detector_count; i++)
    if (!o->detectors[i]) return efme_fail(EFME_E_ARGUMENT, "efme_prepare_options.detectors[%u] is NULL", i);
  if (o->workers > 64 || (o->workers && o->detectors))
    return efme_fail(EFME_E_ARGUMENT, "efme_prepare_options.workers is %u, must be 0..64, and 0 with detectors", o->workers);
  if (o->detectors) o->workers = o->detector_count;
  else if (!o->workers) o->workers = EFME_MIN(efme_context_threads(p->dataset->context), 64u);
  return efme_align_options_check(&p->align, o->align);
}

/* One line of all that decides what a face looks like. */
static efme_status settle(struct efme_preparation *p) {
  static const char *const modes[] = {"rotated", "paper", "similarity"};
  struct efme_text t;
  efme_text_init(&t, p->allocator);
  efme_text_printf(&t, "libefme %s, %u x %u, ", efme_version_string(), p->align.width, p->align.height);
  if (p->options.whole) efme_text_add(&t, "whole images");
  else {
    efme_text_printf(&t, "%s, ", modes[p->align.mode]);
    if (p->options.locate) efme_text_add(&t, "faces by the program");
  }
  for (uint32_t i = 0; i < p->options.detector_count; i++) {
    size_t from = t.size;
    efme_face_detector_settings(p->options.detectors[i], &t);
    size_t n = t.size - from;
    if (!i || t.failed) continue;
    if (n > from || memcmp(t.data + from - n, t.data + from, n)) {
      efme_text_free(&t);
      return efme_fail(EFME_E_MISMATCH, "efme_prepare_options.detectors[%u] has other weights or options than detectors[0]", i);
    }
    t.data[t.size = from] = '\0';
  }
  return efme_text_take(&t, &p->settings, NULL);
}

static efme_status make_folders(const struct efme_preparation *p) {
  char *faces = efme_path_join(p->allocator, p->folder, "faces");
  if (!faces) return EFME_E_NOMEM;
  efme_status status = efme_dir_create(p->allocator, faces);
  efme_mem_free(p->allocator, faces);
  return status;
}

/* decisions.json holds what was done, however it ended. */
static efme_status work(struct efme_preparation *p) {
  efme_status status = make_folders(p);
  if (status == EFME_OK) status = efme_decisions_read(p);
  if (status) return status;
  status = efme_prepare_run(p);
  char text[512];
  efme_error_save(text);
  efme_status written = efme_decisions_write(p);
  if (status) {
    efme_error_restore(text);
    return status;
  }
  if (written == EFME_OK) written = efme_prepare_manifest(p);
  return written ? written : efme_prepare_sheet(p);
}

static efme_prepared count(const struct efme_preparation *p) {
  efme_prepared n = EFME_PREPARED_INIT;
  for (uint64_t i = 0; i < p->dataset->count; i++) {
    const struct efme_decision *d = &p->decisions[i];
    n.made += d->face && !d->kept, n.kept += d->face && d->kept, n.left_out += d->error != NULL, n.warned += d->warning != NULL;
  }
  return n;
}

efme_status efme_prepare(const efme_dataset *dataset, const char *folder, const efme_prepare_options *options, efme_prepared *what) {
  if (!dataset) return efme_fail(EFME_E_ARGUMENT, "dataset is NULL");
  if (!folder) return efme_fail(EFME_E_ARGUMENT, "folder is NULL");
  struct efme_preparation p = {.dataset = dataset, .folder = folder, .allocator = efme_context_allocator(dataset->context)};
  efme_status status = check(&p, options);
  if (status == EFME_OK) status = settle(&p);
  if (status == EFME_OK && !(p.decisions = efme_mem_calloc(p.allocator, dataset->count, sizeof *p.decisions, "decisions")))
    status = EFME_E_NOMEM;
  if (status == EFME_OK) status = work(&p);
  if (status == EFME_OK && what) {
    efme_prepared n = count(&p);
    status = efme_struct_store(what, &n, sizeof n, "efme_prepared");
  }
  for (uint64_t i = 0; p.decisions && i < dataset->count; i++) efme_decision_clear(&p.decisions[i], p.allocator);
  efme_mem_free(p.allocator, p.decisions), efme_mem_free(p.allocator, p.settings);
  return status;
}
