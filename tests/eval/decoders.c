/* A result names every decoder that made pixels of its data, not that of the first file: two kinds of file in one set, in both orders. */
#include "eval_test.h"

static char *folder;
static efme_context *context;
static efme_model *model;

static void put_pgm(const char *name, int value) {
  char file[11 + 32 * 32];
  int n = snprintf(file, sizeof file, "P5 32 32 9\n");
  for (int i = 0; i < 32 * 32; i++) file[n + i] = (char)((i * value) % 10);
  test_write(test_path(folder, name), file, (size_t)n + 32 * 32);
}

/* 32 x 32, 24 bits a pixel. */
static void put_bmp(const char *name, int value) {
  static unsigned char file[54 + 3 * 32 * 32] = {'B', 'M', 0, 0,  0, 0, 0, 0,  0, 0, 54, 0, 0, 0, 40,
                                                 0,   0,   0, 32, 0, 0, 0, 32, 0, 0, 0,  1, 0, 24};
  file[2] = (unsigned char)(sizeof file & 255), file[3] = (unsigned char)(sizeof file >> 8);
  for (size_t i = 54; i < sizeof file; i++) file[i] = (unsigned char)(i * (size_t)value);
  test_write(test_path(folder, name), (const char *)file, sizeof file);
}

static void setup(void) {
  folder = test_folder();
  context = test_context(1);
  efme_model_options o = EFME_MODEL_OPTIONS_INIT;
  o.cut = 1, o.height = o.width = 32, o.class_names = efme_classes_meg3(), o.class_count = 3;
  OK(efme_model_create(&model, context, &o));
  for (int i = 0; i < 3; i++) {
    char name[16];
    snprintf(name, sizeof name, "%d.pgm", i), put_pgm(name, i + 3);
    snprintf(name, sizeof name, "%d.bmp", i), put_bmp(name, i + 3);
  }
}

static void teardown(void) {
  efme_model_release(model), efme_context_release(context);
  test_remove(folder);
  free(folder);
}

/* The text of a result on these files, one sample of each class each; free it with efme_string_free. */
static char *score(const char *const endings[2]) {
  char table[512] = "path,label,subject,dataset\n";
  static const char *const labels[] = {"sad", "happy", "surprise"};
  for (int e = 0; e < 2; e++)
    for (int i = 0; endings[e] && i < 3; i++)
      snprintf(table + strlen(table), sizeof table - strlen(table), "%d.%s,%s,s%d%d,d\n", i, endings[e], labels[i], e, i);
  test_write(test_path(folder, "manifest.csv"), table, strlen(table));
  efme_dataset *all = NULL, *data = NULL;
  efme_result *result = NULL;
  char *text = NULL;
  OK(efme_dataset_open_manifest(&all, context, test_path(folder, "manifest.csv"), NULL));
  OK(efme_dataset_map_labels(&data, all, efme_label_map_builtin("meg3")));
  OK(efme_evaluate(&result, model, data, NULL));
  OK(efme_result_text(result, &text));
  efme_result_release(result), efme_dataset_release(data), efme_dataset_release(all);
  return text;
}

START_TEST(every_decoder_is_named) {
  static const char *const orders[][2] = {{"pgm", "bmp"}, {"bmp", "pgm"}, {"pgm", NULL}, {"bmp", NULL}};
  for (int k = 0; k < 4; k++) {
    char *text = score(orders[k]);
    const char *decoder = strstr(text, "decoder stb_image 2.");
    if (k < 2) ck_assert_msg(decoder && strstr(decoder, ", efme pnm, library"), "%s", text);
    if (k == 2) HAS(text, "decoder efme pnm, library");
    if (k == 3) ck_assert_msg(decoder && !strstr(text, "efme pnm"), "%s", text);
    efme_string_free(text);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("eval_decoders");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_unchecked_fixture(t, setup, teardown);
  tcase_add_test(t, every_decoder_is_named);
  return test_run(suite);
}
