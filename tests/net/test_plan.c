/* The planner: every variant plans and every op is claimed, memory is never shared by two live tensors, parameter table, text
 * and hash, allocation failures, memory of training. Nothing here computes anything. */
#include "heap.h"
#include "net/player.h"

/* ---- variants ---- */

static const struct efme_plan_options kinds[] = {
    {.mode = EFME_PLAN_FEATURES, .max_batch = 3, .augment = 1, .per_variant = 1},
    {.mode = EFME_PLAN_FEATURES, .max_batch = 1, .source_dtype = EFME_U8, .source_h = 40, .source_w = 300, .source_c = 1},
    {.mode = EFME_PLAN_INFER, .max_batch = 1},
    {.mode = EFME_PLAN_INFER, .max_batch = 7, .source_dtype = EFME_U8},
    {.mode = EFME_PLAN_INFER, .max_batch = 4, .from_features = 1},
    {.mode = EFME_PLAN_EVALUATE, .max_batch = 5, .gamma = 2, .alpha = 1, .l1 = 0.01f, .soft_targets = 1, .sample_weights = 1},
    {.mode = EFME_PLAN_EVALUATE, .max_batch = 5, .from_features = 1},
    {.mode = EFME_PLAN_TRAIN,
     .max_batch = 4,
     .bn_update = 1,
     .dropout = 0.5f,
     .dropconnect = 1,
     .augment = 1,
     .gamma = 2,
     .smoothing = 0.1f,
     .alpha = 1,
     .l1 = 0.01f,
     .l2 = 0.01f,
     .update = 1,
     .ema = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 2, .update = 1, .optimizer = 2, .optimizer_f = {{0.9f}, {0.8f}}},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 2, .update = 1, .optimizer = 3, .keep_activations = 1, .soft_targets = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 3, .scope = EFME_SCOPE_HEAD, .update = 1, .optimizer = 1, .dropout = 0.5f, .sample_weights = 1},
    {.mode = EFME_PLAN_TRAIN, .max_batch = 3, .scope = EFME_SCOPE_HEAD, .from_features = 1, .dropout = 0.5f, .update = 1, .ema = 1},
};

/* All ops of a plan by the CPU backend: it plans at all only if every one is claimed. */
static void check_variant(uint32_t cut, uint32_t top, uint32_t classes, uint32_t h, uint32_t w, uint32_t padding) {
  struct efme_arch arch = rig_arch(cut, top, classes, h, w);
  arch.padding = padding;
  for (size_t k = 0; k < EFME_COUNT(kinds); k++) {
    struct efme_plan *p = player_plan(&rig_reference, &arch, &kinds[k]);
    player_check(p);
    ck_assert_uint_le(p->backward, p->main.count);
    ck_assert_int_eq(p->backward < p->main.count, kinds[k].mode == EFME_PLAN_TRAIN);
    struct efme_plan *q = player_plan(rig_shared, &arch, &kinds[k]);
    player_check(q);
    ck_assert_uint_eq(efme_plan_hash(p), efme_plan_hash(q));
    efme_plan_free(q);
    efme_plan_free(p);
  }
}

/* Every cut with every size, each in the padding and class count of its turn; both paddings and several counts for each. */
START_TEST(test_variants) {
  static const uint32_t sizes[][2] = {{32, 32}, {33, 40}, {48, 48}, {75, 57}, {224, 224}, {64, 321}};
  static const uint32_t classes[] = {2, 3, 7, 1000, 5};
  uint32_t cut = (uint32_t)_i % 7 + 1;
  for (uint32_t s = 0; s < EFME_COUNT(sizes); s++) {
    check_variant(cut, 0, classes[(cut + s) % EFME_COUNT(classes)], sizes[s][0], sizes[s][1], (cut + s / 2) & 1);
    if (cut == 7) check_variant(7, 1, classes[s % EFME_COUNT(classes)], sizes[s][0], sizes[s][1], s / 2 & 1);
  }
}
END_TEST

/* ---- the parameter table ---- */

START_TEST(test_parameters) {
  static const struct {
    uint32_t cut, top, all, trainable;
  } known[] = {{5, 0, 868314 - 7, 852147}, {3, 0, 68772 - 7, 65853}, {7, 1, 4049571 - 7 + 3 * 1281, 0}, {7, 0, 3634851 - 7 + 3 * 321, 0}};
  for (size_t k = 0; k < EFME_COUNT(known); k++) {
    struct efme_arch arch = rig_arch(known[k].cut, known[k].top, 3, 48, 48);
    struct efme_params p;
    ck_assert_int_eq(efme_params_create(&p, &efme_allocator_libc, &arch), EFME_OK);
    uint64_t all = 0, trainable = 0, at = 0;
    for (uint32_t i = 0; i < p.count; i++) {
      const struct efme_param *t = &p.items[i];
      ck_assert_uint_eq(t->offset, at);
      ck_assert_uint_eq(t->count, (uint64_t)t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3]);
      ck_assert_int_eq(t->trainable, t->offset < p.head_end);
      ck_assert_int_eq(t->head, t->offset >= p.trunk_end && t->offset < p.head_end);
      ck_assert_ptr_eq(efme_params_find(&p, t->name), t);
      all += t->count, trainable += t->trainable ? t->count : 0;
      at += (t->count + 15) / 16 * 16;
    }
    ck_assert_uint_eq(at, p.total);
    ck_assert_uint_eq(all, known[k].all);
    if (known[k].trainable) ck_assert_uint_eq(trainable, known[k].trainable);
    ck_assert_ptr_null(efme_params_find(&p, "head/kernels"));
    efme_params_free(&p, &efme_allocator_libc);
  }
}
END_TEST

START_TEST(test_arch_errors) {
  struct efme_block blocks[EFME_MAX_BLOCKS];
  uint32_t count;
  static const struct {
    struct efme_arch a;
    const char *word;
  } bad[] = {{{0, 0, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "cut"},       {{8, 0, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "cut"},
             {{5, 1, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "top"},       {{7, 2, 3, 48, 48, 0, 0, 1e-3f, 0.99f}, "top"},
             {{5, 0, 1, 48, 48, 0, 0, 1e-3f, 0.99f}, "class"},     {{5, 0, 3, 31, 48, 0, 0, 1e-3f, 0.99f}, "height"},
             {{5, 0, 3, 48, 4097, 0, 0, 1e-3f, 0.99f}, "width"},   {{5, 0, 3, 48, 48, 4, 0, 1e-3f, 0.99f}, "normalisation"},
             {{5, 0, 3, 48, 48, 0, 2, 1e-3f, 0.99f}, "padding"},   {{5, 0, 3, 48, 48, 0, 0, 0.0f, 0.99f}, "bn_epsilon"},
             {{5, 0, 3, 48, 48, 0, 0, 1e-3f, 1.0f}, "bn_momentum"}};
  for (size_t i = 0; i < EFME_COUNT(bad); i++) {
    ck_assert_int_eq(efme_arch_blocks(blocks, &count, &bad[i].a), EFME_E_ARGUMENT);
    ck_assert_msg(strstr(efme_last_error(), bad[i].word) != NULL, "\"%s\" does not name %s", efme_last_error(), bad[i].word);
  }
  int32_t out, pad;
  efme_conv_geometry(48, 3, 2, EFME_PAD_KERAS, &out, &pad);
  ck_assert_int_eq(out * 10 + pad, 240);
  efme_conv_geometry(75, 5, 2, EFME_PAD_KERAS, &out, &pad);
  ck_assert_int_eq(out * 10 + pad, 382);
  efme_conv_geometry(48, 5, 2, EFME_PAD_SYMMETRIC, &out, &pad);
  ck_assert_int_eq(out * 10 + pad, 242);
}
END_TEST

/* Drop-connect: residual blocks only, 0.2 i / 16 for block i of the whole B0, counted from 0, forward and backward alike. */
START_TEST(test_drop_connect) {
  static const struct {
    const char *layer;
    float rate;
  } known[] = {{"block2b_project_bn", 0.2f * 2 / 16},  {"block3b_project_bn", 0.2f * 4 / 16},  {"block4b_project_bn", 0.2f * 6 / 16},
               {"block4c_project_bn", 0.2f * 7 / 16},  {"block5b_project_bn", 0.2f * 9 / 16},  {"block5c_project_bn", 0.2f * 10 / 16},
               {"block6b_project_bn", 0.2f * 12 / 16}, {"block6c_project_bn", 0.2f * 13 / 16}, {"block6d_project_bn", 0.2f * 14 / 16}};
  struct efme_arch arch = rig_arch(7, 0, 3, 48, 48);
  struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN, .max_batch = 2, .bn_update = 1, .dropconnect = 1};
  struct efme_plan *p = player_plan(&rig_reference, &arch, &o);
  size_t forward = 0, backward = 0;
  for (size_t i = 0; i < p->main.count; i++) {
    const struct efme_op *op = &p->main.ops[i];
    if (!(op->flags & EFME_OP_DROPCONNECT_ON)) continue;
    size_t k = 0;
    while (k < EFME_COUNT(known) && strcmp(known[k].layer, p->layers[op->layer]) != 0) k++;
    ck_assert_msg(k < EFME_COUNT(known), "%s drops", p->layers[op->layer]);
    ck_assert_float_eq_tol(op->f[0], known[k].rate, 1e-8f);
    if (i < p->backward) forward++;
    else backward++;
  }
  ck_assert_uint_eq(forward, EFME_COUNT(known));
  ck_assert_uint_eq(backward, 2 * EFME_COUNT(known)); /* BN_REDUCE and BN_DX */
  efme_plan_free(p);
}
END_TEST

/* ---- text, hash ---- */

static size_t count_lines(const char *text, const char *from, const char *to) {
  const char *p = strstr(text, from), *end = to ? strstr(text, to) : text + strlen(text);
  size_t n = 0;
  ck_assert_msg(p != NULL && end != NULL, "no \"%s\" .. \"%s\"", from, to ? to : "end");
  for (p = strchr(p, '\n') + 1; p < end; p = strchr(p, '\n') + 1) n++;
  return n;
}

/* A line for each op with its layer and shapes, a line for each buffer, and totals that add up. */
static void check_text(const struct efme_plan *p, const char *text) {
  char head[64], line[128];
  const struct {
    const char *name, *next;
    const struct efme_plan_list *list;
  } lists[] = {{"prepare:", "main:", &p->prepare}, {"main:", "update:", &p->main}, {"update:", "buffers:", &p->update}};
  const char *at = text;
  for (size_t i = 0; i < EFME_COUNT(lists); i++) {
    snprintf(head, sizeof head, "\n%s %zu ops\n", lists[i].name, lists[i].list->count);
    at = strstr(text, head);
    ck_assert_msg(at != NULL, "no line \"%s\"", head + 1);
    ck_assert_uint_eq(count_lines(at + 1, lists[i].name, lists[i].next), lists[i].list->count);
    at = strchr(at + 1, '\n') + 1;
    for (size_t k = 0; k < lists[i].list->count; k++, at = strchr(at, '\n') + 1) {
      const struct efme_op *op = &lists[i].list->ops[k];
      snprintf(line, sizeof line, "%4zu %-10s %s ", k, efme_op_name(op->kind), p->layers[op->layer]);
      ck_assert_msg(strncmp(at, line, strlen(line)) == 0, "\"%.60s\" does not begin with \"%s\"", at, line);
      const struct efme_tensor *x = &op->t[EFME_T_X];
      if (!x->arena) continue;
      snprintf(line, sizeof line, "%d,%d,%d,%d]", x->n, x->h, x->w, x->c);
      const char *shape = strstr(at, line);
      ck_assert_msg(shape != NULL && shape < strchr(at, '\n'), "\"%.90s\" does not hold %s", at, line);
    }
  }
  uint64_t total = 0;
  for (int a = 1; a < EFME_ARENA_COUNT; a++) total += p->size[a];
  snprintf(line, sizeof line, "\ntotal    %12llu bytes", (unsigned long long)total);
  ck_assert_ptr_nonnull(strstr(text, line));
  for (uint32_t i = 0; i < p->buffer_count; i++) {
    snprintf(line, sizeof line, " %12llu %12llu  %s\n", (unsigned long long)p->buffers[i].offset, (unsigned long long)p->buffers[i].size,
             p->buffers[i].name);
    ck_assert_msg(strstr(text, line) != NULL, "no line for %s", p->buffers[i].name);
  }
}

START_TEST(test_print_and_hash) {
  struct efme_arch arch = rig_arch(3, 0, 3, 48, 48);
  for (size_t k = 0; k < EFME_COUNT(kinds); k++) {
    struct efme_plan *p = player_plan(&rig_reference, &arch, &kinds[k]), *q = player_plan(&rig_reference, &arch, &kinds[k]);
    char *a, *b;
    ck_assert_int_eq(efme_plan_print(p, &a), EFME_OK);
    ck_assert_int_eq(efme_plan_print(q, &b), EFME_OK);
    ck_assert_str_eq(a, b);
    check_text(p, a);
    ck_assert_uint_eq(efme_plan_hash(p), efme_plan_hash(q));
    for (size_t j = 0; j < k; j++) {
      struct efme_plan *other = player_plan(&rig_reference, &arch, &kinds[j]);
      ck_assert_uint_ne(efme_plan_hash(p), efme_plan_hash(other));
      efme_plan_free(other);
    }
    efme_mem_free(&efme_allocator_libc, a);
    efme_mem_free(&efme_allocator_libc, b);
    efme_plan_free(p);
    efme_plan_free(q);
  }
}
END_TEST

/* ---- allocation failures ---- */

static efme_status make_plan(void *user) {
  const struct efme_allocator a = {heap_alloc, heap_free, user};
  struct efme_arch arch = rig_arch(2, 0, 3, 48, 48);
  struct efme_plan *p = NULL;
  efme_status status = efme_plan_create(&p, &a, &rig_reference, &arch, &kinds[7]);
  efme_plan_free(p);
  return status;
}

START_TEST(test_out_of_memory) {
  struct heap heap = {0};
  ck_assert_int_gt(heap_exhaust(&heap, make_plan, &heap), 4);
}
END_TEST

/* ---- memory, as docs/design.md states it; PyTorch trains in 2.2 GB ---- */

START_TEST(test_memory) {
  struct efme_arch arch = rig_arch(5, 0, 3, 224, 224);
  for (uint32_t keep = 0; keep < 2; keep++) {
    struct efme_plan_options o = {.mode = EFME_PLAN_TRAIN,
                                  .max_batch = 16,
                                  .bn_update = 1,
                                  .gamma = 2,
                                  .alpha = 1,
                                  .l1 = 0.01f,
                                  .l2 = 0.01f,
                                  .update = 1,
                                  .dropout = 0.5f,
                                  .dropconnect = 1,
                                  .augment = 1,
                                  .keep_activations = keep};
    struct efme_plan *p = player_plan(rig_shared, &arch, &o);
    uint64_t total = 0;
    for (int a = 1; a < EFME_ARENA_COUNT; a++) total += p->size[a];
    printf("training 224 x 224, batch 16, cut 5, %s: %.1f MB, of them activations %.1f\n",
           keep ? "activations kept" : "activations made again", (double)total / 1e6, (double)p->size[EFME_ARENA_ACT] / 1e6);
    ck_assert_uint_le(total, keep ? 815000000u : 475000000u);
    efme_plan_free(p);
  }
  struct efme_plan_options o = {.mode = EFME_PLAN_INFER, .max_batch = 1};
  struct efme_plan *p = player_plan(rig_shared, &arch, &o);
  printf("inference 224 x 224, cut 5: activations of one image %.2f MB\n", (double)p->size[EFME_ARENA_ACT] / 1e6);
  ck_assert_uint_le(p->size[EFME_ARENA_ACT], 6500000u);
  efme_plan_free(p);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("plan");
  TCase *t = tcase_create("plan");
  tcase_set_timeout(t, 0);
  rig_fixture(t);
  tcase_add_loop_test(t, test_variants, 0, 7);
  tcase_add_test(t, test_parameters);
  tcase_add_test(t, test_arch_errors);
  tcase_add_test(t, test_drop_connect);
  tcase_add_test(t, test_print_and_hash);
  tcase_add_test(t, test_out_of_memory);
  tcase_add_test(t, test_memory);
  suite_add_tcase(suite, t);
  return test_run(suite);
}
