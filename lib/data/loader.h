/* How samples reach the network: a stage makes bytes of the input's size, a loader hands them out in batches ahead of time.
 *
 * The stage decodes and resizes on the host and keeps the result, so that later epochs, and other folds over the same
 * dataset, decode nothing. It resizes as efme_image_resize does, always: what the network sees of an image then depends
 * on nothing else in its dataset, and a predictor sees the same. The loader runs over a list of the stage's samples, in
 * order or shuffled by epoch, with threads of its own that prefetch. Augmentation and grey to RGB are EFME_OP_INPUT's.
 * What a batch holds is a function of dataset, stage size, seed and epoch; threads and depth never matter. */
#ifndef EFME_DATA_LOADER_H
#define EFME_DATA_LOADER_H

#include "efme/dataset.h"
#include "util/util.h"

/* ---- stage: any thread; keeps the dataset alive ---- */
struct efme_stage;

struct efme_stage_info {
  uint32_t height, width, channels; /* of every staged sample: the input's; channels 1 where all samples are known to be grey, else 3 */
  uint64_t count;                   /* samples: positions in the dataset view */
  size_t sample_bytes;              /* height * width * channels */
  uint32_t cached;                  /* 1: staged samples are kept in memory (or lie there already) */
};

/* width, height: the input's. Headers of files are read until one has colours; samples of the host program count as coloured.
 * cache_bytes: 0 no cache, else kept where the whole set fits. Errors: those of opening files (named). */
#define EFME_STAGE_CACHE (512ull << 20)
efme_status efme_stage_create(struct efme_stage **out, const efme_dataset *dataset, uint32_t width, uint32_t height, uint64_t cache_bytes);
struct efme_stage *efme_stage_retain(struct efme_stage *stage);
void efme_stage_release(struct efme_stage *stage);
void efme_stage_get_info(const struct efme_stage *stage, struct efme_stage_info *out);
const efme_dataset *efme_stage_dataset(const struct efme_stage *stage);
/* Sample `index` of the dataset into dst (sample_bytes). Errors name the file or row. */
efme_status efme_stage_read(struct efme_stage *stage, uint64_t index, uint8_t *dst);

/* ---- the shuffled order of an epoch, by seed and epoch alone: order[i].place is the i-th sample ---- */
struct efme_order_item {
  uint64_t key; /* drawn */
  uint32_t place;
};
void efme_order_shuffle(struct efme_order_item *order, uint32_t count, uint64_t seed, uint32_t epoch);

/* ---- loader: one consumer thread ---- */
struct efme_loader;

struct efme_loader_options {
  uint32_t batch;   /* samples a batch, >= 1; the last one of an epoch may be smaller */
  uint32_t threads; /* decoding threads; 0: next() decodes on the calling thread */
  uint32_t depth;   /* batches ahead, 0: 3 */
  uint32_t reserved;
  uint64_t seed; /* of the shuffled order */
};

struct efme_loader_batch {
  uint32_t count;        /* 1 .. batch */
  uint64_t first;        /* position of its first sample in the epoch */
  const uint8_t *pixels; /* [count][height][width][channels] */
  const int32_t *labels; /* [count], EFME_NO_CLASS where the view has none */
  const int32_t *ids;    /* [count] position in the stage's dataset: EFME_T_ID, the generator's `sample` */
};

enum efme_loader_order { EFME_LOADER_SEQUENTIAL = 0, EFME_LOADER_SHUFFLED = 1 };

/* indices: the samples it runs over (positions in the stage's dataset, copied); NULL: all. Keeps the stage alive. */
efme_status efme_loader_create(struct efme_loader **out, struct efme_stage *stage, const uint64_t *indices, uint64_t count,
                               const struct efme_loader_options *options);
void efme_loader_destroy(struct efme_loader *loader);           /* NULL allowed; joins its threads */
uint64_t efme_loader_count(const struct efme_loader *loader);   /* samples an epoch */
uint64_t efme_loader_batches(const struct efme_loader *loader); /* batches an epoch, the partial one included */

/* Begins an epoch at batch `first_batch` (a resumed run), dropping what is left of one before. SHUFFLED: samples sorted by
 * (word0 << 32 | word1 of philox(seed, ORDER, epoch, k, 0), k), k the position in the loader's list. */
efme_status efme_loader_start(struct efme_loader *loader, enum efme_loader_order order, uint32_t epoch, uint64_t first_batch);
/* The next batch, valid until the next call; NULL at the end of the epoch. An undecodable sample is an error of its batch
 * that names the file; the loader must then be started again or destroyed. */
efme_status efme_loader_next(struct efme_loader *loader, const struct efme_loader_batch **out);
/* Ends the epoch early (cancel); start() may follow. */
void efme_loader_stop(struct efme_loader *loader);

/* ---- hashes for the audit ---- */
/* Fills file_hash and pixel_hash of every sample of the view that has none yet. Decodes what is not in memory. progress "files". */
efme_status efme_dataset_hashes(const efme_dataset *dataset, efme_progress_fn progress, void *user);
/* One number for the pixels of all samples, whatever their order: the public fingerprint goes by names, labels and paths, and does
 * not see that a file was replaced. Fills the hashes. */
efme_status efme_dataset_contents(const efme_dataset *dataset, uint64_t *out);

/* The dataset's context, not retained. */
efme_context *efme_dataset_context(const efme_dataset *dataset);

#endif
