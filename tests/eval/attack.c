/* Intervention, not assertion. The tested subject's pixels become noise of another size and in colour, its labels are permuted, its clips
 * renamed, more are added: the weights that are tested on it keep every bit, for every kind of plan, validation and recipe, while those that
 * train on it change. Rows of a manifest are shuffled, folds spread over workers and shards: every file that a run writes keeps every bit. */
#include <cjson/cJSON.h>

#include "loso_fixture.h"

#define MOST 64
#define SETS 3  /* source datasets, three subjects each */
#define FOLDS 9 /* at most: the subjects */

/* ---- people whose every sample can be changed ---- */

struct face {
  char dataset[16], subject[16], clip[32];
  int label;
  uint32_t seed; /* of the noise */
  uint32_t side, channels;
  int wave; /* 1: the pattern of its class below the noise */
};

struct crowd {
  uint32_t count;
  struct face faces[MOST];
  uint32_t row[MOST]; /* row i is faces[row[i]] */
};

static void add_face(struct crowd *c, uint32_t subject, uint32_t clip, int label) {
  uint32_t n = c->count++;
  struct face *f = &c->faces[n];
  ck_assert_uint_lt(n, MOST);
  *f = (struct face){.label = label, .seed = subject * 977 + clip * 31 + 1, .side = SIDE, .channels = 1, .wave = 1};
  snprintf(f->dataset, sizeof f->dataset, "set%u", subject % SETS);
  snprintf(f->subject, sizeof f->subject, "p%u", subject);
  snprintf(f->clip, sizeof f->clip, "c%u", clip);
  c->row[n] = n;
}

static void make_crowd(struct crowd *c) {
  memset(c, 0, sizeof *c);
  for (uint32_t s = 0; s < FOLDS; s++)
    for (uint32_t k = 0; k < 3 + s % 3; k++) add_face(c, s, k, (int)(k % 3));
}

/* Rows in another order: strides that share no divisor with the count. */
static void shuffle(struct crowd *c, uint32_t stride) {
  while (c->count % stride == 0) stride++;
  for (uint32_t i = 0; i < c->count; i++) c->row[i] = (i * stride + 5) % c->count;
}

static void draw_face(const struct face *f, uint8_t *pixels) {
  uint32_t state = f->seed;
  for (uint32_t y = 0; y < f->side; y++)
    for (uint32_t x = 0; x < f->side; x++)
      for (uint32_t k = 0; k < f->channels; k++) {
        state = state * 1664525u + 1013904223u;
        uint32_t wave = f->label == 0 ? x / 4 % 2 : f->label == 1 ? y / 4 % 2 : (x + y) / 4 % 2;
        *pixels++ = (uint8_t)(f->wave ? 60 + 90 * wave + (state >> 24) % 60 : state >> 24);
      }
}

static efme_status face_describe(efme_sample *s, uint64_t index, void *user) {
  const struct crowd *c = user;
  const struct face *f = &c->faces[c->row[index]];
  s->dataset = f->dataset;
  s->subject = f->subject;
  s->clip = f->clip;
  s->label = f->label;
  return EFME_OK;
}

static efme_status face_read(efme_image **out, efme_context *context, uint64_t index, void *user) {
  const struct crowd *c = user;
  const struct face *f = &c->faces[c->row[index]];
  uint8_t pixels[2 * SIDE * 2 * SIDE * 3];
  draw_face(f, pixels);
  return efme_image_from_pixels(out, context, pixels, f->channels == 3 ? EFME_PIXEL_RGB8 : EFME_PIXEL_GREY8, f->side, f->side, 0);
}

static efme_dataset *open_crowd(efme_context *context, struct crowd *c) {
  efme_dataset_callbacks calls = {sizeof calls, c->count, face_describe, face_read, NULL, c, lf_classes, 3, 0};
  efme_dataset *d = NULL;
  OK(efme_dataset_create(&d, context, &calls));
  return d;
}

/* ---- what can be done to a subject ---- */

enum { NOISE = 1, LABELS = 2, SHAPE = 4, CLIPS = 8 };

static void intervene(struct crowd *c, uint32_t subject, int how) {
  uint32_t before = c->count;
  char name[16];
  snprintf(name, sizeof name, "p%u", subject);
  for (uint32_t i = 0; i < before; i++) {
    struct face *f = &c->faces[i];
    if (strcmp(f->subject, name)) continue;
    if (how & NOISE) f->wave = 0, f->seed += 4242;
    if (how & SHAPE) f->side = i % 2 ? SIDE + 8 : SIDE / 2, f->channels = 3;
    if (how & CLIPS) snprintf(f->clip, sizeof f->clip, "%sother%u", i % 2 ? "a" : "z", i);
    if (how & LABELS) f->label = (f->label + 1) % 3;
  }
  if (how & CLIPS) add_face(c, subject, 40, 2), add_face(c, subject, 41, 2);
}

/* ---- plans, recipes, runs ---- */

enum kind { LOSO, GROUPED, DATASETS, CUSTOM, KINDS };

static uint32_t number_of(const efme_dataset *d, uint64_t index) {
  efme_sample s = EFME_SAMPLE_INIT;
  OK(efme_dataset_sample(d, index, &s));
  return (uint32_t)atoi(strstr(s.subject, "/p") + 2);
}

static efme_fold_plan *make_plan(const efme_dataset *d, enum kind kind, uint32_t validation) {
  efme_fold_options o = EFME_FOLD_OPTIONS_INIT;
  efme_fold_plan *p = NULL;
  uint32_t fold_of[MOST];
  o.validation = validation;
  o.ratio = .3;
  for (uint64_t i = 0; i < efme_dataset_count(d); i++) fold_of[i] = number_of(d, i) / 2; /* p0 p1 | p2 p3 | ... */
  if (kind == LOSO) OK(efme_fold_plan_loso(&p, d, &o));
  if (kind == GROUPED) OK(efme_fold_plan_grouped(&p, d, 4, &o));
  if (kind == DATASETS) OK(efme_fold_plan_datasets(&p, d, &o));
  if (kind == CUSTOM) OK(efme_fold_plan_custom(&p, d, fold_of, 5, &o));
  return p;
}

/* Head on cached features; head on images that are augmented anew; all layers with moving statistics and averaged weights; head, then all. */
#define RECIPES 4
static efme_recipe *make_recipe(efme_context *context, int which) {
  efme_recipe *recipe = lf_recipe(context, which == 2 ? 0 : 2, which < 2 ? 0 : 1 + (which == 2));
  efme_train_options o = EFME_TRAIN_OPTIONS_INIT;
  OK(efme_recipe_get_options(recipe, &o));
  o.rotation = 10.0f;
  if (which == 1) o.feature_variants = 0;
  if (which == 2) o.bn_mode = EFME_BN_UPDATE, o.ema_decay = .9f, o.drop_connect = .2f;
  OK(efme_recipe_set_options(recipe, &o));
  return recipe;
}

struct ended { /* what the folds of a run ended with */
  uint32_t count;
  char checksum[FOLDS][24];
  uint32_t tests[FOLDS], trains[FOLDS]; /* whom: a bit for each subject */
};

static uint32_t people_in(const efme_fold_plan *p, const efme_dataset *d, uint32_t fold, efme_fold_part part) {
  const uint64_t *at = NULL;
  uint64_t n = 0;
  uint32_t mask = 0;
  OK(efme_fold_plan_part(p, fold, part, &at, &n));
  for (uint64_t i = 0; i < n; i++) mask |= 1u << number_of(d, at[i]);
  return mask;
}

static void read_checksums(struct ended *out, const efme_result *r) {
  char *text = NULL;
  OK(efme_result_audit_json(r, &text));
  cJSON *root = cJSON_Parse(text);
  const cJSON *folds = cJSON_GetObjectItem(root, "folds");
  ck_assert_int_eq(cJSON_GetArraySize(folds), (int)out->count);
  for (uint32_t f = 0; f < out->count; f++)
    snprintf(out->checksum[f], sizeof out->checksum[f], "%s",
             cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(folds, (int)f), "end_checksum")));
  cJSON_Delete(root);
  efme_string_free(text);
}

static void run_crowd(struct ended *out, struct crowd *c, enum kind kind, uint32_t validation, int recipe, uint32_t workers) {
  struct lf f = {.context = test_context(workers)};
  f.dataset = open_crowd(f.context, c);
  f.model = lf_model(f.context);
  f.recipe = make_recipe(f.context, recipe);
  f.plan = make_plan(f.dataset, kind, validation);
  efme_result *r = lf_run(&f, workers, NULL);
  memset(out, 0, sizeof *out);
  out->count = efme_fold_plan_count(f.plan);
  ck_assert_uint_le(out->count, FOLDS);
  read_checksums(out, r);
  for (uint32_t k = 0; k < out->count; k++) {
    out->tests[k] = people_in(f.plan, f.dataset, k, EFME_PART_TEST);
    out->trains[k] = people_in(f.plan, f.dataset, k, EFME_PART_TRAIN);
  }
  efme_result_release(r);
  lf_free(&f);
}

/* ---- the tested subject ---- */

START_TEST(tested_subject_has_no_influence) {
  /* Errors 1 to 4 at once: whatever of the tested subject reached training, early stopping or the choice of an epoch would change weights. */
  static const uint32_t victims[] = {0, 4, 8, 5};
  static const int attacks[] = {NOISE | LABELS, NOISE | LABELS | SHAPE | CLIPS};
  enum kind kind = (enum kind)(_i / 3);
  uint32_t validation = (uint32_t)_i % 3;
  for (int recipe = 0; recipe < RECIPES; recipe++) {
    struct crowd c;
    struct ended before, after;
    make_crowd(&c);
    run_crowd(&before, &c, kind, validation, recipe, 2);
    for (int turn = 0; turn < 2; turn++) {
      uint32_t victim = victims[(2 * turn + recipe) % 4], bit = 1u << victim;
      int kept = 0, changed = 0;
      make_crowd(&c);
      /* a deal by sizes may change with the number of samples */
      intervene(&c, victim, kind == GROUPED ? attacks[turn] & ~CLIPS : attacks[turn]);
      run_crowd(&after, &c, kind, validation, recipe, 1);
      ck_assert_uint_eq(before.count, after.count);
      for (uint32_t f = 0; f < before.count; f++) {
        ck_assert_uint_eq(before.tests[f], after.tests[f]);
        int same = !strcmp(before.checksum[f], after.checksum[f]);
        if (before.tests[f] & bit) {
          ck_assert_msg(same, "recipe %d, fold %u: its weights changed with the tested subject p%u", recipe, f, victim);
          kept++;
        } else if (before.trains[f] & after.trains[f] & bit) {
          ck_assert_msg(!same, "recipe %d, fold %u: its weights do not show that p%u trains", recipe, f, victim);
          changed++;
        }
      }
      ck_assert_int_eq(kept, 1);
      ck_assert_int_ge(changed, 1);
    }
  }
}
END_TEST

/* ---- rows, workers, shards ---- */

static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8); }

/* A 24-bit BMP of a grey image. */
static void write_bmp(const char *path, const uint8_t *grey, uint32_t side) {
  uint8_t file[54 + 3 * 2 * SIDE * 2 * SIDE] = {'B', 'M'};
  put16(file + 10, 54), put16(file + 14, 40), put16(file + 18, side), put16(file + 22, side), put16(file + 26, 1), put16(file + 28, 24);
  uint32_t size = 54;
  for (uint32_t y = side; y-- > 0;)
    for (uint32_t x = 0; x < 3 * side; x++) file[size++] = grey[y * side + x / 3];
  put16(file + 2, size);
  test_write(path, (const char *)file, size);
}

static void write_pgm(const char *path, const uint8_t *grey, uint32_t side) {
  char file[32 + 4 * SIDE * SIDE];
  int n = sprintf(file, "P5\n%u %u\n255\n", side, side);
  memcpy(file + n, grey, (size_t)side * side);
  test_write(path, file, (size_t)n + side * side);
}

/* Images of set0 in another format than the others', so that two decoders are at work. */
static void write_images(const char *folder, const struct crowd *c) {
  for (uint32_t i = 0; i < c->count; i++) {
    const struct face *f = &c->faces[i];
    uint8_t grey[2 * SIDE * 2 * SIDE];
    char name[64];
    draw_face(f, grey);
    snprintf(name, sizeof name, "%s-%s.%s", f->subject, f->clip, f->dataset[3] == '0' ? "pgm" : "bmp");
    if (f->dataset[3] == '0') write_pgm(test_path(folder, name), grey, f->side);
    else write_bmp(test_path(folder, name), grey, f->side);
  }
}

/* Rows in the crowd's order; the file's name, too, should not matter. */
static efme_dataset *open_manifest(efme_context *context, const char *folder, const struct crowd *c) {
  static int number;
  char text[MOST * 80] = "path,label,subject,dataset,clip,remark\n", name[32];
  size_t n = strlen(text);
  for (uint32_t i = 0; i < c->count; i++) {
    const struct face *f = &c->faces[c->row[i]];
    n += (size_t)sprintf(text + n, "%s-%s.%s,%s,%s,%s,%s,row %u\n", f->subject, f->clip, f->dataset[3] == '0' ? "pgm" : "bmp", lf_classes[f->label],
                         f->subject, f->dataset, f->clip, i);
  }
  snprintf(name, sizeof name, "manifest%d.csv", number++);
  test_write(test_path(folder, name), text, n);
  efme_dataset *d = NULL;
  OK(efme_dataset_open_manifest(&d, context, test_path(folder, name), NULL));
  return d;
}

/* All that a result writes, without the lines that tell the time. */
static char *written(const efme_result *r, const char *folder) {
  OK(efme_result_write(r, test_path(folder, "m.json"), test_path(folder, "p.csv"), test_path(folder, "o.log")));
  static const char *const files[] = {"m.json", "p.csv", "o.log"};
  char *all = calloc(1, 1 << 20), *end = all;
  for (int i = 0; i < 3; i++) {
    char *text = test_read(test_path(folder, files[i]), NULL);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
      if (!strstr(line, "seconds\"")) end += sprintf(end, "%s\n", line);
    free(text);
  }
  char *text = NULL;
  OK(efme_result_text(r, &text));
  strcpy(end, text);
  efme_string_free(text);
  return all;
}

static void same_text(const char *a, const char *b) {
  size_t at = 0;
  while (a[at] && a[at] == b[at]) at++;
  ck_assert_msg(a[at] == b[at], "differs at byte %zu:\n%.300s\n---\n%.300s", at, a + (at > 100 ? at - 100 : 0), b + (at > 100 ? at - 100 : 0));
}

static efme_evaluator *evaluator_of(const struct lf *f, uint32_t workers, uint32_t shard, uint32_t shards, const char *folder) {
  efme_evaluator_options o = EFME_EVALUATOR_OPTIONS_INIT;
  efme_evaluator *e = NULL;
  o.workers = workers;
  o.shard = shard;
  o.shards = shards;
  o.folder = folder;
  OK(efme_evaluator_create(&e, f->model, f->dataset, f->plan, f->recipe, &o));
  return e;
}

/* A run in `shards` processes and folders of its own, put together in the first. */
static char *run_sharded(const struct lf *f, uint32_t workers, uint32_t shards) {
  char *folders[4] = {NULL}, *text;
  efme_evaluator *e = NULL;
  efme_result *r = NULL;
  for (uint32_t s = shards; s-- > 0;) {
    folders[s] = test_folder();
    e = evaluator_of(f, workers, s, shards, folders[s]);
    OK(efme_evaluator_run(e, NULL, NULL));
    if (s) efme_evaluator_release(e);
  }
  for (uint32_t s = 1; s < shards; s++) OK(efme_evaluator_merge(e, folders[s]));
  OK(efme_evaluator_result(&r, e));
  text = written(r, folders[0]);
  efme_result_release(r);
  efme_evaluator_release(e);
  for (uint32_t s = 0; s < shards; s++) {
    test_remove(folders[s]);
    free(folders[s]);
  }
  return text;
}

START_TEST(rows_workers_shards) {
  static const struct {
    uint32_t stride, threads, workers, shards;
  } turns[] = {{1, 1, 1, 1}, {7, 2, 2, 1}, {11, 3, 1, 3}, {23, 1, 3, 2}};
  enum kind kind = (enum kind)(_i / 2);
  char *first = NULL, *folder = test_folder();
  struct crowd c;
  make_crowd(&c);
  if (kind == GROUPED) { /* one image three times, under two subjects: who is told of must not hang on rows */
    c.faces[1] = c.faces[4], c.faces[0] = c.faces[4];
    for (int k = 0; k < 2; k++) {
      strcpy(c.faces[k].subject, "p0"), strcpy(c.faces[k].dataset, "set0");
      snprintf(c.faces[k].clip, sizeof c.faces[k].clip, "c%d", k);
    }
  }
  write_images(folder, &c);
  for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
    struct lf f = {.context = test_context(turns[i].threads)};
    if (i) shuffle(&c, turns[i].stride);
    f.dataset = open_manifest(f.context, folder, &c);
    f.model = lf_model(f.context);
    f.recipe = make_recipe(f.context, 3);
    f.plan = make_plan(f.dataset, kind, _i % 2 ? EFME_VALIDATE_RANDOM : EFME_VALIDATE_SUBJECTS);
    char *text = run_sharded(&f, turns[i].workers, turns[i].shards);
    if (first) same_text(first, text);
    else first = strdup(text);
    free(text);
    lf_free(&f);
  }
  if (kind == GROUPED) HAS(first, "1 samples repeat another of the same subject");
  if (kind == GROUPED) HAS(first, "1 samples repeat one of another subject (all on the same side of every fold), first set0/p0/c1 and set1/p1/c1");
  HAS(first, "pnm");
  free(first);
  test_remove(folder);
  free(folder);
}
END_TEST

/* Keys of a view in byte order, classes and all that follows from them. */
static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
static char *keys_of(const efme_dataset *d) {
  char *all = calloc(1, 1 << 14), *end = all;
  const char *keys[MOST];
  uint64_t n = efme_dataset_count(d);
  for (uint64_t i = 0; i < n; i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    OK(efme_dataset_sample(d, i, &s));
    keys[i] = s.key;
  }
  qsort(keys, n, sizeof *keys, by_text);
  for (uint64_t i = 0; i < n; i++) end += sprintf(end, "%s\n", keys[i]);
  return all;
}

START_TEST(rows_and_drawn_views) {
  /* What is drawn before an evaluation must not hang on rows either: balanced sets and both splits. */
  char *first[5] = {NULL}, *folder = test_folder();
  efme_context *context = test_context(1);
  struct crowd c;
  make_crowd(&c);
  write_images(folder, &c);
  for (uint32_t turn = 0; turn < 3; turn++) {
    efme_dataset *d = NULL, *views[5] = {NULL};
    if (turn) shuffle(&c, 5 * turn + 2);
    d = open_manifest(context, folder, &c);
    OK(efme_dataset_balance(&views[0], d, 0, 7));
    OK(efme_dataset_split(&views[1], &views[2], d, .3, 7));
    OK(efme_dataset_split_subjects(&views[3], &views[4], d, .3, 7));
    for (int k = 0; k < 5; k++) {
      char *keys = keys_of(views[k]);
      if (first[k]) ck_assert_str_eq(first[k], keys);
      else first[k] = strdup(keys);
      free(keys);
      efme_dataset_release(views[k]);
    }
    efme_dataset_release(d);
  }
  for (int k = 0; k < 5; k++) free(first[k]);
  efme_context_release(context);
  test_remove(folder);
  free(folder);
}
END_TEST

START_TEST(rows_of_a_set_apart) {
  char *first = NULL, *folder = test_folder();
  struct crowd c;
  make_crowd(&c);
  write_images(folder, &c);
  for (uint32_t turn = 0; turn < 3; turn++) {
    efme_context *context = test_context(1 + turn);
    efme_result *r = NULL;
    if (turn) shuffle(&c, 5 * turn + 2);
    efme_dataset *d = open_manifest(context, folder, &c);
    efme_model *model = lf_model(context);
    OK(efme_evaluate(&r, model, d, NULL));
    char *text = written(r, folder);
    if (first) same_text(first, text);
    else first = strdup(text);
    free(text);
    efme_result_release(r);
    efme_model_release(model);
    efme_dataset_release(d);
    efme_context_release(context);
  }
  free(first);
  test_remove(folder);
  free(folder);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("attack");
  TCase *t = tcase_create("attack");
  tcase_set_timeout(t, 300);
  tcase_add_loop_test(t, tested_subject_has_no_influence, 0, 3 * KINDS);
  tcase_add_loop_test(t, rows_workers_shards, 0, 2 * KINDS);
  tcase_add_test(t, rows_and_drawn_views);
  tcase_add_test(t, rows_of_a_set_apart);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
