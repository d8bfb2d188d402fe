/* The synthetic source: subjects with a few pictures each, drawn when they are read. */
#include <stdio.h>
#include <string.h>

#include "data/dataset.h"
#include "data/portrait.h"

static const char *const class_names[3] = {"negative", "positive", "surprise"};

/* Every eighth subject or so lacks one class, as people in real sets do. 3: none is missing. */
static uint32_t missing_class(uint64_t seed, uint32_t number) {
  uint32_t w[4];
  efme_philox(w, seed, EFME_RNG_SYNTHETIC, 0, number, 0x20000);
  return w[0] % 8 ? 3 : w[1] % 3;
}

/* Classes go round, from where the subject's number says. */
static uint32_t class_of(uint64_t seed, uint32_t number, uint32_t sample) {
  uint32_t missing = missing_class(seed, number);
  if (missing == 3) return (number + sample) % 3;
  return (missing + 1 + (number + sample) % 2) % 3;
}

static void make(struct efme_portrait *f, const efme_synthetic_options *o, uint64_t record) {
  uint32_t number = o->first_subject + (uint32_t)(record / o->samples_per_subject), sample = (uint32_t)(record % o->samples_per_subject),
           w[4];
  efme_philox(w, o->seed, EFME_RNG_SYNTHETIC, sample + 1, number, 0x20000);
  double t = (double)o->intensity_min + ((double)o->intensity_max - (double)o->intensity_min) * efme_unit_f64(w[0], w[1]);
  efme_portrait_make(f, o->seed, number, sample, (enum efme_expression)class_of(o->seed, number, sample), t);
}

static efme_status synthetic_read(struct efme_store *s, uint64_t record, efme_image **out) {
  const efme_synthetic_options *o = s->state;
  struct efme_portrait f;
  struct efme_pixels px;
  efme_status status = efme_pixels_alloc(&px, s->allocator, o->size, o->size, o->channels);
  if (status) return status;
  struct efme_fpenv fpenv;
  efme_fpenv_enter(&fpenv);
  make(&f, o, record);
  efme_portrait_draw(px.data, o->size, o->size, o->channels, &f);
  efme_fpenv_leave(&fpenv);
  return efme_image_new(out, s->context, s->allocator, &px, 1, "synthetic");
}

static void synthetic_destroy(struct efme_store *s) { efme_mem_free(s->allocator, s->state); }

static const struct efme_source synthetic_source = {synthetic_read, NULL, synthetic_destroy};

static efme_status check(efme_synthetic_options *o, const efme_synthetic_options *options) {
  static const efme_synthetic_options defaults = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_status status = efme_options_load(o, sizeof *o, options, &defaults, "efme_synthetic_options");
  if (status) return status;
  static const char what[] = "efme_synthetic_options";
  if (o->subjects < 1 || o->subjects > 10000) return efme_fail(EFME_E_ARGUMENT, "%s.subjects is %u, not 1..10000", what, o->subjects);
  if (o->samples_per_subject < 1 || o->samples_per_subject > 10000)
    return efme_fail(EFME_E_ARGUMENT, "%s.samples_per_subject is %u, not 1..10000", what, o->samples_per_subject);
  if (o->size < 32 || o->size > 1024) return efme_fail(EFME_E_ARGUMENT, "%s.size is %u, not 32..1024", what, o->size);
  if (!(o->intensity_min >= 0 && o->intensity_min <= o->intensity_max && o->intensity_max <= 1))
    return efme_fail(EFME_E_ARGUMENT, "%s: intensity_min and intensity_max are not in order within 0..1", what);
  if (o->first_subject > UINT32_MAX - o->subjects)
    return efme_fail(EFME_E_ARGUMENT, "%s.first_subject is %u, too large", what, o->first_subject);
  if (o->reserved) return efme_fail(EFME_E_ARGUMENT, "%s.reserved is %u, must be 0", what, o->reserved);
  if (o->channels != 1 && o->channels != 3) return efme_fail(EFME_E_ARGUMENT, "%s.channels is %u, not 1 or 3", what, o->channels);
  return EFME_OK;
}

/* Everything that pixels depend on but for the key. */
static uint64_t content_seed(const efme_synthetic_options *o) {
  uint64_t v[5] = {1 /* version of the drawing */, o->size, o->channels, 0, 0};
  double low = (double)o->intensity_min, high = (double)o->intensity_max;
  memcpy(&v[3], &low, 8), memcpy(&v[4], &high, 8);
  return efme_hash64(v, sizeof v, o->seed);
}

static efme_status add_samples(struct efme_store *s, const efme_synthetic_options *o) {
  for (uint32_t k = 0; k < o->subjects; k++)
    for (uint32_t i = 0; i < o->samples_per_subject; i++) {
      char subject[48], clip[16];
      uint32_t number = o->first_subject + k, label = class_of(o->seed, number, i);
      snprintf(subject, sizeof subject, "%llu-%05u", (unsigned long long)o->seed, number);
      snprintf(clip, sizeof clip, "%05u", i);
      struct efme_row r = EFME_ROW_INIT;
      r.dataset = "synthetic", r.subject = subject, r.clip = clip, r.native = class_names[label], r.label = (int32_t)label,
      r.row = s->count + 1;
      efme_status status = efme_store_add(s, &r);
      if (status) return status;
    }
  if (!(s->contents = efme_mem_array(s->allocator, s->count, sizeof *s->contents, "synthetic faces"))) return EFME_E_NOMEM;
  for (size_t i = 0; i < s->count; i++) s->contents[i] = content_seed(o);
  return EFME_OK;
}

efme_status efme_dataset_open_synthetic(efme_dataset **out, efme_context *context, const efme_synthetic_options *options) {
  if (!out || !context) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !out ? "out" : "context");
  efme_synthetic_options o;
  efme_status status = check(&o, options);
  if (status) return status;
  struct efme_store *s;
  status = efme_store_create(&s, context, NULL);
  if (status) return status;
  efme_synthetic_options *kept = efme_mem_alloc(s->allocator, sizeof o, "synthetic faces");
  if (!kept) status = EFME_E_NOMEM;
  else {
    *kept = o;
    s->state = kept, s->source = &synthetic_source, s->size = (struct efme_size){o.size, o.size, o.channels};
    status = add_samples(s, &o);
  }
  if (!status) status = efme_store_finish(s, "synthetic faces");
  if (!status) return efme_dataset_from_store(out, s, class_names, 3);
  efme_store_release(s);
  return status;
}

efme_status efme_dataset_synthetic_truth(const efme_dataset *d, uint64_t index, float box[4], float eyes[4]) {
  if (!d || !box || !eyes) return efme_fail(EFME_E_ARGUMENT, "%s is NULL", !d ? "dataset" : !box ? "box" : "eyes");
  if (index >= d->count)
    return efme_fail(EFME_E_ARGUMENT, "index is %llu, there are %llu samples", (unsigned long long)index, (unsigned long long)d->count);
  const struct efme_store *s = efme_item_store(d, index);
  if (s->source != &synthetic_source) return efme_fail(EFME_E_UNSUPPORTED, "sample %s is not synthetic", efme_item_record(d, index)->key);
  const efme_synthetic_options *o = s->state;
  struct efme_portrait f;
  struct efme_fpenv fpenv;
  efme_fpenv_enter(&fpenv);
  make(&f, o, d->items[index].record);
  efme_portrait_truth(box, eyes, o->size, o->size, &f);
  efme_fpenv_leave(&fpenv);
  return EFME_OK;
}
