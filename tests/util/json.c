/* JSON that is damaged is told apart from memory that has run out, whatever cJSON has against it. */
#include "util/json.h"

#include <cjson/cJSON.h>


#include "test.h"

static efme_status parse(const char *text, size_t size) {
  cJSON *root = NULL;
  efme_status status = efme_json_parse(&root, text, size);
  cJSON_Delete(root);
  return status;
}

START_TEST(damage) {
  static const char *const texts[] = {"",        "{",          "{\"a\":}",      "[1,]",       "\"\\x\"",      "\"\\u12\"",      "\"\\u12g4\"",
                                      "\"\\ud800\"", "\"\\uDC00x\"", "\"\\ud800\\u0041\"", "tru",   "-",      "1.e3", "\"\x01\"", "[\"a\"\"b\"]", "nul"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    ck_assert_msg(parse(texts[i], strlen(texts[i])) != EFME_E_NOMEM, "`%s` is taken for want of memory", texts[i]);
  char number[200] = "[";
  memset(number + 1, '7', 120), strcpy(number + 121, "]");
  ck_assert_int_ne(parse(number, strlen(number)), EFME_E_NOMEM);
  static const char whole[] = "{\"a\": [1, -2.5e3, true, null, \"\\u00e4\\n\"], \"b\": {}}";
  ck_assert_int_eq(parse(whole, sizeof whole - 1), EFME_OK);
}
END_TEST

/* Every byte of a text with all kinds of values replaced by every other one, and every length of it. */
START_TEST(every_byte) {
  static const char text[] = "{\"k\\u00e4\": [1, -2.5e+3, true, false, null, \"\\\\ \\\"\"], \"b\": {\"c\": []}}";
  size_t size = sizeof text - 1, refused = 0;
  for (size_t i = 0; i < size; i++) {
    char *copy = malloc(size); /* to its size, for the sanitizer */
    for (int byte = 0; byte < 256; byte++) {
      memcpy(copy, text, size);
      copy[i] = (char)byte;
      efme_status status = parse(copy, size);
      ck_assert_msg(status == EFME_OK || status == EFME_E_FORMAT, "byte %zu as %d: %s", i, byte, efme_status_name(status));
      refused += status != EFME_OK;
    }
    free(copy);
    copy = malloc(i + 1);
    memcpy(copy, text, i);
    ck_assert_int_eq(parse(copy, i), EFME_E_FORMAT);
    free(copy);
  }
  ck_assert_uint_gt(refused, size * 64);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("json");
  TCase *t = tcase_create("all");
  suite_add_tcase(suite, t);
  tcase_add_test(t, damage);
  tcase_add_test(t, every_byte);
  return test_run(suite);
}
