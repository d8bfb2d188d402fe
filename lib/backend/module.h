/* Finding and loading backend modules; see module.c for the search. */
#ifndef EFME_BACKEND_MODULE_H
#define EFME_BACKEND_MODULE_H

#include "backend/backend.h"

#define EFME_MODULE_DIRS 4
#define EFME_MODULE_PATH 1024 /* a directory longer than this is left out */
#define EFME_MODULE_NAME 48   /* with the NUL */

/* The directories to look in, in order, absolute all; returns how many. */
int efme_module_dirs(char dirs[EFME_MODULE_DIRS][EFME_MODULE_PATH]);
/* 1 if the n characters can be a module's name: [a-z0-9_-], so that no name leads out of the search directories. */
int efme_module_name_ok(const char *name, size_t n);
/* Loads module `name` (n characters) and checks its table. Errors name the file: UNSUPPORTED where there is none or it declines, BACKEND
 * where it is broken. */
efme_status efme_module_load(const struct efme_backend_api **out, const char *name, size_t n);
/* Names of the modules in the search directories, sorted, each once; returns how many, at most `capacity` stored. */
uint32_t efme_module_list(char names[][EFME_MODULE_NAME], uint32_t capacity);

#endif
