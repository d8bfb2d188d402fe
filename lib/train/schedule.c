/* Schedules and early stopping. cos and pow are the library's own, so that the rates have the same bits everywhere. */
#include "train/schedule.h"

#include "util/util.h"

double efme_schedule_rate(const efme_optimizer_options *o, uint64_t t, uint64_t total, uint64_t epoch) {
  static const double pi = 3.14159265358979323846;
  if (t < 1) t = 1;
  if (total < t) total = t;
  double done = (double)(t - 1), rate = o->learning_rate;
  if (o->schedule == EFME_SCHEDULE_TIME) rate /= 1.0 + o->decay * done;
  if (o->schedule == EFME_SCHEDULE_COSINE)
    rate *= o->final_ratio + (1.0 - o->final_ratio) * (1.0 + efme_cos(pi * (done / (double)total))) / 2.0;
  uint64_t warmup = o->warmup_steps == EFME_WARMUP_EPOCH ? epoch : o->warmup_steps;
  if (t < warmup) rate *= (double)t / (double)warmup;
  return rate;
}

double efme_schedule_correction(double beta, uint64_t t) { return beta > 0.0 ? 1.0 / (1.0 - efme_pow(beta, (double)t)) : 1.0; }

int efme_stopping_add(struct efme_stopping *s, double loss, uint32_t epoch, uint32_t patience) {
  if (!s->has_best || loss < s->best) {
    s->best = loss;
    s->best_epoch = epoch;
    s->has_best = 1;
    s->waited = 0;
    return 1;
  }
  s->waited++;
  if (patience && s->waited >= patience) s->stopped = 1;
  return 0;
}
