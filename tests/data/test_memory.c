/* Memory that runs out at any allocation: every reader, view and the loader answer NOMEM, set no out-parameter, leak nothing. */
#include "../io/io_test.h"

#include <sys/stat.h>

#include "data/loader.h"
#include "efme/dataset.h"

static efme_context *context;
static char folder[] = "/tmp/efme-memory-XXXXXX";

static const char *path_of(const char *name) {
  static char path[4][128];
  static int turn;
  char *p = path[turn++ & 3];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static void write_file(const char *name, const char *text) {
  assert_ok(efme_file_write(&efme_allocator_libc, path_of(name), text, strlen(text)));
}

/* Runs `work` with the k-th allocation failing, for every k that it reaches. */
static void exhaust(const char *what, efme_status (*work)(void)) {
  long k = 1, failures = 0;
  for (;; k++) {
    size_t live = test_memory.live;
    test_memory.calls = 0, test_memory.fail_at = k;
    efme_status status = work();
    long calls = test_memory.calls;
    test_memory.fail_at = 0;
    ck_assert_msg(test_memory.live == live, "%s, allocation %ld: %zu bytes are left", what, k, test_memory.live - live);
    if (calls < k) {
      ck_assert_msg(status == EFME_OK, "%s: %s", what, efme_last_error());
      break;
    }
    ck_assert_msg(status == EFME_E_NOMEM, "%s, allocation %ld: %s, %s", what, k, efme_status_name(status), efme_last_error());
    failures++;
  }
  ck_assert_int_ge(failures, 4);
}

static efme_status keep(efme_status status, efme_dataset **d) { /* a pointer: arguments have no order */
  if (status) ck_assert_ptr_eq(*d, (efme_dataset *)1);
  else efme_dataset_release(*d);
  return status;
}

static efme_status open_fer(void) {
  efme_dataset *d = (efme_dataset *)1;
  return keep(efme_dataset_open_fer2013(&d, context, path_of("fer.csv"), NULL), &d);
}

static efme_status open_ck(void) {
  efme_dataset *d = (efme_dataset *)1;
  return keep(efme_dataset_open_ck48(&d, context, path_of("ck"), NULL), &d);
}

static efme_status open_ckplus(void) {
  efme_dataset *d = (efme_dataset *)1;
  return keep(efme_dataset_open_ckplus(&d, context, path_of("ckp"), NULL), &d);
}

static efme_status open_manifest(void) {
  efme_dataset *d = (efme_dataset *)1;
  return keep(efme_dataset_open_manifest(&d, context, path_of("set.csv"), NULL), &d);
}

static efme_status open_faces(void) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  o.subjects = 3, o.samples_per_subject = 3, o.size = 32;
  efme_dataset *d = (efme_dataset *)1;
  return keep(efme_dataset_open_synthetic(&d, context, &o), &d);
}

static int destroyed;

static efme_status host_describe(efme_sample *s, uint64_t index, void *user) {
  (void)index, (void)user;
  s->native_label = "x", s->subject = "p";
  return EFME_OK;
}

static efme_status host_read(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)user;
  uint8_t v = (uint8_t)index;
  return efme_image_from_pixels(out, c, &v, EFME_PIXEL_GREY8, 1, 1, 0);
}

static void host_destroy(void *user) { (void)user, destroyed++; }

static efme_status create_host(void) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 3, .describe = host_describe, .read = host_read, .destroy = host_destroy};
  efme_dataset *d = (efme_dataset *)1;
  destroyed = 0;
  efme_status status = keep(efme_dataset_create(&d, context, &c), &d);
  ck_assert_int_eq(destroyed, status == EFME_OK); /* on failure the program still owns its data */
  return status;
}

START_TEST(readers) {
  char row[2304 * 2 + 64], csv[3 * sizeof row];
  strcpy(csv, "emotion,pixels\n");
  for (int r = 0; r < 3; r++) {
    int n = sprintf(row, "%d,\"", r % 2);
    for (int i = 0; i < 2304; i++) n += sprintf(row + n, "%d ", r % 2);
    strcpy(row + n - 1, "\"\n");
    strcat(csv, row);
  }
  write_file("fer.csv", csv);
  for (int i = 0; i < 2; i++) assert_ok(efme_dir_create(&efme_allocator_libc, path_of(i ? "ck/happy" : "ck/anger")));
  write_file("ck/happy/S1_1_1.pgm", "P5 1 1 255\nx"), write_file("ck/anger/S2_1_1.pgm", "P5 1 1 255\nx");
  assert_ok(efme_dir_create(&efme_allocator_libc, path_of("ckp/Emotion/S1/001")));
  assert_ok(efme_dir_create(&efme_allocator_libc, path_of("ckp/cohn-kanade-images/S1/001")));
  write_file("ckp/Emotion/S1/001/S1_001_3_emotion.txt", "5.0"), write_file("ckp/cohn-kanade-images/S1/001/S1_001_3.png", "x");
  write_file("set.csv", "path,label,subject,dataset,note\nck/happy/S1_1_1.pgm,a,1,samm,n\nck/anger/S2_1_1.pgm,b,2,samm,\n");
  exhaust("fer2013", open_fer);
  exhaust("ck48", open_ck);
  exhaust("ckplus", open_ckplus);
  exhaust("manifest", open_manifest);
  exhaust("synthetic", open_faces);
  exhaust("host", create_host);
}
END_TEST

static efme_dataset *faces;

static efme_status map_and_describe(void) {
  static const char *const classes[] = {"other"};
  static const efme_label_rule rules[] = {{"surprise", NULL}, {"*", "other"}};
  const efme_label_map map = {sizeof map, classes, 1, 2, rules};
  efme_dataset *d = (efme_dataset *)1;
  efme_status status = efme_dataset_map_labels(&d, faces, &map);
  if (status) return keep(status, &d);
  char *text = (char *)1;
  status = efme_dataset_describe(d, 1, &text);
  efme_dataset_release(d);
  if (status) ck_assert_ptr_eq(text, (char *)1);
  else efme_string_free(text);
  return status;
}

static efme_status draw(void) {
  efme_dataset *d = (efme_dataset *)1, *a = (efme_dataset *)1, *b = (efme_dataset *)1;
  efme_status status = keep(efme_dataset_balance(&d, faces, 2, 1), &d);
  if (!status) status = efme_dataset_split(&a, &b, faces, .3, 1);
  if (status) return ck_assert(a == (efme_dataset *)1 && b == (efme_dataset *)1), status;
  d = (efme_dataset *)1;
  const efme_dataset *parts[2] = {a, b};
  status = keep(efme_dataset_concat(&d, parts, 2), &d);
  efme_dataset_release(a), efme_dataset_release(b);
  a = b = (efme_dataset *)1;
  if (!status) status = efme_dataset_split_subjects(&a, &b, faces, .3, 1);
  if (status) return ck_assert(a == (efme_dataset *)1 && b == (efme_dataset *)1), status;
  efme_dataset_release(a), efme_dataset_release(b);
  d = (efme_dataset *)1;
  return keep(efme_dataset_filter(&d, faces, "label", "positive", 0), &d);
}

static efme_status load(void) {
  struct efme_stage *s;
  efme_status status = efme_stage_create(&s, faces, 24, 24, EFME_STAGE_CACHE);
  if (status) return status;
  struct efme_loader_options o = {.batch = 4};
  struct efme_loader *l;
  status = efme_loader_create(&l, s, NULL, 0, &o);
  efme_stage_release(s);
  if (status) return status;
  const struct efme_loader_batch *b = (const struct efme_loader_batch *)1;
  status = efme_loader_start(l, EFME_LOADER_SHUFFLED, 0, 0);
  while (!status && b) status = efme_loader_next(l, &b);
  efme_loader_destroy(l);
  return status;
}

START_TEST(views_and_loader) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  o.subjects = 4, o.samples_per_subject = 3, o.size = 32;
  assert_ok(efme_dataset_open_synthetic(&faces, context, &o));
  exhaust("labels", map_and_describe);
  exhaust("draws", draw);
  exhaust("loader", load);
  efme_dataset_release(faces);
}
END_TEST

int main(void) {
  if (!mkdtemp(folder)) return perror(folder), EXIT_FAILURE;
  context = test_context();
  Suite *suite = suite_create("memory");
  TCase *t = tcase_create("memory");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, readers);
  tcase_add_test(t, views_and_loader);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  char command[64];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  if (system(command)) perror(command);
  return result;
}
