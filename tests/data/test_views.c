/* Views: label maps, filters, and what is drawn by seed, compared with the draws' definition done naively. */
#include <cjson/cJSON.h>

#include "data_test.h"

#include "data/dataset.h"

static efme_context *context;

/* ---- a host dataset whose samples say what they are ---- */
struct host {
  uint64_t count;
  uint32_t subjects; /* 0: without */
  const char *const *labels;
  uint32_t label_count;
  int destroyed;
};

static char host_text[2][64];

static efme_status host_describe(efme_sample *s, uint64_t index, void *user) {
  struct host *h = user;
  s->dataset = "host";
  snprintf(host_text[0], 64, "c%03u", (unsigned)index);
  s->clip = host_text[0];
  if (h->subjects) {
    snprintf(host_text[1], 64, "p%u", (unsigned)(efme_hash64(&index, 8, 5) % h->subjects));
    s->subject = host_text[1];
  }
  s->native_label = h->labels[efme_hash64(&index, 8, 1) % h->label_count];
  s->split = index % 3 ? "train" : "test";
  return EFME_OK;
}

static efme_status host_read(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)user;
  uint8_t pixels[4] = {(uint8_t)index, 1, 2, 3};
  return efme_image_from_pixels(out, c, pixels, EFME_PIXEL_GREY8, 2, 2, 0);
}

static void host_destroy(void *user) { ((struct host *)user)->destroyed++; }

static efme_dataset *host_dataset(struct host *h) {
  efme_dataset_callbacks c = {
      .struct_size = sizeof c, .count = h->count, .describe = host_describe, .read = host_read, .destroy = host_destroy, .user = h};
  efme_dataset *d = NULL;
  assert_ok(efme_dataset_create(&d, context, &c));
  return d;
}

static const char *const moods[] = {"happy", "sad", "surprise", "neutral", "anger"};

START_TEST(label_maps) {
  struct host h = {200, 9, moods, 5, 0};
  efme_dataset *d = host_dataset(&h), *m = (efme_dataset *)1;
  assert_ok(efme_dataset_map_labels(&m, d, efme_label_map_builtin("meg3")));
  ck_assert_uint_eq(efme_dataset_class_count(m), 3);
  uint64_t at = 0;
  for (uint64_t i = 0; i < 200; i++) { /* neutral is gone, the rest keeps its order */
    efme_sample s = sample_of(d, i);
    if (!strcmp(s.native_label, "neutral")) continue;
    efme_sample t = sample_of(m, at++);
    ck_assert_str_eq(s.key, t.key);
    ck_assert_int_eq(t.label, !strcmp(s.native_label, "happy") ? 1 : !strcmp(s.native_label, "surprise") ? 2 : 0);
  }
  ck_assert_uint_eq(at, efme_dataset_count(m));
  efme_dataset_release(m);
  static const char *const two[] = {"good", "rest"};
  static const efme_label_rule rules[] = {{"happy", "good"}, {"*", "rest"}, {"anger", NULL}}, lacking[] = {{"happy", "good"}},
                               wrong[] = {{"*", "bad"}}, none[] = {{"*", NULL}};
  efme_label_map map = {sizeof map, two, 2, 3, rules};
  assert_ok(efme_dataset_map_labels(&m, d, &map));
  for (uint64_t i = 0; i < efme_dataset_count(m); i++) {
    efme_sample s = sample_of(m, i);
    ck_assert_int_eq(s.label, strcmp(s.native_label, "happy") ? 1 : 0);
    ck_assert_str_ne(s.native_label, "anger");
  }
  efme_dataset_release(m);
  m = (efme_dataset *)1;
  map.rules = lacking, map.rule_count = 1;
  assert_fails(efme_dataset_map_labels(&m, d, &map), EFME_E_MISMATCH, "no rule of the label map names the label \"");
  ck_assert_msg(strstr(efme_last_error(), "host/p") && strstr(efme_last_error(), "(row "), "%s", efme_last_error()); /* where it stands */
  map.rules = wrong;
  assert_fails(efme_dataset_map_labels(&m, d, &map), EFME_E_ARGUMENT, "bad");
  map.rules = none;
  assert_fails(efme_dataset_map_labels(&m, d, &map), EFME_E_MISMATCH, "every sample");
  map.class_count = 0;
  assert_fails(efme_dataset_map_labels(&m, d, &map), EFME_E_ARGUMENT, "no classes");
  assert_fails(efme_dataset_map_labels(&m, d, NULL), EFME_E_ARGUMENT, "map");
  ck_assert_ptr_eq(m, (efme_dataset *)1);
  ck_assert_ptr_null(efme_label_map_builtin("meg4"));
  ck_assert_ptr_nonnull(efme_label_map_builtin("fer7"));
  efme_dataset_release(d);
  ck_assert_int_eq(h.destroyed, 1);
}
END_TEST

/* Every native spelling of the five sets lands where spec section 3 says, or is dropped; nothing is unknown. */
START_TEST(meg3_knows_every_spelling) {
  static const char *const all[] = {"angry",    "disgust",  "fear",     "happy",     "sad",      "surprise",   "neutral",
                                    "anger",    "contempt", "sadness",  "negative",  "positive", "repression", "happiness",
                                    "others",   "Anger",    "Contempt", "Disgust",   "Fear",     "Happiness",  "Sadness",
                                    "Surprise", "Other",    "Others",   "Repression"};
  const efme_label_map *map = efme_label_map_builtin("meg3");
  for (size_t i = 0; i < EFME_COUNT(all); i++) {
    uint32_t k = 0;
    while (k < map->rule_count && strcmp(map->rules[k].native, all[i])) k++;
    ck_assert_msg(k < map->rule_count, "%s", all[i]);
    const char *expected = strpbrk(all[i], "O") == all[i] || !strcmp(all[i], "others") || !strcmp(all[i], "neutral") ? NULL
                           : strstr(all[i], "app") || !strcmp(all[i], "positive")                                    ? "positive"
                           : strstr(all[i], "urprise")                                                               ? "surprise"
                                                                                                                     : "negative";
    if (expected) ck_assert_str_eq(map->rules[k].class_name, expected);
    else ck_assert_ptr_null(map->rules[k].class_name);
  }
}
END_TEST

/* fer7 keeps the seven apart, under either spelling, and drops what FER2013 has not. */
START_TEST(fer7_classes) {
  static const char *const natives[] = {"anger", "Disgust", "Fear", "Happiness", "sadness", "Surprise", "Neutral",
                                        "angry", "disgust", "fear", "happy",     "sad",     "surprise", "neutral"};
  static const char *const dropped[] = {"contempt", "repression", "others"};
  struct host h = {140, 0, natives, 14, 0}, rest = {9, 0, dropped, 3, 0};
  efme_dataset *d = host_dataset(&h), *m;
  assert_ok(efme_dataset_map_labels(&m, d, efme_label_map_builtin("fer7")));
  ck_assert_uint_eq(efme_dataset_count(m), 140);
  static const char *const classes[] = {"angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"};
  ck_assert_uint_eq(efme_dataset_class_count(m), 7);
  for (uint64_t i = 0; i < 140; i++) {
    efme_sample s = sample_of(m, i);
    size_t k = 0;
    while (strcmp(natives[k], s.native_label)) k++;
    ck_assert_str_eq(efme_dataset_class_name(m, (uint32_t)s.label), classes[k % 7]);
  }
  efme_dataset_release(m), efme_dataset_release(d);
  d = host_dataset(&rest), m = NULL;
  assert_fails(efme_dataset_map_labels(&m, d, efme_label_map_builtin("fer7")), EFME_E_MISMATCH, "every sample");
  efme_dataset_release(d);
}
END_TEST

START_TEST(filters) {
  struct host h = {90, 7, moods, 5, 0};
  efme_dataset *d = host_dataset(&h), *f, *g;
  assert_ok(efme_dataset_filter(&f, d, "split", "test", 0));
  assert_ok(efme_dataset_filter(&g, d, "split", "test", 1));
  ck_assert_uint_eq(efme_dataset_count(f), 30);
  ck_assert_uint_eq(efme_dataset_count(g), 60);
  ck_assert_uint_eq(sample_of(f, 2).row, 6);
  efme_dataset_release(f), efme_dataset_release(g);
  assert_ok(efme_dataset_filter(&f, d, "label", "happy", 0));
  assert_ok(efme_dataset_filter(&g, d, "subject", efme_dataset_subject(d, 3), 0));
  ck_assert_uint_eq(efme_dataset_subject_count(g), 1);
  efme_dataset_release(d); /* views live on alone */
  for (uint64_t i = 0; i < efme_dataset_count(f); i++) ck_assert_str_eq(sample_of(f, i).native_label, "happy");
  ck_assert_int_eq(h.destroyed, 0);
  d = (efme_dataset *)1;
  assert_fails(efme_dataset_filter(&d, f, "colour", "red", 0), EFME_E_NOT_FOUND, "colour");
  assert_fails(efme_dataset_filter(&d, f, "split", "nowhere", 0), EFME_E_NOT_FOUND, "nowhere");
  assert_fails(efme_dataset_filter(&d, f, "label", "happ", 0), EFME_E_NOT_FOUND, "happ"); /* values are compared whole */
  assert_fails(efme_dataset_filter(&d, f, NULL, "red", 0), EFME_E_ARGUMENT, "column");
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  efme_dataset_release(f), efme_dataset_release(g);
  ck_assert_int_eq(h.destroyed, 1);
}
END_TEST

/* By the hash of the key; by position where there is no subject. */
static uint64_t draw_of(const efme_dataset *d, uint64_t i, uint32_t purpose, uint64_t seed) {
  efme_sample s = sample_of(d, i);
  uint64_t h = *s.subject ? efme_hash64(s.key, strlen(s.key), 0) : i;
  uint32_t w[4];
  efme_philox(w, seed, purpose, 0, (uint32_t)h, (uint32_t)(h >> 32));
  return (uint64_t)w[0] << 32 | w[1];
}

/* How many samples of i's class come before it when ordered by (draw, position). */
static uint64_t rank_of(const efme_dataset *d, uint64_t i, uint32_t purpose, uint64_t seed) {
  uint64_t mine = draw_of(d, i, purpose, seed), rank = 0;
  for (uint64_t k = 0; k < efme_dataset_count(d); k++) {
    if (sample_of(d, k).label != sample_of(d, i).label) continue;
    uint64_t v = draw_of(d, k, purpose, seed);
    rank += v < mine || (v == mine && k < i);
  }
  return rank;
}

START_TEST(balance) {
  struct host h = {300, _i ? 9 : 0, moods, 5, 0};
  efme_dataset *d = host_dataset(&h), *b;
  uint64_t counts[5], smallest = 300;
  assert_ok(efme_dataset_class_counts(d, counts, 5));
  for (int c = 0; c < 5; c++) smallest = EFME_MIN(smallest, counts[c]);
  for (uint64_t seed = 1; seed < 4; seed++)
    for (int limited = 0; limited < 2; limited++) {
      uint64_t n = limited ? 7 : smallest, at = 0;
      assert_ok(efme_dataset_balance(&b, d, limited ? 7 : 0, seed));
      ck_assert_uint_eq(efme_dataset_count(b), 5 * n);
      for (uint64_t i = 0; i < 300; i++)
        if (rank_of(d, i, EFME_RNG_BALANCE, seed) < n) ck_assert_str_eq(sample_of(b, at++).key, sample_of(d, i).key);
      ck_assert_uint_eq(at, 5 * n);
      efme_dataset_release(b);
    }
  b = (efme_dataset *)1;
  assert_fails(efme_dataset_balance(&b, d, smallest + 1, 1), EFME_E_MISMATCH, "samples");
  static const efme_label_rule rules[] = {{"*", "a"}};
  static const char *const names[] = {"a", "empty"};
  efme_label_map map = {sizeof map, names, 2, 1, rules};
  efme_dataset *m;
  assert_ok(efme_dataset_map_labels(&m, d, &map));
  assert_fails(efme_dataset_balance(&b, m, 0, 1), EFME_E_MISMATCH, "class \"empty\" has 0 samples"); /* a class with no sample */
  ck_assert_ptr_eq(b, (efme_dataset *)1);
  efme_dataset_release(m), efme_dataset_release(d);
}
END_TEST

START_TEST(split) {
  struct host h = {230, _i ? 9 : 0, moods, 5, 0};
  efme_dataset *d = host_dataset(&h), *a, *b;
  uint64_t counts[5];
  assert_ok(efme_dataset_class_counts(d, counts, 5));
  for (uint64_t seed = 0; seed < 3; seed++) {
    uint64_t at[2] = {0, 0};
    assert_ok(efme_dataset_split(&a, &b, d, .2, seed));
    for (uint64_t i = 0; i < 230; i++) {
      int second = rank_of(d, i, EFME_RNG_SPLIT, seed) < (uint64_t)(.2 * (double)counts[sample_of(d, i).label]);
      ck_assert_str_eq(sample_of(second ? b : a, at[second]++).key, sample_of(d, i).key);
    }
    ck_assert(at[0] == efme_dataset_count(a) && at[1] == efme_dataset_count(b) && at[1] > 0);
    efme_dataset_release(a), efme_dataset_release(b);
  }
  a = b = (efme_dataset *)1;
  assert_fails(efme_dataset_split(&a, &b, d, 0, 1), EFME_E_ARGUMENT, "ratio");
  assert_fails(efme_dataset_split(&a, &b, d, 1, 1), EFME_E_ARGUMENT, "ratio");
  double nan = 0;
  nan /= nan;
  assert_fails(efme_dataset_split(&a, &b, d, nan, 1), EFME_E_ARGUMENT, "ratio");
  assert_fails(efme_dataset_split(&a, &b, d, .001, 1), EFME_E_MISMATCH, "second part is empty");
  assert_fails(efme_dataset_split(&a, NULL, d, .5, 1), EFME_E_ARGUMENT, "second");
  ck_assert(a == (efme_dataset *)1 && b == (efme_dataset *)1);
  efme_dataset_release(d);
}
END_TEST

static int has_class(const efme_dataset *d, uint32_t c) {
  uint64_t counts[8];
  assert_ok(efme_dataset_class_counts(d, counts, 8));
  return counts[c] > 0;
}

START_TEST(split_subjects) {
  struct host h = {240, 14, moods, 5, 0};
  efme_dataset *d = host_dataset(&h), *a, *b;
  char first[2][4096] = {"", ""};
  for (uint64_t seed = 0; seed < 20; seed++) {
    assert_ok(efme_dataset_split_subjects(&a, &b, d, .2, seed));
    ck_assert_uint_eq(efme_dataset_count(a) + efme_dataset_count(b), 240);
    ck_assert_uint_eq(efme_dataset_subject_count(a) + efme_dataset_subject_count(b), efme_dataset_subject_count(d));
    ck_assert_uint_ge(efme_dataset_count(b), 48);
    ck_assert_uint_le(efme_dataset_count(b), 150);
    for (uint32_t i = 0; i < efme_dataset_subject_count(a); i++)
      for (uint32_t k = 0; k < efme_dataset_subject_count(b); k++) ck_assert_str_ne(efme_dataset_subject(a, i), efme_dataset_subject(b, k));
    for (uint32_t c = 0; c < 5; c++) ck_assert(has_class(a, c) && has_class(b, c));
    if (seed < 2)
      for (uint32_t k = 0; k < efme_dataset_subject_count(b); k++) strcat(first[seed], efme_dataset_subject(b, k));
    efme_dataset_release(a), efme_dataset_release(b);
  }
  ck_assert_str_ne(first[0], first[1]);
  a = b = (efme_dataset *)1;
  efme_dataset *one, *without;
  assert_ok(efme_dataset_filter(&one, d, "subject", efme_dataset_subject(d, 0), 0));
  assert_fails(efme_dataset_split_subjects(&a, &b, one, .2, 1), EFME_E_MISMATCH, efme_dataset_subject(d, 0));
  struct host bare = {20, 0, moods, 5, 0};
  without = host_dataset(&bare);
  assert_fails(efme_dataset_split_subjects(&a, &b, without, .2, 1), EFME_E_MISMATCH, "no subject");
  ck_assert(a == (efme_dataset *)1 && b == (efme_dataset *)1);
  efme_dataset_release(one), efme_dataset_release(without), efme_dataset_release(d);
}
END_TEST

/* p0 alone has "rare": that subject may not leave the first part, and the class stays out of the second. */
static efme_status rare_describe(efme_sample *s, uint64_t index, void *user) {
  static const char *const names[] = {"p0", "p1", "p2"};
  (void)user;
  s->dataset = "host", s->subject = names[index / 6], s->native_label = index == 0 ? "rare" : index % 2 ? "x" : "y";
  return EFME_OK;
}

START_TEST(a_class_of_one_subject_stays) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 18, .describe = rare_describe, .read = host_read};
  efme_dataset *d, *a, *b;
  assert_ok(efme_dataset_create(&d, context, &c));
  for (uint64_t seed = 0; seed < 12; seed++) {
    assert_ok(efme_dataset_split_subjects(&a, &b, d, .3, seed));
    ck_assert_str_eq(efme_dataset_subject(a, 0), "host/p0");
    ck_assert_uint_eq(efme_dataset_subject_count(b), 1);
    efme_dataset_release(a), efme_dataset_release(b);
  }
  /* two subjects, each alone with a class: nothing can move */
  static const uint64_t pick[] = {0, 7};
  efme_dataset *s;
  assert_ok(efme_dataset_subset(&s, d, pick, 2));
  assert_fails(efme_dataset_split_subjects(&a, &b, s, .3, 1), EFME_E_MISMATCH, "cannot be split");
  efme_dataset_release(s), efme_dataset_release(d);
}
END_TEST

/* Ten people, of whom two have the rare class: one of the two must move, also when there are enough samples without, the other stays. */
static efme_status two_describe(efme_sample *s, uint64_t index, void *user) {
  static char subject[16];
  (void)user;
  snprintf(subject, sizeof subject, "p%u", (unsigned)index / 4);
  s->dataset = "host", s->subject = subject;
  s->native_label = index % 4 == 0 && (index / 4 == 3 || index / 4 == 7) ? "rare" : index % 2 ? "x" : "y";
  return EFME_OK;
}

START_TEST(a_class_of_two_subjects_is_in_both_parts) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 40, .describe = two_describe, .read = host_read};
  efme_dataset *d, *a, *b;
  assert_ok(efme_dataset_create(&d, context, &c));
  ck_assert_str_eq(efme_dataset_class_name(d, 0), "rare");
  int later = 0; /* draws in which the rare class came after the part had its share */
  for (uint64_t seed = 0; seed < 20; seed++) {
    assert_ok(efme_dataset_split_subjects(&a, &b, d, .1, seed));
    for (uint32_t k = 0; k < 3; k++) ck_assert(has_class(a, k) && has_class(b, k));
    ck_assert_uint_le(efme_dataset_subject_count(b), 2);
    later += efme_dataset_subject_count(b) == 2;
    efme_dataset_release(a), efme_dataset_release(b);
  }
  ck_assert_int_ge(later, 5);
  efme_dataset_release(d);
}
END_TEST

START_TEST(subset_and_concat) {
  struct host h = {50, 5, moods, 5, 0};
  efme_dataset *d = host_dataset(&h), *s, *t, *c = (efme_dataset *)1;
  static const uint64_t some[] = {40, 3, 11}, rest[] = {7, 8}, twice[] = {1, 2, 1}, beyond[] = {50};
  assert_ok(efme_dataset_subset(&s, d, some, 3));
  for (int i = 0; i < 3; i++) ck_assert_str_eq(sample_of(s, (uint64_t)i).key, sample_of(d, some[i]).key);
  assert_fails(efme_dataset_subset(&c, d, twice, 3), EFME_E_ARGUMENT, "indices[2]");
  assert_fails(efme_dataset_subset(&c, d, beyond, 1), EFME_E_ARGUMENT, "50");
  assert_fails(efme_dataset_subset(&c, d, some, 0), EFME_E_ARGUMENT, "count");
  assert_ok(efme_dataset_subset(&t, d, rest, 2));
  const efme_dataset *parts[2] = {s, t}, *same[2] = {s, s};
  assert_ok(efme_dataset_concat(&c, parts, 2));
  ck_assert_uint_eq(efme_dataset_count(c), 5);
  ck_assert_str_eq(sample_of(c, 3).key, sample_of(d, 7).key);
  efme_dataset *again;
  static const uint64_t other_order[] = {7, 3, 11, 8, 40};
  assert_ok(efme_dataset_subset(&again, d, other_order, 5));
  ck_assert_uint_eq(efme_dataset_fingerprint(c), efme_dataset_fingerprint(again));
  ck_assert_uint_ne(efme_dataset_fingerprint(c), efme_dataset_fingerprint(d));
  efme_dataset_release(again), efme_dataset_release(c);
  c = (efme_dataset *)1;
  assert_fails(efme_dataset_concat(&c, same, 2), EFME_E_MISMATCH, sample_of(s, 1).key);
  efme_dataset *m;
  assert_ok(efme_dataset_map_labels(&m, t, efme_label_map_builtin("fer7")));
  ck_assert_uint_ne(efme_dataset_fingerprint(m), efme_dataset_fingerprint(t));
  parts[1] = m;
  assert_fails(efme_dataset_concat(&c, parts, 2), EFME_E_MISMATCH, "classes");
  parts[1] = NULL;
  assert_fails(efme_dataset_concat(&c, parts, 2), EFME_E_ARGUMENT, "datasets[1]");
  ck_assert_ptr_eq(c, (efme_dataset *)1);
  efme_dataset_release(m), efme_dataset_release(s), efme_dataset_release(t), efme_dataset_release(d);
  ck_assert_int_eq(h.destroyed, 1);
}
END_TEST

/* ---- the host's dataset: what it may get wrong ---- */
static efme_status same_key(efme_sample *s, uint64_t index, void *user) {
  (void)index, (void)user;
  s->native_label = "x", s->clip = "c";
  return EFME_OK;
}

static efme_status late_failure(efme_sample *s, uint64_t index, void *user) {
  s->native_label = "x";
  s->label = index == 3 ? *(int *)user : 0;
  return index == 3 && *(int *)user == 99 ? EFME_E_IO : EFME_OK;
}

static efme_status bad_read(efme_image **out, efme_context *c, uint64_t index, void *user) {
  (void)c, (void)user, (void)out;
  return index ? EFME_E_CANCELLED : EFME_OK;
}

START_TEST(without_the_images_of_another) {
  struct host h = {300, 9, moods, 5, 0}; /* pixels repeat after 256 samples; every third sample is in "test" */
  efme_dataset *d = host_dataset(&h), *train = NULL, *test = NULL, *rest = NULL, *none = (efme_dataset *)1;
  assert_ok(efme_dataset_filter(&train, d, "split", "train", 0));
  assert_ok(efme_dataset_filter(&test, d, "split", "test", 0));
  assert_ok(efme_dataset_without(&rest, train, test));
  uint64_t at = 0, dropped = 0;
  for (uint64_t i = 0; i < 300; i++) {
    if (i % 3 == 0) continue;
    uint64_t twin = i < 44 ? i + 256 : i >= 256 ? i - 256 : i;
    if (twin % 3 == 0) {
      dropped++;
      continue;
    }
    ck_assert_uint_eq(sample_of(rest, at++).row, sample_of(d, i).row);
  }
  ck_assert(dropped > 20);
  ck_assert_uint_eq(at, efme_dataset_count(rest));
  ck_assert_int_eq(efme_dataset_without(&none, d, d), EFME_E_NOT_FOUND);
  ck_assert_int_eq(efme_dataset_without(&none, d, NULL), EFME_E_ARGUMENT);
  ck_assert_ptr_eq(none, (efme_dataset *)1);
  efme_dataset_release(rest);
  efme_dataset_release(test);
  efme_dataset_release(train);
  efme_dataset_release(d);
}
END_TEST

START_TEST(host_mistakes) {
  efme_dataset *d = (efme_dataset *)1;
  static const char *const names[] = {"a", "b"};
  int wrong = 2;
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 5, .describe = same_key, .read = bad_read};
  assert_fails(efme_dataset_create(&d, context, &c), EFME_E_FORMAT, "host//c");
  c.describe = late_failure, c.class_names = names, c.class_count = 2, c.user = &wrong;
  assert_fails(efme_dataset_create(&d, context, &c), EFME_E_ARGUMENT, "sample 3: label 2");
  wrong = 99;
  assert_fails(efme_dataset_create(&d, context, &c), EFME_E_IO, "sample 3");
  c.count = 0;
  assert_fails(efme_dataset_create(&d, context, &c), EFME_E_ARGUMENT, "count");
  c.count = 3, c.class_count = 0;
  assert_fails(efme_dataset_create(&d, context, &c), EFME_E_ARGUMENT, "class_names");
  c.class_count = 2, c.read = NULL;
  assert_fails(efme_dataset_create(&d, context, &c), EFME_E_ARGUMENT, "read");
  ck_assert_ptr_eq(d, (efme_dataset *)1);
  c.read = bad_read;
  assert_ok(efme_dataset_create(&d, context, &c));
  efme_image *image = (efme_image *)1;
  assert_fails(efme_dataset_read(d, 0, &image), EFME_E_ARGUMENT, "no image");
  assert_fails(efme_dataset_read(d, 2, &image), EFME_E_CANCELLED, "sample host//2 (row 2)");
  assert_fails(efme_dataset_read(d, 3, &image), EFME_E_ARGUMENT, "index is 3");
  ck_assert_ptr_eq(image, (efme_image *)1);
  efme_dataset_release(d);
}
END_TEST

/* A label that is given stays, whatever its native label; one that is not is the class of that name, if there is one. */
static efme_status mixed_describe(efme_sample *s, uint64_t index, void *user) {
  static const char *const natives[] = {"happy", "sad", "other", ""};
  static const int32_t given[] = {1, EFME_NO_CLASS, EFME_NO_CLASS, 0};
  (void)user;
  s->native_label = natives[index], s->label = given[index];
  return EFME_OK;
}

START_TEST(labels_given_and_found) {
  static const char *const names[] = {"happy", "sad"};
  static const int32_t wanted[] = {1, 1, EFME_NO_CLASS, 0};
  efme_dataset_callbacks c = {
      .struct_size = sizeof c, .count = 4, .describe = mixed_describe, .read = host_read, .class_names = names, .class_count = 2};
  efme_dataset *d = NULL;
  assert_ok(efme_dataset_create(&d, context, &c));
  for (uint64_t i = 0; i < 4; i++) ck_assert_int_eq(sample_of(d, i).label, wanted[i]);
  efme_dataset_release(d);
}
END_TEST

START_TEST(questions_and_describe) {
  struct host h = {40, 3, moods, 5, 0};
  efme_dataset *d = host_dataset(&h);
  uint64_t counts[5];
  efme_sample s = EFME_SAMPLE_INIT;
  assert_fails(efme_dataset_sample(d, 40, &s), EFME_E_ARGUMENT, "40");
  assert_fails(efme_dataset_sample(NULL, 0, &s), EFME_E_ARGUMENT, "dataset");
  assert_fails(efme_dataset_class_counts(d, counts, 4), EFME_E_ARGUMENT, "capacity");
  ck_assert_ptr_null(efme_dataset_subject(d, 3));
  ck_assert_uint_eq(efme_dataset_count(NULL), 0);
  for (uint32_t i = 1; i < efme_dataset_subject_count(d); i++)
    ck_assert_int_lt(strcmp(efme_dataset_subject(d, i - 1), efme_dataset_subject(d, i)), 0);
  efme_dataset *m;
  assert_ok(efme_dataset_map_labels(&m, d, efme_label_map_builtin("meg3")));
  char *text, *json, expected[128];
  assert_ok(efme_dataset_class_counts(m, counts, 3));
  assert_ok(efme_dataset_describe(m, 0, &text));
  assert_ok(efme_dataset_describe(m, 1, &json));
  snprintf(expected, sizeof expected, "%u negative, %u positive, %u surprise", (unsigned)counts[0], (unsigned)counts[1],
           (unsigned)counts[2]);
  ck_assert_msg(strstr(text, expected) != NULL, "%s", text);
  snprintf(expected, sizeof expected, "\"negative\": %u, \"positive\": %u, \"surprise\": %u", (unsigned)counts[0], (unsigned)counts[1],
           (unsigned)counts[2]);
  ck_assert_msg(strstr(json, expected) != NULL, "%s", json);
  efme_string_free(text), efme_string_free(json), efme_string_free(NULL);
  efme_dataset_release(m), efme_dataset_release(d), efme_dataset_release(NULL);
}
END_TEST

/* Two sources as the paper's tables have them, with annotations of their own and a label that the map drops. */
static efme_status table_describe(efme_sample *s, uint64_t index, void *user) {
  static const char *const natives[] = {"negative", "positive", "surprise", "Happiness", "Anger", "Others", "Others", "Anger"};
  static char clip[16], subject[16];
  (void)user;
  snprintf(clip, sizeof clip, "c%u", (unsigned)index), snprintf(subject, sizeof subject, "s%u", (unsigned)index % 3);
  s->dataset = index < 3 ? "smic" : "casme2", s->native_label = natives[index], s->clip = clip, s->subject = subject;
  if (index >= 3) s->onset = 3, s->apex = index == 4 ? -1 : 5, s->offset = 9;
  return EFME_OK;
}

START_TEST(describe_in_the_papers_form) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 8, .describe = table_describe, .read = host_read};
  efme_dataset *d, *m, *f;
  assert_ok(efme_dataset_create(&d, context, &c));
  assert_ok(efme_dataset_map_labels(&m, d, efme_label_map_builtin("meg3")));
  char *text;
  assert_ok(efme_dataset_describe(m, 0, &text));
  ck_assert_str_eq(text, "dataset        samples  subjects  annotations         classes\n"
                         "smic                 3         3  none                1 negative, 1 positive, 1 surprise\n"
                         "casme2               3         2  onset apex(2) offset  2 negative, 1 positive, 0 surprise\n"
                         "all                  6         5  onset(3) apex(2) offset(3)  3 negative, 2 positive, 1 surprise\n"
                         "\n"
                         "class          samples  original labels\n"
                         "negative             3  Anger: 2, negative: 1\n"
                         "positive             2  Happiness: 1, positive: 1\n"
                         "surprise             1  surprise: 1\n"
                         "dropped              2  Others: 2\n");
  efme_string_free(text);
  assert_ok(efme_dataset_describe(m, 1, &text));
  cJSON *root = cJSON_Parse(text);
  ck_assert_msg(root != NULL, "%s", text);
  const cJSON *sources = cJSON_GetObjectItem(root, "datasets"), *casme = cJSON_GetArrayItem(sources, 1),
              *frames = cJSON_GetObjectItem(casme, "annotations"), *dropped = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "dropped"), 0);
  ck_assert_int_eq(cJSON_GetArraySize(sources), 2);
  ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(casme, "name")), "casme2");
  ck_assert(cJSON_GetNumberValue(cJSON_GetObjectItem(root, "samples")) == 6 &&
            cJSON_GetNumberValue(cJSON_GetObjectItem(root, "subjects")) == 5);
  ck_assert(cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(casme, "classes"), "negative")) == 2);
  ck_assert(cJSON_GetNumberValue(cJSON_GetObjectItem(frames, "onset")) == 3 &&
            cJSON_GetNumberValue(cJSON_GetObjectItem(frames, "apex")) == 2);
  ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(dropped, "native")), "Others");
  ck_assert(cJSON_GetNumberValue(cJSON_GetObjectItem(dropped, "samples")) == 2);
  cJSON_Delete(root);
  efme_string_free(text);
  assert_ok(efme_dataset_filter(&f, m, "dataset", "smic", 0)); /* what the map dropped is not this view's affair */
  assert_ok(efme_dataset_describe(f, 0, &text));
  ck_assert_ptr_null(strstr(text, "dropped"));
  efme_string_free(text);
  efme_dataset_release(f), efme_dataset_release(m), efme_dataset_release(d);
}
END_TEST

int main(void) {
  context = data_context();
  Suite *suite = suite_create("views");
  TCase *t = tcase_create("views");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, label_maps);
  tcase_add_test(t, meg3_knows_every_spelling);
  tcase_add_test(t, fer7_classes);
  tcase_add_test(t, filters);
  tcase_add_loop_test(t, balance, 0, 2);
  tcase_add_loop_test(t, split, 0, 2);
  tcase_add_test(t, split_subjects);
  tcase_add_test(t, a_class_of_one_subject_stays);
  tcase_add_test(t, a_class_of_two_subjects_is_in_both_parts);
  tcase_add_test(t, subset_and_concat);
  tcase_add_test(t, without_the_images_of_another);
  tcase_add_test(t, host_mistakes);
  tcase_add_test(t, labels_given_and_found);
  tcase_add_test(t, questions_and_describe);
  tcase_add_test(t, describe_in_the_papers_form);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  efme_context_release(context);
  return result;
}
