/* Samples that are image files: reading one, listing folders in byte order, and the bookkeeping that readers share. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/dataset.h"

static efme_status read_file(struct efme_store *s, uint64_t record, efme_image **out) {
  const char *path = s->records[record].path;
  uint8_t *data;
  size_t size;
  efme_status status = efme_file_read(&data, &size, s->allocator, path, s->image.max_file_size);
  if (status) return status;
  efme_store_note_hash(s, record, 0, efme_hash64(data, size, 0));
  status = efme_image_decode(out, s->context, data, size, path, &s->image);
  efme_mem_free(s->allocator, data);
  return status;
}

const struct efme_source efme_file_source = {read_file, NULL, NULL};

efme_status efme_reader_options(efme_dataset_options *out, efme_image_options *image, const efme_dataset_options *options) {
  static const efme_dataset_options defaults = EFME_DATASET_OPTIONS_INIT;
  efme_status status = efme_options_load(out, sizeof *out, options, &defaults, "efme_dataset_options");
  if (status) return status;
  if (out->lenient > 1) return efme_fail(EFME_E_ARGUMENT, "efme_dataset_options.lenient: %u is not 0 or 1", out->lenient);
  if (out->reserved) return efme_fail(EFME_E_ARGUMENT, "efme_dataset_options.reserved is not 0");
  return efme_image_options_load(image, out->image);
}

efme_status efme_reading_skip(struct efme_reading *r, efme_status status) {
  if (!status || status == EFME_E_NOMEM || status == EFME_E_CANCELLED || !r->options.lenient) return status;
  char text[512];
  efme_error_save(text);
  efme_context_log(r->context, EFME_LOG_WARNING, "left out: %s", text);
  r->left_out++;
  return EFME_OK;
}

efme_status efme_reading_step(struct efme_reading *r, uint64_t done) {
  r->done = done;
  if (r->options.progress && r->options.progress(r->what, done, r->total, r->options.progress_user))
    return efme_fail(EFME_E_CANCELLED, "cancelled after %llu %s", (unsigned long long)done, r->what);
  return EFME_OK;
}

efme_status efme_reading_end(struct efme_reading *r) {
  if (r->left_out) efme_context_log(r->context, EFME_LOG_WARNING, "%llu bad %s left out", (unsigned long long)r->left_out, r->what);
  r->total = r->done;
  return efme_reading_step(r, r->done);
}

efme_status efme_is_folder(int *is, const char *path) {
  enum efme_file_kind kind;
  efme_status status = efme_file_look(&kind, path);
  if (!status) *is = kind == EFME_FOLDER;
  return status;
}

int efme_is_image_name(const char *name) {
  static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".pnm"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < EFME_COUNT(endings); i++)
    if (efme_equal_words(dot, endings[i])) return 1;
  return 0;
}

/* d_type where the file system tells, else a stat. */
static efme_status is_kind(int *is, const struct efme_allocator *a, const char *folder, const struct dirent *e, enum efme_list_kind kind) {
  enum efme_file_kind found = e->d_type == DT_DIR ? EFME_FOLDER : e->d_type == DT_REG ? EFME_REGULAR_FILE : EFME_NO_FILE;
  efme_status status = EFME_OK;
  if (found == EFME_NO_FILE) {
    char *path = efme_path_join(a, folder, e->d_name);
    if (!path) return EFME_E_NOMEM;
    status = efme_file_look(&found, path);
    efme_mem_free(a, path);
  }
  *is = found == (kind == EFME_LIST_FOLDERS ? EFME_FOLDER : EFME_REGULAR_FILE);
  return status;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* text: names one after the other. The list and a copy of the names become one block. */
static efme_status make_list(char ***out, const struct efme_allocator *a, const struct efme_text *text, size_t count) {
  char **list = efme_mem_alloc(a, (count + 1) * sizeof *list + text->size + 1, "folder listing");
  if (!list) return EFME_E_NOMEM;
  char *p = (char *)(list + count + 1);
  if (text->size) memcpy(p, text->data, text->size);
  for (size_t i = 0; i < count; i++, p += strlen(p) + 1) list[i] = p;
  list[count] = NULL;
  qsort(list, count, sizeof *list, by_name);
  *out = list;
  return EFME_OK;
}

efme_status efme_list_folder(char ***out, size_t *count, const struct efme_allocator *a, const char *path, enum efme_list_kind kind) {
  DIR *dir;
  do dir = opendir(path);
  while (!dir && errno == EINTR);
  if (!dir) return efme_fail_errno(path, "open folder");
  struct efme_text names;
  efme_text_init(&names, a);
  size_t n = 0;
  efme_status status = EFME_OK;
  for (struct dirent *e; !status;) {
    errno = 0;
    if (!(e = readdir(dir))) {
      if (errno) status = efme_fail_errno(path, "read folder");
      break;
    }
    if (e->d_name[0] == '.') continue;
    int wanted = 0;
    status = is_kind(&wanted, a, path, e, kind);
    if (status || !wanted) continue;
    efme_text_add_n(&names, e->d_name, strlen(e->d_name) + 1);
    if (names.failed) status = efme_fail(EFME_E_NOMEM, "out of memory: listing %s", path);
    n++;
  }
  closedir(dir);
  if (!status) status = make_list(out, a, &names, n);
  if (!status) *count = n;
  efme_text_free(&names);
  return status;
}

efme_status efme_store_add_file(struct efme_store *s, struct efme_row *row) {
  struct stat st;
  if (stat(row->path, &st)) return efme_fail_errno(row->path, "open");
  if (!S_ISREG(st.st_mode)) return efme_fail(EFME_E_IO, "%s: is not a regular file", row->path);
  if (st.st_size == 0) return efme_fail(EFME_E_FORMAT, "%s: the file is empty", row->path);
  return efme_store_add(s, row);
}
