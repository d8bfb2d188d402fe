/* Counts what a program asks of malloc and its kin, libc's own calls included: malloc.c puts itself in their place. */
#ifndef EFME_TEST_MALLOC_H
#define EFME_TEST_MALLOC_H

#include <stddef.h>

/* 1 where calls can be counted: on glibc, and without a sanitizer, which has put itself there already. */
int malloc_counted(void);
/* Calls of any thread so far, releases left out. */
long malloc_calls(void);
/* Memory that is not counted, released with free(). */
void *malloc_apart(size_t size, size_t alignment);

#endif
