/* Synthetic releases: who and what is in them, the official names and tables, all frames there, the same bytes always, what is refused. */
#include "archive_test.h"

#include <sys/resource.h>

#include "data/archive.h"

static efme_context *context;
static const char *const folders[3] = {"SMIC/HS", "CASME2/CASME2-RAW", "SAMM/SAMM"};
static const char *const datasets[3] = {"smic", "casme2", "samm"};
static struct table truth, casme2, samm;

/* The whole composition, written once. */
static const char *whole(void) {
  static int written;
  const char *path = scratch("whole");
  efme_synthetic_release_options o = small_release();
  if (!written) {
    assert_ok(efme_synthetic_release_write(context, path, &o));
    char name[600];
    snprintf(name, sizeof name, "%s/truth.csv", path), read_table(&truth, name);
    snprintf(name, sizeof name, "%s/CASME2/CASME2-coding-20140508.csv", path), read_table(&casme2, name);
    snprintf(name, sizeof name, "%s/SAMM/SAMM_Micro_FACS_Codes_v2.csv", path), read_table(&samm, name);
  }
  written = 1;
  return path;
}

static const char *cell(size_t row, const char *name) { return truth.cell[row][column(&truth, name)]; }
static uint32_t number(const char *text) {
  uint64_t v;
  ck_assert_msg(efme_parse_u64(text, strlen(text), &v), "\"%s\" is no number", text);
  return (uint32_t)v;
}
static double decimal(const char *text) {
  double v;
  ck_assert_msg(efme_parse_double(text, strlen(text), &v), "\"%s\" is no number", text);
  return v;
}

/* ---- the composite ---- */

START_TEST(composition) {
  static const uint32_t wanted[3][3] = {{70, 51, 43}, {88, 32, 25}, {92, 26, 15}}, subjects_wanted[3] = {16, 24, 28};
  static const char *const labels[3] = {"negative", "positive", "surprise"};
  /* of the official lists: SMIC lacks 7, 10, 16, 17; CASME II 10, 18; SAMM begins at 6 and lacks 8, 25, 27, 29 */
  static const char *const lacking[3] = {" 7 10 16 17 ", " 10 18 ", " 1 2 3 4 5 8 25 27 29 "};
  static const uint32_t last[3] = {20, 26, 37};
  whole();
  uint32_t all = 0;
  for (size_t s = 0; s < 3; s++) {
    uint32_t counts[3] = {0, 0, 0}, others = 0, clips[64] = {0}, subjects = 0, most = 0;
    for (size_t r = 1; r < truth.rows; r++) {
      if (strcmp(cell(r, "dataset"), datasets[s]) != 0) continue;
      const char *subject = cell(r, "subject"), *digits = subject + strcspn(subject, "0123456789");
      char with_blanks[16];
      uint32_t n = number(digits);
      ck_assert_uint_le(n, last[s]);
      snprintf(with_blanks, sizeof with_blanks, " %u ", n);
      ck_assert_msg(!strstr(lacking[s], with_blanks), "%s has no %s", datasets[s], subject);
      int label = -1;
      for (int k = 0; k < 3; k++)
        if (!strcmp(cell(r, "label"), labels[k])) label = k;
      if (label < 0) others++;
      else counts[label]++, clips[n]++;
      ck_assert(label >= 0 || !*cell(r, "label"));
    }
    for (uint32_t n = 0; n < 64; n++) subjects += clips[n] > 0, most = EFME_MAX(most, clips[n]);
    printf("%s: %u negative, %u positive, %u surprise, %u others; %u subjects, one with %u clips\n", datasets[s], counts[0], counts[1],
           counts[2], others, subjects, most);
    for (int k = 0; k < 3; k++) ck_assert_uint_eq(counts[k], wanted[s][k]);
    ck_assert_uint_eq(subjects, subjects_wanted[s]);
    ck_assert_uint_eq(others, s == 0 ? 0 : s == 1 ? 17 : 8);
    all += counts[0] + counts[1] + counts[2];
  }
  ck_assert_uint_eq(all, 442);
}
END_TEST

/* Nobody can take a drawn clip for a real one: the organisers' list has none of them. */
START_TEST(no_official_name) {
  struct table *list = malloc(sizeof *list);
  if (test_absent("data/megc2019/combined_3class_gt.csv")) {
    free(list);
    return;
  }
  whole();
  read_table(list, test_shared("data/megc2019/combined_3class_gt.csv"));
  ck_assert_uint_eq(list->rows, 442);
  for (size_t i = 0; i < list->rows; i++)
    for (size_t r = 1; r < truth.rows; r++) {
      if (strcmp(list->cell[i][0], cell(r, "dataset")) != 0) continue;
      const char *clip = cell(r, "clip"), *listed = list->cell[i][2];
      /* SMIC's is listed as s01_ne_01; s1_ne_01 on disk */
      int same = *clip == 's'
                     ? !strcmp(strchr(clip, '_'), strchr(listed, '_')) &&
                           number(strndupa(clip + 1, strcspn(clip + 1, "_"))) == number(strndupa(listed + 1, strcspn(listed + 1, "_")))
                     : !strcmp(clip, listed) && strstr(cell(r, "subject"), list->cell[i][1]) != NULL;
      ck_assert_msg(!same, "%s of %s is the name of a real clip", clip, cell(r, "subject"));
    }
  free(list);
}
END_TEST

/* ---- frames ---- */

static uint64_t hashes[8000];
static size_t hash_count;
static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* Every frame is there under its official name, and nothing else; each decodes, and no two are alike. */
START_TEST(frames) {
  const char *root = whole();
  size_t four = 0, five = 0, crossing = 0;
  for (size_t r = 1; r < truth.rows; r++) {
    const char *set = cell(r, "dataset"), *subject = cell(r, "subject"), *clip = cell(r, "clip");
    uint32_t onset = number(cell(r, "onset")), apex = number(cell(r, "apex")), offset = number(cell(r, "offset"));
    uint32_t around = !strcmp(set, "casme2") ? 3 : 0, n = offset - onset + 1;
    ck_assert(onset >= 1 + around && onset < apex && apex < offset && n >= 4 && n <= 6);
    if (!strcmp(set, "smic")) ck_assert_uint_eq(apex, onset + n / 2);
    char path[600], name[700];
    if (!strcmp(set, "smic")) snprintf(path, sizeof path, "%s/SMIC/HS/%s/micro/%s/%s", root, subject, cell(r, "label"), clip);
    else snprintf(path, sizeof path, "%s/%s/%s/%s", root, folders[!strcmp(set, "samm") ? 2 : 1], subject, clip);
    ck_assert_uint_eq((uint32_t)entries(path, NULL, NULL), n + 2 * around);
    int width = 0; /* of SAMM's numbers */
    for (uint32_t k = onset - around; k <= offset + around; k++) {
      efme_image *image;
      efme_image_info info = EFME_IMAGE_INFO_INIT;
      if (!strcmp(set, "smic")) snprintf(name, sizeof name, "%s/image%u.bmp", path, k);
      else if (!strcmp(set, "casme2")) snprintf(name, sizeof name, "%s/img%u.jpg", path, k);
      else {
        if (!width) { /* the clip's own: of its first frame */
          snprintf(name, sizeof name, "%s/%s_%05u.jpg", path, subject, k);
          width = access(name, R_OK) == 0 ? 5 : 4;
        }
        snprintf(name, sizeof name, "%s/%s_%0*u.jpg", path, subject, width, k);
      }
      assert_ok(efme_image_load(&image, context, name, NULL));
      assert_ok(efme_image_get_info(image, &info));
      const uint8_t *p = efme_image_pixels(image);
      ck_assert(info.width == 56 && info.height == 48);
      size_t coloured = 0;
      for (size_t i = 0; info.channels == 3 && i < 56 * 48; i++) coloured += p[3 * i] != p[3 * i + 1] || p[3 * i] != p[3 * i + 2];
      ck_assert_msg(!strcmp(set, "samm") ? !coloured : coloured > 500, "%s: %zu coloured pixels", name, coloured);
      ck_assert_uint_lt(hash_count, EFME_COUNT(hashes));
      hashes[hash_count++] = efme_pixel_hash(p, info.width, info.height, info.channels);
      if (k == apex) ck_assert_str_eq(name + strlen(root) + 1, cell(r, "path"));
      efme_image_release(image);
    }
    if (!strcmp(set, "samm")) four += width == 4, five += width == 5;
    if (!strcmp(set, "casme2")) crossing += (onset - 3 < 100 && offset + 3 >= 100) || (onset - 3 < 10 && offset + 3 >= 10);
    char digits[16];
    snprintf(digits, sizeof digits, "%u", apex);
    if (!strcmp(set, "smic")) {
      const char *seven = " s12 s18 ", *eight = " s19 s20 ", spaced[] = {' ', 0};
      char word[24];
      snprintf(word, sizeof word, "%s%s%s", spaced, subject, spaced);
      size_t wanted = strstr(eight, word) ? 8 : strstr(seven, word) ? 7 : 6;
      ck_assert(strlen(digits) == wanted || (!strcmp(subject, "s5") && strlen(digits) == 7));
    }
  }
  printf("%zu frames; SAMM: %zu clips of 4 digits, %zu of 5; CASME II: %zu folders with numbers of two lengths\n", hash_count, four, five,
         crossing);
  ck_assert(four > 80 && five > 20 && crossing > 10);
  qsort(hashes, hash_count, sizeof *hashes, by_value);
  for (size_t i = 1; i < hash_count; i++) ck_assert_uint_ne(hashes[i - 1], hashes[i]);
  struct tree t = tree_of(root);
  ck_assert_uint_eq(t.files, hash_count + 3); /* two tables and the truth */
  ck_assert_int_eq(entries(root, NULL, NULL), 4);
}
END_TEST

/* ---- tables ---- */

static size_t row_of(const char *set, const char *subject, const char *clip) {
  for (size_t r = 1; r < truth.rows; r++)
    if (!strcmp(cell(r, "dataset"), set) && !strcmp(cell(r, "subject"), subject) && !strcmp(cell(r, "clip"), clip)) return r;
  ck_abort_msg("%s %s %s is not in truth.csv", set, subject, clip);
  return 0;
}

START_TEST(casme2_table) {
  static const char *const header[9] = {"Subject",      "Filename",         "", "OnsetFrame", "ApexFrame", "OffsetFrame", "",
                                        "Action Units", "Estimated Emotion"};
  whole();
  ck_assert_uint_eq(casme2.rows, 1 + 145 + 17);
  int without_apex = 0, at_onset = 0;
  for (size_t r = 0; r < casme2.rows; r++) {
    char(*f)[96] = casme2.cell[r];
    ck_assert_uint_eq(casme2.fields[r], 9);
    for (int k = 0; k < 9 && !r; k++) ck_assert_str_eq(f[k], header[k]);
    if (!r) continue;
    char subject[128];
    ck_assert(strlen(f[0]) == 2 && !*f[2] && !*f[6] && *f[7]);
    snprintf(subject, sizeof subject, "sub%s", f[0]);
    size_t t = row_of("casme2", subject, f[1]);
    ck_assert_str_eq(f[3], cell(t, "onset"));
    ck_assert_str_eq(f[5], cell(t, "offset"));
    ck_assert_str_eq(f[8], cell(t, "emotion"));
    if (!strcmp(f[4], "/")) {
      without_apex++;
      ck_assert_str_eq(f[0], "04");
      ck_assert_str_eq(f[1], "EP12_01f");
      ck_assert_str_eq(f[8], "disgust");
      ck_assert_str_eq(cell(t, "label"), "");
    } else if (!strcmp(f[4], f[3])) {
      at_onset++;
      ck_assert_str_eq(f[0], "05");
      ck_assert_str_eq(f[1], "EP09_05f");
      ck_assert_str_eq(f[8], "disgust");
      ck_assert_str_eq(cell(t, "label"), "");
    } else ck_assert_str_eq(f[4], cell(t, "apex"));
  }
  ck_assert(without_apex == 1 && at_onset == 1);
}
END_TEST

START_TEST(samm_table) {
  static const char *const header[12] = {"Subject",      "Filename",          "Inducement Code",   "Onset Frame",
                                         "Apex Frame",   "Offset Frame",      "Duration",          "Micro",
                                         "Action Units", "Estimated Emotion", "Objective Classes", "Notes"};
  whole();
  ck_assert_uint_eq(samm.rows, 14 + 133 + 8);
  for (size_t r = 0; r < samm.rows; r++) {
    char(*f)[96] = samm.cell[r];
    ck_assert_uint_eq(samm.fields[r], 12);
    if (r < 13) continue; /* the preamble */
    for (int k = 0; k < 12 && r == 13; k++) ck_assert_str_eq(f[k], header[k]);
    if (r == 13) continue;
    size_t t = row_of("samm", f[0], f[1]);
    ck_assert(strlen(f[0]) == 3 && !strncmp(f[1], f[0], 3) && f[1][3] == '_' && f[1][4] == f[2][0] && !f[2][1]);
    ck_assert_str_eq(f[3], cell(t, "onset"));
    ck_assert_str_eq(f[4], cell(t, "apex"));
    ck_assert_str_eq(f[5], cell(t, "offset"));
    ck_assert_str_eq(f[9], cell(t, "emotion"));
    ck_assert_uint_eq(number(f[6]), number(f[5]) - number(f[3]) + 1);
    ck_assert(*f[8] && number(f[10]) >= 1 && number(f[10]) <= 7);
  }
}
END_TEST

/* Boxes inside the frame, eyes in their upper part; intensities over the whole range. */
START_TEST(truth_of_apex_frames) {
  whole();
  double least = 1, largest = 0;
  for (size_t r = 1; r < truth.rows; r++) {
    double x = decimal(cell(r, "x")), y = decimal(cell(r, "y")), w = decimal(cell(r, "width")), h = decimal(cell(r, "height"));
    double ex = decimal(cell(r, "left_eye_x")), ey = decimal(cell(r, "left_eye_y")), fx = decimal(cell(r, "right_eye_x")),
           fy = decimal(cell(r, "right_eye_y")), t = decimal(cell(r, "intensity"));
    ck_assert_msg(x > 0 && y > 0 && x + w < 56 && y + h < 48 && w > 18 && h > 22, "%s: box %g %g %g %g", cell(r, "path"), x, y, w, h);
    ck_assert(ex > x && fx < x + w && ex < fx && ey > y && fy > y && ey < y + .7 * h && fy < y + .7 * h);
    ck_assert(t >= .1 - 1e-6 && t <= .35 + 1e-6);
    ck_assert_str_eq(cell(r, "attempt"), "0");
    least = EFME_MIN(least, t), largest = EFME_MAX(largest, t);
  }
  ck_assert(least < .11 && largest > .34);
}
END_TEST

/* ---- sequences ---- */

static double distance(const struct efme_portrait *a, const struct efme_portrait *b) {
  double d[] = {a->corner - b->corner,       a->brow_raise - b->brow_raise, a->brow_inner - b->brow_inner,  a->open - b->open,
                a->eye_upper - b->eye_upper, a->eye_lower - b->eye_lower,   a->mouth_width - b->mouth_width};
  double sum = 0;
  for (size_t i = 0; i < EFME_COUNT(d); i++) sum += d[i] * d[i];
  return efme_sqrt(sum);
}

/* Nothing before the onset and behind the offset, most at the apex, without steps; pose and light stay, noise does not. */
START_TEST(onset_apex_offset) {
  struct efme_archive a = {.context = context, .allocator = &efme_allocator_libc, .options = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT};
  assert_ok(efme_archive_plan(&a));
  for (uint32_t i = 0; i < a.count; i++) {
    const struct efme_archive_clip *c = &a.clips[i];
    struct efme_portrait rest, f;
    double before = 0, most = 0;
    uint32_t n = c->offset - c->onset + 1;
    ck_assert(n >= 8 && n <= 14);
    efme_archive_portrait(&rest, &a, c, c->onset - c->around);
    efme_archive_portrait(&f, &a, c, c->apex);
    most = distance(&f, &rest);
    ck_assert_msg(most > .003, "%s: the apex differs by %g", c->name, most);
    for (uint32_t k = c->onset - c->around; k <= c->offset + c->around; k++) {
      efme_archive_portrait(&f, &a, c, k);
      double now = distance(&f, &rest);
      if (k <= c->onset || k >= c->offset) ck_assert(now == 0);
      else ck_assert(k <= c->apex ? now > before : now < before);
      ck_assert(now - before < .75 * most && before - now < .75 * most); /* of eight frames three are on a side */
      ck_assert(f.angle == rest.angle && f.light_x == rest.light_x && f.gain == rest.gain && f.frame == k - (c->onset - c->around));
      ck_assert(f.shift_x - rest.shift_x < .011 && rest.shift_x - f.shift_x < .011);
      before = now;
    }
  }
  efme_mem_free(a.allocator, a.clips);
}
END_TEST

/* ---- the same bytes ---- */

#define EXPECTED_TREE 0xf5a5510c73807083u

static void backwards(efme_task_fn task, void *arg, uint32_t count, void *user) {
  ++*(int *)user;
  while (count--) task(arg, count);
}

START_TEST(same_bytes_everywhere) {
  efme_synthetic_release_options o = few_clips();
  uint64_t hash = 0;
  int calls = 0;
  for (uint32_t threads = 1; threads <= 4; threads++) {
    efme_context_options co = EFME_CONTEXT_OPTIONS_INIT;
    efme_context *c;
    char name[32];
    co.threads = threads;
    if (threads == 4) co.parallel_for = backwards, co.parallel_user = &calls;
    snprintf(name, sizeof name, "threads%u", threads);
    assert_ok(efme_context_create(&c, &co));
    assert_ok(efme_synthetic_release_write(c, scratch(name), &o));
    efme_context_release(c);
    struct tree t = tree_of(scratch(name));
    ck_assert(threads == 1 || t.hash == hash);
    hash = t.hash;
  }
  ck_assert_int_eq(calls, 1);
  ck_assert_msg(hash == EXPECTED_TREE, "the tree hashes to 0x%016llxu", (unsigned long long)hash);
  o.seed = 2;
  assert_ok(efme_synthetic_release_write(context, scratch("seed2"), &o));
  ck_assert_uint_ne(tree_of(scratch("seed2")).hash, hash);
}
END_TEST

static int is_in_whole(const char *path, int folder, void *user) {
  size_t *root = user;
  char other[1100];
  uint8_t *a, *b;
  size_t n, m;
  if (folder) return entries(path, is_in_whole, user);
  if (!strcmp(path + strlen(path) - 4, ".csv")) return 0;
  snprintf(other, sizeof other, "%s%s", scratch("whole"), path + *root);
  assert_ok(efme_file_read(&a, &n, &efme_allocator_libc, path, 1u << 24));
  assert_ok(efme_file_read(&b, &m, &efme_allocator_libc, other, 1u << 24));
  ck_assert(n == m && !memcmp(a, b, n));
  efme_mem_free(&efme_allocator_libc, a), efme_mem_free(&efme_allocator_libc, b);
  return 0;
}

START_TEST(a_part_is_a_part_of_the_whole) {
  efme_synthetic_release_options o = few_clips();
  whole();
  char path[512]; /* scratch gives its places in turn */
  snprintf(path, sizeof path, "%s", scratch("part"));
  size_t root = strlen(path);
  assert_ok(efme_synthetic_release_write(context, path, &o));
  entries(path, is_in_whole, &root);
  struct tree t = tree_of(path);
  ck_assert(t.files > 3 * 2 * 4 && t.files < 3 * 2 * 2 * 12 + 4);
}
END_TEST

/* ---- accepted faces ---- */

struct judge {
  pthread_t thread;
  uint32_t calls, refuse, until; /* the first `until` calls are refused, where refuse is on; 0: each one */
  efme_status answer;
  uint64_t last;
};

static efme_status judge(const efme_image *image, void *user) {
  struct judge *j = user;
  efme_image_info info = EFME_IMAGE_INFO_INIT;
  assert_ok(efme_image_get_info(image, &info));
  ck_assert(info.width == 56 && info.height == 48 && pthread_equal(j->thread, pthread_self()));
  uint64_t hash = efme_pixel_hash(efme_image_pixels(image), 56, 48, info.channels);
  ck_assert_uint_ne(hash, j->last); /* a redraw is another picture */
  j->last = hash;
  j->calls++;
  if (!j->refuse || (j->until && j->calls > j->until)) return EFME_OK;
  return efme_fail(j->answer, "the judge says no");
}

START_TEST(accepted_faces) {
  efme_synthetic_release_options o = few_clips();
  struct judge j = {.thread = pthread_self()};
  struct table *t = malloc(sizeof *t);
  assert_ok(efme_synthetic_release_write(context, scratch("plain"), &o));
  uint64_t plain = tree_of(scratch("plain")).hash;
  o.accept = judge, o.accept_user = &j;
  assert_ok(efme_synthetic_release_write(context, scratch("all-accepted"), &o));
  ck_assert_uint_eq(tree_of(scratch("all-accepted")).hash, plain);
  read_table(t, scratch("plain/truth.csv"));
  ck_assert_uint_eq(j.calls, t->rows - 1);
  /* the first clip three times over */
  j = (struct judge){.thread = pthread_self(), .refuse = 1, .until = 3, .answer = EFME_E_NOT_FOUND};
  o.attempts = 4;
  assert_ok(efme_synthetic_release_write(context, scratch("redrawn"), &o));
  ck_assert_uint_eq(j.calls, t->rows - 1 + 3);
  read_table(t, scratch("redrawn/truth.csv"));
  ck_assert_str_eq(t->cell[1][column(t, "attempt")], "3");
  ck_assert_str_eq(t->cell[2][column(t, "attempt")], "0");
  char a[64], b[64];
  snprintf(a, sizeof a, "%s", t->cell[1][column(t, "x")]);
  read_table(t, scratch("plain/truth.csv"));
  snprintf(b, sizeof b, "%s", t->cell[1][column(t, "x")]);
  ck_assert_str_ne(a, b); /* another pose */
  /* once too often */
  j.calls = 0, o.attempts = 3;
  char message[200];
  snprintf(message, sizeof message, "%s: none of 3 drawings was accepted", t->cell[1][column(t, "path")]);
  assert_fails(efme_synthetic_release_write(context, scratch("refused"), &o), EFME_E_NOT_FOUND, message);
  ck_assert_int_eq(entries(scratch("refused"), NULL, NULL), 0);
  /* another failure is handed on */
  j = (struct judge){.thread = pthread_self(), .refuse = 1, .answer = EFME_E_BACKEND};
  assert_fails(efme_synthetic_release_write(context, scratch("refused"), &o), EFME_E_BACKEND, "the judge says no");
  ck_assert_uint_eq(j.calls, 1);
  free(t);
}
END_TEST

/* ---- what is refused ---- */

struct stopper {
  uint64_t at, calls;
  char what[16];
};

static int stop_at(const char *what, uint64_t done, uint64_t total, void *user) {
  struct stopper *s = user;
  ck_assert(done <= total && total > 0);
  snprintf(s->what, sizeof s->what, "%s", what);
  s->calls++;
  return done >= s->at;
}

START_TEST(cancelled) {
  efme_synthetic_release_options o = few_clips();
  struct stopper s = {.at = 3};
  o.progress = stop_at, o.progress_user = &s;
  for (uint32_t threads = 1; threads <= 3; threads += 2) {
    efme_context_options co = EFME_CONTEXT_OPTIONS_INIT;
    efme_context *c;
    co.threads = threads;
    assert_ok(efme_context_create(&c, &co));
    const char *path = scratch(threads == 1 ? "cancelled1" : "cancelled3");
    char table[600];
    assert_fails(efme_synthetic_release_write(c, path, &o), EFME_E_CANCELLED, "cancelled after ");
    ck_assert_str_eq(s.what, "clips");
    snprintf(table, sizeof table, "%s/truth.csv", path);
    ck_assert_int_ne(access(table, F_OK), 0);
    efme_context_release(c);
  }
  s = (struct stopper){.at = 1000};
  assert_ok(efme_synthetic_release_write(context, scratch("not-cancelled"), &o));
  struct table *t = malloc(sizeof *t);
  read_table(t, scratch("not-cancelled/truth.csv"));
  ck_assert_uint_eq(s.calls, t->rows - 1); /* one thread: a call a clip */
  free(t);
  struct judge j = {.thread = pthread_self()};
  o.accept = judge, o.accept_user = &j, s = (struct stopper){.at = 2};
  assert_fails(efme_synthetic_release_write(context, scratch("cancelled-faces"), &o), EFME_E_CANCELLED, "cancelled after 2 of ");
  ck_assert_str_eq(s.what, "faces");
  ck_assert_int_eq(entries(scratch("cancelled-faces"), NULL, NULL), 0);
}
END_TEST

START_TEST(places) {
  efme_synthetic_release_options o = few_clips();
  put_text("full/.hidden", "x");
  assert_fails(efme_synthetic_release_write(context, scratch("full"), &o), EFME_E_STATE, "full: is not empty: \".hidden\" is in it");
  ck_assert_int_eq(entries(scratch("full"), NULL, NULL), 1);
  put_text("file", "x");
  assert_fails(efme_synthetic_release_write(context, scratch("file"), &o), EFME_E_IO, "file: exists and is not a directory");
  assert_fails(efme_synthetic_release_write(context, scratch("file/in"), &o), EFME_E_IO, "file");
  assert_fails(efme_synthetic_release_write(context, "/proc/release", &o), EFME_E_IO, "/proc/release");
  ck_assert_int_eq(mkdir(scratch("empty"), 0700), 0); /* an empty one will do */
  assert_ok(efme_synthetic_release_write(context, scratch("empty"), &o));
  assert_fails(efme_synthetic_release_write(context, scratch("empty"), &o), EFME_E_STATE, "is not empty");
  /* frames that do not fit: none is left half written */
  struct rlimit limit, none;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &none), 0);
  limit = none, limit.rlim_cur = 5000;
  setrlimit(RLIMIT_FSIZE, &limit);
  efme_status status = efme_synthetic_release_write(context, scratch("small-disk"), &o);
  setrlimit(RLIMIT_FSIZE, &none);
  ck_assert_int_eq(status, EFME_E_IO);
  ck_assert_ptr_nonnull(strstr(efme_last_error(), ".bmp: cannot write: File too large"));
  ck_assert_uint_eq(tree_of(scratch("small-disk")).files, 0);
}
END_TEST

START_TEST(options) {
  const efme_synthetic_release_options good = few_clips();
  const char *path = scratch("options");
#define REFUSED(field, value, word)                                                                                                        \
  do {                                                                                                                                     \
    efme_synthetic_release_options o = good;                                                                                               \
    o.field = value;                                                                                                                       \
    assert_fails(efme_synthetic_release_write(context, path, &o), EFME_E_ARGUMENT, word);                                                  \
  } while (0)
  REFUSED(width, 47, "width is 47, not 48..1024");
  REFUSED(height, 1025, "height is 1025");
  REFUSED(frames_min, 3, "frames_min is 3, not 4..200");
  REFUSED(frames_max, 201, "frames_max is 201");
  REFUSED(frames_min, 7, "frames_min is 7, frames_max 6");
  REFUSED(quality, 0, "quality is 0");
  REFUSED(attempts, 0, "attempts is 0");
  REFUSED(attempts, 1001, "attempts is 1001");
  REFUSED(intensity_min, -.1f, "intensity");
  REFUSED(intensity_max, .05f, "intensity");
  REFUSED(intensity_max, 1.5f, "intensity");
  assert_fails(efme_synthetic_release_write(NULL, path, &good), EFME_E_ARGUMENT, "context is NULL");
  assert_fails(efme_synthetic_release_write(context, NULL, &good), EFME_E_ARGUMENT, "folder is NULL");
  assert_fails(efme_synthetic_release_write(context, "", &good), EFME_E_ARGUMENT, "folder is empty");
  ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void) {
  context = data_context();
  Suite *suite = suite_create("archive");
  TCase *t = tcase_create("archive");
  tcase_set_timeout(t, 300);
  tcase_add_test(t, composition);
  tcase_add_test(t, no_official_name);
  tcase_add_test(t, frames);
  tcase_add_test(t, casme2_table);
  tcase_add_test(t, samm_table);
  tcase_add_test(t, truth_of_apex_frames);
  tcase_add_test(t, onset_apex_offset);
  tcase_add_test(t, same_bytes_everywhere);
  tcase_add_test(t, a_part_is_a_part_of_the_whole);
  tcase_add_test(t, accepted_faces);
  tcase_add_test(t, cancelled);
  tcase_add_test(t, places);
  tcase_add_test(t, options);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  scratch_clean();
  return result;
}
