/* Fold plans: what each kind makes, what all keep, and what is refused. */
#include "eval_test.h"

#include "eval/plan.h"

#define MOST 64

/* A data set in memory: 4 x 4 grey images, all different unless `image` says otherwise. */
struct made {
  uint64_t count;
  struct {
    char dataset[16], subject[16], clip[16];
    int32_t label;
    int image;
  } items[MOST];
  uint64_t order[MOST]; /* row i is items[order[i]] */
};

static const char *const names[] = {"negative", "positive", "surprise"};

static efme_status describe(efme_sample *s, uint64_t index, void *user) {
  const struct made *m = user;
  uint64_t i = m->order[index];
  s->dataset = m->items[i].dataset;
  s->subject = m->items[i].subject;
  s->clip = m->items[i].clip;
  s->label = m->items[i].label;
  return EFME_OK;
}

static efme_status read_image(efme_image **out, efme_context *context, uint64_t index, void *user) {
  const struct made *m = user;
  int image = m->items[m->order[index]].image;
  uint8_t pixels[16];
  for (int k = 0; k < 16; k++) pixels[k] = (uint8_t)(image * (k + 1) + (k & 1 ? image >> 8 : 0));
  return efme_image_from_pixels(out, context, pixels, EFME_PIXEL_GREY8, 4, 4, 0);
}

static void add(struct made *m, const char *dataset, const char *subject, int samples, int32_t label) {
  for (int i = 0; i < samples; i++) {
    uint64_t n = m->count++;
    ck_assert_uint_lt(n, MOST);
    strcpy(m->items[n].dataset, dataset);
    strcpy(m->items[n].subject, subject);
    snprintf(m->items[n].clip, sizeof m->items[n].clip, "c%02d", (int)n);
    m->items[n].label = label;
    m->items[n].image = (int)n;
    m->order[n] = n;
  }
}

/* Subjects a .. with two samples of each class. */
static void add_people(struct made *m, const char *dataset, int people) {
  for (int p = 0; p < people; p++) {
    char subject[2] = {(char)('a' + p), 0};
    for (int c = 0; c < 3; c++) add(m, dataset, subject, 2, c);
  }
}

static efme_dataset *open_made(efme_context *context, struct made *m) {
  efme_dataset_callbacks c = {sizeof c, m->count, describe, read_image, NULL, m, names, 3, 0};
  efme_dataset *d = NULL;
  OK(efme_dataset_create(&d, context, &c));
  return d;
}

static efme_context *context;
static void set_up(void) { context = test_context(1); }
static void tear_down(void) { efme_context_release(context); }

struct part {
  const uint64_t *at;
  uint64_t n;
};

static struct part part_of(const efme_fold_plan *p, uint32_t fold, efme_fold_part part) {
  struct part out = {NULL, 77};
  OK(efme_fold_plan_part(p, fold, part, &out.at, &out.n));
  return out;
}

static efme_sample sample_of(const efme_dataset *d, uint64_t index) {
  efme_sample s = EFME_SAMPLE_INIT;
  OK(efme_dataset_sample(d, index, &s));
  return s;
}

static int holds(const efme_dataset *d, struct part p, const char *subject) {
  for (uint64_t i = 0; i < p.n; i++)
    if (!strcmp(sample_of(d, p.at[i]).subject, subject)) return 1;
  return 0;
}

/* What every plan keeps: each sample once in each fold and tested once; keys rise; test subjects nowhere else. */
static void check_plan(const efme_fold_plan *p, const efme_dataset *d, int by_subject) {
  uint64_t n = efme_dataset_count(d);
  int tested[MOST] = {0};
  for (uint32_t f = 0; f < efme_fold_plan_count(p); f++) {
    int seen[MOST] = {0};
    ck_assert_ptr_nonnull(efme_fold_plan_name(p, f));
    for (int k = 0; k < 3; k++) {
      struct part part = part_of(p, f, (efme_fold_part)k);
      for (uint64_t i = 0; i < part.n; i++) {
        ck_assert_uint_lt(part.at[i], n);
        ck_assert_int_eq(seen[part.at[i]]++, 0);
        if (k == EFME_PART_TEST) tested[part.at[i]]++;
        if (i) ck_assert_int_lt(strcmp(sample_of(d, part.at[i - 1]).key, sample_of(d, part.at[i]).key), 0);
      }
    }
    for (uint64_t i = 0; i < n; i++) ck_assert_int_eq(seen[i], 1);
    for (uint32_t s = 0; s < efme_dataset_subject_count(d); s++) {
      const char *subject = efme_dataset_subject(d, s);
      int train = holds(d, part_of(p, f, EFME_PART_TRAIN), subject), validation = holds(d, part_of(p, f, EFME_PART_VALIDATION), subject);
      int test = holds(d, part_of(p, f, EFME_PART_TEST), subject);
      if (by_subject) ck_assert_int_eq(train + validation + test, 1);
      else ck_assert(!test || (!train && !validation));
    }
  }
  for (uint64_t i = 0; i < n; i++) ck_assert_int_eq(tested[i], 1);
}

/* ---- kinds ---- */

START_TEST(loso) {
  struct made m = {0};
  add_people(&m, "own", 7);
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_loso(&p, d, NULL));
  ck_assert_uint_eq(efme_fold_plan_count(p), 7);
  ck_assert_str_eq(efme_fold_plan_name(p, 2), "own/c");
  ck_assert_ptr_null(efme_fold_plan_name(p, 7));
  check_plan(p, d, 1);
  int differ = 0;
  for (uint32_t f = 0; f < 7; f++) {
    ck_assert_uint_eq(part_of(p, f, EFME_PART_TEST).n, 6);
    struct part v = part_of(p, f, EFME_PART_VALIDATION);
    ck_assert_uint_eq(v.n, 12); /* 20 % of 36 is 7.2: two subjects */
    differ += v.at[0] != part_of(p, 0, EFME_PART_VALIDATION).at[0];
  }
  ck_assert_int_gt(differ, 0);
  efme_fold_plan_release(p);
  efme_dataset_release(d);
}
END_TEST

START_TEST(keys_compared_whole) {
  /* Error 1: s1 is part of s11 and s1x; folds are not fooled. */
  struct made m = {0};
  const char *subjects[] = {"s1", "s11", "s1x", "xs1"};
  for (int s = 0; s < 4; s++)
    for (int c = 0; c < 3; c++) add(&m, "smic", subjects[s], 2, c);
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_loso(&p, d, NULL));
  ck_assert_uint_eq(efme_fold_plan_count(p), 4);
  check_plan(p, d, 1);
  for (uint32_t f = 0; f < 4; f++) {
    struct part t = part_of(p, f, EFME_PART_TEST);
    ck_assert_uint_eq(t.n, 6);
    for (uint64_t i = 0; i < t.n; i++) ck_assert_str_eq(sample_of(d, t.at[i]).subject, efme_fold_plan_name(p, f));
  }
  efme_fold_plan_release(p);
  efme_dataset_release(d);
}
END_TEST

START_TEST(rows_in_any_order) {
  struct made m = {0}, shuffled;
  add_people(&m, "own", 6);
  add_people(&m, "other", 3);
  shuffled = m;
  for (uint64_t i = 0; i < m.count; i++) shuffled.order[i] = (i * 23 + 5) % m.count; /* 54 and 23 have no common divisor */
  efme_dataset *a = open_made(context, &m), *b = open_made(context, &shuffled);
  for (int kind = 0; kind < 4; kind++) {
    efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
    efme_fold_plan *p = NULL, *q = NULL;
    options.validation = kind == 3 ? EFME_VALIDATE_RANDOM : EFME_VALIDATE_SUBJECTS;
    if (kind == 1) {
      OK(efme_fold_plan_grouped(&p, a, 4, &options));
      OK(efme_fold_plan_grouped(&q, b, 4, &options));
    } else if (kind == 2) {
      OK(efme_fold_plan_datasets(&p, a, &options));
      OK(efme_fold_plan_datasets(&q, b, &options));
    } else {
      OK(efme_fold_plan_loso(&p, a, &options));
      OK(efme_fold_plan_loso(&q, b, &options));
    }
    check_plan(p, a, kind != 3);
    ck_assert_uint_eq(efme_fold_plan_count(p), efme_fold_plan_count(q));
    for (uint32_t f = 0; f < efme_fold_plan_count(p); f++)
      for (int k = 0; k < 3; k++) {
        struct part x = part_of(p, f, (efme_fold_part)k), y = part_of(q, f, (efme_fold_part)k);
        ck_assert_uint_eq(x.n, y.n);
        for (uint64_t i = 0; i < x.n; i++) ck_assert_str_eq(sample_of(a, x.at[i]).key, sample_of(b, y.at[i]).key);
      }
    efme_fold_plan_release(p);
    efme_fold_plan_release(q);
  }
  efme_dataset_release(a);
  efme_dataset_release(b);
}
END_TEST

START_TEST(grouped) {
  struct made m = {0};
  const int sizes[] = {9, 3, 3, 6, 3, 6};
  for (int s = 0; s < 6; s++) {
    char subject[2] = {(char)('a' + s), 0};
    for (int c = 0; c < 3; c++) add(&m, "own", subject, sizes[s] / 3, c);
  }
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_grouped(&p, d, 3, NULL));
  check_plan(p, d, 1);
  ck_assert_str_eq(efme_fold_plan_name(p, 2), "fold 2");
  for (uint32_t f = 0; f < 3; f++) ck_assert_uint_ge(part_of(p, f, EFME_PART_TEST).n, 9); /* 9, 9 and 12 of 30 */
  efme_fold_plan_release(p);
  p = NULL;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_grouped(&p, d, 7, NULL), "k is 7, there are 6");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_grouped(&p, d, 1, NULL), "k is 1");
  ck_assert_ptr_null(p);
  efme_dataset_release(d);
}
END_TEST

START_TEST(datasets) {
  struct made m = {0};
  add_people(&m, "b", 2);
  add_people(&m, "a", 3);
  add_people(&m, "ab", 2);
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_datasets(&p, d, NULL));
  ck_assert_uint_eq(efme_fold_plan_count(p), 3);
  check_plan(p, d, 1);
  for (uint32_t f = 0; f < 3; f++)
    for (uint64_t i = 0; i < part_of(p, f, EFME_PART_TEST).n; i++)
      ck_assert_str_eq(sample_of(d, part_of(p, f, EFME_PART_TEST).at[i]).dataset, efme_fold_plan_name(p, f));
  efme_fold_plan_release(p);
  /* one data set only, its subjects left out one by one */
  efme_dataset *only = NULL;
  OK(efme_dataset_filter(&only, d, "dataset", "a", 0));
  OK(efme_fold_plan_loso(&p, only, NULL));
  ck_assert_uint_eq(efme_fold_plan_count(p), 3);
  check_plan(p, only, 1);
  efme_fold_plan_release(p);
  p = NULL;
  FAILS(EFME_E_MISMATCH, efme_fold_plan_datasets(&p, only, NULL), "one dataset only, a");
  ck_assert_ptr_null(p);
  efme_dataset_release(only);
  efme_dataset_release(d);
}
END_TEST

START_TEST(custom) {
  struct made m = {0};
  add_people(&m, "own", 5);
  efme_dataset *d = open_made(context, &m);
  uint32_t fold_of[MOST];
  for (uint64_t i = 0; i < m.count; i++) fold_of[i] = (uint32_t)(i / 6) % 3;
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_custom(&p, d, fold_of, 3, NULL));
  check_plan(p, d, 1);
  ck_assert_uint_eq(part_of(p, 0, EFME_PART_TEST).n, 12);
  efme_fold_plan_release(p);
  p = NULL;
  fold_of[7] = 2;
  FAILS(EFME_E_LEAK, efme_fold_plan_custom(&p, d, fold_of, 3, NULL), "subject own/b is tested in fold 1");
  fold_of[7] = 3;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_custom(&p, d, fold_of, 3, NULL), "fold_of[7] is 3");
  fold_of[7] = 1;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_custom(&p, d, fold_of, 4, NULL), "fold 3 tests no sample");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_custom(&p, d, fold_of, 1, NULL), "folds is 1");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_custom(&p, d, NULL, 3, NULL), "fold_of is NULL");
  ck_assert_ptr_null(p);
  efme_dataset_release(d);
}
END_TEST

/* ---- validation ---- */

START_TEST(random_and_none) {
  struct made m = {0};
  add_people(&m, "own", 6);
  efme_dataset *d = open_made(context, &m);
  efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
  efme_fold_plan *p = NULL;
  options.validation = EFME_VALIDATE_RANDOM;
  OK(efme_fold_plan_loso(&p, d, &options));
  check_plan(p, d, 0);
  for (uint32_t f = 0; f < 6; f++) { /* of each class floor(.2 * 10) */
    int counts[3] = {0};
    struct part v = part_of(p, f, EFME_PART_VALIDATION);
    for (uint64_t i = 0; i < v.n; i++) counts[sample_of(d, v.at[i]).label]++;
    for (int c = 0; c < 3; c++) ck_assert_int_eq(counts[c], 2);
  }
  efme_fold_plan_release(p);
  options.validation = EFME_VALIDATE_NONE;
  OK(efme_fold_plan_loso(&p, d, &options));
  check_plan(p, d, 1);
  for (uint32_t f = 0; f < 6; f++) ck_assert_uint_eq(part_of(p, f, EFME_PART_VALIDATION).n, 0);
  efme_fold_plan_release(p);
  efme_dataset_release(d);
}
END_TEST

START_TEST(validation_seed) {
  /* Seed and fold name decide; the ratio is reached; other subjects' presence does not reshuffle the rest. */
  struct made m = {0};
  add_people(&m, "own", 10);
  efme_dataset *d = open_made(context, &m);
  efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
  int changed = 0;
  for (double ratio = .1; ratio < .75; ratio += .2)
    for (uint64_t seed = 0; seed < 4; seed++) {
      efme_fold_plan *p = NULL, *q = NULL;
      options.ratio = ratio;
      options.seed = seed;
      OK(efme_fold_plan_loso(&p, d, &options));
      options.seed = seed + 100;
      OK(efme_fold_plan_loso(&q, d, &options));
      check_plan(p, d, 1);
      for (uint32_t f = 0; f < 10; f++) {
        struct part v = part_of(p, f, EFME_PART_VALIDATION), w = part_of(q, f, EFME_PART_VALIDATION);
        ck_assert_double_ge((double)v.n, ratio * 54 - 1e-9);
        ck_assert_double_lt((double)v.n, ratio * 54 + 6);
        changed += v.at[0] != w.at[0];
      }
      efme_fold_plan_release(p);
      efme_fold_plan_release(q);
    }
  ck_assert_int_gt(changed, 40);
  efme_dataset_release(d);
}
END_TEST

START_TEST(rare_class) {
  /* Surprise lies with two subjects only: validation takes one of them where training keeps the other, and none where it cannot. */
  struct made m = {0};
  for (int s = 0; s < 8; s++) {
    char subject[2] = {(char)('a' + s), 0};
    add(&m, "own", subject, 2, 0);
    add(&m, "own", subject, 2, 1);
    if (s < 2) add(&m, "own", subject, 1, 2);
  }
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_loso(&p, d, NULL));
  check_plan(p, d, 1);
  for (uint32_t f = 0; f < 8; f++) {
    struct part v = part_of(p, f, EFME_PART_VALIDATION), t = part_of(p, f, EFME_PART_TRAIN);
    int surprise[2] = {0, 0};
    for (uint64_t i = 0; i < v.n; i++) surprise[0] += sample_of(d, v.at[i]).label == 2;
    for (uint64_t i = 0; i < t.n; i++) surprise[1] += sample_of(d, t.at[i]).label == 2;
    ck_assert_int_eq(surprise[1], 1);
    ck_assert_int_eq(surprise[0], f < 2 ? 0 : 1);
    ck_assert_uint_le(v.n, 13); /* a third subject only where its surprise was missing */
  }
  efme_fold_plan_release(p);
  efme_dataset_release(d);
}
END_TEST

/* ---- refusals ---- */

static void refused(struct made *m, efme_status status, const char *part) {
  efme_dataset *d = open_made(context, m);
  efme_fold_plan *p = NULL;
  FAILS(status, efme_fold_plan_loso(&p, d, NULL), part);
  ck_assert_ptr_null(p);
  efme_dataset_release(d);
}

START_TEST(refusals) {
  struct made one = {0}, faceless = {0}, classless = {0}, empty_class = {0}, only_here = {0};
  add_people(&one, "own", 1);
  refused(&one, EFME_E_MISMATCH, "one subject only, own/a");
  add_people(&faceless, "own", 3);
  strcpy(faceless.items[7].subject, "");
  refused(&faceless, EFME_E_MISMATCH, "c07 has no subject");
  add_people(&empty_class, "own", 3);
  for (uint64_t i = 0; i < empty_class.count; i++) empty_class.items[i].label %= 2;
  refused(&empty_class, EFME_E_MISMATCH, "class surprise has no sample");
  add_people(&only_here, "own", 3);
  for (uint64_t i = 6; i < only_here.count; i++) only_here.items[i].label %= 2;
  refused(&only_here, EFME_E_MISMATCH, "fold own/a: no training sample has class surprise");
  (void)classless;
  efme_dataset *d = open_made(context, &one);
  efme_fold_plan *p = NULL;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_loso(NULL, d, NULL), "out is NULL");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_loso(&p, NULL, NULL), "dataset is NULL");
  efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
  options.ratio = 1.0;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_loso(&p, d, &options), "ratio");
  options.ratio = NAN;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_loso(&p, d, &options), "ratio");
  options.ratio = .2;
  options.validation = 3;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_loso(&p, d, &options), "validation is 3");
  options.validation = 0;
  options.reserved = 1;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_loso(&p, d, &options), "reserved");
  efme_dataset_release(d);
  add_people(&classless, "own", 3);
  for (uint64_t i = 0; i < classless.count; i++) classless.items[i].image += 100;
  d = open_made(context, &classless);
  const uint64_t *at = NULL;
  uint64_t n = 0;
  OK(efme_fold_plan_loso(&p, d, NULL));
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_part(p, 3, EFME_PART_TEST, &at, &n), "fold is 3, there are 3");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_part(p, 0, (efme_fold_part)3, &at, &n), "part is 3");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_part(p, 0, EFME_PART_TEST, NULL, &n), "indices is NULL");
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_part(NULL, 0, EFME_PART_TEST, &at, &n), "plan is NULL");
  efme_dataset_release(d); /* the plan keeps it */
  ck_assert_str_eq(efme_fold_plan_name(p, 1), "own/b");
  efme_fold_plan *again = efme_fold_plan_retain(p);
  efme_fold_plan_release(p);
  ck_assert_uint_eq(efme_fold_plan_count(again), 3);
  efme_fold_plan_release(again);
  ck_assert_uint_eq(efme_fold_plan_count(NULL), 0);
  efme_fold_plan_release(NULL);
}
END_TEST

START_TEST(equal_pixels) {
  struct made m = {0};
  add_people(&m, "own", 5);
  m.items[3].image = m.items[4].image; /* within subject a: no harm */
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_loso(&p, d, NULL));
  efme_fold_plan_release(p);
  efme_dataset_release(d);
  m.items[8].image = m.items[20].image; /* b and d */
  d = open_made(context, &m);
  p = NULL;
  FAILS(EFME_E_LEAK, efme_fold_plan_loso(&p, d, NULL),
        "samples own/b/c08 and own/d/c20 have the same pixels but are tested in different folds, own/b and own/d");
  ck_assert_ptr_null(p);
  /* kept together where the plan may choose, in test as in validation */
  for (uint64_t seed = 0; seed < 12; seed++) {
    efme_fold_options options = EFME_FOLD_OPTIONS_INIT;
    options.seed = seed;
    OK(efme_fold_plan_grouped(&p, d, 3, &options));
    check_plan(p, d, 1);
    for (uint32_t f = 0; f < 3; f++)
      for (int k = 0; k < 3; k++)
        ck_assert_int_eq(holds(d, part_of(p, f, (efme_fold_part)k), "own/b"), holds(d, part_of(p, f, (efme_fold_part)k), "own/d"));
    efme_fold_plan_release(p);
  }
  p = NULL;
  FAILS(EFME_E_ARGUMENT, efme_fold_plan_grouped(&p, d, 5, NULL), "there are 4");
  uint32_t fold_of[MOST];
  for (uint64_t i = 0; i < m.count; i++) fold_of[i] = (uint32_t)(i / 6) % 2;
  OK(efme_fold_plan_custom(&p, d, fold_of, 2, NULL)); /* b and d: both odd */
  efme_fold_plan_release(p);
  p = NULL;
  for (uint64_t i = 0; i < m.count; i++) fold_of[i] = i / 6 < 3;
  FAILS(EFME_E_LEAK, efme_fold_plan_custom(&p, d, fold_of, 2, NULL), "the same pixels");
  efme_dataset_release(d);
}
END_TEST

START_TEST(equal_files) {
  /* The same file under two names, and a file that differs in its header only. */
  char *folder = test_folder();
  static const char *const head[] = {"P5 2 2 255\n", "P5\n2 2\n255\n"};
  for (int other = 0; other < 2; other++) {
    FILE *f = fopen(test_path(folder, "list.csv"), "w");
    fprintf(f, "path,label,subject,dataset\n");
    for (int i = 0; i < 12; i++) {
      char name[32], data[64];
      snprintf(name, sizeof name, "%d.pgm", i);
      int twin = i == 9 ? 2 : i;
      int n = snprintf(data, sizeof data, "%s", head[i == 9 ? other : 0]);
      data[n] = data[n + 3] = (char)('A' + twin);
      data[n + 1] = data[n + 2] = 'x';
      test_write(test_path(folder, name), data, (size_t)n + 4);
      fprintf(f, "%s,%s,p%d,own\n", name, i % 2 ? "happy" : "sad", i / 4);
    }
    fclose(f);
    efme_dataset *d = NULL;
    efme_fold_plan *p = NULL;
    OK(efme_dataset_open_manifest(&d, context, test_path(folder, "list.csv"), NULL));
    FAILS(EFME_E_LEAK, efme_fold_plan_loso(&p, d, NULL), other ? "have the same pixels" : "have the same file");
    efme_dataset_release(d);
  }
  test_remove(folder);
  free(folder);
}
END_TEST

START_TEST(ck48) {
  /* The real thing: 118 subjects, no repeats, 29 subjects with one class only. */
  if (test_absent("data/ck48")) return;
  efme_dataset *d = NULL;
  efme_fold_plan *p = NULL;
  OK(efme_dataset_open_ck48(&d, context, test_shared("data/ck48"), NULL));
  OK(efme_fold_plan_loso(&p, d, NULL));
  ck_assert_uint_eq(efme_fold_plan_count(p), 118);
  uint64_t tested = 0;
  for (uint32_t f = 0; f < 118; f++) {
    uint64_t validation = part_of(p, f, EFME_PART_VALIDATION).n, train = part_of(p, f, EFME_PART_TRAIN).n;
    tested += part_of(p, f, EFME_PART_TEST).n;
    ck_assert_double_ge((double)validation, .2 * (double)(validation + train));
    ck_assert_double_lt((double)validation, .3 * (double)(validation + train));
  }
  ck_assert_uint_eq(tested, 981);
  efme_fold_plan_release(p);
  efme_dataset_release(d);
}
END_TEST

/* The audit looks at the finished lists. No call can make a wrong one, so they are made wrong here. */
START_TEST(wrong_lists_are_refused) {
  struct made m = {0};
  add_people(&m, "own", 5);
  efme_dataset *d = open_made(context, &m);
  efme_fold_plan *p = NULL;
  OK(efme_fold_plan_loso(&p, d, NULL));
  OK(efme_plan_verify(p));
  uint64_t *at = p->folds[1].indices, *n = p->folds[1].counts, train = n[EFME_PART_TRAIN], validation = n[EFME_PART_VALIDATION], kept;
  uint64_t *tested = at + train + validation;
  kept = tested[0], tested[0] = tested[1]; /* one sample twice */
  FAILS(EFME_E_INTERNAL, efme_plan_verify(p), "fold own/b: sample");
  tested[0] = kept;
  kept = tested[0], tested[0] = at[train - 1], at[train - 1] = kept; /* a sample of a later subject, changed for one of its own */
  FAILS(EFME_E_LEAK, efme_plan_verify(p), "fold own/b: subject own/");
  efme_fold_plan_release(p);
  OK(efme_fold_plan_loso(&p, d, NULL));
  p->folds[1].counts[EFME_PART_TEST]--; /* one is tested by nobody */
  FAILS(EFME_E_INTERNAL, efme_plan_verify(p), "is tested in no fold");
  p->folds[1].counts[EFME_PART_TEST]++;
  /* all of fold own/b is a copy of fold own/a: its samples are tested twice */
  memcpy(p->folds[1].indices, p->folds[0].indices, p->samples * sizeof *p->folds[0].indices);
  memcpy(p->folds[1].counts, p->folds[0].counts, sizeof p->folds[0].counts);
  FAILS(EFME_E_INTERNAL, efme_plan_verify(p), "is tested in two folds");
  efme_fold_plan_release(p);
  OK(efme_fold_plan_loso(&p, d, NULL));
  at = p->folds[1].indices, train = p->folds[1].counts[EFME_PART_TRAIN];
  kept = at[0], at[0] = at[train], at[train] = kept; /* a subject that trains and validates */
  FAILS(EFME_E_LEAK, efme_plan_verify(p), "stands in validation and in training");
  p->options.validation = EFME_VALIDATE_RANDOM; /* where that was asked for it may */
  OK(efme_plan_verify(p));
  efme_fold_plan_release(p);
  OK(efme_fold_plan_loso(&p, d, NULL));
  p->group[p->folds[1].indices[0]] = p->group[p->folds[1].indices[p->samples - 1]]; /* the same picture in training and in test */
  FAILS(EFME_E_LEAK, efme_plan_verify(p), "the content of own/");
  efme_fold_plan_release(p);
  efme_dataset_release(d);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("plans");
  TCase *t = tcase_create("plans");
  tcase_set_timeout(t, 120);
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_add_test(t, loso);
  tcase_add_test(t, keys_compared_whole);
  tcase_add_test(t, rows_in_any_order);
  tcase_add_test(t, grouped);
  tcase_add_test(t, datasets);
  tcase_add_test(t, custom);
  tcase_add_test(t, random_and_none);
  tcase_add_test(t, validation_seed);
  tcase_add_test(t, rare_class);
  tcase_add_test(t, refusals);
  tcase_add_test(t, equal_pixels);
  tcase_add_test(t, equal_files);
  tcase_add_test(t, wrong_lists_are_refused);
  tcase_add_test(t, ck48);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
