/* The CSV reader: RFC 4180, pieces that end anywhere, and what is refused. */
#include "data_test.h"

#include "data/dataset.h"

/* Reads all records as "field|field;" text. */
static efme_status read_all(struct efme_text *out, const char *content, size_t size, size_t limit) {
  struct efme_csv csv;
  efme_text_init(out, &efme_allocator_libc);
  efme_status status = efme_csv_open(&csv, &efme_allocator_libc, put_file("t.csv", content, size), limit);
  int more = 1;
  while (!status && more) {
    status = efme_csv_next(&csv, &more);
    for (size_t i = 0; !status && more && i < csv.field_count; i++) {
      ck_assert_uint_eq(efme_csv_length(&csv, i), strlen(efme_csv_field(&csv, i)));
      efme_text_printf(out, "%s%s", i ? "|" : "", efme_csv_field(&csv, i));
    }
    if (!status && more) efme_text_add(out, ";");
  }
  efme_csv_close(&csv);
  return status;
}

static void expect(const char *content, const char *records) {
  struct efme_text out;
  assert_ok(read_all(&out, content, strlen(content), 1000));
  ck_assert_str_eq(out.data ? out.data : "", records);
  efme_text_free(&out);
}

static void refuse(const char *content, size_t size, efme_status status, const char *word) {
  struct efme_text out;
  assert_fails(read_all(&out, content, size, 1000), status, word);
  efme_text_free(&out);
}

START_TEST(records) {
  expect("", "");
  expect("\n\r\n\n", "");
  expect("a,b\n1,2\n", "a|b;1|2;");
  expect("a,b\r\n1,2", "a|b;1|2;");
  expect("\xEF\xBB\xBF"
         "a,b\n",
         "a|b;");
  expect("\"a\",\"b,c\",\"d\"\"e\",\"f\ng\"\r\nx", "a|b,c|d\"e|f\ng;x;");
  expect(",,\n,\n", "||;|;");
  expect("a, b ,c\n", "a| b |c;");
  expect("\"\",x\n", "|x;");
  expect("\"a\r\nb\"\n", "a\r\nb;");
}
END_TEST

START_TEST(refused) {
  refuse("a\n\"b", 4, EFME_E_FORMAT, "line 2, field 1: the file ends inside quotes");
  refuse("a,b\"c\n", 6, EFME_E_FORMAT, "line 1, field 2: a quote inside");
  refuse("\n\"a\"b\n", 6, EFME_E_FORMAT, "line 2, field 1: text behind");
  refuse("a\0b\n", 4, EFME_E_FORMAT, "NUL");
  char *lots = malloc(5000);
  memset(lots, 'x', 5000);
  refuse(lots, 5000, EFME_E_LIMIT, "longer than 1000");
  free(lots);
  struct efme_csv csv;
  assert_fails(efme_csv_open(&csv, &efme_allocator_libc, scratch("missing.csv"), 10), EFME_E_IO, "missing.csv");
}
END_TEST

START_TEST(pieces) { /* fields of every length across the reader's buffer, quoted and not */
  struct efme_text content, expected, out;
  efme_text_init(&content, &efme_allocator_libc), efme_text_init(&expected, &efme_allocator_libc);
  for (unsigned i = 0; i < 3000; i++) {
    efme_text_printf(&content, "%u,\"%0*d,\"\"\n\",%0*d\r\n", i, (int)(i % 300 + 1), 7, (int)(i % 111 + 1), 3);
    efme_text_printf(&expected, "%u|%0*d,\"\n|%0*d;", i, (int)(i % 300 + 1), 7, (int)(i % 111 + 1), 3);
  }
  ck_assert_uint_gt(content.size, 2u << 18);
  assert_ok(read_all(&out, content.data, content.size, 1000));
  ck_assert_str_eq(out.data, expected.data);
  efme_text_free(&content), efme_text_free(&expected), efme_text_free(&out);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("csv");
  TCase *t = tcase_create("csv");
  tcase_add_test(t, records);
  tcase_add_test(t, refused);
  tcase_add_test(t, pieces);
  suite_add_tcase(suite, t);
  int result = test_run(suite);
  scratch_clean();
  return result;
}
