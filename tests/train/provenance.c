/* Provenance: sets that grow, questions, the text form and what it refuses. */
#include "net/provenance.h"
#include "test.h"

static struct efme_provenance *sample(void) {
  struct efme_provenance *p = NULL;
  ck_assert_int_eq(efme_provenance_create(&p, &efme_allocator_libc, 1), EFME_OK);
  const char *subjects[] = {"smic/s2", "casme2/sub01", "smic/s1", "smic/s10", "smic/s2", "", "odd\\name\nline"};
  for (size_t i = 0; i < EFME_COUNT(subjects); i++) ck_assert_int_eq(efme_provenance_add_subject(p, subjects[i]), EFME_OK);
  ck_assert_int_eq(efme_provenance_add_dataset(p, "smic"), EFME_OK);
  ck_assert_int_eq(efme_provenance_add_dataset(p, "casme2"), EFME_OK);
  const uint64_t hashes[] = {9, 3, 0, 0xfedcba9876543210u, 3, 7};
  ck_assert_int_eq(efme_provenance_add_contents(p, hashes, EFME_COUNT(hashes)), EFME_OK);
  return p;
}

START_TEST(sets) {
  struct efme_provenance *p = sample();
  ck_assert_uint_eq(p->subject_count, 5);
  ck_assert_uint_eq(p->dataset_count, 2);
  ck_assert_str_eq(p->datasets[0], "casme2");
  ck_assert_uint_eq(p->content_count, 4);
  for (size_t i = 1; i < p->content_count; i++) ck_assert(p->contents[i - 1] < p->contents[i]);
  /* keys are compared whole: s1 is not s10 */
  ck_assert(efme_provenance_has_subject(p, "smic/s1"));
  ck_assert(!efme_provenance_has_subject(p, "smic/s"));
  ck_assert(!efme_provenance_has_subject(p, "smic/s11"));
  ck_assert(efme_provenance_has_dataset(p, "smic"));
  ck_assert(!efme_provenance_has_dataset(p, "samm"));
  ck_assert(efme_provenance_has_content(p, 7));
  ck_assert(!efme_provenance_has_content(p, 0));
  ck_assert(!efme_provenance_has_content(p, 8));
  efme_provenance_free(p);
}
END_TEST

START_TEST(nameless_samples) {
  struct efme_provenance *p = NULL;
  ck_assert_int_eq(efme_provenance_create(&p, &efme_allocator_libc, 1), EFME_OK);
  ck_assert_int_eq(efme_provenance_add_sample(p, "smic", "smic/s01"), EFME_OK);
  ck_assert(!efme_provenance_has_nameless(p, "smic"));
  for (int i = 0; i < 3; i++) ck_assert_int_eq(efme_provenance_add_sample(p, "casme2", ""), EFME_OK);
  ck_assert(efme_provenance_has_nameless(p, "casme2") && !efme_provenance_has_nameless(p, "casme"));
  ck_assert(!efme_provenance_has_nameless(p, "smic") && efme_provenance_has_subject(p, "smic/s01"));
  ck_assert_uint_eq(p->subject_count, 2);
  ck_assert_uint_eq(p->dataset_count, 2);
  efme_provenance_free(p);
}
END_TEST

START_TEST(merge) {
  struct efme_provenance *p = sample(), *q = NULL, *copy = NULL;
  ck_assert_int_eq(efme_provenance_clone(&copy, &efme_allocator_libc, p), EFME_OK);
  ck_assert(efme_provenance_equal(p, copy));
  ck_assert_int_eq(efme_provenance_create(&q, &efme_allocator_libc, 0), EFME_OK);
  ck_assert_int_eq(efme_provenance_add_subject(q, "samm/006"), EFME_OK);
  const uint64_t hash = 8;
  ck_assert_int_eq(efme_provenance_add_contents(q, &hash, 1), EFME_OK);
  ck_assert_int_eq(efme_provenance_merge(p, q), EFME_OK);
  ck_assert(!p->known); /* what began unknown stays unknown */
  ck_assert(efme_provenance_has_subject(p, "samm/006") && efme_provenance_has_subject(p, "smic/s1"));
  ck_assert(efme_provenance_has_content(p, 8) && efme_provenance_has_content(p, 9));
  ck_assert(!efme_provenance_equal(p, copy));
  efme_provenance_free(p);
  efme_provenance_free(q);
  efme_provenance_free(copy);
}
END_TEST

START_TEST(text_form) {
  struct efme_provenance *p = sample(), *back = NULL;
  struct efme_text t;
  efme_text_init(&t, &efme_allocator_libc);
  efme_provenance_write(p, &t);
  char *text;
  size_t size;
  ck_assert_int_eq(efme_text_take(&t, &text, &size), EFME_OK);
  ck_assert_int_eq(efme_provenance_parse(&back, &efme_allocator_libc, text, size), EFME_OK);
  ck_assert(efme_provenance_equal(p, back));
  ck_assert(strstr(text, "fedcba9876543210") != NULL);
  /* every truncation is refused, but for whole lines cut off the end */
  for (size_t n = 0; n < size; n++) {
    struct efme_provenance *cut = NULL;
    efme_status status = efme_provenance_parse(&cut, &efme_allocator_libc, text, n);
    if (n && text[n - 1] == '\n') ck_assert_int_eq(status, EFME_OK);
    else ck_assert_int_eq(status, EFME_E_FORMAT);
    efme_provenance_free(cut);
  }
  efme_mem_free(&efme_allocator_libc, text);
  efme_provenance_free(p);
  efme_provenance_free(back);
}
END_TEST

START_TEST(refused) {
  static const char *const texts[] = {"efme-provenance 2 known\n",
                                      "efme-provenance 1 perhaps\n",
                                      "efme-provenance 1 known\nx y\n",
                                      "efme-provenance 1 known\nd b\nd a\n",
                                      "efme-provenance 1 known\nd a\nd a\n",
                                      "efme-provenance 1 known\nd \n",
                                      "efme-provenance 1 known\ns a\\q\n",
                                      "efme-provenance 1 known\nh 00\n",
                                      "efme-provenance 1 known\nh 000000000000000g\n",
                                      "efme-provenance 1 known\nh 0000000000000000\n",
                                      "efme-provenance 1 known\nh 00000000000000020000000000000001\n",
                                      "efme-provenance 1 known\nh 0000000000000001\nh 0000000000000002\n"};
  for (size_t i = 0; i < EFME_COUNT(texts); i++) {
    struct efme_provenance *p = NULL;
    ck_assert_msg(efme_provenance_parse(&p, &efme_allocator_libc, texts[i], strlen(texts[i])) == EFME_E_FORMAT, "accepted: %s", texts[i]);
    ck_assert_ptr_null(p);
    ck_assert(strncmp(efme_last_error(), "provenance", 10) == 0);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("provenance");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, sets);
  tcase_add_test(tc, nameless_samples);
  tcase_add_test(tc, merge);
  tcase_add_test(tc, text_form);
  tcase_add_test(tc, refused);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
