/* The detector as a handle: weights that are not its own, options, odd images, threads, memory. With face_yes weights every place is a
 * face, so that any image goes through all three networks. */
#include "face_test.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include "weights.h"

static struct heap heap;
static efme_context *context;

static efme_context *make_context(uint32_t threads) {
  efme_context *c = NULL;
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = test_backend(), o.threads = threads;
  o.alloc = heap_alloc, o.free = heap_free, o.alloc_user = &heap;
  OK(efme_context_create(&c, &o));
  return c;
}

static efme_face_detector *yes_detector(efme_context *c, uint32_t min_face, uint32_t threads) {
  efme_face_options o = EFME_FACE_OPTIONS_INIT;
  efme_face_detector *d = NULL;
  size_t size;
  const void *weights = face_weights(1, NULL, &size);
  o.min_face_size = min_face, o.threads = threads;
  OK(efme_face_detector_create_memory(&d, c, weights, size, &o));
  return d;
}

static efme_image *noise(efme_context *c, uint32_t width, uint32_t height, int grey) {
  efme_image *image = NULL;
  size_t n = (size_t)width * height * (grey ? 1 : 3);
  unsigned char *pixels = malloc(n);
  for (size_t i = 0; i < n; i++) pixels[i] = (unsigned char)(i * 2654435761u >> 13);
  OK(efme_image_from_pixels(&image, c, pixels, grey ? EFME_PIXEL_GREY8 : EFME_PIXEL_RGB8, width, height, 0));
  free(pixels);
  return image;
}

static efme_image *photo(const char *name) {
  efme_image *image = NULL;
  char path[256];
  snprintf(path, sizeof path, "data/faces/%s", name);
  OK(efme_image_load(&image, context, test_shared(path), NULL));
  return image;
}

static int same(const struct found *a, const struct found *b) {
  return a->count == b->count && !memcmp(a->faces, b->faces, a->count * sizeof a->faces[0]);
}

/* ---- weights ---- */

static void refused(const struct face_change *change, size_t cut, efme_status status, const char *word) {
  efme_face_detector *d = NULL;
  size_t size;
  const void *weights = face_weights(0, change, &size);
  FAILS(efme_face_detector_create_memory(&d, context, weights, size - cut, NULL), status, word);
  ck_assert_ptr_null(d);
}

START_TEST(wrong_weights) {
  static const struct {
    struct face_change change;
    efme_status status;
    const char *word;
  } cases[] = {
      {{"onet.dense6_3.bias", NULL, NULL, NULL, 1, 0}, EFME_E_FORMAT, "tensor \"onet.dense6_3.bias\" is missing"},
      {{"pnet.prelu1.weight", "pnet.prelu9.weight", NULL, NULL, 0, 0}, EFME_E_FORMAT, "tensor \"pnet.prelu1.weight\" is missing"},
      {{"rnet.dense4.weight", NULL, "576,128", NULL, 0, 0}, EFME_E_MISMATCH, "tensor \"rnet.dense4.weight\": wrong shape"},
      {{"pnet.conv1.weight", NULL, "3,3,3,10", NULL, 0, 0}, EFME_E_MISMATCH, "tensor \"pnet.conv1.weight\": wrong shape"},
      {{"pnet.conv1.bias", NULL, NULL, "I32", 0, 0}, EFME_E_MISMATCH, "tensor \"pnet.conv1.bias\": wrong type I32"},
      {{"onet.conv4.weight", NULL, NULL, NULL, 0, NAN}, EFME_E_NUMERIC, "tensor \"onet.conv4.weight\" has a value that is not finite"},
      {{"rnet.prelu2.weight", NULL, NULL, NULL, 0, INFINITY}, EFME_E_NUMERIC, "rnet.prelu2.weight"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) refused(&cases[i].change, 0, cases[i].status, cases[i].word);
  refused(NULL, 4, EFME_E_FORMAT, "weights in memory");
  efme_face_detector *d = NULL;
  FAILS(efme_face_detector_create_memory(&d, context, "no weights", 10, NULL), EFME_E_LIMIT, "weights in memory");
  size_t size;
  char *more = malloc(FACE_BYTES + 1);
  memcpy(more, face_weights(0, NULL, &size), FACE_BYTES), more[FACE_BYTES] = 0;
  FAILS(efme_face_detector_create_memory(&d, context, more, size + 1, NULL), EFME_E_FORMAT, "weights in memory");
  free(more);
}
END_TEST

/* A tensor that MTCNN has not, among all that it has. */
START_TEST(foreign_tensor) {
  efme_face_detector *d = NULL;
  size_t size;
  char *file = malloc(FACE_BYTES);
  memcpy(file, face_weights(0, NULL, &size), FACE_BYTES);
  char *end = file + 8 + FACE_HEADER - 1;
  while (*end != '}') end--;
  sprintf(end, ",\"pnet.extra\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[%d,%d]}}", 4 * 495850, 4 * 495850);
  end[strlen(end)] = ' ';
  FAILS(efme_face_detector_create_memory(&d, context, file, size, NULL), EFME_E_FORMAT, "tensor \"pnet.extra\" does not belong to MTCNN");
  free(file);
}
END_TEST

/* ---- images ---- */

START_TEST(odd_sizes) {
  static const uint32_t sizes[][2] = {{1, 1}, {11, 11}, {12, 5}, {5, 12}, {39, 39}, {39, 400}, {65536, 1}, {1, 65536}};
  efme_face_detector *d = yes_detector(context, 40, 0), *fine = yes_detector(context, 12, 0);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    efme_image *image = noise(context, sizes[i][0], sizes[i][1], i % 2);
    uint32_t count = 9;
    FAILS(efme_face_detector_run(d, image, &count), EFME_E_NOT_FOUND, "no face in the image of");
    ck_assert_uint_eq(count, 0);
    efme_image_release(image);
  }
  for (uint32_t w = 12; w < 30; w++)
    for (uint32_t h = 12; h < 90; h += 13) {
      efme_image *image = noise(context, w, h, w % 2);
      struct found f = find_faces(fine, image);
      ck_assert_uint_ge(f.count, 1);
      for (uint32_t i = 0; i < f.count; i++) ck_assert(f.faces[i].score > .99f && f.faces[i].width > 0 && f.faces[i].height > 0);
      efme_image_release(image);
    }
  efme_face_detector_release(d), efme_face_detector_release(fine);
}
END_TEST

START_TEST(large_image) {
  if (test_absent(FACE_WEIGHTS)) return;
  efme_face_detector *d = NULL;
  OK(efme_face_detector_create(&d, context, test_shared(FACE_WEIGHTS), NULL));
  efme_image *image = noise(context, 5000, 3000, 1), *strip = noise(context, 65536, 60, 0);
  find_faces(d, image), find_faces(d, strip);
  efme_image_release(image), efme_image_release(strip);
  efme_face_detector_release(d);
}
END_TEST

/* The same picture in one channel and in three. */
START_TEST(grey_is_grey) {
  static unsigned char pixels[60 * 70 * 3];
  efme_face_detector *d = yes_detector(context, 20, 0);
  efme_image *grey = noise(context, 60, 70, 1), *colour = NULL;
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = efme_image_pixels(grey)[i / 3];
  OK(efme_image_from_pixels(&colour, context, pixels, EFME_PIXEL_RGB8, 60, 70, 0));
  struct found a = find_faces(d, grey), b = find_faces(d, colour);
  ck_assert(a.count > 0 && same(&a, &b));
  efme_image_release(grey), efme_image_release(colour);
  efme_face_detector_release(d);
}
END_TEST

/* A region is the image cut out, moved back. */
START_TEST(region) {
  if (test_absent(FACE_WEIGHTS) || test_absent("data/faces")) return;
  efme_face_options o = EFME_FACE_OPTIONS_INIT;
  efme_face_detector *whole = NULL, *part = NULL;
  efme_image *image = photo("two_people.jpg"), *cut = NULL;
  o.region_x = 500, o.region_y = 20, o.region_width = 600, o.region_height = 600;
  OK(efme_face_detector_create(&whole, context, test_shared(FACE_WEIGHTS), NULL));
  OK(efme_face_detector_create(&part, context, test_shared(FACE_WEIGHTS), &o));
  OK(efme_image_crop(&cut, image, 500, 20, 600, 600));
  struct found all = find_faces(whole, image), want = find_faces(whole, cut), have = find_faces(part, image);
  ck_assert_uint_eq(all.count, 2);
  ck_assert(have.count > 0 && have.count == want.count);
  for (uint32_t i = 0; i < have.count; i++) {
    ck_assert_float_eq_tol(have.faces[i].x, want.faces[i].x + 500, 1e-3f);
    ck_assert_float_eq_tol(have.faces[i].y, want.faces[i].y + 20, 1e-3f);
    ck_assert_float_eq_tol(have.faces[i].width, want.faces[i].width, 1e-3f);
    for (int k = 0; k < 10; k++) ck_assert_float_eq_tol(have.faces[i].landmarks[k], want.faces[i].landmarks[k] + (k % 2 ? 20 : 500), 1e-3f);
  }
  efme_image_release(image), efme_image_release(cut);
  efme_face_detector_release(whole), efme_face_detector_release(part);
}
END_TEST

START_TEST(most_faces) {
  if (test_absent(FACE_WEIGHTS) || test_absent("data/faces")) return;
  efme_face_options o = EFME_FACE_OPTIONS_INIT;
  efme_face_detector *all = NULL, *few = NULL, *strict = NULL, *coarse = NULL;
  efme_image *image = photo("solvay1927.jpg");
  o.max_faces = 3;
  OK(efme_face_detector_create(&all, context, test_shared(FACE_WEIGHTS), NULL));
  OK(efme_face_detector_create(&few, context, test_shared(FACE_WEIGHTS), &o));
  o.max_faces = 0, o.thresholds[2] = .99999f;
  OK(efme_face_detector_create(&strict, context, test_shared(FACE_WEIGHTS), &o));
  o = (efme_face_options)EFME_FACE_OPTIONS_INIT, o.min_face_size = 120;
  OK(efme_face_detector_create(&coarse, context, test_shared(FACE_WEIGHTS), &o));
  struct found a = find_faces(all, image), b = find_faces(few, image), c = find_faces(strict, image), d = find_faces(coarse, image);
  ck_assert_uint_ge(a.count, 29);
  ck_assert_uint_eq(b.count, 3);
  ck_assert(!memcmp(a.faces, b.faces, 3 * sizeof a.faces[0]));
  ck_assert(c.count > 0 && c.count < a.count);
  for (uint32_t i = 0; i < c.count; i++) ck_assert(c.faces[i].score > .99999f);
  ck_assert_uint_lt(d.count, a.count);
  efme_image_release(image);
  efme_face_detector_release(all), efme_face_detector_release(few), efme_face_detector_release(strict), efme_face_detector_release(coarse);
}
END_TEST

/* ---- hostile files ---- */

static unsigned files, looked, with_faces;

static void walk(const char *folder, efme_face_detector *d) {
  DIR *dir = opendir(folder);
  ck_assert_ptr_nonnull(dir);
  for (struct dirent *e; (e = readdir(dir));) {
    char path[2048];
    struct stat st;
    efme_image *image = NULL;
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (stat(path, &st)) continue;
    if (S_ISDIR(st.st_mode)) {
      walk(path, d);
      continue;
    }
    files++;
    if (efme_image_load(&image, context, path, NULL)) continue;
    looked++;
    with_faces += find_faces(d, image).count > 0;
    efme_image_release(image);
  }
  closedir(dir);
}

START_TEST(hostile_files) {
  if (test_absent(FACE_WEIGHTS) || test_absent("data/hostile")) return;
  efme_face_options o = EFME_FACE_OPTIONS_INIT;
  efme_face_detector *d = NULL;
  o.min_face_size = 20;
  OK(efme_face_detector_create(&d, context, test_shared(FACE_WEIGHTS), &o));
  files = looked = with_faces = 0;
  walk(test_shared("data/hostile"), d);
  printf("hostile: %u files, %u decoded, %u with faces\n", files, looked, with_faces);
  ck_assert_uint_ge(files, 1000);
  ck_assert_uint_ge(looked, 500);
  efme_face_detector_release(d);
}
END_TEST

/* ---- bits, threads, memory ---- */

/* Neither threads nor the images before change a bit. */
START_TEST(same_bits) {
  efme_context *other = make_context(3);
  efme_face_detector *one = yes_detector(context, 20, 1), *three = yes_detector(other, 20, 0);
  efme_image *image = noise(context, 97, 83, 0), *between = noise(context, 40, 130, 1);
  struct found a = find_faces(one, image), b = find_faces(three, image);
  find_faces(three, between);
  struct found c = find_faces(three, image);
  ck_assert(a.count > 0 && same(&a, &b) && same(&a, &c));
  efme_image_release(image), efme_image_release(between);
  efme_face_detector_release(one), efme_face_detector_release(three), efme_context_release(other);
}
END_TEST

struct turn {
  efme_face_detector *detector;
  efme_image *image;
  struct found first;
  int differ;
};

static void *turns(void *arg) {
  struct turn *t = arg;
  for (int i = 0; i < 10; i++) {
    struct found f = find_faces(t->detector, t->image);
    t->differ += !same(&f, &t->first);
  }
  return NULL;
}

/* Two detectors of one context in two threads. */
START_TEST(two_threads) {
  struct turn t[2];
  pthread_t threads[2];
  for (uint32_t i = 0; i < 2; i++) {
    t[i].detector = yes_detector(context, 20, 0), t[i].image = noise(context, 64 + 9 * i, 60, 0), t[i].differ = 0;
    t[i].first = find_faces(t[i].detector, t[i].image);
  }
  for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, turns, &t[i]), 0);
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    ck_assert_int_eq(t[i].differ, 0);
    efme_face_detector_release(t[i].detector), efme_image_release(t[i].image);
  }
}
END_TEST

/* Somebody else's call while it runs: here out of its allocator. */
static efme_face_detector *running;
static efme_image *running_image;
static efme_status answers[2];

static void *asking_alloc(size_t size, size_t alignment, void *user) {
  uint32_t count;
  efme_face face = EFME_FACE_INIT;
  if (running) answers[0] = efme_face_detector_run(running, running_image, &count), answers[1] = efme_face_detector_face(running, 0, &face);
  return heap_alloc(size, alignment, user);
}

START_TEST(busy) {
  efme_context *c = NULL;
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  o.backend = "cpu", o.threads = 1, o.alloc = asking_alloc, o.free = heap_free, o.alloc_user = &heap;
  OK(efme_context_create(&c, &o));
  efme_face_detector *d = yes_detector(c, 20, 1);
  running_image = noise(c, 50, 50, 0);
  running = d;
  uint32_t count = 0;
  OK(efme_face_detector_run(d, running_image, &count));
  running = NULL;
  ck_assert(answers[0] == EFME_E_BUSY && answers[1] == EFME_E_BUSY && count > 0);
  efme_image_release(running_image);
  efme_context_release(c); /* the detector keeps it */
  efme_face_detector *again = efme_face_detector_retain(d);
  efme_face_detector_release(d), efme_face_detector_release(again);
}
END_TEST

/* 10 000 detections of 40 sizes in turn: after the first round memory stays as it is. */
START_TEST(flat_memory) {
  enum { SIZES = 40 };
  int rounds = strcmp(test_backend(), "cpu") ? 25 : 250; /* the strict backend moves its memory about before each run */
  efme_face_detector *d = yes_detector(context, 20, 1);
  efme_image *images[SIZES];
  long bytes = 0, live = 0;
  for (uint32_t i = 0; i < SIZES; i++) images[i] = noise(context, 20 + i * 7 % 10, 21 + i * 11 % 13, i % 3 == 0);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < SIZES; i++) find_faces(d, images[i]);
    if (round == 0) bytes = heap.bytes, live = heap.live;
    ck_assert_int_eq(heap.live, live);
    ck_assert_int_le(heap.bytes, bytes + bytes / 100); /* what malloc rounds up */
  }
  for (int i = 0; i < SIZES; i++) efme_image_release(images[i]);
  efme_face_detector_release(d);
}
END_TEST

static void open_context(void) { context = make_context(2); }
static void close_context(void) {
  efme_context_release(context);
  ck_assert_int_eq(heap.live, 0);
}

int main(void) {
  Suite *suite = suite_create("face_detector");
  TCase *t = tcase_create("detector");
  tcase_set_timeout(t, 0);
  tcase_add_unchecked_fixture(t, open_context, close_context);
  tcase_add_test(t, wrong_weights);
  tcase_add_test(t, foreign_tensor);
  tcase_add_test(t, odd_sizes);
  tcase_add_test(t, large_image);
  tcase_add_test(t, grey_is_grey);
  tcase_add_test(t, region);
  tcase_add_test(t, most_faces);
  tcase_add_test(t, hostile_files);
  tcase_add_test(t, flat_memory);
  suite_add_tcase(suite, t);
  t = tcase_create("threads");
  tcase_set_timeout(t, 0);
  tcase_add_unchecked_fixture(t, open_context, close_context);
  tcase_add_test(t, same_bits);
  tcase_add_test(t, two_threads);
  tcase_add_test(t, busy);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
