/* The order of an epoch: samples sorted by a number drawn for each. An own heap sort: qsort may allocate behind the caller's
 * back, and an epoch must not. */
#include "data/loader.h"

static int less(const struct efme_order_item *a, const struct efme_order_item *b) {
  return a->key < b->key || (a->key == b->key && a->place < b->place);
}

static void swap(struct efme_order_item *a, struct efme_order_item *b) {
  struct efme_order_item t = *a;
  *a = *b;
  *b = t;
}

static void sift(struct efme_order_item *v, uint32_t root, uint32_t count) {
  for (uint64_t child; (child = 2 * (uint64_t)root + 1) < count; root = (uint32_t)child) {
    if (child + 1 < count && less(&v[child], &v[child + 1])) child++;
    if (!less(&v[root], &v[child])) return;
    swap(&v[root], &v[child]);
  }
}

void efme_order_shuffle(struct efme_order_item *order, uint32_t count, uint64_t seed, uint32_t epoch) {
  for (uint32_t k = 0; k < count; k++) {
    uint32_t words[4];
    efme_philox(words, seed, EFME_RNG_ORDER, epoch, k, 0);
    order[k] = (struct efme_order_item){(uint64_t)words[0] << 32 | words[1], k};
  }
  for (uint32_t i = count / 2; i-- > 0;) sift(order, i, count);
  for (uint32_t end = count; end-- > 1;) {
    swap(&order[0], &order[end]);
    sift(order, 0, end);
  }
}
