/* A program with libefme linked in, for trust.c: says whether the system ran it with more rights than its caller has (exit code
 * + 2), and whether it got the backend `fake` (0) or not (1); prints what the library says. */
#include <stdio.h>
#include <sys/auxv.h>

#include "efme/context.h"

int main(void) {
  efme_context_options o = EFME_CONTEXT_OPTIONS_INIT;
  efme_context *context = NULL;
  o.backend = "fake";
  int failed = efme_context_create(&context, &o) != EFME_OK;
  puts(failed ? efme_last_error() : efme_context_backend(context));
  efme_context_release(context);
  return failed + (getauxval(AT_SECURE) ? 2 : 0);
}
