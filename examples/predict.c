/* efme-predict: classifies images, whole or inside a given box. Detection of faces is not part of the library yet. */
#include "common.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: efme-predict --weights FILE [options] IMAGE...\n"
    "Prints class and probabilities of each image: a line each, or JSON lines.\n\n"
    "  --weights FILE   weights written by efme-pretrain\n"
    "  --box X,Y,W,H    look at this box only (pixels); else the whole image is taken to be the face\n"
    "  --grey           make the image grey first, as FER2013 and CK+48 are\n"
    "  --synthetic N    instead of files: samples 0 .. N-1 (N <= 576) of the built-in synthetic faces, with their true class\n"
    "  --json           one JSON object a line\n"
    "  --threads N      0: one per CPU\n"
    "Exit codes: 0 all images classified, 1 some or all failed, 2 wrong usage, 3 interrupted.\n";

static const char me[] = "efme-predict";

struct choice {
  const char *weights;
  int box[4], has_box, grey, json, synthetic;
  uint32_t threads;
};

static void parse(struct choice *c, int argc, char **argv) {
  static const struct option options[] = {{"weights", 1, 0, 'w'}, {"box", 1, 0, 'b'},     {"grey", 0, 0, 'g'}, {"synthetic", 1, 0, 's'},
                                          {"json", 0, 0, 'j'},    {"threads", 1, 0, 't'}, {"help", 0, 0, 'h'}, {0, 0, 0, 0}};
  char rest;
  for (int o; (o = getopt_long(argc, argv, "h", options, NULL)) != -1;) switch (o) {
    case 'w':
      c->weights = optarg;
      break;
    case 'b':
      if (sscanf(optarg, "%9d,%9d,%9d,%9d%c", &c->box[0], &c->box[1], &c->box[2], &c->box[3], &rest) != 4 || c->box[2] < 1 || c->box[3] < 1)
        usage_error(me, "--box takes X,Y,W,H in pixels, not '%s'", optarg);
      c->has_box = 1;
      break;
    case 'g':
      c->grey = 1;
      break;
    case 's':
      c->synthetic = (int)option_whole(me, "--synthetic", optarg, 1, 576);
      break;
    case 'j':
      c->json = 1;
      break;
    case 't':
      c->threads = (uint32_t)option_whole(me, "--threads", optarg, 0, 256);
      break;
    case 'h':
      fputs(help, stdout);
      exit(program_ended("efme-predict", EXIT_DONE));
    default:
      exit(EXIT_USAGE);
    }
  if (!c->weights || (optind == argc) == !c->synthetic) usage_error(me, "needs --weights and either images or --synthetic");
}

/* The luma that the JPEG standard (ITU-R BT.601) gives: what grey datasets were made with. */
static efme_status to_grey(efme_image **image, efme_context *context) {
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  efme_status status = efme_image_get_info(*image, &info);
  if (status != EFME_OK || info.channels == 1) return status;
  size_t n = (size_t)info.width * info.height;
  unsigned char *grey = malloc(n);
  if (!grey) return EFME_E_NOMEM;
  const unsigned char *p = efme_image_pixels(*image);
  for (size_t i = 0; i < n; i++, p += 3) grey[i] = (unsigned char)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
  efme_image *made = NULL;
  status = efme_image_from_pixels(&made, context, grey, EFME_PIXEL_GREY8, info.width, info.height, 0);
  free(grey);
  if (status != EFME_OK) return status;
  efme_image_release(*image);
  *image = made;
  return EFME_OK;
}

static efme_status prepare(efme_image **image, efme_context *context, const struct choice *c) {
  efme_status status = EFME_OK;
  if (c->has_box) {
    efme_image *part = NULL;
    status = efme_image_crop(&part, *image, c->box[0], c->box[1], (uint32_t)c->box[2], (uint32_t)c->box[3]);
    if (status != EFME_OK) return status;
    efme_image_release(*image);
    *image = part;
  }
  return c->grey ? to_grey(image, context) : status;
}

static void print_json_string(const char *s) {
  putchar('"');
  for (; *s; s++) {
    if (*s == '"' || *s == '\\') putchar('\\'), putchar(*s);
    else if ((unsigned char)*s < 32) printf("\\u%04x", (unsigned)*s);
    else putchar(*s);
  }
  putchar('"');
}

static void print_json(const char *name, const char *decoder, const efme_model *model, uint32_t label, const float *probabilities,
                       uint32_t classes) {
  printf("{\"image\":"), print_json_string(name);
  printf(",\"decoder\":"), print_json_string(decoder);
  printf(",\"class\":"), print_json_string(efme_model_class_name(model, label));
  printf(",\"probabilities\":{");
  for (uint32_t k = 0; k < classes; k++) {
    printf("%s", k ? "," : ""), print_json_string(efme_model_class_name(model, k));
    printf(":%.6f", (double)probabilities[k]);
  }
  puts("}}");
}

static void print_text(const char *name, const efme_model *model, uint32_t label, const float *probabilities, uint32_t classes) {
  printf("%s: %s ", name, efme_model_class_name(model, label));
  for (uint32_t k = 0; k < classes; k++) printf(" %s %.3f", efme_model_class_name(model, k), (double)probabilities[k]);
  puts("");
}

/* Opens image number i: a file, or a synthetic face with a name made up for it. */
static efme_status open_image(efme_image **out, char shown[], size_t size, efme_context *context, const efme_dataset *faces, int i,
                              char **paths) {
  if (!faces) return efme_image_load(out, context, paths[i], NULL);
  efme_sample sample = EFME_SAMPLE_INIT;
  efme_status status = efme_dataset_sample(faces, (uint64_t)i, &sample);
  if (status == EFME_OK) snprintf(shown, size, "%s (truly %s)", sample.key, sample.native_label);
  return status == EFME_OK ? efme_dataset_read(faces, (uint64_t)i, out) : status;
}

int main(int argc, char **argv) {
  struct choice c;
  memset(&c, 0, sizeof c);
  parse(&c, argc, argv);
  efme_context *context = NULL;
  efme_model *model = NULL;
  efme_predictor *predictor = NULL;
  efme_dataset *faces = NULL;
  efme_model_info info = EFME_MODEL_INFO_INIT;
  float *probabilities = NULL;
  const char *what = "start";
  efme_status status = program_start(&context, c.threads);
  if (status == EFME_OK) what = c.weights, status = efme_model_load(&model, context, c.weights, NULL);
  if (status == EFME_OK) status = efme_model_get_info(model, &info);
  if (status == EFME_OK) what = "predictor", status = efme_predictor_create(&predictor, model, NULL);
  if (status == EFME_OK && c.synthetic) what = "synthetic faces", status = efme_dataset_open_synthetic(&faces, context, NULL);
  if (status == EFME_OK && !(probabilities = calloc(info.class_count, sizeof(float)))) status = EFME_E_NOMEM;
  int code = status == EFME_OK ? EXIT_DONE : program_failed(me, what, status);
  int count = status != EFME_OK ? 0 : c.synthetic ? c.synthetic : argc - optind, i = 0;
  for (; i < count && !program_interrupted(); i++) {
    efme_image *image = NULL;
    efme_image_info seen = EFME_IMAGE_INFO_INIT;
    efme_prediction result;
    char made_up[128] = "a synthetic face";
    const char *shown = c.synthetic ? made_up : argv[optind + i];
    status = open_image(&image, made_up, sizeof made_up, context, faces, i, argv + optind);
    if (status == EFME_OK) status = efme_image_get_info(image, &seen);
    if (status == EFME_OK) status = prepare(&image, context, &c);
    if (status == EFME_OK) status = efme_predictor_run_images(predictor, &image, 1, &result, probabilities);
    if (status == EFME_OK) status = result.status;
    if (status != EFME_OK) code = program_failed(me, shown, status);
    else if (c.json) print_json(shown, seen.decoder, model, (uint32_t)result.label, probabilities, info.class_count);
    else print_text(shown, model, (uint32_t)result.label, probabilities, info.class_count);
    efme_image_release(image);
  }
  if (i < count) code = program_failed(me, "images", EFME_E_CANCELLED);
  free(probabilities);
  efme_dataset_release(faces);
  efme_predictor_release(predictor);
  efme_model_release(model);
  efme_context_release(context);
  return program_ended(me, code);
}
