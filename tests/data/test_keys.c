/* One spelling of sets and subjects, whoever writes them: readers, host programs and logs meet in it. */
#include "data/keys.h"
#include "data_test.h"

static efme_context *context;

START_TEST(spellings) {
  static const struct {
    const char *dataset, *subject, *canonical; /* subject of it */
  } cases[] = {{"SMIC", "s1", "smic/s01"},
               {"smic-HS", "01", "smic/s01"},
               {"smic", "smic/s01", "smic/s01"},
               {"smic", "S20", "smic/s20"},
               {"smic", "s101", "smic/s101"},
               {"CASME II", "1", "casme2/sub01"},
               {"casme2", "sub1", "casme2/sub01"},
               {"casme_ii", "Sub26", "casme2/sub26"},
               {"SAMM", "6", "samm/006"},
               {"samm", "006", "samm/006"},
               {"samm", "0037", "samm/037"},
               {"smic", "s1x", "smic/s1x"},
               {"smic", "sub1", "smic/sub1"},
               {"CK+", "S005", "ckplus/S005"},
               {"own", "1", "own/1"},
               {"own", "own/01", "own/01"},
               {"smic", "s", "smic/s"},
               {"samm", "1234567890", "samm/1234567890"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char out[32], key[64];
    const char *dataset = efme_key_set(cases[i].dataset);
    snprintf(key, sizeof key, "%s/%s", dataset, efme_key_bare_subject(out, dataset, cases[i].subject));
    ck_assert_str_eq(key, cases[i].canonical);
  }
}
END_TEST

static efme_status describe(efme_sample *s, uint64_t index, void *user) {
  static const char *const rows[][2] = {{"SMIC", "1"}, {"CASMEII", "sub2"}, {"samm", "6"}};
  (void)user;
  s->dataset = rows[index][0];
  s->subject = rows[index][1];
  s->native_label = index ? "happy" : "sad";
  return EFME_OK;
}

static efme_status no_image(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)out, (void)c, (void)index, (void)user;
  return EFME_E_UNSUPPORTED;
}

/* A host program and a manifest that name the same people have the same keys. */
START_TEST(readers_agree) {
  efme_dataset_callbacks c = {sizeof c, 3, describe, no_image, NULL, NULL, NULL, 0, 0};
  efme_dataset *host = NULL, *manifest = NULL;
  put_image("a.pgm", 4, 1);
  const char *path =
      put_text("list.csv", "path,label,subject,dataset\na.pgm,happy,s01,smic-hs\na.pgm,happy,sub02,casme2\na.pgm,sad,006,SAMM\n");
  assert_ok(efme_dataset_create(&host, context, &c));
  assert_ok(efme_dataset_open_manifest(&manifest, context, path, NULL));
  for (uint64_t i = 0; i < 3; i++) {
    ck_assert_str_eq(sample_of(host, i).subject, sample_of(manifest, i).subject);
    ck_assert_str_eq(sample_of(host, i).dataset, sample_of(manifest, i).dataset);
  }
  ck_assert_str_eq(sample_of(host, 1).subject, "casme2/sub02");
  efme_dataset_release(host), efme_dataset_release(manifest);
}
END_TEST

int main(void) {
  context = data_context();
  Suite *suite = suite_create("keys");
  TCase *t = tcase_create("keys");
  tcase_add_test(t, spellings);
  tcase_add_test(t, readers_agree);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  scratch_clean();
  return result;
}
