/* malloc and its kin for the whole process: what the C library, cJSON and libjpeg take is counted and can be refused. malloc_calls.c puts itself
 * in their place, under AddressSanitizer too, whose own functions then do the work. */
#ifndef EFME_TEST_MALLOC_CALLS_H
#define EFME_TEST_MALLOC_CALLS_H

#include <stddef.h>

/* 0 where nothing is interposed (another C library, other sanitizers): then nothing is counted, nothing refused. */
int malloc_interposed(void);
/* Calls of any thread since malloc_refuse, releases left out; under AddressSanitizer of the thread that called malloc_refuse. */
long malloc_calls(void);
/* Blocks that are not given back; 0 under AddressSanitizer, whose leak check looks at them instead. */
long malloc_live(void);
/* Counts from 0 again, and refuses the call with this number (1 is the first); 0: none. */
void malloc_refuse(long number);
/* The same for starts of threads. */
void threads_refuse(long number);
long threads_calls(void);
/* Nothing is counted or refused while this is not 0. */
extern int malloc_paused;

/* Memory that is not counted; 0, or an errno. */
int malloc_apart(void **out, size_t alignment, size_t size);
void malloc_apart_free(void *p);

#endif
