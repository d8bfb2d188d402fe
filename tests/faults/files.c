/* Folders of a test's own, and their contents as a hash. See faults.h. */
#include "faults.h"

#include <dirent.h>
#include <sys/stat.h>

#include "util/util.h"

static char folder[64];

void remove_tree(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *e; dir && (e = readdir(dir));) {
    char name[1024];
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    snprintf(name, sizeof name, "%s/%s", path, e->d_name);
    remove_tree(name);
  }
  if (dir) closedir(dir);
  remove(path);
}

static void remove_folder(void) { remove_tree(folder); }

const char *at(const char *name) {
  static char path[8][256];
  static int turn;
  if (!folder[0]) {
    strcpy(folder, "/tmp/efme-faults-XXXXXX");
    if (!mkdtemp(folder)) perror(folder), exit(EXIT_FAILURE);
    atexit(remove_folder);
  }
  char *p = path[turn++ & 7];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

void write_bytes(const char *path, const void *data, size_t size) {
  char parent[256];
  snprintf(parent, sizeof parent, "%s", path);
  *strrchr(parent, '/') = '\0';
  ok(efme_dir_create(&efme_allocator_libc, parent));
  ok(efme_file_write(&efme_allocator_libc, path, data, size));
}

void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

/* ---- what came out ---- */

void add_bytes(uint64_t *hash, const void *data, size_t size) { *hash = efme_hash64(data, size, *hash); }
void add_text(uint64_t *hash, const char *text) { add_bytes(hash, text, strlen(text)); }

void add_file(uint64_t *hash, const char *path) {
  uint8_t *data;
  size_t size;
  malloc_paused++;
  ok(efme_file_read(&data, &size, &efme_allocator_libc, path, 1u << 30));
  add_bytes(hash, data, size);
  efme_mem_free(&efme_allocator_libc, data);
  malloc_paused--;
}

static int not_dots(const struct dirent *e) { return strcmp(e->d_name, ".") && strcmp(e->d_name, ".."); }

void add_tree(uint64_t *hash, const char *path) {
  struct dirent **entries;
  malloc_paused++;
  int n = scandir(path, &entries, not_dots, alphasort);
  must(n >= 0, "%s cannot be listed", path);
  for (int i = 0; i < n; i++) {
    char name[1024];
    struct stat st;
    snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
    add_text(hash, entries[i]->d_name);
    must(!stat(name, &st), "%s", name);
    if (S_ISDIR(st.st_mode)) add_tree(hash, name);
    else add_file(hash, name);
    free(entries[i]);
  }
  free(entries);
  malloc_paused--;
}
