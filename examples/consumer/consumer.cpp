// Makes what consumer.c reads: consumer_cpp MODEL IMAGE writes a model with fresh weights and a grey gradient as PGM. C++11.
#include <efme/efme.h>

#include <fstream>
#include <iostream>
#include <memory>

struct Release {
  void operator()(efme_context *p) const { efme_context_release(p); }
  void operator()(efme_model *p) const { efme_model_release(p); }
};

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  efme_evaluator_release(nullptr); // reaches every part of the library: a static link that lacks one of its libraries fails
  if (efme_version() != EFME_VERSION) {
    std::cerr << "headers and library are of different versions\n";
    return 1;
  }
  efme_context *context = nullptr;
  efme_context_options context_options = EFME_CONTEXT_OPTIONS_INIT;
  context_options.threads = 1;
  efme_status status = efme_context_create(&context, &context_options);
  std::unique_ptr<efme_context, Release> context_owner(context);

  efme_model *model = nullptr;
  efme_model_options options = EFME_MODEL_OPTIONS_INIT;
  options.class_names = efme_classes_meg3();
  options.class_count = 3;
  options.cut = 2;
  if (status == EFME_OK) status = efme_model_create(&model, context, &options);
  std::unique_ptr<efme_model, Release> model_owner(model);
  if (status == EFME_OK) status = efme_model_save(model, argv[1], EFME_WEIGHTS_F16);
  if (status != EFME_OK) {
    std::cerr << efme_status_name(status) << ": " << efme_last_error() << '\n';
    return 1;
  }
  std::ofstream image(argv[2], std::ios::binary);
  image << "P5\n64 48\n255\n";
  for (int y = 0; y < 48; y++)
    for (int x = 0; x < 64; x++) image.put(static_cast<char>(x * 3 + y));
  return image.good() ? 0 : 1;
}
