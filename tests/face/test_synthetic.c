/* How many of the library's synthetic faces are faces to MTCNN, and whether its box and eyes are where they were drawn. */
#include "face_test.h"

START_TEST(synthetic_faces) {
  if (test_absent(FACE_WEIGHTS)) return;
  efme_context *context = NULL;
  efme_context_options co = EFME_CONTEXT_OPTIONS_INIT;
  efme_face_detector *detector = NULL;
  efme_dataset *data = NULL;
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  co.backend = "cpu", co.threads = 2;
  o.subjects = 100, o.samples_per_subject = 3, o.size = 160, o.intensity_min = 0, o.intensity_max = 1;
  OK(efme_context_create(&context, &co));
  OK(efme_face_detector_create(&detector, context, test_shared(FACE_WEIGHTS), NULL));
  OK(efme_dataset_open_synthetic(&data, context, &o));
  uint64_t count = efme_dataset_count(data), with = 0, right = 0, more = 0;
  double eyes_off = 0;
  ck_assert_uint_ge(count, 280); /* a few subjects miss a class */
  for (uint64_t i = 0; i < count; i++) {
    efme_image *image = NULL;
    float box[4], eyes[4], off = 0;
    OK(efme_dataset_read(data, i, &image));
    OK(efme_dataset_synthetic_truth(data, i, box, eyes));
    struct found f = find_faces(detector, image);
    efme_image_release(image);
    with += f.count > 0, more += f.count > 1;
    if (!f.count) continue;
    for (int k = 0; k < 4; k++) off = fmaxf(off, fabsf(f.faces[0].landmarks[k] - eyes[k]));
    right += off < 12;
    eyes_off += (double)off;
  }
  printf("synthetic faces of 160 px: %llu of %llu found (%.1f %%), %llu with eyes within 12 px (largest error %.1f px on average), %llu "
         "with more than one\n",
         (unsigned long long)with, (unsigned long long)count, 100.0 * (double)with / (double)count, (unsigned long long)right,
         eyes_off / (double)with, (unsigned long long)more);
  ck_assert_msg(with * 100 >= count * 95, "%llu of %llu found", (unsigned long long)with, (unsigned long long)count);
  efme_dataset_release(data);
  efme_face_detector_release(detector);
  efme_context_release(context);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("face_synthetic");
  TCase *t = tcase_create("synthetic");
  tcase_set_timeout(t, 0);
  tcase_add_test(t, synthetic_faces);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
