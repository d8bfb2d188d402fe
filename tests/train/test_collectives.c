/* Two ranks, each a thread with a context of its own, joined by collectives over a barrier: both end with the same bits, near those of
 * one trainer with the whole batch; a wish to stop or a bad loss on one rank stops both at the same step. */
#include <math.h>
#include <pthread.h>

#include "fixture.h"

#define RANKS 2
#define GROUP_MAX 400000

struct group {
  pthread_barrier_t barrier;
  const float *values[RANKS];
  void *data[RANKS];
  float sum[GROUP_MAX];
  uint32_t calls;
};

struct member {
  struct group *group;
  uint32_t rank;
  efme_collectives collectives;
  /* the run */
  uint32_t scope, bn, cancel_at;
  float l1;
  int known; /* provenance of what it publishes */
  uint64_t model_seed;
  efme_status status;
  char error[512];
  float *weights;
  size_t count;
  struct fx_cancel cancel;
};

static efme_status allreduce(float *values, size_t count, void *user) {
  struct member *m = user;
  if (count > GROUP_MAX) return EFME_E_LIMIT;
  m->group->values[m->rank] = values;
  pthread_barrier_wait(&m->group->barrier);
  if (m->rank == 0) {
    for (size_t i = 0; i < count; i++) m->group->sum[i] = m->group->values[0][i] + m->group->values[1][i];
    m->group->calls++;
  }
  pthread_barrier_wait(&m->group->barrier);
  memcpy(values, m->group->sum, count * sizeof *values);
  pthread_barrier_wait(&m->group->barrier);
  return EFME_OK;
}

static efme_status broadcast(void *data, size_t size, uint32_t root, void *user) {
  struct member *m = user;
  m->group->data[m->rank] = data;
  pthread_barrier_wait(&m->group->barrier);
  if (m->rank != root) memcpy(data, m->group->data[root], size);
  pthread_barrier_wait(&m->group->barrier);
  return EFME_OK;
}

static efme_status barrier(void *user) {
  struct member *m = user;
  pthread_barrier_wait(&m->group->barrier);
  return EFME_OK;
}

static efme_recipe *recipe_of(efme_context *context, uint32_t scope, uint32_t bn, uint32_t batch, float l1,
                              const efme_collectives *collectives) {
  efme_recipe *recipe = fx_fixed(context);
  efme_train_options o = fx_options(recipe);
  o.bn_mode = bn;
  o.batch = batch;
  o.l1 = l1;
  o.l2 = 0.01f;
  o.collectives = collectives;
  fx_set(recipe, o);
  fx_phase(context, recipe, scope, 2, 0, 0, EFME_SGD, 0.05);
  return recipe;
}

static void *member_main(void *arg) {
  struct member *m = arg;
  efme_context *context = fx_context(1);
  efme_dataset *train = fx_dataset(context, 0, 21, 3, 1); /* batches of 4 a rank: the last group has 4 and 1 */
  efme_model *model = fx_model(context, 1, m->model_seed);
  efme_recipe *recipe = recipe_of(context, m->scope, m->bn, 4, m->l1, &m->collectives);
  efme_trainer *trainer = NULL;
  ck_ok(efme_trainer_create(&trainer, model, recipe, train, NULL));
  m->cancel.at = m->cancel_at;
  m->status = efme_trainer_run(trainer, fx_progress, &m->cancel);
  snprintf(m->error, sizeof m->error, "%s", efme_last_error());
  m->weights = fx_result(trainer, &m->count);
  efme_model *result = NULL;
  ck_ok(efme_trainer_model(&result, trainer));
  m->known = efme_model_provenance_known(result);
  efme_model_release(result);
  efme_trainer_release(trainer);
  efme_recipe_release(recipe);
  efme_model_release(model);
  efme_dataset_release(train);
  efme_context_release(context);
  return NULL;
}

static struct group group;

static void run_group(struct member members[RANKS], uint32_t scope, uint32_t bn, uint32_t cancel_rank1, float l1_rank1) {
  pthread_t threads[RANKS];
  memset(&group, 0, sizeof group);
  pthread_barrier_init(&group.barrier, NULL, RANKS);
  for (uint32_t r = 0; r < RANKS; r++) {
    members[r] = (struct member){
        .group = &group, .rank = r, .scope = scope, .bn = bn, .cancel_at = r ? cancel_rank1 : UINT32_MAX, .model_seed = 5 + r,
        .l1 = r ? l1_rank1 : 0.0f};
    members[r].collectives = (efme_collectives){sizeof(efme_collectives), r, RANKS, allreduce, broadcast, barrier, &members[r]};
  }
  for (uint32_t r = 0; r < RANKS; r++) ck_assert_int_eq(pthread_create(&threads[r], NULL, member_main, &members[r]), 0);
  for (uint32_t r = 0; r < RANKS; r++) pthread_join(threads[r], NULL);
  pthread_barrier_destroy(&group.barrier);
}

static void free_group(struct member members[RANKS]) {
  for (uint32_t r = 0; r < RANKS; r++) free(members[r].weights);
}

START_TEST(two_ranks_as_one) {
  static const uint32_t scopes[] = {EFME_SCOPE_ALL, EFME_SCOPE_HEAD};
  for (int i = 0; i < 2; i++) {
    struct member members[RANKS];
    run_group(members, scopes[i], EFME_BN_FIXED, UINT32_MAX, 0.0f);
    for (int r = 0; r < RANKS; r++) ck_assert_msg(members[r].status == EFME_OK, "rank %d: %s", r, members[r].error);
    fx_same_bits(members[0].weights, members[1].weights, members[0].count, "rank 0 against rank 1"); /* rank 1 began with other weights */
    ck_assert_int_eq(members[0].known, 1);
    ck_assert_int_eq(members[1].known, 0); /* it cannot tell what rank 0's weights have seen */
    efme_context *context = fx_context(1);
    efme_dataset *train = fx_dataset(context, 0, 21, 3, 1);
    efme_model *model = fx_model(context, 1, 5);
    efme_recipe *recipe = recipe_of(context, scopes[i], EFME_BN_FIXED, 8, 0.0f, NULL);
    size_t count;
    float *start = fx_weights(model, &count), *one = fx_train(model, recipe, train, NULL, &count);
    double moved = 0.0, apart = 0.0;
    for (size_t k = 0; k < count; k++) {
      moved = fmax(moved, fabs((double)one[k] - start[k]));
      apart = fmax(apart, fabs((double)one[k] - members[0].weights[k]));
    }
    /* the same sums in another order: six steps of float32 rounding against what the steps moved */
    ck_assert_msg(moved > 0.0 && apart < 1e-4 * moved, "weights moved by %.3g, ranks and one trainer are %.3g apart", moved, apart);
    free(start);
    free(one);
    free_group(members);
    efme_recipe_release(recipe);
    efme_model_release(model);
    efme_dataset_release(train);
    efme_context_release(context);
  }
}
END_TEST

/* Batch statistics are local, but the moving ones are made equal before anybody validates. */
START_TEST(statistics_agree) {
  struct member members[RANKS];
  run_group(members, EFME_SCOPE_ALL, EFME_BN_UPDATE, UINT32_MAX, 0.0f);
  for (int r = 0; r < RANKS; r++) ck_assert_msg(members[r].status == EFME_OK, "rank %d: %s", r, members[r].error);
  fx_same_bits(members[0].weights, members[1].weights, members[0].count, "rank 0 against rank 1");
  free_group(members);
}
END_TEST

START_TEST(one_rank_cancels) {
  for (uint32_t at = 0; at < 8; at++) {
    struct member members[RANKS];
    run_group(members, EFME_SCOPE_ALL, EFME_BN_UPDATE, at, 0.0f);
    for (int r = 0; r < RANKS; r++)
      ck_assert_msg(members[r].status == EFME_E_CANCELLED, "cancel %u, rank %d: %s", at, r, efme_status_name(members[r].status));
    ck_assert_uint_eq(members[0].cancel.calls, members[1].cancel.calls); /* at the same place */
    free_group(members);
  }
}
END_TEST

/* A penalty that overflows on one rank: both stop at the same step, with the weights that they began with. */
START_TEST(one_rank_fails) {
  struct member members[RANKS];
  run_group(members, EFME_SCOPE_ALL, EFME_BN_FIXED, UINT32_MAX, 3e38f);
  for (int r = 0; r < RANKS; r++) {
    ck_assert_msg(members[r].status == EFME_E_NUMERIC, "rank %d: %s", r, efme_status_name(members[r].status));
    ck_assert_msg(strstr(members[r].error, "the loss is not finite at step ") != NULL, "rank %d: %s", r, members[r].error);
    ck_assert_str_eq(members[r].error, members[0].error);
  }
  fx_same_bits(members[0].weights, members[1].weights, members[0].count, "rank 0 against rank 1");
  free_group(members);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("collectives");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 0);
  tcase_add_test(tc, two_ranks_as_one);
  tcase_add_test(tc, statistics_agree);
  tcase_add_test(tc, one_rank_cancels);
  tcase_add_test(tc, one_rank_fails);
  suite_add_tcase(suite, tc);
  return test_run(suite);
}
