/* Shared by the tests of synthetic releases: writing one, reading its tables, walking its folders. */
#ifndef EFME_DATA_ARCHIVE_TEST_H
#define EFME_DATA_ARCHIVE_TEST_H

#include <dirent.h>

#include "data_test.h"

#include "data/dataset.h"
#include "efme/synthetic.h"

/* The whole composition in small frames. */
static inline efme_synthetic_release_options small_release(void) {
  efme_synthetic_release_options o = EFME_SYNTHETIC_RELEASE_OPTIONS_INIT;
  o.width = 56, o.height = 48, o.frames_min = 4, o.frames_max = 6;
  return o;
}

/* A few clips of all three sets. */
static inline efme_synthetic_release_options few_clips(void) {
  efme_synthetic_release_options o = small_release();
  o.subjects = 2, o.clips = 2;
  return o;
}

/* ---- tables: all fields of all rows ---- */
#define MOST_ROWS 600
#define MOST_FIELDS 24
struct table {
  size_t rows, fields[MOST_ROWS];
  char cell[MOST_ROWS][MOST_FIELDS][96];
};

static inline void read_table(struct table *t, const char *path) {
  struct efme_csv csv;
  memset(t, 0, sizeof *t);
  assert_ok(efme_csv_open(&csv, &efme_allocator_libc, path, 1u << 16));
  for (;;) {
    int more;
    assert_ok(efme_csv_next(&csv, &more));
    if (!more) break;
    ck_assert(t->rows < MOST_ROWS && csv.field_count <= MOST_FIELDS);
    t->fields[t->rows] = csv.field_count;
    for (size_t i = 0; i < csv.field_count; i++) {
      ck_assert_uint_lt(efme_csv_length(&csv, i), 96);
      strcpy(t->cell[t->rows][i], efme_csv_field(&csv, i));
    }
    t->rows++;
  }
  efme_csv_close(&csv);
}

/* Column of truth.csv by name. */
static inline size_t column(const struct table *t, const char *name) {
  for (size_t i = 0; i < t->fields[0]; i++)
    if (!strcmp(t->cell[0][i], name)) return i;
  ck_abort_msg("no column %s", name);
  return 0;
}

/* ---- folders ---- */
static inline int entries(const char *path, int (*each)(const char *path, int folder, void *user), void *user) {
  struct dirent **list;
  int n = scandir(path, &list, NULL, alphasort), seen = 0;
  ck_assert_msg(n >= 0, "%s cannot be listed", path);
  for (int i = 0; i < n; i++) {
    char inner[1024];
    struct stat st;
    ck_assert_int_lt(snprintf(inner, sizeof inner, "%s/%s", path, list[i]->d_name), (int)sizeof inner);
    int dots = !strcmp(list[i]->d_name, ".") || !strcmp(list[i]->d_name, "..");
    free(list[i]);
    if (dots) continue;
    ck_assert_int_eq(stat(inner, &st), 0);
    seen++;
    if (each) each(inner, S_ISDIR(st.st_mode), user);
  }
  free(list);
  return seen;
}

struct tree {
  uint64_t hash;
  size_t root, files, folders;
  uint64_t bytes;
};

static inline int add_entry(const char *path, int folder, void *user) {
  struct tree *t = user;
  t->hash = efme_hash64(path + t->root, strlen(path + t->root), t->hash);
  if (folder) {
    t->folders++;
    entries(path, add_entry, t);
    return 0;
  }
  uint8_t *data;
  size_t size;
  assert_ok(efme_file_read(&data, &size, &efme_allocator_libc, path, 1u << 24));
  t->hash = efme_hash64(data, size, t->hash), t->files++, t->bytes += size;
  efme_mem_free(&efme_allocator_libc, data);
  return 0;
}

/* Names and contents of all that is below. */
static inline struct tree tree_of(const char *path) {
  struct tree t = {.root = strlen(path)};
  entries(path, add_entry, &t);
  return t;
}

#endif
