/* What the fuzz targets share. A target is one function of bytes that stops the program (FUZZ_CHECK) where the library breaks a promise:
 * whatever the bytes are, the answer is a valid result or an error that says which file and why, within bounded memory, all of it given
 * back.
 *
 * A target's file is built twice: with libFuzzer as fuzz_NAME (preset `fuzz`, tools/fuzz.sh), and plainly with replay.c as the test
 * fuzz_NAME, which runs seeds, all damage to them that can be listed, and the inputs that once found something. */
#ifndef EFME_TESTS_FUZZ_H
#define EFME_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "efme/efme.h"
#include "util/util.h"

/* ---- what a target's file defines ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Small inputs that the library takes (but for those called bad...). The first `header` bytes are those that replay.c changes one by one;
 * SIZE_MAX: all. */
typedef void (*fuzz_emit_fn)(const char *name, const void *data, size_t size, size_t header);
void fuzz_seeds(fuzz_emit_fn emit);

/* ---- what it may use (fuzz.c) ---- */

/* Prints, keeps the input where that is replay.c's to do, aborts. */
#define FUZZ_CHECK(condition, ...) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))
void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) __attribute__((noreturn, format(printf, 4, 5)));
extern char fuzz_at[1100]; /* what replay.c is at, "" under libFuzzer */

/* One context for the program: CPU backend, one thread, memory that is counted and bounded. */
efme_context *fuzz_context(void);
/* Between these two at most `memory` bytes more are held than before, and none at the end. fuzz_peak: most bytes held so far. */
void fuzz_begin(size_t memory);
size_t fuzz_peak(void);
void fuzz_end(void);

/* Either EFME_OK, or one of `allowed` (bits FUZZ_MAY(FORMAT)) with a text that holds `word`. Returns the status. */
#define FUZZ_MAY(name) (1u << -EFME_E_##name)
efme_status fuzz_status(efme_status status, unsigned allowed, const char *word);
extern unsigned long fuzz_accepted; /* how often it was EFME_OK */

/* A folder of the program's own, in memory where there is such a file system; removed at exit. */
const char *fuzz_folder(void);
/* Path of a file in it, written anew. Valid until the fourth call from here. */
const char *fuzz_write(const char *name, const void *data, size_t size);

/* Whole text is JSON, and UTF-8. */
void fuzz_check_json(const char *text);
/* A generator for odd values that depend on the input alone. */
uint32_t fuzz_draw(const uint8_t *data, size_t size, uint32_t index);

#endif
