/* Classifies one image: consumer MODEL IMAGE. README.md shows this program; tests/install builds it against the installed library. */
#include <efme/efme.h>
#include <stdio.h>

int main(int argc, char **argv) {
  efme_context *context = NULL;
  efme_model *model = NULL;
  efme_predictor *predictor = NULL;
  efme_image *image = NULL;
  efme_prediction result;
  if (argc != 3) return 2;
  int failed = efme_context_create(&context, NULL) || efme_model_load(&model, context, argv[1], NULL) ||
               efme_image_load(&image, context, argv[2], NULL) || efme_predictor_create(&predictor, model, NULL) ||
               efme_predictor_run_images(predictor, &image, 1, &result, NULL) || result.status;
  if (failed) fprintf(stderr, "consumer: %s\n", efme_last_error());
  else printf("%s %.3f\n", efme_model_class_name(model, (uint32_t)result.label), result.confidence);
  efme_image_release(image); /* NULL is allowed, and any order */
  efme_predictor_release(predictor);
  efme_model_release(model);
  efme_context_release(context);
  return failed;
}
