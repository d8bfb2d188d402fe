/* api_arguments: datasets and views. */
#include "api/arguments.h"

static efme_status no_describe(efme_sample *s, uint64_t index, void *user) {
  (void)s, (void)index, (void)user;
  return EFME_E_IO;
}

static efme_status no_read(efme_image **made, efme_context *c, uint64_t index, void *user) {
  (void)made, (void)c, (void)index, (void)user;
  return EFME_E_IO;
}

/* ---- dataset.h ---- */

START_TEST(datasets_opened) {
  efme_dataset_options o = EFME_DATASET_OPTIONS_INIT, wrong = EFME_DATASET_OPTIONS_INIT, stop = EFME_DATASET_OPTIONS_INIT;
  wrong.lenient = 2, stop.progress = stop_reading;
  efme_dataset *made = NULL;
  char row[48 * 48 * 2 + 1];
  for (size_t i = 0; i < sizeof row - 1; i++) row[i] = i % 2 ? ' ' : '1';
  row[sizeof row - 2] = '\0';
  char *table = malloc(sizeof row + 64);
  sprintf(table, "emotion,pixels\n0,%s\n", row);
  const char *fer = put("good.csv", table), *manifest = put("manifest.csv", "path,label,subject,dataset\none.pgm,happy,s,d\n");
  free(table);
  put("one.pgm", "P5 1 1 255\nx");
  put("ck48/happy/S001_001_00000001.png", "x");
  put("ckplus/cohn-kanade-images/S005/001/S005_001_00000001.png", "x");
  put("ckplus/Emotion/S005/001/S005_001_00000001_emotion.txt", "   3.0000000e+00\n");
#define READER(function, file)                                                                                                             \
  WITHOUT(out, function, NULL, context, file, &o);                                                                                         \
  WITHOUT(context, function, &out.data, NULL, file, &o);                                                                                   \
  WITHOUT(path, function, &out.data, context, NULL, &o);                                                                                   \
  note(#function, "options"); /* as here */                                                                                                \
  REFUSED(IO, "absent", function, &out.data, context, in_folder("absent"), NULL);                                                          \
  REFUSED(ARGUMENT, "lenient", function, &out.data, context, file, &wrong);                                                                \
  REFUSED(CANCELLED, "", function, &out.data, context, file, &stop)
  READER(efme_dataset_open_fer2013, fer);
  READER(efme_dataset_open_ck48, in_folder("ck48"));
  READER(efme_dataset_open_manifest, manifest);
  READER(efme_dataset_open_ckplus, in_folder("ckplus"));
  REFUSED(FORMAT, "fer.csv", efme_dataset_open_fer2013, &out.data, context, in_folder("fer.csv"), NULL);

  efme_synthetic_options s = EFME_SYNTHETIC_OPTIONS_INIT;
  WITHOUT(out, efme_dataset_open_synthetic, NULL, context, &s);
  WITHOUT(context, efme_dataset_open_synthetic, &out.data, NULL, &s);
  ALLOWED(options, efme_dataset_open_synthetic, efme_dataset_open_synthetic(&made, context, NULL) == EFME_OK);
  efme_dataset_release(made);
  s.size = 31;
  REFUSED(ARGUMENT, "size is 31", efme_dataset_open_synthetic, &out.data, context, &s);
  WITHOUT(dataset, efme_dataset_synthetic_truth, NULL, 0, out.box, out.eyes);
  WITHOUT(box, efme_dataset_synthetic_truth, data, 0, NULL, out.eyes);
  WITHOUT(eyes, efme_dataset_synthetic_truth, data, 0, out.box, NULL);
  REFUSED(ARGUMENT, "24 samples", efme_dataset_synthetic_truth, data, 24, out.box, out.eyes);
  REFUSED(UNSUPPORTED, "synthetic", efme_dataset_synthetic_truth, two_classes, 0, out.box, out.eyes);

  efme_synthetic_release_options r = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
  r.width = r.height = 48, r.frames_min = r.frames_max = 4, r.subjects = r.clips = 1;
  WITHOUT(context, efme_synthetic_release_write, NULL, in_folder("release"), &r);
  WITHOUT(folder, efme_synthetic_release_write, context, NULL, &r);
  note("efme_synthetic_release_write", "options"); /* the whole release: tests of lib/data */
  OK(efme_synthetic_release_write(context, in_folder("release"), &r));
  REFUSED(STATE, "not empty", efme_synthetic_release_write, context, in_folder("release"), &r);
  REFUSED(STATE, "not empty", efme_synthetic_release_write, context, in_folder("release"), NULL);
  REFUSED(IO, "good.csv", efme_synthetic_release_write, context, fer, &r);
  r.progress = stop_reading;
  REFUSED(CANCELLED, "1 of 3 clips", efme_synthetic_release_write, context, in_folder("release2"), &r);
  r.width = 47;
  REFUSED(ARGUMENT, "width is 47", efme_synthetic_release_write, context, in_folder("release3"), &r);

  efme_dataset_callbacks c = callbacks();
  WITHOUT(out, efme_dataset_create, NULL, context, &c);
  WITHOUT(context, efme_dataset_create, &out.data, NULL, &c);
  WITHOUT(callbacks, efme_dataset_create, &out.data, context, NULL);
  c.describe = NULL;
  REFUSED(ARGUMENT, "describe is NULL", efme_dataset_create, &out.data, context, &c);
  c.describe = no_describe;
  REFUSED(IO, "sample 0", efme_dataset_create, &out.data, context, &c);
  c = callbacks(), c.read = NULL;
  REFUSED(ARGUMENT, "read is NULL", efme_dataset_create, &out.data, context, &c);
  c.read = no_read, c.count = 0;
  REFUSED(ARGUMENT, "count is 0", efme_dataset_create, &out.data, context, &c);
  c.count = 8, c.class_names = classes2;
  REFUSED(ARGUMENT, "class_names and class_count", efme_dataset_create, &out.data, context, &c);
  c.class_names = NULL;
  OK(efme_dataset_create(&made, context, &c));
  REFUSED(IO, "host/even/0", efme_dataset_read, made, 0, &out.image);
  efme_dataset_release(made);
  ALLOWED(dataset, efme_dataset_retain, efme_dataset_retain(NULL) == NULL);
  ALLOWED(dataset, efme_dataset_release, (efme_dataset_release(NULL), 1));
}
END_TEST

START_TEST(datasets_asked) {
  ALLOWED(dataset, efme_dataset_count, efme_dataset_count(NULL) == 0);
  ALLOWED(dataset, efme_dataset_class_count, efme_dataset_class_count(NULL) == 0);
  ALLOWED(dataset, efme_dataset_class_name, !efme_dataset_class_name(NULL, 0) && !efme_dataset_class_name(data, 3));
  ALLOWED(dataset, efme_dataset_subject_count, efme_dataset_subject_count(NULL) == 0);
  ALLOWED(dataset, efme_dataset_subject, !efme_dataset_subject(NULL, 0) && !efme_dataset_subject(data, 4));
  ALLOWED(dataset, efme_dataset_fingerprint, efme_dataset_fingerprint(NULL) == 0);
  WITHOUT(dataset, efme_dataset_class_counts, NULL, out.counts, 3);
  WITHOUT(counts, efme_dataset_class_counts, data, NULL, 3);
  REFUSED(ARGUMENT, "capacity is 2", efme_dataset_class_counts, data, out.counts, 2);
  WITHOUT(dataset, efme_dataset_sample, NULL, 0, &out.sample);
  WITHOUT(out, efme_dataset_sample, data, 0, NULL);
  REFUSED(ARGUMENT, "index is 24", efme_dataset_sample, data, 24, &out.sample);
  WITHOUT(dataset, efme_dataset_field, NULL, 0, "clip", &out.name);
  WITHOUT(column, efme_dataset_field, data, 0, NULL, &out.name);
  WITHOUT(out, efme_dataset_field, data, 0, "clip", NULL);
  REFUSED(ARGUMENT, "index is 24", efme_dataset_field, data, 24, "clip", &out.name);
  REFUSED(NOT_FOUND, "no-such", efme_dataset_field, data, 0, "no-such", &out.name);
  WITHOUT(dataset, efme_dataset_read, NULL, 0, &out.image);
  WITHOUT(out, efme_dataset_read, data, 0, NULL);
  REFUSED(ARGUMENT, "index is 24", efme_dataset_read, data, 24, &out.image);
  WITHOUT(dataset, efme_dataset_describe, NULL, 0, &out.text);
  WITHOUT(out, efme_dataset_describe, data, 0, NULL);
  ALLOWED(text, efme_string_free, (efme_string_free(NULL), 1));
}
END_TEST

START_TEST(datasets_viewed) {
  static const uint64_t twice[] = {1, 1}, far[] = {24};
  ALLOWED(name, efme_label_map_builtin, efme_label_map_builtin(NULL) == NULL);
  const efme_label_map *map = efme_label_map_builtin("meg3");
  WITHOUT(out, efme_dataset_map_labels, NULL, data, map);
  WITHOUT(dataset, efme_dataset_map_labels, &out.data, NULL, map);
  WITHOUT(map, efme_dataset_map_labels, &out.data, data, NULL);
  REFUSED(MISMATCH, "\"a\"", efme_dataset_map_labels, &out.data, two_classes, map);
  WITHOUT(out, efme_dataset_filter, NULL, data, "label", "positive", 0);
  WITHOUT(dataset, efme_dataset_filter, &out.data, NULL, "label", "positive", 0);
  WITHOUT(column, efme_dataset_filter, &out.data, data, NULL, "positive", 0);
  WITHOUT(value, efme_dataset_filter, &out.data, data, "label", NULL, 0);
  REFUSED(NOT_FOUND, "no-such", efme_dataset_filter, &out.data, data, "no-such", "x", 0);
  REFUSED(NOT_FOUND, "\"angry\"", efme_dataset_filter, &out.data, data, "label", "angry", 0);
  WITHOUT(out, efme_dataset_balance, NULL, data, 0, 1);
  WITHOUT(dataset, efme_dataset_balance, &out.data, NULL, 0, 1);
  REFUSED(MISMATCH, "1000 are wanted", efme_dataset_balance, &out.data, data, 1000, 1);
  static const double ratios[] = {0, 1, -1, 2, NAN};
#define SPLIT(function)                                                                                                                    \
  WITHOUT(first, function, NULL, &out.data2, data, .5, 1);                                                                                 \
  WITHOUT(second, function, &out.data, NULL, data, .5, 1);                                                                                 \
  WITHOUT(dataset, function, &out.data, &out.data2, NULL, .5, 1);                                                                          \
  for (size_t i = 0; i < 5; i++) REFUSED(ARGUMENT, "ratio", function, &out.data, &out.data2, data, ratios[i], 1)
  SPLIT(efme_dataset_split);
  SPLIT(efme_dataset_split_subjects);
  REFUSED(MISMATCH, "too few", efme_dataset_split, &out.data, &out.data2, data, 1e-9, 1);
  efme_dataset *one = NULL;
  OK(efme_dataset_filter(&one, data, "subject", efme_dataset_subject(data, 0), 0));
  REFUSED(MISMATCH, "only subject", efme_dataset_split_subjects, &out.data, &out.data2, one, .5, 1);
  WITHOUT(out, efme_dataset_without, NULL, data, one);
  WITHOUT(dataset, efme_dataset_without, &out.data, NULL, one);
  WITHOUT(other, efme_dataset_without, &out.data, data, NULL);
  REFUSED(NOT_FOUND, "", efme_dataset_without, &out.data, one, data);
  WITHOUT(out, efme_dataset_subset, NULL, data, twice, 1);
  WITHOUT(dataset, efme_dataset_subset, &out.data, NULL, twice, 1);
  WITHOUT(indices, efme_dataset_subset, &out.data, data, NULL, 1);
  REFUSED(ARGUMENT, "count is 0", efme_dataset_subset, &out.data, data, twice, 0);
  REFUSED(ARGUMENT, "stands twice", efme_dataset_subset, &out.data, data, twice, 2);
  REFUSED(ARGUMENT, "indices[0] is 24", efme_dataset_subset, &out.data, data, far, 1);
  const efme_dataset *both[] = {data, data}, *hole[] = {data, NULL}, *foreign[] = {data, other_data}, *unlike[] = {data, two_classes};
  WITHOUT(out, efme_dataset_concat, NULL, both, 1);
  WITHOUT(datasets, efme_dataset_concat, &out.data, NULL, 1);
  REFUSED(ARGUMENT, "count is 0", efme_dataset_concat, &out.data, both, 0);
  REFUSED(ARGUMENT, "datasets[1] is NULL", efme_dataset_concat, &out.data, hole, 2);
  REFUSED(ARGUMENT, "another context", efme_dataset_concat, &out.data, foreign, 2);
  REFUSED(MISMATCH, "2 classes", efme_dataset_concat, &out.data, unlike, 2);
  REFUSED(MISMATCH, "two of the datasets", efme_dataset_concat, &out.data, both, 2);
  efme_dataset_release(one);
}
END_TEST

void add_data_tests(TCase *t) {
  tcase_add_test(t, datasets_opened);
  tcase_add_test(t, datasets_asked);
  tcase_add_test(t, datasets_viewed);
}
