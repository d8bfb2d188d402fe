/* Datasets: every reader on a small set that is written here, every view, and the loader. */
#include "faults.h"

#include "data/loader.h"
#include "util/util.h"

static efme_dataset *faces, *table;

static void write_fer(const char *name, const char *head, const char *tail) {
  enum { PIXELS = 48 * 48 };
  char row[PIXELS * 4 + 64], *csv = calloc(4, sizeof row);
  strcpy(csv, head);
  for (int r = 0; r < 3; r++) {
    int n = sprintf(row, "%d,\"", r);
    for (int i = 0; i < PIXELS; i++) n += sprintf(row + n, "%d ", (i * 7 + r * 31) % 256);
    sprintf(row + n - 1, "\"%s\n", tail);
    strcat(csv, row);
  }
  write_text(at(name), csv);
  free(csv);
}

/* More rows than a sort can hold on the C library's stack. */
static void write_manifest(void) {
  struct efme_text t;
  char *text;
  efme_text_init(&t, &efme_allocator_libc);
  efme_text_add(&t, "path,label,subject,dataset,clip,note\n");
  for (int i = 0; i < 300; i++) efme_text_printf(&t, "ck/happy/S1_1_1.pgm,%s,%d,samm,c%d,n%d\n", i % 2 ? "a" : "b", i % 9, 299 - i, i);
  ok(efme_text_take(&t, &text, NULL));
  write_text(at("set.csv"), text);
  efme_mem_free(&efme_allocator_libc, text);
}

static void open_scene(void) {
  write_fer("fer.csv", "emotion,pixels,Usage\n", ",Training");
  write_fer("train.csv", "emotion,pixels\n", "");
  write_text(at("fer/train/happy/1.pgm"), "P5 1 1 255\nx"), write_text(at("fer/train/sad/1.pgm"), "P5 1 1 255\ny");
  write_text(at("fer/test/happy/2.pgm"), "P5 1 1 255\nz");
  write_text(at("ck/happy/S1_1_1.pgm"), "P5 1 1 255\nx"), write_text(at("ck/anger/S2_1_1.pgm"), "P5 1 1 255\ny");
  write_text(at("ckp/Emotion/S1/001/S1_001_3_emotion.txt"), "5.0");
  write_text(at("ckp/cohn-kanade-images/S1/001/S1_001_3.png"), "P5 1 1 255\nx");
  write_manifest();
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  o.subjects = 4, o.samples_per_subject = 3, o.size = 32;
  ok(efme_dataset_open_synthetic(&faces, faults_context, &o));
  ok(efme_dataset_open_manifest(&table, faults_context, at("set.csv"), NULL));
}

static void close_scene(void) {
  efme_dataset_release(faces), efme_dataset_release(table);
  static const char *const folders[] = {"fer", "ck", "ckp", "release"};
  for (size_t i = 0; i < EFME_COUNT(folders); i++) remove_tree(at(folders[i]));
}

/* ---- readers ---- */

typedef efme_status (*open_fn)(efme_dataset **, efme_context *, const char *, const efme_dataset_options *);
static const struct {
  open_fn open;
  const char *path;
} readers[] = {{efme_dataset_open_fer2013, "fer.csv"}, {efme_dataset_open_fer2013, "train.csv"}, {efme_dataset_open_fer2013, "fer"},
               {efme_dataset_open_ck48, "ck"},         {efme_dataset_open_ckplus, "ckp"},        {efme_dataset_open_manifest, "set.csv"}};

static efme_status read_set(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  efme_status status = readers[which].open(&d, faults_context, at(readers[which].path), NULL);
  return took_dataset(hash, status, d, 1);
}

static efme_status synthetic(uint64_t *hash, int which) {
  efme_synthetic_options o = EFME_SYNTHETIC_OPTIONS_INIT;
  efme_dataset *d = NOTHING;
  (void)which;
  o.subjects = 3, o.samples_per_subject = 3, o.size = 32;
  efme_status status = efme_dataset_open_synthetic(&d, faults_context, &o);
  return took_dataset(hash, status, d, 1);
}

/* A clip of each set. What a failure leaves is removed as whoever tries again must. */
static efme_status release(uint64_t *hash, int which) {
  efme_synthetic_release_options o = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
  (void)which;
  o.width = o.height = 48, o.frames_min = o.frames_max = 4, o.subjects = o.clips = 1;
  malloc_paused++;
  remove_tree(at("release"));
  malloc_paused--;
  efme_status status = efme_synthetic_release_write(faults_context, at("release"), &o);
  if (!status) add_tree(hash, at("release"));
  return status;
}

static int destroyed;

static efme_status host_describe(efme_sample *s, uint64_t index, void *user) {
  (void)index, (void)user;
  s->native_label = "x", s->subject = "p";
  return EFME_OK;
}

static efme_status host_read(efme_image **out, efme_context *c, uint64_t index, void *user) {
  uint8_t v = (uint8_t)index;
  (void)user;
  return efme_image_from_pixels(out, c, &v, EFME_PIXEL_GREY8, 1, 1, 0);
}

static void host_destroy(void *user) { (void)user, destroyed++; }

static efme_status host(uint64_t *hash, int which) {
  efme_dataset_callbacks c = {.struct_size = sizeof c, .count = 3, .describe = host_describe, .read = host_read, .destroy = host_destroy};
  efme_dataset *d = NOTHING;
  (void)which;
  destroyed = 0;
  efme_status status = efme_dataset_create(&d, faults_context, &c);
  must(!destroyed, "given up with its dataset");
  status = took_dataset(hash, status, d, 1);
  must(destroyed == (status == EFME_OK), "on failure the program still owns its data");
  return status;
}

/* ---- one sample ---- */

static efme_dataset *opened;

static void open_files(int which) { ok(readers[which].open(&opened, faults_context, at(readers[which].path), NULL)); }
static void release_opened(void) { efme_dataset_release(opened); }

static efme_status read_sample(uint64_t *hash, int which) {
  efme_image *image = NOTHING;
  (void)which;
  efme_status status = efme_dataset_read(opened, 0, &image);
  return took_image(hash, status, image);
}

static efme_status read_face(uint64_t *hash, int which) {
  efme_image *image = NOTHING;
  (void)which;
  efme_status status = efme_dataset_read(faces, 1, &image);
  return took_image(hash, status, image);
}

static efme_status hashes(uint64_t *hash, int which) {
  (void)which;
  efme_status status = efme_dataset_hashes(opened, NULL, NULL);
  for (uint64_t i = 0; !status && i < efme_dataset_count(opened); i++) {
    efme_sample s = EFME_SAMPLE_INIT;
    ok(efme_dataset_sample(opened, i, &s));
    add_bytes(hash, &s.pixel_hash, sizeof s.pixel_hash);
  }
  return status;
}

/* ---- views ---- */

static efme_status describe(uint64_t *hash, int json) {
  char *text = NOTHING;
  efme_status status = efme_dataset_describe(table, json, &text);
  return took_text(hash, status, text);
}

static efme_status map_labels(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_map_labels(&d, faces, efme_label_map_builtin("meg3"));
  return took_dataset(hash, status, d, 0);
}

static efme_status balance(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_balance(&d, table, 100, 1);
  return took_dataset(hash, status, d, 0);
}

static efme_status split(uint64_t *hash, int by_subject) {
  efme_dataset *a = NOTHING, *b = NOTHING;
  efme_status status = by_subject ? efme_dataset_split_subjects(&a, &b, table, .3, 1) : efme_dataset_split(&a, &b, table, .3, 1);
  status = took_dataset(hash, status, a, 0);
  return took_dataset(hash, status, b, 0);
}

static efme_status filter(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_filter(&d, table, "label", "a", 0);
  return took_dataset(hash, status, d, 0);
}

static efme_status subset(uint64_t *hash, int which) {
  static const uint64_t indices[] = {5, 2, 250};
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_subset(&d, table, indices, 3);
  return took_dataset(hash, status, d, 0);
}

static efme_dataset *parts[2];

static void make_parts(int which) {
  (void)which;
  ok(efme_dataset_split(&parts[0], &parts[1], faces, .4, 1));
}

static void drop_parts(void) { efme_dataset_release(parts[0]), efme_dataset_release(parts[1]); }

static efme_status concat(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_concat(&d, (const efme_dataset *const *)parts, 2);
  return took_dataset(hash, status, d, 0);
}

static efme_status without(uint64_t *hash, int which) {
  efme_dataset *d = NOTHING;
  (void)which;
  efme_status status = efme_dataset_without(&d, faces, parts[1]);
  return took_dataset(hash, status, d, 0);
}

/* ---- an epoch in batches ---- */

static efme_status load(uint64_t *hash, int threads) {
  struct efme_stage *s;
  efme_status status = efme_stage_create(&s, faces, 24, 24, EFME_STAGE_CACHE);
  if (status) return status;
  struct efme_loader_options o = {.batch = 4, .threads = (uint32_t)threads};
  struct efme_stage_info info;
  struct efme_loader *l;
  efme_stage_get_info(s, &info);
  status = efme_loader_create(&l, s, NULL, 0, &o);
  efme_stage_release(s);
  if (status) return status;
  const struct efme_loader_batch *b = NULL;
  uint64_t sum = 0;
  status = efme_loader_start(l, EFME_LOADER_SHUFFLED, 0, 0);
  if (!status) status = efme_loader_next(l, &b);
  while (!status && b) {
    add_bytes(&sum, b->pixels, b->count * info.sample_bytes);
    status = efme_loader_next(l, &b);
  }
  efme_loader_destroy(l);
  if (!status) add_bytes(hash, &sum, sizeof sum);
  return status;
}

static const struct scenario scenarios[] = {
    {"read FER2013's table", 0, NULL, read_set, NULL, LIBC},
    {"read FER2013's training table", 1, NULL, read_set, NULL, LIBC},
    {"read FER2013's folders", 2, NULL, read_set, NULL, LIBC},
    {"read CK+48", 3, NULL, read_set, NULL, LIBC},
    {"read CK+", 4, NULL, read_set, NULL, LIBC},
    {"read a manifest", 5, NULL, read_set, NULL, LIBC},
    {"synthetic faces", 0, NULL, synthetic, NULL, 0},
    {"write a synthetic release", 0, NULL, release, NULL, LIBC},
    {"dataset of the host", 0, NULL, host, NULL, 0},
    {"read a sample from a file", 3, open_files, read_sample, release_opened, 0},
    {"read a sample from a table", 0, open_files, read_sample, release_opened, 0},
    {"draw a face", 0, NULL, read_face, NULL, 0},
    {"content hashes", 3, open_files, hashes, release_opened, 0},
    {"describe", 0, NULL, describe, NULL, LIBC},
    {"describe as JSON", 1, NULL, describe, NULL, LIBC},
    {"map labels", 0, NULL, map_labels, NULL, 0},
    {"balance", 0, NULL, balance, NULL, LIBC},
    {"split", 0, NULL, split, NULL, LIBC},
    {"split by subject", 1, NULL, split, NULL, LIBC},
    {"filter", 0, NULL, filter, NULL, LIBC},
    {"subset", 0, NULL, subset, NULL, 0},
    {"concat", 0, make_parts, concat, drop_parts, 0},
    {"without", 0, make_parts, without, drop_parts, 0},
    {"load an epoch", 0, NULL, load, NULL, 0},
    {"load an epoch, two threads", 2, NULL, load, NULL, LIBC},
};
const struct scene scene_data = {open_scene, close_scene, scenarios, sizeof scenarios / sizeof scenarios[0]};
